/* A running node: writer, net loop, HTTP server and upkeep of one data directory. docs/ARCHITECTURE.md "Threads". */
#ifndef SMARTNODE_HOST_DAEMON_H
#define SMARTNODE_HOST_DAEMON_H

#include "proto/base/err.h"

/* Runs the node of the data directory until SIGTERM or SIGINT; SIGHUP reads the pinned peers again. Once for each process and on its main
 * thread, before any other is there: it blocks those signals. Returns 0 after an orderly stop, or why it could not start: ERR_BUSY (another
 * process has the directory), ERR_INVALID (configuration, keys), ERR_IO and what opening the data says. */
int daemon_run(const char *path, struct err *err) NODISCARD;

#endif
