/* Delimited text. The first bytes: format and header, delimiter and whether only numbers are asked
 * for and leniently, longest line, split, types. */
#include "reader_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const qn_format format[] = {QN_FORMAT_AUTO, QN_FORMAT_CSV, QN_FORMAT_TSV, QN_FORMAT_DAT};
    static const char delimiter[] = {0, 0, 0, ',', ';', '|', ' ', ':'};

    if (size < 8)
        return 0;
    const qn_source_options options = {
        .format = format[data[0] & 3],
        .header = (data[0] >> 2) % 3 - 1,
        .delimiter = delimiter[data[1] & 7],
        .max_line_bytes = data[2] & 1 ? 0 : 1 + data[2],
    };
    const wish w = {
        .types = data[4] | (uint32_t)data[5] << 8 | (uint32_t)data[6] << 16,
        .only_reals = data[1] & 0x40,
        .is_lenient = data[1] & 0x80,
    };

    fuzz_read(options, w, 1 + data[3] % 64, data + 7, size - 7);
    return 0;
}
