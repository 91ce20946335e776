/* Two indexes, because the same bytes can be a special token and an ordinary one (some
 * vocabularies add runs of spaces twice), and because nothing that plain text merges to may ever
 * be a control token: `words` does not hold them. Hash tables are open addressing over ids, so
 * that they cost 8 bytes a token and no allocation each. */
#include "engine/tokenizer_vocab.h"

#include <stdlib.h>
#include <string.h>

#include "engine/error.h"
#include "engine/utf8.h"

static uint64_t hash_text(const char *text, size_t length)
{
    uint64_t hash = 0x9E3779B97F4A7C15u ^ length, eight;
    for (; length >= sizeof eight; text += sizeof eight, length -= sizeof eight) {
        memcpy(&eight, text, sizeof eight);
        hash = (hash ^ eight) * 0xD6E8FEB86659FD93u;
        hash ^= hash >> 32;
    }
    eight = 0;
    memcpy(&eight, text, length);
    hash = (hash ^ eight) * 0xD6E8FEB86659FD93u;
    return hash ^ hash >> 32;
}

static uint64_t hash_pair(int32_t left, int32_t right)
{
    uint64_t hash = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 29;
}

static size_t table_size(size_t items)
{
    size_t size = 16;
    while (size < items * 2)
        size *= 2;
    return size;
}

static bool index_init(struct vocab_index *index, size_t items, struct engine_error *error)
{
    size_t size = table_size(items);
    index->slots = malloc(size * sizeof *index->slots);
    index->mask = size - 1;
    if (!index->slots)
        return engine_no_memory(error, "the vocabulary");
    memset(index->slots, 0xFF, size * sizeof *index->slots);
    return true;
}

/* The slot that holds this text, or the free one where it would stand. */
static int32_t *index_slot(const struct vocab *vocab, const struct vocab_index *index,
                           const char *text, size_t length)
{
    for (size_t at = hash_text(text, length) & index->mask;; at = (at + 1) & index->mask) {
        int32_t id = index->slots[at];
        if (id < 0)
            return &index->slots[at];
        const struct vocab_token *token = &vocab->tokens[id];
        if (token->length == length && memcmp(vocab->bytes + token->offset, text, length) == 0)
            return &index->slots[at];
    }
}

bool vocab_init(struct vocab *vocab, enum vocab_kind kind, int tokens, struct engine_error *error)
{
    *vocab = (struct vocab){.kind = kind, .capacity = tokens, .bos = -1, .eos = -1, .unknown = -1};
    memset(vocab->byte_ids, 0xFF, sizeof vocab->byte_ids);
    if (tokens < 1 || tokens > VOCAB_MAX_TOKENS)
        return engine_fail(error, ENGINE_FORMAT,
                           "the vocabulary has %d tokens: 1 to %d are possible", tokens,
                           VOCAB_MAX_TOKENS);
    vocab->tokens = calloc((size_t)tokens, sizeof *vocab->tokens);
    if (!vocab->tokens)
        return engine_no_memory(error, "the vocabulary");
    return true;
}

void vocab_done(struct vocab *vocab)
{
    free(vocab->tokens);
    free(vocab->bytes);
    free(vocab->words.slots);
    free(vocab->specials.slots);
    free(vocab->pairs);
    *vocab = (struct vocab){0};
}

/* The byte that a character of GPT-2's alphabet stands for, or -1: printable Latin-1 stands for
 * itself, the 68 other bytes for U+0100 and on, in their order. */
static int alphabet_byte(uint32_t point)
{
    bool printable =
        (point >= 0x21 && point <= 0x7E) || (point >= 0xA1 && point <= 0xFF && point != 0xAD);
    if (printable)
        return (int)point;
    if (point < 0x100 || point >= 0x144)
        return -1;
    point -= 0x100;
    if (point <= 0x20)
        return (int)point;
    return point < 0x43 ? (int)(point - 0x21 + 0x7F) : 0xAD;
}

