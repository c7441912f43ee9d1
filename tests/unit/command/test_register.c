/* The register's rest at a desk: repayment, representatives, consents, corrections, notes, closed years, cancelling, merging. What is
 * accepted and what becomes of it; of each refusal the field and the words. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/counter.h"

enum { JOINED = 15000 }; /* 2011-01-26 */

static struct subject_id
admitted(struct counter *k, struct position *ret_at)
{
    return counter_done(k, counter_someone(k, ACTION_ADMIT, JOINED), ret_at);
}

static struct member_request
firm_request(const struct counter *k, int32_t on)
{
    struct member_request r = counter_someone(k, ACTION_ADMIT, on);
    r.category = CATEGORY_C;
    r.person_type = PERSON_LEGAL;
    r.person.identity = (struct person_identity){.legal_name = {"Verzonnen Werken"}, .birth_date = DATE_NONE};
    return r;
}

static void
told(const struct counter *k, const struct member_request *r, int code, const char *field, const char *text)
{
    struct draft d;
    struct err err = {0};
    assert_int_equal(command_member(&k->ctx, r, &d, &err), code);
    assert_string_equal(err.field, field);
    assert_string_equal(err.text, text);
}

static struct member_state
state_of(const struct counter *k, const struct subject_id *s, int32_t on)
{
    struct member_row row;
    struct member_state state;
    struct err err;
    assert_int_equal(rows_member(&k->ctx, s, &row, &err), 0);
    member_state_at(&row, (struct civil_date){on}, &state);
    member_row_release(&row);
    return state;
}

/* ---- repayment ---- */

static struct member_request
repay(struct subject_id s, int32_t on, uint64_t shares)
{
    struct member_request r = counter_about(s, ACTION_REPAY, on);
    r.has_shares = true;
    r.shares = shares;
    return r;
}

static void
the_oldest_shares_are_repaid_first_at_what_was_paid_for_them(void **state)
{
    struct counter *k = *state;
    struct subject_id s = admitted(k, NULL);
    struct member_request more = counter_about(s, ACTION_SUBSCRIBE, JOINED + 1);
    more.has_shares = more.has_price = true;
    more.shares = 3;
    more.share_price_minor = 3500;
    counter_done(k, more, NULL);
    counter_done(k, counter_about(s, ACTION_RESIGN, JOINED + 10), NULL);
    struct member_request r = repay(s, JOINED + 20, 3);
    struct draft d = counter_accepted(k, &r);
    assert_int_equal(d.kind, KIND_SHARES_REPAID);
    assert_int_equal(d.payload.repaid.amount_minor, 2 * 3000 + 3500);
    assert_string_equal(d.payload.repaid.currency, "EUR");
    counter_record(k, &d);
    r = repay(s, JOINED + 20, 1);
    d = counter_accepted(k, &r);
    assert_int_equal(d.payload.repaid.amount_minor, 3500);
    draft_release(&d);
    r = repay(s, JOINED + 30, 2);
    r.has_amount = true;
    r.amount_minor = 100; /* the rest is forgone */
    counter_done(k, r, NULL);
    assert_int_equal(state_of(k, &s, JOINED + 30).n_owed, 0);
}

static void
the_desk_is_told_why_nothing_can_be_repaid(void **state)
{
    struct counter *k = *state;
    struct subject_id s = admitted(k, NULL);
    struct member_request r = repay(s, JOINED + 1, 1);
    told(k, &r, ERR_CONFLICT, "shares", "shares: nothing is owed on 2011-01-27: shares are repaid to those who left");
    counter_done(k, counter_about(s, ACTION_RESIGN, JOINED + 10), NULL);
    r = repay(s, JOINED + 20, 3);
    told(k, &r, ERR_CONFLICT, "shares",
         "shares: no more is owed on 2011-02-15 than 2 shares for 6000 minor units of EUR");
    r = repay(s, JOINED + 20, 1);
    memcpy(r.currency, "SEK", 4);
    told(k, &r, ERR_CONFLICT, "shares", "shares: nothing in SEK is owed on 2011-02-15");
    memcpy(r.currency, "se", 3);
    counter_refused(k, &r, ERR_INVALID, "currency");
    r = repay(s, JOINED + 20, 1);
    r.has_amount = true;
    r.amount_minor = 6001;
    counter_refused(k, &r, ERR_CONFLICT, "amount_minor");
    r.amount_minor = -1;
    counter_refused(k, &r, ERR_INVALID, "amount_minor");
    r = counter_about(s, ACTION_REPAY, JOINED + 20);
    counter_refused(k, &r, ERR_INVALID, "shares");
    counter_done(k, repay(s, JOINED + 20, 2), NULL);
    r = repay(s, JOINED + 21, 1);
    told(k, &r, ERR_CONFLICT, "shares", "shares: nothing is owed on 2011-02-16");
}

