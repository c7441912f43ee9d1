/* JSON and CSV text. */
#include "node/api/json_out.h"

#define MS_PER_DAY 86400000LL

struct json_out
json_out_of(struct buf *b)
{
    return (struct json_out){b, false};
}

static void
before_value(struct json_out *j)
{
    if (j->comma) {
        buf_put_u8(j->b, ',');
    }
    j->comma = true;
}

void
json_open(struct json_out *j, char bracket)
{
    before_value(j);
    buf_put_u8(j->b, (uint8_t)bracket);
    j->comma = false;
}

void
json_close(struct json_out *j, char bracket)
{
    buf_put_u8(j->b, (uint8_t)bracket);
    j->comma = true;
}

void
json_key(struct json_out *j, const char *key)
{
    size_t len = strlen(key);

    if (j->comma) {
        buf_put_u8(j->b, ',');
    }
    uint8_t *p = buf_reserve(j->b, len + 3);
    if (p != NULL) {
        p[0] = '"';
        memcpy(p + 1, key, len);
        p[len + 1] = '"';
        p[len + 2] = ':';
        buf_added(j->b, len + 3);
    }
    j->comma = false;
}

static void
put_escaped(struct buf *b, uint8_t c)
{
    static const char digits[] = "0123456789abcdef";

    if (c == '"' || c == '\\') {
        buf_put(b, (const uint8_t[]){'\\', c}, 2);
    } else if (c == '\n') {
        buf_put(b, "\\n", 2);
    } else {
        buf_put(b, (const char[]){'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]}, 6);
    }
}

/* < is escaped so that an answer shown by mistake as HTML stays text; 0x7f because terminals obey it. */
static bool
is_plain(uint8_t c)
{
    return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f && c != '<';
}

void
json_text(struct json_out *j, const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t plain = 0;

    before_value(j);
    buf_put_u8(j->b, '"');
    for (size_t i = 0; i < len; i++) {
        if (!is_plain(p[i])) {
            buf_put(j->b, p + plain, i - plain);
            put_escaped(j->b, p[i]);
            plain = i + 1;
        }
    }
    buf_put(j->b, p + plain, len - plain);
    buf_put_u8(j->b, '"');
}

void
text_put(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text));
}

void
text_put_uint(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    buf_put(b, digits + at, sizeof(digits) - at);
}

void
text_put_int(struct buf *b, int64_t v)
{
    if (v < 0) {
        buf_put_u8(b, '-');
    }
    text_put_uint(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void
text_put_hex(struct buf *b, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *p = buf_reserve(b, 2 * len);

    if (p == NULL) {
        return;
    }
    for (size_t i = 0; i < len; i++) {
        p[2 * i] = (uint8_t)digits[bytes[i] >> 4];
        p[2 * i + 1] = (uint8_t)digits[bytes[i] & 15];
    }
    buf_added(b, 2 * len);
}

static void
put_padded(struct buf *b, unsigned v, unsigned digits)
{
    for (unsigned scale = digits == 3 ? 100 : 10; scale > 0; scale /= 10) {
        buf_put_u8(b, (uint8_t)('0' + v / scale % 10));
    }
}

void
text_put_time(struct buf *b, struct wall_ms t)
{
    int64_t days = t.ms / MS_PER_DAY - (t.ms % MS_PER_DAY < 0);
    char date[DATE_TEXT_MAX];

    /* A clock that some node wrote may say anything: what date_format cannot print is shown at the ends of its range. */
    if (days < DATE_MIN.days || days > DATE_MAX.days) {
        text_put(b, days < DATE_MIN.days ? "1900-01-01T00:00:00.000Z" : "2199-12-31T23:59:59.999Z");
        return;
    }
    unsigned ms = (unsigned)(t.ms - days * MS_PER_DAY);
    text_put(b, date_format((struct civil_date){(int32_t)days}, date));
    buf_put_u8(b, 'T');
    put_padded(b, ms / 3600000, 2);
    buf_put_u8(b, ':');
    put_padded(b, ms / 60000 % 60, 2);
    buf_put_u8(b, ':');
    put_padded(b, ms / 1000 % 60, 2);
    buf_put_u8(b, '.');
    put_padded(b, ms % 1000, 3);
    buf_put_u8(b, 'Z');
}

void
text_put_csv(struct buf *b, const char *text)
{
    if (text[0] != '\0' && strchr("=+-@", text[0]) != NULL) {
        buf_put_u8(b, '\'');
    }
    if (strpbrk(text, "\",\r\n") == NULL) {
        text_put(b, text);
        return;
    }
    buf_put_u8(b, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            buf_put_u8(b, '"');
        }
        buf_put_u8(b, (uint8_t)*text);
    }
    buf_put_u8(b, '"');
}

void
json_int(struct json_out *j, int64_t v)
{
    before_value(j);
    text_put_int(j->b, v);
}

void
json_uint(struct json_out *j, uint64_t v)
{
    before_value(j);
    text_put_uint(j->b, v);
}

void
json_bool(struct json_out *j, bool v)
{
    before_value(j);
    text_put(j->b, v ? "true" : "false");
}

void
json_none(struct json_out *j)
{
    before_value(j);
    text_put(j->b, "null");
}

void
json_hex(struct json_out *j, const uint8_t *bytes, size_t len)
{
    before_value(j);
    buf_put_u8(j->b, '"');
    text_put_hex(j->b, bytes, len);
    buf_put_u8(j->b, '"');
}

void
json_date(struct json_out *j, struct civil_date d)
{
    char text[DATE_TEXT_MAX];

    if (date_is_none(d)) {
        json_none(j);
        return;
    }
    json_text(j, date_format(d, text), DATE_TEXT_MAX - 1);
}

void
json_time(struct json_out *j, struct wall_ms t)
{
    before_value(j);
    buf_put_u8(j->b, '"');
    text_put_time(j->b, t);
    buf_put_u8(j->b, '"');
}

void
json_put_text(struct json_out *j, const char *key, const char *text)
{
    json_key(j, key);
    json_text(j, text, strlen(text));
}

void
json_put_int(struct json_out *j, const char *key, int64_t v)
{
    json_key(j, key);
    json_int(j, v);
}

void
json_put_uint(struct json_out *j, const char *key, uint64_t v)
{
    json_key(j, key);
    json_uint(j, v);
}

void
json_put_bool(struct json_out *j, const char *key, bool v)
{
    json_key(j, key);
    json_bool(j, v);
}

void
json_put_hex(struct json_out *j, const char *key, const uint8_t *bytes, size_t len)
{
    json_key(j, key);
    json_hex(j, bytes, len);
}

void
json_put_date(struct json_out *j, const char *key, struct civil_date d)
{
    json_key(j, key);
    json_date(j, d);
}

void
json_put_time(struct json_out *j, const char *key, struct wall_ms t)
{
    json_key(j, key);
    json_time(j, t);
}
