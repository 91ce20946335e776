/* Reading votes: every form gives the same tally, whatever the chunks and threads; bad records are
 * named by line. */
#include "tests/testing.h"

#include <zlib.h>

#include "base/buf.h"
#include "base/random.h"
#include "board/style.h"
#include "board/votefile.h"

static bool read_text(struct votefile *file, struct text text,
                      const struct votefile_options *options, struct err *err)
{
    struct chunks *chunks = chunks_open_memory(text, "votes", err);
    bool ok = chunks && votefile_read(file, chunks, options, err);
    chunks_free(chunks);
    return ok;
}

static void read_ok(struct votefile *file, const char *text, const struct votefile_options *options)
{
    struct err err = ERR_INIT;
    if (!read_text(file, text_of(text), options, &err))
        fail_msg("%s", err.message);
}

static void refused(const char *text, const struct votefile_options *options, const char *want)
{
    struct votefile file;
    struct err err = ERR_INIT;
    if (read_text(&file, text_of(text), options, &err))
        fail_msg("accepted: %s", text);
    if (!strstr(err.message, want))
        fail_msg("\"%s\" does not say \"%s\"", err.message, want);
}

static size_t model(const struct votefile *file, const char *name)
{
    for (size_t k = 0; k < file->tally.models; k++)
        if (strcmp(file->names[k], name) == 0)
            return k;
    fail_msg("no model %s", name);
    return 0;
}

static void forms(void **state)
{
    const struct votefile_options plain = {.threads = 2},
                                  named = {.columns = {"left", "right", "won"}, .threads = 1};
    struct votefile file;
    (void)state;
    read_ok(&file,
            "{\"model_a\": \"gpt \\u00e9\", \"model_b\": \"b\", \"winner\": \"model_a\", \"x\": "
            "{\"model_a\": [1, \"}\"]}}\n\n"
            "  {\"winner\":\"tie (bothbad)\",\"extra\":\"\\\\\\\"\",\"model_b\":\"gpt "
            "é\",\"model_a\":\"b\"}\r\n"
            "{\"model_a\":\"b\",\"model_b\":\"c\",\"winner\":\"tie\",\"n\":-1.5e3,\"t\":true,\"z\":"
            "null}",
            &plain);
    assert_int_equal(file.tally.models, 3);
    assert_int_equal(file.tally.votes, 3);
    size_t gpt = model(&file, "gpt é"), b = model(&file, "b");
    assert_int_equal(tally_count(&file.tally, gpt, b, OUTCOME_A), 1);
    assert_int_equal(tally_count(&file.tally, gpt, b, OUTCOME_BOTH_BAD), 1);
    votefile_done(&file);
    read_ok(&file,
            "\xef\xbb\xbfwon,note,left,right\r\nleft,\"a, \"\"b\"\"\nsecond line\",x,\"y "
            "\"\"1\"\"\"\r\nboth_bad,,x,z\nright,,z,x\n",
            &named);
    assert_int_equal(
        tally_count(&file.tally, model(&file, "x"), model(&file, "y \"1\""), OUTCOME_A), 1);
    assert_int_equal(tally_count(&file.tally, model(&file, "x"), model(&file, "z"), OUTCOME_A), 1);
    assert_int_equal(file.tally.votes, 3);
    votefile_done(&file);
    read_ok(&file, " {\"models\": [\"m\", \"k\"], \"X\": [[1, 0]], \"Y\": [[3, 2, 1, 4]]}\n",
            &plain);
    assert_int_equal(tally_count(&file.tally, model(&file, "k"), model(&file, "m"), OUTCOME_A), 3);
    assert_int_equal(
        tally_count(&file.tally, model(&file, "k"), model(&file, "m"), OUTCOME_BOTH_BAD), 4);
    assert_true(file.aggregated);
    votefile_done(&file);
    read_ok(&file,
            "model_a,model_b,winner_model_a,winner_model_b,winner_tie\na,b,1,0,0\na,b,0,0,1\n",
            &plain);
    assert_int_equal(tally_count(&file.tally, 0, 1, OUTCOME_TIE), 1);
    votefile_done(&file);
}

