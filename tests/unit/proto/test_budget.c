/* Messages that would expand beyond their budget, and what the wire check refuses of sub messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "events.pb-c.h"
#include "proto/budget.h"

static void
a_message_over_its_budget_is_refused_and_nothing_leaks(void **state)
{
    static uint8_t bytes[60000]; /* empty sub messages, two bytes each */
    struct budget b;
    ProtobufCMessage *m = NULL;
    for (size_t i = 0; i < sizeof(bytes); i += 2)
        bytes[i] = 0x32;
    budget_init(&b, sizeof(bytes));
    size_t all = b.left;
    assert_int_equal(all, 4 * sizeof(bytes) + 65536);
    struct slice s = slice_of(bytes, sizeof(bytes));
    assert_int_equal(message_unpack(&smartnode__root_statement__descriptor, s, SIZE_MAX, &b, &m, NULL), ERR_NOMEM);
    assert_null(m);
    assert_int_equal(b.left, all);
    assert_int_equal(message_unpack(&smartnode__root_statement__descriptor, s, 100, &b, &m, NULL), ERR_LIMIT);
    assert_int_equal(message_unpack(&smartnode__root_statement__descriptor, slice_of(bytes, 200), 100, &b, &m, NULL),
                     0);
    assert_true(b.left < all);
    message_free(m, &b);
    assert_int_equal(b.left, all);
    message_free(NULL, &b);
}

#define CHECK(text) message_check(&smartnode__root_statement__descriptor, slice_of(text, sizeof(text) - 1), 100, NULL)

static void
sub_messages_are_checked_as_their_parents(void **state)
{
    assert_int_equal(CHECK(""), 0);
    assert_int_equal(CHECK("\x32\x02\x10\x05"), 0);
    assert_int_equal(CHECK("\x32\x04\x10\x05\x10\x05"), ERR_INVALID); /* twice */
    assert_int_equal(CHECK("\x32\x02\x12\x00"), ERR_INVALID);         /* bytes for a number */
    assert_int_equal(CHECK("\x32\x01\x10"), ERR_INVALID);             /* cut inside */
    assert_int_equal(CHECK("\x30\x01"), ERR_INVALID);                 /* a number for a message */
    assert_int_equal(CHECK("\x18\x80\x80\x80\x80\x10"), ERR_INVALID); /* 33 bits in 32 */
    assert_int_equal(CHECK("\x18\xFF\xFF\xFF\xFF\x0F"), 0);
}

static void
fields_are_walked_one_by_one(void **state)
{
    struct wire_field f;
    struct reader r = reader_of(slice_of("\x08\x96\x01\x11yyyyyyyy\x1A\x02hi\x25xxxx", 21));
    assert_true(wire_field_next(&r, &f) && f.number == 1 && f.wire_type == 0 && f.value == 150);
    assert_true(wire_field_next(&r, &f) && f.number == 2 && f.wire_type == 1 && f.bytes.len == 8);
    assert_true(wire_field_next(&r, &f) && f.number == 3 && slice_eq(f.bytes, slice_of("hi", 2)));
    assert_true(wire_field_next(&r, &f) && f.number == 4 && f.wire_type == 5 && f.bytes.len == 4);
    assert_false(wire_field_next(&r, &f));
    assert_false(r.failed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_over_its_budget_is_refused_and_nothing_leaks),
        cmocka_unit_test(sub_messages_are_checked_as_their_parents),
        cmocka_unit_test(fields_are_walked_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
