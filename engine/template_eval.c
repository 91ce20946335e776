/* A tree walker. Scopes follow Jinja's rule: a loop's body and a macro have a scope of their
 * own, `if` has not, and `set` writes to the innermost scope only (a namespace's attributes are
 * how templates get around that). */
#include "engine/template_eval.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/error.h"
#include "engine/utf8.h"

struct scope {
    struct scope *outer;
    struct value_dict variables;
};

static struct value evaluate(struct rendering *rendering, const struct node *node);
static void run(struct rendering *rendering, const struct node *node);

struct value rendering_fail(struct rendering *rendering, enum engine_error_code code,
                            const char *format, ...)
{
    if (!rendering->failed) {
        char text[300];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        engine_fail(rendering->error, code, "the chat template %s", text);
    }
    rendering->failed = true;
    return value_undefined();
}

bool rendering_has(struct rendering *rendering, bool got)
{
    if (!got)
        rendering_fail(rendering, ENGINE_MEMORY, "needs too much memory");
    return got;
}

struct marked rendering_text(struct rendering *rendering, struct value value)
{
    if (value.kind == VALUE_TEXT)
        return value.text;
    if (value.kind == VALUE_UNDEFINED)
        return marked_literal("");
    if (value.kind == VALUE_NONE)
        return marked_literal("None");
    if (value.kind == VALUE_BOOL)
        return marked_literal(value.number ? "True" : "False");
    if (value.kind != VALUE_NUMBER) {
        rendering_fail(rendering, ENGINE_UNSUPPORTED, "writes a list or a dictionary as text");
        return marked_literal("");
    }
    char *digits = pool_get(rendering->pool, 24);
    if (!rendering_has(rendering, digits != NULL))
        return marked_literal("");
    snprintf(digits, 24, "%lld", (long long)value.number);
    return marked_literal(digits);
}

/* --- Variables --- */

static const struct value *find_variable(const struct rendering *rendering, struct marked name)
{
    for (const struct scope *scope = rendering->scope; scope; scope = scope->outer) {
        const struct value *value = value_find(&scope->variables, name);
        if (value)
            return value;
    }
    return NULL;
}

static void set_variable(struct rendering *rendering, struct marked name, struct value value)
{
    rendering_has(rendering,
                  value_store(rendering->pool, &rendering->scope->variables, name, value));
}

struct value rendering_attribute(struct rendering *rendering, struct value value, struct marked key)
{
    if (value.kind == VALUE_UNDEFINED || value.kind == VALUE_NONE) {
        const char *what = value.kind == VALUE_NONE ? "none" : "something undefined";
        if (value.kind == VALUE_UNDEFINED)
            rendering_fail(rendering, ENGINE_UNSUPPORTED, "asks %s for \"%.*s\"", what,
                           (int)key.length, key.bytes);
        return value_undefined();
    }
    const struct value *found = value.kind == VALUE_DICT ? value_find(value.dict, key) : NULL;
    return found ? *found : value_undefined();
}

static void assign(struct rendering *rendering, const struct node *target, struct value value)
{
    if (target->kind == NODE_NAME) {
        set_variable(rendering, target->text, value);
        return;
    }
    struct value object = evaluate(rendering, target->a);
    if (object.kind != VALUE_DICT)
        rendering_fail(rendering, ENGINE_UNSUPPORTED,
                       "sets an attribute of what is no namespace (line %d)", target->line);
    else
        rendering_has(rendering, value_store(rendering->pool, object.dict, target->text, value));
}

/* One value to one target, or a list to several. */
static void assign_all(struct rendering *rendering, const struct node *targets, struct value value)
{
    if (!targets->next) {
        assign(rendering, targets, value);
        return;
    }
    size_t at = 0;
    for (const struct node *target = targets; target && !rendering->failed;
         target = target->next, at++) {
        if (value.kind != VALUE_LIST || at >= value.list->count)
            rendering_fail(rendering, ENGINE_UNSUPPORTED, "unpacks too few values (line %d)",
                           target->line);
        else
            assign(rendering, target, value.list->items[at]);
    }
}

/* --- Items and slices --- */

/* Byte offset of character `index` of a text that may be cut anywhere; its length past the end. */
static size_t character_offset(struct marked text, int64_t index)
{
    size_t at = 0;
    for (; index > 0 && at < text.length; index--)
        at += utf8_next(text.bytes + at, text.length - at).length;
    return at;
}