static void refusals(void **state)
{
    const struct votefile_options plain = {.threads = 2},
                                  named = {.columns = {"left", "right", "won"}, .threads = 1};
    const struct {
        const char *text, *want;
    } CASES[] = {
        {"", "empty"},
        {" \n\n", "empty"},
        {"left,right,winner\n", "--columns"},
        {"model_a,model_b,winner\na,b,tie\na,b,left\n", "line 3: \"left\" is no outcome"},
        {"model_a,model_b,winner\na,b,tie\nc,c,tie\n", "line 3: c meets itself"},
        {"model_a,model_b,winner\na,b\n", "line 2: 2 columns where the header has 3"},
        {"model_a,model_b,winner\na,\"b,tie\n", "line 2: a quoted cell is not closed"},
        {"model_a,model_b,winner\n\"x\ny\",b,tie\na,b,no\n", "line 2: a model's name"},
        {"model_a,model_b,winner,model_a\n", "two columns"},
        {"model_a,model_b,winner\n,b,tie\n", "line 2: \"model_a\" is empty"},
        {"model_a,model_b,winner,id\na,b,tie,7\nb,c,tie,8\na,c,tie,7\n",
         "line 4: this vote's id was there before: 7"},
        {"[{\"model_a\":\"a\"}]", "JSON array"},
        {"{\"model_a\":\"a\",\"model_b\":\"b\"}\n", "line 1: no field \"winner\""},
        {"{\"model_a\":\"a\",\"model_b\":\"b\",\"winner\":\"tie\"\n", "line 1: malformed JSON"},
        {"{\"model_a\":\"a\",\"model_b\":\"b\",\"winner\":\"tie\"} x\n", "something follows"},
        {"\n{\"model_a\":\"a\",\"model_b\":\"b\",\"winner\":\"tie\",\"x\":[{]}}\n",
         "line 2: malformed JSON: a bracket"},
        {"{\"model_a\":{},\"model_b\":\"b\",\"winner\":\"tie\"}\n", "not a model's name"},
        {"{\"model_a\":\"\\ud800\",\"model_b\":\"b\",\"winner\":\"tie\"}\n", "malformed escape"},
        {"{\"model_a\":\"\xff\",\"model_b\":\"b\",\"winner\":\"tie\"}\n", "not plain UTF-8"},
        {"{\"models\":[\"a\",\"b\"],\"X\":[[0,0]],\"Y\":[[1,1,1]]}",
         "X[0], Y[0]: a model meets itself"},
        {"{\"models\":[\"a\",\"b\"],\"X\":[[0,1]],\"Y\":[[1,-1,1]]}", "a count is not"},
        {"{\"models\":[\"a\",\"b\"],\"X\":[[0,1],[0,1]],\"Y\":[[1,1,1]]}", "same length"},
        {"{\"models\":[\"a\",\"a\"],\"X\":[],\"Y\":[]}", "there twice"},
        {"\x1f\x8b\x08", "cut short"},
        {"\x1f\x8b\x08garbage garbage", "corrupt"},
    };
    (void)state;
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++)
        refused(CASES[k].text, &plain, CASES[k].want);
    refused("left,right,won\nx,y,up\n", &named, "line 2: \"up\" is no outcome");
    refused("left,right,won\nx,y,left\n",
            &(struct votefile_options){.columns = {"left", "right", "won"}, .id = "id"},
            "no column \"id\"");
}

static void lenient(void **state)
{
    const struct votefile_options options = {.lenient = true, .threads = 2};
    struct votefile file;
    (void)state;
    read_ok(&file,
            "model_a,model_b,winner,id\na,b,tie,1\na,b,up,2\nc,c,tie,3\na,b,model_a,1\na,b\n\"x\","
            "b,tie,"
            "4\n\"oops,b,tie,5\n",
            &options);
    assert_int_equal(file.tally.votes, 2);
    assert_int_equal(file.skipped[SKIP_OUTCOME], 1);
    assert_int_equal(file.skipped[SKIP_SELF], 1);
    assert_int_equal(file.skipped[SKIP_DUPLICATE], 1);
    assert_int_equal(file.skipped[SKIP_MALFORMED], 2);
    assert_int_equal(votefile_skipped(&file), 5);
    assert_int_equal(file.records, 7);
    votefile_done(&file);
}

