#include "lifecycle/titles.h"

#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/text.h"

typedef struct title_columns {
    int32_t id, title;
} title_columns;

static int32_t find_field(const qn_schema *schema, const char *name, int32_t otherwise)
{
    for (int32_t f = 0; f < schema->n_fields; f++)
        if (qn_name_equal(schema->field[f].name, name))
            return f;
    return otherwise;
}

static qn_status find_columns(qn_context *ctx, const char *path, const char *id_col,
                              const qn_source *source, title_columns *columns)
{
    const qn_schema *schema = qn_source_schema(source);

    if (schema->n_fields < 2)
        return qn_fail(ctx, QN_EDATA,
                       "%s: titles need two columns, an id and a title; this file has %d", path,
                       schema->n_fields);
    columns->id = find_field(schema, id_col, 0);
    columns->title = find_field(schema, "title", columns->id == 1 ? 0 : 1);
    return QN_OK;
}

static qn_status keep_title(qn_context *ctx, qn_titles *t, int64_t *n_bytes, int64_t *capacity,
                            int64_t index, const char *text, size_t length)
{
    const int64_t need = *n_bytes + (int64_t)length + 1;
    qn_status st = QN_OK;

    if (need > *capacity) {
        const int64_t more = need > 2 * *capacity ? need : 2 * *capacity;

        QN_GROW(ctx, t->text, more, "titles");
        *capacity = more;
    }
    memcpy(t->text + *n_bytes, text, length);
    t->text[*n_bytes + (int64_t)length] = '\0';
    t->offset[index] = *n_bytes;
    *n_bytes = need;
    t->n_found++;
done:
    return st;
}

static qn_status read_split(qn_context *ctx, qn_source *source, int64_t split,
                            const title_columns *columns, const qn_ids *ids, qn_titles *t,
                            int64_t *n_bytes, int64_t *capacity)
{
    const qn_column_request request[] = {{columns->id, QN_TEXT, false},
                                         {columns->title, QN_TEXT, false}};
    const qn_batch *batch = NULL;
    qn_reader *reader = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_source_open_split(ctx, source, split, request, 2, &reader));
    for (;;) {
        QN_TRY(qn_reader_next(ctx, reader, &batch));
        if (!batch)
            break;
        for (int64_t r = 0; r < batch->n_rows; r++) {
            const qn_column *id = &batch->columns[0], *title = &batch->columns[1];
            const int64_t index = qn_ids_find_bytes(ids, (const char *)id->data + id->offsets[r],
                                                    id->offsets[r + 1] - id->offsets[r]);

            if (index >= 0 && t->offset[index] < 0)
                QN_TRY(keep_title(ctx, t, n_bytes, capacity, index,
                                  (const char *)title->data + title->offsets[r],
                                  title->offsets[r + 1] - title->offsets[r]));
        }
    }
done:
    qn_reader_close(reader);
    return st;
}

qn_status qn_titles_read(qn_context *ctx, const char *path, const char *id_col, const qn_ids *ids,
                         qn_titles **titles)
{
    const qn_source_options options = {.path = &path, .n_paths = 1, .header = -1};
    int64_t n_bytes = 0, capacity = 0;
    qn_source *source = NULL;
    qn_titles *t = NULL;
    title_columns columns = {0};
    qn_status st = QN_OK;

    *titles = NULL;
    QN_TRY(qn_source_open(ctx, &options, &source));
    QN_TRY(find_columns(ctx, path, id_col, source, &columns));
    QN_NEW0(ctx, t, 1, "titles");
    QN_NEW(ctx, t->offset, ids->n, "titles");
    t->n = ids->n;
    for (int64_t i = 0; i < ids->n; i++)
        t->offset[i] = -1;
    for (int64_t s = 0; s < qn_source_n_splits(source); s++)
        QN_TRY(read_split(ctx, source, s, &columns, ids, t, &n_bytes, &capacity));
    if (t->n_found == 0 && ids->n > 0)
        qn_emit_warning(ctx,
                        "%s has a title for none of the %lld items: is its first column the id?",
                        path, (long long)ids->n);
    *titles = t;
    t = NULL;
done:
    qn_titles_free(t);
    qn_source_free(source);
    return st;
}

void qn_titles_free(qn_titles *titles)
{
    if (!titles)
        return;
    qn_free(titles->text);
    qn_free(titles->offset);
    qn_free(titles);
}

const char *qn_title(const qn_titles *titles, int64_t index)
{
    if (!titles || index < 0 || index >= titles->n || titles->offset[index] < 0)
        return NULL;
    return titles->text + titles->offset[index];
}
