/* The node's own work without a network: import, admissions in groups, catch-up from one directory into another, reports.
 *   bench_register import DIR MEMBERS LIGHT TRACE IDS   MEMBERS admissions, LIGHT lighter events for each
 *   bench_register work DIR MEMBERS INVOICES TRACE IDS  MEMBERS admissions, each with an activity, INVOICES invoices for each
 *   bench_register admit DIR GROUP COUNT TRACE          admissions with idempotency keys, GROUP in a commit
 *   bench_register catchup FROM TO TRACE                all runs of FROM, verified, into the new node TO
 *   bench_register report DIR members|activity
 * DIR is a directory made by `smartnode init` with offices O01 … O12. TRACE and IDS are files to write, or - for none. The result is
 * one line of JSON. */
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/exchange/import_dir.h"
#include "node/host/datadir.h"
#include "node/view/view.h"
#include "tests/bench/bench.h"

enum { OFFICES = 12, SECTORS = 8, REPORT_TIMES = 201, VERIFY_TIMES = 4000, TRACE_BUFFER = 1 << 20 };

struct bench {
    struct datadir dir;
    struct engine *engine;
    struct actor_id actor;
    struct office_id offices[OFFICES];
    FILE *trace;
    char *trace_buffer;
    struct api_op *op;
};

static void
open_node(struct bench *b, const char *path)
{
    struct err err = {0};
    bench_must(datadir_open(path, DATADIR_WRITER, &b->dir, &err), path, &err);
    bench_must(datadir_engine(&b->dir, &b->engine, &err), path, &err);
    b->op = calloc(1, sizeof(*b->op));
    if (!b->op)
        bench_die("out of memory");
}

static void
find_offices(struct bench *b)
{
    struct err err = {0};
    struct import_dir import;
    struct import_target target;
    bench_must(import_dir_init(&import, &b->dir, NULL, &err), "offices", &err);
    import_dir_target(&import, &target);
    for (unsigned i = 0; i < OFFICES; i++) {
        struct import_office office;
        char name[8];
        snprintf(name, sizeof(name), "O%02u", i + 1);
        bench_must(target.office(target.arg, name, &office, &err), name, &err);
        b->offices[i] = office.id;
    }
    import_dir_release(&import);
}

static void
close_node(struct bench *b)
{
    free(b->op);
    engine_free(&b->engine);
    datadir_close(&b->dir);
}

static void
trace_begin(struct bench *b, const char *path)
{
    if (strcmp(path, "-") == 0)
        return;
    b->trace = fopen(path, "we");
    b->trace_buffer = malloc(TRACE_BUFFER);
    if (!b->trace || !b->trace_buffer || setvbuf(b->trace, b->trace_buffer, _IOFBF, TRACE_BUFFER) != 0)
        bench_die("%s: cannot be written", path);
    db_trace_to(b->trace);
}

static void
trace_end(struct bench *b)
{
    db_trace_to(NULL);
    if (b->trace && (ferror(b->trace) || fclose(b->trace) != 0))
        bench_die("the trace cannot be written");
    free(b->trace_buffer);
}

/* ---- writing ---- */

static void
commit(struct bench *b, bool last)
{
    struct err err = {0};
    bool urgent = false;
    bench_must(engine_commit(b->engine, &err), "commit", &err);
    if (engine_vault_pending(b->engine, &urgent) && (urgent || last))
        bench_must(engine_vault_flush(b->engine, &err), "vault", &err);
}

static void
exec(struct bench *b)
{
    struct err err = {0};
    bench_must(engine_exec(b->engine, &b->actor, b->op, &err), "write", &err);
    bench_must(b->op->result.err.code, "write", &b->op->result.err);
}

static void fill(struct person_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
fill(struct person_text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t->s, sizeof(t->s), fmt, ap);
    va_end(ap);
}

