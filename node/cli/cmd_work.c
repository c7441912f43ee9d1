/* smartnode activity, smartnode invoice: the work of members on the running node, by its HTTP interface, for a desk without a portal. */
#include "node/cli/desk.h"
#include "node/exchange/values.h"

enum {
    OPT_ON = OPT_OWN,
    OPT_MEMBER,
    OPT_MEMBER_NO,
    OPT_ACTIVITY,
    OPT_ACTIVITY_NO,
    OPT_SECTOR,
    OPT_CULTURE,
    OPT_OFFICE,
    OPT_NUMBER,
    OPT_TEXT,
    OPT_AMOUNT,
    OPT_CURRENCY,
    OPT_RATE,
    OPT_CONTRIBUTION,
    OPT_CLIENT,
    OPT_CLIENT_NUMBER,
    OPT_MONTH,
    OPT_EVENT,
    OPT_ADJUSTS,
    OPT_LIMIT,
    OPT_AFTER,
    OPT_MEMBER_UNIT,
    OPT_KEY,
    WORDS_MAX = 2,
};

struct work_args {
    struct cli_common common;
    bool invoices;
    size_t n_words;
    const char *words[WORDS_MAX];
    const char *on, *member, *member_no, *activity, *activity_no, *sector, *culture, *office, *number, *text;
    const char *amount, *currency, *rate, *contribution, *client, *client_number, *month, *event, *limit, *after, *key;
    const char *member_unit;
    bool adjusts;
};

/* What is done to one that is there: the word, the route's end. "" = a PATCH. */
static const struct work_change {
    const char *word, *suffix;
    bool invoices;
} CHANGES[] = {
    {"change", "", false}, {"close", "/close", false},        {"cancel", "/cancellations", false},
    {"correct", "", true}, {"credit", "/credit-notes", true}, {"cancel", "/cancellations", true},
};

static const struct cli_binding bindings[] = {
    CLI_BIND(struct work_args, OPT_ON, on),
    CLI_BIND(struct work_args, OPT_MEMBER, member),
    CLI_BIND(struct work_args, OPT_MEMBER_NO, member_no),
    CLI_BIND(struct work_args, OPT_ACTIVITY, activity),
    CLI_BIND(struct work_args, OPT_ACTIVITY_NO, activity_no),
    CLI_BIND(struct work_args, OPT_SECTOR, sector),
    CLI_BIND(struct work_args, OPT_CULTURE, culture),
    CLI_BIND(struct work_args, OPT_OFFICE, office),
    CLI_BIND(struct work_args, OPT_NUMBER, number),
    CLI_BIND(struct work_args, OPT_TEXT, text),
    CLI_BIND(struct work_args, OPT_AMOUNT, amount),
    CLI_BIND(struct work_args, OPT_CURRENCY, currency),
    CLI_BIND(struct work_args, OPT_RATE, rate),
    CLI_BIND(struct work_args, OPT_CONTRIBUTION, contribution),
    CLI_BIND(struct work_args, OPT_CLIENT, client),
    CLI_BIND(struct work_args, OPT_CLIENT_NUMBER, client_number),
    CLI_BIND(struct work_args, OPT_MONTH, month),
    CLI_BIND(struct work_args, OPT_EVENT, event),
    CLI_BIND(struct work_args, OPT_LIMIT, limit),
    CLI_BIND(struct work_args, OPT_AFTER, after),
    CLI_BIND(struct work_args, OPT_MEMBER_UNIT, member_unit),
    CLI_BIND(struct work_args, OPT_KEY, key),
    CLI_BIND(struct work_args, OPT_ADJUSTS, adjusts),
};
static const struct cli_taking taking = CLI_TAKING(struct work_args, bindings, "what: list, show, or a change");

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    return cli_take(&taking, key, arg, state);
}

