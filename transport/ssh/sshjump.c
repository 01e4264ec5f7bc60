#include "transport/ssh/sshjump.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/log.h"
#include "transport/bridge.h"
#include "transport/ssh/sshconnect.h"
#include "transport/ssh/sshlink.h"

/* Room for a user's and a host's name. */
#define NAME_MAX_ 400

struct sshjump {
    struct sshjump_request request;
    bool told; /* done was called */
    bool person;
    struct sshconnect *connect; /* to the host, while it is under way */
    struct sshcarrier *below;   /* what carries the link */
    struct sshlink *link;
    struct sshlink_load load;
    struct target target;
    struct sshlink_open open; /* of the channel */
    bool opening;
    ev_timer timer; /* of that */
    struct bridge *bridge;
};

static struct worker *
worker_of(const struct sshjump *jump)
{
    return jump->request.connector->worker;
}

/* Stops what is under way, and lets go of what there is. */
static void
clear(struct sshjump *jump)
{
    sshconnect_cancel(jump->connect);
    jump->connect = NULL;
    ev_timer_stop(worker_loop(worker_of(jump)), &jump->timer);
    if (jump->opening)
        sshlink_open_cancel(jump->link, &jump->open);
    jump->opening = false;
    bridge_destroy(jump->bridge);
    jump->bridge = NULL;
    sshlink_destroy(jump->link);
    jump->link = NULL;
    sshcarrier_destroy(jump->below);
    jump->below = NULL;
}

static void
tell(struct sshjump *jump, const struct sshjump_outcome *outcome)
{
    jump->told = true;
    jump->request.done(jump->request.arg, outcome);
}

/* Fails at a step of the host's own, which text (lent) says. */
static void
fail(struct sshjump *jump, enum err err, bool hopeless, const char *text)
{
    const struct sshdest *host = jump->request.dest->jump;
    char full[SSHCONNECT_TEXT_MAX];
    const struct sshjump_outcome outcome = {.err = err,
                                            .fd = -1,
                                            .hopeless = hopeless,
                                            .person = jump->person,
                                            .text = full};

    snprintf(full, sizeof(full), "jump host %.255s: %s",
             host->given ? host->given : host->host, text);
    clear(jump);
    tell(jump, &outcome);
}

/* "to db.example port 22: connection refused", at the host's word. */
static void
fail_open(struct sshjump *jump, enum err err)
{
    const struct sshdest *dest = jump->request.dest;
    char text[SSHCONNECT_TEXT_MAX];

    snprintf(text, sizeof(text), "from there to %.255s port %u: %s", dest->host,
             dest->port, err_text(err));
    fail(jump, err, false, text);
}

static void
on_opened(struct sshlink_open *open)
{
    struct sshjump *jump = open->owner;
    struct sshjump_outcome outcome = {.person = jump->person, .text = ""};
    enum err err = open->err;

    jump->opening = false;
    ev_timer_stop(worker_loop(worker_of(jump)), &jump->timer);
    if (!err)
        err = bridge_create(worker_of(jump), open->stream, &outcome.fd,
                            &jump->bridge);
    if (err)
        fail_open(jump, err);
    else
        tell(jump, &outcome);
}

static void
on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    fail_open(timer->data, ERR_TIMED_OUT);
}

/* What it carries reads an end, and its own link tells of that; why is known
 * here alone. */
static void
on_down(void *arg, enum err err, const char *text)
{
    struct sshjump *jump = arg;
    char name[NAME_MAX_];

    if (!jump->told) {
        fail(jump, err, false, text);
        return;
    }
    log_write(LOG_WARN, "link to jump host %s lost: %s",
              sshdest_format(jump->request.dest->jump, name, sizeof(name)),
              text);
    clear(jump);
}

static void
open_channel(struct sshjump *jump)
{
    const struct sshdest *dest = jump->request.dest;
    double wait = dest->connect_timeout > 0 ? dest->connect_timeout
                                            : jump->request.patience;

    jump->open.target = &jump->target;
    jump->open.listened = NULL;
    jump->open.client.sa.sa_family = AF_UNSPEC;
    jump->open.done = on_opened;
    jump->open.owner = jump;
    jump->opening = true;
    if (wait > 0) {
        ev_timer_set(&jump->timer, wait, 0.);
        ev_timer_start(worker_loop(worker_of(jump)), &jump->timer);
    }
    sshlink_open_start(jump->link, &jump->open);
}

static void
on_connected(void *arg, const struct sshconnect_outcome *outcome)
{
    struct sshjump *jump = arg;
    const struct sshlink_config config = {
        .worker = worker_of(jump),
        .dest = jump->request.dest->jump,
        .session = outcome->session,
        .load = &jump->load,
        .down = on_down,
        .arg = jump,
    };
    enum err err = outcome->err;

    jump->connect = NULL;
    jump->person = outcome->person;
    if (err) {
        fail(jump, err, outcome->hopeless, outcome->text);
        return;
    }
    jump->below = outcome->carrier;
    err = sshlink_create(&config, &jump->link);
    if (err) {
        jump->link = NULL;
        fail(jump, err, false, err_text(err));
        return;
    }
    open_channel(jump);
}

enum err
sshjump_start(const struct sshjump_request *request, struct sshjump **out)
{
    const struct sshdest *dest = request->dest;
    struct sshjump *jump = calloc(1, sizeof(*jump));
    const struct sshconnect_request below = {
        .dest = dest->jump,
        .connector = request->connector,
        .cred = request->cred,
        .patience = request->patience,
        .done = on_connected,
        .arg = jump,
    };
    enum err err;

    if (!jump)
        return ERR_NO_MEMORY;
    jump->request = *request;
    ev_timer_init(&jump->timer, on_timeout, 0., 0.);
    jump->timer.data = jump;
    err = target_set_host(&jump->target, dest->host, strlen(dest->host),
                          (uint16_t)dest->port);
    if (!err)
        err = sshconnect_start(&below, &jump->connect);
    if (err) {
        free(jump);
        return err;
    }
    *out = jump;
    return ERR_OK;
}

void
sshjump_destroy(struct sshjump *jump)
{
    if (!jump)
        return;
    clear(jump);
    free(jump);
}
