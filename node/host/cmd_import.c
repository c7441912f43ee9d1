/* smartnode import: members from a file into the register. See import.h. */
#include "node/api/json_out.h"
#include "node/host/cli_common.h"
#include "node/host/http_client.h"
#include "node/host/import_dir.h"
#include "node/host/import_http.h"

enum { OPT_REJECTED = OPT_OWN, OPT_DRY_RUN, OPT_MAPPING, OPT_ENCODING, OPT_DELIMITER, OPT_FORMAT };

struct args {
    struct cli_common common;
    struct import_options import;
};

static error_t
checked(struct argp_state *state, int rc, const struct err *err)
{
    if (rc != 0)
        argp_error(state, "%s", err->text);
    return 0;
}

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    struct err err = {0};
    if (cli_common_option(&a->common, key, arg))
        return 0;
    switch (key) {
    case OPT_REJECTED: a->import.rejected = arg; return 0;
    case OPT_DRY_RUN: a->import.dry_run = true; return 0;
    case OPT_MAPPING: a->import.mapping = arg; return 0;
    case OPT_ENCODING: return checked(state, encoding_parse(arg, &a->import.encoding, &err), &err);
    case OPT_DELIMITER: return checked(state, table_delimiter_parse(arg, &a->import.delimiter, &err), &err);
    case OPT_FORMAT: return checked(state, table_format_parse(arg, &a->import.format, &err), &err);
    case ARGP_KEY_ARG:
        if (a->import.file)
            argp_error(state, "one file at a time");
        a->import.file = arg;
        return 0;
    case ARGP_KEY_NO_ARGS: argp_error(state, "which file? (- is standard input)"); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    CLI_OPTION_DATA,
    CLI_OPTION_URL,
    CLI_OPTION_TOKEN,
    {"mapping", OPT_MAPPING, "FILE", 0, "How the file calls its columns and values (docs: OPERATIONS, Import)", 1},
    {"encoding", OPT_ENCODING, "NAME", 0, "UTF-8, windows-1252, windows-1250, ISO-8859-1, -2, -15, UTF-16", 1},
    {"delimiter", OPT_DELIMITER, "WORD", 0, "comma, semicolon or tab (else found in the first line)", 1},
    {"format", OPT_FORMAT, "csv|ndjson", 0, "(else by the file's name or its first character)", 1},
    {"rejected", OPT_REJECTED, "FILE", 0, "Where rejected rows go (else beside the file, as NAME.rejected.csv)", 1},
    {"dry-run", OPT_DRY_RUN, NULL, 0, "Check everything, write nothing", 1},
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};

static const struct argp argp = {
    options,
    on_option,
    "FILE",
    "Imports members. Safe to run again: members who are there are skipped, what an interrupted import left out is completed."
    "\vThe first line names the columns, in any order:\n"
    "  member_no,type,category,given_name,family_name,legal_name,birth_date,language,email,phone,street,postcode,city,country,iban,"
    "office,applied_on,admitted_on,refused_on,shares,left_on,left_reason\n"
    "type is natural or legal; category A, B or C; dates are YYYY-MM-DD, DD/MM/YYYY or DD.MM.YYYY; left_reason is resigned, withdrawn, "
    "excluded or deceased; office is a name or an id. In UTF-8 if nothing else is said; comma, semicolon or tab. Or NDJSON: one object "
    "in each line, with the same names. A mapping file names the columns and values of an export of your own.\n\n"
    "Rows with a mistake are written, with row, field and reason, to a file of their own: mend them there and import that file.\n"
    "While a node runs on the data directory the rows go through it, with a token of role integration or desk.\n\n"
    "Examples:\n"
    "  smartnode import --data /var/lib/smartnode members.csv\n"
    "  smartnode import --dry-run members.csv\n"
    "  smartnode import --mapping ledenbestand.mapping --dry-run leden.csv\n"
    "  smartnode import --url https://node.example:8443 --token-file import.token members.csv\n\n"
    "Exit status: 0 all rows are there, 3 some were rejected, 1 the import could not go on, 5 the directory is in use.",
    NULL,
    NULL,
    NULL};

static void
on_progress(void *arg, uint64_t done, uint64_t total, uint64_t rows)
{
    cli_progress_update(arg, done, total, rows);
}

static int
import_to_directory(struct args *a, struct datadir *d, struct import_result *ret, struct err *err)
{
    struct engine *engine = NULL;
    struct import_dir dir = {0};
    struct import_target target;
    int rc = datadir_engine(d, &engine, err);
    if (rc == 0)
        rc = import_dir_init(&dir, d, engine, err);
    if (rc == 0) {
        import_dir_target(&dir, &target);
        rc = import_run(&a->import, &target, ret, err);
        struct err vault_err;
        int vault_rc = import_dir_finish(&dir, &vault_err);
        if (rc == 0 && vault_rc != 0) {
            *err = vault_err;
            rc = vault_rc;
        }
        ret->events = dir.events;
    }
    import_dir_release(&dir);
    engine_free(&engine);
    return rc;
}

