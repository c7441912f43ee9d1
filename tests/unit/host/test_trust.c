/* Which cards may be pinned, and which are refused with what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/host/trust.h"
#include "tests/support/node.h"

struct desk {
    char dir[TEST_PATH_MAX];
    struct db *db;
    struct db_txn *txn;
    struct identity own, other;
};

static int
setup(void **state)
{
    struct desk *k = calloc(1, sizeof(*k));
    struct err err;
    assert_non_null(k);
    test_dir_make(k->dir);
    k->db = test_db_open_volatile(k->dir, DB_MAIN);
    assert_int_equal(db_begin_write(k->db, &k->txn, &err), 0);
    test_identity_make(&k->own, "BE", 1);
    test_identity_make(&k->other, "NL", 2);
    *state = k;
    return 0;
}

static int
teardown(void **state)
{
    struct desk *k = *state;
    db_abort(&k->txn);
    db_close(&k->db);
    test_dir_remove(k->dir);
    free(k);
    return 0;
}

static int
pin_on(struct desk *k, const struct identity *whose, int32_t day, const struct trusted *settings, struct err *err)
{
    const char *const endpoints[] = {"tcp://127.0.0.1:7440"};
    struct buf text;
    buf_init(&text, CARD_TEXT_MAX);
    *err = (struct err){0};
    int rc = identity_card(whose, endpoints, 1, (struct civil_date){day}, &text, err);
    if (rc != 0)
        fail_msg("%s", err->text);
    rc = trust_pin(k->txn, &k->own, buf_slice(&text), settings, err);
    buf_free(&text);
    return rc;
}

static int
pin(struct desk *k, const struct identity *whose)
{
    struct err err;
    return pin_on(k, whose, 20000, NULL, &err);
}

/* As test_identity_make, with something about it changed before its keys are certified. */
static struct identity
variant(const char *code, uint8_t seed, const char *federation, bool production)
{
    struct identity id = {.production = production};
    struct identity_offline offline;
    struct err err;
    snprintf(id.unit_code, sizeof(id.unit_code), "%s", code);
    snprintf(id.unit_name.s, sizeof(id.unit_name.s), "Imaginaria");
    snprintf(id.federation_name.s, sizeof(id.federation_name.s), "%s", federation);
    uint64_t drawn = seed;
    assert_int_equal(identity_create(&id, test_draw, &drawn, &offline, &err), 0);
    return id;
}

static void
test_a_card_is_pinned_and_found(void **state)
{
    struct desk *k = *state;
    struct trusted t;
    struct trusted *list = NULL;
    struct err err;
    size_t n = 0;
    assert_int_equal(pin(k, &k->other), 0);
    assert_int_equal(trust_find(k->txn, &k->other.unit, &t, &err), 0);
    assert_string_equal(t.card.unit_code, "NL");
    assert_int_equal(trust_list(k->txn, &list, &n, &err), 0);
    assert_int_equal(n, 1);
    free(list);
    assert_int_equal(trust_remove(k->txn, &k->other.unit, &err), 0);
    assert_int_equal(trust_find(k->txn, &k->other.unit, &t, &err), ERR_NOTFOUND);
    assert_int_equal(trust_remove(k->txn, &k->other.unit, &err), ERR_NOTFOUND);
}

static void
test_another_federation_is_refused(void **state)
{
    struct desk *k = *state;
    struct identity id = variant("NL", 3, "Another", false);
    assert_int_equal(pin(k, &id), ERR_FEDERATION);
}

static void
test_production_is_refused_by_test(void **state)
{
    struct desk *k = *state;
    struct identity id = variant("NL", 3, "Test", true);
    assert_int_equal(pin(k, &id), ERR_FEDERATION);
}

static void
test_own_card_and_own_code_are_refused(void **state)
{
    struct desk *k = *state;
    struct identity id = variant("BE", 3, "Test", false);
    assert_int_equal(pin(k, &k->own), ERR_EXISTS);
    assert_int_equal(pin(k, &id), ERR_EXISTS);
}

static void
test_a_code_is_pinned_once(void **state)
{
    struct desk *k = *state;
    struct identity id = variant("NL", 3, "Test", false);
    assert_int_equal(pin(k, &k->other), 0);
    assert_int_equal(pin(k, &id), ERR_EXISTS);
}

static void
test_an_older_card_does_not_replace(void **state)
{
    struct desk *k = *state;
    struct err err;
    assert_int_equal(pin_on(k, &k->other, 20000, NULL, &err), 0);
    assert_int_equal(pin_on(k, &k->other, 19999, NULL, &err), ERR_CONFLICT);
    assert_int_equal(pin_on(k, &k->other, 20001, NULL, &err), 0);
}

static void
test_a_newer_card_keeps_the_settings(void **state)
{
    struct desk *k = *state;
    struct trusted settings = {.keeper = true, .n_endpoints = 1, .endpoints = {"tcp://10.0.0.1:1"}}, t;
    struct err err;
    assert_int_equal(pin_on(k, &k->other, 20000, &settings, &err), 0);
    assert_int_equal(pin_on(k, &k->other, 20001, NULL, &err), 0);
    assert_int_equal(trust_find(k->txn, &k->other.unit, &t, &err), 0);
    assert_true(t.keeper);
    assert_int_equal(t.n_endpoints, 1);
    assert_string_equal(t.endpoints[0], "tcp://10.0.0.1:1");
    assert_int_equal(t.card.issued_on.days, 20001);
}

/* Whatever character of the card is changed, nothing is pinned, unless it was white space or the line's end. */
static void
test_flipped_bits_are_refused(void **state)
{
    struct desk *k = *state;
    struct buf text;
    struct err err;
    int accepted = 0;
    buf_init(&text, CARD_TEXT_MAX);
    assert_int_equal(identity_card(&k->other, NULL, 0, (struct civil_date){20000}, &text, &err), 0);
    for (size_t i = 0; i < text.len; i++) {
        text.data[i] ^= 1;
        accepted += trust_pin(k->txn, &k->own, buf_slice(&text), NULL, &err) == 0;
        text.data[i] ^= 1;
    }
    assert_int_equal(accepted, 0);
    assert_int_equal(db_table_entries(k->txn, TABLE_PEERS), 0);
    buf_free(&text);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_a_card_is_pinned_and_found),      T(test_another_federation_is_refused),
        T(test_production_is_refused_by_test),   T(test_own_card_and_own_code_are_refused),
        T(test_a_code_is_pinned_once),           T(test_an_older_card_does_not_replace),
        T(test_a_newer_card_keeps_the_settings), T(test_flipped_bits_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
