/* Values of fields. See values.h. */
#include "node/exchange/values.h"

#include <ctype.h>
#include <utf8proc.h>

enum { VALUE_TEXT_MAX = 64, FOLDED_WORD_MAX = 16 };

/* ---- text ---- */

static bool
is_space(utf8proc_int32_t c)
{
    if (c == ' ' || (c >= '\t' && c <= '\r'))
        return true;
    return c >= 0x80 && utf8proc_category(c) == UTF8PROC_CATEGORY_ZS;
}

struct slice
value_trimmed(const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text;
    utf8proc_int32_t c = 0;
    while (len > 0) {
        utf8proc_ssize_t n = utf8proc_iterate(p, (utf8proc_ssize_t)len, &c);
        if (n <= 0 || !is_space(c))
            break;
        p += n;
        len -= (size_t)n;
    }
    while (len > 0) {
        size_t n = 1;
        while (n < len && n < 4 && (p[len - n] & 0xc0) == 0x80)
            n++;
        if (utf8proc_iterate(p + len - n, (utf8proc_ssize_t)n, &c) != (utf8proc_ssize_t)n || !is_space(c))
            break;
        len -= n;
    }
    return slice_of(p, len);
}

bool
value_folded(const char *text, char *out, size_t cap)
{
    struct slice s = value_trimmed(text, strlen(text));
    utf8proc_uint8_t *folded = NULL;
    utf8proc_ssize_t n =
        utf8proc_map(s.data, (utf8proc_ssize_t)s.len, &folded, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
    bool fits = n >= 0 && (size_t)n < cap;
    if (fits) {
        memcpy(out, folded, (size_t)n);
        out[n] = '\0';
    }
    free(folded);
    return fits;
}

static bool
starts(struct slice s, const char *with)
{
    size_t n = strlen(with);
    return s.len >= n && memcmp(s.data, with, n) == 0;
}

static bool
ends(struct slice s, const char *with)
{
    size_t n = strlen(with);
    return s.len >= n && memcmp(s.data + s.len - n, with, n) == 0;
}

static struct slice
after(struct slice s, size_t n)
{
    return slice_of(s.data + n, s.len - n);
}

static struct slice
without_end(struct slice s, size_t n)
{
    return slice_of(s.data, s.len - n);
}

/* ---- dates ---- */

static const char DATE_FORMS[] = "not a date: YYYY-MM-DD, DD/MM/YYYY or DD.MM.YYYY";

struct date_parts {
    int v[3];
    size_t digits[3];
};

/* Midnight, however exactly it is said. */
static bool
is_midnight(const char *p)
{
    if (strncmp(p, "00:00", 5) != 0)
        return false;
    p += 5;
    if (strncmp(p, ":00", 3) == 0) {
        p += 3;
        size_t zeros = *p == '.' || *p == ',' ? strspn(p + 1, "0") : 0;
        if ((*p == '.' || *p == ',') && (zeros == 0 || zeros > 9))
            return false;
        p += zeros > 0 ? zeros + 1 : 0;
    }
    return *p == '\0' || strcmp(p, "Z") == 0 || strcmp(p, "+00:00") == 0;
}

static bool
split_date(const char *p, struct date_parts *ret)
{
    char mark = '\0';
    for (int i = 0; i < 3; i++) {
        size_t n = strspn(p, "0123456789");
        if (n == 0 || n > 4)
            return false;
        ret->digits[i] = n;
        ret->v[i] = 0;
        for (; n > 0; n--)
            ret->v[i] = ret->v[i] * 10 + (*p++ - '0');
        if (i == 2)
            break;
        if ((*p != '-' && *p != '/' && *p != '.') || (mark != '\0' && *p != mark))
            return false;
        mark = *p++;
        p += mark == '.' ? strspn(p, " ") : 0;
    }
    p += mark == '.' && *p == '.'; /* Hungarian: 2024. 12. 31. */
    return *p == '\0';
}

static int
no_month(int month, int day, bool month_first, const char *field, struct err *err)
{
    if (day > 12 || day < 1)
        return err_field(err, ERR_INVALID, field, "there is no month %d", month);
    return err_field(err, ERR_INVALID, field,
                     month_first ? "there is no month %d: the mapping says that the month stands first"
                                 : "there is no month %d: the day stands first; if this file has the month first, the "
                                   "mapping file says date = mdy",
                     month);
}

int
value_date(const char *text, const char *field, enum date_order order, struct civil_date *ret, struct err *err)
{
    struct slice s = value_trimmed(text, strlen(text));
    struct date_parts p;
    char b[VALUE_TEXT_MAX], whole[32];
    if (s.len >= sizeof(b) || memchr(s.data, '\0', s.len))
        return err_field(err, ERR_INVALID, field, "%s", DATE_FORMS);
    memcpy(b, s.data, s.len);
    b[s.len] = '\0';
    char *colon = strchr(b, ':');
    while (colon && colon > b && *colon != 'T' && *colon != ' ')
        colon--;
    if (colon && !is_midnight(colon + 1))
        return err_field(err, ERR_INVALID, field, "has a time of day; a day alone is expected");
    if (colon)
        *colon = '\0';
    if (!split_date(b, &p))
        return err_field(err, ERR_INVALID, field, "%s", DATE_FORMS);
    bool year_first = p.digits[0] == 4 && p.digits[1] <= 2 && p.digits[2] <= 2;
    bool year_last = p.digits[2] == 4 && p.digits[0] <= 2 && p.digits[1] <= 2;
    if (p.digits[0] <= 2 && p.digits[1] <= 2 && p.digits[2] <= 2)
        return err_field(err, ERR_INVALID, field, "the year needs four digits");
    if (!year_first && !year_last)
        return err_field(err, ERR_INVALID, field, "%s", DATE_FORMS);
    if (!year_first && order == DATE_ORDER_YMD)
        return err_field(err, ERR_INVALID, field, "not YYYY-MM-DD, which the mapping says (date = ymd)");
    bool month_first = !year_first && order == DATE_ORDER_MDY;
    int year = year_first ? p.v[0] : p.v[2];
    int month = year_first || !month_first ? p.v[1] : p.v[0];
    int day = year_first ? p.v[2] : month_first ? p.v[1] : p.v[0];
    if (month > 12 && !year_first)
        return no_month(month, day, month_first, field, err);
    snprintf(whole, sizeof(whole), "%04d-%02d-%02d", year, month, day);
    return date_parse(whole, field, ret, err);
}

/* ---- digits ---- */

enum digits {
    DIGITS_OK,
    DIGITS_BAD,
    DIGITS_AMBIGUOUS,
    DIGITS_DECIMALS, /* more of them than there may be */
    DIGITS_LARGE,
};

/* One byte for each character; spaces and apostrophes of all kinds as one. */
static bool
plain(struct slice s, char *out, size_t cap)
{
    static const struct {
        const char *text;
        char as;
    } MARKS[] = {{"\u00a0", ' '}, {"\u202f", ' '}, {"\u2009", ' '}, {"\u2019", '\''}};
    size_t n = 0;
    while (s.len > 0) {
        char c = (char)s.data[0];
        size_t len = strchr("0123456789., '", c) && c != '\0' ? 1 : 0;
        for (size_t i = 0; len == 0 && i < ARRAY_LEN(MARKS); i++) {
            if (starts(s, MARKS[i].text)) {
                c = MARKS[i].as;
                len = strlen(MARKS[i].text);
            }
        }
        if (len == 0 || n + 1 >= cap)
            return false;
        out[n++] = c;
        s = after(s, len);
    }
    out[n] = '\0';
    return n > 0;
}

static size_t
count(const char *text, char c)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += *text == c;
    return n;
}

