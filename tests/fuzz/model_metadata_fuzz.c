/* The JSON of model directories. The first byte: metadata of Spark's, or the parameters in
 * quern.json. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/text.h"
#include "ml/model_dir.h"
#include "quern/als.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was accepted has all that Spark needs. */
static void fuzz_metadata(qn_context *ctx, const char *text, size_t length)
{
    json_t *metadata = NULL;
    const qn_status st = qn_model_metadata_parse(ctx, "metadata", text, length, NULL, &metadata);

    if ((st == QN_OK) != (metadata != NULL) || (st != QN_OK && !*qn_context_error(ctx)))
        abort();
    if (metadata) {
        const qn_model_files files = {.metadata = metadata};

        if (!json_is_string(json_object_get(metadata, "class")))
            abort();
        qn_model_files_param(&files, "userCol");
    }
    json_decref(metadata);
}

/* Parameters that were read are written and read again as the same. */
static void fuzz_params(qn_context *ctx, const char *text, size_t length)
{
    json_t *json = json_loadb(text, length, 0, NULL), *again;
    qn_als_params params, back;
    qn_json out = {0};

    qn_params_init(&qn_als_table, &params);
    if (qn_model_params_read(ctx, &qn_als_table, json, &params) == QN_OK) {
        qn_json_open(&out, NULL, '{');
        qn_model_params_write(&qn_als_table, &params, &out);
        qn_json_close(&out, '}');
        again = json_loadb(out.out.text, out.out.length, 0, NULL);
        qn_params_init(&qn_als_table, &back);
        if (!again || qn_model_params_read(ctx, &qn_als_table, again, &back) != QN_OK ||
            back.seed != params.seed || back.rank != params.rank ||
            back.reg_param != params.reg_param || back.bias != params.bias)
            abort();
        json_decref(again);
    }
    qn_json_release(&out);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    qn_context *ctx = NULL;

    if (size < 1 || qn_context_create(&(qn_context_options){.threads = 1}, &ctx) != QN_OK)
        return 0;
    if (*data % 2)
        fuzz_metadata(ctx, (const char *)data + 1, size - 1);
    else
        fuzz_params(ctx, (const char *)data + 1, size - 1);
    qn_context_free(ctx);
    return 0;
}
