/* Postings to rows: order of arrival, conflicts between logs, what waits, unknown kinds, rebuild, and that the check finds what is wrong. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "node/rules/posting.h"
#include "tests/support/register.h"

static struct civil_date
month(int n)
{
    return month_first((uint16_t)((2024 - 1900) * 12 + n));
}

static struct subject_id
posting_id(uint8_t n)
{
    struct subject_id s = {{0xB0, n}};
    return s;
}

static struct position
posting(struct test_log *log, uint16_t kind, uint8_t id, int from, int last, const char *country,
        const struct event_ref *ref)
{
    struct event_payload p = test_payload(kind, posting_id(id), month(from));
    memcpy(p.posting.country, country, sizeof(p.posting.country));
    p.posting.last_month = month(last);
    return test_log_event(log, &p, ref, ref != NULL);
}

static bool
row_of(struct test_register *r, const struct unit_id *unit, uint8_t id, struct posting_row *ret)
{
    uint8_t key[KEY_POSTING];
    struct db_txn *txn;
    struct slice value;
    struct err err;
    struct subject_id posting = posting_id(id);
    key_posting(key, unit, &posting);
    assert_int_equal(db_begin_read(r->db, &txn, &err), 0);
    int rc = db_get(txn, TABLE_POSTINGS, slice_of(key, sizeof(key)), &value, &err);
    posting_row_init(ret, unit, &posting);
    if (rc == 0)
        assert_int_equal(posting_row_decode(value, unit, &posting, ret, &err), 0);
    db_abort(&txn);
    return rc == 0;
}

static struct posting_state
state_of(struct test_register *r, const struct unit_id *unit, uint8_t id)
{
    struct posting_row row;
    struct posting_state s;
    assert_true(row_of(r, unit, id, &row));
    posting_state_of(&row, &s);
    posting_row_release(&row);
    return s;
}

static enum outcome
outcome_of(struct test_register *r, const struct unit_id *unit, uint8_t id, struct position at)
{
    struct posting_row row;
    enum outcome o = 0;
    if (!row_of(r, unit, id, &row))
        return o;
    for (size_t i = 0; i < row.n; i++)
        if (row.entries[i].at.seq == at.seq && TYPE_EQ(&row.entries[i].at.log, &at.log))
            o = row.entries[i].outcome;
    posting_row_release(&row);
    return o;
}

/* One unit's log, two successors that know the same of it and not of each other, and one that follows the first and refers to the second. */
struct history {
    struct test_unit unit;
    struct test_log main, left, right, join;
    struct test_runs runs;
    struct position late, joined;
};

static void
history_write(struct history *h)
{
    memset(h, 0, sizeof(*h));
    test_unit_make(&h->unit, "BE", 1);
    test_log_start(&h->main, &h->unit, 1, NULL, 0);
    posting(&h->main, KIND_POSTING_ISSUED, 1, 2, 7, "DE", NULL);
    posting(&h->main, KIND_POSTING_ISSUED, 2, 2, 7, "FR", NULL);
    struct event_ref second = test_ref(&h->main, 0);
    test_runs_take(&h->runs, &h->main);
    struct log_predecessor fork = test_log_at(&h->main);
    test_log_start(&h->left, &h->unit, 2, &fork, 1);
    posting(&h->left, KIND_POSTING_CHANGED, 1, 2, 3, "DE", NULL);
    test_cancel(&h->left, KIND_POSTING_CANCELLED, posting_id(2), month(2), second);
    test_runs_take(&h->runs, &h->left);
    test_log_start(&h->right, &h->unit, 3, &fork, 1);
    h->late = posting(&h->right, KIND_POSTING_CHANGED, 1, 6, 12, "AT", NULL);
    posting(&h->right, KIND_POSTING_ISSUED, 3, 1, 1, "IT", NULL);
    struct event_ref third = test_ref(&h->right, REF_CORRECTS);
    test_runs_take(&h->runs, &h->right);
    struct log_predecessor left = test_log_at(&h->left);
    test_log_start(&h->join, &h->unit, 4, &left, 1);
    h->joined = posting(&h->join, KIND_POSTING_ISSUED, 3, 2, 2, "IT", &third);
    test_runs_take(&h->runs, &h->join);
}

static void
history_release(struct history *h)
{
    test_runs_release(&h->runs);
    test_log_release(&h->main);
    test_log_release(&h->left);
    test_log_release(&h->right);
    test_log_release(&h->join);
}

