/* smartnode report: members on a day, flows between days, work, shares, of one unit or all, from the data directory. */
#include <stdlib.h>

#include "node/cli/cmd_report.h"
#include "node/command/names.h"

enum {
    OPT_AS_OF = OPT_OWN,
    OPT_FROM,
    OPT_TO,
    OPT_BY,
    OPT_EACH,
    OPT_CSV,
    UNITS_MAX = 256,
    OFFICES_MAX = 1024,
    ANSWER_MAX = 16777216
};

struct figure {
    const char *name, *title;
    enum count count;
};
static const struct figure MEMBERS[] = {{"members", "members", COUNT_MEMBERS}};
static const struct figure FLOWS[] = {
    {"joined", "joined", COUNT_JOINED},
    {"resigned", "resigned", COUNT_RESIGNED},
    {"withdrawn", "withdrawn", COUNT_WITHDRAWN},
    {"excluded", "excluded", COUNT_EXCLUDED},
    {"deceased", "deceased", COUNT_DECEASED},
    {"moved_in", "moved in", COUNT_MOVED_IN},
    {"moved_out", "moved out", COUNT_MOVED_OUT},
    {"changed_in", "changed in", COUNT_CHANGED_IN},
    {"changed_out", "changed out", COUNT_CHANGED_OUT},
    {"relocated_in", "office in", COUNT_RELOCATED_IN},
    {"relocated_out", "office out", COUNT_RELOCATED_OUT},
    {"merged", "merged", COUNT_MERGED},
    {"applied", "applied", COUNT_APPLIED},
    {"refused", "refused", COUNT_REFUSED},
    {"withdrawal_requested", "requested", COUNT_REQUESTED},
    {"withdrawal_refused", "request ref.", COUNT_REQUEST_REFUSED},
};

static const char *const KINDS[REPORTS_N] = {"members", "flows", "activity", "postings", "shares"};

/* Of members and flows. */
struct work {
    struct report_work w;
    bool flows;
    size_t n_figures;
    const struct figure *figures;
    struct report report;
};

static void
check_args(const struct report_args *a, struct argp_state *state)
{
    bool spans = a->kind == REPORT_FLOWS || a->kind == REPORT_ACTIVITY || a->kind == REPORT_POSTINGS;
    if (!a->named)
        argp_error(state, "which report: members, flows, activity, postings or shares");
    if ((a->as_of && a->kind != REPORT_MEMBERS) || ((a->from || a->to) && !spans))
        argp_error(state, "members has --as-of, flows, activity and postings have --from and --to, shares has neither");
    if (spans && !a->from)
        argp_error(state, "%s needs --from", KINDS[a->kind]);
    if (a->each && ((a->kind != REPORT_ACTIVITY && a->kind != REPORT_POSTINGS) ||
                    (strcmp(a->each, "month") != 0 && strcmp(a->each, "year") != 0)))
        argp_error(state, "--each is of activity and postings: month or year");
    if (a->kind == REPORT_SHARES && (a->by || (a->unit && strcmp(a->unit, "all") == 0)))
        argp_error(state, "shares: the register of one unit");
    if (a->kind == REPORT_POSTINGS && a->by)
        argp_error(state, "postings are by country always");
    if (a->csv && a->common.json)
        argp_error(state, "--csv or --json");
}

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct report_args *a = state->input;
    if (cli_common_option(&a->common, key, arg))
        return 0;
    switch (key) {
    case 'u': a->unit = arg; return 0;
    case OPT_AS_OF: a->as_of = arg; return 0;
    case OPT_FROM: a->from = arg; return 0;
    case OPT_TO: a->to = arg; return 0;
    case OPT_BY: a->by = arg; return 0;
    case OPT_EACH: a->each = arg; return 0;
    case OPT_CSV: a->csv = true; return 0;
    case ARGP_KEY_ARG:
        a->kind = REPORT_MEMBERS;
        while (a->kind < REPORTS_N && strcmp(KINDS[a->kind], arg) != 0)
            a->kind++;
        if (a->named || a->kind == REPORTS_N)
            argp_error(state, "which report: members, flows, activity, postings or shares");
        a->named = true;
        return 0;
    case ARGP_KEY_END: check_args(a, state); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    CLI_OPTION_DATA,
    {"unit", 'u', "CODE", 0, "Unit, or all (else the own one)", 1},
    {"as-of", OPT_AS_OF, "DATE", 0, "members: on which day (else today)", 1},
    {"from", OPT_FROM, "DATE", 0, "flows, activity, postings: first day; activity and postings have whole months", 1},
    {"to", OPT_TO, "DATE", 0, "flows, activity, postings: last day (else today)", 1},
    {"by", OPT_BY, "LIST", 0,
     "members, flows: rows by category, office, person_type; activity: by office, sector, culture, currency; with commas",
     1},
    {"each", OPT_EACH, "month|year", 0, "activity, postings: rows for each month or year (else for the whole span)", 1},
    {"csv", OPT_CSV, NULL, 0, "Answer as CSV", 11},
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};

