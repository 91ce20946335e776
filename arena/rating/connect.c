/* Tarjan's strongly connected groups over "has beaten or tied", on an explicit stack (a chain of
 * 2,048 models must not be 2,048 calls deep), and plain components over "met" to say which of
 * the failures it is. */
#include "rating/connect.h"

#include <stdlib.h>
#include <string.h>

#define UNSEEN UINT32_MAX

const char *connect_word(enum connect_reason reason)
{
    static const char *const WORDS[CONNECT_REASONS] = {
        "ranked", "no votes", "undefeated", "winless", "separated", "always won", "always lost"};
    return WORDS[reason];
}

struct search {
    size_t n;
    uint8_t *beat;    /* n x n: row has beaten or tied column */
    uint32_t *order;  /* when a model was first reached */
    uint32_t *low;    /* earliest model reachable that is still on the stack */
    uint32_t *group;  /* strongly connected group */
    uint32_t *stack;  /* models not yet in a group */
    uint32_t *path;   /* the depth-first path */
    uint32_t *next;   /* next neighbour to look at, per model */
    uint32_t *joined; /* component over "met" */
    size_t stacked, groups, clock;
};

static void search_done(struct search *search)
{
    free(search->beat);
    free(search->order);
}

static bool search_init(struct search *search, const struct tally *tally, const bool *keep,
                        struct err *err)
{
    size_t n = tally->models;
    *search = (struct search){.n = n};
    search->beat = calloc(n * n + 1, 1);
    search->order = calloc(7 * n + 1, sizeof *search->order);
    if (!search->beat || !search->order) {
        search_done(search);
        return err_set(err, ERR_MEMORY, "no memory to connect %zu models", n);
    }
    uint32_t **const parts[] = {&search->low,  &search->group, &search->stack,
                                &search->path, &search->next,  &search->joined};
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
        *parts[k] = search->order + (k + 1) * n;
    for (size_t j = 0; j < n; j++) {
        search->order[j] = search->joined[j] = UNSEEN;
        search->group[j] = UNSEEN;
        for (size_t i = 0; i < j; i++) {
            if (keep && !(keep[i] && keep[j]))
                continue;
            struct tally_record of = tally_met(tally, i, j);
            search->beat[i * n + j] = of.votes > of.losses;
            search->beat[j * n + i] = of.votes > of.wins;
        }
    }
    return true;
}

static void reach(struct search *search, uint32_t model, size_t *depth)
{
    search->order[model] = search->low[model] = (uint32_t)search->clock++;
    search->stack[search->stacked++] = model;
    search->path[(*depth)++] = model;
}

/* Everything above `model` on the stack, and it, is one group. */
static void close_group(struct search *search, uint32_t model)
{
    uint32_t member;
    do {
        member = search->stack[--search->stacked];
        search->group[member] = (uint32_t)search->groups;
    } while (member != model);
    search->groups++;
}

static void explore(struct search *search, uint32_t root)
{
    size_t depth = 0;
    reach(search, root, &depth);
    while (depth) {
        uint32_t at = search->path[depth - 1];
        uint32_t to = search->next[at];
        if (to == search->n) {
            depth--;
            if (search->low[at] == search->order[at])
                close_group(search, at);
            if (depth && search->low[at] < search->low[search->path[depth - 1]])
                search->low[search->path[depth - 1]] = search->low[at];
            continue;
        }
        search->next[at]++;
        if (!search->beat[at * search->n + to])
            continue;
        if (search->order[to] == UNSEEN)
            reach(search, to, &depth);
        else if (search->group[to] == UNSEEN && search->order[to] < search->low[at])
            search->low[at] = search->order[to];
    }
}

static bool met(const struct search *search, size_t i, size_t j)
{
    return search->beat[i * search->n + j] || search->beat[j * search->n + i];
}

/* Numbers the components over "met"; a model that met nobody has none. */
static size_t join(struct search *search)
{
    size_t components = 0, n = search->n;
    for (size_t root = 0; root < n; root++) {
        if (search->joined[root] != UNSEEN)
            continue;
        size_t depth = 0, size = 0;
        search->stack[depth++] = (uint32_t)root;
        search->joined[root] = (uint32_t)components;
        while (depth) {
            uint32_t at = search->stack[--depth];
            size++;
            for (size_t to = 0; to < n; to++) {
                if (search->joined[to] != UNSEEN || !met(search, at, to))
                    continue;
                search->joined[to] = (uint32_t)components;
                search->stack[depth++] = (uint32_t)to;
            }
        }
        if (size == 1)
            search->joined[root] = UNSEEN - 1;
        else
            components++;
    }
    return components;
}

