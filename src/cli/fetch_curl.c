/* libcurl, opened on first use so that nothing else needs it. Its numbers are part of its stable
 * ABI. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/fetch.h"

enum {
    CURL_OPT_WRITEDATA = 10001,
    CURL_OPT_URL = 10002,
    CURL_OPT_ERRORBUFFER = 10010,
    CURL_OPT_USERAGENT = 10018,
    CURL_OPT_LOW_SPEED_LIMIT = 19,
    CURL_OPT_LOW_SPEED_TIME = 20,
    CURL_OPT_NOPROGRESS = 43,
    CURL_OPT_FAILONERROR = 45,
    CURL_OPT_FOLLOWLOCATION = 52,
    CURL_OPT_XFERINFODATA = 10057,
    CURL_OPT_CONNECTTIMEOUT = 78,
    CURL_OPT_NOSIGNAL = 99,
    CURL_OPT_WRITEFUNCTION = 20011,
    CURL_OPT_XFERINFOFUNCTION = 20219,
    CURL_OPT_RESUME_FROM_LARGE = 30116,
    CURL_INFO_RESPONSE_CODE = 0x200002,
    CURL_OK = 0,
    CURL_HTTP_ERROR = 22,
    CURL_NO_RANGE = 33,
    CURL_NO_RESUME = 36,
    CURL_NO_FILE = 37
};

typedef struct curl {
    void *library;
    void *(*easy_init)(void);
    int (*easy_setopt)(void *, int, ...);
    int (*easy_perform)(void *);
    int (*easy_getinfo)(void *, int, ...);
    void (*easy_cleanup)(void *);
    const char *(*easy_strerror)(int);
} curl;

/* One transfer. */
typedef struct transfer {
    qn_context *ctx;
    FILE *file; /* where the bytes go; NULL: to `text` */
    qn_string *text;
    int64_t before; /* bytes that were there already */
    int write_errno;
    bool cannot_resume; /* the server does not take up in the middle */
} transfer;

static qn_status curl_open(qn_context *ctx, curl *c)
{
    static const char *const names[] = {"curl_easy_init",    "curl_easy_setopt",
                                        "curl_easy_perform", "curl_easy_getinfo",
                                        "curl_easy_cleanup", "curl_easy_strerror"};
    void **const slots[] = {(void **)&c->easy_init,    (void **)&c->easy_setopt,
                            (void **)&c->easy_perform, (void **)&c->easy_getinfo,
                            (void **)&c->easy_cleanup, (void **)&c->easy_strerror};

    c->library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; c->library && i < sizeof names / sizeof *names; i++) {
        *slots[i] = dlsym(c->library, names[i]);
        if (!*slots[i]) {
            dlclose(c->library);
            c->library = NULL;
        }
    }
    if (!c->library)
        return qn_fail(ctx, QN_EUNAVAILABLE,
                       "fetching needs libcurl, which is not here\ntry: apt-get install libcurl4");
    return QN_OK;
}

static size_t on_bytes(char *bytes, size_t size, size_t n, void *arg)
{
    transfer *t = arg;

    if (t->text) {
        if (t->text->length + size * n > 4096)
            return 0;
        qn_string_add_bytes(t->text, bytes, size * n);
        return size * n;
    }
    errno = 0;
    if (fwrite(bytes, size, n, t->file) != n) {
        t->write_errno = errno;
        return 0;
    }
    return size * n;
}

static int on_progress(void *arg, int64_t total, int64_t now, int64_t up_total, int64_t up_now)
{
    const transfer *t = arg;
    const qn_event event = {.kind = QN_EVENT_PROGRESS,
                            .name = "fetch",
                            .done = t->before + now,
                            .total = total > 0 ? t->before + total : 0};

    (void)up_total;
    (void)up_now;
    if (t->file && now > 0)
        qn_emit(t->ctx, &event);
    return qn_check_cancel(t->ctx) != QN_OK;
}

