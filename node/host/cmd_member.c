/* smartnode member: finds, shows and changes members on the running node, by its HTTP interface. */
#include <jansson.h>
#include <sodium.h>

#include "node/host/cli_common.h"

enum {
    OPT_ON = OPT_OWN,
    OPT_CATEGORY,
    OPT_TYPE,
    OPT_OFFICE,
    OPT_SHARES,
    OPT_HISTORY,
    OPT_LIMIT,
    OPT_KEY,
    OPT_PERSON, /* and the fields of a person from here on */
    WORDS_MAX = 3,
    PATH_BYTES = 1024,
    BODY_BYTES_MAX = 65536,
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

/* What can be done to a member: the word, the route's end, whether somebody new may be meant. */
static const struct action {
    const char *word, *suffix, *status;
    const char *method;
} ACTIONS[] = {
    {"apply", NULL, "applied", "POST"},
    {"admit", "/admit", "admitted", "POST"},
    {"refuse", "/refuse", NULL, "POST"},
    {"subscribe", "/shares", NULL, "POST"},
    {"change", "", NULL, "PATCH"},
    {"request-withdrawal", "/withdrawal", NULL, "POST"},
    {"grant-withdrawal", "/withdrawal/grant", NULL, "POST"},
    {"refuse-withdrawal", "/withdrawal/refuse", NULL, "POST"},
    {"resign", "/resign", NULL, "POST"},
    {"exclude", "/exclude", NULL, "POST"},
    {"death", "/death", NULL, "POST"},
};

struct args {
    struct cli_common common;
    size_t n_words;
    const char *words[WORDS_MAX];
    const char *on, *category, *type, *office, *shares, *limit, *key;
    bool history;
    const char *person[ARRAY_LEN(PERSON)];
};

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    if (cli_common_option(&a->common, key, arg))
        return 0;
    if (key >= OPT_PERSON && key < OPT_PERSON + (int)ARRAY_LEN(PERSON)) {
        a->person[key - OPT_PERSON] = arg;
        return 0;
    }
    switch (key) {
    case OPT_ON: a->on = arg; return 0;
    case OPT_CATEGORY: a->category = arg; return 0;
    case OPT_TYPE: a->type = arg; return 0;
    case OPT_OFFICE: a->office = arg; return 0;
    case OPT_SHARES: a->shares = arg; return 0;
    case OPT_LIMIT: a->limit = arg; return 0;
    case OPT_KEY: a->key = arg; return 0;
    case OPT_HISTORY: a->history = true; return 0;
    case ARGP_KEY_ARG:
        if (a->n_words == WORDS_MAX)
            argp_error(state, "unexpected argument: %s", arg);
        a->words[a->n_words++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (a->n_words == 0)
            argp_error(state, "what: search, show, or a change");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

#define OTHER_OPTIONS 13
static struct argp_option options[OTHER_OPTIONS + ARRAY_LEN(PERSON) + 1] = {
    CLI_OPTION_DATA,
    CLI_OPTION_URL,
    CLI_OPTION_TOKEN,
    CLI_OPTION_JSON,
    {"limit", OPT_LIMIT, "N", 0, "search: at most so many (50)", 1},
    {"history", OPT_HISTORY, NULL, 0, "show: all that happened", 1},
    {"on", OPT_ON, "DATE", 0, "Date of effect (else today)", 2},
    {"category", OPT_CATEGORY, "A|B|C", 0, "Category", 2},
    {"type", OPT_TYPE, "TYPE", 0, "natural or legal", 2},
    {"office", OPT_OFFICE, "NAME", 0, "Office, by name or id", 2},
    {"shares", OPT_SHARES, "N", 0, "Number of shares", 2},
    {"idempotency-key", OPT_KEY, "KEY", 0, "The same command with the same key is done once, however often it is given",
     2},
    {NULL, 0, NULL, 0, "The person:", 3},
};

static const struct argp argp = {
    options,
    on_option,
    "search TEXT\nshow ID\napply|admit [ID]\nrefuse|subscribe|change|request-withdrawal|grant-withdrawal|refuse-withdrawal|resign|exclude|death ID",
    "Finds, shows and changes members on the running node."
    "\vNeeds a token of role desk or integration: --token-file FILE or $SMARTNODE_TOKEN.\n\n"
    "Given twice, a command is done twice: admit makes two members. Where it may be given again, as in a script that is not sure of the "
    "first time, --idempotency-key with a key of its own for each change makes it one.\n\n"
    "Examples:\n"
    "  smartnode member search \"maes jan\"\n"
    "  smartnode member show 0123456789abcdef0123456789abcdef --history\n"
    "  smartnode member admit --category A --type natural --office Gent --shares 1 --given-name Jan --family-name Maes\n"
    "  smartnode member resign 0123456789abcdef0123456789abcdef --on 2025-06-30",
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

/* ---- asking ---- */

static const char *
text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static int
call(struct http *h, const struct http_request *q, json_t **ret, struct http_answer *a, struct err *err)
{
    int rc = http_call(h, q, a, err);
    if (rc != 0)
        return rc;
    *ret = json_loadb((const char *)a->body.data, a->body.len, 0, NULL);
    return *ret ? 0 : err_set(err, ERR_CORRUPT, "what answers there is no node: its answer is not JSON");
}

static int
get(struct http *h, const char *path, json_t **ret, char etag[HTTP_ETAG_MAX], struct err *err)
{
    struct http_request q = {.method = "GET", .path = path};
    struct http_answer a;
    int rc = call(h, &q, ret, &a, err);
    if (rc == 0 && etag)
        memcpy(etag, a.etag, HTTP_ETAG_MAX);
    return rc;
}

/* ---- showing ---- */

static void
print_line(const json_t *m)
{
    const json_t *who = json_object_get(json_object_get(m, "person"), "identity");
    char name[600];
    if (text_of(who, "legal_name")[0] != '\0')
        snprintf(name, sizeof(name), "%s", text_of(who, "legal_name"));
    else
        snprintf(name, sizeof(name), "%s %s", text_of(who, "given_name"), text_of(who, "family_name"));
    cli_cell(text_of(m, "id"), 34, false);
    cli_cell(text_of(who, "member_no"), 14, false);
    cli_cell(name, 30, false);
    cli_cell(text_of(who, "birth_date"), 12, false);
    cli_cell(text_of(m, "status"), 9, false);
    printf("%s\n", text_of(m, "category"));
}

static void
print_member(const json_t *o, const char *indent)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)o, key, v)
    {
        if (json_is_object(v)) {
            print_member(v, indent);
            continue;
        }
        printf("%s", indent);
        cli_cell(key, 22, false);
        if (json_is_string(v))
            printf("%s\n", json_string_value(v));
        else if (json_is_boolean(v))
            printf("%s\n", json_is_true(v) ? "yes" : "no");
        else
            printf("%lld\n", (long long)json_integer_value(v));
    }
}

static void
print_history(const json_t *doc)
{
    size_t i;
    json_t *e;
    printf("\n");
    json_array_foreach(json_object_get(doc, "events"), i, e)
    {
        cli_cell(text_of(e, "effective_on"), 12, false);
        cli_cell(text_of(e, "kind"), 24, false);
        cli_cell(text_of(e, "outcome"), 10, false);
        printf("%.12s… %lld%s%s\n", text_of(e, "log"), (long long)json_integer_value(json_object_get(e, "seq")),
               text_of(e, "reason")[0] ? "  " : "", text_of(e, "reason"));
    }
}

static void
dump(const json_t *doc)
{
    json_dumpf(doc, stdout, JSON_INDENT(2));
    putchar('\n');
}

static int
search(struct http *h, const struct args *a, struct err *err)
{
    struct buf path;
    json_t *doc = NULL, *m;
    size_t i;
    buf_init(&path, PATH_BYTES * 4);
    buf_put(&path, "/v1/members?limit=", 18);
    http_escape(&path, a->limit ? a->limit : "50");
    buf_put(&path, "&q=", 3);
    http_escape(&path, a->words[1]);
    buf_put_u8(&path, 0);
    int rc = buf_check(&path, "search", err);
    if (rc == 0)
        rc = get(h, (const char *)path.data, &doc, NULL, err);
    buf_free(&path);
    if (rc == 0 && a->common.json)
        dump(doc);
    if (rc == 0 && !a->common.json) {
        json_array_foreach(json_object_get(doc, "members"), i, m) print_line(m);
        if (json_array_size(json_object_get(doc, "members")) == 0)
            printf("nobody found\n");
        if (text_of(doc, "next")[0] != '\0')
            printf("… there are more: add a word, or --limit\n");
    }
    json_decref(doc);
    return rc;
}

static int
show(struct http *h, const struct args *a, struct err *err)
{
    char path[PATH_BYTES];
    json_t *doc = NULL, *history = NULL;
    snprintf(path, sizeof(path), "/v1/members/%s", a->words[1]);
    int rc = get(h, path, &doc, NULL, err);
    snprintf(path, sizeof(path), "/v1/members/%s/history", a->words[1]);
    if (rc == 0 && a->history)
        rc = get(h, path, &history, NULL, err);
    if (rc == 0 && a->common.json) {
        if (history)
            json_object_set(doc, "events", json_object_get(history, "events"));
        dump(doc);
    } else if (rc == 0) {
        print_member(doc, "");
        if (history)
            print_history(history);
    }
    json_decref(doc);
    json_decref(history);
    return rc;
}

/* ---- changing ---- */

static void
put_given(json_t *o, const char *key, const char *value)
{
    if (value)
        json_object_set_new(o, key, json_string(value));
}

static int
body_of(const struct args *a, const struct action *action, bool fresh, char **ret, struct err *err)
{
    json_t *o = json_object(), *person = json_object();
    if (fresh)
        put_given(o, "status", action->status);
    put_given(o, "effective_on", a->on);
    put_given(o, "category", a->category);
    put_given(o, "person_type", a->type);
    put_given(o, "office", a->office);
    if (a->shares)
        json_object_set_new(o, "shares", json_integer((json_int_t)strtoll(a->shares, NULL, 10)));
    for (size_t i = 0; i < ARRAY_LEN(PERSON); i++) {
        if (!a->person[i])
            continue;
        json_t *part = json_object_get(person, PERSON[i].part);
        if (!part) {
            part = json_object();
            json_object_set_new(person, PERSON[i].part, part);
        }
        put_given(part, PERSON[i].field, a->person[i]);
    }
    if (json_object_size(person) > 0)
        json_object_set(o, "person", person);
    json_decref(person);
    *ret = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return *ret ? 0 : err_set(err, ERR_INVALID, "what was given is not UTF-8");
}

static int
change(struct http *h, const struct args *a, const struct action *action, struct err *err)
{
    char path[PATH_BYTES], etag[HTTP_ETAG_MAX] = "", key[33];
    uint8_t random[16];
    bool fresh = a->n_words == 1;
    char *body = NULL;
    json_t *doc = NULL;
    struct http_answer answer;
    int rc = body_of(a, action, fresh, &body, err);
    snprintf(path, sizeof(path), "/v1/members%s%s", fresh ? "" : "/", fresh ? "" : a->words[1]);
    if (rc == 0 && !fresh) {
        rc = get(h, path, &doc, etag, err);
        json_decref(doc);
        doc = NULL;
        size_t len = strlen(path);
        snprintf(path + len, sizeof(path) - len, "%s", action->suffix);
    }
    randombytes_buf(random, sizeof(random));
    struct http_request q = {.method = fresh ? "POST" : action->method,
                             .path = path,
                             .body = slice_of(body, body ? strlen(body) : 0),
                             .key = a->key ? a->key : hex_encode(random, sizeof(random), key),
                             .if_match = fresh ? NULL : etag};
    if (rc == 0)
        rc = call(h, &q, &doc, &answer, err);
    if (rc == 0 && a->common.json)
        dump(doc);
    else if (rc == 0)
        printf("done: member %s, event %lld of log %.12s…\n", text_of(doc, "id"),
               (long long)json_integer_value(json_object_get(doc, "seq")), text_of(doc, "log"));
    if (body) {
        sodium_memzero(body, strlen(body));
        free(body);
    }
    json_decref(doc);
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

/* Wrong usage, said before anybody is asked. */
static int
check(const struct args *a)
{
    const struct action *action = action_of(a->words[0]);
    uint8_t id[ID_BYTES];
    bool is_search = strcmp(a->words[0], "search") == 0, is_show = strcmp(a->words[0], "show") == 0;
    if (!action && !is_search && !is_show)
        return cli_usage("member %.40s: there is no such; smartnode member --help lists what there is", a->words[0]);
    if (is_search)
        return a->n_words == 2 ? EXIT_OK : cli_usage("member search TEXT: one text, in quotes if it has spaces");
    if (a->n_words > 2 || (a->n_words == 1 && (is_show || !action->status)))
        return cli_usage("member %s ID: which member? smartnode member search TEXT finds the id", a->words[0]);
    if (a->n_words == 2 && !hex_decode(a->words[1], id, ID_BYTES))
        return cli_usage("%.60s: an id is 32 hexadecimal digits; smartnode member search TEXT finds it", a->words[1]);
    if (a->n_words == 2 && action && !action->suffix)
        return cli_usage("member apply is for somebody new; admit has the id");
    if (a->shares && (a->shares[0] == '\0' || strspn(a->shares, "0123456789") != strlen(a->shares)))
        return cli_usage("--shares: a whole number");
    return EXIT_OK;
}

static int
base_address(const struct args *a, char ret[HTTP_URL_MAX], struct err *err)
{
    char path[PATH_BYTES_MAX], file[PATH_BYTES_MAX];
    struct config config;
    if (a->common.url) {
        snprintf(ret, HTTP_URL_MAX, "%s", a->common.url);
        return 0;
    }
    config_defaults(&config);
    int rc = datadir_find(a->common.data, path, err);
    if (rc == 0)
        rc = path_join(path, "smartnode.conf", file, err);
    if (rc == 0)
        rc = config_load(file, &config, err);
    if (rc == ERR_NOTFOUND)
        rc = 0; /* defaults: the token may be all that this user has of the node */
    return rc == 0 ? cli_base_of(&config, ret, err) : rc;
}

int
cmd_member(int argc, char **argv)
{
    struct args a = {0};
    char base[HTTP_URL_MAX], token[HTTP_TOKEN_MAX];
    struct http *h = NULL;
    struct err err = {0};
    add_person_options();
    cli_parse(&argp, "member", argc, argv, &a);
    int rc = check(&a);
    if (rc != EXIT_OK)
        return rc;
    rc = base_address(&a, base, &err);
    if (rc == 0)
        rc = http_token(a.common.token_file, token, &err);
    if (rc == 0)
        rc = http_new(base, token, &h, &err);
    if (rc == 0 && strcmp(a.words[0], "search") == 0)
        rc = search(h, &a, &err);
    else if (rc == 0 && strcmp(a.words[0], "show") == 0)
        rc = show(h, &a, &err);
    else if (rc == 0)
        rc = change(h, &a, action_of(a.words[0]), &err);
    http_free(&h);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}
