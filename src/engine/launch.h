/* The command line that starts the workers of a run, for each flavour of MPI. */
#ifndef QN_ENGINE_LAUNCH_H
#define QN_ENGINE_LAUNCH_H

#include "engine/hosts.h"

#define QN_MPI_CHOICES "openmpi|mpich"
typedef enum qn_mpi { QN_MPI_OPENMPI, QN_MPI_MPICH } qn_mpi;

/* Texts are borrowed. */
typedef struct qn_launch_options {
    qn_mpi mpi;
    const char *mpirun;    /* path of the launcher, from qn_launch_find */
    const char *rsh_agent; /* reaches other hosts in ssh's way: "ssh -p 22"; NULL: ssh */
    const char *network;   /* that workers talk over, 10.0.0.0/24 or an interface; NULL: any */
    const char *directory; /* in which every worker starts */
    const qn_hosts *hosts; /* NULL or none: this machine alone */
    int32_t workers;
    const char *const *word; /* the program and its arguments */
    int32_t n_words;
} qn_launch_options;

/* What to execute: word[n] and NULL behind; variable[n_variables], "NAME=value", to add to the
 * environment. Start with {0}; free with qn_launch_release. */
typedef struct qn_launch_line {
    char **word;
    int64_t n;
    char **variable;
    int64_t n_variables;
    int death_signal; /* that it gets once this process is gone; 0: SIGKILL */
} qn_launch_line;

/* The launcher of the flavour in the folders of `path` ("/usr/bin:/bin"), those that are links by
 * what they lead to; 4096 bytes. What is not
 * there is QN_EUNAVAILABLE, with the package to install. */
qn_status qn_launch_find(qn_context *ctx, qn_mpi mpi, const char *path, char found[4096]);

qn_status qn_launch_make(qn_context *ctx, const qn_launch_options *options, qn_launch_line *line);
/* A command that succeeds only if `program` can be started on the host. */
qn_status qn_launch_make_probe(qn_context *ctx, const char *host, const char *rsh_agent,
                               const char *program, qn_launch_line *line);
void qn_launch_release(qn_launch_line *line);

#endif