static qn_status explain(transfer *t, const curl *c, void *easy, int code, const char *url,
                         const char *detail)
{
    qn_context *ctx = t->ctx;
    long response = 0;

    c->easy_getinfo(easy, CURL_INFO_RESPONSE_CODE, &response);
    t->cannot_resume = t->before > 0 && (code == CURL_NO_RANGE || code == CURL_NO_RESUME ||
                                         (code == CURL_HTTP_ERROR && response == 416));
    if (qn_check_cancel(ctx) != QN_OK)
        return QN_ECANCELLED;
    if (code == CURL_NO_FILE || (code == CURL_HTTP_ERROR && response == 404))
        return qn_fail(ctx, QN_ENOTFOUND, "%s is not there", url);
    if (code == CURL_HTTP_ERROR)
        return qn_fail(ctx, QN_EIO, "%s: the server answers %ld", url, response);
    return qn_fail(ctx, QN_EIO,
                   "cannot fetch %s: %s\ntry: again when this machine is online, what is there is "
                   "kept; offline, quern datagen ratings --out DIR makes look-alike ratings",
                   url, detail[0] ? detail : c->easy_strerror(code));
}

static qn_status curl_get(qn_context *ctx, const char *url, transfer *t)
{
    char detail[256] = "";
    curl c = {0};
    void *easy = NULL;
    int code;
    qn_status st = curl_open(ctx, &c);

    if (st != QN_OK)
        return st;
    easy = c.easy_init();
    if (!easy) {
        dlclose(c.library);
        return qn_fail(ctx, QN_ENOMEM, "out of memory for a transfer");
    }
    c.easy_setopt(easy, CURL_OPT_URL, url);
    c.easy_setopt(easy, CURL_OPT_ERRORBUFFER, detail);
    c.easy_setopt(easy, CURL_OPT_USERAGENT, "quern");
    c.easy_setopt(easy, CURL_OPT_NOSIGNAL, 1L);
    c.easy_setopt(easy, CURL_OPT_FOLLOWLOCATION, 1L);
    c.easy_setopt(easy, CURL_OPT_FAILONERROR, 1L);
    c.easy_setopt(easy, CURL_OPT_CONNECTTIMEOUT, 20L);
    c.easy_setopt(easy, CURL_OPT_LOW_SPEED_LIMIT, 1L);
    c.easy_setopt(easy, CURL_OPT_LOW_SPEED_TIME, 60L);
    c.easy_setopt(easy, CURL_OPT_NOPROGRESS, 0L);
    c.easy_setopt(easy, CURL_OPT_XFERINFOFUNCTION, on_progress);
    c.easy_setopt(easy, CURL_OPT_XFERINFODATA, t);
    c.easy_setopt(easy, CURL_OPT_WRITEFUNCTION, on_bytes);
    c.easy_setopt(easy, CURL_OPT_WRITEDATA, t);
    c.easy_setopt(easy, CURL_OPT_RESUME_FROM_LARGE, t->before);
    code = c.easy_perform(easy);
    if (code != CURL_OK)
        st = explain(t, &c, easy, code, url, detail);
    c.easy_cleanup(easy);
    dlclose(c.library);
    return st;
}

qn_status qn_fetch_text(qn_context *ctx, const char *url, qn_string *out)
{
    transfer t = {.ctx = ctx, .text = out};

    return curl_get(ctx, url, &t);
}

qn_status qn_fetch_file(qn_context *ctx, const char *url, const char *path)
{
    transfer t = {.ctx = ctx};
    struct stat info;
    qn_status st;
    int closed;

    t.before = stat(path, &info) == 0 ? (int64_t)info.st_size : 0;
    t.file = fopen(path, "ab");
    if (!t.file)
        return qn_fail_errno(ctx, QN_EIO, errno, "%s", path);
    st = curl_get(ctx, url, &t);
    if (t.cannot_resume && ftruncate(fileno(t.file), 0) == 0) {
        t.before = 0;
        st = curl_get(ctx, url, &t);
    }
    closed = fclose(t.file);
    if (stat(path, &info) == 0 && info.st_size == 0)
        unlink(path); /* nothing to go on from */
    if (t.write_errno != 0 || (st == QN_OK && closed != 0))
        return qn_fail_errno(ctx, QN_EIO, t.write_errno ? t.write_errno : errno, "%s", path);
    return st;
}
