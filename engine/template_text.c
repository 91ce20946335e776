/* What Jinja's filters and Python's methods do to texts. A character's mark (whose text it is) goes
 * with it through all of them. */
#include <string.h>

#include "engine/letter_case.h"
#include "engine/template_builtin.h"
#include "engine/utf8.h"

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
                            builtin_text_argument(arguments, 0, "chars"), true, true));
}

static struct value strip_left(struct rendering *rendering, struct value subject,
                               const struct arguments *arguments)
{
    return value_text(strip(rendering_text(rendering, subject),
                            builtin_text_argument(arguments, 0, "chars"), true, false));
}

static struct value strip_right(struct rendering *rendering, struct value subject,
                                const struct arguments *arguments)
{
    return value_text(strip(rendering_text(rendering, subject),
                            builtin_text_argument(arguments, 0, "chars"), false, true));
}

static struct value replace(struct rendering *rendering, struct value subject,
                            const struct arguments *arguments)
{
    struct marked text = rendering_text(rendering, subject),
                  old = builtin_text_argument(arguments, 0, "old"),
                  new = builtin_text_argument(arguments, 1, "new");
    struct value count = builtin_argument(arguments, 2, "count");
    int64_t left = count.kind == VALUE_NUMBER && count.number >= 0 ? count.number : INT64_MAX;
    struct marked_buffer buffer = {0};
    size_t done = 0;
    if (old.length == 0)
        return value_text(text);
    for (size_t at; left > 0 && (at = marked_find(text, old, done)) != SIZE_MAX; left--) {
        builtin_write(rendering, &buffer, marked_part(text, done, at));
        builtin_write(rendering, &buffer, new);
        done = at + old.length;
    }
    builtin_write(rendering, &buffer, marked_part(text, done, text.length));
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
        builtin_write(rendering, &buffer,
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

struct value builtin_lower(struct rendering *rendering, struct value subject,
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
        builtin_write(rendering, &buffer, marked_part(text, done, at));
        if (byte == after)
            builtin_write(rendering, &buffer, marked_part(text, at, at + 1));
        else if (byte == '{' && after == '}' && next < arguments->count)
            builtin_write(rendering, &buffer, rendering_text(rendering, arguments->values[next++]));
        else
            return builtin_wrong_kind(rendering, "format");
        done = at + 2;
        at++;
    }
    builtin_write(rendering, &buffer,
                  marked_part(text, done < text.length ? done : text.length, text.length));
    return value_text(marked_done(&buffer));
}

static struct value starts_with(struct rendering *rendering, struct value subject,
                                const struct arguments *arguments)
{
    struct marked text = rendering_text(rendering, subject),
                  part = builtin_text_argument(arguments, 0, "prefix");
    return value_bool(marked_equal(marked_part(text, 0, part.length), part));
}

static struct value ends_with(struct rendering *rendering, struct value subject,
                              const struct arguments *arguments)
{
    struct marked text = rendering_text(rendering, subject),
                  part = builtin_text_argument(arguments, 0, "suffix");
    return value_bool(
        part.length <= text.length &&
        marked_equal(marked_part(text, text.length - part.length, text.length), part));
}

static struct value find(struct rendering *rendering, struct value subject,
                         const struct arguments *arguments)
{
    struct marked text = rendering_text(rendering, subject);
    size_t at = marked_find(text, builtin_text_argument(arguments, 0, "sub"), 0);
    int64_t characters = at == SIZE_MAX ? -1 : 0;
    for (size_t i = 0; at != SIZE_MAX && i < at; characters++)
        i += utf8_next(text.bytes + i, text.length - i).length;
    return value_number(characters);
}

static struct value count_parts(struct rendering *rendering, struct value subject,
                                const struct arguments *arguments)
{
    struct marked text = rendering_text(rendering, subject),
                  part = builtin_text_argument(arguments, 0, "sub");
    int64_t count = 0;
    for (size_t at = 0; part.length > 0 && (at = marked_find(text, part, at)) != SIZE_MAX;
         at += part.length)
        count++;
    return value_number(count);
}

/* text.split(): runs of white space. */
static struct value split_blanks(struct rendering *rendering, struct marked text)
{
    struct value parts = builtin_new_list(rendering);
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
            builtin_append(rendering, parts, value_text(marked_part(text, from, at)));
    }
    return parts;
}