static void
of_two_currencies_the_desk_says_which(void **state)
{
    struct counter *k = *state;
    struct subject_id s = admitted(k, NULL);
    struct member_request more = counter_about(s, ACTION_SUBSCRIBE, JOINED + 1);
    more.has_shares = more.has_price = true;
    more.shares = 1;
    more.share_price_minor = 35000;
    memcpy(more.currency, "SEK", 4);
    counter_done(k, more, NULL);
    counter_done(k, counter_about(s, ACTION_DECEASE, JOINED + 10), NULL);
    struct member_request r = repay(s, JOINED + 20, 1);
    told(k, &r, ERR_INVALID, "currency", "currency: shares in EUR and in SEK are owed; say which to repay");
    memcpy(r.currency, "SEK", 4);
    struct draft d = counter_accepted(k, &r);
    assert_int_equal(d.payload.repaid.amount_minor, 35000);
    draft_release(&d);
}

static void
a_price_that_cannot_be_is_refused(void **state)
{
    struct counter *k = *state;
    struct member_request r = counter_someone(k, ACTION_ADMIT, JOINED);
    r.has_price = true;
    counter_refused(k, &r, ERR_INVALID, "share_price_minor");
    r.share_price_minor = 2500;
    memcpy(r.currency, "EURO", 4);
    r.currency[3] = '\0';
    struct draft d = counter_accepted(k, &r);
    assert_int_equal(d.payload.admission.share_price_minor, 2500);
    draft_release(&d);
    memcpy(r.currency, "e1", 3);
    counter_refused(k, &r, ERR_INVALID, "currency");
}

/* ---- representatives ---- */

static struct member_request
name_someone(struct subject_id firm, int32_t on)
{
    struct member_request r = counter_about(firm, ACTION_NAME_REPRESENTATIVE, on);
    r.person.has_identity = r.person.has_contact = true;
    r.person.identity = (struct person_identity){.family_name = {"Ooms"}, .birth_date = DATE_NONE};
    r.person.contact = (struct person_contact){.city = {"Gent"}};
    return r;
}

static void
a_representative_gets_keys_and_capsules_of_their_own(void **state)
{
    struct counter *k = *state;
    struct subject_id firm = counter_done(k, firm_request(k, JOINED), NULL);
    struct member_request r = name_someone(firm, JOINED + 1);
    struct draft d = counter_accepted(k, &r);
    struct subject_id who = d.payload.other;
    assert_int_equal(d.kind, KIND_REPRESENTATIVE_NAMED);
    assert_memory_equal(&d.subject, &firm, sizeof(firm));
    assert_memory_equal(&d.key_subject, &who, sizeof(who));
    assert_memory_not_equal(&who, &firm, sizeof(firm));
    assert_true(d.new_keys);
    assert_int_equal(d.n_capsules, 2);
    assert_int_equal(d.capsules[0].class, CLASS_IDENTITY);
    assert_int_equal(d.capsules[1].class, CLASS_CONTACT);
    counter_record(k, &d);
    struct member_state now = state_of(k, &firm, JOINED + 1);
    assert_memory_equal(&now.representatives[0], &who, sizeof(who));
    struct subject_id other_firm = counter_done(k, firm_request(k, JOINED), NULL);
    r = name_someone(other_firm, JOINED + 2);
    r.has_other = true;
    r.other = who;
    told(k, &r, ERR_CONFLICT, "representative",
         "representative: the id is of another record; leave it out, and a new one is drawn");
    r = counter_about(firm, ACTION_END_REPRESENTATIVE, JOINED + 3);
    r.has_other = true;
    r.other = who;
    counter_done(k, r, NULL);
    assert_int_equal(state_of(k, &firm, JOINED + 3).n_representatives, 0);
    /* Once more, by the name that is known. */
    r = counter_about(firm, ACTION_NAME_REPRESENTATIVE, JOINED + 4);
    r.has_other = true;
    r.other = who;
    d = counter_accepted(k, &r);
    assert_false(d.new_keys);
    assert_int_equal(d.n_capsules, 0);
    draft_release(&d);
}

