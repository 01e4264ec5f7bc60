/* The gateway's agents, over several workers: for ThreadSanitizer, and so
 * without Criterion. Agents of few names, each a client of libssh's, log in,
 * ask for their own ports and for the one that their name shares, serve what
 * comes, and leave again, in good order or not; others are kicked; clients come
 * to the shared ports, dials are made on every worker, and given up, and the
 * list of agents is read all the while. At the end there is still some of it
 * under way. Ends with 0 when every client was served, every dial ended as it
 * had to, and nothing is left. */
#include "tests/tsan/registry_bed.h"

#include <fcntl.h>
#include <sys/time.h>
#include <time.h>

#include "transport/net/listen.h"

/* --- agents --------------------------------------------------------------- */

static ssh_session
log_in(const struct name *name)
{
    ssh_session session = peer_log_in(&bed.addr, name->text);

    if (!session && !bed.stop)
        fail("kept out");
    return session;
}

/* A thread that is an agent, or several, one after the other. */
struct agent_thread {
    pthread_t thread;
    struct name *name;
    int own; /* its SOCKS port; 0: it has none */
};

/* Its own port, and that of its name. */
static bool
ask_for_ports(const struct agent_thread *thread, ssh_session session,
              const char *address)
{
    bool is_granted =
        !thread->own || peer_listen(session, "localhost", thread->own);

    if (thread->name->port)
        is_granted =
            peer_listen(session, address, thread->name->port) && is_granted;
    return is_granted;
}

/* Stays until the registry ends it. */
static void *
run_keeper(void *arg)
{
    const struct agent_thread *thread = arg;
    ssh_session session = log_in(thread->name);

    if (!ask_for_ports(thread, session, "localhost"))
        fail("a keeper was refused");
    sem_post(&bed.kept);
    while (ssh_is_connected(session))
        peer_serve(session, thread->own, thread->name->text);
    ssh_free(session);
    return NULL;
}

/* Comes and goes: with its ports given back and what came served, or not. */
static void *
run_sharer(void *arg)
{
    static const char *const addresses[] = {"localhost", "", "*"};
    const struct agent_thread *thread = arg;
    const char *word = thread->name->text;

    for (unsigned i = 0; !bed.stop; i++) {
        const char *address = addresses[i % 3];
        ssh_session session = log_in(thread->name);
        bool is_in = session && ask_for_ports(thread, session, address);

        if (!is_in && !bed.stop)
            fail("a sharer was refused");
        for (unsigned turns = 1 + i % 5; is_in && turns > 0; turns--)
            peer_serve(session, thread->own, word);
        if (is_in && i % 2) {
            pause_ms(i % 5); /* some are on their way meanwhile */
            ssh_channel_cancel_forward(session, address, thread->name->port);
            ssh_channel_cancel_forward(session, "localhost", thread->own);
            peer_serve(session, thread->own, word);
        }
        ssh_free(session); /* with its descriptor */
    }
    return NULL;
}

/* Stays until it is kicked, and comes again. */
static void *
run_kicked(void *arg)
{
    const struct agent_thread *thread = arg;

    while (!bed.last_kicks) {
        ssh_session session = log_in(thread->name);

        ask_for_ports(thread, session, "localhost");
        while (ssh_is_connected(session))
            peer_serve(session, thread->own, thread->name->text);
        bed.deaths++;
        ssh_free(session);
    }
    bed.gone++;
    return NULL;
}

/* --- what goes on beside that --------------------------------------------- */

/* A client of a shared port, of which always somebody has one. */
static void
call(const struct name *name)
{
    const struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    union addr addr;
    char got[8] = "";
    ssize_t len;
    int fd;

    addr_parse(&addr, "127.0.0.1", 9, (uint16_t)name->port);
    fd = peer_dial(&addr);
    if (fd < 0)
        fail("a port was closed");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    len = recv(fd, got, sizeof(got) - 1, MSG_WAITALL);
    if (len < 0 || strcmp(got, name->text) != 0)
        fail("a client was not served");
    close(fd);
}

