/* Reports against a slow count from the members' rows, day by day, and the read queries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "node/view/view.h"
#include "tests/support/register.h"

enum { MEMBERS = 120, OFFICES = 3, DATES = 200, FIRST_DAY = 17000, SPAN = 3000 };

static struct subject_id
office(uint32_t n)
{
    struct subject_id s = {{0x0F, (uint8_t)n}};
    return s;
}

struct world {
    struct test_register r;
    struct test_unit units[2];
    struct db_txn *txn;
};

/* Random lives: admissions, changes of category and office, shares, ends, second memberships. */
static void
live(struct test_log *log, uint32_t n, uint64_t *seed)
{
    int d = FIRST_DAY + (int)(test_random(seed) % SPAN);
    struct subject_id s = test_subject(n);
    for (int turn = 0; turn < 2; turn++) {
        test_admission(log, s, (struct civil_date){d}, office((uint32_t)(test_random(seed) % OFFICES)),
                       (uint8_t)(1 + test_random(seed) % 3), 1 + test_random(seed) % 9);
        for (uint64_t i = test_random(seed) % 4; i > 0; i--) {
            d += (int)(test_random(seed) % 200);
            switch (test_random(seed) % 4) {
            case 0: test_category(log, s, (struct civil_date){d}, (uint8_t)(1 + test_random(seed) % 3)); break;
            case 1: test_move(log, s, (struct civil_date){d}, office((uint32_t)(test_random(seed) % OFFICES))); break;
            case 2: /* twice alike on one day */
                test_event(log, KIND_SHARES_SUBSCRIBED, s, (struct civil_date){d}, NULL, 0);
                test_event(log, KIND_SHARES_SUBSCRIBED, s, (struct civil_date){d}, NULL, 0);
                break;
            default: test_event(log, KIND_WITHDRAWAL_REQUESTED, s, (struct civil_date){d}, NULL, 0); break;
            }
        }
        if (test_random(seed) % 2)
            return;
        d += (int)(test_random(seed) % 300);
        test_event(log, test_random(seed) % 2 ? KIND_MEMBER_RESIGNED : KIND_MEMBER_EXCLUDED, s, (struct civil_date){d},
                   NULL, 0);
        d += (int)(test_random(seed) % 300);
    }
}

static int
setup(void **state)
{
    static const char *const codes[] = {"BE", "FR"};
    struct world *w = calloc(1, sizeof(*w));
    uint64_t seed = 11;
    struct err err;
    assert_non_null(w);
    test_register_open(&w->r);
    for (size_t u = 0; u < 2; u++) {
        struct test_runs runs = {.n = 0};
        struct test_log log;
        test_unit_make(&w->units[u], codes[u], (uint8_t)(u + 1));
        test_log_start(&log, &w->units[u], 1, NULL, 0);
        test_event(&log, KIND_UNIT_DESCRIBED, office(0), (struct civil_date){FIRST_DAY}, NULL, 0);
        for (uint32_t i = 0; i < OFFICES; i++)
            test_event(&log, KIND_OFFICE_OPENED, office(i), (struct civil_date){FIRST_DAY + (int)i}, NULL, 0);
        for (uint32_t i = 0; i < MEMBERS; i++) {
            live(&log, i + (uint32_t)u * MEMBERS / 2, &seed);
            if (i % 16 == 15)
                test_runs_take(&runs, &log);
        }
        if (log.sealed != log.seq)
            test_runs_take(&runs, &log);
        test_register_deliver_all(&w->r, &runs, 0);
        test_runs_release(&runs);
        test_log_release(&log);
    }
    assert_int_equal(db_begin_read(w->r.db, &w->txn, &err), 0);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;
    db_abort(&w->txn);
    test_register_close(&w->r);
    free(w);
    return 0;
}

/* ---- the slow count ---- */

struct cell {
    bool used;
    int64_t members, keys;
};

static size_t
cell_of(const struct member_state *s, unsigned by)
{
    size_t o = by & BY_OFFICE ? s->office.b[1] : 0;
    size_t c = by & BY_CATEGORY ? s->category : 0;
    size_t p = by & BY_PERSON_TYPE ? s->person_type : 0;
    return (o * 4 + c) * 4 + p;
}

