/* /api/campaigns: what their lead does and sees; /api/queue: what a voter sees. Reading is a
 * worker's; a campaign begins in three steps (files on a worker, the question in the store, the
 * evaluation that makes its pairs), and is answered when all three are done. Trying a question is
 * the first of them alone, so that what was tried and what is registered pass the same checks. */
#include "http/api.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "eval/evals.h"
#include "http/campaign_request.h"
#include "http/noted.h"
#include "http/response.h"
#include "loop/worker.h"
#include "people/campaign_view.h"
#include "people/campaigns.h"
#include "people/presence.h"
#include "store/queue.h"

#define WHAT "the request"
enum { REPLY_MAX = 16 << 20, SMALL_REPLY = 64 << 10 };

/* --- reading --- */

struct reading {
    struct http_request *request;
    bool (*fill)(struct db *db, const struct reading *reading, struct buf *out, struct err *err);
    char dir[4096];
    char id[sizeof((struct http_request *)0)->part], voter[STORE_ID_SIZE];
    char cohort[VOTER_COHORT_SIZE];
    struct presence presence;
    bool paused; /* for its voter's cohort */
    struct buf out;
    struct err err;
};

static void read_now(void *data)
{
    struct reading *reading = data;
    struct db *db = store_read_open(reading->dir, &reading->err);
    if (db && store_read_begin(db, &reading->err)) {
        if (reading->fill(db, reading, &reading->out, &reading->err) && reading->out.failed)
            err_set(&reading->err, ERR_TOO_LARGE, "the answer is too long to be sent at once");
        store_read_end(db);
    }
    db_close(db);
}

static void has_read(void *data, bool cancelled)
{
    struct reading *reading = data;
    if (cancelled)
        err_set(&reading->err, ERR_BUSY, "the arena is shutting down");
    if (reading->err.code == ERR_NONE)
        response_json(reading->request, 200, buf_text(&reading->out));
    else
        response_error(reading->request, &reading->err);
    buf_done(&reading->out);
    http_request_release(reading->request);
    free(reading);
}

static void read_later(struct http_request *request,
                       bool (*fill)(struct db *, const struct reading *, struct buf *,
                                    struct err *))
{
    const struct http_context *context = request->context;
    struct err err = {ERR_BUSY, "campaigns are not served here"};
    struct reading *reading = calloc(1, sizeof *reading);
    if (reading && context->store && context->workers && context->roster) {
        presence_take(&reading->presence, context->roster);
        reading->request = request;
        reading->fill = fill;
        snprintf(reading->dir, sizeof reading->dir, "%s", store_dir(context->store));
        snprintf(reading->id, sizeof reading->id, "%s", request->part);
        snprintf(reading->voter, sizeof reading->voter, "%s",
                 request->has_voter ? request->voter.id : "");
        snprintf(reading->cohort, sizeof reading->cohort, "%s",
                 request->has_voter ? request->voter.cohort : "");
        reading->paused =
            context->campaigns &&
            presence_stops_any(&reading->presence, context->campaigns, reading->cohort);
        buf_init(&reading->out, REPLY_MAX);
        http_request_hold(request);
        if (workers_submit(context->workers, read_now, has_read, reading, &err))
            return;
        http_request_release(request);
    }
    free(reading);
    response_error(request, &err);
}

static bool fill_list(struct db *db, const struct reading *reading, struct buf *out,
                      struct err *err)
{
    return campaign_view_list(db, &reading->presence, out, err);
}

void api_campaign_list(struct http_request *request)
{
    read_later(request, fill_list);
}

static bool fill_one(struct db *db, const struct reading *reading, struct buf *out, struct err *err)
{
    return campaign_view(db, reading->id, &reading->presence, out, err);
}

void api_campaign_get(struct http_request *request)
{
    read_later(request, fill_one);
}

struct taking {
    struct buf *out;
    bool there;
};

static void take_report(void *user, const struct campaign_record *record)
{
    struct taking *taking = user;
    taking->there = record->report.data != NULL;
    buf_add_text(taking->out, record->report);
}

/* The very bytes that were signed. */
static bool fill_report(struct db *db, const struct reading *reading, struct buf *out,
                        struct err *err)
{
    struct taking taking = {out, false};
    return campaigns_find(db, reading->id, take_report, &taking, err) &&
           (taking.there || err_set(err, ERR_WRONG_STATE,
                                    "this campaign runs: its report is written when it ends"));
}

void api_campaign_report(struct http_request *request)
{
    read_later(request, fill_report);
}

static bool fill_queue(struct db *db, const struct reading *reading, struct buf *buf,
                       struct err *err)
{
    struct queue_progress progress;
    if (!queue_progress(db, reading->voter, reading->cohort, clock_wall_ms(), &progress, err))
        return false;
    progress.paused = reading->paused;
    struct json_out out = json_out_to(buf);
    queue_progress_write(&out, NULL, &progress);
    return true;
}

void api_queue(struct http_request *request)
{
    read_later(request, fill_queue);
}

/* --- ending one --- */

