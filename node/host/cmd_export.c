/* smartnode export: the own unit's members as a file that can be imported. See export.h. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "node/host/cli_common.h"
#include "node/host/export.h"

enum { OPT_NDJSON = OPT_OWN };

struct args {
    struct cli_common common;
    const char *out;
    enum export_form form;
};

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    if (cli_common_option(&a->common, key, arg))
        return 0;
    switch (key) {
    case 'o': a->out = arg; return 0;
    case OPT_NDJSON: a->form = EXPORT_NDJSON; return 0;
    case ARGP_KEY_ARG: argp_error(state, "unexpected argument: %s", arg); return 0;
    case ARGP_KEY_END:
        if (!a->out)
            argp_error(state, "--out FILE is missing (- is standard output)");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    CLI_OPTION_DATA,
    {"out", 'o', "FILE", 0, "Where to write; readable by its owner alone", 1},
    {"ndjson", OPT_NDJSON, NULL, 0, "One JSON object a line instead of CSV", 1},
    CLI_OPTION_END,
};

static const struct argp argp = {
    options,
    on_option,
    "",
    "Writes the unit's members, with their personal data in clear, in the columns of smartnode import."
    "\vReads the data directory, also while a node runs on it. Cells that a spreadsheet would take for a formula, telephone numbers "
    "with a + among them, begin with an apostrophe, which the import takes away again.\n\n"
    "Examples:\n"
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

int
cmd_export(int argc, char **argv)
{
    struct args a = {.form = EXPORT_CSV};
    struct datadir d;
    struct export_result result = {0};
    struct err err = {0};
    cli_parse(&argp, "export", argc, argv, &a);
    bool standard = strcmp(a.out, "-") == 0;
    int rc = cli_open(a.common.data, DATADIR_READER, &d, &err);
    if (rc != 0)
        return cli_fail(&err);
    rc = standard ? export_members(&d, a.form, stdout, &result, &err) : export_to_file(&d, &a, &result, &err);
    datadir_close(&d);
    if (rc == 0 && standard && fflush(stdout) != 0)
        rc = err_errno(&err, "standard output");
    if (rc != 0)
        return cli_fail(&err);
    char n[CLI_NUMBER_MAX];
    fprintf(stderr, "%s members written%s%s\n", cli_number((int64_t)result.members, n), standard ? "" : " to ",
            standard ? "" : a.out);
    if (result.nameless > 0)
        fprintf(stderr, "%s of them without a name: erased, or their keys are not here\n",
                cli_number((int64_t)result.nameless, n));
    return EXIT_OK;
}
