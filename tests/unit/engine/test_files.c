/* Model files as they come and go: split over several, cut short while they are served, given
 * back when nobody needs them any more. */
#include "unit/engine/answer.h"
#include "unit/engine/tiny_model.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

static struct answer *ask(struct engine_model *model, const char *text)
{
    struct engine_message message = {"user", text, strlen(text)};
    return answer_start(
        model, (struct engine_request){
                   .messages = &message, .message_count = 1, .max_tokens = 12, .ignore_eos = true});
}

static struct engine *start(void)
{
    struct engine_error error = {0};
    struct engine *engine =
        engine_new(&(struct engine_options){.device = "cpu", .threads = 2}, &error);
    if (!engine)
        fail_msg("%s", error.message);
    return engine;
}

static struct engine_model *load(struct engine *engine, const char *path)
{
    struct engine_error error = {0};
    struct engine_model *model = engine_load(engine, path, NULL, &error);
    if (!model)
        fail_msg("%s", error.message);
    return model;
}

/* --- Split models --- */

enum { PARTS = 3 };

static void split_keys(struct made_gguf *made, int number, int tensors)
{
    uint16_t place[] = {(uint16_t)number, PARTS};
    made_key(made, "split.no", GGUF_U16);
    made_put(made, &place[0], sizeof place[0]);
    made_key(made, "split.count", GGUF_U16);
    made_put(made, &place[1], sizeof place[1]);
    made_integer(made, "split.tensors.count", (uint32_t)tensors);
}

/* Part `number` of the model, as llama-gguf-split writes it: the first has the metadata. */
static struct made_gguf make_part(const struct tiny_model *m, struct tiny_list *list, int number,
                                  uint64_t *random)
{
    static const unsigned char zeros[32];
    int first = list->count * number / PARTS, last = list->count * (number + 1) / PARTS;
    struct made_gguf made;
    uint64_t offset = 0;
    made_init(&made);
    if (number == 0)
        tiny_metadata(m, &made);
    split_keys(&made, number, list->count);
    uint64_t counts[] = {(uint64_t)(last - first), made.keys};
    memcpy(made.bytes + 8, counts, sizeof counts);
    for (int i = first; i < last; i++)
        tiny_info(&made, &list->tensors[i], &offset);
    made_put(&made, zeros, (32 - made.length % 32) % 32);
    for (int i = first; i < last; i++)
        tiny_data(&made, &list->tensors[i], random);
    return made;
}

static const char *part_path(const char *folder, int number, char path[128])
{
    snprintf(path, 128, "%s/m-%05d-of-%05d.gguf", folder, number + 1, PARTS);
    return path;
}

