/* Passes: the text reads back however it was typed, a slip is told from another code and from a later version, the keys follow from
 * the secret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "proto/pass.h"

static struct pass
sample(void)
{
    struct err err;
    struct pass p;
    assert_int_equal(crypto_init(&err), 0);
    memset(&p, 0, sizeof(p));
    struct federation_id federation = crypto_federation("example");
    memcpy(p.federation, federation.b, sizeof(p.federation));
    memset(p.unit.b, 0xB1, sizeof(p.unit.b));
    memset(p.id.b, 0x1D, sizeof(p.id.b));
    for (size_t i = 0; i < sizeof(p.secret); i++)
        p.secret[i] = (uint8_t)(i * 37 + 5);
    return p;
}

/* Reads, expecting rc; on failure the output must be untouched and the error show nothing of the text. */
static void
expect(const char *text, size_t len, int rc)
{
    struct err err = {0};
    struct pass p;
    memset(&p, 0xA5, sizeof(p));
    int got = pass_decode(slice_of(text, len), &p, &err);
    if (got != rc)
        fail_msg("%d (%s) instead of %d for \"%.*s\"", got, err.text, rc, (int)len, text);
    if (rc == 0) {
        struct pass wanted = sample();
        assert_memory_equal(p.secret, wanted.secret, sizeof(p.secret));
        assert_memory_equal(p.unit.b, wanted.unit.b, sizeof(p.unit.b));
        return;
    }
    for (size_t i = 0; i < sizeof(p); i++)
        assert_int_equal(((uint8_t *)&p)[i], 0xA5);
    assert_string_equal(err.field, "pass");
}

/* A text of the form of today around any bytes, with the check that fits them. */
static size_t
text_around(const uint8_t *body, size_t len, char *out)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t bytes[256] = {0};
    size_t n = 4;
    memcpy(bytes, body, len);
    struct hash hash = crypto_hash1("smart.pass-check", slice_of(body, len));
    memcpy(bytes + len, hash.b, 4);
    memcpy(out, "SN1:", 4);
    for (size_t bit = 0; bit < (len + 4) * 8; bit += 5)
        out[n++] = alphabet[(bytes[bit / 8] << 8 | bytes[bit / 8 + 1]) >> (11 - bit % 8) & 31];
    return n;
}

/* The bytes of the sample without its check. */
static size_t
body_of_sample(uint8_t *out)
{
    struct pass p = sample();
    struct buf b;
    buf_fixed(&b, out, 256);
    buf_put_u8(&b, 1);
    buf_put(&b, p.federation, 8);
    buf_put_u8(&b, 0);
    buf_put(&b, p.unit.b, 32);
    buf_put(&b, p.id.b, 16);
    buf_put(&b, p.secret, 16);
    return b.len;
}

static void
a_pass_reads_back_as_it_was(void **state)
{
    for (int production = 0; production < 2; production++) {
        struct pass p = sample(), back;
        struct err err = {0};
        char text[PASS_TEXT_MAX];
        memset(&back, 0, sizeof(back));
        p.production = production;
        pass_encode(&p, text);
        assert_int_equal(strlen(text), PASS_TEXT_LEN);
        assert_int_equal(pass_decode(slice_of(text, PASS_TEXT_LEN), &back, &err), 0);
        assert_memory_equal(&back, &p, sizeof(p));
    }
}

static void
the_text_is_the_bytes_of_the_specification(void **state)
{
    struct pass p = sample();
    uint8_t body[256];
    char text[PASS_TEXT_MAX], wanted[512];
    pass_encode(&p, text);
    size_t n = text_around(body, body_of_sample(body), wanted);
    assert_int_equal(n, PASS_TEXT_LEN);
    assert_memory_equal(text, wanted, n);
}

