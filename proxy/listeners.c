#include "proxy/listeners.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "proxy/forward.h"
#include "proxy/row.h"
#include "transport/net/listen.h"

/* Both loopbacks are to get the same port; where the one that was picked for
 * the first is taken on the second, another is picked. */
#define PICK_TRIES 32

struct opening {
    const struct settings *settings;
    const struct forward *forward;
    const struct bindname_answer *found;
    struct listeners *listeners;
    union addr addrs[BINDNAME_ADDRS_MAX];
    size_t count;
    size_t opened;
};

/* Logs a failure and keeps it for whoever asked. */
static void
say_failure(struct opening *opening, const char *where, const char *what)
{
    char *why = opening->listeners->why;

    snprintf(why, LISTENERS_WHY_MAX, "%s %s: %s: %s",
             forward_option(opening->forward), opening->forward->text, where,
             what);
    log_write(LOG_ERROR, "%s", why);
}

static void
add_literal(struct opening *opening, const char *text)
{
    union addr addr;

    if (!addr_parse(&addr, text, strlen(text),
                    (uint16_t)opening->forward->port))
        return;
    if (opening->settings->family != AF_UNSPEC &&
        opening->settings->family != addr.sa.sa_family)
        return;
    opening->addrs[opening->count++] = addr;
}

static void
add_name(struct opening *opening)
{
    const struct forward *forward = opening->forward;
    struct bindname_answer here;

    if (!opening->found) {
        bindname_find(forward->host, opening->settings->family, &here);
        opening->found = &here;
    }
    for (size_t i = 0; i < opening->found->count; i++) {
        opening->addrs[i] = opening->found->addrs[i];
        addr_set_port(&opening->addrs[i], (uint16_t)forward->port);
    }
    opening->count = opening->found->count;
    if (opening->count == 0)
        say_failure(opening, forward->host, opening->found->why);
    opening->found = NULL;
}

static void
find_addrs(struct opening *opening)
{
    switch (opening->forward->where) {
    case LISTEN_LOOPBACK:
        add_literal(opening, "127.0.0.1");
        add_literal(opening, "::1");
        return;
    case LISTEN_ANY:
        add_literal(opening, "0.0.0.0");
        add_literal(opening, "::");
        return;
    case LISTEN_HOST:
        add_literal(opening, opening->forward->host);
        if (opening->count == 0)
            add_name(opening);
        return;
    case LISTEN_UNIX:
        return;
    }
}

static struct listener *
add_listener(struct opening *opening, int fd)
{
    struct listener *listener = calloc(1, sizeof(*listener));

    if (!listener) {
        close(fd);
        return NULL;
    }
    listener->forward = opening->forward;
    listener->fd = fd;
    LL_APPEND(opening->listeners->head, listener);
    opening->listeners->count++;
    opening->opened++;
    return listener;
}

static void
say_not_opened(struct opening *opening, const char *where, enum err err)
{
    char text[ADDR_TEXT_MAX + sizeof(opening->forward->host)];

    snprintf(text, sizeof(text), "cannot listen on %s", where);
    say_failure(opening, text, err_text(err));
}

/* Whether an address that cannot be had is to be passed over: one of several
 * whose family this machine does not have. */
static bool
is_missing_family(const struct opening *opening, enum err err)
{
    return opening->forward->where != LISTEN_HOST &&
           (err == ERR_ADDR_NOT_AVAILABLE || err == ERR_NET_UNREACHABLE);
}

/* Opens all addresses with the port that is in them. Returns ERR_ADDR_IN_USE,
 * with nothing left open, when a port that was picked is taken elsewhere. */
static enum err
open_addrs(struct opening *opening)
{
    bool pick = opening->forward->port == 0;
    int fds[BINDNAME_ADDRS_MAX];
    size_t bad = 0;

    for (size_t i = 0; i < opening->count; i++) {
        union addr *addr = &opening->addrs[i];
        char text[ADDR_TEXT_MAX];
        enum err err;

        fds[i] = -1;
        if (pick && i > 0)
            addr_set_port(addr, addr_port(&opening->addrs[0]));
        err = listen_open_tcp(addr, &fds[i]);
        if (err == ERR_ADDR_IN_USE && pick && i > 0) {
            while (i-- > 0)
                if (fds[i] >= 0)
                    close(fds[i]);
            return err;
        }
        if (err && !is_missing_family(opening, err)) {
            say_not_opened(opening, addr_format(addr, text), err);
            bad++;
        }
    }
    for (size_t i = 0; i < opening->count; i++) {
        struct listener *listener;

        if (fds[i] < 0)
            continue;
        listener = add_listener(opening, fds[i]);
        if (!listener)
            bad++;
        else
            listener->addr = opening->addrs[i];
    }
    if (bad > 0 || opening->opened == 0)
        opening->listeners->failed++;
    return ERR_OK;
}

