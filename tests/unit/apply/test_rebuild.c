/* Rebuilds, failures of the disk at any point, root statements, and that the check finds what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/changes.h"
#include "tests/support/register.h"

static const struct subject_id OFFICE = {{0x0F, 1}};

static struct civil_date
day(int n)
{
    return (struct civil_date){20000 + n};
}

static void
write_some(struct test_log *log, struct test_runs *runs, uint32_t first, uint32_t n, uint32_t per_run)
{
    for (uint32_t i = first; i < first + n; i++) {
        test_admission(log, test_subject(i), day((int)i), OFFICE, (uint8_t)(1 + i % 3), 1 + i % 5);
        if (i % 3 == 0)
            test_event(log, KIND_MEMBER_RESIGNED, test_subject(i), day(30 + (int)i), NULL, 0);
        if (i % per_run == per_run - 1)
            test_runs_take(runs, log);
    }
    if (log->sealed != log->seq)
        test_runs_take(runs, log);
}

static void
start(struct test_log *log, const struct test_unit *u, struct test_runs *runs)
{
    test_log_start(log, u, 1, NULL, 0);
    test_event(log, KIND_OFFICE_OPENED, OFFICE, day(-10), NULL, 0);
    test_runs_take(runs, log);
}

static void
disk_full_at_any_point_leaves_a_state_that_holds_and_goes_on(void **arg)
{
    struct test_register r, whole;
    struct test_unit u;
    struct test_log log;
    struct test_runs runs = {.n = 0};
    unsigned failures = 0;
    (void)arg;
    test_unit_make(&u, "BE", 1);
    start(&log, &u, &runs);
    write_some(&log, &runs, 0, 8, 4);
    struct log_predecessor p = test_log_at(&log);
    struct test_log next;
    test_log_start(&next, &u, 2, &p, 1);
    write_some(&next, &runs, 8, 4, 4);
    test_register_open(&whole);
    test_register_deliver_all(&whole, &runs, 3);
    test_register_open(&r);
    /* The successor first, so that a waiting row is written and taken back under failures too. */
    size_t order[] = {3, 0, 1, 2};
    assert_int_equal(runs.n, 4);
    for (size_t i = 0; i < runs.n; i++) {
        struct err err;
        for (unsigned n = 1;; n++) {
            db_fail_after(n);
            int rc = test_register_try(&r, &runs.v[order[i]], &err);
            db_fail_after(0);
            test_register_check(&r);
            if (rc == 0)
                break;
            assert_int_equal(rc, ERR_FULL);
            failures++;
        }
    }
    assert_true(failures > 40);
    struct hash a = test_register_fingerprint(&r), b = test_register_fingerprint(&whole);
    assert_memory_equal(a.b, b.b, sizeof(a.b));
    test_runs_release(&runs);
    test_log_release(&log);
    test_log_release(&next);
    test_register_close(&r);
    test_register_close(&whole);
}

static int
stop_at_once(void *arg, uint64_t done, uint64_t total)
{
    assert_true(done <= total);
    ++*(unsigned *)arg;
    return 1;
}

static void
an_interrupted_rebuild_goes_on_and_gives_the_same(void **arg)
{
    struct test_register r;
    struct test_unit u;
    struct test_log log;
    struct test_runs runs = {.n = 0};
    struct err err;
    bool needed;
    unsigned calls = 0, interrupted = 0;
    (void)arg;
    test_unit_make(&u, "BE", 1);
    test_register_open(&r);
    r.fast = true;
    start(&log, &u, &runs);
    /* More than two chunks, of few subjects, most of them void: cheap. */
    for (uint32_t i = 0; i < 2 * APPLY_EVENTS_PER_STEP + 1000; i++) {
        if (i % 64 == 0)
            test_admission(&log, test_subject(i), day((int)(i / 1000)), OFFICE, 1 + i % 3, 1);
        else
            test_event(&log, KIND_ESCROW_OPENED, test_subject(i), day(0), NULL, 0);
        if (i % 256 == 255)
            test_runs_take(&runs, &log);
    }
    test_runs_take(&runs, &log);
    test_register_deliver_all(&r, &runs, 0);
    struct hash before = test_register_fingerprint(&r);
    while (apply_rebuild(r.db, stop_at_once, &calls, &err) != 0) {
        assert_int_equal(err.code, ERR_UNAVAILABLE);
        assert_int_equal(apply_rebuild_needed(r.db, &needed, &err), 0);
        assert_true(needed);
        interrupted++;
        assert_true(interrupted < 10);
    }
    assert_int_equal(interrupted, 2); /* each call did its own chunk and no other's again */
    assert_int_equal(apply_rebuild_needed(r.db, &needed, &err), 0);
    assert_false(needed);
    struct hash after = test_register_fingerprint(&r);
    assert_memory_equal(before.b, after.b, sizeof(before.b));
    test_register_restart(&r);
    test_register_check(&r);
    test_runs_release(&runs);
    test_log_release(&log);
    test_register_close(&r);
}

