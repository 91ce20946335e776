/* Campaigns in the terminal: drawn from the same JSON as the page. */
#ifndef ARENA_COMMAND_CAMPAIGN_PRINT_H
#define ARENA_COMMAND_CAMPAIGN_PRINT_H

#include <jansson.h>

#include "people/question.h"
#include "store/campaigns.h"

void campaign_print_created(const json_t *reply);
void campaign_print_question(const char *id, const struct question *question);
void campaign_print_list(const json_t *campaigns);
void campaign_print_one(const json_t *campaign);

/* The final report; false when it cannot be read. */
bool campaign_print_report(const struct campaign_record *record, struct err *err);

#endif
