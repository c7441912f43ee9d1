/* Import and export over a real data directory: every mistake with its reason, running again, going on after a kill. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/exchange/export.h"
#include "node/exchange/import_dir.h"
#include "node/host/person_read.h"
#include "node/view/view.h"
#include "proto/crypto.h"
#include "tests/support/storage.h"

enum { FILE_MAX_TEST = 4096, MANY_ROWS = 300, TEXT_MAX_TEST = 4194304 };

static const char HEADER[] =
    "member_no,type,category,given_name,family_name,legal_name,birth_date,language,email,phone,street,postcode,city,"
    "country,iban,office,applied_on,admitted_on,refused_on,shares,left_on,left_reason\n";
/* A right row to be spoilt, column by column. */
static const char *const RIGHT[IMPORT_MEMBER_COLUMNS] = {"BE-1",
                                                         "natural",
                                                         "A",
                                                         "Ann",
                                                         "Maes",
                                                         "",
                                                         "1980-02-29",
                                                         "nl",
                                                         "ann@example.be",
                                                         "+32 470 12 34 56",
                                                         "Hoogstraat 1",
                                                         "9000",
                                                         "Gent",
                                                         "BE",
                                                         "BE71 0961 2345 6769",
                                                         "Gent",
                                                         "",
                                                         "2024-03-01",
                                                         "",
                                                         "1",
                                                         "",
                                                         ""};

struct place {
    char dir[TEST_PATH_MAX], data[FILE_MAX_TEST], file[FILE_MAX_TEST], rejected[FILE_MAX_TEST];
    char mapping[FILE_MAX_TEST + 16]; /* empty: none */
    enum encoding encoding;
    struct datadir d;
    bool open;
};

/* ---- a node ---- */

static void
exec(struct engine *e, struct api_op *op)
{
    struct actor_id actor = {{1}};
    struct err err = {0};
    assert_int_equal(engine_exec(e, &actor, op, &err), 0);
    if (op->result.err.code != ERR_NONE)
        fail_msg("%s", op->result.err.text);
}

static void
describe(struct datadir *d)
{
    static const char *const OFFICES[] = {"Gent", "Brussel", "Oud"};
    struct engine *e = NULL;
    struct err err = {0};
    struct api_op *op = calloc(1, sizeof(*op));
    struct civil_date since = date_from_ymd(2000, 1, 1);
    assert_int_equal(datadir_engine(d, &e, &err), 0);
    assert_int_equal(engine_begin(e, &err), 0);
    op->kind = OP_UNIT_DESCRIBE;
    op->unit.effective = since;
    struct unit_described *u = &op->unit.facts;
    snprintf(u->name.s, sizeof(u->name.s), "Smart Belgium");
    snprintf(u->country, sizeof(u->country), "BE");
    snprintf(u->currency, sizeof(u->currency), "EUR");
    snprintf(u->languages[0], sizeof(u->languages[0]), "nl");
    snprintf(u->time_zone.s, sizeof(u->time_zone.s), "Europe/Brussels");
    u->n_languages = 1;
    u->contribution_bp = 650;
    u->share_price_minor = 3000;
    exec(e, op);
    for (size_t i = 0; i < ARRAY_LEN(OFFICES); i++) {
        memset(op, 0, sizeof(*op));
        op->kind = OP_OFFICE_OPEN;
        op->office.effective = since;
        snprintf(op->office.facts.name.s, sizeof(op->office.facts.name.s), "%s", OFFICES[i]);
        snprintf(op->office.facts.city.s, sizeof(op->office.facts.city.s), "%s", OFFICES[i]);
        snprintf(op->office.facts.country, sizeof(op->office.facts.country), "BE");
        exec(e, op);
    }
    struct office_id closed;
    memcpy(closed.b, op->result.subject.b, ID_BYTES);
    memset(op, 0, sizeof(*op));
    op->kind = OP_OFFICE_CLOSE;
    op->office.id = closed;
    op->office.effective = date_from_ymd(2020, 1, 1);
    exec(e, op);
    assert_int_equal(engine_commit(e, &err), 0);
    free(op);
    engine_free(&e);
}

