/* The rules of a battle's life, action by action. Each `prepare` names the states it may start
 * from; what is then stored is checked again by the store, in the transaction. */
#include "battle/actions.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "battle/hall_state.h"
#include "battle/opening.h"
#include "battle/queued.h"
#include "battle/record.h"
#include "battle/view.h"
#include "board/live.h"
#include "people/campaigns.h"

#define WHAT "the request"

static struct story *story_of(const struct op *op)
{
    return &op->resident->battle->story;
}

/* --- states --- */

static const char *const ADVICE[] = {
    [BATTLE_STREAMING] = "the answers are still coming: wait until both have ended, or stop them",
    [BATTLE_READY] = "nothing was voted yet: vote first",
    [BATTLE_VOTED] = "the vote is cast: start another battle",
    [BATTLE_SKIPPED] = "it was skipped: start another battle",
    [BATTLE_VOID] = "it was cancelled and does not count: start another battle",
    [BATTLE_EXPIRED] = "it has expired: start another battle",
};

static bool refuse_state(enum battle_state state, struct err *err)
{
    enum err_code code = state == BATTLE_VOTED ? ERR_ALREADY_VOTED : ERR_WRONG_STATE;
    return err_set(err, code, "this battle is %s: %s", battle_state_word(state), ADVICE[state]);
}

static bool must_be_ready(const struct op *op, struct err *err)
{
    enum battle_state state = story_of(op)->state;
    return state == BATTLE_READY || refuse_state(state, err);
}

/* --- the next turn, or the last again --- */

static bool may_go_on(const struct op *op, struct err *err)
{
    const struct battle *battle = op->resident->battle;
    if (battle->story.source == BATTLE_QUEUED)
        return err_set(err, ERR_WRONG_STATE,
                       "this pair was answered beforehand: vote on what stands, or skip");
    if (!must_be_ready(op, err) || !opening_may_stream(op, err))
        return false;
    if (!battle->competitor[0] || !battle->competitor[1])
        return err_set(err, ERR_WRONG_STATE,
                       "a model of this battle is no longer here: vote on what stands, or skip");
    for (int i = 0; op->in_house_only && i < 2; i++)
        if (!battle->competitor[i]->config.in_house)
            return err_set(err, ERR_IN_HOUSE,
                           "you keep your prompts in-house, and this battle began before that: "
                           "vote on what stands, or skip");
    if (!battle_has_room(battle))
        return err_set(err, ERR_TOO_LARGE,
                       "this battle has grown as long as it may: vote on what stands");
    return true;
}

/* The step's answer is written before it is stored: it says what will be so when it is sent. */
static void answer_streaming(struct op *op)
{
    struct story after = *story_of(op); /* a shallow look ahead, freed by nobody */
    after.state = BATTLE_STREAMING;
    op->resident->opens = true;
    view_step(&op->out, &after);
    op->needs_job = true;
}

static bool prepare_turn(struct op *op, struct err *err)
{
    struct text prompt;
    if (!opening_prompt(op, &prompt, err) || !may_go_on(op, err) ||
        !story_add_turn(story_of(op), prompt, err))
        return false;
    answer_streaming(op);
    return true;
}

static bool apply_turn(struct db *tx, struct op *op, struct err *err)
{
    const struct story *story = story_of(op);
    return record_turn(tx, story->id, (int)story->turn_count, buf_text(&story_last(story)->prompt),
                       op->now_ms, err);
}

static void turn_committed(struct op *op)
{
    story_of(op)->state = BATTLE_STREAMING;
    if (!op->hall->stopping)
        battle_stream(op->resident->battle, false);
}

static void turn_undone(struct op *op, const struct err *err)
{
    (void)err;
    story_drop_turn(story_of(op));
}

static bool prepare_regenerate(struct op *op, struct err *err)
{
    if (!may_go_on(op, err))
        return false;
    answer_streaming(op);
    return true;
}

static bool apply_regenerate(struct db *tx, struct op *op, struct err *err)
{
    return record_again(tx, story_of(op)->id, op->now_ms, err);
}

static void regenerate_committed(struct op *op)
{
    story_of(op)->state = BATTLE_STREAMING;
    if (!op->hall->stopping)
        battle_stream(op->resident->battle, true);
}

/* --- stop and skip --- */

