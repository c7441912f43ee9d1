/* What the commands share: parsing of options, answers for people, progress on a terminal. Used by node/cli/cmd_*.c alone. */
#ifndef SMARTNODE_CLI_CLI_COMMON_H
#define SMARTNODE_CLI_CLI_COMMON_H

#include <argp.h>

#include "node/cli/cli.h"
#include "node/exchange/http_client.h"
#include "node/host/datadir.h"

/* Keys of options that several commands have; a command's own short options are letters. */
enum { OPT_DATA = 'd', OPT_JSON = 0x1000, OPT_URL, OPT_TOKEN_FILE, OPT_OWN };
/* clang-format off */
#define CLI_OPTION_DATA {"data", OPT_DATA, "DIR", 0, "Data directory (else $SMARTNODE_DATA, ./ or /var/lib/smartnode)", 10}
#define CLI_OPTION_JSON {"json", OPT_JSON, NULL, 0, "Answer as JSON", 11}
#define CLI_OPTION_URL {"url", OPT_URL, "URL", 0, "Address of the node (else that of the data directory's configuration)", 10}
#define CLI_OPTION_TOKEN {"token-file", OPT_TOKEN_FILE, "FILE", 0, "File that holds the token (else $SMARTNODE_TOKEN)", 10}
#define CLI_OPTION_END {0}
/* clang-format on */

/* What these options said. */
struct cli_common {
    const char *data, *url, *token_file;
    bool json;
};
/* True if key was one of the above. */
bool cli_common_option(struct cli_common *c, int key, char *arg);

/* Where an option's text goes in the struct of a command's arguments, or the bool that it sets. Text of an option that may stand without is
 * "yes". */
struct cli_binding {
    int key;
    bool flag;
    size_t at;
};
#define CLI_BIND(type, key, field)                                                                     \
    {                                                                                                  \
        key, _Generic(((type *)NULL)->field, bool : true, const char * : false), offsetof(type, field) \
    }
/* How a command takes its arguments: the common options, its own by their bindings, all else as words. */
struct cli_taking {
    const struct cli_binding *bindings;
    size_t n, common, n_words, words, words_max;
    const char *no_words; /* wrong usage if there are none; NULL: there may be none */
};
/* type has the members common, n_words and words. */
#define CLI_TAKING(type, bindings, no_words)                                                                   \
    {                                                                                                          \
        bindings, ARRAY_LEN(bindings), offsetof(type, common), offsetof(type, n_words), offsetof(type, words), \
            ARRAY_LEN(((type *)NULL)->words), no_words                                                         \
    }
/* For a parser of argp; state->input is the struct. */
error_t cli_take(const struct cli_taking *t, int key, char *arg, struct argp_state *state);

/* argp_parse as "smartnode NAME"; wrong usage ends the process with EXIT_USAGE, --help with EXIT_OK. */
void cli_parse(const struct argp *argp, const char *name, int argc, char **argv, void *input);

/* Finds and opens the data directory as datadir_open. */
int cli_open(const char *data_or_null, enum datadir_mode mode, struct datadir *ret, struct err *err) NODISCARD;

/* Address of the node that has a data directory, from its configuration. ERR_INVALID if it serves no HTTP at a fixed port. */
int cli_base_of(const struct config *c, char ret[HTTP_URL_MAX], struct err *err) NODISCARD;

/* Writes b and a line's end to standard output. ERR_IO, ERR_NOMEM, ERR_LIMIT. */
int cli_print(const struct buf *b, struct err *err) NODISCARD;

/* Appends a file, or standard input for "-", to out. ERR_IO, ERR_LIMIT, ERR_NOMEM. */
int cli_read_text(const char *path, struct buf *out, struct err *err) NODISCARD;
/* Shows a card with its words; true if yes was given or is answered on a terminal. */
bool cli_card_confirmed(const struct unit_card *card, bool yes);

/* "12 345" with thin grouping for people. Returns out. */
enum { CLI_NUMBER_MAX = 32 };
const char *cli_number(int64_t v, char out[CLI_NUMBER_MAX]);

/* An amount in the decimals of its currency: "1 234.50" of EUR, "1 234" of a currency without. Returns out. */
enum { CLI_MONEY_MAX = 48 };
const char *cli_money(int64_t minor, const char *currency, char out[CLI_MONEY_MAX]);
/* The same for a program: "1234.50". */
const char *cli_money_plain(int64_t minor, const char *currency, char out[CLI_MONEY_MAX]);

/* Prints text in a column of so many characters, to the right if asked; longer text pushes on. */
void cli_cell(const char *text, int width, bool right);
/* Characters (not bytes) of UTF-8 text. */
int cli_width(const char *text);
/* "3 s", "4 min", "2 h", "5 d". Returns out. */
const char *cli_age(int64_t seconds, char out[CLI_NUMBER_MAX]);

/* ---- progress: one line on a terminal's standard error, rewritten; nothing elsewhere ---- */
struct cli_progress {
    const char *what; /* "rows" */
    bool shown, terminal;
    struct mono_ms begun, last;
};
void cli_progress_begin(struct cli_progress *p, const char *what);
/* done of total steer the time left; n is what is counted for people. */
void cli_progress_update(struct cli_progress *p, uint64_t done, uint64_t total, uint64_t n);
void cli_progress_end(struct cli_progress *p); /* takes the line away */

#endif