/* Undoes the byte-level alphabet. Returns the length, or SIZE_MAX when the text is not written
 * in it. */
static size_t undo_alphabet(char *out, const char *text, size_t length)
{
    size_t used = 0;
    for (size_t at = 0; at < length;) {
        struct utf8_step step = utf8_next(text + at, length - at);
        int byte = step.valid ? alphabet_byte(step.point) : -1;
        if (byte < 0)
            return SIZE_MAX;
        out[used++] = (char)byte;
        at += step.length;
    }
    return used;
}

static size_t undo_spaces(char *out, const char *text, size_t length)
{
    size_t used = 0;
    for (size_t at = 0; at < length;) {
        bool space = length - at >= 3 && memcmp(text + at, "\xE2\x96\x81", 3) == 0;
        out[used++] = space ? ' ' : text[at];
        at += space ? 3 : 1;
    }
    return used;
}

/* Writes what a person reads of a token; `out` has room for `length` bytes. Returns its length.
 * `foreign`: the text is not written as this vocabulary writes what it merges. */
static size_t readable(const struct vocab *vocab, enum token_type type, char *out, const char *text,
                       size_t length, bool *foreign)
{
    bool plain = type == TOKEN_NORMAL || type == TOKEN_UNUSED || type == TOKEN_UNDEFINED;
    *foreign = false;
    if (plain && vocab->kind == VOCAB_BPE) {
        size_t used = undo_alphabet(out, text, length);
        if (used != SIZE_MAX)
            return used;
        *foreign = true;
    } else if (plain) {
        return undo_spaces(out, text, length);
    }
    memcpy(out, text, length);
    return length;
}

