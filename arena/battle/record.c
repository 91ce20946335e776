/* A turn is stored when both answers stand, in one transaction with everything that happened on
 * the way to it: nothing of a battle is half there, and a battle that streamed when the process
 * died has only its prompt. */
#include "battle/record.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "battle/view.h"
#include "board/tagging.h"
#include "store/answers.h"
#include "store/battles.h"
#include "store/competitors.h"
#include "store/turns.h"
#include "store/votes.h"

#define TAGS_BYTES 4096 /* a dozen short members */

bool record_version(struct db *tx, const struct story_side *side, int64_t now_ms, int64_t *version,
                    struct err *err)
{
    struct version_record record = {.name = side->name,
                                    .digest = side->version,
                                    .effective = side->effective ? side->effective : "{}",
                                    .organisation = side->organisation,
                                    .licence = side->licence,
                                    .in_house = side->in_house,
                                    .outputs_may_train = side->outputs_may_train};
    return competitors_register(tx, &record, now_ms, version, err);
}

bool record_start(struct db *tx, const struct story *story, bool in_house_only, int64_t version[2],
                  struct err *err)
{
    int64_t now_ms = story->created_ms;
    for (int i = 0; i < 2; i++)
        if (!record_version(tx, &story->side[i], now_ms, &version[i], err))
            return false;
    struct battle_record record = {.state = BATTLE_STREAMING,
                                   .source = BATTLE_LIVE,
                                   .mode = story->mode,
                                   .version_a = version[0],
                                   .version_b = version[1],
                                   .probability = story->pair_probability,
                                   .side_probability = story->side_probability,
                                   .in_house_only = in_house_only,
                                   .created_ms = now_ms};
    memcpy(record.id, story->id, sizeof record.id);
    memcpy(record.voter, story->voter, sizeof record.voter);
    memcpy(record.campaign, story->campaign, sizeof record.campaign);
    memcpy(record.nonce, story->nonce, sizeof record.nonce);
    return battles_insert(tx, &record, err) &&
           turns_insert(tx, story->id, 1, buf_text(&story->turns[0].prompt), now_ms, err);
}

bool record_again(struct db *tx, const char *battle, int64_t now_ms, struct err *err)
{
    return battles_change(tx, battle, BATTLE_READY, BATTLE_STREAMING, NULL, now_ms, err);
}

bool record_turn(struct db *tx, const char *battle, int turn, struct text prompt, int64_t now_ms,
                 struct err *err)
{
    return record_again(tx, battle, now_ms, err) &&
           turns_insert(tx, battle, turn, prompt, now_ms, err);
}

/* --- answers --- */

/* The digest of all that the side was told and had said before this answer. */
static bool conversation(const struct story *story, int side, char out[DIGEST_HEX + 1],
                         struct err *err)
{
    uint8_t sum[DIGEST_SIZE];
    struct digest *digest = digest_new();
    if (!digest)
        return err_set(err, ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < story->turn_count; i++) {
        const struct story_turn *turn = &story->turns[i];
        digest_add_field(digest, turn->prompt.data, turn->prompt.length);
        if (i + 1 < story->turn_count)
            digest_add_field(digest, turn->answer[side].text.data, turn->answer[side].text.length);
    }
    digest_finish(digest, sum);
    hex_encode(sum, sizeof sum, out);
    return true;
}

static struct text text_or_none(const struct buf *buf)
{
    return buf->length ? buf_text(buf) : (struct text){NULL, 0};
}