static void
admission(struct bench *b, uint64_t n, struct civil_date day)
{
    struct member_request *r = &b->op->member.request;
    char iban[BENCH_IBAN_BYTES];
    *b->op = (struct api_op){.kind = OP_MEMBER, .status_on_success = 201};
    r->action = ACTION_ADMIT;
    r->effective = day;
    r->category = CATEGORY_A;
    r->person_type = PERSON_NATURAL;
    r->has_office = true;
    r->office = b->offices[n % OFFICES];
    r->has_shares = true;
    r->shares = 1;
    r->person.has_identity = r->person.has_contact = r->person.has_bank = true;
    fill(&r->person.identity.member_no, "R%llu", (unsigned long long)(n));
    fill(&r->person.identity.given_name, "Given%llu", (unsigned long long)(n % 997));
    fill(&r->person.identity.family_name, "Family%llu", (unsigned long long)(n % 1013));
    fill(&r->person.identity.language, "fr");
    r->person.identity.birth_date = date_from_ymd(1980, 1, 1 + (int)(n % 28));
    fill(&r->person.contact.email, "r%llu@example.org", (unsigned long long)(n));
    fill(&r->person.contact.phone, "+32470%06llu", (unsigned long long)(n % 1000000));
    fill(&r->person.contact.street, "Rue Longue %llu", (unsigned long long)(n % 300));
    fill(&r->person.contact.postcode, "1000");
    fill(&r->person.contact.city, "Brussel");
    fill(&r->person.contact.country, "BE");
    bench_iban(n, iban);
    memcpy(r->person.bank.iban.s, iban, sizeof(iban));
}

struct known {
    struct subject_id subject, activity;
    struct civil_date last; /* lighter events: of the last one; work: of joining */
    uint8_t category, office;
};

/* A lighter event about any of the members so far, later than all before it: shares, category or office. */
static void
light(struct bench *b, struct known *m, uint64_t random)
{
    struct member_request *r = &b->op->member.request;
    *b->op = (struct api_op){.kind = OP_MEMBER, .status_on_success = 200};
    m->last.days += 7 + (int)(random >> 8 & 7);
    r->has_subject = true;
    r->subject = m->subject;
    r->effective = m->last;
    switch (random % 9) {
    case 0:
    case 1:
    case 2:
    case 3:
        r->action = ACTION_SUBSCRIBE;
        r->has_shares = true;
        r->shares = 1;
        break;
    case 4:
    case 5:
    case 6:
        r->action = ACTION_CHANGE_CATEGORY;
        m->category = r->category = m->category == CATEGORY_A ? CATEGORY_B : CATEGORY_A;
        break;
    default:
        r->action = ACTION_CHANGE_DATA;
        m->office = (uint8_t)((m->office + 1) % OFFICES);
        r->has_office = true;
        r->office = b->offices[m->office];
        break;
    }
}

/* The activity that a new member begins in the month of joining. */
static void
begin_activity(struct bench *b, struct known *m, uint64_t n)
{
    struct activity_request *r = &b->op->activity.request;
    *b->op = (struct api_op){.kind = OP_ACTIVITY, .status_on_success = 201};
    r->action = WORK_OPEN_ACTIVITY;
    r->member = m->subject;
    r->effective = m->last;
    r->has_sector = r->has_culture = r->has_number = r->has_text = true;
    r->sector = (uint16_t)(1 + (n % OFFICES + n / OFFICES % 3) % SECTORS);
    r->culture = n % 3 == 0;
    fill(&r->number, "A%llu", (unsigned long long)n);
    fill(&r->text, "Activity %llu", (unsigned long long)(n % 100));
}

/* An invoice of an activity of any member so far, in any month of the six years from joining. */
static void
invoice(struct bench *b, const struct known *m, uint64_t number, uint64_t random)
{
    struct invoice_request *r = &b->op->invoice.request;
    *b->op = (struct api_op){.kind = OP_INVOICE, .status_on_success = 201};
    r->activity = m->activity;
    r->has_activity = r->has_amount = r->has_number = r->has_client = true;
    r->effective.days = m->last.days + (int32_t)(random % (6 * 365));
    r->amount_minor = 10000 + (int64_t)(random >> 12) % 500000;
    fill(&r->number, "I%llu", (unsigned long long)number);
    fill(&r->client, "Client %llu", (unsigned long long)(random >> 16) % 5000);
}