/* A few megabytes of random votes with long, nasty texts: the sum must be right however it is cut,
 * and however many threads read it; ballots keep the file's order. */
static void write_votes(struct buf *json, struct buf *csv, size_t votes, uint32_t counts[3][3])
{
    static const char *const NAMES[3] = {"alpha", "beta \"b\"", "gamma"}, *const WORDS[3] = {
                                                                              "model_a", "model_b",
                                                                              "tie"};
    static const char *const ESCAPED[3] = {"alpha", "beta \\\"b\\\"", "gamma"};
    struct rng rng;
    rng_init(&rng, 4, 4);
    buf_add_string(csv, "id,text,model_a,model_b,winner,judge\n");
    memset(counts, 0, 9 * sizeof(uint32_t));
    for (size_t k = 0; k < votes; k++) {
        size_t a = (size_t)rng_below(&rng, 3), b = (a + 1 + (size_t)rng_below(&rng, 2)) % 3,
               w = (size_t)rng_below(&rng, 3);
        size_t length = (size_t)rng_below(&rng, 3) ? 20 : (size_t)rng_below(&rng, 3000);
        buf_printf(json, "{\"question_id\": \"%zu\", \"text\": \"", k);
        buf_printf(csv, "%zu,\"", k);
        for (size_t n = 0; n < length; n++) {
            const char *piece = n % 7 == 0 ? "\\\\\\\"" : n % 11 == 0 ? "\\n}{" : "x";
            buf_add_string(json, piece);
            buf_add_string(csv, n % 7 == 0 ? "\"\"\n" : "x,");
        }
        buf_printf(json,
                   "\", \"model_a\": \"%s\", \"model_b\": \"%s\", \"winner\": \"%s\", \"judge\": "
                   "\"j%zu\"}\n",
                   ESCAPED[a], ESCAPED[b], WORDS[w], k % 50);
        buf_printf(csv, "\",%s,%s,%s,j%zu\n", a == 1 ? "\"beta \"\"b\"\"\"" : NAMES[a],
                   b == 1 ? "\"beta \"\"b\"\"\"" : NAMES[b], WORDS[w], k % 50);
        counts[a][b] += w == 0;
        counts[b][a] += w == 1;
    }
}

static void check_big(struct text text, int threads, uint32_t counts[3][3], size_t votes)
{
    const struct votefile_options options = {.threads = threads};
    struct votefile file;
    struct err err = ERR_INIT;
    if (!read_text(&file, text, &options, &err))
        fail_msg("%s", err.message);
    assert_int_equal(file.tally.votes, votes);
    assert_int_equal(file.ballots.count, votes);
    assert_int_equal(file.ballots.voters, 50);
    for (size_t k = 0; k < votes; k++)
        assert_int_equal(file.ballots.rows[k].voter, k % 50);
    for (size_t a = 0; a < 3; a++)
        for (size_t b = 0; b < 3; b++)
            assert_int_equal(tally_count(&file.tally, a, b, OUTCOME_A), counts[a][b]);
    votefile_done(&file);
}

static void gzip(const struct buf *text, struct buf *out)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_true(buf_reserve(out, deflateBound(&z, text->length)));
    z.next_in = (Bytef *)text->data;
    z.avail_in = (uInt)text->length;
    z.next_out = (Bytef *)(out->data + out->length);
    z.avail_out = (uInt)deflateBound(&z, text->length);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->length += z.total_out;
    deflateEnd(&z);
}

static void chunks_and_threads(void **state)
{
    enum { VOTES = 6000 };
    struct buf json, csv, packed;
    uint32_t counts[3][3];
    (void)state;
    buf_init(&json, 64 << 20);
    buf_init(&csv, 64 << 20);
    buf_init(&packed, 64 << 20);
    write_votes(&json, &csv, VOTES, counts);
    assert_false(json.failed || csv.failed);
    assert_true(json.length > 3 * CHUNK_BYTES && csv.length > 3 * CHUNK_BYTES);
    for (int threads = 1; threads <= 3; threads++) {
        check_big(buf_text(&json), threads, counts, VOTES);
        check_big(buf_text(&csv), threads, counts, VOTES);
    }
    gzip(&json, &packed);
    check_big(buf_text(&packed), 2, counts, VOTES);
    buf_done(&json);
    buf_done(&csv);
    buf_done(&packed);
}

