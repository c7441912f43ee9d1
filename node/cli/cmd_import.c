/* smartnode import: files of a register into it. See import.h. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/api/json_out.h"
#include "node/cli/cli_common.h"
#include "node/exchange/import_http.h"

enum {
    OPT_REJECTED = OPT_OWN,
    OPT_DRY_RUN,
    OPT_ALL_OR_NOTHING,
    OPT_TYPE,
    OPT_MAPPING,
    OPT_ENCODING,
    OPT_DELIMITER,
    OPT_FORMAT,
    FILES_MAX = 10
};

struct args {
    struct cli_common common;
    struct import_options import;
    bool dry_run, all_or_nothing;
    size_t n_files;
    char files[FILES_MAX][PATH_BYTES_MAX];
    struct import_result results[FILES_MAX];
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
    case OPT_DRY_RUN: a->dry_run = true; return 0;
    case OPT_ALL_OR_NOTHING: a->all_or_nothing = true; return 0;
    case OPT_TYPE: return checked(state, table_type_parse(arg, &a->import.type, &err), &err);
    case OPT_MAPPING: a->import.mapping = arg; return 0;
    case OPT_ENCODING: return checked(state, encoding_parse(arg, &a->import.encoding, &err), &err);
    case OPT_DELIMITER: return checked(state, table_delimiter_parse(arg, &a->import.delimiter, &err), &err);
    case OPT_FORMAT: return checked(state, table_format_parse(arg, &a->import.format, &err), &err);
    case ARGP_KEY_ARG:
        if (a->import.file)
            argp_error(state, "one file or directory at a time");
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
    {"type", OPT_TYPE, "WORD", 0,
     "members, shares, activities, invoices, operations, unit, offices, periods or postings (else found in the first line)",
     1},
    {"mapping", OPT_MAPPING, "FILE", 0, "How the file calls its columns and values (docs: OPERATIONS, Import)", 1},
    {"encoding", OPT_ENCODING, "NAME", 0, "UTF-8, windows-1252, windows-1250, ISO-8859-1, -2, -15, UTF-16", 1},
    {"delimiter", OPT_DELIMITER, "WORD", 0, "comma, semicolon or tab (else found in the first line)", 1},
    {"format", OPT_FORMAT, "csv|ndjson", 0, "(else by the file's name or its first character)", 1},
    {"rejected", OPT_REJECTED, "FILE", 0,
     "Where rejected rows go (else beside the file, as NAME.rejected.csv or .ndjson)", 1},
    {"dry-run", OPT_DRY_RUN, NULL, 0, "Carry everything out, say what became of it, and take it back", 1},
    {"all-or-nothing", OPT_ALL_OR_NOTHING, NULL, 0, "Write only if every row is right", 1},
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};

static const struct argp argp = {
    options,
    on_option,
    "FILE|DIRECTORY",
    "Imports members, their operations, shares, activities, invoices, postings, offices, descriptions of the unit and closed years. Safe to run again: rows that "
    "are there are skipped, what an interrupted import left out is completed."
    "\vThe first line names the columns, in any order. Members:\n"
    "  member_no,type,category,given_name,family_name,legal_name,birth_date,language,email,phone,street,postcode,city,country,iban,"
    "office,applied_on,admitted_on,refused_on,shares,left_on,left_reason\n"
    "Activities:\n"
    "  activity_no,member_no,sector,culture,office,text,opened_on,closed_on\n"
    "Invoices and credit notes:\n"
    "  invoice_no,op,credits_no,activity_no,date,amount,currency,rate,contribution,client,client_number,text,cancelled\n"
    "Postings abroad:\n"
    "  reference,member_no,country,from,to,text\n"
    "docs/FILES.md has the others, and what may stand in them. Dates are YYYY-MM-DD, DD/MM/YYYY or DD.MM.YYYY. In UTF-8 if nothing else is "
    "said; comma, semicolon or tab. Or NDJSON: one object in each line, with the same names. A mapping file names the columns and values "
    "of an export of your own. A directory is one that smartnode export wrote; its files are imported in the order that they need.\n\n"
    "Rows with a mistake are written, with row, field and reason, to a file of their own: mend them there and import that file.\n"
    "While a node runs on the data directory the rows go through it, with a token of role integration or desk.\n\n"
    "--all-or-nothing tries every row first and writes only if none was rejected. A stop half-way through the writing leaves what was "
    "written by then; the next run completes it. While a node runs, and for --dry-run beside it, a row that speaks of what an earlier row of "
    "the file would make is taken to be right.\n\n"
    "Examples:\n"
    "  smartnode import --data /var/lib/smartnode members.csv\n"
    "  smartnode import --dry-run invoices.csv\n"
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

/* ---- which files ---- */

