/* A checkpoint's manifest and parts. The manifest gets its checksum, so that what is behind the
 * check is reached: what is accepted names rows inside its arrays, each once, and is the same when
 * it is written and read again. Parts that it names are then read from a folder of few bytes. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/file.h"
#include "engine/checkpoint.h"
#include "engine/checkpoint_manifest.h"
#include "quern/param.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* {...} -> {...,"checksum":"..."}\n; malloc'ed. */
static char *with_checksum(const uint8_t *data, size_t size, size_t *length)
{
    const size_t body = size > 0 && data[size - 1] == '}' ? size - 1 : size;
    char *text = malloc(body + 64);

    if (!text)
        abort();
    memcpy(text, data, body);
    *length = body + (size_t)snprintf(text + body, 64, ",\"checksum\":\"%016llx\"}\n",
                                      (unsigned long long)XXH3_64bits(data, body));
    return text;
}

static void check_parts(const qn_checkpoint_manifest *m)
{
    int64_t rows[QN_CHECKPOINT_MAX_ARRAYS] = {0};

    for (int64_t p = 0; p < m->n_parts; p++) {
        const qn_manifest_part *part = &m->part[p];

        if (part->array < 0 || part->array >= m->n_arrays || part->n_rows <= 0 ||
            part->first_row != rows[part->array] || part->offset < 0 || part->file < 0)
            abort();
        rows[part->array] += part->n_rows;
    }
    for (int32_t a = 0; a < m->n_arrays; a++)
        if (rows[a] != m->array[a].n_rows)
            abort();
}

static void check_round(qn_context *ctx, qn_checkpoint_manifest *m)
{
    qn_checkpoint_manifest back;
    char *one = NULL, *two = NULL;
    size_t n_one = 0, n_two = 0;

    if (qn_checkpoint_manifest_text(ctx, m, &one, &n_one) != QN_OK ||
        qn_checkpoint_manifest_parse(ctx, "manifest", one, n_one, &back) != QN_OK ||
        qn_checkpoint_manifest_text(ctx, &back, &two, &n_two) != QN_OK)
        abort();
    if (n_one != n_two || memcmp(one, two, n_one) != 0)
        abort();
    qn_checkpoint_manifest_release(&back);
    qn_free(one);
    qn_free(two);
}

static void put(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "w");

    if (!file || fwrite(bytes, 1, n, file) != n || fclose(file) != 0)
        abort();
}

/* Goes on from a folder with this manifest and 64 bytes of rows. */
static void check_folder(qn_context *ctx, const char *dir, const char *text, size_t length)
{
    static const char rows[64] = {1};
    static const qn_params none = {"none", NULL, 0, 1};
    const qn_checkpoint_options options = {.dir = dir, .resume = true};
    const qn_checkpoint_key key = {.algorithm = "als", .table = &none};
    qn_checkpoint *ck = NULL;
    char path[256];
    int32_t iteration = 0;

    snprintf(path, sizeof path, "%s/000003", dir);
    if (qn_make_dirs(ctx, path) != QN_OK)
        abort();
    snprintf(path, sizeof path, "%s/000003/manifest.json", dir);
    put(path, text, length);
    snprintf(path, sizeof path, "%s/000003/rows-00000", dir);
    put(path, rows, sizeof rows);
    if (qn_checkpoint_open(ctx, &options, &ck) != QN_OK)
        abort();
    if (qn_checkpoint_begin(ctx, ck, &key, &iteration) == QN_OK) {
        int64_t total[8] = {0};
        const qn_checkpoint_array array = {"a", qn_checkpoint_rows(ck, "a"), 8, total, 0, 0};

        if (iteration != 3)
            abort();
        if (array.n_rows >= 0 && array.n_rows <= 8)
            qn_checkpoint_read(ctx, ck, &array, 1);
    }
    qn_checkpoint_close(ck);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char dir[] = "/dev/shm/qn-fuzz-XXXXXX";
    qn_checkpoint_manifest m;
    qn_context *ctx = NULL;
    size_t length = 0;
    char *text;
    qn_status st;

    if (qn_context_create(&(qn_context_options){.threads = 1, .memory = (size_t)64 << 20}, &ctx))
        return 0;
    st = qn_checkpoint_manifest_parse(ctx, "manifest", (const char *)data, size, &m);
    qn_checkpoint_manifest_release(&m);
    text = with_checksum(data, size, &length);
    st = qn_checkpoint_manifest_parse(ctx, "manifest", text, length, &m);
    if (st == QN_OK) {
        check_parts(&m);
        check_round(ctx, &m);
        if (!mkdtemp(dir))
            abort();
        check_folder(ctx, dir, text, length);
        qn_remove_tree(ctx, dir);
    } else if ((st != QN_EDATA && st != QN_EINVAL && st != QN_ENOMEM) || !*qn_context_error(ctx)) {
        abort();
    }
    qn_checkpoint_manifest_release(&m);
    free(text);
    if (qn_alloc_live(ctx) != 0)
        abort();
    qn_context_free(ctx);
    return 0;
}
