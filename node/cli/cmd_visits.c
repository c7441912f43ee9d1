/* smartnode member openings|proposals|requests and what answers them: what other units and members have to say about members, on the running
 * node by its HTTP interface. */
#include "node/cli/desk.h"

enum {
    OPT_ON = OPT_OWN,
    OPT_UNIT,
    OPT_TEXT,
    OPT_EMAIL,
    OPT_PHONE,
    OPT_STREET,
    OPT_POSTCODE,
    OPT_CITY,
    OPT_COUNTRY,
    OPT_KEY,
    WORDS_MAX = 3,
};

struct visits_args {
    struct cli_common common;
    size_t n_words;
    const char *words[WORDS_MAX];
    const char *on, *unit, *text, *email, *phone, *street, *postcode, *city, *country, *key;
};

/* clang-format off */
static const struct cli_binding bindings[] = {
    CLI_BIND(struct visits_args, OPT_ON, on),
    CLI_BIND(struct visits_args, OPT_UNIT, unit),
    CLI_BIND(struct visits_args, OPT_TEXT, text),
    CLI_BIND(struct visits_args, OPT_EMAIL, email),
    CLI_BIND(struct visits_args, OPT_PHONE, phone),
    CLI_BIND(struct visits_args, OPT_STREET, street),
    CLI_BIND(struct visits_args, OPT_POSTCODE, postcode),
    CLI_BIND(struct visits_args, OPT_CITY, city),
    CLI_BIND(struct visits_args, OPT_COUNTRY, country),
    CLI_BIND(struct visits_args, OPT_KEY, key),
};
/* clang-format on */
static const struct cli_taking taking = CLI_TAKING(struct visits_args, bindings, NULL);

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
    {"on", OPT_ON, "DATE", 0, "accept-proposal: date of effect (else today)", 1},
    {"unit", OPT_UNIT, "CODE", 0, "propose-contact: home of the visitor", 1},
    {"email", OPT_EMAIL, "TEXT", 0, "propose-contact: all of the contact data, as it should be", 2},
    {"phone", OPT_PHONE, "TEXT", 0, "likewise", 2},
    {"street", OPT_STREET, "TEXT", 0, "likewise", 2},
    {"postcode", OPT_POSTCODE, "TEXT", 0, "likewise", 2},
    {"city", OPT_CITY, "TEXT", 0, "likewise", 2},
    {"country", OPT_COUNTRY, "CC", 0, "likewise, two letters", 2},
    {"text", OPT_TEXT, "TEXT", 0, "propose-contact: what the home's desk should know", 2},
    {"idempotency-key", OPT_KEY, "KEY", 0, "The same command with the same key is done once, with the same answer", 3},
    CLI_OPTION_END,
};

static const struct argp argp = {
    options,
    on_option,
    "openings MEMBER\nproposals [MEMBER]\naccept-proposal|decline-proposal MEMBER PROPOSAL\npropose-contact MEMBER --unit CODE\n"
    "requests [MEMBER]\nclose-request MEMBER REQUEST",
    "What other units did with members of this one and propose, and what members ask."
    "\vNeeds a token of role desk or integration: --token-file FILE or $SMARTNODE_TOKEN.\n\n"
    "openings lists who looked at a member, here and at other units. proposals are contact data that members gave at other units: nothing changes "
    "until they are accepted. requests are what members asked by the unit's portal, a move for example: dealt with or not, close-request takes one off "
    "the list. propose-contact is the other side: what a visitor says at this desk goes to her home.\n\n"
    "Examples:\n"
    "  smartnode member openings 0123456789abcdef0123456789abcdef\n"
    "  smartnode member proposals\n"
    "  smartnode member propose-contact 0123456789abcdef0123456789abcdef --unit BE --email ilse@example.org --city Berlin --country DE",
    NULL,
    NULL,
    NULL};

static bool
is(const struct visits_args *a, const char *word)
{
    return strcmp(a->words[0], word) == 0;
}

/* ---- lists ---- */

static void
join(const json_t *list, char *out, size_t size)
{
    size_t i, at = 0;
    const json_t *e;
    out[0] = '\0';
    json_array_foreach(list, i, e)
    {
        if (at < size)
            at += (size_t)snprintf(out + at, size - at, "%s%.16s", i > 0 ? " " : "", json_string_value(e));
    }
}

