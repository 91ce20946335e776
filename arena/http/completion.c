/* A sink may be called before competitor_chat has returned, a stream may close inside a sink, and
 * cancelling one chat may end it on the spot. So nothing is decided inside: every entry is counted,
 * and whoever leaves last settles what is to be done now (cancel, answer, free). Nothing cancels a
 * chat from inside its own sink: a stream that could not be opened lets that chat run out unheard.
 */
#include "http/completion.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "http/openai.h"
#include "http/response.h"
#include "http/server_internal.h"
#include "people/keys.h"

#define ID_PREFIX "chatcmpl-"
enum { FINGERPRINT_LENGTH = 12 };

struct choice {
    struct completion *completion;
    int index;
    struct chat *chat;   /* NULL: not yet, or no more */
    bool speaking;       /* inside its delta */
    bool ended;          /* or never begun */
    struct buf text;     /* of a whole answer */
    struct buf logprobs; /* of a whole answer, or of the next piece */
    enum chat_finish finish;
};

struct completion {
    struct completions *completions;
    struct completion *next, **link;
    struct http_request *request; /* held */
    struct competitor *competitor;
    struct stream *stream;
    struct openai_head head;
    char id[sizeof ID_PREFIX + RANDOM_ID_LENGTH];
    char fingerprint[sizeof "fp_" + FINGERPRINT_LENGTH];
    char key[STORE_ID_SIZE];
    bool streams, include_usage, logprobs;
    int entries;    /* how deep inside we are */
    bool open;      /* the stream is there */
    bool unheard;   /* nobody will read the rest */
    bool finished;  /* the reply's last word is said */
    struct err err; /* the first failure */
    const char *param;
    struct chat_usage usage;
    struct buf events; /* not sent yet */
    size_t sent;       /* of the first of them */
    int ended, count;
    struct choice choices[];
};

static void completion_free(struct completion *completion)
{
    *completion->link = completion->next;
    if (completion->next)
        completion->next->link = completion->link;
    completion->completions->count--;
    for (int i = 0; i < completion->count; i++) {
        buf_done(&completion->choices[i].text);
        buf_done(&completion->choices[i].logprobs);
    }
    buf_done(&completion->events);
    http_request_release(completion->request);
    competitor_release(completion->competitor);
    free(completion);
}

static void enter(struct completion *completion)
{
    completion->entries++;
}

static void leave(struct completion *completion);

/* For who is inside. */
static void cancel_rest(struct completion *completion)
{
    for (int i = 0; i < completion->count; i++) {
        struct choice *choice = &completion->choices[i];
        if (choice->chat && !choice->speaking)
            chat_cancel(completion->competitor, choice->chat);
    }
}

/* --- the stream's side --- */

static struct text pending(void *user)
{
    struct completion *completion = user;
    if (!completion->events.length)
        return (struct text){"", 0};
    return (struct text){completion->events.data + completion->sent,
                         completion->events.length - completion->sent};
}

static void advance(void *user, size_t count)
{
    struct completion *completion = user;
    completion->sent += count;
    if (completion->sent < completion->events.length || completion->events.failed)
        return;
    buf_clear(&completion->events);
    completion->sent = 0;
}

static bool has_ended(void *user)
{
    return ((struct completion *)user)->finished;
}

static void closed(void *user)
{
    struct completion *completion = user;
    enter(completion);
    completion->open = false;
    completion->stream = NULL;
    completion->unheard = true;
    leave(completion);
}

static void open_stream(struct completion *completion)
{
    struct err err = ERR_INIT;
    struct stream_source source = {.pending = pending,
                                   .advance = advance,
                                   .ended = has_ended,
                                   .closed = closed,
                                   .user = completion,
                                   .greeting = {"", 0},
                                   .farewell = {"", 0}};
    struct http_request *request = completion->request;
    completion->open = true;
    for (int i = 0; i < completion->count; i++)
        openai_chunk_role(&completion->events, &completion->head, i);
    completion->stream = stream_open(server_streams(request->server), request, &source, &err);
    if (!completion->stream && request->connection)
        response_error(request, &err);
}

/* What a reader that is too slow for its answer left unread does not fit any more: it is cut off,
 * so that nothing of what it reads is ever missing. */
static void push(struct completion *completion)
{
    if (completion->events.failed && completion->open)
        peer_cut(completion->request->peer);
    if (completion->stream)
        stream_more(completion->stream);
}

/* --- a chat's side --- */

static void on_token(void *user, const struct chat_token *token)
{
    struct choice *choice = user;
    if (!choice->completion->unheard)
        openai_logprob(&choice->logprobs, token);
}

static void stream_piece(struct choice *choice, struct text text)
{
    struct completion *completion = choice->completion;
    struct openai_choice piece = {.index = choice->index,
                                  .text = text,
                                  .logprobs = completion->logprobs ? &choice->logprobs : NULL};
    if (!completion->open)
        open_stream(completion);
    if (completion->open)
        openai_chunk_text(&completion->events, &completion->head, &piece);
    completion->events.failed |= choice->logprobs.failed;
    buf_clear(&choice->logprobs);
    push(completion);
}

