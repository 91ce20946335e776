/* Every committed page gets a serial number that is never used again; a page's identity is (serial
 * of the page before it, its tokens). Evicting a page makes its serial unreachable, and with it
 * whatever followed, which then ages out of the list like anything unused. Two requests that
 * compute the same page at once both keep their own, but the second goes on as if it followed the
 * first's, so that the chain has one line. */
#include "engine/cache.h"

#include "engine/error.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct page {
    int32_t tokens[CACHE_BLOCK];
    uint64_t parent, serial; /* serial 0: not known to others */
    int32_t references;
    int32_t newer, older; /* neighbours in the list of unused pages, -1 at the ends */
    int32_t next;         /* in its hash bucket, -1 at the end */
};

struct cache {
    struct page *pages;
    int32_t *buckets;
    int count, free;
    uint32_t mask;
    int32_t oldest, newest; /* of the unused pages */
    uint64_t serial, key;   /* the hash is keyed: nobody outside can aim at one bucket */
};

/* --- The list of unused pages --- */

static void unused_append(struct cache *cache, int32_t number)
{
    struct page *page = &cache->pages[number];
    page->older = cache->newest;
    page->newer = -1;
    if (cache->newest >= 0)
        cache->pages[cache->newest].newer = number;
    else
        cache->oldest = number;
    cache->newest = number;
    cache->free++;
}

static void unused_remove(struct cache *cache, int32_t number)
{
    struct page *page = &cache->pages[number];
    if (page->older >= 0)
        cache->pages[page->older].newer = page->newer;
    else
        cache->oldest = page->newer;
    if (page->newer >= 0)
        cache->pages[page->newer].older = page->older;
    else
        cache->newest = page->older;
    cache->free--;
}

/* --- Known pages --- */

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static int32_t *bucket(struct cache *cache, uint64_t parent, const int32_t *tokens)
{
    uint64_t hash = mix(cache->key ^ parent);
    for (int i = 0; i < CACHE_BLOCK; i += 2)
        hash = mix(hash ^ ((uint64_t)(uint32_t)tokens[i] << 32 | (uint32_t)tokens[i + 1]));
    return &cache->buckets[hash & cache->mask];
}

static int32_t find_page(struct cache *cache, uint64_t parent, const int32_t *tokens)
{
    int32_t number = *bucket(cache, parent, tokens);
    while (number >= 0) {
        const struct page *page = &cache->pages[number];
        if (page->parent == parent && !memcmp(page->tokens, tokens, sizeof page->tokens))
            break;
        number = page->next;
    }
    return number;
}

static void forget_page(struct cache *cache, int32_t number)
{
    struct page *page = &cache->pages[number];
    if (!page->serial)
        return;
    int32_t *link = bucket(cache, page->parent, page->tokens);
    while (*link != number)
        link = &cache->pages[*link].next;
    *link = page->next;
    page->serial = 0;
}

static void learn_page(struct cache *cache, int32_t number, uint64_t parent, const int32_t *tokens)
{
    struct page *page = &cache->pages[number];
    int32_t *head = bucket(cache, parent, tokens);
    memcpy(page->tokens, tokens, sizeof page->tokens);
    page->parent = parent;
    page->serial = ++cache->serial;
    page->next = *head;
    *head = number;
}

/* --- Making --- */

struct cache *cache_new(int pages, struct engine_error *error)
{
    struct cache *cache = calloc(1, sizeof *cache);
    uint32_t buckets = 16;
    while (buckets < (uint32_t)pages && buckets < 1u << 30)
        buckets *= 2;
    if (cache) {
        cache->pages = calloc((size_t)pages, sizeof *cache->pages);
        cache->buckets = malloc(buckets * sizeof *cache->buckets);
    }
    if (!cache || !cache->pages || !cache->buckets) {
        engine_no_memory(error, "the KV cache's tables");
        cache_free(cache);
        return NULL;
    }
    memset(cache->buckets, 0xff, buckets * sizeof *cache->buckets);
    cache->count = pages;
    cache->mask = buckets - 1;
    cache->oldest = cache->newest = -1;
    cache->serial = (uint64_t)1 << 32; /* below lie the roots */
    if (getrandom(&cache->key, sizeof cache->key, GRND_NONBLOCK) < 0)
        cache->key = (uint64_t)(uintptr_t)cache;
    for (int i = 0; i < pages; i++)
        unused_append(cache, i);
    return cache;
}

void cache_free(struct cache *cache)
{
    if (!cache)
        return;
    free(cache->pages);
    free(cache->buckets);
    free(cache);
}

/* --- Sequences --- */

static bool append_page(struct cache_sequence *sequence, int32_t number)
{
    if (sequence->count == sequence->capacity) {
        int capacity = sequence->capacity ? sequence->capacity * 2 : 16;
        int32_t *pages = realloc(sequence->pages, (size_t)capacity * sizeof *pages);
        if (!pages)
            return false;
        sequence->pages = pages;
        sequence->capacity = capacity;
    }
    sequence->pages[sequence->count++] = number;
    return true;
}

static uint64_t chain_of(const struct cache_sequence *sequence)
{
    return sequence->committed ? sequence->chain : sequence->root;
}

int cache_match(struct cache *cache, struct cache_sequence *sequence, const int32_t *tokens,
                int count)
{
    while (sequence->committed == sequence->count) {
        int start = sequence->count * CACHE_BLOCK;
        if (count - start <= CACHE_BLOCK)
            break;
        int32_t number = find_page(cache, chain_of(sequence), tokens + start);
        if (number < 0 || !append_page(sequence, number))
            break;
        struct page *page = &cache->pages[number];
        if (!page->references++)
            unused_remove(cache, number);
        sequence->chain = page->serial;
        sequence->committed++;
    }
    return sequence->count * CACHE_BLOCK;
}

bool cache_extend(struct cache *cache, struct cache_sequence *sequence, int positions)
{
    int needed = (positions + CACHE_BLOCK - 1) / CACHE_BLOCK;
    while (sequence->count < needed) {
        int32_t number = cache->oldest;
        if (number < 0 || !append_page(sequence, number))
            return false;
        unused_remove(cache, number);
        forget_page(cache, number);
        cache->pages[number].references = 1;
    }
    return true;
}

void cache_commit(struct cache *cache, struct cache_sequence *sequence, const int32_t *tokens,
                  int computed)
{
    while ((sequence->committed + 1) * CACHE_BLOCK <= computed) {
        const int32_t *here = tokens + sequence->committed * CACHE_BLOCK;
        uint64_t parent = chain_of(sequence);
        int32_t known = find_page(cache, parent, here);
        if (known < 0) {
            known = sequence->pages[sequence->committed];
            learn_page(cache, known, parent, here);
        }
        sequence->chain = cache->pages[known].serial;
        sequence->committed++;
    }
}

void cache_release(struct cache *cache, struct cache_sequence *sequence)
{
    while (sequence->count) {
        int32_t number = sequence->pages[--sequence->count];
        if (!--cache->pages[number].references)
            unused_append(cache, number);
    }
    sequence->committed = 0;
}

void cache_sequence_done(struct cache_sequence *sequence)
{
    free(sequence->pages);
    sequence->pages = NULL;
    sequence->count = sequence->capacity = sequence->committed = 0;
}

int cache_pages(const struct cache *cache)
{
    return cache->count;
}

int cache_free_pages(const struct cache *cache)
{
    return cache->free;
}