struct group_size {
    size_t models;
    uint64_t votes;
};

static void add_votes(struct group_size *sizes, const struct search *search,
                      const struct tally *tally)
{
    for (size_t j = 1; j < search->n; j++)
        for (size_t i = 0; i < j; i++)
            if (search->group[i] == search->group[j] && met(search, i, j))
                sizes[search->group[i]].votes += tally_pair(tally, i, j);
}

/* The group to rank, or UNSEEN where none has two models. */
static uint32_t largest(const struct search *search, const struct tally *tally)
{
    struct group_size *sizes = calloc(search->groups + 1, sizeof *sizes);
    uint32_t best = UNSEEN;
    if (!sizes)
        return UNSEEN;
    for (size_t i = 0; i < search->n; i++)
        sizes[search->group[i]].models++;
    add_votes(sizes, search, tally);
    for (size_t i = 0; i < search->n;
         i++) { /* by model number, so that equal groups have a fixed order */
        uint32_t g = search->group[i];
        if (sizes[g].models < 2)
            continue;
        if (best == UNSEEN || sizes[g].models > sizes[best].models ||
            (sizes[g].models == sizes[best].models && sizes[g].votes > sizes[best].votes))
            best = g;
    }
    free(sizes);
    return best;
}

static bool reaches(const struct search *search, size_t from, uint32_t group, bool *seen,
                    uint32_t *stack, bool forward)
{
    size_t depth = 0, n = search->n;
    memset(seen, 0, n);
    stack[depth++] = (uint32_t)from;
    seen[from] = true;
    while (depth) {
        uint32_t at = stack[--depth];
        if (search->group[at] == group)
            return true;
        for (size_t to = 0; to < n; to++) {
            bool edge = forward ? search->beat[at * n + to] : search->beat[to * n + at];
            if (edge && !seen[to]) {
                seen[to] = true;
                stack[depth++] = (uint32_t)to;
            }
        }
    }
    return false;
}

static enum connect_reason reason_of(const struct search *search, size_t model, uint32_t best,
                                     bool *seen)
{
    size_t n = search->n, beaten = 0, beaten_by = 0;
    if (search->group[model] == best)
        return CONNECT_RANKED;
    for (size_t other = 0; other < n; other++) {
        beaten += search->beat[model * n + other];
        beaten_by += search->beat[other * n + model];
    }
    if (beaten + beaten_by == 0)
        return CONNECT_NO_VOTES;
    if (beaten_by == 0)
        return CONNECT_UNDEFEATED;
    if (beaten == 0)
        return CONNECT_WINLESS;
    if (best == UNSEEN)
        return CONNECT_SEPARATED;
    if (reaches(search, model, best, seen, search->stack, true))
        return CONNECT_ALWAYS_WON;
    if (reaches(search, model, best, seen, search->stack, false))
        return CONNECT_ALWAYS_LOST;
    return CONNECT_SEPARATED;
}

bool connect_find(struct connect *connect, const struct tally *tally, const bool *keep,
                  struct err *err)
{
    struct search search;
    size_t n = tally->models;
    *connect = (struct connect){.models = n};
    if (!search_init(&search, tally, keep, err))
        return false;
    connect->reason = calloc(n + 1, sizeof *connect->reason);
    bool *seen = calloc(n + 1, sizeof *seen);
    if (!connect->reason || !seen) {
        free(seen);
        search_done(&search);
        connect_done(connect);
        return err_set(err, ERR_MEMORY, "no memory to connect %zu models", n);
    }
    for (size_t i = 0; i < n; i++)
        if (search.order[i] == UNSEEN)
            explore(&search, (uint32_t)i);
    connect->components = join(&search);
    uint32_t best = largest(&search, tally);
    for (size_t i = 0; i < n; i++) {
        connect->reason[i] = reason_of(&search, i, best, seen);
        connect->ranked += connect->reason[i] == CONNECT_RANKED;
    }
    free(seen);
    search_done(&search);
    return true;
}

void connect_done(struct connect *connect)
{
    free(connect->reason);
    *connect = (struct connect){0};
}
