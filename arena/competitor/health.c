#include "competitor/health.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"

#define BUCKETS_AN_OCTAVE 4
#define LEAST_S 1e-3

struct health *health_book_find(struct health_book *book, const char *name)
{
    for (struct health *at = book->first; at; at = at->next)
        if (strcmp(at->name, name) == 0)
            return at;
    struct health *health = calloc(1, sizeof *health);
    if (!health || !(health->name = strdup(name))) {
        free(health);
        return NULL;
    }
    health->next = book->first;
    return book->first = health;
}

void health_book_done(struct health_book *book)
{
    while (book->first) {
        struct health *health = book->first;
        book->first = health->next;
        free(health->name);
        free(health);
    }
}

static void count_latency(struct health_latency *latency, int64_t ns)
{
    if (ns <= 0)
        return;
    double seconds = (double)ns / 1e9, place = BUCKETS_AN_OCTAVE * log2(seconds / LEAST_S);
    int bucket = place < 0 ? 0 : place < HEALTH_BUCKETS - 1 ? (int)place : HEALTH_BUCKETS - 1;
    latency->count[bucket]++;
    latency->total++;
    latency->seconds += seconds;
}

enum { DAY_MS = 86400000 };

struct health_day health_day(const struct health *health, int64_t now_ms)
{
    int64_t day = now_ms / DAY_MS;
    return health && health->today.day == day ? health->today : (struct health_day){.day = day};
}

void health_add_day(struct health *health, struct health_day add, int64_t now_ms)
{
    if (!health)
        return;
    health->today = health_day(health, now_ms);
    health->today.drawn += add.drawn;
    health->today.over += add.over;
    health->today.votes += add.votes;
}

int health_recent_failures(const struct health *health)
{
    return __builtin_popcount(health->recent);
}

/* An outage ends by itself: the next failure then begins another, an answer leads out of it. */
static void watch(struct health *health, bool failed)
{
    health->recent = (health->recent << 1 | failed) & ((UINT32_C(1) << LIMIT_OUTAGE_ANSWERS) - 1);
    if (failed && health_recent_failures(health) >= LIMIT_OUTAGE_FAILURES)
        health->outage_until_ns = clock_mono_ns() + LIMIT_OUTAGE_SECONDS * CLOCK_S;
    else if (!failed)
        health->outage_until_ns = 0;
}

void health_count(struct health *health, const struct health_fact *fact)
{
    if (!health)
        return;
    health->answers += !fact->failed;
    health->failures += fact->failed;
    watch(health, fact->failed);
    health->voids += fact->voided;
    health->swaps += fact->swapped;
    for (int class = 0; class < CHAT_ERROR_CLASSES; class ++)
        health->faults[class] += fact->faults[class];
    if (!fact->failed) {
        count_latency(&health->first_token, fact->first_content_ns);
        count_latency(&health->whole, fact->total_ns);
    }
    if (isnan(fact->cost_usd))
        health->unpriced++;
    else
        health->spent_usd += fact->cost_usd;
    if (fact->cooling_until_ns > health->cooling_until_ns)
        health->cooling_until_ns = fact->cooling_until_ns;
}

double health_quantile(const struct health_latency *latency, double share)
{
    double wanted = share * (double)latency->total, seen = 0;
    for (int bucket = 0; latency->total && bucket < HEALTH_BUCKETS; bucket++) {
        seen += latency->count[bucket];
        if (seen >= wanted && latency->count[bucket])
            return LEAST_S * exp2((bucket + 0.5) / BUCKETS_AN_OCTAVE);
    }
    return NAN;
}
