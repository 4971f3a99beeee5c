/* MPI, by a module opened when a process becomes a rank: so the program itself links no MPI, one
 * program serves Open MPI and MPICH, and a machine without either still works in one process. */
#ifndef QN_ENGINE_COMM_MODULE_H
#define QN_ENGINE_COMM_MODULE_H

#include <stdbool.h>

#include "base/module.h"
#include "engine/comm.h"

#define QN_COMM_FLAVOURS         "openmpi|mpich"
#define QN_COMM_DEADLINE_SECONDS 600.0

/* Makes this process a rank of an MPI job: loads libquern_comm_FLAVOUR.so, starts MPI and replaces
 * the context's communicator of one rank. The ranks then tell each other what they are and settle
 * on the lowest kernel set that all can run, with a warning that names the hosts if they differ.
 * Collective  every process of the job calls, with the same flavour.
 * Errors      QN_EINVAL flavour; QN_EUNAVAILABLE the module or MPI is missing, with the package to
 *             install; QN_EINVAL workers run different programs, with their hosts; QN_ENOMEM. */
qn_status qn_comm_open(qn_context *ctx, const char *flavour);

/* Warns where some workers could use a faster kernel set than all can; for one rank to call. */
void qn_comm_warn_of_kernels(qn_context *ctx);

/* Divides what the host offers by its ranks: the threads and the memory budget of this context,
 * each only if asked for (they were not given by the user). Nothing may be held or under way. */
qn_status qn_comm_share_host(qn_context *ctx, bool threads, bool memory);

/* "4.1.4"; NULL text and QN_EUNAVAILABLE where module or MPI is missing. For `doctor`. */
qn_status qn_comm_version(qn_context *ctx, const char *flavour, const char **version);
/* Bytes that `flavour` takes in each of `size` processes beside what it asks the budget for.
 * qn_comm_open charges them; `plan` tells of them. 0: there is no such flavour. */
size_t qn_comm_reserve(const char *flavour, int32_t size);
/* The Debian packages that bring `flavour`: "openmpi-bin". */
const char *qn_comm_package(const char *flavour);

/* ---- between comm_module.c, which opens the module, and comm_mpi.c, which it is made of ---- */

#define QN_COMM_MODULE_ENTRY "qn_comm_module_entry"
#define QN_COMM_MODULE_ABI   1 /* goes up when this struct changes */

typedef struct qn_comm_module {
    qn_module_stamp stamp;
    const char *(*version)(void);
    /* Starts MPI and puts its communicator into the context; ctx->comm->place stays NULL. */
    qn_status (*open)(qn_context *ctx);
} qn_comm_module;

/* The one symbol that the module exports. */
typedef const qn_comm_module *qn_comm_module_entry_fn(void);
QN_API const qn_comm_module *qn_comm_module_entry(void);

#endif
