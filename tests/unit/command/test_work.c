/* Activities, invoices and credit notes at the counter: what a request becomes, each refusal with its field and its words, looking up by
 * number and by member. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/command/work.h"
#include "tests/support/counter.h"

static struct civil_date
day(int month, int d)
{
    return date_from_ymd(2024, month, d);
}

/* ---- requests ---- */

static struct subject_id
member_since(struct counter *k, struct civil_date d)
{
    return counter_done(k, counter_someone(k, ACTION_ADMIT, d.days), NULL);
}

static void
text(struct person_text *t, const char *s)
{
    snprintf(t->s, sizeof(t->s), "%s", s);
}

static struct activity_request
opening(struct subject_id member, struct civil_date on, uint16_t sector)
{
    struct activity_request r = {
        .action = WORK_OPEN_ACTIVITY, .member = member, .effective = on, .has_sector = true, .sector = sector};
    return r;
}

static struct activity_request
about(struct subject_id activity, enum work_action action, struct civil_date on)
{
    struct activity_request r = {.action = action, .has_activity = true, .activity = activity, .effective = on};
    return r;
}

static struct invoice_request
invoicing(struct subject_id activity, struct civil_date on, int64_t amount)
{
    struct invoice_request r = {
        .has_activity = true, .activity = activity, .effective = on, .has_amount = true, .amount_minor = amount};
    return r;
}

static struct invoice_request
numbered_invoice(struct subject_id activity, struct civil_date on, int64_t amount, const char *number)
{
    struct invoice_request r = invoicing(activity, on, amount);
    r.has_number = true;
    text(&r.number, number);
    return r;
}

static struct invoice_request
crediting(struct subject_id invoice, struct civil_date on, int64_t amount)
{
    struct invoice_request r = {.credit = true,
                                .has_invoice = true,
                                .invoice = invoice,
                                .effective = on,
                                .has_amount = amount != 0,
                                .amount_minor = amount};
    return r;
}

static struct invoice_request
correcting(struct subject_id invoice, struct position at)
{
    struct invoice_request r = {
        .has_invoice = true, .invoice = invoice, .has_corrects = true, .corrects = at, .effective = DATE_NONE};
    return r;
}

static struct draft
activity_draft(struct counter *k, struct activity_request r)
{
    struct draft d;
    struct err err = {0};
    if (command_activity(&k->ctx, &r, &d, &err) != 0)
        fail_msg("refused: %s", err.text);
    return d;
}

static struct draft
invoice_draft(struct counter *k, struct invoice_request r)
{
    struct draft d;
    struct err err = {0};
    if (command_invoice(&k->ctx, &r, &d, &err) != 0)
        fail_msg("refused: %s", err.text);
    return d;
}

static struct subject_id
activity_done(struct counter *k, struct activity_request r, struct position *ret_at)
{
    struct draft d = activity_draft(k, r);
    struct subject_id id = d.subject;
    struct position at = counter_record(k, &d);
    if (ret_at)
        *ret_at = at;
    return id;
}

static struct subject_id
invoice_done(struct counter *k, struct invoice_request r, struct position *ret_at)
{
    struct draft d = invoice_draft(k, r);
    struct subject_id id = d.subject;
    struct position at = counter_record(k, &d);
    if (ret_at)
        *ret_at = at;
    return id;
}

static void
activity_refused(struct counter *k, struct activity_request r, int code, const char *field, const char *words)
{
    struct draft d, before;
    struct err err = {0};
    memset(&d, 0x5A, sizeof(d));
    before = d;
    assert_int_equal(command_activity(&k->ctx, &r, &d, &err), code);
    assert_string_equal(err.field, field);
    if (strstr(err.text, words) == NULL)
        fail_msg("said: %s", err.text);
    assert_memory_equal(&d, &before, sizeof(d));
}

static void
invoice_refused(struct counter *k, struct invoice_request r, int code, const char *field, const char *words)
{
    struct draft d, before;
    struct err err = {0};
    memset(&d, 0x5A, sizeof(d));
    before = d;
    assert_int_equal(command_invoice(&k->ctx, &r, &d, &err), code);
    assert_string_equal(err.field, field);
    if (strstr(err.text, words) == NULL)
        fail_msg("said: %s", err.text);
    assert_memory_equal(&d, &before, sizeof(d));
}

static void
cancelled(struct counter *k, int what, struct subject_id subject, struct position at)
{
    struct cancel_request r = {.subject = subject, .event = at};
    struct draft d;
    struct err err = {0};
    r.what = what == 1 ? CANCEL_ACTIVITY : CANCEL_INVOICE;
    if (command_cancel(&k->ctx, &r, &d, &err) != 0)
        fail_msg("refused: %s", err.text);
    counter_record(k, &d);
}

