/* smartnode init: keys, data directory, and the first events that describe the unit. docs/OPERATIONS.md "A new node". */
#include <argp.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/cli/cli.h"
#include "node/host/datadir.h"

enum {
    OFFICES_MAX = 64,
    OPT_PRODUCTION = 256,
    OPT_TEST,
    OPT_KEYS,
    OPT_COUNTRY,
    OPT_CURRENCY,
    OPT_LANGUAGE,
    OPT_ZONE,
    OPT_BP,
    OPT_PRICE,
    OPT_OFFICE,
    OPT_SINCE,
    OPT_LISTEN,
    OPT_ADVERTISE,
    OPT_HTTP_PORT,
    OPT_MAP
};

struct init_args {
    const char *data, *code, *name, *federation, *keys_out, *since;
    int production; /* −1 = not said */
    struct unit_described unit;
    bool described;
    size_t n_offices;
    const char *offices[OFFICES_MAX];
    struct config config;
};

static const struct argp_option options[] = {
    {"data", 'd', "DIR", 0, "Data directory to make", 0},
    {"unit", 'u', "CODE", 0, "Code of the unit: 2 to 8 of A-Z and 0-9, such as BE", 0},
    {"name", 'n', "NAME", 0, "Name of the unit, such as \"Smart Belgium\"", 0},
    {"federation", 'f', "NAME", 0, "Name of the federation; the same at all its units", 0},
    {"production", OPT_PRODUCTION, NULL, 0, "A production node; refuses test nodes", 0},
    {"test", OPT_TEST, NULL, 0, "A test node; refuses production nodes", 0},
    {"keys-out", OPT_KEYS, "DIR", 0,
     "Where the root and recovery keys are written: outside the data directory, on a medium to lock away", 0},
    {NULL, 0, NULL, 0, "What the first events say of the unit (may also be said later over the API):", 1},
    {"country", OPT_COUNTRY, "CC", 0, "Country, two letters", 1},
    {"currency", OPT_CURRENCY, "CUR", 0, "Currency, three letters", 1},
    {"language", OPT_LANGUAGE, "TAG", 0, "Language, such as nl; may be repeated", 1},
    {"time-zone", OPT_ZONE, "ZONE", 0, "Time zone, such as Europe/Brussels", 1},
    {"contribution-bp", OPT_BP, "N", 0, "Contribution on invoices in basis points (650 = 6.5 %)", 1},
    {"share-price", OPT_PRICE, "N", 0, "Price of a share in the currency's minor unit (3000 = EUR 30)", 1},
    {"office", OPT_OFFICE, "NAME", 0, "An office, named after its city; may be repeated", 1},
    {"since", OPT_SINCE, "DATE", 0, "From when this holds, YYYY-MM-DD (default: today)", 1},
    {NULL, 0, NULL, 0, "What goes into smartnode.conf:", 2},
    {"listen", OPT_LISTEN, "ENDPOINT", 0, "Where peers connect, tcp://host:port, or none", 2},
    {"advertise", OPT_ADVERTISE, "ENDPOINT", 0, "Address on the unit card; may be repeated", 2},
    {"http-port", OPT_HTTP_PORT, "PORT", 0, "Port of the HTTP interface on 127.0.0.1", 2},
    {"map-gib", OPT_MAP, "N", 0, "Address space for the data, in GiB", 2},
    {0}};

/* A whole number and nothing else: "6.5" is not six. */
static uint64_t
whole_number(const char *arg, uint64_t max, const char *option, struct argp_state *state)
{
    char *end = NULL;
    errno = 0;
    unsigned long long v = strtoull(arg, &end, 10);
    if (errno != 0 || end == arg || *end != '\0' || arg[0] == '-' || v > max)
        argp_error(state, "--%s: a whole number up to %llu", option, (unsigned long long)max);
    return v;
}