static void write_file(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void write_parts(const struct tiny_model *m, const char *folder)
{
    static struct tiny_list list;
    uint64_t random = (uint64_t)m->seed * 77 + 5;
    char path[128];
    list.count = 0;
    tiny_tensors(m, &list);
    for (int i = 0; i < PARTS; i++) {
        struct made_gguf made = make_part(m, &list, i, &random);
        write_file(part_path(folder, i, path), made.bytes, made.length);
        free(made.bytes);
    }
}

static void remove_folder(const char *folder)
{
    char path[PATH_MAX];
    DIR *open = opendir(folder);
    assert_non_null(open);
    for (struct dirent *entry; (entry = readdir(open));) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    closedir(open);
    rmdir(folder);
}

static void expect_no_model(struct engine *engine, const char *path, const char *part)
{
    struct engine_error error = {0};
    if (engine_load(engine, path, NULL, &error))
        fail_msg("%s was loaded", path);
    if (!strstr(error.message, part))
        fail_msg("\"%s\" does not say \"%s\"", error.message, part);
}

static void test_a_split_model_is_the_whole_one(void **state)
{
    (void)state;
    char folder[] = "/tmp/arena-split-XXXXXX", whole[64], path[128];
    struct tiny_model m = TINY_DEFAULT;
    m.experts = 4;
    m.architecture = "qwen3moe";
    assert_non_null(mkdtemp(folder));
    write_parts(&m, folder);
    struct engine *engine = start();
    struct answer *one = answer_wait(ask(load(engine, tiny_file(&m, whole)), "split?"));
    struct answer *parts = answer_wait(ask(load(engine, part_path(folder, 0, path)), "split?"));
    assert_int_equal(parts->count, one->count);
    assert_memory_equal(parts->tokens, one->tokens, one->count * sizeof *one->tokens);
    answer_free(one);
    answer_free(parts);
    expect_no_model(engine, part_path(folder, 1, path), "give the first");
    unlink(part_path(folder, 2, path));
    expect_no_model(engine, part_path(folder, 0, path), "-00003-of-00003.gguf");
    char other[128];
    rename(part_path(folder, 1, other), part_path(folder, 2, path));
    struct made_gguf made = tiny_make(&m);
    write_file(part_path(folder, 1, path), made.bytes, made.length);
    free(made.bytes);
    expect_no_model(engine, part_path(folder, 0, path), "not part 2 of 3");
    engine_free(engine);
    unlink(whole);
    remove_folder(folder);
}

/* --- Fused tensors --- */

static bool is_named(const struct tiny_tensor *t, const char *part)
{
    return strstr(t->name, part) != NULL;
}

/* The tensor that `t` (query, gate) starts when it is fused with those behind it. */
static struct tiny_tensor fused(const struct tiny_tensor *t)
{
    struct tiny_tensor out = *t;
    bool query = is_named(t, "attn_q.");
    int last = query ? 2 : 1;
    snprintf(out.name, sizeof out.name, "blk.%d.%s.weight", (int)strtol(t->name + 4, NULL, 10),
             query ? "attn_qkv" : "ffn_gate_up_exps");
    for (int i = 1; i <= last; i++)
        out.rows += t[i].rows;
    return out;
}

/* Every expert's gate, then its up. */
static void fused_data(struct made_gguf *made, const struct tiny_tensor *t, uint64_t *random)
{
    struct made_gguf parts = {0};
    tiny_data(&parts, &t[0], random);
    size_t all = tiny_bytes(&t[0]), each = all / (size_t)t->planes, second = parts.length;
    assert_int_equal(all % 32, 0);
    tiny_data(&parts, &t[1], random);
    for (size_t i = 0; i < (size_t)t->planes; i++) {
        made_put(made, parts.bytes + i * each, each);
        made_put(made, parts.bytes + second + i * each, each);
    }
    free(parts.bytes);
}

/* The tiny model as a converter writes it that was asked to fuse. */
static struct made_gguf make_fused(const struct tiny_model *m)
{
    static struct tiny_list list, merged;
    static const unsigned char zeros[32];
    struct made_gguf made;
    uint64_t offset = 0, random = (uint64_t)m->seed * 77 + 5;
    list.count = merged.count = 0;
    tiny_tensors(m, &list);
    for (int i = 0; i < list.count; i++) {
        const struct tiny_tensor *t = &list.tensors[i];
        bool query = is_named(t, "attn_q."), gate = is_named(t, "ffn_gate_exps");
        merged.tensors[merged.count++] = query || gate ? fused(t) : *t;
        i += query ? 2 : gate;
    }
    made_init(&made);
    tiny_metadata(m, &made);
    uint64_t counts[] = {(uint64_t)merged.count, made.keys};
    memcpy(made.bytes + 8, counts, sizeof counts);
    for (int i = 0; i < merged.count; i++)
        tiny_info(&made, &merged.tensors[i], &offset);
    made_put(&made, zeros, (32 - made.length % 32) % 32);
    for (int i = 0; i < list.count; i++) { /* queries, keys and values follow each other anyway */
        if (is_named(&list.tensors[i], "ffn_gate_exps"))
            fused_data(&made, &list.tensors[i++], &random);
        else
            tiny_data(&made, &list.tensors[i], &random);
    }
    return made;
}

static void test_fused_tensors_are_the_separate_ones(void **state)
{
    (void)state;
    char separate[64], fused_path[64];
    struct tiny_model m = TINY_DEFAULT;
    m.experts = 4;
    m.architecture = "qwen3moe";
    struct engine *engine = start();
    struct made_gguf made = make_fused(&m);
    struct answer *one = answer_wait(ask(load(engine, tiny_file(&m, separate)), "fused?"));
    struct answer *other =
        answer_wait(ask(load(engine, tiny_write(made.bytes, made.length, fused_path)), "fused?"));
    assert_int_equal(one->count, 12);
    assert_int_equal(other->count, 12);
    assert_memory_equal(one->tokens, other->tokens, 12 * sizeof *one->tokens);
    answer_free(one);
    answer_free(other);
    free(made.bytes);
    unlink(separate);
    unlink(fused_path);
    engine_free(engine);
}

/* --- Cut short --- */

/* Experts are read from the file when a token is first sent to them. */
static void test_a_file_cut_short_while_served_fails_the_request_alone(void **state)
{
    (void)state;
    char path[64];
    struct tiny_model m = TINY_DEFAULT;
    m.experts = 8;
    m.architecture = "olmoe";
    m.kv_heads = m.heads;
    struct engine *engine = start();
    struct engine_model *model = load(engine, tiny_file(&m, path));
    assert_int_equal(truncate(path, 64), 0);
    struct answer *a = answer_wait(ask(model, "anything"));
    assert_int_equal(a->result.finish, ENGINE_FAILED);
    assert_non_null(strstr(a->result.error.message, "the file has become shorter"));
    assert_non_null(strstr(a->result.error.message, path));
    answer_free(a);
    a = answer_wait(ask(model, "again"));
    assert_int_equal(a->result.finish, ENGINE_FAILED);
    answer_free(a);
    unlink(path);
    engine_free(engine);
}

/* --- Given back --- */

/* How many files this process has mapped or open whose name holds `part`. */
static int count_open(const char *part)
{
    char line[PATH_MAX + 256];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps))
        count += strstr(line, part) != NULL;
    fclose(maps);
    return count;
}

