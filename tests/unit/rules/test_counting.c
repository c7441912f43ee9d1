/* Counted people and closed periods: the last word counts, in whatever order the words came; sums against slow counting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "node/rules/counting.h"
#include "tests/support/rules_world.h"

enum { YEAR = 2024, SAYINGS = 40, CELLS = 4, ORDERS = 4, PEOPLE = 4096 };

static uint64_t random_state;

static uint32_t
draw(uint32_t below)
{
    random_state += 0x9e3779b97f4a7c15u;
    return (uint32_t)(mix64(random_state) >> 33) % below;
}

static const struct subject_id somebody = {{3, 1, 4}};

static struct unit_id
unit_of(uint8_t n)
{
    struct unit_id u;
    memset(u.b, n, sizeof(u.b));
    return u;
}

static uint16_t
month(int m)
{
    return month_number(date_from_ymd(YEAR, m, 1));
}

static struct activity_cell
cell(uint8_t office, uint16_t sector, bool culture, const char *currency)
{
    struct activity_cell c;
    memset(&c, 0, sizeof(c));
    memset(c.facets.office.b, office, sizeof(c.facets.office.b));
    c.facets.sector = sector;
    c.facets.culture = culture;
    memcpy(c.currency, currency, 3);
    return c;
}

static void
world_start(struct world *w)
{
    world_init(w);
    world_add_log(w, 1, world_at(0, 0), world_at(0, 0));
    world_add_log(w, 2, world_at(1, 5), world_at(0, 0));
    world_add_log(w, 3, world_at(0, 0), world_at(0, 0));
}

static void
say(struct active_row *r, const struct world *w, uint8_t unit, struct position at, int m,
    const struct activity_cell *cells, size_t n)
{
    struct unit_id u = unit_of(unit);
    assert_int_equal(active_row_add(r, &u, &at, month(m), cells, n, w->dag, NULL), 0);
}

static void
bytes_of(const struct active_row *r, struct buf *out)
{
    buf_init(out, MEMBER_ROW_BYTES_MAX);
    assert_int_equal(active_row_encode(r, out, NULL), 0);
}

/* ---- people ---- */

struct people {
    size_t n;
    struct people_contribution v[PEOPLE];
};

static int
keep(void *arg, const struct people_contribution *c)
{
    struct people *p = arg;
    assert_in_range(p->n, 0, PEOPLE - 1);
    p->v[p->n++] = *c;
    return 0;
}

static int64_t
count_of(const struct people *p, bool overlap, uint8_t unit, int m, uint8_t by, const struct activity_cell *c)
{
    struct unit_id u = unit_of(unit);
    int64_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct people_contribution *x = &p->v[i];
        if (x->overlap == overlap && TYPE_EQ(&x->unit, &u) && x->is_year == (m == 0) &&
            x->month == month(m == 0 ? 1 : m) && x->by == by && activity_cell_compare(&x->cell, c) == 0) {
            n += x->v[PEOPLE_COUNT];
            assert_int_equal(x->v[PEOPLE_RECORD_KEYS], x->v[PEOPLE_COUNT] * member_record_key(&somebody));
        }
    }
    return n;
}

static void
the_last_word_of_a_unit_and_month_counts(void **state)
{
    struct world w;
    struct active_row r;
    struct people p = {.n = 0};
    struct activity_cell all = {.currency = ""}, x[2] = {cell(1, 3, false, "EUR"), cell(1, 3, true, "EUR")};
    world_start(&w);
    active_row_init(&r, YEAR, &somebody);
    say(&r, &w, 1, world_at(2, 4), 2, &x[1], 1);
    say(&r, &w, 1, world_at(1, 4), 2, x, 2);
    say(&r, &w, 1, world_at(2, 4), 2, x, 0);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.entries[0].n, 1);
    assert_int_equal(active_contributions(&r, keep, &p), 0);
    assert_int_equal(count_of(&p, false, 1, 2, 0, &all), 1);
    assert_int_equal(count_of(&p, false, 1, 0, 0, &all), 1);
    say(&r, &w, 1, world_at(2, 9), 2, NULL, 0);
    p.n = 0;
    assert_int_equal(active_contributions(&r, keep, &p), 0);
    assert_int_equal(p.n, 0);
    assert_int_equal(r.n, 1);
    active_row_release(&r);
    world_release(&w);
}

