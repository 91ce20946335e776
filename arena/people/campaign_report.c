/* Written once and signed as it is: its members stand in a fixed order, its numbers have fixed
 * decimals. It names nobody: raters are numbered as they came. */
#include "people/campaign_report.h"

#include <string.h>

#include "people/raters.h"
#include "store/competitors.h"

#define SCHEMA 1

static void put_digest(struct json_out *out, const char *key, struct text text)
{
    uint8_t digest[DIGEST_SIZE];
    char hex[DIGEST_HEX + 1];
    digest_of(text.data, text.length, digest);
    hex_encode(digest, sizeof digest, hex);
    json_put_cstring(out, key, hex);
}

static bool write_ledger(struct db *db, struct json_out *out, struct standing_when when,
                         struct err *err)
{
    struct db_rows rows;
    uint8_t hash[DIGEST_SIZE] = {0};
    char hex[DIGEST_HEX + 1];
    if (!db_select(db, &rows, "SELECT hash FROM votes WHERE seq = ?",
                   DB_VALUES(DB_INT(when.last_vote)), err))
        return false;
    if (db_next(&rows))
        db_bytes(&rows, 0, hash, sizeof hash);
    if (!db_end(&rows, err))
        return false;
    hex_encode(hash, sizeof hash, hex);
    json_put_open(out, "ledger", '{');
    json_put_int(out, "last_vote", when.last_vote);
    json_put_cstring(out, "head", hex);
    json_put_int(out, "exclusions", when.exclusions);
    json_put_close(out, '}');
    return true;
}

static bool write_categories(struct db *db, const char *id, const struct question *question,
                             struct standing_when when, struct json_out *out, struct err *err)
{
    json_put_open(out, "categories", '[');
    for (size_t i = 0; i < question->category_count; i++) {
        struct standing standing;
        if (!standing_read(db, id, question, question->categories[i], when, &standing, err))
            return false;
        json_put_open(out, NULL, '{');
        json_put_cstring(out, "category", question->categories[i]);
        json_put_int(out, "votes", (int64_t)standing.votes);
        standing_write(out, "results", question, &standing);
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
    return true;
}

static bool write_raters(struct db *db, const char *id, int64_t up_to, struct json_out *out,
                         struct err *err)
{
    struct raters raters;
    if (!raters_read(db, id, up_to, &raters, err))
        return false;
    raters_write(out, "raters", &raters);
    raters_done(&raters);
    return true;
}

static bool write_counts(struct db *db, const char *id, int64_t up_to, struct json_out *out,
                         struct err *err)
{
    struct campaign_progress progress;
    if (!campaigns_progress(db, id, up_to, &progress, err))
        return false;
    json_put_open(out, "votes", '{');
    json_put_int(out, "counted", progress.votes);
    json_put_int(out, "controls", progress.controls);
    json_put_int(out, "not_counted", progress.others);
    json_put_int(out, "with_own_prompts", progress.live);
    json_put_int(out, "voters", progress.voters);
    json_put_close(out, '}');
    return true;
}

/* Every version of the model that ever stood here, and of the lab's other models: nobody may show
 * the best of many and keep silent of the rest. */
static bool write_variants(struct db *db, const struct question *question, struct json_out *out,
                           struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT c.name, v.digest, v.created_ms, (SELECT count(*) FROM battles b JOIN "
                   "votes s ON s.battle = b.number WHERE s.counted = 0 AND v.id IN (b.version_a, "
                   "b.version_b)) FROM competitor_versions v JOIN competitors c ON c.number = "
                   "v.competitor WHERE v.imported = 0 AND (c.in_house OR c.name = ?) ORDER BY v.id",
                   DB_VALUES(DB_STRING(question->model.name)), err))
        return false;
    json_put_open(out, "variants", '[');
    while (db_next(&rows)) {
        json_put_open(out, NULL, '{');
        json_put_string(out, "model", db_text(&rows, 0));
        json_put_string(out, "version", db_text(&rows, 1));
        json_put_time(out, "since", db_int(&rows, 2));
        json_put_int(out, "votes", db_int(&rows, 3));
        json_put_bool(out, "tested_here",
                      text_equal(db_text(&rows, 1), text_of(question->model.version)));
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
    return db_end(&rows, err);
}

/* The campaigns before and beside it, with how each ended. */
static bool write_campaign(void *user, const struct campaign_record *record)
{
    struct json_out *out = user;
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "id", record->id);
    json_put_cstring(out, "title", record->title);
    put_digest(out, "question", record->question);
    json_put_time(out, "registered", record->created_ms);
    if (record->ended)
        json_put_time(out, "ended", record->ended_ms);
    json_put_string(out, "reason", record->reason.data ? record->reason : TEXT("it runs"));
    json_put_close(out, '}');
    return true;
}

static bool write_others(struct db *db, struct json_out *out, struct err *err)
{
    json_put_open(out, "campaigns", '[');
    bool good = campaigns_each(db, write_campaign, out, err);
    json_put_close(out, ']');
    return good;
}

bool campaign_report(struct db *db, const struct campaign_record *record,
                     const struct question *question, const struct standing *standing,
                     struct buf *buf, struct err *err)
{
    struct json_out out = json_out_to(buf);
    json_put_open(&out, NULL, '{');
    json_put_int(&out, "schema", SCHEMA);
    json_put_cstring(&out, "campaign", record->id);
    json_put_raw(&out, "question", record->question);
    put_digest(&out, "question_digest", record->question);
    json_put_time(&out, "registered", record->created_ms);
    json_put_time(&out, "ended", record->ended_ms);
    json_put_string(&out, "reason", record->reason);
    bool good = write_counts(db, record->id, standing->when.last_vote, &out, err) &&
                write_ledger(db, &out, standing->when, err);
    standing_write(&out, "results", question, standing);
    good = good && write_categories(db, record->id, question, standing->when, &out, err) &&
           write_raters(db, record->id, standing->when.last_vote, &out, err) &&
           write_variants(db, question, &out, err) && write_others(db, &out, err);
    json_put_close(&out, '}');
    return good && (!buf->failed || err_set(err, ERR_TOO_LARGE, "the report is over %u bytes",
                                            CAMPAIGN_REPORT_MAX));
}
