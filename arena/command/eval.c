/* `arena eval`: the words after it, each with what it needs. */
#include "command/command.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "command/eval_losses.h"
#include "command/eval_run.h"
#include "command/eval_watch.h"
#include "command/settings.h"
#include "eval/accord.h"
#include "eval/bounds.h"
#include "eval/report.h"
#include "eval/why.h"
#include "store/directory.h"
#include "store/eval_calls.h"
#include "store/eval_runs.h"
#include "store/votes.h"

enum { LISTED = 50 };
/* --votes; VOTES_UNSAID where it is not given */
enum { VOTES_UNSAID = -1 };
static const int WHOSE[] = {-1, JUDGE_HUMAN, JUDGE_MODEL};

static int votes_of(int said, int otherwise)
{
    return said == VOTES_UNSAID ? otherwise : WHOSE[said];
}

struct wish {
    struct eval_order order;
    const char *what; /* a spec, or a run's id; NULL: none */
    const char *output, *model, *judge;
    int64_t limit;
    int format, votes; /* votes: whose */
    bool dry_run;
};

/* --- run, resume --- */

struct ending {
    enum eval_state state;
    char reason[256];
    bool failures;
};

static void take_ending(void *user, const struct eval_run_record *record)
{
    struct ending *ending = user;
    json_t *progress = record->progress ? json_loads(record->progress, 0, NULL) : NULL;
    const json_t *side;
    size_t k;
    ending->state = record->state;
    snprintf(ending->reason, sizeof ending->reason, "%s", record->reason ? record->reason : "");
    json_array_foreach(json_object_get(progress, "sides"), k, side) ending->failures |=
        json_integer_value(json_object_get(side, "failed")) > 0;
    json_decref(progress);
}

/* How it ended, and the exit code that says so. */
static int tell_end(const struct wish *wish, const char *id, struct err *err)
{
    struct ending ending = {.state = EVAL_RUNNING};
    struct db *db = store_read_open(wish->order.data, err);
    bool ok = db && eval_runs_find(db, id, take_ending, &ending, err);
    db_close(db);
    if (!ok)
        return command_fail(&command_eval, err);
    if (ending.state != EVAL_DONE)
        fprintf(stderr, "arena eval: stopped (%s); arena eval resume %s goes on\n",
                ending.reason[0] ? ending.reason : "interrupted", id);
    else if (ending.failures)
        fprintf(stderr,
                "arena eval: done, but some calls failed; arena eval resume %s --retry-failed "
                "asks them again\n",
                id);
    printf("%s %s\n", id, eval_state_word(ending.state));
    return ending.state == EVAL_DONE && !ending.failures ? EXIT_OK : EXIT_NO;
}

static int order_run(struct wish *wish)
{
    struct err err = ERR_INIT;
    char id[STORE_ID_SIZE];
    if (!eval_run_order(&wish->order, id, &err))
        return command_fail(&command_eval, &err);
    return tell_end(wish, id, &err);
}

/* --- dry run --- */

static void print_bounds(const char *name, const char *what, const struct eval_bounds *bounds)
{
    printf("%-28.28s %-8s %10" PRId64 " %14.0f %14.0f%s  ", name, what, bounds->calls,
           bounds->input_tokens, bounds->output_tokens, bounds->uncapped ? "*" : " ");
    if (isnan(bounds->usd))
        printf("unknown\n");
    else
        printf("$%.6g\n", bounds->usd);
}

static bool print_all_bounds(const struct eval_plan *plan, const struct roster *roster,
                             struct err *err)
{
    const struct eval_spec *spec = &plan->spec;
    struct eval_bounds total = {0}, each[LIMIT_EVAL_SIDES + LIMIT_EVAL_JUDGES];
    for (size_t k = 0; k < spec->competitor_count + spec->judge_count; k++) {
        bool judge = k >= spec->competitor_count;
        if (!eval_bounds_of(&each[k], plan, roster, judge, judge ? k - spec->competitor_count : k,
                            err))
            return false;
    }
    printf("%zu prompts, %zu pairs%s; at most:\n\n%-28s %-8s %10s %14s %14s   %s\n",
           plan->prompts.count, plan->pair_count,
           spec->pairing == EVAL_ADAPTIVE ? " in the first wave" : "", "", "", "calls",
           "input tokens", "output tokens", "cost");
    for (size_t k = 0; k < spec->competitor_count + spec->judge_count; k++) {
        bool judge = k >= spec->competitor_count;
        print_bounds(judge ? spec->judges[k - spec->competitor_count] : spec->competitors[k],
                     judge ? "judges" : "answers", &each[k]);
        total.calls += each[k].calls;
        total.input_tokens += each[k].input_tokens;
        total.output_tokens += each[k].output_tokens;
        total.usd += each[k].usd;
        total.uncapped = total.uncapped || each[k].uncapped;
    }
    print_bounds("all", "", &total);
    if (total.uncapped)
        printf("\n* no \"max_tokens\" is set: 32768 are counted for each answer\n");
    if (plan->prompts.repeated)
        printf("\n%zu prompts came more than once and are asked once\n", plan->prompts.repeated);
    return true;
}

