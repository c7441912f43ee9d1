/* See prometheus.h. */
#include "node/api/prometheus.h"

#include <stdio.h>
#include <string.h>

static void
put(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text));
}

void
prom_family(struct buf *b, const char *name, const char *type, const char *help)
{
    put(b, "# HELP ");
    put(b, name);
    put(b, " ");
    put(b, help);
    put(b, "\n# TYPE ");
    put(b, name);
    put(b, " ");
    put(b, type);
    put(b, "\n");
}

static void
put_name(struct buf *b, const char *name, const char *label, const char *value)
{
    put(b, name);
    if (label != NULL) {
        put(b, "{");
        put(b, label);
        put(b, "=\"");
        for (const char *p = value; *p != '\0'; p++) {
            if (*p == '"' || *p == '\\') {
                put(b, "\\");
            }
            buf_put(b, p, 1);
        }
        put(b, "\"}");
    }
    put(b, " ");
}

void
prom_sample(struct buf *b, const char *name, const char *label, const char *label_value, uint64_t v)
{
    char number[24];

    put_name(b, name, label, label_value);
    snprintf(number, sizeof(number), "%llu\n", (unsigned long long)v);
    put(b, number);
}

void
prom_sample_milli(struct buf *b, const char *name, const char *label, const char *label_value, int64_t v)
{
    char number[32];
    int64_t size = v < 0 ? -v : v;

    put_name(b, name, label, label_value);
    snprintf(number, sizeof(number), "%s%lld.%03lld\n", v < 0 ? "-" : "", (long long)(size / 1000),
             (long long)(size % 1000));
    put(b, number);
}

void
prom_one(struct buf *b, const char *name, const char *type, const char *help, uint64_t v)
{
    prom_family(b, name, type, help);
    prom_sample(b, name, NULL, NULL, v);
}

void
prom_one_milli(struct buf *b, const char *name, const char *type, const char *help, int64_t v)
{
    prom_family(b, name, type, help);
    prom_sample_milli(b, name, NULL, NULL, v);
}
