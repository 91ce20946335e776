/* Nothing is stored: who brings the model back as it was goes on with the campaign, without a word
 * to anybody. */
#include "people/presence.h"

#include <string.h>

#include "competitor/competitor.h"
#include "competitor/roster.h"

void presence_add(struct presence *presence, const char *version)
{
    if (presence->count < LIMIT_COMPETITORS)
        snprintf(presence->version[presence->count++], sizeof presence->version[0], "%s", version);
}

void presence_take(struct presence *presence, const struct roster *roster)
{
    presence->count = 0;
    for (size_t i = 0; i < roster_count(roster); i++) {
        const struct competitor *competitor = roster_at(roster, i);
        if (competitor->availability == COMPETITOR_ACTIVE)
            presence_add(presence, competitor->version);
    }
}

bool presence_has(const struct presence *presence, const char *version)
{
    for (size_t i = 0; i < presence->count; i++)
        if (strcmp(presence->version[i], version) == 0)
            return true;
    return false;
}

bool presence_is_whole(const struct presence *presence, const struct campaign_terms *terms)
{
    bool whole = presence_has(presence, terms->model);
    for (size_t i = 0; i < terms->rivals; i++)
        whole &= presence_has(presence, terms->versus[i]);
    return whole;
}

bool presence_stops(const struct presence *presence, const struct campaign_terms *terms)
{
    for (size_t i = 0; i < terms->rivals; i++)
        if (presence_has(presence, terms->versus[i]))
            return !presence_has(presence, terms->model);
    return true;
}

struct looking {
    const struct presence *presence;
    bool stops;
};

static void look(void *user, const struct campaign_terms *terms)
{
    struct looking *looking = user;
    looking->stops |= presence_stops(looking->presence, terms);
}

bool presence_stops_any(const struct presence *presence, const struct campaigns *campaigns,
                        const char *cohort)
{
    struct looking looking = {presence, false};
    campaigns_for(campaigns, cohort, look, &looking);
    return looking.stops;
}
