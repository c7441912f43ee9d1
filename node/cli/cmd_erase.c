/* smartnode erase, erasures, retention: orders erasures and restrictions on the running node, shows who has confirmed them and who is silent,
 * what is due by the legal dates, and orders that. By the node's HTTP interface. */
#include "node/cli/desk.h"
#include "node/host/datadir.h"
#include "storage/erasures.h"

enum {
    OPT_CLASS = OPT_OWN,
    OPT_GROUND,
    OPT_NOTE,
    OPT_RESTRICT,
    OPT_LIFT,
    OPT_UNTIL,
    OPT_REPRESENTATIVES,
    OPT_ONE,
    OPT_OPEN,
    OPT_CARRY,
    OPT_KEY,
    OPT_PROVE,
    OPT_BACKUP,
    NAMED_MAX = 5,
    BULK = 100,
    OF_ONE_COMMIT = 512, /* events of one erasure stand closer together */
};

struct erase_args {
    struct cli_common common;
    const char *member, *ground, *note, *until, *key, *backup;
    const char *classes[NAMED_MAX];
    size_t n_classes;
    bool restrict_, lift, representatives, one, open, carry_out;
};

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct erase_args *a = state->input;
    if (cli_common_option(&a->common, key, arg))
        return 0;
    switch (key) {
    case OPT_CLASS:
        if (a->n_classes == NAMED_MAX)
            argp_error(state, "--class: more than there are");
        a->classes[a->n_classes++] = arg;
        return 0;
    case OPT_GROUND: a->ground = arg; return 0;
    case OPT_NOTE: a->note = arg; return 0;
    case OPT_UNTIL: a->until = arg; return 0;
    case OPT_BACKUP: a->backup = arg; return 0;
    case OPT_RESTRICT: a->restrict_ = true; return 0;
    case OPT_LIFT: a->lift = true; return 0;
    case OPT_REPRESENTATIVES: a->representatives = true; return 0;
    case OPT_ONE: a->one = true; return 0;
    case OPT_OPEN: a->open = true; return 0;
    case OPT_CARRY: a->carry_out = true; return 0;
    case OPT_KEY: a->key = arg; return 0;
    case ARGP_KEY_ARG:
        if (a->member)
            argp_error(state, "unexpected argument: %s", arg);
        if (!desk_is_id(arg))
            argp_error(state, "%.60s: an id is 32 hexadecimal digits; smartnode member search TEXT finds it", arg);
        a->member = arg;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- erase ---- */

static const struct argp_option erase_options[] = {
    {"class", OPT_CLASS, "CLASS", 0, "identity, contact, bank, activity or note; may be repeated", 1},
    {"ground", OPT_GROUND, "GROUND", 0,
     "asked (by the person), legal_date, wrongly_held, authority or consent; else asked", 1},
    {"note", OPT_NOTE, "TEXT", 0, "Who asked, and how: kept with the order, readable to the desk alone", 1},
    {"representatives", OPT_REPRESENTATIVES, NULL, 0, "Of a legal person: everybody who ever acted for it, too", 1},
    {"one-record", OPT_ONE, NULL, 0,
     "Of a person whose records were merged: this record alone. Without it all of them, which the answer lists", 1},
    {"restrict", OPT_RESTRICT, NULL, 0, "Do not erase: restrict, so that no desk reads it", 2},
    {"until", OPT_UNTIL, "DAY", 0, "--restrict: until this day (else until it is lifted)", 2},
    {"lift", OPT_LIFT, NULL, 0, "Lift a restriction", 2},
    {"prove", OPT_PROVE, NULL, 0, "Search this node's own files for what was erased: smartnode erase --prove --help",
     3},
    {"backup-taken", OPT_BACKUP, "DATE", 0,
     "Without MEMBER, at the data directory, by whatever copies the vault: the newest copy is of this day. "
     "Confirmations say until when a copy may hold a key; without this they assume one made on their own day",
     3},
    {"idempotency-key", OPT_KEY, "KEY", 0, "The same command with the same key is done once", 3},
    CLI_OPTION_DATA,
    CLI_OPTION_URL,
    CLI_OPTION_TOKEN,
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};
static const struct argp erase_argp = {
    erase_options,
    on_option,
    "MEMBER --class CLASS…",
    "Erases what is known of a member, at every unit."
    "\vContact, bank and notes go at once. Identity and activity (whose invoices are whose) go once their legal date has come, and are "
    "restricted until then. Every unit that held something of it destroys it and confirms: smartnode erasures shows who has, and who is "
    "silent. There is no way back.\n\n"
    "Example:\n"
    "  smartnode erase 0123… --class contact --class bank --note \"letter of 3 May\" --token-file desk.token",
    NULL,
    NULL,
    NULL};

static json_t *
order_of(const struct erase_args *a)
{
    json_t *o = json_object(), *classes = json_array();
    for (size_t i = 0; i < a->n_classes; i++)
        json_array_append_new(classes, json_string(a->classes[i]));
    json_object_set_new(o, "classes", classes);
    desk_put(o, "ground", a->lift ? NULL : a->ground);
    desk_put(o, "note", a->note);
    desk_put(o, "until", a->until);
    if (a->representatives)
        json_object_set_new(o, "representatives", json_true());
    if (a->one)
        json_object_set_new(o, "with_merged", json_false());
    return o;
}

/* A person of several records, which were merged: what came of each. */
static void
print_records(const json_t *records)
{
    const json_t *record, *v;
    size_t i, k;
    if (json_array_size(records) < 2)
        return;
    printf("this person has %zu records, which were merged; all were ordered:\n", json_array_size(records));
    json_array_foreach(records, i, record)
    {
        printf("  %s:", desk_text(record, "id"));
        json_array_foreach(json_object_get(record, "erased"), k, v) printf(" %s", json_string_value(v));
        json_array_foreach(json_object_get(record, "restricted"), k, v)
            printf(" %s (restricted)", desk_text(v, "class"));
        printf("\n");
    }
}

static void
print_order(const json_t *doc, const struct erase_args *a)
{
    const json_t *v;
    size_t i;
    print_records(json_object_get(doc, "records"));
    if (a->restrict_ || a->lift) {
        printf("done: %s\n", a->lift ? "restriction lifted" : "restricted");
        return;
    }
    json_array_foreach(json_object_get(doc, "erased"), i, v) printf("erased: %s\n", json_string_value(v));
    json_array_foreach(json_object_get(doc, "restricted"), i, v)
        printf("restricted until %s: %s\n", desk_text(v, "until"), desk_text(v, "class"));
    printf("smartnode erasures shows which units have confirmed\n");
}

/* Noted beside a running node: one row. A day before the one that is noted is of an older copy, and leaves it. */
static int
note_backup(const struct erase_args *a, struct err *err)
{
    struct civil_date day, noted = DATE_NONE;
    struct datadir d;
    struct db_txn *txn = NULL;
    struct slice row, name = slice_of(META_VAULT_BACKUP, strlen(META_VAULT_BACKUP));
    uint8_t raw[4];
    int rc = date_parse(a->backup, "backup-taken", &day, err);
    if (rc == 0)
        rc = cli_open(a->common.data, DATADIR_ADMIN, &d, err);
    if (rc != 0)
        return rc;
    if (day.days > datadir_today(&d).days)
        rc = err_field(err, ERR_INVALID, "backup-taken", "backup-taken: lies in the future");
    if (rc == 0)
        rc = db_begin_write(d.db, &txn, err);
    if (rc == 0) {
        rc = db_get(txn, TABLE_META, name, &row, err);
        if (rc == 0 && row.len == sizeof(raw))
            noted.days = (int32_t)be32_get(row.data);
        rc = rc == ERR_NOTFOUND ? 0 : rc;
    }
    if (rc == 0 && day.days > noted.days) {
        be32_put(raw, (uint32_t)day.days);
        rc = db_put(txn, TABLE_META, name, slice_of(raw, sizeof(raw)), err);
    }
    if (rc == 0)
        rc = db_commit(&txn, err);
    db_abort(&txn);
    datadir_close(&d);
    return rc;
}

int
cmd_erase(int argc, char **argv)
{
    struct erase_args a = {0};
    struct http *h = NULL;
    struct err err = {0};
    char path[DESK_PATH_BYTES], etag[HTTP_ETAG_MAX] = "";
    json_t *member = NULL, *doc = NULL;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--prove") == 0)
            return cmd_prove(argc, argv);
    cli_parse(&erase_argp, "erase", argc, argv, &a);
    if (a.backup && (a.member || a.n_classes > 0))
        return cli_usage("erase --backup-taken DATE: of a copy of the vault, not of a member");
    if (a.backup)
        return note_backup(&a, &err) == 0 ? EXIT_OK : cli_fail(&err);
    if (!a.member || a.n_classes == 0)
        return cli_usage("erase MEMBER --class CLASS: which member, and what of it?");
    if (a.restrict_ && a.lift)
        return cli_usage("--restrict or --lift, not both");
    if (a.until && !a.restrict_)
        return cli_usage(
            "--until goes with --restrict, which hides the data until that day; an erasure is carried out at once, and what must be "
            "kept is restricted until its legal date by itself");
    snprintf(path, sizeof(path), "/v1/members/%s", a.member);
    int rc = desk_open(&a.common, &h, &err);
    if (rc == 0)
        rc = desk_get_tagged(h, path, &member, etag, &err);
    if (rc == ERR_CONFLICT) /* known at others only, and at several */
        rc = err_set(&err, ERR_NOTFOUND, "no such member of this unit; each unit erases what it holds itself");
    if (rc == 0) {
        snprintf(path, sizeof(path), "/v1/members/%s/%s", a.member,
                 a.lift        ? "lift"
                 : a.restrict_ ? "restrict"
                               : "erase");
        rc = desk_send(h, "POST", path, order_of(&a), a.key, etag, &doc, &err);
    }
    if (rc == 0 && a.common.json)
        desk_dump(doc);
    else if (rc == 0)
        print_order(doc, &a);
    json_decref(member);
    json_decref(doc);
    http_free(&h);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}

/* ---- erasures ---- */

static const struct argp_option erasures_options[] = {
    {"open", OPT_OPEN, NULL, 0, "Only those that a unit has not confirmed", 1},
    CLI_OPTION_DATA,
    CLI_OPTION_URL,
    CLI_OPTION_TOKEN,
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};
static const struct argp erasures_argp = {
    erasures_options,
    on_option,
    "[MEMBER]",
    "Erasures of this unit's members: which units have confirmed, who is silent and since when, until when "
    "copies of a vault may still hold a key.",
    NULL,
    NULL,
    NULL};

/* Orders of one erasure: of one commit, which has an order for each part of what goes. */
struct erasure_block {
    json_t *orders;
};

static bool
is_of_block(const struct erasure_block *b, const json_t *e)
{
    static const char *const same[] = {"id", "effective_on", "classes", "ground", "log"};
    const json_t *first = json_array_get(b->orders, 0);
    bool is = first != NULL;
    for (size_t i = 0; is && i < sizeof(same) / sizeof(same[0]); i++)
        is = json_equal(json_object_get(first, same[i]), json_object_get(e, same[i]));
    json_int_t from = json_integer_value(json_object_get(first, "seq")),
               to = json_integer_value(json_object_get(e, "seq"));
    return is && to > from && to - from < OF_ONE_COMMIT;
}

static const json_t *
of_unit(const json_t *order, const char *list, const char *unit)
{
    const json_t *v;
    size_t i;
    json_array_foreach(json_object_get(order, list), i, v) if (strcmp(desk_text(v, "unit"), unit) == 0) return v;
    return NULL;
}

/* Who confirmed each of them, with the day of the last. */
static void
print_confirmed(const struct erasure_block *b)
{
    const json_t *v, *order;
    size_t i, k;
    json_array_foreach(json_object_get(json_array_get(b->orders, 0), "confirmed"), i, v)
    {
        const char *on = desk_text(v, "on");
        json_array_foreach(b->orders, k, order)
        {
            const json_t *by = of_unit(order, "confirmed", desk_text(v, "unit"));
            on = !by || !on ? NULL : strcmp(desk_text(by, "on"), on) > 0 ? desk_text(by, "on") : on;
        }
        if (on)
            printf(" %s (%s)", desk_text(v, "unit"), on);
    }
}

/* Each unit once that is silent about one of them. */
static void
print_silent(const struct erasure_block *b)
{
    const json_t *v, *order;
    size_t i, k;
    json_array_foreach(b->orders, k, order)
    {
        json_array_foreach(json_object_get(order, "silent"), i, v)
        {
            bool said = false;
            for (size_t before = 0; before < k; before++)
                said |= of_unit(json_array_get(b->orders, before), "silent", desk_text(v, "unit")) != NULL;
            if (!said)
                printf("  silent: %s, last heard %s\n", desk_text(v, "unit"),
                       desk_text(v, "last_heard")[0] != '\0' ? desk_text(v, "last_heard") : "never");
        }
    }
}

static void
print_block(struct erasure_block *b)
{
    const json_t *first = json_array_get(b->orders, 0), *v;
    const char *until = "";
    size_t i;
    if (!first)
        return;
    printf("%s  %s ", desk_text(first, "effective_on"), desk_text(first, "id"));
    json_array_foreach(json_object_get(first, "classes"), i, v) printf(" %s", json_string_value(v));
    if (json_array_size(b->orders) > 1)
        printf("  (%zu orders)", json_array_size(b->orders));
    printf("\n  confirmed:");
    print_confirmed(b);
    printf("\n");
    print_silent(b);
    json_array_foreach(b->orders, i, v) if (strcmp(desk_text(v, "backups_until"), until) > 0) until =
        desk_text(v, "backups_until");
    if (until[0] != '\0')
        printf("  copies of a vault may hold a key until %s\n", until);
    json_array_clear(b->orders);
}

/* Pages of a list, one after the other. page (may be NULL): what else a page says. */
static int
each_page(struct http *h, const char *base, const char *list, bool as_json, void (*page)(const json_t *doc),
          int (*one)(struct http *h, const json_t *item, void *arg, struct err *err), void *arg, struct err *err)
{
    char path[DESK_PATH_BYTES];
    int rc = 0;
    snprintf(path, sizeof(path), "%s", base);
    while (rc == 0 && path[0] != '\0') {
        json_t *doc = NULL;
        const json_t *v;
        size_t i;
        rc = desk_get(h, path, &doc, err);
        if (rc == 0 && as_json)
            desk_dump(doc);
        else if (rc == 0 && page)
            page(doc);
        json_array_foreach(json_object_get(doc, list), i, v) if (rc == 0 && one) rc = one(h, v, arg, err);
        const char *next = rc == 0 ? desk_text(doc, "next") : "";
        if (next[0] != '\0')
            snprintf(path, sizeof(path), "%s%cafter=%s", base, strchr(base, '?') ? '&' : '?', next);
        else
            path[0] = '\0';
        json_decref(doc);
    }
    return rc;
}

static int
one_erasure(struct http *h UNUSED, const json_t *item, void *arg, struct err *err)
{
    struct erasure_block *b = arg;
    if (!is_of_block(b, item))
        print_block(b);
    return json_array_append_new(b->orders, json_deep_copy(item)) == 0 ? 0 : err_set(err, ERR_NOMEM, "out of memory");
}

int
cmd_erasures(int argc, char **argv)
{
    struct erase_args a = {0};
    struct http *h = NULL;
    struct err err = {0};
    char path[DESK_PATH_BYTES];
    cli_parse(&erasures_argp, "erasures", argc, argv, &a);
    struct erasure_block block = {json_array()};
    snprintf(path, sizeof(path), "/v1/erasures?open=%s%s%s", a.open ? "true" : "false", a.member ? "&member=" : "",
             a.member ? a.member : "");
    int rc = desk_open(&a.common, &h, &err);
    if (rc == 0)
        rc = each_page(h, path, "erasures", a.common.json, NULL, a.common.json ? NULL : one_erasure, &block, &err);
    if (rc == 0)
        print_block(&block);
    json_decref(block.orders);
    http_free(&h);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}

/* ---- retention ---- */

static const struct argp_option retention_options[] = {
    {"carry-out", OPT_CARRY, NULL, 0, "Order the erasure of all that is listed", 1},
    CLI_OPTION_DATA,
    CLI_OPTION_URL,
    CLI_OPTION_TOKEN,
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};
static const struct argp retention_argp = {
    retention_options,
    on_option,
    NULL,
    "What is kept beyond its legal date, member by member. The dates follow from the unit's country and "
    "[retention] in smartnode.conf; have counsel confirm them.",
    NULL,
    NULL,
    NULL};

struct due {
    const struct erase_args *args;
    json_t *ids; /* to be ordered */
    size_t n, refused;
};

static int
order_due(struct http *h, struct due *d, struct err *err)
{
    json_t *doc = NULL;
    const json_t *v;
    size_t i;
    if (json_array_size(d->ids) == 0)
        return 0;
    json_t *body = json_pack("{s:O}", "members", d->ids);
    int rc = desk_send(h, "POST", "/v1/retention", body, NULL, NULL, &doc, err);
    json_array_foreach(json_object_get(doc, "results"), i, v) d->refused += json_object_get(v, "problem") != NULL;
    json_decref(doc);
    json_array_clear(d->ids);
    return rc;
}

static int
one_due(struct http *h, const json_t *item, void *arg, struct err *err)
{
    struct due *d = arg;
    const json_t *v;
    size_t i;
    d->n++;
    if (!d->args->common.json) {
        printf("%s  %s ", desk_text(item, "id"), desk_text(item, "status"));
        json_array_foreach(json_object_get(item, "due"), i, v)
            printf(" %s (since %s)", desk_text(v, "class"), desk_text(v, "since"));
        printf("\n");
    }
    if (!d->args->carry_out)
        return 0;
    json_array_append_new(d->ids, json_string(desk_text(item, "id")));
    return json_array_size(d->ids) >= BULK ? order_due(h, d, err) : 0;
}

/* Of who moved away: an erasure there binds nobody here, and is no reason to keep longer. */
static void
print_asked(const json_t *doc)
{
    const json_t *item, *v;
    size_t i, k;
    json_array_foreach(json_object_get(doc, "asked_elsewhere"), i, item)
    {
        printf("%s  moved; erased at %s on %s. Of this unit's own data:", desk_text(item, "id"),
               desk_text(item, "unit"), desk_text(item, "on"));
        json_array_foreach(json_object_get(item, "own"), k, v)
        {
            const char *due = desk_text(v, "due");
            if (json_is_true(json_object_get(v, "may_go")))
                printf(" %s (may go now)", desk_text(v, "class"));
            else if (due[0] != '\0')
                printf(" %s (%s, until %s)", desk_text(v, "class"), desk_text(v, "rule"), due);
            else
                printf(" %s (must be kept)", desk_text(v, "class"));
        }
        printf("\n  smartnode erase %s --class CLASS… erases what may go, and restricts the rest until its date\n",
               desk_text(item, "id"));
    }
}

int
cmd_retention(int argc, char **argv)
{
    struct erase_args a = {0};
    struct due d = {.args = &a};
    struct http *h = NULL;
    struct err err = {0};
    cli_parse(&retention_argp, "retention", argc, argv, &a);
    d.ids = json_array();
    int rc = desk_open(&a.common, &h, &err);
    if (rc == 0)
        rc = each_page(h, "/v1/retention", "members", a.common.json, print_asked, one_due, &d, &err);
    if (rc == 0)
        rc = order_due(h, &d, &err);
    if (rc == 0 && !a.common.json)
        printf("%zu members with something due%s\n", d.n, a.carry_out ? ", ordered" : "");
    if (rc == 0 && d.refused > 0)
        rc = err_set(&err, ERR_CONFLICT, "%zu of them were refused", d.refused);
    json_decref(d.ids);
    http_free(&h);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}
