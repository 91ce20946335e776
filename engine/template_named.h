/* Chat templates by name: for models that carry none, and for telling which one a model carries.
 * Internal to the templates. */
#ifndef ENGINE_TEMPLATE_NAMED_H
#define ENGINE_TEMPLATE_NAMED_H

#include <stddef.h>

/* The names, NULL at the end. */
const char *const *template_named_list(void);

/* The Jinja source of a name, or NULL. */
const char *template_named_source(const char *name);

/* The name of the format that a model's own template writes; "jinja" when it is none of ours. */
const char *template_recognise(const char *source, size_t length);

#endif
