/* `arena eval from-losses`: the specification that asks a model's lost prompts again, as a file. */
#ifndef ARENA_COMMAND_EVAL_LOSSES_H
#define ARENA_COMMAND_EVAL_LOSSES_H

#include <stdint.h>

#include "base/err.h"

struct eval_losses {
    const char *data, *config, *model, *judge;
    int votes_of; /* enum judge_kind; -1: any */
    int64_t most;
};

/* Writes it to a temporary file, whose path stands in `path` for the caller to unlink. */
bool eval_losses_write(const struct eval_losses *wish, char path[64], struct err *err);

#endif
