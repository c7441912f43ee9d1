/* The graph of logs. Nodes are numbered as they are added, and every predecessor is added before its successors, so a sweep over
 * falling numbers visits each log after all logs that name it: what is reached of a log is final once the sweep has passed it.
 *
 * Cost of dag_past_of(log, of): O(1) if `of` is the younger; else the sweep from log's number down to of's, O(numbers between +
 * edges met), at most 8 edges a log. The last DAG_SWEEPS sources keep their sweep and go on where they stopped, so that all questions
 * about one source together cost one sweep over its past: what a linear chain of restarts, or a run of one log about many
 * members, asks. Memory: 8 bytes for each log and kept sweep, reserved when a log is added; a question never allocates. */
#include <stdlib.h>

#include "node/rules/dag.h"

#include "proto/base/map.h"

enum { DAG_SWEEPS = 8, PREDECESSORS_MAX = 8 };

struct edge {
    uint32_t to;
    uint64_t seq;
};

struct node {
    uint32_t depth;
    uint32_t n_edges;
    size_t first_edge;
};

/* reach[i]: last seq of node i in the source's past, final for i ≥ next; zero where the sweep left nothing. */
struct sweep {
    bool used;
    uint32_t source;
    uint32_t next; /* all numbers ≥ next have been passed */
    uint64_t stamp;
    uint64_t *reach;
};

struct sweeps {
    uint64_t stamp;
    struct sweep s[DAG_SWEEPS];
};

struct dag {
    struct map index; /* log id → number */
    struct node *nodes;
    size_t n, cap;
    struct edge *edges;
    size_t n_edges, cap_edges;
    struct sweeps *sweeps; /* behind a pointer: a question leaves the graph itself as it is */
};

int
dag_new(struct dag **ret, struct err *err)
{
    struct dag *d = calloc(1, sizeof(*d));
    struct sweeps *s = calloc(1, sizeof(*s));
    if (d == NULL || s == NULL) {
        free(d);
        free(s);
        return err_set(err, ERR_NOMEM, "graph of logs: out of memory");
    }
    map_init(&d->index, sizeof(struct log_id), sizeof(uint32_t), DAG_LOGS_MAX, NULL);
    d->sweeps = s;
    *ret = d;
    return 0;
}

void
dag_free(struct dag **d)
{
    if (*d == NULL) {
        return;
    }
    for (size_t i = 0; i < DAG_SWEEPS; i++) {
        free((*d)->sweeps->s[i].reach);
    }
    free((*d)->sweeps);
    free((*d)->nodes);
    free((*d)->edges);
    map_free(&(*d)->index);
    free(*d);
    *d = NULL;
}

static bool
find(const struct dag *d, const struct log_id *log, uint32_t *ret)
{
    const uint32_t *number = map_get(&d->index, log->b);
    if (number == NULL) {
        return false;
    }
    *ret = *number;
    return true;
}

/* Room for one more node and its edges, in the sweeps too; on failure what was there is unharmed. */
static bool
grow(struct dag *d, size_t edges)
{
    if (d->n == d->cap) {
        size_t cap = d->cap == 0 ? 64 : d->cap * 2;
        for (size_t i = 0; i < DAG_SWEEPS; i++) {
            uint64_t *reach = realloc(d->sweeps->s[i].reach, cap * sizeof(*reach));
            if (reach == NULL) {
                return false;
            }
            memset(reach + d->cap, 0, (cap - d->cap) * sizeof(*reach));
            d->sweeps->s[i].reach = reach;
        }
        struct node *nodes = realloc(d->nodes, cap * sizeof(*nodes));
        if (nodes == NULL) {
            return false;
        }
        d->nodes = nodes;
        d->cap = cap;
    }
    if (d->n_edges + edges > d->cap_edges) {
        size_t cap = d->cap_edges * 2 + PREDECESSORS_MAX;
        struct edge *more = realloc(d->edges, cap * sizeof(*more));
        if (more == NULL) {
            return false;
        }
        d->edges = more;
        d->cap_edges = cap;
    }
    return true;
}

