/* How the commands that change data sets show what became of the rows. */
#ifndef QN_CLI_SHOW_UPSERT_H
#define QN_CLI_SHOW_UPSERT_H

#include "cli/command.h"
#include "lifecycle/upsert.h"

/* "read      1,000,000 rows, 3 bad (2 malformed, 1 null); 24 MB" and the first bad row; files that
 * had been taken before. `name` stands before the line: "read", "train". */
void qn_show_upsert_read(const qn_terminal *out, const char *name, const qn_upsert_result *result);
/* One data set: rows written, duplicate, replaced; before and after; files. */
void qn_show_upsert_side(const qn_upsert_side *side, bool dry_run);
/* Record and time. */
void qn_show_upsert_end(const qn_cli *cli, const qn_upsert_result *result,
                        const qn_upsert_options *options, double total_s);

#endif
