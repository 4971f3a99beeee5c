#include "data/text_grid.h"

#include "base/alloc.h"
#include "base/context.h"
#include "data/text_number.h"
#include "kernels/kernels.h"

#define CHUNK_FIELDS 2048 /* with places and values it stays in the nearest cache */
#define MARK_SLACK   64
#define MOST_BYTES   ((size_t)1 << 30)

/* The columns of one type, in the order of their fields: kernels want to walk forward. */
typedef struct group {
    qn_type type;
    int32_t n;
    int32_t *column;        /* [n] of the reader */
    int32_t *field;         /* [n] ascending */
    void *values;           /* [rows x n] */
    uint32_t *before, *end; /* [rows x n]; used where the group is not all fields of a row */
} group;

struct qn_text_grid {
    const qn_kernels *kernels;
    int32_t n_fields;  /* of a row */
    int64_t rows;      /* of a chunk at most */
    int64_t next_rows; /* of the next chunk: fewer after one that broke off */
    uint32_t *place;   /* [1 + rows * n_fields + slack]: [0] is before the first */
    uint32_t *newline;
    group group[2];
    int32_t n_groups;
    struct missing {
        int32_t column;
        int32_t row;
    } * missing; /* [rows * columns] of the chunk, to be marked when its rows are known to stay */
    int64_t n_missing;
    bool is_intricate; /* the last numbers were not in their simplest form */
};

bool qn_text_grid_serves(const qn_dialect *dialect)
{
    static const char in_numbers[] = "0123456789+-.eE";

    return dialect->n_delimiter == 1 && dialect->max_line < (int64_t)MOST_BYTES &&
           !memchr(in_numbers, dialect->delimiter[0], sizeof in_numbers);
}

void qn_text_grid_free(struct qn_text_grid *grid)
{
    if (!grid)
        return;
    for (int32_t g = 0; g < 2; g++) {
        qn_free(grid->group[g].column);
        qn_free(grid->group[g].field);
        qn_free(grid->group[g].values);
        qn_free(grid->group[g].before);
        qn_free(grid->group[g].end);
    }
    qn_free(grid->place);
    qn_free(grid->newline);
    qn_free(grid->missing);
    qn_free(grid);
}

static void group_add(group *g, int32_t column, int32_t field)
{
    int32_t at = g->n++;

    for (; at > 0 && g->field[at - 1] > field; at--) {
        g->column[at] = g->column[at - 1];
        g->field[at] = g->field[at - 1];
    }
    g->column[at] = column;
    g->field[at] = field;
}

static qn_status group_init(qn_context *ctx, const qn_text_reader *r, qn_type type, int64_t rows,
                            group *g)
{
    qn_status st = QN_OK;
    int32_t n = 0;

    g->type = type;
    for (int32_t i = 0; i < r->n_columns; i++)
        n += r->column[i].type == type;
    QN_NEW(ctx, g->column, n, "plan of a reader");
    QN_NEW(ctx, g->field, n, "plan of a reader");
    for (int32_t i = 0; i < r->n_columns; i++)
        if (r->column[i].type == type)
            group_add(g, i, r->column[i].field);
    /* Behind the values kernels may scribble. */
    QN_TRY(qn_alloc_array(ctx, &g->values, rows * n + 4, qn_text_value_size(type),
                          "values of a chunk of rows"));
    QN_NEW(ctx, g->before, rows * n, "fields of a chunk of rows");
    QN_NEW(ctx, g->end, rows * n, "fields of a chunk of rows");
done:
    return st;
}

