/* Hugging Face checkpoints: a tiny GGUF model is written out as one (names, rows of rotary
 * heads, experts one by one, tokenizer.json), read back, and must compute the very same logits
 * and tokens. Then each way of being wrong. */
#include "testing.h"

#include <math.h>
#include <sys/stat.h>

#include "engine/tokenizer.h"
#include "engine/checkpoint.h"
#include "engine/engine.h"
#include "unit/engine/tiny_model.h"

enum { MAX_TENSORS = 256 };

/* One tensor as the checkpoint has it. */
struct exported {
    char name[128];
    int rows, columns;
    unsigned char *data; /* floats, or as `type` says; owned */
    size_t bytes;
    const char *type; /* NULL: F32 */
};

struct folder {
    char path[64];
    struct exported tensors[MAX_TENSORS];
    int count;
};

/* --- Writing a checkpoint --- */

static void write_file(const struct folder *folder, const char *name, const void *bytes,
                       size_t length)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder->path, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

static void write_text(const struct folder *folder, const char *name, const char *text)
{
    write_file(folder, name, text, strlen(text));
}

static struct exported *add(struct folder *folder, const char *name, int rows, int columns)
{
    struct exported *tensor = &folder->tensors[folder->count++];
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
    tensor->rows = rows;
    tensor->columns = columns;
    tensor->bytes = (size_t)(rows ? rows : 1) * (size_t)columns * sizeof(float);
    tensor->data = malloc(tensor->bytes);
    assert_non_null(tensor->data);
    return tensor;
}

static const char *const names[][2] = {
    {"attn_norm", "input_layernorm"},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
    {"ffn_gate_inp", "block_sparse_moe.gate"},
    {"ffn_gate_exps", "w1"},
    {"ffn_up_exps", "w3"},
    {"ffn_down_exps", "w2"},
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
};

static const char *their_name(const char *ours)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i][0], ours) == 0)
            return names[i][1];
    fail_msg("no name for %s", ours);
    return "";
}

/* Rows (head, pair, half) back to (head, half, pair). */
static void copy_rows(unsigned char *out, const struct gguf_tensor *tensor, int heads)
{
    size_t rows = (size_t)tensor->size[1], row = tensor->bytes / rows,
           dim = heads ? rows / (size_t)heads : 0;
    for (size_t i = 0; i < rows; i++) {
        size_t to = heads ? i / dim * dim + i % 2 * (dim / 2) + i % dim / 2 : i;
        memcpy(out + to * row, (const unsigned char *)tensor->data + i * row, row);
    }
}

static void export_tensor(struct folder *folder, const struct gguf_tensor *tensor,
                          const struct tiny_model *tiny)
{
    char ours[64] = "", name[96];
    int layer = -1;
    snprintf(name, sizeof name, "%.*s", (int)tensor->name.length, tensor->name.bytes);
    if (sscanf(name, "blk.%d.%63[^.].weight", &layer, ours) != 2)
        sscanf(name, "%63[^.].weight", ours);
    int columns = (int)tensor->size[0], rows = tensor->dims > 1 ? (int)tensor->size[1] : 0;
    int planes = tensor->dims > 2 ? (int)tensor->size[2] : 0;
    size_t plane = tensor->bytes / (size_t)(planes ? planes : 1);
    for (int i = 0; i < planes; i++) {
        snprintf(name, sizeof name, "model.layers.%d.block_sparse_moe.experts.%d.%s.weight", layer,
                 i, their_name(ours));
        memcpy(add(folder, name, rows, columns)->data,
               (const unsigned char *)tensor->data + (size_t)i * plane, plane);
    }
    if (planes)
        return;
    if (layer < 0)
        snprintf(name, sizeof name, "%s.weight", their_name(ours));
    else
        snprintf(name, sizeof name, "model.layers.%d.%s.weight", layer, their_name(ours));
    struct exported *out = add(folder, name, rows, columns);
    int heads = strcmp(ours, "attn_q") == 0   ? tiny->heads
                : strcmp(ours, "attn_k") == 0 ? tiny->kv_heads
                                              : 0;
    if (rows)
        copy_rows(out->data, tensor, heads);
    else
        memcpy(out->data, tensor->data, tensor->bytes);
}

