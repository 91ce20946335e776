/* Each part is a fit or a simulation of its own, tens of milliseconds in all for 130 models: too
 * slow for every vote, and nothing for a page. */
#include "board/detail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "board/history.h"
#include "rating/fragility.h"
#include "rating/rank.h"
#include "rating/tie.h"

#define DISTRIBUTION_DRAWS 4000

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "no memory for a leaderboard's details");
}

static bool fill_distribution(struct leaderboard *board, const struct detail_input *input,
                              struct err *err)
{
    size_t n = input->estimate->n;
    double *distribution = calloc(n * n + 1, sizeof *distribution);
    board->distribution = calloc(n * n + 1, sizeof *board->distribution);
    bool ok = distribution && board->distribution;
    ok = ok ? rank_distribution(distribution, input->estimate->theta, &input->estimate->covariance,
                                DISTRIBUTION_DRAWS, board->options.seed, err)
            : no_memory(err);
    for (size_t row = 0; ok && row < n; row++)
        memcpy(board->distribution + row * n,
               distribution + (size_t)input->map[board->models[row].model] * n,
               n * sizeof *distribution);
    free(distribution);
    return ok;
}

static bool fill_fragility(struct leaderboard *board, const struct detail_input *input,
                           struct err *err)
{
    struct leaderboard_fragility *fragility = &board->fragility;
    const struct ballots *ballots = input->votes->ballots;
    struct fragility_flip flip;
    struct fragility_voters voters = {NAN, 0};
    struct bt_pairs pairs;
    struct bt_fit fit;
    if (!bt_pairs_init(&pairs, input->ranked, board->options.reweighted, err))
        return false;
    if (!bt_fit(&fit, &pairs, NULL, err)) {
        bt_pairs_done(&pairs);
        return false;
    }
    bool ok = fragility_flip(&flip, &pairs, &fit, err) &&
              (!ballots || fragility_voters(&voters, ballots, input->map, &pairs, &fit, err));
    if (ok) {
        fragility->known = true;
        fragility->votes_to_flip = flip.votes;
        fragility->flips_to =
            flip.votes ? strdup(input->votes->names[input->models[flip.rival]]) : NULL;
        fragility->top_voter_share = voters.top_share;
        fragility->top_voter_rank_change = voters.rank_change;
    }
    bt_fit_done(&fit);
    bt_pairs_done(&pairs);
    return ok;
}

/* Ranks when ties are counted as halves. */
static bool rank_halves(const struct detail_input *input, const double *margin, bool reweighted,
                        struct rank *ranks)
{
    struct bt_pairs pairs;
    struct bt_fit fit;
    if (!bt_pairs_init(&pairs, input->ranked, reweighted, NULL))
        return false;
    bool ok = bt_fit(&fit, &pairs, NULL, NULL);
    if (ok) {
        rank_ranges(ranks, fit.theta, margin, input->estimate->n);
        bt_fit_done(&fit);
    }
    bt_pairs_done(&pairs);
    return ok;
}

static void compare_ranks(struct leaderboard *board, const struct rank *x, const struct rank *y)
{
    for (size_t i = 0; i < board->model_count; i++) {
        uint32_t a = x[i].rank, b = y[i].rank, places = a > b ? a - b : b - a;
        board->tie_rank_change = places > board->tie_rank_change ? places : board->tie_rank_change;
    }
}

/* Most places that any model moves when ties are counted another way; of a board that controls for
 * style or position, those that it would move without. */
static bool compare_ties(struct leaderboard *board, const struct detail_input *input,
                         struct rank *ranks, struct rank *other)
{
    size_t n = input->estimate->n;
    double *margin = calloc(n * n + 1, sizeof *margin);
    bool controlled = board->options.style || board->options.position;
    bool ok =
        margin && rank_halves(input, margin, board->options.reweighted, controlled ? ranks : other);
    if (ok && !controlled)
        compare_ranks(board, ranks, other);
    for (int model = TIE_DAVIDSON; ok && model <= TIE_GROUNDED; model++) {
        struct tie_fit fit;
        if (!tie_fit(&fit, input->ranked, (enum tie_model)model, NULL))
            continue; /* no ties, or no both-bad: that convention has nothing to say */
        rank_ranges(other, fit.theta, margin, n);
        compare_ranks(board, ranks, other);
        tie_fit_done(&fit);
    }
    free(margin);
    return ok;
}

bool detail_fill(struct leaderboard *board, const struct detail_input *input, struct err *err)
{
    size_t n = input->estimate->n;
    struct rank *ranks = calloc(2 * n + 1, sizeof *ranks);
    if (!ranks)
        return no_memory(err);
    for (size_t k = 0; k < n; k++)
        ranks[input->map[board->models[k].model]].rank = board->models[k].rank;
    bool plain = board->options.method == LEADERBOARD_BT && !board->options.compatible &&
                 !board->options.weighted;
    bool ok = fill_distribution(board, input, err) &&
              (!plain || fill_fragility(board, input, err)) &&
              (!plain || compare_ties(board, input, ranks, ranks + n) || no_memory(err)) &&
              history_fill(board, input->votes, err);
    free(ranks);
    return ok;
}
