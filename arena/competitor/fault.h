/* Error bodies of every shape the providers use, and which class of error they mean. Pure, any
 * thread. */
#ifndef ARENA_COMPETITOR_FAULT_H
#define ARENA_COMPETITOR_FAULT_H

#include <jansson.h>

#include "competitor/competitor.h"

struct fault {
    enum chat_error_class class;
    char message[512];    /* for people */
    char code[96];        /* the provider's own word for it: its code, type or status */
    char parameter[96];   /* the request's member that was refused, where the body names one */
    double retry_after_s; /* a delay told in the body; NaN: none */
};

/* `body` is the parsed body, or an error object inside a stream (NULL: none, or not JSON);
 * `status` is HTTP's, 0 inside a stream. The body decides before the status. */
void fault_read(struct fault *fault, int status, const json_t *body);

/* A body that is no JSON: its first words, without tags, become the message. */
void fault_read_text(struct fault *fault, int status, struct text body);

/* Is this an error body, or an event that carries an error? Returns what holds it (borrowed),
 * NULL if none. */
const json_t *fault_find(const json_t *value);

#endif
