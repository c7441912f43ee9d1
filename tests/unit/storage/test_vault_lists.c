/* The blind index at rest: lists of every length come back, nothing on the disk says which entries belong together, and a vault of
 * the format before is brought along. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "storage/openings.h"
#include "storage/vault_erase.h"
#include "storage/visits.h"
#include "tests/support/storage.h"

enum { MAP_BYTES = 256 * 1024 * 1024, WRAP_VISIT_OLD = 7 };

static const uint8_t WRAP_KEY[KEY_BYTES] = {1, 2, 3};

struct place {
    char dir[TEST_PATH_MAX];
    struct vault *vault;
};

/* No test here loses power: nothing is flushed. */
static int
open_as(const char *dir, bool create, bool read_only, struct vault **ret, struct err *err)
{
    struct vault_opts opts = {.path = dir,
                              .map_bytes = MAP_BYTES,
                              .wrap_key = WRAP_KEY,
                              .create = create,
                              .read_only = read_only,
                              .volatile_for_simulation = true};
    return vault_open(&opts, ret, err);
}

static void
reopen(struct place *p)
{
    struct err err;
    vault_close(&p->vault);
    if (open_as(p->dir, false, false, &p->vault, &err) != 0)
        fail_msg("%s", err.text);
}

static int
setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    struct err err;
    assert_non_null(p);
    test_dir_make(p->dir);
    assert_int_equal(open_as(p->dir, true, false, &p->vault, &err), 0);
    *state = p;
    return 0;
}

static int
teardown(void **state)
{
    struct place *p = *state;
    db_fail_after(0);
    vault_close(&p->vault);
    test_dir_remove(p->dir);
    free(p);
    return 0;
}

/* Of 16 bytes of which none repeats elsewhere. */
static struct subject_id
subject(uint32_t n)
{
    struct subject_id s;
    uint8_t text[4];
    be32_put(text, n);
    crypto_generichash(s.b, sizeof(s.b), text, sizeof(text), NULL, 0);
    return s;
}

static struct index_entry
entry(const struct place *p, uint32_t token, uint32_t of)
{
    struct index_entry e = {.subject = subject(of)};
    uint8_t text[4];
    be32_put(text, token);
    vault_token(p->vault, 9, slice_of(text, sizeof(text)), e.token);
    return e;
}

static void
put(struct place *p, const struct index_entry *e, size_t n)
{
    struct err err;
    if (vault_index_put(p->vault, e, n, 0, 0, &err) != 0)
        fail_msg("%s", err.text);
}

static size_t
count_of(struct place *p, uint32_t token)
{
    struct index_entry e = entry(p, token, 0);
    struct subject_id *all = NULL;
    size_t n = 0;
    struct err err;
    assert_int_equal(vault_index_all(p->vault, e.token, &all, &n, &err), 0);
    for (size_t i = 1; i < n; i++)
        assert_true(memcmp(&all[i - 1], &all[i], sizeof(all[i])) < 0);
    free(all);
    return n;
}

static bool
has(struct place *p, uint32_t token, uint32_t of)
{
    struct index_entry e = entry(p, token, of);
    bool there = false;
    struct err err;
    assert_int_equal(vault_index_has(p->vault, e.token, &e.subject, &there, &err), 0);
    return there;
}

static void
remove_entries(struct place *p, const struct index_entry *e, size_t n, size_t expected)
{
    struct vault_erased done;
    struct err err;
    struct vault_erase what = {.entries = e, .n_entries = n};
    assert_int_equal(vault_erase(p->vault, &what, &done, &err), 0);
    assert_int_equal(done.entries, expected);
}

static uint64_t
rows(struct place *p)
{
    return test_table_rows(vault_db(p->vault), TABLE_INDEX_LISTS);
}

/* ---- every length ---- */