static struct changes_mark
changes_end_of(struct test_register *r)
{
    struct db_txn *txn;
    struct changes_mark end;
    struct err err;
    assert_int_equal(db_begin_read(r->db, &txn, &err), 0);
    assert_int_equal(changes_end(txn, &end, &err), 0);
    db_abort(&txn);
    return end;
}

static void
a_rebuild_lists_no_change_again(void **arg)
{
    struct test_unit u;
    struct test_log log, next;
    struct test_runs runs = {.n = 0};
    struct test_register r;
    struct err err;
    (void)arg;
    test_unit_make(&u, "BE", 1);
    start(&log, &u, &runs);
    write_some(&log, &runs, 0, 8, 3);
    struct log_predecessor at = test_log_at(&log);
    test_log_start(&next, &u, 2, &at, 1);
    write_some(&next, &runs, 20, 8, 3);
    test_register_open(&r);
    r.max_events = 2; /* what is stored and not applied yet is not listed yet */
    test_register_deliver_all(&r, &runs, 0);
    struct changes_mark before = changes_end_of(&r);
    assert_int_equal(before.number, log.seq + next.seq);
    assert_int_equal(apply_rebuild(r.db, NULL, NULL, &err), 0);
    test_register_restart(&r);
    test_register_check(&r);
    struct changes_mark after = changes_end_of(&r);
    assert_int_equal(after.number, before.number);
    assert_memory_equal(after.tag, before.tag, sizeof(after.tag));
    test_runs_release(&runs);
    test_log_release(&log);
    test_log_release(&next);
    test_register_close(&r);
}

/* ---- root statements ---- */

static uint64_t
stands_to(struct test_register *r, const struct test_log *log)
{
    struct db_txn *txn;
    struct log_row row;
    struct err err;
    assert_int_equal(db_begin_read(r->db, &txn, &err), 0);
    assert_int_equal(evlog_find(txn, &log->id, &row, &err), 0);
    db_abort(&txn);
    return row.stands_to;
}

/* old → stolen; the statement, carried by a log that follows old, voids stolen's key and lets old stand to a position. */
static void
a_statement_cuts_and_voids_whatever_comes_first(void **arg)
{
    struct test_unit u;
    struct test_log old, stolen, heir, carrier;
    struct test_runs runs = {.n = 0};
    struct hash first = {{0}};
    (void)arg;
    test_unit_make(&u, "BE", 1);
    start(&old, &u, &runs);
    write_some(&old, &runs, 0, 4, 4);
    struct log_predecessor fork = test_log_at(&old);
    write_some(&old, &runs, 4, 4, 4);
    struct log_predecessor tail = test_log_at(&old);
    test_log_start(&stolen, &u, 2, &tail, 1);
    write_some(&stolen, &runs, 100, 4, 4);
    struct log_predecessor of_stolen = test_log_at(&stolen);
    test_log_start(&heir, &u, 3, (struct log_predecessor[]){fork, of_stolen}, 2);
    write_some(&heir, &runs, 200, 4, 4);
    /* Stolen is named too, so that nodes that never held it know that nothing of it stands. */
    struct standing_position stand[2] = {{.log = fork.log, .seq = fork.seq, .chain = fork.chain}, {.log = stolen.id}};
    memcpy(stand[1].chain.b, stolen.id.b, sizeof(stolen.id.b));
    struct root_statement st = {
        .serial = 1, .n_void_keys = 1, .n_standing = 2, .void_keys = &stolen.signing, .standing = stand};
    test_log_start_statement(&carrier, &u, 4, &fork, 1, &st);
    write_some(&carrier, &runs, 300, 2, 4);
    for (uint64_t seed = 0; seed < 16; seed++) {
        struct test_register r;
        test_register_open(&r);
        test_register_deliver_all(&r, &runs, seed);
        assert_int_equal(stands_to(&r, &old), fork.seq);
        assert_int_equal(stands_to(&r, &stolen), 0);
        assert_true(stands_to(&r, &carrier) == UINT64_MAX);
        struct hash f = test_register_fingerprint(&r);
        if (seed == 0)
            first = f;
        assert_memory_equal(first.b, f.b, sizeof(f.b));
        struct member_row row;
        assert_false(test_register_member(&r, &u.id, test_subject(100), &row));
        assert_false(test_register_member(&r, &u.id, test_subject(5), &row));
        assert_true(test_register_member(&r, &u.id, test_subject(201), &row));
        member_row_release(&row);
        test_register_close(&r);
    }
    /* A node that never got the stolen log has the same state. */
    struct test_register r;
    test_register_open(&r);
    for (size_t i = runs.n; i-- > 0;)
        for (size_t k = 0; k <= i; k++) {
            struct err err;
            if (!TYPE_EQ(&runs.v[k].run.log, &stolen.id))
                (void)test_register_try(&r, &runs.v[k], &err);
        }
    test_register_check(&r);
    struct hash f = test_register_fingerprint(&r);
    assert_memory_equal(first.b, f.b, sizeof(f.b));
    test_register_close(&r);
    test_runs_release(&runs);
    test_log_release(&old);
    test_log_release(&stolen);
    test_log_release(&heir);
    test_log_release(&carrier);
}

