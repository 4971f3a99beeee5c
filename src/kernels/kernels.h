/* The hot loops: pointers in, numbers out. A kernel allocates nothing, prints nothing and cannot
 * fail other than by a documented return value.
 *
 * One table per kernel set. `reference` is plain C and defines what is correct; `avx2` and `avx512`
 * hold the same functions, tested against it at awkward lengths. Bits are promised per set, so a
 * set never mixes in another set's arithmetic, except where a comment says "same bits in every
 * set". A set is picked once, when a context is made. */
#ifndef QN_KERNELS_KERNELS_H
#define QN_KERNELS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Rows of factor matrices start every `stride` floats: rank rounded up to this; the padding is 0.
 */
#define QN_FACTOR_ALIGN 16
/* Items are scored in panels of this many: panel[f * QN_PANEL + j] is feature f of item j. */
#define QN_PANEL 16
/* Rows of a table that a caller hands to nearest and then to label_sums at a time: few enough that
 * they are still near the processor when the second reads them, many enough that a call costs
 * nothing. A multiple of QN_PANEL. */
#define QN_LABEL_ROWS 512

/* A run of one row's ratings, to be added to its normal equation. */
typedef struct qn_gram_run {
    int64_t n;             /* entries in the run */
    const uint32_t *index; /* [n] rows of `factors` */
    const float *weight;   /* [n] multiplies y yT; NULL means 1 for all (explicit feedback) */
    const float *target;   /* [n] multiplies y on the right-hand side */
    const float *factors;  /* fixed side; row i at factors + (size_t)i * stride, 64-byte aligned */
    int64_t stride;        /* floats between rows, a multiple of QN_FACTOR_ALIGN, >= rank */
    int32_t rank;
    int32_t n_ahead; /* index[n .. n + n_ahead - 1] can be read: what the next runs will ask for. It
                      * is a hint: some of their rows are brought near the processor; 0 is fine */
} qn_gram_run;

/* Where fields end in text. */
typedef struct qn_text_marks {
    char delimiter, stop; /* nothing is marked at or behind the first `stop`; '\n': there is none */
    int64_t most;      /* places wanted; place[most + 63] and newline[most + 63] may be written */
    uint32_t *place;   /* of delimiters and newlines, ascending */
    uint32_t *newline; /* of newlines alone */
    int64_t n_places, n_newlines; /* found; at most `most` places, newlines not behind the last */
} qn_text_marks;

/* Centres for the kernels on rows of a table. Rows lie in *panels* of QN_PANEL side by side: value
 * of feature f of row r is x[((r / QN_PANEL) * d + f) * QN_PANEL + r % QN_PANEL]; rows that the
 * last panel lacks hold zeros. x is 64-byte aligned. */
typedef struct qn_centres {
    int32_t k, d;
    const double *centre;   /* [k x d] */
    const float *origin;    /* [d] near the middle of the rows: makes the float search precise */
    const float *shifted;   /* [k x d] (float)(centre - origin), 64-byte aligned */
    const float *half_norm; /* [k] half the squared length of each row of `shifted`, summed in
                             * double and rounded once */
    float reach;            /* length of the longest row of `shifted`, rounded up; HUGE_VALF where
                             * one is too long for a float: then all is settled in double */
} qn_centres;

/* Sums by label in whole numbers, which are exact: rows may come in any order, and one that changes
 * its label can be taken out again. Feature f of a row of weight w counts as
 *     q = ((x_f - origin_f) * scale_f) * w,  rounded to the nearest whole number (ties to even),
 * which must be below 2^50 in size; behind the features comes scale_d * w, rounded likewise. */
typedef struct qn_label_totals {
    int32_t d;
    const double *origin; /* [qn_total_stride(d)] behind d zeros */
    const double *scale;  /* [qn_total_stride(d)] powers of two; at d that of weights, behind 0 */
    uint64_t *sums;       /* [k x qn_total_stride(d)] modulo 2^64 */
} qn_label_totals;

/* Rows of trees are *entries*: the place of a row in its block in the low 16 bits, how often it
 * counts in the high ones. A row's *codes* are bytes, one a feature: the number of its bin, or with
 * the class behind it, bin x n_classes + class. */
#define QN_ENTRY_MOST 65535

#define QN_CODES 256 /* that a byte can be */

/* Where counts of a node go: count of code c of feature[k] at sums[offset[k] + c]. There is room
 * for QN_CODES behind every offset; zeros may be added to what other features have there. */
typedef struct qn_code_sums {
    int32_t n_features;
    const int32_t *feature; /* [n_features] */
    const int32_t *offset;  /* [n_features] */
    uint32_t *sums;
} qn_code_sums;

