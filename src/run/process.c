#include "run/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/identity.h"

/* Field 22 of /proc/PID/stat; the name in field 2 may hold blanks and brackets. 0: no such process.
 */
static int64_t start_ticks(int64_t pid)
{
    char path[64], line[1024];
    FILE *file;
    char *at;
    size_t n;

    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    n = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[n] = '\0';
    at = strrchr(line, ')');
    if (at && at[1] == ' ' && (at[2] == 'Z' || at[2] == 'X'))
        return 0;
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoll(at + 1, NULL, 10) : 0;
}

void qn_process_self(qn_process *process)
{
    memset(process, 0, sizeof *process);
    if (gethostname(process->host, sizeof process->host - 1) != 0)
        snprintf(process->host, sizeof process->host, "unknown");
    qn_boot_id(process->boot_id, sizeof process->boot_id);
    process->pid = getpid();
    process->start_ticks = start_ticks(process->pid);
}

bool qn_process_may_live(const qn_process *process)
{
    qn_process self;

    qn_process_self(&self);
    if (strcmp(process->host, self.host) != 0)
        return true; /* another machine: we cannot look */
    if (strcmp(process->boot_id, self.boot_id) != 0)
        return false;
    if (process->pid <= 0 || (kill((pid_t)process->pid, 0) != 0 && errno == ESRCH))
        return false;
    return start_ticks(process->pid) == process->start_ticks;
}
