/* The row cache: what a transaction sees, what a flush leaves, and that fingerprints are a function of the rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "storage/state.h"
#include "tests/support/storage.h"

struct fixture {
    char path[TEST_PATH_MAX];
    struct db *db;
    struct state *state;
    struct db_txn *txn;
};

static int
setup(void **state)
{
    static struct fixture f;
    test_dir_make(f.path);
    assert_int_equal(crypto_init(NULL), 0);
    f.db = test_db_open_volatile(f.path, DB_MAIN);
    f.txn = NULL;
    assert_int_equal(state_new(f.db, &f.state, NULL), 0);
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    db_fail_after(0);
    state_free(&f->state);
    db_abort(&f->txn);
    db_close(&f->db);
    test_dir_remove(f->path);
    return 0;
}

static void
begin(struct fixture *f)
{
    assert_int_equal(db_begin_write(f->db, &f->txn, NULL), 0);
    state_begin(f->state, f->txn);
}

static int
commit(struct fixture *f)
{
    int rc = state_flush(f->state, NULL);
    state_discard(f->state);
    int committed = db_commit(&f->txn, NULL);
    return rc != 0 ? rc : committed;
}

static void
give_up(struct fixture *f)
{
    state_discard(f->state);
    db_abort(&f->txn);
}

static struct slice
text(const char *s)
{
    return slice_of(s, strlen(s));
}

/* A key of the members table. */
static struct slice
member(uint32_t no)
{
    static uint8_t memory[8][KEY_MEMBER];
    static unsigned next;
    uint8_t *key = memory[next++ % 8];
    memset(key, 0, KEY_MEMBER);
    be32_put(key + 4, no * 2654435761U);
    be32_put(key + 8, no);
    return slice_of(key, KEY_MEMBER);
}

static void
assert_row(struct fixture *f, uint32_t no, const char *value)
{
    struct slice got;
    int rc = state_get(f->state, TABLE_MEMBERS, member(no), &got, NULL);
    assert_int_equal(rc, value ? 0 : ERR_NOTFOUND);
    if (value)
        assert_true(slice_eq(got, text(value)));
}

static struct hash
fingerprint(struct fixture *f, enum table t)
{
    struct fingerprint_row rows[FINGERPRINTS_MAX];
    struct hash again;
    struct db_txn *txn;
    size_t n;
    assert_int_equal(db_begin_read(f->db, &txn, NULL), 0);
    assert_int_equal(state_fingerprints(txn, rows, &n, NULL), 0);
    struct hash stored = {{0}};
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        assert_true(i == 0 || rows[i].table > rows[i - 1].table);
        if (rows[i].table == table_fingerprint_no(t)) {
            stored = rows[i].fingerprint;
            found = true;
        }
    }
    assert_true(found);
    assert_int_equal(state_fingerprint_recompute(txn, t, &again, NULL), 0);
    assert_true(TYPE_EQ(&stored, &again));
    db_abort(&txn);
    return stored;
}

static void
a_transaction_sees_its_own_changes(void **state)
{
    struct fixture *f = *state;
    begin(f);
    assert_row(f, 1, NULL);
    assert_int_equal(state_put(f->state, TABLE_MEMBERS, member(1), text("one"), NULL), 0);
    assert_int_equal(state_put(f->state, TABLE_MEMBERS, member(2), text("two"), NULL), 0);
    assert_row(f, 1, "one");
    assert_int_equal(state_put(f->state, TABLE_MEMBERS, member(1), text("one, and longer"), NULL), 0);
    assert_row(f, 1, "one, and longer");
    assert_int_equal(state_del(f->state, TABLE_MEMBERS, member(2), NULL), 0);
    assert_row(f, 2, NULL);
    assert_int_equal(state_put(f->state, TABLE_MEMBERS, member(3), text(""), NULL), 0);
    assert_row(f, 3, "");
    assert_true(state_cached_bytes(f->state) > 0);
    assert_int_equal(state_flush(f->state, NULL), 0);
    assert_int_equal(state_cached_bytes(f->state), 0);
    assert_row(f, 1, "one, and longer");
    assert_row(f, 2, NULL);
    assert_int_equal(state_put(f->state, TABLE_MEMBERS, member(1), text("1"), NULL), 0);
    assert_int_equal(commit(f), 0);
    begin(f);
    assert_row(f, 1, "1");
    assert_row(f, 3, "");
    give_up(f);
}

