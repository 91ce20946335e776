/* A checkpoint's files: any bytes as safetensors and as JSON. What opens must be readable to its
 * last byte. / */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/json_tree.h"
#include "engine/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
    if (!truth)
        abort();
}

static uint64_t sum_values(const struct json_tree_value *value)
{
    uint64_t sum = value->kind;
    if (value->kind == JSON_TREE_STRING)
        for (uint32_t i = 0; i < value->length; i++)
            sum += (unsigned char)value->text[i];
    if (value->kind == JSON_TREE_ARRAY || value->kind == JSON_TREE_OBJECT)
        for (const struct json_tree_value *item = value->first; item; item = item->next)
            sum += sum_values(item);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct engine_error error = {0};
    struct safetensors *files = safetensors_open_memory(data, size, "fuzz", &error);
    require(files || error.message[0]);
    uint64_t sum = 0;
    for (size_t i = 0; files && i < safetensors_count(files); i++)
        for (size_t k = 0; k < safetensors_at(files, i)->bytes; k++)
            sum += safetensors_at(files, i)->data[k];
    safetensors_close(files);
    error = (struct engine_error){0};
    struct json_tree *json = json_tree_parse((const char *)data, size, "fuzz", &error);
    require(json || error.message[0]);
    sum += json ? sum_values(json_tree_root(json)) : 0;
    json_tree_free(json);
    volatile uint64_t keep = sum; /* so that no read is optimised away */
    (void)keep;
    return 0;
}
