/* The mapping file of an import: how a unit's own export says what the columns of this program say. An ini file, docs/OPERATIONS.md
 * "Import", ops/import-mapping.sample:
 *
 *   [file]       type, format, encoding, delimiter, date, decimal, empty
 *   [columns]    our_name = Their Name         once each; two of ours may have one of theirs
 *   [values.our_name]   ours = Theirs          any number; exact, but for outer spaces
 *   [defaults]   our_name = text               where the field is empty or there is no such column
 *   [ignore]     column = Their Name           or * for all that nothing else names
 *
 * Names of columns are compared without case and outer spaces. An unknown key is an error with its line. Read only once loaded: any
 * thread. */
#ifndef SMARTNODE_EXCHANGE_MAPPING_H
#define SMARTNODE_EXCHANGE_MAPPING_H

#include "node/exchange/encoding.h"
#include "node/exchange/values.h"

/* What a file tells of. */
enum table_type {
    TABLE_OF_ANYTHING,
    TABLE_OF_MEMBERS,
    TABLE_OF_SHARES,
    TABLE_OF_ACTIVITIES,
    TABLE_OF_INVOICES,
    TABLE_OF_OPERATIONS,
    TABLE_OF_UNIT,
    TABLE_OF_OFFICES,
    TABLE_OF_PERIODS,
    TABLE_OF_POSTINGS,
};
enum table_format { TABLE_FORMAT_ANY, TABLE_CSV, TABLE_NDJSON };

enum {
    MAPPING_BYTES_MAX = 262144,
    MAPPING_LINE_MAX = 190, /* bytes; what libinih reads of one */
    MAPPING_KEY_MAX = 48,   /* bytes of a key or section; the same */
    MAPPING_ENTRIES_MAX = 4096,
    COLUMN_TITLE_MAX = 200, /* bytes of a column's name, with NUL */
};

struct mapping;

/* [file]; what is not said is 0. */
struct mapping_file {
    enum table_type type;
    enum table_format format;
    enum encoding encoding;
    char delimiter;
    struct value_rules rules;
};

/* "members", "shares", "activities", "invoices", "operations", "unit", "offices", "periods", "postings"; ERR_INVALID lists them. */
int table_type_parse(const char *text, enum table_type *ret, struct err *err) NODISCARD;
const char *table_type_name(enum table_type type); /* "any" for none */
/* "csv", "ndjson". */
int table_format_parse(const char *text, enum table_format *ret, struct err *err) NODISCARD;
/* "comma", "semicolon", "tab", or the character itself. */
int table_delimiter_parse(const char *text, char *ret, struct err *err) NODISCARD;

/* ERR_NOTFOUND, ERR_IO, ERR_LIMIT, ERR_NOMEM; ERR_INVALID: "be.mapping line 7: …", with the key in field. The names of our columns are
 * not checked here: mapping_check. */
int mapping_load(const char *path, struct mapping **ret, struct err *err) NODISCARD;
/* The same over a text that ends in NUL; name stands in errors. */
int mapping_parse(const char *text, const char *name, struct mapping **ret, struct err *err) NODISCARD;
void mapping_free(struct mapping **m);

/* Every accessor takes NULL as an empty mapping. */
const struct mapping_file *mapping_file(const struct mapping *m);
/* ERR_INVALID with the line of the first of our names that is not among columns[0 … n − 1]. */
int mapping_check(const struct mapping *m, const char *const *columns, size_t n, struct err *err) NODISCARD;
/* Their name of our column; NULL if the mapping has none. Borrowed, as all below. */
const char *mapping_theirs(const struct mapping *m, const char *column);
/* Our value for theirs in a column; NULL if it is not listed, then theirs stands. */
const char *mapping_value(const struct mapping *m, const char *column, const char *theirs);
bool mapping_has_values(const struct mapping *m, const char *column); /* any listed */
const char *mapping_default(const struct mapping *m, const char *column);
bool mapping_ignores(const struct mapping *m, const char *title);
/* Whether a text stands for an empty field (empty = NULL). */
bool mapping_is_empty(const struct mapping *m, const char *text);

#endif
