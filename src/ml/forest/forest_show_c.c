/* A forest as one C header that needs nothing else: tables, and a function that predicts a row as
 * qn_forest_predict does, bit by bit. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/context.h"
#include "ml/forest/forest_dir.h"
#include "ml/forest/forest_show.h"

typedef struct c_header {
    forest_shower *shower;
    const char *name;
    bool has_categories;
} c_header;

/* A number that C reads back as the same. */
static void add_number(qn_string *s, double x)
{
    char number[32];

    if (isinf(x)) {
        qn_string_add(s, x > 0 ? "(1.0 / 0.0)" : "(-1.0 / 0.0)");
        return;
    }
    qn_format_double(x, number);
    qn_string_addf(s, "%s", number);
}

/* Text inside a comment: it must not end it, nor be more than one line. */
static void add_comment(qn_string *s, const char *text)
{
    for (const char *p = text; *p; p++)
        qn_string_addf(s, "%c", *p == '/' || *p == '\\' || (unsigned char)*p < ' ' ? '_' : *p);
}

static void add_head(const c_header *h)
{
    const qn_forest_model *m = h->shower->model;
    qn_string *s = &h->shower->text;
    char digest[33], name[256];

    qn_forest_digest(m, digest);
    qn_string_addf(s, "/* %s of %d %s, digest %s, written by Quern.\n *\n * A row is %d numbers:\n",
                   m->is_classifier ? "Classifier" : "Regressor", m->n_trees,
                   m->n_trees == 1 ? "tree" : "trees", digest, m->n_features);
    for (int32_t f = 0; f < m->n_features; f++) {
        forest_show_feature(m, f, name, sizeof name);
        qn_string_addf(s, " *   %d  ", f);
        add_comment(s, name);
        qn_string_add(s, m->arity && m->arity[f] > 0 ? ", a category's number\n" : "\n");
    }
    qn_string_addf(s,
                   " * NaN is a missing value. */\n#ifndef %s_H\n#define %s_H\n\n"
                   "#include <stdint.h>\n\n#define %s_FEATURES %d\n#define %s_TREES %d\n",
                   h->name, h->name, h->name, m->n_features, h->name, m->n_trees);
    if (m->is_classifier)
        qn_string_addf(s, "#define %s_CLASSES %d\n", h->name, m->n_classes);
}

/* {threshold, feature, left, right, where others go, where missing values go}; a leaf has feature
 * -1 and its number in place of `left`. The rule of a categorical split stands in `rule`. */
static void add_node(const c_header *h, const qn_tree_node *node, int64_t first, int64_t leaf,
                     int64_t rule)
{
    qn_string *s = &h->shower->text;

    if (node->left < 0) {
        qn_string_addf(s, "    {0, -1, %" PRId64 ", 0, -1, 0},\n", leaf);
        return;
    }
    qn_string_add(s, "    {");
    add_number(s, node->n_categories < 0 ? node->threshold : 0);
    qn_string_addf(s, ", %d, %" PRId64 ", %" PRId64 ", %" PRId64 ", %d},\n", node->feature,
                   first + node->left, first + node->right, node->n_categories < 0 ? -1 : rule,
                   (int)node->missing_left);
}

static int64_t rule_words(const qn_tree_node *node)
{
    return node->left < 0 || node->n_categories < 0 ? 0
                                                    : 1 + ((int64_t)node->n_categories + 31) / 32;
}

