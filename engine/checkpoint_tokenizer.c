/* tokenizer.json to tokenizer.ggml.*, plus four keys of our own for what GGUF has no place for:
 * a model that merges characters, the pre-tokenizer's expressions themselves, which special
 * tokens take the white space beside them, and a space that goes in front of the text's start
 * only. Normalisers that rewrite text (NFC) are passed over, as they are when such a model is
 * converted to GGUF. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/checkpoint_internal.h"
#include "engine/error.h"
#include "engine/tokenizer_split.h"
#include "engine/tokenizer_vocab.h"

#define KEY(name) "tokenizer.ggml." name
#define OWN(name) "arena.tokenizer." name

enum { MAX_PATH = 4096, STRIP_BEFORE = 1, STRIP_AFTER = 2 };

struct entry {
    const char *text;
    uint32_t length;
    unsigned char type, strip;
};

struct reading {
    struct checkpoint *checkpoint;
    const struct json_tree_value *root, *model,
        *settings; /* settings: tokenizer_config.json, or NULL */
    struct entry *entries;
    size_t count;
    bool byte_level, space_prefix, prefix_first;
    struct json_tree_value patterns[SPLIT_MAX_PATTERNS]; /* as strings */
    size_t pattern_count;
};

static bool refuse(const struct reading *reading, const char *what)
{
    return engine_fail(reading->checkpoint->error, ENGINE_UNSUPPORTED, "%s/tokenizer.json: %s",
                       reading->checkpoint->folder, what);
}

static struct gguf_text text_of(const struct json_tree_value *value)
{
    bool text = value && value->kind == JSON_TREE_STRING;
    return text ? (struct gguf_text){value->text, value->length} : (struct gguf_text){"", 0};
}

/* --- Tokens --- */

static bool count_tokens(struct reading *reading)
{
    int64_t last = -1;
    const struct json_tree_value *vocab = json_tree_get(reading->model, "vocab"),
                                 *added = json_tree_get(reading->root, "added_tokens");
    for (const struct json_tree_value *item =
             vocab && vocab->kind == JSON_TREE_OBJECT ? vocab->first : NULL;
         item; item = item->next) {
        int64_t id = json_tree_integer(item, -1);
        if (id < 0 || id >= VOCAB_MAX_TOKENS)
            return refuse(reading, "a token has no sensible id");
        last = id > last ? id : last;
    }
    if (last < 0)
        return refuse(reading, "its model has no vocab");
    for (const struct json_tree_value *item = added && added->kind == JSON_TREE_ARRAY ? added->first
                                                                                      : NULL;
         item; item = item->next) {
        int64_t id = json_tree_integer(json_tree_get(item, "id"), -1);
        if (id < 0 || id >= VOCAB_MAX_TOKENS)
            return refuse(reading, "an added token has no sensible id");
        last = id > last ? id : last;
    }
    reading->count = (size_t)last + 1;
    reading->entries = calloc(reading->count, sizeof *reading->entries);
    return reading->entries || engine_no_memory(reading->checkpoint->error, "tokenizer.json");
}

static bool is_byte_token(const struct json_tree_value *item)
{
    return item->key_length == 6 && memcmp(item->key, "<0x", 3) == 0 && item->key[5] == '>';
}

static void read_tokens(struct reading *reading)
{
    bool bytes = json_tree_bool(json_tree_get(reading->model, "byte_fallback"), false);
    struct gguf_text unknown = text_of(json_tree_get(reading->model, "unk_token"));
    for (const struct json_tree_value *item = json_tree_get(reading->model, "vocab")->first; item;
         item = item->next) {
        struct entry *entry = &reading->entries[json_tree_integer(item, 0)];
        bool is_unknown = unknown.length > 0 && unknown.length == item->key_length &&
                          memcmp(unknown.bytes, item->key, unknown.length) == 0;
        entry->text = item->key;
        entry->length = item->key_length;
        entry->type = is_unknown                     ? TOKEN_UNKNOWN
                      : bytes && is_byte_token(item) ? TOKEN_BYTE
                                                     : TOKEN_NORMAL;
    }
}

