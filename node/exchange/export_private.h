/* What the files of an export share. Private to node/exchange/export*.c. */
#ifndef SMARTNODE_EXCHANGE_EXPORT_PRIVATE_H
#define SMARTNODE_EXCHANGE_EXPORT_PRIVATE_H

#include "node/exchange/export_sheet.h"

struct exporter {
    struct datadir *d;
    struct db_txn *txn;
    struct command_ctx ctx; /* on txn, to look */
    struct sheet sheet;     /* the file being written */
    uint64_t nameless;
    const struct export_options *o; /* NULL: one file alone */
    const char *file;
};

/* One file: its columns, and what writes its rows into x->sheet. */
struct export_file {
    const char *name;
    enum table_type type;
    size_t n_columns;
    enum import_column columns[IMPORT_COLUMNS];
    int (*write)(struct exporter *x, struct err *err);
};
extern const struct export_file export_members_file, export_operations_file, export_shares_file, export_units_file,
    export_offices_file, export_activities_file, export_invoices_file, export_periods_file, export_postings_file;

/* sheet_row, and the progress. */
int export_row(struct exporter *x, struct err *err) NODISCARD;
/* Whether a class of a member of the unit is restricted: it is left out of every file. */
int export_hides(struct exporter *x, const struct subject_id *member, uint8_t class, bool *ret,
                 struct err *err) NODISCARD;
/* Takes out of p what is restricted; which classes that is, bit class − 1. */
uint16_t export_hide(const struct member_row *row, struct person_input *p);
void export_person(struct exporter *x, const struct person_input *p);

#endif
