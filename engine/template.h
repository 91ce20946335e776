/* A conversation to token ids, as the model's own chat template has it.
 *
 * The template (tokenizer.chat_template, Jinja as Hugging Face runs it) is interpreted, so that
 * its default system prompt, its order of roles and its white space are the model's own. Every
 * byte of the result remembers whether the template wrote it or a message did: special tokens
 * are recognised in the template's bytes only, so that no message can form one. A name
 * ("chatml", "llama3", "mistral", …) takes the place of the model's template where the model has
 * none or it is wanted otherwise.
 *
 * A template that the interpreter does not understand, or that refuses the conversation (roles
 * that do not alternate), gives an error that says so. Nothing of the outside is read; a date is
 * the template's own default, and today's only where the template has none.
 *
 * Immutable after template_new: any thread. Borrows the tokenizer, copies the rest. */
#ifndef ENGINE_TEMPLATE_H
#define ENGINE_TEMPLATE_H

#include "engine/engine.h"
#include "engine/tokenizer.h"

struct template;

/* `name` NULL: the model's own template. Returns new; NULL on failure: ENGINE_UNSUPPORTED for an
 * unknown name or a template that cannot be understood, with advice. */
struct template *template_new(const struct gguf *file, const struct tokenizer *tokenizer,
                              const char *name, struct engine_error *error);
void template_free(struct template *template);

/* What the template was recognised as: "chatml", "llama3", …; "jinja" for one that has no name
 * of its own here. */
const char *template_name(const struct template *template);

/* Appends the conversation's ids, with the answer's opening at the end. ENGINE_REQUEST when the
 * template refuses it. */
bool template_render(const struct template *template, const struct engine_message *messages,
                     size_t count, struct token_list *list, struct engine_error *error);

/* The same as text, to be looked at. Returns new, NUL-terminated. */
char *template_text(const struct template *template, const struct engine_message *messages,
                    size_t count, size_t *length, struct engine_error *error);

/* The names that template_new knows, NULL at the end. */
const char *const *template_names(void);

#endif