static bool read_added(struct reading *reading)
{
    const struct json_tree_value *added = json_tree_get(reading->root, "added_tokens");
    for (const struct json_tree_value *item = added && added->kind == JSON_TREE_ARRAY ? added->first
                                                                                      : NULL;
         item; item = item->next) {
        struct entry *entry = &reading->entries[json_tree_integer(json_tree_get(item, "id"), 0)];
        struct gguf_text text = text_of(json_tree_get(item, "content"));
        if (text.length == 0)
            return refuse(reading, "an added token has no content");
        entry->text = text.bytes;
        entry->length = (uint32_t)text.length;
        if (entry->type != TOKEN_UNKNOWN)
            entry->type = json_tree_bool(json_tree_get(item, "special"), false)
                              ? TOKEN_CONTROL
                              : TOKEN_USER_DEFINED;
        entry->strip =
            (unsigned char)((json_tree_bool(json_tree_get(item, "lstrip"), false) ? STRIP_BEFORE
                                                                                  : 0) |
                            (json_tree_bool(json_tree_get(item, "rstrip"), false) ? STRIP_AFTER
                                                                                  : 0));
    }
    return true;
}

static void put_tokens(struct reading *reading)
{
    struct gguf_build *out = &reading->checkpoint->metadata;
    gguf_build_array(out, KEY("tokens"), GGUF_STRING, reading->count);
    for (size_t i = 0; i < reading->count; i++) {
        char gap[32]; /* an id that nothing has */
        snprintf(gap, sizeof gap, "[PAD%zu]", i);
        const struct entry *entry = &reading->entries[i];
        gguf_build_text(out, entry->text ? (struct gguf_text){entry->text, entry->length}
                                         : (struct gguf_text){gap, strlen(gap)});
    }
    gguf_build_array(out, KEY("token_type"), GGUF_U8, reading->count);
    for (size_t i = 0; i < reading->count; i++)
        gguf_build_byte(out, reading->entries[i].text ? reading->entries[i].type : TOKEN_CONTROL);
    gguf_build_array(out, OWN("strip"), GGUF_U8, reading->count);
    for (size_t i = 0; i < reading->count; i++)
        gguf_build_byte(out, reading->entries[i].strip);
}

/* "left right", or ["left", "right"]. */
static bool put_merges(struct reading *reading)
{
    struct gguf_build *out = &reading->checkpoint->metadata;
    const struct json_tree_value *merges = json_tree_get(reading->model, "merges");
    if (!merges || merges->kind != JSON_TREE_ARRAY)
        return refuse(reading, "its model has no merges");
    gguf_build_array(out, KEY("merges"), GGUF_STRING, merges->length);
    for (const struct json_tree_value *item = merges->first; item; item = item->next) {
        char joined[2048];
        struct gguf_text text = text_of(item);
        bool pair = item->kind == JSON_TREE_ARRAY && item->length == 2;
        struct gguf_text left = text_of(pair ? item->first : NULL),
                         right = text_of(pair ? item->first->next : NULL);
        if (pair && left.length + right.length < sizeof joined) {
            memcpy(joined, left.bytes, left.length);
            joined[left.length] = ' ';
            memcpy(joined + left.length + 1, right.bytes, right.length);
            text = (struct gguf_text){joined, left.length + right.length + 1};
        }
        if (text.length < 3)
            return refuse(reading, "a merge has no two sides");
        gguf_build_text(out, text);
    }
    return true;
}

/* --- How text is cut --- */

static bool add_pattern(struct reading *reading, const char *text, size_t length)
{
    if (reading->pattern_count == SPLIT_MAX_PATTERNS)
        return refuse(reading, "its pre-tokenizer has too many steps");
    reading->patterns[reading->pattern_count++] = (struct json_tree_value){
        .kind = JSON_TREE_STRING, .text = text, .length = (uint32_t)length};
    return true;
}

