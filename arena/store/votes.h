/* Votes: cast once, chained, never changed. (vote_rows.h: all votes in a row; vote_import.h:
 * votes from a file.)
 *
 * One vote a battle and voter is the database's own rule (UNIQUE). A cast vote and the battle's
 * step to "voted" are one transaction. Each vote carries the hash of the one before it
 * (ledger.h). */
#ifndef ARENA_STORE_VOTES_H
#define ARENA_STORE_VOTES_H

#include "base/digest.h"
#include "store/battles.h"
#include "store/store.h"

#define VOTE_SALT_SIZE 16 /* random bytes of each vote's own (ledger.h) */

/* Stored by number: append only. */
#define WINNER_MAP(X)                                                                              \
    X(WINNER_A, "model_a")                                                                         \
    X(WINNER_B, "model_b")                                                                         \
    X(WINNER_TIE, "tie")                                                                           \
    X(WINNER_BOTH_BAD, "both_bad")
enum winner {
#define X(name, word) name,
    WINNER_MAP(X)
#undef X
};
const char *winner_word(enum winner winner);
bool winner_from(const char *word, enum winner *winner); /* exactly those four words */

enum judge_kind { JUDGE_HUMAN, JUDGE_MODEL };
const char *judge_kind_word(enum judge_kind kind);

/* Why a vote is kept but not counted. */
#define VOTE_COUNTED_MAP(X)                                                                        \
    X(VOTE_COUNTED, "counted")                                                                     \
    X(VOTE_SELF_IDENTIFIED, "self_identified")                                                     \
    X(VOTE_NOT_BLIND, "not_blind")                                                                 \
    X(VOTE_DAILY_CAP, "daily_cap")                                                                 \
    X(VOTE_EXCLUDED, "excluded")                                                                   \
    X(VOTE_CONTROL, "control")                                                                     \
    X(VOTE_DUPLICATE_PROMPT, "duplicate_prompt")
enum vote_counted {
#define X(name, word) name,
    VOTE_COUNTED_MAP(X)
#undef X
};
#define VOTE_COUNTED_LAST VOTE_DUPLICATE_PROMPT
const char *vote_counted_word(enum vote_counted counted);

struct vote_cast {
    const char *battle, *voter; /* ids */
    enum winner winner;
    enum judge_kind judge;
    enum vote_counted
        counted; /* what the caller knows; a self-identified or not blind battle is found here */
    int64_t delay_ms;    /* from both lanes' end to the vote; -1: unknown */
    int64_t read_ms;     /* the shorter of the two lanes' time on screen; -1: unknown */
    int64_t same_prompt; /* how many votes of one voter on one prompt of their own count, and a
                            hundred times as many of all voters; 0: all */
    int64_t daily;       /* how many of a voter's votes on a day (UTC) count; 0: all */
    int64_t now_ms;
};

struct vote_result {
    int64_t seq;
    enum winner winner; /* the committed one: an earlier vote's after ERR_ALREADY_VOTED */
    enum vote_counted counted;
    struct battle_record battle; /* as it is now: its versions are the names to reveal */
};

/* ERR_NOT_FOUND: no such battle, or another voter's. ERR_ALREADY_VOTED (`out` is filled).
 * ERR_WRONG_STATE. */
bool votes_cast(struct db *tx, const struct vote_cast *vote, struct vote_result *out,
                struct err *err);

/* What the voter adds afterwards, before the names are shown. ERR_WRONG_STATE before the vote or
 * after the reveal; again: replaces. */
struct vote_feedback {
    struct text reasons; /* a JSON array; data NULL: none */
    struct text comment; /* data NULL: none */
    struct text
        recognised; /* what the voter thinks it was, a JSON value; data NULL: not asked or no */
};
bool votes_feedback(struct db *tx, const char *battle, const char *voter,
                    const struct vote_feedback *feedback, int64_t now_ms, struct err *err);

/* Counted votes of a voter since a time: for the daily cap. */
bool votes_count_since(struct db *db, const char *voter, int64_t since_ms, int64_t *count,
                       struct err *err);

/* The voter's own committed vote; ERR_WRONG_STATE when there is none. */
bool votes_find(struct db *db, const char *battle, const char *voter, struct vote_result *out,
                struct err *err);

/* Whether there is a vote of this kind of judge after `seq`: reads until it finds one. */
bool votes_judged(struct db *db, int judge, int64_t seq, bool *there, struct err *err);

/* Which kinds of judges have votes here: kinds[enum judge_kind]. */
bool votes_judge_kinds(struct db *db, bool kinds[2], struct err *err);

bool votes_last(struct db *db, int64_t *seq, uint8_t hash[DIGEST_SIZE],
                struct err *err); /* 0 and zeros: none */

/* --- appending to the ledger: for votes_cast and vote_import.h --- */
struct vote_append {
    int64_t battle, voter; /* numbers; voter 0: unknown */
    struct text voter_id;
    int64_t version_a, version_b;
    enum winner winner;
    enum judge_kind judge;
    enum vote_counted counted;
    enum battle_source source;
    struct text battle_id;
    int64_t at_ms, turns, delay_ms, read_ms;
};
struct vote_tail { /* the last vote: 0 and zeros before the first */
    int64_t seq;
    uint8_t hash[DIGEST_SIZE];
};
struct vote_link { /* a vote in the chain, as it is stored */
    struct vote_append append;
    int64_t seq;
    uint8_t salt[VOTE_SALT_SIZE], voter[DIGEST_SIZE], content[DIGEST_SIZE], previous[DIGEST_SIZE],
        hash[DIGEST_SIZE];
};
/* Links one vote to `tail`, which becomes it. `digests`: of the two versions; `salt`:
 * VOTE_SALT_SIZE random bytes. votes_write must follow, and after the last one votes_end_ledger, in
 * the same job. */
bool votes_link(struct db *tx, const struct vote_append *append, const char *const digests[2],
                const uint8_t *salt, struct vote_tail *tail, struct vote_link *link,
                struct err *err);
/* Gives link `number` (from 0): borrowed until the next. */
typedef const struct vote_link *votes_source(void *user, size_t number);
bool votes_write(struct db *tx, votes_source *source, void *user, size_t count, struct err *err);
bool votes_end_ledger(struct db *tx, const struct vote_tail *tail, struct err *err);

/* The value that equal prompts share: SHA-256 of the text with its white space folded, first 8
 * bytes; never 0. */
uint64_t votes_prompt_value(struct text prompt);

#endif
