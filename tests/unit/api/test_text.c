/* What needs no server: JSON in and out, CSV, heads, tokens, rows, ETags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/api/guard.h"
#include "node/api/idem.h"
#include "node/api/json_in.h"
#include "node/api/json_out.h"
#include "node/api/token.h"

static struct buf out;

static int
setup(void **state)
{
    (void)state;
    buf_init(&out, 1 << 20);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    buf_free(&out);
    return 0;
}

static void
out_is(const char *expected)
{
    buf_put_u8(&out, 0);
    assert_int_equal(buf_check(&out, "out", NULL), 0);
    assert_string_equal((const char *)out.data, expected);
    buf_clear(&out);
}

static void
writes_commas_where_they_belong(void **state)
{
    struct json_out j = json_out_of(&out);

    json_open(&j, '{');
    json_key(&j, "a");
    json_open(&j, '[');
    json_int(&j, INT64_MIN);
    json_uint(&j, UINT64_MAX);
    json_open(&j, '{');
    json_close(&j, '}');
    json_none(&j);
    json_close(&j, ']');
    json_put_bool(&j, "b", true);
    json_put_date(&j, "c", DATE_NONE);
    json_close(&j, '}');
    out_is("{\"a\":[-9223372036854775808,18446744073709551615,{},null],\"b\":true,\"c\":null}");
}

static void
escapes_what_would_break_out(void **state)
{
    struct json_out j = json_out_of(&out);
    static const char text[] = "a\"\\\n\x01\x7f</é";

    json_text(&j, text, sizeof(text) - 1);
    out_is("\"a\\\"\\\\\\n\\u0001\\u007f\\u003c/é\"");
}

static void
writes_times_in_utc_and_within_bounds(void **state)
{
    text_put_time(&out, (struct wall_ms){1777852801234});
    text_put_time(&out, (struct wall_ms){-1});
    text_put_time(&out, (struct wall_ms){INT64_MAX});
    out_is("2026-05-04T00:00:01.234Z1969-12-31T23:59:59.999Z2199-12-31T23:59:59.999Z");
}

static void
quotes_csv_and_disarms_formulas(void **state)
{
    text_put_csv(&out, "a,\"b\"");
    text_put_csv(&out, "=1+1");
    out_is("\"a,\"\"b\"\"\"'=1+1");
}

static int
open_text(struct json_in *in, const char *text, struct err *err)
{
    return json_in_open(in, slice_of(text, strlen(text)), err);
}

static void
refuses_json_that_is_not_one_object(void **state)
{
    static const char *const bad[] = {
        "", "[]", "1", "{\"a\":1,\"a\":2}", "{", "{}x", "{\"a\":\"\\u0000\"}", "{\"a\":1e400}"};
    struct json_in in;
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(open_text(&in, bad[i], &err), ERR_INVALID);
    }
}

static void
refuses_depth_before_parsing(void **state)
{
    char deep[200001];
    struct json_in in;
    struct err err;

    memset(deep, '[', 200000);
    deep[200000] = '\0';
    assert_int_equal(open_text(&in, deep, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "nested deeper"));
    assert_int_equal(open_text(&in, "{\"a\":\"[[[[[[[[[[[[\\\"[[[\"}", &err), 0);
    char text[32];
    assert_true(json_in_text(&in, "a", true, text, sizeof(text)));
    assert_int_equal(json_in_done(&in), 0);
}

static void
names_an_unknown_field_in_an_inner_object(void **state)
{
    struct json_in in, inner;
    struct err err;
    uint64_t v = 0;

    assert_int_equal(open_text(&in, "{\"p\":{\"x\":7,\"y\":1}}", &err), 0);
    assert_true(json_in_object(&in, "p", &inner));
    assert_true(json_in_uint(&inner, "x", true, 10, &v));
    assert_int_equal(json_in_done(&inner), ERR_INVALID);
    assert_int_equal(json_in_done(&in), ERR_INVALID);
    assert_string_equal(err.field, "p.y");
    assert_int_equal(v, 7);
}

static void
takes_whole_numbers_only(void **state)
{
    static const char *const bad[] = {"{\"n\":1.0}",  "{\"n\":-1}", "{\"n\":\"1\"}", "{\"n\":11}",
                                      "{\"n\":true}", "{}",         "{\"n\":null}"};
    struct json_in in;
    struct err err;
    uint64_t v;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(open_text(&in, bad[i], &err), 0);
        assert_false(json_in_uint(&in, "n", true, 10, &v));
        assert_int_equal(json_in_done(&in), ERR_INVALID);
        assert_string_equal(err.field, "n");
    }
}

static const char *
head_fault(const char *const pairs[], size_t n)
{
    struct guard g = {0};

    for (size_t i = 0; i + 1 < n; i += 2) {
        guard_header(&g, pairs[i], strlen(pairs[i]), pairs[i + 1], strlen(pairs[i + 1]));
    }
    return guard_end(&g);
}

static void
guard_lets_plain_heads_pass_and_no_others(void **state)
{
#define HEAD(...) head_fault((const char *const[]){__VA_ARGS__}, ARRAY_LEN(((const char *const[]){__VA_ARGS__})))
    assert_null(HEAD("Host", "a", "Content-Length", "12", "X-A", "1", "X-A", "2"));
    assert_null(HEAD("transfer-encoding", "Chunked"));
    assert_non_null(HEAD("Content-Length", "12", "content-length", "12"));
    assert_non_null(HEAD("Content-Length", "12", "Transfer-Encoding", "chunked"));
    assert_non_null(HEAD("Transfer-Encoding", "chunked, gzip"));
    assert_non_null(HEAD("Content-Length ", "12"));
    assert_non_null(HEAD("Content-Length", ""));
    assert_non_null(HEAD("Content-Length", "1234567890123456789"));
    assert_non_null(HEAD("X", "a\001b"));
    assert_non_null(HEAD("If-Match", "a", "if-match", "b"));
    assert_non_null(HEAD("", "a"));
    assert_true(guard_target("/v1/members?q=a%20b"));
    assert_false(guard_target("/v1%00/x"));
    assert_true(guard_target("/v1/members?q=a%2Fb"));
    assert_false(guard_target("/v1/members/ab%2fhistory"));
    assert_false(guard_target("/v1/members/ab%2Fhistory?limit=1"));
    assert_false(guard_target("/v1/members/ab%5chistory"));
    assert_false(guard_target("http://x/"));
    assert_false(guard_target("/\xc3\xa9"));
}

static void
token_text_and_hash_fit(void **state)
{
    uint8_t random[TOKEN_RANDOM_BYTES];
    char text[TOKEN_TEXT_MAX];
    struct hash a, b;
    struct err err;

    memset(random, 0xff, sizeof(random));
    token_text(random, text);
    assert_string_equal(text, "snt___________________________________________8");
    assert_int_equal(token_hash(text, strlen(text), &a, &err), 0);
    random[31] = 0xfe;
    token_text(random, text);
    assert_int_equal(token_hash(text, strlen(text), &b, &err), 0);
    assert_memory_not_equal(&a, &b, sizeof(a));
    text[5] = '+';
    assert_int_equal(token_hash(text, strlen(text), &b, &err), ERR_INVALID);
    assert_int_equal(token_hash("snt_", 4, &b, &err), ERR_INVALID);
}

static void
token_rows_come_back_and_damaged_ones_do_not(void **state)
{
    struct token_row row = {.role = ROLE_MEMBER, .created.ms = 5, .expires.ms = 10, .name.s = "Ann"}, back;
    struct err err;

    assert_int_equal(token_row_encode(&row, &out, &err), ERR_INVALID); /* a member's without member */
    assert_string_equal(err.field, "member");
    row.subject.b[3] = 1;
    assert_int_equal(token_row_encode(&row, &out, &err), 0);
    assert_int_equal(token_row_decode(buf_slice(&out), &back, &err), 0);
    assert_int_equal(back.role, ROLE_MEMBER);
    assert_string_equal(back.name.s, "Ann");
    assert_int_equal(token_row_check(&back, (struct wall_ms){9}, &err), 0);
    assert_int_equal(token_row_check(&back, (struct wall_ms){10}, &err), ERR_DENIED);
    back.revoked.ms = 7;
    assert_int_equal(token_row_check(&back, (struct wall_ms){9}, &err), ERR_DENIED);
    for (size_t len = 0; len < out.len; len++) {
        assert_int_equal(token_row_decode(slice_of(out.data, len), &back, &err), ERR_CORRUPT);
    }
    out.data[1] = 3; /* two roles */
    assert_int_equal(token_row_decode(buf_slice(&out), &back, &err), ERR_CORRUPT);
}

