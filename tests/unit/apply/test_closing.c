/* What a unit writes after its closing has no effect, whatever came first, how much it wrote, and whether the node was started anew.
 * docs/PROTOCOL.md §10 "Closed units". */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "node/rules/place.h"
#include "tests/support/event_samples.h"
#include "tests/support/register.h"

enum { RUN_EVENTS = 200, BRANCHES = 40 };

static const struct subject_id OFFICE = {{0x0F, 1}};

static struct civil_date
day(int n)
{
    return (struct civil_date){20000 + n};
}

static void
write_closing(struct test_log *log)
{
    struct event_payload p = test_payload(KIND_UNIT_CLOSED, OFFICE, day(10));
    p.common.has_subject = false;
    p.custodian = (struct custodian){.has_unit = true, .unit = {{0xC0, 1}}};
    test_log_event(log, &p, NULL, 0);
}

static void
describe(struct test_log *log, struct test_runs *runs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        test_event(log, KIND_UNIT_DESCRIBED, OFFICE, day(1), NULL, 0);
        if (i % RUN_EVENTS == RUN_EVENTS - 1) {
            test_runs_take(runs, log);
        }
    }
    if (log->seq > log->sealed) {
        test_runs_take(runs, log);
    }
}

static size_t
deliver_from(struct test_register *r, const struct test_runs *runs, size_t from)
{
    for (; from < runs->n; from++) {
        test_register_deliver(r, &runs->v[from]);
    }
    return from;
}

static bool
known(struct test_register *r, const struct test_unit *u, uint32_t subject)
{
    struct member_row row;
    bool there = test_register_member(r, &u->id, test_subject(subject), &row);
    if (there) {
        member_row_release(&row);
    }
    return there;
}

static void
a_closing_that_falls_out_of_what_is_folded_forbids_all_the_same(void **state)
{
    struct test_unit u;
    struct test_log early, late, after;
    struct test_runs runs = {.n = 0};
    struct test_register r;
    (void)state;
    test_unit_make(&u, "UA", 1);
    test_log_start(&early, &u, 1, NULL, 0);
    test_event(&early, KIND_OFFICE_OPENED, OFFICE, day(0), NULL, 0);
    test_runs_take(&runs, &early);
    struct log_predecessor before = test_log_at(&early);
    test_log_start(&late, &u, 2, &before, 1);
    write_closing(&late);
    test_admission(&late, test_subject(1), day(11), OFFICE, CATEGORY_A, 1);
    /* All of this is before the closing in the row, and does not know of it. */
    describe(&early, &runs, PLACE_ENTRIES_MAX - 2);
    test_runs_take(&runs, &late);
    describe(&early, &runs, 5);
    test_register_open(&r);
    r.fast = true;
    size_t delivered = deliver_from(&r, &runs, 0);
    assert_false(known(&r, &u, 1));
    test_register_restart(&r);
    test_admission(&late, test_subject(2), day(11), OFFICE, CATEGORY_A, 1);
    test_runs_take(&runs, &late);
    before = test_log_at(&late);
    test_log_start(&after, &u, 3, &before, 1);
    test_admission(&after, test_subject(3), day(11), OFFICE, CATEGORY_A, 1);
    test_runs_take(&runs, &after);
    test_admission(&early, test_subject(4), day(11), OFFICE, CATEGORY_A, 1);
    test_runs_take(&runs, &early);
    (void)deliver_from(&r, &runs, delivered);
    assert_false(known(&r, &u, 2));
    assert_false(known(&r, &u, 3));
    assert_true(known(&r, &u, 4)); /* beside it */
    test_register_check(&r);
    struct hash print = test_register_fingerprint(&r);
    test_register_close(&r);
    test_register_open(&r);
    r.fast = true;
    for (int of_early = 1; of_early >= 0; of_early--) {
        for (size_t i = 0; i < runs.n; i++) {
            if (TYPE_EQ(&runs.v[i].run.log, &early.id) == of_early) {
                test_register_deliver(&r, &runs.v[i]);
            }
        }
    }
    struct hash other = test_register_fingerprint(&r);
    assert_memory_equal(print.b, other.b, sizeof(print.b));
    test_register_close(&r);
    test_log_release(&early);
    test_log_release(&late);
    test_log_release(&after);
    test_runs_release(&runs);
}

static void
of_many_closings_each_log_has_one_and_what_follows_any_is_void(void **state)
{
    struct test_unit u;
    struct test_log first, branch[BRANCHES];
    struct test_runs runs = {.n = 0};
    struct test_register r;
    (void)state;
    test_unit_make(&u, "UA", 1);
    test_log_start(&first, &u, 1, NULL, 0);
    test_event(&first, KIND_OFFICE_OPENED, OFFICE, day(0), NULL, 0);
    test_runs_take(&runs, &first);
    struct log_predecessor before = test_log_at(&first);
    for (uint32_t i = 0; i < BRANCHES; i++) {
        test_log_start(&branch[i], &u, 2 + i, &before, 1);
        if (i % 4 != 3) {
            write_closing(&branch[i]);
            write_closing(&branch[i]);
        }
        test_admission(&branch[i], test_subject(i), day(1), OFFICE, CATEGORY_A, 1);
        test_runs_take(&runs, &branch[i]);
        /* Every fourth begins after the one before it closed. */
        before = test_log_at(i % 4 == 2 ? &branch[i] : &first);
    }
    struct hash print = {{0}};
    for (uint64_t seed = 0; seed < 4; seed++) {
        test_register_open(&r);
        r.fast = true;
        test_register_deliver_all(&r, &runs, seed);
        if (seed % 2 == 1) {
            test_register_restart(&r);
        }
        for (uint32_t i = 0; i < BRANCHES; i++) {
            assert_false(known(&r, &u, i));
        }
        test_register_check(&r);
        struct hash got = test_register_fingerprint(&r);
        print = seed == 0 ? got : print;
        assert_memory_equal(print.b, got.b, sizeof(print.b));
        /* The second closing of each, and all admissions. */
        assert_int_equal(test_register_rows(&r, TABLE_VOIDS), BRANCHES + BRANCHES * 3 / 4);
        test_register_close(&r);
    }
    for (size_t i = 0; i < BRANCHES; i++) {
        test_log_release(&branch[i]);
    }
    test_log_release(&first);
    test_runs_release(&runs);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_closing_that_falls_out_of_what_is_folded_forbids_all_the_same),
        cmocka_unit_test(of_many_closings_each_log_has_one_and_what_follows_any_is_void),
    };
    return cmocka_run_group_tests_name("closing", tests, NULL, NULL);
}
