/* Recursive descent over a lexer that knows two worlds: text outside of tags, tokens inside. The
 * first failure is kept and every token after it is the tag's end, so that the grammar reads
 * without error handling in every line. */
#include "engine/template_parse.h"

#include <stdlib.h>
#include <string.h>

#include "engine/error.h"
#include "engine/utf8.h"

enum lex_kind { LEX_NAME, LEX_STRING, LEX_INTEGER, LEX_OPERATOR, LEX_END };

struct lexeme {
    enum lex_kind kind;
    struct marked text; /* of a string: its value */
    int64_t number;
};

struct parser {
    struct pool *pool;
    const char *source;
    size_t length, at;
    int line, depth, brackets;
    struct lexeme now;
    bool in_output;  /* the tag ends with }}, not %} */
    bool strip_next; /* the last tag ended with a minus */
    bool trim_next;  /* the last tag was a block or a comment: the line end after it goes */
    bool failed;
    struct node nothing; /* what a failed parser makes */
    struct engine_error *error;
};

static struct node *fail(struct parser *parser, const char *what)
{
    if (!parser->failed)
        engine_fail(parser->error, ENGINE_UNSUPPORTED,
                    "the chat template is not understood in line %d: %s", parser->line, what);
    parser->failed = true;
    parser->now = (struct lexeme){.kind = LEX_END};
    parser->nothing = (struct node){.kind = NODE_CONSTANT};
    return &parser->nothing;
}

static struct node *make(struct parser *parser, enum node_kind kind)
{
    if (parser->failed)
        return &parser->nothing;
    struct node *node = pool_get(parser->pool, sizeof *node);
    if (!node)
        return fail(parser, "it is too large");
    node->kind = kind;
    node->line = parser->line;
    return node;
}

static struct node *make_pair(struct parser *parser, enum node_kind kind, struct node *a,
                              struct node *b)
{
    struct node *node = make(parser, kind);
    node->a = a;
    node->b = b;
    return node;
}

/* --- Inside tags: tokens --- */

static bool is_space(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static bool is_name(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
           (byte >= '0' && byte <= '9');
}

static char peek(const struct parser *parser, size_t ahead)
{
    return parser->at + ahead < parser->length ? parser->source[parser->at + ahead] : '\0';
}

static void step(struct parser *parser, size_t bytes)
{
    for (; bytes > 0 && parser->at < parser->length; bytes--)
        parser->line += parser->source[parser->at++] == '\n';
}

/* The value of hexadecimal digits at `at`, or -1. */
static int64_t hexadecimal(const char *digits, size_t count)
{
    int64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        static const char hex[] = "0123456789abcdef";
        const char *found = digits[i] ? memchr(hex, digits[i] | 0x20, 16) : NULL;
        if (!found)
            return -1;
        value = value * 16 + (found - hex);
    }
    return value;
}

/* One escape sequence, after its backslash, as Python has it; returns the bytes written. Unknown
 * ones stay. / */
static size_t unescape(struct parser *parser, char *out)
{
    static const char names[] = "ntrabfv0\\'\"", values[] = "\n\t\r\a\b\f\v\0\\'\"";
    char name = peek(parser, 0);
    const char *found = name ? memchr(names, name, sizeof names - 1) : NULL;
    size_t digits = name == 'x' ? 2 : name == 'u' ? 4 : name == 'U' ? 8 : 0;
    if (found) {
        *out = values[found - names];
        step(parser, 1);
        return 1;
    }
    if (digits > 0 && parser->length - parser->at > digits) {
        int64_t point = hexadecimal(parser->source + parser->at + 1, digits);
        if (point >= 0 && point < 0x110000) {
            step(parser, digits + 1);
            return utf8_put(out, (uint32_t)point);
        }
    }
    *out = '\\';
    return 1;
}

