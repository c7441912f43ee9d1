/* smartnode posting: postings abroad of members on the running node, by its HTTP interface, for a desk without a portal. */
#include "node/cli/desk.h"

enum {
    OPT_MEMBER = OPT_OWN,
    OPT_MEMBER_NO,
    OPT_COUNTRY,
    OPT_FROM,
    OPT_TO,
    OPT_REFERENCE,
    OPT_TEXT,
    OPT_ON,
    OPT_EVENT,
    OPT_OVERLAPPING,
    OPT_LIMIT,
    OPT_AFTER,
    OPT_KEY,
    WORDS_MAX = 2,
};

struct posting_args {
    struct cli_common common;
    bool overlapping;
    size_t n_words;
    const char *words[WORDS_MAX];
    const char *member, *member_no, *country, *from, *to, *reference, *text, *on, *event, *limit, *after, *key;
};

static const struct cli_binding bindings[] = {
    CLI_BIND(struct posting_args, OPT_MEMBER, member),
    CLI_BIND(struct posting_args, OPT_MEMBER_NO, member_no),
    CLI_BIND(struct posting_args, OPT_COUNTRY, country),
    CLI_BIND(struct posting_args, OPT_FROM, from),
    CLI_BIND(struct posting_args, OPT_TO, to),
    CLI_BIND(struct posting_args, OPT_REFERENCE, reference),
    CLI_BIND(struct posting_args, OPT_TEXT, text),
    CLI_BIND(struct posting_args, OPT_ON, on),
    CLI_BIND(struct posting_args, OPT_EVENT, event),
    CLI_BIND(struct posting_args, OPT_LIMIT, limit),
    CLI_BIND(struct posting_args, OPT_AFTER, after),
    CLI_BIND(struct posting_args, OPT_KEY, key),
    CLI_BIND(struct posting_args, OPT_OVERLAPPING, overlapping),
};
static const struct cli_taking taking = CLI_TAKING(struct posting_args, bindings, "what: list, show, or a change");

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    return cli_take(&taking, key, arg, state);
}

/* clang-format off */
static const struct argp_option options[] = {
    CLI_OPTION_DATA, CLI_OPTION_URL, CLI_OPTION_TOKEN, CLI_OPTION_JSON,
    {"limit", OPT_LIMIT, "N", 0, "list: at most so many (100)", 1},
    {"after", OPT_AFTER, "ID", 0, "list: go on after that one", 1},
    {"on", OPT_ON, "DATE", 0, "list: that run on that day; change: the month from which it holds (else all of what was said last)", 1},
    {"overlapping", OPT_OVERLAPPING, NULL, 0, "list: those of a person who is posted twice on a day", 1},
    {"member", OPT_MEMBER, "ID", 0, "Whose: of list, and of a new posting", 1},
    {"member-no", OPT_MEMBER_NO, "NO", 0, "issue: the member of that number", 2},
    {"country", OPT_COUNTRY, "CC", 0, "Host country, two letters; list: those there", 2},
    {"from", OPT_FROM, "DATE", 0, "First day", 2},
    {"to", OPT_TO, "DATE", 0, "Last day, at most 24 months on", 2},
    {"reference", OPT_REFERENCE, "NO", 0, "Of the A1 form; of list and show: the one to find", 2},
    {"text", OPT_TEXT, "TEXT", 0, "What for", 2},
    {"event", OPT_EVENT, "EVENT", 0, "cancel: this entry, as show names it (else the whole posting)", 2},
    {"idempotency-key", OPT_KEY, "KEY", 0, "The same command with the same key is done once, however often it is given", 2},
    CLI_OPTION_END};
/* clang-format on */