static int64_t count_characters(struct marked text)
{
    int64_t count = 0;
    for (size_t at = 0; at < text.length; count++)
        at += utf8_next(text.bytes + at, text.length - at).length;
    return count;
}

static struct value text_item(struct marked text, int64_t index)
{
    int64_t count = count_characters(text);
    index = index < 0 ? index + count : index;
    if (index < 0 || index >= count)
        return value_undefined();
    return value_text(
        marked_part(text, character_offset(text, index), character_offset(text, index + 1)));
}

static struct value item(struct rendering *rendering, struct value object, struct value key)
{
    if (key.kind == VALUE_TEXT)
        return rendering_attribute(rendering, object, key.text);
    if (key.kind == VALUE_NUMBER && object.kind == VALUE_LIST) {
        int64_t count = (int64_t)object.list->count,
                index = key.number < 0 ? key.number + count : key.number;
        return index >= 0 && index < count ? object.list->items[index] : value_undefined();
    }
    if (key.kind == VALUE_NUMBER && object.kind == VALUE_TEXT)
        return text_item(object.text, key.number);
    if (object.kind == VALUE_UNDEFINED)
        return rendering_fail(rendering, ENGINE_UNSUPPORTED,
                              "asks something undefined for an item");
    return value_undefined();
}

/* A bound of a slice, as Python reads it; `missing` where there is none. */
static int64_t slice_bound(struct rendering *rendering, const struct node *node, int64_t count,
                           int64_t low, int64_t high, int64_t missing)
{
    struct value value = node ? evaluate(rendering, node) : value_undefined();
    if (value.kind != VALUE_NUMBER)
        return missing;
    int64_t bound = value.number < 0 ? value.number + count : value.number;
    return bound < low ? low : bound > high ? high : bound;
}

static struct value slice(struct rendering *rendering, const struct node *node)
{
    struct value object = evaluate(rendering, node->a);
    struct value stride = node->d ? evaluate(rendering, node->d) : value_number(1);
    int64_t by = stride.kind == VALUE_NUMBER && stride.number != 0 ? stride.number : 1;
    if (object.kind != VALUE_LIST && object.kind != VALUE_TEXT)
        return rendering_fail(rendering, ENGINE_UNSUPPORTED,
                              "slices what is no list or text (line %d)", node->line);
    bool list = object.kind == VALUE_LIST;
    int64_t count = list ? (int64_t)object.list->count : count_characters(object.text);
    int64_t low = by < 0 ? -1 : 0, high = by < 0 ? count - 1 : count;
    int64_t from = slice_bound(rendering, node->b, count, low, high, by < 0 ? high : low);
    int64_t to = slice_bound(rendering, node->c, count, low, high, by < 0 ? low : high);
    if (!list && by == 1)
        return value_text(marked_part(object.text, character_offset(object.text, from),
                                      from < to ? character_offset(object.text, to) : 0));
    if (!list)
        return rendering_fail(rendering, ENGINE_UNSUPPORTED, "slices a text by steps (line %d)",
                              node->line);
    struct value part = value_new_list(rendering->pool);
    for (int64_t i = from; part.kind == VALUE_LIST && (by > 0 ? i < to : i > to); i += by)
        rendering_has(rendering, value_append(rendering->pool, part.list, object.list->items[i]));
    rendering_has(rendering, part.kind == VALUE_LIST);
    return part;
}

/* --- Operators --- */

static struct value join_texts(struct rendering *rendering, struct marked first,
                               struct marked second)
{
    if (first.length == 0 || second.length == 0)
        return value_text(first.length ? first : second);
    size_t length = first.length + second.length;
    struct marked_buffer buffer = {pool_get(rendering->pool, length),
                                   pool_get(rendering->pool, length), 0, length};
    if (!rendering_has(rendering, buffer.bytes && buffer.marks))
        return value_undefined();
    rendering_has(rendering, marked_add(rendering->pool, &buffer, first) &&
                                 marked_add(rendering->pool, &buffer, second));
    return value_text(marked_done(&buffer));
}

static struct value join_lists(struct rendering *rendering, const struct value_list *first,
                               const struct value_list *second)
{
    struct value joined = value_new_list(rendering->pool);
    if (!rendering_has(rendering, joined.kind == VALUE_LIST))
        return value_undefined();
    for (size_t i = 0; i < first->count + second->count; i++)
        if (!rendering_has(
                rendering,
                value_append(rendering->pool, joined.list,
                             i < first->count ? first->items[i] : second->items[i - first->count])))
            break;
    return joined;
}

