/* What smartnode status says of a running node: what is wrong first, with what to do, then peers and store. From the answers of
 * GET /v1/status and GET /v1/peers. */
#ifndef SMARTNODE_CLI_STATUS_SHOW_H
#define SMARTNODE_CLI_STATUS_SHOW_H

#include <jansson.h>

/* What needs somebody's attention: an array of texts, empty if all is well. The caller's; NULL: out of memory. */
json_t *status_problems(const json_t *status, const json_t *peers);
/* For people, on standard output. peers: the array. */
void status_show(const json_t *status, const json_t *peers, const json_t *problems);

#endif
