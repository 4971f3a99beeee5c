/* The kernels on panels of floats, in plain C. */
#include "kernels/sets.h"

typedef float number;
#define KERNEL(name) qn_##name##_f32_reference

#include "kernels/panels_reference_body.h"
