/* One member's row, and short ways to write into it: for tests of the rules. Failures are failures of the running cmocka test. */
#ifndef SMARTNODE_TESTS_SUPPORT_MEMBER_DESK_H
#define SMARTNODE_TESTS_SUPPORT_MEMBER_DESK_H

#include "tests/support/rules_world.h"

/* Log 1, and two tails of it after position 20: 3 and 4. Log 5 has seen both. */
enum { MAIN = 1, TAIL_A = 3, TAIL_B = 4, JOINED = 5 };

struct member_desk {
    struct world world;
    struct member_row row;
    struct office_id office, other_office, no_office;
    struct missing missing;
    uint64_t seq[8]; /* last written in each log */
};

void desk_setup(struct member_desk *f);
void desk_teardown(struct member_desk *f);
/* The next event of the log: a natural person of category A, two shares at 30 EUR; a change is to category B. */
struct member_entry desk_entry(struct member_desk *f, uint8_t log, uint16_t kind, int day);
void desk_refer(struct member_entry *e, enum ref_role role, struct position to);
struct position desk_add(struct member_desk *f, const struct member_entry *e);
/* Writes an event without more ado; its position. */
struct position desk_put(struct member_desk *f, uint8_t log, uint16_t kind, int day);
struct position desk_put_ref(struct member_desk *f, uint8_t log, uint16_t kind, int day, enum ref_role role,
                             struct position to);
const struct member_entry *desk_at(const struct member_desk *f, struct position p);
void desk_expect(const struct member_desk *f, struct position p, enum outcome outcome, enum void_reason reason);
struct member_state desk_state_on(const struct member_desk *f, int day);

/* What a row contributes, kept. */
struct desk_totals {
    size_t n;
    struct contribution c[32];
};
int desk_collect(void *arg, const struct contribution *c); /* arg: desk_totals */

#endif
