/* smartnode member: finds, shows and changes members on the running node, by its HTTP interface. */
#include <sys/stat.h>

#include "node/cli/cmd_duplicates.h"
#include "node/command/names.h"

enum {
    OPT_ON = OPT_OWN,
    OPT_CATEGORY,
    OPT_TYPE,
    OPT_OFFICE,
    OPT_SHARES,
    OPT_PRICE,
    OPT_AMOUNT,
    OPT_CURRENCY,
    OPT_PURPOSE,
    OPT_TEXT_VERSION,
    OPT_REPRESENTATIVE,
    OPT_INTO,
    OPT_EVENT,
    OPT_NOTE,
    OPT_ADJUSTS,
    OPT_HISTORY,
    OPT_UNIT,
    OPT_LIMIT,
    OPT_HTML,
    OPT_KEY,
    OPT_PERSON, /* and the fields of a person from here on */
    WORDS_MAX = 3,
};

static const struct {
    const char *option, *part, *field, *what;
} PERSON[] = {
    {"member-no", "identity", "member_no", "Member number"},
    {"given-name", "identity", "given_name", "Given name"},
    {"family-name", "identity", "family_name", "Family name"},
    {"legal-name", "identity", "legal_name", "Name of a legal person"},
    {"birth-date", "identity", "birth_date", "Birth date"},
    {"language", "identity", "language", "Language, such as nl"},
    {"email", "contact", "email", "E-mail address"},
    {"phone", "contact", "phone", "Telephone number"},
    {"street", "contact", "street", "Street and number"},
    {"postcode", "contact", "postcode", "Postcode"},
    {"city", "contact", "city", "City"},
    {"country", "contact", "country", "Country, two letters"},
    {"iban", "bank", "iban", "Bank account"},
};

/* What can be done to a member: the word, the route's end and method, status of somebody new, the operation that a correction of the kind of
 * event is. */
static const struct action {
    const char *word, *suffix, *status, *method, *kind, *op;
} ACTIONS[] = {
    {"apply", NULL, "applied", "POST", "application.received", "member.apply"},
    {"admit", "/admit", "admitted", "POST", "member.admitted", "member.admit"},
    {"refuse", "/refuse", NULL, "POST", "application.refused", "member.refuse"},
    {"subscribe", "/shares", NULL, "POST", "shares.subscribed", "member.shares"},
    {"change", "", NULL, "PATCH", "data.changed", "member.data"},
    {"request-withdrawal", "/withdrawal", NULL, "POST", "withdrawal.requested", "member.withdrawal"},
    {"grant-withdrawal", "/withdrawal/grant", NULL, "POST", "withdrawal.granted", "member.withdrawal.grant"},
    {"refuse-withdrawal", "/withdrawal/refuse", NULL, "POST", "withdrawal.refused", "member.withdrawal.refuse"},
    {"resign", "/resign", NULL, "POST", "member.resigned", "member.resign"},
    {"exclude", "/exclude", NULL, "POST", "member.excluded", "member.exclude"},
    {"death", "/death", NULL, "POST", "member.deceased", "member.death"},
    {"repay", "/repayments", NULL, "POST", "shares.repaid", "member.repay"},
    {"representative", "/representatives", NULL, "POST", "representative.named", "member.representative"},
    {"end-representative", "/representatives/", NULL, "POST", "representative.ended", "member.representative.end"},
    {"consent", "/consents", NULL, "POST", "consent.given", "member.consent"},
    {"withdraw-consent", "/consents/", NULL, "POST", "consent.withdrawn", "member.consent.withdraw"},
    {"merge", "/merge", NULL, "POST", NULL, NULL},
    {"unmerge", "/unmerge", NULL, "POST", NULL, NULL},
    {"cancel", "/cancellations", NULL, "POST", NULL, NULL},
    {"correct", "", NULL, "POST", "category.changed", "member.category"},
};
enum { SEARCH, SHOW, NAMES, REPRESENTATIVES, DUPLICATES, EXPORT, READS_N };
static const char *const READS[READS_N] = {"search", "show", "names", "representatives", "duplicates", "export"};

