/* A classifier with a model of its own would know more languages and more about short prompts; a
 * table can be read, needs no file, and takes microseconds, which is what tagging every turn can
 * afford. */
#include "board/language.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

#define WORD_BYTES 24 /* no common word is longer */
#define UNKNOWN "und"

/* --- scripts --- */

enum script {
    LATIN,
    HAN,
    KANA,
    HANGUL,
    CYRILLIC,
    ARABIC,
    HEBREW,
    GREEK,
    THAI,
    DEVANAGARI,
    BENGALI,
    TAMIL,
    SCRIPTS
};

static const struct {
    uint32_t first, last;
    uint8_t script,
        weight; /* a sign that stands for a syllable or a word weighs more than a letter */
} RANGES[] = {
    {'A', 'Z', LATIN, 1},        {'a', 'z', LATIN, 1},          {0xC0, 0x24F, LATIN, 1},
    {0x370, 0x3FF, GREEK, 1},    {0x400, 0x52F, CYRILLIC, 1},   {0x590, 0x5FF, HEBREW, 1},
    {0x600, 0x6FF, ARABIC, 1},   {0x900, 0x97F, DEVANAGARI, 1}, {0x980, 0x9FF, BENGALI, 1},
    {0xB80, 0xBFF, TAMIL, 1},    {0xE00, 0xE7F, THAI, 1},       {0x1EA0, 0x1EFF, LATIN, 1},
    {0x3040, 0x30FF, KANA, 3},   {0x3400, 0x4DBF, HAN, 3},      {0x4E00, 0x9FFF, HAN, 3},
    {0xAC00, 0xD7AF, HANGUL, 3},
};

/* The language of a script, unless one of these letters occurs: the first row that fits. */
static const struct {
    enum script script;
    const char *letters; /* "": any text of the script */
    const char *code;
} BY_LETTER[] = {
    {CYRILLIC, "іїєґІЇЄ", "uk"}, {CYRILLIC, "ўЎ", "be"},   {CYRILLIC, "јљњђћџЈ", "sr"},
    {CYRILLIC, "ыэёЫЭ", "ru"},   {CYRILLIC, "ъЪщЩ", "bg"}, {CYRILLIC, "", "ru"},
    {ARABIC, "ٹڈڑےں", "ur"},     {ARABIC, "پچژگی", "fa"},  {ARABIC, "", "ar"},
    {HEBREW, "", "he"},          {GREEK, "", "el"},        {THAI, "", "th"},
    {DEVANAGARI, "", "hi"},      {BENGALI, "", "bn"},      {TAMIL, "", "ta"},
    {HANGUL, "", "ko"},          {KANA, "", "ja"},         {HAN, "", "zh"},
};

static void add_to_script(uint32_t code, uint32_t weight[SCRIPTS])
{
    for (size_t i = 0; i < sizeof RANGES / sizeof *RANGES; i++)
        if (code >= RANGES[i].first && code <= RANGES[i].last) {
            weight[RANGES[i].script] += RANGES[i].weight;
            return;
        }
}

static enum script script_of(struct text text)
{
    uint32_t weight[SCRIPTS] = {0}, code;
    for (size_t at = 0, width; at < text.length; at += width ? width : 1) {
        width = utf8_decode(text.data + at, text.length - at, &code);
        if (width)
            add_to_script(code, weight);
    }
    if (weight[KANA]) { /* Japanese is written with Han as well, Chinese without kana */
        weight[KANA] += weight[HAN];
        weight[HAN] = 0;
    }
    enum script best = SCRIPTS;
    for (enum script script = LATIN; script < SCRIPTS; script++)
        if (weight[script] && (best == SCRIPTS || weight[script] > weight[best]))
            best = script;
    return best;
}

static bool has_any(struct text text, const char *letters)
{
    size_t length = strlen(letters), width;
    uint32_t code;
    for (size_t at = 0; at < length; at += width) {
        width = utf8_decode(letters + at, length - at, &code);
        if (memmem(text.data, text.length, letters + at, width))
            return true;
    }
    return length == 0;
}

