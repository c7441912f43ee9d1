/* node/exchange/table.c, encoding.c, ndjson.c and rejects.c: files as registers export them, to records in our words, and back into a file of
 * rejected ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/exchange/ndjson.h"
#include "node/exchange/rejects.h"
#include "tests/support/storage.h"

enum { NO, NAME, DAY, AMOUNT, KIND, COLUMNS, TEXT_SIZE = 4096 };
static const struct table_column OURS[COLUMNS] = {
    {"no", true}, {"name", true}, {"day", false}, {"amount", false}, {"kind", false}};

struct opened {
    struct table_reader *t;
    struct mapping *m;
    struct err err;
};

static int
try_open(struct opened *o, const char *mapping, const char *text, size_t len, struct table_options with)
{
    *o = (struct opened){0};
    if (mapping && mapping_parse(mapping, "x.mapping", &o->m, &o->err) != 0)
        fail_msg("%s", o->err.text);
    with.columns = OURS;
    with.n_columns = COLUMNS;
    with.mapping = o->m;
    with.file = with.file ? with.file : "x.csv";
    int rc = table_open_bytes(&with, slice_of(text, len), &o->t, &o->err);
    assert_true((rc == 0) == (o->t != NULL));
    return rc;
}

static struct opened
open_text(const char *mapping, const char *text, const char *file)
{
    struct opened o;
    if (try_open(&o, mapping, text, strlen(text), (struct table_options){.file = file}) != 0)
        fail_msg("%s", o.err.text);
    return o;
}

static void
done(struct opened *o)
{
    table_free(&o->t);
    mapping_free(&o->m);
}

static const struct table_record *
next(struct opened *o)
{
    const struct table_record *r = NULL;
    if (table_next(o->t, &r, &o->err) != 0)
        fail_msg("no record");
    return r;
}

static const struct table_record *
good(struct opened *o)
{
    const struct table_record *r = next(o);
    if (r->err.code != ERR_NONE)
        fail_msg("%s: %s", r->err.field, r->err.text);
    return r;
}

static void
assert_bad(struct opened *o, const char *field, const char *why)
{
    const struct table_record *r = next(o);
    if (r->err.code == ERR_NONE || strcmp(r->err.field, field) != 0 || !strstr(r->err.text, why))
        fail_msg("%s: %s", r->err.field, r->err.text);
    for (int c = 0; c < COLUMNS; c++)
        assert_string_equal(r->text[c], "");
}

static void
assert_end(struct opened *o)
{
    const struct table_record *r = NULL;
    assert_int_equal(table_next(o->t, &r, &o->err), ERR_NOTFOUND);
    done(o);
}

static void
assert_raw(struct opened *o, const char *wanted)
{
    char *raw = table_raw(o->t);
    assert_string_equal(raw, wanted);
    free(raw);
}

static void
assert_refused(const char *mapping, const char *text, const char *why)
{
    struct opened o;
    if (try_open(&o, mapping, text, strlen(text), (struct table_options){0}) != ERR_INVALID || !strstr(o.err.text, why))
        fail_msg("%s: %s", text, o.err.text);
    mapping_free(&o.m);
}

/* ---- encodings ---- */

