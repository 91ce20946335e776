/* Randomness of two kinds. `random_bytes` is the system's, for ids, tokens and nonces. `struct
 * rng` is a counter-based generator for everything that must be repeatable: draw k of (seed,
 * stream) is a pure function of the three, so results do not depend on what else draws. Any
 * thread; an rng belongs to its owner. */
#ifndef ARENA_BASE_RANDOM_H
#define ARENA_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *out, size_t length); /* aborts if the system has none to give */

/* 128 random bits as 26 characters of Crockford's base 32 in lower case, NUL-terminated: a
 * battle's or voter's id. */
#define RANDOM_ID_LENGTH 26
void random_id(char out[RANDOM_ID_LENGTH + 1]);

struct rng {
    uint64_t key;
    uint64_t counter;
};

void rng_init(struct rng *rng, uint64_t seed, uint64_t stream);
uint64_t rng_next(struct rng *rng);  /* 64 uniform bits */
double rng_uniform(struct rng *rng); /* uniform in [0, 1) with 53 bits */
uint64_t rng_below(struct rng *rng,
                   uint64_t limit); /* uniform in [0, limit), unbiased; limit > 0 */

#endif
