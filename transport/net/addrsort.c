#include "transport/net/addrsort.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* RFC 4291 2.7 and RFC 6724 3.1. */
enum scope {
    SCOPE_LINK = 2,
    SCOPE_SITE = 5,
    SCOPE_GLOBAL = 14,
};

/* One line of the policy table. */
struct policy {
    uint8_t prefix[16];
    uint8_t bits;
    uint8_t precedence;
    uint8_t label;
};

/* RFC 6724 2.1, the longest prefixes first. */
static const struct policy policies[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, 50, 0},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, 35, 4},
    {{0}, 96, 1, 3},
    {{0x20, 0x01}, 32, 5, 5},
    {{0x20, 0x02}, 16, 30, 2},
    {{0x3f, 0xfe}, 16, 1, 12},
    {{0xfe, 0xc0}, 10, 1, 11},
    {{0xfc}, 7, 3, 13},
    {{0}, 0, 40, 1},
};

/* All comparisons are made on IPv6 forms: IPv4 as ::ffff:a.b.c.d (3.2). */
static void
to_v6(const union addr *addr, uint8_t bytes[16])
{
    if (addr->sa.sa_family == AF_INET6) {
        memcpy(bytes, &addr->v6.sin6_addr, 16);
        return;
    }
    memset(bytes, 0, 10);
    bytes[10] = bytes[11] = 0xff;
    memcpy(bytes + 12, &addr->v4.sin_addr, 4);
}

static unsigned
common_bits(const uint8_t a[16], const uint8_t b[16])
{
    unsigned bits = 0;

    while (bits < 128 && !((a[bits / 8] ^ b[bits / 8]) & (0x80 >> bits % 8)))
        bits++;
    return bits;
}

static const struct policy *
policy_of(const uint8_t bytes[16])
{
    const struct policy *policy = policies;

    while (common_bits(policy->prefix, bytes) < policy->bits)
        policy++;
    return policy;
}

static int
scope_of(const uint8_t bytes[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t loopback[16] = {[15] = 1};

    if (memcmp(bytes, mapped, sizeof(mapped)) == 0) {
        bool link = bytes[12] == 127 || (bytes[12] == 169 && bytes[13] == 254);

        return link ? SCOPE_LINK : SCOPE_GLOBAL;
    }
    if (bytes[0] == 0xff)
        return bytes[1] & 0x0f;
    if (memcmp(bytes, loopback, sizeof(loopback)) == 0)
        return SCOPE_LINK;
    if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80)
        return SCOPE_LINK;
    if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0xc0)
        return SCOPE_SITE;
    return SCOPE_GLOBAL;
}

/* Rule 9 for IPv6. Not for IPv4: address blocks say nothing of distance there,
 * and it would undo the round robin of the name's server. Bits past the
 * source's prefix do not count; its length is not known here, 64 nearly
 * always. */
static int
compare_prefixes(const uint8_t da[16], const uint8_t sa[16],
                 const uint8_t db[16], const uint8_t sb[16])
{
    unsigned a = common_bits(da, sa);
    unsigned b = common_bits(db, sb);

    a = a > 64 ? 64 : a;
    b = b > 64 ? 64 : b;
    return (int)b - (int)a;
}

/* RFC 6724 6. Below 0: a is better; 0: the order stays (rule 10). Rules 3, 4
 * and 7 (deprecated, home and tunnel addresses) would need netlink, and
 * concern what the kernel avoids by itself when it picks the source. */
static int
compare(const struct addrsort_item *a, const struct addrsort_item *b)
{
    bool has_a = a->source.sa.sa_family != AF_UNSPEC;
    bool has_b = b->source.sa.sa_family != AF_UNSPEC;
    uint8_t da[16], sa[16], db[16], sb[16];
    const struct policy *pa, *pb;
    int better;

    if (has_a != has_b)
        return has_a ? -1 : 1;
    to_v6(&a->dest, da);
    to_v6(&b->dest, db);
    pa = policy_of(da);
    pb = policy_of(db);
    if (has_a) {
        to_v6(&a->source, sa);
        to_v6(&b->source, sb);
        better =
            (scope_of(db) == scope_of(sb)) - (scope_of(da) == scope_of(sa));
        if (better)
            return better;
        better = (pb->label == policy_of(sb)->label) -
                 (pa->label == policy_of(sa)->label);
        if (better)
            return better;
    }
    if (pa->precedence != pb->precedence)
        return pb->precedence - pa->precedence;
    better = scope_of(da) - scope_of(db);
    if (better)
        return better;
    if (has_a && a->dest.sa.sa_family == AF_INET6 &&
        b->dest.sa.sa_family == AF_INET6)
        return compare_prefixes(da, sa, db, sb);
    return 0;
}

void
addrsort_order(struct addrsort_item *items, size_t count)
{
    /* By insertion: stable, and there are a handful. */
    for (size_t i = 1; i < count; i++) {
        struct addrsort_item item = items[i];
        size_t at = i;

        while (at > 0 && compare(&item, &items[at - 1]) < 0) {
            items[at] = items[at - 1];
            at--;
        }
        items[at] = item;
    }
}

void
addrsort_interleave(struct addrsort_item *items, size_t count, int last)
{
    for (size_t at = 0; at < count; at++) {
        size_t next = at;

        while (next < count && items[next].dest.sa.sa_family == last)
            next++;
        if (next == count)
            return; /* one family is left, in its order */
        if (next > at) {
            struct addrsort_item item = items[next];

            memmove(items + at + 1, items + at, (next - at) * sizeof(item));
            items[at] = item;
        }
        last = items[at].dest.sa.sa_family;
    }
}

/* Asks for the source of one address, over a socket of its family. */
static void
ask_source(int fd, struct addrsort_item *item)
{
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    union addr dest = item->dest;
    union addr source = {.sa.sa_family = AF_UNSPEC};
    socklen_t len = sizeof(source);

    /* A port of 0 is refused by some kernels; which one does not matter. */
    addr_set_port(&dest, 53);
    if (connect(fd, &dest.sa, addr_len(&dest)) != 0)
        return;
    if (getsockname(fd, &source.sa, &len) == 0 &&
        source.sa.sa_family == dest.sa.sa_family)
        item->source = source;
    /* Else the next connect would keep the source of this one. */
    if (connect(fd, &none, sizeof(none)) != 0)
        item->source.sa.sa_family = AF_UNSPEC;
}

static void
find_sources(struct addrsort_item *items, size_t count, int family,
             const union addr *bound)
{
    int fd = -1;

    for (size_t i = 0; i < count; i++) {
        struct addrsort_item *item = &items[i];

        if (item->dest.sa.sa_family != family)
            continue;
        memset(&item->source, 0, sizeof(item->source));
        if (bound->sa.sa_family == family)
            item->source = *bound;
        else if (addr_is_loopback(&item->dest))
            item->source = item->dest; /* spares localhost the system calls */
        else if (fd >= 0 ||
                 (fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)) >= 0)
            ask_source(fd, item);
    }
    if (fd >= 0)
        close(fd);
}

void
addrsort_find_sources(struct addrsort_item *items, size_t count,
                      const union addr *bind_v4, const union addr *bind_v6)
{
    find_sources(items, count, AF_INET, bind_v4);
    find_sources(items, count, AF_INET6, bind_v6);
}
