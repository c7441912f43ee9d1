/* Members' tokens in the table: all of one member are ended, those long over are dropped, those of people and systems stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/host/tokens.h"
#include "tests/support/storage.h"

enum { MANY = 600 }; /* more than are looked for in one turn */

static const struct wall_ms now = {1000000000000};
static const struct subject_id ann = {{1}}, ben = {{2}};
static char dir[TEST_PATH_MAX];
static struct db *db;
static struct db_txn *txn;

static int
setup(void **state)
{
    struct err err;
    test_dir_make(dir);
    struct db_opts opts = {
        .path = dir, .map_bytes = 64 << 20, .kind = DB_MAIN, .create = true, .volatile_for_simulation = true};
    return crypto_init(&err) || db_open(&opts, &db, &err) || db_begin_write(db, &txn, &err);
}

static int
teardown(void **state)
{
    db_abort(&txn);
    db_close(&db);
    test_dir_remove(dir);
    return 0;
}

static struct hash
key_of(uint32_t n)
{
    uint8_t bytes[4];
    be32_put(bytes, n);
    return crypto_hash1("smart.token", slice_of(bytes, sizeof(bytes)));
}

static void
put_row(uint32_t n, const struct token_row *row)
{
    struct hash key = key_of(n);
    struct err err;
    struct buf b;
    buf_init(&b, TOKEN_ROW_BYTES_MAX);
    assert_int_equal(token_row_encode(row, &b, &err), 0);
    assert_int_equal(db_put(txn, TABLE_TOKENS, slice_of(key.b, HASH_BYTES), buf_slice(&b), &err), 0);
    buf_free(&b);
}

static void
put_member(uint32_t n, const struct subject_id *member, int64_t made_ms_ago)
{
    struct actor_id actor = {{9}};
    struct token_row row = token_row_member(member, &actor, (struct wall_ms){now.ms - made_ms_ago}, 15);
    put_row(n, &row);
}

static bool
get_row(uint32_t n, struct token_row *ret)
{
    struct hash key = key_of(n);
    struct slice value;
    struct err err;
    int rc = db_get(txn, TABLE_TOKENS, slice_of(key.b, HASH_BYTES), &value, &err);
    if (rc == ERR_NOTFOUND)
        return false;
    assert_int_equal(rc, 0);
    assert_int_equal(token_row_decode(value, ret, &err), 0);
    return true;
}

static void
every_token_of_a_member_is_ended_and_no_other(void **state)
{
    struct token_row row, desk = {.role = ROLE_DESK, .name.s = "desk"};
    struct err err;
    size_t ended = 0;
    for (uint32_t n = 0; n < MANY; n++)
        put_member(n, &ann, 0);
    put_member(MANY, &ben, 0);
    put_row(MANY + 1, &desk);
    put_member(MANY + 2, &ann, 15 * 60000); /* over by itself: left as it is */
    assert_int_equal(tokens_end(txn, &ann, now, &ended, &err), 0);
    assert_int_equal(ended, MANY);
    for (uint32_t n = 0; n < MANY + 3; n++) {
        assert_true(get_row(n, &row));
        assert_int_equal(row.revoked.ms, n < MANY ? now.ms : 0);
    }
    assert_int_equal(tokens_end(txn, &ann, now, NULL, &err), 0);
}

static void
a_member_has_so_many_good_ones_and_no_more(void **state)
{
    struct err err = {0};
    for (uint32_t n = 0; n < TOKENS_OF_MEMBER_MAX - 1; n++)
        put_member(n, &ann, 0);
    put_member(100, &ann, 15 * 60000); /* over */
    assert_int_equal(tokens_check_room(txn, &ann, now, &err), 0);
    put_member(101, &ann, 0);
    assert_int_equal(tokens_check_room(txn, &ann, now, &err), ERR_LIMIT);
    assert_string_equal(err.field, "tokens");
    assert_int_equal(tokens_check_room(txn, &ben, now, &err), 0);
    assert_int_equal(tokens_end(txn, &ann, now, NULL, &err), 0);
    assert_int_equal(tokens_check_room(txn, &ann, now, &err), 0);
}

static void
what_is_over_for_a_day_is_dropped_and_what_people_have_stays(void **state)
{
    struct token_row row, desk = {.role = ROLE_DESK, .name.s = "desk", .expires.ms = 1, .revoked.ms = 1};
    const int64_t day = 24LL * 3600 * 1000, minutes = 15 * 60000;
    struct err err;
    size_t n = 0;
    put_member(1, &ann, 0);
    put_member(2, &ann, minutes + day);
    put_member(3, &ann, minutes + day + 1);
    put_row(4, &desk);
    assert_int_equal(tokens_expire(txn, now, 256, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_true(get_row(1, &row) && get_row(2, &row) && get_row(4, &row));
    assert_false(get_row(3, &row));
}

static void
no_more_are_dropped_at_once_than_was_said(void **state)
{
    struct err err;
    size_t n, left = 0;
    struct token_row row;
    for (uint32_t i = 0; i < 10; i++)
        put_member(i, &ann, 1000000000);
    assert_int_equal(tokens_expire(txn, now, 4, &n, &err), 0);
    assert_int_equal(n, 4);
    for (uint32_t i = 0; i < 10; i++)
        left += get_row(i, &row);
    assert_int_equal(left, 6);
}

static void
a_row_that_makes_no_sense_is_told(void **state)
{
    struct hash key = key_of(1);
    struct err err;
    size_t n = 77;
    assert_int_equal(db_put(txn, TABLE_TOKENS, slice_of(key.b, HASH_BYTES), slice_of("x", 1), &err), 0);
    assert_int_equal(tokens_end(txn, &ann, now, &n, &err), ERR_CORRUPT);
    assert_int_equal(tokens_expire(txn, now, 4, &n, &err), ERR_CORRUPT);
    assert_int_equal(n, 77);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_token_of_a_member_is_ended_and_no_other),
        CASE(a_member_has_so_many_good_ones_and_no_more),
        CASE(what_is_over_for_a_day_is_dropped_and_what_people_have_stays),
        CASE(no_more_are_dropped_at_once_than_was_said),
        CASE(a_row_that_makes_no_sense_is_told),
    };
    return cmocka_run_group_tests_name("tokens", tests, NULL, NULL);
}
