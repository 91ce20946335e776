/* Text to token ids and back, as the model's own vocabulary has it: byte-level BPE ("gpt2" in
 * GGUF, with the model's pre-tokenizer) and SentencePiece ("llama").
 *
 * A tokenizer copies what it needs: the file may be closed after tokenizer_new. Immutable from
 * then on, so any thread may use it. Special tokens are recognised in text only when
 * TOKENIZER_SPECIAL is given; without it no text, whatever it holds, can form one. Bytes that
 * are not UTF-8 are never refused: they become U+FFFD in byte-level BPE, byte tokens in
 * SentencePiece. Encoding is O(n log n). Limits: 2^21 tokens a vocabulary, 64 MiB of text a
 * call.
 *
 * Without PCRE2 (ENGINE_HAVE_PCRE2=0) a byte-level BPE vocabulary still loads and decodes;
 * encoding with it fails with ENGINE_UNSUPPORTED. So does text beyond ASCII for a model that asks
 * for a normal form, without utf8proc (ENGINE_HAVE_UTF8PROC=0). */
#ifndef ENGINE_TOKENIZER_H
#define ENGINE_TOKENIZER_H

#include "engine/engine.h"

struct gguf;
struct tokenizer;

/* A growing list of ids. Starts as {0}; whoever declares it calls token_list_done. */
struct token_list {
    int32_t *ids;
    size_t count, capacity;
};

bool token_list_add(struct token_list *list, int32_t id, struct engine_error *error);
void token_list_done(struct token_list *list);

enum tokenizer_flags {
    TOKENIZER_PLAIN = 0,
    TOKENIZER_SPECIAL = 1, /* special tokens' texts become those tokens: for templates, never for
                              what a user wrote */
    TOKENIZER_BOS = 2,     /* BOS (and EOS) at the ends if the model says that it wants them */
};

/* Reads tokenizer.ggml.*. Returns new; NULL on failure with `error` filled (key, token or
 * pre-tokenizer named). */
struct tokenizer *tokenizer_new(const struct gguf *file, struct engine_error *error);
void tokenizer_free(struct tokenizer *tokenizer);

/* Appends the ids of `length` bytes to `list`. */
bool tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t length,
                      unsigned flags, struct token_list *list, struct engine_error *error);

/* The same where only some bytes may form special tokens: those whose byte in `trusted` is not
 * 0. Other tokens may reach over a border, as they would in the text as a whole. */
bool tokenizer_encode_marked(const struct tokenizer *tokenizer, const char *text,
                             const unsigned char *trusted, size_t length, struct token_list *list,
                             struct engine_error *error);

/* The bytes of one token, not always whole characters. With `special` false a special token has
 * none. An id outside the vocabulary has none either. Returns borrowed (valid as long as the
 * tokenizer). */
const char *tokenizer_piece(const struct tokenizer *tokenizer, int32_t id, bool special,
                            size_t *length);

/* The bytes of a whole sequence, less the space that encoding put in front. Returns new,
 * NUL-terminated. */
char *tokenizer_decode(const struct tokenizer *tokenizer, const int32_t *ids, size_t count,
                       bool special, size_t *length);

int tokenizer_size(const struct tokenizer *tokenizer);
const char *tokenizer_model(const struct tokenizer *tokenizer); /* "bpe" or "spm" */
const char *
tokenizer_pre(const struct tokenizer *tokenizer); /* the pre-tokenizer's name: "smollm", … */

/* -1 where the model has none. */
int32_t tokenizer_bos(const struct tokenizer *tokenizer);
int32_t tokenizer_eos(const struct tokenizer *tokenizer);

/* Does the model ask for BOS in front of a text? */
bool tokenizer_adds_bos(const struct tokenizer *tokenizer);

/* Does this token end an answer (EOS, end of turn, end of message)? */
bool tokenizer_is_end(const struct tokenizer *tokenizer, int32_t id);

/* Is it a control token (never part of plain text)? */
bool tokenizer_is_special(const struct tokenizer *tokenizer, int32_t id);

/* The token whose text is exactly this, or -1. The text is as a person reads it ("<|im_end|>", "
 * the"). */
int32_t tokenizer_find(const struct tokenizer *tokenizer, const char *text, size_t length);

#endif
