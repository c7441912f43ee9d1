/* smartnode report activity, smartnode report shares. See cmd_report.h. */
#include <stdlib.h>

#include "node/cli/cmd_report.h"

enum { PAGE = 256, ANSWER_BYTES_MAX = 268435456 };

/* ---- activity ---- */

static const struct figure {
    const char *name, *title;
    enum work_count count;
    bool of_currency, money;
} FIGURES[] = {
    {"activities_opened", "opened", WORK_OPENED, false, false},
    {"activities_closed", "closed", WORK_CLOSED, false, false},
    {"activities_open", "open", WORK_OPEN, false, false},
    {"invoices", "invoices", WORK_INVOICES, true, false},
    {"turnover", "turnover", WORK_TURNOVER, true, true},
    {"contribution", "contribution", WORK_CONTRIBUTION, true, true},
    {"credit_notes", "credits", WORK_CREDIT_NOTES, true, false},
    {"credited", "credited", WORK_CREDITED, true, true},
    {"contribution_back", "contr. back", WORK_CONTRIBUTION_BACK, true, true},
};

struct activity {
    struct report_work *w;
    enum report_span span;
    struct activity_report report;
};

static bool
applies(const struct activity_report_row *row, size_t f)
{
    return FIGURES[f].of_currency == (row->cell.currency[0] != '\0');
}

static void
json_row(struct activity *r, struct json_out *j, const struct activity_report_row *row, bool all)
{
    char hex[HEX16_MAX], name[NUMBERED_NAME_MAX], period[DATE_TEXT_MAX], key[48];
    json_open(j, '{');
    if (!all)
        json_put_text(j, "unit", report_unit_name(r->w, &row->unit));
    if (r->span != SPAN_WHOLE)
        json_put_text(j, "period", report_period(r->span, row->period, period));
    if (r->w->by & PEOPLE_BY_OFFICE) {
        json_put_hex(j, "office", row->cell.facets.office.b, ID_BYTES);
        if (!all)
            json_put_text(j, "office_name", report_office_name(r->w, &row->unit, &row->cell.facets.office, hex));
    }
    if (r->w->by & PEOPLE_BY_SECTOR)
        json_put_text(j, "sector_name", sector_name(row->cell.facets.sector, name));
    if (r->w->by & PEOPLE_BY_CULTURE)
        json_put_bool(j, "culture", row->cell.facets.culture);
    if (row->cell.currency[0] != '\0')
        json_put_text(j, "currency", row->cell.currency);
    for (size_t f = 0; f < ARRAY_LEN(FIGURES) && !all; f++) {
        if (!applies(row, f))
            continue;
        snprintf(key, sizeof(key), "%s%s", FIGURES[f].name, FIGURES[f].money ? "_minor" : "");
        json_put_int(j, key, row->v[FIGURES[f].count]);
    }
    if (row->has_people)
        json_put_int(j, "people", row->people);
    json_close(j, '}');
}

static void
put_json(void *report, struct buf *b)
{
    struct activity *r = report;
    char day[DATE_TEXT_MAX];
    struct json_out j = json_out_of(b);
    json_open(&j, '{');
    json_put_text(&j, "from", date_format(r->w->from, day));
    json_put_text(&j, "to", date_format(r->w->to, day));
    report_closed_json(r->w, &j);
    json_key(&j, "rows");
    json_open(&j, '[');
    for (size_t i = 0; i < r->report.n; i++)
        json_row(r, &j, &r->report.rows[i], false);
    json_close(&j, ']');
    if (r->report.has_all_units) {
        json_key(&j, "people_over_all_units");
        json_open(&j, '[');
        for (size_t i = 0; i < r->report.n_people_all; i++)
            json_row(r, &j, &r->report.people_all[i], true);
        json_close(&j, ']');
    }
    json_close(&j, '}');
}