/* The register is read in the directory, which a running node does not mind; writing is the node's. */
static int
import_beside(struct args *a, struct datadir *d, struct import_result *ret, struct err *err)
{
    struct import_dir dir = {0};
    struct import_target target;
    int rc = import_dir_init(&dir, d, NULL, err);
    if (rc == 0) {
        import_dir_target(&dir, &target);
        rc = import_run(&a->import, &target, ret, err);
    }
    import_dir_release(&dir);
    return rc;
}

static int
import_over_http(struct args *a, const char *base, struct import_result *ret, struct err *err)
{
    char token[HTTP_TOKEN_MAX];
    struct http *http = NULL;
    struct import_http over = {0};
    struct import_target target;
    int rc = http_token(a->common.token_file, token, err);
    if (rc == 0)
        rc = http_new(base, token, &http, err);
    if (rc == 0)
        rc = import_http_init(&over, http, err);
    if (rc == 0) {
        import_http_target(&over, &target);
        rc = import_run(&a->import, &target, ret, err);
    }
    import_http_release(&over);
    http_free(&http);
    return rc;
}

static int
import(struct args *a, struct import_result *ret, struct err *err)
{
    char path[PATH_BYTES_MAX], base[HTTP_URL_MAX];
    struct datadir d;
    if (a->common.url)
        return import_over_http(a, a->common.url, ret, err);
    int rc = datadir_find(a->common.data, path, err);
    if (rc != 0)
        return rc;
    if (datadir_holder(path) == 0) {
        rc = datadir_open(path, DATADIR_WRITER, &d, err);
        if (rc != 0)
            return rc;
        rc = import_to_directory(a, &d, ret, err);
        datadir_close(&d);
        return rc;
    }
    rc = datadir_open(path, DATADIR_READER, &d, err);
    if (rc != 0)
        return rc;
    if (a->import.dry_run)
        rc = import_beside(a, &d, ret, err);
    else {
        rc = cli_base_of(&d.config, base, err);
        if (rc == 0)
            rc = import_over_http(a, base, ret, err);
    }
    datadir_close(&d);
    return rc;
}

static void
show_json(const struct args *a, const struct import_result *r, const struct mono_ms *begun)
{
    struct buf b;
    struct err ignored;
    buf_init(&b, 65536);
    struct json_out j = json_out_of(&b);
    json_open(&j, '{');
    json_put_uint(&j, "rows", r->rows);
    json_put_uint(&j, "imported", r->imported);
    json_put_uint(&j, "completed", r->completed);
    json_put_uint(&j, "already_there", r->there);
    json_put_uint(&j, "rejected", r->rejected);
    json_put_bool(&j, "dry_run", a->import.dry_run);
    if (r->rejected_file[0] != '\0')
        json_put_text(&j, "rejected_file", r->rejected_file);
    json_put_int(&j, "ms", mono_now().ms - begun->ms);
    json_close(&j, '}');
    (void)!cli_print(&b, &ignored);
    buf_free(&b);
}

static void
show(const struct args *a, const struct import_result *r, const struct mono_ms *begun)
{
    char n[CLI_NUMBER_MAX];
    int64_t ms = mono_now().ms - begun->ms;
    printf("%12s rows read\n", cli_number((int64_t)r->rows, n));
    printf("%12s %s\n", cli_number((int64_t)r->imported, n), a->import.dry_run ? "would be imported" : "imported");
    if (r->completed > 0)
        printf("%12s completed, where an earlier import had stopped\n", cli_number((int64_t)r->completed, n));
    printf("%12s already there\n", cli_number((int64_t)r->there, n));
    printf("%12s rejected\n", cli_number((int64_t)r->rejected, n));
    if (ms > 1000)
        printf("%12lld s, %s rows/s\n", (long long)(ms / 1000), cli_number((int64_t)r->rows * 1000 / ms, n));
    if (r->rejected > 0)
        printf("\nRejected rows, each with its reason: %s\nMend them there and import that file.\n", r->rejected_file);
}

int
cmd_import(int argc, char **argv)
{
    struct args a = {0};
    struct import_result result = {0};
    struct cli_progress progress;
    struct err err = {0};
    cli_parse(&argp, "import", argc, argv, &a);
    cli_progress_begin(&progress, "rows");
    struct mono_ms begun = mono_now();
    a.import.progress = on_progress;
    a.import.progress_arg = &progress;
    int rc = import(&a, &result, &err);
    cli_progress_end(&progress);
    if (rc != 0) {
        int status = cli_fail(&err);
        if (result.imported > 0 || result.there > 0)
            fprintf(
                stderr,
                "smartnode: %llu rows were imported before that and stay; running the import again goes on from there\n",
                (unsigned long long)(result.imported + result.completed));
        return status;
    }
    if (a.common.json)
        show_json(&a, &result, &begun);
    else
        show(&a, &result, &begun);
    return result.rejected > 0 ? EXIT_PARTLY : EXIT_OK;
}
