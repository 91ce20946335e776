/* libmicrohttpd hands us its epoll descriptor, which sits in the loop like any other socket. Its
 * readiness only marks the server dirty; the work is done by MHD_run at the end of the turn. That
 * is also what a resumed connection needs: after MHD_resume_connection the descriptor stays silent
 * (0.9.75), so whoever resumes calls server_wake. Replies and streams that become ready within one
 * turn are so written in one go.
 *
 * A request's life: on_request with its headers (checked, a refusal noted), with pieces of its body
 * (kept, or dropped after a refusal), once more when all is there (handled: answered, or put to
 * sleep until it is), and once more after waking (the answer is queued). on_completed ends it,
 * however it ended. */
#include "http/server.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "http/asset.h"
#include "http/guard.h"
#include "http/listener.h"
#include "http/replay.h"
#include "http/response.h"
#include "http/route.h"
#include "http/server_internal.h"
#include "http/tls.h"
#include "people/addresses.h"

#define TLS_VERSIONS "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

enum {
    /* A connection's memory: the headers at their maximum, ours and the parser's. Touched only as
       far as it is used. */
    CONNECTION_BYTES = 24 << 10,
    DESCRIPTORS_ELSEWHERE = 512, /* files, upstreams, the database */
    STOP_TICK_MS = 20,
    STOP_GRACE_MS = 300, /* for the battles to end their streams themselves */
    CUT_MS = 500         /* after LIMIT_STOP_SECONDS: for those that were cut to be noticed */
};

/* libmicrohttpd decides about TLS by daemon: the administrative socket, which needs none, is served
 * by one of its own where the TCP port speaks TLS. */
struct front {
    struct MHD_Daemon *daemon; /* NULL: not in use */
    struct loop_fd epoll;
};

struct http_server {
    const struct http_context *context;
    struct tls *tls; /* NULL: plain HTTP */
    struct front open, inner;
    struct loop_timer tick; /* once a second; faster while stopping */
    struct listener tcp, local;
    struct peers peers;
    struct http_request *requests;
    struct streams streams;
    struct completions completions;
    struct assets *assets;
    struct replays *replays;
    struct MHD_Response *sorry;
    struct http_figures figures;
    size_t most_connections;
    bool dirty, stopping;
    int64_t end_at, stop_at,
        cut_at; /* of shutdown: the streams' end, the last reply, the last connection */
    void (*stopped)(void *user);
    void *stopped_user;
    unsigned port;
    char url[96];
};

/* --- for the other modules of this room --- */

void server_wake(struct http_server *server)
{
    server->dirty = true;
}

void server_answered(struct http_request *request)
{
    if (!request->suspended)
        return;
    request->suspended = false;
    MHD_resume_connection(request->connection);
    server_wake(request->server);
}

struct MHD_Response *server_sorry(struct http_server *server)
{
    return server->sorry;
}

struct replays *server_replays(struct http_server *server)
{
    return server->replays;
}

const struct peers *server_peers(const struct http_server *server)
{
    return &server->peers;
}

struct streams *server_streams(struct http_server *server)
{
    return &server->streams;
}

struct completions *server_completions(struct http_server *server)
{
    return &server->completions;
}

struct http_figures server_figures(const struct http_server *server)
{
    struct http_figures figures = server->figures;
    figures.connections = server->peers.count;
    figures.streams = server->streams.count;
    return figures;
}

/* --- a request --- */

static struct http_request *begin(struct http_server *server, struct MHD_Connection *connection,
                                  struct peer *peer, const char *url, const char *method)
{
    struct http_request *request = http_request_new(server, connection, peer);
    if (!request)
        return NULL;
    request->context = server->context;
    request->method = method;
    request->path = url;
    request->next = server->requests;
    request->link = &server->requests;
    if (request->next)
        request->next->link = &request->next;
    server->requests = request;
    peer->busy = true;
    return request;
}

static enum MHD_Result queue(struct http_request *request)
{
    unsigned class = request->status / 100;
    request->server->figures.requests[class < 6 ? class : 0]++;
    peer_due(request->peer, request->endless ? 0 : LIMIT_REPLY_SECONDS);
    enum MHD_Result result =
        MHD_queue_response(request->connection, request->status, request->response);
    /* Its connection holds it from here on: a request that is held for longer must not keep a
     * stream alive. */
    if (!request->borrowed)
        MHD_destroy_response(request->response);
    request->borrowed = true;
    return result;
}