/* clang-format off */
#define WORK_OPTIONS                                                                                                   \
    CLI_OPTION_DATA, CLI_OPTION_URL, CLI_OPTION_TOKEN, CLI_OPTION_JSON,                                                \
    {"limit", OPT_LIMIT, "N", 0, "list: at most so many (100)", 1},                                                    \
    {"after", OPT_AFTER, "ID", 0, "list: go on after that one", 1},                                                    \
    {"member", OPT_MEMBER, "ID", 0, "Whose: of list, and of a new activity", 1},                                       \
    {"sector", OPT_SECTOR, "NAME", 0, "Sector by name or number, such as music", 2},                                   \
    {"culture", OPT_CULTURE, "yes|no", OPTION_ARG_OPTIONAL, "Counts as culture, or not", 2},                           \
    {"office", OPT_OFFICE, "NAME", 0, "Office, by name or id", 2},                                                     \
    {"number", OPT_NUMBER, "NO", 0, "The unit's own number; of list and show: the one to find", 2},                    \
    {"adjusts-closed", OPT_ADJUSTS, NULL, 0, "The date lies in a closed year, and that is meant", 2},                  \
    {"event", OPT_EVENT, "EVENT", 0, "cancel: this entry, as show names it", 2},                                       \
    {"idempotency-key", OPT_KEY, "KEY", 0, "The same command with the same key is done once, however often it is given", 2}
/* clang-format on */

static const struct argp_option activity_options[] = {
    WORK_OPTIONS,
    {"on", OPT_ON, "DATE", 0, "Date of effect (else today); what others see of it is its month", 2},
    {"member-no", OPT_MEMBER_NO, "NO", 0, "open: the member of that number", 2},
    {"member-unit", OPT_MEMBER_UNIT, "CODE", 0, "open: of a visitor: the home unit (with --member and --office)", 2},
    {"text", OPT_TEXT, "TEXT", 0, "Title", 2},
    CLI_OPTION_END};

static const struct argp_option invoice_options[] = {
    WORK_OPTIONS,
    {"month", OPT_MONTH, "YYYY-MM", 0, "list: of that month", 1},
    {"on", OPT_ON, "DATE", 0, "Its date (else today); a correction stays in the month", 2},
    {"activity", OPT_ACTIVITY, "ID", 0, "issue: the activity", 2},
    {"activity-no", OPT_ACTIVITY_NO, "NO", 0, "issue: the activity of that number", 2},
    {"amount", OPT_AMOUNT, "AMOUNT", 0, "Without tax, such as 1250.50; credit: all that is left if not given", 2},
    {"currency", OPT_CURRENCY, "CODE", 0, "Currency (else the unit's)", 2},
    {"rate", OPT_RATE, "PERCENT", 0, "Contribution rate (else the unit's of that day)", 2},
    {"contribution", OPT_CONTRIBUTION, "AMOUNT", 0, "Contribution (else by the rate)", 2},
    {"client", OPT_CLIENT, "NAME", 0, "Client", 2},
    {"client-number", OPT_CLIENT_NUMBER, "NO", 0, "The client's number", 2},
    {"text", OPT_TEXT, "TEXT", 0, "What for", 2},
    CLI_OPTION_END};

#define TOKEN_HELP "\vNeeds a token of role desk or integration: --token-file FILE or $SMARTNODE_TOKEN.\n\n"

static const struct argp activity_argp = {
    activity_options,
    on_option,
    "list\nshow ID\nshow --number NO\nopen\nchange|close|cancel ID",
    "Opens, shows and changes activities of members on the running node." TOKEN_HELP
    "cancel takes the entry --event back as if it had never been.\n\n"
    "Examples:\n"
    "  smartnode activity open --member-no 4711 --sector music --culture --number P-17 --on 2024-03-01\n"
    "  smartnode activity show --number P-17\n"
    "  smartnode activity change 0123456789abcdef0123456789abcdef --office Gent --on 2024-07-01\n"
    "  smartnode activity close 0123456789abcdef0123456789abcdef --on 2024-12-31",
    NULL,
    NULL,
    NULL};

