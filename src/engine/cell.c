#include "engine/cell.h"

#include "base/alloc.h"
#include "engine/comm.h"

#define ENTRIES_PER_PARTITION ((int64_t)1 << 18)
#define MAX_PARTITIONS        256

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

int64_t qn_partition_count(int64_t n_entries, int64_t n_cells, int64_t wanted)
{
    const int64_t by_size = clamp(n_entries / ENTRIES_PER_PARTITION, 1, MAX_PARTITIONS);

    return clamp(wanted > 0 ? wanted : by_size, 1, n_cells > 0 ? n_cells : 1);
}

static int64_t cell_weight(const int64_t *cell_entries, int64_t cell)
{
    return cell_entries ? cell_entries[cell] : 1;
}

/* One past the last cell of the partition that begins at `cell`: takes cells while that brings its
 * end nearer to `target`, and leaves one cell for each of the `left` partitions behind it. */
static int64_t partition_end(const qn_partitioning *p, const int64_t *cell_entries, int64_t cell,
                             int64_t left, int64_t target, int64_t *taken)
{
    int64_t end = cell + 1;

    *taken += cell_weight(cell_entries, cell);
    while (end < p->n_cells - left) {
        const int64_t weight = cell_weight(cell_entries, end);

        if (left > 0 && *taken + weight / 2 >= target)
            break;
        *taken += weight;
        end++;
    }
    return end;
}

static void cut(qn_partitioning *p, const int64_t *cell_entries, int32_t n_ranks)
{
    int64_t cell = 0, taken = 0, total = 0;

    for (int64_t c = 0; c < p->n_cells; c++)
        total += cell_weight(cell_entries, c);
    for (int64_t i = 0; i < p->n_partitions; i++) {
        qn_partition *part = &p->partition[i];
        const int64_t before = taken;
        const int64_t target = total / p->n_partitions * (i + 1);
        const int64_t end =
            p->n_cells == 0
                ? 0
                : partition_end(p, cell_entries, cell, p->n_partitions - 1 - i, target, &taken);
        const int64_t row_end = end * p->cell_rows < p->n_rows ? end * p->cell_rows : p->n_rows;

        part->first_cell = cell;
        part->n_cells = end - cell;
        part->first_row = cell * p->cell_rows;
        part->n_rows = row_end - part->first_row;
        part->n_entries = cell_entries ? taken - before : 0;
        part->owner = (int32_t)(i * n_ranks / p->n_partitions);
        cell = end;
    }
}

qn_status qn_partitioning_make(qn_context *ctx, int64_t n_rows, int64_t cell_rows,
                               const int64_t *cell_entries, int64_t wanted, qn_partitioning *out)
{
    qn_status st = QN_OK;
    qn_partitioning p = {.n_rows = n_rows, .cell_rows = cell_rows};
    int64_t entries = 0;

    *out = (qn_partitioning){0};
    p.n_cells = (n_rows + cell_rows - 1) / cell_rows;
    for (int64_t c = 0; cell_entries && c < p.n_cells; c++)
        entries += cell_entries[c];
    p.n_partitions = qn_partition_count(entries, p.n_cells, wanted);
    QN_NEW0(ctx, p.partition, p.n_partitions, "partitions");
    cut(&p, cell_entries, qn_size(ctx));
    *out = p;
done:
    return st;
}

void qn_partitioning_release(qn_partitioning *p)
{
    qn_free(p->partition);
    *p = (qn_partitioning){0};
}

int64_t qn_partition_of_row(const qn_partitioning *p, int64_t row)
{
    int64_t low = 0, high = p->n_partitions - 1;

    while (low < high) {
        const int64_t middle = (low + high + 1) / 2;

        if (p->partition[middle].first_row <= row)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

void qn_partition_rows_of_rank(const qn_partitioning *p, int32_t rank, int64_t *first, int64_t *end)
{
    bool found = false;

    *first = *end = 0;
    for (int64_t i = 0; i < p->n_partitions; i++) {
        const qn_partition *part = &p->partition[i];

        if (part->owner < rank)
            *first = *end = part->first_row + part->n_rows;
        if (part->owner != rank)
            continue;
        if (!found)
            *first = part->first_row;
        *end = part->first_row + part->n_rows;
        found = true;
    }
}
