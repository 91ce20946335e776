/* Whoever can answer: the in-house model and a remote endpoint are the same to everyone above
 * this header.
 *
 * A competitor is one row of the configuration with an adapter behind it. `competitor_chat`
 * starts an answer and returns at once; the sink is called on the loop's thread; exactly one
 * `end` follows, after a cancel too, and nothing after it. Everything here belongs to the loop's
 * thread, except that adapters may work on threads of their own and come back by loop_post. */
#ifndef ARENA_COMPETITOR_COMPETITOR_H
#define ARENA_COMPETITOR_COMPETITOR_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "competitor/price.h"

struct competitor;
struct chat; /* one answer under way; owned by its adapter, gone when `end` returns */

enum chat_role { CHAT_SYSTEM, CHAT_USER, CHAT_ASSISTANT };

struct chat_message {
    enum chat_role role;
    struct text text; /* UTF-8; never trimmed */
};

enum chat_channel { CHAT_TEXT, CHAT_REASONING, CHAT_REFUSAL };

/* What the answer's end was; the words of `arena chat --format json` (chat_finish_word). */
#define CHAT_FINISH_MAP(X)                                                                         \
    X(CHAT_STOP, "stop")                                                                           \
    X(CHAT_LENGTH, "length")                                                                       \
    X(CHAT_CONTENT_FILTER, "content_filter")                                                       \
    X(CHAT_REFUSED, "refusal")                                                                     \
    X(CHAT_ERROR, "error")                                                                         \
    X(CHAT_TRUNCATED, "truncated")                                                                 \
    X(CHAT_EMPTY, "empty")                                                                         \
    X(CHAT_CANCELLED, "cancelled")
enum chat_finish {
#define X(name, word) name,
    CHAT_FINISH_MAP(X)
#undef X
};
const char *chat_finish_word(enum chat_finish finish);

/* True for error and truncated: a transport failure is no answer. Whatever else it was, the
 * model said it. */
bool chat_finish_failed(enum chat_finish finish);

/* class, word, may it be tried again? */
#define CHAT_ERROR_MAP(X)                                                                          \
    X(CHAT_OK, "none", false)                                                                      \
    X(CHAT_AUTH, "auth", false)                                                                    \
    X(CHAT_BAD_REQUEST, "bad_request", false)                                                      \
    X(CHAT_CONTEXT_LENGTH, "context_length", false)                                                \
    X(CHAT_NOT_FOUND, "not_found", false)                                                          \
    X(CHAT_RATE_LIMIT, "rate_limit", true)                                                         \
    X(CHAT_QUOTA, "quota", false)                                                                  \
    X(CHAT_OVERLOADED, "overloaded", true)                                                         \
    X(CHAT_SERVER, "server", true)                                                                 \
    X(CHAT_NETWORK, "network", true)                                                               \
    X(CHAT_TIMEOUT, "timeout", true)                                                               \
    X(CHAT_PROTOCOL, "protocol", false)
enum chat_error_class {
#define X(name, word, retryable) name,
    CHAT_ERROR_MAP(X)
#undef X
        CHAT_ERROR_CLASSES
};
const char *chat_error_word(enum chat_error_class class);
bool chat_error_retryable(enum chat_error_class class);

/* Tokens as the provider counts them; -1: not told. */
struct chat_usage {
    int64_t input;  /* cached included */
    int64_t output; /* reasoning included */
    int64_t reasoning, cached, cache_write;
};
#define CHAT_USAGE_UNKNOWN ((struct chat_usage){-1, -1, -1, -1, -1})

/* How an answer ended. Borrowed by the sink for the call. */
struct chat_end {
    enum chat_finish finish;
    struct {
        enum chat_error_class class; /* CHAT_OK: none */
        bool retryable;              /* as the provider said, else by class */
        int status;                  /* HTTP status; 0: none came */
        char
            message[512]; /* without secrets; for the operator, never for a voter before the vote */
    } error;
    struct chat_usage usage;
    double cost_usd;   /* NaN: unknown */
    const char *model; /* as returned; NULL: not told */
    const char *request_id;
    const char *sent; /* effective parameters, a JSON object */
    int attempts;
    int64_t first_content_ns, total_ns;  /* from the first attempt's start; first_content 0: none */
    unsigned faults[CHAT_ERROR_CLASSES]; /* attempts that failed; under CHAT_OK: truncated ones */
    int64_t cooling_until_ns;            /* its key's cooldown (clock_mono_ns); past: none */
};

/* One token of an answer. */
struct chat_token {
    struct text bytes; /* not always whole characters; a special token's are its name */
    double logprob;    /* natural logarithm, in the model's own distribution, before any setting */
    const struct chat_token *top; /* the `tops` likeliest at its place, best first */
    size_t tops;
};

struct chat_sink {
    /* Whole UTF-8 characters. */
    void (*delta)(void *user, enum chat_channel channel, struct text text);
    /* A failed attempt is about to be tried again: everything delivered so far is void. False
     * forbids it (something was shown): the answer then ends with the failure. NULL forbids it
     * too once anything was delivered. */
    bool (*restart)(void *user);
    void (*end)(void *user, const struct chat_end *end);
    void *user;
    /* Where log-probabilities were asked for: each token of the text that the next delta brings.
     * Borrowed. May be NULL. */
    void (*token)(void *user, const struct chat_token *token);
};

