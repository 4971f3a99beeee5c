#include "base/thread.h"

#include <signal.h>

int qn_thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
    sigset_t all, before;
    int error_number;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error_number = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error_number;
}
