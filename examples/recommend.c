/* The main job through the library: read ratings, fit, save, recommend for the first user.
 *   cc recommend.c $(pkg-config --cflags --libs quern) -o recommend
 *   ./recommend ratings.csv model */
#include <stdio.h>

#include <quern/quern.h>

static qn_status run(qn_context *ctx, const char *input, const char *model_dir)
{
    qn_ratings_options options;
    qn_als_params params;
    qn_ratings *ratings = NULL;
    qn_als_model *model = NULL;
    const int64_t first_user = 0;
    int64_t item[10];
    float score[10];
    char id[64], digest[33];
    qn_status st;

    qn_params_init(&qn_ratings_table, &options);
    options.input = (qn_text_list){.item = &input, .n = 1};
    qn_params_init(&qn_als_table, &params);
    params.rank = 16;

    if ((st = qn_ratings_read(ctx, &options, &ratings)) != QN_OK ||
        (st = qn_als_fit(ctx, &params, ratings, &model)) != QN_OK ||
        (st = qn_als_save(ctx, model, model_dir, true, NULL)) != QN_OK ||
        (st = qn_als_recommend(ctx, model, QN_SIDE_USER, &first_user, 1, 10, QN_TIES_ID_ASC,
                               ratings, item, score)) != QN_OK)
        goto done;
    qn_als_digest(model, digest);
    printf("%lld ratings, model digest %s\n", (long long)ratings->n_ratings, digest);
    for (int i = 0; i < 10 && item[i] >= 0; i++) {
        qn_ids_format(&model->items, item[i], id, sizeof id);
        printf("%2d. item %s, predicted rating %.2f\n", i + 1, id, score[i]);
    }
done:
    qn_als_free(model);
    qn_ratings_free(ratings);
    return st;
}

int main(int argc, char **argv)
{
    qn_context *ctx = NULL;
    qn_status st = QN_EINVAL;

    if (argc != 3)
        fprintf(stderr, "usage: recommend RATINGS MODEL\n");
    else if ((st = qn_context_create(NULL, &ctx)) == QN_OK &&
             (st = run(ctx, argv[1], argv[2])) != QN_OK)
        fprintf(stderr, "recommend: %s\n", qn_context_error(ctx));
    qn_context_free(ctx);
    return qn_status_exit_code(st);
}
