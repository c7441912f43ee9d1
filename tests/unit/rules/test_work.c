/* Activities and invoices: what can follow what, the state, the bytes of rows. Random event sets in random orders are in
 * test_work_random. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "node/rules/invoice.h"
#include "tests/support/rules_world.h"

struct fixture {
    struct world world;
    struct office_id office, other;
    struct activity_row activity;
    struct invoice_row invoice;
    struct missing missing;
    uint64_t seq;
    char text[256]; /* of the last error */
};

static struct civil_date
month(int m)
{
    return date_from_ymd(2024, m, 1);
}

static void
setup(struct fixture *f)
{
    struct unit_id unit = {{1}};
    struct subject_id activity = {{7, 7}}, invoice = {{0}};
    memset(f, 0, sizeof(*f));
    world_init(&f->world);
    world_add_log(&f->world, 1, world_at(0, 0), world_at(0, 0));
    world_add_log(&f->world, 2, world_at(1, 40), world_at(0, 0));
    world_add_log(&f->world, 3, world_at(1, 40), world_at(0, 0));
    f->office = world_office(&f->world, world_at(1, 1));
    f->other = world_office(&f->world, world_at(1, 1));
    be16_put(invoice.b, month_number(month(3)));
    activity_row_init(&f->activity, &unit, &activity);
    invoice_row_init(&f->invoice, &unit, &invoice);
    f->seq = 1;
}

static void
teardown(struct fixture *f)
{
    activity_row_release(&f->activity);
    invoice_row_release(&f->invoice);
    world_release(&f->world);
}

/* ---- events ---- */

static struct event_header
header(uint16_t kind)
{
    struct event_header h = {.kind = kind, .kind_version = 1};
    if (kind != KIND_ACTIVITY_CLOSED && kind != KIND_ACTIVITY_CANCELLED && kind != KIND_INVOICE_CANCELLED) {
        h.n_capsules = 1;
        h.capsules[0].class = CLASS_ACTIVITY;
    }
    return h;
}

static struct activity_entry
activity_event(struct fixture *f, uint8_t log, uint16_t kind, int m, uint16_t sector, const struct event_ref *ref)
{
    struct event_header h = header(kind);
    struct event_payload p;
    struct activity_entry e;
    memset(&p, 0, sizeof(p));
    p.common.has_effective = true;
    p.common.effective = month(m);
    p.activity = (struct activity_facets){.office = f->office, .sector = sector, .culture = sector == 1};
    if (ref != NULL) {
        h.refs[h.n_refs++] = *ref;
    }
    struct position at = world_at(log, ++f->seq);
    activity_entry_from_event(&at, &h, &p, &e);
    return e;
}

static struct position
activity(struct fixture *f, uint8_t log, uint16_t kind, int m, uint16_t sector, const struct event_ref *ref,
         enum void_reason want)
{
    struct activity_entry e = activity_event(f, log, kind, m, sector, ref);
    struct err err = {.code = ERR_NONE};
    int rc = activity_row_try(&f->activity, &e, &f->world.w, &err);
    assert_int_equal(rc == 0, want == VOID_NONE);
    memcpy(f->text, err.text, sizeof(f->text) < sizeof(err.text) ? sizeof(f->text) : sizeof(err.text));
    assert_int_equal(activity_row_add(&f->activity, &e, &f->world.w, &f->missing, NULL), 0);
    const struct activity_entry *is = &f->activity.entries[f->activity.n - 1];
    assert_int_equal(is->reason, want);
    assert_int_equal(is->outcome, want == VOID_NONE ? OUTCOME_APPLIED : OUTCOME_VOID);
    return e.at;
}

