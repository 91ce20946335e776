/* What is checked when: settings and sizes at submit, on the caller's thread, so that a refusal
 * comes at once; what needs the tokenizer on the scheduler's thread, where a failure ends the
 * request like any other end. */
#include "engine/request.h"

#include "engine/error.h"
#include "engine/mask.h"
#include "engine/schema.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double request_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* --- Making --- */

static bool check_tokens(const struct engine_model *model, const struct engine_request *wanted,
                         struct engine_error *error)
{
    for (size_t i = 0; i < wanted->token_count; i++)
        if (wanted->tokens[i] < 0 || wanted->tokens[i] >= model->config.vocabulary)
            return engine_fail(error, ENGINE_REQUEST,
                               "token %zu of the prompt is %d; the vocabulary has %d", i,
                               (int)wanted->tokens[i], model->config.vocabulary);
    if (wanted->token_count > (size_t)model->context)
        return engine_fail(error, ENGINE_TOO_LONG, "a prompt of %zu tokens; the context holds %d",
                           wanted->token_count, model->context);
    return true;
}

static bool check_messages(const struct engine_model *model, const struct engine_request *wanted,
                           struct engine_error *error)
{
    size_t bytes = 0;
    if (!model->template) {
        if (error)
            *error = model->template_error;
        return false;
    }
    if (wanted->message_count > REQUEST_MAX_MESSAGES)
        return engine_fail(error, ENGINE_TOO_LONG, "%zu messages; at most %d are possible",
                           wanted->message_count, REQUEST_MAX_MESSAGES);
    for (size_t i = 0; i < wanted->message_count; i++) {
        if (!wanted->messages[i].role)
            return engine_fail(error, ENGINE_REQUEST, "message %zu has no role", i);
        bytes += wanted->messages[i].length;
    }
    if (bytes > REQUEST_MAX_BYTES)
        return engine_fail(error, ENGINE_TOO_LONG,
                           "a conversation of %zu bytes; at most %d are possible", bytes,
                           REQUEST_MAX_BYTES);
    return true;
}

static bool check(const struct engine_model *model, const struct engine_request *wanted,
                  struct engine_error *error)
{
    if (!wanted->on_end)
        return engine_fail(error, ENGINE_REQUEST, "a request needs on_end");
    if (!wanted->token_count == !wanted->message_count)
        return engine_fail(error, ENGINE_REQUEST, "a request needs either messages or tokens");
    if (wanted->max_tokens < 0)
        return engine_fail(error, ENGINE_REQUEST, "max_tokens is %d; 0 means as many as fit",
                           wanted->max_tokens);
    if (wanted->top_logprobs < 0 || wanted->top_logprobs > SAMPLER_MAX_TOP)
        return engine_fail(error, ENGINE_REQUEST, "top_logprobs is %d; 0 to %d are possible",
                           wanted->top_logprobs, SAMPLER_MAX_TOP);
    return sampler_check(&wanted->sampling, model->config.vocabulary, error) &&
           (wanted->token_count ? check_tokens : check_messages)(model, wanted, error);
}

static bool copy_messages(struct request *r, const struct engine_request *wanted)
{
    r->messages = calloc(wanted->message_count + 1, sizeof *r->messages);
    for (size_t i = 0; r->messages && i < wanted->message_count; i++) {
        const struct engine_message *from = &wanted->messages[i];
        char *role = strdup(from->role), *text = malloc(from->length + 1);
        r->messages[i] = (struct engine_message){role, text, from->length};
        r->message_count = i + 1;
        if (!role || !text)
            return false;
        if (from->length)
            memcpy(text, from->text, from->length);
    }
    return r->messages;
}

static bool copy_tokens(struct request *r, const struct engine_request *wanted)
{
    for (size_t i = 0; i < wanted->token_count; i++)
        if (!token_list_add(&r->tokens, wanted->tokens[i], NULL))
            return false;
    return true;
}

static bool copy_request(struct request *r, const struct engine_request *wanted)
{
    const size_t room = LOOKUP_MOST + 1;
    if (wanted->want_logprobs || wanted->top_logprobs)
        r->logprobs = calloc(room, sizeof *r->logprobs);
    if (wanted->top_logprobs)
        r->top = calloc(room * (size_t)wanted->top_logprobs, sizeof *r->top);
    return (r->logprobs || !(wanted->want_logprobs || wanted->top_logprobs)) &&
           (r->top || !wanted->top_logprobs) &&
           (wanted->token_count ? copy_tokens(r, wanted) : copy_messages(r, wanted));
}

