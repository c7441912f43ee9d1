/* smartnode unit: who stands in for the unit, and its orderly end: all members handed over or left, then closed. On the running node by its HTTP
 * interface. Each command can be stopped and given again: what is done already is passed over. */
#include "node/cli/cmd_unit.h"

enum {
    OPT_TO = OPT_OWN,
    OPT_FROM,
    OPT_OFFICE,
    OPT_AT,
    OPT_ON,
    OPT_SHARES,
    OPT_CUSTODIAN,
    OPT_ACTIVITIES,
    OPT_REPAY_LATER,
    OPT_YES,
    OPT_ADJUSTS,
    PAGE = 200,
    FAILURES_SHOWN = 20,
    WORDS_MAX = 2,
};

struct unit_args {
    struct cli_common common;
    size_t n_words;
    const char *words[WORDS_MAX]; /* what, and of which unit */
    const char *to, *from, *office, *at, *on, *shares, *custodian, *activities;
    char office_id[2 * ID_BYTES + 1]; /* of --office */
    bool repay_later, yes, adjusts;
};

static const struct cli_binding bindings[] = {
    CLI_BIND(struct unit_args, OPT_TO, to),
    CLI_BIND(struct unit_args, OPT_FROM, from),
    CLI_BIND(struct unit_args, OPT_OFFICE, office),
    CLI_BIND(struct unit_args, OPT_AT, at),
    CLI_BIND(struct unit_args, OPT_ON, on),
    CLI_BIND(struct unit_args, OPT_SHARES, shares),
    CLI_BIND(struct unit_args, OPT_CUSTODIAN, custodian),
    CLI_BIND(struct unit_args, OPT_ACTIVITIES, activities),
    CLI_BIND(struct unit_args, OPT_REPAY_LATER, repay_later),
    CLI_BIND(struct unit_args, OPT_YES, yes),
    CLI_BIND(struct unit_args, OPT_ADJUSTS, adjusts),
};
static const struct cli_taking taking =
    CLI_TAKING(struct unit_args, bindings,
               "what? show, custodian, offer-all, accept-all, complete-all, leave-all, end-work or close");

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    return cli_take(&taking, key, arg, state);
}

static const struct argp_option options[] = {
    {"to", OPT_TO, "CODE", 0, "offer-all: the new home", 1},
    {"office", OPT_OFFICE, "NAME", 0, "offer-all: members of this office only (name or id)", 1},
    {"from", OPT_FROM, "CODE", 0, "accept-all: the old home", 1},
    {"at", OPT_AT, "NAME", 0, "accept-all: the office at which they will be", 1},
    {"shares", OPT_SHARES, "N", 0, "accept-all: shares that each subscribes (1)", 1},
    {"on", OPT_ON, "DATE", 0, "Day of the move, the leaving, the closing (else today)", 1},
    {"activities", OPT_ACTIVITIES, "WHAT", 0, "complete-all: open activities are closed, or taken_along (closed)", 1},
    {"repay-later", OPT_REPAY_LATER, NULL, 0, "complete-all, leave-all: shares are owed, and repaid one by one", 1},
    {"custodian", OPT_CUSTODIAN, "CODE", 0, "close: the unit that answers for this one afterwards", 1},
    {"yes", OPT_YES, NULL, 0, "leave-all, end-work, close: it is meant", 1},
    {"adjusts-closed", OPT_ADJUSTS, NULL, 0,
     "accept-all, complete-all: the day lies in a closed year, and that is meant", 1},
    CLI_OPTION_DATA,
    CLI_OPTION_URL,
    CLI_OPTION_TOKEN,
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};

static const struct argp argp = {
    options,
    on_option,
    "show [CODE]\ncustodian CODE|none\noffer-all --to CODE [--office NAME]\naccept-all --from CODE --at OFFICE\ncomplete-all\nleave-all "
    "--yes\nend-work --on DATE --yes\nclose --custodian CODE --yes",
    "Says who stands in for this unit when it is gone, and brings it to an orderly end."
    "\vNeeds a token: of role desk or integration for the members, operator for custodian and close.\n\n"
    "The end of a unit, in this order; each command may be stopped and given again:\n"
    "  1. smartnode unit offer-all --to DE [--office Wien]     every member is offered to another unit\n"
    "  2. smartnode unit accept-all --from AT --at Berlin      at the other unit\n"
    "  3. smartnode unit complete-all                          the members move\n"
    "  4. smartnode unit leave-all --yes                       whoever is left leaves, and is repaid\n"
    "  5. smartnode unit end-work --on 2026-12-31 --yes        open activities are closed, running postings end\n"
    "  6. smartnode count; smartnode period close YEAR         its figures stay\n"
    "  7. smartnode unit close --custodian DE --yes            for good\n",
    NULL,
    NULL,
    NULL};