static const struct argp argp = {
    options,
    on_option,
    "members|flows|activity|postings|shares",
    "Figures of the register and of work: how many members on a day, who came and left between two days, capital; turnover, contribution, "
    "credit notes, activities and people who worked; postings abroad by country; the share register with its numbered operations."
    "\vReads the data directory, also while a node runs on it. Amounts have the decimals of their currency; in JSON they are whole minor units. "
    "Where a report touches a closed year it says so: what was published is in smartnode period show YEAR. People who worked are known for each "
    "month and each calendar year, not for other spans.\n\n"
    "Examples:\n"
    "  smartnode report members --as-of 2024-12-31 --by category\n"
    "  smartnode report flows --unit all --from 2024-01-01 --to 2024-12-31\n"
    "  smartnode report members --unit BE --by office --csv > offices.csv\n"
    "  smartnode report activity --from 2024-01-01 --to 2024-12-31 --by sector,culture\n"
    "  smartnode report activity --unit all --from 2024-01-01 --to 2024-12-31 --each month --csv > work.csv\n"
    "  smartnode report postings --unit all --from 2024-01-01 --to 2024-12-31 --each month\n"
    "  smartnode report shares --csv > shares.csv",
    NULL,
    NULL,
    NULL};

int
report_by(const char *text, const struct report_word *words, size_t n, unsigned *ret, struct err *err)
{
    char list[120] = "";
    *ret = 0;
    for (const char *p = text; p && *p != '\0';) {
        size_t len = strcspn(p, ","), i = 0;
        while (i < n && (strlen(words[i].name) != len || memcmp(words[i].name, p, len) != 0))
            i++;
        for (size_t k = 0; i == n && k < n; k++)
            snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", k == 0 ? "" : ", ", words[k].name);
        if (i == n)
            return err_set(err, ERR_INVALID, "--by is a list of %s", list);
        *ret |= words[i].bit;
        p += len + (p[len] == ',');
    }
    return 0;
}

static int
parse(struct report_work *w, struct err *err)
{
    const struct report_args *a = w->a;
    const char *last = a->as_of ? a->as_of : a->to;
    int rc = 0;
    w->from = w->to = datadir_today(w->d);
    if (a->from)
        rc = date_parse(a->from, "--from", &w->from, err);
    if (rc == 0 && last)
        rc = date_parse(last, a->as_of ? "--as-of" : "--to", &w->to, err);
    if (rc == 0 && a->from && w->to.days < w->from.days)
        rc = err_set(err, ERR_INVALID, "--to is before --from");
    if (!a->from)
        w->from = w->to;
    w->unit = w->d->identity.unit;
    w->has_unit = !a->unit || strcmp(a->unit, "all") != 0;
    if (rc == 0 && a->unit && w->has_unit && strcmp(a->unit, w->d->identity.unit_code) != 0) {
        rc = view_unit_by_code(w->txn, a->unit, &w->unit, err);
        if (rc == ERR_NOTFOUND)
            rc = err_set(err, ERR_NOTFOUND,
                         "unit %.16s: this node holds nothing of it; smartnode status lists the units", a->unit);
    }
    return rc;
}

const char *
report_unit_name(const struct report_work *w, const struct unit_id *unit)
{
    for (size_t i = 0; i < w->n_units; i++)
        if (TYPE_EQ(&w->units[i].unit, unit))
            return w->units[i].code;
    return "?";
}

const char *
report_office_name(struct report_work *w, const struct unit_id *unit, const struct office_id *office,
                   char hex[HEX16_MAX])
{
    struct err ignored;
    if (w->n_offices == 0 || !TYPE_EQ(&w->offices_of, unit)) {
        w->offices_of = *unit;
        if (view_offices(w->txn, unit, DATE_MAX, w->offices, OFFICES_MAX, &w->n_offices, &ignored) != 0)
            w->n_offices = 0;
    }
    for (size_t i = 0; i < w->n_offices; i++)
        if (TYPE_EQ(&w->offices[i].id, office))
            return w->offices[i].state.facts.name.s;
    return hex_encode(office->b, ID_BYTES, hex);
}

