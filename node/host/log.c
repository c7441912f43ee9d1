/* Log lines. See log.h. */
#include "node/host/log.h"

#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LINE_MAX_BYTES = 1024 };

/* Looked up once: the environment may change later (the unit's time zone), and getenv must not meet that. */
static pthread_once_t looked = PTHREAD_ONCE_INIT;
static bool as_json, in_journal;

static void
look(void)
{
    in_journal = getenv("JOURNAL_STREAM") != NULL;
}

void
log_format_json(bool json)
{
    as_json = json;
}

static void
print_json(enum log_level level, const char *text)
{
    char when[40];
    struct timespec now;
    struct tm tm;
    static const char *const names[] = {"", "", "", "error", "warning", "notice"};
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(when + n, sizeof(when) - n, ".%03ldZ", now.tv_nsec / 1000000);
    json_t *line = json_pack("{s:s, s:s, s:s}", "time", when, "level", names[level], "message", text);
    char *out = line ? json_dumps(line, JSON_COMPACT) : NULL;
    if (out)
        fprintf(stderr, "%s\n", out);
    free(out);
    json_decref(line);
}

void
log_line(enum log_level level, const char *fmt, ...)
{
    char text[LINE_MAX_BYTES];
    va_list ap;
    pthread_once(&looked, look);
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (char *p = text; *p; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    if (as_json)
        print_json(level, text);
    else if (in_journal)
        fprintf(stderr, "<%d>%s\n", (int)level, text);
    else
        fprintf(stderr, "smartnode: %s\n", text);
}
