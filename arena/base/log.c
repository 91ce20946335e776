/* A line is built whole and written with one write(), so lines of several threads never mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static _Atomic int threshold = LOG_NOTE;

void log_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

void log_line(enum log_level level, const char *room, const char *format, ...)
{
    static const char *const NAMES[] = {"error", "warning", "note", "debug"};
    if ((int)level > atomic_load_explicit(&threshold, memory_order_relaxed))
        return;
    int64_t now = clock_wall_ms();
    time_t seconds = (time_t)(now / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    char line[1024], stamp[32];
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    int used = snprintf(line, sizeof line, "%s.%03dZ %s %s: ", stamp, (int)(now % 1000),
                        NAMES[level], room);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + used, sizeof line - (size_t)used - 1, format, args);
    va_end(args);
    int end = more < 0 ? used : used + more;
    if (end > (int)sizeof line - 2)
        end = (int)sizeof line - 2;
    for (int i = used; i < end; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[end] = '\n';
    if (write(STDERR_FILENO, line, (size_t)end + 1) < 0)
        return; /* nobody left to tell */
}
