/* JSON Schema to a grammar of the JSON texts that it allows.
 *
 * The part of JSON Schema that is understood: `type` (one or a list), `properties`, `required`,
 * `additionalProperties` (false, or what the values of a free object are), `items`, `minItems`,
 * `maxItems`, `minLength`, `maxLength`, `enum` and `const` of plain values, `minimum` and `maximum`
 * of integers (up to SCHEMA_RANGE values; 0 or 1 alone), `anyOf`, `allOf` of one, `$ref` inside the
 * schema, recursive too. Titles, descriptions and the like are passed over; anything else is
 * refused, with the keyword and its place.
 *
 * What is written is a part of what the schema allows: members in the schema's order and none
 * beyond those named, integers of up to 18 digits, spaces as grammar.h has them. Pure, any thread.
 */
#ifndef ENGINE_SCHEMA_H
#define ENGINE_SCHEMA_H

#include "engine/grammar.h"

enum {
    SCHEMA_BYTES = 64 << 10, /* written by hand or by a class definition */
    SCHEMA_NODES = 4096,     /* schemas in it */
    SCHEMA_RANGE = 1024,     /* integers between `minimum` and `maximum` */
    SCHEMA_REPEATS = 1 << 20 /* highest `minItems`, `maxLength`, … */
};

/* Returns new; NULL with ENGINE_REQUEST and the place in the schema. */
struct grammar *schema_compile(const char *text, size_t length, struct engine_error *error);

#endif
