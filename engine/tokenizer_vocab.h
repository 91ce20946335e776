/* A vocabulary in memory: tokens by id and by text, special tokens, merges. Internal to the
 * tokenizer.
 *
 * Filled once (vocab_init, vocab_add for each id in order, vocab_settle, then vocab_merge),
 * immutable afterwards. Texts are kept as the bytes a person reads: byte-level BPE's alphabet is
 * undone, and SentencePiece's U+2581 is a space in every token but special ones. So text is
 * looked up without rewriting it. */
#ifndef ENGINE_TOKENIZER_VOCAB_H
#define ENGINE_TOKENIZER_VOCAB_H

#include "engine/engine.h"

enum vocab_kind {
    VOCAB_BPE,      /* merges by rank over bytes, split by regular expressions first */
    VOCAB_SPM,      /* merges by the score of their result, over characters */
    VOCAB_CHAR_BPE, /* merges by rank over characters, with byte tokens for what is missing */
};

/* What an added token of a checkpoint says of itself: bits of "arena.tokenizer.added". */
enum { ADDED_STRIPS_BEFORE = 1, ADDED_STRIPS_AFTER = 2, ADDED_NORMALIZED = 4 };

/* GGUF's numbers. */
enum token_type {
    TOKEN_UNDEFINED,
    TOKEN_NORMAL,
    TOKEN_UNKNOWN,
    TOKEN_CONTROL,
    TOKEN_USER_DEFINED,
    TOKEN_UNUSED,
    TOKEN_BYTE
};

enum { VOCAB_MAX_TOKENS = 1 << 21, VOCAB_MAX_MERGES = 1 << 22, VOCAB_SPECIAL_LENGTHS = 256 };

struct vocab_token {
    uint32_t offset, length; /* into `bytes` */
    float score;
    unsigned char type;
    bool strip_before, strip_after; /* a special token that takes the white space beside it */
    bool normalized;                /* looked for in normalized text, not in the text as it came */
    bool end;                       /* ends an answer */
    bool foreign;                   /* not written in the byte-level alphabet: no text becomes it */
};

/* Token ids by text: open addressing, -1 is free. */
struct vocab_index {
    int32_t *slots;
    size_t mask;
};

struct vocab_pair {
    int32_t left, right, result;
    uint32_t rank;
};

struct vocab {
    enum vocab_kind kind;
    int size, capacity;
    struct vocab_token *tokens;
    char *bytes;
    size_t bytes_used, bytes_capacity;
    struct vocab_index words,
        specials;             /* what plain text may become; what is cut out of it first */
    struct vocab_pair *pairs; /* open addressing by (left, right); left -1 is free */
    size_t pair_mask;
    int32_t byte_ids[256]; /* the token of each byte, -1 where there is none */
    uint32_t longest;      /* of `words` */
    uint32_t special_lengths[VOCAB_SPECIAL_LENGTHS]; /* of `specials`, longest first */
    int special_length_count;
    bool special_first[256]; /* bytes that a special token begins with */
    bool has_normalized;     /* some special token is `normalized` */
    int32_t bos, eos, unknown;
    bool add_bos, add_eos, add_space_prefix, ignore_merges;
    bool prefix_missing; /* the space goes only where none stands already */
    bool prefix_first;   /* the space goes in front of the text's start only, not behind special
                            tokens too */
};

bool vocab_init(struct vocab *vocab, enum vocab_kind kind, int tokens, struct engine_error *error);
void vocab_done(struct vocab *vocab);

/* The next id. `text` as the file has it (byte-level alphabet, U+2581); a control token's as it
 * is. */
bool vocab_add(struct vocab *vocab, const char *text, size_t length, enum token_type type,
               float score, struct engine_error *error);

/* After the last token: builds the indexes, finds byte tokens and what ends an answer. */
bool vocab_settle(struct vocab *vocab, struct engine_error *error);

/* Room for this many merges, then each in the order of its rank, texts as in the file. A merge
 * of tokens that the vocabulary lacks is passed over. */
bool vocab_reserve_merges(struct vocab *vocab, size_t merges, struct engine_error *error);
void vocab_merge(struct vocab *vocab, const char *left, size_t left_length, const char *right,
                 size_t right_length, uint32_t rank);

/* The token that plain text may become, or -1. */
int32_t vocab_word(const struct vocab *vocab, const char *text, size_t length);

/* The special token with exactly this text, or -1. */
int32_t vocab_special(const struct vocab *vocab, const char *text, size_t length);

/* The longest special token that `text` begins with, or -1; of those that are looked for in
 * normalized text, or of all others; only those that plain text may hold (user-defined ones)
 * unless `control`. */
int32_t vocab_special_prefix(const struct vocab *vocab, const char *text, size_t length,
                             bool control, bool normalized);

/* What two neighbours merge to, or NULL. */
const struct vocab_pair *vocab_pair(const struct vocab *vocab, int32_t left, int32_t right);

static inline const char *vocab_text(const struct vocab *vocab, int32_t id, size_t *length)
{
    *length = vocab->tokens[id].length;
    return vocab->bytes + vocab->tokens[id].offset;
}

/* Never part of plain text? */
static inline bool vocab_is_control(const struct vocab *vocab, int32_t id)
{
    unsigned char type = vocab->tokens[id].type;
    return type == TOKEN_CONTROL || type == TOKEN_UNKNOWN;
}

#endif
