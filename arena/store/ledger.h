/* The vote ledger: a hash chain over the votes, made so that text and the link to a person can
 * be erased and the chain still verifies.
 *
 * Vote n's hash is SHA-256 over these fields, each preceded by its length as 8 bytes big-endian
 * (digest_add_field); integers are 8 bytes big-endian:
 *
 *     "arena-vote-1"
 *     hash of vote n - 1            32 bytes; zeros for the first
 *     seq                           n; numbers follow one another without a gap
 *     battle's id                   text
 *     voter digest                  SHA-256 over the fields salt, voter's id
 *     version digest of A, of B     text, 64 hexadecimal digits
 *     winner, judge kind, counted   their words
 *     source                        its word
 *     time of the vote              Unix milliseconds
 *     number of turns
 *     content digest                SHA-256 over the fields salt, and for each turn: prompt, and
 *                                   of A, then B: text, refusal (what is absent is an empty
 *                                   field)
 *
 * `salt` is 16 random bytes of the vote's own. Erasing a vote's text or voter forgets the salt
 * with it: the two digests stay in the row, and without the salt nobody can try names or texts
 * against them. What is not erased is checked against its digest. */
#ifndef ARENA_STORE_LEDGER_H
#define ARENA_STORE_LEDGER_H

#include "base/digest.h"
#include "store/store.h"
#include "store/votes.h"

#define LEDGER_SALT_SIZE VOTE_SALT_SIZE

struct ledger_vote {
    int64_t seq;
    uint8_t previous[DIGEST_SIZE];
    struct text battle;
    uint8_t voter[DIGEST_SIZE];       /* ledger_voter_digest */
    struct text version_a, version_b; /* digests as stored */
    enum winner winner;
    enum judge_kind judge;
    enum vote_counted counted;
    enum battle_source source;
    int64_t at_ms;
    int64_t turns;
    uint8_t content[DIGEST_SIZE]; /* ledger_content_digest */
};
void ledger_hash(const struct ledger_vote *vote, uint8_t out[DIGEST_SIZE]);

/* `voter`: the id; empty where an imported file names none. */
void ledger_voter_digest(const uint8_t salt[LEDGER_SALT_SIZE], struct text voter,
                         uint8_t out[DIGEST_SIZE]);

/* Over the battle's turns up to `turns`, as they are stored now. */
bool ledger_content_digest(struct db *db, const uint8_t salt[LEDGER_SALT_SIZE], int64_t battle,
                           int64_t turns, uint8_t out[DIGEST_SIZE], struct err *err);
/* The same for a battle without turns. */
void ledger_empty_content_digest(const uint8_t salt[LEDGER_SALT_SIZE], uint8_t out[DIGEST_SIZE]);

struct ledger_report {
    int64_t votes;     /* votes in the chain */
    int64_t erased;    /* of these, without text or voter */
    int64_t first_bad; /* seq of the first vote that is wrong; 0: none */
    char problem[256]; /* what is wrong with it: changed, removed, inserted, …; "" when all is well
                        */
    uint8_t head[DIGEST_SIZE]; /* hash of the last vote */
};
/* Walks the whole chain, in one read. False only when it could not be read; a broken chain is a
 * report. */
bool ledger_verify(struct db *db, struct ledger_report *out, struct err *err);

/* What must hold in the database besides the chain: each problem is told as one line. Gives how
 * many. */
bool ledger_invariants(struct db *db, void (*problem)(void *user, const char *line), void *user,
                       int64_t *count, struct err *err);

#endif
