/* Environments and transactions: what is refused, what sticks, and what is left after failures and kills. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/storage.h"

enum { EXIT_OK = 0, EXIT_BROKEN = 3, EXIT_DISK_FAILED = 74 };

static bool flush_fails;

/* Stands before libc's, also for LMDB. */
int
fdatasync(int fd)
{
    if (flush_fails) {
        errno = EIO;
        return -1;
    }
    return fsync(fd);
}

struct fixture {
    char path[TEST_PATH_MAX];
    struct db *db;
};

static int
setup(void **state)
{
    static struct fixture f;
    test_dir_make(f.path);
    f.db = test_db_open(f.path, DB_MAIN);
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    db_fail_after(0);
    db_close(&f->db);
    test_dir_remove(f->path);
    return 0;
}

static struct slice
text(const char *s)
{
    return slice_of(s, strlen(s));
}

static int
put_number(struct db_txn *txn, uint32_t no, size_t value_bytes)
{
    uint8_t key[4], value[8192];
    memset(value, (int)no, sizeof(value));
    be32_put(key, no);
    return db_put(txn, TABLE_TOKENS, slice_of(key, sizeof(key)), slice_of(value, value_bytes), NULL);
}

static bool
has_number(struct db *db, uint32_t no)
{
    uint8_t key[4];
    struct db_txn *txn;
    struct slice value;
    be32_put(key, no);
    if (db_begin_read(db, &txn, NULL) != 0)
        return false;
    int rc = db_get(txn, TABLE_TOKENS, slice_of(key, sizeof(key)), &value, NULL);
    db_abort(&txn);
    return rc == 0;
}

static int
commit_number(struct db *db, uint32_t no, size_t value_bytes)
{
    struct db_txn *txn;
    int rc = db_begin_write(db, &txn, NULL);
    if (rc != 0)
        return rc;
    (void)!put_number(txn, no, value_bytes);
    return db_commit(&txn, NULL);
}

static void
committed_rows_are_there_after_reopening(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(commit_number(f->db, 7, 100), 0);
    struct hash before = test_db_digest(f->db);
    db_close(&f->db);
    f->db = test_db_open(f->path, DB_MAIN);
    assert_true(has_number(f->db, 7));
    struct hash after = test_db_digest(f->db);
    assert_true(TYPE_EQ(&before, &after));
}

static void
aborted_rows_are_not(void **state)
{
    struct fixture *f = *state;
    struct db_txn *txn;
    assert_int_equal(db_begin_write(f->db, &txn, NULL), 0);
    assert_true(db_is_write(txn));
    assert_ptr_equal(db_of(txn), f->db);
    assert_int_equal(put_number(txn, 7, 10), 0);
    db_abort(&txn);
    assert_null(txn);
    db_abort(&txn);
    assert_false(has_number(f->db, 7));
}

static void
absent_rows_do_not_stick_but_failures_do(void **state)
{
    struct fixture *f = *state;
    struct db_txn *txn;
    struct slice value;
    struct db_cursor *c;
    struct err err;
    assert_int_equal(db_begin_write(f->db, &txn, NULL), 0);
    assert_int_equal(db_get(txn, TABLE_TOKENS, text("no"), &value, &err), ERR_NOTFOUND);
    assert_int_equal(db_error(txn, NULL), 0);
    assert_int_equal(db_del(txn, TABLE_TOKENS, text("no"), &err), 0);
    db_fail_after(1);
    assert_int_equal(put_number(txn, 1, 10), ERR_FULL);
    assert_int_equal(put_number(txn, 2, 10), ERR_FULL);
    assert_int_equal(db_get(txn, TABLE_TOKENS, text("no"), &value, &err), ERR_FULL);
    assert_int_equal(db_cursor_open(txn, TABLE_TOKENS, &c, &err), ERR_FULL);
    assert_int_equal(db_table_entries(txn, TABLE_TOKENS), 0);
    assert_int_equal(db_error(txn, &err), ERR_FULL);
    assert_non_null(strstr(err.text, "full"));
    assert_int_equal(db_commit(&txn, &err), ERR_FULL);
    assert_null(txn);
    assert_int_equal(commit_number(f->db, 1, 10), 0);
}

