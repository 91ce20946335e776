/* The boards are made by the same function as every other board (board/leaderboard.h). */
#include "eval/stand.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/bias.h"
#include "rating/stats.h"

static bool is_person(const struct results *results, const struct eval_vote *vote)
{
    return vote->rater >= results->plan.spec.judge_count;
}

static bool is_one_of(const struct results *results, const struct eval_vote *vote,
                      enum stand_raters raters)
{
    return is_person(results, vote) == (raters == STAND_PEOPLE);
}

size_t stand_votes(const struct results *results, enum stand_raters raters)
{
    size_t count = 0;
    for (size_t k = 0; k < results->vote_count; k++)
        count += is_one_of(results, &results->votes[k], raters);
    return count;
}

size_t stand_baseline(const struct results *results)
{
    return results->plan.spec.pairing == EVAL_BASELINE ? results->plan.spec.baseline : 0;
}

/* --- boards --- */

/* Of the characters of both answers: (a - b) / (a + b). */
static float length_of(const struct results *results, const struct eval_pair *pair)
{
    double a = (double)results->facts[eval_pair_conversation(&results->plan, pair, 0)].characters,
           b = (double)results->facts[eval_pair_conversation(&results->plan, pair, 1)].characters;
    return a + b > 0 ? (float)((a - b) / (a + b)) : 0;
}

static bool add_ballots(const struct results *results, enum stand_raters raters,
                        struct ballots *ballots, struct err *err)
{
    static const enum outcome OUTCOME[] = {OUTCOME_A, OUTCOME_B, OUTCOME_TIE, OUTCOME_BOTH_BAD};
    size_t judges = results->plan.spec.judge_count;
    ballots->voters = (uint32_t)(raters == STAND_PEOPLE ? results->people : judges);
    ballots->prompts = (uint32_t)results->plan.prompts.count;
    for (size_t k = 0; k < results->vote_count; k++) {
        const struct eval_vote *vote = &results->votes[k];
        const struct eval_pair *pair = &results->plan.pairs[vote->pair];
        if (!is_one_of(results, vote, raters) || pair->side[0] == pair->side[1])
            continue;
        struct ballot ballot = {.a = pair->side[0],
                                .b = pair->side[1],
                                .outcome = (uint8_t)OUTCOME[vote->winner],
                                .voter = raters == STAND_PEOPLE ? vote->rater - (uint32_t)judges
                                                                : vote->rater,
                                .prompt = pair->prompt};
        float x = length_of(results, pair);
        if (!ballots_add(ballots, ballot, &x, err))
            return false;
    }
    return true;
}

struct leaderboard *stand_board(const struct results *results, enum stand_raters raters,
                                bool length, struct err *err)
{
    static const char *const FEATURES[] = {"length", NULL};
    const char *names[LIMIT_EVAL_SIDES];
    struct tally tally;
    struct ballots ballots;
    struct leaderboard_options options;
    struct leaderboard *board = NULL;
    size_t sides = results->plan.spec.competitor_count;
    tally_init(&tally);
    ballots_init(&ballots, 1);
    for (size_t k = 0; k < sides; k++)
        names[k] = results->plan.sides[k].name;
    leaderboard_options_init(&options);
    options.style = length;
    struct leaderboard_votes votes = {
        .tally = &tally, .names = names, .ballots = &ballots, .features = FEATURES};
    if (tally_grow(&tally, sides, err) && add_ballots(results, raters, &ballots, err) &&
        ballots_tally(&ballots, &tally, err))
        board = leaderboard_fit(&votes, &options, err);
    ballots_done(&ballots);
    tally_done(&tally);
    return board;
}

/* --- win rates --- */

