/* Encoding goes in three steps: special tokens are cut out of the text (where they are allowed),
 * the stretches between them are cut into words, and each word is merged. A stretch may hold
 * bytes of a template and of a user side by side: words form over that border as they would in
 * one text, only special tokens do not. */
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

/* One call's text and scratch space. */
struct encoding {
    const struct tokenizer *tokenizer;
    const char *text;
    const unsigned char *trusted; /* NULL: `special` says it for all bytes */
    size_t length;
    bool special;
    bool after_special; /* what comes next stands at the start, or behind a special token */
    char *owned;        /* scratch copies, or NULL */
    unsigned char *owned_trusted;
    struct merger merger;
    struct split_pieces pieces;
    struct token_list *list;
    struct engine_error *error;
};

static void encoding_done(struct encoding *encoding)
{
    merger_done(&encoding->merger);
    split_pieces_done(&encoding->pieces);
    free(encoding->owned);
    free(encoding->owned_trusted);
}

/* Puts U+FFFD in the place of every byte that is not UTF-8, keeping trust beside each byte. */
static bool replace_invalid(struct encoding *encoding)
{
    const char *text = encoding->text;
    size_t length = encoding->length, used = 0;
    char *out = malloc(length * 3 + 1);
    unsigned char *trusted = encoding->trusted ? malloc(length * 3 + 1) : NULL;
    encoding->owned = out;
    encoding->owned_trusted = trusted;
    if (!out || (encoding->trusted && !trusted))
        return engine_no_memory(encoding->error, "a text");
    for (size_t at = 0; at < length;) {
        struct utf8_step step = utf8_next(text + at, length - at);
        size_t taken = step.valid ? step.length : 1, put = taken;
        if (step.valid)
            memcpy(out + used, text + at, taken);
        else
            put = utf8_put(out + used, UTF8_REPLACEMENT);
        if (trusted)
            memset(trusted + used, encoding->trusted[at], put);
        used += put;
        at += taken;
    }
    encoding->text = out;
    encoding->trusted = trusted;
    encoding->length = used;
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
static bool encode_characters(struct encoding *encoding, const char *text, size_t length)
{
    bool first = text == encoding->text;
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

static bool encode_stretch(struct encoding *encoding, size_t from, size_t to)
{
    if (from >= to)
        return true;
    const char *text = encoding->text + from;
    const struct tokenizer *tokenizer = encoding->tokenizer;
    bool ok = tokenizer->vocab.kind == VOCAB_BPE ? encode_words(encoding, text, to - from)
                                                 : encode_characters(encoding, text, to - from);
    encoding->after_special = false;
    return ok;
}

static bool trusted_all(const struct encoding *encoding, size_t from, size_t length)
{
    return !encoding->trusted || memchr(encoding->trusted + from, 0, length) == NULL;
}

/* The special token at this place, or -1. One that a user's bytes are part of is none; a shorter
 * one may be. / */
static int32_t special_at(const struct encoding *encoding, size_t at)
{
    const struct vocab *vocab = &encoding->tokenizer->vocab;
    const char *text = encoding->text + at;
    size_t left = encoding->length - at;
    bool control = encoding->trusted ? encoding->trusted[at] : encoding->special;
    int32_t id = vocab_special_prefix(vocab, text, left, control);
    while (id >= 0 && vocab_is_control(vocab, id) &&
           !trusted_all(encoding, at, vocab->tokens[id].length)) {
        size_t shorter = vocab->tokens[id].length - 1;
        id = vocab_special_prefix(vocab, text, shorter, true);
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

static bool encode_all(struct encoding *encoding)
{
    const struct vocab *vocab = &encoding->tokenizer->vocab;
    size_t from = 0;
    for (size_t at = 0; at < encoding->length;) {
        int32_t id =
            vocab->special_first[(unsigned char)encoding->text[at]] ? special_at(encoding, at) : -1;
        if (id < 0) {
            at++;
            continue;
        }
        size_t to = at;
        if (vocab->tokens[id].strip_before)
            to = blanks_before(encoding->text, from, at);
        if (!encode_stretch(encoding, from, to) ||
            !token_list_add(encoding->list, id, encoding->error))
            return false;
        encoding->after_special = true;
        at += vocab->tokens[id].length;
        if (vocab->tokens[id].strip_after)
            at = blanks_after(encoding->text, at, encoding->length);
        from = at;
    }
    return encode_stretch(encoding, from, encoding->length);
}

static bool encode(struct encoding *encoding)
{
    const struct vocab *vocab = &encoding->tokenizer->vocab;
    if (encoding->length > TEXT_LIMIT)
        return engine_fail(encoding->error, ENGINE_TOO_LONG,
                           "a text of %zu bytes is longer than %d MiB", encoding->length,
                           TEXT_LIMIT >> 20);
    if (vocab->kind == VOCAB_BPE && !encoding->tokenizer->splitter)
        return splitter_cut(NULL, NULL, 0, NULL, encoding->error); /* says why */
    if (vocab->kind == VOCAB_BPE &&
        utf8_valid_prefix(encoding->text, encoding->length) < encoding->length &&
        !replace_invalid(encoding))
        return false;
    return encode_all(encoding);
}

bool tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t length,
                      unsigned flags, struct token_list *list, struct engine_error *error)
{
    const struct vocab *vocab = &tokenizer->vocab;
    struct encoding encoding = {.tokenizer = tokenizer,
                                .text = text,
                                .length = length,
                                .after_special = true,
                                .special = flags & TOKENIZER_SPECIAL,
                                .list = list,
                                .error = error};
    bool ends = flags & TOKENIZER_BOS;
    bool ok =
        (!ends || !vocab->add_bos || vocab->bos < 0 || token_list_add(list, vocab->bos, error)) &&
        encode(&encoding) &&
        (!ends || !vocab->add_eos || vocab->eos < 0 || token_list_add(list, vocab->eos, error));
    encoding_done(&encoding);
    return ok;
}

bool tokenizer_encode_marked(const struct tokenizer *tokenizer, const char *text,
                             const unsigned char *trusted, size_t length, struct token_list *list,
                             struct engine_error *error)
{
    struct encoding encoding = {.tokenizer = tokenizer,
                                .text = text,
                                .trusted = trusted,
                                .length = length,
                                .after_special = true,
                                .list = list,
                                .error = error};
    bool ok = encode(&encoding);
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
