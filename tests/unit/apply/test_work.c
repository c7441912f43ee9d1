/* Work to rows: activities, invoices, counted people, closed periods, operations on shares; order of arrival, unknown kinds, months to be
 * counted, rebuild, roll back, and that the check finds what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "node/rules/counting.h"
#include "node/rules/invoice.h"
#include "tests/support/register.h"

static const struct subject_id OFFICE = {{0x0F, 1}};
static const struct subject_id OFFICE_2 = {{0x0F, 2}};

static struct civil_date
month(int n)
{
    return month_first((uint16_t)((2024 - 1900) * 12 + n));
}

static struct subject_id
work_id(uint32_t n)
{
    struct subject_id s = {{0xAC}};
    be32_put(s.b + 4, n);
    return s;
}

static struct activity_cell
cell(struct subject_id office, uint16_t sector, bool culture, const char *currency)
{
    struct activity_cell c = {.facets = test_facets(office, sector, culture)};
    memcpy(c.currency, currency, 3);
    return c;
}

static void
start(struct test_log *log, const struct test_unit *u, uint32_t number, const struct log_predecessor *p, size_t n)
{
    test_log_start(log, u, number, p, n);
    if (n > 0)
        return;
    test_event(log, KIND_OFFICE_OPENED, OFFICE, month(-20), NULL, 0);
    test_event(log, KIND_OFFICE_OPENED, OFFICE_2, month(-20), NULL, 0);
}

/* Counters of a view row; zeros if it is not there. */
static void
counters(struct test_register *r, enum table t, struct slice key, int64_t *ret, size_t n)
{
    struct db_txn *txn;
    struct slice value;
    struct err err;
    memset(ret, 0, n * sizeof(*ret));
    assert_int_equal(db_begin_read(r->db, &txn, &err), 0);
    if (db_get(txn, t, key, &value, &err) == 0)
        assert_int_equal(counters_decode(value, ret, n, &err), 0);
    db_abort(&txn);
}

static void
work_at(struct test_register *r, const struct test_unit *u, enum period_kind kind, struct civil_date d,
        struct activity_facets f, const char *currency, int64_t ret[WORK_N])
{
    uint8_t key[KEY_WORK];
    char text[CURRENCY_MAX] = "";
    memcpy(text, currency, strlen(currency));
    key_work(key, &u->id, kind, d, &f.office, f.sector, f.culture, text);
    counters(r, TABLE_WORK, slice_of(key, sizeof(key)), ret, WORK_N);
}

static int64_t
people_at(struct test_register *r, const struct unit_id *unit, enum period_kind kind, struct civil_date d, unsigned by,
          struct activity_cell c)
{
    uint8_t key[KEY_PEOPLE];
    int64_t v[PEOPLE_N];
    key_people(key, unit, kind, d, (uint8_t)by, &c.facets.office, c.facets.sector, c.facets.culture, c.currency);
    counters(r, TABLE_PEOPLE, slice_of(key, sizeof(key)), v, PEOPLE_N);
    return v[PEOPLE_COUNT];
}

static bool
invoice_of(struct test_register *r, const struct unit_id *unit, struct subject_id id, struct invoice_row *ret)
{
    uint8_t key[KEY_INVOICE];
    struct db_txn *txn;
    struct slice value;
    struct err err;
    key_invoice(key, unit, &id);
    assert_int_equal(db_begin_read(r->db, &txn, &err), 0);
    int rc = db_get(txn, TABLE_INVOICES, slice_of(key, sizeof(key)), &value, &err);
    invoice_row_init(ret, unit, &id);
    if (rc == 0)
        assert_int_equal(invoice_row_decode(value, unit, &id, ret, &err), 0);
    db_abort(&txn);
    return rc == 0;
}

static enum outcome
invoice_outcome(struct test_register *r, const struct unit_id *unit, struct subject_id id, struct position at)
{
    struct invoice_row row;
    enum outcome o = 0;
    if (!invoice_of(r, unit, id, &row))
        return o;
    for (size_t i = 0; i < row.n; i++)
        if (row.entries[i].at.seq == at.seq && TYPE_EQ(&row.entries[i].at.log, &at.log))
            o = row.entries[i].outcome;
    invoice_row_release(&row);
    return o;
}

static bool
is_uncounted(struct test_register *r, struct civil_date d)
{
    uint8_t key[KEY_UNCOUNTED];
    struct db_txn *txn;
    struct slice value;
    struct err err;
    be16_put(key, month_number(d));
    assert_int_equal(db_begin_read(r->db, &txn, &err), 0);
    int rc = db_get(txn, TABLE_UNCOUNTED, slice_of(key, sizeof(key)), &value, &err);
    db_abort(&txn);
    return rc == 0;
}

