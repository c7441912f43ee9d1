/* smartnode member grant|revoke|pass|access and smartnode pass verify: who else sees a member, on the running node by its HTTP interface. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#include "node/api/qr.h"
#include "node/cli/desk.h"
#include "proto/pass.h"

enum {
    OPT_HOST = OPT_OWN,
    OPT_CLASSES,
    OPT_PURPOSE,
    OPT_FROM,
    OPT_UNTIL,
    OPT_STALE,
    OPT_REASON,
    OPT_PNG,
    OPT_SVG,
    OPT_LIGHT,
    OPT_KEY,
    WORDS_MAX = 3,
};

struct access_args {
    struct cli_common common;
    size_t n_words;
    const char *words[WORDS_MAX];
    const char *host, *classes, *purpose, *from, *until, *stale, *reason, *png, *svg, *key;
    bool light;
};

static const struct cli_binding bindings[] = {
    CLI_BIND(struct access_args, OPT_HOST, host),       CLI_BIND(struct access_args, OPT_CLASSES, classes),
    CLI_BIND(struct access_args, OPT_PURPOSE, purpose), CLI_BIND(struct access_args, OPT_FROM, from),
    CLI_BIND(struct access_args, OPT_UNTIL, until),     CLI_BIND(struct access_args, OPT_STALE, stale),
    CLI_BIND(struct access_args, OPT_REASON, reason),   CLI_BIND(struct access_args, OPT_PNG, png),
    CLI_BIND(struct access_args, OPT_SVG, svg),         CLI_BIND(struct access_args, OPT_KEY, key),
    CLI_BIND(struct access_args, OPT_LIGHT, light),
};
static const struct cli_taking taking = CLI_TAKING(struct access_args, bindings, NULL);

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
    {"host", OPT_HOST, "CODE", 0, "grant: the unit that may see", 1},
    {"classes", OPT_CLASSES, "LIST", 0, "grant, pass: of identity, contact, bank, activity, with commas", 1},
    {"purpose", OPT_PURPOSE, "NAME", 0, "grant: \"service at the desk\", \"work abroad\", …, or its number", 1},
    {"from", OPT_FROM, "DATE", 0, "First day (else today)", 1},
    {"until", OPT_UNTIL, "DATE", 0, "Last day (else: of a grant until it is revoked, of a pass a year)", 1},
    {"stale-hours", OPT_STALE, "N", 0, "pass: how old another unit's knowledge of this one may be (720)", 1},
    {"reason", OPT_REASON, "WORD", 0, "revoke: asked, lost, left, unit, not_needed (asked)", 1},
    {"png", OPT_PNG, "FILE", 0, "pass: write the code as a picture into a new file, instead of showing it", 1},
    {"svg", OPT_SVG, "FILE", 0, "pass: the same, as SVG", 1},
    {"light", OPT_LIGHT, NULL, 0, "pass: the terminal has a light ground", 1},
    {"idempotency-key", OPT_KEY, "KEY", 0, "The same command with the same key is done once, with the same answer", 1},
    CLI_OPTION_END,
};

static const struct argp argp = {
    options,
    on_option,
    "grant|access|pass MEMBER\nrevoke MEMBER ACCESS",
    "Lets other units see a member: a grant for one unit, a pass for whoever is shown its code."
    "\vNeeds a token of role desk or integration: --token-file FILE or $SMARTNODE_TOKEN.\n\n"
    "The code of a pass is shown once and stored nowhere: a lost one is revoked, and another issued. Revoking one seals what is stored under "
    "new keys, so that it opens nothing that is written afterwards.\n\n"
    "Examples:\n"
    "  smartnode member grant 0123456789abcdef0123456789abcdef --host DE --classes identity,contact --purpose \"work abroad\"\n"
    "  smartnode member pass 0123456789abcdef0123456789abcdef --classes identity,contact --until 2027-06-30\n"
    "  smartnode member access 0123456789abcdef0123456789abcdef\n"
    "  smartnode member revoke 0123456789abcdef0123456789abcdef fedcba9876543210fedcba9876543210 --reason lost",
    NULL,
    NULL,
    NULL};

static bool
is(const struct access_args *a, const char *word)
{
    return a->n_words > 0 && strcmp(a->words[0], word) == 0;
}

bool
cmd_access_word(const char *word)
{
    return word && (strcmp(word, "grant") == 0 || strcmp(word, "revoke") == 0 || strcmp(word, "pass") == 0 ||
                    strcmp(word, "access") == 0);
}

/* ---- giving ---- */

