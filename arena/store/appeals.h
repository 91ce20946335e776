/* What a voter says to being left out of the boards. One a voter: its last word. */
#ifndef ARENA_STORE_APPEALS_H
#define ARENA_STORE_APPEALS_H

#include "store/store.h"

#define APPEAL_TEXT_SIZE 2049

struct appeal {
    int64_t at_ms; /* 0: none */
    char text[APPEAL_TEXT_SIZE];
};

/* `voter`: its id. ERR_WRONG_STATE unless it was told that its votes are left out. */
bool appeals_add(struct db *tx, const char *voter, const struct appeal *appeal, struct err *err);

/* By the voter's number. */
bool appeals_newest(struct db *db, int64_t voter, struct appeal *out, struct err *err);

#endif