static void lex_string(struct parser *parser)
{
    char quote = peek(parser, 0);
    step(parser, 1);
    const char *end = NULL;
    size_t from = parser->at;
    for (size_t i = from; i < parser->length && !end; i++) {
        if (parser->source[i] == '\\')
            i++;
        else if (parser->source[i] == quote)
            end = parser->source + i;
    }
    char *value = end ? pool_get(parser->pool, (size_t)(end - parser->source) - from + 4) : NULL;
    if (!value) {
        fail(parser, "a string has no end");
        return;
    }
    size_t used = 0;
    while (parser->source + parser->at < end) {
        char byte = peek(parser, 0);
        step(parser, 1);
        if (byte == '\\')
            used += unescape(parser, value + used);
        else
            value[used++] = byte;
    }
    step(parser, 1);
    parser->now = (struct lexeme){LEX_STRING, {value, NULL, used}, 0};
}

static void lex_integer(struct parser *parser)
{
    int64_t number = 0;
    while (peek(parser, 0) >= '0' && peek(parser, 0) <= '9' && number < 1000000000000) {
        number = number * 10 + (peek(parser, 0) - '0');
        step(parser, 1);
    }
    if (peek(parser, 0) == '.' && peek(parser, 1) >= '0' && peek(parser, 1) <= '9') {
        fail(parser, "fractions are not supported");
        return;
    }
    parser->now = (struct lexeme){.kind = LEX_INTEGER, .number = number};
}

static void lex_operator(struct parser *parser)
{
    static const char *const pairs[] = {"==", "!=", "<=", ">=", "//", "**"};
    const char *start = parser->source + parser->at;
    size_t length = 1;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (parser->length - parser->at >= 2 && memcmp(start, pairs[i], 2) == 0)
            length = 2;
    if (!memchr("=!<>/*+-%~|.,:()[]{}", *start, 20)) {
        fail(parser, "a character that belongs nowhere");
        return;
    }
    if (strchr("([{", *start))
        parser->brackets++;
    if (strchr(")]}", *start))
        parser->brackets--;
    parser->now = (struct lexeme){LEX_OPERATOR, {start, NULL, length}, 0};
    step(parser, length);
}

/* At the tag's end? Then moves behind it and remembers its sign. */
static bool lex_end(struct parser *parser)
{
    size_t sign = peek(parser, 0) == '-' || peek(parser, 0) == '+';
    char first = parser->in_output ? '}' : '%';
    if (parser->brackets > 0 || peek(parser, sign) != first || peek(parser, sign + 1) != '}')
        return false;
    parser->strip_next = peek(parser, 0) == '-';
    parser->trim_next = !parser->in_output && sign == 0;
    step(parser, sign + 2);
    parser->now = (struct lexeme){.kind = LEX_END};
    return true;
}

static void advance(struct parser *parser)
{
    while (is_space(peek(parser, 0)))
        step(parser, 1);
    if (parser->failed || lex_end(parser))
        return;
    char byte = peek(parser, 0);
    if (parser->at >= parser->length) {
        fail(parser, "a tag has no end");
    } else if (byte == '"' || byte == '\'') {
        lex_string(parser);
    } else if (byte >= '0' && byte <= '9') {
        lex_integer(parser);
    } else if (is_name(byte)) {
        size_t from = parser->at;
        while (is_name(peek(parser, 0)))
            step(parser, 1);
        parser->now =
            (struct lexeme){LEX_NAME, {parser->source + from, NULL, parser->at - from}, 0};
    } else {
        lex_operator(parser);
    }
}

static bool at_operator(const struct parser *parser, const char *text)
{
    return parser->now.kind == LEX_OPERATOR && marked_is(parser->now.text, text);
}

static bool at_name(const struct parser *parser, const char *text)
{
    return parser->now.kind == LEX_NAME && marked_is(parser->now.text, text);
}

static bool skip_operator(struct parser *parser, const char *text)
{
    bool there = at_operator(parser, text);
    if (there)
        advance(parser);
    return there;
}

static bool skip_name(struct parser *parser, const char *text)
{
    bool there = at_name(parser, text);
    if (there)
        advance(parser);
    return there;
}

static void expect_operator(struct parser *parser, const char *text)
{
    if (!skip_operator(parser, text))
        fail(parser, text);
}