/* What only our own engine does. */
struct chat_detail {
    double presence_penalty, frequency_penalty, repetition_penalty; /* NaN: not set */
    const struct chat_bias {
        int32_t token;
        double bias;
    } * bias;
    size_t biases;
    bool logprobs;
    int top_logprobs;
};

/* Settings that are set; NaN or negative: not set. */
struct chat_params {
    double temperature, top_p, min_p;
    int64_t top_k, max_tokens, seed;
    const char *reasoning; /* NULL, or "none", "low", "medium", "high", … */
    const char *const *stop;
    size_t stops;
    const struct chat_detail
        *detail;        /* NULL: none; left out where the competitor is not `own_engine` */
    bool background;    /* nobody waits for it: whoever is waited for goes first */
    const char *schema; /* NULL, or the JSON Schema of the answer; only our own engine heeds it */
};
#define CHAT_PARAMS_UNSET                                                                          \
    ((struct chat_params){NAN, NAN, NAN, -1, -1, -1, NULL, NULL, 0, NULL, false, NULL})

/* Active ones are drawn; paused ones are not, and answer what is under way; retired ones are only
 * remembered. */
enum competitor_state { COMPETITOR_ACTIVE, COMPETITOR_PAUSED, COMPETITOR_RETIRED };
const char *competitor_state_word(enum competitor_state state); /* "active", "paused", "retired" */
bool competitor_state_from(const char *word, enum competitor_state *state);

/* One row of the configuration, checked. All text is owned by the competitor. */
struct competitor_config {
    char *name, *provider, *model, *path;
    char *organisation, *licence;
    char **aliases;
    size_t alias_count;
    char *base_url, *dialect, *api_key_env, *api_key_file;
    char *system; /* NULL: the model's own default; "": none */
    struct chat_params params;
    struct price_list prices;
    double first_byte_s, first_content_s, idle_s,
        total_s;         /* deadlines of a remote answer; NaN: the default */
    double budget_usd;   /* most that it may cost a day; NaN: no limit */
    double weight;       /* how often it is drawn, relative to 1 */
    char *code_name;     /* what voters are told until it is published; NULL: its name */
    char *paused_reason; /* why it is paused, and since when (RFC 3339); NULL: not said */
    char *paused_since;
    int64_t battles_a_day, votes_a_day; /* most that it may have on a day (UTC); -1: no limit */
    int at_once;                        /* most answers that may be under way; -1: no limit */
    int retries;                        /* -1: the default */
    char *chat_template, *weights, *kv; /* engine: NULL, or what engine_load_options takes */
    int context;                        /* engine: 0, or the longest prompt plus answer in tokens */
    bool in_house, stream, allow_http, outputs_may_train;
    enum competitor_state state; /* as configured; a competitor's own is `availability` */
};

/* What whoever votes is told: never more of a model that is not published. */
const char *competitor_shown_name(const struct competitor_config *config);

/* How an adapter plugs in: the in-house engine (inhouse.h), the remote client. `chat` gets a
 * complete request (system prompt and settings merged), copies what it keeps, counts `under_way`
 * up, and down right before `end`. */
struct competitor_adapter {
    struct chat *(*chat)(struct competitor *competitor, const struct chat_message *messages,
                         size_t count, const struct chat_params *params,
                         const struct chat_sink *sink, struct err *err);
    void (*cancel)(struct chat *chat);
    void (*close)(struct competitor *competitor); /* no chat is under way any more */
};

struct competitor {
    struct competitor_config config;
    const struct competitor_adapter *adapter;
    void *state; /* the adapter's */
    char version[DIGEST_HEX +
                 1]; /* digest of everything that shapes its answers (design.md, section 6) */
    char *effective; /* that same everything, as a JSON object */
    enum competitor_state availability;
    bool own_engine; /* answers in this process: heeds chat_detail, and its error messages are ours
                      */
    int under_way;   /* chats started and not ended */
    struct health *health; /* of its name, whatever the version; the roster's. NULL: not kept */
    int holds;             /* who refers to it besides its roster */
    void (*unheld)(struct competitor *competitor); /* the last one let go; NULL: nobody asks */
    void *keeper;                                  /* the roster's that `unheld` tells */
    struct competitor *next;                       /* of those that left the roster */
};

/* Whoever keeps a pointer to a competitor over a turn of the loop holds it: one that leaves the
 * roster meanwhile stays as it is until the last hold is gone. `competitor` may be NULL. */
void competitor_hold(struct competitor *competitor);
void competitor_release(struct competitor *competitor);

/* Starts an answer; `params` overrides the configured ones where set (NULL: none). Messages,
 * params and sink are copied. The configured system prompt is put in front unless the messages
 * bring one. NULL with ERR_MEMORY when it cannot even start (the sink is not called then); every
 * other failure is an `end`. */
struct chat *competitor_chat(struct competitor *competitor, const struct chat_message *messages,
                             size_t count, const struct chat_params *params,
                             const struct chat_sink *sink, struct err *err);

/* Ends it: `end` comes with CHAT_CANCELLED, maybe before this returns, else soon. */
void chat_cancel(struct competitor *competitor, struct chat *chat);

#endif