static bool prepare_stop(struct op *op, struct err *err)
{
    enum battle_state state = story_of(op)->state;
    if (state == BATTLE_STREAMING && op->resident->battle->streaming)
        battle_stop(
            op->resident
                ->battle); /* its turn is being stored now, and this request waits for that */
    else if (state != BATTLE_READY)
        return refuse_state(state, err);
    view_step(&op->out, story_of(op));
    return true;
}

static bool prepare_skip(struct op *op, struct err *err)
{
    op->from = story_of(op)->state;
    op->needs_job = op->from == BATTLE_READY || op->from == BATTLE_STREAMING;
    struct story after = *story_of(op); /* a shallow look ahead, freed by nobody */
    after.state = BATTLE_SKIPPED;
    view_step(&op->out, &after);
    return op->needs_job || op->from == BATTLE_SKIPPED || refuse_state(op->from, err);
}

static bool apply_skip(struct db *tx, struct op *op, struct err *err)
{
    return battles_change(tx, op->battle, op->from, BATTLE_SKIPPED, NULL, op->now_ms, err);
}

static void skip_committed(struct op *op)
{
    op->hall->figures.skipped++;
    op->resident->settling = SETTLING_NO;
    battle_cut(op->resident->battle);
    story_of(op)->state = BATTLE_SKIPPED;
    battle_tell_void(op->resident->battle, "skipped");
    hall_battle_over(op->hall, op->resident->battle);
}

/* --- the vote --- */

/* How long the answer that was on screen for less was there; what the page does not tell, or tells
 * longer than it can have been, is what we know ourselves: since both were shown. */
static bool read_dwell(struct op *op, struct err *err)
{
    const struct battle *battle = op->resident->battle;
    int64_t shown_ms = battle->story.source == BATTLE_QUEUED ? op->now_ms - battle->story.created_ms
                       : battle->opened_ns ? (clock_mono_ns() - battle->opened_ns) / CLOCK_MS
                                           : -1;
    int64_t told = INT64_MAX;
    if (!json_get_int_or(op->body, "read_ms", WHAT, 0, INT64_MAX, &told, err))
        return false;
    op->read_ms = told < shown_ms ? told : shown_ms;
    return true;
}

static bool prepare_vote(struct op *op, struct err *err)
{
    const char *winner;
    op->reveal = true;
    if (!json_get_string(op->body, "winner", WHAT, &winner, err) ||
        !json_get_bool_or(op->body, "reveal", WHAT, &op->reveal, err) || !read_dwell(op, err))
        return false;
    if (!winner_from(winner, &op->winner))
        return err_set(
            err, ERR_BAD_REQUEST,
            WHAT ": \"winner\" is \"%.40s\"; it must be model_a, model_b, tie or both_bad", winner);
    op->needs_job = true;
    return must_be_ready(op, err);
}

/* The story as it is once this vote stands. */
static void take_vote(struct story *story, const struct vote_result *result, bool revealed)
{
    story->state = BATTLE_VOTED;
    story->voted = true;
    story->winner = result->winner;
    story->counted = result->counted;
    story->revealed = revealed;
}

static bool apply_vote(struct db *tx, struct op *op, struct err *err)
{
    const struct battle *battle = op->resident->battle;
    struct story after = battle->story; /* a shallow look ahead, freed by nobody */
    int64_t delay_ms = battle->ended_ns ? (clock_mono_ns() - battle->ended_ns) / CLOCK_MS
                       : after.source == BATTLE_QUEUED ? op->now_ms - after.created_ms
                                                       : -1;
    struct vote_cast vote = {.battle = after.id,
                             .voter = op->voter,
                             .winner = op->winner,
                             .judge = JUDGE_HUMAN,
                             .counted = VOTE_COUNTED,
                             .delay_ms = delay_ms,
                             .read_ms = op->read_ms,
                             .same_prompt = op->hall->options.same_prompt,
                             .daily = op->hall->options.daily_votes,
                             .now_ms = op->now_ms};
    if ((after.self_identified && !battles_flag_self_identified(tx, after.id, err)) ||
        !votes_cast(tx, &vote, &op->result, err) ||
        (op->reveal && !battles_set_revealed(tx, after.id, op->now_ms, err)))
        return false;
    take_vote(&after, &op->result, op->reveal);
    view_vote(&op->out, &after);
    return true;
}

