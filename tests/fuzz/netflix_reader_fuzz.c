/* Netflix text. The first bytes: longest line, split, types. */
#include "reader_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    const qn_source_options options = {
        .format = QN_FORMAT_NETFLIX,
        .header = -1,
        .max_line_bytes = data[0] & 1 ? 0 : 1 + data[0],
    };

    const wish w = {.types = data[2] | (uint32_t)data[3] << 8};

    fuzz_read(options, w, 1 + data[1] % 64, data + 4, size - 4);
    return 0;
}
