/* The tree stands in one array in preorder, each node with where its subtree ends, so that walking
 * it is one loop. Inside a string nearly every token is allowed, and walking them all would take
 * milliseconds: so each token's number of characters is kept, if it is nothing but the inside of a
 * string, and only the few hundred that close the string are walked, in a tree of their own. No
 * mask needs remembering then. */
#include "engine/mask.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/error.h"
#include "engine/tokenizer.h"

enum { NOT_INSIDE = 255 };

struct token {
    const char *bytes; /* the tokenizer's */
    int32_t id;
    uint32_t length;
};

struct node {
    uint32_t end;        /* of its subtree */
    uint32_t first;      /* of the tokens that end here */
    uint16_t count;      /* of those */
    uint8_t byte, depth; /* depth: bytes before this one */
};

struct tree {
    struct token *tokens; /* by their bytes */
    struct node *nodes;
    uint32_t count, node_count;
};

struct mask_vocabulary {
    const struct tokenizer *tokenizer;
    int size;
    struct tree all, closing; /* closing: tokens that end a string they are inside of */
    uint8_t *characters;      /* of a token that stays inside a string, else NOT_INSIDE */
    int32_t *ends;
    int end_count;
    bool single[256]; /* is the byte a token? */
};

struct mask {
    struct grammar *grammar;
    const struct mask_vocabulary *vocabulary;
    uint64_t *allowed;
    struct grammar_walk walk;
};

/* --- Trees --- */

static int by_bytes(const void *first, const void *second)
{
    const struct token *a = first, *b = second;
    uint32_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->bytes, b->bytes, shorter);
    if (order)
        return order;
    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static uint32_t common_length(const struct token *a, const struct token *b)
{
    uint32_t i = 0;
    while (i < a->length && i < b->length && a->bytes[i] == b->bytes[i])
        i++;
    return i;
}

/* Ends the subtrees of the open nodes from `depth` on. */
static void close_nodes(struct tree *tree, const uint32_t *open, uint32_t depth, uint32_t deepest)
{
    for (uint32_t d = depth; d < deepest; d++)
        tree->nodes[open[d]].end = tree->node_count;
}

static void fill_tree(struct tree *tree)
{
    uint32_t open[GRAMMAR_SPAN], depth = 0;
    for (uint32_t i = 0; i < tree->count; i++) {
        const struct token *token = &tree->tokens[i];
        uint32_t shared = i ? common_length(&tree->tokens[i - 1], token) : 0;
        close_nodes(tree, open, shared, depth);
        for (uint32_t d = shared; d < token->length; d++) {
            open[d] = tree->node_count;
            tree->nodes[tree->node_count++] =
                (struct node){.first = i, .byte = (uint8_t)token->bytes[d], .depth = (uint8_t)d};
        }
        depth = token->length;
        tree->nodes[open[depth - 1]].count++;
    }
    close_nodes(tree, open, 0, depth);
}

/* Takes the list of tokens. */
static bool make_tree(struct tree *tree)
{
    uint32_t nodes = 0;
    qsort(tree->tokens, tree->count, sizeof *tree->tokens, by_bytes);
    for (uint32_t i = 0; i < tree->count; i++)
        nodes += tree->tokens[i].length -
                 (i ? common_length(&tree->tokens[i - 1], &tree->tokens[i]) : 0);
    tree->nodes = malloc((nodes + 1) * sizeof *tree->nodes);
    if (tree->nodes)
        fill_tree(tree);
    return tree->nodes;
}

/* --- The vocabulary --- */

/* How many characters a token is of the inside of a string; NOT_INSIDE if it is something else, and
 * then `closes` says whether it comes to the string's end. */
static uint8_t count_characters(const struct token *token, bool *closes)
{
    int state = 0, characters = 0;
    *closes = false;
    for (uint32_t i = 0; i < token->length; i++) {
        characters += !state;
        *closes = !state && token->bytes[i] == '"';
        state = grammar_text_next(state, (unsigned char)token->bytes[i]);
        if (state < 0)
            return NOT_INSIDE;
    }
    return (uint8_t)characters;
}

