/* Types of Arrow's C data interface, as far as columns are read, and single values of them. */
#ifndef QN_DATA_ARROW_TYPE_H
#define QN_DATA_ARROW_TYPE_H

#include "data/fill.h"
#include "quern/arrow.h"

typedef enum qn_arrow_kind {
    QN_ARROW_OTHER, /* may be there, cannot be asked for */
    QN_ARROW_NULL,
    QN_ARROW_BOOL,
    QN_ARROW_INT8,
    QN_ARROW_UINT8,
    QN_ARROW_INT16,
    QN_ARROW_UINT16,
    QN_ARROW_INT32,
    QN_ARROW_UINT32,
    QN_ARROW_INT64,
    QN_ARROW_UINT64,
    QN_ARROW_FLOAT,
    QN_ARROW_DOUBLE,
    QN_ARROW_DECIMAL,    /* 128 bits */
    QN_ARROW_DATE32,     /* days */
    QN_ARROW_TIME64,     /* dates and timestamps of `per_second` */
    QN_ARROW_TEXT,       /* offsets of 32 bits */
    QN_ARROW_LARGE_TEXT, /* of 64 */
    QN_ARROW_TEXT_VIEW,
    QN_ARROW_LIST,
    QN_ARROW_LARGE_LIST,
    QN_ARROW_FIXED_LIST
} qn_arrow_kind;

typedef struct qn_arrow_type {
    qn_arrow_kind kind;
    qn_arrow_kind child; /* of lists: kind of the values; of a dictionary: kind of its texts */
    bool is_dictionary;  /* kind is that of the indices */
    int32_t scale;       /* of decimals */
    int64_t per_second;  /* of times */
    int64_t length;      /* of fixed-size lists */
} qn_arrow_type;

/* Of a field of a schema. Text that cannot be read is OTHER. */
qn_arrow_type qn_arrow_type_of(const struct ArrowSchema *schema);
/* What a column of it is in our schema; OTHER is said to be text. */
qn_type qn_arrow_column_type(const qn_arrow_type *type);
/* Whether an array has the buffers, children and dictionary that its type needs. */
bool qn_arrow_array_fits(const qn_arrow_type *type, const struct ArrowArray *array);

/* Value i of the array (its offset added): is it there? */
bool qn_arrow_is_valid(const struct ArrowArray *array, int64_t i);
/* Whole numbers, booleans, dates and times (these in seconds). */
int64_t qn_arrow_int(const qn_arrow_type *type, const struct ArrowArray *array, int64_t i);
/* Any number. */
double qn_arrow_real(qn_arrow_kind kind, const struct ArrowArray *array, int64_t i);
/* Texts, borrowed from the array; of others the value written into `scratch`. */
#define QN_ARROW_SCRATCH 64
const char *qn_arrow_text(const qn_arrow_type *type, const struct ArrowArray *array, int64_t i,
                          char scratch[QN_ARROW_SCRATCH], size_t *length);
/* Values [*first, *first + *n) of the child array (its offset not added) are the list's. */
void qn_arrow_list(const qn_arrow_type *type, const struct ArrowArray *array, int64_t i,
                   int64_t *first, int64_t *n);

#endif
