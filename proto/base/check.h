/* Assertions that stay on in release builds. MUST() states an invariant of our own code; it must never be reachable by what a
 * peer, a disk, a client or a configuration sent. A failed MUST ends the process at once: the database is valid at every
 * instant, so stopping is always safe. */
#ifndef SMARTNODE_BASE_CHECK_H
#define SMARTNODE_BASE_CHECK_H

#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define MUST(cond) ((cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__))

/* Prints the condition to standard error and aborts. */
void check_failed(const char *cond, const char *file, int line) __attribute__((noreturn, cold));

/* Prints a line to standard error for a caller that ends the process at once for a reason other than an invariant: a disk that
 * failed while writing. Nothing else is said this way. */
void check_last_words(const char *line) __attribute__((cold));

#endif
