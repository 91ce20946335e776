/* The key to simplicity here: at most one store job a battle at a time, everything else about it
 * waits in line. So every check is made against what is committed, two votes at once cannot
 * race, and a job may read the battle without a copy. */
#include "battle/op.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "battle/actions.h"
#include "battle/hall_state.h"
#include "battle/view.h"
#include "store/idempotency.h"

/* The largest reply: a battle with every turn at its longest would be 100 MiB; nobody reads
 * that. */
#define REPLY_MAX (32u << 20)

static void op_free(struct op *op)
{
    buf_done(&op->reasons);
    buf_done(&op->comment);
    buf_done(&op->recognised);
    buf_done(&op->out);
    json_decref(op->body);
    free(op->key);
    free(op);
}

static bool copy_id(char out[STORE_ID_SIZE], const char *id)
{
    size_t length = id ? strlen(id) : 0;
    if (length >= STORE_ID_SIZE)
        return false;
    memcpy(out, id ? id : "", length + 1);
    return true;
}

static bool check_request(const struct hall_request *request, struct op *op, struct err *err)
{
    const struct action *action = &ACTIONS[op->action];
    if (!copy_id(op->voter, request->voter) || !*op->voter)
        return err_set(err, ERR_UNAUTHORIZED, "no voter is known for this request");
    if (!copy_id(op->battle, request->battle) || !copy_id(op->before, request->before))
        return err_set(err, ERR_NOT_FOUND, "there is no battle of this id among yours");
    snprintf(op->cohort, sizeof op->cohort, "%s", request->cohort ? request->cohort : "");
    if (request->key && (!*request->key || strlen(request->key) > LIMIT_IDEMPOTENCY_KEY))
        return err_set(err, ERR_BAD_REQUEST, "Idempotency-Key: expected 1 to %d characters",
                       LIMIT_IDEMPOTENCY_KEY);
    if (request->body && !json_is_object(request->body))
        return err_set(err, ERR_BAD_REQUEST, "the request's body: expected an object");
    return !request->body || !action->keys ||
           json_only_keys(request->body, action->keys, "the request", err);
}

struct op *op_new(struct hall *hall, int action, const struct hall_request *request,
                  struct err *err)
{
    struct op *op = calloc(1, sizeof *op);
    if (!op) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    op->hall = hall;
    op->action = action;
    op->status = 200;
    op->in_house_only = request->in_house_only;
    op->limit = request->limit < 1 ? 50 : request->limit > 100 ? 100 : request->limit;
    op->reply = request->reply;
    op->user = request->user;
    buf_init(&op->reasons, 8 * LIMIT_COMMENT_BYTES);
    buf_init(&op->comment, LIMIT_COMMENT_BYTES);
    buf_init(&op->recognised, 8 * LIMIT_COMMENT_BYTES);
    buf_init(&op->out, REPLY_MAX);
    bool good = check_request(request, op, err);
    if (good && request->key && ACTIONS[action].route)
        op->key = strdup(request->key);
    if (good)
        op->body = request->body ? json_incref((json_t *)(uintptr_t)request->body) : json_object();
    if (good && (!op->body || (request->key && ACTIONS[action].route && !op->key)))
        good = err_set(err, ERR_MEMORY, "out of memory");
    if (good)
        return op;
    op_free(op);
    return NULL;
}

/* --- answers --- */

void op_reply(struct op *op)
{
    struct err err = {ERR_MEMORY, "the answer is too long to be sent at once"};
    if (op->out.failed) {
        op_refuse(op, &err);
        return;
    }
    if (op->opened) {
        op->opened(op->user, eventlog_hold(op->resident->battle->log), NULL);
    } else {
        struct hall_reply reply = {op->status, ERR_NONE, buf_text(&op->out), op->replayed};
        op->reply(op->user, &reply);
    }
    op_free(op);
}

static void send_error(const struct err *err, const struct story *story,
                       void (*reply)(void *user, const struct hall_reply *reply), void *user)
{
    struct buf body;
    buf_init(&body, REPLY_MAX);
    view_error(&body, err, story);
    struct hall_reply answer = {err_status(err->code), err->code, buf_text(&body), false};
    reply(user, &answer);
    buf_done(&body);
}

void op_refuse(struct op *op, const struct err *err)
{
    bool of_state = err->code == ERR_WRONG_STATE || err->code == ERR_ALREADY_VOTED;
    const struct story *story = of_state && op->resident ? &op->resident->battle->story : NULL;
    if (op->opened)
        op->opened(op->user, NULL, err);
    else
        send_error(err, story, op->reply, op->user);
    op_free(op);
}

void op_refuse_request(const struct hall_request *request, const struct err *err)
{
    send_error(err, NULL, request->reply, request->user);
}

/* --- the job --- */

