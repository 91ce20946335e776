/* Pre-tokenization: a text cut into words by a model's own regular expressions, each of which is
 * merged alone. Internal to the tokenizer.
 *
 * Expressions are applied one after the other: each cuts every piece so far into its matches and
 * what lies between them. An expression sees its piece only, so that look-ahead ends at a
 * border. A splitter is immutable: any thread. */
#ifndef ENGINE_TOKENIZER_SPLIT_H
#define ENGINE_TOKENIZER_SPLIT_H

#include "engine/engine.h"

enum { SPLIT_MAX_PATTERNS = 8 };

/* What is known of a pre-tokenizer by its name in tokenizer.ggml.pre. */
struct split_rule {
    const char *name;
    const char *const *patterns; /* NULL at the end */
    bool ignore_merges;          /* a word that is a token is taken whole */
    bool add_bos;                /* where the file does not say */
};

/* NULL for a name that is not known. Length may be 0: the default one. */
const struct split_rule *split_rule_find(const char *name, size_t length);

/* An expression in Hugging Face's spelling to ours: white space and contractions spelled out.
 * Returns new. */
char *split_pattern_new(const char *regex, size_t length, struct engine_error *error);

struct splitter;

/* Returns new. NULL with `error` filled for an expression that PCRE2 refuses, and where there is
 * no PCRE2. */
struct splitter *splitter_new(const char *const *patterns, struct engine_error *error);
void splitter_free(struct splitter *splitter);

/* Ends of pieces, counted from the text's start. Starts as {0}. */
struct split_pieces {
    uint32_t *ends;
    size_t count, capacity;
};

void split_pieces_done(struct split_pieces *pieces);

/* Cuts valid UTF-8 of less than 4 GiB; replaces what `pieces` held. */
bool splitter_cut(const struct splitter *splitter, const char *text, size_t length,
                  struct split_pieces *pieces, struct engine_error *error);

#endif
