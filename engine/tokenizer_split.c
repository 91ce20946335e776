/* The expressions are those of the models' tokenizer.json, with three differences that change no
 * meaning there. White space is spelled out (PCRE2's \s also has U+180E, Unicode's has not). So
 * are contractions in either case: PCRE2's caseless takes U+017F for s. And a trailing `|\s+`
 * may be missing, because what no alternative matches is a piece of its own anyway. */
#include "engine/tokenizer_split.h"

#include <stdlib.h>
#include <string.h>

#include "engine/error.h"
#include "engine/tokenizer_unicode.h"

#define WS                                                                                         \
    "\\t-\\r "                                                                                     \
    "\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define SPACE "[" WS "]"
#define END_SPACES SPACE "+(?![^" WS "])"
#define LINE_SPACES SPACE "*[\\r\\n]+"
#define SUFFIX "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"
#define OTHER " ?[^" WS "\\p{L}\\p{N}]+"
#define WORD "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define TAIL LINE_SPACES "|" END_SPACES "|" SPACE "+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(SUFFIXES)                                                                            \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" SUFFIXES "|[^\\r\\n\\p{L}\\p{N}]?" UPPER          \
    "+" LOWER "*" SUFFIXES

#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+|" OTHER "|" END_SPACES
#define LLAMA3 "(?:" SUFFIX ")|" WORD "|\\p{N}{1,3}|" OTHER "[\\r\\n]*|" TAIL
#define QWEN2 "(?:" SUFFIX ")|" WORD "|\\p{N}|" OTHER "[\\r\\n]*|" TAIL
#define CJK "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+"
#define BLOOM " ?[^(" WS "|.,!?\\x{2026}\\x{3002}\\x{FF0C}\\x{3001}\\x{0964}\\x{06D4}\\x{060C})]+"
#define SYMBOL_WORD                                                                                \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|"                                       \
    "[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
#define DEEPSEEK3 SYMBOL_WORD " ?[\\p{P}\\p{S}]+[\\r\\n]*|" TAIL
#define LINES "[^\\n]+|[\\n]+"
#define NO_HAN "(?!\\p{Han})"
#define RUN(COUNT) SPACE "{" COUNT "}(?![^" WS "])|"

/* The letters that DeepSeek's first models take for words: Latin, Greek, Cyrillic, Armenian,
 * Georgian, Cherokee. */
#define DEEPSEEK_LETTERS                                                                           \
    "A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}\\x{1C4}-\\x{"    \
    "293}"                                                                                         \
    "\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}\\x{37F}\\x{386}"          \
    "\\x{388}-\\x{38A}\\x{38C}\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}\\x{3F7}-\\x{481}\\x{48A}-\\x{"    \
    "52F}"                                                                                         \
    "\\x{531}-\\x{556}\\x{10A0}-\\x{10C5}\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{"     \
    "1CBA}"                                                                                        \
    "\\x{1CBD}-\\x{1CBF}\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{"   \
    "1F15}"                                                                                        \
    "\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}\\x{"    \
    "1F5B}"                                                                                        \
    "\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{"    \
    "1FC4}"                                                                                        \
    "\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{"   \
    "1FF4}"                                                                                        \
    "\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{"     \
    "2124}"                                                                                        \
    "\\x{2126}\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}"         \
    "\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}"         \
    "\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{"    \
    "A76F}"                                                                                        \
    "\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{"   \
    "FB17}"                                                                                        \
    "\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}"             \
    "\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}"         \
    "\\x{1E900}-\\x{1E943}"

static const char *const default_bpe[] = {"[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]",
                                          NULL};
static const char *const gpt2[] = {GPT2, NULL};
static const char *const digits_gpt2[] = {"\\p{N}", GPT2, NULL};
static const char *const llama3[] = {LLAMA3, NULL};
static const char *const qwen2[] = {QWEN2, NULL};
static const char *const qwen35[] = {"(?:" SUFFIX
                                     ")|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^" WS
                                     "\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" TAIL,
                                     NULL};
static const char *const tekken[] = {CASED("") "|\\p{N}|" OTHER "[\\r\\n/]*|" TAIL, NULL};
static const char *const gpt4o[] = {
    CASED("(?:" SUFFIX ")?") "|\\p{N}{1,3}|" OTHER "[\\r\\n/]*|" TAIL, NULL};