static bool read_split(struct reading *reading, const struct json_tree_value *step)
{
    const struct json_tree_value *pattern = json_tree_get(step, "pattern"),
                                 *regex = json_tree_get(pattern, "Regex");
    const struct json_tree_value *behavior = json_tree_get(step, "behavior");
    if (!json_tree_is(behavior, "Isolated") && !json_tree_is(behavior, "Removed") &&
        !json_tree_is(behavior, "isolated"))
        return refuse(reading,
                      "its Split step behaves in a way that is not supported (Isolated is)");
    bool removed =
        json_tree_is(behavior, "Removed"); /* of what lies between matches, as GPT-4's do */
    if ((removed && !json_tree_bool(json_tree_get(step, "invert"), false)) || !regex ||
        regex->kind != JSON_TREE_STRING)
        return refuse(reading, "its Split step has no expression, or removes what it finds");
    return add_pattern(reading, regex->text, regex->length);
}

/* One step of the pre-tokenizer. The expressions are in Hugging Face's spelling. */
static bool read_step(struct reading *reading, const struct json_tree_value *step)
{
    static const char gpt2[] =
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    static const char digit[] = "\\p{N}", digits[] = "\\p{N}+",
                      punctuation[] = "[\\p{P}$+<=>^`|~]+";
    const struct json_tree_value *type = json_tree_get(step, "type");
    if (json_tree_is(type, "ByteLevel")) {
        reading->byte_level = true;
        if (json_tree_bool(json_tree_get(step, "add_prefix_space"), false))
            return refuse(
                reading, "a space in front of every text (add_prefix_space) is not supported here");
        return !json_tree_bool(json_tree_get(step, "use_regex"), true) ||
               add_pattern(reading, gpt2, sizeof gpt2 - 1);
    }
    if (json_tree_is(type, "Split"))
        return read_split(reading, step);
    if (json_tree_is(type, "Digits"))
        return json_tree_bool(json_tree_get(step, "individual_digits"), false)
                   ? add_pattern(reading, digit, sizeof digit - 1)
                   : add_pattern(reading, digits, sizeof digits - 1);
    if (json_tree_is(type, "Punctuation") &&
        json_tree_is(json_tree_get(step, "behavior"), "Contiguous"))
        return add_pattern(reading, punctuation, sizeof punctuation - 1);
    if (json_tree_is(type, "Metaspace")) {
        const struct json_tree_value *scheme = json_tree_get(step, "prepend_scheme");
        reading->prefix_first = json_tree_is(scheme, "first");
        reading->space_prefix = scheme
                                    ? !json_tree_is(scheme, "never")
                                    : json_tree_bool(json_tree_get(step, "add_prefix_space"), true);
        return !json_tree_bool(json_tree_get(step, "split"), false) ||
               refuse(reading, "its Metaspace step cuts text into words, which is not supported");
    }
    return refuse(reading, "its pre-tokenizer has a step that is not supported");
}

/* A step, or a Sequence of them. */
static bool read_pre_tokenizer(struct reading *reading)
{
    const struct json_tree_value *pre = json_tree_get(reading->root, "pre_tokenizer");
    if (!pre || pre->kind == JSON_TREE_NULL)
        return true;
    if (!json_tree_is(json_tree_get(pre, "type"), "Sequence"))
        return read_step(reading, pre);
    const struct json_tree_value *steps = json_tree_get(pre, "pretokenizers");
    for (const struct json_tree_value *step = steps && steps->kind == JSON_TREE_ARRAY ? steps->first
                                                                                      : NULL;
         step; step = step->next)
        if (!read_step(reading, step))
            return false;
    return true;
}

/* Llama 2's normaliser puts U+2581 in front; Gemma's split on spaces means nothing where there
 * are none left. / */
