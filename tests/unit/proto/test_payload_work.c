/* Payloads of the register's rest, of work, counting and closed periods: kinds 44 to 256. What every kind has in common:
 * test_payload.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/event.h"
#include "tests/support/event_samples.h"

static struct activity_cell cells[ACTIVITY_CELLS_MAX + 1];
static struct period_figure figures[FIGURES_MAX + 1];

static void
set_text(char *out, size_t max, const char *text)
{
    snprintf(out, max, "%s", text);
}

#define SET(member, text) set_text(member, sizeof(member), text)

static void
assert_encodes(const struct event_payload *p, const char *field, int line)
{
    struct buf out;
    struct err err = {0};
    buf_init(&out, PAYLOAD_BYTES_MAX);
    int rc = event_payload_encode(p, &out, &err);
    if ((rc == 0) != (field == NULL) || (field && (rc != ERR_INVALID || strcmp(err.field, field) != 0 || out.len != 0)))
        fail_msg("line %d: %s gives %d, field '%s'", line, event_kind_name(p->kind), rc, err.field);
    buf_free(&out);
}

/* field NULL: it is in bounds. */
#define CASE(k, change, name)                       \
    do {                                            \
        struct event_payload p = sample_payload(k); \
        change;                                     \
        assert_encodes(&p, name, __LINE__);         \
    } while (0)

static void
bounds_of_repayments_and_mergers(void **state)
{
    CASE(KIND_SHARES_REPAID, p.repaid.shares = 0, "shares");
    CASE(KIND_SHARES_REPAID, p.repaid.shares = SHARES_HELD_MAX, NULL);
    CASE(KIND_SHARES_REPAID, p.repaid.shares = SHARES_HELD_MAX + 1, "shares");
    CASE(KIND_SHARES_REPAID, p.repaid.amount_minor = 0, NULL);
    CASE(KIND_SHARES_REPAID, p.repaid.amount_minor = -1, "amount_minor");
    CASE(KIND_SHARES_REPAID, p.repaid.amount_minor = REPAID_MINOR_MAX, NULL);
    CASE(KIND_SHARES_REPAID, p.repaid.amount_minor = REPAID_MINOR_MAX + 1, "amount_minor");
    CASE(KIND_SHARES_REPAID, SET(p.repaid.currency, "eUR"), "currency");
    CASE(KIND_SHARES_REPAID, SET(p.repaid.currency, ""), "currency");
    CASE(KIND_MEMBER_ABSORBED, p.absorbed.brought = (struct share_amount){0}, NULL);
    CASE(KIND_MEMBER_ABSORBED, p.absorbed.brought.owed = false, NULL);
    CASE(KIND_MEMBER_ABSORBED, p.absorbed.brought = (struct share_amount){.owed = true}, "shares");
    CASE(KIND_MEMBER_ABSORBED, p.absorbed.brought.shares = 0, "shares");
    CASE(KIND_MEMBER_ABSORBED, p.absorbed.brought.shares = SHARES_HELD_MAX + 1, "shares");
    CASE(KIND_MEMBER_ABSORBED, p.absorbed.brought.amount_minor = REPAID_MINOR_MAX + 1, "amount_minor");
    CASE(KIND_MEMBER_ABSORBED, SET(p.absorbed.brought.currency, ""), "currency");
    CASE(KIND_MEMBER_ABSORBED, p.absorbed.from = p.common.subject, "from");
    CASE(KIND_MEMBER_MERGED, p.other = p.common.subject, "into");
    CASE(KIND_REPRESENTATIVE_NAMED, p.other = p.common.subject, "person");
    CASE(KIND_REPRESENTATIVE_ENDED, p.other = p.common.subject, "person");
}

static void
bounds_of_consents(void **state)
{
    char text[TEXT_VERSION_MAX + 1] = {0};
    memset(text, 'x', TEXT_VERSION_MAX);
    CASE(KIND_CONSENT_GIVEN, p.consent.purpose = 0, "purpose");
    CASE(KIND_CONSENT_GIVEN, p.consent.purpose = UINT16_MAX, NULL);
    CASE(KIND_CONSENT_GIVEN, SET(p.consent.text_version, ""), NULL);
    CASE(KIND_CONSENT_GIVEN, SET(p.consent.text_version, text), NULL);
    CASE(KIND_CONSENT_GIVEN, SET(p.consent.text_version, "\x1b"), "text_version");
    CASE(KIND_CONSENT_WITHDRAWN, p.consent.purpose = 0, "purpose");
}