typedef struct qn_kernels {
    const char *name;
    int32_t level; /* reference 0, avx2 1, avx512 2: ranks agree on the lowest */

    /* gram += sum_j weight_j y_j y_jT (upper triangle of [rank x stride], row-major: entry (a,b)
     * with a <= b at gram[a * stride + b]; the rest of the array may hold anything, and is
     * scribbled on), and rhs += sum_j target_j y_j ([stride], padding as in gram). Entries are
     * added in order j = 0, 1, ..., so splitting a run in two calls changes no bit. scratch:
     * qn_gram_scratch_bytes(), 64-byte aligned; it carries nothing from call to call. */
    void (*gram_f32)(const qn_gram_run *run, float *gram, float *rhs, void *scratch);
    void (*gram_f64)(const qn_gram_run *run, double *gram, double *rhs, void *scratch);

    /* Solves (G + diagonal_add I) x = rhs by Cholesky; gram is the upper triangle as above and is
     * destroyed, rhs becomes x with 0 in its padding. Returns 0, or 1 + the index of the first
     * pivot that is not > 0 (then rhs is undefined). */
    int32_t (*cholesky_f32)(int32_t rank, int64_t stride, float *gram, float diagonal_add,
                            float *rhs);
    int32_t (*cholesky_f64)(int32_t rank, int64_t stride, double *gram, double diagonal_add,
                            double *rhs);

    /* gram[rank x stride] += sum over n_rows consecutive rows of y yT, upper triangle, in row
     * order. */
    void (*gram_rows_f32)(int64_t n_rows, int32_t rank, int64_t stride, const float *rows,
                          float *gram);

    /* out[r * QN_PANEL + j] = sum_f users[r * stride + f] * panel[f * QN_PANEL + j] for r < n_users
     * (1..8). Each is a sequential sum of products rounded one by one, no fused multiply-add: the
     * same bits in every set, and equal to Spark's prediction. */
    void (*score_panel)(int32_t n_users, int32_t rank, int64_t stride, const float *users,
                        const float *panel, float *out);

    /* Sums and sums of squares of one column run: *sum += x[i], *sum_squares += x[i]^2, in a fixed
     * order that depends on n only. */
    void (*moments_f64)(int64_t n, const double *x, double *sum, double *sum_squares);

    /* label[r] = the centre nearest to row r: the lowest j that minimises
     * D(r, j) = sum_f (x_f - centre_jf)^2, computed in double, f ascending, every product rounded
     * before it is added. The float form searches in float and settles what is too near to call in
     * double, so that labels are exact and the same in every set. label has room for n_rows
     * rounded up to QN_PANEL; what lies behind n_rows is scribbled on. A row with a NaN gets
     * label 0. */
    void (*nearest_f32)(int64_t n_rows, const float *x, const qn_centres *centres, int32_t *label);
    void (*nearest_f64)(int64_t n_rows, const double *x, const qn_centres *centres, int32_t *label);

    /* sums[label_r x d] += weight_r x_r and weights[label_r] += weight_r for each row, rows
     * ascending, in double, products rounded before they are added: the same bits in every set.
     * weight NULL: all 1. A negative label leaves the row out. */
    void (*label_sums_f32)(int64_t n_rows, int32_t d, const float *x, const int32_t *label,
                           const double *weight, double *sums, double *weights);
    void (*label_sums_f64)(int64_t n_rows, int32_t d, const double *x, const int32_t *label,
                           const double *weight, double *sums, double *weights);

    /* Moves every row whose label differs from `before` from the sums of that one, unless it is
     * below 0, to those of its label, and makes them equal. No label is below 0. weight NULL: all
     * 1. The same bits in every set. */
    void (*label_moves_f32)(int64_t n_rows, const float *x, const double *weight,
                            const int32_t *label, int32_t *before, const qn_label_totals *to);
    void (*label_moves_f64)(int64_t n_rows, const double *x, const double *weight,
                            const int32_t *label, int32_t *before, const qn_label_totals *to);

    /* distance[r] = D(r, label_r) as above, centre [k x d]; label NULL: all rows to centre [d]. The
     * same bits in every set. */
    void (*label_distance_f32)(int64_t n_rows, int32_t d, const float *x, const int32_t *label,
                               const double *centre, double *distance);
    void (*label_distance_f64)(int64_t n_rows, int32_t d, const double *x, const int32_t *label,
                               const double *centre, double *distance);

    /* out[j * QN_PANEL + r] = sum_f x[f * QN_PANEL + r] * vector[j * d + f] for the rows of ONE
     * panel and j < k; f ascending, products rounded one by one: the same bits in every set. */
    void (*products_f32)(int32_t k, int32_t d, const float *x, const double *vector, double *out);
    void (*products_f64)(int32_t k, int32_t d, const double *x, const double *vector, double *out);

    /* Random words of rows b, b + 1, ...: out[w * n + i] = word w of Philox 4x32-10 under `key`
     * (qn_philox_key) for counters (a, b + i). The kernels on trees are the same in every set. */
    void (*row_draws)(uint64_t key, uint64_t a, uint64_t b, int64_t n, uint32_t *out);
    /* word[i] becomes the number of thresholds that are <= it; returns how many are not 0. */
    int64_t (*draw_counts)(int64_t n, int32_t n_thresholds, const uint32_t *threshold,
                           uint32_t *word);
    /* Entries of the rows i whose count[i] is not 0, ascending; counts are at most QN_ENTRY_MOST.
     * Returns how many; entry has room for them and 15 more. */
    int64_t (*row_entries)(int64_t n, const uint32_t *count, uint32_t *entry);
    /* Adds what the entries count to the sums. Codes of row r begin at code[r * stride]. */
    void (*code_sums)(int64_t n, const uint32_t *entry, const uint8_t *code, int64_t stride,
                      const qn_code_sums *to);
    /* Entries whose code (of one feature: code[r * stride]) is at most `limit` go to `left`, which
     * may be `entry`, the others to `right` (room for n + 15, and n); both keep their order. 3
     * bytes behind the last code can be read. Returns how many went left. */
    int64_t (*code_split)(int64_t n, const uint32_t *entry, const uint8_t *code, int64_t stride,
                          int32_t limit, uint32_t *left, uint32_t *right);
    /* bin[r] = the number of thresholds (ascending) below x[r], 0 <= r < QN_PANEL; a NaN: 0. */
    void (*panel_bins_f32)(const float *x, int32_t n_thresholds, const float *threshold,
                           uint8_t *bin);
    void (*panel_bins_f64)(const double *x, int32_t n_thresholds, const double *threshold,
                           uint8_t *bin);

    /* Marks where the fields of text[0 .. n) end, n < 2^32. The same in every set. */
    void (*text_marks)(const char *text, int64_t n, qn_text_marks *marks);

    /* Reads fields text[before[i] + 1 .. end[i]), i < n (before[i] wraps at 2^32; ends do not
     * fall), each of which may be up to 4 GB in, as numbers rounded to nearest once. Stops at the
     * first that is not in its simplest form: [-]digits[.digits] with 1 to 15 characters behind the
     * sign. (A float that is hard to round stops it too.) Returns how many were read. Nothing
     * outside text[0 .. last end) is touched; out[n] may be scribbled on. The same in every set. */
    int64_t (*text_floats)(const char *text, int64_t n, const uint32_t *before, const uint32_t *end,
                           float *out);
    int64_t (*text_doubles)(const char *text, int64_t n, const uint32_t *before,
                            const uint32_t *end, double *out);
} qn_kernels;

