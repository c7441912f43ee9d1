/* Members: repayment, merges, representatives, consents, cancellations, the share register, capsules of representatives, names that
 * were. The transitions of docs/PROTOCOL.md §10 from kind 44 on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/member_desk.h"

static const struct subject_id ANNA = {{0xa1}}, BELA = {{0xb2}}, OTHER_RECORD = {{0xcc}};

static struct member_entry
amount(struct member_desk *f, uint16_t kind, int day, uint64_t shares, int64_t minor, const char *currency)
{
    struct member_entry e = desk_entry(f, MAIN, kind, day);
    e.shares = shares;
    e.amount_minor = minor;
    memcpy(e.currency, currency, strnlen(currency, CURRENCY_MAX - 1));
    e.has_other = kind == KIND_MEMBER_ABSORBED;
    e.other = e.has_other ? OTHER_RECORD : e.other;
    return e;
}

static struct position
repay(struct member_desk *f, int day, uint64_t shares, int64_t minor, const char *currency)
{
    struct member_entry e = amount(f, KIND_SHARES_REPAID, day, shares, minor, currency);
    return desk_add(f, &e);
}

static struct position
put_other(struct member_desk *f, uint16_t kind, int day, struct subject_id other)
{
    struct member_entry e = desk_entry(f, MAIN, kind, day);
    e.has_other = true;
    e.other = other;
    return desk_add(f, &e);
}

static struct position
consent(struct member_desk *f, uint16_t kind, int day, uint16_t purpose)
{
    struct member_entry e = desk_entry(f, MAIN, kind, day);
    e.purpose = purpose;
    return desk_add(f, &e);
}

static struct position
cancel(struct member_desk *f, uint8_t log, struct position what)
{
    return desk_put_ref(f, log, KIND_ENTRY_CANCELLED, 30, REF_CANCELS, what);
}

static struct position
admit_legal(struct member_desk *f, int day)
{
    struct member_entry e = desk_entry(f, MAIN, KIND_MEMBER_ADMITTED, day);
    e.category = CATEGORY_C;
    e.person_type = PERSON_LEGAL;
    return desk_add(f, &e);
}

static void
fine(const struct member_desk *f, struct position p)
{
    desk_expect(f, p, OUTCOME_APPLIED, VOID_NONE);
}

static void
is_void(const struct member_desk *f, struct position p, enum void_reason reason)
{
    desk_expect(f, p, OUTCOME_VOID, reason);
}

/* ---- repayment ---- */

static void
who_leaves_is_owed_what_was_paid_currency_by_currency(void **state)
{
    struct member_desk f;
    desk_setup(&f);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    struct member_entry e = desk_entry(&f, MAIN, KIND_SHARES_SUBSCRIBED, 2);
    memcpy(e.currency, "SEK", 4);
    e.share_price_minor = 35000;
    desk_add(&f, &e);
    e = desk_entry(&f, MAIN, KIND_SHARES_SUBSCRIBED, 3);
    e.share_price_minor = 5000; /* the price went up */
    desk_add(&f, &e);
    desk_put(&f, MAIN, KIND_MEMBER_RESIGNED, 10);
    struct member_state before = desk_state_on(&f, 9), s = desk_state_on(&f, 10);
    assert_int_equal(before.shares, 6);
    assert_int_equal(before.capital_minor, 16000);
    assert_int_equal(before.n_owed, 0);
    assert_int_equal(s.n_owed, 2);
    assert_string_equal(s.owed[0].currency, "EUR");
    assert_int_equal(s.owed[0].shares, 4);
    assert_int_equal(s.owed[0].amount_minor, 16000);
    assert_string_equal(s.owed[1].currency, "SEK");
    assert_int_equal(s.owed[1].amount_minor, 70000);
    desk_teardown(&f);
}

static void
no_more_is_repaid_than_is_owed(void **state)
{
    struct member_desk f;
    desk_setup(&f);
    is_void(&f, repay(&f, 1, 1, 3000, "EUR"), VOID_NOT_MEMBER);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    is_void(&f, repay(&f, 2, 1, 3000, "EUR"), VOID_OWED);
    desk_put(&f, MAIN, KIND_MEMBER_DECEASED, 5);
    is_void(&f, repay(&f, 6, 3, 6000, "EUR"), VOID_OWED);
    is_void(&f, repay(&f, 6, 2, 6001, "EUR"), VOID_OWED);
    is_void(&f, repay(&f, 6, 1, 3000, "SEK"), VOID_OWED);
    fine(&f, repay(&f, 6, 1, 3000, "EUR"));
    assert_int_equal(desk_state_on(&f, 6).owed[0].shares, 1);
    assert_int_equal(desk_state_on(&f, 6).owed[0].amount_minor, 3000);
    fine(&f, repay(&f, 7, 1, 3000, "EUR"));
    assert_int_equal(desk_state_on(&f, 7).n_owed, 0);
    is_void(&f, repay(&f, 8, 1, 0, "EUR"), VOID_OWED);
    desk_teardown(&f);
}

