#include "data/datagen_truth.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/math.h"
#include "base/rng.h"

/* What a number is for: the high bits of the second counter word. */
enum {
    FOR_DEGREE,
    FOR_ITEM_BIAS,
    FOR_ITEM_HIDDEN,
    FOR_GENRE,
    FOR_USER_BIAS,
    FOR_USER_HIDDEN,
    FOR_USER_GENRE,
    FOR_NOISE,
    FOR_TITLE,
    FOR_POPULARITY,
    FOR_FIRST_USER
};

static qn_random draw(const qn_truth *t, uint64_t what, uint64_t a, uint64_t b)
{
    return qn_philox(t->seed, QN_STREAM_DATAGEN, a, what << 40 | b);
}

static double normal(const qn_truth *t, uint64_t what, uint64_t a, uint64_t b)
{
    const qn_random random = draw(t, what, a, b / 2);
    double pair[2];

    qn_normal_pair(&random, pair);
    return pair[b & 1];
}

/* Ratings of each user: `least` and a log-normal share of the rest, at most 60 % of the items,
 * together exactly what was asked for. */
static qn_status make_degrees(qn_context *ctx, qn_truth *t, int64_t ratings, int64_t least,
                              double sigma)
{
    const int64_t cap = t->n_items - t->n_items * 2 / 5;
    const int64_t spread = ratings - least * t->n_users;
    qn_status st = QN_OK;
    double *weight = NULL, sum = 0;
    int64_t left = ratings;

    QN_NEW(ctx, t->degree, t->n_users, "ratings of each user");
    QN_NEW(ctx, weight, t->n_users, "shares of users");
    for (int64_t u = 0; u < t->n_users; u++) {
        weight[u] = qn_exp(sigma * normal(t, FOR_DEGREE, (uint64_t)u, 0));
        sum += weight[u];
    }
    for (int64_t u = 0; u < t->n_users; u++) {
        const int64_t d = least + (int64_t)((double)spread * (weight[u] / sum));

        t->degree[u] = d < cap ? d : cap;
        left -= t->degree[u];
    }
    for (int64_t u = 0; left > 0; u = (u + 1) % t->n_users)
        if (t->degree[u] < cap) {
            t->degree[u]++;
            left--;
        }
done:
    qn_free(weight);
    return st;
}

/* Walker's alias tables (Vose's way) for weights (place + shift)^-1.6: few hits, a long tail.
 * Popular items tend to have small numbers, as in the originals. */
static void make_alias(qn_truth *t, const double *weight, double sum, uint32_t *queue)
{
    int64_t small = 0, large = t->n_items;

    for (int64_t i = 0; i < t->n_items; i++) {
        t->chance[i] = weight[i] * (double)t->n_items / sum;
        t->alias[i] = (uint32_t)i;
        if (t->chance[i] < 1)
            queue[small++] = (uint32_t)i;
        else
            queue[--large] = (uint32_t)i;
    }
    while (small > 0 && large < t->n_items) {
        const uint32_t s = queue[--small], l = queue[large];

        t->alias[s] = l;
        t->chance[l] -= 1 - t->chance[s];
        if (t->chance[l] < 1) {
            queue[small++] = l;
            large++;
        }
    }
    /* What is left is 1 but for rounding. */
    while (small > 0)
        t->chance[queue[--small]] = 1;
    for (; large < t->n_items; large++)
        t->chance[queue[large]] = 1;
}

static qn_status make_popularity(qn_context *ctx, qn_truth *t)
{
    qn_status st = QN_OK;
    double *weight = NULL, sum = 0;
    uint32_t *queue = NULL;

    QN_NEW(ctx, t->alias, t->n_items, "popularity");
    QN_NEW(ctx, t->chance, t->n_items, "popularity");
    QN_NEW(ctx, weight, t->n_items, "popularity");
    QN_NEW(ctx, queue, t->n_items, "popularity");
    for (int64_t i = 0; i < t->n_items; i++) {
        const qn_random random = draw(t, FOR_POPULARITY, (uint64_t)i, 0);
        const double place = ((double)i + 0.8 * (double)t->n_items * qn_uniform(&random, 0)) / 1.8;

        weight[i] = qn_exp(-1.6 * qn_log(place + 8 + 0.005 * (double)t->n_items));
        sum += weight[i];
    }
    make_alias(t, weight, sum, queue);
done:
    qn_free(weight);
    qn_free(queue);
    return st;
}

