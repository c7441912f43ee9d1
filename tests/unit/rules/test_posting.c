/* Postings: what can follow what, months and countries, the bytes of rows, and random event sets in random orders. SEED=n replays one
 * case, CASES=n sets their number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "node/rules/posting.h"
#include "tests/support/rules_world.h"

enum { EVENTS = 14, ORDERS = 4, CASES = 2000 };

struct fixture {
    struct world world;
    struct posting_row row;
    struct missing missing;
    uint64_t seq;
    char text[sizeof(((struct err *)NULL)->text)]; /* of the last error */
};

/* Month 1 is January 2024; 13 the January after. */
static struct civil_date
month(int m)
{
    return date_from_ymd(2024 + (m - 1) / 12, (m - 1) % 12 + 1, 1);
}

static void
logs_add(struct world *w)
{
    world_add_log(w, 1, world_at(0, 0), world_at(0, 0));
    world_add_log(w, 2, world_at(1, 8), world_at(0, 0));
    world_add_log(w, 3, world_at(1, 8), world_at(0, 0));
}

static void
row_start(struct posting_row *row)
{
    struct unit_id unit = {{1}};
    struct subject_id posting = {{7, 7}};
    posting_row_init(row, &unit, &posting);
}

static void
setup(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    world_init(&f->world);
    logs_add(&f->world);
    row_start(&f->row);
    f->seq = 1;
}

static void
teardown(struct fixture *f)
{
    posting_row_release(&f->row);
    world_release(&f->world);
}

static struct posting_entry
entry_of(struct position at, uint16_t kind, int from, int last, const char *country, const struct event_ref *ref)
{
    struct event_header h = {.kind = kind, .kind_version = 1};
    struct event_payload p;
    struct posting_entry e;
    memset(&p, 0, sizeof(p));
    p.kind = kind;
    p.common.has_effective = true;
    p.common.effective = month(from);
    if (kind != KIND_POSTING_CANCELLED) {
        snprintf(p.posting.country, sizeof(p.posting.country), "%s", country);
        p.posting.last_month = month(last);
        h.n_capsules = 1;
        h.capsules[0].class = CLASS_ACTIVITY;
    }
    if (ref != NULL)
        h.refs[h.n_refs++] = *ref;
    posting_entry_from_event(&at, &h, &p, &e);
    return e;
}

static struct position
put(struct fixture *f, uint8_t log, uint16_t kind, int from, int last, const char *country, const struct event_ref *ref,
    enum void_reason want)
{
    struct posting_entry e = entry_of(world_at(log, ++f->seq), kind, from, last, country, ref);
    struct err err = {.code = ERR_NONE};
    int rc = posting_row_try(&f->row, &e, &f->world.w, &err);
    assert_int_equal(rc == 0, want == VOID_NONE);
    snprintf(f->text, sizeof(f->text), "%s", err.text);
    assert_int_equal(posting_row_add(&f->row, &e, &f->world.w, &f->missing, NULL), 0);
    const struct posting_entry *is = &f->row.entries[f->row.n - 1];
    assert_int_equal(is->reason, want);
    assert_int_equal(is->outcome, want == VOID_NONE ? OUTCOME_APPLIED : OUTCOME_VOID);
    return e.at;
}

static void
assert_stay(const struct posting_state *s, size_t i, const char *country, int first, int last)
{
    assert_true(i < s->n);
    assert_string_equal(s->stays[i].country, country);
    assert_int_equal(s->stays[i].first_month.days, month(first).days);
    assert_int_equal(s->stays[i].last_month.days, month(last).days);
}

