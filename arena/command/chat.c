/* `arena chat`: talk to one competitor in the terminal, streaming; or one answer as a JSON
 * object for a program. */
#include "command/command.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "command/settings.h"
#include "competitor/roster.h"
#include "loop/loop.h"

/* One answer under way, and what came of it. */
struct talk {
    struct loop *loop;
    struct competitor *competitor;
    struct chat *chat;
    bool json;
    struct buf channels[3]; /* by enum chat_channel */
    struct buf object;      /* the JSON form, made at the end */
    enum chat_finish finish;
    bool ended;
};

static void on_delta(void *user, enum chat_channel channel, struct text text)
{
    struct talk *talk = user;
    buf_add_text(&talk->channels[channel], text);
    if (talk->json || channel == CHAT_REASONING)
        return;
    fwrite(text.data, 1, text.length, stdout);
    fflush(stdout);
}

static bool on_restart(void *user)
{
    struct talk *talk = user;
    for (size_t i = 0; i < 3; i++)
        buf_clear(&talk->channels[i]);
    if (!talk->json)
        fputs("\n[the answer broke off; trying again]\n", stderr);
    return true;
}

static void put_count(struct json_out *out, const char *key, int64_t count)
{
    if (count < 0)
        json_put_null(out, key);
    else
        json_put_int(out, key, count);
}

static void put_usage(struct json_out *out, const struct chat_usage *usage)
{
    json_put_open(out, "usage", '{');
    put_count(out, "input", usage->input);
    put_count(out, "output", usage->output);
    put_count(out, "reasoning", usage->reasoning);
    put_count(out, "cached", usage->cached);
    put_count(out, "cache_write", usage->cache_write);
    json_put_close(out, '}');
}

static void put_error(struct json_out *out, const struct chat_end *end)
{
    if (end->error.class == CHAT_OK) {
        json_put_null(out, "error");
        return;
    }
    json_put_open(out, "error", '{');
    json_put_cstring(out, "class", chat_error_word(end->error.class));
    json_put_bool(out, "retryable", end->error.retryable);
    json_put_cstring(out, "message", end->error.message);
    put_count(out, "status", end->error.status ? end->error.status : -1);
    json_put_close(out, '}');
}

static void put_object(struct talk *talk, const struct chat_end *end)
{
    struct json_out out = json_out_to(&talk->object);
    json_put_open(&out, NULL, '{');
    json_put_string(&out, "text", buf_text(&talk->channels[CHAT_TEXT]));
    json_put_string(&out, "reasoning", buf_text(&talk->channels[CHAT_REASONING]));
    json_put_string(&out, "refusal", buf_text(&talk->channels[CHAT_REFUSAL]));
    json_put_cstring(&out, "finish", chat_finish_word(end->finish));
    put_usage(&out, &end->usage);
    json_put_real(&out, "cost_usd", end->cost_usd);
    json_put_cstring(&out, "model", end->model);
    json_put_cstring(&out, "request_id", end->request_id);
    json_put_int(&out, "attempts", end->attempts);
    if (end->sent)
        json_put_raw(&out, "sent", text_of(end->sent));
    else
        json_put_null(&out, "sent");
    put_error(&out, end);
    json_put_close(&out, '}');
}

static void on_end(void *user, const struct chat_end *end)
{
    struct talk *talk = user;
    talk->ended = true;
    talk->finish = end->finish;
    talk->chat = NULL;
    if (talk->json)
        put_object(talk, end);
    else if (end->error.class != CHAT_OK)
        fprintf(stderr, "\narena chat: %s: %s\n", chat_error_word(end->error.class),
                end->error.message);
    else if (end->finish != CHAT_STOP)
        fprintf(stderr, "\n[%s]\n", chat_finish_word(end->finish));
    loop_stop(talk->loop);
}

static void interrupted(void *user, uint32_t events)
{
    struct talk *talk = user;
    (void)events;
    if (talk->chat)
        chat_cancel(talk->competitor, talk->chat);
}

/* Asks and waits for the end. False when it could not even start. */
static bool ask(struct talk *talk, const struct chat_message *messages, size_t count,
                struct err *err)
{
    struct chat_sink sink = {.delta = on_delta, .restart = on_restart, .end = on_end, .user = talk};
    for (size_t i = 0; i < 3; i++)
        buf_clear(&talk->channels[i]);
    talk->ended = false;
    talk->chat = competitor_chat(talk->competitor, messages, count, NULL, &sink, err);
    if (!talk->chat)
        return false;
    if (!talk->ended)
        loop_run(talk->loop);
    return true;
}

static int ask_once(struct talk *talk, struct text prompt, struct err *err)
{
    if (!utf8_valid(prompt.data, prompt.length)) {
        err_set(err, ERR_BAD_UTF8, "the prompt is not UTF-8");
        return command_fail(&command_chat, err);
    }
    struct chat_message message = {CHAT_USER, prompt};
    if (!ask(talk, &message, 1, err))
        return command_fail(&command_chat, err);
    if (talk->json)
        printf("%s\n", talk->object.failed ? "{}" : talk->object.data);
    else
        putchar('\n');
    return chat_finish_failed(talk->finish) || talk->finish == CHAT_CANCELLED ? EXIT_NO : EXIT_OK;
}

