/* The log: one line an event on stderr, `time level room: message`. No secrets, no prompts, no
 * answers: callers pass ids. A line is cut at 1 KiB and control characters are escaped, so that
 * no client can forge a line. Any thread. */
#ifndef ARENA_BASE_LOG_H
#define ARENA_BASE_LOG_H

enum log_level { LOG_ERROR, LOG_WARNING, LOG_NOTE, LOG_DEBUG };

void log_set_level(enum log_level level); /* default LOG_NOTE */
__attribute__((format(printf, 3, 4))) void log_line(enum log_level level, const char *room,
                                                    const char *format, ...);

#define log_error(room, ...) log_line(LOG_ERROR, room, __VA_ARGS__)
#define log_warning(room, ...) log_line(LOG_WARNING, room, __VA_ARGS__)
#define log_note(room, ...) log_line(LOG_NOTE, room, __VA_ARGS__)
#define log_debug(room, ...) log_line(LOG_DEBUG, room, __VA_ARGS__)

#endif
