/* Members who move: two rows and one completion, whatever arrives first; branches, forgeries, what the old home may still say, closed
 * units, doubles. docs/PROTOCOL.md §8 "Kin", §10 "Handover". */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/event_samples.h"
#include "tests/support/register.h"

enum { UNITS = 3 };

static struct civil_date
day(int n)
{
    return (struct civil_date){20000 + n};
}

static struct subject_id
office_of(size_t unit)
{
    struct subject_id id = {{0x0F, (uint8_t)(unit + 1)}};
    return id;
}

struct federation {
    struct test_unit units[UNITS];
    struct test_log logs[UNITS];
    struct test_runs runs;
};

static void
federation_start(struct federation *f)
{
    memset(f, 0, sizeof(*f));
    for (size_t i = 0; i < UNITS; i++) {
        char code[3] = {'U', (char)('A' + i), 0};
        test_unit_make(&f->units[i], code, (uint8_t)(i + 1));
        test_log_start(&f->logs[i], &f->units[i], (uint8_t)(i + 1), NULL, 0);
        test_event(&f->logs[i], KIND_UNIT_DESCRIBED, office_of(i), day(-400), NULL, 0);
        test_event(&f->logs[i], KIND_OFFICE_OPENED, office_of(i), day(-400), NULL, 0);
    }
}

static void
federation_end(struct federation *f)
{
    for (size_t i = 0; i < UNITS; i++) {
        test_log_release(&f->logs[i]);
    }
    test_runs_release(&f->runs);
}

static void
seal_all(struct federation *f)
{
    for (size_t i = 0; i < UNITS; i++) {
        if (f->logs[i].seq > f->logs[i].sealed) {
            test_runs_take(&f->runs, &f->logs[i]);
        }
    }
}

static struct admission
terms_of(size_t unit)
{
    struct admission a = {.category = CATEGORY_A, .person_type = PERSON_NATURAL, .shares = 2 + unit};
    struct subject_id office = office_of(unit);
    memcpy(a.office.b, office.b, sizeof(a.office.b));
    a.share_price_minor = 3000;
    memcpy(a.currency, unit == 2 ? "SEK" : "EUR", 4);
    return a;
}

static struct position
offer(struct test_log *log, const struct test_unit *to, uint32_t subject, struct civil_date on)
{
    struct event_payload p = test_payload(KIND_HANDOVER_OFFERED, test_subject(subject), on);
    p.handover = (struct handover){.other = to->id, .proposed = on};
    return test_log_event(log, &p, NULL, 0);
}

static struct position
accept_offer(struct test_log *log, const struct test_unit *from, size_t unit, uint32_t subject, struct civil_date on,
             struct event_ref offered)
{
    struct event_payload p = test_payload(KIND_HANDOVER_ACCEPTED, test_subject(subject), on);
    p.handover = (struct handover){.other = from->id, .terms = terms_of(unit)};
    offered.role = REF_OFFER;
    return test_log_event(log, &p, &offered, 1);
}

static struct position
complete(struct test_log *log, const struct test_unit *to, struct admission terms, uint32_t subject,
         struct civil_date on, struct event_ref offered, struct event_ref accepted)
{
    struct event_payload p = test_payload(KIND_HANDOVER_COMPLETED, test_subject(subject), on);
    p.handover = (struct handover){.other = to->id, .terms = terms, .activities = 1};
    offered.role = REF_OFFER;
    accepted.role = REF_ACCEPTANCE;
    struct event_ref refs[2] = {offered, accepted};
    return test_log_event(log, &p, refs, 2);
}

static struct position
receive(struct test_log *log, uint32_t subject, struct civil_date on, struct event_ref completed)
{
    completed.role = REF_COMPLETION;
    return test_event(log, KIND_HANDOVER_RECEIVED, test_subject(subject), on, &completed, 1);
}

/* From unit a to unit b, every step in a run of its own. */
static void
move(struct federation *f, size_t a, size_t b, uint32_t subject, struct civil_date on)
{
    offer(&f->logs[a], &f->units[b], subject, on);
    struct event_ref offered = test_ref(&f->logs[a], REF_OFFER);
    seal_all(f);
    accept_offer(&f->logs[b], &f->units[a], b, subject, on, offered);
    struct event_ref accepted = test_ref(&f->logs[b], REF_ACCEPTANCE);
    seal_all(f);
    complete(&f->logs[a], &f->units[b], terms_of(b), subject, on, offered, accepted);
    struct event_ref completed = test_ref(&f->logs[a], REF_COMPLETION);
    seal_all(f);
    receive(&f->logs[b], subject, on, completed);
    seal_all(f);
}

static struct member_state
state_of(struct test_register *r, const struct test_unit *u, uint32_t subject, struct civil_date as_of)
{
    struct member_row row;
    struct member_state s = {.status = STATUS_NONE};
    if (test_register_member(r, &u->id, test_subject(subject), &row)) {
        member_state_at(&row, as_of, &s);
        member_row_release(&row);
    }
    return s;
}