static void take_token(struct mask_vocabulary *v, int32_t id)
{
    size_t length;
    bool closes;
    v->characters[id] = NOT_INSIDE;
    if (tokenizer_is_end(v->tokenizer, id))
        v->ends[v->end_count++] = id;
    struct token token = {tokenizer_piece(v->tokenizer, id, false, &length), id, 0};
    if (!length || length > GRAMMAR_SPAN || tokenizer_is_end(v->tokenizer, id))
        return;
    token.length = (uint32_t)length;
    v->single[(unsigned char)*token.bytes] |= length == 1;
    v->characters[id] = count_characters(&token, &closes);
    v->all.tokens[v->all.count++] = token;
    if (closes)
        v->closing.tokens[v->closing.count++] = token;
}

static bool can_write(const struct mask_vocabulary *v, int low, int high,
                      struct engine_error *error)
{
    for (int c = low; c <= high; c++)
        if (!v->single[c])
            return engine_fail(error, ENGINE_UNSUPPORTED,
                               "this model cannot be held to a schema: its vocabulary has no token "
                               "for the byte 0x%02X alone",
                               (unsigned)c);
    return true;
}

static bool check_vocabulary(const struct mask_vocabulary *v, struct engine_error *error)
{
    if (!v->end_count)
        return engine_fail(
            error, ENGINE_UNSUPPORTED,
            "this model cannot be held to a schema: its vocabulary has no token that "
            "ends an answer");
    return can_write(v, 0x20, 0x7E, error) && can_write(v, 0x80, 0xBF, error);
}

struct mask_vocabulary *mask_vocabulary_new(const struct tokenizer *tokenizer,
                                            struct engine_error *error)
{
    struct mask_vocabulary *v = calloc(1, sizeof *v);
    size_t size = (size_t)tokenizer_size(tokenizer);
    bool ok = v;
    if (v) {
        v->tokenizer = tokenizer;
        v->size = (int)size;
        v->all.tokens = malloc(size * sizeof *v->all.tokens);
        v->closing.tokens = malloc(size * sizeof *v->closing.tokens);
        v->characters = malloc(size);
        v->ends = malloc(size * sizeof *v->ends);
        ok = v->all.tokens && v->closing.tokens && v->characters && v->ends;
        for (int32_t id = 0; ok && id < v->size; id++)
            take_token(v, id);
        ok = ok && make_tree(&v->all) && make_tree(&v->closing);
    }
    if (!ok)
        engine_no_memory(error, "a vocabulary's tree");
    if (ok && check_vocabulary(v, error))
        return v;
    mask_vocabulary_free(v);
    return NULL;
}

void mask_vocabulary_free(struct mask_vocabulary *v)
{
    if (!v)
        return;
    void *owned[] = {v->all.tokens,    v->all.nodes,  v->closing.tokens,
                     v->closing.nodes, v->characters, v->ends};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(owned[i]);
    free(v);
}

/* --- A mask --- */

static size_t mask_words(const struct mask_vocabulary *v)
{
    return ((size_t)v->size + 63) / 64;
}

struct mask *mask_new(struct grammar *grammar, struct engine_error *error)
{
    struct mask *mask = calloc(1, sizeof *mask);
    if (!mask) {
        grammar_free(grammar);
        engine_no_memory(error, "a grammar's places");
        return NULL;
    }
    mask->grammar = grammar;
    return mask;
}

void mask_free(struct mask *mask)
{
    if (!mask)
        return;
    grammar_free(mask->grammar);
    free(mask->allowed);
    free(mask);
}

bool mask_start(struct mask *mask, const struct mask_vocabulary *v, struct engine_error *error)
{
    const struct grammar *g = mask->grammar;
    for (uint32_t i = 0; i < g->word_count; i++)
        for (uint32_t j = 0; j < g->words[i].length; j++) {
            unsigned char byte = (unsigned char)g->words[i].bytes[j];
            if (!can_write(v, byte, byte, error))
                return false;
        }
    mask->vocabulary = v;
    mask->allowed = calloc(mask_words(v), sizeof *mask->allowed);
    if (!mask->allowed)
        return engine_no_memory(error, "a mask");
    grammar_walk_start(&mask->walk, g);
    return true;
}