static bool lets_through(const struct results *results, const struct stand_filter *filter,
                         const struct eval_vote *vote, size_t side, int *which)
{
    const struct eval_pair *pair = &results->plan.pairs[vote->pair];
    const struct eval_prompt *prompt = &results->plan.prompts.list[pair->prompt];
    *which = pair->side[1] == side;
    if (!is_one_of(results, vote, filter->raters) || pair->side[0] == pair->side[1] ||
        (pair->side[0] != side && pair->side[1] != side))
        return false;
    return (filter->against < 0 || pair->side[!*which] == (size_t)filter->against) &&
           (filter->chosen < 0 || prompt->chosen == (enum eval_chosen)filter->chosen) &&
           (!filter->category || strcmp(prompt->category, filter->category) == 0);
}

/* The interval of a mean of `count` prompts' means. */
static void bound(struct stand_rate *rate, const double *sum, const double *weight, size_t prompts)
{
    double total = 0, squares = 0;
    size_t count = 0;
    for (size_t k = 0; k < prompts; k++)
        if (weight[k] > 0) {
            total += sum[k] / weight[k];
            count++;
        }
    rate->prompts = count;
    rate->rate = count ? total / (double)count : NAN;
    rate->lower = rate->upper = NAN;
    for (size_t k = 0; k < prompts; k++)
        if (weight[k] > 0)
            squares += pow(sum[k] / weight[k] - rate->rate, 2);
    if (count < 2)
        return;
    if (squares <= 0) { /* all alike: that says how many prompts there were, not that it is sure */
        struct share share = share_of((size_t)llround(rate->rate * (double)count), count);
        rate->lower = share.lower;
        rate->upper = share.upper;
        return;
    }
    double error = sqrt(squares / (double)(count - 1) / (double)count),
           reach = error * stats_t_quantile(0.975, (double)(count - 1));
    rate->lower = fmax(0, rate->rate - reach);
    rate->upper = fmin(1, rate->rate + reach);
}

bool stand_rate(const struct results *results, const struct stand_filter *filter, size_t side,
                struct stand_rate *out)
{
    size_t prompts = results->plan.prompts.count;
    double *sum = calloc(2 * prompts + 1, sizeof *sum), *weight = sum ? sum + prompts : NULL;
    *out = (struct stand_rate){0};
    if (!sum)
        return false;
    for (size_t k = 0; k < results->vote_count; k++) {
        const struct eval_vote *vote = &results->votes[k];
        int which;
        if (!lets_through(results, filter, vote, side, &which))
            continue;
        bool won = vote->winner == (which ? WINNER_B : WINNER_A),
             lost = vote->winner == (which ? WINNER_A : WINNER_B);
        size_t prompt = results->plan.pairs[vote->pair].prompt;
        out->votes++;
        out->wins += won;
        out->losses += lost;
        out->ties += !won && !lost;
        sum[prompt] += won ? 1 : lost ? 0 : 0.5;
        weight[prompt]++;
    }
    bound(out, sum, weight, prompts);
    free(sum);
    return true;
}

struct stand_rate stand_rate_at_length(const struct leaderboard *board, const char *side,
                                       const char *against)
{
    size_t i = SIZE_MAX, j = SIZE_MAX;
    struct stand_rate rate = {.rate = NAN, .lower = NAN, .upper = NAN};
    for (size_t k = 0; board && k < board->model_count; k++) {
        i = strcmp(board->models[k].name, side) == 0 ? k : i;
        j = strcmp(board->models[k].name, against) == 0 ? k : j;
    }
    if (i == SIZE_MAX || j == SIZE_MAX)
        return rate;
    struct leaderboard_chance chance = leaderboard_chance(board, i, j);
    rate.rate = chance.p;
    rate.lower = chance.lower;
    rate.upper = chance.upper;
    return rate;
}

size_t stand_categories(const struct results *results, const char **names, size_t most)
{
    size_t count = 0;
    for (size_t k = 0; k < results->plan.prompts.count; k++) {
        const char *category = results->plan.prompts.list[k].category;
        size_t at = 0;
        while (at < count && at < most && strcmp(names[at], category) != 0)
            at++;
        if (at == count && count < most)
            names[count++] = category;
    }
    return count;
}
