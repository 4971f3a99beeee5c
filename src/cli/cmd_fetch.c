/* quern fetch: real ratings from where they are published. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/show.h"

static const char *const data_sets[] = {"ml-latest-small", "ml-latest", "ml-32m", "ml-25m",
                                        "ml-20m",          "ml-10m",    "ml-1m",  "ml-100k"};
#define N_DATA_SETS ((int64_t)(sizeof data_sets / sizeof *data_sets))

typedef struct fetch_options {
    const char *out;
    const char *url;
    bool keep_archive;
} fetch_options;

static const qn_param fetch_params[] = {
    QN_PARAM_STRING(fetch_options, out, "data", "DIR", "folder to put the data set's folder into"),
    QN_PARAM_STRING(fetch_options, url, NULL, "URL",
                    "folder on the web that holds the archives, as their publisher names it"),
    QN_PARAM_FLAG(fetch_options, keep_archive, "keep the archive beside what was in it"),
};
static const qn_params fetch_table = {.name = "fetch",
                                      .param = fetch_params,
                                      .n = sizeof fetch_params / sizeof *fetch_params,
                                      .struct_size = sizeof(fetch_options)};

/* Texts of one fetch. */
typedef struct fetch_paths {
    qn_string name, folder, archive, part, url, md5_url;
} fetch_paths;

static void paths_release(fetch_paths *p)
{
    qn_string *const all[] = {&p->name, &p->folder, &p->archive, &p->part, &p->url, &p->md5_url};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        qn_string_release(all[i]);
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);

    return n > m && strcmp(text + n - m, end) == 0;
}

/* `what` is the name of a data set or the path of an archive. */
static qn_status paths_make(qn_context *ctx, const char *what, const fetch_options *options,
                            fetch_paths *p)
{
    const bool local = ends_with(what, ".zip");
    const char *base = strrchr(what, '/');
    const char *near = qn_nearest(what, data_sets, N_DATA_SETS);
    bool known = local;

    for (int64_t i = 0; i < N_DATA_SETS; i++)
        known |= strcmp(what, data_sets[i]) == 0;
    if (!known)
        return qn_fail(ctx, QN_EINVAL, "there is no data set \"%s\"\ntry: quern fetch %s", what,
                       near ? near : "ml-latest-small");
    qn_string_add(&p->name, base ? base + 1 : what);
    if (local)
        p->name.text[p->name.length -= 4] = '\0';
    qn_string_addf(&p->folder, "%s/%s", options->out, qn_string_text(&p->name));
    if (local)
        qn_string_add(&p->archive, what);
    else
        qn_string_addf(&p->archive, "%s/%s.zip", options->out, what);
    qn_string_addf(&p->part, "%s.part", qn_string_text(&p->archive));
    if (!options->url)
        return QN_OK; /* what is here already needs none */
    qn_string_addf(&p->url, "%s%s%s.zip", options->url, ends_with(options->url, "/") ? "" : "/",
                   qn_string_text(&p->name));
    qn_string_addf(&p->md5_url, "%s.md5", qn_string_text(&p->url));
    return QN_OK;
}

/* The run of 32 hexadecimal digits in a published checksum; false: none. */
static bool find_digest(const char *text, char digest[33])
{
    for (; *text; text++) {
        const size_t n = strspn(text, "0123456789abcdefABCDEF");

        if (n == 32) {
            for (size_t i = 0; i < 32; i++)
                digest[i] = (char)tolower((unsigned char)text[i]);
            digest[32] = '\0';
            return true;
        }
        text += n > 0 ? n - 1 : 0;
    }
    return false;
}

/* Compares the archive with what is published; a damaged one is removed, so that the next call
 * starts afresh. */
static qn_status check_archive(qn_context *ctx, const fetch_paths *p)
{
    qn_string published = {0};
    char wanted[33], found[33];
    qn_status st = qn_fetch_text(ctx, p->md5_url.text, &published);

    if (st == QN_ENOTFOUND || (st == QN_OK && !find_digest(qn_string_text(&published), wanted))) {
        qn_emit_warning(ctx, "no checksum is published for %s", p->url.text);
        st = QN_OK;
        goto done;
    }
    QN_TRY(st);
    QN_TRY(qn_file_md5(ctx, p->part.text, found));
    if (strcmp(wanted, found) != 0) {
        unlink(p->part.text);
        st = qn_fail(ctx, QN_EDATA,
                     "%s came with MD5 %s, not the published %s, and was removed\ntry: again",
                     p->url.text, found, wanted);
    }
done:
    qn_string_release(&published);
    return st;
}

