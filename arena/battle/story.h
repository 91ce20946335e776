/* A battle as it is told: who, what was asked, what was answered, how it ended. Plain data that
 * owns its text; no lane, no loop, no database. The store's reader fills one, a running battle
 * carries one, the views draw one.
 *
 * Belongs to one thread at a time; while a store job is under way for its battle nobody changes
 * it. */
#ifndef ARENA_BATTLE_STORY_H
#define ARENA_BATTLE_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "store/battles.h"
#include "store/votes.h"

/* One side: the competitor's version that stands there. */
struct story_side {
    char *name, *organisation, *licence; /* the last two may be NULL */
    char *code_name; /* all that its voter is told of it; NULL: it is published */
    char *effective; /* what the version is, a JSON object; NULL once it is stored */
    char version[DIGEST_HEX + 1];
    int64_t version_id; /* the store's; 0: not stored yet */
    bool in_house, outputs_may_train, swapped;
};

struct story_answer {
    struct buf text; /* as it was shown */
    char finish[16]; /* its word; told only after the reveal, like all below */
    bool refused;
    int64_t output_tokens, first_content_ns, total_ns; /* -1 or 0: not known */
    double cost_usd;                                   /* NaN: not known */
};

struct story_turn {
    struct buf prompt;
    struct story_answer answer[2];
    bool answered;
};

struct story {
    char id[STORE_ID_SIZE], voter[STORE_ID_SIZE];
    char campaign[STORE_ID_SIZE]; /* "": none; nothing of it is told before the vote */
    enum battle_state state;
    enum battle_source source;
    enum battle_mode mode;
    uint8_t nonce[BATTLE_NONCE_SIZE];
    int64_t created_ms;
    double pair_probability, side_probability;
    struct story_side side[2];
    struct story_turn *turns;
    size_t turn_count;
    bool self_identified, revealed;
    bool keep_private; /* never exported: its voter's wish */
    char void_code[32];
    bool voted; /* then: */
    enum winner winner;
    enum vote_counted counted;
};

void story_init(struct story *story);
void story_done(struct story *story);

/* Appends a turn; NULL past LIMIT_TURNS or without memory (the story is as before). Borrowed
 * until the next. */
struct story_turn *story_add_turn(struct story *story, struct text prompt, struct err *err);
void story_drop_turn(struct story *story); /* the last one: it was never stored */
void story_clear_answers(struct story_turn *turn);

struct story_turn *story_last(const struct story *story); /* NULL: none */

void story_side_done(struct story_side *side);

/* Copies what names a side; false without memory (the side is as before). */
bool story_set_side(struct story_side *side, const struct story_side *from, struct err *err);

/* May its voter be told who answers? */
bool story_is_told(const struct story *story);

/* Does a model stand here that voters know by a code name? */
bool story_has_code_name(const struct story *story);

/* Is the voter of this battle asked whether a model was recognised? One blind battle in five, by
 * its id: a reload changes nothing, and who was asked can be told afterwards. */
bool story_asks_recognised(const struct story *story);

/* The commitment to the pair, sent before the vote and opened by the nonce at the reveal:
 * SHA-256 of NAME_A LF NAME_B LF NONCE, the nonce in hexadecimal, as 64 hexadecimal digits. */
void story_commitment(const struct story *story, char out[DIGEST_HEX + 1]);

#endif
