/* What the browser shows of evaluations: the runs, the report of one with the list of its pairs,
 * and one prompt with every answer and what was said of it. The figures are the report's own.
 *
 * Each appends members to the JSON object that is open. Blocking; reads the store. */
#ifndef ARENA_EVAL_BROWSE_H
#define ARENA_EVAL_BROWSE_H

#include "base/json.h"
#include "base/limits.h"
#include "store/db.h"
#include "store/store.h"

#define BROWSE_RUNS 100
#define BROWSE_PAIRS 50000 /* of a run; further ones are counted */

/* Those that work in this process: a run that says that it runs and is none of them was
 * interrupted. */
struct browse_working {
    char id[LIMIT_EVAL_RUNS][STORE_ID_SIZE];
    size_t count;
};

/* "runs": the newest first. */
bool browse_runs(struct json_out *out, struct db *db, const struct browse_working *working,
                 struct err *err);

/* "report" (as `arena eval report --format json` has it), "tables" (its tables as text), "sides",
 * "judges", "prompts", "pairs": [prompt, sample, side, side], "votes": [pair, rater, winner]; a
 * rater past the judges is a person. ERR_NOT_FOUND. */
bool browse_run(struct json_out *out, struct db *db, const char *id, struct err *err);

/* "prompt", "sides", "judges", "answers": of each sample, of each side, its turns; "votes": who
 * said what of which two sides, with judges' replies and people's reasons. ERR_NOT_FOUND. */
bool browse_prompt(struct json_out *out, struct db *db, const char *id, int64_t prompt,
                   struct err *err);

#endif
