/* Offices and units: their rows and folds, pure like member.h. docs/PROTOCOL.md §9, §10. */
#ifndef SMARTNODE_RULES_PLACE_H
#define SMARTNODE_RULES_PLACE_H

#include "node/rules/member.h"

/* PLACE_ENTRIES_MAX: what is folded, the first so many in the order of the entries. PLACE_ROW_MAX: with the openings and
 * closings remembered beyond, the first of each log. */
enum { PLACE_ENTRIES_MAX = MEMBER_ENTRIES_MAX, PLACE_ROW_MAX = PLACE_ENTRIES_MAX + 65536 };

/* Begins as row.h asks. */
struct place_entry {
    struct position at;
    uint16_t kind, kind_version;
    struct civil_date effective;
    enum outcome outcome;
    enum void_reason reason;
    uint8_t n_refs;
    struct event_ref refs[2];   /* role 2; a second one shows the breach of §8 */
    struct office_facts facts;  /* offices */
    struct unit_described unit; /* kind 16 */
    bool has_custodian;
    struct unit_id custodian; /* kinds 20, 21 */
};

/* All events of one office (subject set) or of one unit (subject zero). */
struct place_row {
    struct unit_id unit;
    struct office_id office;
    char unit_code[UNIT_CODE_MAX]; /* units: from log.opened */
    size_t n, cap;
    struct place_entry *entries;
};

/* office: NULL for the row of a unit, here and in place_row_decode. */
void place_row_init(struct place_row *r, const struct unit_id *unit, const struct office_id *office);
void place_row_release(struct place_row *r);
int place_row_encode(const struct place_row *r, struct buf *out, struct err *err) NODISCARD;
int place_row_decode(struct slice bytes, const struct unit_id *unit, const struct office_id *office,
                     struct place_row *ret, struct err *err) NODISCARD;
void place_entry_from_event(const struct position *at, const struct event_header *h, const struct event_payload *p,
                            struct place_entry *ret);
/* As member_entry_unknown. */
bool place_entry_unknown(const struct position *at, const struct event_header *h, const struct event_common *c,
                         struct place_entry *ret);
/* As their namesakes in member.h. */
int place_row_add(struct place_row *r, const struct place_entry *e, const struct member_world *w,
                  struct missing *ret_missing, struct err *err) NODISCARD;
int place_row_refold(struct place_row *r, const struct member_world *w, struct missing *ret_missing,
                     struct err *err) NODISCARD;
int place_row_try(const struct place_row *r, const struct place_entry *e, const struct member_world *w,
                  struct err *err) NODISCARD;

struct office_state {
    bool open;
    struct office_facts facts;
    struct civil_date opened_on, closed_on;
};
/* False if not opened on or before the day. */
bool office_state_at(const struct place_row *r, struct civil_date as_of, struct office_state *ret);
/* The unit.described in force; false if none. */
bool unit_state_at(const struct place_row *r, struct civil_date as_of, struct unit_described *ret);
/* Of a unit's row: who stands in for it when it is gone, by the last of kinds 20 and 21 in the order of the row; false: nobody. And its
 * closing, the first in that order; false if it is open. */
bool unit_custodian(const struct place_row *r, struct unit_id *ret);
bool unit_closing(const struct place_row *r, struct position *ret, struct civil_date *ret_on);
/* Whether an event of a closed unit has effect all the same (§10 "Closed units"). */
bool unit_closed_allows(uint16_t kind);
/* Whether an office.opened of this office, void or not, lies before `at` by position. */
bool office_opened_before(const struct place_row *r, const struct dag *dag, const struct position *at);

#endif
