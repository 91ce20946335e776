/* What a model says of a text: only what stands there counts, and every place of a text is in some
 * piece. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/schema.h"
#include "eval/find_form.h"
#include "eval/personal.h"
#include "eval/search.h"

static const char PIECE[] = "Ann Lee (Ann Lee's twin is Bo) lives at 5 Oak Row.";

static bool read_said(const char *said, struct find_answer *answer)
{
    return find_form_read(TEXT(PIECE), text_of(said), answer);
}

static void only_what_stands_there_counts(void **state)
{
    struct find_answer answer;
    (void)state;
    assert_true(read_said("{\"found\":[{\"kind\":\"name\",\"text\":\"Bo\"},"
                          "{\"kind\":\"name\",\"text\":\"Ann Lee\"},"
                          "{\"kind\":\"name\",\"text\":\"Ann Lee\"},"
                          "{\"kind\":\"name\",\"text\":\"ann lee\"},"
                          "{\"kind\":\"other\",\"text\":\" \"},"
                          "{\"kind\":\"address\",\"text\":\"5 Oak Row\"}]}",
                          &answer));
    assert_int_equal(answer.count, 3);
    assert_int_equal(answer.invented, 2);
    assert_int_equal(answer.finds[0].start, 27);
    assert_int_equal(answer.finds[1].start, 0);
    assert_int_equal(answer.finds[1].length, 7);
    assert_int_equal(answer.finds[2].kind, PERSONAL_ADDRESS);
}

static void only_the_form_counts(void **state)
{
    static const char *const OTHERS[] = {
        "",
        "none",
        "[]",
        "{}",
        "{\"found\":{}}",
        "{\"found\":[],\"release\":true}",
        "{\"found\":[\"Bo\"]}",
        "{\"found\":[{\"kind\":\"name\"}]}",
        "{\"found\":[{\"kind\":\"cat\",\"text\":\"Bo\"}]}",
        "{\"found\":[{\"kind\":\"name\",\"text\":\"Bo\",\"sure\":1}]}",
        "{\"found\":[{\"kind\":\"name\",\"text\":\"Bo\"},{\"kind\":\"name\",\"text\":7}]}",
        "{\"found\":[{\"kind\":\"name\",\"text\":\"Bo\"}]",
    };
    struct find_answer answer;
    (void)state;
    assert_true(read_said("{\"found\":[]}", &answer));
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++) {
        if (read_said(OTHERS[i], &answer) || answer.count || answer.invented)
            fail_msg("\"%s\" is taken for an answer", OTHERS[i]);
    }
}

static void the_schema_compiles(void **state)
{
    struct engine_error error = {0};
    struct grammar *grammar = schema_compile(FIND_SCHEMA, strlen(FIND_SCHEMA), &error);
    (void)state;
    if (!grammar)
        fail_msg("%s", error.message);
    grammar_free(grammar);
}

/* A name is put at every place in turn: some piece has it whole, at the right place. */
static void nothing_falls_between_two_pieces(void **state)
{
    static const char NAME[] = "Z\xc3\xa9"
                               "no Qax";
    enum { LENGTH = 3 * LIMIT_SEARCH_PIECE_BYTES };
    char *text = malloc(LENGTH);
    (void)state;
    for (size_t at = 0; at + sizeof NAME - 1 <= LENGTH; at += 7) {
        struct search *search = calloc(1, sizeof *search);
        memset(text, 'x', LENGTH);
        for (size_t i = 0; i + 2 <= LENGTH; i += 2)
            memcpy(text + i, "\xc3\xa9", 2);
        memcpy(text + at, NAME, sizeof NAME - 1);
        assert_true(search_add_text(search, 1, SEARCH_PROMPT, (struct text){text, LENGTH}));
        assert_in_range(search->count, 3, 5);
        for (size_t i = 0; i < search->count; i++)
            search_take(search, i,
                        TEXT("{\"found\":[{\"kind\":\"name\",\"text\":\"Z\xc3\xa9no Qax\"}]}"));
        assert_int_equal(search->found, 1);
        assert_int_equal(search->finds[0].start, at);
        search_free(search);
    }
    free(text);
}

static void a_battle_without_end_is_read_in_part(void **state)
{
    enum { LENGTH = LIMIT_SEARCH_PIECES * LIMIT_SEARCH_PIECE_BYTES + 10000 };
    char *text = malloc(LENGTH);
    struct search *search = calloc(1, sizeof *search);
    (void)state;
    memset(text, 'x', LENGTH);
    assert_true(search_add_text(search, 1, SEARCH_ANSWER_A, (struct text){text, LENGTH}));
    assert_int_equal(search->count, LIMIT_SEARCH_PIECES);
    const struct search_piece *last = &search->pieces[search->count - 1];
    assert_int_equal(search->unread, LENGTH - last->start - (int64_t)last->length);
    assert_true(search_add_text(search, 2, SEARCH_PROMPT, TEXT("zoe@lab-mail.org")));
    assert_int_equal(search->patterns, 1u << PERSONAL_EMAIL); /* patterns read all of it */
    search_free(search);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_stands_there_counts),
        cmocka_unit_test(only_the_form_counts),
        cmocka_unit_test(the_schema_compiles),
        cmocka_unit_test(nothing_falls_between_two_pieces),
        cmocka_unit_test(a_battle_without_end_is_read_in_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
