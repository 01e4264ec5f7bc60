#include "transport/ssh/sshserver_parts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utlist.h>

#include "transport/base/clock.h"

/* Logins give way to the sessions that are there: a storm of key exchanges is
 * not to slow those down. */
#define NICENESS 10

/* How often those that wait for their turn are looked at, besides when a login
 * of the same loop ends. */
#define RETRY_SECONDS 0.1

/* Far from the program's workers', which number from 0. */
#define FIRST_INDEX 90000u

/* Curves before groups, which are slow for us and cost a peer nothing if it
 * cheats; one that has logged in can exchange keys again and again, on the loop
 * of a worker. So the shortest group alone, 3.5 ms of a processor (one of 4,096
 * bits takes 18), and none that is read from a file of the system's. */
#define EXCHANGES                                                        \
    "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256," \
    "ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group14-sha256"
#define HOST_KEYS                                          \
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384," \
    "ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256"
#define USER_KEYS                                                 \
    "ssh-ed25519,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp256," \
    "ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,"                    \
    "sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256"
#define CIPHERS                                             \
    "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com," \
    "aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"

#define EYE_OF(pointer, member)                                   \
    ((struct sshserver_eye *)(void *)((char *)(pointer)-offsetof( \
        struct sshserver_eye, member)))
#define LOOP_OF(pointer, member)                                   \
    ((struct sshserver_loop *)(void *)((char *)(pointer)-offsetof( \
        struct sshserver_loop, member)))
#define RUN_OF(pointer, member)                                         \
    ((struct sshserver_login_run *)(void *)((char *)(pointer)-offsetof( \
        struct sshserver_login_run, member)))

/* --- accepting ------------------------------------------------------------ */

static void
on_client(struct acceptor *acceptor, int fd, union addr *peer)
{
    struct sshserver_eye *eye = acceptor->owner;
    struct sshserver_loop *loop = eye->loop;

    if (loop->stopping) {
        close(fd);
        return;
    }
    sshserver_login_start(loop, fd, peer);
    if (loop->queue && !ev_is_active(&loop->retry))
        ev_timer_again(worker_loop(loop->worker), &loop->retry);
}

static bool
has_room(struct acceptor *acceptor)
{
    const struct sshserver_eye *eye = acceptor->owner;
    struct sshserver *server = eye->loop->server;
    unsigned logins;

    pthread_mutex_lock(&server->lock);
    logins = server->sources.guests + server->sources.waiting;
    pthread_mutex_unlock(&server->lock);
    return server->config.has_room(server->config.arg, logins);
}

static void
on_short(struct acceptor *acceptor, const char *why)
{
    const struct sshserver_eye *eye = acceptor->owner;

    log_limited(&eye->loop->quiet, LOG_WARN, "accept: %s; new logins wait",
                why);
}

static void
begin_eye(struct mail *mail)
{
    struct sshserver_eye *eye = EYE_OF(mail, begin);
    struct sshserver_loop *loop = eye->loop;

    pthread_setname_np(pthread_self(), "ssh-login");
    eye->acceptor.on_client = on_client;
    eye->acceptor.has_room = has_room;
    eye->acceptor.on_short = on_short;
    eye->acceptor.owner = eye;
    DL_APPEND(loop->eyes, eye);
    if (acceptor_start(&eye->acceptor, loop->worker, eye->fd))
        log_write(LOG_ERROR, "no logins can be accepted: %s",
                  err_text(ERR_NO_DESCRIPTORS));
}

enum err
sshserver_loop_listen(struct sshserver_loop *loop, int fd)
{
    struct sshserver_eye *eye = calloc(1, sizeof(*eye));

    if (!eye)
        return ERR_NO_MEMORY;
    eye->loop = loop;
    eye->fd = fd;
    eye->begin.run = begin_eye;
    worker_post(loop->worker, &eye->begin);
    return ERR_OK;
}

/* --- whose turn it is ----------------------------------------------------- */

static void
take_turns(struct sshserver_loop *loop)
{
    struct sshserver_login_run *each;
    struct sshserver_login_run *next;

    DL_FOREACH_SAFE (loop->queue, each, next)
        sshserver_login_retry(each);
    if (!loop->queue)
        ev_timer_stop(worker_loop(loop->worker), &loop->retry);
}

static void
on_turn(struct task *task)
{
    struct sshserver_loop *loop = LOOP_OF(task, turn);
    struct sshserver_eye *each;

    if (loop->stopping)
        return;
    take_turns(loop);
    DL_FOREACH (loop->eyes, each)
        acceptor_resume(&each->acceptor);
}

static void
on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    take_turns(timer->data);
}

/* That it was given no turn, or no answer, is no fault of the peer's. */
static void
end_late(struct sshserver_login_run *run, const char *why)
{
    if (run->state == SSHSERVER_WAITING)
        sshserver_login_end(run, SSHSERVER_OUR, "too many logins");
    else if (run->is_asking)
        sshserver_login_end(run, SSHSERVER_OUR, "not judged in time");
    else
        sshserver_login_end(run, SSHSERVER_SLOW, why);
}

static void
on_exchange_over(struct deadline *deadline)
{
    end_late(RUN_OF(deadline, exchange), "no keys exchanged in time");
}