extern const qn_kernels qn_kernels_reference;
extern const qn_kernels qn_kernels_avx2;   /* x86-64 builds only */
extern const qn_kernels qn_kernels_avx512; /* x86-64 builds only */

/* The best set this processor and build can run. `wanted` NULL or "auto": the best; a name: that
 * set, or NULL if it is unknown or this processor lacks it. */
const qn_kernels *qn_kernels_pick(const char *wanted);

/* Names this processor can run, lowest first; returns how many (at most 3). */
int32_t qn_kernels_available(const char *names[3]);

/* Bytes of scratch that gram_f32 and gram_f64 need for `rank`. */
size_t qn_gram_scratch_bytes(int32_t rank);

/* Floats between rows of a factor matrix of `rank` columns. */
static inline int64_t qn_factor_stride(int32_t rank)
{
    return ((int64_t)rank + QN_FACTOR_ALIGN - 1) / QN_FACTOR_ALIGN * QN_FACTOR_ALIGN;
}

/* Numbers between the sums of two labels in qn_label_totals: d features, a weight, and zeros. */
static inline int64_t qn_total_stride(int32_t d)
{
    return ((int64_t)d + 8) / 8 * 8;
}

/* Sequential fp32 dot product, products rounded one by one: Spark's ALS prediction. */
static inline float qn_dot_spark(int32_t rank, const float *x, const float *y)
{
    float sum = 0.0F;

    for (int32_t f = 0; f < rank; f++)
        sum += x[f] * y[f];
    return sum;
}

/* min 1/2 xT A x - bT x over x >= 0, A symmetric [n x n] given in full, in double: the projected
 * conjugate gradient of Spark's mllib.optimization.NNLS (same limits and stopping rules). x is
 * overwritten. scratch: 5 * n doubles. The same bits in every set. Returns the iterations used. */
int32_t qn_nnls(int32_t n, const double *a, const double *b, double *x, double *scratch);

#endif