static void
discarded_changes_leave_nothing(void **state)
{
    struct fixture *f = *state;
    begin(f);
    assert_int_equal(state_put(f->state, TABLE_MEMBERS, member(1), text("one"), NULL), 0);
    assert_int_equal(commit(f), 0);
    struct hash before = test_db_digest(f->db);
    begin(f);
    assert_int_equal(state_put(f->state, TABLE_MEMBERS, member(1), text("uno"), NULL), 0);
    assert_int_equal(state_flush(f->state, NULL), 0);
    assert_int_equal(state_put(f->state, TABLE_MEMBERS, member(2), text("due"), NULL), 0);
    give_up(f);
    struct hash after = test_db_digest(f->db);
    assert_true(TYPE_EQ(&before, &after));
    begin(f);
    assert_row(f, 1, "one");
    give_up(f);
}

/* PROTOCOL §13 by hand for one row. */
static void
the_fingerprint_of_one_row_is_its_hash(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[3 + KEY_MEMBER + 3] = {1, 0, KEY_MEMBER};
    memcpy(bytes + 3, member(9).data, KEY_MEMBER);
    memcpy(bytes + 3 + KEY_MEMBER, "row", 3);
    begin(f);
    assert_int_equal(state_put(f->state, TABLE_MEMBERS, member(9), text("row"), NULL), 0);
    assert_int_equal(commit(f), 0);
    struct hash expected = crypto_hash1("smart.fprint", slice_of(bytes, sizeof(bytes)));
    struct hash got = fingerprint(f, TABLE_MEMBERS);
    assert_true(TYPE_EQ(&expected, &got));
}

static void
fingerprints_do_not_depend_on_the_way(void **state)
{
    struct fixture *f = *state;
    struct hash zero = {0};
    for (uint32_t i = 0; i < 300; i++) {
        if (i % 37 == 0)
            begin(f);
        char value[32];
        snprintf(value, sizeof(value), "value %u", i);
        assert_int_equal(state_put(f->state, TABLE_MEMBERS, member(i), text(value), NULL), 0);
        if (i % 5 == 0)
            assert_int_equal(state_del(f->state, TABLE_MEMBERS, member(i / 2), NULL), 0);
        if (i % 11 == 0)
            assert_int_equal(state_flush(f->state, NULL), 0);
        if (i % 37 == 36 || i == 299)
            assert_int_equal(commit(f), 0);
    }
    struct hash one = fingerprint(f, TABLE_MEMBERS);
    assert_false(TYPE_EQ(&one, &zero));
    begin(f);
    for (uint32_t i = 0; i < 300; i++)
        assert_int_equal(state_del(f->state, TABLE_MEMBERS, member(i), NULL), 0);
    assert_int_equal(commit(f), 0);
    struct hash none = fingerprint(f, TABLE_MEMBERS);
    assert_true(TYPE_EQ(&none, &zero));
    begin(f);
    for (uint32_t i = 300; i-- > 0;) {
        char value[32];
        snprintf(value, sizeof(value), "value %u", i);
        bool deleted = i * 2 < 300 && (i * 2 % 5 == 0 || (i * 2 + 1) % 5 == 0) && i > 0;
        if (i == 0 || deleted)
            continue; /* row i was deleted when 2i or 2i + 1 was put */
        assert_int_equal(state_put(f->state, TABLE_MEMBERS, member(i), text(value), NULL), 0);
    }
    assert_int_equal(commit(f), 0);
    struct hash two = fingerprint(f, TABLE_MEMBERS);
    assert_true(TYPE_EQ(&one, &two));
}

/* ---- counters ---- */

static struct slice
cell(uint8_t category)
{
    static uint8_t key[KEY_COUNTS];
    memset(key, 5, sizeof(key));
    key[KEY_COUNTS - 1] = category;
    return slice_of(key, sizeof(key));
}

