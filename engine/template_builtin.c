/* Jinja's filters and tests, its functions, and what the files of texts and collections share. One
 * table each. What is not here fails by name when it is reached, so that a template which calls it
 * only for tools still works. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/error.h"
#include "engine/template_builtin.h"

struct value builtin_argument(const struct arguments *arguments, size_t at, const char *name)
{
    if (at < arguments->count)
        return arguments->values[at];
    const struct value *named = value_find(&arguments->named, marked_literal(name));
    return named ? *named : value_undefined();
}

struct marked builtin_text_argument(const struct arguments *arguments, size_t at, const char *name)
{
    struct value value = builtin_argument(arguments, at, name);
    return value.kind == VALUE_TEXT ? value.text : marked_literal("");
}

struct value builtin_wrong_kind(struct rendering *rendering, const char *what)
{
    return rendering_fail(rendering, ENGINE_UNSUPPORTED, "uses \"%s\" on another kind of value",
                          what);
}

void builtin_append(struct rendering *rendering, struct value list, struct value item)
{
    if (!rendering->failed)
        rendering_has(rendering, value_append(rendering->pool, list.list, item));
}

struct value builtin_new_list(struct rendering *rendering)
{
    struct value list = value_new_list(rendering->pool);
    rendering_has(rendering, list.kind == VALUE_LIST);
    return list;
}

void builtin_write(struct rendering *rendering, struct marked_buffer *buffer, struct marked text)
{
    if (!rendering->failed)
        rendering_has(rendering, marked_add(rendering->pool, buffer, text));
}

builtin builtin_look_up(const struct builtin_name *names, size_t count, struct marked name)
{
    for (size_t i = 0; i < count; i++)
        if (marked_is(name, names[i].name))
            return names[i].run;
    return NULL;
}

/* --- JSON --- */

/* How json.dumps writes a character that a JSON string may not hold as it is; false: as it is. */
static bool json_escape(unsigned char byte, char out[8])
{
    static const char codes[] = "\"\\\n\r\t\b\f", letters[] = "\"\\nrtbf";
    const char *code = byte ? strchr(codes, byte) : NULL;
    if (code)
        snprintf(out, 8, "\\%c", letters[code - codes]);
    else
        snprintf(out, 8, "\\u%04x", byte);
    return code || byte < 0x20;
}

static void write_json_text(struct rendering *rendering, struct marked_buffer *out,
                            struct marked text)
{
    char escaped[8];
    builtin_write(rendering, out, marked_literal("\""));
    size_t done = 0;
    for (size_t i = 0; i < text.length && !rendering->failed; i++) {
        if (!json_escape((unsigned char)text.bytes[i], escaped))
            continue;
        builtin_write(rendering, out, marked_part(text, done, i));
        builtin_write(rendering, out, marked_literal(escaped));
        done = i + 1;
    }
    builtin_write(rendering, out, marked_part(text, done, text.length));
    builtin_write(rendering, out, marked_literal("\""));
}

static void write_json(struct rendering *rendering, struct marked_buffer *out, struct value value,
                       int depth)
{
    if (depth > 50)
        rendering_fail(rendering, ENGINE_UNSUPPORTED, "writes JSON that is nested too deeply");
    if (rendering->failed)
        return;
    if (value.kind == VALUE_TEXT) {
        write_json_text(rendering, out, value.text);
    } else if (value.kind == VALUE_LIST) {
        builtin_write(rendering, out, marked_literal("["));
        for (size_t i = 0; i < value.list->count && !rendering->failed; i++) {
            builtin_write(rendering, out, marked_literal(i > 0 ? ", " : ""));
            write_json(rendering, out, value.list->items[i], depth + 1);
        }
        builtin_write(rendering, out, marked_literal("]"));
    } else if (value.kind == VALUE_DICT) {
        builtin_write(rendering, out, marked_literal("{"));
        for (size_t i = 0; i < value.dict->count && !rendering->failed; i++) {
            builtin_write(rendering, out, marked_literal(i > 0 ? ", " : ""));
            write_json_text(rendering, out, value.dict->entries[i].key);
            builtin_write(rendering, out, marked_literal(": "));
            write_json(rendering, out, value.dict->entries[i].value, depth + 1);
        }
        builtin_write(rendering, out, marked_literal("}"));
    } else if (value.kind == VALUE_BOOL) {
        builtin_write(rendering, out, marked_literal(value.number ? "true" : "false"));
    } else if (value.kind == VALUE_NUMBER) {
        builtin_write(rendering, out, rendering_text(rendering, value));
    } else {
        builtin_write(rendering, out, marked_literal("null"));
    }
}

static struct value to_json(struct rendering *rendering, struct value subject,
                            const struct arguments *arguments)
{
    struct marked_buffer out = {0};
    for (size_t i = 0; i < arguments->named.count; i++)
        if (!marked_is(arguments->named.entries[i].key, "ensure_ascii"))
            return rendering_fail(rendering, ENGINE_UNSUPPORTED, "asks for JSON in another layout");
    write_json(rendering, &out, subject, 0);
    return value_text(marked_done(&out));
}

