/* An OpenAI stream, through the short way and around it: what was heard and the verdict must be
 * the same. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "competitor/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* So that the short way is open from the first event on. */
static const char START[] = "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[]}\n\n";

struct heard {
    struct buf text[3];
    struct reader reader;
    enum chat_finish finish;
};

static void on_delta(void *user, enum chat_channel channel, struct text text)
{
    buf_add_text(&((struct heard *)user)->text[channel], text);
}

static void hear(struct heard *heard, const struct dialect *dialect, struct text body)
{
    for (int i = 0; i < 3; i++)
        buf_init(&heard->text[i], 64 << 20);
    reader_init(&heard->reader, dialect, true, on_delta, heard);
    reader_feed(&heard->reader, TEXT(START));
    reader_feed(&heard->reader, TEXT("data: "));
    reader_feed(&heard->reader, body);
    heard->finish = reader_end(&heard->reader, true, NULL);
    reader_done(&heard->reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dialect whole = dialect_openai_chat;
    struct text body = {(const char *)data, size};
    struct heard quick_heard, whole_heard;
    whole.quick = NULL;
    hear(&quick_heard, &dialect_openai_chat, body);
    hear(&whole_heard, &whole, body);
    struct reply *a = &quick_heard.reader.reply, *b = &whole_heard.reader.reply;
    if (quick_heard.finish != whole_heard.finish || a->error.class != b->error.class ||
        memcmp(&a->usage, &b->usage, sizeof a->usage) != 0 ||
        strcmp(a->error.message, b->error.message) != 0)
        abort();
    for (int i = 0; i < 3; i++) {
        if (!text_equal(buf_text(&quick_heard.text[i]), buf_text(&whole_heard.text[i])))
            abort();
        buf_done(&quick_heard.text[i]);
        buf_done(&whole_heard.text[i]);
    }
    return 0;
}
