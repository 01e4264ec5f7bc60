/* Why a server refused a channel: its reason and its words, as our errors.
 *
 * libssh tells a refusal only as a line of text. sshd puts what strerror() or
 * gai_strerror() said into it, and every system has its own words. Pure. */
#ifndef CULVERT_TRANSPORT_SSH_SSHREASON_H
#define CULVERT_TRANSPORT_SSH_SSHREASON_H

#include <stdbool.h>
#include <stdint.h>

#include "transport/base/err.h"

/* The reasons of RFC 4254 5.1. */
enum sshreason {
    SSHREASON_PROHIBITED = 1,
    SSHREASON_CONNECT_FAILED = 2,
    SSHREASON_UNKNOWN_TYPE = 3,
    SSHREASON_RESOURCES = 4,
};

/* What a refusal with this reason and text means. */
enum err sshreason_err(uint32_t reason, const char *text);

/* Reads libssh's line about a refusal, "... channel N error (R) TEXT". Returns
 * false, outputs untouched, for any other line. *text points into line. */
bool sshreason_parse(const char *line, uint32_t *channel, uint32_t *reason,
                     const char **text);

#endif