/* --- Of any kind of value --- */

static struct value to_text(struct rendering *rendering, struct value subject,
                            const struct arguments *arguments)
{
    (void)arguments;
    return value_text(rendering_text(rendering, subject));
}
static struct value otherwise(struct rendering *rendering, struct value subject,
                              const struct arguments *arguments)
{
    (void)rendering;
    bool also_false = value_truth(builtin_argument(arguments, 1, "boolean"));
    bool missing = subject.kind == VALUE_UNDEFINED || (also_false && !value_truth(subject));
    struct value value = builtin_argument(arguments, 0, "default_value");
    return !missing ? subject : value.kind == VALUE_UNDEFINED ? value_literal("") : value;
}

static struct value same(struct rendering *rendering, struct value subject,
                         const struct arguments *arguments)
{
    (void)rendering, (void)arguments;
    return subject;
}

static struct value to_integer(struct rendering *rendering, struct value subject,
                               const struct arguments *arguments)
{
    (void)rendering, (void)arguments;
    int64_t number = 0;
    if (subject.kind != VALUE_TEXT)
        return value_number(
            subject.kind == VALUE_NUMBER || subject.kind == VALUE_BOOL ? subject.number : 0);
    for (size_t i = 0; i < subject.text.length && i < 12; i++) {
        char digit = subject.text.bytes[i];
        if (digit < '0' || digit > '9')
            return value_number(0);
        number = number * 10 + (digit - '0');
    }
    return value_number(number);
}

static const struct builtin_name plain_filters[] = {
    {"string", to_text}, {"tojson", to_json}, {"default", otherwise},
    {"d", otherwise},    {"safe", same},      {"int", to_integer},
};

struct value builtin_filter(struct rendering *rendering, struct marked name, struct value subject,
                            const struct arguments *arguments)
{
    builtin run = BUILTIN_LOOK_UP(plain_filters, name);
    run = run ? run : builtin_text_filter(name);
    run = run ? run : builtin_collection_filter(name);
    if (run)
        return run(rendering, subject, arguments);
    return rendering_fail(rendering, ENGINE_UNSUPPORTED,
                          "uses a filter that is not supported: \"%.*s\"", (int)name.length,
                          name.bytes);
}

struct value builtin_method(struct rendering *rendering, struct marked name, struct value subject,
                            const struct arguments *arguments)
{
    builtin run = subject.kind == VALUE_TEXT   ? builtin_text_method(name)
                  : subject.kind == VALUE_DICT ? builtin_dict_method(name)
                                               : NULL;
    if (run)
        return run(rendering, subject, arguments);
    return rendering_fail(rendering, ENGINE_UNSUPPORTED,
                          "calls a method that is not supported here: \"%.*s\"", (int)name.length,
                          name.bytes);
}

/* --- Tests --- */

enum kind_bits {
    UNDEFINED = 1 << VALUE_UNDEFINED,
    NONE = 1 << VALUE_NONE,
    BOOL = 1 << VALUE_BOOL,
    NUMBER = 1 << VALUE_NUMBER,
    TEXT = 1 << VALUE_TEXT,
    LIST = 1 << VALUE_LIST,
    DICT = 1 << VALUE_DICT,
    MACRO = 1 << VALUE_MACRO
};

static const struct {
    const char *name;
    int kinds;
} kind_tests[] = {
    {"defined", ~UNDEFINED},
    {"undefined", UNDEFINED},
    {"none", NONE},
    {"boolean", BOOL},
    {"integer", NUMBER},
    {"number", NUMBER | BOOL},
    {"string", TEXT},
    {"mapping", DICT},
    {"sequence", TEXT | LIST | DICT},
    {"iterable", TEXT | LIST | DICT | UNDEFINED},
    {"callable", MACRO},
};

static const struct {
    const char *name;
    int below, equal, above; /* what the test says of each order */
} order_tests[] = {
    {"lt", 1, 0, 0},          {"lessthan", 1, 0, 0}, {"le", 1, 1, 0}, {"gt", 0, 0, 1},
    {"greaterthan", 0, 0, 1}, {"ge", 0, 1, 1},       {"<", 1, 0, 0},  {">", 0, 0, 1},
};

static bool test_number(struct rendering *rendering, struct marked name, struct value subject,
                        struct value by)
{
    int64_t divisor = by.kind == VALUE_NUMBER ? by.number : 2;
    if ((subject.kind != VALUE_NUMBER && subject.kind != VALUE_BOOL) || divisor == 0) {
        builtin_wrong_kind(rendering, "is divisibleby");
        return false;
    }
    return (subject.number % divisor == 0) != marked_is(name, "odd");
}

static bool contains(struct value container, struct value sought)
{
    if (container.kind == VALUE_TEXT && sought.kind == VALUE_TEXT)
        return marked_find(container.text, sought.text, 0) != SIZE_MAX;
    for (size_t i = 0; container.kind == VALUE_LIST && i < container.list->count; i++)
        if (value_equal(container.list->items[i], sought))
            return true;
    return container.kind == VALUE_DICT && sought.kind == VALUE_TEXT &&
           value_find(container.dict, sought.text);
}