static void
counted(struct test_register *r)
{
    struct db_txn *txn;
    struct err err;
    assert_int_equal(db_begin_write(r->db, &txn, &err), 0);
    assert_int_equal(db_clear(txn, TABLE_UNCOUNTED, &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
}

/* ---- every kind ---- */

static void
every_kind_of_work_changes_its_rows_and_its_cells(void **arg)
{
    struct test_register r;
    struct test_unit u;
    struct test_log log;
    struct test_runs runs = {.n = 0};
    struct activity_facets music = test_facets(OFFICE, 2, true), it = test_facets(OFFICE_2, 32, false);
    int64_t v[WORK_N];
    (void)arg;
    test_register_open(&r);
    test_unit_make(&u, "BE", 1);
    start(&log, &u, 1, NULL, 0);
    test_activity(&log, KIND_ACTIVITY_OPENED, work_id(1), month(0), music, NULL, 0);
    test_activity(&log, KIND_ACTIVITY_CHANGED, work_id(1), month(1), it, NULL, 0);
    struct event_payload closed = test_payload(KIND_ACTIVITY_CLOSED, work_id(1), month(3));
    test_log_event(&log, &closed, NULL, 0);
    test_activity(&log, KIND_ACTIVITY_OPENED, work_id(2), month(0), music, NULL, 0);
    struct event_ref opened = test_ref(&log, 0);
    test_cancel(&log, KIND_ACTIVITY_CANCELLED, work_id(2), month(0), opened);
    struct subject_id a = test_invoice_id(month(1), 1), b = test_invoice_id(month(1), 2);
    test_invoice(&log, a, music, 100000, "EUR", NULL, 0);
    test_credit(&log, a, month(14), 40000, 2000, NULL, 0);
    test_invoice(&log, b, music, 70000, "SEK", NULL, 0);
    struct event_ref issued = test_ref(&log, REF_CORRECTS);
    test_invoice(&log, b, it, 80000, "SEK", &issued, 1);
    struct subject_id gone = test_invoice_id(month(2), 3);
    test_invoice(&log, gone, music, 5000, "EUR", NULL, 0);
    test_cancel(&log, KIND_INVOICE_CANCELLED, gone, month(2), test_ref(&log, 0));
    struct period_figure figures[] = {{.number = FIGURE_MEMBERS, .value = 12}};
    test_period_closed(&log, 2024, month(13), figures, 1);
    figures[0].value = 13;
    test_period_closed(&log, 2024, month(14), figures, 1);
    test_runs_take(&runs, &log);
    test_register_deliver(&r, &runs.v[0]);

    assert_int_equal(apply_stats(r.apply).void_events, 0);
    assert_int_equal(test_register_rows(&r, TABLE_ACTIVITIES), 2);
    assert_int_equal(test_register_rows(&r, TABLE_INVOICES), 3);
    assert_int_equal(test_register_rows(&r, TABLE_PERIODS), 1);
    work_at(&r, &u, PERIOD_MONTH, month(0), music, "", v);
    assert_int_equal(v[WORK_OPENED], 1);
    assert_int_equal(v[WORK_OPEN], 1);
    work_at(&r, &u, PERIOD_YEAR, month(0), music, "", v);
    assert_int_equal(v[WORK_OPENED], 1);
    assert_int_equal(v[WORK_OPEN], 0);
    work_at(&r, &u, PERIOD_MONTH, month(3), it, "", v);
    assert_int_equal(v[WORK_CLOSED], 1);
    assert_int_equal(v[WORK_OPEN], -1);
    work_at(&r, &u, PERIOD_MONTH, month(1), music, "EUR", v);
    assert_int_equal(v[WORK_INVOICES], 1);
    assert_int_equal(v[WORK_TURNOVER], 100000);
    assert_int_equal(v[WORK_CONTRIBUTION], 5000);
    work_at(&r, &u, PERIOD_YEAR, month(12), music, "EUR", v);
    assert_int_equal(v[WORK_CREDIT_NOTES], 1);
    assert_int_equal(v[WORK_CREDITED], 40000);
    assert_int_equal(v[WORK_CONTRIBUTION_BACK], 2000);
    work_at(&r, &u, PERIOD_YEAR, month(0), it, "SEK", v);
    assert_int_equal(v[WORK_TURNOVER], 80000);
    work_at(&r, &u, PERIOD_YEAR, month(0), music, "SEK", v);
    assert_int_equal(v[WORK_TURNOVER], 0);
    work_at(&r, &u, PERIOD_MONTH, month(2), music, "EUR", v);
    assert_int_equal(v[WORK_INVOICES], 0);
    assert_int_equal(test_register_rows(&r, TABLE_UNCOUNTED), 0); /* nobody's own */
    test_runs_release(&runs);
    test_log_release(&log);
    test_register_close(&r);
}

static void
a_person_is_counted_once_by_month_year_and_over_units(void **arg)
{
    struct test_register r;
    struct test_unit units[2];
    struct test_log logs[2];
    struct test_runs runs = {.n = 0};
    static const struct unit_id everybody;
    const struct activity_cell none = {.currency = ""};
    struct activity_cell eur = cell(OFFICE, 2, true, "EUR"), sek = cell(OFFICE, 2, true, "SEK");
    (void)arg;
    test_register_open(&r);
    for (uint32_t i = 0; i < 2; i++) {
        test_unit_make(&units[i], i == 0 ? "BE" : "SE", (uint8_t)(i + 1));
        start(&logs[i], &units[i], 1, NULL, 0);
        for (int m = 0; m < 3; m++)
            test_active(&logs[i], test_subject(900), month(m), i == 0 ? &eur : &sek, 1);
        test_active(&logs[i], test_subject(901 + i), month(1), &eur, 1);
    }
    test_active(&logs[0], test_subject(900), month(2), NULL, 0); /* not active after all */
    for (uint32_t i = 0; i < 2; i++)
        test_runs_take(&runs, &logs[i]);
    test_register_deliver_all(&r, &runs, 0);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(people_at(&r, &units[i].id, PERIOD_MONTH, month(1), 0, none), 2);
        assert_int_equal(people_at(&r, &units[i].id, PERIOD_MONTH, month(2), 0, none), i);
        assert_int_equal(people_at(&r, &units[i].id, PERIOD_YEAR, month(0), 0, none), 2);
        assert_int_equal(people_at(&r, &units[i].id, PERIOD_YEAR, month(0), 15, eur), i == 0 ? 2 : 1);
        assert_int_equal(people_at(&r, &units[i].id, PERIOD_YEAR, month(0), 15, sek), i == 0 ? 0 : 1);
    }
    assert_int_equal(people_at(&r, &everybody, PERIOD_MONTH, month(1), 0, none), 1);
    assert_int_equal(people_at(&r, &everybody, PERIOD_MONTH, month(2), 0, none), 0);
    assert_int_equal(people_at(&r, &everybody, PERIOD_YEAR, month(0), 0, none), 1);
    assert_int_equal(people_at(&r, &everybody, PERIOD_YEAR, month(0), 15, eur), 0);
    assert_int_equal(test_register_rows(&r, TABLE_ACTIVE), 3);
    test_runs_release(&runs);
    test_log_release(&logs[0]);
    test_log_release(&logs[1]);
    test_register_close(&r);
}

/* ---- any order ---- */

/* Two branches of one unit that contradict each other, a log that joins them, a second unit. */
struct history {
    struct test_unit be, fr;
    struct test_log main, next, join, fr_log;
    struct log_predecessor fork;
    struct position late_correction;
    struct subject_id corrected;
    struct test_runs runs;
};

static void
some_work(struct history *h, struct test_log *log, uint32_t first, uint32_t n, uint64_t *seed)
{
    static const char *const currencies[] = {"EUR", "SEK", "HUF"};
    for (uint32_t i = first; i < first + n; i++) {
        struct activity_cell c = cell(test_random(seed) % 2 ? OFFICE : OFFICE_2, (uint16_t)(1 + test_random(seed) % 3),
                                      test_random(seed) % 2, currencies[test_random(seed) % 3]);
        struct civil_date m = month((int)(test_random(seed) % 14));
        struct subject_id invoice = test_invoice_id(m, i);
        test_activity(log, KIND_ACTIVITY_OPENED, work_id(i), m, c.facets, NULL, 0);
        test_invoice(log, invoice, c.facets, 20000 + (int64_t)(test_random(seed) % 90000), c.currency, NULL, 0);
        if (i % 3 == 0)
            test_credit(log, invoice, month(13), 10000, 100, NULL, 0);
        if (i % 4 == 1)
            test_cancel(log, KIND_INVOICE_CANCELLED, invoice, m, test_ref(log, 0));
        test_active(log, test_subject(700 + i % 5), m, &c, 1);
        if (i % 4 == 3)
            test_runs_take(&h->runs, log);
    }
}

static void
history_write(struct history *h, uint64_t seed)
{
    struct activity_facets facets = test_facets(OFFICE, 7, false);
    struct subject_id twice = test_invoice_id(month(4), 500);
    struct period_figure figure = {.number = FIGURE_MEMBERS, .value = 1};
    memset(h, 0, sizeof(*h));
    test_unit_make(&h->be, "BE", 1);
    test_unit_make(&h->fr, "FR", 2);
    start(&h->main, &h->be, 1, NULL, 0);
    some_work(h, &h->main, 0, 10, &seed);
    test_activity(&h->main, KIND_ACTIVITY_OPENED, work_id(50), month(0), facets, NULL, 0);
    test_invoice(&h->main, twice, facets, 10000, "EUR", NULL, 0);
    test_admission(&h->main, work_id(50), month(0), OFFICE, CATEGORY_A, 4);
    test_admission(&h->main, test_subject(2), month(0), OFFICE, CATEGORY_A, 2);
    test_runs_take(&h->runs, &h->main);
    h->fork = test_log_at(&h->main);
    /* The tail that a restore lost. */
    test_credit(&h->main, twice, month(5), 6000, 0, NULL, 0);
    test_activity(&h->main, KIND_ACTIVITY_CHANGED, work_id(50), month(6), test_facets(OFFICE_2, 8, true), NULL, 0);
    test_period_closed(&h->main, 2024, month(12), &figure, 1);
    h->corrected = test_invoice_id(month(8), 600);
    test_invoice(&h->main, h->corrected, facets, 30000, "EUR", NULL, 0);
    struct event_ref lost = test_ref(&h->main, REF_CORRECTS);
    test_event(&h->main, KIND_MEMBER_RESIGNED, work_id(50), month(7), NULL, 0);
    test_event(&h->main, KIND_SHARES_SUBSCRIBED, test_subject(2), month(8), NULL, 0);
    some_work(h, &h->main, 100, 6, &seed);
    test_runs_take(&h->runs, &h->main);
    /* The successor that does not know it: what both do to one entity cannot all stand. */
    start(&h->next, &h->be, 2, &h->fork, 1);
    test_credit(&h->next, twice, month(5), 7000, 0, NULL, 0);
    struct event_payload close = test_payload(KIND_ACTIVITY_CLOSED, work_id(50), month(5));
    test_log_event(&h->next, &close, NULL, 0);
    test_event(&h->next, KIND_MEMBER_EXCLUDED, work_id(50), month(6), NULL, 0);
    figure.value = 2;
    test_period_closed(&h->next, 2024, month(11), &figure, 1);
    h->late_correction = test_invoice(&h->next, h->corrected, facets, 20000, "EUR", &lost, 1);
    some_work(h, &h->next, 100, 6, &seed); /* entered again: the ids are the tail's where the months are */
    test_runs_take(&h->runs, &h->next);
    struct log_predecessor both[2] = {test_log_at(&h->next), test_log_at(&h->main)};
    start(&h->join, &h->be, 3, both, 2);
    test_active(&h->join, test_subject(700), month(3), NULL, 0);
    some_work(h, &h->join, 200, 4, &seed);
    start(&h->fr_log, &h->fr, 1, NULL, 0);
    some_work(h, &h->fr_log, 0, 8, &seed);
}

static void
history_release(struct history *h)
{
    test_runs_release(&h->runs);
    test_log_release(&h->main);
    test_log_release(&h->next);
    test_log_release(&h->join);
    test_log_release(&h->fr_log);
}

static unsigned
conflict_types(struct test_register *r)
{
    struct db_txn *txn;
    struct db_cursor *c;
    struct slice key, value;
    struct err err;
    unsigned types = 0;
    assert_int_equal(db_begin_read(r->db, &txn, &err), 0);
    assert_int_equal(db_cursor_open(txn, TABLE_CONFLICTS, &c, &err), 0);
    for (int rc = db_cursor_first(c, &key, &value, &err); rc == 0; rc = db_cursor_next(c, &key, &value, &err)) {
        assert_int_equal(key.len, KEY_CONFLICT);
        types |= 1u << key.data[0];
    }
    db_cursor_close(&c);
    db_abort(&txn);
    return types;
}

static void
order_of_arrival_does_not_matter(void **arg)
{
    struct history h;
    struct hash first = {{0}};
    (void)arg;
    history_write(&h, 21);
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct test_register r;
        test_register_open(&r);
        r.max_events = seed % 3 == 2 ? 3 : 0;
        r.fast = seed % 4 != 1; /* the check after every delivery is a rebuild after every delivery */
        test_register_deliver_all(&r, &h.runs, seed);
        test_register_check(&r);
        struct hash f = test_register_fingerprint(&r);
        if (seed == 0) {
            first = f;
            /* One id for a member and an activity: two entities, two conflicts. */
            assert_int_equal(conflict_types(&r), 1u << ENTITY_MEMBER | 1u << ENTITY_ACTIVITY | 1u << ENTITY_INVOICE);
            assert_int_equal(invoice_outcome(&r, &h.be.id, h.corrected, h.late_correction), OUTCOME_APPLIED);
        }
        assert_memory_equal(f.b, first.b, sizeof(f.b));
        assert_int_equal(test_register_rows(&r, TABLE_WAITING), 0);
        assert_int_equal(apply_stats(r.apply).conflicts, test_register_rows(&r, TABLE_CONFLICTS));
        test_register_close(&r);
    }
    history_release(&h);
}

