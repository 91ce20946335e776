/* A chat is a small state machine: waiting for admission, an attempt under way, or waiting to try again. Whatever ends
 * an attempt goes through attempt_over, which alone decides whether there is another one; whatever ends the chat goes
 * through chat_over, so that `end` comes exactly once. */
#include "competitor/remote.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/random.h"
#include "competitor/cost.h"
#include "competitor/limiter.h"
#include "competitor/provider.h"
#include "competitor/reader.h"
#include "competitor/transfer.h"

enum { DEFAULT_RETRIES = 4, SAME_FAULT_MOST = 3 };
#define FIRST_S 120.0           /* to the first byte, and to the first content */
#define FIRST_REASONING_S 600.0 /* the same for models that may think first */
#define IDLE_S 120.0            /* between pieces of content; comments and pings do not count */
#define TOTAL_S 1800.0
#define DELAY_LEAST_S 0.25 /* also when the provider says 0: never a hot loop */
#define DELAY_MOST_S 120.0 /* told to wait longer: give up, the caller decides */
#define BACKOFF_MOST_S 60.0

struct shared_limiter {
    uint8_t digest[DIGEST_SIZE]; /* of endpoint and key */
    struct limiter *limiter;
    struct shared_limiter *next;
};

struct remote_hub {
    struct loop *loop;
    struct transfer_pool *pool;
    struct shared_limiter *limiters;
};

struct remote {
    struct remote_hub *hub;
    const struct provider *provider;
    const struct dialect *dialect;
    struct dialect_quirks quirks;
    unsigned dropped; /* what the model refused, as bits of enum dialect_member */
    bool swapped_cap;
    char *base_url;
    char *key;           /* NULL: none */
    char key_error[256]; /* why there is none although one is needed */
    struct limiter *limiter;
};

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
    bool inside;        /* holds a place of the limiter */
    bool delivered;     /* this attempt has given something to the sink */
    bool in_delta;      /* the sink is being called: a cancel must wait */
    bool cancelled;
    int attempts, retries;
    char request_id[128];
    double header_delay_s; /* NaN: none */
    int should_retry;      /* the provider's own word: 1 yes, 0 no, -1 none */
    int64_t started_ns, attempt_ns, first_content_ns, last_content_ns, first_byte_ns;
    char last_fault[128];
    int same_faults;
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

static void leave(struct chat *chat, enum limiter_outcome outcome)
{
    if (chat->inside)
        limiter_leave(chat->remote->limiter, outcome);
    chat->inside = false;
}

/* A key never leaves this process, also where a provider repeats part of it. */
static void mask_key(char *message, const char *key)
{
    enum { LEAST = 8 };
    size_t length = key ? strlen(key) : 0;
    for (size_t i = 0; message[i] && length >= LEAST; i++)
        for (size_t from = 0; from + LEAST <= length; from++) {
            size_t same = 0;
            while (message[i + same] && key[from + same] && message[i + same] == key[from + same])
                same++;
            if (same >= LEAST)
                memset(message + i, '*', same);
        }
}

static void chat_over(struct chat *chat, enum chat_finish finish)
{
    struct reply *reply = &chat->reader.reply;
    struct remote *remote = chat->remote;
    struct chat_end end = {
        .finish = finish,
        .usage = reply->usage,
        .model = reply->model[0] ? reply->model : NULL,
        .request_id = chat->request_id[0] ? chat->request_id : reply->id[0] ? reply->id : NULL,
        .sent = chat->sent.length ? chat->sent.data : NULL,
        .attempts = chat->attempts,
        .first_content_ns = chat->first_content_ns ? chat->first_content_ns - chat->started_ns : 0,
        .total_ns = clock_mono_ns() - chat->started_ns,
    };
    end.cost_usd = cost_of(&chat->competitor->config, &reply->usage);
    if (isnan(end.cost_usd))
        end.cost_usd = reply->reported_cost;
    if (finish != CHAT_CANCELLED && reply->error.class != CHAT_OK) {
        end.error.class = reply->error.class;
        end.error.retryable = reply->error.retryable;
        end.error.status = chat->reader.status == 200 && chat->reader.streams ? 0 : chat->reader.status;
        mask_key(reply->error.message, remote->key);
        memcpy(end.error.message, reply->error.message, sizeof end.error.message);
    }
    loop_timer_stop(remote->hub->loop, &chat->deadline);
    loop_timer_stop(remote->hub->loop, &chat->again);
    chat->competitor->under_way--;
    struct chat_sink sink = chat->sink;
    sink.end(sink.user, &end);
    reader_done(&chat->reader);
    chat_free(chat);
}

