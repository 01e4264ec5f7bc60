/* Lists of algorithms: Ciphers, MACs, KexAlgorithms, HostKeyAlgorithms and
 * PubkeyAcceptedAlgorithms. */
#ifndef CULVERT_PROXY_SSHCONF_ALGO_H
#define CULVERT_PROXY_SSHCONF_ALGO_H

#include "proxy/sshconf_table.h"
#include "transport/ssh/sshdest.h"

/* Resolves a list as it was written: names and patterns with commas between,
 * as a whole, or with a '+' (added behind the default ones), '^' (put before
 * them) or '-' (taken out of them) at its start. Names that libssh does not
 * know go to *dropped.
 * Returns NULL and gives *list, for free(); else what is wrong with it (static
 * text): nothing is left of it. */
const char *sshconf_algo_resolve(enum sshconf_id id, const char *text,
                                 char **list, struct sshdest_list *dropped);

#endif
