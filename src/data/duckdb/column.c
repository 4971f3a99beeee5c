#include "data/duckdb/column.h"

static const char *text_of(const void *values, int64_t i, size_t *length)
{
    duckdb_string_t *text = (duckdb_string_t *)values + i;

    *length = duckdb_string_t_length(*text);
    return duckdb_string_t_data(text);
}

static void list_of(const void *values, int64_t i, uint64_t *first, uint64_t *n)
{
    const duckdb_list_entry *list = (const duckdb_list_entry *)values + i;

    *first = list->offset;
    *n = list->length;
}

qn_run qn_duck_run(duckdb_vector vector, qn_carrier carrier)
{
    qn_run run = {.values = duckdb_vector_get_data(vector),
                  .present = duckdb_vector_get_validity(vector),
                  .text = text_of,
                  .list = list_of};

    if (carrier == QN_CARRIER_LIST) {
        const duckdb_vector child = duckdb_list_vector_get_child(vector);

        run.child = duckdb_vector_get_data(child);
        run.child_present = duckdb_vector_get_validity(child);
    }
    return run;
}