static void
whom_two_units_count_is_one_person_over_all(void **state)
{
    struct world w;
    struct active_row r;
    struct people p = {.n = 0};
    struct activity_cell all = {.currency = ""}, eur = cell(0, 0, false, "EUR"), sek = cell(0, 0, false, "SEK");
    struct activity_cell be[2] = {cell(1, 3, false, "EUR"), cell(1, 4, false, "EUR")};
    struct activity_cell se[2] = {cell(2, 3, false, "EUR"), cell(2, 3, false, "SEK")};
    world_start(&w);
    active_row_init(&r, YEAR, &somebody);
    say(&r, &w, 1, world_at(1, 4), 2, be, 2);
    say(&r, &w, 2, world_at(3, 4), 2, se, 2);
    say(&r, &w, 2, world_at(3, 5), 7, se, 2);
    assert_int_equal(active_contributions(&r, keep, &p), 0);
    for (uint8_t unit = 1; unit <= 2; unit++) {
        assert_int_equal(count_of(&p, false, unit, 2, 0, &all), 1);
        assert_int_equal(count_of(&p, false, unit, 0, 0, &all), 1);
        assert_int_equal(count_of(&p, false, unit, 2, PEOPLE_BY_CURRENCY, &eur), 1);
    }
    assert_int_equal(count_of(&p, false, 1, 7, 0, &all), 0);
    assert_int_equal(count_of(&p, true, 0, 2, 0, &all), 1);
    assert_int_equal(count_of(&p, true, 0, 7, 0, &all), 0);
    assert_int_equal(count_of(&p, true, 0, 0, 0, &all), 1);
    assert_int_equal(count_of(&p, true, 0, 0, PEOPLE_BY_CURRENCY, &eur), 1);
    assert_int_equal(count_of(&p, true, 0, 0, PEOPLE_BY_CURRENCY, &sek), 0);
    size_t whole = p.n, feb = 0, jul = 0;
    for (size_t i = 0; i < whole; i++) {
        feb += p.v[i].is_year || p.v[i].month == month(2);
        jul += p.v[i].is_year || p.v[i].month == month(7);
    }
    p.n = 0;
    assert_int_equal(active_contributions_of(&r, month(2), keep, &p), 0);
    assert_int_equal(p.n, feb);
    p.n = 0;
    assert_int_equal(active_contributions_of(&r, month(7), keep, &p), 0);
    assert_int_equal(p.n, jul);
    active_row_release(&r);
    world_release(&w);
}

struct saying {
    uint8_t unit;
    int m;
    struct position at;
    size_t n;
    struct activity_cell cells[CELLS];
};

static int
compare_cells(const void *a, const void *b)
{
    return activity_cell_compare(a, b);
}

static void
draw_saying(struct saying *s, uint64_t *seqs)
{
    uint8_t log = (uint8_t)(1 + draw(3));
    memset(s, 0, sizeof(*s));
    /* Logs 1 and 2 are unit 1's, log 3 is that of units 2 and 3: who writes is none of the row's business. */
    s->unit = log < 3 ? 1 : (uint8_t)(2 + draw(2));
    s->m = 1 + (int)draw(12);
    s->at = world_at(log, ++seqs[log]);
    size_t n = draw(CELLS + 1);
    for (size_t i = 0; i < n; i++) {
        s->cells[s->n++] =
            cell((uint8_t)(1 + draw(2)), (uint16_t)(1 + draw(2)), draw(2) == 0, draw(2) == 0 ? "EUR" : "HUF");
    }
    qsort(s->cells, s->n, sizeof(s->cells[0]), compare_cells);
    size_t k = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (k == 0 || activity_cell_compare(&s->cells[k - 1], &s->cells[i]) != 0) {
            s->cells[k++] = s->cells[i];
        }
    }
    s->n = k;
}

