/* -f: going to the background, once everything stands. */
#ifndef CULVERT_PROXY_BACKGROUND_H
#define CULVERT_PROXY_BACKGROUND_H

#include <stdbool.h>

/* Forks, before any thread or loop exists. The parent does not return: it
 * waits for the child, and exits with 0 once background_ready was called, or
 * as the child did: with its status, or by its signal. Meanwhile it passes
 * SIGINT, SIGTERM and SIGHUP on. The child keeps the terminal for now.
 * Returns the descriptor to hand to background_ready, or -1 (errno is set). */
int background_fork(void);

/* Lets the parent go, and the terminal: a session of its own, standard input,
 * output and error to /dev/null. */
void background_ready(int fd);

#endif
