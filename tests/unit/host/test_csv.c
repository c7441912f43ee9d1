/* node/host/csv.c: records with their place in the file, and what is wrong with those that cannot be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/host/csv.h"

static struct csv_reader *
reader(const char *text)
{
    struct csv_reader *r = NULL;
    struct err err = {0};
    assert_int_equal(csv_reader_new(slice_of(text, strlen(text)), &r, &err), 0);
    return r;
}

static struct csv_record
next(struct csv_reader *r)
{
    struct csv_record rec;
    struct err err = {0};
    assert_int_equal(csv_reader_next(r, &rec, &err), 0);
    return rec;
}

static void
assert_end(struct csv_reader **r)
{
    struct csv_record rec;
    struct err err = {0};
    assert_int_equal(csv_reader_next(*r, &rec, &err), ERR_NOTFOUND);
    csv_reader_free(r);
}

static void
assert_raw(const struct csv_record *rec, const char *text)
{
    assert_int_equal(rec->raw.len, strlen(text));
    assert_memory_equal(rec->raw.data, text, rec->raw.len);
}

static void
fields_come_with_number_line_and_raw_text(void **state)
{
    struct csv_reader *r = reader("a,b\r\n1,\"x, \"\"y\"\"\"\r\n\r\n3,\r\n");
    struct csv_record rec = next(r);
    assert_int_equal(rec.number, 0);
    assert_int_equal(rec.n, 2);
    assert_string_equal(rec.fields[1], "b");
    rec = next(r);
    assert_int_equal(rec.number, 1);
    assert_int_equal(rec.line, 2);
    assert_int_equal(rec.offset, 5);
    assert_string_equal(rec.fields[1], "x, \"y\"");
    assert_raw(&rec, "1,\"x, \"\"y\"\"\"");
    rec = next(r);
    assert_int_equal(rec.number, 2);
    assert_int_equal(rec.line, 4);
    assert_int_equal(rec.n, 2);
    assert_string_equal(rec.fields[1], "");
    assert_end(&r);
}

static void
the_last_line_needs_no_end(void **state)
{
    struct csv_reader *r = reader("a,b\n1,2");
    next(r);
    struct csv_record rec = next(r);
    assert_int_equal(rec.n, 2);
    assert_string_equal(rec.fields[1], "2");
    assert_raw(&rec, "1,2");
    assert_end(&r);
}

static void
a_line_break_in_quotes_is_of_the_field(void **state)
{
    struct csv_reader *r = reader("a,b\n1,\"x\ny\"\n2,z\n");
    next(r);
    struct csv_record rec = next(r);
    assert_string_equal(rec.fields[1], "x\ny");
    rec = next(r);
    assert_int_equal(rec.line, 4);
    assert_string_equal(rec.fields[1], "z");
    assert_end(&r);
}

static void
semicolons_are_seen_where_the_header_has_no_comma(void **state)
{
    struct csv_reader *r = reader("a;b\n1;2,5\n");
    assert_int_equal(csv_reader_delimiter(r), ';');
    next(r);
    struct csv_record rec = next(r);
    assert_int_equal(rec.n, 2);
    assert_string_equal(rec.fields[1], "2,5");
    assert_end(&r);
}

static void
a_mark_of_utf8_is_no_part_of_the_first_column(void **state)
{
    struct csv_reader *r = reader("\xef\xbb\xbf"
                                  "a,b\n");
    struct csv_record rec = next(r);
    assert_string_equal(rec.fields[0], "a");
    assert_end(&r);
}

static void
a_quote_that_is_never_closed_costs_one_row(void **state)
{
    struct csv_reader *r = reader("a,b,c\n1,\"x,2\n3,4,5\n6,7,8\n");
    next(r);
    struct csv_record rec = next(r);
    assert_int_equal(rec.err.code, ERR_INVALID);
    assert_string_equal(rec.err.text, "quote never closed");
    assert_int_equal(rec.open_field, 1);
    assert_int_equal(rec.number, 1);
    assert_int_equal(rec.line, 2);
    assert_raw(&rec, "1,\"x,2");
    rec = next(r);
    assert_int_equal(rec.err.code, ERR_NONE);
    assert_int_equal(rec.number, 2);
    assert_int_equal(rec.line, 3);
    assert_string_equal(rec.fields[0], "3");
    next(r);
    assert_end(&r);
}

static void
an_open_quote_before_quoted_rows_costs_one_row(void **state)
{
    struct csv_reader *r = reader("a,b\n1,\"x\n\"2\",\"y\"\n");
    next(r);
    struct csv_record rec = next(r);
    assert_string_equal(rec.err.text, "quote never closed");
    rec = next(r);
    assert_int_equal(rec.err.code, ERR_NONE);
    assert_string_equal(rec.fields[0], "2");
    assert_end(&r);
}

static void
a_quote_inside_a_plain_field_is_an_error_of_its_row(void **state)
{
    struct csv_reader *r = reader("a,b\n1,5\" pipe\n2,y\n");
    next(r);
    struct csv_record rec = next(r);
    assert_int_equal(rec.err.code, ERR_INVALID);
    assert_int_equal(rec.open_field, SIZE_MAX);
    rec = next(r);
    assert_string_equal(rec.fields[0], "2");
    assert_end(&r);
}

static void
more_fields_than_the_reader_has_room_for_is_an_error_of_its_row(void **state)
{
    char text[4 * CSV_FIELDS_MAX];
    size_t n = 0;
    text[n++] = 'a';
    text[n++] = '\n';
    for (int i = 0; i <= CSV_FIELDS_MAX; i++)
        text[n++] = ',';
    text[n++] = '\n';
    text[n++] = 'b';
    text[n] = '\0';
    struct csv_reader *r = reader(text);
    next(r);
    struct csv_record rec = next(r);
    assert_int_equal(rec.err.code, ERR_INVALID);
    rec = next(r);
    assert_string_equal(rec.fields[0], "b");
    assert_end(&r);
}

static void
utf16_is_refused_with_what_to_do(void **state)
{
    struct csv_reader *r = NULL;
    struct err err = {0};
    assert_int_equal(csv_reader_new(slice_of("\xff\xfe"
                                             "a\0,\0",
                                             6),
                                    &r, &err),
                     ERR_INVALID);
    assert_non_null(strstr(err.text, "UTF-16"));
    assert_int_equal(csv_reader_new(slice_of("a\0,\0", 4), &r, &err), ERR_INVALID);
    assert_null(r);
}

static void
a_file_that_is_not_there_is_said_to_be_so(void **state)
{
    struct csv_reader *r = NULL;
    struct err err = {0};
    assert_int_equal(csv_reader_open("/nonexistent/members.csv", &r, &err), ERR_NOTFOUND);
}

static void
latin1_is_not_utf8(void **state)
{
    assert_true(csv_utf8("André", strlen("André")));
    assert_false(csv_utf8("Andr\xe9", 5));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_come_with_number_line_and_raw_text),
        cmocka_unit_test(the_last_line_needs_no_end),
        cmocka_unit_test(a_line_break_in_quotes_is_of_the_field),
        cmocka_unit_test(semicolons_are_seen_where_the_header_has_no_comma),
        cmocka_unit_test(a_mark_of_utf8_is_no_part_of_the_first_column),
        cmocka_unit_test(a_quote_that_is_never_closed_costs_one_row),
        cmocka_unit_test(an_open_quote_before_quoted_rows_costs_one_row),
        cmocka_unit_test(a_quote_inside_a_plain_field_is_an_error_of_its_row),
        cmocka_unit_test(more_fields_than_the_reader_has_room_for_is_an_error_of_its_row),
        cmocka_unit_test(utf16_is_refused_with_what_to_do),
        cmocka_unit_test(a_file_that_is_not_there_is_said_to_be_so),
        cmocka_unit_test(latin1_is_not_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
