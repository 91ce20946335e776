/* Jinja's built-in filters and Python's methods: what the files that hold them share. Internal to
 * the templates.
 *
 * Whoever is given a name finds a function in a table; a function that fails says so in the
 * rendering and gives any value. */
#ifndef ENGINE_TEMPLATE_BUILTIN_H
#define ENGINE_TEMPLATE_BUILTIN_H

#include "engine/template_eval.h"

typedef struct value (*builtin)(struct rendering *rendering, struct value subject,
                                const struct arguments *arguments);

struct builtin_name {
    const char *name;
    builtin run;
};

/* NULL where no row has this name. */
builtin builtin_look_up(const struct builtin_name *names, size_t count, struct marked name);

#define BUILTIN_LOOK_UP(table, name) builtin_look_up(table, sizeof(table) / sizeof *(table), name)

/* Each NULL where there is none of this name. */
builtin builtin_text_filter(struct marked name);       /* template_text.c */
builtin builtin_text_method(struct marked name);       /* template_text.c */
builtin builtin_collection_filter(struct marked name); /* template_collection.c */
builtin builtin_dict_method(struct marked name);       /* template_collection.c */

/* The argument at this place or of this name; undefined where neither is given. */
struct value builtin_argument(const struct arguments *arguments, size_t at, const char *name);

/* The same where only a text will do: an empty one where it is none. */
struct marked builtin_text_argument(const struct arguments *arguments, size_t at, const char *name);

struct value builtin_new_list(struct rendering *rendering);
void builtin_append(struct rendering *rendering, struct value list, struct value item);
void builtin_write(struct rendering *rendering, struct marked_buffer *buffer, struct marked text);

/* A text in lower case, as str.lower() has it. */
struct value builtin_lower(struct rendering *rendering, struct value subject,
                           const struct arguments *arguments);

/* `what` is not for this kind of value. */
struct value builtin_wrong_kind(struct rendering *rendering, const char *what);

#endif
