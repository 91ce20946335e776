/* All that is stored of one voter: what its own page shows and lets it take home. */
#ifndef ARENA_STORE_VOTER_HISTORY_H
#define ARENA_STORE_VOTER_HISTORY_H

#include "store/battles.h"
#include "store/store.h"
#include "store/votes.h"

/* A turn of one of the voter's battles. Texts are borrowed for the call; data NULL: erased, or not
 * there. What only a revealed battle may tell (the names) is empty in others. */
struct history_turn {
    const char *battle;
    int64_t created_ms;
    enum battle_state state;
    enum battle_mode mode;
    bool keep_private, revealed;
    int turn;
    struct text prompt, answer_a, answer_b;
    struct text name_a, name_b;

    bool voted; /* the rest only then */
    enum winner winner;
    enum vote_counted counted;
    int64_t voted_ms;
    struct text reasons, comment, recognised; /* reasons: JSON */
};

/* In the order in which they happened. Stops when `each` returns false. */
bool voter_history_each(struct db *db, const char *voter,
                        bool (*each)(void *user, const struct history_turn *turn), void *user,
                        struct err *err);

/* What the voter agreed to, oldest first. */
bool voter_history_consents(struct db *db, const char *voter,
                            void (*each)(void *user, const char *scope, const char *notice,
                                         int64_t at_ms),
                            void *user, struct err *err);

#endif
