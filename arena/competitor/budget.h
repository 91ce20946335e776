/* Money that may be spent in a day (UTC), enforced before a request is admitted.
 *
 * Embedded by value; loop's thread only. A request first holds its worst case, so that many at once
 * cannot pass the limit together; when it is over, what it cost is spent in its place (the worst
 * case where nobody knows). A new day starts from nothing, with what is still held. */
#ifndef ARENA_COMPETITOR_BUDGET_H
#define ARENA_COMPETITOR_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct budget {
    const char *name; /* the competitor's; "": everybody's. Borrowed */
    double limit_usd; /* a day; NaN: none */
    double spent_usd, held_usd;
    int64_t day; /* since 1970 */
    /* What was spent or is held has changed: to be written down. NULL: nobody writes. */
    void (*moved)(void *user, const struct budget *budget);
    void *user;
};

void budget_init(struct budget *budget, double limit_usd);

/* Is there room for `worst_usd` more at this time (clock_wall_ms)? Always where there is no
 * limit. */
bool budget_has_room(struct budget *budget, double worst_usd, int64_t now_ms);

/* What an earlier process had spent on a day; counts where that day is today. */
void budget_restore(struct budget *budget, int64_t day, double usd, int64_t now_ms);

void budget_hold(struct budget *budget, double worst_usd);
void budget_settle(struct budget *budget, double held_usd, double cost_usd,
                   int64_t now_ms); /* cost NaN: as held */

#endif