static struct marked take_name(struct parser *parser)
{
    struct marked name = parser->now.text;
    if (parser->now.kind != LEX_NAME) {
        fail(parser, "a name is missing");
        return marked_literal("");
    }
    advance(parser);
    return name;
}

/* --- Expressions, loosest first --- */

static struct node *parse_expression(struct parser *parser);
static struct node *parse_or(struct parser *parser);

/* Arguments up to `close`, which is taken too. */
static struct node *parse_arguments(struct parser *parser, const char *close)
{
    struct node *first = NULL, **end = &first;
    while (!parser->failed && !skip_operator(parser, close)) {
        struct node *argument = make(parser, NODE_ARGUMENT);
        argument->a = parse_expression(parser);
        if (argument->a->kind == NODE_NAME && at_operator(parser, "=")) {
            advance(parser);
            argument->text = argument->a->text;
            argument->a = parse_expression(parser);
        }
        *end = argument;
        end = &argument->next;
        if (!at_operator(parser, close))
            expect_operator(parser, ",");
    }
    return first;
}

static struct node *parse_dict(struct parser *parser)
{
    struct node *dict = make(parser, NODE_DICT), **end = &dict->a;
    while (!parser->failed && !skip_operator(parser, "}")) {
        struct node *entry = make(parser, NODE_ARGUMENT);
        entry->b = parse_expression(parser);
        expect_operator(parser, ":");
        entry->a = parse_expression(parser);
        *end = entry;
        end = &entry->next;
        if (!at_operator(parser, "}"))
            expect_operator(parser, ",");
    }
    return dict;
}

/* What stands behind an opening parenthesis: an expression, or a tuple, which is a list here. */
static struct node *parse_parenthesis(struct parser *parser)
{
    if (at_operator(parser, ")"))
        return make_pair(parser, NODE_LIST, parse_arguments(parser, ")"), NULL);
    struct node *first = parse_expression(parser);
    if (skip_operator(parser, ")"))
        return first;
    expect_operator(parser, ",");
    struct node *argument = make_pair(parser, NODE_ARGUMENT, first, NULL);
    argument->next = parse_arguments(parser, ")");
    return make_pair(parser, NODE_LIST, argument, NULL);
}

static struct node *parse_word(struct parser *parser)
{
    static const struct {
        const char *name;
        enum value_kind kind;
        int64_t number;
    } constants[] = {{"true", VALUE_BOOL, 1},  {"True", VALUE_BOOL, 1}, {"false", VALUE_BOOL, 0},
                     {"False", VALUE_BOOL, 0}, {"none", VALUE_NONE, 0}, {"None", VALUE_NONE, 0}};
    struct marked name = take_name(parser);
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
        if (!marked_is(name, constants[i].name))
            continue;
        struct node *node = make(parser, NODE_CONSTANT);
        node->constant = (struct value){.kind = constants[i].kind, .number = constants[i].number};
        return node;
    }
    struct node *node = make(parser, NODE_NAME);
    node->text = name;
    return node;
}

/* One string, or several that stand side by side and are one. */
static struct node *parse_string(struct parser *parser)
{
    struct node *node = make(parser, NODE_CONSTANT);
    struct marked_buffer buffer = {0};
    struct marked text = parser->now.text;
    for (int parts = 0; parser->now.kind == LEX_STRING; parts++, advance(parser)) {
        if (parts == 0)
            continue;
        if (parts == 1 && !marked_add(parser->pool, &buffer, text))
            return fail(parser, "it is too large");
        if (!marked_add(parser->pool, &buffer, parser->now.text))
            return fail(parser, "it is too large");
        text = marked_done(&buffer);
    }
    node->constant = value_text((struct marked){text.bytes, NULL, text.length});
    return node;
}

