/* The generator is splitmix64's finaliser over a Weyl counter (Steele, Lea, Flood 2014): two
 * multiplications a draw and good enough for sampling and bootstraps; keys of different streams
 * are themselves hashed apart. */
#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *out, size_t length)
{
    char *at = out;
    while (length) {
        ssize_t n = getrandom(at, length, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            abort();
        at += n;
        length -= (size_t)n;
    }
}

void random_id(char out[RANDOM_ID_LENGTH + 1])
{
    static const char DIGITS[] = "0123456789abcdefghjkmnpqrstvwxyz";
    unsigned char bytes[17] = {0}; /* 16 random ones, and zeros to make the last digits of */
    random_bytes(bytes, 16);
    for (unsigned i = 0; i < RANDOM_ID_LENGTH; i++) {
        unsigned bit = i * 5, pair = (unsigned)bytes[bit / 8] << 8 | bytes[bit / 8 + 1];
        out[i] = DIGITS[pair >> (11 - bit % 8) & 31];
    }
    out[RANDOM_ID_LENGTH] = '\0';
}

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void rng_init(struct rng *rng, uint64_t seed, uint64_t stream)
{
    rng->key =
        mix(mix(seed + UINT64_C(0x9e3779b97f4a7c15)) ^ (stream * UINT64_C(0xd1342543de82ef95) + 1));
    rng->counter = 0;
}

uint64_t rng_next(struct rng *rng)
{
    return mix(rng->key + UINT64_C(0x9e3779b97f4a7c15) * ++rng->counter);
}

double rng_uniform(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

uint64_t rng_below(struct rng *rng, uint64_t limit)
{
    uint64_t tail = (0 - limit) % limit; /* draws below this would favour small values */
    for (;;) {
        uint64_t draw = rng_next(rng);
        if (draw >= tail)
            return draw % limit;
    }
}
