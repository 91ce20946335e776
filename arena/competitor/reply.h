/* What one attempt's response has said so far, whatever dialect said it; and the verdict at its
 * end.
 *
 * A dialect calls the reply_… functions as it understands events; the reader (reader.h) owns the
 * reply. The verdict: any error beats a finish; without a recognised finish the answer is
 * truncated; refusal text under a stop is a refusal; a stop without visible text is empty. */
#ifndef ARENA_COMPETITOR_REPLY_H
#define ARENA_COMPETITOR_REPLY_H

#include <jansson.h>

#include "competitor/competitor.h"

struct reply {
    void (*delta)(void *user, enum chat_channel channel, struct text text);
    void *user;
    bool has[3]; /* something arrived on this channel */
    bool finished;
    enum chat_finish finish; /* when finished */
    struct chat_usage usage;
    double reported_cost; /* USD, as the provider told; NaN: not told */
    char model[128], id[128];
    struct {
        enum chat_error_class class; /* CHAT_OK: none so far */
        bool retryable;
        char message[512];
        char parameter[96];   /* the request's member that was refused, where the body names one */
        double retry_after_s; /* as told in the body; NaN: not told */
    } error;
};

void reply_init(struct reply *reply,
                void (*delta)(void *user, enum chat_channel channel, struct text text), void *user);

void reply_text(struct reply *reply, enum chat_channel channel,
                const json_t *string); /* no string or an empty one: nothing */
void reply_say(struct reply *reply, enum chat_channel channel,
               struct text text); /* whole UTF-8 characters */
void reply_finish(struct reply *reply, enum chat_finish finish);
void reply_model(struct reply *reply, const json_t *string);
void reply_id(struct reply *reply, const json_t *string);

/* The first error stands. `status` 0: inside a stream that began well. */
void reply_error(struct reply *reply, int status, const json_t *body);
__attribute__((format(printf, 3, 4))) void
reply_fail(struct reply *reply, enum chat_error_class class, const char *format, ...);

/* A count in an object: an integer, or a real that is whole; -1 otherwise. */
int64_t reply_count(const json_t *object, const char *key);

enum chat_finish reply_verdict(const struct reply *reply);

#endif
