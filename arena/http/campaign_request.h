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
    const json_t *prompts; /* borrowed from the body: a path, or a list of prompts; NULL: none */
    const json_t *gold;    /* likewise: a path, or a list; NULL: none */
    double budget_usd;     /* what the answers may cost; 0: no limit of its own */
    /* of the files, once they are read */
    json_t *gold_rows;
    struct campaign_gold *pairs;
    size_t pair_count;
};

/* On the loop. `files`: may it name files? Everything but them is checked here. */
bool campaign_request_read(struct campaign_request *out, const json_t *body,
                           const struct roster *roster, bool files, struct err *err);

/* On a worker: digests the prompts, reads the pairs with a known winner. */
bool campaign_request_load(struct campaign_request *request, struct err *err);

/* The evaluation that makes the queue's pairs (schema/eval.schema.json): new, or NULL where the
 * campaign has no prompts but its voters' or without memory. */
json_t *campaign_request_spec(const struct campaign_request *request);

void campaign_request_done(struct campaign_request *request);

#endif