static void
repaying_all_shares_for_less_settles_what_is_owed(void **state)
{
    struct member_desk f;
    struct desk_totals t = {0};
    desk_setup(&f);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    desk_put(&f, MAIN, KIND_MEMBER_EXCLUDED, 5);
    fine(&f, repay(&f, 6, 2, 4500, "EUR"));
    assert_int_equal(desk_state_on(&f, 6).n_owed, 0);
    assert_int_equal(member_contributions(&f.row, desk_collect, &t), 0);
    assert_int_equal(t.n, 6);
    assert_int_equal(t.c[4].v[CAPITAL_SHARES_REPAID], 2);
    assert_int_equal(t.c[4].v[CAPITAL_MINOR_REPAID], 4500);
    assert_int_equal(t.c[5].v[CAPITAL_MINOR_FORGONE], 1500);
    assert_int_equal(t.c[5].day.days, 6);
    desk_teardown(&f);
}

static void
who_comes_back_is_still_owed_what_was_before(void **state)
{
    struct member_desk f;
    desk_setup(&f);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    desk_put(&f, MAIN, KIND_MEMBER_RESIGNED, 5);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 10);
    assert_int_equal(desk_state_on(&f, 10).n_owed, 1);
    assert_int_equal(desk_state_on(&f, 10).capital_minor, 6000);
    fine(&f, repay(&f, 11, 1, 3000, "EUR"));
    is_void(&f, repay(&f, 11, 2, 6000, "EUR"), VOID_OWED);
    assert_int_equal(desk_state_on(&f, 11).shares, 2);
    desk_put(&f, MAIN, KIND_MEMBER_RESIGNED, 20);
    assert_int_equal(desk_state_on(&f, 20).n_owed, 1);
    assert_int_equal(desk_state_on(&f, 20).owed[0].shares, 3);
    fine(&f, repay(&f, 20, 3, 9000, "EUR"));
    desk_teardown(&f);
}

static void
what_is_held_and_owed_together_has_its_bounds(void **state)
{
    static const char *const more[] = {"SEK", "HUF", "CHF"};
    struct member_desk f;
    desk_setup(&f);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    desk_put(&f, MAIN, KIND_MEMBER_RESIGNED, 2);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 3);
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        struct member_entry e = desk_entry(&f, MAIN, KIND_SHARES_SUBSCRIBED, 4);
        memcpy(e.currency, more[i], 4);
        fine(&f, desk_add(&f, &e));
    }
    struct member_entry e = desk_entry(&f, MAIN, KIND_SHARES_SUBSCRIBED, 4);
    memcpy(e.currency, "PLN", 4);
    is_void(&f, desk_add(&f, &e), VOID_SHARES);
    e = amount(&f, KIND_MEMBER_ABSORBED, 4, SHARES_HELD_MAX - 9, 0, "EUR");
    is_void(&f, desk_add(&f, &e), VOID_SHARES);
    e = amount(&f, KIND_MEMBER_ABSORBED, 4, SHARES_HELD_MAX - 10, 0, "EUR");
    fine(&f, desk_add(&f, &e));
    fine(&f, desk_put(&f, MAIN, KIND_MEMBER_RESIGNED, 9));
    assert_int_equal(desk_state_on(&f, 9).n_owed, CURRENCIES_OWED_MAX);
    desk_teardown(&f);
}

/* ---- merges ---- */

static void
a_merged_record_takes_nothing_more_and_is_counted_apart(void **state)
{
    struct member_desk f;
    struct desk_totals t = {0};
    desk_setup(&f);
    is_void(&f, put_other(&f, KIND_MEMBER_MERGED, 1, OTHER_RECORD), VOID_NOT_MEMBER);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    desk_put(&f, MAIN, KIND_WITHDRAWAL_REQUESTED, 2);
    fine(&f, put_other(&f, KIND_MEMBER_MERGED, 5, OTHER_RECORD));
    struct member_state s = desk_state_on(&f, 5);
    assert_int_equal(s.status, STATUS_MERGED);
    assert_int_equal(s.left_reason, LEFT_NONE);
    assert_memory_equal(&s.merged_into, &OTHER_RECORD, sizeof(OTHER_RECORD));
    assert_false(s.request_open);
    assert_int_equal(s.shares, 0);
    assert_int_equal(s.n_owed, 0);
    for (uint16_t kind = KIND_APPLICATION_RECEIVED; kind <= KIND_CONSENT_WITHDRAWN; kind++) {
        bool decision =
            kind == KIND_APPLICATION_REFUSED || kind == KIND_WITHDRAWAL_GRANTED || kind == KIND_WITHDRAWAL_REFUSED;
        is_void(&f, desk_put(&f, MAIN, kind, 6), decision ? VOID_REFERENCE : VOID_MERGED);
    }
    assert_int_equal(member_contributions(&f.row, desk_collect, &t), 0);
    assert_int_equal(t.n, 5);
    assert_int_equal(t.c[3].v[COUNT_MERGED], 1);
    assert_int_equal(t.c[3].v[COUNT_MEMBERS], -1);
    assert_int_equal(t.c[3].v[COUNT_RESIGNED], 0);
    assert_int_equal(t.c[4].v[CAPITAL_SHARES_MERGED_OUT], 2);
    assert_int_equal(t.c[4].v[CAPITAL_MINOR_MERGED_OUT], 6000);
    assert_int_equal(t.c[4].v[CAPITAL_SHARES_OUT], 0);
    desk_teardown(&f);
}

