/* Buffers that stop at their bound, readers that stop at their first failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/base/bytes.h"

static void
a_buffer_grows_to_its_bound_and_no_further(void **state)
{
    struct buf b;
    struct err err;
    buf_init(&b, 1000);
    for (int i = 0; i < 1000; i++)
        buf_put_u8(&b, (uint8_t)i);
    assert_int_equal(buf_check(&b, "x", &err), 0);
    buf_put_u8(&b, 1);
    assert_true(b.failed);
    assert_int_equal(b.len, 1000);
    assert_int_equal(buf_check(&b, "x", &err), ERR_LIMIT);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(b.data[i], (uint8_t)i);
    buf_clear(&b);
    buf_put(&b, "abc", 3);
    assert_int_equal(buf_check(&b, "x", &err), 0);
    assert_true(slice_eq(buf_slice(&b), slice_of("abc", 3)));
    buf_free(&b);
    assert_null(b.data);
    buf_put(&b, "d", 1);
    assert_int_equal(b.len, 1);
    buf_free(&b);
}

static void
a_failure_sticks_and_keeps_what_is_there(void **state)
{
    struct buf b;
    buf_init(&b, 4);
    buf_put(&b, "ab", 2);
    buf_put(&b, "cde", 3);
    buf_put_u8(&b, 'f');
    assert_int_equal(b.len, 2);
    assert_null(buf_reserve(&b, 1));
    assert_int_equal(buf_check(&b, "x", NULL), ERR_LIMIT);
    buf_free(&b);
}

static void
a_fixed_buffer_borrows_and_is_wiped(void **state)
{
    uint8_t memory[4] = {0};
    struct buf b;
    buf_fixed(&b, memory, sizeof(memory));
    buf_put_u32(&b, 0x01020304);
    assert_int_equal(memory[3], 4);
    buf_put_u8(&b, 5);
    assert_int_equal(buf_check(&b, "x", NULL), ERR_LIMIT);
    buf_free(&b);
    assert_int_equal(memory[0] | memory[1] | memory[2] | memory[3], 0);
}

static void
numbers_come_back_as_they_went_in(void **state)
{
    static const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct buf b;
        buf_init(&b, 100);
        buf_put_varint(&b, values[i]);
        assert_int_equal(b.len, varint_len(values[i]));
        buf_put_svarint(&b, (int64_t)values[i]);
        buf_put_u64(&b, values[i]);
        buf_put_u32(&b, (uint32_t)values[i]);
        buf_put_u16(&b, (uint16_t)values[i]);
        buf_put_fixed64_le(&b, values[i]);
        struct reader r = reader_of(buf_slice(&b));
        assert_true(reader_varint(&r) == values[i]);
        assert_true(reader_svarint(&r) == (int64_t)values[i]);
        assert_true(reader_u64(&r) == values[i]);
        assert_int_equal(reader_u32(&r), (uint32_t)values[i]);
        assert_int_equal(reader_u16(&r), (uint16_t)values[i]);
        assert_true(reader_fixed64_le(&r) == values[i]);
        assert_true(reader_done(&r));
        buf_free(&b);
    }
}

static void
zigzag_is_that_of_protobuf(void **state)
{
    static const int64_t values[] = {0, -1, 1, -2, 2};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        uint8_t memory[VARINT_MAX];
        struct buf b;
        buf_fixed(&b, memory, sizeof(memory));
        buf_put_svarint(&b, values[i]);
        assert_int_equal(b.len, 1);
        assert_int_equal(memory[0], i);
    }
}

static bool
varint_fails(const char *bytes, size_t len)
{
    struct reader r = reader_of(slice_of(bytes, len));
    return reader_varint(&r) == 0 && r.failed;
}

static void
only_the_shortest_varint_is_read(void **state)
{
    assert_true(varint_fails("", 0));
    assert_true(varint_fails("\x80", 1));
    assert_true(varint_fails("\x80\x00", 2));
    assert_true(varint_fails("\xFF\x80\x00", 3));
    assert_true(varint_fails("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 10));
    assert_true(varint_fails("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x81\x00", 11));
    assert_false(varint_fails("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 10));
}

static void
a_reader_that_failed_reads_zeros(void **state)
{
    uint8_t out[2] = {7, 7};
    struct reader r = reader_of(slice_of("abc", 3));
    assert_int_equal(reader_u16(&r), 0x6162);
    assert_int_equal(reader_left(&r), 1);
    assert_int_equal(reader_u16(&r), 0);
    assert_true(r.failed);
    assert_int_equal(reader_u8(&r), 0);
    assert_int_equal(reader_left(&r), 0);
    assert_false(reader_done(&r));
    reader_copy(&r, out, sizeof(out));
    assert_int_equal(out[0] | out[1], 0);
    assert_null(reader_bytes(&r, 0).data);
    struct reader empty = reader_of(slice_of(NULL, 0));
    assert_true(reader_done(&empty));
    assert_int_equal(reader_bytes(&empty, 0).len, 0);
    assert_false(empty.failed);
}

static void
integers_in_keys_are_big_endian(void **state)
{
    uint8_t p[8];
    be64_put(p, UINT64_C(0x0102030405060708));
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(p[i], i + 1);
    assert_true(be64_get(p) == UINT64_C(0x0102030405060708));
    assert_int_equal(be32_get(p), 0x01020304);
    assert_int_equal(be16_get(p), 0x0102);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_grows_to_its_bound_and_no_further),
        cmocka_unit_test(a_failure_sticks_and_keeps_what_is_there),
        cmocka_unit_test(a_fixed_buffer_borrows_and_is_wiped),
        cmocka_unit_test(numbers_come_back_as_they_went_in),
        cmocka_unit_test(zigzag_is_that_of_protobuf),
        cmocka_unit_test(only_the_shortest_varint_is_read),
        cmocka_unit_test(a_reader_that_failed_reads_zeros),
        cmocka_unit_test(integers_in_keys_are_big_endian),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
