/* `arena gate`: an exit code for a release pipeline, and the reasons for people. */
#include "command/command.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "command/settings.h"
#include "eval/gate.h"
#include "store/store.h"
#include "store/votes.h"

enum { EXIT_UNDECIDED = 3, OUTPUT_MAX = 64 << 10 };
enum { AS_TEXT, AS_JSON, AS_MD, AS_JUNIT };
static const char *const FORMATS[] = {"text", "json", "md", "junit", NULL};
static const char *const JUDGES[] = {"human", "model", "any", NULL};
static const char *const DECISIONS[] = {"holds", "fails", "undecided"};
static const int CODES[] = {EXIT_OK, EXIT_NO, EXIT_UNDECIDED};

struct wish {
    const char *data, *config;
    int format, judge;
    struct gate_options options;
};

/* --- words --- */

static void say_decision(struct buf *out, const struct wish *wish, const struct gate_result *result)
{
    const struct gate_options *options = &wish->options;
    switch (result->decision) {
    case GATE_HOLDS:
        buf_printf(out, "%s is not worse than %s by more than %g points", options->model,
                   options->versus, options->min_delta);
        break;
    case GATE_FAILS:
        buf_printf(out, "%s is worse than %s by more than %g points", options->model,
                   options->versus, options->min_delta);
        break;
    default:
        buf_printf(out,
                   "the votes cannot tell yet whether %s is worse than %s by more than %g points",
                   options->model, options->versus, options->min_delta);
    }
}

static void say_needed(struct buf *out, const struct wish *wish, const struct gate_result *result)
{
    if (result->decision != GATE_UNDECIDED)
        return;
    if (result->votes == 0)
        buf_add_string(out, "the two versions have not met");
    else if (wish->options.transitive)
        buf_add_string(out, "the interval reaches over the margin");
    else if (isinf(result->needed))
        buf_add_string(out, "prompts like these would not decide it");
    else
        buf_printf(out, "about %.0f more prompts like these would", result->needed);
}

static void say_rate(struct buf *out, const struct gate_result *result)
{
    if (isnan(result->rate))
        buf_add_string(out, "unknown");
    else
        buf_printf(out, "%.1f %% (%.1f to %.1f)", 100 * result->rate, 100 * result->rate_lower,
                   100 * result->rate_upper);
}

struct line {
    const char *name;
    char text[200];
};
enum { LINES = 7 };

static void make_lines(struct line lines[LINES], const struct wish *wish,
                       const struct gate_result *result)
{
    struct buf rate;
    buf_init(&rate, 256);
    say_rate(&rate, result);
#define LINE(number, title, ...)                                                                   \
    (lines[number].name = title,                                                                   \
     (void)snprintf(lines[number].text, sizeof lines[number].text, __VA_ARGS__))
    LINE(0, "win rate", "%s", rate.data ? rate.data : "");
    LINE(1, "votes", "%" PRIu64 " (%" PRIu64 " won, %" PRIu64 " lost, %" PRIu64 " tied) on %zu %s",
         result->votes, result->wins, result->losses, result->ties, result->observations,
         wish->options.transitive ? "prompts in all" : "prompts");
    if (wish->options.transitive)
        LINE(2, "method", "the whole board's interval: valid for one look");
    else
        LINE(2, "method", "e-process, valid however often it is asked");
    LINE(3, "confidence", "%g", wish->options.confidence);
    LINE(4, "judge", "%s",
         wish->options.judge < 0 ? "any" : judge_kind_word((enum judge_kind)wish->options.judge));
    LINE(5, "versions", "%.12s against %.12s", result->model_version, result->versus_version);
    LINE(6, "other versions", "%" PRIu64 " votes left out", result->other_versions);
#undef LINE
    buf_done(&rate);
}

/* --- formats --- */

static void put_text(struct buf *out, const struct wish *wish, const struct gate_result *result)
{
    static const char *const WORDS[] = {"HOLDS", "FAILS", "UNDECIDED"};
    struct line lines[LINES];
    make_lines(lines, wish, result);
    buf_printf(out, "%s: ", WORDS[result->decision]);
    say_decision(out, wish, result);
    if (result->decision == GATE_UNDECIDED) {
        buf_add_string(out, ": ");
        say_needed(out, wish, result);
    }
    buf_add_char(out, '\n');
    for (int k = 0; k < LINES - (result->other_versions == 0); k++)
        buf_printf(out, "  %-15s %s\n", lines[k].name, lines[k].text);
}

