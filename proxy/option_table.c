#include "proxy/option_table.h"

#include <string.h>

#define VALUE(letter, name, apply) \
    OPTION_KIND_ACTS, letter, name, true, apply, SSHCONF_NO_ID, NULL
#define FLAG(letter, name, apply, fixed) \
    OPTION_KIND_ACTS, letter, name, false, apply, SSHCONF_NO_ID, fixed
#define SETS(letter, id) OPTION_KIND_SETS, letter, NULL, true, NULL, id, NULL
#define SETS_TO(letter, id, fixed) \
    OPTION_KIND_SETS, letter, NULL, false, NULL, id, fixed
#define OFFERS(letter, id) \
    OPTION_KIND_OFFERS, letter, NULL, true, NULL, id, NULL
#define OTHER(kind, letter, name, takes_value) \
    OPTION_KIND_##kind, letter, name, takes_value, NULL, SSHCONF_NO_ID, NULL

static const struct option_entry options[] = {
    {VALUE('D', NULL, option_apply_dynamic)},
    {VALUE('L', NULL, option_apply_local)},
    {VALUE('R', NULL, option_apply_remote)},
    {VALUE('W', NULL, option_apply_stdio)},
    {SETS_TO('g', SSHCONF_GATEWAY_PORTS, "yes")},
    {VALUE(0, "gateway", option_apply_gateway)},
    {VALUE(0, "host-key", option_apply_host_key)},
    {VALUE(0, "authorized-keys", option_apply_authorized_keys)},
    {VALUE(0, "users", option_apply_users)},
    {VALUE(0, "allow-from", option_apply_allow_from)},
    {VALUE(0, "permit", option_apply_permit)},
    {VALUE(0, "deny", option_apply_deny)},
    {VALUE(0, "via", option_apply_via)},
    {VALUE(0, "route", option_apply_route)},
    {OFFERS('p', SSHCONF_PORT)},
    {OFFERS('l', SSHCONF_USER)},
    {OFFERS('P', SSHCONF_TAG)},
    {VALUE('i', NULL, option_apply_identity)},
    {VALUE('J', NULL, option_apply_jump)},
    {VALUE('F', NULL, option_apply_config_path)},
    {SETS('c', SSHCONF_CIPHERS)},
    {SETS('m', SSHCONF_MACS)},
    {SETS_TO('C', SSHCONF_COMPRESSION, "yes")},
    {VALUE(0, "connections", option_apply_connections)},
    {FLAG(0, "server-nodelay", option_apply_server_nodelay, "")},
    {SETS_TO('4', SSHCONF_ADDRESS_FAMILY, "inet")},
    {SETS_TO('6', SSHCONF_ADDRESS_FAMILY, "inet6")},
    {SETS('b', SSHCONF_BIND_ADDRESS)},
    {SETS('B', SSHCONF_BIND_INTERFACE)},
    {VALUE(0, "handshake-timeout", option_apply_handshake_timeout)},
    {VALUE(0, "connect-timeout", option_apply_connect_timeout)},
    {VALUE(0, "idle-timeout", option_apply_idle_timeout)},
    {VALUE(0, "half-closed-timeout", option_apply_half_closed_timeout)},
    {VALUE(0, "drain-timeout", option_apply_drain_timeout)},
    {VALUE(0, "max-sessions", option_apply_max_sessions)},
    {VALUE(0, "max-per-source", option_apply_max_per_source)},
    {VALUE(0, "workers", option_apply_workers)},
    {SETS_TO('f', SSHCONF_FORK_AFTER_AUTHENTICATION, "yes")},
    {FLAG('M', NULL, option_apply_master, "yes")},
    {SETS('S', SSHCONF_CONTROL_PATH)},
    {VALUE('O', NULL, option_apply_control_word)},
    {VALUE('E', NULL, option_apply_log_path)},
    {SETS_TO('q', SSHCONF_LOG_LEVEL, "QUIET")},
    {FLAG('v', NULL, option_apply_verbose, "")},
    {VALUE(0, "log-format", option_apply_log_format)},
    {FLAG(0, "check-config", option_apply_check, "")},
    {FLAG('G', NULL, option_apply_print, "")},
    {VALUE('o', NULL, option_apply_keyword)},
    {FLAG('V', "version", option_apply_version, "")},
    {FLAG('h', "help", option_apply_help, "")},

    {OTHER(SILENT, 'a', NULL, false)},
    {OTHER(SILENT, 'k', NULL, false)},
    {OTHER(SILENT, 'n', NULL, false)},
    {OTHER(SILENT, 'N', NULL, false)},
    {OTHER(SILENT, 'T', NULL, false)},
    {OTHER(SILENT, 'x', NULL, false)},
    {OTHER(IDLE, 'A', NULL, false)},
    {OTHER(IDLE, 'e', NULL, true)},
    {OTHER(IDLE, 'K', NULL, false)},
    {OTHER(IDLE, 's', NULL, false)},
    {OTHER(IDLE, 't', NULL, false)},
    {OTHER(IDLE, 'X', NULL, false)},
    {OTHER(IDLE, 'y', NULL, false)},
    {OTHER(IDLE, 'Y', NULL, false)},

    {OTHER(LATER, 0, "config", true)},
    {OTHER(LATER, 0, "metrics", true)},
    {OTHER(NEVER, 'I', NULL, true)},
    {OTHER(NEVER, 'Q', NULL, true)},
    {OTHER(NEVER, 'w', NULL, true)},
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))

const struct option_entry *
option_table_at(size_t index)
{
    return index < OPTIONS ? &options[index] : NULL;
}

const struct option_entry *
option_table_letter(char letter)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        if (letter && options[i].letter == letter)
            return &options[i];
    }
    return NULL;
}

const struct option_entry *
option_table_name(const char *name, size_t len)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        if (options[i].name && strlen(options[i].name) == len &&
            memcmp(options[i].name, name, len) == 0)
            return &options[i];
    }
    return NULL;
}
