/* Rows of one member in several units at their bounds: whatever arrives first, and however many turns they take, the state is one.
 * docs/PROTOCOL.md §8 "Kin", §10. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/event_samples.h"
#include "tests/support/register.h"

/* Of each unit a log, and two that begin beside each other after its first events: what the second writes comes after all of the first in a
 * row, where the first has the lesser id. */
enum { UNITS = 4, LOGS = 3, SAID_MAX = 512, RUN_EVENTS = 200 };
enum { LOG_FIRST, LOG_LESSER, LOG_GREATER };

static struct civil_date
day(int n)
{
    return (struct civil_date){20000 + n};
}

static const struct subject_id OFFICE = {{0x0F, 1}};

/* An event of a handover, as others refer to it. */
struct said {
    uint16_t kind;
    size_t unit, other;
    struct event_ref ref, offer; /* offer: what an acceptance accepts */
};

struct federation {
    struct test_unit units[UNITS];
    struct test_log logs[UNITS][LOGS];
    struct test_runs runs;
    struct said said[SAID_MAX];
    size_t n_said;
};

static void
federation_seal(struct federation *f, struct test_log *log)
{
    if (log->seq > log->sealed) {
        test_runs_take(&f->runs, log);
    }
}

static void
seal_all(struct federation *f)
{
    for (size_t i = 0; i < UNITS; i++) {
        for (size_t k = LOGS; k-- > 0;) {
            federation_seal(f, &f->logs[i][k]);
        }
    }
}

/* Everyone has the subject as a member from day 0 on if `members`. */
static void
federation_start(struct federation *f, bool members)
{
    memset(f, 0, sizeof(*f));
    for (size_t i = 0; i < UNITS; i++) {
        char code[3] = {'U', (char)('A' + i), 0};
        struct test_log *log = f->logs[i];
        test_unit_make(&f->units[i], code, (uint8_t)(i + 1));
        test_log_start(&log[LOG_FIRST], &f->units[i], 1, NULL, 0);
        test_event(&log[LOG_FIRST], KIND_UNIT_DESCRIBED, OFFICE, day(-400), NULL, 0);
        test_event(&log[LOG_FIRST], KIND_OFFICE_OPENED, OFFICE, day(-400), NULL, 0);
        if (members) {
            test_admission(&log[LOG_FIRST], test_subject(1), day(0), OFFICE, CATEGORY_A, 3);
        }
        struct log_predecessor before = test_log_at(&log[LOG_FIRST]);
        test_log_start(&log[LOG_LESSER], &f->units[i], 2, &before, 1);
        test_log_start(&log[LOG_GREATER], &f->units[i], 3, &before, 1);
        if (memcmp(log[LOG_LESSER].id.b, log[LOG_GREATER].id.b, HASH_BYTES) > 0) {
            struct test_log greater = log[LOG_LESSER];
            log[LOG_LESSER] = log[LOG_GREATER];
            log[LOG_GREATER] = greater;
        }
    }
    seal_all(f);
}

static void
federation_end(struct federation *f)
{
    for (size_t i = 0; i < UNITS; i++) {
        for (size_t k = 0; k < LOGS; k++) {
            test_log_release(&f->logs[i][k]);
        }
    }
    test_runs_release(&f->runs);
}

static const struct said *
keep(struct federation *f, const struct test_log *log, struct said s)
{
    static const uint8_t roles[] = {REF_OFFER, REF_ACCEPTANCE, REF_COMPLETION, REF_OFFER, REF_COMPLETION};
    assert_true(f->n_said < SAID_MAX);
    s.ref = test_ref(log, roles[s.kind - KIND_HANDOVER_OFFERED]);
    f->said[f->n_said] = s;
    return &f->said[f->n_said++];
}

static void
write_handover(struct test_log *log, uint16_t kind, const struct test_unit *other, struct civil_date on,
               const struct event_ref *refs, size_t n)
{
    struct event_payload p = test_payload(kind, test_subject(1), on);
    if (kind == KIND_HANDOVER_OFFERED) {
        p.handover = (struct handover){.other = other->id, .proposed = on};
    } else if (kind <= KIND_HANDOVER_COMPLETED) {
        p.handover = (struct handover){.other = other->id};
        p.handover.terms = (struct admission){.category = CATEGORY_A,
                                              .person_type = PERSON_NATURAL,
                                              .shares = 1,
                                              .share_price_minor = 3000,
                                              .currency = "EUR"};
        memcpy(p.handover.terms.office.b, OFFICE.b, sizeof(OFFICE.b));
        p.handover.activities = kind == KIND_HANDOVER_COMPLETED;
    }
    test_log_event(log, &p, refs, n);
}