static void read_normalizer(struct reading *reading)
{
    const struct json_tree_value *normalizer = json_tree_get(reading->root, "normalizer");
    const struct json_tree_value *steps = json_tree_get(normalizer, "normalizers");
    if (json_tree_is(json_tree_get(normalizer, "type"), "Prepend"))
        reading->space_prefix = true;
    for (const struct json_tree_value *step = steps && steps->kind == JSON_TREE_ARRAY ? steps->first
                                                                                      : NULL;
         step; step = step->next)
        if (json_tree_is(json_tree_get(step, "type"), "Prepend"))
            reading->space_prefix = true;
}

static bool has_byte_level_decoder(const struct reading *reading)
{
    return json_tree_is(json_tree_get(json_tree_get(reading->root, "decoder"), "type"),
                        "ByteLevel");
}

static bool put_kind(struct reading *reading)
{
    struct gguf_build *out = &reading->checkpoint->metadata;
    reading->byte_level = reading->byte_level || has_byte_level_decoder(reading);
    const char *kind = reading->byte_level ? "gpt2" : "merges";
    gguf_build_string(out, KEY("model"), (struct gguf_text){kind, strlen(kind)});
    gguf_build_boolean(out, OWN("ignore_merges"),
                       json_tree_bool(json_tree_get(reading->model, "ignore_merges"), false));
    if (reading->byte_level) {
        gguf_build_array(out, OWN("patterns"), GGUF_STRING, reading->pattern_count);
        for (size_t i = 0; i < reading->pattern_count; i++)
            gguf_build_text(out, text_of(&reading->patterns[i]));
        return true;
    }
    gguf_build_boolean(out, KEY("add_space_prefix"), reading->space_prefix);
    gguf_build_boolean(out, OWN("prefix_first"), reading->prefix_first);
    return true;
}

/* --- Special tokens and the template --- */

/* A token named by its text, or by an object that holds it; -1 when there is none. */
static int64_t find_id(const struct reading *reading, const struct json_tree_value *token)
{
    struct gguf_text text =
        text_of(token && token->kind == JSON_TREE_OBJECT ? json_tree_get(token, "content") : token);
    for (size_t i = 0; text.length > 0 && i < reading->count; i++)
        if (reading->entries[i].text && reading->entries[i].length == text.length &&
            memcmp(reading->entries[i].text, text.bytes, text.length) == 0)
            return (int64_t)i;
    return -1;
}

/* From tokenizer_config.json by text, else from config.json by number (the first of a list). */
static int64_t find_special(const struct reading *reading, const char *token, const char *id)
{
    const struct json_tree_value *number =
        json_tree_get(json_tree_root(reading->checkpoint->config), id);
    int64_t found = find_id(reading, json_tree_get(reading->settings, token));
    number = number && number->kind == JSON_TREE_ARRAY ? number->first : number;
    return found >= 0 ? found : json_tree_integer(number, -1);
}

/* Does the post-processor put this token in front? */
static bool starts_with(const struct reading *reading, int64_t bos)
{
    const struct json_tree_value *post = json_tree_get(reading->root, "post_processor"),
                                 *list = json_tree_get(post, "processors");
    const struct json_tree_value *step = list && list->kind == JSON_TREE_ARRAY ? list->first : post;
    for (; step; step = list ? step->next : NULL) {
        const struct json_tree_value *single = json_tree_get(step, "single");
        const struct json_tree_value *first =
            single && single->kind == JSON_TREE_ARRAY ? single->first : NULL;
        const struct json_tree_value *id =
            json_tree_get(json_tree_get(first, "SpecialToken"), "id");
        if (id && find_id(reading, id) == bos)
            return true;
    }
    return false;
}

