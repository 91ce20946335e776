/* Each step comes back to the loop, which starts the next. */
#include "http/errand.h"

#include <stdio.h>
#include <stdlib.h>

#include "http/response.h"
#include "loop/worker.h"
#include "store/store.h"

struct errand *errand_new(struct http_request *request, size_t most)
{
    struct errand *errand = calloc(1, sizeof *errand);
    if (!errand) {
        response_with(request, 503, NULL);
        return NULL;
    }
    errand->request = request;
    errand->status = 200;
    if (request->has_voter)
        errand->voter = request->voter;
    snprintf(errand->actor, sizeof errand->actor, "%s", http_request_actor(request));
    buf_init(&errand->out, most);
    http_request_hold(request);
    return errand;
}

static void end(struct errand *errand)
{
    struct http_request *request = errand->request;
    if (errand->err.code == ERR_NONE && errand->out.failed)
        err_set(&errand->err, ERR_TOO_LARGE, "the answer is larger than %zu bytes",
                errand->out.max);
    if (errand->err.code != ERR_NONE)
        response_error(request, &errand->err);
    else
        response_text(request, errand->status,
                      errand->content_type ? errand->content_type : "application/json",
                      errand->out.length ? buf_text(&errand->out) : TEXT("{}"));
    if (errand->done && errand->data)
        errand->done(errand);
    buf_done(&errand->out);
    http_request_release(request);
    free(errand);
}

void errand_refuse(struct errand *errand, const struct err *err)
{
    errand->err = *err;
    end(errand);
}

static void finish(struct errand *errand)
{
    if (errand->err.code == ERR_NONE && errand->then)
        errand->then(errand, &errand->err);
    end(errand);
}

static bool apply(struct db *tx, void *data, struct err *err)
{
    struct errand *errand = data;
    return errand->apply(errand, tx, err);
}

static void applied(void *data, const struct err *err)
{
    struct errand *errand = data;
    errand->err = *err;
    finish(errand);
}

static void start_apply(struct errand *errand)
{
    struct store_job job = {apply, applied, errand};
    if (errand->err.code != ERR_NONE || !errand->apply ||
        !store_submit(errand->request->context->store, &job, &errand->err))
        finish(errand);
}

static void read_on_worker(void *data)
{
    struct errand *errand = data;
    struct db *db = store_read_open(store_dir(errand->request->context->store), &errand->err);
    if (db)
        errand->read(errand, db, &errand->err);
    db_close(db);
}

static void read_done(void *data, bool cancelled)
{
    struct errand *errand = data;
    if (cancelled)
        err_set(&errand->err, ERR_BUSY, "the arena is shutting down: try again in a moment");
    start_apply(errand);
}

void errand_send(struct errand *errand)
{
    const struct http_context *context = errand->request->context;
    if (!context->store || !context->workers)
        err_set(&errand->err, ERR_BUSY, "nothing is stored here");
    else if (errand->read &&
             workers_submit(context->workers, read_on_worker, read_done, errand, &errand->err))
        return;
    start_apply(errand);
}
