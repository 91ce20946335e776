/* The headers stand in tables, so that no reply can forget one. */
#include "http/reply.h"

#include <stdio.h>

#include "base/json.h"
#include "base/limits.h"
#include "http/server_internal.h"

struct header {
    const char *name, *value;
};

static const struct header EVERYWHERE[] = {
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()"},
    {"X-Frame-Options", "DENY"},
    {NULL, NULL},
};

static const struct {
    const char *policy, *cache_control;
} POLICIES[] = {
    [REPLY_DATA] = {"default-src 'none'; frame-ancestors 'none'", "no-store"},
    [REPLY_PAGE] = {"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
                    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
                    "require-trusted-types-for 'script'; trusted-types 'none'",
                    "no-cache"},
};

static bool add(struct MHD_Response *response, const char *name, const char *value)
{
    return !value || MHD_add_response_header(response, name, value) == MHD_YES;
}

static bool add_all(struct MHD_Response *response, const struct header *headers)
{
    bool fine = true;
    for (; headers->name; headers++)
        fine &= add(response, headers->name, headers->value);
    return fine;
}

bool reply_dress(struct MHD_Response *response, const struct reply_headers *headers)
{
    const char *cache = headers->cache_control ? headers->cache_control : POLICIES[headers->policy].cache_control;
    const struct header own[] = {
        {"Content-Security-Policy", POLICIES[headers->policy].policy},
        {"Strict-Transport-Security", headers->https ? "max-age=31536000" : NULL},
        {"Cache-Control", cache},
        {"Content-Type", headers->content_type},
        {"ETag", headers->etag},
        {"Content-Encoding", headers->encoding},
        {"Vary", headers->etag ? "Accept-Encoding" : NULL},
        {NULL, NULL},
    };
    return add_all(response, EVERYWHERE) && add_all(response, own);
}

struct MHD_Response *reply_prepare(struct text body, bool copy, const struct reply_headers *headers)
{
    /* libmicrohttpd only reads a persistent buffer; its signature is older than const. */
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body.length, (void *)(uintptr_t)body.data, copy ? MHD_RESPMEM_MUST_COPY : MHD_RESPMEM_PERSISTENT);
    if (response && !reply_dress(response, headers)) {
        MHD_destroy_response(response);
        return NULL;
    }
    return response;
}

/* The headers that belong to this request alone. */
static bool add_own(struct request *request, struct MHD_Response *response)
{
    char line[160];
    bool fine = add(response, "Allow", request->allow);
    if (request->retry_after) {
        snprintf(line, sizeof line, "%d", request->retry_after);
        fine &= add(response, "Retry-After", line);
    }
    if (request->close_after)
        fine &= add(response, "Connection", "close");
    if (request->token[0]) {
        snprintf(line, sizeof line, SESSION_COOKIE "=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax%s", request->token,
                 SESSION_DAYS * 86400, request->context->https ? "; Secure" : "");
        fine &= add(response, "Set-Cookie", line);
    }
    return fine;
}

void reply_with(struct request *request, unsigned status, struct MHD_Response *response)
{
    if (request->response || !request->connection) { /* answered already (shutdown), or nobody is there */
        if (response)
            MHD_destroy_response(response);
        return;
    }
    if (!response) { /* without memory: what stands ready for the server's whole life */
        reply_shared(request, MHD_HTTP_SERVICE_UNAVAILABLE, server_sorry(request->server));
        return;
    }
    request->response = response;
    request->status = status;
    server_answered(request);
}

void reply_shared(struct request *request, unsigned status, struct MHD_Response *response)
{
    if (request->response || !request->connection)
        return;
    request->shared = true;
    request->response = response;
    request->status = status;
    server_answered(request);
}

static void reply_bytes(struct request *request, unsigned status, const char *content_type, struct text text)
{
    struct reply_headers headers = {.policy = REPLY_DATA, .https = request->context->https, .content_type = content_type};
    struct MHD_Response *response = reply_prepare(text, true, &headers);
    if (response && !add_own(request, response)) {
        MHD_destroy_response(response);
        response = NULL;
    }
    reply_with(request, status, response);
}

void reply_json(struct request *request, unsigned status, struct text json)
{
    reply_bytes(request, status, "application/json", json);
}

void reply_text(struct request *request, unsigned status, const char *content_type, struct text text)
{
    reply_bytes(request, status, content_type, text);
}

void reply_empty(struct request *request, unsigned status)
{
    reply_bytes(request, status, NULL, (struct text){"", 0});
}

void reply_error(struct request *request, const struct err *err)
{
    struct buf buf;
    buf_init(&buf, 8 * ERR_MESSAGE_MAX);
    struct json_out out = json_out_to(&buf);
    json_put_open(&out, NULL, '{');
    json_put_open(&out, "error", '{');
    json_put_cstring(&out, "code", err_word(err->code));
    json_put_cstring(&out, "message", err->message);
    json_put_close(&out, '}');
    json_put_close(&out, '}');
    int status = err_status(err->code);
    if ((status == 503 || status == 429) && !request->retry_after)
        request->retry_after = 1;
    if (buf.failed)
        reply_with(request, (unsigned)status, NULL);
    else
        reply_json(request, (unsigned)status, buf_text(&buf));
    buf_done(&buf);
}
