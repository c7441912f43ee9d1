/* smartnode custodian: what is prepared while a unit is there, so that another can write for it once it is gone. The custodian makes keys
 * for it (keys), the unit's root key certifies them (certify); smartnode recover takes the certificate. docs/OPERATIONS.md "A custodian",
 * docs/decisions/0009. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/cli/cli_common.h"
#include "node/host/recover.h"
#include "node/host/trust.h"

enum { OPT_UNIT = OPT_OWN, OPT_ROOT, OPT_KEYS, OPT_SERIAL, OPT_YES, WORDS_MAX = 2 };

struct args {
    struct cli_common common;
    const char *words[WORDS_MAX];
    size_t n_words;
    const char *unit, *root, *keys;
    uint64_t serial;
    bool yes;
};

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    char *end = NULL;
    if (cli_common_option(&a->common, key, arg))
        return 0;
    switch (key) {
    case OPT_UNIT: a->unit = arg; return 0;
    case OPT_ROOT: a->root = arg; return 0;
    case OPT_KEYS: a->keys = arg; return 0;
    case OPT_YES: a->yes = true; return 0;
    case OPT_SERIAL:
        a->serial = strtoull(arg, &end, 10);
        if (*end != '\0' || arg[0] == '-' || a->serial == 0)
            argp_error(state, "--serial: a number from 1 on");
        return 0;
    case ARGP_KEY_ARG:
        if (a->n_words == WORDS_MAX)
            argp_error(state, "unexpected argument: %s", arg);
        a->words[a->n_words++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (a->n_words == 2 && strcmp(a->words[0], "keys") == 0 && a->unit)
            return 0;
        if (a->n_words == 1 && strcmp(a->words[0], "certify") == 0 && a->root && a->keys)
            return 0;
        argp_error(state, "keys DIR --unit CODE, or certify --root-key FILE --keys FILE");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    CLI_OPTION_DATA,
    {"unit", OPT_UNIT, "CODE", 0, "keys: the unit that they are for, which this node has pinned", 1},
    {"root-key", OPT_ROOT, "FILE", 0, "certify: this unit's root key, from its safe", 2},
    {"keys", OPT_KEYS, "FILE", 0,
     "certify: what the custodian's smartnode custodian keys printed (- for standard input)", 2},
    {"serial", OPT_SERIAL, "N", 0,
     "certify: serial of the certificate, above all others of the unit (default: 1000 beyond them)", 2},
    {"yes", OPT_YES, NULL, 0, "certify: the words were compared already", 2},
    CLI_OPTION_END,
};

static const struct argp argp = {
    options,
    on_option,
    "keys DIR\ncertify",
    "Prepares for the day on which a unit is gone."
    "\vkeys, at the custodian: draws keys for that unit, keeps the secret half in DIR (a medium to be locked away), prints the public half.\n"
    "certify, at the unit, beside the running node: prints the root key's certificate for them. Compare the words by telephone first.\n\n"
    "Examples:\n  smartnode custodian keys /media/safe --unit BE > BE-custodian.keys\n"
    "  smartnode custodian certify --root-key /media/safe/BE-root.key --keys BE-custodian.keys > BE-custodian.certificate",
    NULL,
    NULL,
    NULL};

/* ---- at the custodian ---- */

static int
find_unit(struct datadir *d, const char *code, struct trusted *ret, struct err *err)
{
    struct db_txn *txn = NULL;
    struct trusted *list = NULL;
    size_t n = 0;
    bool found = false;
    int rc = db_begin_read(d->db, &txn, err);
    if (rc == 0)
        rc = trust_list(txn, &list, &n, err);
    db_abort(&txn);
    for (size_t i = 0; rc == 0 && i < n && !found; i++) {
        found = strcmp(list[i].card.unit_code, code) == 0;
        if (found)
            *ret = list[i];
    }
    free(list);
    return rc == 0 && !found ? err_set(err, ERR_NOTFOUND, "no peer %.20s is pinned", code) : rc;
}

static int
make_keys(struct datadir *d, const struct args *a, struct err *err)
{
    struct trusted unit;
    struct custody_keys keys = {0};
    struct custody_seeds seeds;
    struct sign_secret signing;
    struct box_secret box;
    struct buf text;
    uint8_t secret[CUSTODY_SECRET_BYTES];
    char path[PATH_BYTES_MAX], name[64], words[FINGERPRINT_WORDS_MAX];
    int rc = find_unit(d, a->unit, &unit, err);
    if (rc != 0)
        return rc;
    if (mkdir(a->words[1], 0700) != 0 && errno != EEXIST)
        return err_errno(err, "%s", a->words[1]);
    snprintf(name, sizeof(name), "%s-custodian.key", unit.card.unit_code);
    rc = path_join(a->words[1], name, path, err);
    if (rc != 0)
        return rc;
    random_fill(NULL, secret, sizeof(secret));
    custody_seeds(secret, &seeds);
    keys.unit = unit.card.unit;
    keys.federation = unit.card.federation;
    keys.production = unit.card.production;
    crypto_keypair_sign(seeds.signing, &keys.signing, &signing);
    crypto_keypair_box(seeds.exchange, &keys.exchange, &box);
    crypto_keypair_box(seeds.transport, &keys.transport, &box);
    buf_init(&text, CUSTODY_TEXT_MAX);
    rc = custody_keys_write(&keys, &text, err);
    if (rc == 0)
        rc = secret_file_write(
            path, "smartnode CUSTODIAN KEY: writes for that unit once it is gone, with its certificate. Lock it away.",
            secret, err);
    if (rc == 0 && fwrite(text.data, 1, text.len, stdout) != text.len)
        rc = err_errno(err, "standard output");
    custody_words(&keys, words);
    if (rc == 0)
        fprintf(
            stderr,
            "The secret half is in %s: into a safe.\nSend the text to %s; words to read out on the telephone:\n  %s\n",
            path, unit.card.unit_code, words);
    sodium_memzero(secret, sizeof(secret));
    sodium_memzero(&seeds, sizeof(seeds));
    sodium_memzero(&signing, sizeof(signing));
    sodium_memzero(&box, sizeof(box));
    buf_free(&text);
    return rc;
}

