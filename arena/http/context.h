/* The rooms that a handler may use, put together by the command that serves.
 *
 * The server borrows all of it until http_server_free. Everything here lives on the loop's thread. A room that is NULL
 * is not there: its routes answer 503. */
#ifndef ARENA_HTTP_CONTEXT_H
#define ARENA_HTTP_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct store;
struct roster;
struct hall;
struct board;
struct people;

/* Who may come in (config: "auth": {"mode": …}). */
enum http_auth { HTTP_AUTH_LOCAL }; /* loopback only; its user is the administrator */

struct http_context {
    struct loop *loop;
    struct store *store;
    struct roster *roster; /* the competitors: GET /api/models */
    struct hall *hall;     /* the battles */
    struct board *board;   /* the leaderboards */
    struct people *people; /* voters and their sessions */

    enum http_auth auth;
    bool https;               /* a proxy in front speaks TLS: cookies are Secure, HSTS is sent */
    const char *const *hosts; /* names that may stand in Host besides the loopback ones; NULL-terminated, or NULL */
};

#endif
