/* Postings at the counter: what a request becomes, each refusal with its field and its words, overlaps. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/command/country.h"
#include "node/command/posting.h"
#include "node/command/retention.h"
#include "tests/support/counter.h"

static struct civil_date
day(int month, int d)
{
    return date_from_ymd(2024 + (month - 1) / 12, (month - 1) % 12 + 1, d);
}

static struct subject_id
member_since(struct counter *k, struct civil_date d)
{
    return counter_done(k, counter_someone(k, ACTION_ADMIT, d.days), NULL);
}

static struct posting_request
issuing(struct subject_id member, struct civil_date from, struct civil_date to, const char *country)
{
    struct posting_request r = {
        .action = POSTING_ISSUE, .member = member, .from = from, .to = to, .effective = DATE_NONE};
    memcpy(r.country, country, 2);
    return r;
}

static struct posting_request
changing(struct subject_id posting)
{
    struct posting_request r = {.action = POSTING_CHANGE,
                                .has_posting = true,
                                .posting = posting,
                                .from = DATE_NONE,
                                .to = DATE_NONE,
                                .effective = DATE_NONE};
    return r;
}

static struct posting_request
until(struct subject_id posting, struct civil_date to)
{
    struct posting_request r = changing(posting);
    r.to = to;
    return r;
}

static void
refer(struct posting_request *r, const char *reference)
{
    r->has_reference = true;
    snprintf(r->reference.s, sizeof(r->reference.s), "%s", reference);
}

static struct draft
accepted(struct counter *k, struct posting_request r)
{
    struct draft d;
    struct err err = {0};
    if (command_posting(&k->ctx, &r, &d, &err) != 0)
        fail_msg("refused: %s: %s", err.field, err.text);
    return d;
}

static struct subject_id
done(struct counter *k, struct posting_request r, struct position *ret_at)
{
    struct draft d = accepted(k, r);
    struct subject_id id = d.subject;
    struct position at = counter_record(k, &d);
    if (ret_at)
        *ret_at = at;
    return id;
}

static void
refused(struct counter *k, struct posting_request r, int code, const char *field, const char *words)
{
    struct draft d, before;
    struct err err = {0};
    memset(&d, 0x5A, sizeof(d));
    before = d;
    assert_int_equal(command_posting(&k->ctx, &r, &d, &err), code);
    assert_string_equal(err.field, field);
    if (strstr(err.text, words) == NULL)
        fail_msg("said: %s", err.text);
    assert_memory_equal(&d, &before, sizeof(d));
}

static void
cancelled(struct counter *k, struct subject_id posting, struct position at)
{
    struct cancel_request r = {.what = CANCEL_POSTING, .subject = posting, .event = at};
    struct draft d;
    struct err err = {0};
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

static void
assert_days(struct counter *k, struct subject_id posting, struct civil_date first, struct civil_date last)
{
    struct posting_row row;
    struct civil_date is_first, is_last;
    struct err err;
    assert_int_equal(rows_posting(&k->ctx, &posting, &row, &err), 0);
    assert_int_equal(posting_days(&k->ctx, &row, &is_first, &is_last, &err), 0);
    assert_int_equal(is_first.days, first.days);
    assert_int_equal(is_last.days, last.days);
    posting_row_release(&row);
}

static void
a_posting_shows_its_months_and_keeps_its_days_in_the_capsule(void **state)
{
    struct counter *k = *state;
    struct subject_id m = member_since(k, day(1, 15)), id;
    struct posting_request r = issuing(m, day(3, 7), day(8, 20), "AT");
    struct err err;
    refer(&r, " A1-2024/17 ");
    struct draft d = accepted(k, r);
    struct activity_links l = said_in(&d);
    assert_int_equal(d.kind, KIND_POSTING_ISSUED);
    assert_int_equal(d.payload.common.effective.days, day(3, 1).days);
    assert_int_equal(d.payload.common.precision, PRECISION_MONTH);
    assert_memory_equal(d.payload.common.actor.b, k->ctx.unit.b, ID_BYTES);
    assert_string_equal(d.payload.posting.country, "AT");
    assert_int_equal(d.payload.posting.last_month.days, day(8, 1).days);
    assert_int_equal(l.day.days, day(3, 7).days);
    assert_int_equal(l.last_day.days, day(8, 20).days);
    assert_string_equal(l.number.s, "A1-2024/17");
    assert_memory_equal(&l.member, &m, sizeof(m));
    assert_memory_equal(&d.link_member, &m, sizeof(m));
    assert_memory_equal(&d.key_subject, &m, sizeof(m));
    struct subject_id posting = d.subject;
    counter_record(k, &d);
    assert_int_equal(work_find(&k->ctx, INDEX_POSTING_NO, "a1 2024 17", &id, &err), 0);
    assert_memory_equal(&id, &posting, sizeof(id));
    assert_int_equal(work_find(&k->ctx, INDEX_ACTIVITY_NO, "a1 2024 17", &id, &err), ERR_NOTFOUND);
    size_t n;
    assert_int_equal(postings_of_member(&k->ctx, &m, NULL, 1, &id, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(work_of_member(&k->ctx, &m, NULL, 1, &id, &n, &err), 0);
    assert_int_equal(n, 0);
    assert_days(k, posting, day(3, 7), day(8, 20));
}

static void
each_part_of_a_posting_is_refused_by_its_name(void **state)
{
    struct counter *k = *state;
    struct subject_id m = member_since(k, day(2, 29)), nobody = {{0}}, stranger = {{9}};
    refused(k, issuing(nobody, day(3, 1), day(3, 2), "AT"), ERR_INVALID, "member", "missing");
    refused(k, issuing(stranger, day(3, 1), day(3, 2), "AT"), ERR_NOTFOUND, "member", "no such member");
    refused(k, issuing(m, day(2, 28), day(3, 2), "AT"), ERR_CONFLICT, "member",
            "was no member of this unit on 2024-02-28");
    refused(k, issuing(m, DATE_NONE, day(3, 2), "AT"), ERR_INVALID, "from", "missing");
    refused(k, issuing(m, day(3, 1), DATE_NONE, "AT"), ERR_INVALID, "to", "missing");
    refused(k, issuing(m, day(3, 2), (struct civil_date){DATE_MAX.days + 1}, "AT"), ERR_INVALID, "to", "not a date");
    refused(k, issuing(m, day(3, 2), day(3, 1), "AT"), ERR_INVALID, "to", "before the first day, 2024-03-02");
    refused(k, issuing(m, day(3, 1), day(3, 2), "\0\0"), ERR_INVALID, "country", "missing");
    refused(k, issuing(m, day(3, 1), day(3, 2), "at"), ERR_INVALID, "country", "");
    refused(k, issuing(m, day(3, 1), day(3, 2), "BE"), ERR_CONFLICT, "country", "the unit's own");
    refused(k, issuing(m, day(3, 10), day(27, 10), "AT"), ERR_CONFLICT, "to", "longer than 24 months");
    struct posting_request r = issuing(m, day(3, 10), day(27, 9), "AT");
    r.effective = day(3, 10);
    refused(k, r, ERR_INVALID, "effective_on", "begins with from");
    r.effective = DATE_NONE;
    refer(&r, "---");
    refused(k, r, ERR_INVALID, "reference", "no letter or digit");
    refer(&r, "X 1");
    struct subject_id posting = done(k, r, NULL);
    r = issuing(m, day(3, 1), day(3, 2), "AT");
    refer(&r, "x-1");
    refused(k, r, ERR_CONFLICT, "reference", "another posting of the unit has it");
    r.has_posting = true;
    r.posting = posting;
    refused(k, r, ERR_CONFLICT, "posting", "recorded already");
    refused(k, changing(stranger), ERR_NOTFOUND, "posting", "no such posting");
    r = changing(posting);
    r.has_posting = false;
    refused(k, r, ERR_INVALID, "posting", "missing");
    r = changing(posting);
    r.has_if_match = true;
    refused(k, r, ERR_CONFLICT, "if-match", "");
    r = changing(posting);
    r.member = member_since(k, day(1, 1));
    refused(k, r, ERR_CONFLICT, "member", "another member's");
    r = changing(posting);
    r.has_corrects = true;
    refused(k, r, ERR_NOTFOUND, "corrects", "no such event");
    struct draft d;
    struct err err = {0};
    struct cancel_request cancel = {.what = CANCEL_POSTING, .subject = posting};
    assert_int_equal(command_cancel(&k->ctx, &cancel, &d, &err), ERR_NOTFOUND);
    assert_string_equal(err.field, "event");
}

/* 24 months from 29 February end on 28 February. */
static void
a_leap_day_does_not_make_24_months_longer(void **state)
{
    struct counter *k = *state;
    struct subject_id m = member_since(k, day(1, 1));
    refused(k, issuing(m, day(2, 29), day(26, 29), "AT"), ERR_CONFLICT, "to", "longer than 24 months");
    struct subject_id posting = done(k, issuing(m, day(2, 29), day(26, 28), "AT"), NULL);
    assert_days(k, posting, day(2, 29), day(26, 28));
}

