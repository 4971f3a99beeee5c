/* Event logs of runs: lines that come from outside are read, or refused by their number. */
#include <stddef.h>
#include <stdint.h>

#include "run/evidence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const qn_context_options options = {.memory = (size_t)256 << 20, .threads = 1};
    qn_context *ctx = NULL;
    qn_evidence evidence;
    qn_string text = {0};
    qn_json j = {0};

    if (qn_context_create(&options, &ctx) != QN_OK)
        return 0;
    if (qn_evidence_read(ctx, (const char *)data, size, &evidence) == QN_OK) {
        qn_evidence_text(&evidence, &text);
        qn_json_open(&j, NULL, '{');
        qn_evidence_json(&evidence, &j);
        qn_json_close(&j, '}');
    }
    qn_evidence_release(&evidence);
    qn_string_release(&text);
    qn_json_release(&j);
    qn_context_free(ctx);
    return 0;
}