static struct invoice_entry
invoice_event(struct fixture *f, uint8_t log, uint16_t kind, int m, int64_t amount, const struct event_ref *ref)
{
    struct event_header h = header(kind);
    struct event_payload p;
    struct invoice_entry e;
    memset(&p, 0, sizeof(p));
    p.common.has_effective = true;
    p.common.effective = month(m);
    if (kind == KIND_INVOICE_ISSUED) {
        p.invoice = (struct invoice_facts){.facets = {.office = f->office, .sector = 32},
                                           .amount_minor = amount,
                                           .currency = "EUR",
                                           .rate_bp = 650,
                                           .contribution_minor = amount * 65 / 1000};
    } else {
        p.credit = (struct credit_facts){.amount_minor = amount, .contribution_minor = amount * 65 / 1000};
    }
    if (ref != NULL) {
        h.refs[h.n_refs++] = *ref;
    }
    struct position at = world_at(log, ++f->seq);
    invoice_entry_from_event(&at, &h, &p, &e);
    return e;
}

static struct position
invoice(struct fixture *f, uint8_t log, uint16_t kind, int m, int64_t amount, const struct event_ref *ref,
        enum void_reason want)
{
    struct invoice_entry e = invoice_event(f, log, kind, m, amount, ref);
    struct err err = {.code = ERR_NONE};
    int rc = invoice_row_try(&f->invoice, &e, &f->world.w, &err);
    assert_int_equal(rc == 0, want == VOID_NONE);
    memcpy(f->text, err.text, sizeof(f->text) < sizeof(err.text) ? sizeof(f->text) : sizeof(err.text));
    assert_int_equal(invoice_row_add(&f->invoice, &e, &f->world.w, &f->missing, NULL), 0);
    const struct invoice_entry *is = &f->invoice.entries[f->invoice.n - 1];
    assert_int_equal(is->reason, want);
    assert_int_equal(is->outcome, want == VOID_NONE ? OUTCOME_APPLIED : OUTCOME_VOID);
    return e.at;
}

static struct event_ref
corrects(struct position at)
{
    return world_ref(REF_CORRECTS, at);
}

static struct event_ref
cancels(struct position at)
{
    return world_ref(REF_CANCELS, at);
}

/* ---- activities ---- */

static void
an_activity_is_opened_changed_and_closed(void **state)
{
    struct fixture f;
    struct activity_state s;
    setup(&f);
    activity(&f, 1, KIND_ACTIVITY_CHANGED, 3, 2, NULL, VOID_EXISTS_NOT);
    activity(&f, 1, KIND_ACTIVITY_CLOSED, 3, 0, NULL, VOID_EXISTS_NOT);
    assert_string_equal(f.text, "effective_on: the activity is not open in 2024-03");
    struct position opened = activity(&f, 1, KIND_ACTIVITY_OPENED, 3, 1, NULL, VOID_NONE);
    activity(&f, 1, KIND_ACTIVITY_OPENED, 4, 1, NULL, VOID_EXISTS);
    activity(&f, 1, KIND_ACTIVITY_CHANGED, 6, 2, NULL, VOID_NONE);
    activity(&f, 1, KIND_ACTIVITY_CLOSED, 5, 0, NULL, VOID_MAKES_IMPOSSIBLE);
    assert_string_equal(f.text,
                        "effective_on: activity.changed of 2024-06-01, recorded before, would become impossible");
    activity(&f, 1, KIND_ACTIVITY_CLOSED, 9, 0, NULL, VOID_NONE);
    activity(&f, 1, KIND_ACTIVITY_CHANGED, 10, 3, NULL, VOID_CLOSED);
    assert_string_equal(f.text, "effective_on: the activity closed in 2024-09");
    activity(&f, 1, KIND_ACTIVITY_OPENED, 10, 3, NULL, VOID_CLOSED);
    activity_state_at(&f.activity, date_from_ymd(2024, 2, 29), &s);
    assert_false(s.exists || s.open);
    assert_true(date_is_none(s.opened));
    activity_state_at(&f.activity, date_from_ymd(2024, 5, 31), &s);
    assert_true(s.exists && s.open && s.facets.culture);
    assert_int_equal(s.facets.sector, 1);
    activity_state_at(&f.activity, DATE_MAX, &s);
    assert_true(s.exists && !s.open);
    assert_int_equal(s.facets.sector, 2);
    assert_int_equal(s.closed.days, month(9).days);
    struct event_ref r = corrects(opened);
    activity(&f, 1, KIND_ACTIVITY_OPENED, 2, 5, &r, VOID_NONE);
    activity_state_at(&f.activity, date_from_ymd(2024, 2, 1), &s);
    assert_true(s.open);
    assert_int_equal(s.facets.sector, 5);
    teardown(&f);
}