static void
place_open(struct place *p)
{
    struct err err = {0};
    int rc = datadir_open(p->data, DATADIR_WRITER, &p->d, &err);
    if (rc != 0)
        fail_msg("%s", err.text);
    p->open = true;
}

static void
place_close(struct place *p)
{
    if (p->open)
        datadir_close(&p->d);
    p->open = false;
}

static void
place_make(struct place *p)
{
    struct config config;
    struct identity id = {.production = false};
    struct identity_offline offline;
    struct err err = {0};
    memset(p, 0, sizeof(*p));
    test_dir_make(p->dir);
    snprintf(p->data, sizeof(p->data), "%s/data", p->dir);
    snprintf(p->file, sizeof(p->file), "%s/members.csv", p->dir);
    snprintf(p->rejected, sizeof(p->rejected), "%s/members.rejected.csv", p->dir);
    config_defaults(&config);
    config.map_gib = config.vault_map_gib = 1;
    snprintf(id.unit_code, sizeof(id.unit_code), "BE");
    snprintf(id.unit_name.s, sizeof(id.unit_name.s), "Smart Belgium");
    snprintf(id.federation_name.s, sizeof(id.federation_name.s), "Test");
    assert_int_equal(crypto_init(&err), 0);
    assert_int_equal(identity_create(&id, random_fill, NULL, &offline, &err), 0);
    assert_int_equal(datadir_create(p->data, &config, &id, &err), 0);
    place_open(p);
    describe(&p->d);
}

static void
place_remove(struct place *p)
{
    place_close(p);
    test_dir_remove(p->dir);
}

static struct place shared; /* of the tests that leave nothing behind */

static int
setup(void **state)
{
    place_make(&shared);
    return 0;
}

static int
teardown(void **state)
{
    place_remove(&shared);
    return 0;
}

/* ---- files ---- */

