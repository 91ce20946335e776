/* Jinja source to a tree. Understands what chat templates use: output, if, for, set (also as a
 * block), macro, break, continue, generation blocks, comments, white space control with
 * trim_blocks and lstrip_blocks on, as Hugging Face sets them. Internal to the templates. */
#ifndef ENGINE_TEMPLATE_PARSE_H
#define ENGINE_TEMPLATE_PARSE_H

#include "engine/template_value.h"

enum { TEMPLATE_MAX_SOURCE = 1 << 20, TEMPLATE_MAX_DEPTH = 100 };

enum node_kind {
    /* statements; `next` is the one after it */
    NODE_TEXT,      /* text */
    NODE_OUTPUT,    /* a */
    NODE_IF,        /* a: condition, b: body, c: what else */
    NODE_FOR,       /* a: targets, b: what is iterated, c: body, d: body when empty, e: filter */
    NODE_SET,       /* a: targets, b: value */
    NODE_SET_BLOCK, /* a: target, b: body */
    NODE_MACRO,     /* text: name, a: parameters, b: body */
    NODE_BREAK,
    NODE_CONTINUE,
    /* expressions */
    NODE_CONSTANT,  /* constant */
    NODE_NAME,      /* text */
    NODE_ATTRIBUTE, /* a . text */
    NODE_ITEM,      /* a [ b ] */
    NODE_SLICE,     /* a [ b : c : d ], each of them may be missing */
    NODE_CALL,      /* a ( b ) */
    NODE_FILTER,    /* a | text ( b ) */
    NODE_TEST,      /* a is text ( b ) */
    NODE_NOT,       /* a */
    NODE_NEGATE,    /* a */
    NODE_BINARY,    /* a text b */
    NODE_AND,       /* a, b */
    NODE_OR,        /* a, b */
    NODE_CHOICE,    /* a if b else c */
    NODE_LIST,      /* a: arguments */
    NODE_DICT,      /* a: arguments whose b is the key */
    NODE_ARGUMENT,  /* a: value, text: its keyword if any; `next` */
};

struct node {
    enum node_kind kind;
    int line;
    struct marked text;
    struct value constant;
    struct node *a, *b, *c, *d, *e, *next;
};

/* Returns borrowed (the pool's): the first statement, NULL for an empty template. `*ok` false on
 * failure. The source must live as long as the tree. */
struct node *template_parse(struct pool *pool, const char *source, size_t length, bool *ok,
                            struct engine_error *error);

#endif
