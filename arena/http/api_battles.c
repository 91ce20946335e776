/* /api/battles: each route is one action of the hall, which decides everything and renders the
 * reply. Here only what belongs to HTTP: query, rate, Last-Event-ID, and a request that must
 * outlive its client until the hall has answered. */
#include "http/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "battle/hall.h"
#include "http/proxied.h"
#include "http/response.h"
#include "http/server_internal.h"
#include "people/rates.h"

enum { LIST_MOST = 100 };

static void on_reply(void *user, const struct hall_reply *reply)
{
    struct http_request *request = user;
    if (reply->status == 429 || reply->status == 503)
        request->retry_after = 1;
    response_json(request, (unsigned)reply->status, reply->body);
    http_request_release(request);
}

/* Sends the request to the hall; `more` has what the action needs besides. */
static void ask(struct http_request *request, enum hall_action action, struct hall_request more)
{
    struct err err = ERR_INIT;
    if (!request->context->hall) {
        err_set(&err, ERR_BUSY, "battles are not served here");
        response_error(request, &err);
        return;
    }
    more.voter = request->voter.id;
    more.cohort = request->voter.cohort;
    more.battle = *request->part ? request->part : NULL;
    more.key = request->key;
    more.body = request->json;
    more.reply = on_reply;
    more.user = request;
    http_request_hold(request);
    hall_ask(request->context->hall, action, &more);
}

static void ask_plain(struct http_request *request, enum hall_action action)
{
    ask(request, action, (struct hall_request){0});
}

/* What sends a prompt out: the voter's own word on rivals goes with it. */
static void ask_in_house(struct http_request *request, enum hall_action action)
{
    ask(request, action,
        (struct hall_request){.in_house_only = request->voter.consent.in_house_only});
}

/* In local mode nobody is counted: its one user may do what the machine can. A repeated request
 * costs nothing new, but here we cannot know yet that it is one; the buckets are wide enough for
 * honest retries. */
static bool take_rate(struct http_request *request, enum rate_kind kind)
{
    struct err err = ERR_INIT;
    const struct http_context *context = request->context;
    if (context->auth == AUTH_LOCAL || !context->rates ||
        rates_take(context->rates, kind, request->voter.id, &request->retry_after, &err))
        return true;
    response_error(request, &err);
    return false;
}

/* At home the user is the administrator, who chose the rivals; everybody else is told who may
 * receive a prompt before the first one. */
static bool has_consent(struct http_request *request)
{
    struct err err = ERR_INIT;
    if (request->context->auth == AUTH_LOCAL || voter_consented(&request->voter))
        return true;
    err_set(&err, ERR_CONSENT,
            "agree to the notice first, which says who may receive what you write: open /consent");
    response_error(request, &err);
    return false;
}

void api_battle_start(struct http_request *request)
{
    if (has_consent(request) && take_rate(request, RATE_BATTLE))
        ask_in_house(request, HALL_START);
}

/* As often as turns: it asks no model, but holds a pair back from others. */
void api_queue_next(struct http_request *request)
{
    if (take_rate(request, RATE_TURN))
        ask_plain(request, HALL_NEXT);
}

void api_battle_turn(struct http_request *request)
{
    if (take_rate(request, RATE_TURN))
        ask_in_house(request, HALL_TURN);
}

void api_battle_vote(struct http_request *request)
{
    if (!take_rate(request, RATE_VOTE))
        return;
    proxied_saw(request);
    ask_plain(request, HALL_VOTE);
}

void api_battle_regenerate(struct http_request *request)
{
    if (take_rate(request, RATE_TURN))
        ask_in_house(request, HALL_REGENERATE);
}

void api_battle_get(struct http_request *request)
{
    ask_plain(request, HALL_GET);
}

void api_battle_feedback(struct http_request *request)
{
    ask_plain(request, HALL_FEEDBACK);
}

void api_battle_reveal(struct http_request *request)
{
    ask_plain(request, HALL_REVEAL);
}

void api_battle_private(struct http_request *request)
{
    ask_plain(request, HALL_PRIVATE);
}

void api_battle_stop(struct http_request *request)
{
    ask_plain(request, HALL_STOP);
}

