#include "proxy/option_ssh.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
add_home(struct sshdest_list *list, const char *home, const char *name)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/.ssh/%s", home, name);
    return sshdest_list_add(list, path);
}

static struct sshdest *
make(const struct option_dest *from, const char *user, unsigned port,
     const struct sshdest_list *identities)
{
    static const char *const keys[] = {"id_rsa", "id_ecdsa", "id_ecdsa_sk",
                                       "id_ed25519", "id_ed25519_sk"};
    struct sshdest *dest = sshdest_create();
    struct passwd *pw = getpwuid(getuid());
    const char *agent = getenv("SSH_AUTH_SOCK");

    if (!dest || !pw)
        exit(2);
    dest->given = strdup(from->host);
    dest->host = strdup(from->host);
    dest->port = port ? port : 22;
    dest->user = strdup(user && *user ? user : pw->pw_name);
    dest->connect_timeout = 30;
    for (size_t i = 0; identities && i < identities->count; i++)
        sshdest_list_add(&dest->identities, identities->item[i]);
    dest->identities_given = dest->identities.count > 0;
    for (size_t i = 0; i < 5 && !dest->identities_given; i++)
        add_home(&dest->identities, pw->pw_dir, keys[i]);
    add_home(&dest->user_known_hosts, pw->pw_dir, "known_hosts");
    add_home(&dest->user_known_hosts, pw->pw_dir, "known_hosts2");
    sshdest_list_add(&dest->global_known_hosts, "/etc/ssh/ssh_known_hosts");
    sshdest_list_add(&dest->global_known_hosts, "/etc/ssh/ssh_known_hosts2");
    if (agent && *agent)
        dest->identity_agent = strdup(agent);
    return dest;
}

bool
option_ssh_settle(struct option_state *state)
{
    struct settings *settings = state->settings;
    struct sshdest *last = NULL;
    char hops[4096], *hop, *rest = hops;

    if (!state->dest_given)
        return true;
    if (state->jump) {
        snprintf(hops, sizeof(hops), "%s", state->jump);
        while ((hop = strsep(&rest, ","))) {
            struct option_dest from;
            struct sshdest *dest;
            const char *why = option_dest_parse(hop, &from);

            if (why) {
                state->option = "-J";
                state->value = hop;
                return option_state_fail(state, why);
            }
            dest = make(&from, from.user, from.port, NULL);
            dest->jump = last;
            last = dest;
        }
    }
    settings->ssh = make(
        &state->dest, *state->dest.user ? state->dest.user : state->user,
        state->dest.port ? state->dest.port : state->port, &state->identities);
    settings->ssh->jump = last;
    settings->ssh->family = settings->family;
    sshdest_list_clear(&state->identities);
    return true;
}