static qn_status add_nodes(const c_header *h)
{
    const qn_forest_model *m = h->shower->model;
    int64_t leaf = 0, rule = 0;
    qn_status st = QN_OK;

    qn_string_addf(&h->shower->text,
                   "\n/* x <= threshold, or a category whose bit is set, goes left. */\n"
                   "static const struct {\n    double threshold;\n"
                   "    int32_t feature, left, right, rule, missing_left;\n} %s_node[] = {\n",
                   h->name);
    for (int32_t t = 0; t < m->n_trees; t++) {
        qn_string_addf(&h->shower->text, "    /* tree %d */\n", t);
        for (int64_t i = m->first_node[t]; i < m->first_node[t + 1]; i++) {
            add_node(h, m->node + i, m->first_node[t], leaf, rule);
            leaf += m->node[i].left < 0;
            rule += rule_words(m->node + i);
        }
        QN_TRY(forest_show_flush(h->shower));
    }
    qn_string_addf(&h->shower->text, "};\nstatic const int32_t %s_root[%d] = {", h->name,
                   m->n_trees);
    for (int32_t t = 0; t < m->n_trees; t++)
        qn_string_addf(&h->shower->text, "%s%" PRId64,
                       t == 0   ? ""
                       : t % 10 ? ", "
                                : ",\n    ",
                       m->first_node[t]);
    qn_string_add(&h->shower->text, "};\n");
done:
    return st;
}

/* Numbers of a leaf as they are added up, in the order of the nodes. */
static qn_status add_leaves(const c_header *h)
{
    const qn_forest_model *m = h->shower->model;
    qn_string *s = &h->shower->text;
    qn_status st = QN_OK;

    qn_string_addf(s, "static const double %s_leaf[][%d] = {\n", h->name, m->walk->width);
    for (int64_t i = 0; i < m->first_node[m->n_trees]; i++) {
        double total = 0;

        if (m->node[i].left >= 0)
            continue;
        for (int32_t c = 0; c < m->n_stats; c++)
            total += m->stats[i * m->n_stats + c];
        qn_string_add(s, "    {");
        for (int32_t c = 0; c < m->walk->width; c++) {
            const double value = m->stats[i * m->n_stats + c];

            qn_string_add(s, c ? ", " : "");
            add_number(s, !m->is_classifier ? m->node[i].prediction
                          : m->is_tree      ? value
                          : total != 0      ? value / total
                                            : 0);
        }
        qn_string_add(s, "},\n");
        if (s->length > 1 << 16)
            QN_TRY(forest_show_flush(h->shower));
    }
    qn_string_add(s, "};\n");
done:
    return st;
}

/* Twice the number of categories, plus 1 where a value that is none of them goes left; then a bit
 * for each category that goes left. */
static void add_rule(qn_string *s, const qn_forest_model *m, const qn_tree_node *node)
{
    qn_string_addf(s, "    %uU", (unsigned)node->n_categories * 2 + forest_other_left(node));
    for (int32_t first = 0; first < node->n_categories; first += 32) {
        uint32_t bits = 0;

        for (int32_t k = 0; k < node->n_left_categories; k++) {
            const int32_t category = m->category[node->first_category + k];

            if (category >= first && category < first + 32)
                bits |= UINT32_C(1) << (category - first);
        }
        qn_string_addf(s, ", 0x%" PRIx32 "U", bits);
    }
    qn_string_add(s, ",\n");
}

static void add_rules(const c_header *h)
{
    const qn_forest_model *m = h->shower->model;

    if (!h->has_categories)
        return;
    qn_string_addf(&h->shower->text,
                   "/* Twice the number of categories, plus 1 where others go left; then a bit for "
                   "each\n * category that goes left. */\nstatic const uint32_t %s_rule[] = {\n",
                   h->name);
    for (int64_t i = 0; i < m->first_node[m->n_trees]; i++)
        if (rule_words(m->node + i) > 0)
            add_rule(&h->shower->text, m, m->node + i);
    qn_string_add(&h->shower->text, "};\n");
}

static void add_walk(const c_header *h)
{
    qn_string *s = &h->shower->text;
    const char *n = h->name;

    qn_string_addf(s,
                   "\n/* The leaf that a row ends in. */\n"
                   "static inline const double *%s_walk(int32_t at, const double *row)\n{\n"
                   "    while (%s_node[at].feature >= 0) {\n"
                   "        const double x = row[%s_node[at].feature];\n"
                   "        int is_left = x <= %s_node[at].threshold;\n\n",
                   n, n, n, n);
    if (h->has_categories)
        qn_string_addf(s,
                       "        if (%s_node[at].rule >= 0) {\n"
                       "            const uint32_t *rule = %s_rule + %s_node[at].rule;\n"
                       "            const int32_t k =\n"
                       "                x >= 0 && x < (double)(rule[0] / 2) ? (int32_t)x : -1;\n\n"
                       "            is_left = (int)(rule[0] & 1U);\n"
                       "            if (k >= 0 && (double)k == x)\n"
                       "                is_left = (int)(rule[1 + k / 32] >> (k %% 32) & 1U);\n"
                       "        }\n",
                       n, n, n);
    qn_string_addf(s,
                   "        if (x != x)\n"
                   "            is_left = %s_node[at].missing_left;\n"
                   "        at = is_left ? %s_node[at].left : %s_node[at].right;\n    }\n"
                   "    return %s_leaf[%s_node[at].left];\n}\n",
                   n, n, n, n, n);
}

