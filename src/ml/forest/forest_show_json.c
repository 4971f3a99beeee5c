/* Every number of a forest as JSON. */
#include "base/alloc.h"
#include "base/context.h"
#include "ml/forest/forest_dir.h"
#include "ml/forest/forest_show.h"

static void json_reals(const char *key, const double *x, int64_t n, qn_json *j)
{
    qn_json_open(j, key, '[');
    for (int64_t i = 0; i < n; i++)
        qn_json_real(j, NULL, x[i]);
    qn_json_close(j, ']');
}

static void json_head(const qn_forest_model *m, qn_json *j)
{
    char digest[33], name[256];

    qn_forest_digest(m, digest);
    qn_json_text(j, "class", forest_class_of(m)->name);
    qn_json_text(j, "digest", digest);
    qn_json_int(j, "n_trees", m->n_trees);
    if (m->is_classifier)
        qn_json_int(j, "n_classes", m->n_classes);
    if (m->threshold)
        json_reals("thresholds", m->threshold, m->n_classes, j);
    qn_json_open(j, "features", '[');
    for (int32_t f = 0; f < m->n_features; f++) {
        forest_show_feature(m, f, name, sizeof name);
        qn_json_open(j, NULL, '{');
        qn_json_text(j, "name", name);
        qn_json_real(j, "importance", m->importance[f]);
        qn_json_close(j, '}');
    }
    qn_json_close(j, ']');
}

static void json_split(const qn_forest_model *m, const qn_tree_node *node, qn_json *j)
{
    char name[256];

    forest_show_feature(m, node->feature, name, sizeof name);
    qn_json_int(j, "feature", node->feature);
    qn_json_text(j, "name", name);
    if (node->n_categories < 0) {
        qn_json_real(j, "threshold", node->threshold);
    } else {
        qn_json_int(j, "n_categories", node->n_categories);
        qn_json_open(j, "left_categories", '[');
        for (int32_t k = 0; k < node->n_left_categories; k++)
            qn_json_int(j, NULL, m->category[node->first_category + k]);
        qn_json_close(j, ']');
        qn_json_open(j, "left_names", '[');
        for (int32_t k = 0; k < node->n_left_categories; k++) {
            forest_show_category(m, node->feature, m->category[node->first_category + k], name,
                                 sizeof name);
            qn_json_text(j, NULL, name);
        }
        qn_json_close(j, ']');
    }
    qn_json_text(j, "missing", node->missing_left ? "left" : "right");
    qn_json_real(j, "gain", node->gain);
    qn_json_int(j, "left", node->left);
    qn_json_int(j, "right", node->right);
}

static void json_node(const qn_forest_model *m, int64_t first, int64_t i, qn_json *j)
{
    const qn_tree_node *node = m->node + i;

    qn_json_open(j, NULL, '{');
    qn_json_int(j, "id", i - first);
    qn_json_real(j, "prediction", node->prediction);
    qn_json_real(j, "impurity", node->impurity);
    if (node->raw_count >= 0)
        qn_json_int(j, "rows", node->raw_count);
    json_reals("stats", m->stats + i * m->n_stats, m->n_stats, j);
    if (node->left >= 0)
        json_split(m, node, j);
    qn_json_close(j, '}');
}

/* The text so far goes out; the commas are the writer's. */
static qn_status flush(forest_shower *shower, qn_json *j)
{
    qn_status st;

    if (j->out.failed)
        return qn_fail(shower->ctx, QN_ENOMEM, "no memory for the export of a model");
    st = qn_out_write(shower->out, j->out.text, j->out.length);
    qn_string_clear(&j->out);
    return st;
}

qn_status forest_show_json(forest_shower *shower)
{
    const qn_forest_model *m = shower->model;
    const int32_t only = shower->options->tree;
    qn_json j = {0};
    qn_status st = QN_OK;

    qn_json_open(&j, NULL, '{');
    json_head(m, &j);
    qn_json_open(&j, "trees", '[');
    for (int32_t t = only < 0 ? 0 : only; t < (only < 0 ? m->n_trees : only + 1); t++) {
        qn_json_open(&j, NULL, '{');
        qn_json_int(&j, "tree", t);
        qn_json_real(&j, "weight", m->tree_weight[t]);
        qn_json_open(&j, "nodes", '[');
        for (int64_t i = m->first_node[t]; i < m->first_node[t + 1]; i++)
            json_node(m, m->first_node[t], i, &j);
        qn_json_close(&j, ']');
        qn_json_close(&j, '}');
        QN_TRY(qn_check_cancel(shower->ctx));
        QN_TRY(flush(shower, &j));
    }
    qn_json_close(&j, ']');
    qn_json_close(&j, '}');
    qn_string_add(&j.out, "\n");
    QN_TRY(flush(shower, &j));
done:
    qn_json_release(&j);
    return st;
}
