/* What smartnode member duplicates and smartnode peer lookups print. Used by cmd_member.c and cmd_peer.c. docs/OPERATIONS.md "The desk's day". */
#ifndef SMARTNODE_CLI_CMD_DUPLICATES_H
#define SMARTNODE_CLI_CMD_DUPLICATES_H

#include "node/cli/desk.h"
#include "node/host/datadir.h"

/* Members of the own unit who are members elsewhere too, as the running node lists them. */
int duplicates_print(struct http *h, bool as_json, struct err *err) NODISCARD;
/* The record of questions in both directions, from the data directory, the oldest first. */
int lookups_print(struct datadir *d, struct err *err) NODISCARD;

#endif
