/* What Prometheus reads of a node, but HTTP's own (node/api/status.c). Names and units as Prometheus asks for: seconds, bytes, _total
 * for what only grows. See health.h. */
#include <stdio.h>
#include <unistd.h>

#include "node/api/prometheus.h"
#include "node/host/health.h"
#include "node/host/overdue.h"

static void
put_process(struct buf *b, const struct metrics *m)
{
    static const char *const states[] = {"starting", "rebuilding", "ready", "full", "stopping"};
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f && fscanf(f, "%*s %lu", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    prom_family(b, "smartnode_build_info", "gauge", "1, with the version of the program that runs.");
    prom_sample(b, "smartnode_build_info", "version", SMARTNODE_VERSION, 1);
    prom_one_milli(b, "process_start_time_seconds", "gauge", "When the node was started, seconds since 1970.",
                   m->started.ms);
    prom_one(b, "process_resident_memory_bytes", "gauge",
             "Memory that the node has in use, pages of its files that are in memory included.",
             (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE));
    prom_family(b, "smartnode_state", "gauge", "1 for the state that the node is in, as /readyz says it.");
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        prom_sample(b, "smartnode_state", "state", states[i], m->readiness == (enum api_readiness)i);
    prom_one(b, "smartnode_ready", "gauge", "1 if the node reads and writes.", m->readiness == API_READY);
}

static void
put_writer(struct buf *b, const struct writer_stats *w)
{
    prom_one(b, "smartnode_commits_total", "counter", "Commits of the main environment.", w->commits);
    prom_one(b, "smartnode_commits_failed_total", "counter", "Commits that failed; nothing of them was stored.",
             w->failed);
    prom_one(b, "smartnode_commits_refused_full_total", "counter", "Commits that found disk or map full.", w->full);
    prom_one(b, "smartnode_events_written_total", "counter", "Events stored, own and received.", w->events);
    prom_one(b, "smartnode_runs_stored_total", "counter", "Runs received from peers and stored.", w->runs);
    prom_one(b, "smartnode_writer_queue", "gauge", "Requests that wait for the writer.", w->queue);
    prom_one(b, "smartnode_writer_queue_max", "gauge", "So many may wait; more are refused.", WRITER_JOBS_MAX);
    prom_one_milli(b, "smartnode_last_commit_timestamp_seconds", "gauge",
                   "When the last commit was made, seconds since 1970; 0 before the first.", w->last_commit.ms);
}

static void
put_store(struct buf *b, const struct health *h)
{
    const struct db_usage *const usage[] = {&h->main, &h->vault};
    static const char *const names[] = {"main", "vault"};
    prom_family(b, "smartnode_map_bytes", "gauge", "Size of the map of an environment.");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        prom_sample(b, "smartnode_map_bytes", "environment", names[i], usage[i]->map_bytes);
    prom_family(b, "smartnode_map_used_bytes", "gauge", "Bytes of the map that are in use.");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        prom_sample(b, "smartnode_map_used_bytes", "environment", names[i], usage[i]->used_bytes);
    prom_family(b, "smartnode_map_fill_ratio", "gauge", "Used bytes of the map by its size, 0 to 1.");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        prom_sample_milli(b, "smartnode_map_fill_ratio", "environment", names[i],
                          usage[i]->map_bytes > 0 ? (int64_t)(usage[i]->used_bytes / (usage[i]->map_bytes / 1000 + 1))
                                                  : 0);
    prom_one(b, "smartnode_disk_bytes", "gauge", "Size of the file system with the data directory.", h->disk_bytes);
    prom_one(b, "smartnode_disk_free_bytes", "gauge", "Free bytes of it for this node.", h->disk_free_bytes);
    prom_one(b, "smartnode_readers", "gauge", "Readers of the main environment.", h->main.readers);
    prom_one(b, "smartnode_logs", "gauge", "Logs that are held.", h->logs);
    prom_one(b, "smartnode_events_applied", "gauge", "Events of all logs that the state has taken in.", h->applied);
    prom_one(b, "smartnode_events_void", "gauge", "Events among them that do not count.", h->voids);
    prom_one(b, "smartnode_events_waiting", "gauge", "References and logs that wait for what is not held.", h->waiting);
    prom_one_milli(b, "smartnode_waiting_oldest_seconds", "gauge",
                   "Age of the oldest event that waits, by its writer's clock; 0 if none does.", h->waiting_oldest_ms);
    prom_one(b, "smartnode_conflicts", "gauge", "Events that two units or two desks decided against each other.",
             h->conflicts);
    prom_one(b, "smartnode_capsules", "gauge", "Encrypted personal parts of events that are held.", h->capsules);
}

static void
put_sync(struct buf *b, const struct netloop_stats *n)
{
    prom_one(b, "smartnode_peers_trusted", "gauge", "Pinned peers.", n->peers);
    prom_one(b, "smartnode_sessions_open", "gauge", "Open sessions with peers.", n->sessions);
    prom_one(b, "smartnode_lag_events", "gauge", "Events that peers announced and this node does not hold.",
             n->lag_events);
    prom_one(b, "smartnode_lag_logs", "gauge", "Logs of which peers announced more than this node holds.", n->lag_logs);
    prom_one(b, "smartnode_runs_received_total", "counter", "Runs of events received from peers.",
             n->totals.runs_received);
    prom_one(b, "smartnode_runs_sent_total", "counter", "Runs of events sent to peers.", n->totals.runs_sent);
    prom_one(b, "smartnode_messages_dropped_total", "counter", "Runs and messages that nobody asked for.",
             n->totals.dropped);
    prom_one(b, "smartnode_peer_faults_total", "counter", "Sessions ended for what the peer sent.", n->totals.faults);
    prom_one(b, "smartnode_logs_refused_total", "counter", "First events of logs that were not admitted.",
             n->totals.logs_refused);
    prom_one(b, "smartnode_seal_failures_total", "counter",
             "What peers sent whose hash, chain, signature or seal does not fit.", n->totals.seal_failures);
}

static void
put_lookup(struct buf *b, const struct lookup_stats *l)
{
    prom_family(b, "smartnode_lookups_asked_total", "counter",
                "Questions to other units whether somebody is a member there, by what came of them.");
    prom_sample(b, "smartnode_lookups_asked_total", "outcome", "answered", l->asked);
    prom_sample(b, "smartnode_lookups_asked_total", "outcome", "refused", l->refused);
    prom_sample(b, "smartnode_lookups_asked_total", "outcome", "unanswered", l->unanswered);
    prom_one(b, "smartnode_lookups_hits_total", "counter", "Answers that somebody is.", l->hits);
    prom_family(b, "smartnode_lookups_answered_total", "counter", "Questions of other units, by what came of them.");
    prom_sample(b, "smartnode_lookups_answered_total", "outcome", "answered", l->answered);
    prom_sample(b, "smartnode_lookups_answered_total", "outcome", "rate_limit", l->limited);
    prom_sample(b, "smartnode_lookups_answered_total", "outcome", "not_available", l->unavailable);
    prom_one(b, "smartnode_lookups_open", "gauge", "Members that other units are asked about, of the last 30 days.",
             l->open);
}

static void
put_arrivals(struct buf *b, const struct arrivals_found *a, struct civil_date today)
{
    int32_t days = date_is_none(a->since) || a->since.days > today.days ? 0 : today.days - a->since.days;
    prom_one(b, "smartnode_arrivals_received_total", "counter", "Members who moved here and were received by the node.",
             a->received);
    prom_one(b, "smartnode_arrivals_waiting", "gauge", "Members who moved here and whose data is not all here yet.",
             a->waiting);
    prom_one(b, "smartnode_arrivals_for_desk", "gauge", "Members who moved here and whom only the desk can receive.",
             a->by_hand);
    prom_one(b, "smartnode_arrivals_oldest_seconds", "gauge",
             "Time since the move of whoever is not received yet, in whole days, the longest; 0 if nobody is.",
             (uint64_t)days * 86400);
}

static void
put_peers(struct buf *b, const struct metrics *m)
{
    prom_family(b, "smartnode_peer_connected", "gauge", "1 if a session with the peer is open.");
    for (size_t i = 0; i < m->n_peers; i++)
        prom_sample(b, "smartnode_peer_connected", "peer", m->peers[i].code,
                    m->peers[i].state == PEER_CURRENT || m->peers[i].state == PEER_CATCHING_UP);
    prom_family(b, "smartnode_peer_lag_seconds", "gauge",
                "Time since this node last held all that the peer had announced, or started; 0 while it does.");
    for (size_t i = 0; i < m->n_peers; i++)
        prom_sample_milli(b, "smartnode_peer_lag_seconds", "peer", m->peers[i].code, m->peers[i].lag_ms);
    prom_family(b, "smartnode_peer_lag_events", "gauge", "Events that the peer announced and this node does not hold.");
    for (size_t i = 0; i < m->n_peers; i++)
        prom_sample(b, "smartnode_peer_lag_events", "peer", m->peers[i].code, m->peers[i].lag_events);
    prom_family(b, "smartnode_peer_unannounced_events", "gauge",
                "Events of the own unit that the peer has not announced; 0 while it is not connected.");
    for (size_t i = 0; i < m->n_peers; i++)
        prom_sample(b, "smartnode_peer_unannounced_events", "peer", m->peers[i].code, m->peers[i].unannounced_events);
    prom_family(b, "smartnode_peer_last_heard_timestamp_seconds", "gauge",
                "When the peer was last heard, seconds since 1970; 0 if never.");
    for (size_t i = 0; i < m->n_peers; i++)
        prom_sample_milli(b, "smartnode_peer_last_heard_timestamp_seconds", "peer", m->peers[i].code,
                          m->peers[i].heard ? m->peers[i].last_heard.ms : 0);
}

static void
put_overdue(struct buf *b, const struct overdue *o)
{
    prom_one(b, "smartnode_erasures_open", "gauge", "Erasures of this unit's members that some unit has not confirmed.",
             o->open);
    prom_one(b, "smartnode_erasures_overdue", "gauge", "Of these, those ordered more than silent_days ago.", o->late);
}

void
metrics_write(struct buf *out, const struct metrics *m)
{
    put_process(out, m);
    put_writer(out, m->writer);
    put_store(out, m->health);
    put_sync(out, m->net);
    put_lookup(out, m->lookup);
    if (m->overdue)
        put_overdue(out, m->overdue);
    if (m->arrivals)
        put_arrivals(out, m->arrivals, m->today);
    if (m->n_peers > 0)
        put_peers(out, m);
}