/* Experts keep the file mapped for as long as the model is there: that tells when it has gone. */
static void test_a_model_goes_when_its_last_request_has_ended(void **state)
{
    (void)state;
    char path[64], other_path[64];
    struct tiny_model m = TINY_DEFAULT;
    m.experts = 8;
    struct engine *engine = start();
    struct engine_model *model = load(engine, tiny_file(&m, path)),
                        *other = load(engine, tiny_file(&m, other_path));
    assert_true(count_open(path) > 0);
    struct answer *answers[6];
    for (int i = 0; i < 6; i++)
        answers[i] = ask(model, "a question that is under way");
    engine_unload(model);
    for (int i = 0; i < 6; i++) {
        answer_wait(answers[i]);
        assert_int_equal(answers[i]->result.finish, ENGINE_LENGTH);
        assert_int_equal(answers[i]->count, 12);
        answer_free(answers[i]);
    }
    while (count_open(path) > 0) /* the scheduler's thread does it in its own time */
        usleep(1000);
    struct answer *a = answer_wait(ask(other, "still here"));
    assert_int_equal(a->result.finish, ENGINE_LENGTH);
    answer_free(a);
    engine_unload(other); /* idle */
    while (count_open(other_path) > 0)
        usleep(1000);
    engine_free(engine);
    unlink(path);
    unlink(other_path);
}

static void test_an_engine_ends_with_models_that_were_to_go(void **state)
{
    (void)state;
    char path[64];
    struct tiny_model m = TINY_DEFAULT;
    struct engine *engine = start();
    struct engine_model *model = load(engine, tiny_file(&m, path));
    struct answer *a = ask(model, "cancelled or answered");
    engine_unload(model);
    engine_free(engine);
    assert_int_equal(answer_wait(a)->ends, 1);
    answer_free(a);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_split_model_is_the_whole_one),
        cmocka_unit_test(test_fused_tensors_are_the_separate_ones),
        cmocka_unit_test(test_a_file_cut_short_while_served_fails_the_request_alone),
        cmocka_unit_test(test_a_model_goes_when_its_last_request_has_ended),
        cmocka_unit_test(test_an_engine_ends_with_models_that_were_to_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