static void
write_ids(const char *path, const struct known *members, uint64_t n)
{
    FILE *f = strcmp(path, "-") == 0 ? NULL : fopen(path, "we");
    char hex[2 * ID_BYTES + 1];
    for (uint64_t i = 0; f && i < n; i++)
        fprintf(f, "%s\n", sodium_bin2hex(hex, sizeof(hex), members[i].subject.b, ID_BYTES));
    if (f)
        fclose(f);
}

static void
next_in_group(struct bench *b)
{
    struct err err = {0};
    if (engine_group_events(b->engine) < ENGINE_GROUP_EVENTS)
        return;
    commit(b, false);
    bench_must(engine_begin(b->engine, &err), "begin", &err);
}

enum mix { LIGHTER_EVENTS, INVOICES };

/* What comes with the nth member, and may follow about any of the members so far. */
static void
follow(struct bench *b, enum mix mix, struct known *members, uint64_t n, uint64_t per_member, uint64_t *random)
{
    if (mix == INVOICES) {
        begin_activity(b, &members[n], n);
        exec(b);
        members[n].activity = b->op->result.subject;
        next_in_group(b);
    }
    for (uint64_t k = 0; k < per_member; k++) {
        uint64_t r = bench_random(random);
        struct known *m = &members[(r >> 16) % (n + 1)];
        if (mix == INVOICES)
            invoice(b, m, n * per_member + k, bench_random(random));
        else
            light(b, m, r);
        exec(b);
        next_in_group(b);
    }
}

static void
import(const char *dir, enum mix mix, uint64_t n, uint64_t per_member, const char *trace, const char *ids)
{
    struct bench b = {0};
    struct err err = {0};
    struct known *members = calloc(n, sizeof(*members));
    uint64_t random = 7;
    open_node(&b, dir);
    find_offices(&b);
    trace_begin(&b, trace);
    double cpu = bench_cpu_seconds();
    uint64_t begun = bench_ns();
    bench_must(members ? engine_begin(b.engine, &err) : -1, "begin", &err);
    for (uint64_t i = 0; i < n; i++) {
        struct civil_date day = {date_from_ymd(2017, 1, 1).days + (int32_t)(bench_random(&random) % 1000)};
        admission(&b, i, day);
        exec(&b);
        members[i] = (struct known){
            .subject = b.op->result.subject, .last = day, .category = CATEGORY_A, .office = (uint8_t)(i % OFFICES)};
        next_in_group(&b);
        follow(&b, mix, members, i, per_member, &random);
    }
    commit(&b, true);
    double seconds = (double)(bench_ns() - begun) / 1e9;
    cpu = bench_cpu_seconds() - cpu;
    trace_end(&b);
    write_ids(ids, members, n);
    printf("{\"events\": %llu, \"seconds\": %.6f, \"cpu_seconds\": %.6f}\n",
           (unsigned long long)(n * (per_member + (mix == INVOICES ? 2 : 1))), seconds, cpu);
    free(members);
    close_node(&b);
}

static void
admit(const char *dir, uint64_t group, uint64_t count, const char *trace)
{
    struct bench b = {0};
    struct err err = {0};
    open_node(&b, dir);
    find_offices(&b);
    /* One before, so that what is done once a start is not in the trace: successor log, escrow key. */
    bench_must(engine_begin(b.engine, &err), "begin", &err);
    admission(&b, 500000000u, date_from_ymd(2024, 1, 1));
    exec(&b);
    commit(&b, true);
    trace_begin(&b, trace);
    double cpu = bench_cpu_seconds();
    uint64_t begun = bench_ns();
    for (uint64_t i = 0; i < count;) {
        bench_must(engine_begin(b.engine, &err), "begin", &err);
        for (uint64_t k = 0; k < group && i < count; k++, i++) {
            admission(&b, 600000000u + i, date_from_ymd(2024, 1 + (int)(i % 12), 1 + (int)(i % 28)));
            b.op->idempotent = true;
            randombytes_buf(&b.op->idem_key, sizeof(b.op->idem_key));
            randombytes_buf(&b.op->request_hash, sizeof(b.op->request_hash));
            exec(&b);
        }
        commit(&b, false);
    }
    double seconds = (double)(bench_ns() - begun) / 1e9;
    cpu = bench_cpu_seconds() - cpu;
    trace_end(&b);
    printf("{\"events\": %llu, \"seconds\": %.6f, \"cpu_seconds\": %.6f}\n", (unsigned long long)count, seconds, cpu);
    close_node(&b);
}