static void
an_activity_names_an_office_that_was_opened_before(void **state)
{
    struct fixture f;
    setup(&f);
    f.office.b[0] = 9;
    activity(&f, 1, KIND_ACTIVITY_OPENED, 3, 1, NULL, VOID_NO_OFFICE);
    assert_string_equal(f.text, "office: the unit has not opened it");
    invoice(&f, 1, KIND_INVOICE_ISSUED, 3, 1000, NULL, VOID_NO_OFFICE);
    teardown(&f);
}

static void
a_cancelled_activity_is_none_until_it_is_corrected(void **state)
{
    struct fixture f;
    struct activity_state s;
    struct position links;
    setup(&f);
    struct position opened = activity(&f, 1, KIND_ACTIVITY_OPENED, 3, 1, NULL, VOID_NONE);
    struct position changed = activity(&f, 1, KIND_ACTIVITY_CHANGED, 4, 2, NULL, VOID_NONE);
    assert_true(activity_links_position(&f.activity, &links));
    assert_int_equal(links.seq, changed.seq);
    struct event_ref r = cancels(opened);
    activity(&f, 1, KIND_ACTIVITY_CANCELLED, 3, 0, &r, VOID_MAKES_IMPOSSIBLE);
    r = cancels(changed);
    struct position second = activity(&f, 1, KIND_ACTIVITY_CANCELLED, 4, 0, &r, VOID_NONE);
    assert_true(activity_links_position(&f.activity, &links));
    assert_int_equal(links.seq, opened.seq);
    r = cancels(opened);
    activity(&f, 1, KIND_ACTIVITY_CANCELLED, 3, 0, &r, VOID_NONE);
    activity_state_at(&f.activity, DATE_MAX, &s);
    assert_false(s.exists);
    assert_true(activity_links_position(&f.activity, &links));
    r = cancels(second);
    activity(&f, 1, KIND_ACTIVITY_CANCELLED, 4, 0, &r, VOID_REFERENCE);
    activity(&f, 1, KIND_ACTIVITY_CANCELLED, 4, 0, NULL, VOID_REFERENCE);
    r = corrects(opened);
    activity(&f, 1, KIND_ACTIVITY_OPENED, 5, 4, &r, VOID_NONE);
    activity_state_at(&f.activity, DATE_MAX, &s);
    assert_true(s.open);
    assert_int_equal(s.facets.sector, 4);
    assert_int_equal(s.opened.days, month(5).days);
    teardown(&f);
}

/* ---- invoices ---- */

static void
no_more_is_credited_than_was_invoiced(void **state)
{
    struct fixture f;
    struct invoice_state s;
    setup(&f);
    invoice(&f, 1, KIND_INVOICE_CREDITED, 3, 10, NULL, VOID_EXISTS_NOT);
    struct position issued = invoice(&f, 1, KIND_INVOICE_ISSUED, 3, 100000, NULL, VOID_NONE);
    invoice(&f, 1, KIND_INVOICE_ISSUED, 3, 100000, NULL, VOID_EXISTS);
    invoice(&f, 1, KIND_INVOICE_CREDITED, 2, 10, NULL, VOID_EXISTS_NOT);
    assert_string_equal(f.text, "date: there is no such invoice in 2024-02");
    invoice(&f, 1, KIND_INVOICE_CREDITED, 4, 60000, NULL, VOID_NONE);
    invoice(&f, 1, KIND_INVOICE_CREDITED, 5, 40001, NULL, VOID_CREDIT);
    assert_string_equal(f.text,
                        "amount_minor: more would be credited than was invoiced; 60000 of 100000 are credited already");
    struct event_ref r = corrects(issued);
    invoice(&f, 1, KIND_INVOICE_ISSUED, 3, 59999, &r, VOID_MAKES_IMPOSSIBLE);
    invoice(&f, 1, KIND_INVOICE_ISSUED, 3, 90000, &r, VOID_NONE);
    struct invoice_entry e = invoice_event(&f, 1, KIND_INVOICE_CREDITED, 5, 30000, NULL);
    e.credit.contribution_minor++;
    assert_int_equal(invoice_row_try(&f.invoice, &e, &f.world.w, NULL), ERR_CONFLICT);
    invoice(&f, 1, KIND_INVOICE_CREDITED, 5, 30000, NULL, VOID_NONE);
    invoice_state_at(&f.invoice, DATE_MAX, &s);
    assert_true(s.exists && !s.cancelled);
    assert_int_equal(s.facts.amount_minor, 90000);
    assert_int_equal(s.credited.amount_minor, 90000);
    assert_int_equal(s.credited.contribution_minor, s.facts.contribution_minor);
    assert_int_equal(s.credit_notes, 2);
    assert_int_equal(s.month.days, month(3).days);
    invoice_state_at(&f.invoice, date_from_ymd(2024, 4, 30), &s);
    assert_int_equal(s.credited.amount_minor, 60000);
    teardown(&f);
}

