/* smartnode period: closes a year on the running node; lists closed years and shows what has changed in one since, from the data
 * directory. */
#include <stdlib.h>

#include "node/api/json_out.h"
#include "node/cli/desk.h"
#include "node/command/names.h"
#include "node/view/view.h"

enum { OPT_KEY = OPT_OWN, OPT_AGAIN, WORDS_MAX = 2, UNITS_MAX = 256, ANSWER_MAX = 4194304 };

struct period_args {
    struct cli_common common;
    size_t n_words;
    const char *words[WORDS_MAX];
    const char *unit, *key;
    bool again;
    uint16_t year;
};

static const struct cli_binding bindings[] = {
    CLI_BIND(struct period_args, 'u', unit),
    CLI_BIND(struct period_args, OPT_KEY, key),
    CLI_BIND(struct period_args, OPT_AGAIN, again),
};
static const struct cli_taking taking = CLI_TAKING(struct period_args, bindings, "what: list, show YEAR or close YEAR");

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    return cli_take(&taking, key, arg, state);
}

static const struct argp_option options[] = {
    CLI_OPTION_DATA,
    CLI_OPTION_URL,
    CLI_OPTION_TOKEN,
    {"unit", 'u', "CODE", 0, "list, show: unit, or all (else the own one)", 1},
    {"again", OPT_AGAIN, NULL, 0,
     "close: a year that is closed already; the new figures take the place of those published", 2},
    {"idempotency-key", OPT_KEY, "KEY", 0, "close: the same command with the same key is done once", 2},
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};

static const struct argp argp = {
    options,
    on_option,
    "list\nshow YEAR\nclose YEAR",
    "Closes a year: its figures are fixed as they stand. Later corrections are still possible, but must be meant, and are shown beside what was "
    "fixed."
    "\vlist and show read the data directory, also while a node runs on it. close needs a running node and a token of role operator: "
    "--token-file FILE or $SMARTNODE_TOKEN. A year can be closed once it is over and its months are counted.\n\n"
    "Examples:\n"
    "  smartnode period close 2024 --token-file operator.token\n"
    "  smartnode period show 2024",
    NULL,
    NULL,
    NULL};

/* ---- close ---- */

static int
close_year(const struct period_args *a, struct err *err)
{
    struct http *h = NULL;
    json_t *doc = NULL;
    char name[16];
    snprintf(name, sizeof(name), "%u closed", a->year);
    int rc = desk_open(&a->common, &h, err);
    if (rc == 0)
        rc = desk_send(h, "POST", "/v1/periods", json_pack("{s:i,s:b}", "year", (int)a->year, "again", (int)a->again),
                       a->key, NULL, &doc, err);
    if (rc == 0)
        desk_done(doc, name, a->common.json);
    json_decref(doc);
    http_free(&h);
    return rc;
}

/* ---- list and show ---- */

struct reading {
    const struct period_args *a;
    struct db_txn *txn;
    bool has_unit;
    struct unit_id unit;
    struct unit_info *units; /* heap */
    size_t n_units;
};

static const char *
code_of(const struct reading *w, const struct unit_id *unit)
{
    for (size_t i = 0; i < w->n_units; i++)
        if (TYPE_EQ(&w->units[i].unit, unit))
            return w->units[i].code;
    return "?";
}

static int
print_buf(struct buf *b, struct err *err)
{
    int rc = cli_print(b, err);
    buf_free(b);
    return rc;
}