static const struct argp argp = {
    options,
    on_option,
    "list\nshow ID\nshow --reference NO\nissue\nchange|cancel ID",
    "Records, shows and changes postings: who works abroad under the social security of home."
    "\vNeeds a token of role desk or integration: --token-file FILE or $SMARTNODE_TOKEN. Other units see country and months of a "
    "posting, not whose it is.\n\n"
    "Examples:\n"
    "  smartnode posting issue --member-no 4711 --country DE --from 2024-03-04 --to 2024-08-30 --reference A1-2024-17\n"
    "  smartnode posting list --country DE --on 2024-06-01\n"
    "  smartnode posting change 0123456789abcdef0123456789abcdef --to 2024-10-31\n"
    "  smartnode posting cancel 0123456789abcdef0123456789abcdef",
    NULL,
    NULL,
    NULL};

/* ---- showing ---- */

static void
print_one_line(const json_t *o)
{
    const char *from = desk_text(o, "from"), *to = desk_text(o, "to");
    cli_cell(desk_text(o, "id"), 34, false);
    cli_cell(desk_text(o, "country"), 4, false);
    cli_cell(from[0] != '\0' ? from : desk_text(o, "first_month"), 12, false);
    cli_cell(to[0] != '\0' ? to : desk_text(o, "last_month"), 12, false);
    cli_cell(desk_text(o, "status"), 11, false);
    printf("%s\n", desk_text(o, "reference"));
}

static void
put_query(struct buf *path, const char *name, const char *value)
{
    if (!value)
        return;
    if (path->data[path->len - 1] != '?')
        buf_put_u8(path, '&');
    buf_put(path, name, strlen(name));
    buf_put_u8(path, '=');
    http_escape(path, value);
}

static int
list_get(struct http *h, const struct posting_args *a, json_t **ret, struct err *err)
{
    static const char route[] = "/v1/postings?";
    struct buf path;
    buf_init(&path, DESK_PATH_BYTES * 4);
    buf_put(&path, route, sizeof(route) - 1);
    put_query(&path, "limit", a->limit ? a->limit : "100");
    put_query(&path, "after", a->after);
    put_query(&path, "member", a->member);
    put_query(&path, "country", a->country);
    put_query(&path, "on", a->on);
    put_query(&path, "reference", a->reference);
    put_query(&path, "overlapping", a->overlapping ? "true" : NULL);
    buf_put_u8(&path, 0);
    int rc = buf_check(&path, "list", err);
    rc = rc != 0 ? rc : desk_get(h, (const char *)path.data, ret, err);
    buf_free(&path);
    return rc;
}

static int
list(struct http *h, const struct posting_args *a, struct err *err)
{
    json_t *doc = NULL;
    const json_t *found, *o;
    size_t i;
    int rc = list_get(h, a, &doc, err);
    if (rc == 0 && a->common.json)
        desk_dump(doc);
    if (rc == 0 && !a->common.json) {
        found = json_object_get(doc, "postings");
        json_array_foreach(found, i, o) print_one_line(o);
        if (desk_text(doc, "next")[0] != '\0')
            printf("… there may be more: --after %s\n", desk_text(doc, "next"));
        else if (json_array_size(found) == 0)
            printf("none found\n");
    }
    json_decref(doc);
    return rc;
}

/* The id given, or that of the reference given. */
static int
id_of(struct http *h, const struct posting_args *a, char ret[HEX16_MAX], struct err *err)
{
    json_t *doc = NULL;
    if (a->n_words == 2) {
        snprintf(ret, HEX16_MAX, "%.32s", a->words[1]);
        return 0;
    }
    int rc = list_get(h, a, &doc, err);
    const char *id = desk_text(json_array_get(json_object_get(doc, "postings"), 0), "id");
    if (rc == 0 && id[0] == '\0')
        rc = err_set(err, ERR_NOTFOUND, "no posting has the reference %.60s", a->reference);
    if (rc == 0)
        snprintf(ret, HEX16_MAX, "%.32s", id);
    json_decref(doc);
    return rc;
}

