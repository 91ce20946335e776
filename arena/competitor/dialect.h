/* A dialect: how a request is written and how a response is understood. One file each; a
 * provider that speaks an existing one is a row of provider.h. Dialects keep no state but the
 * reply. */
#ifndef ARENA_COMPETITOR_DIALECT_H
#define ARENA_COMPETITOR_DIALECT_H

#include "competitor/reply.h"

/* What differs between endpoints that speak the same dialect (provider.h). */
struct dialect_quirks {
    const char *system_role; /* "system" or "developer" */
    const char *cap_key;     /* "max_tokens" or "max_completion_tokens" */
    const char *seed_key;    /* "seed" or "random_seed" */
    bool no_stream_options;  /* refuses stream_options */
    bool no_store;           /* has "store" and padding, on by default: switch them off */
    bool thinking_switch;    /* DeepSeek: "none" is {"thinking":{"type":"disabled"}} */
};

/* Request members that the model refused once (remembered by the adapter): they are left out
 * from then on. */
#define DIALECT_MEMBER_MAP(X)                                                                      \
    X(MEMBER_TEMPERATURE, "temperature")                                                           \
    X(MEMBER_TOP_P, "top_p")                                                                       \
    X(MEMBER_TOP_K, "top_k")                                                                       \
    X(MEMBER_MIN_P, "min_p")                                                                       \
    X(MEMBER_SEED, "seed")                                                                         \
    X(MEMBER_STOP, "stop")                                                                         \
    X(MEMBER_REASONING, "reasoning")                                                               \
    X(MEMBER_STREAM_OPTIONS, "stream_options")                                                     \
    X(MEMBER_CAP, "max_tokens")
enum dialect_member {
#define X(name, word) name,
    DIALECT_MEMBER_MAP(X)
#undef X
        MEMBER_COUNT
};

struct dialect_request {
    const char *model;
    const struct chat_message *messages; /* at most one system message, the first */
    size_t count;
    const struct chat_params *params;
    const struct dialect_quirks *quirks;
    unsigned dropped; /* bits of enum dialect_member */
    bool stream;
};

struct dialect {
    const char *name;
    const char *models;  /* path of the list of models, behind the base URL */
    const char *version; /* a header that names the API's version; NULL: none */
    /* Appends the path behind the base URL. */
    bool (*path)(const struct dialect_request *request, struct buf *out);
    /* Writes the body, and to `sent` the settings that it holds, as a JSON object. */
    void (*write)(const struct dialect_request *request, struct buf *body, struct buf *sent);
    void (*event)(struct reply *reply, const char *name,
                  const json_t *data); /* one event of a stream */
    /* NULL, or a short way for the usual event, tried first; false: `event` must see it, and
     * nothing has changed. */
    bool (*quick)(struct reply *reply, struct buf *data);
    void (*whole)(struct reply *reply, const json_t *body); /* a response that is no stream */
    bool ends_by_itself; /* the connection's end is the stream's regular end: no terminator is sent
                          */
};

extern const struct dialect dialect_openai_chat, dialect_openai_responses, dialect_anthropic,
    dialect_gemini;

const struct dialect *dialect_find(const char *name); /* NULL: unknown */

/* --- for the dialects' own use --- */
struct json_out;

/* True when this setting is set and was not refused. */
bool dialect_wants(const struct dialect_request *request, enum dialect_member member);

/* Writes a setting into both the body and `sent`. */
void dialect_put_real(struct json_out *body, struct json_out *sent, const char *key, double value);
void dialect_put_int(struct json_out *body, struct json_out *sent, const char *key, int64_t value);
void dialect_put_string(struct json_out *body, struct json_out *sent, const char *key,
                        const char *value);
void dialect_put_stop(struct json_out *body, struct json_out *sent, const char *key,
                      const struct chat_params *params);

/* Everything but the system message, as objects of role and content. */
void dialect_put_turns(struct json_out *body, const char *key,
                       const struct dialect_request *request);

/* The system message's text; empty text with NULL data where there is none. */
struct text dialect_system(const struct dialect_request *request);

#endif