static void
csv_row(struct activity *r, struct buf *b, const struct activity_report_row *row, bool all)
{
    char hex[HEX16_MAX], name[NUMBERED_NAME_MAX], period[DATE_TEXT_MAX], money[CLI_MONEY_MAX];
    buf_put_u8(b, '\n');
    text_put_csv(b, all ? "" : report_unit_name(r->w, &row->unit));
    buf_put_u8(b, ',');
    text_put(b, report_period(r->span, row->period, period));
    buf_put_u8(b, ',');
    if (r->w->by & PEOPLE_BY_OFFICE)
        text_put_csv(b, all ? hex_encode(row->cell.facets.office.b, ID_BYTES, hex)
                            : report_office_name(r->w, &row->unit, &row->cell.facets.office, hex));
    buf_put_u8(b, ',');
    if (r->w->by & PEOPLE_BY_SECTOR)
        text_put_csv(b, sector_name(row->cell.facets.sector, name));
    buf_put_u8(b, ',');
    if (r->w->by & PEOPLE_BY_CULTURE)
        text_put(b, row->cell.facets.culture ? "yes" : "no");
    buf_put_u8(b, ',');
    text_put(b, row->cell.currency);
    for (size_t f = 0; f < ARRAY_LEN(FIGURES); f++) {
        buf_put_u8(b, ',');
        if (all || !applies(row, f))
            continue;
        if (FIGURES[f].money)
            text_put(b, cli_money_plain(row->v[FIGURES[f].count], row->cell.currency, money));
        else
            text_put_int(b, row->v[FIGURES[f].count]);
    }
    buf_put_u8(b, ',');
    if (row->has_people)
        text_put_int(b, row->people);
}

/* People over all units stand in lines without a unit. */
static void
put_csv(void *report, struct buf *b)
{
    struct activity *r = report;
    text_put(b, "unit,period,office,sector,culture,currency");
    for (size_t f = 0; f < ARRAY_LEN(FIGURES); f++) {
        buf_put_u8(b, ',');
        text_put(b, FIGURES[f].name);
    }
    text_put(b, ",people");
    for (size_t i = 0; i < r->report.n; i++)
        csv_row(r, b, &r->report.rows[i], false);
    for (size_t i = 0; i < r->report.n_people_all; i++)
        csv_row(r, b, &r->report.people_all[i], true);
}

/* Figures that are zero everywhere take no column of people's screens. */
static bool
shown(const struct activity *r, size_t f)
{
    for (size_t i = 0; i < r->report.n; i++)
        if (applies(&r->report.rows[i], f) && r->report.rows[i].v[FIGURES[f].count] != 0)
            return true;
    return false;
}

static void
table_head(const struct activity *r)
{
    char from[DATE_TEXT_MAX], to[DATE_TEXT_MAX];
    printf("Work of the months %.7s to %.7s\n\n", date_format(r->w->from, from), date_format(r->w->to, to));
    cli_cell("unit", 8, false);
    if (r->span != SPAN_WHOLE)
        cli_cell("period", 9, false);
    if (r->w->by & PEOPLE_BY_OFFICE)
        cli_cell("office", 22, false);
    if (r->w->by & PEOPLE_BY_SECTOR)
        cli_cell("sector", 24, false);
    if (r->w->by & PEOPLE_BY_CULTURE)
        cli_cell("culture", 9, false);
    cli_cell("", 5, false);
    for (size_t f = 0; f < ARRAY_LEN(FIGURES); f++)
        if (shown(r, f))
            cli_cell(FIGURES[f].title, FIGURES[f].money ? 17 : 10, true);
    cli_cell("people", 10, true);
    putchar('\n');
}