static void
bounds_of_activities_and_invoices(void **state)
{
    CASE(KIND_ACTIVITY_OPENED, p.activity.sector = 0, "sector");
    CASE(KIND_ACTIVITY_CHANGED, p.activity.sector = UINT16_MAX, NULL);
    for (uint16_t kind = KIND_ACTIVITY_OPENED; kind <= KIND_PERSON_ACTIVE; kind++)
        if (event_kind_known(kind, 1))
            CASE(kind, p.common.precision = PRECISION_DAY, "precision");
    CASE(KIND_INVOICE_ISSUED, p.invoice.facets.sector = 0, "sector");
    CASE(KIND_INVOICE_ISSUED, p.invoice.facets.culture = false, NULL);
    CASE(KIND_INVOICE_ISSUED, (p.invoice.amount_minor = p.invoice.contribution_minor = 0), "amount_minor");
    CASE(KIND_INVOICE_ISSUED,
         (p.invoice.amount_minor = p.invoice.contribution_minor = DOCUMENT_MINOR_MAX, p.invoice.rate_bp = RATE_BP_MAX),
         NULL);
    CASE(KIND_INVOICE_ISSUED, p.invoice.amount_minor = DOCUMENT_MINOR_MAX + 1, "amount_minor");
    CASE(KIND_INVOICE_ISSUED, p.invoice.amount_minor = INT64_MAX, "amount_minor");
    CASE(KIND_INVOICE_ISSUED, p.invoice.contribution_minor = -1, "contribution_minor");
    CASE(KIND_INVOICE_ISSUED, p.invoice.rate_bp = RATE_BP_MAX + 1, "rate_bp");
    CASE(KIND_INVOICE_ISSUED, SET(p.invoice.currency, "E R"), "currency");
    CASE(KIND_INVOICE_CREDITED, p.credit.amount_minor = 0, "amount_minor");
    CASE(KIND_INVOICE_CREDITED, p.credit.amount_minor = DOCUMENT_MINOR_MAX + 1, "amount_minor");
    CASE(KIND_INVOICE_CREDITED, p.credit.contribution_minor = p.credit.amount_minor, NULL);
    CASE(KIND_INVOICE_CREDITED, p.credit.contribution_minor = p.credit.amount_minor + 1, "contribution_minor");
    CASE(KIND_INVOICE_CREDITED, p.credit.contribution_minor = -1, "contribution_minor");
}

/* 125,050 at 6.5 % are 8,128.25: within a whole unit of currency, both ways, and no further. */
static void
a_contribution_follows_from_amount_and_rate(void **state)
{
    CASE(KIND_INVOICE_ISSUED, p.invoice.contribution_minor = 8128 + 100, NULL);
    CASE(KIND_INVOICE_ISSUED, p.invoice.contribution_minor = 8128 + 101, "contribution_minor");
    CASE(KIND_INVOICE_ISSUED, p.invoice.contribution_minor = 8128 - 99, NULL);
    CASE(KIND_INVOICE_ISSUED, p.invoice.contribution_minor = 8128 - 100, "contribution_minor");
    CASE(KIND_INVOICE_ISSUED, p.invoice = ((struct invoice_facts){p.invoice.facets, 10000, "HUF", 1000, 1099}), NULL);
    CASE(KIND_INVOICE_ISSUED, p.invoice = ((struct invoice_facts){p.invoice.facets, 10000, "HUF", 1000, 901}), NULL);
    CASE(KIND_INVOICE_ISSUED, p.invoice = ((struct invoice_facts){p.invoice.facets, 10000, "HUF", 1000, 900}),
         "contribution_minor");
    CASE(KIND_INVOICE_ISSUED, p.invoice = ((struct invoice_facts){p.invoice.facets, 10000, "HUF", 1000, 1100}),
         "contribution_minor");
    CASE(KIND_INVOICE_ISSUED, p.invoice = ((struct invoice_facts){p.invoice.facets, 50, "EUR", 9000, 51}),
         "contribution_minor");
}

