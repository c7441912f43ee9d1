/* Events to rows: every kind, order of arrival, waiting, voids, unknown kinds, the own log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/event_samples.h"
#include "tests/support/register.h"

static struct civil_date
day(int n)
{
    return (struct civil_date){20000 + n};
}

static struct db_txn *
reading(struct test_register *r)
{
    struct db_txn *txn;
    struct err err;
    assert_int_equal(db_begin_read(r->db, &txn, &err), 0);
    return txn;
}

static struct member_state
state_of(struct test_register *r, const struct test_unit *u, uint32_t subject, struct civil_date as_of)
{
    struct member_row row;
    struct member_state s;
    assert_true(test_register_member(r, &u->id, test_subject(subject), &row));
    member_state_at(&row, as_of, &s);
    member_row_release(&row);
    return s;
}

static enum outcome
outcome_of(struct test_register *r, const struct test_unit *u, uint32_t subject, struct position at,
           enum void_reason *ret_reason)
{
    struct member_row row;
    enum outcome o = 0;
    if (!test_register_member(r, &u->id, test_subject(subject), &row))
        return o;
    for (size_t i = 0; i < row.n; i++) {
        if (TYPE_EQ(&row.entries[i].at.log, &at.log) && row.entries[i].at.seq == at.seq) {
            o = row.entries[i].outcome;
            *ret_reason = row.entries[i].reason;
        }
    }
    member_row_release(&row);
    return o;
}

/* Sum of all view rows of one granularity. */
static void
sums_of(struct test_register *r, enum table t, enum period_kind kind, size_t n, int64_t *ret)
{
    struct db_txn *txn = reading(r);
    struct db_cursor *c;
    struct slice key, value;
    struct err err;
    int64_t v[STATE_COUNTERS_MAX];
    memset(ret, 0, n * sizeof(*ret));
    assert_int_equal(db_cursor_open(txn, t, &c, &err), 0);
    for (int rc = db_cursor_first(c, &key, &value, &err); rc == 0; rc = db_cursor_next(c, &key, &value, &err)) {
        if (key.data[HASH_BYTES] != kind)
            continue;
        assert_int_equal(counters_decode(value, v, n, &err), 0);
        for (size_t i = 0; i < n; i++)
            ret[i] += v[i];
    }
    db_cursor_close(&c);
    db_abort(&txn);
}

static uint64_t
applied_of(struct test_register *r, const struct test_log *log)
{
    struct db_txn *txn = reading(r);
    struct log_row row = {.applied_seq = 0};
    struct err err;
    if (evlog_find(txn, &log->id, &row, &err) != 0)
        row.applied_seq = 0;
    db_abort(&txn);
    return row.applied_seq;
}

static const struct subject_id OFFICE = {{0x0F, 1}};
static const struct subject_id OFFICE_2 = {{0x0F, 2}};

static void
open_offices(struct test_log *log)
{
    test_event(log, KIND_UNIT_DESCRIBED, OFFICE, day(-400), NULL, 0);
    test_event(log, KIND_OFFICE_OPENED, OFFICE, day(-400), NULL, 0);
    test_event(log, KIND_OFFICE_OPENED, OFFICE_2, day(-400), NULL, 0);
}

