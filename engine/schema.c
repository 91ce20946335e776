/* Two passes over a list of nodes, one for each schema inside the schema: reading (a node's
 * subschemas join the end of the list, so nothing recurses), and how many frames each needs at
 * least: a recursive schema that cannot end is found there. The third, the program, is
 * schema_program.c's. */
#include "engine/schema_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/error.h"

enum { PATH = 160 };

enum keyword {
    TYPE,
    ENUM,
    CONST,
    ANY_OF,
    ALL_OF,
    REF,
    PROPERTIES,
    REQUIRED,
    ADDITIONAL,
    ITEMS,
    MIN_ITEMS,
    MAX_ITEMS,
    MIN_LENGTH,
    MAX_LENGTH,
    MINIMUM,
    MAXIMUM,
    KEYWORDS,
    PASSED_OVER = KEYWORDS
};

static const struct {
    const char *name;
    enum keyword keyword;
    unsigned types; /* what it says something about */
} NAMES[] = {
    {"type", TYPE, 0},
    {"enum", ENUM, 0},
    {"const", CONST, 0},
    {"anyOf", ANY_OF, 0},
    {"allOf", ALL_OF, 0},
    {"$ref", REF, 0},
    {"properties", PROPERTIES, OBJECTS},
    {"required", REQUIRED, OBJECTS},
    {"additionalProperties", ADDITIONAL, OBJECTS},
    {"items", ITEMS, ARRAYS},
    {"minItems", MIN_ITEMS, ARRAYS},
    {"maxItems", MAX_ITEMS, ARRAYS},
    {"minLength", MIN_LENGTH, STRINGS},
    {"maxLength", MAX_LENGTH, STRINGS},
    {"minimum", MINIMUM, INTEGERS},
    {"maximum", MAXIMUM, INTEGERS},
    {"title", PASSED_OVER, 0},
    {"description", PASSED_OVER, 0},
    {"default", PASSED_OVER, 0},
    {"examples", PASSED_OVER, 0},
    {"deprecated", PASSED_OVER, 0},
    {"readOnly", PASSED_OVER, 0},
    {"writeOnly", PASSED_OVER, 0},
    {"$schema", PASSED_OVER, 0},
    {"$id", PASSED_OVER, 0},
    {"$comment", PASSED_OVER, 0},
    {"$defs", PASSED_OVER, 0},
    {"definitions", PASSED_OVER, 0},
};
enum { NAME_COUNT = sizeof NAMES / sizeof *NAMES };

typedef const struct json_tree_value *given_t[KEYWORDS];

/* --- Where --- */

static void write_path(const struct compiler *c, int number, char *out, size_t size)
{
    const struct node *node = &c->nodes[number];
    if (node->parent < 0) {
        snprintf(out, size, "%.*s", (int)node->name_length, node->name);
        return;
    }
    write_path(c, node->parent, out, size);
    size_t used = strlen(out);
    snprintf(out + used, size - used, "/%s%s%.*s", node->keyword, node->name ? "/" : "",
             (int)node->name_length, node->name ? node->name : "");
}

/* A name in the schema's own text has no end of its own. */
static bool refuse_name(const struct compiler *c, int number, const char *name, uint32_t length,
                        const char *why)
{
    char path[PATH];
    write_path(c, number, path, sizeof path);
    return engine_fail(c->error, ENGINE_REQUEST, "the schema at %s: \"%.*s\" %s", path,
                       length < 64 ? (int)length : 64, name, why);
}

static bool refuse(const struct compiler *c, int number, const char *what, const char *why)
{
    return refuse_name(c, number, what, (uint32_t)strlen(what), why);
}

/* --- The list of nodes --- */

/* The node of a schema, which may be on the list already; -1 past the limit. */
static int node_of(struct compiler *c, const struct json_tree_value *value, int parent,
                   const char *keyword, const char *name, uint32_t name_length)
{
    for (int i = 0; i < c->node_count; i++)
        if (c->nodes[i].value == value)
            return i;
    if (c->node_count == SCHEMA_NODES) {
        engine_fail(c->error, ENGINE_REQUEST, "the schema holds more than %d schemas",
                    SCHEMA_NODES);
        return -1;
    }
    c->nodes[c->node_count] = (struct node){.value = value,
                                            .parent = parent,
                                            .keyword = keyword,
                                            .name = name,
                                            .name_length = name_length,
                                            .items = -1,
                                            .values = -1};
    return c->node_count++;
}

