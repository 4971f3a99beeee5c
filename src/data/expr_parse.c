/* From text to steps: recursive descent, a function for each level of precedence. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/text.h"
#include "data/expr_impl.h"
#include "data/expr_token.h"

#define MAX_TEXT    ((size_t)64 << 10)
#define MAX_DEPTH   200
#define MAX_COLUMNS 4096
#define MAX_ELEMENT 99999999

typedef struct parser {
    qn_context *ctx;
    qn_expr *expr;
    const char *text;
    const char *at; /* behind the token */
    qn_token token; /* the one being looked at */
    int64_t height; /* of the stack after the steps so far */
    int32_t depth;
} parser;

static qn_status parse_whole(parser *p);

static void next(parser *p)
{
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r')
        p->at++;
    p->token = qn_token_at(p->at);
    p->at += p->token.length;
}

/* A message about the token: where it stands and what it is, cut where it is long. */
static qn_status fail_at(const parser *p, const char *expected)
{
    const qn_token *t = &p->token;
    const long place = (long)(t->text - p->text) + 1;

    if (t->kind == QN_TOKEN_END)
        return qn_fail(p->ctx, QN_EINVAL, "the expression ends where %s should follow (column %ld)",
                       expected, place);
    if (t->kind == QN_TOKEN_BAD && (*t->text == '"' || *t->text == '`'))
        return qn_fail(p->ctx, QN_EINVAL,
                       "column %ld of the expression: the quote %c is not closed", place, *t->text);
    if (t->kind == QN_TOKEN_BAD && *t->text == '\'')
        return qn_fail(p->ctx, QN_EINVAL,
                       "column %ld of the expression: texts have no place in an expression; names "
                       "of columns stand between \"\" or ``",
                       place);
    if (t->kind == QN_TOKEN_BAD && ((unsigned char)*t->text < 32 || *t->text == 127))
        return qn_fail(p->ctx, QN_EINVAL,
                       "column %ld of the expression: found a byte of value %d, expected %s", place,
                       *t->text, expected);
    return qn_fail(p->ctx, QN_EINVAL, "column %ld of the expression: found %.*s%s, expected %s",
                   place, (int)(t->length < 40 ? t->length : 40), t->text,
                   t->length > 40 ? "..." : "", expected);
}

static bool is_word(const qn_token *t, const char *word)
{
    return t->kind == QN_TOKEN_NAME && t->length == strlen(word) &&
           strncasecmp(t->text, word, t->length) == 0;
}

static bool is_symbol(const qn_token *t, const char *symbol)
{
    return t->kind == QN_TOKEN_SYMBOL && t->length == strlen(symbol) &&
           strncmp(t->text, symbol, t->length) == 0;
}

static bool take_word(parser *p, const char *word)
{
    const bool is_there = is_word(&p->token, word);

    if (is_there)
        next(p);
    return is_there;
}

static bool take_symbol(parser *p, const char *symbol)
{
    const bool is_there = is_symbol(&p->token, symbol);

    if (is_there)
        next(p);
    return is_there;
}

static qn_status need_word(parser *p, const char *word)
{
    return take_word(p, word) ? QN_OK : fail_at(p, word);
}

static qn_status need_symbol(parser *p, const char *symbol)
{
    return take_symbol(p, symbol) ? QN_OK : fail_at(p, symbol);
}

/* How a step changes the height of the stack. */
static int64_t rise(qn_expr_op op)
{
    if (op == QN_EXPR_NUMBER || op == QN_EXPR_COLUMN)
        return 1;
    if (op == QN_EXPR_CASE)
        return 2;
    if (op < QN_EXPR_ADD || op == QN_EXPR_WHEN)
        return 0;
    return op < QN_EXPR_CASE ? -1 : -2;
}

static qn_status emit_step(parser *p, qn_expr_step step)
{
    qn_expr *e = p->expr;
    qn_status st = QN_OK;

    if (e->n_steps == e->step_capacity) {
        const int64_t capacity = 2 * e->step_capacity + 16;

        QN_GROW(p->ctx, e->step, capacity, "an expression");
        e->step_capacity = capacity;
    }
    e->step[e->n_steps++] = step;
    p->height += rise(step.op);
    if (p->height > e->height)
        e->height = p->height;
done:
    return st;
}