int
dag_add(struct dag *d, const struct log_id *log, const struct position *predecessors, size_t n, uint32_t *ret_depth,
        struct err *err)
{
    uint32_t number;
    if (find(d, log, &number)) {
        *ret_depth = d->nodes[number].depth;
        return 0;
    }
    if (n > PREDECESSORS_MAX || d->n >= DAG_LOGS_MAX) {
        return err_set(err, ERR_LIMIT, "graph of logs: too many %s", n > PREDECESSORS_MAX ? "predecessors" : "logs");
    }
    struct edge to[PREDECESSORS_MAX];
    uint32_t depth = 1;
    for (size_t i = 0; i < n; i++) {
        if (!find(d, &predecessors[i].log, &to[i].to)) {
            return err_set(err, ERR_WAITING, "graph of logs: a predecessor is not there yet");
        }
        to[i].seq = predecessors[i].seq;
        if (d->nodes[to[i].to].depth >= depth) {
            depth = d->nodes[to[i].to].depth + 1;
        }
    }
    bool is_new;
    uint32_t *value = grow(d, n) ? map_put(&d->index, log->b, &is_new) : NULL;
    if (value == NULL) {
        return err_set(err, ERR_NOMEM, "graph of logs: out of memory");
    }
    *value = (uint32_t)d->n;
    d->nodes[d->n] = (struct node){.depth = depth, .n_edges = (uint32_t)n, .first_edge = d->n_edges};
    for (size_t i = 0; i < n; i++) {
        d->edges[d->n_edges + i] = to[i];
    }
    d->n_edges += n;
    d->n++;
    *ret_depth = depth;
    return 0;
}

bool
dag_has(const struct dag *d, const struct log_id *log)
{
    uint32_t number;
    return find(d, log, &number);
}

uint32_t
dag_depth(const struct dag *d, const struct log_id *log)
{
    uint32_t number;
    return find(d, log, &number) ? d->nodes[number].depth : 0;
}

static void
relax(const struct dag *d, struct sweep *s, uint32_t from)
{
    const struct node *node = &d->nodes[from];
    for (uint32_t i = 0; i < node->n_edges; i++) {
        const struct edge *e = &d->edges[node->first_edge + i];
        if (e->seq > s->reach[e->to]) {
            s->reach[e->to] = e->seq;
        }
    }
}

/* The kept sweep of a source, or the one longest unused, begun anew. */
static struct sweep *
sweep_of(const struct dag *d, uint32_t source)
{
    struct sweeps *all = d->sweeps;
    struct sweep *oldest = &all->s[0];
    all->stamp++;
    for (size_t i = 0; i < DAG_SWEEPS; i++) {
        struct sweep *s = &all->s[i];
        if (s->used && s->source == source) {
            s->stamp = all->stamp;
            return s;
        }
        if (s->stamp < oldest->stamp) {
            oldest = s;
        }
    }
    if (oldest->used) {
        memset(oldest->reach, 0, ((size_t)oldest->source + 1) * sizeof(*oldest->reach));
    }
    oldest->used = true;
    oldest->source = source;
    oldest->next = source;
    oldest->stamp = all->stamp;
    relax(d, oldest, source);
    return oldest;
}

uint64_t
dag_past_of(const struct dag *d, const struct log_id *log, const struct log_id *of)
{
    uint32_t source, target;
    if (!find(d, log, &source) || !find(d, of, &target) || target >= source) {
        return 0;
    }
    struct sweep *s = sweep_of(d, source);
    while (s->next > target) {
        s->next--;
        if (s->reach[s->next] > 0) {
            relax(d, s, s->next);
        }
    }
    return s->reach[target];
}

bool
dag_before(const struct dag *d, const struct position *a, const struct position *b)
{
    if (TYPE_EQ(&a->log, &b->log)) {
        return a->seq < b->seq;
    }
    return a->seq <= dag_past_of(d, &b->log, &a->log);
}
