/* The question's own reader checks nearly everything: the body is turned into the form in which a
 * question is registered, then read like a stored one. */
#include "http/campaign_request.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "competitor/roster.h"
#include "eval/prompts.h"
#include "people/registration.h"

#define WHAT "the request"
enum { PROMPTS_BYTES = 256 << 20 }; /* 10,000 prompts of the longest kind */

/* --- the question --- */

static json_t *model_of(const struct roster *roster, const json_t *name, struct err *err)
{
    const char *word = json_string_value(name);
    const struct competitor *competitor = word ? roster_find(roster, word) : NULL;
    if (competitor)
        return json_pack("{s:s, s:s}", "name", competitor->config.name, "version",
                         competitor->version);
    err_set(err, ERR_BAD_REQUEST, "there is no model \"%.100s\": arena models list names them",
            word ? word : "(not a name)");
    return NULL;
}

static json_t *rivals_of(const struct roster *roster, const json_t *names, struct err *err)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < json_array_size(names); i++) {
        json_t *model = model_of(roster, json_array_get(names, i), err);
        if (!model || json_array_append_new(list, model) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* Members that mean the same here as in a stored question. */
static const char *const SAME[] = {"title",           "categories", "cohort",     "live", "overlap",
                                   "same_model_rate", "gold_rate",  "confidence", NULL};
static const char *const STOP[] = {"votes", "precision", "decided", NULL};
static const char *const EXPECTED[] = {"detect", "power", "ties", NULL};

static bool copy_members(json_t *to, const json_t *from, const char *const *keys)
{
    for (size_t i = 0; keys[i]; i++) {
        json_t *value = json_object_get(from, keys[i]);
        if (value && json_object_set(to, keys[i], value) != 0)
            return false;
    }
    return true;
}

static json_t *question_of(const json_t *body, const struct roster *roster, struct err *err)
{
    json_t *model = model_of(roster, json_object_get(body, "model"), err);
    json_t *versus = model ? rivals_of(roster, json_object_get(body, "versus"), err) : NULL;
    json_t *question = json_object(), *stop = json_object(), *expected = json_object();
    bool good = versus && question && copy_members(question, body, SAME) &&
                copy_members(stop, body, STOP) && copy_members(expected, body, EXPECTED);
    good &= json_object_set_new(question, "model", model) == 0;
    good &= json_object_set_new(question, "versus", versus) == 0;
    good &= json_object_set_new(question, "stop", stop) == 0;
    good &= json_object_set_new(question, "expected", expected) == 0;
    if (good)
        return question;
    if (err->code == ERR_NONE)
        err_set(err, ERR_MEMORY, "out of memory");
    json_decref(question);
    return NULL;
}

/* A path that may be named, or a list. */
static bool take_texts(const json_t *body, const char *key, bool files, const json_t **out,
                       struct err *err)
{
    const json_t *value = json_object_get(body, key);
    *out = json_is_null(value) ? NULL : value;
    if (!*out || json_is_array(value))
        return true;
    const char *path = json_string_value(value);
    if (!path || *path != '/')
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"%s\": expected a list or a whole path", key);
    return files || err_set(err, ERR_FORBIDDEN,
                            "files are named by arena campaign on the arena's own machine");
}

/* The title is shown in terminals, and names the evaluation. */
static bool name_it(struct question *question, struct err *err)
{
    for (const char *at = question->title; *at; at++)
        if (iscntrl((unsigned char)*at))
            return err_set(err, ERR_BAD_REQUEST, WHAT ": \"title\" holds a control character");
    if (*question->title)
        return true;
    int length = snprintf(question->title, sizeof question->title, "%.90s against %.90s%s",
                          question->model.name, question->versus[0].name,
                          question->rivals > 1 ? " and others" : "");
    return length > 0 || err_set(err, ERR_INTERNAL, "a title cannot be written");
}

bool campaign_request_read(struct campaign_request *out, const json_t *body,
                           const struct roster *roster, bool files, struct err *err)
{
    static const char *const KEYS[] = {
        "title",   "model",           "versus", "categories", "cohort",     "live",  "prompts",
        "overlap", "same_model_rate", "gold",   "gold_rate",  "confidence", "votes", "precision",
        "decided", "detect",          "power",  "ties",       "budget_usd", NULL};
    *out = (struct campaign_request){.prompts = NULL};
    if (!json_only_keys(body, KEYS, WHAT, err) ||
        !take_texts(body, "prompts", files, &out->prompts, err) ||
        !take_texts(body, "gold", files, &out->gold, err) ||
        !json_get_number_or(body, "budget_usd", WHAT, 0, 1e9, &out->budget_usd, err))
        return false;
    json_t *question = question_of(body, roster, err);
    bool good =
        question && question_read(question, &out->question, err) && name_it(&out->question, err);
    json_decref(question);
    return good;
}

/* --- files --- */

static void put_digest(struct campaign_request *request, const void *bytes, size_t length)
{
    uint8_t digest[DIGEST_SIZE];
    digest_of(bytes, length, digest);
    hex_encode(digest, sizeof digest, request->question.prompts);
}

static bool digest_prompts(struct campaign_request *request, struct err *err)
{
    struct buf file;
    if (json_is_array(request->prompts)) {
        char *text = json_dumps(request->prompts, JSON_COMPACT);
        if (text)
            put_digest(request, text, strlen(text));
        free(text);
        return text || err_set(err, ERR_MEMORY, "out of memory");
    }
    buf_init(&file, PROMPTS_BYTES);
    bool good = file_read(json_string_value(request->prompts), &file, err);
    if (good)
        put_digest(request, file.data, file.length);
    buf_done(&file);
    return good;
}

static bool read_rows(struct text text, const char *path, json_t *rows, struct err *err)
{
    size_t line = 0;
    while (text.length) {
        const char *end = memchr(text.data, '\n', text.length);
        struct text row = {text.data, end ? (size_t)(end - text.data) : text.length};
        size_t step = row.length + (end != NULL);
        text = (struct text){text.data + step, text.length - step};
        line++;
        if (strspn(row.data, " \t\r") >= row.length)
            continue;
        json_t *value = json_read(row, "a pair", err);
        if (!value)
            return err_prefix(err, "%s, line %zu", path, line);
        if (json_array_append_new(rows, value) != 0)
            return err_set(err, ERR_MEMORY, "out of memory");
    }
    return true;
}

static bool load_gold_rows(struct campaign_request *request, struct err *err)
{
    struct buf file;
    if (json_is_array(request->gold)) {
        request->gold_rows = json_deep_copy(request->gold);
        return request->gold_rows || err_set(err, ERR_MEMORY, "out of memory");
    }
    const char *path = json_string_value(request->gold);
    buf_init(&file, PROMPTS_BYTES);
    request->gold_rows = json_array();
    bool good = (request->gold_rows || err_set(err, ERR_MEMORY, "out of memory")) &&
                file_read(path, &file, err) &&
                read_rows(buf_text(&file), path, request->gold_rows, err);
    buf_done(&file);
    return good;
}

/* The last thing said, whether it is a text or a conversation (as `arena export preferences` writes
 * it). */
static const char *text_in(const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);
    if (json_is_array(value))
        value = json_object_get(json_array_get(value, json_array_size(value) - 1), "content");
    return json_string_value(value);
}

