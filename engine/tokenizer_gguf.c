/* A vocabulary as GGUF carries it. Defaults are the converter's: what a file leaves out depends
 * on its tokenizer's kind and on the pre-tokenizer's name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/error.h"
#include "engine/gguf.h"
#include "engine/tokenizer_internal.h"

#define KEY(name) "tokenizer.ggml." name
#define OWN(name) "arena.tokenizer." name /* what a checkpoint says and GGUF has no key for */

struct kind_name {
    const char *name;
    enum vocab_kind kind;
};

static bool read_kind(const struct gguf *file, enum vocab_kind *kind, struct engine_error *error)
{
    static const struct kind_name kinds[] = {{"gpt2", VOCAB_BPE},
                                             {"llama", VOCAB_SPM},
                                             {"gemma4", VOCAB_CHAR_BPE},
                                             {"merges", VOCAB_CHAR_BPE}};
    struct gguf_text name;
    if (!gguf_string(file, KEY("model"), &name))
        return engine_fail(error, ENGINE_FORMAT,
                           "%s has no " KEY("model") ": it holds no tokenizer", gguf_name(file));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        *kind = kinds[i].kind;
        if (gguf_text_is(name, kinds[i].name))
            return true;
    }
    return engine_fail(
        error, ENGINE_UNSUPPORTED,
        "%s: tokenizer \"%.*s\" is not supported; \"gpt2\" (byte-level BPE) and \"llama\" "
        "(SentencePiece) are",
        gguf_name(file), (int)(name.length < 64 ? name.length : 64), name.bytes);
}

/* An optional array with an element for each token. */
static bool read_parallel(const struct gguf *file, const char *key, size_t tokens,
                          struct gguf_array *array, struct engine_error *error)
{
    *array = (struct gguf_array){0};
    if (!gguf_array(file, key, array))
        return true;
    if (array->kind == GGUF_STRING || array->kind == GGUF_ARRAY)
        return engine_fail(error, ENGINE_FORMAT, "%s: %s does not hold numbers", gguf_name(file),
                           key);
    if (array->count < tokens)
        return engine_fail(error, ENGINE_FORMAT, "%s: %s has %zu elements for %zu tokens",
                           gguf_name(file), key, array->count, tokens);
    return true;
}

static bool read_tokens(struct vocab *vocab, const struct gguf *file, enum vocab_kind kind,
                        struct engine_error *error)
{
    struct gguf_array texts, types, scores;
    if (!gguf_array(file, KEY("tokens"), &texts) || texts.kind != GGUF_STRING)
        return engine_fail(error, ENGINE_FORMAT,
                           "%s has no " KEY("tokens") ": it holds no tokenizer", gguf_name(file));
    int count = texts.count > VOCAB_MAX_TOKENS ? VOCAB_MAX_TOKENS + 1 : (int)texts.count;
    if (!read_parallel(file, KEY("token_type"), texts.count, &types, error) ||
        !read_parallel(file, KEY("scores"), texts.count, &scores, error) ||
        !vocab_init(vocab, kind, count, error))
        return false;
    struct gguf_text text;
    for (size_t id = 0; gguf_next_text(&texts, &text); id++) {
        int64_t type = types.count ? gguf_array_integer(&types, id) : TOKEN_NORMAL;
        if (type < TOKEN_UNDEFINED || type > TOKEN_BYTE)
            type = TOKEN_UNDEFINED;
        float score = scores.count ? (float)gguf_array_number(&scores, id) : 0;
        if (!vocab_add(vocab, text.bytes, text.length, (enum token_type)type, score, error))
            return false;
    }
    return true;
}

static int32_t read_id(const struct gguf *file, const char *key, int32_t otherwise, int size)
{
    int64_t id;
    if (gguf_integer(file, key, &id) && id >= 0 && id < size)
        return (int32_t)id;
    return otherwise < size ? otherwise : -1;
}

