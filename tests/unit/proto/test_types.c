/* Dates, hex, codes, text, clocks; errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>

#include "proto/base/types.h"

static void
every_day_of_the_range_converts_back(void **state)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int32_t days = DATE_MIN.days;
    for (int y = 1900; y <= 2199; y++) {
        bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
        for (int m = 1; m <= 12; m++) {
            for (int d = 1; d <= lengths[m - 1] + (m == 2 && leap); d++, days++) {
                int ry, rm, rd;
                assert_int_equal(date_from_ymd(y, m, d).days, days);
                date_to_ymd((struct civil_date){days}, &ry, &rm, &rd);
                assert_true(ry == y && rm == m && rd == d);
            }
        }
    }
    assert_int_equal(days, DATE_MAX.days + 1);
    assert_int_equal(date_from_ymd(1970, 1, 1).days, 0);
}

static void
dates_are_written_and_read_in_one_form(void **state)
{
    struct civil_date d;
    struct err err;
    char text[DATE_TEXT_MAX];
    assert_int_equal(date_parse("2024-02-29", "day", &d, &err), 0);
    assert_string_equal(date_format(d, text), "2024-02-29");
    assert_int_equal(date_parse("1900-01-01", "day", &d, &err), 0);
    assert_int_equal(date_parse("2199-12-31", "day", &d, &err), 0);
    static const char *const bad[] = {"2023-02-29", "1899-12-31",  "2200-01-01", "2024-13-01", "2024-00-01",
                                      "2024-01-00", "2024-04-31",  "2024-1-01",  "2024-01-1",  "2024/01/01",
                                      " 024-01-01", "2024-01-01 ", "",           "2024-01-0x"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct civil_date untouched = {4711};
        assert_int_equal(date_parse(bad[i], "day", &untouched, &err), ERR_INVALID);
        assert_string_equal(err.field, "day");
        assert_int_equal(untouched.days, 4711);
    }
    assert_true(date_is_none(DATE_NONE));
    assert_string_equal(date_format(DATE_NONE, text), "-");
}

static void
months_and_years_start_on_their_first_day(void **state)
{
    char text[DATE_TEXT_MAX];
    struct civil_date d = date_from_ymd(2024, 2, 29);
    assert_string_equal(date_format(date_month_start(d), text), "2024-02-01");
    assert_string_equal(date_format(date_year_start(d), text), "2024-01-01");
    d = date_from_ymd(1969, 12, 31);
    assert_string_equal(date_format(date_month_start(d), text), "1969-12-01");
    assert_string_equal(date_format(date_year_start(d), text), "1969-01-01");
}

static void
hex_is_exact(void **state)
{
    uint8_t bytes[3] = {0x00, 0xAF, 0xFF}, back[3];
    char text[7];
    assert_string_equal(hex_encode(bytes, 3, text), "00afff");
    assert_true(hex_decode("00AFff", back, 3));
    assert_memory_equal(bytes, back, 3);
    memset(back, 7, sizeof(back));
    assert_false(hex_decode("00afff0", back, 3));
    assert_false(hex_decode("00aff", back, 3));
    assert_false(hex_decode("00afg0", back, 3));
    assert_false(hex_decode("", back, 3));
    assert_int_equal(back[0], 7);
}

static void
codes_are_checked(void **state)
{
    assert_true(unit_code_ok("BE") && unit_code_ok("A1234567"));
    assert_false(unit_code_ok("B") || unit_code_ok("A12345678") || unit_code_ok("1A") || unit_code_ok("Be") ||
                 unit_code_ok(""));
    assert_true(currency_ok("EUR"));
    assert_false(currency_ok("EU") || currency_ok("EURO") || currency_ok("eur") || currency_ok("E1R") ||
                 currency_ok(""));
}

#define TEXT_OK(s) text_ok(s, sizeof(s) - 1)

static void
text_is_utf8_without_control_characters(void **state)
{
    assert_true(TEXT_OK("") && TEXT_OK("Liège") && TEXT_OK("日本") && TEXT_OK("\xF0\x9F\x98\x80") &&
                TEXT_OK("\xC2\xA0"));
    assert_true(TEXT_OK("\xEF\xBF\xBF") && TEXT_OK("\xED\x9F\xBF") && TEXT_OK("\xF4\x8F\xBF\xBF"));
    assert_false(TEXT_OK("a\0b") || TEXT_OK("\n") || TEXT_OK("\x7F") || TEXT_OK("\xC2\x80") || TEXT_OK("\xC2\x9F"));
    assert_false(TEXT_OK("\x80"));             /* starts in the middle */
    assert_false(TEXT_OK("\xC3"));             /* cut */
    assert_false(TEXT_OK("\xC0\xAF"));         /* overlong */
    assert_false(TEXT_OK("\xE0\x9F\xBF"));     /* overlong */
    assert_false(TEXT_OK("\xED\xA0\x80"));     /* surrogate */
    assert_false(TEXT_OK("\xF0\x8F\xBF\xBF")); /* overlong */
    assert_false(TEXT_OK("\xF4\x90\x80\x80")); /* beyond U+10FFFF */
    assert_false(TEXT_OK("\xE2\x82") || TEXT_OK("\xE2\x28\xA1") || TEXT_OK("\xFF"));
}