static size_t
homes_on(struct test_register *r, const struct federation *f, uint32_t subject, struct civil_date on)
{
    size_t n = 0;
    for (size_t i = 0; i < UNITS; i++) {
        n += state_of(r, &f->units[i], subject, on).status == STATUS_MEMBER;
    }
    return n;
}

static enum void_reason
reason_at(struct test_register *r, const struct test_unit *u, uint32_t subject, struct position at, enum outcome *ret)
{
    struct member_row row;
    enum void_reason reason = VOID_NONE;
    assert_true(test_register_member(r, &u->id, test_subject(subject), &row));
    size_t i = member_entry_find(&row, &at);
    assert_true(i != SIZE_MAX);
    *ret = row.entries[i].outcome;
    reason = row.entries[i].reason;
    member_row_release(&row);
    return reason;
}

static void
expect(struct test_register *r, const struct test_unit *u, uint32_t subject, struct position at, enum outcome outcome,
       enum void_reason reason)
{
    enum outcome o;
    enum void_reason why = reason_at(r, u, subject, at, &o);
    assert_int_equal(o, outcome);
    assert_int_equal(why, reason);
}

static int64_t
count_of(struct test_register *r, const struct test_unit *u, enum count which)
{
    struct db_txn *txn;
    struct db_cursor *c;
    struct slice key, value;
    struct err err;
    int64_t v[COUNTS_N], sum = 0;
    assert_int_equal(db_begin_read(r->db, &txn, &err), 0);
    assert_int_equal(db_cursor_open(txn, TABLE_COUNTS, &c, &err), 0);
    for (int rc = db_cursor_first(c, &key, &value, &err); rc == 0; rc = db_cursor_next(c, &key, &value, &err)) {
        if (memcmp(key.data, u->id.b, HASH_BYTES) == 0 && key.data[HASH_BYTES] == PERIOD_DAY) {
            assert_int_equal(counters_decode(value, v, COUNTS_N, &err), 0);
            sum += v[which];
        }
    }
    db_cursor_close(&c);
    db_abort(&txn);
    return sum;
}

/* Delivers everything in one order after the other; all give the same, which is left open in r. */
static void
deliver_in_orders(struct test_register *r, const struct federation *f, unsigned orders)
{
    struct hash first = {{0}};
    for (unsigned seed = 0; seed < orders; seed++) {
        struct test_register other;
        test_register_open(&other);
        other.fast = seed > 2;
        test_register_deliver_all(&other, &f->runs, seed);
        test_register_check(&other);
        struct hash print = test_register_fingerprint(&other);
        if (seed == 0) {
            first = print;
        }
        assert_memory_equal(print.b, first.b, sizeof(first.b));
        test_register_close(&other);
    }
    test_register_open(r);
    test_register_deliver_all(r, &f->runs, 0);
}

static void
a_member_has_one_home_on_any_day_whatever_arrives_first(void **arg)
{
    struct federation f;
    struct test_register r;
    (void)arg;
    federation_start(&f);
    test_admission(&f.logs[0], test_subject(1), day(0), office_of(0), CATEGORY_A, 3);
    move(&f, 0, 1, 1, day(10));
    test_event(&f.logs[1], KIND_SHARES_SUBSCRIBED, test_subject(1), day(12), NULL, 0);
    move(&f, 1, 2, 1, day(20));
    move(&f, 2, 0, 1, day(30));
    test_event(&f.logs[0], KIND_MEMBER_RESIGNED, test_subject(1), day(40), NULL, 0);
    seal_all(&f);
    deliver_in_orders(&r, &f, 24);
    for (int d = 0; d < 40; d++) {
        assert_int_equal(homes_on(&r, &f, 1, day(d)), 1);
    }
    assert_int_equal(homes_on(&r, &f, 1, day(-1)), 0);
    assert_int_equal(homes_on(&r, &f, 1, day(40)), 0);
    assert_int_equal(state_of(&r, &f.units[0], 1, day(9)).status, STATUS_MEMBER);
    struct member_state left = state_of(&r, &f.units[0], 1, day(10));
    assert_int_equal(left.left_reason, LEFT_MOVED);
    assert_memory_equal(left.moved_to.b, f.units[1].id.b, HASH_BYTES);
    assert_int_equal(left.owed[0].shares, 3);
    struct member_state b = state_of(&r, &f.units[1], 1, day(12));
    assert_memory_equal(b.came_from.b, f.units[0].id.b, HASH_BYTES);
    assert_int_equal(b.joined_on.days, day(10).days);
    assert_true(b.shares > 3);
    struct member_state back = state_of(&r, &f.units[0], 1, day(30));
    assert_int_equal(back.status, STATUS_MEMBER);
    assert_int_equal(back.shares, 2);
    assert_int_equal(back.owed[0].shares, 3); /* of the first time, still to be repaid */
    assert_int_equal(count_of(&r, &f.units[0], COUNT_MOVED_OUT), 1);
    assert_int_equal(count_of(&r, &f.units[0], COUNT_MOVED_IN), 1);
    assert_int_equal(count_of(&r, &f.units[0], COUNT_JOINED), 1);
    assert_int_equal(count_of(&r, &f.units[1], COUNT_MOVED_IN), 1);
    assert_int_equal(count_of(&r, &f.units[1], COUNT_MOVED_OUT), 1);
    assert_int_equal(count_of(&r, &f.units[1], COUNT_JOINED), 0);
    for (size_t i = 0; i < UNITS; i++) {
        assert_int_equal(count_of(&r, &f.units[i], COUNT_MEMBERS), 0);
    }
    test_register_close(&r);
    federation_end(&f);
}