static const struct {
    const char *name;
    const char *instead; /* left out where this one is there: it says the same, and more */
} IN_ORDER[] = {
    {"unit", NULL},
    {"offices", NULL},
    {"operations", NULL},
    {"members", "operations"},
    {"shares", "operations"},
    {"activity_operations", NULL},
    {"activities", "activity_operations"},
    {"invoices", NULL},
    {"postings", NULL},
    {"periods", NULL},
};
_Static_assert(ARRAY_LEN(IN_ORDER) <= FILES_MAX, "all files of a directory");

static bool
is_there(const char *dir, const char *name, char ret[PATH_BYTES_MAX])
{
    static const char *const ENDS[] = {"csv", "ndjson"};
    for (size_t i = 0; i < ARRAY_LEN(ENDS); i++) {
        int n = snprintf(ret, PATH_BYTES_MAX, "%s/%s.%s", dir, name, ENDS[i]);
        if (n > 0 && n < PATH_BYTES_MAX && access(ret, F_OK) == 0)
            return true;
    }
    return false;
}

static int
find_files(struct args *a, struct err *err)
{
    const char *path = a->import.file;
    char other[PATH_BYTES_MAX];
    struct stat st;
    if (strcmp(path, "-") == 0 || stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        snprintf(a->files[a->n_files++], PATH_BYTES_MAX, "%s", path);
        return 0;
    }
    if (a->import.type != TABLE_OF_ANYTHING || a->import.rejected || a->import.mapping)
        return err_set(err, ERR_INVALID, "--type, --mapping and --rejected go with a file, not with a directory");
    for (size_t i = 0; i < ARRAY_LEN(IN_ORDER); i++)
        if (is_there(path, IN_ORDER[i].name, a->files[a->n_files]) &&
            !(IN_ORDER[i].instead && is_there(path, IN_ORDER[i].instead, other)))
            a->n_files++;
    return a->n_files > 0 ? 0 : err_set(err, ERR_NOTFOUND, "%s: no file of an export is in it", path);
}

/* The name of a file of an export says its type; so an empty one is known too. */
static enum table_type
type_by_name(const struct args *a, const char *file)
{
    enum table_type type = TABLE_OF_ANYTHING;
    char name[32];
    struct err ignored;
    if (a->import.type != TABLE_OF_ANYTHING || a->import.mapping)
        return a->import.type;
    const char *base = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(base, "."), base);
    if (strcmp(name, "activity_operations") == 0)
        return TABLE_OF_ACTIVITIES;
    return table_type_parse(name, &type, &ignored) == 0 ? type : TABLE_OF_ANYTHING;
}

/* ---- where to ---- */

struct session {
    struct datadir d;
    bool open;
    struct engine *engine;
    struct import_dir dir;
    struct http *http;
    struct import_http over;
    struct import_beside beside;
    struct import_target target;
};

static int
session_http(struct session *s, const struct args *a, const char *base, struct err *err)
{
    char token[HTTP_TOKEN_MAX];
    int rc = http_token(a->common.token_file, token, err);
    if (rc == 0)
        rc = http_new(base, token, &s->http, err);
    return rc == 0 ? import_http_init(&s->over, s->http, err) : rc;
}

