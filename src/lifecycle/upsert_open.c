/* A delivery from the command line to the point where reading may begin: everything that can be
 * refused is refused here, before any row is read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "base/file.h"
#include "lifecycle/upsert_impl.h"

/* ---- paths ---- */

/* The rejects file is neither input nor in a data set. */
static qn_status check_rejects(const qn_delivery *d)
{
    const qn_text_list *input = &d->spec.input->input;
    const char *rejects = d->options->rejects;
    qn_status st = QN_OK;

    if (!rejects[0])
        QN_TRY(qn_fail(d->ctx, QN_EINVAL, "--rejects is empty: name a file"));
    for (int64_t f = 0; f < input->n; f++)
        QN_TRY(qn_paths_apart(d->ctx, "--rejects", rejects, "the input", input->item[f]));
    for (int32_t i = 0; i < d->n_sides; i++)
        QN_TRY(qn_paths_apart(d->ctx, "--rejects", rejects, "the data set", d->side[i].path));
done:
    return st;
}

static qn_status check_paths(const qn_delivery *d)
{
    const qn_text_list *input = &d->spec.input->input;
    qn_status st = QN_OK;

    for (int32_t i = 0; i < d->n_sides; i++) {
        if (!d->side[i].path[0])
            QN_TRY(qn_fail(d->ctx, QN_EINVAL, "the path of the data set is empty"));
        for (int64_t f = 0; f < input->n; f++)
            if (strcmp(input->item[f], "-") != 0)
                QN_TRY(qn_paths_apart(d->ctx, "the input", input->item[f], "the data set",
                                      d->side[i].path));
    }
    if (d->options->rejects)
        QN_TRY(check_rejects(d));
done:
    return st;
}

/* Makes the folders above a data set, and remembers the first one that was not there. */
static qn_status make_parents(qn_delivery *d, int32_t i)
{
    const char *path = d->side[i].path;
    size_t length = strlen(path);
    qn_string parent = {0};
    char *made = NULL;
    qn_status st = QN_OK;

    while (length > 1 && path[length - 1] == '/')
        length--;
    while (length > 0 && path[length - 1] != '/')
        length--;
    while (length > 1 && path[length - 1] == '/')
        length--;
    qn_string_add_bytes(&parent, path, length);
    if (length == 0 || qn_path_exists(qn_string_text(&parent)))
        goto done;
    QN_TRY(qn_strdup(d->ctx, qn_string_text(&parent), &made));
    for (char *slash = strrchr(made, '/'); slash && slash > made; slash = strrchr(made, '/')) {
        *slash = '\0';
        if (qn_path_exists(made)) {
            *slash = '/';
            break;
        }
    }
    st = qn_make_dirs(d->ctx, qn_string_text(&parent));
    d->state[i].made = made;
    made = NULL;
done:
    qn_free(made);
    qn_string_release(&parent);
    return st;
}

/* Folders that were made for a data set that was not: gone where they are empty. */
static void unmake_parents(const qn_delivery *d, int32_t i)
{
    const char *made = d->state[i].made;
    qn_string path = {0};

    if (!made || d->state[i].is_committed)
        return;
    qn_string_add(&path, d->side[i].path);
    while (path.length > strlen(made) && path.text) {
        while (path.length > 0 && path.text[path.length - 1] == '/')
            path.text[--path.length] = '\0';
        while (path.length > 0 && path.text[path.length - 1] != '/')
            path.text[--path.length] = '\0';
        while (path.length > 0 && path.text[path.length - 1] == '/')
            path.text[--path.length] = '\0';
        if (path.length < strlen(made) || rmdir(path.text) != 0)
            break;
    }
    qn_string_release(&path);
}

/* ---- the ledger ---- */