qn_status qn_text_grid_create(qn_context *ctx, qn_text_reader *r)
{
    static const qn_type types[] = {QN_FLOAT, QN_DOUBLE};
    const int64_t rows = r->n_cells < CHUNK_FIELDS ? CHUNK_FIELDS / r->n_cells : 1;
    struct qn_text_grid *grid = NULL;
    qn_status st = QN_OK;

    QN_NEW0(ctx, grid, 1, "plan of a reader");
    grid->kernels = ctx->kernels ? ctx->kernels : &qn_kernels_reference;
    grid->n_fields = r->n_cells;
    grid->rows = grid->next_rows = rows;
    QN_NEW(ctx, grid->place, 1 + rows * r->n_cells + MARK_SLACK, "fields of a chunk of rows");
    QN_NEW(ctx, grid->newline, rows * r->n_cells + MARK_SLACK, "fields of a chunk of rows");
    QN_NEW(ctx, grid->missing, rows * r->n_columns, "missing values of a chunk of rows");
    for (int32_t t = 0; t < 2; t++) {
        bool is_there = false;

        for (int32_t i = 0; i < r->n_columns; i++)
            is_there = is_there || r->column[i].type == types[t];
        if (is_there)
            QN_TRY(group_init(ctx, r, types[t], rows, &grid->group[grid->n_groups++]));
    }
    r->grid = grid;
    grid = NULL;
done:
    qn_text_grid_free(grid);
    return st;
}

/* Whole rows, each of as many fields as it should have, at the beginning of text. */
static int64_t mark_rows(struct qn_text_grid *grid, const qn_dialect *dialect, const char *text,
                         size_t n, int64_t most)
{
    qn_text_marks marks = {.delimiter = dialect->delimiter[0],
                           .stop = dialect->quotes ? '"' : '\n',
                           .most = most * grid->n_fields,
                           .place = grid->place + 1,
                           .newline = grid->newline};
    int64_t rows = 0;

    grid->place[0] = UINT32_MAX;
    grid->kernels->text_marks(text, (int64_t)n, &marks);
    for (; rows < marks.n_newlines && (rows + 1) * grid->n_fields <= marks.n_places; rows++) {
        const uint32_t end = grid->place[(rows + 1) * grid->n_fields];

        if (grid->newline[rows] != end ||
            end - grid->place[rows * grid->n_fields] > dialect->max_line)
            break;
    }
    return rows;
}

/* Whether the fields of a group are simply all fields one after the other. */
static bool is_whole_row(const struct qn_text_grid *grid, const group *g)
{
    if (g->n != grid->n_fields)
        return false;
    for (int32_t i = 0; i < g->n; i++) {
        if (g->field[i] != i)
            return false;
    }
    return true;
}

static bool has_return(const struct qn_text_grid *grid, const char *text, int64_t row)
{
    const uint32_t end = grid->place[(row + 1) * grid->n_fields];

    return end > 0 && text[end - 1] == '\r';
}

/* Copies the places of a group's fields, the last one's without a return before the newline. */
static void pick_fields(const struct qn_text_grid *grid, const group *g, const char *text,
                        int64_t rows)
{
    const int32_t last = grid->n_fields - 1;
    int64_t k = 0;

    for (int64_t row = 0; row < rows; row++) {
        const uint32_t *place = grid->place + row * grid->n_fields;
        const bool returns = has_return(grid, text, row);

        for (int32_t i = 0; i < g->n; i++, k++) {
            const int32_t f = g->field[i];

            g->before[k] = place[f];
            g->end[k] = place[f + 1];
            if (f == last && returns && g->end[k] != g->before[k] + 1)
                g->end[k]--;
        }
    }
}

/* One field that is not in its simplest form; false: the row has to go the general way. */
static bool take_one(const qn_text_reader *r, const group *g, const char *text, uint32_t before,
                     uint32_t end, int64_t k)
{
    struct qn_text_grid *grid = r->grid;
    const uint32_t begin = before + 1;
    const int32_t column = g->column[k % g->n];
    qn_decimal d;

    if (begin == end) {
        /* A line of one empty field is blank. */
        if (!r->column[column].nullable || grid->n_fields == 1)
            return false;
        grid->missing[grid->n_missing].column = column;
        grid->missing[grid->n_missing++].row = (int32_t)(k / g->n);
        memset((char *)g->values + (size_t)k * qn_text_value_size(g->type), 0,
               qn_text_value_size(g->type));
        return true;
    }
    if (!qn_decimal_take(text + begin, end - begin, &d))
        return false;
    if (g->type == QN_FLOAT)
        return qn_decimal_float(&d, (float *)g->values + k);
    return qn_decimal_double(&d, (double *)g->values + k);
}

