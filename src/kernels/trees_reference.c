/* Kernels on the rows of trees of the set reference. */
#include <stdbool.h>

#define SET(name) name##_reference
#include "kernels/trees_body.h"