/* Tensors [from, to) as one safetensors file. */
static void write_shard(const struct folder *folder, const char *name, int from, int to)
{
    static char header[65536];
    size_t used = (size_t)snprintf(header, sizeof header, "{"), offset = 0;
    for (int i = from; i < to; i++) {
        const struct exported *t = &folder->tensors[i];
        char shape[40];
        snprintf(shape, sizeof shape, t->rows ? "[%d,%d]" : "[%d]", t->rows ? t->rows : t->columns,
                 t->columns);
        used +=
            (size_t)snprintf(header + used, sizeof header - used,
                             "%s\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
                             i > from ? "," : "", t->name, t->type ? t->type : "F32", shape, offset,
                             offset + t->bytes);
        offset += t->bytes;
    }
    used += (size_t)snprintf(header + used, sizeof header - used, "}");
    unsigned char *file = malloc(8 + used + offset);
    assert_non_null(file);
    uint64_t size = used;
    memcpy(file, &size, 8);
    memcpy(file + 8, header, used);
    size_t at = 8 + used;
    for (int i = from; i < to; at += folder->tensors[i++].bytes)
        memcpy(file + at, folder->tensors[i].data, folder->tensors[i].bytes);
    write_file(folder, name, file, at);
    free(file);
}

static void write_shards(const struct folder *folder)
{
    static char index[65536];
    int half = folder->count / 2;
    size_t used = (size_t)snprintf(index, sizeof index, "{\"weight_map\":{");
    for (int i = 0; i < folder->count; i++)
        used +=
            (size_t)snprintf(index + used, sizeof index - used, "%s\"%s\":\"part-%d.safetensors\"",
                             i ? "," : "", folder->tensors[i].name, i < half ? 1 : 2);
    snprintf(index + used, sizeof index - used, "}}");
    write_text(folder, "model.safetensors.index.json", index);
    write_shard(folder, "part-1.safetensors", 0, half);
    write_shard(folder, "part-2.safetensors", half, folder->count);
}

static void write_config(const struct folder *folder, const struct tiny_model *tiny,
                         const char *more)
{
    char text[1000];
    snprintf(text, sizeof text,
             "{\"model_type\":\"%s\",\"num_hidden_layers\":%d,\"hidden_size\":%d,\"intermediate_"
             "size\":%d,"
             "\"num_attention_heads\":%d,\"num_key_value_heads\":%d,\"max_position_embeddings\":%d,"
             "\"rms_norm_eps\":1e-5,\"rope_theta\":10000.0,\"hidden_act\":\"silu\",\"num_local_"
             "experts\":%d,"
             "\"num_experts_per_tok\":2,\"eos_token_id\":[258,256]%s}",
             tiny->experts ? "mixtral" : "llama", tiny->layers, tiny->width, tiny->feed_forward,
             tiny->heads, tiny->kv_heads, tiny->context, tiny->experts, more);
    write_text(folder, "config.json", text);
}

/* A byte is a token. Returns a text that the next call writes anew. */
static const char *byte_tokenizer(const char *added, const char *normalizer)
{
    static char text[16384];
    size_t used =
        (size_t)snprintf(text, sizeof text,
                         "{\"added_tokens\":[%s],\"normalizer\":%s,"
                         "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
                         "\"model\":{\"type\":\"BPE\",\"merges\":[],\"vocab\":{",
                         added, normalizer);
    for (int byte = 0; byte < 256; byte++) {
        char piece[8] = "";
        size_t length = made_alphabet(piece, byte);
        bool escaped = piece[0] == '"' || piece[0] == '\\';
        used += (size_t)snprintf(text + used, sizeof text - used, "%s\"%s%.*s\":%d",
                                 byte ? "," : "", escaped ? "\\" : "", (int)length, piece, byte);
    }
    snprintf(text + used, sizeof text - used, "}}}");
    return text;
}

static void write_tokenizer(const struct folder *folder)
{
    write_text(folder, "tokenizer.json",
               byte_tokenizer("{\"id\":256,\"content\":\"<|endoftext|>\",\"special\":true},"
                              "{\"id\":257,\"content\":\"<|im_start|>\",\"special\":true},"
                              "{\"id\":258,\"content\":\"<|im_end|>\",\"special\":true}",
                              "null"));
    write_text(folder, "tokenizer_config.json",
               "{\"bos_token\":\"<|im_start|>\",\"eos_token\":{\"content\":\"<|im_end|>\"},\"chat_"
               "template\":"
               "\"{% for m in messages %}{{ '<|im_start|>' + m.role + '\\\\n' + m.content + "
               "'<|im_end|>\\\\n' }}"
               "{% endfor %}{{ '<|im_start|>assistant\\\\n' }}\"}");
}

