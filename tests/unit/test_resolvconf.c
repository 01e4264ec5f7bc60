#include "transport/net/resolvconf.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
parse(struct resolvconf *conf, const char *text, const char *domain)
{
    char *copy = strdup(text);

    resolvconf_parse(conf, copy, strlen(copy), domain);
    free(copy);
}

static void
check_servers(const char *text, const char *expected)
{
    struct resolvconf conf;
    char all[1024] = "";
    char one[ADDR_TEXT_MAX];

    parse(&conf, text, NULL);
    for (size_t i = 0; i < conf.server_count; i++) {
        strcat(all, i ? " " : "");
        strcat(all, addr_format(&conf.servers[i], one));
    }
    cr_assert_str_eq(all, expected);
}

static void
check_search(const char *text, const char *domain, const char *expected)
{
    struct resolvconf conf;
    char all[RESOLVCONF_SEARCH_MAX * 2] = "";

    parse(&conf, text, domain);
    for (size_t i = 0; i < conf.domain_count; i++) {
        strcat(all, i ? " " : "");
        strcat(all, conf.search + conf.domains[i]);
    }
    cr_assert_str_eq(all, expected);
}

Test(resolvconf, reads_servers_with_and_without_ports)
{
    check_servers("nameserver 192.0.2.1\n\tnameserver 2001:db8::1 # one\n",
                  "192.0.2.1:53 [2001:db8::1]:53");
    check_servers("nameserver 127.0.0.1:5353\nnameserver [::1]:5300\n",
                  "127.0.0.1:5353 [::1]:5300");
    check_servers("nameserver bad\nnameserver\nnameserver fe80::1%lo\n"
                  "nameserver 192.0.2.7\n;nameserver 192.0.2.8\n",
                  "192.0.2.7:53");
    check_servers("nameserver 192.0.2.1:0\nnameserver 192.0.2.2:65536\n",
                  "127.0.0.1:53");
}

Test(resolvconf, asks_this_machine_where_no_server_is_named)
{
    struct resolvconf conf;

    check_servers("search a.test\n", "127.0.0.1:53");
    resolvconf_parse(&conf, NULL, 0, NULL);
    cr_assert_eq(conf.server_count, 1u);
}

Test(resolvconf, takes_so_many_servers)
{
    char text[RESOLVCONF_SERVERS_MAX * 2 * 32] = "";
    struct resolvconf conf;

    for (int i = 0; i < RESOLVCONF_SERVERS_MAX * 2; i++)
        sprintf(text + strlen(text), "nameserver 192.0.2.%d\n", i);
    parse(&conf, text, NULL);
    cr_assert_eq(conf.server_count, (size_t)RESOLVCONF_SERVERS_MAX);
}

Test(resolvconf, last_search_list_counts)
{
    check_search("search a.test b.test.\n", NULL, "a.test b.test");
    check_search("search a.test\ndomain c.test d.test\n", NULL, "c.test");
    check_search("domain c.test\nsearch a.test b.test", NULL, "a.test b.test");
    check_search("search .\n", "corp.test", "");
    check_search("nameserver ::1\n", "corp.test", "corp.test");
    check_search("nameserver ::1\n", NULL, "");
}

Test(resolvconf, bounds_the_search_list)
{
    char text[64 * 260] = "search";
    struct resolvconf conf;

    for (int i = 0; i < 60; i++) {
        strcat(text, " ");
        memset(text + strlen(text), 'a' + i % 26, 250);
    }
    parse(&conf, text, NULL);
    cr_assert_eq(conf.domain_count, (size_t)(RESOLVCONF_SEARCH_MAX / 251));
}

Test(resolvconf, reads_options_within_glibcs_bounds)
{
    struct resolvconf conf;

    parse(&conf, "", NULL);
    cr_assert_eq(conf.ndots, 1u);
    cr_assert_eq(conf.timeout_s, 5u);
    cr_assert_eq(conf.attempts, 2u);
    cr_assert_not(conf.rotate);
    parse(&conf,
          "options ndots:3 timeout:2\noptions attempts:4 rotate use-vc x\n",
          NULL);
    cr_assert_eq(conf.ndots, 3u);
    cr_assert_eq(conf.timeout_s, 2u);
    cr_assert_eq(conf.attempts, 4u);
    cr_assert(conf.rotate);
    cr_assert(conf.use_tcp);
    parse(&conf, "options ndots:99999999999 timeout:0 attempts:99\n", NULL);
    cr_assert_eq(conf.ndots, 15u);
    cr_assert_eq(conf.timeout_s, 1u);
    cr_assert_eq(conf.attempts, 5u);
}

Test(resolvconf, environment_comes_last)
{
    struct resolvconf conf;

    setenv("LOCALDOMAIN", "env.test more.test", 1);
    setenv("RES_OPTIONS", "ndots:7", 1);
    cr_assert_eq(resolvconf_read(&conf, "/nonexistent/resolv.conf"), ERR_OK);
    cr_assert_eq(conf.ndots, 7u);
    cr_assert_eq(conf.domain_count, 2u);
    cr_assert_str_eq(conf.search + conf.domains[1], "more.test");
}
