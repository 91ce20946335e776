/* A chat is a small state machine: waiting for admission, an attempt under way, or waiting to
 * try again. Whatever ends an attempt goes through attempt_over, which alone decides whether
 * there is another one; whatever ends the chat goes through chat_over, so that `end` comes
 * exactly once. */
#include "competitor/attempt.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "competitor/cost.h"
#include "competitor/reader.h"

enum { DEFAULT_RETRIES = 4, SAME_FAULT_MOST = 3 };
#define FIRST_S 120.0           /* to the first byte, and to the first content */
#define FIRST_REASONING_S 600.0 /* the same for models that may think first */
#define IDLE_S 120.0            /* between pieces of content; comments and pings do not count */
#define TOTAL_S 1800.0
#define DELAY_LEAST_S 0.25 /* also when the provider says 0: never a hot loop */
#define DELAY_MOST_S 120.0 /* told to wait longer: give up, the caller decides */
#define BACKOFF_MOST_S 60.0

struct chat {
    struct competitor *competitor;
    struct remote *remote;
    struct chat_sink sink;
    struct chat_message *messages; /* text owned */
    size_t count;
    struct chat_params params; /* strings borrowed from the configuration, or owned below */
    char *reasoning;
    char **stop;
    struct limiter_waiter waiter;
    struct loop_timer deadline, again;
    struct transfer *transfer;
    struct reader reader;
    struct buf sent;
    bool inside;    /* holds a place of the limiter */
    bool delivered; /* this attempt has given something to the sink */
    bool in_delta;  /* the sink is being called: a cancel must wait */
    bool cancelled;
    int attempts, retries;
    int status;        /* of this attempt's response; 0: none came */
    double spent_usd;  /* by earlier attempts; NaN: one of them nobody knows */
    double held_usd;   /* of the budgets, for the attempt that waits or is under way */
    bool sent_nothing; /* this attempt's request never left */
    char request_id[128];
    size_t request_id_rank;
    double header_delay_s; /* NaN: none */
    int should_retry;      /* the provider's own word: 1 yes, 0 no, -1 none */
    int64_t started_ns, attempt_ns, first_content_ns, last_content_ns, first_byte_ns;
    char last_fault[128];
    int same_faults;
    unsigned faults[CHAT_ERROR_CLASSES]; /* attempts that failed */
};

/* --- endings --- */

static void chat_free(struct chat *chat)
{
    for (size_t i = 0; i < chat->count; i++)
        free((char *)chat->messages[i].text.data);
    free(chat->messages);
    free(chat->reasoning);
    for (size_t i = 0; chat->stop && i < chat->params.stops; i++)
        free(chat->stop[i]);
    free(chat->stop);
    buf_done(&chat->sent);
    free(chat);
}

/* What this attempt cost, NaN where nobody knows: the configured price first, else what the
 * provider says. */
static double attempt_cost(const struct chat *chat)
{
    const struct reply *reply = &chat->reader.reply;
    double cost = cost_of(&chat->competitor->config, &reply->usage, clock_wall_ms());
    return isnan(cost) ? reply->reported_cost : cost;
}

/* What it is charged with: a request that was refused, or never left, costs nothing. */
static double attempt_charge(const struct chat *chat)
{
    return chat->status >= 300 || chat->sent_nothing ? 0 : attempt_cost(chat);
}

/* An attempt, or its waiting, is over: its place and what it held of the budgets are given back. */
static void leave(struct chat *chat, enum limiter_outcome outcome)
{
    struct remote *remote = chat->remote;
    double charge = chat->inside ? attempt_charge(chat) : 0;
    int64_t now = clock_wall_ms();
    budget_settle(remote->budget, chat->held_usd, charge, now);
    budget_settle(remote->arena_budget, chat->held_usd, charge, now);
    chat->held_usd = 0;
    if (chat->inside)
        limiter_leave(remote->limiter, outcome);
    chat->inside = false;
}