static void
a_list_grows_one_by_one_and_in_bulk(void **state)
{
    enum { LONG = 3000, BULK = 1000 };
    struct place *p = *state;
    struct index_entry *bulk = calloc(BULK, sizeof(*bulk));
    for (uint32_t i = 0; i < LONG; i++) {
        struct index_entry e = entry(p, 1, i);
        if (i < 300 || i % 100 == 99) {
            put(p, &e, 1);
            assert_int_equal(count_of(p, 1), i + 1);
        }
        bulk[i % BULK] = e;
        if (i % 100 == 98 && i > 300) { /* with some that are there */
            size_t from = i % BULK - 98;
            put(p, &bulk[from], 99);
            put(p, &bulk[from], 99);
            assert_int_equal(count_of(p, 1), i + 1);
        }
    }
    reopen(p);
    assert_int_equal(count_of(p, 1), LONG);
    assert_int_equal(count_of(p, 2), 0);
    for (uint32_t i = 0; i < LONG; i++)
        assert_true(has(p, 1, i));
    for (uint32_t i = LONG; i < LONG + 100; i++)
        assert_false(has(p, 1, i));
    assert_true(rows(p) > LONG / 64);
    free(bulk);
}

static void
pages_of_a_long_list_follow_each_other(void **state)
{
    enum { LONG = 500 };
    struct place *p = *state;
    struct index_entry e[LONG];
    struct subject_id found[7], after = {{0}};
    size_t n = 7, all = 0;
    struct err err;
    for (uint32_t i = 0; i < LONG; i++)
        e[i] = entry(p, 1, i);
    put(p, e, LONG);
    for (bool started = false; n == 7; started = true) {
        assert_int_equal(vault_index_find(p->vault, e[0].token, started ? &after : NULL, 7, found, &n, &err), 0);
        for (size_t i = 0; i < n; i++) {
            assert_true(!started || memcmp(&found[i], &after, sizeof(after)) > 0);
            after = found[i];
        }
        all += n;
    }
    assert_int_equal(all, LONG);
}

/* Against a table in memory: additions, repetitions and removals of several lists, in calls of any size. */
static void
lists_say_what_was_put_and_not_removed(void **state)
{
    enum { TOKENS = 5, SUBJECTS = 400, ROUNDS = 300, STEP = 60 };
    struct place *p = *state;
    static bool there[TOKENS][SUBJECTS];
    uint32_t seed = 1;
    memset(there, 0, sizeof(there));
    for (int round = 0; round < ROUNDS; round++) {
        struct index_entry e[STEP];
        size_t n = 0, expected = 0;
        bool removing = round % 3 == 2 || round > ROUNDS - 8;
        for (size_t i = 0; i < 1U + (unsigned)round % STEP; i++) {
            seed = seed * 1664525U + 1013904223U;
            uint32_t t = (seed >> 8) % TOKENS, s = (seed >> 16) % (SUBJECTS >> t);
            e[n++] = entry(p, t, s);
            expected += removing && there[t][s];
            there[t][s] = !removing;
        }
        if (removing)
            remove_entries(p, e, n, expected);
        else
            put(p, e, n);
    }
    for (uint32_t t = 0; t < TOKENS; t++) {
        size_t n = 0;
        for (uint32_t s = 0; s < SUBJECTS; s++) {
            assert_int_equal(has(p, t, s), there[t][s]);
            n += there[t][s];
        }
        assert_true(n > 0);
        assert_int_equal(count_of(p, t), n);
    }
}

static void
a_list_that_was_long_leaves_nothing_behind(void **state)
{
    enum { LONG = 700 };
    struct place *p = *state;
    struct index_entry e[LONG + 1];
    for (uint32_t i = 0; i < LONG; i++)
        e[i] = entry(p, 1, i);
    e[LONG] = entry(p, 2, 1);
    put(p, e, LONG + 1);
    assert_true(rows(p) > 10);
    remove_entries(p, &e[1], LONG - 1, LONG - 1);
    assert_int_equal(rows(p), 2);
    assert_true(has(p, 1, 0) && has(p, 2, 1));
    remove_entries(p, e, LONG, 1);
    assert_int_equal(rows(p), 1);
    assert_true(has(p, 2, 1));
}

static void
subjects_go_from_every_list_they_are_in(void **state)
{
    enum { LISTS = 4, EACH = 200 };
    struct place *p = *state;
    static struct index_entry e[LISTS * EACH];
    struct subject_id gone[] = {subject(7), subject(150), subject(9999)};
    struct vault_erased done;
    struct err err;
    for (uint32_t t = 0; t < LISTS; t++)
        for (uint32_t i = 0; i < EACH; i++)
            e[t * EACH + i] = entry(p, t, i);
    put(p, e, ARRAY_LEN(e));
    struct vault_erase what = {.indexed = gone, .n_indexed = ARRAY_LEN(gone)};
    assert_int_equal(vault_erase(p->vault, &what, &done, &err), 0);
    assert_int_equal(done.entries, 2 * LISTS);
    for (uint32_t t = 0; t < LISTS; t++) {
        assert_int_equal(count_of(p, t), EACH - 2);
        assert_false(has(p, t, 7) || has(p, t, 150));
    }
}