static bool store_answer(struct db *tx, const struct battle *battle, int side, int64_t version,
                         int64_t now_ms, int64_t *id, struct err *err)
{
    const struct story *story = &battle->story;
    const struct lane *lane = &battle->lane[side];
    const struct lane_facts *facts = &lane->facts;
    char told[DIGEST_HEX + 1], sample[128];
    if (!conversation(story, side, told, err))
        return false;
    snprintf(sample, sizeof sample, "%s/%zu/%d/%" PRId64, story->id, story->turn_count, side,
             now_ms);
    struct answer_record record = {.version = version,
                                   .text = buf_text(&story_last(story)->answer[side].text),
                                   .reasoning = text_or_none(&lane->reasoning),
                                   .refusal = text_or_none(&lane->refusal),
                                   .finish = chat_finish_word(facts->finish),
                                   .input_tokens = facts->usage.input,
                                   .output_tokens = facts->usage.output,
                                   .reasoning_tokens = facts->usage.reasoning,
                                   .cached_tokens = facts->usage.cached,
                                   .cache_write_tokens = facts->usage.cache_write,
                                   .cost_usd = facts->cost_usd,
                                   .model = facts->model,
                                   .request_id = facts->request_id,
                                   .sent = facts->sent,
                                   .attempts = facts->attempts,
                                   .first_content_ns = facts->first_content_ns,
                                   .total_ns = facts->total_ns,
                                   .created_ms = now_ms};
    answers_key(story->side[side].version, text_of(told), text_of(sample), record.key);
    return answers_insert(tx, &record, id, err);
}

static int64_t ms_since(int64_t start_ns, int64_t at_ns)
{
    return at_ns ? (at_ns - start_ns) / CLOCK_MS : -1;
}

static bool store_incidents(struct db *tx, const struct battle *battle, int64_t now_ms,
                            struct err *err)
{
    for (size_t i = 0; i < battle->incident_count; i++) {
        const struct battle_incident *incident = &battle->incidents[i];
        struct incident_record record = {.battle = battle->story.id,
                                         .kind = incident->swapped ? INCIDENT_SWAP : INCIDENT_VOID,
                                         .side = incident->lane,
                                         .code = chat_error_word(incident->error),
                                         .at_ms = now_ms};
        if (!record_version(tx, &incident->side, now_ms, &record.version, err) ||
            !record_version(tx, &incident->against, now_ms, &record.against, err) ||
            !incidents_add(tx, &record, err))
            return false;
    }
    return true;
}

static struct style_counts counts_of(const struct style *style)
{
    return (struct style_counts){.tokens = (int64_t)style->count[STYLE_TOKENS],
                                 .headers = (int64_t)style->count[STYLE_HEADERS],
                                 .lists = (int64_t)style->count[STYLE_LISTS],
                                 .bold = (int64_t)style->count[STYLE_BOLD]};
}

/* What the whole battle is about and looks like, this turn included. */
bool record_tags(struct db *tx, const struct story *story, const char *category, struct err *err)
{
    struct tagging tagging;
    struct buf tags;
    tagging_init(&tagging);
    tagging.category = category;
    for (size_t i = 0; i < story->turn_count; i++) {
        const struct story_turn *turn = &story->turns[i];
        const struct story_answer *answer = turn->answer;
        const struct text text[2] = {buf_text(&answer[0].text), buf_text(&answer[1].text)};
        tagging_add_turn(&tagging, buf_text(&turn->prompt), text,
                         answer[0].refused || answer[1].refused);
    }
    struct style_counts a = counts_of(&tagging.side[0]), b = counts_of(&tagging.side[1]);
    buf_init(&tags, TAGS_BYTES);
    bool good = tagging_write(&tagging, &tags)
                    ? battles_set_tags(tx, story->id, buf_text(&tags), err)
                    : err_set(err, ERR_MEMORY, "out of memory");
    buf_done(&tags);
    return good && battles_set_style(tx, story->id, &a, &b, err);
}

