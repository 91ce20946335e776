/* A chat lives on the loop's thread; the engine's thread only makes messages that point to it.
 * It is freed by the message that brings its end, which is the last one the engine makes, so no
 * message can find it gone. */
#include "competitor/inhouse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/random.h"
#include "competitor/cost.h"
#include "competitor/token_queue.h"

struct inhouse {
    struct engine *engine;
    struct engine_model *model;
    struct loop *loop;
};

struct chat {
    struct competitor *competitor;
    struct chat_sink sink;
    uint64_t id;
    int64_t started_ns, first_ns;
    bool said_something, tells_tokens;
    struct token_queue tokens; /* when it tells them */
    char *sent;
};

struct news {
    struct chat *chat;
    struct engine_result result; /* of an end */
    size_t count; /* of a delta's rows, as token_queue.h has them; its text stands behind them */
    size_t length;
    struct engine_logprob rows[];
};

/* A message must arrive, or its chat would never end: without memory the engine's thread waits
 * for some. */
static void post(struct chat *chat, void (*function)(void *data), struct news *news)
{
    struct inhouse *inhouse = chat->competitor->state;
    while (!loop_post(inhouse->loop, function, news))
        usleep(1000);
}

static struct news *news_new(struct chat *chat, size_t count, size_t length)
{
    struct news *news;
    while (!(news = malloc(sizeof *news + count * sizeof *news->rows + length)))
        usleep(1000);
    news->chat = chat;
    news->count = count;
    news->length = length;
    return news;
}

static void deliver_text(void *data)
{
    struct news *news = data;
    struct chat *chat = news->chat;
    if (chat->tells_tokens)
        token_queue_add(&chat->tokens, news->rows, news->count);
    if (!chat->first_ns)
        chat->first_ns = clock_mono_ns() - chat->started_ns;
    if (news->length) {
        chat->said_something = true;
        if (chat->tells_tokens)
            token_queue_tell(&chat->tokens, news->length, &chat->sink);
        struct text text = {(const char *)(news->rows + news->count), news->length};
        chat->sink.delta(chat->sink.user, CHAT_TEXT, text);
    }
    free(news);
}

static enum chat_error_class error_class(enum engine_error_code code)
{
    switch (code) {
    case ENGINE_OK:
        return CHAT_OK;
    case ENGINE_TOO_LONG:
        return CHAT_CONTEXT_LENGTH;
    case ENGINE_BUSY:
    case ENGINE_MEMORY:
        return CHAT_OVERLOADED;
    case ENGINE_REQUEST:
        return CHAT_BAD_REQUEST;
    default:
        return CHAT_SERVER;
    }
}

static enum chat_finish finish_of(const struct chat *chat, enum engine_finish finish)
{
    switch (finish) {
    case ENGINE_STOP:
        return chat->said_something ? CHAT_STOP : CHAT_EMPTY;
    case ENGINE_LENGTH:
        return CHAT_LENGTH;
    case ENGINE_CANCELLED:
        return CHAT_CANCELLED;
    case ENGINE_FAILED:
        break;
    }
    return CHAT_ERROR;
}

static void deliver_end(void *data)
{
    struct news *news = data;
    struct chat *chat = news->chat;
    struct engine_result *result = &news->result;
    if (chat->tells_tokens && chat->tokens.rows.failed) {
        result->finish = ENGINE_FAILED;
        result->error =
            (struct engine_error){ENGINE_MEMORY, "out of memory for the log-probabilities"};
    }
    struct chat_end end = {
        .finish = finish_of(chat, result->finish),
        .usage = {result->prompt_tokens, result->output_tokens, -1, result->cached_tokens, -1},
        .sent = chat->sent,
        .attempts = 1,
        .first_content_ns = chat->first_ns,
        .total_ns = clock_mono_ns() - chat->started_ns,
    };
    end.cost_usd = cost_of(&chat->competitor->config, &end.usage, clock_wall_ms());
    struct engine_model_info info;
    engine_model_info(((struct inhouse *)chat->competitor->state)->model, &info);
    end.model = info.name;
    if (end.finish == CHAT_ERROR) {
        end.error.class = error_class(result->error.code);
        end.error.retryable = chat_error_retryable(end.error.class);
        memcpy(end.error.message, result->error.message, sizeof result->error.message);
        end.faults[end.error.class] = 1;
    }
    chat->competitor->under_way--;
    chat->sink.end(chat->sink.user, &end);
    token_queue_done(&chat->tokens);
    free(chat->sent);
    free(chat);
    free(news);
}