void
report_closed_json(const struct report_work *w, struct json_out *j)
{
    char day[DATE_TEXT_MAX];
    json_key(j, "closed_years");
    json_open(j, '[');
    for (size_t i = 0; i < w->n_closed; i++) {
        json_open(j, '{');
        json_put_text(j, "unit", report_unit_name(w, &w->closed[i].unit));
        json_put_uint(j, "year", w->closed[i].year);
        json_put_text(j, "closed_on", date_format(w->closed[i].closed_on, day));
        json_put_bool(j, "adjusted", w->closed[i].n_adjusted > 0);
        json_close(j, '}');
    }
    json_close(j, ']');
}

void
report_closed_lines(const struct report_work *w)
{
    char day[DATE_TEXT_MAX];
    for (size_t i = 0; i < w->n_closed; i++) {
        const struct closed_year *y = &w->closed[i];
        printf("%s%s: %u was closed on %s", i == 0 ? "\n" : "", report_unit_name(w, &y->unit), y->year,
               date_format(y->closed_on, day));
        if (y->n_adjusted > 0)
            printf("; %zu figures have changed since: smartnode period show %u", y->n_adjusted, y->year);
        putchar('\n');
    }
}

/* ---- the form of an answer ---- */

enum report_span
report_span(const struct report_args *a)
{
    return !a->each ? SPAN_WHOLE : strcmp(a->each, "month") == 0 ? SPAN_MONTHS : SPAN_YEARS;
}

const char *
report_period(enum report_span span, struct civil_date first, char out[DATE_TEXT_MAX])
{
    date_format(first, out);
    out[span == SPAN_MONTHS ? 7 : span == SPAN_YEARS ? 4 : 0] = '\0';
    return out;
}

int
report_answer(const struct report_args *a, const struct report_forms *forms, size_t bytes_max, void *report,
              struct err *err)
{
    struct buf b;
    if (!a->csv && !a->common.json) {
        forms->table(report);
        return 0;
    }
    buf_init(&b, bytes_max);
    (a->csv ? forms->csv : forms->json)(report, &b);
    int rc = cli_print(&b, err);
    buf_free(&b);
    return rc;
}

/* ---- members and flows ---- */

/* To those who left and were not paid back yet. */
static int64_t
owed(const int64_t v[CAPITAL_N])
{
    return v[CAPITAL_MINOR_OUT] - v[CAPITAL_MINOR_REPAID] - v[CAPITAL_MINOR_FORGONE];
}

