/* Numbers have fixed decimals, nine for ratings, so that the same board is the same bytes
 * everywhere. */
#include "board/render_json.h"

#include <math.h>

#include "base/json.h"
#include "board/day.h"

#define DECIMALS 9

const char *render_ties_word(enum leaderboard_ties ties)
{
    static const char *const WORDS[] = {"half", "davidson", "rao-kupper", "grounded"};
    return WORDS[ties];
}

const char *render_plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

uint64_t render_ties(const struct leaderboard *board, const struct tally_record *record)
{
    return record->ties + (board->options.ties == LEADERBOARD_TIES_GROUNDED ? 0 : record->both_bad);
}

static void put_record(struct json_out *out, const struct leaderboard *board,
                       const struct tally_record *record)
{
    json_put_int(out, "votes", (int64_t)record->votes);
    json_put_int(out, "wins", (int64_t)record->wins);
    json_put_int(out, "losses", (int64_t)record->losses);
    json_put_int(out, "ties", (int64_t)render_ties(board, record));
    json_put_int(out, "both_bad", (int64_t)record->both_bad);
}

static void put_model(struct json_out *out, const struct leaderboard *board,
                      const struct leaderboard_model *model)
{
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "model", model->name);
    json_put_fixed(out, "rating", model->rating, DECIMALS);
    json_put_fixed(out, "rating_lower", model->rating_lower, DECIMALS);
    json_put_fixed(out, "rating_upper", model->rating_upper, DECIMALS);
    if (!isnan(model->rating_median))
        json_put_fixed(out, "rating_median", model->rating_median, DECIMALS);
    json_put_fixed(out, "standard_error", model->standard_error, DECIMALS);
    json_put_int(out, "rank", model->rank);
    json_put_int(out, "rank_lower", model->rank_lower);
    json_put_int(out, "rank_upper", model->rank_upper);
    json_put_fixed(out, "probability_best", model->best, 6);
    put_record(out, board, &model->record);
    json_put_fixed(out, "win_rate", model->win_rate, 6);
    if (!isnan(model->absolute))
        json_put_fixed(out, "absolute", model->absolute, DECIMALS);
    json_put_close(out, '}');
}

static void put_unranked(struct json_out *out, const struct leaderboard *board,
                         const struct leaderboard_unranked *model)
{
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "model", model->name);
    put_record(out, board, &model->record);
    json_put_cstring(out, "reason", model->reason);
    json_put_close(out, '}');
}

static void put_method(struct json_out *out, const struct leaderboard *board)
{
    const struct leaderboard_options *options = &board->options;
    json_put_cstring(out, "method", board->method);
    json_put_cstring(out, "method_version", LEADERBOARD_VERSION);
    json_put_cstring(out, "interval", board->interval);
    json_put_fixed(out, "confidence", options->confidence, 4);
    json_put_cstring(out, "ties", render_ties_word(options->ties));
    json_put_bool(out, "style", options->style);
    json_put_bool(out, "position", options->position);
    json_put_bool(out, "reweighted", options->reweighted);
    json_put_bool(out, "weighted", options->weighted);
    json_put_cstring(out, "compatible", options->compatible ? "arena-rank" : NULL);
    json_put_cstring(out, "category", options->category ? options->category : "overall");
    json_put_cstring(out, "anchor", options->anchor);
    json_put_real(out, "initial", options->initial);
    json_put_real(out, "scale", options->scale);
    json_put_real(out, "base", options->base);
    json_put_int(out, "min_votes", (int64_t)options->min_votes);
    json_put_int(out, "seed", (int64_t)options->seed);
    json_put_real(out, "loss", board->loss);
    json_put_real(out, "gradient", board->gradient);
    json_put_real(out, "tie_parameter", board->tie_parameter);
}

static void put_counts(struct json_out *out, const struct leaderboard *board)
{
    json_put_int(out, "votes", (int64_t)board->votes);
    json_put_int(out, "votes_used", (int64_t)board->votes_used);
    json_put_int(out, "votes_skipped", (int64_t)board->skipped);
    json_put_int(out, "voters", board->voters);
    json_put_int(out, "prompts", board->prompts);
}

/* One row of a matrix of counts; n numbers of at most 10 digits. */
static void put_counts_row(struct json_out *out, const uint32_t *row, size_t n)
{
    json_put_open(out, NULL, '[');
    for (size_t k = 0; k < n; k++) {
        char digits[10];
        size_t at = sizeof digits;
        uint32_t value = row[k];
        do {
            digits[--at] = (char)('0' + value % 10);
            value /= 10;
        } while (value);
        if (k)
            buf_add_char(out->buf, ',');
        buf_add(out->buf, digits + at, sizeof digits - at);
    }
    json_put_close(out, ']');
}

