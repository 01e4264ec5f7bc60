#include "transport/net/search.h"

#include <criterion/criterion.h>
#include <string.h>

static void
check(const char *file, const char *name, const char *expected)
{
    char copy[1024];
    char all[2048] = "";
    char candidate[SEARCH_NAME_MAX + 1];
    struct resolvconf conf;
    unsigned index = 0;

    strcpy(copy, file);
    resolvconf_parse(&conf, copy, strlen(copy), NULL);
    while (search_next(&conf, name, &index, candidate)) {
        strcat(all, *all ? " " : "");
        strcat(all, candidate);
    }
    cr_assert_str_eq(all, expected);
}

Test(search, host_names)
{
    cr_assert(search_is_host_name("a"));
    cr_assert(search_is_host_name("A-1_x.test."));
    cr_assert_not(search_is_host_name(""));
    cr_assert_not(search_is_host_name("."));
    cr_assert_not(search_is_host_name("a..b"));
    cr_assert_not(search_is_host_name(".a"));
    cr_assert_not(search_is_host_name("a.."));
    cr_assert_not(search_is_host_name("a b"));
    cr_assert_not(search_is_host_name("\xc3\xa4"));
}

Test(search, lengths_of_names_and_labels)
{
    char name[300];

    memset(name, 'a', sizeof(name));
    name[63] = 0;
    cr_assert(search_is_host_name(name));
    name[63] = 'a';
    name[64] = 0;
    cr_assert_not(search_is_host_name(name));
    for (size_t i = 0; i < 253; i++)
        name[i] = i % 2 ? '.' : 'a';
    name[253] = 0;
    cr_assert(search_is_host_name(name));
    strcpy(name + 253, ".");
    cr_assert(search_is_host_name(name));
    strcpy(name + 253, "a");
    cr_assert_not(search_is_host_name(name));
}

Test(search, is_under_a_domain)
{
    cr_assert(search_is_under("localhost", "localhost"));
    cr_assert(search_is_under("a.LOCALHOST.", "localhost"));
    cr_assert_not(search_is_under("alocalhost", "localhost"));
    cr_assert_not(search_is_under("host", "localhost"));
    cr_assert_not(search_is_under("localhost.test", "localhost"));
}

Test(search, few_dots_go_through_the_domains_first)
{
    check("search x.test y.test", "db", "db.x.test db.y.test db");
    check("search x.test\noptions ndots:2", "a.b", "a.b.x.test a.b");
}

Test(search, enough_dots_are_tried_as_they_are_first)
{
    check("search x.test", "A.b", "a.b a.b.x.test");
    check("search x.test\noptions ndots:0", "db", "db db.x.test");
}

Test(search, dot_at_the_end_is_the_name_itself)
{
    check("search x.test", "db.", "db");
    check("search x.test", "a.b.", "a.b");
}

Test(search, passes_over_names_that_cannot_be)
{
    check("search x..test y.test", "db", "db.y.test db");
}
