/* A register for tests of what is applied: an environment with state and apply, runs that can be delivered in any order, and short
 * ways to write events. Failures are failures of the running cmocka test. */
#ifndef SMARTNODE_TESTS_SUPPORT_REGISTER_H
#define SMARTNODE_TESTS_SUPPORT_REGISTER_H

#include "node/apply/apply.h"
#include "tests/support/storage.h"

/* An environment that applies what it is given, checked (apply_check) after each delivery unless fast is set. */
struct test_register {
    char dir[TEST_PATH_MAX], scratch[TEST_PATH_MAX];
    bool fast;
    uint64_t max_events; /* of apply_log; 0 = no limit */
    struct db *db;
    struct state *state;
    struct apply *apply;
};
void test_register_open(struct test_register *r);
void test_register_close(struct test_register *r);
/* Closes and opens everything but the directory: a restart. */
void test_register_restart(struct test_register *r);
void test_register_check(struct test_register *r);
struct hash test_register_fingerprint(struct test_register *r);

/* A sealed run with all that a receiver gets, kept for delivery. */
struct test_run {
    struct run run;
    struct buf frames;
};
struct test_runs {
    struct test_run *v;
    size_t n, cap;
};
/* Seals what is pending in the log and keeps it. */
void test_runs_take(struct test_runs *runs, struct test_log *log);
void test_runs_release(struct test_runs *runs);

/* Appends and applies one run in one transaction, as the writer does with one from a peer; a statement that asks for a rebuild
 * gets it. 0, or the error with the transaction aborted and apply reset. Skips a run that does not continue its log (ERR_NOTFOUND). */
int test_register_try(struct test_register *r, const struct test_run *run, struct err *err);
void test_register_deliver(struct test_register *r, const struct test_run *run);
/* Delivers all runs in the order given by the seed; runs of a log keep theirs. 0 = as they are. */
void test_register_deliver_all(struct test_register *r, const struct test_runs *runs, uint64_t seed);

/* The row of a member; false if there is none. Release it with member_row_release. */
bool test_register_member(struct test_register *r, const struct unit_id *unit, struct subject_id subject,
                          struct member_row *ret);
uint64_t test_register_rows(struct test_register *r, enum table t);
/* Flips a bit of the value of the table's last row, at_end bytes from its end; apply_check must find it and say what is expected.
 * Then mends it. */
void test_register_break_row(struct test_register *r, enum table t, size_t at_end, const char *expected);

uint64_t test_random(uint64_t *state);
struct subject_id test_subject(uint32_t n);

/* Events with a subject and a day; the rest from tests/support/event_samples. Returns the position. */
struct position test_event(struct test_log *log, uint16_t kind, struct subject_id subject, struct civil_date day,
                           const struct event_ref *refs, size_t n_refs);
struct position test_admission(struct test_log *log, struct subject_id subject, struct civil_date day,
                               struct subject_id office, uint8_t category, uint64_t shares);
struct position test_category(struct test_log *log, struct subject_id subject, struct civil_date day, uint8_t category);
struct position test_move(struct test_log *log, struct subject_id subject, struct civil_date day,
                          struct subject_id office);
/* A payload to be filled by the caller: subject where the kind has one, and the day, or its month for kinds of month precision. */
struct event_payload test_payload(uint16_t kind, struct subject_id subject, struct civil_date day);
/* Invoice ids begin with their month (docs/PROTOCOL.md §2). */
struct subject_id test_invoice_id(struct civil_date month, uint32_t n);
struct activity_facets test_facets(struct subject_id office, uint16_t sector, bool culture);
/* Kind 104 or 105. refs may be NULL if n is 0, here and below. */
struct position test_activity(struct test_log *log, uint16_t kind, struct subject_id activity, struct civil_date month,
                              struct activity_facets facets, const struct event_ref *refs, size_t n_refs);
/* In the month of its id; a contribution of 5 %, rounded down. */
struct position test_invoice(struct test_log *log, struct subject_id invoice, struct activity_facets facets,
                             int64_t amount_minor, const char *currency, const struct event_ref *refs, size_t n_refs);
struct position test_credit(struct test_log *log, struct subject_id invoice, struct civil_date month,
                            int64_t amount_minor, int64_t contribution_minor, const struct event_ref *refs,
                            size_t n_refs);
/* Cells are sorted, doubles go. */
struct position test_active(struct test_log *log, struct subject_id pseudonym, struct civil_date month,
                            const struct activity_cell *cells, size_t n);
struct position test_period_closed(struct test_log *log, uint16_t year, struct civil_date on,
                                   const struct period_figure *figures, size_t n);
/* Kinds 51, 107, 110: empties the slot of what is referred to (REF_CANCELS). */
struct position test_cancel(struct test_log *log, uint16_t kind, struct subject_id subject, struct civil_date day,
                            struct event_ref what);
/* The last event of the log, as a reference. */
struct event_ref test_ref(const struct test_log *log, uint8_t role);

#endif
