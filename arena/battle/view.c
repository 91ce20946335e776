/* Every function asks the story itself whether names may be told (story_is_told), so that no caller
 * can get it wrong. */
#include "battle/view.h"

#include <math.h>

/* Under a code name nothing else is told: whose it is, its version's digest and what it costs could
 * all be looked up. */
static void model(struct json_out *out, const char *key, const struct story_side *side)
{
    bool hidden = side->code_name != NULL;
    json_put_open(out, key, '{');
    json_put_cstring(out, "name", hidden ? side->code_name : side->name);
    if (hidden)
        json_put_bool(out, "code_name", true);
    json_put_cstring(out, "organisation", hidden ? NULL : side->organisation);
    json_put_cstring(out, "licence", hidden ? NULL : side->licence);
    json_put_bool(out, "in_house", side->in_house && !hidden);
    json_put_cstring(out, "version", hidden ? NULL : side->version);
    json_put_close(out, '}');
}

static void models(struct json_out *out, const struct story *story)
{
    char nonce[2 * BATTLE_NONCE_SIZE + 1];
    if (!story_is_told(story)) {
        json_put_null(out, "models");
        return;
    }
    json_put_open(out, "models", '{');
    model(out, "a", &story->side[0]);
    if (story->mode != BATTLE_DIRECT)
        model(out, "b", &story->side[1]);
    json_put_close(out, '}');
    hex_encode(story->nonce, BATTLE_NONCE_SIZE, nonce);
    /* with it names can be tried against the commitment, which opens when both are published */
    json_put_cstring(out, "nonce", story_has_code_name(story) ? NULL : nonce);
}

static void head(struct json_out *out, const struct story *story)
{
    json_put_cstring(out, "battle_id", story->id);
    json_put_cstring(out, "state", battle_state_word(story->state));
    if (story->source == BATTLE_QUEUED)
        json_put_bool(out, "queued", true);
    if (story->mode == BATTLE_BLIND)
        return;
    json_put_cstring(out, "mode", battle_mode_word(story->mode));
    models(out, story);
}

static void commitment(struct json_out *out, const struct story *story)
{
    char digest[DIGEST_HEX + 1];
    story_commitment(story, digest);
    json_put_cstring(out, "commitment", digest);
}

static void vote(struct json_out *out, const struct story *story)
{
    if (!story->voted)
        return;
    bool counted = story->counted == VOTE_COUNTED;
    json_put_cstring(out, "winner", winner_word(story->winner));
    json_put_bool(out, "counted", counted);
    json_put_cstring(out, "reason", counted ? NULL : vote_counted_word(story->counted));
    json_put_bool(out, "revealed", story->revealed);
    json_put_bool(out, "ask_recognised", story_asks_recognised(story));
    if (story->mode == BATTLE_BLIND)
        models(out, story);
}

static void answer_facts(struct json_out *out, const struct story_answer *answer, bool priced)
{
    json_put_cstring(out, "finish", answer->finish);
    json_put_bool(out, "refusal", answer->refused);
    if (answer->output_tokens >= 0)
        json_put_int(out, "output_tokens", answer->output_tokens);
    if (answer->first_content_ns > 0)
        json_put_int(out, "first_content_ms", answer->first_content_ns / 1000000);
    if (answer->total_ns > 0)
        json_put_int(out, "total_ms", answer->total_ns / 1000000);
    json_put_real(out, "cost_usd", priced ? answer->cost_usd : (double)NAN);
}

static void answer(struct json_out *out, const struct story *story, const struct story_turn *turn,
                   int side, struct text shown)
{
    const struct story_answer *said = &turn->answer[side];
    const char *key = side ? "b" : "a";
    json_put_open(out, key, '{');
    json_put_string(out, "text", turn->answered ? buf_text(&said->text) : shown);
    if (story_is_told(story) && turn->answered)
        answer_facts(out, said, !story->side[side].code_name);
    json_put_close(out, '}');
}

void view_battle(struct buf *buf, const struct story *story, const struct text shown[2])
{
    struct json_out out = json_out_to(buf);
    json_put_open(&out, NULL, '{');
    head(&out, story);
    json_put_time(&out, "created", story->created_ms);
    if (story->state == BATTLE_VOID)
        json_put_cstring(&out, "code", story->void_code);
    json_put_bool(&out, "private", story->keep_private);
    json_put_int(&out, "turn", (int64_t)story->turn_count);
    json_put_open(&out, "turns", '[');
    for (size_t i = 0; i < story->turn_count; i++) {
        const struct story_turn *turn = &story->turns[i];
        json_put_open(&out, NULL, '{');
        json_put_int(&out, "turn", (int64_t)i + 1);
        json_put_string(&out, "prompt", buf_text(&turn->prompt));
        answer(&out, story, turn, 0, shown[0]);
        if (story->mode != BATTLE_DIRECT)
            answer(&out, story, turn, 1, shown[1]);
        json_put_close(&out, '}');
    }
    json_put_close(&out, ']');
    commitment(&out, story);
    vote(&out, story);
    json_put_close(&out, '}');
}

void view_step(struct buf *buf, const struct story *story)
{
    struct json_out out = json_out_to(buf);
    json_put_open(&out, NULL, '{');
    head(&out, story);
    json_put_int(&out, "turn", (int64_t)story->turn_count);
    commitment(&out, story);
    json_put_close(&out, '}');
}

void view_vote(struct buf *buf, const struct story *story)
{
    struct json_out out = json_out_to(buf);
    json_put_open(&out, NULL, '{');
    head(&out, story);
    vote(&out, story);
    commitment(&out, story);
    json_put_close(&out, '}');
}

void view_private(struct buf *buf, const struct story *story, bool keep_private)
{
    struct json_out out = json_out_to(buf);
    json_put_open(&out, NULL, '{');
    head(&out, story);
    json_put_bool(&out, "private", keep_private);
    json_put_close(&out, '}');
}

void view_error(struct buf *buf, const struct err *err, const struct story *story)
{
    struct json_out out = json_out_to(buf);
    json_put_open(&out, NULL, '{');
    json_put_open(&out, "error", '{');
    json_put_cstring(&out, "code", err_word(err->code));
    json_put_cstring(&out, "message", err->message);
    json_put_close(&out, '}');
    if (story) {
        head(&out, story);
        vote(&out, story);
    }
    json_put_close(&out, '}');
}

void view_summary(struct json_out *out, const struct story *story, struct text prompt, int turns)
{
    json_put_open(out, NULL, '{');
    head(out, story);
    json_put_time(out, "created", story->created_ms);
    json_put_bool(out, "private", story->keep_private);
    json_put_int(out, "turn", turns);
    json_put_string(out, "prompt", prompt);
    vote(out, story);
    json_put_close(out, '}');
}
