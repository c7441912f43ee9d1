/* Tries that are counted: a burst, then one at a time; each client for itself; a flood of clients in a table of fixed size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "node/api/request.h"
#include "tests/support/api_server.h"

static const uint8_t seed[LIMITER_SEED_BYTES] = {7};
static struct limiter *l;

static int
start(uint32_t burst, uint32_t each_ms, uint32_t clients)
{
    struct err err = {0};
    assert_int_equal(crypto_init(&err), 0);
    return limiter_new((struct limiter_rate){burst, each_ms, clients}, seed, &l, &err);
}

static int
teardown(void **state)
{
    limiter_free(&l);
    return 0;
}

static struct slice
address(uint32_t n)
{
    static uint8_t bytes[4];
    be32_put(bytes, n);
    return slice_of(bytes, sizeof(bytes));
}

static int64_t
take(uint32_t who, int64_t at)
{
    return limiter_take(l, NULL, address(who), (struct mono_ms){at});
}

static void
a_burst_is_let_through_and_then_one_at_a_time(void **state)
{
    assert_int_equal(start(3, 1000, 8), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(take(1, 5000), 0);
    assert_int_equal(take(1, 5000), 1000);
    assert_int_equal(take(1, 5400), 600); /* what was refused has taken nothing */
    assert_int_equal(take(1, 5999), 1);
    assert_int_equal(take(1, 6000), 0);
    assert_int_equal(take(1, 6000), 1000);
    assert_int_equal(take(1, 7999), 0);
    assert_int_equal(take(1, 7999), 1);
}

static void
who_has_waited_long_has_a_burst_again_and_no_more(void **state)
{
    assert_int_equal(start(2, 100, 8), 0);
    for (int64_t at = 0; at <= 1000000000; at += 500000000) {
        assert_int_equal(take(1, at), 0);
        assert_int_equal(take(1, at), 0);
        assert_int_equal(take(1, at), 100);
    }
}

static void
looking_takes_nothing(void **state)
{
    assert_int_equal(start(1, 1000, 8), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(limiter_wait(l, NULL, address(1), (struct mono_ms){10}), 0);
    assert_int_equal(take(1, 10), 0);
    assert_int_equal(limiter_wait(l, NULL, address(1), (struct mono_ms){10}), 1000);
    assert_int_equal(limiter_wait(l, NULL, address(1), (struct mono_ms){1009}), 1);
    assert_int_equal(take(1, 1010), 0);
}

static void
each_token_at_each_address_counts_for_itself(void **state)
{
    struct hash a = {{1}}, b = {{2}};
    struct mono_ms now = {0};
    assert_int_equal(start(1, 1000, 64), 0);
    assert_int_equal(limiter_take(l, &a, address(1), now), 0);
    assert_int_equal(limiter_take(l, &b, address(1), now), 0);
    assert_int_equal(limiter_take(l, &a, address(2), now), 0);
    assert_int_equal(limiter_take(l, NULL, address(1), now), 0);
    assert_int_not_equal(limiter_take(l, &a, address(1), now), 0);
    assert_int_not_equal(limiter_take(l, &b, address(1), now), 0);
    assert_int_not_equal(limiter_take(l, &a, address(2), now), 0);
    assert_int_not_equal(limiter_take(l, NULL, address(1), now), 0);
}

static void
a_flood_of_addresses_does_not_free_who_has_to_wait(void **state)
{
    assert_int_equal(start(10, 1000, 8), 0); /* one set of eight places: all stand together */
    for (int i = 0; i < 10; i++)
        assert_int_equal(take(1, 0), 0);
    for (uint32_t who = 2; who < 10000; who++)
        assert_int_equal(take(who, 0), 0);
    assert_int_equal(take(1, 0), 1000);
}

static void
a_limiter_without_a_rate_is_refused(void **state)
{
    assert_int_equal(start(0, 1, 1), ERR_INVALID);
    assert_int_equal(start(1, 0, 1), ERR_INVALID);
    assert_int_equal(start(1, 1, 0), ERR_INVALID);
    assert_int_equal(start(1, 1, LIMITER_CLIENTS_MAX + 1), ERR_INVALID);
    assert_null(l);
}

/* ---- in the server ---- */

enum { BURST_OF_TOKENS = 128, BURST_OF_GUESSES = 10 };

static char answer[ANSWER_BYTES_MAX];

static int
status_with(struct api_server *s, const char *token)
{
    return client_request(s, "GET", "/v1/status", token, "", NULL, answer, sizeof(answer));
}

static void
pass_time(struct api_server *s, int64_t ms)
{
    pthread_mutex_lock(&s->lock);
    s->mono_ms += ms;
    pthread_mutex_unlock(&s->lock);
}

static void
tokens_that_are_not_valid_are_slowed_down_and_the_others_are_not(void **state)
{
    static const char unknown[] = "snt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    static struct api_server s;
    server_start(&s);
    for (int i = 0; i < BURST_OF_TOKENS; i++)
        assert_int_equal(status_with(&s, i % 3 == 0 ? unknown : i % 3 == 1 ? s.expired : "nonsense"), 401);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(status_with(&s, unknown), 429);
        assert_non_null(strstr(answer, "\r\nRetry-After: 1\r\n"));
        assert_non_null(strstr(answer, "application/problem+json"));
        assert_null(strstr(answer, "WWW-Authenticate"));
    }
    assert_int_equal(status_with(&s, s.desk), 200);
    assert_int_equal(status_with(&s, NULL), 401); /* nothing was guessed */
    pass_time(&s, 1000);
    assert_int_equal(status_with(&s, unknown), 401);
    assert_int_equal(status_with(&s, unknown), 429);
    assert_int_equal(client_request(&s, "GET", "/metrics", NULL, "", NULL, answer, sizeof(answer)), 200);
    assert_non_null(strstr(answer, "smartnode_http_limited_total 4\n"));
    server_stop(&s);
}

