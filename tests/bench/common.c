/* See bench.h. */
#include "tests/bench/bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void
bench_die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("bench: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(EXIT_FAILURE);
}

void
bench_must(int rc, const char *what, const struct err *err)
{
    if (rc != 0)
        bench_die("%s: %s", what, err->text);
}

uint64_t
bench_number(const char *text, const char *what)
{
    char *end = NULL;
    unsigned long long v = strtoull(text, &end, 10);
    if (end == text || *end != '\0')
        bench_die("%s: '%s' is not a whole number", what, text);
    return v;
}

uint64_t
bench_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double
bench_cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

uint64_t
bench_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

void
bench_times_add(struct bench_times *t, uint64_t ns)
{
    if (t->n == t->cap) {
        t->cap = t->cap > 0 ? t->cap * 2 : 4096;
        t->ns = realloc(t->ns, t->cap * sizeof(*t->ns));
        if (!t->ns)
            bench_die("out of memory");
    }
    t->ns[t->n++] = ns;
}

static int
by_size(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

uint64_t
bench_times_percentile(struct bench_times *t, unsigned percent)
{
    if (t->n == 0)
        return 0;
    qsort(t->ns, t->n, sizeof(*t->ns), by_size);
    return t->ns[(t->n - 1) * percent / 100];
}

void
bench_times_release(struct bench_times *t)
{
    free(t->ns);
    *t = (struct bench_times){0};
}

void
bench_iban(uint64_t n, char out[BENCH_IBAN_BYTES])
{
    uint64_t account = n % 1000000000000u;
    /* B E 0 0 behind the account number is 11 14 00 */
    uint64_t rest = (account % 97 * 1000000u + 111400u) % 97;
    snprintf(out, BENCH_IBAN_BYTES, "BE%02u%012llu", (unsigned)(98 - rest), (unsigned long long)account);
}