static void
every_kind_changes_the_rows_that_it_is_about(void **arg)
{
    struct test_register r;
    struct test_unit u;
    struct test_log log;
    struct test_runs runs = {.n = 0};
    (void)arg;
    test_register_open(&r);
    test_unit_make(&u, "BE", 1);
    test_log_start(&log, &u, 1, NULL, 0);
    open_offices(&log);
    struct event_payload p = sample_payload(KIND_APPLICATION_RECEIVED);
    p.common.subject = test_subject(1);
    p.common.effective = day(1);
    memcpy(p.admission.office.b, OFFICE.b, ID_BYTES);
    test_log_event(&log, &p, NULL, 0);
    struct event_ref application = test_ref(&log, REF_APPLICATION);
    test_event(&log, KIND_APPLICATION_REFUSED, test_subject(1), day(2), &application, 1);
    test_admission(&log, test_subject(2), day(3), OFFICE, CATEGORY_A, 3);
    test_event(&log, KIND_SHARES_SUBSCRIBED, test_subject(2), day(4), NULL, 0);
    test_category(&log, test_subject(2), day(5), CATEGORY_C);
    test_move(&log, test_subject(2), day(6), OFFICE_2);
    test_event(&log, KIND_WITHDRAWAL_REQUESTED, test_subject(2), day(7), NULL, 0);
    struct event_ref request = test_ref(&log, REF_REQUEST);
    test_event(&log, KIND_WITHDRAWAL_REFUSED, test_subject(2), day(8), &request, 1);
    test_event(&log, KIND_WITHDRAWAL_REQUESTED, test_subject(2), day(9), NULL, 0);
    request = test_ref(&log, REF_REQUEST);
    test_event(&log, KIND_WITHDRAWAL_GRANTED, test_subject(2), day(10), &request, 1);
    test_event(&log, KIND_OFFICE_CHANGED, OFFICE, day(11), NULL, 0);
    test_event(&log, KIND_OFFICE_CLOSED, OFFICE, day(12), NULL, 0);
    test_event(&log, KIND_ESCROW_OPENED, OFFICE, day(12), NULL, 0);
    static const uint16_t ends[] = {KIND_MEMBER_RESIGNED, KIND_MEMBER_EXCLUDED, KIND_MEMBER_DECEASED};
    for (uint32_t i = 0; i < 3; i++) {
        test_admission(&log, test_subject(10 + i), day(13), OFFICE_2, CATEGORY_B, 1);
        test_event(&log, ends[i], test_subject(10 + i), day(20), NULL, 0);
    }
    test_runs_take(&runs, &log);
    test_register_deliver(&r, &runs.v[0]);

    assert_int_equal(applied_of(&r, &log), log.seq);
    assert_int_equal(apply_stats(r.apply).void_events, 0);
    assert_int_equal(state_of(&r, &u, 1, DATE_MAX).status, STATUS_REFUSED);
    struct member_state s = state_of(&r, &u, 2, day(9));
    assert_int_equal(s.status, STATUS_MEMBER);
    assert_true(s.request_open);
    assert_int_equal(s.category, CATEGORY_C);
    assert_memory_equal(s.office.b, OFFICE_2.b, ID_BYTES);
    assert_int_equal(s.shares, 5);
    assert_int_equal(state_of(&r, &u, 2, DATE_MAX).left_reason, LEFT_WITHDRAWN);
    assert_int_equal(state_of(&r, &u, 12, DATE_MAX).left_reason, LEFT_DECEASED);

    static const enum period_kind kinds[] = {PERIOD_DAY, PERIOD_MONTH, PERIOD_YEAR};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        int64_t c[COUNTS_N], money[CAPITAL_N];
        sums_of(&r, TABLE_COUNTS, kinds[i], COUNTS_N, c);
        sums_of(&r, TABLE_CAPITAL, kinds[i], CAPITAL_N, money);
        assert_int_equal(c[COUNT_MEMBERS], 0);
        assert_int_equal(c[COUNT_JOINED], 4);
        assert_int_equal(c[COUNT_WITHDRAWN], 1);
        assert_int_equal(c[COUNT_RESIGNED] + c[COUNT_EXCLUDED] + c[COUNT_DECEASED], 3);
        assert_int_equal(c[COUNT_APPLIED], 1);
        assert_int_equal(c[COUNT_REFUSED], 1);
        assert_int_equal(c[COUNT_REQUESTED], 2);
        assert_int_equal(c[COUNT_REQUEST_REFUSED], 1);
        assert_int_equal(money[CAPITAL_SHARES_IN], 8);
        assert_int_equal(money[CAPITAL_SHARES_OUT], 8);
    }
    test_runs_release(&runs);
    test_log_release(&log);
    test_register_close(&r);
}

