/* Encoding goes in Hugging Face's steps: special tokens are cut out of the text (where they are
 * allowed); the stretches between them are brought to the model's normal form, and those special
 * tokens that are looked for there are cut out of them; what is left is cut into words, and each
 * word is merged. A stretch may hold bytes of a template and of a user side by side: words form
 * over that border as they would in one text, only special tokens do not. */
#include "engine/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "engine/error.h"
#include "engine/tokenizer_internal.h"
#include "engine/tokenizer_merge.h"
#include "engine/utf8.h"

enum { TEXT_LIMIT = 64 << 20 };

/* --- Lists --- */

bool token_list_add(struct token_list *list, int32_t id, struct engine_error *error)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity * 2 + 64;
        int32_t *ids = realloc(list->ids, capacity * sizeof *ids);
        if (!ids)
            return engine_no_memory(error, "a text's tokens");
        list->ids = ids;
        list->capacity = capacity;
    }
    list->ids[list->count++] = id;
    return true;
}

void token_list_done(struct token_list *list)
{
    free(list->ids);
    *list = (struct token_list){0};
}

/* --- Life --- */

struct tokenizer *tokenizer_new(const struct gguf *file, struct engine_error *error)
{
    struct tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    if (!tokenizer) {
        engine_no_memory(error, "a tokenizer");
        return NULL;
    }
    if (tokenizer_from_gguf(tokenizer, file, error))
        return tokenizer;
    tokenizer_free(tokenizer);
    return NULL;
}

void tokenizer_free(struct tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    vocab_done(&tokenizer->vocab);
    splitter_free(tokenizer->splitter);
    free(tokenizer);
}

/* --- Encoding --- */

/* Some of a text. */
struct stretch {
    const char *text;
    const unsigned char *trusted; /* NULL: the call's `special` says it for all bytes */
    size_t length;
    bool first; /* the text begins here */
};

/* One call's scratch space and state. */
struct encoding {
    const struct tokenizer *tokenizer;
    bool special;
    bool after_special;       /* what comes next stands at the start, or behind a special token */
    struct normal_text valid; /* the text with its invalid bytes replaced, if it has any */
    struct merger merger;
    struct split_pieces pieces;
    struct token_list *list;
    struct engine_error *error;
};

static void encoding_done(struct encoding *encoding)
{
    merger_done(&encoding->merger);
    split_pieces_done(&encoding->pieces);
    normal_text_done(&encoding->valid);
}

/* Puts U+FFFD in the place of every byte that is not UTF-8, keeping trust beside each byte. */
static bool replace_invalid(struct encoding *encoding, struct stretch *whole)
{
    const char *text = whole->text;
    size_t length = whole->length;
    struct normal_text *out = &encoding->valid;
    out->bytes = malloc(length * 3 + 1);
    out->marks = whole->trusted ? malloc(length * 3 + 1) : NULL;
    if (!out->bytes || (whole->trusted && !out->marks))
        return engine_no_memory(encoding->error, "a text");
    for (size_t at = 0; at < length;) {
        struct utf8_step step = utf8_next(text + at, length - at);
        size_t taken = step.valid ? step.length : 1, put = taken;
        if (step.valid)
            memcpy(out->bytes + out->length, text + at, taken);
        else
            put = utf8_put(out->bytes + out->length, UTF8_REPLACEMENT);
        if (out->marks)
            memset(out->marks + out->length, whole->trusted[at], put);
        out->length += put;
        at += taken;
    }
    *whole = (struct stretch){out->bytes, out->marks, out->length, whole->first};
    return true;
}

/* Byte-level BPE: words by the model's expressions, each merged, or taken whole where the model
 * says so. */
static bool encode_words(struct encoding *encoding, const char *text, size_t length)
{
    const struct tokenizer *tokenizer = encoding->tokenizer;
    const struct vocab *vocab = &tokenizer->vocab;
    if (!splitter_cut(tokenizer->splitter, text, length, &encoding->pieces, encoding->error))
        return false;
    size_t base = 0;
    for (size_t i = 0; i < encoding->pieces.count; base = encoding->pieces.ends[i], i++) {
        size_t size = encoding->pieces.ends[i] - base;
        int32_t whole =
            vocab->ignore_merges || size == 1 ? vocab_word(vocab, text + base, size) : -1;
        bool ok = whole >= 0 ? token_list_add(encoding->list, whole, encoding->error)
                             : merger_word(&encoding->merger, vocab, text + base, size,
                                           encoding->list, encoding->error);
        if (!ok)
            return false;
    }
    return true;
}

/* Does the text begin with U+2581? */
static bool is_marker(const char *text, size_t length)
{
    return length >= 3 && memcmp(text, "\xE2\x96\x81", 3) == 0;
}

/* SentencePiece: the stretch as a whole, a space in front of it if the model wants one, U+2581
 * read as a space. */
