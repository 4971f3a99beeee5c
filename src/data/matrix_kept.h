/* A matrix that outlives its process: see engine/kept.h. */
#ifndef QN_DATA_MATRIX_KEPT_H
#define QN_DATA_MATRIX_KEPT_H

#include "engine/kept.h"
#include "quern/matrix.h"

/* Writes *matrix into the book, or makes it from it. Not collective. */
qn_status qn_matrix_kept(qn_kept *book, qn_matrix **matrix);

#endif