static struct activity_links
said_in(const struct draft *d)
{
    struct activity_links l;
    struct err err;
    assert_int_equal(d->n_capsules, 1);
    assert_int_equal(activity_links_decode(buf_slice(&d->capsules[0].plain), &l, &err), 0);
    return l;
}

/* ---- activities ---- */

static void
an_activity_takes_the_members_office_and_keeps_its_day_in_the_capsule(void **state)
{
    struct counter *k = *state;
    struct subject_id m = member_since(k, day(1, 15));
    struct activity_request r = opening(m, day(3, 7), 32);
    r.has_number = r.has_text = true;
    text(&r.number, " A-17 ");
    text(&r.text, "Web work");
    struct draft d = activity_draft(k, r);
    struct activity_links l = said_in(&d);
    assert_int_equal(d.kind, KIND_ACTIVITY_OPENED);
    assert_int_equal(d.payload.common.effective.days, day(3, 1).days);
    assert_int_equal(d.payload.common.precision, PRECISION_MONTH);
    assert_memory_equal(&d.payload.activity.office, &k->office, sizeof(k->office));
    assert_int_equal(d.payload.activity.sector, 32);
    assert_false(d.payload.activity.culture);
    assert_int_equal(l.day.days, day(3, 7).days);
    assert_string_equal(l.number.s, "A-17");
    assert_string_equal(l.text.s, "Web work");
    assert_memory_equal(&l.member, &m, sizeof(m));
    assert_true(d.has_link);
    assert_memory_equal(&d.link_member, &m, sizeof(m));
    assert_memory_equal(&d.key_subject, &m, sizeof(m));
    assert_memory_not_equal(&d.subject, &m, sizeof(m));
    struct position at = counter_record(k, &d);
    struct activity_links read;
    struct err err;
    struct subject_id id;
    assert_int_equal(work_find(&k->ctx, INDEX_ACTIVITY_NO, "a17", &id, &err), 0);
    assert_int_equal(work_links_read(&k->ctx, &id, &at, &read, &err), 0);
    assert_string_equal(read.number.s, "A-17");
    assert_int_equal(work_find(&k->ctx, INDEX_ACTIVITY_NO, "a18", &id, &err), ERR_NOTFOUND);
    assert_string_equal(err.field, "number");
}

static void
an_activity_is_of_somebody_who_was_a_member_in_the_month(void **state)
{
    struct counter *k = *state;
    struct subject_id m = member_since(k, day(2, 29)), nobody = {{0}}, stranger = {{9}};
    activity_refused(k, opening(nobody, day(3, 1), 1), ERR_INVALID, "member", "missing");
    activity_refused(k, opening(stranger, day(3, 1), 1), ERR_NOTFOUND, "member", "no such member");
    activity_refused(k, opening(m, day(1, 31), 1), ERR_CONFLICT, "member",
                     "was no member of this unit on any day of 2024-01");
    activity_done(k, opening(m, day(2, 1), 1), NULL);
    counter_done(k, counter_about(m, ACTION_RESIGN, day(4, 1).days), NULL);
    activity_done(k, opening(m, day(3, 31), 1), NULL);
    activity_refused(k, opening(m, day(4, 1), 1), ERR_CONFLICT, "member", "on any day of 2024-04");
}