static const char *const falcon[] = {"[\\p{P}$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]", NULL};
static const char *const deepseek_llm[] = {
    "[\\r\\n]",
    SPACE "?[" DEEPSEEK_LETTERS "]+",
    SPACE "?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+",
    SPACE "+$",
    "[\\x{4E00}-\\x{9FA5}\\x{0800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+",
    "\\p{N}+",
    NULL};
static const char *const deepseek_coder[] = {
    "[\\r\\n]",       SPACE "?\\p{L}+",
    SPACE "?\\p{P}+", "[\\x{4E00}-\\x{9FA5}\\x{0800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+",
    "\\p{N}",         NULL};
static const char *const deepseek3[] = {"\\p{N}{1,3}", CJK, DEEPSEEK3, NULL};
static const char *const bloom[] = {BLOOM, NULL};
static const char *const viking[] = {BLOOM, "\\p{N}", NULL};
static const char *const seed_coder[] = {
    "(?:" SUFFIX ")|" WORD "|\\p{N}| ?[^" WS "\\p{L}\\p{N}\\r\\n]+|" TAIL, NULL};
static const char *const bailing[] = {"(?:" SUFFIX ")|" WORD "|\\p{N}|" OTHER "[\\r\\n]*|" SPACE
                                      "*[\\r\\n]|" END_SPACES "|" SPACE "+",
                                      NULL};
static const char *const minicpm5[] = {
    "\\p{N}{1,3}", "(?:" SUFFIX ")|" WORD "|\\p{N}+|" OTHER "[\\r\\n]*|" TAIL, NULL};
static const char *const tiny_aya[] = {
    "\\p{Nd}{1,3}(?=(?:\\p{Nd}{3})*\\b)",
    CASED("(?:" SUFFIX ")?") "|\\p{N}{1,3}|" OTHER "[\\r\\n/]*|" TAIL, NULL};
static const char *const lines[] = {LINES, NULL};
static const char *const laguna[] = {LINES, QWEN2, NULL};
static const char *const jais2[] = {
    "(?:" SUFFIX ")|" WORD "|\\p{N}{1,3}|" OTHER "[\\r\\n]*|" LINE_SPACES "|" RUN("512") RUN("256")
        RUN("128") RUN("64") RUN("32") RUN("16") RUN("8") RUN("4") RUN("1,2") SPACE,
    NULL};
static const char *const ufakzeka[] = {WORD "|\\p{N}|" OTHER "[\\r\\n]*|" TAIL, NULL};
static const char *const youtu[] = {
    "[\\x{AC00}-\\x{D7A3}\\x{3131}-\\x{318E}]+|"
    "[\\x{FF01}\\x{2026}\\x{201C}\\x{201D}\\x{2018}\\x{2019}\\x{2014}\\x{FF1A}\\x{FF1B}\\x{FF0C}"
    "\\x{3001}-\\x{303F}\\x{FE30}-\\x{FE4F}]+|[\\x{3105}-\\x{312F}]+|" CJK,
    CASED("(?:" SUFFIX ")?") "|\\p{N}|" OTHER "[\\r\\n/]*|" TAIL, NULL};
static const char *const exaone_moe[] = {
    "(?:" SUFFIX ")|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}|" OTHER
    "[\\r\\n/]?|" SPACE "*[\\r\\n]|" END_SPACES "|" SPACE "+",
    NULL};
static const char *const spark[] = {
    "\\p{N}{1,3}", CJK, SYMBOL_WORD " ?[\\p{P}\\p{S}]+|[\\r\\n]|" END_SPACES "|" SPACE "+",
    "\\p{N}", NULL};
static const char *const afmoe[] = {
    "\\p{N}{1,2}(?=(?:\\p{N}{3})+(?!\\p{N}))|\\p{N}{3}(?=(?:\\p{N}{3})*(?!\\p{N}))|\\p{N}{1,2}",
    "[\\x{4E00}-\\x{9FFF}\\x{3400}-\\x{4DBF}\\x{F900}-\\x{FAFF}\\x{3040}-\\x{309F}"
    "\\x{30A0}-\\x{30FF}\\x{FF65}-\\x{FF9F}\\x{2F00}-\\x{2FDF}\\x{0E00}-\\x{0E7F}"
    "\\x{0E80}-\\x{0EFF}\\x{1780}-\\x{17FF}\\x{1000}-\\x{109F}\\x{AA60}-\\x{AA7F}"
    "\\x{A9E0}-\\x{A9FF}\\x{AC00}-\\x{D7AF}\\x{1100}-\\x{11FF}]+",
    DEEPSEEK3, NULL};
