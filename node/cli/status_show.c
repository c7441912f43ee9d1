/* See status_show.h. */
#include "node/cli/status_show.h"

#include <stdarg.h>

#include "node/cli/cli_common.h"

enum {
    FILL_PERCENT_MAX = 80, /* of a map: time to raise it */
    DISK_PERCENT_MIN = 10, /* free */
    PEER_LATE_S = 300,     /* behind or gone for longer than a restart or an import takes */
    WAITING_LATE_S = 3600, /* what waits so long waits for a log that nobody near has */
    PROBLEM_MAX = 512,
    MIB = 1048576,
};

static const char *
text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static int64_t
number_of(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

/* ---- what is wrong ---- */

static void problem(json_t *list, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void
problem(json_t *list, const char *fmt, ...)
{
    char text[PROBLEM_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    json_array_append_new(list, json_string(text));
}

static void
state_problems(json_t *list, const json_t *s)
{
    const char *state = text_of(s, "state");
    if (strcmp(state, "full") == 0)
        problem(list, "disk or map is full: writes are refused, reads go on. Make room: the node goes on by itself "
                      "(OPERATIONS.md \"Disk full\")");
    else if (strcmp(state, "rebuilding") == 0)
        problem(list, "the state is being rebuilt, %lld of 1000 parts done: reads go on, writes wait for it",
                (long long)number_of(s, "rebuild_permille"));
    else if (strcmp(state, "ready") != 0)
        problem(list, "the node is %s", state);
}

static void
store_problems(json_t *list, const json_t *s)
{
    static const struct {
        const char *used, *max, *name, *key;
    } maps[] = {{"used_bytes", "map_bytes", "main", "map_gib"},
                {"vault_used_bytes", "vault_map_bytes", "vault", "vault_map_gib"}};
    const json_t *storage = json_object_get(s, "storage"), *waiting = json_object_get(s, "waiting");
    char age[CLI_NUMBER_MAX];
    for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
        int64_t max = number_of(storage, maps[i].max), used = number_of(storage, maps[i].used);
        if (max > 0 && used / (max / 100 + 1) >= FILL_PERCENT_MAX)
            problem(list, "the map of %s is %lld %% full: raise %s in smartnode.conf and restart", maps[i].name,
                    (long long)(used * 100 / max), maps[i].key);
    }
    int64_t disk = number_of(storage, "disk_bytes"), free_bytes = number_of(storage, "disk_free_bytes");
    if (disk > 0 && free_bytes / (disk / 100 + 1) < DISK_PERCENT_MIN)
        problem(list, "only %lld MiB of the disk are free: make room before writes are refused",
                (long long)(free_bytes / MIB));
    if (number_of(waiting, "n") > 0 && number_of(waiting, "oldest_s") > WAITING_LATE_S)
        problem(
            list,
            "%lld references wait for events that are not held, the oldest for %s: pin the unit whose log it is, or ask a peer "
            "that has it to pin this one",
            (long long)number_of(waiting, "n"), cli_age(number_of(waiting, "oldest_s"), age));
}

static void
peer_problem(json_t *list, const json_t *p)
{
    const char *code = text_of(p, "code"), *state = text_of(p, "state"), *reason = text_of(p, "reason");
    char age[CLI_NUMBER_MAX], number[CLI_NUMBER_MAX];
    cli_age(number_of(p, "lag_s"), age);
    if (strcmp(state, "refused") == 0)
        problem(list, "%s %s", code, reason[0] ? reason : "refuses this node: exchange cards again");
    else if (number_of(p, "lag_s") < PEER_LATE_S)
        return;
    else if (strcmp(state, "catching-up") == 0)
        problem(list, "%s: %s events behind, for %s: is the line, or this machine, too slow?", code,
                cli_number(number_of(p, "lag_events"), number), age);
    else
        problem(list, "%s is not connected, for %s: is its node running, and can its address be reached from here?%s%s",
                code, age, reason[0] ? " It says: " : "", reason);
}

json_t *
status_problems(const json_t *status, const json_t *peers)
{
    json_t *list = json_array(), *v;
    size_t i;
    if (!list)
        return NULL;
    state_problems(list, status);
    json_array_foreach(json_object_get(status, "warnings"), i, v) json_array_append(list, v);
    json_array_foreach(peers, i, v) peer_problem(list, v);
    store_problems(list, status);
    if (number_of(status, "conflicts") > 0)
        problem(list, "%lld conflicts are to be looked at: GET /v1/conflicts",
                (long long)number_of(status, "conflicts"));
    return list;
}

/* ---- the rest ---- */

static void
show_peer(const json_t *p)
{
    char age[CLI_NUMBER_MAX], number[CLI_NUMBER_MAX];
    const char *state = text_of(p, "state");
    cli_cell(text_of(p, "code"), 6, false);
    cli_cell(state, 13, false);
    if (strcmp(state, "current") == 0)
        printf("has nothing that we lack");
    else if (strcmp(state, "catching-up") == 0)
        printf("%s events behind, for %s", cli_number(number_of(p, "lag_events"), number),
               cli_age(number_of(p, "lag_s"), age));
    else
        printf("unknown for %s", cli_age(number_of(p, "lag_s"), age));
    if (number_of(p, "unannounced_events") > 0)
        printf(", lacks %s of ours", cli_number(number_of(p, "unannounced_events"), number));
    if (json_object_get(p, "last_heard"))
        printf(", heard %s ago", cli_age(number_of(p, "last_heard_s"), age));
    else
        printf(", never heard");
    if (json_is_true(json_object_get(p, "keeper")))
        printf(", keeper");
    if (text_of(p, "reason")[0] != '\0')
        printf(": %s", text_of(p, "reason"));
    putchar('\n');
}

static void
show_map(const char *name, int64_t used, int64_t max)
{
    char number[CLI_NUMBER_MAX];
    cli_cell(name, 13, false);
    printf("%s MiB of %lld GiB, %lld %% of the map\n", cli_number((used + MIB - 1) / MIB, number),
           (long long)(max / MIB / 1024), (long long)(used / (max / 100 + 1)));
}

static void
show_store(const json_t *s)
{
    char number[CLI_NUMBER_MAX], age[CLI_NUMBER_MAX];
    const json_t *storage = json_object_get(s, "storage"), *head = json_object_get(s, "own_head");
    const json_t *waiting = json_object_get(s, "waiting");
    show_map("main", number_of(storage, "used_bytes"), number_of(storage, "map_bytes"));
    show_map("vault", number_of(storage, "vault_used_bytes"), number_of(storage, "vault_map_bytes"));
    cli_number(number_of(storage, "disk_free_bytes") / MIB, number);
    printf("disk         %s MiB free of %lld GiB\n", number,
           (long long)(number_of(storage, "disk_bytes") / MIB / 1024));
    printf("last commit  %s\n", text_of(s, "last_commit")[0] ? text_of(s, "last_commit") : "none since the start");
    if (head)
        printf("own head     %.12s… %s\n", text_of(head, "log"), cli_number(number_of(head, "seq"), number));
    printf("queue        %lld of %lld\n", (long long)number_of(json_object_get(s, "queue"), "used"),
           (long long)number_of(json_object_get(s, "queue"), "max"));
    if (number_of(waiting, "n") > 0)
        printf("waiting      %s, the oldest from %s ago\n", cli_number(number_of(waiting, "n"), number),
               cli_age(number_of(waiting, "oldest_s"), age));
    else
        printf("waiting      nothing\n");
    printf("conflicts    %lld\n", (long long)number_of(s, "conflicts"));
    printf("fingerprint  %.16s…\n", text_of(s, "fingerprint"));
}

void
status_show(const json_t *status, const json_t *peers, const json_t *problems)
{
    size_t i;
    json_t *v;
    printf("%s  %s  (%s, %s, %s, since %s)\n\n", text_of(status, "unit"), text_of(status, "state"),
           text_of(status, "federation"), json_is_true(json_object_get(status, "production")) ? "production" : "test",
           text_of(status, "program"), text_of(status, "started"));
    if (json_array_size(problems) == 0)
        printf("nothing needs attention\n");
    else
        printf("needs attention\n");
    json_array_foreach(problems, i, v) printf("! %s\n", json_string_value(v) ? json_string_value(v) : "?");
    printf("\npeers\n");
    json_array_foreach(peers, i, v) show_peer(v);
    if (json_array_size(peers) == 0)
        printf("none trusted: smartnode peer --help\n");
    putchar('\n');
    show_store(status);
}