static void
on_whole_over(struct deadline *deadline)
{
    end_late(RUN_OF(deadline, whole), "not authenticated in time");
}

/* --- the thread ----------------------------------------------------------- */

static void
on_libssh_log(int priority, const char *function, const char *line, void *arg)
{
    (void)priority;
    (void)function;
    if (arg)
        sshserver_auth_hear(arg, line);
}

/* libssh's log level and callback are the thread's. Its lines are heard by us
 * alone: they may say more than a log should. */
static void
start_thread(void *arg)
{
    pid_t thread = (pid_t)syscall(SYS_gettid);

    (void)arg;
    setpriority(PRIO_PROCESS, (id_t)thread,
                getpriority(PRIO_PROCESS, (id_t)thread) + NICENESS);
    ssh_set_log_callback(on_libssh_log);
    ssh_set_log_userdata(NULL);
    ssh_set_log_level(SSH_LOG_PACKET);
}

static void
end_all(struct sshserver_loop *loop)
{
    while (loop->queue)
        sshserver_login_end(loop->queue, SSHSERVER_OUR, err_text(ERR_SHUTDOWN));
    while (loop->logins)
        sshserver_login_end(loop->logins, SSHSERVER_OUR,
                            err_text(ERR_SHUTDOWN));
}

static void
on_stop(struct mail *mail)
{
    struct sshserver_loop *loop = LOOP_OF(mail, stop);
    struct sshserver_eye *each;

    loop->stopping = true;
    DL_FOREACH (loop->eyes, each)
        acceptor_stop(&each->acceptor);
    end_all(loop);
    ev_timer_stop(worker_loop(loop->worker), &loop->retry);
    deadline_queue_stop(&loop->exchange);
    deadline_queue_stop(&loop->whole);
    worker_undefer(loop->worker, &loop->turn);
    worker_stop(loop->worker);
}

/* --- beginning and end ---------------------------------------------------- */

/* libssh frees a key that it has taken with the rest. */
static bool
import_key(ssh_bind bind, ssh_key key)
{
    ssh_key copy = ssh_key_dup(key);

    if (copy &&
        ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, copy) == SSH_OK)
        return true;
    ssh_key_free(copy);
    return false;
}

static bool
set_options(ssh_bind bind, const struct sshhostkeys *keys)
{
    const bool off = false;
    const struct {
        enum ssh_bind_options_e option;
        const void *value;
    } all[] = {
        {SSH_BIND_OPTIONS_PROCESS_CONFIG, &off},
        {SSH_BIND_OPTIONS_BANNER, "culvert_" CULVERT_VERSION},
        {SSH_BIND_OPTIONS_KEY_EXCHANGE, EXCHANGES},
        {SSH_BIND_OPTIONS_HOSTKEY_ALGORITHMS, HOST_KEYS},
        {SSH_BIND_OPTIONS_PUBKEY_ACCEPTED_KEY_TYPES, USER_KEYS},
        {SSH_BIND_OPTIONS_CIPHERS_C_S, CIPHERS},
        {SSH_BIND_OPTIONS_CIPHERS_S_C, CIPHERS},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (ssh_bind_options_set(bind, all[i].option, all[i].value) != SSH_OK)
            return false;
    for (unsigned i = 0; i < keys->count; i++)
        if (!import_key(bind, keys->keys[i]))
            return false;
    return true;
}

/* GSSAPI: which of the peer's mechanisms is taken. */
static ssh_string
take_none(ssh_session session, const char *user, int count, ssh_string *oids,
          void *arg)
{
    (void)session;
    (void)user;
    (void)count;
    (void)oids;
    (void)arg;
    return NULL;
}

static void
set_timers(struct sshserver_loop *loop)
{
    struct ev_loop *ev = worker_loop(loop->worker);
    const struct sshserver_times *times = &loop->server->times;

    deadline_queue_init(&loop->exchange, ev, times->exchange, on_exchange_over);
    deadline_queue_init(&loop->whole, ev, times->whole, on_whole_over);
    ev_timer_init(&loop->retry, on_retry, 0., RETRY_SECONDS);
    loop->retry.data = loop;
    loop->turn.run = on_turn;
    loop->stop.run = on_stop;
}

enum err
sshserver_loop_create(struct sshserver_loop *loop, struct sshserver *server,
                      unsigned index)
{
    loop->server = server;
    ssh_callbacks_init(&loop->refusals);
    loop->refusals.gssapi_select_oid_function = take_none;
    loop->bind = ssh_bind_new();
    loop->worker = worker_create(FIRST_INDEX + index);
    if (!loop->bind || !loop->worker)
        return ERR_NO_MEMORY;
    if (!set_options(loop->bind, server->config.keys))
        return ERR_NO_MEMORY;
    set_timers(loop);
    return worker_start(loop->worker, start_thread, NULL, loop);
}

void
sshserver_loop_stop(struct sshserver_loop *loop)
{
    worker_post(loop->worker, &loop->stop);
}

void
sshserver_loop_destroy(struct sshserver_loop *loop)
{
    struct sshserver_eye *each;
    struct sshserver_eye *next;

    worker_destroy(loop->worker);
    DL_FOREACH_SAFE (loop->eyes, each, next) {
        DL_DELETE(loop->eyes, each);
        free(each);
    }
    ssh_bind_free(loop->bind);
}
