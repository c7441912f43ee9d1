/* See desk.h. */
#include "node/cli/desk.h"

#include <sodium.h>

#include "node/exchange/values.h"

enum { LOG_DIGITS = 12, LOG_DIGITS_LEAST = 8 };

static int
base_address(const struct cli_common *c, char ret[HTTP_URL_MAX], struct err *err)
{
    char path[PATH_BYTES_MAX], file[PATH_BYTES_MAX];
    struct config config;
    if (c->url) {
        snprintf(ret, HTTP_URL_MAX, "%s", c->url);
        return 0;
    }
    config_defaults(&config);
    int rc = datadir_find(c->data, path, err);
    if (rc == 0)
        rc = path_join(path, "smartnode.conf", file, err);
    if (rc == 0)
        rc = config_load(file, &config, err);
    if (rc == ERR_NOTFOUND)
        rc = 0; /* defaults: the token may be all that this user has of the node */
    return rc == 0 ? cli_base_of(&config, ret, err) : rc;
}

int
desk_open(const struct cli_common *c, struct http **ret, struct err *err)
{
    char base[HTTP_URL_MAX], token[HTTP_TOKEN_MAX];
    int rc = base_address(c, base, err);
    if (rc == 0)
        rc = http_token(c->token_file, token, err);
    if (rc == 0)
        rc = http_new(base, token, ret, err);
    sodium_memzero(token, sizeof(token));
    return rc;
}

/* ---- asking ---- */

static int
call(struct http *h, const struct http_request *q, json_t **ret, struct http_answer *a, struct err *err)
{
    int rc = http_call(h, q, a, err);
    if (rc != 0)
        return rc;
    *ret = json_loadb((const char *)a->body.data, a->body.len, 0, NULL);
    return *ret ? 0 : err_set(err, ERR_CORRUPT, "what answers there is no node: its answer is not JSON");
}

int
desk_get_tagged(struct http *h, const char *path, json_t **ret, char etag[HTTP_ETAG_MAX], struct err *err)
{
    struct http_request q = {.method = "GET", .path = path};
    struct http_answer a;
    int rc = call(h, &q, ret, &a, err);
    if (rc == 0)
        memcpy(etag, a.etag, HTTP_ETAG_MAX);
    return rc;
}

int
desk_get(struct http *h, const char *path, json_t **ret, struct err *err)
{
    char etag[HTTP_ETAG_MAX];
    return desk_get_tagged(h, path, ret, etag, err);
}

static int
send_body(struct http *h, struct http_request *q, json_t *body, const char *key, json_t **ret, struct err *err)
{
    char drawn[HEX16_MAX];
    uint8_t random[ID_BYTES];
    struct http_answer answer;
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    if (!text)
        return err_set(err, ERR_INVALID, "what was given is not UTF-8");
    randombytes_buf(random, sizeof(random));
    q->body = slice_of(text, strlen(text));
    q->key = key ? key : hex_encode(random, sizeof(random), drawn);
    int rc = call(h, q, ret, &answer, err);
    sodium_memzero(text, strlen(text));
    free(text);
    return rc;
}

int
desk_send(struct http *h, const char *method, const char *path, json_t *body, const char *key, const char *if_match,
          json_t **ret, struct err *err)
{
    struct http_request q = {.method = method, .path = path, .if_match = if_match};
    return send_body(h, &q, body, key, ret, err);
}

int
desk_send_line(struct http *h, json_t *line, const char *key, json_t **ret, struct err *err)
{
    struct http_request q = {.method = "POST", .path = "/v1/batch", .type = "application/x-ndjson"};
    int rc = send_body(h, &q, line, key, ret, err);
    const json_t *problem = rc == 0 ? json_object_get(*ret, "problem") : NULL;
    if (problem) {
        rc = http_problem((long)desk_int(*ret, "status"), problem, err);
        json_decref(*ret);
        *ret = NULL;
    }
    return rc;
}

int
desk_currency(struct http *h, char ret[CURRENCY_MAX], struct err *err)
{
    json_t *doc = NULL, *unit;
    size_t i;
    int rc = desk_get(h, "/v1/units", &doc, err);
    ret[0] = '\0';
    json_array_foreach(json_object_get(doc, "units"), i, unit)
    {
        if (json_is_true(json_object_get(unit, "own")))
            snprintf(ret, CURRENCY_MAX, "%.3s", desk_text(unit, "currency"));
    }
    json_decref(doc);
    if (rc == 0 && ret[0] == '\0')
        rc = err_set(err, ERR_NOTFOUND, "the unit is not described yet: give --currency");
    return rc;
}

/* ---- documents ---- */

const char *
desk_text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

int64_t
desk_int(const json_t *o, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(o, key));
}

