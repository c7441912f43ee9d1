/* Read queries over one read transaction: members, offices, units, reports. Mirrors node/apply. Reports cost range reads over view
 * rows, never a walk over events. docs/STORAGE.md "Views". Any thread, each with its own transaction. */
#ifndef SMARTNODE_VIEW_H
#define SMARTNODE_VIEW_H

#include "node/rules/counting.h"
#include "node/rules/invoice.h"
#include "node/rules/member.h"
#include "node/rules/place.h"
#include "node/rules/posting.h"
#include "storage/evlog.h"
#include "storage/state.h"

/* Member by subject; unit NULL = the only unit that knows it. ERR_NOTFOUND; ERR_CONFLICT ("unit") if several do. ret is released
 * by the caller after success. */
int view_member(struct db_txn *txn, const struct subject_id *subject, const struct unit_id *unit,
                struct member_row *ret, struct err *err) NODISCARD;
/* Members of a unit in key order after `after` (NULL = start): fills up to max (fewer = the end). Rows
 * must be released after success. A row may hold void events alone: its state is then none. */
int view_members(struct db_txn *txn, const struct unit_id *unit, const struct subject_id *after, size_t max,
                 struct member_row *ret, size_t *ret_n, struct err *err) NODISCARD;

/* Units and offices in key order, at most max of them. Offices: those opened on or before the day, closed ones too. */
struct unit_info {
    struct unit_id unit;
    char code[UNIT_CODE_MAX];
    bool described;
    struct unit_described facts;
    bool has_custodian;
    struct unit_id custodian;    /* who stands in for it when it is gone */
    struct civil_date closed_on; /* DATE_NONE: it is open */
};
int view_units(struct db_txn *txn, struct civil_date as_of, struct unit_info *ret, size_t max, size_t *ret_n,
               struct err *err) NODISCARD;
/* ERR_NOTFOUND ("unit"). */
int view_unit_by_code(struct db_txn *txn, const char *code, struct unit_id *ret, struct err *err) NODISCARD;
struct office_info {
    struct office_id id;
    struct office_state state;
};
int view_offices(struct db_txn *txn, const struct unit_id *unit, struct civil_date as_of, struct office_info *ret,
                 size_t max, size_t *ret_n, struct err *err) NODISCARD;

enum report_by { BY_NOTHING = 0, BY_CATEGORY = 1, BY_OFFICE = 2, BY_PERSON_TYPE = 4 };
enum { REPORT_ROWS_MAX = 4096 };

struct report_row {
    struct unit_id unit;
    uint8_t category, person_type; /* 0 = all */
    bool has_office;
    struct office_id office;
    int64_t counts[COUNTS_N];
};
struct report_capital {
    struct unit_id unit;
    char currency[CURRENCY_MAX];
    int64_t v[CAPITAL_N];
};
struct report {
    size_t n, n_capital;
    struct report_row *
        rows; /* heap; in the order unit, office, category, type; none that is all zero, but by = 0 gives one for each unit */
    struct report_capital *capital; /* heap; in the order unit, currency */
};
void report_release(struct report *r);
/* Members on a day: COUNT_MEMBERS of each row is the number on as_of (a member who leaves that day no longer counts).
 * unit NULL = every unit. by: a set of report_by. Capital as of the day too. ERR_INVALID ("as_of", "from", "to"), ERR_LIMIT over
 * REPORT_ROWS_MAX. *ret is the caller's to release after success. */
int report_members(struct db_txn *txn, const struct unit_id *unit, struct civil_date as_of, unsigned by,
                   struct report *ret, struct err *err) NODISCARD;
/* Gross flows from … to, both inclusive. */
int report_flows(struct db_txn *txn, const struct unit_id *unit, struct civil_date from, struct civil_date to,
                 unsigned by, struct report *ret, struct err *err) NODISCARD;

/* ---- work ---- */

/* ERR_NOTFOUND ("activity", "invoice"). Of the unit named: ids are a unit's own. Released by the caller after success. */
int view_activity(struct db_txn *txn, const struct unit_id *unit, const struct subject_id *activity,
                  struct activity_row *ret, struct err *err) NODISCARD;
int view_invoice(struct db_txn *txn, const struct unit_id *unit, const struct subject_id *invoice,
                 struct invoice_row *ret, struct err *err) NODISCARD;
/* In the order of ids, after `after` (NULL = start); invoices of one month are neighbours: month 0 = all, else only that month's. */
int view_activities(struct db_txn *txn, const struct unit_id *unit, const struct subject_id *after, size_t max,
                    struct activity_row *ret, size_t *ret_n, struct err *err) NODISCARD;
int view_invoices(struct db_txn *txn, const struct unit_id *unit, uint16_t month, const struct subject_id *after,
                  size_t max, struct invoice_row *ret, size_t *ret_n, struct err *err) NODISCARD;
/* What units said of a pseudonym; ERR_NOTFOUND ("pseudonym"). Released by the caller after success. */
int view_active(struct db_txn *txn, uint16_t year, const struct subject_id *pseudonym, struct active_row *ret,
                struct err *err) NODISCARD;

/* Work from month to month, both inclusive (dates are taken as their months), for each unit, for the whole span or each month or year
 * of it, by any set of people_by. Sums of money have their currency: without PEOPLE_BY_CURRENCY a row comes for each currency all the
 * same, and one without currency that holds people and activities. */
