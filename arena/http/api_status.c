/* Liveness and figures. The figures are the rooms' own counters: reading them takes no lock of
 * length, no file and no query. Nothing here is counted by competitor before its battle is over:
 * the hall sees to that. Nor is what the process costs, which is the in-house model's work: while
 * a battle streams it would tell when that lane ends. */
#include "http/api.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "battle/hall.h"
#include "board/live.h"
#include "competitor/health.h"
#include "competitor/roster.h"
#include "http/response.h"
#include "http/server_internal.h"
#include "store/store.h"

enum { METRICS_MAX = 4 << 20 /* every competitor at the limit, with the longest names */ };

void api_healthz(struct http_request *request)
{
    struct store_stats stats = {.healthy = true};
    if (request->context->store)
        store_stats(request->context->store, &stats);
    response_json(
        request, stats.healthy ? 200 : 503,
        text_of(stats.healthy ? "{\"status\":\"ok\"}" : "{\"status\":\"store_unavailable\"}"));
}

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP arena_%s %s\n# TYPE arena_%s %s\n", name, help, name, type);
}

static void figure(struct buf *out, const char *name, const char *type, const char *help,
                   double value)
{
    head(out, name, type, help);
    buf_printf(out, "arena_%s %.17g\n", name, value);
}

static void write_http(struct buf *out, const struct http_server *server)
{
    struct http_figures figures = server_figures(server);
    head(out, "http_requests_total", "counter", "Replies, by the first digit of their status.");
    for (int class = 1; class < 6; class ++)
        buf_printf(out, "arena_http_requests_total{status=\"%dxx\"} %" PRIu64 "\n", class,
                   figures.requests[class]);
    figure(out, "http_connections", "gauge", "Open connections.", (double)figures.connections);
    figure(out, "http_connections_refused_total", "counter", "Connections past the limit.",
           (double)figures.turned_away);
    figure(out, "http_streams", "gauge", "Open event streams.", (double)figures.streams);
}

static void write_battles(struct buf *out, const struct hall *hall)
{
    struct hall_figures figures = hall_figures(hall);
    const struct {
        const char *state;
        uint64_t count;
    } rows[] = {{"started", figures.started}, {"voted", figures.voted},
                {"skipped", figures.skipped}, {"void", figures.voided},
                {"expired", figures.expired}, {"swapped", figures.swaps}};
    head(out, "battles_total", "counter", "Battles, by what became of them.");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        buf_printf(out, "arena_battles_total{event=\"%s\"} %" PRIu64 "\n", rows[i].state,
                   rows[i].count);
    figure(out, "battles_in_memory", "gauge", "Battles in memory.", (double)figures.live);
    figure(out, "battles_streaming", "gauge", "Battles that stream now.",
           (double)figures.streaming);
}

static void write_board(struct buf *out, const struct live *live)
{
    struct live_figures figures = live_figures(live);
    figure(out, "board_votes_total", "counter", "Votes that the boards were told of.",
           (double)figures.votes);
    figure(out, "board_fits_total", "counter", "Fits of a board.", (double)figures.fits);
    figure(out, "board_last_fit_seconds", "gauge", "How long the last fit took.",
           (double)figures.last_fit_ns / 1e9);
}

static void write_store(struct buf *out, const struct store *store)
{
    struct store_stats stats;
    store_stats(store, &stats);
    figure(out, "store_commits_total", "counter", "Transactions committed.", (double)stats.commits);
    figure(out, "store_jobs_total", "counter", "Writes asked for.", (double)stats.jobs);
    figure(out, "store_jobs_failed_total", "counter", "Writes that failed alone.",
           (double)stats.failed_jobs);
    figure(out, "store_commits_failed_total", "counter", "Transactions that failed.",
           (double)stats.failed_commits);
    figure(out, "store_jobs_waiting", "gauge", "Writes that wait.", (double)stats.waiting);
    figure(out, "store_wal_bytes", "gauge", "Length of the write-ahead log.",
           (double)stats.wal_bytes);
    figure(out, "store_last_commit_seconds", "gauge", "How long the last commit took.",
           (double)stats.last_commit_ns / 1e9);
    figure(out, "store_healthy", "gauge", "1: the last transaction was committed.", stats.healthy);
}

/* --- by competitor: only what battles that are over have added (competitor/health.h) --- */

/* A label's value: quoted, with what would end it escaped. */
static void label(struct buf *out, const char *name)
{
    buf_add_char(out, '"');
    for (; *name; name++) {
        if (*name == '"' || *name == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, *name);
    }
    buf_add_char(out, '"');
}