static void
a_cancelled_invoice_shows_what_it_was_and_counts_nowhere(void **state)
{
    struct fixture f;
    struct invoice_state s;
    struct position links;
    setup(&f);
    struct position issued = invoice(&f, 1, KIND_INVOICE_ISSUED, 3, 100000, NULL, VOID_NONE);
    struct position credit = invoice(&f, 1, KIND_INVOICE_CREDITED, 4, 60000, NULL, VOID_NONE);
    struct event_ref r = cancels(issued);
    invoice(&f, 1, KIND_INVOICE_CANCELLED, 3, 0, &r, VOID_MAKES_IMPOSSIBLE);
    r = cancels(credit);
    invoice(&f, 1, KIND_INVOICE_CANCELLED, 4, 0, &r, VOID_NONE);
    r = cancels(issued);
    invoice(&f, 1, KIND_INVOICE_CANCELLED, 3, 0, &r, VOID_NONE);
    invoice_state_at(&f.invoice, DATE_MAX, &s);
    assert_true(s.exists && s.cancelled);
    assert_int_equal(s.facts.amount_minor, 100000);
    assert_int_equal(s.credited.amount_minor, 0);
    assert_int_equal(s.credit_notes, 0);
    assert_true(invoice_slot_empty(&f.invoice, 0) && invoice_slot_empty(&f.invoice, 1));
    assert_true(invoice_links_position(&f.invoice, 0, &links));
    assert_int_equal(links.seq, issued.seq);
    assert_true(invoice_links_position(&f.invoice, 1, &links));
    assert_int_equal(links.seq, credit.seq);
    invoice(&f, 1, KIND_INVOICE_CREDITED, 5, 1, NULL, VOID_EXISTS_NOT);
    r = corrects(issued);
    struct position again = invoice(&f, 1, KIND_INVOICE_ISSUED, 3, 70000, &r, VOID_NONE);
    invoice_state_at(&f.invoice, DATE_MAX, &s);
    assert_true(s.exists && !s.cancelled);
    assert_int_equal(s.facts.amount_minor, 70000);
    assert_false(invoice_slot_empty(&f.invoice, 0));
    assert_true(invoice_links_position(&f.invoice, 0, &links));
    assert_int_equal(links.seq, again.seq);
    teardown(&f);
}

