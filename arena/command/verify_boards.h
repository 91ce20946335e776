/* Computing stored boards again from the stored votes: each must come out the same, counts
 * exactly, values to 1e-6. The votes of one are kept for the next, which only adds its own where
 * both are of the same kind and the next is later (boards_each_alike): so all the boards of a kind
 * read the votes once. Blocking; any thread with its own reader. */
#ifndef ARENA_COMMAND_VERIFY_BOARDS_H
#define ARENA_COMMAND_VERIFY_BOARDS_H

#include "base/limits.h"
#include "board/stored.h"
#include "store/boards.h"

enum board_verdict {
    BOARD_SAME,
    BOARD_DIFFERS, /* `problem` says where */
    BOARD_UNKNOWN, /* made by a method version that this arena does not have */
};

struct board_votes {
    char category[LIMIT_NAME_BYTES + 1]; /* what `votes` borrow */
    struct stored_votes *votes;          /* NULL: none yet */
    int64_t loads;                       /* how often they were read from the beginning */
};
void board_votes_done(struct board_votes *kept);

/* `kept` is empty ({0}) at first. False only when it could not be computed. */
bool board_recompute(struct db *db, struct board_votes *kept, const struct board_record *record,
                     enum board_verdict *verdict, char *problem, size_t size, struct err *err);

#endif
