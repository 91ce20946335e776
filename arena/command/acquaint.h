/* What the store knows of how the competitors answer, told to those that are configured now in the
 * same version: a restart forgets nobody's tempo (competitor/tempo.h), and so tells no voter
 * anything. Blocks; before serving. */
#ifndef ARENA_COMMAND_ACQUAINT_H
#define ARENA_COMMAND_ACQUAINT_H

#include "base/err.h"

struct roster;
struct store;

bool acquaint(struct roster *roster, const struct store *store, struct err *err);

#endif
