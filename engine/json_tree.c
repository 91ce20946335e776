/* One pass over a private copy of the text. Strings are unescaped in place (they only get
 * shorter), so the tree holds pointers and no other memory than its blocks of values. The
 * nesting is on the C stack, bounded. / */
#include "engine/json_tree.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/error.h"
#include "engine/utf8.h"

enum { BLOCK_VALUES = 4096 };

struct block {
    struct block *next;
    struct json_tree_value values[BLOCK_VALUES];
};

struct json_tree {
    char *text;
    struct block *blocks;
    size_t used; /* of the newest block */
    size_t count;
    struct json_tree_value *root;
};

struct reader {
    struct json_tree *json;
    char *at, *end;
    int depth;
    const char *name;
    struct engine_error *error;
};

static bool fail(struct reader *reader, const char *what)
{
    size_t line = 1;
    for (const char *at = reader->json->text; at < reader->at; at++)
        line += *at == '\n';
    return engine_fail(reader->error, ENGINE_FORMAT, "%s: damaged JSON in line %zu: %s",
                       reader->name, line, what);
}

static struct json_tree_value *new_value(struct reader *reader)
{
    struct json_tree *json = reader->json;
    if (json->count == JSON_TREE_MAX_VALUES) {
        fail(reader, "too many values");
        return NULL;
    }
    if (!json->blocks || json->used == BLOCK_VALUES) {
        struct block *block = malloc(sizeof *block);
        if (!block) {
            engine_no_memory(reader->error, reader->name);
            return NULL;
        }
        block->next = json->blocks;
        json->blocks = block;
        json->used = 0;
    }
    json->count++;
    struct json_tree_value *value = &json->blocks->values[json->used++];
    *value = (struct json_tree_value){.kind = JSON_TREE_NULL};
    return value;
}

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->end && memchr(" \t\r\n", *reader->at, 4))
        reader->at++;
}

static bool take(struct reader *reader, char byte)
{
    skip_space(reader);
    bool there = reader->at < reader->end && *reader->at == byte;
    reader->at += there;
    return there;
}

/* --- Strings --- */

/* Four hexadecimal digits; -1 when they are none. */
static int32_t read_unit(struct reader *reader)
{
    static const char digits[] = "0123456789abcdef";
    int32_t unit = 0;
    if (reader->end - reader->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char byte = *reader->at++;
        const char *found =
            byte ? memchr(digits, byte >= 'A' && byte <= 'F' ? byte | 0x20 : byte, 16) : NULL;
        if (!found)
            return -1;
        unit = unit * 16 + (int32_t)(found - digits);
    }
    return unit;
}

/* \uXXXX, or a pair of them; half a pair becomes U+FFFD. Three bytes at most come from six. */
static bool read_point(struct reader *reader, char **out)
{
    int32_t point = read_unit(reader);
    if (point >= 0xD800 && point <= 0xDBFF && reader->end - reader->at >= 6 &&
        memcmp(reader->at, "\\u", 2) == 0) {
        char *back = reader->at;
        reader->at += 2;
        int32_t low = read_unit(reader);
        if (low >= 0xDC00 && low <= 0xDFFF)
            point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
        else
            reader->at = back;
    }
    if (point < 0)
        return fail(reader, "\\u without four hexadecimal digits");
    *out += utf8_put(*out, point >= 0xD800 && point <= 0xDFFF ? UTF8_REPLACEMENT : (uint32_t)point);
    return true;
}

static bool read_escape(struct reader *reader, char **out)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char name = reader->at < reader->end ? *reader->at++ : '\0';
    if (name == 'u')
        return read_point(reader, out);
    const char *found = name ? strchr(names, name) : NULL;
    if (!found)
        return fail(reader, "an escape that JSON does not have");
    *(*out)++ = values[found - names];
    return true;
}

