/* `arena serve`: puts the rooms together, turns the loop, and takes everything apart again in
 * the order that loses nothing: battles end and are stored, streams get their last event, then
 * the server, the workers, the models and at last the store. */
#include "command/acquaint.h"
#include "command/campaign_answers.h"
#include "command/command.h"

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
#include "base/log.h"
#include "battle/hall.h"
#include "board/live.h"
#include "board/publication.h"
#include "board/tagger.h"
#include "command/keeper.h"
#include "command/settings.h"
#include "command/retention.h"
#include "command/spender.h"
#include "competitor/roster.h"
#include "competitor/spare.h"
#include "eval/evals.h"
#include "eval/finder.h"
#include "http/server.h"
#include "loop/loop.h"
#include "loop/worker.h"
#include "people/addresses.h"
#include "people/campaigns.h"
#include "people/keys.h"
#include "people/rates.h"
#include "people/sessions.h"
#include "store/store.h"

enum { WORKERS = 2, STOP_SECONDS = 4 };

struct house {
    struct settings config;
    struct loop *loop;
    struct store *store;
    struct workers *workers;
    struct roster *roster;
    struct keeper *keeper;
    struct spender *spender;
    struct retention *retention;
    struct live *live, *published;
    struct spare *spare;
    struct tagger *tagger;
    struct finder *finder;
    struct campaigns *campaigns;
    struct hall *hall;
    struct evals *evals;
    struct campaign_answers *answers;
    struct sessions *sessions;
    struct rates *rates;
    struct addresses *addresses;
    struct keys *keys;
    struct http_context context;
    struct http_server *server;
    struct loop_fd signals;
    struct loop_timer deadline;
    bool stopping, hall_stopped, server_stopped, spare_stopped, evals_stopped, forced;
};

/* --- stopping --- */

static void look_whether_stopped(void *user)
{
    const struct house *house = user;
    if (house->hall_stopped && house->server_stopped && house->spare_stopped &&
        house->evals_stopped && !keeper_busy(house->keeper))
        loop_stop(house->loop);
}

static void one_stopped(struct house *house, bool *which)
{
    *which = true;
    look_whether_stopped(house);
}

static void hall_is_stopped(void *user)
{
    struct house *house = user;
    one_stopped(house, &house->hall_stopped);
}

static void evals_are_stopped(void *user)
{
    struct house *house = user;
    one_stopped(house, &house->evals_stopped);
}

static void server_is_stopped(void *user)
{
    struct house *house = user;
    one_stopped(house, &house->server_stopped);
}

static void spare_is_stopped(void *user)
{
    struct house *house = user;
    one_stopped(house, &house->spare_stopped);
}

static void took_too_long(void *user)
{
    struct house *house = user;
    log_warning("serve", "still busy after %d s; stopping all the same", STOP_SECONDS);
    house->forced = true;
    loop_stop(house->loop);
}

