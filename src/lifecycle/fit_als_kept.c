#include "lifecycle/fit_als_kept.h"

#include <string.h>

#include <xxhash.h>

#include "base/context.h"
#include "base/params_out.h"
#include "data/ratings_kept.h"
#include "data/source_files.h"
#include "engine/checkpoint.h"
#include "engine/comm.h"

/* Runs without checkpoints, or without a place to spill to, keep nothing. */
static const char *run_of(const qn_context *ctx)
{
    const qn_checkpoint *ck = qn_checkpoint_attached(ctx);

    return ck && ctx->scratch_dir ? qn_checkpoint_run_id(ck) : "";
}

/* Names, sizes and times of change. False: a pipe, which nobody reads twice. */
static qn_status add_files(qn_context *ctx, const qn_text_list *paths, uint64_t *key, bool *known)
{
    qn_file_list files = {0};
    qn_status st = paths->n == 0
                       ? QN_OK
                       : qn_file_list_fill(ctx, (const char *const *)paths->item, paths->n, &files);

    for (int64_t f = 0; st == QN_OK && f < files.n; f++) {
        const qn_source_file *file = &files.file[f];
        const int64_t state[] = {file->size, file->changed.tv_sec, file->changed.tv_nsec};

        *key = XXH3_64bits_withSeed(file->path, strlen(file->path), *key);
        *key = XXH3_64bits_withSeed(state, sizeof state, *key);
        *known &= !file->is_once;
    }
    qn_file_list_release(&files);
    return st;
}

/* Of all that decides what is loaded. */
static qn_status key_of(qn_context *ctx, const qn_fit_als_options *options,
                        const qn_ratings_options *input, uint64_t *key, bool *known)
{
    qn_json j = {0};
    qn_status st = QN_OK;

    *known = true;
    qn_json_open(&j, NULL, '[');
    for (int64_t p = 0; p < qn_ratings_table.n; p++)
        qn_param_value_json(&qn_ratings_table.param[p], input, &j);
    qn_json_text(&j, NULL, options->split);
    qn_json_int(&j, NULL, options->split_seed);
    qn_json_close(&j, ']');
    if (j.out.failed)
        QN_TRY(qn_fail(ctx, QN_ENOMEM, "no memory for the options"));
    *key = XXH3_64bits(qn_string_text(&j.out), j.out.length);
    QN_TRY(add_files(ctx, &input->input, key, known));
    QN_TRY(add_files(ctx, &options->test, key, known));
done:
    qn_json_release(&j);
    return st;
}

/* The data, in both directions. */
static qn_status describe(qn_context *ctx, qn_kept *book, qn_fit_als_data *data)
{
    qn_status st = QN_OK;

    QN_TRY(qn_kept_bytes(book, &data->test_records, sizeof data->test_records));
    QN_TRY(qn_ratings_kept(ctx, book, &data->ratings));
    QN_TRY(qn_triples_kept(ctx, book, &data->test));
done:
    return st;
}

static void release(qn_fit_als_data *data)
{
    qn_ratings_free(data->ratings);
    qn_triples_free(data->test);
    *data = (qn_fit_als_data){0};
}

static int64_t bytes_on_disk(const qn_fit_als_data *data)
{
    size_t bytes = qn_store_get_stats(data->ratings->by_user.store).bytes_on_disk +
                   qn_store_get_stats(data->ratings->by_item.store).bytes_on_disk;

    if (data->test)
        bytes += qn_store_get_stats(data->test->store).bytes_on_disk;
    return (int64_t)bytes;
}

qn_status qn_fit_als_take_kept(qn_context *ctx, const qn_fit_als_options *options,
                               const qn_ratings_options *input, qn_fit_als_data *data, bool *found)
{
    int64_t sum[2] = {0}; /* ranks that have their part; bytes of it */
    qn_kept *book = NULL;
    uint64_t key = 0;
    bool known = false;
    qn_status st = QN_OK;

    *data = (qn_fit_als_data){0};
    *found = false;
    if (!run_of(ctx)[0])
        return QN_OK;
    /* Whatever is wrong here is no harm: the input is there, and who reads it tells. */
    st = key_of(ctx, options, input, &key, &known);
    if (st == QN_OK)
        st = qn_kept_find(ctx, run_of(ctx), key, &book);
    if (st == QN_OK && book && known && describe(ctx, book, data) == QN_OK) {
        sum[0] = 1;
        sum[1] = bytes_on_disk(data);
    }
    qn_error_clear(ctx);
    QN_TRY(qn_comm_sum_int64(ctx, sum, 2));
    *found = sum[0] == qn_size(ctx);
    if (!*found)
        release(data);
    qn_kept_settle(ctx, book, *found);
    qn_emit_count(ctx, "load_bytes_kept", *found ? sum[1] : 0);
done:
    qn_kept_free(book);
    if (st != QN_OK)
        release(data);
    return st;
}

static qn_status write_book(qn_context *ctx, const qn_fit_als_options *options,
                            const qn_ratings_options *input, qn_fit_als_data *data)
{
    qn_kept *book = NULL;
    uint64_t key = 0;
    bool known = false;
    qn_status st = QN_OK;

    QN_TRY(key_of(ctx, options, input, &key, &known));
    if (!known)
        return QN_OK;
    QN_TRY(qn_kept_begin(ctx, key, &book));
    QN_TRY(describe(ctx, book, data));
    QN_TRY(qn_kept_commit(book));
done:
    qn_kept_free(book);
    return st;
}

qn_status qn_fit_als_keep(qn_context *ctx, const qn_fit_als_options *options,
                          const qn_ratings_options *input, qn_fit_als_data *data)
{
    int64_t bytes = bytes_on_disk(data);
    qn_status st = QN_OK;

    if (!run_of(ctx)[0])
        return QN_OK;
    QN_TRY(qn_comm_sum_int64(ctx, &bytes, 1));
    if (bytes == 0)
        return QN_OK;
    st = write_book(ctx, options, input, data);
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
