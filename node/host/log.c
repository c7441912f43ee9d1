/* Log lines. See log.h. */
#include "node/host/log.h"

#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "node/host/notify.h"

enum { MESSAGE_MAX = 1024, FIELDS_MAX = 10, FIELD_MAX = MESSAGE_MAX + 32, UNIT_MAX = 16 };

const char *const log_format_names[4] = {"auto", "journal", "json", "text"};

static const char *const level_names[] = {"", "", "", "error", "warning", "notice"};

/* Looked up once, before there are threads or by the first line: the environment may change later (the unit's time zone), and getenv
 * must not meet that. */
static pthread_once_t looked = PTHREAD_ONCE_INIT;
static enum log_format form;
static bool terminal;
static char unit[UNIT_MAX];

/* JOURNAL_STREAM is inherited by whatever a service starts: it holds only if it names what standard error is now. */
static bool
in_journal(void)
{
    const char *text = getenv("JOURNAL_STREAM");
    struct stat st;
    char own[64];
    if (!text || fstat(STDERR_FILENO, &st) != 0)
        return false;
    snprintf(own, sizeof(own), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    return strcmp(own, text) == 0;
}

static void
look(void)
{
    terminal = isatty(STDERR_FILENO) == 1;
    form = in_journal() ? LOG_FORMAT_JOURNAL : terminal ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
}

void
log_open(enum log_format format, const char *unit_code)
{
    pthread_once(&looked, look);
    if (format != LOG_FORMAT_AUTO)
        form = format;
    snprintf(unit, sizeof(unit), "%s", unit_code);
}

static void
time_text(char out[40])
{
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, 40 - n, ".%03ldZ", now.tv_nsec / 1000000);
}

/* ---- the three forms ---- */

static void
set(json_t *line, const char *key, const char *value)
{
    char ascii[MESSAGE_MAX];
    if (!value || value[0] == '\0')
        return;
    json_t *text = json_string(value);
    if (!text) { /* cut within a character */
        snprintf(ascii, sizeof(ascii), "%s", value);
        for (char *p = ascii; *p; p++)
            *p = (unsigned char)*p < 0x80 ? *p : '?';
        text = json_string(ascii);
    }
    json_object_set_new(line, key, text);
}

static void
print_json(enum log_level level, const struct log_about *a, const char *text)
{
    char when[40], log[HEX32_MAX] = "";
    json_t *line = json_object();
    time_text(when);
    if (a->log)
        hex_encode(a->log->b, sizeof(a->log->b), log);
    set(line, "ts", when);
    set(line, "level", level_names[level]);
    set(line, "msg", text);
    set(line, "unit", unit);
    set(line, "code", a->code);
    set(line, "peer", a->peer);
    set(line, "log", log);
    if (a->seq > 0)
        json_object_set_new(line, "seq", json_integer((json_int_t)a->seq));
    set(line, "next", a->next);
    char *out = json_dumps(line, JSON_COMPACT);
    if (out)
        fprintf(stderr, "%s\n", out);
    free(out);
    json_decref(line);
}

struct fields {
    size_t n;
    struct iovec v[FIELDS_MAX];
    char text[FIELDS_MAX][FIELD_MAX];
};

static void
field(struct fields *f, const char *name, const char *value)
{
    if (!value || value[0] == '\0' || f->n == FIELDS_MAX)
        return;
    int n = snprintf(f->text[f->n], FIELD_MAX, "%s=%s", name, value);
    size_t len = n < FIELD_MAX ? (size_t)n : FIELD_MAX - 1;
    f->v[f->n] = (struct iovec){f->text[f->n], len};
    f->n++;
}

static bool
to_journal(enum log_level level, const struct log_about *a, const char *text)
{
    struct fields f = {.n = 0};
    char number[24], log[HEX32_MAX] = "";
    field(&f, "MESSAGE", text);
    snprintf(number, sizeof(number), "%d", (int)level);
    field(&f, "PRIORITY", number);
    field(&f, "SYSLOG_IDENTIFIER", "smartnode");
    field(&f, "UNIT", unit);
    field(&f, "CODE", a->code);
    field(&f, "PEER", a->peer);
    if (a->log)
        field(&f, "LOG", hex_encode(a->log->b, sizeof(a->log->b), log));
    snprintf(number, sizeof(number), "%llu", (unsigned long long)a->seq);
    field(&f, "SEQ", a->seq > 0 ? number : NULL);
    field(&f, "NEXT", a->next);
    return notify_journal(f.v, f.n);
}

static void
print_text(enum log_level level, const char *text)
{
    char when[40];
    const char *colon = level == LOG_NOTICE ? "" : ": ", *name = level == LOG_NOTICE ? "" : level_names[level];
    time_text(when);
    if (terminal)
        fprintf(stderr, "smartnode: %s%s%s\n", name, colon, text);
    else
        fprintf(stderr, "%s smartnode: %s%s%s\n", when, name, colon, text);
}

static void
write_line(enum log_level level, const struct log_about *about, const char *fmt, va_list ap)
{
    static const struct log_about nothing;
    const struct log_about *a = about ? about : &nothing;
    char text[MESSAGE_MAX];
    pthread_once(&looked, look);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
    if (a->next && a->next[0] != '\0')
        snprintf(text + len, sizeof(text) - len, "; %s", a->next);
    for (unsigned char *p = (unsigned char *)text; *p; p++)
        if (*p < ' ' || *p == 0x7f)
            *p = ' ';
    if (form == LOG_FORMAT_JSON)
        print_json(level, a, text);
    else if (form == LOG_FORMAT_TEXT)
        print_text(level, text);
    else if (!to_journal(level, a, text))
        fprintf(stderr, "<%d>%s\n", (int)level, text);
}

void
log_write(enum log_level level, const struct log_about *about, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    write_line(level, about, fmt, ap);
    va_end(ap);
}

void
log_line(enum log_level level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    write_line(level, NULL, fmt, ap);
    va_end(ap);
}

struct log_about
log_about_err(const struct err *err)
{
    struct log_about a = {.code = err_name(err->code)};
    switch (err->code) {
    case ERR_FULL:
        a.next = "make room where the data directory is, or raise the map that is named; the node goes on by itself";
        break;
    case ERR_IO:
        a.next = "look at the disk: journalctl -k; a damaged one is replaced, then the last copy restored";
        break;
    case ERR_NOMEM: a.next = "give the machine more memory, or see who uses it; it is tried again"; break;
    case ERR_CORRUPT:
    case ERR_FORGED: a.next = "stop the node and run smartnode verify"; break;
    default: break;
    }
    return a;
}
