/* Hashing and the two tables that reading votes needs: names to numbers, and 64-bit keys to
 * numbers.
 *
 * Vote ids, voters and prompts are known by a 64-bit hash of their bytes: two of two million
 * collide with probability 1e-7, which is the price of checking ids in 8 bytes each. Names are
 * compared whole. One owner; no lock. */
#ifndef ARENA_BOARD_HASH_H
#define ARENA_BOARD_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

uint64_t hash_bytes(const char *bytes, size_t length); /* never 0 */

/* Keys to numbers in the order they first came, from 0. */
struct hash_keys {
    uint64_t *keys; /* 0: free */
    uint32_t *values;
    size_t capacity; /* a power of two */
    uint32_t count;
    bool plain; /* a set: no values are kept */
};

void hash_keys_init(struct hash_keys *keys, bool plain);
void hash_keys_done(struct hash_keys *keys);

/* The number of a key (plain: 0), given one if it is new. False without memory, or past 2^32 - 2
 * keys. / */
bool hash_keys_add(struct hash_keys *keys, uint64_t key, uint32_t *value, bool *added);

/* Asks for a key's place in the cache: call some keys ahead of hash_keys_add. */
void hash_keys_prefetch(const struct hash_keys *keys, uint64_t key);

/* Names to numbers, from 0. */
struct hash_names {
    uint32_t *slots; /* number + 1; 0: free */
    size_t capacity;
    uint64_t *hashes; /* of each name */
    char **names;     /* of each number, NUL-terminated; owned */
    uint32_t *lengths;
    size_t count, room;
};

void hash_names_init(struct hash_names *names);
void hash_names_done(struct hash_names *names);
bool hash_names_add(struct hash_names *names, struct text name,
                    uint32_t *number); /* false without memory */

#endif