struct args {
    struct cli_common common;
    size_t n_words;
    const char *words[WORDS_MAX];
    const char *on, *category, *type, *office, *shares, *price, *amount, *currency, *purpose, *text_version;
    const char *representative, *into, *event, *note, *limit, *key, *html, *unit;
    bool history, adjusts;
    const char *person[ARRAY_LEN(PERSON)];
};

static const struct cli_binding bindings[] = {
    CLI_BIND(struct args, OPT_ON, on),
    CLI_BIND(struct args, OPT_CATEGORY, category),
    CLI_BIND(struct args, OPT_TYPE, type),
    CLI_BIND(struct args, OPT_OFFICE, office),
    CLI_BIND(struct args, OPT_SHARES, shares),
    CLI_BIND(struct args, OPT_PRICE, price),
    CLI_BIND(struct args, OPT_AMOUNT, amount),
    CLI_BIND(struct args, OPT_CURRENCY, currency),
    CLI_BIND(struct args, OPT_PURPOSE, purpose),
    CLI_BIND(struct args, OPT_TEXT_VERSION, text_version),
    CLI_BIND(struct args, OPT_REPRESENTATIVE, representative),
    CLI_BIND(struct args, OPT_INTO, into),
    CLI_BIND(struct args, OPT_EVENT, event),
    CLI_BIND(struct args, OPT_NOTE, note),
    CLI_BIND(struct args, OPT_ADJUSTS, adjusts),
    CLI_BIND(struct args, OPT_LIMIT, limit),
    CLI_BIND(struct args, OPT_HTML, html),
    CLI_BIND(struct args, OPT_KEY, key),
    CLI_BIND(struct args, OPT_UNIT, unit),
    CLI_BIND(struct args, OPT_HISTORY, history),
};
static const struct cli_taking taking = CLI_TAKING(struct args, bindings, "what: search, show, or a change");

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    if (key >= OPT_PERSON && key < OPT_PERSON + (int)ARRAY_LEN(PERSON)) {
        a->person[key - OPT_PERSON] = arg;
        return 0;
    }
    return cli_take(&taking, key, arg, state);
}

#define OTHER_OPTIONS 24
static struct argp_option options[OTHER_OPTIONS + ARRAY_LEN(PERSON) + 1] = {
    CLI_OPTION_DATA,
    CLI_OPTION_URL,
    CLI_OPTION_TOKEN,
    CLI_OPTION_JSON,
    {"limit", OPT_LIMIT, "N", 0, "search: at most so many (50)", 1},
    {"html", OPT_HTML, "FILE", 0, "export: a page that people can read, into a new file", 4},
    {"unit", OPT_UNIT, "CODE", 0, "show: the record of another unit (a visitor's, or one of several)", 1},
    {"history", OPT_HISTORY, NULL, 0, "show: all that happened, with the names of the events", 1},
    {"on", OPT_ON, "DATE", 0, "Date of effect (else today)", 2},
    {"category", OPT_CATEGORY, "A|B|C", 0, "Category", 2},
    {"type", OPT_TYPE, "TYPE", 0, "natural or legal", 2},
    {"office", OPT_OFFICE, "NAME", 0, "Office, by name or id", 2},
    {"shares", OPT_SHARES, "N", 0, "Number of shares", 2},
    {"share-price", OPT_PRICE, "AMOUNT", 0,
     "admit, subscribe: of one share, if it was not the unit's price of that day", 2},
    {"amount", OPT_AMOUNT, "AMOUNT", 0, "repay: what was paid (else what is owed for the shares)", 2},
    {"currency", OPT_CURRENCY, "CODE", 0, "Of an amount or price (else what is owed, or the unit's)", 2},
    {"purpose", OPT_PURPOSE, "NAME", 0, "consent: newsletter, pictures, …, or its number", 2},
    {"text-version", OPT_TEXT_VERSION, "TEXT", 0, "consent: which text was agreed to", 2},
    {"representative", OPT_REPRESENTATIVE, "ID", 0, "end-representative: whose; smartnode member representatives ID",
     2},
    {"into", OPT_INTO, "ID", 0, "merge: the record that is kept", 2},
    {"event", OPT_EVENT, "EVENT", 0, "cancel, correct: which; smartnode member show ID --history", 2},
    {"note", OPT_NOTE, "TEXT", 0, "Why; kept as secret as the name", 2},
    {"adjusts-closed", OPT_ADJUSTS, NULL, 0, "The date lies in a closed year, and that is meant", 2},
    {"idempotency-key", OPT_KEY, "KEY", 0, "The same command with the same key is done once, however often it is given",
     2},
    {NULL, 0, NULL, 0, "The person:", 3},
};

