/* smartnode member handover and smartnode handovers: members who move from one unit to another, on the running node by its HTTP interface. */
#include <sodium.h>

#include "node/cli/desk.h"

enum {
    OPT_TO = OPT_OWN,
    OPT_FROM,
    OPT_DAY,
    OPT_ON,
    OPT_OFFICE,
    OPT_SHARES,
    OPT_PRICE,
    OPT_CATEGORY,
    OPT_VOTED,
    OPT_TAKE,
    OPT_OWED,
    OPT_ADJUSTS,
    OPT_GIVEN,
    OPT_FAMILY,
    OPT_LEGAL,
    OPT_KEY,
    WORDS_MAX = 3,
};

struct handover_args {
    struct cli_common common;
    size_t n_words;
    const char *words[WORDS_MAX];
    const char *to, *from, *day, *on, *office, *shares, *price, *category, *given, *family, *legal, *key;
    bool voted, take, owed, adjusts;
};

static const struct cli_binding bindings[] = {
    CLI_BIND(struct handover_args, OPT_TO, to),         CLI_BIND(struct handover_args, OPT_FROM, from),
    CLI_BIND(struct handover_args, OPT_DAY, day),       CLI_BIND(struct handover_args, OPT_ON, on),
    CLI_BIND(struct handover_args, OPT_OFFICE, office), CLI_BIND(struct handover_args, OPT_SHARES, shares),
    CLI_BIND(struct handover_args, OPT_PRICE, price),   CLI_BIND(struct handover_args, OPT_CATEGORY, category),
    CLI_BIND(struct handover_args, OPT_GIVEN, given),   CLI_BIND(struct handover_args, OPT_FAMILY, family),
    CLI_BIND(struct handover_args, OPT_LEGAL, legal),   CLI_BIND(struct handover_args, OPT_KEY, key),
    CLI_BIND(struct handover_args, OPT_VOTED, voted),   CLI_BIND(struct handover_args, OPT_TAKE, take),
    CLI_BIND(struct handover_args, OPT_OWED, owed),     CLI_BIND(struct handover_args, OPT_ADJUSTS, adjusts),
};
static const struct cli_taking taking = CLI_TAKING(struct handover_args, bindings, NULL);

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
    {"to", OPT_TO, "CODE", 0, "offer: the unit that the member moves to", 1},
    {"day", OPT_DAY, "DATE", 0, "offer: the day of the move (today)", 1},
    {"from", OPT_FROM, "CODE", 0, "accept: the unit that offers, where several do", 1},
    {"office", OPT_OFFICE, "NAME", 0, "accept: the office at which the member will be", 1},
    {"shares", OPT_SHARES, "N", 0, "accept: how many shares are taken here (1)", 1},
    {"share-price", OPT_PRICE, "AMOUNT", 0, "accept: of one share (the unit's price)", 1},
    {"category", OPT_CATEGORY, "A|B|C", 0, "accept: another category than at the old home", 1},
    {"voted", OPT_VOTED, NULL, 0, "complete: the member has voted here this year", 1},
    {"take-activities", OPT_TAKE, NULL, 0, "complete: open activities go along (else they are closed)", 1},
    {"repay-later", OPT_OWED, NULL, 0, "complete: the shares are owed, and repaid another day", 1},
    {"given-name", OPT_GIVEN, "TEXT", 0, "receive: by hand, where the data has not come", 1},
    {"family-name", OPT_FAMILY, "TEXT", 0, "receive: likewise", 1},
    {"legal-name", OPT_LEGAL, "TEXT", 0, "receive: likewise, of a company", 1},
    {"adjusts-closed", OPT_ADJUSTS, NULL, 0, "accept, complete: the day lies in a closed year, and that is meant", 1},
    {"on", OPT_ON, "DATE", 0, "Date of effect (complete: the day that was offered; else today)", 1},
    {"idempotency-key", OPT_KEY, "KEY", 0, "The same command with the same key is done once, with the same answer", 1},
    CLI_OPTION_END,
};

