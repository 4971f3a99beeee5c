#include "cli/args.h"

#include <stdlib.h>
#include <string.h>

#include "base/context.h"
#include "base/text.h"

/* Where in the line the reader stands. */
typedef struct args_reader {
    qn_context *ctx;
    const char *const *word;
    int32_t n, at;
    qn_cli_args *args;
} args_reader;

/* An option as written: its name, the value behind '=', and the row it means. */
typedef struct option_word {
    char name[64];
    const char *value; /* behind '='; NULL: none */
    bool negated;
    const qn_param *param;
    int32_t table;
} option_word;

void qn_cli_option_name(const char *name, char out[64])
{
    const size_t dashes = strlen(name) == 1 ? 1 : 2;
    size_t i = 0;

    memcpy(out, "--", dashes);
    for (; name[i] && i + dashes < 63; i++)
        out[dashes + i] = name[i] == '_' ? '-' : name[i];
    out[dashes + i] = '\0';
}

/* "-" is standard input and "-5" a number: both are values. */
static bool looks_like_option(const char *word)
{
    double number;

    if (word[0] != '-' || word[1] == '\0')
        return false;
    if (word[1] == '-')
        return true;
    return !qn_parse_double(word, strlen(word), &number);
}

static void option_find(const qn_cli_args *args, const char *name, option_word *option)
{
    for (int32_t t = 0; t < args->n_tables && !option->param; t++) {
        option->param = qn_params_find(args->table[t], name);
        option->table = t;
    }
}

/* Nearest shown name of all tables; NULL if none is near. */
static const char *option_nearest(const qn_cli_args *args, const char *name)
{
    const char *names[512];
    int64_t n = 0;

    for (int32_t t = 0; t < args->n_tables; t++)
        for (int64_t p = 0; p < args->table[t]->n && n < 512; p++)
            if (!args->table[t]->param[p].hidden)
                names[n++] = args->table[t]->param[p].name;
    return qn_nearest(name, names, n);
}

static qn_status option_unknown(const args_reader *r, const char *word, const char *name)
{
    const char *near = option_nearest(r->args, name);
    char shown[64];

    if (!near)
        return qn_fail(r->ctx, QN_EINVAL, "there is no option %s\ntry: --help lists all options",
                       word);
    qn_cli_option_name(near, shown);
    return qn_fail(r->ctx, QN_EINVAL, "there is no option %s\ntry: %s", word, shown);
}

static qn_status option_parse(const args_reader *r, const char *word, option_word *option)
{
    const char *name = word + (word[1] == '-' ? 2 : 1);
    const char *equals = strchr(name, '=');
    const size_t length = equals ? (size_t)(equals - name) : strlen(name);

    memset(option, 0, sizeof *option);
    if (length == 0 || length >= sizeof option->name)
        return qn_fail(r->ctx, QN_EINVAL, "there is no option %.80s\ntry: --help lists all options",
                       word);
    memcpy(option->name, name, length);
    option->value = equals ? equals + 1 : NULL;
    if (word[1] != '-' && length > 1 && !equals) { /* -k10 */
        option->name[1] = '\0';
        option->value = name + 1;
    }
    option_find(r->args, option->name, option);
    if (!option->param && strncasecmp(option->name, "no", 2) == 0 &&
        strchr("-_", option->name[2])) {
        option_find(r->args, option->name + 3, option);
        option->negated = true;
        if (option->param && option->param->type != QN_PARAM_BOOL)
            option->param = NULL;
    }
    return option->param ? QN_OK : option_unknown(r, word, option->name);
}

static qn_status add_value(const args_reader *r, const option_word *option, const char *text)
{
    qn_cli_args *args = r->args;

    /* One slot a word is enough: read() made room for all. */
    args->value[args->n_values++] =
        (qn_cli_value){.param = option->param, .table = option->table, .text = text};
    return QN_OK;
}

static qn_status read_flag(args_reader *r, const option_word *option)
{
    const char *next = r->at < r->n ? r->word[r->at] : "";

    if (option->negated && option->value)
        return qn_fail(r->ctx, QN_EINVAL, "--%s takes no value", option->name);
    if (option->negated)
        return add_value(r, option, "false");
    if (option->value)
        return add_value(r, option, option->value);
    if (strcmp(next, "true") == 0 || strcmp(next, "false") == 0) {
        r->at++;
        return add_value(r, option, next);
    }
    return add_value(r, option, "true");
}

static qn_status read_option(args_reader *r)
{
    const char *word = r->word[r->at++];
    option_word option;
    char shown[64];
    qn_status st = option_parse(r, word, &option);

    if (st != QN_OK)
        return st;
    if (option.param->type == QN_PARAM_BOOL)
        return read_flag(r, &option);
    if (option.value)
        return add_value(r, &option, option.value);
    qn_cli_option_name(option.param->name, shown);
    if (r->at >= r->n)
        return qn_fail(r->ctx, QN_EINVAL, "%s needs a value: %s", shown, option.param->help);
    if (looks_like_option(r->word[r->at]))
        return qn_fail(r->ctx, QN_EINVAL,
                       "%s needs a value, but %s follows\ntry: %s=%s if that is the value", shown,
                       r->word[r->at], shown, r->word[r->at]);
    st = add_value(r, &option, r->word[r->at++]);
    while (option.param->type == QN_PARAM_LIST && st == QN_OK && r->at < r->n &&
           !looks_like_option(r->word[r->at]))
        st = add_value(r, &option, r->word[r->at++]);
    return st;
}