static void
a_clock_only_goes_forward(void **state)
{
    struct hlc c = hlc_next((struct hlc){0}, (struct wall_ms){1000});
    assert_int_equal(hlc_wall(c).ms, 1000);
    struct hlc same = hlc_next(c, (struct wall_ms){1000});
    assert_int_equal(same.v, c.v + 1);
    struct hlc back = hlc_next(same, (struct wall_ms){5});
    assert_int_equal(back.v, same.v + 1);
    struct hlc later = hlc_next(back, (struct wall_ms){2000});
    assert_int_equal(hlc_wall(later).ms, 2000);
    struct hlc full = {(uint64_t)1000 << 16 | 0xFFFF};
    assert_true(hlc_next(full, (struct wall_ms){1000}).v > full.v);
}

static void
errors_read_from_the_general_to_the_particular(void **state)
{
    struct err e;
    assert_int_equal(err_field(&e, ERR_FULL, "disk", "database %s", "full"), ERR_FULL);
    assert_int_equal(err_wrap(&e, "append %s/%d", "BE", 4711), ERR_FULL);
    assert_string_equal(e.text, "append BE/4711: database full");
    assert_string_equal(e.field, "disk");
    assert_int_equal(err_set(&e, ERR_IO, "%0400d", 1), ERR_IO);
    assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
    assert_string_equal(e.field, "");
    (void)err_wrap(&e, "%0400d", 2);
    assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
    assert_int_equal(err_set(NULL, ERR_BUSY, "x"), ERR_BUSY);
    errno = ENOSPC;
    assert_int_equal(err_errno(&e, "write"), ERR_FULL);
    errno = ENOMEM;
    assert_int_equal(err_errno(&e, "write"), ERR_NOMEM);
    errno = EACCES;
    assert_int_equal(err_errno(&e, "write"), ERR_IO);
    assert_non_null(strstr(e.text, "write: "));
    for (int code = 0; code >= ERR_UNAVAILABLE; code--)
        assert_true(strlen(err_name((enum err_code)code)) > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_of_the_range_converts_back),
        cmocka_unit_test(dates_are_written_and_read_in_one_form),
        cmocka_unit_test(months_and_years_start_on_their_first_day),
        cmocka_unit_test(hex_is_exact),
        cmocka_unit_test(codes_are_checked),
        cmocka_unit_test(text_is_utf8_without_control_characters),
        cmocka_unit_test(a_clock_only_goes_forward),
        cmocka_unit_test(errors_read_from_the_general_to_the_particular),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
