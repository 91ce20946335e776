/* Jinja's filters and tests and Python's methods, as far as chat templates use them. One table
 * each. What is not here fails by name when it is reached, so that a template which calls it
 * only for tools still works. */
#include <string.h>
#include <time.h>

#include "engine/error.h"
#include "engine/letter_case.h"
#include "engine/template_eval.h"
#include "engine/utf8.h"

typedef struct value (*builtin)(struct rendering *rendering, struct value subject,
                                const struct arguments *arguments);

static const struct value undefined = {.kind = VALUE_UNDEFINED};

/* The argument at this place or of this name; undefined where neither is given. */
static struct value argument(const struct arguments *arguments, size_t at, const char *name)
{
    if (at < arguments->count)
        return arguments->values[at];
    const struct value *named = value_find(&arguments->named, marked_literal(name));
    return named ? *named : undefined;
}

static struct marked text_argument(const struct arguments *arguments, size_t at, const char *name)
{
    struct value value = argument(arguments, at, name);
    return value.kind == VALUE_TEXT ? value.text : marked_literal("");
}

static struct value wrong_kind(struct rendering *rendering, const char *what)
{
    return rendering_fail(rendering, ENGINE_UNSUPPORTED, "uses \"%s\" on another kind of value",
                          what);
}

/* --- Texts --- */

/* Python's str.isspace for one character. */
static bool is_space(uint32_t point)
{
    return (point >= 9 && point <= 13) || (point >= 0x1C && point <= 0x20) || point == 0x85 ||
           point == 0xA0 || point == 0x1680 || (point >= 0x2000 && point <= 0x200A) ||
           point == 0x2028 || point == 0x2029 || point == 0x202F || point == 0x205F ||
           point == 0x3000;
}

/* Is the character at `at` to be stripped? White space where `set` is empty. */
static bool strips(struct marked text, size_t at, size_t length, struct marked set)
{
    if (set.length > 0)
        return marked_find(set, marked_part(text, at, at + length), 0) != SIZE_MAX;
    return is_space(utf8_next(text.bytes + at, length).point);
}

static struct marked strip(struct marked text, struct marked set, bool left, bool right)
{
    size_t from = 0, to = text.length;
    while (left && from < to) {
        size_t length = utf8_next(text.bytes + from, to - from).length;
        if (!strips(text, from, length, set))
            break;
        from += length;
    }
    while (right && to > from) {
        size_t at = to - 1;
        while (at > from && to - at < 4 && ((unsigned char)text.bytes[at] & 0xC0) == 0x80)
            at--;
        if (!strips(text, at, to - at, set))
            break;
        to = at;
    }
    return marked_part(text, from, to);
}

static struct value strip_both(struct rendering *rendering, struct value subject,
                               const struct arguments *arguments)
{
    return value_text(strip(rendering_text(rendering, subject),
                            text_argument(arguments, 0, "chars"), true, true));
}

static struct value strip_left(struct rendering *rendering, struct value subject,
                               const struct arguments *arguments)
{
    return value_text(strip(rendering_text(rendering, subject),
                            text_argument(arguments, 0, "chars"), true, false));
}

static struct value strip_right(struct rendering *rendering, struct value subject,
                                const struct arguments *arguments)
{
    return value_text(strip(rendering_text(rendering, subject),
                            text_argument(arguments, 0, "chars"), false, true));
}

static void add(struct rendering *rendering, struct marked_buffer *buffer, struct marked text)
{
    if (!rendering->failed)
        rendering_has(rendering, marked_add(rendering->pool, buffer, text));
}

