/* A provider's API as a competitor: attempts, retries, deadlines and secrets around a dialect.
 *
 * A hub holds what remote competitors share: the connections, one limiter for each key at each
 * endpoint, and the budgets, which outlive a competitor that is configured anew. Loop's thread
 * only. What one chat goes through is attempt.h's. */
#ifndef ARENA_COMPETITOR_REMOTE_H
#define ARENA_COMPETITOR_REMOTE_H

#include "competitor/budget.h"
#include "competitor/competitor.h"
#include "competitor/limiter.h"
#include "loop/loop.h"

struct remote_hub;

struct remote_hub *remote_hub_new(struct loop *loop, struct err *err);
void remote_hub_free(
    struct remote_hub *hub); /* after every remote competitor was closed; NULL is allowed */

/* The budget of the competitor of this name, whatever its version, or everybody's (""); it stays as
 * long as the hub. NULL without memory. */
struct budget *remote_hub_budget(struct remote_hub *hub, const char *name);

/* Every budget's movements are told from now on (budget.h). */
void remote_hub_watch(struct remote_hub *hub,
                      void (*moved)(void *user, const struct budget *budget), void *user);

/* Makes `competitor` answer through its configured provider; finds its key (a key file is
 * relative to `folder`). `limited`: a budget for everybody is set. A key that is missing is no
 * error here: its answers then end with class auth and say which variable is not set. */
bool remote_attach(struct competitor *competitor, struct remote_hub *hub, const char *folder,
                   bool limited, struct err *err);

/* The configured limit of its budget is in force from now on. */
void remote_limit(const struct competitor *competitor);

/* Why no answer can come from this competitor, which remote_attach was called for: its key is
 * missing; NULL: it is there, or none is needed. Borrowed from it. */
const char *remote_lacks(const struct competitor *competitor);

/* "found", "not found" or "not needed". */
const char *remote_key_state(const struct competitor *competitor);

/* Where its requests go: the host of its endpoint. Written to `out`. */
void remote_host(const struct competitor *competitor, char *out, size_t size);

/* How busy its key is at its endpoint; false for who is not remote. */
bool remote_traffic(const struct competitor *competitor, struct limiter_figures *out);

#endif