static bool take_gold(struct campaign_request *request, struct err *err)
{
    size_t i, count = json_array_size(request->gold_rows);
    const json_t *row;
    if (count > REGISTRATION_GOLD_MAX)
        return err_set(err, ERR_TOO_LARGE, "%d pairs with a known winner are the most",
                       REGISTRATION_GOLD_MAX);
    request->pairs = calloc(count + 1, sizeof *request->pairs);
    if (!request->pairs)
        return err_set(err, ERR_MEMORY, "out of memory");
    json_array_foreach(request->gold_rows, i, row)
    {
        struct campaign_gold pair = {text_in(row, "prompt"), text_in(row, "chosen"),
                                     text_in(row, "rejected")};
        if (!pair.prompt || !pair.better || !pair.worse)
            return err_set(err, ERR_BAD_REQUEST,
                           "pair %zu with a known winner: expected \"prompt\", \"chosen\" and "
                           "\"rejected\"",
                           i + 1);
        request->pairs[request->pair_count++] = pair;
    }
    return true;
}

/* --- the evaluation --- */

/* A text alone is a prompt of one turn. */
static json_t *prompts_of(const json_t *prompts)
{
    json_t *list = json_is_array(prompts) ? json_array() : json_copy((json_t *)(uintptr_t)prompts);
    size_t i;
    json_t *prompt;
    json_array_foreach((json_t *)(uintptr_t)prompts, i, prompt)
    {
        char id[32];
        snprintf(id, sizeof id, "%zu", i + 1);
        if (json_is_string(prompt))
            json_array_append_new(list, json_pack("{s:s, s:[O]}", "id", id, "turns", prompt));
        else
            json_array_append(list, prompt);
    }
    return list;
}

static json_t *spec_of(const struct campaign_request *request)
{
    const struct question *question = &request->question;
    json_t *competitors = json_array();
    if (!competitors)
        return NULL;
    json_array_append_new(competitors, json_string(question->model.name));
    for (size_t i = 0; i < question->rivals; i++)
        json_array_append_new(competitors, json_string(question->versus[i].name));
    json_t *spec =
        json_pack("{s:s, s:o, s:o, s:{s:s}, s:i, s:s, s:I, s:f}", "name", question->title,
                  "prompts", prompts_of(request->prompts), "competitors", competitors, "pairs",
                  "baseline", question->model.name, "samples", 1, "judge", "human", "overlap",
                  (json_int_t)question->overlap, "same_model", question->same_model_rate);
    if (spec && request->budget_usd > 0)
        json_object_set_new(spec, "budget", json_pack("{s:f}", "usd", request->budget_usd));
    return spec;
}

static bool count_prompts(struct campaign_request *request, struct err *err)
{
    struct eval_spec spec;
    struct eval_prompts prompts = {.count = 0};
    bool good = eval_spec_read(&spec, request->spec, false, err) &&
                eval_prompts_read(&prompts, &spec, NULL, err);
    request->prompt_count = prompts.count;
    eval_prompts_done(&prompts);
    eval_spec_done(&spec);
    return good;
}

static bool load_prompts(struct campaign_request *request, struct err *err)
{
    if (!digest_prompts(request, err))
        return false;
    request->spec = spec_of(request);
    return request->spec ? count_prompts(request, err) : err_set(err, ERR_MEMORY, "out of memory");
}

bool campaign_request_load(struct campaign_request *request, struct err *err)
{
    if ((request->prompts && !load_prompts(request, err)) ||
        (request->gold && (!load_gold_rows(request, err) || !take_gold(request, err))))
        return false;
    request->question.gold = (int64_t)request->pair_count;
    question_expect(&request->question);
    return question_check(&request->question, err);
}

void campaign_request_done(struct campaign_request *request)
{
    json_decref(request->spec);
    json_decref(request->gold_rows);
    free(request->pairs);
}