static void
table_row(struct activity *r, const struct activity_report_row *row, bool all)
{
    char hex[HEX16_MAX], name[NUMBERED_NAME_MAX], period[DATE_TEXT_MAX], text[CLI_MONEY_MAX];
    cli_cell(all ? "together" : report_unit_name(r->w, &row->unit), 8, false);
    if (r->span != SPAN_WHOLE)
        cli_cell(report_period(r->span, row->period, period), 9, false);
    if (r->w->by & PEOPLE_BY_OFFICE)
        cli_cell(all ? "" : report_office_name(r->w, &row->unit, &row->cell.facets.office, hex), 22, false);
    if (r->w->by & PEOPLE_BY_SECTOR)
        cli_cell(sector_name(row->cell.facets.sector, name), 24, false);
    if (r->w->by & PEOPLE_BY_CULTURE)
        cli_cell(row->cell.facets.culture ? "yes" : "no", 9, false);
    cli_cell(row->cell.currency, 5, false);
    for (size_t f = 0; f < ARRAY_LEN(FIGURES); f++) {
        if (!shown(r, f))
            continue;
        text[0] = '\0';
        if (!all && applies(row, f) && FIGURES[f].money)
            cli_money(row->v[FIGURES[f].count], row->cell.currency, text);
        else if (!all && applies(row, f))
            cli_number(row->v[FIGURES[f].count], text);
        cli_cell(text, FIGURES[f].money ? 17 : 10, true);
    }
    text[0] = '\0';
    if (row->has_people)
        cli_number(row->people, text);
    cli_cell(text, 10, true);
    putchar('\n');
}

static void
print_table(void *report)
{
    struct activity *r = report;
    table_head(r);
    for (size_t i = 0; i < r->report.n; i++)
        table_row(r, &r->report.rows[i], false);
    for (size_t i = 0; i < r->report.n_people_all; i++)
        table_row(r, &r->report.people_all[i], true);
    if (r->report.n == 0)
        printf("(nothing)\n");
    report_closed_lines(r->w);
}

int
report_work_activity(struct report_work *w, struct err *err)
{
    static const struct report_word words[] = {{"office", PEOPLE_BY_OFFICE},
                                               {"sector", PEOPLE_BY_SECTOR},
                                               {"culture", PEOPLE_BY_CULTURE},
                                               {"currency", PEOPLE_BY_CURRENCY}};
    static const struct report_forms forms = {put_csv, put_json, print_table};
    struct activity r = {.w = w, .span = report_span(w->a)};
    int rc = report_by(w->a->by, words, ARRAY_LEN(words), &w->by, err);
    if (rc == 0)
        rc = report_activity(w->txn, w->has_unit ? &w->unit : NULL, w->from, w->to, r.span, w->by, &r.report, err);
    if (rc != 0)
        return rc;
    rc = report_answer(w->a, &forms, ANSWER_BYTES_MAX, &r, err);
    activity_report_release(&r.report);
    return rc;
}

/* ---- shares ---- */

struct share_out {
    const struct report_work *w;
    struct buf b; /* of CSV and JSON */
    struct json_out j;
    uint64_t operations;
};

static void
share_json(struct share_out *o, const struct share_operation *op, const struct share_line *line, const char *day)
{
    json_open(&o->j, '{');
    json_put_uint(&o->j, "number", op->number);
    json_put_hex(&o->j, "member", op->subject.b, ID_BYTES);
    json_put_hex(&o->j, "log", op->at.log.b, HASH_BYTES);
    json_put_uint(&o->j, "seq", op->at.seq);
    json_put_text(&o->j, "kind", event_kind_name(op->kind));
    json_put_text(&o->j, "effective_on", day);
    json_put_bool(&o->j, "stands", line->stands);
    json_put_text(&o->j, "currency", line->currency);
    json_put_int(&o->j, "shares", line->shares);
    json_put_int(&o->j, "minor", line->minor);
    json_put_int(&o->j, "shares_repaid", line->repaid_shares);
    json_put_int(&o->j, "minor_repaid", line->repaid_minor);
    json_close(&o->j, '}');
}

