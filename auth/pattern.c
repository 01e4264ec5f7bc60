#include "auth/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "auth/glob.h"

static size_t
without_dots(const char *name, size_t len)
{
    while (len > 0 && name[len - 1] == '.')
        len--;
    return len;
}

/* Reads digits from *at on, which it moves behind them. */
static bool
parse_port(const char **at, uint16_t *port)
{
    unsigned value = 0;
    const char *p = *at;

    while (*p >= '0' && *p <= '9' && value <= UINT16_MAX)
        value = value * 10 + (unsigned)(*p++ - '0');
    if (p == *at || value == 0 || value > UINT16_MAX)
        return false;
    *port = (uint16_t)value;
    *at = p;
    return true;
}

/* Reads "80,8000-8099" into ranges, which has room for PATTERN_PORTS_MAX. */
static enum err
parse_ports(const char *text, struct port_range *ranges, unsigned *count,
            const char **why)
{
    unsigned n = 0;
    const char *at = text;

    *why = "a port is 1 to 65535: 80, 8000-8099, or several with commas";
    do {
        struct port_range range;

        if (n == PATTERN_PORTS_MAX) {
            *why = "too many ports in one pattern";
            return ERR_MALFORMED;
        }
        if (n > 0)
            at++;
        if (!parse_port(&at, &range.first))
            return ERR_MALFORMED;
        range.last = range.first;
        if (*at == '-') {
            at++;
            if (!parse_port(&at, &range.last))
                return ERR_MALFORMED;
        }
        if (range.last < range.first) {
            *why = "a range of ports that ends before it begins";
            return ERR_MALFORMED;
        }
        ranges[n++] = range;
    } while (*at == ',');
    if (*at)
        return ERR_MALFORMED;
    *count = n;
    return ERR_OK;
}

static bool
only_of(const char *text, size_t len, const char *accepted)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] == 0 || !strchr(accepted, text[i]))
            return false;
    return true;
}

/* What is wrong with a name, or NULL. What looks like an address and is none
 * would match nothing, and a denial would deny nothing. */
static const char *
name_fault(const char *name, size_t len)
{
    if (len == 0)
        return "no host in it";
    if (len > TARGET_NAME_MAX)
        return "a name longer than 255 bytes";
    if (only_of(name, len, "0123456789."))
        return "not an IP address (ports alone are written :80)";
    if (only_of(name, len, "0123456789.*?") && !only_of(name, len, ".*?"))
        return "wildcards are for names; a network is written 10.0.0.0/8";
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f ||
            strchr("[]/%,@", name[i]))
            return "a byte that no host name has";
    return NULL;
}

static enum err
set_name(struct pattern *made, const char *host, size_t len, const char **why)
{
    size_t name_len = without_dots(host, len);
    const char *fault;

    if (len > 0 && only_of(host, len, "*")) {
        made->kind = PATTERN_ANY;
        return ERR_OK;
    }
    fault = name_fault(host, name_len);
    if (fault) {
        *why = fault;
        return ERR_MALFORMED;
    }
    made->name = malloc(name_len + 1);
    if (!made->name)
        return ERR_NO_MEMORY;
    glob_copy_lower(made->name, host, name_len);
    made->name_len = name_len;
    made->kind = strpbrk(made->name, "*?") ? PATTERN_GLOB : PATTERN_NAME;
    return ERR_OK;
}

static enum err
set_host(struct pattern *made, const char *host, size_t len, const char **why)
{
    union addr addr;

    if (memchr(host, '/', len) || memchr(host, ':', len) ||
        memchr(host, '[', len) || addr_parse(&addr, host, len, 0)) {
        made->kind = PATTERN_NET;
        return cidr_parse(&made->net, host, len, why);
    }
    return set_name(made, host, len, why);
}

/* Where the host ends: at the colon before the ports, or at the end. An IPv6
 * address without brackets has two colons or more, and no ports. */
static const char *
host_end(const char *text)
{
    const char *bracket = text[0] == '[' ? strchr(text, ']') : NULL;
    const char *colon = strchr(bracket ? bracket : text, ':');

    if (colon && (bracket || !strchr(colon + 1, ':')))
        return colon;
    return text + strlen(text);
}