/* Wherever a provider may repeat the key. */
static void mask(struct chat *chat)
{
    struct reply *reply = &chat->reader.reply;
    char *const said[] = {reply->model, reply->id, reply->error.message, chat->request_id};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        endpoint_mask(&chat->remote->endpoint, said[i]);
}

static void chat_over(struct chat *chat, enum chat_finish finish)
{
    struct reply *reply = &chat->reader.reply;
    struct remote *remote = chat->remote;
    mask(chat);
    struct chat_end end = {
        .finish = finish,
        .usage = reply->usage,
        .model = reply->model[0] ? reply->model : NULL,
        .request_id = chat->request_id[0] ? chat->request_id
                      : reply->id[0]      ? reply->id
                                          : NULL,
        .sent = chat->sent.length ? chat->sent.data : NULL,
        .attempts = chat->attempts,
        .first_content_ns = chat->first_content_ns ? chat->first_content_ns - chat->started_ns : 0,
        .total_ns = clock_mono_ns() - chat->started_ns,
        .cooling_until_ns = limiter_figures(remote->limiter).cooling_until,
    };
    memcpy(end.faults, chat->faults, sizeof end.faults);
    end.cost_usd = chat->spent_usd + attempt_cost(chat);
    if (finish != CHAT_CANCELLED && reply->error.class != CHAT_OK) {
        end.error.class = reply->error.class;
        end.error.retryable = reply->error.retryable;
        end.error.status = chat->status;
        memcpy(end.error.message, reply->error.message, sizeof end.error.message);
    }
    loop_timer_stop(remote->loop, &chat->deadline);
    loop_timer_stop(remote->loop, &chat->again);
    chat->competitor->under_way--;
    struct chat_sink sink = chat->sink;
    sink.end(sink.user, &end);
    reader_done(&chat->reader);
    chat_free(chat);
}

/* --- trying again --- */

static void on_delta(void *user, enum chat_channel channel, struct text text);

/* False, with the reason as the reply's error, where the worst case of one more attempt is more
 * than is left today. */
static bool hold_budget(struct chat *chat)
{
    struct remote *remote = chat->remote;
    struct budget *both[] = {remote->budget, remote->arena_budget};
    int64_t now = clock_wall_ms();
    double worst =
        cost_at_worst(&chat->competitor->config, chat->messages, chat->count, &chat->params, now);
    for (size_t i = 0; i < 2; i++)
        if (!budget_has_room(both[i], worst, now)) {
            reply_fail(&chat->reader.reply, CHAT_QUOTA,
                       "%s daily \"budget\" of $%.6g has no room for this request (up to $%.6g; "
                       "spent $%.6g, under way "
                       "$%.6g): raise it, or wait until midnight UTC",
                       i ? "the arena's" : "the competitor's", both[i]->limit_usd, worst,
                       both[i]->spent_usd, both[i]->held_usd);
            return false;
        }
    chat->held_usd = isnan(worst) ? 0 : worst;
    for (size_t i = 0; i < 2; i++)
        budget_hold(both[i], chat->held_usd);
    return true;
}

/* Asks for admission: a place that is free, and money that is left. */
static void join(struct chat *chat)
{
    if (hold_budget(chat)) {
        limiter_join(chat->remote->limiter, &chat->waiter);
    } else {
        chat->status = 0;
        chat_over(chat, CHAT_ERROR);
    }
}

static void start_over(struct chat *chat)
{
    chat->spent_usd += attempt_charge(chat);
    reader_done(&chat->reader);
    reader_init(&chat->reader, chat->remote->endpoint.dialect, chat->competitor->config.stream,
                on_delta, chat);
    chat->delivered = false;
    join(chat);
}

static void try_again(void *user)
{
    start_over(user);
}

