/* By the clock of the wall and without a mark of its own: what is too old is found by its date, so
 * a process that was off for a month catches up at its start, batch by batch between the votes. */
#include "command/retention.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "loop/loop.h"
#include "store/erasure.h"

#define PERIOD_NS (INT64_C(3600) * CLOCK_S)
#define DAY_MS INT64_C(86400000)

struct retention {
    struct loop *loop;
    struct store *store;
    struct loop_timer timer;
    int64_t days;
    bool under_way, stopped;
    int64_t from_ms; /* what ended before has been let go of since the start */
    int64_t before_ms, battles;
    struct erasure_report report;
};

static bool apply(struct db *tx, void *data, struct err *err)
{
    struct retention *retention = data;
    return erasure_before(tx, &retention->from_ms, retention->before_ms, &retention->report, err);
}

static void applied(void *data, const struct err *err);

static void go_on(struct retention *retention)
{
    struct store_job job = {apply, applied, retention};
    struct err err = ERR_INIT;
    if (!store_submit(retention->store, &job, &err))
        applied(retention, &err);
}

static void applied(void *data, const struct err *err)
{
    struct retention *retention = data;
    if (err->code == ERR_NONE)
        retention->battles += retention->report.battles;
    if (err->code == ERR_NONE && retention->report.battles && !retention->stopped) {
        go_on(retention);
        return;
    }
    retention->under_way = false;
    if (err->code != ERR_NONE)
        log_warning("retention", "old texts are still there: %s", err->message);
    if (retention->battles)
        log_note("retention",
                 "let go of the texts of %" PRId64 " battles older than %" PRId64 " days",
                 retention->battles, retention->days);
}

static void begin(void *user)
{
    struct retention *retention = user;
    if (retention->stopped)
        return;
    if (!retention->under_way) {
        retention->under_way = true;
        retention->battles = 0;
        retention->before_ms = clock_wall_ms() - retention->days * DAY_MS;
        go_on(retention);
    }
    loop_timer_start(retention->loop, &retention->timer, clock_mono_ns() + PERIOD_NS);
}

struct retention *retention_new(struct loop *loop, struct store *store, int64_t days,
                                struct err *err)
{
    struct retention *retention = calloc(1, sizeof *retention);
    if (!retention) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    *retention = (struct retention){.loop = loop, .store = store, .days = days};
    retention->timer = (struct loop_timer){.expired = begin, .user = retention};
    begin(retention);
    return retention;
}

void retention_stop(struct retention *retention)
{
    if (!retention)
        return;
    retention->stopped = true;
    loop_timer_stop(retention->loop, &retention->timer);
}

void retention_free(struct retention *retention)
{
    free(retention);
}