static const struct argp argp = {
    options,
    on_option,
    "search TEXT\nshow|names|representatives|export ID\nduplicates\napply|admit [ID]\n"
    "refuse|subscribe|change|request-withdrawal|grant-withdrawal|refuse-withdrawal|resign|exclude|death ID\n"
    "repay|representative|end-representative|consent|withdraw-consent ID\nmerge|unmerge|cancel|correct ID\n"
    "grant|revoke|pass|access ID (smartnode member grant --help)\nopenings|proposals|requests … (smartnode member openings --help)\n"
    "handover … (smartnode member handover --help)\ndouble … (smartnode member double --help)",
    "Finds, shows and changes members on the running node."
    "\vNeeds a token of role desk or integration: --token-file FILE or $SMARTNODE_TOKEN.\n\n"
    "cancel takes an event of the history back as if it had never been. correct puts another in its place: what is not given stays as it was, "
    "the date too. merge gives the record ID up for --into; unmerge undoes it. duplicates lists who is a member of another unit too, with the "
    "unit and the id there.\n\n"
    "Given twice, a command is done twice: admit makes two members. Where it may be given again, as in a script that is not sure of the "
    "first time, --idempotency-key with a key of its own for each change makes it one.\n\n"
    "Examples:\n"
    "  smartnode member search \"maes jan\"\n"
    "  smartnode member show 0123456789abcdef0123456789abcdef --history\n"
    "  smartnode member admit --category A --type natural --office Gent --shares 1 --given-name Jan --family-name Maes\n"
    "  smartnode member resign 0123456789abcdef0123456789abcdef --on 2025-06-30\n"
    "  smartnode member repay 0123456789abcdef0123456789abcdef --shares 1\n"
    "  smartnode member correct 0123456789abcdef0123456789abcdef --event 89abcdef0123.17 --on 2025-06-29",
    NULL,
    NULL,
    NULL};

static void
add_person_options(void)
{
    for (size_t i = 0; i < ARRAY_LEN(PERSON); i++)
        options[OTHER_OPTIONS + i] =
            (struct argp_option){PERSON[i].option, OPT_PERSON + (int)i, "TEXT", 0, PERSON[i].what, 3};
}

/* ---- showing ---- */

static void
print_line(const json_t *m)
{
    const json_t *who = json_object_get(json_object_get(m, "person"), "identity");
    char name[600];
    if (desk_text(who, "legal_name")[0] != '\0')
        snprintf(name, sizeof(name), "%s", desk_text(who, "legal_name"));
    else
        snprintf(name, sizeof(name), "%s %s", desk_text(who, "given_name"), desk_text(who, "family_name"));
    cli_cell(desk_text(m, "id"), 34, false);
    cli_cell(desk_text(who, "member_no"), 14, false);
    cli_cell(name, 30, false);
    cli_cell(desk_text(who, "birth_date"), 12, false);
    cli_cell(desk_text(m, "status"), 9, false);
    printf("%s\n", desk_text(m, "category"));
}