static struct value replace(struct rendering *rendering, struct value subject,
                            const struct arguments *arguments)
{
    struct marked text = rendering_text(rendering, subject),
                  old = text_argument(arguments, 0, "old"),
                  new = text_argument(arguments, 1, "new");
    struct value count = argument(arguments, 2, "count");
    int64_t left = count.kind == VALUE_NUMBER && count.number >= 0 ? count.number : INT64_MAX;
    struct marked_buffer buffer = {0};
    size_t done = 0;
    if (old.length == 0)
        return value_text(text);
    for (size_t at; left > 0 && (at = marked_find(text, old, done)) != SIZE_MAX; left--) {
        add(rendering, &buffer, marked_part(text, done, at));
        add(rendering, &buffer, new);
        done = at + old.length;
    }
    add(rendering, &buffer, marked_part(text, done, text.length));
    return value_text(marked_done(&buffer));
}

enum casing { ALL_UPPER, ALL_LOWER, FIRST_TITLE, WORDS, WORDS_OF_LETTERS };

/* The case of a character behind `before` (0: it is the first). */
static enum letter_case case_of(enum casing casing, uint32_t before)
{
    bool opens = before == 0 || is_space(before) || (before < 0x80 && strchr("-({[<", (int)before));
    if (casing == ALL_UPPER || (casing == WORDS && opens))
        return LETTER_UPPER;
    if ((casing == FIRST_TITLE && before == 0) ||
        (casing == WORDS_OF_LETTERS && !letter_has_case(before)))
        return LETTER_TITLE;
    return LETTER_LOWER;
}

/* A sigma at the end of a word has a form of its own. `letter`: before it, or 0. */
static bool is_last_sigma(struct marked text, size_t next, uint32_t point, uint32_t letter)
{
    bool last = point == 0x3A3 && letter_has_case(letter);
    while (last && next < text.length) {
        struct utf8_step step = utf8_next(text.bytes + next, text.length - next);
        if (!letter_is_ignored(step.point))
            return !letter_has_case(step.point);
        next += step.length;
    }
    return last;
}

/* What stands beside a character's bytes goes with what it becomes. */
static struct value change_case(struct rendering *rendering, struct value subject,
                                enum casing casing)
{
    struct marked text = rendering_text(rendering, subject);
    struct marked_buffer buffer = {0};
    uint32_t before = 0, letter = 0;
    for (size_t at = 0; at < text.length && !rendering->failed;) {
        struct utf8_step step = utf8_next(text.bytes + at, text.length - at);
        enum letter_case wanted = case_of(casing, before);
        uint32_t points[LETTER_MOST];
        char bytes[4 * LETTER_MOST];
        unsigned char marks[4 * LETTER_MOST];
        size_t used = 0;
        int count = letter_cased(step.point, wanted, points);
        if (wanted == LETTER_LOWER && is_last_sigma(text, at + step.length, step.point, letter))
            points[0] = 0x3C2;
        for (int i = 0; i < count; i++)
            used += utf8_put(bytes + used, points[i]);
        memset(marks, text.marks ? text.marks[at] : 1, sizeof marks);
        add(rendering, &buffer,
            step.valid ? (struct marked){bytes, marks, used}
                       : marked_part(text, at, at + step.length));
        before = step.point;
        letter = letter_is_ignored(before) ? letter : before;
        at += step.length;
    }
    return value_text(marked_done(&buffer));
}

static struct value to_upper(struct rendering *rendering, struct value subject,
                             const struct arguments *arguments)
{
    (void)arguments;
    return change_case(rendering, subject, ALL_UPPER);
}

static struct value to_lower(struct rendering *rendering, struct value subject,
                             const struct arguments *arguments)
{
    (void)arguments;
    return change_case(rendering, subject, ALL_LOWER);
}

static struct value capitalize(struct rendering *rendering, struct value subject,
                               const struct arguments *arguments)
{
    (void)arguments;
    return change_case(rendering, subject, FIRST_TITLE);
}

/* Jinja's filter: words begin behind blanks, dashes and opening brackets. */
static struct value title_filter(struct rendering *rendering, struct value subject,
                                 const struct arguments *arguments)
{
    (void)arguments;
    return change_case(rendering, subject, WORDS);
}

