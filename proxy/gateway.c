#include "proxy/gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/gateway_parts.h"

/* How often the authorized_keys file is looked at. */
#define WATCH_SECONDS 1.0

/* Login loops: a second one so that a slow signature, of RSA, does not hold up
 * all. */
#define LOGIN_LOOPS 2

/* What those take for themselves: epoll, wake-up and timers. */
#define LOOP_DESCRIPTORS 4

#define MESSAGE_MAX 1024

static const struct settings *
settings_of(const struct gateway *gateway)
{
    return gateway->shared->settings;
}

/* --- files ---------------------------------------------------------------- */

static enum err
load_host_keys(struct gateway *gateway)
{
    const struct sshdest_list *paths = &settings_of(gateway)->host_keys;

    for (size_t i = 0; i < paths->count; i++) {
        char print[SSHHOSTKEY_PRINT_MAX];
        char message[MESSAGE_MAX];
        bool made = false;
        enum err err = sshhostkeys_load(&gateway->host_keys, paths->item[i],
                                        &made, print, message, sizeof(message));

        if (err) {
            log_write(LOG_FATAL, "--host-key: %s", message);
            return ERR_MALFORMED;
        }
        if (made)
            log_write(LOG_WARN, "--host-key %s: made a new key %s",
                      paths->item[i], print);
    }
    return ERR_OK;
}

static void
set_keys(struct gateway *gateway, struct authkeys *keys)
{
    struct authkeys *old;

    pthread_mutex_lock(&gateway->lock);
    old = gateway->keys;
    gateway->keys = keys;
    pthread_mutex_unlock(&gateway->lock);
    authkeys_unref(old);
}

/* What cannot be looked at is all zeros. */
static struct stat
look_at_keys(const struct gateway *gateway)
{
    struct stat found;

    if (stat(settings_of(gateway)->authorized_keys, &found) != 0)
        memset(&found, 0, sizeof(found));
    return found;
}

/* Loads the authorized keys, if there are to be any. */
static enum err
load_keys(struct gateway *gateway, char message[MESSAGE_MAX])
{
    const char *path = settings_of(gateway)->authorized_keys;
    struct authkeys *keys = NULL;
    enum err err;

    if (!path)
        return ERR_OK;
    gateway->loaded = look_at_keys(gateway);
    err = authkeys_load(path, &keys, message, MESSAGE_MAX);
    /* One that was removed means that nobody may come in any more. */
    if (err == ERR_NO_SUCH_PATH && gateway->keys)
        err = authkeys_parse("", 0, path, &keys, message, MESSAGE_MAX);
    if (err)
        return err;
    set_keys(gateway, keys);
    if (authkeys_count(keys) == 0)
        log_write(
            LOG_WARN,
            "--authorized-keys %s: no key in it: nobody can log in by one",
            path);
    return ERR_OK;
}

void
gateway_reload(struct gateway *gateway)
{
    char message[MESSAGE_MAX];

    if (load_keys(gateway, message))
        log_write(LOG_ERROR, "--authorized-keys: %s; the old keys stay",
                  message);
    else if (gateway->keys)
        log_write(LOG_INFO, "--authorized-keys %s: %zu keys",
                  settings_of(gateway)->authorized_keys,
                  authkeys_count(gateway->keys));
}

static bool
is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void
on_watch(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct gateway *gateway = timer->data;
    struct stat found = look_at_keys(gateway);

    (void)loop;
    (void)events;
    if (!is_same_file(&found, &gateway->loaded))
        gateway_reload(gateway);
}

/* --- who has logged in ---------------------------------------------------- */

/* On a login loop's thread. */
static void
on_arrived(void *arg, struct sshserver_login *login)
{
    struct gateway *gateway = arg;
    const char *agent = grant_agent(login->grant);
    char other[REGISTRY_NAME_MAX + 1];
    struct log_word user;
    struct log_word name;

    if (agent) {
        registry_add(gateway->registry, login, agent);
    } else if (gateway_names_agent(gateway, login->user)) {
        /* That name is somebody else's: no port of that one's is had by it, and
         * no connection. */
        snprintf(other, sizeof(other), "%.128s/%s", login->user,
                 *login->print ? login->print : "password");
        log_write(LOG_WARN,
                  "a login as %s has no agent=, and that is the agent of "
                  "another: it is called %s",
                  log_word(&user, login->user), log_word(&name, other));
        registry_add(gateway->registry, login, other);
    } else {
        registry_add(gateway->registry, login, login->user);
    }
}

