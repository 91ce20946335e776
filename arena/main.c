/* arena: the table of subcommands, nothing else. */
#include <stdio.h>
#include <string.h>

#include "command/command.h"

const struct command *const COMMANDS[] = {
    &command_serve,
    &command_chat,
    &command_models,
    &command_leaderboard,
    &command_voters,
    &command_rank,
    &command_import,
    &command_export,
    &command_review,
    &command_eval,
    &command_gate,
    &command_invite,
    &command_campaign,
    &command_keys,
    &command_verify,
    &command_bench,
    NULL,
};

static int help(const char *name)
{
    if (!name) {
        printf("arena: an AI lab's private model arena\n\nUsage: arena COMMAND …\n\n");
        for (const struct command *const *command = COMMANDS; *command; command++)
            printf("  %-12s %s\n", (*command)->name, (*command)->summary);
        printf("\nRead more: arena help COMMAND\n");
        return EXIT_OK;
    }
    for (const struct command *const *command = COMMANDS; *command; command++)
        if (strcmp((*command)->name, name) == 0) {
            printf("%s", (*command)->usage);
            return EXIT_OK;
        }
    fprintf(stderr, "arena: no command \"%s\"\nTry: arena help\n", name);
    return EXIT_USAGE;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        help(NULL);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0)
        return help(argc > 2 ? argv[2] : NULL);
    for (const struct command *const *command = COMMANDS; *command; command++)
        if (strcmp((*command)->name, argv[1]) == 0)
            return wants_help(argc - 1, argv + 1) ? help(argv[1])
                                                  : (*command)->run(argc - 1, argv + 1);
    return help(argv[1]);
}
