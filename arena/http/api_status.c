/* Liveness and figures. The figures are the rooms' own counters: reading them takes no lock of
 * length, no file and no query. Nothing here is counted by competitor before its battle is over:
 * the hall sees to that. */
#include "http/api.h"

#include <inttypes.h>
#include <sys/resource.h>

#include "battle/hall.h"
#include "board/live.h"
#include "http/response.h"
#include "http/server_internal.h"
#include "store/store.h"

enum { METRICS_MAX = 64 << 10 };

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

static void write_process(struct buf *out)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return;
    double seconds = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
                     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    figure(out, "process_cpu_seconds_total", "counter", "CPU time of this process.", seconds);
    figure(out, "process_max_resident_bytes", "gauge", "Most memory it ever held.",
           (double)usage.ru_maxrss * 1024);
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
    write_process(&out);
    if (out.failed)
        response_with(request, 503, NULL);
    else
        response_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", buf_text(&out));
    buf_done(&out);
}
