/* A campaign's final report, as the JSON text that is signed: the question as registered, what the
 * votes say of each rival and category, how reliable the raters were, and every variant of the
 * model that was ever tried here. Blocking, over one view of the store. */
#ifndef ARENA_PEOPLE_CAMPAIGN_REPORT_H
#define ARENA_PEOPLE_CAMPAIGN_REPORT_H

#include "base/buf.h"
#include "people/question.h"
#include "people/standing.h"
#include "store/campaigns.h"

#define CAMPAIGN_REPORT_MAX (8u << 20) /* every rater and variant with a line of its own */

/* `record`: id, question, times and reason of it are read. */
bool campaign_report(struct db *db, const struct campaign_record *record,
                     const struct question *question, const struct standing *standing,
                     struct buf *out, struct err *err);

#endif
