/* Members: each transition of §10 and each reason, corrections, conflicts, waiting, unknown kinds, and what a row says. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/member_desk.h"

/* ---- the table ---- */

/* Brings a fresh member to a state by day 10: n(one), a(pplied), r(efused), m(ember), q (request open), l(eft), d(eceased). */
static struct position
bring_to(struct member_desk *f, char to)
{
    struct position application, request = world_at(0, 0);
    if (to == 'n') {
        return request;
    }
    application = desk_put(f, MAIN, KIND_APPLICATION_RECEIVED, 1);
    if (to == 'r') {
        desk_put_ref(f, MAIN, KIND_APPLICATION_REFUSED, 2, REF_APPLICATION, application);
    }
    if (to == 'a' || to == 'r') {
        return application;
    }
    desk_put_ref(f, MAIN, KIND_MEMBER_ADMITTED, 3, REF_APPLICATION, application);
    if (to == 'q') {
        return desk_put(f, MAIN, KIND_WITHDRAWAL_REQUESTED, 4);
    }
    if (to == 'l' || to == 'd') {
        desk_put(f, MAIN, to == 'l' ? KIND_MEMBER_RESIGNED : KIND_MEMBER_DECEASED, 5);
    }
    return application;
}

/* For each state what each kind from 32 on gives: a capital = allowed and the state after, 'M' + reason otherwise. */
static void
every_kind_in_every_state_is_as_the_table_says(void **state)
{
    static const char states[] = "narmqld";
    static const int reasons[7][12] = {
        /* received refused admitted shares category data requested granted w.refused resigned excluded deceased */
        {0, 13, 0, 5, 5, 5, 5, 13, 13, 5, 5, 5}, {3, 0, 0, 5, 5, 0, 5, 13, 13, 5, 5, 5},
        {0, 2, 0, 5, 5, 0, 5, 13, 13, 5, 5, 5},  {4, 2, 4, 0, 0, 0, 0, 13, 13, 0, 0, 0},
        {4, 13, 4, 0, 0, 0, 11, 0, 0, 0, 0, 0},  {0, 2, 0, 6, 6, 0, 6, 13, 13, 6, 6, 6},
        {7, 7, 7, 7, 7, 0, 7, 13, 13, 7, 7, 7},
    };
    for (size_t s = 0; s < 7; s++) {
        for (uint16_t k = 0; k < 12; k++) {
            struct member_desk f;
            struct err err;
            desk_setup(&f);
            struct position target = bring_to(&f, states[s]);
            struct member_entry e = desk_entry(&f, MAIN, KIND_APPLICATION_RECEIVED + k, 10);
            uint8_t role = e.kind == 33 ? REF_APPLICATION : e.kind == 39 || e.kind == 40 ? REF_REQUEST : 0;
            if (role != 0 && target.seq > 0) {
                desk_refer(&e, role, target);
            }
            int rc = member_row_try(&f.row, &e, &f.world.w, &err);
            struct position p = desk_add(&f, &e);
            int want = reasons[s][k];
            desk_expect(&f, p, want == 0 ? OUTCOME_APPLIED : OUTCOME_VOID, want);
            assert_int_equal(rc, want == 0 ? 0 : ERR_CONFLICT);
            desk_teardown(&f);
        }
    }
}

static void
a_decision_names_the_request_that_is_open(void **state)
{
    struct member_desk f;
    desk_setup(&f);
    struct position before = desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    struct position first = desk_put(&f, MAIN, KIND_WITHDRAWAL_REQUESTED, 2);
    desk_put_ref(&f, MAIN, KIND_WITHDRAWAL_REFUSED, 3, REF_REQUEST, first);
    desk_expect(&f, desk_put_ref(&f, MAIN, KIND_WITHDRAWAL_GRANTED, 4, REF_REQUEST, first), OUTCOME_VOID,
                VOID_NO_REQUEST);
    struct position second = desk_put(&f, MAIN, KIND_WITHDRAWAL_REQUESTED, 5);
    desk_expect(&f, desk_put_ref(&f, MAIN, KIND_WITHDRAWAL_GRANTED, 6, REF_REQUEST, first), OUTCOME_VOID,
                VOID_REFERENCE);
    desk_expect(&f, desk_put_ref(&f, MAIN, KIND_WITHDRAWAL_GRANTED, 6, REF_REQUEST, before), OUTCOME_VOID,
                VOID_REFERENCE);
    struct position corrected = desk_put_ref(&f, MAIN, KIND_WITHDRAWAL_REQUESTED, 6, REF_CORRECTS, second);
    desk_expect(&f, desk_put_ref(&f, MAIN, KIND_WITHDRAWAL_GRANTED, 7, REF_REQUEST, second), OUTCOME_APPLIED,
                VOID_NONE);
    desk_expect(&f, corrected, OUTCOME_APPLIED, VOID_NONE);
    assert_int_equal(desk_state_on(&f, 7).left_reason, LEFT_WITHDRAWN);
    desk_teardown(&f);
}

