/* Importing: what a row of a file says, what is to be written for it, and the run over a file. docs/FILES.md says what the files are,
 * docs/OPERATIONS.md "Import" how they may be written. One table for each type of file (struct import_type): its columns, how a row of
 * it is read, how it is compared with the register, and which operation a step of it is. The same rows go to a data directory (engine) or
 * to a running node (HTTP): struct import_target. Safe to run again: what is there already is skipped, what an interrupted run left out
 * is completed. One thread. */
#ifndef SMARTNODE_EXCHANGE_IMPORT_H
#define SMARTNODE_EXCHANGE_IMPORT_H

#include "node/api/api.h"
#include "node/command/command.h"
#include "node/exchange/table.h"
#include "node/rules/entry.h"
#include "proto/base/map.h"

/* The columns of all files; a type has some of them. Those of members come first, in the order of their file. */
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
    IMPORT_MEMBER_COLUMNS,
    COLUMN_ID = IMPORT_MEMBER_COLUMNS,
    COLUMN_OP,
    COLUMN_EFFECTIVE_ON,
    COLUMN_PERSON_TYPE,
    COLUMN_SHARE_PRICE,
    COLUMN_SHARE_PRICE_MINOR,
    COLUMN_AMOUNT,
    COLUMN_AMOUNT_MINOR,
    COLUMN_CURRENCY,
    COLUMN_OTHER,
    COLUMN_PURPOSE,
    COLUMN_TEXT_VERSION,
    COLUMN_NOTE,
    COLUMN_NUMBER,
    COLUMN_ACTIVITY,
    COLUMN_ACTIVITY_NO,
    COLUMN_SECTOR,
    COLUMN_CULTURE,
    COLUMN_TEXT,
    COLUMN_OPENED_ON,
    COLUMN_CLOSED_ON,
    COLUMN_INVOICE,
    COLUMN_INVOICE_NO,
    COLUMN_CREDITS_NO,
    COLUMN_DATE,
    COLUMN_RATE,
    COLUMN_RATE_BP,
    COLUMN_CONTRIBUTION,
    COLUMN_CONTRIBUTION_MINOR,
    COLUMN_CLIENT,
    COLUMN_CLIENT_NUMBER,
    COLUMN_CANCELLED,
    COLUMN_NAME,
    COLUMN_LANGUAGES,
    COLUMN_TIME_ZONE,
    COLUMN_YEAR,
    COLUMN_FIGURE,
    COLUMN_VALUE,
    COLUMN_POSTING,
    COLUMN_REFERENCE,
    COLUMN_FROM,
    COLUMN_TO,
    COLUMN_MEMBER_UNIT,
    IMPORT_COLUMNS
};
extern const char *const import_column_names[IMPORT_COLUMNS];

/* What a step does: an action about a member, or one of these. */
enum import_verb {
    VERB_MEMBER_LAST = ACTION_WITHDRAW_CONSENT,
    VERB_MERGE,
    VERB_MOVED, /* what another unit has part in: recorded as a resignation, an admission, a resignation */
    VERB_ARRIVED,
    VERB_DOUBLE,
    VERB_ACTIVITY_OPEN,
    VERB_ACTIVITY_CHANGE,
    VERB_ACTIVITY_CLOSE,
    VERB_INVOICE,
    VERB_CREDIT,
    VERB_CANCEL_INVOICE,
    VERB_UNIT,
    VERB_OFFICE_OPEN,
    VERB_OFFICE_CHANGE,
    VERB_OFFICE_CLOSE,
    VERB_PERIOD,
    VERB_POSTING_ISSUE,
    VERB_POSTING_CHANGE,
};
/* As files and batches spell it ("member.admit"); "" for what has no name there. */
const char *import_verb_name(unsigned verb);

/* At most application, admission, request and grant of a withdrawal. */
enum { IMPORT_STEPS_MAX = 4 };
struct import_step {
    unsigned verb;
    struct civil_date on;
};

