/* One of the system's small text files (hosts, resolv.conf): whether it
 * changed, and its text. */
#ifndef CULVERT_TRANSPORT_NET_SYSFILE_H
#define CULVERT_TRANSPORT_NET_SYSFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "transport/base/err.h"

/* Longer ones are cut at their last whole line: lists of names to block are
 * kept in hosts files and reach some megabytes. */
#define SYSFILE_BYTES_MAX (32u * 1024 * 1024)

/* What a file looked like when it was read; zero: never read. */
struct sysfile {
    bool exists;
    uint64_t device;
    uint64_t inode;
    uint64_t size;
    struct timespec modified;
    struct timespec changed;
};

/* Looks whether the file under this path is another, or was changed, since
 * *seen, and has *seen say what is there now. A missing file is a state like
 * any other. */
bool sysfile_changed(struct sysfile *seen, const char *path);

/* Has the next look find a change. */
void sysfile_forget(struct sysfile *seen);

/* Reads a file. Returns ERR_OK and gives its text (free) with a NUL at its
 * end, *len without it; ERR_NO_SUCH_PATH, ERR_NO_MEMORY, or what reading
 * said. */
enum err sysfile_read(const char *path, char **text, size_t *len);

/* Cuts the next line off *text and its next word off a line: lends it with a
 * NUL in place of what followed, or returns NULL at the end. A line ends
 * where a comment starts: # anywhere, or ; at its beginning when `semicolon`
 * says so. NULs in the text are left as ends of lines. */
char *sysfile_line(char **text, const char *end, bool semicolon);
char *sysfile_word(char **line);

#endif
