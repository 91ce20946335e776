/* Who may be drawn now: what keeps an active competitor out of a battle for a while.
 *
 * Its caps (battles or votes on a day, answers at once), which are set, and an outage, which is
 * found: LIMIT_OUTAGE_FAILURES of its last LIMIT_OUTAGE_ANSWERS answers failed. Counts are kept
 * with its health, by name. Loop's thread only. */
#ifndef ARENA_COMPETITOR_DRAW_H
#define ARENA_COMPETITOR_DRAW_H

#include <stddef.h>
#include <stdint.h>

#include "competitor/health.h"

/* What bars it, and the word for that. */
#define DRAW_BAR_MAP(X)                                                                            \
    X(DRAW_FREE, NULL)                                                                             \
    X(DRAW_BATTLES, "battles_a_day")                                                               \
    X(DRAW_VOTES, "votes_a_day")                                                                   \
    X(DRAW_AT_ONCE, "at_once")                                                                     \
    X(DRAW_OUTAGE, "outage")
enum draw_bar {
#define X(name, word) name,
    DRAW_BAR_MAP(X)
#undef X
};
const char *draw_bar_word(enum draw_bar bar);

/* The first that holds at this time (clock_wall_ms). */
enum draw_bar draw_bar(const struct competitor *competitor, int64_t now_ms);

/* The same as whoever votes may know it: counts battles that are over and no answer under way. */
enum draw_bar draw_bar_told(const struct competitor *competitor, int64_t now_ms);

/* Leaves those out of the list who may not be drawn, and gives how many stay. Who is out by an
 * outage stays where fewer than two active ones would: an answer that may fail is better than
 * none. */
size_t draw_filter(struct competitor *list[], size_t count, int64_t now_ms);

#endif