bool record_answers(struct db *tx, const struct battle *battle, int64_t version[2], int64_t now_ms,
                    struct err *err)
{
    const struct story *story = &battle->story;
    int64_t answer[2];
    for (int i = 0; i < 2; i++) {
        const struct story_side *side = &story->side[i];
        version[i] = side->version_id;
        if (!version[i] && (!record_version(tx, side, now_ms, &version[i], err) ||
                            !battles_swap(tx, story->id, (char)('a' + i), version[i], err)))
            return false;
        if (!store_answer(tx, battle, i, version[i], now_ms, &answer[i], err))
            return false;
    }
    const struct lane *a = &battle->lane[0], *b = &battle->lane[1];
    struct turn_timing timing = {.first_ms_a = ms_since(battle->started_ns, a->first_ns),
                                 .first_ms_b = ms_since(battle->started_ns, b->first_ns),
                                 .ended_ms_a = ms_since(battle->started_ns, a->ended_ns),
                                 .ended_ms_b = ms_since(battle->started_ns, b->ended_ns),
                                 .released_ms = ms_since(battle->started_ns, battle->opened_ns),
                                 .shown_ms = ms_since(battle->started_ns, battle->ended_ns)};
    return turns_answer(tx, story->id, (int)story->turn_count, answer[0], answer[1], &timing,
                        now_ms, err) &&
           record_tags(tx, story, NULL, err) && store_incidents(tx, battle, now_ms, err) &&
           (!story->self_identified || battles_flag_self_identified(tx, story->id, err)) &&
           battles_change(tx, story->id, BATTLE_STREAMING, BATTLE_READY, NULL, now_ms, err);
}

bool record_void(struct db *tx, const struct battle *battle, const char *code, int64_t now_ms,
                 struct err *err)
{
    return store_incidents(tx, battle, now_ms, err) && record_tags(tx, &battle->story, NULL, err) &&
           battles_change(tx, battle->story.id, BATTLE_STREAMING, BATTLE_VOID, code, now_ms, err);
}

/* --- out of the store --- */

static void take_record(struct story *story, const struct battle_record *record)
{
    memcpy(story->id, record->id, sizeof story->id);
    memcpy(story->voter, record->voter, sizeof story->voter);
    memcpy(story->nonce, record->nonce, sizeof story->nonce);
    memcpy(story->void_code, record->void_code, sizeof story->void_code);
    memcpy(story->campaign, record->campaign, sizeof story->campaign);
    story->mode = record->mode;
    story->source = record->source;
    story->state = record->state;
    story->created_ms = record->created_ms;
    story->pair_probability = record->probability;
    story->side_probability = record->side_probability;
    story->self_identified = record->self_identified;
    story->revealed = record->revealed;
    story->keep_private = record->keep_private;
}

static bool take_version(struct story_side *side, const struct versions *versions, int64_t id,
                         struct err *err)
{
    const struct version_record *version = versions_find(versions, id);
    if (!version)
        return err_set(err, ERR_STORE,
                       "the store names no competitor version %" PRId64 ": run arena verify", id);
    /* the writable members are only read by story_set_side */
    struct story_side from = {.version_id = id,
                              .in_house = version->in_house,
                              .outputs_may_train = version->outputs_may_train};
    from.name = (char *)(uintptr_t)version->name;
    from.organisation = (char *)(uintptr_t)version->organisation;
    from.licence = (char *)(uintptr_t)version->licence;
    from.code_name = (char *)(uintptr_t)version->code_name;
    snprintf(from.version, sizeof from.version, "%s", version->digest);
    return story_set_side(side, &from, err);
}

static bool take_sides(struct story *story, const struct versions *versions,
                       const struct battle_record *record, struct err *err)
{
    return take_version(&story->side[0], versions, record->version_a, err) &&
           take_version(&story->side[1], versions, record->version_b, err);
}

static void take_vote(struct story *story, const struct battle_summary *summary)
{
    story->voted = summary->winner && winner_from(summary->winner, &story->winner);
    story->counted = (enum vote_counted)summary->counted;
}

struct loading {
    struct story *story;
    struct err *err;
    bool failed;
};

static bool load_vote(void *user, const struct battle_summary *summary)
{
    struct loading *loading = user;
    if (strcmp(summary->battle.id, loading->story->id) == 0)
        take_vote(loading->story, summary);
    return false;
}

static bool load_answer(struct story_answer *answer, const struct answer_record *record)
{
    snprintf(answer->finish, sizeof answer->finish, "%s", record->finish ? record->finish : "");
    answer->refused = record->refusal.length > 0;
    answer->output_tokens = record->output_tokens;
    answer->first_content_ns = record->first_content_ns;
    answer->total_ns = record->total_ns;
    answer->cost_usd = record->cost_usd;
    return buf_add_text(&answer->text, record->text);
}