static bool encode_characters(struct encoding *encoding, const char *text, size_t length,
                              bool first)
{
    const struct vocab *vocab = &encoding->tokenizer->vocab;
    char *spaced = malloc(length + 1);
    if (!spaced)
        return engine_no_memory(encoding->error, "a text");
    size_t used = 0;
    bool has_space = vocab->prefix_missing && (text[0] == ' ' || is_marker(text, length));
    if (vocab->add_space_prefix && !has_space &&
        (vocab->prefix_first ? first : encoding->after_special))
        spaced[used++] = ' ';
    for (size_t at = 0; at < length;) {
        bool space = is_marker(text + at, length - at);
        spaced[used++] = space ? ' ' : text[at];
        at += space ? 3 : 1;
    }
    bool ok = encoding->tokenizer->splitter ? encode_words(encoding, spaced, used)
                                            : merger_word(&encoding->merger, vocab, spaced, used,
                                                          encoding->list, encoding->error);
    free(spaced);
    return ok;
}

/* A stretch without special tokens. */
static bool encode_text(struct encoding *encoding, struct stretch text)
{
    bool bytes = encoding->tokenizer->vocab.kind == VOCAB_BPE;
    bool ok = bytes ? encode_words(encoding, text.text, text.length)
                    : encode_characters(encoding, text.text, text.length, text.first);
    encoding->after_special = false;
    return ok;
}

static bool trusted_all(struct stretch text, size_t from, size_t length)
{
    return !text.trusted || memchr(text.trusted + from, 0, length) == NULL;
}

/* The special token at this place, or -1. One that a user's bytes are part of is none; a shorter
 * one may be. */
static int32_t special_at(const struct encoding *encoding, struct stretch text, size_t at,
                          bool normalized)
{
    const struct vocab *vocab = &encoding->tokenizer->vocab;
    if (!vocab->special_first[(unsigned char)text.text[at]])
        return -1;
    const char *here = text.text + at;
    bool control = text.trusted ? text.trusted[at] : encoding->special;
    int32_t id = vocab_special_prefix(vocab, here, text.length - at, control, normalized);
    while (id >= 0 && vocab_is_control(vocab, id) &&
           !trusted_all(text, at, vocab->tokens[id].length)) {
        size_t shorter = vocab->tokens[id].length - 1;
        id = vocab_special_prefix(vocab, here, shorter, true, normalized);
    }
    return id;
}

/* Unicode's White_Space. */
static bool is_blank(uint32_t point)
{
    return point == ' ' || (point >= '\t' && point <= '\r') || point == 0x85 || point == 0xA0 ||
           point == 0x1680 || (point >= 0x2000 && point <= 0x200A) || point == 0x2028 ||
           point == 0x2029 || point == 0x202F || point == 0x205F || point == 0x3000;
}

/* Where the white space at the end of text[from, to) begins. */
static size_t blanks_before(const char *text, size_t from, size_t to)
{
    while (to > from) {
        size_t at = to - 1;
        while (at > from && ((unsigned char)text[at] & 0xC0) == 0x80)
            at--;
        struct utf8_step step = utf8_next(text + at, to - at);
        if (!step.valid || at + step.length != to || !is_blank(step.point))
            break;
        to = at;
    }
    return to;
}

/* Where the white space at `at` ends. */
static size_t blanks_after(const char *text, size_t at, size_t length)
{
    while (at < length) {
        struct utf8_step step = utf8_next(text + at, length - at);
        if (!step.valid || !is_blank(step.point))
            break;
        at += step.length;
    }
    return at;
}

static struct stretch part_of(struct stretch whole, size_t from, size_t to)
{
    return (struct stretch){whole.text + from, whole.trusted ? whole.trusted + from : NULL,
                            to - from, whole.first && from == 0};
}

/* Cuts special tokens of one kind out of a stretch; what is between them goes to `rest`. */
static bool encode_specials(struct encoding *encoding, struct stretch whole, bool normalized,
                            bool (*rest)(struct encoding *, struct stretch))
{
    const struct vocab *vocab = &encoding->tokenizer->vocab;
    size_t from = 0;
    for (size_t at = 0; at < whole.length;) {
        int32_t id = special_at(encoding, whole, at, normalized);
        if (id < 0) {
            at++;
            continue;
        }
        const struct vocab_token *token = &vocab->tokens[id];
        size_t to = token->strip_before ? blanks_before(whole.text, from, at) : at;
        if ((to > from && !rest(encoding, part_of(whole, from, to))) ||
            !token_list_add(encoding->list, id, encoding->error))
            return false;
        encoding->after_special = true;
        at += token->length; /* the white space that it takes may begin the next one */
        from = token->strip_after ? blanks_after(whole.text, at, whole.length) : at;
    }
    return from == whole.length || rest(encoding, part_of(whole, from, whole.length));
}

/* A stretch of the text as it came. */
static bool encode_normalized(struct encoding *encoding, struct stretch raw)
{
    enum normal_form form = encoding->tokenizer->form;
    if (form == NORMAL_NONE && !encoding->tokenizer->vocab.has_normalized)
        return encode_text(encoding, raw);
    struct normal_text text = {0};
    bool ok = normalize(form, raw.text, raw.trusted, raw.length, &text, encoding->error);
    struct stretch whole = {text.bytes, text.marks, text.length, raw.first};
    ok = ok && encode_specials(encoding, whole, true, encode_text);
    normal_text_done(&text);
    return ok;
}

