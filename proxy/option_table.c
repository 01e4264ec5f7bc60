#include "proxy/option_table.h"

#include <string.h>

#include "proxy/option_keyword.h"

#define VALUE(letter, name, apply) \
    OPTION_KIND_ACTS, letter, name, true, apply, NULL
#define FLAG(letter, name, apply, fixed) \
    OPTION_KIND_ACTS, letter, name, false, apply, fixed
#define OTHER(kind, letter, name, takes_value) \
    OPTION_KIND_##kind, letter, name, takes_value, NULL, NULL

static const struct option_entry options[] = {
    {VALUE('D', NULL, option_apply_dynamic)},
    {VALUE('L', NULL, option_apply_local)},
    {VALUE('W', NULL, option_apply_stdio)},
    {FLAG('g', NULL, option_apply_gateway_ports, "yes")},
    {VALUE(0, "users", option_apply_users)},
    {VALUE(0, "allow-from", option_apply_allow_from)},
    {VALUE(0, "permit", option_apply_permit)},
    {VALUE(0, "deny", option_apply_deny)},
    {VALUE(0, "via", option_apply_via)},
    {VALUE('p', NULL, option_apply_port)},
    {VALUE('l', NULL, option_apply_user)},
    {VALUE('i', NULL, option_apply_identity)},
    {VALUE('J', NULL, option_apply_jump)},
    {VALUE('F', NULL, option_apply_config_path)},
    {FLAG('4', NULL, option_apply_family, "inet")},
    {FLAG('6', NULL, option_apply_family, "inet6")},
    {VALUE('b', NULL, option_apply_bind_host)},
    {VALUE('B', NULL, option_apply_bind_device)},
    {VALUE(0, "handshake-timeout", option_apply_handshake_timeout)},
    {VALUE(0, "connect-timeout", option_apply_connect_timeout)},
    {VALUE(0, "idle-timeout", option_apply_idle_timeout)},
    {VALUE(0, "half-closed-timeout", option_apply_half_closed_timeout)},
    {VALUE(0, "drain-timeout", option_apply_drain_timeout)},
    {VALUE(0, "max-sessions", option_apply_max_sessions)},
    {VALUE(0, "max-per-source", option_apply_max_per_source)},
    {VALUE(0, "workers", option_apply_workers)},
    {FLAG('f', NULL, option_apply_background, "yes")},
    {FLAG('M', NULL, option_apply_control_master, "yes")},
    {VALUE('S', NULL, option_apply_control_path)},
    {VALUE('O', NULL, option_apply_control_word)},
    {VALUE('E', NULL, option_apply_log_path)},
    {FLAG('q', NULL, option_apply_log_level, "quiet")},
    {FLAG('v', NULL, option_apply_verbose, "")},
    {VALUE(0, "log-format", option_apply_log_format)},
    {FLAG(0, "check-config", option_apply_check, "")},
    {VALUE('o', NULL, option_keyword_apply)},
    {FLAG('V', "version", option_apply_version, "")},
    {FLAG('h', "help", option_apply_help, "")},

    {OTHER(SILENT, 'a', NULL, false)},
    {OTHER(SILENT, 'k', NULL, false)},
    {OTHER(SILENT, 'n', NULL, false)},
    {OTHER(SILENT, 'N', NULL, false)},
    {OTHER(SILENT, 'T', NULL, false)},
    {OTHER(SILENT, 'x', NULL, false)},
    {OTHER(IDLE, 'A', NULL, false)},
    {OTHER(IDLE, 'C', NULL, false)},
    {OTHER(IDLE, 'e', NULL, true)},
    {OTHER(IDLE, 'K', NULL, false)},
    {OTHER(IDLE, 's', NULL, false)},
    {OTHER(IDLE, 't', NULL, false)},
    {OTHER(IDLE, 'X', NULL, false)},
    {OTHER(IDLE, 'y', NULL, false)},
    {OTHER(IDLE, 'Y', NULL, false)},

    {OTHER(NEEDS_SSH, 'R', NULL, true)},
    {OTHER(NEEDS_SSH, 'c', NULL, true)},
    {OTHER(NEEDS_SSH, 'm', NULL, true)},
    {OTHER(NEEDS_SSH, 'P', NULL, true)},
    {OTHER(NEEDS_SSH, 'Q', NULL, true)},
    {OTHER(NEEDS_SSH, 0, "gateway", true)},
    {OTHER(NEEDS_SSH, 0, "host-key", true)},
    {OTHER(NEEDS_SSH, 0, "authorized-keys", true)},
    {OTHER(NEEDS_SSH, 0, "connections", true)},
    {OTHER(LATER, 'G', NULL, false)},
    {OTHER(LATER, 0, "config", true)},
    {OTHER(LATER, 0, "route", true)},
    {OTHER(LATER, 0, "metrics", true)},
    {OTHER(NEVER, 'I', NULL, true)},
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