static void
nothing_moves_before_completion_and_a_late_acceptance_does_nothing(void **arg)
{
    struct federation f;
    struct test_register r;
    (void)arg;
    federation_start(&f);
    test_admission(&f.logs[0], test_subject(1), day(0), office_of(0), CATEGORY_A, 3);
    offer(&f.logs[0], &f.units[1], 1, day(5));
    struct event_ref offered = test_ref(&f.logs[0], REF_OFFER);
    struct position twice = offer(&f.logs[0], &f.units[2], 1, day(5));
    struct event_ref named = offered;
    struct position withdrawn = test_event(&f.logs[0], KIND_HANDOVER_WITHDRAWN, test_subject(1), day(6), &named, 1);
    seal_all(&f);
    struct position accepted = accept_offer(&f.logs[1], &f.units[0], 1, 1, day(7), offered);
    struct event_ref acceptance = test_ref(&f.logs[1], REF_ACCEPTANCE);
    struct position again = accept_offer(&f.logs[1], &f.units[0], 1, 1, day(7), offered);
    seal_all(&f);
    struct position late = complete(&f.logs[0], &f.units[1], terms_of(1), 1, day(8), offered, acceptance);
    seal_all(&f);
    deliver_in_orders(&r, &f, 12);
    expect(&r, &f.units[0], 1, twice, OUTCOME_APPLIED, VOID_NONE); /* without effect: the first stood */
    expect(&r, &f.units[0], 1, withdrawn, OUTCOME_APPLIED, VOID_NONE);
    expect(&r, &f.units[1], 1, accepted, OUTCOME_APPLIED, VOID_NONE);
    expect(&r, &f.units[1], 1, again, OUTCOME_VOID, VOID_ACCEPTED);
    expect(&r, &f.units[0], 1, late, OUTCOME_VOID, VOID_NO_OFFER);
    assert_int_equal(state_of(&r, &f.units[0], 1, day(100)).status, STATUS_MEMBER);
    assert_int_equal(state_of(&r, &f.units[1], 1, day(100)).status, STATUS_NONE);
    test_register_close(&r);
    federation_end(&f);
}

static void
forged_completions_and_acceptances_are_void(void **arg)
{
    struct federation f;
    struct test_register r;
    (void)arg;
    federation_start(&f);
    for (uint32_t s = 1; s <= 3; s++) {
        test_admission(&f.logs[0], test_subject(s), day(0), office_of(0), CATEGORY_A, 3);
    }
    offer(&f.logs[0], &f.units[1], 1, day(5));
    struct event_ref offered = test_ref(&f.logs[0], REF_OFFER);
    seal_all(&f);
    /* A third unit takes an offer that was not made to it; the one asked names the wrong unit; another member is named. */
    struct position stranger = accept_offer(&f.logs[2], &f.units[0], 2, 1, day(6), offered);
    struct position wrong_unit = accept_offer(&f.logs[1], &f.units[2], 1, 1, day(6), offered);
    struct position wrong_member = accept_offer(&f.logs[1], &f.units[0], 1, 2, day(6), offered);
    struct event_ref of_wrong_member = test_ref(&f.logs[1], REF_ACCEPTANCE);
    accept_offer(&f.logs[1], &f.units[0], 1, 1, day(6), offered);
    struct event_ref accepted = test_ref(&f.logs[1], REF_ACCEPTANCE);
    seal_all(&f);
    struct admission better = terms_of(1);
    better.shares += 100;
    struct position other_terms = complete(&f.logs[0], &f.units[1], better, 1, day(8), offered, accepted);
    struct position other_unit = complete(&f.logs[0], &f.units[2], terms_of(1), 1, day(8), offered, accepted);
    struct position other_acceptance =
        complete(&f.logs[0], &f.units[1], terms_of(1), 1, day(8), offered, of_wrong_member);
    struct position too_early = complete(&f.logs[0], &f.units[1], terms_of(1), 1, day(0), offered, accepted);
    /* Another unit's member is nobody else's to hand over, or to receive. */
    struct position thief = complete(&f.logs[2], &f.units[1], terms_of(1), 3, day(8), offered, accepted);
    struct event_ref stolen = test_ref(&f.logs[2], REF_COMPLETION);
    seal_all(&f);
    struct position received = receive(&f.logs[1], 3, day(8), stolen);
    struct position admitted = test_admission(&f.logs[1], test_subject(1), day(7), office_of(1), CATEGORY_A, 1);
    seal_all(&f);
    deliver_in_orders(&r, &f, 8);
    expect(&r, &f.units[2], 1, stranger, OUTCOME_VOID, VOID_REFERENCE);
    expect(&r, &f.units[1], 1, wrong_unit, OUTCOME_VOID, VOID_REFERENCE);
    expect(&r, &f.units[1], 2, wrong_member, OUTCOME_VOID, VOID_REFERENCE);
    expect(&r, &f.units[0], 1, other_terms, OUTCOME_VOID, VOID_REFERENCE);
    expect(&r, &f.units[0], 1, other_unit, OUTCOME_VOID, VOID_REFERENCE);
    expect(&r, &f.units[0], 1, other_acceptance, OUTCOME_VOID, VOID_REFERENCE);
    expect(&r, &f.units[0], 1, too_early, OUTCOME_VOID, VOID_NO_OFFER);
    expect(&r, &f.units[2], 3, thief, OUTCOME_VOID, VOID_REFERENCE);
    expect(&r, &f.units[1], 3, received, OUTCOME_VOID, VOID_REFERENCE);
    expect(&r, &f.units[1], 1, admitted, OUTCOME_APPLIED,
           VOID_NONE); /* its own matter: the old home has let nobody go */
    assert_int_equal(state_of(&r, &f.units[0], 1, day(100)).status, STATUS_MEMBER);
    test_register_close(&r);
    federation_end(&f);
}