static void
work_waits_for_what_it_refers_to(void **arg)
{
    struct history h;
    struct test_register r;
    (void)arg;
    history_write(&h, 22);
    test_register_open(&r);
    r.fast = true;
    apply_own_unit(r.apply, &h.be.id);
    size_t tail = 0;
    for (size_t i = 0; i < h.runs.n; i++) {
        const struct run *run = &h.runs.v[i].run;
        if (TYPE_EQ(&run->log, &h.main.id) && run->first > h.fork.seq)
            tail = tail == 0 ? i : tail;
        else if (!TYPE_EQ(&run->log, &h.join.id))
            test_register_deliver(&r, &h.runs.v[i]);
    }
    assert_int_equal(invoice_outcome(&r, &h.be.id, h.corrected, h.late_correction), OUTCOME_WAITING);
    assert_true(test_register_rows(&r, TABLE_WAITING) > 0);
    test_register_check(&r);
    counted(&r);
    for (size_t i = tail; i < h.runs.n; i++)
        if (TYPE_EQ(&h.runs.v[i].run.log, &h.main.id))
            test_register_deliver(&r, &h.runs.v[i]);
    assert_int_equal(invoice_outcome(&r, &h.be.id, h.corrected, h.late_correction), OUTCOME_APPLIED);
    assert_int_equal(test_register_rows(&r, TABLE_WAITING), 0);
    assert_true(is_uncounted(&r, month(8)));
    test_register_check(&r);
    test_register_close(&r);
    history_release(&h);
}

