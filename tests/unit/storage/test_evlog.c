/* The logs: runs and their boundaries, what goes on the wire, proofs, truncation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/storage_setup.h"

/* Commits, and goes on with a read transaction. */
static void
commit_and_read(struct log_world *f)
{
    assert_int_equal(db_commit(&f->txn, NULL), 0);
    assert_int_equal(db_begin_read(f->db, &f->txn, NULL), 0);
}

/* That chain values come right from kept ones too: of this event, and of those before and after it in any order. */
static void
check_chain_kept(struct log_world *f, uint64_t seq, const struct chain_value *expected)
{
    static struct evlog_chains
        kept[2]; /* fewer than runs: they displace each other; over all tests: never out of date */
    struct chain_value got, alone;
    assert_int_equal(evlog_chain_at_kept(f->txn, &f->row, seq, kept, ARRAY_LEN(kept), &got, NULL), 0);
    assert_true(TYPE_EQ(&got, expected));
    for (uint64_t other = 0; other <= f->row.head_seq; other++) {
        uint64_t at = other * 23 % (f->row.head_seq + 1);
        assert_int_equal(evlog_chain_at(f->txn, &f->row, at, &alone, NULL), 0);
        assert_int_equal(evlog_chain_at_kept(f->txn, &f->row, at, kept, ARRAY_LEN(kept), &got, NULL), 0);
        assert_true(TYPE_EQ(&got, &alone));
    }
    assert_int_equal(evlog_chain_at_kept(f->txn, &f->row, f->row.head_seq + 1, kept, 2, &got, NULL), ERR_NOTFOUND);
}