enum report_span { SPAN_WHOLE, SPAN_MONTHS, SPAN_YEARS };
struct activity_report_row {
    struct unit_id unit;
    struct civil_date period;  /* first day; the span's first month for SPAN_WHOLE */
    struct activity_cell cell; /* zero, empty where not asked for */
    int64_t v[WORK_N];         /* WORK_OPEN, and WORK_RECORD_KEYS without a currency: at the end of the period */
    bool has_people;
    int64_t
        people; /* distinct in a period that is one month or one calendar year; unknown (has_people false) otherwise */
};
struct activity_report {
    size_t n;
    /* Heap; in the order unit, period, office, sector, culture, currency; none that is all zero. */
    struct activity_report_row *rows;
    bool has_all_units; /* unit NULL was asked for: `people over all units` below */
    size_t n_people_all;
    struct activity_report_row *people_all; /* people over all units, each once; by period and cell; unit zero */
};
void activity_report_release(struct activity_report *r);
/* ERR_INVALID ("from", "to"), ERR_LIMIT over REPORT_ROWS_MAX. */
int report_activity(struct db_txn *txn, const struct unit_id *unit, struct civil_date from, struct civil_date to,
                    enum report_span span, unsigned by, struct activity_report *ret, struct err *err) NODISCARD;

/* ---- postings ---- */

/* ERR_NOTFOUND ("posting"). Released by the caller after success. */
int view_posting(struct db_txn *txn, const struct unit_id *unit, const struct subject_id *posting,
                 struct posting_row *ret, struct err *err) NODISCARD;
/* Calls one for each of a unit's in the order of ids, after `after` (NULL = start); the row is lent. Other than 0 from it ends the walk and
 * is returned, but ERR_NOTFOUND as 0. */
int view_postings(struct db_txn *txn, const struct unit_id *unit, const struct subject_id *after,
                  int (*one)(void *arg, const struct posting_row *row, struct err *err), void *arg,
                  struct err *err) NODISCARD;

/* Postings from month to month, both inclusive (dates are taken as their months), by unit, period and country. Whoever goes on from one
 * country to another has ended there and begun here. Time grows with the number of postings. */
enum posting_count {
    POSTING_RUNNING, /* that have a month in the period */
    POSTING_BEGUN,
    POSTING_ENDED,
    POSTING_MONTHS, /* touched, of all of them together */
    POSTING_N
};
struct posting_report_row {
    struct unit_id unit;
    struct civil_date period; /* first day; the span's first month for SPAN_WHOLE */
    char country[3];
    int64_t v[POSTING_N];
};
struct posting_report {
    size_t n;
    struct posting_report_row *rows; /* heap; in the order unit, period, country */
};
void posting_report_release(struct posting_report *r);
/* ERR_INVALID ("from", "to"), ERR_LIMIT over REPORT_ROWS_MAX. */
int report_postings(struct db_txn *txn, const struct unit_id *unit, struct civil_date from, struct civil_date to,
                    enum report_span span, struct posting_report *ret, struct err *err) NODISCARD;

/* The share register of a unit: numbered operations in the order of their recording (1 = the first). after = 0 starts; key is where the
 * page before ended (NULL with after 0). One operation may give more lines (currencies), all of one number. */
struct share_operation {
    uint64_t number;
    uint8_t key[KEY_SHARE_OP];
    struct position at;
    uint16_t kind;
    struct subject_id subject;
    size_t n_lines;
    struct share_line lines[CURRENCIES_OWED_MAX];
};
int view_share_operations(struct db_txn *txn, const struct unit_id *unit, uint64_t after,
                          const uint8_t key[KEY_SHARE_OP], size_t max, struct share_operation *ret, size_t *ret_n,
                          struct err *err) NODISCARD;

/* Figures of a unit and year as they stand now, in the registry's order (docs/PROTOCOL.md §9): what period.closed fixes. ret:
 * FIGURES_MAX. ERR_LIMIT: more currencies than fit. */
int report_figures(struct db_txn *txn, const struct unit_id *unit, uint16_t year, struct period_figure *ret,
                   size_t *ret_n, struct err *err) NODISCARD;
/* The closed period, released by the caller after success, ERR_NOTFOUND ("year"); and where its figures differ from those of now: closed,
 * now, for each figure that differs. */
struct adjustment {
    struct period_figure closed; /* value 0 if it was not there */
    int64_t now;
};
int view_period(struct db_txn *txn, const struct unit_id *unit, uint16_t year, struct period_row *ret,
                struct err *err) NODISCARD;
int report_adjustments(struct db_txn *txn, const struct period_row *closed,
                       struct adjustment *ret /* 2 × FIGURES_MAX */, size_t *ret_n, struct err *err) NODISCARD;

/* Closed years that a day from … to lies in, of one unit or of all (NULL), in the order unit, year. *ret: heap, the caller's to free after
 * success. ERR_NOMEM and errors of storage. Costs the figures of each year. */
struct closed_year {
    struct unit_id unit;
    uint16_t year;
    struct civil_date closed_on;
    struct position at;
    size_t n_adjusted; /* figures that are no longer what was fixed */
};
int view_closed_years(struct db_txn *txn, const struct unit_id *unit, struct civil_date from, struct civil_date to,
                      struct closed_year **ret, size_t *ret_n, struct err *err) NODISCARD;

#endif