static qn_status download(qn_context *ctx, const fetch_options *options, const fetch_paths *p)
{
    const qn_span job = qn_job_start(ctx, "fetch");
    qn_status st = QN_OK;

    if (!options->url)
        QN_TRY(qn_fail(ctx, QN_EINVAL,
                       "%s is not there, and --url does not say where it is published\ntry: quern "
                       "fetch %s --url URL, or the path of an archive that you have",
                       p->folder.text, p->name.text));
    QN_TRY(qn_make_dirs(ctx, options->out));
    QN_TRY(qn_fetch_file(ctx, p->url.text, p->part.text));
    QN_TRY(check_archive(ctx, p));
    if (rename(p->part.text, p->archive.text) != 0)
        st = qn_fail(ctx, QN_EIO, "%s cannot be renamed", p->part.text);
done:
    qn_span_end(ctx, &job, st, NULL);
    return st;
}

static qn_status unpack(qn_context *ctx, const fetch_paths *p, int64_t *n_files)
{
    qn_out_dir dir = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_out_dir_open(ctx, p->folder.text, false, &dir));
    QN_TRY(qn_unpack(ctx, p->archive.text, dir.staging, n_files));
    QN_TRY(qn_out_dir_commit(ctx, &dir));
done:
    qn_out_dir_abandon(&dir);
    return st;
}

static void show_result(const qn_cli *cli, const fetch_paths *p, int64_t n_files)
{
    if (cli->globals->json) {
        qn_json j = {0};

        qn_json_open(&j, NULL, '{');
        qn_json_text(&j, "command", "fetch");
        qn_json_text(&j, "name", p->name.text);
        qn_json_text(&j, "path", p->folder.text);
        qn_json_int(&j, "files", n_files);
        qn_json_close(&j, '}');
        puts(qn_string_text(&j.out));
        qn_json_release(&j);
    } else if (!cli->globals->quiet) {
        printf("data      %s%s\n", p->folder.text, n_files == 0 ? " is there already" : "");
        printf("next      quern inspect ");
        qn_show_word(stdout, p->folder.text);
        printf("/ratings.csv\n");
    }
}

static qn_status run_fetch(qn_cli *cli)
{
    const fetch_options *options = cli->values[0];
    const bool local = ends_with(cli->argument[0], ".zip");
    fetch_paths p = {0};
    int64_t n_files = 0;
    qn_status st = QN_OK;

    QN_TRY(paths_make(cli->ctx, cli->argument[0], options, &p));
    if (!qn_path_is_dir(p.folder.text)) {
        if (local && !qn_path_exists(p.archive.text))
            QN_TRY(qn_fail(cli->ctx, QN_ENOTFOUND, "%s is not there", p.archive.text));
        if (local)
            QN_TRY(qn_make_dirs(cli->ctx, options->out));
        if (!qn_path_exists(p.archive.text))
            QN_TRY(download(cli->ctx, options, &p));
        QN_TRY(unpack(cli->ctx, &p, &n_files));
        if (!local && !options->keep_archive)
            unlink(p.archive.text);
    }
    show_result(cli, &p, n_files);
done:
    paths_release(&p);
    return st;
}

const qn_command qn_cmd_fetch = {
    .name = "fetch",
    .help = "Fetch real ratings (MovieLens), going on where an earlier fetch was cut off",
    .arguments = "NAME",
    .min_arguments = 1,
    .max_arguments = 1,
    .table = {&fetch_table},
    .notes =
        "NAME is ml-latest-small, ml-latest, ml-32m, ml-25m, ml-20m, ml-10m, ml-1m or ml-100k, "
        "or the path of such a .zip that is here already. --url is the folder that MovieLens' page "
        "names for its archives. The archive is checked against the "
        "published checksum. Mind the data set's own licence: its README says what is allowed.",
    .examples = "  quern fetch ml-latest-small --url URL\n  quern fetch ml-32m.zip --out /data\n",
    .run = run_fetch,
};
