#include "auth/grant.h"

#include <criterion/criterion.h>
#include <string.h>

#include "auth/grant_build.h"

static bool
may_open(const struct grant *grant, const char *host, uint16_t port)
{
    struct target target;

    cr_assert_eq(target_set_host(&target, host, strlen(host), port), ERR_OK);
    return grant_may_open(grant, &target);
}

Test(grant, fresh_one_allows_all)
{
    struct grant *grant = grant_create(NULL);
    struct target path;

    cr_assert_eq(target_set_unix(&path, "/run/s"), ERR_OK);
    cr_expect(may_open(grant, "h", 80));
    cr_expect(grant_may_open(grant, &path));
    cr_expect(grant_may_listen(grant, "", 0));
    cr_expect(grant_may_listen(grant, "localhost", 22));
    cr_expect_null(grant_agent(grant));
    grant_unref(grant);
}

Test(grant, agent_is_copied)
{
    char name[] = "home";
    struct grant *grant = grant_create(name);

    name[0] = 'x';
    cr_expect_str_eq(grant_agent(grant), "home");
    grant_set_agent(grant, "me");
    cr_expect_str_eq(grant_agent(grant), "me");
    grant_unref(grant);
}

Test(grant, agent_of_63_bytes_fits)
{
    char name[GRANT_AGENT_MAX + 2];
    struct grant *grant;

    memset(name, 'n', sizeof(name));
    name[GRANT_AGENT_MAX + 1] = 0;
    cr_expect(!grant_agent_is_legal(name));
    name[GRANT_AGENT_MAX] = 0;
    cr_expect(grant_agent_is_legal(name));
    grant = grant_create(name);
    cr_expect_str_eq(grant_agent(grant), name);
    grant_unref(grant);
}

Test(grant, legal_names_are_letters_digits_and_two_more)
{
    cr_expect(grant_agent_is_legal("a"));
    cr_expect(grant_agent_is_legal("AZaz09_-"));
    cr_expect(grant_agent_is_legal("-"));
    cr_expect(!grant_agent_is_legal(""));
    cr_expect(!grant_agent_is_legal("a.b"));
    cr_expect(!grant_agent_is_legal("a b"));
    cr_expect(!grant_agent_is_legal("a@b"));
    cr_expect(!grant_agent_is_legal("a\n"));
    cr_expect(!grant_agent_is_legal("J\xc3\xbcrgen"));
}

Test(grant, permitopen_restricts_opening_alone)
{
    struct grant *grant = grant_create(NULL);
    const char *why = "";

    cr_assert_eq(grant_permit_open(grant, "h:80", &why), ERR_OK);
    cr_assert_eq(grant_permit_open(grant, "[::1]:*", &why), ERR_OK);
    cr_expect(may_open(grant, "H", 80));
    cr_expect(may_open(grant, "::1", 5));
    cr_expect(!may_open(grant, "h", 81));
    cr_expect(grant_may_listen(grant, "", 0));
    grant_unref(grant);
}

Test(grant, permitlisten_restricts_listening_alone)
{
    struct grant *grant = grant_create(NULL);
    const char *why = "";

    cr_assert_eq(grant_permit_listen(grant, "localhost:80", &why), ERR_OK);
    cr_expect(grant_may_listen(grant, "localhost", 80));
    cr_expect(!grant_may_listen(grant, "localhost", 0));
    cr_expect(!grant_may_listen(grant, "", 80));
    cr_expect(may_open(grant, "h", 80));
    grant_unref(grant);
}

Test(grant, no_forwarding_wins_over_what_is_permitted)
{
    struct grant *grant = grant_create(NULL);
    const char *why = "";

    cr_assert_eq(grant_permit_open(grant, "h:80", &why), ERR_OK);
    cr_assert_eq(grant_permit_listen(grant, "80", &why), ERR_OK);
    grant_set_forwarding(grant, false);
    cr_expect(!may_open(grant, "h", 80));
    cr_expect(!grant_may_listen(grant, "", 80));
    grant_set_forwarding(grant, true);
    cr_expect(may_open(grant, "h", 80));
    cr_expect(!may_open(grant, "h", 81));
    cr_expect(grant_may_listen(grant, "", 80));
    grant_unref(grant);
}

Test(grant, words_of_PermitRemoteOpen_are_none_of_permitopen)
{
    struct grant *grant = grant_create(NULL);
    const char *why = NULL;

    cr_expect_eq(grant_permit_open(grant, "any", &why), ERR_MALFORMED);
    cr_expect_str_eq(why, "not host:port");
    cr_expect_eq(grant_permit_open(grant, "None", &why), ERR_MALFORMED);
    cr_expect_eq(grant_permit_open(grant, "h", &why), ERR_MALFORMED);
    grant_unref(grant);
}

Test(grant, references_keep_it)
{
    struct grant *grant = grant_create("home");

    cr_expect_eq(grant_ref(grant), grant);
    grant_unref(grant);
    cr_expect_str_eq(grant_agent(grant), "home");
    grant_unref(grant);
    grant_unref(NULL);
}
