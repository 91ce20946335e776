/* Written field by field: a client of the official libraries reads every one of them. */
#include "http/openai.h"

#include <string.h>

#include "base/json.h"

const char *openai_finish(enum chat_finish finish)
{
    return finish == CHAT_LENGTH           ? "length"
           : finish == CHAT_CONTENT_FILTER ? "content_filter"
                                           : "stop";
}

static void put_head(struct json_out *out, const struct openai_head *head, const char *object)
{
    json_put_cstring(out, "id", head->id);
    json_put_cstring(out, "object", object);
    json_put_int(out, "created", head->created_s);
    json_put_cstring(out, "model", head->model);
    json_put_cstring(out, "system_fingerprint", head->fingerprint);
}

/* What no token of any answer can be below; JSON has no infinity, and OpenAI writes this one. */
static double bounded(double logprob)
{
    return logprob > -9999 ? logprob : -9999;
}

static void open_token(struct json_out *out, const struct chat_token *token)
{
    json_put_open(out, NULL, '{');
    json_put_string(out, "token", token->bytes);
    json_put_real(out, "logprob", bounded(token->logprob));
    json_put_open(out, "bytes", '[');
    for (size_t i = 0; i < token->bytes.length; i++)
        json_put_int(out, NULL, (unsigned char)token->bytes.data[i]);
    json_put_close(out, ']');
}

void openai_logprob(struct buf *list, const struct chat_token *token)
{
    if (list->length)
        buf_add_char(list, ',');
    struct json_out out = json_out_to(list);
    open_token(&out, token);
    json_put_open(&out, "top_logprobs", '[');
    for (size_t i = 0; i < token->tops; i++) {
        open_token(&out, &token->top[i]);
        json_put_close(&out, '}');
    }
    json_put_close(&out, ']');
    json_put_close(&out, '}');
}

static void put_logprobs(struct json_out *out, const struct buf *list)
{
    if (!list) {
        json_put_null(out, "logprobs");
        return;
    }
    json_put_open(out, "logprobs", '{');
    json_put_open(out, "content", '[');
    buf_add_text(out->buf, buf_text(list));
    json_put_close(out, ']');
    json_put_null(out, "refusal");
    json_put_close(out, '}');
}

static int64_t known(int64_t tokens)
{
    return tokens < 0 ? 0 : tokens;
}

static void put_usage(struct json_out *out, const struct chat_usage *usage)
{
    json_put_open(out, "usage", '{');
    json_put_int(out, "prompt_tokens", known(usage->input));
    json_put_int(out, "completion_tokens", known(usage->output));
    json_put_int(out, "total_tokens", known(usage->input) + known(usage->output));
    json_put_open(out, "prompt_tokens_details", '{');
    json_put_int(out, "cached_tokens", known(usage->cached));
    json_put_close(out, '}');
    json_put_close(out, '}');
}

static void put_whole(struct json_out *out, const struct openai_choice *choice)
{
    json_put_open(out, NULL, '{');
    json_put_int(out, "index", choice->index);
    json_put_open(out, "message", '{');
    json_put_cstring(out, "role", "assistant");
    json_put_string(out, "content", choice->text);
    json_put_null(out, "refusal");
    json_put_close(out, '}');
    put_logprobs(out, choice->logprobs);
    json_put_cstring(out, "finish_reason", openai_finish(choice->finish));
    json_put_close(out, '}');
}

void openai_write(struct buf *buf, const struct openai_head *head,
                  const struct openai_choice *choices, size_t count, const struct chat_usage *usage)
{
    struct json_out out = json_out_to(buf);
    json_put_open(&out, NULL, '{');
    put_head(&out, head, "chat.completion");
    json_put_open(&out, "choices", '[');
    for (size_t i = 0; i < count; i++)
        put_whole(&out, &choices[i]);
    json_put_close(&out, ']');
    put_usage(&out, usage);
    json_put_close(&out, '}');
}

/* --- chunks --- */

static struct json_out open_chunk(struct buf *buf, const struct openai_head *head)
{
    buf_add_string(buf, "data: ");
    struct json_out out = json_out_to(buf);
    json_put_open(&out, NULL, '{');
    put_head(&out, head, "chat.completion.chunk");
    json_put_open(&out, "choices", '[');
    return out;
}