/* Python's method: behind all that is no letter. */
static struct value title_method(struct rendering *rendering, struct value subject,
                                 const struct arguments *arguments)
{
    (void)arguments;
    return change_case(rendering, subject, WORDS_OF_LETTERS);
}

/* Python's str.format with nothing but {}. */
static struct value format(struct rendering *rendering, struct value subject,
                           const struct arguments *arguments)
{
    struct marked text = rendering_text(rendering, subject);
    struct marked_buffer buffer = {0};
    size_t done = 0, next = 0;
    for (size_t at = 0; at < text.length && !rendering->failed; at++) {
        char byte = text.bytes[at], after = at + 1 < text.length ? text.bytes[at + 1] : 0;
        if (byte != '{' && byte != '}')
            continue;
        add(rendering, &buffer, marked_part(text, done, at));
        if (byte == after)
            add(rendering, &buffer, marked_part(text, at, at + 1));
        else if (byte == '{' && after == '}' && next < arguments->count)
            add(rendering, &buffer, rendering_text(rendering, arguments->values[next++]));
        else
            return wrong_kind(rendering, "format");
        done = at + 2;
        at++;
    }
    add(rendering, &buffer,
        marked_part(text, done < text.length ? done : text.length, text.length));
    return value_text(marked_done(&buffer));
}

static struct value starts_with(struct rendering *rendering, struct value subject,
                                const struct arguments *arguments)
{
    struct marked text = rendering_text(rendering, subject),
                  part = text_argument(arguments, 0, "prefix");
    return value_bool(marked_equal(marked_part(text, 0, part.length), part));
}

static struct value ends_with(struct rendering *rendering, struct value subject,
                              const struct arguments *arguments)
{
    struct marked text = rendering_text(rendering, subject),
                  part = text_argument(arguments, 0, "suffix");
    return value_bool(
        part.length <= text.length &&
        marked_equal(marked_part(text, text.length - part.length, text.length), part));
}

static struct value find(struct rendering *rendering, struct value subject,
                         const struct arguments *arguments)
{
    struct marked text = rendering_text(rendering, subject);
    size_t at = marked_find(text, text_argument(arguments, 0, "sub"), 0);
    int64_t characters = at == SIZE_MAX ? -1 : 0;
    for (size_t i = 0; at != SIZE_MAX && i < at; characters++)
        i += utf8_next(text.bytes + i, text.length - i).length;
    return value_number(characters);
}

static struct value count_parts(struct rendering *rendering, struct value subject,
                                const struct arguments *arguments)
{
    struct marked text = rendering_text(rendering, subject),
                  part = text_argument(arguments, 0, "sub");
    int64_t count = 0;
    for (size_t at = 0; part.length > 0 && (at = marked_find(text, part, at)) != SIZE_MAX;
         at += part.length)
        count++;
    return value_number(count);
}

static void append(struct rendering *rendering, struct value list, struct value item)
{
    if (!rendering->failed)
        rendering_has(rendering, value_append(rendering->pool, list.list, item));
}

static struct value new_list(struct rendering *rendering)
{
    struct value list = value_new_list(rendering->pool);
    rendering_has(rendering, list.kind == VALUE_LIST);
    return list;
}

/* text.split(): runs of white space. */
static struct value split_blanks(struct rendering *rendering, struct marked text)
{
    struct value parts = new_list(rendering);
    for (size_t at = 0, next; at < text.length && !rendering->failed;) {
        size_t from = at;
        bool blank = is_space(utf8_next(text.bytes + at, text.length - at).point);
        for (; at < text.length; at = next) {
            struct utf8_step step = utf8_next(text.bytes + at, text.length - at);
            next = at + step.length;
            if (is_space(step.point) != blank)
                break;
        }
        if (!blank)
            append(rendering, parts, value_text(marked_part(text, from, at)));
    }
    return parts;
}