static int
search(struct http *h, const struct args *a, struct err *err)
{
    struct buf path;
    json_t *doc = NULL, *m;
    size_t i;
    buf_init(&path, DESK_PATH_BYTES * 4);
    buf_put(&path, "/v1/members?limit=", 18);
    http_escape(&path, a->limit ? a->limit : "50");
    buf_put(&path, "&q=", 3);
    http_escape(&path, a->words[1]);
    buf_put_u8(&path, 0);
    int rc = buf_check(&path, "search", err);
    if (rc == 0)
        rc = desk_get(h, (const char *)path.data, &doc, err);
    buf_free(&path);
    if (rc == 0 && a->common.json)
        desk_dump(doc);
    if (rc == 0 && !a->common.json) {
        json_array_foreach(json_object_get(doc, "members"), i, m) print_line(m);
        if (json_array_size(json_object_get(doc, "members")) == 0)
            printf("nobody found\n");
        if (desk_text(doc, "next")[0] != '\0')
            printf("… there are more: add a word, or --limit\n");
    }
    json_decref(doc);
    return rc;
}

/* What is owed and agreed to: lists, which desk_print leaves out. */
static void
print_lists(const json_t *doc)
{
    char money[CLI_MONEY_MAX];
    size_t i;
    const json_t *e;
    json_array_foreach(json_object_get(doc, "owed"), i, e)
    {
        cli_cell("owed", 22, false);
        printf("%s %s for %lld shares\n", cli_money(desk_int(e, "amount_minor"), desk_text(e, "currency"), money),
               desk_text(e, "currency"), (long long)desk_int(e, "shares"));
    }
    json_array_foreach(json_object_get(doc, "consents"), i, e)
    {
        cli_cell("consent", 22, false);
        printf("%s since %s\n", desk_text(e, "purpose_name"), desk_text(e, "given_on"));
    }
}

static int
show(struct http *h, const struct args *a, struct err *err)
{
    char path[DESK_PATH_BYTES], query[32] = "";
    json_t *doc = NULL, *history = NULL;
    if (a->unit)
        snprintf(query, sizeof(query), "?unit=%.16s", a->unit);
    snprintf(path, sizeof(path), "/v1/members/%s%s", a->words[1], query);
    int rc = desk_get(h, path, &doc, err);
    snprintf(path, sizeof(path), "/v1/members/%s/history%s", a->words[1], query);
    if (rc == 0 && a->history)
        rc = desk_get(h, path, &history, err);
    if (rc == 0 && a->common.json) {
        if (history)
            json_object_set(doc, "events", json_object_get(history, "events"));
        desk_dump(doc);
    } else if (rc == 0) {
        desk_print(doc);
        print_lists(doc);
        if (history)
            desk_print_events(json_object_get(history, "events"));
    }
    json_decref(doc);
    json_decref(history);
    return rc;
}

/* names and representatives: a list of persons, from which day or by which id. */
static int
persons(struct http *h, const struct args *a, struct err *err)
{
    char path[DESK_PATH_BYTES];
    json_t *doc = NULL;
    const json_t *e, *who;
    size_t i;
    snprintf(path, sizeof(path), "/v1/members/%s/%s", a->words[1], a->words[0]);
    int rc = desk_get(h, path, &doc, err);
    if (rc == 0 && a->common.json)
        desk_dump(doc);
    json_array_foreach(rc == 0 && !a->common.json ? json_object_get(doc, a->words[0]) : NULL, i, e)
    {
        who = json_object_get(json_object_get(e, "person"), "identity");
        cli_cell(desk_text(e, "id")[0] != '\0' ? desk_text(e, "id") : desk_text(e, "from"), 34, false);
        if (strcmp(desk_text(e, "personal"), "here") == 0)
            printf("%s%s%s%s\n", desk_text(who, "legal_name"), desk_text(who, "given_name"),
                   desk_text(who, "given_name")[0] != '\0' ? " " : "", desk_text(who, "family_name"));
        else
            printf("(%s)\n", desk_text(e, "personal"));
    }
    json_decref(doc);
    return rc;
}

