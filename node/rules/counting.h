/* People counted by year pseudonym (kind 112) and closed periods (kind 256): the last word of each unit counts. No fold, no outcome:
 * what does not count leaves nothing behind. Pure. docs/PROTOCOL.md §6 "Counting", §10. */
#ifndef SMARTNODE_RULES_COUNTING_H
#define SMARTNODE_RULES_COUNTING_H

#include "node/rules/activity.h"

/* What one unit says of one pseudonym in one month. */
struct active_entry {
    struct unit_id unit;
    uint16_t month; /* month_number */
    struct position at;
    uint8_t n;
    struct activity_cell *cells; /* heap */
};
/* All of one pseudonym and year, in the order (unit, month). */
struct active_row {
    uint16_t year;
    struct subject_id pseudonym;
    size_t n, cap;
    struct active_entry *entries;
};
/* ACTIVE_UNITS_MAX units in one row; what a further one says is left out: the units that count are those of the least ids, so that the
 * order of arrival does not matter. */
enum { ACTIVE_UNITS_MAX = 64 };
void active_row_init(struct active_row *r, uint16_t year, const struct subject_id *pseudonym);
void active_row_release(struct active_row *r);
int active_row_encode(const struct active_row *r, struct buf *out, struct err *err) NODISCARD;
int active_row_decode(struct slice bytes, uint16_t year, const struct subject_id *pseudonym, struct active_row *ret,
                      struct err *err) NODISCARD;
/* Takes what the event says if it is later in (depth, log id, seq) than what is there. month: of the row's year. ERR_NOMEM. */
int active_row_add(struct active_row *r, const struct unit_id *unit, const struct position *at, uint16_t month,
                   const struct activity_cell *cells, size_t n, const struct dag *dag, struct err *err) NODISCARD;

/* Sets by which people are counted: every subset of these. */
enum people_by {
    PEOPLE_BY_OFFICE = 1,
    PEOPLE_BY_SECTOR = 2,
    PEOPLE_BY_CULTURE = 4,
    PEOPLE_BY_CURRENCY = 8,
    PEOPLE_SETS = 16
};
enum { PEOPLE_COUNT, PEOPLE_RECORD_KEYS, PEOPLE_N };
struct people_contribution {
    bool
        overlap; /* people whom more than one unit counts: the units beyond the first, to be taken from the sum over units */
    struct unit_id unit; /* zero for overlap */
    bool is_year;
    uint16_t month; /* of a year: its first */
    uint8_t by;
    struct activity_cell cell; /* zero where `by` does not have it */
    int64_t v[PEOPLE_N];
};
/* In the order (month, year last; set; cell; unit, overlap last). ERR_NOMEM, and what emit returned other than 0. */
int active_contributions(const struct active_row *r, int (*emit)(void *arg, const struct people_contribution *c),
                         void *arg);

/* Those of one month and of the year: an event changes no others, unless ACTIVE_UNITS_MAX units are in the row before it. */
int active_contributions_of(const struct active_row *r, uint16_t month,
                            int (*emit)(void *arg, const struct people_contribution *c), void *arg);
size_t active_row_units(const struct active_row *r);

/* The last period.closed of a unit and year. */
struct period_row {
    struct unit_id unit;
    uint16_t year;
    bool has;
    struct position at;
    struct civil_date closed_on;
    size_t n;
    struct period_figure *figures; /* heap */
};
void period_row_init(struct period_row *r, const struct unit_id *unit, uint16_t year);
void period_row_release(struct period_row *r);
/* has must be set. */
int period_row_encode(const struct period_row *r, struct buf *out, struct err *err) NODISCARD;
int period_row_decode(struct slice bytes, const struct unit_id *unit, uint16_t year, struct period_row *ret,
                      struct err *err) NODISCARD;
int period_row_add(struct period_row *r, const struct position *at, struct civil_date closed_on,
                   const struct period_figure *figures, size_t n, const struct dag *dag, struct err *err) NODISCARD;

#endif
