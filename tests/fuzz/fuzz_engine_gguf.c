/* Any bytes as a GGUF file: opened, all its keys' readers run, and if it is a sound small model,
 * loaded far enough to read its configuration and vocabulary. Never a crash, a hang or memory out
 * of proportion. */
#include "engine/config.h"
#include "engine/gguf.h"
#include "engine/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct engine_error error;
    struct gguf *file = gguf_open_memory(data, size, "fuzz", &error);
    if (!file)
        return 0;
    struct config config;
    config_read(&config, file, NULL, &error);
    config_done(&config);
    tokenizer_free(tokenizer_new(file, &error));
    gguf_close(file);
    return 0;
}