/* ---- catch-up ---- */

struct totals {
    uint64_t events, runs, bytes;
};

static void
take_run(struct bench *to, const struct run *run, struct chain_value *chain, struct sign_public key)
{
    struct err err = {0};
    struct event_header first;
    struct log_opened opened;
    struct reader r = reader_of(run->frames);
    struct slice header, payload;
    bool begins = run->first == 1, stored = false;
    if (begins) {
        if (!event_frame_next(&r, &header, &payload))
            bench_die("a run without a frame");
        bench_must(verify_first_event(&run->log, header, payload, &first, &opened, &err), "first event", &err);
        *chain = crypto_chain_start(run->log);
        key = opened.signing_key;
    }
    bench_must(verify_run(run, chain, &key, chain, &err), "run", &err);
    bench_must(engine_append(to->engine, run, chain, begins ? &opened : NULL, begins ? &first : NULL, &stored, &err),
               "append", &err);
    if (!stored)
        bench_die("a run was not stored");
    if (engine_group_events(to->engine) >= ENGINE_GROUP_EVENTS) {
        commit(to, false);
        bench_must(engine_begin(to->engine, &err), "begin", &err);
    }
}

static void
take_log(struct db_txn *txn, uint32_t no, struct bench *to, struct totals *t)
{
    struct err err = {0};
    struct log_row row;
    struct run run;
    struct buf frames;
    struct chain_value chain = {{0}};
    buf_init(&frames, RUN_BYTES_MAX + HEADER_BYTES_MAX);
    bench_must(evlog_get(txn, no, &row, &err), "log", &err);
    for (uint64_t from = 1; from <= row.head_seq; from += run.count) {
        bench_must(evlog_read(txn, &row, from, &frames, &run, &err), "read", &err);
        take_run(to, &run, &chain, row.signing_key);
        t->events += run.count;
        t->runs++;
        t->bytes += run.frames.len + sizeof(run.seal);
    }
    buf_free(&frames);
}

/* One signature for each event is what a log without runs would cost. */
static double
verify_rate(void)
{
    struct err err = {0};
    struct sign_public pk;
    struct sign_secret sk;
    struct log_id log = {{1}};
    struct chain_value chain = {{2}};
    crypto_sign_keypair(pk.b, sk.b);
    struct seal seal = crypto_seal(&sk, &log, 1, &chain);
    uint64_t begun = bench_ns();
    for (unsigned i = 0; i < VERIFY_TIMES; i++)
        bench_must(crypto_seal_verify(pk, &log, 1, &chain, &seal, &err), "seal", &err);
    return VERIFY_TIMES / ((double)(bench_ns() - begun) / 1e9);
}

