/* A row is read the same whether or not the row before it is remembered. */
#include "tests/testing.h"

#include "board/row_json.h"

/* The paths that are asked for, and rows as programs and people write them: alike, in another
 * order, with members missing, twice, of other kinds, spaced otherwise, broken. */
static const char *const PATHS[] = {"a", "b", "meta.turns", "meta.deep.x", "meta", "meta.a.b", "n"};
static const char *const ROWS[] = {
    "{\"a\": \"one\", \"b\": \"two\", \"meta\": {\"turns\": 1, \"deep\": {\"x\": 5}}, \"n\": null}",
    "{\"a\": \"o\\\"ne\", \"b\": \"two, \\\\\", \"meta\": {\"turns\": 12, \"deep\": {\"x\": "
    "\"}\"}}, "
    "\"n\": -1.5}",
    "{\"a\": {\"b\": 1}, \"b\": [\"}\", {}], \"meta\": {\"turns\": null, \"deep\": null}, \"n\": "
    "1}",
    "{\"a\": \"1\", \"b\": \"2\", \"n\": 3}",
    "{\"a\": \"1\", \"b\": \"2\", \"n\": 3} ",
    "{\"a\": \"1\", \"b\": \"2\", \"n\": 3}}",
    "{\"a\": \"1\", \"b\": \"2\", \"n\": }",
    "{\"a\": \"1\", \"b\": \"2\", \"n\": 3",
    "{\"b\": \"2\", \"a\": \"1\", \"x\": {\"a\": \"not this\"}}",
    "{\"a\":\"1\",\"b\":\"2\",\"a\":\"3\"}",
    "{}",
    "{\"meta\": {\"deep\": {}, \"a\": {\"b\": 2}, \"a.b\": 3}}",
    "{\"a\": \"a name that is longer than two blocks of sixteen bytes, with \\\"quotes\\\" in "
    "it\"}",
    "{\"a\": \"not closed, \"b\": 1}",
};
enum { FIELDS = sizeof PATHS / sizeof *PATHS, COUNT = sizeof ROWS / sizeof *ROWS };

static void asked(struct row_spec *spec, size_t fields)
{
    *spec = (struct row_spec){0};
    for (size_t f = 0; f < fields; f++)
        assert_int_equal(row_spec_add(spec, PATHS[f]), f);
}

/* Both ways; what is remembered is that of all rows before. */
static void read_both(const struct row_spec *spec, struct row_shape *shape,
                      struct row_field *remembered, const char *row)
{
    struct row_field fresh[ROW_FIELDS_MAX];
    struct err errors[2] = {ERR_INIT, ERR_INIT};
    const char *end = row + strlen(row), *next[2], *skip[2] = {NULL, NULL};
    uint32_t lines[2];
    bool blank[2];
    next[0] = row_read(spec, row, end, fresh, &blank[0], &lines[0], &skip[0], &errors[0]);
    next[1] = row_read_like(spec, shape, row, end, remembered, &blank[1], &lines[1], &skip[1],
                            &errors[1]);
    assert_ptr_equal(next[0], next[1]);
    assert_ptr_equal(skip[0], skip[1]);
    assert_string_equal(errors[0].message, errors[1].message);
    for (size_t f = 0; next[0] && f < spec->count; f++) {
        assert_int_equal(fresh[f].kind, remembered[f].kind);
        assert_int_equal(fresh[f].escaped, remembered[f].escaped);
        assert_ptr_equal(fresh[f].raw.data, remembered[f].raw.data);
        assert_int_equal(fresh[f].raw.length, remembered[f].raw.length);
    }
}

/* Every row after every other, and twice. */
static void alike(void **state)
{
    (void)state;
    for (size_t fields = 1; fields <= FIELDS; fields++) {
        struct row_spec spec;
        asked(&spec, fields);
        for (size_t i = 0; i < COUNT; i++) {
            for (size_t j = 0; j < COUNT; j++) {
                struct row_shape shape = {0};
                struct row_field kept[ROW_FIELDS_MAX] = {0};
                read_both(&spec, &shape, kept, ROWS[i]);
                read_both(&spec, &shape, kept, ROWS[j]);
                read_both(&spec, &shape, kept, ROWS[j]);
                read_both(&spec, &shape, kept, ROWS[i]);
            }
        }
    }
}

/* Equal rows are read by comparing; rows that never are alike stop being learnt. */
static void remembered(void **state)
{
    struct row_spec spec;
    struct row_shape shape = {0};
    struct row_field kept[ROW_FIELDS_MAX] = {0};
    (void)state;
    asked(&spec, FIELDS);
    for (int k = 0; k < 10; k++)
        read_both(&spec, &shape, kept, ROWS[3]);
    assert_int_equal(shape.alike, 9);
    for (int k = 0; k < 1000; k++)
        read_both(&spec, &shape, kept, ROWS[k % 2 ? 3 : 0]);
    assert_false(shape.known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(alike), cmocka_unit_test(remembered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
