/* A registered question is shown as it is stored; only what moves is counted anew. */
#include "people/campaign_view.h"

#include <stdlib.h>
#include <string.h>

#include "people/question.h"
#include "people/raters.h"
#include "people/standing.h"

struct viewing {
    struct db *db;
    const struct presence *presence;
    struct json_out *out;
    struct err *err;
    bool whole, failed;
};

/* As of when the report is; now where none is written yet. */
static struct standing_when moment_of(const struct campaign_record *record)
{
    struct err ignored;
    json_t *report =
        record->report.data ? json_read(record->report, "the stored report", &ignored) : NULL;
    const json_t *ledger = json_object_get(report, "ledger");
    struct standing_when when = STANDING_NOW;
    if (ledger) {
        when.last_vote = (int64_t)json_integer_value(json_object_get(ledger, "last_vote"));
        when.exclusions = (int64_t)json_integer_value(json_object_get(ledger, "exclusions"));
    }
    json_decref(report);
    return when;
}

static bool write_progress(struct viewing *viewing, const struct campaign_record *record)
{
    struct campaign_progress progress;
    struct json_out *out = viewing->out;
    if (!campaigns_progress(viewing->db, record->id, moment_of(record).last_vote, &progress,
                            viewing->err))
        return false;
    json_put_open(out, "progress", '{');
    json_put_int(out, "votes", progress.votes);
    json_put_int(out, "controls", progress.controls);
    json_put_int(out, "not_counted", progress.others);
    json_put_int(out, "voters", progress.voters);
    json_put_int(out, "with_own_prompts", progress.live);
    json_put_open(out, "queue", '{');
    json_put_int(out, "pairs", progress.items);
    json_put_int(out, "wanted", progress.wanted);
    json_put_int(out, "taken", progress.taken);
    json_put_close(out, '}');
    json_put_close(out, '}');
    return true;
}

/* Where it stands now, as the report will say it, or said it. */
static bool write_standing(struct viewing *viewing, const struct campaign_record *record,
                           const struct question *question)
{
    struct standing standing;
    struct raters raters;
    struct standing_when when = moment_of(record);
    if (!standing_read(viewing->db, record->id, question, NULL, when, &standing, viewing->err) ||
        !raters_read(viewing->db, record->id, when.last_vote, &raters, viewing->err))
        return false;
    standing_write(viewing->out, "results", question, &standing);
    raters_write(viewing->out, "raters", &raters);
    raters_done(&raters);
    return true;
}

static void write_absent(const struct viewing *viewing, const struct question_model *model)
{
    if (!presence_has(viewing->presence, model->version))
        json_put_cstring(viewing->out, NULL, model->name);
}

static void write_waiting(const struct viewing *viewing, const struct question *question)
{
    json_put_open(viewing->out, "waits_for", '[');
    write_absent(viewing, &question->model);
    for (size_t i = 0; i < question->rivals; i++)
        write_absent(viewing, &question->versus[i]);
    json_put_close(viewing->out, ']');
}

static void write_report(struct json_out *out, const struct campaign_record *record)
{
    char hex[2 * SIGN_SIZE + 1];
    json_put_raw(out, "report", record->report);
    hex_encode(record->signature, sizeof record->signature, hex);
    json_put_cstring(out, "signature", hex);
    hex_encode(record->public_key, sizeof record->public_key, hex);
    json_put_cstring(out, "public_key", hex);
}

static bool read_question(const struct viewing *viewing, const struct campaign_record *record,
                          struct question *question)
{
    json_t *json = json_read(record->question, "the stored question", viewing->err);
    bool good = json && question_read(json, question, viewing->err);
    json_decref(json);
    return good;
}

static bool write_one(struct viewing *viewing, const struct campaign_record *record)
{
    struct json_out *out = viewing->out;
    struct question question;
    if (!read_question(viewing, record, &question))
        return false;
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "id", record->id);
    json_put_cstring(out, "title", record->title);
    json_put_cstring(out, "state", record->ended ? "ended" : "running");
    json_put_string(out, "reason", record->reason.data ? record->reason : TEXT(""));
    json_put_time(out, "registered", record->created_ms);
    if (record->ended)
        json_put_time(out, "ended", record->ended_ms);
    json_put_raw(out, "question", record->question);
    if (viewing->presence && !record->ended)
        write_waiting(viewing, &question);
    bool good = write_progress(viewing, record) &&
                (!viewing->whole || write_standing(viewing, record, &question));
    if (viewing->whole && record->report.data)
        write_report(out, record);
    json_put_close(out, '}');
    return good;
}

static bool list_one(void *user, const struct campaign_record *record)
{
    struct viewing *viewing = user;
    viewing->failed = !write_one(viewing, record);
    return !viewing->failed;
}

bool campaign_view_list(struct db *db, const struct presence *presence, struct buf *buf,
                        struct err *err)
{
    struct json_out out = json_out_to(buf);
    struct viewing viewing = {.db = db, .presence = presence, .out = &out, .err = err};
    json_put_open(&out, NULL, '{');
    json_put_open(&out, "campaigns", '[');
    bool good = campaigns_each(db, list_one, &viewing, err) && !viewing.failed;
    json_put_close(&out, ']');
    json_put_close(&out, '}');
    return good;
}

static void show_one(void *user, const struct campaign_record *record)
{
    list_one(user, record);
}

bool campaign_view(struct db *db, const char *id, const struct presence *presence, struct buf *buf,
                   struct err *err)
{
    struct json_out out = json_out_to(buf);
    struct viewing viewing = {
        .db = db, .presence = presence, .out = &out, .err = err, .whole = true};
    return campaigns_find(db, id, show_one, &viewing, err) && !viewing.failed;
}