static qn_status emit(parser *p, qn_expr_op op)
{
    return emit_step(p, (qn_expr_step){.op = op});
}

static qn_status emit_number(parser *p, double number)
{
    return emit_step(p, (qn_expr_step){.op = QN_EXPR_NUMBER, .number = number});
}

static qn_status add_column(parser *p, const char *name, int32_t element, int32_t *column)
{
    qn_expr *e = p->expr;
    char *copy = NULL;
    qn_status st = QN_OK;

    for (int32_t c = 0; c < e->n_columns; c++) {
        if (e->column[c].element == element && strcmp(e->column[c].name, name) == 0) {
            *column = c;
            return QN_OK;
        }
    }
    if (e->n_columns == MAX_COLUMNS)
        return qn_fail(p->ctx, QN_EINVAL, "the expression reads more than %d columns", MAX_COLUMNS);
    if (e->n_columns == e->column_capacity) {
        const int32_t capacity = 2 * e->column_capacity + 4;

        QN_GROW(p->ctx, e->column, capacity, "columns of an expression");
        e->column_capacity = capacity;
    }
    QN_TRY(qn_strdup(p->ctx, name, &copy));
    *column = e->n_columns;
    e->column[e->n_columns++] = (qn_expr_column){copy, element};
done:
    return st;
}

/* The name that a token stands for; a quoted one without its quotes, doubled ones once. */
static qn_status token_name(parser *p, const qn_token *t, char **name)
{
    size_t used = 0;
    qn_status st = QN_OK;

    QN_NEW(p->ctx, *name, (int64_t)t->length + 1, "name of a column");
    if (t->kind == QN_TOKEN_NAME) {
        memcpy(*name, t->text, t->length);
        used = t->length;
    }
    for (size_t i = 1; t->kind == QN_TOKEN_QUOTED && i + 1 < t->length; i++) {
        (*name)[used++] = t->text[i];
        i += t->text[i] == *t->text;
    }
    (*name)[used] = '\0';
    if (used == 0)
        st = fail_at(p, "a name between the quotes");
done:
    return st;
}

/* Behind "[". */
static qn_status parse_element(parser *p, int32_t *element)
{
    int64_t number = -1;
    qn_status st = QN_OK;

    for (size_t i = 0; i < p->token.length && p->token.kind == QN_TOKEN_NUMBER; i++)
        if (!qn_is_digit(p->token.text[i]))
            return fail_at(p, "a whole number, the place in the list from 0");
    if (p->token.kind != QN_TOKEN_NUMBER)
        return fail_at(p, "a whole number, the place in the list from 0");
    if (!qn_parse_int64(p->token.text, p->token.length, &number) || number > MAX_ELEMENT)
        return fail_at(p, "a place of at most 99999999");
    *element = (int32_t)number;
    next(p);
    QN_TRY(need_symbol(p, "]"));
done:
    return st;
}

static qn_status parse_column(parser *p)
{
    qn_expr_step step = {.op = QN_EXPR_COLUMN};
    int32_t element = -1;
    char *name = NULL;
    qn_status st = QN_OK;

    QN_TRY(token_name(p, &p->token, &name));
    next(p);
    if (take_symbol(p, "["))
        QN_TRY(parse_element(p, &element));
    QN_TRY(add_column(p, name, element, &step.column));
    QN_TRY(emit_step(p, step));
done:
    qn_free(name);
    return st;
}

/* case when C then A [when ...] [else B] end; behind "case". */
static qn_status parse_case(parser *p)
{
    qn_status st = QN_OK;

    QN_TRY(emit(p, QN_EXPR_CASE));
    if (!is_word(&p->token, "when"))
        return fail_at(p, "when");
    while (take_word(p, "when")) {
        QN_TRY(parse_whole(p));
        QN_TRY(emit(p, QN_EXPR_WHEN));
        QN_TRY(need_word(p, "then"));
        QN_TRY(parse_whole(p));
        QN_TRY(emit(p, QN_EXPR_THEN));
    }
    if (take_word(p, "else"))
        QN_TRY(parse_whole(p));
    else
        QN_TRY(emit_number(p, (double)NAN));
    QN_TRY(emit(p, QN_EXPR_ELSE));
    st = take_word(p, "end") ? QN_OK : fail_at(p, "when, else or end");
done:
    return st;
}

