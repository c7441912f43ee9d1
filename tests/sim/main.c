/* Runs seeds. Each process takes every n-th one; a process that dies names its seed and is replaced, so one bad seed costs no other.
 *
 *   sim [--seed=N] [--seeds=M] [--nodes=K] [--events=E] [--jobs=J] [--narrate] [--keep]
 *
 * A failing seed prints the command that replays it with narration. Of more than one seed it tells what happened in them,
 * and of WHOLE_RUN or more with the workload and units of each seed's own anything that never did is a failure. The last line: "sim: N seeds passed, M failed". */
#include "tests/sim/sim.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TWICE_EVERY = 40, JOBS_MAX = 16, WHOLE_RUN = 300 };

static struct rng library_rng;

/* libsodium's own randomness, for what draws it without asking us. */
static const char *
random_name(void)
{
    return "sim";
}

static uint32_t
random_u32(void)
{
    return (uint32_t)rng_next(&library_rng);
}

static void
random_fill(void *const out, const size_t len)
{
    rng_fill(&library_rng, out, len);
}

static struct randombytes_implementation library_random = {
    .implementation_name = random_name, .random = random_u32, .buf = random_fill};

/* What a child tells its parent of one seed. */
struct result {
    uint64_t seed, trace;
    bool started, passed;
    uint64_t cover[COVER_N], cuts[STEP_N][CUT_COLUMNS];
};

struct sums {
    uint64_t passed, failed, trace, cover[COVER_N], cuts[STEP_N][CUT_COLUMNS];
};

static void
add(struct sums *s, const struct result *r)
{
    *(r->passed ? &s->passed : &s->failed) += 1;
    s->trace += mix64(r->trace ^ r->seed);
    for (size_t i = 0; i < COVER_N; i++)
        s->cover[i] += r->cover[i];
    for (size_t i = 0; i < STEP_N; i++)
        for (size_t k = 0; k < CUT_COLUMNS; k++)
            s->cuts[i][k] += r->cuts[i][k];
}

static bool
run_seed(const struct sim_options *o, uint64_t seed, struct result *ret)
{
    static struct world w;
    library_rng.state = mix64(seed + 99);
    world_run(&w, o, seed);
    *ret = (struct result){.seed = seed, .trace = w.trace, .passed = !w.failed};
    coverage_of(&w, ret->cover);
    memcpy(ret->cuts, w.cuts, sizeof(w.cuts));
    if (w.failed) {
        printf("%sseed %llu: %s\n", isatty(1) ? "\r" : "", (unsigned long long)seed, w.failure);
        if (!o->narrate) {
            printf("  replay: sim --seed=%llu --narrate", (unsigned long long)seed);
            if (o->nodes)
                printf(" --nodes=%u", o->nodes);
            if (o->events)
                printf(" --events=%u", o->events);
            putchar('\n');
        }
    }
    if (o->narrate)
        printf(
            "seed %llu: %d units, %d nodes, %llu s, %llu accepted, %llu refused, %llu by hand, %llu commits, %llu aborts, "
            "%llu arrived, %llu taken along, %llu crashes, %llu restores, %llu clones, %llu forks (%llu resumed), %llu forged, %llu cuts, %llu messages, "
            "%llu offered, %llu accepted, %llu completed, %llu withdrawn, %llu received, %llu granted, %llu ends of access, %llu erasures, %llu rewrites, "
            "trace %016llx\n",
            (unsigned long long)seed, w.n_units, w.n_nodes, (unsigned long long)(w.now_ms / 1000),
            (unsigned long long)w.stats.accepted, (unsigned long long)w.stats.refused,
            (unsigned long long)w.stats.raw_events, (unsigned long long)w.stats.commits,
            (unsigned long long)w.stats.aborts, (unsigned long long)w.stats.arrived, (unsigned long long)w.stats.taken,
            (unsigned long long)w.stats.crashes, (unsigned long long)w.stats.restores,
            (unsigned long long)w.stats.clones, (unsigned long long)w.stats.forks, (unsigned long long)w.stats.resumes,
            (unsigned long long)w.stats.forged, (unsigned long long)w.stats.cuts, (unsigned long long)w.stats.messages,
            (unsigned long long)w.stats.kinds[KIND_HANDOVER_OFFERED],
            (unsigned long long)w.stats.kinds[KIND_HANDOVER_ACCEPTED],
            (unsigned long long)w.stats.kinds[KIND_HANDOVER_COMPLETED],
            (unsigned long long)w.stats.kinds[KIND_HANDOVER_WITHDRAWN],
            (unsigned long long)w.stats.kinds[KIND_HANDOVER_RECEIVED],
            (unsigned long long)w.stats.kinds[KIND_ACCESS_GRANTED], (unsigned long long)w.stats.revoked,
            (unsigned long long)w.stats.erased, (unsigned long long)w.stats.rewrites, (unsigned long long)w.trace);
    world_release(&w);
    fflush(stdout);
    return ret->passed;
}

/* One seed, some of them twice: the same seed must give the same trace. */
static void
run_checked(const struct sim_options *o, uint64_t seed, struct result *ret)
{
    struct result again;
    run_seed(o, seed, ret);
    if (!ret->passed || o->narrate || (seed - o->seed) % TWICE_EVERY != 0)
        return;
    run_seed(o, seed, &again);
    if (again.trace != ret->trace) {
        printf("seed %llu: two runs gave two traces, %016llx and %016llx\n", (unsigned long long)seed,
               (unsigned long long)ret->trace, (unsigned long long)again.trace);
        fflush(stdout); /* a child ends without */
        ret->passed = false;
    }
}