/* A refusal goes out before the body when the two ends may not agree where that body ends, when the
 * client waits for our word before sending it, or when there is more than we care to read. */
static bool refuse_at_once(const struct http_request *request)
{
    uint64_t length;
    enum err_code code = request->refusal.code;
    if (code == ERR_BAD_REQUEST || code == ERR_HEADERS)
        return true;
    bool waits = strcasecmp(http_request_header(request, "Expect").data, "100-continue") == 0;
    return http_request_expects_body(request, &length) &&
           (waits || (length != UINT64_MAX && length > LIMIT_DRAIN_BYTES));
}

/* A page for a person who mistyped, JSON for a program. */
static bool wants_page(const struct http_request *request)
{
    return request->refusal.code == ERR_NOT_FOUND && strncmp(request->path, "/api/", 5) != 0 &&
           strncmp(request->path, "/v1/", 4) != 0 &&
           guard_accepts(http_request_header(request, "Accept"), "text/html");
}

/* A page that this arena does not offer is as unknown as any. */
static bool is_closed(const struct http_request *request)
{
    return !request->context->early_access && strcmp(request->path, "/access") == 0;
}

static void refuse(struct http_request *request)
{
    if (wants_page(request) && assets_missing(request->server->assets, request))
        return;
    response_error(request, &request->refusal);
}

/* With the headers alone: what can already be said against it? */
static enum MHD_Result on_headers(struct http_request *request)
{
    struct err *err = &request->refusal;
    request->close_after = request->server->stopping;
    if (request->server->stopping)
        err_set(err, ERR_BUSY, "the arena is shutting down: try again in a moment");
    else if (http_request_check(request, err))
        route_find(request, err);
    if (err->code == ERR_NONE || !refuse_at_once(request))
        return MHD_YES;
    request->dispatched = request->close_after = true;
    refuse(request);
    return queue(request);
}

static void dispatch(struct http_request *request)
{
    struct err *err = &request->refusal;
    request->dispatched = true;
    peer_due(request->peer, 0);
    if (err->code == ERR_NOT_FOUND && !is_closed(request) &&
        assets_answer(request->server->assets, request))
        return;
    if (err->code != ERR_NONE || !http_request_complete(request, err) || !route_admit(request, err))
        refuse(request);
    else if (!replay_begin(request))
        request->route->handle(request);
}

static enum MHD_Result on_complete(struct http_request *request)
{
    if (!request->dispatched)
        dispatch(request);
    if (request->response)
        return queue(request);
    request->suspended = true;
    MHD_suspend_connection(request->connection);
    return MHD_YES;
}

/* A reply that no connection took: its stream would wait for ever for a request that somebody
 * holds until the stream is closed. */
static void drop_reply(struct http_request *request)
{
    if (!request->response || request->borrowed)
        return;
    request->borrowed = true;
    MHD_destroy_response(request->response);
}

/* --- what libmicrohttpd tells us --- */

static struct peer *peer_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *size, void **context)
{
    (void)version;
    struct http_request *request = *context;
    if (!request) {
        struct peer *peer = peer_of(connection);
        request = peer ? begin(user, connection, peer, url, method) : NULL;
        *context = request;
        return request ? on_headers(request) : MHD_NO;
    }
    if (!*size)
        return on_complete(request);
    bool go_on = http_request_take(request, bytes, *size);
    *size = 0;
    return go_on ? MHD_YES : MHD_NO;
}

static void on_completed(void *user, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode how)
{
    (void)user, (void)connection, (void)how;
    struct http_request *request = *context;
    if (!request)
        return;
    *context = NULL;
    request->connection = NULL;
    request->peer->busy = false;
    request->peer->bad_escape = false;
    peer_due(request->peer, LIMIT_IDLE_SECONDS);
    *request->link = request->next;
    if (request->next)
        request->next->link = request->link;
    drop_reply(request);
    http_request_release(request);
}

static void on_connection(void *user, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http_server *server = user;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        peers_remove(&server->peers, *context);
        *context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct peer *peer = info ? peers_add(&server->peers, info->connect_fd) : NULL;
    if (peer)
        peer->tls = server->tls;
    *context = peer;
}

