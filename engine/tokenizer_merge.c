/* A linked list of symbols over the word, and a heap of the merges that were possible when they
 * were put in. A merge that has become impossible since (one side is gone, or has grown) is told
 * by its length and passed over, which is cheaper than taking it out. */
#include "engine/tokenizer_merge.h"

#include <stdlib.h>
#include <string.h>

#include "engine/error.h"
#include "engine/utf8.h"

struct merge_symbol {
    int32_t previous, next; /* -1 at the ends */
    int32_t id;             /* -1: no token */
    uint32_t start, length; /* length 0: merged into its left neighbour */
};

struct merge_candidate {
    uint64_t order; /* smallest first: how good the merge is, then how far left */
    int32_t left, right, id;
    uint32_t length;
};

void merger_done(struct merger *merger)
{
    free(merger->symbols);
    free(merger->heap);
    *merger = (struct merger){0};
}

static bool reserve(void **items, size_t *capacity, size_t needed, size_t size,
                    struct engine_error *error)
{
    if (needed <= *capacity)
        return true;
    size_t more = needed + needed / 2 + 64;
    void *grown = realloc(*items, more * size);
    if (!grown)
        return engine_no_memory(error, "merging a word");
    *items = grown;
    *capacity = more;
    return true;
}

static bool heap_push(struct merger *merger, struct merge_candidate candidate,
                      struct engine_error *error)
{
    if (!reserve((void **)&merger->heap, &merger->heap_capacity, merger->heap_count + 1,
                 sizeof *merger->heap, error))
        return false;
    size_t at = merger->heap_count++;
    for (; at > 0 && merger->heap[(at - 1) / 2].order > candidate.order; at = (at - 1) / 2)
        merger->heap[at] = merger->heap[(at - 1) / 2];
    merger->heap[at] = candidate;
    return true;
}

static struct merge_candidate heap_pop(struct merger *merger)
{
    struct merge_candidate best = merger->heap[0], last = merger->heap[--merger->heap_count];
    size_t at = 0, count = merger->heap_count;
    for (size_t child = 1; child < count; child = at * 2 + 1) {
        if (child + 1 < count && merger->heap[child + 1].order < merger->heap[child].order)
            child++;
        if (last.order <= merger->heap[child].order)
            break;
        merger->heap[at] = merger->heap[child];
        at = child;
    }
    merger->heap[at] = last;
    return best;
}

/* A number that is smaller where the score is higher. */
static uint32_t score_order(float score)
{
    uint32_t bits;
    score += 0.0f; /* one zero, not two */
    memcpy(&bits, &score, sizeof bits);
    return bits & 0x80000000u ? bits : 0x7FFFFFFFu - bits;
}

/* Puts the merge of two neighbours on the heap if there is one. */
static bool consider(struct merger *merger, const struct vocab *vocab, const char *word,
                     int32_t left, int32_t right, struct engine_error *error)
{
    if (left < 0 || right < 0)
        return true;
    const struct merge_symbol *first = &merger->symbols[left], *second = &merger->symbols[right];
    uint32_t rank = 0;
    int32_t id = -1;
    if (vocab->kind == VOCAB_SPM) {
        id = vocab_word(vocab, word + first->start, first->length + second->length);
        rank = id < 0 ? 0 : score_order(vocab->tokens[id].score);
    } else {
        const struct vocab_pair *pair = vocab_pair(vocab, first->id, second->id);
        id = pair ? pair->result : -1;
        rank = pair ? pair->rank : 0;
    }
    if (id < 0)
        return true;
    uint64_t order = (uint64_t)rank << 32 | (uint32_t)left;
    return heap_push(
        merger, (struct merge_candidate){order, left, right, id, first->length + second->length},
        error);
}

static bool symbols_init(struct merger *merger, const struct vocab *vocab, const char *word,
                         size_t length, struct engine_error *error)
{
    if (!reserve((void **)&merger->symbols, &merger->symbol_capacity, length,
                 sizeof *merger->symbols, error))
        return false;
    int32_t count = 0;
    for (size_t at = 0; at < length; count++) {
        size_t bytes = vocab->kind == VOCAB_BPE ? 1 : utf8_next(word + at, length - at).length;
        merger->symbols[count] =
            (struct merge_symbol){count - 1, count + 1, vocab_word(vocab, word + at, bytes),
                                  (uint32_t)at, (uint32_t)bytes};
        at += bytes;
    }
    merger->symbols[count - 1].next = -1;
    merger->symbol_count = (size_t)count;
    merger->heap_count = 0;
    for (int32_t i = 1; i < count; i++)
        if (!consider(merger, vocab, word, i - 1, i, error))
            return false;
    return true;
}

static bool merge_all(struct merger *merger, const struct vocab *vocab, const char *word,
                      struct engine_error *error)
{
    struct merge_symbol *symbols = merger->symbols;
    while (merger->heap_count > 0) {
        struct merge_candidate best = heap_pop(merger);
        struct merge_symbol *left = &symbols[best.left], *right = &symbols[best.right];
        if (left->length == 0 || right->length == 0 || left->length + right->length != best.length)
            continue;
        left->length = best.length;
        left->id = best.id;
        left->next = right->next;
        right->length = 0;
        if (left->next >= 0)
            symbols[left->next].previous = best.left;
        if (!consider(merger, vocab, word, left->previous, best.left, error) ||
            !consider(merger, vocab, word, best.left, left->next, error))
            return false;
    }
    return true;
}

/* A symbol that is no token becomes its bytes' tokens. A byte that has none is left out, as
 * llama.cpp does, but in SentencePiece becomes <unk>: byte-level vocabularies often call a
 * control token "unknown", and that must not come from what a user wrote. */
static bool add_bytes(const struct vocab *vocab, const char *bytes, size_t length,
                      struct token_list *list, struct engine_error *error)
{
    bool unknown = false;
    for (size_t i = 0; i < length; i++) {
        int32_t id = vocab->byte_ids[(unsigned char)bytes[i]];
        if (id < 0) {
            unknown = true;
            continue;
        }
        if (!token_list_add(list, id, error))
            return false;
    }
    bool has_unknown = vocab->unknown >= 0 && vocab->tokens[vocab->unknown].type == TOKEN_UNKNOWN;
    return !unknown || !has_unknown || token_list_add(list, vocab->unknown, error);
}

bool merger_word(struct merger *merger, const struct vocab *vocab, const char *word, size_t length,
                 struct token_list *list, struct engine_error *error)
{
    if (length == 0)
        return true;
    if (!symbols_init(merger, vocab, word, length, error) || !merge_all(merger, vocab, word, error))
        return false;
    for (int32_t at = 0; at >= 0; at = merger->symbols[at].next) {
        const struct merge_symbol *symbol = &merger->symbols[at];
        bool ok = symbol->id >= 0
                      ? token_list_add(list, symbol->id, error)
                      : add_bytes(vocab, word + symbol->start, symbol->length, list, error);
        if (!ok)
            return false;
    }
    return true;
}
