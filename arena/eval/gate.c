/* Everything is read from the same votes as the board (board/stored.h), so that the gate and the
 * board cannot count differently; versions are kept apart there already. */
#include "eval/gate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "board/leaderboard.h"
#include "eval/version_labels.h"
#include "rating/sequential.h"

enum { NOBODY = -1 };

struct asking {
    const struct gate_options *options;
    struct gate_result *result;
    const struct stored_votes *votes;
    ptrdiff_t model, versus; /* model numbers among the votes; NOBODY: without any */
};

/* The version that a label means; its digest, and the model's number where it has votes. */
static bool find_side(const struct stored_votes *votes, const struct version_labels *labels,
                      const char *name, ptrdiff_t *model, char digest[DIGEST_HEX + 1],
                      struct err *err)
{
    const struct version_record *found = NULL;
    for (size_t k = 0; k < labels->versions.count && !found; k++)
        if (strcmp(labels->labels[k], name) == 0)
            found = &labels->versions.list[k];
    if (!found)
        return err_set(err, ERR_NOT_FOUND,
                       "there is no model \"%.100s\" (arena leaderboard names them)", name);
    memcpy(digest, found->digest, DIGEST_HEX + 1);
    *model = NOBODY;
    for (size_t k = 0; k < votes->models; k++)
        if (votes->versions[k] == found->id)
            *model = (ptrdiff_t)k;
    return true;
}

/* Votes between other versions of the two competitors: said, never mixed in. */
static uint64_t count_other_versions(const struct asking *asking,
                                     const struct version_labels *labels)
{
    const struct version_record *model = NULL, *versus = NULL;
    const struct stored_votes *votes = asking->votes;
    uint64_t count = 0;
    for (size_t k = 0; k < labels->versions.count; k++) {
        const struct version_record *record = &labels->versions.list[k];
        model = strcmp(labels->labels[k], asking->options->model) == 0 ? record : model;
        versus = strcmp(labels->labels[k], asking->options->versus) == 0 ? record : versus;
    }
    for (size_t j = 1; j < votes->models; j++)
        for (size_t i = 0; i < j; i++) {
            const struct version_record *a = versions_find(&labels->versions, votes->versions[i]),
                                        *b = versions_find(&labels->versions, votes->versions[j]);
            bool same = (a->id == model->id && b->id == versus->id) ||
                        (b->id == model->id && a->id == versus->id);
            if (!same &&
                ((a->competitor == model->competitor && b->competitor == versus->competitor) ||
                 (b->competitor == model->competitor && a->competitor == versus->competitor)))
                count += tally_pair(&votes->tally, i, j);
        }
    return count;
}

static void count_votes(const struct asking *asking)
{
    struct gate_result *result = asking->result;
    const struct tally *tally = &asking->votes->tally;
    size_t a = (size_t)asking->model, b = (size_t)asking->versus;
    result->wins = tally_count(tally, a, b, OUTCOME_A);
    result->losses = tally_count(tally, a, b, OUTCOME_B);
    result->ties =
        tally_count(tally, a, b, OUTCOME_TIE) + tally_count(tally, a, b, OUTCOME_BOTH_BAD);
    result->votes = result->wins + result->losses + result->ties;
}

