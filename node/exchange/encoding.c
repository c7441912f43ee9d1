/* Encodings. See encoding.h. */
#include "node/exchange/encoding.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <utf8proc.h>

enum { UTF16_LOOK = 512, CONVERT_CHUNK = 65536, NAME_KEY_MAX = 16 };

static const char REPLACEMENT[] = "\xef\xbf\xbd";
static const char KNOWN[] =
    "UTF-8, windows-1252, windows-1250, ISO-8859-1 (Latin-1), ISO-8859-2 (Latin-2), ISO-8859-15, UTF-16";

static const struct {
    enum encoding encoding;
    const char *key, *alias, *name, *iconv;
} NAMES[] = {
    {ENCODING_UNNAMED, "", "", "UTF-8", NULL},
    {ENCODING_UTF8, "utf8", "utf8bom", "UTF-8", NULL},
    {ENCODING_WINDOWS_1252, "windows1252", "cp1252", "windows-1252", "CP1252"},
    {ENCODING_WINDOWS_1250, "windows1250", "cp1250", "windows-1250", "CP1250"},
    {ENCODING_LATIN_1, "iso88591", "latin1", "ISO-8859-1", "ISO-8859-1"},
    {ENCODING_LATIN_2, "iso88592", "latin2", "ISO-8859-2", "ISO-8859-2"},
    {ENCODING_LATIN_9, "iso885915", "latin9", "ISO-8859-15", "ISO-8859-15"},
    {ENCODING_UTF16, "utf16", "utf16", "UTF-16", "UTF-16"},
    {ENCODING_UTF16LE, "utf16le", "utf16le", "UTF-16LE", "UTF-16LE"},
    {ENCODING_UTF16BE, "utf16be", "utf16be", "UTF-16BE", "UTF-16BE"},
};

int
encoding_parse(const char *name, enum encoding *ret, struct err *err)
{
    char key[NAME_KEY_MAX];
    size_t n = 0;
    for (const char *p = name; *p != '\0' && n + 1 < sizeof(key); p++)
        if (!strchr("-_ ", *p))
            key[n++] = (char)tolower((unsigned char)*p);
    key[n] = '\0';
    for (size_t i = 1; i < ARRAY_LEN(NAMES); i++) {
        if (strcmp(key, NAMES[i].key) == 0 || strcmp(key, NAMES[i].alias) == 0) {
            *ret = NAMES[i].encoding;
            return 0;
        }
    }
    return err_field(err, ERR_INVALID, "encoding", "no encoding that is known here: %s", KNOWN);
}

const char *
encoding_name(enum encoding e)
{
    return (size_t)e < ARRAY_LEN(NAMES) ? NAMES[e].name : "unknown";
}

size_t
utf8_valid(const uint8_t *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = text[at] < 0x80 ? 1 : utf8proc_iterate(text + at, (utf8proc_ssize_t)(len - at), &c);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    return at;
}

/* ---- a whole file ---- */

static bool
is_utf16(enum encoding e)
{
    return e == ENCODING_UTF16 || e == ENCODING_UTF16LE || e == ENCODING_UTF16BE;
}

static int
convert(iconv_t cd, struct slice in, struct buf *out, struct err *err)
{
    /* iconv takes its input as not const and does not write to it. */
    char *from = (char *)(uintptr_t)in.data;
    size_t left = in.len;
    while (left > 0) {
        uint8_t *room = buf_reserve(out, CONVERT_CHUNK);
        if (!room)
            return buf_check(out, "file", err);
        char *to = (char *)room;
        size_t space = CONVERT_CHUNK;
        size_t rc = iconv(cd, &from, &left, &to, &space);
        buf_added(out, CONVERT_CHUNK - space);
        if (rc == (size_t)-1 && errno != E2BIG) { /* half a character, or its second half alone */
            size_t unit = left < 2 ? left : 2;
            buf_put(out, REPLACEMENT, strlen(REPLACEMENT));
            from += unit;
            left -= unit;
        }
    }
    return buf_check(out, "file", err);
}

static int
from_utf16(struct buf *bytes, enum encoding e, struct err *err)
{
    struct buf out;
    const uint8_t *b = bytes->data;
    bool big = bytes->len >= 2 && b[0] == 0xfe && b[1] == 0xff;
    bool marked = big || (bytes->len >= 2 && b[0] == 0xff && b[1] == 0xfe);
    size_t skip = marked ? 2 : 0;
    if (e == ENCODING_UTF16)
        e = big ? ENCODING_UTF16BE : ENCODING_UTF16LE;
    iconv_t cd = iconv_open("UTF-8", NAMES[e].iconv);
    if (cd == (iconv_t)-1)
        return err_set(err, ERR_INVALID, "this system's iconv does not know %s", NAMES[e].name);
    buf_init(&out, bytes->max);
    int rc = buf_reserve(&out, 1) ? 0 : err_set(err, ERR_NOMEM, "file: out of memory");
    if (rc == 0)
        rc = convert(cd, slice_of(b + skip, bytes->len - skip), &out, err);
    iconv_close(cd);
    if (rc != 0) {
        buf_free(&out);
        return rc;
    }
    buf_free(bytes);
    *bytes = out;
    return 0;
}