static void
write_file(const struct place *p, const char *text)
{
    FILE *f = fopen(p->file, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static char *
read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f)
        return NULL;
    char *text = calloc(1, TEXT_MAX_TEST);
    assert_non_null(text);
    size_t n = fread(text, 1, TEXT_MAX_TEST - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

static void
put_row(char *out, size_t cap, const char *const columns[IMPORT_MEMBER_COLUMNS])
{
    size_t n = strlen(out);
    for (int i = 0; i < IMPORT_MEMBER_COLUMNS; i++)
        n += (size_t)snprintf(out + n, cap - n, "%s%s", i > 0 ? "," : "", columns[i]);
    snprintf(out + n, cap - n, "\n");
}

struct change {
    enum import_column column;
    const char *value;
};

static void
changed_file(const struct place *p, const struct change *changes, size_t n)
{
    char text[16384];
    const char *columns[IMPORT_MEMBER_COLUMNS];
    memcpy(columns, RIGHT, sizeof(columns));
    for (size_t i = 0; i < n; i++)
        columns[changes[i].column] = changes[i].value;
    snprintf(text, sizeof(text), "%s", HEADER);
    put_row(text, sizeof(text), columns);
    write_file(p, text);
}

static int
run_with(struct place *p, bool dry, void (*after_group)(void), struct import_result *ret, struct err *err)
{
    struct engine *e = NULL;
    struct import_dir dir;
    struct import_target target;
    struct import_options o = {.file = p->file,
                               .rejected = p->rejected,
                               .mapping = p->mapping[0] != '\0' ? p->mapping : NULL,
                               .encoding = p->encoding};
    assert_int_equal(datadir_engine(&p->d, &e, err), 0);
    assert_int_equal(import_dir_init(&dir, &p->d, e, err), 0);
    dir.test_after_group = after_group;
    dir.rehearse = dry;
    dir.group_events = 64;
    import_dir_target(&dir, &target);
    unlink(p->rejected);
    int rc = import_run(&o, &target, ret, err);
    assert_int_equal(import_dir_finish(&dir, err), 0);
    import_dir_release(&dir);
    engine_free(&e);
    return rc;
}

static struct import_result
run(struct place *p)
{
    struct import_result r;
    struct err err = {0};
    int rc = run_with(p, false, NULL, &r, &err);
    if (rc != 0)
        fail_msg("%s", err.text);
    return r;
}

static char *
export_text(struct place *p)
{
    char path[FILE_MAX_TEST + 16];
    struct export_result r;
    struct err err = {0};
    snprintf(path, sizeof(path), "%s.exported", p->file);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(export_members(&p->d, EXPORT_CSV, f, &r, &err), 0);
    fclose(f);
    return read_file(path);
}

static int64_t
members_on(struct place *p, struct civil_date day)
{
    struct db_txn *txn = NULL;
    struct report r = {0};
    struct err err = {0};
    int64_t n = 0;
    assert_int_equal(db_begin_read(p->d.db, &txn, &err), 0);
    assert_int_equal(report_members(txn, NULL, day, BY_NOTHING, &r, &err), 0);
    for (size_t i = 0; i < r.n; i++)
        n += r.rows[i].counts[COUNT_MEMBERS];
    report_release(&r);
    db_abort(&txn);
    return n;
}

static uint64_t
events(struct place *p)
{
    struct db_txn *txn = NULL;
    struct err err = {0};
    uint32_t n = 0;
    uint64_t sum = 0;
    struct log_row row;
    assert_int_equal(db_begin_read(p->d.db, &txn, &err), 0);
    assert_int_equal(evlog_count(txn, &n, &err), 0);
    for (uint32_t no = 1; no <= n; no++) {
        assert_int_equal(evlog_get(txn, no, &row, &err), 0);
        sum += row.head_seq;
    }
    db_abort(&txn);
    return sum;
}

/* ---- one mistake at a time ---- */

struct mistake {
    const char *name;
    struct change changes[4];
    size_t n;
    const char *field, *reason;
};

static const struct mistake MISTAKES[] = {
    {"no number", {{COLUMN_MEMBER_NO, ""}}, 1, "member_no", "missing"},
    {"number of nothing", {{COLUMN_MEMBER_NO, "--"}}, 1, "member_no", "no letter or digit"},
    {"type", {{COLUMN_TYPE, "company"}}, 1, "type", "natural and legal"},
    {"category", {{COLUMN_CATEGORY, "D"}}, 1, "category", "only A, B and C"},
    {"no name", {{COLUMN_FAMILY_NAME, ""}}, 1, "family_name", "missing"},
    {"latin1", {{COLUMN_GIVEN_NAME, "Andr\xe9"}}, 1, "given_name", "not UTF-8"},
    {"control", {{COLUMN_GIVEN_NAME, "An\x01n"}}, 1, "given_name", "control"},
    {"legal name",
     {{COLUMN_TYPE, "legal"}, {COLUMN_CATEGORY, "C"}, {COLUMN_BIRTH_DATE, ""}},
     3,
     "legal_name",
     "missing"},
    {"legal in A",
     {{COLUMN_TYPE, "legal"}, {COLUMN_LEGAL_NAME, "Coop"}, {COLUMN_BIRTH_DATE, ""}},
     3,
     "category",
     "natural"},
    {"birth", {{COLUMN_BIRTH_DATE, "2093-05-17"}}, 1, "birth_date", "future"},
    {"e-mail", {{COLUMN_EMAIL, "nobody"}}, 1, "email", "address"},
    {"phone", {{COLUMN_PHONE, "none"}}, 1, "phone", "digits"},
    {"country", {{COLUMN_COUNTRY, "Belgium"}}, 1, "country", "two letters"},
    {"iban", {{COLUMN_IBAN, "BE72 0961 2345 6769"}}, 1, "iban", "check digits"},
    {"no office", {{COLUMN_OFFICE, ""}}, 1, "office", "missing"},
    {"other office", {{COLUMN_OFFICE, "Atlantis"}}, 1, "office", "no such office"},
    {"closed office", {{COLUMN_OFFICE, "Oud"}}, 1, "office", "closed"},
    {"day", {{COLUMN_ADMITTED_ON, "2024-02-30"}}, 1, "admitted_on", "no such day"},
    {"date", {{COLUMN_ADMITTED_ON, "March 2024"}}, 1, "admitted_on", "YYYY-MM-DD"},
    {"a year too far", {{COLUMN_ADMITTED_ON, "2131-01-01"}}, 1, "admitted_on", "is the year right?"},
    {"month first", {{COLUMN_ADMITTED_ON, "03/15/2024"}}, 1, "admitted_on", "no month 15"},
    {"no date", {{COLUMN_ADMITTED_ON, ""}}, 1, "admitted_on", "missing"},
    {"no price then", {{COLUMN_ADMITTED_ON, "1999-12-31"}}, 1, "admitted_on", "no share price"},
    {"applied after", {{COLUMN_APPLIED_ON, "2024-03-02"}}, 1, "admitted_on", "before applied_on"},
    {"no application", {{COLUMN_ADMITTED_ON, ""}, {COLUMN_REFUSED_ON, "2024-03-02"}}, 2, "applied_on", "missing"},
    {"both",
     {{COLUMN_APPLIED_ON, "2024-01-01"}, {COLUMN_REFUSED_ON, "2024-03-02"}},
     2,
     "refused_on",
     "admitted as well"},
    {"refused before",
     {{COLUMN_APPLIED_ON, "2024-01-02"}, {COLUMN_ADMITTED_ON, ""}, {COLUMN_REFUSED_ON, "2024-01-01"}},
     3,
     "refused_on",
     "before applied_on"},
    {"no shares", {{COLUMN_SHARES, ""}}, 1, "shares", "missing"},
    {"zero shares", {{COLUMN_SHARES, "0"}}, 1, "shares", "at least one"},
    {"half a share", {{COLUMN_SHARES, "1.5"}}, 1, "shares", "whole number"},
    {"left before",
     {{COLUMN_LEFT_ON, "2024-02-29"}, {COLUMN_LEFT_REASON, "resigned"}},
     2,
     "left_on",
     "before admitted_on"},
    {"no reason", {{COLUMN_LEFT_ON, "2024-06-30"}}, 1, "left_reason", "missing"},
    {"no day of leaving", {{COLUMN_LEFT_REASON, "resigned"}}, 1, "left_on", "missing"},
    {"reason", {{COLUMN_LEFT_ON, "2024-06-30"}, {COLUMN_LEFT_REASON, "retired"}}, 2, "left_reason", "no such reason"},
    {"left, never in",
     {{COLUMN_APPLIED_ON, "2024-01-02"},
      {COLUMN_ADMITTED_ON, ""},
      {COLUMN_LEFT_ON, "2024-06-30"},
      {COLUMN_LEFT_REASON, "resigned"}},
     4,
     "left_on",
     "without having been admitted"},
    {"one field more", {{COLUMN_LEFT_REASON, ",surplus"}}, 1, "", "23 fields"},
    {"open quote", {{COLUMN_STREET, "\"Hoogstraat 1"}}, 1, "street", "never closed"},
};

static void
every_mistake_is_rejected_with_its_column_and_reason(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(MISTAKES); i++) {
        const struct mistake *m = &MISTAKES[i];
        char wanted[128];
        changed_file(&shared, m->changes, m->n);
        uint64_t before = events(&shared);
        shared.encoding = ENCODING_UTF8; /* named: else one byte that is not would refuse the file */
        struct import_result r = run(&shared);
        shared.encoding = ENCODING_UNNAMED;
        char *text = read_file(shared.rejected);
        if (r.rejected != 1 || !text)
            fail_msg("%s: not rejected", m->name);
        snprintf(wanted, sizeof(wanted), ",1,%s,", m->field);
        const char *at = strstr(text, wanted);
        if (!at || !strstr(at, m->reason))
            fail_msg("%s: %s", m->name, text);
        assert_int_equal(events(&shared), before);
        free(text);
    }
}

static void
a_file_that_is_not_utf8_is_refused_if_nothing_names_its_encoding(void **state)
{
    struct import_result r;
    struct err err = {0};
    const struct change latin1[] = {{COLUMN_GIVEN_NAME, "Andr\xe9"}};
    changed_file(&shared, latin1, 1);
    assert_int_equal(run_with(&shared, false, NULL, &r, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "line 2, byte 20: 0xE9"));
    assert_non_null(strstr(err.text, "--encoding"));
}

static void
a_register_of_its_own_shape_is_imported_by_its_mapping(void **state)
{
    static const char MAPPING[] = "[file]\ntype = members\nencoding = windows-1252\ndelimiter = semicolon\n"
                                  "[columns]\nmember_no = Lidnr\ncategory = Soort\ngiven_name = Voornaam\n"
                                  "family_name = Naam\noffice = Kantoor\nadmitted_on = Toegetreden\nshares = Aandelen\n"
                                  "[values.category]\nA = Gebruiker\n[defaults]\ntype = natural\ncountry = BE\n"
                                  "[ignore]\ncolumn = Opmerking\n";
    static const char FILE_TEXT[] = "LIDNR;Naam; voornaam ;Soort;Kantoor;Toegetreden;Aandelen;Opmerking\r\n"
                                    "1;Maes;Andr\xe9;Gebruiker;Gent;1/3/2024;1;x\r\n"
                                    "2;Maes;Zo\xeb;Gast;Gent;31.12.2023;2,00;\r\n";
    struct place p;
    place_make(&p);
    write_file(&p, MAPPING);
    snprintf(p.mapping, sizeof(p.mapping), "%s.mapping", p.file);
    assert_int_equal(rename(p.file, p.mapping), 0);
    write_file(&p, FILE_TEXT);
    struct import_result r = run(&p);
    assert_int_equal(r.imported, 1);
    assert_int_equal(r.rejected, 1);
    char *text = read_file(p.rejected);
    assert_string_equal(text,
                        "\xef\xbb\xbfLIDNR;Naam; voornaam ;Soort;Kantoor;Toegetreden;Aandelen;Opmerking;error_row;"
                        "error_field;error_reason\n"
                        "2;Maes;Zoë;Gast;Gent;31.12.2023;2,00;;2;Soort;category: only A, B and C exist\n");
    /* Mended, it goes in with the same mapping, though it is UTF-8. */
    char *wrong = strstr(text, "Gast");
    memmove(wrong + 1, wrong + 4, strlen(wrong + 4) + 1);
    *wrong = 'B';
    write_file(&p, text);
    free(text);
    r = run(&p);
    assert_int_equal(r.imported, 1);
    assert_int_equal(r.rejected, 0);
    char *exported = export_text(&p);
    assert_non_null(strstr(exported, "natural,A,André,Maes"));
    assert_non_null(strstr(exported, "natural,B,Zoë,Maes"));
    assert_non_null(strstr(exported, "2023-12-31,,2,"));
    free(exported);
    place_remove(&p);
}

static void
members_come_as_json_lines_as_well(void **state)
{
    static const char LINES[] =
        "{\"member_no\":17,\"type\":\"natural\",\"category\":\"A\",\"given_name\":\"An\",\"family_name\":\"Maes\","
        "\"office\":\"Gent\",\"admitted_on\":\"2024-03-01\",\"shares\":3,\"email\":null}\n"
        "{\"member_no\":18,\"type\":\"natural\",\"category\":\"A\",\"given_name\":\"An\",\"family_name\":\"Maes\","
        "\"office\":\"Gent\",\"admitted_on\":\"2024-03-01\",\"shares\":1.50}\n";
    struct place p;
    place_make(&p);
    write_file(&p, LINES);
    struct import_result r = run(&p);
    assert_int_equal(r.imported, 1);
    assert_int_equal(r.rejected, 1);
    char *text = read_file(p.rejected);
    assert_non_null(strstr(
        text, "\"shares\":1.50,\"error_row\":2,\"error_field\":\"shares\",\"error_reason\":\"not a whole number\"}"));
    char *wrong = strstr(text, "1.50");
    memcpy(wrong, "2   ", 4);
    write_file(&p, text);
    free(text);
    r = run(&p);
    assert_int_equal(r.imported, 1);
    assert_int_equal(r.rejected, 0);
    char *exported = export_text(&p);
    assert_non_null(strstr(exported, "2024-03-01,,3,"));
    free(exported);
    place_remove(&p);
}

static void
a_mapping_for_something_else_is_refused(void **state)
{
    struct import_result r;
    struct err err = {0};
    write_file(&shared, "[file]\ntype = anything\n");
    snprintf(shared.mapping, sizeof(shared.mapping), "%s.mapping", shared.file);
    assert_int_equal(rename(shared.file, shared.mapping), 0);
    changed_file(&shared, NULL, 0);
    int rc = run_with(&shared, true, NULL, &r, &err);
    shared.mapping[0] = '\0';
    assert_int_equal(rc, ERR_INVALID);
    assert_non_null(strstr(err.text, "periods"));
}

static void
a_number_that_stands_twice_is_rejected_the_second_time(void **state)
{
    char text[16384];
    const char *columns[IMPORT_MEMBER_COLUMNS];
    struct place p;
    place_make(&p);
    memcpy(columns, RIGHT, sizeof(columns));
    snprintf(text, sizeof(text), "%s", HEADER);
    put_row(text, sizeof(text), columns);
    columns[COLUMN_MEMBER_NO] = "be 1";
    put_row(text, sizeof(text), columns);
    write_file(&p, text);
    struct import_result r = run(&p);
    assert_int_equal(r.imported, 1);
    assert_int_equal(r.rejected, 1);
    char *rejected = read_file(p.rejected);
    assert_non_null(strstr(rejected, ",2,member_no,the same as in row 1"));
    free(rejected);
    place_remove(&p);
}

static void
an_unknown_or_missing_column_refuses_the_file(void **state)
{
    struct import_result r;
    struct err err = {0};
    write_file(&shared, "member_no,shoe_size\n");
    assert_int_equal(run_with(&shared, false, NULL, &r, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "shoe_size"));
    write_file(&shared, "member_no,type,category,office,admitted_on\n");
    assert_int_equal(run_with(&shared, false, NULL, &r, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "shares"));
    write_file(&shared, "member_no,type,type\n");
    assert_int_equal(run_with(&shared, false, NULL, &r, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "twice"));
    write_file(&shared, "");
    assert_int_equal(run_with(&shared, false, NULL, &r, &err), ERR_INVALID);
}

static void
a_dry_run_writes_nothing(void **state)
{
    struct import_result r;
    struct err err = {0};
    uint64_t before = events(&shared);
    changed_file(&shared, NULL, 0);
    assert_int_equal(run_with(&shared, true, NULL, &r, &err), 0);
    assert_int_equal(r.imported, 1);
    assert_int_equal(events(&shared), before);
}

/* ---- whole registers ---- */

/* A register in which every way through the columns occurs, in `rows` rows. */
static char *
register_text(size_t rows)
{
    char *text = calloc(1, TEXT_MAX_TEST);
    size_t n = (size_t)snprintf(text, TEXT_MAX_TEST, "%s", HEADER);
    static const char *const DATES[] = {
        ",2021-05-01,,2,,",
        "2021-04-01,2021-05-01,,1,,",
        "2021-04-01,,2021-05-01,,,",
        ",2021-05-01,,1,2022-06-30,resigned",
        "2021-04-01,2021-05-01,,1,2022-06-30,withdrawn",
        ",2021-05-01,,1,2022-06-30,excluded",
        ",2021-05-01,,1,2022-06-30,deceased",
        "2021-04-01,,,,,",
    };
    for (size_t i = 0; i < rows; i++)
        n += (size_t)snprintf(
            text + n, TEXT_MAX_TEST - n,
            "BE-%05zu,natural,%s,An %zu,\"Maes, junior\",,1980-01-01,nl,a%zu@example.be,+32 470 11 22 33,Kaai 1,9000,Gent,BE,,%s,%s\n",
            i, i % 3 == 0 ? "B" : "A", i, i, i % 2 == 0 ? "Gent" : "Brussel", DATES[i % ARRAY_LEN(DATES)]);
    return text;
}

static int
by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)(uintptr_t)a, *(char *const *)(uintptr_t)b);
}

