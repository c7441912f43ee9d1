/* Values of the domain: dates, hex, codes, clocks. See types.h. */
#include "proto/base/types.h"

#include <stdio.h>
#include <string.h>

struct civil_date
date_from_ymd(int year, int month, int day)
{
    int y = month <= 2 ? year - 1 : year;
    int era = (y >= 0 ? y : y - 399) / 400;
    int yoe = y - era * 400;
    int doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return (struct civil_date){era * 146097 + doe - 719468};
}

void
date_to_ymd(struct civil_date d, int *ret_year, int *ret_month, int *ret_day)
{
    int z = d.days + 719468;
    int era = (z >= 0 ? z : z - 146096) / 146097;
    int doe = z - era * 146097;
    int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int mp = (5 * doy + 2) / 153;
    int month = mp < 10 ? mp + 3 : mp - 9;
    *ret_day = doy - (153 * mp + 2) / 5 + 1;
    *ret_month = month;
    *ret_year = yoe + era * 400 + (month <= 2);
}

bool
date_is_none(struct civil_date d)
{
    return d.days == INT32_MIN;
}

static bool
digits(const char *text, int count, int *ret)
{
    int v = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        v = v * 10 + (text[i] - '0');
    }
    *ret = v;
    return true;
}

int
date_parse(const char *text, const char *field, struct civil_date *ret, struct err *err)
{
    int y, m, d;
    if (strlen(text) != 10 || !digits(text, 4, &y) || text[4] != '-' || !digits(text + 5, 2, &m) || text[7] != '-' ||
        !digits(text + 8, 2, &d))
        return err_field(err, ERR_INVALID, field, "%s: not a date of the form YYYY-MM-DD", field);
    int ry, rm, rd;
    struct civil_date date = {0};
    if (m >= 1 && m <= 12 && d >= 1 && d <= 31)
        date = date_from_ymd(y, m, d);
    date_to_ymd(date, &ry, &rm, &rd);
    if (ry != y || rm != m || rd != d)
        return err_field(err, ERR_INVALID, field, "%s: there is no such day", field);
    if (date.days < DATE_MIN.days || date.days > DATE_MAX.days)
        return err_field(err, ERR_INVALID, field, "%s: outside 1900-01-01 to 2199-12-31", field);
    *ret = date;
    return 0;
}

const char *
date_format(struct civil_date d, char out[DATE_TEXT_MAX])
{
    int y, m, day;
    if (date_is_none(d)) {
        snprintf(out, DATE_TEXT_MAX, "-");
        return out;
    }
    date_to_ymd(d, &y, &m, &day);
    char text[48];
    snprintf(text, sizeof(text), "%04d-%02d-%02d", y, m, day);
    memcpy(out, text, DATE_TEXT_MAX - 1);
    out[DATE_TEXT_MAX - 1] = '\0';
    return out;
}

struct civil_date
date_month_start(struct civil_date d)
{
    int y, m, day;
    date_to_ymd(d, &y, &m, &day);
    return date_from_ymd(y, m, 1);
}

struct civil_date
date_year_start(struct civil_date d)
{
    int y, m, day;
    date_to_ymd(d, &y, &m, &day);
    return date_from_ymd(y, 1, 1);
}

const char *
hex_encode(const uint8_t *bytes, size_t len, char *out)
{
    static const char alphabet[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = alphabet[bytes[i] >> 4];
        out[2 * i + 1] = alphabet[bytes[i] & 15];
    }
    out[2 * len] = '\0';
    return out;
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool
hex_decode(const char *text, uint8_t *out, size_t len)
{
    if (strlen(text) != 2 * len)
        return false;
    for (size_t i = 0; i < 2 * len; i++)
        if (hex_digit(text[i]) < 0)
            return false;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
    return true;
}

bool
unit_code_ok(const char *code)
{
    size_t n = strnlen(code, UNIT_CODE_MAX);
    if (n < 2 || n >= UNIT_CODE_MAX || code[0] < 'A' || code[0] > 'Z')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((code[i] >= 'A' && code[i] <= 'Z') || (code[i] >= '0' && code[i] <= '9')))
            return false;
    return true;
}

bool
currency_ok(const char *code)
{
    for (int i = 0; i < 3; i++)
        if (code[i] < 'A' || code[i] > 'Z')
            return false;
    return code[3] == '\0';
}

/* Length of the well-formed sequence at p, 0 if there is none (Unicode 15, table 3-7). */
static size_t
utf8_sequence(const uint8_t *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xC2 && p[0] <= 0xDF ? 2 : (p[0] & 0xF0) == 0xE0 ? 3 : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4 : 0;
    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) ||
        (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return n;
}

bool
text_ok(const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t i = 0;
    while (i < len) {
        size_t n = utf8_sequence(p + i, len - i);
        if (n == 0 || (n == 1 && (p[i] < 0x20 || p[i] == 0x7F)) || (n == 2 && p[i] == 0xC2 && p[i + 1] < 0xA0))
            return false;
        i += n;
    }
    return true;
}

struct hlc
hlc_next(struct hlc last, struct wall_ms now)
{
    uint64_t wall = now.ms > 0 ? (uint64_t)now.ms << 16 : 0;
    uint64_t next = last.v + 1;
    return (struct hlc){wall > next ? wall : next};
}

struct wall_ms
hlc_wall(struct hlc c)
{
    return (struct wall_ms){(int64_t)(c.v >> 16)};
}

uint64_t
mix64(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}
