/* A judge's vote is a battle like a person's: blind, its two answers side by side, one vote. So
 * everything that reads votes reads these too, and tells them apart by the kind of judge. */
#include "eval/keep.h"

#include <math.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/random.h"
#include "board/tagging.h"
#include "store/answers.h"
#include "store/battles.h"
#include "store/eval_calls.h"
#include "store/queue_insert.h"
#include "store/turns.h"
#include "store/voters.h"

enum { TAGS_BYTES = 8192 };

/* --- making it --- */

static bool copy_turns(struct keep *keep, const struct run_state *state, size_t pair)
{
    const struct eval_plan *plan = state->plan;
    const struct eval_pair *its = &plan->pairs[pair];
    const json_t *turns = plan->prompts.list[its->prompt].turns;
    const char *category = plan->prompts.list[its->prompt].category;
    keep->turns = json_array_size(turns);
    keep->prompts = calloc(keep->turns + 1, sizeof *keep->prompts);
    keep->answers = calloc(2 * keep->turns + 1, sizeof *keep->answers);
    keep->category = category ? strdup(category) : NULL;
    if (!keep->prompts || !keep->answers || (category && !keep->category))
        return false;
    for (size_t k = 0; k < keep->turns; k++) {
        keep->prompts[k] = strdup(json_string_value(json_array_get(turns, k)));
        for (int which = 0; which < 2; which++)
            keep->answers[2 * k + (size_t)which] =
                state_answers(state, eval_pair_conversation(plan, its, which))[k];
        if (!keep->prompts[k])
            return false;
    }
    return true;
}

struct keep *keep_new(const struct run_state *state, size_t pair, struct err *err)
{
    const struct eval_plan *plan = state->plan;
    const struct eval_pair *its = &plan->pairs[pair];
    struct keep *keep = calloc(1, sizeof *keep);
    if (keep) {
        keep->run = plan->number;
        keep->pair = (int64_t)pair;
        keep->overlap = plan->spec.people ? plan->spec.overlap : 0;
        keep->same_model = its->side[0] == its->side[1];
        memcpy(keep->campaign, plan->campaign, sizeof keep->campaign);
        for (int which = 0; which < 2; which++)
            keep->version[which] = plan->sides[its->side[which]].version;
        if (copy_turns(keep, state, pair))
            return keep;
    }
    keep_free(keep);
    err_set(err, ERR_MEMORY, "no memory to queue a pair");
    return NULL;
}

/* A judge that is asked another way is another judge. */
static bool name_judge(struct keep *keep, const struct eval_plan *plan, size_t judge)
{
    const struct eval_judging *judging = &plan->spec.judging;
    uint8_t sum[DIGEST_SIZE];
    char version[9], asked[9];
    struct digest *digest = digest_new();
    struct buf name;
    if (!digest)
        return false;
    digest_add_field(digest, judging->system, strlen(judging->system));
    digest_add_field(digest, judging->prompt, strlen(judging->prompt));
    digest_add_field(digest, judging->prompt_with_reference,
                     strlen(judging->prompt_with_reference));
    digest_finish(digest, sum);
    hex_encode(sum, 4, asked);
    snprintf(version, sizeof version, "%.8s", plan->judges[judge].digest);
    buf_init(&name, 1024);
    buf_printf(&name, "%s@%s/%s", plan->judges[judge].name, version, asked);
    keep->judge = buf_take(&name, NULL);
    return keep->judge != NULL;
}

bool keep_vote(struct keep *keep, const struct run_state *state, size_t judge, enum verdict verdict,
               const uint8_t key[DIGEST_SIZE], struct err *err)
{
    static const enum winner WINNER[] = {WINNER_A, WINNER_B, WINNER_TIE, WINNER_TIE};
    static const enum winner MIRROR[] = {WINNER_B, WINNER_A, WINNER_TIE, WINNER_BOTH_BAD};
    keep->votes = true;
    keep->mirrored = key[0] & 1;
    keep->winner = keep->mirrored ? MIRROR[WINNER[verdict]] : WINNER[verdict];
    memcpy(keep->key, key, DIGEST_SIZE);
    return name_judge(keep, state->plan, judge) || err_set(err, ERR_MEMORY, "out of memory");
}

void keep_free(struct keep *keep)
{
    if (!keep)
        return;
    for (size_t k = 0; keep->prompts && k < keep->turns; k++)
        free(keep->prompts[k]);
    free(keep->prompts);
    free(keep->answers);
    free(keep->category);
    free(keep->judge);
    free(keep);
}

/* --- the queue --- */

static bool store_item(struct db *tx, struct keep *keep, int64_t now_ms, struct err *err)
{
    struct queue_item item = {.run = keep->run,
                              .pair = keep->pair,
                              .campaign = keep->campaign[0] ? keep->campaign : NULL,
                              .kind = keep->same_model ? QUEUE_SAME_MODEL : QUEUE_PAIR,
                              .gold = -1,
                              .version_a = keep->version[0],
                              .version_b = keep->version[1],
                              .overlap = keep->overlap,
                              .created_ms = now_ms};
    struct queue_turn turns[LIMIT_TURNS];
    for (size_t k = 0; k < keep->turns; k++)
        turns[k] = (struct queue_turn){text_of(keep->prompts[k]), keep->answers[2 * k],
                                       keep->answers[2 * k + 1]};
    return queue_insert_item(tx, &item, turns, keep->turns, &keep->item, err);
}

