/* Rewriting the vault: what is gone from the file, what a kill at each step leaves, and who notices anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/vault_erase.h"
#include "tests/support/storage.h"

enum { MAP_BYTES = 64 * 1024 * 1024, STEPS = 9, ENTRIES = 2000, EXIT_BROKEN = 7, EXIT_STEP = 20 };

static const uint8_t WRAP_KEY[KEY_BYTES] = {1, 2, 3};

struct place {
    char dir[TEST_PATH_MAX];
    struct vault *vault;
    struct slot_keys kept, gone;
    struct buf gone_row; /* the row of `gone` as it was stored */
};

static struct vault *
open_vault(const char *dir, bool create, bool read_only)
{
    struct vault_opts opts = {
        .path = dir, .map_bytes = MAP_BYTES, .wrap_key = WRAP_KEY, .create = create, .read_only = read_only};
    struct vault *v = NULL;
    struct err err;
    if (vault_open(&opts, &v, &err) != 0)
        print_error("%s\n", err.text);
    return v;
}

static void
row_of(struct vault *v, uint64_t slot, struct buf *out)
{
    struct db_txn *txn;
    struct slice row;
    struct err err;
    uint8_t key[8];
    be64_put(key, slot);
    assert_int_equal(db_begin_read(vault_db(v), &txn, &err), 0);
    assert_int_equal(db_get(txn, TABLE_SLOTS, slice_of(key, sizeof(key)), &row, &err), 0);
    buf_init(out, 4096);
    buf_put(out, row.data, row.len);
    db_abort(&txn);
}

static int
setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    struct index_entry *entries = calloc(ENTRIES, sizeof(*entries));
    struct err err;
    assert_non_null(p);
    assert_non_null(entries);
    test_dir_make(p->dir);
    p->vault = open_vault(p->dir, true, false);
    assert_non_null(p->vault);
    assert_int_equal(vault_take(p->vault, &p->kept, &err), 0);
    assert_int_equal(vault_take(p->vault, &p->gone, &err), 0);
    for (size_t i = 0; i < ENTRIES; i++)
        be32_put(entries[i].token, (uint32_t)(i * 2654435761U));
    assert_int_equal(vault_index_put(p->vault, entries, ENTRIES, 1, 9, &err), 0);
    row_of(p->vault, p->gone.slot, &p->gone_row);
    free(entries);
    *state = p;
    return 0;
}

static int
teardown(void **state)
{
    struct place *p = *state;
    db_point_hook(NULL);
    db_end(false);
    vault_close(&p->vault);
    buf_free(&p->gone_row);
    test_dir_remove(p->dir);
    free(p);
    return 0;
}