/* GnuTLS knows the connection by what libmicrohttpd gave it. */
static int on_handshake(gnutls_session_t session, const gnutls_datum_t *authorities, int count,
                        const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
                        gnutls_pcert_st **chain, unsigned *length, gnutls_privkey_t *key)
{
    (void)authorities, (void)count, (void)algorithms, (void)algorithm_count;
    const struct peer *peer = peer_of(gnutls_session_get_ptr(session));
    if (!peer)
        return -1;
    tls_current(peer->tls, chain, length, key);
    return 0;
}

/* The request line is there: from now on the rest of the request has its time. */
static void *on_line(void *user, const char *uri, struct MHD_Connection *connection)
{
    (void)user, (void)uri;
    struct peer *peer = peer_of(connection);
    if (peer && !peer->busy)
        peer_due(peer, LIMIT_REQUEST_SECONDS);
    return NULL;
}

static size_t on_escape(void *user, struct MHD_Connection *connection, char *text)
{
    (void)user;
    size_t length = strlen(text);
    struct peer *peer = peer_of(connection);
    if (!guard_unescape(text, &length) && peer)
        peer->bad_escape = true;
    return length;
}

__attribute__((format(printf, 2, 0))) static void on_log(void *user, const char *format,
                                                         va_list args)
{
    (void)user;
    char line[256];
    vsnprintf(line, sizeof line, format, args);
    line[strcspn(line, "\n")] = '\0';
    log_debug("http", "%s", line);
}

/* --- the loop's side --- */

static void on_epoll(void *user, uint32_t events)
{
    (void)events;
    server_wake(user);
}

static void run_fronts(struct http_server *server)
{
    if (server->open.daemon)
        MHD_run(server->open.daemon);
    if (server->inner.daemon)
        MHD_run(server->inner.daemon);
}

/* We set no timeouts there, so only 0 means something. */
static bool is_pending(const struct front *front)
{
    MHD_UNSIGNED_LONG_LONG wait;
    return front->daemon && MHD_get_timeout(front->daemon, &wait) == MHD_YES && wait == 0;
}

static int on_turn_end(void *user)
{
    struct http_server *server = user;
    for (int round = 0; server->dirty && round < 4; round++) {
        server->dirty = false;
        run_fronts(server);
    }
    server->dirty = server->dirty || is_pending(&server->open) || is_pending(&server->inner);
    return server->dirty ? 0 : -1;
}

static void turn_away(int fd)
{
    static const char BODY[] =
        "{\"error\":{\"code\":\"busy\",\"message\":\"too many connections: try again soon\"}}";
    char reply[512], drop[4096];
    int length = snprintf(reply, sizeof reply,
                          "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                          "Content-Length: %zu\r\nRetry-After: 1\r\nConnection: close\r\n\r\n%s",
                          sizeof BODY - 1, BODY);
    /* What the client has sent is taken first: closing on unread bytes would reset the reply away.
     */
    ssize_t dropped = read(fd, drop, sizeof drop);
    if (write(fd, reply, (size_t)length) < 0)
        log_debug("http", "turned a connection away without a word (%zd bytes read)", dropped);
    close(fd);
}

static void take_in(struct http_server *server, struct MHD_Daemon *daemon, int fd,
                    const struct sockaddr *address, socklen_t length)
{
    if (server->peers.count >= server->most_connections) {
        server->figures.turned_away++;
        turn_away(fd);
        return;
    }
    MHD_add_connection(daemon, fd, address, length); /* closes it when it fails */
    server_wake(server);
}

static void on_accepted(void *user, int fd, const struct sockaddr *address, socklen_t length)
{
    struct http_server *server = user;
    take_in(server, server->open.daemon, fd, address, length);
}

static void on_accepted_inside(void *user, int fd, const struct sockaddr *address, socklen_t length)
{
    struct http_server *server = user;
    take_in(server, server->inner.daemon ? server->inner.daemon : server->open.daemon, fd, address,
            length);
}

static void end_waiting(struct http_server *server)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_BUSY, "the arena is shutting down: try again in a moment");
    for (struct http_request *request = server->requests, *next; request; request = next) {
        next = request->next;
        if (!request->suspended)
            continue;
        replay_leave(request->replay);
        request->replay = NULL;
        response_error(request, &err);
    }
}

