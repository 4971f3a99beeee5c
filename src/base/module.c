/* dlopen counts the uses of a module and it stays once it is in, so nothing is kept here. */
#include "base/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "qn_layout.h"

/* The search: what was tried goes into the message. */
typedef struct search {
    const char *file;
    void *handle;
    qn_string tried;   /* folders, ", " between */
    qn_string problem; /* why a module that is there could not be opened */
} search;

static void try_folder(search *s, const char *folder)
{
    char *path = s->handle ? NULL : qn_path_join(folder, s->file);

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

static qn_status fail_unavailable(qn_context *ctx, const qn_module_spec *spec, const search *s)
{
    if (s->problem.length)
        return qn_fail(ctx, QN_EUNAVAILABLE, "%s need the module %s, but %s\ntry: %s",
                       spec->used_for, spec->file, qn_string_text(&s->problem), spec->advice);
    return qn_fail(ctx, QN_EUNAVAILABLE, "%s need the module %s, which is not in %s\ntry: %s",
                   spec->used_for, spec->file, qn_string_text(&s->tried), spec->advice);
}

/* Field by field: the layout lies behind what modules of other builds may have. */
static qn_status check_stamp(qn_context *ctx, const qn_module_spec *spec,
                             const qn_module_stamp *theirs)
{
    const bool fits = theirs->abi == spec->abi &&
                      theirs->context_size == sizeof(struct qn_context) &&
                      strcmp(theirs->quern_version, qn_version()) == 0;

    if (fits && strcmp(theirs->layout, QN_LAYOUT) == 0)
        return QN_OK;
    return qn_fail(ctx, QN_EUNAVAILABLE,
                   "the module %s belongs to another build of Quern than this program (%s): "
                   "build or install both together",
                   spec->file, qn_version());
}

static qn_status find_entry(qn_context *ctx, const qn_module_spec *spec, const search *s,
                            const void **description)
{
    void *symbol = dlsym(s->handle, spec->entry);
    const void *(*entry)(void);
    qn_status st;

    if (!symbol)
        return qn_fail(ctx, QN_EUNAVAILABLE, "the module %s has no %s: it is not Quern's",
                       spec->file, spec->entry);
    memcpy(&entry, &symbol, sizeof entry); /* POSIX: an object pointer that holds a function */
    st = check_stamp(ctx, spec, entry());
    if (st == QN_OK)
        *description = entry();
    return st;
}

qn_status qn_module_open(qn_context *ctx, const qn_module_spec *spec, const void **description)
{
    search s = {.file = spec->file};
    qn_status st;
    Dl_info here;

    *description = NULL;
    if (ctx->module_dir) {
        try_folder(&s, ctx->module_dir);
    } else {
        /* Any of our bytes tells which file they were loaded from. */
        if (dladdr(QN_LAYOUT, &here) && here.dli_fname)
            try_beside(&s, here.dli_fname);
        try_beside(&s, "/proc/self/exe");
    }
    st = s.handle ? find_entry(ctx, spec, &s, description) : fail_unavailable(ctx, spec, &s);
    if (s.handle)
        dlclose(s.handle);
    qn_string_release(&s.tried);
    qn_string_release(&s.problem);
    return st;
}