/* "<0x0A>" is the byte 10; -1 for anything else. */
static int byte_token(const char *text, size_t length)
{
    static const char hex[] = "0123456789ABCDEF";
    if (length != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>')
        return -1;
    const char *high = memchr(hex, text[3], 16), *low = memchr(hex, text[4], 16);
    return high && low ? (int)((high - hex) * 16 + (low - hex)) : -1;
}

static bool grow_bytes(struct vocab *vocab, size_t more, struct engine_error *error)
{
    if (more > UINT32_MAX - vocab->bytes_used)
        return engine_fail(error, ENGINE_FORMAT, "the vocabulary's text is longer than 4 GiB");
    if (vocab->bytes_used + more <= vocab->bytes_capacity)
        return true;
    size_t capacity = (vocab->bytes_used + more) * 2 + 4096;
    char *bytes = realloc(vocab->bytes, capacity);
    if (!bytes)
        return engine_no_memory(error, "the vocabulary's text");
    vocab->bytes = bytes;
    vocab->bytes_capacity = capacity;
    return true;
}

/* Texts that chat formats give a meaning to: never what a user wrote, whatever type the file
 * gives them. */
static bool looks_like_control(const char *text, size_t length)
{
    static const char *const markers[] = {
        "<start_of_turn>", "<end_of_turn>", "[INST]",          "[/INST]",          "<s>",    "</s>",
        "<bos>",           "<eos>",         "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "<<SYS>>"};
    if (length > 4 && memcmp(text, "<|", 2) == 0 && memcmp(text + length - 2, "|>", 2) == 0)
        return true;
    if (length > 8 && memcmp(text, "<\xEF\xBD\x9C", 4) == 0 && /* the same with U+FF5C */
        memcmp(text + length - 4, "\xEF\xBD\x9C>", 4) == 0)
        return true;
    for (size_t i = 0; i < sizeof markers / sizeof *markers; i++)
        if (strlen(markers[i]) == length && memcmp(markers[i], text, length) == 0)
            return true;
    return false;
}

bool vocab_add(struct vocab *vocab, const char *text, size_t length, enum token_type type,
               float score, struct engine_error *error)
{
    if (vocab->size == vocab->capacity)
        return engine_fail(error, ENGINE_FORMAT, "more tokens than the vocabulary says it has");
    if (!grow_bytes(vocab, length + 8, error))
        return false;
    struct vocab_token *token = &vocab->tokens[vocab->size];
    char *out = vocab->bytes + vocab->bytes_used;
    if (type == TOKEN_USER_DEFINED && looks_like_control(text, length))
        type = TOKEN_CONTROL;
    int byte = type == TOKEN_BYTE ? byte_token(text, length) : -1;
    if (byte >= 0) {
        *out = (char)byte;
        token->length = 1;
        if (vocab->byte_ids[byte] < 0)
            vocab->byte_ids[byte] = vocab->size;
    } else {
        token->length = (uint32_t)readable(vocab, type, out, text, length, &token->foreign);
    }
    token->offset = (uint32_t)vocab->bytes_used;
    token->type = (unsigned char)type;
    token->score = score == score ? score : -1e30f;
    vocab->bytes_used += token->length;
    vocab->size++;
    return true;
}

static void note_special(struct vocab *vocab, int32_t id)
{
    size_t length;
    const char *text = vocab_text(vocab, id, &length);
    if (length == 0)
        return;
    int32_t *slot = index_slot(vocab, &vocab->specials, text, length);
    if (*slot < 0)
        *slot = id;
    vocab->special_first[(unsigned char)text[0]] = true;
    int at = 0;
    while (at < vocab->special_length_count && vocab->special_lengths[at] > length)
        at++;
    bool known = at < vocab->special_length_count && vocab->special_lengths[at] == length;
    if (known || vocab->special_length_count == VOCAB_SPECIAL_LENGTHS)
        return;
    memmove(vocab->special_lengths + at + 1, vocab->special_lengths + at,
            (size_t)(vocab->special_length_count - at) * sizeof *vocab->special_lengths);
    vocab->special_lengths[at] = (uint32_t)length;
    vocab->special_length_count++;
}

static void note_word(struct vocab *vocab, int32_t id)
{
    size_t length;
    const char *text = vocab_text(vocab, id, &length);
    if (length == 0)
        return;
    int32_t *slot = index_slot(vocab, &vocab->words, text, length);
    if (*slot < 0)
        *slot = id;
    if (vocab->longest < length)
        vocab->longest = (uint32_t)length;
}

/* What ends an answer in the chat formats we know, where the vocabulary has it as a special
 * token. */
static void find_ends(struct vocab *vocab)
{
    static const char *const ends[] = {"<|im_end|>",
                                       "<|eot_id|>",
                                       "<|eom_id|>",
                                       "<end_of_turn>",
                                       "<|end|>",
                                       "<|endoftext|>",
                                       "<|end_of_text|>",
                                       "</s>",
                                       "<eos>",
                                       "<|eot|>",
                                       "<EOT>",
                                       "<|return|>",
                                       "<|call|>",
                                       "<|calls|>",
                                       "<|flush|>",
                                       "<end_of_utterance>",
                                       "_<EOT>",
                                       "[EOT]",
                                       "[EOS]",
                                       "<turn|>",
                                       "[e~[",
                                       "<\xEF\xBD\x9C"
                                       "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        int32_t id = vocab_special(vocab, ends[i], strlen(ends[i]));
        if (id >= 0 && vocab_is_control(vocab, id))
            vocab->tokens[id].end = true;
    }
    if (vocab->eos >= 0)
        vocab->tokens[vocab->eos].end = true;
}

bool vocab_settle(struct vocab *vocab, struct engine_error *error)
{
    size_t specials = 0;
    for (int32_t id = 0; id < vocab->size; id++)
        specials += vocab_is_control(vocab, id) || vocab->tokens[id].type == TOKEN_USER_DEFINED;
    if (!index_init(&vocab->words, (size_t)vocab->size, error) ||
        !index_init(&vocab->specials, specials, error))
        return false;
    for (int32_t id = 0; id < vocab->size; id++) {
        unsigned char type = vocab->tokens[id].type;
        if (vocab_is_control(vocab, id) || type == TOKEN_USER_DEFINED)
            note_special(vocab, id);
        if (!vocab_is_control(vocab, id) && type != TOKEN_BYTE && !vocab->tokens[id].foreign)
            note_word(vocab, id);
    }
    for (int byte = 0; byte < 256; byte++) {
        char text = (char)byte;
        if (vocab->byte_ids[byte] < 0)
            vocab->byte_ids[byte] = vocab_word(vocab, &text, 1);
    }
    find_ends(vocab);
    return true;
}

int32_t vocab_word(const struct vocab *vocab, const char *text, size_t length)
{
    return length > vocab->longest ? -1 : *index_slot(vocab, &vocab->words, text, length);
}

int32_t vocab_special(const struct vocab *vocab, const char *text, size_t length)
{
    return *index_slot(vocab, &vocab->specials, text, length);
}

int32_t vocab_special_prefix(const struct vocab *vocab, const char *text, size_t length,
                             bool control, bool normalized)
{
    if (length == 0 || !vocab->special_first[(unsigned char)text[0]])
        return -1;
    for (int i = 0; i < vocab->special_length_count; i++) {
        if (vocab->special_lengths[i] > length)
            continue;
        int32_t id = vocab_special(vocab, text, vocab->special_lengths[i]);
        if (id >= 0 && vocab->tokens[id].normalized == normalized &&
            (control || !vocab_is_control(vocab, id)))
            return id;
    }
    return -1;
}

bool vocab_reserve_merges(struct vocab *vocab, size_t merges, struct engine_error *error)
{
    if (merges > VOCAB_MAX_MERGES)
        return engine_fail(error, ENGINE_FORMAT, "the tokenizer has %zu merges: %d at most", merges,
                           VOCAB_MAX_MERGES);
    size_t size = table_size(merges);
    vocab->pairs = malloc(size * sizeof *vocab->pairs);
    vocab->pair_mask = size - 1;
    if (!vocab->pairs)
        return engine_no_memory(error, "the tokenizer's merges");
    memset(vocab->pairs, 0xFF, size * sizeof *vocab->pairs);
    return true;
}

static struct vocab_pair *pair_slot(const struct vocab *vocab, int32_t left, int32_t right)
{
    for (size_t at = hash_pair(left, right) & vocab->pair_mask;; at = (at + 1) & vocab->pair_mask) {
        struct vocab_pair *pair = &vocab->pairs[at];
        if (pair->left < 0 || (pair->left == left && pair->right == right))
            return pair;
    }
}

void vocab_merge(struct vocab *vocab, const char *left, size_t left_length, const char *right,
                 size_t right_length, uint32_t rank)
{
    char text[1024];
    if (left_length + right_length > sizeof text)
        return;
    bool foreign_left, foreign_right;
    size_t first = readable(vocab, TOKEN_NORMAL, text, left, left_length, &foreign_left);
    size_t second =
        readable(vocab, TOKEN_NORMAL, text + first, right, right_length, &foreign_right);
    int32_t left_id = vocab_word(vocab, text, first),
            right_id = vocab_word(vocab, text + first, second);
    int32_t result = vocab_word(vocab, text, first + second);
    if (left_id < 0 || right_id < 0 || result < 0 || foreign_left || foreign_right)
        return;
    struct vocab_pair *pair = pair_slot(vocab, left_id, right_id);
    if (pair->left < 0)
        *pair = (struct vocab_pair){left_id, right_id, result, rank};
}

const struct vocab_pair *vocab_pair(const struct vocab *vocab, int32_t left, int32_t right)
{
    if (!vocab->pairs || left < 0 || right < 0)
        return NULL;
    const struct vocab_pair *pair = pair_slot(vocab, left, right);
    return pair->left < 0 ? NULL : pair;
}