static void
a_later_statement_decides_and_the_past_of_a_position_stands(void **arg)
{
    struct test_unit u;
    struct test_log a, b, c1, c2;
    struct test_runs runs = {.n = 0};
    struct hash first = {{0}};
    (void)arg;
    test_unit_make(&u, "BE", 1);
    start(&a, &u, &runs);
    write_some(&a, &runs, 0, 4, 4);
    struct log_predecessor of_a = test_log_at(&a);
    write_some(&a, &runs, 4, 2, 4);
    test_log_start(&b, &u, 2, &of_a, 1);
    write_some(&b, &runs, 10, 4, 4);
    struct log_predecessor of_b = test_log_at(&b);
    struct sign_public keys[2] = {a.signing, b.signing};
    struct standing_position nothing = {.log = b.id, .seq = 0};
    memcpy(nothing.chain.b, b.id.b, sizeof(b.id.b));
    struct root_statement s1 = {
        .serial = 1, .n_void_keys = 2, .n_standing = 1, .void_keys = keys, .standing = &nothing};
    test_log_start_statement(&c1, &u, 3, NULL, 0, &s1);
    test_runs_take(&runs, &c1);
    struct standing_position all = {.log = b.id, .seq = of_b.seq, .chain = of_b.chain};
    struct root_statement s2 = {.serial = 2, .n_void_keys = 2, .n_standing = 1, .void_keys = keys, .standing = &all};
    test_log_start_statement(&c2, &u, 4, &of_b, 1, &s2);
    test_runs_take(&runs, &c2);
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct test_register r;
        test_register_open(&r);
        test_register_deliver_all(&r, &runs, seed);
        assert_int_equal(stands_to(&r, &b), of_b.seq);
        assert_int_equal(stands_to(&r, &a), of_a.seq); /* the past of b, and no more */
        struct hash f = test_register_fingerprint(&r);
        if (seed == 0)
            first = f;
        assert_memory_equal(first.b, f.b, sizeof(f.b));
        test_register_close(&r);
    }
    test_runs_release(&runs);
    test_log_release(&a);
    test_log_release(&b);
    test_log_release(&c1);
    test_log_release(&c2);
}

/* ---- the check ---- */

static void
the_check_names_what_does_not_hold(void **arg)
{
    struct test_register r;
    struct test_unit u;
    struct test_log log;
    struct test_runs runs = {.n = 0};
    struct err err;
    (void)arg;
    test_unit_make(&u, "BE", 1);
    test_register_open(&r);
    start(&log, &u, &runs);
    write_some(&log, &runs, 0, 8, 4);
    test_register_deliver_all(&r, &runs, 0);
    test_register_break_row(&r, TABLE_RUNS, 1, "BE log "); /* the last byte of the last payload */
    test_register_break_row(&r, TABLE_COUNTS, 1, "table counts");
    test_register_break_row(&r, TABLE_CAPITAL, 1, "table capital");
    test_register_break_row(&r, TABLE_LOG_BY_ID, 1, "index by id");
    test_register_break_row(&r, TABLE_MEMBERS, 1, "table members");
    /* A capsule that no event commits to. */
    uint8_t key[KEY_CAPSULE];
    struct db_txn *txn;
    key_capsule(key, 1, 3, 0);
    assert_int_equal(db_begin_write(r.db, &txn, &err), 0);
    assert_int_equal(db_put(txn, TABLE_CAPSULES, slice_of(key, sizeof(key)), slice_of("x", 1), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    assert_int_equal(apply_check(r.db, r.scratch, true, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.text, "capsule"));
    assert_int_equal(apply_check(r.db, NULL, false, &err), 0);
    test_runs_release(&runs);
    test_log_release(&log);
    test_register_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disk_full_at_any_point_leaves_a_state_that_holds_and_goes_on),
        cmocka_unit_test(an_interrupted_rebuild_goes_on_and_gives_the_same),
        cmocka_unit_test(a_rebuild_lists_no_change_again),
        cmocka_unit_test(a_statement_cuts_and_voids_whatever_comes_first),
        cmocka_unit_test(a_later_statement_decides_and_the_past_of_a_position_stands),
        cmocka_unit_test(the_check_names_what_does_not_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