static const struct argp invoice_argp = {
    invoice_options,
    on_option,
    "list\nshow ID\nshow --number NO\nissue\ncorrect|credit|cancel ID",
    "Issues, shows, corrects and credits invoices on the running node." TOKEN_HELP
    "cancel takes the whole invoice back as if it had never been; with --event one credit note.\n\n"
    "Examples:\n"
    "  smartnode invoice issue --activity-no P-17 --amount 1250.50 --number 2024-118 --client \"Verzonnen VZW\"\n"
    "  smartnode invoice list --month 2024-03\n"
    "  smartnode invoice credit 0123456789abcdef0123456789abcdef --amount 250.50\n"
    "  smartnode invoice correct 0123456789abcdef0123456789abcdef --amount 1250",
    NULL,
    NULL,
    NULL};

static const char *
what(const struct work_args *a)
{
    return a->invoices ? "invoice" : "activity";
}

static const char *
route(const struct work_args *a)
{
    return a->invoices ? "/v1/invoices" : "/v1/activities";
}

/* ---- showing ---- */

static void
print_one_line(const struct work_args *a, const json_t *o)
{
    char money[CLI_MONEY_MAX];
    const char *currency = desk_text(o, "currency");
    cli_cell(desk_text(o, "id"), 34, false);
    cli_cell(desk_text(o, a->invoices ? "invoice_no" : "activity_no"), 14, false);
    cli_cell(desk_text(o, a->invoices ? "month" : "opened"), 9, false);
    cli_cell(desk_text(o, "status"), 11, false);
    if (a->invoices) {
        cli_cell(cli_money(desk_int(o, "amount_minor"), currency, money), 14, true);
        printf(" %s  %s\n", currency, desk_text(o, "client"));
    } else {
        cli_cell(desk_text(o, "sector_name"), 26, false);
        printf("%s\n", desk_text(o, "text"));
    }
}

static void
put_query(struct buf *path, const char *name, const char *value)
{
    if (!value)
        return;
    if (path->len > 0 && path->data[path->len - 1] != '?')
        buf_put_u8(path, '&');
    buf_put(path, name, strlen(name));
    buf_put_u8(path, '=');
    http_escape(path, value);
}

static int
list_get(struct http *h, const struct work_args *a, json_t **ret, struct err *err)
{
    struct buf path;
    buf_init(&path, DESK_PATH_BYTES * 4);
    buf_put(&path, route(a), strlen(route(a)));
    buf_put_u8(&path, '?');
    put_query(&path, "limit", a->limit ? a->limit : "100");
    put_query(&path, "after", a->after);
    put_query(&path, "member", a->member);
    put_query(&path, "month", a->month);
    put_query(&path, a->invoices ? "invoice_no" : "activity_no", a->number);
    buf_put_u8(&path, 0);
    int rc = buf_check(&path, "list", err);
    rc = rc != 0 ? rc : desk_get(h, (const char *)path.data, ret, err);
    buf_free(&path);
    return rc;
}

static int
list(struct http *h, const struct work_args *a, struct err *err)
{
    json_t *doc = NULL;
    const json_t *found, *o;
    size_t i;
    int rc = list_get(h, a, &doc, err);
    if (rc == 0 && a->common.json)
        desk_dump(doc);
    if (rc == 0 && !a->common.json) {
        found = json_object_get(doc, a->invoices ? "invoices" : "activities");
        json_array_foreach(found, i, o) print_one_line(a, o);
        if (desk_text(doc, "next")[0] != '\0')
            printf("… there may be more: --after %s\n", desk_text(doc, "next"));
        else if (json_array_size(found) == 0)
            printf("none found\n");
    }
    json_decref(doc);
    return rc;
}

/* The id given, or that of the number given. */
static int
id_of(struct http *h, const struct work_args *a, char ret[HEX16_MAX], struct err *err)
{
    json_t *doc = NULL;
    if (a->n_words == 2) {
        snprintf(ret, HEX16_MAX, "%.32s", a->words[1]);
        return 0;
    }
    int rc = list_get(h, a, &doc, err);
    const char *id = desk_text(json_array_get(json_object_get(doc, a->invoices ? "invoices" : "activities"), 0), "id");
    if (rc == 0 && id[0] == '\0')
        rc = err_set(err, ERR_NOTFOUND, "no %s has the number %.60s", what(a), a->number);
    if (rc == 0)
        snprintf(ret, HEX16_MAX, "%.32s", id);
    json_decref(doc);
    return rc;
}

