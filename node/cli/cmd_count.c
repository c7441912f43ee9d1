/* smartnode count: people of months that are over, in a directory that no node holds. docs/OPERATIONS.md "Counting people". */
#include "node/cli/cli_common.h"
#include "node/host/counting.h"
#include "node/host/links.h"

enum { OPT_MONTH = 'm' };

struct count_args {
    struct cli_common common;
    uint16_t month;
};

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct count_args *a = state->input;
    char day[DATE_TEXT_MAX + 8];
    struct civil_date date = DATE_NONE;
    if (cli_common_option(&a->common, key, arg))
        return 0;
    switch (key) {
    case OPT_MONTH:
        snprintf(day, sizeof(day), "%.8s-01", arg);
        if (strlen(arg) != 7 || date_parse(day, "month", &date, NULL) != 0)
            argp_error(state, "not a month of the form YYYY-MM: %s", arg);
        a->month = month_number(date);
        return 0;
    case ARGP_KEY_ARG: argp_error(state, "unexpected argument: %s", arg); return EINVAL;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"month", OPT_MONTH, "YYYY-MM", 0, "This month, whether its invoices changed or not (default: all that changed)",
     1},
    CLI_OPTION_DATA,
    CLI_OPTION_END};

static const struct argp argp = {
    options,
    on_option,
    "",
    "Counts the people active in months that are over, from their invoices, and writes what changed, without names, into the log."
    "\vThe node must be stopped: while it runs, it counts by itself, at its start and every hour. An import into a stopped node counts at its "
    "end. Nothing is lost if it is interrupted: run it again.\n\nExample:\n  smartnode count --month 2024-11",
    NULL,
    NULL,
    NULL};

static void
on_counted(void *arg UNUSED, uint16_t month, uint64_t events)
{
    char text[DATE_TEXT_MAX], number[CLI_NUMBER_MAX];
    date_format(month_first(month), text);
    printf("%.7s: %s\n", text, cli_number((int64_t)events, number));
}

struct marking {
    struct datadir *d;
    struct engine *engine;
};

static int
on_relinked(void *arg, uint16_t month, struct err *err)
{
    struct marking *m = arg;
    return counting_mark_offline(m->d, m->engine, month, err);
}

static int
count(struct count_args *a, struct datadir *d, struct err *err)
{
    struct engine *engine = NULL;
    struct marking marking = {.d = d};
    struct links_search search = {
        .db = d->db, .vault = d->vault, .unit = d->identity.unit, .mark = on_relinked, .arg = &marking};
    struct links_found found;
    uint64_t events = 0;
    int rc = datadir_engine(d, &engine, err);
    marking.engine = engine;
    if (rc == 0)
        rc = links_restore(&search, &found, err);
    if (rc == 0 && found.missing > 0)
        fprintf(stderr, "smartnode: whose %llu activities and invoices are is not known: their keys are not here\n",
                (unsigned long long)found.missing);
    if (rc == 0)
        rc = counting_offline(d, engine, a->month, on_counted, NULL, &events, err);
    engine_free(&engine);
    return rc;
}

int
cmd_count(int argc, char **argv)
{
    struct count_args a = {0};
    struct datadir d;
    struct err err = {0};
    cli_parse(&argp, "count", argc, argv, &a);
    int rc = cli_open(a.common.data, DATADIR_WRITER, &d, &err);
    if (rc == ERR_BUSY)
        err_wrap(&err, "a running node counts by itself, every hour");
    if (rc != 0)
        return cli_fail(&err);
    rc = count(&a, &d, &err);
    datadir_close(&d);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}
