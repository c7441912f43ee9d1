/* The vault: keys that come back, keys that never come twice, and nothing in clear on the disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/vault.h"
#include "tests/support/storage.h"

enum { MAP_BYTES = 64 * 1024 * 1024, FIRST_FILL = 256 };

static const uint8_t WRAP_KEY[KEY_BYTES] = {1, 2, 3};
static const uint8_t OTHER_KEY[KEY_BYTES] = {1, 2, 4};

struct place {
    char dir[TEST_PATH_MAX];
    struct vault *vault;
};

static int
open_at(const char *dir, const uint8_t *key, bool create, struct vault **ret, struct err *err)
{
    struct vault_opts opts = {.path = dir, .map_bytes = MAP_BYTES, .wrap_key = key, .create = create};
    return vault_open(&opts, ret, err);
}

static void
reopen(struct place *p)
{
    struct err err;
    vault_close(&p->vault);
    assert_int_equal(open_at(p->dir, WRAP_KEY, false, &p->vault, &err), 0);
}

static int
setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    struct err err;
    assert_non_null(p);
    test_dir_make(p->dir);
    assert_int_equal(open_at(p->dir, WRAP_KEY, true, &p->vault, &err), 0);
    *state = p;
    return 0;
}

static int
teardown(void **state)
{
    struct place *p = *state;
    vault_close(&p->vault);
    test_dir_remove(p->dir);
    free(p);
    return 0;
}

/* The whole data file of an environment. */
static struct buf
data_file(const char *dir)
{
    char path[TEST_PATH_MAX + 16];
    struct buf b;
    buf_init(&b, 2 * (size_t)MAP_BYTES);
    snprintf(path, sizeof(path), "%s/data.mdb", dir);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    uint8_t chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_put(&b, chunk, n);
    fclose(f);
    assert_false(b.failed);
    assert_true(b.len > 0);
    return b;
}

static bool
file_holds(const char *dir, const void *what, size_t len)
{
    struct buf b = data_file(dir);
    bool found = memmem(b.data, b.len, what, len) != NULL;
    buf_free(&b);
    return found;
}

static void
a_slot_comes_back_as_it_was_taken_also_after_reopening(void **state)
{
    struct place *p = *state;
    struct slot_keys taken, again;
    struct err err;
    assert_int_equal(vault_take(p->vault, &taken, &err), 0);
    for (size_t i = 0; i < VAULT_CLASSES; i++) {
        assert_true(vault_key_there(&taken.keys[i]));
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(&taken.keys[i], &taken.keys[j], sizeof(struct data_key));
    }
    assert_int_equal(vault_slot(p->vault, taken.slot, &again, &err), 0);
    assert_memory_equal(&taken, &again, sizeof(taken));
    reopen(p);
    memset(&again, 0, sizeof(again));
    assert_int_equal(vault_slot(p->vault, taken.slot, &again, &err), 0);
    assert_memory_equal(&taken, &again, sizeof(taken));
    assert_int_equal(vault_slot(p->vault, taken.slot + 1000000, &again, &err), ERR_NOTFOUND);
}

static void
classes_have_their_places(void **state)
{
    assert_int_equal(vault_class_index(CLASS_IDENTITY), 0);
    assert_int_equal(vault_class_index(CLASS_CONTACT), 1);
    assert_int_equal(vault_class_index(CLASS_BANK), 2);
    assert_int_equal(vault_class_index(CLASS_NOTE), 3);
    assert_int_equal(vault_class_index(CLASS_ACTIVITY), -1);
    assert_int_equal(vault_class_index(CLASS_KEY), -1);
}

static void
another_vault_key_is_denied_and_changes_nothing(void **state)
{
    struct place *p = *state;
    struct slot_keys taken, again;
    struct vault *other = NULL;
    struct err err;
    assert_int_equal(vault_take(p->vault, &taken, &err), 0);
    vault_close(&p->vault);
    assert_int_equal(open_at(p->dir, OTHER_KEY, true, &other, &err), ERR_DENIED);
    assert_null(other);
    assert_int_equal(open_at(p->dir, WRAP_KEY, false, &p->vault, &err), 0);
    assert_int_equal(vault_slot(p->vault, taken.slot, &again, &err), 0);
    assert_memory_equal(&taken, &again, sizeof(taken));
}

