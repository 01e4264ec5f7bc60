/* What each option does that is no keyword of ssh's configuration.
 *
 * One shape for all, so that option_table can name them: reads value (never
 * NULL; borrowed, but for forwards and the log's path, which keep the borrow:
 * it is argv's). Returns true, or false when it was wrong and a message has
 * been printed. */
#ifndef CULVERT_PROXY_OPTION_APPLY_H
#define CULVERT_PROXY_OPTION_APPLY_H

#include <stdbool.h>

#include "proxy/option_state.h"

typedef bool option_apply_fn(struct option_state *state, const char *value);

/* Forwards. */
option_apply_fn option_apply_dynamic;
option_apply_fn option_apply_local;
option_apply_fn option_apply_remote;
option_apply_fn option_apply_stdio;
option_apply_fn option_apply_gateway;

/* The way out. */
option_apply_fn option_apply_via;
option_apply_fn option_apply_route;
option_apply_fn option_apply_dest;
option_apply_fn option_apply_identity;
option_apply_fn option_apply_jump;
option_apply_fn option_apply_config_path;
option_apply_fn option_apply_connections;
option_apply_fn option_apply_server_nodelay;
option_apply_fn option_apply_keyword;

/* The gateway. */
option_apply_fn option_apply_host_key;
option_apply_fn option_apply_authorized_keys;

/* The control socket. */
option_apply_fn option_apply_master;
option_apply_fn option_apply_control_word;
option_apply_fn option_apply_control_name;

/* The process and its log. */
option_apply_fn option_apply_workers;
option_apply_fn option_apply_log_path;
option_apply_fn option_apply_log_format;
option_apply_fn option_apply_verbose;
option_apply_fn option_apply_check;
option_apply_fn option_apply_print;
option_apply_fn option_apply_help;
option_apply_fn option_apply_version;

/* Who may come in, and where they may go. */
option_apply_fn option_apply_users;
option_apply_fn option_apply_allow_from;
option_apply_fn option_apply_permit;
option_apply_fn option_apply_deny;

/* Limits. */
option_apply_fn option_apply_handshake_timeout;
option_apply_fn option_apply_connect_timeout;
option_apply_fn option_apply_idle_timeout;
option_apply_fn option_apply_half_closed_timeout;
option_apply_fn option_apply_drain_timeout;
option_apply_fn option_apply_max_sessions;
option_apply_fn option_apply_max_per_source;

#endif