static int
put_classes(const char *list, json_t *o, struct err *err)
{
    json_t *classes = json_array();
    char word[32];
    for (const char *p = list; *p != '\0';) {
        size_t len = strcspn(p, ",");
        if (len == 0 || len >= sizeof(word)) {
            json_decref(classes);
            return err_set(err, ERR_INVALID, "--classes: of identity, contact, bank, activity, with commas");
        }
        snprintf(word, sizeof(word), "%.*s", (int)len, p);
        json_array_append_new(classes, json_string(word));
        p += len + (p[len] == ',');
    }
    json_object_set_new(o, "classes", classes);
    return 0;
}

/* Before a pass is issued: its code is shown once, and would be lost with a file that cannot be made. */
static int
picture_new(const struct access_args *a, int *ret_fd, struct err *err)
{
    const char *path = a->png ? a->png : a->svg;
    *ret_fd = path ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    return path && *ret_fd < 0 ? err_errno(err, "%s", path) : 0;
}

static int
picture_write(int *fd, const char *path, const struct buf *b, struct err *err)
{
    size_t done = 0;
    int rc = 0;
    while (rc == 0 && done < b->len) {
        ssize_t n = write(*fd, b->data + done, b->len - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            rc = err_errno(err, "%s", path);
    }
    if (close(*fd) != 0 && rc == 0)
        rc = err_errno(err, "%s", path);
    *fd = -1;
    if (rc != 0)
        unlink(path);
    return rc;
}

static int
show_pass(const struct access_args *a, const json_t *doc, int *picture, struct err *err)
{
    const char *path = a->png ? a->png : a->svg;
    const char *text = desk_text(doc, "pass");
    struct buf b;
    int rc = 0;
    if (a->common.json && !path) {
        desk_dump(doc);
        return 0;
    }
    buf_init(&b, QR_PNG_MAX);
    if (a->png)
        rc = qr_png(text, &b, err);
    else if (a->svg)
        rc = qr_svg(text, &b, err);
    else
        rc = qr_terminal(text, a->light ? QR_ON_LIGHT : QR_ON_DARK, &b, err);
    if (rc == 0 && path)
        rc = picture_write(picture, path, &b, err);
    if (rc == 0 && !path)
        printf("%.*s\n%s\n\n", (int)b.len, (const char *)b.data, text);
    buf_free(&b);
    if (rc != 0)
        return err_wrap(err, "pass %s was issued, but its code is lost: revoke it", desk_text(doc, "id"));
    if (a->common.json)
        desk_dump(doc);
    else
        printf("issued: pass %s. Its code is stored nowhere.\n", desk_text(doc, "id"));
    if (desk_text(doc, "warning")[0] != '\0')
        fprintf(stderr, "warning: %s\n", desk_text(doc, "warning"));
    return 0;
}

static int
give(struct http *h, const struct access_args *a, struct err *err)
{
    char path[DESK_PATH_BYTES];
    json_t *doc = NULL, *o = json_object();
    bool pass = is(a, "pass");
    int picture = -1;
    snprintf(path, sizeof(path), "/v1/members/%s/%s", a->words[1], pass ? "pass" : "access");
    desk_put(o, "host", a->host);
    desk_put(o, "purpose", a->purpose);
    desk_put(o, "from", a->from);
    desk_put(o, "until", a->until);
    if (a->stale)
        json_object_set_new(o, "stale_hours", json_integer((json_int_t)strtoll(a->stale, NULL, 10)));
    int rc = put_classes(a->classes, o, err);
    if (rc == 0 && pass)
        rc = picture_new(a, &picture, err);
    if (rc != 0)
        json_decref(o);
    else
        rc = desk_send(h, "POST", path, o, a->key, NULL, &doc, err);
    if (rc == 0 && pass)
        rc = show_pass(a, doc, &picture, err);
    else if (rc == 0)
        desk_done(doc, "access", a->common.json);
    if (picture >= 0) { /* nothing was issued */
        close(picture);
        unlink(a->png ? a->png : a->svg);
    }
    json_decref(doc);
    return rc;
}

static int
end(struct http *h, const struct access_args *a, struct err *err)
{
    char path[DESK_PATH_BYTES];
    json_t *doc = NULL, *o = json_object();
    snprintf(path, sizeof(path), "/v1/members/%s/access/%s/revoke", a->words[1], a->words[2]);
    desk_put(o, "reason", a->reason);
    int rc = desk_send(h, "POST", path, o, a->key, NULL, &doc, err);
    if (rc == 0)
        desk_done(doc, "access", a->common.json);
    json_decref(doc);
    return rc;
}

/* ---- showing ---- */

static void
print_words(const json_t *list)
{
    char out[80] = "";
    size_t i, at = 0;
    const json_t *e;
    json_array_foreach(list, i, e)
    {
        at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%.16s", i > 0 ? " " : "", json_string_value(e));
    }
    cli_cell(out, 32, false);
}

static void
print_access(const json_t *e)
{
    cli_cell(desk_text(e, "id"), 34, false);
    cli_cell(desk_text(e, "what"), 7, false);
    cli_cell(desk_text(e, "host"), 9, false);
    cli_cell(desk_text(e, "from"), 12, false);
    cli_cell(desk_text(e, "until"), 12, false);
    print_words(json_object_get(e, "classes"));
    if (desk_text(e, "revoked_on")[0] != '\0')
        printf("revoked %s (%s)\n", desk_text(e, "revoked_on"), desk_text(e, "reason"));
    else
        printf("%s\n", json_is_true(json_object_get(e, "stands")) ? "stands" : "");
}

/* Page after page; as JSON each is a document. */
static int
list(struct http *h, const struct access_args *a, struct err *err)
{
    char path[DESK_PATH_BYTES];
    size_t n = 0;
    int rc = 0;
    snprintf(path, sizeof(path), "/v1/members/%s/access?limit=500", a->words[1]);
    while (rc == 0 && path[0] != '\0') {
        json_t *doc = NULL;
        const json_t *e;
        size_t i;
        rc = desk_get(h, path, &doc, err);
        if (rc == 0 && a->common.json)
            desk_dump(doc);
        json_array_foreach(rc == 0 && !a->common.json ? json_object_get(doc, "access") : NULL, i, e)
        {
            print_access(e);
            n++;
        }
        const char *next = rc == 0 ? desk_text(doc, "next") : "";
        path[0] = '\0';
        if (next[0] != '\0')
            snprintf(path, sizeof(path), "/v1/members/%s/access?limit=500&after=%s", a->words[1], next);
        json_decref(doc);
    }
    if (rc == 0 && !a->common.json && n == 0)
        printf("nobody else has access\n");
    return rc;
}

static int
check(const struct access_args *a)
{
    size_t words = is(a, "revoke") ? 3 : 2;
    if (a->n_words != words)
        return cli_usage("member %s %s", a->words[0],
                         words == 3 ? "MEMBER ACCESS: which? smartnode member access lists them"
                                    : "MEMBER: which? smartnode member search finds the id");
    for (size_t i = 1; i < words; i++)
        if (!desk_is_id(a->words[i]))
            return cli_usage("%.60s: an id is 32 hexadecimal digits", a->words[i]);
    if ((is(a, "grant") || is(a, "pass")) && !a->classes)
        return cli_usage("member %s needs --classes", a->words[0]);
    if (is(a, "grant") && (!a->host || !a->purpose))
        return cli_usage("member grant needs --host and --purpose");
    if (!is(a, "grant") && (a->host || a->purpose))
        return cli_usage("--host, --purpose are of grant");
    if (a->png && a->svg)
        return cli_usage("--png or --svg: one picture of a pass, which is shown once");
    if (!is(a, "pass") && (a->png || a->svg || a->stale || a->light))
        return cli_usage("--png, --svg, --light, --stale-hours are of pass");
    if (a->stale && (a->stale[0] == '\0' || strspn(a->stale, "0123456789") != strlen(a->stale)))
        return cli_usage("--stale-hours: a whole number");
    return EXIT_OK;
}

int
cmd_member_access(int argc, char **argv)
{
    struct access_args a = {0};
    struct http *h = NULL;
    struct err err = {0};
    cli_parse(&argp, "member", argc, argv, &a);
    int rc = check(&a);
    if (rc != EXIT_OK)
        return rc;
    rc = desk_open(&a.common, &h, &err);
    if (rc == 0 && is(&a, "access"))
        rc = list(h, &a, &err);
    else if (rc == 0)
        rc = is(&a, "revoke") ? end(h, &a, &err) : give(h, &a, &err);
    http_free(&h);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}

/* ---- smartnode pass verify ---- */

static const struct argp_option pass_options[] = {
    CLI_OPTION_DATA, CLI_OPTION_URL, CLI_OPTION_TOKEN, CLI_OPTION_JSON, CLI_OPTION_END,
};
static const struct argp pass_argp = {
    pass_options,
    on_option,
    "verify",
    "Verifies a pass that somebody shows: its text, as scanned or typed, on standard input."
    "\vNeeds a token of role desk or integration: --token-file FILE or $SMARTNODE_TOKEN. The visit goes on record for the home unit. The text is "
    "not taken as an argument, where other users of the machine would see it.\n\n"
    "Example:\n"
    "  smartnode pass verify < scanned.txt",
    NULL,
    NULL,
    NULL};

static int
read_text(char out[PASS_READ_MAX + 1], struct err *err)
{
    size_t n = fread(out, 1, PASS_READ_MAX, stdin);
    if (ferror(stdin))
        return err_errno(err, "standard input");
    if (n == PASS_READ_MAX && getchar() != EOF)
        return err_set(err, ERR_LIMIT, "standard input: longer than any pass");
    out[n] = '\0';
    return 0;
}

int
cmd_pass(int argc, char **argv)
{
    struct access_args a = {0};
    struct http *h = NULL;
    struct err err = {0};
    char text[PASS_READ_MAX + 1] = "";
    json_t *doc = NULL, *o = NULL;
    cli_parse(&pass_argp, "pass", argc, argv, &a);
    if (a.n_words != 1 || !is(&a, "verify"))
        return cli_usage("pass verify: reads the text of a pass from standard input");
    int rc = read_text(text, &err);
    if (rc == 0)
        rc = desk_open(&a.common, &h, &err);
    if (rc == 0) {
        o = json_object();
        desk_put(o, "pass", text);
        if (!json_object_get(o, "pass")) {
            json_decref(o);
            rc = err_set(&err, ERR_INVALID, "standard input: is not UTF-8");
        }
    }
    pass_wipe(text, sizeof(text));
    if (rc == 0)
        rc = desk_send(h, "POST", "/v1/passes/verify", o, NULL, NULL, &doc, &err);
    if (rc == 0 && a.common.json)
        desk_dump(doc);
    else if (rc == 0)
        desk_print(doc);
    json_decref(doc);
    http_free(&h);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}