/* Too long for its place is an error, not something shorter. */
static void
put_text(char *ret, size_t size, const char *arg, const char *option, struct argp_state *state)
{
    if (strlen(arg) >= size)
        argp_error(state, "--%s: at most %zu characters", option, size - 1);
    snprintf(ret, size, "%s", arg);
}

static bool
capitals(const char *arg, size_t n)
{
    return strlen(arg) == n && strspn(arg, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == n;
}

/* Two or three small letters, maybe a region or script behind a dash. */
static bool
language_ok(const char *arg)
{
    static const char small[] = "abcdefghijklmnopqrstuvwxyz",
                      any[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t n = strspn(arg, small);
    bool ok = n == 2 || n == 3;
    for (arg += n; ok && *arg == '-'; arg += n) {
        n = 1 + strspn(arg + 1, any);
        ok = n > 2 && n <= 9;
    }
    return ok && *arg == '\0';
}

/* One that this machine knows: by an unknown one it would count its days in UTC without a word. */
static bool
zone_ok(const char *arg)
{
    char path[PATH_BYTES_MAX];
    struct stat st;
    int n = snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", arg);
    return arg[0] != '\0' && arg[0] != '/' && !strstr(arg, "..") && n < (int)sizeof(path) && stat(path, &st) == 0 &&
           S_ISREG(st.st_mode);
}

static void
check_unit_fact(int key, const char *arg, struct argp_state *state)
{
    if (key == OPT_COUNTRY && !capitals(arg, 2))
        argp_error(state, "--country %.20s: two capital letters, such as BE", arg);
    if (key == OPT_CURRENCY && !capitals(arg, 3))
        argp_error(state, "--currency %.20s: three capital letters, such as EUR", arg);
    if (key == OPT_LANGUAGE && !language_ok(arg))
        argp_error(state, "--language %.20s: a language tag, such as nl or nl-BE", arg);
    if (key == OPT_ZONE && !zone_ok(arg))
        argp_error(state,
                   "--time-zone %.60s: this machine knows no such zone (/usr/share/zoneinfo, package tzdata); "
                   "give one such as Europe/Brussels",
                   arg);
}

static error_t
set_unit_fact(struct init_args *a, int key, const char *arg, struct argp_state *state)
{
    struct unit_described *u = &a->unit;
    check_unit_fact(key, arg, state);
    a->described = true;
    switch (key) {
    case OPT_COUNTRY: put_text(u->country, sizeof(u->country), arg, "country", state); break;
    case OPT_CURRENCY: put_text(u->currency, sizeof(u->currency), arg, "currency", state); break;
    case OPT_ZONE: put_text(u->time_zone.s, sizeof(u->time_zone.s), arg, "time-zone", state); break;
    case OPT_BP: u->contribution_bp = (uint32_t)whole_number(arg, 10000, "contribution-bp", state); break;
    case OPT_PRICE: u->share_price_minor = (int64_t)whole_number(arg, INT64_MAX, "share-price", state); break;
    case OPT_LANGUAGE:
        if (u->n_languages == UNIT_LANGUAGES_MAX)
            argp_error(state, "more than %d languages", UNIT_LANGUAGES_MAX);
        put_text(u->languages[u->n_languages++], sizeof(u->languages[0]), arg, "language", state);
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static error_t
set_config(struct init_args *a, int key, const char *arg, struct argp_state *state)
{
    struct config *c = &a->config;
    switch (key) {
    case OPT_LISTEN: put_text(c->sync_listen, sizeof(c->sync_listen), arg, "listen", state); break;
    case OPT_ADVERTISE:
        if (c->n_advertise == CONFIG_ADVERTISE_MAX)
            argp_error(state, "more than %d addresses", CONFIG_ADVERTISE_MAX);
        put_text(c->advertise[c->n_advertise++], sizeof(c->advertise[0]), arg, "advertise", state);
        break;
    case OPT_HTTP_PORT: c->http_port = (uint16_t)whole_number(arg, UINT16_MAX, "http-port", state); break;
    case OPT_MAP:
        c->map_gib = whole_number(arg, UINT32_MAX, "map-gib", state);
        if (c->map_gib == 0)
            argp_error(state, "--map-gib: a number of GiB, at least 1");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static bool
described_in_full(const struct unit_described *u)
{
    return u->country[0] && u->currency[0] && u->n_languages > 0 && u->time_zone.s[0] && u->share_price_minor > 0;
}

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct init_args *a = state->input;
    switch (key) {
    case 'd': a->data = arg; return 0;
    case 'u': a->code = arg; return 0;
    case 'n': a->name = arg; return 0;
    case 'f': a->federation = arg; return 0;
    case OPT_PRODUCTION:
    case OPT_TEST:
        if (a->production == (key == OPT_TEST))
            argp_error(state, "--production and --test exclude each other");
        a->production = key == OPT_PRODUCTION;
        return 0;
    case OPT_KEYS: a->keys_out = arg; return 0;
    case OPT_SINCE: a->since = arg; return 0;
    case OPT_OFFICE:
        if (a->n_offices == OFFICES_MAX)
            argp_error(state, "more than %d offices", OFFICES_MAX);
        if (arg[0] == '\0' || strlen(arg) > NAME_BYTES_MAX || !text_ok(arg, strlen(arg)))
            argp_error(state, "--office: a name of 1 to %d bytes of text", NAME_BYTES_MAX);
        a->offices[a->n_offices++] = arg;
        return 0;
    case ARGP_KEY_ARG: argp_error(state, "unexpected argument: %s", arg); return 0;
    case ARGP_KEY_END:
        if (!a->code || !a->name || !a->federation || a->production < 0 || !a->keys_out)
            argp_error(state, "--unit, --name, --federation, --keys-out and one of --production and --test are needed");
        /* Found out later, it would leave a node whose unit is not described. */
        if ((a->described || a->n_offices > 0) && !described_in_full(&a->unit))
            argp_error(state, "--country, --currency, --language, --time-zone and --share-price go together: a unit is "
                              "described in full, or later over the API");
        return 0;
    default: break;
    }
    return key >= OPT_LISTEN ? set_config(a, key, arg, state) : set_unit_fact(a, key, arg, state);
}

/* Where a path leads, links and dots resolved, also if its last parts are not there yet. */
static int
resolve(const char *path, char ret[PATH_BYTES_MAX], struct err *err)
{
    char head[PATH_BYTES_MAX], real[PATH_BYTES_MAX];
    size_t len = strlen(path), cut = len;
    if (len == 0 || len >= PATH_BYTES_MAX - 2)
        return err_set(err, ERR_INVALID, "%.60s: not a path that can be used", path);
    for (;;) {
        snprintf(head, sizeof(head), "%.*s", (int)cut, path);
        if (realpath(cut > 0 ? head : path[0] == '/' ? "/" : ".", real))
            break;
        if (errno != ENOENT || cut == 0)
            return err_errno(err, "%s", path);
        while (cut > 0 && path[cut - 1] == '/')
            cut--;
        while (cut > 0 && path[cut - 1] != '/')
            cut--;
    }
    while (path[cut] == '/')
        cut++;
    size_t n = strlen(real);
    if (n + 1 + len - cut >= PATH_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "%.60s…: path too long", path);
    memcpy(ret, real, n);
    if (cut < len && (n == 0 || real[n - 1] != '/'))
        ret[n++] = '/';
    memcpy(ret + n, path + cut, len - cut + 1);
    return 0;
}

/* The offline keys must not lie where a thief of the data, or its backup, finds them. */
static int
check_keys_out(const char *keys_out, const char *data, struct err *err)
{
    char keys[PATH_BYTES_MAX], dir[PATH_BYTES_MAX];
    int rc = resolve(keys_out, keys, err);
    if (rc == 0)
        rc = resolve(data, dir, err);
    if (rc != 0)
        return rc;
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    if (strncmp(keys, dir, n) == 0 && (keys[n] == '/' || keys[n] == '\0' || n == 1))
        return err_field(err, ERR_INVALID, "keys-out", "the root and recovery keys must not lie in the data directory");
    return 0;
}

static int
check(const struct init_args *a, const char *path, struct civil_date *ret_since, struct err *err)
{
    int rc = check_keys_out(a->keys_out, path, err);
    if (rc != 0)
        return rc;
    if (!unit_code_ok(a->code))
        return err_field(err, ERR_INVALID, "unit", "%.20s: a unit's code is 2 to 8 of A-Z and 0-9, first a letter",
                         a->code);
    if (strlen(a->name) > NAME_BYTES_MAX || !text_ok(a->name, strlen(a->name)) || a->name[0] == '\0')
        return err_field(err, ERR_INVALID, "name", "the unit's name must be text of at most %d bytes", NAME_BYTES_MAX);
    if (strlen(a->federation) > NAME_BYTES_MAX || !text_ok(a->federation, strlen(a->federation)) ||
        a->federation[0] == '\0')
        return err_field(err, ERR_INVALID, "federation", "the federation's name must be text of at most %d bytes",
                         NAME_BYTES_MAX);
    if (a->since)
        return date_parse(a->since, "since", ret_since, err);
    *ret_since = DATE_NONE;
    return 0;
}

/* The keys of a node that was not made in the end: nobody must take them for those of one that was. */
static void
remove_offline(const struct identity *id, const char *dir)
{
    static const char *const names[] = {"root", "recovery"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[PATH_BYTES_MAX], name[64];
        snprintf(name, sizeof(name), "%s-%s.key", id->unit_code, names[i]);
        if (path_join(dir, name, path, NULL) == 0)
            unlink(path);
    }
}

static int
write_offline(const struct identity *id, const struct identity_offline *off, const char *dir, struct err *err)
{
    char path[PATH_BYTES_MAX], name[64];
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return err_errno(err, "%s", dir);
    snprintf(name, sizeof(name), "%s-root.key", id->unit_code);
    int rc = path_join(dir, name, path, err);
    if (rc == 0)
        rc = secret_file_write(
            path, "smartnode ROOT KEY: certifies and revokes this unit's keys. Never on a networked machine.",
            off->root_seed, err);
    bool root_written = rc == 0;
    snprintf(name, sizeof(name), "%s-recovery.key", id->unit_code);
    if (rc == 0)
        rc = path_join(dir, name, path, err);
    if (rc == 0)
        rc = secret_file_write(
            path, "smartnode RECOVERY KEY: opens the escrow after a total loss. Never on a networked machine.",
            off->recovery_secret.b, err);
    if (rc != 0 && root_written) {
        snprintf(name, sizeof(name), "%s-root.key", id->unit_code);
        if (path_join(dir, name, path, NULL) == 0)
            unlink(path);
    }
    return rc;
}

static int
exec_one(struct engine *e, const struct actor_id *actor, struct api_op *op, struct err *err)
{
    int rc = engine_exec(e, actor, op, err);
    if (rc == 0 && op->result.err.code != ERR_NONE) {
        *err = op->result.err;
        rc = err->code;
    }
    return rc;
}

/* unit.described and the offices, in one commit. */
static int
first_events(const struct init_args *a, const char *path, struct civil_date since, struct err *err)
{
    struct datadir d;
    struct engine *e = NULL;
    struct actor_id actor;
    int rc = datadir_open(path, DATADIR_WRITER, &d, err);
    if (rc != 0)
        return rc;
    random_fill(NULL, actor.b, sizeof(actor.b));
    struct civil_date from = date_is_none(since) ? datadir_today(&d) : since;
    rc = datadir_engine(&d, &e, err);
    if (rc == 0)
        rc = engine_begin(e, err);
    if (rc == 0) {
        struct api_op op = {.kind = OP_UNIT_DESCRIBE, .unit = {.facts = a->unit, .effective = from}};
        memcpy(op.unit.facts.name.s, a->name, strlen(a->name) + 1);
        rc = exec_one(e, &actor, &op, err);
    }
    for (size_t i = 0; i < a->n_offices && rc == 0; i++) {
        struct api_op op = {.kind = OP_OFFICE_OPEN, .office = {.effective = from}};
        snprintf(op.office.facts.name.s, sizeof(op.office.facts.name.s), "%s", a->offices[i]);
        snprintf(op.office.facts.city.s, sizeof(op.office.facts.city.s), "%s", a->offices[i]);
        memcpy(op.office.facts.country, a->unit.country, sizeof(op.office.facts.country));
        rc = exec_one(e, &actor, &op, err);
    }
    if (rc == 0)
        rc = engine_commit(e, err);
    engine_free(&e);
    datadir_close(&d);
    return rc;
}

static int
make_node(struct init_args *a, const char *path, struct err *err)
{
    struct identity id = {.production = a->production == 1};
    struct identity_offline off;
    struct civil_date since;
    struct datadir_before before = datadir_before(path);
    int rc = check(a, path, &since, err);
    if (rc != 0)
        return rc;
    snprintf(id.unit_code, sizeof(id.unit_code), "%s", a->code);
    snprintf(id.unit_name.s, sizeof(id.unit_name.s), "%s", a->name);
    snprintf(id.federation_name.s, sizeof(id.federation_name.s), "%s", a->federation);
    bool keys_dir = access(a->keys_out, F_OK) == 0;
    rc = identity_create(&id, random_fill, NULL, &off, err);
    if (rc == 0)
        rc = datadir_check_free(path, err);
    if (rc == 0)
        rc = write_offline(&id, &off, a->keys_out, err);
    bool keys_made = rc == 0;
    if (rc == 0)
        rc = datadir_create(path, &a->config, &id, err);
    bool made = rc == 0;
    if (rc == 0 && (a->described || a->n_offices > 0))
        rc = first_events(a, path, since, err);
    if (rc != 0 && made)
        datadir_unmake(path, before);
    if (rc != 0 && keys_made)
        remove_offline(&id, a->keys_out);
    if (rc != 0 && !keys_dir)
        rmdir(a->keys_out);
    if (rc != 0)
        err_wrap(err, "nothing was made");
    sodium_memzero(&off, sizeof(off));
    identity_wipe(&id);
    return rc;
}

int
cmd_init(int argc, char **argv)
{
    static const struct argp argp = {
        options,
        on_option,
        NULL,
        "Makes a new node: draws its keys, writes the root and recovery keys to a place of their own, makes "
        "the data directory, and writes the first events.\v"
        "Example:\n  smartnode init --data /var/lib/smartnode --unit BE --name \"Smart Belgium\" --federation smart "
        "--production --keys-out /media/safe --country BE --currency EUR --language nl --language fr "
        "--time-zone Europe/Brussels --contribution-bp 650 --share-price 3000 --office Brussel --since 2017-01-01",
        NULL,
        NULL,
        NULL};
    static struct init_args args = {.production = -1};
    char path[PATH_BYTES_MAX];
    struct err err = {0};
    config_defaults(&args.config);
    if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
        return EXIT_USAGE;
    if (datadir_find(args.data, path, &err) != 0 || make_node(&args, path, &err) != 0)
        return cli_fail(&err);
    printf(
        "The node of unit %s is in %s.\n\n"
        "Keys in %s, to be taken off this machine now:\n"
        "  %s-root.key      certifies new keys, revokes lost ones: a safe, two copies, two people\n"
        "  %s-recovery.key  opens the escrow after a total loss: another safe\n"
        "Stay with the node: node.key and vault.key. Back up vault.key apart from the data.\n\n"
        "Next: smartnode run --data %s\n      smartnode card --data %s > %s.card   (send it to the peers, read the words by telephone)\n",
        args.code, path, args.keys_out, args.code, args.code, path, path, args.code);
    return EXIT_OK;
}
