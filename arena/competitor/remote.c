/* Competitors with the same key at the same endpoint share one limiter; all of them share the
 * connections. The limiters are known by a digest, so that no second copy of a key is kept. */
#include "competitor/remote.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "competitor/attempt.h"

struct shared_limiter {
    uint8_t digest[DIGEST_SIZE]; /* of endpoint and key */
    struct limiter *limiter;
    struct shared_limiter *next;
};

struct shared_budget {
    char *name;
    struct budget budget;
    struct shared_budget *next;
};

struct remote_hub {
    struct loop *loop;
    struct transfer_pool *pool;
    struct shared_limiter *limiters;
    struct shared_budget *budgets;
    void (*moved)(void *user, const struct budget *budget);
    void *user;
};

struct budget *remote_hub_budget(struct remote_hub *hub, const char *name)
{
    for (struct shared_budget *at = hub->budgets; at; at = at->next)
        if (strcmp(at->name, name) == 0)
            return &at->budget;
    struct shared_budget *shared = calloc(1, sizeof *shared);
    if (!shared || !(shared->name = strdup(name))) {
        free(shared);
        return NULL;
    }
    budget_init(&shared->budget, NAN);
    shared->budget.name = shared->name;
    shared->budget.moved = hub->moved;
    shared->budget.user = hub->user;
    shared->next = hub->budgets;
    hub->budgets = shared;
    return &shared->budget;
}

void remote_hub_watch(struct remote_hub *hub,
                      void (*moved)(void *user, const struct budget *budget), void *user)
{
    hub->moved = moved;
    hub->user = user;
    for (struct shared_budget *at = hub->budgets; at; at = at->next) {
        at->budget.moved = moved;
        at->budget.user = user;
    }
}

static struct limiter *limiter_for(struct remote_hub *hub, const char *base_url, const char *key)
{
    uint8_t bytes[DIGEST_SIZE];
    struct digest *digest = digest_new();
    if (!digest)
        return NULL;
    digest_add_field(digest, base_url, strlen(base_url));
    digest_add_field(digest, key ? key : "", key ? strlen(key) : 0);
    digest_finish(digest, bytes);
    for (struct shared_limiter *at = hub->limiters; at; at = at->next)
        if (digest_same(at->digest, bytes, DIGEST_SIZE))
            return at->limiter;
    struct shared_limiter *shared = calloc(1, sizeof *shared);
    if (!shared || !(shared->limiter = limiter_new(hub->loop))) {
        free(shared);
        return NULL;
    }
    memcpy(shared->digest, bytes, DIGEST_SIZE);
    shared->next = hub->limiters;
    hub->limiters = shared;
    return shared->limiter;
}

static void remote_close(struct competitor *competitor)
{
    struct remote *remote = competitor->state;
    endpoint_done(&remote->endpoint);
    free(remote);
    competitor->state = NULL;
}

static bool check_price(const struct competitor_config *config, bool limited, struct err *err)
{
    struct price_rates rates = price_at(&config->prices, clock_wall_ms(), -1);
    limited = limited || !isnan(config->budget_usd);
    return !limited || !isnan(rates.input + rates.output) ||
           err_set(err, ERR_CONFIG,
                   "a \"budget\" needs the \"price\" of \"input\" and \"output\" to be known");
}

bool remote_attach(struct competitor *competitor, struct remote_hub *hub, const char *folder,
                   bool limited, struct err *err)
{
    static const struct competitor_adapter ADAPTER = {attempt_chat, attempt_cancel, remote_close};
    struct remote *remote = calloc(1, sizeof *remote);
    if (!remote)
        return err_set(err, ERR_MEMORY, "out of memory");
    remote->loop = hub->loop;
    remote->pool = hub->pool;
    competitor->state = remote;
    competitor->adapter = &ADAPTER;
    if (!check_price(&competitor->config, limited, err) ||
        !endpoint_open(&remote->endpoint, &competitor->config, folder, err))
        return false;
    remote->limiter = limiter_for(hub, remote->endpoint.base_url, remote->endpoint.key);
    remote->budget = remote_hub_budget(hub, competitor->config.name);
    remote->arena_budget = remote_hub_budget(hub, "");
    return (remote->limiter && remote->budget && remote->arena_budget) ||
           err_set(err, ERR_MEMORY, "out of memory");
}

void remote_limit(const struct competitor *competitor)
{
    struct remote *remote = competitor->state;
    remote->budget->limit_usd = competitor->config.budget_usd;
}

const char *remote_lacks(const struct competitor *competitor)
{
    const struct remote *remote = competitor->state;
    return remote->endpoint.key_error[0] ? remote->endpoint.key_error : NULL;
}

const char *remote_key_state(const struct competitor *competitor)
{
    const struct endpoint *endpoint = &((const struct remote *)competitor->state)->endpoint;
    return endpoint->key ? "found" : endpoint->key_error[0] ? "not found" : "not needed";
}

void remote_host(const struct competitor *competitor, char *out, size_t size)
{
    endpoint_host(&((const struct remote *)competitor->state)->endpoint, out, size);
}

bool remote_traffic(const struct competitor *competitor, struct limiter_figures *out)
{
    const struct remote *remote = competitor->state;
    if (competitor->own_engine || !remote)
        return false;
    *out = limiter_figures(remote->limiter);
    return true;
}

struct remote_hub *remote_hub_new(struct loop *loop, struct err *err)
{
    struct remote_hub *hub = calloc(1, sizeof *hub);
    if (!hub) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    hub->loop = loop;
    hub->pool = transfer_pool_new(loop, err);
    if (hub->pool)
        return hub;
    free(hub);
    return NULL;
}

void remote_hub_free(struct remote_hub *hub)
{
    if (!hub)
        return;
    while (hub->limiters) {
        struct shared_limiter *shared = hub->limiters;
        hub->limiters = shared->next;
        limiter_free(shared->limiter);
        free(shared);
    }
    while (hub->budgets) {
        struct shared_budget *shared = hub->budgets;
        hub->budgets = shared->next;
        free(shared->name);
        free(shared);
    }
    transfer_pool_free(hub->pool);
    free(hub);
}