/* That what evlog_read gives from `from` verifies as a peer verifies it; returns its number of events. */
static uint32_t
check_run_from(struct log_world *f, uint64_t from)
{
    struct buf out;
    struct run run;
    struct chain_value before, after, expected;
    struct err err;
    buf_init(&out, RUN_BYTES_MAX);
    assert_int_equal(evlog_read(f->txn, &f->row, from, &out, &run, &err), 0);
    assert_int_equal(run.first, from);
    assert_int_equal(evlog_chain_at(f->txn, &f->row, from - 1, &before, &err), 0);
    if (verify_run(&run, &before, &f->row.signing_key, &after, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(evlog_chain_at(f->txn, &f->row, from + run.count - 1, &expected, &err), 0);
    assert_true(TYPE_EQ(&after, &expected));
    buf_free(&out);
    return run.count;
}

static void
a_log_row_is_found_as_it_was_put(void **state)
{
    struct log_world *f = *state;
    struct log_row got, again;
    struct log_predecessor p[2] = {{{{1}}, 5, {{2}}}, {{{3}}, 1, {{4}}}};
    struct test_log log;
    uint32_t n = 9;
    assert_int_equal(evlog_count(f->txn, &n, NULL), 0);
    assert_int_equal(n, 0);
    test_log_start(&log, &f->unit, 2, p, 2);
    assert_int_equal(evlog_find(f->txn, &log.id, &got, NULL), ERR_NOTFOUND);
    assert_int_equal(evlog_create(f->txn, &log.id, &log.opened, &log.first, &got, NULL), 0);
    assert_int_equal(evlog_create(f->txn, &log.id, &log.opened, &log.first, &again, NULL), ERR_EXISTS);
    assert_int_equal(got.no, 1);
    assert_int_equal(got.head_seq, 0);
    assert_true(got.stands_to == UINT64_MAX);
    assert_int_equal(got.state, LOG_LIVE);
    assert_int_equal(got.n_predecessors, 2);
    assert_memory_equal(got.head_chain.b, log.id.b, HASH_BYTES);
    got.depth = 3;
    got.state = LOG_FROZEN;
    got.applied_seq = 17;
    got.stands_to = 12;
    assert_int_equal(evlog_put(f->txn, &got, NULL), 0);
    commit_and_read(f);
    assert_int_equal(evlog_find(f->txn, &log.id, &again, NULL), 0);
    assert_int_equal(again.depth, 3);
    assert_int_equal(again.state, LOG_FROZEN);
    assert_int_equal(again.applied_seq, 17);
    assert_int_equal(again.stands_to, 12);
    assert_int_equal(again.serial, log.opened.serial);
    assert_true(TYPE_EQ(&again.unit, &f->unit.id));
    assert_true(TYPE_EQ(&again.signing_key, &log.signing));
    assert_memory_equal(again.nonce, log.opened.nonce, sizeof(again.nonce));
    assert_int_equal(again.predecessors[0].seq, 5);
    assert_true(TYPE_EQ(&again.predecessors[1].log, &p[1].log));
    assert_true(TYPE_EQ(&again.predecessors[1].chain, &p[1].chain));
    assert_int_equal(evlog_get(f->txn, 2, &again, NULL), ERR_NOTFOUND);
    assert_int_equal(evlog_count(f->txn, &n, NULL), 0);
    assert_int_equal(n, 1);
    test_log_release(&log);
}

static void
a_log_row_without_sense_is_corrupt(void **state)
{
    struct log_world *f = *state;
    uint8_t key[4] = {0, 0, 0, 1};
    struct slice value;
    struct log_row row;
    test_log_fill(&f->log, f->txn, 1, 9, &f->row);
    assert_int_equal(db_get(f->txn, TABLE_LOGS, slice_of(key, 4), &value, NULL), 0);
    uint8_t copy[1024];
    size_t len = value.len;
    memcpy(copy, value.data, len);
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(db_put(f->txn, TABLE_LOGS, slice_of(key, 4), slice_of(copy, cut), NULL), 0);
        assert_int_equal(evlog_get(f->txn, 1, &row, NULL), ERR_CORRUPT);
    }
    copy[0] = 2; /* another version */
    assert_int_equal(db_put(f->txn, TABLE_LOGS, slice_of(key, 4), slice_of(copy, len), NULL), 0);
    assert_int_equal(evlog_get(f->txn, 1, &row, NULL), ERR_CORRUPT);
}

static void
every_event_is_found_whatever_the_runs(void **state)
{
    struct log_world *f = *state;
    const size_t sizes[] = {1, 2, 3, 7, 40};
    struct stored_event e;
    struct event_header h;
    struct chain_value chain = {{0}};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        test_log_fill(&f->log, f->txn, sizes[i], sizes[i], &f->row);
    commit_and_read(f);
    assert_int_equal(f->row.head_seq, 54);
    memcpy(chain.b, f->log.id.b, sizeof(chain.b));
    for (uint64_t seq = 1; seq <= 54; seq++) {
        struct chain_value got;
        assert_int_equal(evlog_event(f->txn, f->row.no, seq, &e, NULL), 0);
        assert_int_equal(event_header_decode(e.header, &h, NULL), 0);
        assert_int_equal(h.seq, seq);
        assert_int_equal(e.payload.len, h.payload_bytes);
        chain = crypto_chain(chain, crypto_header_hash(e.header));
        assert_int_equal(evlog_chain_at(f->txn, &f->row, seq, &got, NULL), 0);
        assert_true(TYPE_EQ(&chain, &got));
        check_chain_kept(f, seq, &chain);
        check_run_from(f, seq);
    }
    struct chain_value got;
    struct stored_run run;
    assert_int_equal(evlog_event(f->txn, f->row.no, 55, &e, NULL), ERR_NOTFOUND);
    assert_int_equal(evlog_event(f->txn, f->row.no, 0, &e, NULL), ERR_NOTFOUND);
    assert_int_equal(evlog_event(f->txn, f->row.no + 1, 1, &e, NULL), ERR_NOTFOUND);
    assert_int_equal(evlog_chain_at(f->txn, &f->row, 55, &got, NULL), ERR_NOTFOUND);
    assert_int_equal(evlog_run_at(f->txn, f->row.no, 6, &run, NULL), 0);
    assert_int_equal(run.first, 5);
    assert_int_equal(run.count, 3);
}

static void
a_run_must_continue_its_log(void **state)
{
    struct log_world *f = *state;
    struct run run, wrong;
    struct chain_value after;
    test_log_fill(&f->log, f->txn, 3, 2, &f->row);
    assert_int_equal(f->row.head_seq, 4);
    struct hash before = {0};
    test_log_filler(&f->log);
    test_log_seal(&f->log, &run, &after);
    wrong = run;
    wrong.first = 4;
    assert_int_equal(evlog_append(f->txn, &f->row, &wrong, &after, NULL), ERR_INVALID);
    wrong.first = 6;
    assert_int_equal(evlog_append(f->txn, &f->row, &wrong, &after, NULL), ERR_INVALID);
    wrong = run;
    wrong.count = 0;
    assert_int_equal(evlog_append(f->txn, &f->row, &wrong, &after, NULL), ERR_INVALID);
    wrong.count = RUN_EVENTS_MAX + 1;
    assert_int_equal(evlog_append(f->txn, &f->row, &wrong, &after, NULL), ERR_LIMIT);
    wrong = run;
    memcpy(wrong.log.b, before.b, sizeof(wrong.log.b));
    assert_int_equal(evlog_append(f->txn, &f->row, &wrong, &after, NULL), ERR_INVALID);
    f->row.state = LOG_FROZEN;
    assert_int_equal(evlog_append(f->txn, &f->row, &run, &after, NULL), ERR_FORK);
    f->row.state = LOG_LIVE;
    assert_int_equal(f->row.head_seq, 4);
    assert_int_equal(evlog_append(f->txn, &f->row, &run, &after, NULL), 0);
    assert_int_equal(f->row.head_seq, 5);
    assert_int_equal(db_error(f->txn, NULL), 0);
}

static void
runs_are_joined_up_to_256_events(void **state)
{
    struct log_world *f = *state;
    test_log_fill(&f->log, f->txn, 599, 10, &f->row);
    commit_and_read(f);
    assert_int_equal(f->row.head_seq, 600);
    assert_int_equal(check_run_from(f, 1), 250); /* 25 rows; a 26th would be too many */
    assert_int_equal(check_run_from(f, 11), 250);
    assert_int_equal(check_run_from(f, 5), 256); /* 6 and 25 rows of 10 */
    assert_int_equal(check_run_from(f, 10), 251);
    assert_int_equal(check_run_from(f, 400), 201); /* up to the head */
    assert_int_equal(check_run_from(f, 600), 1);
    struct buf out;
    struct run run;
    buf_init(&out, RUN_BYTES_MAX);
    assert_int_equal(evlog_read(f->txn, &f->row, 601, &out, &run, NULL), ERR_NOTFOUND);
    assert_int_equal(evlog_read(f->txn, &f->row, 0, &out, &run, NULL), ERR_NOTFOUND);
    buf_free(&out);
}

static void
runs_are_joined_up_to_256_kib(void **state)
{
    struct log_world *f = *state;
    uint8_t *big = calloc(1, 60000);
    assert_non_null(big);
    test_log_store(&f->log, f->txn, &f->row);
    for (int i = 0; i < 9; i++) {
        test_log_raw(&f->log, 40000, 1, false, slice_of(big, 60000), NULL, 0, NULL, 0);
        test_log_store(&f->log, f->txn, &f->row);
    }
    commit_and_read(f);
    assert_int_equal(check_run_from(f, 2), 4);
    assert_int_equal(check_run_from(f, 1), 5);
    assert_int_equal(check_run_from(f, 8), 3);
    struct buf small;
    struct run run;
    buf_init(&small, 1000);
    assert_int_equal(evlog_read(f->txn, &f->row, 2, &small, &run, NULL), ERR_LIMIT);
    buf_free(&small);
    free(big);
}

static void
a_walk_sees_every_event_even_while_the_walker_writes(void **state)
{
    struct log_world *f = *state;
    struct evlog_iter it;
    struct stored_event e;
    struct event_header h;
    struct test_log other;
    struct log_row other_row;
    test_log_start(&other, &f->unit, 2, NULL, 0); /* before ours in the table: its rows share pages with ours */
    test_log_fill(&other, f->txn, 5, 1, &other_row);
    test_log_fill(&f->log, f->txn, 29, 4, &f->row);
    uint64_t expected = 6;
    assert_int_equal(evlog_iter_init(&it, f->txn, f->row.no, 6, NULL), 0);
    int rc;
    while ((rc = evlog_iter_next(&it, &e, NULL)) == 0) {
        assert_int_equal(it.seq, expected);
        struct stored_event before = e;
        if (expected < 40)
            test_log_fill(&f->log, f->txn, 1, 1, &f->row);
        if (other_row.head_seq > 0)
            assert_int_equal(evlog_truncate(f->txn, &other_row, other_row.head_seq - 1, NULL), 0);
        assert_int_equal(event_header_decode(before.header, &h, NULL), 0);
        assert_int_equal(h.seq, expected);
        expected++;
    }
    assert_int_equal(rc, ERR_NOTFOUND);
    assert_int_equal(expected - 1, f->row.head_seq);
    assert_true(f->row.head_seq > 60);
    evlog_iter_release(&it);
    uint64_t head = f->row.head_seq;
    commit_and_read(f);
    assert_int_equal(evlog_iter_init(&it, f->txn, f->row.no, 0, NULL), 0);
    for (uint64_t seq = 1; seq <= head; seq++) {
        assert_int_equal(evlog_iter_next(&it, &e, NULL), 0);
        assert_int_equal(it.seq, seq);
    }
    assert_int_equal(evlog_iter_next(&it, &e, NULL), ERR_NOTFOUND);
    evlog_iter_release(&it);
    test_log_release(&other);
}

static void
receipts_hold_for_every_event(void **state)
{
    struct log_world *f = *state;
    struct buf scratch;
    struct receipt r;
    struct err err;
    buf_init(&scratch, RECEIPT_BYTES_MAX);
    test_log_store(&f->log, f->txn, &f->row);
    test_log_fill(&f->log, f->txn, 19, 6, &f->row);
    commit_and_read(f);
    for (uint64_t seq = 1; seq <= 20; seq++) {
        struct log_id log;
        struct log_opened opened;
        struct event_header h;
        assert_int_equal(evlog_receipt(f->txn, &f->row, seq, &scratch, &r, &err), 0);
        if (receipt_check(&r, &log, &opened, &h, &err) != 0)
            fail_msg("%s", err.text);
        assert_int_equal(h.seq, seq);
        assert_true(TYPE_EQ(&log, &f->log.id));
    }
    assert_int_equal(evlog_receipt(f->txn, &f->row, 21, &scratch, &r, &err), ERR_NOTFOUND);
    buf_free(&scratch);
}

static void
evidence_holds_at_every_position(void **state)
{
    struct log_world *f = *state;
    struct buf hashes;
    struct err err;
    buf_init(&hashes, EVIDENCE_HASHES_MAX * HASH_BYTES);
    test_log_fill(&f->log, f->txn, 19, 6, &f->row);
    commit_and_read(f);
    uint64_t first = 0;
    struct chain_value before, at, expected;
    struct seal seal;
    for (uint64_t seq = 1; seq <= 20; seq++) {
        assert_int_equal(evlog_evidence(f->txn, &f->row, seq, &first, &before, &hashes, &seal, &err), 0);
        assert_in_range(seq, first, first + hashes.len / HASH_BYTES - 1);
        if (verify_evidence(&f->log.id, first, &before, buf_slice(&hashes), &seal, &f->log.signing, seq, &at, &err) !=
            0)
            fail_msg("%s", err.text);
        assert_int_equal(evlog_chain_at(f->txn, &f->row, seq, &expected, &err), 0);
        assert_true(TYPE_EQ(&at, &expected));
    }
    assert_int_equal(evlog_evidence(f->txn, &f->row, 21, &first, &before, &hashes, &seal, &err), ERR_NOTFOUND);
    buf_free(&hashes);
}

static bool
has_capsule(struct log_world *f, uint64_t seq, uint8_t index)
{
    struct slice got;
    return capsules_get(f->txn, f->row.no, seq, index, &got, NULL) == 0;
}

static void
truncation_goes_back_to_a_seal_and_the_log_goes_on(void **state)
{
    struct log_world *f = *state;
    struct chain_value at8;
    struct stored_event e;
    struct test_log other;
    struct log_row other_row;
    test_log_start(&other, &f->unit, 2, NULL, 0);
    test_log_fill(&f->log, f->txn, 19, 4, &f->row); /* 4, 8, 12, 16, 20 */
    struct test_log at_16 = f->log;
    test_log_fill(&other, f->txn, 9, 4, &other_row);
    for (uint64_t seq = 1; seq <= 20; seq++)
        assert_int_equal(capsules_put(f->txn, f->row.no, seq, 1, slice_of("capsule", 7), NULL), 0);
    assert_int_equal(capsules_put(f->txn, other_row.no, 3, 0, slice_of("capsule", 7), NULL), 0);
    assert_int_equal(evlog_chain_at(f->txn, &f->row, 8, &at8, NULL), 0);
    f->row.applied_seq = 20;
    assert_int_equal(evlog_truncate(f->txn, &f->row, 20, NULL), 0);
    assert_int_equal(f->row.head_seq, 20);
    assert_int_equal(evlog_truncate(f->txn, &f->row, 16, NULL), 0);
    assert_int_equal(f->row.head_seq, 16);
    assert_int_equal(evlog_truncate(f->txn, &f->row, 10, NULL), 0); /* within 9…12 */
    assert_int_equal(f->row.head_seq, 8);
    assert_int_equal(f->row.applied_seq, 8);
    assert_true(TYPE_EQ(&f->row.head_chain, &at8));
    assert_true(has_capsule(f, 10, 1));
    assert_false(has_capsule(f, 11, 1));
    assert_false(has_capsule(f, 10, 0));
    assert_int_equal(evlog_event(f->txn, f->row.no, 9, &e, NULL), ERR_NOTFOUND);
    commit_and_read(f);
    assert_int_equal(check_run_from(f, 1), 8);
    struct slice got;
    assert_int_equal(capsules_get(f->txn, other_row.no, 3, 0, &got, NULL), 0);
    assert_int_equal(evlog_event(f->txn, other_row.no, 10, &e, NULL), 0);
    db_abort(&f->txn);

    /* Another branch of the same log. */
    assert_int_equal(db_begin_write(f->db, &f->txn, NULL), 0);
    f->log = at_16;
    f->log.seq = f->log.sealed = 8;
    f->log.chain = at8;
    test_log_fill(&f->log, f->txn, 5, 5, &f->row);
    assert_int_equal(f->row.head_seq, 13);
    assert_int_equal(evlog_truncate(f->txn, &f->row, 0, NULL), 0);
    assert_int_equal(f->row.head_seq, 0);
    assert_memory_equal(f->row.head_chain.b, f->log.id.b, HASH_BYTES);
    test_log_release(&other);
}

static void
capsules_are_bounded(void **state)
{
    struct log_world *f = *state;
    static uint8_t big[CAPSULE_BYTES_MAX + 1];
    struct slice got;
    assert_int_equal(capsules_put(f->txn, 1, 1, 0, slice_of(big, sizeof(big)), NULL), ERR_LIMIT);
    assert_int_equal(capsules_put(f->txn, 1, 1, 0, slice_of(big, 0), NULL), ERR_LIMIT);
    assert_int_equal(capsules_put(f->txn, 1, 1, 0, slice_of(big, CAPSULE_BYTES_MAX), NULL), 0);
    assert_int_equal(capsules_get(f->txn, 1, 1, 0, &got, NULL), 0);
    assert_int_equal(got.len, CAPSULE_BYTES_MAX);
    assert_int_equal(capsules_get(f->txn, 1, 1, 1, &got, NULL), ERR_NOTFOUND);
}

/* ---- failures ---- */

static int
workload(struct log_world *f, struct test_log *log)
{
    struct run run;
    struct log_row row;
    struct chain_value after;
    struct test_log copy = *log;
    struct db_txn *txn;
    int rc = db_begin_write(f->db, &txn, NULL);
    if (rc != 0)
        return rc;
    test_log_seal(&copy, &run, &after);
    if (evlog_create(txn, &copy.id, &copy.opened, &copy.first, &row, NULL) == 0) {
        (void)!evlog_append(txn, &row, &run, &after, NULL);
        (void)!capsules_put(txn, row.no, 1, 0, slice_of("c", 1), NULL);
        (void)!evlog_truncate(txn, &row, 0, NULL);
    }
    return db_commit(&txn, NULL);
}

static void
every_step_may_fail_and_leaves_the_logs_as_they_were(void **state)
{
    struct log_world *f = *state;
    struct test_log other;
    test_log_fill(&f->log, f->txn, 9, 4, &f->row);
    assert_int_equal(db_commit(&f->txn, NULL), 0);
    test_log_start(&other, &f->unit, 2, NULL, 0);
    struct hash before = test_db_digest(f->db);
    unsigned n = 1;
    for (;; n++) {
        db_fail_after(n);
        int rc = workload(f, &other);
        if (rc == 0)
            break;
        assert_int_equal(rc, ERR_FULL);
        db_fail_after(0);
        db_close(&f->db);
        f->db = test_db_open_volatile(f->path, DB_MAIN);
        struct hash after = test_db_digest(f->db);
        assert_true(TYPE_EQ(&before, &after));
    }
    assert_int_equal(n, 10); /* 2 of create, 2 of append, capsule, 3 of truncate, commit */
    test_log_release(&other);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, log_world_setup, log_world_teardown)

/* Stores events 1 to n of the unit's log, a run ending at each of the given seqs. The same arguments give the same events. */
static void
store_in_runs(struct test_log *log, const struct test_unit *u, struct db_txn *txn, const uint64_t *ends, size_t n_ends,
              struct log_row *ret_row)
{
    test_log_start(log, u, 1, NULL, 0);
    for (size_t i = 0; i < n_ends; i++) {
        while (log->seq < ends[i])
            test_log_filler(log);
        test_log_store(log, txn, ret_row);
    }
}

static void
kept_chain_values_know_where_their_run_begins(void **state)
{
    static const uint64_t wide[] = {4, 10}, narrow[] = {4, 6, 10};
    static struct evlog_chains kept[1];
    struct test_unit u;
    struct test_log logs[2];
    struct log_row rows[2];
    struct db_txn *txns[2] = {NULL, NULL};
    struct db *dbs[2];
    char dirs[2][TEST_PATH_MAX];
    struct err err;
    (void)state;
    test_unit_make(&u, "BE", 1);
    for (int i = 0; i < 2; i++) {
        test_dir_make(dirs[i]);
        dbs[i] = test_db_open_volatile(dirs[i], DB_MAIN);
        assert_int_equal(db_begin_write(dbs[i], &txns[i], &err), 0);
        store_in_runs(&logs[i], &u, txns[i], i == 0 ? wide : narrow, i == 0 ? ARRAY_LEN(wide) : ARRAY_LEN(narrow),
                      &rows[i]);
    }
    assert_memory_equal(&rows[0].head_chain, &rows[1].head_chain, sizeof(rows[0].head_chain));
    for (uint64_t seq = 1; seq <= 10; seq++) {
        struct chain_value a, b;
        assert_int_equal(evlog_chain_at_kept(txns[0], &rows[0], seq, kept, 1, &a, &err), 0);
        assert_int_equal(evlog_chain_at_kept(txns[1], &rows[1], seq, kept, 1, &b, &err), 0);
        assert_memory_equal(&a, &b, sizeof(a));
    }
    for (int i = 0; i < 2; i++) {
        db_abort(&txns[i]);
        test_log_release(&logs[i]);
        db_close(&dbs[i]);
        test_dir_remove(dirs[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_log_row_is_found_as_it_was_put),
        TEST(a_log_row_without_sense_is_corrupt),
        TEST(every_event_is_found_whatever_the_runs),
        TEST(a_run_must_continue_its_log),
        TEST(runs_are_joined_up_to_256_events),
        TEST(runs_are_joined_up_to_256_kib),
        TEST(a_walk_sees_every_event_even_while_the_walker_writes),
        cmocka_unit_test(kept_chain_values_know_where_their_run_begins),
        TEST(receipts_hold_for_every_event),
        TEST(evidence_holds_at_every_position),
        TEST(truncation_goes_back_to_a_seal_and_the_log_goes_on),
        TEST(capsules_are_bounded),
        TEST(every_step_may_fail_and_leaves_the_logs_as_they_were),
    };
    return cmocka_run_group_tests_name("storage evlog", tests, NULL, NULL);
}
