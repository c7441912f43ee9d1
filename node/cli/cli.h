/* The commands of the program. Each is main() of its own: argc and argv begin with the command's name, the return value is the exit
 * status (docs/OPERATIONS.md "Exit status"). All take --data DIR (datadir_find) and --help; those with results take --json. */
#ifndef SMARTNODE_CLI_CLI_H
#define SMARTNODE_CLI_CLI_H

#include <stdbool.h>

#include "proto/base/err.h"

enum exit_status {
    EXIT_OK = 0,
    EXIT_ERROR = 1,       /* it was not done; the message says why */
    EXIT_USAGE = 2,       /* options, arguments, configuration */
    EXIT_PARTLY = 3,      /* import: some rows were rejected; verify, diff: something does not fit */
    EXIT_NOT_RUNNING = 4, /* no node answers */
    EXIT_BUSY = 5,        /* another process has the data directory */
};

int cmd_init(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_card(int argc, char **argv);
int cmd_peer(int argc, char **argv);
int cmd_token(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_member(int argc, char **argv);
/* What of smartnode member is about grants and passes (cmd_access.c), by its first word. */
bool cmd_access_word(const char *word);
int cmd_member_access(int argc, char **argv);
/* What of it is about visits, proposals and requests (cmd_visits.c), by its first word. */
bool cmd_visits_word(const char *word);
int cmd_member_visits(int argc, char **argv);
/* Of smartnode member handover and member double (cmd_handover.c, cmd_double.c). */
int cmd_member_handover(int argc, char **argv);
int cmd_member_double(int argc, char **argv);
int cmd_handovers(int argc, char **argv);
int cmd_pass(int argc, char **argv);
int cmd_activity(int argc, char **argv);
int cmd_invoice(int argc, char **argv);
int cmd_posting(int argc, char **argv);
int cmd_erase(int argc, char **argv);
int cmd_erasures(int argc, char **argv);
int cmd_retention(int argc, char **argv);
int cmd_period(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_receipt(int argc, char **argv);
int cmd_prove(int argc, char **argv);
int cmd_rebuild(int argc, char **argv);
int cmd_unit(int argc, char **argv);
int cmd_count(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_rekey(int argc, char **argv);
int cmd_recover(int argc, char **argv);
int cmd_custodian(int argc, char **argv);

/* "smartnode: text" on standard error; returns the exit status that fits the error. */
int cli_fail(const struct err *err);
int cli_usage(const char *fmt, ...) PRINTF_LIKE(1, 2); /* EXIT_USAGE */

#endif
