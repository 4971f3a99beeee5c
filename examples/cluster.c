/* K-means through the library: read a table, fit, save, print the centres.
 *   cc cluster.c $(pkg-config --cflags --libs quern) -o cluster
 *   ./cluster table.csv 8 model */
#include <stdio.h>
#include <stdlib.h>

#include <quern/quern.h>

static void print_centres(const qn_matrix *rows, const qn_kmeans_model *model)
{
    for (int32_t c = 0; c < model->k; c++) {
        printf("cluster %d, %lld rows:", c, (long long)model->size[c]);
        for (int32_t f = 0; f < model->n_features; f++) {
            char name[64];
            qn_features_name(&rows->features, f, name, sizeof name);
            printf(" %s %.4f", name, model->centre[c * model->n_features + f]);
        }
        puts("");
    }
}

static qn_status run(qn_context *ctx, const char *input, int32_t k, const char *model_dir)
{
    qn_matrix_options options;
    qn_kmeans_params params;
    qn_matrix *rows = NULL;
    qn_kmeans_model *model = NULL;
    char digest[33];
    qn_status st;

    qn_params_init(&qn_matrix_table, &options);
    options.input = (qn_text_list){.item = &input, .n = 1};
    qn_params_init(&qn_kmeans_table, &params);
    params.k = k;
    if ((st = qn_matrix_read(ctx, &options, &(qn_matrix_use){0}, &rows)) != QN_OK ||
        (st = qn_kmeans_fit(ctx, &params, rows, &model)) != QN_OK ||
        (st = qn_kmeans_save(ctx, model, model_dir, true, NULL)) != QN_OK)
        goto done;
    print_centres(rows, model);
    qn_kmeans_digest(model, digest);
    printf("cost %.6g, model digest %s\n", model->cost, digest);
done:
    qn_kmeans_free(model);
    qn_matrix_free(rows);
    return st;
}

int main(int argc, char **argv)
{
    qn_context *ctx = NULL;
    qn_status st = QN_EINVAL;

    if (argc != 4)
        fprintf(stderr, "usage: cluster TABLE CLUSTERS MODEL\n");
    else if ((st = qn_context_create(NULL, &ctx)) == QN_OK &&
             (st = run(ctx, argv[1], atoi(argv[2]), argv[3])) != QN_OK)
        fprintf(stderr, "cluster: %s\n", qn_context_error(ctx));
    qn_context_free(ctx);
    return qn_status_exit_code(st);
}
