/* What a chat template computes with: Python's simple values, texts whose every byte is marked
 * as the template's own or a message's, and a pool that owns them all until the rendering ends.
 * Internal to the templates. */
#ifndef ENGINE_TEMPLATE_VALUE_H
#define ENGINE_TEMPLATE_VALUE_H

#include "engine/engine.h"

/* --- Pool: memory that is freed at once --- */

struct pool_chunk;

struct pool {
    struct pool_chunk *chunks;
    size_t used, limit;
};

/* NULL when memory or the pool's limit is at its end. Zeroed. */
void *pool_get(struct pool *pool, size_t size);
void pool_done(struct pool *pool);

/* --- Values --- */

/* Bytes, and beside each whether it may be part of a special token; marks NULL: all of them may. */
struct marked {
    const char *bytes;
    const unsigned char *marks;
    size_t length;
};

enum value_kind {
    VALUE_UNDEFINED,
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_NUMBER,
    VALUE_TEXT,
    VALUE_LIST,
    VALUE_DICT,
    VALUE_MACRO
};

struct node;

struct value {
    enum value_kind kind;
    union {
        int64_t number; /* VALUE_BOOL too */
        struct marked text;
        struct value_list *list;
        struct value_dict *dict;
        const struct node *macro;
    };
};

struct value_list {
    struct value *items;
    size_t count, capacity;
};

struct value_entry {
    struct marked key;
    struct value value;
};

/* Few keys, in the order they came: looked for one by one. */
struct value_dict {
    struct value_entry *entries;
    size_t count, capacity;
};

struct value value_undefined(void);
struct value value_bool(bool truth);
struct value value_number(int64_t number);
struct value value_text(struct marked text);
struct value value_literal(const char *text); /* of the program's own, trusted */
struct value value_new_list(struct pool *pool);
struct value value_new_dict(struct pool *pool);

bool value_append(struct pool *pool, struct value_list *list, struct value item);
bool value_store(struct pool *pool, struct value_dict *dict, struct marked key, struct value value);

/* The entry's value, or NULL. */
const struct value *value_find(const struct value_dict *dict, struct marked key);

bool value_truth(struct value value);
bool value_equal(struct value first, struct value second);

/* Negative, 0 or positive; texts by bytes, numbers by size. False when the two cannot be
 * compared. */
bool value_compare(struct value first, struct value second, int *order);

struct marked marked_literal(const char *text);
bool marked_is(struct marked text, const char *literal);
bool marked_equal(struct marked first, struct marked second);

/* text[from, to). */
struct marked marked_part(struct marked text, size_t from, size_t to);

/* Where `needle` stands in text at or after `from`; SIZE_MAX when it does not. */
size_t marked_find(struct marked text, struct marked needle, size_t from);

/* --- A text that grows --- */

struct marked_buffer {
    char *bytes;
    unsigned char *marks;
    size_t length, capacity;
};

bool marked_add(struct pool *pool, struct marked_buffer *buffer, struct marked text);
struct marked marked_done(const struct marked_buffer *buffer);

#endif
