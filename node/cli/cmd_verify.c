/* smartnode verify: checks everything that is stored. In a child process: LMDB takes its pages at their word, and one that is damaged
 * can end whoever reads it. docs/OPERATIONS.md "Verify". */
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/apply/apply.h"
#include "node/cli/cli_common.h"

enum { OPT_QUICK = OPT_OWN, OPT_SCRATCH };

struct args {
    struct cli_common common;
    const char *scratch;
    bool quick;
};

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    if (cli_common_option(&a->common, key, arg))
        return 0;
    switch (key) {
    case OPT_QUICK: a->quick = true; return 0;
    case OPT_SCRATCH: a->scratch = arg; return 0;
    case ARGP_KEY_ARG: argp_error(state, "unexpected argument: %s", arg); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    CLI_OPTION_DATA,
    {"quick", OPT_QUICK, NULL, 0, "Rows against each other only: no hashes, seals, or rebuild beside it", 1},
    {"scratch", OPT_SCRATCH, "DIR", 0,
     "Where to rebuild the state for comparison (else in the data directory; needs its size again)", 1},
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};

static const struct argp argp = {
    options,
    on_option,
    "",
    "Checks everything that is stored: every hash, chain and seal of every log, capsules against what the events promise, and the state "
    "against one that is built anew beside it."
    "\vChanges nothing; may run beside a node, but what the node writes meanwhile can look like a difference: better on a stopped one.\n\n"
    "Exit status: 0 all is well, 3 something does not fit (said on standard output), 1 it could not be checked.\n\n"
    "Example:\n  smartnode verify --data /var/lib/smartnode",
    NULL,
    NULL,
    NULL};

struct finding {
    int rc;
    struct err err;
};

static void
child(const struct args *a, const char *path, const char *scratch, int to)
{
    struct finding f = {0};
    struct datadir d;
    f.rc = datadir_open(path, DATADIR_READER, &d, &f.err);
    if (f.rc == 0) {
        f.rc = apply_check(d.db, scratch, !a->quick, &f.err);
        datadir_close(&d);
    }
    ssize_t n = write(to, &f, sizeof(f));
    _exit(n == (ssize_t)sizeof(f) ? 0 : EXIT_ERROR);
}

static int
scratch_make(const struct args *a, const char *path, char ret[PATH_BYTES_MAX], struct err *err)
{
    int rc = path_join(a->scratch ? a->scratch : path, "verify-XXXXXX", ret, err);
    if (rc == 0 && !mkdtemp(ret))
        rc = err_errno(err, "%s", ret);
    return rc;
}

/* The files that an environment has; nothing else is ever put there. */
static void
scratch_remove(const char *dir)
{
    static const char *const FILES[] = {"data.mdb", "lock.mdb"};
    char file[PATH_BYTES_MAX];
    for (size_t i = 0; i < ARRAY_LEN(FILES); i++)
        if (path_join(dir, FILES[i], file, NULL) == 0)
            unlink(file);
    rmdir(dir);
}

/* How far: first the logs are read, then the state grows anew in the scratch directory. */
static void
show_progress(const char *scratch, int64_t seconds)
{
    char file[PATH_BYTES_MAX];
    struct stat st;
    bool rebuilding = path_join(scratch, "data.mdb", file, NULL) == 0 && stat(file, &st) == 0;
    if (rebuilding)
        fprintf(stderr, "\r\033[Kbuilding the state anew to compare it: %lld MiB, %lld s",
                (long long)st.st_size / 1048576, (long long)seconds);
    else
        fprintf(stderr, "\r\033[Kreading every event, hash and seal: %lld s", (long long)seconds);
}

static void
watch(pid_t pid, const char *scratch, bool terminal)
{
    struct mono_ms begun = mono_now();
    while (waitpid(pid, NULL, WNOHANG) == 0) {
        usleep(200000);
        if (terminal)
            show_progress(scratch, (mono_now().ms - begun.ms) / 1000);
    }
    if (terminal)
        fputs("\r\033[K", stderr);
}

static int
check(const struct args *a, const char *path, struct finding *ret, struct err *err)
{
    char scratch[PATH_BYTES_MAX];
    int ends[2];
    int rc = scratch_make(a, path, scratch, err);
    if (rc != 0)
        return rc;
    fflush(NULL);
    pid_t pid = pipe(ends) == 0 ? fork() : -1;
    if (pid < 0) {
        scratch_remove(scratch);
        return err_errno(err, "verify");
    }
    if (pid == 0) {
        close(ends[0]);
        child(a, path, scratch, ends[1]);
    }
    close(ends[1]);
    watch(pid, scratch, isatty(STDERR_FILENO) == 1);
    if (read(ends[0], ret, sizeof(*ret)) != (ssize_t)sizeof(*ret)) {
        ret->rc = ERR_CORRUPT;
        err_set(&ret->err, ERR_CORRUPT, "the check was ended by what it read: a page of the database is damaged");
    }
    close(ends[0]);
    scratch_remove(scratch);
    return 0;
}

int
cmd_verify(int argc, char **argv)
{
    struct args a = {0};
    char path[PATH_BYTES_MAX];
    struct finding f = {0};
    struct err err = {0};
    cli_parse(&argp, "verify", argc, argv, &a);
    int rc = datadir_find(a.common.data, path, &err);
    if (rc == 0)
        rc = check(&a, path, &f, &err);
    if (rc != 0)
        return cli_fail(&err);
    if (f.rc != 0 && f.rc != ERR_CORRUPT && f.rc != ERR_FORGED)
        return cli_fail(&f.err);
    if (a.common.json)
        printf("{\"ok\":%s}\n", f.rc == 0 ? "true" : "false");
    else if (f.rc == 0)
        printf("%s: all is well\n", path);
    if (f.rc == 0)
        return EXIT_OK;
    printf("%s: %s\n", path, f.err.text);
    fprintf(
        stderr,
        "smartnode: something does not fit. A state that does not fit is made anew by smartnode rebuild; a damaged log is "
        "fetched again from the peers: docs/OPERATIONS.md \"Damage\".\n");
    return EXIT_PARTLY;
}