static void close_chunk(struct json_out *out)
{
    json_put_close(out, '}');
    buf_add_string(out->buf, "\n\n");
}

/* `role` or the piece's text or neither. */
static void put_piece(struct buf *buf, const struct openai_head *head, bool role,
                      const char *finish, const struct openai_choice *piece)
{
    struct json_out out = open_chunk(buf, head);
    json_put_open(&out, NULL, '{');
    json_put_int(&out, "index", piece->index);
    json_put_open(&out, "delta", '{');
    if (role)
        json_put_cstring(&out, "role", "assistant");
    if (!finish)
        json_put_string(&out, "content", piece->text);
    json_put_close(&out, '}');
    put_logprobs(&out, piece->logprobs);
    json_put_cstring(&out, "finish_reason", finish);
    json_put_close(&out, '}');
    json_put_close(&out, ']');
    if (head->null_usage)
        json_put_null(&out, "usage");
    close_chunk(&out);
}

void openai_chunk_role(struct buf *out, const struct openai_head *head, int index)
{
    put_piece(out, head, true, NULL, &(struct openai_choice){.index = index, .text = {"", 0}});
}

void openai_chunk_text(struct buf *out, const struct openai_head *head,
                       const struct openai_choice *piece)
{
    put_piece(out, head, false, NULL, piece);
}

void openai_chunk_finish(struct buf *out, const struct openai_head *head, int index,
                         enum chat_finish finish)
{
    put_piece(out, head, false, openai_finish(finish), &(struct openai_choice){.index = index});
}

void openai_chunk_usage(struct buf *buf, const struct openai_head *head,
                        const struct chat_usage *usage)
{
    struct json_out out = open_chunk(buf, head);
    json_put_close(&out, ']');
    put_usage(&out, usage);
    close_chunk(&out);
}

void openai_chunk_error(struct buf *out, const struct err *err, const char *param)
{
    buf_add_string(out, "data: ");
    openai_error(out, err, param);
    buf_add_string(out, "\n\n");
}

void openai_chunk_done(struct buf *out)
{
    buf_add_string(out, "data: [DONE]\n\n");
}

/* --- errors --- */

#define INVALID "invalid_request_error"

/* What OpenAI calls our errors. The first row that fits counts; what is in none keeps our word. */
static const struct error_row {
    enum err_code code;
    const char *param; /* NULL: any */
    int status;
    const char *word, *type;
} ERRORS[] = {
    {ERR_UNAUTHORIZED, NULL, 401, "invalid_api_key", INVALID},
    {ERR_NOT_FOUND, "model", 404, "model_not_found", INVALID},
    {ERR_NOT_FOUND, NULL, 404, "unknown_url", INVALID},
    {ERR_PROMPT_TOO_LONG, NULL, 400, "context_length_exceeded", INVALID},
    {ERR_UNSUPPORTED, NULL, 400, "unsupported_parameter", INVALID},
    {ERR_BAD_REQUEST, NULL, 400, "invalid_value", INVALID},
    {ERR_TOO_MANY, NULL, 429, "rate_limit_exceeded", "rate_limit_error"},
    {ERR_BUSY, NULL, 503, "overloaded", "server_error"},
    {ERR_MEMORY, NULL, 503, "overloaded", "server_error"},
};

static struct error_row row_of(enum err_code code, const char *param)
{
    for (size_t i = 0; i < sizeof ERRORS / sizeof *ERRORS; i++)
        if (ERRORS[i].code == code &&
            (!ERRORS[i].param || (param && strcmp(param, ERRORS[i].param) == 0)))
            return ERRORS[i];
    int status = err_status(code);
    return (struct error_row){code, NULL, status, err_word(code),
                              status >= 500 ? "server_error" : INVALID};
}

int openai_error(struct buf *buf, const struct err *err, const char *param)
{
    struct error_row row = row_of(err->code, param);
    struct json_out out = json_out_to(buf);
    json_put_open(&out, NULL, '{');
    json_put_open(&out, "error", '{');
    json_put_cstring(&out, "code", row.word);
    json_put_cstring(&out, "message", err->message);
    json_put_cstring(&out, "type", row.type);
    json_put_cstring(&out, "param", param);
    json_put_close(&out, '}');
    json_put_close(&out, '}');
    return row.status;
}
