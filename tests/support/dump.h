/* What a source delivers, as text that a test can compare: one line a row, fields between '|',
 * missing values as '?', then one line a reject: "!kind column offset text". */
#ifndef QN_TESTS_DUMP_H
#define QN_TESTS_DUMP_H

#include <inttypes.h>

#include "base/text.h"
#include "quern/source.h"

static inline void dump_list(qn_string *out, const qn_column *c, int64_t row)
{
    for (uint32_t i = c->offsets[row]; i < c->offsets[row + 1]; i++) {
        const double value = c->type == QN_FLOAT_LIST ? (double)((const float *)c->data)[i]
                                                      : ((const double *)c->data)[i];

        qn_string_addf(out, "%s%.9g", i > c->offsets[row] ? " " : "", value);
    }
}

static inline void dump_cell(qn_string *out, const qn_column *c, int64_t row)
{
    char number[32];

    if (!qn_is_valid(c, row)) {
        qn_string_add(out, "?");
        return;
    }
    switch (c->type) {
    case QN_INT32:
        qn_string_addf(out, "%" PRId32, ((const int32_t *)c->data)[row]);
        break;
    case QN_INT64:
    case QN_TIME:
        qn_string_addf(out, "%" PRId64, ((const int64_t *)c->data)[row]);
        break;
    case QN_FLOAT:
        qn_format_float(((const float *)c->data)[row], number);
        qn_string_add(out, number);
        break;
    case QN_DOUBLE:
        qn_format_double(((const double *)c->data)[row], number);
        qn_string_add(out, number);
        break;
    case QN_TEXT:
        qn_string_add_bytes(out, (const char *)c->data + c->offsets[row],
                            c->offsets[row + 1] - c->offsets[row]);
        break;
    default:
        dump_list(out, c, row);
    }
}

/* The rows of every split in order, then the rejects of every split. */
static inline qn_status dump_source(qn_context *ctx, qn_source *source,
                                    const qn_column_request *request, int32_t n_columns,
                                    qn_string *out)
{
    qn_string rejects = {0};
    qn_status st = QN_OK;

    for (int64_t s = 0; s < qn_source_n_splits(source) && st == QN_OK; s++) {
        qn_reader *reader;
        const qn_batch *batch = NULL;
        int64_t rows = 0;

        st = qn_source_open_split(ctx, source, s, request, n_columns, &reader);
        if (st != QN_OK)
            break;
        while ((st = qn_reader_next(ctx, reader, &batch)) == QN_OK && batch) {
            if (batch->first_row != rows)
                qn_string_addf(out, "first_row is %" PRId64 "\n", batch->first_row);
            rows += batch->n_rows;
            for (int64_t i = 0; i < batch->n_rows; i++) {
                for (int32_t c = 0; c < batch->n_columns; c++) {
                    qn_string_add(out, c ? "|" : "");
                    dump_cell(out, &batch->columns[c], i);
                }
                qn_string_add(out, "\n");
            }
        }
        const qn_rejects *r = qn_reader_rejects(reader);
        for (int32_t i = 0; i < r->n_examples; i++)
            qn_string_addf(&rejects, "!%s %d %" PRId64 " %s\n", qn_reject_name(r->example[i].kind),
                           r->example[i].column, r->example[i].offset, r->example[i].text);
        qn_reader_close(reader);
    }
    qn_string_add_bytes(out, rejects.text, rejects.length);
    qn_string_release(&rejects);
    return st;
}

/* Opens `options`, asks for the columns that `wanted` names ("userId:int64 title:text?", '?'
 * nullable, '~' nullable and lenient, the type by its qn_type_name) and dumps. */
static inline qn_status dump_options(qn_context *ctx, const qn_source_options *options,
                                     const char *wanted, qn_string *out)
{
    qn_column_request request[16] = {0};
    qn_source *source;
    int32_t n = 0;
    qn_status st = qn_source_open(ctx, options, &source);

    while (st == QN_OK && *wanted) {
        char name[64], type[64];
        int used = 0;

        if (sscanf(wanted, "%63[^:]:%63[a-z0-9_]%n", name, type, &used) != 2)
            fail_msg("cannot read the wish \"%s\"", wanted);
        wanted += used;
        request[n].lenient = *wanted == '~';
        request[n].nullable = *wanted == '?' || *wanted == '~';
        wanted += request[n].nullable;
        wanted += *wanted == ' ';
        request[n].type = QN_INT32;
        while (strcmp(qn_type_name(request[n].type), type) != 0 &&
               strcmp(type, request[n].type == QN_FLOAT_LIST    ? "floats"
                            : request[n].type == QN_DOUBLE_LIST ? "doubles"
                                                                : "") != 0)
            request[n].type++;
        st = qn_source_column(ctx, source, name, &request[n].field);
        n++;
    }
    if (st == QN_OK)
        st = dump_source(ctx, source, request, n, out);
    qn_source_free(source);
    return st;
}

/* Writes `n` bytes of text as a file. */
static inline void write_file(const char *path, const char *text, size_t n)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

#endif
