/* Whether two paths are apart: what is read must not be what is written. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "lifecycle/upsert.h"

/* Two names of a path without links and dots: of the place where it lies (a data set's link), and
 * of what it leads to. */
typedef struct real_names {
    qn_string place, target;
} real_names;

/* As realpath, of a path whose last parts may not be there: the longest part that is, and the rest
 * as it stands. */
static void real_part(const char *path, qn_string *out)
{
    qn_string head = {0};
    const char *rest = path + strlen(path);
    char *real = NULL;

    qn_string_add(&head, path[0] ? path : ".");
    while (!head.failed && !(real = realpath(head.text, NULL))) {
        while (rest > path && rest[-1] == '/')
            rest--;
        while (rest > path && rest[-1] != '/')
            rest--;
        if (rest == path)
            break;
        qn_string_clear(&head);
        qn_string_add_bytes(&head, path, (size_t)(rest - path));
    }
    if (!real)
        real = realpath(path[0] == '/' ? "/" : ".", NULL);
    qn_string_add(out, real && strcmp(real, "/") != 0 ? real : "");
    if (rest[0] && rest[0] != '/')
        qn_string_add(out, "/");
    qn_string_add(out, rest);
    free(real);
    qn_string_release(&head);
}

static void names_of(const char *path, real_names *names)
{
    size_t length = strlen(path), folder;
    qn_string cut = {0}, parent = {0};

    while (length > 1 && path[length - 1] == '/')
        length--;
    qn_string_add_bytes(&cut, path, length);
    real_part(qn_string_text(&cut), &names->target);
    for (folder = length; folder > 0 && path[folder - 1] != '/';)
        folder--;
    qn_string_add_bytes(&parent, path, folder);
    path = qn_string_text(&cut) + folder;
    if (!path[0] || strcmp(path, ".") == 0 || strcmp(path, "..") == 0) {
        qn_string_add(&names->place, qn_string_text(&names->target));
    } else {
        real_part(qn_string_text(&parent), &names->place);
        qn_string_addf(&names->place, "/%s", path);
    }
    qn_string_release(&cut);
    qn_string_release(&parent);
}

static void names_release(real_names *names)
{
    qn_string_release(&names->place);
    qn_string_release(&names->target);
}

/* 2: the same, 1: `inner` lies in `outer`, 0: neither. The root is "". */
static int lies_in(const qn_string *inner, const qn_string *outer)
{
    const char *in = qn_string_text(inner), *out = qn_string_text(outer);

    if (strcmp(in, out) == 0)
        return 2;
    return strncmp(in, out, outer->length) == 0 && in[outer->length] == '/';
}

static int names_lie_in(const real_names *inner, const real_names *outer)
{
    const qn_string *const in[2] = {&inner->place, &inner->target};
    const qn_string *const out[2] = {&outer->place, &outer->target};
    int most = 0;

    for (int i = 0; i < 4; i++) {
        const int how = lies_in(in[i & 1], out[i >> 1]);

        most = how > most ? how : most;
    }
    return most;
}

qn_status qn_paths_apart(qn_context *ctx, const char *a_name, const char *a, const char *b_name,
                         const char *b)
{
    real_names names[2] = {0};
    qn_status st = QN_OK;

    names_of(a, &names[0]);
    names_of(b, &names[1]);
    if (names_lie_in(&names[0], &names[1]) == 2)
        st = qn_fail(ctx, QN_EINVAL, "%s %s and %s %s are the same place", a_name, a, b_name, b);
    else if (names_lie_in(&names[0], &names[1]))
        st = qn_fail(ctx, QN_EINVAL, "%s %s lies in %s %s: keep them apart", a_name, a, b_name, b);
    else if (names_lie_in(&names[1], &names[0]))
        st = qn_fail(ctx, QN_EINVAL, "%s %s lies in %s %s: keep them apart", b_name, b, a_name, a);
    names_release(&names[0]);
    names_release(&names[1]);
    return st;
}
