/* Between the parts of the supervisor: supervise.c decides, supervise_watch.c sees one start of the
 * workers through, supervise_said.c reads what the launcher says, supervise_why.c tells of a loss,
 * supervise_silence.c of workers that say nothing.
 */
#ifndef QN_CLI_SUPERVISE_IMPL_H
#define QN_CLI_SUPERVISE_IMPL_H

#include "cli/command.h"
#include "engine/child.h"
#include "run/relay.h"
#include "run/workers.h"

#define QN_SAID_BYTES ((size_t)16 << 10)
#define QN_STEPS_KEPT 64

/* What the launcher said on standard error: kept for the reason of a loss, not shown. */
typedef struct qn_said {
    qn_string line; /* begun */
    qn_string text; /* its messages, up to QN_SAID_BYTES */
    bool in_banner; /* between two lines of dashes */
    int32_t rank;   /* of the worker that died; -1: not known */
    int64_t pid;    /* of its process; 0: not known */
    int signal_number;
    int exit_code; /* with which it ended itself; 0: not known */
    char host[64];
} qn_said;

/* Takes a piece of standard error. What is not the launcher's goes to `pass`. */
void qn_said_read(qn_said *said, const char *bytes, size_t n,
                  void (*pass)(void *user, const char *bytes, size_t n), void *user);
void qn_said_clear(qn_said *said);
void qn_said_release(qn_said *said);

typedef enum qn_attempt {
    QN_ATTEMPT_DONE,   /* worker 0 told how the command ended */
    QN_ATTEMPT_LOST,   /* a worker, a host or the launcher died, or all fell silent */
    QN_ATTEMPT_STOPPED /* the user asked for it */
} qn_attempt;

/* A worker that has fallen silent, and the question to its host whether it is there. */
typedef struct qn_suspect {
    int32_t rank; /* -1: none */
    qn_child probe;
    double asked;      /* when it was; the question may have been answered */
    bool is_host_gone; /* no answer */
    char host[QN_HOST_NAME];
} qn_suspect;

/* Who was lost, why, and how long it took to go on; times by qn_seconds(). */
typedef struct qn_loss {
    int32_t rank; /* -1: not known */
    int signal_number;
    char host[64];
    char why[QN_ERROR_BYTES];
    int64_t iterations; /* done before */
    double silent;      /* seconds from its last sign of life to `noticed` */
    double noticed;     /* 0: its times are told, or nothing was lost */
    double relaunched;  /* all workers are there again; 0: not yet */
} qn_loss;

typedef struct qn_supervisor {
    qn_cli *cli;
    qn_context *ctx;
    qn_hosts hosts;   /* as asked for; n 0: this machine alone */
    qn_hosts present; /* of these, the ones that the workers are on now */
    int32_t workers;  /* on them */
    int32_t min_workers;
    int32_t n_restarts;
    bool is_restored; /* workers take up the checkpoint of this run */
    const char *rsh_agent;
    char mpirun[4096], program[4096], directory[4096];

    qn_child child;
    qn_relay_reader reader;
    qn_said said;
    qn_workers known;
    qn_string held;  /* results, shown when the command has ended */
    bool has_passed; /* so many that they are shown as they come */
    double started, last_event;
    double step[QN_STEPS_KEPT]; /* seconds of the last iterations */
    int64_t n_steps;
    int64_t oom_kills; /* on this machine when the workers started */
    qn_loss loss;      /* the last one */
    qn_suspect suspect;
    int64_t last_step;    /* iterations done */
    bool is_fitting;      /* this start of the workers has its data */
    bool is_from_scratch; /* which earlier ones had left there */
    bool is_reloaded;     /* and goes on where the lost ones were */
} qn_supervisor;

/* Becomes a sink: notes events, steps and workers. */
qn_status qn_watch_open(qn_supervisor *s);
/* One start of the workers, to its end. */
qn_status qn_watch_attempt(qn_supervisor *s, const qn_launch_line *line, qn_attempt *attempt);
/* Seconds of silence that mean that nothing goes on any more. */
double qn_watch_silence(const qn_supervisor *s);
/* Looks after workers that give no sign of life, while others may. True: one is lost, that is
 * s->suspect.rank. */
bool qn_silence_check(qn_supervisor *s, double now);
/* Forgets what was suspected. */
void qn_silence_clear(qn_supervisor *s);
/* Fills s->loss from what the workers and the launcher have told; `is_silent`: all had fallen
 * silent. */
void qn_loss_explain(qn_supervisor *s, bool is_silent);
/* Tells the run's sinks. */
void qn_loss_emit(qn_supervisor *s);
/* Shows the results held back. */
void qn_watch_show_results(qn_supervisor *s);

#endif
