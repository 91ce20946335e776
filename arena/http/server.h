/* The HTTP server: libmicrohttpd in external-epoll mode, inside the loop.
 *
 * Listens on one TCP address and, when asked, on a socket in the data directory (mode 0600) that
 * offers the same routes and the administrative ones: who can open that file is the administrator.
 * Everything runs on the loop's thread; nothing here blocks. Connections, header and body sizes and
 * the time a request may take are bounded by base/limits.h; past a limit a client gets a clear
 * refusal.
 *
 *     struct http_server *server = http_server_new(&context, &options, &err);
 *     printf("arena is ready: %s\n", http_server_url(server));
 *     loop_run(loop);                        … until a signal
 *     http_server_stop(server, done, user);  keep the loop running until it calls done(user)
 *     http_server_free(server);
 */
#ifndef ARENA_HTTP_SERVER_H
#define ARENA_HTTP_SERVER_H

#include "base/err.h"
#include "http/context.h"

struct http_server;

struct http_options {
    const char *listen; /* "127.0.0.1:8080", "[::1]:8080", "localhost:8080"; port 0: any free one */
    /* Of the administrative socket; an older one there is replaced. NULL: none. */
    const char *socket_path;
    const char *certificate, *key; /* PEM files: the TCP port speaks TLS. NULL: it does not */
};

/* Returns new. Borrows `context` and what it points to; copies `options`. ERR_CONFIG for an address
 * that cannot be read or that is not loopback while the auth mode is local; ERR_CONFLICT for a port
 * that is taken; ERR_IO for other refusals of the system. When it returns, the port accepts
 * connections (they are answered once the loop runs). */
struct http_server *http_server_new(const struct http_context *context,
                                    const struct http_options *options, struct err *err);

/* "http://127.0.0.1:8080/" (https with a certificate), with the real port; borrowed. */
const char *http_server_url(const struct http_server *server);
unsigned http_server_port(const struct http_server *server);

/* No new connections from now on; event streams get a last event and end; requests under way get
 * their replies. Calls done(user) on the loop when nobody is left or after LIMIT_STOP_SECONDS,
 * whatever comes first. Call it once. The battles' rooms must still be alive. */
void http_server_stop(struct http_server *server, void (*done)(void *user), void *user);

/* After `done`, or where the loop never ran. NULL is allowed. */
void http_server_free(struct http_server *server);

#endif