static int
list(const struct reading *w, struct err *err)
{
    struct closed_year *years = NULL;
    struct buf b;
    size_t n = 0;
    char day[DATE_TEXT_MAX], number[CLI_NUMBER_MAX];
    int rc = view_closed_years(w->txn, w->has_unit ? &w->unit : NULL, DATE_MIN, DATE_MAX, &years, &n, err);
    if (rc != 0)
        return rc;
    buf_init(&b, ANSWER_MAX);
    struct json_out j = json_out_of(&b);
    json_open(&j, '{');
    json_key(&j, "periods");
    json_open(&j, '[');
    for (size_t i = 0; i < n; i++) {
        date_format(years[i].closed_on, day);
        if (!w->a->common.json) {
            cli_cell(code_of(w, &years[i].unit), 8, false);
            printf("%u  closed on %s  %s%s\n", years[i].year, day,
                   years[i].n_adjusted == 0 ? "" : cli_number((int64_t)years[i].n_adjusted, number),
                   years[i].n_adjusted == 0 ? "as it was fixed" : " figures differ today");
            continue;
        }
        json_open(&j, '{');
        json_put_text(&j, "unit", code_of(w, &years[i].unit));
        json_put_uint(&j, "year", years[i].year);
        json_put_text(&j, "closed_on", day);
        json_put_uint(&j, "adjusted_figures", years[i].n_adjusted);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
    free(years);
    if (w->a->common.json)
        return print_buf(&b, err);
    buf_free(&b);
    if (n == 0)
        printf("no year is closed\n");
    return 0;
}

static void
value_text(const struct period_figure *f, int64_t value, char out[CLI_MONEY_MAX])
{
    char name[NUMBERED_NAME_MAX];
    const char *full = figure_name(f->number, name);
    size_t len = strlen(full);
    if (f->currency[0] != '\0' && len > 6 && strcmp(full + len - 6, "_minor") == 0)
        cli_money(value, f->currency, out);
    else
        cli_number(value, out);
}

static void
print_figure(const struct period_figure *f, const int64_t *now)
{
    char name[NUMBERED_NAME_MAX], text[CLI_MONEY_MAX];
    const char *full = figure_name(f->number, name);
    size_t len = strlen(full);
    snprintf(text, sizeof(text), "%.*s", (int)(len > 6 && strcmp(full + len - 6, "_minor") == 0 ? len - 6 : len), full);
    cli_cell(text, 26, false);
    cli_cell(f->category != 0 ? category_name(f->category) : f->currency, 6, false);
    value_text(f, f->value, text);
    cli_cell(text, 18, true);
    if (now) {
        value_text(f, *now, text);
        cli_cell(text, 18, true);
    }
    putchar('\n');
}

static void
json_figure(struct json_out *j, const struct period_figure *f, const int64_t *now)
{
    char name[NUMBERED_NAME_MAX];
    json_open(j, '{');
    json_put_text(j, "figure", figure_name(f->number, name));
    if (f->category != 0)
        json_put_text(j, "category", category_name(f->category));
    if (f->currency[0] != '\0')
        json_put_text(j, "currency", f->currency);
    json_put_int(j, now ? "closed" : "value", f->value);
    if (now)
        json_put_int(j, "now", *now);
    json_close(j, '}');
}

static void
print_period(const struct period_row *p, const char *code, const struct adjustment *a, size_t n)
{
    char day[DATE_TEXT_MAX];
    printf("%s %u, closed on %s\n\n", code, p->year, date_format(p->closed_on, day));
    for (size_t i = 0; i < p->n; i++)
        print_figure(&p->figures[i], NULL);
    if (n > 0)
        printf("\nWhat differs: as it was fixed, and as it would be today\n\n");
    for (size_t k = 0; k < n; k++)
        print_figure(&a[k].closed, &a[k].now);
}

static int
json_period(const struct period_row *p, const char *code, const struct adjustment *a, size_t n, struct err *err)
{
    struct buf b;
    char day[DATE_TEXT_MAX];
    buf_init(&b, ANSWER_MAX);
    struct json_out j = json_out_of(&b);
    json_open(&j, '{');
    json_put_text(&j, "unit", code);
    json_put_uint(&j, "year", p->year);
    json_put_text(&j, "closed_on", date_format(p->closed_on, day));
    json_key(&j, "adjustments");
    json_open(&j, '[');
    for (size_t i = 0; i < n; i++)
        json_figure(&j, &a[i].closed, &a[i].now);
    json_close(&j, ']');
    json_key(&j, "figures");
    json_open(&j, '[');
    for (size_t i = 0; i < p->n; i++)
        json_figure(&j, &p->figures[i], NULL);
    json_close(&j, ']');
    json_close(&j, '}');
    return print_buf(&b, err);
}

static int
show(const struct reading *w, struct err *err)
{
    struct adjustment *a = calloc((size_t)2 * FIGURES_MAX, sizeof(*a));
    struct period_row p;
    size_t n = 0;
    if (!a)
        return err_set(err, ERR_NOMEM, "period: out of memory");
    int rc = view_period(w->txn, &w->unit, w->a->year, &p, err);
    if (rc == ERR_NOTFOUND)
        rc = err_set(err, ERR_NOTFOUND, "%s %u is not closed", code_of(w, &w->unit), w->a->year);
    if (rc == 0) {
        rc = report_adjustments(w->txn, &p, a, &n, err);
        if (rc == 0 && w->a->common.json)
            rc = json_period(&p, code_of(w, &w->unit), a, n, err);
        else if (rc == 0)
            print_period(&p, code_of(w, &w->unit), a, n);
        period_row_release(&p);
    }
    free(a);
    return rc;
}

static int
reading_open(struct reading *w, const struct datadir *d, struct err *err)
{
    const char *unit = w->a->unit;
    w->unit = d->identity.unit;
    w->has_unit = !unit || strcmp(unit, "all") != 0;
    w->units = calloc(UNITS_MAX, sizeof(*w->units));
    int rc = w->units ? db_begin_read(d->db, &w->txn, err) : err_set(err, ERR_NOMEM, "period: out of memory");
    if (rc == 0)
        rc = view_units(w->txn, DATE_MAX, w->units, UNITS_MAX, &w->n_units, err);
    if (rc == 0 && unit && w->has_unit && strcmp(unit, d->identity.unit_code) != 0) {
        rc = view_unit_by_code(w->txn, unit, &w->unit, err);
        if (rc == ERR_NOTFOUND)
            rc = err_set(err, ERR_NOTFOUND,
                         "unit %.16s: this node holds nothing of it; smartnode status lists the units", unit);
    }
    return rc;
}

static int
read_directory(const struct period_args *a, struct err *err)
{
    struct reading w = {.a = a};
    struct datadir d;
    int rc = cli_open(a->common.data, DATADIR_READER, &d, err);
    if (rc != 0)
        return rc;
    rc = reading_open(&w, &d, err);
    if (rc == 0)
        rc = strcmp(a->words[0], "list") == 0 ? list(&w, err) : show(&w, err);
    free(w.units);
    db_abort(&w.txn);
    datadir_close(&d);
    return rc;
}

/* Wrong usage, said before anything is opened. */
static int
check(struct period_args *a)
{
    bool lists = strcmp(a->words[0], "list") == 0, shows = strcmp(a->words[0], "show") == 0;
    const char *year = a->n_words == 2 ? a->words[1] : "";
    if (!lists && !shows && strcmp(a->words[0], "close") != 0)
        return cli_usage("period %.40s: there is no such; list, show YEAR or close YEAR", a->words[0]);
    if (lists)
        return a->n_words == 1 ? EXIT_OK : cli_usage("period list: unexpected %.40s", a->words[1]);
    if (strlen(year) != 4 || strspn(year, "0123456789") != 4 || strcmp(year, "1900") < 0 || strcmp(year, "2199") > 0)
        return cli_usage("period %s YEAR: a year, such as 2024", a->words[0]);
    if (a->unit && (!shows || strcmp(a->unit, "all") == 0))
        return cli_usage(shows ? "period show: of one unit" : "period close: of the own unit only");
    a->year = (uint16_t)strtoul(year, NULL, 10);
    return EXIT_OK;
}

int
cmd_period(int argc, char **argv)
{
    struct period_args a = {0};
    struct err err = {0};
    cli_parse(&argp, "period", argc, argv, &a);
    int rc = check(&a);
    if (rc != EXIT_OK)
        return rc;
    rc = strcmp(a.words[0], "close") == 0 ? close_year(&a, &err) : read_directory(&a, &err);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}
