/* See guest.h. */
#include "node/command/guest.h"

int
guest_opening(struct vault *vault, const struct guest_look *looks, size_t n, struct err *err)
{
    struct opening o[GUEST_LOOKS_MAX];
    if (n > GUEST_LOOKS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d members opened at once", GUEST_LOOKS_MAX);
    for (size_t i = 0; i < n; i++)
        o[i] = (struct opening){.home = looks[i].home,
                                .subject = looks[i].member,
                                .day = looks[i].day,
                                .actor = looks[i].actor,
                                .access = looks[i].access,
                                .count = 1,
                                .done = (looks[i].classes & OPENED_CLASSES) | (looks[i].by_pass ? OPENED_BY_PASS : 0)};
    return n == 0 ? 0 : openings_note(vault, o, n, err);
}

int
guest_knowledge(bool known, struct wall_ms known_at, struct wall_ms now, uint32_t days_max, int64_t *ret_age_ms,
                struct err *err)
{
    static const int64_t day_ms = INT64_C(86400000);
    int64_t age = known && now.ms > known_at.ms ? now.ms - known_at.ms : 0;
    if (ret_age_ms != NULL)
        *ret_age_ms = known ? age : -1;
    if (days_max == 0)
        return 0;
    if (!known)
        return err_set(err, ERR_DENIED,
                       "this node has not heard of that unit since it was set up or restored; its members stay closed "
                       "until it has, or until an operator sets foreign_days_max");
    if (age / day_ms >= days_max)
        return err_set(err, ERR_DENIED,
                       "what this node knows of that unit is %lld days old; its members stay closed until it is heard "
                       "of, or until an operator sets foreign_days_max",
                       (long long)(age / day_ms));
    return 0;
}
