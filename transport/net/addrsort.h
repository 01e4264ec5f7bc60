/* In which order the addresses of a name are tried: RFC 6724 section 6 over
 * both families, then alternating between them (RFC 8305 4). */
#ifndef CULVERT_TRANSPORT_NET_ADDRSORT_H
#define CULVERT_TRANSPORT_NET_ADDRSORT_H

#include <stddef.h>

#include "transport/base/addr.h"

/* An address to reach, and the one that this machine would reach it from
 * (family AF_UNSPEC: there is no way there). */
struct addrsort_item {
    union addr dest;
    union addr source;
};

/* Fills in the sources: asks the kernel's routing table by connecting UDP
 * sockets, which sends nothing and waits for nothing. bind_v4 and bind_v6 are
 * the sources that are fixed, or family AF_UNSPEC. A family for which no
 * socket could be had counts as without a way. */
void addrsort_find_sources(struct addrsort_item *items, size_t count,
                           const union addr *bind_v4,
                           const union addr *bind_v6);

/* Sorts by the rules of RFC 6724 6 that can be told from addresses alone: 1,
 * 2, 5, 6, 8, 9 (IPv6 only) and 10. Stable. Pure. */
void addrsort_order(struct addrsort_item *items, size_t count);

/* Makes the families alternate, each in its own order. The first is of
 * another family than `last`, where there is one; AF_UNSPEC: the family that
 * comes first stays first. Pure. */
void addrsort_interleave(struct addrsort_item *items, size_t count, int last);

#endif