static bool dry_run(const struct wish *wish, struct err *err)
{
    struct settings settings;
    struct eval_plan plan = {0};
    struct roster_options options = {.unopened = true};
    struct buf text;
    char *copy = strdup(wish->order.spec);
    buf_init(&text, LIMIT_EVAL_SPEC_BYTES);
    bool ok = settings_load(&settings, wish->order.config, wish->order.data, err);
    struct loop *loop = ok ? loop_new(err) : NULL;
    struct roster *roster = loop ? settings_roster(&settings, loop, options, err) : NULL;
    json_t *spec = roster && copy && file_read(wish->order.spec, &text, err)
                       ? json_read(buf_text(&text), wish->order.spec, err)
                       : NULL;
    ok = spec && eval_plan_make(&plan, spec, dirname(copy), err) &&
         print_all_bounds(&plan, roster, err);
    json_decref(spec);
    eval_plan_done(&plan);
    roster_free(roster);
    loop_free(loop);
    settings_done(&settings);
    buf_done(&text);
    free(copy);
    return ok;
}

static int run_spec(struct wish *wish)
{
    struct err err = ERR_INIT;
    wish->order.spec = wish->what;
    if (!wish->dry_run)
        return order_run(wish);
    return dry_run(wish, &err) ? EXIT_OK : command_fail(&command_eval, &err);
}

static int resume(struct wish *wish)
{
    wish->order.resume = wish->what;
    return order_run(wish);
}

/* --- status --- */

static const char *state_word(const struct eval_run_record *record, bool owned)
{
    return record->state == EVAL_RUNNING && !owned ? "interrupted" : eval_state_word(record->state);
}

struct showing {
    bool owned;
    int shown;
    int64_t run; /* the number of the one that is shown */
};

static bool show_line(void *user, const struct eval_run_record *record)
{
    struct showing *showing = user;
    json_t *progress = record->progress ? json_loads(record->progress, 0, NULL) : NULL;
    double done = json_number_value(json_object_get(progress, "done")),
           planned = json_number_value(json_object_get(progress, "planned"));
    printf("%s  %-11s  %3.0f %%  %s%s%s%s\n", record->id, state_word(record, showing->owned),
           planned > 0 ? 100 * done / planned : 0, record->name, record->reason ? " (" : "",
           record->reason ? record->reason : "", record->reason ? ")" : "");
    json_decref(progress);
    showing->shown++;
    return true;
}

static void show_one(void *user, const struct eval_run_record *record)
{
    struct showing *showing = user;
    json_t *progress = record->progress ? json_loads(record->progress, 0, NULL) : NULL;
    printf("%s  %s  %s%s%s\n", record->id, record->name, state_word(record, showing->owned),
           record->reason ? ": " : "", record->reason ? record->reason : "");
    if (progress)
        eval_watch_print(stdout, progress);
    json_decref(progress);
    showing->run = record->number;
}

static bool show_people(struct db *db, int64_t run, struct err *err)
{
    struct eval_people people;
    if (!eval_people_progress(db, run, &people, err))
        return false;
    if (people.pairs)
        printf("  people: %" PRId64 " of %" PRId64 " votes, on %" PRId64 " pairs, by %" PRId64
               " voters\n",
               people.votes, people.wanted, people.pairs, people.voters);
    return true;
}