/* After the opening quote. */
static bool read_string(struct reader *reader, const char **text, uint32_t *length)
{
    char *start = reader->at, *out = start;
    while (reader->at < reader->end && *reader->at != '"') {
        unsigned char byte = (unsigned char)*reader->at;
        if (byte < 0x20)
            return fail(reader, "a control character in a string");
        if (byte == '\\') {
            reader->at++;
            if (!read_escape(reader, &out))
                return false;
            continue;
        }
        *out++ = *reader->at++;
    }
    if (reader->at == reader->end)
        return fail(reader, "a string without an end");
    reader->at++;
    *text = start;
    *length = (uint32_t)(out - start);
    return true;
}

/* --- Values --- */

static size_t skip_digits(struct reader *reader)
{
    char *start = reader->at;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9')
        reader->at++;
    return (size_t)(reader->at - start);
}

static bool read_number(struct reader *reader, struct json_tree_value *value)
{
    char *start = reader->at;
    reader->at += *reader->at == '-';
    bool zero = reader->at < reader->end && *reader->at == '0';
    size_t digits = skip_digits(reader);
    bool ok = digits > 0 && (!zero || digits == 1);
    if (ok && reader->at < reader->end && *reader->at == '.') {
        reader->at++;
        ok = skip_digits(reader) > 0;
    }
    if (ok && reader->at < reader->end && (*reader->at | 0x20) == 'e') {
        reader->at++;
        reader->at += reader->at < reader->end && (*reader->at == '+' || *reader->at == '-');
        ok = skip_digits(reader) > 0;
    }
    if (!ok || reader->at - start > 400)
        return fail(reader, "a number that is none");
    value->kind = JSON_TREE_NUMBER;
    value->number =
        strtod(start, NULL); /* the text ends with a zero byte, and strtod stops where we did */
    return isfinite(value->number) || fail(reader, "a number too large");
}

static bool read_word(struct reader *reader, struct json_tree_value *value)
{
    static const struct {
        const char *word;
        enum json_tree_kind kind;
        double number;
    } words[] = {
        {"true", JSON_TREE_BOOL, 1}, {"false", JSON_TREE_BOOL, 0}, {"null", JSON_TREE_NULL, 0}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i].word);
        if ((size_t)(reader->end - reader->at) < length ||
            memcmp(reader->at, words[i].word, length) != 0)
            continue;
        reader->at += length;
        value->kind = words[i].kind;
        value->number = words[i].number;
        return true;
    }
    return fail(reader, "a value is missing");
}

static struct json_tree_value *read_value(struct reader *reader);

/* Members up to `close`; an object's have keys. */
static bool read_members(struct reader *reader, struct json_tree_value *parent, char close)
{
    const struct json_tree_value **link = &parent->first;
    parent->first = NULL;
    if (take(reader, close))
        return true;
    do {
        const char *key = NULL;
        uint32_t key_length = 0;
        if (close == '}' &&
            (!take(reader, '"') || !read_string(reader, &key, &key_length) || !take(reader, ':')))
            return fail(reader, "a key is missing");
        struct json_tree_value *value = read_value(reader);
        if (!value)
            return false;
        value->key = key;
        value->key_length = key_length;
        parent->length++;
        *link = value;
        link = &value->next;
    } while (take(reader, ','));
    return take(reader, close) || fail(reader, close == '}' ? "a } is missing" : "a ] is missing");
}

static bool read_into(struct reader *reader, struct json_tree_value *value)
{
    skip_space(reader);
    if (reader->at == reader->end)
        return fail(reader, "the text ends too early");
    char byte = *reader->at;
    if (byte == '"') {
        reader->at++;
        value->kind = JSON_TREE_STRING;
        return read_string(reader, &value->text, &value->length);
    }
    if (byte == '-' || (byte >= '0' && byte <= '9'))
        return read_number(reader, value);
    if (byte != '{' && byte != '[')
        return read_word(reader, value);
    reader->at++;
    value->kind = byte == '{' ? JSON_TREE_OBJECT : JSON_TREE_ARRAY;
    if (++reader->depth > JSON_TREE_MAX_DEPTH)
        return fail(reader, "it is nested too deeply");
    bool ok = read_members(reader, value, byte == '{' ? '}' : ']');
    reader->depth--;
    return ok;
}

