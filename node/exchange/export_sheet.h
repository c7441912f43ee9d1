/* One file of an export: a row of named columns is filled in and written as a line of CSV or an object of NDJSON, in the form that the
 * import reads (docs/FILES.md). A cell of CSV that a spreadsheet would take for a formula gets an apostrophe in front. Holds personal data in
 * its memory, wiped by sheet_close. One thread. */
#ifndef SMARTNODE_EXCHANGE_EXPORT_SHEET_H
#define SMARTNODE_EXCHANGE_EXPORT_SHEET_H

#include <stdio.h>

#include "node/exchange/export.h"
#include "node/exchange/import.h"

struct sheet {
    FILE *to; /* borrowed */
    enum export_form form;
    const enum import_column *columns; /* of the file, in their order; borrowed */
    size_t n_columns;
    struct buf texts, line;
    struct {
        bool has;
        uint8_t kind; /* private to export_sheet.c */
        size_t at;
        int64_t value;
    } cells[IMPORT_COLUMNS];
    uint64_t rows;
};

/* Writes the header of a CSV file. ERR_IO. */
int sheet_open(struct sheet *s, FILE *to, enum export_form form, const enum import_column *columns, size_t n,
               struct err *err) NODISCARD;
void sheet_close(struct sheet *s);
/* Cells of the row being filled; an empty text is an empty cell. Copied. */
void sheet_text(struct sheet *s, enum import_column column, const char *text);
void sheet_id(struct sheet *s, enum import_column column, const uint8_t id[ID_BYTES]);
void sheet_date(struct sheet *s, enum import_column column, struct civil_date d); /* DATE_NONE: empty */
void sheet_int(struct sheet *s, enum import_column column, int64_t v);
void sheet_bool(struct sheet *s, enum import_column column, bool v);
/* Decimals of the currency in CSV, minor units in the next column's name in NDJSON. */
void sheet_money(struct sheet *s, enum import_column column, int64_t minor, const char *currency);
/* Percent in CSV, basis points in the next column's name in NDJSON. */
void sheet_rate(struct sheet *s, enum import_column column, uint32_t bp);
/* Writes the row and empties it. ERR_IO, ERR_FULL, ERR_NOMEM. */
int sheet_row(struct sheet *s, struct err *err) NODISCARD;

#endif
