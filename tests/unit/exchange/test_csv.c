/* node/exchange/csv.c: records with their place in the file, and what is wrong with those that cannot be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/exchange/csv.h"

static struct csv_reader *
reader(const char *text)
{
    struct csv_reader *r = NULL;
    struct err err = {0};
    assert_int_equal(csv_reader_new(slice_of(text, strlen(text)), '\0', &r, &err), 0);
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
the_delimiter_is_what_stands_most_often_outside_quotes(void **state)
{
    static const struct {
        const char *text;
        char delimiter;
    } CASES[] = {
        {"a;b\n", ';'},        {"a\tb\n1,2\n", '\t'}, {"name, given;b;c\n", ';'}, {"\"a;b;c\",d\n", ','},
        {"alone\n1;2\n", ','}, {"a,b;c\n", ','},      {"\n\na\tb\n", '\t'},       {"", ','},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct csv_reader *r = reader(CASES[i].text);
        if (csv_reader_delimiter(r) != CASES[i].delimiter)
            fail_msg("%s", CASES[i].text);
        csv_reader_free(&r);
    }
}

static void
a_delimiter_that_is_named_is_not_found_out(void **state)
{
    struct csv_reader *r = NULL;
    struct err err = {0};
    assert_int_equal(csv_reader_new(slice_of("a,b;c", 5), ';', &r, &err), 0);
    struct csv_record rec = next(r);
    assert_int_equal(rec.n, 2);
    assert_string_equal(rec.fields[0], "a,b");
    assert_end(&r);
}

static void
a_sep_line_of_a_spreadsheet_names_the_delimiter(void **state)
{
    struct csv_reader *r = reader("sep=;\r\na,b;c\r\n");
    struct csv_record rec = next(r);
    assert_int_equal(rec.number, 0);
    assert_int_equal(rec.line, 2);
    assert_string_equal(rec.fields[0], "a,b");
    assert_end(&r);
}

static void
lines_may_end_in_cr_alone(void **state)
{
    struct csv_reader *r = reader("a\tb\r1\t\r\r3\t4\r");
    next(r);
    struct csv_record rec = next(r);
    assert_int_equal(rec.n, 2);
    assert_int_equal(rec.line, 2);
    assert_string_equal(rec.fields[1], "");
    assert_raw(&rec, "1\t");
    rec = next(r);
    assert_int_equal(rec.line, 4);
    assert_string_equal(rec.fields[1], "4");
    assert_end(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_come_with_number_line_and_raw_text),
        cmocka_unit_test(the_last_line_needs_no_end),
        cmocka_unit_test(a_line_break_in_quotes_is_of_the_field),
        cmocka_unit_test(semicolons_are_seen_where_the_header_has_no_comma),
        cmocka_unit_test(a_quote_that_is_never_closed_costs_one_row),
        cmocka_unit_test(an_open_quote_before_quoted_rows_costs_one_row),
        cmocka_unit_test(a_quote_inside_a_plain_field_is_an_error_of_its_row),
        cmocka_unit_test(more_fields_than_the_reader_has_room_for_is_an_error_of_its_row),
        cmocka_unit_test(the_delimiter_is_what_stands_most_often_outside_quotes),
        cmocka_unit_test(a_delimiter_that_is_named_is_not_found_out),
        cmocka_unit_test(a_sep_line_of_a_spreadsheet_names_the_delimiter),
        cmocka_unit_test(lines_may_end_in_cr_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