static void
a_posting_is_issued_and_changed_within_24_months(void **state)
{
    struct fixture f;
    struct posting_state s;
    setup(&f);
    posting_state_of(&f.row, &s);
    assert_false(s.exists || s.cancelled);
    put(&f, 1, KIND_POSTING_CHANGED, 3, 5, "DE", NULL, VOID_EXISTS_NOT);
    assert_string_equal(f.text, "effective_on: the posting has not begun in 2024-03");
    put(&f, 1, KIND_POSTING_ISSUED, 3, 8, "DE", NULL, VOID_NONE);
    put(&f, 1, KIND_POSTING_ISSUED, 4, 8, "AT", NULL, VOID_EXISTS);
    assert_string_equal(f.text, "posting: it is recorded already");
    put(&f, 1, KIND_POSTING_CHANGED, 10, 12, "DE", NULL, VOID_CLOSED);
    assert_string_equal(f.text, "effective_on: the posting ended in 2024-08");
    put(&f, 1, KIND_POSTING_CHANGED, 9, 28, "DE", NULL, VOID_POSTING_LONG);
    assert_string_equal(f.text, "to: the posting would be longer than 24 months");
    put(&f, 1, KIND_POSTING_CHANGED, 9, 27, "DE", NULL, VOID_NONE);
    posting_state_of(&f.row, &s);
    assert_true(s.exists);
    assert_int_equal(s.n, 1);
    assert_stay(&s, 0, "DE", 3, 27);
    put(&f, 1, KIND_POSTING_CHANGED, 6, 7, "AT", NULL, VOID_MAKES_IMPOSSIBLE);
    put(&f, 1, KIND_POSTING_CHANGED, 12, 20, "AT", NULL, VOID_NONE);
    posting_state_of(&f.row, &s);
    assert_int_equal(s.n, 2);
    assert_stay(&s, 0, "DE", 3, 11);
    assert_stay(&s, 1, "AT", 12, 20);
    assert_string_equal(s.facts.country, "AT");
    assert_int_equal(s.said.days, month(12).days);
    put(&f, 1, KIND_POSTING_CHANGED, 12, 13, "DE", NULL, VOID_NONE);
    posting_state_of(&f.row, &s);
    assert_int_equal(s.n, 1);
    assert_stay(&s, 0, "DE", 3, 13);
    teardown(&f);
}

static void
a_correction_moves_the_first_month_and_what_would_not_fit_is_refused(void **state)
{
    struct fixture f;
    struct posting_state s;
    struct position links;
    setup(&f);
    struct position issued = put(&f, 1, KIND_POSTING_ISSUED, 3, 8, "DE", NULL, VOID_NONE);
    struct position changed = put(&f, 1, KIND_POSTING_CHANGED, 6, 26, "DE", NULL, VOID_NONE);
    struct event_ref r = world_ref(REF_CORRECTS, issued);
    put(&f, 1, KIND_POSTING_ISSUED, 7, 8, "DE", &r, VOID_MAKES_IMPOSSIBLE);
    put(&f, 1, KIND_POSTING_ISSUED, 1, 8, "DE", &r, VOID_MAKES_IMPOSSIBLE);
    put(&f, 1, KIND_POSTING_ISSUED, 2, 8, "FR", &r, VOID_NONE);
    posting_state_of(&f.row, &s);
    assert_stay(&s, 0, "FR", 2, 5);
    assert_stay(&s, 1, "DE", 6, 26);
    assert_int_equal(f.row.entries[posting_issue(&f.row)].facts.country[0], 'F');
    assert_true(posting_links_position(&f.row, &links));
    assert_int_equal(links.seq, changed.seq);
    teardown(&f);
}

static void
a_cancelled_posting_never_was_until_its_cancellation_is_corrected(void **state)
{
    struct fixture f;
    struct posting_state s;
    struct position links;
    setup(&f);
    struct position issued = put(&f, 1, KIND_POSTING_ISSUED, 3, 8, "DE", NULL, VOID_NONE);
    struct event_ref r = world_ref(REF_CANCELS, issued);
    put(&f, 1, KIND_POSTING_CANCELLED, 3, 0, NULL, &r, VOID_NONE);
    posting_state_of(&f.row, &s);
    assert_true(!s.exists && s.cancelled);
    assert_int_equal(s.n, 0);
    assert_string_equal(s.facts.country, "DE");
    assert_int_equal(s.said.days, month(3).days);
    assert_true(posting_links_position(&f.row, &links));
    assert_int_equal(links.seq, issued.seq);
    put(&f, 1, KIND_POSTING_CANCELLED, 3, 0, NULL, NULL, VOID_REFERENCE);
    put(&f, 1, KIND_POSTING_CHANGED, 3, 9, "DE", NULL, VOID_EXISTS_NOT);
    r = world_ref(REF_CORRECTS, issued);
    put(&f, 1, KIND_POSTING_ISSUED, 4, 4, "IT", &r, VOID_NONE);
    posting_state_of(&f.row, &s);
    assert_true(s.exists && !s.cancelled);
    assert_stay(&s, 0, "IT", 4, 4);
    teardown(&f);
}