/* A tail that a restore lost moved the member to one unit, the restored node to another: one of them, the same everywhere. */
static void
two_completions_on_two_branches_have_one_outcome(void **arg)
{
    struct federation f;
    struct test_register r;
    struct test_log branch;
    (void)arg;
    federation_start(&f);
    test_admission(&f.logs[0], test_subject(1), day(0), office_of(0), CATEGORY_A, 3);
    struct log_predecessor fork = test_log_at(&f.logs[0]);
    seal_all(&f);
    test_log_start(&branch, &f.units[0], 40, &fork, 1);
    offer(&branch, &f.units[2], 1, day(8));
    struct event_ref offered_2 = test_ref(&branch, REF_OFFER);
    test_runs_take(&f.runs, &branch);
    accept_offer(&f.logs[2], &f.units[0], 2, 1, day(8), offered_2);
    struct event_ref accepted_2 = test_ref(&f.logs[2], REF_ACCEPTANCE);
    seal_all(&f);
    struct position second = complete(&branch, &f.units[2], terms_of(2), 1, day(9), offered_2, accepted_2);
    struct event_ref completed_2 = test_ref(&branch, REF_COMPLETION);
    test_runs_take(&f.runs, &branch);
    receive(&f.logs[2], 1, day(9), completed_2);
    struct position follows = test_event(&f.logs[2], KIND_SHARES_SUBSCRIBED, test_subject(1), day(11), NULL, 0);
    seal_all(&f);
    move(&f, 0, 1, 1, day(8));
    /* And on from the unit that the second one named: what rests on it goes with it. */
    move(&f, 2, 1, 1, day(20));
    deliver_in_orders(&r, &f, 32);
    for (int d = 0; d < 60; d++) {
        assert_int_equal(homes_on(&r, &f, 1, day(d)), 1);
    }
    assert_int_equal(state_of(&r, &f.units[1], 1, day(30)).status, STATUS_MEMBER);
    expect(&r, &f.units[0], 1, second, OUTCOME_CONFLICT, VOID_MOVED);
    expect(&r, &f.units[2], 1, follows, OUTCOME_CONFLICT, VOID_NOT_MEMBER);
    assert_int_equal(count_of(&r, &f.units[2], COUNT_MEMBERS), 0);
    assert_int_equal(count_of(&r, &f.units[1], COUNT_MEMBERS), 1);
    test_log_release(&branch);
    test_register_close(&r);
    federation_end(&f);
}

