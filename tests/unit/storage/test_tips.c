/* Tips of the logs held: chains, diamonds, standing positions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/storage_setup.h"

/* A stored log of n fillers after the given ones. */
static void
store_log(struct log_world *f, struct test_log *log, uint32_t number, const struct log_predecessor *p, size_t n_p,
          size_t fillers, struct log_row *ret)
{
    test_log_start(log, &f->unit, number, p, n_p);
    test_log_fill(log, f->txn, fillers, 3, ret);
}

static void
assert_tips(struct log_world *f, const struct log_predecessor *expected, size_t n)
{
    struct head *heads = NULL;
    size_t n_heads = 9;
    assert_int_equal(evlog_tips(f->txn, &f->unit.id, &heads, &n_heads, NULL), 0);
    assert_int_equal(n_heads, n);
    for (size_t i = 0; i < n; i++) {
        bool found = false;
        for (size_t j = 0; j < n; j++)
            if (TYPE_EQ(&heads[j].log, &expected[i].log)) {
                found = true;
                assert_int_equal(heads[j].seq, expected[i].seq);
                assert_true(TYPE_EQ(&heads[j].chain, &expected[i].chain));
                assert_true(TYPE_EQ(&heads[j].unit, &f->unit.id));
            }
        assert_true(found);
    }
    for (size_t j = 1; j < n; j++)
        assert_true(memcmp(heads[j - 1].log.b, heads[j].log.b, HASH_BYTES) < 0);
    free(heads);
}

static void
tips_of_a_chain_and_of_a_diamond(void **state)
{
    struct log_world *f = *state;
    struct test_log b, c, d;
    struct log_row row;
    assert_tips(f, NULL, 0);
    test_log_fill(&f->log, f->txn, 4, 3, &f->row);
    struct log_predecessor a5 = test_log_at(&f->log);
    assert_tips(f, &a5, 1);
    store_log(f, &b, 2, &a5, 1, 2, &row);
    struct log_predecessor b3 = test_log_at(&b);
    assert_tips(f, &b3, 1);
    store_log(f, &c, 3, &a5, 1, 1, &row); /* beside b */
    struct log_predecessor both[2] = {b3, test_log_at(&c)};
    assert_tips(f, both, 2);
    store_log(f, &d, 4, both, 2, 1, &row);
    struct log_predecessor d2 = test_log_at(&d);
    assert_tips(f, &d2, 1);
    /* A tail of a that comes back is a tip again, until it is named. */
    test_log_fill(&f->log, f->txn, 2, 2, &f->row);
    struct log_predecessor two[2] = {d2, test_log_at(&f->log)};
    assert_tips(f, two, 2);
    test_log_release(&b);
    test_log_release(&c);
    test_log_release(&d);
}

static void
a_log_named_beyond_what_is_held_is_no_tip(void **state)
{
    struct log_world *f = *state;
    struct test_log b;
    struct log_row row;
    test_log_fill(&f->log, f->txn, 2, 3, &f->row);
    struct log_predecessor beyond = test_log_at(&f->log);
    beyond.seq = 10;
    store_log(f, &b, 2, &beyond, 1, 1, &row);
    struct log_predecessor tip = test_log_at(&b);
    assert_tips(f, &tip, 1);
    test_log_release(&b);
}

static void
named_both_ways(struct log_world *f, bool ours_first)
{
    struct test_log b, c;
    struct log_row row;
    test_log_fill(&f->log, f->txn, 4, 3, &f->row);
    struct log_predecessor a5 = test_log_at(&f->log), other = a5;
    other.chain.b[0] ^= 1;
    store_log(f, &b, 2, ours_first ? &a5 : &other, 1, 1, &row);
    struct log_predecessor tips[3] = {a5, test_log_at(&b)};
    assert_tips(f, ours_first ? tips + 1 : tips, ours_first ? 1 : 2);
    store_log(f, &c, 3, ours_first ? &other : &a5, 1, 1, &row); /* neither hides the other */
    tips[2] = test_log_at(&c);
    assert_tips(f, tips, 3);
    f->row.stands_to = 4; /* named beyond what stands */
    assert_int_equal(evlog_put(f->txn, &f->row, NULL), 0);
    assert_tips(f, tips + 1, 2);
    test_log_release(&b);
    test_log_release(&c);
}

static void
a_log_named_with_another_chain_value_stays_a_tip(void **state)
{
    named_both_ways(*state, false);
}

static void
a_log_named_rightly_and_otherwise_is_a_tip_again(void **state)
{
    named_both_ways(*state, true);
}

