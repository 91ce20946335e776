/* Personal data: each kind in the forms people write, and what only looks like it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/random.h"
#include "eval/personal.h"

#define BIT(kind) (1u << PERSONAL_##kind)

static void check(const char *string, unsigned expected)
{
    unsigned found = personal_find(text_of(string));
    if (found != expected)
        fail_msg("\"%s\": found %#x instead of %#x", string, found, expected);
}

static void test_what_is_found(void **state)
{
    static const struct {
        const char *text;
        unsigned kinds;
    } CASES[] = {
        {"Write to jane.doe@lab-mail.org.", BIT(EMAIL)},
        {"<j@x.io>", BIT(EMAIL)},
        {"Call +49 30 901820-11 today", BIT(PHONE)},
        {"+1 (415) 273-9164", BIT(PHONE)},
        {"tel. (415) 273-9164", BIT(PHONE)},
        {"415-273-9164", BIT(PHONE)},
        {"0049 30 90182011", BIT(PHONE)},
        {"IBAN: DE89 3704 0044 0532 0130 00", BIT(IBAN)},
        {"GB82WEST12345698765432", BIT(IBAN)},
        {"my card is 4111 1111 1111 1111.", BIT(CARD)},
        {"5500-0055-5555-5559", BIT(CARD)},
        {"it came from 81.2.69.142:443", BIT(IP)},
        {"2a00:1450:4001:81b::200e", BIT(IP)},
        {"key sk-abcDEF0123456789abcdef", BIT(SECRET)},
        {"AKIA1234567890ABCDEF", BIT(SECRET)},
        {"Authorization: Bearer abcdefghij0123456789", BIT(SECRET)},
        {"-----BEGIN RSA PRIVATE KEY-----\nMIIE", BIT(SECRET)},
        {"postgres://admin:s3cret@db.lab.org/x", BIT(LOGIN) | BIT(EMAIL)},
        {"a@b.org and 81.2.69.142", BIT(EMAIL) | BIT(IP)},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        check(CASES[i].text, CASES[i].kinds);
}

/* As people of many countries write it; other kinds may be found in it, too. */
static const struct {
    const char *text;
    unsigned kind;
} WRITTEN[] = {
    {"mail me: first.last+tag@sub.domain.co.uk", BIT(EMAIL)},
    {"JOHN@GMAIL.COM", BIT(EMAIL)},
    {"contact(at): jörg@müller.de", BIT(EMAIL)},
    {"josé.garcía@correo.es", BIT(EMAIL)},
    {"mailto:a-b_c@d-e.io?subject=x", BIT(EMAIL)},
    {"'x@y.museum',", BIT(EMAIL)},
    {"用户@例子.公司", BIT(EMAIL)},
    {"o'brien@lab.ie", BIT(EMAIL)},
    {"bob[at]lab-mail.org", BIT(EMAIL)},
    {"name@lab-mail.org.", BIT(EMAIL)},
    {"+44 20 7946 0958", BIT(PHONE)},
    {"+33 1 42 68 53 00", BIT(PHONE)},
    {"(0)30 901820 or +49 (0)30 901820", BIT(PHONE)},
    {"+86 138 0013 8000", BIT(PHONE)},
    {"+91 98765 43210", BIT(PHONE)},
    {"+55 (11) 91234-5678", BIT(PHONE)},
    {"+7 (495) 123-45-67", BIT(PHONE)},
    {"+81-3-1234-5678", BIT(PHONE)},
    {"+61 2 9374 4000", BIT(PHONE)},
    {"tel: 020 7946 0958", BIT(PHONE)},
    {"call me at 0171 1234567", BIT(PHONE)},
    {"Phone: 06 12 34 56 78", BIT(PHONE)},
    {"mobile 07911 123456", BIT(PHONE)},
    {"+14155552671", BIT(PHONE)},
    {"415.273.9164", BIT(PHONE)},
    {"(415)273-9164", BIT(PHONE)},
    {"1-800-273-8255", BIT(PHONE)},
    {"my number is 4152739164", BIT(PHONE)},
    {"+972-50-123-4567", BIT(PHONE)},
    {"+380 44 123 4567", BIT(PHONE)},
    {"WhatsApp: +234 803 123 4567", BIT(PHONE)},
    {"tel. 089/1234567", BIT(PHONE)},
    {"Tel: 01 42 68 53 00", BIT(PHONE)},
    {"手机 13800138000", BIT(PHONE)},
    {"+1 415 273 9164", BIT(PHONE)},
    {"FR1420041010050500013M02606", BIT(IBAN)},
    {"GB29 NWBK 6016 1331 9268 19", BIT(IBAN)},
    {"NL91 ABNA 0417 1643 00", BIT(IBAN)},
    {"CH9300762011623852957", BIT(IBAN)},
    {"IBAN:DE89370400440532013000", BIT(IBAN)},
    {"BR97 0036 0305 0000 1000 9795 493P 1", BIT(IBAN)},
    {"UA213996220000026007233566001", BIT(IBAN)},
    {"NO93 8601 1117 947", BIT(IBAN)},
    {"MT84MALT011000012345MTLCAST001S", BIT(IBAN)},
    {"DE89-3704-0044-0532-0130-00", BIT(IBAN)},
    {"PK36SCBL0000001123456702", BIT(IBAN)},
    {"de89370400440532013000", BIT(IBAN)},
    {"4111111111111111", BIT(CARD)},
    {"5555555555554444", BIT(CARD)},
    {"378282246310005", BIT(CARD)},
    {"6011111111111117", BIT(CARD)},
    {"3530111333300000", BIT(CARD)},
    {"4000000000000002", BIT(CARD)},
    {"4242 4242 4242 4242", BIT(CARD)},
    {"3782 822463 10005", BIT(CARD)},
    {"card no.4242-4242-4242-4242 exp 12/28", BIT(CARD)},
    {"visa:4012888888881881", BIT(CARD)},
    {"6759649826438453", BIT(CARD)},
    {"30569309025904", BIT(CARD)},
    {"8.8.4.4 is not mine but 85.214.132.117 is", BIT(IP)},
    {"2001:4860:4860::8888", BIT(IP)},
    {"fe80::1 vs 2a02:908:1234:5678::1", BIT(IP)},
    {"[2a02:908:1234:5678::1]:443", BIT(IP)},
    {"ip=93.184.216.34", BIT(IP)},
    {"http://93.184.216.34/", BIT(IP)},
    {"sk-proj-abc123DEF456ghi789JKL012mno345", BIT(SECRET)},
    {"sk-ant-api03-abcDEF123456789012345", BIT(SECRET)},
    {"ghp_a1B2a1B2a1B2a1B2a1B2a1B2a1B2a1B2a1B2", BIT(SECRET)},
    {"AKIAIOSFODNN7EXAMPL3", BIT(SECRET)},
    {"AIzaSyA-1234567890abcdefghijklmnopqrst", BIT(SECRET)},
    {"xoxb-123456789012-abcdefGHIJKL", BIT(SECRET)},
    {"hf_abcdefghijklmnopqrstuvwxyz012345", BIT(SECRET)},
    {"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc123def456", BIT(SECRET)},
    {"sk_live_4eC39HqLyjWDarjtT1zdp7dc", BIT(SECRET)},
    {"rk_live_4eC39HqLyjWDarjtT1zdp7dc", BIT(SECRET)},
    {"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", BIT(SECRET)},
    {"npm_abcdefghijklmnopqrstuvwxyz0123456789", BIT(SECRET)},
    {"-----BEGIN OPENSSH PRIVATE KEY-----", BIT(SECRET)},
    {"password: hunter2secret!", BIT(SECRET)},
    {"api_key = '9f8e7d6c5b4a39281706f5e4d3c2b1a0'", BIT(SECRET)},
    {"AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", BIT(SECRET)},
    {"ya29.a0AfH6SMBx1234567890abcdefghij", BIT(SECRET)},
    {"gsk_abcdefghijklmnopqrst0123456789", BIT(SECRET)},
    {"xai-abcdefghijklmnopqrst0123456789", BIT(SECRET)},
    {"dop_v1_a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4", BIT(SECRET)},
    {"glpat-abcDEF123ghiJKL456mn", BIT(SECRET)},
    {"SSN 123-45-6789", BIT(NUMBER)},
    {"my social security number is 219-09-9999", BIT(NUMBER)},
    {"AB123456C is my National Insurance number", BIT(NUMBER)},
    {"DNI 12345678Z", BIT(NUMBER)},
    {"NIE X1234567L", BIT(NUMBER)},
    {"codice fiscale RSSMRA85T10A562S", BIT(NUMBER)},
    {"CPF 529.982.247-25", BIT(NUMBER)},
    {"passport number X12345678", BIT(NUMBER)},
    {"Passport No. C01X00T47", BIT(NUMBER)},
    {"Personalausweis L01X00T471", BIT(NUMBER)},
    {"PESEL 44051401359", BIT(NUMBER)},
    {"身份证 11010519491231002X", BIT(NUMBER)},
    {"Aadhaar 2341 2341 2346", BIT(NUMBER)},
    {"driver's license D1234567", BIT(NUMBER)},
    {"BSN 111222333", BIT(NUMBER)},
    {"personnummer 811228-9874", BIT(NUMBER)},
    {"Steuer-ID 86095742719", BIT(NUMBER)},
    {"my medical record number is 00123456", BIT(NUMBER)},
    {"My name is Zygmunt Okrasa and I need", BIT(NAME)},
    {"my name's Ann Lee", BIT(NAME)},
    {"I am called Jan de Vries", BIT(NAME)},
    {"Hi, I'm John Smith, a nurse", BIT(NAME)},
    {"Ich heiße Petra Müller", BIT(NAME)},
    {"je m'appelle Marie Dupont", BIT(NAME)},
    {"me llamo Juan Pérez", BIT(NAME)},
    {"mi chiamo Luca Rossi", BIT(NAME)},
    {"меня зовут Иван Петров", BIT(NAME)},
    {"Best regards,\nJonathan Miller", BIT(NAME)},
    {"Sincerely,\nMaria Gonzalez", BIT(NAME)},
    {"patient: Robert Paulson", BIT(NAME)},
    {"nazywam się Jan Kowalski", BIT(NAME)},
    {"meu nome é João Silva", BIT(NAME)},
    {"I live at 221B Baker Street, London NW1 6XE", BIT(ADDRESS)},
    {"ship to 1600 Amphitheatre Parkway, Mountain View, CA 94043", BIT(ADDRESS)},
    {"742 Evergreen Terrace, Springfield, IL 62704", BIT(ADDRESS)},
    {"Musterstraße 12, 10115 Berlin", BIT(ADDRESS)},
    {"12 rue de la Paix, 75002 Paris", BIT(ADDRESS)},
    {"Calle Mayor 5, 28013 Madrid", BIT(ADDRESS)},
    {"Via Roma 10, 00184 Roma", BIT(ADDRESS)},
    {"10 Downing St, SW1A 2AA", BIT(ADDRESS)},
    {"PO Box 1234, Austin, TX 78701", BIT(ADDRESS)},
    {"ul. Długa 14 m. 3, 80-831 Gdańsk", BIT(ADDRESS)},
    {"DOB: 1985-03-12", BIT(BIRTH)},
    {"date of birth: March 12, 1985", BIT(BIRTH)},
    {"geboren am 12.03.1985", BIT(BIRTH)},
    {"I was born on 3 May 1990", BIT(BIRTH)},
    {"né le 12 mars 1985", BIT(BIRTH)},
    {"birthday is 12 March 1985", BIT(BIRTH)},
};