static const char *const kimi[] = {"\\p{Han}+|[^\\r\\n\\p{L}\\p{N}]?(?:" NO_HAN UPPER
                                   ")*(?:" NO_HAN LOWER ")+(?:" SUFFIX
                                   ")?|[^\\r\\n\\p{L}\\p{N}]?(?:" NO_HAN UPPER ")+(?:" NO_HAN LOWER
                                   ")*(?:" SUFFIX ")?|\\p{N}{1,3}|" OTHER "[\\r\\n]*|" TAIL,
                                   NULL};

static const struct split_rule rules[] = {
    {"default", default_bpe, false, false},
    {"gpt-2", gpt2, false, false},
    {"mpt", gpt2, false, false},
    {"olmo", gpt2, false, false},
    {"phi-2", gpt2, false, false},
    {"jais", gpt2, false, false},
    {"trillion", gpt2, false, false},
    {"granite-docling", gpt2, false, false},
    {"gigachat", gpt2, false, false},
    {"a.x-4.0", gpt2, false, false},
    {"mellum", gpt2, false, false},
    {"modern-bert", gpt2, false, false},
    {"exaone4", gpt2, false, false},
    {"roberta-bpe", gpt2, false, false},
    {"smollm", digits_gpt2, false, false},
    {"starcoder", digits_gpt2, false, false},
    {"refact", digits_gpt2, false, false},
    {"command-r", digits_gpt2, false, false},
    {"codeshell", digits_gpt2, false, false},
    {"exaone", digits_gpt2, false, false},
    {"minerva-7b", digits_gpt2, false, false},
    {"mellum2", digits_gpt2, false, false},
    {"llama-bpe", llama3, true, true},
    {"llama3", llama3, true, true},
    {"llama-v3", llama3, true, true},
    {"falcon3", llama3, true, true},
    {"falcon-h1", llama3, true, true},
    {"pixtral", llama3, true, true},
    {"midm-2.0", llama3, true, true},
    {"lfm2", llama3, true, true},
    {"dbrx", llama3, false, false},
    {"smaug-bpe", llama3, false, false},
    {"glm4", llama3, true, false},
    {"glm5", llama3, true, false},
    {"chatglm-bpe", llama3, false, false},
    {"qwen2", qwen2, false, false},
    {"deepseek-r1-qwen", qwen2, false, false},
    {"kormo", qwen2, false, false},
    {"f2llmv2", qwen2, false, false},
    {"megrez", qwen2, false, false},
    {"stablelm2", qwen2, false, false},
    {"hunyuan", qwen2, false, false},
    {"solar-open", qwen2, false, false},
    {"grok-2", qwen2, false, false},
    {"qwen35", qwen35, false, false},
    {"tekken", tekken, true, true},
    {"gpt-4o", gpt4o, false, false},
    {"llama4", gpt4o, false, false},
    {"talkie", gpt4o, false, false},
    {"kanana2", gpt4o, false, false},
    {"minimax-m2", gpt4o, false, false},
    {"tiny_aya", tiny_aya, false, false},
    {"cohere2moe", tiny_aya, false, false},
    {"falcon", falcon, false, false},
    {"deepseek-llm", deepseek_llm, false, false},
    {"deepseek-coder", deepseek_coder, false, false},
    {"deepseek-v3", deepseek3, false, false},
    {"hunyuan-dense", deepseek3, false, false},
    {"joyai-llm", deepseek3, false, false},
    {"hy_v4", deepseek3, false, false},
    {"spark2_5", spark, false, false},
    {"afmoe", afmoe, false, false},
    {"kimi-k2", kimi, false, false},
    {"youtu", youtu, true, false},
    {"jais-2", jais2, false, false},
    {"exaone-moe", exaone_moe, false, false},
    {"ufakzeka", ufakzeka, false, false},
    {"laguna", laguna, false, false},
    {"bloom", bloom, false, false},
    {"poro-chat", bloom, false, false},
    {"gpt3-finnish", bloom, false, false},
    {"viking", viking, false, false},
    {"seed-coder", seed_coder, false, false},
    {"bailingmoe", bailing, false, false},
    {"bailingmoe2", bailing, false, false},
    {"llada-moe", bailing, false, false},
    {"minicpm5", minicpm5, true, false},
    {"gemma4", lines, false, true},
};