static int status(struct wish *wish)
{
    struct err err = ERR_INIT;
    char owner[256];
    struct showing showing = {directory_is_owned(wish->order.data, owner, sizeof owner), 0, 0};
    struct db *db = store_read_open(wish->order.data, &err);
    bool ok = db && (wish->what ? eval_runs_find(db, wish->what, show_one, &showing, &err)
                                : eval_runs_each(db, LISTED, show_line, &showing, &err));
    ok = ok && (!wish->what || show_people(db, showing.run, &err));
    db_close(db);
    if (ok && !wish->what && !showing.shown)
        printf("no evaluation was run here yet\n");
    return ok ? EXIT_OK : command_fail(&command_eval, &err);
}

/* --- report, why, agreement --- */

static bool write_report(const struct wish *wish, struct db *db, struct buf *out, struct err *err)
{
    return report_write(out, db, wish->what, (enum report_format)wish->format, err);
}

/* The formats' words stand in the order of both rooms' enums. */
static bool write_why(const struct wish *wish, struct db *db, struct buf *out, struct err *err)
{
    struct settings settings;
    if (!settings_load(&settings, wish->order.config, wish->order.data, err))
        return false;
    struct why_options options = {.model = wish->model,
                                  .judge = votes_of(wish->votes, WHY_JUDGE_BOARD),
                                  .min_votes = settings.min_votes,
                                  .daily_votes = settings.daily_votes};
    settings_done(&settings);
    return why_write(out, db, &options, (enum sheet_form)wish->format, err);
}

static bool write_agreement(const struct wish *wish, struct db *db, struct buf *out,
                            struct err *err)
{
    struct sheet sheet;
    bool ok = accord_sheet(&sheet, db, err);
    sheet_draw(&sheet, (enum sheet_form)wish->format, out);
    if (wish->format == SHEET_JSON)
        buf_add_char(out, '\n');
    sheet_done(&sheet);
    return ok;
}

typedef bool writing(const struct wish *wish, struct db *db, struct buf *out, struct err *err);

static bool write_with(writing *write_it, const struct wish *wish, struct buf *out, struct err *err)
{
    struct db *db = store_read_open(wish->order.data, err);
    bool ok = db && store_read_begin(db, err);
    if (ok) {
        ok = write_it(wish, db, out, err);
        store_read_end(db);
    }
    db_close(db);
    return ok;
}

static int write_out(writing *write_it, const struct wish *wish)
{
    struct err err = ERR_INIT;
    struct buf out;
    buf_init(&out, REPORT_MAX);
    bool ok = write_with(write_it, wish, &out, &err);
    if (ok && wish->output)
        ok = file_write(wish->output, buf_text(&out), 0644, &err);
    else if (ok && fwrite(out.data, 1, out.length, stdout) != out.length)
        ok = err_set(&err, ERR_IO, "cannot write the report");
    buf_done(&out);
    return ok ? EXIT_OK : command_fail(&command_eval, &err);
}

static int report(struct wish *wish)
{
    return write_out(write_report, wish);
}

static int why(struct wish *wish)
{
    return write_out(write_why, wish);
}

static int agreement(struct wish *wish)
{
    return write_out(write_agreement, wish);
}

/* --- from losses --- */

static int from_losses(struct wish *wish)
{
    struct err err = ERR_INIT;
    char path[64] = "";
    struct eval_losses losses = {.data = wish->order.data,
                                 .config = wish->order.config,
                                 .model = wish->model,
                                 .judge = wish->judge,
                                 .votes_of = votes_of(wish->votes, -1),
                                 .most = wish->limit};
    bool ok = eval_losses_write(&losses, path, &err);
    wish->what = path;
    int code = ok ? run_spec(wish) : command_fail(&command_eval, &err);
    if (path[0])
        unlink(path);
    return code;
}

/* --- all of them --- */

static const struct {
    const char *word;
    int (*act)(struct wish *wish);
    bool needs, asks_model; /* a spec or an id; --model */
} ACTS[] = {{"run", run_spec, true, false},
            {"resume", resume, true, false},
            {"status", status, false, false},
            {"report", report, false, false},
            {"from-losses", from_losses, false, true},
            {"why", why, false, true},
            {"agreement", agreement, false, false},
            {NULL, NULL, false, false}};