static bool contains(struct rendering *rendering, struct value container, struct value sought)
{
    if (container.kind == VALUE_TEXT && sought.kind == VALUE_TEXT)
        return marked_find(container.text, sought.text, 0) != SIZE_MAX;
    if (container.kind == VALUE_DICT && sought.kind == VALUE_TEXT)
        return value_find(container.dict, sought.text) != NULL;
    for (size_t i = 0; container.kind == VALUE_LIST && i < container.list->count; i++)
        if (value_equal(container.list->items[i], sought))
            return true;
    if (container.kind != VALUE_LIST && container.kind != VALUE_DICT &&
        container.kind != VALUE_UNDEFINED) /* nothing is in what is not there */
        rendering_fail(rendering, ENGINE_UNSUPPORTED, "looks for something in what holds nothing");
    return false;
}

/* Python's: the quotient goes down, the remainder has the divisor's sign. */
static int64_t floor_divide(int64_t first, int64_t second)
{
    return first / second - (first % second != 0 && (first < 0) != (second < 0));
}

static struct value arithmetic(struct rendering *rendering, char operator, int64_t first,
                               int64_t second)
{
    const int64_t bound = INT32_MAX;
    if (first > bound || first < -bound || second > bound || second < -bound)
        return rendering_fail(rendering, ENGINE_UNSUPPORTED, "computes with too large numbers");
    if ((operator== '/' || operator== '%') && second == 0)
        return rendering_fail(rendering, ENGINE_UNSUPPORTED, "divides by zero");
    switch (operator) {
    case '+':
        return value_number(first + second);
    case '-':
        return value_number(first - second);
    case '*':
        return value_number(first * second);
    case '%':
        return value_number(first - second * floor_divide(first, second));
    default:
        return value_number(floor_divide(first, second));
    }
}

static bool numeric(struct value value)
{
    return value.kind == VALUE_NUMBER || value.kind == VALUE_BOOL;
}

static struct value compare(struct rendering *rendering, const struct node *node,
                            struct value first, struct value second)
{
    int order;
    if (!value_compare(first, second, &order))
        return rendering_fail(rendering, ENGINE_UNSUPPORTED, "compares what has no order (line %d)",
                              node->line);
    bool equal = node->text.length == 2;
    return value_bool(node->text.bytes[0] == '<' ? order < 0 || (equal && order == 0)
                                                 : order > 0 || (equal && order == 0));
}

static struct value binary(struct rendering *rendering, const struct node *node)
{
    struct value first = evaluate(rendering, node->a), second = evaluate(rendering, node->b);
    struct marked operator= node->text;
    if (rendering->failed)
        return value_undefined();
    if (marked_is(operator, "=="))
        return value_bool(value_equal(first, second));
    if (marked_is(operator, "!="))
        return value_bool(!value_equal(first, second));
    if (marked_is(operator, "in"))
        return value_bool(contains(rendering, second, first));
    if (marked_is(operator, "~"))
        return join_texts(rendering, rendering_text(rendering, first),
                          rendering_text(rendering, second));
    if (operator.bytes[0] == '<' || operator.bytes[0] == '>')
        return compare(rendering, node, first, second);
    if (marked_is(operator, "+") && first.kind == VALUE_TEXT && second.kind == VALUE_TEXT)
        return join_texts(rendering, first.text, second.text);
    if (marked_is(operator, "+") && first.kind == VALUE_LIST && second.kind == VALUE_LIST)
        return join_lists(rendering, first.list, second.list);
    if (numeric(first) && numeric(second) && !marked_is(operator, "/"))
        return arithmetic(rendering, operator.bytes[0], first.number, second.number);
    return rendering_fail(rendering, ENGINE_REQUEST,
                          "cannot compute %.*s of these kinds of values (line %d)",
                          (int)operator.length, operator.bytes, node->line);
}

/* --- Calls --- */

static void read_arguments(struct rendering *rendering, const struct node *node,
                           struct arguments *arguments)
{
    *arguments = (struct arguments){.count = 0};
    for (; node && !rendering->failed; node = node->next) {
        struct value value = evaluate(rendering, node->a);
        if (node->text.length > 0)
            rendering_has(rendering,
                          value_store(rendering->pool, &arguments->named, node->text, value));
        else if (arguments->count < TEMPLATE_MAX_ARGUMENTS)
            arguments->values[arguments->count++] = value;
        else
            rendering_fail(rendering, ENGINE_UNSUPPORTED, "gives too many arguments (line %d)",
                           node->line);
    }
}

