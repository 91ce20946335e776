/* Every battle once a vote (once in all where it has none). Texts go out only with the voter's
 * consent, and a battle that its voter keeps private not at all. */
#include "eval/export.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/export_walk.h"
#include "eval/review.h"
#include "eval/vote_fields.h"

/* --- the turns of one battle --- */

struct lane_facts {
    struct buf conversation;
    struct json_out json;
    int64_t first_ms, ended_ms, input_tokens, output_tokens, attempts;
    double cost_usd;
    char finish[24], error[24];
};

struct telling {
    struct lane_facts lane[2];
    struct buf full;
    struct json_out json;
    bool texts;
};

static void put_message(struct json_out *json, const char *key, const char *role, struct text text,
                        int64_t tokens)
{
    json_put_open(json, key, '{');
    json_put_cstring(json, "role", role);
    json_put_open(json, "content", '[');
    json_put_open(json, NULL, '{');
    json_put_cstring(json, "type", "text");
    json_put_string(json, "text", text);
    json_put_close(json, '}');
    json_put_close(json, ']');
    if (tokens >= 0)
        json_put_int(json, "num_tokens", tokens);
    json_put_close(json, '}');
}

static void tell_lane(struct lane_facts *lane, const struct answer_record *answer, int64_t first_ms,
                      int64_t ended_ms)
{
    lane->first_ms = first_ms;
    lane->ended_ms = ended_ms;
    lane->input_tokens = answer->input_tokens;
    lane->output_tokens = answer->output_tokens;
    lane->attempts += answer->attempts;
    lane->cost_usd += answer->cost_usd;
    snprintf(lane->finish, sizeof lane->finish, "%s", answer->finish ? answer->finish : "");
    snprintf(lane->error, sizeof lane->error, "%s", answer->error_class ? answer->error_class : "");
}

static bool on_turn(void *user, const struct turn_record *turn)
{
    struct telling *telling = user;
    const struct answer_record *answers[2] = {&turn->a, &turn->b};
    if (!turn->answered)
        return true;
    tell_lane(&telling->lane[0], &turn->a, turn->timing.first_ms_a, turn->timing.ended_ms_a);
    tell_lane(&telling->lane[1], &turn->b, turn->timing.first_ms_b, turn->timing.ended_ms_b);
    if (!telling->texts)
        return true;
    json_put_open(&telling->json, NULL, '{');
    put_message(&telling->json, "user", "user", turn->prompt, -1);
    for (int side = 0; side < 2; side++) {
        struct lane_facts *lane = &telling->lane[side];
        put_message(&lane->json, NULL, "user", turn->prompt, -1);
        put_message(&lane->json, NULL, "assistant", export_text_said(answers[side]),
                    answers[side]->output_tokens);
        put_message(&telling->json, side ? "model_side_b" : "model_side_a", "assistant",
                    export_text_said(answers[side]), answers[side]->output_tokens);
    }
    json_put_close(&telling->json, '}');
    return true;
}

static void telling_init(struct telling *telling, bool texts)
{
    *telling = (struct telling){.texts = texts};
    buf_init(&telling->full, TABLE_ROW_MAX);
    telling->json = json_out_to(&telling->full);
    json_put_open(&telling->json, NULL, '[');
    for (int side = 0; side < 2; side++) {
        struct lane_facts *lane = &telling->lane[side];
        *lane = (struct lane_facts){
            .first_ms = -1, .ended_ms = -1, .input_tokens = -1, .output_tokens = -1};
        buf_init(&lane->conversation, TABLE_ROW_MAX);
        lane->json = json_out_to(&lane->conversation);
        json_put_open(&lane->json, NULL, '[');
    }
}

static void telling_end(struct telling *telling)
{
    json_put_close(&telling->json, ']');
    for (int side = 0; side < 2; side++)
        json_put_close(&telling->lane[side].json, ']');
}

static void telling_done(struct telling *telling)
{
    buf_done(&telling->full);
    for (int side = 0; side < 2; side++)
        buf_done(&telling->lane[side].conversation);
}

/* --- the row --- */

static void put_sides(struct table *table, const char *const names[2],
                      const struct lane_facts lanes[2])
{
    for (int side = 0; side < 2; side++) {
        char name[32];
        const struct lane_facts *lane = &lanes[side];
        bool said_something = lane->finish[0] != '\0';
#define NAME(stem) (snprintf(name, sizeof name, stem "_%c", "ab"[side]), name)
        table_known(table, NAME("ttft_ms"), lane->first_ms);
        table_known(table, NAME("dur_ms"), lane->ended_ms);
        table_string(table, NAME("finish_reason"), said_something ? lane->finish : NULL);
        table_string(table, NAME("error"), lane->error[0] ? lane->error : NULL);
        table_known(table, NAME("input_tokens"), lane->input_tokens);
        table_known(table, NAME("output_tokens"), lane->output_tokens);
        table_real(table, NAME("cost_usd"), said_something ? lane->cost_usd : NAN);
        table_known(table, NAME("attempts"), lane->attempts ? lane->attempts : -1);
        table_string(table, NAME("model_version"), names[side]);
#undef NAME
    }
}