static qn_status fail_function(const parser *p, const qn_token *name)
{
    static const char *const known[] = {"abs", "coalesce", "exp", "log", "sqrt"};
    char wanted[40];

    snprintf(wanted, sizeof wanted, "%.*s", (int)(name->length < 39 ? name->length : 39),
             name->text);
    const char *near = qn_nearest(wanted, known, (int64_t)(sizeof known / sizeof *known));
    return qn_fail(p->ctx, QN_EINVAL,
                   "column %ld of the expression: there is no function %s%s%s%s; there are abs, "
                   "coalesce, exp, log and sqrt",
                   (long)(name->text - p->text) + 1, wanted, near ? ", did you mean " : "",
                   near ? near : "", near ? "?" : "");
}

/* Behind the name and "(". */
static qn_status parse_call(parser *p, const qn_token *name)
{
    static const struct {
        const char *name;
        qn_expr_op op;
    } function[] = {{"abs", QN_EXPR_ABS},
                    {"exp", QN_EXPR_EXP},
                    {"log", QN_EXPR_LOG},
                    {"sqrt", QN_EXPR_SQRT},
                    {"coalesce", QN_EXPR_COALESCE}};
    size_t f = 0;
    qn_status st = QN_OK;

    while (f < sizeof function / sizeof *function && !is_word(name, function[f].name))
        f++;
    if (f == sizeof function / sizeof *function)
        return fail_function(p, name);
    QN_TRY(parse_whole(p));
    if (function[f].op != QN_EXPR_COALESCE) {
        QN_TRY(emit(p, function[f].op));
        return need_symbol(p, ")");
    }
    while (take_symbol(p, ",")) {
        QN_TRY(parse_whole(p));
        QN_TRY(emit(p, QN_EXPR_COALESCE));
    }
    st = take_symbol(p, ")") ? QN_OK : fail_at(p, ", or )");
done:
    return st;
}

static qn_status parse_number(parser *p)
{
    double number = 0.0;

    if (!qn_parse_double(p->token.text, p->token.length, &number) || !isfinite(number))
        return fail_at(p, "a number that a double holds");
    next(p);
    return emit_number(p, number);
}

static bool is_reserved(const qn_token *t)
{
    static const char *const word[] = {"and",  "or",   "not",  "is",  "case",
                                       "when", "then", "else", "end", "null"};

    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        if (is_word(t, word[i]))
            return true;
    return false;
}

static qn_status parse_primary(parser *p)
{
    const qn_token name = p->token;
    qn_status st = QN_OK;

    if (name.kind == QN_TOKEN_NUMBER)
        return parse_number(p);
    if (take_symbol(p, "(")) {
        QN_TRY(parse_whole(p));
        return need_symbol(p, ")");
    }
    if (take_word(p, "case"))
        return parse_case(p);
    if (take_word(p, "null"))
        return emit_number(p, (double)NAN);
    if (name.kind == QN_TOKEN_NAME && !is_reserved(&name)) {
        const char *behind = p->at;

        next(p);
        if (take_symbol(p, "("))
            return parse_call(p, &name);
        p->token = name;
        p->at = behind;
        return parse_column(p);
    }
    if (name.kind == QN_TOKEN_QUOTED)
        return parse_column(p);
    st = fail_at(p, "a number, a column, a function or (");
done:
    return st;
}

static qn_status enter(parser *p)
{
    if (++p->depth > MAX_DEPTH)
        return qn_fail(p->ctx, QN_EINVAL, "column %ld of the expression: nested deeper than %d",
                       (long)(p->token.text - p->text) + 1, MAX_DEPTH);
    return QN_OK;
}

static qn_status parse_signed(parser *p)
{
    const bool is_minus = is_symbol(&p->token, "-");
    qn_status st = QN_OK;

    if (!is_minus && !is_symbol(&p->token, "+"))
        return parse_primary(p);
    QN_TRY(enter(p));
    next(p);
    QN_TRY(parse_signed(p));
    if (is_minus)
        QN_TRY(emit(p, QN_EXPR_NEGATE));
    p->depth--;
done:
    return st;
}