static void
a_posting_ends_in_a_month_of_the_24_that_follow(void **state)
{
    CASE(KIND_POSTING_ISSUED, SET(p.posting.country, "dE"), "country");
    CASE(KIND_POSTING_CHANGED, SET(p.posting.country, ""), "country");
    CASE(KIND_POSTING_ISSUED, p.posting.last_month = DATE_NONE, "last_month");
    CASE(KIND_POSTING_ISSUED, p.posting.last_month = date_from_ymd(2026, 8, 2), "last_month");
    CASE(KIND_POSTING_ISSUED, p.posting.last_month = p.common.effective, NULL);
    CASE(KIND_POSTING_CHANGED, p.posting.last_month = date_from_ymd(2026, 2, 1), "last_month");
    CASE(KIND_POSTING_ISSUED, p.posting.last_month = date_from_ymd(2028, 3, 1), NULL);
    CASE(KIND_POSTING_ISSUED, p.posting.last_month = date_from_ymd(2028, 4, 1), "last_month");
    for (uint16_t kind = KIND_POSTING_ISSUED; kind <= KIND_POSTING_CANCELLED; kind++) {
        CASE(kind, p.common.precision = PRECISION_DAY, "precision");
        assert_true(event_kind_own(kind, 1));
    }
    assert_false(event_kind_own(KIND_POSTING_CANCELLED + 1, 1));
}

static void
an_invoice_begins_with_its_month(void **state)
{
    CASE(KIND_INVOICE_ISSUED, p.common.subject.b[1]++, "subject");
    CASE(KIND_INVOICE_ISSUED, p.common.subject.b[0]++, "subject");
    CASE(KIND_INVOICE_ISSUED, p.common.effective = date_from_ymd(2026, 4, 1), "subject");
    CASE(KIND_INVOICE_CREDITED, p.common.effective = date_from_ymd(2026, 4, 1), NULL);
    CASE(KIND_INVOICE_CANCELLED, p.common.subject.b[0]++, NULL);
    static const struct {
        int year, month, day;
        uint16_t number;
    } rows[] = {{1900, 1, 1, 0},   {1900, 12, 31, 11},  {1901, 1, 1, 12},
                {1970, 1, 1, 840}, {2026, 3, 31, 1514}, {2199, 12, 31, 3599}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct subject_id id = {{(uint8_t)(rows[i].number >> 8), (uint8_t)rows[i].number, 9}};
        assert_int_equal(month_number(date_from_ymd(rows[i].year, rows[i].month, rows[i].day)), rows[i].number);
        assert_int_equal(month_first(rows[i].number).days, date_from_ymd(rows[i].year, rows[i].month, 1).days);
        assert_int_equal(invoice_id_month(&id), rows[i].number);
    }
}

static void
fill_cells(void)
{
    for (unsigned i = 0; i < ARRAY_LEN(cells); i++)
        cells[i] =
            (struct activity_cell){.facets = {.sector = (uint16_t)(1 + i / 2), .culture = i % 2}, .currency = "EUR"};
}

static void
cells_are_few_and_ascend(void **state)
{
    fill_cells();
    CASE(KIND_PERSON_ACTIVE, p.active.n = 0, NULL);
    CASE(KIND_PERSON_ACTIVE, (p.active.cells = cells, p.active.n = ACTIVITY_CELLS_MAX), NULL);
    CASE(KIND_PERSON_ACTIVE, (p.active.cells = cells, p.active.n = ACTIVITY_CELLS_MAX + 1), "cell");
    struct activity_cell two[2] = {cells[0], cells[0]};
#define TWO(change, name)                                                       \
    do {                                                                        \
        two[0] = two[1] = cells[3];                                             \
        change;                                                                 \
        CASE(KIND_PERSON_ACTIVE, (p.active.cells = two, p.active.n = 2), name); \
    } while (0)
    TWO(, "cell");
    TWO(two[1].facets.office.b[15] = 1, NULL);
    TWO(two[0].facets.office.b[15] = 1, "cell");
    TWO(two[0].facets.office.b[0] = 1; two[1].facets.sector++, "cell");
    TWO(two[1].facets.sector = 256; two[0].facets.sector = 255, NULL); /* numbers, not bytes of varints */
    TWO(two[0].facets.sector = 256; two[1].facets.sector = 255, "cell");
    TWO(two[0].facets.culture = false, NULL);
    TWO(two[1].facets.culture = false, "cell");
    TWO(two[1].facets.culture = false; SET(two[1].currency, "SEK"), "cell");
    TWO(SET(two[1].currency, "HUF"), NULL);
    TWO(SET(two[0].currency, "HUF"), "cell");
    TWO(two[1].facets.sector = 0, "cell.sector");
    TWO(SET(two[0].currency, "EU"), "cell.currency");
    TWO(SET(two[0].currency, "eur"), "cell.currency");
}

