/* Shared by the benchmarks: the clock, numbers by seed, percentiles, invented members, one JSON line as the result. A benchmark that
 * cannot go on says why and ends with status 1. Single-threaded. */
#ifndef SMARTNODE_TESTS_BENCH_H
#define SMARTNODE_TESTS_BENCH_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

_Noreturn void bench_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Dies with the error's text if rc is not 0. */
void bench_must(int rc, const char *what, const struct err *err);
/* A whole number from the command line, or death. */
uint64_t bench_number(const char *text, const char *what);

uint64_t bench_ns(void);
/* Of this process so far: what a busy machine changes less. */
double bench_cpu_seconds(void);
/* splitmix64 (Steele, Lea, Flood, 2014). */
uint64_t bench_random(uint64_t *state);

/* Grows as needed; percentile sorts. */
struct bench_times {
    uint64_t *ns;
    size_t n, cap;
};
void bench_times_add(struct bench_times *t, uint64_t ns);
/* Nanoseconds below which `percent` of the values lie; 0 if there are none. */
uint64_t bench_times_percentile(struct bench_times *t, unsigned percent);
void bench_times_release(struct bench_times *t);

/* A valid account number of the invented member n: BE, check digits by ISO 13616. */
enum { BENCH_IBAN_BYTES = 17 };
void bench_iban(uint64_t n, char out[BENCH_IBAN_BYTES]);

#endif
