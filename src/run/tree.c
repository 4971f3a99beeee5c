#include "run/tree.h"

#include <stdio.h>
#include <string.h>

typedef enum leaf_kind { LEAF_INT, LEAF_REAL, LEAF_TEXT } leaf_kind;

typedef struct leaf {
    char path[QN_TREE_PATH];
    leaf_kind kind;
    bool is_element; /* of an array: the path ended in "[]" */
    int64_t integer; /* or the offset of a text */
    double real;
} leaf;

static leaf *leaf_at(const qn_tree *tree, int64_t i)
{
    return (leaf *)(void *)tree->leaves.text + i;
}

static leaf *leaf_find(const qn_tree *tree, const char *path)
{
    for (int64_t i = 0; i < tree->n; i++)
        if (!strcmp(leaf_at(tree, i)->path, path))
            return leaf_at(tree, i);
    return NULL;
}

/* The leaf of `path`, made if it is not there; NULL when out of memory. */
static leaf *leaf_for(qn_tree *tree, const char *path)
{
    leaf fresh = {.kind = LEAF_INT};
    const size_t length = strlen(path);
    leaf *old;

    fresh.is_element = length > 2 && !strcmp(path + length - 2, "[]");
    snprintf(fresh.path, sizeof fresh.path, "%.*s", (int)(length - (fresh.is_element ? 2 : 0)),
             path);
    old = fresh.is_element ? NULL : leaf_find(tree, fresh.path);
    if (old)
        return old;
    qn_string_add_bytes(&tree->leaves, (const char *)&fresh, sizeof fresh);
    if (tree->leaves.failed)
        return NULL;
    return leaf_at(tree, tree->n++);
}

void qn_tree_int(qn_tree *tree, const char *path, int64_t value)
{
    leaf *l = leaf_for(tree, path);

    if (l) {
        l->kind = LEAF_INT;
        l->integer = value;
    }
}

void qn_tree_real(qn_tree *tree, const char *path, double value)
{
    leaf *l = leaf_for(tree, path);

    if (l) {
        l->kind = LEAF_REAL;
        l->real = value;
    }
}

void qn_tree_add_real(qn_tree *tree, const char *path, double value)
{
    const leaf *old = leaf_find(tree, path);

    qn_tree_real(tree, path, value + (old && old->kind == LEAF_REAL ? old->real : 0));
}

void qn_tree_text(qn_tree *tree, const char *path, const char *value)
{
    const size_t at = tree->texts.length;
    leaf *l;

    qn_string_add_bytes(&tree->texts, value ? value : "", (value ? strlen(value) : 0) + 1);
    l = tree->texts.failed ? NULL : leaf_for(tree, path);
    if (l) {
        l->kind = LEAF_TEXT;
        l->integer = (int64_t)at;
    }
}

void qn_tree_drop_arrays(qn_tree *tree)
{
    int64_t kept = 0;

    for (int64_t i = 0; i < tree->n; i++)
        if (!leaf_at(tree, i)->is_element)
            *leaf_at(tree, kept++) = *leaf_at(tree, i);
    tree->n = kept;
    tree->leaves.length = (size_t)kept * sizeof(leaf);
}

static void leaf_json(const qn_tree *tree, const leaf *l, const char *key, qn_json *j)
{
    switch (l->kind) {
    case LEAF_INT:
        qn_json_int(j, key, l->integer);
        break;
    case LEAF_REAL:
        qn_json_real(j, key, l->real);
        break;
    case LEAF_TEXT:
        qn_json_text(j, key, tree->texts.text + l->integer);
        break;
    }
}

/* What of the path lies below `prefix` ("a.b" below "a" is "b"); NULL if it does not. */
static const char *below(const char *path, const char *prefix)
{
    const size_t n = strlen(prefix);

    if (n == 0)
        return path;
    return !strncmp(path, prefix, n) && path[n] == '.' ? path + n + 1 : NULL;
}

/* Whether an earlier leaf starts with the first `n` bytes of this path as whole members. */
static bool came_before(const qn_tree *tree, int64_t i, size_t n)
{
    for (int64_t e = 0; e < i; e++) {
        const char *path = leaf_at(tree, e)->path;

        if (!strncmp(path, leaf_at(tree, i)->path, n) && (path[n] == '.' || path[n] == '\0'))
            return true;
    }
    return false;
}

static void array_json(const qn_tree *tree, const char *path, const char *key, qn_json *j)
{
    qn_json_open(j, key, '[');
    for (int64_t i = 0; i < tree->n; i++)
        if (!strcmp(leaf_at(tree, i)->path, path))
            leaf_json(tree, leaf_at(tree, i), NULL, j);
    qn_json_close(j, ']');
}

/* Members come in the order of their first leaf; the depth of a path bounds the recursion. */
void qn_tree_members_json(const qn_tree *tree, const char *path, qn_json *j)
{
    for (int64_t i = 0; i < tree->n; i++) {
        const leaf *l = leaf_at(tree, i);
        const char *rest = below(l->path, path);
        char member[QN_TREE_PATH];
        size_t length;

        if (!rest)
            continue;
        length = (size_t)(rest - l->path) + strcspn(rest, ".");
        if (came_before(tree, i, length))
            continue;
        snprintf(member, sizeof member, "%.*s", (int)length, l->path);
        if (l->path[length] == '.')
            qn_tree_json(tree, member, member + (rest - l->path), j);
        else if (l->is_element)
            array_json(tree, member, rest, j);
        else
            leaf_json(tree, l, rest, j);
    }
}

void qn_tree_json(const qn_tree *tree, const char *path, const char *key, qn_json *j)
{
    qn_json_open(j, key, '{');
    qn_tree_members_json(tree, path, j);
    qn_json_close(j, '}');
}

const char *qn_tree_get_text(const qn_tree *tree, const char *path)
{
    const leaf *l = leaf_find(tree, path);

    return l && l->kind == LEAF_TEXT ? tree->texts.text + l->integer : NULL;
}

bool qn_tree_failed(const qn_tree *tree)
{
    return tree->leaves.failed || tree->texts.failed;
}

void qn_tree_release(qn_tree *tree)
{
    qn_string_release(&tree->leaves);
    qn_string_release(&tree->texts);
    *tree = (qn_tree){0};
}