/* The tensors of a tiny model, and a folder with all but the weights in it. */
static struct folder *make_folder(const struct tiny_model *tiny)
{
    struct folder *folder = calloc(1, sizeof *folder);
    assert_non_null(folder);
    snprintf(folder->path, sizeof folder->path, "/tmp/arena-checkpoint-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    struct engine_error error = {0};
    struct made_gguf made = tiny_make(tiny);
    struct gguf *file = gguf_open_memory(made.bytes, made.length, "tiny", &error);
    assert_non_null(file);
    for (size_t i = 0; i < gguf_tensor_count(file); i++)
        export_tensor(folder, gguf_tensor_at(file, i), tiny);
    gguf_close(file);
    free(made.bytes);
    write_config(folder, tiny, "");
    write_tokenizer(folder);
    return folder;
}

static void free_folder(struct folder *folder)
{
    static const char *const files[] = {"config.json",
                                        "tokenizer.json",
                                        "tokenizer_config.json",
                                        "model.safetensors",
                                        "model.safetensors.index.json",
                                        "part-1.safetensors",
                                        "part-2.safetensors",
                                        "chat_template.jinja"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[200];
        snprintf(path, sizeof path, "%s/%s", folder->path, files[i]);
        remove(path);
    }
    assert_int_equal(rmdir(folder->path), 0);
    for (int i = 0; i < folder->count; i++)
        free(folder->tensors[i].data);
    free(folder);
}

/* --- Reading it back --- */

static const struct tiny_model dense = {KERNEL_F32, 64, 4, 2, 96, 2, 512, 0, 1, NULL};
static const struct tiny_model experts = {KERNEL_F32, 64, 4, 2, 96, 2, 512, 4, 2, NULL};

static struct engine_model *load(struct engine *engine, const char *path)
{
    struct engine_error error = {0};
    struct engine_model *model = engine_load(engine, path, NULL, &error);
    if (!model)
        fail_msg("%s", error.message);
    return model;
}

static void compare(const struct tiny_model *tiny, bool sharded)
{
    char path[64];
    struct engine_error error = {0};
    struct folder *folder = make_folder(tiny);
    if (sharded)
        write_shards(folder);
    else
        write_shard(folder, "model.safetensors", 0, folder->count);
    struct engine *engine = engine_new(&(struct engine_options){.threads = 1}, &error);
    assert_non_null(engine);
    struct engine_model *own = load(engine, tiny_file(tiny, path)),
                        *theirs = load(engine, folder->path);
    const struct engine_message hello = {"user", "Hello <|im_end|>", 16};
    size_t own_count, their_count;
    int32_t *own_ids = engine_render(own, &hello, 1, &own_count, &error);
    int32_t *their_ids = engine_render(theirs, &hello, 1, &their_count, &error);
    assert_non_null(own_ids);
    assert_non_null(their_ids);
    assert_int_equal(own_count, their_count);
    assert_memory_equal(own_ids, their_ids, own_count * sizeof *own_ids);
    float *own_logits = engine_logits(own, own_ids, own_count, &error);
    float *their_logits = engine_logits(theirs, own_ids, own_count, &error);
    assert_non_null(own_logits);
    assert_non_null(their_logits);
    assert_memory_equal(own_logits, their_logits, own_count * TINY_VOCABULARY * sizeof *own_logits);
    free(own_ids);
    free(their_ids);
    free(own_logits);
    free(their_logits);
    engine_free(engine);
    remove(path);
    free_folder(folder);
}

static void test_a_dense_model(void **state)
{
    (void)state;
    compare(&dense, false);
}

static void test_experts_in_shards(void **state)
{
    (void)state;
    compare(&experts, true);
}

/* --- 8-bit floats --- */

/* The value of the bits, by the format's definition. */
static float eighth(unsigned bits)
{
    int exponent = (int)(bits >> 3 & 15), mantissa = (int)(bits & 7);
    double value = exponent ? (1 + mantissa / 8.0) * pow(2, exponent - 7) : mantissa / 512.0;
    return (float)(bits & 128 ? -value : value);
}

static unsigned char nearest(float x)
{
    static float values[256]; /* filled once */
    unsigned best = 0;
    for (unsigned bits = 0; !values[255] && bits < 256; bits++)
        values[bits] = eighth(bits);
    for (unsigned bits = 1; bits < 256; bits++)
        if ((bits & 127) != 127 && fabsf(values[bits] - x) < fabsf(values[best] - x))
            best = bits;
    return (unsigned char)best;
}

/* Now and then so large that what is stored are numbers below the smallest normal one. */
static float scale_of(int kind, int row, int column)
{
    float scale = 0.001f * (float)(1 + (kind ? row : 0) % 5 + (kind == 2 ? column / 128 : 0));
    return kind && row % 3 == 2 ? 10000 * scale : scale;
}

/* Turns a matrix into F8_E4M3 with a scale for all, a row, or 128 x 128; the floats that it then
 * stands for go to `plain`. */
static void make_eighth(struct folder *folder, struct exported *plain, int index, int kind)
{
    struct exported *t = &folder->tensors[index];
    int down = kind == 0 ? 1 : kind == 1 ? t->rows : (t->rows + 127) / 128;
    int across = kind == 2 ? (t->columns + 127) / 128 : 1, step = kind == 2 ? 128 : 1;
    float *values = (float *)(void *)t->data, *same = (float *)(void *)plain->data;
    char name[128];
    snprintf(name, sizeof name, "%.100s_%s", t->name, kind == 2 ? "scale_inv" : "scale");
    struct exported *scale = add(folder, name, kind ? down : 0, across);
    for (int r = 0; r < down; r++)
        for (int c = 0; c < across; c++)
            ((float *)(void *)scale->data)[r * across + c] = scale_of(kind, r, c * 128);
    for (int r = 0; r < t->rows; r++)
        for (int c = 0; c < t->columns; c++) {
            float by = scale_of(kind, r / step, c);
            unsigned char bits = nearest(values[r * t->columns + c] / by);
            same[r * t->columns + c] = eighth(bits) * by;
            t->data[r * t->columns + c] = bits; /* behind what is still to be read */
        }
    t->bytes = (size_t)t->rows * (size_t)t->columns;
    t->type = "F8_E4M3";
}

/* The same numbers as floats, quantised at load, must give the same logits. */
static void test_eight_bit_floats(void **state)
{
    static const char METHOD[] = ",\"quantization_config\":{\"quant_method\":\"fp8\"}";
    struct tiny_model wide = experts; /* several scales across, and down */
    wide.width = 192, wide.heads = 3, wide.kv_heads = 1, wide.feed_forward = 160, wide.layers = 1;
    struct folder *folder = make_folder(&wide), *plain = make_folder(&wide);
    struct engine_error error = {0};
    int32_t tokens[40];
    (void)state;
    for (int i = 0, count = folder->count, kind = 0; i < count; i++)
        if (folder->tensors[i].rows)
            make_eighth(folder, &plain->tensors[i], i, kind++ % 3);
    write_config(folder, &wide, METHOD);
    write_shard(folder, "model.safetensors", 0, folder->count);
    write_shard(plain, "model.safetensors", 0, plain->count);
    struct engine *engine =
        engine_new(&(struct engine_options){.device = "cpu", .threads = 1}, &error);
    struct engine_model *theirs = load(engine, folder->path);
    struct engine_model *own =
        engine_load(engine, plain->path, &(struct engine_load_options){.weights = "q8_0"}, &error);
    assert_non_null(own);
    for (int i = 0; i < 40; i++)
        tokens[i] = i * 7 % 256;
    float *a = engine_logits(theirs, tokens, 40, &error),
          *b = engine_logits(own, tokens, 40, &error);
    assert_non_null(a);
    assert_non_null(b);
    assert_memory_equal(a, b, 40 * TINY_VOCABULARY * sizeof *a);
    free(a);
    free(b);
    engine_free(engine);
    free_folder(folder);
    free_folder(plain);
}

/* --- What is refused --- */

static void expect_refused(const struct folder *folder, const char *part)
{
    struct engine_error error = {0};
    struct gguf *file = checkpoint_open(folder->path, &error);
    if (file)
        fail_msg("opened, but \"%s\" was expected", part);
    if (!strstr(error.message, part))
        fail_msg("\"%s\" does not hold \"%s\"", error.message, part);
}

static void test_eight_bit_floats_that_make_no_sense(void **state)
{
    struct folder *folder = make_folder(&dense), *unused = make_folder(&dense);
    int index = 0;
    (void)state;
    while (!folder->tensors[index].rows)
        index++;
    make_eighth(folder, &unused->tensors[index], index, 2);
    struct exported *t = &folder->tensors[index], *scale = &folder->tensors[folder->count - 1];
    t->data[5] = 0x7f;
    write_shard(folder, "model.safetensors", 0, folder->count);
    expect_refused(folder, "not finite");
    write_shard(folder, "model.safetensors", 0, folder->count - 1);
    expect_refused(folder, "no weight_scale(_inv) lies beside it");
    scale->columns = scale->rows;
    scale->rows = 0;
    write_shard(folder, "model.safetensors", 0, folder->count);
    expect_refused(folder, "neither for the whole tensor");
    t->rows *= 4, t->columns /= 4;
    write_shard(folder, "model.safetensors", 0, folder->count);
    expect_refused(folder, "no matrix of a multiple of 32 columns");
    free_folder(folder);
    free_folder(unused);
}

static void test_settings_that_are_not_supported(void **state)
{
    (void)state;
    static const struct {
        const char *more, *part;
    } bad[] = {
        {",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2}", "rope_scaling"},
        {",\"rope_scaling\":{\"type\":\"longrope\"}", "original_max_position_embeddings"},
        {",\"hidden_activation\":\"relu\"", "activation"},
        {",\"quantization_config\":{}", "quantised"},
        {",\"clip_qkv\":8", "clip_qkv"},
        {",\"no_rope_layers\":[1,0]", "every fourth"},
        {",\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":2,\"truncate\":false}", "truncate"},
        {",\"head_dim\":1", "heads' size"},
        {",\"num_experts\":-1", "number of experts"},
        {",\"partial_rotary_factor\":2", "partial_rotary_factor"},
    };
    struct folder *folder = make_folder(&dense);
    write_shard(folder, "model.safetensors", 0, folder->count);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_config(folder, &dense, bad[i].more);
        expect_refused(folder, bad[i].part);
    }
    write_text(folder, "config.json", "{\"model_type\":\"mamba\"}");
    expect_refused(folder, "\"mamba\" is not one of llama");
    write_text(folder, "config.json", "{\"model_type\":\"llama\"}");
    expect_refused(folder, "is missing");
    write_text(folder, "config.json", "{");
    expect_refused(folder, "damaged JSON");
    free_folder(folder);
}