/* Before anything is opened: whether it may be. */
static bool
check_exposure(struct opening *opening)
{
    const struct forward *forward = opening->forward;
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; i < opening->count; i++) {
        const union addr *addr = &opening->addrs[i];

        if (settings_open_proxy(opening->settings, forward, addr)) {
            snprintf(opening->listeners->why, LISTENERS_WHY_MAX,
                     "%s %s: %s: %s", forward_option(forward), forward->text,
                     addr_format(addr, text), SETTINGS_OPEN_PROXY_TEXT);
            return false;
        }
    }
    for (size_t i = 0; i < opening->count; i++) {
        const union addr *addr = &opening->addrs[i];

        if (!settings_open_forward(opening->settings, forward, addr))
            continue;
        log_write(LOG_WARN,
                  "%s %s: warning: whoever reaches %s reaches the target; "
                  "--allow-from restricts that",
                  forward_option(forward), forward->text,
                  addr_format(addr, text));
        break;
    }
    return true;
}

static void
open_unix(struct opening *opening)
{
    const struct forward *forward = opening->forward;
    const struct settings *settings = opening->settings;
    struct listener *listener;
    struct stat st;
    int fd = -1;
    enum err err = listen_open_unix(forward->host, settings->socket_mask,
                                    settings->unlink_socket, &fd);

    if (err) {
        say_not_opened(opening, forward->host, err);
        opening->listeners->failed++;
        return;
    }
    listener = add_listener(opening, fd);
    if (!listener) {
        unlink(forward->host);
        opening->listeners->failed++;
        return;
    }
    listener->path = forward->host;
    if (stat(forward->host, &st) == 0) {
        listener->device = st.st_dev;
        listener->inode = st.st_ino;
    }
}

bool
listeners_need_name(const struct forward *forward)
{
    union addr addr;

    return forward->where == LISTEN_HOST &&
           !addr_parse(&addr, forward->host, strlen(forward->host), 0);
}

enum err
listeners_open(const struct settings *settings, const struct forward *forward,
               const struct bindname_answer *found, struct listeners *listeners)
{
    struct opening opening = {.settings = settings,
                              .forward = forward,
                              .found = found,
                              .listeners = listeners};
    enum err err = ERR_ADDR_IN_USE;

    if (forward->kind == FORWARD_STDIO)
        return ERR_OK;
    if (forward->where == LISTEN_UNIX) {
        open_unix(&opening);
        return ERR_OK;
    }
    find_addrs(&opening);
    if (!check_exposure(&opening))
        return ERR_DENIED;
    for (int i = 0; err == ERR_ADDR_IN_USE && i < PICK_TRIES; i++) {
        if (forward->port == 0 && opening.count > 0)
            addr_set_port(&opening.addrs[0], 0);
        err = open_addrs(&opening);
    }
    if (err) {
        say_not_opened(&opening, "a port that is free on every address", err);
        listeners->failed++;
    }
    return ERR_OK;
}

char *
listener_format(const struct listener *listener, const char *via_word,
                char *buf)
{
    const struct forward *forward = listener->forward;
    char where[ADDR_TEXT_MAX];
    char what[TARGET_TEXT_MAX + 4] = "socks";
    char target[TARGET_TEXT_MAX];
    bool is_gateway = forward->kind == FORWARD_GATEWAY;

    if (is_gateway)
        strcpy(what, "gateway");
    else if (forward->kind == FORWARD_FIXED)
        snprintf(what, sizeof(what), "to %s",
                 target_format(&forward->target, target));
    snprintf(buf, LISTENER_TEXT_MAX, "%s (%s%s%s)",
             listener->path ? listener->path
                            : addr_format(&listener->addr, where),
             what, is_gateway ? "" : ", via ", is_gateway ? "" : via_word);
    return buf;
}

void
listener_fill_row(const struct listener *listener, const char *via_word,
                  json_t *row)
{
    const struct forward *forward = listener->forward;
    char where[ADDR_TEXT_MAX];

    row_text(row, "state", "listening");
    row_text(row, "listen",
             listener->path ? listener->path
                            : addr_format(&listener->addr, where));
    forward_fill_row(forward, row);
    if (forward->kind != FORWARD_GATEWAY)
        row_text(row, "via", via_word);
}

void
listeners_announce(const struct listeners *listeners, const char *via_word)
{
    const struct listener *each;

    LL_FOREACH (listeners->head, each) {
        char text[LISTENER_TEXT_MAX];

        log_ready(!each->path && each->forward->port == 0, "listening on %s",
                  listener_format(each, via_word, text));
    }
}

void
listeners_close(struct listeners *listeners)
{
    struct listener *each;
    struct listener *next;

    LL_FOREACH_SAFE (listeners->head, each, next) {
        struct stat st;

        close(each->fd);
        if (each->path && stat(each->path, &st) == 0 &&
            st.st_dev == each->device && st.st_ino == each->inode)
            unlink(each->path);
        free(each);
    }
    *listeners = (struct listeners){0};
}
