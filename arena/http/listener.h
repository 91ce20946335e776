/* A listening socket, and who is let in through it.
 *
 * We accept ourselves instead of leaving it to libmicrohttpd: past the connection limit a client
 * then gets a 503 that says so, instead of waiting in the backlog for nothing. Loop's thread only.
 */
#ifndef ARENA_HTTP_LISTENER_H
#define ARENA_HTTP_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/err.h"
#include "loop/loop.h"

struct listener {
    struct loop *loop;
    struct loop_fd handle;
    struct loop_timer pause; /* when the process has no descriptor left */
    /* Takes the descriptor. */
    void (*accepted)(void *user, int fd, const struct sockaddr *address, socklen_t length);
    void *user;
    char *path; /* of a unix socket, removed at the end; NULL: TCP */
};

/* "127.0.0.1:8080", "[::1]:0", "localhost:80": no names are looked up but that one. ERR_CONFIG. */
bool listener_read_address(const char *text, struct sockaddr_storage *address, socklen_t *length,
                           struct err *err);
bool listener_is_loopback(const struct sockaddr_storage *address);

/* Fill accepted and user first. Binds and listens; nothing is accepted before the loop turns.
 * ERR_CONFLICT: taken. */
bool listener_open_tcp(struct listener *listener, struct loop *loop,
                       const struct sockaddr_storage *address, socklen_t length, struct err *err);
bool listener_open_unix(struct listener *listener, struct loop *loop, const char *path,
                        struct err *err);
void listener_close(struct listener *listener); /* one that is not open is left alone */

unsigned listener_port(const struct listener *listener); /* the real one */

#endif
