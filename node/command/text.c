/* Normal forms. See text.h. */
#include "node/command/text.h"

#include <sodium/utils.h>
#include <utf8proc.h>

/* The longest decomposition of one character is 18 (U+FDFA, NFKD), and that one takes 3 bytes. */
enum { POINTS_MAX = 6 * TEXT_INPUT_MAX + 8 };

/* Letters that Unicode does not decompose and that keyboards elsewhere do not have. After case folding: small ones only. */
static const struct {
    utf8proc_int32_t letter;
    char as[3];
} LETTERS[] = {
    {0x00E6, "ae"}, {0x00F0, "d"}, {0x00F8, "o"}, {0x00FE, "th"}, {0x0111, "d"},  {0x0127, "h"},
    {0x0131, "i"},  {0x0138, "k"}, {0x0142, "l"}, {0x014B, "n"},  {0x0153, "oe"}, {0x0167, "t"},
};

struct points {
    utf8proc_int32_t p[POINTS_MAX];
    size_t n;
};

static void
points_wipe(struct points *t)
{
    sodium_memzero(t->p, t->n * sizeof(t->p[0]));
    t->n = 0;
}

/* ERR_INVALID, ERR_LIMIT. */
static int
points_of(const char *text, utf8proc_option_t options, struct points *ret, struct err *err)
{
    size_t len = strnlen(text, TEXT_INPUT_MAX + 1);
    ret->n = 0;
    if (len > TEXT_INPUT_MAX)
        return err_set(err, ERR_LIMIT, "longer than %d bytes", TEXT_INPUT_MAX);
    utf8proc_ssize_t n =
        utf8proc_decompose((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)len, ret->p, POINTS_MAX, options);
    if (n < 0)
        return err_set(err, ERR_INVALID, "not UTF-8");
    MUST(n <= POINTS_MAX);
    ret->n = (size_t)n;
    return 0;
}

static bool
is_space(utf8proc_int32_t c)
{
    return c == ' ' || utf8proc_category(c) == UTF8PROC_CATEGORY_ZS;
}

static bool
is_refused(utf8proc_int32_t c)
{
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return true;
    default: return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
    }
}

/* Appends a character; false if out is full. */
static bool
put_char(char *out, size_t cap, size_t *len, utf8proc_int32_t c)
{
    utf8proc_uint8_t bytes[4];
    size_t n = (size_t)utf8proc_encode_char(c, bytes);
    if (*len + n >= cap)
        return false;
    memcpy(out + *len, bytes, n);
    *len += n;
    return true;
}

int
text_clean(const char *text, const char *field, char *out, size_t cap, struct err *err)
{
    struct points t;
    int rc = points_of(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE, &t, err);
    if (rc != 0)
        return err_field(err, ERR_INVALID, field, "%s: %s", field, rc == ERR_LIMIT ? "too long" : "not UTF-8");
    /* decompose only reorders; composing is what normalize_utf32 does, in place. */
    utf8proc_ssize_t composed =
        utf8proc_normalize_utf32(t.p, (utf8proc_ssize_t)t.n, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    MUST(composed >= 0 && (size_t)composed <= t.n);
    size_t first = 0, end = (size_t)composed, len = 0;
    while (first < end && is_space(t.p[first]))
        first++;
    while (end > first && is_space(t.p[end - 1]))
        end--;
    for (size_t i = first; i < end && rc == 0; i++) {
        if (is_refused(t.p[i]))
            rc = err_field(err, ERR_INVALID, field, "%s: holds a character that is not text", field);
        else if (!put_char(out, cap, &len, t.p[i]))
            rc = err_field(err, ERR_INVALID, field, "%s: longer than %zu bytes", field, cap - 1);
    }
    points_wipe(&t);
    out[rc == 0 ? len : 0] = '\0';
    return rc;
}

static bool
put_folded(char *out, size_t cap, size_t *len, utf8proc_int32_t c)
{
    for (size_t i = 0; i < ARRAY_LEN(LETTERS); i++) {
        if (LETTERS[i].letter != c)
            continue;
        for (const char *p = LETTERS[i].as; *p != '\0'; p++)
            if (!put_char(out, cap, len, *p))
                return false;
        return true;
    }
    return put_char(out, cap, len, c);
}

int
text_fold(const char *text, char *out, size_t cap, struct err *err)
{
    struct points t;
    int rc = points_of(text,
                       UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_IGNORE | UTF8PROC_CASEFOLD |
                           UTF8PROC_STRIPMARK,
                       &t, err);
    size_t len = 0;
    for (size_t i = 0; i < t.n && rc == 0; i++)
        if (!put_folded(out, cap, &len, t.p[i]))
            rc = err_set(err, ERR_LIMIT, "longer than %zu bytes when folded", cap - 1);
    points_wipe(&t);
    out[rc == 0 ? len : 0] = '\0';
    return rc;
}

static bool
is_word_char(utf8proc_int32_t c)
{
    utf8proc_category_t cat = utf8proc_category(c);
    return (cat >= UTF8PROC_CATEGORY_LU && cat <= UTF8PROC_CATEGORY_LO) ||
           (cat >= UTF8PROC_CATEGORY_ND && cat <= UTF8PROC_CATEGORY_NO);
}

/* Character at p and its length; 0 at the end, and at what is not UTF-8. */
static size_t
char_at(const char *p, size_t left, utf8proc_int32_t *ret)
{
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)p, (utf8proc_ssize_t)left, ret);
    return n > 0 && *ret != 0 ? (size_t)n : 0;
}

bool
text_word(const char **cursor, struct slice *ret)
{
    const char *p = *cursor, *start = NULL;
    size_t left = strlen(p), n;
    utf8proc_int32_t c;
    while ((n = char_at(p, left, &c)) > 0) {
        if (is_word_char(c)) {
            if (!start)
                start = p;
        } else if (start) {
            break;
        }
        p += n;
        left -= n;
    }
    *cursor = p;
    if (!start)
        return false;
    *ret = slice_of(start, (size_t)(p - start));
    return true;
}

struct slice
text_prefix(struct slice word, size_t n, bool *ret_whole)
{
    size_t at = 0;
    for (; n > 0 && at < word.len; n--) {
        utf8proc_int32_t c;
        size_t step = char_at((const char *)word.data + at, word.len - at, &c);
        if (step == 0)
            break;
        at += step;
    }
    *ret_whole = at == word.len;
    return slice_of(word.data, at);
}
