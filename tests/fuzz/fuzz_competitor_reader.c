/* A provider's response: first byte the dialect and whether it is a stream, second where it is
 * cut. Whatever the bytes, cutting them elsewhere must not change what was heard or the verdict. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "competitor/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct heard {
    struct buf text[3];
    enum chat_finish finish;
    enum chat_error_class class;
};

static void on_delta(void *user, enum chat_channel channel, struct text text)
{
    buf_add_text(&((struct heard *)user)->text[channel], text);
}

static void read_all(struct heard *heard, const struct dialect *dialect, bool stream,
                     struct text body, size_t step)
{
    struct reader reader;
    for (int i = 0; i < 3; i++)
        buf_init(&heard->text[i], 64 << 20);
    reader_init(&reader, dialect, stream, on_delta, heard);
    bool ok = true;
    for (size_t at = 0; ok && at < body.length; at += step) {
        size_t length = body.length - at < step ? body.length - at : step;
        ok = reader_feed(&reader, (struct text){body.data + at, length});
    }
    heard->finish = reader_end(&reader, true, NULL);
    heard->class = reader.reply.error.class;
    reader_done(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dialect *const DIALECTS[] = {
        &dialect_openai_chat, &dialect_openai_responses, &dialect_anthropic, &dialect_gemini};
    if (size < 2)
        return 0;
    const struct dialect *dialect = DIALECTS[data[0] & 3];
    struct text body = {(const char *)data + 2, size - 2};
    struct heard whole, cut;
    read_all(&whole, dialect, data[0] & 4, body, size);
    read_all(&cut, dialect, data[0] & 4, body, 1 + data[1] % 17);
    if (whole.finish != cut.finish || whole.class != cut.class)
        abort();
    for (int i = 0; i < 3; i++) {
        if (!text_equal(buf_text(&whole.text[i]), buf_text(&cut.text[i])))
            abort();
        buf_done(&whole.text[i]);
        buf_done(&cut.text[i]);
    }
    return 0;
}
