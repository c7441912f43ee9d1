/* The file of rejected records: made when the first one comes, in the format of the file they were in, in UTF-8, with the fields
 * error_row, error_field (as that file calls it) and error_reason. It can be mended and imported again with the same mapping: those
 * fields are then passed over. A line of NDJSON that is no object is written as it stands, and behind it an object of error_ fields
 * alone. Holds personal data: mode 0600. One thread. */
#ifndef SMARTNODE_EXCHANGE_REJECTS_H
#define SMARTNODE_EXCHANGE_REJECTS_H

#include "node/exchange/table.h"

enum { REJECTS_PATH_MAX = 4096 };

struct rejects {
    const struct table_reader *table; /* borrowed */
    const char *file, *path;          /* borrowed */
    FILE *to;
    char made[REJECTS_PATH_MAX]; /* empty: none was written */
};

/* file: that of the records. path: where to, then overwritten; NULL: beside it as NAME.rejected.csv (or .ndjson), -2, -3 … where one
 * is there already, for somebody may be mending it. */
void rejects_init(struct rejects *r, const struct table_reader *table, const char *file, const char *path);
/* raw: from table_raw. why: code, field (a name of ours, or empty) and text. ERR_IO, ERR_FULL, ERR_NOMEM. */
int rejects_put(struct rejects *r, const char *raw, uint64_t number, const struct err *why, struct err *err) NODISCARD;
/* Closes. ERR_IO, ERR_FULL: what was written may be incomplete. */
int rejects_close(struct rejects *r, struct err *err) NODISCARD;

/* Whether a column is one of the three. */
bool rejects_column(const char *name);
/* Appends a field of CSV, in quotes where it needs them. */
void rejects_csv_field(struct buf *b, const char *text, char delimiter);

#endif