/* ---- one after the other ---- */

/* What a run over many came to. */
struct tally {
    const char *what;
    uint64_t done, passed, failed;
    struct cli_progress progress;
};

static void
tally_begin(struct tally *t, const char *what)
{
    *t = (struct tally){.what = what};
    cli_progress_begin(&t->progress, what);
}

static void
tally_step(struct tally *t, const char *id, int rc, const struct err *err, uint64_t total)
{
    uint64_t n;
    t->done += rc == 0;
    t->failed += rc != 0;
    n = t->done + t->failed + t->passed;
    if (rc != 0 && t->failed <= FAILURES_SHOWN) {
        cli_progress_end(&t->progress);
        fprintf(stderr, "smartnode: member %s: %s\n", id, err->text);
        cli_progress_begin(&t->progress, t->what);
    }
    cli_progress_update(&t->progress, n, total > n ? total : n, n);
}

static int
tally_end(struct tally *t, bool as_json)
{
    char done[CLI_NUMBER_MAX], passed[CLI_NUMBER_MAX], failed[CLI_NUMBER_MAX];
    cli_progress_end(&t->progress);
    if (as_json)
        printf("{\"done\": %llu, \"passed_over\": %llu, \"failed\": %llu}\n", (unsigned long long)t->done,
               (unsigned long long)t->passed, (unsigned long long)t->failed);
    else
        printf("%s: %s done, %s passed over, %s refused\n", t->what, cli_number((int64_t)t->done, done),
               cli_number((int64_t)t->passed, passed), cli_number((int64_t)t->failed, failed));
    return t->failed > 0 ? EXIT_PARTLY : EXIT_OK;
}

/* ---- members of this unit ---- */

typedef int (*each_member)(struct http *h, const struct unit_args *a, const json_t *member, bool *ret_passed,
                           struct err *err);

static bool
is_current(const json_t *m)
{
    return strcmp(desk_text(m, "status"), "member") == 0;
}

static int
over_members(struct http *h, const struct unit_args *a, const char *what, each_member each, int *ret_exit,
             struct err *err)
{
    struct tally t;
    char path[DESK_PATH_BYTES], after[64] = "";
    bool more = true;
    int rc = 0;
    tally_begin(&t, what);
    while (rc == 0 && more) {
        json_t *doc = NULL;
        const json_t *m;
        size_t i;
        snprintf(path, sizeof(path), "/v1/members?limit=%d%s%s", PAGE, after[0] ? "&after=" : "", after);
        rc = desk_get(h, path, &doc, err);
        json_array_foreach(rc == 0 ? json_object_get(doc, "members") : NULL, i, m)
        {
            bool passed = !is_current(m);
            struct err refusal = {0};
            int one = passed ? 0 : each(h, a, m, &passed, &refusal);
            t.passed += passed;
            if (!passed)
                tally_step(&t, desk_text(m, "id"), one, &refusal, 0);
            if (one == ERR_UNAVAILABLE || one == ERR_IO) { /* the node has gone: the rest another time */
                *err = refusal;
                rc = one;
                break;
            }
        }
        if (rc == 0) {
            snprintf(after, sizeof(after), "%s", desk_text(doc, "next"));
            more = after[0] != '\0';
        }
        json_decref(doc);
    }
    *ret_exit = tally_end(&t, a->common.json);
    return rc;
}