static void
categories_shares_and_offices_have_their_own_reasons(void **state)
{
    struct member_desk f;
    desk_setup(&f);
    struct member_entry e = desk_entry(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    e.category = CATEGORY_C;
    e.person_type = PERSON_LEGAL;
    desk_add(&f, &e);
    desk_expect(&f, desk_put(&f, MAIN, KIND_CATEGORY_CHANGED, 2), OUTCOME_VOID, VOID_CATEGORY_PERSON);
    e = desk_entry(&f, MAIN, KIND_CATEGORY_CHANGED, 2);
    e.category = CATEGORY_C;
    desk_expect(&f, desk_add(&f, &e), OUTCOME_VOID, VOID_SAME_CATEGORY);
    e = desk_entry(&f, MAIN, KIND_DATA_CHANGED, 2);
    e.has_office = true;
    e.office = f.no_office;
    desk_expect(&f, desk_add(&f, &e), OUTCOME_VOID, VOID_NO_OFFICE);
    for (int i = 0; i < 999; i++) {
        e = desk_entry(&f, MAIN, KIND_SHARES_SUBSCRIBED, 3);
        e.shares = SHARES_MAX;
        desk_expect(&f, desk_add(&f, &e), OUTCOME_APPLIED, VOID_NONE);
    }
    e = desk_entry(&f, MAIN, KIND_SHARES_SUBSCRIBED, 3);
    e.shares = SHARES_MAX - 1;
    desk_expect(&f, desk_add(&f, &e), OUTCOME_VOID, VOID_SHARES);
    e = desk_entry(&f, MAIN, KIND_SHARES_SUBSCRIBED, 3);
    e.shares = SHARES_MAX - 2;
    desk_expect(&f, desk_add(&f, &e), OUTCOME_APPLIED, VOID_NONE);
    assert_int_equal(desk_state_on(&f, 3).shares, SHARES_HELD_MAX);
    desk_teardown(&f);
}

static void
the_1025th_event_of_a_chain_is_void(void **state)
{
    struct member_desk f;
    struct position p = world_at(0, 0);
    desk_setup(&f);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    for (int i = 1; i < MEMBER_PAST_MAX; i++) {
        p = desk_put(&f, MAIN, KIND_DATA_CHANGED, 2);
    }
    desk_expect(&f, p, OUTCOME_APPLIED, VOID_NONE);
    struct member_entry e = desk_entry(&f, MAIN, KIND_DATA_CHANGED, 2);
    assert_int_equal(member_row_try(&f.row, &e, &f.world.w, NULL), ERR_CONFLICT);
    desk_expect(&f, desk_add(&f, &e), OUTCOME_VOID, VOID_TOO_MANY);
    assert_int_equal(member_row_refold(&f.row, &f.world.w, &f.missing, NULL), 0);
    desk_expect(&f, e.at, OUTCOME_VOID, VOID_TOO_MANY);
    desk_expect(&f, p, OUTCOME_APPLIED, VOID_NONE);
    desk_teardown(&f);
}

static void
an_event_must_leave_later_dated_ones_possible(void **state)
{
    struct member_desk f;
    struct err err;
    desk_setup(&f);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    struct position shares = desk_put(&f, MAIN, KIND_SHARES_SUBSCRIBED, 100);
    struct member_entry e = desk_entry(&f, MAIN, KIND_MEMBER_RESIGNED, 50);
    assert_int_equal(member_row_try(&f.row, &e, &f.world.w, &err), ERR_CONFLICT);
    assert_string_equal(err.field, "effective_on");
    assert_string_equal(err.text,
                        "effective_on: shares.subscribed of 1970-04-11, recorded before, would become impossible");
    desk_expect(&f, desk_add(&f, &e), OUTCOME_VOID, VOID_MAKES_IMPOSSIBLE);
    desk_expect(&f, shares, OUTCOME_APPLIED, VOID_NONE);
    desk_expect(&f, desk_put(&f, MAIN, KIND_MEMBER_RESIGNED, 100), OUTCOME_APPLIED, VOID_NONE);
    desk_teardown(&f);
}

/* ---- corrections ---- */

static void
corrections_take_the_place_of_what_they_correct(void **state)
{
    struct member_desk f;
    desk_setup(&f);
    struct position admitted = desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 10);
    desk_put(&f, MAIN, KIND_SHARES_SUBSCRIBED, 20);
    struct position earlier = desk_put_ref(&f, MAIN, KIND_MEMBER_ADMITTED, 5, REF_CORRECTS, admitted);
    desk_expect(&f, admitted, OUTCOME_REPLACED, VOID_NONE);
    assert_int_equal(desk_state_on(&f, 30).joined_on.days, 5);
    struct position too_late = desk_put_ref(&f, MAIN, KIND_MEMBER_ADMITTED, 21, REF_CORRECTS, admitted);
    desk_expect(&f, too_late, OUTCOME_VOID, VOID_MAKES_IMPOSSIBLE);
    desk_expect(&f, earlier, OUTCOME_APPLIED, VOID_NONE);
    struct member_entry e = desk_entry(&f, MAIN, KIND_MEMBER_ADMITTED, 6);
    e.category = CATEGORY_B;
    e.shares = 7;
    desk_refer(&e, REF_CORRECTS, earlier);
    desk_add(&f, &e);
    desk_expect(&f, earlier, OUTCOME_REPLACED, VOID_NONE);
    assert_int_equal(desk_state_on(&f, 30).shares, 9);
    assert_int_equal(desk_state_on(&f, 30).category, CATEGORY_B);
    desk_expect(&f, desk_put_ref(&f, MAIN, KIND_MEMBER_ADMITTED, 6, REF_CORRECTS, too_late), OUTCOME_VOID,
                VOID_REFERENCE);
    desk_expect(&f, desk_put_ref(&f, MAIN, KIND_MEMBER_RESIGNED, 25, REF_CORRECTS, admitted), OUTCOME_VOID,
                VOID_REFERENCE);
    desk_teardown(&f);
}

