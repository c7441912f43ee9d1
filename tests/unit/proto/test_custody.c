/* The texts that a custodian and its unit send each other: what is written is read back, and nothing else is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "proto/armour.h"
#include "proto/custody.h"

/* Bytes of a certificate up to here are under the root key's signature, or are it. */
enum { PRODUCTION_AT = 1 + 64, SIGNED_TO = PRODUCTION_AT + 1 + 3 * 32 + 8 + 32 + 32 + 64 };

static const uint8_t ROOT[32] = {7, 7, 7}, SECRET[CUSTODY_SECRET_BYTES] = {1, 2, 3};

static struct custody_keys
keys_for(const uint8_t root_seed[32])
{
    struct custody_keys k = {.federation = crypto_federation("Test")};
    struct custody_seeds seeds;
    struct sign_public root;
    struct sign_secret signing;
    struct box_secret box;
    crypto_keypair_sign(root_seed, &root, &signing);
    k.unit = crypto_unit_id(root);
    custody_seeds(SECRET, &seeds);
    crypto_keypair_sign(seeds.signing, &k.signing, &signing);
    crypto_keypair_box(seeds.exchange, &k.exchange, &box);
    crypto_keypair_box(seeds.transport, &k.transport, &box);
    return k;
}

static struct custody_certificate
certificate_for(const uint8_t root_seed[32])
{
    struct custody_certificate c = {.keys = keys_for(root_seed), .serial = 1001, .unit_code = "BE"};
    struct err err = {0};
    snprintf(c.unit_name.s, sizeof(c.unit_name.s), "Imaginaria");
    snprintf(c.federation_name.s, sizeof(c.federation_name.s), "Test");
    memset(c.recovery_key.b, 9, sizeof(c.recovery_key.b));
    assert_int_equal(custody_certify(&c, root_seed, &err), 0);
    return c;
}

static int
write_and_read(const struct custody_certificate *c, struct custody_certificate *ret, struct err *err)
{
    struct buf text;
    buf_init(&text, CUSTODY_TEXT_MAX);
    int rc = custody_certificate_write(c, &text, err);
    if (rc == 0)
        rc = custody_certificate_read(buf_slice(&text), ret, err);
    buf_free(&text);
    return rc;
}

static void
test_keys_come_back_as_they_were(void **state)
{
    struct custody_keys k = keys_for(ROOT), got;
    struct buf text;
    struct err err = {0};
    char a[FINGERPRINT_WORDS_MAX], b[FINGERPRINT_WORDS_MAX];
    (void)state;
    buf_init(&text, CUSTODY_TEXT_MAX);
    assert_int_equal(custody_keys_write(&k, &text, &err), 0);
    assert_int_equal(custody_keys_read(buf_slice(&text), &got, &err), 0);
    assert_true(TYPE_EQ(&got.unit, &k.unit) && TYPE_EQ(&got.federation, &k.federation));
    assert_true(TYPE_EQ(&got.signing, &k.signing) && TYPE_EQ(&got.exchange, &k.exchange));
    assert_true(TYPE_EQ(&got.transport, &k.transport) && got.production == k.production);
    custody_words(&k, a);
    custody_words(&got, b);
    assert_string_equal(a, b);
    got.transport.b[0] ^= 1;
    custody_words(&got, b);
    assert_string_not_equal(a, b);
    buf_free(&text);
}

static void
test_a_certificate_comes_back_as_it_was(void **state)
{
    struct custody_certificate c = certificate_for(ROOT), got;
    struct err err = {0};
    (void)state;
    assert_int_equal(write_and_read(&c, &got, &err), 0);
    assert_int_equal(got.serial, 1001);
    assert_true(TYPE_EQ(&got.keys.signing, &c.keys.signing) && TYPE_EQ(&got.root_key, &c.root_key));
    assert_true(TYPE_EQ(&got.recovery_key, &c.recovery_key) && TYPE_EQ(&got.certificate, &c.certificate));
    assert_string_equal(got.unit_code, "BE");
    assert_string_equal(got.unit_name.s, "Imaginaria");
    assert_string_equal(got.federation_name.s, "Test");
}

static void
test_what_the_root_key_did_not_sign_is_forged(void **state)
{
    static const uint8_t other[32] = {8};
    struct custody_certificate c, got, theirs = certificate_for(other);
    struct err err = {0};
    (void)state;
    c = certificate_for(ROOT);
    c.serial++;
    assert_int_equal(write_and_read(&c, &got, &err), ERR_FORGED);
    c = certificate_for(ROOT);
    c.keys.production = true;
    assert_int_equal(write_and_read(&c, &got, &err), ERR_FORGED);
    c = certificate_for(ROOT);
    c.keys.transport.b[3] ^= 1;
    assert_int_equal(write_and_read(&c, &got, &err), ERR_FORGED);
    c = certificate_for(ROOT);
    c.recovery_key.b[3] ^= 1;
    assert_int_equal(write_and_read(&c, &got, &err), ERR_FORGED);
    c = certificate_for(ROOT);
    c.keys.unit = theirs.keys.unit; /* another unit */
    assert_int_equal(write_and_read(&c, &got, &err), ERR_FORGED);
    c = certificate_for(ROOT);
    c.root_key = theirs.root_key; /* and its root key */
    assert_int_equal(write_and_read(&c, &got, &err), ERR_FORGED);
    c = certificate_for(ROOT);
    snprintf(c.federation_name.s, sizeof(c.federation_name.s), "Other"); /* another federation */
    assert_int_equal(write_and_read(&c, &got, &err), ERR_FORGED);
}

