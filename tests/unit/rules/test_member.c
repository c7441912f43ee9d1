/* Members: each transition of §10 and each reason, corrections, conflicts, waiting, unknown kinds, and what a row says. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/rules_world.h"

/* Log 1, its successor 2, and two tails of log 1 after position 20: 3 and 4. Log 5 has seen both. */
enum { MAIN = 1, TAIL_A = 3, TAIL_B = 4, JOINED = 5 };

struct fixture {
    struct world world;
    struct member_row row;
    struct office_id office, other_office, no_office;
    struct missing missing;
    uint64_t seq[8]; /* last written in each log */
};

static void
setup(struct fixture *f)
{
    struct unit_id unit = {{1}};
    struct subject_id subject = {{2}};
    memset(f, 0, sizeof(*f));
    world_init(&f->world);
    world_add_log(&f->world, MAIN, world_at(0, 0), world_at(0, 0));
    world_add_log(&f->world, TAIL_A, world_at(MAIN, 20), world_at(0, 0));
    world_add_log(&f->world, TAIL_B, world_at(MAIN, 20), world_at(0, 0));
    world_add_log(&f->world, JOINED, world_at(TAIL_A, 20), world_at(TAIL_B, 20));
    f->office = world_office(&f->world, world_at(MAIN, 2));
    f->other_office = world_office(&f->world, world_at(MAIN, 2));
    memset(&f->no_office, 0xee, sizeof(f->no_office));
    for (size_t i = 0; i < ARRAY_LEN(f->seq); i++) {
        f->seq[i] = 2;
    }
    member_row_init(&f->row, &unit, &subject);
}

static void
teardown(struct fixture *f)
{
    member_row_release(&f->row);
    world_release(&f->world);
}

static struct member_entry
entry(struct fixture *f, uint8_t log, uint16_t kind, int day)
{
    struct member_entry e;
    memset(&e, 0, sizeof(e));
    e.at = world_at(log, ++f->seq[log]);
    e.kind = kind;
    e.kind_version = 1;
    e.effective.days = day;
    e.outcome = OUTCOME_APPLIED;
    if (kind == KIND_APPLICATION_RECEIVED || kind == KIND_MEMBER_ADMITTED) {
        e.category = CATEGORY_A;
        e.person_type = PERSON_NATURAL;
        e.has_office = true;
        e.office = f->office;
    }
    if (kind == KIND_MEMBER_ADMITTED || kind == KIND_SHARES_SUBSCRIBED) {
        e.shares = 2;
        e.share_price_minor = 3000;
        memcpy(e.currency, "EUR", 4);
    }
    e.category = kind == KIND_CATEGORY_CHANGED ? CATEGORY_B : e.category;
    return e;
}

static void
refer(struct member_entry *e, enum ref_role role, struct position to)
{
    e->refs[e->n_refs++] = world_ref(role, to);
}

static struct position
add(struct fixture *f, const struct member_entry *e)
{
    assert_int_equal(member_row_add(&f->row, e, &f->world.w, &f->missing, NULL), 0);
    return e->at;
}

/* Writes an event without more ado; its position. */
static struct position
put(struct fixture *f, uint8_t log, uint16_t kind, int day)
{
    struct member_entry e = entry(f, log, kind, day);
    return add(f, &e);
}

static struct position
put_ref(struct fixture *f, uint8_t log, uint16_t kind, int day, enum ref_role role, struct position to)
{
    struct member_entry e = entry(f, log, kind, day);
    refer(&e, role, to);
    return add(f, &e);
}

static const struct member_entry *
at(const struct fixture *f, struct position p)
{
    for (size_t i = 0; i < f->row.n; i++) {
        if (f->row.entries[i].at.seq == p.seq && TYPE_EQ(&f->row.entries[i].at.log, &p.log)) {
            return &f->row.entries[i];
        }
    }
    fail();
    return NULL;
}

