/* label_distance and products for one set and type of value: rows side by side in doubles, every
 * product rounded before it is added, so the same bits as the reference. */
/* Features f .. f + n - 1, n <= DOUBLES, of the centres of DOUBLES labels, feature by feature. Rows
 * are loaded whole and turned: gathering loads are slow on many processors. */
ALWAYS_INLINE void turn_centres(int32_t n, const double *const row[DOUBLES], int64_t f,
                                lanes part[DOUBLES])
{
    UNROLL_ALL
    for (int r = 0; r < DOUBLES; r++)
        part[r] = n == DOUBLES ? lanes_load(row[r] + f) : doubles_load_first(row[r] + f, n);
    lanes_transpose(part);
}

/* The distances of DOUBLES rows of a panel to the centres of their labels. */
ALWAYS_INLINE doubles measure_labels(int32_t d, const number *x, const int32_t *label,
                                     const double *centre)
{
    const double *row[DOUBLES];
    doubles sum = doubles_all(0.0);

    UNROLL_ALL
    for (int r = 0; r < DOUBLES; r++)
        row[r] = centre + (int64_t)label[r] * d;
    for (int32_t f = 0; f < d; f += DOUBLES) {
        const int32_t n = d - f < DOUBLES ? d - f : DOUBLES;
        lanes part[DOUBLES];

        turn_centres(n, row, f, part);
        UNROLL_ALL
        for (int i = 0; i < DOUBLES; i++) {
            if (i < n) {
                const doubles difference =
                    doubles_sub(numbers_load(x + (int64_t)(f + i) * QN_PANEL), part[i]);

                sum = doubles_add(sum, doubles_mul(difference, difference));
            }
        }
    }
    return sum;
}

ALWAYS_INLINE void measure_panel(int32_t d, const number *x, const int32_t *label,
                                 const double *centre, double *distance)
{
    for (int r = 0; r < QN_PANEL; r += DOUBLES)
        doubles_store(distance + r, measure_labels(d, x + r, label + r, centre));
}

/* The distances of a panel to one centre. */
ALWAYS_INLINE void measure_one(int64_t d, const number *x, const double *centre, double *distance)
{
    doubles sum[PANEL_DOUBLES];

    UNROLL_ALL
    for (int v = 0; v < PANEL_DOUBLES; v++)
        sum[v] = doubles_all(0.0);
    for (int64_t f = 0; f < d; f++) {
        const doubles value = doubles_all(centre[f]);

        UNROLL_ALL
        for (int v = 0; v < PANEL_DOUBLES; v++) {
            const doubles difference =
                doubles_sub(numbers_load(x + f * QN_PANEL + v * DOUBLES), value);

            sum[v] = doubles_add(sum[v], doubles_mul(difference, difference));
        }
    }
    UNROLL_ALL
    for (int v = 0; v < PANEL_DOUBLES; v++)
        doubles_store(distance + v * DOUBLES, sum[v]);
}

static void distance_to_one(int64_t n_rows, int64_t d, const number *x, const double *centre,
                            double *distance)
{
    double last[QN_PANEL];

    for (; n_rows >= QN_PANEL; n_rows -= QN_PANEL) {
        measure_one(d, x, centre, distance);
        x += d * QN_PANEL;
        distance += QN_PANEL;
    }
    if (n_rows > 0) {
        measure_one(d, x, centre, last);
        for (int64_t r = 0; r < n_rows; r++)
            distance[r] = last[r];
    }
}

void KERNEL(label_distance)(int64_t n_rows, int32_t d, const number *x, const int32_t *label,
                            const double *centre, double *distance)
{
    if (!label) {
        distance_to_one(n_rows, d, x, centre, distance);
        return;
    }
    for (; n_rows >= QN_PANEL; n_rows -= QN_PANEL) {
        measure_panel(d, x, label, centre, distance);
        x += (int64_t)d * QN_PANEL;
        label += QN_PANEL;
        distance += QN_PANEL;
    }
    if (n_rows > 0) {
        int32_t last_label[QN_PANEL] = {0};
        double last[QN_PANEL];

        for (int64_t r = 0; r < n_rows; r++)
            last_label[r] = label[r];
        measure_panel(d, x, last_label, centre, last);
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
