/* /api/evals: the owner of the data directory runs an evaluation for `arena eval`. The
 * specification is a file of this machine, so it is asked over the directory's own socket alone.
 * How far a run is stands in the store, where anybody may look. */
#include "http/api.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "eval/evals.h"
#include "http/noted.h"
#include "http/response.h"
#include "loop/worker.h"

#define WHAT "the request"
enum { REPLY_BYTES = 256 };

struct wanting {
    struct http_request *request; /* held; path and folder borrow from its body */
    const char *path, *folder;
    json_t *spec;
    struct err err;
};

static void answer_id(struct http_request *request, unsigned status, const char *act,
                      const char *id)
{
    struct buf buf;
    buf_init(&buf, REPLY_BYTES);
    struct json_out out = json_out_to(&buf);
    json_put_open(&out, NULL, '{');
    json_put_cstring(&out, "id", id);
    json_put_close(&out, '}');
    noted_reply(request, status, act, id, buf_text(&buf));
    buf_done(&buf);
}

static void has_begun(struct http_request *request, const char *act, const char *id,
                      const struct err *err)
{
    if (id)
        answer_id(request, 201, act, id);
    else
        response_error(request, err);
    http_request_release(request);
}

static void has_started(void *user, const char *id, const struct err *err)
{
    has_begun(user, "run evaluation", id, err);
}

static void has_resumed(void *user, const char *id, const struct err *err)
{
    has_begun(user, "resume evaluation", id, err);
}

static void read_spec(void *data)
{
    struct wanting *wanting = data;
    struct buf text;
    buf_init(&text, LIMIT_EVAL_SPEC_BYTES);
    if (file_read(wanting->path, &text, &wanting->err))
        wanting->spec = json_read(buf_text(&text), "the specification", &wanting->err);
    buf_done(&text);
}

static void spec_is_read(void *data, bool cancelled)
{
    struct wanting *wanting = data;
    struct http_request *request = wanting->request;
    struct evals_reply reply = {has_started, request};
    if (cancelled)
        err_set(&wanting->err, ERR_BUSY, "the arena is stopping");
    if (wanting->err.code == ERR_NONE)
        evals_start(request->context->evals, wanting->spec, wanting->folder, NULL, &reply);
    else
        has_started(request, NULL, &wanting->err);
    json_decref(wanting->spec);
    free(wanting);
}

static bool read_wish(const struct http_request *request, struct wanting *wanting, struct err *err)
{
    static const char *const KEYS[] = {"path", "folder", NULL};
    if (!request->json)
        return err_set(err, ERR_BAD_REQUEST, "the request has no body");
    if (!json_only_keys(request->json, KEYS, WHAT, err) ||
        !json_get_string(request->json, "path", WHAT, &wanting->path, err) ||
        !json_get_string(request->json, "folder", WHAT, &wanting->folder, err))
        return false;
    return (wanting->path[0] == '/' && wanting->folder[0] == '/') ||
           err_set(err, ERR_BAD_REQUEST, WHAT ": \"path\" and \"folder\" must begin with a slash");
}

static bool begin(struct http_request *request, struct err *err)
{
    struct wanting *wanting = calloc(1, sizeof *wanting);
    if (!wanting)
        return err_set(err, ERR_MEMORY, "out of memory");
    wanting->request = request;
    if (!read_wish(request, wanting, err) ||
        !workers_submit(request->context->workers, read_spec, spec_is_read, wanting, err)) {
        free(wanting);
        return false;
    }
    http_request_hold(request);
    return true;
}

static bool may(const struct http_request *request, struct err *err)
{
    if (!request->peer->administers)
        return err_set(err, ERR_FORBIDDEN,
                       "evaluations are run with `arena eval` on the machine that serves");
    return request->context->evals || err_set(err, ERR_BUSY, "nothing is evaluated here");
}

void api_eval_run(struct http_request *request)
{
    struct err err = ERR_INIT;
    if (!may(request, &err) || !begin(request, &err))
        response_error(request, &err);
}

void api_eval_resume(struct http_request *request)
{
    static const char *const KEYS[] = {"retry_failed", NULL};
    struct err err = ERR_INIT;
    struct evals_reply reply = {has_resumed, request};
    bool retry_failed = false;
    if (!may(request, &err) ||
        (request->json &&
         (!json_only_keys(request->json, KEYS, WHAT, &err) ||
          !json_get_bool_or(request->json, "retry_failed", WHAT, &retry_failed, &err)))) {
        response_error(request, &err);
        return;
    }
    http_request_hold(request);
    evals_resume(request->context->evals, request->part, retry_failed, &reply);
}

void api_eval_stop(struct http_request *request)
{
    struct err err = ERR_INIT;
    if (may(request, &err) &&
        evals_end(request->context->evals, request->part, "stopped by hand", &err))
        answer_id(request, 200, "stop evaluation", request->part);
    else
        response_error(request, &err);
}