static int
session_beside(struct session *s, const struct args *a, const char *path, bool rehearse, struct err *err)
{
    char base[HTTP_URL_MAX];
    int rc = datadir_open(path, DATADIR_READER, &s->d, err);
    s->open = rc == 0;
    if (rc == 0 && !rehearse)
        rc = cli_base_of(&s->d.config, base, err);
    if (rc == 0 && !rehearse)
        rc = session_http(s, a, base, err);
    if (rc == 0)
        rc = import_dir_init(&s->dir, &s->d, NULL, err);
    if (rc != 0)
        return rc;
    import_dir_target(&s->dir, &s->beside.dir);
    s->beside.http = rehearse ? NULL : &s->over;
    import_beside_target(&s->beside, &s->target);
    return 0;
}

static int
session_open(struct session *s, const struct args *a, bool rehearse, struct err *err)
{
    char path[PATH_BYTES_MAX];
    *s = (struct session){0};
    if (a->common.url) {
        int rc = session_http(s, a, a->common.url, err);
        import_http_target(&s->over, &s->target);
        if (rehearse)
            s->target.run = NULL;
        return rc;
    }
    int rc = datadir_find(a->common.data, path, err);
    if (rc == 0 && datadir_holder(path) != 0)
        return session_beside(s, a, path, rehearse, err);
    if (rc == 0)
        rc = datadir_open(path, DATADIR_WRITER, &s->d, err);
    s->open = rc == 0;
    if (rc == 0)
        rc = datadir_engine(&s->d, &s->engine, err);
    if (rc == 0)
        rc = import_dir_init(&s->dir, &s->d, s->engine, err);
    s->dir.rehearse = rehearse;
    if (rc == 0)
        import_dir_target(&s->dir, &s->target);
    return rc;
}

static void
session_close(struct session *s)
{
    import_dir_release(&s->dir);
    import_http_release(&s->over);
    http_free(&s->http);
    engine_free(&s->engine);
    if (s->open)
        datadir_close(&s->d);
}

static int
run_files(struct args *a, bool rehearse, uint64_t *ret_rejected, struct err *err)
{
    struct session s;
    struct import_memory memory;
    *ret_rejected = 0;
    import_memory_init(&memory);
    int rc = session_open(&s, a, rehearse, err);
    for (size_t i = 0; rc == 0 && i < a->n_files; i++) {
        struct import_options o = a->import;
        o.file = a->files[i];
        o.type = type_by_name(a, o.file);
        o.memory = &memory;
        rc = import_run(&o, &s.target, &a->results[i], err);
        *ret_rejected += a->results[i].rejected;
        if (rc != 0 && a->n_files > 1)
            err_wrap(err, "%s", o.file);
    }
    if (rc == 0 && s.dir.engine)
        rc = import_dir_finish(&s.dir, err);
    session_close(&s);
    import_memory_release(&memory);
    return rc;
}

static int
import(struct args *a, uint64_t *ret_rejected, bool *ret_written, struct err *err)
{
    int rc = find_files(a, err);
    *ret_written = !a->dry_run;
    if (rc == 0 && a->all_or_nothing && strcmp(a->import.file, "-") == 0)
        rc = err_set(err, ERR_INVALID, "--all-or-nothing reads twice: give a file, not standard input");
    if (rc == 0 && (a->dry_run || a->all_or_nothing))
        rc = run_files(a, true, ret_rejected, err);
    if (rc != 0 || a->dry_run)
        return rc;
    if (a->all_or_nothing && *ret_rejected > 0) {
        *ret_written = false;
        return 0;
    }
    return run_files(a, false, ret_rejected, err);
}

/* ---- what became of it ---- */

static void
put_counts(struct json_out *j, const struct import_result *r)
{
    json_put_uint(j, "rows", r->rows);
    json_put_uint(j, "imported", r->imported);
    json_put_uint(j, "completed", r->completed);
    json_put_uint(j, "already_there", r->there);
    json_put_uint(j, "rejected", r->rejected);
}

