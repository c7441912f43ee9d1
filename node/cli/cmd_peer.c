/* smartnode card, peer: trust between units. docs/OPERATIONS.md "Trust". */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/cli/cli_common.h"
#include "node/cli/cmd_duplicates.h"
#include "node/host/datadir.h"
#include "node/host/trust.h"

enum { OPT_YES = 256, OPT_KEEPER, OPT_ENDPOINT, WORDS_MAX = 4 };

struct args {
    const char *data;
    size_t n_words;
    const char *words[WORDS_MAX];
    bool yes, keeper;
    size_t n_endpoints;
    const char *endpoints[CARD_ENDPOINTS_MAX];
};

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    switch (key) {
    case 'd': a->data = arg; return 0;
    case OPT_YES: a->yes = true; return 0;
    case OPT_KEEPER: a->keeper = true; return 0;
    case OPT_ENDPOINT:
        if (a->n_endpoints == CARD_ENDPOINTS_MAX)
            argp_error(state, "more than %d addresses", CARD_ENDPOINTS_MAX);
        a->endpoints[a->n_endpoints++] = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (a->n_words == WORDS_MAX)
            argp_error(state, "unexpected argument: %s", arg);
        a->words[a->n_words++] = arg;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static int
print_card(struct datadir *d, const struct args *a, struct err *err)
{
    const char *endpoints[CARD_ENDPOINTS_MAX];
    size_t n = 0;
    struct buf out;
    for (size_t i = 0; i < a->n_endpoints; i++)
        endpoints[n++] = a->endpoints[i];
    for (uint8_t i = 0; a->n_endpoints == 0 && i < d->config.n_advertise; i++)
        endpoints[n++] = d->config.advertise[i];
    buf_init(&out, CARD_TEXT_MAX);
    int rc = identity_card(&d->identity, endpoints, n, datadir_today(d), &out, err);
    if (rc == 0)
        fwrite(out.data, 1, out.len, stdout);
    if (rc == 0 && n == 0)
        fprintf(stderr,
                "smartnode: the card names no address: peers cannot dial this node, it must dial them (advertise in "
                "smartnode.conf, or --endpoint)\n");
    buf_free(&out);
    return rc;
}

static void
print_words(struct datadir *d)
{
    struct unit_card card = {.unit = d->identity.unit,
                             .root_key = d->identity.root_key,
                             .federation = d->identity.federation,
                             .production = d->identity.production};
    char words[FINGERPRINT_WORDS_MAX];
    card_fingerprint(&card, words);
    fprintf(stderr, "Words to read out on the telephone:\n  %s\n", words);
}

int
cmd_card(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"data", 'd', "DIR", 0, "The node's data directory", 0},
        {"endpoint", OPT_ENDPOINT, "ENDPOINT", 0,
         "An address, tcp://host:port, instead of those in smartnode.conf; may be repeated", 0},
        {0}};
    static const struct argp argp = {
        options, on_option,
        NULL,    "Prints this unit's card, signed, for the peers; the words for the telephone go to standard error.",
        NULL,    NULL,
        NULL};
    struct args a = {0};
    struct datadir d;
    char path[PATH_BYTES_MAX];
    struct err err = {0};
    if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
        return EXIT_USAGE;
    if (a.n_words > 0)
        return cli_usage("card takes no arguments");
    if (datadir_find(a.data, path, &err) != 0 || datadir_open(path, DATADIR_READER, &d, &err) != 0)
        return cli_fail(&err);
    int rc = print_card(&d, &a, &err);
    if (rc == 0)
        print_words(&d);
    datadir_close(&d);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}

/* ---- peer ---- */

static int
write_peer(struct datadir *d, struct slice text, const struct trusted *settings, const struct unit_id *remove,
           struct err *err)
{
    struct db_txn *txn = NULL;
    int rc = db_begin_write(d->db, &txn, err);
    if (rc == 0)
        rc = remove ? trust_remove(txn, remove, err) : trust_pin(txn, &d->identity, text, settings, err);
    if (rc != 0) {
        db_abort(&txn);
        return rc;
    }
    return db_commit(&txn, err);
}