static int
openings(struct http *h, const struct visits_args *a, struct err *err)
{
    char path[DESK_PATH_BYTES], classes[96];
    json_t *doc = NULL;
    const json_t *e;
    size_t i;
    snprintf(path, sizeof(path), "/v1/members/%s/openings", a->words[1]);
    int rc = desk_get(h, path, &doc, err);
    const json_t *units = rc == 0 ? json_object_get(doc, "units") : NULL;
    const json_t *own = rc == 0 ? json_object_get(doc, "own_desk") : NULL;
    if (rc == 0 && a->common.json)
        desk_dump(doc);
    json_array_foreach(a->common.json ? NULL : units, i, e)
    {
        join(json_object_get(e, "classes"), classes, sizeof(classes));
        cli_cell(desk_text(e, "day"), 12, false);
        cli_cell(desk_text(e, "unit"), 9, false);
        cli_cell(desk_text(e, "actor"), 34, false);
        printf("%lld times%s%s%s, %zu entries of work\n", (long long)desk_int(e, "count"), classes[0] ? ": " : "",
               classes, json_is_true(json_object_get(e, "pass_shown")) ? ", by a pass" : "",
               json_array_size(json_object_get(e, "work")));
    }
    json_array_foreach(a->common.json ? NULL : own, i, e)
    {
        cli_cell(desk_text(e, "day"), 12, false);
        cli_cell("here", 9, false);
        cli_cell(desk_text(e, "actor"), 34, false);
        printf("%lld times\n", (long long)desk_int(e, "count"));
    }
    if (rc == 0 && !a->common.json && json_array_size(units) + json_array_size(own) == 0)
        printf("nobody looked\n");
    json_decref(doc);
    return rc;
}

static void
print_proposal(const json_t *e)
{
    static const char *const FIELDS[] = {"email", "phone", "street", "postcode", "city", "country"};
    const json_t *contact = json_object_get(e, "contact");
    const char *comma = "";
    cli_cell(desk_text(e, "member"), 34, false);
    cli_cell(desk_text(e, "id"), 70, false);
    cli_cell(desk_text(e, "unit"), 6, false);
    cli_cell(desk_text(e, "day"), 12, false);
    cli_cell(desk_text(e, "status"), 10, false);
    for (size_t i = 0; i < ARRAY_LEN(FIELDS); i++) {
        if (desk_text(contact, FIELDS[i])[0] == '\0')
            continue;
        printf("%s%s", comma, desk_text(contact, FIELDS[i]));
        comma = ", ";
    }
    if (strcmp(desk_text(e, "personal"), "restricted") == 0)
        printf("restricted");
    printf("%s%s\n", desk_text(e, "text")[0] ? "; " : "", desk_text(e, "text"));
}

static void
print_request(const json_t *e)
{
    cli_cell(desk_text(e, "member"), 34, false);
    cli_cell(desk_text(e, "id"), 34, false);
    cli_cell(desk_text(e, "asked_at"), 26, false);
    cli_cell(desk_text(e, "what"), 7, false);
    cli_cell(desk_text(e, "to"), 6, false);
    cli_cell(desk_text(e, "day"), 12, false);
    printf("%s\n", desk_text(e, "text"));
}

/* Of one member, or page by page of all. */
static int
list(struct http *h, const struct visits_args *a, void (*print)(const json_t *e), struct err *err)
{
    char path[DESK_PATH_BYTES];
    size_t n = 0;
    int rc = 0;
    if (a->n_words == 2)
        snprintf(path, sizeof(path), "/v1/members/%s/%s", a->words[1], a->words[0]);
    else
        snprintf(path, sizeof(path), "/v1/%s?limit=200", a->words[0]);
    for (bool more = true; rc == 0 && more;) {
        json_t *doc = NULL;
        const json_t *e;
        size_t i;
        rc = desk_get(h, path, &doc, err);
        const json_t *found = rc == 0 ? json_object_get(doc, a->words[0]) : NULL;
        more = rc == 0 && desk_text(doc, "next")[0] != '\0';
        if (rc == 0 && a->common.json)
            desk_dump(doc);
        json_array_foreach(a->common.json ? NULL : found, i, e)
        {
            print(e);
        }
        n += json_array_size(found);
        if (more)
            snprintf(path, sizeof(path), "/v1/%s?limit=200&after=%.200s", a->words[0], desk_text(doc, "next"));
        json_decref(doc);
    }
    if (rc == 0 && n == 0 && !a->common.json)
        printf("no %s\n", a->words[0]);
    return rc;
}

/* ---- answers ---- */