bool builtin_test(struct rendering *rendering, struct marked name, struct value subject,
                  const struct arguments *arguments)
{
    struct value other = builtin_argument(arguments, 0, "other");
    int order;
    for (size_t i = 0; i < sizeof kind_tests / sizeof *kind_tests; i++)
        if (marked_is(name, kind_tests[i].name))
            return kind_tests[i].kinds >> subject.kind & 1;
    for (size_t i = 0; i < sizeof order_tests / sizeof *order_tests; i++)
        if (marked_is(name, order_tests[i].name) && value_compare(subject, other, &order))
            return order < 0   ? order_tests[i].below
                   : order > 0 ? order_tests[i].above
                               : order_tests[i].equal;
    if (marked_is(name, "equalto") || marked_is(name, "eq") || marked_is(name, "sameas"))
        return value_equal(subject, other);
    if (marked_is(name, "ne"))
        return !value_equal(subject, other);
    if (marked_is(name, "true") || marked_is(name, "false"))
        return subject.kind == VALUE_BOOL && subject.number == marked_is(name, "true");
    if (marked_is(name, "in"))
        return contains(other, subject);
    if (marked_is(name, "odd") || marked_is(name, "even") || marked_is(name, "divisibleby"))
        return test_number(rendering, name, subject, other);
    rendering_fail(rendering, ENGINE_UNSUPPORTED, "uses a test that is not supported: \"%.*s\"",
                   (int)name.length, name.bytes);
    return false;
}
/* --- Functions --- */

/* Today, as the template writes it. The name is not defined for `is defined`: a template that
 * has a date of its own uses that one, so that the same conversation gives the same tokens
 * tomorrow. */
static struct value strftime_now(struct rendering *rendering, const struct arguments *arguments)
{
    struct marked format = builtin_text_argument(arguments, 0, "format");
    char pattern[64], *text = pool_get(rendering->pool, 256);
    time_t now = time(NULL);
    struct tm parts;
    if (!rendering_has(rendering, text != NULL))
        return value_undefined();
    if (format.length >= sizeof pattern || !gmtime_r(&now, &parts))
        return rendering_fail(rendering, ENGINE_UNSUPPORTED, "writes a date in too long a format");
    memcpy(pattern, format.bytes, format.length);
    pattern[format.length] = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    text[strftime(text, 255, pattern, &parts)] = '\0';
#pragma GCC diagnostic pop
    return value_literal(text);
}

static struct value range(struct rendering *rendering, const struct arguments *arguments)
{
    struct value bound[3] = {builtin_argument(arguments, 0, ""), builtin_argument(arguments, 1, ""),
                             builtin_argument(arguments, 2, "")};
    int64_t from = arguments->count > 1 ? bound[0].number : 0,
            to = bound[arguments->count > 1].number;
    int64_t by = arguments->count > 2 ? bound[2].number : 1;
    for (size_t i = 0; i < arguments->count && i < 3; i++)
        if (bound[i].kind != VALUE_NUMBER)
            return builtin_wrong_kind(rendering, "range");
    if (arguments->count == 0 || by == 0 || (to - from) / by > 100000)
        return rendering_fail(rendering, ENGINE_UNSUPPORTED, "counts through too long a range");
    struct value list = builtin_new_list(rendering);
    for (int64_t i = from; (by > 0 ? i < to : i > to) && !rendering->failed; i += by)
        builtin_append(rendering, list, value_number(i));
    return list;
}

static struct value new_namespace(struct rendering *rendering, const struct arguments *arguments)
{
    struct value dict = value_new_dict(rendering->pool);
    if (!rendering_has(rendering, dict.kind == VALUE_DICT))
        return value_undefined();
    for (size_t i = 0; i < arguments->named.count; i++)
        rendering_has(rendering,
                      value_store(rendering->pool, dict.dict, arguments->named.entries[i].key,
                                  arguments->named.entries[i].value));
    return dict;
}

struct value builtin_function(struct rendering *rendering, struct marked name,
                              const struct arguments *arguments)
{
    if (marked_is(name, "namespace") || marked_is(name, "dict"))
        return new_namespace(rendering, arguments);
    if (marked_is(name, "range"))
        return range(rendering, arguments);
    if (marked_is(name, "strftime_now"))
        return strftime_now(rendering, arguments);
    if (marked_is(name, "raise_exception")) {
        struct marked reason = builtin_text_argument(arguments, 0, "message");
        return rendering_fail(rendering, ENGINE_REQUEST, "refuses this conversation: %.*s",
                              (int)(reason.length < 200 ? reason.length : 200), reason.bytes);
    }
    return rendering_fail(rendering, ENGINE_UNSUPPORTED,
                          "calls a function that is not supported: \"%.*s\"", (int)name.length,
                          name.bytes);
}