static const struct said *
offer(struct federation *f, size_t unit, size_t log, size_t to, int on)
{
    write_handover(&f->logs[unit][log], KIND_HANDOVER_OFFERED, &f->units[to], day(on), NULL, 0);
    return keep(f, &f->logs[unit][log], (struct said){.kind = KIND_HANDOVER_OFFERED, .unit = unit, .other = to});
}

static const struct said *
accept_offer(struct federation *f, size_t unit, size_t log, const struct said *offered, int on)
{
    write_handover(&f->logs[unit][log], KIND_HANDOVER_ACCEPTED, &f->units[offered->unit], day(on), &offered->ref, 1);
    return keep(
        f, &f->logs[unit][log],
        (struct said){.kind = KIND_HANDOVER_ACCEPTED, .unit = unit, .other = offered->unit, .offer = offered->ref});
}

static const struct said *
complete(struct federation *f, size_t unit, size_t log, const struct said *accepted, int on)
{
    struct event_ref refs[2] = {accepted->offer, accepted->ref};
    write_handover(&f->logs[unit][log], KIND_HANDOVER_COMPLETED, &f->units[accepted->unit], day(on), refs, 2);
    return keep(f, &f->logs[unit][log],
                (struct said){.kind = KIND_HANDOVER_COMPLETED, .unit = unit, .other = accepted->unit});
}

static struct hash
state_after(const struct federation *f, uint64_t seed, bool check)
{
    struct test_register r;
    test_register_open(&r);
    r.fast = true;
    test_register_deliver_all(&r, &f->runs, seed);
    if (check) {
        test_register_check(&r); /* against a rebuild too */
    }
    struct hash print = test_register_fingerprint(&r);
    test_register_close(&r);
    return print;
}

static void
all_orders_give_one(const struct federation *f, unsigned orders)
{
    struct hash first = state_after(f, 0, true);
    for (unsigned seed = 1; seed < orders; seed++) {
        struct hash print = state_after(f, seed, seed < 2);
        assert_memory_equal(print.b, first.b, sizeof(first.b));
    }
}

static struct member_row
row_of(struct test_register *r, const struct federation *f, size_t unit)
{
    struct member_row row;
    assert_true(test_register_member(r, &f->units[unit].id, test_subject(1), &row));
    return row;
}

static size_t
count_if(const struct member_row *row, uint16_t kind, bool arrival, enum void_reason reason)
{
    size_t n = 0;
    for (size_t i = 0; i < row->n; i++) {
        const struct member_entry *e = &row->entries[i];
        n += e->kind == kind && e->arrival == arrival && e->reason == reason;
    }
    return n;
}

/* ---- any history, any order ---- */

static const struct said *
draw_said(const struct federation *f, uint64_t *random, uint16_t kind)
{
    for (int tries = 0; tries < 40; tries++) {
        const struct said *s = &f->said[test_random(random) % f->n_said];
        if (s->kind == kind) {
            return s;
        }
    }
    return NULL;
}

static void
say_anything(struct federation *f, uint64_t *random, int on)
{
    size_t unit = test_random(random) % UNITS, other = (unit + 1 + test_random(random) % (UNITS - 1)) % UNITS;
    size_t log = LOG_LESSER + test_random(random) % 2;
    const struct said *s;
    switch (test_random(random) % 8) {
    case 0: (void)offer(f, unit, log, other, on); break;
    case 1:
    case 2:
        s = draw_said(f, random, KIND_HANDOVER_OFFERED);
        if (s != NULL) {
            /* Mostly by the one it was made to. */
            (void)accept_offer(f, test_random(random) % 8 != 0 ? s->other : unit, log, s, on);
        }
        break;
    case 3:
    case 4:
    case 5:
        s = draw_said(f, random, KIND_HANDOVER_ACCEPTED);
        if (s != NULL && s->other != s->unit) {
            (void)complete(f, s->other, log, s, on);
        }
        break;
    case 6:
        s = draw_said(f, random, KIND_HANDOVER_COMPLETED);
        if (s != NULL) {
            write_handover(&f->logs[s->other][log], KIND_HANDOVER_RECEIVED, NULL, day(on), &s->ref, 1);
        }
        break;
    default: test_event(&f->logs[unit][log], KIND_MEMBER_RESIGNED, test_subject(1), day(on), NULL, 0); break;
    }
}

