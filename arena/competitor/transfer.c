/* libcurl tells which descriptors it watches; each gets a loop_fd of its own. Handles are never
 * removed inside one of libcurl's callbacks (it refuses that): a cancelled transfer only turns
 * silent there and is removed right after. Nor do callbacks report a failure to libcurl, which
 * would then give up all transfers for good: the one whose socket cannot be watched ends, and the
 * timer always runs, so that moving it cannot fail. */
#include "competitor/transfer.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/file.h"

enum { CONNECT_SECONDS = 10, KEEPALIVE_SECONDS = 60, QUIET_SECONDS = 3600 };

struct transfer_pool {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer timer;
    int inside; /* libcurl's functions on the stack */
    struct transfer *over;
};

struct watched { /* one of libcurl's sockets */
    struct transfer_pool *pool;
    struct loop_fd handle;
};

struct transfer {
    struct transfer_pool *pool;
    CURL *easy;
    struct curl_slist *headers;
    char *body;
    struct transfer_events events;
    char reason[CURL_ERROR_SIZE];
    bool silent, told_status, stopped, over;
    struct transfer *next_over; /* cancelled inside, or without memory to go on */
};

static void transfer_free(struct transfer *transfer)
{
    curl_multi_remove_handle(transfer->pool->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    for (struct curl_slist *at = transfer->headers; at; at = at->next)
        secret_wipe(at->data, strlen(at->data)); /* one of them carries the key */
    curl_slist_free_all(transfer->headers);
    free(transfer->body);
    free(transfer);
}

static enum transfer_failure failure_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return TRANSFER_OK;
    case CURLE_OPERATION_TIMEDOUT:
        return TRANSFER_TIMEOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
        return TRANSFER_TLS;
    default:
        return TRANSFER_NETWORK;
    }
}

static void tell_status(struct transfer *transfer)
{
    long status = 0;
    if (transfer->told_status || transfer->silent)
        return;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    transfer->told_status = true;
    if (status)
        transfer->events.status(transfer->events.user, (int)status);
}

static void finish(struct transfer *transfer, CURLcode code)
{
    tell_status(transfer); /* a response without a body */
    const char *why = transfer->reason[0] ? transfer->reason : curl_easy_strerror(code);
    enum transfer_failure failure = transfer->stopped ? TRANSFER_OK : failure_of(code);
    struct transfer_events events = transfer->events;
    char reason[CURL_ERROR_SIZE];
    snprintf(reason, sizeof reason, "%s", why);
    bool silent = transfer->silent;
    long sent = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &sent);
    transfer_free(transfer);
    if (!silent)
        events.end(events.user, failure, sent > 0, reason);
}

/* After every call into libcurl: what it finished, and what was cancelled meanwhile. */
static void settle(struct transfer_pool *pool)
{
    if (pool->inside)
        return;
    CURLMsg *message;
    int left;
    while (pool->over) {
        struct transfer *transfer = pool->over;
        pool->over = transfer->next_over;
        finish(transfer, CURLE_OUT_OF_MEMORY);
    }
    while ((message = curl_multi_info_read(pool->multi, &left))) {
        struct transfer *transfer;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        finish(transfer, code);
    }
}

static void act(struct transfer_pool *pool, curl_socket_t socket, int mask)
{
    int running;
    pool->inside++;
    curl_multi_socket_action(pool->multi, socket, mask, &running);
    pool->inside--;
    settle(pool);
}

static bool move_timer(struct transfer_pool *pool, int64_t wait_ns)
{
    return loop_timer_start(pool->loop, &pool->timer, clock_mono_ns() + wait_ns);
}

