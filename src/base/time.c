#include <string.h>

#include "base/text.h"

/* Days of the months before month m of a year that starts in March: a leap day then comes last, and
 * the lengths 31 30 31 30 31 | 31 30 31 30 31 | 31 28 follow 153 days for 5 months. */
static int64_t days_before_month(int64_t months_since_march)
{
    return (153 * months_since_march + 2) / 5;
}

int64_t qn_days_from_date(int32_t year, int32_t month, int32_t day)
{
    const int64_t march_year = (int64_t)year - (month <= 2);
    const int64_t cycle = (march_year >= 0 ? march_year : march_year - 399) / 400;
    const int64_t year_of_cycle = march_year - cycle * 400;
    const int64_t leap_days = year_of_cycle / 4 - year_of_cycle / 100;
    const int64_t months = (month + 9) % 12;

    /* 400 years are 146,097 days; 0000-03-01 is day -719,468. */
    return cycle * 146097 + year_of_cycle * 365 + leap_days + days_before_month(months) + day - 1 -
           719468;
}

void qn_date_from_days(int64_t days, int32_t *year, int32_t *month, int32_t *day)
{
    const int64_t shifted = days + 719468;
    const int64_t cycle = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    const int64_t day_of_cycle = shifted - cycle * 146097;
    const int64_t year_of_cycle =
        (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36524 - day_of_cycle / 146096) / 365;
    const int64_t day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    const int64_t months = (5 * day_of_year + 2) / 153;

    *day = (int32_t)(day_of_year - days_before_month(months)) + 1;
    *month = (int32_t)(months < 10 ? months + 3 : months - 9);
    *year = (int32_t)(year_of_cycle + cycle * 400 + (*month <= 2));
}

/* Exactly n digits at *at. */
static bool take_number(const char **at, const char *end, int n, int32_t *value)
{
    *value = 0;
    if (end - *at < n)
        return false;
    for (int i = 0; i < n; i++) {
        if ((*at)[i] < '0' || (*at)[i] > '9')
            return false;
        *value = *value * 10 + ((*at)[i] - '0');
    }
    *at += n;
    return true;
}

static bool take_char(const char **at, const char *end, char c)
{
    if (*at == end || **at != c)
        return false;
    (*at)++;
    return true;
}

static bool take_date(const char **at, const char *end, int64_t *days)
{
    int32_t year, month, day, back_year, back_month, back_day;

    if (!take_number(at, end, 4, &year) || !take_char(at, end, '-') ||
        !take_number(at, end, 2, &month) || !take_char(at, end, '-') ||
        !take_number(at, end, 2, &day) || month < 1 || month > 12)
        return false;
    *days = qn_days_from_date(year, month, day);
    qn_date_from_days(*days, &back_year, &back_month, &back_day);
    return back_month == month && back_day == day; /* no 30 February */
}

/* "Z", "+02:00", "-0530" or nothing -> seconds east of UTC. */
static bool take_zone(const char **at, const char *end, int64_t *east)
{
    int32_t hours, minutes;
    bool is_west;

    *east = 0;
    if (*at == end || take_char(at, end, 'Z'))
        return true;
    is_west = **at == '-';
    if (!take_char(at, end, '-') && !take_char(at, end, '+'))
        return false;
    if (!take_number(at, end, 2, &hours))
        return false;
    take_char(at, end, ':');
    if (!take_number(at, end, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *east = (hours * 3600 + minutes * 60) * (is_west ? -1 : 1);
    return true;
}

/* "12:30", "12:30:00", "12:30:00.123"; fractions are cut off. */
static bool take_clock(const char **at, const char *end, int64_t *seconds)
{
    int32_t hour, minute, second = 0;

    if (!take_number(at, end, 2, &hour) || !take_char(at, end, ':') ||
        !take_number(at, end, 2, &minute))
        return false;
    if (take_char(at, end, ':')) {
        if (!take_number(at, end, 2, &second))
            return false;
        if (take_char(at, end, '.'))
            while (*at < end && **at >= '0' && **at <= '9')
                (*at)++;
    }
    *seconds = hour * 3600 + minute * 60 + second;
    return hour <= 23 && minute <= 59 && second <= 60;
}

bool qn_parse_time(const char *text, size_t length, int64_t *seconds)
{
    const char *at = text;
    const char *end = text + length;
    int64_t days = 0, clock = 0, east = 0;

    if (length < 10 || text[4] != '-' || text[7] != '-')
        return qn_parse_int64(text, length, seconds);
    if (!take_date(&at, end, &days))
        return false;
    if (at < end) {
        if (!take_char(&at, end, 'T') && !take_char(&at, end, ' '))
            return false;
        if (!take_clock(&at, end, &clock) || !take_zone(&at, end, &east))
            return false;
    }
    if (at != end)
        return false;
    *seconds = days * 86400 + clock - east;
    return true;
}
