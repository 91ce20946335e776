/* POST /api/exclusions: an administrator leaves a voter out of the boards. The voter goes on
 * voting and is not told, unless the administrator says so: then it may appeal. */
#include "http/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "board/day.h"
#include "board/live.h"
#include "http/response.h"
#include "store/exclusions.h"

#define DAY_MS INT64_C(86400000)
enum { REPLY_MAX = 256 };
static const char WHAT[] = "the exclusion";

struct exclusion_job {
    struct http_request *request;
    struct exclusion_record record;
    char *note; /* owned */
    char actor[STORE_ID_SIZE];
};

static bool apply(struct db *tx, void *data, struct err *err)
{
    struct exclusion_job *job = data;
    return exclusions_add(tx, &job->record, err);
}

static void answer(struct http_request *request, const struct exclusion_record *record)
{
    struct buf reply;
    buf_init(&reply, REPLY_MAX);
    struct json_out out = json_out_to(&reply);
    json_put_open(&out, NULL, '{');
    json_put_int(&out, "exclusion", record->id);
    json_put_int(&out, "voter", record->voter);
    json_put_close(&out, '}');
    response_json(request, 201, buf_text(&reply));
    buf_done(&reply);
}

static void applied(void *data, const struct err *err)
{
    struct exclusion_job *job = data;
    if (err->code != ERR_NONE) {
        response_error(job->request, err);
    } else {
        if (job->request->context->live)
            live_excluded(job->request->context->live);
        answer(job->request, &job->record);
    }
    http_request_release(job->request);
    free(job->note);
    free(job);
}

static bool read_from(const char *from, bool back, int64_t *from_ms, struct err *err)
{
    uint16_t day = 0;
    if (from && back)
        return err_set(err, ERR_BAD_REQUEST, "%s: \"from\" has no meaning with \"back\"", WHAT);
    if (from && !day_read(text_of(from), &day))
        return err_set(err, ERR_BAD_REQUEST, "%s: \"from\" is no date (YYYY-MM-DD)", WHAT);
    *from_ms = back ? EXCLUSION_TAKEN_BACK : day * DAY_MS;
    return true;
}

static bool read_voter(const json_t *voter, struct exclusion_record *record, struct err *err)
{
    const char *id = json_string_value(voter);
    record->voter = json_integer_value(voter);
    if (id && strlen(id) < sizeof record->voter_id)
        snprintf(record->voter_id, sizeof record->voter_id, "%s", id);
    return *record->voter_id || record->voter > 0 ||
           err_set(err, ERR_BAD_REQUEST, "%s: \"voter\" is a voter's id or number", WHAT);
}

static bool read_body(const struct http_request *request, struct exclusion_job *job,
                      struct err *err)
{
    static const char *const KEYS[] = {"voter", "from", "back", "note", "tell", NULL};
    const json_t *body = request->json;
    const char *note, *from = NULL;
    bool back = false;
    if (!body)
        return err_set(err, ERR_BAD_REQUEST, "the request has no body");
    if (!json_only_keys(body, KEYS, WHAT, err) ||
        !read_voter(json_object_get(body, "voter"), &job->record, err) ||
        !json_get_string(body, "note", WHAT, &note, err) ||
        !json_get_string_or(body, "from", WHAT, &from, err) ||
        !json_get_bool_or(body, "back", WHAT, &back, err) ||
        !json_get_bool_or(body, "tell", WHAT, &job->record.told, err) ||
        !read_from(from, back, &job->record.from_ms, err))
        return false;
    return (job->note = strdup(note)) || err_set(err, ERR_MEMORY, "out of memory");
}

void api_exclusion_add(struct http_request *request)
{
    struct err err = {ERR_MEMORY, "out of memory"};
    struct exclusion_job *job = calloc(1, sizeof *job);
    if (!job || !read_body(request, job, &err)) {
        free(job);
        response_error(request, &err);
        return;
    }
    job->request = request;
    snprintf(job->actor, sizeof job->actor, "%s", http_request_actor(request));
    job->record.note = job->note;
    job->record.actor = job->actor;
    job->record.at_ms = clock_wall_ms();
    http_request_hold(request);
    struct store_job stored = {apply, applied, job};
    if (!store_submit(request->context->store, &stored, &err))
        applied(job, &err);
}
