/* Errors: filling and wrapping. See err.h. */
#include "proto/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void
fill(struct err *e, enum err_code code, const char *field, const char *fmt, va_list ap)
{
    e->code = code;
    snprintf(e->field, sizeof(e->field), "%s", field);
    vsnprintf(e->text, sizeof(e->text), fmt, ap);
}

int
err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    if (e) {
        va_list ap;
        va_start(ap, fmt);
        fill(e, code, "", fmt, ap);
        va_end(ap);
    }
    return code;
}

int
err_field(struct err *e, enum err_code code, const char *field, const char *fmt, ...)
{
    if (e) {
        va_list ap;
        va_start(ap, fmt);
        fill(e, code, field, fmt, ap);
        va_end(ap);
    }
    return code;
}

int
err_wrap(struct err *e, const char *fmt, ...)
{
    if (!e)
        return ERR_INVALID;
    char inner[ERR_TEXT_MAX];
    memcpy(inner, e->text, sizeof(inner));
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(e->text, sizeof(e->text), fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof(e->text) - 3) {
        size_t room = sizeof(e->text) - (size_t)n - 3;
        size_t len = strnlen(inner, sizeof(inner) - 1);
        len = len < room ? len : room;
        memcpy(e->text + n, ": ", 2);
        memcpy(e->text + n + 2, inner, len);
        e->text[(size_t)n + 2 + len] = '\0';
    }
    return e->code;
}

int
err_errno(struct err *e, const char *fmt, ...)
{
    int os = errno;
    enum err_code code = os == ENOSPC || os == EDQUOT ? ERR_FULL : os == ENOMEM ? ERR_NOMEM : ERR_IO;
    if (e) {
        va_list ap;
        va_start(ap, fmt);
        fill(e, code, "", fmt, ap);
        va_end(ap);
        size_t n = strlen(e->text);
        char reason[96];
        const char *text = strerror_r(os, reason, sizeof(reason));
        snprintf(e->text + n, sizeof(e->text) - n, ": %s", text);
    }
    return code;
}

void
err_clear(struct err *e)
{
    if (e) {
        e->code = ERR_NONE;
        e->field[0] = '\0';
        e->text[0] = '\0';
    }
}

const char *
err_name(enum err_code code)
{
    switch (code) {
    case ERR_NONE: return "none";
    case ERR_NOMEM: return "no-memory";
    case ERR_INVALID: return "invalid";
    case ERR_LIMIT: return "limit";
    case ERR_NOTFOUND: return "not-found";
    case ERR_EXISTS: return "exists";
    case ERR_CONFLICT: return "conflict";
    case ERR_DENIED: return "denied";
    case ERR_FORGED: return "forged";
    case ERR_FULL: return "full";
    case ERR_IO: return "io";
    case ERR_CORRUPT: return "corrupt";
    case ERR_VERSION: return "version";
    case ERR_BUSY: return "busy";
    case ERR_UNTRUSTED: return "untrusted";
    case ERR_FEDERATION: return "federation";
    case ERR_FORK: return "fork";
    case ERR_WAITING: return "waiting";
    case ERR_UNKNOWN_KIND: return "unknown-kind";
    case ERR_UNAVAILABLE: return "unavailable";
    }
    return "unknown";
}
