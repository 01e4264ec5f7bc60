/* The program around a registry, for the one here: workers, dials on each of
 * them, and clients of agents' ports, all of whom are to read the name of the
 * agent that serves them. */
#ifndef CULVERT_TESTS_TSAN_REGISTRY_BED_H
#define CULVERT_TESTS_TSAN_REGISTRY_BED_H

#include <pthread.h>
#include <semaphore.h>

#include "tests/tsan/peer.h"
#include "transport/reverse/registry_parts.h"
#include "transport/reverse/reverse.h"
#include "transport/ssh/sshserver.h"

#define WORKERS 3
#define SHARERS 3   /* agents of each shared name that come and go */
#define CALLERS 2   /* threads of clients for each */
#define CALLS   200 /* clients of each, one after the other */
#define DIALS   400 /* of each worker */
#define ABREAST 6   /* at a time, beside */
#define LATES   4   /* that wait for an agent for most of the time */
#define KICKED  2   /* agents that stay until they are kicked */

/* Longer than anything here takes, and not so long that a port which was found
 * to be no SOCKS is asked again. */
#define PATIENCE_SECONDS 25

/* A name, and what is shared by those who have it. */
struct name {
    const char *text;
    int port; /* that all of them ask for; or 0 */
};

enum { HOME, WORK, KICK, DEAF, NEVER, LATE, NAMES };

struct site {
    struct worker *worker;
    struct connector connector;
    struct transport *via;
    unsigned started;
    struct mail drain;
    struct mail stop;
};

/* A dial, and for a client of a port, who made it necessary. */
struct one {
    struct mail mail; /* to the worker where it is made, or began */
    struct site *origin;
    struct site *site;
    struct name *name;
    struct target target;
    struct dial dial;
    struct stream *stream;
    char listened[CLAIM_ADDRESS_MAX + 1];
    int client; /* or -1 */
    ev_timer patience;
    char got[4];
    size_t len;
};

static struct {
    struct sshserver *server;
    struct registry *registry;
    union addr addr;
    struct site sites[WORKERS];
    struct name names[NAMES];
    sem_t kept; /* one that stays has its ports */
    sem_t dialled;
    atomic_uint arrived;
    atomic_uint ended;
    atomic_llong taken;
    atomic_uint over; /* dials with an outcome */
    atomic_uint served;
    atomic_uint given_up;
    atomic_uint visits; /* clients of ports, under way */
    atomic_uint deaths; /* agents of KICK that were ended */
    atomic_uint gone;   /* and those that will not come again */
    unsigned kicks;
    unsigned seen; /* workers that had an agent */
    atomic_bool kicks_stop;
    atomic_bool last_kicks;
    atomic_bool stop;
} bed = {
    .names = {{"home", 0},
              {"work", 0},
              {"kick", 0},
              {"deaf", 0},
              {"never", 0},
              {"late", 0}},
};

/* At once: the others would be met by what exit() takes apart. */
static void
fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    _exit(1);
}

static void
pause_ms(unsigned ms)
{
    poll(NULL, 0, (int)ms);
}

static void
start_thread(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
    if (pthread_create(thread, NULL, run, arg))
        fail("pthread_create");
}

/* --- dials ---------------------------------------------------------------- */

static void begin(struct one *one);
static void start_one(struct site *site);

static void
on_end(struct mail *mail)
{
    struct one *one = (struct one *)mail;
    struct site *origin = one->origin;

    free(one);
    start_one(origin);
}

/* Where it began, another begins. */
static void
end_one(struct one *one)
{
    if (one->client >= 0) {
        close(one->client);
        bed.visits--;
        free(one);
        return;
    }
    one->mail.run = on_end;
    worker_post(one->origin->worker, &one->mail);
    if (++bed.over == WORKERS * DIALS)
        sem_post(&bed.dialled);
}

static void
on_mail(struct mail *mail)
{
    begin((struct one *)mail);
}

/* To the worker of the agent; on this one where that has left meanwhile. */
static void
move(struct one *one)
{
    struct transport *via = one->site->via;
    struct worker *home = via->ops->home(via, &one->dial);

    if (!home || home == one->site->worker) {
        begin(one);
        return;
    }
    one->site = &bed.sites[worker_index(home)];
    one->mail.run = on_mail;
    worker_post(home, &one->mail);
}

/* It has read to the end: the name of who served it. */
static void
judge(struct one *one, enum err err)
{
    bool is_served = err == ERR_EOF && one->len == strlen(one->name->text) &&
                     memcmp(one->got, one->name->text, one->len) == 0;

    if (is_served)
        bed.served++;
    else if (one->name != &bed.names[KICK])
        fail("a stream was lost");
    if (is_served && one->client >= 0 &&
        send(one->client, one->got, one->len, MSG_NOSIGNAL) < 0)
        fail("a client left");
}