static void
of_two_concurrent_corrections_the_greater_counts_in_either_order(void **state)
{
    for (int swapped = 0; swapped < 2; swapped++) {
        struct member_desk f;
        desk_setup(&f);
        struct position admitted = desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 10);
        struct position a, b;
        if (swapped) {
            b = desk_put_ref(&f, TAIL_B, KIND_MEMBER_ADMITTED, 8, REF_CORRECTS, admitted);
            a = desk_put_ref(&f, TAIL_A, KIND_MEMBER_ADMITTED, 9, REF_CORRECTS, admitted);
        } else {
            a = desk_put_ref(&f, TAIL_A, KIND_MEMBER_ADMITTED, 9, REF_CORRECTS, admitted);
            b = desk_put_ref(&f, TAIL_B, KIND_MEMBER_ADMITTED, 8, REF_CORRECTS, admitted);
        }
        desk_expect(&f, a, OUTCOME_REPLACED, VOID_NONE);
        desk_expect(&f, b, OUTCOME_APPLIED, VOID_NONE);
        assert_int_equal(desk_state_on(&f, 30).joined_on.days, 8);
        desk_teardown(&f);
    }
}

/* ---- conflicts, waiting, unknown ---- */

static void
tails_that_contradict_each_other_conflict_until_a_correction_settles_it(void **state)
{
    struct member_desk f;
    desk_setup(&f);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 10);
    struct position shares = desk_put(&f, TAIL_B, KIND_SHARES_SUBSCRIBED, 30);
    struct position resigned = desk_put(&f, TAIL_A, KIND_MEMBER_RESIGNED, 20);
    desk_expect(&f, resigned, OUTCOME_APPLIED, VOID_NONE);
    desk_expect(&f, shares, OUTCOME_CONFLICT, VOID_LEFT);
    assert_int_equal(desk_state_on(&f, 40).shares, 0);
    struct position settled = desk_put_ref(&f, JOINED, KIND_SHARES_SUBSCRIBED, 15, REF_CORRECTS, shares);
    desk_expect(&f, settled, OUTCOME_APPLIED, VOID_NONE);
    desk_expect(&f, shares, OUTCOME_REPLACED, VOID_NONE);
    desk_expect(&f, resigned, OUTCOME_APPLIED, VOID_NONE);
    assert_int_equal(desk_state_on(&f, 19).shares, 4);
    desk_teardown(&f);
}