static void
the_desk_is_told_why_nobody_can_be_named(void **state)
{
    struct counter *k = *state;
    struct subject_id firm = counter_done(k, firm_request(k, JOINED), NULL), person = admitted(k, NULL);
    struct member_request r = name_someone(person, JOINED + 1);
    told(k, &r, ERR_CONFLICT, "subject", "subject: is a natural person; only legal persons have representatives");
    r = counter_about(firm, ACTION_NAME_REPRESENTATIVE, JOINED + 1);
    told(k, &r, ERR_INVALID, "family_name", "a representative who is new here needs a name");
    r.has_other = true;
    r.other = firm;
    told(k, &r, ERR_INVALID, "representative", "representative: nobody represents himself");
    r.other.b[0] ^= 1;
    counter_refused(k, &r, ERR_INVALID, "family_name");
    r = name_someone(firm, JOINED + 1);
    r.person.has_bank = true;
    told(k, &r, ERR_INVALID, "iban", "iban: a representative has no account here, the member has");
    r = name_someone(firm, JOINED + 1);
    r.person.identity.family_name.s[0] = '\0';
    counter_refused(k, &r, ERR_INVALID, "family_name");
    r = name_someone(firm, JOINED + 1);
    r.has_note = true;
    memcpy(r.note.s, "x", 2);
    counter_refused(k, &r, ERR_INVALID, "note");
    r = counter_about(firm, ACTION_END_REPRESENTATIVE, JOINED + 1);
    told(k, &r, ERR_INVALID, "representative", "representative: whose time ends is missing");
    r.has_other = true;
    told(k, &r, ERR_CONFLICT, "representative", "representative: is not named on 2011-01-27");
}

/* ---- consents, notes ---- */

static void
consents_are_on_record_with_the_text_agreed_to(void **state)
{
    struct counter *k = *state;
    struct subject_id s = admitted(k, NULL);
    struct member_request r = counter_about(s, ACTION_GIVE_CONSENT, JOINED + 1);
    told(k, &r, ERR_INVALID, "purpose", "purpose: missing");
    r.consent.purpose = 4;
    memcpy(r.consent.text_version, " 2011-1 ", 9);
    struct draft d = counter_accepted(k, &r);
    assert_string_equal(d.payload.consent.text_version, "2011-1");
    counter_record(k, &d);
    r.effective.days++;
    memcpy(r.consent.text_version, "2012-1", 7);
    counter_done(k, r, NULL); /* renewed */
    r = counter_about(s, ACTION_WITHDRAW_CONSENT, JOINED + 2);
    r.consent.purpose = 4;
    memcpy(r.consent.text_version, "2", 2);
    counter_refused(k, &r, ERR_INVALID, "text_version");
    r.consent.text_version[0] = '\0';
    counter_done(k, r, NULL);
    counter_refused(k, &r, ERR_CONFLICT, "purpose");
}

static void
a_note_goes_with_any_event_and_alone_with_a_change_of_data(void **state)
{
    struct counter *k = *state;
    struct subject_id s = admitted(k, NULL);
    struct member_request r = counter_about(s, ACTION_CHANGE_DATA, JOINED + 1);
    counter_refused(k, &r, ERR_INVALID, "person");
    r.has_note = true;
    counter_refused(k, &r, ERR_INVALID, "note");
    memset(r.note.s, 'a', NOTE_TEXT_MAX);
    struct draft d = counter_accepted(k, &r);
    assert_int_equal(d.n_capsules, 1);
    assert_int_equal(d.capsules[0].class, CLASS_NOTE);
    struct person_note note;
    struct err err;
    assert_int_equal(person_note_decode(buf_slice(&d.capsules[0].plain), &note, &err), 0);
    assert_int_equal(strlen(note.s), NOTE_TEXT_MAX);
    draft_release(&d);
    memcpy(r.note.s, "a\nb", 4);
    counter_refused(k, &r, ERR_INVALID, "note");
    r = counter_about(s, ACTION_EXCLUDE, JOINED + 5);
    r.has_note = true;
    memcpy(r.note.s, "see the board's minutes", 24);
    d = counter_accepted(k, &r);
    assert_int_equal(d.capsules[0].class, CLASS_NOTE);
    assert_memory_equal(&d.key_subject, &s, sizeof(s));
    assert_false(d.new_keys);
    draft_release(&d);
}

