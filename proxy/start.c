#include "proxy/start.h"

#include <netdb.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "auth/users.h"
#include "auth/verify.h"
#include "transport/base/log.h"

/* Descriptors in use besides those of sessions and pipes: standard ones, the
 * log, the control socket's, and some to spare; of each worker: its loop's
 * two, and those of look-ups under way; and of each link: its socket, and what
 * it opens while it logs in. */
#define DESCRIPTORS_PROCESS    12
#define DESCRIPTORS_PER_WORKER 6
#define DESCRIPTORS_PER_LINK   4

size_t
start_raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 1024;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur > 1 << 20 ? 1 << 20 : (size_t)limit.rlim_cur;
}

static unsigned
count_processors(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

size_t
start_count_reserved(const struct shared *shared, unsigned workers)
{
    const struct settings *settings = shared->settings;
    size_t links = 0;

    for (unsigned i = 0; i < settings->way_count; i++)
        for (const struct sshdest *hop = settings->ways[i].ssh; hop;
             hop = hop->jump)
            links += settings->connections;
    return DESCRIPTORS_PROCESS + workers * DESCRIPTORS_PER_WORKER +
           links * DESCRIPTORS_PER_LINK +
           2 * (size_t)atomic_load(&shared->pipe_budget.left);
}

/* Whether there is a remote forward, or may be one: its sessions come in by a
 * channel. */
static bool
may_have_remote(const struct settings *settings)
{
    const struct forward *forward = settings->forwards;

    while (forward && !forward->is_remote)
        forward = forward->next;
    return forward || (settings->ssh && settings->control_master);
}

unsigned
start_count_per_session(const struct settings *settings)
{
    /* From a socket to a socket; or from a channel to one of another worker,
     * which a pair of sockets bridges. */
    if (settings_has_way(settings, false, false) ||
        (settings->workers > 1 && may_have_remote(settings) &&
         settings_has_way(settings, true, true)))
        return 2;
    return 1;
}

void
start_choose_workers(struct settings *settings, const struct shared *shared,
                     size_t descriptors)
{
    size_t sockets = 0;

    /* Most forwards have a socket of each family, which every worker has an
     * eye on. */
    for (const struct forward *forward = settings->forwards; forward;
         forward = forward->next)
        sockets += 2;
    if (settings->workers > 0)
        return;
    settings->workers = count_processors();
    while (settings->workers > 1 &&
           start_count_reserved(shared, settings->workers) +
                   sockets * (1 + settings->workers) >
               descriptors / 2)
        settings->workers--;
}

bool
start_find_bind_host(struct shared *shared)
{
    const struct settings *settings = shared->settings;
    struct addrinfo hints = {.ai_family = settings->family,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int failed;

    shared->bind_v4.sa.sa_family = AF_UNSPEC;
    shared->bind_v6.sa.sa_family = AF_UNSPEC;
    if (!settings->bind_host)
        return true;
    failed = getaddrinfo(settings->bind_host, NULL, &hints, &found);
    if (failed) {
        log_write(LOG_FATAL, "-b %s: %s", settings->bind_host,
                  gai_strerror(failed));
        return false;
    }
    for (struct addrinfo *each = found; each; each = each->ai_next) {
        union addr *addr =
            each->ai_family == AF_INET ? &shared->bind_v4 : &shared->bind_v6;

        if (addr->sa.sa_family == AF_UNSPEC &&
            each->ai_addrlen <= sizeof(*addr))
            memcpy(addr, each->ai_addr, each->ai_addrlen);
    }
    freeaddrinfo(found);
    return true;
}

bool
start_load_users(struct shared *shared)
{
    const char *path = shared->settings->users_path;
    char message[512];
    struct users *users = NULL;
    enum err err;

    if (!path)
        return true;
    if (users_load(path, &users, message, sizeof(message))) {
        log_write(LOG_FATAL, "--users: %s", message);
        return false;
    }
    err = verifier_create(users, &shared->verifier);
    users_unref(users);
    if (err)
        log_write(LOG_FATAL, "--users: %s", err_text(err));
    return !err;
}

void
start_reload_users(struct shared *shared)
{
    const char *path = shared->settings->users_path;
    char message[512];
    struct users *users = NULL;

    if (!path)
        return;
    if (users_load(path, &users, message, sizeof(message))) {
        log_write(LOG_ERROR, "%s; the old users stay", message);
        return;
    }
    verifier_set_users(shared->verifier, users);
    users_unref(users);
}