static int run(int argc, char **argv)
{
    static const char *const VOTES[] = {"any", "human", "model", NULL};
    struct wish wish = {.order = {.data = "arena-data"}, .limit = 200, .votes = VOTES_UNSAID};
    static const char *const FORMATS[] = {"table", "json", "md", "html", NULL};
    int positional, act = 0;
    const struct option_spec specs[] = {
        {"data", OPTION_TEXT, &wish.order.data, NULL, 0, 0},
        {"config", OPTION_TEXT, &wish.order.config, NULL, 0, 0},
        {"dry-run", OPTION_FLAG, &wish.dry_run, NULL, 0, 0},
        {"retry-failed", OPTION_FLAG, &wish.order.retry_failed, NULL, 0, 0},
        {"format", OPTION_CHOICE, &wish.format, FORMATS, 0, 0},
        {"output", OPTION_OUTPUT, &wish.output, NULL, 0, 0},
        {"model", OPTION_TEXT, &wish.model, NULL, 0, 0},
        {"judge", OPTION_TEXT, &wish.judge, NULL, 0, 0},
        {"votes", OPTION_CHOICE, &wish.votes, VOTES, 0, 0},
        {"limit", OPTION_INT, &wish.limit, NULL, 1, LIMIT_EVAL_PROMPTS / 2},
        {"quiet", OPTION_FLAG, &wish.order.quiet, NULL, 0, 0},
        {NULL, OPTION_FLAG, NULL, NULL, 0, 0}};
    if (!options_read(&command_eval, argc, argv, specs, &positional, 2))
        return EXIT_USAGE;
    while (positional > 0 && ACTS[act].word && strcmp(ACTS[act].word, argv[1]) != 0)
        act++;
    wish.what = positional > 1 ? argv[2] : NULL;
    if (positional == 0 || !ACTS[act].word || (ACTS[act].needs && !wish.what) ||
        (ACTS[act].asks_model && !wish.model)) {
        fprintf(stderr,
                "arena eval: expected run SPEC.json, resume ID, status, report, from-losses "
                "--model X, why --model X or agreement\nTry: arena help eval\n");
        return EXIT_USAGE;
    }
    return ACTS[act].act(&wish);
}

const struct command command_eval = {
    "eval", "compare competitors on a set of prompts",
    "Usage: arena eval run SPEC.json [--dry-run] [--quiet] [--data DIR] [--config FILE]\n"
    "       arena eval resume ID [--retry-failed] [--quiet] [--data DIR] [--config FILE]\n"
    "       arena eval status [ID] [--data DIR]\n"
    "       arena eval report [ID] [--format table|json|md|html] [--output FILE] [--data DIR]\n"
    "       arena eval from-losses --model X [--judge J] [--votes any|human|model] [--limit N] "
    "[--dry-run] [--data DIR]\n"
    "       arena eval why --model X [--votes any|human|model] [--format table|json|md|html] "
    "[--output FILE] [--data DIR]\n"
    "       arena eval agreement [--format table|json|md|html] [--data DIR]\n\n"
    "run asks every competitor of a specification (schema/eval.schema.json, docs/evaluation.md) "
    "every prompt, and has the\n"
    "pairs judged by models, people or both. Answers are kept for ever: what was answered once is "
    "never asked again, by\n"
    "no run. While `arena serve` owns the directory the run is inside it, after its battles. "
    "Ctrl-C ends the calls under\n"
    "way; resume goes on. Exit 0: done; 1: stopped, or some calls failed; 2: bad input.\n\n"
    "from-losses asks what X lost again, of X as it is now, with as many prompts that it did not "
    "lose. why tells where X\n"
    "stands, against whom it lost and why. agreement compares model judges with people wherever "
    "both have voted.\n\n"
    "  SPEC.json       the specification; its paths start where it stands\n"
    "  ID              a run, or the beginning of its id; report and status: the newest\n"
    "  --dry-run       print the most calls, tokens and money that it can take, and ask nothing\n"
    "  --retry-failed  ask again what failed\n"
    "  --quiet         no progress\n"
    "  --format F      table by default; html is one page that needs nothing else\n"
    "  --output FILE   instead of standard output\n"
    "  --votes WHOSE   by whose votes X has lost; from-losses: any by default; why: people's, or "
    "models' where nobody else judged\n"
    "  --limit N       so many lost prompts at most; 200 by default\n"
    "  --data DIR      the data directory; ./arena-data by default\n"
    "  --config FILE   the configuration; DIR/arena.json by default\n",
    run};
