/* Alone, the loop runs on this thread and the run's own figures are shown; with an owner, this
 * process only looks at the store, twice a second, where the owner tells how far it is. */
#include "command/eval_run.h"

#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "command/eval_watch.h"
#include "command/owner.h"
#include "command/settings.h"
#include "command/spender.h"
#include "eval/evals.h"
#include "loop/worker.h"
#include "store/audit.h"
#include "store/directory.h"
#include "store/eval_runs.h"

enum { WORKERS = 2, LOOK_MS = 500 };
#define SHOW_NS (CLOCK_S / 4)

/* --- what both ways need --- */

/* Ctrl-C becomes something to read. */
static int catch_signals(struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        err_sys(err, ERR_INTERNAL, errno, "cannot watch for signals");
    return fd;
}

/* The folder of the spec, whole; new, or NULL with `err`. */
static char *folder_of(const struct eval_order *order, struct err *err)
{
    char *copy = strdup(order->spec ? order->spec : "."),
         *folder = copy ? realpath(order->folder ? order->folder : dirname(copy), NULL) : NULL;
    if (!folder)
        err_sys(err, ERR_BAD_REQUEST, errno, "cannot open %s", order->spec ? order->spec : ".");
    free(copy);
    return folder;
}

static json_t *read_spec(const char *path, struct err *err)
{
    struct buf text;
    buf_init(&text, LIMIT_EVAL_SPEC_BYTES);
    json_t *spec = file_read(path, &text, err) ? json_read(buf_text(&text), path, err) : NULL;
    buf_done(&text);
    if (!spec && err->code == ERR_IO)
        err->code = ERR_BAD_REQUEST; /* it was named on the command line */
    return spec;
}

/* --- alone --- */

struct alone {
    struct settings settings;
    struct loop *loop;
    struct store *store;
    struct workers *workers;
    struct roster *roster;
    struct spender *spender;
    struct evals *evals;
    struct loop_fd signals;
    struct loop_timer show;
    struct eval_watch watch;
    const char *act; /* for the audit log */
    char id[STORE_ID_SIZE];
    bool began, over;
    struct err err;
};

static void note(const struct alone *alone, const char *act)
{
    struct err err = ERR_INIT;
    if (!audit_note(alone->store, act, alone->id, &err))
        log_warning("eval", "this is not in the audit log: %s", err.message);
}

static void has_started(void *user, const char *id, const struct err *err)
{
    struct alone *alone = user;
    alone->began = true;
    if (id) {
        snprintf(alone->id, sizeof alone->id, "%s", id);
        note(alone, alone->act);
        if (!alone->watch.quiet)
            fprintf(stderr, "arena eval: %s\n", id);
    } else {
        alone->err = *err;
        loop_stop(alone->loop);
    }
}

static void show(void *user)
{
    struct alone *alone = user;
    struct evals_figures figures;
    struct buf progress;
    loop_timer_start(alone->loop, &alone->show, clock_mono_ns() + SHOW_NS);
    if (!alone->id[0])
        return;
    buf_init(&progress, 1 << 20);
    if (evals_progress(alone->evals, alone->id, &progress))
        eval_watch_show(&alone->watch, progress.data);
    buf_done(&progress);
    if (!evals_figures(alone->evals, alone->id, &figures))
        loop_stop(alone->loop); /* it is over */
}

static void asked_to_stop(void *user, uint32_t events)
{
    struct alone *alone = user;
    struct signalfd_siginfo info;
    (void)events;
    if (read(alone->signals.fd, &info, sizeof info) != sizeof info)
        return;
    if (alone->over || !alone->id[0])
        _exit(EXIT_FAILURE); /* asked twice, or before anything began */
    alone->over = true;
    fprintf(stderr, "\narena eval: stopping; once more leaves at once\n");
    evals_end(alone->evals, alone->id, "stopped by hand", NULL);
    note(alone, "stop evaluation");
}

static bool open_alone(struct alone *alone, const struct eval_order *order, struct err *err)
{
    struct roster_options roster = {0};
    if (!settings_load(&alone->settings, order->config, order->data, err) ||
        !(alone->loop = loop_new(err)))
        return false;
    alone->signals =
        (struct loop_fd){.fd = catch_signals(err), .ready = asked_to_stop, .user = alone};
    if (alone->signals.fd < 0 || !loop_fd_start(alone->loop, &alone->signals, EPOLLIN))
        return false;
    alone->store = store_open(order->data, alone->loop, err);
    alone->roster =
        alone->store ? settings_roster(&alone->settings, alone->loop, roster, err) : NULL;
    alone->spender = alone->roster ? spender_new(alone->roster, alone->store, err) : NULL;
    alone->workers = alone->spender ? workers_new(alone->loop, WORKERS, err) : NULL;
    if (!alone->workers)
        return false;
    struct evals_options options = {.loop = alone->loop,
                                    .workers = alone->workers,
                                    .store = alone->store,
                                    .roster = alone->roster};
    alone->evals = evals_new(&options, err);
    alone->show = (struct loop_timer){.expired = show, .user = alone};
    return alone->evals && loop_timer_start(alone->loop, &alone->show, clock_mono_ns());
}

static void close_alone(struct alone *alone)
{
    workers_free(alone->workers);
    if (alone->loop) {
        loop_timer_stop(alone->loop, &alone->show);
        loop_turn(alone->loop, 0); /* what the workers still had to say */
    }
    evals_free(alone->evals);
    roster_free(alone->roster);
    store_close(alone->store);
    if (alone->loop) {
        loop_turn(alone->loop, 0); /* the store's last answers */
        loop_fd_stop(alone->loop, &alone->signals);
    }
    spender_free(alone->spender);
    if (alone->signals.fd > 0)
        close(alone->signals.fd);
    loop_free(alone->loop);
    settings_done(&alone->settings);
}