/* ---- changing ---- */

static void
put_person(const struct args *a, json_t *o)
{
    json_t *person = json_object();
    for (size_t i = 0; i < ARRAY_LEN(PERSON); i++) {
        if (!a->person[i])
            continue;
        json_t *part = json_object_get(person, PERSON[i].part);
        if (!part) {
            part = json_object();
            json_object_set_new(person, PERSON[i].part, part);
        }
        desk_put(part, PERSON[i].field, a->person[i]);
    }
    if (json_object_size(person) > 0)
        json_object_set(o, "person", person);
    json_decref(person);
}

/* Amounts need a currency: the one given, else the only one owed, else that of the member's shares or of the unit. */
static int
put_money(struct http *h, const struct args *a, const json_t *member, json_t *o, struct err *err)
{
    const json_t *owed = json_array_get(json_object_get(member, "owed"), 0);
    char currency[CURRENCY_MAX] = "";
    json_t *minor = NULL;
    int rc = 0;
    if (!a->amount && !a->price) {
        desk_put(o, "currency", a->currency);
        return 0;
    }
    if (a->currency)
        snprintf(currency, sizeof(currency), "%.3s", a->currency);
    else if (a->amount && owed)
        snprintf(currency, sizeof(currency), "%.3s", desk_text(owed, "currency"));
    else
        snprintf(currency, sizeof(currency), "%.3s", desk_text(member, "currency"));
    if (currency[0] == '\0')
        rc = desk_currency(h, currency, err);
    if (rc == 0)
        rc = desk_amount(a->amount ? a->amount : a->price, a->amount ? "--amount" : "--share-price", currency, &minor,
                         err);
    if (rc == 0) {
        json_object_set_new(o, a->amount ? "amount_minor" : "share_price_minor", minor);
        desk_put(o, "currency", currency);
    }
    return rc;
}

static int
body_of(struct http *h, const struct args *a, const json_t *member, json_t *o, struct err *err)
{
    desk_put(o, "effective_on", a->on);
    desk_put(o, "category", a->category);
    desk_put(o, "person_type", a->type);
    desk_put(o, "office", a->office);
    desk_put(o, "purpose", a->purpose);
    desk_put(o, "text_version", a->text_version);
    desk_put(o, "into", a->into);
    desk_put(o, "other", a->representative);
    desk_put(o, "note", a->note);
    if (a->adjusts)
        json_object_set_new(o, "adjusts_closed", json_true());
    if (a->shares)
        json_object_set_new(o, "shares", json_integer((json_int_t)strtoll(a->shares, NULL, 10)));
    put_person(a, o);
    return put_money(h, a, member, o, err);
}

/* What stands in the path goes out of the body. */
static int
path_of(const struct args *a, const struct action *action, json_t *o, char path[DESK_PATH_BYTES], struct err *err)
{
    size_t len = strlen(path);
    uint16_t purpose = 0;
    snprintf(path + len, DESK_PATH_BYTES - len, "%s", action->suffix);
    len = strlen(path);
    if (strcmp(action->word, "end-representative") == 0) {
        snprintf(path + len, DESK_PATH_BYTES - len, "%s/end", a->representative);
        json_object_del(o, "other");
    } else if (strcmp(action->word, "withdraw-consent") == 0) {
        int rc = purpose_parse(a->purpose, &purpose, err);
        if (rc != 0)
            return rc;
        snprintf(path + len, DESK_PATH_BYTES - len, "%u/withdraw", purpose);
        json_object_del(o, "purpose");
    }
    return 0;
}

