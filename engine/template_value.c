/* Nothing here frees single values: a rendering is short, and its pool goes as a whole. */
#include "engine/template_value.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 16384 };

struct pool_chunk {
    struct pool_chunk *next;
    size_t used, size;
    alignas(16) unsigned char bytes[];
};

void *pool_get(struct pool *pool, size_t size)
{
    if (size > pool->limit - pool->used)
        return NULL;
    size = (size + 15) / 16 * 16;
    struct pool_chunk *chunk = pool->chunks;
    if (!chunk || chunk->size - chunk->used < size) {
        size_t room = size > CHUNK ? size : CHUNK;
        chunk = calloc(1, sizeof *chunk + room);
        if (!chunk)
            return NULL;
        chunk->size = room;
        chunk->next = pool->chunks;
        pool->chunks = chunk;
    }
    void *memory = chunk->bytes + chunk->used;
    chunk->used += size;
    pool->used = pool->used + size < pool->limit ? pool->used + size : pool->limit;
    return memory;
}

void pool_done(struct pool *pool)
{
    for (struct pool_chunk *chunk = pool->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    pool->chunks = NULL;
    pool->used = 0;
}

struct value value_undefined(void)
{
    return (struct value){.kind = VALUE_UNDEFINED};
}

struct value value_bool(bool truth)
{
    return (struct value){.kind = VALUE_BOOL, .number = truth};
}

struct value value_number(int64_t number)
{
    return (struct value){.kind = VALUE_NUMBER, .number = number};
}

struct value value_text(struct marked text)
{
    return (struct value){.kind = VALUE_TEXT, .text = text};
}

struct value value_literal(const char *text)
{
    return value_text(marked_literal(text));
}

struct value value_new_list(struct pool *pool)
{
    struct value_list *list = pool_get(pool, sizeof *list);
    return (struct value){.kind = list ? VALUE_LIST : VALUE_UNDEFINED, .list = list};
}

struct value value_new_dict(struct pool *pool)
{
    struct value_dict *dict = pool_get(pool, sizeof *dict);
    return (struct value){.kind = dict ? VALUE_DICT : VALUE_UNDEFINED, .dict = dict};
}

/* Doubles an array of the pool's; the old one stays behind. */
static bool grow(struct pool *pool, void **items, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity)
        return true;
    size_t larger = *capacity ? *capacity * 2 : 8;
    void *moved = pool_get(pool, larger * size);
    if (!moved)
        return false;
    if (count > 0)
        memcpy(moved, *items, count * size);
    *items = moved;
    *capacity = larger;
    return true;
}

bool value_append(struct pool *pool, struct value_list *list, struct value item)
{
    if (!grow(pool, (void **)&list->items, &list->capacity, list->count, sizeof item))
        return false;
    list->items[list->count++] = item;
    return true;
}

bool value_store(struct pool *pool, struct value_dict *dict, struct marked key, struct value value)
{
    for (size_t i = 0; i < dict->count; i++) {
        if (marked_equal(dict->entries[i].key, key)) {
            dict->entries[i].value = value;
            return true;
        }
    }
    if (!grow(pool, (void **)&dict->entries, &dict->capacity, dict->count, sizeof *dict->entries))
        return false;
    dict->entries[dict->count++] = (struct value_entry){key, value};
    return true;
}

const struct value *value_find(const struct value_dict *dict, struct marked key)
{
    for (size_t i = 0; i < dict->count; i++)
        if (marked_equal(dict->entries[i].key, key))
            return &dict->entries[i].value;
    return NULL;
}

bool value_truth(struct value value)
{
    switch (value.kind) {
    case VALUE_BOOL:
    case VALUE_NUMBER:
        return value.number != 0;
    case VALUE_TEXT:
        return value.text.length > 0;
    case VALUE_LIST:
        return value.list->count > 0;
    case VALUE_DICT:
        return value.dict->count > 0;
    case VALUE_MACRO:
        return true;
    default:
        return false;
    }
}

static bool is_numeric(struct value value)
{
    return value.kind == VALUE_NUMBER || value.kind == VALUE_BOOL;
}