/* ---- corrections ---- */

static struct member_request
correct(struct subject_id s, enum member_action action, struct position what)
{
    struct member_request r = counter_about(s, action, 0);
    r.effective = DATE_NONE;
    r.has_corrects = true;
    r.corrects = what;
    return r;
}

static void
what_a_correction_does_not_give_stays_as_it_was(void **state)
{
    struct counter *k = *state;
    struct position application, admission;
    struct subject_id s = counter_done(k, counter_someone(k, ACTION_APPLY, JOINED - 10), &application);
    struct member_request r = counter_about(s, ACTION_ADMIT, JOINED);
    r.has_shares = r.has_price = true;
    r.shares = 4;
    r.share_price_minor = 2500;
    counter_done(k, r, &admission);
    counter_describe(k, 9900, (struct civil_date){JOINED});
    r = correct(s, ACTION_ADMIT, admission);
    r.effective.days = JOINED - 3;
    struct draft d = counter_accepted(k, &r);
    const struct admission *a = &d.payload.admission;
    assert_int_equal(d.payload.common.effective.days, JOINED - 3);
    assert_int_equal(a->shares, 4);
    assert_int_equal(a->share_price_minor, 2500);
    assert_int_equal(a->category, CATEGORY_A);
    assert_memory_equal(&a->office, &k->office, sizeof(k->office));
    assert_int_equal(d.n_refs, 2);
    assert_int_equal(d.refs[0].role, REF_CORRECTS);
    assert_int_equal(d.refs[0].seq, admission.seq);
    assert_int_equal(d.refs[1].role, REF_APPLICATION);
    assert_int_equal(d.refs[1].seq, application.seq);
    assert_int_equal(d.n_capsules, 0);
    struct position first = counter_record(k, &d);
    r = correct(s, ACTION_ADMIT, first);
    r.category = CATEGORY_B;
    r.has_shares = true;
    r.shares = 5;
    counter_done(k, r, NULL);
    struct member_state now = state_of(k, &s, JOINED);
    assert_int_equal(now.joined_on.days, JOINED - 3);
    assert_int_equal(now.category, CATEGORY_B);
    assert_int_equal(now.capital_minor, 5 * 2500);
}

static void
corrections_of_repayments_consents_and_offices_keep_the_rest_too(void **state)
{
    struct counter *k = *state;
    struct position moved, repaid, given;
    struct subject_id s = admitted(k, NULL);
    struct office_id other = counter_open_office(k, "Luik", (struct civil_date){10000});
    struct member_request r = counter_about(s, ACTION_CHANGE_DATA, JOINED + 5);
    r.has_office = true;
    r.office = other;
    counter_done(k, r, &moved);
    r = correct(s, ACTION_CHANGE_DATA, moved);
    r.effective.days = JOINED + 3;
    counter_done(k, r, NULL);
    struct member_state now = state_of(k, &s, JOINED + 3);
    assert_memory_equal(&now.office, &other, sizeof(other));
    r = counter_about(s, ACTION_GIVE_CONSENT, JOINED + 1);
    r.consent = (struct consent){.purpose = 1, .text_version = "v1"};
    counter_done(k, r, &given);
    r = correct(s, ACTION_GIVE_CONSENT, given);
    r.consent.purpose = 2;
    struct draft d = counter_accepted(k, &r);
    assert_string_equal(d.payload.consent.text_version, "v1");
    counter_record(k, &d);
    counter_done(k, counter_about(s, ACTION_RESIGN, JOINED + 10), NULL);
    counter_done(k, repay(s, JOINED + 20, 2), &repaid);
    r = correct(s, ACTION_REPAY, repaid);
    r.effective.days = JOINED + 15;
    d = counter_accepted(k, &r);
    assert_int_equal(d.payload.repaid.shares, 2);
    assert_int_equal(d.payload.repaid.amount_minor, 6000);
    draft_release(&d);
    r.has_shares = true;
    r.shares = 1;
    counter_refused(k, &r, ERR_INVALID, "amount_minor");
    r.has_amount = true;
    r.amount_minor = 3000;
    counter_done(k, r, NULL);
    assert_int_equal(state_of(k, &s, JOINED + 30).owed[0].shares, 1);
}