/* `tells_tokens` is set before the request is submitted and stays as it is. */
static void on_delta(void *user, const struct engine_delta *delta)
{
    const struct chat *chat = user;
    size_t count = chat->tells_tokens ? delta->token_count * (1 + delta->tops) : 0;
    if (!delta->length && !count)
        return;
    struct news *news = news_new(user, count, delta->length);
    struct engine_logprob *row = news->rows;
    for (size_t i = 0; count && i < delta->token_count; i++) {
        *row++ = (struct engine_logprob){delta->tokens[i], delta->logprobs[i]};
        for (size_t j = 0; j < delta->tops; j++)
            *row++ = delta->top[i * delta->tops + j];
    }
    if (delta->length)
        memcpy(news->rows + count, delta->text, delta->length);
    post(user, deliver_text, news);
}

static void on_end(void *user, const struct engine_result *result)
{
    struct news *news = news_new(user, 0, 0);
    news->result = *result;
    post(user, deliver_end, news);
}

static void describe_detail(struct json_out *out, const struct engine_sampling *sampling)
{
    if (sampling->repetition_penalty != 1)
        json_put_real(out, "repetition_penalty", sampling->repetition_penalty);
    if (sampling->presence_penalty != 0)
        json_put_real(out, "presence_penalty", sampling->presence_penalty);
    if (sampling->frequency_penalty != 0)
        json_put_real(out, "frequency_penalty", sampling->frequency_penalty);
    if (sampling->logit_biases)
        json_put_int(out, "logit_biases", (int64_t)sampling->logit_biases);
}

/* The parameters as the engine got them: what an unset one means is written out, but for those
 * that only a program can set. */
static char *describe(const struct engine_request *request)
{
    struct buf buf;
    buf_init(&buf, 512 << 10);
    struct json_out out = json_out_to(&buf);
    json_put_open(&out, NULL, '{');
    json_put_real(&out, "temperature", request->sampling.temperature);
    json_put_real(&out, "top_p", request->sampling.top_p);
    json_put_real(&out, "min_p", request->sampling.min_p);
    json_put_int(&out, "top_k", request->sampling.top_k);
    json_put_int(&out, "max_tokens", request->max_tokens);
    json_put_int(&out, "seed", (int64_t)request->sampling.seed);
    json_put_open(&out, "stop", '[');
    for (size_t i = 0; i < request->stops; i++)
        json_put_cstring(&out, NULL, request->stop[i]);
    json_put_close(&out, ']');
    describe_detail(&out, &request->sampling);
    if (request->json_schema)
        json_put_cstring(&out, "json_schema", request->json_schema);
    json_put_close(&out, '}');
    return buf_take(&buf, NULL);
}

static double or_else(double value, double otherwise)
{
    return isnan(value) ? otherwise : value;
}

static void fill_request(struct engine_request *request, const struct chat_params *params)
{
    uint64_t seed;
    random_bytes(&seed, sizeof seed);
    request->sampling = (struct engine_sampling){
        .temperature = or_else(params->temperature, 1),
        .top_p = or_else(params->top_p, 1),
        .min_p = or_else(params->min_p, 0),
        .top_k = params->top_k > 0 ? (int)params->top_k : 0,
        .seed = params->seed >= 0 ? (uint64_t)params->seed : seed >> 1,
    };
    request->max_tokens = params->max_tokens > 0 ? (int)params->max_tokens : 0;
    request->stop = params->stop;
    request->stops = params->stops;
    request->background = params->background;
    request->json_schema = params->schema;
    request->on_delta = on_delta;
    request->on_end = on_end;
}