/* --- trying again --- */

static void on_delta(void *user, enum chat_channel channel, struct text text);

static void start_over(struct chat *chat)
{
    reader_done(&chat->reader);
    reader_init(&chat->reader, chat->remote->dialect, chat->competitor->config.stream, on_delta, chat);
    chat->delivered = false;
    limiter_join(chat->remote->limiter, &chat->waiter);
}

static void try_again(void *user)
{
    start_over(user);
}

/* The model refused one of the settings: leave it out from now on. The error names it (a `param`, or in words). */
static bool drop_what_was_refused(struct chat *chat)
{
    static const char *const MEMBERS[] = {
#define X(name, word) [name] = word,
        DIALECT_MEMBER_MAP(X)
#undef X
    };
    static const char *const SIGNS[] = {"nsupported", "not support", "not permitted", "nrecognized", "nknown name",
                                        "deprecated", "not allowed"};
    struct remote *remote = chat->remote;
    const char *message = chat->reader.reply.error.message;
    bool refused = false;
    for (size_t i = 0; i < sizeof SIGNS / sizeof *SIGNS; i++)
        refused = refused || strstr(message, SIGNS[i]);
    if (chat->reader.reply.error.class != CHAT_BAD_REQUEST || !refused)
        return false;
    if (strstr(message, remote->quirks.cap_key) && !remote->swapped_cap) {
        bool old = strcmp(remote->quirks.cap_key, "max_tokens") == 0;
        remote->quirks.cap_key = old ? "max_completion_tokens" : "max_tokens";
        return remote->swapped_cap = true;
    }
    for (unsigned i = 0; i < MEMBER_COUNT; i++)
        if (strstr(message, MEMBERS[i]) && !(remote->dropped & 1u << i)) {
            remote->dropped |= 1u << i;
            return true;
        }
    return false;
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
    snprintf(fault, sizeof fault, "%d %.100s", chat->reader.status, chat->reader.reply.error.message);
    bool same = chat->reader.status >= 500 && strcmp(fault, chat->last_fault) == 0;
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
    if (chat->should_retry >= 0 && chat->reader.status >= 400)
        retryable = chat->should_retry;
    double told = told_delay(chat);
    if (!retryable || (!isnan(told) && told > DELAY_MOST_S))
        return false;
    return !chat->delivered || (chat->sink.restart && chat->sink.restart(chat->sink.user));
}

static void attempt_over(struct chat *chat, enum chat_finish finish)
{
    struct remote *remote = chat->remote;
    enum chat_error_class class = chat->reader.reply.error.class;
    bool too_much = class == CHAT_RATE_LIMIT || class == CHAT_OVERLOADED;
    loop_timer_stop(remote->hub->loop, &chat->deadline);
    chat->transfer = NULL;
    double told = told_delay(chat);
    if (too_much && !isnan(told) && told <= DELAY_MOST_S)
        limiter_cool_down(remote->limiter, clock_mono_ns() + (int64_t)(told * (double)CLOCK_S));
    leave(chat, too_much ? LIMITER_TOO_MUCH : chat_finish_failed(finish) ? LIMITER_OTHER : LIMITER_GOOD);
    if (chat->attempts <= chat->retries && drop_what_was_refused(chat)) {
        start_over(chat);
        return;
    }
    if (!may_retry(chat, finish)) {
        chat_over(chat, finish);
        return;
    }
    double delay = isnan(told) ? backoff(chat) : told;
    delay = delay < DELAY_LEAST_S ? DELAY_LEAST_S : delay;
    loop_timer_start(remote->hub->loop, &chat->again, clock_mono_ns() + (int64_t)(delay * (double)CLOCK_S));
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
        other = after(chat->attempt_ns, or_else(config->first_byte_s, config->stream ? first : TOTAL_S));
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
        loop_timer_start(chat->remote->hub->loop, &chat->deadline, when);
        return;
    }
    transfer_cancel(chat->transfer);
    reply_fail(&chat->reader.reply, CHAT_TIMEOUT, "%s (%.3g s)", what, (double)(when - chat->attempt_ns) / (double)CLOCK_S);
    attempt_over(chat, CHAT_ERROR);
}

