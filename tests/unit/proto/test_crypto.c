/* Hashes, signatures and capsules of suite 1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sodium.h>

#include "proto/crypto.h"

static int
setup(void **state)
{
    return crypto_init(NULL);
}

static void
assert_hex(const uint8_t *bytes, size_t len, const char *hex)
{
    char text[2 * 64 + 1];
    assert_true(len <= 64);
    assert_string_equal(hex_encode(bytes, len, text), hex);
}

/* Expected values: hashlib.blake2b(data, digest_size=32, person=use padded with zeros). */
static void
hashes_are_personalised_by_use(void **state)
{
    static const struct {
        const char *use, *hex;
    } of_abc[] = {
        {"smart.payload", "a061e018eb04e3c45b5644c2e0e2291cde40f0067a94d29621515a1b24c1eaf1"},
        {"smart.capsule", "2f29742f0e3e9567ba104da73be5e5c47485406ec554acf54f5200df4302098a"},
        {"smart.keyhash", "ab2c4d62aa896938eeaf17584f8bf67bf6fcc5f360e6835aafe9906805bb00f4"},
        {"smart.sealbox", "65428409d00a84e17f7c3891f4b7cfdee29845a6a46647f272dc47bf255cc711"},
        {"smart.log-id", "f703eac9a51066bcb4e873c6bdba107d7c1308fbfb2a2353f6b22bff811b5cec"},
        {"smart.rootst", "8b6ab43623648913f333e8bbd915e8c8b7072944f65847193e1d6914baaa6c09"},
        {"smart.card", "31bb8761de16991b608f9e1c3aa6875151a005cc39c044572d6dd5c453a618a3"},
        {"smart.fprint", "830400fd7697834f80550e721cfe9394d2bfcbee4317e44e31a2fc8561b57127"},
        {"smart.heads", "8a2009c4c1d7a9ff9283e2b9f2d5f1eb45a44130902d6158ac203755c1ca8171"},
        {"smart.record", "c82ae30698f7e3eede5e409edf4e2afef0fc18de081b614781c1d834c51baad9"},
    };
    for (size_t i = 0; i < ARRAY_LEN(of_abc); i++) {
        struct hash h = crypto_hash1(of_abc[i].use, slice_of("abc", 3));
        assert_hex(h.b, sizeof(h.b), of_abc[i].hex);
    }
    struct slice parts[] = {slice_of("a", 1), slice_of(NULL, 0), slice_of("bc", 2)};
    struct hash joined = crypto_hash_parts("smart.payload", parts, ARRAY_LEN(parts));
    assert_hex(joined.b, sizeof(joined.b), of_abc[0].hex);
}

static void
named_hashes_use_their_names(void **state)
{
    struct hash h = crypto_header_hash(slice_of(NULL, 0));
    assert_hex(h.b, sizeof(h.b), "5efcf86f0f413fa0e029a18d569650a757a6c1df94bf66fb762f2f0627e20196");
    struct chain_value c = crypto_chain((struct chain_value){{0}}, (struct hash){{0}});
    assert_hex(c.b, sizeof(c.b), "26cce243780a03917fe9395bdfeb3eb81966cae2f704700a97e6a25595354216");
    struct sign_public pk;
    for (unsigned i = 0; i < sizeof(pk.b); i++)
        pk.b[i] = (uint8_t)i;
    struct unit_id unit = crypto_unit_id(pk);
    assert_hex(unit.b, sizeof(unit.b), "dae21c2a80878492bfe8342ea0c8c6d6d245331ca7e3f2f83d2703b64eff4c5a");
    struct federation_id fed = crypto_federation("föderation");
    assert_hex(fed.b, sizeof(fed.b), "6e64849ba22befda3b2109989449a4e2ab1167d1e9aace2370e2d527c778e4e5");
    struct log_id log = crypto_log_id(slice_of("abc", 3));
    assert_hex(log.b, sizeof(log.b), "f703eac9a51066bcb4e873c6bdba107d7c1308fbfb2a2353f6b22bff811b5cec");
    struct chain_value start = crypto_chain_start(log);
    assert_memory_equal(start.b, log.b, sizeof(log.b));
    struct hash capsule = capsule_hash(slice_of("abc", 3));
    assert_hex(capsule.b, sizeof(capsule.b), "2f29742f0e3e9567ba104da73be5e5c47485406ec554acf54f5200df4302098a");
}

