/* A test's program once more, in a process of its own that may die: not a bare fork, whose child
 * may start no threads where its parent had some. */
#ifndef QN_TESTS_AGAIN_H
#define QN_TESTS_AGAIN_H

#include <sys/wait.h>

#include "check.h"

/* Its main is called with these words behind its name, up to three; NULL: no more. How it ended, as
 * waitpid says it. */
static inline int run_again(const char *first, const char *second, const char *third)
{
    const pid_t child = fork();
    int status = 0;

    if (child == 0) {
        execl("/proc/self/exe", "again", first, second, third, (char *)NULL);
        _exit(127);
    }
    CHECK(child > 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    return status;
}

#endif