static struct node *parse_primary(struct parser *parser)
{
    if (parser->now.kind == LEX_NAME)
        return parse_word(parser);
    if (parser->now.kind == LEX_STRING)
        return parse_string(parser);
    if (parser->now.kind == LEX_INTEGER) {
        struct node *node = make(parser, NODE_CONSTANT);
        node->constant = value_number(parser->now.number);
        advance(parser);
        return node;
    }
    if (skip_operator(parser, "("))
        return parse_parenthesis(parser);
    if (skip_operator(parser, "["))
        return make_pair(parser, NODE_LIST, parse_arguments(parser, "]"), NULL);
    if (skip_operator(parser, "{"))
        return parse_dict(parser);
    return fail(parser, "an expression is missing");
}

static bool at_slice_end(const struct parser *parser)
{
    return at_operator(parser, ":") || at_operator(parser, "]");
}

static struct node *parse_subscript(struct parser *parser, struct node *object)
{
    struct node *start = at_slice_end(parser) ? NULL : parse_expression(parser);
    if (start && skip_operator(parser, "]"))
        return make_pair(parser, NODE_ITEM, object, start);
    struct node *slice = make_pair(parser, NODE_SLICE, object, start);
    expect_operator(parser, ":");
    slice->c = at_slice_end(parser) ? NULL : parse_expression(parser);
    if (skip_operator(parser, ":"))
        slice->d = at_slice_end(parser) ? NULL : parse_expression(parser);
    expect_operator(parser, "]");
    return slice;
}

static struct node *parse_postfix(struct parser *parser, struct node *node)
{
    while (!parser->failed) {
        if (skip_operator(parser, ".")) {
            if (parser->now.kind == LEX_INTEGER) {
                node = make_pair(parser, NODE_ITEM, node, parse_primary(parser));
                continue;
            }
            node = make_pair(parser, NODE_ATTRIBUTE, node, NULL);
            node->text = take_name(parser);
        } else if (skip_operator(parser, "[")) {
            node = parse_subscript(parser, node);
        } else if (skip_operator(parser, "(")) {
            node = make_pair(parser, NODE_CALL, node, parse_arguments(parser, ")"));
        } else {
            break;
        }
    }
    return node;
}

/* A test's argument may come without parentheses: `x is divisibleby 3`. */
static struct node *parse_test_arguments(struct parser *parser)
{
    if (skip_operator(parser, "("))
        return parse_arguments(parser, ")");
    static const char *const others[] = {"else", "or", "and", "is", "if", "in", "not"};
    bool word = parser->now.kind == LEX_NAME;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        word = word && !at_name(parser, others[i]);
    if (!word && parser->now.kind != LEX_STRING && parser->now.kind != LEX_INTEGER &&
        !at_operator(parser, "[") && !at_operator(parser, "{"))
        return NULL;
    return make_pair(parser, NODE_ARGUMENT, parse_postfix(parser, parse_primary(parser)), NULL);
}

static struct node *parse_filters(struct parser *parser, struct node *node)
{
    while (!parser->failed) {
        if (skip_operator(parser, "|")) {
            node = make_pair(parser, NODE_FILTER, node, NULL);
            node->text = take_name(parser);
            if (skip_operator(parser, "("))
                node->b = parse_arguments(parser, ")");
        } else if (skip_name(parser, "is")) {
            bool negated = skip_name(parser, "not");
            node = make_pair(parser, NODE_TEST, node, NULL);
            node->text = take_name(parser);
            node->b = parse_test_arguments(parser);
            node = negated ? make_pair(parser, NODE_NOT, node, NULL) : node;
        } else {
            break;
        }
    }
    return node;
}

static struct node *parse_unary(struct parser *parser)
{
    if (parser->depth >= TEMPLATE_MAX_DEPTH)
        return fail(parser, "expressions are nested too deeply");
    parser->depth++;
    struct node *node;
    if (skip_operator(parser, "-"))
        node = make_pair(parser, NODE_NEGATE, parse_unary(parser), NULL);
    else if (skip_operator(parser, "+"))
        node = parse_unary(parser);
    else
        node = parse_filters(parser, parse_postfix(parser, parse_primary(parser)));
    parser->depth--;
    return node;
}

