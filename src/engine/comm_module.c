/* Opens the MPI module, and what ranks that have just met do first: tell each other what they are,
 * refuse to work with another program, settle on a kernel set, learn who shares a host. */
#include "engine/comm_module.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/identity.h"
#include "base/pool.h"
#include "base/system.h"
#include "base/text.h"
#include "engine/context_open.h"
#include "qn_layout.h"

/* ---- the module ---- */

/* What tells the flavours apart. */
typedef struct flavour_row {
    const char *name, *file, *package, *used_for, *advice;
    /* Memory that it does not ask a budget for: of its own, and for each process that it talks to.
     * tests/mpi/ranks.c measures it on 1 to 7 processes after messages of 32 MiB: Open MPI 2.9 MB
     * and 0.15 MB each, MPICH 6 MB. */
    size_t reserve, reserve_each;
} flavour_row;

static const flavour_row flavours[] = {
    {"openmpi", "libquern_comm_openmpi.so", "openmpi-bin", "workers over Open MPI",
     "apt-get install openmpi-bin, or libopenmpi-dev and \"make build\" again where it was built "
     "without",
     (size_t)4 << 20, (size_t)256 << 10},
    {"mpich", "libquern_comm_mpich.so", "mpich", "workers over MPICH",
     "apt-get install mpich, or libmpich-dev and \"make build\" again where it was built without",
     (size_t)7 << 20, (size_t)256 << 10},
};

static const flavour_row *find_flavour(const char *name)
{
    for (size_t i = 0; i < sizeof flavours / sizeof *flavours; i++)
        if (strcmp(flavours[i].name, name) == 0)
            return &flavours[i];
    return NULL;
}

const char *qn_comm_package(const char *flavour)
{
    const flavour_row *row = find_flavour(flavour);

    return row ? row->package : NULL;
}

size_t qn_comm_reserve(const char *flavour, int32_t size)
{
    const flavour_row *row = find_flavour(flavour);

    return row ? row->reserve + (size_t)size * row->reserve_each : 0;
}

static qn_status open_module(qn_context *ctx, const char *flavour, const qn_comm_module **module)
{
    const flavour_row *row = find_flavour(flavour);
    const void *description = NULL;
    qn_status st;

    *module = NULL;
    if (!row)
        return qn_fail(ctx, QN_EINVAL, "there is no MPI called \"%s\": take one of %s", flavour,
                       QN_COMM_FLAVOURS);
    st = qn_module_open(ctx,
                        &(qn_module_spec){.file = row->file,
                                          .entry = QN_COMM_MODULE_ENTRY,
                                          .used_for = row->used_for,
                                          .advice = row->advice,
                                          .abi = QN_COMM_MODULE_ABI},
                        &description);
    *module = description;
    return st;
}

qn_status qn_comm_version(qn_context *ctx, const char *flavour, const char **version)
{
    const qn_comm_module *module;
    const qn_status st = open_module(ctx, flavour, &module);

    *version = st == QN_OK ? module->version() : NULL;
    return st;
}

/* ---- what a rank says of itself ---- */

/* Sent whole; the first two fields stay where they are in every version to come. */
typedef struct identity {
    char magic[16];
    char version[24];
    uint32_t byte_order, word_bytes;
    char layout[48];
    uint64_t program; /* hash of the program's build id */
    int64_t cells[3];
    char host[64];
    char boot[40]; /* of the machine: two that are called alike differ here */
    char kernels[16];
    int32_t cores;   /* that its affinity allows, 0: more than the mask holds */
    int32_t granted; /* by the cgroup's quota, 0: no limit */
    cpu_set_t mask;
} identity;

#define IDENTITY_MAGIC "quern worker"

static void copy_text(char *to, size_t bytes, const char *text)
{
    snprintf(to, bytes, "%.*s", (int)bytes - 1, text);
}

static void host_name(char *to, size_t bytes)
{
    if (gethostname(to, bytes) != 0)
        copy_text(to, bytes, "this host");
    to[bytes - 1] = '\0';
}

