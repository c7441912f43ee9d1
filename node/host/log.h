/* Log lines on standard error, for the journal: text, or one JSON object each. Only host and api log, once, without personal data.
 * Any thread. */
#ifndef SMARTNODE_HOST_LOG_H
#define SMARTNODE_HOST_LOG_H

#include "proto/base/err.h"

#include <stdbool.h>

enum log_level { LOG_ERROR = 3, LOG_WARNING = 4, LOG_NOTICE = 5 }; /* numbers of syslog(3), which the journal reads */

void log_format_json(bool json);
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