void
desk_put(json_t *o, const char *key, const char *value_or_null)
{
    if (value_or_null)
        json_object_set_new(o, key, json_string(value_or_null));
}

void
desk_dump(const json_t *doc)
{
    json_dumpf(doc, stdout, JSON_INDENT(2));
    putchar('\n');
}

/* Where it is money, key ends in _minor and a currency stands beside it. */
static void
print_value(const json_t *o, const char *key, const json_t *v)
{
    char money[CLI_MONEY_MAX];
    size_t len = strlen(key);
    const char *currency = desk_text(o, "currency");
    bool is_money = json_is_integer(v) && len > 6 && strcmp(key + len - 6, "_minor") == 0 && currency[0] != '\0';
    if (is_money) {
        char name[64];
        snprintf(name, sizeof(name), "%.*s", (int)(len - 6), key);
        cli_cell(name, 22, false);
        printf("%s %s\n", cli_money((int64_t)json_integer_value(v), currency, money), currency);
        return;
    }
    cli_cell(key, 22, false);
    if (json_is_string(v))
        printf("%s\n", json_string_value(v));
    else if (json_is_boolean(v))
        printf("%s\n", json_is_true(v) ? "yes" : "no");
    else if (json_is_null(v))
        printf("-\n");
    else
        printf("%lld\n", (long long)json_integer_value(v));
}

void
desk_print(const json_t *o)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)o, key, v)
    {
        if (json_is_object(v))
            desk_print(v);
        else if (!json_is_array(v))
            print_value(o, key, v);
    }
}

void
desk_done(const json_t *doc, const char *what, bool as_json)
{
    char name[40];
    if (as_json) {
        desk_dump(doc);
        return;
    }
    desk_event_name(doc, name);
    printf("done: %s%s%s, event %s\n", what, desk_text(doc, "id")[0] != '\0' ? " " : "", desk_text(doc, "id"), name);
}

/* ---- events ---- */

void
desk_event_name(const json_t *event, char out[40])
{
    snprintf(out, 40, "%.*s.%lld", LOG_DIGITS, desk_text(event, "log"), (long long)desk_int(event, "seq"));
}

int
desk_event(const json_t *events, const char *name, json_t **ret, const json_t **ret_event_or_null, struct err *err)
{
    const char *dot = strchr(name, '.');
    size_t digits = strspn(name, "0123456789abcdef"), i;
    const json_t *found = NULL, *e;
    char *end = NULL;
    if (!dot || (size_t)(dot - name) != digits || digits < LOG_DIGITS_LEAST || dot[1] < '1' || dot[1] > '9')
        return err_set(err, ERR_INVALID, "--event: an event is named as its history shows it, such as 0123456789ab.17");
    long long seq = strtoll(dot + 1, &end, 10);
    if (*end != '\0')
        return err_set(err, ERR_INVALID, "--event: an event is named as its history shows it, such as 0123456789ab.17");
    json_array_foreach(events, i, e)
    {
        if (desk_int(e, "seq") == seq && strncmp(desk_text(e, "log"), name, digits) == 0) {
            if (found)
                return err_set(err, ERR_INVALID, "--event %.40s: more than one; give more digits of the log", name);
            found = e;
        }
    }
    if (!found)
        return err_set(err, ERR_NOTFOUND, "--event %.80s: there is no such event in the history", name);
    *ret = json_pack("{s:s, s:I}", "log", desk_text(found, "log"), "seq", (json_int_t)seq);
    if (ret_event_or_null)
        *ret_event_or_null = found;
    return *ret ? 0 : err_set(err, ERR_NOMEM, "out of memory");
}

void
desk_print_events(const json_t *events)
{
    char name[40];
    size_t i;
    const json_t *e;
    printf("\n");
    json_array_foreach(events, i, e)
    {
        const char *day = desk_text(e, "effective_on");
        desk_event_name(e, name);
        cli_cell(day[0] != '\0' ? day : desk_text(e, "month"), 12, false);
        cli_cell(desk_text(e, "kind"), 24, false);
        cli_cell(desk_text(e, "outcome"), 10, false);
        printf("%s%s%s\n", name, desk_text(e, "reason")[0] ? "  " : "", desk_text(e, "reason"));
    }
}

/* ---- values ---- */

int
desk_amount(const char *text, const char *option, const char *currency, json_t **ret, struct err *err)
{
    int64_t minor = 0;
    int rc = value_amount(text, option, currency, 0, &minor, err);
    if (rc == 0 && minor < 0)
        rc = err_field(err, ERR_INVALID, option, "%s: not below zero", option);
    if (rc == 0)
        *ret = json_integer((json_int_t)minor);
    return rc;
}

bool
desk_is_id(const char *text)
{
    uint8_t id[ID_BYTES];
    return hex_decode(text, id, sizeof(id));
}