static void
fill_figures(void)
{
    for (unsigned i = 0; i < ARRAY_LEN(figures); i++)
        figures[i] = (struct period_figure){
            .number = (uint16_t)(i + 1), .category = CATEGORY_C, .currency = "SEK", .value = INT64_MIN + i};
}

static void
figures_are_few_and_ascend(void **state)
{
    fill_figures();
    CASE(KIND_PERIOD_CLOSED, p.closed.n = 0, "figure");
    CASE(KIND_PERIOD_CLOSED, (p.closed.figures = figures, p.closed.n = FIGURES_MAX), NULL);
    CASE(KIND_PERIOD_CLOSED, (p.closed.figures = figures, p.closed.n = FIGURES_MAX + 1), "figure");
    CASE(KIND_PERIOD_CLOSED, p.closed.year = 1899, "year");
    CASE(KIND_PERIOD_CLOSED, p.closed.year = 1900, NULL);
    CASE(KIND_PERIOD_CLOSED, p.closed.year = 2199, NULL);
    CASE(KIND_PERIOD_CLOSED, p.closed.year = 2200, "year");
    struct period_figure two[2];
#undef TWO
#define TWO(change, name)                                                         \
    do {                                                                          \
        two[0] = two[1] = figures[3];                                             \
        change;                                                                   \
        CASE(KIND_PERIOD_CLOSED, (p.closed.figures = two, p.closed.n = 2), name); \
    } while (0)
    TWO(, "figure");
    TWO(two[1].number = 256; two[0].number = 255, NULL);
    TWO(two[0].number = 256, "figure");
    TWO(two[0].category = 0, NULL);
    TWO(two[1].category = 0, "figure");
    TWO(two[0].category = CATEGORY_B; SET(two[0].currency, "ZZZ"), NULL);
    TWO(SET(two[0].currency, ""), NULL);
    TWO(SET(two[1].currency, ""), "figure");
    TWO(SET(two[0].currency, "HUF"), NULL);
    TWO(two[1].value = INT64_MAX, "figure"); /* what it is a figure of decides, not the value */
    TWO(two[1].number = 0, "figure.number");
    TWO(two[1].category = 4, "figure.category");
    TWO(SET(two[1].currency, "SE1"), "figure.currency");
}

/* ---- on the wire ---- */

static int
decode_tail(uint16_t kind, const void *tail, size_t len)
{
    struct event_payload p = sample_payload(kind), ret;
    struct buf b;
    buf_init(&b, 2 * PAYLOAD_BYTES_MAX);
    assert_int_equal(event_payload_encode(&p, &b, NULL), 0);
    buf_put(&b, tail, len);
    int rc = event_payload_decode(kind, 1, buf_slice(&b), &ret, NULL);
    buf_free(&b);
    return rc;
}

#define TAIL(kind, bytes) decode_tail(kind, bytes, sizeof(bytes) - 1)
#define OFFICE16 "\x0A\x10~~~~~~~~~~~~~~~~"
#define CELL(len, rest) "\x42" len OFFICE16 rest

