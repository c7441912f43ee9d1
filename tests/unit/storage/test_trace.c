/* The record of what is written, from which benchmarks do the same again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/storage.h"

static struct slice
text(const char *s)
{
    return slice_of(s, strlen(s));
}

/* Reads one record of db_trace_to; checks all of it. */
static void
assert_traced(FILE *f, enum db_trace_step step, unsigned table, const char *key, uint32_t value_len)
{
    uint8_t head[DB_TRACE_HEAD], name[KEY_MAX];
    assert_int_equal(fread(head, 1, sizeof(head), f), sizeof(head));
    assert_int_equal(head[0], step);
    assert_int_equal(head[1], table);
    assert_int_equal(be16_get(head + 2), strlen(key));
    assert_int_equal(be32_get(head + 4), value_len);
    assert_int_equal(fread(name, 1, strlen(key), f), strlen(key));
    assert_memory_equal(name, key, strlen(key));
}

static void
a_trace_has_every_step_that_writes_and_no_values(void **state)
{
    char dir[TEST_PATH_MAX];
    struct db_txn *txn;
    uint8_t *room;
    FILE *trace = tmpfile();
    assert_non_null(trace);
    test_dir_make(dir);
    struct db *db = test_db_open(dir, DB_MAIN);
    db_trace_to(trace);
    assert_int_equal(db_begin_write(db, &txn, NULL), 0);
    assert_int_equal(db_put(txn, TABLE_TOKENS, text("key"), text("value"), NULL), 0);
    assert_int_equal(db_put_reserve(txn, TABLE_EVIDENCE, text("room"), 300, &room, NULL), 0);
    memset(room, 1, 300);
    assert_int_equal(db_del(txn, TABLE_TOKENS, text("gone"), NULL), 0);
    assert_int_equal(db_commit(&txn, NULL), 0);
    assert_int_equal(db_begin_write(db, &txn, NULL), 0);
    db_abort(&txn);
    db_trace_to(NULL);
    assert_int_equal(db_begin_write(db, &txn, NULL), 0);
    assert_int_equal(db_put(txn, TABLE_TOKENS, text("later"), text("not traced"), NULL), 0);
    assert_int_equal(db_commit(&txn, NULL), 0);
    rewind(trace);
    assert_traced(trace, DB_TRACE_PUT, TABLE_TOKENS, "key", 5);
    assert_traced(trace, DB_TRACE_PUT, TABLE_EVIDENCE, "room", 300);
    assert_traced(trace, DB_TRACE_DEL, TABLE_TOKENS, "gone", 0);
    assert_traced(trace, DB_TRACE_COMMIT, DB_MAIN, "", 0);
    assert_traced(trace, DB_TRACE_ABORT, DB_MAIN, "", 0);
    assert_int_equal(fgetc(trace), EOF);
    fclose(trace);
    db_close(&db);
    test_dir_remove(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trace_has_every_step_that_writes_and_no_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
