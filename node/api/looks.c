/* Who opened which own member at this desk: collected, and put into the vault's journal about once a second, because a commit for each
 * look would cost more than the look. A process that is killed loses what was not put there yet. storage/openings.h. */
#include "node/api/request.h"
#include "storage/openings.h"

static bool
same(const struct look *a, const struct look *b)
{
    return a->day.days == b->day.days && a->purpose == b->purpose && TYPE_EQ(&a->subject, &b->subject) &&
           TYPE_EQ(&a->actor, &b->actor);
}

int
looks_flush(struct api *a, struct err *err)
{
    struct look taken[API_LOOKS_MAX];
    pthread_mutex_lock(&a->looks.lock);
    size_t n = a->looks.n;
    memcpy(taken, a->looks.v, n * sizeof(*taken));
    a->looks.n = 0;
    pthread_mutex_unlock(&a->looks.lock);
    return n > 0 ? looks_note(a->deps.vault, taken, n, err) : 0;
}

int
look_note(struct request *r, const struct subject_id *member, struct err *err)
{
    struct api *a = r->api;
    if ((r->token.role & (ROLE_DESK | ROLE_INTEGRATION)) == 0) {
        return 0; /* the member's own */
    }
    const struct look look = {
        .subject = *member, .day = a->deps.today(a->deps.arg), .actor = r->token.actor, .count = 1};
    size_t i = 0;
    pthread_mutex_lock(&a->looks.lock);
    while (a->looks.n == API_LOOKS_MAX) {
        pthread_mutex_unlock(&a->looks.lock);
        int rc = looks_flush(a, err);
        if (rc != 0) {
            return rc;
        }
        pthread_mutex_lock(&a->looks.lock);
    }
    while (i < a->looks.n && !same(&a->looks.v[i], &look)) {
        i++;
    }
    if (i < a->looks.n) {
        a->looks.v[i].count++;
    } else {
        a->looks.v[a->looks.n++] = look;
    }
    pthread_mutex_unlock(&a->looks.lock);
    return 0;
}
