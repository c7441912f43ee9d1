/* smartnode erase --prove: searches the files of a data directory for what an erasure has destroyed. docs/OPERATIONS.md
 * "Proving an erasure". What to look for is read first and the environments closed before the search: reading the files of an
 * open one in its own process is asking for trouble with its locks. */
#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>

#include "node/cli/cli_common.h"
#include "node/command/names.h"
#include "node/host/prove.h"
#include "storage/erasures.h"
#include "storage/evlog.h"
#include "storage/keyslots.h"

enum {
    OPT_QUICK = OPT_OWN + 100,
    OPT_PROVE = OPT_OWN,
    OPT_CLASS,
    OPT_NEEDLES,
    MEMBERS_MAX = 64,
    LINE_MAX_BYTES = 2048,
    HITS_SHOWN = 1000
};

static const struct {
    const char *name;
    uint8_t class;
} CLASSES[] = {{"identity", CLASS_IDENTITY}, {"contact", CLASS_CONTACT},   {"bank", CLASS_BANK},
               {"note", CLASS_NOTE},         {"activity", CLASS_ACTIVITY}, {"counting", CLASS_COUNTING}};

struct args {
    struct cli_common common;
    bool prove, quick, named; /* classes were named, else all */
    unsigned classes;
    const char *needles;
    struct subject_id members[MEMBERS_MAX];
    size_t n_members;
};

struct commitments {
    struct capsule_commitment *v;
    size_t n, cap;
};

/* What is looked for, and what came of it. */
struct proof {
    struct ordered *orders;
    size_t n_orders;
    struct vault_erase_slot *slots;
    size_t n_slots;
    struct received_key *received;
    size_t n_received;
    struct commitments gone, stay; /* capsules; of those that stay the ones that seal keys */
    struct vault_probe *probe;
    struct prove_needles *needles;
    struct cli_progress progress;
    bool json;
    json_t *hits, *files;
    size_t shown;
};

static bool
add_class(struct args *a, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(CLASSES); i++)
        if (strcmp(CLASSES[i].name, name) == 0) {
            a->classes |= 1U << vault_class_index(CLASSES[i].class);
            a->named = true;
            return true;
        }
    return false;
}

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    struct err err;
    if (cli_common_option(&a->common, key, arg))
        return 0;
    switch (key) {
    case OPT_PROVE: a->prove = true; return 0;
    case OPT_QUICK: a->quick = true; return 0;
    case OPT_CLASS:
        if (!add_class(a, arg))
            argp_error(state, "not a class: %s (identity, contact, bank, note, activity, counting)", arg);
        return 0;
    case OPT_NEEDLES: a->needles = arg; return 0;
    case ARGP_KEY_ARG:
        if (a->n_members == MEMBERS_MAX)
            argp_error(state, "at most %d members at once", MEMBERS_MAX);
        if (subject_parse(arg, "member", &a->members[a->n_members], &err) != 0)
            argp_error(state, "not a member's pseudonym of 32 hexadecimal digits: %s", arg);
        a->n_members++;
        return 0;
    case ARGP_KEY_END:
        if (!a->prove)
            argp_error(state, "--prove is what this command does; an erasure is ordered on the running node");
        if (a->n_members == 0 && !a->needles)
            argp_error(state, "name a member, or --needles, or both");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"prove", OPT_PROVE, NULL, 0, "Search every byte of the data directory for what the erasure destroyed", 1},
    {"class", OPT_CLASS, "CLASS", 0,
     "Of what was erased this class alone: identity, contact, bank, note, activity, counting; may be repeated", 2},
    {"needles", OPT_NEEDLES, "FILE", 0,
     "Words that must not be found, one a line (hex: before raw bytes); - is standard input", 3},
    {"quick", OPT_QUICK, NULL, 0,
     "Rows of keys in the files of the vault alone, where they are written; words and capsules everywhere", 4},
    CLI_OPTION_DATA,
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};

static const struct argp argp = {
    options,
    on_option,
    "[MEMBER…]",
    "Proves that erased members' keys are in no file of this node any more: not in a table, a page that is free, or a copy left behind."
    "\vChanges nothing, and may run beside the node. Members are named by their pseudonym, as the erasure does; searched for is what orders of "
    "erasure took, not what was entered or given since. It fails on a key of an erased class, a capsule that seals such keys, and a needle; "
    "ciphertext without any key left is noted. About 100 MB a minute for each "
    "processor.\n\n"
    "Examples:\n"
    "  smartnode erase --prove --class contact 5f0c9a…\n"
    "  printf 'Jane Example\\n+32 470 12 34 56\\n' | smartnode erase --prove --needles - 5f0c9a…\n\n"
    "Exit status: 0 nothing is left, 3 something was found (said on standard output), 1 it could not be searched, 2 wrong usage.",
    NULL,
    NULL,
    NULL};

