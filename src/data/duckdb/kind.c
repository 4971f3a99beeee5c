/* From the types of files to ours, and the SQL between. */
#include <string.h>

#include "data/duckdb/column.h"

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static qn_duck_kind scalar_kind(const char *name, size_t length)
{
    static const struct {
        const char *name;
        qn_duck_kind kind;
    } kinds[] = {
        {"BOOLEAN", QN_DUCK_INT32},     {"TINYINT", QN_DUCK_INT32},
        {"SMALLINT", QN_DUCK_INT32},    {"INTEGER", QN_DUCK_INT32},
        {"UTINYINT", QN_DUCK_INT32},    {"USMALLINT", QN_DUCK_INT32},
        {"UINTEGER", QN_DUCK_INT64},    {"BIGINT", QN_DUCK_INT64},
        {"UBIGINT", QN_DUCK_WIDE},      {"HUGEINT", QN_DUCK_WIDE},
        {"UHUGEINT", QN_DUCK_WIDE},     {"DECIMAL", QN_DUCK_WIDE},
        {"FLOAT", QN_DUCK_FLOAT},       {"DOUBLE", QN_DUCK_DOUBLE},
        {"DATE", QN_DUCK_TIME},         {"TIMESTAMP", QN_DUCK_TIME},
        {"TIMESTAMP_S", QN_DUCK_TIME},  {"TIMESTAMP_MS", QN_DUCK_TIME},
        {"TIMESTAMP_NS", QN_DUCK_TIME}, {"TIMESTAMP WITH TIME ZONE", QN_DUCK_TIME},
    };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strlen(kinds[i].name) == length && strncmp(kinds[i].name, name, length) == 0)
            return kinds[i].kind;
    return QN_DUCK_TEXT;
}

qn_duck_kind qn_duck_kind_of(const char *sql_type)
{
    const size_t length = strcspn(sql_type, "([");
    qn_duck_kind kind = scalar_kind(sql_type, length);

    if (!ends_with(sql_type, "]"))
        return kind;
    /* Lists of lists are shown as text. */
    if (kind == QN_DUCK_TEXT || kind == QN_DUCK_TIME || strchr(strchr(sql_type, '[') + 1, '['))
        return QN_DUCK_TEXT;
    return kind == QN_DUCK_FLOAT ? QN_DUCK_FLOAT_LIST : QN_DUCK_DOUBLE_LIST;
}

qn_type qn_duck_type_of(qn_duck_kind kind)
{
    static const qn_type types[] = {
        [QN_DUCK_INT32] = QN_INT32,
        [QN_DUCK_INT64] = QN_INT64,
        [QN_DUCK_WIDE] = QN_DOUBLE,
        [QN_DUCK_FLOAT] = QN_FLOAT,
        [QN_DUCK_DOUBLE] = QN_DOUBLE,
        [QN_DUCK_TIME] = QN_TIME,
        [QN_DUCK_TEXT] = QN_TEXT,
        [QN_DUCK_FLOAT_LIST] = QN_FLOAT_LIST,
        [QN_DUCK_DOUBLE_LIST] = QN_DOUBLE_LIST,
    };

    return types[kind];
}

static bool is_list(qn_type type)
{
    return type == QN_FLOAT_LIST || type == QN_DOUBLE_LIST;
}

/* What carries a number of `kind` to a number or time, or QN_CARRIER_TEXT where only its text is
 * exact. */
static qn_carrier number_carrier(qn_duck_kind kind, qn_type wanted)
{
    switch (kind) {
    case QN_DUCK_INT32:
        return QN_CARRIER_INT32;
    case QN_DUCK_INT64:
        return QN_CARRIER_INT64;
    case QN_DUCK_FLOAT:
        return QN_CARRIER_FLOAT;
    case QN_DUCK_DOUBLE:
        return QN_CARRIER_DOUBLE;
    case QN_DUCK_WIDE:
        return wanted == QN_FLOAT || wanted == QN_DOUBLE ? QN_CARRIER_DOUBLE : QN_CARRIER_TEXT;
    default:
        return QN_CARRIER_TEXT;
    }
}

qn_carrier qn_duck_add_expression(qn_string *sql, const char *reference, qn_duck_kind kind,
                                  qn_type wanted)
{
    static const char *const cast[] = {
        [QN_CARRIER_INT32] = "INTEGER", [QN_CARRIER_INT64] = "BIGINT", [QN_CARRIER_FLOAT] = "FLOAT",
        [QN_CARRIER_DOUBLE] = "DOUBLE", [QN_CARRIER_TEXT] = "VARCHAR",
    };
    qn_carrier carrier;

    if (is_list(wanted)) {
        qn_string_addf(sql, "CAST(%s AS %s[])", reference,
                       wanted == QN_FLOAT_LIST ? "FLOAT" : "DOUBLE");
        return QN_CARRIER_LIST;
    }
    if (wanted == QN_TIME && kind == QN_DUCK_TIME) {
        qn_string_addf(sql, "epoch_us(%s)", reference);
        return QN_CARRIER_MICROS;
    }
    carrier = wanted == QN_TEXT ? QN_CARRIER_TEXT : number_carrier(kind, wanted);
    qn_string_addf(sql, "CAST(%s AS %s)", reference, cast[carrier]);
    return carrier;
}