/* The one that allows any JSON text. */
static int anything(struct compiler *c)
{
    return node_of(c, NULL, -1, NULL, "#", 1);
}

static bool add_link(struct compiler *c, struct node *node, struct link link)
{
    if (link.node < 0)
        return false;
    if (c->link_count == SCHEMA_NODES)
        return engine_fail(c->error, ENGINE_REQUEST, "the schema refers to more than %d schemas",
                           SCHEMA_NODES);
    if (!node->links++)
        node->first_link = c->link_count;
    c->links[c->link_count++] = link;
    return true;
}

/* --- Reading --- */

static bool read_keywords(const struct compiler *c, int number, given_t given)
{
    for (const struct json_tree_value *v = c->nodes[number].value->first; v; v = v->next) {
        int i = 0;
        while (i < NAME_COUNT && (strlen(NAMES[i].name) != v->key_length ||
                                  memcmp(NAMES[i].name, v->key, v->key_length)))
            i++;
        if (i == NAME_COUNT)
            return refuse_name(c, number, v->key, v->key_length,
                               "is not among the keywords that can be promised");
        if (NAMES[i].keyword != PASSED_OVER && !given[NAMES[i].keyword])
            given[NAMES[i].keyword] = v;
    }
    return true;
}

/* Nothing that says anything may stand beside `keyword`, but for `beside`. */
static bool stands_alone(const struct compiler *c, int number, given_t given, enum keyword keyword,
                         enum keyword beside)
{
    for (int i = 0; i < NAME_COUNT; i++) {
        enum keyword other = NAMES[i].keyword;
        if (other != PASSED_OVER && other != keyword && other != beside && given[other])
            return refuse(c, number, NAMES[i].name,
                          "cannot stand beside \"enum\", \"const\", \"anyOf\", \"allOf\" or "
                          "\"$ref\"");
    }
    return true;
}

static bool read_count(const struct compiler *c, int number, given_t given, enum keyword keyword,
                       const char *name, uint32_t *out)
{
    if (!given[keyword])
        return true;
    int64_t value = json_tree_integer(given[keyword], -1);
    if (value < 0 || value > SCHEMA_REPEATS)
        return refuse(c, number, name, "must be a whole number from 0 to 1048576");
    *out = (uint32_t)value;
    return true;
}

static bool read_counts(struct compiler *c, int number, given_t given)
{
    struct node *node = &c->nodes[number];
    node->most_items = node->most_length = GRAMMAR_UNBOUNDED;
    if (!read_count(c, number, given, MIN_ITEMS, "minItems", &node->least_items) ||
        !read_count(c, number, given, MAX_ITEMS, "maxItems", &node->most_items) ||
        !read_count(c, number, given, MIN_LENGTH, "minLength", &node->least_length) ||
        !read_count(c, number, given, MAX_LENGTH, "maxLength", &node->most_length))
        return false;
    if (node->least_items > node->most_items)
        return refuse(c, number, "minItems", "is above \"maxItems\"");
    return node->least_length <= node->most_length ||
           refuse(c, number, "minLength", "is above \"maxLength\"");
}

static bool read_range(struct compiler *c, int number, given_t given)
{
    struct node *node = &c->nodes[number];
    node->has_minimum = given[MINIMUM];
    node->has_maximum = given[MAXIMUM];
    node->minimum = json_tree_integer(given[MINIMUM], INT64_MIN);
    node->maximum = json_tree_integer(given[MAXIMUM], INT64_MIN);
    if (!node->has_minimum && !node->has_maximum)
        return true;
    const char *name = node->has_minimum ? "minimum" : "maximum";
    if (node->types & NUMBERS)
        return refuse(c, number, name, "can be promised of an \"integer\" only");
    if ((node->has_minimum && node->minimum == INT64_MIN) ||
        (node->has_maximum && node->maximum == INT64_MIN))
        return refuse(c, number, name, "must be a whole number");
    if (!node->has_maximum)
        return node->minimum == 0 || node->minimum == 1 ||
               refuse(c, number, name, "without \"maximum\" must be 0 or 1");
    if (!node->has_minimum)
        return refuse(c, number, name, "needs \"minimum\" beside it");
    return (node->minimum <= node->maximum && node->maximum - node->minimum < SCHEMA_RANGE) ||
           refuse(c, number, name, "and \"maximum\" must have 1 to 1024 values between them");
}

