/* The vault: keys that come back, keys that never come twice, and nothing in clear on the disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/vault_erase.h"
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
    assert_int_equal(vault_class_index(CLASS_ACTIVITY), 4);
    assert_int_equal(vault_class_index(CLASS_COUNTING), 5);
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

/* ---- slots that lack classes ---- */

enum { WORK_CLASSES = 1 << 4 | 1 << 5 };

static void
a_slot_of_the_earlier_layout_opens_without_the_later_classes(void **state)
{
    struct place *p = *state;
    uint8_t plain[4 * KEY_BYTES], row[24 + sizeof(plain) + 16], aad[9] = {3}, key[8];
    struct slot_keys got, none = {0};
    struct db_txn *txn;
    struct err err;
    be64_put(key, 77);
    be64_put(aad + 1, 77);
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(i + 1);
    memset(row, 5, 24);
    crypto_aead_xchacha20poly1305_ietf_encrypt(row + 24, NULL, plain, sizeof(plain), aad, sizeof(aad), NULL, row,
                                               WRAP_KEY);
    assert_int_equal(db_begin_write(vault_db(p->vault), &txn, &err), 0);
    assert_int_equal(db_put(txn, TABLE_SLOTS, slice_of(key, 8), slice_of(row, sizeof(row)), &err), 0);
    assert_int_equal(db_put(txn, TABLE_SLOTS, slice_of("\0\0\0\0\0\0\0\x4e", 8), slice_of(row, sizeof(row) - 32), &err),
                     0);
    assert_int_equal(db_commit(&txn, &err), 0);
    assert_int_equal(vault_slot(p->vault, 77, &got, &err), 0);
    assert_memory_equal(got.keys, plain, sizeof(plain));
    assert_memory_equal(&got.keys[4], &none.keys[4], 2 * sizeof(struct data_key));
    assert_int_equal(vault_slot(p->vault, 78, &got, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.text, "78"));
}

static void
a_slot_has_keys_of_the_classes_asked_for_and_of_no_others(void **state)
{
    struct place *p = *state;
    struct slot_keys all, work, again, first = {0};
    uint64_t last = 0;
    struct err err;
    for (int i = 0; i < FIRST_FILL + 3; i++) {
        assert_int_equal(vault_take_classes(p->vault, WORK_CLASSES, &work, &err), 0);
        assert_int_equal(vault_take(p->vault, &all, &err), 0);
        assert_true(work.slot != all.slot && work.slot != last);
        last = work.slot;
        for (unsigned c = 0; c < VAULT_CLASSES; c++) {
            assert_int_equal(vault_key_there(&work.keys[c]), (WORK_CLASSES >> c) & 1);
            assert_true(vault_key_there(&all.keys[c]));
        }
        first = i == 0 ? work : first;
    }
    reopen(p);
    assert_int_equal(vault_slot(p->vault, work.slot, &again, &err), 0);
    assert_memory_equal(&again, &work, sizeof(work));
    assert_int_equal(vault_slot(p->vault, first.slot, &again, &err), 0);
    assert_memory_equal(&again, &first, sizeof(first));
}

static void
more_sorts_of_slots_than_pools_never_give_a_slot_twice(void **state)
{
    struct place *p = *state;
    uint64_t seen[64 * 3];
    size_t n = 0;
    struct slot_keys k;
    struct err err;
    for (int round = 0; round < 3; round++)
        for (unsigned classes = 1; classes <= VAULT_ALL_CLASSES; classes++) {
            assert_int_equal(vault_take_classes(p->vault, classes, &k, &err), 0);
            for (unsigned c = 0; c < VAULT_CLASSES; c++)
                assert_int_equal(vault_key_there(&k.keys[c]), (classes >> c) & 1);
            for (size_t i = 0; i < n; i++)
                assert_true(seen[i] != k.slot);
            seen[n++] = k.slot;
        }
}

/* ---- links ---- */

static struct vault_link
link_of(uint8_t entity, uint8_t member, uint8_t flags)
{
    return (struct vault_link){.entity = {{entity}}, .member = {{member}}, .flags = flags};
}

