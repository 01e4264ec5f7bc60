/* The server: workers, listeners and signals, from the start to the end. */
#ifndef CULVERT_PROXY_SERVER_H
#define CULVERT_PROXY_SERVER_H

#include "proxy/settings.h"

/* ssh's exit status for what fails before or beside the work. */
#define EXIT_FAILED 255

/* Ours for a command line or file that is wrong, where ssh says 255. */
#define EXIT_USAGE 2

/* Runs until told to end. settings is borrowed and completed (the number of
 * workers). Returns the program's exit status. Thread: the main one, with no
 * other running but the log's. ready_fd: background_fork's, or -1. */
int server_run(struct settings *settings, int ready_fd);

#endif