/* Those under way are in nobody's account: strangers, most of them. */
static bool
has_room(void *arg, unsigned logins)
{
    struct gateway *gateway = arg;

    return limits_have_room(&gateway->shared->limits) &&
           limits_may_take(&gateway->shared->limits, LIMITS_LOGINS,
                           logins + 1LL);
}

/* --- its life ------------------------------------------------------------- */

static enum registry_bind
bind_of(const struct settings *settings)
{
    switch (settings->agent_ports) {
    case GATEWAY_PORTS_NO:
        return REGISTRY_BIND_LOOPBACK;
    case GATEWAY_PORTS_YES:
        return REGISTRY_BIND_ANY;
    case GATEWAY_PORTS_CLIENTSPECIFIED:
        return REGISTRY_BIND_AS_ASKED;
    }
    return REGISTRY_BIND_LOOPBACK;
}

static enum err
create_registry(struct gateway *gateway)
{
    const struct settings *settings = settings_of(gateway);
    const struct registry_config config = {
        .ops = &gateway_registry_ops,
        .arg = gateway,
        .bind = bind_of(settings),
        .workers = settings->workers,
    };
    enum err err = registry_create(&config, &gateway->registry);

    if (!err)
        gateway->shared->registry = gateway->registry;
    return err;
}

static enum err
create_server(struct gateway *gateway)
{
    const struct sshserver_config config = {
        .keys = &gateway->host_keys,
        .admit = &gateway_admit_ops,
        .admit_arg = gateway,
        .loops = LOGIN_LOOPS,
        .arrived = on_arrived,
        .has_room = has_room,
        .arg = gateway,
    };

    limits_take(&gateway->shared->limits, LOGIN_LOOPS * LOOP_DESCRIPTORS);
    return sshserver_create(&config, &gateway->server);
}

/* Logs what failed. */
static enum err
set_up(struct gateway *gateway)
{
    char message[MESSAGE_MAX];
    enum err err = load_host_keys(gateway);

    if (err)
        return err;
    if (load_keys(gateway, message)) {
        log_write(LOG_FATAL, "--authorized-keys: %s", message);
        return ERR_MALFORMED;
    }
    err = create_registry(gateway);
    if (!err)
        err = create_server(gateway);
    if (err)
        log_write(LOG_FATAL, "--gateway: %s", err_text(err));
    return err;
}

enum err
gateway_create(struct shared *shared, struct worker *control,
               struct gateway **gateway)
{
    struct gateway *made = calloc(1, sizeof(*made));
    enum err err;

    if (!made) {
        log_write(LOG_FATAL, "--gateway: %s", err_text(ERR_NO_MEMORY));
        return ERR_NO_MEMORY;
    }
    made->shared = shared;
    made->control = control;
    made->port_forward.kind = made->direct_forward.kind = FORWARD_FIXED;
    made->port_forward.from_agent = made->direct_forward.from_agent = true;
    pthread_mutex_init(&made->lock, NULL);
    ev_timer_init(&made->watch, on_watch, WATCH_SECONDS, WATCH_SECONDS);
    made->watch.data = made;
    err = set_up(made);
    if (err) {
        gateway_destroy(made);
        return err;
    }
    if (shared->settings->authorized_keys)
        ev_timer_start(worker_loop(control), &made->watch);
    *gateway = made;
    return ERR_OK;
}

void
gateway_listen(struct gateway *gateway, int fd)
{
    enum err err = sshserver_listen(gateway->server, fd);

    if (err)
        log_write(LOG_ERROR, "--gateway: cannot accept: %s", err_text(err));
}

void
gateway_stop(struct gateway *gateway)
{
    if (!gateway || atomic_exchange(&gateway->stopped, true))
        return;
    ev_timer_stop(worker_loop(gateway->control), &gateway->watch);
    if (gateway->server)
        sshserver_stop(gateway->server);
}

void
gateway_destroy(struct gateway *gateway)
{
    if (!gateway)
        return;
    sshserver_destroy(gateway->server);
    registry_destroy(gateway->registry);
    gateway->shared->registry = NULL;
    authkeys_unref(gateway->keys);
    sshhostkeys_clear(&gateway->host_keys);
    pthread_mutex_destroy(&gateway->lock);
    free(gateway);
}

enum err
gateway_kick(struct gateway *gateway, const char *name, unsigned *agents)
{
    *agents = registry_kick(gateway->registry, name);
    return *agents > 0 ? ERR_OK : ERR_NAME_NOT_FOUND;
}
