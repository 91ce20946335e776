/* Read anew each time: a campaign has thousands of votes, not millions, and nothing can then be out
 * of step with the store. */
#include "people/standing.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "board/stored.h"
#include "rating/sequential.h"
#include "store/votes.h"

const char *standing_verdict_word(enum standing_verdict verdict)
{
    static const char *const WORDS[] = {[STANDING_OPEN] = "open",
                                        [STANDING_BETTER] = "better",
                                        [STANDING_HOLDS] = "not worse",
                                        [STANDING_WORSE] = "worse"};
    return WORDS[verdict];
}

/* The number that a version has among the votes; false: nobody voted on it. */
static bool model_of(const struct stored_votes *votes, const struct versions *versions,
                     const struct question_model *model, size_t *out)
{
    for (*out = 0; *out < votes->models; ++*out) {
        const struct version_record *record = versions_find(versions, votes->versions[*out]);
        if (record && strcmp(record->digest, model->version) == 0 &&
            strcmp(record->name, model->name) == 0)
            return true;
    }
    return false;
}

static void count(const struct tally *tally, size_t a, size_t b, struct standing_pair *pair)
{
    pair->wins = tally_count(tally, a, b, OUTCOME_A);
    pair->losses = tally_count(tally, a, b, OUTCOME_B);
    pair->ties = tally_count(tally, a, b, OUTCOME_TIE);
    pair->both_bad = tally_count(tally, a, b, OUTCOME_BOTH_BAD);
    pair->votes = pair->wins + pair->losses + pair->ties + pair->both_bad;
}

static bool weigh(const struct stored_votes *votes, size_t a, size_t b,
                  const struct question *question, struct standing_pair *pair, struct err *err)
{
    double margin = 0.5 - fmax(question->decided, 0) / 100, alpha = question_alpha(question),
           bound = log(1 / alpha), sum = 0;
    double *seen = sequential_observations(&votes->ballots, a, b, &pair->observations);
    if (!seen)
        return err_set(err, ERR_MEMORY, "no memory for the campaign's prompts");
    for (size_t k = 0; k < pair->observations; k++)
        sum += seen[k];
    if (pair->observations) {
        struct sequential_interval interval =
            sequential_bet_interval(seen, pair->observations, alpha);
        pair->rate = sum / (double)pair->observations;
        pair->lower = interval.lower;
        pair->upper = interval.upper;
        pair->log_above = sequential_bet(seen, pair->observations, margin, SEQUENTIAL_ABOVE);
        pair->log_below = sequential_bet(seen, pair->observations, margin, SEQUENTIAL_BELOW);
    }
    free(seen);
    pair->verdict = pair->log_below >= bound  ? STANDING_WORSE
                    : pair->log_above < bound ? STANDING_OPEN
                    : margin < 0.5            ? STANDING_HOLDS
                                              : STANDING_BETTER;
    return true;
}

static bool look_at_pairs(const struct stored_votes *votes, const struct versions *versions,
                          const struct question *question, struct standing *out, struct err *err)
{
    size_t model, rival;
    bool known = model_of(votes, versions, &question->model, &model);
    for (size_t i = 0; i < question->rivals; i++) {
        struct standing_pair *pair = &out->pair[i];
        *pair = (struct standing_pair){.rate = (double)NAN, .upper = 1};
        if (!known || !model_of(votes, versions, &question->versus[i], &rival))
            continue;
        count(&votes->tally, model, rival, pair);
        if (!weigh(votes, model, rival, question, pair, err))
            return false;
        out->votes += pair->votes;
    }
    return true;
}

static void apply_rule(const struct question *question, struct standing *out)
{
    bool precise = question->precision > 0, decided = question->decided >= 0;
    for (size_t i = 0; i < question->rivals; i++) {
        const struct standing_pair *pair = &out->pair[i];
        precise = precise && (pair->upper - pair->lower) / 2 <= question->precision / 100;
        decided = decided && pair->verdict != STANDING_OPEN;
    }
    out->stop[0] = '\0';
    if (decided)
        snprintf(out->stop, sizeof out->stop,
                 "every rival is decided against a margin of %g points", question->decided);
    else if (precise)
        snprintf(out->stop, sizeof out->stop, "every win rate is known to %g points",
                 question->precision);
    else if (question->votes && out->votes >= (uint64_t)question->votes)
        snprintf(out->stop, sizeof out->stop, "%" PRId64 " votes were cast", question->votes);
}

bool standing_read(struct db *db, const char *campaign, const struct question *question,
                   const char *category, struct standing_when when, struct standing *out,
                   struct err *err)
{
    struct stored_filter filter = {.category = category,
                                   .judge = JUDGE_HUMAN,
                                   .up_to = when.last_vote,
                                   .campaign = campaign,
                                   .marks = STORED_MARKS_NOW};
    struct versions versions = {0};
    *out = (struct standing){.when = when};
    filter.marks.exclusions = when.exclusions;
    struct stored_votes *votes = stored_votes_load(db, &filter, err);
    bool good = votes && versions_load(db, &versions, err) &&
                look_at_pairs(votes, &versions, question, out, err);
    if (good)
        out->when = (struct standing_when){votes->last_seq, votes->marks.exclusions};
    versions_done(&versions);
    stored_votes_free(votes);
    if (good)
        apply_rule(question, out);
    return good;
}

static void write_pair(struct json_out *out, const struct question_model *rival,
                       const struct standing_pair *pair)
{
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "versus", rival->name);
    json_put_cstring(out, "version", rival->version);
    json_put_int(out, "votes", (int64_t)pair->votes);
    json_put_int(out, "wins", (int64_t)pair->wins);
    json_put_int(out, "losses", (int64_t)pair->losses);
    json_put_int(out, "ties", (int64_t)pair->ties);
    json_put_int(out, "both_bad", (int64_t)pair->both_bad);
    json_put_int(out, "prompts", (int64_t)pair->observations);
    json_put_fixed(out, "win_rate", pair->rate, 6);
    json_put_fixed(out, "lower", pair->lower, 6);
    json_put_fixed(out, "upper", pair->upper, 6);
    json_put_fixed(out, "evidence_above", pair->log_above / M_LN10, 4);
    json_put_fixed(out, "evidence_below", pair->log_below / M_LN10, 4);
    json_put_cstring(out, "verdict", standing_verdict_word(pair->verdict));
    json_put_close(out, '}');
}

void standing_write(struct json_out *out, const char *key, const struct question *question,
                    const struct standing *standing)
{
    json_put_open(out, key, '[');
    for (size_t i = 0; i < question->rivals; i++)
        write_pair(out, &question->versus[i], &standing->pair[i]);
    json_put_close(out, ']');
}
