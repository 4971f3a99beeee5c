/* One line a command. */
#ifndef QN_CLI_COMMANDS_H
#define QN_CLI_COMMANDS_H

#include "cli/command.h"
#include "ml/algo.h"

extern const qn_command qn_cmd_bench;
extern const qn_command qn_cmd_completion;
extern const qn_command qn_cmd_data_compact;
extern const qn_command qn_cmd_data_delete_user;
extern const qn_command qn_cmd_data_gc;
extern const qn_command qn_cmd_data_history;
extern const qn_command qn_cmd_data_merge;
extern const qn_command qn_cmd_data_process;
extern const qn_command qn_cmd_data_rollback;
extern const qn_command qn_cmd_data_upsert;
extern const qn_command qn_cmd_data_verify;
extern const qn_command qn_cmd_datagen_blobs;
extern const qn_command qn_cmd_datagen_fractal;
extern const qn_command qn_cmd_datagen_linear;
extern const qn_command qn_cmd_datagen_logistic;
extern const qn_command qn_cmd_datagen_ratings;
extern const qn_command qn_cmd_datagen_susy;
extern const qn_command qn_cmd_doctor;
extern const qn_command qn_cmd_etl;
extern const qn_command qn_cmd_evaluate;
extern const qn_command qn_cmd_explain;
extern const qn_command qn_cmd_export;
extern const qn_command qn_cmd_fetch;
extern const qn_command qn_cmd_fit_als;
extern const qn_command qn_cmd_futures;
extern const qn_command qn_cmd_help;
extern const qn_command qn_cmd_inspect;
extern const qn_command qn_cmd_man;
extern const qn_command qn_cmd_params;
extern const qn_command qn_cmd_plot_kmeans;
extern const qn_command qn_cmd_plot_forest;
extern const qn_command qn_cmd_predict;
extern const qn_command qn_cmd_recommend;
extern const qn_command qn_cmd_runs_compare;
extern const qn_command qn_cmd_runs_export;
extern const qn_command qn_cmd_runs_gc;
extern const qn_command qn_cmd_runs_list;
extern const qn_command qn_cmd_runs_show;
extern const qn_command qn_cmd_similar;
extern const qn_command qn_cmd_split;
extern const qn_command qn_cmd_tune_als;
extern const qn_command qn_cmd_plan_als;
extern const qn_command qn_cmd_sweep_als;

/* `quern fit NAME` and `quern sweep NAME` of every algorithm on tables, which run alike. */
qn_status qn_cmd_fit_table_run(qn_cli *cli);
#define QN_CMD_DECLARE(name)                                                                       \
    extern const qn_command qn_cmd_fit_##name;                                                     \
    extern const qn_command qn_cmd_sweep_##name;
QN_TABLE_ALGO_LIST(QN_CMD_DECLARE)
#undef QN_CMD_DECLARE

#endif
