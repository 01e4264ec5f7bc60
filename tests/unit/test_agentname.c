#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "proxy/agentname.h"

static struct target
name(const char *host)
{
    struct target target;

    cr_assert_eq(target_set_host(&target, host, strlen(host), 80), ERR_OK);
    return target;
}

static const char *
join(const char *host, const char *agent)
{
    static char text[TARGET_TEXT_MAX];
    struct target target = name(host);
    struct target whole;

    if (!agentname_join_target(&target, agent, &whole))
        return "-";
    cr_assert_eq(whole.kind, TARGET_NAME);
    return target_format(&whole, text);
}

/* "HOST by AGENT", or "-". */
static const char *
cut(const char *host)
{
    static char text[400];
    struct target target = name(host);
    struct target rest;
    char agent[GRANT_AGENT_MAX + 1] = "?";
    char buf[TARGET_TEXT_MAX];

    if (!agentname_cut_target(&target, &rest, agent)) {
        cr_assert_str_eq(agent, "?");
        return "-";
    }
    snprintf(text, sizeof(text), "%s by %s", target_format(&rest, buf), agent);
    return text;
}

Test(agentname, host_below_an_agent)
{
    cr_assert_str_eq(cut("db.home.culvert"), "db:80 by home");
    cr_assert_str_eq(cut("a.b.example.home.culvert"), "a.b.example:80 by home");
}

Test(agentname, address_below_an_agent)
{
    cr_assert_str_eq(cut("10.0.0.1.home.culvert"), "10.0.0.1:80 by home");
}

Test(agentname, agent_alone_is_its_own_machine)
{
    cr_assert_str_eq(cut("home.culvert"), "localhost:80 by home");
}

Test(agentname, case_and_the_dot_at_the_end_do_not_matter)
{
    cr_assert_str_eq(cut("Db.Home.CULVERT."), "Db:80 by Home");
}

Test(agentname, other_names_are_left_alone)
{
    cr_assert_str_eq(cut("culvert"), "-");
    cr_assert_str_eq(cut(".culvert"), "-");
    cr_assert_str_eq(cut("x..culvert"), "-");
    cr_assert_str_eq(cut("homeculvert"), "-");
    cr_assert_str_eq(cut("db.ho!me.culvert"), "-");
    cr_assert_str_eq(cut("db.home.culvert.example"), "-");
    cr_assert_str_eq(cut("192.0.2.1"), "-");
}

Test(agentname, an_agent_with_too_long_a_name_is_none)
{
    char host[100];

    memset(host, 'a', 64);
    strcpy(host + 64, ".culvert");
    cr_assert_str_eq(cut(host), "-");
    cr_assert_str_neq(cut(host + 1), "-");
}

static size_t
cut_user(const char *user, char agent[GRANT_AGENT_MAX + 1])
{
    strcpy(agent, "?");
    return agentname_cut_user((const uint8_t *)user, strlen(user), agent);
}

Test(agentname, user_at_an_agent)
{
    char agent[GRANT_AGENT_MAX + 1];

    cr_assert_eq(cut_user("fred@home", agent), 4);
    cr_assert_str_eq(agent, "home");
    cr_assert_eq(cut_user("fred@example.org@home", agent), 16);
    cr_assert_str_eq(agent, "home");
    cr_assert_eq(cut_user("@home", agent), 0);
    cr_assert_str_eq(agent, "home");
}

Test(agentname, users_without_one)
{
    char agent[GRANT_AGENT_MAX + 1];

    cr_assert_eq(cut_user("fred", agent), 4);
    cr_assert_eq(cut_user("fred@example.org", agent), 16);
    cr_assert_eq(cut_user("fred@", agent), 5);
    cr_assert_str_eq(agent, "?");
}

Test(agentname, user_with_a_nul_in_the_agent)
{
    char agent[GRANT_AGENT_MAX + 1] = "?";

    cr_assert_eq(agentname_cut_user((const uint8_t *)"fred@ho\0me", 10, agent),
                 10);
    cr_assert_str_eq(agent, "?");
}

Test(agentname, target_and_agent_are_joined)
{
    cr_expect_str_eq(join("db", "home"), "db.home.culvert:80");
    cr_expect_str_eq(join("db.", "home"), "db.home.culvert:80");
    cr_expect_str_eq(join("10.0.0.1", "home"), "10.0.0.1.home.culvert:80");
    cr_expect_str_eq(join("::1", "home"), "::1.home.culvert:80");
}

Test(agentname, what_is_too_long_is_not_joined)
{
    char host[TARGET_NAME_MAX + 1];

    memset(host, 'x', sizeof(host));
    host[TARGET_NAME_MAX] = 0;
    cr_expect_str_eq(join(host, "a"), "-");
    host[TARGET_NAME_MAX - strlen(".a.culvert")] = 0;
    cr_expect_str_neq(join(host, "a"), "-");
}