static void test_files_that_are_missing_or_damaged(void **state)
{
    (void)state;
    struct folder *folder = make_folder(&experts);
    expect_refused(folder, "holds neither model.safetensors");
    write_text(folder, "model.safetensors.index.json",
               "{\"weight_map\":{\"a\":\"../../etc/passwd\"}}");
    expect_refused(folder, "cannot be one");
    write_text(folder, "model.safetensors.index.json",
               "{\"weight_map\":{\"a\":\"part-1.safetensors\"}}");
    expect_refused(folder, "part-1.safetensors: cannot read");
    write_shard(folder, "model.safetensors", 0, folder->count - 3); /* less the last expert too */
    expect_refused(folder, "experts for");
    snprintf(folder->tensors[0].name, sizeof folder->tensors[0].name,
             "model.layers.0.mixer.weight");
    write_shard(folder, "model.safetensors", 0, folder->count);
    expect_refused(folder, "has no place");
    snprintf(folder->tensors[0].name, sizeof folder->tensors[0].name,
             "model.layers.2.input_layernorm.weight");
    write_shard(folder, "model.safetensors", 0, folder->count);
    expect_refused(folder, "does not have");
    free_folder(folder);
}

static void test_tokenizers_that_are_not_supported(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } bad[] = {
        {"{}", "not BPE"},
        {"{\"model\":{\"type\":\"Unigram\"}}", "not BPE"},
        {"{\"model\":{\"type\":\"BPE\"}}", "no vocab"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1}}}", "sensible id"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1e9}}}", "sensible id"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0}}}", "no merges"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}}", "two sides"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]},\"added_tokens\":[{"
         "\"id\":5}]}",
         "no content"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]},\"pre_tokenizer\":{"
         "\"type\":"
         "\"Magic\"}}",
         "step that is not supported"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]},\"pre_tokenizer\":{"
         "\"type\":"
         "\"Split\","
         "\"behavior\":\"MergedWithNext\"}}",
         "Split step"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]},\"normalizer\":{"
         "\"type\":\"Lowercase\"}}",
         "normalizer has a step"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]},\"pre_tokenizer\":{"
         "\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},{\"type\":\"Digits\"}]}"
         "}",
         "behind ByteLevel"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]},\"added_tokens\":[{"
         "\"id\":0,\"content\":\"a\",\"single_word\":true}]}",
         "single_word"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]},\"normalizer\":{"
         "\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"NFD\"}]}}",
         "two normal forms"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]},\"added_tokens\":[{"
         "\"id\":0,\"content\":\"e\\u0301\",\"normalized\":true}],\"normalizer\":{"
         "\"type\":\"NFC\"}}",
         "itself not normal"},
    };
    struct folder *folder = make_folder(&dense);
    write_shard(folder, "model.safetensors", 0, folder->count);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_text(folder, "tokenizer.json", bad[i].text);
        expect_refused(folder, bad[i].part);
    }
    free_folder(folder);
}

