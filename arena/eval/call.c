/* The call itself is the store job's data: it stays where it is until `done` has come. */
#include "eval/call.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "competitor/cost.h"
#include "store/answers.h"
#include "store/eval_calls.h"

#define STORE_AGAIN_NS (2 * CLOCK_S)

bool call_failed(const struct call *call)
{
    return chat_finish_failed(call->finish) || call->finish == CHAT_CANCELLED;
}

double call_worst(const struct competitor *competitor, const struct ask_call *asked,
                  const struct chat_params *params)
{
    const struct competitor_config *config = &competitor->config;
    struct chat_params merged = *params;
    if (merged.max_tokens < 0)
        merged.max_tokens = config->params.max_tokens;
    int64_t now = clock_wall_ms();
    double worst = cost_at_worst(config, asked->messages, asked->count, &merged, now),
           system = config->system ? (double)strlen(config->system) : 0;
    worst += system * price_at_worst(&config->prices, now).input / 1e6;
    return isnan(worst) ? 0 : worst;
}

/* --- storing --- */

static struct text text_or_none(const struct buf *buf)
{
    return buf->length ? buf_text(buf) : (struct text){NULL, 0};
}

static bool store_answer(struct db *tx, struct call *call, struct err *err)
{
    struct answer_record record = {.version = call->version,
                                   .text = buf_text(&call->text),
                                   .reasoning = text_or_none(&call->reasoning),
                                   .refusal = text_or_none(&call->refusal),
                                   .finish = chat_finish_word(call->finish),
                                   .input_tokens = call->usage.input,
                                   .output_tokens = call->usage.output,
                                   .reasoning_tokens = call->usage.reasoning,
                                   .cached_tokens = call->usage.cached,
                                   .cache_write_tokens = call->usage.cache_write,
                                   .cost_usd = call->cost_usd,
                                   .model = call->model,
                                   .request_id = call->request_id,
                                   .sent = call->sent,
                                   .attempts = call->attempts,
                                   .first_content_ns = call->first_content_ns,
                                   .total_ns = call->total_ns,
                                   .created_ms = clock_wall_ms()};
    memcpy(record.key, call->key, DIGEST_SIZE);
    return answers_insert(tx, &record, &call->answer, err);
}

static const char *failure_word(const struct call *call)
{
    if (call->finish == CHAT_CANCELLED)
        return "cancelled";
    return call->error_class == CHAT_OK ? chat_finish_word(call->finish)
                                        : chat_error_word(call->error_class);
}

static bool apply(struct db *tx, void *data, struct err *err)
{
    struct call *call = data;
    bool failed = call_failed(call);
    call->answer = 0;
    if (!failed && !store_answer(tx, call, err))
        return false;
    struct eval_call_record record = {.run = call->run,
                                      .judge = call->judges,
                                      .place = (int64_t)call->place,
                                      .answer = call->answer,
                                      .error_class = failed ? failure_word(call) : NULL,
                                      .error_message = failed ? call->error_message : NULL,
                                      .cost_usd = call->cost_usd,
                                      .charged_usd = call->charged_usd,
                                      .attempts = call->attempts,
                                      .total_ns = call->total_ns,
                                      .forgiven = call->cancelled,
                                      .at_ms = clock_wall_ms()};
    memcpy(record.key, call->key, DIGEST_SIZE);
    return eval_calls_insert(tx, &record, err);
}

static void submit(void *user);

static void lose(void *user)
{
    struct call *call = user;
    call->lost = true;
    call->answer = 0;
    call->over(call);
}

/* Never at once: whoever cancels is not done with the call yet. */
static void give_up_or_wait(struct call *call)
{
    int64_t now = clock_mono_ns();
    call->again = (struct loop_timer){.expired = call->giving_up ? lose : submit, .user = call};
    loop_timer_start(call->loop, &call->again, call->giving_up ? now : now + STORE_AGAIN_NS);
}