static void
concurrent_issues_and_credit_notes_conflict(void **state)
{
    struct fixture f;
    setup(&f);
    struct invoice_entry a = invoice_event(&f, 2, KIND_INVOICE_ISSUED, 3, 1000, NULL);
    struct invoice_entry b = invoice_event(&f, 3, KIND_INVOICE_ISSUED, 3, 2000, NULL);
    struct invoice_entry c = invoice_event(&f, 3, KIND_INVOICE_CREDITED, 4, 2000, NULL);
    assert_int_equal(invoice_row_add(&f.invoice, &b, &f.world.w, &f.missing, NULL), 0);
    assert_int_equal(invoice_row_add(&f.invoice, &c, &f.world.w, &f.missing, NULL), 0);
    assert_int_equal(invoice_row_add(&f.invoice, &a, &f.world.w, &f.missing, NULL), 0);
    assert_int_equal(f.invoice.entries[0].outcome, OUTCOME_APPLIED);
    assert_int_equal(f.invoice.entries[1].outcome, OUTCOME_CONFLICT);
    assert_int_equal(f.invoice.entries[1].reason, VOID_EXISTS);
    assert_int_equal(f.invoice.entries[2].reason, VOID_CREDIT);
    teardown(&f);
}

static void
what_must_be_understood_stops_what_comes_after_it(void **state)
{
    struct fixture f;
    struct event_header h = {.kind = 111, .kind_version = 3};
    struct event_common c;
    struct activity_entry a;
    struct invoice_entry e;
    struct position at = world_at(1, 2);
    setup(&f);
    memset(&c, 0, sizeof(c));
    assert_false(invoice_entry_unknown(&at, &h, &c, &e));
    assert_false(activity_entry_unknown(&at, &h, &c, &a));
    h.must_understand = true;
    assert_true(activity_entry_unknown(&at, &h, &c, &a));
    assert_true(invoice_entry_unknown(&at, &h, &c, &e));
    assert_int_equal(invoice_row_try(&f.invoice, &e, &f.world.w, NULL), ERR_INVALID);
    assert_int_equal(invoice_row_add(&f.invoice, &e, &f.world.w, &f.missing, NULL), 0);
    f.seq = 3;
    struct invoice_entry next = invoice_event(&f, 1, KIND_INVOICE_ISSUED, 3, 1000, NULL);
    assert_int_equal(invoice_row_try(&f.invoice, &next, &f.world.w, NULL), ERR_CONFLICT);
    assert_int_equal(invoice_row_add(&f.invoice, &next, &f.world.w, &f.missing, NULL), 0);
    assert_int_equal(f.invoice.entries[1].outcome, OUTCOME_UNKNOWN);
    f.world.broken = ERR_IO;
    struct event_ref r = corrects(next.at);
    next = invoice_event(&f, 2, KIND_INVOICE_ISSUED, 3, 1000, &r);
    assert_int_equal(invoice_row_add(&f.invoice, &next, &f.world.w, &f.missing, NULL), ERR_IO);
    assert_int_equal(f.invoice.n, 2);
    teardown(&f);
}

/* ---- bytes ---- */

static void
an_invoice_takes_little_room(void **state)
{
    struct fixture f;
    struct buf bytes;
    setup(&f);
    f.seq = 3000000;
    struct invoice_entry e = invoice_event(&f, 1, KIND_INVOICE_ISSUED, 3, 123456789, NULL);
    assert_int_equal(invoice_row_add(&f.invoice, &e, &f.world.w, &f.missing, NULL), 0);
    buf_init(&bytes, MEMBER_ROW_BYTES_MAX);
    assert_int_equal(invoice_row_encode(&f.invoice, &bytes, NULL), 0);
    assert_in_range(bytes.len, 60, 72);
    buf_free(&bytes);
    teardown(&f);
}

typedef int (*read_row)(struct slice bytes, const struct fixture *f, struct buf *again);

static int
read_activity(struct slice bytes, const struct fixture *f, struct buf *again)
{
    struct activity_row row;
    int rc = activity_row_decode(bytes, &f->activity.unit, &f->activity.activity, &row, NULL);
    if (rc == 0) {
        assert_int_equal(activity_row_encode(&row, again, NULL), 0);
        activity_row_release(&row);
    }
    return rc;
}

static int
read_invoice(struct slice bytes, const struct fixture *f, struct buf *again)
{
    struct invoice_row row;
    int rc = invoice_row_decode(bytes, &f->invoice.unit, &f->invoice.invoice, &row, NULL);
    if (rc == 0) {
        assert_int_equal(invoice_row_encode(&row, again, NULL), 0);
        invoice_row_release(&row);
    }
    return rc;
}

