/* Importing members: what a row says, what is to be written for it, and the run over a file. Rules of the columns:
 * docs/OPERATIONS.md "Import". The same rows go to a data directory (engine) or to a running node (HTTP): struct import_target.
 * Safe to run again: what is there already is skipped, what an interrupted run left out is completed. One thread. */
#ifndef SMARTNODE_HOST_IMPORT_H
#define SMARTNODE_HOST_IMPORT_H

#include "node/api/api.h"
#include "node/command/command.h"
#include "node/host/table.h"

enum import_column {
    COLUMN_MEMBER_NO,
    COLUMN_TYPE,
    COLUMN_CATEGORY,
    COLUMN_GIVEN_NAME,
    COLUMN_FAMILY_NAME,
    COLUMN_LEGAL_NAME,
    COLUMN_BIRTH_DATE,
    COLUMN_LANGUAGE,
    COLUMN_EMAIL,
    COLUMN_PHONE,
    COLUMN_STREET,
    COLUMN_POSTCODE,
    COLUMN_CITY,
    COLUMN_COUNTRY,
    COLUMN_IBAN,
    COLUMN_OFFICE,
    COLUMN_APPLIED_ON,
    COLUMN_ADMITTED_ON,
    COLUMN_REFUSED_ON,
    COLUMN_SHARES,
    COLUMN_LEFT_ON,
    COLUMN_LEFT_REASON,
    IMPORT_COLUMNS
};
extern const char *const import_column_names[IMPORT_COLUMNS];
/* The same for a table, in this order. */
extern const struct table_column import_columns[IMPORT_COLUMNS];

/* At most application, admission, request and grant of a withdrawal. */
enum { IMPORT_STEPS_MAX = 4 };
struct import_step {
    enum member_action action;
    struct civil_date on;
};

/* A row as understood. Holds personal data: wipe. */
struct import_row {
    char member_no[PERSON_TEXT_MAX + 1];
    uint8_t type, category;
    uint64_t shares;
    char office[NAME_BYTES_MAX + 1];
    struct person_input person;
    size_t n_steps; /* 1 … IMPORT_STEPS_MAX */
    struct import_step steps[IMPORT_STEPS_MAX];
};

/* All that can be said of a row by itself: the record that t gave last. ERR_INVALID with the column in field. member_no is filled as far as it is known. */
int import_row_read(const struct table_reader *t, const struct table_record *r, struct civil_date today,
                    struct import_row *ret, struct err *err) NODISCARD;
/* Column that a field of an operation's error comes from ("person_type" → "type"). */
const char *import_field(const char *field);

/* Compares a row with the member of its number as the register has it. *ret_next: the first step that is still to be written,
 * n_steps if none. ERR_CONFLICT names the column that contradicts the register. */
int import_compare(const struct import_row *row, const struct office_id *office, const struct member_row *have,
                   size_t *ret_next, struct err *err) NODISCARD;

/* The operation of a step. subject: NULL before there is one. */
void import_op(const struct import_row *row, size_t step, const struct office_id *office,
               const struct subject_id *subject, struct api_op *ret);

struct import_office {
    char text[NAME_BYTES_MAX + 1]; /* as the file has it */
    struct office_id id;
    bool open;
    struct civil_date closed_on;
};

/* A row on its way into the register. */
struct import_job {
    uint64_t number;
    struct import_row row;
    const struct import_office *office;
    bool has_subject;
    struct subject_id subject;
    size_t next;    /* step */
    struct err err; /* rejected, and why */
    char *raw;      /* the row for the file of rejected ones; heap */
};

/* Where rows go. Functions return an error only if the import cannot go on; what is wrong with one row stands in its job. */
struct import_target {
    void *arg;
    struct civil_date today;
    /* The member of a number. Row is to be released if found. */
    int (*find)(void *arg, const char *number, bool *ret_found, struct member_row *ret, struct err *err);
    /* ERR_NOTFOUND, ERR_INVALID, ERR_CONFLICT (field office) reject the row; ret->text is set by the caller. */
    int (*office)(void *arg, const char *text, struct import_office *ret, struct err *err);
    /* Whether the unit has a share price on that day; NULL = not known here. */
    bool (*priced)(void *arg, struct civil_date on);
    /* Carries out the steps from `next` on of all jobs, in order. The jobs' next says how far it came. */
    int (*run)(void *arg, struct import_job *jobs, size_t n, struct err *err);
};

struct import_options {
    const char *file;
    const char *rejected; /* NULL: beside the file */
    const char *mapping;  /* file; NULL: none */
    /* 0: as the mapping says, or found out (table.h) */
    enum encoding encoding;
    enum table_format format;
    char delimiter;
    bool dry_run;
    size_t group_rows; /* carried out together; 0 = 2,048, more is as that */
    void (*progress)(void *arg, uint64_t done, uint64_t total, uint64_t rows);
    void *progress_arg;
};

struct import_result {
    uint64_t rows, imported, completed, there, rejected, events;
    char rejected_file[4096]; /* empty: none was written */
};

/* Reads and imports a file. Rejected rows do not fail it. On an error *ret says how far it came; all that it counts is durable. */
int import_run(const struct import_options *o, const struct import_target *t, struct import_result *ret,
               struct err *err) NODISCARD;

#endif