static void
a_record_that_had_left_passes_on_what_it_is_owed_uncounted(void **state)
{
    struct member_desk f;
    struct desk_totals t = {0};
    desk_setup(&f);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    desk_put(&f, MAIN, KIND_MEMBER_DECEASED, 4);
    fine(&f, put_other(&f, KIND_MEMBER_MERGED, 5, OTHER_RECORD));
    assert_int_equal(desk_state_on(&f, 5).n_owed, 0);
    assert_int_equal(desk_state_on(&f, 5).left_on.days, 4);
    assert_int_equal(member_contributions(&f.row, desk_collect, &t), 0);
    assert_int_equal(t.n, 5);
    assert_int_equal(t.c[4].v[COUNT_MERGED], 1);
    assert_int_equal(t.c[4].v[COUNT_MEMBERS], 0);
    desk_teardown(&f);
}

static void
an_absorbed_record_brings_shares_to_hold_or_to_be_repaid(void **state)
{
    struct member_desk f;
    struct desk_totals t = {0};
    desk_setup(&f);
    struct member_entry e = amount(&f, KIND_MEMBER_ABSORBED, 1, 0, 0, "");
    is_void(&f, desk_add(&f, &e), VOID_NOT_MEMBER);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    e = amount(&f, KIND_MEMBER_ABSORBED, 2, 3, 9000, "EUR");
    fine(&f, desk_add(&f, &e));
    e = amount(&f, KIND_MEMBER_ABSORBED, 3, 1, 2000, "EUR");
    e.owed = true;
    fine(&f, desk_add(&f, &e));
    struct member_state s = desk_state_on(&f, 3);
    assert_int_equal(s.shares, 5);
    assert_int_equal(s.capital_minor, 15000);
    assert_int_equal(s.owed[0].amount_minor, 2000);
    desk_put(&f, MAIN, KIND_MEMBER_RESIGNED, 9);
    e = amount(&f, KIND_MEMBER_ABSORBED, 10, 1, 2000, "EUR");
    is_void(&f, desk_add(&f, &e), VOID_LEFT);
    e = amount(&f, KIND_MEMBER_ABSORBED, 10, 0, 0, "");
    fine(&f, desk_add(&f, &e));
    assert_int_equal(desk_state_on(&f, 10).owed[0].amount_minor, 17000);
    assert_int_equal(member_contributions(&f.row, desk_collect, &t), 0);
    assert_int_equal(t.n, 5);
    assert_int_equal(t.c[2].v[CAPITAL_SHARES_MERGED_IN], 3);
    assert_int_equal(t.c[2].v[CAPITAL_MINOR_MERGED_IN], 9000);
    assert_int_equal(t.c[4].v[CAPITAL_MINOR_OUT], 15000);
    desk_teardown(&f);
}

/* ---- representatives, consents ---- */

static void
legal_persons_have_representatives_each_named_once(void **state)
{
    struct member_desk f;
    desk_setup(&f);
    is_void(&f, put_other(&f, KIND_REPRESENTATIVE_NAMED, 1, ANNA), VOID_NOT_MEMBER);
    admit_legal(&f, 1);
    is_void(&f, put_other(&f, KIND_REPRESENTATIVE_ENDED, 2, ANNA), VOID_REPRESENTS_NOT);
    fine(&f, put_other(&f, KIND_REPRESENTATIVE_NAMED, 2, ANNA));
    is_void(&f, put_other(&f, KIND_REPRESENTATIVE_NAMED, 3, ANNA), VOID_REPRESENTS);
    fine(&f, put_other(&f, KIND_REPRESENTATIVE_NAMED, 3, BELA));
    fine(&f, put_other(&f, KIND_REPRESENTATIVE_ENDED, 5, ANNA));
    struct member_state s = desk_state_on(&f, 5);
    assert_int_equal(s.n_representatives, 1);
    assert_memory_equal(&s.representatives[0], &BELA, sizeof(BELA));
    assert_int_equal(desk_state_on(&f, 4).n_representatives, 2);
    for (uint8_t i = 1; i < REPRESENTATIVES_MAX; i++) {
        fine(&f, put_other(&f, KIND_REPRESENTATIVE_NAMED, 6, (struct subject_id){{i}}));
    }
    is_void(&f, put_other(&f, KIND_REPRESENTATIVE_NAMED, 6, ANNA), VOID_REPRESENTS);
    desk_put(&f, MAIN, KIND_MEMBER_DECEASED, 8);
    is_void(&f, put_other(&f, KIND_REPRESENTATIVE_NAMED, 9, ANNA), VOID_DECEASED);
    fine(&f, put_other(&f, KIND_REPRESENTATIVE_ENDED, 9, BELA));
    desk_teardown(&f);
}

