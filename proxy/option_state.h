/* What the parts of the command line's parser share while it reads. */
#ifndef CULVERT_PROXY_OPTION_STATE_H
#define CULVERT_PROXY_OPTION_STATE_H

#include <stdbool.h>

#include "proxy/option_dest.h"
#include "proxy/settings.h"

/* Settings that both an option and a keyword of -o can make. */
enum option_subject {
    OPTION_SUBJECT_FAMILY,
    OPTION_SUBJECT_BIND_HOST,
    OPTION_SUBJECT_BIND_DEVICE,
    OPTION_SUBJECT_GATEWAY_PORTS,
    OPTION_SUBJECT_EXIT_ON_FAILURE,
    OPTION_SUBJECT_CLEAR_FORWARDS,
    OPTION_SUBJECT_BACKGROUND,
    OPTION_SUBJECT_UNLINK,
    OPTION_SUBJECT_MASK,
    OPTION_SUBJECT_LOG_LEVEL,
    OPTION_SUBJECT_CONNECT_TIMEOUT,
    OPTION_SUBJECT_IGNORE_UNKNOWN,
};

struct option_state {
    struct settings *settings;

    /* What is being read, as it was typed: "-D" and "70000", "--users" and
     * the file, "-o" and "Port=22". value is NULL where none is taken. */
    const char *option;
    const char *value;

    bool from_keyword; /* by -o */
    unsigned claimed;  /* one bit for each enum option_subject */
    bool clear_forwards;
    bool check_only; /* --check-config */
    bool finished;   /* --help or --version has been answered */

    char ignore_unknown[256]; /* a list of patterns, with commas */

    /* The SSH server that was asked for. Texts are argv's. */
    struct option_dest dest;
    bool dest_given;
    unsigned port;                  /* -p; 0: none */
    const char *user;               /* -l, or NULL */
    const char *jump;               /* -J, or NULL */
    struct sshdest_list identities; /* -i */

    /* Names of what was accepted and does nothing, with commas. */
    char idle[512];
};

/* Says what is wrong with what is being read, on standard error. Returns
 * false, for its caller to return. */
bool option_state_fail(const struct option_state *state, const char *why);

/* Whether what is being read may set a subject; it is then taken. As in ssh,
 * of keywords the first one counts, and an option counts more than any. */
bool option_state_claim(struct option_state *state,
                        enum option_subject subject);

bool option_state_claimed(const struct option_state *state,
                          enum option_subject subject);

/* Keeps the name of something that was accepted and has no effect, for one
 * warning about all of them. */
void option_state_idle(struct option_state *state, const char *name);

#endif