static int
show(struct http *h, const struct work_args *a, struct err *err)
{
    char path[DESK_PATH_BYTES], id[HEX16_MAX];
    json_t *doc = NULL;
    int rc = id_of(h, a, id, err);
    if (rc == 0) {
        snprintf(path, sizeof(path), "%s/%s", route(a), id);
        rc = desk_get(h, path, &doc, err);
    }
    if (rc == 0 && a->common.json) {
        desk_dump(doc);
    } else if (rc == 0) {
        desk_print(doc);
        desk_print_events(json_object_get(doc, "events"));
    }
    json_decref(doc);
    return rc;
}

/* ---- changing ---- */

static int
put_amounts(struct http *h, const struct work_args *a, const json_t *old, json_t *o, struct err *err)
{
    char currency[CURRENCY_MAX] = "";
    json_t *minor = NULL;
    uint32_t rate = 0;
    int rc = 0;
    if (a->currency || desk_text(old, "currency")[0] != '\0')
        snprintf(currency, sizeof(currency), "%.3s", a->currency ? a->currency : desk_text(old, "currency"));
    else if (a->amount || a->contribution)
        rc = desk_currency(h, currency, err);
    if (rc == 0 && a->amount && (rc = desk_amount(a->amount, "--amount", currency, &minor, err)) == 0)
        json_object_set_new(o, "amount_minor", minor);
    if (rc == 0 && a->contribution && (rc = desk_amount(a->contribution, "--contribution", currency, &minor, err)) == 0)
        json_object_set_new(o, "contribution_minor", minor);
    if (rc == 0 && a->rate && (rc = value_percent(a->rate, "--rate", 0, &rate, err)) == 0)
        json_object_set_new(o, "rate_bp", json_integer((json_int_t)rate));
    if (rc == 0)
        desk_put(o, "currency", a->currency ? a->currency : !old && currency[0] != '\0' ? currency : NULL);
    return rc;
}

static int
body_of(struct http *h, const struct work_args *a, const json_t *old, json_t *o, struct err *err)
{
    bool culture = false;
    int rc = 0;
    desk_put(o, a->invoices ? "date" : "effective_on", a->on);
    if (!old) {
        desk_put(o, "member", a->invoices ? NULL : a->member);
        desk_put(o, "member_no", a->member_no);
        desk_put(o, "member_unit", a->member_unit);
        desk_put(o, "activity", a->activity);
        desk_put(o, "activity_no", a->activity_no);
    }
    desk_put(o, "sector", a->sector);
    desk_put(o, "office", a->office);
    desk_put(o, a->invoices ? "invoice_no" : "activity_no", a->number);
    desk_put(o, "text", a->text);
    desk_put(o, "client", a->client);
    desk_put(o, "client_number", a->client_number);
    if (a->culture && (rc = value_bool(a->culture, "--culture", &culture, err)) == 0)
        json_object_set_new(o, "culture", json_boolean(culture));
    if (a->adjusts)
        json_object_set_new(o, "adjusts_closed", json_true());
    return rc == 0 && a->invoices ? put_amounts(h, a, old, o, err) : rc;
}

static int
make(struct http *h, const struct work_args *a, struct err *err)
{
    json_t *o = json_object(), *doc = NULL;
    int rc = body_of(h, a, NULL, o, err);
    if (rc != 0)
        json_decref(o);
    else
        rc = desk_send(h, "POST", route(a), o, a->key, NULL, &doc, err);
    if (rc == 0)
        desk_done(doc, what(a), a->common.json);
    json_decref(doc);
    return rc;
}

