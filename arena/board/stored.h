/* The arena's own votes as a board wants them: read from the store, one model a competitor
 * version.
 *
 * Votes never cross versions: the newest version of a competitor carries its plain name, an
 * older one its name, an "@" and the first eight digits of its digest. Only counted votes are
 * taken. A board of the same votes is therefore the same wherever it is fitted: live, by `arena
 * leaderboard`, by `arena verify`. Any thread with its own reader. */
#ifndef ARENA_BOARD_STORED_H
#define ARENA_BOARD_STORED_H

#include "base/buf.h"
#include "base/err.h"
#include "board/catalogue.h"
#include "board/leaderboard.h"
#include "rating/ballot.h"
#include "rating/tally.h"
#include "store/competitors.h"

struct stored_votes {
    struct tally tally;
    struct ballots ballots;
    char **names;         /* of each model */
    int64_t *versions;    /* of each model */
    size_t models, named; /* named: how many `names` there are */
    uint64_t votes, not_counted;
    uint64_t unstyled; /* of `votes`, with filter.style: nothing is known of how the answers look */
    uint64_t over_cap; /* left out by filter.daily_votes */
    uint64_t undrawn;  /* left out by filter.weighted */
    int64_t last_seq;
    int64_t last_version; /* the newest that was known when the models were named */
    char note[3][128];
    const char *notes[4];        /* leaderboard.h's */
    struct catalogue *catalogue; /* of all counted votes, with filter.catalogue; else NULL */
    struct stored_state *state;  /* what makes it possible to go on from last_seq */
};

struct stored_filter {
    const char *category; /* NULL or "overall": all votes; must live as long as the votes */
    int judge;            /* enum judge_kind; -1: any */
    int64_t up_to;        /* votes up to this seq; 0: all */
    bool style;           /* the ballots carry how the answers look: 16 bytes more a vote */
    bool weighted;    /* by the inverse of the probability that the pair was drawn with; others are
                         left out */
    int64_t versions; /* name the models as when versions up to this id were known; 0: as now */
    int64_t daily_votes; /* of a person on a day (UTC) in the arena itself only the first so many;
                            0: all */
    bool catalogue;      /* count for which categories there are votes: reads every vote's tags */
};

/* Returns new (stored_votes_free). ERR_BAD_REQUEST for a category that cannot be one. */
struct stored_votes *stored_votes_load(struct db *db, const struct stored_filter *filter,
                                       struct err *err);

/* Adds the votes that were cast since, and names the models anew (a newer version may have taken
 * a plain name). What it gives is what loading everything would give. After an error the votes
 * are of no more use. */
bool stored_votes_more(struct stored_votes *votes, struct db *db, struct err *err);
void stored_votes_free(struct stored_votes *votes);

/* The store's number of each voter of the ballots, ballots.voters of them. */
void stored_votes_voters(const struct stored_votes *votes, int64_t *number);

/* The votes as leaderboard_fit takes them; borrowed until they change. */
struct leaderboard_votes stored_votes_input(const struct stored_votes *votes);

/* Is it the version that carries its competitor's plain name: the newest that the arena itself
 * ran, else the imported one? Among those with an id up to `until` (0: all). */
bool stored_is_newest(const struct versions *versions, const struct version_record *record,
                      int64_t until);

/* The label of a version among all that are known; false without memory or for an unknown one. */
bool stored_label(const struct versions *versions, int64_t version, struct buf *out);

#endif
