/* smartnode diff: do two nodes have the same state, and if not, where not. See state_diff.h. */
#include <jansson.h>
#include <sys/stat.h>

#include "node/cli/cli_common.h"
#include "node/cli/state_diff.h"

enum { OPT_WITH = OPT_OWN, OPT_ROWS, ROWS_DEFAULT = 5, ROWS_MAX = 100000 };

struct args {
    struct cli_common common;
    const char *with;
    size_t rows;
};

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    if (cli_common_option(&a->common, key, arg))
        return 0;
    switch (key) {
    case OPT_WITH: a->with = arg; return 0;
    case OPT_ROWS: a->rows = strtoul(arg, NULL, 10) < ROWS_MAX ? strtoul(arg, NULL, 10) : ROWS_MAX; return 0;
    case ARGP_KEY_ARG: argp_error(state, "unexpected argument: %s", arg); return 0;
    case ARGP_KEY_END:
        if ((a->with != NULL) == (a->common.url != NULL))
            argp_error(state, "with whom: --with DIR, or --url URL");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    CLI_OPTION_DATA,
    {"with", OPT_WITH, "DIR", 0, "Data directory to compare with, or a copy of one", 1},
    {"rows", OPT_ROWS, "N", 0, "Rows shown of each table that differs (5)", 1},
    {"url", OPT_URL, "URL", 0, "A running node to compare with: its fingerprint alone, which says whether, not where",
     1},
    CLI_OPTION_TOKEN,
    CLI_OPTION_END,
};

static const struct argp argp = {
    options,
    on_option,
    "",
    "Compares the state of this node with another's: first whether both hold the same events, then table by table."
    "\vNodes that hold the same events must have equal states; if not, one of them is damaged or of another version: smartnode verify "
    "on both says which.\n\n"
    "Examples:\n"
    "  smartnode diff --with /mnt/backup/smartnode\n"
    "  smartnode diff --url https://node.example:8443 --token-file reports.token\n\n"
    "Exit status: 0 equal, 3 they differ, 1 it could not be compared.",
    NULL,
    NULL,
    NULL};

static int
open_main(const char *dir, uint64_t map_gib, struct db **ret, struct err *err)
{
    char path[PATH_BYTES_MAX];
    int rc = path_join(dir, "main", path, err);
    struct db_opts opts = {.path = path, .map_bytes = (size_t)map_gib << 30, .kind = DB_MAIN, .read_only = true};
    if (rc == 0)
        rc = db_open(&opts, ret, err);
    return rc != 0 ? err_wrap(err, "%s", dir) : 0;
}

/* One environment cannot be open twice in a process. */
static bool
same_directory(const char *a, const char *b)
{
    struct stat sa, sb;
    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static int
diff_directories(const struct args *a, bool *ret_equal, struct err *err)
{
    struct datadir d;
    struct db *other = NULL;
    struct db_txn *mine = NULL, *theirs = NULL;
    struct state_diff found = {0};
    int rc = cli_open(a->common.data, DATADIR_READER, &d, err);
    if (rc != 0)
        return rc;
    if (same_directory(a->with, d.path)) {
        datadir_close(&d);
        return err_set(err, ERR_INVALID, "%s is this node's own data directory", a->with);
    }
    rc = open_main(a->with, d.config.map_gib, &other, err);
    if (rc == 0)
        rc = db_begin_read(d.db, &mine, err);
    if (rc == 0)
        rc = db_begin_read(other, &theirs, err);
    if (rc == 0)
        rc = state_diff(mine, theirs, "here", "there", a->rows, stdout, &found, err);
    *ret_equal = found.heads_differ == 0 && found.tables_differ == 0;
    db_abort(&mine);
    db_abort(&theirs);
    db_close(&other);
    datadir_close(&d);
    return rc;
}

static int
own_fingerprint(const struct args *a, char ret[HEX32_MAX], struct err *err)
{
    struct datadir d;
    struct db_txn *txn = NULL;
    struct fingerprint_row rows[FINGERPRINTS_MAX];
    size_t n = 0;
    int rc = cli_open(a->common.data, DATADIR_READER, &d, err);
    if (rc != 0)
        return rc;
    rc = db_begin_read(d.db, &txn, err);
    if (rc == 0)
        rc = state_fingerprints(txn, rows, &n, err);
    db_abort(&txn);
    datadir_close(&d);
    struct hash total = rc == 0 ? fingerprint_total(rows, n) : (struct hash){{0}};
    if (rc == 0)
        hex_encode(total.b, HASH_BYTES, ret);
    return rc;
}

static int
diff_node(const struct args *a, bool *ret_equal, struct err *err)
{
    char token[HTTP_TOKEN_MAX], mine[HEX32_MAX];
    struct http *http = NULL;
    struct http_answer answer;
    struct http_request q = {.method = "GET", .path = "/v1/status"};
    int rc = http_token(a->common.token_file, token, err);
    if (rc == 0)
        rc = http_new(a->common.url, token, &http, err);
    if (rc == 0)
        rc = http_call(http, &q, &answer, err);
    if (rc == 0)
        rc = own_fingerprint(a, mine, err);
    json_t *status = rc == 0 ? json_loadb((const char *)answer.body.data, answer.body.len, 0, NULL) : NULL;
    const char *theirs = json_string_value(json_object_get(status, "fingerprint"));
    if (rc == 0 && !theirs)
        rc = err_set(err, ERR_CORRUPT, "the node there says no fingerprint: it is starting, or it is none");
    if (rc == 0) {
        *ret_equal = strcmp(mine, theirs) == 0;
        printf(
            "here   %s\nthere  %s\n%s\n", mine, theirs,
            *ret_equal
                ? "The states are equal."
                : "The states differ. Do both hold the same events (smartnode status)? Where they differ: --with DIR");
    }
    json_decref(status);
    http_free(&http);
    return rc;
}

int
cmd_diff(int argc, char **argv)
{
    struct args a = {.rows = ROWS_DEFAULT};
    struct err err = {0};
    bool equal = false;
    cli_parse(&argp, "diff", argc, argv, &a);
    int rc = a.with ? diff_directories(&a, &equal, &err) : diff_node(&a, &equal, &err);
    if (rc != 0)
        return cli_fail(&err);
    return equal ? EXIT_OK : EXIT_PARTLY;
}
