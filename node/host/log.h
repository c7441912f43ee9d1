/* What the node says of itself, for the journal, for a collector (JSON lines) or for a terminal (text). Only host and api log, once,
 * without personal data; a line names peer, log and position, and what to do next. docs/OPERATIONS.md "Log". Any thread. */
#ifndef SMARTNODE_HOST_LOG_H
#define SMARTNODE_HOST_LOG_H

#include <stdbool.h>

#include "proto/base/err.h"
#include "proto/base/types.h"

enum log_level { LOG_ERROR = 3, LOG_WARNING = 4, LOG_NOTICE = 5 }; /* numbers of syslog(3), which the journal reads */

/* AUTO: the journal if standard error is connected to it, text on a terminal, else JSON lines. All go to standard error, JOURNAL
 * straight to the journal where there is one. */
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_JOURNAL, LOG_FORMAT_JSON, LOG_FORMAT_TEXT };
extern const char *const log_format_names[4]; /* as in the configuration */

/* What a line is about; any part may be left out (NULL, zero). Texts are borrowed. */
struct log_about {
    const char *code; /* short stable word to filter by: "fork", "full" */
    const char *peer; /* code of the other unit */
    const struct log_id *log;
    uint64_t seq;
    const char *next; /* what the operator does now; goes behind the message, too */
};

/* From then on lines have that form and name the own unit; before, AUTO without a unit. Not while others log. unit_code is copied. */
void log_open(enum log_format format, const char *unit_code);
void log_write(enum log_level level, const struct log_about *about, const char *fmt, ...) PRINTF_LIKE(3, 4);
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* About an error: its code, and what is to be done about such. */
struct log_about log_about_err(const struct err *err);

#endif