/* A row as understood; what it does not have is empty. Holds personal data: wipe. */
struct import_row {
    enum table_type type;
    /* members */
    bool has_id;
    struct subject_id id;
    char member_no[PERSON_TEXT_MAX + 1];
    uint8_t person_type, category;
    bool has_shares, has_price, has_amount, has_other;
    uint64_t shares;
    int64_t share_price_minor, amount_minor;
    char currency[CURRENCY_MAX];
    char office[NAME_BYTES_MAX + 1];
    struct person_input person;
    struct subject_id other;
    struct consent consent;
    struct person_note note;
    uint64_t share_number;
    /* work */
    bool by_entry; /* an activity entry by entry */
    bool has_entity, has_activity, has_sector, has_culture, culture, has_rate, has_contribution, cancelled;
    char member_unit[UNIT_CODE_MAX];    /* an activity: of the member, where it is another one; "" */
    struct subject_id entity, activity; /* entity: an activity, invoice, posting or office */
    uint16_t sector;
    uint32_t rate_bp;
    int64_t contribution_minor;
    struct person_text number, activity_no, credits_no, text, client, client_number;
    /* postings: the host's, the last day */
    char country[3];
    struct civil_date to;
    /* places */
    struct unit_described unit;
    struct office_facts place;
    /* closed years: a row is one figure; the year is carried out with the last of its rows, which has them all (borrowed) */
    uint16_t year;
    struct period_figure figure;
    const struct period_figure *figures;
    size_t n_figures;
    unsigned moved; /* VERB_MOVED, VERB_ARRIVED, VERB_DOUBLE where the file says so of the admission or leaving; 0 */
    size_t n_steps; /* 1 … IMPORT_STEPS_MAX */
    struct import_step steps[IMPORT_STEPS_MAX];
};

/* Name of somebody in an export who has none any more, or none that may be shown: nothing that another could contradict. */
#define IMPORT_NO_NAME "(no name)"

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
    const struct import_office *office; /* NULL: none named */
    /* What the register has of it, or what the steps so far have made: the member, activity, invoice, posting or office. */
    bool has_subject;
    struct subject_id subject;
    bool found;      /* has_subject, before any step of this run */
    bool has_member; /* whose activity or posting it is */
    struct subject_id member;
    bool has_activity; /* that an invoice is of */
    struct subject_id activity;
    struct position at; /* event of the last step, or what a cancellation cancels */
    uint8_t key[32];    /* of what the row says, and which of several equal ones it is */
    size_t next;        /* step */
    size_t events;      /* written in this run */
    struct err err;     /* rejected, and why */
    char *raw;          /* the row for the file of rejected ones; heap */
};

/* Where rows go. Functions return an error only if the import cannot go on; what is wrong with one row stands in its job. */
struct import_target {
    void *arg;
    struct civil_date today;
    /* Before a file: reads the unit's description anew. needs_unit: ERR_CONFLICT if there is none. */
    int (*begin)(void *arg, bool needs_unit, struct err *err);
    /* A look at the register, up to release or run. NULL: it cannot be looked into; then find serves members, and other rows are carried
     * out as they stand. */
    int (*view)(void *arg, const struct command_ctx **ret, struct err *err);
    void (*release)(void *arg);
    /* The member of a number, without a view. Row is to be released if found. */
    int (*find)(void *arg, const char *number, bool *ret_found, struct member_row *ret, struct err *err);
    /* ERR_NOTFOUND, ERR_INVALID, ERR_CONFLICT (field office) reject the row; ret->text is set by the caller. */
    int (*office)(void *arg, const char *text, struct import_office *ret, struct err *err);
    /* What is described of the unit on that day; false: nothing. */
    bool (*unit)(void *arg, struct civil_date on, struct unit_described *ret);
    /* Carries out the steps from `next` on of all jobs, in order. The jobs' next says how far it came. */
    int (*run)(void *arg, struct import_job *jobs, size_t n, struct err *err);
    /* Ends the file: what was carried out becomes durable, or, in a rehearsal, is taken back. */
    int (*end)(void *arg, struct err *err);
    size_t
        group_rows; /* carried out together, activities, invoices and postings always so; 1: rows see what those before them wrote */
};

