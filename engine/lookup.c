/* The scan is linear, some microseconds at a context of thousands of tokens: less than a thousandth
 * of a step. */
#include "engine/lookup.h"

enum {
    MATCH_LEAST = 3, /* tokens that must have occurred together: fewer guess wrong too often */
    MATCH_ENOUGH = 12,
    FIRST_DEPTH = 2,
    REST = 12, /* tokens without guesses after a miss */
};

/* How many tokens before `end` are those at the end of all, up to MATCH_ENOUGH. */
static int match_length(const int32_t *tokens, int end, int count)
{
    int length = 0;
    while (length < MATCH_ENOUGH && length < end &&
           tokens[end - 1 - length] == tokens[count - 1 - length])
        length++;
    return length;
}

/* Where the longest match ends, the latest among equals; 0 when there is none. */
static int find_match(const int32_t *tokens, int count)
{
    int best = 0, longest = MATCH_LEAST - 1;
    for (int end = count - 1; end >= MATCH_LEAST && longest < MATCH_ENOUGH; end--) {
        if (tokens[end - 1] != tokens[count - 1])
            continue;
        int length = match_length(tokens, end, count);
        if (length > longest) {
            longest = length;
            best = end;
        }
    }
    return best;
}

int lookup_guess(struct lookup *lookup, const int32_t *tokens, int count, int most, int32_t *out)
{
    if (lookup->rest > 0) {
        lookup->rest--;
        return 0;
    }
    int depth = lookup->depth ? lookup->depth : FIRST_DEPTH;
    int from = most > 0 ? find_match(tokens, count) : 0;
    int wanted = depth < most ? depth : most;
    if (!from)
        return 0;
    /* What follows may run into the end of all: then the guesses continue with themselves, a period
     * further. */
    for (int i = 0; i < wanted; i++)
        out[i] = from + i < count ? tokens[from + i] : out[from + i - count];
    return wanted;
}

void lookup_learn(struct lookup *lookup, int guessed, int right)
{
    if (!guessed)
        return;
    if (right == guessed)
        lookup->depth = guessed * 2 < LOOKUP_MOST ? guessed * 2 : LOOKUP_MOST;
    else
        lookup->depth = right > FIRST_DEPTH ? right : FIRST_DEPTH;
    if (!right)
        lookup->rest = REST;
}
