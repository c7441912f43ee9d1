/* smartnode config check: whether a node would start, and everything that is in the way of it. docs/OPERATIONS.md "Configuration". */
#include <jansson.h>
#include <unistd.h>

#include "node/cli/cli_common.h"

struct args {
    struct cli_common common;
    const char *word;
};

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    if (cli_common_option(&a->common, key, arg))
        return 0;
    switch (key) {
    case ARGP_KEY_ARG:
        if (a->word || strcmp(arg, "check") != 0)
            argp_error(state, "unexpected argument: %s", arg);
        a->word = arg;
        return 0;
    case ARGP_KEY_END:
        if (!a->word)
            argp_error(state, "what: check");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {CLI_OPTION_DATA, CLI_OPTION_JSON, CLI_OPTION_END};

static const struct argp argp = {
    options,
    on_option,
    "check",
    "Says whether a node would start on the data directory: smartnode.conf, key files, certificate, databases. Changes nothing."
    "\vNames every mistake with file, line, key, and what to put there. May be run beside a node, before a restart with a new "
    "configuration.\n\n"
    "Exit status: 0 a node would start, 2 the configuration is wrong, 1 something else is.\n\n"
    "Example:\n  smartnode config check --data /var/lib/smartnode",
    NULL,
    NULL,
    NULL};

/* What was found; the file's mistakes first, in its order. */
struct found {
    struct config_mistakes in_file;
    struct config config;
    bool config_read;
    struct err rest[4]; /* files and databases */
    size_t n_rest;
};

static void
keep(struct found *f, const struct err *err)
{
    if (f->n_rest < ARRAY_LEN(f->rest))
        f->rest[f->n_rest++] = *err;
}

static void
check_readable(struct found *f, const char *file, const char *field)
{
    struct err err;
    if (file[0] == '\0' || access(file, R_OK) == 0)
        return;
    (void)err_errno(&err, "%s", file);
    (void)err_wrap(&err, "%s", field);
    err.code = ERR_INVALID;
    keep(f, &err);
}

static int
check(const char *dir, const char *file, struct found *f, struct datadir *d, bool *ret_open, struct err *err)
{
    *ret_open = false;
    int rc = access(dir, X_OK) == 0 ? 0 : err_errno(err, "%s", dir);
    if (rc != 0)
        return rc;
    config_defaults(&f->config);
    rc = config_check(file, &f->config, &f->in_file, err);
    if (rc != 0 && rc != ERR_NOTFOUND && f->in_file.n == 0)
        return rc;
    if (rc == 0) {
        check_readable(f, f->config.tls_cert, "http.tls_cert");
        check_readable(f, f->config.tls_key, "http.tls_key");
    }
    struct err other;
    rc = datadir_check(dir, f->in_file.n == 0 ? NULL : &f->config, d, &other);
    if (rc != 0)
        keep(f, &other);
    *ret_open = rc == 0;
    return 0;
}

static void
print_mistakes(const struct found *f, const char *file)
{
    for (size_t i = 0; i < f->in_file.n; i++) {
        const struct config_mistake *m = &f->in_file.list[i];
        fprintf(stderr, "%s:%u: %s%s%s\n", file, m->line, m->field, m->field[0] ? ": " : "", m->text);
    }
    if (f->in_file.more > 0)
        fprintf(stderr, "%s: and %zu more\n", file, f->in_file.more);
    for (size_t i = 0; i < f->n_rest; i++)
        fprintf(stderr, "%s\n", f->rest[i].text);
    fprintf(stderr, "smartnode: a node would not start with this\n");
}

static void
print_json(const struct found *f, const char *file)
{
    json_t *list = json_array();
    for (size_t i = 0; i < f->in_file.n; i++) {
        const struct config_mistake *m = &f->in_file.list[i];
        json_array_append_new(
            list, json_pack("{s:s,s:i,s:s,s:s}", "file", file, "line", (int)m->line, "key", m->field, "text", m->text));
    }
    for (size_t i = 0; i < f->n_rest; i++)
        json_array_append_new(list, json_pack("{s:s,s:s}", "key", f->rest[i].field, "text", f->rest[i].text));
    json_t *doc = json_pack("{s:b,s:o}", "ok", json_array_size(list) == 0, "mistakes", list);
    if (doc)
        json_dumpf(doc, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(doc);
}

/* What may be meant so. */
static void
print_notes(const struct config *c)
{
    bool here = strncmp(c->http_listen, "127.", 4) == 0 || strcmp(c->http_listen, "::1") == 0;
    if (!here && c->tls_cert[0] == '\0')
        printf(
            "  note: HTTP is open to other machines without TLS: set tls_cert and tls_key, or put a proxy in front\n");
    if (c->n_advertise == 0 && strcmp(c->sync_listen, "none") != 0)
        printf("  note: the card names no address, so no peer can dial this node: set advertise\n");
}

static void
print_fit(const struct datadir *d)
{
    const struct config *c = &d->config;
    printf(
        "%s: fit to run\n  unit %s, federation %s, %s\n  peers on %s, HTTP on %s port %u%s\n  maps of %llu and %llu GiB, log as %s\n",
        d->path, d->identity.unit_code, d->identity.federation_name.s, d->identity.production ? "production" : "test",
        c->sync_listen, c->http_listen, c->http_port, c->tls_cert[0] ? " with TLS" : "", (unsigned long long)c->map_gib,
        (unsigned long long)c->vault_map_gib, log_format_names[c->log_format]);
    print_notes(c);
}

int
cmd_config(int argc, char **argv)
{
    static struct found f; /* large, and one for each process */
    struct args a = {0};
    struct datadir d;
    char dir[PATH_BYTES_MAX], file[PATH_BYTES_MAX];
    bool open = false;
    struct err err = {0};
    cli_parse(&argp, "config", argc, argv, &a);
    int rc = datadir_find(a.common.data, dir, &err);
    if (rc == 0)
        rc = path_join(dir, "smartnode.conf", file, &err);
    if (rc == 0)
        rc = check(dir, file, &f, &d, &open, &err);
    if (rc != 0)
        return cli_fail(&err);
    bool fit = f.in_file.n == 0 && f.n_rest == 0;
    if (a.common.json)
        print_json(&f, file);
    else if (fit)
        print_fit(&d);
    else
        print_mistakes(&f, file);
    if (open)
        datadir_close(&d);
    bool config_wrong = f.in_file.n > 0 || (f.n_rest > 0 && f.rest[0].code == ERR_INVALID);
    return fit ? EXIT_OK : config_wrong ? EXIT_USAGE : EXIT_ERROR;
}