static void put_specials(struct reading *reading)
{
    struct gguf_build *out = &reading->checkpoint->metadata;
    int64_t bos = find_special(reading, "bos_token", "bos_token_id");
    int64_t eos = find_special(reading, "eos_token", "eos_token_id");
    int64_t unknown = find_id(reading, json_tree_get(reading->model, "unk_token"));
    const struct json_tree_value *ids =
        json_tree_get(json_tree_root(reading->checkpoint->config), "eos_token_id");
    const struct json_tree_value *add = json_tree_get(reading->settings, "add_bos_token");
    if (bos >= 0)
        gguf_build_integer(out, KEY("bos_token_id"), bos);
    if (eos >= 0)
        gguf_build_integer(out, KEY("eos_token_id"), eos);
    if (unknown >= 0)
        gguf_build_integer(out, KEY("unknown_token_id"), unknown);
    gguf_build_boolean(out, KEY("add_bos_token"),
                       bos >= 0 && json_tree_bool(add, starts_with(reading, bos)));
    int64_t other = eos;
    for (const struct json_tree_value *id = ids && ids->kind == JSON_TREE_ARRAY ? ids->first : NULL;
         id; id = id->next)
        other = json_tree_integer(id, eos) != eos ? json_tree_integer(id, eos) : other;
    if (other >= 0 && other != eos)
        gguf_build_integer(out, KEY("eot_token_id"), other);
}

static void put_template_file(struct reading *reading)
{
    char path[MAX_PATH];
    snprintf(path, sizeof path, "%s/chat_template.jinja", reading->checkpoint->folder);
    FILE *file = fopen(path, "rb");
    char *text = file ? malloc(1 << 20) : NULL;
    if (text) {
        size_t length = fread(text, 1, 1 << 20, file);
        gguf_build_string(&reading->checkpoint->metadata, "tokenizer.chat_template",
                          (struct gguf_text){text, length});
    }
    free(text);
    if (file)
        fclose(file);
}

/* A file of its own, else a text, else the one named "default" of a list. */
static void put_template(struct reading *reading)
{
    char path[MAX_PATH];
    const struct json_tree_value *template = json_tree_get(reading->settings, "chat_template");
    snprintf(path, sizeof path, "%s/chat_template.jinja", reading->checkpoint->folder);
    if (access(path, R_OK) == 0) {
        put_template_file(reading);
        return;
    }
    const struct json_tree_value *list =
        template && template->kind == JSON_TREE_ARRAY ? template->first : NULL;
    for (const struct json_tree_value *named = list; named; named = named->next)
        if (json_tree_is(json_tree_get(named, "name"), "default"))
            template = json_tree_get(named, "template");
    if (template && template->kind == JSON_TREE_STRING)
        gguf_build_string(&reading->checkpoint->metadata, "tokenizer.chat_template",
                          text_of(template));
}

/* --- The whole --- */

static bool convert(struct reading *reading)
{
    const struct json_tree_value *type = json_tree_get(reading->model, "type");
    if (!reading->model || (type && !json_tree_is(type, "BPE")))
        return refuse(reading, "its model is not BPE");
    if (!count_tokens(reading))
        return false;
    read_tokens(reading);
    if (!read_added(reading) || !read_pre_tokenizer(reading))
        return false;
    read_normalizer(reading);
    if (!put_kind(reading) || !put_merges(reading))
        return false;
    put_tokens(reading);
    put_specials(reading);
    put_template(reading);
    return true;
}

bool checkpoint_tokenizer(struct checkpoint *checkpoint)
{
    char path[MAX_PATH];
    snprintf(path, sizeof path, "%s/tokenizer.json", checkpoint->folder);
    struct json_tree *json = json_tree_read(path, checkpoint->error);
    if (!json)
        return false;
    snprintf(path, sizeof path, "%s/tokenizer_config.json", checkpoint->folder);
    bool has_settings = access(path, F_OK) == 0;
    struct json_tree *settings = has_settings ? json_tree_read(path, checkpoint->error) : NULL;
    struct reading reading = {.checkpoint = checkpoint,
                              .root = json_tree_root(json),
                              .model = json_tree_get(json_tree_root(json), "model"),
                              .settings = settings ? json_tree_root(settings) : NULL};
    bool ok = (!has_settings || settings) && convert(&reading);
    free(reading.entries);
    json_tree_free(settings);
    json_tree_free(json);
    return ok;
}
