/* The graph of logs: depth, and what lies in whose past. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/rules_world.h"

enum { RANDOM_LOGS = 40 };

static void
depth_is_one_more_than_the_deepest_predecessor(void **state)
{
    struct world w;
    struct log_id unknown = world_log(9);
    world_init(&w);
    world_add_log(&w, 1, world_at(0, 0), world_at(0, 0));
    world_add_log(&w, 2, world_at(1, 5), world_at(0, 0));
    world_add_log(&w, 3, world_at(1, 9), world_at(2, 4));
    struct log_id one = world_log(1), three = world_log(3);
    assert_int_equal(dag_depth(w.dag, &one), 1);
    assert_int_equal(dag_depth(w.dag, &three), 3);
    assert_int_equal(dag_depth(w.dag, &unknown), 0);
    assert_true(dag_has(w.dag, &three));
    assert_false(dag_has(w.dag, &unknown));
    world_release(&w);
}

static void
a_log_whose_predecessor_is_missing_waits_and_leaves_nothing(void **state)
{
    struct world w;
    struct log_id log = world_log(2);
    struct position before = world_at(1, 3);
    uint32_t depth;
    world_init(&w);
    assert_int_equal(dag_add(w.dag, &log, &before, 1, &depth, NULL), ERR_WAITING);
    assert_false(dag_has(w.dag, &log));
    world_add_log(&w, 1, world_at(0, 0), world_at(0, 0));
    assert_int_equal(dag_add(w.dag, &log, &before, 1, &depth, NULL), 0);
    assert_int_equal(depth, 2);
    assert_int_equal(dag_add(w.dag, &log, NULL, 0, &depth, NULL), 0);
    assert_int_equal(depth, 2);
    world_release(&w);
}

static void
more_predecessors_than_there_may_be_are_refused(void **state)
{
    struct world w;
    struct position before[9];
    struct log_id log = world_log(2);
    uint32_t depth;
    world_init(&w);
    world_add_log(&w, 1, world_at(0, 0), world_at(0, 0));
    for (size_t i = 0; i < 9; i++) {
        before[i] = world_at(1, i + 1);
    }
    assert_int_equal(dag_add(w.dag, &log, before, 9, &depth, NULL), ERR_LIMIT);
    world_release(&w);
}

static void
the_past_covers_the_named_position_and_no_more(void **state)
{
    struct world w;
    struct position a = world_at(1, 5), b = world_at(1, 6), c = world_at(2, 1), d = world_at(2, 2);
    world_init(&w);
    world_add_log(&w, 1, world_at(0, 0), world_at(0, 0));
    world_add_log(&w, 2, world_at(1, 5), world_at(0, 0));
    assert_true(dag_before(w.dag, &a, &c));
    assert_false(dag_before(w.dag, &b, &c));
    assert_false(dag_before(w.dag, &c, &b));
    assert_true(dag_before(w.dag, &c, &d));
    assert_false(dag_before(w.dag, &c, &c));
    assert_int_equal(dag_past_of(w.dag, &a.log, &a.log), 0);
    world_release(&w);
}

static void
of_several_ways_to_a_log_the_one_that_reaches_furthest_counts(void **state)
{
    struct world w;
    struct log_id one = world_log(1), four = world_log(4);
    world_init(&w);
    world_add_log(&w, 1, world_at(0, 0), world_at(0, 0));
    world_add_log(&w, 2, world_at(1, 3), world_at(0, 0));
    world_add_log(&w, 3, world_at(1, 8), world_at(0, 0));
    world_add_log(&w, 4, world_at(3, 1), world_at(2, 7));
    assert_int_equal(dag_past_of(w.dag, &four, &one), 8);
    world_release(&w);
}

/* Against a walk without memory, with many sources in turn, so that kept sweeps are taken up and thrown away, and logs added in
 * between. */
static void
random_graphs_answer_as_a_plain_walk_does(void **state)
{
    struct world w;
    uint64_t reach[RANDOM_LOGS + 1][RANDOM_LOGS + 1], random = 11;
    memset(reach, 0, sizeof(reach));
    world_init(&w);
    for (size_t log = 1; log <= RANDOM_LOGS; log++) {
        struct position p[2] = {world_at(0, 0), world_at(0, 0)};
        for (size_t k = 0; k < 2 && log > 1 + k; k++) {
            random = mix64(random + 1);
            p[k] = world_at((uint8_t)(1 + random % (log - 1)), 1 + random / 256 % 9);
            for (size_t of = 1; of < log; of++) {
                uint64_t far = of == p[k].log.b[0] ? p[k].seq : 0;
                far = reach[p[k].log.b[0]][of] > far ? reach[p[k].log.b[0]][of] : far;
                reach[log][of] = far > reach[log][of] ? far : reach[log][of];
            }
        }
        world_add_log(&w, (uint8_t)log, p[0], p[1]);
        for (size_t i = 0; i < 200; i++) {
            random = mix64(random + 1);
            size_t from = 1 + random % log, of = 1 + random / 4096 % log;
            struct log_id a = world_log((uint8_t)from), b = world_log((uint8_t)of);
            assert_int_equal(dag_past_of(w.dag, &a, &b), reach[from][of]);
        }
    }
    world_release(&w);
}

static void
a_long_chain_of_restarts_is_all_in_the_past_of_its_end(void **state)
{
    struct dag *d;
    struct log_id ids[5000];
    uint32_t depth = 0;
    assert_int_equal(dag_new(&d, NULL), 0);
    for (uint32_t i = 0; i < 5000; i++) {
        memset(ids[i].b, 7, sizeof(ids[i].b));
        be32_put(ids[i].b, i);
        struct position before = {.seq = 3 + i % 5};
        if (i > 0) {
            before.log = ids[i - 1];
        }
        assert_int_equal(dag_add(d, &ids[i], &before, i > 0, &depth, NULL), 0);
    }
    assert_int_equal(depth, 5000);
    for (uint32_t i = 0; i < 4999; i++) {
        assert_int_equal(dag_past_of(d, &ids[4999], &ids[i]), 3 + (i + 1) % 5);
    }
    dag_free(&d);
    assert_null(d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(depth_is_one_more_than_the_deepest_predecessor),
        cmocka_unit_test(a_log_whose_predecessor_is_missing_waits_and_leaves_nothing),
        cmocka_unit_test(more_predecessors_than_there_may_be_are_refused),
        cmocka_unit_test(the_past_covers_the_named_position_and_no_more),
        cmocka_unit_test(of_several_ways_to_a_log_the_one_that_reaches_furthest_counts),
        cmocka_unit_test(random_graphs_answer_as_a_plain_walk_does),
        cmocka_unit_test(a_long_chain_of_restarts_is_all_in_the_past_of_its_end),
    };
    return cmocka_run_group_tests_name("dag", tests, NULL, NULL);
}
