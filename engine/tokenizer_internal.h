/* What a tokenizer is made of, for the files that make one (tokenizer_gguf.c, tokenizer_json.c)
 * and the one that uses it (tokenizer.c). */
#ifndef ENGINE_TOKENIZER_INTERNAL_H
#define ENGINE_TOKENIZER_INTERNAL_H

#include "engine/normalize.h"
#include "engine/tokenizer.h"
#include "engine/tokenizer_split.h"
#include "engine/tokenizer_vocab.h"

struct tokenizer {
    struct vocab vocab;
    enum normal_form form; /* what text is brought to before it is cut into words */
    char pre[48];          /* the pre-tokenizer's name */
    struct splitter
        *splitter; /* NULL where text is merged as a whole, and where there is no PCRE2 */
};

/* Fills a tokenizer that is all zero from tokenizer.ggml.* of a GGUF file. */
bool tokenizer_from_gguf(struct tokenizer *tokenizer, const struct gguf *file,
                         struct engine_error *error);

#endif
