/* A third of the prompts meet each label or none: short questions, stories, lists of demands, and
 * the kind of question that experts bring. One line a prompt would not fit the house's width. */
#include "board/tag_sample.h"

/* clang-format off */
const struct tag_sample TAG_SAMPLE[TAG_SAMPLE_COUNT] = {
    {"Our service keeps an in-memory cache of sessions in front of MySQL. After a failover"
     " some users see the data of others. List the likely causes in order, say how to "
     "prove each from the logs, and design a fix that needs no downtime.",
     true, false, false},
    {"Derive the stability limit of the explicit Euler scheme for the heat equation in two"
     " dimensions, then show with numbers why halving the grid step makes it four times "
     "slower, and propose an implicit scheme with its cost.",
     true, false, false},
    {"Write a Go function that merges k sorted channels into one. It must not leak "
     "goroutines when the context ends, must not use reflection, must be generic, must "
     "keep equal elements stable, and needs a table-driven test with at least five cases.",
     true, false, true},
    {"A bridge deck of 40 m carries two lanes. Compare a steel box girder with prestressed"
     " concrete for a site with frequent frost: loads, fatigue, upkeep and cost over 60 "
     "years, and say under which assumptions your choice would turn around.",
     true, false, false},
    {"We see a rise of creatinine in three patients of the same trial arm after week six. "
     "Plan the analysis: which confounders, which tests with which corrections, what would"
     " make you stop the trial, and how to report it to the board.",
     true, false, false},
    {"Design the schema for a hospital's shift planner in PostgreSQL. Give the SQL in one "
     "block, use no triggers, explain every index in one line, forbid overlapping shifts "
     "by a constraint, and end with two queries that show it works.",
     true, false, true},
    {"Given only a current sensor and a cheap microcontroller, devise a way to tell which "
     "household appliance was switched on. Discuss features, the classifier, how to "
     "collect labels at home, and what accuracy is realistic.",
     true, false, false},
    {"Prove that every planar graph has a vertex of degree at most five, use it to give a "
     "linear-time six-colouring algorithm, and explain where the argument breaks on the "
     "torus.",
     true, false, false},
    {"My transformer's loss explodes after 20,000 steps in bf16 but not in fp32. Walk "
     "through the numerics, rank the suspects, and give an experiment for each that takes "
     "less than an hour on one GPU.",
     true, false, false},
    {"Draft a migration plan from a monolith with nightly batch jobs to event streaming "
     "for a bank with audit duties: steps, rollbacks, data checks after each step, and "
     "what the regulator will ask.",
     true, false, false},
    {"Write a short story about a lighthouse keeper who collects lost letters.",
     false, true, false},
    {"Make up a lullaby about the moon for my daughter.",
     false, true, false},
    {"Write a sonnet about a broken bicycle: fourteen lines, rhymed ABAB CDCD EFEF GG, no "
     "line may contain the word wheel, and the last line must be a question.",
     false, true, true},
    {"Invent a conversation between a cat and a vacuum cleaner who share a flat.",
     false, true, false},
    {"Tell me a joke about two mathematicians in a lift.",
     false, true, false},
    {"Write a scene of exactly six lines of dialogue, no narration, in which somebody lies"
     " about a birthday cake; each line at most ten words; never use the word cake.",
     false, true, true},
    {"Compose a toast for my brother's wedding, warm and a little funny.",
     false, true, false},
    {"Continue this: The train stopped in the middle of the lake, and nobody seemed "
     "surprised.",
     false, true, false},
    {"Write a haiku in English about traffic, 5-7-5, all lower case, no punctuation, and "
     "put the title in brackets above it.",
     false, true, true},
    {"A villain's monologue, please, but the villain only wants better library hours.",
     false, true, false},
    {"Summarise the French Revolution in exactly five bullet points, each under twelve "
     "words, in the present tense, with a year in bold at the start of each.",
     false, false, true},
    {"Give me a packing list as a JSON array of strings: ten items, alphabetical, no "
     "electronics, every item in the singular, and nothing before or after the array.",
     false, false, true},
    {"Explain what inflation is. Use no word longer than eight letters, write three "
     "paragraphs of two sentences each, and finish with the word money.",
     false, false, true},
    {"Translate 'good morning, my friend' into Spanish, Italian and Polish, as a table "
     "with two columns, languages in capital letters, without any further words.",
     false, false, true},
    {"Answer only with yes or no, in lower case, followed by a full stop and a reason of "
     "five words in brackets: is a tomato a fruit?",
     false, false, true},
    {"hi, how are you",
     false, false, false},
    {"What is the boiling point of water?",
     false, false, false},
    {"who won the world cup in 1998",
     false, false, false},
    {"Thanks, that helped!",
     false, false, false},
    {"What does the word ubiquitous mean?",
     false, false, false},
    {"How many days does February have in a leap year?",
     false, false, false},
    {"Can dogs eat grapes?",
     false, false, false},
    {"Recommend a good film for tonight.",
     false, false, false},
    {"What time is it in Tokyo when it is noon in Paris?",
     false, false, false},
    {"Is Pluto a planet?",
     false, false, false},
    {"Name three rivers in Germany.",
     false, false, false},
};
/* clang-format on */