static struct value split(struct rendering *rendering, struct value subject,
                          const struct arguments *arguments)
{
    struct marked text = rendering_text(rendering, subject),
                  by = text_argument(arguments, 0, "sep");
    struct value most = argument(arguments, 1, "maxsplit");
    int64_t left = most.kind == VALUE_NUMBER && most.number >= 0 ? most.number : INT64_MAX;
    if (by.length == 0)
        return split_blanks(rendering, text);
    struct value parts = new_list(rendering);
    size_t done = 0;
    for (size_t at;
         left > 0 && !rendering->failed && (at = marked_find(text, by, done)) != SIZE_MAX; left--) {
        append(rendering, parts, value_text(marked_part(text, done, at)));
        done = at + by.length;
    }
    append(rendering, parts, value_text(marked_part(text, done, text.length)));
    return parts;
}

/* The last parts, `maxsplit` of them at most, and what stands in front of them. */
static struct value split_from_right(struct rendering *rendering, struct value subject,
                                     const struct arguments *arguments)
{
    struct value most = argument(arguments, 1, "maxsplit"),
                 parts = split(rendering, subject,
                               &(struct arguments){.values = {argument(arguments, 0, "sep")},
                                                   .count = arguments->count > 0});
    struct marked text = rendering_text(rendering, subject),
                  by = text_argument(arguments, 0, "sep");
    if (most.kind != VALUE_NUMBER || most.number < 0 || rendering->failed)
        return parts;
    if (by.length == 0)
        return wrong_kind(rendering, "rsplit");
    size_t count = parts.list->count, kept = (size_t)most.number, head = 0;
    if (kept + 1 >= count)
        return parts;
    struct value list = new_list(rendering);
    for (size_t i = 0; i < count - kept; i++)
        head += parts.list->items[i].text.length + (i ? by.length : 0);
    append(rendering, list, value_text(marked_part(text, 0, head)));
    for (size_t i = count - kept; i < count && !rendering->failed; i++)
        append(rendering, list, parts.list->items[i]);
    return list;
}

static struct value remove_prefix(struct rendering *rendering, struct value subject,
                                  const struct arguments *arguments)
{
    struct marked text = rendering_text(rendering, subject), end = text_argument(arguments, 0, "");
    bool has = end.length <= text.length && marked_equal(marked_part(text, 0, end.length), end);
    return value_text(has ? marked_part(text, end.length, text.length) : text);
}

static struct value remove_suffix(struct rendering *rendering, struct value subject,
                                  const struct arguments *arguments)
{
    struct marked text = rendering_text(rendering, subject), end = text_argument(arguments, 0, "");
    size_t at = text.length - end.length;
    bool has = end.length <= text.length && marked_equal(marked_part(text, at, text.length), end);
    return value_text(has ? marked_part(text, 0, at) : text);
}

static struct value split_lines(struct rendering *rendering, struct value subject,
                                const struct arguments *arguments)
{
    (void)arguments;
    struct marked text = rendering_text(rendering, subject);
    struct value parts = new_list(rendering);
    for (size_t at = 0; at < text.length && !rendering->failed;) {
        size_t end = marked_find(text, marked_literal("\n"), at);
        end = end == SIZE_MAX ? text.length : end;
        append(rendering, parts, value_text(marked_part(text, at, end)));
        at = end + 1;
    }
    return parts;
}

static struct value join(struct rendering *rendering, struct value list, struct marked between)
{
    if (list.kind != VALUE_LIST)
        return wrong_kind(rendering, "join");
    struct marked_buffer buffer = {0};
    for (size_t i = 0; i < list.list->count && !rendering->failed; i++) {
        if (i > 0)
            add(rendering, &buffer, between);
        add(rendering, &buffer, rendering_text(rendering, list.list->items[i]));
    }
    return value_text(marked_done(&buffer));
}

