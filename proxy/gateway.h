/* The gateway: our SSH server as the program has it. Who may log in, by keys
 * and passwords; what one who did may ask for; and which sessions come of it.
 */
#ifndef CULVERT_PROXY_GATEWAY_H
#define CULVERT_PROXY_GATEWAY_H

#include <stdbool.h>

#include "proxy/engine.h"
#include "transport/base/err.h"
#include "transport/loop/worker.h"

struct gateway;

/* Reads host keys and authorized keys, and makes shared->registry; shared is
 * borrowed until destroy. What is wrong is logged. Returns ERR_OK;
 * ERR_MALFORMED for a file that is no good; or what failed. Blocks. Thread: the
 * control worker's, as for all below. */
enum err gateway_create(struct shared *shared, struct worker *control,
                        struct gateway **gateway);

/* Has it accept from a listening socket (borrowed until stop). The workers
 * run. */
void gateway_listen(struct gateway *gateway, int fd);

/* Reads the authorized keys again; a file that is no good is logged, and the
 * old ones stay. */
void gateway_reload(struct gateway *gateway);

/* Nobody logs in any more. Blocks for the login loops. Again does nothing, nor
 * does NULL. */
void gateway_stop(struct gateway *gateway);

/* After stop, and the workers' end. NULL does nothing. */
void gateway_destroy(struct gateway *gateway);

/* Ends every agent of a name. Returns ERR_OK and how many there were;
 * ERR_NAME_NOT_FOUND. */
enum err gateway_kick(struct gateway *gateway, const char *name,
                      unsigned *agents);

#endif