static void tell_vote(struct op *op, bool revealed)
{
    op->hall->figures.voted++;
    take_vote(story_of(op), &op->result, revealed);
    if (op->hall->options.live)
        live_changed(op->hall->options.live, op->result.seq);
    if (op->hall->options.campaigns && *story_of(op)->campaign)
        campaigns_voted(op->hall->options.campaigns, story_of(op)->campaign);
    battle_tell_voted(op->resident->battle);
    hall_battle_over(op->hall, op->resident->battle);
    if (story_of(op)->counted == VOTE_COUNTED)
        hall_count_day(op->hall, story_of(op), (struct health_day){.votes = 1});
}

static void vote_committed(struct op *op)
{
    tell_vote(op, op->reveal);
}

/* A vote that was told as failed did reach the disk: the retry is refused, and told what stands
 * there. */
static void vote_undone(struct op *op, const struct err *err)
{
    if (err->code == ERR_ALREADY_VOTED)
        tell_vote(op, op->result.battle.revealed);
}

/* --- after the vote --- */

static bool must_be_voted(const struct op *op, struct err *err)
{
    enum battle_state state = story_of(op)->state;
    return state == BATTLE_VOTED || err_set(err, ERR_WRONG_STATE, "this battle is %s: %s",
                                            battle_state_word(state), ADVICE[state]);
}

/* A list of short strings. */
static bool check_reasons(const json_t *list, struct err *err)
{
    size_t i;
    const json_t *reason;
    if (!json_is_array(list) || json_array_size(list) > LIMIT_REASONS)
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"reasons\": expected a list of at most %d",
                       LIMIT_REASONS);
    json_array_foreach(list, i, reason) if (
        !json_is_string(reason) ||
        json_string_length(reason) >
            LIMIT_NAME_BYTES) return err_set(err, ERR_BAD_REQUEST,
                                             WHAT
                                             ": \"reasons\": expected strings of at most %d bytes",
                                             LIMIT_NAME_BYTES);
    return true;
}

/* Either one list, or one for each side. */
static bool read_reasons(struct op *op, struct err *err)
{
    static const char *const SIDES[] = {"a", "b", NULL};
    const json_t *reasons = json_object_get(op->body, "reasons");
    if (!reasons)
        return true;
    if (json_is_object(reasons)) {
        const json_t *a = json_object_get(reasons, "a"), *b = json_object_get(reasons, "b");
        if (!json_only_keys(reasons, SIDES, WHAT ": \"reasons\"", err) ||
            (a && !check_reasons(a, err)) || (b && !check_reasons(b, err)))
            return false;
    } else if (!check_reasons(reasons, err)) {
        return false;
    }
    char *text = json_dumps(reasons, JSON_COMPACT);
    bool good = text && buf_add_string(&op->reasons, text);
    free(text);
    return good || err_set(err, ERR_MEMORY, "out of memory");
}

/* What the voter thinks to have recognised: "no", a side, "both", or an object with guesses. */
static bool read_recognised(struct op *op, struct err *err)
{
    const json_t *recognised = json_object_get(op->body, "recognised");
    const char *word = json_string_value(recognised);
    if (!recognised || json_is_null(recognised) || json_is_false(recognised))
        return true;
    if (word && strcmp(word, "none") == 0)
        return true;
    if (!word && !json_is_true(recognised) && !json_is_object(recognised))
        return err_set(err, ERR_BAD_REQUEST,
                       WHAT ": \"recognised\": expected a word, true or false, or an object");
    char *text = json_dumps(recognised, JSON_COMPACT | JSON_ENCODE_ANY);
    bool good =
        text && strlen(text) <= LIMIT_COMMENT_BYTES && buf_add_string(&op->recognised, text);
    free(text);
    return good || err_set(err, ERR_TOO_LARGE, WHAT ": \"recognised\" is longer than %d bytes",
                           LIMIT_COMMENT_BYTES);
}

static bool prepare_feedback(struct op *op, struct err *err)
{
    const char *comment = NULL;
    if (!json_get_string_or(op->body, "comment", WHAT, &comment, err) || !read_reasons(op, err) ||
        !read_recognised(op, err) || !must_be_voted(op, err))
        return false;
    if (comment && !buf_add_string(&op->comment, comment))
        return err_set(err, ERR_TOO_LARGE, "the comment is longer than %d bytes: shorten it",
                       LIMIT_COMMENT_BYTES);
    if (story_of(op)->revealed)
        return err_set(err, ERR_WRONG_STATE,
                       "the names are shown already: feedback comes between vote and reveal");
    view_vote(&op->out, story_of(op));
    op->needs_job = true;
    return true;
}