/* --- Forms --- */

/* A folder with these two files and no weights, opened. */
static struct gguf *open_forms(const char *config, const char *tokenizer, struct folder *folder)
{
    struct engine_error error = {0};
    *folder = (struct folder){0};
    snprintf(folder->path, sizeof folder->path, "/tmp/arena-checkpoint-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    write_text(folder, "config.json", config);
    write_text(folder, "tokenizer.json", tokenizer);
    write_file(folder, "model.safetensors", (const unsigned char *)"\2\0\0\0\0\0\0\0{}", 10);
    struct gguf *file = checkpoint_open(folder->path, &error);
    if (!file)
        fail_msg("%s", error.message);
    for (int i = 0; i < 3; i++) {
        static const char *const written[] = {"config.json", "tokenizer.json", "model.safetensors"};
        char path[200];
        snprintf(path, sizeof path, "%s/%s", folder->path, written[i]);
        remove(path);
    }
    assert_int_equal(rmdir(folder->path), 0);
    return file;
}

static double number_of(const struct gguf *file, const char *key)
{
    double number = -1;
    if (!gguf_number(file, key, &number))
        fail_msg("%s is missing", key);
    return number;
}

static const char SMALL_TOKENIZER[] = "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},"
                                      "\"merges\":[]}}";

/* Gemma 3's larger models are published with little in their config.json; windows come as a list,
 * a period, or by the layer they start at. */
static void test_what_a_configuration_leaves_out(void **state)
{
    (void)state;
    struct folder folder;
    struct gguf_array layers;
    struct gguf *file = open_forms(
        "{\"model_type\":\"gemma3\",\"eos_token_id\":[1,106],\"text_config\":{\"hidden_size\":2560,"
        "\"intermediate_size\":10240,\"num_hidden_layers\":34,\"rope_scaling\":{\"factor\":8.0,"
        "\"rope_type\":\"linear\"},\"sliding_window\":1024}}",
        SMALL_TOKENIZER, &folder);
    assert_true(number_of(file, "gemma3.attention.head_count") == 8);
    assert_true(number_of(file, "gemma3.attention.head_count_kv") == 4);
    assert_true(number_of(file, "gemma3.attention.key_length") == 256);
    assert_true(number_of(file, "gemma3.context_length") == 131072);
    assert_true(number_of(file, "gemma3.rope.freq_base") == 1e6);
    assert_true(number_of(file, "gemma3.rope.scaling.factor") == 8);
    assert_true(number_of(file, "gemma3.attention.sliding_window") == 1024);
    gguf_close(file);
    file =
        open_forms("{\"model_type\":\"qwen2\",\"hidden_size\":64,\"intermediate_size\":64,"
                   "\"num_hidden_layers\":4,\"num_attention_heads\":4,\"use_sliding_window\":true,"
                   "\"sliding_window\":16,\"max_window_layers\":3}",
                   SMALL_TOKENIZER, &folder);
    assert_true(gguf_array(file, "qwen2.attention.sliding_window_pattern", &layers));
    assert_int_equal(layers.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(gguf_array_integer(&layers, i), i == 3);
    gguf_close(file);
    file =
        open_forms("{\"model_type\":\"smollm3\",\"hidden_size\":64,\"intermediate_size\":64,"
                   "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"use_sliding_window\":true,"
                   "\"sliding_window\":16,\"layer_types\":[\"sliding_attention\","
                   "\"full_attention\"],\"no_rope_layers\":[1,1]}",
                   SMALL_TOKENIZER, &folder);
    assert_true(gguf_array(file, "smollm3.attention.sliding_window_pattern", &layers));
    assert_true(gguf_array_integer(&layers, 0) == 1 && gguf_array_integer(&layers, 1) == 0);
    gguf_close(file);
}

static void check_ids(const struct tokenizer *tokenizer, const char *text, unsigned flags,
                      const char *wanted)
{
    struct token_list list = {0};
    struct engine_error error = {0};
    char got[200] = "";
    size_t used = 0;
    assert_true(tokenizer_encode(tokenizer, text, strlen(text), flags, &list, &error));
    for (size_t i = 0; i < list.count && used < sizeof got - 16; i++)
        used += (size_t)snprintf(got + used, sizeof got - used, "%d ", list.ids[i]);
    if (strcmp(got, wanted) != 0)
        fail_msg("\"%s\" became %s, not %s", text, got, wanted);
    token_list_done(&list);
}

/* As Hugging Face's library has them. */
static void check_form(const char *steps, const char *const cases[][2], size_t count)
{
    static const char config[] =
        "{\"model_type\":\"llama\",\"hidden_size\":64,\"intermediate_size\":"
        "64,\"num_hidden_layers\":1,\"num_attention_heads\":4,"
        "\"eos_token_id\":[8,9]}";
    char text[2000];
    struct folder folder;
    struct engine_error error = {0};
    snprintf(
        text, sizeof text,
        "{%s,\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"vocab\":{\"<unk>\":0,"
        "\"\xE2\x96\x81\":1,\"a\":2,\"b\":3,\"\xE2\x96\x81"
        "a\":4,\"ab\":5,\"\xE2\x96\x81"
        "ab\":6,\"b\xE2\x96\x81\":7},\"merges\":[[\"b\",\"\xE2\x96\x81\"],[\"a\",\"b\"],"
        "[\"\xE2\x96\x81\",\"ab\"]]},\"added_tokens\":[{\"id\":8,\"content\":\"<s>\","
        "\"special\":true,\"rstrip\":true},{\"id\":9,\"content\":\"</s>\",\"special\":true}],"
        "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":"
        "\"A\"}},{\"SpecialToken\":{\"id\":\"<s>\"}}]}}",
        steps);
    struct gguf *file = open_forms(config, text, &folder);
    struct tokenizer *tokenizer = tokenizer_new(file, &error);
    if (!tokenizer)
        fail_msg("%s", error.message);
    for (size_t i = 0; i < count; i++)
        check_ids(tokenizer, cases[i][0], TOKENIZER_SPECIAL, cases[i][1]);
    assert_true(tokenizer_is_end(tokenizer, 8) && tokenizer_is_end(tokenizer, 9));
    check_ids(tokenizer, "", TOKENIZER_BOS, "8 "); /* the post-processor puts it behind */
    tokenizer_free(tokenizer);
    gguf_close(file);
}

static void test_forms_of_a_tokenizer(void **state)
{
    (void)state;
    static const char *const whole[][2] = {{"ab ab", "1 2 7 5 "}, {" ab", "6 "}};
    static const char *const words[][2] = {{"ab ab", "6 6 "},
                                           {" ab", "6 "},
                                           {"ab<s>\xE3\x80\x80 \xC2\x85"
                                            "ab",
                                            "6 8 6 "}};
    static const char *const gemma[][2] = {{"ab ab", "2 7 5 "}, {" ab", "6 "}};
    check_form("\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\","
               "\"prepend_scheme\":\"always\",\"split\":false}",
               whole, 2);
    check_form("\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\","
               "\"prepend_scheme\":\"always\",\"split\":true}",
               words, 3);
    check_form("\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":"
               "\"\xE2\x96\x81\"},\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\" "
               "\"},\"behavior\":\"MergedWithPrevious\",\"invert\":false}",
               gemma, 2);
}

/* Of bytes that a user wrote, and of a template's. */
static void check_marked(const struct tokenizer *tokenizer, const char *text, const char *marks,
                         size_t wanted, int32_t last)
{
    unsigned char trusted[100];
    for (size_t i = 0; marks[i]; i++)
        trusted[i] = marks[i] == '1';
    struct token_list list = {0};
    struct engine_error error = {0};
    assert_true(tokenizer_encode_marked(tokenizer, text, trusted, strlen(text), &list, &error));
    assert_int_equal(list.count, wanted);
    assert_int_equal(list.ids[wanted - 1], last);
    token_list_done(&list);
}

/* The ids are those of Hugging Face's library. */
static void test_normal_forms(void **state)
{
    (void)state;
    static const char config[] = "{\"model_type\":\"llama\",\"hidden_size\":64,"
                                 "\"intermediate_size\":64,\"num_hidden_layers\":1,"
                                 "\"num_attention_heads\":4}";
    static const char added[] =
        "{\"id\":256,\"content\":\"<|e|>\",\"special\":true,\"normalized\":false},"
        "{\"id\":257,\"content\":\"caf\\u00e9\",\"normalized\":true},"
        "{\"id\":258,\"content\":\"e\\u0301\",\"normalized\":false},"
        "{\"id\":259,\"content\":\"<|n|>\",\"special\":true,\"normalized\":true},"
        "{\"id\":260,\"content\":\"<|r|>\",\"special\":true,\"rstrip\":true},"
        "{\"id\":261,\"content\":\" x\",\"normalized\":false}";
    struct folder folder;
    struct engine_error error = {0};
    struct gguf *file = open_forms(config, byte_tokenizer(added, "{\"type\":\"NFC\"}"), &folder);
    struct tokenizer *tokenizer = tokenizer_new(file, &error);
    gguf_close(file);
    assert_non_null(tokenizer);
    check_ids(tokenizer, "a\u030A", TOKENIZER_SPECIAL, "195 165 ");
    check_ids(tokenizer, "caf\u00e9", TOKENIZER_SPECIAL, "257 ");
    check_ids(tokenizer, "cafe\u0301", TOKENIZER_SPECIAL, "99 97 102 258 ");
    check_ids(tokenizer, "<|e|>\u0338", TOKENIZER_SPECIAL, "256 204 184 ");
    check_ids(tokenizer, "<|n|>\u0338", TOKENIZER_SPECIAL, "60 124 110 124 226 137 175 ");
    check_ids(tokenizer, "<|n|>", TOKENIZER_SPECIAL, "259 ");
    check_ids(tokenizer, "<|n|>", 0, "60 124 110 124 62 ");
    check_ids(tokenizer,
              "\xFF"
              "a\u030A",
              TOKENIZER_SPECIAL, "239 191 189 195 165 ");
    check_marked(tokenizer, "<|n|>", "11111", 1, 259);
    check_marked(tokenizer, "<|n|>", "11110", 5, '>');
    check_marked(tokenizer, "<|e|>\u0338", "1111100", 3, 184);
    check_marked(tokenizer, "u\u0308<|n|>", "00011111", 3, 259);
    check_marked(tokenizer, "u\u0308<|n|>", "11100111", 7, '>');
    check_marked(tokenizer, "<|e|>u<|n|>", "11111000000", 7, '>');
    check_marked(tokenizer, "<|e|>u<|n|>", "11111011111", 3, 259);
    /* White space that a token takes may begin the next one. */
    check_ids(tokenizer, "<|r|>  x", TOKENIZER_SPECIAL, "260 261 ");
    check_ids(tokenizer, "<|r|>  y", TOKENIZER_SPECIAL, "260 121 ");
    tokenizer_free(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_dense_model),
        cmocka_unit_test(test_experts_in_shards),
        cmocka_unit_test(test_eight_bit_floats),
        cmocka_unit_test(test_eight_bit_floats_that_make_no_sense),
        cmocka_unit_test(test_settings_that_are_not_supported),
        cmocka_unit_test(test_files_that_are_missing_or_damaged),
        cmocka_unit_test(test_tokenizers_that_are_not_supported),
        cmocka_unit_test(test_what_a_configuration_leaves_out),
        cmocka_unit_test(test_forms_of_a_tokenizer),
        cmocka_unit_test(test_normal_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