static void
only_what_counts_and_is_of_the_kind_can_be_corrected(void **state)
{
    struct counter *k = *state;
    struct position admission;
    struct subject_id s = admitted(k, &admission);
    struct member_request r = correct(s, ACTION_RESIGN, admission);
    told(k, &r, ERR_INVALID, "corrects",
         "corrects: the event is member.admitted, and only another one of that kind can take its place");
    r = correct(s, ACTION_ADMIT, (struct position){k->log, 999});
    told(k, &r, ERR_NOTFOUND, "corrects", "corrects: the member has no such event");
    r = correct(s, ACTION_ADMIT, admission);
    r.has_subject = false;
    counter_refused(k, &r, ERR_INVALID, "subject");
    r = correct(s, ACTION_ADMIT, admission);
    r.category = CATEGORY_B;
    counter_done(k, r, NULL);
    told(k, &r, ERR_CONFLICT, "corrects",
         "corrects: the event was corrected since; correct the one that took its place");
}

/* ---- closed years ---- */

static void
a_change_in_a_closed_year_must_be_meant(void **state)
{
    struct counter *k = *state;
    struct position admission;
    struct subject_id s = admitted(k, &admission);
    counter_close_year(k, 2011);
    struct member_request r = counter_about(s, ACTION_RESIGN, JOINED + 1);
    told(
        k, &r, ERR_CONFLICT, "effective_on",
        "effective_on: 2011-01-27 lies in a closed year (2011); its published figures stay and the change will show as "
        "an adjustment. Say that this is meant, or choose another date");
    r.adjusts_closed = true;
    struct draft d = counter_accepted(k, &r);
    draft_release(&d);
    r = counter_about(s, ACTION_RESIGN, JOINED + 400);
    d = counter_accepted(k, &r);
    draft_release(&d);
    /* Who leaves before a closed year is not in its figures either. */
    r = counter_about(s, ACTION_RESIGN, JOINED + 400);
    counter_close_year(k, 2013);
    counter_refused(k, &r, ERR_CONFLICT, "effective_on");
    /* Out of a closed year is as much a change of it as into one. */
    r = correct(s, ACTION_ADMIT, admission);
    r.effective.days = JOINED + 400;
    counter_refused(k, &r, ERR_CONFLICT, "effective_on");
    struct cancel_request c = {.what = CANCEL_MEMBER, .subject = s, .event = admission};
    struct err err;
    assert_int_equal(command_cancel(&k->ctx, &c, &d, &err), ERR_CONFLICT);
    assert_string_equal(err.field, "effective_on");
    c.adjusts_closed = true;
    assert_int_equal(command_cancel(&k->ctx, &c, &d, &err), 0);
    draft_release(&d);
}

/* ---- cancelling ---- */

static void
cancel_told(const struct counter *k, const struct cancel_request *c, int code, const char *field, const char *text)
{
    struct draft d, before;
    struct err err = {0};
    memset(&d, 0x5A, sizeof(d));
    before = d;
    assert_int_equal(command_cancel(&k->ctx, c, &d, &err), code);
    assert_string_equal(err.field, field);
    assert_string_equal(err.text, text);
    assert_memory_equal(&d, &before, sizeof(d));
}

static struct position
cancelled(struct counter *k, const struct cancel_request *c)
{
    struct draft d;
    struct err err = {0};
    if (command_cancel(&k->ctx, c, &d, &err) != 0)
        fail_msg("refused: %s", err.text);
    assert_int_equal(d.refs[0].role, REF_CANCELS);
    assert_int_equal(d.refs[0].seq, c->event.seq);
    return counter_record(k, &d);
}

static void
an_entry_by_mistake_is_cancelled_and_a_correction_brings_it_back(void **state)
{
    struct counter *k = *state;
    struct position admission, left;
    struct subject_id s = admitted(k, &admission);
    counter_done(k, counter_about(s, ACTION_RESIGN, JOINED + 10), &left);
    struct cancel_request c = {.what = CANCEL_MEMBER, .subject = s, .event = admission};
    cancel_told(k, &c, ERR_CONFLICT, "event",
                "event: member.resigned of 2011-02-05, recorded before, rests on it; cancel that one first");
    c.event = left;
    struct position at = cancelled(k, &c);
    assert_int_equal(state_of(k, &s, JOINED + 20).status, STATUS_MEMBER);
    cancel_told(k, &c, ERR_CONFLICT, "event", "event: is cancelled already");
    c.event = at;
    cancel_told(k, &c, ERR_INVALID, "event", "event: is a cancellation; to bring back what it cancelled, correct that");
    c.event.seq = 999;
    cancel_told(k, &c, ERR_NOTFOUND, "event", "event: the member has no such event");
    struct position again;
    counter_done(k, correct(s, ACTION_RESIGN, left), &again);
    assert_int_equal(state_of(k, &s, JOINED + 20).status, STATUS_LEFT);
    c.event = left;
    cancel_told(k, &c, ERR_CONFLICT, "event", "event: was corrected since; cancel the correction that took its place");
    c.event = again;
    c.has_if_match = true;
    c.if_match = left;
    cancel_told(k, &c, ERR_CONFLICT, "if-match", "the member was changed meanwhile");
    c.if_match = again;
    cancelled(k, &c);
    assert_int_equal(state_of(k, &s, JOINED + 20).status, STATUS_MEMBER);
}

