/* The batch evaluations that this process runs: `arena eval run` alone, and inside `arena serve`
 * what `arena eval` and campaigns ask for.
 *
 * A run asks every competitor every prompt, has the pairs judged (judge.h) and stores it all as it
 * comes. What is stored decides what is still to do, so a run may be killed anywhere and goes on
 * with nothing asked twice that was answered. Its calls are background calls (competitor.h): where
 * people wait for answers of the same model, theirs go first.
 *
 * Loop's thread only; files and the store are read by workers. At most LIMIT_EVAL_RUNS run at once.
 */
#ifndef ARENA_EVAL_EVALS_H
#define ARENA_EVAL_EVALS_H

#include <jansson.h>

#include "base/err.h"
#include "base/limits.h"
#include "store/store.h"

/* The end of why a run stopped whose model went away or changed: it may go on when that is back. */
#define EVALS_AWAY " is not there any more as it was when the run began"
#define EVALS_SHUT_DOWN "the arena stopped" /* why a run that may go on by itself ended */

struct evals;
struct live;
struct loop;
struct roster;
struct store;
struct workers;

/* All borrowed for the life of the evals. */
struct evals_options {
    struct loop *loop;
    struct workers *workers;
    struct store *store;
    struct roster *roster;
    struct live *live; /* told of every committed vote; NULL: no board */
};

struct evals *evals_new(const struct evals_options *options, struct err *err);

/* Ends all runs' calls; they stay resumable. `stopped` is called once, maybe before this returns,
 * when nothing is under way any more. */
void evals_stop(struct evals *evals, void (*stopped)(void *user), void *user);
void evals_free(struct evals *evals); /* after `stopped`, or where nothing ran; NULL is allowed */

/* Called once: with the run's id once its plan is stored and it is at work, or with NULL and why.
 */
struct evals_reply {
    void (*started)(void *user, const char *id, const struct err *err);
    void *user;
};

/* Plans a run as `spec` says (schema/eval.schema.json; copied) and starts it. `folder` is where
 * relative paths start (NULL: files must be absolute). `campaign`: whose pairs it makes, or NULL.
 */
void evals_start(struct evals *evals, const json_t *spec, const char *folder, const char *campaign,
                 const struct evals_reply *reply);

/* Goes on with a stored run; `retry_failed`: asks again what failed. ERR_NOT_FOUND, or
 * ERR_WRONG_STATE while it runs. */
void evals_resume(struct evals *evals, const char *id, bool retry_failed,
                  const struct evals_reply *reply);

/* Goes on with every run of a running campaign that was at work when its process ended, or stopped
 * because a model of it was another version (what failed meanwhile is asked again): at start-up and
 * whenever the roster has changed. */
void evals_resume_campaigns(struct evals *evals);

/* Ends a run's calls; it can be resumed. ERR_NOT_FOUND where it does not run here. */
bool evals_end(struct evals *evals, const char *id, const char *why, struct err *err);

/* Ends every run of a campaign: nothing more is asked for it. */
void evals_end_campaign(struct evals *evals, const char *campaign, const char *why);

/* The ids of those that work here; gives how many. */
size_t evals_working(const struct evals *evals, char ids[LIMIT_EVAL_RUNS][STORE_ID_SIZE]);

/* How far a run is that works here; false where it does not (then the store knows: eval_runs). */
struct evals_figures {
    int64_t pairs, ready, failed; /* planned; with both answers stored as a queue item; that will
                                     have none, because an answer failed */
    int64_t judged; /* votes of model judges, one a judge and pair, malformed ones too */
    double spent_usd;
};
bool evals_figures(const struct evals *evals, const char *id, struct evals_figures *out);

/* The same and more, as the JSON object that stands in eval_runs.progress. */
bool evals_progress(const struct evals *evals, const char *id, struct buf *out);

#endif