/* --- the vote --- */

static bool see_turn(void *user, const struct turn_record *turn)
{
    struct tagging *tagging = user;
    const struct answer_record *answers[2] = {&turn->a, &turn->b};
    struct text shown[2];
    bool refused = false;
    for (int k = 0; k < 2; k++) {
        shown[k] = answers[k]->text.length ? answers[k]->text : answers[k]->refusal;
        refused = refused || answers[k]->refusal.length > 0;
    }
    tagging_add_turn(tagging, turn->prompt, shown, refused);
    return true;
}

static struct style_counts counts_of(const struct style *style)
{
    return (struct style_counts){.tokens = (int64_t)style->count[STYLE_TOKENS],
                                 .headers = (int64_t)style->count[STYLE_HEADERS],
                                 .lists = (int64_t)style->count[STYLE_LISTS],
                                 .bold = (int64_t)style->count[STYLE_BOLD]};
}

static bool store_tags(struct db *tx, const struct keep *keep, const char *battle, struct err *err)
{
    struct tagging tagging;
    struct buf tags;
    tagging_init(&tagging);
    tagging.category = keep->category;
    if (!turns_each(tx, battle, see_turn, &tagging, err))
        return false;
    struct style_counts a = counts_of(&tagging.side[0]), b = counts_of(&tagging.side[1]);
    buf_init(&tags, TAGS_BYTES);
    bool ok = tagging_write(&tagging, &tags) ? battles_set_tags(tx, battle, buf_text(&tags), err)
                                             : err_set(err, ERR_MEMORY, "out of memory");
    buf_done(&tags);
    return ok && battles_set_style(tx, battle, &a, &b, err);
}

static bool store_turns(struct db *tx, const struct keep *keep, const char *battle, int64_t now_ms,
                        struct err *err)
{
    struct turn_timing timing = {-1, -1, -1, -1, -1, -1};
    for (size_t k = 0; k < keep->turns; k++) {
        const int64_t *answers = &keep->answers[2 * k];
        if (!turns_insert(tx, battle, (int)k + 1, text_of(keep->prompts[k]), now_ms, err) ||
            !turns_answer(tx, battle, (int)k + 1, answers[keep->mirrored], answers[!keep->mirrored],
                          &timing, now_ms, err))
            return false;
    }
    return true;
}

/* The voter that stands for the judge. */
static bool find_judge(struct db *tx, const struct keep *keep, int64_t now_ms,
                       char id[STORE_ID_SIZE], struct err *err)
{
    struct db_rows rows;
    int64_t number;
    id[0] = '\0';
    if (!voters_named(tx, VOTER_MODEL, text_of(keep->judge), now_ms, &number, err) ||
        !db_select(tx, &rows, "SELECT id FROM voters WHERE number = ?", DB_VALUES(DB_INT(number)),
                   err))
        return false;
    if (db_next(&rows))
        db_copy(&rows, 0, id, STORE_ID_SIZE);
    return db_end(&rows, err);
}

static bool open_battle(struct db *tx, const struct keep *keep, struct battle_record *battle,
                        struct err *err)
{
    return battles_insert(tx, battle, err) &&
           db_run(tx, "UPDATE battles SET item = ? WHERE id = ?",
                  DB_VALUES(DB_INT(keep->item), DB_STRING(battle->id)), err) &&
           store_turns(tx, keep, battle->id, battle->created_ms, err) &&
           store_tags(tx, keep, battle->id, err);
}

static bool store_vote(struct db *tx, struct keep *keep, int64_t now_ms, struct err *err)
{
    struct battle_record battle = {.state = BATTLE_READY,
                                   .source = BATTLE_QUEUED,
                                   .mode = BATTLE_BLIND,
                                   .version_a = keep->version[keep->mirrored],
                                   .version_b = keep->version[!keep->mirrored],
                                   .probability = NAN,
                                   .side_probability = NAN,
                                   .created_ms = now_ms};
    struct vote_result result;
    if (!find_judge(tx, keep, now_ms, battle.voter, err))
        return false;
    random_id(battle.id);
    random_bytes(battle.nonce, sizeof battle.nonce);
    memcpy(battle.campaign, keep->campaign, sizeof battle.campaign);
    struct vote_cast vote = {.battle = battle.id,
                             .voter = battle.voter,
                             .winner = keep->winner,
                             .judge = JUDGE_MODEL,
                             .counted = keep->same_model ? VOTE_CONTROL : VOTE_COUNTED,
                             .delay_ms = -1,
                             .read_ms = -1,
                             .now_ms = now_ms};
    if (!open_battle(tx, keep, &battle, err) || !votes_cast(tx, &vote, &result, err))
        return false;
    keep->seq = result.seq;
    return eval_votes_insert(tx, keep->key, battle.id, err);
}

bool keep_apply(struct db *tx, void *data, struct err *err)
{
    struct keep *keep = data;
    int64_t now_ms = clock_wall_ms();
    bool there = false;
    keep->seq = 0;
    if (!store_item(tx, keep, now_ms, err))
        return false;
    if (!keep->votes)
        return true;
    return eval_votes_find(tx, keep->key, &there, err) &&
           (there || store_vote(tx, keep, now_ms, err));
}
