/* What each provider is asked, for the same conversation: the bodies that the vendors' own
 * documentation and SDKs send (system prompt, two turns, sampling, cap, streaming). */
#include "testing.h"

#include <jansson.h>
#include <string.h>

#include "competitor/provider.h"

static const struct chat_message TALK[] = {{CHAT_SYSTEM, {"S", 1}},
                                           {CHAT_USER, {"a", 1}},
                                           {CHAT_ASSISTANT, {"b", 1}},
                                           {CHAT_USER, {"c", 1}}};

#define TURNS                                                                                      \
    "{'role':'user','content':'a'},{'role':'assistant','content':'b'},{'role':'user','content':'"  \
    "c'}"
#define CHAT(system) "'messages':[{'role':'" system "','content':'S'}," TURNS "]"
#define PART(role, text) "{'role':'" role "','parts':[{'text':'" text "'}]}"

static const struct {
    const char *provider, *dialect, *model, *reasoning, *body; /* ' stands for " */
} CASES[] = {
    {"openai", "openai-chat", "gpt-4o", NULL,
     "{'model':'gpt-4o'," CHAT("system") ",'max_completion_tokens':1024,'temperature':0.5,"
                                         "'stop':['x'],'seed':7,'stream':true,"
                                         "'stream_options':{'include_usage':true,'include_"
                                         "obfuscation':false},'store':false}"},
    {"openai", "openai-chat", "gpt-5.6", "low",
     "{'model':'gpt-5.6'," CHAT(
         "developer") ",'max_completion_tokens':1024,'temperature':0.5,"
                      "'stop':['x'],'seed':7,'reasoning_effort':'low','stream':true,"
                      "'stream_options':{'include_usage':true,'include_obfuscation':false},'store':"
                      "false}"},
    {"openai", "openai-responses", "gpt-5.6", "low",
     "{'model':'gpt-5.6','instructions':'S','input':[" TURNS "],'max_output_tokens':1024,"
     "'temperature':0.5,'reasoning':{'effort':'low'},'stream':true,'store':false}"},
    {"anthropic", "anthropic", "claude", NULL,
     "{'model':'claude','max_tokens':1024,'system':'S','messages':[" TURNS "],'temperature':0.5,"
     "'stop_sequences':['x'],'stream':true}"},
    {"anthropic", "anthropic", "claude", "2048",
     "{'model':'claude','max_tokens':1024,'system':'S','messages':[" TURNS "],"
     "'stop_sequences':['x'],'thinking':{'type':'enabled','budget_tokens':2048},'stream':true}"},
    {"google", "gemini", "gemini-2.5-flash", NULL,
     "{'systemInstruction':{'parts':[{'text':'S'}]},'contents':[" PART("user", "a") "," PART(
         "model", "b") "," PART("user", "c") "],'generationConfig':{'maxOutputTokens':1024,"
                                             "'temperature':0.5,'seed':7,"
                                             "'stopSequences':['x']}}"},
    {"mistral", "openai-chat", "mistral-large", NULL,
     "{'model':'mistral-large'," CHAT("system") ",'max_tokens':1024,'temperature':0.5,"
                                                "'random_seed':7,'stop':['x'],'stream':true}"},
    {"deepseek", "openai-chat", "deepseek-chat", "none",
     "{'model':'deepseek-chat'," CHAT(
         "system") ",'max_tokens':1024,'temperature':0.5,'seed':7,"
                   "'stop':['x'],'thinking':{'type':'disabled'},'stream':true,"
                   "'stream_options':{'include_usage':true}}"},
    {"xai", "openai-chat", "grok", NULL,
     "{'model':'grok'," CHAT(
         "system") ",'max_tokens':1024,'temperature':0.5,'seed':7,"
                   "'stop':['x'],'stream':true,'stream_options':{'include_usage':true}}"},
    {"azure", "openai-chat", "deployment", NULL,
     "{'model':'deployment'," CHAT(
         "system") ",'max_completion_tokens':1024,'temperature':0.5,"
                   "'seed':7,'stop':['x'],'stream':true,'stream_options':{'include_usage':true}}"},
    {"openai-compatible", "openai-chat", "m", NULL,
     "{'model':'m'," CHAT("system") ",'max_tokens':1024,'temperature':0.5,'seed':7,'stop':['x'],"
                                    "'stream':true,'stream_options':{'include_usage':true}}"},
};

static json_t *expected(const char *text)
{
    char json[2048];
    size_t length = strlen(text);
    assert_true(length < sizeof json);
    for (size_t i = 0; i <= length; i++)
        json[i] = text[i] == '\'' ? '"' : text[i];
    json_t *value = json_loads(json, 0, NULL);
    assert_non_null(value);
    return value;
}

static void writes_what_the_vendors_write(void **state)
{
    static const char *const STOP[] = {"x"};
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const struct provider *provider = provider_find(CASES[i].provider);
        struct dialect_quirks quirks = provider->quirks;
        quirks.system_role = provider_system_role(provider, CASES[i].model);
        struct chat_params params = CHAT_PARAMS_UNSET;
        params.temperature = 0.5;
        params.max_tokens = 1024;
        params.seed = 7;
        params.stop = STOP;
        params.stops = 1;
        params.reasoning = CASES[i].reasoning;
        struct dialect_request request = {CASES[i].model, TALK, 4, &params, &quirks, 0, true};
        struct buf body, sent;
        buf_init(&body, 1 << 16);
        buf_init(&sent, 1 << 16);
        dialect_find(CASES[i].dialect)->write(&request, &body, &sent);
        json_t *ours = json_loads(body.data, 0, NULL), *theirs = expected(CASES[i].body);
        if (!json_equal(ours, theirs))
            fail_msg("%s, %s: %s", CASES[i].provider, CASES[i].dialect, body.data);
        json_decref(ours);
        json_decref(theirs);
        buf_done(&body);
        buf_done(&sent);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(writes_what_the_vendors_write)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
