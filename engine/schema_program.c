/* A node becomes a subroutine. Nothing is written that could not be gone on from: where a member or
 * an item is optional, a step that asks for room stands before the first byte that would promise
 * it. */
#include "engine/schema_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/error.h"

enum { MOST_DIGITS = 17 }; /* after the first one: any such integer fits 64 bits */

/* --- Steps --- */

static uint32_t emit(struct compiler *c, struct grammar_step step)
{
    uint32_t at = grammar_add(c->grammar, step);
    c->full |= at == GRAMMAR_UNBOUNDED;
    return c->full ? 0 : at;
}

static uint32_t emit_jump(struct compiler *c, enum grammar_op op, uint32_t x, uint32_t y)
{
    return emit(c, (struct grammar_step){.op = (uint8_t)op, .x = x, .y = y});
}

static uint32_t here(const struct compiler *c)
{
    return c->grammar->count;
}

static void emit_range(struct compiler *c, char low, char high)
{
    emit(c, (struct grammar_step){.op = GRAMMAR_BYTE, .low = (uint8_t)low, .high = (uint8_t)high});
}

static void emit_byte(struct compiler *c, char byte)
{
    emit_range(c, byte, byte);
}

static void emit_space(struct compiler *c)
{
    emit_jump(c, GRAMMAR_SPACE, 0, 0);
}

static void emit_return(struct compiler *c)
{
    emit_jump(c, GRAMMAR_RETURN, 0, 0);
}

static void emit_close(struct compiler *c, char byte)
{
    emit_byte(c, byte);
    emit_return(c);
}

/* A split whose first way is what comes next; the second is told later. */
static uint32_t emit_split(struct compiler *c)
{
    return emit_jump(c, GRAMMAR_SPLIT, here(c) + 1, 0);
}

static void set_x(struct compiler *c, uint32_t at, uint32_t x)
{
    if (!c->full)
        c->grammar->steps[at].x = x;
}

static void set_y(struct compiler *c, uint32_t at, uint32_t y)
{
    if (!c->full)
        c->grammar->steps[at].y = y;
}

/* `x` is the node for now, its place once all are known. */
static void emit_call(struct compiler *c, int node)
{
    emit_jump(c, GRAMMAR_CALL, (uint32_t)node, c->nodes[node].need);
}

static void emit_room(struct compiler *c, int node)
{
    emit_jump(c, GRAMMAR_ROOM, 0, c->nodes[node].need);
}

/* --- Plain values --- */

/* The one way a string is written: what must be escaped is. `out` holds 6 bytes a byte, and 2. */
static size_t write_string(char *out, const char *text, uint32_t length)
{
    size_t used = 0;
    out[used++] = '"';
    for (uint32_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == '"' || byte == '\\')
            out[used++] = '\\';
        if (byte < 0x20)
            used += (size_t)snprintf(out + used, 7, "\\u%04x", byte);
        else
            out[used++] = text[i];
    }
    out[used++] = '"';
    return used;
}

static size_t write_number(char *out, size_t size, double number)
{
    int length = 0;
    if (number == floor(number) && fabs(number) < 1e15)
        return (size_t)snprintf(out, size, "%.0f", number);
    for (int digits = 1; digits <= 17; digits++) {
        length = snprintf(out, size, "%.*g", digits, number);
        if (strtod(out, NULL) == number)
            break;
    }
    return (size_t)length;
}

static bool add_text(struct grammar_word *list, uint32_t *count, const char *text, size_t length)
{
    char *copy = malloc(length + 1);
    if (!copy)
        return false;
    memcpy(copy, text, length);
    list[(*count)++] = (struct grammar_word){copy, (uint32_t)length};
    return true;
}

static bool add_value(struct grammar_word *list, uint32_t *count, const struct json_tree_value *v)
{
    char number[32];
    const char *word = v->kind == JSON_TREE_NULL ? "null" : v->number != 0 ? "true" : "false";
    if (v->kind == JSON_TREE_NUMBER)
        return add_text(list, count, number, write_number(number, sizeof number, v->number));
    if (v->kind != JSON_TREE_STRING)
        return add_text(list, count, word, strlen(word));
    char *text = malloc((size_t)v->length * 6 + 3);
    bool ok = text && add_text(list, count, text, write_string(text, v->text, v->length));
    free(text);
    return ok;
}

