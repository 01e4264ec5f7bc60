#include "transport/net/dns.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <ev.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* c-ares 1.18.1 is driven from outside: it says which sockets it waits for,
 * and asks to be called for its time-outs. It gets what it needs to know from
 * us instead of from the system's files: this version does not know the
 * timeout and attempts of resolv.conf, nor a server's port, and would read
 * the files whenever it likes. ares_library_init does nothing on Unix that is
 * not done without it, and is not safe among threads. */

/* c-ares has one UDP and one TCP socket for each server. */
#define SOCKETS_MAX (2 * RESOLVCONF_SERVERS_MAX)

struct dns {
    struct ev_loop *loop;
    ares_channel ares;
    double timeout;
    size_t under_way;
    ev_timer timer;
    ev_io sockets[SOCKETS_MAX];
};

struct dns_result
dns_result_of(size_t count)
{
    struct dns_result result = {DNS_NO_MEMORY, NULL};
    size_t bytes = sizeof(*result.addrs) + count * sizeof(union addr);

    result.addrs = calloc(1, bytes);
    if (!result.addrs)
        return result;
    result.status = DNS_ADDRS;
    result.addrs->holders = 1;
    result.addrs->count = count;
    return result;
}

struct dns_result
dns_hold(struct dns_result result)
{
    if (result.addrs)
        result.addrs->holders++;
    return result;
}

void
dns_drop(struct dns_result result)
{
    if (result.addrs && --result.addrs->holders == 0)
        free(result.addrs);
}

static void
arm_timer(struct dns *dns, double seconds)
{
    if (ev_is_active(&dns->timer) &&
        ev_timer_remaining(dns->loop, &dns->timer) <= seconds)
        return;
    ev_timer_stop(dns->loop, &dns->timer);
    ev_timer_set(&dns->timer, seconds, 0);
    ev_timer_start(dns->loop, &dns->timer);
}

/* ares_timeout walks all queries: it is asked when the timer ends, not with
 * each packet. A timer that ends too early does no harm, and one that ends
 * too late cannot be: a query waits at least one timeout, which dns_ask
 * arms. */
static void
on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct dns *dns = timer->data;
    struct timeval room;

    (void)loop;
    (void)events;
    ares_process_fd(dns->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    if (ares_timeout(dns->ares, NULL, &room)) {
        double seconds = (double)room.tv_sec + (double)room.tv_usec / 1e6;

        arm_timer(dns, seconds < 0.001 ? 0.001 : seconds);
    }
}

static void
on_socket(struct ev_loop *loop, ev_io *io, int events)
{
    struct dns *dns = io->data;
    int fd = io->fd;

    (void)loop;
    ares_process_fd(dns->ares, events & EV_READ ? fd : ARES_SOCKET_BAD,
                    events & EV_WRITE ? fd : ARES_SOCKET_BAD);
}

/* c-ares says what it waits for on a socket; for nothing: it is closed. */
static void
on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
    struct dns *dns = data;
    ev_io *io = NULL;

    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        ev_io *each = &dns->sockets[i];

        if (ev_is_active(each) && each->fd == fd) {
            io = each;
            break;
        }
        if (!io && !ev_is_active(each))
            io = each;
    }
    if (!io)
        return; /* its query will time out */
    ev_io_stop(dns->loop, io);
    if (!readable && !writable)
        return;
    ev_io_set(io, fd, (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
    ev_io_start(dns->loop, io);
}

static void
fill_server(struct ares_addr_port_node *node, const union addr *server)
{
    node->family = server->sa.sa_family;
    node->udp_port = node->tcp_port = addr_port(server);
    if (node->family == AF_INET)
        memcpy(&node->addr.addr4, &server->v4.sin_addr, 4);
    else
        memcpy(&node->addr.addr6, &server->v6.sin6_addr, 16);
}

static int
open_channel(struct dns *dns, const struct resolvconf *conf)
{
    struct ares_addr_port_node nodes[RESOLVCONF_SERVERS_MAX];
    char lookups[] = "b";
    char nothing[] = "/dev/null";
    struct ares_options options = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
                 (conf->use_tcp ? ARES_FLAG_USEVC : 0),
        .timeout = (int)conf->timeout_s * 1000,
        .tries = (int)conf->attempts,
        .ndots = 1,
        .lookups = lookups,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = dns,
        .resolvconf_path = nothing,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
               ARES_OPT_NDOTS | ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS |
               ARES_OPT_SORTLIST | ARES_OPT_SOCK_STATE_CB |
               ARES_OPT_RESOLVCONF |
               (conf->rotate ? ARES_OPT_ROTATE : ARES_OPT_NOROTATE);
    int status = ares_init_options(&dns->ares, &options, mask);

    if (status != ARES_SUCCESS)
        return status;
    for (size_t i = 0; i < conf->server_count; i++) {
        bool last = i + 1 == conf->server_count;

        fill_server(&nodes[i], &conf->servers[i]);
        nodes[i].next = last ? NULL : &nodes[i + 1];
    }
    return ares_set_servers_ports(dns->ares, nodes);
}

enum err
dns_open(struct worker *worker, const struct resolvconf *conf, struct dns **out)
{
    struct dns *dns = calloc(1, sizeof(*dns));

    if (!dns)
        return ERR_NO_MEMORY;
    dns->loop = worker_loop(worker);
    dns->timeout = conf->timeout_s;
    ev_timer_init(&dns->timer, on_timer, 0, 0);
    dns->timer.data = dns;
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        ev_io_init(&dns->sockets[i], on_socket, -1, EV_READ);
        dns->sockets[i].data = dns;
    }
    if (open_channel(dns, conf) != ARES_SUCCESS) {
        dns_close(dns);
        return ERR_NO_MEMORY;
    }
    *out = dns;
    return ERR_OK;
}

