/* Text armour. See armour.h. */
#include "proto/armour.h"

#include <sodium.h>
#include <stdio.h>

enum { LINE_BYTES = 48, LINE_CHARS = 64, MARK_MAX = 64 };

static const char WHITE[] = " \t\r\n";

static void
mark_text(char out[MARK_MAX], const char *which, const char *label)
{
    int n = snprintf(out, MARK_MAX, "-----%s SMARTNODE %s-----", which, label);
    MUST(n > 0 && n < MARK_MAX);
}

int
armour_write(const char *label, struct slice bytes, struct buf *out, struct err *err)
{
    char mark[MARK_MAX], line[LINE_CHARS + 1];
    size_t before = out->len;
    mark_text(mark, "BEGIN", label);
    buf_put(out, mark, strlen(mark));
    buf_put_u8(out, '\n');
    for (size_t at = 0; at < bytes.len; at += LINE_BYTES) {
        size_t n = bytes.len - at < LINE_BYTES ? bytes.len - at : LINE_BYTES;
        sodium_bin2base64(line, sizeof(line), bytes.data + at, n, sodium_base64_VARIANT_ORIGINAL);
        buf_put(out, line, strlen(line));
        buf_put_u8(out, '\n');
    }
    mark_text(mark, "END", label);
    buf_put(out, mark, strlen(mark));
    buf_put_u8(out, '\n');
    int rc = buf_check(out, "armour", err);
    if (rc < 0)
        out->len = before;
    return rc;
}

static bool
white(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* libsodium's decoder takes some characters with the high bit set for others, and ignores zero bytes where it may ignore anything:
 * what goes to it is of the alphabet or white. */
static bool
plain(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!letter && c != '+' && c != '/' && c != '=' && !white(c))
            return false;
    }
    return true;
}

static struct slice
trim(struct slice s)
{
    while (s.len > 0 && white(s.data[0]))
        s = slice_of(s.data + 1, s.len - 1);
    while (s.len > 0 && white(s.data[s.len - 1]))
        s.len--;
    return s;
}

/* Takes the mark off the front (end = false) or the back; a line end must part it from the rest. */
static bool
take_mark(struct slice *s, const char *mark, bool end)
{
    size_t n = strlen(mark);
    if (s->len <= n || memcmp(end ? s->data + s->len - n : s->data, mark, n) != 0)
        return false;
    struct slice rest = slice_of(end ? s->data : s->data + n, s->len - n);
    if (end ? rest.data[rest.len - 1] != '\n'
            : rest.data[0] != '\n' && !(rest.len > 1 && memcmp(rest.data, "\r\n", 2) == 0))
        return false;
    *s = rest;
    return true;
}

int
armour_read(const char *label, struct slice text, size_t text_max, struct buf *out, struct err *err)
{
    if (text.len > text_max)
        return err_set(err, ERR_LIMIT, "%s: longer than %zu characters", label, text_max);
    char begin[MARK_MAX], end[MARK_MAX];
    mark_text(begin, "BEGIN", label);
    mark_text(end, "END", label);
    struct slice body = trim(text);
    if (!take_mark(&body, begin, false))
        return err_set(err, ERR_INVALID, "does not begin with %s", begin);
    if (!take_mark(&body, end, true))
        return err_set(err, ERR_INVALID, "does not end with %s", end);
    if (!plain(body))
        return err_set(err, ERR_INVALID, "%s: not base64", label);
    size_t max = body.len / 4 * 3 + 3, n = 0;
    uint8_t *to = buf_reserve(out, max);
    if (!to)
        return buf_check(out, label, err);
    if (sodium_base642bin(to, max, (const char *)body.data, body.len, WHITE, &n, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return err_set(err, ERR_INVALID, "%s: not base64", label);
    buf_added(out, n);
    return 0;
}
