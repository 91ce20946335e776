/* The reservation is what makes an act happen once: it stands before the act begins, so no second
 * request with the key can begin it, in this process or in the next one. */
#include "http/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/limits.h"
#include "http/proxied.h"
#include "http/response.h"
#include "http/route.h"
#include "http/server_internal.h"
#include "people/addresses.h"
#include "store/idempotency.h"
#include "store/store.h"

struct reply {
    uint8_t id[DIGEST_SIZE], asked[DIGEST_SIZE];
    unsigned status; /* 0: under way */
    char *body;
    size_t length;
    char token[SESSION_TOKEN_LENGTH + 1]; /* of the session that it opened */
    uint64_t used;                        /* 0: free */
    int64_t ended_ns;                     /* when it was answered */
};

struct replays {
    struct reply list[LIMIT_REPLAYS];
    size_t bytes, holds; /* the server's, and one of each request under way */
    uint64_t clock;
};

/* A request under way with a key. */
struct replay {
    struct http_request *request;
    struct replays *replays; /* in memory; NULL: in the store */
    struct store *store;
    uint8_t id[DIGEST_SIZE], asked[DIGEST_SIZE];
    char caller[STORE_ID_SIZE], route[192], key[LIMIT_IDEMPOTENCY_KEY + 1];
    unsigned status;
    struct buf body;
    bool replayed;
};

/* --- in memory --- */

struct replays *replays_new(void)
{
    struct replays *replays = calloc(1, sizeof *replays);
    if (replays)
        replays->holds = 1;
    return replays;
}

static void reply_done(struct replays *replays, struct reply *reply)
{
    if (reply->body)
        secret_wipe(reply->body, reply->length);
    free(reply->body);
    secret_wipe(reply->token, sizeof reply->token);
    replays->bytes -= reply->length;
    *reply = (struct reply){.used = 0};
}

/* Lets go of a hold. */
void replays_free(struct replays *replays)
{
    if (!replays || --replays->holds)
        return;
    for (size_t i = 0; i < LIMIT_REPLAYS; i++)
        reply_done(replays, &replays->list[i]);
    free(replays);
}

static struct reply *find_reply(struct replays *replays, const uint8_t id[DIGEST_SIZE])
{
    for (size_t i = 0; i < LIMIT_REPLAYS; i++)
        if (replays->list[i].used && memcmp(replays->list[i].id, id, DIGEST_SIZE) == 0)
            return &replays->list[i];
    return NULL;
}

/* A secret is not kept for longer than whoever asked may still be asking. */
static void forget_old(struct replays *replays, int64_t now_ns)
{
    for (size_t i = 0; i < LIMIT_REPLAYS; i++) {
        struct reply *reply = &replays->list[i];
        if (reply->used && reply->status &&
            now_ns - reply->ended_ns >= LIMIT_REPLAY_SECONDS * CLOCK_S)
            reply_done(replays, reply);
    }
}

/* The one that was kept the longest, of those that are not under way; NULL: all are. */
static struct reply *find_oldest(struct replays *replays, bool free_too)
{
    struct reply *oldest = NULL;
    for (size_t i = 0; i < LIMIT_REPLAYS; i++) {
        struct reply *reply = &replays->list[i];
        if ((reply->used ? reply->status != 0 : free_too) &&
            (!oldest || reply->used < oldest->used))
            oldest = reply;
    }
    return oldest;
}

static bool make_room(struct replays *replays, size_t bytes)
{
    struct reply *oldest;
    while (bytes > LIMIT_REPLAY_BYTES - replays->bytes &&
           (oldest = find_oldest(replays, false)) != NULL)
        reply_done(replays, oldest);
    return bytes <= LIMIT_REPLAY_BYTES - replays->bytes;
}

static bool reserve(struct replay *replay, struct err *err)
{
    struct reply *reply = find_oldest(replay->replays, true);
    if (!reply)
        return err_set(err, ERR_BUSY, "too many requests are under way: try again in a moment");
    reply_done(replay->replays, reply);
    memcpy(reply->id, replay->id, DIGEST_SIZE);
    memcpy(reply->asked, replay->asked, DIGEST_SIZE);
    reply->used = ++replay->replays->clock;
    return true;
}