/* cancel and correct name an event of the history: the operation that a correction is follows from its kind. */
static int
put_event(struct http *h, const struct args *a, bool correct, json_t *o, struct err *err)
{
    char path[DESK_PATH_BYTES];
    json_t *history = NULL, *at = NULL;
    const json_t *event = NULL;
    const char *op = NULL;
    snprintf(path, sizeof(path), "/v1/members/%s/history", a->words[1]);
    int rc = desk_get(h, path, &history, err);
    if (rc == 0)
        rc = desk_event(json_object_get(history, "events"), a->event, &at, &event, err);
    for (size_t i = 0; rc == 0 && correct && !op && i < ARRAY_LEN(ACTIONS); i++)
        if (ACTIONS[i].kind && strcmp(ACTIONS[i].kind, desk_text(event, "kind")) == 0)
            op = ACTIONS[i].op;
    if (rc == 0 && correct && !op)
        rc = err_set(err, ERR_INVALID, "--event: %.40s cannot be corrected; cancel it", desk_text(event, "kind"));
    if (rc == 0 && correct) {
        desk_put(o, "op", op);
        desk_put(o, "id", a->words[1]);
    }
    if (rc == 0)
        json_object_set(o, correct ? "corrects" : "event", at);
    json_decref(at);
    json_decref(history);
    return rc;
}

static int
change(struct http *h, const struct args *a, const struct action *action, struct err *err)
{
    char path[DESK_PATH_BYTES] = "/v1/members", etag[HTTP_ETAG_MAX] = "";
    bool fresh = a->n_words == 1, correct = strcmp(action->word, "correct") == 0;
    json_t *doc = NULL, *member = NULL, *o = json_object();
    int rc = 0;
    if (fresh) {
        desk_put(o, "status", action->status);
    } else {
        snprintf(path, sizeof(path), "/v1/members/%s", a->words[1]);
        rc = desk_get_tagged(h, path, &member, etag, err);
    }
    if (rc == 0)
        rc = body_of(h, a, member, o, err);
    if (rc == 0 && a->event)
        rc = put_event(h, a, correct, o, err);
    if (rc == 0 && !fresh)
        rc = path_of(a, action, o, path, err);
    if (rc != 0) {
        json_decref(o);
    } else if (correct) {
        desk_put(o, "if_match", etag);
        rc = desk_send_line(h, o, a->key, &doc, err);
    } else {
        rc = desk_send(h, fresh ? "POST" : action->method, path, o, a->key, fresh ? NULL : etag, &doc, err);
    }
    if (rc == 0)
        desk_done(doc, "member", a->common.json);
    json_decref(member);
    json_decref(doc);
    return rc;
}

/* Everything that is known of one member, as JSON to standard output, or as a page into a new file. */
static int
export_member(struct http *h, const struct args *a, struct err *err)
{
    char path[DESK_PATH_BYTES];
    struct http_answer answer;
    snprintf(path, sizeof(path), "/v1/members/%s/export", a->words[1]);
    struct http_request q = {.method = "GET", .path = path, .accept = a->html ? "text/html" : "application/json"};
    int rc = http_call(h, &q, &answer, err);
    if (rc != 0)
        return rc;
    if (a->html)
        umask(077); /* it is somebody's */
    FILE *f = a->html ? fopen(a->html, "wxe") : stdout;
    if (!f)
        return err_errno(err, "%s", a->html);
    bool bad = fwrite(answer.body.data, 1, answer.body.len, f) != answer.body.len ||
               (!a->html && putchar('\n') == EOF) || fflush(f) != 0;
    if (bad)
        rc = err_errno(err, "%s", a->html ? a->html : "standard output");
    if (a->html && fclose(f) != 0 && rc == 0)
        rc = err_errno(err, "%s", a->html);
    return rc;
}

static const struct action *
action_of(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(ACTIONS); i++)
        if (strcmp(ACTIONS[i].word, word) == 0)
            return &ACTIONS[i];
    return NULL;
}

static int
read_of(const char *word)
{
    int i = 0;
    while (i < READS_N && strcmp(READS[i], word) != 0)
        i++;
    return i;
}