/* ---- at rest ---- */

/* All rows of the index, one after the other, and how long they are. */
static struct buf
rows_of(struct place *p, size_t lengths[], size_t *ret_n)
{
    struct db_txn *txn;
    struct db_cursor *c;
    struct slice key, value;
    struct buf b;
    struct err err;
    size_t n = 0;
    buf_init(&b, MAP_BYTES);
    assert_int_equal(db_begin_read(vault_db(p->vault), &txn, &err), 0);
    assert_int_equal(db_cursor_open(txn, TABLE_INDEX_LISTS, &c, &err), 0);
    for (int rc = db_cursor_first(c, &key, &value, &err); rc == 0; rc = db_cursor_next(c, &key, &value, &err)) {
        buf_put(&b, key.data, key.len);
        buf_put(&b, value.data, value.len);
        lengths[n++] = key.len + value.len;
    }
    db_cursor_close(&c);
    db_abort(&txn);
    assert_false(b.failed);
    *ret_n = n;
    return b;
}

static int
compare_eight(const void *a, const void *b)
{
    return memcmp(a, b, 8);
}

/* As the numbers of invoices and their member are: entries of one subject under a token of its own, and all under one. */
static void
no_row_has_bytes_in_common_with_another_or_with_a_subject(void **state)
{
    enum { ENTITIES = 100 };
    struct place *p = *state;
    struct index_entry e[2 * ENTITIES];
    size_t lengths[512], n = 0;
    for (uint32_t i = 0; i < ENTITIES; i++) {
        e[2 * i] = entry(p, 1, i);
        e[2 * i + 1] = entry(p, 100 + i, i);
    }
    put(p, e, ARRAY_LEN(e));
    struct buf b = rows_of(p, lengths, &n);
    assert_true(n > ENTITIES);
    for (uint32_t i = 0; i < ENTITIES; i++)
        assert_null(memmem(b.data, b.len, e[2 * i].subject.b, 8));
    uint8_t(*grams)[8] = calloc(b.len, 8);
    for (size_t i = 0; i + 8 <= b.len; i++)
        memcpy(grams[i], b.data + i, 8);
    qsort(grams, b.len - 7, 8, compare_eight);
    for (size_t i = 1; i < b.len - 7; i++)
        assert_int_not_equal(compare_eight(grams[i - 1], grams[i]), 0);
    free(grams);
    buf_free(&b);
}

static void
lengths_of_rows_tell_no_more_than_the_order_of_magnitude(void **state)
{
    struct place *p = *state;
    size_t lengths[512], n = 0, kinds = 0, seen[8];
    uint32_t of = 0;
    for (uint32_t t = 0; t < 64; t++)
        for (uint32_t i = 0; i <= t; i++) {
            struct index_entry e = entry(p, t, of++);
            put(p, &e, 1);
        }
    struct buf b = rows_of(p, lengths, &n);
    buf_free(&b);
    assert_int_equal(n, 64);
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < kinds && seen[k] != lengths[i])
            k++;
        assert_true(k < ARRAY_LEN(seen));
        seen[k] = lengths[i];
        kinds = k == kinds ? kinds + 1 : kinds;
    }
    assert_int_equal(kinds, 4);
}

