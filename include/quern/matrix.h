/* Tables as matrices: rows x features in panels, held in blocks under the budget, with label and
 * weight; and how raw columns become features, which a model keeps so that predicting takes the raw
 * columns again. */
#ifndef QUERN_MATRIX_H
#define QUERN_MATRIX_H

#include "quern/param.h"
#include "quern/ratings.h"
#include "quern/source.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum qn_sample {
    QN_SAMPLE_FILES,      /* the first max(1, n f) of the sorted files (ACCEPTANCE F3) */
    QN_SAMPLE_ROW_GROUPS, /* row groups of Parquet, splits of text: read or not, by lot */
    QN_SAMPLE_ROWS,       /* each row by lot */
    QN_SAMPLE_STRATIFIED  /* the same share of every label, to within a row a split */
} qn_sample;
#define QN_SAMPLE_CHOICES "files|row-groups|rows|stratified"

typedef enum qn_on_missing {
    QN_MISSING_FAIL, /* name the first row that has a missing or non-finite value */
    QN_MISSING_SKIP, /* leave such rows out, counted */
    QN_MISSING_KEEP  /* NaN in the matrix; for algorithms that can use it */
} qn_on_missing;
#define QN_ON_MISSING_CHOICES "fail|skip|keep"

typedef enum qn_precision { QN_PRECISION_FLOAT, QN_PRECISION_DOUBLE } qn_precision;
#define QN_PRECISION_CHOICES "float|double"

/* Table: qn_matrix_table. Always start with qn_params_init(). */
typedef struct qn_matrix_options {
    qn_text_list input;
    int32_t format;        /* qn_format */
    int32_t header;        /* choice auto|no|yes */
    const char *delimiter; /* one character; NULL: found out */
    qn_text_list features; /* columns, names also comma separated, elements of lists "xyz[2]", names
                              of a --feature; n 0: every column of numbers or lists but label and
                              weight, and but columns that a --feature reads; `categorical` ones
                              too, each at its column's place */
    qn_text_list feature;  /* "ndvi=(Infrared-Red)/(Infrared+Red)", behind the others */
    const char *label, *weight; /* columns by name, or by number where there are no names; NULL */
    qn_text_list categorical;   /* columns of categories, numbers or texts */
    qn_text_list scale;         /* "z=std": features divided by their sample deviation over the rows
                                   read (Spark's StandardScaler without centring) */
    double fraction;            /* (0, 1] of the data */
    int32_t sample;             /* qn_sample */
    int64_t sample_seed;
    int32_t on_missing;   /* qn_on_missing */
    int32_t on_bad_row;   /* qn_on_bad_row */
    int32_t precision;    /* qn_precision */
    int32_t partitions;   /* 0: by size */
    int32_t num_features; /* of libsvm; 0: the largest index, found in a pass of its own */
    size_t split_bytes;   /* 0: 8 MiB; tests set less */
} qn_matrix_options;
QN_API extern const qn_params qn_matrix_table;

typedef enum qn_feature_kind {
    QN_FEATURE_COLUMN,     /* a column of numbers: one feature */
    QN_FEATURE_EXPRESSION, /* an expression over columns: one feature */
    QN_FEATURE_LIST,       /* a column of lists, or libsvm's pairs, called "features": `width`
                              features */
    QN_FEATURE_CATEGORY    /* a column of categories: one feature, or one a category */
} qn_feature_kind;

/* What an algorithm wants of categories. */
typedef enum qn_categories {
    QN_CATEGORIES_ONE_HOT, /* one feature a category, 0 or 1 */
    QN_CATEGORIES_INDEX    /* one feature: the category's place */
} qn_categories;

typedef struct qn_feature {
    char *name;   /* "f3", "ndvi"; of columns without names "0", "1" ... */
    char *source; /* the column, or the text of the expression */
    qn_feature_kind kind;
    int32_t width;        /* features that it makes, at least 1 */
    char **category;      /* CATEGORY: [n_categories] ascending: as numbers where all are, else in
                             byte order */
    int32_t n_categories; /* else 0 */
    double *scale;        /* [width] values are multiplied by it; NULL: as they come */
} qn_feature;

typedef struct qn_features {
    qn_feature *feature; /* [n] in the order of the matrix's columns */
    int32_t n;
    int32_t width;            /* of all: columns of the matrix */
    bool has_names;           /* false: columns are known by number */
    qn_categories categories; /* how CATEGORY columns are laid out */
    char *label, *weight;     /* columns; NULL: none */
} qn_features;

/* Name of column `j` of the matrix: "ndvi", "xyz[2]", "colour=red". Cut to `size`. */
QN_API void qn_features_name(const qn_features *features, int32_t j, char *out, size_t size);
QN_API void qn_features_release(qn_features *features);
QN_API qn_status qn_features_copy(qn_context *ctx, const qn_features *from, qn_features *to);

/* What reading found; part of the run record. */
typedef struct qn_matrix_counts {
    int64_t rows_read;    /* delivered by the reader */
    int64_t rows_bad;     /* rejected, by kind in `rejects` */
    int64_t rows_missing; /* left out because a value was missing or not finite */
    int64_t rows_sampled_out;
    int64_t files, files_total; /* read, and found */
    int64_t splits;             /* read */
    int64_t bytes_read;
    qn_rejects rejects;
    char first_reject[512];  /* "file.csv, line 17: ..."; "" if none */
    char first_missing[512]; /* "file.csv, row 17, column ndvi: ..."; "" if none */
} qn_matrix_counts;