static unsigned type_of_word(const struct json_tree_value *word)
{
    static const struct {
        const char *word;
        unsigned type;
    } TYPES[] = {{"null", NULLS},     {"boolean", BOOLEANS}, {"integer", INTEGERS},
                 {"number", NUMBERS}, {"string", STRINGS},   {"array", ARRAYS},
                 {"object", OBJECTS}};
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (json_tree_is(word, TYPES[i].word))
            return TYPES[i].type;
    return 0;
}

/* Without `type`, what the other keywords speak of; with none of them, anything. */
static bool read_types(struct compiler *c, int number, given_t given)
{
    struct node *node = &c->nodes[number];
    const struct json_tree_value *type = given[TYPE];
    if (!type) {
        for (int i = 0; i < NAME_COUNT; i++)
            if (NAMES[i].keyword != PASSED_OVER && given[NAMES[i].keyword])
                node->types |= NAMES[i].types;
        node->types = node->types ? node->types : ANYTHING;
        return true;
    }
    if (type->kind != JSON_TREE_ARRAY) {
        node->types = type_of_word(type);
        return node->types || refuse(c, number, "type", "is none that JSON has");
    }
    for (const struct json_tree_value *v = type->first; v; v = v->next) {
        if (!type_of_word(v))
            return refuse(c, number, "type", "names one that JSON does not have");
        node->types |= type_of_word(v);
    }
    return node->types || refuse(c, number, "type", "names none");
}

unsigned schema_type_of(const struct json_tree_value *v)
{
    static const unsigned TYPES[] = {
        [JSON_TREE_NULL] = NULLS,     [JSON_TREE_BOOL] = BOOLEANS, [JSON_TREE_NUMBER] = NUMBERS,
        [JSON_TREE_STRING] = STRINGS, [JSON_TREE_ARRAY] = 0,       [JSON_TREE_OBJECT] = 0};
    bool whole = v->kind == JSON_TREE_NUMBER && v->number == floor(v->number);
    return TYPES[v->kind] | (whole ? INTEGERS : 0);
}

static bool read_plain(struct compiler *c, int number, given_t given)
{
    struct node *node = &c->nodes[number];
    bool one = given[CONST];
    const struct json_tree_value *list = given[ENUM];
    if (!stands_alone(c, number, given, one ? CONST : ENUM, TYPE) ||
        (given[TYPE] && !read_types(c, number, given)))
        return false;
    if (!one && (list->kind != JSON_TREE_ARRAY || !list->length))
        return refuse(c, number, "enum", "must be a list of values");
    node->plain = one ? given[CONST] : list->first;
    node->plains = one ? 1 : list->length;
    node->types = given[TYPE] ? node->types : ANYTHING;
    bool any = false;
    const struct json_tree_value *v = node->plain;
    for (uint32_t i = 0; i < node->plains; i++, v = v->next) {
        if (!schema_type_of(v))
            return refuse(c, number, one ? "const" : "enum", "can hold plain values only");
        any |= schema_type_of(v) & node->types;
    }
    return any || refuse(c, number, one ? "const" : "enum", "has no value of the \"type\"");
}

static bool read_choices(struct compiler *c, int number, given_t given)
{
    enum keyword keyword = given[ANY_OF] ? ANY_OF : ALL_OF;
    const char *name = given[ANY_OF] ? "anyOf" : "allOf";
    const struct json_tree_value *list = given[keyword];
    struct node *node = &c->nodes[number];
    node->is_choice = true;
    if (!stands_alone(c, number, given, keyword, keyword))
        return false;
    if (list->kind != JSON_TREE_ARRAY || !list->length)
        return refuse(c, number, name, "must be a list of schemas");
    if (keyword == ALL_OF && list->length > 1)
        return refuse(c, number, name, "of more than one schema cannot be promised");
    for (const struct json_tree_value *v = list->first; v; v = v->next)
        if (!add_link(c, node, (struct link){.node = node_of(c, v, number, name, NULL, 0)}))
            return false;
    return true;
}