static void
share_csv(struct share_out *o, const struct share_operation *op, const struct share_line *line, const char *day)
{
    char money[CLI_MONEY_MAX];
    buf_put_u8(&o->b, '\n');
    text_put_uint(&o->b, op->number);
    buf_put_u8(&o->b, ',');
    text_put_hex(&o->b, op->subject.b, ID_BYTES);
    buf_put_u8(&o->b, ',');
    text_put(&o->b, event_kind_name(op->kind));
    buf_put_u8(&o->b, ',');
    text_put(&o->b, day);
    text_put(&o->b, line->stands ? ",yes," : ",no,");
    text_put(&o->b, line->currency);
    buf_put_u8(&o->b, ',');
    text_put_int(&o->b, line->shares);
    buf_put_u8(&o->b, ',');
    text_put(&o->b, cli_money_plain(line->minor, line->currency, money));
    buf_put_u8(&o->b, ',');
    text_put_int(&o->b, line->repaid_shares);
    buf_put_u8(&o->b, ',');
    text_put(&o->b, cli_money_plain(line->repaid_minor, line->currency, money));
}

static void
share_line(struct share_out *o, const struct share_operation *op, const struct share_line *line)
{
    char day[DATE_TEXT_MAX], number[CLI_NUMBER_MAX], hex[HEX16_MAX], money[CLI_MONEY_MAX];
    date_format(line->effective, day);
    if (o->w->a->common.json) {
        share_json(o, op, line, day);
    } else if (o->w->a->csv) {
        share_csv(o, op, line, day);
    } else {
        cli_cell(cli_number((int64_t)op->number, number), 8, true);
        printf("  ");
        cli_cell(day, 12, false);
        cli_cell(hex_encode(op->subject.b, ID_BYTES, hex), 34, false);
        cli_cell(event_kind_name(op->kind), 20, false);
        cli_cell(cli_number(line->shares, number), 8, true);
        cli_cell(cli_money(line->minor, line->currency, money), 16, true);
        cli_cell(cli_number(line->repaid_shares, number), 8, true);
        cli_cell(cli_money(line->repaid_minor, line->currency, money), 16, true);
        printf(" %s%s\n", line->currency, line->stands ? "" : "  (does not stand)");
    }
}

static void
share_head(struct share_out *o)
{
    if (o->w->a->common.json) {
        json_open(&o->j, '{');
        json_put_text(&o->j, "unit", report_unit_name(o->w, &o->w->unit));
        json_key(&o->j, "operations");
        json_open(&o->j, '[');
    } else if (o->w->a->csv) {
        text_put(&o->b, "number,member,kind,effective_on,stands,currency,shares,amount,shares_repaid,amount_repaid");
    } else {
        cli_cell("number", 8, true);
        printf("  ");
        cli_cell("date", 12, false);
        cli_cell("member", 34, false);
        cli_cell("operation", 20, false);
        cli_cell("shares", 8, true);
        cli_cell("amount", 16, true);
        cli_cell("repaid", 8, true);
        cli_cell("amount repaid", 16, true);
        putchar('\n');
    }
}

static int
share_pages(struct share_out *o, struct share_operation *page, struct err *err)
{
    uint8_t key[KEY_SHARE_OP];
    size_t n = PAGE;
    int rc = 0;
    while (rc == 0 && n == PAGE) {
        rc = view_share_operations(o->w->txn, &o->w->unit, o->operations, o->operations > 0 ? key : NULL, PAGE, page,
                                   &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            for (size_t k = 0; k < page[i].n_lines; k++)
                share_line(o, &page[i], &page[i].lines[k]);
            o->operations = page[i].number;
            memcpy(key, page[i].key, sizeof(key));
        }
    }
    return rc;
}

int
report_work_shares(struct report_work *w, struct err *err)
{
    struct share_out o = {.w = w};
    struct share_operation *page = calloc(PAGE, sizeof(*page));
    if (!page)
        return err_set(err, ERR_NOMEM, "report: out of memory");
    buf_init(&o.b, ANSWER_BYTES_MAX);
    o.j = json_out_of(&o.b);
    share_head(&o);
    int rc = share_pages(&o, page, err);
    if (w->a->common.json) {
        json_close(&o.j, ']');
        json_close(&o.j, '}');
    }
    if (rc == 0 && (w->a->common.json || w->a->csv))
        rc = cli_print(&o.b, err);
    else if (rc == 0 && o.operations == 0)
        printf("(nothing)\n");
    buf_free(&o.b);
    free(page);
    return rc;
}