/* `bias`: room for detail->biases of them. */
static void fill_detail(struct engine_request *request, const struct chat_detail *detail,
                        struct engine_bias *bias)
{
    struct engine_sampling *sampling = &request->sampling;
    sampling->repetition_penalty = or_else(detail->repetition_penalty, 1);
    sampling->presence_penalty = or_else(detail->presence_penalty, 0);
    sampling->frequency_penalty = or_else(detail->frequency_penalty, 0);
    for (size_t i = 0; i < detail->biases; i++)
        bias[i] = (struct engine_bias){detail->bias[i].token, detail->bias[i].bias};
    sampling->logit_bias = bias;
    sampling->logit_biases = detail->biases;
    request->want_logprobs = detail->logprobs;
    request->top_logprobs = detail->top_logprobs;
}

static const struct chat_detail *detail_of(const struct chat_params *params)
{
    static const struct chat_detail NONE = {NAN, NAN, NAN, NULL, 0, false, 0};
    return params->detail ? params->detail : &NONE;
}

/* Refused (the queue is full, the prompt too long): that is this chat's end, told as any other. */
static void refuse(struct chat *chat, const struct engine_error *error)
{
    struct engine_result result = {.finish = ENGINE_FAILED, .error = *error};
    on_end(chat, &result);
}

static bool submit(struct chat *chat, const struct chat_message *messages, size_t count,
                   const struct chat_params *params, struct err *err)
{
    static const char *const ROLES[] = {"system", "user", "assistant"};
    struct inhouse *inhouse = chat->competitor->state;
    const struct chat_detail *detail = detail_of(params);
    struct engine_message *copies = calloc(count + 1, sizeof *copies);
    struct engine_bias *bias = calloc(detail->biases + 1, sizeof *bias);
    if (!copies || !bias) {
        free(copies);
        free(bias);
        return err_set(err, ERR_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < count; i++)
        copies[i] = (struct engine_message){ROLES[messages[i].role], messages[i].text.data,
                                            messages[i].text.length};
    struct engine_request request = {.messages = copies, .message_count = count, .user = chat};
    fill_request(&request, params);
    fill_detail(&request, detail, bias);
    chat->tells_tokens = detail->logprobs && chat->sink.token;
    chat->sent = describe(&request);
    token_queue_init(&chat->tokens, inhouse->model, (size_t)request.top_logprobs);
    struct engine_error error = {ENGINE_OK, ""};
    chat->id = engine_submit(inhouse->model, &request, &error);
    free(copies);
    free(bias);
    if (!chat->id)
        refuse(chat, &error);
    return true;
}

static struct chat *inhouse_chat(struct competitor *competitor, const struct chat_message *messages,
                                 size_t count, const struct chat_params *params,
                                 const struct chat_sink *sink, struct err *err)
{
    struct chat *chat = calloc(1, sizeof *chat);
    if (!chat) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    *chat = (struct chat){.competitor = competitor, .sink = *sink, .started_ns = clock_mono_ns()};
    if (!submit(chat, messages, count, params, err)) {
        free(chat);
        return NULL;
    }
    competitor->under_way++;
    return chat;
}

static void inhouse_cancel(struct chat *chat)
{
    struct inhouse *inhouse = chat->competitor->state;
    engine_cancel(inhouse->engine, chat->id);
}

static void inhouse_close(struct competitor *competitor)
{
    free(competitor->state);
    competitor->state = NULL;
}

bool inhouse_attach(struct competitor *competitor, struct engine *engine,
                    struct engine_model *model, struct loop *loop, struct err *err)
{
    static const struct competitor_adapter ADAPTER = {inhouse_chat, inhouse_cancel, inhouse_close};
    struct inhouse *inhouse = malloc(sizeof *inhouse);
    if (!inhouse)
        return err_set(err, ERR_MEMORY, "out of memory");
    *inhouse = (struct inhouse){engine, model, loop};
    competitor->adapter = &ADAPTER;
    competitor->state = inhouse;
    competitor->own_engine = true;
    return true;
}
