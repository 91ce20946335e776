/* Which tokens may come next, where an answer has to follow a grammar: the vocabulary as a tree of
 * bytes is walked along the grammar, and subtrees that it does not let through are never looked at.
 *
 * A vocabulary is made once a model, is immutable and needs about 30 bytes a token; a mask belongs
 * to one request, has one owner at a time and holds about half a megabyte. Nothing is allocated
 * after mask_start. What is allowed depends on the answer so far alone: not on neighbours, threads
 * or guesses. */
#ifndef ENGINE_MASK_H
#define ENGINE_MASK_H

#include "engine/grammar.h"

struct tokenizer;
struct mask_vocabulary;
struct mask;

/* Returns new; NULL without memory, or where the vocabulary could not write every text: every byte
 * that JSON may need must be a token of its own. */
struct mask_vocabulary *mask_vocabulary_new(const struct tokenizer *tokenizer,
                                            struct engine_error *error);
void mask_vocabulary_free(struct mask_vocabulary *vocabulary);

/* Takes the grammar. Returns new; NULL without memory (the grammar is freed then too). */
struct mask *mask_new(struct grammar *grammar, struct engine_error *error);
void mask_free(struct mask *mask);

/* Puts it at the start of the answer; borrows the vocabulary. Fails where the vocabulary cannot
 * write one of the grammar's words. */
bool mask_start(struct mask *mask, const struct mask_vocabulary *vocabulary,
                struct engine_error *error);

/* One bit a token, lowest first: may it come next? At least one is set. Borrowed, until the next
 * call. */
const uint64_t *mask_allowed(struct mask *mask);

/* How many tokens that says something of: a model may have more logits, which are no tokens'. */
int mask_size(const struct mask *mask);

/* Makes every one of `count` logits minus infinity that is of a token that may not come next, or of
 * none. */
void mask_apply(struct mask *mask, float *logits, int count);

/* The first token of those that may come next: where no logit chooses one. */
int32_t mask_first(const struct mask *mask);

/* Goes on behind a token that was drawn. */
void mask_take(struct mask *mask, int32_t token);

#endif