static struct value split(struct rendering *rendering, struct value subject,
                          const struct arguments *arguments)
{
    struct marked text = rendering_text(rendering, subject),
                  by = builtin_text_argument(arguments, 0, "sep");
    struct value most = builtin_argument(arguments, 1, "maxsplit");
    int64_t left = most.kind == VALUE_NUMBER && most.number >= 0 ? most.number : INT64_MAX;
    if (by.length == 0)
        return split_blanks(rendering, text);
    struct value parts = builtin_new_list(rendering);
    size_t done = 0;
    for (size_t at;
         left > 0 && !rendering->failed && (at = marked_find(text, by, done)) != SIZE_MAX; left--) {
        builtin_append(rendering, parts, value_text(marked_part(text, done, at)));
        done = at + by.length;
    }
    builtin_append(rendering, parts, value_text(marked_part(text, done, text.length)));
    return parts;
}

/* The last parts, `maxsplit` of them at most, and what stands in front of them. */
static struct value split_from_right(struct rendering *rendering, struct value subject,
                                     const struct arguments *arguments)
{
    struct value most = builtin_argument(arguments, 1, "maxsplit"),
                 parts =
                     split(rendering, subject,
                           &(struct arguments){.values = {builtin_argument(arguments, 0, "sep")},
                                               .count = arguments->count > 0});
    struct marked text = rendering_text(rendering, subject),
                  by = builtin_text_argument(arguments, 0, "sep");
    if (most.kind != VALUE_NUMBER || most.number < 0 || rendering->failed)
        return parts;
    if (by.length == 0)
        return builtin_wrong_kind(rendering, "rsplit");
    size_t count = parts.list->count, kept = (size_t)most.number, head = 0;
    if (kept + 1 >= count)
        return parts;
    struct value list = builtin_new_list(rendering);
    for (size_t i = 0; i < count - kept; i++)
        head += parts.list->items[i].text.length + (i ? by.length : 0);
    builtin_append(rendering, list, value_text(marked_part(text, 0, head)));
    for (size_t i = count - kept; i < count && !rendering->failed; i++)
        builtin_append(rendering, list, parts.list->items[i]);
    return list;
}

static struct value remove_prefix(struct rendering *rendering, struct value subject,
                                  const struct arguments *arguments)
{
    struct marked text = rendering_text(rendering, subject),
                  end = builtin_text_argument(arguments, 0, "");
    bool has = end.length <= text.length && marked_equal(marked_part(text, 0, end.length), end);
    return value_text(has ? marked_part(text, end.length, text.length) : text);
}

static struct value remove_suffix(struct rendering *rendering, struct value subject,
                                  const struct arguments *arguments)
{
    struct marked text = rendering_text(rendering, subject),
                  end = builtin_text_argument(arguments, 0, "");
    size_t at = text.length - end.length;
    bool has = end.length <= text.length && marked_equal(marked_part(text, at, text.length), end);
    return value_text(has ? marked_part(text, 0, at) : text);
}

static struct value split_lines(struct rendering *rendering, struct value subject,
                                const struct arguments *arguments)
{
    (void)arguments;
    struct marked text = rendering_text(rendering, subject);
    struct value parts = builtin_new_list(rendering);
    for (size_t at = 0; at < text.length && !rendering->failed;) {
        size_t end = marked_find(text, marked_literal("\n"), at);
        end = end == SIZE_MAX ? text.length : end;
        builtin_append(rendering, parts, value_text(marked_part(text, at, end)));
        at = end + 1;
    }
    return parts;
}

static struct value join(struct rendering *rendering, struct value list, struct marked between)
{
    if (list.kind != VALUE_LIST)
        return builtin_wrong_kind(rendering, "join");
    struct marked_buffer buffer = {0};
    for (size_t i = 0; i < list.list->count && !rendering->failed; i++) {
        if (i > 0)
            builtin_write(rendering, &buffer, between);
        builtin_write(rendering, &buffer, rendering_text(rendering, list.list->items[i]));
    }
    return value_text(marked_done(&buffer));
}

static struct value join_filter(struct rendering *rendering, struct value subject,
                                const struct arguments *arguments)
{
    return join(rendering, subject, builtin_text_argument(arguments, 0, "d"));
}

static struct value join_method(struct rendering *rendering, struct value subject,
                                const struct arguments *arguments)
{
    return join(rendering, builtin_argument(arguments, 0, "iterable"),
                rendering_text(rendering, subject));
}

static const struct builtin_name text_filters[] = {
    {"trim", strip_both},     {"replace", replace},       {"upper", to_upper},
    {"lower", builtin_lower}, {"capitalize", capitalize}, {"title", title_filter},
    {"join", join_filter},
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
    {"lower", builtin_lower},
    {"capitalize", capitalize},
    {"title", title_method},
    {"format", format},
    {"join", join_method},
    {"find", find},
    {"count", count_parts},
};

builtin builtin_text_filter(struct marked name)
{
    return BUILTIN_LOOK_UP(text_filters, name);
}

builtin builtin_text_method(struct marked name)
{
    return BUILTIN_LOOK_UP(text_methods, name);
}
