/* Everything. */
#ifndef QUERN_QUERN_H
#define QUERN_QUERN_H

#include "quern/als.h"
#include "quern/arrow.h"
#include "quern/context.h"
#include "quern/event.h"
#include "quern/kmeans.h"
#include "quern/matrix.h"
#include "quern/metrics.h"
#include "quern/model.h"
#include "quern/param.h"
#include "quern/ratings.h"
#include "quern/sink.h"
#include "quern/source.h"
#include "quern/status.h"

#endif