static void is_stored(void *data, const struct err *err)
{
    struct call *call = data;
    if (err->code == ERR_NONE)
        call->over(call);
    else
        give_up_or_wait(call);
}

static void submit(void *user)
{
    struct call *call = user;
    struct store_job job = {apply, is_stored, call};
    if (!store_submit(call->store, &job, NULL))
        give_up_or_wait(call);
}

/* --- the sink --- */

static void on_delta(void *user, enum chat_channel channel, struct text text)
{
    struct call *call = user;
    struct buf *bufs[] = {
        [CHAT_TEXT] = &call->text,
        [CHAT_REASONING] = &call->reasoning,
        [CHAT_REFUSAL] = &call->refusal,
    };
    if (!buf_add_text(bufs[channel], text) && !call->overflowed) {
        call->overflowed = true; /* it never ends: what stands is the answer */
        if (call->chat)
            chat_cancel(call->competitor, call->chat);
    }
}

static bool on_restart(void *user)
{
    struct call *call = user;
    buf_clear(&call->text);
    buf_clear(&call->reasoning);
    buf_clear(&call->refusal);
    return true;
}

static char *copy_or_null(const char *string)
{
    return string ? strdup(string) : NULL;
}

/* What the run's money is charged with. A request that was refused costs nothing; of one that was
 * not answered nobody knows. */
static double charge_of(const struct call *call, const struct chat_end *end)
{
    if (!isnan(end->cost_usd))
        return end->cost_usd;
    if (call->own || end->error.status >= 300)
        return 0;
    return call->worst_usd * (end->attempts > 1 ? end->attempts : 1);
}

static void on_end(void *user, const struct chat_end *end)
{
    struct call *call = user;
    call->chat = NULL;
    call->ended = true;
    competitor_release(call->competitor);
    call->competitor = NULL;
    call->finish = end->finish;
    if (call->overflowed && end->finish == CHAT_CANCELLED)
        call->finish = CHAT_LENGTH;
    call->error_class = end->error.class;
    memcpy(call->error_message, end->error.message, sizeof call->error_message);
    call->usage = end->usage;
    call->cost_usd = end->cost_usd;
    call->charged_usd = charge_of(call, end);
    call->attempts = end->attempts;
    call->first_content_ns = end->first_content_ns;
    call->total_ns = end->total_ns;
    call->model = copy_or_null(end->model);
    call->request_id = copy_or_null(end->request_id);
    call->sent = copy_or_null(end->sent);
    call->verdict = verdict_read(buf_text(&call->text));
    submit(call);
}

bool call_start(struct call *call, struct competitor *competitor, const struct ask_call *asked,
                const struct chat_params *params, struct err *err)
{
    struct chat_sink sink = {on_delta, on_restart, on_end, call, NULL};
    call->competitor = competitor;
    competitor_hold(competitor);
    call->own = competitor->own_engine;
    memcpy(call->key, asked->key, DIGEST_SIZE);
    buf_init(&call->text, LIMIT_ANSWER_BYTES);
    buf_init(&call->reasoning, LIMIT_ANSWER_BYTES);
    buf_init(&call->refusal, LIMIT_ANSWER_BYTES);
    call->finish = CHAT_STOP;
    struct chat *chat =
        competitor_chat(competitor, asked->messages, asked->count, params, &sink, err);
    if (!call->ended) /* it may end before it is known here */
        call->chat = chat;
    if (!call->ended && !chat)
        competitor_release(competitor);
    return call->ended || chat != NULL;
}

void call_cancel(struct call *call)
{
    call->giving_up = true;
    if (call->again.place) {
        loop_timer_stop(call->loop, &call->again);
        submit(call); /* the last try */
    } else if (call->chat) {
        call->cancelled = true;
        chat_cancel(call->competitor, call->chat);
    }
}

void call_done(struct call *call)
{
    loop_timer_stop(call->loop, &call->again);
    buf_done(&call->text);
    buf_done(&call->reasoning);
    buf_done(&call->refusal);
    free(call->model);
    free(call->request_id);
    free(call->sent);
}
