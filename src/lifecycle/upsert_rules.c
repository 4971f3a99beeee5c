/* The rules of a data set: from options, from JSON, and against what the data set does already. */
#include <string.h>

#include <jansson.h>

#include "base/params_out.h"
#include "lifecycle/upsert.h"

#define CHOICE        16 /* bytes of a choice, as qn_dataset_manifest.codec */
#define MAX_FILE_SIZE ((double)((int64_t)1 << 40))

static const qn_param rules_rows[] = {
    QN_PARAM_CHOICE_OF(qn_rules_options, on_duplicate, 0, "auto|" QN_ON_DUPLICATE_ROWS_CHOICES,
                       "which rows stay of one (movie, user, date); latest: of one (movie, user); "
                       "auto: as the data set does, a new one max-rating",
                       .group = "Data set"),
    QN_PARAM_CHOICE_OF(qn_rules_options, partition_by, 0, "auto|" QN_PARTITION_BY_CHOICES,
                       "folders of the data set; auto: its own, a new one year,month",
                       .group = "Data set"),
    QN_PARAM(qn_rules_options, target_file_size, 0, 0, MAX_FILE_SIZE,
             "files are cut at about this size; 0: its own, a new one 256m", .metavar = "SIZE",
             .group = "Data set"),
    QN_PARAM_CHOICE_OF(qn_rules_options, compression, 0, "auto|" QN_CODEC_CHOICES,
                       "of the Parquet files; auto: its own, a new one snappy", .group = "Data set",
                       .aliases = "codec"),
};
const qn_params qn_rules_table = {.name = "rules",
                                  .param = rules_rows,
                                  .n = sizeof rules_rows / sizeof *rules_rows,
                                  .struct_size = sizeof(qn_rules_options)};

static const qn_param upsert_rows[] = {
    QN_PARAM_STRING(qn_upsert_options, rejects, NULL, "FILE",
                    "CSV with file, line, reason and text of every row that was dropped",
                    .group = "Dropped rows"),
    QN_PARAM_FLAG(qn_upsert_options, overwrite, "replace a rejects file that is there",
                  .group = "Dropped rows"),
    QN_PARAM(qn_upsert_options, max_bad_rows, -1, -1, INT64_MAX,
             "change nothing when more rows are malformed, null or out of range; -1: any number",
             .metavar = "N", .group = "Dropped rows"),
    QN_PARAM_FLAG(qn_upsert_options, dry_run, "do everything but the last step: change nothing"),
};
const qn_params qn_upsert_table = {.name = "upsert",
                                   .param = upsert_rows,
                                   .n = sizeof upsert_rows / sizeof *upsert_rows,
                                   .struct_size = sizeof(qn_upsert_options)};

/* Choice `index` of a list, in a buffer of the caller. */
static const char *choice(const char *choices, int32_t index, char out[CHOICE])
{
    const qn_param param = {.choices = choices};
    size_t length = 0;
    const char *name = qn_param_choice(&param, index, &length);

    if (!name || length >= CHOICE)
        length = 0;
    if (length > 0)
        memcpy(out, name, length);
    out[length] = '\0';
    return out;
}

const char *qn_on_duplicate_name(int32_t on_duplicate)
{
    static const char *const name[] = {"max-rating", "latest", "keep", "mean", "fail"};

    return on_duplicate >= 0 && on_duplicate <= QN_KEEP_FAIL ? name[on_duplicate] : "?";
}

const char *qn_partition_by_name(int32_t partition_by)
{
    static const char *const name[] = {"year,month", "year", "none"};

    return partition_by >= 0 && partition_by <= QN_BY_NOTHING ? name[partition_by] : "?";
}

/* ---- JSON ---- */

static qn_status json_compression(qn_context *ctx, const json_t *value, qn_rules_options *rules)
{
    const char *text = json_string_value(value);
    char name[CHOICE];

    if (text && strcasecmp(text, "none") == 0)
        text = "uncompressed";
    for (int32_t i = 0; text && choice(QN_CODEC_CHOICES, i, name)[0]; i++) {
        if (strcasecmp(name, text) != 0)
            continue;
        if (rules->compression != 0 && rules->compression != i + 1) {
            char other[CHOICE];

            return qn_fail(ctx, QN_EINVAL,
                           "--extra-write-options-json says compression %s, --compression says %s",
                           name, choice(QN_CODEC_CHOICES, rules->compression - 1, other));
        }
        rules->compression = i + 1;
        return QN_OK;
    }
    return qn_fail(ctx, QN_EINVAL,
                   "--extra-write-options-json: compression is %s%s%s, not one of snappy, zstd, "
                   "uncompressed",
                   text ? "\"" : "", text ? text : "no text", text ? "\"" : "");
}