static void
a_page_does_not_open_in_the_place_of_another(void **state)
{
    struct place *p = *state;
    struct index_entry e[] = {entry(p, 1, 1), entry(p, 2, 2)};
    struct db_txn *txn;
    struct slice row;
    uint8_t copy[256];
    struct subject_id found[2];
    size_t len, n;
    bool there;
    struct err err;
    put(p, e, 2);
    assert_int_equal(db_begin_write(vault_db(p->vault), &txn, &err), 0);
    assert_int_equal(db_get(txn, TABLE_INDEX_LISTS, slice_of(e[0].token, 16), &row, &err), 0);
    len = row.len;
    memcpy(copy, row.data, len);
    assert_int_equal(db_put(txn, TABLE_INDEX_LISTS, slice_of(e[1].token, 16), slice_of(copy, len), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    assert_int_equal(vault_index_find(p->vault, e[1].token, NULL, 2, found, &n, &err), ERR_CORRUPT);
    assert_int_equal(vault_index_has(p->vault, e[1].token, &e[0].subject, &there, &err), ERR_CORRUPT);
    assert_int_equal(vault_index_put(p->vault, &e[1], 1, 0, 0, &err), ERR_CORRUPT);
    assert_true(has(p, 1, 1));
}

static void
a_commit_that_fails_leaves_a_list_as_it_was(void **state)
{
    enum { FIRST = 60, MORE = 200 };
    struct place *p = *state;
    struct index_entry e[FIRST + MORE];
    struct err err;
    int rc = ERR_FULL;
    for (uint32_t i = 0; i < FIRST + MORE; i++)
        e[i] = entry(p, 1, i);
    put(p, e, FIRST);
    for (unsigned n = 1; rc != 0; n++) {
        db_fail_after(n);
        rc = vault_index_put(p->vault, &e[FIRST], MORE, 0, 0, &err);
        db_fail_after(0);
        assert_true(rc == 0 || rc == ERR_FULL);
        assert_int_equal(count_of(p, 1), rc == 0 ? FIRST + MORE : FIRST);
        assert_true(n < 100);
    }
}

/* ---- a vault of format 1 ---- */

enum { OLD_LISTS = 40, OLD_EACH = 300, OLD_ALL = OLD_LISTS * OLD_EACH, OLD_VISITS = 3 };

static struct look
old_look(uint32_t n)
{
    return (struct look){.subject = subject(n % 2), .day = {(int32_t)n}, .actor = {{3}}, .purpose = 2, .count = n + 1};
}

static struct opening
old_opening(uint32_t n)
{
    return (struct opening){
        .home = {{5}}, .subject = subject(n), .day = {100}, .actor = {{3}}, .access = {{4}}, .count = n + 1, .done = 6};
}

static void
raw_put(struct db_txn *txn, enum table t, const void *key, size_t key_len, const void *value, size_t len)
{
    struct err err;
    assert_int_equal(db_put(txn, t, slice_of(key, key_len), slice_of(value, len), &err), 0);
}

/* member 16 ‖ log 32 ‖ seq 8 ‖ index → nonce ‖ sealed host 32 ‖ settled ‖ content, bound to the member */
static void
old_visit_put(struct db_txn *txn, uint32_t n)
{
    struct subject_id of = subject(77);
    uint8_t key[57] = {0}, plain[32 + 1 + 5] = {9}, row[24 + sizeof(plain) + 16] = {(uint8_t)(n + 1)}, aad[17];
    memcpy(key, of.b, 16);
    key[16] = 8;
    be64_put(key + 48, 10 - n);
    key[56] = 1;
    plain[32] = n == 0 ? VISIT_ACCEPTED : VISIT_OPEN;
    memcpy(plain + 33, "visit", 5);
    aad[0] = WRAP_VISIT_OLD;
    memcpy(aad + 1, of.b, 16);
    crypto_aead_xchacha20poly1305_ietf_encrypt(row + 24, NULL, plain, sizeof(plain), aad, sizeof(aad), NULL, row,
                                               WRAP_KEY);
    raw_put(txn, TABLE_VISITS, key, sizeof(key), row, sizeof(row));
}

/* Takes a new vault back to what the release before would have made, with rows in all tables that changed. */
static void
make_old(struct place *p)
{
    const uint8_t format[] = {0, 0, 0, 1, DB_VAULT};
    struct db_txn *txn;
    struct err err;
    assert_int_equal(db_begin_write(vault_db(p->vault), &txn, &err), 0);
    raw_put(txn, TABLE_VAULT_META, "format", 6, format, sizeof(format));
    assert_int_equal(db_del(txn, TABLE_VAULT_META, slice_of("vault.form", 10), &err), 0);
    for (uint32_t i = 0; i < OLD_ALL; i++) {
        struct index_entry e = entry(p, i / OLD_EACH, i);
        raw_put(txn, TABLE_BLIND_INDEX, &e, sizeof(e), NULL, 0);
    }
    for (uint32_t i = 0; i < 4; i++) {
        uint8_t key[KEY_OPENING], value[8];
        struct opening o = old_opening(i);
        struct look l = old_look(i);
        key_opening(key, &o.home, &o.subject, o.day, &o.actor, &o.access);
        be32_put(value, o.count);
        be32_put(value + 4, o.done);
        raw_put(txn, TABLE_OPENINGS, key, KEY_OPENING, value, 8);
        key_look(key, &l.subject, l.day, &l.actor, l.purpose);
        be32_put(value, l.count);
        raw_put(txn, TABLE_LOOKS, key, KEY_LOOK, value, 4);
    }
    for (uint32_t i = 0; i < OLD_VISITS; i++)
        old_visit_put(txn, i);
    assert_int_equal(db_commit(&txn, &err), 0);
    vault_close(&p->vault);
}

static int
see_visit(void *arg, const struct visit *visit, struct slice plain)
{
    size_t *n = arg;
    assert_int_equal(visit->at.seq, 10 - (OLD_VISITS - 1 - *n)); /* in order */
    assert_int_equal(visit->at.log.b[0], 8);
    assert_int_equal(visit->index, 1);
    assert_int_equal(visit->host.b[0], 9);
    assert_int_equal(visit->settled, *n == OLD_VISITS - 1 ? VISIT_ACCEPTED : VISIT_OPEN);
    assert_true(slice_eq(plain, slice_of("visit", 5)));
    ++*n;
    return 0;
}

static void
assert_all_came_along(struct place *p)
{
    struct opening openings[8];
    struct look looks[8];
    struct subject_id member = subject(77), first = subject(0);
    size_t n = 0;
    struct err err;
    for (uint32_t t = 0; t < OLD_LISTS; t++)
        assert_int_equal(count_of(p, t), OLD_EACH);
    for (uint32_t i = 0; i < OLD_ALL; i += 7)
        assert_true(has(p, i / OLD_EACH, i));
    assert_int_equal(openings_list(p->vault, NULL, DATE_NONE, openings, 8, &n, &err), 0);
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++) {
        uint32_t of = openings[i].count - 1;
        struct opening expected = old_opening(of);
        assert_memory_equal(&openings[i].subject, &expected.subject, sizeof(expected.subject));
        assert_memory_equal(&openings[i].access, &expected.access, sizeof(expected.access));
        assert_int_equal(openings[i].done, 6);
    }
    assert_int_equal(looks_list(p->vault, &first, DATE_NONE, DATE_NONE, NULL, looks, 8, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_int_equal(looks[0].day.days, 0);
    assert_int_equal(looks[1].day.days, 2);
    assert_int_equal(looks[1].count, 3);
    n = 0;
    assert_int_equal(visits_each(p->vault, &member, NULL, see_visit, &n, &err), 0);
    assert_int_equal(n, OLD_VISITS);
    static const enum table old[] = {TABLE_BLIND_INDEX, TABLE_OPENINGS, TABLE_LOOKS, TABLE_VISITS};
    for (size_t i = 0; i < ARRAY_LEN(old); i++)
        assert_int_equal(test_table_rows(vault_db(p->vault), old[i]), 0);
}

static bool
file_holds(const char *dir, const void *bytes, size_t len)
{
    char path[TEST_PATH_MAX + 16];
    struct buf b;
    uint8_t chunk[65536];
    size_t n;
    buf_init(&b, 2 * (size_t)MAP_BYTES);
    snprintf(path, sizeof(path), "%s/data.mdb", dir);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_put(&b, chunk, n);
    fclose(f);
    assert_false(b.failed);
    bool found = memmem(b.data, b.len, bytes, len) != NULL;
    buf_free(&b);
    return found;
}

static void
see_progress(void *arg, uint64_t done, uint64_t all)
{
    uint64_t *told = arg;
    assert_true(done > told[0] && done <= all);
    told[0] = done;
    told[1] = all;
}

static void
an_old_vault_comes_along_and_leaves_no_byte_of_its_old_form(void **state)
{
    struct place *p = *state;
    struct index_entry e = entry(p, 3, 3 * OLD_EACH + 5);
    struct opening o = old_opening(2);
    uint64_t told[2] = {0};
    struct err err;
    make_old(p);
    assert_true(file_holds(p->dir, &e, sizeof(e)));
    assert_true(file_holds(p->dir, &o.subject, sizeof(o.subject)));
    assert_int_equal(open_as(p->dir, false, true, &p->vault, &err), ERR_VERSION);
    struct vault_opts opts = {
        .path = p->dir, .map_bytes = MAP_BYTES, .wrap_key = WRAP_KEY, .progress = see_progress, .progress_arg = told};
    assert_int_equal(vault_open(&opts, &p->vault, &err), 0);
    assert_int_equal(told[0], OLD_ALL + 4 + 4 + OLD_VISITS);
    assert_int_equal(told[1], told[0]);
    assert_all_came_along(p);
    struct db_txn *txn;
    struct slice format;
    assert_int_equal(db_begin_read(vault_db(p->vault), &txn, &err), 0);
    assert_int_equal(db_get(txn, TABLE_VAULT_META, slice_of("format", 6), &format, &err), 0);
    assert_int_equal(format.data[3], 2); /* which a program of the release before refuses */
    db_abort(&txn);
    vault_close(&p->vault);
    assert_false(file_holds(p->dir, &e, sizeof(e)));
    assert_false(file_holds(p->dir, &e.subject, sizeof(e.subject)));
    assert_false(file_holds(p->dir, &o.subject, sizeof(o.subject)));
    assert_int_equal(open_as(p->dir, false, true, &p->vault, &err), 0);
    assert_all_came_along(p);
}

static void
an_old_vault_comes_along_whole_wherever_it_was_stopped(void **state)
{
    struct place *p = *state;
    struct err err;
    int rc = ERR_FULL;
    unsigned stopped = 0;
    make_old(p);
    for (unsigned n = 1; rc != 0; n = n < 40 ? n + 7 : n * 2) {
        db_fail_after(n);
        rc = open_as(p->dir, false, false, &p->vault, &err);
        db_fail_after(0);
        assert_true(rc == 0 || rc == ERR_FULL);
        stopped += rc != 0;
    }
    assert_true(stopped >= 8);
    assert_all_came_along(p);
    reopen(p);
    assert_all_came_along(p);
}

static void
a_vault_whose_file_could_not_be_rewritten_is_at_the_next_start(void **state)
{
    struct place *p = *state;
    struct index_entry e = entry(p, 3, 3 * OLD_EACH + 5);
    struct db_txn *txn;
    const uint8_t moved = 2;
    struct err err;
    make_old(p);
    assert_int_equal(open_as(p->dir, false, false, &p->vault, &err), 0);
    /* As it is left where the rewriting failed: rows moved, an old one in a free page. */
    assert_int_equal(db_begin_write(vault_db(p->vault), &txn, &err), 0);
    raw_put(txn, TABLE_BLIND_INDEX, &e, sizeof(e), NULL, 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    assert_int_equal(db_begin_write(vault_db(p->vault), &txn, &err), 0);
    assert_int_equal(db_clear(txn, TABLE_BLIND_INDEX, &err), 0);
    raw_put(txn, TABLE_VAULT_META, "vault.form", 10, &moved, 1);
    assert_int_equal(db_commit(&txn, &err), 0);
    vault_close(&p->vault);
    assert_true(file_holds(p->dir, &e, sizeof(e)));
    assert_int_equal(open_as(p->dir, false, true, &p->vault, &err), 0);
    assert_all_came_along(p);
    reopen(p);
    vault_close(&p->vault);
    assert_false(file_holds(p->dir, &e, sizeof(e)));
}

int
main(void)
{
#define LIST_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        LIST_TEST(a_list_grows_one_by_one_and_in_bulk),
        LIST_TEST(pages_of_a_long_list_follow_each_other),
        LIST_TEST(lists_say_what_was_put_and_not_removed),
        LIST_TEST(a_list_that_was_long_leaves_nothing_behind),
        LIST_TEST(subjects_go_from_every_list_they_are_in),
        LIST_TEST(no_row_has_bytes_in_common_with_another_or_with_a_subject),
        LIST_TEST(lengths_of_rows_tell_no_more_than_the_order_of_magnitude),
        LIST_TEST(a_page_does_not_open_in_the_place_of_another),
        LIST_TEST(a_commit_that_fails_leaves_a_list_as_it_was),
        LIST_TEST(an_old_vault_comes_along_and_leaves_no_byte_of_its_old_form),
        LIST_TEST(an_old_vault_comes_along_whole_wherever_it_was_stopped),
        LIST_TEST(a_vault_whose_file_could_not_be_rewritten_is_at_the_next_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