static bool
there(const char *dir, const char *name)
{
    char path[TEST_PATH_MAX + 64];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static bool
file_holds(const char *path, struct slice what)
{
    struct buf b;
    uint8_t chunk[65536];
    size_t n;
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    buf_init(&b, 2 * (size_t)MAP_BYTES);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_put(&b, chunk, n);
    fclose(f);
    assert_false(b.failed);
    bool found = memmem(b.data, b.len, what.data, what.len) != NULL;
    buf_free(&b);
    return found;
}

static bool
data_holds(const struct place *p)
{
    char path[TEST_PATH_MAX + 64];
    snprintf(path, sizeof(path), "%s/data.mdb", p->dir);
    return file_holds(path, buf_slice(&p->gone_row));
}

static void
erase_gone(struct vault *v, const struct place *p)
{
    struct vault_erase_slot slot = {p->gone.slot, VAULT_ALL_CLASSES};
    struct vault_erase what = {.slots = &slot, .n_slots = 1};
    struct vault_erased done = {0};
    struct err err;
    assert_int_equal(vault_erase(v, &what, &done, &err), 0);
    assert_int_equal(done.slots, 1);
}

static void
a_key_is_in_the_file_until_it_is_rewritten_and_then_not(void **state)
{
    struct place *p = *state;
    struct slot_keys keys;
    struct db_rewritten done = {0};
    struct err err;
    erase_gone(p->vault, p);
    assert_int_equal(vault_slot(p->vault, p->gone.slot, &keys, &err), ERR_NOTFOUND);
    assert_true(data_holds(p)); /* what erasing alone leaves */
    assert_int_equal(vault_rewrite(p->vault, &done, &err), 0);
    assert_false(data_holds(p));
    assert_true(done.overwritten);
    assert_true(done.bytes_before > 0 && done.bytes_after > 0);
    assert_int_equal(vault_slot(p->vault, p->kept.slot, &keys, &err), 0);
    assert_memory_equal(&keys, &p->kept, sizeof(keys));
    assert_false(there(p->dir, "rewrite"));
    assert_false(there(p->dir, "data.next"));
}

static void
a_rewrite_keeps_every_row_and_what_follows_is_kept_too(void **state)
{
    struct place *p = *state;
    struct slot_keys next, keys;
    struct err err;
    struct hash before = test_db_digest(vault_db(p->vault));
    for (int i = 0; i < 3; i++)
        assert_int_equal(vault_rewrite(p->vault, NULL, &err), 0);
    struct hash after = test_db_digest(vault_db(p->vault));
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(vault_meta_put(p->vault, "note", slice_of("x", 1), &err), 0);
    assert_int_equal(vault_take(p->vault, &next, &err), 0);
    before = test_db_digest(vault_db(p->vault));
    vault_close(&p->vault);
    p->vault = open_vault(p->dir, false, false);
    after = test_db_digest(vault_db(p->vault));
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(vault_slot(p->vault, next.slot, &keys, &err), 0);
    assert_memory_equal(&keys, &next, sizeof(keys));
}

/* ---- kills ---- */

static unsigned kill_at;

static void
end_here(enum db_kind kind UNUSED, unsigned step)
{
    if (step == kill_at)
        _exit((int)(EXIT_STEP + step));
}

static void
rewrite_and_end(const char *dir, unsigned step)
{
    struct err err;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct vault *v = open_vault(dir, false, false);
        kill_at = step;
        db_point_hook(end_here);
        _exit(v && vault_rewrite(v, NULL, &err) == 0 ? 0 : EXIT_BROKEN);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_STEP + step);
}

static void
after_a_kill_at_any_step_a_start_has_every_row_and_no_leftovers(void **state)
{
    struct place *p = *state;
    struct slot_keys keys;
    struct err err;
    erase_gone(p->vault, p);
    struct hash before = test_db_digest(vault_db(p->vault));
    vault_close(&p->vault);
    for (unsigned step = 1; step <= STEPS; step++) {
        rewrite_and_end(p->dir, step);
        assert_true(there(p->dir, "data.mdb"));
        p->vault = open_vault(p->dir, false, false);
        assert_non_null(p->vault);
        struct hash after = test_db_digest(vault_db(p->vault));
        assert_memory_equal(&before, &after, sizeof(before));
        assert_false(there(p->dir, "rewrite"));
        assert_false(there(p->dir, "data.next"));
        assert_int_equal(data_holds(p), step < 5); /* from step 5 on the new file counts */
        if (step < 5) {
            assert_int_equal(vault_slot(p->vault, p->kept.slot, &keys, &err), 0);
            vault_close(&p->vault);
            continue;
        }
        /* the old file again, for the next step */
        uint8_t row_key[8];
        struct db_txn *txn;
        be64_put(row_key, p->gone.slot);
        assert_int_equal(db_begin_write(vault_db(p->vault), &txn, &err), 0);
        assert_int_equal(db_put(txn, TABLE_SLOTS, slice_of(row_key, sizeof(row_key)), buf_slice(&p->gone_row), &err),
                         0);
        assert_int_equal(db_commit(&txn, &err), 0);
        erase_gone(p->vault, p);
        vault_close(&p->vault);
        assert_true(data_holds(p));
    }
}

static void
stop_here(enum db_kind kind UNUSED, unsigned step)
{
    if (step == kill_at)
        db_end(true);
}