static void
a_successor_that_names_less_takes_nothing_back(void **state)
{
    struct log_world *f = *state;
    struct test_log b, c;
    struct log_row row;
    test_log_fill(&f->log, f->txn, 4, 3, &f->row);
    struct log_predecessor head = test_log_at(&f->log), earlier = {.log = f->log.id, .seq = 2};
    assert_int_equal(evlog_chain_at(f->txn, &f->row, 2, &earlier.chain, NULL), 0);
    store_log(f, &b, 2, &head, 1, 1, &row);
    store_log(f, &c, 3, &earlier, 1, 1, &row);
    struct log_predecessor tips[2] = {test_log_at(&b), test_log_at(&c)};
    assert_tips(f, tips, 2);
    test_log_release(&b);
    test_log_release(&c);
}

static void
tips_are_of_one_unit_or_of_all(void **state)
{
    struct log_world *f = *state;
    struct test_unit other;
    struct test_log b;
    struct log_row row;
    struct head *heads;
    size_t n;
    test_unit_make(&other, "NL", 2);
    test_log_fill(&f->log, f->txn, 2, 3, &f->row);
    /* Naming another unit's log takes nothing away from it. */
    struct log_predecessor a = test_log_at(&f->log);
    test_log_start(&b, &other, 1, &a, 1);
    test_log_fill(&b, f->txn, 1, 3, &row);
    assert_tips(f, &a, 1);
    assert_int_equal(evlog_tips(f->txn, NULL, &heads, &n, NULL), 0);
    assert_int_equal(n, 2);
    free(heads);
    test_log_release(&b);
}

static void
standing_positions_cut_tips(void **state)
{
    struct log_world *f = *state;
    struct test_log b, c;
    struct log_row row_b, row_c;
    struct chain_value at;
    test_log_fill(&f->log, f->txn, 4, 3, &f->row);
    struct log_predecessor a5 = test_log_at(&f->log);
    store_log(f, &b, 2, &a5, 1, 6, &row_b);
    struct log_predecessor b7 = test_log_at(&b);

    row_b.stands_to = 5;
    assert_int_equal(evlog_put(f->txn, &row_b, NULL), 0);
    assert_int_equal(evlog_chain_at(f->txn, &row_b, 5, &at, NULL), 0);
    struct log_predecessor b5 = {b.id, 5, at};
    assert_tips(f, &b5, 1);
    row_b.stands_to = 100; /* beyond what is held */
    assert_int_equal(evlog_put(f->txn, &row_b, NULL), 0);
    assert_tips(f, &b7, 1);

    row_b.stands_to = 5;
    assert_int_equal(evlog_put(f->txn, &row_b, NULL), 0);
    store_log(f, &c, 3, &b5, 1, 1, &row_c); /* names b at its standing position */
    struct log_predecessor tip_c = test_log_at(&c);
    assert_tips(f, &tip_c, 1);

    row_c.stands_to = 0; /* wholly void: no tip, and b is one again */
    assert_int_equal(evlog_put(f->txn, &row_c, NULL), 0);
    assert_tips(f, &b5, 1);
    row_b.stands_to = 0;
    assert_int_equal(evlog_put(f->txn, &row_b, NULL), 0);
    assert_tips(f, &a5, 1);
    test_log_release(&b);
    test_log_release(&c);
}

static void
a_log_without_a_run_is_no_tip(void **state)
{
    struct log_world *f = *state;
    struct log_row row;
    assert_int_equal(evlog_create(f->txn, &f->log.id, &f->log.opened, &f->log.first, &row, NULL), 0);
    assert_tips(f, NULL, 0);
}

static void
thousands_of_logs_have_their_tips(void **state)
{
    struct log_world *f = *state;
    struct log_predecessor last = {0};
    for (uint32_t i = 0; i < 3000; i++) {
        struct test_log log;
        test_log_start(&log, &f->unit, 10 + i, &last, i > 0 ? 1 : 0);
        test_log_store(&log, f->txn, NULL);
        last = test_log_at(&log);
        test_log_release(&log);
    }
    assert_tips(f, &last, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, log_world_setup, log_world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tips_of_a_chain_and_of_a_diamond),
        TEST(a_log_named_beyond_what_is_held_is_no_tip),
        TEST(a_log_named_with_another_chain_value_stays_a_tip),
        TEST(a_log_named_rightly_and_otherwise_is_a_tip_again),
        TEST(a_successor_that_names_less_takes_nothing_back),
        TEST(tips_are_of_one_unit_or_of_all),
        TEST(standing_positions_cut_tips),
        TEST(a_log_without_a_run_is_no_tip),
        TEST(thousands_of_logs_have_their_tips),
    };
    return cmocka_run_group_tests_name("storage tips", tests, NULL, NULL);
}