/* Cut anywhere: refused. With any byte changed: refused, or other bytes of a row that has these as its one encoding. */
static void
damage(const struct fixture *f, struct buf *bytes, read_row read)
{
    struct buf again;
    buf_init(&again, MEMBER_ROW_BYTES_MAX);
    assert_int_equal(read(buf_slice(bytes), f, &again), 0);
    assert_true(slice_eq(buf_slice(bytes), buf_slice(&again)));
    for (size_t n = 0; n < bytes->len; n++) {
        assert_int_equal(read(slice_of(bytes->data, n), f, &again), ERR_CORRUPT);
    }
    for (size_t i = 0; i < bytes->len; i++) {
        uint8_t was = bytes->data[i];
        for (unsigned v = 0; v < 256; v++) {
            bytes->data[i] = (uint8_t)v;
            buf_clear(&again);
            int rc = read(buf_slice(bytes), f, &again);
            assert_true(rc == ERR_CORRUPT || (rc == 0 && slice_eq(buf_slice(bytes), buf_slice(&again))));
        }
        bytes->data[i] = was;
    }
    buf_put_u8(bytes, 0);
    assert_int_equal(read(buf_slice(bytes), f, &again), ERR_CORRUPT);
    buf_free(&again);
}

static void
rows_have_one_encoding(void **state)
{
    struct fixture f;
    struct buf bytes;
    setup(&f);
    struct position opened = activity(&f, 1, KIND_ACTIVITY_OPENED, 3, 1, NULL, VOID_NONE);
    activity(&f, 1, KIND_ACTIVITY_OPENED, 3, 1, NULL, VOID_EXISTS);
    struct event_ref r = corrects(opened);
    activity(&f, 2, KIND_ACTIVITY_OPENED, 4, 300, &r, VOID_NONE);
    r = cancels(opened);
    activity(&f, 2, KIND_ACTIVITY_CANCELLED, 4, 0, &r, VOID_NONE);
    struct position issued = invoice(&f, 1, KIND_INVOICE_ISSUED, 3, 100000, NULL, VOID_NONE);
    struct position credit = invoice(&f, 1, KIND_INVOICE_CREDITED, 4, 60000, NULL, VOID_NONE);
    r = cancels(credit);
    invoice(&f, 2, KIND_INVOICE_CANCELLED, 4, 0, &r, VOID_NONE);
    r = corrects(issued);
    invoice(&f, 2, KIND_INVOICE_ISSUED, 3, 70000, &r, VOID_NONE);
    struct invoice_entry unknown = invoice_event(&f, 2, 111, 3, 5, NULL);
    unknown.outcome = OUTCOME_UNKNOWN;
    unknown.kind_version = 2;
    unknown.effective = DATE_NONE;
    assert_int_equal(invoice_row_add(&f.invoice, &unknown, &f.world.w, &f.missing, NULL), 0);
    buf_init(&bytes, MEMBER_ROW_BYTES_MAX);
    assert_int_equal(activity_row_encode(&f.activity, &bytes, NULL), 0);
    damage(&f, &bytes, read_activity);
    buf_clear(&bytes);
    assert_int_equal(invoice_row_encode(&f.invoice, &bytes, NULL), 0);
    damage(&f, &bytes, read_invoice);
    buf_free(&bytes);
    teardown(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_activity_is_opened_changed_and_closed),
        cmocka_unit_test(an_activity_names_an_office_that_was_opened_before),
        cmocka_unit_test(a_cancelled_activity_is_none_until_it_is_corrected),
        cmocka_unit_test(no_more_is_credited_than_was_invoiced),
        cmocka_unit_test(a_cancelled_invoice_shows_what_it_was_and_counts_nowhere),
        cmocka_unit_test(concurrent_issues_and_credit_notes_conflict),
        cmocka_unit_test(what_must_be_understood_stops_what_comes_after_it),
        cmocka_unit_test(an_invoice_takes_little_room),
        cmocka_unit_test(rows_have_one_encoding),
    };
    return cmocka_run_group_tests_name("work", tests, NULL, NULL);
}