static int
peer_trust(struct datadir *d, const struct args *a, struct err *err)
{
    struct trusted settings = {.keeper = a->keeper};
    struct unit_card card;
    struct buf text;
    bool first_root;
    if (a->n_words != 2)
        return err_set(err, ERR_INVALID, "peer trust needs the card's file (- for standard input)");
    if (a->n_endpoints > TRUST_ENDPOINTS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d addresses", TRUST_ENDPOINTS_MAX);
    for (size_t i = 0; i < a->n_endpoints; i++)
        snprintf(settings.endpoints[settings.n_endpoints++], ENDPOINT_BYTES_MAX + 1, "%s", a->endpoints[i]);
    buf_init(&text, CARD_TEXT_MAX);
    int rc = cli_read_text(a->words[1], &text, err);
    if (rc == 0) {
        rc = card_read(buf_slice(&text), &card, &first_root, err);
        if (rc != 0)
            err_wrap(err, "%s", a->words[1]);
    }
    if (rc == 0 && !cli_card_confirmed(&card, a->yes))
        rc = err_set(err, ERR_UNTRUSTED, "not pinned");
    if (rc == 0)
        rc = write_peer(d, buf_slice(&text), a->keeper || a->n_endpoints > 0 ? &settings : NULL, NULL, err);
    if (rc == 0)
        fprintf(stderr, "%s is pinned.\n", card.unit_code);
    buf_free(&text);
    return rc;
}

static int
find_code(struct datadir *d, const char *code, struct trusted **ret_list, size_t *ret_n, struct unit_id *ret_unit,
          struct err *err)
{
    struct db_txn *txn = NULL;
    int rc = db_begin_read(d->db, &txn, err);
    if (rc == 0)
        rc = trust_list(txn, ret_list, ret_n, err);
    db_abort(&txn);
    if (rc != 0 || !code)
        return rc;
    for (size_t i = 0; i < *ret_n; i++) {
        if (strcmp((*ret_list)[i].card.unit_code, code) == 0) {
            *ret_unit = (*ret_list)[i].card.unit;
            return 0;
        }
    }
    free(*ret_list);
    *ret_list = NULL;
    return err_set(err, ERR_NOTFOUND, "no peer %s is pinned", code);
}

static int
peer_list(struct datadir *d, struct err *err)
{
    struct trusted *list = NULL;
    size_t n = 0;
    int rc = find_code(d, NULL, &list, &n, NULL, err);
    for (size_t i = 0; i < n && rc == 0; i++) {
        char words[FINGERPRINT_WORDS_MAX], date[DATE_TEXT_MAX];
        const struct trusted *t = &list[i];
        card_fingerprint(&t->card, words);
        printf("%s\t%s\t%s\t%s%s", t->card.unit_code, t->card.unit_name.s, date_format(t->card.issued_on, date), words,
               t->keeper ? "\tkeeper" : "");
        for (uint8_t k = 0; k < (t->n_endpoints ? t->n_endpoints : t->card.n_endpoints); k++)
            printf("\t%s", t->n_endpoints ? t->endpoints[k] : t->card.endpoints[k]);
        printf("\n");
    }
    free(list);
    return rc;
}

static int
peer_remove(struct datadir *d, const struct args *a, struct err *err)
{
    struct trusted *list = NULL;
    size_t n = 0;
    struct unit_id unit;
    if (a->n_words != 2)
        return err_set(err, ERR_INVALID, "peer remove needs the unit's code");
    int rc = find_code(d, a->words[1], &list, &n, &unit, err);
    free(list);
    return rc == 0 ? write_peer(d, slice_of(NULL, 0), NULL, &unit, err) : rc;
}

int
cmd_peer(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"data", 'd', "DIR", 0, "The node's data directory", 0},
        {"yes", OPT_YES, NULL, 0, "The words were compared already", 0},
        {"keeper", OPT_KEEPER, NULL, 0,
         "The peer keeps all capsules of this unit, unreadable to it, so that losing this disk does not lose the names",
         0},
        {"endpoint", OPT_ENDPOINT, "ENDPOINT", 0, "Dial this address instead of the card's; may be repeated", 0},
        {0}};
    static const struct argp argp = {
        options,
        on_option,
        "trust FILE\nlist\nremove CODE\nlookups",
        "Whose logs this node admits. trust pins a unit's card after its words were compared by telephone; "
        "a running node takes it up at once. lookups lists the questions whether somebody is a member, ours and theirs.",
        NULL,
        NULL,
        NULL};
    struct args a = {0};
    struct datadir d;
    char path[PATH_BYTES_MAX];
    struct err err = {0};
    if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
        return EXIT_USAGE;
    if (a.n_words == 0 || (strcmp(a.words[0], "trust") != 0 && strcmp(a.words[0], "list") != 0 &&
                           strcmp(a.words[0], "remove") != 0 && strcmp(a.words[0], "lookups") != 0))
        return cli_usage("peer trust FILE, peer list, peer remove CODE or peer lookups");
    bool changes = strcmp(a.words[0], "trust") == 0 || strcmp(a.words[0], "remove") == 0;
    if (datadir_find(a.data, path, &err) != 0 || datadir_open(path, DATADIR_ADMIN, &d, &err) != 0)
        return cli_fail(&err);
    int rc = strcmp(a.words[0], "trust") == 0     ? peer_trust(&d, &a, &err)
             : strcmp(a.words[0], "remove") == 0  ? peer_remove(&d, &a, &err)
             : strcmp(a.words[0], "lookups") == 0 ? lookups_print(&d, &err)
                                                  : peer_list(&d, &err);
    datadir_close(&d);
    if (rc == 0 && changes)
        datadir_nudge(path);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}
