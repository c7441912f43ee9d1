/* The first block under a tag, against the library's own Poly1305. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>

#include "storage/tag_origin.h"

enum { REST_MAX = 15 * TAG_BLOCK };

static bool
is_among(const uint8_t block[TAG_BLOCK], uint8_t found[TAG_ORIGINS_MAX][TAG_BLOCK], size_t n)
{
    bool is = false;
    for (size_t i = 0; i < n; i++)
        is |= memcmp(found[i], block, TAG_BLOCK) == 0;
    return is;
}

static void
the_first_block_is_told_by_the_tag(void **state)
{
    uint8_t text[TAG_BLOCK + REST_MAX], key[32], tag[TAG_BLOCK], found[TAG_ORIGINS_MAX][TAG_BLOCK];
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t seed[randombytes_SEEDBYTES] = {(uint8_t)i, (uint8_t)(i >> 8)}, all[sizeof(text) + sizeof(key)];
        size_t rest = i % (REST_MAX / TAG_BLOCK + 1) * TAG_BLOCK;
        struct tag_key k;
        randombytes_buf_deterministic(all, sizeof(all), seed);
        memcpy(text, all, sizeof(text));
        memcpy(key, all + sizeof(text), sizeof(key));
        if (i % 5 == 1) /* limbs that are full */
            memset(i % 2 ? text : key, 0xff, 16);
        if (i % 5 == 2)
            memset(text, 0, sizeof(text));
        crypto_onetimeauth_poly1305(tag, text, TAG_BLOCK + rest, key);
        assert_true(tag_key_init(&k, key));
        size_t n = tag_origins(&k, slice_of(text + TAG_BLOCK, rest), tag, found);
        assert_true(is_among(text, found, n));
        tag[i % TAG_BLOCK] ^= (uint8_t)(1U << (i % 8));
        n = tag_origins(&k, slice_of(text + TAG_BLOCK, rest), tag, found);
        assert_false(is_among(text, found, n));
    }
}

static void
a_key_that_tells_nothing_is_said_to(void **state)
{
    uint8_t key[32] = {[3] = 0xf0, [16] = 1}; /* nothing of it is left in r */
    struct tag_key k;
    (void)state;
    assert_false(tag_key_init(&k, key));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_block_is_told_by_the_tag),
        cmocka_unit_test(a_key_that_tells_nothing_is_said_to),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests_name("tag origin", tests, NULL, NULL);
}
