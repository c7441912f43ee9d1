/* Grants and passes: what can follow what, the state, the bytes of rows; and random sets of events in random orders, against §10 taken
 * literally. SEED=n replays one random case, CASES=n sets their number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "node/rules/access.h"
#include "tests/support/rules_world.h"

enum { LOGS = 4, EVENTS = 12, ORDERS = 4, CASES = 3000, DAY = 20000 };

struct fixture {
    struct world world;
    struct access_row row;
    struct missing missing;
    uint64_t seq;
    struct err err; /* of the last try */
};

static const struct unit_id UNIT = {{1}};
static const struct subject_id ACCESS = {{8}}, MEMBER = {{7}}, OTHER = {{9}};

static void
setup_world(struct world *w)
{
    world_init(w);
    world_add_log(w, 1, world_at(0, 0), world_at(0, 0));
    world_add_log(w, 2, world_at(1, 40), world_at(0, 0));
    world_add_log(w, 3, world_at(1, 40), world_at(0, 0));
    world_add_log(w, 4, world_at(2, 40), world_at(3, 40));
}

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    setup_world(&f->world);
    access_row_init(&f->row, &UNIT, &ACCESS);
    f->seq = 1;
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    access_row_release(&f->row);
    world_release(&f->world);
    free(f);
    return 0;
}

static void
fill(uint16_t kind, int32_t day, struct event_header *h, struct event_payload *p)
{
    memset(h, 0, sizeof(*h));
    memset(p, 0, sizeof(*p));
    h->kind = p->kind = kind;
    h->kind_version = 1;
    p->common.has_effective = true;
    p->common.effective.days = day;
    p->access.until = DATE_NONE;
    if (kind == KIND_ACCESS_REVOKED) {
        p->access.reason = ACCESS_END_LOST;
        return;
    }
    h->n_capsules = 2;
    h->capsules[0].class = h->capsules[1].class = CLASS_KEY;
    if (kind == KIND_ACCESS_RENEWED)
        return;
    p->access.member = MEMBER;
    p->access.classes = 1 << (CLASS_IDENTITY - 1) | 1 << (CLASS_CONTACT - 1);
    if (kind == KIND_ACCESS_GRANTED) {
        p->access.host = (struct unit_id){{5}};
        p->access.purpose = 2;
    } else {
        p->access.until.days = day + 365;
        p->access.stale_hours_max = 720;
        p->access.pass_key = (struct box_public){{4, 4}};
    }
}

static struct position
put(struct fixture *f, uint8_t log, uint16_t kind, int32_t day, enum outcome want, enum void_reason reason)
{
    struct event_header h;
    struct event_payload p;
    struct access_entry e;
    struct position at = world_at(log, ++f->seq);
    fill(kind, day, &h, &p);
    access_entry_from_event(&at, &h, &p, &e);
    f->err = (struct err){0};
    int rc = access_row_try(&f->row, &e, &f->world.w, &f->err);
    if (want != OUTCOME_CONFLICT)
        assert_int_equal(rc == 0, want == OUTCOME_APPLIED);
    assert_int_equal(access_row_add(&f->row, &e, &f->world.w, &f->missing, NULL), 0);
    for (size_t i = 0; i < f->row.n; i++) {
        if (f->row.entries[i].at.seq == at.seq && TYPE_EQ(&f->row.entries[i].at.log, &at.log)) {
            assert_int_equal(f->row.entries[i].outcome, want);
            assert_int_equal(f->row.entries[i].reason, reason);
        }
    }
    return at;
}

static struct access_state
state_of(const struct fixture *f)
{
    struct access_state s;
    access_state_of(&f->row, &s);
    return s;
}

/* ---- one after the other ---- */