static void
counters_add_up_and_vanish_at_zero(void **state)
{
    struct fixture *f = *state;
    const int64_t up[3] = {1, -5, INT64_MAX}, down[3] = {-1, 5, -INT64_MAX}, none[3] = {0};
    struct slice value;
    int64_t got[3];
    struct hash zero = {0};
    begin(f);
    assert_int_equal(state_add(f->state, TABLE_COUNTS, cell(1), none, 3, NULL), 0);
    assert_int_equal(state_get(f->state, TABLE_COUNTS, cell(1), &value, NULL), ERR_NOTFOUND);
    assert_int_equal(state_add(f->state, TABLE_COUNTS, cell(1), up, 3, NULL), 0);
    assert_int_equal(state_get(f->state, TABLE_COUNTS, cell(1), &value, NULL), 0);
    assert_int_equal(counters_decode(value, got, 3, NULL), 0);
    assert_memory_equal(got, up, sizeof(up));
    assert_int_equal(state_add(f->state, TABLE_COUNTS, cell(1), up, 3, NULL), 0);
    assert_int_equal(commit(f), 0);
    begin(f);
    assert_int_equal(state_get(f->state, TABLE_COUNTS, cell(1), &value, NULL), 0);
    assert_int_equal(counters_decode(value, got, 3, NULL), 0);
    assert_int_equal(got[0], 2);
    assert_int_equal(got[1], -10);
    assert_int_equal(got[2], -2); /* modulo 2^64 */
    assert_int_equal(counters_decode(value, got, 2, NULL), ERR_CORRUPT);
    assert_int_equal(counters_decode(value, got, 4, NULL), ERR_CORRUPT);
    assert_int_equal(state_add(f->state, TABLE_COUNTS, cell(1), down, 3, NULL), 0);
    assert_int_equal(state_add(f->state, TABLE_COUNTS, cell(1), down, 3, NULL), 0);
    assert_int_equal(state_get(f->state, TABLE_COUNTS, cell(1), &value, NULL), ERR_NOTFOUND);
    assert_int_equal(commit(f), 0);
    struct hash print = fingerprint(f, TABLE_COUNTS);
    assert_true(TYPE_EQ(&print, &zero));
}

static void
counters_may_be_put_deleted_and_added_to(void **state)
{
    struct fixture *f = *state;
    const int64_t one[2] = {1, 1};
    const uint8_t put[2] = {20, 40}; /* 10 and 20 in zigzag */
    struct slice value;
    int64_t got[2];
    begin(f);
    assert_int_equal(state_add(f->state, TABLE_COUNTS, cell(1), one, 2, NULL), 0);
    assert_int_equal(state_put(f->state, TABLE_COUNTS, cell(1), slice_of(put, 2), NULL), 0);
    assert_int_equal(state_add(f->state, TABLE_COUNTS, cell(1), one, 2, NULL), 0);
    assert_int_equal(state_get(f->state, TABLE_COUNTS, cell(1), &value, NULL), 0);
    assert_int_equal(counters_decode(value, got, 2, NULL), 0);
    assert_int_equal(got[0], 11);
    assert_int_equal(got[1], 21);
    assert_int_equal(state_del(f->state, TABLE_COUNTS, cell(1), NULL), 0);
    assert_int_equal(state_add(f->state, TABLE_COUNTS, cell(1), one, 2, NULL), 0);
    assert_int_equal(commit(f), 0);
    begin(f);
    assert_int_equal(state_get(f->state, TABLE_COUNTS, cell(1), &value, NULL), 0);
    assert_int_equal(counters_decode(value, got, 2, NULL), 0);
    assert_int_equal(got[0], 1);
    give_up(f);
    fingerprint(f, TABLE_COUNTS);
}

static void
a_counters_row_without_sense_is_corrupt_and_sticks(void **state)
{
    struct fixture *f = *state;
    const int64_t one[2] = {1, 1};
    begin(f);
    assert_int_equal(state_put(f->state, TABLE_COUNTS, cell(1), text("\x01"), NULL), 0);
    assert_int_equal(commit(f), 0);
    begin(f);
    assert_int_equal(state_add(f->state, TABLE_COUNTS, cell(1), one, 2, NULL), ERR_CORRUPT);
    assert_int_equal(commit(f), ERR_CORRUPT);
}

/* ---- scans ---- */

struct seen {
    struct fixture *f;
    size_t n, stop_at;
    int stop_with;
    uint8_t last[KEY_MAX];
};