static void on_signal(void *user, uint32_t events)
{
    struct house *house = user;
    struct signalfd_siginfo info;
    (void)events;
    if (read(house->signals.fd, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo == SIGHUP) {
        if (house->keeper && !house->stopping)
            keeper_reload(house->keeper);
        return;
    }
    if (house->stopping) { /* asked twice: at once */
        house->forced = true;
        loop_stop(house->loop);
        return;
    }
    house->stopping = true;
    log_note("serve", "stopping");
    house->deadline = (struct loop_timer){.expired = took_too_long, .user = house};
    loop_timer_start(house->loop, &house->deadline, clock_mono_ns() + STOP_SECONDS * CLOCK_S);
    spare_stop(house->spare, spare_is_stopped, house);
    hall_stop(house->hall, hall_is_stopped, house);
    evals_stop(house->evals, evals_are_stopped, house);
    http_server_stop(house->server, server_is_stopped, house);
}

/* Signals become events of the loop. Blocked before any thread is started, so that every thread
 * has them blocked. */
static bool catch_signals(struct house *house, struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    house->signals = (struct loop_fd){
        .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .ready = on_signal, .user = house};
    return (house->signals.fd >= 0 && loop_fd_start(house->loop, &house->signals, EPOLLIN)) ||
           err_set(err, ERR_INTERNAL, "cannot watch for signals");
}

/* --- starting --- */

static void board_is_ready(void *user, const struct err *err)
{
    (void)user;
    if (err)
        log_error("board", "%s", err->message);
}

/* Who asks models when no person does. */
static bool open_guests(struct house *house, struct err *err)
{
    struct tagger_options options = {.spare = house->spare,
                                     .workers = house->workers,
                                     .store = house->store,
                                     .roster = house->roster,
                                     .live = house->live,
                                     .model = house->config.tagger,
                                     .quiet_ms = 1000 * house->config.tagging_quiet};
    struct finder_options finder = {.spare = house->spare,
                                    .workers = house->workers,
                                    .store = house->store,
                                    .roster = house->roster,
                                    .model = house->config.finder,
                                    .at_home = house->config.auth.mode == AUTH_LOCAL,
                                    .quiet_ms = 1000 * house->config.finder_quiet};
    return tagger_start(&house->tagger, &options, err) &&
           finder_start(&house->finder, &finder, err);
}

/* What still makes pairs for it stops paying for them. */
static void campaign_has_ended(void *user, const char *id)
{
    const struct house *house = user;
    evals_end_campaign(house->evals, id, "its campaign has ended");
}

static bool open_answers(struct house *house, struct err *err)
{
    struct campaign_answers_options options = {.workers = house->workers,
                                               .store = house->store,
                                               .roster = house->roster,
                                               .campaigns = house->campaigns,
                                               .evals = house->evals};
    house->answers = campaign_answers_new(&options, err);
    return house->answers && campaign_answers_begin(house->answers, err);
}

/* Who is there has changed: campaigns that waited for it may go on. */
static void roster_is_settled(void *user)
{
    struct house *house = user;
    if (!house->stopping && house->answers)
        campaign_answers_go_on(house->answers);
    look_whether_stopped(house);
}

static bool open_evals(struct house *house, struct err *err)
{
    struct evals_options options = {.loop = house->loop,
                                    .workers = house->workers,
                                    .store = house->store,
                                    .roster = house->roster,
                                    .live = house->live};
    house->evals = evals_new(&options, err);
    if (house->evals)
        evals_resume_campaigns(house->evals);
    return house->evals && open_answers(house, err);
}

/* ARENA_UNPACED=not-blind shows each lane as it comes: what the pacer is worth is measured by
 * taking it away (tests/blindness.py). Nobody votes like that but the one who measures. */
static bool read_unpaced(const struct house *house, bool *unpaced, struct err *err)
{
    const char *word = getenv("ARENA_UNPACED");
    *unpaced = word && strcmp(word, "not-blind") == 0;
    if (*unpaced && house->config.auth.mode != AUTH_LOCAL)
        return err_set(err, ERR_CONFIG,
                       "ARENA_UNPACED is for measuring in the auth mode \"local\": unset it");
    if (*unpaced)
        log_warning("serve", "ARENA_UNPACED: nothing is paced, so no battle is blind");
    return true;
}

/* The boards as they are, and as they were last published. */
static bool open_boards(struct house *house, struct err *err)
{
    bool home = house->config.auth.mode == AUTH_LOCAL;
    struct live_options live = {.view = home ? LIVE_ALL : LIVE_STAFF,
                                .loop = house->loop,
                                .workers = house->workers,
                                .store = house->store,
                                .min_votes = (uint64_t)house->config.min_votes,
                                .daily_votes = house->config.daily_votes,
                                .sampling = house->config.sampling};
    house->live = live_new(&live, err);
    live.view = LIVE_PUBLISHED;
    house->published = house->live ? live_new(&live, err) : NULL;
    struct db *db = house->published ? store_read_open(store_dir(house->store), err) : NULL;
    struct publication *newest = NULL;
    bool good = db && publication_newest(db, &newest, err);
    db_close(db);
    if (newest)
        live_publish(house->published, newest);
    publication_release(newest);
    if (good)
        live_start(house->live, board_is_ready, house);
    return good;
}

static bool open_rooms(struct house *house, struct err *err)
{
    bool unpaced;
    if (!read_unpaced(house, &unpaced, err))
        return false;
    house->roster = settings_roster(&house->config, house->loop, (struct roster_options){0}, err);
    if (house->roster && roster_count(house->roster) < 2)
        log_warning("serve", "only one competitor is configured: a battle needs two");
    if (!house->roster || !acquaint(house->roster, house->store, err) ||
        !(house->workers = workers_new(house->loop, WORKERS, err)))
        return false;
    house->spare = spare_new(house->loop, house->roster, err);
    if (!house->spare || !open_boards(house, err))
        return false;
    struct campaigns_options campaigns = {.workers = house->workers,
                                          .store = house->store,
                                          .ended = campaign_has_ended,
                                          .user = house};
    house->campaigns = campaigns_new(&campaigns, err);
    if (!house->campaigns)
        return false;
    struct hall_options hall = {.loop = house->loop,
                                .workers = house->workers,
                                .store = house->store,
                                .roster = house->roster,
                                .live = house->live,
                                .campaigns = house->campaigns,
                                .same_prompt = house->config.same_prompt_votes,
                                .daily_votes = house->config.daily_votes,
                                .unpaced = unpaced};
    house->hall = open_guests(house, err) ? hall_new(&hall, err) : NULL;
    house->sessions = house->hall && open_evals(house, err)
                          ? sessions_new(house->store, house->config.auth.mode, err)
                          : NULL;
    house->rates = house->sessions ? rates_new() : NULL;
    house->addresses = house->rates ? addresses_new() : NULL;
    if (house->sessions && !house->addresses)
        return err_set(err, ERR_MEMORY, "out of memory");
    house->keys = house->addresses ? keys_new(house->store, err) : NULL;
    return house->keys != NULL;
}

static bool open_keeper(struct house *house, const char *config, const char *data, struct err *err)
{
    struct keeper_options options = {.loop = house->loop,
                                     .workers = house->workers,
                                     .store = house->store,
                                     .roster = house->roster,
                                     .settings = &house->config,
                                     .config = config,
                                     .data = data,
                                     .boards = {house->live, house->published},
                                     .idle = roster_is_settled,
                                     .user = house};
    house->spender = spender_new(house->roster, house->store, err);
    house->keeper = house->spender ? keeper_new(&options, err) : NULL;
    int64_t days = house->config.text_days;
    if (!house->keeper || !days)
        return house->keeper != NULL;
    house->retention = retention_new(house->loop, house->store, days, err);
    return house->retention != NULL;
}

static bool open_server(struct house *house, const char *listen, struct err *err)
{
    char *socket_path = file_join(store_dir(house->store), "arena.sock");
    const struct settings_auth *auth = &house->config.auth;
    struct http_options options = {.listen = listen,
                                   .socket_path = socket_path,
                                   .certificate = auth->certificate,
                                   .key = auth->key};
    house->context = (struct http_context){.loop = house->loop,
                                           .workers = house->workers,
                                           .store = house->store,
                                           .roster = house->roster,
                                           .hall = house->hall,
                                           .live = house->live,
                                           .published = house->published,
                                           .campaigns = house->campaigns,
                                           .evals = house->evals,
                                           .sessions = house->sessions,
                                           .rates = house->rates,
                                           .addresses = house->addresses,
                                           .keys = house->keys,
                                           .change_roster = keeper_ask,
                                           .change_roster_user = house->keeper,
                                           .open_v1 = auth->open_v1,
                                           .early_access = house->config.early_access,
                                           .auth = auth->mode,
                                           .https = auth->https,
                                           .hosts = auth->hosts,
                                           .proxies = auth->proxies,
                                           .identity = auth->identity,
                                           .administrators = auth->administrators,
                                           .analysts = auth->analysts};
    house->server = http_server_new(&house->context, &options, err);
    free(socket_path);
    return house->server && store_announce(house->store, http_server_url(house->server), err);
}

/* Rooms that are still busy cannot be taken apart: what is with the writer is committed, the
 * rest ends with us. */
static void leave_at_once(struct house *house)
{
    store_close(house->store);
    _exit(EXIT_OK);
}

static void close_house(struct house *house)
{
    if (house->loop)
        loop_timer_stop(house->loop, &house->deadline);
    retention_stop(house->retention);
    http_server_free(house->server);
    hall_free(house->hall);
    evals_free(house->evals);
    rates_free(house->rates);
    addresses_free(house->addresses);
    live_stop(house->live);
    live_stop(house->published);
    workers_free(house->workers);
    if (house->loop)
        loop_turn(house->loop, 0); /* what the workers still had to say */
    keeper_free(house->keeper);
    live_free(house->live);
    live_free(house->published);
    campaigns_free(house->campaigns);
    roster_free(house->roster);
    campaign_answers_free(house->answers);
    store_close(house->store);
    if (house->loop)
        loop_turn(house->loop, 0); /* the store's last answers */
    tagger_free(house->tagger);
    finder_free(house->finder);
    spare_free(house->spare);
    retention_free(house->retention);
    spender_free(house->spender);
    keys_free(house->keys);
    sessions_free(house->sessions);
    if (house->loop)
        loop_fd_stop(house->loop, &house->signals);
    if (house->signals.fd > 0)
        close(house->signals.fd);
    loop_free(house->loop);
    settings_done(&house->config);
}

static int serve(struct house *house, const char *listen, const char *config, const char *data,
                 struct err *err)
{
    house->loop = loop_new(err);
    if (!house->loop || !catch_signals(house, err) ||
        !(house->store = store_open(data, house->loop, err)) || !open_rooms(house, err) ||
        !open_keeper(house, config, data, err) || !open_server(house, listen, err))
        return command_fail(&command_serve, err);
    printf("arena is ready: %s\n", http_server_url(house->server));
    fflush(stdout);
    loop_run(house->loop);
    if (house->forced)
        leave_at_once(house);
    return EXIT_OK;
}

static int run(int argc, char **argv)
{
    struct err err = ERR_INIT;
    const char *listen = "127.0.0.1:8080", *data = "arena-data", *config = NULL, *device = NULL;
    int positional;
    const struct option_spec specs[] = {{"listen", OPTION_TEXT, &listen, NULL, 0, 0},
                                        {"data", OPTION_TEXT, &data, NULL, 0, 0},
                                        {"config", OPTION_TEXT, &config, NULL, 0, 0},
                                        {"device", OPTION_TEXT, &device, NULL, 0, 0},
                                        {NULL, OPTION_FLAG, NULL, NULL, 0, 0}};
    if (!options_read(&command_serve, argc, argv, specs, &positional, 0))
        return EXIT_USAGE;
    secret_guard();
    struct house house = {0};
    if (!settings_load(&house.config, config, data, &err))
        return command_fail(&command_serve, &err);
    house.config.device = device ? device : house.config.device;
    int code = serve(&house, listen, config, data, &err);
    close_house(&house);
    return code;
}

const struct command command_serve = {
    "serve", "serve the arena to a browser",
    "Usage: arena serve [--listen ADDRESS:PORT] [--data DIR] [--config FILE] [--device DEVICE]\n\n"
    "Serves blind battles and their leaderboard, and prints its address when it is ready. Ctrl-C "
    "or SIGTERM ends\n"
    "open streams with a last event and stops within five seconds; everything committed stays. "
    "SIGHUP reads the "
    "configuration\nanew and changes the competitors; a broken one changes nothing.\n\n"
    "  --listen ADDRESS:PORT   127.0.0.1:8080 by default; port 0 takes any free one. Only loopback "
    "addresses while\n"
    "                          the auth mode is \"local\"\n"
    "  --data DIR              the data directory, created where it is missing; ./arena-data by "
    "default\n"
    "  --config FILE           the configuration; DIR/arena.json by default, else the default "
    "in-house models\n"
    "  --device DEVICE         where in-house models run: auto (the first CUDA device that "
    "computes "
    "what the CPU does,\n"
    "                          else the CPU), cpu, cuda or cuda:N\n",
    run};