static void
expect(const struct fixture *f, struct position p, enum outcome outcome, enum void_reason reason)
{
    assert_int_equal(at(f, p)->outcome, outcome);
    assert_int_equal(at(f, p)->reason, reason);
}

static struct member_state
state_on(const struct fixture *f, int day)
{
    struct member_state s;
    member_state_at(&f->row, (struct civil_date){day}, &s);
    return s;
}

/* ---- the table ---- */

/* Brings a fresh member to a state by day 10: n(one), a(pplied), r(efused), m(ember), q (request open), l(eft), d(eceased). */
static struct position
bring_to(struct fixture *f, char to)
{
    struct position application, request = world_at(0, 0);
    if (to == 'n') {
        return request;
    }
    application = put(f, MAIN, KIND_APPLICATION_RECEIVED, 1);
    if (to == 'r') {
        put_ref(f, MAIN, KIND_APPLICATION_REFUSED, 2, REF_APPLICATION, application);
    }
    if (to == 'a' || to == 'r') {
        return application;
    }
    put_ref(f, MAIN, KIND_MEMBER_ADMITTED, 3, REF_APPLICATION, application);
    if (to == 'q') {
        return put(f, MAIN, KIND_WITHDRAWAL_REQUESTED, 4);
    }
    if (to == 'l' || to == 'd') {
        put(f, MAIN, to == 'l' ? KIND_MEMBER_RESIGNED : KIND_MEMBER_DECEASED, 5);
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
            struct fixture f;
            struct err err;
            setup(&f);
            struct position target = bring_to(&f, states[s]);
            struct member_entry e = entry(&f, MAIN, KIND_APPLICATION_RECEIVED + k, 10);
            uint8_t role = e.kind == 33 ? REF_APPLICATION : e.kind == 39 || e.kind == 40 ? REF_REQUEST : 0;
            if (role != 0 && target.seq > 0) {
                refer(&e, role, target);
            }
            int rc = member_row_try(&f.row, &e, &f.world.w, &err);
            struct position p = add(&f, &e);
            int want = reasons[s][k];
            expect(&f, p, want == 0 ? OUTCOME_APPLIED : OUTCOME_VOID, want);
            assert_int_equal(rc, want == 0 ? 0 : ERR_CONFLICT);
            teardown(&f);
        }
    }
}

static void
a_decision_names_the_request_that_is_open(void **state)
{
    struct fixture f;
    setup(&f);
    struct position before = put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    struct position first = put(&f, MAIN, KIND_WITHDRAWAL_REQUESTED, 2);
    put_ref(&f, MAIN, KIND_WITHDRAWAL_REFUSED, 3, REF_REQUEST, first);
    expect(&f, put_ref(&f, MAIN, KIND_WITHDRAWAL_GRANTED, 4, REF_REQUEST, first), OUTCOME_VOID, VOID_NO_REQUEST);
    struct position second = put(&f, MAIN, KIND_WITHDRAWAL_REQUESTED, 5);
    expect(&f, put_ref(&f, MAIN, KIND_WITHDRAWAL_GRANTED, 6, REF_REQUEST, first), OUTCOME_VOID, VOID_REFERENCE);
    expect(&f, put_ref(&f, MAIN, KIND_WITHDRAWAL_GRANTED, 6, REF_REQUEST, before), OUTCOME_VOID, VOID_REFERENCE);
    struct position corrected = put_ref(&f, MAIN, KIND_WITHDRAWAL_REQUESTED, 6, REF_CORRECTS, second);
    expect(&f, put_ref(&f, MAIN, KIND_WITHDRAWAL_GRANTED, 7, REF_REQUEST, second), OUTCOME_APPLIED, VOID_NONE);
    expect(&f, corrected, OUTCOME_APPLIED, VOID_NONE);
    assert_int_equal(state_on(&f, 7).left_reason, LEFT_WITHDRAWN);
    teardown(&f);
}