static void *
run_caller(void *arg)
{
    const struct name *name = arg;

    for (unsigned i = 0; i < CALLS; i++)
        call(name);
    return NULL;
}

static void *
run_kicker(void *arg)
{
    (void)arg;
    while (!bed.kicks_stop) {
        bed.kicks += registry_kick(bed.registry, "KICK");
        pause_ms(20);
    }
    return NULL;
}

static void
check_row(const struct registry_row *row)
{
    const struct name *name = bed.names;

    while (name < bed.names + NAMES && strcmp(name->text, row->name) != 0)
        name++;
    if (name == bed.names + NAMES || row->worker >= WORKERS ||
        strlen(row->ports) >= sizeof(row->ports))
        fail("a row is wrong");
    bed.seen |= 1u << row->worker;
}

static void *
run_status(void *arg)
{
    (void)arg;
    while (!bed.stop) {
        struct registry_row *rows = NULL;
        unsigned count = registry_rows(bed.registry, &rows);

        for (unsigned i = 0; i < count; i++)
            check_row(&rows[i]);
        free(rows);
        pause_ms(2);
    }
    return NULL;
}

/* --- beginning and end ---------------------------------------------------- */

static void
on_drain(struct mail *mail)
{
    struct site *site =
        (struct site *)((char *)mail - offsetof(struct site, drain));

    site->via->ops->drain(site->via);
}

static void
on_stop(struct mail *mail)
{
    worker_stop(
        ((struct site *)((char *)mail - offsetof(struct site, stop)))->worker);
}

static void
stop_site(void *arg)
{
    struct site *site = arg;

    site->via->ops->stop(site->via);
}

static bool
has_room(void *arg, unsigned logins)
{
    (void)arg;
    (void)logins;
    return true;
}

static void
start(struct sshhostkeys *keys, int *listener)
{
    const struct registry_config agents = {.ops = &ops, .workers = WORKERS};
    const struct sshserver_config config = {
        .keys = keys,
        .admit = &peer_admit,
        .loops = 2,
        .arrived = on_arrived,
        .has_room = has_room,
    };
    const char *why;

    sem_init(&bed.dialled, 0, 0);
    sem_init(&bed.kept, 0, 0);
    if (registry_create(&agents, &bed.registry))
        fail("registry");
    for (unsigned i = 0; i < WORKERS; i++) {
        struct site *site = &bed.sites[i];

        site->worker = site->connector.worker = worker_create(i);
        site->drain.run = on_drain;
        site->stop.run = on_stop;
        if (transport_reverse_ops.create("", &site->connector, bed.registry,
                                         &site->via, &why) ||
            worker_start(site->worker, start_site, stop_site, site))
            fail("worker");
    }
    addr_parse(&bed.addr, "127.0.0.1", 9, 0);
    if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &keys->keys[0]) != SSH_OK ||
        listen_open_tcp(&bed.addr, listener) ||
        sshserver_create(&config, &bed.server) ||
        sshserver_listen(bed.server, *listener))
        fail("server");
}

/* Kicks until none of those who are to be kicked comes again. */
static void
end_kicks(pthread_t kicker, const struct agent_thread kicked[KICKED])
{
    bed.kicks_stop = true;
    pthread_join(kicker, NULL);
    bed.last_kicks = true;
    while (bed.gone < KICKED) {
        bed.kicks += registry_kick(bed.registry, "kick");
        pause_ms(1);
    }
    for (unsigned i = 0; i < KICKED; i++)
        pthread_join(kicked[i].thread, NULL);
}

/* With agents that still come, and others that stay. */
static void
end_workers(void)
{
    bool more;

    bed.stop = true;
    for (unsigned i = 0; i < WORKERS; i++)
        worker_post(bed.sites[i].worker, &bed.sites[i].drain);
    sshserver_stop(bed.server);
    for (unsigned i = 0; i < WORKERS; i++)
        worker_post(bed.sites[i].worker, &bed.sites[i].stop);
    for (unsigned i = 0; i < WORKERS; i++)
        worker_join(bed.sites[i].worker);
    do {
        more = false;
        for (unsigned i = 0; i < WORKERS; i++)
            more = worker_settle(bed.sites[i].worker) || more;
    } while (more);
}