static void make_item(const qn_truth *t, int64_t i, qn_truth_item *item)
{
    const qn_random random = draw(t, FOR_GENRE, (uint64_t)i, 0);
    const uint32_t n = 1 + random.word[0] % 3;

    item->bias = (float)(0.33 * normal(t, FOR_ITEM_BIAS, (uint64_t)i, 0));
    for (uint64_t f = 0; f < QN_HIDDEN; f++)
        item->hidden[f] = (float)normal(t, FOR_ITEM_HIDDEN, (uint64_t)i, f);
    item->genres = 0;
    for (uint32_t g = 0; g < n; g++)
        item->genres |= 1u << random.word[1 + g] % QN_GENRES;
}

/* Each item's sure rater: a random user, or the next one with room left. */
static qn_status make_first_users(qn_context *ctx, qn_truth *t)
{
    qn_status st = QN_OK;
    int64_t *given = NULL;

    QN_NEW0(ctx, given, t->n_users, "sure ratings");
    for (int64_t i = 0; i < t->n_items; i++) {
        const qn_random random = draw(t, FOR_FIRST_USER, (uint64_t)i, 0);
        int64_t u = (int64_t)(qn_uniform(&random, 0) * (double)t->n_users);

        while (given[u] >= t->degree[u])
            u = (u + 1) % t->n_users;
        given[u]++;
        t->first_user[i] = (uint32_t)u;
    }
done:
    qn_free(given);
    return st;
}

qn_status qn_truth_make(qn_context *ctx, const qn_datagen_options *options, qn_truth *truth)
{
    const bool movielens = options->shape == QN_SHAPE_MOVIELENS;
    const int64_t least = options->ratings >= 20 * options->users && movielens ? 20 : 1;
    qn_status st = QN_OK;
    qn_truth t = {.seed = options->seed, .n_users = options->users, .n_items = options->items};

    *truth = (qn_truth){0};
    t.mean = movielens ? 3.45 : 3.55;
    t.step = movielens ? 0.5 : 1.0;
    t.low = t.step;
    QN_TRY(make_degrees(ctx, &t, options->ratings, least, movielens ? 1.2 : 1.25));
    QN_TRY(make_popularity(ctx, &t));
    QN_NEW(ctx, t.item, t.n_items, "items");
    QN_NEW(ctx, t.first_user, t.n_items, "items");
    for (int64_t i = 0; i < t.n_items; i++)
        make_item(&t, i, &t.item[i]);
    QN_TRY(make_first_users(ctx, &t));
    *truth = t;
    t = (qn_truth){0};
done:
    qn_truth_release(&t);
    return st;
}

void qn_truth_release(qn_truth *truth)
{
    qn_free(truth->degree);
    qn_free(truth->item);
    qn_free(truth->alias);
    qn_free(truth->chance);
    qn_free(truth->first_user);
    *truth = (qn_truth){0};
}

int64_t qn_truth_draw_item(const qn_truth *truth, double u, double v)
{
    const int64_t i = (int64_t)(u * (double)truth->n_items);

    return v < truth->chance[i] ? i : (int64_t)truth->alias[i];
}

qn_truth_user qn_truth_user_of(const qn_truth *truth, int64_t user)
{
    qn_truth_user u;

    u.bias = (float)(0.40 * normal(truth, FOR_USER_BIAS, (uint64_t)user, 0));
    for (uint64_t f = 0; f < QN_HIDDEN; f++)
        u.hidden[f] = (float)normal(truth, FOR_USER_HIDDEN, (uint64_t)user, f);
    for (uint64_t g = 0; g < QN_GENRES; g++)
        u.genre[g] = (float)normal(truth, FOR_USER_GENRE, (uint64_t)user, g);
    return u;
}