/* What an import of several files remembers: which numbers it has made records of, and how often it has met equal rows. */
struct import_memory {
    struct map numbers; /* key of a number of one kind → struct import_seen */
    struct map equals;  /* hash of a row of this file → uint64_t */
    uint64_t files, groups;
};
struct import_seen {
    uint64_t file, row; /* that brought it; 0 = it was looked up */
    uint64_t group;     /* in which a row about it waits to be carried out */
    bool made;          /* subject is known */
    struct subject_id subject;
};
void import_memory_init(struct import_memory *m);
void import_memory_release(struct import_memory *m);

struct import_options {
    const char *file;
    const char *rejected; /* NULL: beside the file */
    const char *mapping;  /* file; NULL: none */
    enum table_type type; /* 0: as the mapping or the first line says */
    /* 0: as the mapping says, or found out (table.h) */
    enum encoding encoding;
    enum table_format format;
    char delimiter;
    struct import_memory *memory; /* of the files before; NULL: there were none */
    size_t group_rows;            /* for tests; 0 = as the target says */
    void (*progress)(void *arg, uint64_t done, uint64_t total, uint64_t rows);
    void *progress_arg;
};

struct import_result {
    enum table_type type;
    uint64_t rows, imported, completed, there, rejected, events;
    char rejected_file[4096]; /* empty: none was written */
};

/* Reads and imports a file. Rejected rows do not fail it. On an error *ret says how far it came. */
int import_run(const struct import_options *o, const struct import_target *t, struct import_result *ret,
               struct err *err) NODISCARD;

/* ---- what the types are made of ---- */

/* A record with its columns by their names of ours. */
struct import_cells {
    const struct table_reader *table;
    const struct table_record *record;
    uint8_t local[IMPORT_COLUMNS]; /* index among the file's columns; 255: none */
    const struct import_target *target;
};
const char *cell(const struct import_cells *c, enum import_column column); /* "" if absent */
/* An empty cell is DATE_NONE, or has = false. Errors name the column. */
int cell_date(const struct import_cells *c, enum import_column column, struct civil_date *ret,
              struct err *err) NODISCARD;
int cell_uint(const struct import_cells *c, enum import_column column, bool *ret_has, uint64_t *ret,
              struct err *err) NODISCARD;
int cell_bool(const struct import_cells *c, enum import_column column, bool *ret_has, bool *ret,
              struct err *err) NODISCARD;
int cell_id(const struct import_cells *c, enum import_column column, bool *ret_has, struct subject_id *ret,
            struct err *err) NODISCARD;
/* In `column` as a decimal number, or in the one behind it as minor units. */
int cell_money(const struct import_cells *c, enum import_column column, const char *currency, bool *ret_has,
               int64_t *ret, struct err *err) NODISCARD;
/* Cleaned: text_clean. */
int cell_text(const struct import_cells *c, enum import_column column, char *ret, size_t cap,
              struct err *err) NODISCARD;
int cell_office(const struct import_cells *c, char ret[NAME_BYTES_MAX + 1], struct err *err) NODISCARD;
/* The columns of a person; has_identity and so on where any of them is filled in. The person is not checked. */
int cell_person(const struct import_cells *c, struct person_input *ret, struct err *err) NODISCARD;
/* Currency of the column, else the unit's on that day; empty if neither is known. */
int cell_currency(const struct import_cells *c, struct civil_date on, char ret[CURRENCY_MAX],
                  struct err *err) NODISCARD;

/* NULL: no such number (not UTF-8, nothing in it), or out of memory. add makes an entry. */
struct import_seen *import_memory_find(struct import_memory *m, enum import_column kind, const char *number, bool add);

struct import_match {
    const struct import_target *target;
    const struct command_ctx *ctx; /* NULL: nothing can be looked at */
    struct import_memory *memory;
    uint64_t nth; /* among the rows of this file that say the same: 1, 2, … */
};