static void
idempotency_rows_come_back(void **state)
{
    struct idem_row row = {.status = 201, .log_no = 7, .seq = 1ULL << 40, .recorded.ms = 123456789012}, back;
    uint8_t bytes[IDEM_ROW_BYTES], early[IDEM_TIME_KEY_BYTES], late[IDEM_TIME_KEY_BYTES];
    struct hash token = {{1}}, key;
    struct err err;

    memset(row.request_hash.b, 9, HASH_BYTES);
    idem_row_encode(&row, bytes);
    assert_int_equal(idem_row_decode(slice_of(bytes, sizeof(bytes)), &back, &err), 0);
    assert_memory_equal(&row.request_hash, &back.request_hash, HASH_BYTES);
    assert_int_equal(back.status, 201);
    assert_int_equal(back.log_no, 7);
    assert_int_equal(back.seq, 1ULL << 40);
    assert_int_equal(back.recorded.ms, 123456789012);
    assert_int_equal(idem_row_decode(slice_of(bytes, sizeof(bytes) - 1), &back, &err), ERR_CORRUPT);
    key = idem_key(&token, slice_of("k", 1), 0);
    struct hash other = idem_key(&token, slice_of("k", 1), 1);
    assert_memory_not_equal(&key, &other, sizeof(key));
    idem_time_key((struct wall_ms){1}, &key, early);
    idem_time_key((struct wall_ms){256}, &other, late);
    assert_true(memcmp(early, late, sizeof(early)) < 0);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(writes_commas_where_they_belong),
        CASE(escapes_what_would_break_out),
        CASE(writes_times_in_utc_and_within_bounds),
        CASE(quotes_csv_and_disarms_formulas),
        CASE(refuses_json_that_is_not_one_object),
        CASE(refuses_depth_before_parsing),
        CASE(names_an_unknown_field_in_an_inner_object),
        CASE(takes_whole_numbers_only),
        CASE(guard_lets_plain_heads_pass_and_no_others),
        CASE(token_text_and_hash_fit),
        CASE(token_rows_come_back_and_damaged_ones_do_not),
        CASE(idempotency_rows_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