static void stop_step(struct http_server *server, int64_t now)
{
    peers_cut_idle(&server->peers);
    if (now >= server->end_at) {
        completions_cancel(&server->completions);
        streams_end(&server->streams, true);
    }
    if ((server->peers.count || server->completions.count) && now < server->stop_at) {
        loop_timer_start(server->context->loop, &server->tick, now + STOP_TICK_MS * CLOCK_MS);
        return;
    }
    if (server->peers.count && now < server->cut_at) {
        end_waiting(server);
        peers_cut_all(&server->peers);
        server_wake(server);
        loop_timer_start(server->context->loop, &server->tick, now + STOP_TICK_MS * CLOCK_MS);
        return;
    }
    if (server->stopped)
        server->stopped(server->stopped_user);
}

static void on_tick(void *user)
{
    struct http_server *server = user;
    int64_t now = clock_mono_ns();
    if (server->stopping) {
        stop_step(server, now);
        return;
    }
    if (server->tls)
        tls_refresh(server->tls);
    if (server->context->addresses)
        addresses_keep(server->context->addresses);
    peers_sweep(&server->peers, now);
    streams_beat(&server->streams, now);
    completions_beat(&server->completions);
    loop_timer_start(server->context->loop, &server->tick, now + CLOCK_S);
}

/* --- starting --- */

/* As many descriptors as the system gives us, and from them how many connections. */
static size_t connection_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 256;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur > LIMIT_CONNECTIONS + DESCRIPTORS_ELSEWHERE)
        return LIMIT_CONNECTIONS;
    return limit.rlim_cur > 2 * DESCRIPTORS_ELSEWHERE ? limit.rlim_cur - DESCRIPTORS_ELSEWHERE
                                                      : limit.rlim_cur / 2;
}

/* What would hand the arena, or its cookies, to everybody on the way is refused. */
static bool check_exposure(const struct http_context *context, const char *listen,
                           const struct sockaddr_storage *address, struct err *err)
{
    if (listener_is_loopback(address))
        return true;
    if (context->auth == AUTH_LOCAL)
        return err_set(err, ERR_CONFIG,
                       "will not listen on %s while \"auth\" is \"local\": everybody who reaches "
                       "that address would be the "
                       "administrator; listen on 127.0.0.1, or set another auth mode",
                       listen);
    return context->https ||
           err_set(
               err, ERR_CONFIG,
               "will not listen on %s without TLS: cookies would travel in the clear; give "
               "\"auth\" "
               "a \"tls\" certificate, or put a proxy that speaks TLS in front and set \"auth\": "
               "{\"https\": true, \"hosts\": [its name]}",
               listen);
}

static bool open_listeners(struct http_server *server, const struct http_options *options,
                           struct err *err)
{
    struct loop *loop = server->context->loop;
    struct sockaddr_storage address;
    socklen_t length;
    if (!listener_read_address(options->listen, &address, &length, err))
        return false;
    if (!check_exposure(server->context, options->listen, &address, err))
        return false;
    server->tcp.accepted = on_accepted;
    server->local.accepted = on_accepted_inside;
    server->tcp.user = server->local.user = server;
    if (!listener_open_tcp(&server->tcp, loop, &address, length, err))
        return err_prefix(err, "%s", options->listen);
    server->port = listener_port(&server->tcp);
    const char *colon = strrchr(options->listen, ':');
    snprintf(server->url, sizeof server->url, "%s://%.*s:%u/", server->tls ? "https" : "http",
             (int)(colon - options->listen), options->listen, server->port);
    return !options->socket_path ||
           listener_open_unix(&server->local, loop, options->socket_path, err);
}

static bool start_front(struct http_server *server, struct front *front, bool encrypted,
                        struct err *err)
{
    unsigned flags =
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    front->daemon = MHD_start_daemon(
        flags | (encrypted ? MHD_USE_TLS : 0), 0, NULL, NULL, on_request, server,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_URI_LOG_CALLBACK, on_line,
        server, MHD_OPTION_UNESCAPE_CALLBACK, on_escape, server, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)server->most_connections + 1, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)LIMIT_CONNECTIONS_PER_ADDRESS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, 0u,
        encrypted ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END, on_handshake,
        MHD_OPTION_HTTPS_PRIORITIES, TLS_VERSIONS, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        front->daemon ? MHD_get_daemon_info(front->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info)
        return err_set(err, ERR_INTERNAL, "cannot start the HTTP server");
    front->epoll = (struct loop_fd){.fd = info->epoll_fd, .ready = on_epoll, .user = server};
    return loop_fd_start(server->context->loop, &front->epoll, EPOLLIN) ||
           err_set(err, ERR_INTERNAL, "cannot watch the HTTP server");
}