static const char *by_letter(struct text text, enum script script)
{
    for (size_t i = 0; i < sizeof BY_LETTER / sizeof *BY_LETTER; i++)
        if (BY_LETTER[i].script == script && has_any(text, BY_LETTER[i].letters))
            return BY_LETTER[i].code;
    return UNKNOWN;
}

/* --- Latin script --- */

/* Words between spaces; letters that hardly another of these languages has. Of two languages
 * with as many hits the first one counts. */
static const struct {
    const char *code, *words, *letters;
} LANGUAGES[] = {
    {"en",
     " the a an of to and in is are was for with that this it on as by from be what how why who "
     "when where which can "
     "could would should you your i my me write explain give make list please tell does do if "
     "between about hello hi "
     "create find describe help need want ",
     ""},
    {"de",
     " der die das und ist sind war für mit dass nicht ein eine einen einem einer eines den dem "
     "des im auf von zu wie "
     "was warum wer wann wo kann kannst ich du mir mich mein schreibe erkläre bitte über auch oder "
     "hallo zwischen ",
     "ßäöü"},
    {"fr",
     " le la les des du un une et est sont dans pour avec que qui quoi comment pourquoi ce cette "
     "ces il elle je tu vous "
     "nous mon ma mes sur par pas ne plus moi écris écrivez explique expliquez quel quelle bonjour "
     "peux être au aux "
     "donne entre ",
     "œêèùû"},
    {"es",
     " el los las de del un una y es son en para con que qué cómo por porque quién cuándo dónde "
     "cuál yo mi me se no lo "
     "su escribe explica dame hola puedes sobre como entre más está ",
     "ñ¿¡"},
    {"pt",
     " o os as de do da dos das um uma e é são em no na para com que como por porque quem quando "
     "onde qual eu meu minha "
     "me não você escreva explique olá pode sobre mais está entre ao isso ",
     "ãõ"},
    {"it",
     " il lo gli di del della un una e è sono in nel per con che come perché chi quando dove quale "
     "io mio mia mi non "
     "scrivi spiega ciao puoi su più questo questa tra cosa ",
     "ìò"},
    {"nl",
     " de het een en is zijn van in op voor met dat niet wat hoe waarom wie wanneer waar kan ik je "
     "jij mij mijn schrijf "
     "leg uit hallo kun over ook of te deze dit tussen ",
     "ĳ"},
    {"pl",
     " i w na z do jest są nie to że się jak co dlaczego kto kiedy gdzie czy mi mój moja napisz "
     "wyjaśnij proszę dla od "
     "po o który która cześć między możesz ",
     "łąęśźżńć"},
    {"cs",
     " a v na z do je jsou není to že se jak co proč kdo kdy kde mi můj napiš vysvětli prosím pro "
     "od mezi ahoj ",
     "ěřů"},
    {"tr",
     " ve bir bu için ile ne nasıl neden kim nerede olan olarak mi mı mu ben bana benim yaz açıkla "
     "lütfen var çok daha "
     "merhaba arasındaki nedir ",
     "ğışİ"},
    {"sv",
     " och att det är en ett som på av för med inte vad hur varför vem när var kan jag du mig min "
     "skriv förklara hej om "
     "mellan ",
     ""},
    {"da",
     " og at det er en et som på af for med ikke hvad hvordan hvorfor hvem hvornår hvor kan jeg du "
     "mig min skriv "
     "forklar hej om mellem ",
     ""},
    {"no",
     " og å det er en et som på av for med ikke hva hvordan hvorfor hvem når hvor kan jeg du meg "
     "min skriv forklar hei "
     "om mellom ",
     ""},
    {"fi",
     " ja on ei se että mitä miten miksi kuka missä voi minä sinä minun kirjoita selitä ovat mikä "
     "hei kuin ",
     ""},
    {"hu",
     " a az és egy van nem hogy mi mit miért ki mikor hol kérlek írj magyarázd el nekem szia "
     "között milyen ",
     "őű"},
    {"ro",
     " și este sunt un o în pe cu la de ce cum cine când unde care nu mi eu scrie explică vă rog "
     "pentru din salut "
     "dintre ",
     "țșă"},
    {"id",
     " yang dan di ke dari untuk dengan ini itu adalah apa bagaimana mengapa siapa kapan dimana "
     "saya anda tidak bisa "
     "tolong tulis buatkan jelaskan antara halo ",
     ""},
    {"vi",
     " và là của cho có không một những trong được với tôi bạn viết hãy như thế nào gì giải thích ",
     "ăđơưạảấầẩậắằẹẻẽếềểệịỉọỏốồổộớờởợụủứừửữựỳỷỹ"},
};
#define LANGUAGE_COUNT (sizeof LANGUAGES / sizeof *LANGUAGES)