/* ---- at the unit ---- */

static int
read_keys(const struct datadir *d, const struct args *a, struct custody_keys *ret, struct err *err)
{
    struct buf text;
    buf_init(&text, CUSTODY_TEXT_MAX);
    int rc = cli_read_text(a->keys, &text, err);
    if (rc == 0)
        rc = custody_keys_read(buf_slice(&text), ret, err);
    if (rc != 0)
        err_wrap(err, "%s", a->keys);
    buf_free(&text);
    if (rc == 0 && !TYPE_EQ(&ret->unit, &d->identity.unit))
        rc = err_field(err, ERR_DENIED, "keys", "these keys were made for another unit");
    if (rc == 0 && (!TYPE_EQ(&ret->federation, &d->identity.federation) || ret->production != d->identity.production))
        rc =
            err_field(err, ERR_FEDERATION, "keys", "these keys are for another federation, or test against production");
    return rc;
}

static bool
agreed(const struct custody_keys *keys, bool yes)
{
    char words[FINGERPRINT_WORDS_MAX], answer[16] = "";
    custody_words(keys, words);
    fprintf(stderr, "Words of the custodian's keys:\n  %s\n", words);
    if (yes)
        return true;
    if (!isatty(STDIN_FILENO)) {
        fprintf(stderr, "Compare the words by telephone, then run again with --yes.\n");
        return false;
    }
    fprintf(stderr, "Did the custodian read out the same words? yes/no: ");
    return fgets(answer, sizeof(answer), stdin) && strcmp(answer, "yes\n") == 0;
}

static int
choose_serial(struct datadir *d, const struct args *a, uint64_t *ret, struct err *err)
{
    struct recover_known known;
    int rc = recover_known(d->db, &d->identity.unit, NULL, &known, err);
    if (rc != 0)
        return rc;
    uint64_t last = known.serial > d->identity.serial ? known.serial : d->identity.serial;
    if (a->serial != 0 && a->serial <= last)
        return err_field(err, ERR_INVALID, "serial", "the unit has used %llu already", (unsigned long long)last);
    *ret = a->serial != 0 ? a->serial : last + RECOVER_SERIAL_STEP;
    return 0;
}

static int
certify(struct datadir *d, const struct args *a, struct err *err)
{
    struct custody_certificate c = {.recovery_key = d->identity.recovery_key,
                                    .unit_name = d->identity.unit_name,
                                    .federation_name = d->identity.federation_name};
    struct buf text;
    uint8_t root[32];
    memcpy(c.unit_code, d->identity.unit_code, sizeof(c.unit_code));
    int rc = read_keys(d, a, &c.keys, err);
    if (rc == 0)
        rc = choose_serial(d, a, &c.serial, err);
    if (rc == 0 && !agreed(&c.keys, a->yes))
        rc = err_set(err, ERR_UNTRUSTED, "not certified");
    if (rc == 0)
        rc = secret_file_read(a->root, root, err);
    if (rc != 0)
        return rc;
    buf_init(&text, CUSTODY_TEXT_MAX);
    rc = custody_certify(&c, root, err);
    sodium_memzero(root, sizeof(root));
    if (rc == 0 && !TYPE_EQ(&c.root_key, &d->identity.root_key))
        rc = err_field(err, ERR_DENIED, "root-key", "not the root key of this unit");
    if (rc == 0)
        rc = custody_certificate_write(&c, &text, err);
    if (rc == 0 && fwrite(text.data, 1, text.len, stdout) != text.len)
        rc = err_errno(err, "standard output");
    if (rc == 0)
        fprintf(stderr,
                "Certified with serial %llu. The custodian keeps this text with its key; smartnode rekey "
                "--revoke-custodian FILE takes it back.\n",
                (unsigned long long)c.serial);
    buf_free(&text);
    return rc;
}

int
cmd_custodian(int argc, char **argv)
{
    struct args a = {0};
    struct datadir d;
    struct err err = {0};
    cli_parse(&argp, "custodian", argc, argv, &a);
    int rc = cli_open(a.common.data, DATADIR_READER, &d, &err);
    if (rc != 0)
        return cli_fail(&err);
    rc = strcmp(a.words[0], "keys") == 0 ? make_keys(&d, &a, &err) : certify(&d, &a, &err);
    datadir_close(&d);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}
