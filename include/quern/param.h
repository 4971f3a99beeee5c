/* Parameter tables: one row a parameter, one table per algorithm and per command. Parsing, checks,
 * --help, man pages, JSON, Python signatures, the form of the UI and docs/params.md are all made
 * from them. */
#ifndef QUERN_PARAM_H
#define QUERN_PARAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quern/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum qn_param_type {
    QN_PARAM_BOOL,   /* bool */
    QN_PARAM_INT32,  /* int32_t */
    QN_PARAM_INT64,  /* int64_t */
    QN_PARAM_DOUBLE, /* double */
    QN_PARAM_CHOICE, /* int32_t: index into `choices` */
    QN_PARAM_TEXT,   /* const char *, NULL when not given */
    QN_PARAM_LIST,   /* qn_text_list: may be given several times, or several values behind one */
    QN_PARAM_BYTES   /* size_t: 1g, 512m */
} qn_param_type;

/* Borrowed texts. */
typedef struct qn_text_list {
    const char **item;
    int64_t n;
} qn_text_list;

typedef struct qn_param {
    const char *name; /* C field, "reg_param"; "--reg-param" on the command line, "regParam" in
                         Spark's own formats */
    qn_param_type type;
    size_t offset;       /* of the field in its struct */
    double number;       /* default of numbers, bools, choices and bytes; exact up to 2^53 */
    const char *text;    /* default of texts, NULL: not given */
    double min, max;     /* inclusive, for numbers */
    const char *choices; /* "random|spark" */
    const char *metavar; /* what stands for the value in the help: "FILE", "COL" */
    const char *aliases; /* more names taken, "als-rank k" blank separated; NULL: none */
    const char *help;    /* one line, no full stop */
    const char *group;   /* heading in the help; NULL: "Options" */
    bool required;
    bool hidden; /* taken, not shown: names of other systems that mean nothing here */
} qn_param;

/* A table and the struct it describes. */
typedef struct qn_params {
    const char *name; /* "als" */
    const qn_param *param;
    int64_t n;
    size_t struct_size;
} qn_params;

/* Sets every field to its default. */
QN_API void qn_params_init(const qn_params *table, void *values);
/* Finds a parameter by any of its names ('-', '_' and case ignored); NULL if there is none. */
QN_API const qn_param *qn_params_find(const qn_params *table, const char *name);
/* Parses and range-checks one value. QN_EINVAL names the option, the value and the range or the
 * nearest choice. Texts are borrowed; a list grows by qn_free-able memory of the context. */
QN_API qn_status qn_param_set(qn_context *ctx, const qn_param *param, void *values,
                              const char *text);
/* Range-checks a whole struct that a program filled in by hand. */
QN_API qn_status qn_params_check(qn_context *ctx, const qn_params *table, const void *values);

#define QN_PARAM_TYPE_(field)                                                                      \
    _Generic((field),                \
        bool: QN_PARAM_BOOL,         \
        int32_t: QN_PARAM_INT32,     \
        int64_t: QN_PARAM_INT64,     \
        double: QN_PARAM_DOUBLE,     \
        size_t: QN_PARAM_BYTES,      \
        const char *: QN_PARAM_TEXT, \
        qn_text_list: QN_PARAM_LIST)

/* Rows. The struct's field gives the type, so row and struct cannot disagree. */
#define QN_PARAM(st, field, def, lo, hi, helptext, ...)                                            \
    {                                                                                              \
        .name = #field, .type = QN_PARAM_TYPE_(((st *)0)->field), .offset = offsetof(st, field),   \
        .number = (double)(def), .min = (double)(lo), .max = (double)(hi), .help = (helptext),     \
        __VA_ARGS__                                                                                \
    }
#define QN_PARAM_FLAG(st, field, helptext, ...)                                                    \
    {                                                                                              \
        .name = #field, .type = QN_PARAM_TYPE_(((st *)0)->field), .offset = offsetof(st, field),   \
        .max = 1, .help = (helptext), __VA_ARGS__                                                  \
    }
#define QN_PARAM_CHOICE_OF(st, field, def, list, helptext, ...)                                    \
    {                                                                                              \
        .name = #field, .type = QN_PARAM_CHOICE, .offset = offsetof(st, field),                    \
        .number = (double)(def), .choices = (list), .help = (helptext), __VA_ARGS__                \
    }
#define QN_PARAM_STRING(st, field, def, meta, helptext, ...)                                       \
    {                                                                                              \
        .name = #field, .type = QN_PARAM_TYPE_(((st *)0)->field), .offset = offsetof(st, field),   \
        .text = (def), .metavar = (meta), .help = (helptext), __VA_ARGS__                          \
    }

#ifdef __cplusplus
}
#endif
#endif
