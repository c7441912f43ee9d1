/* See cli.h and cli_common.h. */
#include "node/cli/cli_common.h"

#include <stdarg.h>
#include <unistd.h>

#include "node/exchange/values.h"

enum { PROGRESS_EVERY_MS = 200, PROGRESS_AFTER_MS = 400 };

int
cli_fail(const struct err *err)
{
    if (err->field[0] != '\0' && !strstr(err->text, err->field))
        fprintf(stderr, "smartnode: %s: %s\n", err->field, err->text);
    else
        fprintf(stderr, "smartnode: %s\n", err->text);
    switch (err->code) {
    case ERR_BUSY: return EXIT_BUSY;
    case ERR_UNAVAILABLE: return EXIT_NOT_RUNNING;
    /* Whoever supervises the node need not try again. */
    case ERR_INVALID: return strstr(err->text, "smartnode.conf line ") ? EXIT_USAGE : EXIT_ERROR;
    default: return EXIT_ERROR;
    }
}

int
cli_usage(const char *fmt, ...)
{
    va_list args;
    fputs("smartnode: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputs("\n", stderr);
    return EXIT_USAGE;
}

bool
cli_common_option(struct cli_common *c, int key, char *arg)
{
    switch (key) {
    case OPT_DATA: c->data = arg; return true;
    case OPT_URL: c->url = arg; return true;
    case OPT_TOKEN_FILE: c->token_file = arg; return true;
    case OPT_JSON: c->json = true; return true;
    default: return false;
    }
}

static bool
take_bound(const struct cli_taking *t, int key, char *arg, uint8_t *args)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->bindings[i].key != key)
            continue;
        if (t->bindings[i].flag)
            *(bool *)(args + t->bindings[i].at) = true;
        else
            *(const char **)(args + t->bindings[i].at) = arg ? arg : "yes";
        return true;
    }
    return false;
}