static int by_bytes(const void *first, const void *second)
{
    const struct grammar_word *a = first, *b = second;
    int order = memcmp(a->bytes, b->bytes, smaller(a->length, b->length));
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

/* Sorts, drops what stands twice, and emits the choice. Frees the list. */
static void emit_words(struct compiler *c, struct grammar_word *list, uint32_t count)
{
    uint32_t first = c->grammar->word_count;
    qsort(list, count, sizeof *list, by_bytes);
    for (uint32_t i = 0; i < count; i++)
        if (!i || by_bytes(&list[i - 1], &list[i]))
            c->full |=
                grammar_add_word(c->grammar, list[i].bytes, list[i].length) == GRAMMAR_UNBOUNDED;
    emit_jump(c, GRAMMAR_WORDS, first, c->grammar->word_count - first);
    for (uint32_t i = 0; i < count; i++)
        free((char *)(uintptr_t)list[i].bytes);
    free(list);
}

static void emit_word(struct compiler *c, const char *text, size_t length)
{
    uint32_t word = grammar_add_word(c->grammar, text, length);
    c->full |= word == GRAMMAR_UNBOUNDED;
    emit_jump(c, GRAMMAR_WORDS, word, 1);
}

static void emit_plain(struct compiler *c, const struct node *node)
{
    struct grammar_word *list = calloc(node->plains, sizeof *list);
    uint32_t count = 0;
    const struct json_tree_value *v = node->plain;
    for (uint32_t i = 0; list && i < node->plains; i++, v = v->next)
        if (schema_type_of(v) & node->types)
            c->full |= !add_value(list, &count, v);
    c->full |= !list;
    emit_words(c, list, count);
    emit_return(c);
}

static void emit_integers(struct compiler *c, const struct node *node)
{
    int64_t range = node->maximum - node->minimum + 1;
    struct grammar_word *list = calloc((size_t)range, sizeof *list);
    uint32_t count = 0;
    char text[32];
    for (int64_t i = node->minimum; list && i <= node->maximum; i++)
        c->full |= !add_text(list, &count, text,
                             (size_t)snprintf(text, sizeof text, "%lld", (long long)i));
    c->full |= !list;
    emit_words(c, list, count);
    emit_return(c);
}

/* Up to `most` digits, on to what follows. */
static void emit_digits(struct compiler *c, uint32_t most)
{
    uint32_t loop = emit(c, (struct grammar_step){.op = GRAMMAR_MORE, .y = most, .z = here(c) + 3});
    emit_range(c, '0', '9');
    emit_jump(c, GRAMMAR_JUMP, loop, 0);
}

/* After the integer: a fraction or none, an exponent of up to two digits or none. */
static void emit_fraction(struct compiler *c)
{
    uint32_t without = emit_split(c);
    emit_byte(c, '.');
    emit_range(c, '0', '9');
    emit_digits(c, MOST_DIGITS - 1);
    set_y(c, without, here(c));
    without = emit_split(c);
    uint32_t capital = emit_split(c);
    emit_byte(c, 'e');
    emit_jump(c, GRAMMAR_JUMP, here(c) + 2, 0);
    set_y(c, capital, here(c));
    emit_byte(c, 'E');
    uint32_t plain = emit_split(c), plus = emit_split(c);
    emit_byte(c, '-');
    emit_jump(c, GRAMMAR_JUMP, here(c) + 2, 0);
    set_y(c, plus, here(c));
    emit_byte(c, '+');
    set_y(c, plain, here(c));
    emit_range(c, '0', '9');
    emit_digits(c, 1);
    set_y(c, without, here(c));
}

static void emit_number(struct compiler *c, const struct node *node)
{
    if (!node->has_minimum) {
        uint32_t plus = emit_split(c);
        emit_byte(c, '-');
        set_y(c, plus, here(c));
    }
    bool may_be_zero = !node->has_minimum || !node->minimum;
    uint32_t other = may_be_zero ? emit_split(c) : 0, zero = here(c) + 1;
    if (may_be_zero) {
        emit_byte(c, '0');
        emit_jump(c, GRAMMAR_JUMP, 0, 0);
        set_y(c, other, here(c));
    }
    emit_range(c, '1', '9');
    emit_digits(c, MOST_DIGITS);
    if (may_be_zero)
        set_x(c, zero, here(c));
    if (node->types & NUMBERS)
        emit_fraction(c);
    emit_return(c);
}

static void emit_string(struct compiler *c, const struct node *node)
{
    emit_byte(c, '"');
    emit_jump(c, GRAMMAR_TEXT, node->least_length, node->most_length);
    emit_return(c);
}

static void emit_bool(struct compiler *c)
{
    uint32_t other = emit_split(c);
    emit_word(c, "true", 4);
    emit_return(c);
    set_y(c, other, here(c));
    emit_word(c, "false", 5);
    emit_return(c);
}

/* --- Arrays and objects --- */

static void emit_array(struct compiler *c, const struct node *node)
{
    emit_byte(c, '[');
    if (!node->most_items) {
        emit_close(c, ']');
        return;
    }
    emit_space(c);
    if (!node->least_items) {
        uint32_t filled = emit_split(c);
        emit_close(c, ']');
        set_y(c, filled, here(c));
        emit_room(c, node->items);
    }
    emit_call(c, node->items);
    uint32_t most = node->most_items == GRAMMAR_UNBOUNDED ? node->most_items : node->most_items - 1;
    uint32_t loop =
        emit(c, (struct grammar_step){.op = GRAMMAR_MORE,
                                      .x = node->least_items ? node->least_items - 1 : 0,
                                      .y = most,
                                      .z = here(c) + 5});
    emit_byte(c, ',');
    emit_space(c);
    emit_call(c, node->items);
    emit_jump(c, GRAMMAR_JUMP, loop, 0);
    emit_space(c);
    emit_close(c, ']');
}

/* Any names, every value of one kind. */
static void emit_free_object(struct compiler *c, const struct node *node)
{
    emit_byte(c, '{');
    emit_space(c);
    uint32_t filled = emit_split(c);
    emit_close(c, '}');
    set_y(c, filled, here(c));
    emit_room(c, node->values);
    uint32_t loop = here(c);
    emit_byte(c, '"');
    emit_jump(c, GRAMMAR_TEXT, 0, GRAMMAR_UNBOUNDED);
    emit_byte(c, ':');
    emit_space(c);
    emit_call(c, node->values);
    uint32_t over = emit_split(c);
    emit_byte(c, ',');
    emit_space(c);
    emit_jump(c, GRAMMAR_JUMP, loop, 0);
    set_y(c, over, here(c));
    emit_space(c);
    emit_close(c, '}');
}

/* The least need of the members that may come next; 0 where one of them has to: then there is
 * room. */
static uint32_t need_of_next(const struct compiler *c, const struct link *link,
                             const struct link *end)
{
    uint32_t need = GRAMMAR_UNBOUNDED;
    for (; link < end; link++) {
        if (link->required)
            return 0;
        need = smaller(need, c->nodes[link->node].need);
    }
    return need;
}

static bool is_required(const struct link *link, const struct link *end)
{
    while (link < end && !link->required)
        link++;
    return link < end;
}

/* One member, then the object's end or a comma and the jump to the choice of the next one. */
static void emit_member(struct compiler *c, struct link *link, const struct link *end)
{
    char *key = malloc((size_t)link->key_length * 6 + 3);
    link->start = here(c);
    c->full |= !key;
    if (key)
        emit_word(c, key, write_string(key, link->key, link->key_length));
    free(key);
    emit_byte(c, ':');
    emit_space(c);
    emit_call(c, link->node);
    bool last = link + 1 == end, may_end = !is_required(link + 1, end);
    uint32_t more = may_end && !last ? emit_split(c) : 0;
    if (may_end) {
        emit_space(c);
        emit_close(c, '}');
    }
    if (last)
        return;
    if (may_end)
        set_y(c, more, here(c));
    emit_jump(c, GRAMMAR_ROOM, 0, need_of_next(c, link + 1, end));
    emit_byte(c, ',');
    emit_space(c);
    link->next = emit_jump(c, GRAMMAR_JUMP, 0, 0);
}

/* The choice of the next member, from each on: one way in for each. Past an optional last one lies
 * `may_end`: the object's end, or nothing. */
static void emit_choices(struct compiler *c, struct link *first, struct link *end, bool may_end)
{
    for (struct link *link = first; link < end; link++) {
        if (!may_end && link > first)
            set_x(c, link[-1].next, here(c));
        uint32_t skip = 0;
        bool optional = !link->required && (may_end || link + 1 < end);
        if (optional)
            skip = emit_split(c);
        if (!link->required)
            emit_room(c, link->node);
        emit_jump(c, GRAMMAR_JUMP, link->start, 0);
        if (optional)
            set_y(c, skip, here(c));
    }
    if (may_end)
        emit_close(c, '}');
}

static void emit_object(struct compiler *c, const struct node *node)
{
    struct link *first = &c->links[node->first_link], *end = first + node->links;
    if (node->values >= 0) {
        emit_free_object(c, node);
        return;
    }
    emit_byte(c, '{');
    emit_space(c);
    uint32_t start = emit_jump(c, GRAMMAR_JUMP, 0, 0);
    for (struct link *link = first; link < end; link++)
        emit_member(c, link, end);
    set_x(c, start, here(c));
    emit_choices(c, first, end, true);
    emit_choices(c, first, end, false);
}

/* --- All of it --- */

static void emit_type(struct compiler *c, const struct node *node, unsigned type)
{
    if (type == NULLS) {
        emit_word(c, "null", 4);
        emit_return(c);
    } else if (type == BOOLEANS) {
        emit_bool(c);
    } else if (type == STRINGS) {
        emit_string(c, node);
    } else if (type == ARRAYS) {
        emit_array(c, node);
    } else if (type == OBJECTS) {
        emit_object(c, node);
    } else if (node->has_maximum) {
        emit_integers(c, node);
    } else {
        emit_number(c, node);
    }
}

static void emit_node(struct compiler *c, struct node *node)
{
    unsigned types = node->types;
    node->start = here(c);
    if (node->plain) {
        emit_plain(c, node);
        return;
    }
    int end = node->first_link + node->links;
    for (int i = node->first_link; node->is_choice && i < end; i++) {
        uint32_t other = i + 1 < end ? emit_split(c) : 0;
        emit_call(c, c->links[i].node);
        emit_return(c);
        if (other)
            set_y(c, other, here(c));
    }
    if (types & NUMBERS)
        types &= ~(unsigned)INTEGERS;
    for (unsigned type = NULLS; !node->is_choice && type <= OBJECTS; type <<= 1) {
        if (!(types & type))
            continue;
        uint32_t other = types >= type << 1 ? emit_split(c) : 0;
        emit_type(c, node, type);
        if (other)
            set_y(c, other, here(c));
    }
}

static void link_calls(struct compiler *c)
{
    for (uint32_t i = 0; i < c->grammar->count; i++) {
        struct grammar_step *step = &c->grammar->steps[i];
        if (step->op == GRAMMAR_CALL)
            step->x = c->nodes[step->x].start;
    }
}

bool schema_program(struct compiler *c)
{
    emit_call(c, 0);
    emit_jump(c, GRAMMAR_END, 0, 0);
    for (int i = 0; i < c->node_count && !c->full; i++)
        emit_node(c, &c->nodes[i]);
    if (c->full)
        return engine_fail(c->error, ENGINE_REQUEST, "the schema is too large: over %d steps",
                           GRAMMAR_PROGRAM);
    link_calls(c);
    return true;
}