void api_battle_skip(struct http_request *request)
{
    ask_plain(request, HALL_SKIP);
}

/* --- the list --- */

static bool read_limit(struct text text, int *out, struct err *err)
{
    char *end = NULL;
    if (!text.length)
        return true;
    long value = strtol(text.data, &end, 10);
    if (*end || value < 1 || value > LIST_MOST)
        return err_set(err, ERR_BAD_REQUEST, "limit is not a number from 1 to %d", LIST_MOST);
    *out = (int)value;
    return true;
}

void api_battle_list(struct http_request *request)
{
    struct err err = ERR_INIT;
    struct hall_request more = {0};
    struct text before = http_request_query(request, "before");
    if (!read_limit(http_request_query(request, "limit"), &more.limit, &err)) {
        response_error(request, &err);
        return;
    }
    if (!request->has_voter) { /* a first visitor has none yet, and needs no session to see so */
        response_json(request, 200, text_of("{\"battles\":[],\"next\":null}"));
        return;
    }
    more.before = before.length ? before.data : NULL;
    ask(request, HALL_LIST, more);
}

/* --- the event stream --- */

/* Last-Event-ID as the browser sends it, or the same in the query for a first connection that goes
 * on from elsewhere. What is no number reads from the start. */
static uint64_t last_event_id(const struct http_request *request)
{
    struct text text = http_request_header(request, "Last-Event-ID");
    char *end = NULL;
    if (!text.length)
        text = http_request_query(request, "last_event_id");
    if (!text.length || text.data[0] < '0' || text.data[0] > '9')
        return 0;
    errno = 0;
    unsigned long long value = strtoull(text.data, &end, 10);
    return *end || errno ? 0 : value;
}

/* One viewer of a log, behind one stream. */
struct watch {
    struct eventlog_viewer viewer;
    struct stream *stream;
};

static void watch_more(void *user)
{
    struct watch *watch = user;
    if (watch->stream)
        stream_more(watch->stream);
}

static struct text watch_pending(void *user)
{
    return eventlog_pending(&((struct watch *)user)->viewer);
}

static void watch_advance(void *user, size_t count)
{
    eventlog_advance(&((struct watch *)user)->viewer, count);
}

static bool watch_ended(void *user)
{
    return eventlog_ended(((struct watch *)user)->viewer.log);
}

static void watch_closed(void *user)
{
    struct watch *watch = user;
    eventlog_detach(&watch->viewer);
    free(watch);
}

static bool watch_log(struct http_request *request, struct eventlog *log, uint64_t last_id,
                      struct err *err)
{
    struct watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return err_set(err, ERR_MEMORY, "out of memory");
    watch->viewer = (struct eventlog_viewer){.more = watch_more, .user = watch};
    if (!eventlog_attach(log, &watch->viewer, last_id, err)) {
        free(watch);
        return false;
    }
    struct stream_source source = {.pending = watch_pending,
                                   .advance = watch_advance,
                                   .ended = watch_ended,
                                   .closed = watch_closed,
                                   .user = watch,
                                   .greeting = TEXT("retry: 1000\n\n"),
                                   .farewell = TEXT("event: shutdown\ndata: {}\n\n")};
    struct stream *stream = stream_open(server_streams(request->server), request, &source, err);
    if (stream)
        watch->stream = stream;
    return stream != NULL;
}

static void on_opened(void *user, struct eventlog *log, const struct err *err)
{
    struct http_request *request = user;
    struct err problem = ERR_INIT;
    if (!log) {
        response_error(request, err);
    } else if (request->connection && !request->response) {
        uint64_t last_id = last_event_id(request);
        /* Nothing will ever follow: 204 tells an EventSource not to come back. */
        if (eventlog_ended(log) && last_id && last_id == eventlog_last_id(log))
            response_empty(request, MHD_HTTP_NO_CONTENT);
        else if (!watch_log(request, log, last_id, &problem))
            response_error(request, &problem);
    }
    eventlog_release(log);
    http_request_release(request);
}

void api_battle_events(struct http_request *request)
{
    if (!request->context->hall) {
        ask_plain(request, HALL_GET);
        return;
    }
    http_request_hold(request);
    hall_events(request->context->hall, request->voter.id, request->part, on_opened, request);
}
