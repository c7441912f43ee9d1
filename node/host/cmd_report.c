/* smartnode report: members on a day, flows between days, of one unit or all, from the data directory. */
#include <stdlib.h>

#include "node/api/json_out.h"
#include "node/command/names.h"
#include "node/host/cli_common.h"
#include "node/view/view.h"

enum {
    OPT_AS_OF = OPT_OWN,
    OPT_FROM,
    OPT_TO,
    OPT_BY,
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
    {"applied", "applied", COUNT_APPLIED},
    {"refused", "refused", COUNT_REFUSED},
    {"withdrawal_requested", "requested", COUNT_REQUESTED},
    {"withdrawal_refused", "request ref.", COUNT_REQUEST_REFUSED},
};

struct args {
    struct cli_common common;
    bool flows, named, csv;
    const char *unit, *as_of, *from, *to, *by;
};

/* What one report needs; units and offices are heap. */
struct work {
    const struct args *a;
    struct datadir *d;
    struct db_txn *txn;
    struct civil_date from, to;
    unsigned by;
    bool has_unit;
    struct unit_id unit;
    size_t n_units, n_offices, n_figures;
    struct unit_info *units;
    struct office_info *offices;
    struct unit_id offices_of;
    const struct figure *figures;
    struct report report;
};

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    if (cli_common_option(&a->common, key, arg))
        return 0;
    switch (key) {
    case 'u': a->unit = arg; return 0;
    case OPT_AS_OF: a->as_of = arg; return 0;
    case OPT_FROM: a->from = arg; return 0;
    case OPT_TO: a->to = arg; return 0;
    case OPT_BY: a->by = arg; return 0;
    case OPT_CSV: a->csv = true; return 0;
    case ARGP_KEY_ARG:
        a->flows = strcmp(arg, "flows") == 0;
        if (a->named || (!a->flows && strcmp(arg, "members") != 0))
            argp_error(state, "which report: members or flows");
        a->named = true;
        return 0;
    case ARGP_KEY_END:
        if (!a->named)
            argp_error(state, "which report: members or flows");
        if (a->flows ? a->as_of != NULL : a->from || a->to)
            argp_error(state, "members has --as-of, flows has --from and --to");
        if (a->flows && !a->from)
            argp_error(state, "flows needs --from");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    CLI_OPTION_DATA,
    {"unit", 'u', "CODE", 0, "Unit, or all (else the own one)", 1},
    {"as-of", OPT_AS_OF, "DATE", 0, "members: on which day (else today)", 1},
    {"from", OPT_FROM, "DATE", 0, "flows: first day", 1},
    {"to", OPT_TO, "DATE", 0, "flows: last day (else today)", 1},
    {"by", OPT_BY, "LIST", 0, "Rows by category, office, person_type, with commas", 1},
    {"csv", OPT_CSV, NULL, 0, "Answer as CSV", 11},
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};

static const struct argp argp = {
    options,
    on_option,
    "members|flows",
    "Figures of the register: how many members on a day, who came and left between two days, capital."
    "\vReads the data directory, also while a node runs on it.\n\n"
    "Examples:\n"
    "  smartnode report members --as-of 2024-12-31 --by category\n"
    "  smartnode report flows --unit all --from 2024-01-01 --to 2024-12-31\n"
    "  smartnode report members --unit BE --by office --csv > offices.csv",
    NULL,
    NULL,
    NULL};

static int
parse_by(const char *text, unsigned *ret, struct err *err)
{
    static const struct {
        const char *name;
        unsigned bit;
    } WORDS[] = {
        {"category", BY_CATEGORY}, {"office", BY_OFFICE}, {"person_type", BY_PERSON_TYPE}, {"type", BY_PERSON_TYPE}};
    *ret = BY_NOTHING;
    for (const char *p = text; p && *p != '\0';) {
        size_t n = strcspn(p, ","), i = 0;
        while (i < ARRAY_LEN(WORDS) && (strlen(WORDS[i].name) != n || memcmp(WORDS[i].name, p, n) != 0))
            i++;
        if (i == ARRAY_LEN(WORDS))
            return err_set(err, ERR_INVALID, "--by is a list of category, office, person_type");
        *ret |= WORDS[i].bit;
        p += n + (p[n] == ',');
    }
    return 0;
}

