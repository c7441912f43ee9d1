/* smartnode member double: one person with a record in each of two units, on the running node by its HTTP interface. */
#include <sodium.h>

#include "node/cli/desk.h"

enum { OPT_UNIT = OPT_OWN, OPT_OTHER, OPT_OUTCOME, OPT_REASON, OPT_ON, OPT_NOTE, OPT_KEY, OPT_ADJUSTS, WORDS_MAX = 3 };

struct double_args {
    struct cli_common common;
    size_t n_words;
    const char *words[WORDS_MAX];
    const char *unit, *other, *outcome, *reason, *on, *note, *key;
    bool adjusts;
};

static const struct cli_binding bindings[] = {
    CLI_BIND(struct double_args, OPT_UNIT, unit),       CLI_BIND(struct double_args, OPT_OTHER, other),
    CLI_BIND(struct double_args, OPT_OUTCOME, outcome), CLI_BIND(struct double_args, OPT_REASON, reason),
    CLI_BIND(struct double_args, OPT_ON, on),           CLI_BIND(struct double_args, OPT_NOTE, note),
    CLI_BIND(struct double_args, OPT_KEY, key),         CLI_BIND(struct double_args, OPT_ADJUSTS, adjusts),
};
static const struct cli_taking taking = CLI_TAKING(struct double_args, bindings, NULL);

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    return cli_take(&taking, key, arg, state);
}

static const struct argp_option options[] = {
    CLI_OPTION_DATA,
    CLI_OPTION_URL,
    CLI_OPTION_TOKEN,
    CLI_OPTION_JSON,
    {"unit", OPT_UNIT, "CODE", 0, "The unit that has the other record", 1},
    {"other", OPT_OTHER, "ID", 0, "The other record", 1},
    {"outcome", OPT_OUTCOME, "WORD", 0, "settle: two_persons, this_given_up or other_given_up", 1},
    {"reason", OPT_REASON, "NAME", 0,
     "settle: \"joined there first\", \"wish of the member\", \"recorded twice by mistake\", \"not the same person\", or a number",
     1},
    {"on", OPT_ON, "DATE", 0, "Date of effect (else today)", 1},
    {"adjusts-closed", OPT_ADJUSTS, NULL, 0, "settle: the date lies in a closed year, and that is meant", 1},
    {"note", OPT_NOTE, "TEXT", 0, "A note that only this unit reads", 1},
    {"idempotency-key", OPT_KEY, "KEY", 0, "The same command with the same key is done once, with the same answer", 1},
    CLI_OPTION_END,
};

static const struct argp argp = {
    options,
    on_option,
    "double declare|settle MEMBER\ndouble list",
    "Two records of one person in two units: says so, and what becomes of this unit's one."
    "\vNeeds a token of role desk or integration: --token-file FILE or $SMARTNODE_TOKEN.\n\n"
    "smartnode member duplicates lists who was found by asking other units; nothing follows from that by itself. A declaration changes nothing yet: "
    "both units list it. Each then settles its own record, once somebody spoke with the member. this_given_up ends the membership here, and its "
    "shares are owed. list says which of the two should stay: the one that joined first. Undone by member cancel with the event of "
    "member show MEMBER --history.\n\n"
    "Examples:\n"
    "  smartnode member double declare 0123456789abcdef0123456789abcdef --unit SE --other fedcba9876543210fedcba9876543210\n"
    "  smartnode member double settle 0123456789abcdef0123456789abcdef --unit SE --other fedcba9876543210fedcba9876543210 --outcome this_given_up "
    "--reason \"joined there first\"",
    NULL,
    NULL,
    NULL};

static bool
is(const struct double_args *a, const char *what)
{
    return a->n_words > 1 && strcmp(a->words[1], what) == 0;
}

/* ---- listing ---- */

static const char *
said(const json_t *side)
{
    return json_is_true(json_object_get(side, "declared")) ? desk_text(side, "settled") : "not declared";
}

