/* smartnode run: the node, until a signal. */
#include <argp.h>

#include "node/cli/cli.h"
#include "node/host/daemon.h"
#include "node/host/datadir.h"

struct run_args {
    const char *data;
};

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct run_args *a = state->input;
    if (key == 'd')
        a->data = arg;
    else if (key == ARGP_KEY_ARG)
        argp_error(state, "unexpected argument: %s", arg);
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

int
cmd_run(int argc, char **argv)
{
    static const struct argp_option options[] = {{"data", 'd', "DIR", 0, "The node's data directory", 0}, {0}};
    static const struct argp argp = {
        options,
        on_option,
        NULL,
        "Runs the node until it gets SIGTERM or SIGINT. SIGHUP reads the pinned peers again.\v"
        "Addresses, ports and limits are in DIR/smartnode.conf; smartnode config check tells what is wrong with it.",
        NULL,
        NULL,
        NULL};
    struct run_args args = {0};
    char path[PATH_BYTES_MAX];
    struct err err = {0};
    if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
        return EXIT_USAGE;
    if (datadir_find(args.data, path, &err) != 0 || daemon_run(path, &err) != 0)
        return cli_fail(&err);
    return EXIT_OK;
}
