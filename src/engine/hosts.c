#include "engine/hosts.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "engine/comm.h"

#define HOST_FILE_LIMIT ((size_t)1 << 20)

/* Where a list stands, for messages: "--hosts a,,b" or "hosts.txt line 3". */
typedef struct host_place {
    qn_context *ctx;
    const char *source; /* the path of a file, or the list of an option */
    int64_t line;       /* of a file; 0: an option */
} host_place;

static qn_status fail_at(const host_place *place, const char *what, size_t length,
                         const char *advice)
{
    if (place->line > 0)
        return qn_fail(place->ctx, QN_EINVAL, "%s line %lld: \"%.*s\" %s", place->source,
                       (long long)place->line, (int)length, what, advice);
    return qn_fail(place->ctx, QN_EINVAL, "--hosts %s: \"%.*s\" %s\ntry: --hosts a,b:2",
                   place->source, (int)length, what, advice);
}

static bool is_name(const char *text, size_t n)
{
    if (n == 0 || n >= QN_HOST_NAME || text[0] == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("-._:%@", text[i]))
            return false;
    return true;
}

static qn_status add_host(const host_place *place, qn_hosts *hosts, const char *name, size_t n,
                          int64_t ranks)
{
    qn_status st = QN_OK;
    qn_host *host;

    if (!is_name(name, n))
        return fail_at(place, name, n, "is not the name of a host");
    if (ranks < 1 || ranks > QN_MAX_RANKS || qn_hosts_ranks(hosts) + ranks > QN_MAX_RANKS)
        return fail_at(place, name, n, "has no possible number of workers");
    for (int32_t h = 0; h < hosts->n; h++)
        if (strlen(hosts->host[h].name) == n && !strncasecmp(hosts->host[h].name, name, n))
            return fail_at(place, name, n, "is there twice; NAME:2 puts two workers there");
    QN_GROW(place->ctx, hosts->host, hosts->n + 1, "the list of hosts");
    host = &hosts->host[hosts->n++];
    memcpy(host->name, name, n);
    host->name[n] = '\0';
    host->ranks = (int32_t)ranks;
done:
    return st;
}

/* "a", "a:2", "[::1]", "[::1]:2". */
static qn_status add_item(const host_place *place, qn_hosts *hosts, const char *item, size_t n)
{
    const char *name = item, *end = item + n, *after, *colon;
    int64_t ranks = 1;

    if (n > 0 && item[0] == '[') {
        const char *close = memchr(item, ']', n);

        if (!close)
            return fail_at(place, item, n, "lacks its ]");
        name = item + 1;
        after = close + 1;
        end = close;
        colon = after < item + n && *after == ':' ? after : NULL;
        if (after < item + n && !colon)
            return fail_at(place, item, n, "is not HOST:WORKERS");
    } else {
        colon = memchr(item, ':', n);
        if (colon && memchr(colon + 1, ':', (size_t)(item + n - colon - 1)))
            colon = NULL; /* an IPv6 address as it is */
        else if (colon)
            end = colon;
    }
    if (colon && !qn_parse_int64(colon + 1, (size_t)(item + n - colon - 1), &ranks))
        return fail_at(place, item, n, "does not end in a number of workers");
    return add_host(place, hosts, name, (size_t)(end - name), ranks);
}

qn_status qn_hosts_parse(qn_context *ctx, const char *list, qn_hosts *hosts)
{
    const host_place place = {.ctx = ctx, .source = list};
    qn_status st = QN_OK;

    for (const char *at = list;;) {
        const size_t n = strcspn(at, ",");

        QN_TRY(add_item(&place, hosts, at, n));
        if (!at[n])
            break;
        at += n + 1;
    }
done:
    if (st != QN_OK)
        qn_hosts_release(hosts);
    return st;
}

/* A line of a host file without its comment: up to two words. */
static qn_status add_line(const host_place *place, qn_hosts *hosts, const char *line, size_t n)
{
    static const char blanks[] = " \t\r";
    const char *end = line + n, *word, *second;
    int64_t ranks;
    size_t length;

    while (line < end && strchr(blanks, *line))
        line++;
    while (end > line && strchr(blanks, end[-1]))
        end--;
    if (line == end)
        return QN_OK;
    for (word = line; line < end && !strchr(blanks, *line);)
        line++;
    length = (size_t)(line - word);
    while (line < end && strchr(blanks, *line))
        line++;
    if (line == end)
        return add_item(place, hosts, word, length);
    second = (size_t)(end - line) > 6 && !strncmp(line, "slots=", 6) ? line + 6 : line;
    if (!qn_parse_int64(second, (size_t)(end - second), &ranks))
        return fail_at(place, line, (size_t)(end - line), "is not a number of workers");
    return add_host(place, hosts, word, length, ranks);
}

qn_status qn_hosts_read(qn_context *ctx, const char *path, qn_hosts *hosts)
{
    host_place place = {.ctx = ctx, .source = path};
    qn_status st = QN_OK;
    char *text = NULL;
    size_t length = 0;

    QN_TRY(qn_read_file(ctx, path, HOST_FILE_LIMIT, &text, &length));
    for (const char *at = text; *at;) {
        const size_t n = strcspn(at, "\n"), comment = strcspn(at, "#\n");

        place.line++;
        QN_TRY(add_line(&place, hosts, at, comment));
        at += n + (at[n] == '\n');
    }
    if (hosts->n == 0)
        st =
            qn_fail(ctx, QN_EINVAL, "%s names no host\ntry: a line a host, \"a\" or \"a:2\"", path);
done:
    if (st != QN_OK)
        qn_hosts_release(hosts);
    qn_free(text);
    return st;
}

void qn_hosts_release(qn_hosts *hosts)
{
    qn_free(hosts->host);
    *hosts = (qn_hosts){0};
}

int32_t qn_hosts_ranks(const qn_hosts *hosts)
{
    int32_t ranks = 0;

    for (int32_t h = 0; h < hosts->n; h++)
        ranks += hosts->host[h].ranks;
    return ranks;
}

const char *qn_hosts_of_rank(const qn_hosts *hosts, int32_t rank)
{
    for (int32_t h = 0; h < hosts->n && rank >= 0; rank -= hosts->host[h++].ranks)
        if (rank < hosts->host[h].ranks)
            return hosts->host[h].name;
    return NULL;
}

qn_status qn_hosts_workers(qn_context *ctx, const qn_hosts *hosts, int32_t given, int32_t *workers)
{
    const int32_t ranks = qn_hosts_ranks(hosts);

    *workers = hosts->n > 0 ? ranks : given > 0 ? given : 1;
    if (hosts->n > 0 && given > 0 && given != ranks)
        return qn_fail(ctx, QN_EINVAL,
                       "--workers %d, but the hosts are for %d\ntry: leave --workers away, or give "
                       "each host its number, HOST:2",
                       (int)given, (int)ranks);
    return QN_OK;
}

bool qn_host_is_here(const char *name)
{
    char own[QN_HOST_NAME] = "";

    if (!strcasecmp(name, "localhost") || !strncmp(name, "127.", 4) || !strcmp(name, "::1"))
        return true;
    return gethostname(own, sizeof own - 1) == 0 && !strcasecmp(name, own);
}
