/* The day of a vote, from what files write: seconds or milliseconds since 1970 (LMArena's tstamp),
 * or a date as ISO 8601 begins ("2025-07-01T12:00:00Z", "2025-07-01 12:00:00"). The day is the one
 * that is written: an offset from UTC is not looked at. Pure. */
#ifndef ARENA_BOARD_DAY_H
#define ARENA_BOARD_DAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define DAY_TEXT 11 /* bytes of "2025-07-01" and its end */

/* Days since 1970-01-01, from 1 (the second day of 1970) to 65,535 (in 2149). False when the text
 * says none. */
bool day_read(struct text text, uint16_t *day);

void day_write(uint16_t day, char text[DAY_TEXT]);

/* The first day of the month after the one that `day` is in. */
uint16_t day_next_month(uint16_t day);

#endif