void
dns_close(struct dns *dns)
{
    if (!dns)
        return;
    if (dns->ares)
        ares_destroy(dns->ares);
    ev_timer_stop(dns->loop, &dns->timer);
    free(dns);
}

static enum dns_status
status_of(int status)
{
    switch (status) {
    case ARES_ENODATA:
        return DNS_NO_DATA;
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
        return DNS_NO_NAME;
    case ARES_ETIMEOUT:
        return DNS_TIMED_OUT;
    case ARES_ENOMEM:
        return DNS_NO_MEMORY;
    default:
        return DNS_FAILED;
    }
}

/* The least of two TTLs; one with the high bit set is none (RFC 2181 8). */
static void
take_ttl(uint32_t *least, int ttl)
{
    uint32_t seconds = ttl < 0 ? 0 : (uint32_t)ttl;

    if (seconds < *least)
        *least = seconds;
}

static struct dns_result
parse_v4(const unsigned char *bytes, int len, uint32_t *ttl_s)
{
    struct ares_addrttl found[DNS_ADDRS_MAX];
    int count = DNS_ADDRS_MAX;
    int status = ares_parse_a_reply(bytes, len, NULL, found, &count);
    struct dns_result result = {DNS_NO_DATA, NULL};

    if (status != ARES_SUCCESS)
        result.status = status_of(status);
    else if (count > 0)
        result = dns_result_of((size_t)count);
    for (int i = 0; result.addrs && i < count; i++) {
        uint8_t raw[4];

        memcpy(raw, &found[i].ipaddr, sizeof(raw));
        addr_from_v4(&result.addrs->addrs[i], raw, 0);
        take_ttl(ttl_s, found[i].ttl);
    }
    return result;
}

static struct dns_result
parse_v6(const unsigned char *bytes, int len, uint32_t *ttl_s)
{
    struct ares_addr6ttl found[DNS_ADDRS_MAX];
    int count = DNS_ADDRS_MAX;
    int status = ares_parse_aaaa_reply(bytes, len, NULL, found, &count);
    struct dns_result result = {DNS_NO_DATA, NULL};

    if (status != ARES_SUCCESS)
        result.status = status_of(status);
    else if (count > 0)
        result = dns_result_of((size_t)count);
    for (int i = 0; result.addrs && i < count; i++) {
        uint8_t raw[16];

        memcpy(raw, &found[i].ip6addr, sizeof(raw));
        addr_from_v6(&result.addrs->addrs[i], raw, 0);
        take_ttl(ttl_s, found[i].ttl);
    }
    return result;
}

static void
on_reply(void *arg, int status, int timeouts, unsigned char *bytes, int len)
{
    struct dns_query *query = arg;
    struct dns_result result = {status_of(status), NULL};
    uint32_t ttl_s = UINT32_MAX;

    (void)timeouts;
    query->dns_->under_way--;
    if (status == ARES_SUCCESS)
        result = query->family_ == AF_INET ? parse_v4(bytes, len, &ttl_s)
                                           : parse_v6(bytes, len, &ttl_s);
    query->done(query, result, ttl_s);
}

void
dns_ask(struct dns *dns, struct dns_query *query, const char *name, int family)
{
    struct dns_result failed = {DNS_FAILED, NULL};

    query->dns_ = dns;
    query->family_ = family;
    if (dns->under_way >= DNS_UNDER_WAY_MAX) {
        query->done(query, failed, 0);
        return;
    }
    dns->under_way++;
    arm_timer(dns, dns->timeout);
    ares_query(dns->ares, name, C_IN, family == AF_INET ? T_A : T_AAAA,
               on_reply, query);
}
