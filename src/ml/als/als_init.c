/* Where the sweeps start. `random` draws each row by its id alone. `spark` draws what Spark draws
 * for the same seed and blocks (XORShiftRandom, Marsaglia's polar method, one generator a block).
 */
#include <math.h>
#include <string.h>

#include "base/math.h"
#include "base/rng.h"
#include "ml/als/als_impl.h"

uint64_t als_id_key(const qn_ids *ids, int64_t index)
{
    if (ids->type != QN_ID_STRING)
        return (uint64_t)ids->number[index];
    return qn_text_key(ids->text + ids->offset[index], ids->offset[index + 1] - ids->offset[index]);
}

/* Divides by the length, taken in double in the order of columns. */
static void als_normalise(int32_t rank, float *row)
{
    double squares = 0;

    for (int32_t f = 0; f < rank; f++)
        squares += (double)row[f] * (double)row[f];
    if (squares > 0) {
        const float length = (float)sqrt(squares);

        for (int32_t f = 0; f < rank; f++)
            row[f] /= length;
    }
}

void als_init_random(const als_start *start, int64_t first, int64_t end)
{
    const qn_als_params *params = start->params;

    for (int64_t i = first; i < end; i++) {
        const uint64_t key = als_id_key(start->ids, i);
        float *row = start->factors + i * start->stride;

        if (start->degree[i] == 0)
            continue;
        for (int32_t f = 0; f < params->rank; f += 2) {
            const uint64_t column = (uint64_t)start->side << 32 | (uint32_t)f;
            const qn_random random = qn_philox(params->seed, QN_STREAM_FACTORS, key, column);
            double normal[2];

            qn_normal_pair(&random, normal);
            row[f] = (float)normal[0];
            if (f + 1 < params->rank)
                row[f + 1] = (float)normal[1];
        }
        als_normalise(params->rank, row);
    }
}

/* org.apache.spark.util.random.XORShiftRandom with java.util.Random's algorithms over it. */
typedef struct spark_random {
    uint64_t seed;
    double next_gaussian;
    bool has_gaussian;
} spark_random;

static uint32_t rotate_left(uint32_t x, int bits)
{
    return x << bits | x >> (32 - bits);
}

/* MurmurHash3 x86_32 of 8 bytes, as scala.util.hashing.MurmurHash3.bytesHash. */
static uint32_t murmur3_of_8(const uint8_t bytes[8], uint32_t seed)
{
    uint32_t h = seed;

    for (int i = 0; i < 8; i += 4) {
        uint32_t k = (uint32_t)bytes[i] | (uint32_t)bytes[i + 1] << 8 |
                     (uint32_t)bytes[i + 2] << 16 | (uint32_t)bytes[i + 3] << 24;

        k = rotate_left(k * 0xcc9e2d51U, 15) * 0x1b873593U;
        h = rotate_left(h ^ k, 13) * 5 + 0xe6546b64U;
    }
    h ^= 8;
    h = (h ^ h >> 16) * 0x85ebca6bU;
    h = (h ^ h >> 13) * 0xc2b2ae35U;
    return h ^ h >> 16;
}

static spark_random spark_random_of(int64_t seed)
{
    const uint32_t array_seed = 0x3c074a61U; /* MurmurHash3.arraySeed */
    uint8_t bytes[8];
    uint32_t low = 0;

    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)seed >> (56 - 8 * i));
    low = murmur3_of_8(bytes, array_seed);
    return (spark_random){.seed = (uint64_t)murmur3_of_8(bytes, low) << 32 | low};
}

static int32_t spark_next(spark_random *random, int bits)
{
    uint64_t s = random->seed;

    s ^= s << 21;
    s ^= s >> 35;
    s ^= s << 4;
    random->seed = s;
    return (int32_t)(uint32_t)(s & ((UINT64_C(1) << bits) - 1));
}

static int64_t spark_next_long(spark_random *random)
{
    const uint64_t high = (uint64_t)(int64_t)spark_next(random, 32) << 32;

    return (int64_t)(high + (uint64_t)(int64_t)spark_next(random, 32));
}

static double spark_next_double(spark_random *random)
{
    const int64_t high = (int64_t)spark_next(random, 26) << 27;

    return (double)(high + spark_next(random, 27)) * 0x1p-53;
}

static double spark_next_gaussian(spark_random *random)
{
    double v1 = 0;
    double v2 = 0;
    double s = 0;
    double scale = 0;

    if (random->has_gaussian) {
        random->has_gaussian = false;
        return random->next_gaussian;
    }
    do {
        v1 = 2 * spark_next_double(random) - 1;
        v2 = 2 * spark_next_double(random) - 1;
        s = v1 * v1 + v2 * v2;
    } while (s >= 1 || s == 0);
    scale = sqrt(-2 * qn_log(s) / s);
    random->next_gaussian = v2 * scale;
    random->has_gaussian = true;
    return v1 * scale;
}

/* scala.util.hashing.byteswap64 */
static int64_t scala_byteswap64(int64_t value)
{
    const uint64_t factor = UINT64_C(0x9e3775cd9e3775cd);

    return (int64_t)(__builtin_bswap64((uint64_t)value * factor) * factor);
}

/* The seed of a side: the first number of the fit's generator is the users', the second the items'.
 */
static int64_t spark_side_seed(int64_t seed, qn_side side)
{
    spark_random random = spark_random_of(seed);
    const int64_t users = spark_next_long(&random);

    return side == QN_SIDE_USER ? users : spark_next_long(&random);
}

qn_status als_init_spark(qn_context *ctx, const als_start *start)
{
    qn_status st = QN_OK;
    const qn_als_params *params = start->params;
    const bool is_user = start->side == QN_SIDE_USER;
    const int32_t n_blocks = is_user ? params->num_user_blocks : params->num_item_blocks;
    const int64_t seed = spark_side_seed(params->seed, start->side);
    spark_random *block = NULL;

    if (start->ids->type != QN_ID_INT32)
        return qn_fail(ctx, QN_EINVAL,
                       "init spark needs int32 ids, as Spark does; the %s ids are %s: "
                       "leave out --init spark",
                       is_user ? "user" : "item",
                       start->ids->type == QN_ID_INT64 ? "int64" : "text");
    QN_NEW(ctx, block, n_blocks, "generators of blocks");
    for (int32_t b = 0; b < n_blocks; b++)
        block[b] = spark_random_of(scala_byteswap64(seed ^ b));
    for (int64_t i = 0; i < start->ids->n; i++) { /* ascending ids: ascending in each block too */
        const int64_t mod = start->ids->number[i] % n_blocks;
        float *row = start->factors + i * start->stride;

        if (start->degree[i] == 0)
            continue; /* Spark does not see this id */
        for (int32_t f = 0; f < params->rank; f++)
            row[f] = (float)spark_next_gaussian(&block[mod < 0 ? mod + n_blocks : mod]);
        als_normalise(params->rank, row);
    }
done:
    qn_free(block);
    return st;
}
