/* What the fuzzers of readers share: the input becomes a file in memory, which is read whole and in
 * tiny splits, and whole with a text column beside the others, which no fast loop serves; all must
 * give the same rows and the same number of rejects of each kind. */
#ifndef QN_READER_FUZZ_H
#define QN_READER_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "quern/quern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* What is asked for. */
typedef struct wish {
    uint32_t types;  /* three bits a column */
    bool only_reals; /* floats and doubles, whatever the bits say */
    bool is_lenient;
    bool beside_text; /* one more column, which is not looked at */
} wish;

/* What one reading gave: rows, rejects and a sum over the values in order. */
typedef struct reading {
    qn_status status;
    int64_t rows;
    int64_t rejects[QN_REJECT_KINDS];
    int64_t kept;
    uint64_t hash;
} reading;

static inline void hash_bytes(uint64_t *hash, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < n; i++)
        *hash = (*hash ^ at[i]) * 0x100000001b3u;
}

static inline void hash_cell(uint64_t *hash, const qn_column *c, int64_t row)
{
    size_t size = 8;
    int64_t from = row;
    int64_t n = 1;

    hash_bytes(hash, qn_is_valid(c, row) ? "1" : "0", 1);
    if (c->offsets) {
        FUZZ_CHECK(c->offsets[row] <= c->offsets[row + 1]);
        from = c->offsets[row];
        n = (int64_t)c->offsets[row + 1] - from;
        hash_bytes(hash, &n, sizeof n);
    }
    if (c->type == QN_INT32 || c->type == QN_FLOAT || c->type == QN_FLOAT_LIST)
        size = 4;
    if (c->type == QN_TEXT)
        size = 1;
    if (n > 0)
        hash_bytes(hash, (const char *)c->data + (size_t)from * size, (size_t)n * size);
}

static inline qn_status read_split(qn_context *ctx, qn_source *source, int64_t split,
                                   const qn_column_request *request, int32_t n, int32_t n_looked_at,
                                   reading *out)
{
    const qn_batch *batch = NULL;
    qn_reader *reader;
    int64_t rows = 0;
    qn_status st = qn_source_open_split(ctx, source, split, request, n, &reader);

    if (st != QN_OK)
        return st;
    while ((st = qn_reader_next(ctx, reader, &batch)) == QN_OK && batch) {
        FUZZ_CHECK(batch->first_row == rows);
        rows += batch->n_rows;
        for (int64_t i = 0; i < batch->n_rows; i++) {
            for (int32_t c = 0; c < n_looked_at; c++)
                hash_cell(&out->hash, &batch->columns[c], i);
        }
    }
    const qn_rejects *r = qn_reader_rejects(reader);
    for (int32_t k = 0; k < QN_REJECT_KINDS; k++)
        out->rejects[k] += r->count[k];
    out->kept += r->n_kept;
    for (int32_t i = 0; i < r->n_examples; i++) {
        FUZZ_CHECK(strlen(r->example[i].text) < QN_REJECT_TEXT);
        FUZZ_CHECK(qn_source_line_number(ctx, source, split, r->example[i].offset) >= 1);
    }
    out->rows += rows;
    qn_reader_close(reader);
    return st;
}

/* Types by the bits of the wish: what a column is asked for as. */
static inline int32_t request_of(const qn_schema *schema, const wish *w, qn_column_request *request,
                                 int32_t most)
{
    uint32_t types = w->types;
    int32_t n = 0;

    for (int32_t f = 0; f < schema->n_fields && n < most; f++, types >>= 3) {
        const bool is_list = schema->field[f].type >= QN_FLOAT_LIST;
        const qn_type type = w->only_reals ? (types & 1 ? QN_DOUBLE : QN_FLOAT) + (is_list ? 4 : 0)
                             : is_list     ? schema->field[f].type
                                           : (qn_type)((types & 7) % QN_FLOAT_LIST);

        if ((types & 7) == 7)
            continue;
        request[n++] =
            (qn_column_request){f, type, (types & 7) == 6 || (f & 1), 0.0, w->is_lenient};
    }
    return n;
}

static inline reading read_as(qn_context *ctx, const qn_source_options *options, const wish *w)
{
    reading out = {.hash = 0xcbf29ce484222325u};
    qn_column_request request[9];
    qn_source *source;

    out.status = qn_source_open(ctx, options, &source);
    FUZZ_CHECK((source != NULL) == (out.status == QN_OK));
    if (source) {
        const qn_schema *schema = qn_source_schema(source);
        const int32_t n = request_of(schema, w, request, 8);
        const bool is_list = schema->field[0].type >= QN_FLOAT_LIST;

        request[n] = (qn_column_request){0, is_list ? schema->field[0].type : QN_TEXT, true};
        for (int64_t s = 0; s < qn_source_n_splits(source) && out.status == QN_OK; s++)
            out.status = read_split(ctx, source, s, request, n + w->beside_text, n, &out);
    }
    if (out.status != QN_OK)
        FUZZ_CHECK(*qn_context_error(ctx) != '\0');
    qn_source_free(source);
    return out;
}

static inline void fuzz_same(const reading *a, const reading *b)
{
    FUZZ_CHECK(a->status == b->status);
    if (a->status == QN_OK) {
        FUZZ_CHECK(a->rows == b->rows && a->hash == b->hash && a->kept == b->kept);
        FUZZ_CHECK(memcmp(a->rejects, b->rejects, sizeof a->rejects) == 0);
    }
}

/* Reads `text` in all ways. */
static inline void fuzz_read(qn_source_options options, wish w, int64_t split_bytes,
                             const uint8_t *text, size_t size)
{
    const qn_context_options one = {.threads = 1, .memory = (size_t)1 << 29};
    char path_text[64];
    const char *path = path_text;
    qn_context *ctx;
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);

    FUZZ_CHECK(fd >= 0 && write(fd, text, size) == (ssize_t)size);
    snprintf(path_text, sizeof path_text, "/proc/self/fd/%d", fd);
    options.path = &path;
    options.n_paths = 1;
    FUZZ_CHECK(qn_context_create(&one, &ctx) == QN_OK);
    const reading whole = read_as(ctx, &options, &w);
    w.beside_text = true;
    const reading general = read_as(ctx, &options, &w);
    w.beside_text = false;
    options.split_bytes = split_bytes;
    const reading cut = read_as(ctx, &options, &w);
    fuzz_same(&whole, &cut);
    fuzz_same(&whole, &general);
    FUZZ_CHECK(qn_alloc_live(ctx) == 0);
    qn_context_free(ctx);
    close(fd);
}

#endif
