/* Keeps the roster and its file in step: the configuration is the one source, so a change is
 * written there and then takes effect, without a restart and without ending a battle.
 *
 * A change is prepared (the file read, edited and checked, new models loaded) by a worker, attached
 * on the loop, written by a worker, and committed on the loop. Whatever fails leaves the roster and
 * the file as they were. One change at a time; a reload that comes meanwhile follows it. Loop's
 * thread, but for what its header names as blocking. */
#ifndef ARENA_COMMAND_KEEPER_H
#define ARENA_COMMAND_KEEPER_H

#include <jansson.h>

#include "base/err.h"
#include "command/settings.h"
#include "board/live.h"
#include "http/context.h"

struct keeper;

/* All borrowed but the options themselves. `settings` are those that the roster was opened with. */
struct keeper_options {
    struct loop *loop;
    struct workers *workers;
    struct store *store;
    struct roster *roster;
    const struct settings *settings;
    const char *config, *data; /* as the command was told */
    struct live *boards[2];    /* that follow a change of code names; NULL: none */
    void (*idle)(void *user);  /* a change is over */
    void *user;
};

struct keeper *keeper_new(const struct keeper_options *options, struct err *err);
bool keeper_busy(const struct keeper *keeper);
void keeper_free(struct keeper *keeper); /* after the workers; NULL is allowed */

/* The door of http/context.h: {"action":"add","competitor":{…}},
 * {"action":"pause","name","reason"}, {"action":"resume"|"retire","name"}, {"action":"reload"},
 * {"action":"set","competitors":[{"name",…}]}, where null takes a member of the row away. `done` is
 * called once, on the loop; its result is borrowed. */
void keeper_ask(void *user, const json_t *wish, roster_answer *done, void *asker);

void keeper_reload(struct keeper *keeper); /* SIGHUP; tells the log what came of it */

/* The same on a data directory that nobody serves, whose lock the caller holds: only the file
 * changes. Blocks. Returns the result, a new reference. */
json_t *keeper_alone(struct loop *loop, const json_t *wish, const char *config, const char *data,
                     struct err *err);

#endif
