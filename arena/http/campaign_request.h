/* What `POST /api/campaigns` asks for: read from the body, completed with the roster's versions and
 * with the files that only the arena's own machine may name. */
#ifndef ARENA_HTTP_CAMPAIGN_REQUEST_H
#define ARENA_HTTP_CAMPAIGN_REQUEST_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "people/campaigns.h"

struct roster;

struct campaign_request {
    struct question question;
    /* borrowed from the body: a path, or a list of texts and rows of such a file; NULL: none */
    const json_t *prompts;
    const json_t *gold; /* likewise: a path, or a list; NULL: none */
    double budget_usd;  /* what the answers may cost; 0: no limit of its own */
    /* of the files, once they are read */
    json_t *spec; /* of the evaluation that makes the queue's pairs (schema/eval.schema.json); NULL:
                     none, the prompts are the voters' own alone */
    size_t prompt_count;
    json_t *gold_rows;
    struct campaign_gold *pairs;
    size_t pair_count;
};

/* On the loop. `files`: may it name files? Everything but them is checked here. */
bool campaign_request_read(struct campaign_request *out, const json_t *body,
                           const struct roster *roster, bool files, struct err *err);

/* On a worker: reads the prompts and the pairs with a known winner, and what was expected. What
 * passes this can be registered. */
bool campaign_request_load(struct campaign_request *request, struct err *err);

void campaign_request_done(struct campaign_request *request);

#endif