static void put_md(struct buf *out, const struct wish *wish, const struct gate_result *result)
{
    static const char *const WORDS[] = {"Holds", "Fails", "Not yet decided"};
    struct line lines[LINES];
    make_lines(lines, wish, result);
    buf_printf(out, "### %s\n\n", WORDS[result->decision]);
    say_decision(out, wish, result);
    if (result->decision == GATE_UNDECIDED) {
        buf_add_string(out, ": ");
        say_needed(out, wish, result);
    }
    buf_add_string(out, ".\n\n| | |\n|---|---|\n");
    for (int k = 0; k < LINES - (result->other_versions == 0); k++)
        buf_printf(out, "| %s | %s |\n", lines[k].name, lines[k].text);
}

static void put_json(struct buf *out, const struct wish *wish, const struct gate_result *result)
{
    const struct gate_options *options = &wish->options;
    struct json_out json = json_out_to(out);
    json_put_open(&json, NULL, '{');
    json_put_cstring(&json, "decision", DECISIONS[result->decision]);
    json_put_int(&json, "exit_code", CODES[result->decision]);
    json_put_cstring(&json, "model", options->model);
    json_put_cstring(&json, "versus", options->versus);
    json_put_cstring(&json, "model_version", result->model_version);
    json_put_cstring(&json, "versus_version", result->versus_version);
    json_put_real(&json, "min_delta", options->min_delta);
    json_put_real(&json, "confidence", options->confidence);
    json_put_cstring(&json, "judge",
                     options->judge < 0 ? "any" : judge_kind_word((enum judge_kind)options->judge));
    json_put_cstring(&json, "category", options->category);
    json_put_cstring(&json, "method", options->transitive ? "board" : "e-process");
    json_put_int(&json, "votes", (int64_t)result->votes);
    json_put_int(&json, "wins", (int64_t)result->wins);
    json_put_int(&json, "losses", (int64_t)result->losses);
    json_put_int(&json, "ties", (int64_t)result->ties);
    json_put_int(&json, "prompts", (int64_t)result->observations);
    json_put_real(&json, "win_rate", 100 * result->rate);
    json_put_real(&json, "win_rate_lower", 100 * result->rate_lower);
    json_put_real(&json, "win_rate_upper", 100 * result->rate_upper);
    json_put_real(&json, "e_holds", exp(result->log_holds));
    json_put_real(&json, "e_fails", exp(result->log_fails));
    json_put_real(&json, "prompts_needed", result->decision == GATE_UNDECIDED ? result->needed : 0);
    json_put_int(&json, "other_versions_votes", (int64_t)result->other_versions);
    json_put_close(&json, '}');
    buf_add_char(out, '\n');
}

static void add_xml(struct buf *out, const char *text)
{
    for (; *text; text++) {
        const char *entity = *text == '<'    ? "&lt;"
                             : *text == '>'  ? "&gt;"
                             : *text == '&'  ? "&amp;"
                             : *text == '"'  ? "&quot;"
                             : *text == '\n' ? "&#10;"
                                             : NULL;
        if (entity)
            buf_add_string(out, entity);
        else
            buf_add_char(out, *text);
    }
}

/* An undecided gate is a skipped test: neither a pass nor a fault. */
static void put_junit(struct buf *out, const struct wish *wish, const struct gate_result *result)
{
    static const char *const ELEMENTS[] = {NULL, "failure", "skipped"};
    struct buf text;
    buf_init(&text, OUTPUT_MAX);
    put_text(&text, wish, result);
    buf_printf(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites><testsuite name=\"arena gate\" "
        "tests=\"1\""
        " failures=\"%d\" errors=\"0\" skipped=\"%d\">\n<testcase classname=\"arena.gate\" name=\"",
        result->decision == GATE_FAILS, result->decision == GATE_UNDECIDED);
    add_xml(out, wish->options.model);
    buf_add_string(out, " against ");
    add_xml(out, wish->options.versus);
    buf_add_string(out, "\">");
    if (ELEMENTS[result->decision]) {
        buf_printf(out, "<%s message=\"", ELEMENTS[result->decision]);
        struct buf message;
        buf_init(&message, 4096);
        say_decision(&message, wish, result);
        add_xml(out, message.data ? message.data : "");
        buf_done(&message);
        buf_add_string(out, "\"/>");
    }
    buf_add_string(out, "<system-out>");
    add_xml(out, text.data ? text.data : "");
    buf_add_string(out, "</system-out></testcase>\n</testsuite></testsuites>\n");
    buf_done(&text);
}

/* --- asking --- */

/* Without --judge: the one kind that is stored. */
static bool choose_judge(struct db *db, struct wish *wish, struct err *err)
{
    static const int KINDS[] = {JUDGE_HUMAN, JUDGE_MODEL, -1};
    bool kinds[2];
    if (wish->judge >= 0) {
        wish->options.judge = KINDS[wish->judge];
        return true;
    }
    if (!votes_judge_kinds(db, kinds, err))
        return false;
    if (kinds[JUDGE_HUMAN] && kinds[JUDGE_MODEL])
        return err_set(err, ERR_BAD_REQUEST,
                       "people and models have judged here: say whose votes count with --judge "
                       "human, model or any");
    wish->options.judge = kinds[JUDGE_MODEL] ? JUDGE_MODEL : JUDGE_HUMAN;
    return true;
}

