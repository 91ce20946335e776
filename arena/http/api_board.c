/* GET /api/leaderboard: a snapshot's bytes, as they stand, live or as published. The ready response
 * of the snapshot asked for last is kept, so that a board which many look at costs a look-up and a
 * reference. */
#include "http/api.h"

#include <stdlib.h>
#include <string.h>

#include "board/live.h"
#include "http/guard.h"
#include "http/response.h"
#include "http/server_internal.h"

/* A flag in the query: absent, it stays as it is. */
static bool read_flag(const struct http_request *request, const char *name, bool *out,
                      struct err *err)
{
    struct text text = http_request_query(request, name);
    if (!text.length)
        return true;
    *out = text_equal(text, TEXT("1"));
    return *out || text_equal(text, TEXT("0")) ||
           err_set(err, ERR_BAD_REQUEST, "%s is 0 or 1", name);
}

/* The live boards, or those that were published: voters see no others. */
static bool choose(const struct http_request *request, struct live **out, struct err *err)
{
    const struct http_context *context = request->context;
    struct err refusal = ERR_INIT;
    bool may = context->auth == AUTH_LOCAL || request->peer->administers ||
               voter_may(request->has_voter ? &request->voter : NULL, ACT_READ_LIVE, &refusal);
    bool published = !may;
    if (!read_flag(request, "published", &published, err))
        return false;
    if (!may && !published) {
        *err = refusal;
        return false;
    }
    *out = published ? context->published : context->live;
    return *out || err_set(err, ERR_BUSY, "leaderboards are not served here");
}

static void answer(struct http_request *request, struct live_snapshot *snapshot)
{
    static const struct text NOTHING = {"", 0};
    bool same = guard_matches(http_request_header(request, "If-None-Match"), snapshot->etag);
    bool gzip = snapshot->gzip.length &&
                guard_accepts(http_request_header(request, "Accept-Encoding"), "gzip");
    struct response_headers headers = {.policy = RESPONSE_DATA,
                                       .https = request->context->https,
                                       .content_type = "application/json",
                                       .etag = snapshot->etag,
                                       .encoding = gzip && !same ? "gzip" : NULL,
                                       .cache_control = "no-cache"};
    struct text body = same ? NOTHING : gzip ? snapshot->gzip : snapshot->json;
    response_with(request, same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK,
                  response_prepare(body, true, &headers));
}

static void on_board(void *user, struct live_snapshot *snapshot, const struct err *err)
{
    struct http_request *request = user;
    if (!snapshot)
        response_error(request, err);
    else if (request->connection)
        answer(request, snapshot);
    http_request_release(request);
}

static bool administers(const struct http_request *request, struct err *err)
{
    return request->context->auth == AUTH_LOCAL || request->peer->administers ||
           voter_may(request->has_voter ? &request->voter : NULL, ACT_ADMINISTER, err);
}

/* Single voters are an administrator's business: what one person voted could be read off. */
static bool read_voters(const struct http_request *request, struct live_query *query,
                        struct err *err)
{
    if (!read_flag(request, "influence", &query->influence, err) ||
        !http_request_query_int(request, "voter", &query->voter, err))
        return false;
    query->named = query->influence && administers(request, NULL);
    return !query->voter || administers(request, err);
}

void api_leaderboard(struct http_request *request)
{
    struct err err = ERR_INIT;
    struct text category = http_request_query(request, "category"),
                method = http_request_query(request, "method"),
                judge = http_request_query(request, "judge"),
                voids = http_request_query(request, "voids"),
                without = http_request_query(request, "without");
    struct live_query query = {.category = category.length ? category.data : NULL,
                               .method = method.length ? method.data : NULL,
                               .judge = judge.length ? judge.data : NULL,
                               .voids = voids.length ? voids.data : NULL,
                               .without = without.length ? without.data : NULL};
    struct live *live;
    if (!read_flag(request, "style", &query.style, &err) || !read_voters(request, &query, &err) ||
        !choose(request, &live, &err)) {
        response_error(request, &err);
        return;
    }
    http_request_hold(request);
    live_ask(live, &query, on_board, request);
}
