/* The command line, read by parameter tables. Taken alike: --reg-param 0.1, --reg-param=0.1,
 * --reg_param, --regParam, -k 10; --overwrite and --no-overwrite; a list takes words up to the next
 * option; -- ends the options. */
#ifndef QN_CLI_ARGS_H
#define QN_CLI_ARGS_H

#include "quern/param.h"

#define QN_CLI_MAX_TABLES 8

/* Group of hidden options that Quern's own processes give each other; other hidden ones are of
 * other systems and mean nothing. */
#define QN_CLI_INTERNAL "Between processes"

typedef struct qn_cli_value {
    const qn_param *param;
    int32_t table;
    const char *text;
} qn_cli_value;

/* What stands on the line, recognised but not yet parsed. */
typedef struct qn_cli_args {
    const qn_params *table[QN_CLI_MAX_TABLES];
    int32_t n_tables;
    qn_cli_value *value;
    int64_t n_values;
    const char **word; /* what is no option */
    int64_t n_words;
    char **owned; /* texts that are not borrowed from the line */
    int64_t n_owned;
} qn_cli_args;

/* Recognises word[0..n). QN_EINVAL names an unknown option and the nearest one, or a value that is
 * missing. Texts are borrowed; free with qn_cli_args_release whatever happens. */
qn_status qn_cli_args_read(qn_context *ctx, const qn_params *const *table, int32_t n_tables,
                           const char *const *word, int32_t n, qn_cli_args *args);
void qn_cli_args_release(qn_cli_args *args);

/* Copies a value that stands somewhere else, such as in the record of an earlier run; with `add` it
 * is as if it stood on the line. *kept is valid until the next call. */
qn_status qn_cli_args_keep(qn_context *ctx, qn_cli_args *args, const qn_param *param, int32_t t,
                           const char *text, bool add, const qn_cli_value **kept);

/* Makes the words values of the list option `name`. */
void qn_cli_args_take_words(qn_cli_args *args, const char *name);

/* Sets the defaults of table `t`, then what was given. */
qn_status qn_cli_args_apply(qn_context *ctx, const qn_cli_args *args, int32_t t, void *values);
/* QN_EINVAL names every required option that was not given. */
qn_status qn_cli_args_check_required(qn_context *ctx, const qn_cli_args *args);
/* Warns of each option that is taken for the sake of other systems' scripts. */
void qn_cli_args_warn_ignored(qn_context *ctx, const qn_cli_args *args);
bool qn_cli_args_given(const qn_cli_args *args, const char *name);

/* "reg_param" -> "--reg-param", "k" -> "-k"; 64 bytes do. */
void qn_cli_option_name(const char *name, char out[64]);

#endif