/* Lines in order: members are exported by pseudonym, which is drawn. */
static char *
sorted(char *text)
{
    size_t n = 0, cap = 65536;
    char **lines = calloc(cap, sizeof(*lines)), *out = calloc(1, strlen(text) + 2), *save = NULL;
    for (char *l = strtok_r(text, "\n", &save); l && n < cap; l = strtok_r(NULL, "\n", &save))
        lines[n++] = l;
    qsort(lines, n, sizeof(*lines), by_text);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(lines[i]);
        memcpy(out + at, lines[i], len);
        at += len;
        out[at++] = '\n';
    }
    free(lines);
    free(text);
    return out;
}

static void
what_was_exported_is_what_was_imported(void **state)
{
    struct place p;
    char *text = register_text(40);
    place_make(&p);
    write_file(&p, text);
    struct import_result r = run(&p);
    assert_int_equal(r.rows, 40);
    assert_int_equal(r.imported, 40);
    assert_int_equal(r.rejected, 0);
    /* The telephone numbers come back guarded. */
    char *exported = sorted(export_text(&p)), *once = sorted(strdup(exported));
    assert_non_null(strstr(exported, ",'+32 470 11 22 33,"));
    assert_int_equal(members_on(&p, date_from_ymd(2021, 12, 31)), 30);
    assert_int_equal(members_on(&p, date_from_ymd(2023, 12, 31)), 10);

    struct place q;
    place_make(&q);
    char *unsorted = export_text(&p);
    write_file(&q, unsorted);
    r = run(&q);
    assert_int_equal(r.imported, 40);
    char *again = sorted(export_text(&q));
    assert_string_equal(again, exported);
    free(unsorted);
    free(again);
    free(once);
    free(exported);
    free(text);
    place_remove(&q);
    place_remove(&p);
}

