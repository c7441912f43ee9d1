/* smartnode rekey: new online keys by the root key; what the root says of lost keys and frozen logs. docs/OPERATIONS.md "Keys". */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/cli/cli_common.h"
#include "node/host/rekey.h"

enum { OPT_ROOT = OPT_OWN, OPT_REVOKE, OPT_RESUME, OPT_CUT, OPT_TRANSPORT, OPT_CUSTODIAN, OPT_YES, LOG_DIGITS = 16 };

struct args {
    struct cli_common common;
    const char *root;
    bool yes;
    struct rekey_options plan;
};

/* LOG or LOG:SEQ; cuts arg at the colon. */
static void
add_cut(struct args *a, char *arg, struct argp_state *state)
{
    if (a->plan.n_cut == REKEY_LOGS_MAX)
        argp_error(state, "more than %d logs", REKEY_LOGS_MAX);
    struct rekey_named *n = &a->plan.cut[a->plan.n_cut++];
    char *colon = strchr(arg, ':'), *end = NULL;
    *n = (struct rekey_named){.log = arg, .has_seq = true};
    if (!colon)
        return;
    *colon = '\0';
    n->seq = strtoull(colon + 1, &end, 10);
    if (end == colon + 1 || *end != '\0' || colon[1] == '-')
        argp_error(state, "--take-back: LOG or LOG:LAST, the last event that stands");
}