static struct value join_filter(struct rendering *rendering, struct value subject,
                                const struct arguments *arguments)
{
    return join(rendering, subject, text_argument(arguments, 0, "d"));
}

static struct value join_method(struct rendering *rendering, struct value subject,
                                const struct arguments *arguments)
{
    return join(rendering, argument(arguments, 0, "iterable"), rendering_text(rendering, subject));
}

static struct value to_text(struct rendering *rendering, struct value subject,
                            const struct arguments *arguments)
{
    (void)arguments;
    return value_text(rendering_text(rendering, subject));
}

/* --- JSON --- */

static void write_json_text(struct rendering *rendering, struct marked_buffer *out,
                            struct marked text)
{
    static const char codes[] = "\"\\\n\r\t\b\f", *const names[] = {"\\\"", "\\\\", "\\n", "\\r",
                                                                    "\\t",  "\\b",  "\\f"};
    add(rendering, out, marked_literal("\""));
    size_t done = 0;
    for (size_t i = 0; i < text.length && !rendering->failed; i++) {
        const char *code = text.bytes[i] ? strchr(codes, text.bytes[i]) : NULL;
        if (!code)
            continue;
        add(rendering, out, marked_part(text, done, i));
        add(rendering, out, marked_literal(names[code - codes]));
        done = i + 1;
    }
    add(rendering, out, marked_part(text, done, text.length));
    add(rendering, out, marked_literal("\""));
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
        add(rendering, out, marked_literal("["));
        for (size_t i = 0; i < value.list->count && !rendering->failed; i++) {
            add(rendering, out, marked_literal(i > 0 ? ", " : ""));
            write_json(rendering, out, value.list->items[i], depth + 1);
        }
        add(rendering, out, marked_literal("]"));
    } else if (value.kind == VALUE_DICT) {
        add(rendering, out, marked_literal("{"));
        for (size_t i = 0; i < value.dict->count && !rendering->failed; i++) {
            add(rendering, out, marked_literal(i > 0 ? ", " : ""));
            write_json_text(rendering, out, value.dict->entries[i].key);
            add(rendering, out, marked_literal(": "));
            write_json(rendering, out, value.dict->entries[i].value, depth + 1);
        }
        add(rendering, out, marked_literal("}"));
    } else if (value.kind == VALUE_BOOL) {
        add(rendering, out, marked_literal(value.number ? "true" : "false"));
    } else if (value.kind == VALUE_NUMBER) {
        add(rendering, out, rendering_text(rendering, value));
    } else {
        add(rendering, out, marked_literal("null"));
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

/* --- Lists and dictionaries --- */

static struct value length(struct rendering *rendering, struct value subject,
                           const struct arguments *arguments)
{
    (void)arguments;
    int64_t count = 0;
    if (subject.kind == VALUE_LIST)
        return value_number((int64_t)subject.list->count);
    if (subject.kind == VALUE_DICT)
        return value_number((int64_t)subject.dict->count);
    if (subject.kind == VALUE_UNDEFINED)
        return value_number(0);
    if (subject.kind != VALUE_TEXT)
        return wrong_kind(rendering, "length");
    for (size_t at = 0; at < subject.text.length; count++)
        at += utf8_next(subject.text.bytes + at, subject.text.length - at).length;
    return value_number(count);
}

static struct value first(struct rendering *rendering, struct value subject,
                          const struct arguments *arguments)
{
    (void)arguments;
    if (subject.kind != VALUE_LIST)
        return wrong_kind(rendering, "first");
    return subject.list->count > 0 ? subject.list->items[0] : undefined;
}

static struct value last(struct rendering *rendering, struct value subject,
                         const struct arguments *arguments)
{
    (void)arguments;
    if (subject.kind != VALUE_LIST)
        return wrong_kind(rendering, "last");
    return subject.list->count > 0 ? subject.list->items[subject.list->count - 1] : undefined;
}

static struct value reverse(struct rendering *rendering, struct value subject,
                            const struct arguments *arguments)
{
    (void)arguments;
    if (subject.kind != VALUE_LIST)
        return wrong_kind(rendering, "reverse");
    struct value list = new_list(rendering);
    for (size_t i = subject.list->count; i > 0 && !rendering->failed; i--)
        append(rendering, list, subject.list->items[i - 1]);
    return list;
}

/* Keys, values or both of a dictionary, as a list. */
static struct value entries(struct rendering *rendering, struct value subject, bool keys,
                            bool values)
{
    if (subject.kind != VALUE_DICT)
        return wrong_kind(rendering, "items");
    struct value list = new_list(rendering);
    for (size_t i = 0; i < subject.dict->count && !rendering->failed; i++) {
        struct value key = value_text(subject.dict->entries[i].key),
                     value = subject.dict->entries[i].value;
        struct value pair = keys && values ? new_list(rendering) : undefined;
        if (keys && values && !rendering->failed) {
            append(rendering, pair, key);
            append(rendering, pair, value);
        }
        append(rendering, list, keys && values ? pair : keys ? key : value);
    }
    return list;
}

static struct value items(struct rendering *rendering, struct value subject,
                          const struct arguments *arguments)
{
    (void)arguments;
    return entries(rendering, subject, true, true);
}

/* By key, in either case. */
static struct value dict_sort(struct rendering *rendering, struct value subject,
                              const struct arguments *arguments)
{
    struct value pairs = items(rendering, subject, arguments);
    if (arguments->count || arguments->named.count)
        return wrong_kind(rendering, "dictsort");
    for (size_t i = 1; !rendering->failed && i < pairs.list->count; i++) {
        struct value pair = pairs.list->items[i],
                     key = change_case(rendering, pair.list->items[0], ALL_LOWER);
        size_t at = i;
        for (int order; at > 0 && !rendering->failed; at--) {
            struct value *before = &pairs.list->items[at - 1];
            struct value other = change_case(rendering, before->list->items[0], ALL_LOWER);
            if (!value_compare(other, key, &order) || order <= 0)
                break;
            pairs.list->items[at] = *before;
        }
        pairs.list->items[at] = pair;
    }
    return pairs;
}

static struct value keys(struct rendering *rendering, struct value subject,
                         const struct arguments *arguments)
{
    (void)arguments;
    return entries(rendering, subject, true, false);
}

static struct value values(struct rendering *rendering, struct value subject,
                           const struct arguments *arguments)
{
    (void)arguments;
    return entries(rendering, subject, false, true);
}

static struct value get(struct rendering *rendering, struct value subject,
                        const struct arguments *arguments)
{
    if (subject.kind != VALUE_DICT)
        return wrong_kind(rendering, "get");
    const struct value *found = value_find(subject.dict, text_argument(arguments, 0, "key"));
    struct value otherwise = argument(arguments, 1, "default");
    return found                               ? *found
           : otherwise.kind != VALUE_UNDEFINED ? otherwise
                                               : (struct value){.kind = VALUE_NONE};
}

static struct value to_list(struct rendering *rendering, struct value subject,
                            const struct arguments *arguments)
{
    (void)arguments;
    if (subject.kind == VALUE_DICT)
        return entries(rendering, subject, true, false);
    return subject.kind == VALUE_LIST ? subject : wrong_kind(rendering, "list");
}

static struct value otherwise(struct rendering *rendering, struct value subject,
                              const struct arguments *arguments)
{
    (void)rendering;
    bool also_false = value_truth(argument(arguments, 1, "boolean"));
    bool missing = subject.kind == VALUE_UNDEFINED || (also_false && !value_truth(subject));
    struct value value = argument(arguments, 0, "default_value");
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

/* --- Choosing from lists --- */

static struct arguments rest(const struct arguments *arguments, size_t from)
{
    struct arguments left = {.named = arguments->named};
    for (size_t i = from; i < arguments->count; i++)
        left.values[left.count++] = arguments->values[i];
    return left;
}

/* select, reject, selectattr, rejectattr. */
static struct value choose(struct rendering *rendering, struct value subject,
                           const struct arguments *arguments, bool attribute, bool wanted)
{
    struct marked key = attribute ? text_argument(arguments, 0, "attribute") : marked_literal("");
    struct marked test = text_argument(arguments, attribute, "test");
    struct arguments left = rest(arguments, (size_t)attribute + 1);
    struct value list = new_list(rendering);
    if (!value_truth(subject)) /* none, or nothing: Jinja then looks no further */
        return list;
    if (subject.kind != VALUE_LIST)
        return wrong_kind(rendering, "select");
    for (size_t i = 0; i < subject.list->count && !rendering->failed; i++) {
        struct value item = subject.list->items[i];
        struct value looked = attribute ? rendering_attribute(rendering, item, key) : item;
        bool passes =
            test.length > 0 ? builtin_test(rendering, test, looked, &left) : value_truth(looked);
        if (passes == wanted)
            append(rendering, list, item);
    }
    return list;
}

static struct value select_items(struct rendering *rendering, struct value subject,
                                 const struct arguments *arguments)
{
    return choose(rendering, subject, arguments, false, true);
}

static struct value reject_items(struct rendering *rendering, struct value subject,
                                 const struct arguments *arguments)
{
    return choose(rendering, subject, arguments, false, false);
}

static struct value select_by(struct rendering *rendering, struct value subject,
                              const struct arguments *arguments)
{
    return choose(rendering, subject, arguments, true, true);
}

static struct value reject_by(struct rendering *rendering, struct value subject,
                              const struct arguments *arguments)
{
    return choose(rendering, subject, arguments, true, false);
}

static struct value map(struct rendering *rendering, struct value subject,
                        const struct arguments *arguments)
{
    struct marked key = {0};
    const struct value *named = value_find(&arguments->named, marked_literal("attribute"));
    if (named && named->kind == VALUE_TEXT)
        key = named->text;
    struct marked filter = text_argument(arguments, 0, "filter");
    struct arguments left = rest(arguments, 1);
    struct value list = new_list(rendering);
    if (!value_truth(subject))
        return list;
    if (subject.kind != VALUE_LIST)
        return wrong_kind(rendering, "map");
    for (size_t i = 0; i < subject.list->count && !rendering->failed; i++) {
        struct value item = subject.list->items[i];
        append(rendering, list,
               named ? rendering_attribute(rendering, item, key)
                     : builtin_filter(rendering, filter, item, &left));
    }
    return list;
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
        wrong_kind(rendering, "is divisibleby");
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
    struct value other = argument(arguments, 0, "other");
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

/* --- Tables --- */

struct builtin_name {
    const char *name;
    builtin run;
};

static const struct builtin_name filters[] = {
    {"trim", strip_both},
    {"length", length},
    {"count", length},
    {"replace", replace},
    {"upper", to_upper},
    {"lower", to_lower},
    {"capitalize", capitalize},
    {"title", title_filter},
    {"join", join_filter},
    {"string", to_text},
    {"tojson", to_json},
    {"first", first},
    {"last", last},
    {"reverse", reverse},
    {"items", items},
    {"dictsort", dict_sort},
    {"list", to_list},
    {"default", otherwise},
    {"d", otherwise},
    {"safe", same},
    {"int", to_integer},
    {"select", select_items},
    {"reject", reject_items},
    {"selectattr", select_by},
    {"rejectattr", reject_by},
    {"map", map},
};

static const struct builtin_name text_methods[] = {
    {"strip", strip_both},
    {"lstrip", strip_left},
    {"rstrip", strip_right},
    {"replace", replace},
    {"split", split},
    {"rsplit", split_from_right},
    {"removeprefix", remove_prefix},
    {"removesuffix", remove_suffix},
    {"splitlines", split_lines},
    {"startswith", starts_with},
    {"endswith", ends_with},
    {"upper", to_upper},
    {"lower", to_lower},
    {"capitalize", capitalize},
    {"title", title_method},
    {"format", format},
    {"join", join_method},
    {"find", find},
    {"count", count_parts},
};

static const struct builtin_name dict_methods[] = {
    {"items", items}, {"keys", keys}, {"values", values}, {"get", get}};

static builtin look_up(const struct builtin_name *names, size_t count, struct marked name)
{
    for (size_t i = 0; i < count; i++)
        if (marked_is(name, names[i].name))
            return names[i].run;
    return NULL;
}

#define LOOK_UP(table, name) look_up(table, sizeof(table) / sizeof *(table), name)

struct value builtin_filter(struct rendering *rendering, struct marked name, struct value subject,
                            const struct arguments *arguments)
{
    builtin run = LOOK_UP(filters, name);
    if (run)
        return run(rendering, subject, arguments);
    return rendering_fail(rendering, ENGINE_UNSUPPORTED,
                          "uses a filter that is not supported: \"%.*s\"", (int)name.length,
                          name.bytes);
}

struct value builtin_method(struct rendering *rendering, struct marked name, struct value subject,
                            const struct arguments *arguments)
{
    builtin run = subject.kind == VALUE_TEXT   ? LOOK_UP(text_methods, name)
                  : subject.kind == VALUE_DICT ? LOOK_UP(dict_methods, name)
                                               : NULL;
    if (run)
        return run(rendering, subject, arguments);
    return rendering_fail(rendering, ENGINE_UNSUPPORTED,
                          "calls a method that is not supported here: \"%.*s\"", (int)name.length,
                          name.bytes);
}

/* --- Functions --- */

/* Today, as the template writes it. The name is not defined for `is defined`: a template that
 * has a date of its own uses that one, so that the same conversation gives the same tokens
 * tomorrow. */
static struct value strftime_now(struct rendering *rendering, const struct arguments *arguments)
{
    struct marked format = text_argument(arguments, 0, "format");
    char pattern[64], *text = pool_get(rendering->pool, 256);
    time_t now = time(NULL);
    struct tm parts;
    if (!rendering_has(rendering, text != NULL))
        return undefined;
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
    struct value bound[3] = {argument(arguments, 0, ""), argument(arguments, 1, ""),
                             argument(arguments, 2, "")};
    int64_t from = arguments->count > 1 ? bound[0].number : 0,
            to = bound[arguments->count > 1].number;
    int64_t by = arguments->count > 2 ? bound[2].number : 1;
    for (size_t i = 0; i < arguments->count && i < 3; i++)
        if (bound[i].kind != VALUE_NUMBER)
            return wrong_kind(rendering, "range");
    if (arguments->count == 0 || by == 0 || (to - from) / by > 100000)
        return rendering_fail(rendering, ENGINE_UNSUPPORTED, "counts through too long a range");
    struct value list = new_list(rendering);
    for (int64_t i = from; (by > 0 ? i < to : i > to) && !rendering->failed; i += by)
        append(rendering, list, value_number(i));
    return list;
}

static struct value new_namespace(struct rendering *rendering, const struct arguments *arguments)
{
    struct value dict = value_new_dict(rendering->pool);
    if (!rendering_has(rendering, dict.kind == VALUE_DICT))
        return undefined;
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
        struct marked reason = text_argument(arguments, 0, "message");
        return rendering_fail(rendering, ENGINE_REQUEST, "refuses this conversation: %.*s",
                              (int)(reason.length < 200 ? reason.length : 200), reason.bytes);
    }
    return rendering_fail(rendering, ENGINE_UNSUPPORTED,
                          "calls a function that is not supported: \"%.*s\"", (int)name.length,
                          name.bytes);
}
