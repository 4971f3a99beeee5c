#include "lifecycle/loaded.h"

#include <string.h>

#include <xxhash.h>

#include "base/context.h"
#include "base/params_out.h"
#include "data/source_files.h"
#include "engine/checkpoint.h"
#include "engine/comm.h"

static const char *run_of(const qn_context *ctx)
{
    const qn_checkpoint *ck = qn_checkpoint_attached(ctx);

    return ck && ctx->scratch_dir ? qn_checkpoint_run_id(ck) : "";
}

/* Names, sizes and times of change. A pipe is not known: nobody reads it twice. */
static qn_status add_files(qn_context *ctx, const qn_text_list *paths, qn_loaded *loaded)
{
    qn_file_list files = {0};
    qn_status st = QN_OK;

    if (!paths || paths->n == 0)
        return QN_OK;
    st = qn_file_list_fill(ctx, (const char *const *)paths->item, paths->n, &files);
    for (int64_t f = 0; st == QN_OK && f < files.n; f++) {
        const qn_source_file *file = &files.file[f];
        const int64_t state[] = {file->size, file->changed.tv_sec, file->changed.tv_nsec};

        loaded->key = XXH3_64bits_withSeed(file->path, strlen(file->path), loaded->key);
        loaded->key = XXH3_64bits_withSeed(state, sizeof state, loaded->key);
        loaded->is_known &= !file->is_once;
    }
    qn_file_list_release(&files);
    return st;
}

static qn_status make_key(qn_context *ctx, qn_loaded *loaded)
{
    qn_json j = {0};
    qn_status st = QN_OK;

    qn_json_open(&j, NULL, '[');
    for (int64_t p = 0; p < loaded->table->n; p++)
        qn_param_value_json(&loaded->table->param[p], loaded->options, &j);
    qn_json_text(&j, NULL, loaded->more);
    qn_json_close(&j, ']');
    if (j.out.failed)
        QN_TRY(qn_fail(ctx, QN_ENOMEM, "no memory for the options"));
    loaded->key = XXH3_64bits(qn_string_text(&j.out), j.out.length);
    loaded->is_known = true;
    for (int i = 0; i < 2; i++)
        QN_TRY(add_files(ctx, loaded->files[i], loaded));
done:
    loaded->is_known &= st == QN_OK;
    qn_json_release(&j);
    return st;
}

static int64_t bytes_on_disk(qn_context *ctx)
{
    return (int64_t)qn_context_store_totals(ctx).bytes_on_disk;
}

qn_status qn_loaded_take(qn_context *ctx, qn_loaded *loaded, bool *found)
{
    int64_t sum[2] = {0}; /* ranks that have their part; bytes of it */
    qn_kept *book = NULL;
    qn_status st = QN_OK;

    *found = false;
    loaded->is_known = false;
    if (!run_of(ctx)[0])
        return QN_OK;
    /* Whatever is wrong here is no harm: the input is there, and who reads it tells. */
    st = make_key(ctx, loaded);
    if (st == QN_OK)
        st = qn_kept_find(ctx, run_of(ctx), loaded->key, &book);
    if (st == QN_OK && book && loaded->is_known && loaded->describe(loaded->data, book) == QN_OK) {
        sum[0] = 1;
        sum[1] = bytes_on_disk(ctx);
    }
    qn_error_clear(ctx);
    QN_TRY(qn_comm_sum_int64(ctx, sum, 2));
    *found = sum[0] == qn_size(ctx);
    if (!*found)
        loaded->release(loaded->data); /* before its files go */
    qn_kept_settle(ctx, book, *found);
    qn_emit_count(ctx, "load_bytes_kept", *found ? sum[1] : 0);
done:
    qn_kept_free(book);
    if (st != QN_OK)
        loaded->release(loaded->data);
    return st;
}

static qn_status write_book(qn_context *ctx, const qn_loaded *loaded)
{
    qn_kept *book = NULL;
    qn_status st = QN_OK;

    if (!loaded->is_known)
        return QN_OK;
    QN_TRY(qn_kept_begin(ctx, loaded->key, &book));
    QN_TRY(loaded->describe(loaded->data, book));
    QN_TRY(qn_kept_commit(book));
done:
    qn_kept_free(book);
    return st;
}

qn_status qn_loaded_keep(qn_context *ctx, const qn_loaded *loaded)
{
    int64_t bytes = bytes_on_disk(ctx);
    qn_status st = QN_OK;

    if (!run_of(ctx)[0])
        return QN_OK;
    QN_TRY(qn_comm_sum_int64(ctx, &bytes, 1));
    if (bytes == 0)
        return QN_OK;
    st = write_book(ctx, loaded);
    if (st != QN_OK && st != QN_ECANCELLED) {
        qn_emit_warning(ctx,
                        "%s; the run goes on, but taken up again it would read its input again",
                        qn_context_error(ctx));
        qn_error_clear(ctx);
        st = QN_OK;
    }
    st = qn_comm_agree(ctx, st);
done:
    return st;
}