static void
tell(int fd, const struct result *r)
{
    if (write(fd, r, sizeof(*r)) != (ssize_t)sizeof(*r))
        _exit(3);
}

static pid_t
spawn(const struct sim_options *o, uint64_t first, int fd)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    for (uint64_t seed = first; seed < o->seed + o->seeds; seed += o->jobs) {
        struct result r = {.seed = seed, .started = true};
        tell(fd, &r);
        run_checked(o, seed, &r);
        r.started = false;
        tell(fd, &r);
    }
    _exit(0);
}

struct job {
    pid_t pid;
    int fd;
    uint64_t seed;
    bool busy;
};

static bool
job_start(struct job *j, const struct sim_options *o, uint64_t first)
{
    int fds[2];
    if (first >= o->seed + o->seeds || pipe(fds) != 0)
        return false;
    j->pid = spawn(o, first, fds[1]);
    close(fds[1]);
    j->fd = fds[0];
    j->busy = false;
    return j->pid > 0;
}

/* Reads what one child has to say until it starts another seed or ends. False: it has ended. */
static bool
job_listen(struct job *j, struct sums *sums)
{
    struct result r;
    if (read(j->fd, &r, sizeof(r)) != (ssize_t)sizeof(r))
        return false;
    j->seed = r.seed;
    j->busy = r.started;
    if (!r.started)
        add(sums, &r);
    return true;
}

static void
run_jobs(const struct sim_options *o, struct sums *sums)
{
    struct job jobs[JOBS_MAX] = {0};
    unsigned running = 0;
    for (unsigned i = 0; i < o->jobs; i++)
        running += job_start(&jobs[i], o, o->seed + i);
    while (running > 0) {
        for (unsigned i = 0; i < o->jobs; i++) {
            struct job *j = &jobs[i];
            int status = 0;
            if (j->pid <= 0)
                continue;
            if (job_listen(j, sums)) {
                if (isatty(1))
                    printf("\r%llu of %llu seeds, %llu failed ", (unsigned long long)(sums->passed + sums->failed),
                           (unsigned long long)o->seeds, (unsigned long long)sums->failed);
                fflush(stdout);
                continue;
            }
            waitpid(j->pid, &status, 0);
            close(j->fd);
            j->pid = 0;
            running--;
            if (!j->busy)
                continue;
            printf("seed %llu: the process ended (status %d)\n  replay: sim --seed=%llu --narrate\n",
                   (unsigned long long)j->seed, status, (unsigned long long)j->seed);
            sums->failed++;
            running += job_start(j, o, j->seed + o->jobs);
        }
    }
}

static bool
parse(struct sim_options *o, const char *arg)
{
    struct {
        const char *name;
        uint64_t *value;
    } wide[] = {{"--seed=", &o->seed}, {"--seeds=", &o->seeds}};
    struct {
        const char *name;
        unsigned *value;
    } narrow[] = {{"--nodes=", &o->nodes}, {"--events=", &o->events}, {"--jobs=", &o->jobs}};
    for (size_t i = 0; i < ARRAY_LEN(wide); i++)
        if (strncmp(arg, wide[i].name, strlen(wide[i].name)) == 0) {
            *wide[i].value = strtoull(arg + strlen(wide[i].name), NULL, 10);
            return true;
        }
    for (size_t i = 0; i < ARRAY_LEN(narrow); i++)
        if (strncmp(arg, narrow[i].name, strlen(narrow[i].name)) == 0) {
            *narrow[i].value = (unsigned)strtoul(arg + strlen(narrow[i].name), NULL, 10);
            return true;
        }
    o->narrate |= strcmp(arg, "--narrate") == 0;
    o->keep |= strcmp(arg, "--keep") == 0;
    return strcmp(arg, "--narrate") == 0 || strcmp(arg, "--keep") == 0;
}

int
main(int argc, char **argv)
{
    struct sim_options o = {.seed = 1, .seeds = 1};
    struct err err;
    struct sums sums = {0};
    for (int i = 1; i < argc; i++) {
        if (!parse(&o, argv[i])) {
            fprintf(stderr,
                    "usage: sim [--seed=N] [--seeds=M] [--nodes=K] [--events=E] [--jobs=J] [--narrate] [--keep]\n");
            return 2;
        }
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (o.jobs == 0)
        o.jobs = cores > 4 ? 4 : cores > 0 ? (unsigned)cores : 1;
    if (o.jobs > JOBS_MAX)
        o.jobs = JOBS_MAX;
    randombytes_set_implementation(&library_random);
    if (crypto_init(&err) != 0) {
        fprintf(stderr, "sim: %s\n", err.text);
        return 1;
    }
    if (o.narrate || o.seeds == 1) {
        for (uint64_t s = o.seed; s < o.seed + o.seeds; s++) {
            struct result r;
            run_checked(&o, s, &r);
            add(&sums, &r);
        }
    } else {
        run_jobs(&o, &sums);
    }
    bool whole = o.seeds >= WHOLE_RUN && o.nodes == 0 && o.events == 0;
    printf("%s", isatty(1) ? "\r" : "");
    bool complete = o.seeds == 1 || coverage_tell(sums.cover, whole);
    if (o.seeds > 1)
        complete &= crashes_tell(sums.cuts, whole);
    printf("trace %016llx\nsim: %llu seeds passed, %llu failed%s\n", (unsigned long long)sums.trace,
           (unsigned long long)sums.passed, (unsigned long long)sums.failed,
           complete ? "" : ", and something never happened");
    return sums.failed == 0 && complete ? 0 : 1;
}
