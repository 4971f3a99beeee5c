/* From columns to panels of rows side by side. */
#include <string.h>

#include "data/assemble.h"
#include "kernels/kernels.h"

/* Rows that go into one panel, beside `lane` rows that are there. */
typedef struct lot {
    int64_t row[QN_PANEL];
    int64_t n, lane;
    bool is_run; /* consecutive rows that fill the panel */
} lot;

/* Takes the next rows from *at on. */
static void lot_take(lot *l, const uint8_t *keep, int64_t *at, int64_t end)
{
    const int64_t room = QN_PANEL - l->lane;

    if (!keep && l->lane == 0 && end - *at >= QN_PANEL) {
        l->row[0] = *at;
        l->n = QN_PANEL;
        l->is_run = true;
        *at += QN_PANEL;
        return;
    }
    l->n = 0;
    for (; *at < end && l->n < room; (*at)++)
        if (!keep || keep[*at])
            l->row[l->n++] = *at;
    l->is_run = l->n == QN_PANEL && l->row[QN_PANEL - 1] - l->row[0] == QN_PANEL - 1;
}

/* `size` is a constant where this is called: copies become moves. */
static inline __attribute__((always_inline)) void
put_lot(const lot *l, const void *const *column, int32_t n_features, char *panel, size_t size)
{
    const int64_t used = l->lane + l->n;

    for (int32_t f = 0; f < n_features; f++) {
        const char *from = column[f];
        char *to = panel + (size_t)f * QN_PANEL * size;

        if (l->is_run) {
            memcpy(to, from + (size_t)l->row[0] * size, QN_PANEL * size);
            continue;
        }
        for (int64_t i = 0; i < l->n; i++)
            memcpy(to + (size_t)(l->lane + i) * size, from + (size_t)l->row[i] * size, size);
        if (l->lane == 0)
            memset(to + (size_t)used * size, 0, (size_t)(QN_PANEL - used) * size);
    }
}

int64_t qn_panels_fill(const qn_assembled *rows, int32_t n_features, bool is_double,
                       const uint8_t *keep, int64_t first, int64_t end, void *panels,
                       int64_t n_before)
{
    const size_t size = is_double ? sizeof(double) : sizeof(float);
    const size_t panel_bytes = (size_t)n_features * QN_PANEL * size;
    int64_t written = 0;
    lot l;

    for (int64_t at = first; at < end;) {
        char *panel = (char *)panels + (size_t)((n_before + written) / QN_PANEL) * panel_bytes;

        l.lane = (n_before + written) % QN_PANEL;
        lot_take(&l, keep, &at, end);
        if (l.n == 0)
            break;
        if (is_double)
            put_lot(&l, rows->column, n_features, panel, sizeof(double));
        else
            put_lot(&l, rows->column, n_features, panel, sizeof(float));
        written += l.n;
    }
    return written;
}
