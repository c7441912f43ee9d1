/* Stored bytes of each unit: counted with the runs that are stored, in the same commit, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "node/host/quota.h"
#include "tests/support/node.h"
#include "tests/support/register.h"

static uint64_t
bytes_of(struct db *db, const struct unit_id *unit)
{
    struct db_txn *txn = NULL;
    struct err err = {0};
    uint64_t bytes = UINT64_MAX;
    assert_int_equal(db_begin_read(db, &txn, &err), 0);
    assert_int_equal(quota_bytes(txn, unit, &bytes, &err), 0);
    db_abort(&txn);
    return bytes;
}

/* Gives the node what is pending in the log; keep = commit, else the group is given up. */
static size_t
deliver(struct test_node *n, struct test_log *log, bool keep)
{
    struct run run;
    struct chain_value chain;
    struct err err = {0};
    bool stored = false;
    test_log_seal(log, &run, &chain);
    bool first = run.first == 1;
    assert_int_equal(engine_begin(n->engine, &err), 0);
    assert_int_equal(
        engine_append(n->engine, &run, &chain, first ? &log->opened : NULL, first ? &log->first : NULL, &stored, &err),
        0);
    assert_true(stored);
    if (keep)
        assert_int_equal(engine_commit(n->engine, &err), 0);
    else
        engine_abort(n->engine);
    return run.frames.len;
}

static void
runs_of_a_peer_are_counted_with_their_commit_and_own_events_are_not(void **state)
{
    struct test_node n = {0};
    struct test_unit u;
    struct test_log log;
    struct api_op op;
    struct err err = {0};
    (void)state;
    test_node_make(&n);
    test_unit_make(&u, "SE", 7);
    test_log_start(&log, &u, 1, NULL, 0);
    test_log_filler(&log);
    assert_int_equal(bytes_of(n.db, &u.id), 0);
    size_t bytes = deliver(&n, &log, true);
    assert_int_equal(bytes_of(n.db, &u.id), bytes);
    test_log_filler(&log);
    test_log_filler(&log);
    (void)deliver(&n, &log, false);
    assert_int_equal(bytes_of(n.db, &u.id), bytes);
    test_node_admission(&op, 1);
    assert_int_equal(test_node_exec(&n, &op, &err), 0);
    assert_int_equal(bytes_of(n.db, &n.identity.unit), 0);
    test_log_release(&log);
    test_node_remove(&n);
}

/* 64 cells in 1.5 KB stand in 15 sets, of a month and of a year: what that takes is counted, once. */
static void
rows_that_few_bytes_make_are_counted_too(void **state)
{
    enum { CELLS = 64, SETS = 16 };
    struct test_node n = {0};
    struct test_unit u;
    struct test_log log;
    struct activity_cell cells[CELLS];
    struct subject_id who = {{7}};
    (void)state;
    memset(cells, 0, sizeof(cells));
    for (size_t i = 0; i < CELLS; i++) {
        cells[i].facets.office.b[0] = (uint8_t)(i + 1);
        cells[i].facets.sector = (uint16_t)(CELLS - i);
        memcpy(cells[i].currency, "SEK", 4);
    }
    test_node_make(&n);
    test_unit_make(&u, "SE", 7);
    test_log_start(&log, &u, 1, NULL, 0);
    size_t sent = deliver(&n, &log, true);
    assert_int_equal(bytes_of(n.db, &u.id), sent);
    test_active(&log, who, date_from_ymd(2024, 5, 1), cells, CELLS);
    sent += deliver(&n, &log, true);
    uint64_t bytes = bytes_of(n.db, &u.id);
    assert_true(bytes > sent + 2 * (SETS - 4) * CELLS * QUOTA_PEOPLE_ROW_BYTES);
    assert_true(bytes < sent + 2 * SETS * CELLS * QUOTA_PEOPLE_ROW_BYTES);
    /* The same again, and less, makes no rows. */
    test_active(&log, who, date_from_ymd(2024, 5, 1), cells, CELLS);
    test_active(&log, who, date_from_ymd(2024, 5, 1), cells, 3);
    size_t more = deliver(&n, &log, true);
    assert_int_equal(bytes_of(n.db, &u.id), bytes + more);
    test_log_release(&log);
    test_node_remove(&n);
}

static void
more_units_in_a_group_than_the_list_holds_are_all_counted(void **state)
{
    enum { UNITS = 3 * QUOTA_UNITS_MAX };
    struct test_node n = {0};
    struct quota q;
    struct db_txn *txn = NULL;
    struct err err = {0};
    (void)state;
    test_node_make(&n);
    quota_clear(&q);
    assert_int_equal(db_begin_write(n.db, &txn, &err), 0);
    for (int i = 0; i < 2 * UNITS; i++) {
        struct unit_id unit = {{(uint8_t)(i % UNITS), 9}};
        assert_int_equal(quota_add(&q, txn, &unit, 100 + (uint64_t)(i % UNITS), &err), 0);
    }
    assert_int_equal(quota_write(&q, txn, &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    for (int i = 0; i < UNITS; i++) {
        struct unit_id unit = {{(uint8_t)i, 9}};
        assert_int_equal(bytes_of(n.db, &unit), 2 * (100 + i));
    }
    test_node_remove(&n);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_of_a_peer_are_counted_with_their_commit_and_own_events_are_not),
        cmocka_unit_test(rows_that_few_bytes_make_are_counted_too),
        cmocka_unit_test(more_units_in_a_group_than_the_list_holds_are_all_counted),
    };
    return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
