#include "proxy/fardial.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#include "auth/rules.h"
#include "transport/bridge.h"
#include "transport/stream_tcp.h"

struct fardial {
    struct engine *home;
    struct engine *far;
    unsigned way;
    /* Copies: the session may go meanwhile. */
    struct target target;
    char agent[TARGET_NAME_MAX + 1];
    char listened[TARGET_NAME_MAX + 1];

    /* The session's side. */
    struct dial *asked;
    bool cancelled;

    /* The far side. */
    struct dial dial;
    bool under_way;
    struct fardial *prev;
    struct fardial *next;

    /* To the far side, and back with the outcome, in dial and fd. */
    struct mail mail;
    int fd;
    /* Likewise, once it was cancelled. */
    struct mail cancel;
};

/* What a dial became, for as long as bytes go over it. Of the far engine. */
struct farbridge {
    struct engine *engine;
    struct bridge *bridge;
    struct farbridge *prev;
    struct farbridge *next;
};

/* --- bridges -------------------------------------------------------------- */

static void
free_bridge(struct farbridge *each)
{
    DL_DELETE(each->engine->farbridges, each);
    bridge_destroy(each->bridge);
    free(each);
}

static void
on_bridge_over(void *arg)
{
    free_bridge(arg);
}

/* Takes the stream. Returns ERR_OK and gives *fd. */
static enum err
build_bridge(struct engine *engine, struct stream *stream, int *fd)
{
    struct farbridge *made = calloc(1, sizeof(*made));
    enum err err;

    if (!made) {
        stream_close(stream, STREAM_ABORT);
        return ERR_NO_MEMORY;
    }
    err = bridge_create(engine->worker, stream, fd, &made->bridge);
    if (err) {
        free(made);
        return err;
    }
    made->engine = engine;
    bridge_watch(made->bridge, on_bridge_over, made);
    DL_APPEND(engine->farbridges, made);
    return ERR_OK;
}

/* --- back at home --------------------------------------------------------- */

/* Makes the session's stream of the other end. */
static void
take_stream(struct fardial *far, struct dial *dial)
{
    dial->stream = NULL;
    if (dial->err)
        return;
    dial->stream = stream_tcp_create(far->home->worker, far->fd);
    if (dial->stream)
        stream_tcp_expect_halves(dial->stream);
    else
        dial->err = ERR_NO_MEMORY;
}

static void
come_back(struct mail *mail)
{
    struct fardial *far =
        (struct fardial *)((char *)mail - offsetof(struct fardial, mail));
    struct dial *dial = far->asked;

    if (far->cancelled) { /* its answer is behind this */
        if (!far->dial.err)
            close(far->fd);
        return;
    }
    dial->late = far->dial.late;
    dial->err = far->dial.err;
    dial->local = far->dial.local;
    dial->remote = far->dial.remote;
    dial->lost_ = far->dial.lost_;
    take_stream(far, dial);
    free(far);
    dial->done(dial);
}

static void
be_freed(struct mail *mail)
{
    free((char *)mail - offsetof(struct fardial, cancel));
}

/* --- on the far side ------------------------------------------------------ */

static void
send_back(struct fardial *far)
{
    far->mail.run = come_back;
    worker_post(far->home->worker, &far->mail);
}

static void
fail(struct fardial *far, enum err err)
{
    far->dial.err = err;
    send_back(far);
}

static void
on_dialled(struct dial *dial)
{
    struct fardial *far = dial->owner;

    far->under_way = false;
    DL_DELETE(far->far->fardials, far);
    if (!dial->err)
        dial->err = build_bridge(far->far, dial->stream, &far->fd);
    send_back(far);
}

static bool
is_addr_permitted(const struct dial *dial, const union addr *addr)
{
    const struct fardial *far = dial->owner;

    return rules_judge(far->far->settings->rules, dial->target, addr) ==
           RULE_ALLOWED;
}

static void
arrive(struct mail *mail)
{
    struct fardial *far =
        (struct fardial *)((char *)mail - offsetof(struct fardial, mail));
    struct engine *engine = far->far;

    if (engine->over) {
        fail(far, ERR_SHUTDOWN);
        return;
    }
    far->under_way = true;
    DL_APPEND(engine->fardials, far);
    dial_start(engine->ways[far->way].via, &far->dial);
}

static void
hear_cancel(struct mail *mail)
{
    struct fardial *far =
        (struct fardial *)((char *)mail - offsetof(struct fardial, cancel));

    if (far->under_way) {
        DL_DELETE(far->far->fardials, far);
        dial_cancel(&far->dial);
    }
    far->cancel.run = be_freed;
    worker_post(far->home->worker, &far->cancel);
}

void
fardial_end_all(struct engine *engine)
{
    while (engine->fardials) {
        struct fardial *far = engine->fardials;

        far->under_way = false;
        DL_DELETE(engine->fardials, far);
        dial_cancel(&far->dial);
        fail(far, ERR_SHUTDOWN);
    }
    while (engine->farbridges)
        free_bridge(engine->farbridges);
}

/* --- for sessions --------------------------------------------------------- */

struct fardial *
fardial_start(struct engine *home, struct engine *far, unsigned way,
              struct dial *dial)
{
    struct fardial *made = calloc(1, sizeof(*made));

    if (!made)
        return NULL;
    made->home = home;
    made->far = far;
    made->way = way;
    made->target = *dial->target;
    made->asked = dial;
    made->fd = -1;
    made->dial.target = &made->target;
    if (dial->agent) {
        snprintf(made->agent, sizeof(made->agent), "%s", dial->agent);
        made->dial.agent = made->agent;
    }
    if (dial->listened) {
        snprintf(made->listened, sizeof(made->listened), "%s", dial->listened);
        made->dial.listened = made->listened;
        made->dial.listened_port = dial->listened_port;
    }
    made->dial.client = dial->client;
    made->dial.want_local = dial->want_local;
    made->dial.permit = is_addr_permitted;
    made->dial.done = on_dialled;
    made->dial.owner = made;
    made->dial.late = ERR_TRANSPORT_DOWN;
    made->dial.lost_ = dial->lost_;
    made->dial.local.sa.sa_family = AF_UNSPEC;
    made->dial.remote.sa.sa_family = AF_UNSPEC;
    made->mail.run = arrive;
    made->cancel.run = hear_cancel;
    worker_post(far->worker, &made->mail);
    return made;
}

void
fardial_cancel(struct fardial *far)
{
    if (!far)
        return;
    far->cancelled = true;
    worker_post(far->far->worker, &far->cancel);
}

enum err
fardial_late(const struct fardial *far)
{
    return far->dial.late;
}
