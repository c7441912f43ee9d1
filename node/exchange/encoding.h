/* The encodings that registers export in, to UTF-8. Tables by iconv(3). A decoder is a value and read only once made: any thread. */
#ifndef SMARTNODE_EXCHANGE_ENCODING_H
#define SMARTNODE_EXCHANGE_ENCODING_H

#include "proto/base/bytes.h"

enum encoding {
    ENCODING_UNNAMED, /* UTF-8, and a file that is not is refused */
    ENCODING_UTF8,    /* named: what is not UTF-8 is an error of its row */
    ENCODING_WINDOWS_1252,
    ENCODING_WINDOWS_1250,
    ENCODING_LATIN_1,
    ENCODING_LATIN_2,
    ENCODING_LATIN_9,
    ENCODING_UTF16, /* by its mark, without one little-endian */
    ENCODING_UTF16LE,
    ENCODING_UTF16BE,
};

/* "UTF-8", "windows-1252" (cp1252), "windows-1250" (cp1250), "ISO-8859-1" (latin-1), "ISO-8859-2" (latin-2), "ISO-8859-15"
 * (latin-9), "UTF-16", "UTF-16LE", "UTF-16BE"; case, hyphens, underscores and spaces do not count. ERR_INVALID lists them. */
int encoding_parse(const char *name, enum encoding *ret, struct err *err) NODISCARD;
const char *encoding_name(enum encoding e); /* as first above */

/* Settles the encoding of a whole file: a mark of UTF-8 at its begin goes before what was named; UTF-16 is turned into UTF-8, a
 * broken character of it into U+FFFD. *ret_skip: bytes of the mark that are left at the begin. ERR_INVALID, with what to do:
 * UTF-16 or no text where something else was named or nothing; not UTF-8 where nothing was named, with line and byte. ERR_LIMIT of the
 * buffer, ERR_NOMEM. */
int encoding_settle(struct buf *bytes, enum encoding named, enum encoding *ret, size_t *ret_skip,
                    struct err *err) NODISCARD;

struct decoder {
    enum encoding from;
    uint8_t len[256]; /* of the text of a byte; 0 = the encoding has no such character */
    char text[256][4];
};

/* What encoding_settle gave. ERR_INVALID if the system's iconv does not know it. */
int decoder_init(struct decoder *d, enum encoding from, struct err *err) NODISCARD;
/* Appends the text in UTF-8, each byte that is none as U+FFFD. *ret_bad: the first of those, from 0, else SIZE_MAX. Single-byte
 * encodings have no control characters of 0x80 … 0x9F here: such a byte is of another encoding. */
void decoder_put(const struct decoder *d, struct slice bytes, struct buf *out, size_t *ret_bad);

/* Where text stops being UTF-8 (RFC 3629); len if nowhere. */
size_t utf8_valid(const uint8_t *text, size_t len);

#endif