static int
see(void *arg, struct slice key, struct slice value)
{
    struct seen *s = arg;
    assert_true(key.len <= sizeof(s->last));
    assert_true(s->n == 0 || memcmp(s->last, key.data, key.len) < 0);
    memcpy(s->last, key.data, key.len);
    assert_true(value.len > 0);
    s->n++;
    /* May look and change while it walks. */
    struct slice same;
    assert_int_equal(state_get(s->f->state, TABLE_VOIDS, key, &same, NULL), 0);
    assert_int_equal(state_put(s->f->state, TABLE_VOIDS, key, text("seen"), NULL), 0);
    return s->n == s->stop_at ? s->stop_with : 0;
}

static int
count_row(void *arg, struct slice key, struct slice value)
{
    struct seen *s = arg;
    assert_true(key.len > 0 && value.len > 0);
    s->n++;
    return 0;
}

static void
a_scan_leaves_the_changes_of_other_tables_in_the_cache(void **state)
{
    struct fixture *f = *state;
    static const int64_t one[2] = {1, 1};
    struct seen s = {.f = f};
    begin(f);
    assert_int_equal(state_add(f->state, TABLE_COUNTS, cell(1), one, 2, NULL), 0);
    size_t held = state_cached_bytes(f->state);
    assert_int_equal(state_scan(f->state, TABLE_VOIDS, (struct slice){0}, see, &s, NULL), 0);
    assert_int_equal(state_cached_bytes(f->state), held);
    assert_int_equal(state_scan(f->state, TABLE_COUNTS, (struct slice){0}, count_row, &s, NULL), 0);
    assert_int_equal(s.n, 1);
    assert_int_equal(state_cached_bytes(f->state), 0);
    assert_int_equal(commit(f), 0);
}

static void
scans_see_changes_under_a_prefix_in_order(void **state)
{
    struct fixture *f = *state;
    struct log_id log = {{7}}, other = {{8}};
    uint8_t key[KEY_POSITION];
    struct seen s = {.f = f};
    begin(f);
    for (uint64_t seq = 20; seq > 0; seq--) {
        key_position(key, seq % 4 == 0 ? &other : &log, seq);
        assert_int_equal(state_put(f->state, TABLE_VOIDS, slice_of(key, sizeof(key)), text("x"), NULL), 0);
        if (seq == 10)
            assert_int_equal(commit(f), 0), begin(f);
    }
    assert_int_equal(state_scan(f->state, TABLE_VOIDS, slice_of(log.b, sizeof(log.b)), see, &s, NULL), 0);
    assert_int_equal(s.n, 15);
    s.n = 0;
    assert_int_equal(state_scan(f->state, TABLE_VOIDS, (struct slice){0}, see, &s, NULL), 0);
    assert_int_equal(s.n, 20);
    s = (struct seen){.f = f, .stop_at = 3, .stop_with = ERR_LIMIT};
    assert_int_equal(state_scan(f->state, TABLE_VOIDS, (struct slice){0}, see, &s, NULL), ERR_LIMIT);
    assert_int_equal(s.n, 3);
    s = (struct seen){.f = f, .stop_at = 3, .stop_with = ERR_NOTFOUND};
    assert_int_equal(state_scan(f->state, TABLE_VOIDS, (struct slice){0}, see, &s, NULL), 0);
    assert_int_equal(s.n, 3);
    assert_int_equal(state_scan(f->state, TABLE_CAPITAL, (struct slice){0}, see, &s, NULL), 0);
    assert_int_equal(commit(f), 0);
    fingerprint(f, TABLE_VOIDS);
}

/* ---- failures, rules version ---- */

static int
workload(struct fixture *f)
{
    const int64_t deltas[2] = {3, 4};
    begin(f);
    for (uint32_t i = 0; i < 5; i++)
        (void)!state_put(f->state, TABLE_MEMBERS, member(i), text("changed"), NULL);
    (void)!state_del(f->state, TABLE_MEMBERS, member(7), NULL);
    (void)!state_add(f->state, TABLE_COUNTS, cell(1), deltas, 2, NULL);
    (void)!state_flush(f->state, NULL);
    (void)!state_add(f->state, TABLE_COUNTS, cell(1), deltas, 2, NULL);
    (void)!state_set_rules_version(f->txn, 5, NULL);
    return commit(f);
}

