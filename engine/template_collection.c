/* What Jinja's filters and Python's methods do to lists and dictionaries. */
#include "engine/template_builtin.h"
#include "engine/utf8.h"

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
        return builtin_wrong_kind(rendering, "length");
    for (size_t at = 0; at < subject.text.length; count++)
        at += utf8_next(subject.text.bytes + at, subject.text.length - at).length;
    return value_number(count);
}

static struct value first(struct rendering *rendering, struct value subject,
                          const struct arguments *arguments)
{
    (void)arguments;
    if (subject.kind != VALUE_LIST)
        return builtin_wrong_kind(rendering, "first");
    return subject.list->count > 0 ? subject.list->items[0] : value_undefined();
}

static struct value last(struct rendering *rendering, struct value subject,
                         const struct arguments *arguments)
{
    (void)arguments;
    if (subject.kind != VALUE_LIST)
        return builtin_wrong_kind(rendering, "last");
    return subject.list->count > 0 ? subject.list->items[subject.list->count - 1]
                                   : value_undefined();
}

static struct value reverse(struct rendering *rendering, struct value subject,
                            const struct arguments *arguments)
{
    (void)arguments;
    if (subject.kind != VALUE_LIST)
        return builtin_wrong_kind(rendering, "reverse");
    struct value list = builtin_new_list(rendering);
    for (size_t i = subject.list->count; i > 0 && !rendering->failed; i--)
        builtin_append(rendering, list, subject.list->items[i - 1]);
    return list;
}

/* Keys, values or both of a dictionary, as a list. */
static struct value entries(struct rendering *rendering, struct value subject, bool keys,
                            bool values)
{
    if (subject.kind != VALUE_DICT)
        return builtin_wrong_kind(rendering, "items");
    struct value list = builtin_new_list(rendering);
    for (size_t i = 0; i < subject.dict->count && !rendering->failed; i++) {
        struct value key = value_text(subject.dict->entries[i].key),
                     value = subject.dict->entries[i].value;
        struct value pair = keys && values ? builtin_new_list(rendering) : value_undefined();
        if (keys && values && !rendering->failed) {
            builtin_append(rendering, pair, key);
            builtin_append(rendering, pair, value);
        }
        builtin_append(rendering, list, keys && values ? pair : keys ? key : value);
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
        return builtin_wrong_kind(rendering, "dictsort");
    for (size_t i = 1; !rendering->failed && i < pairs.list->count; i++) {
        struct value pair = pairs.list->items[i],
                     key = builtin_lower(rendering, pair.list->items[0], arguments);
        size_t at = i;
        for (int order; at > 0 && !rendering->failed; at--) {
            struct value *before = &pairs.list->items[at - 1];
            struct value other = builtin_lower(rendering, before->list->items[0], arguments);
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
        return builtin_wrong_kind(rendering, "get");
    const struct value *found =
        value_find(subject.dict, builtin_text_argument(arguments, 0, "key"));
    struct value otherwise = builtin_argument(arguments, 1, "default");
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
    return subject.kind == VALUE_LIST ? subject : builtin_wrong_kind(rendering, "list");
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
    struct marked key =
        attribute ? builtin_text_argument(arguments, 0, "attribute") : marked_literal("");
    struct marked test = builtin_text_argument(arguments, attribute, "test");
    struct arguments left = rest(arguments, (size_t)attribute + 1);
    struct value list = builtin_new_list(rendering);
    if (!value_truth(subject)) /* none, or nothing: Jinja then looks no further */
        return list;
    if (subject.kind != VALUE_LIST)
        return builtin_wrong_kind(rendering, "select");
    for (size_t i = 0; i < subject.list->count && !rendering->failed; i++) {
        struct value item = subject.list->items[i];
        struct value looked = attribute ? rendering_attribute(rendering, item, key) : item;
        bool passes =
            test.length > 0 ? builtin_test(rendering, test, looked, &left) : value_truth(looked);
        if (passes == wanted)
            builtin_append(rendering, list, item);
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
    struct marked filter = builtin_text_argument(arguments, 0, "filter");
    struct arguments left = rest(arguments, 1);
    struct value list = builtin_new_list(rendering);
    if (!value_truth(subject))
        return list;
    if (subject.kind != VALUE_LIST)
        return builtin_wrong_kind(rendering, "map");
    for (size_t i = 0; i < subject.list->count && !rendering->failed; i++) {
        struct value item = subject.list->items[i];
        builtin_append(rendering, list,
                       named ? rendering_attribute(rendering, item, key)
                             : builtin_filter(rendering, filter, item, &left));
    }
    return list;
}

static const struct builtin_name collection_filters[] = {
    {"length", length},
    {"count", length},
    {"first", first},
    {"last", last},
    {"reverse", reverse},
    {"items", items},
    {"dictsort", dict_sort},
    {"list", to_list},
    {"select", select_items},
    {"reject", reject_items},
    {"selectattr", select_by},
    {"rejectattr", reject_by},
    {"map", map},
};

static const struct builtin_name dict_methods[] = {
    {"items", items}, {"keys", keys}, {"values", values}, {"get", get}};

builtin builtin_collection_filter(struct marked name)
{
    return BUILTIN_LOOK_UP(collection_filters, name);
}

builtin builtin_dict_method(struct marked name)
{
    return BUILTIN_LOOK_UP(dict_methods, name);
}