/* The schema's grammar; its places in the vocabulary are found by the scheduler
 * (request_prepare). */
static bool make_mask(struct request *r, const char *schema, struct engine_error *error)
{
    if (!schema)
        return true;
    if (!r->model->vocabulary) {
        *error = r->model->vocabulary_error;
        return false;
    }
    struct grammar *grammar = schema_compile(schema, strlen(schema), error);
    r->mask = grammar ? mask_new(grammar, error) : NULL;
    r->no_guesses |= r->model->backend->on_device; /* each draw's mask must be there before it */
    return r->mask;
}

struct request *request_new(struct engine_model *model, const struct engine_request *wanted,
                            struct engine_error *error)
{
    if (!check(model, wanted, error))
        return NULL;
    struct request *r = calloc(1, sizeof *r);
    if (!r || !copy_request(r, wanted)) {
        engine_no_memory(error, "a request");
        request_free(r);
        return NULL;
    }
    r->model = model;
    r->limit = wanted->max_tokens; /* until the prompt's length is known */
    r->ignore_eos = wanted->ignore_eos;
    r->no_guesses = wanted->no_guesses;
    r->background = wanted->background;
    r->tops = wanted->top_logprobs;
    r->on_delta = wanted->on_delta;
    r->on_end = wanted->on_end;
    r->user = wanted->user;
    r->submitted = request_clock();
    r->sampler = sampler_new(&wanted->sampling, model->config.vocabulary, error);
    bool ok = r->sampler && make_mask(r, wanted->json_schema, error);
    r->stream = ok ? stream_new(wanted->stop, wanted->stops, error) : NULL;
    if (r->stream)
        return r;
    request_free(r);
    return NULL;
}

static void free_messages(struct request *r)
{
    for (size_t i = 0; i < r->message_count; i++) {
        free((char *)(uintptr_t)r->messages[i].role);
        free((char *)(uintptr_t)r->messages[i].text);
    }
    free(r->messages);
    r->messages = NULL;
    r->message_count = 0;
}

void request_free(struct request *r)
{
    if (!r)
        return;
    free_messages(r);
    token_list_done(&r->tokens);
    cache_sequence_done(&r->sequence);
    sampler_free(r->sampler);
    mask_free(r->mask);
    stream_free(r->stream);
    free(r->logprobs);
    free(r->top);
    free(r);
}

/* --- Preparing --- */

/* Room for the guesses behind the last token, and for the next made ones. */
static bool reserve(struct request *r)
{
    size_t needed = r->tokens.count + 2 * (LOOKUP_MOST + 1);
    if (needed <= r->tokens.capacity)
        return true;
    int32_t *ids = realloc(r->tokens.ids, 2 * needed * sizeof *ids);
    if (!ids)
        return false;
    r->tokens.ids = ids;
    r->tokens.capacity = 2 * needed;
    return true;
}

static bool start_mask(struct request *r, struct engine_error *error)
{
    return !r->mask || (mask_start(r->mask, r->model->vocabulary, error) &&
                        sampler_constrain(r->sampler, r->mask, error));
}

bool request_prepare(struct request *r, struct engine_error *error)
{
    const struct engine_model *model = r->model;
    if (r->messages &&
        !template_render(model->template, r->messages, r->message_count, &r->tokens, error))
        return false;
    free_messages(r);
    int most = model->context - (r->logits ? 0 : 1); /* an answer has one token at least */
    if (r->tokens.count > (size_t)most)
        return engine_fail(error, ENGINE_TOO_LONG,
                           "a prompt of %zu tokens; the context holds %d, answer included",
                           r->tokens.count, model->context);
    if (!r->tokens.count)
        return engine_fail(error, ENGINE_REQUEST, "the prompt is empty");
    if (!reserve(r))
        return engine_no_memory(error, "a prompt");
    if (!start_mask(r, error))
        return false;
    r->prompt = (int)r->tokens.count;
    int room = model->context - r->prompt;
    r->limit = r->logits ? r->prompt : r->prompt + (r->limit && r->limit < room ? r->limit : room);
    r->is_long = model->config.original_context && r->limit > model->config.original_context;
    r->sequence.root = r->is_long;
    for (int i = 0; i < r->prompt; i++)
        sampler_see(r->sampler, r->tokens.ids[i], false);
    return true;
}

/* --- Steps --- */

