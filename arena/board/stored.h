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
#include "board/sieve.h"
#include "rating/ballot.h"
#include "rating/groups.h"
#include "rating/tally.h"
#include "store/competitors.h"

#define STORED_NOTES 8

/* How far the store's other lists were read. In a filter 0 is not at all, and SIEVE_NOW as far as
 * they go. */
struct stored_marks {
    int64_t exclusions;   /* sieve.h's */
    int64_t tagger, tags; /* battle_tags.h: whose tags hold, and up to which row */
    int64_t losses;       /* failures that were counted as losses, with filter.losses */
};
#define STORED_MARKS_NOW ((struct stored_marks){SIEVE_NOW, SIEVE_NOW, SIEVE_NOW, SIEVE_NOW})

struct stored_votes {
    struct tally tally;
    struct ballots ballots;
    struct groups groups; /* with filter.grouped, of all ballots */
    char **names;         /* of each model */
    int64_t *versions;    /* of each model */
    size_t models, named; /* named: how many `names` there are */
    uint64_t votes, not_counted;
    uint64_t unstyled; /* of `votes`, with filter.style: nothing is known of how the answers look */
    uint64_t left_out[SIEVE_REASONS]; /* by the sieve, counted ones excepted */
    uint64_t losses;                  /* of `votes`: failures to answer, with filter.losses */
    uint64_t undrawn;                 /* left out by filter.weighted */
    int64_t last_seq;
    int64_t last_version;      /* the newest that was known when the models were named */
    struct stored_marks marks; /* what else of the store this is a function of */
    char note[STORED_NOTES][400];
    const char *notes[STORED_NOTES + 1]; /* leaderboard.h's */
    struct catalogue *catalogue; /* of all counted votes, with filter.catalogue; else NULL */
    struct stored_state *state;  /* what makes it possible to go on from last_seq */
};

struct stored_filter {
    const char *category; /* NULL or "overall": all votes; must live as long as the votes */
    int judge;            /* enum judge_kind; -1: any */
    int64_t up_to;        /* votes up to this seq; 0: all; negative: none */
    const char *campaign; /* only votes on its battles; NULL: all; must live as long, too */
    bool style;           /* the ballots carry how the answers look: 16 bytes more a vote */
    bool weighted;    /* by the inverse of the probability that the pair was drawn with; others are
                         left out */
    int64_t versions; /* name the models as when versions up to this id were known; 0: as now */
    int64_t daily_votes; /* of a person on a day (UTC) in the arena itself only the first so many;
                            0: all */
    bool grouped;        /* to be fitted again and again as they grow: keep their clusters */
    bool catalogue;      /* count for which categories there are votes: reads every vote's tags */
    bool losses; /* who failed to answer lost (voids and swaps); not for Elo, which has an order */
    struct stored_marks marks;
    const int64_t *without; /* voters left out, by number; must live as long as the votes */
    size_t without_count;
    int64_t fast_ms;         /* votes after a shorter look than this are left out; 0: none */
    bool without_staff;      /* staff's votes are left out */
    bool without_recognised; /* and those whose voter recognised a model */
    int64_t remarked_by_ms;  /* sieve.h's */
};

/* People's votes; models' where nobody else has judged. What a board is of unless it is asked for
 * another kind: the two are never mixed unasked. `votes`: what this said the last time; votes never
 * go away, so only those after them are looked at (NULL: all). */
bool stored_judge(struct db *db, const struct stored_votes *votes, int *judge, struct err *err);

/* How far the lists go now, tags' included. */
bool stored_marks_now(struct db *db, struct stored_marks *out, struct err *err);

/* Has the store's list of exclusions or of tags gone on, so that the votes must be loaded anew to
 * be as now? Only for marks that were STORED_MARKS_NOW. */
bool stored_votes_stale(const struct stored_votes *votes, struct db *db, bool *stale,
                        struct err *err);

/* Returns new (stored_votes_free). ERR_BAD_REQUEST for a category that cannot be one. */
struct stored_votes *stored_votes_load(struct db *db, const struct stored_filter *filter,
                                       struct err *err);

/* Adds the votes that were cast since, and names the models anew (a newer version may have taken
 * a plain name). What it gives is what loading everything would give. After an error the votes
 * are of no more use. */
bool stored_votes_more(struct stored_votes *votes, struct db *db, struct err *err);

/* Whether adding votes gives what loading this filter would: the same votes up to a later one, and
 * the lists where they decide no further than they were read. */
bool stored_votes_lead_to(const struct stored_votes *votes, const struct stored_filter *filter);

/* Goes on to it; as stored_votes_more. */
bool stored_votes_go_on(struct stored_votes *votes, struct db *db,
                        const struct stored_filter *filter, struct err *err);
void stored_votes_free(struct stored_votes *votes);

/* The store's number of each voter of the ballots, ballots.voters of them. */
void stored_votes_voters(const struct stored_votes *votes, int64_t *number);

/* Calls the models as voters are shown them from now on, until votes are added or go on. False
 * without memory. */
struct codes;
bool stored_votes_mask(struct stored_votes *votes, const struct codes *codes);

/* The votes as leaderboard_fit takes them; borrowed until they change. */
struct leaderboard_votes stored_votes_input(const struct stored_votes *votes);

/* Is it the version that carries its competitor's plain name: the newest that the arena itself
 * ran, else the imported one? Among those with an id up to `until` (0: all). */
bool stored_is_newest(const struct versions *versions, const struct version_record *record,
                      int64_t until);

/* The label of a version among all that are known; false without memory or for an unknown one. */
bool stored_label(const struct versions *versions, int64_t version, struct buf *out);

#endif
