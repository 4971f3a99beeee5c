/* Scores of a few users against a panel of items, for one width of vector: products and sums are
 * rounded one by one, feature by feature, so every set gives the bits of qn_dot_spark. */
#include "kernels/sets.h"
#include "kernels/tile_body.h"

#define PANEL_VECTORS (QN_PANEL / LANES)

/* `n_users` is a constant where this is called. */
ALWAYS_INLINE void score_users(const int n_users, int32_t rank, int64_t stride, const float *users,
                               const float *panel, float *out)
{
    lanes score[TILE_ROWS][PANEL_VECTORS];

    UNROLL_ALL
    for (int r = 0; r < n_users; r++) {
        UNROLL_ALL
        for (int v = 0; v < PANEL_VECTORS; v++)
            score[r][v] = lanes_all(0.0F);
    }
    for (int32_t f = 0; f < rank; f++) {
        UNROLL_ALL
        for (int r = 0; r < n_users; r++) {
            const lanes user = lanes_all(users[r * stride + f]);

            UNROLL_ALL
            for (int v = 0; v < PANEL_VECTORS; v++)
                score[r][v] =
                    lanes_add(score[r][v], lanes_mul(user, lanes_load(panel + v * LANES)));
        }
        panel += QN_PANEL;
    }
    UNROLL_ALL
    for (int r = 0; r < n_users; r++) {
        UNROLL_ALL
        for (int v = 0; v < PANEL_VECTORS; v++)
            lanes_store(out + r * QN_PANEL + v * LANES, score[r][v]);
    }
}

static void score_all(int32_t n_users, int32_t rank, int64_t stride, const float *users,
                      const float *panel, float *out)
{
    for (; n_users >= TILE_ROWS; n_users -= TILE_ROWS) {
        score_users(TILE_ROWS, rank, stride, users, panel, out);
        users += TILE_ROWS * stride;
        out += TILE_ROWS * QN_PANEL;
    }
    if (n_users >= 4) {
        score_users(4, rank, stride, users, panel, out);
        users += 4 * stride;
        out += 4 * QN_PANEL;
        n_users -= 4;
    }
    if (n_users == 3)
        score_users(3, rank, stride, users, panel, out);
    else if (n_users == 2)
        score_users(2, rank, stride, users, panel, out);
    else if (n_users == 1)
        score_users(1, rank, stride, users, panel, out);
}