/* The delay that the provider asks for, in seconds; NaN: none. */
static double told_delay(const struct chat *chat)
{
    double body = chat->reader.reply.error.retry_after_s, header = chat->header_delay_s;
    return isnan(body) ? header : isnan(header) || body > header ? body : header;
}

static double backoff(const struct chat *chat)
{
    uint64_t bits;
    double most = 1.0;
    for (int i = 1; i < chat->attempts && most < BACKOFF_MOST_S; i++)
        most *= 2;
    random_bytes(&bits, sizeof bits);
    return (most < BACKOFF_MOST_S ? most : BACKOFF_MOST_S) * (double)(bits >> 11) * 0x1p-53;
}

/* The same fault three times in a row will come a fourth time. */
static bool is_stuck(struct chat *chat)
{
    char fault[sizeof chat->last_fault];
    snprintf(fault, sizeof fault, "%d %.100s", chat->status, chat->reader.reply.error.message);
    bool same = chat->status >= 500 && strcmp(fault, chat->last_fault) == 0;
    chat->same_faults = same ? chat->same_faults + 1 : 1;
    memcpy(chat->last_fault, fault, sizeof fault);
    return chat->same_faults >= SAME_FAULT_MOST;
}

static bool may_retry(struct chat *chat, enum chat_finish finish)
{
    bool stuck = is_stuck(chat);
    if (!chat_finish_failed(finish) || chat->attempts > chat->retries || stuck)
        return false;
    bool retryable = finish == CHAT_TRUNCATED || chat->reader.reply.error.retryable;
    double told = told_delay(chat);
    if (!retryable || (!isnan(told) && told > DELAY_MOST_S))
        return false;
    return !chat->delivered || (chat->sink.restart && chat->sink.restart(chat->sink.user));
}

static void attempt_over(struct chat *chat, enum chat_finish finish)
{
    struct remote *remote = chat->remote;
    enum chat_error_class class = chat->reader.reply.error.class;
    if (chat->should_retry >= 0 && chat->status >= 400)
        chat->reader.reply.error.retryable = chat->should_retry;
    chat->faults[class] += chat_finish_failed(finish);
    bool too_much = class == CHAT_RATE_LIMIT || class == CHAT_OVERLOADED;
    loop_timer_stop(remote->loop, &chat->deadline);
    chat->transfer = NULL;
    double told = told_delay(chat);
    if (too_much && !isnan(told) && told <= DELAY_MOST_S)
        limiter_cool_down(remote->limiter, clock_mono_ns() + (int64_t)(told * (double)CLOCK_S));
    leave(chat, too_much                     ? LIMITER_TOO_MUCH
                : chat_finish_failed(finish) ? LIMITER_OTHER
                                             : LIMITER_GOOD);
    if (chat->attempts <= chat->retries && endpoint_learn(&remote->endpoint, &chat->reader.reply)) {
        start_over(chat);
        return;
    }
    if (!may_retry(chat, finish)) {
        chat_over(chat, finish);
        return;
    }
    double delay = isnan(told) ? backoff(chat) : told;
    delay = delay < DELAY_LEAST_S ? DELAY_LEAST_S : delay;
    if (!loop_timer_start(remote->loop, &chat->again,
                          clock_mono_ns() + (int64_t)(delay * (double)CLOCK_S)))
        chat_over(chat, finish);
}

/* --- deadlines --- */

static double or_else(double value, double otherwise)
{
    return isnan(value) ? otherwise : value;
}

static int64_t after(int64_t from, double seconds)
{
    return from + (int64_t)(seconds * (double)CLOCK_S);
}