/* Whether the last word of the unit in the month (0: any month) has a cell that looks so in the set. */
static bool
slow_has(const struct saying *v, size_t n, uint8_t unit, int m, uint8_t by, const struct activity_cell *like)
{
    for (int q = m == 0 ? 1 : m; q <= (m == 0 ? 12 : m); q++) {
        const struct saying *last = NULL;
        for (size_t i = 0; i < n; i++) {
            if (v[i].unit == unit && v[i].m == q &&
                (last == NULL || v[i].at.log.b[0] > last->at.log.b[0] ||
                 (v[i].at.log.b[0] == last->at.log.b[0] && v[i].at.seq > last->at.seq))) {
                last = &v[i];
            }
        }
        for (size_t i = 0; last != NULL && i < last->n; i++) {
            const struct activity_facets *f = &last->cells[i].facets;
            if (((by & PEOPLE_BY_OFFICE) == 0 || TYPE_EQ(&f->office, &like->facets.office)) &&
                ((by & PEOPLE_BY_SECTOR) == 0 || f->sector == like->facets.sector) &&
                ((by & PEOPLE_BY_CULTURE) == 0 || f->culture == like->facets.culture) &&
                ((by & PEOPLE_BY_CURRENCY) == 0 || memcmp(last->cells[i].currency, like->currency, 4) == 0)) {
                return true;
            }
        }
    }
    return false;
}

static void
check_slowly(const struct saying *v, size_t n, const struct people *p)
{
    int64_t found = 0, said = 0;
    for (size_t i = 0; i < p->n; i++) {
        said += p->v[i].v[PEOPLE_COUNT];
    }
    for (int m = 0; m <= 12; m++) {
        for (uint8_t by = 0; by < PEOPLE_SETS; by++) {
            for (unsigned x = 0; x < 16; x++) {
                struct activity_cell c = cell((by & 1) != 0 ? 1 + (x & 1) : 0, (by & 2) != 0 ? 1 + (x >> 1 & 1) : 0,
                                              (by & 4) != 0 && (x & 4) != 0, (x & 8) != 0 ? "EUR" : "HUF");
                if ((by & PEOPLE_BY_CURRENCY) == 0) {
                    memset(c.currency, 0, sizeof(c.currency));
                }
                /* Each projection once: what the set has not must be drawn as zero. */
                if ((x & ~(unsigned)by) != 0) {
                    continue;
                }
                int64_t units = 0;
                for (uint8_t u = 1; u <= 3; u++) {
                    bool has = slow_has(v, n, u, m, by, &c);
                    assert_int_equal(count_of(p, false, u, m, by, &c), has);
                    units += has;
                }
                int64_t over = units > 1 ? units - 1 : 0;
                assert_int_equal(count_of(p, true, 0, m, by, &c), over);
                found += units + over;
            }
        }
    }
    assert_int_equal(found, said);
}