static void set_deadline(struct chat *chat)
{
    const char *what;
    loop_timer_start(chat->remote->hub->loop, &chat->deadline, next_deadline(chat, &what));
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

static void on_header(void *user, struct text name, struct text value)
{
    static const char *const IDS[] = {"x-request-id", "request-id", "x-ds-trace-id", "mistral-correlation-id",
                                      "apim-request-id"};
    struct chat *chat = user;
    char text[128];
    snprintf(text, sizeof text, "%.*s", (int)value.length, value.data);
    for (size_t i = 0; i < sizeof IDS / sizeof *IDS; i++)
        if (is(name, IDS[i]) && !chat->request_id[0])
            memcpy(chat->request_id, text, sizeof text);
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
    if (status < 400)
        chat->header_delay_s = NAN; /* some send one on success, too */
    reader_status(&chat->reader, status);
    if (status >= 300 && status < 400)
        reply_fail(&chat->reader.reply, CHAT_PROTOCOL, "the endpoint redirects (HTTP %d), which is refused: set \"base_url\" to where it leads",
                   status);
    set_deadline(chat);
}

static bool on_body(void *user, struct text bytes)
{
    struct chat *chat = user;
    return reader_feed(&chat->reader, bytes) && !chat->cancelled;
}

static void on_end(void *user, enum transfer_failure failure, const char *why)
{
    struct chat *chat = user;
    bool clean = failure == TRANSFER_OK;
    if (failure == TRANSFER_TIMEOUT)
        reply_fail(&chat->reader.reply, CHAT_TIMEOUT, "%s", why);
    chat->transfer = NULL;
    enum chat_finish finish = chat->cancelled ? CHAT_CANCELLED : reader_end(&chat->reader, clean, why);
    if (!chat->cancelled) { /* the last piece of text may have led to a cancel */
        attempt_over(chat, finish);
        return;
    }
    leave(chat, LIMITER_OTHER);
    chat_over(chat, CHAT_CANCELLED);
}

static bool add_url(const struct chat *chat, const struct dialect_request *request, struct buf *url)
{
    const char *base = chat->remote->base_url, *query = strchr(base, '?');
    size_t length = query ? (size_t)(query - base) : strlen(base);
    while (length && base[length - 1] == '/')
        length--;
    bool ok = buf_add(url, base, length) && chat->remote->dialect->path(request, url);
    return ok && (!query || (buf_add_char(url, strchr(url->data, '?') ? '&' : '?') && buf_add_string(url, query + 1)));
}

static bool send_request(struct chat *chat, const struct dialect_request *request, struct buf *url, struct buf *body,
                         struct err *err)
{
    struct remote *remote = chat->remote;
    struct buf key;
    buf_init(&key, 8192);
    if (remote->key)
        buf_printf(&key, "%s%s", provider_auth_header(remote->provider->auth), remote->key);
    const char *headers[5] = {"Content-Type: application/json"};
    size_t count = 1;
    headers[count++] = request->stream ? "Accept: text/event-stream" : "Accept: application/json";
    if (remote->dialect == &dialect_anthropic)
        headers[count++] = "anthropic-version: 2023-06-01";
    if (key.length)
        headers[count++] = key.data;
    struct transfer_request transfer = {url->data, headers, buf_text(body), chat->competitor->config.allow_http,
                                        !request->stream};
    struct transfer_events events = {on_header, on_status, on_body, on_end, chat};
    if (key.failed || url->failed || body->failed || chat->sent.failed)
        err_set(err, ERR_MEMORY, "out of memory");
    else
        chat->transfer = transfer_start(remote->hub->pool, &transfer, &events, err);
    secret_wipe(key.data, key.capacity);
    buf_done(&key);
    return chat->transfer != NULL;
}

static void start_attempt(void *user)
{
    struct chat *chat = user;
    struct remote *remote = chat->remote;
    struct err err = ERR_INIT;
    struct dialect_request request = {chat->competitor->config.model, chat->messages, chat->count, &chat->params,
                                      &remote->quirks, remote->dropped, chat->competitor->config.stream};
    struct buf url, body;
    buf_init(&url, 8192);
    buf_init(&body, 16 << 20);
    buf_clear(&chat->sent);
    chat->inside = true;
    chat->attempts++;
    chat->attempt_ns = clock_mono_ns();
    chat->first_byte_ns = chat->last_content_ns = 0;
    chat->request_id[0] = '\0';
    chat->header_delay_s = NAN;
    chat->should_retry = -1;
    add_url(chat, &request, &url);
    remote->dialect->write(&request, &body, &chat->sent);
    bool sent = send_request(chat, &request, &url, &body, &err);
    buf_done(&url);
    buf_done(&body);
    if (sent) {
        set_deadline(chat);
        return;
    }
    reply_fail(&chat->reader.reply, err.code == ERR_CONFIG ? CHAT_BAD_REQUEST : CHAT_OVERLOADED, "%s", err.message);
    chat->reader.status = 0;
    chat->retries = 0;
    attempt_over(chat, CHAT_ERROR);
}

/* --- the adapter --- */

static bool copy_params(struct chat *chat, const struct chat_params *params)
{
    chat->params = *params;
    chat->params.stops = 0;
    if (params->reasoning && !(chat->params.reasoning = chat->reasoning = strdup(params->reasoning)))
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
        chat->messages[chat->count++] = (struct chat_message){messages[i].role, {text, messages[i].text.length}};
    }
    return chat->messages != NULL;
}