/* The nearest deadline that is in force, and what it is called. */
static int64_t next_deadline(const struct chat *chat, const char **what)
{
    const struct competitor_config *config = &chat->competitor->config;
    double first = chat->params.reasoning ? FIRST_REASONING_S : FIRST_S;
    int64_t total = after(chat->attempt_ns, or_else(config->total_s, TOTAL_S)), nearest = total;
    *what = "the whole answer took too long";
    if (!config->stream && chat->first_byte_ns)
        return total;
    int64_t other;
    if (chat->last_content_ns) {
        other = after(chat->last_content_ns, or_else(config->idle_s, IDLE_S));
        *what = other < total ? "no more content came" : *what;
    } else if (chat->first_byte_ns) {
        other = after(chat->attempt_ns, or_else(config->first_content_s, first));
        *what = other < total ? "no content came" : *what;
    } else {
        /* Without a stream nothing comes before the whole answer stands. */
        other = after(chat->attempt_ns,
                      or_else(config->first_byte_s, config->stream ? first : TOTAL_S));
        *what = other < total ? "no response came" : *what;
    }
    return other < nearest ? other : nearest;
}

/* Content moves the deadline without touching the timer: it looks again when it expires. */
static void deadline_expired(void *user)
{
    struct chat *chat = user;
    const char *what;
    int64_t when = next_deadline(chat, &what);
    if (clock_mono_ns() < when) {
        loop_timer_start(chat->remote->loop, &chat->deadline, when);
        return;
    }
    transfer_cancel(chat->transfer);
    reply_fail(&chat->reader.reply, CHAT_TIMEOUT, "%s (%.3g s)", what,
               (double)(when - chat->attempt_ns) / (double)CLOCK_S);
    attempt_over(chat, CHAT_ERROR);
}

static bool set_deadline(struct chat *chat)
{
    const char *what;
    return loop_timer_start(chat->remote->loop, &chat->deadline, next_deadline(chat, &what));
}

/* --- an attempt --- */

static void on_delta(void *user, enum chat_channel channel, struct text text)
{
    struct chat *chat = user;
    if (chat->cancelled)
        return;
    chat->last_content_ns = clock_mono_ns();
    if (!chat->first_content_ns)
        chat->first_content_ns = chat->last_content_ns;
    chat->delivered = true;
    chat->in_delta = true;
    chat->sink.delta(chat->sink.user, channel, text);
    chat->in_delta = false;
}

static bool is(struct text name, const char *word)
{
    return text_equal(name, text_of(word));
}

static void keep_delay(struct chat *chat, double seconds)
{
    if (seconds >= 0 && !(chat->header_delay_s > seconds))
        chat->header_delay_s = seconds;
}

/* The name that the provider's support asks for; where there are several, the first of the list. */
static void keep_request_id(struct chat *chat, struct text name, const char *value)
{
    static const char *const IDS[] = {
        "x-request-id",      "request-id",      "x-ds-trace-id",  "mistral-correlation-id",
        "x-kong-request-id", "apim-request-id", "x-ms-request-id"};
    enum { COUNT = sizeof IDS / sizeof *IDS };
    for (size_t i = 0; i < COUNT; i++)
        if (is(name, IDS[i]) && COUNT - i > chat->request_id_rank) {
            chat->request_id_rank = COUNT - i;
            snprintf(chat->request_id, sizeof chat->request_id, "%s", value);
        }
}

static void on_header(void *user, struct text name, struct text value)
{
    struct chat *chat = user;
    char text[128];
    snprintf(text, sizeof text, "%.*s", (int)value.length, value.data);
    keep_request_id(chat, name, text);
    if (is(name, "retry-after-ms"))
        keep_delay(chat, strtod(text, NULL) / 1000);
    else if (is(name, "x-should-retry"))
        chat->should_retry = is(value, "true") ? 1 : is(value, "false") ? 0 : -1;
    else if (is(name, "retry-after")) {
        char *end;
        double seconds = strtod(text, &end); /* else an HTTP date */
        if (end == text)
            seconds = difftime(curl_getdate(text, NULL), (time_t)(clock_wall_ms() / 1000));
        keep_delay(chat, seconds);
    }
}