struct import_type {
    enum table_type type;
    bool needs_unit;
    size_t n_columns;
    struct {
        uint8_t column; /* enum import_column */
        bool required;
    } columns[TABLE_COLUMNS_MAX];
    /* All that can be said of a row by itself. ERR_INVALID and ERR_LIMIT with the column. */
    int (*read)(const struct import_cells *c, struct import_row *ret, struct err *err);
    /* Compares with the register: subject, and next = the first step still to be written, n_steps if all is there. ERR_CONFLICT names the
     * column that contradicts; ERR_NOTFOUND one that names what is not there. */
    int (*match)(struct import_match *m, struct import_job *job, struct err *err);
    /* Whether a row goes with the one before it: then they are carried out together, by the last of them. NULL: never. */
    bool (*together)(const struct import_row *before, const struct import_row *row);
    /* The operation of the next step; ret is zeroed. */
    void (*op)(const struct import_job *job, struct api_op *ret);
};
extern const struct import_type import_members, import_shares, import_activities, import_invoices, import_operations,
    import_units, import_offices, import_periods, import_postings;
const struct import_type *import_type_of(enum table_type type);
/* From the first bytes of a file; TABLE_OF_ANYTHING: they do not tell. */
enum table_type import_type_guess(struct slice head);

/* The member that a row names by id, or else by number. *ret_found = false: nobody. with_row: ret is to be released if found. */
int import_find_member(struct import_match *m, const struct import_row *row, bool *ret_found, struct subject_id *ret,
                       struct err *err) NODISCARD;
/* The same of a row that names one; job->has_member stays false if it names nobody. ERR_NOTFOUND: no member has it. */
int import_named_member(struct import_match *m, struct import_job *job, struct err *err) NODISCARD;
int import_member_row(struct import_match *m, const struct subject_id *subject, struct member_row *ret,
                      struct err *err) NODISCARD;
/* ERR_CONFLICT: the register has another text in that column. */
int import_contradicts(enum import_column column, struct err *err);

/* ---- finding activities, invoices and postings (import_find.c) ---- */

/* What tells entities of one kind apart. of_member: as work_of_member. same: whether the entity says what the row says; ERR_NOTFOUND if it is of
 * another kind. */
struct import_finding {
    enum import_column column; /* that has the number */
    enum index_field field;
    int (*of_member)(const struct command_ctx *ctx, const struct subject_id *member, const struct subject_id *after,
                     size_t max, struct subject_id *ret, size_t *ret_n, struct err *err);
    int (*same)(struct import_match *m, struct import_job *job, const struct subject_id *id, bool *ret,
                struct err *err);
};
/* Into job->subject: the id that the row gives, else who has its number, else the nth of job->member that says the same. */
int import_find_entity(struct import_match *m, struct import_job *job, const struct import_finding *f, bool *ret_found,
                       struct err *err) NODISCARD;
int import_find_nth(struct import_match *m, struct import_job *job, const struct subject_id *member,
                    const struct import_finding *f, bool *ret_found, struct err *err) NODISCARD;
/* ERR_NOTFOUND: nothing has the number. */
int import_find_number(struct import_match *m, enum import_column column, enum index_field field, const char *number,
                       struct subject_id *ret, struct err *err) NODISCARD;
/* Whether two records are one person: one that was merged into another is that one. */
int import_same_member(struct import_match *m, const struct subject_id *a, const struct subject_id *b, bool *ret,
                       struct err *err) NODISCARD;
/* What the capsule at a position says. *ret_known = false: it cannot be opened (erased), says nothing and differs in nothing. ret holds a name
 * otherwise and is to be wiped. */
int import_links(struct import_match *m, const struct subject_id *entity, const struct position *at, bool *ret_known,
                 struct activity_links *ret, struct err *err) NODISCARD;
/* Whether an entry is what a step of a row says, be it as it happened or as an import recorded it. */
bool import_step_entry(const struct import_row *row, unsigned verb, const struct member_entry *e);
/* The next entry of a kind that stands; SIZE_MAX: none. */
size_t import_standing(struct row_entries entries, uint16_t kind, size_t from);
/* The operation of a step about a member; the caller adds what the row says beyond. */
void import_member_op(const struct import_job *job, struct api_op *ret);
/* Column that a field of an operation's error comes from ("person_type" → "type"). */
const char *import_field(const struct import_job *job, const char *field);
/* Row and register, apart: for tests. */
int import_compare(const struct import_row *row, const struct office_id *office, const struct member_row *have,
                   size_t *ret_next, struct err *err) NODISCARD;

#endif