/* Two logs go on from one posting: the later-dated change finds that the other has ended it. */
static void
what_two_logs_contradict_is_a_conflict(void **state)
{
    struct fixture f;
    struct posting_state s;
    setup(&f);
    put(&f, 1, KIND_POSTING_ISSUED, 3, 8, "DE", NULL, VOID_NONE);
    struct posting_entry early = entry_of(world_at(2, 2), KIND_POSTING_CHANGED, 3, 4, "DE", NULL),
                         late = entry_of(world_at(3, 2), KIND_POSTING_CHANGED, 7, 12, "DE", NULL);
    assert_int_equal(posting_row_add(&f.row, &late, &f.world.w, &f.missing, NULL), 0);
    assert_int_equal(posting_row_add(&f.row, &early, &f.world.w, &f.missing, NULL), 0);
    assert_int_equal(f.row.entries[1].outcome, OUTCOME_APPLIED);
    assert_int_equal(f.row.entries[2].outcome, OUTCOME_CONFLICT);
    assert_int_equal(f.row.entries[2].reason, VOID_CLOSED);
    posting_state_of(&f.row, &s);
    assert_stay(&s, 0, "DE", 3, 4);
    teardown(&f);
}

static void
rows_read_back_and_others_are_corrupt(void **state)
{
    struct fixture f;
    struct posting_row back;
    struct buf one, two;
    setup(&f);
    put(&f, 1, KIND_POSTING_ISSUED, 3, 8, "DE", NULL, VOID_NONE);
    put(&f, 1, KIND_POSTING_CHANGED, 10, 12, "DE", NULL, VOID_CLOSED);
    struct event_ref r = world_ref(REF_CANCELS, world_at(1, 2));
    put(&f, 1, KIND_POSTING_CANCELLED, 3, 0, NULL, &r, VOID_NONE);
    buf_init(&one, MEMBER_ROW_BYTES_MAX);
    buf_init(&two, MEMBER_ROW_BYTES_MAX);
    assert_int_equal(posting_row_encode(&f.row, &one, NULL), 0);
    assert_int_equal(posting_row_decode(buf_slice(&one), &f.row.unit, &f.row.posting, &back, NULL), 0);
    assert_int_equal(back.n, 3);
    assert_int_equal(back.entries[0].facts.last_month.days, month(8).days);
    assert_true(back.entries[0].has_links && !back.entries[2].has_links);
    assert_int_equal(posting_row_encode(&back, &two, NULL), 0);
    assert_true(slice_eq(buf_slice(&one), buf_slice(&two)));
    posting_row_release(&back);
    for (size_t n = 0; n < one.len; n++)
        assert_int_equal(posting_row_decode(slice_of(one.data, n), &f.row.unit, &f.row.posting, &back, NULL),
                         ERR_CORRUPT);
    buf_put_u8(&one, 0);
    assert_int_equal(posting_row_decode(buf_slice(&one), &f.row.unit, &f.row.posting, &back, NULL), ERR_CORRUPT);
    buf_free(&one);
    buf_free(&two);
    teardown(&f);
}

/* ---- at random ---- */

static uint64_t random_state;

static uint32_t
draw(uint32_t below)
{
    random_state += 0x9e3779b97f4a7c15u;
    return (uint32_t)(mix64(random_state) >> 33) % below;
}

static size_t
draw_events(struct posting_entry ev[EVENTS])
{
    static const char *const countries[] = {"DE", "AT", "FR"};
    uint64_t seqs[4] = {0, 1, 1, 1};
    size_t n = 1 + draw(EVENTS);
    for (size_t i = 0; i < n; i++) {
        uint8_t log = i < EVENTS / 2 ? 1 : (uint8_t)(2 + draw(2));
        uint16_t kind = i == 0 ? KIND_POSTING_ISSUED : (uint16_t)(KIND_POSTING_ISSUED + draw(3));
        struct event_ref ref;
        bool has = i > 0 && (kind == KIND_POSTING_CANCELLED || draw(3) == 0);
        size_t to = has ? draw((uint32_t)i) : 0;
        if (has && kind != KIND_POSTING_CANCELLED && ev[to].kind != KIND_POSTING_CANCELLED)
            kind = ev[to].kind;
        ref = world_ref(kind == KIND_POSTING_CANCELLED ? REF_CANCELS : REF_CORRECTS, ev[to].at);
        int from = 1 + (int)draw(8);
        ev[i] = entry_of(world_at(log, ++seqs[log]), kind, from, from + (int)draw(25), countries[draw(3)],
                         has ? &ref : NULL);
    }
    return n;
}

