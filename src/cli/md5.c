/* MD5 as RFC 1321 describes it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/fetch.h"

/* Rotations of the four rounds. */
static const uint8_t rotation[4][4] = {
    {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static uint32_t rotate(uint32_t x, uint32_t n)
{
    return x << n | x >> (32 - n);
}

static uint32_t mix(uint32_t step, const uint32_t s[4])
{
    switch (step / 16) {
    case 0:
        return (s[1] & s[2]) | (~s[1] & s[3]);
    case 1:
        return (s[3] & s[1]) | (~s[3] & s[2]);
    case 2:
        return s[1] ^ s[2] ^ s[3];
    default:
        return s[2] ^ (s[1] | ~s[3]);
    }
}

static void add_block(uint32_t state[4], const unsigned char *block)
{
    static const uint32_t stride[4] = {1, 5, 3, 7}, start[4] = {0, 1, 5, 0};
    uint32_t s[4], word[16];

    memcpy(s, state, sizeof s);
    for (uint32_t i = 0; i < 16; i++)
        word[i] = (uint32_t)block[4 * i] | (uint32_t)block[4 * i + 1] << 8 |
                  (uint32_t)block[4 * i + 2] << 16 | (uint32_t)block[4 * i + 3] << 24;
    for (uint32_t i = 0; i < 64; i++) {
        const uint32_t round = i / 16;
        const uint32_t k = (start[round] + i % 16 * stride[round]) % 16;
        const uint32_t sine = (uint32_t)(int64_t)floor(fabs(sin((double)(i + 1))) * 0x1p32);
        const uint32_t sum = s[0] + mix(i, s) + sine + word[k];
        const uint32_t next = s[1] + rotate(sum, rotation[round][i % 4]);

        s[0] = s[3];
        s[3] = s[2];
        s[2] = s[1];
        s[1] = next;
    }
    for (uint32_t i = 0; i < 4; i++)
        state[i] += s[i];
}

void qn_md5_init(qn_md5 *md5)
{
    static const uint32_t first[4] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476};

    memset(md5, 0, sizeof *md5);
    memcpy(md5->state, first, sizeof first);
}

void qn_md5_add(qn_md5 *md5, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;

    while (n > 0) {
        const size_t at = md5->n_bytes % 64;
        const size_t part = n < 64 - at ? n : 64 - at;

        memcpy(md5->block + at, p, part);
        md5->n_bytes += part;
        p += part;
        n -= part;
        if (md5->n_bytes % 64 == 0)
            add_block(md5->state, md5->block);
    }
}

void qn_md5_end(qn_md5 *md5, char digest[33])
{
    const uint64_t bits = md5->n_bytes * 8;
    unsigned char length[8];

    for (uint32_t i = 0; i < 8; i++)
        length[i] = (unsigned char)(bits >> (8 * i));
    qn_md5_add(md5, "\x80", 1);
    while (md5->n_bytes % 64 != 56)
        qn_md5_add(md5, "", 1);
    qn_md5_add(md5, length, 8);
    for (uint32_t i = 0; i < 16; i++)
        snprintf(digest + 2 * i, 3, "%02x", (md5->state[i / 4] >> (8 * (i % 4))) & 0xFF);
}
