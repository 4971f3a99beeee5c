/* Finds and opens the Parquet module. dlopen counts its uses and the module stays once it is in, so
 * nothing is kept here: the second call costs microseconds. */
#include "data/parquet.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/context.h"
#include "base/file.h"
#include "data/parquet_module.h"

/* The search: what was tried goes into the message. */
typedef struct search {
    void *handle;
    qn_string tried;   /* folders, ", " between */
    qn_string problem; /* why a module that is there could not be opened */
} search;

static void try_folder(search *s, const char *folder)
{
    char *path = s->handle ? NULL : qn_path_join(folder, QN_PARQUET_MODULE_FILE);

    if (!path)
        return;
    qn_string_addf(&s->tried, "%s%s", s->tried.length ? ", " : "", folder);
    if (access(path, F_OK) == 0) {
        s->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (!s->handle) {
            const char *text = dlerror();

            qn_string_clear(&s->problem);
            qn_string_addf(&s->problem, "%s cannot be opened: %s", path, text ? text : "");
        }
    }
    free(path);
}

/* Beside `file`, in quern/ beside it and in lib/quern/ beside its folder: as built, as the library
 * is installed and as the program is installed. */
static void try_beside(search *s, const char *file)
{
    static const char *const places[] = {"", "quern", "../lib/quern"};
    char *folder = realpath(file, NULL);
    char *slash = folder ? strrchr(folder, '/') : NULL;

    if (slash)
        *slash = '\0';
    for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++) {
        char *place = *places[i] ? qn_path_join(folder, places[i]) : strdup(folder);

        if (place)
            try_folder(s, place);
        free(place);
    }
    free(folder);
}

static qn_status fail_unavailable(qn_context *ctx, const search *s)
{
    if (s->problem.length)
        return qn_fail(ctx, QN_EUNAVAILABLE,
                       "Parquet and JSON need the module %s, but %s: run \"make deps build\" again",
                       QN_PARQUET_MODULE_FILE, qn_string_text(&s->problem));
    return qn_fail(
        ctx, QN_EUNAVAILABLE,
        "Parquet and JSON need the module %s, which is not in %s: run \"make deps build\" "
        "to fetch and build it, or use CSV",
        QN_PARQUET_MODULE_FILE, qn_string_text(&s->tried));
}

static qn_status check_module(qn_context *ctx, const qn_parquet_module *module)
{
    if (module->abi == QN_PARQUET_MODULE_ABI && module->context_size == sizeof(struct qn_context) &&
        strcmp(module->quern_version, qn_version()) == 0)
        return QN_OK;
    return qn_fail(
        ctx, QN_EUNAVAILABLE,
        "the module %s belongs to Quern %s of another build, this is %s: build or install "
        "both together",
        QN_PARQUET_MODULE_FILE, module->quern_version, qn_version());
}

static qn_status module_open(qn_context *ctx, const qn_parquet_module **module)
{
    search s = {0};
    qn_status st = QN_OK;
    Dl_info here;
    void *symbol;
    qn_parquet_module_entry_fn *entry;

    *module = NULL;
    if (ctx->module_dir) {
        try_folder(&s, ctx->module_dir);
    } else {
        /* Any of our bytes tells which file they were loaded from. */
        if (dladdr(QN_PARQUET_MODULE_ENTRY, &here) && here.dli_fname)
            try_beside(&s, here.dli_fname);
        try_beside(&s, "/proc/self/exe");
    }
    if (!s.handle) {
        st = fail_unavailable(ctx, &s);
        goto done;
    }
    symbol = dlsym(s.handle, QN_PARQUET_MODULE_ENTRY);
    if (!symbol) {
        st = qn_fail(ctx, QN_EUNAVAILABLE, "the module %s has no %s: it is not Quern's",
                     QN_PARQUET_MODULE_FILE, QN_PARQUET_MODULE_ENTRY);
        goto done;
    }
    memcpy(&entry, &symbol, sizeof entry); /* POSIX: an object pointer that holds a function */
    QN_TRY(check_module(ctx, entry()));
    *module = entry();
done:
    if (s.handle)
        dlclose(s.handle);
    qn_string_release(&s.tried);
    qn_string_release(&s.problem);
    return st;
}

qn_status qn_parquet_source_open(qn_context *ctx, const qn_source_options *options,
                                 qn_source **source)
{
    const qn_parquet_module *module;
    qn_status st;

    *source = NULL;
    st = module_open(ctx, &module);
    return st == QN_OK ? module->source_open(ctx, options, source) : st;
}

qn_status qn_parquet_sink_open(qn_context *ctx, const qn_parquet_write *write,
                               const qn_schema *schema, qn_sink **sink)
{
    const qn_parquet_module *module;
    qn_status st;

    *sink = NULL;
    st = module_open(ctx, &module);
    return st == QN_OK ? module->sink_open(ctx, write, schema, sink) : st;
}

qn_status qn_parquet_coder_open(qn_context *ctx, qn_parquet_coder **coder)
{
    const qn_parquet_module *module;
    qn_status st;

    *coder = NULL;
    st = module_open(ctx, &module);
    return st == QN_OK ? module->coder_open(ctx, coder) : st;
}

void qn_parquet_coder_close(qn_parquet_coder *coder)
{
    if (coder)
        coder->ops->close(coder);
}

qn_status qn_parquet_code(qn_context *ctx, qn_parquet_coder *coder, const qn_parquet_file *file,
                          qn_parquet_fill *fill, void *arg)
{
    return coder->ops->code(ctx, coder, file, fill, arg);
}

qn_status qn_parquet_decoder_open(qn_context *ctx, qn_parquet_coder *coder,
                                  const qn_parquet_file *file, qn_parquet_decoder **decoder)
{
    return coder->ops->decoder_open(ctx, coder, file, decoder);
}

qn_status qn_parquet_decoder_next(qn_context *ctx, qn_parquet_decoder *decoder,
                                  qn_parquet_rows *rows)
{
    return decoder->ops->decoder_next(ctx, decoder, rows);
}

void qn_parquet_decoder_close(qn_parquet_decoder *decoder)
{
    if (decoder)
        decoder->ops->decoder_close(decoder);
}

qn_status qn_parquet_version(qn_context *ctx, const char **version)
{
    const qn_parquet_module *module;
    const qn_status st = module_open(ctx, &module);

    *version = st == QN_OK ? module->version() : NULL;
    return st;
}