int32_t mask_first(const struct mask *mask)
{
    for (int32_t id = 0; id < mask->vocabulary->size; id++)
        if (mask->allowed[id / 64] >> id % 64 & 1)
            return id;
    return mask->vocabulary->ends[0];
}

static void allow(struct mask *mask, int32_t id)
{
    mask->allowed[id / 64] |= (uint64_t)1 << id % 64;
}

/* Allows the tree's tokens that lead on from these places. */
static void walk_tree(struct mask *mask, const struct tree *tree,
                      const struct grammar_place *places, int count)
{
    struct grammar_walk *w = &mask->walk;
    memcpy(w->places, places, (size_t)count * sizeof *places);
    w->first[1] = count;
    for (uint32_t i = 0; count && i < tree->node_count;) {
        const struct node *node = &tree->nodes[i];
        if (!grammar_walk_step(w, node->depth, node->byte)) {
            i = node->end;
            continue;
        }
        for (uint32_t t = node->first; t < node->first + node->count; t++)
            allow(mask, tree->tokens[t].id);
        i++;
    }
}

/* Allows what stays inside a string with room for so many characters. */
static void allow_inside(struct mask *mask, uint32_t room)
{
    const struct mask_vocabulary *v = mask->vocabulary;
    uint8_t most = room < NOT_INSIDE ? (uint8_t)room : NOT_INSIDE - 1;
    for (int i = 0; i < v->size; i += 64) {
        uint64_t bits = 0;
        for (int j = 0; j < 64 && i + j < v->size; j++)
            bits |= (uint64_t)(v->characters[i + j] <= most) << j;
        mask->allowed[i / 64] |= bits;
    }
}

/* What is allowed is allowed at one of the places, so each may be asked on its own. */
const uint64_t *mask_allowed(struct mask *mask)
{
    const struct mask_vocabulary *v = mask->vocabulary;
    struct grammar_walk *w = &mask->walk;
    struct grammar_place now[GRAMMAR_PLACES], others[GRAMMAR_PLACES];
    int count = w->first[1], other_count = 0;
    memcpy(now, w->places, (size_t)count * sizeof *now);
    memset(mask->allowed, 0, mask_words(v) * sizeof *mask->allowed);
    if (grammar_walk_may_end(w, 0))
        for (int i = 0; i < v->end_count; i++)
            allow(mask, v->ends[i]);
    for (int i = 0; i < count; i++) {
        const struct grammar_step *step = &mask->grammar->steps[now[i].step];
        if (step->op != GRAMMAR_TEXT || now[i].sub) {
            others[other_count++] = now[i];
            continue;
        }
        allow_inside(mask, step->y - now[i].count);
        walk_tree(mask, &v->closing, &now[i], 1);
    }
    walk_tree(mask, &v->all, others, other_count);
    memcpy(w->places, now, (size_t)count * sizeof *now);
    w->first[1] = count;
    return mask->allowed;
}

int mask_size(const struct mask *mask)
{
    return mask->vocabulary->size;
}

void mask_apply(struct mask *mask, float *logits, int count)
{
    const uint64_t *allowed = mask_allowed(mask);
    for (int i = 0; i < count; i += 64) {
        uint64_t bits = i < mask->vocabulary->size ? allowed[i / 64] : 0;
        int to = count - i < 64 ? count - i : 64;
        for (int j = 0; j < to; j++)
            logits[i + j] = bits >> j & 1 ? logits[i + j] : -INFINITY;
    }
}

void mask_take(struct mask *mask, int32_t token)
{
    size_t length;
    const char *bytes = tokenizer_piece(mask->vocabulary->tokenizer, token, false, &length);
    if (!length || length > GRAMMAR_SPAN || tokenizer_is_end(mask->vocabulary->tokenizer, token))
        return;
    for (size_t i = 0; i < length; i++)
        grammar_walk_step(&mask->walk, (int)i, (unsigned char)bytes[i]);
    grammar_walk_settle(&mask->walk, (int)length);
}