static bool bet(const struct asking *asking, struct err *err)
{
    struct gate_result *result = asking->result;
    double m = 0.5 - asking->options->min_delta / 100, alpha = 1 - asking->options->confidence,
           sum = 0;
    size_t count;
    double *seen = sequential_observations(&asking->votes->ballots, (size_t)asking->model,
                                           (size_t)asking->versus, &count);
    if (!seen)
        return err_set(err, ERR_MEMORY, "no memory for the pair's prompts");
    for (size_t k = 0; k < count; k++)
        sum += seen[k];
    result->observations = count;
    if (count > 0) {
        struct sequential_interval interval = sequential_bet_interval(seen, count, alpha);
        result->rate = sum / (double)count;
        result->rate_lower = interval.lower;
        result->rate_upper = interval.upper;
        result->log_holds = sequential_bet(seen, count, m, SEQUENTIAL_ABOVE);
        result->log_fails = sequential_bet(seen, count, m, SEQUENTIAL_BELOW);
        result->needed = fmin(sequential_needed(seen, count, m, SEQUENTIAL_ABOVE, alpha),
                              sequential_needed(seen, count, m, SEQUENTIAL_BELOW, alpha));
    }
    free(seen);
    result->decision = result->log_holds >= log(1 / alpha)   ? GATE_HOLDS
                       : result->log_fails >= log(1 / alpha) ? GATE_FAILS
                                                             : GATE_UNDECIDED;
    return true;
}

static bool place_of(const struct leaderboard *board, ptrdiff_t model, size_t *place)
{
    for (*place = 0; *place < board->model_count; ++*place)
        if ((ptrdiff_t)board->models[*place].model == model)
            return true;
    return false;
}

/* One-sided at `confidence`, so a two-sided interval of 2 * confidence - 1. */
static bool look_at_board(const struct asking *asking, struct err *err)
{
    struct gate_result *result = asking->result;
    struct leaderboard_options options;
    struct leaderboard_votes input = stored_votes_input(asking->votes);
    double m = 0.5 - asking->options->min_delta / 100;
    size_t i, j;
    leaderboard_options_init(&options);
    options.confidence = 2 * asking->options->confidence - 1;
    struct leaderboard *board = leaderboard_fit(&input, &options, err);
    if (!board)
        return false;
    result->observations = board->prompts ? board->prompts : (size_t)board->votes;
    result->log_holds = result->log_fails = NAN;
    if (board->margin && place_of(board, asking->model, &i) &&
        place_of(board, asking->versus, &j)) {
        struct leaderboard_chance chance = leaderboard_chance(board, i, j);
        result->rate = chance.p;
        result->rate_lower = chance.lower;
        result->rate_upper = chance.upper;
        result->decision = chance.lower >= m  ? GATE_HOLDS
                           : chance.upper < m ? GATE_FAILS
                                              : GATE_UNDECIDED;
    }
    leaderboard_free(board);
    return true;
}

static bool ask(struct asking *asking, const struct version_labels *labels, struct err *err)
{
    const struct gate_options *options = asking->options;
    struct gate_result *result = asking->result;
    if (!find_side(asking->votes, labels, options->model, &asking->model, result->model_version,
                   err) ||
        !find_side(asking->votes, labels, options->versus, &asking->versus, result->versus_version,
                   err))
        return false;
    if (strcmp(options->model, options->versus) == 0)
        return err_set(err, ERR_BAD_REQUEST, "\"%.100s\" is not compared with itself",
                       options->model);
    result->other_versions = count_other_versions(asking, labels);
    if (asking->model == NOBODY || asking->versus == NOBODY)
        return true;
    count_votes(asking);
    return options->transitive ? look_at_board(asking, err) : bet(asking, err);
}

bool gate_ask(struct db *db, const struct gate_options *options, struct gate_result *result,
              struct err *err)
{
    struct stored_filter filter = {.category = options->category,
                                   .judge = options->judge,
                                   .daily_votes = options->daily_votes,
                                   .marks = STORED_MARKS_NOW};
    struct asking asking = {.options = options, .result = result};
    struct version_labels labels = {.labels = NULL};
    *result = (struct gate_result){.decision = GATE_UNDECIDED,
                                   .rate = NAN,
                                   .rate_lower = NAN,
                                   .rate_upper = NAN,
                                   .needed = INFINITY};
    struct stored_votes *votes = stored_votes_load(db, &filter, err);
    asking.votes = votes;
    bool ok = votes && version_labels_load(&labels, db, err) && ask(&asking, &labels, err);
    version_labels_done(&labels);
    stored_votes_free(votes);
    return ok;
}
