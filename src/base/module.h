/* Parts of the program that are opened on first use, as shared objects beside it: what they need
 * (DuckDB, MPI) is not needed by those who do not use them. A module carries its own copy of the
 * base objects and works on the context handed over, so both must agree on every struct: that is
 * checked before the first call. */
#ifndef QN_BASE_MODULE_H
#define QN_BASE_MODULE_H

#include "base/context.h"

/* What every module's description begins with; an old module is told by it and refused. */
typedef struct qn_module_stamp {
    int32_t abi;               /* of the description that follows: goes up when that changes */
    size_t context_size;       /* sizeof(struct qn_context) */
    const char *quern_version; /* "0.1.0" */
    const char *layout;        /* hash of the headers and base sources of its build */
} qn_module_stamp;

/* In module.c's and in every module's own build the same text: generated/qn_layout.h. */
#define QN_MODULE_STAMP(number)                                                                    \
    {                                                                                              \
        .abi = (number), .context_size = sizeof(struct qn_context), .quern_version = QN_VERSION,   \
        .layout = QN_LAYOUT                                                                        \
    }

typedef struct qn_module_spec {
    const char *file;     /* "libquern_duckdb.so" */
    const char *entry;    /* symbol of a function () -> const description */
    const char *used_for; /* "Parquet and JSON": begins the message */
    const char *advice;   /* what to do where it is missing: "run \"make deps build\"" */
    int32_t abi;
} qn_module_spec;

/* Finds the module in ctx->module_dir, or beside the program or library, opens and checks it, and
 * returns its description, which stays for good. The second call costs microseconds.
 * QN_EUNAVAILABLE: not there, not loadable or of another build; the message says which. */
qn_status qn_module_open(qn_context *ctx, const qn_module_spec *spec, const void **description);

#endif