static void
catch_up(const char *from_dir, const char *to_dir, const char *trace)
{
    struct bench to = {0};
    struct datadir from;
    struct db_txn *txn = NULL;
    struct err err = {0};
    struct totals t = {0};
    struct db_usage before, after;
    uint32_t logs = 0;
    bench_must(datadir_open(from_dir, DATADIR_READER, &from, &err), from_dir, &err);
    bench_must(db_begin_read(from.db, &txn, &err), from_dir, &err);
    bench_must(evlog_count(txn, &logs, &err), from_dir, &err);
    open_node(&to, to_dir);
    bench_must(db_usage(to.dir.db, &before, &err), to_dir, &err);
    trace_begin(&to, trace);
    double cpu = bench_cpu_seconds();
    uint64_t begun = bench_ns();
    bench_must(engine_begin(to.engine, &err), "begin", &err);
    for (uint32_t no = 1; no <= logs; no++)
        take_log(txn, no, &to, &t);
    commit(&to, true);
    while (engine_apply_pending(to.engine))
        bench_must(engine_apply_more(to.engine, &err), "apply", &err);
    double seconds = (double)(bench_ns() - begun) / 1e9;
    cpu = bench_cpu_seconds() - cpu;
    trace_end(&to);
    bench_must(db_usage(to.dir.db, &after, &err), to_dir, &err);
    printf(
        "{\"events\": %llu, \"seconds\": %.6f, \"cpu_seconds\": %.6f, \"runs\": %llu, \"wire_bytes\": %llu, \"disk_bytes\": %zu, \"verify_rate\": "
        "%.1f}\n",
        (unsigned long long)t.events, seconds, cpu, (unsigned long long)t.runs, (unsigned long long)t.bytes,
        after.used_bytes - before.used_bytes, verify_rate());
    db_abort(&txn);
    datadir_close(&from);
    close_node(&to);
}

/* ---- reports ---- */

/* Members by category on a day, or work by sector in a month. */
static size_t
one_report(struct db_txn *txn, bool work, struct civil_date day)
{
    struct err err = {0};
    struct activity_report activity;
    struct report members;
    size_t rows;
    if (work) {
        bench_must(report_activity(txn, NULL, day, day, SPAN_WHOLE, PEOPLE_BY_SECTOR, &activity, &err), "report", &err);
        rows = activity.n;
        activity_report_release(&activity);
    } else {
        bench_must(report_members(txn, NULL, day, BY_CATEGORY, &members, &err), "report", &err);
        rows = members.n;
        report_release(&members);
    }
    return rows;
}

static void
report(const char *dir, bool work)
{
    struct datadir d;
    struct err err = {0};
    struct bench_times times = {0};
    uint64_t random = 3;
    size_t rows = 0;
    bench_must(datadir_open(dir, DATADIR_READER, &d, &err), dir, &err);
    for (unsigned i = 0; i < REPORT_TIMES; i++) {
        struct db_txn *txn = NULL;
        struct civil_date day = {date_from_ymd(2018, 1, 1).days + (int32_t)(bench_random(&random) % 2000)};
        uint64_t begun = bench_ns();
        bench_must(db_begin_read(d.db, &txn, &err), "read", &err);
        rows = one_report(txn, work, day);
        db_abort(&txn);
        bench_times_add(&times, bench_ns() - begun);
    }
    printf("{\"median_us\": %.1f, \"p99_us\": %.1f, \"rows\": %zu}\n", (double)bench_times_percentile(&times, 50) / 1e3,
           (double)bench_times_percentile(&times, 99) / 1e3, rows);
    bench_times_release(&times);
    datadir_close(&d);
}

int
main(int argc, char **argv)
{
    if (sodium_init() < 0)
        bench_die("libsodium does not start");
    if (argc == 7 && strcmp(argv[1], "import") == 0)
        import(argv[2], LIGHTER_EVENTS, bench_number(argv[3], "MEMBERS"), bench_number(argv[4], "LIGHT"), argv[5],
               argv[6]);
    else if (argc == 7 && strcmp(argv[1], "work") == 0)
        import(argv[2], INVOICES, bench_number(argv[3], "MEMBERS"), bench_number(argv[4], "INVOICES"), argv[5],
               argv[6]);
    else if (argc == 6 && strcmp(argv[1], "admit") == 0)
        admit(argv[2], bench_number(argv[3], "GROUP"), bench_number(argv[4], "COUNT"), argv[5]);
    else if (argc == 5 && strcmp(argv[1], "catchup") == 0)
        catch_up(argv[2], argv[3], argv[4]);
    else if (argc == 4 && strcmp(argv[1], "report") == 0)
        report(argv[2], strcmp(argv[3], "activity") == 0);
    else
        bench_die("usage: bench_register import|work|admit|catchup|report …");
    return EXIT_SUCCESS;
}