static void
the_text_stays_in_the_alphanumeric_set_of_qr_codes(void **state)
{
    struct pass p = sample();
    char text[PASS_TEXT_MAX];
    pass_encode(&p, text);
    assert_int_equal(strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"), PASS_TEXT_LEN);
}

static void
what_people_type_between_the_letters_does_not_matter(void **state)
{
    struct pass p = sample();
    char text[PASS_TEXT_MAX], typed[PASS_READ_MAX];
    size_t n = 0;
    pass_encode(&p, text);
    typed[n++] = '\n';
    for (size_t i = 0; i < PASS_TEXT_LEN; i++) {
        char c = text[i];
        typed[n++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        if (i % 4 == 3)
            typed[n++] = "- \t"[i / 4 % 3];
        if (i % 32 == 31) {
            typed[n++] = '\r';
            typed[n++] = '\n';
        }
    }
    expect(typed, n, 0);
}

static void
a_slip_in_any_letter_is_told(void **state)
{
    struct pass p = sample();
    char text[PASS_TEXT_MAX];
    pass_encode(&p, text);
    for (size_t i = 4; i < PASS_TEXT_LEN; i++) {
        char kept = text[i];
        text[i] = kept == 'Q' ? 'R' : 'Q';
        expect(text, PASS_TEXT_LEN, ERR_FORGED);
        text[i] = '1'; /* not in the alphabet */
        expect(text, PASS_TEXT_LEN, ERR_FORGED);
        text[i] = '\0';
        expect(text, PASS_TEXT_LEN, ERR_FORGED);
        text[i] = kept;
    }
}

static void
two_letters_in_the_wrong_order_are_told(void **state)
{
    struct pass p = sample();
    char text[PASS_TEXT_MAX];
    pass_encode(&p, text);
    for (size_t i = 4; i + 1 < PASS_TEXT_LEN; i++) {
        char first = text[i];
        if (first == text[i + 1])
            continue;
        text[i] = text[i + 1];
        text[i + 1] = first;
        expect(text, PASS_TEXT_LEN, ERR_FORGED);
        text[i + 1] = text[i];
        text[i] = first;
    }
}

static void
a_text_that_was_cut_off_or_goes_on_is_told(void **state)
{
    struct pass p = sample();
    char text[PASS_TEXT_MAX + 16];
    pass_encode(&p, text);
    for (size_t len = 4; len < PASS_TEXT_LEN; len++)
        expect(text, len, ERR_FORGED);
    for (size_t len = PASS_TEXT_LEN; len < PASS_TEXT_LEN + 9; len++) {
        text[len] = 'A';
        expect(text, len + 1, ERR_FORGED);
    }
}

static void
another_code_is_not_a_pass(void **state)
{
    static const char *const others[] = {"",
                                         "SN",
                                         "SN1",
                                         "SN:AAAA",
                                         "SN0:AAAA",
                                         "SN01:AAAA",
                                         "SNX:AAAA",
                                         "S N 1 ;",
                                         "https://example.org/",
                                         "WIFI:S:guest;;"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        expect(others[i], strlen(others[i]), ERR_INVALID);
}

static void
a_later_version_is_told_from_a_slip(void **state)
{
    uint8_t body[256];
    char text[512];
    size_t n = body_of_sample(body);
    expect("SN2:AAAA", 8, ERR_VERSION);
    expect("sn 10:ab", 8, ERR_VERSION);
    body[0] = 2;
    memset(body + n, 0x77, 9); /* a later version may be longer */
    size_t len = text_around(body, n + 9, text);
    expect(text, len, ERR_VERSION);
    text[9] = text[9] == 'Q' ? 'R' : 'Q';
    expect(text, len, ERR_FORGED);
}

static void
bytes_that_no_version_writes_are_not_a_pass(void **state)
{
    uint8_t body[256];
    char text[512];
    size_t n = body_of_sample(body);
    body[0] = 0;
    expect(text, text_around(body, n, text), ERR_INVALID);
    body[0] = 1;
    body[9] = 2; /* neither test nor production */
    expect(text, text_around(body, n, text), ERR_INVALID);
    body[9] = 0;
    body[n] = 0;
    expect(text, text_around(body, n + 1, text), ERR_INVALID);
    expect(text, text_around(body, n - 1, text), ERR_INVALID);
    expect(text, text_around(body, n, text), 0);
}

static void
a_text_beyond_its_bound_is_refused(void **state)
{
    char text[PASS_READ_MAX + 1];
    struct pass p = sample();
    memset(text, ' ', sizeof(text));
    char plain[PASS_TEXT_MAX];
    pass_encode(&p, plain);
    memcpy(text, plain, PASS_TEXT_LEN);
    expect(text, PASS_READ_MAX, 0);
    expect(text, PASS_READ_MAX + 1, ERR_LIMIT);
    memset(text, 'A', sizeof(text));
    memcpy(text, "SN1:", 4);
    expect(text, PASS_READ_MAX, ERR_FORGED);
}

static void
another_federation_and_test_against_production_do_not_fit(void **state)
{
    struct pass p = sample();
    struct err err = {0};
    struct federation_id own = crypto_federation("example"), other = crypto_federation("other");
    assert_int_equal(pass_fits(&p, &own, false, &err), 0);
    assert_int_equal(pass_fits(&p, &other, false, &err), ERR_FEDERATION);
    assert_int_equal(pass_fits(&p, &own, true, &err), ERR_FEDERATION);
    p.production = true;
    assert_int_equal(pass_fits(&p, &own, true, &err), 0);
    assert_int_equal(pass_fits(&p, &own, false, &err), ERR_FEDERATION);
}

static void
the_key_pair_opens_what_is_sealed_to_it_and_hangs_on_secret_unit_and_id(void **state)
{
    static const uint8_t seed[32] = {3}, nonce[24] = {9};
    struct pass p = sample();
    struct box_public pk, other_pk;
    struct box_secret sk, other_sk;
    struct err err = {0};
    struct buf capsule, plain;
    pass_keypair(&p, &pk, &sk);
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    buf_init(&plain, CAPSULE_BYTES_MAX);
    assert_int_equal(capsule_seal_to(&pk, CLASS_KEY, seed, nonce, slice_of("keys", 4), &capsule, &err), 0);
    assert_int_equal(capsule_open_sealed(&sk, &pk, CLASS_KEY, buf_slice(&capsule), &plain, &err), 0);
    uint8_t *parts[] = {&p.secret[15], &p.unit.b[31], &p.id.b[0]};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        *parts[i] ^= 1;
        pass_keypair(&p, &other_pk, &other_sk);
        assert_memory_not_equal(&other_pk, &pk, sizeof(pk));
        assert_int_not_equal(capsule_open_sealed(&other_sk, &other_pk, CLASS_KEY, buf_slice(&capsule), &plain, &err),
                             0);
        *parts[i] ^= 1;
    }
    p.production = true; /* says where it counts, not whose it is */
    pass_keypair(&p, &other_pk, &other_sk);
    assert_memory_equal(&other_pk, &pk, sizeof(pk));
    buf_free(&capsule);
    buf_free(&plain);
}

static void
wiped_memory_holds_nothing(void **state)
{
    static const struct pass none;
    struct pass p = sample();
    pass_wipe(&p, sizeof(p));
    assert_memory_equal(&p, &none, sizeof(p));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pass_reads_back_as_it_was),
        cmocka_unit_test(the_text_is_the_bytes_of_the_specification),
        cmocka_unit_test(the_text_stays_in_the_alphanumeric_set_of_qr_codes),
        cmocka_unit_test(what_people_type_between_the_letters_does_not_matter),
        cmocka_unit_test(a_slip_in_any_letter_is_told),
        cmocka_unit_test(two_letters_in_the_wrong_order_are_told),
        cmocka_unit_test(a_text_that_was_cut_off_or_goes_on_is_told),
        cmocka_unit_test(another_code_is_not_a_pass),
        cmocka_unit_test(a_later_version_is_told_from_a_slip),
        cmocka_unit_test(bytes_that_no_version_writes_are_not_a_pass),
        cmocka_unit_test(a_text_beyond_its_bound_is_refused),
        cmocka_unit_test(another_federation_and_test_against_production_do_not_fit),
        cmocka_unit_test(the_key_pair_opens_what_is_sealed_to_it_and_hangs_on_secret_unit_and_id),
        cmocka_unit_test(wiped_memory_holds_nothing),
    };
    return cmocka_run_group_tests_name("pass", tests, NULL, NULL);
}