static void
a_grant_is_given_renewed_and_revoked(void **state)
{
    struct fixture *f = *state;
    assert_false(state_of(f).exists);
    struct position made = put(f, 1, KIND_ACCESS_GRANTED, DAY, OUTCOME_APPLIED, VOID_NONE);
    struct access_state s = state_of(f);
    assert_true(s.exists && !s.is_pass && !s.revoked);
    assert_memory_equal(&s.facts.member, &MEMBER, sizeof(MEMBER));
    assert_int_equal(s.facts.purpose, 2);
    assert_int_equal(s.from.days, DAY);
    assert_int_equal(s.keyed_on.days, DAY);
    assert_int_equal(s.made.seq, made.seq);
    assert_false(access_stands(&s, (struct civil_date){DAY - 1}));
    assert_true(access_is_open(&s, (struct civil_date){DAY - 1}));
    assert_true(access_stands(&s, (struct civil_date){DAY + 100000})); /* without an end */
    struct position again = put(f, 1, KIND_ACCESS_RENEWED, DAY + 30, OUTCOME_APPLIED, VOID_NONE);
    assert_int_equal(state_of(f).keyed_on.days, DAY + 30);
    struct access_keys keys[4];
    assert_int_equal(access_keys_of(&f->row, keys, 4), 2);
    assert_int_equal(keys[0].at.seq, again.seq);
    assert_int_equal(keys[0].kind, KIND_ACCESS_RENEWED);
    assert_int_equal(keys[1].at.seq, made.seq);
    assert_int_equal(keys[1].capsules, 3);
    assert_int_equal(access_keys_of(&f->row, keys, 1), 2); /* says how many there are */
    struct position end = put(f, 1, KIND_ACCESS_REVOKED, DAY + 40, OUTCOME_APPLIED, VOID_NONE);
    s = state_of(f);
    assert_true(s.revoked);
    assert_int_equal(s.revoked_why, ACCESS_END_LOST);
    assert_int_equal(s.revoked_on.days, DAY + 40);
    assert_int_equal(s.revoked_by.seq, end.seq);
    assert_false(access_stands(&s, (struct civil_date){DAY + 1})); /* on no day: who asks, asks now */
}

static void
a_pass_stands_until_its_last_day(void **state)
{
    struct fixture *f = *state;
    put(f, 1, KIND_PASS_ISSUED, DAY, OUTCOME_APPLIED, VOID_NONE);
    struct access_state s = state_of(f);
    assert_true(s.is_pass);
    assert_int_equal(s.facts.stale_hours_max, 720);
    assert_int_equal(s.facts.pass_key.b[1], 4);
    assert_true(access_stands(&s, (struct civil_date){DAY + 365}));
    assert_false(access_stands(&s, (struct civil_date){DAY + 366}));
    assert_false(access_is_open(&s, (struct civil_date){DAY + 366}));
}

static void
what_cannot_follow_is_void_and_the_desk_is_told(void **state)
{
    struct fixture *f = *state;
    put(f, 1, KIND_ACCESS_REVOKED, DAY, OUTCOME_VOID, VOID_EXISTS_NOT);
    assert_string_equal(f->err.text, "no such grant or pass");
    put(f, 1, KIND_ACCESS_RENEWED, DAY, OUTCOME_VOID, VOID_EXISTS_NOT);
    put(f, 1, KIND_PASS_ISSUED, DAY, OUTCOME_APPLIED, VOID_NONE);
    put(f, 1, KIND_ACCESS_GRANTED, DAY + 1, OUTCOME_VOID, VOID_EXISTS);
    assert_string_equal(f->err.field, "access");
    put(f, 1, KIND_ACCESS_RENEWED, DAY - 1, OUTCOME_VOID, VOID_EXISTS_NOT);
    assert_string_equal(f->err.text, "effective_on: the access begins on 2024-10-04");
    put(f, 1, KIND_ACCESS_REVOKED, DAY + 2, OUTCOME_APPLIED, VOID_NONE);
    put(f, 1, KIND_ACCESS_RENEWED, DAY + 3, OUTCOME_VOID, VOID_CLOSED);
    assert_string_equal(f->err.text, "access: it was revoked on 2024-10-06");
    put(f, 1, KIND_ACCESS_REVOKED, DAY + 3, OUTCOME_VOID, VOID_CLOSED);
    put(f, 1, KIND_PASS_ISSUED, DAY + 3, OUTCOME_VOID, VOID_EXISTS);
    /* Dated before what is there, it would take it away. */
    put(f, 1, KIND_ACCESS_GRANTED, DAY - 9, OUTCOME_VOID, VOID_MAKES_IMPOSSIBLE);
    assert_true(state_of(f).is_pass);
}

