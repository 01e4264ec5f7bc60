/* The ways out that the command line names: --via beside a destination, and
 * --route.
 *
 *   tcp:                        plain TCP from here
 *   ssh:                        the destination
 *   ssh://[user@]host[:port]    a further server
 *   reverse:NAME                back through that agent of the gateway
 *
 * What they name is made once the destination and -F are known. */
#ifndef CULVERT_PROXY_OPTION_WAY_H
#define CULVERT_PROXY_OPTION_WAY_H

#include <stdbool.h>

#include "proxy/option_state.h"
#include "proxy/sshconf_dest.h"

/* Keeps what text, a part of state->value, names, as the way out of all.
 * Returns as all of option_apply. */
bool option_way_via(struct option_state *state, const char *text);

/* Keeps a route: patterns, a "=", and where what they match leaves. Returns
 * likewise. */
bool option_way_route(struct option_state *state, const char *value);

/* Whether any is a further server. */
bool option_way_has_server(const struct option_state *state);

/* Fills in the settings' ways and routes, once state->settings->ssh is what it
 * will be. Each further server is resolved by itself, as sshconf_dest_of does
 * it; one that is named twice, or is the destination, is one way.
 * Returns true, or false when something was wrong; a message has been
 * printed. */
bool option_way_settle(struct option_state *state,
                       const struct sshconf_ask *ask);

/* Frees what is kept. */
void option_way_clear(struct option_state *state);

#endif