void qn_delivery_entry(const qn_delivery *d, int32_t i, int64_t t, qn_dataset_taken *entry,
                       char name[QN_TAKEN_NAME])
{
    const qn_upsert_side *side = &d->side[i];
    char text[128];
    XXH128_hash_t hash;
    int length;

    *entry = d->taken[t];
    entry->name = name;
    if (d->n_sides == 1) {
        snprintf(name, QN_TAKEN_NAME, "%s", d->taken[t].name);
        return;
    }
    length = snprintf(text, sizeof text, "%s %s", entry->digest, side->name);
    hash = XXH3_128bits(text, (size_t)length);
    snprintf(entry->digest, sizeof entry->digest, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
    snprintf(name, QN_TAKEN_NAME, "%s (%s%s%s)", d->taken[t].name, side->name,
             d->spec.note ? ", " : "", d->spec.note ? d->spec.note : "");
}

static int compare_taken(const void *a, const void *b)
{
    return strcmp((*(const qn_dataset_taken *const *)a)->digest,
                  (*(const qn_dataset_taken *const *)b)->digest);
}

/* A side's ledger by digest; free with qn_free. */
static qn_status sort_ledger(qn_context *ctx, const qn_dataset_manifest *m,
                             const qn_dataset_taken ***ledger)
{
    qn_status st = QN_OK;

    QN_NEW(ctx, *ledger, m->n_taken, "the ledger of files taken");
    for (int64_t i = 0; i < m->n_taken; i++)
        (*ledger)[i] = &m->taken[i];
    qsort(*ledger, (size_t)m->n_taken, sizeof **ledger, compare_taken);
done:
    return st;
}

static const qn_dataset_taken *find_taken(const qn_dataset_taken *const *ledger, int64_t n,
                                          const qn_dataset_taken *entry)
{
    const qn_dataset_taken *const *found =
        bsearch(&entry, ledger, (size_t)n, sizeof *ledger, compare_taken);

    return found ? *found : NULL;
}

/* One side has the file, the other has not: it must be cut the same way again. */
static qn_status check_note(const qn_delivery *d, int32_t side, const char *had, const char *has)
{
    const char *had_note = strrchr(had, '('), *note = strrchr(has, '(');

    had_note = had_note ? strchr(had_note, ',') : NULL; /* behind the side's name */
    note = note ? strchr(note, ',') : NULL;
    if (had_note && note && strcmp(had_note, note) == 0)
        return QN_OK;
    return qn_fail(d->ctx, QN_EINVAL,
                   "%s took its share of this file before, as %s: the other side must be cut the "
                   "same way\ntry: the same ratio and seed again",
                   d->side[side].name, had);
}

/* Whether file `t` is new to any side. A file that one of two sides has taken is read again for the
 * other. */
static qn_status look_up_file(qn_delivery *d, const qn_dataset_taken **const ledger[2], int64_t t)
{
    const qn_dataset_taken *had[2] = {NULL, NULL};
    char name[QN_TAKEN_NAME];

    for (int32_t i = 0; i < d->n_sides; i++) {
        qn_dataset_taken entry;

        qn_delivery_entry(d, i, t, &entry, name);
        had[i] = find_taken(ledger[i], d->state[i].writer.old.n_taken, &entry);
        d->is_fresh[t] |= !had[i];
        d->state[i].known = d->n_sides == 2 && had[i];
    }
    if (d->n_sides == 2 && (!had[0] || !had[1]) && had[0] != had[1])
        return check_note(d, had[0] ? 0 : 1, had[had[0] ? 0 : 1]->name, name);
    return QN_OK;
}

static qn_status look_up(qn_delivery *d)
{
    const qn_dataset_taken **ledger[2] = {NULL, NULL};
    qn_status st = QN_OK;

    QN_TRY(qn_rating_input_digests(d->ctx, d->input, &d->taken, &d->n_taken));
    QN_NEW0(d->ctx, d->is_fresh, d->n_taken, "new files");
    for (int32_t i = 0; i < d->n_sides; i++)
        QN_TRY(sort_ledger(d->ctx, &d->state[i].writer.old, &ledger[i]));
    for (int64_t t = 0; t < d->n_taken; t++)
        QN_TRY(look_up_file(d, ledger, t));
done:
    qn_free(ledger[0]);
    qn_free(ledger[1]);
    return st;
}

/* Without the files that are known already. */
static qn_status open_fresh(qn_delivery *d)
{
    const qn_text_list *given = &d->spec.input->input;
    int64_t n = 0, fresh = 0;
    qn_status st = QN_OK;

    for (int64_t t = 0; t < d->n_taken; t++)
        fresh += d->is_fresh[t];
    if (fresh == d->n_taken)
        return QN_OK;
    QN_NEW(d->ctx, d->path, d->n_taken + given->n, "names of new files");
    for (int64_t t = 0; t < d->n_taken; t++)
        if (d->is_fresh[t])
            d->path[n++] = d->taken[t].name;
    for (int64_t i = 0; i < given->n; i++)
        if (strcmp(given->item[i], "-") == 0)
            d->path[n++] = given->item[i];
    d->nothing = n == 0;
    if (d->nothing)
        return QN_OK;
    d->input_options.input = (qn_text_list){.item = d->path, .n = n};
    qn_rating_input_free(d->input);
    d->input = NULL;
    QN_TRY(qn_rating_input_open(d->ctx, &d->input_options, &d->input));
done:
    return st;
}

/* ---- sides ---- */

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), n = strlen(end);

    return length >= n && strcmp(text + length - n, end) == 0;
}

static bool is_kept_column(const qn_dataset_columns *columns, const char *name)
{
    return strcmp(name, columns->user) == 0 || strcmp(name, columns->item) == 0 ||
           strcmp(name, columns->rating) == 0 || strcmp(name, columns->date) == 0 ||
           strcasecmp(name, "year") == 0 || strcasecmp(name, "month") == 0;
}

