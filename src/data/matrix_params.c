/* The table of qn_matrix_options: what every command that reads tables accepts. */
#include "quern/matrix.h"

#define INPUT    .group = "Input"
#define FEATURES .group = "Features"

static const qn_param matrix_params[] = {
    QN_PARAM_STRING(qn_matrix_options, input, NULL, "FILE",
                    "table: files, folders, or - for standard input", .required = true, INPUT),
    QN_PARAM_CHOICE_OF(qn_matrix_options, format, QN_FORMAT_AUTO, QN_FORMAT_CHOICES,
                       "format of the input, found out by name and first bytes if not given",
                       INPUT),
    QN_PARAM_CHOICE_OF(qn_matrix_options, header, 0, "auto|no|yes",
                       "whether the first line names the columns", INPUT),
    QN_PARAM_STRING(qn_matrix_options, delimiter, NULL, "CHAR",
                    "character between fields, found out if not given", .aliases = "sep", INPUT),
    QN_PARAM_STRING(qn_matrix_options, features, NULL, "COL",
                    "columns to learn from, by name or number from 0; if not given, every column "
                    "of numbers but label, weight and what a --feature reads",
                    .aliases = "features_col", FEATURES),
    QN_PARAM_STRING(qn_matrix_options, feature, NULL, "NAME=EXPR",
                    "one more feature, computed from columns: ndvi=(nir-red)/(nir+red)", FEATURES),
    QN_PARAM_STRING(qn_matrix_options, label, NULL, "COL",
                    "column of labels, by name or number from 0", .aliases = "label_col", FEATURES),
    QN_PARAM_STRING(qn_matrix_options, weight, NULL, "COL",
                    "column of the rows' weights, by name or number from 0",
                    .aliases = "weight_col", FEATURES),
    QN_PARAM_STRING(qn_matrix_options, categorical, NULL, "COL",
                    "columns of categories, numbers or texts", .aliases = "categorical_features",
                    FEATURES),
    QN_PARAM_STRING(qn_matrix_options, scale, NULL, "COL=std",
                    "features to divide by their standard deviation; the model keeps the factor "
                    "and takes raw columns",
                    FEATURES),
    QN_PARAM(qn_matrix_options, fraction, 1.0, 1e-9, 1, "share of the data to read",
             .aliases = "sample_fraction", .metavar = "F", INPUT),
    QN_PARAM_CHOICE_OF(qn_matrix_options, sample, QN_SAMPLE_FILES, QN_SAMPLE_CHOICES,
                       "what a fraction is made of: the first files by name, or pieces, rows or "
                       "rows of each label by lot",
                       INPUT),
    QN_PARAM(qn_matrix_options, sample_seed, 42, INT64_MIN, INT64_MAX, "seed of the lot",
             .metavar = "N", INPUT),
    QN_PARAM_CHOICE_OF(qn_matrix_options, on_missing, QN_MISSING_FAIL, QN_ON_MISSING_CHOICES,
                       "what to do with a row in which a value is missing or not finite", INPUT),
    QN_PARAM_CHOICE_OF(qn_matrix_options, on_bad_row, QN_BAD_ROW_FAIL, QN_ON_BAD_ROW_CHOICES,
                       "what to do with a row that cannot be read", INPUT),
    QN_PARAM_CHOICE_OF(qn_matrix_options, precision, QN_PRECISION_FLOAT, QN_PRECISION_CHOICES,
                       "type that features are held in", FEATURES),
    QN_PARAM(qn_matrix_options, partitions, 0, 0, 1048576,
             "partitions of the rows, 0: by size; moves work, never results",
             .aliases = "parts num_partitions", .metavar = "N", INPUT),
    QN_PARAM(qn_matrix_options, num_features, 0, 0, 1000000,
             "features of libsvm rows, 0: the largest index, found in a pass of its own",
             .metavar = "N", FEATURES),
    QN_PARAM(qn_matrix_options, split_bytes, 0, 0, 1099511627776,
             "bytes of a piece that one thread reads, 0: 8m; never changes results",
             .metavar = "BYTES", .hidden = true, INPUT),
};

const qn_params qn_matrix_table = {
    .name = "matrix",
    .param = matrix_params,
    .n = (int64_t)(sizeof matrix_params / sizeof matrix_params[0]),
    .struct_size = sizeof(qn_matrix_options),
};