error_t
cli_take(const struct cli_taking *t, int key, char *arg, struct argp_state *state)
{
    uint8_t *args = state->input;
    size_t *n = (size_t *)(args + t->n_words);
    const char **words = (const char **)(args + t->words);
    if (cli_common_option((struct cli_common *)(args + t->common), key, arg) || take_bound(t, key, arg, args))
        return 0;
    switch (key) {
    case ARGP_KEY_ARG:
        if (*n == t->words_max)
            argp_error(state, "unexpected argument: %s", arg);
        words[(*n)++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (*n == 0 && t->no_words)
            argp_error(state, "%s", t->no_words);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

void
cli_parse(const struct argp *argp, const char *name, int argc, char **argv, void *input)
{
    static char full[64];
    char *first = argv[0];
    snprintf(full, sizeof(full), "smartnode %s", name);
    argp_err_exit_status = EXIT_USAGE;
    argv[0] = full;
    if (argp_parse(argp, argc, argv, 0, NULL, input) != 0)
        exit(EXIT_USAGE);
    argv[0] = first;
}

int
cli_open(const char *data_or_null, enum datadir_mode mode, struct datadir *ret, struct err *err)
{
    char path[PATH_BYTES_MAX];
    int rc = datadir_find(data_or_null, path, err);
    return rc != 0 ? rc : datadir_open(path, mode, ret, err);
}

int
cli_base_of(const struct config *c, char ret[HTTP_URL_MAX], struct err *err)
{
    const char *host = c->http_listen;
    if (c->http_port == 0)
        return err_set(err, ERR_INVALID,
                       "the configuration leaves the HTTP port to the system: give the node's address with --url");
    if (host[0] == '\0' || strcmp(host, "0.0.0.0") == 0)
        host = "127.0.0.1";
    else if (strcmp(host, "::") == 0)
        host = "::1";
    snprintf(ret, HTTP_URL_MAX, strchr(host, ':') ? "%s://[%s]:%u" : "%s://%s:%u",
             c->tls_cert[0] != '\0' ? "https" : "http", host, (unsigned)c->http_port);
    return 0;
}

int
cli_print(const struct buf *b, struct err *err)
{
    int rc = buf_check(b, "answer", err);
    if (rc != 0)
        return rc;
    if (fwrite(b->data, 1, b->len, stdout) != b->len || putchar('\n') == EOF || fflush(stdout) != 0)
        return err_errno(err, "standard output");
    return 0;
}

const char *
cli_number(int64_t v, char out[CLI_NUMBER_MAX])
{
    char digits[CLI_NUMBER_MAX];
    int n = snprintf(digits, sizeof(digits), "%lld", (long long)(v < 0 ? -v : v)), at = 0;
    if (v < 0)
        out[at++] = '-';
    for (int i = 0; i < n && at < CLI_NUMBER_MAX - 2; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            out[at++] = ' ';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

static const char *
money(int64_t minor, const char *currency, bool grouped, char out[CLI_MONEY_MAX])
{
    char whole[CLI_NUMBER_MAX];
    int decimals = currency_decimals(currency);
    uint64_t v = minor < 0 ? 0 - (uint64_t)minor : (uint64_t)minor, scale = 1;
    for (int i = 0; i < decimals; i++)
        scale *= 10;
    if (grouped)
        cli_number((int64_t)(v / scale), whole);
    else
        snprintf(whole, sizeof(whole), "%llu", (unsigned long long)(v / scale));
    if (decimals == 0)
        snprintf(out, CLI_MONEY_MAX, "%s%s", minor < 0 ? "-" : "", whole);
    else
        snprintf(out, CLI_MONEY_MAX, "%s%s.%0*llu", minor < 0 ? "-" : "", whole, decimals,
                 (unsigned long long)(v % scale));
    return out;
}

const char *
cli_money(int64_t minor, const char *currency, char out[CLI_MONEY_MAX])
{
    return money(minor, currency, true, out);
}

const char *
cli_money_plain(int64_t minor, const char *currency, char out[CLI_MONEY_MAX])
{
    return money(minor, currency, false, out);
}

int
cli_width(const char *text)
{
    int n = 0;
    for (const char *p = text; *p != '\0'; p++)
        n += ((unsigned char)*p & 0xc0) != 0x80;
    return n;
}

void
cli_cell(const char *text, int width, bool right)
{
    int pad = width - cli_width(text);
    if (right && pad > 0)
        printf("%*s", pad, "");
    fputs(text, stdout);
    if (!right && pad > 0)
        printf("%*s", pad, "");
}

const char *
cli_age(int64_t seconds, char out[CLI_NUMBER_MAX])
{
    static const struct {
        int64_t unit;
        const char *name;
    } UNITS[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(UNITS) && seconds < 2 * UNITS[i].unit)
        i++;
    snprintf(out, CLI_NUMBER_MAX, "%lld %s", (long long)(seconds / UNITS[i].unit), UNITS[i].name);
    return out;
}

void
cli_progress_begin(struct cli_progress *p, const char *what)
{
    *p = (struct cli_progress){.what = what, .terminal = isatty(STDERR_FILENO) == 1, .begun = mono_now()};
    p->last = p->begun;
}

void
cli_progress_update(struct cli_progress *p, uint64_t done, uint64_t total, uint64_t n)
{
    if (!p->terminal)
        return;
    struct mono_ms now = mono_now();
    int64_t since = now.ms - p->begun.ms;
    if (now.ms - p->last.ms < PROGRESS_EVERY_MS || since < PROGRESS_AFTER_MS || done == 0 || total == 0)
        return;
    char number[CLI_NUMBER_MAX], rate[CLI_NUMBER_MAX];
    int64_t left_s = (int64_t)((double)since * (double)(total - (done < total ? done : total)) / (double)done / 1000.0);
    fprintf(stderr, "\r\033[K%3u %%  %s %s, %s/s, %lld:%02lld left", (unsigned)(done * 100 / total),
            cli_number((int64_t)n, number), p->what, cli_number((int64_t)(n * 1000 / (uint64_t)since), rate),
            (long long)(left_s / 60), (long long)(left_s % 60));
    fflush(stderr);
    p->shown = true;
    p->last = now;
}

void
cli_progress_end(struct cli_progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}

int
cli_read_text(const char *path, struct buf *out, struct err *err)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    uint8_t chunk[4096];
    size_t n;
    if (!f)
        return err_errno(err, "%s", path);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_put(out, chunk, n);
    bool bad = ferror(f) != 0;
    if (f != stdin)
        fclose(f);
    return bad ? err_set(err, ERR_IO, "%s: cannot be read", path) : buf_check(out, path, err);
}

bool
cli_card_confirmed(const struct unit_card *card, bool yes)
{
    char words[FINGERPRINT_WORDS_MAX], date[DATE_TEXT_MAX], answer[16] = "";
    card_fingerprint(card, words);
    fprintf(stderr, "Unit %s, %s\nFederation %s, %s\nCard issued on %s\nWords:\n  %s\n", card->unit_code,
            card->unit_name.s, card->federation_name.s, card->production ? "production" : "test",
            date_format(card->issued_on, date), words);
    for (uint8_t i = 0; i < card->n_endpoints; i++)
        fprintf(stderr, "Address %s\n", card->endpoints[i]);
    if (yes)
        return true;
    if (!isatty(STDIN_FILENO)) {
        fprintf(stderr, "Compare the words by telephone, then run again with --yes.\n");
        return false;
    }
    fprintf(stderr, "Did the other unit read out the same words? yes/no: ");
    return fgets(answer, sizeof(answer), stdin) && strcmp(answer, "yes\n") == 0;
}
