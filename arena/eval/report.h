/* The report of a run, as text, JSON, Markdown or one page of HTML. Blocking; reads the store. */
#ifndef ARENA_EVAL_REPORT_H
#define ARENA_EVAL_REPORT_H

#include "eval/results.h"

#define REPORT_MAX (256u << 20) /* past it the pages of single prompts are left out */

enum report_format { REPORT_TABLE, REPORT_JSON, REPORT_MD, REPORT_HTML };

/* Appends it; `id` as eval_runs_find has it. */
bool report_write(struct buf *out, struct db *db, const char *id, enum report_format format,
                  struct err *err);

#endif
