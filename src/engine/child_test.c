/* A child's output, its end, and the end of what it left behind. */
#include "check.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "engine/child.h"

static int set_up(void **state)
{
    qn_child_adopt_orphans();
    return qn_context_create(&(qn_context_options){.threads = 1}, (qn_context **)state) != QN_OK;
}

static int tear_down(void **state)
{
    qn_context_free(*state);
    return 0;
}

static qn_status start_shell(qn_context *ctx, const char *script, qn_child *child)
{
    char *word[] = {"/bin/sh", "-c", (char *)script, NULL};
    char *variable[] = {"QN_TEST_WORD=hello", NULL};
    const qn_launch_line line = {.word = word, .n = 3, .variable = variable, .n_variables = 1};

    return qn_child_start(ctx, &line, child);
}

/* All that comes within a second, up to its end. */
static void read_all(int fd, char *text, size_t size)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    size_t at = 0;
    ssize_t n = 1;

    while (n > 0 && at < size - 1 && poll(&one, 1, 5000) == 1) {
        n = read(fd, text + at, size - 1 - at);
        at += n > 0 ? (size_t)n : 0;
    }
    text[at] = '\0';
}

static void wait_for(qn_child *child)
{
    for (int i = 0; i < 500 && !qn_child_has_ended(child); i++)
        poll(NULL, 0, 10);
    CHECK(qn_child_has_ended(child));
}

static void both_outputs_and_the_exit_code_come_back(void **state)
{
    qn_child child;
    char text[64];

    CHECK_OK(*state, start_shell(*state, "echo $QN_TEST_WORD; echo oops >&2; cat; exit 7", &child));
    read_all(child.out, text, sizeof text);
    CHECK_TEXT(text, "hello\n");
    read_all(child.err, text, sizeof text);
    CHECK_TEXT(text, "oops\n");
    wait_for(&child);
    CHECK(WIFEXITED(child.wait_status));
    CHECK_EQ(WEXITSTATUS(child.wait_status), 7);
    qn_child_end(&child, 0);
}

static void what_cannot_be_started_is_named(void **state)
{
    char *word[] = {"/nowhere/mpirun", NULL};
    const qn_launch_line line = {.word = word, .n = 1};
    qn_child child;

    CHECK_EQ(qn_child_start(*state, &line, &child), QN_EUNAVAILABLE);
    CHECK_ERROR(*state, "cannot start /nowhere/mpirun: No such file");
    CHECK_EQ(child.pid, 0);
    CHECK_EQ(child.out, -1);
}

/* The numbers that the script printed; all must be gone. */
static void check_gone(const char *text)
{
    char *end;

    for (long pid = strtol(text, &end, 10); pid > 0; pid = strtol(end, &end, 10))
        CHECK(kill((pid_t)pid, 0) != 0);
}

static void the_end_takes_all_that_it_started_along(void **state)
{
    static const char *const scripts[] = {
        /* a child in a session of its own, and one whose parent has gone */
        "setsid sleep 100 & echo $!; (sleep 100 & echo $!); echo $$; echo end; sleep 100",
        /* deaf to SIGTERM */
        "trap '' TERM; sleep 100 & echo $!; echo $$; echo end; while :; do sleep 1; done",
        /* stopped */
        "sleep 100 & echo $!; echo $$; echo end; kill -STOP $$",
    };

    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        const double start = qn_seconds();
        qn_child child;
        char text[128] = "";
        size_t at = 0;

        CHECK_OK(*state, start_shell(*state, scripts[i], &child));
        while (!strstr(text, "end") && qn_seconds() - start < 5) {
            const ssize_t n = read(child.out, text + at, sizeof text - 1 - at);

            at += n > 0 ? (size_t)n : 0;
            text[at] = '\0';
            poll(NULL, 0, 5);
        }
        qn_child_end(&child, 0.2);
        CHECK(qn_child_has_ended(&child));
        check_gone(text);
        CHECK(qn_seconds() - start < 5);
        CHECK_EQ(child.out, -1);
    }
}

static void one_that_is_dropped_is_gone_at_once(void **state)
{
    qn_child child;
    pid_t pid;

    CHECK_OK(*state, start_shell(*state, "trap '' TERM; while :; do sleep 1; done", &child));
    pid = child.pid;
    qn_child_drop(&child);
    CHECK(kill(pid, 0) != 0);
    CHECK_EQ(child.pid, 0);
    CHECK_EQ(child.out, -1);
    CHECK_EQ(WTERMSIG(child.wait_status), SIGKILL);
    qn_child_drop(&child); /* nothing more to do */
}

static void a_child_dies_with_its_parent(void **state)
{
    char text[32] = "";
    int out[2];
    pid_t middle;
    ssize_t n;

    CHECK_EQ(pipe(out), 0);
    middle = fork();
    if (middle == 0) { /* starts one, tells its number, and is killed */
        qn_child child;

        if (start_shell(*state, "sleep 100", &child) == QN_OK) {
            snprintf(text, sizeof text, "%d", (int)child.pid);
            if (write(out[1], text, strlen(text)) > 0)
                kill(getpid(), SIGKILL);
        }
        _exit(1);
    }
    CHECK(middle > 0);
    CHECK_EQ(waitpid(middle, NULL, 0), middle);
    n = read(out[0], text, sizeof text - 1);
    CHECK(n > 0);
    text[n] = '\0';
    for (int i = 0; i < 200 && waitpid(atoi(text), NULL, WNOHANG) == 0; i++)
        poll(NULL, 0, 10);
    CHECK(kill(atoi(text), 0) != 0);
    close(out[0]);
    close(out[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_outputs_and_the_exit_code_come_back),
        cmocka_unit_test(what_cannot_be_started_is_named),
        cmocka_unit_test(the_end_takes_all_that_it_started_along),
        cmocka_unit_test(one_that_is_dropped_is_gone_at_once),
        cmocka_unit_test(a_child_dies_with_its_parent),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
