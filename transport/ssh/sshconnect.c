#include "transport/ssh/sshconnect.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/ssh/sshjump.h"
#include "transport/ssh/sshlogin.h"
#include "transport/ssh/sshproxy.h"
#include "transport/ssh/sshreach.h"

/* A command whose connection has ended is about to end. */
#define ENDING_SECONDS 0.1

struct sshcarrier {
    struct sshjump *jump; /* one of the two */
    struct sshproxy *proxy;
};

struct sshconnect {
    struct sshconnect_request request;
    struct sshreach *reach; /* under way: one of three */
    struct sshlogin *login;
    struct sshcarrier *carrier; /* perhaps under way still; or NULL */
    bool person;                /* of a jump host's */
    ev_timer late;              /* until a command that failed has ended */
    bool hopeless;              /* what is told then */
    struct task task;           /* brings what was there at once */
    int fd;                     /* of it, or -1 */
    enum err err;
    char text[SSHCONNECT_TEXT_MAX];
};

void
sshcarrier_destroy(struct sshcarrier *carrier)
{
    if (!carrier)
        return;
    sshjump_destroy(carrier->jump);
    sshproxy_destroy(carrier->proxy);
    free(carrier);
}

/* Ends it with its outcome. */
static void
finish(struct sshconnect *connect, struct sshconnect_outcome *outcome)
{
    struct sshconnect_request request = connect->request;
    char text[SSHCONNECT_TEXT_MAX];

    snprintf(text, sizeof(text), "%s", outcome->text);
    outcome->text = text;
    if (outcome->err)
        sshcarrier_destroy(connect->carrier);
    else
        outcome->carrier = connect->carrier;
    free(connect);
    request.done(request.arg, outcome);
}

static void
fail(struct sshconnect *connect, enum err err, bool hopeless, const char *text)
{
    struct sshconnect_outcome outcome = {.err = err,
                                         .hopeless = hopeless,
                                         .person = connect->person,
                                         .text = text};

    finish(connect, &outcome);
}

/* --- the login ------------------------------------------------------------ */

/* Says what became of the command, if that is known by now; what it said of it
 * stands on our standard error already. */
static void
on_late(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct sshconnect *connect = timer->data;
    size_t len = strlen(connect->text);
    char ended[64];

    (void)loop;
    (void)events;
    if (sshproxy_ended(connect->carrier->proxy, ended, sizeof(ended)))
        snprintf(connect->text + len, sizeof(connect->text) - len,
                 " (ProxyCommand %s)", ended);
    fail(connect, connect->err, connect->hopeless, connect->text);
}

static void
on_login(void *arg, const struct sshlogin_outcome *login)
{
    struct sshconnect *connect = arg;
    struct sshconnect_outcome outcome = {
        .err = login->err,
        .session = login->session,
        .hopeless = login->err == ERR_HOST_KEY || login->err == ERR_AUTH_FAILED,
        .person = login->person || connect->person,
        .text = login->text,
    };

    connect->login = NULL;
    if (!outcome.err || !connect->carrier || !connect->carrier->proxy) {
        finish(connect, &outcome);
        return;
    }
    snprintf(connect->text, sizeof(connect->text), "%s", login->text);
    connect->err = outcome.err;
    connect->hopeless = outcome.hopeless;
    connect->person = outcome.person;
    ev_timer_init(&connect->late, on_late, ENDING_SECONDS, 0.);
    connect->late.data = connect;
    ev_timer_start(worker_loop(connect->request.connector->worker),
                   &connect->late);
}

static void
start_login(struct sshconnect *connect, int fd, const union addr *remote)
{
    const struct sshlogin_request request = {
        .dest = connect->request.dest,
        .fd = fd,
        .remote = *remote,
        .cred = connect->request.cred,
        .worker = connect->request.connector->worker,
        .done = on_login,
        .arg = connect,
    };
    enum err err = sshlogin_start(&request, &connect->login);

    if (err) {
        connect->login = NULL;
        fail(connect, err, false, err_text(err));
    }
}

/* --- the three ways ------------------------------------------------------- */

static void
on_reached(void *arg, enum err err, int fd, const union addr *remote,
           const char *text)
{
    struct sshconnect *connect = arg;

    connect->reach = NULL;
    if (err)
        fail(connect, err, err == ERR_MALFORMED, text);
    else
        start_login(connect, fd, remote);
}

static void
on_jumped(void *arg, const struct sshjump_outcome *outcome)
{
    const union addr unknown = {.sa.sa_family = AF_UNSPEC};
    struct sshconnect *connect = arg;

    connect->person = outcome->person;
    if (outcome->err)
        fail(connect, outcome->err, outcome->hopeless, outcome->text);
    else
        start_login(connect, outcome->fd, &unknown);
}

/* A command runs at once, or not at all. */
static void
on_task(struct task *task)
{
    const union addr unknown = {.sa.sa_family = AF_UNSPEC};
    struct sshconnect *connect =
        (struct sshconnect *)((char *)task - offsetof(struct sshconnect, task));
    int fd = connect->fd;

    connect->fd = -1;
    if (fd >= 0) {
        start_login(connect, fd, &unknown);
        return;
    }
    snprintf(connect->text, sizeof(connect->text),
             "ProxyCommand %.400s: cannot run it: %s",
             connect->request.dest->proxy_command, err_text(connect->err));
    fail(connect, connect->err, false, connect->text);
}

static enum err
start_carrier(struct sshconnect *connect)
{
    const struct sshconnect_request *request = &connect->request;
    const struct sshjump_request jump = {
        .dest = request->dest,
        .connector = request->connector,
        .cred = request->cred,
        .patience = request->patience,
        .done = on_jumped,
        .arg = connect,
    };

    connect->carrier = calloc(1, sizeof(*connect->carrier));
    if (!connect->carrier)
        return ERR_NO_MEMORY;
    if (request->dest->jump)
        return sshjump_start(&jump, &connect->carrier->jump);
    connect->err = sshproxy_start(request->dest->proxy_command,
                                  &connect->carrier->proxy, &connect->fd);
    connect->task.run = on_task;
    worker_defer(request->connector->worker, &connect->task);
    return ERR_OK;
}

enum err
sshconnect_start(const struct sshconnect_request *request,
                 struct sshconnect **out)
{
    const struct sshdest *dest = request->dest;
    struct sshconnect *connect = calloc(1, sizeof(*connect));
    const struct sshreach_request reach = {
        .dest = dest,
        .connector = request->connector,
        .timeout = dest->connect_timeout > 0 ? dest->connect_timeout
                                             : request->patience,
        .done = on_reached,
        .arg = connect,
    };
    enum err err;

    if (!connect)
        return ERR_NO_MEMORY;
    connect->request = *request;
    connect->fd = -1;
    if (dest->jump || dest->proxy_command)
        err = start_carrier(connect);
    else
        err = sshreach_start(&reach, &connect->reach);
    if (err) {
        sshcarrier_destroy(connect->carrier);
        free(connect);
        return err;
    }
    *out = connect;
    return ERR_OK;
}

void
sshconnect_cancel(struct sshconnect *connect)
{
    if (!connect)
        return;
    worker_undefer(connect->request.connector->worker, &connect->task);
    ev_timer_stop(worker_loop(connect->request.connector->worker),
                  &connect->late);
    sshreach_cancel(connect->reach);
    sshlogin_cancel(connect->login);
    if (connect->fd >= 0)
        close(connect->fd);
    sshcarrier_destroy(connect->carrier);
    free(connect);
}