static int
answer(struct http *h, const struct visits_args *a, struct err *err)
{
    char path[DESK_PATH_BYTES], etag[HTTP_ETAG_MAX] = "";
    json_t *doc = NULL, *member = NULL, *o = json_object();
    bool accept = is(a, "accept-proposal");
    int rc = 0;
    snprintf(path, sizeof(path), "/v1/members/%s", a->words[1]);
    if (accept)
        rc = desk_get_tagged(h, path, &member, etag, err);
    desk_put(o, "effective_on", a->on);
    snprintf(path, sizeof(path), "/v1/members/%s/proposals/%.100s/%s", a->words[1], a->words[2],
             accept ? "accept" : "decline");
    if (rc != 0)
        json_decref(o);
    else
        rc = desk_send(h, "POST", path, o, a->key, accept ? etag : NULL, &doc, err);
    if (rc == 0)
        desk_done(doc, accept ? "accepted" : "declined", a->common.json);
    json_decref(member);
    json_decref(doc);
    return rc;
}

static int
propose(struct http *h, const struct visits_args *a, struct err *err)
{
    char path[DESK_PATH_BYTES];
    json_t *doc = NULL, *o = json_object(), *contact = json_object();
    desk_put(contact, "email", a->email);
    desk_put(contact, "phone", a->phone);
    desk_put(contact, "street", a->street);
    desk_put(contact, "postcode", a->postcode);
    desk_put(contact, "city", a->city);
    desk_put(contact, "country", a->country);
    json_object_set_new(o, "contact", contact);
    desk_put(o, "text", a->text);
    snprintf(path, sizeof(path), "/v1/members/%s/contact-proposal?unit=%.16s", a->words[1], a->unit);
    int rc = desk_send(h, "POST", path, o, a->key, NULL, &doc, err);
    if (rc == 0)
        desk_done(doc, "proposal", a->common.json);
    json_decref(doc);
    return rc;
}

static int
close_request(struct http *h, const struct visits_args *a, struct err *err)
{
    char path[DESK_PATH_BYTES];
    json_t *doc = NULL;
    snprintf(path, sizeof(path), "/v1/members/%s/requests/%s", a->words[1], a->words[2]);
    int rc = desk_send(h, "DELETE", path, json_object(), a->key, NULL, &doc, err);
    if (rc == 0)
        desk_done(doc, "request", a->common.json);
    json_decref(doc);
    return rc;
}

/* ---- the commands ---- */

/* Which words, and how many more each takes at least and at most. */
static const struct {
    const char *word;
    size_t least, most;
} WORDS[] = {
    {"openings", 1, 1},        {"proposals", 0, 1}, {"accept-proposal", 2, 2}, {"decline-proposal", 2, 2},
    {"propose-contact", 1, 1}, {"requests", 0, 1},  {"close-request", 2, 2},
};

static size_t
word_of(const char *word)
{
    size_t i = 0;
    while (i < ARRAY_LEN(WORDS) && strcmp(WORDS[i].word, word) != 0)
        i++;
    return i;
}

bool
cmd_visits_word(const char *word)
{
    return word_of(word) < ARRAY_LEN(WORDS);
}

/* Wrong usage, said before anybody is asked. */
static int
check(const struct visits_args *a)
{
    size_t w = word_of(a->words[0]), more = a->n_words - 1;
    bool proposes = is(a, "propose-contact");
    if (w == ARRAY_LEN(WORDS) || more < WORDS[w].least || more > WORDS[w].most)
        return cli_usage("member %.40s: which? smartnode member %.40s --help says what it takes", a->words[0],
                         a->words[0]);
    for (size_t i = 1; i < a->n_words; i++)
        if (strspn(a->words[i], "0123456789abcdefghijklmnopqrstuvwxyz.-") != strlen(a->words[i]) ||
            (i == 1 && !desk_is_id(a->words[i])))
            return cli_usage("%.60s: is no id", a->words[i]);
    if (proposes && !a->unit)
        return cli_usage("member propose-contact needs --unit, the visitor's home");
    if (!proposes && (a->unit || a->text || a->email || a->phone || a->street || a->postcode || a->city || a->country))
        return cli_usage("--unit, --text and contact data are of propose-contact");
    if (a->on && !is(a, "accept-proposal"))
        return cli_usage("--on is of accept-proposal");
    return EXIT_OK;
}

int
cmd_member_visits(int argc, char **argv)
{
    struct visits_args a = {0};
    struct http *h = NULL;
    struct err err = {0};
    cli_parse(&argp, "member", argc, argv, &a);
    int rc = check(&a);
    if (rc != EXIT_OK)
        return rc;
    rc = desk_open(&a.common, &h, &err);
    if (rc == 0) {
        if (is(&a, "openings"))
            rc = openings(h, &a, &err);
        else if (is(&a, "proposals"))
            rc = list(h, &a, print_proposal, &err);
        else if (is(&a, "requests"))
            rc = list(h, &a, print_request, &err);
        else if (is(&a, "propose-contact"))
            rc = propose(h, &a, &err);
        else
            rc = is(&a, "close-request") ? close_request(h, &a, &err) : answer(h, &a, &err);
    }
    http_free(&h);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}