static struct json_tree_value *read_value(struct reader *reader)
{
    struct json_tree_value *value = new_value(reader);
    return value && read_into(reader, value) ? value : NULL;
}

/* --- The whole --- */

static bool read_all(struct json_tree *json, size_t length, const char *name,
                     struct engine_error *error)
{
    struct reader reader = {
        .json = json, .at = json->text, .end = json->text + length, .name = name, .error = error};
    size_t valid = utf8_valid_prefix(json->text, length);
    if (valid < length) {
        reader.at += valid;
        return fail(&reader, "bytes that are not UTF-8");
    }
    json->root = read_value(&reader);
    if (!json->root)
        return false;
    skip_space(&reader);
    return reader.at == reader.end || fail(&reader, "something stands behind the value");
}

struct json_tree *json_tree_parse(const char *bytes, size_t length, const char *name,
                                  struct engine_error *error)
{
    if (length > JSON_TREE_MAX_BYTES) {
        engine_fail(error, ENGINE_FORMAT, "%s: JSON of %zu bytes: %d at most", name, length,
                    JSON_TREE_MAX_BYTES);
        return NULL;
    }
    struct json_tree *json = calloc(1, sizeof *json);
    if (json)
        json->text = malloc(length + 1);
    if (!json || !json->text) {
        json_tree_free(json);
        engine_no_memory(error, name);
        return NULL;
    }
    memcpy(json->text, bytes, length);
    json->text[length] = '\0';
    if (read_all(json, length, name, error))
        return json;
    json_tree_free(json);
    return NULL;
}

struct json_tree *json_tree_read(const char *path, struct engine_error *error)
{
    struct json_tree *json = NULL;
    FILE *file = fopen(path, "rb");
    struct stat status;
    bool ok = file && fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode);
    size_t size = ok && status.st_size <= JSON_TREE_MAX_BYTES ? (size_t)status.st_size : 0;
    char *text = size > 0 ? malloc(size) : NULL;
    if (!ok)
        engine_fail(error, ENGINE_IO, "%s: cannot read it: %s", path,
                    file ? "not a regular file" : strerror(errno));
    else if (size == 0)
        engine_fail(error, ENGINE_FORMAT, "%s: it is empty, or larger than %d MiB", path,
                    JSON_TREE_MAX_BYTES >> 20);
    else if (!text)
        engine_no_memory(error, path);
    else
        json = json_tree_parse(text, fread(text, 1, size, file), path, error);
    free(text);
    if (file)
        fclose(file);
    return json;
}

void json_tree_free(struct json_tree *json)
{
    if (!json)
        return;
    for (struct block *block = json->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(json->text);
    free(json);
}

const struct json_tree_value *json_tree_root(const struct json_tree *json)
{
    return json->root;
}

const struct json_tree_value *json_tree_get(const struct json_tree_value *object, const char *key)
{
    if (!object || object->kind != JSON_TREE_OBJECT)
        return NULL;
    size_t length = strlen(key);
    for (const struct json_tree_value *member = object->first; member; member = member->next)
        if (member->key_length == length && memcmp(member->key, key, length) == 0)
            return member;
    return NULL;
}

bool json_tree_is(const struct json_tree_value *value, const char *text)
{
    return value && value->kind == JSON_TREE_STRING && value->length == strlen(text) &&
           memcmp(value->text, text, value->length) == 0;
}

double json_tree_number(const struct json_tree_value *value, double otherwise)
{
    return value && value->kind == JSON_TREE_NUMBER ? value->number : otherwise;
}

int64_t json_tree_integer(const struct json_tree_value *value, int64_t otherwise)
{
    double number = json_tree_number(value, 0.5);
    return number == trunc(number) && fabs(number) <= 9007199254740992.0 ? (int64_t)number
                                                                         : otherwise;
}

bool json_tree_bool(const struct json_tree_value *value, bool otherwise)
{
    return value && value->kind == JSON_TREE_BOOL ? value->number != 0 : otherwise;
}