static void
what_follows_the_end_of_a_process_reaches_no_disk(void **state)
{
    struct place *p = *state;
    struct buf note;
    struct err err;
    buf_init(&note, 16);
    struct hash before = test_db_digest(vault_db(p->vault));
    db_point_hook(stop_here);
    for (kill_at = 0; kill_at <= STEPS; kill_at++) {
        int rc = kill_at == 0 ? vault_meta_put(p->vault, "note", slice_of("lost", 4), &err)
                              : vault_rewrite(p->vault, NULL, &err);
        assert_int_equal(rc, ERR_IO);
        assert_true(db_ended());
        assert_int_equal(vault_meta_put(p->vault, "note", slice_of("lost", 4), &err), ERR_IO);
        assert_int_equal(vault_rewrite(p->vault, NULL, &err), ERR_IO);
        assert_int_equal(there(p->dir, "data.next"), kill_at == 5 || kill_at == 6);
        assert_int_equal(there(p->dir, "rewrite"), kill_at > 0);
        vault_close(&p->vault);
        db_end(false);
        p->vault = open_vault(p->dir, false, false);
        assert_non_null(p->vault);
        struct hash after = test_db_digest(vault_db(p->vault));
        assert_memory_equal(&before, &after, sizeof(before));
        assert_false(there(p->dir, "rewrite"));
    }
    db_point_hook(NULL);
    assert_int_equal(vault_meta_put(p->vault, "note", slice_of("kept", 4), &err), 0);
    assert_int_equal(vault_meta_get(p->vault, "note", &note, &err), 0);
    assert_int_equal(note.len, 4);
    buf_free(&note);
}

static void
a_reader_that_starts_after_a_kill_finds_a_whole_file(void **state)
{
    struct place *p = *state;
    struct slot_keys keys;
    struct err err;
    vault_close(&p->vault);
    for (unsigned step = 4; step <= 7; step++) {
        rewrite_and_end(p->dir, step);
        struct vault *reader = open_vault(p->dir, false, true);
        assert_non_null(reader);
        assert_false(there(p->dir, "data.next"));
        assert_int_equal(vault_slot(reader, p->kept.slot, &keys, &err), 0);
        assert_memory_equal(&keys, &p->kept, sizeof(keys));
        vault_close(&reader);
        p->vault = open_vault(p->dir, false, false);
        assert_non_null(p->vault);
        assert_false(there(p->dir, "rewrite"));
        vault_close(&p->vault);
    }
}

static int hold_read, hold_write;

static void
wait_at_two(enum db_kind kind UNUSED, unsigned step)
{
    char c;
    if (step == 2 && (write(hold_write, "r", 1) != 1 || read(hold_read, &c, 1) != 1))
        _exit(EXIT_BROKEN);
}

