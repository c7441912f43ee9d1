/* smartnode receipt: the proof of one event for anybody, and its check, which needs nothing but this program and the unit's card.
 * docs/PROTOCOL.md §11. */
#include <stdlib.h>

#include "node/cli/cli_common.h"
#include "storage/evlog.h"

enum { OPT_LOG = OPT_OWN, OPT_SEQ, OPT_CARD, WORDS_MAX = 2 };

struct args {
    struct cli_common common;
    const char *log, *seq, *card, *out;
    size_t n_words;
    const char *words[WORDS_MAX];
};

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    if (cli_common_option(&a->common, key, arg))
        return 0;
    switch (key) {
    case OPT_LOG: a->log = arg; return 0;
    case OPT_SEQ: a->seq = arg; return 0;
    case OPT_CARD: a->card = arg; return 0;
    case 'o': a->out = arg; return 0;
    case ARGP_KEY_ARG:
        if (a->n_words == WORDS_MAX)
            argp_error(state, "unexpected argument: %s", arg);
        a->words[a->n_words++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (a->n_words == 1 && strcmp(a->words[0], "export") == 0 && a->log && a->seq)
            return 0;
        if (a->n_words == 2 && strcmp(a->words[0], "verify") == 0 && a->card)
            return 0;
        argp_error(state, "receipt export --log HEX --seq N, or receipt verify --card FILE RECEIPT");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    CLI_OPTION_DATA,
    {"log", OPT_LOG, "HEX", 0, "export: the log of the event", 1},
    {"seq", OPT_SEQ, "N", 0, "export: its number there", 1},
    {"out", 'o', "FILE", 0, "export: where to write (else standard output)", 1},
    {"card", OPT_CARD, "FILE", 0, "verify: the card of the unit that is said to have written the event", 1},
    CLI_OPTION_END,
};

static const struct argp argp = {
    options,
    on_option,
    "export|verify [RECEIPT]",
    "Proves that a unit's register holds an event, at a place that nothing can be put in front of."
    "\vA receipt holds no name. Whoever has the unit's card, got from the unit itself, checks it without any node.\n\n"
    "Examples:\n"
    "  smartnode receipt export --log 5f0c… --seq 4711 -o 4711.receipt\n"
    "  smartnode receipt verify --card BE.card 4711.receipt\n\n"
    "Exit status of verify: 0 it proves the event, 1 it does not.",
    NULL,
    NULL,
    NULL};

static int
read_file(const char *path, size_t max, struct buf *out, struct err *err)
{
    FILE *f = fopen(path, "r");
    if (!f)
        return err_errno(err, "%s", path);
    buf_init(out, max + 1);
    uint8_t *room = buf_reserve(out, max + 1);
    size_t n = room ? fread(room, 1, max + 1, f) : 0;
    int rc = !room ? buf_check(out, path, err) : ferror(f) ? err_errno(err, "%s", path) : 0;
    fclose(f);
    if (rc == 0 && n > max)
        rc = err_set(err, ERR_LIMIT, "%s: too large to be one", path);
    if (rc == 0)
        buf_added(out, n);
    return rc;
}

static int
make(struct db_txn *txn, const struct args *a, struct buf *out, struct err *err)
{
    struct log_id id;
    struct log_row row;
    struct buf scratch;
    struct receipt r;
    char *end = NULL;
    unsigned long long seq = strtoull(a->seq, &end, 10);
    if (!hex_decode(a->log, id.b, HASH_BYTES) || *end != '\0' || seq == 0)
        return err_set(err, ERR_INVALID,
                       "--log is 64 hexadecimal digits, --seq a number from 1; the history of a member names both");
    buf_init(&scratch, RECEIPT_BYTES_MAX * 2);
    int rc = evlog_find(txn, &id, &row, err);
    if (rc == 0)
        rc = evlog_receipt(txn, &row, seq, &scratch, &r, err);
    if (rc == ERR_NOTFOUND)
        rc = err_set(err, ERR_NOTFOUND, "this node holds no event %llu of that log", seq);
    if (rc == 0)
        rc = receipt_write(&r, out, err);
    buf_free(&scratch);
    return rc;
}

static int
export_receipt(const struct args *a, struct err *err)
{
    struct datadir d;
    struct db_txn *txn = NULL;
    struct buf out;
    int rc = cli_open(a->common.data, DATADIR_READER, &d, err);
    if (rc != 0)
        return rc;
    buf_init(&out, RECEIPT_TEXT_MAX);
    rc = db_begin_read(d.db, &txn, err);
    if (rc == 0)
        rc = make(txn, a, &out, err);
    db_abort(&txn);
    FILE *f = rc != 0 ? NULL : a->out ? fopen(a->out, "w") : stdout;
    if (rc == 0 && (!f || fwrite(out.data, 1, out.len, f) != out.len || fflush(f) != 0))
        rc = err_errno(err, "%s", a->out ? a->out : "standard output");
    if (f && a->out)
        fclose(f);
    buf_free(&out);
    datadir_close(&d);
    return rc;
}

static void
tell(const struct unit_card *card, const struct log_id *log, const struct event_header *h)
{
    char day[DATE_TEXT_MAX], hex[HEX32_MAX], words[FINGERPRINT_WORDS_MAX];
    card_fingerprint(card, words);
    printf("The receipt is genuine.\n\n");
    printf("unit         %s, %s\n", card->unit_code, card->unit_name.s);
    printf("federation   %s (%s)\n", card->federation_name.s, card->production ? "production" : "test");
    printf("log, number  %s %llu\n", hex_encode(log->b, HASH_BYTES, hex), (unsigned long long)h->seq);
    printf("what         %s\n", event_kind_name(h->kind));
    int64_t ms = hlc_wall(h->clock).ms;
    struct civil_date recorded = {(int32_t)(ms / 86400000)};
    printf("recorded     %s %02d:%02d UTC\n", date_format(recorded, day), (int)(ms / 3600000 % 24),
           (int)(ms / 60000 % 60));
    printf("card         %s\n\nIt holds as far as the card does: compare these words with the unit's own.\n", words);
}

static int
verify_receipt(const struct args *a, struct err *err)
{
    struct buf card_text, text, scratch;
    struct unit_card card;
    struct receipt r;
    struct log_id log;
    struct event_header h;
    bool first_root = true;
    buf_init(&card_text, 0);
    buf_init(&text, 0);
    buf_init(&scratch, RECEIPT_BYTES_MAX);
    int rc = read_file(a->card, CARD_TEXT_MAX, &card_text, err);
    if (rc == 0)
        rc = card_read(buf_slice(&card_text), &card, &first_root, err);
    if (rc == 0)
        rc = read_file(a->words[1], RECEIPT_TEXT_MAX, &text, err);
    if (rc == 0)
        rc = receipt_read(buf_slice(&text), &scratch, &r, err);
    if (rc == 0)
        rc = receipt_verify(&r, &card, &log, &h, err);
    if (rc == 0)
        tell(&card, &log, &h);
    if (rc == 0 && !first_root)
        printf("The unit has changed its root key since it began: ask it to confirm the card.\n");
    buf_free(&card_text);
    buf_free(&text);
    buf_free(&scratch);
    return rc;
}

int
cmd_receipt(int argc, char **argv)
{
    struct args a = {0};
    struct err err = {0};
    cli_parse(&argp, "receipt", argc, argv, &a);
    int rc = strcmp(a.words[0], "export") == 0 ? export_receipt(&a, &err) : verify_receipt(&a, &err);
    if (rc == ERR_INVALID && strcmp(a.words[0], "export") == 0)
        return cli_usage("%s", err.text);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}