static struct import_result
sum(const struct args *a)
{
    struct import_result all = {0};
    for (size_t i = 0; i < a->n_files; i++) {
        all.rows += a->results[i].rows;
        all.imported += a->results[i].imported;
        all.completed += a->results[i].completed;
        all.there += a->results[i].there;
        all.rejected += a->results[i].rejected;
    }
    return all;
}

static void
show_json(const struct args *a, bool written, int64_t ms)
{
    struct import_result all = sum(a);
    struct buf b;
    struct err ignored;
    buf_init(&b, 65536);
    struct json_out j = json_out_of(&b);
    json_open(&j, '{');
    put_counts(&j, &all);
    json_put_bool(&j, "dry_run", a->dry_run);
    json_put_bool(&j, "written", written);
    if (a->n_files == 1 && a->results[0].rejected_file[0] != '\0')
        json_put_text(&j, "rejected_file", a->results[0].rejected_file);
    json_key(&j, "files");
    json_open(&j, '[');
    for (size_t i = 0; i < a->n_files; i++) {
        json_open(&j, '{');
        json_put_text(&j, "file", a->files[i]);
        json_put_text(&j, "type", table_type_name(a->results[i].type));
        put_counts(&j, &a->results[i]);
        if (a->results[i].rejected_file[0] != '\0')
            json_put_text(&j, "rejected_file", a->results[i].rejected_file);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_put_int(&j, "ms", ms);
    json_close(&j, '}');
    (void)!cli_print(&b, &ignored);
    buf_free(&b);
}

static void
show_counts(const struct import_result *r, bool written)
{
    char n[CLI_NUMBER_MAX];
    printf("%12s rows read\n", cli_number((int64_t)r->rows, n));
    printf("%12s %s\n", cli_number((int64_t)r->imported, n), written ? "imported" : "would be imported");
    if (r->completed > 0)
        printf("%12s %s, where an earlier import had stopped\n", cli_number((int64_t)r->completed, n),
               written ? "completed" : "would be completed");
    printf("%12s already there\n", cli_number((int64_t)r->there, n));
    printf("%12s rejected\n", cli_number((int64_t)r->rejected, n));
    if (r->rejected > 0)
        printf("Rejected rows, each with its reason: %s\n", r->rejected_file);
}

static void
show(const struct args *a, bool written, int64_t ms)
{
    struct import_result all = sum(a);
    char n[CLI_NUMBER_MAX];
    for (size_t i = 0; i < a->n_files; i++) {
        if (a->n_files > 1)
            printf("%s%s (%s)\n", i > 0 ? "\n" : "", a->files[i], table_type_name(a->results[i].type));
        show_counts(&a->results[i], written);
    }
    if (ms > 1000)
        printf("%12lld s, %s rows/s\n", (long long)(ms / 1000), cli_number((int64_t)all.rows * 1000 / ms, n));
    if (all.rejected > 0)
        printf("\n%sMend the rejected rows there and import that file.\n",
               a->all_or_nothing && !written ? "Nothing was written. " : "");
}

int
cmd_import(int argc, char **argv)
{
    static struct args a;
    struct cli_progress progress;
    struct err err = {0};
    uint64_t rejected = 0;
    bool written;
    cli_parse(&argp, "import", argc, argv, &a);
    cli_progress_begin(&progress, "rows");
    struct mono_ms begun = mono_now();
    a.import.progress = on_progress;
    a.import.progress_arg = &progress;
    int rc = import(&a, &rejected, &written, &err);
    int64_t ms = mono_now().ms - begun.ms;
    cli_progress_end(&progress);
    if (rc != 0) {
        struct import_result all = sum(&a);
        int status = cli_fail(&err);
        if (all.imported > 0 || all.there > 0)
            fprintf(stderr,
                    "smartnode: what was imported before that stays; running the import again goes on from there\n");
        return status;
    }
    if (a.common.json)
        show_json(&a, written, ms);
    else
        show(&a, written, ms);
    return rejected > 0 ? EXIT_PARTLY : EXIT_OK;
}
