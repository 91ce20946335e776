/* Plain lines, each of which says one thing. */
#include "command/campaign_print.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/digest.h"
#include "base/json.h"

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static int64_t number(const json_t *object, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(object, key));
}

static double real(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* "X against Y, Z" */
static void print_models(const json_t *question)
{
    const json_t *versus = json_object_get(question, "versus"), *rival;
    size_t i;
    printf("%s against ", text(json_object_get(question, "model"), "name"));
    json_array_foreach(versus, i, rival) printf("%s%s", i ? ", " : "", text(rival, "name"));
    putchar('\n');
}

static void print_rule(const json_t *question)
{
    const json_t *stop = json_object_get(question, "stop");
    const char *join = "";
    printf("stops when ");
    if (json_object_get(stop, "votes")) {
        printf("%" PRId64 " votes count", number(stop, "votes"));
        join = ", or ";
    }
    if (json_object_get(stop, "precision")) {
        printf("%severy win rate is known to %g points", join, real(stop, "precision"));
        join = ", or ";
    }
    if (json_object_get(stop, "decided"))
        printf("%severy rival is decided against a margin of %g points", join,
               real(stop, "decided"));
    putchar('\n');
}

static void print_expected(const json_t *question)
{
    const json_t *expected = json_object_get(question, "expected"),
                 *votes = json_object_get(expected, "votes"),
                 *needed = json_object_get(expected, "needed");
    if (json_is_number(votes))
        printf("expected: about %.0f votes, if the win rate is %g and %g of the votes are ties\n",
               json_number_value(votes), real(expected, "detect"), real(expected, "ties"));
    else
        printf("expected: more votes than can be had, if the win rate is %g: ask for less\n",
               real(expected, "detect"));
    if (json_is_number(needed))
        printf("to see a win rate of %g with a chance of %g takes about %.0f votes\n",
               real(expected, "detect"), real(expected, "power"), json_number_value(needed));
}

static void print_registered(const char *id, const json_t *question)
{
    printf("campaign %s is registered\n", id);
    print_models(question);
    print_rule(question);
    print_expected(question);
}

void campaign_print_created(const json_t *reply)
{
    print_registered(text(reply, "campaign_id"), json_object_get(reply, "question"));
}

void campaign_print_question(const char *id, const struct question *question)
{
    struct buf buf;
    struct err err = ERR_INIT;
    buf_init(&buf, LIMIT_BODY_BYTES);
    struct json_out out = json_out_to(&buf);
    question_write(&out, NULL, question);
    json_t *json = json_read(buf_text(&buf), "the question", &err);
    print_registered(id, json);
    json_decref(json);
    buf_done(&buf);
}

static void print_waiting(const json_t *campaign)
{
    size_t i;
    const json_t *name;
    json_array_foreach(json_object_get(campaign, "waits_for"), i, name) printf(
        "waits: the version of %s that was registered does not answer now; its pairs wait until "
        "it does, or end the campaign\n",
        json_string_value(name));
}

void campaign_print_list(const json_t *campaigns)
{
    size_t i;
    const json_t *campaign;
    if (json_array_size(campaigns) == 0)
        printf("no campaign yet: arena help campaign\n");
    json_array_foreach(campaigns, i, campaign)
    {
        const json_t *progress = json_object_get(campaign, "progress");
        printf("%s  %-7s  %6" PRId64 " votes  %3" PRId64 " voters  %s  %s\n", text(campaign, "id"),
               text(campaign, "state"), number(progress, "votes"), number(progress, "voters"),
               text(campaign, "registered"), text(campaign, "title"));
        print_waiting(campaign);
    }
}

static void print_results(const json_t *results)
{
    size_t i;
    const json_t *row;
    printf("%-24s %6s %6s %6s %6s  %-26s %s\n", "VERSUS", "VOTES", "WINS", "LOSSES", "TIES",
           "WIN RATE", "VERDICT");
    json_array_foreach(results, i, row)
    {
        printf("%-24s %6" PRId64 " %6" PRId64 " %6" PRId64 " %6" PRId64 "  ", text(row, "versus"),
               number(row, "votes"), number(row, "wins"), number(row, "losses"),
               number(row, "ties") + number(row, "both_bad"));
        if (json_is_number(json_object_get(row, "win_rate")))
            printf("%5.1f %% (%5.1f to %5.1f)    ", 100 * real(row, "win_rate"),
                   100 * real(row, "lower"), 100 * real(row, "upper"));
        else
            printf("%-26s ", "-");
        printf("%s\n", text(row, "verdict"));
    }
}

static void print_share(const json_t *raters, const char *key, const char *words)
{
    const json_t *share = json_object_get(raters, key);
    if (number(share, "votes"))
        printf("%s: %.0f %% of %" PRId64 " (%.0f to %.0f)\n", words, 100 * real(share, "share"),
               number(share, "votes"), 100 * real(share, "lower"), 100 * real(share, "upper"));
}

static void print_raters(const json_t *raters)
{
    const json_t *alpha = json_object_get(raters, "alpha");
    if (json_is_number(alpha))
        printf("agreement: Krippendorff's alpha %.3f on %" PRId64 " shared pairs\n",
               json_number_value(alpha), number(raters, "shared_items"));
    print_share(raters, "gold_right", "pairs with a known winner judged right");
    print_share(raters, "noise", "a side chosen where one model answered twice");
    print_share(raters, "left_of_same", "of these, the left one");
    print_share(raters, "left", "the left side among votes for a side");
}

static void print_progress(const json_t *campaign)
{
    const json_t *progress = json_object_get(campaign, "progress"),
                 *queue = json_object_get(progress, "queue");
    printf("%" PRId64 " votes of %" PRId64 " voters count; %" PRId64 " controls, %" PRId64
           " kept uncounted\n",
           number(progress, "votes"), number(progress, "voters"), number(progress, "controls"),
           number(progress, "not_counted"));
    if (number(queue, "pairs"))
        printf("queue: %" PRId64 " pairs ready, %" PRId64 " of %" PRId64 " places taken\n",
               number(queue, "pairs"), number(queue, "taken"), number(queue, "wanted"));
}

void campaign_print_one(const json_t *campaign)
{
    const json_t *question = json_object_get(campaign, "question");
    printf("%s: %s\n", text(campaign, "id"), text(campaign, "title"));
    print_models(question);
    print_rule(question);
    print_expected(question);
    print_progress(campaign);
    print_waiting(campaign);
    print_results(json_object_get(campaign, "results"));
    print_raters(json_object_get(campaign, "raters"));
    if (*text(campaign, "reason"))
        printf("ended %s: %s\n", text(campaign, "ended"), text(campaign, "reason"));
}

static void print_variants(const json_t *variants)
{
    size_t i;
    const json_t *row;
    printf("every variant tried here:\n");
    json_array_foreach(variants, i, row)
        printf("  %s %.8s since %s, %" PRId64 " votes%s\n", text(row, "model"),
               text(row, "version"), text(row, "since"), number(row, "votes"),
               json_is_true(json_object_get(row, "tested_here")) ? " (this one)" : "");
}

bool campaign_print_report(const struct campaign_record *record, struct err *err)
{
    char key[2 * SIGN_KEY_SIZE + 1];
    json_t *report = json_read(record->report, "the stored report", err);
    if (!report)
        return false;
    printf("%s: %s\n", record->id, record->title);
    print_models(json_object_get(report, "question"));
    printf("registered %s, ended %s: %s\n", text(report, "registered"), text(report, "ended"),
           text(report, "reason"));
    print_results(json_object_get(report, "results"));
    print_raters(json_object_get(report, "raters"));
    print_variants(json_object_get(report, "variants"));
    hex_encode(record->public_key, sizeof record->public_key, key);
    printf("signed with %s\n", key);
    json_decref(report);
    return true;
}
