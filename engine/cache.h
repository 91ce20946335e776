/* Which pages of a model's KV cache hold what: block tables, reference counts and the prefix cache.
 * The pages' bytes belong to the backend; here are only their numbers.
 *
 * A page holds CACHE_BLOCK positions. A full page is known by the page before it and its tokens,
 * both compared exactly (the hash only finds candidates), so that a prompt whose beginning was
 * computed before, by whomever, takes those pages instead of computing them. Shared pages are never
 * written. Pages nobody uses keep their content until they are needed, the least recently used
 * first, the end of a sequence before its beginning.
 *
 * One thread (the scheduler's). Memory: about 180 bytes a page. */
#ifndef ENGINE_CACHE_H
#define ENGINE_CACHE_H

#include "engine/engine.h"

enum { CACHE_BLOCK = 32 };

struct cache;

/* One request's pages. Starts as {0} with `root` set; cache_release empties it, cache_sequence_done
 * frees it. */
struct cache_sequence {
    int32_t *pages;
    int count, capacity;
    int committed; /* pages already known to others */
    uint64_t
        root; /* sequences of different roots never share: their keys differ for the same tokens */
    uint64_t chain; /* what the next page follows */
};

/* Returns new; `pages` at least 1. */
struct cache *cache_new(int pages, struct engine_error *error);
void cache_free(struct cache *cache);

/* Takes known pages for the beginning of `tokens`, after those the sequence already has (all of
 * which must be committed), but leaves at least one token to be computed. Returns how many
 * positions the sequence now has. False memory shows as fewer pages. */
int cache_match(struct cache *cache, struct cache_sequence *sequence, const int32_t *tokens,
                int count);

/* Makes room for `positions` in all. False when too few pages are free; what was taken stays taken.
 */
bool cache_extend(struct cache *cache, struct cache_sequence *sequence, int positions);

/* The first `computed` positions now hold `tokens`: full pages become known to others. */
void cache_commit(struct cache *cache, struct cache_sequence *sequence, const int32_t *tokens,
                  int computed);

/* Gives all pages back. */
void cache_release(struct cache *cache, struct cache_sequence *sequence);
void cache_sequence_done(struct cache_sequence *sequence);

int cache_pages(const struct cache *cache);
int cache_free_pages(
    const struct cache *cache); /* unused, whether they hold something known or not */

#endif