const struct split_rule *split_rule_find(const char *name, size_t length)
{
    if (length == 0)
        return rules;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strlen(rules[i].name) == length && memcmp(rules[i].name, name, length) == 0)
            return &rules[i];
    return NULL;
}

/* The bytes of a "{1,N}+" that the text begins with, or 0: for Hugging Face's library any number of
 * them, so a plain "+"; for PCRE2 it would give nothing back. */
static size_t repeated_interval(const char *regex, size_t length)
{
    size_t at = 3;
    if (length < 6 || memcmp(regex, "{1,", 3) != 0)
        return 0;
    while (at < length && regex[at] >= '0' && regex[at] <= '9')
        at++;
    return at > 3 && at + 1 < length && regex[at] == '}' && regex[at + 1] == '+' ? at + 2 : 0;
}

char *split_pattern_new(const char *regex, size_t length, struct engine_error *error)
{
    static const char suffixes[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)", spelled[] = "(?:" SUFFIX ")",
                      inner[] = WS;
    static const char space[] = SPACE, other[] = "[^" WS "]";
    char *out = malloc(length * sizeof other + 1);
    size_t used = 0;
    bool in_class = false;
    if (!out)
        engine_no_memory(error, "the pre-tokenizer");
    for (size_t i = 0; out && i < length; i++) {
        const char *put = NULL;
        bool escape = regex[i] == '\\' && i + 1 < length;
        if (length - i >= sizeof suffixes - 1 &&
            memcmp(regex + i, suffixes, sizeof suffixes - 1) == 0) {
            put = spelled;
            i += sizeof suffixes - 2;
        } else if (escape && regex[i + 1] == 's') {
            put = in_class ? inner : space;
            i++;
        } else if (escape && regex[i + 1] == 'S' && !in_class) {
            put = other;
            i++;
        }
        in_class =
            !put && !escape && (regex[i] == '[' || regex[i] == ']') ? regex[i] == '[' : in_class;
        size_t repeat = !put && !escape && !in_class ? repeated_interval(regex + i, length - i) : 0;
        if (repeat) {
            out[used++] = '+';
            i += repeat - 1;
            continue;
        }
        size_t size = put ? strlen(put) : escape ? 2 : 1;
        memcpy(out + used, put ? put : regex + i, size);
        i += !put && escape;
        used += size;
    }
    if (out)
        out[used] = '\0';
    return out;
}

void split_pieces_done(struct split_pieces *pieces)
{
    free(pieces->ends);
    *pieces = (struct split_pieces){0};
}

#if ENGINE_HAVE_PCRE2

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

struct splitter {
    pcre2_code *codes[SPLIT_MAX_PATTERNS];
    int count;
};

static bool pieces_add(struct split_pieces *pieces, size_t end, struct engine_error *error)
{
    if (pieces->count == pieces->capacity) {
        size_t capacity = pieces->capacity * 2 + 64;
        uint32_t *ends = realloc(pieces->ends, capacity * sizeof *ends);
        if (!ends)
            return engine_no_memory(error, "the words of a text");
        pieces->ends = ends;
        pieces->capacity = capacity;
    }
    pieces->ends[pieces->count++] = (uint32_t)end;
    return true;
}

static bool add_pattern(struct splitter *splitter, const char *pattern, struct engine_error *error)
{
    int code;
    PCRE2_SIZE offset;
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY;
    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &code, &offset, NULL);
    if (!compiled) {
        PCRE2_UCHAR reason[120] = "";
        pcre2_get_error_message(code, reason, sizeof reason);
        return engine_fail(error, ENGINE_UNSUPPORTED,
                           "the pre-tokenizer's expression %.80s… fails at %zu: %s", pattern,
                           (size_t)offset, (const char *)reason);
    }
    pcre2_jit_compile(compiled,
                      PCRE2_JIT_COMPLETE); /* where there is no JIT, matching still works */
    splitter->codes[splitter->count++] = compiled;
    return true;
}

struct splitter *splitter_new(const char *const *patterns, struct engine_error *error)
{
    struct splitter *splitter = calloc(1, sizeof *splitter);
    if (!splitter) {
        engine_no_memory(error, "the pre-tokenizer");
        return NULL;
    }
    for (; *patterns; patterns++) {
        if (splitter->count == SPLIT_MAX_PATTERNS)
            engine_fail(error, ENGINE_UNSUPPORTED, "the pre-tokenizer has more than %d expressions",
                        SPLIT_MAX_PATTERNS);
        else if (add_pattern(splitter, *patterns, error))
            continue;
        splitter_free(splitter);
        return NULL;
    }
    return splitter;
}