static void
guesses_behind_a_good_token_are_counted_only_when_they_fail(void **state)
{
    static struct api_server s;
    struct err err = {0};
    server_start(&s);
    struct conn here = {.client = {127, 0, 0, 1}, .client_len = 4}, there = {.client = {127, 0, 0, 2}, .client_len = 4};
    struct request r = {.api = s.api, .conn = &here, .token_hash = {{1}}};
    struct request other = {.api = s.api, .conn = &here, .token_hash = {{2}}};
    struct request elsewhere = {.api = s.api, .conn = &there, .token_hash = {{1}}};
    for (int i = 0; i < 5 * BURST_OF_GUESSES; i++)
        assert_int_equal(guess_check(&r, &err), 0);
    for (int i = 0; i < BURST_OF_GUESSES; i++) {
        assert_int_equal(guess_check(&r, &err), 0);
        guess_failed(&r);
    }
    assert_int_equal(r.retry_after_s, 0);
    assert_int_equal(guess_check(&r, &err), ERR_DENIED);
    assert_int_equal(r.retry_after_s, 6);
    assert_int_equal(guess_check(&other, &err), 0);
    assert_int_equal(guess_check(&elsewhere, &err), 0);
    pass_time(&s, 6000);
    assert_int_equal(guess_check(&r, &err), 0);
    server_stop(&s);
}

static void
a_member_makes_so_many_passes_a_day_and_a_desk_as_many_as_it_takes(void **state)
{
    static struct api_server s;
    const struct subject_id ann = {{1}}, ben = {{2}};
    struct err err = {0};
    server_start(&s);
    struct request r = {.api = s.api, .token = {.role = ROLE_MEMBER}},
                   desk = {.api = s.api, .token = {.role = ROLE_DESK}};
    for (int i = 0; i < 16; i++) {
        assert_int_equal(own_pass_check(&r, &ann, &err), 0);
        own_pass_made(&r, &ann);
    }
    assert_int_equal(own_pass_check(&r, &ann, &err), ERR_DENIED);
    assert_int_equal(r.retry_after_s, 24 * 3600 / 16);
    r.retry_after_s = 0;
    assert_int_equal(own_pass_check(&r, &ben, &err), 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(own_pass_check(&desk, &ann, &err), 0);
        own_pass_made(&desk, &ann);
    }
    pass_time(&s, 24 * 3600 * 1000 / 16);
    assert_int_equal(own_pass_check(&r, &ann, &err), 0);
    server_stop(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_burst_is_let_through_and_then_one_at_a_time, teardown),
        cmocka_unit_test_teardown(who_has_waited_long_has_a_burst_again_and_no_more, teardown),
        cmocka_unit_test_teardown(looking_takes_nothing, teardown),
        cmocka_unit_test_teardown(each_token_at_each_address_counts_for_itself, teardown),
        cmocka_unit_test_teardown(a_flood_of_addresses_does_not_free_who_has_to_wait, teardown),
        cmocka_unit_test_teardown(a_limiter_without_a_rate_is_refused, teardown),
        cmocka_unit_test(tokens_that_are_not_valid_are_slowed_down_and_the_others_are_not),
        cmocka_unit_test(guesses_behind_a_good_token_are_counted_only_when_they_fail),
        cmocka_unit_test(a_member_makes_so_many_passes_a_day_and_a_desk_as_many_as_it_takes),
    };
    return cmocka_run_group_tests_name("limiter", tests, NULL, NULL);
}
