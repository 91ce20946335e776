/* Which votes share a voter or a prompt: what clustered intervals (cluster.h) are summed over, kept
 * current as votes come, so that a refit neither sorts votes nor looks for their clusters.
 *
 * The only vote of a voter, or on a prompt, is known by its number alone: it is a cluster that
 * nobody has to read. From the second vote on there is a list. A listed vote is one word, what it
 * says (tally_kind) or its number among the ballots, and on a prompt a second one, its voter, by
 * which the list is sorted: votes of one voter on one prompt stand together.
 *
 * Beside the ballots' 16 bytes a vote takes 6 bytes on average in its voter's list, 4 as the only
 * one on its prompt and 12 on a prompt with others. The ballots that were followed must not change
 * any more; more may be appended. One owner; pure. */
#ifndef ARENA_RATING_GROUPS_H
#define ARENA_RATING_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rating/ballot.h"

/* Two or more votes: from `at` among the words on, room for `room` of them. */
struct group {
    uint32_t at, count, room;
};

#define GROUP_ROOMS 32

/* By voter, or by prompt. */
struct grouping {
    uint32_t width;  /* words of a listed vote */
    uint32_t *first; /* of each number: its only ballot, or that it has a list and which */
    size_t numbers, numbers_room;
    struct group *list;
    size_t count, room;
    uint32_t *words;
    size_t used, words_room;
    uint32_t spare[GROUP_ROOMS]; /* blocks that lists grew out of, a chain for each power of two */
};

struct groups {
    bool by_kind; /* a listed vote's first word is what it says; else its number */
    size_t seen;  /* ballots that were followed */
    struct grouping voter, prompt;
};

void groups_init(struct groups *groups, bool by_kind);
void groups_done(struct groups *groups);

/* Takes in the ballots that were appended since the last time. Without memory the groups are of no
 * more use. */
bool groups_follow(struct groups *groups, const struct ballots *ballots, struct err *err);

#endif