static struct text text_or_none(const struct buf *buf)
{
    return buf->length ? buf_text(buf) : (struct text){NULL, 0};
}

static bool apply_feedback(struct db *tx, struct op *op, struct err *err)
{
    struct vote_feedback feedback = {text_or_none(&op->reasons), text_or_none(&op->comment),
                                     text_or_none(&op->recognised)};
    return votes_feedback(tx, op->battle, op->voter, &feedback, op->now_ms, err);
}

static void feedback_committed(struct op *op)
{
    if (op->recognised.length && op->hall->options.live)
        live_remarked(op->hall->options.live);
}

static bool prepare_reveal(struct op *op, struct err *err)
{
    if (!must_be_voted(op, err))
        return false;
    op->needs_job = !story_of(op)->revealed;
    struct story after = *story_of(op);
    after.revealed = true;
    view_vote(&op->out, &after);
    return true;
}

static bool apply_reveal(struct db *tx, struct op *op, struct err *err)
{
    return battles_set_revealed(tx, op->battle, op->now_ms, err);
}

static void reveal_committed(struct op *op)
{
    story_of(op)->revealed = true;
}

/* --- never to be exported --- */

static bool prepare_private(struct op *op, struct err *err)
{
    const json_t *wish = json_object_get(op->body, "private");
    if (!json_is_boolean(wish))
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"private\": expected true or false");
    op->keep_private = json_is_true(wish);
    op->needs_job = true;
    view_private(&op->out, story_of(op), op->keep_private);
    return true;
}

static bool apply_private(struct db *tx, struct op *op, struct err *err)
{
    return battles_set_private(tx, op->battle, op->keep_private, err);
}

static void private_committed(struct op *op)
{
    story_of(op)->keep_private = op->keep_private;
}

/* --- reading --- */

static bool prepare_get(struct op *op, struct err *err)
{
    struct text shown[2];
    (void)err;
    battle_shown(op->resident->battle, shown);
    view_battle(&op->out, story_of(op), shown);
    return true;
}

static bool prepare_events(struct op *op, struct err *err)
{
    (void)op;
    (void)err;
    return true;
}

static const char *const NO_KEYS[] = {NULL};
static const char *const START_KEYS[] = {"prompt", "mode", "models", "in_house_only", NULL};
static const char *const PROMPT_KEYS[] = {"prompt", NULL};
static const char *const VOTE_KEYS[] = {"winner", "reveal", "read_ms", NULL};
static const char *const PRIVATE_KEYS[] = {"private", NULL};
static const char *const FEEDBACK_KEYS[] = {"reasons", "comment", "recognised", NULL};

const struct action ACTIONS[HALL_ACTIONS + 1] = {
    [HALL_START] = {"start ", START_KEYS, false, opening_prepare, opening_apply, opening_committed,
                    opening_undone},
    [HALL_NEXT] = {"next ", NO_KEYS, false, queued_prepare, queued_apply, NULL, NULL},
    [HALL_LIST] = {.keys = NO_KEYS},
    [HALL_GET] = {.keys = NO_KEYS, .prepare = prepare_get},
    [HALL_TURN] = {"turn ", PROMPT_KEYS, true, prepare_turn, apply_turn, turn_committed,
                   turn_undone},
    [HALL_VOTE] = {"vote ", VOTE_KEYS, true, prepare_vote, apply_vote, vote_committed, vote_undone},
    [HALL_FEEDBACK] = {"feedback ", FEEDBACK_KEYS, true, prepare_feedback, apply_feedback,
                       feedback_committed, NULL},
    [HALL_PRIVATE] = {"private ", PRIVATE_KEYS, true, prepare_private, apply_private,
                      private_committed, NULL},
    [HALL_REVEAL] = {"reveal ", NO_KEYS, true, prepare_reveal, apply_reveal, reveal_committed,
                     NULL},
    [HALL_STOP] = {.keys = NO_KEYS, .waits = true, .prepare = prepare_stop},
    [HALL_SKIP] = {"skip ", NO_KEYS, true, prepare_skip, apply_skip, skip_committed, NULL},
    [HALL_REGENERATE] = {"regenerate ", NO_KEYS, true, prepare_regenerate, apply_regenerate,
                         regenerate_committed, NULL},
    [HALL_EVENTS] = {.keys = NO_KEYS, .prepare = prepare_events},
};
