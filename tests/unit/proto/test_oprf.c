/* The oblivious function against the vectors of RFC 9497, appendix A.1.1, and the entries of an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/crypto.h"
#include "proto/oprf.h"

#define BLIND "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706"

static int
setup(void **state)
{
    return crypto_init(NULL);
}

static void
of_hex(void *out, size_t len, const char *hex)
{
    assert_true(hex_decode(hex, out, len));
}

static void
assert_hex(const uint8_t *bytes, size_t len, const char *hex)
{
    char text[2 * 64 + 1];
    assert_true(len <= 64);
    assert_string_equal(hex_encode(bytes, len, text), hex);
}

static struct oprf_scalar
key_of_rfc(void)
{
    struct oprf_scalar key;
    uint8_t seed[32];
    memset(seed, 0xa3, sizeof(seed));
    assert_int_equal(oprf_derive_key(seed, slice_of("test key", 8), &key, NULL), 0);
    return key;
}

static void
a_key_is_derived_as_the_rfc_has_it(void **state)
{
    struct oprf_scalar key = key_of_rfc();
    assert_hex(key.b, sizeof(key.b), "5ebcea5ee37023ccb9fc2d2019f9d7737be85591ae8652ffa9ef0f4d37063b0e");
}

static void
each_step_gives_what_the_rfc_gives(void **state)
{
    static const struct {
        const char *input;
        size_t len;
        const char *blinded, *evaluated, *output;
    } vectors[] = {
        {"00", 1, "609a0ae68c15a3cf6903766461307e5c8bb2f95e7e6550e1ffa2dc99e412803c",
         "7ec6578ae5120958eb2db1745758ff379e77cb64fe77b0b2d8cc917ea0869c7e",
         "527759c3d9366f277d8c6020418d96bb393ba2afb20ff90df23fb7708264e2f3ab9135e3bd69955851de4b1f9fe8a0973396719b7912"
         "ba9ee8aa7d0b5e24bcf6"},
        {"5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a", 17, "da27ef466870f5f15296299850aa088629945a17d1f5b7f5ff043f76b3c06418",
         "b4cbf5a4f1eeda5a63ce7b77c7d23f461db3fcab0dd28e4e17cecb5c90d02c25",
         "f4a74c9c592497375e796aa837e907b1a045d34306a749db9f34221f7e750cb4f2a6413a6bf6fa5e19ba6348eb673934a722a7ede2e7"
         "621306d18951e7cf2c73"},
    };
    struct oprf_scalar key = key_of_rfc(), blind;
    of_hex(blind.b, sizeof(blind.b), BLIND);
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        uint8_t bytes[32];
        struct oprf_element blinded, evaluated;
        struct oprf_output output, direct;
        of_hex(bytes, vectors[i].len, vectors[i].input);
        struct slice input = slice_of(bytes, vectors[i].len);
        assert_int_equal(oprf_blind(input, &blind, &blinded, NULL), 0);
        assert_hex(blinded.b, sizeof(blinded.b), vectors[i].blinded);
        assert_int_equal(oprf_blind_evaluate(&key, &blinded, &evaluated, NULL), 0);
        assert_hex(evaluated.b, sizeof(evaluated.b), vectors[i].evaluated);
        assert_int_equal(oprf_finalize(input, &blind, &evaluated, &output, NULL), 0);
        assert_hex(output.b, sizeof(output.b), vectors[i].output);
        assert_int_equal(oprf_evaluate(&key, input, &direct, NULL), 0);
        assert_memory_equal(direct.b, output.b, sizeof(output.b));
    }
}

static void
what_is_no_element_is_refused(void **state)
{
    struct oprf_scalar key = key_of_rfc(), zero = {{0}};
    struct oprf_element e = {{0}}, out;
    struct oprf_output output;
    uint8_t none[OPRF_RANDOM_BYTES] = {0};
    assert_false(oprf_element_ok(&e)); /* the identity */
    assert_int_equal(oprf_blind_evaluate(&key, &e, &out, NULL), ERR_INVALID);
    memset(e.b, 0xff, sizeof(e.b)); /* not reduced */
    assert_false(oprf_element_ok(&e));
    e = (struct oprf_element){{1}}; /* negative */
    assert_false(oprf_element_ok(&e));
    assert_int_equal(oprf_finalize(slice_of("x", 1), &key, &e, &output, NULL), ERR_INVALID);
    assert_int_equal(oprf_blind_from(none, &key, NULL), ERR_INVALID);
    of_hex(e.b, sizeof(e.b), "609a0ae68c15a3cf6903766461307e5c8bb2f95e7e6550e1ffa2dc99e412803c");
    assert_true(oprf_element_ok(&e));
    assert_int_equal(oprf_finalize(slice_of("x", 1), &zero, &e, &output, NULL), ERR_INVALID);
}

static void
an_input_that_is_too_long_is_refused(void **state)
{
    static uint8_t big[OPRF_INPUT_MAX + 1];
    struct oprf_scalar key = key_of_rfc();
    struct oprf_element e;
    struct oprf_output output;
    assert_int_equal(oprf_evaluate(&key, slice_of(big, sizeof(big)), &output, NULL), ERR_LIMIT);
    assert_int_equal(oprf_blind(slice_of(big, sizeof(big)), &key, &e, NULL), ERR_LIMIT);
    assert_int_equal(oprf_finalize(slice_of(big, sizeof(big)), &key, &e, &output, NULL), ERR_LIMIT);
    assert_int_equal(oprf_evaluate(&key, slice_of(big, sizeof(big) - 1), &output, NULL), 0);
}

static void
only_who_asked_about_that_person_finds_the_entry(void **state)
{
    struct oprf_scalar key = key_of_rfc();
    struct oprf_output mine, other;
    struct oprf_element blinded, later;
    struct subject_id member, found = {{0}};
    uint8_t entries[3 * LOOKUP_ENTRY_BYTES];
    memset(entries, 7, sizeof(entries));
    memset(member.b, 0x5b, sizeof(member.b));
    assert_int_equal(oprf_evaluate(&key, slice_of("mine", 4), &mine, NULL), 0);
    assert_int_equal(oprf_evaluate(&key, slice_of("other", 5), &other, NULL), 0);
    assert_int_equal(oprf_blind(slice_of("mine", 4), &key, &blinded, NULL), 0);
    assert_int_equal(oprf_blind(slice_of("other", 5), &key, &later, NULL), 0);
    lookup_entry(&mine, &blinded, &member, entries + 2 * LOOKUP_ENTRY_BYTES);
    struct slice all = slice_of(entries, sizeof(entries));
    assert_true(lookup_find(all, &mine, &blinded, &found));
    assert_memory_equal(found.b, member.b, ID_BYTES);
    assert_false(lookup_find(all, &other, &blinded, &found));
    assert_false(lookup_find(all, &mine, &later, &found)); /* entries are of one question */
    assert_false(lookup_find(slice_of(entries, sizeof(entries) - 1), &mine, &blinded, &found));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_derived_as_the_rfc_has_it),
        cmocka_unit_test(each_step_gives_what_the_rfc_gives),
        cmocka_unit_test(what_is_no_element_is_refused),
        cmocka_unit_test(an_input_that_is_too_long_is_refused),
        cmocka_unit_test(only_who_asked_about_that_person_finds_the_entry),
    };
    return cmocka_run_group_tests_name("oprf", tests, setup, NULL);
}
