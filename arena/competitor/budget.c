#include "competitor/budget.h"

#include <math.h>

enum { DAY_MS = 86400000 };

void budget_init(struct budget *budget, double limit_usd)
{
    *budget = (struct budget){.limit_usd = limit_usd};
}

static void turn_day(struct budget *budget, int64_t now_ms)
{
    if (now_ms / DAY_MS == budget->day)
        return;
    budget->day = now_ms / DAY_MS;
    budget->spent_usd = 0;
}

bool budget_has_room(struct budget *budget, double worst_usd, int64_t now_ms)
{
    turn_day(budget, now_ms);
    return isnan(budget->limit_usd) ||
           budget->spent_usd + budget->held_usd + worst_usd <= budget->limit_usd;
}

void budget_restore(struct budget *budget, int64_t day, double usd, int64_t now_ms)
{
    turn_day(budget, now_ms);
    if (day == budget->day)
        budget->spent_usd += usd;
}

static void tell(const struct budget *budget)
{
    if (budget->moved)
        budget->moved(budget->user, budget);
}

void budget_hold(struct budget *budget, double worst_usd)
{
    budget->held_usd += worst_usd;
    if (worst_usd > 0)
        tell(budget);
}

void budget_settle(struct budget *budget, double held_usd, double cost_usd, int64_t now_ms)
{
    turn_day(budget, now_ms);
    budget->held_usd -= held_usd;
    if (budget->held_usd < 1e-12) /* what rounding leaves */
        budget->held_usd = 0;
    budget->spent_usd += isnan(cost_usd) ? held_usd : cost_usd;
    if (held_usd > 0 || cost_usd > 0)
        tell(budget);
}