static void
natural_persons_have_no_representatives(void **state)
{
    struct member_desk f;
    desk_setup(&f);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    is_void(&f, put_other(&f, KIND_REPRESENTATIVE_NAMED, 2, ANNA), VOID_NOT_LEGAL);
    is_void(&f, put_other(&f, KIND_REPRESENTATIVE_ENDED, 2, ANNA), VOID_NOT_LEGAL);
    desk_teardown(&f);
}

static void
a_consent_stands_until_it_is_withdrawn_and_can_be_renewed(void **state)
{
    struct member_desk f;
    desk_setup(&f);
    is_void(&f, consent(&f, KIND_CONSENT_GIVEN, 1, 1), VOID_NOT_MEMBER);
    desk_put(&f, MAIN, KIND_APPLICATION_RECEIVED, 1);
    fine(&f, consent(&f, KIND_CONSENT_GIVEN, 2, 1));
    fine(&f, consent(&f, KIND_CONSENT_GIVEN, 3, 1));
    assert_int_equal(desk_state_on(&f, 3).consents[0].given_on.days, 3);
    is_void(&f, consent(&f, KIND_CONSENT_WITHDRAWN, 3, 2), VOID_CONSENT_NOT_GIVEN);
    for (uint16_t p = 2; p <= CONSENTS_MAX; p++) {
        fine(&f, consent(&f, KIND_CONSENT_GIVEN, 3, p));
    }
    is_void(&f, consent(&f, KIND_CONSENT_GIVEN, 3, 99), VOID_CONSENT_GIVEN);
    fine(&f, consent(&f, KIND_CONSENT_WITHDRAWN, 4, 1));
    struct member_state s = desk_state_on(&f, 4);
    assert_int_equal(s.n_consents, CONSENTS_MAX - 1);
    assert_int_equal(s.consents[0].purpose, 2);
    assert_int_equal(s.consents[0].given_on.days, 3);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 5);
    desk_put(&f, MAIN, KIND_MEMBER_DECEASED, 6);
    is_void(&f, consent(&f, KIND_CONSENT_WITHDRAWN, 7, 2), VOID_DECEASED);
    desk_teardown(&f);
}

/* ---- cancellations ---- */

static void
what_is_cancelled_has_no_effect_until_a_correction_fills_its_place_again(void **state)
{
    struct member_desk f;
    struct desk_totals t = {0};
    desk_setup(&f);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    struct position left = desk_put(&f, MAIN, KIND_MEMBER_RESIGNED, 10);
    struct position c = cancel(&f, MAIN, left);
    fine(&f, c);
    desk_expect(&f, left, OUTCOME_REPLACED, VOID_NONE);
    assert_int_equal(desk_state_on(&f, 40).status, STATUS_MEMBER);
    assert_int_equal(member_contributions(&f.row, desk_collect, &t), 0);
    assert_int_equal(t.n, 2);
    struct position again = desk_put_ref(&f, MAIN, KIND_MEMBER_RESIGNED, 12, REF_CORRECTS, left);
    fine(&f, again);
    desk_expect(&f, c, OUTCOME_REPLACED, VOID_NONE);
    assert_int_equal(desk_state_on(&f, 40).left_on.days, 12);
    desk_expect(&f, left, OUTCOME_REPLACED, VOID_NONE);
    fine(&f, cancel(&f, MAIN, again));
    assert_int_equal(desk_state_on(&f, 40).status, STATUS_MEMBER);
    desk_teardown(&f);
}

static void
a_cancellation_must_leave_what_was_recorded_possible(void **state)
{
    struct member_desk f;
    struct err err;
    desk_setup(&f);
    struct position admitted = desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    struct position shares = desk_put(&f, MAIN, KIND_SHARES_SUBSCRIBED, 5);
    struct member_entry e = desk_entry(&f, MAIN, KIND_ENTRY_CANCELLED, 30);
    desk_refer(&e, REF_CANCELS, admitted);
    assert_int_equal(member_row_try(&f.row, &e, &f.world.w, &err), ERR_CONFLICT);
    assert_string_equal(err.text,
                        "event: shares.subscribed of 1970-01-06, recorded before, rests on it; cancel that one first");
    is_void(&f, desk_add(&f, &e), VOID_MAKES_IMPOSSIBLE);
    fine(&f, cancel(&f, MAIN, shares));
    fine(&f, cancel(&f, MAIN, admitted));
    assert_int_equal(desk_state_on(&f, 40).status, STATUS_NONE);
    desk_teardown(&f);
}

static void
only_a_valid_event_that_is_no_cancellation_can_be_cancelled(void **state)
{
    struct member_desk f;
    desk_setup(&f);
    struct position admitted = desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    struct position twice = desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 2);
    is_void(&f, cancel(&f, MAIN, twice), VOID_REFERENCE);
    is_void(&f, desk_put(&f, MAIN, KIND_ENTRY_CANCELLED, 3), VOID_REFERENCE);
    is_void(&f, desk_put_ref(&f, MAIN, KIND_ENTRY_CANCELLED, 3, REF_CORRECTS, admitted), VOID_REFERENCE);
    struct position c = cancel(&f, MAIN, admitted);
    fine(&f, c);
    is_void(&f, cancel(&f, MAIN, c), VOID_REFERENCE);
    is_void(&f, desk_put_ref(&f, MAIN, KIND_MEMBER_ADMITTED, 3, REF_CORRECTS, c), VOID_REFERENCE);
    is_void(&f, cancel(&f, MAIN, world_at(9, 9)), VOID_REFERENCE);
    desk_teardown(&f);
}