/* The same, but the branch came first: the unit that lost gets the member all the same, when the one that won hands over. */
static void
who_lost_a_member_to_a_branch_can_have_him_later(void **arg)
{
    struct federation f;
    struct test_register r;
    struct test_log branch;
    (void)arg;
    federation_start(&f);
    test_admission(&f.logs[0], test_subject(1), day(0), office_of(0), CATEGORY_A, 3);
    struct log_predecessor fork = test_log_at(&f.logs[0]);
    seal_all(&f);
    test_log_start(&branch, &f.units[0], 40, &fork, 1);
    offer(&branch, &f.units[2], 1, day(5));
    struct event_ref offered = test_ref(&branch, REF_OFFER);
    test_runs_take(&f.runs, &branch);
    accept_offer(&f.logs[2], &f.units[0], 2, 1, day(6), offered);
    struct event_ref accepted = test_ref(&f.logs[2], REF_ACCEPTANCE);
    seal_all(&f);
    complete(&branch, &f.units[2], terms_of(2), 1, day(9), offered, accepted);
    struct event_ref completed = test_ref(&branch, REF_COMPLETION);
    test_runs_take(&f.runs, &branch);
    receive(&f.logs[2], 1, day(9), completed);
    seal_all(&f);
    move(&f, 0, 1, 1, day(8));
    struct position taken = test_event(&f.logs[1], KIND_SHARES_SUBSCRIBED, test_subject(1), day(10), NULL, 0);
    move(&f, 2, 1, 1, day(20));
    struct position kept = test_event(&f.logs[1], KIND_SHARES_SUBSCRIBED, test_subject(1), day(21), NULL, 0);
    seal_all(&f);
    deliver_in_orders(&r, &f, 32);
    for (int d = 0; d < 60; d++) {
        assert_int_equal(homes_on(&r, &f, 1, day(d)), 1);
    }
    assert_int_equal(state_of(&r, &f.units[2], 1, day(15)).status, STATUS_MEMBER);
    assert_int_equal(state_of(&r, &f.units[1], 1, day(15)).status, STATUS_NONE);
    assert_int_equal(state_of(&r, &f.units[1], 1, day(30)).status, STATUS_MEMBER);
    expect(&r, &f.units[1], 1, taken, OUTCOME_CONFLICT, VOID_NOT_MEMBER);
    expect(&r, &f.units[1], 1, kept, OUTCOME_APPLIED, VOID_NONE);
    assert_int_equal(count_of(&r, &f.units[1], COUNT_MEMBERS), 1);
    assert_int_equal(count_of(&r, &f.units[2], COUNT_MEMBERS), 0);
    test_log_release(&branch);
    test_register_close(&r);
    federation_end(&f);
}

static enum handover_step
step_of(struct test_register *r, const struct test_unit *u, uint32_t subject)
{
    struct member_row row;
    assert_true(test_register_member(r, &u->id, test_subject(subject), &row));
    enum handover_step step = member_handover_step(&row);
    member_row_release(&row);
    return step;
}

/* A restored node completes anew, with an earlier date, what the tail that it lost had completed, and the new home has received: the completion
 * that counts is the one that it hears of last. It can be received whatever was written of the member meanwhile, or it would block him for
 * ever. how: 0 nothing was written, 1 he resigned, 2 he died, 3 he was handed on. */
static void
receive_what_was_heard_of_last(unsigned how)
{
    struct federation f;
    struct test_register r;
    struct test_log branch;
    federation_start(&f);
    test_admission(&f.logs[0], test_subject(1), day(0), office_of(0), CATEGORY_A, 3);
    offer(&f.logs[0], &f.units[1], 1, day(5));
    struct event_ref offered = test_ref(&f.logs[0], REF_OFFER);
    struct log_predecessor fork = test_log_at(&f.logs[0]);
    seal_all(&f);
    accept_offer(&f.logs[1], &f.units[0], 1, 1, day(6), offered);
    struct event_ref accepted = test_ref(&f.logs[1], REF_ACCEPTANCE);
    seal_all(&f);
    struct position lost = complete(&f.logs[0], &f.units[1], terms_of(1), 1, day(20), offered, accepted);
    struct event_ref completed = test_ref(&f.logs[0], REF_COMPLETION);
    seal_all(&f);
    struct position first = receive(&f.logs[1], 1, day(20), completed);
    seal_all(&f);
    if (how == 1 || how == 2) {
        test_event(&f.logs[1], how == 1 ? KIND_MEMBER_RESIGNED : KIND_MEMBER_DECEASED, test_subject(1), day(30), NULL,
                   0);
        seal_all(&f);
    } else if (how == 3) {
        move(&f, 1, 2, 1, day(30));
    }
    test_log_start(&branch, &f.units[0], 40, &fork, 1);
    struct position anew = complete(&branch, &f.units[1], terms_of(1), 1, day(10), offered, accepted);
    struct event_ref completed_anew = test_ref(&branch, REF_COMPLETION);
    test_runs_take(&f.runs, &branch);
    test_register_open(&r);
    test_register_deliver_all(&r, &f.runs, 0);
    assert_int_equal(step_of(&r, &f.units[1], 1), HANDOVER_ARRIVED);
    test_register_close(&r);
    struct position second = receive(&f.logs[1], 1, day(how == 1 || how == 2 ? 35 : 10), completed_anew);
    seal_all(&f);
    deliver_in_orders(&r, &f, 16);
    expect(&r, &f.units[0], 1, anew, OUTCOME_APPLIED, VOID_NONE);
    expect(&r, &f.units[0], 1, lost, OUTCOME_CONFLICT, VOID_MOVED);
    expect(&r, &f.units[1], 1, first, OUTCOME_APPLIED, VOID_NONE);
    expect(&r, &f.units[1], 1, second, OUTCOME_APPLIED, VOID_NONE);
    assert_int_equal(step_of(&r, &f.units[1], 1), HANDOVER_NONE);
    assert_int_equal(state_of(&r, &f.units[1], 1, day(10)).status, STATUS_MEMBER);
    assert_int_equal(state_of(&r, &f.units[1], 1, day(40)).status, how == 0 ? STATUS_MEMBER : STATUS_LEFT);
    for (int d = 0; d < 30; d++) {
        assert_int_equal(homes_on(&r, &f, 1, day(d)), 1);
    }
    test_log_release(&branch);
    test_register_close(&r);
    federation_end(&f);
}