static void
what_cannot_be_read_is_void_and_listed(void **arg)
{
    struct test_register r;
    struct test_unit u;
    struct test_log log;
    struct test_runs runs = {.n = 0};
    enum void_reason reason = VOID_NONE;
    (void)arg;
    test_register_open(&r);
    test_unit_make(&u, "BE", 1);
    test_log_start(&log, &u, 1, NULL, 0);
    open_offices(&log);
    test_log_raw(&log, KIND_MEMBER_ADMITTED, 1, true, slice_of("\x0a\x01x", 3), NULL, 0, NULL, 0);
    struct event_payload opened = {.kind = KIND_LOG_OPENED, .log_opened = log.opened};
    test_log_event(&log, &opened, NULL, 0);
    test_log_raw(&log, 60000, 1, true, slice_of("\xff", 1), NULL, 0, NULL, 0);
    /* a unit that offers a member to itself */
    struct event_payload offered = test_payload(KIND_HANDOVER_OFFERED, test_subject(7), day(1));
    offered.handover.other = log.opened.unit;
    test_log_event(&log, &offered, NULL, 0);
    struct position at = test_category(&log, test_subject(7), day(1), CATEGORY_A);
    test_runs_take(&runs, &log);
    test_register_deliver(&r, &runs.v[0]);
    assert_int_equal(applied_of(&r, &log), log.seq);
    assert_int_equal(test_register_rows(&r, TABLE_VOIDS), 4);
    assert_int_equal(outcome_of(&r, &u, 7, at, &reason), OUTCOME_VOID);
    assert_int_equal(reason, VOID_NOT_MEMBER);
    test_runs_release(&runs);
    test_log_release(&log);
    test_register_close(&r);
}

/* A history of one unit with side branches, corrections across logs, conflicts, voids and a second unit. */
struct history {
    struct test_unit be, fr;
    struct test_log main, tail, next, fr_log;
    struct test_runs runs;
};

static void
history_write(struct history *h, uint64_t seed)
{
    memset(h, 0, sizeof(*h));
    test_unit_make(&h->be, "BE", 1);
    test_unit_make(&h->fr, "FR", 2);
    test_log_start(&h->main, &h->be, 1, NULL, 0);
    open_offices(&h->main);
    for (uint32_t i = 0; i < 12; i++) {
        test_admission(&h->main, test_subject(i), day((int)(test_random(&seed) % 300)), i % 2 ? OFFICE : OFFICE_2,
                       (uint8_t)(1 + i % 3), 1 + i);
        if (i % 4 == 3)
            test_runs_take(&h->runs, &h->main);
    }
    struct log_predecessor fork = test_log_at(&h->main);
    /* The tail that a restore lost, and the successor that does not know it. */
    for (uint32_t i = 0; i < 6; i++)
        test_category(&h->main, test_subject(i), day(400 + (int)i), (uint8_t)(1 + (i + 1) % 3));
    test_event(&h->main, KIND_MEMBER_RESIGNED, test_subject(2), day(500), NULL, 0);
    struct event_ref resigned = test_ref(&h->main, REF_CORRECTS);
    test_runs_take(&h->runs, &h->main);
    test_log_start(&h->next, &h->be, 2, &fork, 1);
    for (uint32_t i = 0; i < 6; i++)
        test_event(&h->next, i % 2 ? KIND_MEMBER_EXCLUDED : KIND_SHARES_SUBSCRIBED, test_subject(i),
                   day(380 + (int)(test_random(&seed) % 60)), NULL, 0);
    test_admission(&h->next, test_subject(0), day(450), OFFICE, CATEGORY_A, 1); /* void */
    /* A correction of an event that only the tail holds. */
    test_event(&h->next, KIND_MEMBER_RESIGNED, test_subject(2), day(510), &resigned, 1);
    test_runs_take(&h->runs, &h->next);
    struct log_predecessor both[2] = {test_log_at(&h->next), test_log_at(&h->main)};
    test_log_start(&h->tail, &h->be, 3, both, 2);
    test_move(&h->tail, test_subject(8), day(600), OFFICE);
    test_event(&h->tail, KIND_OFFICE_CLOSED, OFFICE, day(700), NULL, 0);
    test_runs_take(&h->runs, &h->tail);
    test_log_start(&h->fr_log, &h->fr, 1, NULL, 0);
    open_offices(&h->fr_log);
    test_admission(&h->fr_log, test_subject(0), day(3), OFFICE, CATEGORY_B, 2);
    test_runs_take(&h->runs, &h->fr_log);
}

