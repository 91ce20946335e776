/* Chat templates: a GGUF's template is somebody else's program. The input is a template, a zero
 * byte, and a message; it must parse or be refused, render or be refused, and never let the
 * message form a special token. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/template.h"
#include "unit/engine/make_gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
    if (!truth)
        abort();
}

static struct tokenizer *make(void)
{
    static const char *const none[] = {NULL}, *const specials[] = {"<|im_start|>", "<|im_end|>",
                                                                   NULL};
    struct made_gguf made;
    made_init(&made);
    made_bpe(&made, "gpt-2", none, specials);
    made_merges(&made, none);
    struct gguf *file = made_open(&made, NULL);
    struct tokenizer *tokenizer = file ? tokenizer_new(file, NULL) : NULL;
    require(tokenizer != NULL);
    gguf_close(file);
    free(made.bytes);
    return tokenizer;
}

static void render(const struct template *template, const char *text, size_t length)
{
    const struct engine_message messages[] = {{"system", text, length / 2}, {"user", text, length}};
    struct token_list list = {0};
    struct engine_error error = {0};
    bool ok = template_render(template, messages, 2, &list, &error);
    require(ok || error.message[0]);
    token_list_done(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tokenizer *tokenizer;
    tokenizer = tokenizer ? tokenizer : make();
    const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
    if (!end || size > 20000)
        return 0;
    struct engine_error error = {0};
    struct template *template = template_new(NULL, tokenizer, (const char *)data, &error);
    require(template || error.message[0]);
    if (template)
        render(template, (const char *)end + 1, size - (size_t)(end - data) - 1);
    template_free(template);
    return 0;
}