static void
check(void)
{
    printf("%u logins, %u served, %u given up, %u kicked\n", bed.arrived,
           bed.served, bed.given_up, bed.kicks);
    if (bed.over != WORKERS * DIALS || bed.visits != 0)
        fail("a dial had no outcome");
    if (bed.given_up < WORKERS * DIALS / NAMES / 2)
        fail("a dial for nobody was not given up");
    if (bed.kicks != bed.deaths)
        fail("not as many were kicked as have ended");
    if (bed.seen != (1u << WORKERS) - 1)
        fail("a worker had no agent");
    if (bed.registry->agents || bed.registry->ports || bed.taken != 0)
        fail("something is left");
    if (peer_grants.granted != peer_grants.released)
        fail("a grant is left");
    for (unsigned i = 0; i < WORKERS; i++)
        if (bed.registry->arriving[i] != 0)
            fail("somebody is still arriving");
}

/* Each agent has a SOCKS port of its own, but the deaf one. */
static void
start_agent(struct agent_thread *thread, unsigned name, void *(*run)(void *arg))
{
    thread->name = &bed.names[name];
    if (name != DEAF)
        thread->own = peer_reserve();
    start_thread(&thread->thread, run, thread);
}

static void
await(sem_t *sem, const char *what)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_SECONDS;
    while (sem_timedwait(sem, &until))
        if (errno != EINTR)
            fail(what);
}

static void
run_all(void)
{
    static struct agent_thread keepers[4], sharers[2 * SHARERS];
    static struct agent_thread kicked[KICKED];
    pthread_t callers[2 * CALLERS], kicker, status;

    start_thread(&status, run_status, NULL);
    start_agent(&keepers[0], DEAF, run_keeper);
    start_agent(&keepers[1], HOME, run_keeper);
    start_agent(&keepers[2], WORK, run_keeper);
    for (unsigned i = 0; i < 3; i++)
        await(&bed.kept, "an agent has not come");
    for (unsigned i = 0; i < 2 * SHARERS; i++)
        start_agent(&sharers[i], i % 2, run_sharer);
    for (unsigned i = 0; i < KICKED; i++)
        start_agent(&kicked[i], KICK, run_kicked);
    start_thread(&kicker, run_kicker, NULL);
    for (unsigned i = 0; i < 2 * CALLERS; i++)
        start_thread(&callers[i], run_caller, &bed.names[i % 2]);
    for (unsigned i = 0; i < 2 * CALLERS; i++)
        pthread_join(callers[i], NULL);
    start_agent(&keepers[3], LATE, run_keeper);
    await(&bed.dialled, "a dial has no outcome");
    end_kicks(kicker, kicked);
    end_workers();
    for (unsigned i = 0; i < 2 * SHARERS; i++)
        pthread_join(sharers[i].thread, NULL);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(keepers[i].thread, NULL);
    pthread_join(status, NULL);
}

static unsigned
count_descriptors(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

int
main(void)
{
    const struct log_options quiet = {.level = LOG_QUIET};
    unsigned before = count_descriptors();
    struct sshhostkeys keys = {.count = 1};
    int listener;

    log_open(&quiet);
    bed.names[HOME].port = peer_reserve();
    bed.names[WORK].port = peer_reserve();
    bed.names[DEAF].port = peer_reserve();
    start(&keys, &listener);
    run_all();
    check();
    for (unsigned i = 0; i < WORKERS; i++)
        bed.sites[i].via->ops->destroy(bed.sites[i].via);
    registry_destroy(bed.registry);
    for (unsigned i = 0; i < WORKERS; i++)
        worker_destroy(bed.sites[i].worker);
    sshserver_destroy(bed.server);
    close(listener);
    sshhostkeys_clear(&keys);
    if (count_descriptors() != before + peer_guards)
        fail("a descriptor is left open");
    return 0;
}
