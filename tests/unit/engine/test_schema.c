/* JSON Schema as a grammar: which texts it lets through, which schemas are refused and where, and
 * that random texts made along the grammar always end as what the schema allows. */
#include "engine/json_tree.h"
#include "engine/schema.h"
#include "testing.h"

#include <stdlib.h>

static struct grammar_walk walk;

static struct grammar *compile(const char *schema)
{
    struct engine_error error = {0};
    struct grammar *grammar = schema_compile(schema, strlen(schema), &error);
    if (!grammar)
        fail_msg("%s: %s", schema, error.message);
    return grammar;
}

/* Walks from level 0 byte by byte, as a drawn token does. */
static bool lets_through(const struct grammar *grammar, const char *text)
{
    grammar_walk_start(&walk, grammar);
    for (; *text; text++) {
        if (!grammar_walk_step(&walk, 0, (unsigned char)*text))
            return false;
        grammar_walk_settle(&walk, 1);
    }
    return grammar_walk_may_end(&walk, 0);
}

/* A schema, texts that it lets through, and texts that it does not; each list ends with NULL. */
struct known {
    const char *schema, *good[10], *bad[12];
};

static const struct known KNOWN[] = {
    {"{\"type\":\"integer\"}",
     {"0", "-0", "7", "-12", "123456789012345678"},
     {"", "01", "1.0", "+1", "-", " 1", "1 ", "1234567890123456789", "1e3"}},
    {"{\"type\":\"number\"}",
     {"0", "-1.5", "1e10", "2.50E-07", "0.1e+9", "10"},
     {".5", "1.", "1e", "1e+", "1e123", "00", "NaN", "--1", "1.2.3"}},
    {"{\"type\":\"integer\",\"minimum\":-1,\"maximum\":10}",
     {"-1", "0", "1", "10"},
     {"-2", "11", "100", "01", "-"}},
    {"{\"type\":\"integer\",\"minimum\":1}", {"1", "90"}, {"0", "-1"}},
    {"{\"type\":\"string\"}",
     {"\"\"", "\"a b\"", "\"\\n\\u00e9\\\"\"", "\"\u00e9\u20ac\U0001F600\"", "\"\\ud7ff\""},
     {"\"", "a", "\"\n\"", "\"\\x\"", "\"\xC0\x80\"", "\"\xED\xA0\x80\"", "\"\\ud83d\"",
      "\"\xE2\x82\"", "\"\xFF\"", "\"\\u12\""}},
    {"{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}",
     {"\"ab\"", "\"abc\"", "\"\u00e9\u00e9\u00e9\"", "\"\\n\\u0041\""},
     {"\"a\"", "\"abcd\"", "\"\""}},
    {"{\"enum\":[\"a\",\"ab\",1,12,1.5,null,true,\"\\\"\"]}",
     {"\"a\"", "\"ab\"", "1", "12", "1.5", "null", "true", "\"\\\"\""},
     {"\"b\"", "false", "2", "1.", "\"a", "nul"}},
    {"{\"type\":\"string\",\"enum\":[\"a\",1]}", {"\"a\""}, {"1"}},
    {"{\"const\":0.1}", {"0.1"}, {"0.10", "0"}},
    {"{\"type\":[\"boolean\",\"null\"]}", {"true", "false", "null"}, {"0", "\"\""}},
    {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":1,\"maxItems\":3}",
     {"[1]", "[1,2]", "[1, 2,\n  3]", "[\n1\n]"},
     {"[]", "[1,]", "[1,2,3,4]", "[,1]", "[1  ,2]", "[1", "[1,  2]", "[true]"}},
    {"{\"type\":\"array\",\"maxItems\":0}", {"[]"}, {"[1]", "[ ]"}},
    {"{\"type\":\"array\"}", {"[]", "[1,\"a\",null,[{}]]", "[ ]"}, {"[1 2]"}},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":"
     "\"boolean\"},\"c\":{}},\"required\":[\"b\"],\"additionalProperties\":false}",
     {"{\"b\":true}", "{\"a\":1,\"b\":true}", "{\"a\": 1, \"b\": true, \"c\": [0]}",
      "{\n  \"b\": false,\n  \"c\": \"\"\n}"},
     {"{}", "{\"a\":1}", "{\"b\":true,\"a\":1}", "{\"b\":true,}", "{\"b\":true,\"d\":1}",
      "{\"b\":true,\"b\":true}", "{,\"b\":true}", "{\"b\" :true}"}},
    {"{\"properties\":{\"a\":{\"const\":1},\"b\":{\"const\":2},\"c\":{\"const\":3}}}",
     {"{}", "{\"a\":1}", "{\"b\":2}", "{\"c\":3}", "{\"a\":1,\"c\":3}",
      "{\"a\":1,\"b\":2,\"c\":3}"},
     {"{\"c\":3,\"a\":1}", "{\"a\":1,}", "{\"a\":1 \"b\":2}"}},
    {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}",
     {"{}", "{\"x\":1}", "{\"x\": 1,\"\": 2}"},
     {"{\"x\":true}", "{x:1}", "{\"x\":1,}"}},
    {"{\"type\":\"object\",\"additionalProperties\":false}", {"{}"}, {"{\"a\":1}"}},
    /* an optional member, an item and an alternative that could never end */
    {"{\"properties\":{\"a\":{\"$ref\":\"#/$defs/l\"},\"b\":{}},\"$defs\":{\"l\":{\"properties\":"
     "{\"n\":{\"$ref\":\"#/$defs/l\"}},\"required\":[\"n\"]}}}",
     {"{}", "{\"b\":1}"},
     {"{\"a\""}},
    {"{\"anyOf\":[{\"$ref\":\"#/$defs/"
     "l\"},{\"type\":\"integer\"}],\"$defs\":{\"l\":{\"properties\":"
     "{\"n\":{\"$ref\":\"#/$defs/l\"}},\"required\":[\"n\"]}}}",
     {"1"},
     {"{\"n\""}},
    {"{\"type\":\"object\"}",
     {"{}", "{\"a\":{\"b\":[1,2,{\"c\":null}]}}"},
     {"[]", "1", "{\"a\"}", "{\"a\":1}}"}},
    {"true", {"1", "[[[]]]", "{\"a\":\"b\"}", "\"x\""}, {"", "x", "1,2"}},
    {"{\"anyOf\":[{\"type\":\"string\",\"maxLength\":1},{\"enum\":[\"long\"]},{\"type\":\"null\"}]"
     "}",
     {"\"l\"", "\"long\"", "null", "\"\""},
     {"\"lo\"", "\"longer\""}},
    {"{\"$defs\":{\"tree\":{\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"integer\"},"
     "\"next\":{\"anyOf\":[{\"$ref\":\"#/$defs/tree\"},{\"type\":\"null\"}]}},\"required\":[\"v\","
     "\"next\"]}},\"$ref\":\"#/$defs/tree\"}",
     {"{\"v\":1,\"next\":null}", "{\"v\":1,\"next\":{\"v\":2,\"next\":null}}"},
     {"{\"v\":1}", "{\"v\":1,\"next\":1}"}},
    {"{\"type\":\"object\",\"properties\":{\"kids\":{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}}"
     "}}",
     {"{}", "{\"kids\":[{\"kids\":[]},{}]}"},
     {"{\"kids\":[1]}"}},
    {"{\"properties\":{\"a/b\":{\"type\":\"null\"},\"c\":{\"$ref\":\"#/properties/a~1b\"}}}",
     {"{\"a/b\":null,\"c\":null}"},
     {"{\"c\":1}"}},
    {"{\"allOf\":[{\"type\":\"null\"}],\"title\":\"t\",\"description\":\"d\"}", {"null"}, {"0"}},
};

