/* What saving and loading an ALS model share. */
#ifndef QN_ML_ALS_DIR_H
#define QN_ML_ALS_DIR_H

#include "ml/model_dir.h"
#include "quern/als.h"

#define ALS_CLASS    "org.apache.spark.ml.recommendation.ALSModel"
#define ALS_USER_IDS "quern/userIds.parquet"
#define ALS_ITEM_IDS "quern/itemIds.parquet"
#define ALS_COUNTS   "quern/itemCounts.parquet"

/* Whether Spark's int32 cannot hold these ids, so that factors are saved by index. */
bool als_ids_need_map(const qn_ids *ids);

#endif
