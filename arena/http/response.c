/* The headers stand in tables, so that no reply can forget one. */
#include "http/response.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "http/openai.h"
#include "http/replay.h"
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
    [RESPONSE_DATA] = {"default-src 'none'; frame-ancestors 'none'", "no-store"},
    [RESPONSE_PAGE] =
        {"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src "
         "'self'; "
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

bool response_dress(struct MHD_Response *response, const struct response_headers *headers)
{
    const char *cache =
        headers->cache_control ? headers->cache_control : POLICIES[headers->policy].cache_control;
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

struct MHD_Response *response_prepare(struct text body, bool copy,
                                      const struct response_headers *headers)
{
    /* libmicrohttpd only reads a persistent buffer; its signature is older than const. */
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body.length, (void *)(uintptr_t)body.data,
                                        copy ? MHD_RESPMEM_MUST_COPY : MHD_RESPMEM_PERSISTENT);
    if (response && !response_dress(response, headers)) {
        MHD_destroy_response(response);
        return NULL;
    }
    return response;
}

/* The headers that belong to this request alone. */
static bool add_own(struct http_request *request, struct MHD_Response *response)
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
        snprintf(line, sizeof line, "%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax%s",
                 request->context->https ? SESSION_COOKIE_SECURE : SESSION_COOKIE, request->token,
                 SESSION_DAYS * 86400, request->context->https ? "; Secure" : "");
        fine &= add(response, "Set-Cookie", line);
    }
    return fine;
}

void response_with(struct http_request *request, unsigned status, struct MHD_Response *response)
{
    if (request->response ||
        !request->connection) { /* answered already (shutdown), or nobody is there */
        if (response)
            MHD_destroy_response(response);
        return;
    }
    if (!response) { /* without memory: what stands ready for the server's whole life */
        response_shared(request, MHD_HTTP_SERVICE_UNAVAILABLE, server_sorry(request->server));
        return;
    }
    request->response = response;
    request->status = status;
    server_answered(request);
}

void response_shared(struct http_request *request, unsigned status, struct MHD_Response *response)
{
    if (request->response || !request->connection)
        return;
    request->borrowed = true;
    request->response = response;
    request->status = status;
    server_answered(request);
}

static void response_bytes(struct http_request *request, unsigned status, const char *content_type,
                           struct text text)
{
    if (replay_end(request, status, text))
        return;
    struct response_headers headers = {
        .policy = RESPONSE_DATA, .https = request->context->https, .content_type = content_type};
    struct MHD_Response *response = response_prepare(text, true, &headers);
    if (response && !add_own(request, response)) {
        MHD_destroy_response(response);
        response = NULL;
    }
    response_with(request, status, response);
}

void response_json(struct http_request *request, unsigned status, struct text json)
{
    response_bytes(request, status, "application/json", json);
}

void response_built(struct http_request *request, unsigned status, struct buf *buf)
{
    if (buf->failed)
        response_with(request, status >= 400 ? status : 503, NULL);
    else
        response_json(request, status, buf_text(buf));
    buf_done(buf);
}

void response_text(struct http_request *request, unsigned status, const char *content_type,
                   struct text text)
{
    response_bytes(request, status, content_type, text);
}

void response_empty(struct http_request *request, unsigned status)
{
    response_bytes(request, status, NULL, (struct text){"", 0});
}

static void write_error(struct buf *buf, const struct err *err)
{
    struct json_out out = json_out_to(buf);
    json_put_open(&out, NULL, '{');
    json_put_open(&out, "error", '{');
    json_put_cstring(&out, "code", err_word(err->code));
    json_put_cstring(&out, "message", err->message);
    json_put_close(&out, '}');
    json_put_close(&out, '}');
}

void response_error(struct http_request *request, const struct err *err)
{
    struct buf buf;
    if (request->response || !request->connection) /* its path went with the connection */
        return;
    buf_init(&buf, 8 * ERR_MESSAGE_MAX);
    int status = err_status(err->code);
    if (strncmp(request->path, "/v1/", 4) == 0)
        status = openai_error(&buf, err, request->param);
    else
        write_error(&buf, err);
    if ((status == 503 || status == 429) && !request->retry_after)
        request->retry_after = 1;
    response_built(request, (unsigned)status, &buf);
}