static void
each_part_of_an_activity_is_refused_by_its_name(void **state)
{
    struct counter *k = *state;
    struct subject_id m = member_since(k, day(1, 1)), other = member_since(k, day(1, 1));
    struct activity_request r = opening(m, (struct civil_date){COUNTER_TODAY.days + 367}, 1);
    activity_refused(k, r, ERR_INVALID, "effective_on", "is the year right?");
    r = opening(m, day(3, 1), 0);
    activity_refused(k, r, ERR_INVALID, "sector", "missing");
    r = opening(m, day(3, 1), 1);
    r.has_office = true;
    r.office.b[0] = 0x77;
    activity_refused(k, r, ERR_NOTFOUND, "office", "no such office");
    r = opening(m, (struct civil_date){DATE_MAX.days + 1}, 1);
    activity_refused(k, r, ERR_INVALID, "effective_on", "1900");
    r = opening(m, day(3, 1), 1);
    r.has_text = true;
    text(&r.text, "a\nb");
    activity_refused(k, r, ERR_INVALID, "text", "");
    r = opening(m, day(3, 1), 1);
    r.has_number = true;
    text(&r.number, "--");
    activity_refused(k, r, ERR_INVALID, "number", "no letter or digit");
    text(&r.number, "A 1");
    struct position opened;
    struct subject_id a = activity_done(k, r, &opened);
    r.member = other;
    activity_refused(k, r, ERR_CONFLICT, "number", "another activity of the unit has it");
    r = about(a, WORK_CHANGE_ACTIVITY, day(4, 1));
    r.member = other;
    activity_refused(k, r, ERR_CONFLICT, "member", "another member's");
    r = about(a, WORK_CHANGE_ACTIVITY, day(4, 1));
    r.has_if_match = true;
    activity_refused(k, r, ERR_CONFLICT, "if-match", "changed meanwhile");
    r.if_match = opened;
    r.has_culture = r.culture = true;
    activity_done(k, r, NULL);
    activity_refused(k, about(a, WORK_CLOSE_ACTIVITY, day(3, 1)), ERR_CONFLICT, "effective_on",
                     "activity.changed of 2024-04-01, recorded before, would become impossible");
    activity_refused(k, about(a, WORK_CHANGE_ACTIVITY, day(2, 1)), ERR_CONFLICT, "effective_on", "not open in 2024-02");
    activity_done(k, about(a, WORK_CLOSE_ACTIVITY, day(6, 1)), NULL);
    activity_refused(k, about(a, WORK_CLOSE_ACTIVITY, day(7, 1)), ERR_CONFLICT, "effective_on", "closed in 2024-06");
    r = about(a, WORK_CLOSE_ACTIVITY, day(5, 1));
    r.has_activity = false;
    activity_refused(k, r, ERR_INVALID, "activity", "missing");
    activity_refused(k, about(other, WORK_CLOSE_ACTIVITY, day(5, 1)), ERR_NOTFOUND, "activity", "no such activity");
}

static void
what_a_change_or_correction_does_not_say_stays(void **state)
{
    struct counter *k = *state;
    struct subject_id m = member_since(k, day(1, 1));
    struct activity_request r = opening(m, day(3, 9), 7);
    struct position opened, changed;
    r.has_culture = r.culture = r.has_number = r.has_text = true;
    text(&r.number, "A1");
    text(&r.text, "Photos");
    struct subject_id a = activity_done(k, r, &opened);
    r = about(a, WORK_CHANGE_ACTIVITY, day(5, 2));
    r.has_sector = true;
    r.sector = 8;
    struct draft d = activity_draft(k, r);
    assert_int_equal(d.n_capsules, 0);
    assert_true(d.payload.activity.culture);
    assert_memory_equal(&d.payload.activity.office, &k->office, sizeof(k->office));
    changed = counter_record(k, &d);
    r = about(a, WORK_OPEN_ACTIVITY, DATE_NONE);
    r.has_corrects = r.has_text = true;
    r.corrects = opened;
    text(&r.text, "Photographs");
    d = activity_draft(k, r);
    struct activity_links l = said_in(&d);
    assert_int_equal(d.payload.common.effective.days, day(3, 1).days);
    assert_int_equal(d.payload.activity.sector, 7);
    assert_string_equal(l.number.s, "A1");
    assert_string_equal(l.text.s, "Photographs");
    assert_int_equal(l.day.days, day(3, 9).days);
    assert_int_equal(d.n_refs, 1);
    assert_int_equal(d.refs[0].role, REF_CORRECTS);
    counter_record(k, &d);
    activity_refused(k, r, ERR_CONFLICT, "corrects", "corrected since");
    r.corrects = changed;
    activity_refused(k, r, ERR_NOTFOUND, "corrects", "no such event of that kind");
    /* Without the key nothing can be carried over; facets go on being corrected. */
    counter_forget_keys(k, &m);
    r = about(a, WORK_CHANGE_ACTIVITY, day(6, 1));
    r.has_text = true;
    activity_refused(k, r, ERR_CONFLICT, "activity", "cannot be read here any more");
    r = about(a, WORK_CHANGE_ACTIVITY, DATE_NONE);
    r.has_corrects = r.has_sector = true;
    r.corrects = changed;
    r.sector = 9;
    d = activity_draft(k, r);
    assert_int_equal(d.n_capsules, 0);
    counter_record(k, &d);
}

/* ---- invoices ---- */