double qn_truth_liking(const qn_truth *truth, const qn_truth_user *user, int64_t item)
{
    const qn_truth_item *it = &truth->item[item];
    double taste = 0, hidden = 0;
    int n = 0;

    for (int g = 0; g < QN_GENRES; g++)
        if (it->genres >> g & 1) {
            taste += user->genre[g];
            n++;
        }
    for (int f = 0; f < QN_HIDDEN; f++)
        hidden += user->hidden[f] * it->hidden[f];
    return 0.35 * taste / n + 0.14 * hidden;
}

float qn_truth_rating(const qn_truth *truth, const qn_truth_user *user, int64_t user_index,
                      int64_t item)
{
    double x = truth->mean + user->bias + truth->item[item].bias +
               qn_truth_liking(truth, user, item) +
               0.70 * normal(truth, FOR_NOISE, (uint64_t)user_index, (uint64_t)item);

    x = floor(x / truth->step + 0.5) * truth->step;
    return (float)(x < truth->low ? truth->low : x > 5 ? 5 : x);
}

void qn_truth_genres(uint32_t genres, char out[128])
{
    static const char *const name[QN_GENRES] = {
        "Action",      "Adventure", "Animation", "Children",  "Comedy", "Crime",
        "Documentary", "Drama",     "Fantasy",   "Film-Noir", "Horror", "Musical",
        "Mystery",     "Romance",   "Sci-Fi",    "Thriller",  "War",    "Western"};
    int length = 0;

    out[0] = '\0';
    for (int g = 0; g < QN_GENRES; g++)
        if (genres >> g & 1)
            length +=
                snprintf(out + length, (size_t)(128 - length), "%s%s", length ? "|" : "", name[g]);
}

void qn_truth_title(const qn_truth *truth, int64_t item, char out[128])
{
    static const char *const adjective[] = {
        "Silent",   "Broken",  "Golden",  "Hidden", "Last",     "Scarlet",  "Distant", "Burning",
        "Frozen",   "Crooked", "Gentle",  "Hollow", "Restless", "Stolen",   "Wild",    "Bitter",
        "Borrowed", "Crimson", "Endless", "Faded",  "Lonely",   "Midnight", "Paper",   "Quiet",
        "Second",   "Seventh", "Shining", "Stray",  "Velvet",   "Winter",   "Electric"};
    static const char *const noun[] = {
        "Harbor",  "Garden",   "Letter",   "Empire",     "River",    "Mirror",     "Station",
        "Orchard", "Witness",  "Summer",   "Lighthouse", "Promise",  "Highway",    "Waltz",
        "Island",  "Stranger", "Kingdom",  "Window",     "Carnival", "Shadow",     "Bridge",
        "Map",     "Tide",     "Circus",   "Detective",  "Train",    "Violin",     "Mountain",
        "Crown",   "Neighbor", "Frontier", "Storm",      "Daughter", "Clockmaker", "Voyage",
        "Oracle",  "Parade"};
    static const char *const pattern[] = {
        "%s %s%s, The (%d)", "%s %s%s, A (%d)",         "%s %s%s (%d)",
        "My %s %s%s (%d)",   "Beyond the %s %s%s (%d)", "Return of the %s %s%s, The (%d)"};
    enum {
        ADJECTIVES = sizeof adjective / sizeof *adjective,
        NOUNS = sizeof noun / sizeof *noun,
        PATTERNS = sizeof pattern / sizeof *pattern
    };
    /* 31, 37 and 6 have no common divisor with 5003, so item * 5003 walks through all combinations
     * before one comes again; then a number tells them apart. */
    const int64_t all = (int64_t)ADJECTIVES * NOUNS * PATTERNS;
    const int64_t place = item % all * 5003 % all, round = item / all;
    const qn_random random = draw(truth, FOR_TITLE, (uint64_t)item, 0);
    const double age = qn_uniform(&random, 0);
    const int year = 2022 - (int)(80 * age * (0.4 + 0.6 * age));
    char sequel[24] = "";

    if (round > 0)
        snprintf(sequel, sizeof sequel, " %lld", (long long)round + 1);
    snprintf(out, 128, pattern[place % PATTERNS], adjective[place / PATTERNS % ADJECTIVES],
             noun[place / PATTERNS / ADJECTIVES], sequel, year);
}
