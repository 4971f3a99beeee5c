/* What a K-means model on disk says in text. The first byte: a centre as the text of Spark's
 * vector, or quern.json beside Spark's parameters. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/context.h"
#include "ml/algo.h"
#include "ml/model_dir.h"
#include "ml/model_rows.h"
#include "quern/kmeans.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The size does not depend on the room, and no more than the room is written. */
static void fuzz_vector(const char *text, int64_t length)
{
    double values[9];
    int64_t n = 0;
    int64_t again = 0;
    const bool is_vector = qn_spark_vector_parse(text, length, 0, NULL, &n);

    for (int i = 0; i < 9; i++)
        values[i] = 0.5;
    if (qn_spark_vector_parse(text, length, 8, values, &again) != is_vector || values[8] != 0.5 ||
        n < 0 || (is_vector && n != again))
        abort();
}

/* What is accepted is in range. */
static void fuzz_note(qn_context *ctx, const char *text, size_t length)
{
    json_t *json = json_loadb(text, length, 0, NULL);
    const qn_model_files files = {.path = (char *)"model", .metadata = json, .quern = json};
    qn_kmeans_params params;
    qn_model model = {.algo = &qn_algo_kmeans, .n_features = 2};
    qn_status st;

    qn_params_init(&qn_kmeans_table, &params);
    st = qn_model_params_of(ctx, &files, &qn_kmeans_table, &params);
    if (st == QN_OK)
        st = qn_params_check(ctx, &qn_kmeans_table, &params);
    if (st == QN_OK && (params.k < 2 || params.init_steps < 1 || isnan(params.tol)))
        abort();
    st = qn_model_note_read(ctx, &files, &model);
    if (st == QN_OK && model.features.n > 0 && model.features.width != 2)
        abort();
    if (st != QN_OK && !*qn_context_error(ctx))
        abort();
    qn_model_base_release(&model);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    qn_context *ctx = NULL;

    if (size < 1 || qn_context_create(&(qn_context_options){.threads = 1}, &ctx) != QN_OK)
        return 0;
    if (*data % 2)
        fuzz_vector((const char *)data + 1, (int64_t)size - 1);
    else
        fuzz_note(ctx, (const char *)data + 1, size - 1);
    if (qn_alloc_live(ctx) != 0)
        abort();
    qn_context_free(ctx);
    return 0;
}