static void
running_again_writes_nothing(void **state)
{
    struct place p;
    char *text = register_text(40);
    place_make(&p);
    write_file(&p, text);
    run(&p);
    uint64_t before = events(&p);
    struct import_result r = run(&p);
    assert_int_equal(r.there, 40);
    assert_int_equal(r.imported, 0);
    assert_int_equal(r.rejected, 0);
    assert_int_equal(events(&p), before);
    free(text);
    place_remove(&p);
}

static void
what_is_missing_of_a_member_is_completed(void **state)
{
    struct place p;
    const struct change applied[] = {{COLUMN_APPLIED_ON, "2024-02-01"}, {COLUMN_ADMITTED_ON, ""}, {COLUMN_SHARES, ""}};
    const struct change left[] = {
        {COLUMN_APPLIED_ON, "2024-02-01"}, {COLUMN_LEFT_ON, "2024-06-30"}, {COLUMN_LEFT_REASON, "withdrawn"}};
    place_make(&p);
    changed_file(&p, applied, ARRAY_LEN(applied));
    assert_int_equal(run(&p).imported, 1);
    changed_file(&p, left, ARRAY_LEN(left));
    struct import_result r = run(&p);
    assert_int_equal(r.completed, 1);
    assert_int_equal(r.imported, 0);
    assert_int_equal(members_on(&p, date_from_ymd(2024, 6, 29)), 1);
    assert_int_equal(members_on(&p, date_from_ymd(2024, 6, 30)), 0);
    assert_int_equal(run(&p).there, 1);
    place_remove(&p);
}