static void
assert_linked(struct vault *v, uint8_t entity, uint8_t member, uint8_t flags)
{
    struct subject_id id = {{entity}};
    struct vault_link got;
    struct err err;
    assert_int_equal(vault_link_get(v, &id, &got, &err), 0);
    assert_int_equal(got.entity.b[0], entity);
    assert_int_equal(got.member.b[0], member);
    assert_int_equal(got.flags, flags);
}

static void
assert_not_linked(struct vault *v, uint8_t entity)
{
    struct subject_id id = {{entity}};
    struct vault_link got;
    struct err err;
    assert_int_equal(vault_link_get(v, &id, &got, &err), ERR_NOTFOUND);
}

static size_t
found_by(struct vault *v, const struct index_entry *e, const struct subject_id *after, size_t max,
         struct subject_id *ret)
{
    size_t n = 99;
    struct err err;
    assert_int_equal(vault_index_find(v, e->token, after, max, ret, &n, &err), 0);
    return n;
}

static void
links_come_back_and_cannot_change_places(void **state)
{
    struct place *p = *state;
    struct vault_link links[] = {link_of(7, 1, LINK_INVOICE), link_of(8, 2, LINK_ACTIVITY)};
    struct db_txn *txn;
    struct slice row;
    uint8_t copy[128];
    size_t len;
    struct err err;
    assert_not_linked(p->vault, 7);
    assert_int_equal(vault_links_put(p->vault, links, 2, NULL, 0, &err), 0);
    reopen(p);
    assert_linked(p->vault, 7, 1, LINK_INVOICE);
    assert_linked(p->vault, 8, 2, LINK_ACTIVITY);
    links[0] = link_of(7, 3, LINK_INVOICE | LINK_OTHER_UNIT);
    assert_int_equal(vault_links_put(p->vault, links, 1, NULL, 0, &err), 0);
    assert_linked(p->vault, 7, 3, LINK_INVOICE | LINK_OTHER_UNIT);

    assert_int_equal(db_begin_write(vault_db(p->vault), &txn, &err), 0);
    assert_int_equal(db_get(txn, TABLE_LINKS, slice_of(links[0].entity.b, ID_BYTES), &row, &err), 0);
    len = row.len;
    memcpy(copy, row.data, len);
    assert_null(memmem(copy, len, links[0].member.b, ID_BYTES));
    assert_int_equal(db_put(txn, TABLE_LINKS, slice_of(links[1].entity.b, ID_BYTES), slice_of(copy, len), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    struct vault_link got;
    assert_int_equal(vault_link_get(p->vault, &links[1].entity, &got, &err), ERR_CORRUPT);
}

static void
a_link_abroad_says_whose_the_entity_is(void **state)
{
    struct place *p = *state;
    struct vault_link links[] = {link_of(7, 1, LINK_INVOICE | LINK_ABROAD), link_of(8, 1, LINK_INVOICE)}, got;
    uint8_t plain[17] = {2, [16] = LINK_ACTIVITY | LINK_ABROAD}, row[24 + sizeof(plain) + 16] = {5}, aad[17] = {5, 9};
    struct subject_id earlier = {{9}};
    struct db_txn *txn;
    struct err err;
    links[0].unit.b[31] = 0x44;
    assert_int_equal(vault_links_stage(p->vault, &links[0], NULL, 0, &err), 0);
    assert_int_equal(vault_link_get(p->vault, &links[0].entity, &got, &err), 0);
    assert_memory_equal(&got.unit, &links[0].unit, sizeof(got.unit));
    assert_int_equal(vault_links_stage(p->vault, &links[1], NULL, 0, &err), 0);
    assert_int_equal(vault_links_commit(p->vault, &err), 0);
    /* as an earlier release wrote it */
    crypto_aead_xchacha20poly1305_ietf_encrypt(row + 24, NULL, plain, sizeof(plain), aad, sizeof(aad), NULL, row,
                                               WRAP_KEY);
    assert_int_equal(db_begin_write(vault_db(p->vault), &txn, &err), 0);
    assert_int_equal(db_put(txn, TABLE_LINKS, slice_of(earlier.b, ID_BYTES), slice_of(row, sizeof(row)), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    reopen(p);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(vault_link_get(p->vault, &links[i].entity, &got, &err), 0);
        assert_memory_equal(&got, &links[i], sizeof(got));
    }
    assert_linked(p->vault, 9, 2, LINK_ACTIVITY | LINK_ABROAD);
    struct vault_erased done;
    struct vault_erase_linked linked = {.member = {{1}}, .all = true};
    struct vault_erase what = {.linked = &linked, .n_linked = 1};
    assert_int_equal(vault_erase(p->vault, &what, &done, &err), 0);
    assert_int_equal(done.links, 2);
}

static void
staged_links_are_seen_at_once_and_durable_with_their_commit(void **state)
{
    struct place *p = *state;
    struct vault_link a = link_of(7, 1, LINK_INVOICE), b = link_of(8, 1, LINK_INVOICE), c = link_of(7, 2, LINK_INVOICE);
    struct index_entry of = entry(p->vault, 9, "1", 7), of_b = entry(p->vault, 9, "1", 8),
                       no = entry(p->vault, 7, "n", 7);
    struct index_entry both[] = {of, no};
    struct subject_id found[4];
    struct err err;
    assert_int_equal(vault_links_stage(p->vault, &b, &of_b, 1, &err), 0);
    assert_int_equal(vault_links_stage(p->vault, &a, both, 2, &err), 0);
    assert_linked(p->vault, 7, 1, LINK_INVOICE);
    assert_int_equal(found_by(p->vault, &of, NULL, 4, found), 2);
    assert_int_equal(found[0].b[0], 7);
    assert_int_equal(found[1].b[0], 8);
    assert_int_equal(vault_links_stage(p->vault, &c, NULL, 0, &err), 0);
    assert_linked(p->vault, 7, 2, LINK_INVOICE);
    vault_links_drop(p->vault);
    assert_not_linked(p->vault, 7);
    assert_int_equal(found_by(p->vault, &of, NULL, 4, found), 0);

    assert_int_equal(vault_links_stage(p->vault, &a, both, 2, &err), 0);
    assert_int_equal(vault_links_stage(p->vault, &b, &of_b, 1, &err), 0);
    db_fail_after(2);
    int rc = vault_links_commit(p->vault, &err);
    db_fail_after(0);
    assert_int_equal(rc, ERR_FULL);
    assert_linked(p->vault, 8, 1, LINK_INVOICE);
    assert_int_equal(vault_links_commit(p->vault, &err), 0);
    assert_int_equal(vault_links_commit(p->vault, &err), 0);
    vault_links_drop(p->vault);
    reopen(p);
    assert_linked(p->vault, 7, 1, LINK_INVOICE);
    assert_linked(p->vault, 8, 1, LINK_INVOICE);
    assert_int_equal(found_by(p->vault, &of, NULL, 4, found), 2);
    assert_int_equal(found_by(p->vault, &no, NULL, 4, found), 1);
}

static void
pages_of_the_index_have_stored_and_staged_entries_in_one_order(void **state)
{
    struct place *p = *state;
    static const uint8_t stored[] = {2, 4, 6, 8}, staged[] = {9, 1, 4, 5, 3};
    struct index_entry e;
    struct subject_id found[4], after;
    uint8_t all[16];
    size_t n, total = 0;
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(stored); i++) {
        e = entry(p->vault, 9, "m", stored[i]);
        assert_int_equal(vault_links_put(p->vault, NULL, 0, &e, 1, &err), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(staged); i++) {
        struct vault_link l = link_of(staged[i], 1, LINK_INVOICE);
        e = entry(p->vault, 9, "m", staged[i]);
        assert_int_equal(vault_links_stage(p->vault, &l, &e, 1, &err), 0);
    }
    do {
        n = found_by(p->vault, &e, total > 0 ? &after : NULL, 3, found);
        for (size_t i = 0; i < n; i++)
            all[total++] = found[i].b[0];
        if (n > 0)
            after = found[n - 1];
    } while (n == 3);
    assert_int_equal(total, 8);
    assert_memory_equal(all, "\1\2\3\4\5\6\x8\x9", 8);
}

static void
deleted_links_take_their_index_entries_along_and_no_others(void **state)
{
    struct place *p = *state;
    struct vault_link links[] = {link_of(7, 1, LINK_INVOICE), link_of(8, 1, LINK_INVOICE), link_of(9, 1, LINK_INVOICE)};
    struct index_entry e[] = {entry(p->vault, 9, "1", 7), entry(p->vault, 9, "1", 8), entry(p->vault, 9, "1", 9),
                              entry(p->vault, 7, "n7", 7), entry(p->vault, 7, "n8", 8)};
    const struct subject_id gone[] = {{{9}}, {{7}}, {{77}}};
    struct subject_id found[4];
    struct err err;
    assert_int_equal(vault_links_put(p->vault, links, 3, e, ARRAY_LEN(e), &err), 0);
    assert_int_equal(vault_links_del(p->vault, gone, ARRAY_LEN(gone), &err), 0);
    assert_not_linked(p->vault, 7);
    assert_not_linked(p->vault, 9);
    assert_linked(p->vault, 8, 1, LINK_INVOICE);
    assert_int_equal(found_by(p->vault, &e[0], NULL, 4, found), 1);
    assert_int_equal(found[0].b[0], 8);
    assert_int_equal(found_by(p->vault, &e[3], NULL, 4, found), 0);
    assert_int_equal(found_by(p->vault, &e[4], NULL, 4, found), 1);
}

static void
one_commit_holds_everything_or_nothing(void **state)
{
    struct place *p = *state;
    struct index_entry e = entry(p->vault, 1, "maes", 1);
    struct key_capsule c = {{{{4}}, 17}, 2, slice_of("sealed", 6)};
    struct vault_link l = link_of(7, 1, LINK_INVOICE);
    struct vault_batch b = {.entries = &e,
                            .n_entries = 1,
                            .capsules = &c,
                            .n_capsules = 1,
                            .links = &l,
                            .n_links = 1,
                            .log_no = 3,
                            .seq = 5};
    uint64_t seq;
    bool has;
    struct buf out;
    struct err err;
    buf_init(&out, 64);
    for (unsigned step = 1; step <= 5; step++) {
        db_fail_after(step);
        int rc = vault_put(p->vault, &b, &err);
        db_fail_after(0);
        assert_int_equal(rc, ERR_FULL);
        assert_not_linked(p->vault, 7);
        assert_int_equal(vault_index_has(p->vault, e.token, &e.subject, &has, &err), 0);
        assert_false(has);
        assert_int_equal(vault_capsule_get(p->vault, &c.at, 2, &out, &err), ERR_NOTFOUND);
        assert_int_equal(vault_index_cursor(p->vault, 3, &seq, &err), 0);
        assert_int_equal(seq, 0);
    }
    assert_int_equal(vault_put(p->vault, &b, &err), 0);
    assert_linked(p->vault, 7, 1, LINK_INVOICE);
    assert_int_equal(vault_index_cursor(p->vault, 3, &seq, &err), 0);
    assert_int_equal(seq, 5);
    assert_int_equal(vault_capsule_get(p->vault, &c.at, 2, &out, &err), 0);
    buf_free(&out);
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
        VAULT_TEST(a_slot_of_the_earlier_layout_opens_without_the_later_classes),
        VAULT_TEST(a_slot_has_keys_of_the_classes_asked_for_and_of_no_others),
        VAULT_TEST(more_sorts_of_slots_than_pools_never_give_a_slot_twice),
        VAULT_TEST(links_come_back_and_cannot_change_places),
        VAULT_TEST(a_link_abroad_says_whose_the_entity_is),
        VAULT_TEST(staged_links_are_seen_at_once_and_durable_with_their_commit),
        VAULT_TEST(pages_of_the_index_have_stored_and_staged_entries_in_one_order),
        VAULT_TEST(deleted_links_take_their_index_entries_along_and_no_others),
        VAULT_TEST(one_commit_holds_everything_or_nothing),
        VAULT_TEST(no_name_and_no_key_stands_in_the_files_in_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
