/* The safetensors reader: one sound file made here, every kind of damage by name, and each cut
 * of the file refused. */
#include "testing.h"

#include "engine/safetensors.h"

/* A file of a header and `data` zero bytes. Returns new. */
static unsigned char *make_file(const char *header, size_t data, size_t *length)
{
    uint64_t size = strlen(header);
    *length = sizeof size + size + data;
    unsigned char *file = calloc(1, *length);
    assert_non_null(file);
    memcpy(file, &size, sizeof size);
    memcpy(file + sizeof size, header, size);
    return file;
}

static const char sound[] =
    "{\"__metadata__\":{\"format\":\"pt\"},"
    "\"b\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[16,22]},"
    "\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
    "\"none\":{\"dtype\":\"F16\",\"shape\":[0,4],\"data_offsets\":[22,22]}}";

static void test_a_sound_file(void **state)
{
    (void)state;
    struct engine_error error = {0};
    size_t length;
    unsigned char *file = make_file(sound, 22, &length);
    struct safetensors *files = safetensors_open_memory(file, length, "file", &error);
    if (!files)
        fail_msg("%s", error.message);
    assert_int_equal(safetensors_count(files), 3);
    const struct safetensor *first = safetensors_at(files, 0);
    assert_int_equal(first->name_length, 1);
    assert_int_equal(first->name[0], 'a');
    assert_int_equal(first->dims, 2);
    assert_ptr_equal(first->data, file + length - 22);
    assert_int_equal(safetensors_at(files, 1)->bytes, 6);
    safetensors_close(files);
    free(file);
}

static void test_every_cut_is_refused(void **state)
{
    (void)state;
    size_t length;
    unsigned char *file = make_file(sound, 22, &length);
    for (size_t cut = 0; cut < length; cut++) {
        struct engine_error error = {0};
        unsigned char *copy = malloc(cut + 1);
        assert_non_null(copy);
        memcpy(copy, file, cut);
        assert_null(safetensors_open_memory(copy, cut, "cut", &error));
        assert_int_equal(error.code, ENGINE_FORMAT);
        free(copy);
    }
    free(file);
}

static void test_damage_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        const char *part;
    } bad[] = {
        {"[]", 0, "no object"},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8,
         "behind its last tensor"},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "hole"},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"u\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
         4, "overlap"},
        {"{\"t\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, "of type I8"},
        {"{\"t\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "\"t\" has no dtype"},
        {"{\"t\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "no shape"},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
         "4 dimensions"},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "makes no sense"},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}", 4,
         "makes no sense"},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "another length"},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "no data_offsets"},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,1e12]}}", 4, "past the end"},
        {"{\"t\":1}", 0, "no dtype"},
        {"{\"t\":", 0, "JSON"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct engine_error error = {0};
        size_t length;
        unsigned char *file = make_file(bad[i].header, bad[i].data, &length);
        assert_null(safetensors_open_memory(file, length, "some.safetensors", &error));
        if (!strstr(error.message, bad[i].part) || !strstr(error.message, "some.safetensors"))
            fail_msg("\"%s\" does not hold \"%s\"", error.message, bad[i].part);
        free(file);
    }
    unsigned char huge[16];
    struct engine_error error = {0};
    memset(huge, 0xFF, sizeof huge);
    assert_null(safetensors_open_memory(huge, sizeof huge, "huge", &error));
    assert_null(safetensors_open("/nonexistent", &error));
    assert_int_equal(error.code, ENGINE_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sound_file),
        cmocka_unit_test(test_every_cut_is_refused),
        cmocka_unit_test(test_damage_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
