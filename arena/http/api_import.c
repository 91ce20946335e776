/* /api/import: the owner of the data directory reads a file of votes for `arena import`. It names a
 * file of this machine, so it is asked over the directory's own socket alone. Reading and checking
 * are a worker's; storing is one job of the writer, which nothing else passes meanwhile. */
#include "http/api.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/json.h"
#include "board/live.h"
#include "eval/intake.h"
#include "http/response.h"
#include "loop/worker.h"
#include "store/votes.h"

#define WHAT "the request"
enum { REPLY_BYTES = 256 };

struct importing {
    struct http_request *request; /* held: the options borrow from its body */
    struct intake_options options;
    struct intake *intake;
    int64_t last;
    struct err err;
};

static bool store_file(struct db *tx, void *data, struct err *err)
{
    struct importing *importing = data;
    uint8_t head[DIGEST_SIZE];
    return intake_store(tx, importing->intake, err) && votes_last(tx, &importing->last, head, err);
}

static void read_file(void *data)
{
    struct importing *importing = data;
    struct store *store = importing->request->context->store;
    importing->intake = intake_open(&importing->options, &importing->err);
    if (importing->intake)
        store_apply_alone(store, store_file, importing, &importing->err);
}

static void answer(struct importing *importing)
{
    const struct intake_report *report = intake_report(importing->intake);
    struct buf buf;
    buf_init(&buf, REPLY_BYTES);
    struct json_out out = json_out_to(&buf);
    json_put_open(&out, NULL, '{');
    json_put_int(&out, "votes", (int64_t)report->votes);
    json_put_int(&out, "added", (int64_t)report->added);
    json_put_int(&out, "stored_before", (int64_t)report->stored_before);
    json_put_int(&out, "left_out", (int64_t)report->left_out);
    json_put_close(&out, '}');
    response_json(importing->request, 200, buf_text(&buf));
    buf_done(&buf);
}

static void file_is_read(void *data, bool cancelled)
{
    struct importing *importing = data;
    struct live *live = importing->request->context->live;
    if (cancelled)
        err_set(&importing->err, ERR_BUSY, "the arena is stopping");
    if (importing->err.code == ERR_NONE) {
        if (live)
            live_changed(live, importing->last);
        answer(importing);
    } else {
        response_error(importing->request, &importing->err);
    }
    intake_free(importing->intake);
    http_request_release(importing->request);
    free(importing);
}

static bool read_wish(const struct http_request *request, struct intake_options *options,
                      struct err *err)
{
    static const char *const KEYS[] = {"path", "columns", "id", "voter", "prompt", NULL};
    const json_t *body = request->json, *columns = json_object_get(body, "columns");
    if (!body)
        return err_set(err, ERR_BAD_REQUEST, "the request has no body");
    if (!json_only_keys(body, KEYS, WHAT, err) ||
        !json_get_string(body, "path", WHAT, &options->path, err) ||
        !json_get_string_or(body, "id", WHAT, &options->id, err) ||
        !json_get_string_or(body, "voter", WHAT, &options->voter, err) ||
        !json_get_string_or(body, "prompt", WHAT, &options->prompt, err))
        return false;
    if (options->path[0] != '/')
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"path\" must begin with a slash");
    for (size_t k = 0; columns && k < 3; k++) {
        options->columns[k] = json_string_value(json_array_get(columns, k));
        if (!options->columns[k] || json_array_size(columns) != 3)
            return err_set(err, ERR_BAD_REQUEST,
                           WHAT ": \"columns\" must be three names: A, B, WINNER");
    }
    return true;
}

static bool begin(struct http_request *request, struct err *err)
{
    struct importing *importing = calloc(1, sizeof *importing);
    if (!importing)
        return err_set(err, ERR_MEMORY, "out of memory");
    importing->request = request;
    if (!read_wish(request, &importing->options, err) ||
        !workers_submit(request->context->workers, read_file, file_is_read, importing, err)) {
        free(importing);
        return false;
    }
    http_request_hold(request);
    return true;
}

void api_import(struct http_request *request)
{
    struct err err = ERR_INIT;
    if (!request->peer->administers)
        err_set(&err, ERR_FORBIDDEN,
                "votes are imported with `arena import` on the machine that serves");
    else if (!request->context->store || !request->context->workers)
        err_set(&err, ERR_BUSY, "nothing is stored here");
    else if (begin(request, &err))
        return;
    response_error(request, &err);
}