static void
an_invoice_takes_facets_rate_and_currency_that_are_in_force(void **state)
{
    struct counter *k = *state;
    struct subject_id m = member_since(k, day(1, 15));
    struct subject_id a = activity_done(k, opening(m, day(2, 1), 32), NULL);
    struct activity_request change = about(a, WORK_CHANGE_ACTIVITY, day(5, 1));
    struct unit_described unit = counter_unit_facts(3000);
    struct draft d;
    struct err err;
    change.has_sector = change.has_culture = change.culture = true;
    change.sector = 2;
    activity_done(k, change, NULL);
    unit.contribution_bp = 700;
    assert_int_equal(command_unit_describe(&k->ctx, &unit, day(6, 1), &d, &err), 0);
    counter_record(k, &d);
    struct invoice_request r = numbered_invoice(a, day(4, 30), 12345, "2024/001");
    r.has_client = r.has_client_number = r.has_text = true;
    text(&r.client, "Gemeente Imaginaria");
    text(&r.client_number, "BE0123");
    text(&r.text, "A site");
    d = invoice_draft(k, r);
    const struct invoice_facts *f = &d.payload.invoice;
    struct activity_links l = said_in(&d);
    assert_int_equal(invoice_id_month(&d.subject), month_number(day(4, 1)));
    assert_int_equal(d.payload.common.effective.days, day(4, 1).days);
    assert_int_equal(f->facets.sector, 32);
    assert_false(f->facets.culture);
    assert_int_equal(f->rate_bp, 650);
    assert_string_equal(f->currency, "EUR");
    assert_int_equal(f->contribution_minor, 802); /* 802.425 */
    assert_memory_equal(&l.member, &m, sizeof(m));
    assert_true(l.has_activity);
    assert_memory_equal(&l.activity, &a, sizeof(a));
    assert_int_equal(l.day.days, day(4, 30).days);
    assert_string_equal(l.client.s, "Gemeente Imaginaria");
    assert_string_equal(l.client_number.s, "BE0123");
    assert_memory_equal(&d.key_subject, &m, sizeof(m));
    assert_true(d.has_link);
    counter_record(k, &d);
    d = invoice_draft(k, invoicing(a, day(6, 1), 50));
    assert_int_equal(d.payload.invoice.rate_bp, 700);
    assert_int_equal(d.payload.invoice.contribution_minor, 4); /* 3.5: half away from zero */
    assert_int_equal(d.payload.invoice.facets.sector, 2);
    assert_true(d.payload.invoice.facets.culture);
    draft_release(&d);
    r = invoicing(a, day(6, 1), DOCUMENT_MINOR_MAX);
    r.has_rate = true;
    r.rate_bp = RATE_BP_MAX;
    memcpy(r.currency, "HUF", 4);
    d = invoice_draft(k, r);
    assert_int_equal(d.payload.invoice.contribution_minor, DOCUMENT_MINOR_MAX);
    assert_string_equal(d.payload.invoice.currency, "HUF");
    draft_release(&d);
    r = invoicing(a, day(6, 1), 123456);
    r.has_contribution = true;
    r.contribution_minor = 8600; /* to the whole unit */
    d = invoice_draft(k, r);
    assert_int_equal(d.payload.invoice.contribution_minor, 8600);
    draft_release(&d);
}

