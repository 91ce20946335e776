/* tokenizer.json to tokenizer.ggml.*, plus keys of our own for what GGUF has no place for: a model
 * that merges characters, the pre-tokenizer's expressions themselves, the normal form, which
 * special tokens take the white space beside them and which are looked for in normalized text, a
 * space that goes in front of the text's start only, and all tokens that end an answer. Every other
 * step that would rewrite text in a way of its own is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/checkpoint_internal.h"
#include "engine/error.h"
#include "engine/normalize.h"
#include "engine/tokenizer_split.h"
#include "engine/tokenizer_vocab.h"

#define KEY(name) "tokenizer.ggml." name
#define OWN(name) "arena.tokenizer." name

enum { MAX_PATH = 4096, MAX_ENDS = 64 };

struct entry {
    const char *text;
    uint32_t length;
    unsigned char type, added;
};

struct reading {
    struct checkpoint *checkpoint;
    const struct json_tree_value *root, *model,
        *settings; /* settings: tokenizer_config.json, or NULL */
    struct entry *entries;
    size_t count;
    struct gguf_text form; /* the name of the normal form, or empty */
    bool byte_level, space_prefix, prefix_first;
    bool replaces_spaces; /* by U+2581 */
    bool prefix_missing;  /* a space in front only where there is none */
    struct json_tree_value patterns[SPLIT_MAX_PATTERNS]; /* as strings */
    size_t pattern_count;
    char *made[SPLIT_MAX_PATTERNS]; /* patterns put together here */
    size_t made_count;
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
    if (reading->checkpoint->rows && last >= reading->checkpoint->rows)
        last = reading->checkpoint->rows - 1; /* the model has no such token (Gemma 3's images) */
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
        size_t id = (size_t)json_tree_integer(item, 0);
        if (id >= reading->count)
            continue;
        struct entry *entry = &reading->entries[id];
        bool is_unknown = unknown.length > 0 && unknown.length == item->key_length &&
                          memcmp(unknown.bytes, item->key, unknown.length) == 0;
        entry->text = item->key;
        entry->length = item->key_length;
        entry->type = is_unknown                     ? TOKEN_UNKNOWN
                      : bytes && is_byte_token(item) ? TOKEN_BYTE
                                                     : TOKEN_NORMAL;
    }
}

static unsigned char added_bits(const struct json_tree_value *item)
{
    static const struct {
        const char *name;
        unsigned char bit;
    } names[] = {{"lstrip", ADDED_STRIPS_BEFORE},
                 {"rstrip", ADDED_STRIPS_AFTER},
                 {"normalized", ADDED_NORMALIZED}};
    unsigned char bits = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (json_tree_bool(json_tree_get(item, names[i].name), false))
            bits |= names[i].bit;
    return bits;
}

/* Is this text in the model's normal form? */
static bool is_normal(const struct reading *reading, struct gguf_text text)
{
    struct normal_text normal = {0};
    struct engine_error ignored;
    bool same = normalize(normal_form_find(reading->form.bytes, reading->form.length), text.bytes,
                          NULL, text.length, &normal, &ignored) &&
                normal.length == text.length && memcmp(normal.bytes, text.bytes, text.length) == 0;
    normal_text_done(&normal);
    return same;
}