static void
history_release(struct history *h)
{
    test_runs_release(&h->runs);
    test_log_release(&h->main);
    test_log_release(&h->next);
    test_log_release(&h->tail);
    test_log_release(&h->fr_log);
}

static void
order_of_arrival_does_not_matter(void **arg)
{
    struct history h;
    struct hash first = {{0}};
    (void)arg;
    history_write(&h, 7);
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct test_register r;
        test_register_open(&r);
        r.max_events = seed % 3 == 2 ? 3 : 0;
        test_register_deliver_all(&r, &h.runs, seed);
        struct hash f = test_register_fingerprint(&r);
        if (seed == 0) {
            first = f;
            assert_true(test_register_rows(&r, TABLE_CONFLICTS) > 0);
        }
        assert_memory_equal(f.b, first.b, sizeof(f.b));
        assert_int_equal(test_register_rows(&r, TABLE_WAITING), 0);
        assert_int_equal(apply_stats(r.apply).waiting, 0);
        assert_int_equal(apply_stats(r.apply).conflicts, test_register_rows(&r, TABLE_CONFLICTS));
        test_register_close(&r);
    }
    history_release(&h);
}

static void
restarts_between_deliveries_change_nothing(void **arg)
{
    struct history h;
    struct test_register a, b;
    (void)arg;
    history_write(&h, 8);
    test_register_open(&a);
    test_register_open(&b);
    test_register_deliver_all(&a, &h.runs, 5);
    for (size_t i = h.runs.n; i-- > 0;) {
        for (size_t k = 0; k <= i; k++) {
            struct err err;
            if (test_register_try(&b, &h.runs.v[k], &err) == 0)
                test_register_restart(&b);
        }
    }
    struct hash x = test_register_fingerprint(&a), y = test_register_fingerprint(&b);
    assert_memory_equal(x.b, y.b, sizeof(x.b));
    test_register_check(&b);
    test_register_close(&a);
    test_register_close(&b);
    history_release(&h);
}

static void
a_reference_to_what_is_not_held_waits_until_it_comes(void **arg)
{
    struct history h;
    struct test_register r;
    enum void_reason reason = VOID_NONE;
    (void)arg;
    history_write(&h, 9);
    test_register_open(&r);
    struct position correction = {h.next.id, h.next.seq};
    for (size_t i = 0; i < 3; i++)
        test_register_deliver(&r, &h.runs.v[i]);
    test_register_deliver(&r, &h.runs.v[4]); /* without the tail */
    assert_int_equal(outcome_of(&r, &h.be, 2, correction, &reason), OUTCOME_WAITING);
    assert_int_equal(test_register_rows(&r, TABLE_WAITING), 1);
    assert_int_equal(apply_stats(r.apply).waiting, 1);
    test_register_deliver(&r, &h.runs.v[3]);
    assert_int_equal(outcome_of(&r, &h.be, 2, correction, &reason), OUTCOME_APPLIED);
    assert_int_equal(test_register_rows(&r, TABLE_WAITING), 0);
    assert_true(state_of(&r, &h.be, 2, DATE_MAX).left_on.days == day(510).days);
    test_register_close(&r);
    history_release(&h);
}