static void
each_part_of_an_invoice_is_refused_by_its_name(void **state)
{
    struct counter *k = *state;
    struct subject_id m = member_since(k, day(1, 15)), nothing = {{9}};
    struct position opened;
    struct subject_id a = activity_done(k, opening(m, day(2, 1), 32), &opened);
    struct invoice_request r;
    activity_done(k, about(a, WORK_CLOSE_ACTIVITY, day(8, 20)), NULL);
    invoice_refused(k, invoicing(nothing, day(3, 1), 1), ERR_NOTFOUND, "activity", "no such activity");
    invoice_refused(k, invoicing(a, day(1, 31), 1), ERR_CONFLICT, "activity", "not open in 2024-01 yet");
    invoice_refused(k, invoicing(a, day(9, 1), 1), ERR_CONFLICT, "activity", "closed in 2024-08");
    struct invoice_request recorded = invoicing(a, day(9, 1), 1);
    recorded.as_recorded = true;
    invoice_done(k, recorded, NULL);
    invoice_done(k, invoicing(a, day(8, 31), 1), NULL);
#define REFUSED(change, code, field, words) \
    r = invoicing(a, day(3, 1), 1000);      \
    change;                                 \
    invoice_refused(k, r, code, field, words)
    REFUSED(r.has_activity = false, ERR_INVALID, "activity", "missing");
    REFUSED(r.effective.days = COUNTER_TODAY.days + 367, ERR_INVALID, "date", "is the year right?");
    REFUSED(r.has_amount = false, ERR_INVALID, "amount_minor", "1 to");
    REFUSED(r.amount_minor = 0, ERR_INVALID, "amount_minor", "1 to");
    REFUSED(r.amount_minor = -5, ERR_INVALID, "amount_minor", "1 to");
    REFUSED(r.amount_minor = DOCUMENT_MINOR_MAX + 1, ERR_INVALID, "amount_minor", "1 to");
    REFUSED((r.has_rate = true, r.rate_bp = 10001), ERR_INVALID, "rate_bp", "0 to 10000");
    REFUSED(memcpy(r.currency, "eur", 4), ERR_INVALID, "currency", "capital");
    REFUSED((r.has_contribution = true, r.contribution_minor = 1001), ERR_INVALID, "contribution_minor", "0 to the");
    REFUSED((r.has_contribution = true, r.contribution_minor = 165), ERR_INVALID, "contribution_minor",
            "6.50 % of the amount");
    REFUSED((r.has_sector = true, r.sector = 0), ERR_INVALID, "sector", "65535");
    REFUSED((r.has_office = true, r.office.b[0] = 0x77), ERR_NOTFOUND, "office", "no such office");
    REFUSED((r.has_client = true, text(&r.client, "a\tb")), ERR_INVALID, "client", "");
    REFUSED(r.effective.days = DATE_MIN.days - 1, ERR_INVALID, "date", "1900");
    REFUSED((r.has_invoice = true, r.invoice = nothing), ERR_INVALID, "invoice", "begins with another month");
    REFUSED((r.has_invoice = r.has_corrects = true, r.invoice = nothing), ERR_NOTFOUND, "invoice", "no such invoice");
    REFUSED(r.has_corrects = true, ERR_INVALID, "invoice", "missing");
#undef REFUSED
    /* An id of an export is taken over, once. */
    r = invoicing(a, day(3, 1), 1000);
    r.has_invoice = true;
    r.invoice = (struct subject_id){{1, 2, 3}};
    be16_put(r.invoice.b, month_number(day(3, 1)));
    struct subject_id made = invoice_done(k, r, NULL);
    assert_memory_equal(&made, &r.invoice, sizeof(made));
    invoice_refused(k, r, ERR_CONFLICT, "invoice", "issued already");
    struct activity_request named = opening(m, day(3, 1), 1);
    named.has_activity = true;
    named.activity = nothing;
    made = activity_done(k, named, NULL);
    assert_memory_equal(&made, &nothing, sizeof(made));
    activity_refused(k, named, ERR_CONFLICT, "activity", "open already");
    counter_done(k, counter_about(m, ACTION_RESIGN, day(5, 1).days), NULL);
    invoice_refused(k, invoicing(a, day(5, 2), 1), ERR_CONFLICT, "activity", "was no member");
    invoice_done(k, invoicing(a, day(4, 2), 1), NULL);
}

static void
a_number_is_used_once_among_invoices_and_credit_notes(void **state)
{
    struct counter *k = *state;
    struct subject_id m = member_since(k, day(1, 1)), id;
    struct subject_id a = activity_done(k, opening(m, day(1, 1), 1), NULL);
    struct position issued, credited;
    struct err err;
    struct subject_id one = invoice_done(k, numbered_invoice(a, day(2, 1), 1000, "INV-1"), &issued);
    invoice_refused(k, numbered_invoice(a, day(3, 1), 1000, "inv 1"), ERR_CONFLICT, "number", "another invoice");
    struct invoice_request credit = crediting(one, day(3, 1), 100);
    credit.has_number = true;
    text(&credit.number, "INV1");
    invoice_refused(k, credit, ERR_CONFLICT, "number", "another invoice or credit note");
    text(&credit.number, "C1");
    invoice_done(k, credit, &credited);
    invoice_refused(k, numbered_invoice(a, day(3, 1), 1000, "C-1"), ERR_CONFLICT, "number", "another invoice");
    assert_int_equal(work_find(&k->ctx, INDEX_INVOICE_NO, "c1", &id, &err), 0);
    assert_memory_equal(&id, &one, sizeof(id));
    /* The same slot may keep its number; a former number is free. */
    struct invoice_request fix = correcting(one, issued);
    fix.has_number = true;
    text(&fix.number, "INV 1");
    struct draft d = invoice_draft(k, fix);
    draft_release(&d);
    text(&fix.number, "INV-9");
    invoice_done(k, fix, &issued);
    struct subject_id two = invoice_done(k, numbered_invoice(a, day(3, 1), 1000, "INV-1"), NULL);
    assert_int_equal(work_find(&k->ctx, INDEX_INVOICE_NO, "INV1", &id, &err), 0);
    assert_memory_equal(&id, &two, sizeof(id));
    /* What was cancelled has no number any more, but is found while nothing else has it. */
    cancelled(k, 2, one, credited);
    cancelled(k, 2, one, issued);
    assert_int_equal(work_find(&k->ctx, INDEX_INVOICE_NO, "INV9", &id, &err), 0);
    assert_memory_equal(&id, &one, sizeof(id));
    struct subject_id three = invoice_done(k, numbered_invoice(a, day(4, 1), 1000, "INV-9"), NULL);
    assert_int_equal(work_find(&k->ctx, INDEX_INVOICE_NO, "INV9", &id, &err), 0);
    assert_memory_equal(&id, &three, sizeof(id));
    /* A number that cannot be compared any more is taken. */
    counter_forget_keys(k, &m);
    struct invoice_request again = numbered_invoice(a, day(5, 1), 1000, "INV-9");
    invoice_refused(k, again, ERR_CONFLICT, "number", "another invoice");
}