static void
people_are_counted_as_the_slow_way_does_in_any_order(void **state)
{
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct world w;
        struct saying v[SAYINGS];
        struct people p = {.n = 0};
        struct buf first = {0}, other;
        uint64_t seqs[4] = {0};
        random_state = seed;
        size_t n = 1 + draw(SAYINGS);
        world_start(&w);
        for (size_t i = 0; i < n; i++) {
            draw_saying(&v[i], seqs);
        }
        for (int o = 0; o < ORDERS; o++) {
            struct active_row r, back;
            active_row_init(&r, YEAR, &somebody);
            for (size_t i = 0; i < n; i++) {
                say(&r, &w, v[i].unit, v[i].at, v[i].m, v[i].cells, v[i].n);
            }
            bytes_of(&r, o == 0 ? &first : &other);
            if (o == 0) {
                assert_int_equal(active_row_decode(buf_slice(&first), YEAR, &somebody, &back, NULL), 0);
                assert_int_equal(active_contributions(&back, keep, &p), 0);
                check_slowly(v, n, &p);
                active_row_release(&back);
            } else {
                assert_true(slice_eq(buf_slice(&first), buf_slice(&other)));
                buf_free(&other);
            }
            active_row_release(&r);
            for (size_t i = n; i > 1; i--) {
                size_t k = draw((uint32_t)i);
                struct saying t = v[i - 1];
                v[i - 1] = v[k];
                v[k] = t;
            }
        }
        buf_free(&first);
        world_release(&w);
    }
}

static void
of_more_units_than_fit_those_of_the_least_ids_count(void **state)
{
    struct world w;
    struct activity_cell x = cell(1, 3, false, "EUR");
    struct buf bytes[2];
    world_start(&w);
    for (int turn = 0; turn < 2; turn++) {
        struct active_row r;
        active_row_init(&r, YEAR, &somebody);
        for (unsigned i = 0; i < 80; i++) {
            unsigned u = turn == 0 ? i : 79 - i;
            say(&r, &w, (uint8_t)u, world_at(1, 100 + u), 3, &x, 1);
            say(&r, &w, (uint8_t)u, world_at(1, 300 + u), 4, &x, 1);
        }
        assert_int_equal(active_row_units(&r), ACTIVE_UNITS_MAX);
        bytes_of(&r, &bytes[turn]);
        active_row_release(&r);
    }
    assert_true(slice_eq(buf_slice(&bytes[0]), buf_slice(&bytes[1])));
    buf_free(&bytes[0]);
    buf_free(&bytes[1]);
    world_release(&w);
}

static void
a_person_with_one_cell_all_year_takes_little_room(void **state)
{
    struct world w;
    struct active_row r;
    struct buf bytes;
    struct activity_cell x = cell(1, 3, false, "EUR");
    world_start(&w);
    active_row_init(&r, YEAR, &somebody);
    for (int m = 1; m <= 12; m++) {
        say(&r, &w, 1, world_at(1, 200000 + (uint64_t)m), m, &x, 1);
    }
    bytes_of(&r, &bytes);
    assert_in_range(bytes.len, 64, 140);
    buf_free(&bytes);
    active_row_release(&r);
    world_release(&w);
}

/* ---- damage ---- */

static int
read_active(struct slice bytes, struct buf *again)
{
    struct active_row r;
    int rc = active_row_decode(bytes, YEAR, &somebody, &r, NULL);
    if (rc == 0) {
        assert_int_equal(active_row_encode(&r, again, NULL), 0);
        active_row_release(&r);
    }
    return rc;
}

static int
read_period(struct slice bytes, struct buf *again)
{
    struct unit_id unit = unit_of(1);
    struct period_row r;
    int rc = period_row_decode(bytes, &unit, YEAR, &r, NULL);
    if (rc == 0) {
        assert_int_equal(period_row_encode(&r, again, NULL), 0);
        period_row_release(&r);
    }
    return rc;
}

static void
damage(struct buf *bytes, int (*read)(struct slice bytes, struct buf *again))
{
    struct buf again;
    buf_init(&again, MEMBER_ROW_BYTES_MAX);
    assert_int_equal(read(buf_slice(bytes), &again), 0);
    assert_true(slice_eq(buf_slice(bytes), buf_slice(&again)));
    for (size_t n = 0; n < bytes->len; n++) {
        assert_int_equal(read(slice_of(bytes->data, n), &again), ERR_CORRUPT);
    }
    for (size_t i = 0; i < bytes->len; i++) {
        uint8_t was = bytes->data[i];
        for (unsigned v = 0; v < 256; v++) {
            bytes->data[i] = (uint8_t)v;
            buf_clear(&again);
            int rc = read(buf_slice(bytes), &again);
            assert_true(rc == ERR_CORRUPT || (rc == 0 && slice_eq(buf_slice(bytes), buf_slice(&again))));
        }
        bytes->data[i] = was;
    }
    buf_free(&again);
}

