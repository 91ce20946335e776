/* What the two halves of the schema's compiler share: the list of nodes that reading makes
 * (schema.c), and the program that is made of it (schema_program.c). */
#ifndef ENGINE_SCHEMA_INTERNAL_H
#define ENGINE_SCHEMA_INTERNAL_H

#include "engine/json_tree.h"
#include "engine/schema.h"

enum {
    NULLS = 1,
    BOOLEANS = 2,
    INTEGERS = 4,
    NUMBERS = 8,
    STRINGS = 16,
    ARRAYS = 32,
    OBJECTS = 64,
    ANYTHING = 127,
};

/* A subschema: a member's, or an alternative. */
struct link {
    int node;
    const char *key;
    uint32_t key_length;
    bool required;
    uint32_t start, next; /* in the program: where it is written, and the jump behind it */
};

struct node {
    const struct json_tree_value *value; /* NULL: anything */
    int parent;                          /* for its path; -1: `name` is the path */
    const char *keyword, *name;
    uint32_t name_length;
    unsigned types;
    bool is_choice;                      /* of its links */
    const struct json_tree_value *plain; /* the first of its `plains` allowed values */
    uint32_t plains;
    int first_link, links; /* members, or alternatives */
    int items, values;     /* nodes; values: of a free object; -1: none */
    uint32_t least_items, most_items, least_length, most_length;
    int64_t minimum, maximum;
    bool has_minimum, has_maximum;
    uint32_t need, start;
};

struct compiler {
    struct json_tree *json;
    struct grammar *grammar;
    struct engine_error *error;
    struct node nodes[SCHEMA_NODES];
    struct link links[SCHEMA_NODES];
    int node_count, link_count;
    bool full; /* no room or no memory for the program */
};

/* The types that a plain value is of; 0 for lists and objects. */
unsigned schema_type_of(const struct json_tree_value *value);

/* Makes c->grammar's steps of the nodes, whose needs are known; false with the error filled. */
bool schema_program(struct compiler *c);

static inline uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

#endif