static void
the_copy_of_a_rewrite_that_goes_on_is_left_alone_by_an_opening(void **state)
{
    struct place *p = *state;
    int to_child[2], to_parent[2], status;
    char c = 0;
    struct err err;
    vault_close(&p->vault);
    assert_int_equal(pipe(to_child), 0);
    assert_int_equal(pipe(to_parent), 0);
    pid_t child = fork();
    if (child == 0) {
        struct vault *v = open_vault(p->dir, false, false);
        hold_read = to_child[0];
        hold_write = to_parent[1];
        db_point_hook(wait_at_two);
        _exit(v && vault_rewrite(v, NULL, &err) == 0 ? 0 : EXIT_BROKEN);
    }
    assert_int_equal(read(to_parent[0], &c, 1), 1);
    struct vault *reader = open_vault(p->dir, false, true);
    assert_non_null(reader);
    assert_true(there(p->dir, "rewrite/data.mdb"));
    vault_close(&reader);
    /* one that may write waits for the rewrite and then has the new file */
    pid_t writer = fork();
    if (writer == 0) {
        bool told = write(to_parent[1], "o", 1) == 1;
        struct vault *v = open_vault(p->dir, false, false);
        _exit(told && v && vault_meta_put(v, "note", slice_of("kept", 4), &err) == 0 ? 0 : EXIT_BROKEN);
    }
    assert_int_equal(read(to_parent[0], &c, 1), 1);
    assert_int_equal(write(to_child[1], "g", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(waitpid(writer, &status, 0), writer);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_false(there(p->dir, "rewrite"));
    struct buf got;
    buf_init(&got, 16);
    p->vault = open_vault(p->dir, false, false);
    assert_int_equal(vault_meta_get(p->vault, "note", &got, &err), 0);
    buf_free(&got);
    for (int i = 0; i < 2; i++) {
        close(to_child[i]);
        close(to_parent[i]);
    }
}

/* ---- other processes ---- */

static void
another_process_keeps_reading_what_it_opened_and_may_not_write_it(void **state)
{
    struct place *p = *state;
    int to_child[2], to_parent[2], status;
    char c = 0;
    struct err err;
    struct db_rewritten done = {.overwritten = true};
    erase_gone(p->vault, p);
    vault_close(&p->vault);
    assert_int_equal(pipe(to_child), 0);
    assert_int_equal(pipe(to_parent), 0);
    pid_t child = fork();
    if (child == 0) {
        struct slot_keys keys;
        struct vault *v = open_vault(p->dir, false, false);
        bool ok = v != NULL && write(to_parent[1], "o", 1) == 1 && read(to_child[0], &c, 1) == 1;
        ok = ok && vault_slot(v, p->kept.slot, &keys, &err) == 0 && memcmp(&keys, &p->kept, sizeof(keys)) == 0;
        ok = ok && vault_meta_put(v, "note", slice_of("lost", 4), &err) == ERR_BUSY;
        _exit(ok ? 0 : EXIT_BROKEN);
    }
    assert_int_equal(read(to_parent[0], &c, 1), 1);
    p->vault = open_vault(p->dir, false, false);
    assert_int_equal(vault_rewrite(p->vault, &done, &err), 0);
    assert_false(done.overwritten);
    assert_false(there(p->dir, "rewrite"));
    assert_int_equal(write(to_child[1], "g", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(vault_rewrite(p->vault, &done, &err), 0);
    assert_true(done.overwritten);
    for (int i = 0; i < 2; i++) {
        close(to_child[i]);
        close(to_parent[i]);
    }
}

static void
without_room_for_the_copy_the_old_file_stands(void **state)
{
    struct place *p = *state;
    struct err err;
    struct hash before = test_db_digest(vault_db(p->vault));
    vault_close(&p->vault);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {40960, 40960};
        struct vault *v = open_vault(p->dir, false, false);
        signal(SIGXFSZ, SIG_IGN);
        bool ok = v != NULL && setrlimit(RLIMIT_FSIZE, &limit) == 0;
        ok = ok && vault_rewrite(v, NULL, &err) == ERR_FULL && !there(p->dir, "rewrite");
        if (!ok)
            fprintf(stderr, "%s\n", err.text);
        _exit(ok ? 0 : EXIT_BROKEN);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    p->vault = open_vault(p->dir, false, false);
    struct hash after = test_db_digest(vault_db(p->vault));
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(vault_rewrite(p->vault, NULL, &err), 0);
}

/* ---- threads ---- */

enum { READERS = 3, REWRITES = 25, WRITERS = 2 };

struct load {
    struct place *p;
    atomic_bool stop;
    atomic_uint reads, notes[WRITERS], failed;
};
struct writer {
    struct load *load;
    unsigned n;
};

static void *
read_on(void *arg)
{
    struct load *l = arg;
    struct subject_id found[2];
    struct slot_keys keys;
    uint8_t token[VAULT_TOKEN_BYTES] = {0};
    struct err err;
    size_t n;
    while (!atomic_load(&l->stop)) {
        bool ok =
            vault_slot(l->p->vault, l->p->kept.slot, &keys, &err) == 0 && memcmp(&keys, &l->p->kept, sizeof(keys)) == 0;
        ok = ok && vault_index_find(l->p->vault, token, NULL, 2, found, &n, &err) == 0 && n == 1;
        if (!ok)
            atomic_fetch_add(&l->failed, 1);
        atomic_fetch_add(&l->reads, 1);
    }
    return NULL;
}

static void *
write_on(void *arg)
{
    struct writer *w = arg;
    struct load *l = w->load;
    struct err err;
    for (unsigned n = 1; !atomic_load(&l->stop); n++) {
        char name[32];
        uint8_t value[4];
        struct buf got;
        snprintf(name, sizeof(name), "writer-%u", w->n);
        be32_put(value, n);
        buf_init(&got, 16);
        /* what was acknowledged is there at once, whichever file is the current one */
        bool ok = vault_meta_put(l->p->vault, name, slice_of(value, 4), &err) == 0 &&
                  vault_meta_get(l->p->vault, name, &got, &err) == 0 && slice_eq(buf_slice(&got), slice_of(value, 4));
        buf_free(&got);
        if (ok)
            atomic_store(&l->notes[w->n], n);
        else
            atomic_fetch_add(&l->failed, 1);
    }
    return NULL;
}

static void
threads_read_and_write_on_while_it_is_rewritten(void **state)
{
    struct load l = {.p = *state};
    struct writer writers[WRITERS] = {{&l, 0}, {&l, 1}};
    pthread_t readers[READERS], writing[WRITERS];
    struct err err;
    struct db_usage usage;
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, &l), 0);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writing[i], NULL, write_on, &writers[i]), 0);
    for (int i = 0; i < REWRITES; i++) {
        assert_int_equal(vault_rewrite(l.p->vault, NULL, &err), 0);
        assert_int_equal(db_usage(vault_db(l.p->vault), &usage, &err), 0);
    }
    atomic_store(&l.stop, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writing[i], NULL);
    assert_int_equal(atomic_load(&l.failed), 0);
    assert_true(atomic_load(&l.reads) > 0);
    vault_close(&l.p->vault);
    l.p->vault = open_vault(l.p->dir, false, false);
    for (unsigned i = 0; i < WRITERS; i++) {
        char name[32];
        struct buf got;
        buf_init(&got, 16);
        snprintf(name, sizeof(name), "writer-%u", i);
        if (atomic_load(&l.notes[i]) > 0) {
            assert_int_equal(vault_meta_get(l.p->vault, name, &got, &err), 0);
            assert_int_equal(be32_get(got.data), atomic_load(&l.notes[i]));
        }
        buf_free(&got);
    }
}