static int
change(struct http *h, const struct work_args *a, const struct work_change *action, struct err *err)
{
    char path[DESK_PATH_BYTES], etag[HTTP_ETAG_MAX];
    json_t *old = NULL, *doc = NULL, *at = NULL, *o = json_object();
    snprintf(path, sizeof(path), "%s/%s", route(a), a->words[1]);
    int rc = desk_get_tagged(h, path, &old, etag, err);
    if (rc == 0 && a->event && (rc = desk_event(json_object_get(old, "events"), a->event, &at, NULL, err)) == 0)
        json_object_set_new(o, "event", at);
    if (rc == 0)
        rc = body_of(h, a, old, o, err);
    if (rc == 0) {
        snprintf(path + strlen(path), sizeof(path) - strlen(path), "%s", action->suffix);
        rc = desk_send(h, action->suffix[0] == '\0' ? "PATCH" : "POST", path, o, a->key, etag, &doc, err);
    } else {
        json_decref(o);
    }
    if (rc == 0)
        desk_done(doc, what(a), a->common.json);
    json_decref(old);
    json_decref(doc);
    return rc;
}

static const struct work_change *
action_of(const struct work_args *a)
{
    for (size_t i = 0; i < ARRAY_LEN(CHANGES); i++)
        if (CHANGES[i].invoices == a->invoices && strcmp(CHANGES[i].word, a->words[0]) == 0)
            return &CHANGES[i];
    return NULL;
}

static bool
is(const struct work_args *a, const char *word)
{
    return strcmp(a->words[0], word) == 0;
}

/* Wrong usage, said before anybody is asked. */
static int
check(const struct work_args *a)
{
    const struct work_change *action = action_of(a);
    bool makes = is(a, a->invoices ? "issue" : "open"), lists = is(a, "list"), shows = is(a, "show");
    if (!action && !makes && !lists && !shows)
        return cli_usage("%s %.40s: there is no such; smartnode %s --help lists what there is", what(a), a->words[0],
                         what(a));
    if ((makes || lists) && a->n_words != 1)
        return cli_usage("%s %s: unexpected %.60s", what(a), a->words[0], a->words[1]);
    if (a->n_words == 1 && (action || (shows && !a->number)))
        return cli_usage("%s %s ID: which one? smartnode %s list finds it", what(a), a->words[0], what(a));
    if (a->n_words == 2 && !desk_is_id(a->words[1]))
        return cli_usage("%.60s: an id is 32 hexadecimal digits; smartnode %s list finds it", a->words[1], what(a));
    if (makes && a->invoices && (!a->amount || !(a->activity || a->activity_no)))
        return cli_usage("invoice issue needs --amount, and --activity or --activity-no");
    if (makes && !a->invoices && (!a->sector || !(a->member || a->member_no)))
        return cli_usage("activity open needs --sector, and --member or --member-no");
    if (a->member_unit && (!makes || a->invoices || !a->member || !a->office))
        return cli_usage("--member-unit is of activity open, with --member and --office: a visitor has no office here");
    if (is(a, "cancel") && !a->invoices && !a->event)
        return cli_usage("activity cancel needs --event; smartnode activity show ID names them");
    if (a->event && !is(a, "cancel"))
        return cli_usage("--event is of cancel");
    return EXIT_OK;
}

static int
run(struct work_args *a)
{
    struct http *h = NULL;
    struct err err = {0};
    int rc = check(a);
    if (rc != EXIT_OK)
        return rc;
    rc = desk_open(&a->common, &h, &err);
    if (rc == 0) {
        if (is(a, "list"))
            rc = list(h, a, &err);
        else if (is(a, "show"))
            rc = show(h, a, &err);
        else
            rc = action_of(a) ? change(h, a, action_of(a), &err) : make(h, a, &err);
    }
    http_free(&h);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}

int
cmd_activity(int argc, char **argv)
{
    struct work_args a = {0};
    cli_parse(&activity_argp, "activity", argc, argv, &a);
    return run(&a);
}

int
cmd_invoice(int argc, char **argv)
{
    struct work_args a = {.invoices = true};
    cli_parse(&invoice_argp, "invoice", argc, argv, &a);
    return run(&a);
}
