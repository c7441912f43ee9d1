/* A file of records for an import, CSV or NDJSON alike: opened with the columns that the importer knows and the unit's mapping file,
 * it gives record after record as one text for each of those columns, in UTF-8 and in our words. What is wrong with one record stands
 * in that record and the reading goes on. Importers build on this header, values.h and rejects.h alone.
 *
 * What a text has gone through: decoded; outer white space off; an apostrophe that an export put before a formula off (CSV); "" if the
 * mapping calls it empty; the value of [values.column] if one is listed, else as it stands; if "", the text of [defaults]. A field that
 * is missing, empty or null is "". JSON: true and false as these words, a number as its digits stand in the file, a field of an
 * object in the object as "outer.inner".
 *
 * What is refused here, so that no importer need look: in a field of a known column bytes that the encoding does not have, U+FFFD (a
 * character lost on the way), control characters and line breaks, more than TABLE_TEXT_MAX bytes; too few or too many fields; in NDJSON
 * a field that nobody knows or that stands twice. Fields of ignored columns are not looked at.
 *
 * What is left to importers: whether a text may be empty, what it means, and (NDJSON, where no line names the columns) whether a field
 * is missing: it is "" as an empty one.
 *
 * Holds personal data in its memory, wiped by table_free. One thread. */
#ifndef SMARTNODE_EXCHANGE_TABLE_H
#define SMARTNODE_EXCHANGE_TABLE_H

#include "node/exchange/mapping.h"

enum {
    TABLE_COLUMNS_MAX = 64,
    TABLE_TEXT_MAX = 4096,
    TABLE_ROW_BYTES_MAX = 65536,
    TABLE_FILE_BYTES_MAX = 1073741824,
};

struct table_reader;

/* A column as the importer calls it: [a-z0-9_], as in the mapping file, errors and documents. */
struct table_column {
    const char *name;
    bool required; /* a CSV file must have it, unless the mapping gives it a default */
};

struct table_options {
    const char *file;                   /* "-" is standard input; also in errors */
    const struct table_column *columns; /* borrowed, as the mapping, until table_free */
    size_t n_columns;                   /* 1 … TABLE_COLUMNS_MAX */
    const struct mapping *mapping;      /* NULL: the file's columns have our names */
    /* These go before the mapping; 0 = as the mapping says, else found out: format by the name's end (.ndjson, .jsonl) or a first "{",
     * delimiter from the header. */
    enum encoding encoding;
    enum table_format format;
    char delimiter;
};

struct table_record {
    uint64_t number; /* from 1 */
    uint64_t line;   /* of the file where it begins, from 1 */
    struct err
        err; /* ERR_NONE; else ERR_INVALID or ERR_LIMIT, field = our column if it is of one: then every text is "" */
    const char *text[TABLE_COLUMNS_MAX]; /* by the index of options.columns, never NULL for those */
    uint64_t number_mask; /* bit c: text[c] is a JSON number as it stands, its decimal mark is the point */
};

/* Opens, settles encoding and format, reads the header. Errors, with what to do: ERR_NOTFOUND, ERR_IO, ERR_NOMEM; ERR_LIMIT: larger than
 * TABLE_FILE_BYTES_MAX; ERR_INVALID: see encoding_settle; a column of the mapping that is not among ours, with its line; in CSV a header
 * that cannot be read, a column that is unknown, stands twice, or is required or mapped and missing (field = our name, or theirs
 * where it is not known). */
int table_open(const struct table_options *o, struct table_reader **ret, struct err *err) NODISCARD;
/* Over bytes that are copied, for tests; o->file only names them. */
int table_open_bytes(const struct table_options *o, struct slice bytes, struct table_reader **ret,
                     struct err *err) NODISCARD;
void table_free(struct table_reader **t); /* wipes */

/* Next record; borrowed until the next call. Blank lines, and in NDJSON objects of error_ fields alone, are none. ERR_NOTFOUND at the
 * end (err is not set), ERR_NOMEM. */
int table_next(struct table_reader *t, const struct table_record **ret, struct err *err) NODISCARD;

/* The record that table_next gave last as it stands in the file, in UTF-8 (what is no character as U+FFFD), without the line's end and
 * without error_ columns of an earlier refusal: what rejects_put wants. Heap, the caller's to wipe and free; NULL: out of memory. */
char *table_raw(struct table_reader *t);

/* What the last record says in a column, read by the mapping's rules (values.h); the error names our column. */
int table_date(const struct table_reader *t, size_t column, struct civil_date *ret, struct err *err) NODISCARD;
int table_amount(const struct table_reader *t, size_t column, const char *currency, int64_t *ret_minor,
                 struct err *err) NODISCARD;
int table_uint(const struct table_reader *t, size_t column, uint64_t *ret, struct err *err) NODISCARD;
int table_percent(const struct table_reader *t, size_t column, uint32_t *ret_bp, struct err *err) NODISCARD;
int table_bool(const struct table_reader *t, size_t column, bool *ret, struct err *err) NODISCARD;

/* How the file calls a column of ours, for error_field; the name itself if it does not have it or the name is none of ours. Borrowed. */
const char *table_title(const struct table_reader *t, const char *column);
enum table_format table_format(const struct table_reader *t);
char table_delimiter(const struct table_reader *t); /* CSV */
/* The header of a CSV file as table_raw has records; "" for NDJSON. Borrowed. */
const char *table_header(const struct table_reader *t);
/* Whether the bytes of the file were something else than UTF-8 without a mark. */
bool table_was_recoded(const struct table_reader *t);
uint64_t table_offset(const struct table_reader *t); /* bytes read, of … */
uint64_t table_bytes(const struct table_reader *t);  /* … so many */

#endif
