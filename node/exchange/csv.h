/* Reading CSV: RFC 4180 with strict quoting; comma, semicolon (what spreadsheets write where the comma is decimal) or tab; lines end in
 * LF, CRLF or CR. A row that cannot be read does not end the reading: it is returned with its error, and the next one begins on the
 * line after the one where it began, so that one open quote costs one row. Works on bytes of any encoding in which the signs of CSV
 * are those of ASCII; knows nothing of what the columns mean. One thread. */
#ifndef SMARTNODE_EXCHANGE_CSV_H
#define SMARTNODE_EXCHANGE_CSV_H

#include "proto/base/bytes.h"

enum {
    CSV_FIELDS_MAX = 256,
    CSV_ROW_BYTES_MAX = 65536, /* a quote that is open for longer was never closed */
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

/* Over bytes that are borrowed until free. delimiter 0: the one that stands most often outside quotes in the first line, comma before
 * semicolon before tab; a first line "sep=;", as a spreadsheet writes it, names it and is no record. ERR_NOMEM. */
int csv_reader_new(struct slice bytes, char delimiter, struct csv_reader **ret, struct err *err) NODISCARD;
/* Next record; borrowed until the next call. Empty lines are no records. ERR_NOTFOUND at the end (err is not set), ERR_NOMEM. */
int csv_reader_next(struct csv_reader *r, struct csv_record *ret, struct err *err) NODISCARD;
void csv_reader_free(struct csv_reader **r); /* wipes */
char csv_reader_delimiter(const struct csv_reader *r);
uint64_t csv_reader_offset(const struct csv_reader *r); /* bytes read */

#endif