/* Where the decimals begin, NULL if there are none. */
static enum digits
find_decimal(const char *text, char named, const char **ret)
{
    size_t points = count(text, '.'), commas = count(text, ',');
    const char *point = strrchr(text, '.'), *comma = strrchr(text, ',');
    *ret = NULL;
    if (named != '\0') {
        *ret = strchr(text, named);
        return count(text, named) > 1 ? DIGITS_BAD : DIGITS_OK;
    }
    if (points > 0 && commas > 0) {
        *ret = point > comma ? point : comma;
        return count(text, **ret) > 1 ? DIGITS_BAD : DIGITS_OK;
    }
    const char *only = point ? point : comma;
    if (points + commas != 1)
        return DIGITS_OK; /* none, or thousands */
    size_t before = (size_t)(only - text);
    bool as_thousands = strlen(only + 1) == 3 && before >= 1 && before <= 3 && text[0] != '0' && !strpbrk(text, " '");
    *ret = only;
    return as_thousands ? DIGITS_AMBIGUOUS : DIGITS_OK;
}

/* Digits, all together or in groups of three after the first, which are set apart by one and the same mark. */
static bool
whole_part(const char *text, size_t len, uint64_t *ret, bool *ret_large)
{
    char mark = '\0';
    size_t run = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c >= '0' && c <= '9') {
            *ret_large = *ret_large || *ret > VALUE_NUMBER_MAX;
            *ret = *ret_large ? 0 : *ret * 10 + (uint64_t)(c - '0');
            run++;
            continue;
        }
        if (run == 0 || run > 3 || (mark != '\0' && (c != mark || run != 3)))
            return false;
        mark = c;
        run = 0;
    }
    return mark == '\0' || run == 3;
}

