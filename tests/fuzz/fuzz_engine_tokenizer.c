/* Two faces of the tokenizer: the first byte chooses. Even: the input is a GGUF file whose
 * vocabulary is loaded and used. Odd: the input is text (and trust, byte by byte) for two small
 * vocabularies made once, in every pre-tokenizer. What comes back must be in the vocabulary, and
 * plain text must never hold a control token. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/gguf.h"
#include "engine/tokenizer.h"
#include "unit/engine/make_gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const pres[] = {
    "gpt-2",          "smollm",      "llama-bpe", "qwen2",   "tekken", "gpt-4o",   "deepseek-llm",
    "deepseek-coder", "deepseek-v3", "falcon",    "default", "bloom",  "tiny_aya", "qwen35"};
enum { PRES = sizeof pres / sizeof *pres };

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void use(const struct tokenizer *tokenizer, const char *text, size_t length)
{
    struct token_list list = {0};
    struct engine_error error = {0};
    unsigned char *trusted = malloc(length + 1);
    require(trusted != NULL);
    for (size_t i = 0; i < length; i++)
        trusted[i] = (unsigned char)text[length - 1 - i] & 1;
    if (tokenizer_encode(tokenizer, text, length, TOKENIZER_PLAIN, &list, &error)) {
        size_t got;
        for (size_t i = 0; i < list.count; i++) {
            require(list.ids[i] >= 0 && list.ids[i] < tokenizer_size(tokenizer));
            tokenizer_piece(tokenizer, list.ids[i], true, &got);
        }
        char *back = tokenizer_decode(tokenizer, list.ids, list.count, true, &got);
        require(back != NULL);
        free(back);
    }
    list.count = 0;
    tokenizer_encode(tokenizer, text, length, TOKENIZER_SPECIAL | TOKENIZER_BOS, &list, &error);
    tokenizer_encode_marked(tokenizer, text, trusted, length, &list, &error);
    token_list_done(&list);
    free(trusted);
}

static void fuzz_file(const uint8_t *data, size_t size)
{
    struct engine_error error = {0};
    struct gguf *file = gguf_open_memory(data, size, "fuzz", &error);
    if (!file)
        return;
    struct tokenizer *tokenizer = tokenizer_new(file, &error);
    gguf_close(file);
    require(tokenizer || error.message[0]);
    if (!tokenizer)
        return;
    use(tokenizer, (const char *)data, size < 4096 ? size : 4096);
    for (int32_t id = 0; id < tokenizer_size(tokenizer); id++) {
        size_t length;
        tokenizer_piece(tokenizer, id, true, &length);
        tokenizer_is_end(tokenizer, id);
    }
    tokenizer_free(tokenizer);
}

static struct tokenizer *make(const char *pre)
{
    static const char *const words[] = {"he", "ll", "hell", "\xC4\xA0he", "\xC4\xA0\xC4\xA0", NULL};
    static const char *const specials[] = {"<|im_start|>", "<|im_end|>", "<|", NULL};
    static const char *const merges[] = {"h e", "l l", "he ll", "\xC4\xA0 he", "\xC4\xA0 \xC4\xA0",
                                         NULL};
    struct made_gguf made;
    made_init(&made);
    made_bpe(&made, pre, words, specials);
    made_merges(&made, merges);
    struct gguf *file = made_open(&made, NULL);
    struct tokenizer *tokenizer = file ? tokenizer_new(file, NULL) : NULL;
    require(tokenizer != NULL);
    gguf_close(file);
    free(made.bytes);
    return tokenizer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tokenizer *tokenizers[PRES];
    if (size < 2)
        return 0;
    if (data[0] % 2 == 0) {
        fuzz_file(data + 1, size - 1);
        return 0;
    }
    struct tokenizer **tokenizer = &tokenizers[data[1] % PRES];
    if (!*tokenizer)
        *tokenizer = make(pres[data[1] % PRES]);
    const char *text = (const char *)data + 2;
    use(*tokenizer, text, size - 2);
    struct token_list list = {0};
    if (tokenizer_encode(*tokenizer, text, size - 2, TOKENIZER_PLAIN, &list, NULL))
        for (size_t i = 0; i < list.count; i++)
            require(!tokenizer_is_special(*tokenizer, list.ids[i]));
    token_list_done(&list);
    return 0;
}
