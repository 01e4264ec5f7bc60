#include "proxy/bindname.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "transport/base/target.h"

struct bindname {
    struct worker *worker;
    void (*done)(void *arg, const struct bindname_answer *answer);
    void *arg;
    char host[TARGET_NAME_MAX + 1];
    int family;
    struct bindname_answer answer;

    pthread_mutex_t lock;
    bool left; /* nobody waits for it any more */
    struct mail mail;
};

void
bindname_find(const char *host, int family, struct bindname_answer *answer)
{
    struct addrinfo hints = {.ai_family = family,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(host, NULL, &hints, &found);

    answer->count = 0;
    answer->why = failed ? gai_strerror(failed) : "no address";
    for (struct addrinfo *each = found;
         each && answer->count < BINDNAME_ADDRS_MAX; each = each->ai_next) {
        if (each->ai_addrlen > sizeof(union addr))
            continue;
        memcpy(&answer->addrs[answer->count++], each->ai_addr,
               each->ai_addrlen);
    }
    if (found)
        freeaddrinfo(found);
}

static void
destroy(struct bindname *name)
{
    pthread_mutex_destroy(&name->lock);
    free(name);
}

static void
on_found(struct mail *mail)
{
    struct bindname *name =
        (struct bindname *)((char *)mail - offsetof(struct bindname, mail));

    /* So that the thread has let go of it. */
    pthread_mutex_lock(&name->lock);
    pthread_mutex_unlock(&name->lock);
    if (!name->left)
        name->done(name->arg, &name->answer);
    destroy(name);
}

static void *
thread_main(void *arg)
{
    struct bindname *name = arg;
    bool left;

    bindname_find(name->host, name->family, &name->answer);
    pthread_mutex_lock(&name->lock);
    left = name->left;
    /* Under the lock: while nobody has left the worker is there. */
    if (!left)
        worker_post(name->worker, &name->mail);
    pthread_mutex_unlock(&name->lock);
    if (left)
        destroy(name);
    return NULL;
}

static enum err
start_thread(struct bindname *name)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all;
    enum err err = ERR_OK;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_attr_setsigmask_np(&attr, &all) ||
        pthread_create(&thread, &attr, thread_main, name))
        err = ERR_NO_RESOURCES;
    pthread_attr_destroy(&attr);
    return err;
}

enum err
bindname_start(struct worker *worker, const char *host, int family,
               void (*done)(void *arg, const struct bindname_answer *answer),
               void *arg, struct bindname **name)
{
    struct bindname *made = calloc(1, sizeof(*made));

    if (!made)
        return ERR_NO_MEMORY;
    made->worker = worker;
    made->done = done;
    made->arg = arg;
    made->family = family;
    made->mail.run = on_found;
    snprintf(made->host, sizeof(made->host), "%s", host);
    pthread_mutex_init(&made->lock, NULL);
    *name = made;
    if (start_thread(made)) {
        destroy(made);
        return ERR_NO_RESOURCES;
    }
    return ERR_OK;
}

void
bindname_cancel(struct bindname *name)
{
    if (!name)
        return;
    /* The thread frees it, or the mail where that is on its way. */
    pthread_mutex_lock(&name->lock);
    name->left = true;
    pthread_mutex_unlock(&name->lock);
}
