/* What stands beside the arena's own board and is no function of the ratings: the categories there
 * are votes for, how reliable each model is, how blind the voters were, who tags and how well, how
 * ratings moved.
 *
 * The stored board (history, `arena verify`) is without it; what is served and shown has it as
 * further members. Nothing here may move before the battle that moves it is over: a voter could
 * read off the change who answers. One owner, with the board's votes. */
#ifndef ARENA_BOARD_ASIDE_H
#define ARENA_BOARD_ASIDE_H

#include "base/buf.h"
#include "board/blinding.h"
#include "board/reliability.h"
#include "board/render.h"
#include "board/codes.h"
#include "board/stored.h"
#include "board/trail.h"

struct publication;

enum aside_view {
    ASIDE_PLAIN,    /* a command's: nobody else is looking */
    ASIDE_LIVE,     /* moves vote by vote, where voters see another */
    ASIDE_PUBLISHED /* as of `publication` */
};

struct aside {
    enum aside_view view;
    struct publication *publication; /* borrowed; NULL: nothing was published yet */
    struct codes codes;              /* what is shown instead of names; none in ASIDE_PLAIN */
    struct reliability reliability;
    struct blinding blinding;
    struct trail trail;
    struct buf influence;   /* influence.h's object, of the board it stands beside; empty: none */
    struct buf tagger;      /* JSON object of the current tagger; empty: there is none */
    struct buf tagger_line; /* the same as a sentence */
    int64_t told_ns, telling_ns; /* when that was read, how long it took; 0: never */
    bool late;                   /* it was too soon to read it again */
};

void aside_init(struct aside *aside);
void aside_done(struct aside *aside);

/* Reads what is due (reliability.h); of the tagger after a hundred times what that takes. */
bool aside_refresh(struct aside *aside, struct db *db, struct err *err);
/* Can what it was too soon for be read now? */
bool aside_is_due(const struct aside *aside);

/* Puts its members at the end of the board's JSON object: "filter" (published.h), "categories",
 * "reliability", "blinding", "tagger", "influence" where it was found, and "history" where the
 * trail was refreshed; before them "live": true or "published" (publication.h), by its view. False
 * only when `json` failed. */
bool aside_append(struct buf *json, const struct aside *aside, const struct stored_votes *votes,
                  const struct leaderboard *board, struct text filter);

/* The same beneath a table, Markdown or a page: how often each model failed, how
 * blind it was, and who tags. */
bool aside_draw(struct buf *text, const struct aside *aside, size_t models,
                enum render_format format);

#endif