static void
a_vault_that_was_not_made_is_not_found(void **state)
{
    char dir[TEST_PATH_MAX];
    struct vault *v = NULL;
    struct err err;
    test_dir_make(dir);
    assert_int_equal(open_at(dir, WRAP_KEY, false, &v, &err), ERR_NOTFOUND);
    assert_null(v);
    test_dir_remove(dir);
}

static void
one_row_cannot_stand_in_for_another(void **state)
{
    struct place *p = *state;
    struct slot_keys a, b, got;
    struct db_txn *txn;
    struct slice row;
    uint8_t key_a[8], key_b[8], copy[512];
    struct err err;
    assert_int_equal(vault_take(p->vault, &a, &err), 0);
    assert_int_equal(vault_take(p->vault, &b, &err), 0);
    be64_put(key_a, a.slot);
    be64_put(key_b, b.slot);
    assert_int_equal(db_begin_write(vault_db(p->vault), &txn, &err), 0);
    assert_int_equal(db_get(txn, TABLE_SLOTS, slice_of(key_a, 8), &row, &err), 0);
    assert_true(row.len <= sizeof(copy));
    memcpy(copy, row.data, row.len);
    assert_int_equal(db_put(txn, TABLE_SLOTS, slice_of(key_b, 8), slice_of(copy, row.len), &err), 0);
    copy[row.len - 1] ^= 1;
    assert_int_equal(db_put(txn, TABLE_SLOTS, slice_of(key_a, 8), slice_of(copy, row.len), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    assert_int_equal(vault_slot(p->vault, b.slot, &got, &err), ERR_CORRUPT);
    assert_int_equal(vault_slot(p->vault, a.slot, &got, &err), ERR_CORRUPT);
}

static void
slots_run_on_over_batches_without_a_gap_or_a_repetition(void **state)
{
    struct place *p = *state;
    struct slot_keys k, last = {0};
    struct err err;
    for (size_t i = 0; i < FIRST_FILL * 5 + VAULT_POOL_FILL + 1; i++) {
        assert_int_equal(vault_take(p->vault, &k, &err), 0);
        if (i > 0) {
            assert_int_equal(k.slot, last.slot + 1);
            assert_memory_not_equal(k.keys, last.keys, sizeof(k.keys));
        }
        last = k;
    }
    assert_int_equal(vault_slot(p->vault, last.slot, &k, &err), 0);
    assert_memory_equal(&k, &last, sizeof(k));
}

/* A process that opens the vault, takes and dies without closing it. */
static void
take_and_die(const char *dir, int to, size_t n)
{
    struct vault *v = NULL;
    struct err err;
    struct slot_keys k;
    if (open_at(dir, WRAP_KEY, false, &v, &err) != 0)
        _exit(1);
    for (size_t i = 0; i < n; i++)
        if (vault_take(v, &k, &err) != 0 || write(to, &k.slot, sizeof(k.slot)) != (ssize_t)sizeof(k.slot))
            _exit(1);
    kill(getpid(), SIGKILL);
    _exit(1);
}

static void
no_slot_is_given_out_twice_when_processes_are_killed(void **state)
{
    enum { ROUNDS = 4, TAKES = FIRST_FILL + 10 };
    struct place *p = *state;
    uint64_t greatest = 0;
    vault_close(&p->vault);
    for (int round = 0; round < ROUNDS; round++) {
        int ends[2], status;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            take_and_die(p->dir, ends[1], TAKES);
        close(ends[1]);
        uint64_t slot, seen = 0;
        while (read(ends[0], &slot, sizeof(slot)) == (ssize_t)sizeof(slot)) {
            assert_true(slot > greatest);
            greatest = slot;
            seen++;
        }
        close(ends[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_int_equal(seen, TAKES);
    }
    struct slot_keys k;
    struct err err;
    assert_int_equal(open_at(p->dir, WRAP_KEY, false, &p->vault, &err), 0);
    assert_int_equal(vault_take(p->vault, &k, &err), 0);
    assert_true(k.slot > greatest);
}

static void
a_full_disk_gives_no_key_and_the_next_try_does(void **state)
{
    struct place *p = *state;
    struct slot_keys k = {.slot = 77}, again;
    struct err err;
    db_fail_after(3);
    int rc = vault_take(p->vault, &k, &err);
    db_fail_after(0);
    assert_int_equal(rc, ERR_FULL);
    assert_int_equal(k.slot, 77);
    assert_int_equal(vault_take(p->vault, &k, &err), 0);
    assert_int_equal(vault_slot(p->vault, k.slot, &again, &err), 0);
    assert_memory_equal(&k, &again, sizeof(k));
}

static void
fill_counting(void *arg, uint8_t *out, size_t len)
{
    uint8_t *next = arg;
    for (size_t i = 0; i < len; i++)
        out[i] = ++*next;
}

static void
randomness_can_be_given(void **state)
{
    struct place *p = *state;
    struct slot_keys k;
    uint8_t counter = 0;
    struct err err;
    vault_set_random(p->vault, fill_counting, &counter);
    assert_int_equal(vault_take(p->vault, &k, &err), 0);
    assert_int_equal(k.keys[0].b[0], 1);
    assert_int_equal(k.keys[1].b[0], 33);
}

static void
the_latest_escrow_key_of_a_day_counts(void **state)
{
    struct place *p = *state;
    const struct civil_date day = {100}, before = {-5}, none = {101};
    const struct data_key a = {{1}}, b = {{2}}, c = {{3}};
    struct data_key got;
    struct err err;
    assert_int_equal(vault_escrow_get(p->vault, day, &got, &err), ERR_NOTFOUND);
    assert_int_equal(vault_escrow_put(p->vault, day, &a, &err), 0);
    assert_int_equal(vault_escrow_put(p->vault, before, &c, &err), 0);
    assert_int_equal(vault_escrow_put(p->vault, day, &b, &err), 0);
    reopen(p);
    assert_int_equal(vault_escrow_get(p->vault, day, &got, &err), 0);
    assert_memory_equal(&got, &b, sizeof(b));
    assert_int_equal(vault_escrow_get(p->vault, before, &got, &err), 0);
    assert_memory_equal(&got, &c, sizeof(c));
    assert_int_equal(vault_escrow_get(p->vault, none, &got, &err), ERR_NOTFOUND);
}

static struct index_entry
entry(const struct vault *v, uint8_t field, const char *text, uint8_t subject)
{
    struct index_entry e = {.subject = {{subject}}};
    vault_token(v, field, slice_of(text, strlen(text)), e.token);
    return e;
}

static void
tokens_depend_on_field_text_and_vault_and_stay(void **state)
{
    struct place *p = *state;
    struct index_entry a = entry(p->vault, 1, "maes", 0), b = entry(p->vault, 2, "maes", 0),
                       c = entry(p->vault, 1, "maas", 0), again;
    assert_memory_not_equal(a.token, b.token, sizeof(a.token));
    assert_memory_not_equal(a.token, c.token, sizeof(a.token));
    reopen(p);
    again = entry(p->vault, 1, "maes", 0);
    assert_memory_equal(a.token, again.token, sizeof(a.token));

    char dir[TEST_PATH_MAX];
    struct vault *other;
    struct err err;
    test_dir_make(dir);
    assert_int_equal(open_at(dir, WRAP_KEY, true, &other, &err), 0);
    again = entry(other, 1, "maes", 0);
    assert_memory_not_equal(a.token, again.token, sizeof(a.token));
    vault_close(&other);
    test_dir_remove(dir);
}

static void
the_index_finds_in_order_and_in_pages(void **state)
{
    struct place *p = *state;
    struct index_entry e[] = {
        entry(p->vault, 1, "maes", 9), entry(p->vault, 1, "maes", 3), entry(p->vault, 1, "jans", 3),
        entry(p->vault, 1, "maes", 5), entry(p->vault, 1, "maes", 3),
    };
    struct subject_id found[4];
    size_t n;
    bool has;
    struct err err;
    assert_int_equal(vault_index_put(p->vault, e, ARRAY_LEN(e), 1, 12, &err), 0);
    assert_int_equal(vault_index_put(p->vault, e, 1, 1, 13, &err), 0);
    assert_int_equal(vault_index_find(p->vault, e[0].token, NULL, 2, found, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_int_equal(found[0].b[0], 3);
    assert_int_equal(found[1].b[0], 5);
    struct subject_id after = found[1];
    assert_int_equal(vault_index_find(p->vault, e[0].token, &after, 4, found, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(found[0].b[0], 9);
    struct index_entry unknown = entry(p->vault, 1, "nobody", 1);
    assert_int_equal(vault_index_find(p->vault, unknown.token, NULL, 4, found, &n, &err), 0);
    assert_int_equal(n, 0);
    assert_int_equal(vault_index_has(p->vault, e[2].token, &e[2].subject, &has, &err), 0);
    assert_true(has);
    assert_int_equal(vault_index_has(p->vault, e[2].token, &e[0].subject, &has, &err), 0);
    assert_false(has);
}

static void
the_index_remembers_how_far_each_log_is_followed(void **state)
{
    struct place *p = *state;
    uint64_t seq = 7;
    struct err err;
    assert_int_equal(vault_index_cursor(p->vault, 1, &seq, &err), 0);
    assert_int_equal(seq, 0);
    assert_int_equal(vault_index_put(p->vault, NULL, 0, 1, 4096, &err), 0);
    assert_int_equal(vault_index_put(p->vault, NULL, 0, 2, 5, &err), 0);
    reopen(p);
    assert_int_equal(vault_index_cursor(p->vault, 1, &seq, &err), 0);
    assert_int_equal(seq, 4096);
    assert_int_equal(vault_index_cursor(p->vault, 2, &seq, &err), 0);
    assert_int_equal(seq, 5);
}

static void
a_failed_index_commit_leaves_entries_and_mark_as_they_were(void **state)
{
    struct place *p = *state;
    struct index_entry e = entry(p->vault, 1, "maes", 1);
    uint64_t seq;
    bool has;
    struct err err;
    db_fail_after(2);
    int rc = vault_index_put(p->vault, &e, 1, 1, 9, &err);
    db_fail_after(0);
    assert_int_equal(rc, ERR_FULL);
    assert_int_equal(vault_index_cursor(p->vault, 1, &seq, &err), 0);
    assert_int_equal(seq, 0);
    assert_int_equal(vault_index_has(p->vault, e.token, &e.subject, &has, &err), 0);
    assert_false(has);
}

static void
key_capsules_and_notes_are_kept(void **state)
{
    struct place *p = *state;
    const struct position at = {{{4}}, 17}, other = {{{4}}, 18};
    struct key_capsule c[] = {{at, 2, slice_of("sealed", 6)}, {other, 0, slice_of("more", 4)}};
    struct buf out;
    struct err err;
    buf_init(&out, 1024);
    assert_int_equal(vault_capsules_put(p->vault, c, ARRAY_LEN(c), &err), 0);
    assert_int_equal(vault_capsules_put(p->vault, c, 1, &err), 0);
    reopen(p);
    assert_int_equal(vault_capsule_get(p->vault, &at, 2, &out, &err), 0);
    assert_true(slice_eq(buf_slice(&out), slice_of("sealed", 6)));
    assert_int_equal(vault_capsule_get(p->vault, &at, 3, &out, &err), ERR_NOTFOUND);
    buf_clear(&out);
    assert_int_equal(vault_meta_get(p->vault, "unit", &out, &err), ERR_NOTFOUND);
    assert_int_equal(vault_meta_put(p->vault, "unit", slice_of("BE", 2), &err), 0);
    assert_int_equal(vault_meta_get(p->vault, "unit", &out, &err), 0);
    assert_true(slice_eq(buf_slice(&out), slice_of("BE", 2)));
    buf_free(&out);
}

/* Names, numbers and keys go through both environments; the files are searched byte by byte. The sealed capsule is found, so
 * the search itself can find. */
static void
no_name_and_no_key_stands_in_the_files_in_clear(void **state)
{
    static const char name[] = "quetzalcoatlus northropi", iban[] = "BE68539007547034";
    struct place *p = *state;
    char main_dir[TEST_PATH_MAX];
    struct db *main_db;
    struct db_txn *txn;
    struct slot_keys k;
    struct buf capsule;
    uint8_t nonce[CAPSULE_NONCE_BYTES] = {9};
    struct err err;
    test_dir_make(main_dir);
    struct db_opts opts = {.path = main_dir, .map_bytes = MAP_BYTES, .kind = DB_MAIN, .create = true};
    assert_int_equal(db_open(&opts, &main_db, &err), 0);
    assert_int_equal(vault_take(p->vault, &k, &err), 0);
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    assert_int_equal(capsule_seal(&k.keys[0], CLASS_IDENTITY, nonce, slice_of(name, strlen(name)), &capsule, &err), 0);
    assert_int_equal(db_begin_write(main_db, &txn, &err), 0);
    assert_int_equal(capsules_put(txn, 1, 2, 0, buf_slice(&capsule), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    struct index_entry e[] = {entry(p->vault, 1, name, 1), entry(p->vault, 2, iban, 1)};
    assert_int_equal(vault_index_put(p->vault, e, ARRAY_LEN(e), 1, 2, &err), 0);
    assert_int_equal(vault_escrow_put(p->vault, (struct civil_date){1}, &k.keys[3], &err), 0);
    db_close(&main_db);
    vault_close(&p->vault);

    const char *dirs[] = {p->dir, main_dir};
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        assert_false(file_holds(dirs[i], "quetzalcoatlus", 14));
        assert_false(file_holds(dirs[i], iban, strlen(iban)));
        assert_false(file_holds(dirs[i], WRAP_KEY, sizeof(WRAP_KEY)));
        for (size_t j = 0; j < VAULT_CLASSES; j++)
            assert_false(file_holds(dirs[i], k.keys[j].b, KEY_BYTES));
    }
    assert_true(file_holds(main_dir, capsule.data, capsule.len));
    assert_true(file_holds(p->dir, e[0].token, sizeof(e[0].token)));
    assert_false(file_holds(main_dir, e[0].token, sizeof(e[0].token)));
    buf_free(&capsule);
    test_dir_remove(main_dir);
}

int
main(void)
{
#define VAULT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        VAULT_TEST(a_slot_comes_back_as_it_was_taken_also_after_reopening),
        cmocka_unit_test(classes_have_their_places),
        VAULT_TEST(another_vault_key_is_denied_and_changes_nothing),
        cmocka_unit_test(a_vault_that_was_not_made_is_not_found),
        VAULT_TEST(one_row_cannot_stand_in_for_another),
        VAULT_TEST(slots_run_on_over_batches_without_a_gap_or_a_repetition),
        VAULT_TEST(no_slot_is_given_out_twice_when_processes_are_killed),
        VAULT_TEST(a_full_disk_gives_no_key_and_the_next_try_does),
        VAULT_TEST(randomness_can_be_given),
        VAULT_TEST(the_latest_escrow_key_of_a_day_counts),
        VAULT_TEST(tokens_depend_on_field_text_and_vault_and_stay),
        VAULT_TEST(the_index_finds_in_order_and_in_pages),
        VAULT_TEST(the_index_remembers_how_far_each_log_is_followed),
        VAULT_TEST(a_failed_index_commit_leaves_entries_and_mark_as_they_were),
        VAULT_TEST(key_capsules_and_notes_are_kept),
        VAULT_TEST(no_name_and_no_key_stands_in_the_files_in_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
