/* smartnode recover: a directory that writes for a unit whose own is gone. docs/OPERATIONS.md "The node is gone". */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/cli/cli_common.h"
#include "node/host/hearing.h"
#include "node/host/recover.h"
#include "node/host/trust.h"

enum { FROM_MAX = 32, HEAR_NOT_SAID = -1 };
enum {
    OPT_FROM = OPT_OWN,
    OPT_UNIT,
    OPT_CARD,
    OPT_ROOT,
    OPT_CERTIFICATE,
    OPT_CUSTODIAN,
    OPT_RECOVERY,
    OPT_SERIAL,
    OPT_HEAR,
    OPT_WRITE_NOW,
    OPT_YES,
    OPT_LISTEN,
    OPT_ADVERTISE,
    OPT_HTTP_PORT,
    OPT_MAP
};

struct args {
    struct cli_common common;
    size_t n_from;
    const char *from[FROM_MAX];
    const char *unit, *card, *root, *certificate, *custodian, *recovery;
    uint64_t serial;
    long hear;
    bool write_now, yes;
    struct config config;
};

static const struct argp_option options[] = {
    {"data", OPT_DATA, "DIR", 0, "The directory to make; or one made so before, for --recovery-key or --write-now", 0},
    {"from", OPT_FROM, "DIR|CARD", 0,
     "Where the logs come from: a peer's data directory, or the card of a peer to fetch them from; may be repeated", 1},
    {"unit", OPT_UNIT, "CODE", 0, "The unit that is gone, as the peer's directory has pinned it", 1},
    {"card", OPT_CARD, "FILE", 0, "Its card, where no peer's directory has it", 1},
    {"root-key", OPT_ROOT, "FILE", 0, "The unit's root key; or:", 2},
    {"certificate", OPT_CERTIFICATE, "FILE", 0, "its certificate for a custodian, with", 2},
    {"custodian-key", OPT_CUSTODIAN, "FILE", 0, "the custodian's key", 2},
    {"recovery-key", OPT_RECOVERY, "FILE", 0, "The unit's recovery key: opens the members' names", 2},
    {"serial", OPT_SERIAL, "N", 0, "Serial of the new keys, where nothing here knows the last one", 2},
    {"hear", OPT_HEAR, "N", 0,
     "Write nothing before so many peers were heard completely (default: 0 from a directory, else 1)", 3},
    {"write-now", OPT_WRITE_NOW, NULL, 0, "Wait for no peer any more", 3},
    {"yes", OPT_YES, NULL, 0, "The words of all cards were compared", 3},
    {NULL, 0, NULL, 0, "What goes into smartnode.conf:", 4},
    {"listen", OPT_LISTEN, "ENDPOINT", 0, "Where peers connect, tcp://host:port, or none", 4},
    {"advertise", OPT_ADVERTISE, "ENDPOINT", 0, "Address on the unit card; may be repeated", 4},
    {"http-port", OPT_HTTP_PORT, "PORT", 0, "Port of the HTTP interface on 127.0.0.1", 4},
    {"map-gib", OPT_MAP, "N", 0, "Address space for the data, in GiB", 4},
    CLI_OPTION_END};

static uint64_t
whole_number(const char *arg, uint64_t max, const char *option, struct argp_state *state)
{
    char *end = NULL;
    unsigned long long v = strtoull(arg, &end, 10);
    if (end == arg || *end != '\0' || arg[0] == '-' || v > max)
        argp_error(state, "--%s: a whole number up to %llu", option, (unsigned long long)max);
    return v;
}

static void
put_text(char *ret, size_t size, const char *arg, const char *option, struct argp_state *state)
{
    if (strlen(arg) >= size)
        argp_error(state, "--%s: at most %zu characters", option, size - 1);
    snprintf(ret, size, "%s", arg);
}