qn_status qn_cli_args_read(qn_context *ctx, const qn_params *const *table, int32_t n_tables,
                           const char *const *word, int32_t n, qn_cli_args *args)
{
    args_reader r = {.ctx = ctx, .word = word, .n = n, .args = args};
    qn_status st = QN_OK;
    bool options = true;

    memset(args, 0, sizeof *args);
    memcpy(args->table, table, (size_t)n_tables * sizeof *table);
    args->n_tables = n_tables;
    args->value = calloc((size_t)n + 1, sizeof *args->value);
    args->word = calloc((size_t)n + 1, sizeof *args->word);
    if (!args->value || !args->word)
        return qn_fail(ctx, QN_ENOMEM, "out of memory for a command line of %d words", (int)n);
    while (r.at < n && st == QN_OK) {
        if (options && strcmp(word[r.at], "--") == 0) {
            options = false;
            r.at++;
        } else if (options && looks_like_option(word[r.at])) {
            st = read_option(&r);
        } else {
            args->word[args->n_words++] = word[r.at++];
        }
    }
    return st;
}

void qn_cli_args_release(qn_cli_args *args)
{
    for (int64_t i = 0; i < args->n_owned; i++)
        free(args->owned[i]);
    free(args->owned);
    free(args->value);
    free((void *)args->word);
    memset(args, 0, sizeof *args);
}

qn_status qn_cli_args_keep(qn_context *ctx, qn_cli_args *args, const qn_param *param, int32_t t,
                           const char *text, bool add, const qn_cli_value **kept)
{
    char *copy = strdup(text);
    char **owned = realloc(args->owned, (size_t)(args->n_owned + 1) * sizeof *owned);
    qn_cli_value *value;

    *kept = NULL;
    if (owned)
        args->owned = owned;
    /* One slot more than there are values, for those that are not added. */
    value = realloc(args->value, (size_t)(args->n_values + 2) * sizeof *value);
    if (value)
        args->value = value;
    if (!owned || !value || !copy) {
        free(copy);
        return qn_fail(ctx, QN_ENOMEM, "out of memory for the options of a run");
    }
    owned[args->n_owned++] = copy;
    value += args->n_values;
    *value = (qn_cli_value){.param = param, .table = t, .text = copy};
    args->n_values += add;
    *kept = value;
    return QN_OK;
}

void qn_cli_args_take_words(qn_cli_args *args, const char *name)
{
    option_word option = {0};
    const args_reader r = {.args = args};

    option_find(args, name, &option);
    for (int64_t i = 0; option.param && i < args->n_words; i++)
        add_value(&r, &option, args->word[i]);
    args->n_words = 0;
}

/* An option of other systems, taken for the sake of their scripts. */
static bool is_foreign(const qn_param *param)
{
    return param->hidden && !(param->group && strcmp(param->group, QN_CLI_INTERNAL) == 0);
}

qn_status qn_cli_args_apply(qn_context *ctx, const qn_cli_args *args, int32_t t, void *values)
{
    qn_params_init(args->table[t], values);
    for (int64_t i = 0; i < args->n_values; i++) {
        const qn_cli_value *value = &args->value[i];
        qn_status st;

        if (value->table != t || is_foreign(value->param))
            continue;
        st = qn_param_set(ctx, value->param, values, value->text);
        if (st != QN_OK)
            return st;
    }
    return QN_OK;
}

void qn_cli_args_warn_ignored(qn_context *ctx, const qn_cli_args *args)
{
    for (int64_t i = 0; i < args->n_values; i++) {
        char shown[64];

        if (!is_foreign(args->value[i].param))
            continue;
        qn_cli_option_name(args->value[i].param->name, shown);
        qn_emit_warning(ctx, "%s means nothing here and is ignored", shown);
    }
}

bool qn_cli_args_given(const qn_cli_args *args, const char *name)
{
    for (int64_t i = 0; i < args->n_values; i++)
        if (qn_name_equal(args->value[i].param->name, name))
            return true;
    return false;
}

qn_status qn_cli_args_check_required(qn_context *ctx, const qn_cli_args *args)
{
    qn_string missing = {0};
    qn_status st = QN_OK;

    for (int32_t t = 0; t < args->n_tables; t++)
        for (int64_t p = 0; p < args->table[t]->n; p++) {
            const qn_param *param = &args->table[t]->param[p];
            option_word taken = {0};
            char shown[64];

            /* An earlier table may have an option of the same name that is not required. */
            option_find(args, param->name, &taken);
            if (taken.table != t || !param->required || qn_cli_args_given(args, param->name))
                continue;
            qn_cli_option_name(param->name, shown);
            qn_string_addf(&missing, "%s%s %s", missing.length > 0 ? ", " : "", shown,
                           param->metavar ? param->metavar : "VALUE");
        }
    if (missing.length > 0)
        st = qn_fail(ctx, QN_EINVAL, "missing: %s", missing.text);
    qn_string_release(&missing);
    return st;
}
