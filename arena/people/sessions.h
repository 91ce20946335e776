/* Sessions: from a cookie to its voter, in memory, on the loop's thread, without touching the
 * disk.
 *
 * A session's token is 256 random bits that only the browser's cookie holds; memory and disk
 * hold its SHA-256. The table is filled from the store at start-up and written through: a new
 * session is usable at once and its row is submitted before anything that voter does (the store
 * keeps the order). If that row cannot be stored, the session disappears again.
 *
 * Limits: LIMIT_SESSIONS in memory; past it no new ones (ERR_BUSY). Sessions last SESSION_DAYS. */
#ifndef ARENA_PEOPLE_SESSIONS_H
#define ARENA_PEOPLE_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "people/voters.h"
#include "store/store.h"

#define SESSION_DAYS 365
#define SESSION_TOKEN_LENGTH 43 /* 32 bytes in base64url without padding */
#define SESSION_COOKIE "arena_voter"
/* Over https: browsers take it from this host alone, so that no neighbour can plant another. */
#define SESSION_COOKIE_SECURE "__Host-" SESSION_COOKIE

struct sessions;

/* Reads the stored sessions through a connection of its own: call at start-up, before the loop
 * runs. Borrows `store`. */
struct sessions *sessions_new(struct store *store, enum auth_mode mode, struct err *err);
void sessions_free(struct sessions *sessions); /* after the store's last answers have run on the
                                                  loop; NULL is allowed */

/* The voter of a cookie's value, borrowed until the next call of this module; NULL: none,
 * expired or malformed. */
const struct voter *sessions_find(struct sessions *sessions, struct text token);

/* A new voter with a new session: fills `token` for the Set-Cookie. In `local` mode with the
 * role of administrator, in the others ERR_UNAUTHORIZED (an invitation is needed: sessions_add).
 * Returns borrowed, NULL with `err`. */
const struct voter *sessions_start(struct sessions *sessions, char token[SESSION_TOKEN_LENGTH + 1],
                                   struct err *err);

/* A session for a voter that a job has just stored, or that logged in again. */
const struct voter *sessions_add(struct sessions *sessions, const struct voter *voter,
                                 char token[SESSION_TOKEN_LENGTH + 1], struct err *err);

/* The voter whom a trusted proxy calls `name`: always the same one for a name, made when it comes
 * for the first time. There is no token: the name itself opens it, so ask only for names from a
 * trusted source. */
const struct voter *sessions_identify(struct sessions *sessions, const char *name,
                                      enum voter_role role, struct err *err);

/* Ends the session of this cookie, or all of a voter's (from the disk too). */
bool sessions_end(struct sessions *sessions, struct text token, struct err *err);
bool sessions_end_all(struct sessions *sessions, const char *voter, struct err *err);

/* What a voter agreed to just now: known to every session of theirs. */
void sessions_consent(struct sessions *sessions, const char *voter, const struct consent *consent);
/* An administrator gave this voter another role, cohort or standing: likewise. */
void sessions_change(struct sessions *sessions, const char *voter, const struct voter *changed);
/* The voter behind this cookie has just typed its password: administrative acts may follow for
 * CONFIRMED_MINUTES. In memory alone: after a restart it is asked again. */
#define CONFIRMED_MINUTES 15
void sessions_confirm(struct sessions *sessions, struct text token);
bool sessions_confirmed(struct sessions *sessions, struct text token);

size_t sessions_count(const struct sessions *sessions);

#endif