static void
test_a_certificate_without_serial_or_names_is_refused(void **state)
{
    struct custody_certificate c, got;
    struct err err = {0};
    (void)state;
    c = certificate_for(ROOT);
    c.serial = 0;
    assert_int_equal(write_and_read(&c, &got, &err), ERR_INVALID);
    c = certificate_for(ROOT);
    snprintf(c.unit_code, sizeof(c.unit_code), "be");
    assert_int_equal(write_and_read(&c, &got, &err), ERR_INVALID);
    c = certificate_for(ROOT);
    c.unit_name.s[0] = '\0';
    assert_int_equal(write_and_read(&c, &got, &err), ERR_INVALID);
}

/* Every byte that is changed on the way, and every cut, is noticed. */
static void
test_a_text_that_was_changed_or_cut_is_refused(void **state)
{
    struct custody_certificate c = certificate_for(ROOT), got;
    struct custody_keys keys;
    struct buf text, bytes, other;
    struct err err = {0};
    (void)state;
    buf_init(&text, CUSTODY_TEXT_MAX);
    buf_init(&bytes, CUSTODY_TEXT_MAX);
    assert_int_equal(custody_certificate_write(&c, &text, &err), 0);
    assert_int_equal(armour_read("CUSTODIAN CERTIFICATE", buf_slice(&text), CUSTODY_TEXT_MAX, &bytes, &err), 0);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= 0x10;
        buf_init(&other, CUSTODY_TEXT_MAX);
        assert_int_equal(armour_write("CUSTODIAN CERTIFICATE", buf_slice(&bytes), &other, &err), 0);
        assert_int_equal(custody_certificate_read(buf_slice(&other), &got, &err), ERR_INVALID);
        buf_free(&other);
        bytes.data[i] ^= 0x10;
    }
    for (size_t i = 1; i < SIGNED_TO; i++) { /* also with a check that fits: the root key did not sign it */
        uint8_t forged[CUSTODY_TEXT_MAX];
        size_t len = bytes.len - 16;
        memcpy(forged, bytes.data, len);
        forged[i] ^= 0x10;
        struct hash check = crypto_hash1("smart.custody", slice_of(forged, len));
        memcpy(forged + len, check.b, 16);
        buf_init(&other, CUSTODY_TEXT_MAX);
        assert_int_equal(armour_write("CUSTODIAN CERTIFICATE", slice_of(forged, bytes.len), &other, &err), 0);
        assert_int_equal(custody_certificate_read(buf_slice(&other), &got, &err),
                         i == PRODUCTION_AT ? ERR_INVALID : ERR_FORGED);
        buf_free(&other);
    }
    for (size_t len = 0; len < bytes.len; len++) {
        buf_init(&other, CUSTODY_TEXT_MAX);
        assert_int_equal(armour_write("CUSTODIAN CERTIFICATE", slice_of(bytes.data, len), &other, &err), 0);
        assert_int_not_equal(custody_certificate_read(buf_slice(&other), &got, &err), 0);
        buf_free(&other);
    }
    assert_int_equal(custody_keys_read(buf_slice(&text), &keys, &err), ERR_INVALID); /* one for the other */
    buf_free(&text);
    buf_free(&bytes);
}

static void
test_a_text_of_a_later_version_says_so(void **state)
{
    uint8_t memory[64];
    struct buf body, text;
    struct custody_keys keys;
    struct err err = {0};
    (void)state;
    buf_fixed(&body, memory, sizeof(memory));
    buf_put_u8(&body, 2);
    buf_put(&body, "anything", 8);
    struct hash check = crypto_hash1("smart.custody", buf_slice(&body));
    buf_put(&body, check.b, 16);
    buf_init(&text, CUSTODY_TEXT_MAX);
    assert_int_equal(armour_write("CUSTODIAN KEYS", buf_slice(&body), &text, &err), 0);
    assert_int_equal(custody_keys_read(buf_slice(&text), &keys, &err), ERR_VERSION);
    buf_free(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_come_back_as_they_were),
        cmocka_unit_test(test_a_certificate_comes_back_as_it_was),
        cmocka_unit_test(test_what_the_root_key_did_not_sign_is_forged),
        cmocka_unit_test(test_a_certificate_without_serial_or_names_is_refused),
        cmocka_unit_test(test_a_text_that_was_changed_or_cut_is_refused),
        cmocka_unit_test(test_a_text_of_a_later_version_says_so),
    };
    struct err err = {0};
    if (crypto_init(&err) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