static bool load_turn(void *user, const struct turn_record *record)
{
    struct loading *loading = user;
    struct story_turn *turn = story_add_turn(loading->story, record->prompt, loading->err);
    loading->failed = !turn;
    if (!turn || !record->answered)
        return turn != NULL;
    turn->answered =
        load_answer(&turn->answer[0], &record->a) && load_answer(&turn->answer[1], &record->b);
    if (!turn->answered)
        loading->failed = !err_set(loading->err, ERR_MEMORY, "out of memory");
    return turn->answered;
}

bool record_read(struct db *db, const char *battle, const char *voter, struct story *story,
                 struct err *err)
{
    struct battle_record record;
    struct versions versions = {0};
    struct loading loading = {story, err, false};
    struct err problem = ERR_INIT;
    bool found = battles_find(db, battle, &record, &problem);
    if (!found && problem.code != ERR_NOT_FOUND) {
        *err = problem;
        return false;
    }
    /* the same words for somebody else's: a guessed id tells nothing */
    if (!found || strcmp(record.voter, voter) != 0)
        return err_set(err, ERR_NOT_FOUND, "there is no battle of this id among yours");
    take_record(story, &record);
    if (!versions_load(db, &versions, err))
        return false;
    bool good = take_sides(story, &versions, &record, err);
    versions_done(&versions);
    return good && turns_each(db, battle, load_turn, &loading, err) && !loading.failed &&
           battles_of_voter(db, voter, record.number + 1, 1, load_vote, &loading, err);
}

bool record_load(const char *dir, const char *battle, const char *voter, struct story *story,
                 struct err *err)
{
    struct db *db = store_read_open(dir, err);
    if (!db)
        return false;
    bool good = store_read_begin(db, err);
    if (good) {
        good = record_read(db, battle, voter, story, err);
        store_read_end(db);
    }
    db_close(db);
    return good;
}

struct listing {
    struct json_out out;
    const struct versions *versions;
    struct err *err;
    int left;
    char last[STORE_ID_SIZE];
    bool more, failed;
};

static bool list_one(void *user, const struct battle_summary *summary)
{
    struct listing *listing = user;
    struct story story;
    if (!listing->left--) {
        listing->more = true;
        return false;
    }
    story_init(&story);
    take_record(&story, &summary->battle);
    take_vote(&story, summary);
    bool good = take_sides(&story, listing->versions, &summary->battle, listing->err);
    if (good) {
        view_summary(&listing->out, &story, summary->prompt, summary->battle.turns);
        memcpy(listing->last, story.id, sizeof listing->last);
    }
    listing->failed = !good;
    story_done(&story);
    return good;
}

static bool list(struct db *db, const char *voter, const char *before, int limit, struct buf *out,
                 struct err *err)
{
    struct battle_record from = {.number = 0};
    struct versions versions = {0};
    if (before && !battles_find(db, before, &from, err))
        return false;
    if (!versions_load(db, &versions, err))
        return false;
    struct listing listing = {
        .out = json_out_to(out), .versions = &versions, .err = err, .left = limit};
    json_put_open(&listing.out, NULL, '{');
    json_put_open(&listing.out, "battles", '[');
    bool good = battles_of_voter(db, voter, from.number, limit + 1, list_one, &listing, err) &&
                !listing.failed;
    json_put_close(&listing.out, ']');
    json_put_cstring(&listing.out, "next", listing.more ? listing.last : NULL);
    json_put_close(&listing.out, '}');
    versions_done(&versions);
    return good && (!out->failed || err_set(err, ERR_MEMORY, "out of memory"));
}

bool record_list(const char *dir, const char *voter, const char *before, int limit, struct buf *out,
                 struct err *err)
{
    struct db *db = store_read_open(dir, err);
    if (!db)
        return false;
    bool good = store_read_begin(db, err);
    if (good) {
        good = list(db, voter, before, limit, out, err);
        store_read_end(db);
    }
    db_close(db);
    return good;
}
