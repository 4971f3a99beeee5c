/* A test's program once more, in a process of its own that may die: not a bare fork, whose child
 * may start no threads where its parent had some. */
#ifndef QN_TESTS_AGAIN_H
#define QN_TESTS_AGAIN_H

#include <sys/wait.h>

#include "check.h"

/* Its main is called with this argv, ended by NULL: how it ended, as waitpid says it. */
static inline int run_again(const char *const *argv)
{
    const pid_t child = fork();
    int status = 0;

    if (child == 0) {
        execv("/proc/self/exe", (char *const *)argv);
        _exit(127);
    }
    CHECK(child > 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    return status;
}

#endif