static void
a_key_that_is_too_long_is_refused(void **state)
{
    struct fixture *f = *state;
    uint8_t key[600] = {1};
    struct db_txn *txn;
    assert_int_equal(db_begin_write(f->db, &txn, NULL), 0);
    assert_int_equal(db_put(txn, TABLE_TOKENS, slice_of(key, sizeof(key)), text("v"), NULL), ERR_LIMIT);
    assert_int_equal(db_commit(&txn, NULL), ERR_LIMIT);
}

static int
open_at(const char *path, enum db_kind kind, bool create, struct err *err)
{
    struct db_opts opts = {.path = path, .map_bytes = TEST_MAP_BYTES, .kind = kind, .create = create};
    struct db *db = NULL;
    int rc = db_open(&opts, &db, err);
    db_close(&db);
    return rc;
}

static void
directories_that_do_not_fit_are_refused(void **state)
{
    struct fixture *f = *state;
    char other[TEST_PATH_MAX], file[TEST_PATH_MAX + 16];
    struct err err;
    db_close(&f->db);
    assert_int_equal(open_at("/nonexistent/smartnode", DB_MAIN, true, &err), ERR_NOTFOUND);
    assert_int_equal(open_at(f->path, DB_VAULT, true, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "not a vault"));
    assert_int_equal(open_at(f->path, DB_MAIN, false, &err), 0);

    test_dir_make(other);
    assert_int_equal(open_at(other, DB_MAIN, false, &err), ERR_NOTFOUND);
    snprintf(file, sizeof(file), "%s/data.mdb", other);
    assert_int_equal(access(file, F_OK), -1);
    FILE *garbage = fopen(file, "w");
    assert_non_null(garbage);
    for (int i = 0; i < 3000; i++)
        fputs("garbage", garbage);
    fclose(garbage);
    assert_int_equal(open_at(other, DB_MAIN, true, &err), ERR_CORRUPT);
    test_dir_remove(other);
}

static void
a_newer_format_is_refused_and_says_so(void **state)
{
    struct fixture *f = *state;
    uint8_t format[5] = {0, 0, 0, MAIN_FORMAT + 1, DB_MAIN};
    struct db_txn *txn;
    struct err err;
    assert_int_equal(db_begin_write(f->db, &txn, NULL), 0);
    assert_int_equal(db_put(txn, TABLE_META, text("format"), slice_of(format, sizeof(format)), NULL), 0);
    assert_int_equal(db_commit(&txn, NULL), 0);
    db_close(&f->db);
    assert_int_equal(open_at(f->path, DB_MAIN, true, &err), ERR_VERSION);
    assert_non_null(strstr(err.text, "newer program"));
}

static void
a_full_map_refuses_the_write_and_goes_on(void **state)
{
    struct fixture *f = *state;
    struct db_opts opts = {.path = f->path, .map_bytes = 1024 * 1024, .kind = DB_MAIN};
    db_close(&f->db);
    assert_int_equal(db_open(&opts, &f->db, NULL), 0);
    uint32_t n = 0;
    while (n < 1000 && commit_number(f->db, n, 8000) == 0)
        n++;
    assert_in_range(n, 10, 300);
    assert_int_equal(commit_number(f->db, n, 8000), ERR_FULL);
    for (uint32_t i = 0; i < n; i++)
        assert_true(has_number(f->db, i));
    assert_false(has_number(f->db, n));
    db_close(&f->db);
    f->db = test_db_open(f->path, DB_MAIN); /* a larger map */
    assert_int_equal(commit_number(f->db, n, 8000), 0);
}

static int
workload(struct db *db)
{
    struct db_txn *txn;
    uint8_t *room;
    int rc = db_begin_write(db, &txn, NULL);
    if (rc != 0)
        return rc;
    for (uint32_t i = 0; i < 6; i++)
        (void)!put_number(txn, 100 + i, 3000);
    if (db_put_reserve(txn, TABLE_PEERS, text("peer"), 9, &room, NULL) == 0)
        memset(room, 1, 9);
    (void)!db_del(txn, TABLE_TOKENS, text("first"), NULL);
    (void)!db_clear(txn, TABLE_EVIDENCE, NULL);
    return db_commit(&txn, NULL);
}

