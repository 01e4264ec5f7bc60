#include "transport/ssh/sshhost_add.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/base/log.h"
#include "transport/ssh/sshknown.h"

/* ~/.ssh, not what is above it. */
static void
make_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory;

    if (!slash || slash == path)
        return;
    directory = strndup(path, (size_t)(slash - path));
    if (directory)
        mkdir(directory, 0700); /* the open tells if it isn't there */
    free(directory);
}

/* Whether a person's editor has left the file without a line break at its
 * end, to which a line must not be glued. */
static bool
ends_open(int fd)
{
    struct stat st;
    char last = '\n';

    if (fstat(fd, &st) < 0 || st.st_size == 0)
        return false;
    return pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n';
}

/* In one write, so that two programs' lines don't mix. */
static bool
append(const char *path, const char *name, const struct sshhost_key *key)
{
    int fd =
        open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    char *line = NULL;
    bool written = false;
    int len;

    if (fd < 0)
        return false;
    len = asprintf(&line, "%s%s %s %s\n", ends_open(fd) ? "\n" : "", name,
                   key->type, key->base64);
    if (len >= 0) {
        ssize_t n = write(fd, line, (size_t)len);

        written = n == (ssize_t)len;
        if (n >= 0 && !written)
            errno = ENOSPC;
        free(line);
    }
    close(fd);
    return written;
}

bool
sshhost_add(const struct sshdest *dest, const struct sshhost_key *key)
{
    uint8_t salt[SSHKNOWN_SALT_BYTES];
    char hashed[SSHKNOWN_HASHED_MAX];
    const char *name = key->name;
    const char *path;

    if (dest->user_known_hosts.count == 0)
        return false;
    path = dest->user_known_hosts.item[0];
    if (strcmp(path, "none") == 0 || strcmp(path, "/dev/null") == 0)
        return false;
    if (dest->hash_known_hosts &&
        getrandom(salt, sizeof(salt), 0) == (ssize_t)sizeof(salt)) {
        sshknown_hash(hashed, name, salt);
        name = hashed;
    }
    make_directory(path);
    if (append(path, name, key))
        return true;
    log_write(LOG_WARN, "the host key of %s can't be added to %s: %s",
              key->name, path, strerror(errno));
    return false;
}
