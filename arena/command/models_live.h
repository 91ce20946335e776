/* The roster of an arena that is being served, with everybody's health, as a table. */
#ifndef ARENA_COMMAND_MODELS_LIVE_H
#define ARENA_COMMAND_MODELS_LIVE_H

#include <jansson.h>

/* `roster` is the reply of GET /api/roster. */
void models_live_print(const json_t *roster);

#endif