static int
offer_one(struct http *h, const struct unit_args *a, const json_t *m, bool *ret_passed, struct err *err)
{
    char path[DESK_PATH_BYTES];
    json_t *doc = NULL, *o;
    struct err none = {0};
    if (a->office && strcmp(desk_text(m, "office"), a->office_id) != 0) {
        *ret_passed = true;
        return 0;
    }
    snprintf(path, sizeof(path), "/v1/members/%s/handover", desk_text(m, "id"));
    int rc = desk_get(h, path, &doc, &none);
    json_decref(doc);
    if (rc == 0) { /* offered already */
        *ret_passed = true;
        return 0;
    }
    doc = NULL;
    o = json_object();
    desk_put(o, "to", a->to);
    desk_put(o, "proposed", a->on);
    snprintf(path, sizeof(path), "/v1/members/%s/handover/offer", desk_text(m, "id"));
    rc = desk_send(h, "POST", path, o, NULL, NULL, &doc, err);
    json_decref(doc);
    return rc;
}

static int
repay_one(struct http *h, const char *id, const json_t *owed, const char *on, struct err *err)
{
    char path[DESK_PATH_BYTES], etag[HTTP_ETAG_MAX];
    json_t *doc = NULL, *o = json_object(), *now = NULL;
    snprintf(path, sizeof(path), "/v1/members/%s", id);
    int rc = desk_get_tagged(h, path, &now, etag, err);
    json_decref(now);
    json_object_set_new(o, "shares", json_integer(desk_int(owed, "shares")));
    desk_put(o, "currency", desk_text(owed, "currency"));
    desk_put(o, "effective_on", on);
    if (rc != 0) {
        json_decref(o);
        return rc;
    }
    snprintf(path, sizeof(path), "/v1/members/%s/repayments", id);
    rc = desk_send(h, "POST", path, o, NULL, etag, &doc, err);
    json_decref(doc);
    return rc;
}

static int
leave_one(struct http *h, const struct unit_args *a, const json_t *m, bool *ret_passed, struct err *err)
{
    char path[DESK_PATH_BYTES], etag[HTTP_ETAG_MAX];
    json_t *now = NULL, *doc = NULL, *o = json_object();
    const json_t *owed;
    size_t i;
    (void)ret_passed;
    snprintf(path, sizeof(path), "/v1/members/%s", desk_text(m, "id"));
    int rc = desk_get_tagged(h, path, &now, etag, err);
    json_decref(now);
    now = NULL;
    desk_put(o, "effective_on", a->on);
    if (rc == 0) {
        snprintf(path, sizeof(path), "/v1/members/%s/resign", desk_text(m, "id"));
        rc = desk_send(h, "POST", path, o, NULL, etag, &doc, err);
    } else {
        json_decref(o);
    }
    json_decref(doc);
    if (rc == 0 && !a->repay_later) {
        snprintf(path, sizeof(path), "/v1/members/%s", desk_text(m, "id"));
        rc = desk_get(h, path, &now, err);
        json_array_foreach(rc == 0 ? json_object_get(now, "owed") : NULL, i, owed)
        {
            rc = rc == 0 ? repay_one(h, desk_text(m, "id"), owed, a->on, err) : rc;
        }
        json_decref(now);
    }
    return rc;
}

/* ---- handovers that wait ---- */

static bool
concerns(const struct unit_args *a, const json_t *v, bool accepting)
{
    const char *turn = desk_text(v, "turn");
    if (!accepting)
        return strcmp(turn, "we_complete") == 0;
    return strcmp(turn, "we_accept") == 0 && (!a->from || strcmp(desk_text(v, "from"), a->from) == 0);
}

static int
handover_one(struct http *h, const struct unit_args *a, const json_t *v, bool accepting, struct err *err)
{
    char path[DESK_PATH_BYTES];
    json_t *doc = NULL, *o = json_object();
    if (accepting) {
        desk_put(o, "office", a->at);
        desk_put(o, "from", desk_text(v, "from"));
        if (a->shares)
            json_object_set_new(o, "shares", json_integer((json_int_t)strtoll(a->shares, NULL, 10)));
    } else {
        desk_put(o, "effective_on", a->on);
        desk_put(o, "activities", a->activities);
        if (a->repay_later)
            json_object_set_new(o, "repay", json_false());
    }
    if (a->adjusts)
        json_object_set_new(o, "adjusts_closed", json_true());
    snprintf(path, sizeof(path), "/v1/members/%s/handover/%s", desk_text(v, "member"),
             accepting ? "accept" : "complete");
    int rc = desk_send(h, "POST", path, o, NULL, NULL, &doc, err);
    json_decref(doc);
    return rc;
}