/* That the row's model beats the column's (which: 0), and the bounds of its interval (1, 2). */
static void put_chances(struct json_out *out, const struct leaderboard *board, const char *name,
                        int which)
{
    size_t n = board->model_count;
    json_put_open(out, name, '[');
    for (size_t i = 0; i < n; i++) {
        json_put_open(out, NULL, '[');
        for (size_t j = 0; j < n; j++) {
            struct leaderboard_chance chance = leaderboard_chance(board, i, j);
            const double values[3] = {chance.p, chance.lower, chance.upper};
            json_put_fixed(out, NULL, values[which], 4);
        }
        json_put_close(out, ']');
    }
    json_put_close(out, ']');
}

static void put_head_to_head(struct json_out *out, const struct leaderboard *board)
{
    size_t n = board->model_count;
    json_put_open(out, "head_to_head", '{');
    json_put_open(out, "models", '[');
    for (size_t k = 0; k < n; k++)
        json_put_cstring(out, NULL, board->models[k].name);
    json_put_close(out, ']');
    json_put_open(out, "wins", '[');
    for (size_t k = 0; k < n; k++)
        put_counts_row(out, board->wins + k * n, n);
    json_put_close(out, ']');
    json_put_open(out, "ties", '[');
    for (size_t k = 0; k < n; k++)
        put_counts_row(out, board->ties + k * n, n);
    json_put_close(out, ']');
    if (board->options.detail && board->margin) {
        put_chances(out, board, "probability", 0);
        put_chances(out, board, "probability_lower", 1);
        put_chances(out, board, "probability_upper", 2);
    }
    json_put_close(out, '}');
}

static void put_fragility(struct json_out *out, const struct leaderboard *board)
{
    const struct leaderboard_fragility *fragility = &board->fragility;
    if (!fragility->known)
        return;
    json_put_open(out, "fragility", '{');
    json_put_int(out, "votes_to_flip", (int64_t)fragility->votes_to_flip);
    json_put_cstring(out, "flips_to", fragility->flips_to);
    json_put_fixed(out, "top_voter_share", fragility->top_voter_share, 6);
    json_put_int(out, "leave_one_voter_out_rank_change", fragility->top_voter_rank_change);
    json_put_int(out, "tie_convention_rank_change", board->tie_rank_change);
    json_put_close(out, '}');
}

static void put_coefficients(struct json_out *out, const struct leaderboard *board)
{
    if (!board->coefficient_count)
        return;
    json_put_open(out, "coefficients", '[');
    for (size_t k = 0; k < board->coefficient_count; k++) {
        json_put_open(out, NULL, '{');
        json_put_cstring(out, "name", board->coefficients[k].name);
        json_put_fixed(out, "value", board->coefficients[k].value, DECIMALS);
        json_put_fixed(out, "standard_error", board->coefficients[k].standard_error, DECIMALS);
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
}

static void put_distribution(struct json_out *out, const struct leaderboard *board)
{
    size_t n = board->model_count;
    if (!board->distribution)
        return;
    json_put_open(out, "rank_distribution", '[');
    for (size_t i = 0; i < n; i++) {
        json_put_open(out, NULL, '[');
        for (size_t r = 0; r < n; r++)
            json_put_fixed(out, NULL, board->distribution[i * n + r], 4);
        json_put_close(out, ']');
    }
    json_put_close(out, ']');
}

static void put_history(struct json_out *out, const struct leaderboard *board)
{
    const struct leaderboard_history *history = &board->history;
    if (!history->count)
        return;
    json_put_open(out, "history", '[');
    for (size_t k = 0; k < history->count; k++) {
        char day[DAY_TEXT];
        day_write(history->day[k], day);
        json_put_open(out, NULL, '{');
        json_put_cstring(out, "date", day);
        json_put_open(out, "ratings", '[');
        for (size_t i = 0; i < board->model_count; i++)
            json_put_fixed(out, NULL, history->rating[k * board->model_count + i], 3);
        json_put_close(out, ']');
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
}

static void put_board(struct json_out *out, const struct leaderboard *board)
{
    json_put_open(out, NULL, '{');
    put_method(out, board);
    put_counts(out, board);
    json_put_open(out, "models", '[');
    for (size_t k = 0; k < board->model_count; k++)
        put_model(out, board, &board->models[k]);
    json_put_close(out, ']');
    json_put_open(out, "unranked", '[');
    for (size_t k = 0; k < board->unranked_count; k++)
        put_unranked(out, board, &board->unranked[k]);
    json_put_close(out, ']');
    json_put_open(out, "warnings", '[');
    for (size_t k = 0; k < board->warning_count; k++)
        json_put_cstring(out, NULL, board->warnings[k]);
    json_put_close(out, ']');
    put_coefficients(out, board);
    put_fragility(out, board);
    put_head_to_head(out, board);
    put_distribution(out, board);
    put_history(out, board);
    json_put_close(out, '}');
}

void render_json(struct buf *buf, const struct leaderboard *const *boards, size_t count)
{
    struct json_out out = json_out_to(buf);
    if (count == 1) {
        put_board(&out, boards[0]);
    } else {
        json_put_open(&out, NULL, '{');
        json_put_open(&out, "boards", '[');
        for (size_t k = 0; k < count; k++)
            put_board(&out, boards[k]);
        json_put_close(&out, ']');
        json_put_close(&out, '}');
    }
    buf_add_char(buf, '\n');
}
