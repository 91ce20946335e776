/* A growing run of bytes with a hard maximum.
 *
 * Invariants: `data` is NULL or a heap block of `capacity` bytes, `length < capacity`, and
 * `data[length]` is 0, so the content can be handed to a C string function when it holds no NUL.
 * Nothing is ever longer than `max`. A failed append (past `max`, or no memory) sets `failed`
 * and changes nothing else; every later append fails too, so a caller may build a whole text and
 * look once at the end. Owner's thread only. */
#ifndef ARENA_BASE_BUF_H
#define ARENA_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data;
    size_t length;
    size_t capacity;
    size_t max;
    bool failed;
};

/* Text that is borrowed: bytes and a length, not NUL-terminated. */
struct text {
    const char *data;
    size_t length;
};

#define TEXT(literal) ((struct text){(literal), sizeof(literal) - 1})

struct text text_of(const char *string); /* borrows a C string; NULL gives an empty text */
bool text_equal(struct text a, struct text b);

void buf_init(struct buf *buf, size_t max);
void buf_done(
    struct buf *buf); /* frees the bytes; the buffer is empty and usable again, with the same max */
void buf_clear(struct buf *buf); /* length 0 and not failed; keeps the block */

bool buf_add(struct buf *buf, const void *bytes, size_t length);
bool buf_add_text(struct buf *buf, struct text text);
bool buf_add_string(struct buf *buf, const char *string);
bool buf_add_char(struct buf *buf, char c);
__attribute__((format(printf, 2, 3))) bool buf_printf(struct buf *buf, const char *format, ...);
__attribute__((format(printf, 2, 0))) bool buf_vprintf(struct buf *buf, const char *format,
                                                       va_list args);

bool buf_reserve(struct buf *buf, size_t more); /* room for `more` further bytes */
void buf_drop_front(struct buf *buf, size_t count);

/* Returns the bytes, NUL-terminated, for the caller to free(); NULL if the buffer failed. The
 * buffer is empty after. */
char *buf_take(struct buf *buf, size_t *length);

struct text buf_text(const struct buf *buf); /* borrowed until the next change */

#endif
