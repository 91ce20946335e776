/* Computing a stored board again from the stored votes: it must come out the same, counts
 * exactly, values to 1e-6. Blocking; any thread with its own reader. */
#ifndef ARENA_COMMAND_VERIFY_BOARDS_H
#define ARENA_COMMAND_VERIFY_BOARDS_H

#include "store/boards.h"

enum board_verdict {
    BOARD_SAME,
    BOARD_DIFFERS, /* `problem` says where */
    BOARD_UNKNOWN, /* made by a method version that this arena does not have */
};

/* False only when it could not be computed. */
bool board_recompute(struct db *db, const struct board_record *record, enum board_verdict *verdict,
                     char *problem, size_t size, struct err *err);

#endif