static qn_status json_members(qn_context *ctx, const json_t *object, qn_rules_options *rules)
{
    static const char *const known[] = {"compression", "mergeSchema"};
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        const char *near = qn_nearest(key, known, 2);
        qn_status st = QN_OK;

        if (strcasecmp(key, known[0]) == 0)
            st = json_compression(ctx, value, rules);
        else if (strcasecmp(key, known[1]) != 0) /* added columns are always tolerated */
            st = qn_fail(ctx, QN_EINVAL,
                         "--extra-write-options-json: there is no option \"%.80s\"\ntry: %s", key,
                         near ? near : "compression, the only one that means something here");
        if (st != QN_OK)
            return st;
    }
    return QN_OK;
}

qn_status qn_rules_json(qn_context *ctx, const char *text, qn_rules_options *rules)
{
    json_error_t error;
    json_t *object;
    qn_status st;

    if (!text)
        return QN_OK;
    object = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!object)
        return qn_fail(ctx, QN_EINVAL,
                       "--extra-write-options-json is no JSON: %s, at character %d\n"
                       "try: '{\"compression\":\"snappy\"}'",
                       error.text, error.position);
    if (json_is_object(object))
        st = json_members(ctx, object, rules);
    else
        st = qn_fail(ctx, QN_EINVAL,
                     "--extra-write-options-json must be a JSON object\n"
                     "try: '{\"compression\":\"snappy\"}'");
    json_decref(object);
    return st;
}

/* ---- against the data set ---- */

static qn_status differs(qn_context *ctx, const char *path, const char *option, const char *has,
                         const char *given)
{
    return qn_fail(ctx, QN_EINVAL,
                   "%s has --%s %s, not %s: a data set keeps one rule\ntry: without --%s, or first "
                   "quern data compact %s --%s %s, which rewrites it",
                   path, option, has, given, option, path, option, given);
}

static qn_status rules_check(qn_context *ctx, const qn_rules_options *rules, const char *path,
                             const qn_dataset_manifest *m)
{
    char given[32], has[32];

    if (rules->on_duplicate != 0 && rules->on_duplicate - 1 != m->on_duplicate)
        return differs(ctx, path, "on-duplicate", qn_on_duplicate_name(m->on_duplicate),
                       qn_on_duplicate_name(rules->on_duplicate - 1));
    if (rules->partition_by != 0 && rules->partition_by - 1 != m->partition_by)
        return differs(ctx, path, "partition-by", qn_partition_by_name(m->partition_by),
                       qn_partition_by_name(rules->partition_by - 1));
    if (rules->target_file_size != 0 && (int64_t)rules->target_file_size != m->target_file_size) {
        qn_format_bytes((double)rules->target_file_size, given);
        qn_format_bytes((double)m->target_file_size, has);
        return differs(ctx, path, "target-file-size", has, given);
    }
    if (rules->compression != 0 &&
        strcmp(choice(QN_CODEC_CHOICES, rules->compression - 1, given), m->codec) != 0)
        return differs(ctx, path, "compression", m->codec, given);
    return QN_OK;
}

void qn_rules_set(const qn_rules_options *rules, qn_dataset_manifest *m)
{
    if (rules->on_duplicate != 0)
        m->on_duplicate = rules->on_duplicate - 1;
    if (rules->partition_by != 0)
        m->partition_by = rules->partition_by - 1;
    if (rules->target_file_size != 0)
        m->target_file_size = (int64_t)rules->target_file_size;
    if (rules->compression != 0) {
        char name[CHOICE];

        snprintf(m->codec, sizeof m->codec, "%s",
                 choice(QN_CODEC_CHOICES, rules->compression - 1, name));
    }
}

qn_status qn_rules_apply(qn_context *ctx, const qn_rules_options *rules, const char *path,
                         qn_dataset_kind kind, bool has_dates, qn_dataset_manifest *next)
{
    if (kind == QN_DATASET_OURS) {
        const qn_status st = rules_check(ctx, rules, path, next);

        if (st != QN_OK)
            return st;
    } else {
        if (!has_dates)
            next->partition_by = QN_BY_NOTHING;
        qn_rules_set(rules, next);
    }
    if (!has_dates && next->partition_by != QN_BY_NOTHING)
        return qn_fail(ctx, QN_EINVAL,
                       "%s is kept by %s, but the rows that come have no dates\n"
                       "try: --date-col COL if there is such a column",
                       path, qn_partition_by_name(next->partition_by));
    return QN_OK;
}
