/* Features as JSON: what was accepted is written, read again and copied as the same, and its names
 * can be asked for. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/assemble.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

static void write(const qn_features *features, qn_json *j)
{
    qn_features_json(features, j, NULL);
    check(!j->out.failed);
}

/* A wide feature makes many columns: only the first and last are asked for. */
static void ask_names(const qn_features *features)
{
    char name[16];

    for (int32_t j = 0; j < features->width; j += j < 32 ? 1 : features->width / 16 + 1)
        qn_features_name(features, j, name, sizeof name);
    qn_features_name(features, features->width - 1, name, sizeof name);
    check(features->width >= features->n && features->n >= 1);
}

static void go_round(qn_context *ctx, const qn_features *features)
{
    qn_json first = {0}, second = {0}, third = {0};
    qn_features back, copy;
    json_t *json;

    write(features, &first);
    json = json_loadb(first.out.text, first.out.length, 0, NULL);
    check(json && qn_features_parse(ctx, json, &back) == QN_OK);
    write(&back, &second);
    check(qn_features_copy(ctx, &back, &copy) == QN_OK);
    write(&copy, &third);
    check(strcmp(first.out.text, second.out.text) == 0);
    check(strcmp(first.out.text, third.out.text) == 0);
    check(copy.width == features->width);
    qn_features_release(&back);
    qn_features_release(&copy);
    json_decref(json);
    qn_json_release(&first);
    qn_json_release(&second);
    qn_json_release(&third);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    qn_context *ctx = NULL;
    qn_features features;
    json_t *json;

    if (qn_context_create(&(qn_context_options){.threads = 1}, &ctx) != QN_OK)
        return 0;
    json = json_loadb((const char *)data, size, 0, NULL);
    const qn_status st = qn_features_parse(ctx, json, &features);
    check(st == QN_OK || (st == QN_EDATA && *qn_context_error(ctx) && features.n == 0));
    if (st == QN_OK) {
        ask_names(&features);
        go_round(ctx, &features);
    }
    qn_features_release(&features);
    json_decref(json);
    check(qn_alloc_live(ctx) == 0);
    qn_context_free(ctx);
    return 0;
}