static void
an_event_waits_for_its_target_and_so_do_those_after_it(void **state)
{
    struct member_desk f;
    desk_setup(&f);
    struct member_entry application = desk_entry(&f, TAIL_A, KIND_APPLICATION_RECEIVED, 1);
    world_hide(&f.world, application.at);
    struct position admitted = desk_put_ref(&f, TAIL_B, KIND_MEMBER_ADMITTED, 2, REF_APPLICATION, application.at);
    desk_expect(&f, admitted, OUTCOME_WAITING, VOID_NONE);
    assert_true(f.missing.has);
    assert_int_equal(f.missing.at.seq, application.at.seq);
    struct position shares = desk_put(&f, TAIL_B, KIND_SHARES_SUBSCRIBED, 3);
    desk_expect(&f, shares, OUTCOME_WAITING, VOID_NONE);
    struct member_entry next = desk_entry(&f, TAIL_B, KIND_SHARES_SUBSCRIBED, 3);
    assert_int_equal(member_row_try(&f.row, &next, &f.world.w, NULL), ERR_CONFLICT);
    assert_int_equal(desk_state_on(&f, 9).status, STATUS_NONE);
    world_hold(&f.world, application.at);
    desk_add(&f, &application);
    assert_false(f.missing.has);
    desk_expect(&f, admitted, OUTCOME_APPLIED, VOID_NONE);
    desk_expect(&f, shares, OUTCOME_APPLIED, VOID_NONE);
    desk_teardown(&f);
}

static void
a_target_that_turns_out_to_be_of_another_entity_makes_the_event_void(void **state)
{
    struct member_desk f;
    desk_setup(&f);
    struct position stranger = world_at(TAIL_A, 15);
    world_hide(&f.world, stranger);
    struct position admitted = desk_put_ref(&f, TAIL_B, KIND_MEMBER_ADMITTED, 2, REF_APPLICATION, stranger);
    desk_expect(&f, admitted, OUTCOME_WAITING, VOID_NONE);
    world_hold(&f.world, stranger);
    assert_int_equal(member_row_refold(&f.row, &f.world.w, &f.missing, NULL), 0);
    desk_expect(&f, admitted, OUTCOME_VOID, VOID_REFERENCE);
    assert_false(f.missing.has);
    desk_teardown(&f);
}

static void
references_that_do_not_fit_make_the_event_void(void **state)
{
    struct member_desk f;
    desk_setup(&f);
    struct position application = desk_put(&f, MAIN, KIND_APPLICATION_RECEIVED, 1);
    desk_expect(&f, desk_put(&f, MAIN, KIND_APPLICATION_REFUSED, 2), OUTCOME_VOID, VOID_REFERENCE);
    struct member_entry e = desk_entry(&f, MAIN, KIND_APPLICATION_REFUSED, 2);
    desk_refer(&e, REF_APPLICATION, application);
    e.refs[0].chain.b[0] ^= 1;
    desk_expect(&f, desk_add(&f, &e), OUTCOME_VOID, VOID_REFERENCE);
    e = desk_entry(&f, MAIN, KIND_APPLICATION_REFUSED, 2);
    desk_refer(&e, REF_APPLICATION, application);
    desk_refer(&e, REF_APPLICATION, application);
    desk_expect(&f, desk_add(&f, &e), OUTCOME_VOID, VOID_REFERENCE);
    desk_expect(&f, desk_put_ref(&f, MAIN, KIND_APPLICATION_REFUSED, 2, REF_APPLICATION, application), OUTCOME_APPLIED,
                VOID_NONE);
    desk_teardown(&f);
}

