/* The model's own template is interpreted rather than recognised and written again in C: default
 * system prompts, trims, dates and orders of roles differ from one release of a model to the
 * next, and a template that is only nearly right costs answers without anyone seeing why. Trust
 * travels beside the bytes (template_value.h), so that the tokenizer can refuse special tokens
 * to what a message brought. */
#include "engine/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/error.h"
#include "engine/gguf.h"
#include "engine/template_eval.h"
#include "engine/template_named.h"

/* A rendering may use so much memory, and so many times its messages' bytes: each `+` makes a
 * text anew. */
enum { TREE_LIMIT = 64 << 20, RENDER_BASE = 64 << 20, RENDER_FACTOR = 64, MAX_MESSAGES = 100000 };

struct template
{
    const struct tokenizer *tokenizer;
    char *source;
    const char *name;
    struct pool pool; /* of the tree */
    const struct node *tree;
};

const char *const *template_names(void)
{
    return template_named_list();
}

const char *template_name(const struct template *template)
{
    return template->name;
}

void template_free(struct template *template)
{
    if (!template)
        return;
    pool_done(&template->pool);
    free(template->source);
    free(template);
}

/* "chatml, llama2, …" */
static void list_names(char *text, size_t size)
{
    size_t used = 0;
    for (const char *const *name = template_named_list(); *name && used < size; name++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", *name);
}

/* --- Rendering --- */

/* The text of a special token, as templates are given it. */
static struct value token_text(const struct tokenizer *tokenizer, int32_t id)
{
    size_t length;
    const char *text = tokenizer_piece(tokenizer, id, true, &length);
    return value_text((struct marked){text, NULL, length});
}

static bool check_messages(const struct engine_message *messages, size_t count, size_t *longest,
                           size_t *total, struct engine_error *error)
{
    static const char *const roles[] = {"system", "user", "assistant"};
    if (count == 0 || count > MAX_MESSAGES)
        return engine_fail(error, ENGINE_REQUEST, "a conversation has 1 to %d messages, not %zu",
                           MAX_MESSAGES, count);
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof roles / sizeof *roles; k++)
            known = known || strcmp(messages[i].role, roles[k]) == 0;
        if (!known)
            return engine_fail(error, ENGINE_REQUEST,
                               "message %zu has the role \"%.40s\": \"system\", \"user\" and "
                               "\"assistant\" are known",
                               i + 1, messages[i].role);
        *longest = *longest < messages[i].length ? messages[i].length : *longest;
        *total += messages[i].length;
    }
    return true;
}

/* The messages as a list of dictionaries; their contents share one run of zero marks. */
static struct value make_messages(struct pool *pool, const struct engine_message *messages,
                                  size_t count, size_t longest)
{
    const unsigned char *untrusted = pool_get(pool, longest + 1);
    struct value list = value_new_list(pool);
    bool ok = untrusted && list.kind == VALUE_LIST;
    for (size_t i = 0; ok && i < count; i++) {
        struct value dict = value_new_dict(pool);
        struct marked content = {messages[i].text, untrusted, messages[i].length};
        ok =
            dict.kind == VALUE_DICT &&
            value_store(pool, dict.dict, marked_literal("role"), value_literal(messages[i].role)) &&
            value_store(pool, dict.dict, marked_literal("content"), value_text(content)) &&
            value_append(pool, list.list, dict);
    }
    return ok ? list : value_undefined();
}

/* What Hugging Face gives a template: no tools, no documents, the answer's opening wanted. */
static bool make_variables(const struct template *template, struct pool *pool,
                           struct value messages, struct value_dict *variables)
{
    const struct tokenizer *tokenizer = template->tokenizer;
    const struct {
        const char *name;
        struct value value;
    } given[] = {
        {"messages", messages},
        {"add_generation_prompt", value_bool(true)},
        {"tools", {.kind = VALUE_NONE}},
        {"documents", {.kind = VALUE_NONE}},
        {"bos_token", token_text(tokenizer, tokenizer_bos(tokenizer))},
        {"eos_token", token_text(tokenizer, tokenizer_eos(tokenizer))},
    };
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        if (!value_store(pool, variables, marked_literal(given[i].name), given[i].value))
            return false;
    return true;
}

/* Renders into the pool, which the caller frees. */
static bool render(const struct template *template, struct pool *pool,
                   const struct engine_message *messages, size_t count, struct marked *text,
                   struct engine_error *error)
{
    size_t longest = 0, total = 0;
    if (!check_messages(messages, count, &longest, &total, error))
        return false;
    pool->limit = RENDER_BASE + RENDER_FACTOR * total;
    struct value_dict variables = {0};
    struct marked_buffer output = {0};
    struct value list = make_messages(pool, messages, count, longest);
    if (list.kind != VALUE_LIST || !make_variables(template, pool, list, &variables))
        return engine_no_memory(error, "a conversation");
    if (!template_run(pool, template->tree, &variables, &output, error))
        return false;
    *text = marked_done(&output);
    return true;
}

