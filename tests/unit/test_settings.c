/* What the settings judge of forwards. */
#include "proxy/settings.h"

#include "tests/unit/options_run.h"

/* A name is judged when it has been looked up. */
Test(settings, judges_addresses_of_names)
{
    struct settings *s =
        options_accept(ARGS("-Dbox.example:1", "-Lbox.example:2:h:3"));
    union addr near, far;

    cr_assert(addr_parse(&near, "127.0.0.1", 9, 1));
    cr_assert(addr_parse(&far, "192.0.2.1", 9, 1));
    cr_assert(settings_open_proxy(s, s->forwards, &far));
    cr_assert_not(settings_open_proxy(s, s->forwards, &near));
    cr_assert_not(settings_open_forward(s, s->forwards, &far));
    cr_assert_not(settings_open_proxy(s, s->forwards->next, &far));
    cr_assert(settings_open_forward(s, s->forwards->next, &far));
    cr_assert_not(settings_open_forward(s, s->forwards->next, &near));
    settings_destroy(s);
}

Test(settings, source_rule_makes_a_fixed_forward_safe_users_do_not)
{
    char path[32];
    struct settings *s;
    union addr any;

    options_users_file(path);
    s = options_accept(ARGS("-L*:2:h:3", "--users", path));
    cr_assert(addr_parse(&any, "::", 2, 1));
    cr_assert(settings_open_forward(s, s->forwards, &any));
    settings_destroy(s);
    s = options_accept(ARGS("-L*:2:h:3", "--allow-from=10.0.0.0/8"));
    cr_assert_not(settings_open_forward(s, s->forwards, &any));
    settings_destroy(s);
    unlink(path);
}

/* Who may reach it is not known here; that has a warning of its own. */
Test(settings, what_a_server_listens_for_is_not_ours_to_judge)
{
    struct settings *s =
        options_accept(ARGS("-R*:1", "-R192.0.2.1:2", "-R*:3:h:4", "h"));
    union addr any;

    cr_assert(addr_parse(&any, "::", 2, 1));
    for (struct forward *f = s->forwards; f; f = f->next) {
        cr_assert_not(settings_open_proxy(s, f, &any));
        cr_assert_not(settings_open_forward(s, f, &any));
    }
    settings_destroy(s);
}

Test(settings, destroying_nothing_does_nothing)
{
    settings_destroy(NULL);
}
