/* The system's files about names: the input is tried as a hosts file and as
 * resolv.conf, and its first line as a name. */
#include "tests/fuzz/fuzz.h"

#include <ctype.h>

#include "transport/net/hosts.h"
#include "transport/net/resolvconf.h"
#include "transport/net/search.h"

/* A copy with a NUL at its end, which the parsers may change. */
static char *
copy_of(const uint8_t *bytes, size_t len)
{
    char *copy = malloc(len + 1);

    FUZZ_CHECK(copy);
    memcpy(copy, bytes, len);
    copy[len] = 0;
    return copy;
}

static void
check_find(const struct hosts *hosts, const char *name)
{
    union addr addrs[HOSTS_ADDRS_MAX];
    size_t v4 = hosts_find(hosts, name, AF_INET, addrs);
    size_t v6;

    FUZZ_CHECK(v4 <= HOSTS_ADDRS_MAX);
    for (size_t i = 0; i < v4; i++)
        FUZZ_CHECK(addrs[i].sa.sa_family == AF_INET);
    v6 = hosts_find(hosts, name, AF_INET6, addrs);
    FUZZ_CHECK(v6 <= HOSTS_ADDRS_MAX);
    for (size_t i = 0; i < v6; i++)
        FUZZ_CHECK(addrs[i].sa.sa_family == AF_INET6);
    FUZZ_CHECK(hosts_has(hosts, name) == (v4 + v6 > 0));
}

static void
check_hosts(const uint8_t *bytes, size_t len)
{
    char *names = copy_of(bytes, len);
    struct hosts *hosts = NULL;
    char *rest = names;
    char *name;

    FUZZ_CHECK(hosts_parse(copy_of(bytes, len), len, &hosts) == ERR_OK);
    while ((name = strsep(&rest, " \t\r\n\f\v#")))
        check_find(hosts, name);
    hosts_destroy(hosts);
    free(names);
}

/* Whatever a name and a search list are, what is asked for is a host name. */
static void
check_search(const struct resolvconf *conf, const char *name)
{
    char candidate[SEARCH_NAME_MAX + 1];
    unsigned index = 0;
    unsigned count = 0;

    while (search_next(conf, name, &index, candidate)) {
        FUZZ_CHECK(search_is_host_name(candidate));
        FUZZ_CHECK(candidate[strlen(candidate) - 1] != '.');
        for (const char *c = candidate; *c; c++)
            FUZZ_CHECK(!isupper((unsigned char)*c));
        count++;
    }
    FUZZ_CHECK(count <= conf->domain_count + 1);
    FUZZ_CHECK(count > 0 || !search_is_host_name(name));
}

static void
check_resolvconf(const uint8_t *bytes, size_t len)
{
    char *text = copy_of(bytes, len);
    char *name = copy_of(bytes, len);
    struct resolvconf conf;

    resolvconf_parse(&conf, text, len, "domain.test");
    FUZZ_CHECK(conf.server_count > 0);
    FUZZ_CHECK(conf.server_count <= RESOLVCONF_SERVERS_MAX);
    FUZZ_CHECK(conf.domain_count <= RESOLVCONF_DOMAINS_MAX);
    FUZZ_CHECK(conf.timeout_s > 0 && conf.attempts > 0);
    for (size_t i = 0; i < conf.server_count; i++)
        FUZZ_CHECK(addr_port(&conf.servers[i]) > 0);
    for (size_t i = 0; i < conf.domain_count; i++)
        FUZZ_CHECK(conf.search[conf.domains[i]] != 0);
    name[strcspn(name, "\n")] = 0;
    check_search(&conf, name);
    check_search(&conf, "db");
    check_search(&conf, "a.b.c");
    free(text);
    free(name);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    check_hosts(bytes, len);
    check_resolvconf(bytes, len);
    return 0;
}