/* ---- what to look for ---- */

/* What was erased of a member, and when. What was entered or given since is nobody's failure, and what nobody ordered neither. */
struct ordered {
    struct erasure_order order;
    struct hlc clock;
};

static unsigned
in_vault(const struct erasure_order *o)
{
    unsigned bits = 0;
    for (uint8_t class = CLASS_IDENTITY; class <= CLASS_DOSSIER; class ++)
        if (o->classes >> class & 1 && vault_class_index(class) >= 0)
            bits |= 1U << vault_class_index(class);
    return bits;
}

static bool
is_wanted(const struct args *a, const struct subject_id *subject)
{
    for (size_t i = 0; i < a->n_members; i++)
        if (TYPE_EQ(&a->members[i], subject))
            return true;
    return false;
}

/* The clock of an event; ERR_NOTFOUND: it is not held. */
static int
clock_of(struct db_txn *txn, const struct position *at, struct hlc *ret, struct err *err)
{
    struct log_row log;
    struct stored_event e;
    struct event_header h;
    int rc = evlog_find(txn, &at->log, &log, err);
    if (rc == 0)
        rc = evlog_event(txn, log.no, at->seq, &e, err);
    if (rc == 0)
        rc = event_header_decode(e.header, &h, err);
    if (rc == 0)
        *ret = h.clock;
    return rc;
}

