/* A provider's API as a competitor: attempts, retries, deadlines and secrets around a dialect.
 *
 * A hub holds what remote competitors share: the connections, and one limiter for each key at
 * each endpoint. Loop's thread only. What one chat goes through is attempt.h's. */
#ifndef ARENA_COMPETITOR_REMOTE_H
#define ARENA_COMPETITOR_REMOTE_H

#include "competitor/competitor.h"
#include "loop/loop.h"

struct remote_hub;

/* `budget_usd`: the most that all of its competitors together may cost a day; NaN: no limit. */
struct remote_hub *remote_hub_new(struct loop *loop, double budget_usd, struct err *err);
void remote_hub_free(
    struct remote_hub *hub); /* after every remote competitor was closed; NULL is allowed */

/* Makes `competitor` answer through its configured provider; finds its key (a key file is
 * relative to `folder`). A key that is missing is no error here: its answers then end with class
 * auth and say which variable is not set. */
bool remote_attach(struct competitor *competitor, struct remote_hub *hub, const char *folder,
                   struct err *err);

/* Why no answer can come from this competitor, which remote_attach was called for: its key is
 * missing; NULL: it is there, or none is needed. Borrowed from it. */
const char *remote_lacks(const struct competitor *competitor);

#endif