static void
on_ready(struct stream *stream, unsigned events)
{
    struct one *one = stream->owner;
    size_t got = 0;
    char more;
    enum err err;

    (void)events;
    if (one->len < sizeof(one->got))
        err = stream_read(stream, one->got + one->len,
                          sizeof(one->got) - one->len, &got);
    else
        err = stream_read(stream, &more, 1, &got);
    one->len += got;
    if (!err || err == ERR_AGAIN)
        return;
    judge(one, err);
    stream_close(stream, STREAM_GRACEFUL);
    end_one(one);
}

static void
on_done(struct dial *dial)
{
    struct one *one = dial->owner;
    struct name *name = one->name;

    worker_assert_here(one->site->worker);
    ev_timer_stop(worker_loop(one->site->worker), &one->patience);
    if (dial->err == ERR_AGAIN) {
        move(one);
    } else if (dial->err == ERR_OK) {
        one->stream = dial->stream;
        one->stream->owner = one;
        one->stream->on_ready = on_ready;
        one->len = 0;
        stream_want(one->stream, STREAM_READABLE);
    } else if (dial->err != ERR_TRANSPORT_DOWN || name == &bed.names[NEVER]) {
        fail(err_text(dial->err));
    } else if (name == &bed.names[DEAF] || name == &bed.names[KICK]) {
        end_one(one);
    } else { /* it has lost one agent after the other: a new dial may do */
        dial->lost_ = 0;
        begin(one);
    }
}

static void
on_impatience(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct one *one = timer->data;

    (void)events;
    ev_timer_stop(loop, timer);
    if (one->name == &bed.names[NEVER] && one->dial.late != ERR_TRANSPORT_DOWN)
        fail("a dial had an agent that there is not");
    dial_cancel(&one->dial);
    bed.given_up++;
    end_one(one);
}

static void
begin(struct one *one)
{
    dial_start(one->site->via, &one->dial);
    if (one->patience.repeat > 0)
        ev_timer_again(worker_loop(one->site->worker), &one->patience);
}

static struct one *
create_one(struct site *site, struct name *name)
{
    struct one *one = calloc(1, sizeof(*one));

    one->site = one->origin = site;
    one->name = name;
    one->client = -1;
    target_set_host(&one->target, "t", 1, 1);
    one->dial.target = &one->target;
    one->dial.agent = name->text;
    one->dial.done = on_done;
    one->dial.owner = one;
    ev_timer_init(&one->patience, on_impatience, 0., 0.);
    one->patience.data = one;
    return one;
}

/* First those for who comes late, then each name in turn; some are given up
 * soon, wherever they are then. */
static void
start_one(struct site *site)
{
    unsigned number = site->started;
    struct one *one;

    if (number >= DIALS)
        return;
    site->started++;
    one = create_one(site, &bed.names[number < LATES ? LATE : number % LATE]);
    if (one->name == &bed.names[NEVER])
        one->patience.repeat = 0.01;
    else if (number >= LATES && number % 4 == 0)
        one->patience.repeat = 0.001 * (1 + number % 7);
    begin(one);
}

static void
start_site(void *arg)
{
    for (unsigned i = 0; i < LATES + ABREAST; i++)
        start_one(arg);
}

/* --- what the registry asks for ------------------------------------------- */

static bool
may_listen(void *arg, void *grant, const char *address, unsigned port)
{
    (void)arg;
    (void)grant;
    (void)address;
    (void)port;
    return true;
}

static void
on_client(void *arg, unsigned worker, const struct registry_client *client)
{
    struct name *name = bed.names;
    struct one *one;

    (void)arg;
    while (strcmp(name->text, client->name) != 0)
        name++;
    one = create_one(&bed.sites[worker], name);
    one->client = client->fd;
    strcpy(one->listened, client->listened);
    one->dial.listened = one->listened;
    one->dial.listened_port = client->port;
    bed.visits++;
    begin(one);
}

static void
on_direct(void *arg, unsigned worker, const struct registry_direct *direct)
{
    (void)arg;
    (void)worker;
    stream_close(direct->stream, STREAM_ABORT);
}

static void
on_ended(void *arg, unsigned worker, const void *owner)
{
    (void)arg;
    (void)worker;
    (void)owner;
    bed.ended++;
}

static bool
may_take(void *arg, long long descriptors)
{
    (void)arg;
    (void)descriptors;
    return true;
}

static void
take(void *arg, long long descriptors)
{
    (void)arg;
    bed.taken += descriptors;
}

static const struct registry_ops ops = {
    may_listen, on_direct, on_ended, on_client,
    peer_yes,   may_take,  take,     peer_release,
};

static void
on_arrived(void *arg, struct sshserver_login *login)
{
    (void)arg;
    bed.arrived++;
    registry_add(bed.registry, login, login->user);
}

#endif