static const struct argp argp = {
    options,
    on_option,
    "handover offer|withdraw|accept|complete|receive|show MEMBER",
    "Moves a member from one unit to another."
    "\vNeeds a token of role desk or integration: --token-file FILE or $SMARTNODE_TOKEN.\n\n"
    "Four steps, each at one desk: the old home offers, the new home accepts, the old home completes, the new home receives. Only the completion "
    "moves the member; until then the offer can be withdrawn. With it, shares are repaid, grants and passes end, and open activities are closed "
    "or taken along. The last step the new home's node takes by itself, once the data is there; receive is for when it cannot come.\n\n"
    "Examples:\n"
    "  smartnode member handover offer 0123456789abcdef0123456789abcdef --to SE --day 2026-09-01\n"
    "  smartnode member handover accept 0123456789abcdef0123456789abcdef --office Stockholm --shares 2\n"
    "  smartnode member handover complete 0123456789abcdef0123456789abcdef --voted --take-activities\n"
    "  smartnode handovers",
    NULL,
    NULL,
    NULL};

static const char *const steps[] = {"offer", "withdraw", "accept", "complete", "receive", "show"};

static bool
is(const struct handover_args *a, const char *step)
{
    return strcmp(a->words[1], step) == 0;
}

/* ---- whose turn ---- */

static void
print_turn(const json_t *h)
{
    const char *turn = desk_text(h, "turn"), *from = desk_text(h, "from"), *to = desk_text(h, "to");
    if (strcmp(turn, "we_accept") == 0)
        printf("this unit has to accept, or %s to withdraw\n", from);
    else if (strcmp(turn, "they_accept") == 0)
        printf("%s has to accept\n", to);
    else if (strcmp(turn, "we_complete") == 0)
        printf("%s accepted; this unit has to complete\n", to);
    else if (strcmp(turn, "they_complete") == 0)
        printf("%s has to complete\n", from);
    else if (strcmp(turn, "we_receive") == 0)
        printf("moved; this node receives the member once the data is here\n");
    else if (strcmp(turn, "they_receive") == 0)
        printf("moved; %s has to receive\n", to);
    else
        printf("%s\n", turn);
}

static void
print_handover(const json_t *h)
{
    char way[2 * UNIT_CODE_MAX + 8];
    const char *day = desk_text(h, "proposed");
    snprintf(way, sizeof(way), "%.*s > %.*s", UNIT_CODE_MAX, desk_text(h, "from"), UNIT_CODE_MAX, desk_text(h, "to"));
    cli_cell(desk_text(h, "member"), 34, false);
    cli_cell(way, 12, false);
    cli_cell(day[0] != '\0' ? day : desk_text(h, "since"), 12, false);
    print_turn(h);
}

static void
print_person(const json_t *doc)
{
    const json_t *person = json_object_get(doc, "person"), *name = json_object_get(person, "identity");
    const json_t *contact = json_object_get(person, "contact");
    if (strcmp(desk_text(doc, "personal"), "here") != 0) {
        const char *why = desk_text(doc, "closed_because");
        printf("%s%s%s\n", desk_text(doc, "personal"), why[0] ? ": " : "", why);
        return;
    }
    printf("%s%s%s%s", desk_text(name, "given_name"), desk_text(name, "given_name")[0] ? " " : "",
           desk_text(name, "family_name"), desk_text(name, "legal_name"));
    const char *const keys[] = {"birth_date", "street", "postcode", "city", "country", "email", "phone"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *text = desk_text(i == 0 ? name : contact, keys[i]);
        if (text[0])
            printf(", %s", text);
    }
    printf("\n");
}

/* Who it is, where it is another unit's member who comes here: what the old home lets this desk see. */
static int
show_person(struct http *h, const struct handover_args *a, const json_t *handover, struct err *err)
{
    static const char *const turns[] = {"we_accept", "they_complete", "we_receive"};
    char path[DESK_PATH_BYTES];
    json_t *doc = NULL;
    size_t i = 0;
    while (i < ARRAY_LEN(turns) && strcmp(desk_text(handover, "turn"), turns[i]) != 0)
        i++;
    if (i == ARRAY_LEN(turns))
        return 0;
    snprintf(path, sizeof(path), "/v1/members/%s?unit=%.*s", a->words[2], UNIT_CODE_MAX, desk_text(handover, "from"));
    int rc = desk_get(h, path, &doc, err);
    if (rc == 0)
        print_person(doc);
    json_decref(doc);
    return rc;
}

