/* What the reports of the command line share. Used by node/cli/cmd_report*.c alone. */
#ifndef SMARTNODE_CLI_CMD_REPORT_H
#define SMARTNODE_CLI_CMD_REPORT_H

#include "node/api/json_out.h"
#include "node/cli/cli_common.h"
#include "node/command/names.h"
#include "node/view/view.h"

enum report_kind { REPORT_MEMBERS, REPORT_FLOWS, REPORT_ACTIVITY, REPORT_POSTINGS, REPORT_SHARES, REPORTS_N };

struct report_args {
    struct cli_common common;
    bool named, csv;
    enum report_kind kind;
    const char *unit, *as_of, *from, *to, *by, *each;
};

/* What one report needs; units, offices and closed are heap. */
struct report_work {
    const struct report_args *a;
    struct datadir *d;
    struct db_txn *txn;
    struct civil_date from, to;
    unsigned by;
    bool has_unit;
    struct unit_id unit;
    size_t n_units, n_offices, n_closed;
    struct unit_info *units;
    struct office_info *offices;
    struct unit_id offices_of;
    struct closed_year *closed;
};

/* A list of words, each a bit. ERR_INVALID. */
struct report_word {
    const char *name;
    unsigned bit;
};
int report_by(const char *text, const struct report_word *words, size_t n, unsigned *ret, struct err *err) NODISCARD;

const char *report_unit_name(const struct report_work *w, const struct unit_id *unit);
/* Rows come unit by unit: one unit's offices are kept. */
const char *report_office_name(struct report_work *w, const struct unit_id *unit, const struct office_id *office,
                               char hex[HEX16_MAX]);
/* Closed years that the report touches: key "closed_years"; lines for people below a table. */
void report_closed_json(const struct report_work *w, struct json_out *j);
void report_closed_lines(const struct report_work *w);

/* Whole, by month or by year (--each); the day a period begins with, as it is shown then. */
enum report_span report_span(const struct report_args *a);
const char *report_period(enum report_span span, struct civil_date first, char out[DATE_TEXT_MAX]);

/* A report in the form that was asked for: one of the three. */
struct report_forms {
    void (*csv)(void *report, struct buf *out);
    void (*json)(void *report, struct buf *out);
    void (*table)(void *report);
};
/* ERR_IO, and what the bound of the answer gives. */
int report_answer(const struct report_args *a, const struct report_forms *forms, size_t bytes_max, void *report,
                  struct err *err) NODISCARD;

/* The reports of work, of shares and of postings, whole. */
int report_work_activity(struct report_work *w, struct err *err) NODISCARD;
int report_work_shares(struct report_work *w, struct err *err) NODISCARD;
int report_work_postings(struct report_work *w, struct err *err) NODISCARD;

#endif