static void
a_reference_to_what_is_held_but_not_applied_waits_too(void **arg)
{
    struct test_register r;
    struct test_unit u;
    struct test_log base, later, deep[3], *aside = &deep[2];
    struct test_runs runs = {.n = 0};
    enum void_reason reason = VOID_NONE;
    (void)arg;
    test_register_open(&r);
    test_unit_make(&u, "BE", 1);
    test_log_start(&base, &u, 1, NULL, 0);
    open_offices(&base);
    test_runs_take(&runs, &base);
    struct log_predecessor head = test_log_at(&base);
    test_log_start(&later, &u, 2, &head, 1);
    test_admission(&later, test_subject(1), day(1), OFFICE, CATEGORY_A, 1);
    test_event(&later, KIND_MEMBER_RESIGNED, test_subject(1), day(5), NULL, 0);
    struct event_ref resigned = test_ref(&later, REF_CORRECTS);
    test_runs_take(&runs, &later);
    /* Deeper than what it corrects, or it would not take its place (docs/PROTOCOL.md §10). */
    for (uint32_t i = 0; i < 3; i++) {
        struct log_predecessor before = {.seq = 0};
        if (i > 0)
            before = test_log_at(&deep[i - 1]);
        test_log_start(&deep[i], &u, 3 + i, &before, i > 0);
        if (i < 2)
            test_runs_take(&runs, &deep[i]);
    }
    struct position at = test_event(aside, KIND_MEMBER_RESIGNED, test_subject(1), day(7), &resigned, 1);
    test_runs_take(&runs, aside);
    for (size_t i = 1; i < runs.n; i++)
        test_register_deliver(&r, &runs.v[i]);
    assert_int_equal(applied_of(&r, &later), 0);
    assert_int_equal(outcome_of(&r, &u, 1, at, &reason), OUTCOME_WAITING);
    test_register_deliver(&r, &runs.v[0]);
    assert_int_equal(outcome_of(&r, &u, 1, at, &reason), OUTCOME_APPLIED);
    assert_int_equal(state_of(&r, &u, 1, DATE_MAX).left_on.days, day(7).days);
    test_runs_release(&runs);
    test_log_release(&base);
    test_log_release(&later);
    for (uint32_t i = 0; i < 3; i++)
        test_log_release(&deep[i]);
    test_register_close(&r);
}

static void
an_office_opened_on_two_branches_is_known_on_both(void **arg)
{
    struct test_register r;
    struct test_unit u;
    struct test_log logs[2];
    (void)arg;
    test_register_open(&r);
    test_unit_make(&u, "BE", 1);
    for (uint32_t i = 0; i < 2; i++) {
        struct test_runs runs = {.n = 0};
        enum void_reason reason = VOID_NONE;
        test_log_start(&logs[i], &u, 1 + i, NULL, 0);
        open_offices(&logs[i]);
        struct position at = test_admission(&logs[i], test_subject(i), day(1), OFFICE, CATEGORY_A, 1);
        test_runs_take(&runs, &logs[i]);
        test_register_deliver(&r, &runs.v[0]);
        assert_int_equal(outcome_of(&r, &u, i, at, &reason), OUTCOME_APPLIED);
        test_runs_release(&runs);
        test_log_release(&logs[i]);
    }
    test_register_close(&r);
}

