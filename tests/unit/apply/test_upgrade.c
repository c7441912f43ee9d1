/* Version tolerance: what an older program does not know it stores and relays byte for byte, and after an upgrade, which rebuilds the
 * state from the logs, it takes effect as if it had always been known. The older program is this one with a kind hidden. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/register.h"

static const struct subject_id OFFICE = {{0x0F, 1}};

enum { MEMBERS = 12, RUNS_EXPECTED = 4 };

static struct civil_date
day(int n)
{
    return (struct civil_date){20000 + n};
}

/* Admissions, changes of category (plain and must-understand) and leavings, in runs. */
static void
write_register(struct test_log *log, const struct test_unit *u, struct test_runs *runs)
{
    test_log_start(log, u, 1, NULL, 0);
    test_event(log, KIND_OFFICE_OPENED, OFFICE, day(-10), NULL, 0);
    test_runs_take(runs, log);
    for (uint32_t i = 0; i < MEMBERS; i++)
        test_admission(log, test_subject(i), day((int)i), OFFICE, CATEGORY_A, 1 + i);
    test_runs_take(runs, log);
    for (uint32_t i = 0; i < MEMBERS; i += 2) {
        struct event_payload p = {.kind = KIND_CATEGORY_CHANGED, .category = CATEGORY_B};
        struct buf payload;
        struct err err;
        buf_init(&payload, PAYLOAD_BYTES_MAX);
        p.common.has_actor = p.common.has_subject = p.common.has_effective = p.common.has_salt = true;
        p.common.actor = u->actor;
        p.common.subject = test_subject(i);
        p.common.effective = day(40 + (int)i);
        p.common.salt[0] = (uint8_t)i;
        assert_int_equal(event_payload_encode(&p, &payload, &err), 0);
        test_log_raw(log, KIND_CATEGORY_CHANGED, 1, i % 4 == 0, buf_slice(&payload), NULL, 0, NULL, 0);
        buf_free(&payload);
    }
    test_runs_take(runs, log);
    for (uint32_t i = 0; i < MEMBERS; i += 3)
        test_event(log, KIND_MEMBER_RESIGNED, test_subject(i), day(80 + (int)i), NULL, 0);
    test_runs_take(runs, log);
    assert_int_equal(runs->n, RUNS_EXPECTED);
}

/* What a peer would get of the log is what the writer sealed. */
static void
assert_relayed_as_written(struct test_register *r, const struct test_runs *runs)
{
    struct db_txn *txn = NULL;
    struct log_row row;
    struct buf out;
    struct err err;
    buf_init(&out, 2 * RUN_BYTES_MAX);
    assert_int_equal(db_begin_read(r->db, &txn, &err), 0);
    for (size_t i = 0; i < runs->n; i++) {
        const struct run *sent = &runs->v[i].run;
        struct stored_run stored;
        assert_int_equal(evlog_find(txn, &sent->log, &row, &err), 0);
        assert_int_equal(evlog_run_at(txn, row.no, sent->first, &stored, &err), 0);
        assert_int_equal(stored.frames.len, sent->frames.len);
        assert_memory_equal(stored.frames.data, sent->frames.data, sent->frames.len);
        assert_memory_equal(stored.seal.b, sent->seal.b, sizeof(sent->seal.b));
    }
    db_abort(&txn);
    buf_free(&out);
}

static void
what_an_older_program_does_not_know_takes_effect_after_the_upgrade(void **state)
{
    struct test_register old, always;
    struct test_unit u;
    struct test_log log;
    struct test_runs runs = {.n = 0};
    struct member_row row;
    struct member_state now;
    struct err err;
    (void)state;
    test_unit_make(&u, "BE", 1);
    write_register(&log, &u, &runs);
    test_register_open(&always);
    test_register_deliver_all(&always, &runs, 0);

    event_kind_hide(KIND_CATEGORY_CHANGED);
    test_register_open(&old);
    test_register_deliver_all(&old, &runs, 0);
    assert_true(test_register_member(&old, &u.id, test_subject(2), &row)); /* plain: no effect */
    member_state_at(&row, DATE_MAX, &now);
    assert_int_equal(now.category, CATEGORY_A);
    assert_int_equal(now.status, STATUS_MEMBER);
    member_row_release(&row);
    assert_true(
        test_register_member(&old, &u.id, test_subject(0), &row)); /* must-understand: the leaving waits with it */
    member_state_at(&row, DATE_MAX, &now);
    assert_int_equal(now.status, STATUS_MEMBER);
    member_row_release(&row);
    assert_true(test_register_member(&old, &u.id, test_subject(3), &row)); /* nobody else waits */
    member_state_at(&row, DATE_MAX, &now);
    assert_int_equal(now.status, STATUS_LEFT);
    member_row_release(&row);
    assert_relayed_as_written(&old, &runs);

    event_kind_hide(0);
    assert_int_equal(apply_rebuild(old.db, NULL, NULL, &err), 0);
    test_register_restart(&old);
    struct hash a = test_register_fingerprint(&old), b = test_register_fingerprint(&always);
    assert_memory_equal(a.b, b.b, sizeof(a.b));
    assert_true(test_register_member(&old, &u.id, test_subject(0), &row));
    member_state_at(&row, DATE_MAX, &now);
    assert_int_equal(now.category, CATEGORY_B);
    assert_int_equal(now.status, STATUS_LEFT);
    member_row_release(&row);
    test_register_check(&old);

    test_runs_release(&runs);
    test_log_release(&log);
    test_register_close(&old);
    test_register_close(&always);
}

static int
know_all(void **state)
{
    (void)state;
    event_kind_hide(0);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_an_older_program_does_not_know_takes_effect_after_the_upgrade, know_all),
    };
    return cmocka_run_group_tests_name("upgrade", tests, NULL, NULL);
}
