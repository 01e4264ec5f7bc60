#include "proxy/listeners.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "tests/unit/loop_help.h"

/* Adds a forward, which belongs to the settings. */
static struct forward *
add_forward(struct settings *settings, enum forward_kind kind,
            enum listen_where where, const char *host, unsigned port)
{
    struct forward *forward = calloc(1, sizeof(*forward));

    forward->kind = kind;
    forward->where = where;
    snprintf(forward->host, sizeof(forward->host), "%s", host);
    forward->port = port;
    forward->text = "-D test";
    if (kind == FORWARD_FIXED)
        target_set_host(&forward->target, "localhost", 9, 80);
    LL_APPEND(settings->forwards, forward);
    return forward;
}

static struct settings *
new_settings(void)
{
    struct settings *settings = settings_create();
    const struct log_options quiet = {.level = LOG_QUIET};

    cr_assert(settings);
    cr_assert_eq(log_open(&quiet), ERR_OK);
    return settings;
}

/* Opens every forward, as far as none is refused. */
static enum err
open_all(const struct settings *settings, struct listeners *listeners)
{
    enum err err = ERR_OK;

    *listeners = (struct listeners){0};
    for (const struct forward *each = settings->forwards; each && !err;
         each = each->next)
        err = listeners_open(settings, each, NULL, listeners);
    return err;
}

static bool
has_ipv6(void)
{
    union addr addr;
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool has;

    cr_assert(addr_parse(&addr, "::1", 3, 0));
    has = fd >= 0 && bind(fd, &addr.sa, addr_len(&addr)) == 0;
    close(fd);
    return has;
}

Test(listeners, port_0_is_the_same_on_both_loopbacks)
{
    struct settings *settings = new_settings();
    struct listeners listeners;

    if (!has_ipv6())
        cr_skip("no IPv6 here");
    for (int i = 0; i < 20; i++)
        add_forward(settings, FORWARD_SOCKS, LISTEN_LOOPBACK, "", 0);
    cr_assert_eq(open_all(settings, &listeners), ERR_OK);
    cr_assert_eq(listeners.count, 40);
    cr_assert_eq(listeners.failed, 0);
    for (struct listener *each = listeners.head; each;
         each = each->next->next) {
        cr_assert_eq(each->forward, each->next->forward);
        cr_assert_eq(each->addr.sa.sa_family, AF_INET);
        cr_assert_eq(each->next->addr.sa.sa_family, AF_INET6);
        cr_assert(addr_is_loopback(&each->addr));
        cr_assert(addr_is_loopback(&each->next->addr));
        cr_assert_neq(addr_port(&each->addr), 0);
        cr_assert_eq(addr_port(&each->addr), addr_port(&each->next->addr));
        close(sockets_connect(&each->addr));
        close(sockets_connect(&each->next->addr));
    }
    listeners_close(&listeners);
    settings_destroy(settings);
}

Test(listeners, a_family_that_was_chosen_is_the_only_one)
{
    struct settings *settings = new_settings();
    struct listeners listeners;

    settings->family = AF_INET;
    add_forward(settings, FORWARD_SOCKS, LISTEN_LOOPBACK, "", 0);
    cr_assert_eq(open_all(settings, &listeners), ERR_OK);
    cr_assert_eq(listeners.count, 1);
    cr_assert_eq(listeners.head->addr.sa.sa_family, AF_INET);
    listeners_close(&listeners);
    settings_destroy(settings);
}

Test(listeners, a_literal_and_a_name_are_listened_on)
{
    struct settings *settings = new_settings();
    struct listeners listeners;

    settings->family = AF_INET;
    add_forward(settings, FORWARD_SOCKS, LISTEN_HOST, "127.0.0.9", 0);
    add_forward(settings, FORWARD_SOCKS, LISTEN_HOST, "localhost", 0);
    cr_assert_eq(open_all(settings, &listeners), ERR_OK);
    cr_assert_geq(listeners.count, 2);
    cr_assert_eq(listeners.failed, 0);
    cr_assert(addr_is_loopback(&listeners.head->addr));
    listeners_close(&listeners);
    settings_destroy(settings);
}