static bool digest_body(const struct op *op, uint8_t out[DIGEST_SIZE], struct err *err)
{
    char *text = json_dumps(op->body, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text)
        return err_set(err, ERR_MEMORY, "out of memory");
    digest_of(text, strlen(text), out);
    free(text);
    return true;
}

/* An earlier reply takes the place of the one that was prepared. */
static bool find_reply(struct db *tx, struct op *op, const struct idempotency_key *key,
                       struct err *err)
{
    struct buf stored;
    buf_init(&stored, REPLY_MAX);
    bool good = idempotency_find(tx, key, &op->replayed, &op->status, &stored, err);
    if (good && op->replayed) {
        struct buf prepared = op->out;
        op->out = stored;
        stored = prepared;
    }
    buf_done(&stored);
    return good;
}

static bool apply_keyed(struct db *tx, struct op *op, struct err *err)
{
    char route[128];
    snprintf(route, sizeof route, "%s%s", ACTIONS[op->action].route, op->battle);
    struct idempotency_key key = {.voter = op->voter, .route = route, .key = text_of(op->key)};
    if (!digest_body(op, key.request, err) || !find_reply(tx, op, &key, err))
        return false;
    if (op->replayed)
        return true;
    if (op->look_up) {
        *err = op->refusal;
        return false;
    }
    return ACTIONS[op->action].apply(tx, op, err) &&
           idempotency_store(tx, &key, op->status, buf_text(&op->out), op->now_ms, err);
}

static bool apply(struct db *tx, void *data, struct err *err)
{
    struct op *op = data;
    return op->key ? apply_keyed(tx, op, err) : ACTIONS[op->action].apply(tx, op, err);
}

static void done(void *data, const struct err *err)
{
    struct op *op = data;
    struct hall *hall = op->hall;
    const struct action *action = &ACTIONS[op->action];
    bool good = err->code == ERR_NONE, moved = good && !op->replayed;
    if (moved && action->committed)
        action->committed(op);
    else if (!moved && !op->look_up && action->undone)
        action->undone(op, err); /* may take the resident away */
    struct resident *resident = op->resident;
    if (resident && !good && !op->look_up &&
        (err->code == ERR_WRONG_STATE || err->code == ERR_ALREADY_VOTED))
        resident->stale = true; /* the store knows better */
    if (good)
        op_reply(op);
    else
        op_refuse(op, err);
    if (resident) { /* busy until here: what the reply sets off waits in line and keeps the resident
                       where it is */
        resident->busy = resident->opens = false;
        hall_unbusy(resident);
    }
    hall_job_back(hall);
}

static void submit(struct op *op)
{
    struct err err = ERR_INIT;
    struct store_job job = {apply, done, op};
    if (op->resident)
        op->resident->busy = true;
    hall_job_out(op->hall);
    if (store_submit(op->hall->options.store, &job, &err))
        return;
    done(op, &err);
}

/* --- the way through --- */

static void wait_in_line(struct op *op)
{
    struct resident *resident = op->resident;
    struct err err = ERR_INIT;
    if (resident->waiting >= LIMIT_WAITING_REQUESTS) {
        err_set(&err, ERR_TOO_MANY,
                "too many requests for this battle at once: send them one after another");
        op_refuse(op, &err);
        return;
    }
    op->next = NULL;
    if (resident->last)
        resident->last->next = op;
    else
        resident->first = op;
    resident->last = op;
    resident->waiting++;
}

/* A refusal that a reply given earlier may overrule: a retried request comes when its battle has
 * already moved on. */
static bool may_have_been_answered(const struct op *op, const struct err *err)
{
    return op->key &&
           (err->code == ERR_WRONG_STATE || err->code == ERR_ALREADY_VOTED ||
            err->code == ERR_TOO_MANY || err->code == ERR_TOO_LARGE || err->code == ERR_BUSY);
}

void op_run(struct op *op)
{
    const struct action *action = &ACTIONS[op->action];
    struct err err = ERR_INIT;
    if (op->resident) {
        op->resident->used_ns = clock_mono_ns();
        if (strcmp(op->resident->battle->story.voter, op->voter) != 0) {
            op->resident = NULL;
            err_set(&err, ERR_NOT_FOUND, "there is no battle of this id among yours");
            op_refuse(op, &err);
            return;
        }
        if (op->resident->busy && action->waits) {
            wait_in_line(op);
            return;
        }
    }
    op->now_ms = clock_wall_ms();
    buf_clear(&op->out); /* it may have been here before it waited in line */
    if (action->prepare(op, &err)) {
        if (op->needs_job)
            submit(op);
        else if (op->resident && op->resident->busy && action->waits)
            wait_in_line(op); /* what it set off is being stored: it is answered after that */
        else
            op_reply(op);
    } else if (may_have_been_answered(op, &err)) {
        op->look_up = true;
        op->refusal = err;
        submit(op);
    } else {
        op_refuse(op, &err);
    }
}
