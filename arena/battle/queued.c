/* Both answers stand in the store before the battle begins, so it has no lanes and no pace: it is
 * stored as ready, and told whole. What was open stays open: asking again, after a reload or a
 * restart, gives the same pair. */
#include "battle/queued.h"

#include <string.h>

#include "base/json.h"
#include "battle/hall_state.h"
#include "battle/record.h"
#include "battle/view.h"
#include "people/presence.h"
#include "store/queue.h"

enum { CATEGORY_SIZE = 512 }; /* two words of a prompt file, at most */

static bool is_paused(const struct op *op)
{
    const struct hall_options *options = &op->hall->options;
    struct presence presence;
    if (!options->campaigns)
        return false;
    presence_take(&presence, options->roster);
    return presence_stops_any(&presence, options->campaigns, op->cohort);
}

bool queued_prepare(struct op *op, struct err *err)
{
    (void)err;
    op->kind = rng_uniform(&op->hall->rng);
    op->place = rng_next(&op->hall->rng);
    op->side = rng_below(&op->hall->rng, 2);
    op->paused = is_paused(op);
    op->needs_job = true;
    return true;
}

static bool insert(struct db *tx, const struct op *op, const struct queue_pick *pick, bool swapped,
                   char id[STORE_ID_SIZE], struct err *err)
{
    struct battle_record record = {.state = BATTLE_READY,
                                   .source = BATTLE_QUEUED,
                                   .mode = BATTLE_BLIND,
                                   .item = pick->item,
                                   .version_a = swapped ? pick->version_b : pick->version_a,
                                   .version_b = swapped ? pick->version_a : pick->version_b,
                                   .probability = pick->probability,
                                   .side_probability = 0.5,
                                   .created_ms = op->now_ms};
    random_id(id);
    random_bytes(record.nonce, sizeof record.nonce);
    memcpy(record.id, id, sizeof record.id);
    memcpy(record.voter, op->voter, sizeof record.voter);
    memcpy(record.campaign, pick->campaign, sizeof record.campaign);
    return battles_insert(tx, &record, err) &&
           queue_copy_turns(tx, pick->item, id, swapped, op->now_ms, err);
}

/* The voter's open pair, or a new one; id "" when nothing is left. */
static bool take(struct db *tx, const struct op *op, char id[STORE_ID_SIZE], bool *fresh,
                 struct err *err)
{
    struct queue_wish wish = {op->voter, op->cohort, op->kind, op->place};
    struct queue_pick pick;
    *fresh = false;
    if (!queue_open(tx, op->voter, id, err))
        return false;
    if (id[0])
        return true;
    if (!queue_pick(tx, &wish, &pick, err))
        return false;
    *fresh = pick.item != 0;
    return !*fresh || insert(tx, op, &pick, op->side == 1, id, err);
}

static bool tag(struct db *tx, const struct story *story, struct err *err)
{
    char category[CATEGORY_SIZE];
    return queue_category(tx, story->id, category, sizeof category, err) &&
           record_tags(tx, story, category[0] ? category : NULL, err);
}

static bool write_battle(struct db *tx, const struct op *op, const char *id, bool fresh,
                         struct buf *out, struct err *err)
{
    const struct text nothing[2] = {{"", 0}, {"", 0}};
    struct story story;
    story_init(&story);
    bool good = record_read(tx, id, op->voter, &story, err) && (!fresh || tag(tx, &story, err));
    if (good)
        view_battle(out, &story, nothing);
    story_done(&story);
    return good;
}

bool queued_apply(struct db *tx, struct op *op, struct err *err)
{
    char id[STORE_ID_SIZE];
    struct queue_progress progress;
    struct buf battle;
    bool fresh;
    buf_init(&battle, op->out.max);
    bool good = take(tx, op, id, &fresh, err) &&
                (!id[0] || write_battle(tx, op, id, fresh, &battle, err)) &&
                queue_progress(tx, op->voter, op->cohort, op->now_ms, &progress, err);
    if (good) {
        struct json_out out = json_out_to(&op->out);
        progress.paused = op->paused;
        json_put_open(&out, NULL, '{');
        if (id[0])
            json_put_raw(&out, "battle", buf_text(&battle));
        else
            json_put_null(&out, "battle");
        queue_progress_write(&out, "progress", &progress);
        json_put_close(&out, '}');
    }
    buf_done(&battle);
    return good;
}