static void
a_cancellation_waits_for_its_target_and_beats_a_concurrent_correction_by_the_order_alone(void **state)
{
    struct member_desk f;
    desk_setup(&f);
    struct position admitted = desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    world_hide(&f.world, world_at(TAIL_A, 9));
    struct position early = cancel(&f, TAIL_B, world_at(TAIL_A, 9));
    desk_expect(&f, early, OUTCOME_WAITING, VOID_NONE);
    struct member_entry e = desk_entry(&f, TAIL_A, KIND_SHARES_SUBSCRIBED, 4);
    e.at = world_at(TAIL_A, 9);
    world_hold(&f.world, e.at);
    f.seq[TAIL_A] = 9;
    desk_add(&f, &e);
    fine(&f, early);
    desk_expect(&f, e.at, OUTCOME_REPLACED, VOID_NONE);
    struct position corrected = desk_put_ref(&f, TAIL_A, KIND_SHARES_SUBSCRIBED, 5, REF_CORRECTS, e.at);
    desk_expect(&f, corrected, OUTCOME_REPLACED, VOID_NONE); /* log 4 is greater than log 3 */
    fine(&f, early);
    fine(&f, admitted);
    assert_int_equal(desk_state_on(&f, 40).shares, 2);
    desk_teardown(&f);
}

static void
cancelling_both_sides_of_a_merge_undoes_it(void **state)
{
    struct member_desk from, into;
    desk_setup(&from);
    desk_setup(&into);
    desk_put(&from, MAIN, KIND_MEMBER_ADMITTED, 1);
    desk_put(&into, MAIN, KIND_MEMBER_ADMITTED, 1);
    struct position merged = put_other(&from, KIND_MEMBER_MERGED, 5, OTHER_RECORD);
    struct member_entry e = amount(&into, KIND_MEMBER_ABSORBED, 5, 2, 6000, "EUR");
    struct position absorbed = desk_add(&into, &e);
    assert_int_equal(desk_state_on(&into, 40).shares, 4);
    fine(&from, cancel(&from, MAIN, merged));
    fine(&into, cancel(&into, MAIN, absorbed));
    assert_int_equal(desk_state_on(&from, 40).status, STATUS_MEMBER);
    assert_int_equal(desk_state_on(&from, 40).shares, 2);
    assert_int_equal(desk_state_on(&into, 40).shares, 2);
    desk_teardown(&from);
    desk_teardown(&into);
}

/* ---- the share register ---- */

static size_t
line_index(const struct member_desk *f, struct position p)
{
    return (size_t)(desk_at(f, p) - f->row.entries);
}

static struct share_line
one_line(const struct member_desk *f, struct position p)
{
    struct share_line l[2];
    assert_true(member_share_operation(&f->row, desk_at(f, p)));
    assert_int_equal(member_share_lines(&f->row, line_index(f, p), l, 2), 1);
    return l[0];
}

static void
lines_of_the_share_register_sum_to_the_capital(void **state)
{
    struct member_desk f;
    struct share_line l[4];
    desk_setup(&f);
    struct position admitted = desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    struct position wrong = desk_put(&f, MAIN, KIND_SHARES_SUBSCRIBED, 2);
    struct member_entry e = desk_entry(&f, MAIN, KIND_SHARES_SUBSCRIBED, 2);
    memcpy(e.currency, "SEK", 4);
    struct position sek = desk_add(&f, &e);
    struct position cancelled = cancel(&f, MAIN, wrong);
    struct position data = desk_put(&f, MAIN, KIND_DATA_CHANGED, 3);
    struct position no_line = cancel(&f, MAIN, data);
    struct position left = desk_put(&f, MAIN, KIND_MEMBER_RESIGNED, 9);
    struct position repaid = repay(&f, 10, 2, 5000, "EUR");
    struct position void_one = repay(&f, 10, 2, 5000, "EUR");
    assert_int_equal(one_line(&f, admitted).minor, 6000);
    assert_true(one_line(&f, admitted).stands);
    assert_int_equal(one_line(&f, wrong).shares, 0);
    assert_false(one_line(&f, wrong).stands);
    assert_string_equal(one_line(&f, sek).currency, "SEK");
    assert_int_equal(one_line(&f, cancelled).shares, 0);
    assert_false(member_share_operation(&f.row, desk_at(&f, data)));
    assert_false(member_share_operation(&f.row, desk_at(&f, no_line)));
    assert_false(member_share_operation(&f.row, desk_at(&f, void_one)));
    assert_int_equal(member_share_lines(&f.row, line_index(&f, left), l, 4), 2);
    assert_int_equal(l[0].shares, -2);
    assert_int_equal(l[0].minor, -6000);
    assert_string_equal(l[1].currency, "SEK");
    assert_int_equal(l[1].minor, -6000);
    assert_int_equal(member_share_lines(&f.row, line_index(&f, left), l, 1), 1);
    assert_int_equal(one_line(&f, repaid).shares, 0);
    assert_int_equal(one_line(&f, repaid).repaid_shares, 2);
    assert_int_equal(one_line(&f, repaid).repaid_minor, 5000);
    desk_teardown(&f);
}