/* What an action cannot do without, said before anybody is asked. */
static int
check_needs(const struct args *a)
{
    const struct {
        const char *word, *option, *given;
    } needs[] = {
        {"repay", "--shares", a->shares},
        {"consent", "--purpose", a->purpose},
        {"withdraw-consent", "--purpose", a->purpose},
        {"end-representative", "--representative", a->representative},
        {"merge", "--into", a->into},
        {"cancel", "--event", a->event},
        {"correct", "--event", a->event},
    };
    for (size_t i = 0; i < ARRAY_LEN(needs); i++)
        if (strcmp(needs[i].word, a->words[0]) == 0 && !needs[i].given)
            return cli_usage("member %s needs %s", a->words[0], needs[i].option);
    if (a->unit && (strcmp(a->words[0], "show") != 0 ||
                    strspn(a->unit, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != strlen(a->unit)))
        return cli_usage("--unit is of show: the code of a unit, such as BE");
    if (a->event && strcmp(a->words[0], "cancel") != 0 && strcmp(a->words[0], "correct") != 0)
        return cli_usage("--event is of cancel and correct");
    if ((a->into && !desk_is_id(a->into)) || (a->representative && !desk_is_id(a->representative)))
        return cli_usage("--into, --representative: an id is 32 hexadecimal digits");
    if (a->amount && a->price)
        return cli_usage("--amount is of repay, --share-price of admit and subscribe");
    return EXIT_OK;
}

/* Wrong usage, said before anybody is asked. */
static int
check(const struct args *a)
{
    const struct action *action = action_of(a->words[0]);
    int reads = read_of(a->words[0]);
    if (!action && reads == READS_N)
        return cli_usage("member %.40s: there is no such; smartnode member --help lists what there is", a->words[0]);
    if (reads == SEARCH)
        return a->n_words == 2 ? EXIT_OK : cli_usage("member search TEXT: one text, in quotes if it has spaces");
    if (reads == DUPLICATES)
        return a->n_words == 1 ? EXIT_OK : cli_usage("member duplicates: lists all, nothing more to say");
    if (a->n_words > 2 || (a->n_words == 1 && (!action || !action->status)))
        return cli_usage("member %s ID: which member? smartnode member search TEXT finds the id", a->words[0]);
    if (a->n_words == 2 && !desk_is_id(a->words[1]))
        return cli_usage("%.60s: an id is 32 hexadecimal digits; smartnode member search TEXT finds it", a->words[1]);
    if (a->n_words == 2 && action && !action->suffix)
        return cli_usage("member apply is for somebody new; admit has the id");
    if (a->shares && (a->shares[0] == '\0' || strspn(a->shares, "0123456789") != strlen(a->shares)))
        return cli_usage("--shares: a whole number");
    return check_needs(a);
}

int
cmd_member(int argc, char **argv)
{
    struct args a = {0};
    struct http *h = NULL;
    struct err err = {0};
    if (argc > 1 && cmd_access_word(argv[1]))
        return cmd_member_access(argc, argv);
    if (argc > 1 && cmd_visits_word(argv[1]))
        return cmd_member_visits(argc, argv);
    if (argc > 1 && strcmp(argv[1], "handover") == 0)
        return cmd_member_handover(argc, argv);
    if (argc > 1 && strcmp(argv[1], "double") == 0)
        return cmd_member_double(argc, argv);
    add_person_options();
    cli_parse(&argp, "member", argc, argv, &a);
    int rc = check(&a);
    if (rc != EXIT_OK)
        return rc;
    rc = desk_open(&a.common, &h, &err);
    if (rc == 0) {
        switch (read_of(a.words[0])) {
        case SEARCH: rc = search(h, &a, &err); break;
        case SHOW: rc = show(h, &a, &err); break;
        case NAMES:
        case REPRESENTATIVES: rc = persons(h, &a, &err); break;
        case EXPORT: rc = export_member(h, &a, &err); break;
        case DUPLICATES: rc = duplicates_print(h, a.common.json, &err); break;
        default: rc = change(h, &a, action_of(a.words[0]), &err); break;
        }
    }
    http_free(&h);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}