static bool answer_again(const struct replay *replay, const struct reply *reply, struct err *err)
{
    struct http_request *request = replay->request;
    if (!digest_same(reply->asked, replay->asked, DIGEST_SIZE))
        return err_set(err, ERR_CONFLICT,
                       "this Idempotency-Key was used for another request: choose a new one");
    if (!reply->status)
        return err_set(err, ERR_CONFLICT, "the same request is still under way");
    memcpy(request->token, reply->token, sizeof request->token);
    response_json(request, reply->status, (struct text){reply->body, reply->length});
    return true;
}

/* Answers what is known, or lets the handler go ahead. */
static bool begin_in_memory(struct replay *replay)
{
    struct err err = ERR_INIT;
    struct http_request *request = replay->request;
    forget_old(replay->replays, clock_mono_ns());
    const struct reply *reply = find_reply(replay->replays, replay->id);
    if (!reply && reserve(replay, &err)) {
        request->replay = replay;
        replay->replays->holds++;
        return false;
    }
    if (!reply || !answer_again(replay, reply, &err))
        response_error(request, &err);
    free(replay);
    return true;
}

/* Takes it. */
static void end_in_memory(struct replay *replay, unsigned status, struct text body)
{
    struct replays *replays = replay->replays;
    struct reply *reply = find_reply(replays, replay->id);
    char *copy = status < 300 && make_room(replays, body.length) ? malloc(body.length + 1) : NULL;
    if (reply && copy) {
        reply->body = memcpy(copy, body.data, body.length);
        reply->length = body.length;
        reply->status = status;
        reply->ended_ns = clock_mono_ns();
        memcpy(reply->token, replay->request->token, sizeof reply->token);
        replays->bytes += body.length;
    } else {
        free(copy);
        if (reply)
            reply_done(replays, reply);
    }
    replays_free(replays);
    free(replay);
}

/* --- in the store --- */

static struct idempotency_key key_of(const struct replay *replay)
{
    struct idempotency_key key = {
        .voter = replay->caller, .route = replay->route, .key = text_of(replay->key)};
    memcpy(key.request, replay->asked, DIGEST_SIZE);
    return key;
}

static void replay_free(struct replay *replay)
{
    buf_done(&replay->body);
    free(replay);
}

static bool apply_begin(struct db *tx, void *data, struct err *err)
{
    struct replay *replay = data;
    struct idempotency_key key = key_of(replay);
    int status = 0;
    if (!idempotency_find(tx, &key, &replay->replayed, &status, &replay->body, err))
        return false;
    replay->status = (unsigned)status;
    if (replay->replayed)
        return status || err_set(err, ERR_CONFLICT,
                                 "this request is under way, or the arena ended before it was "
                                 "answered: look whether it was done");
    return idempotency_store(tx, &key, 0, TEXT(""), clock_wall_ms(), err);
}

static void begun(void *data, const struct err *err)
{
    struct replay *replay = data;
    struct http_request *request = replay->request;
    bool goes_on = err->code == ERR_NONE && !replay->replayed;
    if (goes_on)
        request->replay = replay;
    else if (err->code != ERR_NONE)
        response_error(request, err);
    else
        response_json(request, replay->status, buf_text(&replay->body));
    if (!goes_on)
        replay_free(replay);
    else if (request->connection && !request->response)
        request->route->handle(request);
    http_request_release(request); /* a client that left meanwhile has asked for nothing */
}

static bool begin_in_store(struct replay *replay)
{
    struct err err = ERR_INIT;
    struct http_request *request = replay->request;
    struct store_job job = {apply_begin, begun, replay};
    buf_init(&replay->body, LIMIT_REPLAY_BYTES);
    http_request_hold(request);
    if (!store_submit(replay->store, &job, &err))
        begun(replay, &err);
    return true;
}