/* ---- kinds that are not known ---- */

static void
what_is_not_known_holds_up_its_own_entity_alone(void **arg)
{
    struct test_register r;
    struct test_unit u;
    struct test_log log;
    struct test_runs runs = {.n = 0};
    struct activity_facets facets = test_facets(OFFICE, 2, true);
    struct activity_cell c = cell(OFFICE, 2, true, "EUR");
    struct subject_id id = test_invoice_id(month(1), 1);
    struct buf payload;
    struct err err;
    (void)arg;
    test_register_open(&r);
    test_unit_make(&u, "BE", 1);
    start(&log, &u, 1, NULL, 0);
    buf_init(&payload, PAYLOAD_BYTES_MAX);
    struct event_payload p = test_payload(KIND_INVOICE_CANCELLED, id, month(1));
    p.common.has_actor = p.common.has_salt = true;
    p.common.actor = u.actor;
    assert_int_equal(event_payload_encode(&p, &payload, &err), 0);
    test_invoice(&log, id, facets, 50000, "EUR", NULL, 0);
    test_activity(&log, KIND_ACTIVITY_OPENED, id, month(1), facets, NULL, 0);
    struct position unknown = test_log_raw(&log, 111, 1, true, buf_slice(&payload), NULL, 0, NULL, 0);
    struct position after = test_credit(&log, id, month(1), 100, 0, NULL, 0);
    /* The activity of that id, and its changes, are another entity's. */
    test_log_raw(&log, 107, 2, true, buf_slice(&payload), NULL, 0, NULL, 0);
    test_admission(&log, id, month(1), OFFICE, CATEGORY_A, 1);
    /* In no entity: a person's later word counts. */
    test_log_raw(&log, KIND_PERSON_ACTIVE, 2, true, buf_slice(&payload), NULL, 0, NULL, 0);
    test_active(&log, id, month(1), &c, 1);
    /* Of another unit: malformed in these kinds, in version 1. */
    buf_put_u8(&payload, 6 << 3 | 2);
    buf_put_varint(&payload, HASH_BYTES);
    for (int i = 0; i < HASH_BYTES; i++)
        buf_put_u8(&payload, 0x99);
    struct position foreign = test_log_raw(&log, 111, 1, true, buf_slice(&payload), NULL, 0, NULL, 0);
    test_log_raw(&log, KIND_INVOICE_CANCELLED, 1, true, buf_slice(&payload), NULL, 0, NULL, 0);
    test_log_raw(&log, KIND_PERIOD_CLOSED, 1, true, slice_of("\xff", 1), NULL, 0, NULL, 0);
    test_runs_take(&runs, &log);
    test_register_deliver(&r, &runs.v[0]);
    assert_int_equal(invoice_outcome(&r, &u.id, id, unknown), OUTCOME_UNKNOWN);
    assert_int_equal(invoice_outcome(&r, &u.id, id, after), OUTCOME_UNKNOWN);
    assert_int_equal(invoice_outcome(&r, &u.id, id, foreign), 0);
    assert_int_equal(test_register_rows(&r, TABLE_VOIDS), 3);
    struct member_row member;
    struct member_state s;
    assert_true(test_register_member(&r, &u.id, id, &member));
    member_state_at(&member, DATE_MAX, &s);
    assert_int_equal(s.status, STATUS_MEMBER);
    assert_int_equal(member.n, 1); /* no pseudonym is a member */
    member_row_release(&member);
    assert_int_equal(people_at(&r, &u.id, PERIOD_MONTH, month(1), 15, c), 1);
    assert_int_equal(test_register_rows(&r, TABLE_MEMBERS), 1);
    int64_t v[WORK_N];
    work_at(&r, &u, PERIOD_MONTH, month(1), facets, "EUR", v);
    assert_int_equal(v[WORK_TURNOVER], 50000);
    assert_int_equal(v[WORK_CREDITED], 0);
    buf_free(&payload);
    test_runs_release(&runs);
    test_log_release(&log);
    test_register_close(&r);
}

