/* Open addressing over a fixed table that is made once: what a flood of addresses can take is
 * known beforehand. A look goes over a few neighbouring places; when all are taken, the one that
 * would be full soonest gives way, because forgetting a full bucket changes nothing. A bucket
 * keeps the time at which it will be full again: that one number is all its state. */
#include "people/rates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"

enum { NEIGHBOURS = 8 };

struct limit {
    double per_minute, burst;
    const char *words;
};
static const struct limit DEFAULTS[RATE_KINDS] = {
#define X(kind, per_minute, burst, words) {per_minute, burst, words},
    RATE_MAP(X)
#undef X
};

struct bucket {
    uint64_t key;    /* of kind and who; 0: never used */
    int64_t full_ns; /* when it will be full; in the past: it is */
};

struct rates {
    struct limit limits[RATE_KINDS];
    uint64_t seed; /* so that nobody can choose names that fall together */
    struct bucket buckets[LIMIT_RATE_BUCKETS];
};

struct rates *rates_new(void)
{
    struct rates *rates = calloc(1, sizeof *rates);
    if (rates == NULL)
        return NULL;
    memcpy(rates->limits, DEFAULTS, sizeof DEFAULTS);
    random_bytes(&rates->seed, sizeof rates->seed);
    return rates;
}

void rates_free(struct rates *rates)
{
    free(rates);
}

void rates_set(struct rates *rates, enum rate_kind kind, double per_minute, double burst)
{
    rates->limits[kind].per_minute = per_minute;
    rates->limits[kind].burst = burst >= 1 ? burst : 1;
}

static uint64_t key_of(const struct rates *rates, enum rate_kind kind, const char *who)
{
    uint64_t hash = rates->seed ^ (uint64_t)kind;
    for (const char *c = who; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x9e3779b97f4a7c15) + (hash >> 29);
    hash ^= hash >> 32;
    return hash != 0 ? hash : 1;
}

static struct bucket *bucket_of(struct rates *rates, uint64_t key, int64_t now)
{
    struct bucket *best = NULL;
    for (uint64_t i = 0; i < NEIGHBOURS; i++) {
        struct bucket *bucket = &rates->buckets[(key + i) % LIMIT_RATE_BUCKETS];
        if (bucket->key == key)
            return bucket;
        if (best == NULL || bucket->full_ns < best->full_ns)
            best = bucket;
    }
    *best = (struct bucket){key, now};
    return best;
}

static bool refuse(const struct limit *limit, double wait_s, int *retry_after_s, struct err *err)
{
    int seconds = wait_s < 1 ? 1 : (int)ceil(wait_s);
    if (retry_after_s != NULL)
        *retry_after_s = seconds;
    return err_set(err, ERR_TOO_MANY, "too many %s: at most %g a minute; try again in %d s",
                   limit->words, limit->per_minute, seconds);
}

bool rates_take(struct rates *rates, enum rate_kind kind, const char *who, int *retry_after_s,
                struct err *err)
{
    const struct limit *limit = &rates->limits[kind];
    if (limit->per_minute <= 0)
        return true;
    int64_t now = clock_mono_ns();
    double token_ns = 60e9 / limit->per_minute; /* a token comes back in this time */
    struct bucket *bucket = bucket_of(rates, key_of(rates, kind, who), now);
    int64_t full = bucket->full_ns > now ? bucket->full_ns : now;
    double missing = (double)(full - now) / token_ns; /* tokens taken and not yet back */
    if (missing + 1 > limit->burst + 1e-9)
        return refuse(limit, (missing + 1 - limit->burst) * token_ns / 1e9, retry_after_s, err);
    bucket->full_ns = full + (int64_t)token_ns;
    return true;
}
