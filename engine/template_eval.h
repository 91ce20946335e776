/* Running a template's tree. Internal to the templates.
 *
 * The first failure is kept in the rendering and everything ends quickly after it. Loops, macros
 * and the text itself are bounded, so that a hostile template ends too. */
#ifndef ENGINE_TEMPLATE_EVAL_H
#define ENGINE_TEMPLATE_EVAL_H

#include "engine/template_parse.h"

enum { TEMPLATE_MAX_STEPS = 20000000, TEMPLATE_MAX_NESTING = 400, TEMPLATE_MAX_ARGUMENTS = 8 };

struct scope;

struct rendering {
    struct pool *pool;
    struct scope *scope;
    struct marked_buffer *output;
    enum { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } flow;
    int nesting;
    int64_t steps;
    bool failed;
    struct engine_error *error;
};

struct arguments {
    struct value values[TEMPLATE_MAX_ARGUMENTS];
    size_t count;
    struct value_dict named;
};

/* Runs a tree with these variables and appends what it writes to `output`. */
bool template_run(struct pool *pool, const struct node *tree, const struct value_dict *variables,
                  struct marked_buffer *output, struct engine_error *error);

/* For the built-in filters, tests, methods and functions (template_builtin.c). */
struct value rendering_fail(struct rendering *rendering, enum engine_error_code code,
                            const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Checks that the pool gave what was asked of it. */
bool rendering_has(struct rendering *rendering, bool got);

/* A value as Jinja writes it. */
struct marked rendering_text(struct rendering *rendering, struct value value);

/* value.key and value["key"]: undefined where there is none. */
struct value rendering_attribute(struct rendering *rendering, struct value value,
                                 struct marked key);

struct value builtin_filter(struct rendering *rendering, struct marked name, struct value subject,
                            const struct arguments *arguments);
bool builtin_test(struct rendering *rendering, struct marked name, struct value subject,
                  const struct arguments *arguments);
struct value builtin_method(struct rendering *rendering, struct marked name, struct value subject,
                            const struct arguments *arguments);
struct value builtin_function(struct rendering *rendering, struct marked name,
                              const struct arguments *arguments);

#endif
