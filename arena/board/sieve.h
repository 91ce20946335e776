/* Which of the stored votes a board counts: the votes in their order go through it one by one.
 *
 * Left out are votes that the store keeps but does not count, a person's votes on a day beyond
 * their number (limits.daily_votes; imported votes and models' have no days), votes of excluded
 * voters from the time that the exclusion names, and what a caller asks to be left out: voters,
 * staff, votes cast after too short a look. Leaderboards, the live board, `arena gate`, `arena
 * verify` and exports all ask here, so that they cannot count differently. One owner. */
#ifndef ARENA_BOARD_SIEVE_H
#define ARENA_BOARD_SIEVE_H

#include "store/vote_rows.h"

#define SIEVE_NOW (-1) /* all exclusions there are when the sieve is made */

struct sieve_options {
    int64_t daily_votes;    /* of a person on a day (UTC) in the arena itself; 0: all */
    int64_t exclusions;     /* those up to this row of the list; 0: none; SIEVE_NOW */
    const int64_t *without; /* voters' numbers; borrowed for the call of sieve_new */
    size_t without_count;
    int64_t fast_ms; /* votes of people after a shorter look at an answer than this; 0: none */
    bool without_staff;
    bool without_recognised; /* votes whose voter said to have recognised a model */
    int64_t remarked_by_ms;  /* and said so no later than this; 0: whenever */
};

enum sieve_reason {
    SIEVE_COUNTS,
    SIEVE_STORED, /* the vote's own `counted` says why */
    SIEVE_DAILY,
    SIEVE_EXCLUDED, /* by the list */
    SIEVE_WITHOUT,  /* a voter that the caller leaves out */
    SIEVE_FAST,
    SIEVE_STAFF,
    SIEVE_RECOGNISED,
    SIEVE_FAILED, /* no memory */
    SIEVE_REASONS
};

struct sieve;

/* Returns new, or NULL with `err`. */
struct sieve *sieve_new(struct db *db, const struct sieve_options *options, struct err *err);
void sieve_free(struct sieve *sieve); /* NULL is allowed */

enum sieve_reason sieve_pass(struct sieve *sieve, const struct vote_row *row);

/* Up to which row of the list it leaves out. */
int64_t sieve_exclusions(const struct sieve *sieve);

/* As the ledger's words have it: what an export says of a vote, the daily cap and exclusions
 * included. */
enum vote_counted sieve_counted(enum sieve_reason reason, const struct vote_row *row);

/* The same of every vote at once, for whoever reads only some of them: a byte a vote. */
struct sieve_marks {
    uint8_t *counted; /* enum vote_counted by seq */
    size_t count, room;
    bool failed;
};
bool sieve_marks_load(struct sieve_marks *marks, struct db *db, const struct sieve_options *options,
                      struct err *err);
void sieve_marks_done(struct sieve_marks *marks);
enum vote_counted sieve_marks_of(const struct sieve_marks *marks, int64_t seq);

#endif