static bool apply_end(struct db *tx, void *data, struct err *err)
{
    struct replay *replay = data;
    struct idempotency_key key = key_of(replay);
    return replay->status && replay->status < 300
               ? idempotency_finish(tx, &key, (int)replay->status, buf_text(&replay->body), err)
               : idempotency_drop(tx, &key, err);
}

/* The act stands, whatever became of the note about it. */
static void ended(void *data, const struct err *err)
{
    (void)err;
    struct replay *replay = data;
    if (replay->request) {
        response_json(replay->request, replay->status, buf_text(&replay->body));
        http_request_release(replay->request);
    }
    replay_free(replay);
}

/* Takes it. */
static void submit_end(struct replay *replay)
{
    struct err err = ERR_INIT;
    struct store_job job = {apply_end, ended, replay};
    if (!store_submit(replay->store, &job, &err))
        ended(replay, &err);
}

/* --- both --- */

static void name_caller(const struct http_request *request, struct replay *replay)
{
    struct text key = http_request_header(request, "Authorization");
    char address[PEER_ADDRESS_SIZE], name[ADDRESS_NAME_SIZE] = "";
    if (request->has_voter || request->peer->administers) {
        snprintf(replay->caller, sizeof replay->caller, "%s",
                 request->has_voter ? request->voter.id : "socket");
        return;
    }
    proxied_address(request, address);
    if (request->context->addresses)
        addresses_name(request->context->addresses, address, name);
    snprintf(replay->caller, sizeof replay->caller, "%.20s", name);
    digest_of(key.data, key.length, replay->id);
}

static bool digest_request(const struct http_request *request, struct replay *replay)
{
    struct digest *digest = digest_new();
    char *body = json_dumps(request->json, JSON_COMPACT | JSON_SORT_KEYS);
    digest_of(body ? body : "", body ? strlen(body) : 0, replay->asked);
    free(body);
    if (!digest)
        return false;
    digest_add_field(digest, replay->id, DIGEST_SIZE); /* of the key that came with it, if any */
    digest_add_field(digest, replay->caller, strlen(replay->caller));
    digest_add_field(digest, replay->route, strlen(replay->route));
    digest_add_field(digest, replay->key, strlen(replay->key));
    digest_finish(digest, replay->id);
    return true;
}

bool replay_begin(struct http_request *request)
{
    bool known = request->has_voter || request->peer->administers;
    struct err err = {ERR_MEMORY, "out of memory"};
    if (!request->key || strcmp(request->method, "POST") != 0 ||
        request->route->reply == REPLY_OF_HALL)
        return false;
    struct replay *replay = calloc(1, sizeof *replay);
    if (replay) {
        replay->request = request;
        replay->store = request->context->store;
        snprintf(replay->key, sizeof replay->key, "%s", request->key);
        snprintf(replay->route, sizeof replay->route, "POST %.180s", request->path);
        name_caller(request, replay);
    }
    if (!replay || !digest_request(request, replay)) {
        free(replay);
        response_error(request, &err);
        return true;
    }
    if (known && replay->store && request->route->reply == REPLY_STORED)
        return begin_in_store(replay);
    replay->replays = server_replays(request->server);
    return begin_in_memory(replay);
}

bool replay_end(struct http_request *request, unsigned status, struct text body)
{
    struct replay *replay = request->replay;
    if (!replay)
        return false;
    request->replay = NULL;
    if (replay->replays) {
        end_in_memory(replay, status, body);
        return false;
    }
    replay->status = status;
    bool keep = status < 300 && buf_add_text(&replay->body, body);
    if (keep)
        http_request_hold(request);
    else
        replay->request = NULL;
    submit_end(replay);
    return keep;
}

void replay_drop(struct replay *replay)
{
    if (!replay)
        return;
    if (replay->replays) {
        end_in_memory(replay, 500, (struct text){"", 0});
        return;
    }
    replay->request = NULL;
    replay->status = 0;
    submit_end(replay);
}

void replay_leave(struct replay *replay)
{
    if (replay && replay->replays)
        end_in_memory(replay, 500, (struct text){"", 0});
    else if (replay)
        replay_free(replay);
}