static void on_status(void *user, int status)
{
    struct chat *chat = user;
    chat->first_byte_ns = clock_mono_ns();
    chat->status = status;
    if (status < 400)
        chat->header_delay_s = NAN; /* some send one on success, too */
    reader_status(&chat->reader, status);
    if (status >= 300 && status < 400)
        reply_fail(&chat->reader.reply, CHAT_PROTOCOL,
                   "the endpoint redirects (HTTP %d), which is refused: set \"base_url\" to where "
                   "it leads",
                   status);
    set_deadline(chat);
}

static bool on_body(void *user, struct text bytes)
{
    struct chat *chat = user;
    return reader_feed(&chat->reader, bytes) && !chat->cancelled;
}

static void on_end(void *user, enum transfer_failure failure, bool sent, const char *why)
{
    struct chat *chat = user;
    chat->sent_nothing = !sent;
    bool clean = failure == TRANSFER_OK;
    if (failure == TRANSFER_TIMEOUT)
        reply_fail(&chat->reader.reply, CHAT_TIMEOUT, "%s", why);
    chat->transfer = NULL;
    enum chat_finish finish =
        chat->cancelled ? CHAT_CANCELLED : reader_end(&chat->reader, clean, why);
    if (!chat->cancelled) { /* the last piece of text may have led to a cancel */
        attempt_over(chat, finish);
        return;
    }
    leave(chat, LIMITER_OTHER);
    chat_over(chat, CHAT_CANCELLED);
}

static bool send_request(struct chat *chat, const struct dialect_request *request, struct buf *url,
                         struct buf *body, struct err *err)
{
    struct remote *remote = chat->remote;
    struct buf key;
    buf_init(&key, 8192);
    const char *headers[5] = {"Content-Type: application/json", request->stream
                                                                    ? "Accept: text/event-stream"
                                                                    : "Accept: application/json"};
    endpoint_headers(&remote->endpoint, &key, headers + 2);
    struct transfer_request transfer = {url->data, headers, buf_text(body),
                                        chat->competitor->config.allow_http, !request->stream};
    struct transfer_events events = {on_header, on_status, on_body, on_end, chat};
    if (key.failed || url->failed || body->failed || chat->sent.failed)
        err_set(err, ERR_MEMORY, "out of memory");
    else
        chat->transfer = transfer_start(remote->pool, &transfer, &events, err);
    secret_wipe(key.data, key.capacity);
    buf_done(&key);
    return chat->transfer != NULL;
}

static void begin_attempt(struct chat *chat)
{
    buf_clear(&chat->sent);
    chat->inside = true;
    chat->attempts++;
    chat->attempt_ns = clock_mono_ns();
    chat->first_byte_ns = chat->last_content_ns = 0;
    chat->status = 0;
    chat->sent_nothing = false;
    chat->request_id[0] = '\0';
    chat->request_id_rank = 0;
    chat->header_delay_s = NAN;
    chat->should_retry = -1;
}

static void start_attempt(void *user)
{
    struct chat *chat = user;
    struct remote *remote = chat->remote;
    struct err err = ERR_INIT;
    struct dialect_request request = {chat->competitor->config.model,
                                      chat->messages,
                                      chat->count,
                                      &chat->params,
                                      &remote->endpoint.quirks,
                                      remote->endpoint.dropped,
                                      chat->competitor->config.stream};
    struct buf path, url, body;
    buf_init(&path, 4096);
    buf_init(&url, 8192);
    buf_init(&body, 16 << 20);
    begin_attempt(chat);
    if (!remote->endpoint.dialect->path(&request, &path) ||
        !endpoint_url(&remote->endpoint, path.data, &url))
        url.failed = true;
    remote->endpoint.dialect->write(&request, &body, &chat->sent);
    bool sent = send_request(chat, &request, &url, &body, &err);
    buf_done(&path);
    buf_done(&url);
    buf_done(&body);
    if (sent && set_deadline(chat))
        return;
    if (sent) {
        transfer_cancel(chat->transfer);
        err_set(&err, ERR_MEMORY, "out of memory");
    }
    reply_fail(&chat->reader.reply, err.code == ERR_CONFIG ? CHAT_BAD_REQUEST : CHAT_OVERLOADED,
               "%s", err.message);
    chat->retries = 0;
    chat->sent_nothing = true;
    attempt_over(chat, CHAT_ERROR);
}