Test(listeners, one_that_fails_is_counted_and_the_others_stand)
{
    struct settings *settings = new_settings();
    struct listeners listeners;
    union addr taken;
    int fd = sockets_listen(&taken, 1);

    settings->family = AF_INET;
    add_forward(settings, FORWARD_SOCKS, LISTEN_HOST, "127.0.0.1",
                addr_port(&taken));
    add_forward(settings, FORWARD_SOCKS, LISTEN_HOST, "192.0.2.1", 0);
    add_forward(settings, FORWARD_SOCKS, LISTEN_HOST, "127.0.0.1", 0);
    sources_add(settings->sources, "any", &(const char *){NULL});
    cr_assert_eq(open_all(settings, &listeners), ERR_OK);
    cr_assert_eq(listeners.failed, 2);
    cr_assert_eq(listeners.count, 1);
    cr_assert(strstr(listeners.why, "cannot listen on 192.0.2.1:0"));
    listeners_close(&listeners);
    close(fd);
    settings_destroy(settings);
}

Test(listeners, a_gateway_has_one_port_on_every_address)
{
    struct settings *settings = new_settings();
    unsigned before = sockets_open_count();
    struct listeners listeners;
    char text[LISTENER_TEXT_MAX];

    if (!has_ipv6())
        cr_skip("no IPv6 here");
    for (int i = 0; i < 10; i++)
        add_forward(settings, FORWARD_GATEWAY, LISTEN_ANY, "", 0);
    cr_assert_eq(open_all(settings, &listeners), ERR_OK);
    cr_assert_eq(listeners.count, 20);
    for (struct listener *each = listeners.head; each;
         each = each->next->next) {
        cr_assert_eq(each->addr.sa.sa_family, AF_INET);
        cr_assert_eq(each->next->addr.sa.sa_family, AF_INET6);
        cr_assert_neq(addr_port(&each->addr), 0);
        cr_assert_eq(addr_port(&each->addr), addr_port(&each->next->addr));
    }
    addr_set_port(&listeners.head->addr, 2222);
    cr_assert_str_eq(listener_format(listeners.head, "tcp", text),
                     "0.0.0.0:2222 (gateway)");
    listeners_close(&listeners);
    cr_assert_eq(sockets_open_count(), before);
    settings_destroy(settings);
}

Test(listeners, a_gateway_that_fails_is_named_by_its_option)
{
    struct settings *settings = new_settings();
    struct listeners listeners;

    add_forward(settings, FORWARD_GATEWAY, LISTEN_HOST, "192.0.2.1", 0);
    settings->forwards->text = "192.0.2.1:0";
    cr_assert_eq(open_all(settings, &listeners), ERR_OK);
    cr_assert_eq(listeners.failed, 1);
    cr_assert(strstr(listeners.why, "--gateway 192.0.2.1:0: cannot listen on"));
    listeners_close(&listeners);
    settings_destroy(settings);
}

/* --- open proxies --------------------------------------------------------- */

static void
assert_exposed(enum forward_kind kind, enum listen_where where,
               const char *host, const char *source, bool users,
               enum err expected)
{
    struct settings *settings = new_settings();
    unsigned before = sockets_open_count();
    struct listeners listeners;
    const char *why;

    if (source)
        cr_assert_eq(sources_add(settings->sources, source, &why), ERR_OK);
    if (users)
        settings->users_path = strdup("/some/users");
    settings->family = AF_INET;
    add_forward(settings, FORWARD_SOCKS, LISTEN_LOOPBACK, "", 0);
    add_forward(settings, kind, where, host, 0);
    cr_assert_eq(open_all(settings, &listeners), expected);
    if (expected) {
        cr_assert_eq(listeners.head->forward, settings->forwards);
        cr_assert_null(listeners.head->next, "the refused one opened nothing");
        cr_assert(strstr(listeners.why, "open proxy"));
    }
    listeners_close(&listeners);
    cr_assert_eq(sockets_open_count(), before);
    settings_destroy(settings);
}

Test(listeners, an_open_proxy_is_refused)
{
    assert_exposed(FORWARD_SOCKS, LISTEN_ANY, "", NULL, false, ERR_DENIED);
    assert_exposed(FORWARD_SOCKS, LISTEN_HOST, "0.0.0.0", NULL, false,
                   ERR_DENIED);
    assert_exposed(FORWARD_SOCKS, LISTEN_HOST, "192.0.2.1", NULL, false,
                   ERR_DENIED);
}