/* What an adopted folder has besides ratings is left aside: that is said. */
static qn_status warn_of_columns(qn_context *ctx, const qn_dataset_writer *writer)
{
    const char *folder = writer->folder;
    const qn_source_options options = {.path = &folder, .n_paths = 1, .format = QN_FORMAT_PARQUET};
    qn_source *source = NULL;
    qn_string names = {0};
    const qn_status st = qn_source_open(ctx, &options, &source);

    for (int32_t i = 0; st == QN_OK && i < qn_source_schema(source)->n_fields; i++) {
        const char *name = qn_source_schema(source)->field[i].name;

        if (!is_kept_column(&writer->next.columns, name))
            qn_string_addf(&names, "%s%s", names.length > 0 ? ", " : "", name);
    }
    if (names.length > 0)
        qn_emit_warning(ctx,
                        "%s: a data set holds ratings alone, %s %s left aside; the folder as it "
                        "was stays as the generation before for one more change",
                        writer->path, names.text, strchr(names.text, ',') ? "are" : "is");
    qn_string_release(&names);
    qn_source_free(source);
    return st;
}

qn_status qn_upsert_look_at_plain(qn_context *ctx, qn_dataset_writer *writer)
{
    const char *folder = writer->folder;
    const qn_rating_input_options options = {.input = {.item = &folder, .n = 1},
                                             .format = QN_FORMAT_PARQUET};
    qn_rating_input *input = NULL;
    qn_status st = QN_OK;

    for (int64_t i = 0; i < writer->old.n_files; i++)
        if (!ends_with(writer->old.file[i].path, ".parquet"))
            return qn_fail(ctx, QN_EINVAL,
                           "%s is a folder with other things in it (%s), not a data set\n"
                           "try: a folder of its own",
                           writer->path, writer->old.file[i].path);
    QN_TRY(qn_rating_input_open(ctx, &options, &input));
    qn_rating_input_columns(input, &writer->next.columns);
    QN_TRY(warn_of_columns(ctx, writer));
done:
    qn_rating_input_free(input);
    return st;
}

static qn_status open_side(qn_delivery *d, int32_t i, const qn_dataset_columns *input)
{
    qn_delivery_side *state = &d->state[i];
    qn_upsert_side *side = &d->side[i];
    qn_dataset_writer *writer = &state->writer;
    qn_dataset_manifest *next = &writer->next;
    qn_status st = QN_OK;

    state->delivery = d;
    QN_TRY(make_parents(d, i));
    QN_TRY(qn_dataset_write_open(d->ctx, side->path, writer));
    state->is_open = true;
    state->first_file = i > 0 ? d->state[i - 1].first_file + d->state[i - 1].writer.old.n_files : 0;
    side->is_new = writer->kind != QN_DATASET_OURS && writer->old.n_files == 0;
    side->adopted = writer->kind == QN_DATASET_PLAIN && !side->is_new;
    if (side->adopted)
        QN_TRY(qn_upsert_look_at_plain(d->ctx, writer));
    if (side->is_new) {
        next->columns.rating_is_double = d->spec.rating_is_double || input->rating_is_double;
        if (!input->date[0])
            next->columns.date[0] = '\0';
    }
    QN_TRY(qn_rules_apply(d->ctx, &side->rules, side->path, writer->kind, input->date[0] != '\0',
                          next));
    if (next->on_duplicate == QN_KEEP_MEAN)
        next->columns.rating_is_double = true;
done:
    return st;
}

qn_status qn_delivery_open(qn_context *ctx, const qn_delivery_spec *spec, qn_upsert_side *side,
                           int32_t n_sides, qn_delivery **delivery)
{
    qn_dataset_columns columns;
    qn_delivery *d = NULL;
    qn_status st = QN_OK;

    *delivery = NULL;
    QN_NEW0(ctx, d, 1, "a delivery");
    d->ctx = ctx;
    d->spec = *spec;
    d->options = spec->options;
    d->side = side;
    d->n_sides = n_sides;
    d->input_options = *spec->input;
    for (int32_t i = 0; i < n_sides; i++)
        d->state[i].writer.lock = -1;
    QN_TRY(check_paths(d));
    QN_TRY(qn_rating_input_open(ctx, &d->input_options, &d->input));
    qn_rating_input_columns(d->input, &columns);
    for (int32_t i = 0; i < n_sides; i++)
        QN_TRY(open_side(d, i, &columns));
    QN_TRY(look_up(d));
    QN_TRY(open_fresh(d));
    *delivery = d;
    d = NULL;
done:
    qn_delivery_close(d);
    return st;
}

bool qn_delivery_any_committed(qn_delivery *const *delivery, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        for (int32_t s = 0; s < delivery[i]->n_sides; s++)
            if (delivery[i]->state[s].is_committed)
                return true;
    return false;
}

void qn_delivery_close(qn_delivery *d)
{
    if (!d)
        return;
    for (int32_t i = d->n_sides - 1; i >= 0; i--) { /* folders go as they came */
        qn_row_pile_free(d->state[i].pile);
        if (d->state[i].is_open)
            qn_dataset_write_close(&d->state[i].writer);
        unmake_parents(d, i);
        qn_free(d->state[i].made);
    }
    qn_rating_input_free(d->input);
    qn_free(d->taken);
    qn_free(d->is_fresh);
    qn_free(d->path);
    qn_free(d);
}
