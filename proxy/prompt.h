/* Questions to the person at the terminal, or through a program (SSH_ASKPASS):
 * what the library's struct sshask stands for.
 *
 * As ssh: the terminal is /dev/tty, whatever standard input is. Without one,
 * or as SSH_ASKPASS_REQUIRE says (force, prefer, never), the program that
 * SSH_ASKPASS names is asked, where DISPLAY or WAYLAND_DISPLAY promises that
 * it can show itself. */
#ifndef CULVERT_PROXY_PROMPT_H
#define CULVERT_PROXY_PROMPT_H

#include "transport/base/err.h"
#include "transport/ssh/sshask.h"

struct prompt;

/* Returns ERR_OK and *prompt, with prompt_destroy as its end; or an error. */
enum err prompt_create(struct prompt **prompt);

/* Lends what sshcred_create takes, until destroy. */
const struct sshask *prompt_ask(struct prompt *prompt);

/* Nobody is asked from now on; one who is being asked is left alone: the call
 * that asks ends with ERR_PEER_GONE, and the terminal is as it was before.
 * Called when the program ends, before it waits for its logins.
 * Thread: any; not from a signal's handler. */
void prompt_cancel(struct prompt *prompt);

/* No call asks any more. NULL does nothing. */
void prompt_destroy(struct prompt *prompt);

#endif
