/* A ProxyCommand: a child process whose standard input and output carry an
 * SSH connection. */
#ifndef CULVERT_TRANSPORT_SSH_SSHPROXY_H
#define CULVERT_TRANSPORT_SSH_SSHPROXY_H

#include <stddef.h>

#include "transport/base/err.h"

struct sshproxy;

/* Runs a command line by the user's shell. Its standard error stays ours.
 * Returns ERR_OK, gives *fd (connected, non-blocking) and *proxy; or why not.
 * Thread: any. */
enum err sshproxy_start(const char *command, struct sshproxy **proxy, int *fd);

/* What became of the command, if it has ended: "exited with status 127",
 * written into buf and cut to size. Returns buf, or NULL. */
const char *sshproxy_ended(struct sshproxy *proxy, char *buf, size_t size);

/* Has it end, as ssh does (SIGHUP, and its input closed with fd). Waits for
 * nothing. NULL does nothing. */
void sshproxy_destroy(struct sshproxy *proxy);

#endif