static void
every_step_may_fail_and_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct db_txn *txn;
    assert_int_equal(db_begin_write(f->db, &txn, NULL), 0);
    assert_int_equal(db_put(txn, TABLE_TOKENS, text("first"), text("1"), NULL), 0);
    assert_int_equal(db_put(txn, TABLE_EVIDENCE, text("proof"), text("1"), NULL), 0);
    assert_int_equal(db_commit(&txn, NULL), 0);
    struct hash before = test_db_digest(f->db);
    unsigned n = 1;
    for (;; n++) {
        db_fail_after(n);
        int rc = workload(f->db);
        if (rc == 0)
            break;
        assert_int_equal(rc, ERR_FULL);
        db_fail_after(0);
        db_close(&f->db);
        f->db = test_db_open(f->path, DB_MAIN);
        struct hash after = test_db_digest(f->db);
        assert_true(TYPE_EQ(&before, &after));
    }
    assert_int_equal(n, 11); /* 9 steps and the commit */
    struct hash after = test_db_digest(f->db);
    assert_false(TYPE_EQ(&before, &after));
}

/* ---- other processes ---- */

static int
exit_of(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Commits rows for ever and reports each on the pipe after its commit; a row that is never committed is number 4,000,000. */
static void
writer_process(const char *path, int pipe_out)
{
    struct db_opts opts = {.path = path, .map_bytes = TEST_MAP_BYTES, .kind = DB_MAIN};
    struct db *db;
    struct db_txn *txn;
    if (db_open(&opts, &db, NULL) != 0)
        _exit(EXIT_BROKEN);
    for (uint32_t n = 0;; n++) {
        if (commit_number(db, n, 500) != 0 || write(pipe_out, &n, sizeof(n)) != sizeof(n) ||
            db_begin_write(db, &txn, NULL) != 0 || put_number(txn, 4000000, 500) != 0)
            _exit(EXIT_BROKEN);
        db_abort(&txn);
    }
}

static void
what_was_acknowledged_survives_a_kill(void **state)
{
    struct fixture *f = *state;
    db_close(&f->db);
    for (unsigned round = 1; round <= 5; round++) {
        int fds[2];
        uint32_t n = 0, acknowledged = 0;
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            writer_process(f->path, fds[1]);
        close(fds[1]);
        while (acknowledged < 3 * round && read(fds[0], &n, sizeof(n)) == sizeof(n))
            acknowledged = n + 1;
        assert_int_equal(kill(child, SIGKILL), 0);
        while (read(fds[0], &n, sizeof(n)) == sizeof(n))
            acknowledged = n + 1;
        close(fds[0]);
        assert_int_equal(exit_of(child), -SIGKILL);
        f->db = test_db_open(f->path, DB_MAIN);
        for (uint32_t i = 0; i < acknowledged; i++)
            assert_true(has_number(f->db, i));
        assert_false(has_number(f->db, 4000000));
        assert_int_equal(commit_number(f->db, 5000000, 10), 0);
        db_close(&f->db);
    }
    f->db = test_db_open(f->path, DB_MAIN);
}

static void
slots_of_killed_readers_are_cleared(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    char ready;
    unsigned cleared = 9;
    db_close(&f->db);
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct db_opts opts = {.path = f->path, .map_bytes = TEST_MAP_BYTES, .kind = DB_MAIN};
        struct db *db;
        struct db_txn *txn;
        if (db_open(&opts, &db, NULL) != 0 || db_begin_read(db, &txn, NULL) != 0 || write(fds[1], "r", 1) != 1)
            _exit(EXIT_BROKEN);
        for (;;)
            pause();
    }
    assert_int_equal(read(fds[0], &ready, 1), 1);
    f->db = test_db_open(f->path, DB_MAIN);
    assert_int_equal(db_reader_check(f->db, &cleared, NULL), 0);
    assert_int_equal(cleared, 0);
    kill(child, SIGKILL);
    assert_int_equal(exit_of(child), -SIGKILL);
    assert_int_equal(db_reader_check(f->db, &cleared, NULL), 0);
    assert_int_equal(cleared, 1);
    close(fds[0]);
    close(fds[1]);
}

