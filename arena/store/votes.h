/* Votes: cast once, chained, never changed. And the way out: every vote in a row for the boards and the exports.
 *
 * One vote a battle and voter is the database's own rule (UNIQUE). A cast vote and the battle's step to "voted" are one
 * transaction. Each vote carries the hash of the one before it (ledger.h). */
#ifndef ARENA_STORE_VOTES_H
#define ARENA_STORE_VOTES_H

#include "base/digest.h"
#include "store/battles.h"
#include "store/store.h"

/* Stored by number: append only. */
#define WINNER_MAP(X) \
    X(WINNER_A, "model_a") \
    X(WINNER_B, "model_b") \
    X(WINNER_TIE, "tie") \
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
#define VOTE_COUNTED_MAP(X) \
    X(VOTE_COUNTED, "counted") \
    X(VOTE_SELF_IDENTIFIED, "self_identified") \
    X(VOTE_NOT_BLIND, "not_blind") \
    X(VOTE_DAILY_CAP, "daily_cap") \
    X(VOTE_EXCLUDED, "excluded")
enum vote_counted {
#define X(name, word) name,
    VOTE_COUNTED_MAP(X)
#undef X
};
const char *vote_counted_word(enum vote_counted counted);

struct vote_cast {
    const char *battle, *voter; /* ids */
    enum winner winner;
    enum judge_kind judge;
    enum vote_counted counted; /* what the caller knows; a self-identified or not blind battle is found here */
    int64_t delay_ms;          /* from both lanes' end to the vote; -1: unknown */
    int64_t read_ms;           /* the shorter of the two lanes' time on screen; -1: unknown */
    int64_t now_ms;
};

struct vote_result {
    int64_t seq;
    enum winner winner; /* the committed one: an earlier vote's after ERR_ALREADY_VOTED */
    enum vote_counted counted;
    struct battle_record battle; /* as it is now: its versions are the names to reveal */
};

/* ERR_NOT_FOUND: no such battle, or another voter's. ERR_ALREADY_VOTED (`out` is filled). ERR_WRONG_STATE. */
bool votes_cast(struct db *tx, const struct vote_cast *vote, struct vote_result *out, struct err *err);

/* What the voter adds afterwards, before the names are shown. ERR_WRONG_STATE before the vote or after the reveal;
 * again: replaces. */
struct vote_feedback {
    struct text reasons;   /* a JSON array; data NULL: none */
    struct text comment;   /* data NULL: none */
    struct text recognised; /* what the voter thinks it was, a JSON value; data NULL: not asked or no */
};
bool votes_feedback(struct db *tx, const char *battle, const char *voter, const struct vote_feedback *feedback,
                    int64_t now_ms, struct err *err);

/* Counted votes of a voter since a time: for the daily cap. */
bool votes_count_since(struct db *db, const char *voter, int64_t since_ms, int64_t *count, struct err *err);

/* --- votes from a file --- */
struct vote_import {
    struct text key; /* what makes it one vote for ever: its id in its file, or the file's digest and row */
    struct text model_a, model_b;
    enum winner winner;
    enum judge_kind judge;
    struct text voter, prompt; /* the file's own names for them; data NULL: unknown */
    struct text tags;          /* a JSON object of the row's further fields (language, category_tag, …); NULL: none */
    struct style_counts style_a, style_b;
    int turns;                 /* 0: unknown */
    int64_t at_ms;             /* when it was cast; 0: unknown */
};
/* `added` is false when that key is already stored. Equal names on both sides are ERR_BAD_REQUEST. */
bool votes_import(struct db *tx, const struct vote_import *vote, int64_t now_ms, bool *added, struct err *err);

/* --- every vote, in the order of seq --- */
struct vote_filter {
    int64_t after;             /* only seq above it */
    int64_t from_ms, to_ms;    /* cast at or after, before; 0: no bound */
    bool counted_only;
    int judge;                 /* enum judge_kind; -1: any */
    int source;                /* enum battle_source; -1: any */
    const char *campaign;      /* id; NULL: any */
    const char *voter;         /* id; NULL: any */
    bool with_tags;            /* fill tags: costs time */
    bool with_ids;             /* fill battle, voter_id, feedback */
};
#define VOTE_FILTER_ALL ((struct vote_filter){.judge = -1, .source = -1})

struct vote_row {
    int64_t seq, at_ms;
    int64_t version_a, version_b; /* competitors.h's versions tell their names */
    enum winner winner;
    enum vote_counted counted;
    enum judge_kind judge;
    enum battle_source source;
    int64_t voter;   /* opaque number; 0: unknown or erased */
    uint64_t prompt; /* equal prompts (normalised) have equal values; 0: unknown or erased */
    int turns;       /* 0: unknown */
    bool staff, recognised; /* recognised: the voter said so */
    int64_t delay_ms, read_ms; /* -1: unknown */
    double probability;        /* of the draw; NaN: unknown */
    struct style_counts style_a, style_b;
    /* borrowed for the call */
    struct text tags;      /* JSON object; data NULL: none, or not asked */
    struct text battle_id, voter_id, campaign, cohort; /* filled with_ids */
    struct text reasons, comment, recognised_text;     /* filled with_ids */
};
/* Stops when `each` returns false (that is no error). A million rows take about a second. */
bool votes_each(struct db *db, const struct vote_filter *filter, bool (*each)(void *user, const struct vote_row *row),
                void *user, struct err *err);

bool votes_last(struct db *db, int64_t *seq, uint8_t hash[DIGEST_SIZE], struct err *err); /* 0 and zeros: none */

/* The value that equal prompts share: SHA-256 of the text with its white space folded, first 8 bytes; never 0. */
uint64_t votes_prompt_value(struct text prompt);

#endif
