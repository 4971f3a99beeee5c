/* Runs gnuplot: no shell, no file of ours but what the caller writes. */
#ifndef QN_EXPERIMENT_DRAW_H
#define QN_EXPERIMENT_DRAW_H

#include "base/context.h"
#include "base/text.h"

/* Hands `script` to `program` (NULL: gnuplot, found on the path) and takes what it writes to its
 * standard output. QN_EUNAVAILABLE: there is no such program, the message names the package;
 * QN_EIO: it failed, with its last words, or was not done within a minute; QN_ECANCELLED. */
qn_status qn_draw(qn_context *ctx, const char *program, const qn_string *script,
                  qn_string *picture);

#endif