/* ---- months to be counted ---- */

static void
months_of_the_own_units_invoices_are_to_be_counted(void **arg)
{
    struct test_register r;
    struct test_unit be, fr;
    struct test_log log, other;
    struct test_runs runs = {.n = 0};
    struct activity_facets facets = test_facets(OFFICE, 2, true);
    struct activity_cell c = cell(OFFICE, 2, true, "EUR");
    struct subject_id id = test_invoice_id(month(1), 1);
    (void)arg;
    test_register_open(&r);
    test_unit_make(&be, "BE", 1);
    test_unit_make(&fr, "FR", 2);
    start(&other, &fr, 1, NULL, 0);
    test_invoice(&other, test_invoice_id(month(9), 1), facets, 50000, "EUR", NULL, 0);
    test_runs_take(&runs, &other);
    start(&log, &be, 1, NULL, 0);
    test_activity(&log, KIND_ACTIVITY_OPENED, work_id(1), month(0), facets, NULL, 0);
    test_active(&log, test_subject(1), month(0), &c, 1);
    test_invoice(&log, id, facets, 50000, "EUR", NULL, 0);
    struct event_ref issued = test_ref(&log, 0);
    test_runs_take(&runs, &log);
    test_credit(&log, id, month(5), 1000, 0, NULL, 0);
    test_runs_take(&runs, &log);
    test_cancel(&log, KIND_INVOICE_CANCELLED, id, month(1), issued);
    test_runs_take(&runs, &log);
    apply_own_unit(r.apply, &be.id);
    test_register_deliver(&r, &runs.v[0]);
    assert_int_equal(test_register_rows(&r, TABLE_UNCOUNTED), 0);
    test_register_deliver(&r, &runs.v[1]);
    /* The invoice's month, and that of an own word on a person which came from elsewhere. */
    assert_int_equal(test_register_rows(&r, TABLE_UNCOUNTED), 2);
    assert_true(is_uncounted(&r, month(1)) && is_uncounted(&r, month(0)));
    counted(&r);
    test_register_deliver(&r, &runs.v[2]);
    assert_int_equal(test_register_rows(&r, TABLE_UNCOUNTED), 2);
    assert_true(is_uncounted(&r, month(1)) && is_uncounted(&r, month(5)));
    counted(&r);
    test_register_deliver(&r, &runs.v[3]);
    assert_int_equal(test_register_rows(&r, TABLE_UNCOUNTED), 1);
    struct err err;
    assert_int_equal(apply_rebuild(r.db, NULL, NULL, &err), 0);
    assert_int_equal(test_register_rows(&r, TABLE_UNCOUNTED), 1);
    test_register_restart(&r);
    test_register_check(&r);
    test_runs_release(&runs);
    test_log_release(&log);
    test_log_release(&other);
    test_register_close(&r);
}