static void *
rewrite_once(void *arg)
{
    struct err err;
    return vault_rewrite(arg, NULL, &err) == 0 ? NULL : arg;
}

static void
a_transaction_that_was_open_keeps_what_it_began_on(void **state)
{
    struct load l = {.p = *state};
    struct db_txn *txn;
    struct slice row;
    struct err err;
    uint8_t key[8];
    pthread_t thread;
    be64_put(key, l.p->kept.slot);
    assert_int_equal(db_begin_read(vault_db(l.p->vault), &txn, &err), 0);
    assert_int_equal(pthread_create(&thread, NULL, rewrite_once, l.p->vault), 0);
    /* a transaction that begins meanwhile never waits for the rewrite, which waits for the first one */
    for (int i = 0; i < 200; i++) {
        struct slot_keys keys;
        assert_int_equal(vault_slot(l.p->vault, l.p->kept.slot, &keys, &err), 0);
    }
    assert_int_equal(db_get(txn, TABLE_SLOTS, slice_of(key, sizeof(key)), &row, &err), 0);
    db_abort(&txn);
    void *result;
    pthread_join(thread, &result);
    assert_null(result);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_is_in_the_file_until_it_is_rewritten_and_then_not, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rewrite_keeps_every_row_and_what_follows_is_kept_too, setup, teardown),
        cmocka_unit_test_setup_teardown(after_a_kill_at_any_step_a_start_has_every_row_and_no_leftovers, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_follows_the_end_of_a_process_reaches_no_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_that_starts_after_a_kill_finds_a_whole_file, setup, teardown),
        cmocka_unit_test_setup_teardown(the_copy_of_a_rewrite_that_goes_on_is_left_alone_by_an_opening, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(another_process_keeps_reading_what_it_opened_and_may_not_write_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(without_room_for_the_copy_the_old_file_stands, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_read_and_write_on_while_it_is_rewritten, setup, teardown),
        cmocka_unit_test_setup_teardown(a_transaction_that_was_open_keeps_what_it_began_on, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
