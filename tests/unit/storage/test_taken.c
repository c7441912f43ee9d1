/* Activities that wait to be opened: kept, listed, replaced, taken away; not in clear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/taken.h"
#include "tests/support/storage_setup.h"

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
count(struct vault_alone *f, uint8_t member)
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
    struct vault_alone *f = *state;
    struct err err = {0};
    struct taken_activity list[2] = {taken_of(1, 1, "Koor aan de Leie"), taken_of(1, 2, "")}, c = taken_of(2, 1, "x");
    struct taken_activity found[TAKEN_MAX];
    size_t n = 0;
    assert_int_equal(taken_put(f->vault, &list[0].key.member, list, 2, &err), 0);
    assert_int_equal(taken_put(f->vault, &c.key.member, &c, 1, &err), 0);
    assert_int_equal(taken_list(f->vault, &list[0].key.member, found, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_memory_equal(found, list, sizeof(list));
    assert_int_equal(taken_list(f->vault, &c.key.member, found, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_memory_equal(&found[0], &c, sizeof(c));
    assert_int_equal(taken_get(f->vault, &list[0].key, &found[0], &err), 0);
    assert_string_equal(found[0].title.s, "Koor aan de Leie");
    assert_int_equal(taken_del(f->vault, &list[0].key, 1, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(taken_del(f->vault, &list[0].key, 1, &n, &err), 0); /* once */
    assert_int_equal(n, 0);
    assert_int_equal(taken_get(f->vault, &list[0].key, &found[0], &err), ERR_NOTFOUND);
    assert_int_equal(taken_get(f->vault, &list[1].key, &found[0], &err), 0);
    assert_int_equal(count(f, 1), 1);
    assert_int_equal(taken_del_member(f->vault, &list[0].key.member, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(count(f, 1), 0);
    assert_int_equal(count(f, 2), 1);
    const struct taken_key both[2] = {c.key, list[1].key}; /* of whom the second is gone */
    assert_int_equal(taken_del(f->vault, both, 2, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(test_table_rows(vault_db(f->vault), TABLE_TAKEN), 0);
}

static void
members_are_listed_page_by_page(void **state)
{
    struct vault_alone *f = *state;
    struct err err = {0};
    struct subject_id page[3];
    bool seen[10] = {false};
    size_t n = 3, total = 0;
    for (uint8_t i = 0; i < 10; i++) {
        struct taken_activity a = taken_of((uint8_t)(i + 1), 1, "");
        assert_int_equal(taken_put(f->vault, &a.key.member, &a, 1, &err), 0);
    }
    for (bool first = true; n == 3; first = false) {
        struct subject_id after = page[2];
        assert_int_equal(taken_members(f->vault, first ? NULL : &after, page, 3, &n, &err), 0);
        for (size_t i = 0; i < n; i++) {
            assert_false(seen[page[i].b[0] - 1]);
            seen[page[i].b[0] - 1] = true;
        }
        total += n;
    }
    assert_int_equal(total, 10);
}

static void
what_is_noted_anew_takes_the_place_of_what_was(void **state)
{
    struct vault_alone *f = *state;
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

/* Neither whose nor which activities, nor how many exactly; and a row is nobody else's. */
static void
a_row_says_nothing_and_cannot_change_places(void **state)
{
    struct vault_alone *f = *state;
    struct db_txn *txn;
    struct db_cursor *c;
    struct slice key, row;
    struct err err = {0};
    struct taken_activity a = taken_of(1, 1, "Koor aan de Leie"), found[TAKEN_MAX];
    struct taken_activity list[3] = {taken_of(2, 2, "Orkest"), taken_of(2, 3, ""), taken_of(2, 4, "")};
    uint8_t keys[2][16], copy[2][2048];
    size_t len[2] = {0}, n = 0;
    struct subject_id members[4];
    memset(a.key.activity.b, 0xA5, sizeof(a.key.activity.b));
    memset(a.key.member.b, 0x5A, sizeof(a.key.member.b));
    assert_int_equal(taken_put(f->vault, &a.key.member, &a, 1, &err), 0);
    assert_int_equal(taken_put(f->vault, &list[0].key.member, list, 3, &err), 0);
    assert_int_equal(db_begin_write(vault_db(f->vault), &txn, &err), 0);
    assert_int_equal(db_cursor_open(txn, TABLE_TAKEN, &c, &err), 0);
    for (int rc = db_cursor_first(c, &key, &row, &err); rc == 0; rc = db_cursor_next(c, &key, &row, &err)) {
        assert_true(n < 2 && key.len == 16 && row.len <= sizeof(copy[0]));
        assert_null(memmem(row.data, row.len, "Leie", 4));
        assert_null(memmem(row.data, row.len, a.key.activity.b, 4));
        assert_null(memmem(row.data, row.len, a.key.member.b, 4));
        assert_null(memmem(key.data, key.len, a.key.member.b, 4));
        memcpy(keys[n], key.data, 16);
        memcpy(copy[n], row.data, row.len);
        len[n++] = row.len;
    }
    db_cursor_close(&c);
    assert_int_equal(n, 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(db_put(txn, TABLE_TAKEN, slice_of(keys[i], 16), slice_of(copy[1 - i], len[1 - i]), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    assert_int_equal(taken_list(f->vault, &a.key.member, found, &n, &err), ERR_CORRUPT);
    assert_int_equal(taken_members(f->vault, NULL, members, 4, &n, &err), 0);
    assert_int_equal(n, 0);
    assert_int_equal(taken_del_member(f->vault, &a.key.member, &n, &err), 0); /* goes all the same */
    assert_int_equal(test_table_rows(vault_db(f->vault), TABLE_TAKEN), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_noted_comes_back_until_it_is_taken_away, vault_alone_setup,
                                        vault_alone_teardown),
        cmocka_unit_test_setup_teardown(what_is_noted_anew_takes_the_place_of_what_was, vault_alone_setup,
                                        vault_alone_teardown),
        cmocka_unit_test_setup_teardown(members_are_listed_page_by_page, vault_alone_setup, vault_alone_teardown),
        cmocka_unit_test_setup_teardown(a_row_says_nothing_and_cannot_change_places, vault_alone_setup,
                                        vault_alone_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