static void
two_concurrent_revocations_are_one_and_a_conflict(void **state)
{
    struct fixture *f = *state;
    put(f, 1, KIND_ACCESS_GRANTED, DAY, OUTCOME_APPLIED, VOID_NONE);
    put(f, 2, KIND_ACCESS_REVOKED, DAY + 1, OUTCOME_APPLIED, VOID_NONE);
    put(f, 3, KIND_ACCESS_REVOKED, DAY + 1, OUTCOME_CONFLICT, VOID_CLOSED);
    assert_true(state_of(f).revoked);
}

/* No kind of the range takes references (§9), so no role can make one void, or take another's place. */
static void
references_are_ignored(void **state)
{
    struct fixture *f = *state;
    struct event_header h;
    struct event_payload p;
    struct access_entry e;
    struct position first = put(f, 1, KIND_ACCESS_GRANTED, DAY, OUTCOME_APPLIED, VOID_NONE);
    struct position at = world_at(1, ++f->seq);
    fill(KIND_ACCESS_GRANTED, DAY, &h, &p);
    h.refs[h.n_refs++] = world_ref(REF_CORRECTS, first);
    access_entry_from_event(&at, &h, &p, &e);
    assert_int_equal(e.n_refs, 0);
    assert_int_equal(access_row_add(&f->row, &e, &f->world.w, &f->missing, NULL), 0);
    assert_int_equal(f->row.entries[1].reason, VOID_EXISTS);
}

static int
count_member(void *arg, const struct subject_id *member)
{
    size_t *n = arg;
    n[TYPE_EQ(member, &OTHER)]++;
    return 0;
}

static void
the_index_has_each_member_that_an_event_of_the_row_names(void **state)
{
    struct fixture *f = *state;
    size_t n[2] = {0};
    put(f, 1, KIND_ACCESS_GRANTED, DAY, OUTCOME_APPLIED, VOID_NONE);
    put(f, 1, KIND_ACCESS_GRANTED, DAY, OUTCOME_VOID, VOID_EXISTS);
    f->row.entries[1].facts.member = OTHER;
    put(f, 1, KIND_ACCESS_RENEWED, DAY, OUTCOME_APPLIED, VOID_NONE);
    put(f, 1, KIND_ACCESS_GRANTED, DAY, OUTCOME_VOID, VOID_EXISTS);
    assert_int_equal(access_members(&f->row, count_member, n), 0);
    assert_int_equal(n[0], 1);
    assert_int_equal(n[1], 1);
}

static void
a_row_reads_as_it_was_written_and_nothing_else_does(void **state)
{
    struct fixture *f = *state;
    struct buf bytes, again;
    struct access_row back;
    struct err err = {0};
    put(f, 1, KIND_ACCESS_GRANTED, DAY, OUTCOME_APPLIED, VOID_NONE);
    f->row.entries[0].facts.until.days = DAY + 9;
    put(f, 1, KIND_PASS_ISSUED, DAY, OUTCOME_VOID, VOID_EXISTS);
    put(f, 1, KIND_ACCESS_RENEWED, DAY, OUTCOME_APPLIED, VOID_NONE);
    put(f, 2, KIND_ACCESS_REVOKED, DAY, OUTCOME_APPLIED, VOID_NONE);
    buf_init(&bytes, MEMBER_ROW_BYTES_MAX);
    buf_init(&again, MEMBER_ROW_BYTES_MAX);
    assert_int_equal(access_row_encode(&f->row, &bytes, &err), 0);
    assert_int_equal(access_row_decode(buf_slice(&bytes), &UNIT, &ACCESS, &back, &err), 0);
    assert_int_equal(back.n, 4);
    assert_int_equal(back.entries[0].facts.until.days, DAY + 9);
    assert_true(date_is_none(back.entries[3].facts.until) || back.entries[3].facts.until.days == 0);
    assert_int_equal(back.entries[3].facts.reason, ACCESS_END_LOST);
    assert_int_equal(access_row_encode(&back, &again, &err), 0);
    assert_true(slice_eq(buf_slice(&bytes), buf_slice(&again)));
    access_row_release(&back);
    for (size_t cut = 0; cut < bytes.len; cut++)
        assert_int_equal(access_row_decode(slice_of(bytes.data, cut), &UNIT, &ACCESS, &back, &err), ERR_CORRUPT);
    buf_free(&bytes);
    buf_free(&again);
}