static void
credit_notes_give_back_in_proportion_and_all_with_the_last(void **state)
{
    struct counter *k = *state;
    struct subject_id m = member_since(k, day(1, 1));
    struct subject_id a = activity_done(k, opening(m, day(1, 1), 1), NULL);
    static const int64_t amounts[] = {1, 3, 7, 100, 999, 12345, 1000000, DOCUMENT_MINOR_MAX};
    for (size_t i = 0; i < ARRAY_LEN(amounts); i++) {
        int64_t all = amounts[i], left = all, back = 0, part = all / 3 + 1;
        struct draft d = invoice_draft(k, invoicing(a, day(2, 1), all));
        int64_t contribution = d.payload.invoice.contribution_minor;
        struct subject_id invoice = d.subject;
        counter_record(k, &d);
        for (; left > 0; left -= part) {
            part = part < left ? part : left;
            d = invoice_draft(k, crediting(invoice, day(3, 1), part == left ? 0 : part));
            assert_int_equal(d.payload.credit.amount_minor, part);
            back += d.payload.credit.contribution_minor;
            /* |back / contribution − credited / all| is at most half a minor unit. */
            __int128 off = (__int128)back * all - (__int128)contribution * (all - left + part);
            assert_true(2 * off <= all && 2 * off >= -all);
            counter_record(k, &d);
        }
        assert_int_equal(back, contribution);
        invoice_refused(k, crediting(invoice, day(3, 1), 0), ERR_CONFLICT, "amount_minor", "credited already");
        invoice_refused(k, crediting(invoice, day(3, 1), 1), ERR_CONFLICT, "amount_minor", "only 0 of");
    }
}

static void
each_part_of_a_credit_note_is_refused_by_its_name(void **state)
{
    struct counter *k = *state;
    struct subject_id m = member_since(k, day(1, 1)), nothing = {{9}};
    struct subject_id a = activity_done(k, opening(m, day(1, 1), 1), NULL);
    struct position issued, first;
    struct subject_id invoice = invoice_done(k, invoicing(a, day(3, 1), 10000), &issued);
    struct invoice_request r = crediting(invoice, day(2, 1), 1);
    invoice_refused(k, r, ERR_CONFLICT, "date", "no such invoice in 2024-02");
    r = crediting(nothing, day(3, 1), 1);
    invoice_refused(k, r, ERR_NOTFOUND, "invoice", "no such invoice");
    r.has_invoice = false;
    invoice_refused(k, r, ERR_INVALID, "invoice", "missing");
    invoice_refused(k, crediting(invoice, day(3, 1), 10001), ERR_CONFLICT, "amount_minor", "only 10000 of 10000");
    invoice_refused(k, crediting(invoice, day(3, 1), -1), ERR_INVALID, "amount_minor", "1 to");
    r = crediting(invoice, day(3, 1), 9000);
    r.has_contribution = true;
    r.contribution_minor = 651;
    invoice_refused(k, r, ERR_CONFLICT, "contribution_minor", "0 to 650");
    r.contribution_minor = 0;
    invoice_done(k, r, &first);
    struct draft d = invoice_draft(k, crediting(invoice, day(4, 1), 0));
    assert_int_equal(d.payload.credit.amount_minor, 1000);
    assert_int_equal(d.payload.credit.contribution_minor, 650);
    assert_memory_equal(&d.key_subject, &m, sizeof(m));
    draft_release(&d);
    /* A correction of the note has what the others left. */
    r = correcting(invoice, first);
    r.credit = r.has_amount = true;
    r.amount_minor = 10000;
    d = invoice_draft(k, r);
    assert_int_equal(d.n_capsules, 0);
    assert_int_equal(d.payload.credit.contribution_minor, 650);
    assert_int_equal(d.payload.common.effective.days, day(3, 1).days);
    counter_record(k, &d);
    r = correcting(invoice, issued);
    r.has_amount = true;
    r.amount_minor = 9999;
    invoice_refused(k, r, ERR_CONFLICT, "amount_minor", "10000 are credited already");
    struct cancel_request c = {.what = CANCEL_INVOICE, .subject = invoice, .event = issued};
    struct err err;
    assert_int_equal(command_cancel(&k->ctx, &c, &d, &err), ERR_CONFLICT);
    assert_non_null(strstr(err.text, "invoice.credited of 2024-03-01"));
}