static void
an_unknown_kind_that_must_be_understood_stops_what_comes_after_it(void **state)
{
    struct member_desk f;
    struct event_header h;
    struct event_common c;
    struct member_entry e;
    desk_setup(&f);
    memset(&h, 0, sizeof(h));
    memset(&c, 0, sizeof(c));
    h.kind = KIND_MEMBER_ADMITTED;
    h.kind_version = 2;
    c.effective = DATE_NONE;
    struct position p = world_at(TAIL_A, 9);
    assert_false(member_entry_unknown(&p, &h, &c, &e));
    h.must_understand = true;
    assert_true(member_entry_unknown(&p, &h, &c, &e));
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    desk_add(&f, &e);
    f.seq[TAIL_A] = 9;
    struct position after = desk_put(&f, TAIL_A, KIND_SHARES_SUBSCRIBED, 2);
    struct position beside = desk_put(&f, TAIL_B, KIND_SHARES_SUBSCRIBED, 2);
    desk_expect(&f, p, OUTCOME_UNKNOWN, VOID_NONE);
    desk_expect(&f, after, OUTCOME_UNKNOWN, VOID_NONE);
    desk_expect(&f, beside, OUTCOME_APPLIED, VOID_NONE);
    e = desk_entry(&f, MAIN, 63, 1);
    assert_int_equal(member_row_try(&f.row, &e, &f.world.w, NULL), ERR_INVALID);
    desk_teardown(&f);
}

static void
a_world_that_cannot_be_read_leaves_the_row_as_it_was(void **state)
{
    struct member_desk f;
    desk_setup(&f);
    struct position application = desk_put(&f, MAIN, KIND_APPLICATION_RECEIVED, 1);
    struct member_entry e = desk_entry(&f, MAIN, KIND_MEMBER_ADMITTED, 2);
    desk_refer(&e, REF_APPLICATION, application);
    f.world.broken = ERR_IO;
    assert_int_equal(member_row_add(&f.row, &e, &f.world.w, &f.missing, NULL), ERR_IO);
    assert_int_equal(member_row_try(&f.row, &e, &f.world.w, NULL), ERR_IO);
    assert_int_equal(f.row.n, 1);
    f.world.broken = 0;
    desk_add(&f, &e);
    desk_add(&f, &e);
    assert_int_equal(f.row.n, 2);
    desk_teardown(&f);
}

/* ---- what a row says ---- */

static void
on_the_day_of_effect_it_has_happened(void **state)
{
    struct member_desk f;
    desk_setup(&f);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 10);
    struct position last = desk_put(&f, MAIN, KIND_MEMBER_EXCLUDED, 20);
    assert_int_equal(desk_state_on(&f, 9).status, STATUS_NONE);
    assert_int_equal(desk_state_on(&f, 10).status, STATUS_MEMBER);
    assert_int_equal(desk_state_on(&f, 19).capital_minor, 6000);
    struct member_state s = desk_state_on(&f, 20);
    assert_int_equal(s.status, STATUS_LEFT);
    assert_int_equal(s.left_reason, LEFT_EXCLUDED);
    assert_int_equal(s.left_on.days, 20);
    assert_int_equal(s.shares, 0);
    assert_int_equal(s.capital_minor, 0);
    assert_int_equal(desk_state_on(&f, 9).last_change.seq, last.seq);
    desk_teardown(&f);
}

static int
refuse(void *arg, const struct contribution *c)
{
    return ERR_FULL;
}

static void
contributions_follow_the_member_from_cell_to_cell(void **state)
{
    struct member_desk f;
    struct desk_totals t = {0};
    desk_setup(&f);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 10);
    struct member_entry e = desk_entry(&f, MAIN, KIND_SHARES_SUBSCRIBED, 11);
    memcpy(e.currency, "SEK", 4);
    desk_add(&f, &e);
    e = desk_entry(&f, MAIN, KIND_DATA_CHANGED, 12);
    e.has_office = true;
    e.office = f.other_office;
    desk_add(&f, &e);
    desk_put(&f, MAIN, KIND_MEMBER_DECEASED, 20);
    int64_t key = member_record_key(&f.row.subject);
    assert_int_equal(member_contributions(&f.row, desk_collect, &t), 0);
    assert_int_equal(t.n, 8);
    assert_int_equal(t.c[0].v[COUNT_JOINED], 1);
    assert_int_equal(t.c[0].v[COUNT_RECORD_KEYS], key);
    assert_int_equal(t.c[1].v[CAPITAL_MINOR_IN], 6000);
    assert_string_equal(t.c[2].currency, "SEK");
    assert_int_equal(t.c[3].v[COUNT_RELOCATED_OUT], 1);
    assert_int_equal(t.c[3].v[COUNT_MEMBERS], -1);
    assert_memory_equal(&t.c[3].office, &f.office, sizeof(f.office));
    assert_int_equal(t.c[4].v[COUNT_RELOCATED_IN], 1);
    assert_memory_equal(&t.c[4].office, &f.other_office, sizeof(f.office));
    assert_int_equal(t.c[5].v[COUNT_DECEASED], 1);
    assert_int_equal(t.c[5].v[COUNT_MEMBERS], -1);
    assert_int_equal(t.c[5].day.days, 20);
    assert_memory_equal(&t.c[5].office, &f.other_office, sizeof(f.office));
    assert_string_equal(t.c[6].currency, "EUR");
    assert_int_equal(t.c[6].v[CAPITAL_SHARES_OUT], 2);
    assert_int_equal(t.c[7].v[CAPITAL_MINOR_OUT], 6000);
    assert_int_equal(member_contributions(&f.row, refuse, &t), ERR_FULL);
    desk_teardown(&f);
}

