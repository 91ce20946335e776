/* The style sheet is a file of its own, page.css, which the assembler takes in: a page carries it
 * whole, since a saved one must look the same in ten years, wherever it lies. */
#include "board/page.h"

extern const char PAGE_STYLE[];
__asm__(".section .rodata\nPAGE_STYLE:\n.incbin \"" ARENA_PAGE_CSS "\"\n.byte 0\n.previous");

void page_open(struct buf *out, const char *title)
{
    buf_add_string(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width,initial-scale=1\"><title>");
    page_escaped(out, title);
    buf_printf(out, "</title><style>\n%s</style></head><body>\n", PAGE_STYLE);
}

static const char END[] = "</body></html>\n";

void page_close(struct buf *out)
{
    buf_add_string(out, END);
}

void page_reopen(struct buf *out)
{
    if (out->length >= sizeof END - 1)
        out->length -= sizeof END - 1;
}

void page_escaped(struct buf *out, const char *text)
{
    static const struct {
        char c;
        const char *entity;
    } ENTITIES[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    for (; *text; text++) {
        const char *entity = NULL;
        for (size_t k = 0; k < sizeof ENTITIES / sizeof *ENTITIES; k++)
            entity = ENTITIES[k].c == *text ? ENTITIES[k].entity : entity;
        if (entity)
            buf_add_string(out, entity);
        else
            buf_add_char(out, (unsigned char)*text < 0x20 ? ' ' : *text);
    }
}