static void
rows_at_the_bound_of_handovers_are_one_whatever_came_first(void **state)
{
    (void)state;
    for (uint64_t history = 1; history <= 6; history++) {
        struct federation f;
        uint64_t random = history;
        federation_start(&f, true);
        /* What comes late in the order fills each row but for a few. */
        for (size_t i = 0; i < UNITS; i++) {
            for (size_t n = 0; n < HANDOVERS_MAX - 8; n++) {
                write_handover(&f.logs[i][n % 2 == 0 ? LOG_GREATER : LOG_LESSER], KIND_HANDOVER_OFFERED,
                               &f.units[(i + 1) % UNITS], day(1), NULL, 0);
            }
            (void)offer(&f, i, LOG_GREATER, (i + 2) % UNITS, 1);
            (void)offer(&f, i, LOG_GREATER, (i + 1) % UNITS, 1);
        }
        seal_all(&f);
        for (int n = 0; n < 70; n++) {
            say_anything(&f, &random, 2 + n / 8);
            seal_all(&f);
        }
        all_orders_give_one(&f, 8);
        federation_end(&f);
    }
}

static void
short_histories_are_one_whatever_came_first(void **state)
{
    (void)state;
    for (uint64_t history = 1; history <= 12; history++) {
        struct federation f;
        uint64_t random = history * 77;
        federation_start(&f, history % 3 != 0);
        for (size_t i = 0; i < UNITS; i++) {
            (void)offer(&f, i, LOG_LESSER, (i + 1) % UNITS, 1);
        }
        for (int n = 0; n < 60; n++) {
            say_anything(&f, &random, 2 + n / 8);
            seal_all(&f);
        }
        all_orders_give_one(&f, 10);
        federation_end(&f);
    }
}

/* ---- what falls off the end of a row ---- */

/* A move from unit 0 to unit 1 of which unit 0 writes its part into the greater log. */
static void
move(struct federation *f)
{
    const struct said *offered = offer(f, 0, LOG_GREATER, 1, 5);
    const struct said *accepted = accept_offer(f, 1, LOG_LESSER, offered, 6);
    (void)complete(f, 0, LOG_GREATER, accepted, 7);
}

static void
a_row_that_loses_what_its_kin_rest_on_tells_them(void **state)
{
    struct federation f;
    struct test_register r;
    (void)state;
    federation_start(&f, false);
    struct test_log *lesser = &f.logs[0][LOG_LESSER], *greater = &f.logs[0][LOG_GREATER];
    /* Void, all of them: a member elsewhere in the order. They fill the row but for the admission and the handover. */
    for (size_t n = 0; n < MEMBER_ENTRIES_MAX - 3; n++) {
        test_category(lesser, test_subject(1), day(3), n % 2 == 0 ? CATEGORY_B : CATEGORY_A);
        if (n % RUN_EVENTS == RUN_EVENTS - 1) {
            federation_seal(&f, lesser);
        }
    }
    federation_seal(&f, lesser);
    test_admission(greater, test_subject(1), day(0), OFFICE, CATEGORY_A, 3);
    move(&f);
    federation_seal(&f, greater);
    seal_all(&f);
    test_register_open(&r);
    r.fast = true;
    test_register_deliver_all(&r, &f.runs, 0);
    struct member_row row = row_of(&r, &f, 1);
    assert_int_equal(count_if(&row, KIND_HANDOVER_COMPLETED, true, VOID_NONE), 1);
    member_row_release(&row);
    row = row_of(&r, &f, 0);
    assert_int_equal(row.n, MEMBER_ENTRIES_MAX);
    member_row_release(&row);
    /* First the completion falls off, then the offer, and with it the last that names the other unit. */
    for (int n = 0; n < 2; n++) {
        test_category(lesser, test_subject(1), day(3), CATEGORY_B);
        federation_seal(&f, lesser);
        test_register_deliver(&r, &f.runs.v[f.runs.n - 1]);
        row = row_of(&r, &f, 1);
        assert_int_equal(count_if(&row, KIND_HANDOVER_COMPLETED, true, VOID_NONE), 0);
        assert_int_equal(count_if(&row, KIND_HANDOVER_ACCEPTED, false, VOID_NONE), n == 0);
        assert_int_equal(count_if(&row, KIND_HANDOVER_ACCEPTED, false, VOID_REFERENCE), n);
        member_row_release(&row);
        row = row_of(&r, &f, 0);
        assert_int_equal(row.n, MEMBER_ENTRIES_MAX);
        assert_int_equal(member_row_has_kin(&row), n == 0);
        member_row_release(&row);
    }
    test_register_check(&r);
    test_register_close(&r);
    federation_end(&f);
}

