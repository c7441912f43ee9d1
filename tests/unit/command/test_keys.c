/* Key capsules: what opens them, and that the same ones come out again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/command/keys.h"

static const struct data_key ESCROW = {{0xE5}};
static const struct unit_id UNIT = {{0xBE}};
static const struct subject_id SUBJECT = {{0x51}};

static struct slot_keys
slot(uint8_t seed)
{
    struct slot_keys k = {.slot = seed};
    for (size_t i = 0; i < VAULT_CLASSES; i++)
        memset(k.keys[i].b, (int)(seed + i), sizeof(k.keys[i].b));
    return k;
}

static struct buf
capsule(const struct data_key *escrow, const struct subject_id *subject, uint32_t generation, uint8_t seed)
{
    struct slot_keys k = slot(seed);
    struct buf out;
    struct err err;
    buf_init(&out, CAPSULE_BYTES_MAX);
    assert_int_equal(member_keys_capsule(escrow, &UNIT, subject, generation, &k, &out, &err), 0);
    return out;
}

static void
the_capsule_of_a_slot_holds_all_its_keys(void **state)
{
    static const uint8_t classes[] = {CLASS_IDENTITY, CLASS_CONTACT,  CLASS_BANK,
                                      CLASS_NOTE,     CLASS_ACTIVITY, CLASS_COUNTING};
    struct buf c = capsule(&ESCROW, &SUBJECT, 3, 9), plain;
    struct slot_keys k = slot(9);
    struct key_capsule_content got;
    struct err err;
    buf_init(&plain, CAPSULE_BYTES_MAX);
    assert_int_equal(capsule_open(&ESCROW, CLASS_KEY, buf_slice(&c), &plain, &err), 0);
    assert_int_equal(key_capsule_decode(buf_slice(&plain), KEY_USE_ESCROW_DATA, &UNIT, &SUBJECT, &got, &err), 0);
    assert_int_equal(got.n_keys, VAULT_CLASSES);
    for (size_t i = 0; i < VAULT_CLASSES; i++) {
        assert_int_equal(got.keys[i].class, classes[i]);
        assert_int_equal(got.keys[i].generation, 3);
        assert_memory_equal(&got.keys[i].key, &k.keys[i], sizeof(struct data_key));
    }
    buf_free(&plain);
    buf_free(&c);
}

static void
the_same_bytes_come_out_again_and_no_nonce_serves_two_plaintexts(void **state)
{
    const struct data_key other_escrow = {{0xE6}};
    const struct subject_id other_subject = {{0x52}};
    struct buf first = capsule(&ESCROW, &SUBJECT, 1, 9), again = capsule(&ESCROW, &SUBJECT, 1, 9);
    assert_true(slice_eq(buf_slice(&first), buf_slice(&again)));
    struct buf others[] = {capsule(&other_escrow, &SUBJECT, 1, 9), capsule(&ESCROW, &other_subject, 1, 9),
                           capsule(&ESCROW, &SUBJECT, 2, 9), capsule(&ESCROW, &SUBJECT, 1, 10)};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_memory_not_equal(first.data + 1, others[i].data + 1, CAPSULE_NONCE_BYTES);
        buf_free(&others[i]);
    }
    buf_free(&first);
    buf_free(&again);
}

static void
the_capsule_of_a_slot_that_lacks_classes_lists_those_that_it_has(void **state)
{
    struct slot_keys k = slot(9);
    struct buf out, plain;
    struct key_capsule_content got;
    struct err err;
    memset(k.keys, 0, 4 * sizeof(k.keys[0]));
    buf_init(&out, CAPSULE_BYTES_MAX);
    buf_init(&plain, CAPSULE_BYTES_MAX);
    assert_int_equal(member_keys_capsule(&ESCROW, &UNIT, &SUBJECT, 2, &k, &out, &err), 0);
    assert_int_equal(capsule_open(&ESCROW, CLASS_KEY, buf_slice(&out), &plain, &err), 0);
    assert_int_equal(key_capsule_decode(buf_slice(&plain), KEY_USE_ESCROW_DATA, &UNIT, &SUBJECT, &got, &err), 0);
    assert_int_equal(got.n_keys, 2);
    assert_int_equal(got.keys[0].class, CLASS_ACTIVITY);
    assert_int_equal(got.keys[1].class, CLASS_COUNTING);
    assert_memory_equal(&got.keys[1].key, &k.keys[5], sizeof(struct data_key));
    buf_clear(&out);
    memset(k.keys, 0, sizeof(k.keys));
    assert_int_equal(member_keys_capsule(&ESCROW, &UNIT, &SUBJECT, 1, &k, &out, &err), ERR_NOTFOUND);
    assert_int_equal(out.len, 0);
    buf_free(&plain);
    buf_free(&out);
}

static void
draw(void *arg, uint8_t *out, size_t len)
{
    uint8_t *next = arg;
    memset(out, ++*next, len);
}

static void
the_recovery_key_opens_the_escrow_key(void **state)
{
    const uint8_t seed[32] = {3};
    struct box_public pk;
    struct box_secret sk;
    struct buf c, plain;
    struct key_capsule_content got;
    uint8_t drawn = 0;
    struct err err;
    crypto_keypair_box(seed, &pk, &sk);
    buf_init(&c, CAPSULE_BYTES_MAX);
    buf_init(&plain, CAPSULE_BYTES_MAX);
    assert_int_equal(escrow_capsule(&pk, &UNIT, &ESCROW, draw, &drawn, &c, &err), 0);
    assert_int_equal(drawn, 2);
    assert_int_equal(capsule_open_sealed(&sk, &pk, CLASS_KEY, buf_slice(&c), &plain, &err), 0);
    assert_int_equal(key_capsule_decode(buf_slice(&plain), KEY_USE_ESCROW_DAY, &UNIT, NULL, &got, &err), 0);
    assert_memory_equal(&got.escrow_key, &ESCROW, sizeof(ESCROW));
    buf_clear(&c);
    struct box_public zero = {0};
    assert_int_equal(escrow_capsule(&zero, &UNIT, &ESCROW, draw, &drawn, &c, &err), ERR_INVALID);
    assert_int_equal(c.len, 0);
    buf_free(&plain);
    buf_free(&c);
}

int
main(void)
{
    struct err err;
    if (crypto_init(&err) != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_capsule_of_a_slot_holds_all_its_keys),
        cmocka_unit_test(the_same_bytes_come_out_again_and_no_nonce_serves_two_plaintexts),
        cmocka_unit_test(the_capsule_of_a_slot_that_lacks_classes_lists_those_that_it_has),
        cmocka_unit_test(the_recovery_key_opens_the_escrow_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