static void
what_a_change_does_not_say_stays(void **state)
{
    struct counter *k = *state;
    struct subject_id m = member_since(k, day(1, 1));
    struct position issued, extended;
    struct posting_request r = issuing(m, day(3, 7), day(8, 20), "AT");
    refer(&r, "A1-5");
    struct subject_id posting = done(k, r, &issued);
    struct draft d = accepted(k, until(posting, day(10, 3)));
    assert_int_equal(d.kind, KIND_POSTING_CHANGED);
    assert_int_equal(d.payload.common.effective.days, day(3, 1).days);
    assert_string_equal(d.payload.posting.country, "AT");
    assert_string_equal(said_in(&d).number.s, "A1-5");
    assert_int_equal(said_in(&d).day.days, day(3, 7).days);
    extended = counter_record(k, &d);
    assert_days(k, posting, day(3, 7), day(10, 3));
    /* From a month on in another country; then its end, of which it is said last. */
    r = changing(posting);
    r.effective = day(6, 15);
    memcpy(r.country, "FR", 2);
    done(k, r, NULL);
    assert_days(k, posting, day(3, 7), day(10, 3));
    refused(k, until(posting, day(5, 30)), ERR_INVALID, "to", "before the month from which the change holds, 2024-06");
    refused(k, until(posting, day(27, 7)), ERR_CONFLICT, "to", "longer than 24 months");
    done(k, until(posting, day(7, 2)), NULL);
    assert_days(k, posting, day(3, 7), day(7, 2));
    r = changing(posting);
    r.effective = day(9, 1);
    r.to = day(9, 30);
    refused(k, r, ERR_CONFLICT, "effective_on", "ended in 2024-07");
    /* Another first day corrects the issue. */
    r = changing(posting);
    r.from = day(2, 27);
    d = accepted(k, r);
    assert_int_equal(d.kind, KIND_POSTING_ISSUED);
    assert_int_equal(d.n_refs, 1);
    assert_int_equal(d.refs[0].seq, issued.seq);
    assert_int_equal(d.payload.posting.last_month.days, day(8, 1).days);
    counter_record(k, &d);
    assert_days(k, posting, day(2, 27), day(7, 2));
    r.to = day(7, 3);
    refused(k, r, ERR_CONFLICT, "to", "later change");
    r = until(posting, day(9, 9));
    r.has_corrects = true;
    r.corrects = extended;
    d = accepted(k, r);
    assert_int_equal(d.kind, KIND_POSTING_CHANGED);
    assert_int_equal(d.refs[0].seq, extended.seq);
    draft_release(&d);
    r.corrects = issued;
    refused(k, r, ERR_CONFLICT, "corrects", "was corrected since");
}

