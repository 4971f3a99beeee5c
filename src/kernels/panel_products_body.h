/* label_distance and products for one set and type of value: rows side by side in doubles, every
 * product rounded before it is added, so the same bits as the reference. */
/* The distances of one panel to the centres of its labels, all of which can be read. */
ALWAYS_INLINE void measure_labels(int32_t d, const number *x, const int32_t *label,
                                  const double *centre, double *distance)
{
    row_starts starts[PANEL_DOUBLES];
    doubles sum[PANEL_DOUBLES];

    UNROLL_ALL
    for (int v = 0; v < PANEL_DOUBLES; v++) {
        starts[v] = doubles_row_starts(label + v * DOUBLES, d);
        sum[v] = doubles_all(0.0);
    }
    for (int64_t f = 0; f < d; f++) {
        UNROLL_ALL
        for (int v = 0; v < PANEL_DOUBLES; v++) {
            const doubles difference = doubles_sub(numbers_load(x + f * QN_PANEL + v * DOUBLES),
                                                   doubles_gather(centre + f, starts[v]));

            sum[v] = doubles_add(sum[v], doubles_mul(difference, difference));
        }
    }
    UNROLL_ALL
    for (int v = 0; v < PANEL_DOUBLES; v++)
        doubles_store(distance + v * DOUBLES, sum[v]);
}

void KERNEL(label_distance)(int64_t n_rows, int32_t d, const number *x, const int32_t *label,
                            const double *centre, double *distance)
{
    for (; n_rows >= QN_PANEL; n_rows -= QN_PANEL) {
        measure_labels(d, x, label, centre, distance);
        x += (int64_t)d * QN_PANEL;
        label += QN_PANEL;
        distance += QN_PANEL;
    }
    if (n_rows > 0) {
        int32_t last_label[QN_PANEL] = {0};
        double last[QN_PANEL];

        for (int64_t r = 0; r < n_rows; r++)
            last_label[r] = label[r];
        measure_labels(d, x, last_label, centre, last);
        for (int64_t r = 0; r < n_rows; r++)
            distance[r] = last[r];
    }
}

/* `n` is a constant where this is called. */
ALWAYS_INLINE void multiply_vectors(const int n, int64_t d, const number *x, const double *vector,
                                    double *out)
{
    doubles sum[PRODUCT_VECTORS][PANEL_DOUBLES];
    doubles value[PANEL_DOUBLES];

    UNROLL_ALL
    for (int j = 0; j < n; j++) {
        UNROLL_ALL
        for (int v = 0; v < PANEL_DOUBLES; v++)
            sum[j][v] = doubles_all(0.0);
    }
    for (int64_t f = 0; f < d; f++) {
        UNROLL_ALL
        for (int v = 0; v < PANEL_DOUBLES; v++)
            value[v] = numbers_load(x + f * QN_PANEL + v * DOUBLES);
        UNROLL_ALL
        for (int j = 0; j < n; j++) {
            const doubles factor = doubles_all(vector[j * d + f]);

            UNROLL_ALL
            for (int v = 0; v < PANEL_DOUBLES; v++)
                sum[j][v] = doubles_add(sum[j][v], doubles_mul(value[v], factor));
        }
    }
    UNROLL_ALL
    for (int j = 0; j < n; j++) {
        UNROLL_ALL
        for (int v = 0; v < PANEL_DOUBLES; v++)
            doubles_store(out + j * QN_PANEL + v * DOUBLES, sum[j][v]);
    }
}

void KERNEL(products)(int32_t k, int32_t d, const number *x, const double *vector, double *out)
{
    int64_t j = 0;

    for (; j + PRODUCT_VECTORS <= k; j += PRODUCT_VECTORS)
        multiply_vectors(PRODUCT_VECTORS, d, x, vector + j * d, out + j * QN_PANEL);
    for (; j < k; j++)
        multiply_vectors(1, d, x, vector + j * d, out + j * QN_PANEL);
}