/* Going on with a run makes no new directory. */
static bool is_there(const struct eval_order *order, struct err *err)
{
    struct db *db = order->resume ? store_read_open(order->data, err) : NULL;
    bool there = !order->resume || db;
    db_close(db);
    return there;
}

static bool run_alone(const struct eval_order *order, char id[STORE_ID_SIZE], struct err *err)
{
    struct alone alone = {.signals = {.fd = -1},
                          .act = order->spec ? "run evaluation" : "resume evaluation"};
    struct evals_reply reply = {has_started, &alone};
    eval_watch_init(&alone.watch, order->quiet);
    char *folder = folder_of(order, err);
    json_t *spec = folder && order->spec ? read_spec(order->spec, err) : NULL;
    bool ok =
        folder && (spec || !order->spec) && is_there(order, err) && open_alone(&alone, order, err);
    if (ok) {
        if (spec)
            evals_start(alone.evals, spec, folder, NULL, &reply);
        else
            evals_resume(alone.evals, order->resume, order->retry_failed, &reply);
        if (!alone.began || alone.id[0])
            loop_run(alone.loop);
        eval_watch_end(&alone.watch);
        memcpy(id, alone.id, STORE_ID_SIZE);
        ok = alone.id[0] != '\0';
        if (!ok)
            *err = alone.err;
    }
    close_alone(&alone);
    json_decref(spec);
    free(folder);
    return ok;
}

/* --- with an owner --- */

struct looking {
    struct eval_watch watch;
    enum eval_state state;
};

static void look(void *user, const struct eval_run_record *record)
{
    struct looking *looking = user;
    looking->state = record->state;
    eval_watch_show(&looking->watch, record->progress);
}

/* True when somebody pressed Ctrl-C within this look's time. */
static bool wait_a_little(int signals)
{
    struct pollfd fd = {.fd = signals, .events = POLLIN};
    struct signalfd_siginfo info;
    return poll(&fd, 1, LOOK_MS) > 0 && read(signals, &info, sizeof info) == sizeof info;
}

static bool ask_to_stop(const char *data, const char *id, struct err *err)
{
    char path[128];
    json_t *body = json_object(), *reply = NULL;
    snprintf(path, sizeof path, "/api/evals/%s/stop", id);
    fprintf(stderr, "\narena eval: stopping\n");
    bool ok = body && owner_post(data, path, body, &reply, err) == OWNER_DONE;
    json_decref(body);
    json_decref(reply);
    return ok;
}

static bool watch_owner(const struct eval_order *order, const char *id, struct err *err)
{
    struct looking looking = {.state = EVAL_RUNNING};
    char owner[256];
    int signals = catch_signals(err), stops = 0;
    struct db *db = signals >= 0 ? store_read_open(order->data, err) : NULL;
    bool ok = db != NULL;
    eval_watch_init(&looking.watch, order->quiet);
    while (ok && (ok = eval_runs_find(db, id, look, &looking, err)) &&
           looking.state == EVAL_RUNNING) {
        if (!directory_is_owned(order->data, owner, sizeof owner))
            ok = err_set(err, ERR_BUSY,
                         "the process that ran it has ended: arena eval resume %s goes on", id);
        else if (wait_a_little(signals) && (++stops > 1 || !ask_to_stop(order->data, id, err)))
            break;
    }
    eval_watch_end(&looking.watch);
    db_close(db);
    if (signals >= 0)
        close(signals);
    return ok;
}

static enum owner_answer post_order(const struct eval_order *order, json_t **reply, struct err *err)
{
    char path[128] = "/api/evals";
    char *folder = folder_of(order, err), *spec = NULL;
    json_t *body = NULL;
    if (order->spec && folder && !(spec = realpath(order->spec, NULL)))
        err_sys(err, ERR_BAD_REQUEST, errno, "cannot open %s", order->spec);
    if (spec) {
        body = json_pack("{s:s, s:s}", "path", spec, "folder", folder);
    } else if (!order->spec) {
        snprintf(path, sizeof path, "/api/evals/%.40s/resume", order->resume);
        body = json_pack("{s:b}", "retry_failed", order->retry_failed);
    }
    enum owner_answer answer =
        body ? owner_post(order->data, path, body, reply, err) : OWNER_REFUSED;
    json_decref(body);
    free(folder);
    free(spec);
    return answer;
}

static bool run_at_owner(const struct eval_order *order, char id[STORE_ID_SIZE], struct err *err)
{
    json_t *reply = NULL;
    enum owner_answer answer = post_order(order, &reply, err);
    const char *its = json_string_value(json_object_get(reply, "id"));
    if (answer == OWNER_DONE && its)
        snprintf(id, STORE_ID_SIZE, "%s", its);
    json_decref(reply);
    if (answer == OWNER_ABSENT)
        return run_alone(order, id, err);
    if (answer != OWNER_DONE)
        return false;
    if (!order->quiet)
        fprintf(stderr, "arena eval: %s, inside the running arena\n", id);
    return watch_owner(order, id, err);
}

bool eval_run_order(const struct eval_order *order, char id[STORE_ID_SIZE], struct err *err)
{
    char owner[256];
    id[0] = '\0';
    return directory_is_owned(order->data, owner, sizeof owner) ? run_at_owner(order, id, err)
                                                                : run_alone(order, id, err);
}
