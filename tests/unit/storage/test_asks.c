/* What members ask of their unit: kept, listed, dealt with; not in clear, and bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/asks.h"
#include "tests/support/storage_setup.h"

static struct ask
ask_of(uint8_t member, uint8_t id, const char *text)
{
    struct ask a = {.what = ASK_MOVE, .has_unit = true, .day = {20000 + id}, .asked_at = {1000000 + id}};
    a.member.b[0] = member;
    a.id.b[0] = id;
    a.unit.b[31] = id;
    snprintf(a.text, sizeof(a.text), "%s", text);
    return a;
}

static void
what_was_asked_comes_back_until_it_is_dealt_with(void **state)
{
    struct vault_alone *f = *state;
    struct err err = {0};
    struct ask found[8], a = ask_of(1, 1, "to Stockholm in June"), b = ask_of(1, 2, ""), c = ask_of(2, 1, "call me");
    size_t n = 0;
    assert_int_equal(asks_put(f->vault, &b, &err), 0);
    assert_int_equal(asks_put(f->vault, &a, &err), 0);
    assert_int_equal(asks_put(f->vault, &c, &err), 0);
    assert_int_equal(asks_put(f->vault, &a, &err), 0); /* once */
    assert_int_equal(asks_list(f->vault, NULL, NULL, found, 8, &n, &err), 0);
    assert_int_equal(n, 3);
    assert_memory_equal(&found[0], &a, sizeof(a));
    assert_memory_equal(&found[1], &b, sizeof(b));
    assert_memory_equal(&found[2], &c, sizeof(c));
    assert_int_equal(asks_list(f->vault, NULL, &found[0], found, 1, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_memory_equal(&found[0], &b, sizeof(b));
    assert_int_equal(asks_list(f->vault, &c.member, NULL, found, 8, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(asks_del(f->vault, &c.member, &b.id, &n, &err), 0); /* another's */
    assert_int_equal(n, 0);
    assert_int_equal(asks_del(f->vault, &a.member, &a.id, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(asks_del(f->vault, &a.member, NULL, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(asks_list(f->vault, &a.member, NULL, found, 8, &n, &err), 0);
    assert_int_equal(n, 0);
}

static void
a_member_has_so_many_open_and_no_more(void **state)
{
    struct vault_alone *f = *state;
    struct err err = {0};
    for (uint8_t i = 0; i < ASKS_MAX; i++) {
        struct ask a = ask_of(1, (uint8_t)(i + 1), "again");
        assert_int_equal(asks_put(f->vault, &a, &err), 0);
    }
    struct ask more = ask_of(1, 200, "once more"), other = ask_of(2, 200, "first");
    assert_int_equal(asks_put(f->vault, &more, &err), ERR_LIMIT);
    assert_string_equal(err.field, "requests");
    assert_int_equal(asks_put(f->vault, &other, &err), 0);
}

static void
no_word_of_it_stands_in_the_file(void **state)
{
    struct vault_alone *f = *state;
    struct err err = {0};
    struct ask a = ask_of(1, 1, "Verzonnenwoord");
    char path[TEST_PATH_MAX + 16];
    assert_int_equal(asks_put(f->vault, &a, &err), 0);
    snprintf(path, sizeof(path), "%s/data.mdb", f->dir);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    static char bytes[1 << 20];
    size_t len = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    assert_true(len > 4096);
    for (size_t i = 0; i + 14 <= len; i++)
        assert_false(memcmp(bytes + i, "Verzonnenwoord", 14) == 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_asked_comes_back_until_it_is_dealt_with, vault_alone_setup,
                                        vault_alone_teardown),
        cmocka_unit_test_setup_teardown(a_member_has_so_many_open_and_no_more, vault_alone_setup, vault_alone_teardown),
        cmocka_unit_test_setup_teardown(no_word_of_it_stands_in_the_file, vault_alone_setup, vault_alone_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