static void
order_of_arrival_does_not_matter(void **arg)
{
    struct history h;
    struct hash first = {{0}};
    (void)arg;
    history_write(&h);
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct test_register r;
        test_register_open(&r);
        r.max_events = seed % 3 == 2 ? 2 : 0;
        test_register_deliver_all(&r, &h.runs, seed);
        test_register_check(&r);
        struct hash f = test_register_fingerprint(&r);
        first = seed == 0 ? f : first;
        assert_memory_equal(f.b, first.b, sizeof(f.b));
        assert_int_equal(test_register_rows(&r, TABLE_POSTINGS), 3);
        assert_int_equal(test_register_rows(&r, TABLE_CONFLICTS), 1);
        assert_int_equal(test_register_rows(&r, TABLE_WAITING), 0);
        assert_int_equal(outcome_of(&r, &h.unit.id, 1, h.late), OUTCOME_CONFLICT);
        assert_int_equal(outcome_of(&r, &h.unit.id, 3, h.joined), OUTCOME_APPLIED);
        struct posting_state one = state_of(&r, &h.unit.id, 1), two = state_of(&r, &h.unit.id, 2),
                             three = state_of(&r, &h.unit.id, 3);
        assert_int_equal(one.facts.last_month.days, month(3).days);
        assert_true(!two.exists && two.cancelled);
        assert_int_equal(three.stays[0].first_month.days, month(2).days);
        test_register_close(&r);
    }
    history_release(&h);
}

static void
a_correction_waits_for_what_it_names_and_a_rebuild_gives_the_same(void **arg)
{
    struct history h;
    struct test_register r;
    struct err err;
    (void)arg;
    history_write(&h);
    test_register_open(&r);
    test_register_deliver(&r, &h.runs.v[0]);
    test_register_deliver(&r, &h.runs.v[1]);
    test_register_deliver(&r, &h.runs.v[3]);
    assert_int_equal(outcome_of(&r, &h.unit.id, 3, h.joined), OUTCOME_WAITING);
    test_register_deliver(&r, &h.runs.v[2]);
    assert_int_equal(outcome_of(&r, &h.unit.id, 3, h.joined), OUTCOME_APPLIED);
    struct hash before = test_register_fingerprint(&r);
    assert_int_equal(apply_rebuild(r.db, NULL, NULL, &err), 0);
    struct hash after = test_register_fingerprint(&r);
    assert_memory_equal(before.b, after.b, sizeof(before.b));
    test_register_restart(&r);
    test_register_break_row(&r, TABLE_POSTINGS, 1, "postings");
    test_register_close(&r);
    history_release(&h);
}

static void
an_unknown_kind_holds_up_its_posting_and_no_other(void **arg)
{
    struct test_register r;
    struct test_unit u;
    struct test_log log;
    struct test_runs runs = {.n = 0};
    struct buf payload;
    struct err err;
    (void)arg;
    test_register_open(&r);
    test_unit_make(&u, "BE", 1);
    test_log_start(&log, &u, 1, NULL, 0);
    buf_init(&payload, PAYLOAD_BYTES_MAX);
    struct event_payload p = test_payload(KIND_POSTING_CANCELLED, posting_id(1), month(2));
    p.common.has_actor = p.common.has_salt = true;
    p.common.actor = u.actor;
    assert_int_equal(event_payload_encode(&p, &payload, &err), 0);
    posting(&log, KIND_POSTING_ISSUED, 1, 2, 7, "DE", NULL);
    struct position unknown = test_log_raw(&log, 227, 1, true, buf_slice(&payload), NULL, 0, NULL, 0);
    struct position after = posting(&log, KIND_POSTING_CHANGED, 1, 2, 9, "DE", NULL);
    posting(&log, KIND_POSTING_ISSUED, 2, 2, 7, "DE", NULL);
    struct position changed = posting(&log, KIND_POSTING_CHANGED, 2, 2, 9, "DE", NULL);
    test_log_raw(&log, KIND_POSTING_ISSUED, 1, false, buf_slice(&payload), NULL, 0, NULL, 0); /* without its facts */
    test_runs_take(&runs, &log);
    test_register_deliver(&r, &runs.v[0]);
    assert_int_equal(outcome_of(&r, &u.id, 1, unknown), OUTCOME_UNKNOWN);
    assert_int_equal(outcome_of(&r, &u.id, 1, after), OUTCOME_UNKNOWN);
    assert_int_equal(outcome_of(&r, &u.id, 2, changed), OUTCOME_APPLIED);
    assert_int_equal(test_register_rows(&r, TABLE_VOIDS), 1);
    assert_int_equal(test_register_rows(&r, TABLE_MEMBERS), 0);
    buf_free(&payload);
    test_runs_release(&runs);
    test_log_release(&log);
    test_register_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_arrival_does_not_matter),
        cmocka_unit_test(a_correction_waits_for_what_it_names_and_a_rebuild_gives_the_same),
        cmocka_unit_test(an_unknown_kind_holds_up_its_posting_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
