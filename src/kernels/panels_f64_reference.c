/* The kernels on panels of doubles, in plain C. */
#include "kernels/sets.h"

typedef double number;
#define KERNEL(name) qn_##name##_f64_reference

#include "kernels/panels_reference_body.h"