static void test_a_schema_lets_through_what_it_allows_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++) {
        struct grammar *grammar = compile(KNOWN[i].schema);
        for (const char *const *text = KNOWN[i].good; *text; text++)
            if (!lets_through(grammar, *text))
                fail_msg("%s refuses %s", KNOWN[i].schema, *text);
        for (const char *const *text = KNOWN[i].bad; *text; text++)
            if (lets_through(grammar, *text))
                fail_msg("%s lets through %s", KNOWN[i].schema, *text);
        grammar_free(grammar);
    }
}

static void test_what_cannot_be_promised_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *message;
    } REFUSED[] = {
        {"", "damaged JSON"},
        {"[]", "must be an object"},
        {"{\"type\":\"set\"}", "at #: \"type\""},
        {"{\"type\":\"string\",\"pattern\":\"a\"}", "at #: \"pattern\""},
        {"{\"properties\":{\"a\":{\"items\":{\"format\":\"date\"}}}}",
         "at #/properties/a/items: \"format\""},
        {"{\"anyOf\":[{\"oneOf\":[]}]}", "at #/anyOf: \"oneOf\""},
        {"{\"anyOf\":[{}],\"type\":\"string\"}", "\"type\" cannot stand beside"},
        {"{\"allOf\":[{},{}]}", "\"allOf\" of more"},
        {"{\"enum\":[]}", "\"enum\""},
        {"{\"enum\":[{}]}", "plain values"},
        {"{\"enum\":[1],\"type\":\"string\"}", "no value of the \"type\""},
        {"{\"$ref\":\"http://x/y\"}", "\"$ref\" must be a pointer"},
        {"{\"$ref\":\"#/nowhere\"}", "points to nothing"},
        {"{\"$ref\":\"#\"}", "nests more than 48 deep"},
        {"{\"required\":[\"a\"]}", "\"a\" is required"},
        {"{\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]}", "nests more than 48"},
        {"{\"properties\":{\"a\":{}},\"additionalProperties\":{}}", "can only be false"},
        {"{\"properties\":{\"a\":{}},\"minProperties\":1}", "\"minProperties\""},
        {"{\"type\":\"array\",\"uniqueItems\":true}", "\"uniqueItems\""},
        {"{\"type\":\"array\",\"minItems\":3,\"maxItems\":2}", "\"minItems\" is above"},
        {"{\"minLength\":-1}", "\"minLength\""},
        {"{\"type\":\"number\",\"minimum\":0}", "\"integer\" only"},
        {"{\"type\":\"integer\",\"minimum\":0,\"maximum\":5000}", "1024 values"},
        {"{\"type\":\"integer\",\"minimum\":2}", "0 or 1"},
        {"{\"type\":\"integer\",\"maximum\":2}", "needs \"minimum\""},
        {"{\"properties\":{\"a\":false}}", "at #/properties/a: \"false\""},
        {"{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"not\":{}}}}", "at #/$defs/a: \"not\""},
    };
    for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++) {
        struct engine_error error = {0};
        if (schema_compile(REFUSED[i].schema, strlen(REFUSED[i].schema), &error))
            fail_msg("%s is not refused", REFUSED[i].schema);
        assert_int_equal(error.code, ENGINE_REQUEST);
        if (!strstr(error.message, REFUSED[i].message))
            fail_msg("%s: %s", REFUSED[i].schema, error.message);
    }
}