/* ---- rebuild, roll back, check ---- */

static void
a_rebuild_gives_what_was_built_step_by_step(void **arg)
{
    struct history h;
    struct test_register r;
    struct err err;
    (void)arg;
    history_write(&h, 23);
    test_register_open(&r);
    r.fast = true;
    test_register_deliver_all(&r, &h.runs, 9);
    struct hash before = test_register_fingerprint(&r);
    assert_int_equal(apply_rebuild(r.db, NULL, NULL, &err), 0);
    struct hash after = test_register_fingerprint(&r);
    assert_memory_equal(before.b, after.b, sizeof(before.b));
    test_register_restart(&r);
    test_register_check(&r);
    test_register_close(&r);
    history_release(&h);
}

static void
what_does_not_stand_leaves_no_trace_of_its_work(void **arg)
{
    struct test_register r, never;
    struct test_unit u;
    struct test_log log, carrier;
    struct test_runs runs = {.n = 0};
    struct activity_facets facets = test_facets(OFFICE, 2, true);
    struct activity_cell c = cell(OFFICE, 2, true, "EUR");
    struct subject_id id = test_invoice_id(month(1), 1);
    struct period_figure figure = {.number = FIGURE_MEMBERS, .value = 1};
    (void)arg;
    test_unit_make(&u, "BE", 1);
    start(&log, &u, 1, NULL, 0);
    test_invoice(&log, id, facets, 50000, "EUR", NULL, 0);
    test_active(&log, test_subject(1), month(1), &c, 1);
    test_admission(&log, test_subject(2), month(0), OFFICE, CATEGORY_A, 2);
    test_runs_take(&runs, &log);
    struct log_predecessor fork = test_log_at(&log);
    test_credit(&log, id, month(2), 1000, 0, NULL, 0);
    test_invoice(&log, test_invoice_id(month(3), 2), facets, 7000, "EUR", NULL, 0);
    test_activity(&log, KIND_ACTIVITY_OPENED, work_id(1), month(2), facets, NULL, 0);
    test_active(&log, test_subject(1), month(1), NULL, 0);
    test_active(&log, test_subject(3), month(2), &c, 1);
    test_event(&log, KIND_SHARES_SUBSCRIBED, test_subject(2), month(3), NULL, 0);
    test_period_closed(&log, 2024, month(12), &figure, 1);
    test_runs_take(&runs, &log);
    struct standing_position stand = {.log = fork.log, .seq = fork.seq, .chain = fork.chain};
    struct root_statement st = {
        .serial = 1, .n_void_keys = 1, .n_standing = 1, .void_keys = &log.signing, .standing = &stand};
    test_log_start_statement(&carrier, &u, 2, &fork, 1, &st);
    test_runs_take(&runs, &carrier);
    test_register_open(&r);
    apply_own_unit(r.apply, &u.id);
    test_register_deliver(&r, &runs.v[0]);
    test_register_deliver(&r, &runs.v[1]);
    assert_int_equal(test_register_rows(&r, TABLE_PERIODS), 1);
    assert_int_equal(test_register_rows(&r, TABLE_SHARE_OPS), 2);
    counted(&r);
    test_register_deliver(&r, &runs.v[2]);
    test_register_open(&never);
    test_register_deliver(&never, &runs.v[0]);
    test_register_deliver(&never, &runs.v[2]);
    struct hash a = test_register_fingerprint(&r), b = test_register_fingerprint(&never);
    assert_memory_equal(a.b, b.b, sizeof(a.b));
    assert_int_equal(test_register_rows(&r, TABLE_INVOICES), 1);
    assert_int_equal(test_register_rows(&r, TABLE_PERIODS), 0);
    assert_int_equal(test_register_rows(&r, TABLE_SHARE_OPS), 1);
    /* What went may have been counted. */
    assert_true(is_uncounted(&r, month(1)) && is_uncounted(&r, month(3)));
    assert_int_equal(test_register_rows(&r, TABLE_UNCOUNTED), 2);
    test_register_close(&r);
    test_register_close(&never);
    test_runs_release(&runs);
    test_log_release(&log);
    test_log_release(&carrier);
}