static void
applications_and_requests_are_counted_in_their_cell(void **state)
{
    struct member_desk f;
    struct desk_totals t = {0};
    desk_setup(&f);
    struct position application = desk_put(&f, MAIN, KIND_APPLICATION_RECEIVED, 1);
    desk_put_ref(&f, MAIN, KIND_APPLICATION_REFUSED, 2, REF_APPLICATION, application);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 3);
    struct position request = desk_put(&f, MAIN, KIND_WITHDRAWAL_REQUESTED, 4);
    desk_put_ref(&f, MAIN, KIND_WITHDRAWAL_REFUSED, 5, REF_REQUEST, request);
    assert_int_equal(member_contributions(&f.row, desk_collect, &t), 0);
    assert_int_equal(t.n, 6);
    assert_int_equal(t.c[0].v[COUNT_APPLIED], 1);
    assert_int_equal(t.c[0].category, CATEGORY_A);
    assert_int_equal(t.c[1].v[COUNT_REFUSED], 1);
    assert_int_equal(t.c[4].v[COUNT_REQUESTED], 1);
    assert_int_equal(t.c[5].v[COUNT_REQUEST_REFUSED], 1);
    assert_int_equal(t.c[5].v[COUNT_MEMBERS], 0);
    desk_teardown(&f);
}

static void
a_capsule_stays_in_force_until_a_later_one_of_its_class(void **state)
{
    struct member_desk f;
    struct position p;
    desk_setup(&f);
    assert_false(member_capsule_position(&f.row, 1, &p));
    struct member_entry e = desk_entry(&f, MAIN, KIND_MEMBER_ADMITTED, 10);
    e.capsule_mask = 0x83;
    struct position admitted = desk_add(&f, &e);
    desk_put_ref(&f, MAIN, KIND_MEMBER_ADMITTED, 9, REF_CORRECTS, admitted);
    e = desk_entry(&f, MAIN, KIND_DATA_CHANGED, 12);
    e.capsule_mask = 0x02;
    struct position data = desk_add(&f, &e);
    assert_true(member_capsule_position(&f.row, 1, &p));
    assert_int_equal(p.seq, admitted.seq);
    assert_true(member_capsule_position(&f.row, 2, &p));
    assert_int_equal(p.seq, data.seq);
    assert_true(member_capsule_position(&f.row, 15, &p));
    assert_int_equal(p.seq, admitted.seq);
    assert_false(member_capsule_position(&f.row, 3, &p));
    assert_false(member_capsule_position(&f.row, 9, &p));
    desk_teardown(&f);
}

static void
an_entry_keeps_what_the_fold_needs_of_an_event(void **state)
{
    struct event_header h;
    struct event_payload p;
    struct member_entry e;
    struct position here = world_at(MAIN, 3);
    memset(&h, 0, sizeof(h));
    memset(&p, 0, sizeof(p));
    h.kind = KIND_MEMBER_ADMITTED;
    h.kind_version = 1;
    h.n_refs = 4;
    h.refs[0] = world_ref(REF_REQUEST, world_at(MAIN, 1));
    h.refs[1] = world_ref(REF_APPLICATION, world_at(MAIN, 2));
    h.refs[2] = world_ref(9, world_at(MAIN, 1));
    h.refs[3] = world_ref(REF_CORRECTS, world_at(MAIN, 1));
    h.n_capsules = 2;
    h.capsules[0].class = 2;
    h.capsules[1].class = 15;
    p.kind = h.kind;
    p.common.has_effective = true;
    p.common.effective.days = 400;
    p.common.precision = PRECISION_MONTH;
    p.admission =
        (struct admission){.category = 3, .person_type = 2, .shares = 5, .share_price_minor = 100, .currency = "HUF"};
    member_entry_from_event(&here, &h, &p, &e);
    assert_int_equal(e.n_refs, 2);
    assert_int_equal(e.refs[0].role, REF_APPLICATION);
    assert_int_equal(e.refs[1].role, REF_CORRECTS);
    assert_int_equal(e.capsule_mask, 0x82);
    assert_int_equal(e.shares, 5);
    assert_string_equal(e.currency, "HUF");
    assert_int_equal(e.precision, PRECISION_MONTH);
    assert_int_equal(e.effective.days, 400);
    assert_true(e.has_office);
}

