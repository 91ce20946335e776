/* One table: the act, the lowest role that may, and its words. */
#include "people/voters.h"

#include <string.h>

bool auth_mode_from(const char *word, enum auth_mode *mode)
{
    static const char *const WORDS[] = {"local", "invite", "proxy"};
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
        if (strcmp(word, WORDS[i]) != 0)
            continue;
        *mode = (enum auth_mode)i;
        return true;
    }
    return false;
}

struct voter voter_from_record(const struct voter_record *record)
{
    struct voter voter = {.number = record->number, .role = record->role, .staff = record->staff};
    memcpy(voter.id, record->id, sizeof voter.id);
    memcpy(voter.name, record->name, sizeof voter.name);
    memcpy(voter.cohort, record->cohort, sizeof voter.cohort);
    return voter;
}

struct rule {
    enum voter_role lowest;
    const char *words;
};
static const struct rule RULES[] = {
#define X(name, role, words) {role, words},
    VOTER_ACT_MAP(X)
#undef X
};

bool voter_may(const struct voter *voter, enum voter_act act, struct err *err)
{
    const struct rule *rule = &RULES[act];
    if (voter == NULL)
        return err_set(err, ERR_UNAUTHORIZED, "to %s, come with an invitation or log in",
                       rule->words);
    return voter->role >= rule->lowest ||
           err_set(err, ERR_FORBIDDEN, "to %s needs the role of %s; yours is %s", rule->words,
                   voter_role_word(rule->lowest), voter_role_word(voter->role));
}

bool voter_consented(const struct voter *voter)
{
    return voter->consent.scope != CONSENT_NONE &&
           strcmp(voter->consent.notice, CONSENT_NOTICE) == 0;
}
