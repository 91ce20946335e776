/* Asked at every battle of every competitor, so it only compares what was counted before. */
#include "competitor/draw.h"

#include "base/clock.h"

const char *draw_bar_word(enum draw_bar bar)
{
    static const char *const WORDS[] = {
#define X(name, word) [name] = word,
        DRAW_BAR_MAP(X)
#undef X
    };
    return WORDS[bar];
}

static bool reached(int64_t cap, int64_t count)
{
    return cap >= 0 && count >= cap;
}

static bool is_out(const struct health *health)
{
    return health && health->outage_until_ns > clock_mono_ns();
}

static enum draw_bar bar_of(const struct competitor *competitor, int64_t battles, int64_t votes,
                            int64_t answers)
{
    const struct competitor_config *config = &competitor->config;
    return reached(config->battles_a_day, battles) ? DRAW_BATTLES
           : reached(config->votes_a_day, votes)   ? DRAW_VOTES
           : reached(config->at_once, answers)     ? DRAW_AT_ONCE
           : is_out(competitor->health)            ? DRAW_OUTAGE
                                                   : DRAW_FREE;
}

enum draw_bar draw_bar(const struct competitor *competitor, int64_t now_ms)
{
    struct health_day day = health_day(competitor->health, now_ms);
    return bar_of(competitor, day.drawn, day.votes, competitor->under_way);
}

enum draw_bar draw_bar_told(const struct competitor *competitor, int64_t now_ms)
{
    struct health_day day = health_day(competitor->health, now_ms);
    return bar_of(competitor, day.over, day.votes, 0);
}

static size_t count_well(struct competitor *const list[], size_t count, int64_t now_ms)
{
    size_t well = 0;
    for (size_t i = 0; i < count; i++)
        well +=
            list[i]->availability == COMPETITOR_ACTIVE && draw_bar(list[i], now_ms) == DRAW_FREE;
    return well;
}

size_t draw_filter(struct competitor *list[], size_t count, int64_t now_ms)
{
    bool choosy = count_well(list, count, now_ms) >= 2;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        enum draw_bar bar = draw_bar(list[i], now_ms);
        if (bar == DRAW_FREE || (bar == DRAW_OUTAGE && !choosy))
            list[kept++] = list[i];
    }
    return kept;
}