static void timer_expired(void *user)
{
    move_timer(user, QUIET_SECONDS * CLOCK_S);
    act(user, CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi, long timeout_ms, void *user)
{
    (void)multi;
    move_timer(user, timeout_ms < 0 ? QUIET_SECONDS * CLOCK_S : timeout_ms * CLOCK_MS);
    return 0;
}

static void socket_ready(void *user, uint32_t events)
{
    struct watched *watched = user;
    int mask = (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
               (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
               (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
    act(watched->pool, watched->handle.fd, mask);
}

/* It ends right after libcurl's function that is on the stack. */
static void put_over(struct transfer *transfer)
{
    if (transfer->over)
        return;
    transfer->over = true;
    transfer->next_over = transfer->pool->over;
    transfer->pool->over = transfer;
}

static struct watched *watched_new(struct transfer_pool *pool, int socket, uint32_t events)
{
    struct watched *watched = calloc(1, sizeof *watched);
    if (!watched)
        return NULL;
    watched->pool = pool;
    watched->handle = (struct loop_fd){.fd = socket, .ready = socket_ready, .user = watched};
    if (loop_fd_start(pool->loop, &watched->handle, events))
        return watched;
    free(watched);
    return NULL;
}

static int watch(CURL *easy, curl_socket_t socket, int what, void *user, void *known)
{
    struct transfer_pool *pool = user;
    struct watched *watched = known;
    struct transfer *transfer;
    if (what == CURL_POLL_REMOVE) {
        if (watched)
            loop_fd_stop(pool->loop, &watched->handle);
        free(watched);
        return 0;
    }
    uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
    if (watched && loop_fd_change(pool->loop, &watched->handle, events))
        return 0;
    if (!watched && (watched = watched_new(pool, socket, events))) {
        curl_multi_assign(pool->multi, socket, watched);
        return 0;
    }
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
    put_over(transfer);
    return 0;
}

struct transfer_pool *transfer_pool_new(struct loop *loop, struct err *err)
{
    struct transfer_pool *pool = calloc(1, sizeof *pool);
    if (pool) {
        pool->loop = loop;
        pool->timer = (struct loop_timer){.expired = timer_expired, .user = pool};
    }
    if (pool && move_timer(pool, QUIET_SECONDS * CLOCK_S) &&
        curl_global_init(CURL_GLOBAL_DEFAULT) == 0 && (pool->multi = curl_multi_init())) {
        curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, watch);
        curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
        curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, set_timer);
        curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
        return pool;
    }
    if (pool)
        loop_timer_stop(loop, &pool->timer);
    free(pool);
    err_set(err, ERR_MEMORY, "cannot start the HTTP client");
    return NULL;
}

void transfer_pool_free(struct transfer_pool *pool)
{
    if (!pool)
        return;
    settle(pool);
    curl_multi_cleanup(pool->multi);
    loop_timer_stop(pool->loop, &pool->timer);
    curl_global_cleanup();
    free(pool);
}

/* --- one transfer --- */

static void tell_header(struct transfer *transfer, const char *line, size_t length)
{
    char name[128];
    const char *colon = memchr(line, ':', length);
    size_t name_length = colon ? (size_t)(colon - line) : 0;
    if (!name_length || name_length >= sizeof name)
        return;
    for (size_t i = 0; i < name_length; i++)
        name[i] = (char)tolower((unsigned char)line[i]);
    const char *value = colon + 1, *end = line + length;
    while (value < end && isspace((unsigned char)*value))
        value++;
    while (end > value && isspace((unsigned char)end[-1]))
        end--;
    transfer->events.header(transfer->events.user, (struct text){name, name_length},
                            (struct text){value, (size_t)(end - value)});
}

static size_t on_header(char *line, size_t one, size_t length, void *user)
{
    struct transfer *transfer = user;
    if (!transfer->silent)
        tell_header(transfer, line, one * length);
    return one * length;
}

static size_t on_body(char *bytes, size_t one, size_t length, void *user)
{
    struct transfer *transfer = user;
    tell_status(transfer);
    if (transfer->silent)
        return CURL_WRITEFUNC_ERROR;
    if (transfer->events.body(transfer->events.user, (struct text){bytes, one * length}))
        return one * length;
    transfer->stopped = true;
    return CURL_WRITEFUNC_ERROR;
}

bool transfer_host(const char *url, char *out, size_t size)
{
    CURLU *parsed = curl_url();
    char *host = NULL;
    bool ok = parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK;
    if (ok)
        snprintf(out, size, "%s", host);
    curl_free(host);
    curl_url_cleanup(parsed);
    return ok;
}

bool transfer_is_loopback(const char *url)
{
    char host[256];
    unsigned a, b, c, d;
    char rest;
    if (!transfer_host(url, host, sizeof host))
        return false;
    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return sscanf(host, "%u.%u.%u.%u%c", &a, &b, &c, &d, &rest) == 4 && a == 127 && b < 256 &&
           c < 256 && d < 256;
}

static void set_options(struct transfer *transfer, const struct transfer_request *request,
                        bool loopback)
{
    CURL *easy = transfer->easy;
    const char *authorities =
        getenv("CURL_CA_BUNDLE") ? getenv("CURL_CA_BUNDLE") : getenv("SSL_CERT_FILE");
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->reason);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* cancelling must not join a name look-up */
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR,
                     request->allow_http || loopback ? "http,https" : "https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_SECONDS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_SECONDS);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    if (loopback)
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    /* "identity" asks for none, and still undoes what a server compresses all the same. */
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, request->compressed ? "" : "identity");
    if (authorities && *authorities)
        curl_easy_setopt(easy, CURLOPT_CAINFO, authorities);
    if (transfer->body) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->body);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.length);
    }
}

static bool add_headers(struct transfer *transfer, const char *const *headers)
{
    static const char *const OWN[] = {"Expect:", "User-Agent: arena/1.0", NULL};
    const char *const *lists[] = {OWN, headers};
    for (size_t i = 0; i < 2; i++)
        for (const char *const *at = lists[i]; at && *at; at++) {
            struct curl_slist *longer = curl_slist_append(transfer->headers, *at);
            if (!longer)
                return false;
            transfer->headers = longer;
        }
    return true;
}

struct transfer *transfer_start(struct transfer_pool *pool, const struct transfer_request *request,
                                const struct transfer_events *events, struct err *err)
{
    bool loopback = transfer_is_loopback(request->url);
    if (strncmp(request->url, "http://", 7) == 0 && !loopback && !request->allow_http) {
        err_set(err, ERR_CONFIG,
                "%.200s: plain http would show the key to everyone on the way; use https, or "
                "\"allow_http\": true",
                request->url);
        return NULL;
    }
    struct transfer *transfer = calloc(1, sizeof *transfer);
    if (!transfer) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    transfer->pool = pool;
    transfer->events = *events;
    transfer->easy = curl_easy_init();
    bool ok = transfer->easy && add_headers(transfer, request->headers);
    if (ok && request->body.data) {
        transfer->body = malloc(request->body.length + 1);
        ok = transfer->body != NULL;
        if (ok)
            memcpy(transfer->body, request->body.data, request->body.length);
    }
    if (ok) {
        set_options(transfer, request, loopback);
        ok = curl_multi_add_handle(pool->multi, transfer->easy) == CURLM_OK;
    }
    if (!ok) {
        transfer_free(transfer);
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    return transfer;
}

void transfer_cancel(struct transfer *transfer)
{
    struct transfer_pool *pool = transfer->pool;
    transfer->silent = true;
    if (pool->inside)
        put_over(transfer);
    else if (!transfer->over)
        transfer_free(transfer);
}