static void
nobody_is_posted_twice_on_a_day(void **state)
{
    struct counter *k = *state;
    struct subject_id m = member_since(k, day(1, 1)), other = member_since(k, day(1, 1));
    struct position at;
    struct subject_id first = done(k, issuing(m, day(3, 7), day(5, 20), "AT"), &at);
    done(k, issuing(other, day(3, 7), day(5, 20), "AT"), NULL);
    refused(k, issuing(m, day(5, 20), day(6, 1), "FR"), ERR_CONFLICT, "from", "posted already");
    refused(k, issuing(m, day(1, 20), day(3, 7), "FR"), ERR_CONFLICT, "from", "posted already");
    struct subject_id second = done(k, issuing(m, day(5, 21), day(6, 1), "FR"), NULL);
    refused(k, until(first, day(5, 21)), ERR_CONFLICT, "to", "posted already");
    done(k, until(first, day(5, 10)), &at);
    struct posting_request back = changing(second);
    back.from = day(5, 10);
    refused(k, back, ERR_CONFLICT, "from", "posted already");
    back.from = day(5, 11);
    done(k, back, NULL);
    /* What was recorded elsewhere is recorded again, whatever it overlaps; a cancelled one is in nobody's way. */
    struct posting_request r = issuing(m, day(3, 1), day(3, 31), "BE");
    r.as_recorded = true;
    struct draft d = accepted(k, r);
    draft_release(&d);
    struct subject_id ids[4];
    size_t n;
    struct err err;
    assert_int_equal(postings_of_member(&k->ctx, &m, NULL, 4, ids, &n, &err), 0);
    assert_int_equal(n, 2);
    cancelled(k, first, at);
    struct posting_row row;
    assert_int_equal(rows_posting(&k->ctx, &first, &row, &err), 0);
    assert_int_equal(row.entries[0].outcome, OUTCOME_APPLIED);
    struct position issued = row.entries[0].at;
    posting_row_release(&row);
    cancelled(k, first, issued);
    done(k, issuing(m, day(4, 1), day(4, 30), "FR"), NULL);
}