static enum digits
digits_read(struct slice s, int decimals, char named, uint64_t *ret)
{
    char text[VALUE_TEXT_MAX];
    const char *mark = NULL;
    uint64_t v = 0;
    bool large = false;
    if (!plain(s, text, sizeof(text)))
        return DIGITS_BAD;
    enum digits found = find_decimal(text, named, &mark);
    if (found != DIGITS_OK)
        return found;
    size_t len = mark ? (size_t)(mark - text) : strlen(text);
    if (!whole_part(text, len, &v, &large))
        return DIGITS_BAD;
    const char *fraction = mark ? mark + 1 : "";
    if ((mark && fraction[0] == '\0') || strspn(fraction, "0123456789") != strlen(fraction))
        return DIGITS_BAD;
    for (int i = 0; i < decimals; i++) {
        large = large || v > VALUE_NUMBER_MAX;
        v = v * 10 + (*fraction != '\0' ? (uint64_t)(*fraction - '0') : 0);
        fraction += *fraction != '\0';
    }
    if (strspn(fraction, "0") != strlen(fraction))
        return DIGITS_DECIMALS;
    if (large || v > VALUE_NUMBER_MAX)
        return DIGITS_LARGE;
    *ret = v;
    return DIGITS_OK;
}

static int
digits_error(enum digits why, const char *field, const char *bad, const char *decimals, struct err *err)
{
    switch (why) {
    case DIGITS_AMBIGUOUS:
        return err_field(err, ERR_INVALID, field,
                         "thousands or decimals? The mapping file says which: decimal = comma or decimal = point");
    case DIGITS_DECIMALS: return err_field(err, ERR_INVALID, field, "%s", decimals);
    case DIGITS_LARGE: return err_field(err, ERR_LIMIT, field, "too large");
    default: return err_field(err, ERR_INVALID, field, "%s", bad);
    }
}

/* ---- amounts ---- */

int
currency_decimals(const char *currency)
{
    static const char NONE[] = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
    static const char THREE[] = "BHD IQD JOD KWD LYD OMR TND";
    static const char FOUR[] = "CLF UYW";
    if (!currency_ok(currency))
        return 2;
    return strstr(NONE, currency) ? 0 : strstr(THREE, currency) ? 3 : strstr(FOUR, currency) ? 4 : 2;
}

/* Signs that people write, and the currencies they may mean. */
static const struct {
    const char *sign, *codes;
} SIGNS[] = {
    {"€", "EUR"},  {"Ft", "HUF"}, {"kr", "SEK DKK NOK ISK"}, {"£", "GBP"},
    {"zł", "PLN"}, {"Kč", "CZK"}, {"¥", "JPY CNY"},          {"$", "USD CAD AUD NZD MXN CLP COP ARS"},
};

static bool
code_at(const uint8_t *p, char ret[CURRENCY_MAX])
{
    for (size_t i = 0; i < 3; i++) {
        if (!isascii(p[i]) || !isalpha(p[i]))
            return false;
        ret[i] = (char)toupper(p[i]);
    }
    ret[3] = '\0';
    return true;
}

