/* The command line. */
#ifndef CULVERT_PROXY_OPTIONS_H
#define CULVERT_PROXY_OPTIONS_H

#include "proxy/settings.h"

enum options_result {
    OPTIONS_RUN,     /* settings are given */
    OPTIONS_EXIT_OK, /* help, version or the outcome of a check is printed */
    OPTIONS_USAGE,   /* a message is on standard error: exit with status 2 */
};

/* Reads the command line as ssh reads its own (letters in a bundle, -D1080)
 * and with GNU's long options (--users FILE, --users=FILE), checks it and the
 * users file, and prints what there is to say: the log is not open yet.
 * Returns OPTIONS_RUN and gives *settings (settings_destroy), which borrow
 * texts of argv; else *settings is untouched.
 * Thread: before any other has started. */
enum options_result options_parse(int argc, char **argv,
                                  struct settings **settings);

#endif
