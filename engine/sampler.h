/* From logits to the next token, for one request.
 *
 * The order is fixed: penalties, logit_bias, temperature, top_k, top_p, min_p, draw. Temperature
 * 0 (below 1e-5) takes the likeliest token after penalties and bias (the lowest id among
 * equals). Draw k of a request depends on (seed, k) and its logits alone: the generator is a
 * counter, so neither neighbours in the batch nor earlier draws matter. Repetition counts prompt
 * and answer, presence and frequency the answer alone. Log-probabilities are the model's own: of
 * the logits as they came, before any of the settings.
 *
 * Where the answer is held to a grammar, tokens that it does not let through are impossible: they
 * are struck out after penalties and biases, before all else.
 *
 * One owner at a time; no allocation after sampler_new. Memory: up to 32 bytes a token of the
 * vocabulary. */
#ifndef ENGINE_SAMPLER_H
#define ENGINE_SAMPLER_H

#include "engine/engine.h"

struct sampler;
struct mask;

enum { SAMPLER_MAX_BIASES = 1024, SAMPLER_MAX_TOP = 32 };

/* Checks the settings (ENGINE_REQUEST names the one that makes no sense) and copies them.
 * Returns new. */
struct sampler *sampler_new(const struct engine_sampling *sampling, int vocabulary,
                            struct engine_error *error);
void sampler_free(struct sampler *sampler);

/* Holds the answer to a mask (mask.h), which is borrowed and told of each drawn token. Before the
 * first draw. */
bool sampler_constrain(struct sampler *sampler, struct mask *mask, struct engine_error *error);

/* Are these settings in range? For refusing a request before anything is allocated. */
bool sampler_check(const struct engine_sampling *sampling, int vocabulary,
                   struct engine_error *error);

/* Tells of a token that was in the prompt, or that was drawn, for the penalties and the mask. Cheap
 * where none is set. */
void sampler_see(struct sampler *sampler, int32_t token, bool drawn);

/* Draw number `position` (0 for the answer's first token). Reads `vocabulary` logits; NaN counts as
 * impossible. */
int32_t sampler_draw(struct sampler *sampler, const float *logits, uint64_t position);

/* The log-probability of `token`, and the `tops` likeliest (at most SAMPLER_MAX_TOP) in order,
 * into `top`. */
float sampler_logprobs(struct sampler *sampler, const float *logits, int32_t token,
                       struct engine_logprob *top, int tops);

/* For a device that draws itself: the settings (with their defaults as they came), and the tokens
 * the penalties know of, by a number below sampler_seen_count; it is told of its draws by
 * sampler_see as always. Borrowed. */
const struct engine_sampling *sampler_settings(const struct sampler *sampler);
bool sampler_has_penalties(const struct sampler *sampler);
size_t sampler_seen_count(const struct sampler *sampler);
int32_t sampler_seen_token(const struct sampler *sampler, size_t number, uint32_t *drawn);

/* The same for a mask: how many words sampler_allowed writes (0: any token may come), and one bit a
 * token of the vocabulary, lowest first: may it come next? */
size_t sampler_mask_words(const struct sampler *sampler);
void sampler_allowed(struct sampler *sampler, uint32_t *words);

/* Draw `position` of `seed` as a number in [0, 1): what sampler_draw uses, so that another
 * device can do the same. */
double sampler_uniform(uint64_t seed, uint64_t position);

#endif
