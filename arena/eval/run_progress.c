/* One object for everybody who looks: `arena eval status`, the bar of `arena eval run`, campaigns.
 */
#include "eval/run_work.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "competitor/remote.h"

void run_figures(const struct run *run, struct evals_figures *out)
{
    *out = (struct evals_figures){.pairs = (int64_t)run->state.judged_pairs,
                                  .ready = run->queued,
                                  .failed = run->pairs_failed,
                                  .spent_usd = run->spent_usd};
    for (size_t k = 0; k < run->plan.spec.judge_count; k++)
        out->judged += run->judges[k].done;
}

static void put_cooldown(const struct run *run, struct json_out *json, const char *name)
{
    const struct competitor *competitor = roster_find(run->options.house->roster, name);
    struct limiter_figures figures;
    if (!competitor || !remote_traffic(competitor, &figures))
        return;
    double cooling = (double)(figures.cooling_until - clock_mono_ns()) / (double)CLOCK_S;
    json_put_int(json, "limit", figures.limit);
    json_put_fixed(json, "cooling_s", cooling > 0 ? cooling : 0, 1);
}

static void put_side(const struct run *run, struct json_out *json, const struct eval_side *side,
                     const struct work *work, bool judges, int64_t planned)
{
    json_put_open(json, NULL, '{');
    json_put_cstring(json, "name", side->name);
    json_put_bool(json, "judge", judges);
    json_put_int(json, "planned", planned);
    json_put_int(json, "done", work->done);
    json_put_int(json, "failed", work->failed);
    json_put_int(json, "reused", work->reused);
    json_put_int(json, "calls", work->calls);
    json_put_int(json, "under_way", work->in_flight);
    json_put_int(json, "retries", work->retries);
    json_put_real(json, "spent_usd", work->spent_usd);
    put_cooldown(run, json, side->name);
    json_put_close(json, '}');
}

static int64_t wanted_of(const struct run *run, size_t side)
{
    int64_t count = 0;
    for (size_t at = side; at < eval_plan_conversations(&run->plan);
         at += run->plan.spec.competitor_count)
        count += run->state.conversations[at].step != EVAL_UNWANTED;
    return count;
}

static void put_sides(const struct run *run, struct json_out *json, int64_t *done, int64_t *planned)
{
    const struct eval_spec *spec = &run->plan.spec;
    int64_t pairs = (int64_t)run->state.judged_pairs;
    json_put_open(json, "sides", '[');
    for (size_t k = 0; k < spec->competitor_count; k++) {
        int64_t wanted = wanted_of(run, k);
        put_side(run, json, &run->plan.sides[k], &run->sides[k], false, wanted);
        *planned += wanted;
        *done += run->sides[k].done + run->sides[k].failed;
    }
    for (size_t k = 0; k < spec->judge_count; k++) {
        put_side(run, json, &run->plan.judges[k], &run->judges[k], true, pairs);
        *planned += pairs;
        *done += run->judges[k].done + run->judges[k].failed;
    }
    json_put_close(json, ']');
}

bool run_progress(const struct run *run, struct buf *out)
{
    struct json_out json = json_out_to(out);
    const struct eval_budget *budget = &run->plan.spec.budget;
    int64_t done = 0, planned = 0;
    json_put_open(&json, NULL, '{');
    put_sides(run, &json, &done, &planned);
    json_put_int(&json, "done", done);
    json_put_int(&json, "planned", planned);
    json_put_int(&json, "pairs", (int64_t)run->state.judged_pairs);
    json_put_int(&json, "queued", run->queued);
    json_put_int(&json, "pairs_failed", run->pairs_failed);
    json_put_int(&json, "votes", run->votes);
    json_put_int(&json, "malformed", run->malformed);
    json_put_int(&json, "disagreements", run->disagreements);
    json_put_int(&json, "calls", run->calls);
    json_put_real(&json, "spent_usd", run->spent_usd);
    json_put_real(&json, "held_usd", run->held_usd);
    json_put_real(&json, "budget_usd", budget->usd);
    json_put_fixed(&json, "seconds", run_active_s(run), 1);
    json_put_close(&json, '}');
    return !out->failed;
}
