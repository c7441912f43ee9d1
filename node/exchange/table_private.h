/* What table.c (the file and its records) and table_columns.c (names and texts) share. */
#ifndef SMARTNODE_EXCHANGE_TABLE_PRIVATE_H
#define SMARTNODE_EXCHANGE_TABLE_PRIVATE_H

#include "node/exchange/csv.h"
#include "node/exchange/table.h"

enum { TITLES_MAX = CSV_FIELDS_MAX, FOLDED_TITLE_MAX = 2 * COLUMN_TITLE_MAX };

/* A column as the file calls it. */
struct title {
    char *text;
    uint64_t columns; /* of ours that it feeds */
    bool of_error;    /* of an earlier refusal */
    bool unnamed;
};

struct table_reader {
    struct table_options o;
    struct buf bytes;
    size_t skip; /* mark of UTF-8 */
    enum table_format format;
    struct decoder decoder;
    bool recoded;
    struct value_rules rules;
    /* by column of ours */
    char *wanted[TABLE_COLUMNS_MAX]; /* folded name in the file */
    bool has_values[TABLE_COLUMNS_MAX];
    const char *defaults[TABLE_COLUMNS_MAX];
    uint64_t mapped;
    /* by column of the file; for NDJSON those met so far */
    struct title titles[TITLES_MAX];
    size_t n_titles;
    bool drops; /* a column of_error is there */
    char *header;
    struct csv_reader *csv;
    struct csv_record rec;
    /* NDJSON */
    size_t at;
    uint64_t line, number;
    struct slice raw;
    size_t n_fields, n_errors;
    /* the record being read */
    struct buf scratch, text;
    size_t starts[TABLE_COLUMNS_MAX];
    uint64_t seen; /* of ours */
    struct table_record out;
};

/* What the mapping says of our columns. ERR_INVALID, ERR_NOMEM. */
int table_columns_init(struct table_reader *t, struct err *err) NODISCARD;
void table_columns_release(struct table_reader *t);
/* Names of a CSV header. */
int table_header_read(struct table_reader *t, struct err *err) NODISCARD;
/* Of ours that a name in the file feeds; 0 if none. */
uint64_t table_columns_of(const struct table_reader *t, const char *title);

void table_record_begin(struct table_reader *t);
/* Takes a text of the file, in UTF-8, for each of the columns; bad: where its bytes were none, or SIZE_MAX. */
int table_record_put(struct table_reader *t, uint64_t columns, struct slice text, bool is_number,
                     struct err *err) NODISCARD;
/* Defaults and pointers. */
void table_record_end(struct table_reader *t);
/* Name of the first of the columns; "" if there is none. */
const char *table_first_name(const struct table_reader *t, uint64_t columns);

#endif
