/* Rules rather than a model: they say the same thing on every machine and in every version, so a
 * board of a category can be computed again from the stored text, and they cost nothing that a
 * battle would notice. */
#include "board/tagging.h"

#include <ctype.h>
#include <string.h>

#include "base/json.h"
#include "board/language.h"

void tagging_init(struct tagging *tagging)
{
    *tagging = (struct tagging){.turns = 0};
}

/* --- mathematics --- */

/* Each is enough: notation that nothing else uses, and words of the subject. Small letters; a
 * word is found wherever it stands, so stems serve for their inflections. */
static const char *const MATH_SIGNS[] = {
    "\\frac",
    "\\int",
    "\\sum",
    "\\sqrt",
    "\\mathbb",
    "\\begin{",
    "\\cdot",
    "\\lim",
    "\\partial",
    "\\infty",
    "∫",
    "∑",
    "√",
    "∂",
    "∞",
    "≤",
    "≥",
    "≠",
    "∈",
    "∀",
    "∃",
    "equation",
    "inequality",
    "polynomial",
    "theorem",
    "calculus",
    "algebra",
    "arithmetic",
    "trigonometr",
    "logarithm",
    "eigenvalue",
    "derivative",
    "integral",
    "hypotenuse",
    "factorial",
    "quadratic",
    "probability",
    "prime number",
    "square root",
    "solve for",
    "prove that",
    "remainder",
    "triangle",
    "perimeter",
    "modulo",
    "divisible",
    "gleichung",
    "ableitung",
    "wahrscheinlichkeit",
    "équation",
    "dérivée",
    "probabilité",
    "ecuación",
    "derivada",
    "probabilidad",
    "equação",
    "equazione",
    "уравнени",
    "производн",
    "вероятност",
    "интеграл",
    "方程",
    "积分",
    "导数",
    "概率",
    "積分",
    "確率",
    "방정식",
    "확률",
    "mathemat",
    "gradient",
    "cross product",
    "dot product",
    "invert the matrix",
    "standard deviation",
    "variance",
    "permutation",
    "combinatori",
    "geometr",
    "diameter",
    "longest side",
    "fraction",
    "证明",
    "證明",
    "доказать",
    "докажи",
    "radius",
    "cosine",
    "next number",
    "homomorphism",
    "topolog",
};

/* A prompt with one of these talks of a program, where "i + 1" or "compute" is no mathematics. */
static const char *const CODE_WORDS[] = {"python",  "javascript", "def ",  "#include", "return ",
                                         "import ", "{",          "();",   "select ",  "code",
                                         "program", "excel",      "regex", "script",   "function("};

/* Each asks for a number, so they count where two numbers are given. */
static const char *const MATH_QUESTIONS[] = {
    "how many",       "how much", "calculate", "compute", "what is the value",
    "find the value", "in total", "average",   "percent", "wie viele",
    "combien",        "cuántos",  "сколько",   "多少"};

#define COUNT_OF(list) (sizeof(list) / sizeof *(list))

static bool contains_any(struct text text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (memmem(text.data, text.length, list[i], strlen(list[i])))
            return true;
    return false;
}

/* "2 + 2", "x^2", "3*y": an operator that prose has no use for, between a letter or digit and a
 * digit or the other way round. */
static bool has_formula(struct text text)
{
    for (size_t i = 1; i + 1 < text.length; i++) {
        if (!strchr("+*^", text.data[i]) || !text.data[i])
            continue;
        size_t left = i - 1, right = i + 1;
        while (left && text.data[left] == ' ')
            left--;
        while (right + 1 < text.length && text.data[right] == ' ')
            right++;
        unsigned char before = (unsigned char)text.data[left],
                      after = (unsigned char)text.data[right];
        if ((isdigit(before) && (isalnum(after) || after == '(')) ||
            (isdigit(after) && (isalpha(before) || before == ')')))
            return true;
    }
    return false;
}

static int count_numbers(struct text text)
{
    int numbers = 0;
    bool inside = false;
    for (size_t i = 0; i < text.length; i++) {
        bool digit = isdigit((unsigned char)text.data[i]) != 0;
        numbers += digit && !inside;
        inside = digit || (inside && strchr(".,", text.data[i]));
    }
    return numbers;
}

static bool asks_for_number(struct text text)
{
    return has_formula(text) || (count_numbers(text) >= 2 &&
                                 contains_any(text, MATH_QUESTIONS, COUNT_OF(MATH_QUESTIONS)));
}

bool tagging_is_math(struct text prompt)
{
    struct buf small;
    buf_init(&small, prompt.length + 1);
    for (size_t i = 0; i < prompt.length; i++) {
        char c = prompt.data[i];
        buf_add_char(&small, c >= 'A' && c <= 'Z' ? (char)(c + 0x20) : c);
    }
    struct text text = small.length ? buf_text(&small) : (struct text){"", 0};
    bool program = contains_any(text, CODE_WORDS, COUNT_OF(CODE_WORDS));
    bool math =
        contains_any(text, MATH_SIGNS, COUNT_OF(MATH_SIGNS)) || (!program && asks_for_number(text));
    buf_done(&small);
    return math;
}

/* --- a battle --- */

static bool has_fence(struct text text)
{
    return memmem(text.data, text.length, "```", 3) != NULL;
}

void tagging_add_turn(struct tagging *tagging, struct text prompt, const struct text answer[2],
                      bool refused)
{
    struct style asked = {.count = {0}};
    style_add(&asked, prompt);
    tagging->user_tokens += asked.count[STYLE_TOKENS];
    if (!tagging->turns++)
        tagging->language = language_of(prompt);
    tagging->is_math = tagging->is_math || (!has_fence(prompt) && tagging_is_math(prompt));
    tagging->is_code = tagging->is_code || has_fence(prompt);
    tagging->is_refusal = tagging->is_refusal || refused;
    for (int i = 0; i < 2; i++) {
        style_add(&tagging->side[i], answer[i]);
        tagging->is_code = tagging->is_code || has_fence(answer[i]);
    }
}

bool tagging_write(const struct tagging *tagging, struct buf *out)
{
    struct json_out json = json_out_to(out);
    json_put_open(&json, NULL, '{');
    if (tagging->category)
        json_put_cstring(&json, "category", tagging->category);
    json_put_cstring(&json, "language", tagging->language ? tagging->language : "und");
    json_put_bool(&json, "is_code", tagging->is_code);
    json_put_bool(&json, "is_refusal", tagging->is_refusal);
    json_put_open(&json, "category_tag", '{');
    json_put_open(&json, "math_v0.1", '{');
    json_put_bool(&json, "math", tagging->is_math);
    json_put_close(&json, '}');
    json_put_close(&json, '}');
    json_put_open(&json, "conv_metadata", '{');
    json_put_int(&json, "turns", tagging->turns);
    json_put_int(&json, "sum_user_tokens", (int64_t)tagging->user_tokens);
    json_put_int(&json, "sum_assistant_a_tokens", (int64_t)tagging->side[0].count[STYLE_TOKENS]);
    json_put_int(&json, "sum_assistant_b_tokens", (int64_t)tagging->side[1].count[STYLE_TOKENS]);
    json_put_close(&json, '}');
    json_put_close(&json, '}');
    return !out->failed;
}