/* Runs statements into a buffer of their own. */
static struct value capture(struct rendering *rendering, const struct node *body)
{
    struct marked_buffer buffer = {0}, *outer = rendering->output;
    rendering->output = &buffer;
    run(rendering, body);
    rendering->output = outer;
    return value_text(marked_done(&buffer));
}

static struct value call_macro(struct rendering *rendering, const struct node *macro,
                               const struct arguments *given)
{
    struct scope *caller = rendering->scope, *outermost = caller;
    while (outermost->outer)
        outermost = outermost->outer;
    struct scope scope = {.outer = outermost};
    size_t at = 0;
    for (const struct node *parameter = macro->a; parameter; parameter = parameter->next, at++) {
        struct marked name = parameter->text.length ? parameter->text : parameter->a->text;
        const struct value *named = value_find(&given->named, name);
        struct value value = at < given->count ? given->values[at]
                             : named           ? *named
                                               : value_undefined();
        if (at >= given->count && !named && parameter->text.length > 0)
            value = evaluate(rendering, parameter->a);
        rendering_has(rendering, value_store(rendering->pool, &scope.variables, name, value));
    }
    rendering->scope = &scope;
    struct value text = capture(rendering, macro->b);
    rendering->scope = caller;
    return text;
}

static struct value call(struct rendering *rendering, const struct node *node)
{
    struct arguments arguments;
    const struct node *callee = node->a;
    if (callee->kind == NODE_ATTRIBUTE) {
        struct value subject = evaluate(rendering, callee->a);
        read_arguments(rendering, node->b, &arguments);
        return rendering->failed ? value_undefined()
                                 : builtin_method(rendering, callee->text, subject, &arguments);
    }
    read_arguments(rendering, node->b, &arguments);
    if (rendering->failed)
        return value_undefined();
    if (callee->kind != NODE_NAME)
        return rendering_fail(rendering, ENGINE_UNSUPPORTED, "calls what is no function (line %d)",
                              node->line);
    const struct value *variable = find_variable(rendering, callee->text);
    if (variable && variable->kind == VALUE_MACRO)
        return call_macro(rendering, variable->macro, &arguments);
    return builtin_function(rendering, callee->text, &arguments);
}

/* --- Expressions --- */

static struct value make_list(struct rendering *rendering, const struct node *items)
{
    struct value list = value_new_list(rendering->pool);
    if (!rendering_has(rendering, list.kind == VALUE_LIST))
        return value_undefined();
    for (; items && !rendering->failed; items = items->next)
        rendering_has(rendering,
                      value_append(rendering->pool, list.list, evaluate(rendering, items->a)));
    return list;
}

static struct value make_dict(struct rendering *rendering, const struct node *entries)
{
    struct value dict = value_new_dict(rendering->pool);
    if (!rendering_has(rendering, dict.kind == VALUE_DICT))
        return value_undefined();
    for (; entries && !rendering->failed; entries = entries->next) {
        struct marked key = rendering_text(rendering, evaluate(rendering, entries->b));
        rendering_has(rendering, value_store(rendering->pool, dict.dict, key,
                                             evaluate(rendering, entries->a)));
    }
    return dict;
}

/* `x is defined` must not fail on what is not there; everything else of a test is an ordinary
 * expression. */
static struct value test(struct rendering *rendering, const struct node *node)
{
    struct arguments arguments;
    struct value subject = evaluate(rendering, node->a);
    read_arguments(rendering, node->b, &arguments);
    return rendering->failed ? value_undefined()
                             : value_bool(builtin_test(rendering, node->text, subject, &arguments));
}

static struct value filter(struct rendering *rendering, const struct node *node)
{
    struct arguments arguments;
    struct value subject = evaluate(rendering, node->a);
    read_arguments(rendering, node->b, &arguments);
    return rendering->failed ? value_undefined()
                             : builtin_filter(rendering, node->text, subject, &arguments);
}

static struct value negate(struct rendering *rendering, const struct node *node)
{
    struct value value = evaluate(rendering, node->a);
    if (!numeric(value))
        return rendering_fail(rendering, ENGINE_UNSUPPORTED, "negates what is no number (line %d)",
                              node->line);
    return value_number(-value.number);
}