static void
postings_of_a_record_that_was_merged_are_those_of_the_one_kept(void **state)
{
    struct counter *k = *state;
    struct subject_id kept = member_since(k, day(1, 1)), given_up = member_since(k, day(1, 1));
    struct subject_id posting = done(k, issuing(given_up, day(3, 7), day(5, 20), "AT"), NULL);
    struct merge_request merge = {.from = given_up, .into = kept, .effective = day(6, 15)};
    struct draft drafts[MERGE_DRAFTS];
    struct err err;
    assert_int_equal(command_merge(&k->ctx, &merge, drafts, &err), 0);
    counter_record(k, &drafts[0]);
    counter_record(k, &drafts[1]);
    refused(k, issuing(kept, day(5, 20), day(5, 21), "FR"), ERR_CONFLICT, "from", "posted already");
    struct draft d = accepted(k, until(posting, day(5, 1)));
    counter_record(k, &d);
    d = accepted(k, issuing(given_up, day(5, 20), day(5, 21), "FR"));
    assert_memory_equal(&d.link_member, &kept, sizeof(kept));
    draft_release(&d);
}

/* COUNTER_TODAY and the 366 days after it. */
static void
a_posting_begins_within_a_year_and_may_last_its_24_months(void **state)
{
    struct counter *k = *state;
    struct subject_id m = member_since(k, day(1, 1));
    struct civil_date last = {COUNTER_TODAY.days + 366}, later = {COUNTER_TODAY.days + 367};
    struct civil_date end = {last.days + 700};
    refused(k, issuing(m, later, end, "AT"), ERR_INVALID, "from", "is the year right?");
    struct subject_id posting = done(k, issuing(m, last, end, "AT"), NULL);
    struct posting_request r = changing(posting);
    r.from = later;
    refused(k, r, ERR_INVALID, "from", "is the year right?");
    /* One that was recorded so before can still be changed. */
    k->ctx.today.days -= 30;
    done(k, until(posting, (struct civil_date){end.days - 1}), NULL);
}

static struct civil_date
last_work(struct counter *k, struct subject_id m)
{
    struct civil_date d = {1};
    struct err err;
    assert_int_equal(retention_last_work(&k->ctx, &m, &d, &err), 0);
    return d;
}

static void
a_posting_is_kept_like_an_invoice_of_its_last_month(void **state)
{
    struct counter *k = *state;
    struct subject_id m = member_since(k, day(1, 1));
    assert_true(date_is_none(last_work(k, m)));
    done(k, issuing(m, day(1, 10), day(2, 9), "FR"), NULL);
    assert_int_equal(last_work(k, m).days, day(2, 1).days);
    struct position issued;
    struct subject_id posting = done(k, issuing(m, day(3, 7), day(27, 6), "AT"), &issued);
    done(k, issuing(m, day(2, 12), day(2, 13), "FR"), NULL);
    assert_int_equal(last_work(k, m).days, day(27, 1).days);
    struct position shortened;
    done(k, until(posting, day(14, 20)), &shortened);
    assert_int_equal(last_work(k, m).days, day(14, 1).days);
    /* What was applied for is kept, also if it was taken back. */
    cancelled(k, posting, shortened);
    cancelled(k, posting, issued);
    assert_int_equal(last_work(k, m).days, day(27, 1).days);
    /* Its month is in clear. */
    counter_forget_keys(k, &m);
    assert_int_equal(last_work(k, m).days, day(27, 1).days);
}

static void
without_the_key_nothing_can_be_changed_and_the_months_stand(void **state)
{
    struct counter *k = *state;
    struct subject_id m = member_since(k, day(1, 1));
    struct subject_id posting = done(k, issuing(m, day(3, 7), day(5, 20), "AT"), NULL);
    counter_forget_keys(k, &m);
    refused(k, until(posting, day(6, 1)), ERR_CONFLICT, "posting", "cannot be read here any more");
    assert_days(k, posting, day(3, 1), day(5, 31));
}

static void
a_country_is_one_of_the_list(void **state)
{
    static const char *const none[] = {"XX", "ZZ", "EU", "DA", "B", "", "BEL", "be", "D ", " A"};
    (void)state;
    assert_true(country_exists("AD") && country_exists("BE") && country_exists("GB") && country_exists("ZW"));
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_false(country_exists(none[i]));
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
        TEST(a_posting_shows_its_months_and_keeps_its_days_in_the_capsule),
        TEST(each_part_of_a_posting_is_refused_by_its_name),
        TEST(a_leap_day_does_not_make_24_months_longer),
        TEST(what_a_change_does_not_say_stays),
        TEST(nobody_is_posted_twice_on_a_day),
        TEST(postings_of_a_record_that_was_merged_are_those_of_the_one_kept),
        TEST(a_posting_begins_within_a_year_and_may_last_its_24_months),
        TEST(a_posting_is_kept_like_an_invoice_of_its_last_month),
        cmocka_unit_test(a_country_is_one_of_the_list),
        TEST(without_the_key_nothing_can_be_changed_and_the_months_stand),
    };
    return cmocka_run_group_tests_name("posting", tests, NULL, NULL);
}
