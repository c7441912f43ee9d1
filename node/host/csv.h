/* Reading CSV files: RFC 4180 with strict quoting, comma or semicolon (what spreadsheets write where the comma is decimal), a header
 * row. A row that cannot be read does not end the reading: it is returned with its error, and the next one begins on the line after the
 * one where it began, so that one open quote costs one row. Knows nothing of what the columns mean. One thread. */
#ifndef SMARTNODE_HOST_CSV_H
#define SMARTNODE_HOST_CSV_H

#include "proto/base/bytes.h"

enum {
    CSV_FIELDS_MAX = 64,
    CSV_ROW_BYTES_MAX = 65536, /* a quote that is open for longer was never closed */
    CSV_FILE_BYTES_MAX = 1073741824,
};

struct csv_reader;

struct csv_record {
    uint64_t number;                    /* the header is 0 */
    uint64_t line;                      /* of the file where it begins, from 1 */
    uint64_t offset;                    /* byte of the file where it begins */
    struct slice raw;                   /* as it stands there, without the line's end */
    size_t n;                           /* fields */
    const char *fields[CSV_FIELDS_MAX]; /* end in NUL; a NUL inside is an error of the record */
    struct err
        err; /* code ERR_NONE, or why it cannot be read; then n is 0. field names the column of an open quote by number */
    size_t open_field; /* with err of an open quote: the field where it stands, from 0; else SIZE_MAX */
};

/* "-" is standard input. A UTF-8 mark is skipped. ERR_IO, ERR_NOTFOUND; ERR_INVALID: UTF-16, or no text at all, with what to do;
 * ERR_LIMIT: CSV_FILE_BYTES_MAX; ERR_NOMEM. */
int csv_reader_open(const char *path, struct csv_reader **ret, struct err *err) NODISCARD;
/* Over bytes that are copied. */
int csv_reader_new(struct slice bytes, struct csv_reader **ret, struct err *err) NODISCARD;
/* Next record; borrowed until the next call. Empty lines are no records. ERR_NOTFOUND at the end (err is not set), ERR_NOMEM. */
int csv_reader_next(struct csv_reader *r, struct csv_record *ret, struct err *err) NODISCARD;
void csv_reader_free(struct csv_reader **r); /* wipes */
char csv_reader_delimiter(const struct csv_reader *r);
uint64_t csv_reader_offset(const struct csv_reader *r); /* bytes read */
uint64_t csv_reader_bytes(const struct csv_reader *r);  /* of the file */

/* Whether text is UTF-8 throughout; control characters are text here. */
bool csv_utf8(const char *text, size_t len);

#endif
