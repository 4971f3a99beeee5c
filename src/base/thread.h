/* Threads of the library, which take no signals: those are for the thread that starts them. */
#ifndef QN_BASE_THREAD_H
#define QN_BASE_THREAD_H

#include <pthread.h>

/* Like pthread_create, with all signals blocked in the new thread: 0, or an errno. */
int qn_thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg);

#endif