static void
a_completion_heard_of_last_can_be_received_whatever_was_written_meanwhile(void **arg)
{
    (void)arg;
    for (unsigned how = 0; how < 4; how++) {
        receive_what_was_heard_of_last(how);
    }
}

/* One branch completed what the other had withdrawn. Once both are known the completion has no effect, and nothing is shut. */
static void
a_completion_without_effect_shuts_nothing(void **arg)
{
    struct federation f;
    struct test_register r;
    struct test_log branch, after;
    (void)arg;
    federation_start(&f);
    test_admission(&f.logs[0], test_subject(1), day(0), office_of(0), CATEGORY_A, 3);
    offer(&f.logs[0], &f.units[1], 1, day(5));
    struct event_ref offered = test_ref(&f.logs[0], REF_OFFER);
    struct log_predecessor both[2] = {test_log_at(&f.logs[0])};
    seal_all(&f);
    accept_offer(&f.logs[1], &f.units[0], 1, 1, day(6), offered);
    struct event_ref accepted = test_ref(&f.logs[1], REF_ACCEPTANCE);
    seal_all(&f);
    test_log_start(&branch, &f.units[0], 40, both, 1);
    struct position completed = complete(&branch, &f.units[1], terms_of(1), 1, day(9), offered, accepted);
    both[1] = test_log_at(&branch);
    test_runs_take(&f.runs, &branch);
    test_event(&f.logs[0], KIND_HANDOVER_WITHDRAWN, test_subject(1), day(5), &offered, 1);
    both[0] = test_log_at(&f.logs[0]);
    seal_all(&f);
    test_log_start(&after, &f.units[0], 50, both, 2);
    struct position category = test_category(&after, test_subject(1), day(7), CATEGORY_C);
    test_runs_take(&f.runs, &after);
    deliver_in_orders(&r, &f, 16);
    expect(&r, &f.units[0], 1, completed, OUTCOME_CONFLICT, VOID_NO_OFFER);
    expect(&r, &f.units[0], 1, category, OUTCOME_APPLIED, VOID_NONE);
    assert_int_equal(homes_on(&r, &f, 1, day(20)), 1);
    test_log_release(&branch);
    test_log_release(&after);
    test_register_close(&r);
    federation_end(&f);
}

static void
the_old_home_changes_amounts_and_never_membership(void **arg)
{
    struct federation f;
    struct test_register r;
    (void)arg;
    federation_start(&f);
    struct position admitted = test_admission(&f.logs[0], test_subject(1), day(0), office_of(0), CATEGORY_A, 3);
    struct event_ref admission = test_ref(&f.logs[0], REF_CORRECTS);
    move(&f, 0, 1, 1, day(10));
    struct event_payload p = test_payload(KIND_MEMBER_ADMITTED, test_subject(1), day(0));
    p.admission = terms_of(0);
    p.admission.shares = 7;
    struct position amount = test_log_event(&f.logs[0], &p, &admission, 1);
    p.common.effective = day(1);
    struct position later = test_log_event(&f.logs[0], &p, &admission, 1);
    struct position resigned = test_event(&f.logs[0], KIND_MEMBER_RESIGNED, test_subject(1), day(5), NULL, 0);
    struct position category = test_category(&f.logs[0], test_subject(1), day(5), CATEGORY_C);
    struct position cancelled =
        test_cancel(&f.logs[0], KIND_ENTRY_CANCELLED, test_subject(1), day(0), test_ref(&f.logs[0], REF_CANCELS));
    struct position readmitted = test_admission(&f.logs[0], test_subject(1), day(12), office_of(0), CATEGORY_A, 1);
    seal_all(&f);
    deliver_in_orders(&r, &f, 8);
    expect(&r, &f.units[0], 1, admitted, OUTCOME_REPLACED, VOID_NONE);
    expect(&r, &f.units[0], 1, amount, OUTCOME_APPLIED, VOID_NONE);
    expect(&r, &f.units[0], 1, later, OUTCOME_VOID, VOID_NEW_HOME);
    expect(&r, &f.units[0], 1, resigned, OUTCOME_VOID, VOID_NEW_HOME);
    expect(&r, &f.units[0], 1, category, OUTCOME_VOID, VOID_NEW_HOME);
    expect(&r, &f.units[0], 1, readmitted, OUTCOME_VOID, VOID_MOVED);
    enum outcome o;
    (void)reason_at(&r, &f.units[0], 1, cancelled, &o);
    assert_int_equal(o, OUTCOME_VOID);
    assert_int_equal(state_of(&r, &f.units[0], 1, day(11)).owed[0].shares, 7);
    test_register_close(&r);
    federation_end(&f);
}