static void
an_unknown_kind_that_must_be_understood_holds_up_the_access(void **state)
{
    struct fixture *f = *state;
    struct event_header h = {.kind = 87, .kind_version = 1, .must_understand = true};
    struct event_common c = {.has_effective = true, .effective = {DAY}};
    struct access_entry e;
    struct position at = world_at(1, 2);
    assert_true(access_entry_unknown(&at, &h, &c, &e));
    assert_int_equal(access_row_add(&f->row, &e, &f->world.w, &f->missing, NULL), 0);
    f->seq = 2;
    struct event_header granted;
    struct event_payload p;
    at = world_at(1, 3);
    fill(KIND_ACCESS_GRANTED, DAY, &granted, &p);
    access_entry_from_event(&at, &granted, &p, &e);
    assert_int_equal(access_row_add(&f->row, &e, &f->world.w, &f->missing, NULL), 0);
    assert_int_equal(f->row.entries[1].outcome, OUTCOME_UNKNOWN);
    assert_false(state_of(f).exists);
    h.must_understand = false;
    assert_false(access_entry_unknown(&at, &h, &c, &e));
}

/* ---- random sets in random orders ---- */

struct random_case {
    uint64_t seed, random;
    struct world world;
    size_t n;
    struct access_entry ev[EVENTS];
};

static uint32_t
draw(struct random_case *c, uint32_t below)
{
    c->random += 0x9e3779b97f4a7c15u;
    return (uint32_t)(mix64(c->random) >> 33) % below;
}

static void
draw_case(struct random_case *c, uint64_t seed)
{
    static const uint16_t kinds[] = {KIND_ACCESS_GRANTED, KIND_PASS_ISSUED, KIND_ACCESS_RENEWED, KIND_ACCESS_RENEWED,
                                     KIND_ACCESS_REVOKED};
    uint64_t seqs[LOGS + 1] = {0, 1, 1, 1, 1};
    memset(c, 0, sizeof(*c));
    c->seed = c->random = seed;
    c->n = 1 + draw(c, EVENTS);
    setup_world(&c->world);
    for (size_t i = 0; i < c->n; i++) {
        struct event_header h;
        struct event_payload p;
        uint8_t log = i < c->n / 3 ? 1 : (uint8_t)(2 + draw(c, 3));
        struct position at = world_at(log, ++seqs[log]);
        fill(i == 0 ? KIND_ACCESS_GRANTED : kinds[draw(c, ARRAY_LEN(kinds))], DAY + (int32_t)draw(c, 4), &h, &p);
        access_entry_from_event(&at, &h, &p, &c->ev[i]);
    }
}

static const struct access_entry *
in_row(const struct access_row *r, const struct access_entry *e)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->entries[i].at.seq == e->at.seq && TYPE_EQ(&r->entries[i].at.log, &e->at.log))
            return &r->entries[i];
    fail_msg("an event is not in the row");
    return NULL;
}

/* (depth, log id, seq): the logs' numbers are in that order. */
static bool
less(const struct access_entry *a, const struct access_entry *b)
{
    if (a->effective.days != b->effective.days)
        return a->effective.days < b->effective.days;
    return a->at.log.b[0] != b->at.log.b[0] ? a->at.log.b[0] < b->at.log.b[0] : a->at.seq < b->at.seq;
}