static void read_specials(struct vocab *vocab, const struct gguf *file,
                          const struct split_rule *rule)
{
    bool spm = vocab->kind == VOCAB_SPM;
    vocab->bos = read_id(file, KEY("bos_token_id"), spm ? 1 : -1, vocab->size);
    vocab->eos = read_id(file, KEY("eos_token_id"), spm ? 2 : -1, vocab->size);
    vocab->unknown = read_id(file, KEY("unknown_token_id"), spm ? 0 : -1, vocab->size);
    static const char *const ends[] = {KEY("eot_token_id"), KEY("eom_token_id")};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        int32_t id = read_id(file, ends[i], -1, vocab->size);
        if (id >= 0)
            vocab->tokens[id].end = true;
    }
    struct gguf_array more = {0};
    gguf_array(file, OWN("ends"), &more);
    for (size_t i = 0; more.kind == GGUF_U32 && i < more.count; i++) {
        int64_t id = gguf_array_integer(&more, i);
        if (id < vocab->size)
            vocab->tokens[id].end = true;
    }
    vocab->add_bos = spm || (rule && rule->add_bos);
    vocab->add_space_prefix = spm;
    vocab->ignore_merges = rule && rule->ignore_merges;
    gguf_boolean(file, OWN("ignore_merges"), &vocab->ignore_merges);
    gguf_boolean(file, OWN("prefix_first"), &vocab->prefix_first);
    gguf_boolean(file, OWN("prefix_missing"), &vocab->prefix_missing);
    gguf_boolean(file, KEY("add_bos_token"), &vocab->add_bos);
    gguf_boolean(file, KEY("add_eos_token"), &vocab->add_eos);
    gguf_boolean(file, KEY("add_space_prefix"), &vocab->add_space_prefix);
}

static bool read_merges(struct vocab *vocab, const struct gguf *file, struct engine_error *error)
{
    struct gguf_array merges;
    if (!gguf_array(file, KEY("merges"), &merges) || merges.kind != GGUF_STRING)
        return engine_fail(error, ENGINE_FORMAT,
                           "%s has no " KEY("merges") ", which its tokenizer needs",
                           gguf_name(file));
    if (!vocab_reserve_merges(vocab, merges.count, error))
        return false;
    struct gguf_text text;
    for (uint32_t rank = 0; gguf_next_text(&merges, &text); rank++) {
        const char *space = text.length > 1 ? memchr(text.bytes + 1, ' ', text.length - 1) : NULL;
        if (!space)
            return engine_fail(error, ENGINE_FORMAT,
                               "%s: merge %u has no space between its two sides", gguf_name(file),
                               rank);
        size_t left = (size_t)(space - text.bytes);
        vocab_merge(vocab, text.bytes, left, space + 1, text.length - left - 1, rank);
    }
    return true;
}

/* Is text merged as a whole, or cut by expressions that the file itself holds? Then its rule has
 * no name. */
static bool has_no_rule(const struct gguf *file, enum vocab_kind kind)
{
    struct gguf_text model = {"", 0};
    gguf_string(file, KEY("model"), &model);
    return kind == VOCAB_SPM || gguf_text_is(model, "merges") || gguf_has(file, OWN("patterns"));
}

static bool read_rule(struct tokenizer *tokenizer, const struct gguf *file,
                      const struct split_rule **rule, struct engine_error *error)
{
    struct gguf_text name = {"", 0};
    gguf_string(file, KEY("pre"), &name);
    if (has_no_rule(file, tokenizer->vocab.kind)) {
        snprintf(tokenizer->pre, sizeof tokenizer->pre, "%s",
                 gguf_has(file, OWN("patterns")) ? "custom" : "none");
        *rule = NULL;
        return true;
    }
    if (tokenizer->vocab.kind == VOCAB_CHAR_BPE)
        name = (struct gguf_text){"gemma4", 6};
    *rule = split_rule_find(name.bytes, name.length);
    if (!*rule)
        return engine_fail(error, ENGINE_UNSUPPORTED,
                           "%s: pre-tokenizer \"%.*s\" is not known: text would be split wrongly, "
                           "so it is refused",
                           gguf_name(file), (int)(name.length < 64 ? name.length : 64), name.bytes);
    snprintf(tokenizer->pre, sizeof tokenizer->pre, "%s", (*rule)->name);
    return true;
}