/* Binary operators by how tightly they bind, tightest first; `not in` is told apart below. */
static const char *const levels[][7] = {
    {"*", "/", "//", "%"}, {"~"}, {"+", "-"}, {"==", "!=", "<", ">", "<=", ">=", "in"}};
enum { LEVELS = sizeof levels / sizeof *levels };

static bool at_level(const struct parser *parser, int level)
{
    for (size_t i = 0; i < 7 && levels[level][i]; i++)
        if ((parser->now.kind == LEX_OPERATOR || parser->now.kind == LEX_NAME) &&
            marked_is(parser->now.text, levels[level][i]))
            return true;
    return false;
}

static struct node *parse_binary(struct parser *parser, int level)
{
    if (level < 0)
        return parse_unary(parser);
    struct node *node = parse_binary(parser, level - 1);
    while (!parser->failed) {
        bool negated =
            level == LEVELS - 1 && skip_name(parser, "not"); /* only `not in` can stand here */
        if (!negated && !at_level(parser, level))
            break;
        struct marked operator= parser->now.text;
        if (negated && !at_name(parser, "in"))
            return fail(parser, "`not` without `in`");
        advance(parser);
        node = make_pair(parser, NODE_BINARY, node, parse_binary(parser, level - 1));
        node->text = operator;
        node = negated ? make_pair(parser, NODE_NOT, node, NULL) : node;
    }
    return node;
}

static struct node *parse_not(struct parser *parser)
{
    int negations = 0;
    while (skip_name(parser, "not"))
        negations++;
    struct node *node = parse_binary(parser, LEVELS - 1);
    for (; negations > 0; negations--)
        node = make_pair(parser, NODE_NOT, node, NULL);
    return node;
}

static struct node *parse_and(struct parser *parser)
{
    struct node *node = parse_not(parser);
    while (skip_name(parser, "and"))
        node = make_pair(parser, NODE_AND, node, parse_not(parser));
    return node;
}

static struct node *parse_or(struct parser *parser)
{
    struct node *node = parse_and(parser);
    while (skip_name(parser, "or"))
        node = make_pair(parser, NODE_OR, node, parse_and(parser));
    return node;
}

static struct node *parse_expression(struct parser *parser)
{
    if (parser->depth >= TEMPLATE_MAX_DEPTH)
        return fail(parser, "expressions are nested too deeply");
    parser->depth++;
    struct node *node = parse_or(parser);
    while (skip_name(parser, "if")) {
        struct node *choice = make_pair(parser, NODE_CHOICE, node, parse_or(parser));
        choice->c = skip_name(parser, "else") ? parse_expression(parser) : NULL;
        node = choice;
    }
    parser->depth--;
    return node;
}

/* --- Statements --- */

static struct node *parse_body(struct parser *parser, const char *const *ends);

static void end_tag(struct parser *parser)
{
    if (!parser->failed && parser->now.kind != LEX_END)
        fail(parser, "something stands behind a complete tag");
}

/* The word of an end tag has been read by parse_body: takes it, and the tag's end. */
static void take_end(struct parser *parser, const char *word)
{
    if (!skip_name(parser, word))
        fail(parser, "a block has no end");
    if (parser->now.kind == LEX_NAME)
        advance(parser); /* {% endmacro name %} */
    end_tag(parser);
}

static struct node *parse_if(struct parser *parser)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL}, *const last[] = {"endif",
                                                                                        NULL};
    struct node *node = make(parser, NODE_IF), *branch = node;
    branch->a = parse_expression(parser);
    end_tag(parser);
    branch->b = parse_body(parser, ends);
    while (!parser->failed && skip_name(parser, "elif")) {
        branch->c = make(parser, NODE_IF);
        branch = branch->c;
        branch->a = parse_expression(parser);
        end_tag(parser);
        branch->b = parse_body(parser, ends);
    }
    if (skip_name(parser, "else")) {
        end_tag(parser);
        branch->c = parse_body(parser, last);
    }
    take_end(parser, "endif");
    return node;
}

