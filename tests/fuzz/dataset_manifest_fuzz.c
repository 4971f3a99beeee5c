/* The manifest of a data set. What is accepted names only files inside its folders, and is the same
 * when it is written and read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/dataset_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_files(const qn_dataset_manifest *manifest)
{
    for (int64_t i = 0; i < manifest->n_files; i++) {
        const char *path = manifest->file[i].path;

        if (path[0] == '/' || path[0] == '.' || path[0] == '_' || strstr(path, "/.") ||
            strstr(path, "//") || strlen(manifest->file[i].digest) != 32)
            abort();
    }
}

static void check_round(qn_context *ctx, const qn_dataset_manifest *manifest)
{
    qn_dataset_manifest back;
    qn_json one = {0}, two = {0};

    qn_dataset_manifest_json(manifest, &one);
    if (qn_dataset_manifest_parse(ctx, "manifest", one.out.text, one.out.length, &back) != QN_OK)
        abort();
    qn_dataset_manifest_json(&back, &two);
    if (one.out.length != two.out.length || memcmp(one.out.text, two.out.text, one.out.length) != 0)
        abort();
    qn_dataset_manifest_release(&back);
    qn_json_release(&one);
    qn_json_release(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    qn_dataset_manifest manifest;
    qn_context *ctx = NULL;
    qn_status st;

    if (qn_context_create(&(qn_context_options){.threads = 1}, &ctx) != QN_OK)
        return 0;
    st = qn_dataset_manifest_parse(ctx, "manifest", (const char *)data, size, &manifest);
    if (st == QN_OK) {
        check_files(&manifest);
        check_round(ctx, &manifest);
    } else if (st != QN_EDATA || !*qn_context_error(ctx)) {
        abort();
    }
    qn_dataset_manifest_release(&manifest);
    if (qn_alloc_live(ctx) != 0)
        abort();
    qn_context_free(ctx);
    return 0;
}
