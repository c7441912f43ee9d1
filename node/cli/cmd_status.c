/* smartnode status: what the node holds, whom it hears, what needs attention. Asks the running node; where none runs, or there is no
 * token, says what the data directory shows. */
#include <jansson.h>
#include <unistd.h>

#include "node/cli/cli_common.h"
#include "node/cli/status_show.h"
#include "node/host/trust.h"
#include "node/view/view.h"

enum { UNITS_MAX = 256 };

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct cli_common *c = state->input;
    if (cli_common_option(c, key, arg))
        return 0;
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    argp_error(state, "unexpected argument: %s", arg);
    return 0;
}

static const struct argp_option options[] = {CLI_OPTION_DATA, CLI_OPTION_URL, CLI_OPTION_TOKEN, CLI_OPTION_JSON,
                                             CLI_OPTION_END};

static const struct argp argp = {
    options,
    on_option,
    "",
    "Says what needs attention and what to do about it, whom the node hears, and what it holds."
    "\vAsks the running node, with a token of any role but member; without a node or token it says what the data directory shows.\n\n"
    "Examples:\n"
    "  smartnode status\n"
    "  smartnode status --url http://127.0.0.1:8440 --token-file reports.token --json\n\n"
    "Exit status: 0 it runs, 4 no node runs, 1 neither node nor data could be asked.",
    NULL,
    NULL,
    NULL};

static int
ask(struct http *h, const char *path, json_t **ret, struct err *err)
{
    struct http_request q = {.method = "GET", .path = path};
    struct http_answer a;
    int rc = http_call(h, &q, &a, err);
    if (rc != 0)
        return rc;
    *ret = json_loadb((const char *)a.body.data, a.body.len, 0, NULL);
    return *ret ? 0 : err_set(err, ERR_CORRUPT, "what answers there is no node: its answer is not JSON");
}

/* ---- a running node ---- */

static int
status_running(const struct cli_common *c, const char *base, const char *token, struct err *err)
{
    struct http *h = NULL;
    json_t *status = NULL, *peers = NULL;
    int rc = http_new(base, token, &h, err);
    if (rc == 0)
        rc = ask(h, "/v1/status", &status, err);
    if (rc == 0)
        rc = ask(h, "/v1/peers", &peers, err);
    const json_t *list = json_object_get(peers, "peers");
    json_t *problems = rc == 0 ? status_problems(status, list) : NULL;
    if (rc == 0 && c->json) {
        json_t *all = json_pack("{s:b,s:b,s:O,s:O,s:O}", "running", 1, "ok", json_array_size(problems) == 0, "problems",
                                problems, "status", status, "peers", list);
        if (all)
            json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(all);
    } else if (rc == 0) {
        status_show(status, list, problems);
    }
    json_decref(problems);
    json_decref(status);
    json_decref(peers);
    http_free(&h);
    return rc;
}

/* ---- a data directory ---- */

struct found {
    struct unit_info *units;
    size_t n_units, n_trusted, n_heads;
    struct trusted *trusted;
    struct head *heads;
    struct civil_date today;
};

static void
found_release(struct found *f)
{
    free(f->units);
    free(f->trusted);
    free(f->heads);
}

static int64_t
members_of(struct db_txn *txn, const struct unit_id *unit, struct civil_date today)
{
    struct report r = {0};
    struct err ignored;
    int64_t n = 0;
    if (report_members(txn, unit, today, BY_NOTHING, &r, &ignored) != 0)
        return -1;
    for (size_t i = 0; i < r.n; i++)
        n += r.rows[i].counts[COUNT_MEMBERS];
    report_release(&r);
    return n;
}

static uint64_t
events_of(struct db_txn *txn, const struct unit_id *unit)
{
    uint64_t sum = 0;
    uint32_t n = 0;
    struct log_row row;
    struct err ignored;
    if (evlog_count(txn, &n, &ignored) != 0)
        return 0;
    for (uint32_t no = 1; no <= n; no++)
        if (evlog_get(txn, no, &row, &ignored) == 0 && TYPE_EQ(&row.unit, unit))
            sum += row.head_seq;
    return sum;
}