static void on_delta(void *user, enum chat_channel channel, struct text text)
{
    struct choice *choice = user;
    struct completion *completion = choice->completion;
    if (channel == CHAT_REASONING || completion->unheard || completion->err.code != ERR_NONE)
        return;
    enter(completion);
    choice->speaking = true;
    if (completion->streams)
        stream_piece(choice, text);
    else
        buf_add_text(&choice->text, text);
    choice->speaking = false;
    leave(completion);
}

/* What a failed answer is to its client; another server's own words stay with the operator. */
static void explain(struct completion *completion, const struct chat_end *end)
{
    static const struct {
        enum chat_error_class class;
        enum err_code code;
        const char *words;
    } TABLE[] = {
        {CHAT_CONTEXT_LENGTH, ERR_PROMPT_TOO_LONG,
         "the messages are longer than the model's context"},
        {CHAT_BAD_REQUEST, ERR_BAD_REQUEST, "the model refuses this request"},
        {CHAT_RATE_LIMIT, ERR_BUSY, "the model is busy: try again in a moment"},
        {CHAT_OVERLOADED, ERR_BUSY, "the model is busy: try again in a moment"},
    };
    struct err *err = &completion->err;
    bool ours = completion->competitor->own_engine && *end->error.message;
    if (end->finish == CHAT_CANCELLED) {
        err_set(err, ERR_BUSY, "the answer was cut off: try again in a moment");
        return;
    }
    err_set(err, ERR_INTERNAL, "the model failed to answer");
    for (size_t i = 0; i < sizeof TABLE / sizeof *TABLE; i++)
        if (TABLE[i].class == end->error.class)
            err_set(err, TABLE[i].code, "%s", ours ? end->error.message : TABLE[i].words);
    completion->param = err->code == ERR_PROMPT_TOO_LONG ? "messages" : NULL;
}

/* The choices share one prompt: it is counted once, as the first of them found it. */
static void add_usage(struct choice *choice, const struct chat_usage *usage)
{
    struct chat_usage *sum = &choice->completion->usage;
    if (usage->input > sum->input)
        sum->input = usage->input;
    if (usage->output > 0)
        sum->output += usage->output;
    if (choice->index == 0)
        sum->cached = usage->cached;
}

static void on_end(void *user, const struct chat_end *end)
{
    struct choice *choice = user;
    struct completion *completion = choice->completion;
    bool failed = chat_finish_failed(end->finish) || end->finish == CHAT_CANCELLED;
    enter(completion);
    choice->chat = NULL;
    choice->ended = true;
    choice->finish = end->finish;
    completion->ended++;
    add_usage(choice, &end->usage);
    if (completion->err.code == ERR_NONE && failed)
        explain(completion, end);
    if (completion->streams && completion->err.code == ERR_NONE && !completion->unheard) {
        if (!completion->open)
            open_stream(completion); /* an answer without a word */
        openai_chunk_finish(&completion->events, &completion->head, choice->index, end->finish);
        push(completion);
    }
    leave(completion);
}

/* --- the last word --- */

static void finish_stream(struct completion *completion)
{
    struct buf *out = &completion->events;
    if (!completion->open) { /* does nothing where a stream was open once */
        response_error(completion->request, &completion->err);
        return;
    }
    if (completion->err.code != ERR_NONE)
        openai_chunk_error(out, &completion->err, completion->param);
    else if (completion->include_usage)
        openai_chunk_usage(out, &completion->head, &completion->usage);
    openai_chunk_done(out);
    push(completion);
}

static bool write_whole(struct completion *completion, struct buf *out)
{
    struct openai_choice choices[OPENAI_CHOICES];
    struct err *err = &completion->err;
    for (int i = 0; i < completion->count; i++) {
        const struct choice *choice = &completion->choices[i];
        if (choice->text.failed)
            return err_set(err, ERR_MEMORY, "the answer does not fit the memory there is for it");
        if (choice->logprobs.failed)
            return err_set(
                err, ERR_TOO_LARGE,
                "the log-probabilities are longer than %d bytes: ask for fewer tokens or "
                "fewer top_logprobs, or for a stream",
                LIMIT_LOGPROB_BYTES / completion->count);
        choices[i] =
            (struct openai_choice){.index = i,
                                   .text = buf_text(&choice->text),
                                   .logprobs = completion->logprobs ? &choice->logprobs : NULL,
                                   .finish = choice->finish};
    }
    openai_write(out, &completion->head, choices, (size_t)completion->count, &completion->usage);
    return !out->failed || err_set(err, ERR_MEMORY, "out of memory");
}

static void finish_whole(struct completion *completion)
{
    struct buf out;
    buf_init(&out, OPENAI_CHOICES * 7 * LIMIT_ANSWER_BYTES + LIMIT_LOGPROB_BYTES);
    if (completion->err.code == ERR_NONE && write_whole(completion, &out))
        response_json(completion->request, 200, buf_text(&out));
    else
        response_error(completion->request, &completion->err);
    buf_done(&out);
}

