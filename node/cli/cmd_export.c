/* smartnode export: all that the own unit has, or its members, as files that can be imported. See export.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/api/json_out.h"
#include "node/cli/cli_common.h"
#include "node/exchange/export.h"

enum { OPT_NDJSON = OPT_OWN, OPT_FORMAT, OPT_ONLY };

struct args {
    struct cli_common common;
    const char *out;
    enum export_form form;
    enum table_type only;
    bool whole; /* a directory of files */
};

static void
take_format(struct args *a, const char *arg, struct argp_state *state)
{
    enum table_format format = TABLE_CSV;
    struct err err;
    if (table_format_parse(arg, &format, &err) != 0)
        argp_error(state, "%s", err.text);
    a->form = format == TABLE_CSV ? EXPORT_CSV : EXPORT_NDJSON;
    a->whole = true;
}

static bool
is_directory(const char *path)
{
    struct stat st;
    size_t len = strlen(path);
    return (len > 0 && path[len - 1] == '/') || (stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    if (cli_common_option(&a->common, key, arg))
        return 0;
    switch (key) {
    case 'o': a->out = arg; return 0;
    case OPT_NDJSON: a->form = EXPORT_NDJSON; return 0;
    case OPT_FORMAT: take_format(a, arg, state); return 0;
    case OPT_ONLY: {
        struct err err;
        if (table_type_parse(arg, &a->only, &err) != 0)
            argp_error(state, "%s", err.text);
        a->whole = true;
        return 0;
    }
    case ARGP_KEY_ARG: argp_error(state, "unexpected argument: %s", arg); return 0;
    case ARGP_KEY_END:
        if (!a->out)
            argp_error(state, "--out DIRECTORY or FILE is missing (- is standard output)");
        a->whole = a->whole || is_directory(a->out);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    CLI_OPTION_DATA,
    {"out", 'o', "DIRECTORY|FILE", 0,
     "Where to write; readable by its owner alone. Into a directory goes all that the unit has, into a file its members",
     1},
    {"format", OPT_FORMAT, "csv|ndjson", 0, "Of the files in the directory (csv), which is made if it is not there", 1},
    {"only", OPT_ONLY, "TYPE", 0,
     "Only this file: unit, offices, members, operations, shares, activities, invoices, postings, periods", 1},
    {"ndjson", OPT_NDJSON, NULL, 0, "One JSON object a line instead of CSV", 1},
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};

static const struct argp argp = {
    options,
    on_option,
    "",
    "Writes all that the unit has (a directory) or its members (a file), with their personal data in clear, as smartnode import reads it."
    "\vReads the data directory, also while a node runs on it; all files are of one moment. docs/FILES.md says what stands in them. An import "
    "of the directory into an empty node gives the same figures in every report. Cells that a spreadsheet would take for a formula, telephone "
    "numbers with a + among them, begin with an apostrophe, which the import takes away again.\n\n"
    "Examples:\n"
    "  smartnode export --out export/\n"
    "  smartnode export --out export/ --format ndjson\n"
    "  smartnode export --out export/ --only invoices\n"
    "  smartnode export --out members.csv\n"
    "  smartnode export --ndjson --out - | jq .member_no",
    NULL,
    NULL,
    NULL};

/* Whole or not at all: written beside its place, then moved there. */
static int
export_to_file(struct datadir *d, const struct args *a, struct export_result *ret, struct err *err)
{
    char part[PATH_BYTES_MAX];
    int n = snprintf(part, sizeof(part), "%s.part", a->out);
    if (n < 0 || n >= (int)sizeof(part))
        return err_set(err, ERR_LIMIT, "%.100s…: path too long", a->out);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!f)
        return err_errno(err, "%s", part);
    int rc = export_members(d, a->form, f, ret, err);
    if (rc == 0 && (fflush(f) != 0 || fsync(fd) != 0))
        rc = err_errno(err, "%s", part);
    fclose(f);
    if (rc == 0 && rename(part, a->out) != 0)
        rc = err_errno(err, "%s", a->out);
    if (rc != 0)
        unlink(part);
    return rc;
}

static void
on_progress(void *arg, const char *file, uint64_t rows)
{
    struct cli_progress *p = arg;
    p->what = file;
    cli_progress_update(p, 0, 0, rows);
}

static void
show_json(const struct export_written *w)
{
    struct buf b;
    struct err ignored;
    buf_init(&b, 65536);
    struct json_out j = json_out_of(&b);
    json_open(&j, '{');
    json_key(&j, "files");
    json_open(&j, '[');
    for (size_t i = 0; i < w->n; i++) {
        json_open(&j, '{');
        json_put_text(&j, "file", w->files[i].name);
        json_put_uint(&j, "rows", w->files[i].rows);
        json_put_uint(&j, "nameless", w->files[i].nameless);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
    (void)!cli_print(&b, &ignored);
    buf_free(&b);
}

static int
export_whole(struct datadir *d, const struct args *a, struct err *err)
{
    struct cli_progress progress;
    struct export_written written;
    struct export_options o = {
        .dir = a->out, .form = a->form, .only = a->only, .progress = on_progress, .progress_arg = &progress};
    char n[CLI_NUMBER_MAX];
    if (mkdir(a->out, 0700) != 0 && errno != EEXIST)
        return err_errno(err, "%s", a->out);
    cli_progress_begin(&progress, "rows");
    int rc = export_register(d, &o, &written, err);
    cli_progress_end(&progress);
    if (rc != 0)
        return rc;
    if (a->common.json) {
        show_json(&written);
        return 0;
    }
    for (size_t i = 0; i < written.n; i++) {
        fprintf(stderr, "%12s %s\n", cli_number((int64_t)written.files[i].rows, n), written.files[i].name);
        if (written.files[i].nameless > 0)
            fprintf(stderr, "%12s of them without a name or a link: erased, or their keys are not here\n",
                    cli_number((int64_t)written.files[i].nameless, n));
    }
    return 0;
}

static int
export_file(struct datadir *d, const struct args *a, struct err *err)
{
    struct export_result result = {0};
    bool standard = strcmp(a->out, "-") == 0;
    int rc = standard ? export_members(d, a->form, stdout, &result, err) : export_to_file(d, a, &result, err);
    if (rc == 0 && standard && fflush(stdout) != 0)
        rc = err_errno(err, "standard output");
    if (rc != 0)
        return rc;
    char n[CLI_NUMBER_MAX];
    fprintf(stderr, "%s members written%s%s\n", cli_number((int64_t)result.members, n), standard ? "" : " to ",
            standard ? "" : a->out);
    if (result.nameless > 0)
        fprintf(stderr, "%s of them without a name: erased, or their keys are not here\n",
                cli_number((int64_t)result.nameless, n));
    return 0;
}

int
cmd_export(int argc, char **argv)
{
    struct args a = {.form = EXPORT_CSV};
    struct datadir d;
    struct err err = {0};
    cli_parse(&argp, "export", argc, argv, &a);
    int rc = cli_open(a.common.data, DATADIR_READER, &d, &err);
    if (rc != 0)
        return cli_fail(&err);
    rc = a.whole ? export_whole(&d, &a, &err) : export_file(&d, &a, &err);
    datadir_close(&d);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}
