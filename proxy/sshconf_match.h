/* The conditions of a Match line. */
#ifndef CULVERT_PROXY_SSHCONF_MATCH_H
#define CULVERT_PROXY_SSHCONF_MATCH_H

#include <stdbool.h>

#include "proxy/sshconf_file.h"

/* Judges the words behind Match: all, canonical, final, host, originalhost,
 * user, localuser, localnetwork, tagged, exec, command, sessiontype and
 * version, each perhaps with a "!" before it.
 * A command (exec) is run by the user's shell, if every condition before it
 * held and runs is true.
 * Returns true with *matches set, or false when the line was wrong and a
 * message has been printed. */
bool sshconf_match(struct sshconf_scope *scope, const struct sshconf_line *line,
                   const struct sshconf_place *place, bool runs, bool *matches);

#endif
