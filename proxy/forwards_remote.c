/* The forwards that the SSH server listens for. */
#include <stdio.h>
#include <utlist.h>

#include "proxy/forwards_parts.h"

static void
tell_gone(struct forwards *forwards)
{
    if (forwards->remotes == 0 && forwards->remotes_gone)
        forwards->remotes_gone(forwards->arg);
}

static void
on_closed(void *owner)
{
    struct standing *standing = owner;
    struct forwards *forwards = standing->forwards;
    struct forwards_ask *ask = standing->ask;

    remote_destroy(standing->remote);
    standing->remote = NULL;
    standing->stands = standing->leaves = false;
    standing->ask = NULL;
    forwards->remotes--;
    if (ask)
        forwards_tell(ask);
    tell_gone(forwards);
}

/* One of the command line's has its first answer. */
static void
count_answer(struct standing *standing, enum err err)
{
    struct forwards *forwards = standing->forwards;

    standing->counts = false;
    forwards->refused += err != ERR_OK;
    if (--forwards->waiting == 0)
        forwards->remotes_answered(forwards->arg, forwards->refused);
}

static void
on_answered(void *owner, enum err err, const char *why)
{
    struct standing *standing = owner;
    struct forwards_ask *ask = standing->ask;

    if (standing->counts) {
        count_answer(standing, err);
        return;
    }
    if (ask) {
        ask->err = err;
        ask->port = err ? 0 : remote_picked_port(standing->remote);
        snprintf(ask->why, sizeof(ask->why), "%s", why);
    }
    if (err) { /* told when it has closed */
        forwards_remote_close(standing);
        return;
    }
    standing->ask = NULL;
    if (ask)
        forwards_tell(ask);
}

static enum err
open_remote(struct standing *standing, bool insists)
{
    struct forwards *forwards = standing->forwards;
    const struct remote_config config = {
        .shared = forwards->shared,
        .control = forwards->control,
        .forward = standing->forward,
        .insists = insists,
        .answered = on_answered,
        .closed = on_closed,
        .owner = standing,
    };
    enum err err = remote_open(&config, &standing->remote);

    if (!err) {
        standing->stands = true;
        forwards->remotes++;
    }
    return err;
}

enum err
forwards_ask_remotes(struct forwards *forwards, size_t *asked)
{
    const struct forward *forward;

    for (forward = forwards->settings->forwards; forward;
         forward = forward->next) {
        struct standing *standing;
        enum err err = ERR_NO_MEMORY;

        if (!forward->is_remote)
            continue;
        standing = forwards_create(forwards);
        if (standing) {
            standing->forward = forward;
            standing->counts = true;
            err = open_remote(standing, false);
        }
        if (err)
            return err;
        forwards->waiting++;
    }
    *asked = forwards->waiting;
    return ERR_OK;
}

void
forwards_remote_add(struct forwards_ask *ask, struct standing *standing)
{
    enum err err;

    if (!standing->forwards->shared->pool) {
        forwards_answer(ask, ERR_TRANSPORT_DOWN,
                        "there is no SSH server that could listen");
        return;
    }
    standing->ask = ask;
    ask->standing_ = standing;
    err = open_remote(standing, true);
    if (!err)
        return;
    standing->ask = NULL;
    ask->standing_ = NULL;
    forwards_answer(ask, err, err_text(err));
}

void
forwards_remote_close(struct standing *standing)
{
    struct forwards *forwards = standing->forwards;

    standing->leaves = true;
    if (standing->counts) {
        standing->counts = false;
        forwards->waiting--;
    }
    remote_close(standing->remote);
}
