/* The chat's sink may be called before competitor_chat has returned, and the stream may close
 * inside the sink: flags say where we are, and only the two outermost places (the end of the chat,
 * the end of the stream) free. Nothing cancels a chat from inside its own sink: a stream that could
 * not be opened lets the chat run out unheard. */
#include "http/completion.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "http/response.h"
#include "http/server_internal.h"
#include "people/keys.h"

#define ID_PREFIX "chatcmpl-"
enum { FINGERPRINT_LENGTH = 12 };

struct completion {
    struct completions *completions;
    struct completion *next, **link;
    struct http_request *request; /* held */
    struct competitor *competitor;
    struct chat *chat; /* NULL: not yet, or no more */
    struct stream *stream;
    struct openai_head head;
    char id[sizeof ID_PREFIX + RANDOM_ID_LENGTH];
    char fingerprint[sizeof "fp_" + FINGERPRINT_LENGTH];
    char key[STORE_ID_SIZE];
    bool streams, include_usage;
    bool starting;   /* inside competitor_chat */
    bool speaking;   /* inside the sink */
    bool open;       /* the stream is there */
    bool unheard;    /* nobody will read the rest */
    bool ended;      /* the chat has */
    struct buf text; /* the answer, or the events not sent yet */
    size_t sent;     /* of the events */
};

static void completion_free(struct completion *completion)
{
    *completion->link = completion->next;
    if (completion->next)
        completion->next->link = completion->link;
    completion->completions->count--;
    buf_done(&completion->text);
    http_request_release(completion->request);
    free(completion);
}

/* --- the stream's side --- */

static struct text pending(void *user)
{
    struct completion *completion = user;
    if (!completion->text.length)
        return (struct text){"", 0};
    return (struct text){completion->text.data + completion->sent,
                         completion->text.length - completion->sent};
}

static void advance(void *user, size_t count)
{
    struct completion *completion = user;
    completion->sent += count;
    if (completion->sent < completion->text.length)
        return;
    buf_clear(&completion->text);
    completion->sent = 0;
}

static bool has_ended(void *user)
{
    return ((struct completion *)user)->ended;
}

static void closed(void *user)
{
    struct completion *completion = user;
    completion->open = false;
    completion->stream = NULL;
    completion->unheard = true;
    if (completion->speaking || completion->starting)
        return;
    if (completion->ended)
        completion_free(completion);
    else if (completion->chat)
        chat_cancel(completion->competitor, completion->chat);
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
    openai_chunk_role(&completion->text, &completion->head);
    completion->stream = stream_open(server_streams(request->server), request, &source, &err);
    if (!completion->stream && request->connection)
        response_error(request, &err);
}

/* --- the chat's side --- */

static void on_delta(void *user, enum chat_channel channel, struct text text)
{
    struct completion *completion = user;
    if (channel == CHAT_REASONING || completion->unheard)
        return;
    completion->speaking = true;
    if (!completion->streams) {
        buf_add_text(&completion->text, text);
    } else {
        if (!completion->open)
            open_stream(completion);
        if (completion->open)
            openai_chunk_text(&completion->text, &completion->head, text);
        if (completion->stream)
            stream_more(completion->stream);
    }
    completion->speaking = false;
}

/* What a failed answer is to its client; the provider's own words stay with the operator. */
static void explain(const struct chat_end *end, struct err *err)
{
    static const struct {
        enum chat_error_class class;
        enum err_code code;
        const char *words;
    } TABLE[] = {
        {CHAT_CONTEXT_LENGTH, ERR_BAD_REQUEST, "the messages are longer than the model's context"},
        {CHAT_BAD_REQUEST, ERR_BAD_REQUEST, "the model refuses this request"},
        {CHAT_RATE_LIMIT, ERR_BUSY, "the model is busy: try again in a moment"},
        {CHAT_OVERLOADED, ERR_BUSY, "the model is busy: try again in a moment"},
    };
    if (end->finish == CHAT_CANCELLED) {
        err_set(err, ERR_BUSY, "the answer was cut off: try again in a moment");
        return;
    }
    for (size_t i = 0; i < sizeof TABLE / sizeof *TABLE; i++)
        if (TABLE[i].class == end->error.class) {
            err_set(err, TABLE[i].code, "%s", TABLE[i].words);
            return;
        }
    err_set(err, ERR_INTERNAL, "the model failed to answer");
}