/* Names, separated by commas; one may be an attribute of a namespace. */
static struct node *parse_targets(struct parser *parser)
{
    struct node *first = NULL, **end = &first;
    bool parenthesis = skip_operator(parser, "(");
    do {
        struct node *name = make(parser, NODE_NAME);
        name->text = take_name(parser);
        if (skip_operator(parser, ".")) {
            name = make_pair(parser, NODE_ATTRIBUTE, name, NULL);
            name->text = take_name(parser);
        }
        *end = name;
        end = &name->next;
    } while (!parser->failed && skip_operator(parser, ","));
    if (parenthesis)
        expect_operator(parser, ")");
    return first;
}

static struct node *parse_for(struct parser *parser)
{
    static const char *const ends[] = {"else", "endfor", NULL}, *const last[] = {"endfor", NULL};
    struct node *node = make(parser, NODE_FOR);
    node->a = parse_targets(parser);
    if (!skip_name(parser, "in"))
        return fail(parser, "`for` without `in`");
    node->b = parse_or(parser);
    if (skip_name(parser, "if"))
        node->e = parse_expression(parser);
    end_tag(parser);
    node->c = parse_body(parser, ends);
    if (skip_name(parser, "else")) {
        end_tag(parser);
        node->d = parse_body(parser, last);
    }
    take_end(parser, "endfor");
    return node;
}

static struct node *parse_set(struct parser *parser)
{
    static const char *const ends[] = {"endset", NULL};
    struct node *targets = parse_targets(parser);
    if (skip_operator(parser, "=")) {
        struct node *value = parse_expression(parser);
        if (at_operator(parser, ",")) {
            advance(parser);
            struct node *argument = make_pair(parser, NODE_ARGUMENT, value, NULL);
            struct node *second = make_pair(parser, NODE_ARGUMENT, parse_expression(parser), NULL);
            argument->next = second;
            value = make_pair(parser, NODE_LIST, argument, NULL);
        }
        end_tag(parser);
        return make_pair(parser, NODE_SET, targets, value);
    }
    end_tag(parser);
    struct node *node = make_pair(parser, NODE_SET_BLOCK, targets, parse_body(parser, ends));
    take_end(parser, "endset");
    return node;
}

static struct node *parse_macro(struct parser *parser)
{
    static const char *const ends[] = {"endmacro", NULL};
    struct node *node = make(parser, NODE_MACRO);
    node->text = take_name(parser);
    expect_operator(parser, "(");
    node->a = parse_arguments(parser, ")");
    end_tag(parser);
    node->b = parse_body(parser, ends);
    take_end(parser, "endmacro");
    return node;
}

/* Training marks: what is inside counts, the tags do not. */
static struct node *parse_generation(struct parser *parser)
{
    static const char *const ends[] = {"endgeneration", NULL};
    end_tag(parser);
    struct node *node = make(parser, NODE_IF);
    node->a = make(parser, NODE_CONSTANT);
    node->a->constant = value_bool(true);
    node->b = parse_body(parser, ends);
    take_end(parser, "endgeneration");
    return node;
}

static struct node *parse_break(struct parser *parser)
{
    end_tag(parser);
    return make(parser, NODE_BREAK);
}

static struct node *parse_continue(struct parser *parser)
{
    end_tag(parser);
    return make(parser, NODE_CONTINUE);
}

static struct node *parse_statement(struct parser *parser)
{
    static const struct {
        const char *word;
        struct node *(*parse)(struct parser *);
    } statements[] = {{"if", parse_if},
                      {"for", parse_for},
                      {"set", parse_set},
                      {"macro", parse_macro},
                      {"break", parse_break},
                      {"continue", parse_continue},
                      {"generation", parse_generation}};
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        if (skip_name(parser, statements[i].word))
            return statements[i].parse(parser);
    return fail(parser, "a statement that is not supported");
}

static struct node *parse_output(struct parser *parser)
{
    struct node *node = make_pair(parser, NODE_OUTPUT, parse_expression(parser), NULL);
    end_tag(parser);
    return node;
}