static void test_as_people_write_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof WRITTEN / sizeof *WRITTEN; i++)
        if (!(personal_find(text_of(WRITTEN[i].text)) & WRITTEN[i].kind))
            fail_msg("\"%s\": not found", WRITTEN[i].text);
}

static void test_what_is_not(void **state)
{
    static const char *const CASES[] = {
        "",
        "user@example.com",
        "@decorator def f(x): ...",
        "a @ b",
        "git@",
        "x@y",
        "Version 1.2.3.4 and 10.0.0.1, 127.0.0.1, 192.168.1.7",
        "192.0.2.1",
        "2001:db8::1",
        "::1",
        "12:34:56",
        "std::vector<int>::iterator",
        "4111 1111 1111 1112",
        "1234567890123456",
        "0000000000000000",
        "3.14159265358979323846",
        "1 + 1000000000",
        "x = 5 +3000000000",
        "2024-11-23 17:30:00",
        "ISBN 978-3-16-148410-0",
        "1,000,000,000",
        "DE89 3704 0044 0532 0130 01",
        "sk-learn is a word",
        "sk-this-is-only-a-very-long-word",
        "https://example.org:8080/path",
        "http://host/a:b@c",
        "415-555-0132",
        "(123) 45",
        "#include <stdio.h>",
        "f(100) 200-3000",
        "10^15 = 1000000000000000",
        "eyJust a word",
        "1600 Pennsylvania",
        "the 1990s and the 2000s",
        "Bearer of bad news",
        "git clone git@github.com:lab/arena.git",
        "My name is",
        "my name is [Name] and I am here",
        "My name is Claude, an assistant.",
        "I am Very Very Happy Today",
        "I'm John and he's Bob",
        "Einstein was born on 14 March 1879.",
        "date of birth is a column of the table",
        "I was born in 1985",
        "Best regards,\n[Your Name]",
        "Best regards,\nYour Name",
        "phone = input('phone number: ')",
        "phone number 1234567890",
        "const char *phone = NULL; int tel = 5;",
        "the account has 3 users",
        "the account number 12345678",
        "password: ********",
        "password = getpass.getpass()",
        "api_key = os.environ['API_KEY_FOR_TESTS']",
        "1600 Pennsylvania Avenue",
        "Wall Street fell 500 points in 2008 and 20000 people",
        "the via 5 of the road, about 30000 cars",
        "via email, 5 of 12000 users",
        "219-09-99999",
        "000-12-3456",
        "12345678A",
        "111.111.111-11",
        "529.982.247-26",
        "11010519491231002Y",
        "110105194912310021",
        "RSSMRA85T10A562T",
        "DF123456C",
        "threadId 2534890117293407609",
        "DE89-3704-0044-0532-0130-01",
        "dompurify@2.3.3",
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        check(CASES[i], 0);
}

/* What real prompts hold: of 1,000 no more than 5 are flagged, and those for e-mail addresses that
 * might be somebody's. */
static void test_real_prompts_are_rarely_flagged(void **state)
{
    const char *fixtures = getenv("ARENA_FIXTURES");
    char path[512], line[1 << 16];
    int prompts = 0, flagged = 0;
    (void)state;
    if (!fixtures || !fixtures[0]) {
        print_message("ARENA_FIXTURES is not set: no real prompts\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/prompts/arena_hard_v2.jsonl", fixtures);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        json_t *row = json_loads(line, 0, NULL);
        unsigned found = personal_find(text_of(json_string_value(json_object_get(row, "prompt"))));
        prompts++;
        flagged += found != 0;
        if (found & ~BIT(EMAIL) & ~BIT(CARD))
            fail_msg("%.80s: found %#x", line, found);
        json_decref(row);
    }
    fclose(file);
    print_message("%d of %d prompts flagged\n", flagged, prompts);
    assert_true(prompts > 700 && flagged * 1000 <= 5 * prompts);
}

/* Random decimals have a valid Luhn digit once in ten; numbers as they come in prompts (prices,
 * years, sums, hashes) must not flood the queue. */
static void test_random_numbers_rarely_match(void **state)
{
    struct rng rng;
    int flagged = 0;
    (void)state;
    rng_init(&rng, 1, 0);
    for (int i = 0; i < 10000; i++) {
        char text[96];
        snprintf(text, sizeof text, "%d.%02d of %d in %d: %016llx, %d/%d/%d",
                 (int)rng_below(&rng, 100000), (int)rng_below(&rng, 100),
                 (int)rng_below(&rng, 1000000000), 1900 + (int)rng_below(&rng, 150),
                 (unsigned long long)rng_next(&rng), 1 + (int)rng_below(&rng, 31),
                 1 + (int)rng_below(&rng, 12), 1950 + (int)rng_below(&rng, 80));
        flagged += personal_find(text_of(text)) != 0;
    }
    assert_in_range(flagged, 0, 10);
}

/* Twice the text takes about twice the steps: no pattern looks far ahead again and again. */
static void test_long_and_hostile(void **state)
{
    static const char *const UNITS[] = {"@",    "a@",       "1 ",          "+1",     "sk-",
                                        "eyJ.", "://a:",    "DE",          "f:",     "-----BEGIN ",
                                        "(1",   "1.",       "my name is ", "i am A", "st 1 ",
                                        "tel ", "phone no "};
    (void)state;
    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++) {
        struct buf text;
        buf_init(&text, 1 << 18);
        while (text.length < 200000)
            buf_add_string(&text, UNITS[i]);
        personal_find(buf_text(&text));
        buf_done(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_found),
        cmocka_unit_test(test_as_people_write_it),
        cmocka_unit_test(test_what_is_not),
        cmocka_unit_test(test_real_prompts_are_rarely_flagged),
        cmocka_unit_test(test_random_numbers_rarely_match),
        cmocka_unit_test(test_long_and_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
