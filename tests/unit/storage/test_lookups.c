/* What is kept of double admission: questions in order and until they expire, answers that hide from whoever has another key, the record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "storage/lookups.h"
#include "storage/vault_erase.h"
#include "tests/support/storage.h"

enum { MAP_BYTES = 64 * 1024 * 1024 };

static const uint8_t WRAP_KEY[KEY_BYTES] = {1, 2, 3};

struct place {
    char dir[TEST_PATH_MAX], main_dir[TEST_PATH_MAX];
    struct vault *vault;
    struct db *db;
};

static void
open_vault(struct place *p)
{
    struct vault_opts opts = {.path = p->dir, .map_bytes = MAP_BYTES, .wrap_key = WRAP_KEY, .create = true};
    assert_int_equal(vault_open(&opts, &p->vault, NULL), 0);
}

static int
setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    test_dir_make(p->dir);
    test_dir_make(p->main_dir);
    open_vault(p);
    p->db = test_db_open_volatile(p->main_dir, DB_MAIN);
    *state = p;
    return 0;
}

static int
teardown(void **state)
{
    struct place *p = *state;
    vault_close(&p->vault);
    db_close(&p->db);
    test_dir_remove(p->dir);
    test_dir_remove(p->main_dir);
    free(p);
    return 0;
}

static struct subject_id
subject(uint8_t n)
{
    struct subject_id s = {{n}};
    return s;
}

static struct unit_id
unit(uint8_t n)
{
    struct unit_id u = {{n}};
    return u;
}

static void
questions_are_listed_in_time_and_expire_from_the_oldest(void **state)
{
    struct place *p = *state;
    struct lookup_question q[4], put[] = {{{3000}, subject(1)}, {{1000}, subject(2)}, {{2000}, subject(1)}};
    struct db_txn *txn;
    size_t n = 0;
    assert_int_equal(db_begin_write(p->db, &txn, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(put); i++)
        assert_int_equal(lookup_question_put(txn, &put[i], NULL), 0);
    assert_int_equal(lookup_questions(txn, NULL, q, 2, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_int_equal(q[0].since.ms, 1000);
    assert_int_equal(lookup_questions(txn, &q[1], q, 4, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_int_equal(q[0].since.ms, 3000);
    assert_int_equal(lookup_questions_expire(txn, (struct wall_ms){3000}, 1, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_int_equal(lookup_questions_expire(txn, (struct wall_ms){3000}, 9, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_int_equal(lookup_questions_expire(txn, (struct wall_ms){3000}, 9, &n, NULL), 0);
    assert_int_equal(n, 0);
    assert_int_equal(db_commit(&txn, NULL), 0);
    assert_int_equal(test_table_rows(p->db, TABLE_LOOKUP_QUESTIONS), 1);
}

static void
outputs_come_back_and_the_seed_stays(void **state)
{
    struct place *p = *state;
    struct lookup_output o = {.subject = subject(1), .at = {{{7}}, 9}, .person_type = 2, .bucket = 200}, back;
    uint8_t before[32], after[32];
    o.output.b[63] = 5;
    vault_oprf_seed(p->vault, before);
    assert_int_equal(lookup_outputs_put(p->vault, &o, 1, NULL), 0);
    vault_close(&p->vault);
    open_vault(p);
    assert_int_equal(lookup_output_get(p->vault, &o.subject, &back, NULL), 0);
    assert_int_equal(back.at.seq, 9);
    assert_memory_equal(&back.at.log, &o.at.log, sizeof(o.at.log));
    assert_int_equal(back.person_type, 2);
    assert_int_equal(back.bucket, 200);
    assert_memory_equal(back.output.b, o.output.b, sizeof(o.output.b));
    struct subject_id none = subject(2);
    assert_int_equal(lookup_output_get(p->vault, &none, &back, NULL), ERR_NOTFOUND);
    vault_oprf_seed(p->vault, after);
    assert_memory_equal(before, after, sizeof(before));
}

static void
a_row_in_the_place_of_another_does_not_open(void **state)
{
    struct place *p = *state;
    struct lookup_output o = {.subject = subject(1)}, back;
    struct subject_id other = subject(2);
    struct slice row;
    struct db_txn *txn;
    uint8_t copy[256];
    assert_int_equal(lookup_outputs_put(p->vault, &o, 1, NULL), 0);
    assert_int_equal(db_begin_write(vault_db(p->vault), &txn, NULL), 0);
    assert_int_equal(db_get(txn, TABLE_LOOKUP_OUTPUTS, slice_of(o.subject.b, ID_BYTES), &row, NULL), 0);
    assert_true(row.len <= sizeof(copy));
    memcpy(copy, row.data, row.len);
    assert_int_equal(db_put(txn, TABLE_LOOKUP_OUTPUTS, slice_of(other.b, ID_BYTES), slice_of(copy, row.len), NULL), 0);
    assert_int_equal(db_commit(&txn, NULL), 0);
    assert_int_equal(lookup_output_get(p->vault, &other, &back, NULL), ERR_CORRUPT);
}

static void
put_result(struct place *p, uint8_t who, uint8_t where, enum lookup_outcome outcome, int64_t at)
{
    struct lookup_result r = {
        .subject = subject(who), .unit = unit(where), .at = {at}, .outcome = outcome, .other = subject(0xEE)};
    assert_int_equal(lookup_store(p->vault, &r, NULL, NULL), 0);
}

static void
hits_are_listed_and_forgotten_with_their_member(void **state)
{
    struct place *p = *state;
    struct lookup_result r[4];
    struct subject_id one = subject(1);
    struct unit_id there = unit(8);
    size_t n = 0;
    uint8_t after[LOOKUP_RESULT_KEY_BYTES];
    put_result(p, 1, 7, LOOKUP_HIT, 1000);
    put_result(p, 1, 8, LOOKUP_NONE, 1000);
    put_result(p, 2, 7, LOOKUP_HIT, 1000);
    assert_int_equal(lookup_hits(p->vault, NULL, r, 4, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_int_equal(r[0].other.b[0], 0xEE);
    memcpy(after, r[0].subject.b, ID_BYTES);
    memcpy(after + ID_BYTES, r[0].unit.b, HASH_BYTES);
    assert_int_equal(lookup_hits(p->vault, after, r, 4, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_int_equal(r[0].subject.b[0], 2);
    assert_int_equal(lookup_result_get(p->vault, &one, &there, &r[0], NULL), 0);
    assert_int_equal(r[0].outcome, LOOKUP_NONE);
    assert_int_equal(lookup_forget(p->vault, &one, 1, NULL), 0);
    assert_int_equal(lookup_result_get(p->vault, &one, &there, &r[0], NULL), ERR_NOTFOUND);
    assert_int_equal(test_table_rows(vault_db(p->vault), TABLE_LOOKUP_RESULTS), 1);
    assert_int_equal(lookup_forget(p->vault, &one, 1, NULL), 0); /* again */
}