static uint32_t draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* A text of random bytes that the grammar lets through, ended where it may. Past `long_enough` the
 * byte that closes something comes first. */
static size_t random_text(const struct grammar *grammar, uint64_t seed, char *out, size_t size)
{
    static const char closing[] = "\"]}:,";
    size_t length = 0, long_enough = size / 4;
    grammar_walk_start(&walk, grammar);
    while (length + 1 < size &&
           !(grammar_walk_may_end(&walk, 0) && (walk.first[1] == 1 || draw(&seed) % 4 == 0))) {
        unsigned char byte = (unsigned char)draw(&seed);
        for (int tries = 0; !grammar_walk_step(&walk, 0, byte); tries++) {
            bool close = length > long_enough && tries < 5;
            byte = close ? (unsigned char)closing[tries] : (unsigned char)(byte + 1);
            if (tries > 300)
                fail_msg("a dead end after %.*s", (int)length, out);
        }
        grammar_walk_settle(&walk, 1);
        out[length++] = (char)byte;
    }
    out[length] = '\0';
    return length;
}

static void test_random_texts_are_json_and_never_run_into_a_dead_end(void **state)
{
    (void)state;
    static char text[1 << 14];
    int ended = 0, made = 0;
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++) {
        struct grammar *grammar = compile(KNOWN[i].schema);
        for (uint64_t seed = 1; seed <= 40; seed++, made++) {
            size_t length = random_text(grammar, seed * 977 + i, text, sizeof text);
            if (!grammar_walk_may_end(&walk, 0))
                continue;
            ended++;
            struct engine_error error = {0};
            struct json_tree *json = json_tree_parse(text, length, "text", &error);
            if (!json)
                fail_msg("%s: %s: %s", KNOWN[i].schema, error.message, text);
            json_tree_free(json);
        }
        grammar_free(grammar);
    }
    if (ended * 10 < made * 9)
        fail_msg("only %d of %d texts came to their end", ended, made);
}

static void test_values_nest_as_deep_as_is_said_and_no_deeper(void **state)
{
    (void)state;
    struct grammar *grammar = compile("true");
    char text[2 * GRAMMAR_DEPTH + 3];
    for (int depth = GRAMMAR_DEPTH; depth <= GRAMMAR_DEPTH + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        text[2 * depth] = '\0';
        assert_int_equal(lets_through(grammar, text), depth == GRAMMAR_DEPTH);
    }
    grammar_free(grammar);
}

/* Alternatives of alternatives: two to the thirtieth of them, which no step may follow all. */
static void test_alternatives_cost_a_bounded_time(void **state)
{
    (void)state;
    char schema[4096] = "{\"$defs\":{";
    for (int i = 0; i < 30; i++)
        snprintf(schema + strlen(schema), 128,
                 "\"%d\":{\"anyOf\":[{\"$ref\":\"#/$defs/%d\"},{\"$ref\":\"#/$defs/%d\"}]},", i,
                 i + 1, i + 1);
    snprintf(schema + strlen(schema), 128, "\"30\":{\"type\":\"string\"}},\"$ref\":\"#/$defs/0\"}");
    struct engine_error error = {0};
    struct grammar *grammar = schema_compile(schema, strlen(schema), &error);
    assert_null(grammar); /* 61 values inside each other */
    char *cut = strstr(schema, "#/$defs/0");
    cut[8] = '9';
    grammar = compile(schema);
    assert_true(lets_through(grammar, "\"a\""));
    grammar_free(grammar);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_schema_lets_through_what_it_allows_and_nothing_else),
        cmocka_unit_test(test_what_cannot_be_promised_is_refused_with_its_place),
        cmocka_unit_test(test_random_texts_are_json_and_never_run_into_a_dead_end),
        cmocka_unit_test(test_values_nest_as_deep_as_is_said_and_no_deeper),
        cmocka_unit_test(test_alternatives_cost_a_bounded_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
