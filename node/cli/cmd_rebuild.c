/* smartnode rebuild: the state anew from the logs. docs/OPERATIONS.md "Rebuild". */
#include "node/apply/apply.h"
#include "node/cli/cli_common.h"

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct cli_common *c = state->input;
    if (cli_common_option(c, key, arg))
        return 0;
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    argp_error(state, "unexpected argument: %s", arg);
    return 0;
}

static const struct argp_option options[] = {CLI_OPTION_DATA, CLI_OPTION_END};

static const struct argp argp = {
    options,
    on_option,
    "",
    "Makes the state (members, offices, reports) anew from the logs. Nothing is lost if it is interrupted: run it again."
    "\vThe node must be stopped. Takes about as long as importing the register did. A node does this by itself after an upgrade that "
    "needs it.\n\nExample:\n  systemctl stop smartnode && smartnode rebuild && systemctl start smartnode",
    NULL,
    NULL,
    NULL};

static int
on_progress(void *arg, uint64_t done, uint64_t total)
{
    cli_progress_update(arg, done, total, done);
    return 0;
}

int
cmd_rebuild(int argc, char **argv)
{
    struct cli_common c = {0};
    struct datadir d;
    struct cli_progress progress;
    struct err err = {0};
    cli_parse(&argp, "rebuild", argc, argv, &c);
    int rc = cli_open(c.data, DATADIR_WRITER, &d, &err);
    if (rc == ERR_BUSY)
        err_wrap(&err, "rebuild needs the node stopped");
    if (rc != 0)
        return cli_fail(&err);
    cli_progress_begin(&progress, "events");
    rc = apply_rebuild(d.db, on_progress, &progress, &err);
    cli_progress_end(&progress);
    datadir_close(&d);
    if (rc != 0)
        return cli_fail(&err);
    printf("rebuilt\n");
    return EXIT_OK;
}
