/* Inside the room only: the functions that the tables of kernels.h are made of. Every set names its
 * functions qn_<kernel>_<set>; contracts are those of qn_kernels. */
#ifndef QN_KERNELS_SETS_H
#define QN_KERNELS_SETS_H

#include "kernels/kernels.h"

/* Ratings are packed in blocks of about this many bytes, and not fewer than this many rows. */
#define QN_GRAM_BLOCK_BYTES 24576
#define QN_GRAM_BLOCK_ROWS  16
#define QN_GRAM_MOST_ROWS   96
/* Rows are fetched this many ratings before they are used. */
#define QN_GRAM_AHEAD 16

#define QN_KERNEL_SET(set)                                                                         \
    void qn_gram_f32_##set(const qn_gram_run *run, float *gram, float *rhs, void *scratch);        \
    void qn_gram_f64_##set(const qn_gram_run *run, double *gram, double *rhs, void *scratch);      \
    int32_t qn_cholesky_f32_##set(int32_t rank, int64_t stride, float *gram, float diagonal_add,   \
                                  float *rhs);                                                     \
    int32_t qn_cholesky_f64_##set(int32_t rank, int64_t stride, double *gram, double diagonal_add, \
                                  double *rhs);                                                    \
    void qn_gram_rows_f32_##set(int64_t n_rows, int32_t rank, int64_t stride, const float *rows,   \
                                float *gram);                                                      \
    void qn_score_panel_##set(int32_t n_users, int32_t rank, int64_t stride, const float *users,   \
                              const float *panel, float *out);                                     \
    void qn_moments_f64_##set(int64_t n, const double *x, double *sum, double *sum_squares)

/* The kernels on panels, by set and type of value. */
#define QN_PANEL_SET(set, bits, number)                                                            \
    void qn_nearest_f##bits##_##set(int64_t n_rows, const number *x, const qn_centres *centres,    \
                                    int32_t *label);                                               \
    void qn_label_sums_f##bits##_##set(int64_t n_rows, int32_t d, const number *x,                 \
                                       const int32_t *label, const double *weight, double *sums,   \
                                       double *weights);                                           \
    void qn_label_moves_f##bits##_##set(int64_t n_rows, const number *x, const double *weight,     \
                                        const int32_t *label, int32_t *before,                     \
                                        const qn_label_totals *to);                                \
    void qn_label_distance_f##bits##_##set(int64_t n_rows, int32_t d, const number *x,             \
                                           const int32_t *label, const double *centre,             \
                                           double *distance);                                      \
    void qn_products_f##bits##_##set(int32_t k, int32_t d, const number *x, const double *vector,  \
                                     double *out)

QN_PANEL_SET(reference, 32, float);
QN_PANEL_SET(reference, 64, double);
QN_PANEL_SET(avx2, 32, float);
QN_PANEL_SET(avx2, 64, double);
QN_PANEL_SET(avx512, 32, float);
QN_PANEL_SET(avx512, 64, double);

QN_KERNEL_SET(reference);
QN_KERNEL_SET(avx2);
QN_KERNEL_SET(avx512);

/* Text is integers alone: avx512 has nothing to add. */
#define QN_TEXT_KERNEL_SET(set)                                                                    \
    void qn_text_marks_##set(const char *text, int64_t n, qn_text_marks *marks);                   \
    int64_t qn_text_floats_##set(const char *text, int64_t n, const uint32_t *before,              \
                                 const uint32_t *end, float *out);                                 \
    int64_t qn_text_doubles_##set(const char *text, int64_t n, const uint32_t *before,             \
                                  const uint32_t *end, double *out)

QN_TEXT_KERNEL_SET(reference);
QN_TEXT_KERNEL_SET(avx2);

#define QN_TREE_KERNEL_SET(set)                                                                    \
    void qn_row_draws_##set(uint64_t key, uint64_t a, uint64_t b, int64_t n, uint32_t *out);       \
    int64_t qn_draw_counts_##set(int64_t n, int32_t n_thresholds, const uint32_t *threshold,       \
                                 uint32_t *word);                                                  \
    int64_t qn_row_entries_##set(int64_t n, const uint32_t *count, uint32_t *entry);               \
    void qn_code_sums_##set(int64_t n, const uint32_t *entry, const uint8_t *code, int64_t stride, \
                            const qn_code_sums *to);                                               \
    int64_t qn_code_split_##set(int64_t n, const uint32_t *entry, const uint8_t *code,             \
                                int64_t stride, int32_t limit, uint32_t *left, uint32_t *right);   \
    void qn_panel_bins_f32_##set(const float *x, int32_t n_thresholds, const float *threshold,     \
                                 uint8_t *bin);                                                    \
    void qn_panel_bins_f64_##set(const double *x, int32_t n_thresholds, const double *threshold,   \
                                 uint8_t *bin)

QN_TREE_KERNEL_SET(reference);
QN_TREE_KERNEL_SET(avx2);
QN_TREE_KERNEL_SET(avx512);

/* gram_f32 up to this rank, wholly in registers. */
#define QN_GRAM_SMALL_RANK 16
void qn_gram_small_avx512(const qn_gram_run *run, float *gram, float *rhs);

#endif
