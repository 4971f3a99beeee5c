/* Parameter tables as JSON and as the option part of --help, and the names that a parameter has. */
#ifndef QN_BASE_PARAMS_OUT_H
#define QN_BASE_PARAMS_OUT_H

#include "base/text.h"
#include "quern/param.h"

/* An object {"name": "als", "params": [{name, cli, spark, type, default, min, max, choices,
 * metavar, help, aliases, group, required, hidden}, ...]}. min and max are null where there is no
 * limit. */
void qn_params_json(const qn_params *table, qn_json *j);

/* "rank": 10. The parameter's value in the struct `values`. */
void qn_param_value_json(const qn_param *param, const void *values, qn_json *j);

/* The options under their headings, 100 columns wide, with defaults and ranges; hidden ones are
 * left out. */
void qn_params_help(const qn_params *table, qn_string *out);

/* "reg_param" -> "--reg-param" and "regParam". */
void qn_param_cli_name(const char *name, char *out, size_t size);
void qn_param_spark_name(const char *name, char *out, size_t size);

/* "1 to 4096", "at least 1", "at most 5"; "" where there is no limit. 96 bytes do. */
void qn_param_range(const qn_param *param, char *out, size_t size);
/* The default as text, "" where there is none. */
void qn_param_default(const qn_param *param, char *out, size_t size);
const char *qn_param_type_name(qn_param_type type);

/* Choice `index` of "random|spark" and its length, NULL past the last. */
const char *qn_param_choice(const qn_param *param, int32_t index, size_t *length);

#endif
