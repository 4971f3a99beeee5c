/* Sinks that write text: delimited, and one JSON object a line. */
#ifndef QN_DATA_SINK_TEXT_H
#define QN_DATA_SINK_TEXT_H

#include "quern/sink.h"

/* Fields are quoted as RFC 4180 says where they hold the delimiter, a quote or a line end; with
 * "::" there are no quotes, and such a value is refused. */
qn_status qn_delimited_sink_open(qn_context *ctx, const qn_sink_options *options,
                                 const qn_schema *schema, const char *delimiter, qn_sink **sink);
qn_status qn_json_sink_open(qn_context *ctx, const qn_sink_options *options,
                            const qn_schema *schema, qn_sink **sink);

#endif