bool template_render(const struct template *template, const struct engine_message *messages,
                     size_t count, struct token_list *list, struct engine_error *error)
{
    struct pool pool = {0};
    struct marked text;
    bool ok = render(template, &pool, messages, count, &text, error) &&
              tokenizer_encode_marked(template->tokenizer, text.bytes, text.marks, text.length,
                                      list, error);
    pool_done(&pool);
    return ok;
}

char *template_text(const struct template *template, const struct engine_message *messages,
                    size_t count, size_t *length, struct engine_error *error)
{
    struct pool pool = {0};
    struct marked text;
    char *copy = NULL;
    if (render(template, &pool, messages, count, &text, error)) {
        copy = malloc(text.length + 1);
        if (copy) {
            memcpy(copy, text.bytes, text.length);
            copy[text.length] = '\0';
            *length = text.length;
        } else {
            engine_no_memory(error, "a conversation's text");
        }
    }
    pool_done(&pool);
    return copy;
}

/* --- Making --- */

/* Jinja reads every kind of line end as \n. */
static char *copy_source(const char *source, size_t *length)
{
    char *copy = malloc(*length + 1);
    size_t used = 0;
    for (size_t i = 0; copy && i < *length; i++) {
        bool pair = source[i] == '\r' && i + 1 < *length && source[i + 1] == '\n';
        if (!pair)
            copy[used++] = source[i] == '\r' ? '\n' : source[i];
    }
    if (copy)
        copy[used] = '\0';
    *length = used;
    return copy;
}

/* Chooses the source: what is asked for by name (or given as Jinja itself), else the model's
 * own. A name that the model's own template answers to means that one. */
static bool choose_source(const struct gguf *file, const char *name, struct marked *source,
                          const char **called, struct engine_error *error)
{
    struct gguf_text own = {"", 0};
    char names[200] = "";
    list_names(names, sizeof names);
    if (file)
        gguf_string(file, "tokenizer.chat_template", &own);
    *called = template_recognise(own.bytes, own.length);
    *source = (struct marked){own.bytes, NULL, own.length};
    if (!name && own.length == 0)
        return engine_fail(error, ENGINE_UNSUPPORTED,
                           "the model carries no chat template: give one in its configuration "
                           "(\"chat_template\": %s)",
                           names);
    if (!name || (own.length > 0 && strcmp(name, *called) == 0))
        return true;
    if (strstr(name, "{{") || strstr(name, "{%")) {
        *source = marked_literal(name);
        *called = template_recognise(name, strlen(name));
        return true;
    }
    const char *known = template_named_source(name);
    if (!known)
        return engine_fail(error, ENGINE_UNSUPPORTED,
                           "chat template \"%.60s\" is not known: %s are", name, names);
    *source = marked_literal(known);
    *called = name;
    return true;
}

/* The name as it will be kept: recognised names and named ones live as long as the program. */
static const char *lasting_name(const char *name)
{
    for (const char *const *known = template_named_list(); *known; known++)
        if (strcmp(*known, name) == 0)
            return *known;
    return name;
}

/* Does it render the simplest conversation? What it cannot do is better known when the model
 * loads. */
static bool try_out(const struct template *template, struct engine_error *error)
{
    const struct engine_message hello = {"user", "Hello", 5};
    size_t length;
    char *text = template_text(template, &hello, 1, &length, error);
    bool works = text && memmem(text, length, "Hello", 5);
    if (text && !works)
        engine_fail(error, ENGINE_UNSUPPORTED, "the chat template leaves the message out");
    free(text);
    return works;
}

static bool refuse(struct engine_error *error, const char *reason)
{
    char names[200] = "";
    list_names(names, sizeof names);
    return engine_fail(error, ENGINE_UNSUPPORTED,
                       "%.160s; choose another in the configuration (\"chat_template\": %s)",
                       reason, names);
}

struct template *template_new(const struct gguf *file, const struct tokenizer *tokenizer,
                              const char *name, struct engine_error *error)
{
    struct marked source;
    const char *called;
    if (!choose_source(file, name, &source, &called, error))
        return NULL;
    struct template *template = calloc(1, sizeof *template);
    size_t length = source.length;
    bool ok = template && (template->source = copy_source(source.bytes, &length));
    if (!ok) {
        engine_no_memory(error, "a chat template");
        template_free(template);
        return NULL;
    }
    template->tokenizer = tokenizer;
    template->pool.limit = TREE_LIMIT;
    template->name = lasting_name(called);
    struct engine_error reason = {0};
    template->tree = template_parse(&template->pool, template->source, length, &ok, &reason);
    if (ok && try_out(template, &reason))
        return template;
    refuse(error, reason.message);
    template_free(template);
    return NULL;
}
