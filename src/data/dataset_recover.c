/* What dead writers left, and generations that go. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/disk.h"
#include "base/file.h"
#include "base/stage.h"
#include "data/dataset_impl.h"

qn_status qn_dataset_folder(qn_dataset_site *site, int64_t generation, const char *ending,
                            char **path)
{
    return qn_dataset_text(site->ctx, path, "%s/%06lld%s", site->generations, (long long)generation,
                           ending);
}

static int compare_numbers(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

qn_status qn_dataset_numbers(qn_dataset_site *site, int64_t **number, int64_t *n)
{
    char **names = NULL;
    int64_t n_names = 0, *list = NULL;
    qn_status st = QN_OK;

    *number = NULL;
    *n = 0;
    if (qn_path_is_dir(site->generations))
        QN_TRY(qn_list_dir(site->ctx, site->generations, &names, &n_names));
    QN_NEW(site->ctx, list, n_names + 1, "numbers of generations");
    for (int64_t i = 0; i < n_names; i++) {
        const int64_t found = qn_dataset_number(names[i]);

        if (found >= 0)
            list[(*n)++] = found;
    }
    qsort(list, (size_t)*n, sizeof *list, compare_numbers);
    *number = list;
done:
    qn_names_free(names, n_names);
    return st;
}

/* Bytes that removing `path` frees: those of files with no other name. */
static int64_t bytes_freed(const char *path)
{
    char **names = NULL;
    int64_t n = 0, bytes = 0;
    struct stat info;

    if (lstat(path, &info) != 0)
        return 0;
    if (!S_ISDIR(info.st_mode))
        return S_ISREG(info.st_mode) && info.st_nlink == 1 ? info.st_size : 0;
    if (qn_list_dir(NULL, path, &names, &n) != QN_OK)
        return 0;
    for (int64_t i = 0; i < n; i++) {
        char *below = qn_path_join(path, names[i]);

        bytes += below ? bytes_freed(below) : 0;
        free(below);
    }
    qn_names_free(names, n);
    return bytes;
}

qn_status qn_dataset_drop(qn_dataset_site *site, const char *name)
{
    char *path = NULL;
    int64_t bytes;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_text(site->ctx, &path, "%s/%s", site->generations, name));
    bytes = bytes_freed(path);
    QN_TRY(qn_remove_tree(site->ctx, path));
    site->n_removed++;
    site->bytes_removed += bytes;
done:
    qn_free(path);
    return st;
}

/* Renamed first: half a generation never has a generation's name. */
qn_status qn_dataset_drop_generation(qn_dataset_site *site, int64_t generation)
{
    char *from = NULL, *to = NULL;
    int error_number;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_folder(site, generation, "", &from));
    QN_TRY(qn_dataset_folder(site, generation, ".new", &to));
    error_number = qn_disk_rename(site->ctx, from, to, 0);
    if (error_number)
        QN_TRY(qn_fail_write(site->ctx, error_number, from, 0));
    QN_TRY(qn_dataset_drop(site, strrchr(to, '/') + 1));
done:
    qn_free(from);
    qn_free(to);
    return st;
}

qn_status qn_dataset_drop_old(qn_dataset_site *site, int64_t also, int32_t keep)
{
    int64_t *number = NULL, n = 0, kept = 0;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_numbers(site, &number, &n));
    for (int64_t i = 0; i < n; i++)
        kept += number[i] == site->current || number[i] == also;
    for (int64_t i = n - 1; i >= 0; i--) {
        if (number[i] == site->current || (number[i] == also && keep > 1))
            continue;
        if (kept < keep && number[i] != also)
            kept++;
        else
            QN_TRY(qn_dataset_drop_generation(site, number[i]));
    }
done:
    qn_free(number);
    return st;
}

int64_t qn_dataset_link_number(const char *path)
{
    char text[4097];
    const ssize_t n = readlink(path, text, sizeof text - 1);
    const char *slash;

    if (n <= 0)
        return -1;
    text[n] = '\0';
    slash = strrchr(text, '/');
    return slash ? qn_dataset_number(slash + 1) : -1;
}

static bool ends_with(const char *name, const char *ending)
{
    const size_t length = strlen(name), n = strlen(ending);

    return length > n && strcmp(name + length - n, ending) == 0;
}

/* The removal of a data set goes on: its link is here already. */
static qn_status finish_removal(qn_dataset_site *site)
{
    int64_t *number = NULL, n = 0;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_numbers(site, &number, &n));
    for (int64_t i = 0; i < n; i++)
        if (number[i] != site->current)
            QN_TRY(qn_dataset_drop_generation(site, number[i]));
    QN_TRY(qn_dataset_drop(site, "link.removed"));
done:
    qn_free(number);
    return st;
}

static qn_status recover_new_link(qn_dataset_site *site, const char *path)
{
    char *folder = NULL;
    int64_t generation;
    qn_status st = QN_OK;

    if (qn_path_is_dir(path) && qn_dataset_link_number(path) < 0)
        return qn_dataset_finish_folder(site);
    generation = qn_dataset_link_number(path);
    if (generation >= 0 && generation != site->current) {
        QN_TRY(qn_dataset_folder(site, generation, "", &folder));
        if (qn_path_exists(folder))
            QN_TRY(qn_dataset_drop_generation(site, generation));
    }
    QN_TRY(qn_dataset_drop(site, "link.new"));
done:
    qn_free(folder);
    return st;
}

/* Hard links to a plain folder: the generation before ours if the swap has happened. */
static qn_status recover_adopted(qn_dataset_site *site, const char *name)
{
    char *from = NULL, *to = NULL;
    int error_number;
    qn_status st = QN_OK;

    if (site->state != QN_SITE_LINK)
        return qn_dataset_drop(site, name);
    QN_TRY(qn_dataset_text(site->ctx, &from, "%s/%s", site->generations, name));
    QN_TRY(qn_dataset_text(site->ctx, &to, "%s/%.*s", site->generations,
                           (int)(strlen(name) - strlen(".adopt")), name));
    error_number = qn_disk_rename(site->ctx, from, to, 0);
    if (error_number)
        st = qn_fail_write(site->ctx, error_number, to, 0);
done:
    qn_free(from);
    qn_free(to);
    return st;
}

qn_status qn_dataset_recover(qn_dataset_site *site)
{
    char **names = NULL, *path = NULL;
    int64_t n = 0;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_text(site->ctx, &path, "%s/link.removed", site->generations));
    if (qn_path_exists(path))
        QN_TRY(finish_removal(site));
    qn_free(path);
    path = NULL;
    QN_TRY(qn_dataset_text(site->ctx, &path, "%s/link.new", site->generations));
    if (qn_path_exists(path))
        QN_TRY(recover_new_link(site, path));
    QN_TRY(qn_list_dir(site->ctx, site->generations, &names, &n));
    for (int64_t i = 0; i < n; i++) {
        if (ends_with(names[i], ".adopt"))
            QN_TRY(recover_adopted(site, names[i]));
        else if (ends_with(names[i], ".new") || !strcmp(names[i], "link.back") ||
                 !strncmp(names[i], "probe", 5))
            QN_TRY(qn_dataset_drop(site, names[i]));
    }
done:
    qn_names_free(names, n);
    qn_free(path);
    return st;
}