/* Members of a unit on a day, and their shares, from the state of each row on that day. */
static void
count_slowly(struct world *w, const struct unit_id *unit, struct civil_date d, unsigned by, struct cell *cells,
             int64_t *shares)
{
    *shares = 0;
    memset(cells, 0, sizeof(*cells) * OFFICES * 16);
    for (uint32_t i = 0; i < 2 * MEMBERS; i++) {
        struct member_row row;
        struct member_state s;
        struct subject_id subject = test_subject(i);
        if (!test_register_member(&w->r, unit, subject, &row))
            continue;
        member_state_at(&row, d, &s);
        if (s.status == STATUS_MEMBER) {
            struct cell *c = &cells[cell_of(&s, by)];
            c->used = true;
            c->members++;
            c->keys = (int64_t)((uint64_t)c->keys + (uint64_t)member_record_key(&subject));
            *shares += (int64_t)s.shares;
        }
        member_row_release(&row);
    }
}

static void
members_on_any_day_are_those_whose_rows_say_so(void **state)
{
    struct world *w = *state;
    uint64_t seed = 3;
    int64_t seen = 0;
    for (int i = 0; i < DATES; i++) {
        unsigned by = (unsigned)(test_random(&seed) % 8);
        const struct unit_id *unit = &w->units[test_random(&seed) % 2].id;
        struct civil_date d = {FIRST_DAY - 50 + (int)(test_random(&seed) % (SPAN + 1500))};
        struct cell cells[OFFICES * 16];
        struct report report;
        struct err err;
        int64_t shares, held = 0;
        size_t used = 0, nonzero = 0;
        count_slowly(w, unit, d, by, cells, &shares);
        assert_int_equal(report_members(w->txn, unit, d, by, &report, &err), 0);
        for (size_t k = 0; k < report.n; k++) {
            const struct report_row *r = &report.rows[k];
            size_t at = ((size_t)r->office.b[1] * 4 + r->category) * 4 + r->person_type;
            assert_int_equal(r->counts[COUNT_MEMBERS], cells[at].members);
            assert_true(r->counts[COUNT_RECORD_KEYS] == cells[at].keys);
            assert_true(k == 0 || memcmp(&report.rows[k - 1].office, &r->office, ID_BYTES) <= 0);
            nonzero += r->counts[COUNT_MEMBERS] != 0;
            seen += r->counts[COUNT_MEMBERS];
        }
        for (size_t k = 0; k < ARRAY_LEN(cells); k++)
            used += cells[k].used;
        assert_int_equal(used, nonzero);
        for (size_t k = 0; k < report.n_capital; k++)
            held += report.capital[k].v[CAPITAL_SHARES_IN] - report.capital[k].v[CAPITAL_SHARES_OUT];
        assert_int_equal(held, shares);
        report_release(&report);
    }
    assert_true(seen > DATES);
}

static void
flows_are_the_joins_and_leaves_of_the_days_between(void **state)
{
    struct world *w = *state;
    uint64_t seed = 4;
    int64_t all = 0;
    for (int i = 0; i < 60; i++) {
        struct civil_date from = {FIRST_DAY + (int)(test_random(&seed) % SPAN)};
        struct civil_date to = {from.days + (int)(test_random(&seed) % 400)};
        struct report report;
        struct err err;
        int64_t joined = 0, left = 0;
        for (uint32_t k = 0; k < 2 * MEMBERS; k++) {
            struct member_row row;
            if (!test_register_member(&w->r, &w->units[0].id, test_subject(k), &row))
                continue;
            struct member_state before, s;
            member_state_at(&row, (struct civil_date){from.days - 1}, &before);
            for (int d = from.days; d <= to.days; d++) {
                member_state_at(&row, (struct civil_date){d}, &s);
                bool was = before.status == STATUS_MEMBER, is = s.status == STATUS_MEMBER;
                joined += is && (!was || s.joined_on.days != before.joined_on.days);
                left += s.status == STATUS_LEFT && was;
                left += is && was && s.joined_on.days != before.joined_on.days;
                before = s;
            }
            member_row_release(&row);
        }
        assert_int_equal(report_flows(w->txn, &w->units[0].id, from, to, BY_NOTHING, &report, &err), 0);
        assert_int_equal(report.n, 1);
        const int64_t *c = report.rows[0].counts;
        /* In and out on one day is two flows that the state at its end does not show. */
        assert_int_equal(c[COUNT_JOINED] - c[COUNT_RESIGNED] - c[COUNT_EXCLUDED], joined - left);
        assert_true(c[COUNT_JOINED] >= joined);
        all += c[COUNT_JOINED];
        report_release(&report);
    }
    assert_true(all > 60);
}