static void end_stream(struct completion *completion, const struct chat_end *end,
                       const struct err *err)
{
    struct buf *out = &completion->text;
    if (err->code == ERR_NONE && !completion->open && !completion->unheard)
        open_stream(completion); /* an answer without a word */
    if (!completion->open) {
        if (!completion->unheard)
            response_error(completion->request, err);
        return;
    }
    if (err->code == ERR_NONE) {
        openai_chunk_finish(out, &completion->head, end->finish);
        if (completion->include_usage)
            openai_chunk_usage(out, &completion->head, &end->usage);
    } else {
        openai_chunk_error(out, err);
    }
    openai_chunk_done(out);
}

static void end_whole(struct completion *completion, const struct chat_end *end, struct err *err)
{
    struct buf out;
    buf_init(&out, 8 * LIMIT_ANSWER_BYTES);
    if (err->code == ERR_NONE && completion->text.failed)
        err_set(err, ERR_MEMORY, "out of memory");
    if (err->code == ERR_NONE)
        openai_write(&out, &completion->head, buf_text(&completion->text), end);
    if (err->code == ERR_NONE && !out.failed)
        response_json(completion->request, 200, buf_text(&out));
    else if (err->code == ERR_NONE)
        response_with(completion->request, 503, NULL);
    else
        response_error(completion->request, err);
    buf_done(&out);
}

static void on_end(void *user, const struct chat_end *end)
{
    struct completion *completion = user;
    struct err err = ERR_INIT;
    completion->chat = NULL;
    completion->ended = completion->speaking = true;
    if (*completion->key)
        keys_spent(completion->request->context->keys, completion->key, end->usage.input,
                   end->usage.output);
    if (chat_finish_failed(end->finish) || end->finish == CHAT_CANCELLED)
        explain(end, &err);
    if (completion->streams)
        end_stream(completion, end, &err);
    else
        end_whole(completion, end, &err);
    completion->speaking = false;
    if (completion->stream)
        stream_more(completion->stream);
    else if (!completion->starting)
        completion_free(completion);
}

/* --- starting --- */

static struct completion *completion_new(struct completions *completions,
                                         struct http_request *request,
                                         struct competitor *competitor,
                                         const struct openai_request *asked, const char *key)
{
    struct completion *completion = calloc(1, sizeof *completion);
    if (!completion)
        return NULL;
    completion->completions = completions;
    completion->request = request;
    http_request_hold(request);
    completion->competitor = competitor;
    memcpy(completion->id, ID_PREFIX, sizeof ID_PREFIX);
    random_id(completion->id + sizeof ID_PREFIX - 1);
    memcpy(completion->fingerprint, "fp_", 3);
    memcpy(completion->fingerprint + 3, competitor->version, FINGERPRINT_LENGTH);
    memccpy(completion->key, key, '\0', sizeof completion->key - 1);
    completion->head = (struct openai_head){completion->id, competitor->config.name,
                                            completion->fingerprint, clock_wall_ms() / 1000};
    completion->streams = asked->stream;
    completion->include_usage = asked->include_usage;
    /* A streamed answer waits here only as long as its reader is slow. */
    buf_init(&completion->text, LIMIT_EVENT_LOG_BYTES);
    completion->next = completions->first;
    completion->link = &completions->first;
    if (completion->next)
        completion->next->link = &completion->next;
    completions->first = completion;
    completions->count++;
    return completion;
}

void completion_start(struct completions *completions, struct http_request *request,
                      struct competitor *competitor, const struct openai_request *asked,
                      const char *key)
{
    struct err err = ERR_INIT;
    struct completion *completion = completion_new(completions, request, competitor, asked, key);
    if (!completion) {
        response_with(request, 503, NULL);
        return;
    }
    struct chat_sink sink = {.delta = on_delta, .end = on_end, .user = completion};
    completion->starting = true;
    struct chat *chat =
        competitor_chat(competitor, asked->messages, asked->count, &asked->params, &sink, &err);
    completion->starting = false;
    if (!chat && !completion->ended)
        response_error(request, &err);
    if (chat && !completion->ended)
        completion->chat = chat;
    else if (!completion->open)
        completion_free(completion);
}

void completions_cancel(struct completions *completions)
{
    for (struct completion *completion = completions->first, *next; completion; completion = next) {
        next = completion->next;
        if (completion->chat)
            chat_cancel(completion->competitor, completion->chat);
    }
}