static void describe_self(const qn_context *ctx, identity *id)
{
    qn_system machine;

    memset(id, 0, sizeof *id);
    qn_system_read(&machine);
    copy_text(id->magic, sizeof id->magic, IDENTITY_MAGIC);
    copy_text(id->version, sizeof id->version, qn_version());
    copy_text(id->layout, sizeof id->layout, QN_LAYOUT);
    id->byte_order = 0x01020304;
    id->word_bytes = (uint32_t)(sizeof(void *) * 16 + sizeof(long double));
    id->program = qn_program_hash();
    id->cells[0] = ctx->cells.rating_rows;
    id->cells[1] = ctx->cells.long_row;
    id->cells[2] = ctx->cells.table_rows;
    host_name(id->host, sizeof id->host);
    qn_boot_id(id->boot, sizeof id->boot);
    copy_text(id->kernels, sizeof id->kernels, qn_context_kernels(ctx));
    if (sched_getaffinity(0, sizeof id->mask, &id->mask) == 0)
        id->cores = CPU_COUNT(&id->mask);
    if (machine.cpu_quota > 0)
        id->granted = machine.cpu_quota < 1e6 ? (int32_t)machine.cpu_quota : 0;
    if (machine.cpu_quota > (double)id->granted && id->granted > 0)
        id->granted++;
}

/* ---- what the ranks make of it: the same on each ---- */

static bool same_program(const identity *a, const identity *b)
{
    return memcmp(a->magic, b->magic, sizeof a->magic) == 0 &&
           memcmp(a->version, b->version, sizeof a->version) == 0 &&
           a->byte_order == b->byte_order && a->word_bytes == b->word_bytes &&
           memcmp(a->layout, b->layout, sizeof a->layout) == 0 && a->program == b->program &&
           memcmp(a->cells, b->cells, sizeof a->cells) == 0;
}

/* Workers with another program than worker 0, with their hosts. */
static qn_status check_programs(qn_context *ctx, const identity *all)
{
    const int32_t size = ctx->comm->size;
    qn_string others = {0};
    int32_t n = 0;

    for (int32_t r = 1; r < size; r++) {
        if (same_program(&all[0], &all[r]))
            continue;
        if (n++ < 4)
            qn_string_addf(&others, "%sworker %d on %s (%.16s)", n > 1 ? ", " : "", (int)r,
                           ctx->comm->place[r].host, all[r].version);
    }
    if (n == 0)
        return QN_OK;
    qn_fail(ctx, QN_EINVAL,
            "workers run different builds of Quern: worker 0 on %s has %.16s, another build have "
            "%s%s\ntry: install the same build on every host",
            ctx->comm->place[0].host, all[0].version, qn_string_text(&others),
            n > 4 ? " and more" : "");
    qn_string_release(&others);
    ctx->comm->has_agreed = true;
    return QN_EINVAL;
}

static bool same_host(const identity *a, const identity *b)
{
    return strcmp(a->host, b->host) == 0 && strcmp(a->boot, b->boot) == 0;
}

/* A rank's share of the cores that the ranks of its host may use between them; those that are bound
 * to cores of their own keep them. */
static int32_t share_of_cores(const identity *all, int32_t size, int32_t rank)
{
    int32_t here = 0, cores;
    cpu_set_t any = all[rank].mask;

    for (int32_t r = 0; r < size; r++)
        if (same_host(&all[r], &all[rank])) {
            here++;
            CPU_OR(&any, &any, &all[r].mask);
        }
    cores = CPU_COUNT(&any) / here;
    if (all[rank].cores < cores)
        cores = all[rank].cores;
    if (all[rank].granted > 0 && all[rank].granted / here < cores)
        cores = all[rank].granted / here;
    return cores > 1 ? cores : 1;
}

static bool is_crowded(const identity *all, int32_t size, int32_t rank)
{
    int32_t here = 0;
    cpu_set_t any = all[rank].mask;

    for (int32_t r = 0; r < size; r++)
        if (same_host(&all[r], &all[rank])) {
            here++;
            CPU_OR(&any, &any, &all[r].mask);
        }
    return CPU_COUNT(&any) < here || (all[rank].granted > 0 && all[rank].granted < here);
}