static bool lists_equal(const struct value_list *first, const struct value_list *second)
{
    if (first->count != second->count)
        return false;
    for (size_t i = 0; i < first->count; i++)
        if (!value_equal(first->items[i], second->items[i]))
            return false;
    return true;
}

static bool dicts_equal(const struct value_dict *first, const struct value_dict *second)
{
    if (first->count != second->count)
        return false;
    for (size_t i = 0; i < first->count; i++) {
        const struct value *other = value_find(second, first->entries[i].key);
        if (!other || !value_equal(first->entries[i].value, *other))
            return false;
    }
    return true;
}

bool value_equal(struct value first, struct value second)
{
    if (is_numeric(first) && is_numeric(second))
        return first.number == second.number;
    if (first.kind != second.kind)
        return false;
    switch (first.kind) {
    case VALUE_TEXT:
        return marked_equal(first.text, second.text);
    case VALUE_LIST:
        return first.list == second.list || lists_equal(first.list, second.list);
    case VALUE_DICT:
        return first.dict == second.dict || dicts_equal(first.dict, second.dict);
    case VALUE_MACRO:
        return first.macro == second.macro;
    default:
        return true;
    }
}

bool value_compare(struct value first, struct value second, int *order)
{
    if (is_numeric(first) && is_numeric(second)) {
        *order = (first.number > second.number) - (first.number < second.number);
        return true;
    }
    if (first.kind != VALUE_TEXT || second.kind != VALUE_TEXT)
        return false;
    size_t shorter =
        first.text.length < second.text.length ? first.text.length : second.text.length;
    int difference = shorter ? memcmp(first.text.bytes, second.text.bytes, shorter) : 0;
    *order = difference ? difference
                        : (first.text.length > second.text.length) -
                              (first.text.length < second.text.length);
    return true;
}

struct marked marked_literal(const char *text)
{
    return (struct marked){text, NULL, strlen(text)};
}

bool marked_is(struct marked text, const char *literal)
{
    return strlen(literal) == text.length && memcmp(text.bytes, literal, text.length) == 0;
}

bool marked_equal(struct marked first, struct marked second)
{
    return first.length == second.length &&
           (first.length == 0 || memcmp(first.bytes, second.bytes, first.length) == 0);
}

struct marked marked_part(struct marked text, size_t from, size_t to)
{
    if (to > text.length)
        to = text.length;
    if (from > to)
        from = to;
    return (struct marked){text.bytes + from, text.marks ? text.marks + from : NULL, to - from};
}

size_t marked_find(struct marked text, struct marked needle, size_t from)
{
    if (from > text.length || needle.length > text.length - from)
        return SIZE_MAX;
    if (needle.length == 0)
        return from;
    const char *found = memmem(text.bytes + from, text.length - from, needle.bytes, needle.length);
    return found ? (size_t)(found - text.bytes) : SIZE_MAX;
}

bool marked_add(struct pool *pool, struct marked_buffer *buffer, struct marked text)
{
    if (text.length == 0)
        return true;
    if (text.length > buffer->capacity - buffer->length) {
        size_t capacity = (buffer->length + text.length) * 2 + 64;
        char *bytes = pool_get(pool, capacity);
        unsigned char *marks = pool_get(pool, capacity);
        if (!bytes || !marks)
            return false;
        if (buffer->length > 0) {
            memcpy(bytes, buffer->bytes, buffer->length);
            memcpy(marks, buffer->marks, buffer->length);
        }
        buffer->bytes = bytes;
        buffer->marks = marks;
        buffer->capacity = capacity;
    }
    memcpy(buffer->bytes + buffer->length, text.bytes, text.length);
    if (text.marks)
        memcpy(buffer->marks + buffer->length, text.marks, text.length);
    else
        memset(buffer->marks + buffer->length, 1, text.length);
    buffer->length += text.length;
    return true;
}

struct marked marked_done(const struct marked_buffer *buffer)
{
    return (struct marked){buffer->bytes ? buffer->bytes : "", buffer->marks, buffer->length};
}