static void
what_contradicts_the_register_is_rejected(void **state)
{
    static const struct {
        struct change changes[2];
        size_t n;
        const char *field;
    } CASES[] = {
        {{{COLUMN_ADMITTED_ON, "2024-03-02"}}, 1, "admitted_on"},
        {{{COLUMN_CATEGORY, "B"}}, 1, "category"},
        {{{COLUMN_OFFICE, "Brussel"}}, 1, "office"},
        {{{COLUMN_SHARES, "7"}}, 1, "shares"},
        {{{COLUMN_APPLIED_ON, "2024-02-01"}}, 1, "applied_on"},
    };
    struct place p;
    place_make(&p);
    changed_file(&p, NULL, 0);
    assert_int_equal(run(&p).imported, 1);
    uint64_t before = events(&p);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char wanted[64];
        changed_file(&p, CASES[i].changes, CASES[i].n);
        assert_int_equal(run(&p).rejected, 1);
        char *text = read_file(p.rejected);
        snprintf(wanted, sizeof(wanted), ",1,%s,", CASES[i].field);
        if (!strstr(text, wanted))
            fail_msg("%s: %s", CASES[i].field, text);
        free(text);
    }
    assert_int_equal(events(&p), before);
    place_remove(&p);
}

static void
rejected_rows_can_be_imported_once_mended(void **state)
{
    struct place p;
    const struct change wrong[] = {{COLUMN_CATEGORY, "D"}};
    place_make(&p);
    changed_file(&p, wrong, 1);
    assert_int_equal(run(&p).rejected, 1);
    char *text = read_file(p.rejected);
    char *d = strstr(text, "natural,D");
    assert_non_null(d);
    d[strlen("natural,")] = 'A';
    write_file(&p, text);
    free(text);
    struct import_result r = run(&p);
    assert_int_equal(r.imported, 1);
    assert_int_equal(r.rejected, 0);
    assert_null(read_file(p.rejected));
    place_remove(&p);
}