static void note_places(qn_context *ctx, identity *all)
{
    qn_comm *comm = ctx->comm;
    int32_t n_hosts = 0;

    for (int32_t r = 0; r < comm->size; r++) {
        qn_rank_place *place = &comm->place[r];
        int32_t first = 0;

        all[r].host[sizeof all[r].host - 1] = '\0';
        all[r].boot[sizeof all[r].boot - 1] = '\0';
        copy_text(place->host, sizeof place->host, all[r].host);
        copy_text(place->kernels, sizeof place->kernels, all[r].kernels);
        while (!same_host(&all[first], &all[r]))
            first++;
        place->host_number = first < r ? comm->place[first].host_number : n_hosts++;
    }
    for (int32_t r = 0; r < comm->size; r++)
        comm->place[r].cores = share_of_cores(all, comm->size, r);
    comm->is_crowded = is_crowded(all, comm->size, comm->rank);
}

static int32_t kernel_level(const char *name)
{
    static const char *const order[] = {"reference", "avx2", "avx512"};

    for (int32_t i = 0; i < 3; i++)
        if (strcmp(order[i], name) == 0)
            return i;
    return 0;
}

static const char *lowest_kernels(const qn_comm *comm)
{
    const char *lowest = comm->place[0].kernels;

    for (int32_t r = 1; r < comm->size; r++)
        if (kernel_level(comm->place[r].kernels) < kernel_level(lowest))
            lowest = comm->place[r].kernels;
    return lowest;
}

void qn_comm_warn_of_kernels(qn_context *ctx)
{
    const qn_comm *comm = ctx->comm;
    const char *lowest = comm->place ? lowest_kernels(comm) : "";

    for (int32_t r = 0; comm->place && r < comm->size; r++)
        if (strcmp(comm->place[r].kernels, lowest) != 0) {
            qn_emit_warning(ctx,
                            "worker %d on %s could use the kernel set %s, but not every worker "
                            "can: all use %s",
                            (int)r, comm->place[r].host, comm->place[r].kernels, lowest);
            return;
        }
}

static qn_status get_acquainted(qn_context *ctx)
{
    qn_comm *comm = ctx->comm;
    qn_status st = QN_OK;
    identity self;
    identity *all = NULL;
    size_t *bytes = NULL;

    describe_self(ctx, &self);
    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&all, comm->size, sizeof *all, "workers"));
    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&bytes, comm->size, sizeof *bytes, "workers"));
    QN_TRY_ALL(
        qn_calloc_array(ctx, (void **)&comm->place, comm->size, sizeof *comm->place, "workers"));
    for (int32_t r = 0; r < comm->size; r++)
        bytes[r] = sizeof self;
    QN_TRY(qn_comm_allgatherv(ctx, &self, sizeof self, all, bytes));
    note_places(ctx, all);
    QN_TRY(check_programs(ctx, all));
    QN_TRY(qn_context_use_kernels(ctx, lowest_kernels(comm)));
    comm->bytes_moved = 0;
    atomic_store(&ctx->traffic.moved, 0);
done:
    qn_free(all);
    qn_free(bytes);
    return st;
}

qn_status qn_comm_open(qn_context *ctx, const char *flavour)
{
    const qn_comm_module *module;
    char host[64] = "";
    qn_status st = open_module(ctx, flavour, &module);

    if (ctx->comm->deadline_seconds <= 0)
        ctx->comm->deadline_seconds = QN_COMM_DEADLINE_SECONDS;
    if (st == QN_OK)
        st = module->open(ctx);
    if (st != QN_OK) {
        host_name(host, sizeof host);
        return qn_fail_prefix(ctx, st, "on %s", host);
    }
    st = qn_comm_agree(
        ctx, qn_budget_charge(ctx, (int64_t)qn_comm_reserve(flavour, ctx->comm->size), "MPI"));
    if (st == QN_OK)
        st = get_acquainted(ctx);
    qn_budget_settle(ctx->budget);
    return st;
}

qn_status qn_comm_share_host(qn_context *ctx, bool threads, bool memory)
{
    const qn_comm *comm = ctx->comm;
    const size_t here = (size_t)qn_comm_ranks_here(ctx);
    qn_pool *pool = NULL;
    qn_status st;

    if (!comm->place)
        return QN_OK;
    if (memory)
        qn_budget_set_limit(ctx->budget, qn_context_memory(ctx) / here);
    if (!threads || comm->place[comm->rank].cores == qn_context_threads(ctx))
        return QN_OK;
    st = qn_pool_create(ctx, comm->place[comm->rank].cores, &pool);
    if (st != QN_OK)
        return st;
    qn_pool_free(ctx->pool);
    ctx->pool = pool;
    qn_budget_settle(ctx->budget);
    return QN_OK;
}
