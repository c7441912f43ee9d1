/* Random bytes of a group of writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "node/host/draws.h"
#include "proto/base/bytes.h"
#include "proto/base/types.h"

/* Counts draws; each gives bytes that no other gives: a number of two bytes, again and again. */
struct source {
    unsigned draws;
    uint16_t next;
};

static void
fill(void *arg, uint8_t *out, size_t len)
{
    struct source *s = arg;
    s->draws++;
    assert_int_equal(len % 2, 0);
    for (size_t i = 0; i < len; i += 2)
        be16_put(out + i, s->next++);
}

static void
no_byte_is_given_twice_and_few_draws_serve_many(void **state UNUSED)
{
    struct source source = {.next = 1};
    struct draws d;
    bool seen[4096] = {0};
    draws_init(&d, fill, &source);
    for (unsigned i = 0; i < 100; i++) {
        uint8_t out[24];
        draws_take(&d, out, sizeof(out));
        for (size_t k = 0; k < sizeof(out); k += 2) {
            uint16_t n = be16_get(out + k);
            assert_true(n > 0 && n < ARRAY_LEN(seen) && !seen[n]);
            seen[n] = true;
        }
    }
    assert_int_equal(source.draws, 5); /* 21 of 24 bytes fit into one */
}

static void
what_was_given_out_is_wiped(void **state UNUSED)
{
    static const uint8_t nothing[16];
    struct source source = {.next = 1};
    struct draws d;
    uint8_t out[16];
    draws_init(&d, fill, &source);
    draws_take(&d, out, sizeof(out));
    assert_memory_not_equal(out, nothing, sizeof(out));
    assert_memory_equal(d.bytes, nothing, sizeof(out));
}

static void
a_key_is_drawn_for_itself(void **state UNUSED)
{
    struct source source = {.next = 1};
    struct draws d;
    uint8_t salt[16], key[KEY_BYTES];
    draws_init(&d, fill, &source);
    draws_take(&d, salt, sizeof(salt));
    size_t left = d.left;
    draws_take(&d, key, sizeof(key));
    assert_int_equal(source.draws, 2);
    assert_int_equal(d.left, left);
    assert_int_equal(be16_get(key), 1 + DRAWS_BYTES / 2);
}

static void
a_group_uses_nothing_that_was_drawn_before_it(void **state UNUSED)
{
    struct source source = {.next = 1};
    struct draws d;
    uint8_t out[16];
    draws_init(&d, fill, &source);
    draws_take(&d, out, sizeof(out));
    draws_clear(&d);
    draws_take(&d, out, sizeof(out));
    assert_int_equal(source.draws, 2);
    assert_int_equal(be16_get(out), 1 + DRAWS_BYTES / 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_byte_is_given_twice_and_few_draws_serve_many),
        cmocka_unit_test(what_was_given_out_is_wiped),
        cmocka_unit_test(a_key_is_drawn_for_itself),
        cmocka_unit_test(a_group_uses_nothing_that_was_drawn_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