/* ---- a kill in the middle ---- */

static int groups_left;

static void
die_after_groups(void)
{
    if (--groups_left == 0)
        _exit(77); /* as a kill does: nothing is written any more, nothing let go of */
}

static void
killed_import(struct place *p, int groups)
{
    place_close(p);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct import_result r;
        struct err err = {0};
        groups_left = groups;
        if (datadir_open(p->data, DATADIR_WRITER, &p->d, &err) == 0)
            (void)!run_with(p, false, die_after_groups, &r, &err);
        _exit(1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 77);
    place_open(p);
}

static void
a_killed_import_goes_on_to_the_state_of_an_uninterrupted_one(void **state)
{
    struct place whole, killed;
    char *text = register_text(MANY_ROWS);
    struct err err = {0};
    char scratch[TEST_PATH_MAX];
    place_make(&whole);
    place_make(&killed);
    write_file(&whole, text);
    write_file(&killed, text);
    assert_int_equal(run(&whole).imported, MANY_ROWS);
    killed_import(&killed, 1);
    killed_import(&killed, 1);
    struct import_result r = run(&killed);
    assert_int_equal(r.rejected, 0);
    assert_true(r.there > 0 && r.imported > 0 && r.there + r.imported == MANY_ROWS);
    char *a = sorted(export_text(&whole)), *b = sorted(export_text(&killed));
    assert_string_equal(a, b);
    for (int year = 2020; year <= 2023; year++)
        assert_int_equal(members_on(&whole, date_from_ymd(year, 12, 31)),
                         members_on(&killed, date_from_ymd(year, 12, 31)));
    test_dir_make(scratch);
    assert_int_equal(apply_check(killed.d.db, scratch, true, &err), 0);
    test_dir_remove(scratch);
    assert_int_equal(run(&killed).there, MANY_ROWS);
    free(a);
    free(b);
    free(text);
    place_remove(&killed);
    place_remove(&whole);
}