static void finish(struct completion *completion)
{
    completion->finished = true;
    completion->request->param = completion->param;
    if (*completion->key)
        keys_spent(completion->request->context->keys, completion->key, completion->usage.input,
                   completion->usage.output);
    if (completion->streams)
        finish_stream(completion);
    else
        finish_whole(completion);
}

/* Only one is inside: what is to be done now? True when that was the completion's end. */
static bool settle(struct completion *completion)
{
    if (completion->unheard || completion->err.code != ERR_NONE)
        cancel_rest(completion);
    if (completion->ended < completion->count)
        return false;
    if (!completion->finished)
        finish(completion);
    if (completion->stream)
        return false;
    completion_free(completion);
    return true;
}

static void leave(struct completion *completion)
{
    if (completion->entries > 1 || !settle(completion))
        completion->entries--;
}

/* --- starting --- */

static void name_it(struct completion *completion, const char *key)
{
    const struct competitor *competitor = completion->competitor;
    memcpy(completion->id, ID_PREFIX, sizeof ID_PREFIX);
    random_id(completion->id + sizeof ID_PREFIX - 1);
    memcpy(completion->fingerprint, "fp_", 3);
    memcpy(completion->fingerprint + 3, competitor->version, FINGERPRINT_LENGTH);
    memccpy(completion->key, key, '\0', sizeof completion->key - 1);
    completion->head = (struct openai_head){
        completion->id, competitor_shown_name(&competitor->config), completion->fingerprint,
        clock_wall_ms() / 1000, completion->include_usage};
}

static struct completion *completion_new(struct completions *completions,
                                         struct http_request *request,
                                         struct competitor *competitor,
                                         const struct openai_request *asked)
{
    size_t count = (size_t)asked->choices;
    struct completion *completion =
        calloc(1, sizeof *completion + count * sizeof *completion->choices);
    if (!completion)
        return NULL;
    completion->completions = completions;
    completion->request = request;
    http_request_hold(request);
    completion->competitor = competitor;
    competitor_hold(competitor);
    completion->streams = asked->stream;
    completion->include_usage = asked->include_usage;
    completion->logprobs = asked->detail.logprobs;
    completion->usage.cached = -1;
    completion->count = (int)count;
    buf_init(&completion->events, LIMIT_EVENT_LOG_BYTES); /* what a slow reader leaves waiting */
    for (int i = 0; i < completion->count; i++) {
        struct choice *choice = &completion->choices[i];
        *choice = (struct choice){.completion = completion, .index = i};
        buf_init(&choice->text, LIMIT_ANSWER_BYTES);
        buf_init(&choice->logprobs, LIMIT_LOGPROB_BYTES / count);
    }
    completion->next = completions->first;
    completion->link = &completions->first;
    if (completion->next)
        completion->next->link = &completion->next;
    completions->first = completion;
    completions->count++;
    return completion;
}

/* Each choice draws from a seed of its own, the first from the one that was given. */
static void start_choice(struct choice *choice, const struct openai_request *asked)
{
    struct completion *completion = choice->completion;
    struct chat_sink sink = {.delta = on_delta, .end = on_end, .user = choice, .token = on_token};
    struct chat_params params = asked->params;
    if (params.seed >= 0)
        params.seed = (int64_t)(((uint64_t)params.seed + (uint64_t)choice->index) & INT64_MAX);
    struct chat *chat = NULL;
    if (completion->err.code == ERR_NONE)
        chat = competitor_chat(completion->competitor, asked->messages, asked->count, &params,
                               &sink, &completion->err);
    if (choice->ended) /* before it came back */
        return;
    choice->chat = chat;
    if (!chat) { /* it could not begin, or one before it has failed */
        choice->ended = true;
        completion->ended++;
    }
}

void completion_start(struct completions *completions, struct http_request *request,
                      struct competitor *competitor, const struct openai_request *asked,
                      const char *key)
{
    struct completion *completion = completion_new(completions, request, competitor, asked);
    if (!completion) {
        response_with(request, 503, NULL);
        return;
    }
    name_it(completion, key);
    enter(completion);
    for (int i = 0; i < completion->count; i++)
        start_choice(&completion->choices[i], asked);
    leave(completion);
}

/* --- all of them --- */

static bool has_left(const struct completion *completion)
{
    const struct http_request *request = completion->request;
    return completion->unheard ||
           (!completion->open && (!request->connection || peer_left(request->peer)));
}

/* Whom nobody waits for fails, and is answered like any failure: a connection that sleeps must wake
 * to see its end. */
void completions_beat(struct completions *completions)
{
    for (struct completion *completion = completions->first, *next; completion; completion = next) {
        next = completion->next;
        if (completion->finished || !has_left(completion))
            continue;
        enter(completion);
        if (completion->err.code == ERR_NONE)
            err_set(&completion->err, ERR_BUSY, "the client has left");
        leave(completion);
    }
}

void completions_cancel(struct completions *completions)
{
    for (struct completion *completion = completions->first, *next; completion; completion = next) {
        next = completion->next;
        enter(completion);
        cancel_rest(completion);
        leave(completion);
    }
}