static void line(struct buf *out, const char *metric, const struct competitor *competitor,
                 const char *more, double value)
{
    buf_printf(out, "arena_competitor_%s{competitor=", metric);
    label(out, competitor->config.name);
    buf_printf(out, "%s} %.17g\n", more, value);
}

static double answers(const struct health *health)
{
    return (double)health->answers;
}

static double voids(const struct health *health)
{
    return (double)health->voids;
}

static double swaps(const struct health *health)
{
    return (double)health->swaps;
}

static double spent(const struct health *health)
{
    return health->spent_usd;
}

static double unpriced(const struct health *health)
{
    return (double)health->unpriced;
}

static double cooling(const struct health *health)
{
    int64_t left = health->cooling_until_ns - clock_mono_ns();
    return left > 0 ? (double)left / 1e9 : 0;
}

static const struct {
    const char *name, *type, *help;
    double (*value)(const struct health *health);
} HEALTH[] = {
    {"answers_total", "counter", "Answers in battles that are over.", answers},
    {"voids_total", "counter", "Battles that became void by it.", voids},
    {"swaps_total", "counter", "Battles in which another took its place.", swaps},
    {"spent_usd_total", "counter", "What answers cost, where the price is known.", spent},
    {"unpriced_total", "counter", "Answers whose cost nobody knows.", unpriced},
    {"cooldown_seconds", "gauge", "Left of its key's cooldown, as last seen.", cooling},
};

/* Who was in no battle yet that is over has no figures, and no line. */
static const struct health *figures_of(const struct competitor *competitor)
{
    const struct health *health = competitor->health;
    return health && health->answers + health->failures ? health : NULL;
}

static void write_faults(struct buf *out, const struct roster *roster)
{
    char more[64];
    head(out, "competitor_errors_total", "counter", "Attempts that failed, by class.");
    for (size_t i = 0; i < roster_count(roster); i++)
        for (int class = 0; class < CHAT_ERROR_CLASSES; class ++) {
            const struct competitor *competitor = roster_at(roster, i);
            const struct health *health = figures_of(competitor);
            if (!health || !health->faults[class])
                continue;
            snprintf(more, sizeof more, ",class=\"%s\"",
                     class ? chat_error_word((enum chat_error_class) class) : "truncated");
            line(out, "errors_total", competitor, more, (double)health->faults[class]);
        }
}

static void write_latency(struct buf *out, const struct competitor *competitor, const char *metric,
                          const struct health_latency *latency)
{
    char more[64];
    static const double SHARES[] = {0.5, 0.95};
    for (size_t i = 0; latency->total && i < 2; i++) {
        snprintf(more, sizeof more, ",quantile=\"%g\"", SHARES[i]);
        line(out, metric, competitor, more, health_quantile(latency, SHARES[i]));
    }
    snprintf(more, sizeof more, "%s_count", metric);
    line(out, more, competitor, "", (double)latency->total);
    snprintf(more, sizeof more, "%s_sum", metric);
    line(out, more, competitor, "", latency->seconds);
}

static void write_latencies(struct buf *out, const struct roster *roster, bool first)
{
    const char *metric = first ? "first_token_seconds" : "answer_seconds";
    head(out, first ? "competitor_first_token_seconds" : "competitor_answer_seconds", "summary",
         first ? "To the first token." : "To the answer's end.");
    for (size_t i = 0; i < roster_count(roster); i++) {
        const struct competitor *competitor = roster_at(roster, i);
        if (figures_of(competitor))
            write_latency(out, competitor, metric,
                          first ? &competitor->health->first_token : &competitor->health->whole);
    }
}

static void write_competitors(struct buf *out, const struct roster *roster)
{
    char metric[64];
    for (size_t m = 0; m < sizeof HEALTH / sizeof *HEALTH; m++) {
        snprintf(metric, sizeof metric, "competitor_%s", HEALTH[m].name);
        head(out, metric, HEALTH[m].type, HEALTH[m].help);
        for (size_t i = 0; i < roster_count(roster); i++)
            if (figures_of(roster_at(roster, i)))
                line(out, HEALTH[m].name, roster_at(roster, i), "",
                     HEALTH[m].value(roster_at(roster, i)->health));
    }
    write_faults(out, roster);
    write_latencies(out, roster, true);
    write_latencies(out, roster, false);
}

void api_metrics(struct http_request *request)
{
    const struct http_context *context = request->context;
    struct buf out;
    buf_init(&out, METRICS_MAX);
    write_http(&out, request->server);
    if (context->hall)
        write_battles(&out, context->hall);
    if (context->live)
        write_board(&out, context->live);
    if (context->store)
        write_store(&out, context->store);
    if (context->roster)
        write_competitors(&out, context->roster);
    if (out.failed)
        response_with(request, 503, NULL);
    else
        response_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", buf_text(&out));
    buf_done(&out);
}
