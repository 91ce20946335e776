/* A small random generator for tests, C and C++: the same numbers everywhere, from `random_state`.
 */
#ifndef TESTS_RANDOM_NUMBERS_H
#define TESTS_RANDOM_NUMBERS_H

#include <stdint.h>

static uint64_t random_state = 42;

static inline uint32_t random_bits(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) ^ (uint32_t)(random_state >> 13);
}

static inline int random_below(int n)
{
    return (int)(random_bits() % (uint32_t)n);
}

/* Roughly normal, variance 1. */
static inline float random_normal(void)
{
    float sum = 0;
    for (int i = 0; i < 12; i++)
        sum += (float)(random_bits() & 0xffff) / 65536;
    return sum - 6;
}

#endif
