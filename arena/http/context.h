/* The rooms that a handler may use, put together by the command that serves.
 *
 * The server borrows all of it until http_server_free. Everything here lives on the loop's thread.
 * A room that is NULL is not there (unit tests): its routes answer 503. */
#ifndef ARENA_HTTP_CONTEXT_H
#define ARENA_HTTP_CONTEXT_H

#include <stdbool.h>

#include <jansson.h>

#include "base/err.h"
#include "people/voters.h"

struct loop;
struct store;
struct roster;
struct hall;
struct live;
struct evals;
struct sessions;
struct rates;
struct addresses;
struct keys;
struct workers;
struct campaigns;

/* The end of a change of the roster: its result, borrowed, or NULL with `err`. */
typedef void roster_answer(void *asker, const json_t *result, const struct err *err);

struct http_context {
    struct loop *loop;
    struct workers *workers;   /* for what is slow */
    struct store *store;       /* figures only: handlers ask the rooms */
    struct roster *roster;     /* the competitors: GET /api/models */
    struct hall *hall;         /* the battles */
    struct live *live;         /* the leaderboards */
    struct live *published;    /* the same as they were last published */
    struct sessions *sessions; /* from a cookie to its voter */
    struct rates *rates;       /* not used in local mode: its one user is the administrator */

    struct addresses *addresses; /* where clients are, as hashes; with rates */

    struct campaigns *campaigns;
    struct evals *evals; /* batch evaluations; NULL: none are run here */

    struct keys *keys; /* who may use /v1; NULL: nobody has a key */
    /* Changes the roster; `done` is called once. NULL: it cannot be changed here. */
    void (*change_roster)(void *user, const json_t *wish, roster_answer *done, void *asker);
    void *change_roster_user;

    bool open_v1;      /* no key is needed for /v1 on loopback */
    bool early_access; /* anybody may ask for one */

    enum auth_mode auth; /* AUTH_LOCAL: loopback addresses and loopback names only */
    bool https;          /* TLS, ours or a proxy's: cookies are Secure, HSTS is sent */

    /* NULL-terminated, or NULL */
    const char *const *hosts;   /* names that may stand in Host besides the loopback ones */
    const char *const *proxies; /* addresses whose X-Forwarded-For and identity are believed */

    /* AUTH_PROXY: the header that names who asks, and what those who are named may do */
    const char *identity;
    const char *const *administrators, *const *analysts;
};

#endif