/* Reads the group's fields of so many rows; returns the rows that are whole. */
static int64_t read_group(const qn_text_reader *r, const group *g, const char *text, int64_t rows)
{
    struct qn_text_grid *grid = r->grid;
    const uint32_t *before = grid->place, *end = grid->place + 1;
    const int64_t n = rows * g->n;
    int64_t in_turn = grid->is_intricate ? n : 0; /* fields to be taken one by one */
    int64_t k = 0, n_simple = 0;

    if (!is_whole_row(grid, g) || has_return(grid, text, 0) || has_return(grid, text, rows - 1)) {
        pick_fields(grid, g, text, rows);
        before = g->before;
        end = g->end;
    }
    while (k < n) {
        int64_t done = 0;

        if (in_turn == 0) {
            done = g->type == QN_FLOAT
                       ? grid->kernels->text_floats(text, n - k, before + k, end + k,
                                                    (float *)g->values + k)
                       : grid->kernels->text_doubles(text, n - k, before + k, end + k,
                                                     (double *)g->values + k);
            k += done;
            n_simple += done;
            in_turn = done < 8 ? 16 : 1;
        }
        for (; in_turn > 0 && k < n; in_turn--, k++) {
            if (!take_one(r, g, text, before[k], end[k], k))
                return k / g->n;
        }
    }
    if (!grid->is_intricate)
        grid->is_intricate = n_simple < n / 4;
    return rows;
}

static void store_group(const qn_text_reader *r, const group *g, int64_t rows)
{
    for (int32_t i = 0; i < g->n; i++) {
        const qn_text_column *c = &r->column[g->column[i]];

        if (g->type == QN_FLOAT) {
            const float *from = (const float *)g->values + i;
            float *to = (float *)c->values + r->n_rows;

            for (int64_t row = 0; row < rows; row++)
                to[row] = from[row * g->n];
        } else {
            const double *from = (const double *)g->values + i;
            double *to = (double *)c->values + r->n_rows;

            for (int64_t row = 0; row < rows; row++)
                to[row] = from[row * g->n];
        }
    }
}

static void mark_missing(qn_text_reader *r, int64_t rows)
{
    const struct qn_text_grid *grid = r->grid;

    for (int64_t i = 0; i < grid->n_missing; i++) {
        const int64_t row = r->n_rows + grid->missing[i].row;
        qn_text_column *c = &r->column[grid->missing[i].column];

        if (grid->missing[i].row >= rows)
            continue;
        c->validity[row >> 6] &= ~((uint64_t)1 << (row & 63));
        c->has_missing = true;
    }
}

size_t qn_text_grid_take(qn_text_reader *r, const char *text, size_t n)
{
    struct qn_text_grid *grid = r->grid;
    size_t at = 0;

    /* The readers of numbers look behind their ends. */
    n = n < QN_FAST_SLACK ? 0 : n - QN_FAST_SLACK;
    while (at < n && r->n_rows < QN_TEXT_ROWS) {
        const int64_t room = QN_TEXT_ROWS - r->n_rows;
        const size_t rest = n - at < MOST_BYTES ? n - at : MOST_BYTES;
        const int64_t marked = mark_rows(grid, &r->source->dialect, text + at, rest,
                                         grid->next_rows < room ? grid->next_rows : room);
        int64_t rows = marked;

        grid->n_missing = 0;
        for (int32_t g = 0; g < grid->n_groups && rows > 0; g++)
            rows = read_group(r, &grid->group[g], text + at, rows);
        for (int32_t g = 0; g < grid->n_groups; g++)
            store_group(r, &grid->group[g], rows);
        mark_missing(r, rows);
        r->n_rows += rows;
        if (rows > 0)
            at += grid->place[rows * grid->n_fields] + 1;
        if (rows == 0 || rows < marked) {
            grid->next_rows = 4 < grid->rows ? 4 : grid->rows;
            break;
        }
        grid->next_rows = 2 * grid->next_rows < grid->rows ? 2 * grid->next_rows : grid->rows;
    }
    return at;
}
