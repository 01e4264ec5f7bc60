#include "transport/ssh/sshserver.h"

#include <signal.h>
#include <stdlib.h>

#include "transport/ssh/sshserver_parts.h"

/* How long a client has. sshd gives 120 s in all; a key exchange takes no
 * person's time. */
#define EXCHANGE_SECONDS 30.0
#define WHOLE_SECONDS    120.0
#define PEEK_SECONDS     0.3

/* Makes the loops, which run then. Signals are the main thread's. */
static enum err
create_loops(struct sshserver *server)
{
    const unsigned wanted = server->config.loops;
    sigset_t all, before;
    enum err err = ERR_OK;

    server->loops = calloc(wanted, sizeof(*server->loops));
    if (!server->loops)
        return ERR_NO_MEMORY;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < wanted && !err; i++) {
        err = sshserver_loop_create(&server->loops[i], server, i);
        server->count++;
        if (!err)
            server->running++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

enum err
sshserver_create_timed(const struct sshserver_config *config,
                       const struct sshserver_times *times,
                       struct sshserver **result)
{
    struct sshserver *server = calloc(1, sizeof(*server));
    enum err err;

    if (!server)
        return ERR_NO_MEMORY;
    server->config = *config;
    server->times = *times;
    pthread_mutex_init(&server->lock, NULL);
    err = ssh_init() == SSH_OK ? create_loops(server) : ERR_NO_RESOURCES;
    if (err)
        sshserver_destroy(server);
    else
        *result = server;
    return err;
}

enum err
sshserver_create(const struct sshserver_config *config,
                 struct sshserver **server)
{
    const struct sshserver_times times = {
        .exchange = EXCHANGE_SECONDS,
        .whole = WHOLE_SECONDS,
        .peek = PEEK_SECONDS,
    };

    return sshserver_create_timed(config, &times, server);
}

/* Where memory is short, some loops listen and some don't: those that do
 * suffice. */
enum err
sshserver_listen(struct sshserver *server, int fd)
{
    enum err err = ERR_NO_MEMORY;

    for (unsigned i = 0; i < server->count; i++)
        if (sshserver_loop_listen(&server->loops[i], fd) == ERR_OK)
            err = ERR_OK;
    return err;
}

void
sshserver_stop(struct sshserver *server)
{
    for (unsigned i = 0; i < server->running; i++)
        sshserver_loop_stop(&server->loops[i]);
    for (unsigned i = 0; i < server->running; i++)
        worker_join(server->loops[i].worker);
    server->running = 0;
}

void
sshserver_destroy(struct sshserver *server)
{
    if (!server)
        return;
    sshserver_stop(server);
    for (unsigned i = 0; i < server->count; i++)
        sshserver_loop_destroy(&server->loops[i]);
    sshsource_clear(&server->sources);
    pthread_mutex_destroy(&server->lock);
    free(server->loops);
    free(server);
}

/* No ssh_disconnect: that leaves a descriptor open which was given to the
 * session, as this one is, but where it can't write its last word; then it has
 * been closed, and who closes it once more may close another's. */
void
sshserver_login_drop(struct sshserver_login *login)
{
    ssh_free(login->session); /* with its descriptor */
    free(login);
}
