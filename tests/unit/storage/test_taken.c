/* Activities that wait to be opened: kept, listed, replaced, taken away; not in clear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/taken.h"
#include "tests/support/storage.h"

struct fixture {
    char dir[TEST_PATH_MAX];
    struct vault *vault;
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    uint8_t wrap[32] = {7};
    struct err err = {0};
    assert_non_null(f);
    test_dir_make(f->dir);
    struct vault_opts opts = {
        .path = f->dir, .map_bytes = TEST_MAP_BYTES, .wrap_key = wrap, .create = true, .volatile_for_simulation = true};
    assert_int_equal(vault_open(&opts, &f->vault, &err), 0);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    vault_close(&f->vault);
    test_dir_remove(f->dir);
    free(f);
    return 0;
}

static struct taken_activity
taken_of(uint8_t member, uint8_t activity, const char *title)
{
    struct taken_activity a = {
        .month = {20000}, .received = {20010 + activity}, .sector = activity, .culture = activity % 2 == 1};
    a.key.member.b[0] = member;
    a.key.activity.b[0] = activity;
    snprintf(a.title.s, sizeof(a.title.s), "%s", title);
    return a;
}

static size_t
count(struct fixture *f, uint8_t member)
{
    struct subject_id id = {{member}};
    struct err err = {0};
    size_t n = 0;
    assert_int_equal(taken_count(f->vault, &id, &n, &err), 0);
    return n;
}

static void
what_was_noted_comes_back_until_it_is_taken_away(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct taken_activity list[2] = {taken_of(1, 1, "Koor aan de Leie"), taken_of(1, 2, "")}, c = taken_of(2, 1, "x");
    struct taken_activity found[4];
    size_t n = 0;
    assert_int_equal(taken_put(f->vault, &list[0].key.member, list, 2, &err), 0);
    assert_int_equal(taken_put(f->vault, &c.key.member, &c, 1, &err), 0);
    assert_int_equal(taken_list(f->vault, NULL, NULL, found, 4, &n, &err), 0);
    assert_int_equal(n, 3);
    assert_memory_equal(&found[0], &list[0], sizeof(found[0]));
    assert_memory_equal(&found[1], &list[1], sizeof(found[1]));
    assert_memory_equal(&found[2], &c, sizeof(c));
    assert_int_equal(taken_list(f->vault, NULL, &found[0].key, found, 1, &n, &err), 0); /* page by page */
    assert_int_equal(n, 1);
    assert_memory_equal(&found[0], &list[1], sizeof(found[0]));
    assert_int_equal(taken_list(f->vault, &c.key.member, NULL, found, 4, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(taken_get(f->vault, &list[0].key, &found[0], &err), 0);
    assert_string_equal(found[0].title.s, "Koor aan de Leie");
    assert_int_equal(taken_del(f->vault, &list[0].key, 1, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(taken_del(f->vault, &list[0].key, 1, &n, &err), 0); /* once */
    assert_int_equal(n, 0);
    assert_int_equal(taken_get(f->vault, &list[0].key, &found[0], &err), ERR_NOTFOUND);
    assert_int_equal(count(f, 1), 1);
    assert_int_equal(taken_del_member(f->vault, &list[0].key.member, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(count(f, 1), 0);
    assert_int_equal(count(f, 2), 1);
}

static void
what_is_noted_anew_takes_the_place_of_what_was(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct taken_activity list[TAKEN_MAX], c = taken_of(2, 1, "x"), one = taken_of(1, 200, "y");
    for (size_t i = 0; i < TAKEN_MAX; i++)
        list[i] = taken_of(1, (uint8_t)(i + 1), "z");
    assert_int_equal(taken_put(f->vault, &c.key.member, &c, 1, &err), 0);
    assert_int_equal(taken_put(f->vault, &list[0].key.member, list, TAKEN_MAX, &err), 0);
    assert_int_equal(count(f, 1), TAKEN_MAX);
    assert_int_equal(taken_put(f->vault, &one.key.member, &one, 1, &err), 0);
    assert_int_equal(count(f, 1), 1);
    assert_int_equal(taken_put(f->vault, &one.key.member, NULL, 0, &err), 0);
    assert_int_equal(count(f, 1), 0);
    assert_int_equal(count(f, 2), 1);
}

static void
it_is_not_kept_in_clear_and_cannot_change_places(void **state)
{
    struct fixture *f = *state;
    struct db_txn *txn;
    struct slice row;
    struct err err = {0};
    struct taken_activity a = taken_of(1, 1, "Koor aan de Leie"), b = taken_of(1, 2, "Orkest");
    struct taken_activity list[2] = {a, b}, found;
    uint8_t copy[512];
    assert_int_equal(taken_put(f->vault, &a.key.member, list, 2, &err), 0);
    assert_int_equal(db_begin_write(vault_db(f->vault), &txn, &err), 0);
    assert_int_equal(db_get(txn, TABLE_TAKEN, slice_of(&a.key, sizeof(a.key)), &row, &err), 0);
    assert_null(memmem(row.data, row.len, "Leie", 4));
    assert_true(row.len <= sizeof(copy));
    memcpy(copy, row.data, row.len);
    assert_int_equal(db_put(txn, TABLE_TAKEN, slice_of(&b.key, sizeof(b.key)), slice_of(copy, row.len), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    assert_int_equal(taken_get(f->vault, &b.key, &found, &err), ERR_CORRUPT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_noted_comes_back_until_it_is_taken_away, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_noted_anew_takes_the_place_of_what_was, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_not_kept_in_clear_and_cannot_change_places, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
