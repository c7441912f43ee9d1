/* Read queries over one read transaction: members, offices, units, reports. Mirrors node/apply. Reports cost range reads over view
 * rows, never a walk over events. docs/STORAGE.md "Views". Any thread, each with its own transaction. */
#ifndef SMARTNODE_VIEW_H
#define SMARTNODE_VIEW_H

#include "node/rules/member.h"
#include "node/rules/place.h"
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

#endif