/* One step of a JSON pointer, escapes included. */
static const struct json_tree_value *step_down(const struct json_tree_value *from, const char *name,
                                               size_t length)
{
    char key[256];
    size_t used = 0;
    for (size_t i = 0; i < length && used + 1 < sizeof key; i++) {
        bool escape = name[i] == '~' && i + 1 < length;
        key[used++] = !escape ? name[i] : name[++i] == '1' ? '/' : '~';
    }
    key[used] = '\0';
    if (from->kind == JSON_TREE_OBJECT)
        return json_tree_get(from, key);
    char *end = key;
    unsigned long index = strtoul(key, &end, 10);
    const struct json_tree_value *item = from->kind == JSON_TREE_ARRAY ? from->first : NULL;
    while (item && index--)
        item = item->next;
    return end == key || *end ? NULL : item;
}

static bool read_reference(struct compiler *c, int number, given_t given)
{
    const struct json_tree_value *ref = given[REF], *target = json_tree_root(c->json);
    if (!stands_alone(c, number, given, REF, REF))
        return false;
    if (ref->kind != JSON_TREE_STRING || !ref->length || *ref->text != '#')
        return refuse(c, number, "$ref", "must be a pointer into this schema, as \"#/$defs/NAME\"");
    const char *at = ref->text + 1, *end = ref->text + ref->length;
    while (target && at < end && *at == '/') {
        at++;
        const char *slash = memchr(at, '/', (size_t)(end - at));
        slash = slash ? slash : end;
        target = step_down(target, at, (size_t)(slash - at));
        at = slash;
    }
    if (!target || at < end)
        return refuse(c, number, "$ref", "points to nothing in this schema");
    c->nodes[number].is_choice = true;
    int node = node_of(c, target, -1, NULL, ref->text, ref->length);
    return add_link(c, &c->nodes[number], (struct link){.node = node});
}

static struct link *find_member(struct compiler *c, const struct node *node, const char *key,
                                uint32_t length)
{
    for (int i = node->first_link; i < node->first_link + node->links; i++)
        if (c->links[i].key_length == length && !memcmp(c->links[i].key, key, length))
            return &c->links[i];
    return NULL;
}

static bool read_required(struct compiler *c, int number, const struct json_tree_value *list)
{
    if (list->kind != JSON_TREE_ARRAY)
        return refuse(c, number, "required", "must be a list of names");
    for (const struct json_tree_value *v = list->first; v; v = v->next) {
        if (v->kind != JSON_TREE_STRING)
            return refuse(c, number, "required", "must be a list of names");
        struct link *member = find_member(c, &c->nodes[number], v->text, v->length);
        if (!member)
            return refuse_name(c, number, v->text, v->length,
                               "is required, but not among \"properties\"");
        member->required = true;
    }
    return true;
}

/* Members by name, or a free object of any names where none is known. */
static bool read_object(struct compiler *c, int number, given_t given)
{
    const struct json_tree_value *members = given[PROPERTIES], *more = given[ADDITIONAL];
    struct node *node = &c->nodes[number];
    bool closed = more && more->kind == JSON_TREE_BOOL && more->number == 0;
    if (members && members->kind != JSON_TREE_OBJECT)
        return refuse(c, number, "properties", "must be an object of schemas");
    for (const struct json_tree_value *v = members ? members->first : NULL; v; v = v->next) {
        if (find_member(c, node, v->key, v->key_length))
            return refuse_name(c, number, v->key, v->key_length,
                               "stands twice among \"properties\"");
        int member = node_of(c, v, number, "properties", v->key, v->key_length);
        if (!add_link(c, node,
                      (struct link){.node = member, .key = v->key, .key_length = v->key_length}))
            return false;
    }
    if (given[REQUIRED] && !read_required(c, number, given[REQUIRED]))
        return false;
    if (node->links && more && more->kind == JSON_TREE_OBJECT)
        return refuse(c, number, "additionalProperties", "beside \"properties\" can only be false");
    if (node->links || closed)
        return true;
    bool free_values = !more || more->kind == JSON_TREE_BOOL;
    node->values =
        free_values ? anything(c) : node_of(c, more, number, "additionalProperties", NULL, 0);
    return node->values >= 0;
}