static void
a_cell_is_judged_as_a_payload_is(void **state)
{
    enum { K = KIND_PERSON_ACTIVE };
    assert_int_equal(TAIL(K, CELL("\x19", "\x10\x02\x22\x03"
                                          "EUR")),
                     0);
    static const struct {
        const char *bytes;
        size_t len;
        int rc;
    } rows[] = {
#define ROW(bytes, rc) {bytes, sizeof(bytes) - 1, rc}
        ROW(CELL("\x1B", "\x10\x02\x18\x01\x22\x03"
                         "EUR"),
            0),
        ROW(CELL("\x1B", "\x10\x02\x18\x00\x22\x03"
                         "EUR"),
            ERR_INVALID), /* no is absent */
        ROW(CELL("\x1B", "\x10\x02\x18\x02\x22\x03"
                         "EUR"),
            ERR_INVALID),
        ROW(CELL("\x17", "\x22\x03"
                         "EUR"),
            ERR_INVALID),                           /* no sector */
        ROW(CELL("\x14", "\x10\x02"), ERR_INVALID), /* no currency */
        ROW("\x42\x07\x10\x02\x22\x03"
            "EUR",
            ERR_INVALID), /* no office */
        ROW("\x42\x00", ERR_INVALID),
        ROW(CELL("\x1B", "\x10\x02\x10\x02\x22\x03"
                         "EUR"),
            ERR_INVALID), /* twice */
        ROW(CELL("\x1B", "\x10\x80\x80\x04\x22\x03"
                         "EUR"),
            ERR_INVALID), /* 65,536 */
        ROW(CELL("\x1B", "\x10\xFF\xFF\x03\x22\x03"
                         "EUR"),
            0),
        ROW(CELL("\x1A", "\x10\x82\x00\x22\x03"
                         "EUR"),
            ERR_INVALID), /* not shortest */
        ROW(CELL("\x18", "\x10\x02\x22\x02"
                         "EU"),
            ERR_INVALID),
        ROW(CELL("\x19", "\x12\x02\x22\x03"
                         "EUR"),
            ERR_INVALID), /* wire type */
        ROW(CELL("\x1B", "\x10\x02\x22\x03"
                         "EUR\x2B\x2C"),
            ERR_INVALID), /* group */
        ROW(CELL("\x1B", "\x10\x02\x22\x03"
                         "EUR\x28\x07"),
            0), /* unknown */
        ROW(CELL("\x1D", "\x10\x02\x22\x03"
                         "EUR\x28\x07\x28\x07"),
            0),
        ROW("\x40\x01", ERR_INVALID), /* no message */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (decode_tail(K, rows[i].bytes, rows[i].len) != rows[i].rc)
            fail_msg("row %zu", i);
}

static void
a_figure_is_judged_as_a_payload_is(void **state)
{
    enum { K = KIND_PERIOD_CLOSED };
    static const struct {
        const char *bytes;
        size_t len;
        int rc;
    } rows[] = {
        ROW("\x4A\x05\x08\xC8\x01\x20\x00", 0),
        ROW("\x4A\x03\x08\xC8\x01", ERR_INVALID),                 /* no value */
        ROW("\x4A\x02\x20\x00", ERR_INVALID),                     /* no number */
        ROW("\x4A\x07\x08\xC8\x01\x10\x00\x20\x00", ERR_INVALID), /* category 0 */
        ROW("\x4A\x07\x08\xC8\x01\x1A\x00\x20\x00", ERR_INVALID), /* empty currency */
        ROW("\x4A\x0E\x08\xC8\x01\x20\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 0),
        ROW("\x4A\x05\x08\x01\x20\x00\x20", ERR_INVALID),
        ROW("\x48\x01", ERR_INVALID),
        ROW("\x40\xE9\x0F", ERR_INVALID), /* the year twice */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (decode_tail(K, rows[i].bytes, rows[i].len) != rows[i].rc)
            fail_msg("row %zu", i);
}

static void
what_is_there_but_zero_or_half_is_malformed(void **state)
{
    assert_int_equal(TAIL(KIND_ACTIVITY_CLOSED, "\x40\x01\x40\x01"), 0); /* no field of this kind */
    assert_int_equal(TAIL(KIND_ACTIVITY_CHANGED, "\x48\x00"), ERR_INVALID);
    assert_int_equal(TAIL(KIND_ACTIVITY_CHANGED, "\x48\x01"), 0);
    assert_int_equal(TAIL(KIND_CONSENT_WITHDRAWN, "\x48\x01"), 0); /* its field 9 is nobody's */
    assert_int_equal(TAIL(KIND_CONSENT_GIVEN, "\x48\x01"), ERR_INVALID);
    struct event_payload p = sample_payload(KIND_MEMBER_ABSORBED), ret;
    struct buf b;
    static const char *const tails[] = {"\x48\x05", "\x50\x05",
                                        "\x5A\x03"
                                        "EUR",
                                        "\x60\x01"};
    for (size_t skip = 0; skip <= ARRAY_LEN(tails); skip++) {
        p.absorbed.brought = (struct share_amount){0};
        buf_init(&b, PAYLOAD_BYTES_MAX);
        assert_int_equal(event_payload_encode(&p, &b, NULL), 0);
        for (size_t i = 0; i < ARRAY_LEN(tails); i++)
            if (i != skip)
                buf_put(&b, tails[i], strlen(tails[i]));
        int rc = event_payload_decode(p.kind, 1, buf_slice(&b), &ret, NULL);
        assert_int_equal(rc, skip < 3 ? ERR_INVALID : 0);
        assert_true(skip < 3 || ret.absorbed.brought.owed == (skip == 4));
        if (skip == 3) {
            buf_put(&b, "\x60\x00", 2); /* no is absent */
            assert_int_equal(event_payload_decode(p.kind, 1, buf_slice(&b), &ret, NULL), ERR_INVALID);
        }
        buf_free(&b);
    }
}

static void
fields_of_a_closed_period_are_at_most_2560(void **state)
{
    static uint8_t tail[2 * PAYLOAD_BYTES_MAX];
    for (size_t i = 0; i < sizeof(tail); i += 2)
        tail[i] = 0x78; /* field 15, varint 0 */
    /* of its own: actor, date, salt, year, and each figure with its fields */
    size_t own = 4 + 4 + 2 + 3 + 3 + 3;
    assert_int_equal(decode_tail(KIND_PERIOD_CLOSED, tail, 2 * (2560 - own)), 0);
    assert_int_equal(decode_tail(KIND_PERIOD_CLOSED, tail, 2 * (2560 - own + 1)), ERR_INVALID);
    own = 5 + 3 + 3 * 3 + 2;
    assert_int_equal(decode_tail(KIND_PERSON_ACTIVE, tail, 2 * (512 - own)), 0);
    assert_int_equal(decode_tail(KIND_PERSON_ACTIVE, tail, 2 * (512 - own + 1)), ERR_INVALID);
}

static void
lists_are_read_from_the_payload(void **state)
{
    struct event_payload p = sample_payload(KIND_PERSON_ACTIVE), ret;
    struct buf b;
    fill_cells();
    fill_figures();
    p.active.cells = cells;
    p.active.n = ACTIVITY_CELLS_MAX;
    buf_init(&b, PAYLOAD_BYTES_MAX);
    assert_int_equal(event_payload_encode(&p, &b, NULL), 0);
    assert_int_equal(event_payload_decode(p.kind, 1, buf_slice(&b), &ret, NULL), 0);
    assert_int_equal(ret.active.n, ACTIVITY_CELLS_MAX);
    assert_null(ret.active.cells);
    static struct activity_cell read[ACTIVITY_CELLS_MAX];
    assert_int_equal(active_cells_read(buf_slice(&b), read), ACTIVITY_CELLS_MAX);
    for (size_t i = 0; i < ACTIVITY_CELLS_MAX; i++)
        assert_int_equal(activity_cell_compare(&read[i], &cells[i]), 0);
    buf_clear(&b);
    p = sample_payload(KIND_PERIOD_CLOSED);
    p.closed.figures = figures;
    p.closed.n = FIGURES_MAX;
    assert_int_equal(event_payload_encode(&p, &b, NULL), 0);
    assert_int_equal(event_payload_decode(p.kind, 1, buf_slice(&b), &ret, NULL), 0);
    assert_int_equal(ret.closed.n, FIGURES_MAX);
    assert_int_equal(ret.closed.year, 2025);
    static struct period_figure got[FIGURES_MAX];
    assert_int_equal(closed_figures_read(buf_slice(&b), got), FIGURES_MAX);
    for (size_t i = 0; i < FIGURES_MAX; i++) {
        assert_int_equal(got[i].number, figures[i].number);
        assert_int_equal(got[i].category, figures[i].category);
        assert_string_equal(got[i].currency, figures[i].currency);
        assert_true(got[i].value == figures[i].value);
    }
    buf_free(&b);
}

static void
these_kinds_speak_only_of_the_writers_own(void **state)
{
    static const struct {
        uint16_t kind, version;
        bool own;
    } rows[] = {{1, 1, true},    {45, 1, true},   {63, 1, true},   {63, 2, false}, {64, 1, true},  {64, 2, false},
                {69, 1, true},   {82, 1, true},   {103, 1, true},  {104, 1, true}, {111, 1, true}, {112, 1, true},
                {112, 2, false}, {113, 1, false}, {223, 1, false}, {224, 1, true}, {226, 1, true}, {227, 1, false},
                {255, 1, false}, {256, 1, true},  {257, 1, false}, {256, 2, false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(event_kind_own(rows[i].kind, rows[i].version), rows[i].own);
}

static void
fields_arrive_where_they_belong(void **state)
{
    struct event_payload p = sample_payload(KIND_INVOICE_ISSUED), ret;
    struct buf b;
    buf_init(&b, PAYLOAD_BYTES_MAX);
    assert_int_equal(event_payload_encode(&p, &b, NULL), 0);
    assert_int_equal(event_payload_decode(p.kind, 1, buf_slice(&b), &ret, NULL), 0);
    assert_int_equal(ret.invoice.facets.sector, 2);
    assert_true(ret.invoice.facets.culture);
    assert_memory_equal(&ret.invoice.facets.office, &p.invoice.facets.office, sizeof(p.invoice.facets.office));
    assert_int_equal(ret.invoice.amount_minor, 125050);
    assert_string_equal(ret.invoice.currency, "EUR");
    assert_int_equal(ret.invoice.rate_bp, 650);
    assert_int_equal(ret.invoice.contribution_minor, 8128);
    buf_clear(&b);
    p = sample_payload(KIND_MEMBER_ABSORBED);
    assert_int_equal(event_payload_encode(&p, &b, NULL), 0);
    assert_int_equal(event_payload_decode(p.kind, 1, buf_slice(&b), &ret, NULL), 0);
    assert_int_equal(ret.absorbed.from.b[0], 0x5A);
    assert_int_equal(ret.absorbed.brought.shares, 5);
    assert_int_equal(ret.absorbed.brought.amount_minor, 15000);
    assert_true(ret.absorbed.brought.owed);
    buf_clear(&b);
    p = sample_payload(KIND_CONSENT_GIVEN);
    assert_int_equal(event_payload_encode(&p, &b, NULL), 0);
    assert_int_equal(event_payload_decode(p.kind, 1, buf_slice(&b), &ret, NULL), 0);
    assert_int_equal(ret.consent.purpose, 1);
    assert_string_equal(ret.consent.text_version, "2026-01 fr");
    buf_free(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_of_repayments_and_mergers),
        cmocka_unit_test(bounds_of_consents),
        cmocka_unit_test(bounds_of_activities_and_invoices),
        cmocka_unit_test(a_contribution_follows_from_amount_and_rate),
        cmocka_unit_test(an_invoice_begins_with_its_month),
        cmocka_unit_test(a_posting_ends_in_a_month_of_the_24_that_follow),
        cmocka_unit_test(cells_are_few_and_ascend),
        cmocka_unit_test(figures_are_few_and_ascend),
        cmocka_unit_test(a_cell_is_judged_as_a_payload_is),
        cmocka_unit_test(a_figure_is_judged_as_a_payload_is),
        cmocka_unit_test(what_is_there_but_zero_or_half_is_malformed),
        cmocka_unit_test(fields_of_a_closed_period_are_at_most_2560),
        cmocka_unit_test(lists_are_read_from_the_payload),
        cmocka_unit_test(these_kinds_speak_only_of_the_writers_own),
        cmocka_unit_test(fields_arrive_where_they_belong),
    };
    return cmocka_run_group_tests_name("payload of work", tests, NULL, NULL);
}