static void
what_must_be_understood_holds_up_its_entity_or_its_log(void **arg)
{
    struct test_register r;
    struct test_unit u;
    struct test_log log, next;
    struct test_runs runs = {.n = 0};
    enum void_reason reason = VOID_NONE;
    struct buf payload;
    struct err err;
    (void)arg;
    test_register_open(&r);
    test_unit_make(&u, "BE", 1);
    test_log_start(&log, &u, 1, NULL, 0);
    open_offices(&log);
    test_admission(&log, test_subject(1), day(1), OFFICE, CATEGORY_A, 1);
    test_admission(&log, test_subject(2), day(1), OFFICE, CATEGORY_A, 1);
    struct event_payload p = sample_payload(KIND_MEMBER_RESIGNED);
    p.common.subject = test_subject(1);
    buf_init(&payload, PAYLOAD_BYTES_MAX);
    assert_int_equal(event_payload_encode(&p, &payload, &err), 0);
    test_log_raw(&log, 53, 1, false, buf_slice(&payload), NULL, 0, NULL, 0); /* may be passed over */
    struct position unknown = test_log_raw(&log, 53, 1, true, buf_slice(&payload), NULL, 0, NULL, 0);
    struct position after = test_event(&log, KIND_MEMBER_RESIGNED, test_subject(1), day(9), NULL, 0);
    struct position other = test_event(&log, KIND_MEMBER_RESIGNED, test_subject(2), day(9), NULL, 0);
    test_log_raw(&log, KIND_OFFICE_CHANGED, 9, true, buf_slice(&payload), NULL, 0, NULL, 0);
    /* A later kind of any range holds up its subject; a unit says nothing of another's, and does so unpunished. */
    test_admission(&log, test_subject(4), day(1), OFFICE, CATEGORY_A, 1);
    p.common.subject = test_subject(4);
    buf_clear(&payload);
    assert_int_equal(event_payload_encode(&p, &payload, &err), 0);
    struct position later = test_log_raw(&log, 117, 1, true, buf_slice(&payload), NULL, 0, NULL, 0);
    struct position after_later = test_event(&log, KIND_MEMBER_RESIGNED, test_subject(4), day(9), NULL, 0);
    test_admission(&log, test_subject(5), day(1), OFFICE, CATEGORY_A, 1);
    p.common.subject = test_subject(5);
    buf_clear(&payload);
    assert_int_equal(event_payload_encode(&p, &payload, &err), 0);
    buf_put_u8(&payload, 6 << 3 | 2);
    buf_put_varint(&payload, HASH_BYTES);
    for (int i = 0; i < HASH_BYTES; i++)
        buf_put_u8(&payload, 0x99);
    test_log_raw(&log, 117, 1, true, buf_slice(&payload), NULL, 0, NULL, 0);
    test_log_raw(&log, KIND_SHARES_SUBSCRIBED, 2, true, buf_slice(&payload), NULL, 0, NULL, 0);
    struct position not_held_up = test_event(&log, KIND_MEMBER_RESIGNED, test_subject(5), day(9), NULL, 0);
    test_log_raw(&log, 53, 1, true, buf_slice(&payload), NULL, 0, NULL, 0);
    p = sample_payload(KIND_ESCROW_OPENED);
    buf_clear(&payload);
    assert_int_equal(event_payload_encode(&p, &payload, &err), 0);
    struct position stop = test_log_raw(&log, KIND_ESCROW_OPENED, 2, true, buf_slice(&payload), NULL, 0, NULL, 0);
    test_admission(&log, test_subject(3), day(1), OFFICE, CATEGORY_A, 1);
    test_runs_take(&runs, &log);
    struct log_predecessor head = test_log_at(&log);
    test_log_start(&next, &u, 2, &head, 1);
    test_runs_take(&runs, &next);
    test_register_deliver(&r, &runs.v[1]);
    test_register_deliver(&r, &runs.v[0]);
    assert_int_equal(outcome_of(&r, &u, 1, unknown, &reason), OUTCOME_UNKNOWN);
    assert_int_equal(outcome_of(&r, &u, 1, after, &reason), OUTCOME_UNKNOWN);
    assert_int_equal(outcome_of(&r, &u, 2, other, &reason), OUTCOME_APPLIED);
    assert_int_equal(outcome_of(&r, &u, 4, later, &reason), OUTCOME_UNKNOWN);
    assert_int_equal(outcome_of(&r, &u, 4, after_later, &reason), OUTCOME_UNKNOWN);
    assert_int_equal(outcome_of(&r, &u, 5, not_held_up, &reason), OUTCOME_APPLIED);
    assert_int_equal(test_register_rows(&r, TABLE_VOIDS), 1);
    assert_int_equal(applied_of(&r, &log), stop.seq - 1);
    assert_int_equal(applied_of(&r, &next), 0);
    assert_int_equal(test_register_rows(&r, TABLE_WAITING), 2);
    test_register_restart(&r);
    test_register_check(&r);
    buf_free(&payload);
    test_runs_release(&runs);
    test_log_release(&log);
    test_log_release(&next);
    test_register_close(&r);
}

/* ---- the own log ---- */

