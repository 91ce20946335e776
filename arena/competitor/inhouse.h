/* The in-house model as a competitor: an adapter from the engine's requests to chats.
 *
 * The engine calls back on its scheduler's thread; what it says travels to the loop as messages,
 * in order. */
#ifndef ARENA_COMPETITOR_INHOUSE_H
#define ARENA_COMPETITOR_INHOUSE_H

#include "competitor/competitor.h"
#include "engine/engine.h"
#include "loop/loop.h"

/* Makes `competitor` answer with `model`, which must outlive it. */
bool inhouse_attach(struct competitor *competitor, struct engine *engine,
                    struct engine_model *model, struct loop *loop, struct err *err);

#endif