Test(listeners, what_is_restricted_or_fixed_is_no_open_proxy)
{
    assert_exposed(FORWARD_SOCKS, LISTEN_ANY, "", "127.0.0.0/8", false, ERR_OK);
    assert_exposed(FORWARD_SOCKS, LISTEN_ANY, "", "any", false, ERR_OK);
    assert_exposed(FORWARD_SOCKS, LISTEN_ANY, "", NULL, true, ERR_OK);
    assert_exposed(FORWARD_FIXED, LISTEN_ANY, "", NULL, false, ERR_OK);
    assert_exposed(FORWARD_GATEWAY, LISTEN_ANY, "", NULL, false, ERR_OK);
    assert_exposed(FORWARD_SOCKS, LISTEN_HOST, "127.0.0.2", NULL, false,
                   ERR_OK);
}

/* --- Unix sockets --------------------------------------------------------- */

struct place {
    char dir[64];
    char path[80];
    struct settings *settings;
    struct listeners listeners;
};

static void
place_open(struct place *place)
{
    strcpy(place->dir, "/tmp/culvert-listeners-XXXXXX");
    cr_assert(mkdtemp(place->dir));
    snprintf(place->path, sizeof(place->path), "%s/socket", place->dir);
    place->settings = new_settings();
    add_forward(place->settings, FORWARD_SOCKS, LISTEN_UNIX, place->path, 0);
    cr_assert_eq(open_all(place->settings, &place->listeners), ERR_OK);
}

static void
place_end(struct place *place)
{
    listeners_close(&place->listeners);
    unlink(place->path);
    cr_assert_eq(rmdir(place->dir), 0);
    settings_destroy(place->settings);
}

Test(listeners, a_unix_socket_is_its_owners_alone_and_goes_at_the_end)
{
    struct place place;
    struct stat st;

    place_open(&place);
    cr_assert_eq(place.listeners.count, 1);
    cr_assert_eq(place.listeners.head->addr.sa.sa_family, AF_UNSPEC);
    cr_assert_eq(stat(place.path, &st), 0);
    cr_assert(S_ISSOCK(st.st_mode));
    cr_assert_eq(st.st_mode & 0777, 0600);
    listeners_close(&place.listeners);
    cr_assert_neq(stat(place.path, &st), 0);
    place_end(&place);
}

Test(listeners, another_programs_socket_at_our_path_stays)
{
    struct place place;
    struct place other;
    struct stat st;

    place_open(&place);
    /* As another culvert would, told to unlink. */
    other = place;
    other.settings->unlink_socket = true;
    cr_assert_eq(open_all(other.settings, &other.listeners), ERR_OK);
    listeners_close(&place.listeners);
    cr_assert_eq(stat(place.path, &st), 0);
    listeners_close(&other.listeners);
    cr_assert_neq(stat(place.path, &st), 0);
    place_end(&place);
}

Test(listeners, a_path_in_use_is_a_failure_and_stays)
{
    struct place place;
    struct listeners listeners;

    place_open(&place);
    cr_assert_eq(open_all(place.settings, &listeners), ERR_OK);
    cr_assert_eq(listeners.failed, 1);
    cr_assert_eq(listeners.count, 0);
    listeners_close(&listeners);
    cr_assert_eq(access(place.path, F_OK), 0);
    place_end(&place);
}

Test(listeners, standard_input_opens_nothing)
{
    struct settings *settings = new_settings();
    struct listeners listeners;

    add_forward(settings, FORWARD_STDIO, LISTEN_LOOPBACK, "", 0);
    cr_assert_eq(open_all(settings, &listeners), ERR_OK);
    cr_assert_eq(listeners.count + listeners.failed, 0);
    listeners_close(&listeners);
    settings_destroy(settings);
}

Test(listeners, close_leaves_no_descriptor)
{
    struct settings *settings = new_settings();
    unsigned before = sockets_open_count();
    struct listeners listeners;

    for (int i = 0; i < 5; i++)
        add_forward(settings, FORWARD_SOCKS, LISTEN_LOOPBACK, "", 0);
    cr_assert_eq(open_all(settings, &listeners), ERR_OK);
    listeners_close(&listeners);
    cr_assert_null(listeners.head);
    cr_assert_eq(sockets_open_count(), before);
    settings_destroy(settings);
}