static bool in_word(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

/* Small letters of ASCII and Latin-1, the only ones that common words begin with. `word` has its
 * spaces around. */
static size_t take_word(struct text text, size_t at, char word[WORD_BYTES + 3])
{
    size_t length = 0;
    word[length++] = ' ';
    for (; at < text.length && in_word((unsigned char)text.data[at]); at++) {
        unsigned char c = (unsigned char)text.data[at];
        bool capital = (c >= 'A' && c <= 'Z') ||
                       (c >= 0x80 && c <= 0x9E && length > 1 && word[length - 1] == '\xC3');
        if (length <= WORD_BYTES)
            word[length++] = (char)(capital ? c + 0x20 : c);
    }
    word[length++] = ' ';
    word[length] = '\0';
    return at;
}

static void count_words(struct text text, uint32_t hits[LANGUAGE_COUNT])
{
    char word[WORD_BYTES + 3];
    for (size_t at = 0; at < text.length;) {
        if (!in_word((unsigned char)text.data[at])) {
            at++;
            continue;
        }
        at = take_word(text, at, word);
        for (size_t i = 0; i < LANGUAGE_COUNT; i++)
            hits[i] += strstr(LANGUAGES[i].words, word) != NULL;
    }
}

static const char *by_words(struct text text)
{
    uint32_t hits[LANGUAGE_COUNT] = {0};
    size_t best = 0;
    count_words(text, hits);
    for (size_t i = 0; i < LANGUAGE_COUNT; i++) {
        hits[i] =
            2 * hits[i] + (*LANGUAGES[i].letters && has_any(text, LANGUAGES[i].letters) ? 3 : 0);
        if (hits[i] > hits[best])
            best = i;
    }
    return hits[best] ? LANGUAGES[best].code : UNKNOWN;
}

/* The prompt without fenced code, or the whole of it where there is nothing else. */
static void prose_of(struct text prompt, struct buf *out)
{
    size_t at = 0;
    while (at < prompt.length && out->length < LANGUAGE_BYTES) {
        const char *fence = memmem(prompt.data + at, prompt.length - at, "```", 3);
        size_t end = fence ? (size_t)(fence - prompt.data) : prompt.length;
        buf_add(out, prompt.data + at, end - at);
        const char *close = fence ? memmem(fence + 3, prompt.length - end - 3, "```", 3) : NULL;
        at = close ? (size_t)(close - prompt.data) + 3 : prompt.length;
    }
}

const char *language_of(struct text prompt)
{
    struct buf prose;
    buf_init(&prose, prompt.length + 1);
    prose_of(prompt, &prose);
    struct text text = prose.length ? buf_text(&prose) : (struct text){"", 0};
    if (text.length > LANGUAGE_BYTES)
        text.length = utf8_complete_prefix(text.data, LANGUAGE_BYTES);
    enum script script = script_of(text);
    const char *code = script == LATIN    ? by_words(text)
                       : script < SCRIPTS ? by_letter(text, script)
                                          : UNKNOWN;
    buf_done(&prose);
    return code;
}
