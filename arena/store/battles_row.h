/* How a battle is read from a row, shared by battles.c and votes.c. */
#ifndef ARENA_STORE_BATTLES_ROW_H
#define ARENA_STORE_BATTLES_ROW_H

#include "store/battles.h"

/* The columns of battles b and its voters v, in the order that battle_from_row reads. */
#define BATTLE_COLUMNS                                                                             \
    "b.number, b.id, v.id, b.campaign, b.state, b.source, b.mode, b.version_a, b.version_b, "      \
    "b.probability,"                                                                               \
    " b.side_probability, b.nonce, b.turns, b.self_identified, b.keep_private, b.revealed_ms, "    \
    "b.void_code,"                                                                                 \
    " b.created_ms, b.ended_ms, b.item"
#define BATTLE_TABLES "battles b LEFT JOIN voters v ON v.number = b.voter"
enum { BATTLE_COLUMN_COUNT = 20 };

struct battle_record battle_from_row(const struct db_rows *rows, int first);

#endif