void splitter_free(struct splitter *splitter)
{
    if (!splitter)
        return;
    for (int i = 0; i < splitter->count; i++)
        pcre2_code_free(splitter->codes[i]);
    free(splitter);
}

/* One match at or after `from`; false at the end. The JIT's stack is small: what overflows it is
 * matched without. */
static bool match_at(const pcre2_code *code, pcre2_match_data *data, const char *text,
                     size_t length, size_t from, int *result)
{
    uint32_t options = PCRE2_NO_UTF_CHECK;
    *result = pcre2_match(code, (PCRE2_SPTR)text, length, from, options, data, NULL);
    if (*result == PCRE2_ERROR_JIT_STACKLIMIT)
        *result =
            pcre2_match(code, (PCRE2_SPTR)text, length, from, options | PCRE2_NO_JIT, data, NULL);
    return *result >= 0;
}

/* Cuts one piece, text[base, base + length), by one expression. */
static bool cut_piece(const pcre2_code *code, pcre2_match_data *data, const char *text, size_t base,
                      size_t length, struct split_pieces *out, struct engine_error *error)
{
    size_t done = 0, from = 0;
    int result = 0;
    while (from < length && match_at(code, data, text + base, length, from, &result)) {
        const PCRE2_SIZE *found = pcre2_get_ovector_pointer(data);
        if (found[0] >=
            found[1]) { /* an empty match cuts nothing: look again after the next character */
            from = found[1] + 1;
            while (from < length && ((unsigned char)text[base + from] & 0xC0) == 0x80)
                from++;
            continue;
        }
        if (found[0] > done && !pieces_add(out, base + found[0], error))
            return false;
        if (!pieces_add(out, base + found[1], error))
            return false;
        done = from = found[1];
    }
    if (result < 0 && result != PCRE2_ERROR_NOMATCH)
        return engine_fail(error, ENGINE_REQUEST,
                           "a text of %zu bytes is too much for the pre-tokenizer (PCRE2: %d)",
                           length, result);
    return done == length || pieces_add(out, base + length, error);
}

static bool cut_all(const pcre2_code *code, const char *text, const struct split_pieces *in,
                    struct split_pieces *out, struct engine_error *error)
{
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
    if (!data)
        return engine_no_memory(error, "the pre-tokenizer");
    size_t base = 0;
    bool ok = true;
    for (size_t i = 0; ok && i < in->count; base = in->ends[i], i++)
        ok = cut_piece(code, data, text, base, in->ends[i] - base, out, error);
    pcre2_match_data_free(data);
    return ok;
}

/* A copy in which every character is one that the expressions know; NULL when the text itself
 * will do. */
static char *make_older(const char *text, size_t length)
{
    if (!unicode_has_younger(text, length))
        return NULL;
    char *copy = malloc(length);
    if (copy) {
        memcpy(copy, text, length);
        unicode_put_older(copy, length);
    }
    return copy;
}

bool splitter_cut(const struct splitter *splitter, const char *text, size_t length,
                  struct split_pieces *pieces, struct engine_error *error)
{
    struct split_pieces next = {0};
    pieces->count = 0;
    bool ok = length == 0 || pieces_add(pieces, length, error);
    char *older = length > 0 ? make_older(text, length) : NULL;
    for (int i = 0; ok && i < splitter->count; i++) {
        next.count = 0;
        ok = cut_all(splitter->codes[i], older ? older : text, pieces, &next, error);
        struct split_pieces old = *pieces;
        *pieces = next;
        next = old;
    }
    split_pieces_done(&next);
    free(older);
    return ok;
}

#else

struct splitter *splitter_new(const char *const *patterns, struct engine_error *error)
{
    (void)patterns;
    engine_fail(error, ENGINE_UNSUPPORTED,
                "this build has no PCRE2, which the model's tokenizer needs: give token ids");
    return NULL;
}

void splitter_free(struct splitter *splitter)
{
    (void)splitter;
}

bool splitter_cut(const struct splitter *splitter, const char *text, size_t length,
                  struct split_pieces *pieces, struct engine_error *error)
{
    (void)splitter, (void)text, (void)length, (void)pieces;
    return engine_fail(
        error, ENGINE_UNSUPPORTED,
        "this build has no PCRE2, which the model's tokenizer needs: give token ids");
}

#endif