static void
print_double(const json_t *d)
{
    bool ours = strcmp(desk_text(d, "should_stay"), "ours") == 0;
    cli_cell(desk_text(d, "member"), 34, false);
    cli_cell(desk_text(d, "unit"), 9, false);
    cli_cell(desk_text(d, "other"), 34, false);
    cli_cell(said(json_object_get(d, "ours")), 16, false);
    cli_cell(said(json_object_get(d, "theirs")), 16, false);
    printf("%s should stay\n", ours ? "this one" : desk_text(d, "unit"));
}

static int
list(struct http *h, const struct double_args *a, struct err *err)
{
    char path[DESK_PATH_BYTES] = "/v1/doubles?limit=200";
    size_t n = 0;
    int rc = 0;
    for (bool more = true; rc == 0 && more;) {
        json_t *doc = NULL;
        const json_t *e;
        size_t i;
        rc = desk_get(h, path, &doc, err);
        const json_t *found = rc == 0 ? json_object_get(doc, "doubles") : NULL;
        const char *next = rc == 0 ? desk_text(doc, "next") : "";
        more = next[0] != '\0';
        if (rc == 0 && a->common.json)
            desk_dump(doc);
        if (rc == 0 && !a->common.json && n == 0 && json_array_size(found) > 0) {
            cli_cell("member", 34, false);
            cli_cell("unit", 9, false);
            cli_cell("other record", 34, false);
            cli_cell("settled here", 16, false);
            cli_cell("settled there", 16, false);
            printf("\n");
        }
        json_array_foreach(a->common.json ? NULL : found, i, e)
        {
            print_double(e);
        }
        n += json_array_size(found);
        snprintf(path, sizeof(path), "/v1/doubles?limit=200&after=%s", next);
        json_decref(doc);
    }
    if (rc == 0 && n == 0 && !a->common.json)
        printf("no record here is declared to be one person with a record of another unit\n");
    return rc;
}

static int
write_it(struct http *h, const struct double_args *a, struct err *err)
{
    char path[DESK_PATH_BYTES];
    json_t *doc = NULL, *o = json_object();
    snprintf(path, sizeof(path), "/v1/members/%s/doubles%s", a->words[2], is(a, "settle") ? "/settle" : "");
    desk_put(o, "unit", a->unit);
    desk_put(o, "other", a->other);
    desk_put(o, "outcome", a->outcome);
    desk_put(o, "reason", a->reason);
    desk_put(o, "effective_on", a->on);
    desk_put(o, "note", a->note);
    if (a->adjusts)
        json_object_set_new(o, "adjusts_closed", json_true());
    int rc = desk_send(h, "POST", path, o, a->key, NULL, &doc, err);
    if (rc == 0)
        desk_done(doc, "member", a->common.json);
    json_decref(doc);
    return rc;
}

static int
check(const struct double_args *a)
{
    if (is(a, "list"))
        return a->n_words == 2 ? EXIT_OK : cli_usage("member double list takes no arguments");
    if (!is(a, "declare") && !is(a, "settle"))
        return cli_usage("member double declare|settle MEMBER, or member double list");
    if (a->n_words < 3)
        return cli_usage("member double %s MEMBER: which? smartnode member duplicates lists who was found",
                         a->words[1]);
    if (!desk_is_id(a->words[2]) || (a->other && !desk_is_id(a->other)))
        return cli_usage("%.60s: an id is 32 hexadecimal digits", desk_is_id(a->words[2]) ? a->other : a->words[2]);
    if (!a->unit || !a->other)
        return cli_usage("member double %s needs --unit and --other", a->words[1]);
    if (is(a, "settle") && (!a->outcome || !a->reason))
        return cli_usage("member double settle needs --outcome and --reason");
    if (!is(a, "settle") && (a->outcome || a->reason || a->adjusts))
        return cli_usage("--outcome, --reason, --adjusts-closed are of settle");
    return EXIT_OK;
}

int
cmd_member_double(int argc, char **argv)
{
    struct double_args a = {0};
    struct http *h = NULL;
    struct err err = {0};
    cli_parse(&argp, "member", argc, argv, &a);
    int rc = check(&a);
    if (rc != EXIT_OK)
        return rc;
    rc = desk_open(&a.common, &h, &err);
    if (rc == 0)
        rc = is(&a, "list") ? list(h, &a, &err) : write_it(h, &a, &err);
    http_free(&h);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}