static void
what_the_encodings_call_by_one_byte_comes_as_utf8(void **state)
{
    static const struct {
        const char *encoding, *bytes, *text;
    } CASES[] = {
        {"UTF-8", "Zo\xc3\xab", "Zoë"},
        {"windows-1252", "Zo\xeb \x80 \x92", "Zoë € ’"},
        {"cp1250", "\xd5rs\xe9gi \x8a", "Őrségi Š"},
        {"ISO-8859-1", "Andr\xe9 \xa4", "André ¤"},
        {"Latin-2", "\xd5r \xa3\xf3\x64\xbc", "Őr Łódź"},
        {"iso_8859-15", "5 \xa4", "5 €"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char text[128];
        struct opened o;
        struct table_options with = {0};
        assert_int_equal(encoding_parse(CASES[i].encoding, &with.encoding, &o.err), 0);
        snprintf(text, sizeof(text), "no;name\n1;%s\n", CASES[i].bytes);
        assert_int_equal(try_open(&o, NULL, text, strlen(text), with), 0);
        assert_string_equal(good(&o)->text[NAME], CASES[i].text);
        assert_end(&o);
    }
}

static void
a_byte_that_the_encoding_does_not_have_costs_its_row_alone(void **state)
{
    static const struct {
        enum encoding encoding;
        const char *bytes, *why;
    } CASES[] = {
        {ENCODING_UTF8, "\xe9t", "not UTF-8 (byte 0xE9)"},
        {ENCODING_WINDOWS_1252, "a\x81", "byte 0x81 is no character of windows-1252"},
        {ENCODING_LATIN_1, "a\x80", "byte 0x80 is no character of ISO-8859-1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char text[128];
        struct opened o;
        snprintf(text, sizeof(text), "no,name,x\n1,%s,\n2,ok,%s\n", CASES[i].bytes, CASES[i].bytes);
        assert_int_equal(try_open(&o, "[ignore]\ncolumn = x\n", text, strlen(text),
                                  (struct table_options){.encoding = CASES[i].encoding}),
                         0);
        assert_bad(&o, "name", CASES[i].why);
        assert_string_equal(good(&o)->text[NAME], "ok"); /* what is ignored may be anything */
        assert_end(&o);
    }
}

static void
a_file_in_an_unnamed_encoding_is_refused_with_line_and_byte(void **state)
{
    assert_refused(NULL, "no,name\r\n1,Zo\xeb\r\n", "line 2, byte 5: 0xEB");
    assert_refused(NULL, "no,name\r1,Zo\xeb\r", "line 2, byte 5: 0xEB");
    assert_refused(NULL, "no,name\n1,a\n\n2,\xc3", "line 4, byte 3: 0xC3");
}

static void
a_mark_of_utf8_goes_before_what_was_named(void **state)
{
    struct opened o = open_text("[file]\nencoding = windows-1252\n", "\xef\xbb\xbfno,name\n1,Zoë\n", NULL);
    assert_string_equal(good(&o)->text[NAME], "Zoë");
    assert_true(table_was_recoded(o.t));
    assert_end(&o);
    o = open_text(NULL, "\xef\xbb\xbfno,name\n1,Zoë\n", NULL);
    assert_string_equal(good(&o)->text[NAME], "Zoë");
    assert_end(&o);
}

static void
utf16_is_read_if_named_and_refused_with_what_to_do_if_not(void **state)
{
    static const char LITTLE[] = "\xff\xfen\0o\0,\0n\0a\0m\0e\0\n\0\x31\0,\0\x51\x01\n\0\x32\0,\0\x00\xd8\n\0";
    static const char BIG[] = "\xfe\xff\0n\0o\0,\0n\0a\0m\0e\0\n\0\x31\0,\x01\x51";
    struct opened o;
    assert_int_equal(try_open(&o, NULL, LITTLE, sizeof(LITTLE) - 1, (struct table_options){0}), ERR_INVALID);
    assert_non_null(strstr(o.err.text, "--encoding UTF-16"));
    assert_int_equal(try_open(&o, NULL, LITTLE + 2, sizeof(LITTLE) - 3, (struct table_options){0}), ERR_INVALID);
    assert_non_null(strstr(o.err.text, "UTF-16"));
    struct table_options named = {.encoding = ENCODING_UTF16};
    assert_int_equal(try_open(&o, NULL, LITTLE, sizeof(LITTLE) - 1, named), 0);
    assert_string_equal(good(&o)->text[NAME], "ő");
    assert_bad(&o, "name", "lost");
    assert_end(&o);
    assert_int_equal(try_open(&o, NULL, BIG, sizeof(BIG) - 1, named), 0);
    assert_string_equal(good(&o)->text[NAME], "ő");
    assert_end(&o);
}

static void
an_encoding_that_is_not_known_is_refused_with_those_that_are(void **state)
{
    enum encoding e = ENCODING_UNNAMED;
    struct err err = {0};
    assert_int_equal(encoding_parse("EBCDIC", &e, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "windows-1252"));
    assert_int_equal(encoding_parse("", &e, &err), ERR_INVALID);
    assert_int_equal(encoding_parse("ISO-8859-1-and-something-more", &e, &err), ERR_INVALID);
    assert_int_equal(e, ENCODING_UNNAMED);
}

/* ---- columns ---- */

static void
columns_are_found_by_the_mapping_whatever_case_and_spaces(void **state)
{
    struct opened o = open_text("[columns]\nno = Número\nname = day\nday = Fecha\n[ignore]\ncolumn = Otro\n",
                                "day; NU\u0301MERO ;fecha;OTRO\nZoë;7;1/2/2024;x\n", NULL);
    const struct table_record *r = good(&o);
    assert_string_equal(r->text[NO], "7");
    assert_string_equal(r->text[NAME], "Zoë");
    assert_string_equal(r->text[DAY], "1/2/2024");
    assert_string_equal(r->text[AMOUNT], "");
    assert_string_equal(table_title(o.t, "no"), "NU\u0301MERO");
    assert_string_equal(table_title(o.t, "amount"), "amount");
    assert_string_equal(table_title(o.t, "none"), "none");
    assert_end(&o);
}

static void
one_column_of_theirs_may_be_two_of_ours(void **state)
{
    struct opened o = open_text("[columns]\nno = id\nname = id\n", "id\n7\n", NULL);
    const struct table_record *r = good(&o);
    assert_string_equal(r->text[NO], "7");
    assert_string_equal(r->text[NAME], "7");
    assert_end(&o);
}

static void
a_header_that_is_wrong_refuses_the_file(void **state)
{
    assert_refused(NULL, "", "is empty");
    assert_refused(NULL, "\n\n", "is empty");
    assert_refused(NULL, "no,name,shoe\n", "unknown column “shoe”");
    assert_refused(NULL, "no,name,NAME\n", "“NAME” stands twice");
    assert_refused(NULL, "no,day\n", "“name” is missing");
    assert_refused("[columns]\nday = Fecha\n", "no,name\n", "“Fecha”, which the mapping calls day, is missing");
    assert_refused("[columns]\nday = Fecha\n", "no,name,day,Fecha\n", "unknown column “day”");
    assert_refused("[defaults]\ndya = 2024-01-01\n", "no,name\n", "x.mapping line 2");
    assert_refused(NULL, "no|name\n", "the only one");
    assert_refused(NULL, "no,na\x01me\n", "does not name columns");
    assert_refused(NULL, "no,\"name\n", "cannot be read");
}

static void
a_required_column_may_be_a_default_instead(void **state)
{
    struct opened o = open_text("[defaults]\nname = Nobody\nday = 2024-01-01\n", "no,day\n1,\n2,2020-02-02\n", NULL);
    const struct table_record *r = good(&o);
    assert_string_equal(r->text[NAME], "Nobody");
    assert_string_equal(r->text[DAY], "2024-01-01");
    assert_string_equal(good(&o)->text[DAY], "2020-02-02");
    assert_end(&o);
}

static void
a_column_without_a_name_may_stand_there_empty(void **state)
{
    struct opened o = open_text(NULL, "no;name;\n1;a;\n2;b;x\n", NULL);
    assert_string_equal(good(&o)->text[NAME], "a");
    assert_bad(&o, "", "field 3");
    assert_end(&o);
}

/* ---- texts ---- */

static void
texts_come_trimmed_unguarded_and_in_our_values(void **state)
{
    struct opened o =
        open_text("[file]\nempty = NULL\n[values.kind]\nA = Gebruiker\nA = +x\n",
                  "no,name,kind,day\n\" 1\u00a0\",'+32,Gebruiker,NULL\n2,'n,gebruiker,\n3,c,'+x, \n", NULL);
    const struct table_record *r = good(&o);
    assert_int_equal(r->number, 1);
    assert_int_equal(r->line, 2);
    assert_string_equal(r->text[NO], "1");
    assert_string_equal(r->text[NAME], "+32");
    assert_string_equal(r->text[KIND], "A");
    assert_string_equal(r->text[DAY], "");
    r = good(&o);
    assert_string_equal(r->text[NAME], "'n");
    assert_string_equal(r->text[KIND], "gebruiker");
    assert_string_equal(good(&o)->text[KIND], "A");
    assert_end(&o);
}

static void
what_no_text_may_have_costs_its_row_alone(void **state)
{
    char text[2 * TABLE_TEXT_MAX], long_name[TABLE_TEXT_MAX + 2];
    memset(long_name, 'x', sizeof(long_name));
    long_name[sizeof(long_name) - 1] = '\0';
    snprintf(text, sizeof(text), "no,name\n1,\"a\nb\"\n2,a\x01\n3,a\xef\xbf\xbd\n4,%s\n5\n6,a,b\n7,\"a\n8,a\"b\n9,ok\n",
             long_name);
    struct opened o = open_text(NULL, text, NULL);
    assert_bad(&o, "name", "line break");
    assert_bad(&o, "name", "control character");
    assert_bad(&o, "name", "U+FFFD");
    assert_bad(&o, "name", "longer than");
    assert_bad(&o, "", "1 fields, the header has 2");
    assert_bad(&o, "", "3 fields, the header has 2");
    assert_bad(&o, "name", "quote never closed");
    assert_bad(&o, "", "middle of a field");
    const struct table_record *r = good(&o);
    assert_int_equal(r->number, 9);
    assert_int_equal(r->line, 11);
    assert_end(&o);
}

static void
values_are_read_by_the_rules_of_the_mapping(void **state)
{
    struct opened o = open_text("[file]\ndecimal = comma\ndate = mdy\n",
                                "no;name;day;amount;kind\n1;x;1/2/2024;1.234,50 €;ja\n2;x;13/2/2024;1.2;6,5 %\n", NULL);
    struct civil_date day;
    int64_t minor = 0;
    uint64_t n = 0;
    uint32_t bp = 0;
    bool yes = false;
    good(&o);
    assert_int_equal(table_uint(o.t, NO, &n, &o.err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(table_date(o.t, DAY, &day, &o.err), 0);
    assert_int_equal(day.days, date_from_ymd(2024, 1, 2).days);
    assert_int_equal(table_amount(o.t, AMOUNT, "EUR", &minor, &o.err), 0);
    assert_int_equal(minor, 123450);
    assert_int_equal(table_bool(o.t, KIND, &yes, &o.err), 0);
    assert_true(yes);
    good(&o);
    assert_int_equal(table_date(o.t, DAY, &day, &o.err), ERR_INVALID);
    assert_string_equal(o.err.field, "day");
    assert_int_equal(table_amount(o.t, AMOUNT, "EUR", &minor, &o.err), ERR_INVALID);
    assert_int_equal(table_percent(o.t, KIND, &bp, &o.err), 0);
    assert_int_equal(bp, 650);
    assert_end(&o);
}

/* ---- JSON lines ---- */

static void
json_lines_give_the_same_records(void **state)
{
    int64_t minor = 0;
    struct opened o = open_text(
        "[file]\ndecimal = comma\n[columns]\nname = who.name\n[ignore]\ncolumn = x\n[values.kind]\nA = true\n",
        "\n{\"no\":12.10,\"who\":{\"name\":\" Zo\\u00eb \"},\"kind\":true,\"day\":null,\"x\":{\"y\":[{}],\"z\":1}}\r\n"
        "{ \"NO\" : -0.50e2 , \"amount\" : 1.230 }",
        NULL);
    assert_int_equal(table_format(o.t), TABLE_NDJSON);
    const struct table_record *r = good(&o);
    assert_int_equal(r->number, 1);
    assert_int_equal(r->line, 2);
    assert_string_equal(r->text[NO], "12.10");
    assert_string_equal(r->text[NAME], "Zoë");
    assert_string_equal(r->text[KIND], "A");
    assert_string_equal(r->text[DAY], "");
    assert_int_equal(r->number_mask, 1U << NO);
    r = good(&o);
    assert_string_equal(r->text[NO], "-0.50e2");
    /* The point of a JSON number is its decimal mark, whatever the mapping says of texts. */
    assert_int_equal(table_amount(o.t, AMOUNT, "KWD", &minor, &o.err), 0);
    assert_int_equal(minor, 1230);
    assert_end(&o);
}

static void
a_json_line_that_is_wrong_costs_itself_alone(void **state)
{
    static const struct {
        const char *line, *field, *why;
    } CASES[] = {
        {"{\"no\":1", "", "not one JSON object"},
        {"[1]", "", "not one JSON object"},
        {"7", "", "not one JSON object"},
        {"{\"no\":1,\"no\":2}", "", "twice"},
        {"{\"no\":1,\"NO\":2}", "no", "twice"},
        {"{\"no\":[1]}", "no", "a list"},
        {"{\"name\":{\"a\":{\"b\":1}}}", "name.a", "unknown field"},
        {"{\"\":1}", "", "without a name"},
        {"{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":{\"g\":{\"h\":{}}}}}}}}}", "", "nested deeper"},
        {"{\"shoe\":1}", "shoe", "unknown field"},
        {"{\"no\":01}", "", "a number"},
        {"{\"no\":1.}", "", "a number"},
        {"{\"no\":-}", "", "a number"},
        {"{1:2}", "", "a number"},
        {"{\"no\":1}{\"no\":1}", "", "not one JSON object"},
        {"{\"no\":tru3}", "", ""},
        {"{\"no\":\"a\\u0000b\"}", "", ""},
        {"{\"no\":\"\\u00015\"}", "", "control"},
        {"{\"no\":\"a\\nb\"}", "no", "line break"},
        {"{\"no\":\"\xe9\"}", "", "not UTF-8"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char text[512];
        struct opened o;
        snprintf(text, sizeof(text), "%s\n{\"no\":2}\n", CASES[i].line);
        assert_int_equal(try_open(&o, NULL, text, strlen(text),
                                  (struct table_options){.format = TABLE_NDJSON, .encoding = ENCODING_UTF8}),
                         0);
        assert_bad(&o, CASES[i].field, CASES[i].why);
        assert_string_equal(good(&o)->text[NO], "2");
        assert_end(&o);
    }
}

static void
a_line_or_object_that_is_too_large_costs_itself_alone(void **state)
{
    enum { BIG = TABLE_ROW_BYTES_MAX + 64 };
    char *text = calloc(1, BIG + 64);
    memset(text, ' ', BIG);
    memcpy(text, "{\"no\":1}", 8);
    memcpy(text + BIG - 1, "\n{\"no\":2}\n", 10);
    struct opened o = open_text(NULL, text, NULL);
    assert_bad(&o, "", "too long");
    good(&o);
    assert_end(&o);
    size_t n = (size_t)snprintf(text, BIG, "{\"no\":1");
    for (int i = 0; i < NDJSON_FIELDS_MAX; i++)
        n += (size_t)snprintf(text + n, BIG - n, ",\"f%d\":1", i);
    snprintf(text + n, BIG - n, "}\n");
    o = open_text("[ignore]\ncolumn = *\n", text, NULL);
    assert_bad(&o, "", "more than 256 fields");
    assert_end(&o);
    n = (size_t)snprintf(text, BIG, "{\"");
    memset(text + n, 'x', NDJSON_NAME_MAX);
    snprintf(text + n + NDJSON_NAME_MAX, BIG - n - NDJSON_NAME_MAX, "\":1}\n");
    o = open_text("[ignore]\ncolumn = *\n", text, NULL);
    assert_bad(&o, "", "a name longer");
    assert_end(&o);
    free(text);
}

/* ---- rejected records ---- */

static char *
rejected(struct opened *o, const char *dir, const char *file, char made[TEST_PATH_MAX])
{
    static char text[TEXT_SIZE];
    char path[TEST_PATH_MAX + 64];
    const struct table_record *r = NULL;
    struct rejects rejects;
    snprintf(path, sizeof(path), "%s/%s", dir, file);
    rejects_init(&rejects, o->t, path, NULL);
    while (table_next(o->t, &r, &o->err) == 0) {
        struct err why = r->err;
        char *raw = table_raw(o->t);
        if (why.code == ERR_NONE)
            err_field(&why, ERR_INVALID, "name", "no, \"never\"");
        assert_int_equal(rejects_put(&rejects, raw, r->number, &why, &o->err), 0);
        free(raw);
    }
    assert_int_equal(rejects_close(&rejects, &o->err), 0);
    assert_true(strlen(rejects.made) < TEST_PATH_MAX);
    memcpy(made, rejects.made, TEST_PATH_MAX);
    FILE *f = fopen(made, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    done(o);
    return text;
}

static void
rejected_rows_are_utf8_in_the_file_s_own_form_and_can_be_read_again(void **state)
{
    char dir[TEST_PATH_MAX], made[TEST_PATH_MAX], again[TEST_PATH_MAX], copy[TEXT_SIZE];
    struct opened o;
    static const char MAPPING[] = "[file]\nencoding = windows-1252\n[columns]\nname = Naam\n";
    test_dir_make(dir);
    o = open_text(MAPPING, "no\tNAAM\r\n1\t\"Zo\xeb \"\"x\"\"\"\r\n2\t\x81\r\n3\r\n", NULL);
    char *text = rejected(&o, dir, "leden.tsv", made);
    assert_non_null(strstr(made, "/leden.rejected.csv"));
    assert_string_equal(text, "\xef\xbb\xbfno\tNAAM\terror_row\terror_field\terror_reason\n"
                              "1\t\"Zoë \"\"x\"\"\"\t1\tNAAM\t\"no, \"\"never\"\"\"\n"
                              "2\t\xef\xbf\xbd\t2\tNAAM\tbyte 0x81 is no character of windows-1252\n"
                              "3\t3\t\t1 fields, the header has 2\n");
    /* Once more, unmended: the reasons are new, the rows the same, the first file is not written over. */
    snprintf(copy, sizeof(copy), "%s", text);
    o = open_text(MAPPING, copy, NULL);
    text = rejected(&o, dir, "leden.tsv", again);
    assert_non_null(strstr(again, "/leden.rejected-2.csv"));
    assert_non_null(strstr(text, "\n1\t\"Zoë \"\"x\"\"\"\t1\tNAAM\t\"no, \"\"never\"\"\"\n"));
    assert_non_null(strstr(text, "\n2\t\xef\xbf\xbd\t2\tNAAM\thas a character that was lost"));
    test_dir_remove(dir);
}

static void
rejected_json_lines_keep_every_digit_and_can_be_read_again(void **state)
{
    char dir[TEST_PATH_MAX], made[TEST_PATH_MAX], copy[TEXT_SIZE];
    static const char LINES[] = "{\"no\": 12.10 , \"name\":\"}{\\\",\" }\n{\"no\":1\n{}\n";
    test_dir_make(dir);
    struct opened o = open_text(NULL, LINES, NULL);
    char *text = rejected(&o, dir, "x.jsonl", made);
    assert_non_null(strstr(made, "/x.rejected.ndjson"));
    assert_string_equal(
        text,
        "{\"no\": 12.10,\"name\":\"}{\\\",\",\"error_row\":1,\"error_field\":\"name\",\"error_reason\":\"no, \\\"never\\\"\"}\n"
        "{\"no\":1\n{\"error_row\":2,\"error_field\":\"\",\"error_reason\":\"not one JSON object in one line\"}\n"
        "{\"error_row\":3,\"error_field\":\"name\",\"error_reason\":\"no, \\\"never\\\"\"}\n");
    snprintf(copy, sizeof(copy), "%s", text);
    o = open_text(NULL, copy, NULL);
    assert_string_equal(good(&o)->text[NO], "12.10");
    assert_raw(
        &o,
        "{\"no\": 12.10,\"name\":\"}{\\\",\",\"error_row\":1,\"error_field\":\"name\",\"error_reason\":\"no, \\\"never\\\"\"}");
    assert_bad(&o, "", "not one JSON object");
    assert_end(&o);
    o = open_text(NULL, copy, NULL);
    text = rejected(&o, dir, "x.jsonl", made);
    copy[strcspn(copy, "\n")] = '\0';
    text[strcspn(text, "\n")] = '\0';
    assert_string_equal(text, copy);
    test_dir_remove(dir);
}

static void
a_file_that_is_not_there_is_said_to_be_so(void **state)
{
    struct table_options with = {.file = "/nonexistent/x.csv", .columns = OURS, .n_columns = COLUMNS};
    struct table_reader *t = NULL;
    struct err err = {0};
    assert_int_equal(table_open(&with, &t, &err), ERR_NOTFOUND);
    assert_null(t);
}

static void
what_was_read_so_far_is_told(void **state)
{
    struct opened o = open_text(NULL, "\xef\xbb\xbfno,name\n1,a\n", NULL);
    good(&o);
    assert_int_equal(table_bytes(o.t), 15);
    assert_int_equal(table_offset(o.t), 14);
    assert_int_equal(table_delimiter(o.t), ',');
    assert_string_equal(table_header(o.t), "no,name");
    assert_end(&o);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_encodings_call_by_one_byte_comes_as_utf8),
        cmocka_unit_test(a_byte_that_the_encoding_does_not_have_costs_its_row_alone),
        cmocka_unit_test(a_file_in_an_unnamed_encoding_is_refused_with_line_and_byte),
        cmocka_unit_test(a_mark_of_utf8_goes_before_what_was_named),
        cmocka_unit_test(utf16_is_read_if_named_and_refused_with_what_to_do_if_not),
        cmocka_unit_test(an_encoding_that_is_not_known_is_refused_with_those_that_are),
        cmocka_unit_test(columns_are_found_by_the_mapping_whatever_case_and_spaces),
        cmocka_unit_test(one_column_of_theirs_may_be_two_of_ours),
        cmocka_unit_test(a_header_that_is_wrong_refuses_the_file),
        cmocka_unit_test(a_required_column_may_be_a_default_instead),
        cmocka_unit_test(a_column_without_a_name_may_stand_there_empty),
        cmocka_unit_test(texts_come_trimmed_unguarded_and_in_our_values),
        cmocka_unit_test(what_no_text_may_have_costs_its_row_alone),
        cmocka_unit_test(values_are_read_by_the_rules_of_the_mapping),
        cmocka_unit_test(json_lines_give_the_same_records),
        cmocka_unit_test(a_json_line_that_is_wrong_costs_itself_alone),
        cmocka_unit_test(a_line_or_object_that_is_too_large_costs_itself_alone),
        cmocka_unit_test(rejected_rows_are_utf8_in_the_file_s_own_form_and_can_be_read_again),
        cmocka_unit_test(rejected_json_lines_keep_every_digit_and_can_be_read_again),
        cmocka_unit_test(a_file_that_is_not_there_is_said_to_be_so),
        cmocka_unit_test(what_was_read_so_far_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
