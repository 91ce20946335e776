/* A request that needs the disk rides on a worker's job to the battle's story and back to the
 * loop, where it goes on as if the battle had always been in memory. Two requests may fetch the
 * same battle at once: the second finds it there. / */
#include "battle/recall.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "battle/hall_state.h"
#include "battle/record.h"
#include "loop/worker.h"

/* The roster's competitor of exactly this version; NULL when it is no longer there. */
static struct competitor *find_version(const struct hall *hall, const char *version)
{
    struct competitor *list[LIMIT_COMPETITORS];
    size_t count = hall_competitors(hall, false, list);
    for (size_t i = 0; i < count; i++)
        if (list[i]->availability != COMPETITOR_RETIRED && strcmp(list[i]->version, version) == 0)
            return list[i];
    return NULL;
}

struct reading {
    struct op *op;
    struct story story;
    struct err err;
};

static void load(void *data)
{
    struct reading *reading = data;
    const struct op *op = reading->op;
    record_load(store_dir(op->hall->options.store), op->battle, op->voter, &reading->story,
                &reading->err);
}

static void read_list(void *data)
{
    struct reading *reading = data;
    struct op *op = reading->op;
    record_list(store_dir(op->hall->options.store), op->voter, *op->before ? op->before : NULL,
                op->limit, &op->out, &reading->err);
}

/* A pair of the queue was answered where nobody looked whether an answer tells whose it is. */
static void look_for_names(struct battle *battle)
{
    struct story *story = &battle->story;
    if (story->source != BATTLE_QUEUED || story->state != BATTLE_READY)
        return;
    for (size_t turn = 0; turn < story->turn_count; turn++)
        for (int i = 0; i < 2; i++)
            story->self_identified |=
                battle_gives_away(&story->side[i], battle->competitor[i],
                                  buf_text(&story->turns[turn].answer[i].text));
}

/* Back in memory: its log is told anew under ids that no earlier log of it can have reached. */
static struct resident *return_to_memory(struct hall *hall, struct story *story, struct err *err)
{
    if (!residents_make_room(&hall->residents)) {
        err_set(err, ERR_BUSY, "%d battles are under way, which is the most: try again in a minute",
                LIMIT_BATTLES_LIVE);
        return NULL;
    }
    if (story->state == BATTLE_STREAMING) { /* nobody streams it: it was given up, and the disk did
                                               not hear of it */
        story->state = BATTLE_VOID;
        snprintf(story->void_code, sizeof story->void_code, "failed");
    }
    struct battle *battle = battle_new(&hall->host, story, (uint64_t)clock_wall_ms() * 1000, err);
    if (!battle)
        return NULL;
    for (int i = 0; i < 2; i++)
        battle_keep(battle, i, find_version(hall, battle->story.side[i].version));
    look_for_names(battle);
    battle_retell(battle);
    struct resident *resident = residents_add(&hall->residents, hall, battle);
    if (!resident) {
        battle_free(battle);
        err_set(err, ERR_MEMORY, "out of memory");
    }
    return resident;
}

static void loaded(void *data, bool cancelled)
{
    struct reading *reading = data;
    struct op *op = reading->op;
    struct hall *hall = op->hall;
    struct err err = reading->err;
    if (cancelled || hall->stopping)
        err_set(&err, ERR_BUSY, "the arena is shutting down");
    if (err.code == ERR_NONE) {
        op->resident = residents_find(&hall->residents,
                                      op->battle); /* another request may have been quicker */
        if (!op->resident)
            op->resident = return_to_memory(hall, &reading->story, &err);
    }
    story_done(&reading->story);
    free(reading);
    if (op->resident)
        op_run(op);
    else
        op_refuse(op, &err);
    hall_job_back(hall);
}

static void listed(void *data, bool cancelled)
{
    struct reading *reading = data;
    struct op *op = reading->op;
    struct hall *hall = op->hall;
    struct err err = reading->err;
    if (cancelled)
        err_set(&err, ERR_BUSY, "the arena is shutting down");
    free(reading);
    if (err.code == ERR_NONE)
        op_reply(op);
    else
        op_refuse(op, &err);
    hall_job_back(hall);
}

static void by_worker(struct op *op, void (*work)(void *data),
                      void (*done)(void *data, bool cancelled))
{
    struct err err = {ERR_MEMORY, "out of memory"};
    struct reading *reading = calloc(1, sizeof *reading);
    if (reading) {
        reading->op = op;
        story_init(&reading->story);
        hall_job_out(op->hall);
        if (workers_submit(op->hall->options.workers, work, done, reading, &err))
            return;
        hall_job_back(op->hall);
    }
    free(reading);
    op_refuse(op, &err);
}

void recall_battle(struct op *op)
{
    by_worker(op, load, loaded);
}

void recall_list(struct op *op)
{
    by_worker(op, read_list, listed);
}
