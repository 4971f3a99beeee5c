/* Kernels on the rows of trees of the set avx2. */
#include <stdbool.h>

#define SET(name) name##_avx2
#include "kernels/trees_body.h"
