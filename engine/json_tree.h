/* JSON in, as model folders hold it (config.json, tokenizer.json, the header of a safetensors
 * file): a tree of values over a copy of the text.
 *
 * Immutable once read: any thread. Refuses what is not JSON (RFC 8259), bytes that are not
 * UTF-8, anything behind the value, nesting past JSON_TREE_MAX_DEPTH and more than
 * JSON_TREE_MAX_VALUES values, with the line in the message. A key that stands twice: the first
 * counts. */
#ifndef ENGINE_JSON_TREE_H
#define ENGINE_JSON_TREE_H

#include "engine/engine.h"

/* 2^23 values hold the largest tokenizer.json there is (514,906 merges of two strings each) five
 * times over. / */
enum { JSON_TREE_MAX_DEPTH = 64, JSON_TREE_MAX_VALUES = 1 << 23, JSON_TREE_MAX_BYTES = 1 << 28 };

enum json_tree_kind {
    JSON_TREE_NULL,
    JSON_TREE_BOOL,
    JSON_TREE_NUMBER,
    JSON_TREE_STRING,
    JSON_TREE_ARRAY,
    JSON_TREE_OBJECT
};

struct json_tree_value {
    union {
        double number;    /* JSON_TREE_NUMBER; JSON_TREE_BOOL: 0 or 1 */
        const char *text; /* JSON_TREE_STRING: `length` bytes of UTF-8 */
        const struct json_tree_value
            *first; /* JSON_TREE_ARRAY, JSON_TREE_OBJECT: `length` values, linked by `next` */
    };
    const struct json_tree_value *next;
    const char *key; /* in an object */
    uint32_t key_length, length;
    enum json_tree_kind kind;
};

struct json_tree;

/* `name` stands in messages. Returns new; copies the bytes. */
struct json_tree *json_tree_parse(const char *bytes, size_t length, const char *name,
                                  struct engine_error *error);

/* The same of a file. */
struct json_tree *json_tree_read(const char *path, struct engine_error *error);
void json_tree_free(struct json_tree *json);

/* Borrowed from the tree, as is everything below. */
const struct json_tree_value *json_tree_root(const struct json_tree *json);

/* A member of an object, or NULL: also where `object` is NULL or no object, so that look-ups can
 * be chained. / */
const struct json_tree_value *json_tree_get(const struct json_tree_value *object, const char *key);

/* Is it a string with exactly this text? NULL is not. */
bool json_tree_is(const struct json_tree_value *value, const char *text);

/* The value, or `otherwise` where it is NULL or of another kind. An integer is a number without
 * a fraction that a double holds exactly. */
double json_tree_number(const struct json_tree_value *value, double otherwise);
int64_t json_tree_integer(const struct json_tree_value *value, int64_t otherwise);
bool json_tree_bool(const struct json_tree_value *value, bool otherwise);

#endif
