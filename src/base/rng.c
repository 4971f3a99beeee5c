#include "base/rng.h"

#include <math.h>

#include <Random123/philox.h>
#include <xxhash.h>

#include "base/math.h"

/* The key is the seed XOR a large odd multiple of the stream, and the counter is (a, b) in full. So
 * for one seed no two streams share a key, for one stream no two seeds do, and the same pair of
 * numbers in one stream never gives the same counter for different things. */
#define STREAM_STEP 0x9e3779b97f4a7c15u /* odd, bits well spread: 2^64 / golden ratio */

uint64_t qn_philox_key(int64_t seed, qn_stream stream)
{
    return (uint64_t)seed ^ (uint64_t)stream * STREAM_STEP;
}

qn_random qn_philox(int64_t seed, qn_stream stream, uint64_t a, uint64_t b)
{
    const uint64_t key = qn_philox_key(seed, stream);
    const philox4x32_key_t k = {{(uint32_t)key, (uint32_t)(key >> 32)}};
    const philox4x32_ctr_t c = {
        {(uint32_t)a, (uint32_t)(a >> 32), (uint32_t)b, (uint32_t)(b >> 32)}};
    const philox4x32_ctr_t r = philox4x32_R(10, c, k);

    return (qn_random){{r.v[0], r.v[1], r.v[2], r.v[3]}};
}

uint64_t qn_text_key(const char *text, int64_t length)
{
    return XXH3_64bits(text, (size_t)length);
}

double qn_uniform(const qn_random *random, int32_t i)
{
    const uint64_t high = random->word[i] >> 5, low = random->word[i + 1] >> 6;

    return (double)(high << 26 | low) * 0x1p-53;
}

void qn_normal_pair(const qn_random *random, double out[2])
{
    /* 1 - [0, 1) is exact and never 0. */
    const double radius = sqrt(-2.0 * qn_log(1.0 - qn_uniform(random, 0)));
    double sine, cosine;

    qn_sincos2pi(qn_uniform(random, 2), &sine, &cosine);
    out[0] = radius * cosine;
    out[1] = radius * sine;
}
