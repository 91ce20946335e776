/* The board's own history would be thrown away with the board: what is worth keeping of it is
 * copied out by model. */
#include "board/trail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "board/day.h"
#include "board/history.h"

void trail_done(struct trail *trail)
{
    free(trail->rating);
    *trail = (struct trail){.count = 0};
}

static bool take(struct trail *trail, const struct leaderboard *board, size_t models,
                 struct err *err)
{
    const struct leaderboard_history *history = &board->history;
    double *rating = malloc((history->count * models + 1) * sizeof *rating);
    if (!rating)
        return err_set(err, ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < history->count * models; k++)
        rating[k] = NAN;
    for (size_t k = 0; k < history->count; k++)
        for (size_t i = 0; i < board->model_count; i++)
            rating[k * models + board->models[i].model] =
                history->rating[k * board->model_count + i];
    free(trail->rating);
    trail->rating = rating;
    trail->count = history->count;
    trail->models = models;
    memcpy(trail->day, history->day, sizeof trail->day);
    return true;
}

bool trail_refresh(struct trail *trail, struct leaderboard *board,
                   const struct leaderboard_votes *votes, struct err *err)
{
    int64_t now = clock_mono_ns();
    if (trail->made_ns && now - trail->made_ns < 100 * trail->cost_ns)
        return true;
    bool good = history_fill(board, votes, err) && take(trail, board, votes->tally->models, err);
    free(board->history.rating);
    board->history = (struct leaderboard_history){.count = 0};
    trail->made_ns = clock_mono_ns();
    trail->cost_ns = trail->made_ns - now;
    return good;
}

void trail_write(const struct trail *trail, const struct leaderboard *board, struct json_out *out)
{
    if (!trail->count)
        return;
    json_put_open(out, "history", '[');
    for (size_t k = 0; k < trail->count; k++) {
        char day[DAY_TEXT];
        day_write(trail->day[k], day);
        json_put_open(out, NULL, '{');
        json_put_cstring(out, "date", day);
        json_put_open(out, "ratings", '[');
        for (size_t i = 0; i < board->model_count; i++) {
            size_t model = board->models[i].model;
            json_put_fixed(out, NULL,
                           model < trail->models ? trail->rating[k * trail->models + model] : NAN,
                           3);
        }
        json_put_close(out, ']');
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
}