static struct value evaluate_kind(struct rendering *rendering, const struct node *node)
{
    struct value value;
    const struct value *variable;
    switch (node->kind) {
    case NODE_CONSTANT:
        return node->constant;
    case NODE_NAME:
        variable = find_variable(rendering, node->text);
        return variable ? *variable : value_undefined();
    case NODE_ATTRIBUTE:
        return rendering_attribute(rendering, evaluate(rendering, node->a), node->text);
    case NODE_ITEM:
        value = evaluate(rendering, node->a);
        return item(rendering, value, evaluate(rendering, node->b));
    case NODE_SLICE:
        return slice(rendering, node);
    case NODE_CALL:
        return call(rendering, node);
    case NODE_FILTER:
        return filter(rendering, node);
    case NODE_TEST:
        return test(rendering, node);
    case NODE_NOT:
        return value_bool(!value_truth(evaluate(rendering, node->a)));
    case NODE_NEGATE:
        return negate(rendering, node);
    case NODE_BINARY:
        return binary(rendering, node);
    case NODE_AND:
        value = evaluate(rendering, node->a);
        return value_truth(value) ? evaluate(rendering, node->b) : value;
    case NODE_OR:
        value = evaluate(rendering, node->a);
        return value_truth(value) ? value : evaluate(rendering, node->b);
    case NODE_CHOICE:
        if (value_truth(evaluate(rendering, node->b)))
            return evaluate(rendering, node->a);
        return node->c ? evaluate(rendering, node->c) : value_undefined();
    case NODE_LIST:
        return make_list(rendering, node->a);
    case NODE_DICT:
        return make_dict(rendering, node->a);
    default:
        return value_undefined();
    }
}

/* Counts steps and nesting on the way in, so that no template runs for ever or through the
 * stack. */
static bool enter(struct rendering *rendering)
{
    if (rendering->failed)
        return false;
    if (++rendering->steps > TEMPLATE_MAX_STEPS || rendering->nesting >= TEMPLATE_MAX_NESTING) {
        rendering_fail(rendering, ENGINE_UNSUPPORTED,
                       "takes too many steps or is nested too deeply");
        return false;
    }
    rendering->nesting++;
    return true;
}

static struct value evaluate(struct rendering *rendering, const struct node *node)
{
    if (!enter(rendering))
        return value_undefined();
    struct value value = evaluate_kind(rendering, node);
    rendering->nesting--;
    return rendering->failed ? value_undefined() : value;
}

/* --- Statements --- */

/* What a `for` goes over: a list, a dictionary's keys, a text's characters. */
static struct value iterate(struct rendering *rendering, struct value value, int line)
{
    if (value.kind == VALUE_LIST)
        return value;
    struct value list = value_new_list(rendering->pool);
    if (!rendering_has(rendering, list.kind == VALUE_LIST))
        return value_undefined();
    if (value.kind == VALUE_DICT) {
        for (size_t i = 0; i < value.dict->count; i++)
            rendering_has(rendering, value_append(rendering->pool, list.list,
                                                  value_text(value.dict->entries[i].key)));
    } else if (value.kind == VALUE_TEXT) {
        for (size_t at = 0, next; at < value.text.length && !rendering->failed; at = next) {
            next = at + utf8_next(value.text.bytes + at, value.text.length - at).length;
            rendering_has(rendering, value_append(rendering->pool, list.list,
                                                  value_text(marked_part(value.text, at, next))));
        }
    } else if (value.kind != VALUE_UNDEFINED && value.kind != VALUE_NONE) { /* none: no tools */
        return rendering_fail(rendering, ENGINE_UNSUPPORTED,
                              "loops over what holds nothing (line %d)", line);
    }
    return list;
}

/* The items that a loop's `if` lets through. */
static struct value select_items(struct rendering *rendering, const struct node *node,
                                 struct value items)
{
    struct value chosen = value_new_list(rendering->pool);
    if (!rendering_has(rendering, chosen.kind == VALUE_LIST))
        return value_undefined();
    struct scope scope = {.outer = rendering->scope};
    rendering->scope = &scope;
    for (size_t i = 0; i < items.list->count && !rendering->failed; i++) {
        assign_all(rendering, node->a, items.list->items[i]);
        if (value_truth(evaluate(rendering, node->e)))
            rendering_has(rendering,
                          value_append(rendering->pool, chosen.list, items.list->items[i]));
    }
    rendering->scope = scope.outer;
    return chosen;
}