static bool encode(struct encoding *encoding, struct stretch whole)
{
    const struct tokenizer *tokenizer = encoding->tokenizer;
    bool bytes = tokenizer->vocab.kind == VOCAB_BPE;
    if (whole.length > TEXT_LIMIT)
        return engine_fail(encoding->error, ENGINE_TOO_LONG,
                           "a text of %zu bytes is longer than %d MiB", whole.length,
                           TEXT_LIMIT >> 20);
    if (bytes && !tokenizer->splitter)
        return splitter_cut(NULL, NULL, 0, NULL, encoding->error); /* says why */
    if ((bytes || tokenizer->form != NORMAL_NONE) &&
        utf8_valid_prefix(whole.text, whole.length) < whole.length &&
        !replace_invalid(encoding, &whole))
        return false;
    return encode_specials(encoding, whole, false, encode_normalized);
}

bool tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t length,
                      unsigned flags, struct token_list *list, struct engine_error *error)
{
    const struct vocab *vocab = &tokenizer->vocab;
    struct encoding encoding = {.tokenizer = tokenizer,
                                .after_special = true,
                                .special = flags & TOKENIZER_SPECIAL,
                                .list = list,
                                .error = error};
    bool ends = flags & TOKENIZER_BOS;
    bool ok =
        (!ends || !vocab->add_bos || vocab->bos < 0 || token_list_add(list, vocab->bos, error)) &&
        encode(&encoding, (struct stretch){text, NULL, length, true}) &&
        (!ends || !vocab->add_eos || vocab->eos < 0 || token_list_add(list, vocab->eos, error));
    encoding_done(&encoding);
    return ok;
}

bool tokenizer_encode_marked(const struct tokenizer *tokenizer, const char *text,
                             const unsigned char *trusted, size_t length, struct token_list *list,
                             struct engine_error *error)
{
    struct encoding encoding = {
        .tokenizer = tokenizer, .after_special = true, .list = list, .error = error};
    bool ok = encode(&encoding, (struct stretch){text, trusted, length, true});
    encoding_done(&encoding);
    return ok;
}

/* --- Decoding --- */

const char *tokenizer_piece(const struct tokenizer *tokenizer, int32_t id, bool special,
                            size_t *length)
{
    const struct vocab *vocab = &tokenizer->vocab;
    *length = 0;
    if (id < 0 || id >= vocab->size || (!special && vocab_is_control(vocab, id)))
        return "";
    return vocab_text(vocab, id, length);
}

char *tokenizer_decode(const struct tokenizer *tokenizer, const int32_t *ids, size_t count,
                       bool special, size_t *length)
{
    size_t total = 0, size;
    for (size_t i = 0; i < count; i++) {
        tokenizer_piece(tokenizer, ids[i], special, &size);
        total += size;
    }
    char *text = malloc(total + 1);
    if (!text)
        return NULL;
    bool prefixed = tokenizer->vocab.add_space_prefix;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        const char *piece = tokenizer_piece(tokenizer, ids[i], special, &size);
        size_t skip = prefixed && size > 0 && piece[0] == ' ';
        prefixed = prefixed && tokenizer_is_special(tokenizer, ids[i]);
        memcpy(text + used, piece + skip, size - skip);
        used += size - skip;
    }
    text[used] = '\0';
    *length = used;
    return text;
}

/* --- Facts --- */

int tokenizer_size(const struct tokenizer *tokenizer)
{
    return tokenizer->vocab.size;
}

const char *tokenizer_model(const struct tokenizer *tokenizer)
{
    return tokenizer->vocab.kind == VOCAB_SPM ? "spm" : "bpe";
}

const char *tokenizer_pre(const struct tokenizer *tokenizer)
{
    return tokenizer->pre;
}

int32_t tokenizer_bos(const struct tokenizer *tokenizer)
{
    return tokenizer->vocab.bos;
}

int32_t tokenizer_eos(const struct tokenizer *tokenizer)
{
    return tokenizer->vocab.eos;
}

bool tokenizer_adds_bos(const struct tokenizer *tokenizer)
{
    return tokenizer->vocab.add_bos;
}

bool tokenizer_is_end(const struct tokenizer *tokenizer, int32_t id)
{
    return id >= 0 && id < tokenizer->vocab.size && tokenizer->vocab.tokens[id].end;
}

bool tokenizer_is_special(const struct tokenizer *tokenizer, int32_t id)
{
    return id >= 0 && id < tokenizer->vocab.size && vocab_is_control(&tokenizer->vocab, id);
}

int32_t tokenizer_find(const struct tokenizer *tokenizer, const char *text, size_t length)
{
    int32_t id = vocab_special(&tokenizer->vocab, text, length);
    return id >= 0 ? id : vocab_word(&tokenizer->vocab, text, length);
}