/* A splitter of the file's own expressions. */
static struct splitter *own_splitter(struct gguf_array array, struct engine_error *error)
{
    char *patterns[SPLIT_MAX_PATTERNS + 1] = {NULL};
    struct gguf_text text;
    size_t count = 0;
    bool ok = array.kind == GGUF_STRING && array.count <= SPLIT_MAX_PATTERNS;
    if (!ok)
        engine_fail(error, ENGINE_FORMAT, OWN("patterns") " must hold at most %d strings",
                    SPLIT_MAX_PATTERNS);
    while (ok && gguf_next_text(&array, &text)) {
        patterns[count] = split_pattern_new(text.bytes, text.length, error);
        ok = patterns[count++] != NULL;
    }
    struct splitter *splitter = ok ? splitter_new((const char *const *)patterns, error) : NULL;
    for (size_t i = 0; i < count; i++)
        free(patterns[i]);
    return splitter;
}

static bool make_splitter(struct tokenizer *tokenizer, const struct gguf *file,
                          const struct split_rule *rule, struct engine_error *error)
{
#if ENGINE_HAVE_PCRE2
    struct gguf_array own;
    if (gguf_array(file, OWN("patterns"), &own) && tokenizer->vocab.kind != VOCAB_SPM)
        tokenizer->splitter = own_splitter(own, error);
    else if (rule)
        tokenizer->splitter = splitter_new(rule->patterns, error);
    else
        return true;
    return tokenizer->splitter != NULL;
#else
    (void)tokenizer, (void)file, (void)rule, (void)error, (void)own_splitter;
    return true;
#endif
}

static bool read_added(struct vocab *vocab, const struct gguf *file, struct engine_error *error)
{
    struct gguf_array added;
    if (!read_parallel(file, OWN("added"), (size_t)vocab->size, &added, error))
        return false;
    for (int32_t id = 0; added.count && id < vocab->size; id++) {
        int64_t bits = gguf_array_integer(&added, (size_t)id);
        struct vocab_token *token = &vocab->tokens[id];
        token->strip_before = bits & ADDED_STRIPS_BEFORE;
        token->strip_after = bits & ADDED_STRIPS_AFTER;
        token->normalized = bits & ADDED_NORMALIZED;
        vocab->has_normalized = vocab->has_normalized || token->normalized;
    }
    return true;
}

static bool read_form(struct tokenizer *tokenizer, const struct gguf *file,
                      struct engine_error *error)
{
    struct gguf_text name;
    if (!gguf_string(file, OWN("normal_form"), &name))
        return true;
    tokenizer->form = normal_form_find(name.bytes, name.length);
    return tokenizer->form != NORMAL_NONE ||
           engine_fail(error, ENGINE_FORMAT, "%s: " OWN("normal_form") " is none of Unicode's",
                       gguf_name(file));
}

/* The file has no place for "this token takes the white space after it"; Phi-3's do, all but
 * three. */
static void set_stripping(struct vocab *vocab, const struct gguf *file)
{
    struct gguf_text name = {"", 0}, architecture = {"", 0};
    gguf_string(file, "general.name", &name);
    gguf_string(file, "general.architecture", &architecture);
    bool phi3 = gguf_text_is(architecture, "phi3");
    for (size_t i = 0; i + 4 <= name.length; i++)
        phi3 = phi3 || strncasecmp(name.bytes + i, "phi3", 4) == 0 ||
               (i + 5 <= name.length && strncasecmp(name.bytes + i, "phi-3", 5) == 0);
    for (int32_t id = 0; phi3 && vocab->kind == VOCAB_SPM && id < vocab->size; id++)
        vocab->tokens[id].strip_after = vocab_is_control(vocab, id);
    static const char *const kept[] = {"<unk>", "<s>", "<|endoftext|>"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        int32_t id = vocab_special(vocab, kept[i], strlen(kept[i]));
        if (id >= 0)
            vocab->tokens[id].strip_after = false;
    }
}

bool tokenizer_from_gguf(struct tokenizer *tokenizer, const struct gguf *file,
                         struct engine_error *error)
{
    struct vocab *vocab = &tokenizer->vocab;
    const struct split_rule *rule;
    enum vocab_kind kind;
    if (!read_kind(file, &kind, error) || !read_tokens(vocab, file, kind, error) ||
        !read_rule(tokenizer, file, &rule, error))
        return false;
    read_specials(vocab, file, rule);
    if (!vocab_settle(vocab, error))
        return false;
    set_stripping(vocab, file);
    return read_added(vocab, file, error) && read_form(tokenizer, file, error) &&
           (kind == VOCAB_SPM || read_merges(vocab, file, error)) &&
           make_splitter(tokenizer, file, rule, error);
}
