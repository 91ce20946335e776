/* How far an evaluation is, for people: a bar with a line for each competitor where stderr is a
 * terminal, else a plain line now and then. From the object that stands in eval_runs.progress. */
#ifndef ARENA_COMMAND_EVAL_WATCH_H
#define ARENA_COMMAND_EVAL_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

struct eval_watch {
    bool quiet, terminal;
    int lines;                  /* drawn, to be drawn over */
    int64_t plain_ns;           /* when a plain line was written last */
    double first_done, first_s; /* where the rate is counted from */
    bool began;
};

void eval_watch_init(struct eval_watch *watch, bool quiet);
void eval_watch_show(struct eval_watch *watch, const char *progress); /* NULL: nothing known yet */
void eval_watch_end(struct eval_watch *watch); /* the bar gives way to what follows */

/* The same once, in full, for `arena eval status`. */
void eval_watch_print(FILE *out, const json_t *progress);

#endif