static int
over_handovers(struct http *h, const struct unit_args *a, bool accepting, int *ret_exit, struct err *err)
{
    struct tally t;
    char path[DESK_PATH_BYTES], after[128] = "";
    bool more = true;
    int rc = 0;
    tally_begin(&t, accepting ? "members accepted" : "members moved");
    while (rc == 0 && more) {
        json_t *doc = NULL;
        const json_t *v;
        size_t i;
        snprintf(path, sizeof(path), "/v1/handovers?limit=%d%s%s", PAGE, after[0] ? "&after=" : "", after);
        rc = desk_get(h, path, &doc, err);
        json_array_foreach(rc == 0 ? json_object_get(doc, "handovers") : NULL, i, v)
        {
            struct err refusal = {0};
            if (!concerns(a, v, accepting)) {
                t.passed++;
                continue;
            }
            int one = handover_one(h, a, v, accepting, &refusal);
            tally_step(&t, desk_text(v, "member"), one, &refusal, 0);
            if (one == ERR_UNAVAILABLE || one == ERR_IO) {
                *err = refusal;
                rc = one;
                break;
            }
        }
        if (rc == 0) {
            snprintf(after, sizeof(after), "%s", desk_text(doc, "next"));
            more = after[0] != '\0';
        }
        json_decref(doc);
    }
    *ret_exit = tally_end(&t, a->common.json);
    return rc;
}

/* ---- the unit itself ---- */

static int own_code(struct http *h, char ret[UNIT_CODE_MAX], struct err *err);

/* The office that --office means, by id or name. */
static int
find_office(struct http *h, struct unit_args *a, struct err *err)
{
    char path[DESK_PATH_BYTES], code[UNIT_CODE_MAX];
    json_t *doc = NULL;
    const json_t *o;
    size_t i;
    if (!a->office)
        return 0;
    int rc = own_code(h, code, err);
    if (rc != 0)
        return rc;
    snprintf(path, sizeof(path), "/v1/units/%.16s/offices", code);
    rc = desk_get(h, path, &doc, err);
    json_array_foreach(rc == 0 ? json_object_get(doc, "offices") : NULL, i, o)
    {
        if (strcmp(desk_text(o, "id"), a->office) == 0 || strcmp(desk_text(o, "name"), a->office) == 0)
            snprintf(a->office_id, sizeof(a->office_id), "%s", desk_text(o, "id"));
    }
    json_decref(doc);
    return rc == 0 && a->office_id[0] == '\0'
               ? err_set(err, ERR_NOTFOUND, "--office: this unit has no office of that name")
               : rc;
}

/* That a unit has this code, so that a slip of the hand does not look like nothing to do. */
static int
check_code(struct http *h, const char *option, const char *code, struct err *err)
{
    json_t *doc = NULL;
    const json_t *u;
    size_t i;
    bool known = false;
    int rc = desk_get(h, "/v1/units", &doc, err);
    json_array_foreach(rc == 0 ? json_object_get(doc, "units") : NULL, i, u)
    {
        known = known || strcmp(desk_text(u, "code"), code) == 0;
    }
    json_decref(doc);
    return rc == 0 && !known ? err_set(err, ERR_NOTFOUND, "%s: no unit of the code %.16s is known here", option, code)
                             : rc;
}

/* Code of the node's own unit. */
static int
own_code(struct http *h, char ret[UNIT_CODE_MAX], struct err *err)
{
    json_t *doc = NULL;
    const json_t *u;
    size_t i;
    int rc = desk_get(h, "/v1/units", &doc, err);
    ret[0] = '\0';
    json_array_foreach(rc == 0 ? json_object_get(doc, "units") : NULL, i, u)
    {
        if (json_is_true(json_object_get(u, "own")))
            snprintf(ret, UNIT_CODE_MAX, "%s", desk_text(u, "code"));
    }
    json_decref(doc);
    return rc == 0 && ret[0] == '\0' ? err_set(err, ERR_NOTFOUND, "the node's own unit is not described") : rc;
}

static int
show(struct http *h, const struct unit_args *a, struct err *err)
{
    char path[DESK_PATH_BYTES], code[UNIT_CODE_MAX];
    json_t *doc = NULL;
    int rc = a->words[1] ? 0 : own_code(h, code, err);
    if (rc == 0) {
        snprintf(path, sizeof(path), "/v1/units/%.16s", a->words[1] ? a->words[1] : code);
        rc = desk_get(h, path, &doc, err);
    }
    if (rc == 0 && a->common.json)
        desk_dump(doc);
    else if (rc == 0)
        desk_print(doc);
    json_decref(doc);
    return rc;
}

