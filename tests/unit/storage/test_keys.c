/* Tables and keys as docs/STORAGE.md has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/bytes.h"
#include "storage/keys.h"

static void
every_table_has_a_name_and_the_replicated_ones_a_number(void **state)
{
    unsigned seen = 0;
    for (unsigned t = 0; t < TABLE_COUNT_ALL; t++) {
        assert_non_null(table_name(t));
        for (unsigned other = 0; other < t; other++)
            assert_string_not_equal(table_name(t), table_name(other));
        if (table_fingerprint_no(t) > 0) {
            assert_int_equal(table_db(t), DB_MAIN);
            assert_int_equal(seen & 1U << table_fingerprint_no(t), 0);
            seen |= 1U << table_fingerprint_no(t);
        }
    }
    assert_int_equal(seen & 0x1fffe, 0x1fffe); /* 1 to 16 */
    assert_int_equal(table_fingerprint_no(TABLE_MEMBERS), 1);
    assert_int_equal(table_fingerprint_no(TABLE_CAPITAL), 7);
}

static void
keys_are_laid_out_as_documented(void **state)
{
    struct unit_id unit;
    struct office_id office;
    struct subject_id subject;
    uint8_t day[KEY_COUNTS], next[KEY_COUNTS], capital[KEY_CAPITAL], member[KEY_MEMBER], place[KEY_OFFICE];
    uint8_t period[KEY_PERIOD];
    memset(unit.b, 1, sizeof(unit.b));
    memset(office.b, 2, sizeof(office.b));
    memset(subject.b, 3, sizeof(subject.b));
    key_counts(day, &unit, PERIOD_DAY, date_from_ymd(2024, 12, 31), &office, 1, 2);
    key_counts(next, &unit, PERIOD_DAY, date_from_ymd(2025, 1, 1), &office, 1, 1);
    assert_true(memcmp(day, next, sizeof(day)) < 0);
    assert_int_equal(day[32], 'D');
    assert_int_equal(be32_get(day + 33), 20241231);
    assert_int_equal(day[37], 2);
    assert_int_equal(day[53], 1);
    assert_int_equal(day[54], 2);
    key_period(period, PERIOD_MONTH, date_from_ymd(2024, 12, 31));
    assert_int_equal(period[0], 'M');
    assert_int_equal(be32_get(period + 1), 202412);
    key_capital(capital, &unit, PERIOD_YEAR, date_from_ymd(2024, 12, 31), "EUR");
    assert_int_equal(be32_get(capital + 33), 2024);
    assert_memory_equal(capital + 37, "EUR", 3);
    key_member(member, &subject, &unit);
    assert_int_equal(member[15], 3);
    assert_int_equal(member[16], 1);
    key_office(place, &unit, &office);
    assert_int_equal(place[31], 1);
    assert_int_equal(place[32], 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_has_a_name_and_the_replicated_ones_a_number),
        cmocka_unit_test(keys_are_laid_out_as_documented),
    };
    return cmocka_run_group_tests_name("storage keys", tests, NULL, NULL);
}