/* The table of §10 over the valid events, in the order of the fold. */
static void
check_slowly(const struct random_case *c, const struct access_row *r)
{
    struct access_state s;
    bool done[EVENTS] = {false}, exists = false, revoked = false;
    for (;;) {
        const struct access_entry *next = NULL;
        size_t at = 0;
        for (size_t i = 0; i < c->n; i++) {
            enum outcome o = in_row(r, &c->ev[i])->outcome;
            if (!done[i] && (o == OUTCOME_APPLIED || o == OUTCOME_CONFLICT) &&
                (next == NULL || less(&c->ev[i], next))) {
                next = &c->ev[i];
                at = i;
            }
        }
        if (next == NULL)
            break;
        done[at] = true;
        bool makes = next->kind == KIND_ACCESS_GRANTED || next->kind == KIND_PASS_ISSUED;
        bool ok = makes ? !exists : exists && !revoked;
        if (in_row(r, next)->outcome != (ok ? OUTCOME_APPLIED : OUTCOME_CONFLICT))
            fail_msg("an event is effective in one way only; replay with SEED=%llu", (unsigned long long)c->seed);
        exists = exists || (ok && makes);
        revoked = revoked || (ok && next->kind == KIND_ACCESS_REVOKED);
    }
    access_state_of(r, &s);
    if (s.exists != exists || s.revoked != revoked)
        fail_msg("another state than by the slow way; replay with SEED=%llu", (unsigned long long)c->seed);
}

static void
run_order(struct random_case *c, const size_t *order, struct buf *ret)
{
    struct access_row r;
    struct missing missing;
    access_row_init(&r, &UNIT, &ACCESS);
    buf_init(ret, MEMBER_ROW_BYTES_MAX);
    for (size_t k = 0; k < c->n; k++) {
        struct buf anew;
        assert_int_equal(access_row_add(&r, &c->ev[order[k]], &c->world.w, &missing, NULL), 0);
        assert_int_equal(access_row_add(&r, &c->ev[order[k]], &c->world.w, &missing, NULL), 0);
        buf_clear(ret);
        buf_init(&anew, MEMBER_ROW_BYTES_MAX);
        assert_int_equal(access_row_encode(&r, ret, NULL), 0);
        assert_int_equal(access_row_refold(&r, &c->world.w, &missing, NULL), 0);
        assert_int_equal(access_row_encode(&r, &anew, NULL), 0);
        if (!slice_eq(buf_slice(ret), buf_slice(&anew)))
            fail_msg("another row when folded anew; replay with SEED=%llu", (unsigned long long)c->seed);
        buf_free(&anew);
    }
    check_slowly(c, &r);
    access_row_release(&r);
}

static void
run_case(uint64_t seed)
{
    struct random_case c;
    struct buf first = {0}, other;
    size_t order[EVENTS];
    draw_case(&c, seed);
    for (size_t i = 0; i < c.n; i++)
        order[i] = i;
    for (size_t o = 0; o < ORDERS; o++) {
        run_order(&c, order, o == 0 ? &first : &other);
        if (o > 0) {
            if (!slice_eq(buf_slice(&first), buf_slice(&other)))
                fail_msg("another row in another order; replay with SEED=%llu", (unsigned long long)c.seed);
            buf_free(&other);
        }
        for (size_t i = c.n; i > 1; i--) {
            size_t k = draw(&c, (uint32_t)i), t = order[i - 1];
            order[i - 1] = order[k];
            order[k] = t;
        }
    }
    buf_free(&first);
    world_release(&c.world);
}

static void
rows_are_a_function_of_the_set_of_events(void **state)
{
    const char *seed = getenv("SEED"), *cases = getenv("CASES");
    uint64_t n = cases != NULL ? strtoull(cases, NULL, 10) : CASES;
    if (seed != NULL) {
        run_case(strtoull(seed, NULL, 10));
        return;
    }
    for (uint64_t s = 1; s <= n; s++)
        run_case(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_grant_is_given_renewed_and_revoked, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pass_stands_until_its_last_day, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_follow_is_void_and_the_desk_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(two_concurrent_revocations_are_one_and_a_conflict, setup, teardown),
        cmocka_unit_test_setup_teardown(references_are_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(the_index_has_each_member_that_an_event_of_the_row_names, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_reads_as_it_was_written_and_nothing_else_does, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unknown_kind_that_must_be_understood_holds_up_the_access, setup, teardown),
        cmocka_unit_test(rows_are_a_function_of_the_set_of_events),
    };
    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
