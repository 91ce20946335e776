/* One word to tokens by merging neighbours, best merge first, in O(n log n). Internal to the
 * tokenizer.
 *
 * The same for all kinds of vocabulary: what differs is what the first symbols are (bytes or
 * characters), how a pair is looked up (by ids, or by the text it makes) and what "best" means
 * (rank, or score). */
#ifndef ENGINE_TOKENIZER_MERGE_H
#define ENGINE_TOKENIZER_MERGE_H

#include "engine/tokenizer.h"
#include "engine/tokenizer_vocab.h"

struct merge_symbol;
struct merge_candidate;

/* Scratch space, kept from word to word. Starts as {0}. */
struct merger {
    struct merge_symbol *symbols;
    size_t symbol_count, symbol_capacity;
    struct merge_candidate *heap;
    size_t heap_count, heap_capacity;
};

void merger_done(struct merger *merger);

/* Appends the tokens of a word (less than 2^31 bytes) to `list`. */
bool merger_word(struct merger *merger, const struct vocab *vocab, const char *word, size_t length,
                 struct token_list *list, struct engine_error *error);

#endif
