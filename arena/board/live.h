/* The board, kept current vote by vote.
 *
 * Each board that is shown (a category under a method) keeps its votes in memory as tallies and
 * ballots. When votes were committed a worker adds just those to them, refits in milliseconds
 * and renders; the loop swaps the new snapshot in: JSON rendered once, immutable, counted. While
 * a fit runs further votes wait for the next one, so however many votes come, each board has at
 * most one fit under way. Nothing is known here that the store does not know: a board is made
 * from the stored votes at start, by the same reader as `arena leaderboard`. Snapshots are kept
 * as `boards` records, at most one every LIVE_HISTORY_SECONDS a board, and the last at the end.
 *
 * LIVE_PUBLISHED makes the boards of a publication instead, which move only when another one is
 * published: what voters see where live figures are not for everybody. Before the first one its
 * boards are empty.
 *
 * Loop's thread only, snapshots too; a fit under way belongs to its worker. Limit: LIMIT_BOARDS
 * boards; past it the one that was not asked for the longest goes. A board that leaves votes out,
 * or says what one voter moves, reads them anew for each fit and keeps none. */
#ifndef ARENA_BOARD_LIVE_H
#define ARENA_BOARD_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "board/sampling.h"
#include "board/snapshot.h"

#define LIVE_HISTORY_SECONDS 600
#define LIVE_SLOW_FIT_NS (50 * CLOCK_MS) /* of computing; a busy machine makes no board slow */

struct live;
struct loop;
struct workers;
struct store;
struct publication;

enum live_view {
    LIVE_ALL,      /* live, for whoever asks */
    LIVE_STAFF,    /* live, and says so: others see what was published */
    LIVE_PUBLISHED /* of a publication */
};

struct live_options {
    enum live_view view;
    struct loop *loop;
    struct workers *workers;
    struct store *store;
    uint64_t min_votes;  /* a model with fewer is listed as unranked */
    int64_t daily_votes; /* stored.h's: of a voter on a day only so many count; 0: all */
    int64_t slow_fit_ns; /* a board whose fits take longer is not waited for; 0: LIVE_SLOW_FIT_NS */
    struct sampling_options sampling;
};

struct live *live_new(const struct live_options *options, struct err *err);
/* Makes the default board. `ready` is called once, with NULL or what failed. */
void live_start(struct live *live, void (*ready)(void *user, const struct err *err), void *user);
/* No fit is begun from now on. Before the workers are freed; NULL is allowed. */
void live_stop(struct live *live);
/* After the workers are freed and the loop has heard their last messages. Whoever still waits
 * for a board is told ERR_BUSY; snapshots held elsewhere live on. */
void live_free(struct live *live);

/* Votes up to `seq` are committed: the default board follows at once, the others when they are
 * asked for. */
void live_changed(struct live *live, int64_t seq);

/* LIVE_PUBLISHED: from now on the boards are of this one; takes a hold of its own. */
void live_publish(struct live *live, struct publication *publication);

/* A model's code name changed: boards follow as for an exclusion. */
void live_renamed(struct live *live);

/* The operator excluded a voter, or took that back: the default board follows at once. */
void live_excluded(struct live *live);
/* The tagger has tagged battles: categories follow when they are asked for. */
void live_tagged(struct live *live);
/* Somebody is staff now, or is no longer: boards without staff follow. */
void live_staffed(struct live *live);
/* A voter answered whether a model was recognised: every board says how blind it is. */
void live_remarked(struct live *live);

/* Which board. NULL members: the default (overall, bt, stored_judge's, none). */
struct live_query {
    const char *category;
    const char *method;  /* "bt" or "elo" */
    const char *judge;   /* "human", "model" or "any" */
    const char *voids;   /* "none", or "losses": who failed to answer lost */
    const char *without; /* published_without_from's words */
    int64_t voter;       /* left out; 0: nobody */
    bool style;
    bool influence; /* with how far it would move without any one voter: plain Bradley-Terry's */
    bool named;     /* and whose votes do: for administrators */
};

/* Hands out a board with every vote that was told of before this call. `reply` is called exactly
 * once: at once when the board is current (the rule), else after the fit under way; a board
 * whose fits are slow is handed out as it stands, seconds old at most. The snapshot is borrowed for
 * the call (live_hold keeps it); NULL with `err` for a category or method that does not exist,
 * or when the board could not be made. */
void live_ask(struct live *live, const struct live_query *query,
              void (*reply)(void *user, struct live_snapshot *snapshot, const struct err *err),
              void *user);

/* Which pair to draw next, by the default board's votes; NULL: every pair alike (so configured,
 * or not known yet). Borrowed until the loop turns. */
const struct sampling *live_sampling(const struct live *live);

/* How they are drawn, as configured; borrowed. */
const struct sampling_options *live_sampling_options(const struct live *live);

/* For metrics. */
struct live_figures {
    uint64_t votes, fits; /* votes: on the default board */
    int64_t last_fit_ns;
    bool loading; /* the default board is not there yet */
};
struct live_figures live_figures(const struct live *live);

/* Which votes count and who is ranked, as the options have it. */
void live_rules(const struct live *live, int64_t *min_votes, int64_t *daily_votes);

#endif