static int
show(struct http *h, const struct handover_args *a, const char *path, struct err *err)
{
    json_t *doc = NULL;
    int rc = desk_get(h, path, &doc, err);
    if (rc == 0 && a->common.json) {
        desk_dump(doc);
    } else if (rc == 0) {
        print_handover(doc);
        rc = show_person(h, a, doc, err);
    }
    json_decref(doc);
    return rc;
}

static int
list(struct http *h, const struct handover_args *a, struct err *err)
{
    char path[DESK_PATH_BYTES] = "/v1/handovers?limit=200";
    size_t n = 0;
    int rc = 0;
    for (bool more = true; rc == 0 && more;) {
        json_t *doc = NULL;
        const json_t *e;
        size_t i;
        rc = desk_get(h, path, &doc, err);
        const json_t *found = rc == 0 ? json_object_get(doc, "handovers") : NULL;
        const char *next = rc == 0 ? desk_text(doc, "next") : "";
        more = next[0] != '\0';
        if (rc == 0 && a->common.json)
            desk_dump(doc);
        json_array_foreach(a->common.json ? NULL : found, i, e)
        {
            print_handover(e);
        }
        n += json_array_size(found);
        snprintf(path, sizeof(path), "/v1/handovers?limit=200&after=%s", next);
        json_decref(doc);
    }
    if (rc == 0 && n == 0 && !a->common.json)
        printf("nobody is moving to or from this unit\n");
    return rc;
}

/* ---- the steps ---- */

static int
put_number(json_t *o, const char *key, const char *text)
{
    if (text && (text[0] == '\0' || strlen(text) > 18 || strspn(text, "0123456789") != strlen(text)))
        return ERR_INVALID;
    if (text)
        json_object_set_new(o, key, json_integer((json_int_t)strtoll(text, NULL, 10)));
    return 0;
}

static int
put_accept(struct http *h, const struct handover_args *a, json_t *o, struct err *err)
{
    char currency[CURRENCY_MAX];
    json_t *price = NULL;
    desk_put(o, "from", a->from);
    desk_put(o, "office", a->office);
    desk_put(o, "category", a->category);
    if (put_number(o, "shares", a->shares) != 0)
        return err_set(err, ERR_INVALID, "--shares: a whole number");
    if (!a->price)
        return 0;
    int rc = desk_currency(h, currency, err);
    if (rc == 0)
        rc = desk_amount(a->price, "--share-price", currency, &price, err);
    if (rc == 0) {
        json_object_set_new(o, "share_price_minor", price);
        desk_put(o, "currency", currency);
    }
    return rc;
}

static void
put_person(const struct handover_args *a, json_t *o)
{
    json_t *identity = json_object();
    desk_put(identity, "given_name", a->given);
    desk_put(identity, "family_name", a->family);
    desk_put(identity, "legal_name", a->legal);
    json_object_set_new(o, "person", json_pack("{s:o}", "identity", identity));
}

static int
take_step(struct http *h, const struct handover_args *a, struct err *err)
{
    char path[DESK_PATH_BYTES];
    json_t *doc = NULL, *o = json_object();
    int rc = 0;
    snprintf(path, sizeof(path), "/v1/members/%s/handover/%s", a->words[2], a->words[1]);
    desk_put(o, "effective_on", a->on);
    if (a->adjusts)
        json_object_set_new(o, "adjusts_closed", json_true());
    if (is(a, "offer")) {
        desk_put(o, "to", a->to);
        desk_put(o, "proposed", a->day);
    } else if (is(a, "accept")) {
        rc = put_accept(h, a, o, err);
    } else if (is(a, "complete")) {
        json_object_set_new(o, "voted", json_boolean(a->voted));
        json_object_set_new(o, "repay", json_boolean(!a->owed));
        desk_put(o, "activities", a->take ? "taken_along" : "closed");
    } else if (is(a, "receive")) {
        put_person(a, o);
    }
    if (rc != 0)
        json_decref(o);
    else
        rc = desk_send(h, "POST", path, o, a->key, NULL, &doc, err);
    if (rc == 0)
        desk_done(doc, "member", a->common.json);
    int64_t left = rc == 0 ? desk_int(doc, "keys_left") : 0;
    if (left > 0 && !a->common.json)
        printf("%lld earlier keys of activities could not go along: work entered under them is read here alone\n",
               (long long)left);
    int64_t n = rc == 0 ? desk_int(doc, "representatives") : 0;
    if (n > 0 && !a->common.json)
        printf("its representatives do not move with it: the new home names them anew (%lld; member representative)\n",
               (long long)n);
    json_decref(doc);
    return rc;
}

