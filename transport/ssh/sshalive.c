/* Whether a link's server lives, how fast bytes move, and how long the path
 * is. */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <utlist.h>

#include "transport/base/clock.h"
#include "transport/ssh/sshlink_parts.h"

/* How often rates and round-trip times are looked at while bytes move. */
#define TICK_SECONDS 0.2

/* After so many in which nothing moved there is nothing left to be looked at.
 */
#define IDLE_TICKS 20

double
sshalive_patience(const struct sshlink *link)
{
    const struct sshdest *dest = link->dest;
    unsigned count = dest->alive_count_max > 1 ? dest->alive_count_max : 2;

    return (double)dest->alive_interval * count;
}

static void
send_probe(struct sshlink *link)
{
    sshlisten_probe(link);
    link->probes++;
    sshlink_touch(link);
}

static void
on_alive(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct sshlink *link = timer->data;
    const struct sshdest *dest = link->dest;
    double silence = clock_seconds() - link->heard;
    double due = (double)dest->alive_interval * (link->probes + 1);

    (void)events;
    if (silence >= sshalive_patience(link) - 0.01 && link->probes > 0) {
        sshlink_fail(link, ERR_TIMED_OUT,
                     "nothing was heard from the %s for %.0f s",
                     sshend_peer_word(link), silence);
        return;
    }
    if (silence >= due - 0.01) {
        send_probe(link);
        due += dest->alive_interval;
    }
    timer->repeat = due - silence > 0.01 ? due - silence : 0.01;
    ev_timer_again(loop, timer);
}

/* Bytes a second, and the path's round-trip time. */
static void
look_at_path(struct sshlink *link)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);

    if (link->is_tcp &&
        getsockopt(link->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0) {
        unsigned us = info.tcpi_min_rtt > 0 && info.tcpi_min_rtt < ~0u
                          ? info.tcpi_min_rtt
                          : info.tcpi_rtt;

        link->rtt = us * 1e-6;
    }
    atomic_store_explicit(&link->load->rtt_us, (unsigned)(link->rtt * 1e6),
                          memory_order_relaxed);
}

static uint64_t
moved(const struct sshlink *link)
{
    return atomic_load_explicit(&link->load->in, memory_order_relaxed) +
           atomic_load_explicit(&link->load->out, memory_order_relaxed);
}

static void
on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct sshlink *link = timer->data;
    struct sshchan *chan;
    double now = clock_seconds();
    uint64_t all = moved(link);
    double rate = now > link->ticked_at
                      ? (double)(all - link->ticked) / (now - link->ticked_at)
                      : 0;

    (void)events;
    link->ticked = all;
    link->ticked_at = now;
    atomic_store_explicit(&link->load->rate,
                          rate < 4e9 ? (unsigned)rate : 4000000000u,
                          memory_order_relaxed);
    look_at_path(link);
    sshopen_ask(link);
    DL_FOREACH2(link->blocked, chan, blocked_next)
    sshchan_loosen(chan);
    sshlink_touch(link);
    link->idle_ticks = rate > 0 ? 0 : link->idle_ticks + 1;
    if (link->idle_ticks > IDLE_TICKS && !link->phases[SSHCHAN_OPENING])
        ev_timer_stop(loop, timer);
}

void
sshalive_moves(struct sshlink *link)
{
    if (ev_is_active(&link->tick))
        return;
    link->ticked_at = clock_seconds();
    link->idle_ticks = 0;
    ev_timer_again(worker_loop(link->worker), &link->tick);
}

void
sshalive_start(struct sshlink *link)
{
    double interval = link->dest->alive_interval;

    ev_timer_init(&link->alive, on_alive, 0., interval);
    ev_timer_init(&link->tick, on_tick, 0., TICK_SECONDS);
    link->alive.data = link->tick.data = link;
    if (interval > 0)
        ev_timer_again(worker_loop(link->worker), &link->alive);
    look_at_path(link);
}

void
sshalive_stop(struct sshlink *link)
{
    struct ev_loop *loop = worker_loop(link->worker);

    ev_timer_stop(loop, &link->alive);
    ev_timer_stop(loop, &link->tick);
}