/* A conversation at a terminal: a line is a turn; an empty line or Ctrl-D ends it. */
static int converse(struct talk *talk, struct err *err)
{
    struct chat_message messages[2 * LIMIT_TURNS + 1];
    size_t count = 0;
    char *line = NULL;
    size_t room = 0;
    int code = EXIT_OK;
    fprintf(stderr, "Talking to %s. An empty line ends it.\n", talk->competitor->config.name);
    while (count < 2 * LIMIT_TURNS && code == EXIT_OK) {
        fputs("> ", stderr);
        ssize_t length = getline(&line, &room, stdin);
        if (length <= 1)
            break;
        char *prompt = strndup(line, (size_t)length - (line[length - 1] == '\n'));
        messages[count++] = (struct chat_message){CHAT_USER, text_of(prompt)};
        if (!ask(talk, messages, count, err)) {
            code = command_fail(&command_chat, err);
            break;
        }
        putchar('\n');
        messages[count++] = (struct chat_message){
            CHAT_ASSISTANT,
            text_of(strndup(talk->channels[CHAT_TEXT].data ? talk->channels[CHAT_TEXT].data : "",
                            talk->channels[CHAT_TEXT].length))};
    }
    for (size_t i = 0; i < count; i++)
        free((char *)messages[i].text.data);
    free(line);
    return code;
}

static int talk_about(struct talk *talk, const char *prompt, struct err *err)
{
    if (prompt)
        return ask_once(talk, text_of(prompt), err);
    if (!talk->json && isatty(STDIN_FILENO))
        return converse(talk, err);
    struct buf input;
    buf_init(&input, LIMIT_ANSWER_BYTES);
    int code = file_read("/dev/stdin", &input, err) ? ask_once(talk, buf_text(&input), err)
                                                    : command_fail(&command_chat, err);
    buf_done(&input);
    return code;
}

static int run_with(struct loop *loop, const struct settings *config, const char *name,
                    const char *prompt, bool json)
{
    struct err err = ERR_INIT;
    /* Blocked before the engine starts its threads, so that it reaches the loop. */
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    struct roster *roster =
        settings_roster(config, loop, (struct roster_options){.only = name}, &err);
    if (!roster)
        return command_fail(&command_chat, &err);
    struct talk talk = {.loop = loop, .competitor = roster_find(roster, name), .json = json};
    for (size_t i = 0; i < 3; i++)
        buf_init(&talk.channels[i], LIMIT_ANSWER_BYTES);
    buf_init(&talk.object, 8 * LIMIT_ANSWER_BYTES);
    struct loop_fd signal_fd = {.fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK),
                                .ready = interrupted,
                                .user = &talk};
    loop_fd_start(loop, &signal_fd, EPOLLIN | EPOLLET);
    int code = talk_about(&talk, prompt, &err);
    loop_fd_stop(loop, &signal_fd);
    close(signal_fd.fd);
    for (size_t i = 0; i < 3; i++)
        buf_done(&talk.channels[i]);
    buf_done(&talk.object);
    roster_free(roster);
    return code;
}

static int run(int argc, char **argv)
{
    static const char *const FORMATS[] = {"text", "json", NULL};
    struct err err = ERR_INIT;
    const char *config_path = NULL, *data = "arena-data", *device = NULL;
    int format = 0, positional;
    const struct option_spec specs[] = {{"format", OPTION_CHOICE, &format, FORMATS, 0, 0},
                                        {"config", OPTION_TEXT, &config_path, NULL, 0, 0},
                                        {"device", OPTION_TEXT, &device, NULL, 0, 0},
                                        {"data", OPTION_TEXT, &data, NULL, 0, 0},
                                        {NULL, OPTION_FLAG, NULL, NULL, 0, 0}};
    if (!options_read(&command_chat, argc, argv, specs, &positional, 2))
        return EXIT_USAGE;
    if (!positional) {
        fprintf(stderr, "arena chat: which model?\nTry: arena help chat\n");
        return EXIT_USAGE;
    }
    struct settings config;
    if (!settings_load(&config, config_path, data, &err))
        return command_fail(&command_chat, &err);
    config.device = device ? device : config.device;
    struct loop *loop = loop_new(&err);
    int code = loop ? run_with(loop, &config, argv[1], positional > 1 ? argv[2] : NULL, format == 1)
                    : command_fail(&command_chat, &err);
    loop_free(loop);
    settings_done(&config);
    return code;
}

const struct command command_chat = {
    "chat", "talk to one competitor in the terminal",
    "Usage: arena chat MODEL [\"PROMPT\"] [--format text|json] [--config FILE] [--data DIR]\n"
    "                  [--device auto|cpu|cuda[:N]]\n\n"
    "Asks one configured competitor and streams its answer. Without a prompt it reads one from a "
    "pipe, or talks\n"
    "turn by turn at a terminal. --format json prints one object with the text, the finish, usage, "
    "cost, the\n"
    "parameters that were sent and the error, after a failure too (exit code 1 then).\n\n"
    "  --config FILE   the configuration; DIR/arena.json by default, else the default in-house "
    "models\n"
    "  --data DIR      where arena.json is looked for; ./arena-data by default. Nothing else is "
    "opened there\n"
    "  --device D      where an in-house model runs; auto: the first CUDA device that computes "
    "what "
    "the CPU does,\n"
    "                  else the CPU\n",
    run};