/* Takes a sign or code off either end. *ret_codes: what it may mean. */
static bool
take_currency(struct slice *s, char codes[CURRENCY_MAX], const char **ret_codes)
{
    for (size_t i = 0; i < ARRAY_LEN(SIGNS); i++) {
        size_t n = strlen(SIGNS[i].sign);
        bool first = starts(*s, SIGNS[i].sign);
        if (!first && !ends(*s, SIGNS[i].sign))
            continue;
        *s = first ? after(*s, n) : without_end(*s, n);
        *ret_codes = SIGNS[i].codes;
        return true;
    }
    *ret_codes = codes;
    if (s->len > 3 && code_at(s->data, codes)) {
        *s = after(*s, 3);
        return true;
    }
    if (s->len > 3 && code_at(s->data + s->len - 3, codes)) {
        *s = without_end(*s, 3);
        return true;
    }
    return false;
}

static bool
take_sign(struct slice *s, bool *ret_negative)
{
    static const char MINUS[] = "\u2212";
    bool round = s->len > 2 && s->data[0] == '(' && s->data[s->len - 1] == ')';
    *ret_negative = true;
    if (round)
        *s = slice_of(s->data + 1, s->len - 2);
    else if (starts(*s, "-"))
        *s = after(*s, 1);
    else if (starts(*s, MINUS))
        *s = after(*s, strlen(MINUS));
    else if (ends(*s, "-"))
        *s = without_end(*s, 1);
    else if (ends(*s, MINUS))
        *s = without_end(*s, strlen(MINUS));
    else if (starts(*s, "+")) {
        *s = after(*s, 1);
        *ret_negative = false;
    } else {
        *ret_negative = false;
        return false;
    }
    return true;
}

int
value_amount(const char *text, const char *field, const char *currency, char decimal, int64_t *ret_minor,
             struct err *err)
{
    struct slice s = value_trimmed(text, strlen(text));
    bool has_sign = false, has_code = false, negative = false, more = true;
    char code[CURRENCY_MAX];
    const char *codes = NULL;
    uint64_t minor = 0;
    while (more && s.len > 0) {
        more = !has_sign && take_sign(&s, &negative);
        has_sign = has_sign || more;
        if (!more && !has_code && take_currency(&s, code, &codes))
            has_code = more = true;
        s = value_trimmed((const char *)s.data, s.len);
    }
    if (has_code && !strstr(codes, currency))
        return err_field(err, ERR_INVALID, field, "in another currency than %s", currency);
    int decimals = currency_decimals(currency);
    enum digits why = digits_read(s, decimals, decimal, &minor);
    if (why != DIGITS_OK) {
        char many[64];
        snprintf(many, sizeof(many), "more decimals than the %d of %s", decimals, currency);
        return digits_error(why, field, "not an amount", many, err);
    }
    *ret_minor = negative ? -(int64_t)minor : (int64_t)minor;
    return 0;
}

/* ---- the others ---- */

int
value_uint(const char *text, const char *field, char decimal, uint64_t *ret, struct err *err)
{
    static const char NOT_WHOLE[] = "not a whole number";
    enum digits why = digits_read(value_trimmed(text, strlen(text)), 0, decimal, ret);
    return why == DIGITS_OK ? 0 : digits_error(why, field, NOT_WHOLE, NOT_WHOLE, err);
}

int
value_percent(const char *text, const char *field, char decimal, uint32_t *ret_bp, struct err *err)
{
    struct slice s = value_trimmed(text, strlen(text));
    uint64_t bp = 0;
    if (ends(s, "%"))
        s = value_trimmed((const char *)s.data, s.len - 1);
    enum digits why = digits_read(s, 2, decimal, &bp);
    if (why != DIGITS_OK)
        return digits_error(why, field, "not a percentage", "a percentage has at most two decimals", err);
    if (bp > PERCENT_BP_MAX)
        return err_field(err, ERR_INVALID, field, "more than 100 %%");
    *ret_bp = (uint32_t)bp;
    return 0;
}

int
value_bool(const char *text, const char *field, bool *ret, struct err *err)
{
    static const char *const YES[] = {"yes", "true", "1", "ja", "oui", "sí", "si", "igen"};
    static const char *const NO[] = {"no", "false", "0", "nee", "nein", "nej", "non", "nem"};
    char word[FOLDED_WORD_MAX];
    bool known = value_folded(text, word, sizeof(word));
    for (size_t i = 0; known && i < ARRAY_LEN(YES); i++) {
        if (strcmp(word, YES[i]) == 0 || strcmp(word, NO[i]) == 0) {
            *ret = strcmp(word, YES[i]) == 0;
            return 0;
        }
    }
    return err_field(err, ERR_INVALID, field, "neither yes nor no");
}
