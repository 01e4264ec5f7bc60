#include "transport/net/sysfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool
sysfile_changed(struct sysfile *seen, const char *path)
{
    struct sysfile now = {.exists = false};
    struct stat st;
    bool same;

    if (stat(path, &st) == 0) {
        now.exists = true;
        now.device = st.st_dev;
        now.inode = st.st_ino;
        now.size = (uint64_t)st.st_size;
        now.modified = st.st_mtim;
        now.changed = st.st_ctim;
    }
    same = seen->exists == now.exists && seen->device == now.device &&
           seen->inode == now.inode && seen->size == now.size &&
           same_time(&seen->modified, &now.modified) &&
           same_time(&seen->changed, &now.changed);
    *seen = now;
    return !same;
}

void
sysfile_forget(struct sysfile *seen)
{
    *seen = (struct sysfile){.exists = false, .size = UINT64_MAX};
}

/* Reads until size bytes are there or the file ends. */
static enum err
read_all(int fd, char *text, size_t size, size_t *len)
{
    size_t have = 0;

    while (have < size) {
        ssize_t n = read(fd, text + have, size - have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_from_errno(errno);
        if (n == 0)
            break;
        have += (size_t)n;
    }
    *len = have;
    return ERR_OK;
}

enum err
sysfile_read(const char *path, char **text, size_t *len)
{
    /* A FIFO in its place must not hold up the loop. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *buf = NULL;
    struct stat st;
    size_t size;
    enum err err;

    if (fd < 0)
        return err_from_errno(errno);
    err = ERR_IO;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        goto fail;
    size = (size_t)st.st_size;
    if (size > SYSFILE_BYTES_MAX)
        size = SYSFILE_BYTES_MAX;
    err = ERR_NO_MEMORY;
    buf = malloc(size + 1);
    if (!buf)
        goto fail;
    err = read_all(fd, buf, size, &size);
    if (err != ERR_OK)
        goto fail;
    while (size == SYSFILE_BYTES_MAX && size > 0 && buf[size - 1] != '\n')
        size--;
    close(fd);
    buf[size] = 0;
    *text = buf;
    *len = size;
    return ERR_OK;
fail:
    free(buf);
    close(fd);
    return err;
}

char *
sysfile_line(char **text, const char *end, bool semicolon)
{
    char *line = *text;
    char *stop;

    if (line >= end)
        return NULL;
    stop = memchr(line, '\n', (size_t)(end - line));
    *text = stop ? stop + 1 : line + (end - line);
    if (stop)
        *stop = 0;
    line[strcspn(line, "#")] = 0;
    if (semicolon && line[0] == ';')
        line[0] = 0;
    return line;
}

char *
sysfile_word(char **line)
{
    char *word = *line + strspn(*line, " \t\r\f\v");
    char *end = word + strcspn(word, " \t\r\f\v");

    if (word == end)
        return NULL;
    *line = *end ? end + 1 : end;
    *end = 0;
    return word;
}