static void
an_opening_with_invoices_is_not_cancelled_until_they_are(void **state)
{
    struct counter *k = *state;
    struct subject_id member = member_since(k, day(1, 1));
    struct draft d = activity_draft(k, opening(member, day(1, 5), 2));
    struct subject_id activity = d.subject;
    struct position opened = counter_record(k, &d);
    d = activity_draft(k, opening(member, day(1, 5), 3));
    struct subject_id other = d.subject;
    struct position other_opened = counter_record(k, &d);
    d = invoice_draft(k, invoicing(activity, day(2, 1), 5000));
    struct subject_id invoice = d.subject;
    struct position issued = counter_record(k, &d);
    struct cancel_request c = {.what = CANCEL_ACTIVITY, .subject = activity, .event = opened};
    struct err err = {0};
    assert_int_equal(command_cancel(&k->ctx, &c, &d, &err), ERR_CONFLICT);
    assert_string_equal(err.field, "event");
    assert_non_null(strstr(err.text, "there are invoices of the activity"));
    cancelled(k, 1, other, other_opened);
    cancelled(k, 2, invoice, issued);
    cancelled(k, 1, activity, opened);
}

static void
an_invoice_is_corrected_within_its_month_and_brought_back_after_a_cancellation(void **state)
{
    struct counter *k = *state;
    struct subject_id m = member_since(k, day(1, 1)), n = member_since(k, day(1, 1));
    struct subject_id a = activity_done(k, opening(m, day(1, 1), 1), NULL);
    struct subject_id b = activity_done(k, opening(n, day(1, 1), 2), NULL);
    struct position issued, second;
    struct invoice_request r = numbered_invoice(a, day(3, 5), 10000, "7");
    r.has_client = true;
    text(&r.client, "Somebody");
    struct subject_id invoice = invoice_done(k, r, &issued);
    r = correcting(invoice, issued);
    r.has_sector = true;
    r.sector = 40;
    struct draft d = invoice_draft(k, r);
    assert_int_equal(d.n_capsules, 0);
    assert_int_equal(d.payload.invoice.amount_minor, 10000);
    assert_int_equal(d.payload.invoice.contribution_minor, 650);
    second = counter_record(k, &d);
    invoice_refused(k, r, ERR_CONFLICT, "corrects", "corrected since");
    r = correcting(invoice, second);
    r.effective = day(4, 1);
    invoice_refused(k, r, ERR_INVALID, "date", "keeps its month");
    r.effective = day(3, 9);
    r.has_amount = true;
    r.amount_minor = 20000;
    d = invoice_draft(k, r);
    struct activity_links l = said_in(&d);
    assert_string_equal(l.client.s, "Somebody");
    assert_string_equal(l.number.s, "7");
    assert_int_equal(l.day.days, day(3, 9).days);
    assert_int_equal(d.payload.invoice.contribution_minor, 1300);
    assert_int_equal(d.payload.invoice.facets.sector, 40);
    draft_release(&d);
    invoice_refused(k, invoicing(invoice, day(3, 1), 1), ERR_NOTFOUND, "activity", "no such activity");
    cancelled(k, 2, invoice, second);
    invoice_refused(k, crediting(invoice, day(3, 9), 1), ERR_CONFLICT, "invoice", "was cancelled");
    /* Back again, but not as another member's: a credit note's capsule is under the keys of this one. */
    r = correcting(invoice, second);
    r.has_activity = true;
    r.activity = b;
    invoice_refused(k, r, ERR_CONFLICT, "activity", "another member's");
    r.activity = a;
    d = invoice_draft(k, r);
    assert_memory_equal(&d.link_member, &m, sizeof(m));
    assert_memory_equal(&d.key_subject, &m, sizeof(m));
    counter_record(k, &d);
    struct subject_id of[4];
    size_t n_of;
    struct err err;
    assert_int_equal(work_of_member(&k->ctx, &m, NULL, 4, of, &n_of, &err), 0);
    assert_int_equal(n_of, 2);
    assert_int_equal(work_of_member(&k->ctx, &n, NULL, 4, of, &n_of, &err), 0);
    assert_int_equal(n_of, 1);
    assert_memory_equal(&of[0], &b, sizeof(b));
}