static void
the_desk_is_told_the_field_and_the_reason(void **state)
{
    struct member_desk f;
    struct err err;
    desk_setup(&f);
    desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 10);
    desk_put(&f, MAIN, KIND_MEMBER_RESIGNED, 20);
    struct member_entry e = desk_entry(&f, MAIN, KIND_SHARES_SUBSCRIBED, 25);
    assert_int_equal(member_row_try(&f.row, &e, &f.world.w, &err), ERR_CONFLICT);
    assert_string_equal(err.field, "effective_on");
    assert_string_equal(err.text, "effective_on: the member left on 1970-01-21");
    e = desk_entry(&f, MAIN, KIND_MEMBER_ADMITTED, 25);
    e.office = f.no_office;
    assert_int_equal(member_row_try(&f.row, &e, &f.world.w, &err), ERR_NOTFOUND);
    assert_string_equal(err.field, "office");
    for (int r = VOID_NONE; r <= VOID_KIND; r++) {
        assert_non_null(void_reason_text((enum void_reason)r));
        assert_string_not_equal(void_reason_text((enum void_reason)r), "unknown reason");
    }
    desk_teardown(&f);
}

/* ---- bytes ---- */

static void
rows_are_small_and_come_back_as_they_were(void **state)
{
    struct member_desk f;
    struct buf a, b;
    struct member_row back;
    desk_setup(&f);
    buf_init(&a, MEMBER_ROW_BYTES_MAX);
    buf_init(&b, MEMBER_ROW_BYTES_MAX);
    struct position admitted = desk_put(&f, MAIN, KIND_MEMBER_ADMITTED, 19000);
    assert_int_equal(member_row_encode(&f.row, &a, NULL), 0);
    assert_in_range(a.len, 40, 80);
    desk_put_ref(&f, TAIL_A, KIND_MEMBER_ADMITTED, 18000, REF_CORRECTS, admitted);
    desk_put(&f, TAIL_A, KIND_MEMBER_ADMITTED, 19001);
    desk_put(&f, TAIL_B, KIND_MEMBER_RESIGNED, 19001);
    buf_clear(&a);
    assert_int_equal(member_row_encode(&f.row, &a, NULL), 0);
    assert_int_equal(member_row_decode(buf_slice(&a), &f.row.unit, &f.row.subject, &back, NULL), 0);
    assert_int_equal(back.n, f.row.n);
    for (size_t i = 0; i < back.n; i++) {
        assert_memory_equal(&back.entries[i].at, &f.row.entries[i].at, sizeof(struct position));
        assert_int_equal(back.entries[i].outcome, f.row.entries[i].outcome);
    }
    assert_int_equal(member_row_encode(&back, &b, NULL), 0);
    assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
    for (size_t n = 0; n < a.len; n++) {
        struct member_row none;
        assert_int_equal(member_row_decode(slice_of(a.data, n), &f.row.unit, &f.row.subject, &none, NULL), ERR_CORRUPT);
    }
    member_row_release(&back);
    buf_free(&a);
    buf_free(&b);
    desk_teardown(&f);
}

