/* Requests that wait for changes: suspended in libmicrohttpd, so that none holds a thread, woken by a commit, by their time or by the
 * stop of the server. An answer is made anew each time a request is woken.
 *
 *   READING ─nothing new─▶ POLLING ─api_changed, poll_tick, poll_stop─▶ READING
 *
 * A commit between the reading and the parking is not missed: told counts commits, and a request that saw an older count is woken at
 * once. */
#include "node/api/request.h"

enum { POLLERS_MAX = 64 }; /* of some 512 connections: who waits must not keep out who works */

/* The rest of a request's wait, decided under lock. True: it is on the list now, and whoever takes it off resumes it. */
static bool
park(struct api *a, struct request *r, struct mono_ms now)
{
    struct poll_state *p = &r->poll;

    p->over = a->stopping || now.ms >= p->until_ms;
    if (p->over || atomic_load(&a->told) != p->told) {
        return false;
    }
    p->refused = a->n_pollers >= POLLERS_MAX;
    if (p->refused) {
        return false;
    }
    p->next = a->pollers;
    a->pollers = r;
    a->n_pollers++;
    return true;
}

void
poll_park(struct request *r)
{
    struct api *a = r->api;
    struct MHD_Connection *mhd = r->mhd;

    MUST(r->txn == NULL);
    r->state = REQUEST_POLLING;
    atomic_store(&r->poll.parked, true);
    conn_deadline(r->conn, -1);
    MHD_suspend_connection(mhd);
    struct mono_ms now = a->deps.now_mono(a->deps.arg);
    pthread_mutex_lock(&a->lock);
    bool parked = park(a, r, now);
    if (!parked) {
        atomic_store(&r->poll.parked, false);
    }
    pthread_mutex_unlock(&a->lock);
    if (!parked) {
        MHD_resume_connection(mhd);
    }
}

/* Takes off the list who is due and resumes them. They count as jobs on the way, so that a stop waits for that. */
static void
wake(struct api *a, bool all, int64_t now_ms)
{
    struct request *due = NULL, **at = &a->pollers;
    size_t n = 0;

    pthread_mutex_lock(&a->lock);
    while (*at != NULL) {
        struct request *r = *at;
        if (!all && r->poll.until_ms > now_ms) {
            at = &r->poll.next;
            continue;
        }
        *at = r->poll.next;
        r->poll.next = due;
        due = r;
        n++;
    }
    a->n_pollers -= n;
    a->jobs += n;
    pthread_mutex_unlock(&a->lock);
    if (n == 0) {
        return;
    }
    while (due != NULL) {
        struct request *r = due;
        struct MHD_Connection *mhd = r->mhd;
        due = r->poll.next;
        atomic_store(&r->poll.parked, false);
        MHD_resume_connection(mhd); /* from here on the request may be gone */
    }
    pthread_mutex_lock(&a->lock);
    a->jobs -= n;
    if (a->jobs == 0) {
        pthread_cond_broadcast(&a->no_jobs);
    }
    pthread_mutex_unlock(&a->lock);
}

void
api_changed(struct api *a)
{
    atomic_fetch_add(&a->told, 1);
    wake(a, true, 0);
}

void
poll_tick(struct api *a, struct mono_ms now)
{
    wake(a, false, now.ms);
}

void
poll_stop(struct api *a)
{
    wake(a, true, 0);
}