static int
check(const struct handover_args *a)
{
    size_t i = 0;
    while (a->n_words > 1 && i < ARRAY_LEN(steps) && strcmp(a->words[1], steps[i]) != 0)
        i++;
    if (a->n_words < 2 || i == ARRAY_LEN(steps))
        return cli_usage("member handover offer|withdraw|accept|complete|receive|show MEMBER");
    if (a->n_words < 3)
        return cli_usage("member handover %s MEMBER: which? smartnode handovers lists who is moving", a->words[1]);
    if (!desk_is_id(a->words[2]))
        return cli_usage("%.60s: an id is 32 hexadecimal digits", a->words[2]);
    if (is(a, "offer") && !a->to)
        return cli_usage("member handover offer needs --to");
    if (is(a, "accept") && !a->office)
        return cli_usage("member handover accept needs --office");
    if (is(a, "receive") && !a->family && !a->legal)
        return cli_usage("member handover receive needs --family-name or --legal-name");
    if (!is(a, "offer") && (a->to || a->day))
        return cli_usage("--to, --day are of offer");
    if (!is(a, "accept") && (a->from || a->office || a->shares || a->price || a->category))
        return cli_usage("--from, --office, --shares, --share-price, --category are of accept");
    if (!is(a, "complete") && (a->voted || a->take || a->owed))
        return cli_usage("--voted, --take-activities, --repay-later are of complete");
    if (a->adjusts && !is(a, "accept") && !is(a, "complete"))
        return cli_usage("--adjusts-closed is of accept and complete");
    return EXIT_OK;
}

int
cmd_member_handover(int argc, char **argv)
{
    struct handover_args a = {0};
    struct http *h = NULL;
    struct err err = {0};
    char path[DESK_PATH_BYTES];
    cli_parse(&argp, "member", argc, argv, &a);
    int rc = check(&a);
    if (rc != EXIT_OK)
        return rc;
    rc = desk_open(&a.common, &h, &err);
    snprintf(path, sizeof(path), "/v1/members/%s/handover", a.words[2]);
    if (rc == 0)
        rc = is(&a, "show") ? show(h, &a, path, &err) : take_step(h, &a, &err);
    http_free(&h);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}

/* ---- smartnode handovers ---- */

static const struct argp_option list_options[] = {
    CLI_OPTION_DATA, CLI_OPTION_URL, CLI_OPTION_TOKEN, CLI_OPTION_JSON, CLI_OPTION_END,
};
static const struct argp list_argp = {
    list_options,
    on_option,
    NULL,
    "Who moves to or from this unit, on what day, and who has to act next."
    "\vNeeds a token of role desk or integration: --token-file FILE or $SMARTNODE_TOKEN. The steps: smartnode member handover --help.\n\n"
    "Example:\n"
    "  smartnode handovers",
    NULL,
    NULL,
    NULL};

int
cmd_handovers(int argc, char **argv)
{
    struct handover_args a = {0};
    struct http *h = NULL;
    struct err err = {0};
    cli_parse(&list_argp, "handovers", argc, argv, &a);
    if (a.n_words > 0)
        return cli_usage("handovers takes no arguments; one member: smartnode member handover show MEMBER");
    int rc = desk_open(&a.common, &h, &err);
    if (rc == 0)
        rc = list(h, &a, &err);
    http_free(&h);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}
