/* The machines a run works on, and how many workers each carries: "a,b:2,c" or a file of lines. */
#ifndef QN_ENGINE_HOSTS_H
#define QN_ENGINE_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/context.h"

#define QN_HOST_NAME 256

typedef struct qn_host {
    char name[QN_HOST_NAME]; /* a name or an address, as given; IPv6 without its brackets */
    int32_t ranks;           /* workers there */
} qn_host;

/* Start with {0}. */
typedef struct qn_hosts {
    qn_host *host;
    int32_t n;
} qn_hosts;

/* "a,b:2,[::1]:3". QN_EINVAL names what is empty, not a name, not a number, or there twice. */
qn_status qn_hosts_parse(qn_context *ctx, const char *list, qn_hosts *hosts);
/* A file with a host a line: "a", "a:2", "a slots=2" (Open MPI's) or "a 2"; # begins a comment. */
qn_status qn_hosts_read(qn_context *ctx, const char *path, qn_hosts *hosts);
void qn_hosts_release(qn_hosts *hosts);
int32_t qn_hosts_ranks(const qn_hosts *hosts); /* of all */
/* The host of worker `rank`, launchers filling host after host; NULL: none of these. */
const char *qn_hosts_of_rank(const qn_hosts *hosts, int32_t rank);

/* The workers that --workers and the hosts together mean: the sum of the hosts, unless `given` > 0
 * says something else (QN_EINVAL); without hosts `given`, at least 1. */
qn_status qn_hosts_workers(qn_context *ctx, const qn_hosts *hosts, int32_t given, int32_t *workers);

/* Whether the name is surely this machine: "localhost", a loopback address, its own host name. */
bool qn_host_is_here(const char *name);

#endif
