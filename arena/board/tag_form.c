/* Small models follow examples rather than instructions, so every question shows some; each
 * question has its own conversation whose beginning never changes, so that an engine that shares
 * prefixes reads it once. */
#include "board/tag_form.h"

#include <ctype.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/utf8.h"

struct example {
    const char *prompt, *answer;
};

#define EXAMPLES 4

static const struct question {
    const char *category, *ask;
    struct example examples[EXAMPLES];
} QUESTIONS[TAG_QUESTIONS] = {
    [TAG_CRITERIA] =
        {"hard_prompts",
         "You label what people ask an assistant. Which of these hold for the request?\n"
         "1 it asks for a specific result\n2 it needs knowledge of a field\n"
         "3 it has several parts\n4 it needs problem solving\n5 it needs a creative approach\n"
         "6 the answer must be technically exact\n7 it is about the real world\n"
         "Answer with the list of their numbers alone, [] for none.",
         {{"hello!", "[]"},
          {"Our PostgreSQL 14 replica falls behind by hours every night during the backup. Explain "
           "how to find the cause, compare three ways to mend it, and give the settings for each.",
           "[1, 2, 3, 4, 6, 7]"},
          {"What is the capital of Peru?", "[1, 7]"},
          {"Design a memory layout and a lock-free algorithm for a multi-producer queue under "
           "these four constraints, and prove that it loses nothing.",
           "[1, 2, 3, 4, 5, 6, 7]"}}},
    [TAG_CREATIVE] = {"creative_writing",
                      "You label what people ask an assistant. Does the request ask for creative "
                      "writing: a story, a poem, a song, a scene, a speech, a joke? Answer yes or "
                      "no, nothing else.",
                      {{"Write a short poem about rain in November.", "yes"},
                       {"How do I sort a list in Python?", "no"},
                       {"Tell a bedtime story with a fox and a lighthouse.", "yes"},
                       {"Summarise this contract in five points.", "no"}}},
    [TAG_FOLLOWING] =
        {"instruction_following",
         "You label what people ask an assistant. How many demands does the request make of the "
         "answer's form and content (length, format, words to use or avoid, parts, style)? Answer "
         "with one digit from 0 to 5, nothing else.",
         {{"What is photosynthesis?", "0"},
          {"Write exactly four lines, each beginning with B, without the letter e, and end with a "
           "question.",
           "5"},
          {"Explain TCP in three sentences.", "1"},
          {"List ten cities as a table with columns name, country and population, sorted by "
           "population, and add a total.",
           "4"}}},
};

size_t tag_form_ask(enum tag_question question, struct text prompts, struct buf *room,
                    struct chat_message messages[TAG_MESSAGES])
{
    const struct question *its = &QUESTIONS[question];
    size_t count = 0, length = prompts.length;
    if (length > LIMIT_TAG_PROMPT_BYTES) {
        length = LIMIT_TAG_PROMPT_BYTES;
        while (length && ((unsigned char)prompts.data[length] & 0xc0) == 0x80)
            length--;
    }
    buf_clear(room);
    buf_add(room, prompts.data, length);
    messages[count++] = (struct chat_message){CHAT_SYSTEM, text_of(its->ask)};
    for (size_t k = 0; k < EXAMPLES; k++) {
        messages[count++] = (struct chat_message){CHAT_USER, text_of(its->examples[k].prompt)};
        messages[count++] = (struct chat_message){CHAT_ASSISTANT, text_of(its->examples[k].answer)};
    }
    messages[count++] = (struct chat_message){CHAT_USER, buf_text(room)};
    return count;
}

/* --- answers --- */

static struct text trimmed(struct text said)
{
    while (said.length && isspace((unsigned char)said.data[0]))
        said = (struct text){said.data + 1, said.length - 1};
    while (said.length && isspace((unsigned char)said.data[said.length - 1]))
        said.length--;
    return said;
}

/* "[1, 4]": numbers from 1 to 7, none twice. */
static int read_list(struct text said)
{
    int criteria = 0;
    bool comma = true; /* a number may follow */
    if (said.length < 2 || said.data[0] != '[' || said.data[said.length - 1] != ']')
        return -1;
    for (size_t i = 1; i + 1 < said.length; i++) {
        char c = said.data[i];
        if (c == ' ')
            continue;
        if (c == ',' && !comma) {
            comma = true;
            continue;
        }
        if (!comma || c < '1' || c > '0' + TAG_CRITERIA_COUNT || criteria & 1 << (c - '1'))
            return -1;
        criteria |= 1 << (c - '1');
        comma = false;
    }
    return comma && criteria ? -1 : criteria; /* "[1,]" */
}

static int read_yes_no(struct text said)
{
    if (said.length && said.data[said.length - 1] == '.')
        said.length--;
    if (said.length == 3 && strncasecmp(said.data, "yes", 3) == 0)
        return 1;
    return said.length == 2 && strncasecmp(said.data, "no", 2) == 0 ? 0 : -1;
}

static int read_digit(struct text said)
{
    return said.length == 1 && said.data[0] >= '0' && said.data[0] <= '5' ? said.data[0] - '0' : -1;
}

bool tag_form_read(enum tag_question question, struct text said, struct tag_answers *answers)
{
    said = trimmed(said);
    if (question == TAG_CRITERIA)
        return (answers->criteria = read_list(said)) >= 0;
    if (question == TAG_CREATIVE)
        return (answers->creative = read_yes_no(said)) >= 0;
    return (answers->demands = read_digit(said)) >= 0;
}

int tag_form_verdict(enum tag_question question, const struct tag_answers *answers)
{
    if (question == TAG_CREATIVE)
        return answers->creative;
    if (question == TAG_FOLLOWING)
        return answers->demands < 0 ? -1 : answers->demands >= TAG_FOLLOWING_FROM;
    return answers->criteria < 0
               ? -1
               : __builtin_popcount((unsigned)answers->criteria) >= TAG_CRITERIA_HARD;
}

const char *tag_form_category(enum tag_question question)
{
    return QUESTIONS[question].category;
}

int tag_form_write(const struct tag_answers *answers, struct buf *out)
{
    static const char *const CRITERIA[TAG_CRITERIA_COUNT] = {
        "specificity", "domain_knowledge",   "complexity", "problem_solving",
        "creativity",  "technical_accuracy", "real_world"};
    struct json_out json = json_out_to(out);
    json_put_open(&json, NULL, '{');
    if (answers->criteria >= 0) {
        json_put_open(&json, "criteria_v0.1", '{');
        for (int k = 0; k < TAG_CRITERIA_COUNT; k++)
            json_put_bool(&json, CRITERIA[k], answers->criteria >> k & 1);
        json_put_close(&json, '}');
    }
    if (answers->creative >= 0) {
        json_put_open(&json, "creative_writing_v0.1", '{');
        json_put_bool(&json, "creative_writing", answers->creative);
        json_put_cstring(&json, "score", answers->creative ? "yes" : "no");
        json_put_close(&json, '}');
    }
    if (answers->demands >= 0) {
        json_put_open(&json, "if_v0.1", '{');
        json_put_bool(&json, "if", answers->demands >= TAG_FOLLOWING_FROM);
        json_put_int(&json, "score", answers->demands);
        json_put_close(&json, '}');
    }
    json_put_close(&json, '}');
    return (answers->criteria >= 0) + (answers->creative >= 0) + (answers->demands >= 0);
}