static qn_status parse_product(parser *p)
{
    qn_status st = QN_OK;

    QN_TRY(parse_signed(p));
    while (is_symbol(&p->token, "*") || is_symbol(&p->token, "/")) {
        const qn_expr_op op = *p->token.text == '*' ? QN_EXPR_MULTIPLY : QN_EXPR_DIVIDE;

        next(p);
        QN_TRY(parse_signed(p));
        QN_TRY(emit(p, op));
    }
done:
    return st;
}

static qn_status parse_sum(parser *p)
{
    qn_status st = QN_OK;

    QN_TRY(parse_product(p));
    while (is_symbol(&p->token, "+") || is_symbol(&p->token, "-")) {
        const qn_expr_op op = *p->token.text == '+' ? QN_EXPR_ADD : QN_EXPR_SUBTRACT;

        next(p);
        QN_TRY(parse_product(p));
        QN_TRY(emit(p, op));
    }
done:
    return st;
}

/* One comparison, or any number of "is null": a < b < c is refused, as it is hardly what was meant.
 */
static qn_status parse_comparison(parser *p)
{
    static const struct {
        const char *symbol;
        qn_expr_op op;
    } compare[] = {{"<=", QN_EXPR_LESS_EQUAL}, {">=", QN_EXPR_GREATER_EQUAL}, {"==", QN_EXPR_EQUAL},
                   {"!=", QN_EXPR_NOT_EQUAL},  {"<>", QN_EXPR_NOT_EQUAL},     {"<", QN_EXPR_LESS},
                   {">", QN_EXPR_GREATER},     {"=", QN_EXPR_EQUAL}};
    qn_status st = QN_OK;

    QN_TRY(parse_sum(p));
    for (size_t i = 0; i < sizeof compare / sizeof *compare; i++) {
        if (take_symbol(p, compare[i].symbol)) {
            QN_TRY(parse_sum(p));
            return emit(p, compare[i].op);
        }
    }
    while (take_word(p, "is")) {
        const bool is_not = take_word(p, "not");

        if (!take_word(p, "null"))
            return fail_at(p, is_not ? "null" : "null or not null");
        QN_TRY(emit(p, is_not ? QN_EXPR_IS_NOT_NULL : QN_EXPR_IS_NULL));
    }
done:
    return st;
}

static qn_status parse_not(parser *p)
{
    qn_status st = QN_OK;

    if (!take_word(p, "not"))
        return parse_comparison(p);
    QN_TRY(enter(p));
    QN_TRY(parse_not(p));
    QN_TRY(emit(p, QN_EXPR_NOT));
    p->depth--;
done:
    return st;
}

static qn_status parse_and(parser *p)
{
    qn_status st = QN_OK;

    QN_TRY(parse_not(p));
    while (take_word(p, "and")) {
        QN_TRY(parse_not(p));
        QN_TRY(emit(p, QN_EXPR_AND));
    }
done:
    return st;
}

static qn_status parse_whole(parser *p)
{
    qn_status st = QN_OK;

    QN_TRY(enter(p));
    QN_TRY(parse_and(p));
    while (take_word(p, "or")) {
        QN_TRY(parse_and(p));
        QN_TRY(emit(p, QN_EXPR_OR));
    }
    p->depth--;
done:
    return st;
}

qn_status qn_expr_parse(qn_context *ctx, const char *text, qn_expr **expr)
{
    parser p = {.ctx = ctx, .text = text, .at = text};
    qn_status st = QN_OK;

    *expr = NULL;
    if (strlen(text) > MAX_TEXT)
        return qn_fail(ctx, QN_EINVAL, "the expression has %zu bytes; at most %zu are taken",
                       strlen(text), MAX_TEXT);
    QN_NEW0(ctx, p.expr, 1, "an expression");
    next(&p);
    QN_TRY(parse_whole(&p));
    if (p.token.kind != QN_TOKEN_END)
        QN_TRY(fail_at(&p, "an operator or the end"));
    *expr = p.expr;
    p.expr = NULL;
done:
    qn_expr_free(p.expr);
    return st;
}
