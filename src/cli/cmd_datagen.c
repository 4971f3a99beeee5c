/* quern datagen ratings: ratings with planted taste, to try everything offline. */
#include "cli/commands.h"
#include "cli/show.h"
#include "data/datagen.h"

static void print_json(const qn_datagen_result *r)
{
    qn_json j = {0};

    qn_json_open(&j, NULL, '{');
    qn_json_text(&j, "command", "datagen ratings");
    qn_json_text(&j, "ratings_path", r->ratings_path);
    qn_json_text(&j, "movies_path", r->movies_path);
    qn_json_int(&j, "users", r->users);
    qn_json_int(&j, "items", r->items);
    qn_json_int(&j, "ratings", r->ratings);
    qn_json_real(&j, "mean", r->mean);
    qn_json_close(&j, '}');
    puts(qn_string_text(&j.out));
    qn_json_release(&j);
}

static qn_status run_datagen(qn_cli *cli)
{
    qn_datagen_result result;
    const qn_status st = qn_datagen_ratings(cli->ctx, cli->values[0], &result);

    if (st != QN_OK)
        return st;
    if (cli->globals->json) {
        print_json(&result);
    } else if (!cli->globals->quiet) {
        printf("wrote     %s ratings of %s users and %s items, mean %.3f\n",
               qn_show_count(result.ratings).text, qn_show_count(result.users).text,
               qn_show_count(result.items).text, result.mean);
        printf("ratings   %s\ntitles    %s\n", result.ratings_path, result.movies_path);
        printf("next      quern fit als --input ");
        qn_show_word(stdout, result.ratings_path);
        puts(" --split random:0.8 --model model");
    }
    return QN_OK;
}

const qn_command qn_cmd_datagen_ratings = {
    .name = "datagen ratings",
    .help = "Write made-up ratings that have the shape of MovieLens or Netflix and a planted taste",
    .table = {&qn_datagen_table},
    .usage = "--out DIR [--shape movielens|netflix] [options]",
    .notes = "The same options write the same files, byte for byte.",
    .examples = "  quern datagen ratings --ratings 1000000 --out data\n",
    .run = run_datagen,
};