static void
records_keep_their_order_also_within_a_millisecond_and_expire(void **state)
{
    struct place *p = *state;
    struct lookup_record r[8];
    uint8_t after[LOOKUP_RECORD_KEY_BYTES];
    size_t n = 0;
    for (uint8_t i = 0; i < 4; i++) {
        struct lookup_record put = {.at = {i < 3 ? 1000 : 2000},
                                    .unit = unit(i),
                                    .direction = LOOKUP_THEIRS,
                                    .outcome = i == 3 ? LOOKUP_LIMIT : LOOKUP_ANSWERED};
        assert_int_equal(lookup_store(p->vault, NULL, &put, NULL), 0);
    }
    put_result(p, 1, 7, LOOKUP_HIT, 1000);
    put_result(p, 1, 8, LOOKUP_NONE, 1000);
    put_result(p, 1, 9, LOOKUP_NONE, 2000);
    assert_int_equal(lookup_records(p->vault, NULL, r, 2, &n, NULL), 0);
    assert_int_equal(n, 2);
    lookup_record_key(&r[1], after);
    assert_int_equal(lookup_records(p->vault, after, r, 8, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_int_equal(r[0].unit.b[0], 2);
    assert_int_equal(r[1].outcome, LOOKUP_LIMIT);
    assert_int_equal(lookup_expire(p->vault, (struct wall_ms){2000}, (struct wall_ms){2000}, 256, &n, NULL), 0);
    assert_int_equal(n, 4); /* three records and the older answer that found nobody */
    assert_int_equal(test_table_rows(vault_db(p->vault), TABLE_LOOKUP_RESULTS), 2);
    assert_int_equal(lookup_expire(p->vault, (struct wall_ms){2000}, (struct wall_ms){2000}, 256, &n, NULL), 0);
    assert_int_equal(n, 0);
}

static void
an_erasure_takes_what_is_kept_of_a_member(void **state)
{
    struct place *p = *state;
    struct lookup_output o = {.subject = subject(1)};
    struct subject_id one = subject(1);
    struct vault_erase what = {.indexed = &one, .n_indexed = 1};
    struct vault_erased done;
    assert_int_equal(lookup_outputs_put(p->vault, &o, 1, NULL), 0);
    put_result(p, 1, 7, LOOKUP_HIT, 1000);
    put_result(p, 2, 7, LOOKUP_HIT, 1000);
    assert_int_equal(vault_erase(p->vault, &what, &done, NULL), 0);
    assert_int_equal(done.lookups, 2);
    assert_int_equal(test_table_rows(vault_db(p->vault), TABLE_LOOKUP_OUTPUTS), 0);
    assert_int_equal(test_table_rows(vault_db(p->vault), TABLE_LOOKUP_RESULTS), 1);
    assert_int_equal(vault_erase(p->vault, &what, &done, NULL), 0);
    assert_int_equal(done.lookups, 0);
}

int
main(void)
{
#define LOOKUPS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        LOOKUPS_TEST(questions_are_listed_in_time_and_expire_from_the_oldest),
        LOOKUPS_TEST(outputs_come_back_and_the_seed_stays),
        LOOKUPS_TEST(a_row_in_the_place_of_another_does_not_open),
        LOOKUPS_TEST(hits_are_listed_and_forgotten_with_their_member),
        LOOKUPS_TEST(an_erasure_takes_what_is_kept_of_a_member),
        LOOKUPS_TEST(records_keep_their_order_also_within_a_millisecond_and_expire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