static void
what_a_closed_unit_writes_has_no_effect_but_what_is_due(void **arg)
{
    struct federation f;
    struct test_register r;
    (void)arg;
    federation_start(&f);
    test_admission(&f.logs[0], test_subject(1), day(0), office_of(0), CATEGORY_A, 3);
    test_event(&f.logs[0], KIND_MEMBER_RESIGNED, test_subject(1), day(5), NULL, 0);
    struct event_payload p = test_payload(KIND_UNIT_CLOSED, test_subject(1), day(10));
    p.common.has_subject = false;
    p.custodian = (struct custodian){.has_unit = true, .unit = f.units[1].id};
    test_log_event(&f.logs[0], &p, NULL, 0);
    test_admission(&f.logs[0], test_subject(2), day(1), office_of(0), CATEGORY_A, 3);
    p = test_payload(KIND_SHARES_REPAID, test_subject(1), day(11));
    p.repaid = (struct share_amount){.shares = 3, .amount_minor = 9000};
    memcpy(p.repaid.currency, "EUR", 4);
    struct position repaid = test_log_event(&f.logs[0], &p, NULL, 0);
    seal_all(&f);
    deliver_in_orders(&r, &f, 2);
    assert_int_equal(state_of(&r, &f.units[0], 2, day(20)).status, STATUS_NONE);
    assert_int_equal(test_register_rows(&r, TABLE_VOIDS), 1);
    expect(&r, &f.units[0], 1, repaid, OUTCOME_APPLIED, VOID_NONE);
    test_register_restart(&r); /* closings are found again */
    test_admission(&f.logs[0], test_subject(3), day(1), office_of(0), CATEGORY_A, 3);
    seal_all(&f);
    test_register_deliver(&r, &f.runs.v[f.runs.n - 1]);
    assert_int_equal(state_of(&r, &f.units[0], 3, day(20)).status, STATUS_NONE);
    test_register_close(&r);
    federation_end(&f);
}

static void
doubles_are_listed_settled_and_undone(void **arg)
{
    struct federation f;
    struct test_register r;
    (void)arg;
    federation_start(&f);
    test_admission(&f.logs[0], test_subject(1), day(0), office_of(0), CATEGORY_A, 3);
    test_admission(&f.logs[1], test_subject(9), day(3), office_of(1), CATEGORY_A, 3);
    struct event_payload p = test_payload(KIND_DOUBLE_DECLARED, test_subject(9), day(4));
    p.doubled = (struct double_record){.unit = f.units[0].id, .subject = test_subject(1)};
    test_log_event(&f.logs[1], &p, NULL, 0);
    struct position again = test_log_event(&f.logs[1], &p, NULL, 0);
    seal_all(&f);
    p = test_payload(KIND_DOUBLE_SETTLED, test_subject(9), day(6));
    p.doubled = (struct double_record){
        .unit = f.units[0].id, .subject = test_subject(1), .outcome = DOUBLE_THIS_GIVEN_UP, .reason = 1};
    test_log_event(&f.logs[1], &p, NULL, 0);
    struct event_ref settled = test_ref(&f.logs[1], REF_CANCELS);
    seal_all(&f);
    deliver_in_orders(&r, &f, 4);
    assert_int_equal(test_register_rows(&r, TABLE_DOUBLES), 1);
    expect(&r, &f.units[1], 9, again, OUTCOME_VOID, VOID_DOUBLE);
    struct member_state s = state_of(&r, &f.units[1], 9, day(7));
    assert_int_equal(s.left_reason, LEFT_DOUBLE);
    assert_int_equal(s.owed[0].shares, 3);
    assert_int_equal(count_of(&r, &f.units[1], COUNT_MERGED), 1);
    assert_int_equal(count_of(&r, &f.units[1], COUNT_MEMBERS), 0);
    test_cancel(&f.logs[1], KIND_ENTRY_CANCELLED, test_subject(9), day(6), settled);
    seal_all(&f);
    test_register_deliver(&r, &f.runs.v[f.runs.n - 1]);
    assert_int_equal(state_of(&r, &f.units[1], 9, day(7)).status, STATUS_MEMBER);
    assert_int_equal(count_of(&r, &f.units[1], COUNT_MERGED), 0);
    test_register_close(&r);
    federation_end(&f);
}

