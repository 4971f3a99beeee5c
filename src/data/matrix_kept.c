/* A struct goes into the book as it is, then what it points to: who reads it is the same program.
 */
#include "data/matrix_kept.h"

#include "base/alloc.h"
#include "base/context.h"
#include "data/matrix_impl.h"

static qn_status feature_kept(qn_kept *book, qn_feature *f)
{
    qn_status st = QN_OK;

    QN_TRY(qn_kept_bytes(book, &f->kind, sizeof f->kind));
    QN_TRY(qn_kept_bytes(book, &f->width, sizeof f->width));
    QN_TRY(qn_kept_bytes(book, &f->n_categories, sizeof f->n_categories));
    QN_TRY(qn_kept_text(book, &f->name));
    QN_TRY(qn_kept_text(book, &f->source));
    QN_TRY(qn_kept_array(book, (void **)&f->scale, f->width, sizeof *f->scale, "factors"));
    QN_TRY(qn_kept_items(book, (void **)&f->category, f->n_categories, sizeof *f->category,
                         "categories"));
    for (int32_t c = 0; c < f->n_categories; c++)
        QN_TRY(qn_kept_text(book, &f->category[c]));
done:
    return st;
}

static qn_status features_kept(qn_kept *book, qn_features *all)
{
    qn_status st = QN_OK;

    QN_TRY(qn_kept_text(book, &all->label));
    QN_TRY(qn_kept_text(book, &all->weight));
    QN_TRY(qn_kept_items(book, (void **)&all->feature, all->n, sizeof *all->feature, "features"));
    for (int32_t i = 0; i < all->n; i++)
        QN_TRY(feature_kept(book, &all->feature[i]));
done:
    return st;
}

static qn_status origin_kept(qn_kept *book, const qn_matrix *m, struct qn_matrix_origin *o)
{
    int64_t n_paths = o->n_paths;
    qn_status st = QN_OK;

    QN_TRY(qn_kept_bytes(book, &o->shape, sizeof o->shape));
    QN_TRY(qn_kept_bytes(book, &o->n_cells, sizeof o->n_cells));
    QN_TRY(qn_kept_bytes(book, &n_paths, sizeof n_paths));
    QN_TRY(qn_kept_items(book, (void **)&o->path, n_paths, sizeof *o->path, "paths"));
    o->n_paths = n_paths; /* only now: who frees it looks at each */
    for (int64_t i = 0; i < o->n_paths; i++)
        QN_TRY(qn_kept_text(book, &o->path[i]));
    QN_TRY(qn_kept_array(book, (void **)&o->cell_path, m->n_own_cells, sizeof *o->cell_path,
                         "files of cells"));
    QN_TRY(qn_kept_array(book, (void **)&o->cell_row, m->n_own_cells, sizeof *o->cell_row,
                         "rows of cells"));
    QN_TRY(qn_kept_items(book, (void **)&o->kept, m->n_own_cells, sizeof *o->kept, "rows kept"));
    for (int64_t c = 0; o->kept && c < m->n_own_cells; c++)
        QN_TRY(qn_kept_array(book, (void **)&o->kept[c], m->cell[c].n_rows, sizeof *o->kept[c],
                             "rows kept"));
done:
    return st;
}

/* What the matrix points to; its own numbers are there. */
static qn_status parts_kept(qn_kept *book, qn_matrix *m)
{
    const int64_t n = m->n_own_cells;
    const int32_t width = m->n_features;
    const qn_matrix_cell *last;
    qn_status st = QN_OK;

    QN_TRY(features_kept(book, &m->features));
    QN_TRY(qn_kept_array(book, (void **)&m->cell, n, sizeof *m->cell, "cells"));
    last = m->cell && n > 0 ? &m->cell[n - 1] : NULL;
    QN_TRY(qn_kept_array(book, (void **)&m->block, last ? last->first_block + last->n_blocks : 0,
                         sizeof *m->block, "blocks"));
    QN_TRY(qn_kept_array(book, (void **)&m->mean, width, sizeof *m->mean, "means"));
    QN_TRY(qn_kept_array(book, (void **)&m->min, width, sizeof *m->min, "extremes"));
    QN_TRY(qn_kept_array(book, (void **)&m->max, width, sizeof *m->max, "extremes"));
    QN_TRY(qn_kept_array(book, (void **)&m->label_value, m->n_labels, sizeof *m->label_value,
                         "labels"));
    QN_TRY(qn_kept_array(book, (void **)&m->label_count, m->n_labels, sizeof *m->label_count,
                         "labels"));
    QN_TRY(qn_kept_items(book, (void **)&m->origin, 1, sizeof *m->origin, "origin"));
    QN_TRY(origin_kept(book, m, m->origin));
    QN_TRY(qn_kept_store(book, &m->store));
done:
    return st;
}

static void matrix_forget(qn_matrix *m)
{
    m->features.feature = NULL;
    m->features.label = m->features.weight = NULL;
    m->cell = NULL;
    m->block = NULL;
    m->store = NULL;
    m->mean = m->min = m->max = m->label_value = NULL;
    m->label_count = NULL;
    m->origin = NULL;
}

qn_status qn_matrix_kept(qn_kept *book, qn_matrix **matrix)
{
    const bool is_reading = qn_kept_is_reading(book);
    qn_status st = QN_OK;

    QN_TRY(qn_kept_struct(book, (void **)matrix, sizeof **matrix, "matrix"));
    if (is_reading)
        matrix_forget(*matrix);
    QN_TRY(parts_kept(book, *matrix));
done:
    if (is_reading && st != QN_OK) {
        qn_matrix_free(*matrix);
        *matrix = NULL;
    }
    return st;
}
