/* Whether the server is the one it should be: its key against known_hosts and
 * RevokedHostKeys, by StrictHostKeyChecking. */
#ifndef CULVERT_TRANSPORT_SSH_SSHHOST_H
#define CULVERT_TRANSPORT_SSH_SSHHOST_H

#include "transport/ssh/sshlogin_run.h"

/* The name that the server's keys are kept under, to buf with room for
 * SSHKNOWN_NAME_MAX: HostKeyAlias as it is, or host and port. Returns false
 * when it is too long for any file. */
bool sshhost_name(const struct sshdest *dest, char *buf);

/* Judges the key of a session that has exchanged keys. May ask a person, and
 * write known_hosts. Returns ERR_OK and run->host_print; ERR_HOST_KEY or
 * ERR_NO_MEMORY with run->text. */
enum err sshhost_check(struct sshlogin_run *run);

#endif