static int
parse(struct work *w, struct err *err)
{
    const struct args *a = w->a;
    struct civil_date today = datadir_today(w->d);
    const char *last = a->flows ? a->to : a->as_of;
    w->from = w->to = today;
    int rc = parse_by(a->by, &w->by, err);
    if (rc == 0 && a->from)
        rc = date_parse(a->from, "--from", &w->from, err);
    if (rc == 0 && last)
        rc = date_parse(last, a->flows ? "--to" : "--as-of", &w->to, err);
    if (rc == 0 && a->flows && w->to.days < w->from.days)
        rc = err_set(err, ERR_INVALID, "--to is before --from");
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

static const char *
unit_name(const struct work *w, const struct unit_id *unit)
{
    for (size_t i = 0; i < w->n_units; i++)
        if (TYPE_EQ(&w->units[i].unit, unit))
            return w->units[i].code;
    return "?";
}

/* Rows come unit by unit: one unit's offices are kept. */
static const char *
office_name(struct work *w, const struct report_row *row, char hex[HEX16_MAX])
{
    struct err ignored;
    if (w->n_offices == 0 || !TYPE_EQ(&w->offices_of, &row->unit)) {
        w->offices_of = row->unit;
        if (view_offices(w->txn, &row->unit, DATE_MAX, w->offices, OFFICES_MAX, &w->n_offices, &ignored) != 0)
            w->n_offices = 0;
    }
    for (size_t i = 0; i < w->n_offices; i++)
        if (TYPE_EQ(&w->offices[i].id, &row->office))
            return w->offices[i].state.facts.name.s;
    return hex_encode(row->office.b, ID_BYTES, hex);
}

static void
put_json(struct work *w, struct buf *b)
{
    char hex[HEX16_MAX], day[DATE_TEXT_MAX];
    struct json_out j = json_out_of(b);
    json_open(&j, '{');
    if (w->a->flows)
        json_put_text(&j, "from", date_format(w->from, day));
    json_put_text(&j, w->a->flows ? "to" : "as_of", date_format(w->to, day));
    json_key(&j, "rows");
    json_open(&j, '[');
    for (size_t i = 0; i < w->report.n; i++) {
        const struct report_row *r = &w->report.rows[i];
        json_open(&j, '{');
        json_put_text(&j, "unit", unit_name(w, &r->unit));
        if (r->category)
            json_put_text(&j, "category", category_name(r->category));
        if (r->has_office) {
            json_put_hex(&j, "office", r->office.b, ID_BYTES);
            json_put_text(&j, "office_name", office_name(w, r, hex));
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
        json_put_text(&j, "unit", unit_name(w, &c->unit));
        json_put_text(&j, "currency", c->currency);
        if (w->a->flows) {
            json_put_int(&j, "shares_in", c->v[CAPITAL_SHARES_IN]);
            json_put_int(&j, "shares_out", c->v[CAPITAL_SHARES_OUT]);
            json_put_int(&j, "minor_in", c->v[CAPITAL_MINOR_IN]);
            json_put_int(&j, "minor_out", c->v[CAPITAL_MINOR_OUT]);
        } else {
            json_put_int(&j, "shares", capital_shares(c->v));
            json_put_int(&j, "minor", capital_minor(c->v));
        }
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
}

static void
put_csv(struct work *w, struct buf *b)
{
    char hex[HEX16_MAX];
    text_put(b, "unit,category,office,person_type");
    for (size_t f = 0; f < w->n_figures; f++) {
        buf_put_u8(b, ',');
        text_put(b, w->figures[f].name);
    }
    for (size_t i = 0; i < w->report.n; i++) {
        const struct report_row *r = &w->report.rows[i];
        buf_put_u8(b, '\n');
        text_put_csv(b, unit_name(w, &r->unit));
        buf_put_u8(b, ',');
        text_put(b, r->category ? category_name(r->category) : "");
        buf_put_u8(b, ',');
        text_put_csv(b, r->has_office ? office_name(w, r, hex) : "");
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
    if (w->a->flows)
        printf("From %s to %s\n\n", date_format(w->from, from), date_format(w->to, to));
    else
        printf("On %s\n\n", date_format(w->to, to));
    cli_cell("unit", 8, false);
    if (w->by & BY_CATEGORY)
        cli_cell("category", 10, false);
    if (w->by & BY_OFFICE)
        cli_cell("office", 22, false);
    if (w->by & BY_PERSON_TYPE)
        cli_cell("type", 9, false);
    for (size_t f = 0; f < w->n_figures; f++)
        if (shown(w, f, &sum))
            cli_cell(w->figures[f].title, 13, true);
    putchar('\n');
}

static void
capital_lines(const struct work *w)
{
    char shares[CLI_NUMBER_MAX], minor[CLI_NUMBER_MAX], out[CLI_NUMBER_MAX], minor_out[CLI_NUMBER_MAX];
    for (size_t i = 0; i < w->report.n_capital; i++) {
        const struct report_capital *c = &w->report.capital[i];
        const int64_t *v = c->v;
        if (w->a->flows)
            printf("%s%s: %s shares subscribed (%s.%02d %s), %s repaid (%s.%02d %s)\n", i == 0 ? "\n" : "",
                   unit_name(w, &c->unit), cli_number(v[CAPITAL_SHARES_IN], shares),
                   cli_number(v[CAPITAL_MINOR_IN] / 100, minor), (int)(v[CAPITAL_MINOR_IN] % 100), c->currency,
                   cli_number(v[CAPITAL_SHARES_OUT], out), cli_number(v[CAPITAL_MINOR_OUT] / 100, minor_out),
                   (int)(v[CAPITAL_MINOR_OUT] % 100), c->currency);
        else
            printf("%s%s: %s shares, %s.%02d %s\n", i == 0 ? "\n" : "", unit_name(w, &c->unit),
                   cli_number(capital_shares(v), shares), cli_number(capital_minor(v) / 100, minor),
                   (int)(capital_minor(v) % 100), c->currency);
    }
}

static void
print_table(struct work *w)
{
    char hex[HEX16_MAX], number[CLI_NUMBER_MAX];
    int64_t sum;
    head_line(w);
    for (size_t i = 0; i < w->report.n; i++) {
        const struct report_row *r = &w->report.rows[i];
        cli_cell(unit_name(w, &r->unit), 8, false);
        if (w->by & BY_CATEGORY)
            cli_cell(category_name(r->category), 10, false);
        if (w->by & BY_OFFICE)
            cli_cell(r->has_office ? office_name(w, r, hex) : "", 22, false);
        if (w->by & BY_PERSON_TYPE)
            cli_cell(person_type_name(r->person_type), 9, false);
        for (size_t f = 0; f < w->n_figures; f++)
            if (shown(w, f, &sum))
                cli_cell(cli_number(r->counts[w->figures[f].count], number), 13, true);
        putchar('\n');
    }
    if (w->report.n > 1) {
        int width =
            8 + (w->by & BY_CATEGORY ? 10 : 0) + (w->by & BY_OFFICE ? 22 : 0) + (w->by & BY_PERSON_TYPE ? 9 : 0);
        cli_cell("together", width, false);
        for (size_t f = 0; f < w->n_figures; f++)
            if (shown(w, f, &sum))
                cli_cell(cli_number(sum, number), 13, true);
        putchar('\n');
    }
    if (w->report.n == 0)
        printf("(nothing)\n");
    capital_lines(w);
}

static int
make(struct work *w, struct err *err)
{
    const struct unit_id *unit = w->has_unit ? &w->unit : NULL;
    w->units = calloc(UNITS_MAX, sizeof(*w->units));
    w->offices = calloc(OFFICES_MAX, sizeof(*w->offices));
    if (!w->units || !w->offices)
        return err_set(err, ERR_NOMEM, "report: out of memory");
    int rc = view_units(w->txn, DATE_MAX, w->units, UNITS_MAX, &w->n_units, err);
    w->figures = w->a->flows ? FLOWS : MEMBERS;
    w->n_figures = w->a->flows ? ARRAY_LEN(FLOWS) : ARRAY_LEN(MEMBERS);
    if (rc != 0)
        return rc;
    return w->a->flows ? report_flows(w->txn, unit, w->from, w->to, w->by, &w->report, err)
                       : report_members(w->txn, unit, w->to, w->by, &w->report, err);
}

static int
answer(struct work *w, struct err *err)
{
    struct buf b;
    if (!w->a->common.json && !w->a->csv) {
        print_table(w);
        return 0;
    }
    buf_init(&b, ANSWER_MAX);
    if (w->a->csv)
        put_csv(w, &b);
    else
        put_json(w, &b);
    int rc = cli_print(&b, err);
    buf_free(&b);
    return rc;
}

int
cmd_report(int argc, char **argv)
{
    struct args a = {0};
    struct datadir d;
    struct work w = {.a = &a, .d = &d};
    struct err err = {0};
    cli_parse(&argp, "report", argc, argv, &a);
    int rc = cli_open(a.common.data, DATADIR_READER, &d, &err);
    if (rc != 0)
        return cli_fail(&err);
    rc = db_begin_read(d.db, &w.txn, &err);
    if (rc == 0)
        rc = parse(&w, &err);
    if (rc == 0)
        rc = make(&w, &err);
    if (rc == 0)
        rc = answer(&w, &err);
    report_release(&w.report);
    free(w.units);
    free(w.offices);
    db_abort(&w.txn);
    datadir_close(&d);
    return rc == 0 ? EXIT_OK : rc == ERR_INVALID ? (cli_fail(&err), EXIT_USAGE) : cli_fail(&err);
}
