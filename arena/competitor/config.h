/* One row of the configuration's "competitors": read, checked, described.
 *
 * Pure, any thread. Errors name the competitor and the key. */
#ifndef ARENA_COMPETITOR_CONFIG_H
#define ARENA_COMPETITOR_CONFIG_H

#include <jansson.h>

#include "competitor/competitor.h"

/* Fills `config` (competitor_config_done frees it, also after a failure). `index` names a row
 * that has no name. */
bool competitor_config_read(struct competitor_config *config, const json_t *row, size_t index,
                            struct err *err);
void competitor_config_done(struct competitor_config *config);

/* Writes everything that shapes an answer, as one JSON object in a fixed order: provider, model
 * or `weights` (the fingerprint of a file), endpoint, dialect, chat template, system prompt,
 * parameters. Its digest is the version. */
bool competitor_config_describe(const struct competitor_config *config, const char *weights,
                                struct buf *out);

#endif