static void add_regressor(const c_header *h)
{
    const qn_forest_model *m = h->shower->model;
    const char *n = h->name;

    qn_string_addf(&h->shower->text,
                   "\n/* The number predicted for a row. */\n"
                   "static inline double %s_predict(const double *row)\n{\n"
                   "    double sum = 0;\n    int32_t t;\n\n"
                   "    for (t = 0; t < %s_TREES; t++)\n"
                   "        sum += %s_walk(%s_root[t], row)[0];\n    return sum%s%s%s;\n}\n",
                   n, n, n, n, m->is_tree ? "" : " / ", m->is_tree ? "" : n,
                   m->is_tree ? "" : "_TREES");
}

static void add_classifier(const c_header *h)
{
    const qn_forest_model *m = h->shower->model;
    qn_string *s = &h->shower->text;
    const char *n = h->name;

    if (m->threshold) {
        qn_string_addf(s, "static const double %s_threshold[%s_CLASSES] = {", n, n);
        for (int32_t c = 0; c < m->n_classes; c++) {
            qn_string_add(s, c ? ", " : "");
            add_number(s, m->threshold[c]);
        }
        qn_string_add(s, "};\n");
    }
    qn_string_addf(s,
                   "\n/* The class predicted for a row; probability has room for %s_CLASSES, or is "
                   "0. */\n"
                   "static inline int32_t %s_predict(const double *row, double *probability)\n{\n"
                   "    double raw[%s_CLASSES], sum = 0, most = -1;\n"
                   "    int32_t t, c, best = 0;\n\n"
                   "    for (c = 0; c < %s_CLASSES; c++)\n        raw[c] = 0;\n"
                   "    for (t = 0; t < %s_TREES; t++) {\n"
                   "        const double *leaf = %s_walk(%s_root[t], row);\n\n"
                   "        for (c = 0; c < %s_CLASSES; c++)\n"
                   "            raw[c] += leaf[c];\n    }\n"
                   "    for (c = 0; c < %s_CLASSES; c++)\n        sum += raw[c];\n",
                   n, n, n, n, n, n, n, n, n);
    qn_string_addf(s,
                   "    for (c = 0; c < %s_CLASSES; c++) {\n"
                   "        const double share = sum != 0 ? raw[c] / sum : raw[c];\n",
                   n);
    if (m->threshold)
        qn_string_addf(s, "        const double value = share / %s_threshold[c];\n\n", n);
    else
        qn_string_add(s, "        const double value = raw[c];\n\n");
    qn_string_add(s, "        if (value > most) {\n            most = value;\n"
                     "            best = c;\n        }\n"
                     "        if (probability)\n            probability[c] = share;\n    }\n"
                     "    return best;\n}\n");
}

qn_status forest_show_c(forest_shower *shower)
{
    c_header h = {.shower = shower,
                  .name = shower->options->name ? shower->options->name : "model"};
    qn_status st = QN_OK;

    for (int32_t t = 0; t < shower->model->n_trees; t++)
        h.has_categories |= !shower->model->walk->is_plain[t];
    add_head(&h);
    QN_TRY(add_nodes(&h));
    QN_TRY(add_leaves(&h));
    add_rules(&h);
    add_walk(&h);
    if (shower->model->is_classifier)
        add_classifier(&h);
    else
        add_regressor(&h);
    qn_string_add(&shower->text, "\n#endif\n");
done:
    return st;
}
