/* libsvm and lines. The first bytes: format, longest line, split, types. */
#include "reader_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    const qn_source_options options = {
        .format = data[0] & 1 ? QN_FORMAT_LIBSVM : QN_FORMAT_LINES,
        .header = -1,
        .max_line_bytes = data[1] & 1 ? 0 : 1 + data[1],
    };

    fuzz_read(options, data[3], 1 + data[2] % 64, data + 4, size - 4);
    return 0;
}
