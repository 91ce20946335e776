/* Where a campaign stands: its votes, what they show, and whether its rule says stop.
 *
 * The same counting as the gate's and the board's (board/stored.h): one observation a prompt, the
 * mean of its votes. Intervals and evidence are of betting (rating/sequential.h) and hold together
 * at the question's confidence, however often one looks. Blocking, with a reader of its own. */
#ifndef ARENA_PEOPLE_STANDING_H
#define ARENA_PEOPLE_STANDING_H

#include "board/sieve.h"
#include "people/question.h"
#include "store/store.h"

enum standing_verdict { STANDING_OPEN, STANDING_BETTER, STANDING_HOLDS, STANDING_WORSE };

struct standing_pair {
    uint64_t votes, wins, losses, ties, both_bad; /* from the model's side */
    size_t observations;
    double rate, lower, upper;     /* the model's mean score; rate NAN: no votes */
    double log_above, log_below;   /* ln of the evidence that it is above (below) the margin */
    enum standing_verdict verdict; /* against the margin: better than even, not worse, worse */
};

/* As of when: the votes up to this one, without those of voters that the list up to this row
 * excludes (board/sieve.h). */
struct standing_when {
    int64_t last_vote, exclusions;
};
#define STANDING_NOW ((struct standing_when){0, SIEVE_NOW})

struct standing {
    uint64_t votes; /* of the question's pairs */
    struct standing_pair pair[QUESTION_RIVALS_MAX];
    struct standing_when when;
    char stop[160]; /* why it stops; "": it goes on */
};

/* `category` NULL: all votes. */
bool standing_read(struct db *db, const char *campaign, const struct question *question,
                   const char *category, struct standing_when when, struct standing *out,
                   struct err *err);

const char *standing_verdict_word(enum standing_verdict verdict);
void standing_write(struct json_out *out, const char *key, const struct question *question,
                    const struct standing *standing);

#endif