static bool read_items(struct compiler *c, int number, given_t given)
{
    int items = given[ITEMS] ? node_of(c, given[ITEMS], number, "items", NULL, 0) : anything(c);
    c->nodes[number].items = items;
    return items >= 0;
}

static bool read_node(struct compiler *c, int number)
{
    given_t given = {NULL};
    struct node *node = &c->nodes[number];
    if (node->value && node->value->kind == JSON_TREE_BOOL && !node->value->number)
        return refuse(c, number, "false", "allows nothing at all");
    if (node->value && node->value->kind == JSON_TREE_OBJECT) {
        if (!read_keywords(c, number, given))
            return false;
    } else if (node->value && node->value->kind != JSON_TREE_BOOL) {
        return refuse(c, number, node->keyword ? node->keyword : "#", "must be an object");
    }
    if (given[REF])
        return read_reference(c, number, given);
    if (given[ANY_OF] || given[ALL_OF])
        return read_choices(c, number, given);
    if (given[ENUM] || given[CONST])
        return read_plain(c, number, given);
    return read_types(c, number, given) && read_counts(c, number, given) &&
           read_range(c, number, given) &&
           (!(node->types & OBJECTS) || read_object(c, number, given)) &&
           (!(node->types & ARRAYS) || read_items(c, number, given));
}

/* --- Needs --- */

/* Frames that the shortest text of a node takes, as far as is known by now. */
static uint32_t need_of(const struct compiler *c, const struct node *node)
{
    uint32_t need = GRAMMAR_UNBOUNDED, members = 0;
    for (int i = node->first_link; i < node->first_link + node->links; i++) {
        const struct link *link = &c->links[i];
        uint32_t inner = c->nodes[link->node].need;
        if (node->is_choice)
            need = smaller(need, inner);
        else if (link->required && inner > members)
            members = inner;
    }
    if (!node->is_choice) {
        if (node->plain || node->types & ~(unsigned)(OBJECTS | ARRAYS))
            need = 0;
        if (node->types & OBJECTS)
            need = smaller(need, members);
        if (node->types & ARRAYS)
            need = smaller(need, node->least_items ? c->nodes[node->items].need : 0);
    }
    return need == GRAMMAR_UNBOUNDED ? need : need + 1;
}

static bool find_needs(struct compiler *c)
{
    bool changed = true;
    for (int i = 0; i < c->node_count; i++)
        c->nodes[i].need = GRAMMAR_UNBOUNDED;
    while (changed) {
        changed = false;
        for (int i = c->node_count; i-- > 0;) {
            uint32_t need = need_of(c, &c->nodes[i]);
            changed |= need != c->nodes[i].need;
            c->nodes[i].need = need;
        }
    }
    if (c->nodes[0].need <= GRAMMAR_DEPTH)
        return true;
    return engine_fail(c->error, ENGINE_REQUEST,
                       "the schema: every text that it allows nests more than %d deep",
                       GRAMMAR_DEPTH);
}

/* --- All of it --- */

static bool compile(struct compiler *c)
{
    if (node_of(c, json_tree_root(c->json), -1, NULL, "#", 1) < 0)
        return false;
    for (int i = 0; i < c->node_count; i++)
        if (!read_node(c, i))
            return false;
    c->grammar = grammar_new();
    if (!c->grammar)
        return engine_no_memory(c->error, "a grammar");
    return find_needs(c) && schema_program(c);
}

struct grammar *schema_compile(const char *text, size_t length, struct engine_error *error)
{
    if (length > SCHEMA_BYTES) {
        engine_fail(error, ENGINE_REQUEST, "the schema has %zu bytes: at most %d are possible",
                    length, SCHEMA_BYTES);
        return NULL;
    }
    struct compiler *c = calloc(1, sizeof *c);
    struct grammar *made = NULL;
    if (!c)
        engine_no_memory(error, "a schema");
    else if ((c->json = json_tree_parse(text, length, "the schema", error))) {
        c->error = error;
        if (compile(c))
            made = c->grammar;
        else
            grammar_free(c->grammar);
        if (!made && error)
            error->code = error->code == ENGINE_MEMORY ? ENGINE_MEMORY : ENGINE_REQUEST;
        json_tree_free(c->json);
    } else if (error && error->code == ENGINE_FORMAT)
        error->code = ENGINE_REQUEST;
    free(c);
    return made;
}
