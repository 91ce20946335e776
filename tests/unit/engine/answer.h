/* Asking the engine and waiting for the answer. Ends on the scheduler's thread are counted, so that
 * a second one, or news after the end, fails a test. */
#ifndef TESTS_ENGINE_ANSWER_H
#define TESTS_ENGINE_ANSWER_H

#include "engine/engine.h"
#include "testing.h"

#include <pthread.h>

struct answer {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    int32_t tokens[4096];
    float logprobs[4096];
    struct engine_logprob top[8];
    size_t count, top_count;
    char text[65536];
    size_t length;
    int ends, late; /* late: news after the end */
    int order;      /* of its end among all ends */
    struct engine_result result;
    uint64_t id;
};

static inline void answer_delta(void *user, const struct engine_delta *delta)
{
    struct answer *a = user;
    pthread_mutex_lock(&a->lock);
    a->late += a->ends;
    if (a->count + delta->token_count <= 4096 && a->length + delta->length < sizeof a->text) {
        memcpy(a->tokens + a->count, delta->tokens, delta->token_count * sizeof *a->tokens);
        if (delta->logprobs)
            memcpy(a->logprobs + a->count, delta->logprobs,
                   delta->token_count * sizeof *a->logprobs);
        if (delta->top && !a->count)
            memcpy(a->top, delta->top, (a->top_count = delta->tops) * sizeof *a->top);
        a->count += delta->token_count;
        memcpy(a->text + a->length, delta->text, delta->length);
        a->length += delta->length;
        a->text[a->length] = 0;
    }
    pthread_mutex_unlock(&a->lock);
}

static inline void answer_end(void *user, const struct engine_result *result)
{
    static int ended; /* by one scheduler's thread at a time */
    struct answer *a = user;
    pthread_mutex_lock(&a->lock);
    a->order = ++ended;
    a->ends++;
    a->result = *result;
    pthread_cond_broadcast(&a->ended);
    pthread_mutex_unlock(&a->lock);
}

static inline struct answer *answer_new(void)
{
    struct answer *a = calloc(1, sizeof *a);
    assert_non_null(a);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->ended, NULL);
    return a;
}

static inline void answer_free(struct answer *a)
{
    assert_int_equal(a->ends, 1);
    assert_int_equal(a->late, 0);
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->ended);
    free(a);
}

/* Submits `request` with the answer's own callbacks. */
static inline struct answer *answer_start(struct engine_model *model, struct engine_request request)
{
    struct engine_error error = {0};
    struct answer *a = answer_new();
    request.on_delta = answer_delta;
    request.on_end = answer_end;
    request.user = a;
    a->id = engine_submit(model, &request, &error);
    if (!a->id)
        fail_msg("refused: %s", error.message);
    return a;
}

static inline struct answer *answer_wait(struct answer *a)
{
    pthread_mutex_lock(&a->lock);
    while (!a->ends)
        pthread_cond_wait(&a->ended, &a->lock);
    pthread_mutex_unlock(&a->lock);
    return a;
}

static inline struct engine *engine_of(struct engine_options options)
{
    struct engine_error error = {0};
    struct engine *engine = engine_new(&options, &error);
    if (!engine)
        fail_msg("%s", error.message);
    return engine;
}

static inline struct engine_model *model_of(struct engine *engine, const char *path,
                                            struct engine_load_options options)
{
    struct engine_error error = {0};
    struct engine_model *model = engine_load(engine, path, &options, &error);
    if (!model)
        fail_msg("%s", error.message);
    return model;
}

#endif
