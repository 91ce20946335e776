/* Written from the formats' descriptions, as short as they can be said in Jinja. A model's own
 * template is what runs where there is one; recognising it serves people who look at a model, and
 * names that are asked for. */
#include "engine/template_named.h"

#include <stdbool.h>
#include <string.h>

/* A template is read by its own lines. */
/* clang-format off */
#define TURNS "{% for m in messages %}"
#define END_TURNS "{% endfor %}"

/* Formats without a system role of their own: its text goes in front of the first user message. */
#define SYSTEM_APART                                                                                          \
    "{% set ns = namespace(system='') %}"                                                                     \
    "{% if messages[0].role == 'system' %}{% set ns.system = messages[0].content + '\\n\\n' %}{% endif %}"
#define TURNS_WITHOUT_SYSTEM "{% for m in messages if m.role != 'system' %}"

static const char chatml[] =
    TURNS "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}" END_TURNS
          "{{ '<|im_start|>assistant\\n' }}";

static const char llama2[] =
    "{% set ns = namespace(system='') %}"
    "{% if messages[0].role == 'system' %}"
    "{% set ns.system = '<<SYS>>\\n' + messages[0].content + '\\n<</SYS>>\\n\\n' %}{% endif "
    "%}" TURNS_WITHOUT_SYSTEM
    "{% if m.role == 'user' %}{{ bos_token + '[INST] ' + ns.system + m.content | trim + ' [/INST]' }}"
    "{% set ns.system = '' %}"
    "{% else %}{{ ' ' + m.content | trim + ' ' + eos_token }}{% endif %}" END_TURNS;

static const char llama3[] =
    "{{ bos_token }}" TURNS "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content | "
                            "trim + '<|eot_id|>' }}" END_TURNS
    "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}";

static const char mistral[] =
    "{{ bos_token }}" SYSTEM_APART TURNS_WITHOUT_SYSTEM
    "{% if m.role == 'user' %}{{ '[INST] ' + ns.system + m.content + ' [/INST]' }}{% set ns.system = '' %}"
    "{% else %}{{ ' ' + m.content | trim + eos_token }}{% endif %}" END_TURNS;

static const char mistral_tekken[] =
    "{{ bos_token }}" SYSTEM_APART TURNS_WITHOUT_SYSTEM
    "{% if m.role == 'user' %}{{ '[INST]' + (ns.system if loop.last else '') + m.content + '[/INST]' }}"
    "{% else %}{{ m.content + eos_token }}{% endif %}" END_TURNS;

static const char gemma[] =
    "{{ bos_token }}" SYSTEM_APART TURNS_WITHOUT_SYSTEM
    "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' + ns.system + m.content | "
    "trim"
    " + '<end_of_turn>\\n' }}{% set ns.system = '' %}" END_TURNS "{{ '<start_of_turn>model\\n' }}";

static const char phi3[] =
    TURNS "{{ '<|' + m.role + '|>\\n' + m.content + '<|end|>\\n' }}" END_TURNS "{{ '<|assistant|>\\n' }}";

static const char zephyr[] = TURNS "{{ '<|' + m.role + '|>\\n' + m.content + eos_token + '\\n' }}" END_TURNS
                                   "{{ '<|assistant|>\\n' }}";

static const char tulu[] =
    "{{ bos_token }}" TURNS "{{ '<|' + m.role + '|>\\n' + m.content + '\\n' }}"
    "{% if m.role == 'assistant' %}{{ eos_token + '\\n' }}{% endif %}" END_TURNS "{{ '<|assistant|>\\n' }}";

/* clang-format on */

static const struct {
    const char *name, *source;
} named[] = {
    {"chatml", chatml},
    {"llama2", llama2},
    {"llama3", llama3},
    {"mistral", mistral},
    {"mistral-tekken", mistral_tekken},
    {"gemma", gemma},
    {"phi3", phi3},
    {"zephyr", zephyr},
    {"tulu", tulu},
};

static const char *const names[] = {"chatml", "llama2", "llama3", "mistral", "mistral-tekken",
                                    "gemma",  "phi3",   "zephyr", "tulu",    NULL};

const char *const *template_named_list(void)
{
    return names;
}

const char *template_named_source(const char *name)
{
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (strcmp(named[i].name, name) == 0)
            return named[i].source;
    return NULL;
}

/* What a template must hold to be called so; the first row that fits wins. */
static const struct {
    const char *name, *has[2];
} marks[] = {
    {"smollm3", {"<|im_start|>", "Reasoning Mode: "}},
    {"phi4", {"<|im_start|>", "<|im_sep|>"}},
    {"chatml", {"<|im_start|>", NULL}},
    {"llama3", {"<|start_header_id|>", "<|end_header_id|>"}},
    {"gemma", {"<start_of_turn>", NULL}},
    {"mistral-v7", {"[INST]", "[SYSTEM_PROMPT]"}},
    {"llama2", {"[INST]", "<<SYS>>"}},
    {"mistral-tekken", {"\"[INST]\"", "[AVAILABLE_TOOLS]"}},
    {"mistral", {"[INST]", NULL}},
    {"phi3", {"<|assistant|>", "<|end|>"}},
    {"zephyr", {"<|user|>\\n' + message['content'] + eos_token", NULL}},
    {"tulu", {"<|user|>", "<|assistant|>"}},
};

static bool holds(const char *source, size_t length, const char *part)
{
    return !part || memmem(source, length, part, strlen(part)) != NULL;
}

const char *template_recognise(const char *source, size_t length)
{
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (holds(source, length, marks[i].has[0]) && holds(source, length, marks[i].has[1]))
            return marks[i].name;
    return "jinja";
}