static void
what_is_erased_or_restricted_shows_until_it_is_lifted(void **arg)
{
    struct federation f;
    struct test_register r;
    (void)arg;
    federation_start(&f);
    test_admission(&f.logs[0], test_subject(1), day(0), office_of(0), CATEGORY_A, 3);
    struct event_payload p = test_payload(KIND_ERASURE_ORDERED, test_subject(1), day(5));
    p.erasure = (struct erasure){.n_classes = 1, .classes = {CLASS_CONTACT}, .ground = 1};
    test_log_event(&f.logs[0], &p, NULL, 0);
    p = test_payload(KIND_RESTRICTION_ORDERED, test_subject(1), day(5));
    p.erasure = (struct erasure){.n_classes = 1, .classes = {CLASS_IDENTITY}, .ground = 1, .until = day(500)};
    test_log_event(&f.logs[0], &p, NULL, 0);
    p.erasure.until = day(400); /* an earlier date takes nothing back */
    test_log_event(&f.logs[0], &p, NULL, 0);
    p = test_payload(KIND_RESTRICTION_LIFTED, test_subject(1), day(9));
    p.erasure = (struct erasure){.n_classes = 1, .classes = {CLASS_IDENTITY}, .until = DATE_NONE};
    test_log_event(&f.logs[0], &p, NULL, 0);
    seal_all(&f);
    deliver_in_orders(&r, &f, 3);
    struct member_state s = state_of(&r, &f.units[0], 1, day(5));
    assert_int_equal(s.erased, 1 << (CLASS_CONTACT - 1));
    assert_int_equal(s.restricted, 1 << (CLASS_IDENTITY - 1));
    assert_int_equal(s.restricted_until[CLASS_IDENTITY - 1].days, day(500).days);
    s = state_of(&r, &f.units[0], 1, day(9));
    assert_int_equal(s.restricted, 0);
    test_register_close(&r);
    federation_end(&f);
}

/* Each of n units has the member and lets go of him to the next one on the same day: none of the completions is in another's past. */
static void
ring(struct federation *f, size_t n, uint32_t subject, struct civil_date on, struct position *ret)
{
    struct event_ref offered[UNITS], accepted[UNITS];
    for (size_t i = 0; i < n; i++) {
        test_admission(&f->logs[i], test_subject(subject), day(0), office_of(i), CATEGORY_A, 3);
        offer(&f->logs[i], &f->units[(i + 1) % n], subject, on);
        offered[i] = test_ref(&f->logs[i], REF_OFFER);
    }
    seal_all(f);
    for (size_t i = 0; i < n; i++) {
        size_t to = (i + 1) % n;
        accept_offer(&f->logs[to], &f->units[i], to, subject, on, offered[i]);
        accepted[i] = test_ref(&f->logs[to], REF_ACCEPTANCE);
    }
    seal_all(f);
    for (size_t i = 0; i < n; i++) {
        size_t to = (i + 1) % n;
        ret[i] = complete(&f->logs[i], &f->units[to], terms_of(to), subject, on, offered[i], accepted[i]);
    }
    seal_all(f);
}

static void
units_that_move_a_member_in_a_circle_on_one_day_have_one_outcome(void **arg)
{
    (void)arg;
    for (size_t n = 2; n <= UNITS; n++) {
        struct federation f;
        struct test_register r;
        struct position completed[UNITS];
        federation_start(&f);
        ring(&f, n, 1, day(10), completed);
        /* The last in its row, and still before an arrival of its day. */
        for (size_t i = 0; i < n; i++) {
            struct event_payload p = test_payload(KIND_RESTRICTION_LIFTED, test_subject(1), day(10));
            p.erasure = (struct erasure){.n_classes = 1, .classes = {CLASS_IDENTITY}, .until = DATE_NONE};
            test_log_event(&f.logs[i], &p, NULL, 0);
        }
        seal_all(&f);
        deliver_in_orders(&r, &f, 24);
        size_t first = 0, moved = 0, homes = homes_on(&r, &f, 1, day(10));
        for (size_t i = 0; i < n; i++) {
            enum outcome o;
            (void)reason_at(&r, &f.units[i], 1, completed[i], &o);
            moved += o == OUTCOME_APPLIED;
            first = memcmp(completed[i].log.b, completed[first].log.b, HASH_BYTES) < 0 ? i : first;
        }
        /* The least of them moves the member whatever the others say, and who takes him in lets go of nobody that day. */
        expect(&r, &f.units[first], 1, completed[first], OUTCOME_APPLIED, VOID_NONE);
        size_t next = (first + 1) % n;
        expect(&r, &f.units[next], 1, completed[next], OUTCOME_CONFLICT, VOID_FIRST_DAY);
        assert_int_equal(moved, n - 1);
        assert_int_equal(homes, n - 1);
        test_register_close(&r);
        federation_end(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_has_one_home_on_any_day_whatever_arrives_first),
        cmocka_unit_test(nothing_moves_before_completion_and_a_late_acceptance_does_nothing),
        cmocka_unit_test(forged_completions_and_acceptances_are_void),
        cmocka_unit_test(two_completions_on_two_branches_have_one_outcome),
        cmocka_unit_test(who_lost_a_member_to_a_branch_can_have_him_later),
        cmocka_unit_test(units_that_move_a_member_in_a_circle_on_one_day_have_one_outcome),
        cmocka_unit_test(a_completion_heard_of_last_can_be_received_whatever_was_written_meanwhile),
        cmocka_unit_test(a_completion_without_effect_shuts_nothing),
        cmocka_unit_test(the_old_home_changes_amounts_and_never_membership),
        cmocka_unit_test(what_a_closed_unit_writes_has_no_effect_but_what_is_due),
        cmocka_unit_test(doubles_are_listed_settled_and_undone),
        cmocka_unit_test(what_is_erased_or_restricted_shows_until_it_is_lifted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