static void
a_closed_year_is_changed_only_if_that_is_meant(void **state)
{
    struct counter *k = *state;
    struct subject_id m = member_since(k, date_from_ymd(2022, 1, 1));
    struct civil_date then = date_from_ymd(2022, 5, 1);
    struct subject_id a = activity_done(k, opening(m, then, 1), NULL);
    struct position issued;
    struct subject_id invoice = invoice_done(k, invoicing(a, then, 500), &issued);
    struct period_figure figure = {.number = FIGURE_TURNOVER, .currency = "EUR", .value = 500};
    struct draft d;
    struct err err;
    assert_int_equal(command_close_period(&k->ctx, &(struct close_request){.year = 2022}, &figure, 1, &d, &err), 0);
    assert_int_equal(d.kind, KIND_PERIOD_CLOSED);
    assert_int_equal(d.payload.common.effective.days, COUNTER_TODAY.days);
    counter_record(k, &d);
    struct invoice_request r = invoicing(a, then, 500);
    invoice_refused(k, r, ERR_CONFLICT, "date", "closed year");
    r.adjusts_closed = true;
    d = invoice_draft(k, r);
    draft_release(&d);
    r = correcting(invoice, issued);
    r.has_sector = true;
    r.sector = 5;
    invoice_refused(k, r, ERR_CONFLICT, "date", "closed year");
    struct activity_request change = about(a, WORK_CLOSE_ACTIVITY, then);
    activity_refused(k, change, ERR_CONFLICT, "effective_on", "closed year");
    change.adjusts_closed = true;
    activity_done(k, change, NULL);
}

/* ---- of a member ---- */

static void
the_work_of_a_member_comes_in_pages_with_that_of_records_merged_into_it(void **state)
{
    struct counter *k = *state;
    struct subject_id kept = member_since(k, day(1, 1)), given_up = member_since(k, day(1, 1)), v[64], all[64];
    size_t n = 0, n_all = 0;
    struct err err;
    struct subject_id a = activity_done(k, opening(kept, day(1, 1), 1), NULL);
    struct subject_id b = activity_done(k, opening(given_up, day(1, 1), 1), NULL);
    for (int i = 0; i < 9; i++)
        invoice_done(k, invoicing(i % 2 == 0 ? a : b, day(1 + i, 1), 100), NULL);
    assert_int_equal(work_of_member(&k->ctx, &kept, NULL, 64, all, &n_all, &err), 0);
    assert_int_equal(n_all, 6);
    struct merge_request merge = {.from = given_up, .into = kept, .effective = day(9, 15)};
    struct draft drafts[MERGE_DRAFTS];
    if (command_merge(&k->ctx, &merge, drafts, &err) != 0)
        fail_msg("refused: %s", err.text);
    counter_record(k, &drafts[0]);
    counter_record(k, &drafts[1]);
    assert_int_equal(work_of_member(&k->ctx, &kept, NULL, 64, all, &n_all, &err), 0);
    assert_int_equal(n_all, 11);
    size_t seen = 0;
    do {
        assert_int_equal(work_of_member(&k->ctx, &kept, seen > 0 ? &all[seen - 1] : NULL, 3, v, &n, &err), 0);
        for (size_t i = 0; i < n; i++)
            assert_memory_equal(&v[i], &all[seen + i], sizeof(v[i]));
        seen += n;
    } while (n == 3);
    assert_int_equal(seen, 11);
    /* New work of the record that was given up is of the one that was kept, and under its key. */
    struct draft d = invoice_draft(k, invoicing(b, day(9, 20), 100));
    assert_memory_equal(&d.link_member, &kept, sizeof(kept));
    assert_memory_equal(&d.key_subject, &kept, sizeof(kept));
    draft_release(&d);
    struct subject_id stranger = {{9}};
    assert_int_equal(work_of_member(&k->ctx, &stranger, NULL, 3, v, &n, &err), ERR_NOTFOUND);
}

#define TEST(f)                                                                      \
    cmocka_unit_test_setup_teardown(f, counter_setup_vault, counter_teardown),       \
    {                                                                                \
#f " (row cache)", f, counter_setup_vault_with_state, counter_teardown, NULL \
    }

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_activity_takes_the_members_office_and_keeps_its_day_in_the_capsule),
        TEST(an_activity_is_of_somebody_who_was_a_member_in_the_month),
        TEST(each_part_of_an_activity_is_refused_by_its_name),
        TEST(what_a_change_or_correction_does_not_say_stays),
        TEST(an_invoice_takes_facets_rate_and_currency_that_are_in_force),
        TEST(each_part_of_an_invoice_is_refused_by_its_name),
        TEST(a_number_is_used_once_among_invoices_and_credit_notes),
        TEST(credit_notes_give_back_in_proportion_and_all_with_the_last),
        TEST(each_part_of_a_credit_note_is_refused_by_its_name),
        TEST(an_opening_with_invoices_is_not_cancelled_until_they_are),
        TEST(an_invoice_is_corrected_within_its_month_and_brought_back_after_a_cancellation),
        TEST(a_closed_year_is_changed_only_if_that_is_meant),
        TEST(the_work_of_a_member_comes_in_pages_with_that_of_records_merged_into_it),
    };
    return cmocka_run_group_tests_name("work", tests, NULL, NULL);
}
