/* The answers that campaigns' queues need, begun and gone on with: at start-up, and after every
 * change of the roster, when the models that a campaign named may have come back.
 *
 * A campaign whose models do not all answer as they were registered waits. Loop's thread; what is
 * read from the store is read by a worker, but at start-up. */
#ifndef ARENA_COMMAND_CAMPAIGN_ANSWERS_H
#define ARENA_COMMAND_CAMPAIGN_ANSWERS_H

#include <stdbool.h>

#include "base/err.h"

struct campaigns;
struct evals;
struct roster;
struct store;
struct workers;

struct campaign_answers_options { /* all borrowed */
    struct workers *workers;
    struct store *store;
    struct roster *roster;
    struct campaigns *campaigns;
    struct evals *evals;
};

struct campaign_answers;

struct campaign_answers *campaign_answers_new(const struct campaign_answers_options *options,
                                              struct err *err);
void campaign_answers_free(
    struct campaign_answers *answers); /* after the workers; NULL is allowed */

/* Those of campaigns that were registered while nobody served, or whose models were away. Blocks.
 */
bool campaign_answers_begin(struct campaign_answers *answers, struct err *err);

/* The same without blocking, and what had stopped goes on. */
void campaign_answers_go_on(struct campaign_answers *answers);

#endif
