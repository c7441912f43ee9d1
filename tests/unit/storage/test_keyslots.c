/* Which of a subject's keys is used: newest first, the counting key the oldest, damaged slots passed over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/event.h"
#include "storage/keyslots.h"
#include "tests/support/storage.h"

enum { MAP_BYTES = 64 * 1024 * 1024, EARLIER = 0xf, WORK = 0x30 };

static const struct subject_id WHO = {{5}}, OTHER = {{6}};

struct place {
    char dir[TEST_PATH_MAX], vault_dir[TEST_PATH_MAX];
    struct db *db;
    struct vault *vault;
    struct db_txn *txn;
};

static int
setup(void **state)
{
    static const uint8_t key[KEY_BYTES] = {1};
    struct place *p = calloc(1, sizeof(*p));
    struct err err;
    assert_non_null(p);
    test_dir_make(p->dir);
    test_dir_make(p->vault_dir);
    struct db_opts opts = {.path = p->dir, .map_bytes = MAP_BYTES, .kind = DB_MAIN, .create = true};
    struct vault_opts vault = {.path = p->vault_dir, .map_bytes = MAP_BYTES, .wrap_key = key, .create = true};
    assert_int_equal(db_open(&opts, &p->db, &err), 0);
    assert_int_equal(vault_open(&vault, &p->vault, &err), 0);
    assert_int_equal(db_begin_write(p->db, &p->txn, &err), 0);
    *state = p;
    return 0;
}

static int
teardown(void **state)
{
    struct place *p = *state;
    db_abort(&p->txn);
    vault_close(&p->vault);
    db_close(&p->db);
    test_dir_remove(p->dir);
    test_dir_remove(p->vault_dir);
    free(p);
    return 0;
}

static struct slot_keys
give(struct place *p, const struct subject_id *who, uint32_t generation, unsigned classes)
{
    struct slot_keys k;
    struct err err;
    assert_int_equal(vault_take_classes(p->vault, classes, &k, &err), 0);
    assert_int_equal(keyslot_put(p->txn, who, generation, k.slot, &err), 0);
    return k;
}

static void
damage(struct place *p, uint64_t slot)
{
    struct db_txn *txn;
    uint8_t key[8], junk[24 + 192 + 16] = {1};
    struct err err;
    be64_put(key, slot);
    assert_int_equal(db_begin_write(vault_db(p->vault), &txn, &err), 0);
    assert_int_equal(db_put(txn, TABLE_SLOTS, slice_of(key, 8), slice_of(junk, sizeof(junk)), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
}

enum { MANY = 300 };

static void
of_however_many_generations_all_come_in_order(void **state)
{
    struct place *p = *state;
    struct keyslot *got = NULL;
    uint32_t generation;
    uint64_t slot, last;
    size_t n = 9;
    struct err err;
    assert_int_equal(keyslots_all(p->txn, &WHO, &got, &n, &err), 0);
    assert_int_equal(n, 0);
    assert_null(got);
    assert_int_equal(keyslot_find(p->txn, &WHO, &generation, &slot, &err), ERR_NOTFOUND);
    assert_int_equal(keyslot_last(p->txn, &last, &err), 0);
    assert_int_equal(last, 0);
    for (uint32_t g = 0; g < MANY; g++)
        assert_int_equal(keyslot_put(p->txn, &WHO, g, 100 + g, &err), 0);
    assert_int_equal(keyslot_put(p->txn, &OTHER, 1, 7, &err), 0);
    assert_int_equal(keyslots_all(p->txn, &WHO, &got, &n, &err), 0);
    assert_int_equal(n, MANY);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(got[i].generation, i);
        assert_int_equal(got[i].slot, 100 + i);
    }
    free(got);
    assert_int_equal(keyslot_find(p->txn, &WHO, &generation, &slot, &err), 0);
    assert_int_equal(generation, MANY - 1);
    assert_int_equal(keyslot_last(p->txn, &last, &err), 0);
    assert_int_equal(last, 100 + MANY - 1);
}

/* Each access that is revoked makes a generation; what was entered long before is still under an old one. */
static void
after_many_revocations_what_was_entered_between_still_opens(void **state)
{
    struct place *p = *state;
    const uint8_t nonce[CAPSULE_NONCE_BYTES] = {1};
    struct slot_keys between = {0};
    struct keyslot_key *keys = NULL;
    struct buf capsule, plain;
    struct err err;
    size_t n = 0;
    for (uint32_t g = 1; g <= MANY; g++) {
        struct slot_keys made = give(p, &WHO, g, VAULT_ALL_CLASSES);
        if (g == 3)
            between = made;
    }
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    buf_init(&plain, CAPSULE_BYTES_MAX);
    assert_int_equal(capsule_seal(&between.keys[4], CLASS_ACTIVITY, nonce, slice_of("x", 1), &capsule, &err), 0);
    assert_int_equal(keyslots_open(p->txn, p->vault, &WHO, CLASS_ACTIVITY, buf_slice(&capsule), &plain, &err), 0);
    assert_int_equal(keyslots_class(p->txn, p->vault, &WHO, NULL, CLASS_ACTIVITY, SIZE_MAX, &keys, &n, &err), 0);
    assert_int_equal(n, MANY);
    assert_int_equal(keys[MANY - 3].generation, 3);
    assert_memory_equal(&keys[MANY - 3].key, &between.keys[4], sizeof(struct data_key));
    keyslot_keys_free(&keys, n);
    assert_null(keys);
    assert_int_equal(keyslots_class(p->txn, p->vault, &WHO, NULL, CLASS_ACTIVITY, 2, &keys, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_int_equal(keys[1].generation, MANY - 1);
    keyslot_keys_free(&keys, n);
    buf_free(&capsule);
    buf_free(&plain);
}

static void
a_class_is_the_newest_of_the_generations_that_have_it_and_counting_the_oldest(void **state)
{
    struct place *p = *state;
    struct slot_keys first = give(p, &WHO, 1, EARLIER), second = give(p, &WHO, 2, WORK), third, got;
    struct data_key counting;
    uint32_t generation;
    uint64_t damaged;
    struct err err;
    give(p, &OTHER, 1, VAULT_ALL_CLASSES);
    third = give(p, &WHO, 3, VAULT_ALL_CLASSES & ~1U);
    assert_int_equal(keyslots_newest(p->txn, p->vault, &WHO, NULL, &got, &generation, &damaged, &err), 0);
    assert_int_equal(generation, 3);
    assert_int_equal(damaged, 0);
    assert_memory_equal(&got.keys[0], &first.keys[0], KEY_BYTES);
    assert_memory_equal(&got.keys[1], &third.keys[1], 5 * sizeof(struct data_key));
    assert_int_equal(keyslots_first(p->txn, p->vault, &WHO, NULL, CLASS_COUNTING, &counting, &err), 0);
    assert_memory_equal(&counting, &second.keys[5], KEY_BYTES);
}

static void
a_capsule_opens_with_whatever_generation_sealed_it(void **state)
{
    struct place *p = *state;
    struct slot_keys first = give(p, &WHO, 1, VAULT_ALL_CLASSES), foreign = give(p, &OTHER, 1, VAULT_ALL_CLASSES);
    const uint8_t nonce[CAPSULE_NONCE_BYTES] = {1};
    struct buf capsule, plain;
    struct err err;
    give(p, &WHO, 2, VAULT_ALL_CLASSES);
    give(p, &WHO, 3, EARLIER);
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    buf_init(&plain, CAPSULE_BYTES_MAX);
    assert_int_equal(capsule_seal(&first.keys[4], CLASS_ACTIVITY, nonce, slice_of("x", 1), &capsule, &err), 0);
    assert_int_equal(keyslots_open(p->txn, p->vault, &WHO, CLASS_ACTIVITY, buf_slice(&capsule), &plain, &err), 0);
    assert_true(slice_eq(buf_slice(&plain), slice_of("x", 1)));
    assert_int_equal(keyslots_open(p->txn, p->vault, &OTHER, CLASS_ACTIVITY, buf_slice(&capsule), &plain, &err),
                     ERR_NOTFOUND);
    capsule.data[capsule.len - 1] ^= 1;
    assert_int_equal(keyslots_open(p->txn, p->vault, &WHO, CLASS_ACTIVITY, buf_slice(&capsule), &plain, &err),
                     ERR_FORGED);
    damage(p, foreign.slot);
    assert_int_equal(keyslots_open(p->txn, p->vault, &OTHER, CLASS_ACTIVITY, buf_slice(&capsule), &plain, &err),
                     ERR_CORRUPT);
    buf_free(&capsule);
    buf_free(&plain);
}

static void
a_damaged_slot_counts_as_one_without_keys_and_is_named(void **state)
{
    struct place *p = *state;
    struct slot_keys first = give(p, &WHO, 1, VAULT_ALL_CLASSES), second = give(p, &WHO, 2, VAULT_ALL_CLASSES), got;
    struct data_key counting;
    uint32_t generation;
    uint64_t damaged;
    struct err err;
    damage(p, second.slot);
    assert_int_equal(keyslots_newest(p->txn, p->vault, &WHO, NULL, &got, &generation, &damaged, &err), 0);
    assert_int_equal(generation, 2);
    assert_int_equal(damaged, second.slot);
    assert_memory_equal(got.keys, first.keys, sizeof(got.keys));
    damage(p, first.slot);
    assert_int_equal(keyslots_first(p->txn, p->vault, &WHO, NULL, CLASS_COUNTING, &counting, &err), ERR_CORRUPT);
    assert_int_equal(keyslots_newest(p->txn, p->vault, &WHO, NULL, &got, &generation, &damaged, &err), 0);
    assert_false(vault_key_there(&got.keys[0]));
}

static void
note_order(struct place *p, const struct subject_id *who, uint8_t unit, uint64_t seq, enum erasure_state state,
           uint8_t class, uint32_t generation)
{
    struct err err;
    const struct erasure_order o = {.at = {.log = {{1}}, .seq = seq},
                                    .kind = KIND_ERASURE_ORDERED,
                                    .state = state,
                                    .unit = {{unit}},
                                    .subject = *who,
                                    .classes = (uint16_t)(1U << class),
                                    .generation = generation,
                                    .effective = DATE_NONE};
    assert_int_equal(erasure_put(p->txn, &o, &err), 0);
}

static void
what_an_order_takes_counts_as_gone_until_it_is(void **state)
{
    struct place *p = *state;
    const struct unit_id own = {{9}};
    struct slot_keys first = give(p, &WHO, 1, VAULT_ALL_CLASSES), second = give(p, &WHO, 2, VAULT_ALL_CLASSES), got;
    struct keyslot_key *keys = NULL;
    struct keys_going going;
    struct data_key counting;
    uint32_t generation;
    uint64_t damaged;
    size_t n;
    struct err err;
    assert_int_equal(keys_going(p->txn, &own, &WHO, &going, &err), 0);
    assert_int_equal(keys_going_of(&going, 1), 0);
    note_order(p, &WHO, 9, 1, ERASURE_NOTED, CLASS_ACTIVITY, 1);
    note_order(p, &WHO, 9, 2, ERASURE_NOTED, CLASS_CONTACT, UINT32_MAX);
    note_order(p, &WHO, 9, 3, ERASURE_NOTED, CLASS_COUNTING, 1);
    note_order(p, &WHO, 9, 4, ERASURE_DESTROYED, CLASS_IDENTITY, 2);
    note_order(p, &WHO, 8, 5, ERASURE_NOTED, CLASS_BANK, 2); /* of another unit */
    note_order(p, &OTHER, 9, 6, ERASURE_NOTED, CLASS_NOTE, 2);
    assert_int_equal(keys_going(p->txn, &own, &WHO, &going, &err), 0);
    assert_int_equal(going.n, 3);
    assert_int_equal(keyslots_class(p->txn, p->vault, &WHO, &going, CLASS_ACTIVITY, 4, &keys, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(keys[0].generation, 2);
    keyslot_keys_free(&keys, n);
    assert_int_equal(keyslots_class(p->txn, p->vault, &WHO, NULL, CLASS_ACTIVITY, 4, &keys, &n, &err), 0);
    assert_int_equal(n, 2);
    keyslot_keys_free(&keys, n);
    assert_int_equal(keyslots_newest(p->txn, p->vault, &WHO, &going, &got, &generation, &damaged, &err), 0);
    assert_int_equal(generation, 2);
    assert_false(vault_key_there(&got.keys[vault_class_index(CLASS_CONTACT)]));
    assert_memory_equal(&got.keys[0], &second.keys[0], KEY_BYTES);
    assert_int_equal(keyslots_first(p->txn, p->vault, &WHO, &going, CLASS_COUNTING, &counting, &err), 0);
    assert_memory_equal(&counting, &second.keys[vault_class_index(CLASS_COUNTING)], KEY_BYTES);
    assert_int_equal(keyslots_first(p->txn, p->vault, &WHO, NULL, CLASS_COUNTING, &counting, &err), 0);
    assert_memory_equal(&counting, &first.keys[vault_class_index(CLASS_COUNTING)], KEY_BYTES);
}

static void
many_orders_take_together_what_each_takes(void **state)
{
    struct place *p = *state;
    const struct unit_id own = {{9}};
    struct keys_going going;
    struct err err;
    for (uint64_t seq = 1; seq <= GOING_MAX + 4; seq++)
        note_order(p, &WHO, 9, seq, ERASURE_NOTED, seq <= GOING_MAX + 3 ? CLASS_CONTACT : CLASS_BANK, (uint32_t)seq);
    assert_int_equal(keys_going(p->txn, &own, &WHO, &going, &err), 0);
    assert_int_equal(going.n, GOING_MAX);
    assert_int_equal(keys_going_of(&going, GOING_MAX + 5), 0);
    assert_int_equal(keys_going_of(&going, GOING_MAX + 4),
                     1U << vault_class_index(CLASS_CONTACT) | 1U << vault_class_index(CLASS_BANK));
}

int
main(void)
{
#define SLOT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        SLOT_TEST(of_however_many_generations_all_come_in_order),
        SLOT_TEST(after_many_revocations_what_was_entered_between_still_opens),
        SLOT_TEST(a_class_is_the_newest_of_the_generations_that_have_it_and_counting_the_oldest),
        SLOT_TEST(a_capsule_opens_with_whatever_generation_sealed_it),
        SLOT_TEST(a_damaged_slot_counts_as_one_without_keys_and_is_named),
        SLOT_TEST(what_an_order_takes_counts_as_gone_until_it_is),
        SLOT_TEST(many_orders_take_together_what_each_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