/* The next that can come: what is earlier in its log is there. */
static size_t
draw_next(const struct posting_entry *ev, size_t n, const bool *done)
{
    for (;;) {
        size_t i = draw((uint32_t)n);
        bool ready = !done[i];
        for (size_t k = 0; k < n && ready; k++)
            ready = done[k] || ev[k].at.log.b[0] != ev[i].at.log.b[0] || ev[k].at.seq >= ev[i].at.seq;
        if (ready)
            return i;
    }
}

static void
assert_months(const struct posting_row *row)
{
    struct posting_state s;
    posting_state_of(row, &s);
    assert_int_equal(s.exists, s.n > 0);
    for (size_t i = 0; i < s.n; i++) {
        assert_true(s.stays[i].first_month.days <= s.stays[i].last_month.days);
        if (i > 0) {
            assert_int_equal(month_number(s.stays[i].first_month), month_number(s.stays[i - 1].last_month) + 1);
            assert_string_not_equal(s.stays[i].country, s.stays[i - 1].country);
        }
    }
    if (s.exists)
        assert_true(month_number(s.stays[s.n - 1].last_month) - month_number(s.stays[0].first_month) <=
                    POSTING_MONTHS_MAX);
}

static void
every_order_gives_the_same_row(void **state)
{
    const char *seed = getenv("SEED"), *cases = getenv("CASES");
    uint64_t first = seed ? strtoull(seed, NULL, 10) : 1;
    uint64_t count = seed ? 1 : cases ? strtoull(cases, NULL, 10) : CASES;
    for (uint64_t at = first; at < first + count; at++) {
        struct posting_entry ev[EVENTS];
        struct world world;
        struct buf want, is;
        buf_init(&want, MEMBER_ROW_BYTES_MAX);
        buf_init(&is, MEMBER_ROW_BYTES_MAX);
        random_state = at;
        size_t n = draw_events(ev);
        world_init(&world);
        logs_add(&world);
        for (int order = 0; order < ORDERS; order++) {
            struct posting_row row;
            struct missing missing;
            bool done[EVENTS] = {false};
            row_start(&row);
            for (size_t i = 0; i < n; i++) {
                size_t next = order == 0 ? i : draw_next(ev, n, done);
                done[next] = true;
                assert_int_equal(posting_row_add(&row, &ev[next], &world.w, &missing, NULL), 0);
                assert_months(&row);
            }
            buf_clear(&is);
            assert_int_equal(posting_row_encode(&row, &is, NULL), 0);
            assert_int_equal(posting_row_refold(&row, &world.w, &missing, NULL), 0);
            buf_clear(&want);
            assert_int_equal(posting_row_encode(&row, &want, NULL), 0);
            if (!slice_eq(buf_slice(&is), buf_slice(&want)))
                fail_msg("folded bit by bit is not folded anew; replay with SEED=%llu", (unsigned long long)at);
            static uint8_t kept[65536];
            static size_t kept_len;
            if (order == 0) {
                kept_len = is.len;
                memcpy(kept, is.data, is.len);
            } else if (!slice_eq(slice_of(kept, kept_len), buf_slice(&is))) {
                fail_msg("another order gives another row; replay with SEED=%llu", (unsigned long long)at);
            }
            posting_row_release(&row);
        }
        world_release(&world);
        buf_free(&want);
        buf_free(&is);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_posting_is_issued_and_changed_within_24_months),
        cmocka_unit_test(a_correction_moves_the_first_month_and_what_would_not_fit_is_refused),
        cmocka_unit_test(a_cancelled_posting_never_was_until_its_cancellation_is_corrected),
        cmocka_unit_test(what_two_logs_contradict_is_a_conflict),
        cmocka_unit_test(rows_read_back_and_others_are_corrupt),
        cmocka_unit_test(every_order_gives_the_same_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