static void
print_found(struct datadir *d, struct db_txn *txn, const struct found *f, long pid)
{
    char members[CLI_NUMBER_MAX], events[CLI_NUMBER_MAX];
    const struct identity *id = &d->identity;
    printf("%s  %s  (%s, %s)\n", id->unit_code, pid ? "running" : "not running", id->federation_name.s,
           id->production ? "production" : "test");
    printf("data         %s\n", d->path);
    if (pid)
        printf("process      %ld; with a token (--token-file, $SMARTNODE_TOKEN) this says more\n", pid);
    printf("heads        %zu\n\n", f->n_heads);
    cli_cell("unit", 8, false);
    cli_cell("members", 12, true);
    cli_cell("events", 12, true);
    putchar('\n');
    for (size_t i = 0; i < f->n_units; i++) {
        cli_cell(f->units[i].code, 8, false);
        cli_cell(cli_number(members_of(txn, &f->units[i].unit, f->today), members), 12, true);
        cli_cell(cli_number((int64_t)events_of(txn, &f->units[i].unit), events), 12, true);
        putchar('\n');
    }
    printf("\npeers pinned\n");
    for (size_t i = 0; i < f->n_trusted; i++)
        printf("%-6s%s%s\n", f->trusted[i].card.unit_code, f->trusted[i].card.unit_name.s,
               f->trusted[i].keeper ? " (keeper)" : "");
    if (f->n_trusted == 0)
        printf("none: smartnode peer --help\n");
}

static void
print_found_json(struct datadir *d, struct db_txn *txn, const struct found *f, long pid)
{
    json_t *units = json_array(), *peers = json_array();
    for (size_t i = 0; i < f->n_units; i++)
        json_array_append_new(units, json_pack("{s:s,s:I,s:I}", "unit", f->units[i].code, "members",
                                               (json_int_t)members_of(txn, &f->units[i].unit, f->today), "events",
                                               (json_int_t)events_of(txn, &f->units[i].unit)));
    for (size_t i = 0; i < f->n_trusted; i++)
        json_array_append_new(
            peers, json_pack("{s:s,s:b}", "code", f->trusted[i].card.unit_code, "keeper", f->trusted[i].keeper));
    json_t *all = json_pack("{s:b,s:s,s:s,s:I,s:o,s:o}", "running", pid != 0, "unit", d->identity.unit_code, "data",
                            d->path, "heads", (json_int_t)f->n_heads, "units", units, "peers", peers);
    if (all)
        json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
}

static int
status_stored(const struct cli_common *c, struct datadir *d, long pid, struct err *err)
{
    struct found f = {.today = datadir_today(d)};
    struct db_txn *txn = NULL;
    f.units = calloc(UNITS_MAX, sizeof(*f.units));
    int rc = f.units ? db_begin_read(d->db, &txn, err) : err_set(err, ERR_NOMEM, "status: out of memory");
    if (rc == 0)
        rc = view_units(txn, DATE_MAX, f.units, UNITS_MAX, &f.n_units, err);
    if (rc == 0)
        rc = evlog_tips(txn, NULL, &f.heads, &f.n_heads, err);
    if (rc == 0)
        rc = trust_list(txn, &f.trusted, &f.n_trusted, err);
    if (rc == 0 && c->json)
        print_found_json(d, txn, &f, pid);
    else if (rc == 0)
        print_found(d, txn, &f, pid);
    db_abort(&txn);
    found_release(&f);
    return rc;
}

int
cmd_status(int argc, char **argv)
{
    struct cli_common c = {0};
    struct datadir d;
    struct err err = {0}, asked = {0};
    char token[HTTP_TOKEN_MAX] = "", base[HTTP_URL_MAX];
    cli_parse(&argp, "status", argc, argv, &c);
    int no_token = http_token(c.token_file, token, &asked);
    if (no_token != 0 && (c.url || c.token_file))
        return cli_fail(&asked);
    if (c.url)
        return status_running(&c, c.url, token, &err) == 0 ? EXIT_OK : cli_fail(&err);
    int rc = cli_open(c.data, DATADIR_READER, &d, &err);
    if (rc != 0)
        return cli_fail(&err);
    long pid = datadir_holder(d.path);
    bool told = false;
    if (pid != 0 && no_token == 0 && cli_base_of(&d.config, base, &err) == 0) {
        rc = status_running(&c, base, token, &err);
        told = rc == 0;
        if (!told)
            cli_fail(&err);
    }
    if (!told)
        rc = status_stored(&c, &d, pid, &err);
    datadir_close(&d);
    return rc != 0 ? cli_fail(&err) : pid != 0 ? EXIT_OK : EXIT_NOT_RUNNING;
}
