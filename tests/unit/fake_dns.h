/* A DNS server of one thread on 127.0.0.1 that says what it is told to. */
#ifndef CULVERT_TESTS_UNIT_FAKE_DNS_H
#define CULVERT_TESTS_UNIT_FAKE_DNS_H

#include <stddef.h>
#include <stdint.h>

enum fake_what {
    FAKE_ANSWER, /* cname and addresses; NODATA when there are none */
    FAKE_NO_NAME,
    FAKE_SERVFAIL,
    FAKE_REFUSED,
    FAKE_DROP,
    FAKE_TRUNCATE, /* empty and truncated over UDP, whole over TCP */
    FAKE_GARBAGE,  /* an answer whose record goes past its end */
};

/* How to answer a question. type is 'A' or '6' (AAAA), or 0 for both; the
 * first rule that fits counts, and without one the name does not exist. */
struct fake_rule {
    const char *name;
    char type;
    enum fake_what what;
    const char *addrs[20];
    unsigned ttl_s;
    const char *cname; /* the name is an alias of it */
    unsigned cname_ttl_s;
    unsigned delay_ms;
};

struct fake_dns;

/* Starts one on a port of its own; rules end with a name of NULL and are kept
 * as a borrow until fake_dns_stop. Ends the test when it cannot. */
struct fake_dns *fake_dns_start(const struct fake_rule *rules);
void fake_dns_stop(struct fake_dns *dns);
uint16_t fake_dns_port(const struct fake_dns *dns);

/* How many questions came for a name (NULL: any) and type (0: both). */
unsigned fake_dns_asked(struct fake_dns *dns, const char *name, char type);

#endif
