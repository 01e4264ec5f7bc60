/* A line more in known_hosts. */
#ifndef CULVERT_TRANSPORT_SSH_SSHHOST_ADD_H
#define CULVERT_TRANSPORT_SSH_SSHHOST_ADD_H

#include <stdbool.h>

#include "transport/ssh/sshdest.h"
#include "transport/ssh/sshhost_files.h"

/* Appends the key to the destination's first file, which is made (0600, in a
 * directory of 0700) if it isn't there. Returns whether it is in there now; a
 * failure is warned of in the log. Writes files: it may block. */
bool sshhost_add(const struct sshdest *dest, const struct sshhost_key *key);

#endif