/* Starting is always told later, from the loop: the caller has its handle before anything is called. */
static void begin(void *user)
{
    struct chat *chat = user;
    struct remote *remote = chat->remote;
    if (chat->cancelled) {
        chat_over(chat, CHAT_CANCELLED);
    } else if (remote->key_error[0]) {
        reply_fail(&chat->reader.reply, CHAT_AUTH, "%s", remote->key_error);
        chat->reader.status = 0;
        chat_over(chat, CHAT_ERROR);
    } else {
        limiter_join(remote->limiter, &chat->waiter);
    }
}

static struct chat *remote_chat(struct competitor *competitor, const struct chat_message *messages, size_t count,
                                const struct chat_params *params, const struct chat_sink *sink, struct err *err)
{
    struct remote *remote = competitor->state;
    struct chat *chat = calloc(1, sizeof *chat);
    if (!chat) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    *chat = (struct chat){.competitor = competitor, .remote = remote, .sink = *sink, .started_ns = clock_mono_ns()};
    chat->waiter = (struct limiter_waiter){.admitted = start_attempt, .user = chat};
    chat->deadline = (struct loop_timer){.expired = deadline_expired, .user = chat};
    chat->again = (struct loop_timer){.expired = try_again, .user = chat};
    chat->retries = competitor->config.retries >= 0 ? competitor->config.retries : DEFAULT_RETRIES;
    chat->header_delay_s = NAN;
    buf_init(&chat->sent, 1 << 20);
    if (!copy_params(chat, params) || !copy_messages(chat, messages, count) || !loop_post(remote->hub->loop, begin, chat)) {
        chat_free(chat);
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    reader_init(&chat->reader, remote->dialect, competitor->config.stream, on_delta, chat);
    competitor->under_way++;
    return chat;
}

static void remote_cancel(struct chat *chat)
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

static void remote_close(struct competitor *competitor)
{
    struct remote *remote = competitor->state;
    if (remote->key)
        secret_wipe(remote->key, strlen(remote->key));
    free(remote->key);
    free(remote->base_url);
    free(remote);
    competitor->state = NULL;
}

/* --- opening --- */

static bool find_key(struct remote *remote, const struct competitor_config *config, const char *folder, struct err *err)
{
    const char *variable = config->api_key_env ? config->api_key_env : remote->provider->key_env;
    if (config->api_key_file) {
        char *path = file_join(folder ? folder : ".", config->api_key_file);
        remote->key = path ? file_read_secret(path, err) : NULL;
        free(path);
        return remote->key != NULL;
    }
    const char *value = variable ? getenv(variable) : NULL;
    if (value && *value)
        return (remote->key = strdup(value)) != NULL || err_set(err, ERR_MEMORY, "out of memory");
    if (variable)
        snprintf(remote->key_error, sizeof remote->key_error,
                 "no key: the environment variable %s is not set (or name another with \"api_key_env\")", variable);
    return true;
}

static struct limiter *limiter_for(struct remote_hub *hub, const char *base_url, const char *key)
{
    uint8_t bytes[DIGEST_SIZE];
    struct digest *digest = digest_new();
    if (!digest)
        return NULL;
    digest_add_field(digest, base_url, strlen(base_url));
    digest_add_field(digest, key ? key : "", key ? strlen(key) : 0);
    digest_finish(digest, bytes);
    for (struct shared_limiter *at = hub->limiters; at; at = at->next)
        if (digest_same(at->digest, bytes, DIGEST_SIZE))
            return at->limiter;
    struct shared_limiter *shared = calloc(1, sizeof *shared);
    if (!shared || !(shared->limiter = limiter_new(hub->loop))) {
        free(shared);
        return NULL;
    }
    memcpy(shared->digest, bytes, DIGEST_SIZE);
    shared->next = hub->limiters;
    hub->limiters = shared;
    return shared->limiter;
}

static bool fill(struct remote *remote, const struct competitor_config *config, const char *folder, struct err *err)
{
    const char *base_url = config->base_url ? config->base_url : remote->provider->base_url;
    if (!base_url)
        return err_set(err, ERR_CONFIG, "provider \"%s\" needs \"base_url\"", config->provider);
    if (strncmp(base_url, "https://", 8) != 0 && strncmp(base_url, "http://", 7) != 0)
        return err_set(err, ERR_CONFIG, "\"base_url\" must begin with https:// (or http:// for a loopback address)");
    if (strncmp(base_url, "http://", 7) == 0 && !transfer_is_loopback(base_url) && !config->allow_http)
        return err_set(err, ERR_CONFIG, "\"base_url\" is plain http: use https, or say \"allow_http\": true");
    remote->dialect = dialect_find(config->dialect ? config->dialect : remote->provider->dialect);
    remote->quirks = remote->provider->quirks;
    remote->quirks.system_role = provider_system_role(remote->provider, config->model);
    remote->base_url = strdup(base_url);
    if (!remote->base_url || !find_key(remote, config, folder, err))
        return remote->base_url ? false : err_set(err, ERR_MEMORY, "out of memory");
    remote->limiter = limiter_for(remote->hub, base_url, remote->key);
    return remote->limiter || err_set(err, ERR_MEMORY, "out of memory");
}

bool remote_attach(struct competitor *competitor, struct remote_hub *hub, const char *folder, struct err *err)
{
    static const struct competitor_adapter ADAPTER = {remote_chat, remote_cancel, remote_close};
    struct remote *remote = calloc(1, sizeof *remote);
    if (!remote)
        return err_set(err, ERR_MEMORY, "out of memory");
    remote->hub = hub;
    remote->provider = provider_find(competitor->config.provider);
    competitor->state = remote;
    competitor->adapter = &ADAPTER;
    return fill(remote, &competitor->config, folder, err);
}

struct remote_hub *remote_hub_new(struct loop *loop, struct err *err)
{
    struct remote_hub *hub = calloc(1, sizeof *hub);
    if (!hub) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    hub->loop = loop;
    hub->pool = transfer_pool_new(loop, err);
    if (hub->pool)
        return hub;
    free(hub);
    return NULL;
}

void remote_hub_free(struct remote_hub *hub)
{
    if (!hub)
        return;
    while (hub->limiters) {
        struct shared_limiter *shared = hub->limiters;
        hub->limiters = shared->next;
        limiter_free(shared->limiter);
        free(shared);
    }
    transfer_pool_free(hub->pool);
    free(hub);
}