static int
not_utf8(const struct buf *bytes, size_t at, struct err *err)
{
    size_t line = 1, begin = 0;
    for (size_t i = 0; i < at; i++) {
        uint8_t c = bytes->data[i];
        if (c == '\n' || (c == '\r' && bytes->data[i + 1] != '\n')) {
            line++;
            begin = i + 1;
        }
    }
    return err_set(err, ERR_INVALID,
                   "the file is not UTF-8 (line %zu, byte %zu: 0x%02X). Name its encoding, by --encoding or in the "
                   "mapping file: %s",
                   line, at - begin + 1, bytes->data[at], KNOWN);
}

int
encoding_settle(struct buf *bytes, enum encoding named, enum encoding *ret, size_t *ret_skip, struct err *err)
{
    const uint8_t *b = bytes->data;
    size_t look = bytes->len < UTF16_LOOK ? bytes->len : UTF16_LOOK;
    *ret_skip = 0;
    *ret = named;
    if (bytes->len >= 3 && b[0] == 0xef && b[1] == 0xbb && b[2] == 0xbf) {
        *ret_skip = 3;
        *ret = named == ENCODING_UNNAMED ? ENCODING_UNNAMED : ENCODING_UTF8;
    } else if (is_utf16(named)) {
        *ret = ENCODING_UTF8;
        return from_utf16(bytes, named, err);
    }
    if (bytes->len >= 2 && ((b[0] == 0xff && b[1] == 0xfe) || (b[0] == 0xfe && b[1] == 0xff)))
        return err_set(err, ERR_INVALID, "the file is UTF-16: say --encoding UTF-16, or save it as “CSV UTF-8”");
    if (look > 0 && memchr(b, 0, look))
        return err_set(
            err, ERR_INVALID,
            "the file is not text, or UTF-16 without a mark: say --encoding UTF-16, or save it as “CSV UTF-8”");
    if (*ret == ENCODING_UNNAMED) {
        size_t at = utf8_valid(b, bytes->len);
        if (at < bytes->len)
            return not_utf8(bytes, at, err);
        *ret = ENCODING_UTF8;
    }
    return 0;
}

/* ---- a piece of it ---- */

int
decoder_init(struct decoder *d, enum encoding from, struct err *err)
{
    memset(d, 0, sizeof(*d));
    d->from = from;
    if (from == ENCODING_UTF8 || from == ENCODING_UNNAMED)
        return 0;
    iconv_t cd = iconv_open("UTF-8", NAMES[from].iconv);
    if (cd == (iconv_t)-1)
        return err_set(err, ERR_INVALID, "this system's iconv does not know %s", NAMES[from].name);
    for (int c = 0; c < 256; c++) {
        char byte = (char)c, *in = &byte, *out = d->text[c];
        size_t left = 1, space = sizeof(d->text[c]);
        iconv(cd, NULL, NULL, NULL, NULL);
        bool known = iconv(cd, &in, &left, &out, &space) == 0;
        d->len[c] = known ? (uint8_t)(sizeof(d->text[c]) - space) : 0;
        if (d->len[c] == 2 && (uint8_t)d->text[c][0] == 0xc2 && (uint8_t)d->text[c][1] < 0xa0)
            d->len[c] = 0;
    }
    iconv_close(cd);
    return 0;
}

static void
put_utf8(struct slice bytes, struct buf *out, size_t *ret_bad)
{
    size_t at = 0;
    while (at < bytes.len) {
        size_t n = utf8_valid(bytes.data + at, bytes.len - at);
        buf_put(out, bytes.data + at, n);
        at += n;
        if (at == bytes.len)
            break;
        if (*ret_bad == SIZE_MAX)
            *ret_bad = at;
        buf_put(out, REPLACEMENT, strlen(REPLACEMENT));
        at++;
    }
}

void
decoder_put(const struct decoder *d, struct slice bytes, struct buf *out, size_t *ret_bad)
{
    *ret_bad = SIZE_MAX;
    if (d->from == ENCODING_UTF8 || d->from == ENCODING_UNNAMED) {
        put_utf8(bytes, out, ret_bad);
        return;
    }
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t c = bytes.data[i];
        if (d->len[c] > 0) {
            buf_put(out, d->text[c], d->len[c]);
            continue;
        }
        if (*ret_bad == SIZE_MAX)
            *ret_bad = i;
        buf_put(out, REPLACEMENT, strlen(REPLACEMENT));
    }
}