static void
limit_files_to(rlim_t bytes)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0)
        _exit(EXIT_BROKEN);
    limit.rlim_cur = bytes;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        _exit(EXIT_BROKEN);
}

/* The file may not grow: the first write past the limit is cut short, later ones fail. */
static void
full_disk_process(const char *path, rlim_t limit)
{
    struct db_opts opts = {.path = path, .map_bytes = TEST_MAP_BYTES, .kind = DB_MAIN};
    struct db *db;
    uint32_t n = 0;
    signal(SIGXFSZ, SIG_IGN);
    if (db_open(&opts, &db, NULL) != 0)
        _exit(EXIT_BROKEN);
    limit_files_to(limit);
    int rc = 0;
    while (n < 1000 && (rc = commit_number(db, n, 8000)) == 0)
        n++;
    if (rc != ERR_FULL || commit_number(db, n, 8000) != ERR_FULL || !has_number(db, n - 1) || has_number(db, n))
        _exit(EXIT_BROKEN);
    limit_files_to(RLIM_INFINITY);
    if (commit_number(db, n, 8000) != 0 || !has_number(db, n))
        _exit(EXIT_BROKEN);
    db_close(&db);
    _exit(EXIT_OK);
}

static void
a_full_disk_refuses_the_write_and_goes_on(void **state)
{
    struct fixture *f = *state;
    db_close(&f->db);
    for (rlim_t limit = 400000; limit < 420000; limit += 1500) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            full_disk_process(f->path, limit);
        assert_int_equal(exit_of(child), EXIT_OK);
        test_dir_remove(f->path);
        test_dir_make(f->path);
        f->db = test_db_open(f->path, DB_MAIN);
        db_close(&f->db);
    }
    f->db = test_db_open(f->path, DB_MAIN);
}

static int
exit_of_failed_flush(const char *path, bool simulated)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct db_opts opts = {
            .path = path, .map_bytes = TEST_MAP_BYTES, .kind = DB_MAIN, .volatile_for_simulation = simulated};
        struct db *db;
        if (db_open(&opts, &db, NULL) != 0 || commit_number(db, 1, 10) != 0)
            _exit(EXIT_BROKEN);
        flush_fails = true;
        if (!simulated && !freopen("/dev/null", "w", stderr))
            _exit(EXIT_BROKEN);
        _exit(commit_number(db, 2, 10) == 0 ? EXIT_OK : EXIT_BROKEN);
    }
    return exit_of(child);
}

static void
a_failed_flush_ends_the_process(void **state)
{
    struct fixture *f = *state;
    db_close(&f->db);
    assert_int_equal(exit_of_failed_flush(f->path, false), EXIT_DISK_FAILED);
    assert_int_equal(exit_of_failed_flush(f->path, true), EXIT_OK); /* it never flushes */
    f->db = test_db_open(f->path, DB_MAIN);
    assert_true(has_number(f->db, 1));
}

/* ---- reading ---- */

static void
readers_keep_their_view_and_are_used_again(void **state)
{
    struct fixture *f = *state;
    struct db_txn *txn[100];
    struct slice value;
    uint8_t key[4] = {0, 0, 0, 3};
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < ARRAY_LEN(txn); i++)
            assert_int_equal(db_begin_read(f->db, &txn[i], NULL), 0);
        if (round == 0)
            assert_int_equal(commit_number(f->db, 3, 10), 0);
        for (unsigned i = 0; i < ARRAY_LEN(txn); i++) {
            int rc = db_get(txn[i], TABLE_TOKENS, slice_of(key, sizeof(key)), &value, NULL);
            assert_int_equal(rc, round == 0 ? ERR_NOTFOUND : 0);
            db_abort(&txn[i]);
        }
    }
    struct db_usage usage;
    assert_int_equal(db_usage(f->db, &usage, NULL), 0);
    assert_in_range(usage.readers, 100, 101);
    assert_int_equal(usage.readers_max, 1024);
    assert_int_equal(usage.map_bytes, TEST_MAP_BYTES);
    assert_in_range(usage.used_bytes, 4096, 400000);
}