static void
put_json(void *report, struct buf *b)
{
    struct work *w = report;
    char hex[HEX16_MAX], day[DATE_TEXT_MAX];
    struct json_out j = json_out_of(b);
    json_open(&j, '{');
    if (w->flows)
        json_put_text(&j, "from", date_format(w->w.from, day));
    json_put_text(&j, w->flows ? "to" : "as_of", date_format(w->w.to, day));
    report_closed_json(&w->w, &j);
    json_key(&j, "rows");
    json_open(&j, '[');
    for (size_t i = 0; i < w->report.n; i++) {
        const struct report_row *r = &w->report.rows[i];
        json_open(&j, '{');
        json_put_text(&j, "unit", report_unit_name(&w->w, &r->unit));
        if (r->category)
            json_put_text(&j, "category", category_name(r->category));
        if (r->has_office) {
            json_put_hex(&j, "office", r->office.b, ID_BYTES);
            json_put_text(&j, "office_name", report_office_name(&w->w, &r->unit, &r->office, hex));
        }
        if (r->person_type)
            json_put_text(&j, "person_type", person_type_name(r->person_type));
        for (size_t f = 0; f < w->n_figures; f++)
            json_put_int(&j, w->figures[f].name, r->counts[w->figures[f].count]);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_key(&j, "capital");
    json_open(&j, '[');
    for (size_t i = 0; i < w->report.n_capital; i++) {
        const struct report_capital *c = &w->report.capital[i];
        json_open(&j, '{');
        json_put_text(&j, "unit", report_unit_name(&w->w, &c->unit));
        json_put_text(&j, "currency", c->currency);
        if (w->flows) {
            for (size_t k = 0; k < CAPITAL_N; k++)
                json_put_int(&j, capital_words[k], c->v[k]);
        } else {
            json_put_int(&j, "shares", capital_shares(c->v));
            json_put_int(&j, "minor", capital_minor(c->v));
            json_put_int(&j, "owed_minor", owed(c->v));
        }
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
}

static void
put_csv(void *report, struct buf *b)
{
    struct work *w = report;
    char hex[HEX16_MAX];
    text_put(b, "unit,category,office,person_type");
    for (size_t f = 0; f < w->n_figures; f++) {
        buf_put_u8(b, ',');
        text_put(b, w->figures[f].name);
    }
    for (size_t i = 0; i < w->report.n; i++) {
        const struct report_row *r = &w->report.rows[i];
        buf_put_u8(b, '\n');
        text_put_csv(b, report_unit_name(&w->w, &r->unit));
        buf_put_u8(b, ',');
        text_put(b, r->category ? category_name(r->category) : "");
        buf_put_u8(b, ',');
        text_put_csv(b, r->has_office ? report_office_name(&w->w, &r->unit, &r->office, hex) : "");
        buf_put_u8(b, ',');
        text_put(b, r->person_type ? person_type_name(r->person_type) : "");
        for (size_t f = 0; f < w->n_figures; f++) {
            buf_put_u8(b, ',');
            text_put_int(b, r->counts[w->figures[f].count]);
        }
    }
}

/* Figures that are zero everywhere take no column of people's screens. */
static bool
shown(const struct work *w, size_t f, int64_t *ret_sum)
{
    bool any = w->n_figures == 1;
    *ret_sum = 0;
    for (size_t i = 0; i < w->report.n; i++) {
        any |= w->report.rows[i].counts[w->figures[f].count] != 0;
        *ret_sum += w->report.rows[i].counts[w->figures[f].count];
    }
    return any;
}

static void
head_line(const struct work *w)
{
    char from[DATE_TEXT_MAX], to[DATE_TEXT_MAX];
    int64_t sum;
    if (w->flows)
        printf("From %s to %s\n\n", date_format(w->w.from, from), date_format(w->w.to, to));
    else
        printf("On %s\n\n", date_format(w->w.to, to));
    cli_cell("unit", 8, false);
    if (w->w.by & BY_CATEGORY)
        cli_cell("category", 10, false);
    if (w->w.by & BY_OFFICE)
        cli_cell("office", 22, false);
    if (w->w.by & BY_PERSON_TYPE)
        cli_cell("type", 9, false);
    for (size_t f = 0; f < w->n_figures; f++)
        if (shown(w, f, &sum))
            cli_cell(w->figures[f].title, 13, true);
    putchar('\n');
}

static void
capital_lines(const struct work *w)
{
    char a[CLI_NUMBER_MAX], b[CLI_NUMBER_MAX], c[CLI_NUMBER_MAX];
    char in[CLI_MONEY_MAX], out[CLI_MONEY_MAX], repaid[CLI_MONEY_MAX];
    for (size_t i = 0; i < w->report.n_capital; i++) {
        const char *currency = w->report.capital[i].currency;
        const int64_t *v = w->report.capital[i].v;
        printf("%s%s: ", i == 0 ? "\n" : "", report_unit_name(&w->w, &w->report.capital[i].unit));
        if (w->flows)
            printf("%s shares subscribed (%s %s), %s ended (%s %s), %s repaid (%s %s)\n",
                   cli_number(v[CAPITAL_SHARES_IN], a), cli_money(v[CAPITAL_MINOR_IN], currency, in), currency,
                   cli_number(v[CAPITAL_SHARES_OUT], b), cli_money(v[CAPITAL_MINOR_OUT], currency, out), currency,
                   cli_number(v[CAPITAL_SHARES_REPAID], c), cli_money(v[CAPITAL_MINOR_REPAID], currency, repaid),
                   currency);
        else
            printf("%s shares, %s %s; %s %s owed to those who left\n", cli_number(capital_shares(v), a),
                   cli_money(capital_minor(v), currency, in), currency, cli_money(owed(v), currency, out), currency);
    }
}

static void
print_table(void *report)
{
    struct work *w = report;
    char hex[HEX16_MAX], number[CLI_NUMBER_MAX];
    int64_t sum;
    head_line(w);
    for (size_t i = 0; i < w->report.n; i++) {
        const struct report_row *r = &w->report.rows[i];
        cli_cell(report_unit_name(&w->w, &r->unit), 8, false);
        if (w->w.by & BY_CATEGORY)
            cli_cell(category_name(r->category), 10, false);
        if (w->w.by & BY_OFFICE)
            cli_cell(r->has_office ? report_office_name(&w->w, &r->unit, &r->office, hex) : "", 22, false);
        if (w->w.by & BY_PERSON_TYPE)
            cli_cell(person_type_name(r->person_type), 9, false);
        for (size_t f = 0; f < w->n_figures; f++)
            if (shown(w, f, &sum))
                cli_cell(cli_number(r->counts[w->figures[f].count], number), 13, true);
        putchar('\n');
    }
    if (w->report.n > 1) {
        int width =
            8 + (w->w.by & BY_CATEGORY ? 10 : 0) + (w->w.by & BY_OFFICE ? 22 : 0) + (w->w.by & BY_PERSON_TYPE ? 9 : 0);
        cli_cell("together", width, false);
        for (size_t f = 0; f < w->n_figures; f++)
            if (shown(w, f, &sum))
                cli_cell(cli_number(sum, number), 13, true);
        putchar('\n');
    }
    if (w->report.n == 0)
        printf("(nothing)\n");
    capital_lines(w);
    report_closed_lines(&w->w);
}

static int
make(struct work *w, struct err *err)
{
    static const struct report_word words[] = {
        {"category", BY_CATEGORY}, {"office", BY_OFFICE}, {"person_type", BY_PERSON_TYPE}, {"type", BY_PERSON_TYPE}};
    const struct unit_id *unit = w->w.has_unit ? &w->w.unit : NULL;
    w->figures = w->flows ? FLOWS : MEMBERS;
    w->n_figures = w->flows ? ARRAY_LEN(FLOWS) : ARRAY_LEN(MEMBERS);
    int rc = report_by(w->w.a->by, words, ARRAY_LEN(words), &w->w.by, err);
    if (rc != 0)
        return rc;
    return w->flows ? report_flows(w->w.txn, unit, w->w.from, w->w.to, w->w.by, &w->report, err)
                    : report_members(w->w.txn, unit, w->w.to, w->w.by, &w->report, err);
}

static int
register_report(struct report_work *shared, struct err *err)
{
    static const struct report_forms forms = {put_csv, put_json, print_table};
    struct work w = {.w = *shared, .flows = shared->a->kind == REPORT_FLOWS};
    int rc = make(&w, err);
    if (rc == 0)
        rc = report_answer(w.w.a, &forms, ANSWER_MAX, &w, err);
    report_release(&w.report);
    return rc;
}

/* ---- all ---- */

static int
prepare(struct report_work *w, struct err *err)
{
    w->units = calloc(UNITS_MAX, sizeof(*w->units));
    w->offices = calloc(OFFICES_MAX, sizeof(*w->offices));
    if (!w->units || !w->offices)
        return err_set(err, ERR_NOMEM, "report: out of memory");
    int rc = db_begin_read(w->d->db, &w->txn, err);
    if (rc == 0)
        rc = parse(w, err);
    if (rc == 0)
        rc = view_units(w->txn, DATE_MAX, w->units, UNITS_MAX, &w->n_units, err);
    if (rc == 0 && w->a->kind != REPORT_SHARES)
        rc = view_closed_years(w->txn, w->has_unit ? &w->unit : NULL, w->from, w->to, &w->closed, &w->n_closed, err);
    return rc;
}

int
cmd_report(int argc, char **argv)
{
    struct report_args a = {0};
    struct datadir d;
    struct report_work w = {.a = &a, .d = &d};
    struct err err = {0};
    cli_parse(&argp, "report", argc, argv, &a);
    int rc = cli_open(a.common.data, DATADIR_READER, &d, &err);
    if (rc != 0)
        return cli_fail(&err);
    rc = prepare(&w, &err);
    if (rc == 0) {
        switch (a.kind) {
        case REPORT_ACTIVITY: rc = report_work_activity(&w, &err); break;
        case REPORT_POSTINGS: rc = report_work_postings(&w, &err); break;
        case REPORT_SHARES: rc = report_work_shares(&w, &err); break;
        default: rc = register_report(&w, &err); break;
        }
    }
    free(w.units);
    free(w.offices);
    free(w.closed);
    db_abort(&w.txn);
    datadir_close(&d);
    return rc == 0 ? EXIT_OK : rc == ERR_INVALID ? (cli_fail(&err), EXIT_USAGE) : cli_fail(&err);
}