static void
activities_and_invoices_are_cancelled_likewise(void **state)
{
    struct counter *k = *state;
    const struct civil_date month = date_from_ymd(2012, 3, 1);
    struct subject_id activity = {{7}}, invoice = {{0}};
    struct activity_facets facets = {.office = k->office, .sector = 2};
    struct draft d;
    be16_put(invoice.b, month_number(month));
    draft_init(&d, &k->ctx, KIND_ACTIVITY_OPENED, &activity, month);
    d.payload.common.precision = PRECISION_MONTH;
    d.payload.activity = facets;
    struct cancel_request c = {.what = CANCEL_ACTIVITY, .subject = activity, .event = counter_record(k, &d)};
    cancelled(k, &c);
    cancel_told(k, &c, ERR_CONFLICT, "event", "event: is cancelled already");
    draft_init(&d, &k->ctx, KIND_INVOICE_ISSUED, &invoice, month);
    d.payload.common.precision = PRECISION_MONTH;
    d.payload.invoice = (struct invoice_facts){
        .facets = facets, .amount_minor = 10000, .currency = "EUR", .rate_bp = 650, .contribution_minor = 650};
    c = (struct cancel_request){.what = CANCEL_INVOICE, .subject = invoice, .event = counter_record(k, &d)};
    struct position issued = c.event;
    draft_init(&d, &k->ctx, KIND_INVOICE_CREDITED, &invoice, month);
    d.payload.common.precision = PRECISION_MONTH;
    d.payload.credit = (struct credit_facts){.amount_minor = 100, .contribution_minor = 6};
    struct position credit = counter_record(k, &d);
    struct err err;
    assert_int_equal(command_cancel(&k->ctx, &c, &d, &err), ERR_CONFLICT);
    c.event = credit;
    cancelled(k, &c);
    c.event = issued;
    cancelled(k, &c);
    c.event.seq = 999;
    cancel_told(k, &c, ERR_NOTFOUND, "event", "event: the invoice has no such event");
    c.subject = activity;
    assert_int_equal(command_cancel(&k->ctx, &c, &d, &err), ERR_NOTFOUND);
}

/* ---- merging ---- */

static void
merge_told(const struct counter *k, const struct merge_request *m, int code, const char *field, const char *text)
{
    struct draft d[MERGE_DRAFTS];
    struct err err = {0};
    assert_int_equal(command_merge(&k->ctx, m, d, &err), code);
    assert_string_equal(err.field, field);
    assert_string_equal(err.text, text);
}

static void
merged(struct counter *k, const struct merge_request *m, struct draft ret[MERGE_DRAFTS])
{
    struct draft d[MERGE_DRAFTS];
    struct err err = {0};
    if (command_merge(&k->ctx, m, d, &err) != 0)
        fail_msg("refused: %s", err.text);
    memcpy(ret, d, sizeof(d));
    counter_record(k, &d[0]);
    counter_record(k, &d[1]);
}