static void
of_a_row_only_so_many_handovers_are_looked_at(void **state)
{
    struct federation f;
    struct test_register r;
    (void)state;
    federation_start(&f, true);
    for (size_t n = 0; n < HANDOVERS_MAX - 2; n++) {
        write_handover(&f.logs[0][LOG_LESSER], KIND_HANDOVER_OFFERED, &f.units[2], day(30), NULL, 0);
    }
    move(&f);
    test_event(&f.logs[1][LOG_LESSER], KIND_MEMBER_RESIGNED, test_subject(1), day(2), NULL, 0);
    seal_all(&f);
    test_register_open(&r);
    r.fast = true;
    test_register_deliver_all(&r, &f.runs, 0);
    struct member_row row = row_of(&r, &f, 1);
    assert_int_equal(count_if(&row, KIND_HANDOVER_COMPLETED, true, VOID_NONE), 1);
    member_row_release(&row);
    write_handover(&f.logs[0][LOG_LESSER], KIND_HANDOVER_OFFERED, &f.units[2], day(30), NULL, 0);
    seal_all(&f);
    test_register_deliver(&r, &f.runs.v[f.runs.n - 1]);
    row = row_of(&r, &f, 0);
    assert_int_equal(count_if(&row, KIND_HANDOVER_COMPLETED, false, VOID_TOO_MANY), 1);
    member_row_release(&row);
    row = row_of(&r, &f, 1);
    assert_int_equal(count_if(&row, KIND_HANDOVER_COMPLETED, true, VOID_NONE), 0);
    member_row_release(&row);
    test_register_check(&r);
    test_register_close(&r);
    federation_end(&f);
}

/* ---- turns ---- */

/* Two rows each entry of which rests on one of the other, and all on one that comes last. The completions are dated too early to do anything,
 * so that the member stays and the next offer can be made. */
static void
a_long_chain_from_row_to_row_settles_in_as_many_turns_as_it_has_links(void **state)
{
    enum { LINKS = HANDOVERS_MAX / 2 };
    struct federation f;
    struct test_register r;
    (void)state;
    federation_start(&f, true);
    size_t before = f.runs.n;
    test_category(&f.logs[0][LOG_LESSER], test_subject(1), day(1), CATEGORY_B);
    struct event_ref last = test_ref(&f.logs[0][LOG_LESSER], REF_CORRECTS);
    seal_all(&f);
    struct event_payload p = test_payload(KIND_CATEGORY_CHANGED, test_subject(1), day(1));
    p.category = CATEGORY_B;
    test_log_event(&f.logs[0][LOG_GREATER], &p, &last, 1);
    for (size_t n = 0; n < LINKS; n++) {
        const struct said *offered = offer(&f, 0, LOG_GREATER, 1, 5);
        const struct said *accepted = accept_offer(&f, 1, LOG_LESSER, offered, 6);
        (void)complete(&f, 0, LOG_GREATER, accepted, 0);
    }
    seal_all(&f);
    test_register_open(&r);
    r.fast = true;
    for (size_t i = 0; i < f.runs.n; i++) {
        if (i != before) {
            test_register_deliver(&r, &f.runs.v[i]);
        }
    }
    uint64_t turns = apply_stats(r.apply).turns;
    test_register_deliver(&r, &f.runs.v[before]);
    turns = apply_stats(r.apply).turns - turns;
    assert_in_range(turns, LINKS, 4 * LINKS);
    test_register_check(&r);
    struct hash print = test_register_fingerprint(&r), as_written = state_after(&f, 0, false);
    assert_memory_equal(print.b, as_written.b, sizeof(print.b));
    test_register_close(&r);
    federation_end(&f);
}

static void
an_event_that_kin_do_not_see_gives_nobody_a_turn(void **state)
{
    struct federation f;
    struct test_register r;
    (void)state;
    federation_start(&f, true);
    move(&f);
    seal_all(&f);
    test_register_open(&r);
    r.fast = true;
    test_register_deliver_all(&r, &f.runs, 0);
    uint64_t turns = apply_stats(r.apply).turns;
    assert_true(turns > 0);
    test_event(&f.logs[0][LOG_GREATER], KIND_CONSENT_GIVEN, test_subject(1), day(9), NULL, 0);
    test_event(&f.logs[1][LOG_LESSER], KIND_CONSENT_GIVEN, test_subject(1), day(9), NULL, 0);
    size_t from = f.runs.n;
    seal_all(&f);
    for (size_t i = from; i < f.runs.n; i++) {
        test_register_deliver(&r, &f.runs.v[i]);
    }
    assert_int_equal(apply_stats(r.apply).turns, turns);
    test_register_check(&r);
    test_register_close(&r);
    federation_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_histories_are_one_whatever_came_first),
        cmocka_unit_test(rows_at_the_bound_of_handovers_are_one_whatever_came_first),
        cmocka_unit_test(a_row_that_loses_what_its_kin_rest_on_tells_them),
        cmocka_unit_test(of_a_row_only_so_many_handovers_are_looked_at),
        cmocka_unit_test(a_long_chain_from_row_to_row_settles_in_as_many_turns_as_it_has_links),
        cmocka_unit_test(an_event_that_kin_do_not_see_gives_nobody_a_turn),
    };
    return cmocka_run_group_tests_name("kin", tests, NULL, NULL);
}