/* --- the adapter --- */

static bool copy_params(struct chat *chat, const struct chat_params *params)
{
    chat->params = *params;
    chat->params.stops = 0;
    if (params->reasoning &&
        !(chat->params.reasoning = chat->reasoning = strdup(params->reasoning)))
        return false;
    if (params->stops && !(chat->stop = calloc(params->stops, sizeof *chat->stop)))
        return false;
    chat->params.stop = (const char *const *)chat->stop;
    for (size_t i = 0; i < params->stops; i++) {
        if (!(chat->stop[i] = strdup(params->stop[i])))
            return false;
        chat->params.stops = i + 1;
    }
    return true;
}

static bool copy_messages(struct chat *chat, const struct chat_message *messages, size_t count)
{
    chat->messages = calloc(count ? count : 1, sizeof *chat->messages);
    for (size_t i = 0; chat->messages && i < count; i++) {
        char *text = malloc(messages[i].text.length + 1);
        if (!text)
            return false;
        memcpy(text, messages[i].text.data, messages[i].text.length);
        text[messages[i].text.length] = '\0';
        chat->messages[chat->count++] =
            (struct chat_message){messages[i].role, {text, messages[i].text.length}};
    }
    return chat->messages != NULL;
}

/* Starting is always told later, from the loop: the caller has its handle before anything is
 * called. */
static void begin(void *user)
{
    struct chat *chat = user;
    struct remote *remote = chat->remote;
    if (chat->cancelled) {
        chat_over(chat, CHAT_CANCELLED);
    } else if (remote->endpoint.key_error[0]) {
        reply_fail(&chat->reader.reply, CHAT_AUTH, "%s", remote->endpoint.key_error);
        chat_over(chat, CHAT_ERROR);
    } else {
        join(chat);
    }
}

struct chat *attempt_chat(struct competitor *competitor, const struct chat_message *messages,
                          size_t count, const struct chat_params *params,
                          const struct chat_sink *sink, struct err *err)
{
    struct remote *remote = competitor->state;
    struct chat *chat = calloc(1, sizeof *chat);
    if (!chat) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    *chat = (struct chat){
        .competitor = competitor, .remote = remote, .sink = *sink, .started_ns = clock_mono_ns()};
    chat->waiter = (struct limiter_waiter){
        .admitted = start_attempt, .user = chat, .background = params->background};
    chat->deadline = (struct loop_timer){.expired = deadline_expired, .user = chat};
    chat->again = (struct loop_timer){.expired = try_again, .user = chat};
    chat->retries = competitor->config.retries >= 0 ? competitor->config.retries : DEFAULT_RETRIES;
    chat->header_delay_s = NAN;
    buf_init(&chat->sent, 1 << 20);
    if (!copy_params(chat, params) || !copy_messages(chat, messages, count) ||
        !loop_post(remote->loop, begin, chat)) {
        chat_free(chat);
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    reader_init(&chat->reader, remote->endpoint.dialect, competitor->config.stream, on_delta, chat);
    competitor->under_way++;
    return chat;
}

void attempt_cancel(struct chat *chat)
{
    bool begun = chat->attempts || chat->waiter.waiting;
    chat->cancelled = true;
    if (!begun || chat->in_delta)
        return; /* begin, or the end of the transfer that on_body now gives up, tells it */
    limiter_quit(chat->remote->limiter, &chat->waiter);
    if (chat->transfer)
        transfer_cancel(chat->transfer);
    chat->transfer = NULL;
    leave(chat, LIMITER_OTHER);
    chat_over(chat, CHAT_CANCELLED);
}