static void
two_records_become_one_and_two_again(void **state)
{
    struct counter *k = *state;
    struct draft d[MERGE_DRAFTS];
    struct subject_id from = admitted(k, NULL), into = admitted(k, NULL);
    struct merge_request m = {.from = from, .into = into, .effective = {JOINED + 30}};
    merged(k, &m, d);
    assert_int_equal(d[0].kind, KIND_MEMBER_MERGED);
    assert_memory_equal(&d[0].subject, &from, sizeof(from));
    assert_memory_equal(&d[0].payload.other, &into, sizeof(into));
    assert_int_equal(d[1].kind, KIND_MEMBER_ABSORBED);
    assert_memory_equal(&d[1].subject, &into, sizeof(into));
    assert_int_equal(d[1].payload.absorbed.brought.shares, 2);
    assert_int_equal(d[1].payload.absorbed.brought.amount_minor, 6000);
    assert_false(d[1].payload.absorbed.brought.owed);
    assert_int_equal(state_of(k, &from, JOINED + 30).status, STATUS_MERGED);
    assert_int_equal(state_of(k, &into, JOINED + 30).capital_minor, 12000);
    char text[128], hex[2 * ID_BYTES + 1];
    (void)snprintf(text, sizeof(text), "from: was merged into %s already", hex_encode(into.b, sizeof(into.b), hex));
    merge_told(k, &m, ERR_CONFLICT, "from", text);
    struct member_row row;
    struct err err;
    assert_int_equal(rows_member(&k->ctx, &from, &row, &err), 0);
    struct cancel_request half = {.what = CANCEL_MEMBER, .subject = from, .event = row.entries[row.n - 1].at};
    member_row_release(&row);
    cancel_told(k, &half, ERR_CONFLICT, "event",
                "event: is half of a merge; undo the merge, so that both halves go together");
    m.undo = true;
    merged(k, &m, d);
    assert_int_equal(d[0].kind, KIND_ENTRY_CANCELLED);
    assert_int_equal(d[1].kind, KIND_ENTRY_CANCELLED);
    assert_int_equal(state_of(k, &from, JOINED + 30).status, STATUS_MEMBER);
    assert_int_equal(state_of(k, &into, JOINED + 30).capital_minor, 6000);
    merge_told(k, &m, ERR_CONFLICT, "from", "from: is not merged into that record");
}

static void
what_is_owed_passes_on_and_a_record_without_shares_brings_none(void **state)
{
    struct counter *k = *state;
    struct draft d[MERGE_DRAFTS];
    struct subject_id left = admitted(k, NULL), into = admitted(k, NULL);
    struct subject_id applicant = counter_done(k, counter_someone(k, ACTION_APPLY, JOINED), NULL);
    counter_done(k, counter_about(left, ACTION_RESIGN, JOINED + 5), NULL);
    struct merge_request m = {.from = left, .into = into, .effective = {JOINED + 30}};
    merged(k, &m, d);
    assert_true(d[1].payload.absorbed.brought.owed);
    assert_int_equal(state_of(k, &into, JOINED + 30).owed[0].amount_minor, 6000);
    m.from = applicant;
    merged(k, &m, d);
    assert_int_equal(d[1].payload.absorbed.brought.shares, 0);
    assert_int_equal(state_of(k, &into, JOINED + 30).shares, 2);
}

static void
what_a_record_passed_on_stays_as_it_was_until_the_merge_is_undone(void **state)
{
    struct counter *k = *state;
    struct draft d[MERGE_DRAFTS], refused;
    struct position admission, shares;
    struct subject_id from = admitted(k, &admission), into = admitted(k, NULL);
    struct member_request r = counter_about(from, ACTION_SUBSCRIBE, JOINED + 10);
    r.has_shares = true;
    r.shares = 3;
    counter_done(k, r, &shares);
    struct merge_request m = {.from = from, .into = into, .effective = {JOINED + 30}};
    merged(k, &m, d);
    char text[200], hex[2 * ID_BYTES + 1];
    (void)snprintf(text, sizeof(text),
                   "subject: the shares that passed on when this record was merged into %s would become others; undo "
                   "the merge first",
                   hex_encode(into.b, sizeof(into.b), hex));
    struct cancel_request c = {.what = CANCEL_MEMBER, .subject = from, .event = shares};
    cancel_told(k, &c, ERR_CONFLICT, "subject", text);
    struct err err = {0};
    r.effective.days = JOINED + 20;
    assert_int_equal(command_member(&k->ctx, &r, &refused, &err), ERR_CONFLICT);
    assert_string_equal(err.text, text);
    r = counter_about(from, ACTION_RESIGN, JOINED + 20);
    assert_int_equal(command_member(&k->ctx, &r, &refused, &err), ERR_CONFLICT);
    r = correct(from, ACTION_SUBSCRIBE, shares);
    r.effective.days = JOINED + 11;
    counter_done(k, r, &shares); /* another day, the same shares */
    m.undo = true;
    merged(k, &m, d);
    c.event = shares;
    cancelled(k, &c);
    assert_int_equal(state_of(k, &from, JOINED + 30).shares, 2);
}

