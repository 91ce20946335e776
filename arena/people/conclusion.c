/* Everything is read in one view of the store, so the report's figures are of the same moment as
 * the end of the ledger that it names. */
#include "people/conclusion.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/sign.h"
#include "people/campaign_report.h"
#include "people/standing.h"
#include "store/campaigns.h"

struct concluding {
    struct campaign_record record; /* its question is owned here */
    struct buf question, reason, report;
    struct err err;
    bool found;
};

static void take(void *user, const struct campaign_record *record)
{
    struct concluding *concluding = user;
    concluding->record = *record;
    concluding->found = buf_add_text(&concluding->question, record->question);
    concluding->record.question = buf_text(&concluding->question);
}

static bool read_question(const struct concluding *concluding, struct question *out,
                          struct err *err)
{
    json_t *json = json_read(concluding->record.question, "the stored question", err);
    bool good = json && question_read(json, out, err);
    json_decref(json);
    return good;
}

/* Reads where it stands; writes the report when it is over. */
static bool look(struct db *db, struct concluding *concluding, const char *why, struct err *err)
{
    struct question question;
    struct standing standing;
    if (concluding->record.ended)
        return err_set(err, ERR_WRONG_STATE, "this campaign has ended already");
    if (!read_question(concluding, &question, err) ||
        !standing_read(db, concluding->record.id, &question, NULL, STANDING_NOW, &standing, err))
        return false;
    const char *reason = why ? why : standing.stop;
    if (!*reason)
        return true;
    concluding->record.ended_ms = clock_wall_ms();
    if (!buf_add_string(&concluding->reason, reason))
        return err_set(err, ERR_MEMORY, "out of memory");
    concluding->record.reason = buf_text(&concluding->reason);
    return campaign_report(db, &concluding->record, &question, &standing, &concluding->report, err);
}

static bool read_all(struct store *store, struct concluding *concluding, const char *id,
                     const char *why, struct err *err)
{
    struct db *db = store_read_open(store_dir(store), err);
    bool good = db && store_read_begin(db, err);
    if (good) {
        good = campaigns_find(db, id, take, concluding, err) &&
               (concluding->found || err_set(err, ERR_MEMORY, "out of memory")) &&
               look(db, concluding, why, err);
        store_read_end(db);
    }
    db_close(db);
    return good;
}

static bool apply(struct db *tx, void *data, struct err *err)
{
    return campaigns_end(tx, &((struct concluding *)data)->record, err);
}

bool conclude(struct store *store, const char *id, const char *why, bool *ended, struct err *err)
{
    struct concluding concluding = {.found = false};
    struct campaign_record *record = &concluding.record;
    buf_init(&concluding.question, CAMPAIGN_REPORT_MAX);
    buf_init(&concluding.reason, CONCLUSION_WHY_SIZE);
    buf_init(&concluding.report, CAMPAIGN_REPORT_MAX);
    bool good = read_all(store, &concluding, id, why, err);
    *ended = good && concluding.report.length > 0;
    record->report = buf_text(&concluding.report);
    if (*ended)
        good = *ended = sign_text(store_dir(store), record->report, record->signature,
                                  record->public_key, err) &&
                        store_apply(store, apply, &concluding, err);
    buf_done(&concluding.question);
    buf_done(&concluding.reason);
    buf_done(&concluding.report);
    return good;
}
