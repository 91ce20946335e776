/* Battles, as stored (their turns: turns.h). The rules of a battle's life are the battle room's;
 * here only what must hold in the database: a state changes from the state it was in, and a
 * battle belongs to its voter. */
#ifndef ARENA_STORE_BATTLES_H
#define ARENA_STORE_BATTLES_H

#include "store/store.h"

/* name, word; stored by number: append only */
#define BATTLE_STATE_MAP(X)                                                                        \
    X(BATTLE_STREAMING, "streaming")                                                               \
    X(BATTLE_READY, "ready")                                                                       \
    X(BATTLE_VOTED, "voted")                                                                       \
    X(BATTLE_SKIPPED, "skipped")                                                                   \
    X(BATTLE_VOID, "void")                                                                         \
    X(BATTLE_EXPIRED, "expired")
enum battle_state {
#define X(name, word) name,
    BATTLE_STATE_MAP(X)
#undef X
};
const char *battle_state_word(enum battle_state state);

#define BATTLE_SOURCE_MAP(X)                                                                       \
    X(BATTLE_LIVE, "live")                                                                         \
    X(BATTLE_QUEUED, "queued")                                                                     \
    X(BATTLE_IMPORT, "import")
enum battle_source {
#define X(name, word) name,
    BATTLE_SOURCE_MAP(X)
#undef X
};
const char *battle_source_word(enum battle_source source);

/* How the pair came together: only blind battles enter the blind board. A direct chat has one
 * model, on side a. */
#define BATTLE_MODE_MAP(X)                                                                         \
    X(BATTLE_BLIND, "blind")                                                                       \
    X(BATTLE_SIDE_BY_SIDE, "side_by_side")                                                         \
    X(BATTLE_DIRECT, "direct")
enum battle_mode {
#define X(name, word) name,
    BATTLE_MODE_MAP(X)
#undef X
};
const char *battle_mode_word(enum battle_mode mode);
bool battle_mode_from(const char *word, enum battle_mode *mode);

#define BATTLE_NONCE_SIZE 32

struct battle_record {
    int64_t number; /* given by the store: the order of creation */
    char id[STORE_ID_SIZE];
    char voter[STORE_ID_SIZE];    /* "": erased */
    char campaign[STORE_ID_SIZE]; /* "": none */
    enum battle_state state;
    enum battle_source source;
    enum battle_mode mode;
    int64_t item;                 /* of the queue; 0: none */
    int64_t version_a, version_b; /* sides as shown */
    double probability;           /* with which this pair was drawn; NaN: not drawn by us */
    double side_probability; /* with which A came to stand left, given the pair; NaN likewise */
    uint8_t nonce[BATTLE_NONCE_SIZE]; /* opens the commitment to the pair */
    int turns;
    bool
        self_identified; /* an answer named its own model or maker: the vote is kept, not counted */
    bool in_house_only;  /* no rival may read it; written, not read back */
    bool keep_private;   /* never exported */
    bool revealed;       /* its voter has seen the names */
    char void_code[32];  /* "": not void */
    int64_t created_ms, ended_ms; /* ended 0: not yet */
};

/* `number`, `turns`, `revealed` and `ended_ms` are not read. The voter and the versions must
 * exist. */
bool battles_insert(struct db *tx, const struct battle_record *record, struct err *err);

/* ERR_NOT_FOUND when there is none. */
bool battles_find(struct db *db, const char *id, struct battle_record *out, struct err *err);

/* From one state to another; ERR_WRONG_STATE (naming the state it is in) when it is not in
 * `from`. A state that ends the battle sets ended_ms. `code` is a void's, else NULL. Never to
 * BATTLE_VOTED: that is votes_cast. */
bool battles_change(struct db *tx, const char *id, enum battle_state from, enum battle_state to,
                    const char *code, int64_t now_ms, struct err *err);

/* Another competitor takes a side (side 'a' or 'b') before anything of it was shown. The draw
 * stays as it was. */
bool battles_swap(struct db *tx, const char *id, char side, int64_t version, struct err *err);

bool battles_flag_self_identified(struct db *tx, const char *id, struct err *err);
bool battles_set_private(struct db *tx, const char *id, bool keep_private, struct err *err);
bool battles_set_revealed(struct db *tx, const char *id, int64_t now_ms, struct err *err);

/* What the background tagging found: language, category_tag, is_code, … as a JSON object with
 * LMArena's names. */
bool battles_set_tags(struct db *tx, const char *id, struct text tags, struct err *err);

/* Counts of a side's visible text for style control; -1: unknown. */
struct style_counts {
    int64_t tokens, headers, lists, bold;
};
bool battles_set_style(struct db *tx, const char *id, const struct style_counts *a,
                       const struct style_counts *b, struct err *err);

/* --- lists and sweeps --- */

/* A voter's battles, newest first, those with a number below `before` (0: from the newest), at most
 * `limit`; with the opening prompt and the vote's winner. */
struct battle_summary {
    struct battle_record battle;
    struct text prompt; /* of turn 1, whole; data NULL: erased or none */
    const char *winner; /* NULL: no vote */
    int counted;        /* enum vote_counted, of a vote */
};
bool battles_of_voter(struct db *db, const char *voter, int64_t before, int limit,
                      bool (*each)(void *user, const struct battle_summary *summary), void *user,
                      struct err *err);

/* At start-up: what streamed when the arena stopped is void ("restart"). Gives how many. */
bool battles_restart(struct db *tx, int64_t now_ms, int64_t *voided, struct err *err);

/* Ready battles older than LIMIT_BATTLE_HOURS expire, queued ones after
 * LIMIT_RESERVATION_MINUTES: others wait for them. Gives how many. */
bool battles_expire(struct db *tx, int64_t now_ms, int64_t *expired, struct err *err);

/* Counted by state, for figures: counts[state]. */
bool battles_count(struct db *db, int64_t counts[BATTLE_EXPIRED + 1], struct err *err);

#endif