static int
write_local(struct test_register *r, struct test_log *log, const struct test_run *t, enum outcome *ret, struct err *err)
{
    struct db_txn *txn;
    struct log_row row;
    struct chain_value chain;
    struct reader frames = reader_of(t->run.frames);
    struct slice header, payload;
    enum void_reason reason;
    (void)log;
    int rc = db_begin_write(r->db, &txn, err);
    assert_int_equal(rc, 0);
    state_begin(r->state, txn);
    rc = evlog_find(txn, &t->run.log, &row, err);
    if (rc == ERR_NOTFOUND) {
        struct reader first = frames;
        struct event_header h;
        struct log_opened opened;
        assert_true(event_frame_next(&first, &header, &payload));
        assert_int_equal(verify_first_event(&t->run.log, header, payload, &h, &opened, err), 0);
        rc = evlog_create(txn, &t->run.log, &opened, &h, &row, err);
    }
    chain = row.head_chain;
    while (rc == 0 && event_frame_next(&frames, &header, &payload)) {
        chain = crypto_chain(chain, crypto_header_hash(header));
        rc = apply_local(r->apply, txn, &row, header, payload, &chain, ret, &reason, err);
    }
    if (rc == 0)
        rc = evlog_append(txn, &row, &t->run, &chain, err);
    if (rc == 0)
        rc = state_flush(r->state, err);
    state_discard(r->state);
    if (rc == 0)
        return db_commit(&txn, err);
    db_abort(&txn);
    struct err ignored;
    assert_int_equal(apply_reset(r->apply, &ignored), 0);
    return rc;
}

static void
own_events_apply_before_they_are_stored(void **arg)
{
    struct test_register own, peer;
    struct test_unit u;
    struct test_log log;
    struct test_runs runs = {.n = 0};
    enum outcome outcome = 0;
    struct err err;
    (void)arg;
    test_register_open(&own);
    test_register_open(&peer);
    test_unit_make(&u, "BE", 1);
    test_log_start(&log, &u, 1, NULL, 0);
    open_offices(&log);
    test_runs_take(&runs, &log);
    for (uint32_t i = 0; i < 5; i++) {
        test_admission(&log, test_subject(i), day(1), OFFICE, CATEGORY_A, 1);
        test_event(&log, KIND_WITHDRAWAL_REQUESTED, test_subject(i), day(2), NULL, 0);
        struct event_ref request = test_ref(&log, REF_REQUEST);
        test_event(&log, KIND_WITHDRAWAL_GRANTED, test_subject(i), day(3), &request, 1);
        if (i % 2)
            test_runs_take(&runs, &log);
    }
    test_runs_take(&runs, &log);
    for (size_t i = 0; i < runs.n; i++) {
        assert_int_equal(write_local(&own, &log, &runs.v[i], &outcome, &err), 0);
        assert_int_equal(outcome, OUTCOME_APPLIED);
        test_register_check(&own);
        test_register_deliver(&peer, &runs.v[i]);
    }
    assert_int_equal(state_of(&own, &u, 4, DATE_MAX).left_reason, LEFT_WITHDRAWN);
    struct hash a = test_register_fingerprint(&own), b = test_register_fingerprint(&peer);
    assert_memory_equal(a.b, b.b, sizeof(a.b));
    /* A void one is told at once. */
    test_event(&log, KIND_MEMBER_RESIGNED, test_subject(4), day(4), NULL, 0);
    test_runs_take(&runs, &log);
    assert_int_equal(write_local(&own, &log, &runs.v[runs.n - 1], &outcome, &err), 0);
    assert_int_equal(outcome, OUTCOME_VOID);
    test_runs_release(&runs);
    test_log_release(&log);
    test_register_close(&own);
    test_register_close(&peer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_changes_the_rows_that_it_is_about),
        cmocka_unit_test(what_cannot_be_read_is_void_and_listed),
        cmocka_unit_test(order_of_arrival_does_not_matter),
        cmocka_unit_test(restarts_between_deliveries_change_nothing),
        cmocka_unit_test(a_reference_to_what_is_not_held_waits_until_it_comes),
        cmocka_unit_test(a_reference_to_what_is_held_but_not_applied_waits_too),
        cmocka_unit_test(an_office_opened_on_two_branches_is_known_on_both),
        cmocka_unit_test(what_must_be_understood_holds_up_its_entity_or_its_log),
        cmocka_unit_test(own_events_apply_before_they_are_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
