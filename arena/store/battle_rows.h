/* Every battle with its votes in a row, in the order of creation: what the exports of battles and
 * of preferences are made of (their turns: turns.h). A battle with several votes comes once a vote,
 * one without votes once.
 *
 * Read in one statement: inside a long export it keeps the write-ahead log from being cut, so an
 * export of millions belongs into a quiet hour. Any thread with its own reader. */
#ifndef ARENA_STORE_BATTLE_ROWS_H
#define ARENA_STORE_BATTLE_ROWS_H

#include "store/consents.h"
#include "store/votes.h"

struct battle_filter {
    int64_t from_ms, to_ms; /* created at or after, before; 0: no bound */
    int judge;              /* enum judge_kind: only battles with such a vote; -1: any */
    const char *campaign;   /* id; NULL: any */
    bool voted_only;        /* only battles with a counted vote */
    int64_t tagger, tags;   /* with this tagger's tags (battle_tags.h) up to that row; 0: none */
    int64_t after;          /* only numbers above it */
    bool fought_here;       /* none that were imported */
};
#define BATTLE_FILTER_ALL ((struct battle_filter){.judge = -1})

/* What was decided on a battle whose texts hold personal data (reviews.h). */
enum battle_review { REVIEW_NONE, REVIEW_REFUSED, REVIEW_RELEASED };

/* Texts are borrowed for the call; data NULL: none. */
struct battle_row {
    int64_t number, seq; /* seq 0: no vote */
    struct text id, campaign, tags, void_code;
    enum battle_state state;
    enum battle_source source;
    enum battle_mode mode;
    int64_t version_a, version_b, created_ms;
    double probability, side_probability; /* NaN: not drawn by us */
    int turns;
    bool self_identified, keep_private;
    struct style_counts style_a, style_b;
    enum consent_scope consent; /* of the battle's voter */
    enum battle_review review;
    /* --- the vote --- */
    enum winner winner;
    enum judge_kind judge;
    enum vote_counted counted;
    int64_t voter, at_ms, delay_ms, read_ms; /* voter 0: unknown */
    struct text cohort, reasons, comment, recognised;
};

bool battles_each(struct db *db, const struct battle_filter *filter,
                  bool (*each)(void *user, const struct battle_row *row), void *user,
                  struct err *err);

/* True when nobody was ever invited or asked: whoever voted here is the one who runs it. */
bool battles_are_own(struct db *db, bool *own, struct err *err);

#endif