static bool read_added(struct reading *reading)
{
    const struct json_tree_value *added = json_tree_get(reading->root, "added_tokens");
    for (const struct json_tree_value *item = added && added->kind == JSON_TREE_ARRAY ? added->first
                                                                                      : NULL;
         item; item = item->next) {
        size_t id = (size_t)json_tree_integer(json_tree_get(item, "id"), 0);
        struct gguf_text text = text_of(json_tree_get(item, "content"));
        if (id >= reading->count)
            continue;
        struct entry *entry = &reading->entries[id];
        if (text.length == 0)
            return refuse(reading, "an added token has no content");
        if (json_tree_bool(json_tree_get(item, "single_word"), false))
            return refuse(reading, "an added token is a word of its own only (single_word), which "
                                   "is not supported");
        entry->text = text.bytes;
        entry->length = (uint32_t)text.length;
        if (entry->type != TOKEN_UNKNOWN)
            entry->type = json_tree_bool(json_tree_get(item, "special"), false)
                              ? TOKEN_CONTROL
                              : TOKEN_USER_DEFINED;
        entry->added = added_bits(item);
        if (entry->added & ADDED_NORMALIZED && !is_normal(reading, text))
            return refuse(reading, "an added token is looked for in normalized text and is itself "
                                   "not normal, which is not supported");
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
    gguf_build_array(out, OWN("added"), GGUF_U8, reading->count);
    for (size_t i = 0; i < reading->count; i++)
        gguf_build_byte(out, reading->entries[i].added);
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

/* Takes a text that was made for a pattern. */
static bool keep_pattern(struct reading *reading, char *text)
{
    if (reading->made_count < SPLIT_MAX_PATTERNS) {
        reading->made[reading->made_count++] = text;
        return true;
    }
    free(text);
    return refuse(reading, "its pre-tokenizer has too many steps");
}

static bool add_pattern(struct reading *reading, const char *text, size_t length)
{
    if (reading->pattern_count == SPLIT_MAX_PATTERNS)
        return refuse(reading, "its pre-tokenizer has too many steps");
    reading->patterns[reading->pattern_count++] = (struct json_tree_value){
        .kind = JSON_TREE_STRING, .text = text, .length = (uint32_t)length};
    return true;
}

/* What a Split step looks for, as an expression: its own, or a text taken literally. */
static bool add_searched(struct reading *reading, const struct json_tree_value *step, bool runs)
{
    const struct json_tree_value *pattern = json_tree_get(step, "pattern");
    struct gguf_text regex = text_of(json_tree_get(pattern, "Regex")),
                     text = text_of(json_tree_get(pattern, "String"));
    bool literal = !regex.length;
    struct gguf_text found = literal ? text : regex;
    char *joined = found.length ? malloc(found.length + 16) : NULL;
    if (!joined)
        return refuse(reading, "its Split step has no expression");
    int used =
        snprintf(joined, found.length + 16, "%s%s%.*s%s%s", runs ? "(?:" : "", literal ? "\\Q" : "",
                 (int)found.length, found.bytes, literal ? "\\E" : "", runs ? ")+" : "");
    return keep_pattern(reading, joined) && add_pattern(reading, joined, (size_t)used);
}

static bool read_split(struct reading *reading, const struct json_tree_value *step)
{
    const struct json_tree_value *behavior = json_tree_get(step, "behavior");
    struct gguf_text text = text_of(json_tree_get(json_tree_get(step, "pattern"), "String"));
    if (reading->replaces_spaces && gguf_text_is(text, " "))
        return true; /* there are none left: Gemma's */
    if (json_tree_is(behavior, "Isolated") || json_tree_is(behavior, "isolated"))
        return add_searched(reading, step, false);
    if (json_tree_is(behavior, "Contiguous"))
        return add_searched(reading, step, true);
    /* Of what lies between matches, as GPT-4's do. */
    if (json_tree_is(behavior, "Removed") && json_tree_bool(json_tree_get(step, "invert"), false))
        return add_searched(reading, step, false);
    return refuse(reading, "its Split step behaves in a way that is not supported (Isolated and "
                           "Contiguous are)");
}

/* One step of the pre-tokenizer. The expressions are in Hugging Face's spelling. */
static bool read_step(struct reading *reading, const struct json_tree_value *step)
{
    static const char gpt2[] =
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    static const char digit[] = "\\p{N}", digits[] = "\\p{N}+",
                      punctuation[] = "[\\p{P}$+<=>^`|~]+", words[] = " [^ ]*|[^ ]+";
    const struct json_tree_value *type = json_tree_get(step, "type"),
                                 *behavior = json_tree_get(step, "behavior");
    if (reading->byte_level)
        return refuse(reading, "its pre-tokenizer has steps behind ByteLevel, which would see its "
                               "alphabet and not the text: not supported");
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
    if (json_tree_is(type, "Punctuation") && json_tree_is(behavior, "Contiguous"))
        return add_pattern(reading, punctuation, sizeof punctuation - 1);
    if (json_tree_is(type, "Punctuation") && json_tree_is(behavior, "Isolated"))
        return add_pattern(reading, punctuation, sizeof punctuation - 2);
    if (json_tree_is(type, "Metaspace")) {
        const struct json_tree_value *scheme = json_tree_get(step, "prepend_scheme");
        reading->prefix_first = json_tree_is(scheme, "first");
        reading->prefix_missing = true;
        reading->space_prefix = scheme
                                    ? !json_tree_is(scheme, "never")
                                    : json_tree_bool(json_tree_get(step, "add_prefix_space"), true);
        reading->replaces_spaces = true;
        return !json_tree_bool(json_tree_get(step, "split"), true) ||
               add_pattern(reading, words, sizeof words - 1);
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

/* Doing the same twice changes nothing. */
static bool read_form(struct reading *reading, struct gguf_text name)
{
    bool same = reading->form.length == name.length &&
                memcmp(reading->form.bytes, name.bytes, name.length) == 0;
    if (reading->form.length && !same)
        return refuse(reading, "its normalizer asks for two normal forms, which is not supported");
    reading->form = name;
    return true;
}

/* Llama 2's steps put U+2581 in front and in the place of spaces. */
static bool read_normalizer_step(struct reading *reading, const struct json_tree_value *step)
{
    const struct json_tree_value *type = json_tree_get(step, "type");
    struct gguf_text from = text_of(json_tree_get(json_tree_get(step, "pattern"), "String")),
                     to = text_of(json_tree_get(step, "content"));
    if (json_tree_is(type, "Prepend") &&
        json_tree_is(json_tree_get(step, "prepend"), "\xE2\x96\x81"))
        reading->space_prefix = true;
    else if (json_tree_is(type, "Replace") && gguf_text_is(from, " ") &&
             gguf_text_is(to, "\xE2\x96\x81"))
        reading->replaces_spaces = true;
    else if (normal_form_find(text_of(type).bytes, text_of(type).length) != NORMAL_NONE)
        return read_form(reading, text_of(type));
    else
        return refuse(reading, "its normalizer has a step that is not supported");
    return true;
}

static bool read_normalizer(struct reading *reading)
{
    const struct json_tree_value *normalizer = json_tree_get(reading->root, "normalizer");
    const struct json_tree_value *steps = json_tree_get(normalizer, "normalizers");
    if (!normalizer || normalizer->kind == JSON_TREE_NULL)
        return true;
    if (!json_tree_is(json_tree_get(normalizer, "type"), "Sequence"))
        return read_normalizer_step(reading, normalizer);
    for (const struct json_tree_value *step = steps && steps->kind == JSON_TREE_ARRAY ? steps->first
                                                                                      : NULL;
         step; step = step->next)
        if (!read_normalizer_step(reading, step))
            return false;
    return true;
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
    if (reading->byte_level || reading->pattern_count)
        gguf_build_array(out, OWN("patterns"), GGUF_STRING, reading->pattern_count);
    for (size_t i = 0; i < reading->pattern_count; i++)
        gguf_build_text(out, text_of(&reading->patterns[i]));
    if (reading->form.length)
        gguf_build_string(out, OWN("normal_form"), reading->form);
    if (reading->byte_level)
        return true;
    gguf_build_boolean(out, KEY("add_space_prefix"), reading->space_prefix);
    gguf_build_boolean(out, OWN("prefix_first"), reading->prefix_first);
    gguf_build_boolean(out, OWN("prefix_missing"), reading->prefix_missing);
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

/* Does the post-processor put this token in front, or behind? */
static bool is_put(const struct reading *reading, int64_t token, bool behind)
{
    const struct json_tree_value *post = json_tree_get(reading->root, "post_processor"),
                                 *list = json_tree_get(post, "processors");
    const struct json_tree_value *step = list && list->kind == JSON_TREE_ARRAY ? list->first : post;
    for (; step; step = list ? step->next : NULL) {
        const struct json_tree_value *single = json_tree_get(step, "single");
        const struct json_tree_value *item =
            single && single->kind == JSON_TREE_ARRAY ? single->first : NULL;
        while (item && behind && item->next)
            item = item->next;
        const struct json_tree_value *id = json_tree_get(json_tree_get(item, "SpecialToken"), "id");
        if (id && find_id(reading, id) == token)
            return true;
    }
    return false;
}

static size_t list_ends(const struct json_tree_value *value, uint32_t *ends, size_t count)
{
    bool list = value && value->kind == JSON_TREE_ARRAY;
    for (const struct json_tree_value *id = list ? value->first : value; id;
         id = list ? id->next : NULL) {
        int64_t number = json_tree_integer(id, -1);
        if (number >= 0 && number < VOCAB_MAX_TOKENS && count < MAX_ENDS)
            ends[count++] = (uint32_t)number;
    }
    return count;
}

/* All that config.json and generation_config.json call an end. */
static bool put_ends(struct reading *reading)
{
    struct checkpoint *checkpoint = reading->checkpoint;
    char path[MAX_PATH];
    uint32_t ends[MAX_ENDS];
    size_t count =
        list_ends(json_tree_get(json_tree_root(checkpoint->config), "eos_token_id"), ends, 0);
    snprintf(path, sizeof path, "%s/generation_config.json", checkpoint->folder);
    if (access(path, F_OK) == 0) {
        struct json_tree *generation = json_tree_read(path, checkpoint->error);
        if (!generation)
            return false;
        count = list_ends(json_tree_get(json_tree_root(generation), "eos_token_id"), ends, count);
        json_tree_free(generation);
    }
    gguf_build_array(&checkpoint->metadata, OWN("ends"), GGUF_U32, count);
    for (size_t i = 0; i < count; i++)
        gguf_build_word(&checkpoint->metadata, ends[i]);
    return true;
}

static bool put_specials(struct reading *reading)
{
    struct gguf_build *out = &reading->checkpoint->metadata;
    int64_t bos = find_special(reading, "bos_token", "bos_token_id");
    int64_t eos = find_special(reading, "eos_token", "eos_token_id");
    int64_t unknown = find_id(reading, json_tree_get(reading->model, "unk_token"));
    const struct json_tree_value *add = json_tree_get(reading->settings, "add_bos_token"),
                                 *add_end = json_tree_get(reading->settings, "add_eos_token");
    if (bos >= 0)
        gguf_build_integer(out, KEY("bos_token_id"), bos);
    if (eos >= 0)
        gguf_build_integer(out, KEY("eos_token_id"), eos);
    if (unknown >= 0)
        gguf_build_integer(out, KEY("unknown_token_id"), unknown);
    gguf_build_boolean(out, KEY("add_bos_token"),
                       bos >= 0 && json_tree_bool(add, is_put(reading, bos, false)));
    gguf_build_boolean(out, KEY("add_eos_token"),
                       eos >= 0 && json_tree_bool(add_end, is_put(reading, eos, true)));
    return put_ends(reading);
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
    if (text_of(json_tree_get(reading->model, "continuing_subword_prefix")).length ||
        text_of(json_tree_get(reading->model, "end_of_word_suffix")).length)
        return refuse(reading, "its tokens are marked inside or at the end of words, which is not "
                               "supported");
    if (!count_tokens(reading))
        return false;
    read_tokens(reading);
    if (!read_normalizer(reading) || !read_added(reading) || !read_pre_tokenizer(reading) ||
        !put_kind(reading) || !put_merges(reading))
        return false;
    put_tokens(reading);
    if (!put_specials(reading))
        return false;
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
    for (size_t i = 0; i < reading.made_count; i++)
        free(reading.made[i]);
    free(reading.entries);
    json_tree_free(settings);
    json_tree_free(json);
    return ok;
}
