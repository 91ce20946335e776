/* How much the votes of a campaign are worth: its raters, from its own votes.
 *
 * Pairs with a known winner say who reads; one model twice, how loud the noise is and whether the
 * left side draws; items that several people voted on, how far they agree. Blocking. */
#ifndef ARENA_PEOPLE_RATERS_H
#define ARENA_PEOPLE_RATERS_H

#include "base/json.h"
#include "rating/agreement.h"
#include "store/store.h"

#define RATERS_MAX 4096 /* listed one by one; a campaign has tens */

struct rater {
    int64_t voter; /* the store's number; 0: erased */
    int64_t votes, left, right;
    int64_t gold, gold_right;
    int64_t quick;          /* votes after less than RATER_QUICK_MS on screen */
    int64_t shared, agreed; /* votes on items of others too; with the majority of them */
};
#define RATER_QUICK_MS 2000

struct raters {
    struct rater *list;
    size_t count;
    int64_t same, same_left, same_right; /* votes on one model twice; for a side */
    int64_t left, right;                 /* of all other votes for a side */
    int64_t gold, gold_right;
    int64_t asked, recognised;  /* "did you recognise a model?" */
    struct agreement agreement; /* on pairs of models, as ordered values */
};

/* Of votes up to this seq; 0: all. */
bool raters_read(struct db *db, const char *campaign, int64_t up_to, struct raters *out,
                 struct err *err);
void raters_done(struct raters *raters);

void raters_write(struct json_out *out, const char *key, const struct raters *raters);

#endif