static void on_stopped(void *user, const struct err *err)
{
    struct http_request *request = user;
    if (err->code == ERR_NONE)
        noted_reply(request, 200, "campaign end", request->part, TEXT("{\"ended\":true}"));
    else
        response_error(request, err);
    http_request_release(request);
}

static bool has_campaigns(struct http_request *request)
{
    struct err err = ERR_INIT;
    if (request->context->campaigns && request->context->roster)
        return true;
    err_set(&err, ERR_BUSY, "campaigns are not served here");
    response_error(request, &err);
    return false;
}

void api_campaign_stop(struct http_request *request)
{
    static const char *const KEYS[] = {"reason", NULL};
    struct err err = ERR_INIT;
    const char *reason = "its lead ended it";
    if (!has_campaigns(request))
        return;
    if (request->json && (!json_only_keys(request->json, KEYS, WHAT, &err) ||
                          !json_get_string_or(request->json, "reason", WHAT, &reason, &err))) {
        response_error(request, &err);
        return;
    }
    http_request_hold(request);
    campaigns_stop(request->context->campaigns, request->part, *reason ? reason : "no reason given",
                   on_stopped, request);
}

/* --- beginning one --- */

struct beginning {
    struct http_request *request; /* held: the wish borrows from its body */
    struct campaign_request wish;
    bool only_tried;
    char id[STORE_ID_SIZE]; /* "": not registered */
    struct err err;
};

static void end_beginning(struct beginning *beginning)
{
    struct buf buf;
    buf_init(&buf, SMALL_REPLY);
    struct json_out out = json_out_to(&buf);
    json_put_open(&out, NULL, '{');
    if (beginning->only_tried)
        json_put_int(&out, "prompts", (int64_t)beginning->wish.prompt_count);
    else
        json_put_cstring(&out, "campaign_id", beginning->id);
    question_write(&out, "question", &beginning->wish.question);
    json_put_close(&out, '}');
    if (beginning->err.code == ERR_NONE)
        response_json(beginning->request, beginning->only_tried ? 200 : 201, buf_text(&buf));
    else
        response_error(beginning->request, &beginning->err);
    buf_done(&buf);
    campaign_request_done(&beginning->wish);
    http_request_release(beginning->request);
    free(beginning);
}

static void given_up(void *user, const struct err *err)
{
    (void)err; /* why it could not begin is what is told */
    end_beginning(user);
}

static void on_answers_started(void *user, const char *run, const struct err *err)
{
    struct beginning *beginning = user;
    char why[128];
    if (run) {
        end_beginning(beginning);
        return;
    }
    beginning->err = *err;
    snprintf(why, sizeof why, "it could not begin: %.100s", err->message);
    campaigns_stop(beginning->request->context->campaigns, beginning->id, why, given_up, beginning);
}

static void on_registered(void *user, const char *id, const struct err *err)
{
    struct beginning *beginning = user;
    const struct http_context *context = beginning->request->context;
    struct evals_reply reply = {on_answers_started, beginning};
    struct err nowhere = {ERR_BUSY, "evaluations are not served here"};
    beginning->err = *err;
    if (id)
        memcpy(beginning->id, id, sizeof beginning->id);
    if (!id || !beginning->wish.spec)
        end_beginning(beginning);
    else if (!context->evals)
        on_answers_started(beginning, NULL, &nowhere);
    else
        evals_start(context->evals, beginning->wish.spec, NULL, beginning->id, &reply);
}

static void load_files(void *data)
{
    struct beginning *beginning = data;
    campaign_request_load(&beginning->wish, &beginning->err);
}

static void files_are_loaded(void *data, bool cancelled)
{
    struct beginning *beginning = data;
    struct campaign_wish wish = {.question = &beginning->wish.question,
                                 .spec = beginning->wish.spec,
                                 .gold = beginning->wish.pairs,
                                 .gold_count = beginning->wish.pair_count,
                                 .actor = http_request_actor(beginning->request)};
    if (cancelled)
        err_set(&beginning->err, ERR_BUSY, "the arena is shutting down");
    if (beginning->err.code == ERR_NONE && !beginning->only_tried)
        campaigns_register(beginning->request->context->campaigns, &wish, on_registered, beginning);
    else
        end_beginning(beginning);
}

static void begin(struct http_request *request, bool only_tried)
{
    const struct http_context *context = request->context;
    struct beginning *beginning = has_campaigns(request) ? calloc(1, sizeof *beginning) : NULL;
    if (!beginning)
        return;
    beginning->request = request;
    beginning->only_tried = only_tried;
    http_request_hold(request);
    if (!request->json)
        err_set(&beginning->err, ERR_BAD_REQUEST, "the request has no body");
    else if (campaign_request_read(&beginning->wish, request->json, context->roster,
                                   request->peer->administers, &beginning->err) &&
             workers_submit(context->workers, load_files, files_are_loaded, beginning,
                            &beginning->err))
        return;
    end_beginning(beginning);
}

void api_campaign_create(struct http_request *request)
{
    begin(request, false);
}

void api_campaign_expect(struct http_request *request)
{
    begin(request, true);
}
