/* The program's main: finds the command. Everything else is in the commands (cli.h). */
#include <argp.h>
#include <stdio.h>

#include "node/cli/cli.h"
#include "proto/crypto.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
};

static const struct command commands[] = {
    {"init", cmd_init, "make a new node: keys, data directory, first events"},
    {"run", cmd_run, "run the node"},
    {"status", cmd_status, "what the node holds, whom it hears, what needs attention"},
    {"card", cmd_card, "print this unit's card for the peers"},
    {"peer", cmd_peer, "trust a unit's card, list and remove peers"},
    {"token", cmd_token, "make, list and revoke the tokens of people and systems"},
    {"member", cmd_member, "find, show and change members on the running node"},
    {"pass", cmd_pass, "verify a pass that a member of another unit shows"},
    {"handovers", cmd_handovers, "who moves to or from this unit, and who has to act next"},
    {"activity", cmd_activity, "open, show and change activities on the running node"},
    {"invoice", cmd_invoice, "issue, show, correct and credit invoices on the running node"},
    {"posting", cmd_posting, "record, show and change postings abroad on the running node"},
    {"unit", cmd_unit, "who stands in for the unit, and its orderly end"},
    {"period", cmd_period, "close a year, and see what has changed in it since"},
    {"erase", cmd_erase, "erase or restrict what is known of a member, at every unit"},
    {"erasures", cmd_erasures, "which units have confirmed an erasure, and who is silent"},
    {"retention", cmd_retention, "what is kept beyond its legal date"},
    {"import", cmd_import, "bring in a register: members, activities, invoices, CSV or NDJSON"},
    {"export", cmd_export, "write all that the unit has, in files that can be imported"},
    {"report", cmd_report, "members, flows, activity, postings and share register, of any unit"},
    {"receipt", cmd_receipt, "prove one event to somebody else, or check such a proof"},
    {"verify", cmd_verify, "check everything that is stored"},
    {"rebuild", cmd_rebuild, "make the state anew from the logs"},
    {"count", cmd_count, "count the people active in months that are over"},
    {"diff", cmd_diff, "compare two nodes' states"},
    {"rekey", cmd_rekey, "new keys by the root key; revoke lost ones, resume a frozen log"},
    {"recover", cmd_recover, "a new directory for a unit whose own is gone, from a peer's or over the network"},
    {"custodian", cmd_custodian, "keys and certificate for who is to write for a unit once it is gone"},
    {"config", cmd_config, "check the configuration"},
};

static void
help(FILE *to)
{
    fprintf(to, "Usage: smartnode COMMAND [OPTION…]\n\nA node of one unit of the federation.\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(to, "  %-9s  %s\n", commands[i].name, commands[i].what);
    fprintf(to, "\nsmartnode COMMAND --help says more of each. A first node: smartnode init --help.\n");
}

int
main(int argc, char **argv)
{
    struct err err = {0};
    if (argc < 2) {
        help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        help(stdout);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("smartnode %s\n", SMARTNODE_VERSION);
        return EXIT_OK;
    }
    if (crypto_init(&err) != 0)
        return cli_fail(&err);
    argp_err_exit_status = EXIT_USAGE;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            char name[32];
            snprintf(name, sizeof(name), "smartnode %s", commands[i].name);
            argv[1] = name;
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    return cli_usage("no command %.40s; smartnode --help lists them", argv[1]);
}
