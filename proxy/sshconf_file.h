/* Reads ssh_config files into a conf: Host and Match blocks, Include. */
#ifndef CULVERT_PROXY_SSHCONF_FILE_H
#define CULVERT_PROXY_SSHCONF_FILE_H

#include <stdbool.h>

#include "proxy/sshconf.h"
#include "proxy/sshconf_token.h"

/* For whom files are read. All pointers are borrowed. */
struct sshconf_scope {
    struct sshconf *conf;
    const struct sshconf_local *local;
    const char *original; /* the host as it was given */
    const char *host;     /* what Host compares: the same, and in the final
                           * pass HostName */
    bool final;           /* the second pass, after HostName is known */
    bool wants_final;     /* set by a Match final: there is to be one */
    bool says_files;      /* name each file that is read, on standard error */
    int (*run)(const char *command); /* runs a Match exec's command, returns its
                                      * status or -1; NULL: by the shell */
};

/* Reads path (-F) alone, which must be there; "none" is no file. With NULL,
 * ~/.ssh/config and /etc/ssh/ssh_config, each if it is there; the first is
 * refused where others may write to it.
 * Returns true, or false when something was wrong; every message has been
 * printed. */
bool sshconf_file_read(struct sshconf_scope *scope, const char *path);

/* Acts on one line, as if it stood in a file of the user's at place, outside
 * any block; of the command line's, without one. Returns as
 * sshconf_file_read. */
bool sshconf_file_line(struct sshconf *conf, const char *text,
                       const struct sshconf_place *place);

#endif
