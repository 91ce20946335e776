/* The votes are sorted by day once; every point is then a prefix of them, and its board is made by
 * the same code as any other. */
#include "board/history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "board/day.h"

#define WEEK 7
#define DAYS (UINT16_MAX + 1)

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "no memory for a leaderboard's history");
}

/* Stable, by day; votes without one are left out. The sorted ballots own their rows. */
static bool sort_by_day(struct ballots *sorted, const struct ballots *ballots, struct err *err)
{
    size_t *start = calloc(DAYS + 1, sizeof *start), features = ballots->features;
    *sorted = *ballots;
    sorted->rows = malloc((ballots->count + 1) * sizeof *sorted->rows);
    sorted->x = features ? malloc((ballots->count * features + 1) * sizeof *sorted->x) : NULL;
    sorted->weight = ballots->weighted ? malloc((ballots->count + 1) * sizeof(float)) : NULL;
    bool ok =
        start && sorted->rows && (sorted->x || !features) && (sorted->weight || !ballots->weighted);
    for (size_t k = 0; ok && k < ballots->count; k++)
        start[ballots->rows[k].day + 1]++;
    size_t unknown = ok ? start[1] : 0;
    for (size_t day = 0; ok && day < DAYS; day++)
        start[day + 1] = day ? start[day + 1] + start[day] : 0;
    for (size_t k = 0; ok && k < ballots->count; k++) {
        if (ballots->rows[k].day == 0)
            continue;
        size_t at = start[ballots->rows[k].day]++;
        sorted->rows[at] = ballots->rows[k];
        if (features)
            memcpy(sorted->x + at * features, ballots->x + k * features, features * sizeof(float));
        if (sorted->weight)
            sorted->weight[at] = ballots->weight[k];
    }
    sorted->count = sorted->capacity = ballots->count - unknown;
    free(start);
    if (!ok)
        ballots_done(sorted);
    return ok || no_memory(err);
}

/* The day after the step that `day` is in: of days, weeks (from the first vote on) or months. */
static uint16_t next_step(uint16_t day, uint16_t first, uint16_t last, unsigned months)
{
    unsigned span = (unsigned)last - first + 1, next;
    if (span <= LEADERBOARD_HISTORY_MAX * WEEK) {
        unsigned step = span <= LEADERBOARD_HISTORY_MAX ? 1 : WEEK;
        next = first + ((unsigned)day - first) / step * step + step;
        return (uint16_t)(next < UINT16_MAX ? next : UINT16_MAX);
    }
    for (unsigned k = 0; k < months; k++)
        day = day_next_month(day);
    return day;
}

/* The last days of the steps, the last vote's among them. Months are joined until there are few
 * enough. */
static size_t find_days(uint16_t days[LEADERBOARD_HISTORY_MAX], uint16_t first, uint16_t last)
{
    for (unsigned months = 1;; months++) {
        size_t count = 0;
        uint16_t next = first;
        while (next <= last && next < UINT16_MAX && count <= LEADERBOARD_HISTORY_MAX) {
            next = next_step(next, first, last, months);
            if (count < LEADERBOARD_HISTORY_MAX)
                days[count] = next > last ? last : (uint16_t)(next - 1);
            count++;
        }
        if (count <= LEADERBOARD_HISTORY_MAX)
            return count;
    }
}

/* The ratings of one prefix, in the order of `board`'s models; none where the method cannot fit so
 * few votes (Davidson's without a tie). */
static bool rate_point(const struct leaderboard *board, const struct leaderboard_votes *votes,
                       const struct ballots *prefix, double *ratings, struct err *err)
{
    struct tally tally;
    struct leaderboard_votes until = *votes;
    struct leaderboard_options options = board->options;
    struct leaderboard *point = NULL;
    struct err why = ERR_INIT;
    options.detail = options.simultaneous = false;
    options.rounds = 1;
    options.interval =
        options.method == LEADERBOARD_ELO ? LEADERBOARD_CI_DEFAULT : LEADERBOARD_CI_SANDWICH;
    tally_init(&tally);
    until.tally = &tally;
    until.ballots = prefix;
    until.groups = NULL;
    if (tally_grow(&tally, votes->tally->models, &why) && ballots_tally(prefix, &tally, &why))
        point = leaderboard_fit(&until, &options, &why);
    for (size_t k = 0; k < board->model_count; k++) {
        ratings[k] = NAN;
        for (size_t p = 0; point && p < point->model_count; p++)
            if (point->models[p].model == board->models[k].model)
                ratings[k] = point->models[p].rating;
    }
    tally_done(&tally);
    bool ok = point || why.code == ERR_FORMAT || why.code == ERR_BAD_REQUEST;
    if (!ok && err)
        *err = why;
    leaderboard_free(point);
    return ok;
}

static bool rate_points(struct leaderboard *board, const struct leaderboard_votes *votes,
                        const struct ballots *sorted, struct err *err)
{
    struct leaderboard_history *history = &board->history;
    struct ballots prefix = *sorted;
    size_t n = board->model_count;
    history->count =
        find_days(history->day, sorted->rows[0].day, sorted->rows[sorted->count - 1].day);
    history->rating = calloc(history->count * n + 1, sizeof *history->rating);
    if (!history->rating)
        return no_memory(err);
    prefix.count = 0;
    for (size_t k = 0; k < history->count; k++) {
        while (prefix.count < sorted->count && sorted->rows[prefix.count].day <= history->day[k])
            prefix.count++;
        if (!rate_point(board, votes, &prefix, history->rating + k * n, err))
            return false;
    }
    return true;
}

bool history_fill(struct leaderboard *board, const struct leaderboard_votes *votes, struct err *err)
{
    struct ballots sorted;
    if (!votes->ballots || !votes->ballots->count)
        return true;
    if (!sort_by_day(&sorted, votes->ballots, err))
        return false;
    bool several = sorted.count && sorted.rows[0].day < sorted.rows[sorted.count - 1].day;
    bool ok = !several || rate_points(board, votes, &sorted, err);
    ballots_done(&sorted);
    return ok;
}