static bool start_fronts(struct http_server *server, const struct http_options *options,
                         struct err *err)
{
    if (!options->certificate)
        return start_front(server, &server->open, false, err);
    server->tls = tls_new(options->certificate, options->key, err);
    return server->tls && start_front(server, &server->open, true, err) &&
           start_front(server, &server->inner, false, err);
}

static bool prepare_sorry(struct http_server *server)
{
    struct response_headers headers = {.policy = RESPONSE_DATA,
                                       .https = server->context->https,
                                       .content_type = "application/json"};
    server->sorry = response_prepare(
        TEXT("{\"error\":{\"code\":\"unavailable\",\"message\":\"out of memory\"}}"), false,
        &headers);
    return server->sorry != NULL;
}

struct http_server *http_server_new(const struct http_context *context,
                                    const struct http_options *options, struct err *err)
{
    struct http_server *server = calloc(1, sizeof *server);
    if (!server) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    server->context = context;
    server->peers.proxies = context->proxies;
    server->most_connections = connection_limit();
    server->tick = (struct loop_timer){.expired = on_tick, .user = server};
    loop_before_wait(context->loop, on_turn_end, server);
    if (!prepare_sorry(server) || !(server->replays = replays_new()) ||
        !(server->assets = assets_new(context->https, err)) ||
        !start_fronts(server, options, err) || !open_listeners(server, options, err) ||
        !loop_timer_start(context->loop, &server->tick, clock_mono_ns() + CLOCK_S)) {
        http_server_free(server);
        return NULL;
    }
    return server;
}

const char *http_server_url(const struct http_server *server)
{
    return server->url;
}

unsigned http_server_port(const struct http_server *server)
{
    return server->port;
}

/* --- stopping --- */

void http_server_stop(struct http_server *server, void (*done)(void *user), void *user)
{
    int64_t now = clock_mono_ns();
    server->stopping = true;
    server->stopped = done;
    server->stopped_user = user;
    server->end_at = now + STOP_GRACE_MS * CLOCK_MS;
    server->stop_at = now + LIMIT_STOP_SECONDS * CLOCK_S;
    server->cut_at = server->stop_at + CUT_MS * CLOCK_MS;
    listener_close(&server->tcp);
    listener_close(&server->local);
    streams_end(&server->streams, false);
    loop_timer_start(server->context->loop, &server->tick, now);
}

/* Chats end on the loop, a step of their model after they were cancelled. */
static void wait_for_completions(struct http_server *server)
{
    completions_cancel(&server->completions);
    for (int turn = 0; server->completions.count && turn < 200; turn++)
        loop_turn(server->context->loop, 5);
}

/* libmicrohttpd aborts the process when it is stopped with a sleeping connection: wake all of them
 * and let them see their socket's end. */
static void cut_everything(struct http_server *server)
{
    server->stopping = true;
    for (int round = 0; server->peers.count && round < 8; round++) {
        streams_end(&server->streams, true);
        end_waiting(server);
        peers_cut_all(&server->peers);
        run_fronts(server);
    }
}

static void close_front(struct http_server *server, struct front *front)
{
    loop_fd_stop(server->context->loop, &front->epoll);
    if (front->daemon)
        MHD_stop_daemon(front->daemon);
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    wait_for_completions(server);
    loop_before_wait_end(server->context->loop, on_turn_end, server);
    loop_timer_stop(server->context->loop, &server->tick);
    listener_close(&server->tcp);
    listener_close(&server->local);
    if (server->open.daemon)
        cut_everything(server);
    close_front(server, &server->open);
    close_front(server, &server->inner);
    tls_free(server->tls);
    assets_free(server->assets);
    replays_free(server->replays);
    if (server->sorry)
        MHD_destroy_response(server->sorry);
    free(server);
}