static void
damaged_rows_are_corrupt_or_readable_and_never_worse(void **state)
{
    struct member_desk f;
    struct buf a;
    desk_setup(&f);
    buf_init(&a, MEMBER_ROW_BYTES_MAX);
    struct position application = desk_put(&f, MAIN, KIND_APPLICATION_RECEIVED, 1);
    struct position admitted = desk_put_ref(&f, MAIN, KIND_MEMBER_ADMITTED, 2, REF_APPLICATION, application);
    desk_put_ref(&f, TAIL_A, KIND_MEMBER_ADMITTED, 3, REF_CORRECTS, admitted);
    desk_put(&f, TAIL_B, KIND_MEMBER_DECEASED, 9);
    assert_int_equal(member_row_encode(&f.row, &a, NULL), 0);
    for (size_t i = 0; i < a.len * 8; i++) {
        struct member_row row;
        struct member_state s;
        struct position p;
        a.data[i / 8] ^= (uint8_t)(1U << (i % 8));
        int rc = member_row_decode(buf_slice(&a), &f.row.unit, &f.row.subject, &row, NULL);
        assert_true(rc == 0 || rc == ERR_CORRUPT);
        if (rc == 0) {
            struct desk_totals t = {0};
            member_state_at(&row, DATE_MAX, &s);
            (void)member_capsule_position(&row, 1, &p);
            (void)member_contributions(&row, desk_collect, &t);
            assert_int_equal(member_row_refold(&row, &f.world.w, &f.missing, NULL), 0);
            member_row_release(&row);
        }
        a.data[i / 8] ^= (uint8_t)(1U << (i % 8));
    }
    buf_free(&a);
    desk_teardown(&f);
}

static void
a_row_keeps_the_first_events_of_endless_side_branches(void **state)
{
    struct member_desk f, g;
    struct buf a, b;
    desk_setup(&f);
    desk_setup(&g);
    buf_init(&a, MEMBER_ROW_BYTES_MAX);
    buf_init(&b, MEMBER_ROW_BYTES_MAX);
    enum { TOO_MANY = MEMBER_ENTRIES_MAX + 3 };
    for (uint64_t i = 0; i < TOO_MANY; i++) {
        struct member_entry e = desk_entry(&f, MAIN, KIND_MEMBER_RESIGNED, 1);
        e.at.seq = 3 + i;
        desk_add(&f, &e);
    }
    /* The other way round only at the edge: what is pushed out is the same. */
    for (uint64_t i = 0; i < TOO_MANY; i++) {
        struct member_entry e = desk_entry(&g, MAIN, KIND_MEMBER_RESIGNED, 1);
        e.at.seq = i + 4 < TOO_MANY ? 7 + i : 3 + (i + 4 - TOO_MANY);
        desk_add(&g, &e);
    }
    assert_int_equal(f.row.n, MEMBER_ENTRIES_MAX);
    assert_int_equal(member_row_encode(&f.row, &a, NULL), 0);
    assert_int_equal(member_row_encode(&g.row, &b, NULL), 0);
    assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
    buf_free(&a);
    buf_free(&b);
    desk_teardown(&f);
    desk_teardown(&g);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_in_every_state_is_as_the_table_says),
        cmocka_unit_test(a_decision_names_the_request_that_is_open),
        cmocka_unit_test(categories_shares_and_offices_have_their_own_reasons),
        cmocka_unit_test(the_1025th_event_of_a_chain_is_void),
        cmocka_unit_test(an_event_must_leave_later_dated_ones_possible),
        cmocka_unit_test(corrections_take_the_place_of_what_they_correct),
        cmocka_unit_test(of_two_concurrent_corrections_the_greater_counts_in_either_order),
        cmocka_unit_test(tails_that_contradict_each_other_conflict_until_a_correction_settles_it),
        cmocka_unit_test(an_event_waits_for_its_target_and_so_do_those_after_it),
        cmocka_unit_test(a_target_that_turns_out_to_be_of_another_entity_makes_the_event_void),
        cmocka_unit_test(references_that_do_not_fit_make_the_event_void),
        cmocka_unit_test(an_unknown_kind_that_must_be_understood_stops_what_comes_after_it),
        cmocka_unit_test(a_world_that_cannot_be_read_leaves_the_row_as_it_was),
        cmocka_unit_test(on_the_day_of_effect_it_has_happened),
        cmocka_unit_test(contributions_follow_the_member_from_cell_to_cell),
        cmocka_unit_test(applications_and_requests_are_counted_in_their_cell),
        cmocka_unit_test(a_capsule_stays_in_force_until_a_later_one_of_its_class),
        cmocka_unit_test(an_entry_keeps_what_the_fold_needs_of_an_event),
        cmocka_unit_test(the_desk_is_told_the_field_and_the_reason),
        cmocka_unit_test(rows_are_small_and_come_back_as_they_were),
        cmocka_unit_test(damaged_rows_are_corrupt_or_readable_and_never_worse),
        cmocka_unit_test(a_row_keeps_the_first_events_of_endless_side_branches),
    };
    return cmocka_run_group_tests_name("member", tests, NULL, NULL);
}