static bool write_result(const struct wish *wish, const struct gate_result *result, struct err *err)
{
    static void (*const PUT[])(struct buf *, const struct wish *, const struct gate_result *) = {
        put_text, put_json, put_md, put_junit};
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    PUT[wish->format](&out, wish, result);
    bool ok =
        !out.failed && fwrite(out.data, 1, out.length, stdout) == out.length && fflush(stdout) == 0;
    buf_done(&out);
    return ok || err_set(err, ERR_IO, "cannot write the answer");
}

/* What counts as on the board counts here. */
static bool read_settings(struct wish *wish, struct err *err)
{
    struct settings settings;
    if (!settings_load(&settings, wish->config, wish->data, err))
        return false;
    wish->options.daily_votes = settings.daily_votes;
    settings_done(&settings);
    return true;
}

static int ask(struct wish *wish)
{
    struct err err = ERR_INIT;
    struct gate_result result;
    struct db *db = store_read_open(wish->data, &err);
    bool ok = db && read_settings(wish, &err) && choose_judge(db, wish, &err) &&
              gate_ask(db, &wish->options, &result, &err) && write_result(wish, &result, &err);
    db_close(db);
    if (ok)
        return CODES[result.decision];
    command_fail(&command_gate, &err);
    return EXIT_USAGE; /* whatever it was: 1 would be an answer */
}

static int run(int argc, char **argv)
{
    struct wish wish = {
        .data = "arena-data", .judge = -1, .options = {.min_delta = 5, .confidence = 0.95}};
    int positional;
    const struct option_spec specs[] = {
        {"model", OPTION_TEXT, &wish.options.model, NULL, 0, 0},
        {"versus", OPTION_TEXT, &wish.options.versus, NULL, 0, 0},
        {"min-delta", OPTION_REAL, &wish.options.min_delta, NULL, 0, 49},
        {"confidence", OPTION_REAL, &wish.options.confidence, NULL, 0.5001, 0.999999},
        {"judge", OPTION_CHOICE, &wish.judge, JUDGES, 0, 0},
        {"category", OPTION_TEXT, &wish.options.category, NULL, 0, 0},
        {"transitive", OPTION_FLAG, &wish.options.transitive, NULL, 0, 0},
        {"format", OPTION_CHOICE, &wish.format, FORMATS, 0, 0},
        {"data", OPTION_TEXT, &wish.data, NULL, 0, 0},
        {"config", OPTION_TEXT, &wish.config, NULL, 0, 0},
        {NULL, OPTION_FLAG, NULL, NULL, 0, 0}};
    if (!options_read(&command_gate, argc, argv, specs, &positional, 0))
        return EXIT_USAGE;
    if (!wish.options.model || !wish.options.versus) {
        fprintf(stderr, "arena gate: name both: --model X --versus Y\nTry: arena help gate\n");
        return EXIT_USAGE;
    }
    return ask(&wish);
}

const struct command command_gate = {
    "gate", "does a model hold against another? An exit code for pipelines",
    "Usage: arena gate --model X --versus Y [--min-delta E] [--confidence P] [--judge "
    "human|model|any]\n"
    "                  [--category C] [--transitive] [--format text|json|md|junit] [--data DIR]\n"
    "                  [--config FILE]\n\n"
    "Exit 0: the head-to-head votes show that X is not worse than Y by more than E points of win "
    "rate (ties half).\n"
    "Exit 1: they show that it is. Exit 3: they cannot tell yet; it says about how many more "
    "prompts would.\n"
    "Exit 2: the question could not be answered (no such model, no data, wrong usage).\n\n"
    "The answer may be asked for after every vote: the error rate holds all the same. One prompt "
    "is one observation,\n"
    "whatever number of orders, samples, judges and voters it had; a vote without a prompt is one "
    "of its own.\n"
    "A plain name is the model's newest version; NAME@DIGEST (as the leaderboard shows it) an "
    "older one.\n\n"
    "  --min-delta E     points of win rate, 5 by default\n"
    "  --confidence P    0.95 by default\n"
    "  --judge KIND      whose votes count; needed where both people and models have judged\n"
    "  --category C      only votes of one category\n"
    "  --transitive      use the whole board's interval instead of the pair's own votes: for one "
    "look only\n"
    "  --data DIR        the data directory; ./arena-data by default\n"
    "  --config FILE     the configuration (limits.daily_votes); DIR/arena.json by default\n",
    run};