static void
the_desk_is_told_why_two_records_cannot_be_one(void **state)
{
    struct counter *k = *state;
    struct subject_id from = admitted(k, NULL), into = admitted(k, NULL);
    struct subject_id firm = counter_done(k, firm_request(k, JOINED), NULL);
    struct subject_id applicant = counter_done(k, counter_someone(k, ACTION_APPLY, JOINED), NULL);
    struct merge_request m = {.from = from, .into = from, .effective = {JOINED + 30}};
    merge_told(k, &m, ERR_INVALID, "into", "into: is the very record that is to be given up");
    m.into = (struct subject_id){{0xdd}};
    merge_told(k, &m, ERR_NOTFOUND, "into", "into: no such member");
    m.into = firm;
    merge_told(k, &m, ERR_CONFLICT, "into",
               "into: one of the two is a natural person and the other a legal one: they are not the same");
    m.into = applicant;
    merge_told(k, &m, ERR_CONFLICT, "into",
               "into: is no member on 2011-02-25, but the record to be given up is; keep that one instead");
    m.into = into;
    m.effective.days = JOINED - 1;
    merge_told(k, &m, ERR_CONFLICT, "from", "from: has no record on 2011-01-25; choose a later date");
    m.effective.days = JOINED + 30;
    counter_close_year(k, 2011);
    counter_done(k, counter_about(from, ACTION_REQUEST_WITHDRAWAL, JOINED + 400), NULL);
    merge_told(k, &m, ERR_CONFLICT, "effective_on",
               "from: effective_on: withdrawal.requested of 2012-03-01, recorded before, would become impossible");
    m.effective.days = JOINED + 500;
    m.has_if_match = true;
    merge_told(k, &m, ERR_CONFLICT, "if-match", "the member was changed meanwhile");
    m.has_if_match = false;
    struct member_request again = counter_about(from, ACTION_RESIGN, JOINED + 410);
    counter_done(k, again, NULL);
    struct member_request r = counter_about(from, ACTION_ADMIT, JOINED + 420);
    r.category = CATEGORY_A;
    r.person_type = PERSON_NATURAL;
    r.has_office = r.has_shares = true;
    r.office = k->office;
    r.shares = 1;
    counter_done(k, r, NULL);
    merge_told(k, &m, ERR_CONFLICT, "from",
               "from: shares are both held and owed; repay first what is owed, so that they are of one kind");
    m.effective.days = JOINED + 300;
    m.from = into;
    m.into = from;
    merge_told(
        k, &m, ERR_CONFLICT, "effective_on",
        "effective_on: 2011-11-22 lies in a closed year (2011); its published figures stay and the change will show as "
        "an adjustment. Say that this is meant, or choose another date");
}

#define COUNTER_TEST(f) cmocka_unit_test_setup_teardown(f, counter_setup, counter_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTER_TEST(the_oldest_shares_are_repaid_first_at_what_was_paid_for_them),
        COUNTER_TEST(the_desk_is_told_why_nothing_can_be_repaid),
        COUNTER_TEST(of_two_currencies_the_desk_says_which),
        COUNTER_TEST(a_price_that_cannot_be_is_refused),
        COUNTER_TEST(a_representative_gets_keys_and_capsules_of_their_own),
        COUNTER_TEST(the_desk_is_told_why_nobody_can_be_named),
        COUNTER_TEST(consents_are_on_record_with_the_text_agreed_to),
        COUNTER_TEST(a_note_goes_with_any_event_and_alone_with_a_change_of_data),
        COUNTER_TEST(what_a_correction_does_not_give_stays_as_it_was),
        COUNTER_TEST(corrections_of_repayments_consents_and_offices_keep_the_rest_too),
        COUNTER_TEST(only_what_counts_and_is_of_the_kind_can_be_corrected),
        COUNTER_TEST(a_change_in_a_closed_year_must_be_meant),
        COUNTER_TEST(an_entry_by_mistake_is_cancelled_and_a_correction_brings_it_back),
        COUNTER_TEST(activities_and_invoices_are_cancelled_likewise),
        COUNTER_TEST(two_records_become_one_and_two_again),
        COUNTER_TEST(what_is_owed_passes_on_and_a_record_without_shares_brings_none),
        COUNTER_TEST(what_a_record_passed_on_stays_as_it_was_until_the_merge_is_undone),
        COUNTER_TEST(the_desk_is_told_why_two_records_cannot_be_one),
    };
    return cmocka_run_group_tests_name("register", tests, NULL, NULL);
}
