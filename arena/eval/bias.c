/* Position is measured on the two single verdicts of each pair, before they are made one vote: the
 * vote itself has no position left. */
#include "eval/bias.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rating/agreement.h"

enum { WINNERS = 4 };

struct share share_of(size_t hits, size_t count)
{
    const double Z = 1.959963984540054;
    struct share share = {NAN, NAN, NAN, hits, count};
    if (!count)
        return share;
    double n = (double)count, p = (double)hits / n, d = 1 + Z * Z / n,
           middle = (p + Z * Z / (2 * n)) / d,
           half = Z * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / d;
    share.share = p;
    share.lower = fmax(0, middle - half);
    share.upper = fmin(1, middle + half);
    return share;
}

static size_t characters(const struct results *results, const struct eval_pair *pair, int which)
{
    return results->facts[eval_pair_conversation(&results->plan, pair, which)].characters;
}

/* --- position, form --- */

static void count_verdicts(const struct results *results, size_t judge, struct bias *out)
{
    size_t first = 0, decided = 0;
    for (size_t pair = 0; pair < results->plan.pair_count; pair++) {
        const struct judgement *judgement = state_judgement(&results->state, pair, judge);
        struct verdict_of_both both;
        if (!results_verdicts(results, pair, judge, &both))
            continue;
        out->judged++;
        out->malformed += both.verdict == VERDICT_MALFORMED;
        out->disagreements += both.disagreement;
        for (int order = 0; order < 2; order++) {
            first += judgement->verdict[order] == VERDICT_A;
            decided += judgement->verdict[order] <= VERDICT_B;
        }
    }
    out->first = share_of(first, decided);
}

/* --- length --- */

static void count_lengths(const struct results *results, size_t judge, struct bias *out)
{
    size_t longer = 0, decided = 0;
    for (size_t k = 0; k < results->vote_count; k++) {
        const struct eval_vote *vote = &results->votes[k];
        const struct eval_pair *pair = &results->plan.pairs[vote->pair];
        size_t a = characters(results, pair, 0), b = characters(results, pair, 1);
        if (vote->rater != judge || vote->winner > WINNER_B || a == b)
            continue;
        longer += (vote->winner == WINNER_A) == (a > b);
        decided++;
    }
    out->longer = share_of(longer, decided);
}

/* --- its own --- */

static bool is_own(const struct eval_side *side, const struct eval_side *judge)
{
    if (strcmp(side->digest, judge->digest) == 0 || strcmp(side->name, judge->name) == 0)
        return true;
    return side->organisation && judge->organisation && judge->organisation[0] &&
           strcmp(side->organisation, judge->organisation) == 0;
}

/* Which side of the pair is the judge's own; -1: none, or both. */
static int own_side(const struct results *results, const struct eval_pair *pair, size_t judge)
{
    const struct eval_plan *plan = &results->plan;
    bool a = is_own(&plan->sides[pair->side[0]], &plan->judges[judge]),
         b = is_own(&plan->sides[pair->side[1]], &plan->judges[judge]);
    return a == b ? -1 : b;
}

/* Half points, so that a tie is one of two. */
static void count_own(const struct results *results, size_t judge, struct bias *out)
{
    size_t points[2] = {0}, votes[2] = {0};
    for (size_t k = 0; k < results->vote_count; k++) {
        const struct eval_vote *vote = &results->votes[k];
        int own = own_side(results, &results->plan.pairs[vote->pair], judge);
        bool others = vote->rater != judge;
        if (own < 0)
            continue;
        points[others] += vote->winner > WINNER_B                       ? 1
                          : vote->winner == (own ? WINNER_B : WINNER_A) ? 2
                                                                        : 0;
        votes[others]++;
    }
    for (int k = 0; k < 2; k++) {
        struct share *share = k ? &out->own_by_others : &out->own;
        struct share rounded = share_of((points[k] + 1) / 2, votes[k]);
        *share = rounded;
        if (votes[k])
            share->share = (double)points[k] / 2 / (double)votes[k];
    }
    out->has_own = votes[0] > 0;
}

void bias_of(const struct results *results, size_t judge, struct bias *out)
{
    *out = (struct bias){0};
    for (size_t k = 0; k < results->failure_count; k++)
        if (results->failures[k].judge && results->failures[k].place == judge)
            out->failed += (size_t)results->failures[k].count;
    count_verdicts(results, judge, out);
    count_lengths(results, judge, out);
    count_own(results, judge, out);
}

/* --- agreement --- */

static int plain(const struct eval_vote *vote)
{
    return vote->winner > WINNER_TIE ? WINNER_TIE : vote->winner;
}

/* The judge's vote on a pair, or NULL. Votes of judges stand by pair, then by judge. */
static const struct eval_vote *vote_on(const struct results *results, size_t pair, size_t judge)
{
    size_t low = 0, high = results->vote_count;
    while (high > low && results->votes[high - 1].rater >= results->plan.spec.judge_count)
        high--; /* people's votes stand behind */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct eval_vote *vote = &results->votes[middle];
        if (vote->pair < pair || (vote->pair == pair && vote->rater < judge))
            low = middle + 1;
        else
            high = middle;
    }
    const struct eval_vote *vote = low < results->vote_count ? &results->votes[low] : NULL;
    return vote && vote->pair == pair && vote->rater == judge ? vote : NULL;
}

struct counting {
    size_t same[2], all[2]; /* [1]: without ties */
};

static void compare(struct counting *counting, const struct eval_vote *a, const struct eval_vote *b)
{
    bool same = plain(a) == plain(b), tie = plain(a) == WINNER_TIE || plain(b) == WINNER_TIE;
    counting->all[0]++;
    counting->same[0] += same;
    counting->all[1] += !tie;
    counting->same[1] += same && !tie;
}

static void finish(const struct counting *counting, struct agreement_share *out)
{
    out->with_ties = share_of(counting->same[0], counting->all[0]);
    out->without_ties = share_of(counting->same[1], counting->all[1]);
}

static void agree(const struct results *results, size_t judge, bool people, size_t other,
                  struct agreement_share *out)
{
    struct counting counting = {{0}, {0}};
    for (size_t k = 0; k < results->vote_count; k++) {
        const struct eval_vote *vote = &results->votes[k], *its;
        bool person = vote->rater >= results->plan.spec.judge_count;
        if (people ? !person : vote->rater != other)
            continue;
        if ((its = vote_on(results, vote->pair, judge)))
            compare(&counting, its, vote);
    }
    finish(&counting, out);
}

void bias_agreement(const struct results *results, size_t judge, size_t other,
                    struct agreement_share *out)
{
    agree(results, judge, false, other, out);
}

void bias_agreement_with_people(const struct results *results, size_t judge,
                                struct agreement_share *out)
{
    agree(results, judge, true, 0, out);
}

bool bias_alpha(const struct results *results, bool people, double *alpha, size_t *pairs)
{
    struct agreement_mark *marks = malloc((results->vote_count + 1) * sizeof *marks);
    struct agreement agreement;
    struct err err = ERR_INIT;
    size_t count = 0;
    for (size_t k = 0; marks && k < results->vote_count; k++) {
        const struct eval_vote *vote = &results->votes[k];
        if ((vote->rater >= results->plan.spec.judge_count) == people)
            marks[count++] = (struct agreement_mark){vote->pair, vote->winner};
    }
    bool ok = marks && agreement_of(marks, count, WINNERS, AGREEMENT_NOMINAL, &agreement, &err);
    *alpha = ok ? agreement.alpha : NAN;
    *pairs = ok ? agreement.units : 0;
    free(marks);
    return ok;
}
