/* What the parts of `smartnode unit` share. Private to node/cli/cmd_unit*.c. */
#ifndef SMARTNODE_CLI_CMD_UNIT_H
#define SMARTNODE_CLI_CMD_UNIT_H

#include "node/cli/desk.h"

/* Closes every open activity of the own unit and ends every posting that runs longer, in the order of their random ids, which
 * does not follow the persons; prints how many. *ret_exit: EXIT_PARTLY if some were refused. Errors: ERR_INVALID (on: no date), and of asking the node. */
int unit_end_work(struct http *h, const char *on, bool as_json, int *ret_exit, struct err *err) NODISCARD;

#endif