/* ---- capsules ---- */

static void
a_representatives_capsules_are_never_the_members(void **state)
{
    struct member_desk f;
    struct position p;
    desk_setup(&f);
    struct member_entry e = desk_entry(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    e.category = CATEGORY_C;
    e.person_type = PERSON_LEGAL;
    e.capsule_mask = 0x81;
    struct position admitted = desk_add(&f, &e);
    e = desk_entry(&f, MAIN, KIND_REPRESENTATIVE_NAMED, 2);
    e.has_other = true;
    e.other = ANNA;
    e.capsule_mask = 0x93; /* identity, contact, note, keys */
    struct position named = desk_add(&f, &e);
    assert_true(member_capsule_position(&f.row, CLASS_IDENTITY, &p));
    assert_int_equal(p.seq, admitted.seq);
    assert_true(member_capsule_position(&f.row, CLASS_KEY, &p));
    assert_int_equal(p.seq, admitted.seq);
    assert_false(member_capsule_position(&f.row, CLASS_CONTACT, &p));
    assert_true(member_capsule_position(&f.row, CLASS_NOTE, &p));
    assert_int_equal(p.seq, named.seq);
    assert_true(member_representative_capsule(&f.row, &ANNA, CLASS_IDENTITY, &p));
    assert_int_equal(p.seq, named.seq);
    assert_false(member_representative_capsule(&f.row, &BELA, CLASS_IDENTITY, &p));
    assert_false(member_representative_capsule(&f.row, &ANNA, CLASS_NOTE, &p));
    /* It was Béla after all. */
    e = desk_entry(&f, MAIN, KIND_REPRESENTATIVE_NAMED, 2);
    e.has_other = true;
    e.other = BELA;
    e.capsule_mask = 0x01;
    desk_refer(&e, REF_CORRECTS, named);
    struct position corrected = desk_add(&f, &e);
    assert_false(member_representative_capsule(&f.row, &ANNA, CLASS_IDENTITY, &p));
    assert_false(member_representative_capsule(&f.row, &ANNA, CLASS_CONTACT, &p));
    assert_true(member_representative_capsule(&f.row, &BELA, CLASS_IDENTITY, &p));
    assert_int_equal(p.seq, corrected.seq);
    desk_teardown(&f);
}

static void
names_that_were_are_listed_in_the_order_in_which_they_came_in_force(void **state)
{
    struct member_desk f;
    struct capsule_place h[4];
    struct position p;
    desk_setup(&f);
    assert_int_equal(member_capsule_history(&f.row, CLASS_IDENTITY, h, 4), 0);
    struct member_entry e = desk_entry(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    e.capsule_mask = 1;
    struct position admitted = desk_add(&f, &e);
    e = desk_entry(&f, MAIN, KIND_DATA_CHANGED, 20);
    e.capsule_mask = 1;
    struct position wrong = desk_add(&f, &e);
    e = desk_entry(&f, MAIN, KIND_DATA_CHANGED, 10);
    e.capsule_mask = 1;
    struct position married = desk_add(&f, &e);
    e = desk_entry(&f, MAIN, KIND_MEMBER_ADMITTED, 2);
    e.capsule_mask = 1;
    desk_refer(&e, REF_CORRECTS, admitted);
    struct position corrected = desk_add(&f, &e);
    cancel(&f, MAIN, wrong);
    assert_true(member_capsule_position(&f.row, CLASS_IDENTITY, &p));
    assert_int_equal(p.seq, married.seq);
    assert_int_equal(member_capsule_history(&f.row, CLASS_IDENTITY, h, 4), 4);
    assert_int_equal(h[0].at.seq, admitted.seq);
    assert_int_equal(h[0].effective.days, 2);
    assert_false(h[0].in_force);
    assert_int_equal(h[1].at.seq, corrected.seq);
    assert_true(h[1].in_force);
    assert_int_equal(h[2].at.seq, married.seq);
    assert_int_equal(h[2].effective.days, 10);
    assert_true(h[2].in_force);
    assert_int_equal(h[3].at.seq, wrong.seq);
    assert_false(h[3].in_force);
    h[1].at.seq = 0;
    assert_int_equal(member_capsule_history(&f.row, CLASS_IDENTITY, h, 1), 4);
    assert_int_equal(h[1].at.seq, 0);
    desk_teardown(&f);
}

/* ---- entries and bytes ---- */

static struct member_entry
from_payload(const struct event_payload *p)
{
    struct event_header h;
    struct member_entry e;
    struct position here = world_at(MAIN, 3);
    memset(&h, 0, sizeof(h));
    h.kind = p->kind;
    h.kind_version = 1;
    member_entry_from_event(&here, &h, p, &e);
    return e;
}

static void
entries_keep_what_the_new_kinds_say(void **state)
{
    struct event_payload p;
    memset(&p, 0, sizeof(p));
    p.kind = KIND_SHARES_REPAID;
    p.repaid = (struct share_amount){.shares = 3, .amount_minor = 8000, .currency = "EUR"};
    struct member_entry e = from_payload(&p);
    assert_int_equal(e.shares, 3);
    assert_int_equal(e.amount_minor, 8000);
    assert_int_equal(e.share_price_minor, 0);
    assert_false(e.has_other);
    memset(&p, 0, sizeof(p));
    p.kind = KIND_MEMBER_ABSORBED;
    p.absorbed.from = OTHER_RECORD;
    p.absorbed.brought = (struct share_amount){.shares = 3, .amount_minor = 8000, .currency = "EUR", .owed = true};
    e = from_payload(&p);
    assert_true(e.owed);
    assert_true(e.has_other);
    assert_memory_equal(&e.other, &OTHER_RECORD, sizeof(OTHER_RECORD));
    memset(&p, 0, sizeof(p));
    p.kind = KIND_REPRESENTATIVE_ENDED;
    p.other = ANNA;
    e = from_payload(&p);
    assert_memory_equal(&e.other, &ANNA, sizeof(ANNA));
    memset(&p, 0, sizeof(p));
    p.kind = KIND_CONSENT_GIVEN;
    p.consent = (struct consent){.purpose = 700, .text_version = "2024-05"};
    assert_int_equal(from_payload(&p).purpose, 700);
    assert_string_equal(from_payload(&p).text_version, "2024-05");
}

/* A row with an event of every new kind. */
static void
fill(struct member_desk *f)
{
    admit_legal(f, 1);
    put_other(f, KIND_REPRESENTATIVE_NAMED, 2, ANNA);
    put_other(f, KIND_REPRESENTATIVE_ENDED, 3, ANNA);
    struct member_entry e = desk_entry(f, MAIN, KIND_CONSENT_GIVEN, 3);
    e.purpose = 700;
    memcpy(e.text_version, "2024-05", 8);
    desk_add(f, &e);
    consent(f, KIND_CONSENT_WITHDRAWN, 4, 700);
    e = amount(f, KIND_MEMBER_ABSORBED, 5, 3, 9000, "EUR");
    e.owed = true;
    desk_add(f, &e);
    e = amount(f, KIND_MEMBER_ABSORBED, 5, 0, 0, "");
    desk_add(f, &e);
    struct position left = desk_put(f, MAIN, KIND_MEMBER_RESIGNED, 6);
    repay(f, 7, 1, REPAID_MINOR_MAX, "EUR");
    repay(f, 7, 1, 100, "EUR");
    put_other(f, KIND_MEMBER_MERGED, 9, OTHER_RECORD);
    cancel(f, MAIN, left);
}

static void
rows_with_the_new_kinds_come_back_as_they_were(void **state)
{
    struct member_desk f;
    struct buf a, b;
    struct member_row back;
    desk_setup(&f);
    fill(&f);
    buf_init(&a, MEMBER_ROW_BYTES_MAX);
    buf_init(&b, MEMBER_ROW_BYTES_MAX);
    assert_int_equal(member_row_encode(&f.row, &a, NULL), 0);
    assert_int_equal(member_row_decode(buf_slice(&a), &f.row.unit, &f.row.subject, &back, NULL), 0);
    assert_int_equal(back.n, f.row.n);
    for (size_t i = 0; i < back.n; i++) {
        assert_memory_equal(&back.entries[i], &f.row.entries[i], sizeof(back.entries[i]));
    }
    assert_int_equal(member_row_encode(&back, &b, NULL), 0);
    assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
    member_row_release(&back);
    for (size_t n = 0; n < a.len; n++) {
        assert_int_equal(member_row_decode(slice_of(a.data, n), &f.row.unit, &f.row.subject, &back, NULL), ERR_CORRUPT);
    }
    a.data[0] = 1; /* the layout of rules version 1 */
    assert_int_equal(member_row_decode(buf_slice(&a), &f.row.unit, &f.row.subject, &back, NULL), ERR_CORRUPT);
    buf_free(&a);
    buf_free(&b);
    desk_teardown(&f);
}

static void
damaged_rows_with_the_new_kinds_do_no_harm(void **state)
{
    struct member_desk f;
    struct buf a;
    desk_setup(&f);
    fill(&f);
    buf_init(&a, MEMBER_ROW_BYTES_MAX);
    assert_int_equal(member_row_encode(&f.row, &a, NULL), 0);
    for (size_t i = 0; i < a.len * 8; i++) {
        struct member_row row;
        struct member_state s;
        struct capsule_place h[4];
        struct share_line l[CURRENCIES_OWED_MAX];
        a.data[i / 8] ^= (uint8_t)(1U << (i % 8));
        int rc = member_row_decode(buf_slice(&a), &f.row.unit, &f.row.subject, &row, NULL);
        assert_true(rc == 0 || rc == ERR_CORRUPT);
        if (rc == 0) {
            struct desk_totals t = {0};
            member_state_at(&row, DATE_MAX, &s);
            assert_in_range(s.n_owed, 0, CURRENCIES_OWED_MAX);
            (void)member_contributions(&row, desk_collect, &t);
            (void)member_capsule_history(&row, CLASS_NOTE, h, ARRAY_LEN(h));
            for (size_t k = 0; k < row.n; k++) {
                (void)member_share_operation(&row, &row.entries[k]);
                assert_in_range(member_share_lines(&row, k, l, ARRAY_LEN(l)), 1, ARRAY_LEN(l));
            }
            assert_int_equal(member_row_refold(&row, &f.world.w, &f.missing, NULL), 0);
            member_row_release(&row);
        }
        a.data[i / 8] ^= (uint8_t)(1U << (i % 8));
    }
    buf_free(&a);
    desk_teardown(&f);
}

static void
told(struct member_desk *f, const struct member_entry *e, const char *field, const char *text)
{
    struct err err;
    assert_int_equal(member_row_try(&f->row, e, &f->world.w, &err), ERR_CONFLICT);
    assert_string_equal(err.field, field);
    assert_string_equal(err.text, text);
}

static void
the_desk_is_told_what_is_wrong_and_what_to_do(void **state)
{
    struct member_desk f;
    desk_setup(&f);
    admit_legal(&f, 1);
    struct member_entry e = amount(&f, KIND_SHARES_REPAID, 2, 1, 3000, "EUR");
    told(&f, &e, "shares", "shares: nothing in EUR is owed on 1970-01-03: shares are repaid to those who left");
    consent(&f, KIND_CONSENT_GIVEN, 2, 1);
    e = desk_entry(&f, MAIN, KIND_CONSENT_WITHDRAWN, 4);
    e.purpose = 2;
    told(&f, &e, "purpose", "purpose: the consent is not given on 1970-01-05");
    e = desk_entry(&f, MAIN, KIND_REPRESENTATIVE_ENDED, 4);
    e.has_other = true;
    told(&f, &e, "representative", "representative: is not named on 1970-01-05");
    desk_put(&f, MAIN, KIND_MEMBER_RESIGNED, 5);
    e = amount(&f, KIND_SHARES_REPAID, 6, 2, 6001, "EUR");
    told(&f, &e, "amount_minor",
         "amount_minor: no more is owed on 1970-01-07 than 2 shares for 6000 minor units of EUR");
    e = amount(&f, KIND_SHARES_REPAID, 6, 2, 1, "HUF");
    told(&f, &e, "shares", "shares: nothing in HUF is owed on 1970-01-07");
    put_other(&f, KIND_MEMBER_MERGED, 9, OTHER_RECORD);
    e = desk_entry(&f, MAIN, KIND_DATA_CHANGED, 9);
    told(&f, &e, "subject", "subject: this record was merged into cc000000000000000000000000000000; use that one");
    desk_teardown(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_leaves_is_owed_what_was_paid_currency_by_currency),
        cmocka_unit_test(no_more_is_repaid_than_is_owed),
        cmocka_unit_test(repaying_all_shares_for_less_settles_what_is_owed),
        cmocka_unit_test(who_comes_back_is_still_owed_what_was_before),
        cmocka_unit_test(what_is_held_and_owed_together_has_its_bounds),
        cmocka_unit_test(a_merged_record_takes_nothing_more_and_is_counted_apart),
        cmocka_unit_test(a_record_that_had_left_passes_on_what_it_is_owed_uncounted),
        cmocka_unit_test(an_absorbed_record_brings_shares_to_hold_or_to_be_repaid),
        cmocka_unit_test(legal_persons_have_representatives_each_named_once),
        cmocka_unit_test(natural_persons_have_no_representatives),
        cmocka_unit_test(a_consent_stands_until_it_is_withdrawn_and_can_be_renewed),
        cmocka_unit_test(what_is_cancelled_has_no_effect_until_a_correction_fills_its_place_again),
        cmocka_unit_test(a_cancellation_must_leave_what_was_recorded_possible),
        cmocka_unit_test(only_a_valid_event_that_is_no_cancellation_can_be_cancelled),
        cmocka_unit_test(a_cancellation_waits_for_its_target_and_beats_a_concurrent_correction_by_the_order_alone),
        cmocka_unit_test(cancelling_both_sides_of_a_merge_undoes_it),
        cmocka_unit_test(lines_of_the_share_register_sum_to_the_capital),
        cmocka_unit_test(a_representatives_capsules_are_never_the_members),
        cmocka_unit_test(names_that_were_are_listed_in_the_order_in_which_they_came_in_force),
        cmocka_unit_test(entries_keep_what_the_new_kinds_say),
        cmocka_unit_test(rows_with_the_new_kinds_come_back_as_they_were),
        cmocka_unit_test(damaged_rows_with_the_new_kinds_do_no_harm),
        cmocka_unit_test(the_desk_is_told_what_is_wrong_and_what_to_do),
    };
    return cmocka_run_group_tests_name("member_more", tests, NULL, NULL);
}
