/* Answers: what a competitor's version said to a conversation. They stand alone, keyed by what
 * was asked, so that a queued battle or a resumed evaluation finds one again instead of paying
 * for it twice. */
#ifndef ARENA_STORE_ANSWERS_H
#define ARENA_STORE_ANSWERS_H

#include "base/digest.h"
#include "store/store.h"

struct answer_record {
    int64_t id;               /* given by the store */
    uint8_t key[DIGEST_SIZE]; /* answers_key */
    int64_t version;
    struct text text, reasoning, refusal; /* data NULL: none, or erased */
    const char
        *finish; /* stop, length, content_filter, refusal, error, truncated, empty, cancelled */
    const char *error_class;   /* NULL: none */
    const char *error_message; /* for the operator */
    int64_t input_tokens, output_tokens, reasoning_tokens, cached_tokens,
        cache_write_tokens; /* -1: not told */
    double cost_usd;        /* NaN: unknown */
    const char *model;      /* as returned; NULL: not told */
    const char *request_id;
    const char *sent; /* effective parameters, a JSON object; NULL: not told */
    int attempts;
    int64_t first_content_ns, total_ns;
    int64_t created_ms;
};

/* Key of an answer: the version's digest, the conversation so far (roles and texts, or its
 * digest) and which sample of it (a live battle's id, turn and lane; an evaluation's
 * repetition). */
void answers_key(const char *version_digest, struct text conversation, struct text sample,
                 uint8_t key[DIGEST_SIZE]);

/* Stores it, or finds the one with that key, and gives its id. All borrowed. */
bool answers_insert(struct db *tx, const struct answer_record *record, int64_t *id,
                    struct err *err);

/* Calls `found` with the record (borrowed for the call) if there is one with that key. */
bool answers_find(struct db *db, const uint8_t key[DIGEST_SIZE],
                  void (*found)(void *user, const struct answer_record *record), void *user,
                  struct err *err);

/* The same by its id; ERR_NOT_FOUND. */
bool answers_get(struct db *db, int64_t id,
                 void (*found)(void *user, const struct answer_record *record), void *user,
                 struct err *err);

/* How long the newest `most` answers took, oldest of them first; borrowed for the call. */
struct answer_timing {
    const char *name, *digest; /* the competitor's, and its version's */
    int64_t characters, first_content_ns, total_ns;
};
bool answers_timings(struct db *db, int64_t most,
                     void (*each)(void *user, const struct answer_timing *timing), void *user,
                     struct err *err);

#endif