static error_t
set_config(struct config *c, int key, const char *arg, struct argp_state *state)
{
    switch (key) {
    case OPT_LISTEN: put_text(c->sync_listen, sizeof(c->sync_listen), arg, "listen", state); return 0;
    case OPT_ADVERTISE:
        if (c->n_advertise == CONFIG_ADVERTISE_MAX)
            argp_error(state, "more than %d addresses", CONFIG_ADVERTISE_MAX);
        put_text(c->advertise[c->n_advertise++], sizeof(c->advertise[0]), arg, "advertise", state);
        return 0;
    case OPT_HTTP_PORT: c->http_port = (uint16_t)whole_number(arg, UINT16_MAX, "http-port", state); return 0;
    case OPT_MAP:
        c->map_gib = whole_number(arg, UINT32_MAX, "map-gib", state);
        if (c->map_gib == 0)
            argp_error(state, "--map-gib: a number of GiB, at least 1");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    if (cli_common_option(&a->common, key, arg))
        return 0;
    switch (key) {
    case OPT_FROM:
        if (a->n_from == FROM_MAX)
            argp_error(state, "--from: at most %d", FROM_MAX);
        a->from[a->n_from++] = arg;
        return 0;
    case OPT_UNIT: a->unit = arg; return 0;
    case OPT_CARD: a->card = arg; return 0;
    case OPT_ROOT: a->root = arg; return 0;
    case OPT_CERTIFICATE: a->certificate = arg; return 0;
    case OPT_CUSTODIAN: a->custodian = arg; return 0;
    case OPT_RECOVERY: a->recovery = arg; return 0;
    case OPT_SERIAL: a->serial = whole_number(arg, INT64_MAX, "serial", state); return 0;
    case OPT_HEAR: a->hear = (long)whole_number(arg, TRUST_MAX, "hear", state); return 0;
    case OPT_WRITE_NOW: a->write_now = true; return 0;
    case OPT_YES: a->yes = true; return 0;
    case ARGP_KEY_ARG: argp_error(state, "unexpected argument: %s", arg); return 0;
    case ARGP_KEY_END:
        if (a->n_from == 0 ? !a->recovery && !a->write_now : (a->root != NULL) == (a->certificate != NULL))
            argp_error(state, "a new directory needs --from and one of --root-key and --certificate; one that is there "
                              "--recovery-key or --write-now");
        if ((a->certificate != NULL) != (a->custodian != NULL))
            argp_error(state, "--certificate and --custodian-key go together");
        return 0;
    default: return set_config(&a->config, key, arg, state);
    }
}

static const struct argp argp = {
    options,
    on_option,
    "",
    "Makes a data directory for a unit whose own is gone: new keys, certified by the unit's root key or, for its custodian, in advance; the "
    "logs from a peer. Nothing of the old directory is needed."
    "\vFrom a peer's directory everything is there at once; its node may be running. From peers' cards it comes over the network, and "
    "nothing is written before it has. Peers must pin the new card.\n\n"
    "Examples:\n  smartnode recover --data /var/lib/smartnode --from /mnt/SE --unit BE --root-key /media/safe/BE-root.key "
    "--recovery-key /media/safe/BE-recovery.key\n"
    "  smartnode recover --data /var/lib/smartnode-BE --from /var/lib/smartnode --certificate BE-custodian.certificate --custodian-key "
    "/media/safe/BE-custodian.key\n"
    "  smartnode recover --data /var/lib/smartnode --from SE.card --from FR.card --card BE.card --root-key "
    "/media/safe/BE-root.key --hear 2",
    NULL,
    NULL,
    NULL};

/* ---- who the unit is ---- */

struct making {
    const struct args *a;
    const char *path;
    struct datadir peer; /* open if has_peer */
    bool has_peer, has_card, has_certificate;
    struct unit_card card;
    struct custody_certificate certificate;
    struct identity identity;
};

static bool
is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int
read_card(const char *path, struct unit_card *ret, struct buf *ret_text, struct err *err)
{
    bool first_root;
    int rc = cli_read_text(path, ret_text, err);
    if (rc == 0)
        rc = card_read(buf_slice(ret_text), ret, &first_root, err);
    if (rc != 0)
        err_wrap(err, "%s", path);
    return rc;
}

static int
read_own_card(struct making *m, struct err *err)
{
    struct buf text;
    buf_init(&text, CARD_TEXT_MAX);
    int rc = read_card(m->a->card, &m->card, &text, err);
    buf_free(&text);
    m->has_card = rc == 0;
    if (rc == 0 && !cli_card_confirmed(&m->card, m->a->yes))
        rc = err_set(err, ERR_UNTRUSTED, "nothing was made");
    return rc;
}

static int
read_certificate(struct making *m, struct err *err)
{
    struct buf text;
    buf_init(&text, CUSTODY_TEXT_MAX);
    int rc = cli_read_text(m->a->certificate, &text, err);
    if (rc == 0)
        rc = custody_certificate_read(buf_slice(&text), &m->certificate, err);
    if (rc != 0)
        err_wrap(err, "%s", m->a->certificate);
    buf_free(&text);
    m->has_certificate = rc == 0;
    return rc;
}

/* The unit as the peer has pinned it. */
static int
find_pinned(struct making *m, struct err *err)
{
    struct db_txn *txn = NULL;
    struct trusted *list = NULL;
    size_t n = 0;
    int rc = db_begin_read(m->peer.db, &txn, err);
    if (rc == 0)
        rc = trust_list(txn, &list, &n, err);
    db_abort(&txn);
    for (size_t i = 0; rc == 0 && i < n && !m->has_card; i++) {
        bool is = m->has_certificate ? TYPE_EQ(&list[i].card.unit, &m->certificate.keys.unit)
                                     : m->a->unit && strcmp(list[i].card.unit_code, m->a->unit) == 0;
        if (is)
            m->card = list[i].card;
        m->has_card = is;
    }
    free(list);
    return rc;
}

static int
check_certificate(const struct making *m, struct err *err)
{
    const struct custody_certificate *c = &m->certificate;
    if (m->a->unit && strcmp(m->a->unit, c->unit_code) != 0)
        return err_field(err, ERR_DENIED, "certificate", "it is for the unit %s", c->unit_code);
    if (m->has_card && (!TYPE_EQ(&m->card.unit, &c->keys.unit) || !TYPE_EQ(&m->card.root_key, &c->root_key)))
        return err_field(err, ERR_DENIED, "certificate", "it is of another unit or root key than %s is pinned with",
                         m->card.unit_code);
    return 0;
}

static int
identify(struct making *m, struct err *err)
{
    int rc = m->a->certificate ? read_certificate(m, err) : 0;
    if (rc == 0 && m->a->card)
        rc = read_own_card(m, err);
    for (size_t i = 0; rc == 0 && i < m->a->n_from; i++) {
        if (!is_directory(m->a->from[i]))
            continue;
        if (m->has_peer)
            return err_field(err, ERR_INVALID, "from", "one peer's directory is enough; the others are given as cards");
        rc = datadir_open(m->a->from[i], DATADIR_READER, &m->peer, err);
        m->has_peer = rc == 0;
    }
    if (rc == 0 && m->has_peer && !m->has_card)
        rc = find_pinned(m, err);
    if (rc == 0 && m->has_certificate)
        rc = check_certificate(m, err);
    if (rc == 0 && !m->has_card && !m->has_certificate)
        rc = err_field(err, ERR_NOTFOUND, "unit",
                       "which unit? --unit CODE, if the peer's directory has pinned it, or --card FILE");
    return rc;
}

/* ---- its new keys ---- */

static int
by_root_key(struct making *m, const struct recover_known *known, struct err *err)
{
    struct identity gone;
    uint8_t root[32];
    identity_of_card(&m->card, &gone);
    uint64_t last = known->serial > gone.serial ? known->serial : gone.serial;
    uint64_t serial = last + (m->has_peer ? 1 : RECOVER_SERIAL_STEP);
    if (m->a->serial != 0 && m->a->serial <= last)
        return err_field(err, ERR_INVALID, "serial", "the unit has used %llu already", (unsigned long long)last);
    int rc = secret_file_read(m->a->root, root, err);
    if (rc == 0)
        rc = identity_rekey(&gone, root, m->a->serial != 0 ? m->a->serial : serial, true, random_fill, NULL,
                            &m->identity, err);
    sodium_memzero(root, sizeof(root));
    return rc;
}

static int
by_certificate(struct making *m, const struct recover_known *known, struct err *err)
{
    const struct custody_certificate *c = &m->certificate;
    uint8_t secret[CUSTODY_SECRET_BYTES];
    bool own_card = m->has_card && TYPE_EQ(&m->card.signing_key, &c->keys.signing);
    uint64_t last = m->has_card && !own_card && m->card.serial > known->serial ? m->card.serial : known->serial;
    if (known->revoked)
        return err_field(err, ERR_DENIED, "certificate", "the unit has revoked it");
    if (c->serial <= last)
        return err_field(err, ERR_DENIED, "certificate",
                         "its serial is %llu, and the unit has made keys of serial %llu since: an old certificate",
                         (unsigned long long)c->serial, (unsigned long long)last);
    int rc = secret_file_read(m->a->custodian, secret, err);
    if (rc == 0)
        rc = identity_of_custodian(c, secret, &m->identity, err);
    sodium_memzero(secret, sizeof(secret));
    return rc;
}

static int
make_identity(struct making *m, struct err *err)
{
    struct recover_known known = {0};
    const struct unit_id *unit = m->has_certificate ? &m->certificate.keys.unit : &m->card.unit;
    int rc = m->has_peer ? recover_known(m->peer.db, unit, m->has_certificate ? &m->certificate.keys.signing : NULL,
                                         &known, err)
                         : 0;
    if (rc != 0)
        return rc;
    return m->has_certificate ? by_certificate(m, &known, err) : by_root_key(m, &known, err);
}

/* ---- the new directory ---- */

static void
on_progress(void *arg, uint64_t done, uint64_t total)
{
    cli_progress_update(arg, done, total, done);
}

static int
pin_card(struct datadir *d, const char *path, bool yes, struct err *err)
{
    struct db_txn *txn = NULL;
    struct unit_card card;
    struct buf text;
    buf_init(&text, CARD_TEXT_MAX);
    int rc = read_card(path, &card, &text, err);
    if (rc == 0 && !cli_card_confirmed(&card, yes))
        rc = err_set(err, ERR_UNTRUSTED, "nothing was made");
    if (rc == 0)
        rc = db_begin_write(d->db, &txn, err);
    if (rc == 0)
        rc = trust_pin(txn, &d->identity, buf_slice(&text), NULL, err);
    if (rc == 0)
        rc = db_commit(&txn, err);
    else
        db_abort(&txn);
    buf_free(&text);
    return rc;
}

static int
leave_notes(struct making *m, struct datadir *d, struct err *err)
{
    struct db_txn *txn = NULL;
    long hear = m->a->write_now ? 0 : m->a->hear != HEAR_NOT_SAID ? m->a->hear : m->has_peer ? 0 : 1;
    int rc = db_begin_write(d->db, &txn, err);
    if (rc == 0)
        rc = hearing_put(txn, (uint32_t)hear, err);
    if (rc == 0)
        rc = recover_fetch_put(txn, true, err);
    if (rc == 0)
        rc = db_commit(&txn, err);
    else
        db_abort(&txn);
    if (rc == 0 && hear > 0)
        printf("Nothing is written before %ld peer%s heard completely.\n", hear, hear > 1 ? "s are" : " is");
    return rc;
}

static void
tell_copied(const struct recover_copied *c)
{
    char logs[CLI_NUMBER_MAX], events[CLI_NUMBER_MAX], capsules[CLI_NUMBER_MAX], missing[CLI_NUMBER_MAX];
    printf("%s logs with %s events; of this unit %s capsules, %s are missing there.\n", cli_number(c->logs, logs),
           cli_number((int64_t)c->events, events), cli_number((int64_t)c->capsules, capsules),
           cli_number((int64_t)c->capsules_missing, missing));
    if (c->not_admitted > 0)
        printf("%u logs of units that are not pinned were left out.\n", c->not_admitted);
    if (c->broken > 0)
        printf("%u logs are damaged there; what does not verify comes from other peers.\n", c->broken);
    if (c->capsules_erased > 0)
        printf("%llu capsules were erased and stay so.\n", (unsigned long long)c->capsules_erased);
}

static int
copy_peer(struct making *m, struct datadir *d, struct err *err)
{
    struct recover_copied copied = {0};
    struct cli_progress progress;
    struct engine *e = NULL;
    int rc = datadir_engine(d, &e, err);
    if (rc == 0) {
        cli_progress_begin(&progress, "events");
        rc = recover_logs(m->peer.db, d, e, on_progress, &progress, &copied, err);
        cli_progress_end(&progress);
    }
    engine_free(&e);
    if (rc == 0) {
        cli_progress_begin(&progress, "events with capsules");
        rc = recover_capsules(&m->peer, d, on_progress, &progress, &copied, err);
        cli_progress_end(&progress);
    }
    if (rc == 0)
        tell_copied(&copied);
    return rc;
}

static int
open_names(const struct args *a, struct datadir *d, struct err *err)
{
    struct recover_keys_found found;
    struct cli_progress progress;
    struct box_secret recovery;
    struct engine *e = NULL;
    char members[CLI_NUMBER_MAX], keys[CLI_NUMBER_MAX];
    int rc = secret_file_read(a->recovery, recovery.b, err);
    if (rc != 0)
        return rc;
    cli_progress_begin(&progress, "events for keys");
    rc = recover_keys(d, &recovery, on_progress, &progress, &found, err);
    cli_progress_end(&progress);
    sodium_memzero(&recovery, sizeof(recovery));
    if (rc == 0)
        rc = datadir_engine(d, &e, err); /* makes the index */
    engine_free(&e);
    if (rc != 0)
        return rc;
    printf("Keys of %s members: %s came back.\n", cli_number((int64_t)found.members, members),
           cli_number((int64_t)found.keys, keys));
    if (found.keys_erased > 0)
        printf("%llu keys were erased and stay so.\n", (unsigned long long)found.keys_erased);
    if (found.days_missing + found.missing + found.locked > 0)
        printf(
            "%llu key capsules are not here yet or do not open: run the node until its keeper has given them, stop it, and "
            "smartnode recover --recovery-key again.\n",
            (unsigned long long)(found.days_missing + found.missing + found.locked));
    return 0;
}

static int
fill(struct making *m, struct err *err)
{
    struct datadir d;
    int rc = datadir_open(m->path, DATADIR_WRITER, &d, err);
    if (rc != 0)
        return rc;
    if (m->has_peer)
        rc = recover_pins(&m->peer, &d, err);
    for (size_t i = 0; rc == 0 && i < m->a->n_from; i++)
        if (!is_directory(m->a->from[i]))
            rc = pin_card(&d, m->a->from[i], m->a->yes, err);
    if (rc == 0 && m->has_peer)
        rc = copy_peer(m, &d, err);
    if (rc == 0)
        rc = leave_notes(m, &d, err);
    if (rc == 0 && m->a->recovery)
        rc = open_names(m->a, &d, err);
    datadir_close(&d);
    return rc;
}

static void
tell_next(const struct making *m)
{
    const char *code = m->identity.unit_code;
    printf("The node of unit %s is in %s: new keys, serial %llu.\n", code, m->path,
           (unsigned long long)m->identity.serial);
    if (!m->a->recovery)
        printf(
            "Without the recovery key it writes for the unit and opens nobody's name: smartnode recover --recovery-key "
            "FILE, with the node stopped, opens them.\n");
    printf(
        "Every key goes back to its safe now.\n\nNext: smartnode card --data %s > %s.card   (every peer pins it anew: "
        "smartnode peer trust; until then it refuses this node)\n      smartnode token create --data %s …   (no token of the old "
        "node holds)\n      smartnode run --data %s\n",
        m->path, code, m->path, m->path);
}

static int
make_node(struct making *m, struct err *err)
{
    struct datadir_before before = datadir_before(m->path);
    int rc = identify(m, err);
    if (rc == 0)
        rc = make_identity(m, err);
    if (rc == 0)
        rc = datadir_check_free(m->path, err);
    if (rc == 0)
        rc = datadir_create(m->path, &m->a->config, &m->identity, err);
    if (rc == 0) {
        rc = fill(m, err);
        if (rc != 0)
            datadir_unmake(m->path, before);
    }
    if (rc == 0)
        tell_next(m);
    else
        err_wrap(err, "nothing was made");
    if (m->has_peer)
        datadir_close(&m->peer);
    identity_wipe(&m->identity);
    return rc;
}

/* ---- one that is there ---- */

static int
go_on(const struct args *a, const char *path, struct err *err)
{
    struct db_txn *txn = NULL;
    struct datadir d;
    int rc = datadir_open(path, a->recovery ? DATADIR_WRITER : DATADIR_ADMIN, &d, err);
    if (rc != 0)
        return rc;
    if (a->write_now) {
        rc = db_begin_write(d.db, &txn, err);
        if (rc == 0)
            rc = hearing_put(txn, 0, err);
        if (rc == 0)
            rc = db_commit(&txn, err);
        else
            db_abort(&txn);
        if (rc == 0)
            printf("This node waits for no peer any more.\n");
    }
    if (rc == 0 && a->recovery)
        rc = open_names(a, &d, err);
    datadir_close(&d);
    return rc;
}

int
cmd_recover(int argc, char **argv)
{
    static struct args a = {.hear = HEAR_NOT_SAID};
    static struct making m;
    char path[PATH_BYTES_MAX];
    struct err err = {0};
    config_defaults(&a.config);
    cli_parse(&argp, "recover", argc, argv, &a);
    int rc = datadir_find(a.common.data, path, &err);
    m.a = &a;
    m.path = path;
    if (rc == 0)
        rc = a.n_from > 0 ? make_node(&m, &err) : go_on(&a, path, &err);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}