/* The signing key that a certificate of a custodian is for. */
static int
read_custodian(struct args *a, const char *path, struct err *err)
{
    struct custody_certificate c;
    struct buf text;
    if (a->plan.n_void == REKEY_LOGS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d custodians", REKEY_LOGS_MAX);
    buf_init(&text, CUSTODY_TEXT_MAX);
    int rc = cli_read_text(path, &text, err);
    if (rc == 0)
        rc = custody_certificate_read(buf_slice(&text), &c, err);
    if (rc == 0)
        a->plan.void_keys[a->plan.n_void++] = c.keys.signing;
    buf_free(&text);
    return rc == 0 ? 0 : err_wrap(err, "%s", path);
}

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    if (cli_common_option(&a->common, key, arg))
        return 0;
    switch (key) {
    case OPT_ROOT: a->root = arg; return 0;
    case OPT_REVOKE: a->plan.revoke = true; return 0;
    case OPT_TRANSPORT: a->plan.transport = true; return 0;
    case OPT_YES: a->yes = true; return 0;
    case OPT_CUT: add_cut(a, arg, state); return 0;
    case OPT_CUSTODIAN: {
        struct err err = {0};
        if (read_custodian(a, arg, &err) != 0)
            argp_error(state, "--revoke-custodian: %s", err.text);
        return 0;
    }
    case OPT_RESUME:
        if (a->plan.n_resume == REKEY_LOGS_MAX)
            argp_error(state, "more than %d logs", REKEY_LOGS_MAX);
        a->plan.resume[a->plan.n_resume++] = (struct rekey_named){.log = arg};
        return 0;
    case ARGP_KEY_ARG: argp_error(state, "unexpected argument: %s", arg); return 0;
    case ARGP_KEY_END:
        if (!a->root)
            argp_error(state, "--root-key FILE is needed: the unit's root key, from its safe");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    CLI_OPTION_DATA,
    {"root-key", OPT_ROOT, "FILE", 0, "The unit's root key (UNIT-root.key, from the safe)", 1},
    {"revoke", OPT_REVOKE, NULL, 0, "The keys so far are lost: whatever else they seal counts for nothing", 2},
    {"resume", OPT_RESUME, "LOG", 0,
     "This frozen log goes on existing with the history that this node holds; repeatable", 2},
    {"take-back", OPT_CUT, "LOG[:LAST]", 0, "Of this log only events up to LAST stand (none without); repeatable", 2},
    {"transport", OPT_TRANSPORT, NULL, 0,
     "A new transport key too: every peer must pin the new card (part of --revoke)", 2},
    {"revoke-custodian", OPT_CUSTODIAN, "FILE", 0,
     "A custodian's certificate is void from now on; may be repeated, with --revoke or alone", 2},
    {"yes", OPT_YES, NULL, 0, "Do not ask", 3},
    CLI_OPTION_END,
};

static const struct argp argp = {
    options,
    on_option,
    "",
    "Gives the node new keys, certified by the unit's root key: a rotation by plan, after a theft (--revoke), or to end a fork "
    "(--resume)."
    "\vThe node must be stopped. Says what it will do and asks. A log is named by the first digits of its id, as the alarm and status show it.\n\n"
    "Examples:\n  smartnode rekey --root-key /media/safe/BE-root.key\n"
    "  smartnode rekey --root-key /media/safe/BE-root.key --revoke\n"
    "  smartnode rekey --root-key /media/safe/BE-root.key --resume 3f2a91c0d4e5",
    NULL,
    NULL,
    NULL};

static void
tell_plan(const struct identity *id, const struct rekey_plan *p)
{
    uint64_t beyond = 0;
    printf("Unit %s (%s): new %skeys, serial %llu; the old ones stay beside as node.key.old.\n", id->unit_code,
           id->production ? "production" : "test", p->transport ? "" : "signing and exchange ",
           (unsigned long long)p->serial);
    if (p->n_void_keys > 0)
        printf("Revoked: %zu signing key%s. What %s sealed and this node does not hold counts for nothing, also if a "
               "peer has it.\n",
               p->n_void_keys, p->n_void_keys > 1 ? "s" : "", p->n_void_keys > 1 ? "they" : "it");
    for (size_t i = 0; i < p->n_positions; i++) {
        const struct rekey_position *r = &p->positions[i];
        char hex[2 * HASH_BYTES + 1], number[CLI_NUMBER_MAX];
        hex_encode(r->at.log.b, LOG_DIGITS / 2, hex);
        if (r->at.seq == 0)
            printf("  log %s…  nothing of it stands", hex);
        else
            printf("  log %s…  stands up to event %s", hex, cli_number((int64_t)r->at.seq, number));
        if (r->beyond > 0)
            printf("; %s held here become%s void", cli_number((int64_t)r->beyond, number), r->beyond == 1 ? "s" : "");
        printf("%s\n", r->frozen ? "; frozen until now, goes on" : "");
        beyond += r->beyond;
    }
    if (beyond > 0)
        printf(
            "What becomes void is no longer in any register or report, here and at every peer. It cannot be taken back "
            "except by writing it anew.\n");
}

static bool
agreed(void)
{
    char line[16];
    printf("Do this? Type yes: ");
    fflush(stdout);
    return fgets(line, sizeof(line), stdin) && strcmp(line, "yes\n") == 0;
}

static void
tell_next(const struct datadir *d, const struct rekey_plan *p)
{
    bool frozen = false;
    for (size_t i = 0; i < p->n_positions; i++)
        frozen |= p->positions[i].frozen;
    printf("Done. The root key goes back to its safe now.\n\nNext:\n"
           "  smartnode run --data %s   (or systemctl start smartnode)\n",
           d->path);
    if (p->transport)
        printf(
            "  smartnode card --data %s > %s.card   (every peer pins it anew with smartnode peer trust; until then it "
            "refuses this node)\n",
            d->path, d->identity.unit_code);
    else
        printf("  Nothing at the peers: the transport key is the same, they learn the new keys from the new log.\n");
    if (frozen)
        printf("  smartnode status after a minute, here and at a peer: the same fingerprint.\n");
}

static int
on_progress(void *arg, uint64_t done, uint64_t total)
{
    cli_progress_update(arg, done, total, done);
    return 0;
}

static int
rekey(struct args *a, struct datadir *d, struct err *err)
{
    static struct rekey_plan plan;
    struct cli_progress progress;
    uint8_t root[32];
    struct sign_public public;
    struct sign_secret secret;
    int rc = secret_file_read(a->root, root, err);
    if (rc != 0)
        return rc;
    crypto_keypair_sign(root, &public, &secret);
    sodium_memzero(&secret, sizeof(secret));
    if (!TYPE_EQ(&public, &d->identity.root_key))
        rc = err_field(err, ERR_DENIED, "root-key", "not the root key of this unit");
    if (rc == 0)
        rc = rekey_plan(d->db, &d->identity, &a->plan, &plan, err);
    if (rc == 0) {
        tell_plan(&d->identity, &plan);
        if (!a->yes && !agreed())
            rc = err_set(err, ERR_DENIED, "nothing was changed");
    }
    if (rc == 0) {
        cli_progress_begin(&progress, "events");
        rc = rekey_do(d, &plan, root, on_progress, &progress, err);
        cli_progress_end(&progress);
        if (rc != 0)
            err_wrap(err, "not completed; the same command again completes it");
    }
    sodium_memzero(root, sizeof(root));
    if (rc == 0)
        tell_next(d, &plan);
    return rc;
}

int
cmd_rekey(int argc, char **argv)
{
    static struct args a;
    struct datadir d;
    struct err err = {0};
    cli_parse(&argp, "rekey", argc, argv, &a);
    int rc = cli_open(a.common.data, DATADIR_WRITER, &d, &err);
    if (rc == ERR_BUSY)
        err_wrap(&err, "rekey needs the node stopped");
    if (rc != 0)
        return cli_fail(&err);
    rc = rekey(&a, &d, &err);
    datadir_close(&d);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}
