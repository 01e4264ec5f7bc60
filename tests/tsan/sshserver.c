/* An SSH server's door with several login loops, which share what they know of
 * sources and put each other's logins out: for ThreadSanitizer, and so without
 * Criterion. Clients log in, and others come and stand there or leave, on
 * several threads at once; at the end some are still under way. Ends with 0
 * when all who may come in did, and every grant was released. */
#include "transport/ssh/sshserver_parts.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOPS   3
#define THREADS 6
#define CLIENTS 30 /* of each thread, one after the other */
#define SILENT  40 /* sockets of each thread's that stand there */

static struct {
    struct sshserver *server;
    union addr addr;
    atomic_uint granted;
    atomic_uint released;
    atomic_uint arrived;
} bed;

struct answer {
    struct task task;
    struct admit_ask *ask;
};

static void
fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* --- admission: every password "yes" -------------------------------------- */

static void
answer(struct task *task)
{
    struct answer *answer = (struct answer *)(void *)task;
    struct admit_ask *ask = answer->ask;

    ask->err = ERR_AUTH_FAILED;
    if (ask->password && strcmp(ask->password, "yes") == 0) {
        ask->err = ERR_OK;
        ask->grant = &bed;
        bed.granted++;
    }
    free(answer);
    ask->answered(ask);
}

static bool
start(void *arg, struct admit_ask *ask)
{
    struct answer *made = calloc(1, sizeof(*made));

    (void)arg;
    made->task.run = answer;
    made->ask = ask;
    ask->state_ = made;
    worker_defer(ask->worker, &made->task);
    return true;
}

static void
cancel(void *arg, struct admit_ask *ask)
{
    struct answer *made = ask->state_;

    (void)arg;
    worker_undefer(ask->worker, &made->task);
    free(made);
}

static void
release(void *arg, void *grant)
{
    (void)arg;
    (void)grant;
    bed.released++;
}

static bool
yes(void *arg)
{
    (void)arg;
    return true;
}

static bool
has_room(void *arg, unsigned logins)
{
    (void)arg;
    (void)logins;
    return true;
}

static const struct admit_ops admit = {start, cancel, release, yes, yes};

static void
on_arrived(void *arg, struct sshserver_login *login)
{
    (void)arg;
    bed.arrived++;
    release(NULL, login->grant);
    sshserver_login_drop(login);
}

/* --- clients -------------------------------------------------------------- */

static int
dial(unsigned from)
{
    union addr addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    addr_parse(&addr, "127.0.0.1", 9, 0);
    addr.v4.sin_addr.s_addr = htonl(0x7f000000u + from);
    if (bind(fd, &addr.sa, addr_len(&addr)) ||
        connect(fd, &bed.addr.sa, addr_len(&bed.addr)))
        fail("connect");
    return fd;
}

static bool
log_in(unsigned from)
{
    ssh_session session = ssh_new();
    bool off = false;
    long patience = 60;
    bool is_in;
    int fd = dial(from);

    ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &off);
    ssh_options_set(session, SSH_OPTIONS_HOST, "127.0.0.1");
    ssh_options_set(session, SSH_OPTIONS_USER, "me");
    ssh_options_set(session, SSH_OPTIONS_TIMEOUT, &patience);
    ssh_options_set(session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null");
    ssh_options_set(session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
    ssh_options_set(session, SSH_OPTIONS_FD, &fd);
    is_in = ssh_connect(session) == SSH_OK &&
            ssh_userauth_password(session, NULL, "no") == SSH_AUTH_DENIED &&
            ssh_userauth_password(session, NULL, "yes") == SSH_AUTH_SUCCESS;
    ssh_free(session); /* with its descriptor, in any case */
    return is_in;
}

static void *
run_client(void *arg)
{
    unsigned number = *(unsigned *)arg;
    int fds[SILENT];

    for (unsigned i = 0; i < SILENT; i++)
        fds[i] = dial(100 + number);
    for (unsigned i = 0; i < CLIENTS; i++)
        if (!log_in(1 + number))
            fail("kept out");
    for (unsigned i = 0; i < SILENT; i++)
        close(fds[i]);
    return NULL;
}

static void
run_clients(void)
{
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        if (pthread_create(&threads[i], NULL, run_client, &numbers[i]))
            fail("pthread_create");
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

int
main(void)
{
    struct sshhostkeys keys = {.count = 1};
    const struct sshserver_config config = {
        .keys = &keys,
        .admit = &admit,
        .loops = LOOPS,
        .arrived = on_arrived,
        .has_room = has_room,
    };
    const struct sshserver_times times = {20, 30, 0.1};
    int listener;
    int last[20];

    addr_parse(&bed.addr, "127.0.0.1", 9, 0);
    if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &keys.keys[0]) != SSH_OK ||
        listen_open_tcp(&bed.addr, &listener) ||
        sshserver_create_timed(&config, &times, &bed.server) ||
        sshserver_listen(bed.server, listener))
        fail("start");
    run_clients();
    for (unsigned i = 0; i < 20; i++)
        last[i] = dial(50);
    sshserver_stop(bed.server);
    sshserver_destroy(bed.server);
    for (unsigned i = 0; i < 20; i++)
        close(last[i]);
    close(listener);
    sshhostkeys_clear(&keys);
    if (bed.arrived != THREADS * CLIENTS || bed.granted != bed.released)
        fail("not all came in");
    return 0;
}
