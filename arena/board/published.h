/* A board as the arena publishes it: everything that it is a function of, besides the votes.
 *
 * The live board writes it as the `filter` of the stored board; `arena verify` reads it back and
 * fits again. Members that an older arena did not write are as that arena had them. Pure; any
 * thread. */
#ifndef ARENA_BOARD_PUBLISHED_H
#define ARENA_BOARD_PUBLISHED_H

#include <jansson.h>

#include "base/limits.h"
#include "board/stored.h"

#define PUBLISHED_JUDGE_ANY (-1)
#define PUBLISHED_FAST_MS 2000  /* "fast": after a shorter look at an answer nobody has read it */
#define PUBLISHED_VOTERS_MAX 64 /* left out of one board; a list that stays: arena voters */

struct published {
    char category[LIMIT_NAME_BYTES + 1]; /* "overall": all votes */
    bool elo, style, losses;             /* losses: who failed to answer lost */
    bool without_recognised, without_staff;
    int64_t fast_ms;                     /* votes after a shorter look are left out; 0: none */
    int64_t voter[PUBLISHED_VOTERS_MAX]; /* left out, by number */
    size_t voters;
    int judge; /* enum judge_kind; PUBLISHED_JUDGE_ANY */
    int64_t min_votes, daily_votes;
    int64_t seed;     /* stored beside the filter; 0: leaderboard_options_init's */
    int64_t versions; /* names are those of when versions up to this one were known; 0: now */
    struct stored_marks marks;
};

/* "human", "model" or "any". */
const char *published_judge_word(int judge);
bool published_judge_from(const char *word, int *judge);

/* Takes "recognised", "staff" and "fast", commas between them. */
bool published_without_from(const char *words, struct published *published, struct err *err);

/* Of all the votes, so that it can be kept and computed again from them? Who is staff and what
 * voters said of having recognised a model moves after the vote. */
bool published_is_whole(const struct published *published);

/* As a JSON object. False only when `out` failed. */
bool published_write(const struct published *published, struct buf *out);
bool published_read(const json_t *filter, struct published *published, struct err *err);

/* The votes it is of; borrows the category and the voters. */
void published_filter(const struct published *published, struct stored_filter *out);

/* The same with options of one's own; `options->style` says afterwards whether it was. */
struct leaderboard *published_fit_as(struct leaderboard_options *options,
                                     const struct stored_votes *votes, struct err *err);

/* Fits. Where style cannot be controlled for (too few votes, features that move together) the
 * board is without it, and says so. Returns new (leaderboard_free), or NULL with `err`. */
struct leaderboard *published_fit(const struct published *published,
                                  const struct stored_votes *votes, struct err *err);

#endif