static void
every_unit_has_a_row_and_wrong_dates_are_refused(void **state)
{
    struct world *w = *state;
    struct report report;
    struct err err;
    assert_int_equal(report_members(w->txn, NULL, DATE_MIN, BY_NOTHING, &report, &err), 0);
    assert_int_equal(report.n, 2);
    assert_int_equal(report.rows[0].counts[COUNT_MEMBERS] + report.rows[1].counts[COUNT_MEMBERS], 0);
    assert_true(memcmp(&report.rows[0].unit, &report.rows[1].unit, HASH_BYTES) < 0);
    report_release(&report);
    assert_int_equal(report_members(w->txn, NULL, DATE_MIN, BY_OFFICE, &report, &err), 0);
    assert_int_equal(report.n, 0);
    report_release(&report);
    assert_int_equal(report_members(w->txn, NULL, DATE_MAX, BY_NOTHING, &report, &err), 0);
    report_release(&report);
    assert_int_equal(report_members(w->txn, NULL, (struct civil_date){DATE_MAX.days + 1}, 0, &report, &err),
                     ERR_INVALID);
    assert_string_equal(err.field, "as_of");
    struct civil_date a = {100}, b = {99};
    assert_int_equal(report_flows(w->txn, NULL, a, b, 0, &report, &err), ERR_INVALID);
    assert_string_equal(err.field, "from");
}

static void
members_units_and_offices_are_read(void **state)
{
    struct world *w = *state;
    struct member_row rows[7];
    struct subject_id after = {{0}};
    struct err err;
    size_t n, total = 0;
    bool first = true;
    do {
        assert_int_equal(view_members(w->txn, &w->units[1].id, first ? NULL : &after, 7, rows, &n, &err), 0);
        for (size_t i = 0; i < n; i++) {
            assert_memory_equal(rows[i].unit.b, w->units[1].id.b, HASH_BYTES);
            assert_true(first || memcmp(rows[i].subject.b, after.b, ID_BYTES) > 0);
            after = rows[i].subject;
            first = false;
            member_row_release(&rows[i]);
        }
        total += n;
    } while (n == 7);
    assert_int_equal(total, MEMBERS);

    struct subject_id one = test_subject(1), both = test_subject(MEMBERS - 1), none = test_subject(9999);
    assert_int_equal(view_member(w->txn, &one, NULL, &rows[0], &err), 0);
    assert_memory_equal(rows[0].unit.b, w->units[0].id.b, HASH_BYTES);
    member_row_release(&rows[0]);
    assert_int_equal(view_member(w->txn, &both, NULL, &rows[0], &err), ERR_CONFLICT);
    assert_int_equal(view_member(w->txn, &both, &w->units[1].id, &rows[0], &err), 0);
    member_row_release(&rows[0]);
    assert_int_equal(view_member(w->txn, &none, NULL, &rows[0], &err), ERR_NOTFOUND);
    assert_int_equal(view_member(w->txn, &one, &w->units[1].id, &rows[0], &err), ERR_NOTFOUND);

    struct unit_info units[4];
    struct unit_id id;
    assert_int_equal(view_units(w->txn, DATE_MAX, units, 4, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_true(units[0].described);
    assert_int_equal(view_units(w->txn, (struct civil_date){FIRST_DAY - 1}, units, 1, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_false(units[0].described);
    assert_int_equal(view_unit_by_code(w->txn, "FR", &id, &err), 0);
    assert_memory_equal(id.b, w->units[1].id.b, HASH_BYTES);
    assert_int_equal(view_unit_by_code(w->txn, "XX", &id, &err), ERR_NOTFOUND);

    struct office_info offices[4];
    assert_int_equal(view_offices(w->txn, &id, (struct civil_date){FIRST_DAY + 1}, offices, 4, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_true(offices[0].state.open);
    assert_int_equal(offices[1].id.b[1], 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_on_any_day_are_those_whose_rows_say_so),
        cmocka_unit_test(flows_are_the_joins_and_leaves_of_the_days_between),
        cmocka_unit_test(every_unit_has_a_row_and_wrong_dates_are_refused),
        cmocka_unit_test(members_units_and_offices_are_read),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