/* With several threads the first bad line is still the one that is named. */
static void first_error(void **state)
{
    struct buf text;
    const struct votefile_options options = {.threads = 3};
    struct votefile file;
    struct err err = ERR_INIT;
    (void)state;
    buf_init(&text, 64 << 20);
    buf_add_string(&text, "model_a,model_b,winner\n");
    for (int k = 0; k < 300000; k++)
        buf_add_string(&text, k == 150000 || k == 299999 ? "a,b,wrong\n" : "a,b,model_a\n");
    assert_false(read_text(&file, buf_text(&text), &options, &err));
    assert_non_null(strstr(err.message, "line 150002:"));
    buf_done(&text);
}

static void categories(void **state)
{
    const char *votes = "{\"model_a\":\"a\",\"model_b\":\"b\",\"winner\":\"model_a\",\"language\":"
                        "\"en\",\"is_code\":true,\"turn\":1,\"category_tag\":"
                        "{\"math_v0.1\":{\"math\":true},\"criteria_v0.1\":{\"specificity\":true,"
                        "\"domain_knowledge\":true,\"complexity\":true,"
                        "\"problem_solving\":true,\"creativity\":false,\"technical_accuracy\":true,"
                        "\"real_world\":true}}}\n"
                        "{\"model_a\":\"a\",\"model_b\":\"b\",\"winner\":\"model_b\",\"language\":"
                        "\"German\",\"is_code\":false,\"turn\":3,"
                        "\"conv_metadata\":{\"turns\":3}}\n"
                        "{\"model_a\":\"a\",\"model_b\":\"b\",\"winner\":\"tie\",\"language\":"
                        "\"English\",\"turn\":2,\"tstamp\":1700000000.5}\n";
    const struct {
        const char *category, *filter;
        uint64_t votes;
    } CASES[] = {
        {NULL, NULL, 3},           {"overall", NULL, 3},
        {"math", NULL, 1},         {"coding", NULL, 1},
        {"hard_prompts", NULL, 1}, {"english", NULL, 2},
        {"german", NULL, 1},       {"multi_turn", NULL, 2},
        {"exclude_ties", NULL, 2}, {NULL, "turn>=2", 2},
        {NULL, "language=en", 1},  {NULL, "language!=en", 2},
        {NULL, "turn<3", 2},       {NULL, "tstamp>1.6e9", 1},
        {NULL, "is_code=true", 1}, {"hard_english_6", NULL, 1},
        {"english", "turn=2", 1},  {NULL, "category_tag.math_v0.1.math=true", 1},
        {"korean", NULL, 0},
    };
    (void)state;
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        const struct votefile_options options = {
            .categories = {CASES[k].category}, .filters = {CASES[k].filter}, .threads = 1};
        struct votefile file;
        read_ok(&file, votes, &options);
        if (file.tally.votes != CASES[k].votes)
            fail_msg("%s %s: %d votes", CASES[k].category, CASES[k].filter, (int)file.tally.votes);
        assert_int_equal(file.tally.votes + file.filtered, 3);
        votefile_done(&file);
    }
    refused(votes, &(struct votefile_options){.filters = {"turn"}}, "is no filter");
    refused(votes, &(struct votefile_options){.categories = {"nonesuch"}},
            "no vote is of category \"nonesuch\"; known are overall, full, math,");
    refused(votes, &(struct votefile_options){.categories = {"math", "nonesuch"}}, "\"nonesuch\"");
    refused(votes, &(struct votefile_options){.categories = {"a=b"}}, "is no category");
}

