/* Modules: found, missing, of another build, not ours. */
#include "check.h"

#include "base/file.h"
#include "base/module.h"
#include "qn_layout.h"

#define MODULE "libquern_duckdb.so"

static const qn_module_spec spec = {.file = MODULE,
                                    .entry = "qn_parquet_module_entry",
                                    .used_for = "tests",
                                    .advice = "build it",
                                    .abi = 4};

/* Path of the module in the build tree; skips where it was not built. */
static const char *built_module(char path[4096])
{
    const char *build = getenv("QN_BUILD_DIR");

    snprintf(path, 4096, "%s/" MODULE, build ? build : ".");
    if (access(path, R_OK) != 0) {
        print_message("skipped: " MODULE " is not built\n");
        skip();
    }
    return path;
}

static qn_context *context_with(const char *module_dir)
{
    const qn_context_options options = {
        .memory = (size_t)64 << 20, .threads = 1, .module_dir = module_dir};
    qn_context *ctx = NULL;

    assert_int_equal(qn_context_create(&options, &ctx), QN_OK);
    return ctx;
}

/* The file with every `from` (as long as `to`) replaced, in `folder`. */
static void copy_changed(const char *path, const char *folder, const char *from, const char *to)
{
    FILE *in = fopen(path, "rb");
    char out_path[4096];
    const size_t length = strlen(from);
    char *bytes;
    size_t n;
    FILE *out;

    CHECK(in != NULL);
    fseek(in, 0, SEEK_END);
    n = (size_t)ftell(in);
    rewind(in);
    bytes = malloc(n);
    CHECK(bytes && fread(bytes, 1, n, in) == n);
    fclose(in);
    for (size_t i = 0; i + length <= n; i++)
        if (memcmp(bytes + i, from, length) == 0)
            memcpy(bytes + i, to, length);
    snprintf(out_path, sizeof out_path, "%s/" MODULE, folder);
    out = fopen(out_path, "wb");
    CHECK(out && fwrite(bytes, 1, n, out) == n && fclose(out) == 0);
    free(bytes);
}

static void a_module_of_this_build_is_opened(void **state)
{
    char path[4096];
    const void *description = NULL;
    qn_context *ctx;

    (void)state;
    built_module(path);
    ctx = context_with(getenv("QN_BUILD_DIR"));
    CHECK_OK(ctx, qn_module_open(ctx, &spec, &description));
    CHECK(description != NULL);
    qn_context_free(ctx);
}

/* The same version, the same size of the context, one header changed. */
static void a_module_of_another_build_is_refused(void **state)
{
    char path[4096], folder[64], other[sizeof QN_LAYOUT] = QN_LAYOUT;
    const void *description = (void *)1;
    qn_context *ctx;

    (void)state;
    built_module(path);
    CHECK(fresh_dir(folder));
    other[0] = other[0] == 'f' ? 'e' : 'f';
    copy_changed(path, folder, QN_LAYOUT, other);
    ctx = context_with(folder);
    CHECK_EQ(qn_module_open(ctx, &spec, &description), QN_EUNAVAILABLE);
    CHECK_ERROR(ctx, "belongs to another build");
    CHECK(description == NULL);
    CHECK_OK(ctx, qn_remove_tree(ctx, folder));
    qn_context_free(ctx);
}

static void a_missing_module_says_where_it_was_looked_for(void **state)
{
    char folder[64];
    const void *description = (void *)1;
    qn_context *ctx;

    (void)state;
    CHECK(fresh_dir(folder));
    ctx = context_with(folder);
    CHECK_EQ(qn_module_open(ctx, &spec, &description), QN_EUNAVAILABLE);
    CHECK_ERROR(ctx, folder);
    CHECK_ERROR(ctx, "build it");
    CHECK(description == NULL);
    qn_context_free(ctx);
    rmdir(folder);
}

static void a_file_that_is_no_module_is_told(void **state)
{
    char folder[64], path[128];
    const void *description = (void *)1;
    qn_context *ctx;
    FILE *file;

    (void)state;
    CHECK(fresh_dir(folder));
    snprintf(path, sizeof path, "%s/" MODULE, folder);
    file = fopen(path, "w");
    CHECK(file && fputs("no library", file) >= 0 && fclose(file) == 0);
    ctx = context_with(folder);
    CHECK_EQ(qn_module_open(ctx, &spec, &description), QN_EUNAVAILABLE);
    CHECK_ERROR(ctx, "cannot be opened");
    qn_context_free(ctx);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_module_of_this_build_is_opened),
        cmocka_unit_test(a_module_of_another_build_is_refused),
        cmocka_unit_test(a_missing_module_says_where_it_was_looked_for),
        cmocka_unit_test(a_file_that_is_no_module_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