/* A fixed run of at most 65,536 consecutive rows of one split. */
typedef struct qn_matrix_cell {
    int64_t first_row; /* in the whole matrix */
    int64_t n_rows;
    int64_t first_block; /* in `block` */
    int32_t n_blocks;
    int64_t split;     /* of the source */
    int64_t split_row; /* of its first row in the split, rows left out counted */
} qn_matrix_cell;

/* Rows of a block, borrowed while it is pinned. */
typedef struct qn_matrix_block {
    int64_t first_row, n_rows; /* of the whole matrix */
    const void *x;             /* panels of floats or doubles, see kernels/kernels.h */
    const double *label;       /* [n_rows] or NULL */
    const double *weight;      /* [n_rows] or NULL */
} qn_matrix_block;

struct qn_store;
struct qn_matrix_origin;

typedef struct qn_matrix {
    qn_features features;
    int32_t n_features; /* = features.width */
    bool is_double, has_label, has_weight;
    int64_t n_rows;                  /* of all ranks */
    int64_t n_cells;                 /* of all ranks; cells are numbered in the order of the rows */
    int64_t first_cell, n_own_cells; /* of this rank: one run, may be empty */
    qn_matrix_cell *cell;            /* [n_own_cells]; cell i here is cell first_cell + i of all */
    int64_t *block;                  /* store numbers of the cells' blocks */
    struct qn_store *store;
    int64_t n_partitions;    /* runs of cells, as asked for */
    double *mean;            /* [n_features] over all rows, unweighted, missing values left out;
                                through the tree: same bits */
    double *min, *max;       /* [n_features] */
    double weight_sum;       /* n_rows without weights */
    size_t bytes;            /* of all blocks of all ranks */
    uint64_t fingerprint;    /* of features, labels and weights, cell by cell */
    qn_matrix_counts counts; /* of all ranks */
    double *label_value;     /* [n_labels] distinct labels ascending, where there are at most 256 */
    int64_t *label_count;    /* [n_labels] rows of each */
    int32_t n_labels;        /* 0: more, or no label */
    struct qn_matrix_origin *origin; /* files and rows that the cells come from */
} qn_matrix;

/* Partition that own cell c belongs to. */
static inline int64_t qn_matrix_partition(const qn_matrix *matrix, int64_t c)
{
    return (matrix->first_cell + c) * matrix->n_partitions / matrix->n_cells;
}

/* What the caller does with the matrix. */
typedef struct qn_matrix_use {
    const qn_features *features; /* of a model: take these; NULL: as the options say */
    qn_categories categories;
    bool keep_label;    /* hold labels beside the rows; otherwise they are counted only */
    bool allow_missing; /* QN_MISSING_KEEP may be asked for */
    /* Bytes that the caller will hold in memory beside the matrix, of each value and of each row: a
     * matrix can leave memory, these cannot. */
    double value_bytes, row_bytes;
} qn_matrix_use;

/* Reads a table once (categories and libsvm's width cost a pass of their own over those columns).
 * Collective  every rank calls; ranks read different splits.
 * Errors      QN_ENOTFOUND path or column, with the nearest name; QN_EDATA bad or missing values
 * under `fail`, no rows; QN_EINVAL options, an expression, `features` that the columns do not give;
 * QN_ENOMEM with the bytes needed; QN_ECANCELLED.
 * Ownership   on QN_OK the caller frees *matrix. */
QN_API qn_status qn_matrix_read(qn_context *ctx, const qn_matrix_options *options,
                                const qn_matrix_use *use, qn_matrix **matrix);
/* The same from any source, which is borrowed: an Arrow stream, rows in memory. options->input is
 * not looked at. */
QN_API qn_status qn_matrix_from_source(qn_context *ctx, qn_source *source,
                                       const qn_matrix_options *options, const qn_matrix_use *use,
                                       qn_matrix **matrix);
QN_API void qn_matrix_free(qn_matrix *matrix);

/* Block i of own cell c (0 <= i < cell[c].n_blocks). Any thread. */
QN_API qn_status qn_matrix_pin(qn_context *ctx, const qn_matrix *matrix, int64_t c, int32_t i,
                               qn_matrix_block *block);
QN_API void qn_matrix_unpin(const qn_matrix *matrix, int64_t c, int32_t i);
/* Says that a pass over the own cells in their order begins: blocks that are not in memory are then
 * read before they are asked for. Not from inside a parallel region. */
QN_API qn_status qn_matrix_read_ahead(qn_context *ctx, const qn_matrix *matrix);

/* Copies rows of the whole matrix, by number, to every rank: out [n x n_features]. Collective. */
QN_API qn_status qn_matrix_rows(qn_context *ctx, const qn_matrix *matrix, int64_t n,
                                const int64_t *row, double *out);
/* "susy.csv, row 17" of a row of this rank, for messages. Rows of a file count from 0, bad ones and
 * header not counted. */
QN_API void qn_matrix_place(const qn_matrix *matrix, int64_t row, char *out, size_t size);

#ifdef __cplusplus
}
#endif
#endif