static void
numbers_are_the_same_but_for_case_and_punctuation(void **state)
{
    uint8_t a[NUMBER_KEY_BYTES], b[NUMBER_KEY_BYTES], c[NUMBER_KEY_BYTES];
    struct err err = {0};
    assert_int_equal(number_key("BE-0001", a, &err), 0);
    assert_int_equal(number_key("be 0001", b, &err), 0);
    assert_int_equal(number_key("BE-0010", c, &err), 0);
    assert_memory_equal(a, b, sizeof(a));
    assert_memory_not_equal(a, c, sizeof(a));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mistake_is_rejected_with_its_column_and_reason),
        cmocka_unit_test(a_file_that_is_not_utf8_is_refused_if_nothing_names_its_encoding),
        cmocka_unit_test(a_register_of_its_own_shape_is_imported_by_its_mapping),
        cmocka_unit_test(members_come_as_json_lines_as_well),
        cmocka_unit_test(a_mapping_for_something_else_is_refused),
        cmocka_unit_test(a_number_that_stands_twice_is_rejected_the_second_time),
        cmocka_unit_test(an_unknown_or_missing_column_refuses_the_file),
        cmocka_unit_test(a_dry_run_writes_nothing),
        cmocka_unit_test(what_was_exported_is_what_was_imported),
        cmocka_unit_test(running_again_writes_nothing),
        cmocka_unit_test(what_is_missing_of_a_member_is_completed),
        cmocka_unit_test(what_contradicts_the_register_is_rejected),
        cmocka_unit_test(rejected_rows_can_be_imported_once_mended),
        cmocka_unit_test(a_killed_import_goes_on_to_the_state_of_an_uninterrupted_one),
        cmocka_unit_test(numbers_are_the_same_but_for_case_and_punctuation),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
