/* What the parts of the command line's parser share while it reads. */
#ifndef CULVERT_PROXY_OPTION_STATE_H
#define CULVERT_PROXY_OPTION_STATE_H

#include <stdbool.h>

#include "proxy/option_dest.h"
#include "proxy/settings.h"
#include "proxy/sshconf.h"

struct option_way;

struct option_state {
    struct settings *settings;

    /* What ssh's options and -o said, and after that the files; forwards are
     * here too. */
    struct sshconf conf;

    /* What is being read, as it was typed: "-D" and "70000", "--users" and
     * the file, "-o" and "Port=22". value is NULL where none is taken. */
    const char *option;
    const char *value;

    struct option_dest dest; /* the SSH server that was asked for */
    bool dest_given;
    bool dest_comes;         /* as an argument of its own, here or later */
    bool kicks;              /* -O kick: that argument is an agent's name */
    struct option_way *ways; /* that --via and --route named */
    bool via_given;          /* and of these is the number via */
    unsigned via;
    const char *config_path;    /* -F, or NULL; argv's */
    bool connect_timeout_given; /* --connect-timeout */
    bool server_nodelay;        /* --server-nodelay */
    const char *needs_server;   /* the first option that only a destination
                                 * gives a meaning, as it was typed; or NULL */

    bool check_only; /* --check-config */
    bool print_only; /* -G */
    bool finished;   /* --help or --version has been answered */
};

/* Says what is wrong with what is being read, on standard error. Returns
 * false, for its caller to return. */
bool option_state_fail(const struct option_state *state, const char *why);

/* Where what is being read stands. */
struct sshconf_place option_state_place(const struct option_state *state);

/* Keeps the name of something that was accepted and has no effect, for one
 * warning about all of them. Returns false when out of memory, after saying
 * so. */
bool option_state_idle(struct option_state *state, const char *name);

#endif
