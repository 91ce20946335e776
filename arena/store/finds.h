/* What an in-house model took for personal data: who looks, which battles it has not looked at, and
 * where it found what.
 *
 * A finder is a competitor's version and the way in which it is asked. Only the finds of the one
 * chosen last hold; with none chosen, none do. A find is a place, not a copy: it goes with the
 * text (erasure.h), while the counts stay. Writing is inside a store job. */
#ifndef ARENA_STORE_FINDS_H
#define ARENA_STORE_FINDS_H

#include "base/digest.h"
#include "store/store.h"

struct finder_record {
    int64_t id;                   /* given by the store; 0: there is none */
    char name[129];               /* the competitor's */
    char version[DIGEST_HEX + 1]; /* its version's digest */
    char method[32];              /* how it is asked, with its version */
};

/* Makes this one the finder whose finds hold; fills in its id. */
bool finders_choose(struct db *tx, struct finder_record *record, int64_t now_ms, struct err *err);
/* Nobody looks any more. */
bool finders_dismiss(struct db *tx, struct err *err);
/* Whose finds hold; id 0: nobody's. */
bool finders_current(struct db *db, struct finder_record *out, struct err *err);

struct find_record {
    int turn; /* 0: in the feedback */
    int part, kind;
    int64_t start, length;
};

struct search_record {
    int64_t battle, finder;
    int64_t feedback_ms; /* of the feedback that was shown; 0: none */
    unsigned patterns;
    int64_t invented, malformed, unread, at_ms;
    const struct find_record *finds;
    size_t count;
};
/* Takes the place of what the finder said of the battle before. */
bool searches_put(struct db *tx, const struct search_record *record, struct err *err);

/* The first battle with a number above `after` that an export may let out and this finder has not
 * looked at as it is now: over, not imported, not kept private, not decided on, of a voter who
 * agreed to export (`own`: or was never asked). `battle` 0: none. */
struct unsearched {
    int64_t battle, feedback_ms;
    char id[STORE_ID_SIZE];
};
bool searches_missing(struct db *db, int64_t finder, int64_t after, bool own,
                      struct unsearched *out, struct err *err);

/* What the voter said after the vote; data NULL: nothing. Not called where there is no feedback. */
bool finds_feedback(struct db *db, int64_t battle,
                    void (*tell)(void *user, struct text comment, struct text recognised),
                    void *user, struct err *err);

/* What the current finder found in a battle, in the order of the text; `looked`: it has. */
bool finds_each(struct db *db, int64_t battle, bool *looked,
                void (*each)(void *user, const struct find_record *find), void *user,
                struct err *err);

/* The current finder's work, and what people decided on battles in which it found something:
 * `alone`: where no pattern did. A battle decided on more than once counts as it was last. */
struct find_figures {
    int64_t searched, battles, alone, found, invented, malformed, unread;
    int64_t refused, released, alone_refused, alone_released;
};
bool finds_figures(struct db *db, int64_t finder, struct find_figures *out, struct err *err);

#endif