static void
rows_of_people_have_one_encoding(void **state)
{
    struct world w;
    struct active_row r;
    struct buf bytes;
    struct activity_cell x[2] = {cell(1, 3, false, "EUR"), cell(1, 300, true, "HUF")};
    world_start(&w);
    active_row_init(&r, YEAR, &somebody);
    say(&r, &w, 1, world_at(1, 9), 1, x, 2);
    say(&r, &w, 1, world_at(1, 8), 2, x, 2);
    say(&r, &w, 1, world_at(2, 7), 3, x, 1);
    say(&r, &w, 1, world_at(2, 9), 12, x, 0);
    say(&r, &w, 2, world_at(3, 900), 12, x, 0);
    /* Neighbours that one byte tells apart: what could be left out may not be written. */
    struct activity_cell near[2] = {cell(1, 3, false, "EUR"), cell(1, 4, false, "EUR")};
    struct unit_id unit = unit_of(7);
    struct position at = world_at(7, 5);
    for (int m = 3; m <= 4; m++) {
        assert_int_equal(active_row_add(&r, &unit, &at, month(m), &near[m - 3], 1, w.dag, NULL), 0);
        unit.b[31]++;
        at.log.b[31]++;
    }
    bytes_of(&r, &bytes);
    damage(&bytes, read_active);
    buf_free(&bytes);
    active_row_release(&r);
    world_release(&w);
}

/* ---- closed periods ---- */

static void
the_last_closing_of_a_year_counts_and_has_one_encoding(void **state)
{
    struct world w;
    struct unit_id unit = unit_of(1);
    struct buf bytes[2];
    struct period_figure a[3] = {{.number = 1, .value = 41702},
                                 {.number = 1, .category = 1, .value = 41580},
                                 {.number = 65, .currency = "EUR", .value = -5}},
                         b[1] = {{.number = 1, .value = 3}};
    struct position early = world_at(1, 9), late = world_at(2, 3);
    world_start(&w);
    for (int turn = 0; turn < 2; turn++) {
        struct period_row r;
        period_row_init(&r, &unit, YEAR);
        for (int k = 0; k < 2; k++) {
            bool last = (turn == 0) == (k == 0);
            assert_int_equal(period_row_add(&r, last ? &late : &early, last ? DATE_MAX : DATE_MIN, last ? a : b,
                                            last ? 3 : 1, w.dag, NULL),
                             0);
        }
        assert_true(r.has);
        assert_int_equal(r.n, 3);
        assert_int_equal(r.closed_on.days, DATE_MAX.days);
        buf_init(&bytes[turn], MEMBER_ROW_BYTES_MAX);
        assert_int_equal(period_row_encode(&r, &bytes[turn], NULL), 0);
        period_row_release(&r);
    }
    assert_true(slice_eq(buf_slice(&bytes[0]), buf_slice(&bytes[1])));
    damage(&bytes[0], read_period);
    buf_free(&bytes[0]);
    buf_free(&bytes[1]);
    world_release(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_word_of_a_unit_and_month_counts),
        cmocka_unit_test(whom_two_units_count_is_one_person_over_all),
        cmocka_unit_test(people_are_counted_as_the_slow_way_does_in_any_order),
        cmocka_unit_test(of_more_units_than_fit_those_of_the_least_ids_count),
        cmocka_unit_test(a_person_with_one_cell_all_year_takes_little_room),
        cmocka_unit_test(rows_of_people_have_one_encoding),
        cmocka_unit_test(the_last_closing_of_a_year_counts_and_has_one_encoding),
    };
    return cmocka_run_group_tests_name("counting", tests, NULL, NULL);
}