/* The variable `loop`. */
static struct value loop_facts(struct rendering *rendering, const struct value_list *items,
                               size_t at)
{
    struct value facts = value_new_dict(rendering->pool);
    const int64_t index = (int64_t)at, count = (int64_t)items->count;
    const struct {
        const char *name;
        struct value value;
    } entries[] = {
        {"index", value_number(index + 1)},
        {"index0", value_number(index)},
        {"revindex", value_number(count - index)},
        {"revindex0", value_number(count - index - 1)},
        {"length", value_number(count)},
        {"first", value_bool(at == 0)},
        {"last", value_bool(at + 1 == items->count)},
        {"previtem", at > 0 ? items->items[at - 1] : value_undefined()},
        {"nextitem", at + 1 < items->count ? items->items[at + 1] : value_undefined()},
    };
    bool ok = facts.kind == VALUE_DICT;
    for (size_t i = 0; ok && i < sizeof entries / sizeof *entries; i++)
        ok = value_store(rendering->pool, facts.dict, marked_literal(entries[i].name),
                         entries[i].value);
    rendering_has(rendering, ok);
    return facts;
}

static void run_for(struct rendering *rendering, const struct node *node)
{
    struct value items = iterate(rendering, evaluate(rendering, node->b), node->line);
    if (!rendering->failed && node->e)
        items = select_items(rendering, node, items);
    if (rendering->failed)
        return;
    for (size_t i = 0; i < items.list->count && !rendering->failed; i++) {
        struct scope scope = {.outer = rendering->scope};
        rendering->scope = &scope;
        set_variable(rendering, marked_literal("loop"), loop_facts(rendering, items.list, i));
        assign_all(rendering, node->a, items.list->items[i]);
        run(rendering, node->c);
        rendering->scope = scope.outer;
        bool leave = rendering->flow == FLOW_BREAK;
        rendering->flow = FLOW_ON;
        if (leave)
            break;
    }
    if (items.list->count == 0 && node->d)
        run(rendering, node->d);
}

static void run_if(struct rendering *rendering, const struct node *node)
{
    while (node && node->kind == NODE_IF &&
           !node->next) { /* a chain of elif is gone through without nesting */
        if (value_truth(evaluate(rendering, node->a))) {
            run(rendering, node->b);
            return;
        }
        node = node->c;
        if (rendering->failed)
            return;
    }
    run(rendering, node);
}

static void write_out(struct rendering *rendering, struct marked text)
{
    if (!rendering->failed)
        rendering_has(rendering, marked_add(rendering->pool, rendering->output, text));
}

static void run_one(struct rendering *rendering, const struct node *node)
{
    switch (node->kind) {
    case NODE_TEXT:
        write_out(rendering, node->text);
        break;
    case NODE_OUTPUT:
        write_out(rendering, rendering_text(rendering, evaluate(rendering, node->a)));
        break;
    case NODE_IF:
        if (value_truth(evaluate(rendering, node->a)))
            run(rendering, node->b);
        else if (node->c)
            run_if(rendering, node->c);
        break;
    case NODE_FOR:
        run_for(rendering, node);
        break;
    case NODE_SET:
        assign_all(rendering, node->a, evaluate(rendering, node->b));
        break;
    case NODE_SET_BLOCK:
        assign(rendering, node->a, capture(rendering, node->b));
        break;
    case NODE_MACRO:
        set_variable(rendering, node->text, (struct value){.kind = VALUE_MACRO, .macro = node});
        break;
    case NODE_BREAK:
        rendering->flow = FLOW_BREAK;
        break;
    case NODE_CONTINUE:
        rendering->flow = FLOW_CONTINUE;
        break;
    default:
        break;
    }
}

static void run(struct rendering *rendering, const struct node *node)
{
    for (; node && rendering->flow == FLOW_ON && enter(rendering); node = node->next) {
        run_one(rendering, node);
        rendering->nesting--;
    }
}

bool template_run(struct pool *pool, const struct node *tree, const struct value_dict *variables,
                  struct marked_buffer *output, struct engine_error *error)
{
    struct scope scope = {.variables = *variables};
    struct rendering rendering = {.pool = pool, .scope = &scope, .output = output, .error = error};
    run(&rendering, tree);
    return !rendering.failed;
}
