/* One request's whole state: its tokens and how many are computed, its pages, its sampler and its
 * text.
 *
 * The scheduler's thread owns it, but for `cancelled`, which any thread sets. A request is a row of
 * tokens whose computed part catches up: there is no separate prefill or decode state. What steps
 * under way will have computed counts as computed; the tokens they draw are `unknown` until then.
 */
#ifndef ENGINE_REQUEST_H
#define ENGINE_REQUEST_H

#include "engine/lookup.h"
#include "engine/model.h"
#include "engine/sampler.h"
#include "engine/stream.h"

#include <stdatomic.h>

enum {
    REQUEST_MAX_MESSAGES = 4096,
    REQUEST_MAX_BYTES =
        16 << 20, /* of a conversation's text: more fits no context, and would stall the others */
};

struct request {
    uint64_t id;
    struct engine_model *model;
    struct engine_message *messages; /* freed once rendered */
    size_t message_count;
    struct token_list tokens;            /* prompt, then answer; room for guesses after the end */
    int prompt, computed, cached, limit; /* limit: tokens in all */
    int landed;                          /* computed by steps that have ended */
    int unknown;                         /* tokens that steps under way draw, behind `tokens` */
    int flights, slice;                  /* steps under way with it; its slice of the last one */
    bool is_long, ignore_eos, no_guesses, background;
    bool over; /* has ended, but steps under way still use it */
    int tops;
    float *logits; /* of engine_logits: a row a token */

    struct sampler *sampler;
    struct mask *mask; /* what the sampler is held to; NULL: nothing */
    struct stream *stream;
    struct cache_sequence sequence;
    struct lookup lookup;

    int planned, guesses; /* of the step being made */
    int unsent;           /* tokens in `made` that on_delta has not been told of */
    int32_t made[LOOKUP_MOST + 1];
    float *logprobs;            /* room for a step; NULL: not wanted */
    struct engine_logprob *top; /* the same */

    atomic_bool cancelled;
    double submitted, admitted, first_token; /* seconds; 0: not yet */
    void (*on_delta)(void *user, const struct engine_delta *delta);
    void (*on_end)(void *user, const struct engine_result *result);
    void *user;
    struct request *next;                    /* in the waiting list */
    struct request *next_alive, *prev_alive; /* among all that have not ended */
};

/* Checks and copies. Returns new; NULL with `error` filled. */
struct request *request_new(struct engine_model *model, const struct engine_request *wanted,
                            struct engine_error *error);
void request_free(struct request *request);

/* On the scheduler's thread: renders the conversation and checks that it fits. */
bool request_prepare(struct request *request, struct engine_error *error);

/* Guesses what follows the last token: stores up to `most` behind the tokens and counts them in
 * `guesses`. */
void request_guess(struct request *request, int most);

/* Tokens that could be computed next, before any guesses. */
int request_pending(const struct request *request);

/* The next tokens to compute, `request->planned` of them with the guesses, as slice `number` of a
 * step that is about to start. */
struct backend_slice request_slice(struct request *request, int number);

/* Takes a step's results: tokens and text. True when the request is over, with `finish` stored. */
bool request_take(struct request *request, const struct backend_slice *slice,
                  enum engine_finish *finish);

/* Tells on_delta what was taken last, once: before the next step's results overwrite it. */
void request_send(struct request *request);

/* Calls on_end. */
void request_end(struct request *request, enum engine_finish finish,
                 const struct engine_error *error);

/* Seconds on a clock that only goes forward. */
double request_clock(void);

#endif