static void put_vote(struct table *table, const struct battle_row *row, enum vote_counted counted,
                     bool texts)
{
    char voter[32];
    bool voted = row->seq > 0;
    struct text none = {NULL, 0};
    snprintf(voter, sizeof voter, "v%" PRId64, row->voter);
    table_string(table, "judge_hash", voted && row->voter ? voter : NULL);
    table_string(table, "judge_kind", voted ? judge_kind_word(row->judge) : NULL);
    table_string(table, "counted", voted ? vote_counted_word(counted) : NULL);
    table_known(table, "vote_timestamp", voted ? row->at_ms : -1);
    table_known(table, "vote_delay_ms", voted ? row->delay_ms : -1);
    table_known(table, "dwell_ms", voted ? row->read_ms : -1);
    table_text(table, "cohort", row->cohort);
    table_json(table, "reasons", row->reasons);
    table_text(table, "comment", texts ? row->comment : none);
    table_json(table, "guess", texts ? row->recognised : none);
}

static void put_battle(struct export_walk *walk, const struct battle_row *row,
                       const struct telling *telling, const char *const names[2],
                       const char *const digests[2])
{
    static const char *const MODES[] = {"blind", "side_by_side", "direct"};
    struct table *table = walk->table;
    struct text none = TEXT("");
    table_text(table, "id", row->id);
    table_string(table, "model_a", names[0]);
    table_string(table, "model_b", names[1]);
    table_string(table, "winner", row->seq ? winner_word(row->winner) : NULL);
    table_json(table, "conversation_a",
               telling->texts ? buf_text(&telling->lane[0].conversation) : none);
    table_json(table, "conversation_b",
               telling->texts ? buf_text(&telling->lane[1].conversation) : none);
    table_json(table, "full_conversation", telling->texts ? buf_text(&telling->full) : none);
    export_tags_put(&walk->tags, table, &row->style_a, &row->style_b, row->turns);
    table_known(table, "turn", row->turns ? row->turns : -1);
    table_bool(table, "anony", row->mode == BATTLE_BLIND);
    table_int(table, "timestamp", row->created_ms);
    put_vote(table, row, sieve_marks_of(&walk->marks, row->seq), telling->texts);
    table_string(table, "state", battle_state_word(row->state));
    table_string(table, "source", battle_source_word(row->source));
    table_string(table, "mode", MODES[row->mode]);
    table_text(table, "void_code", row->void_code);
    table_text(table, "campaign_id", row->campaign);
    table_string(table, "consent_scope", consent_scope_word(row->consent));
    table_real(table, "pair_propensity", row->probability);
    table_real(table, "side_propensity", row->side_probability);
    table_bool(table, "leak_flag", row->self_identified);
    put_sides(table, digests, telling->lane);
}

static bool write_battle(struct export_walk *walk, bool texts)
{
    const struct battle_row *row = walk->row;
    const struct version_record *a, *b;
    struct telling telling;
    const char *names[2] = {version_labels_find(&walk->labels, row->version_a, &a),
                            version_labels_find(&walk->labels, row->version_b, &b)};
    if (!names[0] || !names[1])
        return err_set(&walk->err, ERR_STORE, "a battle names a version that is not there");
    telling_init(&telling, texts);
    bool ok = row->source == BATTLE_IMPORT || export_walk_turns(walk, on_turn, &telling);
    telling_end(&telling);
    if (ok) {
        const char *const digests[2] = {a->digest, b->digest};
        table_begin(walk->table);
        put_battle(walk, row, &telling, names, digests);
        ok = table_end(walk->table);
    }
    telling_done(&telling);
    walk->report->rows += ok;
    return ok;
}

static bool on_battle(struct export_walk *walk)
{
    const struct battle_row *row = walk->row;
    struct review_finds personal = {0};
    if (row->keep_private) {
        walk->report->kept_private++;
        return true;
    }
    bool stored = row->source != BATTLE_IMPORT, /* an import has no texts */
        texts = stored && export_may_tell(walk->options, row->consent);
    walk->report->without_consent += stored && !texts;
    if (texts && !review_needed(walk->db, row, &personal, &walk->err))
        return false;
    bool held = personal.patterns || personal.model;
    walk->report->held_back += held;
    walk->report->unread += texts && !held && personal.unread;
    return write_battle(walk, texts && !held);
}

bool export_battles(struct db *db, const struct export_options *options, struct table *table,
                    struct export_report *report, struct err *err)
{
    struct export_walk walk = {.db = db, .options = options, .table = table, .report = report};
    return export_walk_battles(&walk, false, on_battle, err);
}