static void
every_step_may_fail_and_leaves_the_state_as_it_was(void **state)
{
    struct fixture *f = *state;
    const int64_t deltas[2] = {1, 2};
    begin(f);
    for (uint32_t i = 3; i < 9; i++)
        assert_int_equal(state_put(f->state, TABLE_MEMBERS, member(i), text("old"), NULL), 0);
    assert_int_equal(state_add(f->state, TABLE_COUNTS, cell(1), deltas, 2, NULL), 0);
    assert_int_equal(commit(f), 0);
    struct hash before = test_db_digest(f->db);
    unsigned n = 1;
    for (;; n++) {
        db_fail_after(n);
        int rc = workload(f);
        if (rc == 0)
            break;
        assert_int_equal(rc, ERR_FULL);
        db_fail_after(0);
        state_free(&f->state);
        db_close(&f->db);
        f->db = test_db_open_volatile(f->path, DB_MAIN);
        assert_int_equal(state_new(f->db, &f->state, NULL), 0);
        struct hash after = test_db_digest(f->db);
        assert_true(TYPE_EQ(&before, &after));
    }
    assert_true(n > 10);
    fingerprint(f, TABLE_MEMBERS);
    fingerprint(f, TABLE_COUNTS);
}

static void
clearing_empties_rows_fingerprints_and_progress(void **state)
{
    struct fixture *f = *state;
    struct test_unit unit;
    struct test_log log;
    struct log_row row;
    struct hash zero = {0};
    uint32_t version = 9;
    test_unit_make(&unit, "ZZ", 1);
    test_log_start(&log, &unit, 1, NULL, 0);
    begin(f);
    test_log_fill(&log, f->txn, 3, 4, &row);
    row.applied_seq = 4;
    row.depth = 1;
    assert_int_equal(evlog_put(f->txn, &row, NULL), 0);
    assert_int_equal(state_rules_version(f->txn, &version, NULL), 0);
    assert_int_equal(version, 0);
    assert_int_equal(state_set_rules_version(f->txn, 1, NULL), 0);
    assert_int_equal(state_rules_version(f->txn, &version, NULL), 0);
    assert_int_equal(version, 1);
    assert_int_equal(state_put(f->state, TABLE_MEMBERS, member(1), text("one"), NULL), 0);
    assert_int_equal(db_put(f->txn, TABLE_WAITING, text("waits"), text("one"), NULL), 0);
    assert_int_equal(commit(f), 0);
    struct hash print = fingerprint(f, TABLE_MEMBERS);
    assert_false(TYPE_EQ(&print, &zero));

    begin(f);
    assert_int_equal(state_clear(f->txn, NULL), 0);
    assert_int_equal(commit(f), 0);
    print = fingerprint(f, TABLE_MEMBERS);
    assert_true(TYPE_EQ(&print, &zero));
    begin(f);
    assert_row(f, 1, NULL);
    assert_int_equal(state_rules_version(f->txn, &version, NULL), 0);
    assert_int_equal(version, 0);
    assert_int_equal(db_table_entries(f->txn, TABLE_WAITING), 0);
    assert_int_equal(evlog_get(f->txn, 1, &row, NULL), 0);
    assert_int_equal(row.applied_seq, 0);
    assert_int_equal(row.depth, 0);
    assert_int_equal(row.head_seq, 4);
    give_up(f);
    test_log_release(&log);
}

static void
the_total_tells_tables_apart(void **state)
{
    struct fingerprint_row a[2] = {{1, {{1}}}, {2, {{2}}}}, b[2] = {{1, {{2}}}, {2, {{1}}}};
    struct hash x = fingerprint_total(a, 2), y = fingerprint_total(b, 2), z = fingerprint_total(a, 1);
    assert_false(TYPE_EQ(&x, &y));
    assert_false(TYPE_EQ(&x, &z));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_transaction_sees_its_own_changes),
        TEST(discarded_changes_leave_nothing),
        TEST(the_fingerprint_of_one_row_is_its_hash),
        TEST(fingerprints_do_not_depend_on_the_way),
        TEST(counters_add_up_and_vanish_at_zero),
        TEST(counters_may_be_put_deleted_and_added_to),
        TEST(a_counters_row_without_sense_is_corrupt_and_sticks),
        TEST(a_scan_leaves_the_changes_of_other_tables_in_the_cache),
        TEST(scans_see_changes_under_a_prefix_in_order),
        TEST(every_step_may_fail_and_leaves_the_state_as_it_was),
        TEST(clearing_empties_rows_fingerprints_and_progress),
        TEST(the_total_tells_tables_apart),
    };
    return cmocka_run_group_tests_name("storage state", tests, NULL, NULL);
}