static void
operations_on_shares_are_listed_in_the_order_of_recording(void **arg)
{
    struct test_register r;
    struct test_unit u;
    struct test_log log;
    struct test_runs runs = {.n = 0};
    struct subject_id s = test_subject(1);
    (void)arg;
    test_register_open(&r);
    test_unit_make(&u, "BE", 1);
    start(&log, &u, 1, NULL, 0);
    struct position expected[4];
    expected[0] = test_admission(&log, s, month(0), OFFICE, CATEGORY_A, 2);
    test_category(&log, s, month(1), CATEGORY_B);
    expected[1] = test_event(&log, KIND_SHARES_SUBSCRIBED, s, month(3), NULL, 0);
    struct event_ref subscribed = test_ref(&log, 0);
    test_admission(&log, s, month(4), OFFICE, CATEGORY_A, 2); /* void: none */
    expected[2] = test_cancel(&log, KIND_ENTRY_CANCELLED, s, month(3), subscribed);
    expected[3] = test_event(&log, KIND_MEMBER_RESIGNED, s, month(5), NULL, 0);
    test_runs_take(&runs, &log);
    test_register_deliver(&r, &runs.v[0]);
    struct db_txn *txn;
    struct db_cursor *c;
    struct slice key, value;
    struct err err;
    size_t n = 0;
    assert_int_equal(db_begin_read(r.db, &txn, &err), 0);
    assert_int_equal(db_cursor_open(txn, TABLE_SHARE_OPS, &c, &err), 0);
    for (int rc = db_cursor_first(c, &key, &value, &err); rc == 0; rc = db_cursor_next(c, &key, &value, &err)) {
        uint8_t wanted[KEY_SHARE_OP];
        assert_true(n < ARRAY_LEN(expected));
        key_share_op(wanted, &u.id, 1, &log.id, expected[n++].seq);
        assert_true(slice_eq(key, slice_of(wanted, sizeof(wanted))));
        assert_true(slice_eq(value, slice_of(s.b, sizeof(s.b))));
    }
    assert_int_equal(n, ARRAY_LEN(expected));
    db_cursor_close(&c);
    db_abort(&txn);
    test_runs_release(&runs);
    test_log_release(&log);
    test_register_close(&r);
}