static int
custody(struct http *h, const struct unit_args *a, struct err *err)
{
    char path[DESK_PATH_BYTES], code[UNIT_CODE_MAX];
    json_t *doc = NULL;
    bool close = strcmp(a->words[0], "close") == 0;
    int rc = own_code(h, code, err);
    if (rc != 0)
        return rc;
    json_t *o = json_object();
    const char *custodian = close ? a->custodian : strcmp(a->words[1], "none") == 0 ? NULL : a->words[1];
    desk_put(o, "custodian", custodian);
    desk_put(o, "effective_on", a->on);
    snprintf(path, sizeof(path), "/v1/units/%.16s/%s", code, close ? "close" : "custodian");
    rc = desk_send(h, "POST", path, o, NULL, NULL, &doc, err);
    if (rc == 0)
        desk_done(doc, close ? "the unit is closed" : "custodian", a->common.json);
    json_decref(doc);
    return rc;
}

static bool
is(const struct unit_args *a, const char *word)
{
    return strcmp(a->words[0], word) == 0;
}

static int
check(const struct unit_args *a)
{
    static const char *const words[] = {"show",         "custodian", "offer-all", "accept-all",
                                        "complete-all", "leave-all", "end-work",  "close"};
    bool known = false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        known = known || is(a, words[i]);
    if (!known)
        return cli_usage(
            "unit %.40s: show, custodian, offer-all, accept-all, complete-all, leave-all, end-work or close",
            a->words[0]);
    if (is(a, "custodian") && !a->words[1])
        return cli_usage("unit custodian CODE: which unit? none for nobody");
    if (a->words[1] && !is(a, "custodian") && !is(a, "show"))
        return cli_usage("one word too many: %.40s", a->words[1]);
    if (is(a, "offer-all") && !a->to)
        return cli_usage("unit offer-all needs --to: the new home");
    if (is(a, "accept-all") && (!a->from || !a->at))
        return cli_usage("unit accept-all needs --from, the old home, and --at, the office");
    if (is(a, "end-work") && !a->on)
        return cli_usage("unit end-work needs --on: the last day");
    if (is(a, "close") && !a->custodian)
        return cli_usage("unit close needs --custodian: who answers for it afterwards");
    if ((is(a, "close") || is(a, "leave-all") || is(a, "end-work")) && !a->yes)
        return cli_usage("unit %s cannot be taken back as a whole; say --yes if it is meant", a->words[0]);
    if (a->shares && (a->shares[0] == '\0' || strspn(a->shares, "0123456789") != strlen(a->shares)))
        return cli_usage("--shares: a whole number");
    return EXIT_OK;
}

int
cmd_unit(int argc, char **argv)
{
    struct unit_args a = {0};
    struct http *h = NULL;
    struct err err = {0};
    int status = EXIT_OK;
    cli_parse(&argp, "unit", argc, argv, &a);
    int rc = check(&a);
    if (rc != EXIT_OK)
        return rc;
    rc = desk_open(&a.common, &h, &err);
    if (rc == 0 && is(&a, "offer-all"))
        rc = check_code(h, "--to", a.to, &err);
    if (rc == 0 && is(&a, "accept-all"))
        rc = check_code(h, "--from", a.from, &err);
    if (rc == 0 && is(&a, "show"))
        rc = show(h, &a, &err);
    else if (rc == 0 && (is(&a, "custodian") || is(&a, "close")))
        rc = custody(h, &a, &err);
    else if (rc == 0 && is(&a, "offer-all"))
        rc = find_office(h, &a, &err) != 0 ? (int)err.code
                                           : over_members(h, &a, "members offered", offer_one, &status, &err);
    else if (rc == 0 && is(&a, "leave-all"))
        rc = over_members(h, &a, "members left", leave_one, &status, &err);
    else if (rc == 0 && is(&a, "end-work"))
        rc = unit_end_work(h, a.on, a.common.json, &status, &err);
    else if (rc == 0)
        rc = over_handovers(h, &a, is(&a, "accept-all"), &status, &err);
    http_free(&h);
    return rc == 0 ? status : cli_fail(&err);
}
