/* How a competitor has been doing since the process began: answers, failures by class, latencies,
 * spending, voids and swaps.
 *
 * A book has one page for each name, whatever its versions; pages stay until health_book_done. What
 * is counted here may be read by people who vote: so whoever counts does it when the battle is
 * over, never before. Loop's thread only. */
#ifndef ARENA_COMPETITOR_HEALTH_H
#define ARENA_COMPETITOR_HEALTH_H

#include "competitor/competitor.h"
#include "competitor/tempo.h"

/* Quarter octaves from 1 ms: a quantile is right to a tenth, up to days. */
#define HEALTH_BUCKETS 112

struct health_latency {
    uint32_t count[HEALTH_BUCKETS];
    uint64_t total;
    double seconds; /* the sum */
};

/* What it had on one day (UTC). */
struct health_day {
    int64_t day;                /* since 1970 */
    int64_t drawn, over, votes; /* battles that began, that are over, counted votes on it */
};

struct health {
    char *name;
    uint32_t recent; /* the last LIMIT_OUTAGE_ANSWERS answers, the latest lowest: 1 failed */
    int64_t outage_until_ns; /* it is not drawn before (clock_mono_ns); past: no outage */
    struct health_day today; /* health_day tells it */
    uint64_t answers;        /* of all ends but failures */
    uint64_t failures;
    uint64_t faults[CHAT_ERROR_CLASSES]; /* attempts; under CHAT_OK: truncated ones */
    uint64_t voids, swaps; /* battles that became void by it, that it was replaced in */
    struct health_latency first_token, whole;
    struct tempo tempo;       /* told to nobody, and so kept up to date at once */
    bool thinks;              /* its limit is spent on thoughts too: it was seen to */
    double spent_usd;         /* where the cost was known */
    uint64_t unpriced;        /* answers whose cost nobody knows */
    int64_t cooling_until_ns; /* its key's cooldown as last seen (clock_mono_ns) */
    struct health *next;
};

/* What one answer, or one failure, adds. */
struct health_fact {
    bool failed, voided, swapped;
    unsigned faults[CHAT_ERROR_CLASSES];
    int64_t first_content_ns, total_ns; /* 0: none */
    double cost_usd;                    /* NaN: unknown */
    int64_t cooling_until_ns;
};

struct health_book {
    struct health *first;
};

struct health *health_book_find(struct health_book *book,
                                const char *name); /* new where it is not; NULL without memory */
void health_book_done(struct health_book *book);

void health_count(struct health *health, const struct health_fact *fact); /* NULL: nothing */

/* The day of this time (clock_wall_ms), all zero where nothing was counted on it. NULL: likewise.
 */
struct health_day health_day(const struct health *health, int64_t now_ms);
/* Adds to the day of this time; `day` of what is added is not read. NULL: nothing. */
void health_add_day(struct health *health, struct health_day add, int64_t now_ms);

/* Of the last answers that are looked at, how many failed. */
int health_recent_failures(const struct health *health);

/* The latency in seconds that this share of answers stayed under; NaN: there were none. */
double health_quantile(const struct health_latency *latency, double share);

#endif