static void
the_check_finds_a_damaged_row_of_each_table(void **arg)
{
    static const enum table tables[] = {TABLE_ACTIVITIES, TABLE_INVOICES,  TABLE_ACTIVE,  TABLE_WORK,
                                        TABLE_PEOPLE,     TABLE_SHARE_OPS, TABLE_PERIODS, TABLE_CONFLICTS};
    struct history h;
    struct test_register r;
    (void)arg;
    history_write(&h, 24);
    test_register_open(&r);
    r.fast = true;
    test_register_deliver_all(&r, &h.runs, 2);
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        char expected[64];
        snprintf(expected, sizeof(expected), "table %s", table_name(tables[i]));
        test_register_break_row(&r, tables[i], 1, expected);
    }
    test_register_close(&r);
    history_release(&h);
}

static void
disk_full_at_any_point_leaves_work_that_holds(void **arg)
{
    struct history h;
    struct test_register r, whole;
    struct err err;
    unsigned failures = 0;
    (void)arg;
    history_write(&h, 25);
    test_register_open(&whole);
    test_register_open(&r);
    whole.fast = r.fast = true;
    test_register_deliver_all(&whole, &h.runs, 0);
    for (size_t i = 0; i < h.runs.n; i++) {
        for (unsigned n = 1;; n += 1 + n / 4) {
            db_fail_after(n);
            int rc = test_register_try(&r, &h.runs.v[i], &err);
            db_fail_after(0);
            if (rc == 0)
                break;
            assert_int_equal(rc, ERR_FULL);
            failures++;
        }
    }
    assert_true(failures > 40);
    struct hash a = test_register_fingerprint(&r), b = test_register_fingerprint(&whole);
    assert_memory_equal(a.b, b.b, sizeof(a.b));
    test_register_check(&r);
    test_register_close(&r);
    test_register_close(&whole);
    history_release(&h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_work_changes_its_rows_and_its_cells),
        cmocka_unit_test(a_person_is_counted_once_by_month_year_and_over_units),
        cmocka_unit_test(order_of_arrival_does_not_matter),
        cmocka_unit_test(work_waits_for_what_it_refers_to),
        cmocka_unit_test(what_is_not_known_holds_up_its_own_entity_alone),
        cmocka_unit_test(months_of_the_own_units_invoices_are_to_be_counted),
        cmocka_unit_test(a_rebuild_gives_what_was_built_step_by_step),
        cmocka_unit_test(what_does_not_stand_leaves_no_trace_of_its_work),
        cmocka_unit_test(operations_on_shares_are_listed_in_the_order_of_recording),
        cmocka_unit_test(the_check_finds_a_damaged_row_of_each_table),
        cmocka_unit_test(disk_full_at_any_point_leaves_work_that_holds),
    };
    return cmocka_run_group_tests_name("work", tests, NULL, NULL);
}