void request_guess(struct request *r, int most)
{
    int count = (int)r->tokens.count, room = r->limit - count - 1; /* the step makes one more */
    most = most < LOOKUP_MOST ? most : LOOKUP_MOST;
    r->guesses = lookup_guess(&r->lookup, r->tokens.ids, count, most < room ? most : room,
                              r->tokens.ids + count);
}

int request_pending(const struct request *r)
{
    int drawn = (int)r->tokens.count + r->unknown;
    return r->unknown && drawn >= r->limit ? 0 : drawn - r->computed;
}

struct backend_slice request_slice(struct request *r, int number)
{
    int drawn = (int)r->tokens.count + r->unknown;
    bool to_the_end = r->computed + r->planned == drawn + r->guesses && !r->logits;
    struct backend_slice slice = {
        .tokens = r->unknown ? NULL : r->tokens.ids + r->computed,
        .follows = r->slice,
        .count = r->planned,
        .position = r->computed,
        .pages = r->sequence.pages,
        .is_long = r->is_long,
        .samples = to_the_end ? 1 + r->guesses : 0,
        .sampler = r->sampler,
        .draw = (uint64_t)(drawn - r->prompt),
        .tops = r->tops,
        .made = r->made,
        .logprobs = r->logprobs,
        .top = r->top,
        .logits = r->logits ? r->logits + (size_t)r->computed * (size_t)r->model->config.vocabulary
                            : NULL,
    };
    r->computed += r->planned;
    r->unknown += to_the_end;
    r->flights++;
    r->slice = number;
    return slice;
}

/* One made token into the answer. True when it is the last one. */
static bool take_token(struct request *r, int32_t token, enum engine_finish *finish)
{
    size_t length;
    *finish = ENGINE_STOP;
    r->tokens.ids[r->tokens.count++] = token;
    if (!r->ignore_eos && tokenizer_is_end(r->model->tokenizer, token))
        return true;
    const char *piece = tokenizer_piece(r->model->tokenizer, token, false, &length);
    enum stream_state state = stream_push(r->stream, piece, length);
    if (state != STREAM_OPEN) {
        *finish = state == STREAM_STOPPED ? ENGINE_STOP : ENGINE_FAILED;
        return true;
    }
    *finish = ENGINE_LENGTH;
    return (int)r->tokens.count >= r->limit;
}

void request_send(struct request *r)
{
    int count = r->unsent;
    if (!count)
        return;
    struct engine_delta delta = {.tokens = r->made,
                                 .logprobs = r->logprobs,
                                 .top = r->top,
                                 .token_count = (size_t)count,
                                 .tops = (size_t)r->tops};
    r->unsent = 0;
    delta.text = stream_take(r->stream, &delta.length);
    if (r->on_delta)
        r->on_delta(r->user, &delta);
}

bool request_take(struct request *r, const struct backend_slice *slice, enum engine_finish *finish)
{
    int wrong = slice->samples - slice->made_count;
    r->landed = slice->position + slice->count - wrong;
    if (!slice->samples) {
        *finish = ENGINE_STOP;
        return r->logits && r->landed == r->prompt;
    }
    r->computed -= wrong;
    r->unknown--;
    lookup_learn(&r->lookup, slice->samples - 1, slice->made_count - 1);
    if (!r->first_token)
        r->first_token = request_clock();
    bool over = false;
    if (!reserve(r)) {
        *finish = ENGINE_FAILED;
        return true;
    }
    while (r->unsent < slice->made_count && !over)
        over = take_token(r, slice->made[r->unsent++], finish);
    if (over)
        stream_finish(r->stream);
    return over;
}

void request_end(struct request *r, enum engine_finish finish, const struct engine_error *error)
{
    double now = request_clock();
    struct engine_result result = {.finish = finish,
                                   .prompt_tokens = r->prompt,
                                   .cached_tokens = r->cached,
                                   .output_tokens =
                                       r->prompt ? (int)r->tokens.count - r->prompt : 0};
    if (error)
        result.error = *error;
    else if (finish == ENGINE_FAILED)
        engine_no_memory(&result.error, "the answer");
    double admitted = r->admitted > 0 ? r->admitted : now,
           first = r->first_token > 0 ? r->first_token : now;
    result.queue_seconds = admitted - r->submitted;
    result.prefill_seconds = first > admitted ? first - admitted : 0;
    result.decode_seconds = now - first;
    r->on_end(r->user, &result);
}