/* Several boards from one pass hold what each holds alone. */
static void several_boards(void **state)
{
    static const char *const CATEGORIES[] = {"coding", "overall", "de", "exclude_ties"};
    struct votefile together, alone;
    struct votefile_options options = {.threads = 2};
    struct buf text;
    (void)state;
    buf_init(&text, 1 << 20);
    for (int k = 0; k < 5000; k++)
        buf_printf(&text,
                   "{\"model_a\":\"m%d\",\"model_b\":\"n%d\",\"winner\":\"%s\",\"language\":\"%s\","
                   "\"is_code\":%s,\"judge\":\"%.*s\"}\n",
                   k % 7, k % 5, k % 3 ? "model_a" : "tie", k % 4 ? "en" : "de",
                   k % 6 ? "false" : "true", k % 4 ? 0 : 1 + k % 3, "xyz");
    for (size_t k = 0; k < 4; k++)
        options.categories[k] = CATEGORIES[k];
    read_ok(&together, text.data, &options);
    assert_int_equal(together.boards, 4);
    for (size_t k = 0; k < 4; k++) {
        const struct votefile_options one = {.threads = 1, .categories = {CATEGORIES[k]}};
        read_ok(&alone, text.data, &one);
        assert_int_equal(alone.tally.models, together.tally.models);
        assert_memory_equal(alone.tally.cells, votefile_tally(&together, k)->cells,
                            12 * 11 / 2 * sizeof *alone.tally.cells);
        assert_int_equal(alone.ballots.count, votefile_ballots(&together, k)->count);
        assert_int_equal(alone.ballots.voters > 0, votefile_ballots(&together, k)->voters > 0);
        votefile_done(&alone);
    }
    votefile_done(&together);
    buf_done(&text);
}

static void style(void **state)
{
    const struct votefile_options options = {.style = true, .threads = 1};
    struct votefile file;
    struct style counts = {{0}};
    (void)state;
    style_add(&counts, TEXT("# Title\n\nSome **bold** and __more__ * x\n- one\n  * two\n3. "
                            "three\n```\n# no\n- no **no**\n```\n####### no\n"));
    assert_int_equal((int)counts.count[STYLE_HEADERS], 1);
    assert_int_equal((int)counts.count[STYLE_LISTS], 3);
    assert_int_equal((int)counts.count[STYLE_BOLD], 2);
    read_ok(
        &file,
        "{\"model_a\":\"a\",\"model_b\":\"b\",\"winner\":\"tie\",\"conv_metadata\":{\"sum_"
        "assistant_"
        "a_tokens\":30,"
        "\"sum_assistant_b_tokens\":10,\"header_count_a\":{\"h1\":1,\"h2\":2},\"header_count_b\":{"
        "\"h1\":0,\"h2\":1},"
        "\"list_count_a\":{\"ordered\":0,\"unordered\":0},\"list_count_b\":{\"ordered\":0,"
        "\"unordered\":0},"
        "\"bold_count_a\":{\"**\":1,\"__\":0},\"bold_count_b\":{\"**\":3,\"__\":0}}}\n"
        "{\"model_a\":\"a\",\"model_b\":\"b\",\"winner\":\"tie\",\"conversation_a\":[{\"role\":"
        "\"user\",\"content\":\"# q\"},"
        "{\"role\":\"assistant\",\"content\":\"# h\\nsix words are in this "
        "one\"}],\"conversation_b\":[{\"role\":\"assistant\","
        "\"content\":[{\"type\":\"text\",\"text\":\"**x**\"}]}]}\n",
        &options);
    const float want[2][STYLE_FEATURES] = {{0.5f, 0.5f, 0, -0.5f}, {(8 - 5) / 13.0f, 1, 0, -1}};
    for (int k = 0; k < 2; k++)
        for (int f = 0; f < STYLE_FEATURES; f++)
            assert_true(want[k][f] - file.ballots.x[k * STYLE_FEATURES + f] < 1e-6f &&
                        file.ballots.x[k * STYLE_FEATURES + f] - want[k][f] < 1e-6f);
    votefile_done(&file);
    refused("{\"model_a\":\"a\",\"model_b\":\"b\",\"winner\":\"tie\"}\n", &options,
            "neither style counts");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),       cmocka_unit_test(refusals),
        cmocka_unit_test(lenient),     cmocka_unit_test(chunks_and_threads),
        cmocka_unit_test(first_error), cmocka_unit_test(categories),
        cmocka_unit_test(style),       cmocka_unit_test(several_boards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
