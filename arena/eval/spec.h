/* What an evaluation shall do: a JSON object (schema/eval.schema.json), read and checked.
 *
 * Reading fills in every default, so that the object which is stored with the run says all that
 * shaped it, the judges' prompts included. Pure, but for the prompts' file, which is only named
 * here. Texts are borrowed from `root`. Any thread may read a spec; one owns it. */
#ifndef ARENA_EVAL_SPEC_H
#define ARENA_EVAL_SPEC_H

#include <jansson.h>

#include "base/err.h"
#include "base/limits.h"
#include "competitor/competitor.h"

enum eval_pairing { EVAL_ALL, EVAL_BASELINE, EVAL_ADAPTIVE };

struct eval_budget {
    double usd, seconds; /* NaN: no limit */
    int64_t calls;       /* -1: no limit */
};

struct eval_judging {
    const char *system, *prompt, *prompt_with_reference;
    bool disagreement_is_tie; /* else it is no vote */
    struct chat_params params;
};

#define EVAL_STOPS 16

struct eval_spec {
    json_t *root; /* owned */
    const char *name;
    const char *prompts_file; /* NULL: `prompts` */
    const json_t *prompts;    /* NULL, or the list in the spec */
    const json_t *categories; /* only these; NULL: all */
    int64_t most;             /* the first so many prompts; 0: all */
    const char *competitors[LIMIT_EVAL_SIDES];
    size_t competitor_count;
    enum eval_pairing pairing;
    size_t baseline;        /* EVAL_BASELINE: its place */
    int64_t adaptive_pairs; /* EVAL_ADAPTIVE: how many pairs in all */
    double same_model;      /* share of further pairs that are one model twice */
    int64_t samples;
    struct chat_params params; /* for every competitor; unset: each its own */
    const char *stops[2][EVAL_STOPS];
    const char *judges[LIMIT_EVAL_JUDGES];
    size_t judge_count; /* models */
    bool people;        /* people judge too, or alone */
    int64_t overlap;    /* how many people a pair */
    struct eval_judging judging;
    struct eval_budget budget;
    int64_t seed;
};

/* Fills `spec` from a copy of `root` (eval_spec_done frees it, also after a failure). A spec that
 * was stored with a run names its prompts no more (`stored`). Errors name the key. */
bool eval_spec_read(struct eval_spec *spec, const json_t *root, bool stored, struct err *err);
void eval_spec_done(struct eval_spec *spec);

/* The place of a competitor; -1: none of this name. */
int eval_spec_place(const struct eval_spec *spec, const char *name);

/* Settings as one JSON object in a fixed order, only those that are set: a part of an answer's
 * key. */
bool eval_params_write(const struct chat_params *params, struct buf *out);

#endif