static void
categories_shares_and_offices_have_their_own_reasons(void **state)
{
    struct fixture f;
    setup(&f);
    struct member_entry e = entry(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    e.category = CATEGORY_C;
    e.person_type = PERSON_LEGAL;
    add(&f, &e);
    expect(&f, put(&f, MAIN, KIND_CATEGORY_CHANGED, 2), OUTCOME_VOID, VOID_CATEGORY_PERSON);
    e = entry(&f, MAIN, KIND_CATEGORY_CHANGED, 2);
    e.category = CATEGORY_C;
    expect(&f, add(&f, &e), OUTCOME_VOID, VOID_SAME_CATEGORY);
    e = entry(&f, MAIN, KIND_DATA_CHANGED, 2);
    e.has_office = true;
    e.office = f.no_office;
    expect(&f, add(&f, &e), OUTCOME_VOID, VOID_NO_OFFICE);
    for (int i = 0; i < 999; i++) {
        e = entry(&f, MAIN, KIND_SHARES_SUBSCRIBED, 3);
        e.shares = SHARES_MAX;
        expect(&f, add(&f, &e), OUTCOME_APPLIED, VOID_NONE);
    }
    e = entry(&f, MAIN, KIND_SHARES_SUBSCRIBED, 3);
    e.shares = SHARES_MAX - 1;
    expect(&f, add(&f, &e), OUTCOME_VOID, VOID_SHARES);
    e = entry(&f, MAIN, KIND_SHARES_SUBSCRIBED, 3);
    e.shares = SHARES_MAX - 2;
    expect(&f, add(&f, &e), OUTCOME_APPLIED, VOID_NONE);
    assert_int_equal(state_on(&f, 3).shares, SHARES_HELD_MAX);
    teardown(&f);
}

static void
the_1025th_event_of_a_chain_is_void(void **state)
{
    struct fixture f;
    struct position p = world_at(0, 0);
    setup(&f);
    put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    for (int i = 1; i < MEMBER_PAST_MAX; i++) {
        p = put(&f, MAIN, KIND_DATA_CHANGED, 2);
    }
    expect(&f, p, OUTCOME_APPLIED, VOID_NONE);
    struct member_entry e = entry(&f, MAIN, KIND_DATA_CHANGED, 2);
    assert_int_equal(member_row_try(&f.row, &e, &f.world.w, NULL), ERR_CONFLICT);
    expect(&f, add(&f, &e), OUTCOME_VOID, VOID_TOO_MANY);
    assert_int_equal(member_row_refold(&f.row, &f.world.w, &f.missing, NULL), 0);
    expect(&f, e.at, OUTCOME_VOID, VOID_TOO_MANY);
    expect(&f, p, OUTCOME_APPLIED, VOID_NONE);
    teardown(&f);
}

static void
an_event_must_leave_later_dated_ones_possible(void **state)
{
    struct fixture f;
    struct err err;
    setup(&f);
    put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    struct position shares = put(&f, MAIN, KIND_SHARES_SUBSCRIBED, 100);
    struct member_entry e = entry(&f, MAIN, KIND_MEMBER_RESIGNED, 50);
    assert_int_equal(member_row_try(&f.row, &e, &f.world.w, &err), ERR_CONFLICT);
    assert_string_equal(err.field, "effective_on");
    assert_string_equal(err.text,
                        "effective_on: shares.subscribed of 1970-04-11, recorded before, would become impossible");
    expect(&f, add(&f, &e), OUTCOME_VOID, VOID_MAKES_IMPOSSIBLE);
    expect(&f, shares, OUTCOME_APPLIED, VOID_NONE);
    expect(&f, put(&f, MAIN, KIND_MEMBER_RESIGNED, 100), OUTCOME_APPLIED, VOID_NONE);
    teardown(&f);
}

/* ---- corrections ---- */

static void
corrections_take_the_place_of_what_they_correct(void **state)
{
    struct fixture f;
    setup(&f);
    struct position admitted = put(&f, MAIN, KIND_MEMBER_ADMITTED, 10);
    put(&f, MAIN, KIND_SHARES_SUBSCRIBED, 20);
    struct position earlier = put_ref(&f, MAIN, KIND_MEMBER_ADMITTED, 5, REF_CORRECTS, admitted);
    expect(&f, admitted, OUTCOME_REPLACED, VOID_NONE);
    assert_int_equal(state_on(&f, 30).joined_on.days, 5);
    struct position too_late = put_ref(&f, MAIN, KIND_MEMBER_ADMITTED, 21, REF_CORRECTS, admitted);
    expect(&f, too_late, OUTCOME_VOID, VOID_MAKES_IMPOSSIBLE);
    expect(&f, earlier, OUTCOME_APPLIED, VOID_NONE);
    struct member_entry e = entry(&f, MAIN, KIND_MEMBER_ADMITTED, 6);
    e.category = CATEGORY_B;
    e.shares = 7;
    refer(&e, REF_CORRECTS, earlier);
    add(&f, &e);
    expect(&f, earlier, OUTCOME_REPLACED, VOID_NONE);
    assert_int_equal(state_on(&f, 30).shares, 9);
    assert_int_equal(state_on(&f, 30).category, CATEGORY_B);
    expect(&f, put_ref(&f, MAIN, KIND_MEMBER_ADMITTED, 6, REF_CORRECTS, too_late), OUTCOME_VOID, VOID_REFERENCE);
    expect(&f, put_ref(&f, MAIN, KIND_MEMBER_RESIGNED, 25, REF_CORRECTS, admitted), OUTCOME_VOID, VOID_REFERENCE);
    teardown(&f);
}

static void
of_two_concurrent_corrections_the_greater_counts_in_either_order(void **state)
{
    for (int swapped = 0; swapped < 2; swapped++) {
        struct fixture f;
        setup(&f);
        struct position admitted = put(&f, MAIN, KIND_MEMBER_ADMITTED, 10);
        struct position a, b;
        if (swapped) {
            b = put_ref(&f, TAIL_B, KIND_MEMBER_ADMITTED, 8, REF_CORRECTS, admitted);
            a = put_ref(&f, TAIL_A, KIND_MEMBER_ADMITTED, 9, REF_CORRECTS, admitted);
        } else {
            a = put_ref(&f, TAIL_A, KIND_MEMBER_ADMITTED, 9, REF_CORRECTS, admitted);
            b = put_ref(&f, TAIL_B, KIND_MEMBER_ADMITTED, 8, REF_CORRECTS, admitted);
        }
        expect(&f, a, OUTCOME_REPLACED, VOID_NONE);
        expect(&f, b, OUTCOME_APPLIED, VOID_NONE);
        assert_int_equal(state_on(&f, 30).joined_on.days, 8);
        teardown(&f);
    }
}

/* ---- conflicts, waiting, unknown ---- */

static void
tails_that_contradict_each_other_conflict_until_a_correction_settles_it(void **state)
{
    struct fixture f;
    setup(&f);
    put(&f, MAIN, KIND_MEMBER_ADMITTED, 10);
    struct position shares = put(&f, TAIL_B, KIND_SHARES_SUBSCRIBED, 30);
    struct position resigned = put(&f, TAIL_A, KIND_MEMBER_RESIGNED, 20);
    expect(&f, resigned, OUTCOME_APPLIED, VOID_NONE);
    expect(&f, shares, OUTCOME_CONFLICT, VOID_LEFT);
    assert_int_equal(state_on(&f, 40).shares, 0);
    struct position settled = put_ref(&f, JOINED, KIND_SHARES_SUBSCRIBED, 15, REF_CORRECTS, shares);
    expect(&f, settled, OUTCOME_APPLIED, VOID_NONE);
    expect(&f, shares, OUTCOME_REPLACED, VOID_NONE);
    expect(&f, resigned, OUTCOME_APPLIED, VOID_NONE);
    assert_int_equal(state_on(&f, 19).shares, 4);
    teardown(&f);
}

static void
an_event_waits_for_its_target_and_so_do_those_after_it(void **state)
{
    struct fixture f;
    setup(&f);
    struct member_entry application = entry(&f, TAIL_A, KIND_APPLICATION_RECEIVED, 1);
    world_hide(&f.world, application.at);
    struct position admitted = put_ref(&f, TAIL_B, KIND_MEMBER_ADMITTED, 2, REF_APPLICATION, application.at);
    expect(&f, admitted, OUTCOME_WAITING, VOID_NONE);
    assert_true(f.missing.has);
    assert_int_equal(f.missing.at.seq, application.at.seq);
    struct position shares = put(&f, TAIL_B, KIND_SHARES_SUBSCRIBED, 3);
    expect(&f, shares, OUTCOME_WAITING, VOID_NONE);
    struct member_entry next = entry(&f, TAIL_B, KIND_SHARES_SUBSCRIBED, 3);
    assert_int_equal(member_row_try(&f.row, &next, &f.world.w, NULL), ERR_CONFLICT);
    assert_int_equal(state_on(&f, 9).status, STATUS_NONE);
    world_hold(&f.world, application.at);
    add(&f, &application);
    assert_false(f.missing.has);
    expect(&f, admitted, OUTCOME_APPLIED, VOID_NONE);
    expect(&f, shares, OUTCOME_APPLIED, VOID_NONE);
    teardown(&f);
}

static void
a_target_that_turns_out_to_be_of_another_entity_makes_the_event_void(void **state)
{
    struct fixture f;
    setup(&f);
    struct position stranger = world_at(TAIL_A, 15);
    world_hide(&f.world, stranger);
    struct position admitted = put_ref(&f, TAIL_B, KIND_MEMBER_ADMITTED, 2, REF_APPLICATION, stranger);
    expect(&f, admitted, OUTCOME_WAITING, VOID_NONE);
    world_hold(&f.world, stranger);
    assert_int_equal(member_row_refold(&f.row, &f.world.w, &f.missing, NULL), 0);
    expect(&f, admitted, OUTCOME_VOID, VOID_REFERENCE);
    assert_false(f.missing.has);
    teardown(&f);
}

static void
references_that_do_not_fit_make_the_event_void(void **state)
{
    struct fixture f;
    setup(&f);
    struct position application = put(&f, MAIN, KIND_APPLICATION_RECEIVED, 1);
    expect(&f, put(&f, MAIN, KIND_APPLICATION_REFUSED, 2), OUTCOME_VOID, VOID_REFERENCE);
    struct member_entry e = entry(&f, MAIN, KIND_APPLICATION_REFUSED, 2);
    refer(&e, REF_APPLICATION, application);
    e.refs[0].chain.b[0] ^= 1;
    expect(&f, add(&f, &e), OUTCOME_VOID, VOID_REFERENCE);
    e = entry(&f, MAIN, KIND_APPLICATION_REFUSED, 2);
    refer(&e, REF_APPLICATION, application);
    refer(&e, REF_APPLICATION, application);
    expect(&f, add(&f, &e), OUTCOME_VOID, VOID_REFERENCE);
    expect(&f, put_ref(&f, MAIN, KIND_APPLICATION_REFUSED, 2, REF_APPLICATION, application), OUTCOME_APPLIED,
           VOID_NONE);
    teardown(&f);
}

static void
an_unknown_kind_that_must_be_understood_stops_what_comes_after_it(void **state)
{
    struct fixture f;
    struct event_header h;
    struct event_common c;
    struct member_entry e;
    setup(&f);
    memset(&h, 0, sizeof(h));
    memset(&c, 0, sizeof(c));
    h.kind = KIND_MEMBER_ADMITTED;
    h.kind_version = 2;
    c.effective = DATE_NONE;
    struct position p = world_at(TAIL_A, 9);
    assert_false(member_entry_unknown(&p, &h, &c, &e));
    h.must_understand = true;
    assert_true(member_entry_unknown(&p, &h, &c, &e));
    put(&f, MAIN, KIND_MEMBER_ADMITTED, 1);
    add(&f, &e);
    f.seq[TAIL_A] = 9;
    struct position after = put(&f, TAIL_A, KIND_SHARES_SUBSCRIBED, 2);
    struct position beside = put(&f, TAIL_B, KIND_SHARES_SUBSCRIBED, 2);
    expect(&f, p, OUTCOME_UNKNOWN, VOID_NONE);
    expect(&f, after, OUTCOME_UNKNOWN, VOID_NONE);
    expect(&f, beside, OUTCOME_APPLIED, VOID_NONE);
    e = entry(&f, MAIN, 63, 1);
    assert_int_equal(member_row_try(&f.row, &e, &f.world.w, NULL), ERR_INVALID);
    teardown(&f);
}

static void
a_world_that_cannot_be_read_leaves_the_row_as_it_was(void **state)
{
    struct fixture f;
    setup(&f);
    struct position application = put(&f, MAIN, KIND_APPLICATION_RECEIVED, 1);
    struct member_entry e = entry(&f, MAIN, KIND_MEMBER_ADMITTED, 2);
    refer(&e, REF_APPLICATION, application);
    f.world.broken = ERR_IO;
    assert_int_equal(member_row_add(&f.row, &e, &f.world.w, &f.missing, NULL), ERR_IO);
    assert_int_equal(member_row_try(&f.row, &e, &f.world.w, NULL), ERR_IO);
    assert_int_equal(f.row.n, 1);
    f.world.broken = 0;
    add(&f, &e);
    add(&f, &e);
    assert_int_equal(f.row.n, 2);
    teardown(&f);
}

/* ---- what a row says ---- */

static void
on_the_day_of_effect_it_has_happened(void **state)
{
    struct fixture f;
    setup(&f);
    put(&f, MAIN, KIND_MEMBER_ADMITTED, 10);
    struct position last = put(&f, MAIN, KIND_MEMBER_EXCLUDED, 20);
    assert_int_equal(state_on(&f, 9).status, STATUS_NONE);
    assert_int_equal(state_on(&f, 10).status, STATUS_MEMBER);
    assert_int_equal(state_on(&f, 19).capital_minor, 6000);
    struct member_state s = state_on(&f, 20);
    assert_int_equal(s.status, STATUS_LEFT);
    assert_int_equal(s.left_reason, LEFT_EXCLUDED);
    assert_int_equal(s.left_on.days, 20);
    assert_int_equal(s.shares, 0);
    assert_int_equal(s.capital_minor, 0);
    assert_int_equal(state_on(&f, 9).last_change.seq, last.seq);
    teardown(&f);
}

struct totals {
    size_t n;
    struct contribution c[24];
};

static int
collect(void *arg, const struct contribution *c)
{
    struct totals *t = arg;
    assert_true(t->n < ARRAY_LEN(t->c));
    t->c[t->n++] = *c;
    return 0;
}

static int
refuse(void *arg, const struct contribution *c)
{
    return ERR_FULL;
}

static void
contributions_follow_the_member_from_cell_to_cell(void **state)
{
    struct fixture f;
    struct totals t = {0};
    setup(&f);
    put(&f, MAIN, KIND_MEMBER_ADMITTED, 10);
    struct member_entry e = entry(&f, MAIN, KIND_SHARES_SUBSCRIBED, 11);
    memcpy(e.currency, "SEK", 4);
    add(&f, &e);
    e = entry(&f, MAIN, KIND_DATA_CHANGED, 12);
    e.has_office = true;
    e.office = f.other_office;
    add(&f, &e);
    put(&f, MAIN, KIND_MEMBER_DECEASED, 20);
    int64_t key = member_record_key(&f.row.subject);
    assert_int_equal(member_contributions(&f.row, collect, &t), 0);
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
    teardown(&f);
}

static void
applications_and_requests_are_counted_in_their_cell(void **state)
{
    struct fixture f;
    struct totals t = {0};
    setup(&f);
    struct position application = put(&f, MAIN, KIND_APPLICATION_RECEIVED, 1);
    put_ref(&f, MAIN, KIND_APPLICATION_REFUSED, 2, REF_APPLICATION, application);
    put(&f, MAIN, KIND_MEMBER_ADMITTED, 3);
    struct position request = put(&f, MAIN, KIND_WITHDRAWAL_REQUESTED, 4);
    put_ref(&f, MAIN, KIND_WITHDRAWAL_REFUSED, 5, REF_REQUEST, request);
    assert_int_equal(member_contributions(&f.row, collect, &t), 0);
    assert_int_equal(t.n, 6);
    assert_int_equal(t.c[0].v[COUNT_APPLIED], 1);
    assert_int_equal(t.c[0].category, CATEGORY_A);
    assert_int_equal(t.c[1].v[COUNT_REFUSED], 1);
    assert_int_equal(t.c[4].v[COUNT_REQUESTED], 1);
    assert_int_equal(t.c[5].v[COUNT_REQUEST_REFUSED], 1);
    assert_int_equal(t.c[5].v[COUNT_MEMBERS], 0);
    teardown(&f);
}

static void
a_capsule_stays_in_force_until_a_later_one_of_its_class(void **state)
{
    struct fixture f;
    struct position p;
    setup(&f);
    assert_false(member_capsule_position(&f.row, 1, &p));
    struct member_entry e = entry(&f, MAIN, KIND_MEMBER_ADMITTED, 10);
    e.capsule_mask = 0x83;
    struct position admitted = add(&f, &e);
    put_ref(&f, MAIN, KIND_MEMBER_ADMITTED, 9, REF_CORRECTS, admitted);
    e = entry(&f, MAIN, KIND_DATA_CHANGED, 12);
    e.capsule_mask = 0x02;
    struct position data = add(&f, &e);
    assert_true(member_capsule_position(&f.row, 1, &p));
    assert_int_equal(p.seq, admitted.seq);
    assert_true(member_capsule_position(&f.row, 2, &p));
    assert_int_equal(p.seq, data.seq);
    assert_true(member_capsule_position(&f.row, 15, &p));
    assert_int_equal(p.seq, admitted.seq);
    assert_false(member_capsule_position(&f.row, 3, &p));
    assert_false(member_capsule_position(&f.row, 9, &p));
    teardown(&f);
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
    struct fixture f;
    struct err err;
    setup(&f);
    put(&f, MAIN, KIND_MEMBER_ADMITTED, 10);
    put(&f, MAIN, KIND_MEMBER_RESIGNED, 20);
    struct member_entry e = entry(&f, MAIN, KIND_SHARES_SUBSCRIBED, 25);
    assert_int_equal(member_row_try(&f.row, &e, &f.world.w, &err), ERR_CONFLICT);
    assert_string_equal(err.field, "effective_on");
    assert_string_equal(err.text, "effective_on: the member left on 1970-01-21");
    e = entry(&f, MAIN, KIND_MEMBER_ADMITTED, 25);
    e.office = f.no_office;
    assert_int_equal(member_row_try(&f.row, &e, &f.world.w, &err), ERR_NOTFOUND);
    assert_string_equal(err.field, "office");
    for (int r = VOID_NONE; r <= VOID_KIND; r++) {
        assert_non_null(void_reason_text((enum void_reason)r));
        assert_string_not_equal(void_reason_text((enum void_reason)r), "unknown reason");
    }
    teardown(&f);
}

/* ---- bytes ---- */

static void
rows_are_small_and_come_back_as_they_were(void **state)
{
    struct fixture f;
    struct buf a, b;
    struct member_row back;
    setup(&f);
    buf_init(&a, MEMBER_ROW_BYTES_MAX);
    buf_init(&b, MEMBER_ROW_BYTES_MAX);
    struct position admitted = put(&f, MAIN, KIND_MEMBER_ADMITTED, 19000);
    assert_int_equal(member_row_encode(&f.row, &a, NULL), 0);
    assert_in_range(a.len, 40, 80);
    put_ref(&f, TAIL_A, KIND_MEMBER_ADMITTED, 18000, REF_CORRECTS, admitted);
    put(&f, TAIL_A, KIND_MEMBER_ADMITTED, 19001);
    put(&f, TAIL_B, KIND_MEMBER_RESIGNED, 19001);
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
    teardown(&f);
}

static void
damaged_rows_are_corrupt_or_readable_and_never_worse(void **state)
{
    struct fixture f;
    struct buf a;
    setup(&f);
    buf_init(&a, MEMBER_ROW_BYTES_MAX);
    struct position application = put(&f, MAIN, KIND_APPLICATION_RECEIVED, 1);
    struct position admitted = put_ref(&f, MAIN, KIND_MEMBER_ADMITTED, 2, REF_APPLICATION, application);
    put_ref(&f, TAIL_A, KIND_MEMBER_ADMITTED, 3, REF_CORRECTS, admitted);
    put(&f, TAIL_B, KIND_MEMBER_DECEASED, 9);
    assert_int_equal(member_row_encode(&f.row, &a, NULL), 0);
    for (size_t i = 0; i < a.len * 8; i++) {
        struct member_row row;
        struct member_state s;
        struct position p;
        a.data[i / 8] ^= (uint8_t)(1U << (i % 8));
        int rc = member_row_decode(buf_slice(&a), &f.row.unit, &f.row.subject, &row, NULL);
        assert_true(rc == 0 || rc == ERR_CORRUPT);
        if (rc == 0) {
            struct totals t = {0};
            member_state_at(&row, DATE_MAX, &s);
            (void)member_capsule_position(&row, 1, &p);
            (void)member_contributions(&row, collect, &t);
            assert_int_equal(member_row_refold(&row, &f.world.w, &f.missing, NULL), 0);
            member_row_release(&row);
        }
        a.data[i / 8] ^= (uint8_t)(1U << (i % 8));
    }
    buf_free(&a);
    teardown(&f);
}

static void
a_row_keeps_the_first_events_of_endless_side_branches(void **state)
{
    struct fixture f, g;
    struct buf a, b;
    setup(&f);
    setup(&g);
    buf_init(&a, MEMBER_ROW_BYTES_MAX);
    buf_init(&b, MEMBER_ROW_BYTES_MAX);
    enum { TOO_MANY = MEMBER_ENTRIES_MAX + 3 };
    for (uint64_t i = 0; i < TOO_MANY; i++) {
        struct member_entry e = entry(&f, MAIN, KIND_MEMBER_RESIGNED, 1);
        e.at.seq = 3 + i;
        add(&f, &e);
    }
    /* The other way round only at the edge: what is pushed out is the same. */
    for (uint64_t i = 0; i < TOO_MANY; i++) {
        struct member_entry e = entry(&g, MAIN, KIND_MEMBER_RESIGNED, 1);
        e.at.seq = i + 4 < TOO_MANY ? 7 + i : 3 + (i + 4 - TOO_MANY);
        add(&g, &e);
    }
    assert_int_equal(f.row.n, MEMBER_ENTRIES_MAX);
    assert_int_equal(member_row_encode(&f.row, &a, NULL), 0);
    assert_int_equal(member_row_encode(&g.row, &b, NULL), 0);
    assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
    buf_free(&a);
    buf_free(&b);
    teardown(&f);
    teardown(&g);
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