/* An order that was cut off since counts as of the end of time. */
static int
add_order(struct db_txn *txn, const struct erasure_order *o, struct proof *p, struct err *err)
{
    struct ordered *more = reallocarray(p->orders, p->n_orders + 1, sizeof(*more));
    if (!more)
        return err_set(err, ERR_NOMEM, "out of memory");
    p->orders = more;
    more[p->n_orders] = (struct ordered){.order = *o, .clock = {UINT64_MAX}};
    int rc = clock_of(txn, &o->at, &more[p->n_orders].clock, err);
    p->n_orders++;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
find_orders(const struct args *a, struct db_txn *txn, struct proof *p, struct err *err)
{
    struct erasure_order some[64];
    struct position after;
    size_t n = ARRAY_LEN(some);
    int rc = 0;
    for (bool first = true; rc == 0 && n == ARRAY_LEN(some); first = false) {
        rc = erasures_list(txn, false, first ? NULL : &after, some, ARRAY_LEN(some), &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            if (some[i].kind == KIND_ERASURE_ORDERED && is_wanted(a, &some[i].subject))
                rc = add_order(txn, &some[i], p, err);
            after = some[i].at;
        }
    }
    return rc;
}

/* Nothing can be proved of what nobody erased: that would be found, rightly. */
static int
check_ordered(const struct args *a, const struct proof *p, struct err *err)
{
    for (size_t i = 0; i < a->n_members; i++) {
        char hex[2 * ID_BYTES + 1];
        unsigned bits = 0;
        for (size_t k = 0; k < p->n_orders; k++)
            if (TYPE_EQ(&p->orders[k].order.subject, &a->members[i]))
                bits |= in_vault(&p->orders[k].order);
        hex_encode(a->members[i].b, ID_BYTES, hex);
        if (bits == 0)
            return err_set(err, ERR_NOTFOUND, "%s: this node knows of no erasure; nothing to look for", hex);
        for (size_t c = 0; a->named && c < ARRAY_LEN(CLASSES); c++)
            if (a->classes & ~bits & 1U << vault_class_index(CLASSES[c].class))
                return err_set(err, ERR_NOTFOUND, "%s: %s was not erased, as far as this node knows", hex,
                               CLASSES[c].name);
    }
    return 0;
}

/* Of each generation the classes that an order of this unit took. */
static int
add_slots(const struct args *a, const struct datadir *d, struct db_txn *txn, const struct subject_id *member,
          struct proof *p, struct err *err)
{
    struct keyslot *slots = NULL;
    size_t n = 0;
    int rc = keyslots_all(txn, member, &slots, &n, err);
    if (rc != 0)
        return rc;
    struct vault_erase_slot *more = reallocarray(p->slots, p->n_slots + n + 1, sizeof(*more));
    if (more)
        p->slots = more;
    for (size_t i = 0; more && i < n; i++) {
        struct vault_erase_slot s = {.slot = slots[i].slot};
        for (size_t k = 0; k < p->n_orders; k++) {
            const struct erasure_order *o = &p->orders[k].order;
            if (TYPE_EQ(&o->subject, member) && TYPE_EQ(&o->unit, &d->identity.unit) &&
                slots[i].generation <= o->generation)
                s.classes |= in_vault(o) & a->classes;
        }
        if (s.classes != 0)
            p->slots[p->n_slots++] = s;
    }
    free(slots);
    return more ? 0 : err_set(err, ERR_NOMEM, "out of memory");
}

/* Whether an order took what an event of a unit brought of a class about a member. */
static bool
was_erased(const struct args *a, const struct proof *p, const struct unit_id *unit, const struct subject_id *member,
           uint8_t class, struct hlc written)
{
    int index = vault_class_index(class);
    if (index < 0 || !(a->classes & 1U << index))
        return false;
    for (size_t k = 0; k < p->n_orders; k++) {
        const struct ordered *o = &p->orders[k];
        if (TYPE_EQ(&o->order.subject, member) && TYPE_EQ(&o->order.unit, unit) && o->order.classes >> class & 1 &&
            written.v < o->clock.v)
            return true;
    }
    return false;
}

/* Keys that were destroyed have no row that says what they were called; those that are still there are failures of themselves. */
static int
add_received(const struct args *a, struct vault *v, struct db_txn *txn, const struct subject_id *member,
             struct proof *p, struct err *err)
{
    size_t n = 0;
    struct received_key *more = reallocarray(p->received, p->n_received + RECEIVED_MAX, sizeof(*more));
    if (!more)
        return err_set(err, ERR_NOMEM, "out of memory");
    p->received = more;
    struct received_filter f = RECEIVED_ANY;
    struct received_key *keys = p->received + p->n_received;
    int rc = received_list(v, member, &f, keys, RECEIVED_MAX, &n, NULL, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct hlc given = {0};
        sodium_memzero(&keys[i].key, sizeof(keys[i].key));
        rc = clock_of(txn, &keys[i].from, &given, err);
        rc = rc == ERR_NOTFOUND ? 0 : rc;
        if (rc == 0 && was_erased(a, p, &keys[i].unit, member, keys[i].class, given))
            p->received[p->n_received++] = keys[i];
    }
    return rc;
}

/* A capsule that seals keys is looked for if an order listed it: others seal what stays, or what was entered since. */
static int
goes(const struct args *a, struct db_txn *txn, const struct log_row *log, const struct event_header *h, uint8_t index,
     const struct subject_id *member, const struct proof *p, bool *ret, struct err *err)
{
    struct position at = {.log = log->id, .seq = h->seq};
    uint8_t class = h->capsules[index].class;
    bool listed = false;
    int rc = tombstone_find(txn, &at, index, &listed, NULL, err);
    if (rc == 0)
        *ret = class == CLASS_KEY ? listed : was_erased(a, p, &log->unit, member, class, h->clock);
    return rc;
}

static int
add_commitment(struct commitments *to, const struct capsule_commitment *c, struct err *err)
{
    if (to->n == to->cap) {
        size_t cap = to->cap * 2 + HEADER_CAPSULES_MAX;
        struct capsule_commitment *more = reallocarray(to->v, cap, sizeof(*more));
        if (!more)
            return err_set(err, ERR_NOMEM, "out of memory");
        to->v = more;
        to->cap = cap;
    }
    to->v[to->n++] = *c;
    return 0;
}

static int
add_commitments(const struct args *a, struct db_txn *txn, const struct log_row *log, const struct stored_event *e,
                struct proof *p, struct err *err)
{
    struct event_header h;
    struct event_common common;
    if (e->payload.len == 0 || event_header_decode(e->header, &h, err) != 0 || h.n_capsules == 0 ||
        event_common_decode(e->payload, &common, err) != 0 || !common.has_subject || !is_wanted(a, &common.subject))
        return 0;
    int rc = 0;
    for (uint8_t i = 0; i < h.n_capsules && rc == 0; i++) {
        const struct capsule_commitment *c = &h.capsules[i];
        bool wanted = false;
        rc = goes(a, txn, log, &h, i, &common.subject, p, &wanted, err);
        if (rc == 0 && (wanted || c->class == CLASS_KEY))
            rc = add_commitment(wanted ? &p->gone : &p->stay, c, err);
    }
    return rc;
}

/* What two orders of a day escrow of the same keys is the same capsule, byte for byte: gone with the one, there with the other. */
static void
leave_what_stays(struct commitments *gone, const struct commitments *stay)
{
    size_t n = 0;
    for (size_t i = 0; i < gone->n; i++) {
        bool stays = false;
        for (size_t k = 0; k < stay->n && gone->v[i].class == CLASS_KEY && !stays; k++)
            stays = TYPE_EQ(&gone->v[i].hash, &stay->v[k].hash);
        if (!stays)
            gone->v[n++] = gone->v[i];
    }
    gone->n = n;
}

static int
add_events(const struct args *a, struct db_txn *txn, struct proof *p, struct err *err)
{
    uint32_t logs = 0;
    int rc = evlog_count(txn, &logs, err);
    for (uint32_t no = 1; no <= logs && rc == 0; no++) {
        struct evlog_iter it;
        struct stored_event e;
        struct log_row row;
        rc = evlog_get(txn, no, &row, err);
        if (rc == 0)
            rc = evlog_iter_init(&it, txn, no, 1, err);
        if (rc != 0)
            break;
        while ((rc = evlog_iter_next(&it, &e, err)) == 0 && (rc = add_commitments(a, txn, &row, &e, p, err)) == 0)
            ;
        evlog_iter_release(&it);
        rc = rc == ERR_NOTFOUND ? 0 : rc;
    }
    return rc;
}

static int
gather(const struct args *a, struct datadir *d, struct proof *p, struct err *err)
{
    struct db_txn *txn = NULL;
    int rc = db_begin_read(d->db, &txn, err);
    if (rc == 0)
        rc = find_orders(a, txn, p, err);
    if (rc == 0)
        rc = check_ordered(a, p, err);
    for (size_t i = 0; i < a->n_members && rc == 0; i++) {
        rc = add_slots(a, d, txn, &a->members[i], p, err);
        if (rc == 0)
            rc = add_received(a, d->vault, txn, &a->members[i], p, err);
    }
    if (rc == 0 && a->n_members > 0)
        rc = add_events(a, txn, p, err);
    leave_what_stays(&p->gone, &p->stay);
    db_abort(&txn);
    if (rc == 0 && p->n_slots + p->n_received > 0)
        rc = vault_probe_new(d->vault, p->slots, p->n_slots, p->received, p->n_received, &p->probe, err);
    return rc;
}

static int
add_needle(struct prove_needles *n, const char *line, size_t len, struct err *err)
{
    uint8_t raw[PROVE_NEEDLE_MAX];
    char hex[2 * PROVE_NEEDLE_MAX + 1];
    if (len < 4 || memcmp(line, "hex:", 4) != 0)
        return prove_needles_text(n, slice_of(line, len), err);
    if (len - 4 >= sizeof(hex) || len % 2 != 0)
        return err_set(err, ERR_INVALID, "hex: pairs of hexadecimal digits, at most %d", PROVE_NEEDLE_MAX);
    memcpy(hex, line + 4, len - 4);
    hex[len - 4] = '\0';
    if (!hex_decode(hex, raw, (len - 4) / 2))
        return err_set(err, ERR_INVALID, "hex: something else than hexadecimal digits");
    return prove_needles_raw(n, slice_of(raw, (len - 4) / 2), err);
}

/* The words are personal data: no error says them. */
static int
read_needles(const char *path, struct prove_needles *n, struct err *err)
{
    char line[LINE_MAX_BYTES];
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    int rc = f ? 0 : err_errno(err, "%s", path);
    for (unsigned no = 1; rc == 0 && fgets(line, sizeof(line), f); no++) {
        size_t len = strcspn(line, "\r\n");
        if (len > 0)
            rc = add_needle(n, line, len, err);
        if (rc != 0)
            err_wrap(err, "needles, line %u", no);
    }
    if (rc == 0 && ferror(f))
        rc = err_errno(err, "%s", path);
    if (f && f != stdin)
        fclose(f);
    sodium_memzero(line, sizeof(line));
    return rc;
}

/* ---- telling ---- */

static void
on_progress(void *arg, uint64_t done, uint64_t total)
{
    struct proof *p = arg;
    cli_progress_update(&p->progress, done, total, done >> 20);
}

static void
on_hit(void *arg, const struct prove_hit *hit)
{
    struct proof *p = arg;
    if (hit->kind == PROVE_ROW || hit->kind == PROVE_CIPHERTEXT || p->shown++ >= HITS_SHOWN)
        return;
    if (p->json)
        json_array_append_new(p->hits,
                              json_pack("{s:s,s:I,s:s,s:I}", "file", hit->file, "offset", (json_int_t)hit->offset,
                                        "kind", prove_kind_name(hit->kind), "which", (json_int_t)hit->which));
    else
        printf("FOUND  %-11s  %s, byte %llu\n", prove_kind_name(hit->kind), hit->file, (unsigned long long)hit->offset);
}

static json_t *
counts(const uint64_t hits[PROVE_KINDS])
{
    json_t *o = json_object();
    for (unsigned k = 0; k < PROVE_KINDS; k++)
        json_object_set_new(o, prove_kind_name(k), json_integer((json_int_t)hits[k]));
    return o;
}

static void
on_file(void *arg, const struct prove_file *file)
{
    struct proof *p = arg;
    if (p->json)
        json_array_append_new(p->files,
                              json_pack("{s:s,s:I,s:b,s:o}", "file", file->file, "bytes", (json_int_t)file->bytes,
                                        "skipped", (int)file->skipped, "hits", counts(file->hits)));
}

static void
tell(const struct proof *p, const struct prove_result *r)
{
    char n[CLI_NUMBER_MAX], m[CLI_NUMBER_MAX];
    if (p->json) {
        json_t *o =
            json_pack("{s:b,s:I,s:I,s:O,s:O,s:o}", "clean", (int)prove_clean(r), "files", (json_int_t)r->files, "bytes",
                      (json_int_t)r->bytes, "found", p->hits, "searched", p->files, "hits", counts(r->hits));
        json_dumpf(o, stdout, JSON_INDENT(2) | JSON_SORT_KEYS);
        putchar('\n');
        json_decref(o);
        return;
    }
    printf("%s bytes in %s files searched for %zu key rows, %zu capsules and %zu needles.\n",
           cli_number((int64_t)r->bytes, n), cli_number((int64_t)r->files, m), p->n_slots + p->n_received, p->gone.n,
           prove_needles_count(p->needles));
    if (r->hits[PROVE_CIPHERTEXT] > 0)
        printf("%s capsules are still there as ciphertext, which nothing opens if no key was found.\n",
               cli_number((int64_t)r->hits[PROVE_CIPHERTEXT], n));
    printf(
        "%s\n",
        prove_clean(r)
            ? "Nothing that was erased is left."
            : "Something that was erased is still there. Once `smartnode erasures` says that it was carried out here, "
              "remove copies of files that it names, and search again.");
}

static int
prove(const struct args *a, struct proof *p, struct prove_result *ret, struct err *err)
{
    struct datadir d;
    char path[PATH_BYTES_MAX];
    struct prove_report report = {.progress = on_progress, .hit = on_hit, .file = on_file, .arg = p};
    int rc = prove_needles_new(&p->needles, err);
    if (rc == 0 && a->needles)
        rc = read_needles(a->needles, p->needles, err);
    if (rc == 0)
        rc = cli_open(a->common.data, DATADIR_READER, &d, err);
    if (rc != 0)
        return rc;
    rc = gather(a, &d, p, err);
    memcpy(path, d.path, sizeof(path));
    datadir_close(&d);
    struct prove_what what = {.probe = p->probe,
                              .rows_in_vault_only = a->quick,
                              .commitments = p->gone.v,
                              .n_commitments = p->gone.n,
                              .needles = prove_needles_count(p->needles) > 0 ? p->needles : NULL};
    cli_progress_begin(&p->progress, "MB");
    if (rc == 0)
        rc = prove_search(path, &what, &report, ret, err);
    cli_progress_end(&p->progress);
    return rc;
}

int
cmd_prove(int argc, char **argv)
{
    struct args a = {0};
    struct err err = {0};
    struct prove_result result = {0};
    cli_parse(&argp, "erase", argc, argv, &a);
    if (a.classes == 0)
        a.classes = VAULT_ALL_CLASSES;
    struct proof p = {.json = a.common.json, .hits = json_array(), .files = json_array()};
    int rc = p.hits && p.files ? prove(&a, &p, &result, &err) : err_set(&err, ERR_NOMEM, "out of memory");
    if (rc == 0)
        tell(&p, &result);
    vault_probe_free(&p.probe);
    prove_needles_free(&p.needles);
    json_decref(p.hits);
    json_decref(p.files);
    free(p.orders);
    free(p.slots);
    free(p.received);
    free(p.gone.v);
    free(p.stay.v);
    return rc != 0 ? cli_fail(&err) : prove_clean(&result) ? EXIT_OK : EXIT_PARTLY;
}
