/* DNS queries on the loop: one name, one type, one set of servers. */
#ifndef CULVERT_TRANSPORT_NET_DNS_H
#define CULVERT_TRANSPORT_NET_DNS_H

#include <stddef.h>
#include <stdint.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"
#include "transport/loop/worker.h"
#include "transport/net/resolvconf.h"

/* Most addresses taken from one answer. */
#define DNS_ADDRS_MAX 32

/* A query's identifier has 16 bits, and c-ares searches for a free one for as
 * long as it takes. */
#define DNS_UNDER_WAY_MAX 8192

enum dns_status {
    DNS_NONE, /* no answer yet */
    DNS_ADDRS,
    DNS_NO_DATA,   /* the name exists, without such an address */
    DNS_NO_NAME,   /* NXDOMAIN */
    DNS_TIMED_OUT, /* nobody answered */
    DNS_FAILED,    /* SERVFAIL, REFUSED, nonsense, or no server reachable */
    DNS_NO_MEMORY,
};

/* Addresses shared by all who hold them: dns_hold and dns_drop. */
struct dns_addrs {
    unsigned holders;
    size_t count;
    union addr addrs[];
};

/* addrs is NULL unless status is DNS_ADDRS. */
struct dns_result {
    enum dns_status status;
    struct dns_addrs *addrs;
};

/* One query. Embedded in its owner, which sets done. */
struct dns_query {
    /* Called once, with a hold of its own on the addresses, and how many
     * seconds they are good for; perhaps from inside dns_ask, and from inside
     * c-ares: it may record and defer, no more. */
    void (*done)(struct dns_query *query, struct dns_result result,
                 uint32_t ttl_s);
    struct dns *dns_;
    int family_;
};

/* A set of servers and the sockets to them. */
struct dns;

/* A result with room for count addresses, to be filled in; DNS_NO_MEMORY
 * where there is none. */
struct dns_result dns_result_of(size_t count);

/* Another hold on the same addresses; give one back. */
struct dns_result dns_hold(struct dns_result result);
void dns_drop(struct dns_result result);

/* Returns ERR_OK and gives *dns (dns_close), or ERR_NO_MEMORY. conf is
 * borrowed during the call. */
enum err dns_open(struct worker *worker, const struct resolvconf *conf,
                  struct dns **dns);

/* Queries under way end with DNS_FAILED, from inside this call. */
void dns_close(struct dns *dns);

/* Asks for the A (AF_INET) or AAAA (AF_INET6) records of a whole name. */
void dns_ask(struct dns *dns, struct dns_query *query, const char *name,
             int family);

#endif
