/* The mixer multiplies 64 x 64 into 128 bits and folds the halves, sixteen bytes a step, so that
 * hashing a model's name costs about as much as looking at it. Tables are open and at most three
 * quarters full. / */
#include "board/hash.h"

#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

#define SEED_A UINT64_C(0x9e3779b97f4a7c15)
#define SEED_B UINT64_C(0xd1342543de82ef95)

static uint64_t fold(uint64_t a, uint64_t b)
{
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load(const char *at, size_t length)
{
    uint64_t word = 0;
    memcpy(&word, at, length);
    return word;
}

uint64_t hash_bytes(const char *bytes, size_t length)
{
    uint64_t state = fold(length ^ SEED_A, SEED_B);
    for (; length > 16; bytes += 16, length -= 16)
        state = fold(load(bytes, 8) ^ state ^ SEED_A, load(bytes + 8, 8) ^ SEED_B);
    uint64_t low = 0, high = 0;
    if (length >= 8) {
        low = load(bytes, 8);
        high = load(bytes + length - 8, 8);
    } else if (length >= 4) {
        low = load(bytes, 4);
        high = load(bytes + length - 4, 4);
    } else if (length) {
        low = (uint64_t)(unsigned char)bytes[0] << 16 |
              (uint64_t)(unsigned char)bytes[length / 2] << 8 | (unsigned char)bytes[length - 1];
    }
    uint64_t hash = fold(fold(low ^ state ^ SEED_A, high ^ SEED_B) ^ SEED_A, state ^ SEED_B);
    return hash ? hash : 1;
}

/* --- keys --- */

void hash_keys_init(struct hash_keys *keys, bool plain)
{
    *keys = (struct hash_keys){.plain = plain};
}

void hash_keys_done(struct hash_keys *keys)
{
    free(keys->keys);
    free(keys->values);
    hash_keys_init(keys, keys->plain);
}

static size_t free_slot(const uint64_t *keys, size_t capacity, uint64_t key)
{
    size_t at = key & (capacity - 1);
    while (keys[at] && keys[at] != key)
        at = (at + 1) & (capacity - 1);
    return at;
}

static bool rehash(struct hash_keys *keys)
{
    size_t capacity = keys->capacity ? 2 * keys->capacity : 1024;
    uint64_t *fresh = calloc(capacity, sizeof *fresh);
    uint32_t *values = keys->plain ? NULL : malloc(capacity * sizeof *values);
    if (!fresh || (!keys->plain && !values)) {
        free(fresh);
        free(values);
        return false;
    }
    for (size_t k = 0; k < keys->capacity; k++) {
        if (!keys->keys[k])
            continue;
        size_t at = free_slot(fresh, capacity, keys->keys[k]);
        fresh[at] = keys->keys[k];
        if (values)
            values[at] = keys->values[k];
    }
    free(keys->keys);
    free(keys->values);
    keys->keys = fresh;
    keys->values = values;
    keys->capacity = capacity;
    return true;
}

bool hash_keys_add(struct hash_keys *keys, uint64_t key, uint32_t *value, bool *added)
{
    if (4 * ((size_t)keys->count + 1) > 3 * keys->capacity &&
        (keys->count > UINT32_MAX - 2 || !rehash(keys)))
        return false;
    size_t at = free_slot(keys->keys, keys->capacity, key);
    *added = keys->keys[at] == 0;
    if (*added) {
        keys->keys[at] = key;
        if (keys->values)
            keys->values[at] = keys->count;
        keys->count++;
    }
    *value = keys->values ? keys->values[at] : 0;
    return true;
}

void hash_keys_prefetch(const struct hash_keys *keys, uint64_t key)
{
    if (keys->capacity)
        __builtin_prefetch(&keys->keys[key & (keys->capacity - 1)], 1);
}

/* --- names --- */

void hash_names_init(struct hash_names *names)
{
    *names = (struct hash_names){0};
}

void hash_names_done(struct hash_names *names)
{
    for (size_t k = 0; k < names->count; k++)
        free(names->names[k]);
    free(names->slots);
    free(names->hashes);
    free(names->names);
    free(names->lengths);
    hash_names_init(names);
}

static bool names_grow(struct hash_names *names)
{
    size_t room = names->room ? 2 * names->room : 64, capacity = 4 * room;
    uint32_t *slots = calloc(capacity, sizeof *slots);
    uint64_t *hashes = realloc(names->hashes, room * sizeof *hashes);
    names->hashes = hashes ? hashes : names->hashes;
    char **texts = realloc(names->names, room * sizeof *texts);
    names->names = texts ? texts : names->names;
    uint32_t *lengths = realloc(names->lengths, room * sizeof *lengths);
    names->lengths = lengths ? lengths : names->lengths;
    if (!slots || !hashes || !texts || !lengths) {
        free(slots);
        return false;
    }
    for (size_t k = 0; k < names->count; k++) {
        size_t at = names->hashes[k] & (capacity - 1);
        while (slots[at])
            at = (at + 1) & (capacity - 1);
        slots[at] = (uint32_t)k + 1;
    }
    free(names->slots);
    names->slots = slots;
    names->capacity = capacity;
    names->room = room;
    return true;
}

static bool names_append(struct hash_names *names, struct text name, uint64_t hash, size_t slot)
{
    char *copy = malloc(name.length + 1);
    if (!copy)
        return false;
    memcpy(copy, name.data, name.length);
    copy[name.length] = '\0';
    names->slots[slot] = (uint32_t)names->count + 1;
    names->hashes[names->count] = hash;
    names->lengths[names->count] = (uint32_t)name.length;
    names->names[names->count++] = copy;
    return true;
}

bool hash_names_add(struct hash_names *names, struct text name, uint32_t *number)
{
    uint64_t hash = hash_bytes(name.data, name.length);
    if (names->count == names->room && !names_grow(names))
        return false;
    size_t at = hash & (names->capacity - 1);
    for (; names->slots[at]; at = (at + 1) & (names->capacity - 1)) {
        uint32_t k = names->slots[at] - 1;
        if (names->hashes[k] == hash && names->lengths[k] == name.length &&
            memcmp(names->names[k], name.data, name.length) == 0) {
            *number = k;
            return true;
        }
    }
    *number = (uint32_t)names->count;
    return names_append(names, name, hash, at);
}