enum err
pattern_parse(struct pattern *pattern, const char *text, const char **why)
{
    struct port_range ranges[PATTERN_PORTS_MAX];
    struct pattern made = {.kind = PATTERN_ANY};
    const char *end = host_end(text);
    enum err err = ERR_OK;

    if (*end == ':')
        err = parse_ports(end + 1, ranges, &made.port_count, why);
    /* ":80" has no host, and means every one. */
    if (!err && (end > text || *end == 0))
        err = set_host(&made, text, (size_t)(end - text), why);
    if (!err && made.port_count) {
        made.ports = calloc(made.port_count, sizeof(*made.ports));
        if (made.ports)
            memcpy(made.ports, ranges, made.port_count * sizeof(*ranges));
        else
            err = ERR_NO_MEMORY;
    }
    if (err)
        pattern_clear(&made);
    else
        *pattern = made;
    return err;
}

void
pattern_clear(struct pattern *pattern)
{
    free(pattern->ports);
    free(pattern->name);
    memset(pattern, 0, sizeof(*pattern));
}

void
pattern_subject_set(struct pattern_subject *subject,
                    const struct target *target, const union addr *addr)
{
    memset(subject->addrs, 0, sizeof(subject->addrs));
    subject->kind = target->kind;
    subject->port = target->port;
    subject->name_len = 0;
    switch (target->kind) {
    case TARGET_NAME:
        subject->name_len = without_dots(target->name, strlen(target->name));
        glob_copy_lower(subject->name, target->name, subject->name_len);
        break;
    case TARGET_ADDR:
        subject->addrs[0] = target->addr;
        break;
    case TARGET_UNIX:
        break;
    }
    if (addr)
        subject->addrs[1] = *addr;
}

static bool
ports_match(const struct pattern *pattern, uint16_t port)
{
    for (unsigned i = 0; i < pattern->port_count; i++)
        if (port >= pattern->ports[i].first && port <= pattern->ports[i].last)
            return true;
    return pattern->port_count == 0;
}

static bool
net_matches(const struct cidr *net, const union addr *addr)
{
    static const uint8_t v4[4] = {127, 0, 0, 1};
    static const uint8_t v6[16] = {[15] = 1};
    union addr plain = *addr;

    if (cidr_has(net, addr))
        return true;
    addr_unmap(&plain);
    if (!addr_is_any(&plain))
        return false;
    if (plain.sa.sa_family == AF_INET)
        addr_from_v4(&plain, v4, 0);
    else
        addr_from_v6(&plain, v6, 0);
    return cidr_has(net, &plain);
}

static enum pattern_match
match_net(const struct pattern *pattern, const struct pattern_subject *subject)
{
    if (subject->kind == TARGET_NAME &&
        subject->addrs[1].sa.sa_family == AF_UNSPEC)
        return PATTERN_NEEDS_ADDR;
    return net_matches(&pattern->net, &subject->addrs[0]) ||
                   net_matches(&pattern->net, &subject->addrs[1])
               ? PATTERN_YES
               : PATTERN_NO;
}

enum pattern_match
pattern_match(const struct pattern *pattern,
              const struct pattern_subject *subject)
{
    bool same = false;

    if (subject->kind == TARGET_UNIX)
        return pattern->kind == PATTERN_ANY && pattern->port_count == 0
                   ? PATTERN_YES
                   : PATTERN_NO;
    if (!ports_match(pattern, subject->port))
        return PATTERN_NO;
    switch (pattern->kind) {
    case PATTERN_ANY:
        return PATTERN_YES;
    case PATTERN_NET:
        return match_net(pattern, subject);
    case PATTERN_NAME:
        same = subject->kind == TARGET_NAME &&
               pattern->name_len == subject->name_len &&
               memcmp(pattern->name, subject->name, subject->name_len) == 0;
        break;
    case PATTERN_GLOB:
        same = subject->kind == TARGET_NAME &&
               glob_matches(pattern->name, pattern->name_len, subject->name,
                            subject->name_len);
        break;
    }
    return same ? PATTERN_YES : PATTERN_NO;
}
