/* The prompts of an evaluation: JSON lines, one prompt each, in our own form, MT-bench's or
 * Arena-Hard's; or the same objects in a list.
 *
 * A prompt has "turns" (what the user says, one after another) or "prompt" (one turn); an id
 * ("id", "question_id" or "uid"); and may have "category" (with "subcategory", joined by a slash
 * where the two differ), "system", "reference" (a good answer, or a list of one a turn) and
 * "chosen" ("lost" or "control": eval/from_losses.h). Other members are left alone. A prompt that
 * comes again (same turns and system prompt) is asked once. Limits: LIMIT_EVAL_PROMPTS,
 * LIMIT_EVAL_PROMPT_BYTES, LIMIT_EVAL_TEXT_BYTES. Blocking; one owner, then any thread reads. */
#ifndef ARENA_EVAL_PROMPTS_H
#define ARENA_EVAL_PROMPTS_H

#include "eval/spec.h"
#include "store/eval_runs.h"

struct eval_prompt {
    char *source, *category, *system; /* NULL: none; a category there always is once read */
    json_t *turns;                    /* a list of strings */
    json_t *reference;                /* the same; NULL: none */
    enum eval_chosen chosen;
};

struct eval_prompts {
    struct eval_prompt *list;
    size_t count, room;
    size_t bytes, turns; /* of all */
    size_t repeated;     /* left out because they came before */
};

/* As the spec says; its file is relative to `folder` (NULL: must be absolute). Errors name file and
 * line. eval_prompts_done frees it, also after a failure. */
bool eval_prompts_read(struct eval_prompts *prompts, const struct eval_spec *spec,
                       const char *folder, struct err *err);

/* One more from the store. */
bool eval_prompts_take(struct eval_prompts *prompts, const struct eval_prompt_record *record,
                       struct err *err);
void eval_prompts_done(struct eval_prompts *prompts);

#endif