/* --- Outside of tags: text --- */

/* Where the next tag opens; the source's length when none does. */
static size_t find_tag(const struct parser *parser, size_t from)
{
    for (size_t at = from; at + 1 < parser->length; at++)
        if (parser->source[at] == '{' && memchr("{%#", parser->source[at + 1], 3))
            return at;
    return parser->length;
}

/* The text up to the next tag, less the white space that the tags around it take. NULL when
 * nothing is left. / */
static struct node *parse_text(struct parser *parser)
{
    if (parser->strip_next)
        while (is_space(peek(parser, 0)))
            step(parser, 1);
    else if (parser->trim_next && peek(parser, 0) == '\n')
        step(parser, 1);
    parser->strip_next = parser->trim_next = false;
    size_t from = parser->at, tag = find_tag(parser, from), to = tag;
    char sign = tag + 2 < parser->length ? parser->source[tag + 2] : '\0';
    if (tag < parser->length && sign == '-') {
        while (to > from && is_space(parser->source[to - 1]))
            to--;
    } else if (tag < parser->length && sign != '+' && parser->source[tag + 1] != '{') {
        size_t line = to;
        while (line > from && (parser->source[line - 1] == ' ' || parser->source[line - 1] == '\t'))
            line--;
        if (line == 0 || parser->source[line - 1] == '\n')
            to = line;
    }
    step(parser, tag - from);
    if (to == from)
        return NULL;
    struct node *node = make(parser, NODE_TEXT);
    node->text = (struct marked){parser->source + from, NULL, to - from};
    return node;
}

static void skip_comment(struct parser *parser)
{
    const char *start = parser->source + parser->at;
    const char *end = memmem(start, parser->length - parser->at, "#}", 2);
    if (!end) {
        fail(parser, "a comment has no end");
        return;
    }
    parser->strip_next = end > start + 2 && end[-1] == '-';
    parser->trim_next = end[-1] != '-' && end[-1] != '+';
    step(parser, (size_t)(end - start) + 2);
}

/* Opens the tag that stands here and reads its first token. */
static void open_tag(struct parser *parser)
{
    parser->in_output = peek(parser, 1) == '{';
    parser->brackets = 0;
    step(parser, 2);
    if (peek(parser, 0) == '-' || peek(parser, 0) == '+')
        step(parser, 1);
    advance(parser);
}

/* Statements up to a tag that begins with one of `ends` (left as the current token), or to the
 * end where ends is NULL. */
static struct node *parse_body(struct parser *parser, const char *const *ends)
{
    struct node *first = NULL, **end = &first;
    if (parser->depth++ >= TEMPLATE_MAX_DEPTH)
        fail(parser, "blocks are nested too deeply");
    while (!parser->failed) {
        struct node *text = parse_text(parser);
        if (text) {
            *end = text;
            end = &text->next;
        }
        if (parser->at >= parser->length) {
            if (ends)
                fail(parser, "a block has no end");
            break;
        }
        if (peek(parser, 1) == '#') {
            skip_comment(parser);
            continue;
        }
        open_tag(parser);
        for (const char *const *word = ends; word && *word && !parser->in_output; word++) {
            if (at_name(parser, *word)) {
                parser->depth--;
                return first;
            }
        }
        struct node *node = parser->in_output ? parse_output(parser) : parse_statement(parser);
        if (!parser->failed) {
            *end = node;
            end = &node->next;
        }
    }
    parser->depth--;
    return first;
}

struct node *template_parse(struct pool *pool, const char *source, size_t length, bool *ok,
                            struct engine_error *error)
{
    struct parser parser = {
        .pool = pool, .source = source, .length = length, .line = 1, .error = error};
    if (length > 0 && source[length - 1] == '\n')
        parser.length--; /* as Jinja does */
    struct node *first = NULL;
    if (length > TEMPLATE_MAX_SOURCE)
        fail(&parser, "it is longer than 1 MiB");
    else
        first = parse_body(&parser, NULL);
    *ok = !parser.failed;
    return parser.failed ? NULL : first;
}
