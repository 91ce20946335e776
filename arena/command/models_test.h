/* `arena models test`: one real short call to each competitor, one after the other, and what
 * came of it. */
#ifndef ARENA_COMMAND_MODELS_TEST_H
#define ARENA_COMMAND_MODELS_TEST_H

#include "command/settings.h"
#include "competitor/competitor.h"

/* `name` NULL: everyone who is configured. Returns the exit code: 1 when somebody does not
 * answer. */
int models_test(const struct settings *settings, const char *name);

/* What the operator can do about an error of this class. */
const char *models_advice(enum chat_error_class class);

#endif