/* RFC 8032 §7.1 test 1; the others computed with OpenSSL. */
static void
keys_follow_from_their_seeds(void **state)
{
    uint8_t seed[32];
    struct sign_public pk;
    struct sign_secret sk;
    assert_true(hex_decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", seed, sizeof(seed)));
    crypto_keypair_sign(seed, &pk, &sk);
    assert_hex(pk.b, sizeof(pk.b), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    memset(seed, 1, sizeof(seed));
    crypto_keypair_sign(seed, &pk, &sk);
    assert_hex(pk.b, sizeof(pk.b), "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c");
    struct box_public box;
    struct box_secret secret;
    memset(seed, 2, sizeof(seed));
    crypto_keypair_box(seed, &box, &secret);
    assert_hex(box.b, sizeof(box.b), "ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d59");
}

struct signer {
    struct sign_public pk;
    struct sign_secret sk;
    struct log_id log;
    struct chain_value chain;
};

static struct signer
signer_of(uint8_t v)
{
    struct signer s;
    uint8_t seed[32];
    memset(seed, v, sizeof(seed));
    crypto_keypair_sign(seed, &s.pk, &s.sk);
    memset(&s.log, 0xAA, sizeof(s.log));
    memset(&s.chain, 0xBB, sizeof(s.chain));
    return s;
}

/* The signature of OpenSSL over 01 01 ‖ AA × 32 ‖ 7 as 8 bytes ‖ BB × 32. */
static void
a_seal_is_over_the_74_bytes_of_the_specification(void **state)
{
    struct signer s = signer_of(1);
    struct seal seal = crypto_seal(&s.sk, &s.log, 7, &s.chain);
    assert_hex(seal.b, sizeof(seal.b),
               "a675e5909240c606599d4c696ad9b1ff0f67d74165578e248304b00e06c1abda"
               "729e6fe5f1f77787fef884c74c3942e4c33fc1e6f5c19970d26b7a98e43c920f");
    assert_int_equal(crypto_seal_verify(s.pk, &s.log, 7, &s.chain, &seal, NULL), 0);
}

static void
a_seal_fits_nothing_else(void **state)
{
    struct signer s = signer_of(1);
    struct signer other = signer_of(9);
    struct seal seal = crypto_seal(&s.sk, &s.log, 7, &s.chain);
    struct err err;
    assert_int_equal(crypto_seal_verify(other.pk, &s.log, 7, &s.chain, &seal, &err), ERR_FORGED);
    assert_int_equal(crypto_seal_verify(s.pk, &s.log, 8, &s.chain, &seal, &err), ERR_FORGED);
    struct log_id log = s.log;
    log.b[31] ^= 1;
    assert_int_equal(crypto_seal_verify(s.pk, &log, 7, &s.chain, &seal, &err), ERR_FORGED);
    struct chain_value chain = s.chain;
    chain.b[0] ^= 1;
    assert_int_equal(crypto_seal_verify(s.pk, &s.log, 7, &chain, &seal, &err), ERR_FORGED);
    for (unsigned bit = 0; bit < 8 * sizeof(seal.b); bit++) {
        struct seal bad = seal;
        bad.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(crypto_seal_verify(s.pk, &s.log, 7, &s.chain, &bad, &err), ERR_FORGED);
    }
}

static void
a_signature_of_one_purpose_does_not_serve_another(void **state)
{
    struct signer s = signer_of(1);
    struct slice body = slice_of("the same bytes", 14);
    struct err err;
    struct seal sig = crypto_sign_purpose(&s.sk, PURPOSE_CARD, body);
    assert_int_equal(crypto_verify(s.pk, PURPOSE_CARD, body, &sig, "card", &err), 0);
    assert_int_equal(crypto_verify(s.pk, PURPOSE_SEAL, body, &sig, "card", &err), ERR_FORGED);
    assert_non_null(strstr(err.text, "card"));
}

/* S + L is the same scalar; the neutral element as key makes R = 0, S = 0 fit any message without the strict rule. */
static void
signatures_that_are_not_strict_are_refused(void **state)
{
    static const uint8_t order[32] = {0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58,       0xD6,
                                      0x9C, 0xF7, 0xA2, 0xDE, 0xF9, 0xDE, 0x14, [31] = 0x10};
    struct signer s = signer_of(1);
    struct seal seal = crypto_seal(&s.sk, &s.log, 7, &s.chain);
    unsigned carry = 0;
    for (int i = 0; i < 32; i++) {
        carry += (unsigned)seal.b[32 + i] + order[i];
        seal.b[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    assert_int_equal(crypto_seal_verify(s.pk, &s.log, 7, &s.chain, &seal, NULL), ERR_FORGED);
    struct sign_public neutral = {{1}};
    struct seal trivial = {{1}};
    assert_int_equal(crypto_seal_verify(neutral, &s.log, 7, &s.chain, &trivial, NULL), ERR_FORGED);
}

/* ---- capsules ---- */

static const struct data_key key = {{1, 2, 3}};
static const uint8_t nonce[24] = {9, 8, 7};

static void
a_capsule_opens_to_what_was_sealed_at_every_length(void **state)
{
    uint8_t plain[200];
    memset(plain, 0x80, sizeof(plain)); /* looks like padding */
    for (size_t len = 0; len <= sizeof(plain); len++) {
        struct buf capsule, out;
        buf_init(&capsule, CAPSULE_BYTES_MAX);
        buf_init(&out, CAPSULE_BYTES_MAX);
        assert_int_equal(capsule_seal(&key, CLASS_BANK, nonce, slice_of(plain, len), &capsule, NULL), 0);
        assert_int_equal((capsule.len - 57) % 64, 0);
        assert_true(capsule.len - 57 - 16 - len <= 64);
        assert_int_equal(capsule_open(&key, CLASS_BANK, buf_slice(&capsule), &out, NULL), 0);
        assert_true(slice_eq(buf_slice(&out), slice_of(plain, len)));
        buf_free(&capsule);
        buf_free(&out);
    }
}

static void
a_capsule_has_the_layout_of_the_specification(void **state)
{
    struct buf capsule;
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    assert_int_equal(capsule_seal(&key, CLASS_BANK, nonce, slice_of("x", 1), &capsule, NULL), 0);
    assert_int_equal(capsule.len, 57 + 64);
    assert_int_equal(capsule.data[0], 1);
    assert_memory_equal(capsule.data + 1, nonce, sizeof(nonce));
    struct slice parts[] = {slice_of(key.b, sizeof(key.b)), slice_of(nonce, sizeof(nonce))};
    struct hash kh = crypto_hash_parts("smart.keyhash", parts, 2);
    assert_memory_equal(capsule.data + 25, kh.b, sizeof(kh.b));
    buf_free(&capsule);
}

static void
a_capsule_that_was_touched_does_not_open(void **state)
{
    struct buf capsule, out;
    struct err err;
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    buf_init(&out, CAPSULE_BYTES_MAX);
    assert_int_equal(capsule_seal(&key, CLASS_BANK, nonce, slice_of("DE00 0000", 9), &capsule, NULL), 0);
    struct slice whole = buf_slice(&capsule);
    for (size_t i = 0; i < capsule.len; i++) {
        capsule.data[i] ^= 1;
        int rc = capsule_open(&key, CLASS_BANK, whole, &out, &err);
        assert_int_equal(rc, i == 0 ? ERR_INVALID : i < 57 ? ERR_DENIED : ERR_FORGED);
        capsule.data[i] ^= 1;
        assert_int_equal(out.len, 0);
    }
    struct data_key other = key;
    other.b[0] ^= 1;
    assert_int_equal(capsule_open(&other, CLASS_BANK, whole, &out, &err), ERR_DENIED);
    assert_int_equal(capsule_open(&key, CLASS_NOTE, whole, &out, &err), ERR_FORGED);
    assert_int_equal(capsule_open(&key, CLASS_BANK, slice_of(whole.data, whole.len - 1), &out, &err), ERR_INVALID);
    assert_int_equal(capsule_open(&key, CLASS_BANK, slice_of(whole.data, 57), &out, &err), ERR_INVALID);
    assert_int_equal(capsule_open(&key, CLASS_BANK, slice_of(NULL, 0), &out, &err), ERR_INVALID);
    buf_free(&capsule);
    buf_free(&out);
}

/* How far a writer pads is its own affair; that it pads is not. */
static void
a_capsule_with_more_padding_is_read_and_one_without_is_malformed(void **state)
{
    static const struct {
        size_t at;
        uint8_t byte;
        int rc;
    } cases[] = {{111, 0x80, 0},           {48, 0x80, 0},          {47, 0x80, 0},        {0, 0x80, 0},
                 {111, 0x81, ERR_INVALID}, {0, 0x7F, ERR_INVALID}, {111, 0, ERR_INVALID}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t plain[112] = {0}, capsule[57 + sizeof(plain) + 16] = {1};
        struct buf out;
        struct slice parts[] = {slice_of(key.b, sizeof(key.b)), slice_of(nonce, sizeof(nonce))};
        struct hash kh = crypto_hash_parts("smart.keyhash", parts, 2);
        const uint8_t associated[] = {1, CLASS_BANK};
        plain[cases[i].at] = cases[i].byte;
        memcpy(capsule + 1, nonce, sizeof(nonce));
        memcpy(capsule + 25, kh.b, sizeof(kh.b));
        crypto_aead_xchacha20poly1305_ietf_encrypt(capsule + 57, NULL, plain, sizeof(plain), associated,
                                                   sizeof(associated), NULL, nonce, key.b);
        buf_init(&out, CAPSULE_BYTES_MAX);
        assert_int_equal(capsule_open(&key, CLASS_BANK, slice_of(capsule, sizeof(capsule)), &out, NULL), cases[i].rc);
        assert_int_equal(out.len, cases[i].rc == 0 ? cases[i].at : 0);
        buf_free(&out);
    }
}

static void
links_of_whatever_length_come_in_capsules_of_one_length(void **state)
{
    static const struct {
        size_t plain, sealed;
    } rows[] = {{0, 256}, {18, 256}, {239, 256}, {240, 512}, {1300, 1536}};
    uint8_t plain[1300] = {0x80};
    static const uint8_t classes[] = {CLASS_ACTIVITY, CLASS_GUEST, CLASS_DOSSIER};
    for (size_t i = 0; i < ARRAY_LEN(rows) * ARRAY_LEN(classes); i++) {
        uint8_t class = classes[i / ARRAY_LEN(rows)];
        size_t row = i % ARRAY_LEN(rows);
        struct buf capsule, out;
        buf_init(&capsule, CAPSULE_BYTES_MAX);
        buf_init(&out, CAPSULE_BYTES_MAX);
        struct slice in = slice_of(plain, rows[row].plain);
        assert_int_equal(capsule_seal(&key, class, nonce, in, &capsule, NULL), 0);
        assert_int_equal(capsule.len, 57 + rows[row].sealed);
        assert_int_equal(capsule_open(&key, class, buf_slice(&capsule), &out, NULL), 0);
        assert_true(slice_eq(buf_slice(&out), in));
        buf_free(&capsule);
        buf_free(&out);
    }
}

static void
a_capsule_has_a_largest_size(void **state)
{
    static uint8_t plain[CAPSULE_BYTES_MAX];
    struct buf capsule;
    struct err err;
    size_t most = (CAPSULE_BYTES_MAX - 57) / 64 * 64 - 16 - 1;
    buf_init(&capsule, 2 * CAPSULE_BYTES_MAX);
    assert_int_equal(capsule_seal(&key, CLASS_NOTE, nonce, slice_of(plain, most), &capsule, &err), 0);
    assert_true(capsule.len <= CAPSULE_BYTES_MAX);
    buf_clear(&capsule);
    assert_int_equal(capsule_seal(&key, CLASS_NOTE, nonce, slice_of(plain, most + 1), &capsule, &err), ERR_LIMIT);
    assert_int_equal(capsule_seal(&key, CLASS_NOTE, nonce, slice_of(plain, SIZE_MAX), &capsule, &err), ERR_LIMIT);
    assert_int_equal(capsule.len, 0);
    buf_free(&capsule);
}

static void
a_capsule_sealed_to_a_public_key_opens_with_its_secret_only(void **state)
{
    uint8_t seed[32] = {0, 3};
    uint8_t eph[32] = {0, 4};
    struct box_public pk, other_pk, zero = {{0}};
    struct box_secret sk, other_sk;
    struct buf capsule, out;
    struct err err;
    crypto_keypair_box(seed, &pk, &sk);
    seed[1] = 5;
    crypto_keypair_box(seed, &other_pk, &other_sk);
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    buf_init(&out, CAPSULE_BYTES_MAX);
    assert_int_equal(capsule_seal_to(&pk, CLASS_KEY, eph, nonce, slice_of("secret", 6), &capsule, &err), 0);
    assert_int_equal(capsule.len, 89 + 64);
    assert_int_equal(capsule.data[0], 2);
    assert_int_equal(capsule_open_sealed(&sk, &pk, CLASS_KEY, buf_slice(&capsule), &out, &err), 0);
    assert_true(slice_eq(buf_slice(&out), slice_of("secret", 6)));
    buf_clear(&out);
    assert_int_equal(capsule_open_sealed(&other_sk, &other_pk, CLASS_KEY, buf_slice(&capsule), &out, &err), ERR_DENIED);
    assert_int_equal(capsule_open_sealed(&sk, &other_pk, CLASS_KEY, buf_slice(&capsule), &out, &err), ERR_DENIED);
    assert_int_equal(capsule_open(&key, CLASS_KEY, buf_slice(&capsule), &out, &err), ERR_INVALID);
    memset(capsule.data + 1, 0, 32);
    assert_int_equal(capsule_open_sealed(&sk, &pk, CLASS_KEY, buf_slice(&capsule), &out, &err), ERR_INVALID);
    assert_int_equal(capsule_seal_to(&zero, CLASS_KEY, eph, nonce, slice_of("secret", 6), &out, &err), ERR_INVALID);
    assert_int_equal(out.len, 0);
    buf_free(&capsule);
    buf_free(&out);
}

/* 127.0.0.1 and 63.84.220.193 of arXiv:0901.4016. */
static void
proquints_are_those_of_the_paper(void **state)
{
    const uint8_t bytes[] = {127, 0, 0, 1, 63, 84, 220, 193};
    char text[sizeof(bytes) / 2 * 6];
    proquint_encode(bytes, sizeof(bytes), text);
    assert_string_equal(text, "lusab-babad-gutih-tugad");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_personalised_by_use),
        cmocka_unit_test(named_hashes_use_their_names),
        cmocka_unit_test(keys_follow_from_their_seeds),
        cmocka_unit_test(a_seal_is_over_the_74_bytes_of_the_specification),
        cmocka_unit_test(a_seal_fits_nothing_else),
        cmocka_unit_test(a_signature_of_one_purpose_does_not_serve_another),
        cmocka_unit_test(signatures_that_are_not_strict_are_refused),
        cmocka_unit_test(a_capsule_opens_to_what_was_sealed_at_every_length),
        cmocka_unit_test(a_capsule_has_the_layout_of_the_specification),
        cmocka_unit_test(a_capsule_that_was_touched_does_not_open),
        cmocka_unit_test(a_capsule_with_more_padding_is_read_and_one_without_is_malformed),
        cmocka_unit_test(links_of_whatever_length_come_in_capsules_of_one_length),
        cmocka_unit_test(a_capsule_has_a_largest_size),
        cmocka_unit_test(a_capsule_sealed_to_a_public_key_opens_with_its_secret_only),
        cmocka_unit_test(proquints_are_those_of_the_paper),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
