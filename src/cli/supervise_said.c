#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/supervise_impl.h"

#define BANNER_DASHES 40

/* A line of nothing but '-' or '=', by which launchers frame what they say. */
static bool is_frame(const char *line)
{
    const size_t n = strlen(line);

    return n >= BANNER_DASHES && (line[0] == '-' || line[0] == '=') && strspn(line, "-=") == n;
}

/* Lines by launchers outside of frames. */
static bool is_launchers(const char *line)
{
    static const char *const begins[] = {
        "[mpiexec@",
        "[proxy:",
        "YOUR APPLICATION TERMINATED",
        "This typically refers",
        "Please see the FAQ",
        "ORTE ",
        "mpirun: ",
        "mpirun.openmpi: ",
        "Intel(R) MPI",
    };
    const char *at = line + 1;

    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (!strncmp(line, begins[i], strlen(begins[i])))
            return true;
    if (line[0] != '[') /* Open MPI: [host:1234] ... */
        return false;
    at += strcspn(at, ":] ");
    return *at == ':' && isdigit((unsigned char)at[1]) &&
           at[1 + strspn(at + 1, "0123456789")] == ']';
}

/* Who died, and of what, in the words of Open MPI and of Hydra. */
static void note_death(qn_said *said, const char *line)
{
    const char *at = strstr(line, "process rank ");
    int number = 0;

    if (at && sscanf(at, "process rank %d", &number) == 1)
        said->rank = number;
    at = strstr(line, "Process name: [["); /* [[job,step],rank] */
    at = at ? strstr(at, "],") : NULL;
    if (at && sscanf(at, "],%d]", &number) == 1)
        said->rank = number;
    at = strstr(line, "Exit code: ");
    if (at && sscanf(at, "Exit code: %d", &number) == 1)
        said->exit_code = number;
    at = strstr(line, "PID ");
    if (at && sscanf(at, "PID %d", &number) == 1)
        said->pid = number;
    at = strstr(line, " on node ");
    if (at)
        sscanf(at, " on node %63s", said->host);
    at = strstr(line, "exited on signal ");
    if (at && sscanf(at, "exited on signal %d", &number) == 1)
        said->signal_number = number;
    at = strstr(line, " RUNNING AT ");
    if (at)
        sscanf(at, " RUNNING AT %63s", said->host);
    at = strstr(line, "(signal ");
    if (at && strstr(line, "EXIT STRING") && sscanf(at, "(signal %d", &number) == 1)
        said->signal_number = number;
}

static void take_line(qn_said *said, void (*pass)(void *, const char *, size_t), void *user)
{
    const char *line = qn_string_text(&said->line);
    const bool frame = is_frame(line);

    if (frame)
        said->in_banner = !said->in_banner;
    if (!frame && !said->in_banner && !is_launchers(line)) {
        qn_string_add(&said->line, "\n");
        pass(user, qn_string_text(&said->line), said->line.length);
    } else if (!frame) {
        note_death(said, line);
        if (said->text.length + said->line.length < QN_SAID_BYTES && line[0])
            qn_string_addf(&said->text, "%s\n", line);
    }
    qn_string_clear(&said->line);
}

void qn_said_read(qn_said *said, const char *bytes, size_t n,
                  void (*pass)(void *user, const char *bytes, size_t n), void *user)
{
    for (size_t at = 0; at < n;) {
        const char *end = memchr(bytes + at, '\n', n - at);
        const size_t length = end ? (size_t)(end - bytes) - at : n - at;

        qn_string_add_bytes(&said->line, bytes + at, length);
        if (end)
            take_line(said, pass, user);
        at += length + (end != NULL);
    }
}

void qn_said_clear(qn_said *said)
{
    qn_string_clear(&said->line);
    qn_string_clear(&said->text);
    said->in_banner = false;
    said->rank = -1;
    said->pid = 0;
    said->signal_number = said->exit_code = 0;
    said->host[0] = '\0';
}

void qn_said_release(qn_said *said)
{
    qn_string_release(&said->line);
    qn_string_release(&said->text);
}