static int
show(struct http *h, const struct posting_args *a, struct err *err)
{
    char path[DESK_PATH_BYTES], id[HEX16_MAX];
    json_t *doc = NULL;
    int rc = id_of(h, a, id, err);
    if (rc == 0) {
        snprintf(path, sizeof(path), "/v1/postings/%s", id);
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

static void
body_of(const struct posting_args *a, json_t *o)
{
    desk_put(o, "country", a->country);
    desk_put(o, "from", a->from);
    desk_put(o, "to", a->to);
    desk_put(o, "reference", a->reference);
    desk_put(o, "text", a->text);
}

static int
issue(struct http *h, const struct posting_args *a, struct err *err)
{
    json_t *o = json_object(), *doc = NULL;
    desk_put(o, "member", a->member);
    desk_put(o, "member_no", a->member_no);
    body_of(a, o);
    int rc = desk_send(h, "POST", "/v1/postings", o, a->key, NULL, &doc, err);
    if (rc == 0)
        desk_done(doc, "posting", a->common.json);
    json_decref(doc);
    return rc;
}

static int
change(struct http *h, const struct posting_args *a, bool cancel, struct err *err)
{
    char path[DESK_PATH_BYTES], etag[HTTP_ETAG_MAX];
    json_t *old = NULL, *doc = NULL, *at = NULL, *o = json_object();
    snprintf(path, sizeof(path), "/v1/postings/%s", a->words[1]);
    int rc = desk_get_tagged(h, path, &old, etag, err);
    if (rc == 0 && a->event && (rc = desk_event(json_object_get(old, "events"), a->event, &at, NULL, err)) == 0)
        json_object_set_new(o, "event", at);
    if (rc == 0) {
        if (!cancel) {
            body_of(a, o);
            desk_put(o, "effective_on", a->on);
        }
        snprintf(path, sizeof(path), "/v1/postings/%s/%s", a->words[1], cancel ? "cancel" : "change");
        rc = desk_send(h, "POST", path, o, a->key, etag, &doc, err);
    } else {
        json_decref(o);
    }
    if (rc == 0)
        desk_done(doc, "posting", a->common.json);
    json_decref(old);
    json_decref(doc);
    return rc;
}

static bool
is(const struct posting_args *a, const char *word)
{
    return strcmp(a->words[0], word) == 0;
}

/* Wrong usage, said before anybody is asked. */
static int
check(const struct posting_args *a)
{
    bool changes = is(a, "change") || is(a, "cancel"), makes = is(a, "issue"), lists = is(a, "list"),
         shows = is(a, "show");
    if (!changes && !makes && !lists && !shows)
        return cli_usage("posting %.40s: there is no such; smartnode posting --help lists what there is", a->words[0]);
    if ((makes || lists) && a->n_words != 1)
        return cli_usage("posting %s: unexpected %.60s", a->words[0], a->words[1]);
    if (a->n_words == 1 && (changes || (shows && !a->reference)))
        return cli_usage("posting %s ID: which one? smartnode posting list finds it", a->words[0]);
    if (a->n_words == 2 && !desk_is_id(a->words[1]))
        return cli_usage("%.60s: an id is 32 hexadecimal digits; smartnode posting list finds it", a->words[1]);
    if (makes && (!a->country || !a->from || !a->to || !(a->member || a->member_no)))
        return cli_usage("posting issue needs --country, --from, --to, and --member or --member-no");
    if (a->event && !is(a, "cancel"))
        return cli_usage("--event is of cancel");
    return EXIT_OK;
}

int
cmd_posting(int argc, char **argv)
{
    struct posting_args a = {0};
    struct http *h = NULL;
    struct err err = {0};
    cli_parse(&argp, "posting", argc, argv, &a);
    int rc = check(&a);
    if (rc != EXIT_OK)
        return rc;
    rc = desk_open(&a.common, &h, &err);
    if (rc == 0) {
        if (is(&a, "list"))
            rc = list(h, &a, &err);
        else if (is(&a, "show"))
            rc = show(h, &a, &err);
        else
            rc = is(&a, "issue") ? issue(h, &a, &err) : change(h, &a, is(&a, "cancel"), &err);
    }
    http_free(&h);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}