static void
cursors_walk_in_the_order_of_keys(void **state)
{
    struct fixture *f = *state;
    struct db_txn *txn;
    struct db_cursor *c;
    struct slice key, value;
    assert_int_equal(db_begin_write(f->db, &txn, NULL), 0);
    assert_int_equal(db_cursor_open(txn, TABLE_PEERS, &c, NULL), 0);
    assert_int_equal(db_cursor_first(c, &key, &value, NULL), ERR_NOTFOUND);
    assert_int_equal(db_cursor_last(c, &key, &value, NULL), ERR_NOTFOUND);
    db_cursor_close(&c);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(put_number(txn, (i * 7) % 4 * 10, 8), 0);
    assert_int_equal(db_table_entries(txn, TABLE_TOKENS), 4);
    assert_int_equal(db_cursor_open(txn, TABLE_TOKENS, &c, NULL), 0);
    uint8_t from[4] = {0, 0, 0, 11};
    assert_int_equal(db_cursor_seek(c, slice_of(from, 4), &key, &value, NULL), 0);
    assert_int_equal(be32_get(key.data), 20);
    assert_int_equal(value.len, 8);
    assert_int_equal(db_cursor_prev(c, &key, &value, NULL), 0);
    assert_int_equal(be32_get(key.data), 10);
    assert_int_equal(db_cursor_last(c, &key, &value, NULL), 0);
    assert_int_equal(be32_get(key.data), 30);
    assert_int_equal(db_cursor_next(c, &key, &value, NULL), ERR_NOTFOUND);
    assert_int_equal(db_cursor_first(c, &key, &value, NULL), 0);
    assert_int_equal(be32_get(key.data), 0);
    from[3] = 31;
    assert_int_equal(db_cursor_seek(c, slice_of(from, 4), &key, &value, NULL), ERR_NOTFOUND);
    db_cursor_close(&c);
    db_cursor_close(&c);
    assert_int_equal(db_commit(&txn, NULL), 0);
}

static void
a_copy_holds_the_same_rows(void **state)
{
    struct fixture *f = *state;
    char to[TEST_PATH_MAX];
    struct err err;
    for (uint32_t i = 0; i < 50; i++)
        assert_int_equal(commit_number(f->db, i, 3000), 0);
    test_dir_make(to);
    assert_int_equal(db_copy(f->db, to, &err), 0);
    assert_int_equal(db_copy(f->db, to, &err), ERR_EXISTS);
    assert_int_equal(db_copy(f->db, "/nonexistent/smartnode", &err), ERR_IO);
    struct db *copy = test_db_open(to, DB_MAIN);
    struct hash a = test_db_digest(f->db), b = test_db_digest(copy);
    assert_true(TYPE_EQ(&a, &b));
    db_close(&copy);
    test_dir_remove(to);
}

static void
a_read_only_environment_reads(void **state)
{
    struct fixture *f = *state;
    struct db_opts opts = {.path = f->path, .map_bytes = TEST_MAP_BYTES, .kind = DB_MAIN, .read_only = true};
    assert_int_equal(commit_number(f->db, 1, 10), 0);
    db_close(&f->db);
    assert_int_equal(db_open(&opts, &f->db, NULL), 0);
    assert_true(has_number(f->db, 1));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(committed_rows_are_there_after_reopening),
        TEST(aborted_rows_are_not),
        TEST(absent_rows_do_not_stick_but_failures_do),
        TEST(a_key_that_is_too_long_is_refused),
        TEST(directories_that_do_not_fit_are_refused),
        TEST(a_newer_format_is_refused_and_says_so),
        TEST(a_full_map_refuses_the_write_and_goes_on),
        TEST(every_step_may_fail_and_leaves_nothing),
        TEST(what_was_acknowledged_survives_a_kill),
        TEST(slots_of_killed_readers_are_cleared),
        TEST(a_full_disk_refuses_the_write_and_goes_on),
        TEST(a_failed_flush_ends_the_process),
        TEST(readers_keep_their_view_and_are_used_again),
        TEST(cursors_walk_in_the_order_of_keys),
        TEST(a_copy_holds_the_same_rows),
        TEST(a_read_only_environment_reads),
    };
    return cmocka_run_group_tests_name("storage db", tests, NULL, NULL);
}
