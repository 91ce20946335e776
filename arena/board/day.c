/* The civil calendar by counting from the first of March, so that a leap day ends a year. */
#include "board/day.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_SECONDS 86400.0
#define MILLISECONDS_FROM 1e11 /* as seconds it would be the year 5138 */

struct date {
    int year, month, day;
};

static int32_t days_of(struct date date)
{
    int year = date.year - (date.month <= 2), era = year / 400, of_era = year - 400 * era;
    int of_year = (153 * (date.month + (date.month > 2 ? -3 : 9)) + 2) / 5 + date.day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static struct date date_of(int32_t days)
{
    int32_t from = days + 719468, era = from / 146097, of_era = from - era * 146097;
    int32_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int32_t of_year = of_era - (365 * years + years / 4 - years / 100);
    int month = (5 * of_year + 2) / 153, day = of_year - (153 * month + 2) / 5 + 1;
    month += month < 10 ? 3 : -9;
    return (struct date){years + 400 * era + (month <= 2), month, day};
}

static bool digits(const char *at, int count, int *value)
{
    *value = 0;
    for (int k = 0; k < count; k++) {
        if (at[k] < '0' || at[k] > '9')
            return false;
        *value = 10 * *value + (at[k] - '0');
    }
    return true;
}

static bool read_date(struct text text, double *days)
{
    struct date date;
    if (text.length < 10 || text.data[4] != '-' || text.data[7] != '-' ||
        !digits(text.data, 4, &date.year) || !digits(text.data + 5, 2, &date.month) ||
        !digits(text.data + 8, 2, &date.day) || date.month < 1 || date.month > 12 || date.day < 1 ||
        date.day > 31)
        return false;
    *days = days_of(date);
    return true;
}

static bool read_number(struct text text, double *days)
{
    char copy[40], *end = NULL;
    if (text.length == 0 || text.length >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    double seconds = strtod(copy, &end);
    *days = seconds / (seconds >= MILLISECONDS_FROM ? 1000 * DAY_SECONDS : DAY_SECONDS);
    return *end == '\0';
}

bool day_read(struct text text, uint16_t *day)
{
    double days;
    if ((!read_date(text, &days) && !read_number(text, &days)) || !(days >= 1 && days < 65536))
        return false;
    *day = (uint16_t)days;
    return true;
}

void day_write(uint16_t day, char text[DAY_TEXT])
{
    struct date date = date_of(day);
    snprintf(text, DAY_TEXT, "%04u-%02u-%02u", (unsigned)date.year % 10000u,
             (unsigned)date.month % 100u, (unsigned)date.day % 100u);
}

uint16_t day_next_month(uint16_t day)
{
    struct date date = date_of(day);
    int32_t next = days_of((struct date){date.year + date.month / 12, date.month % 12 + 1, 1});
    return (uint16_t)(next < UINT16_MAX ? next : UINT16_MAX);
}
