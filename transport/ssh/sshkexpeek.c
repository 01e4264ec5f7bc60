/* Rejected: to go by the version line alone and offer nothing but aes-gcm,
 * which ends the session of a client that was told to use something else
 * (`ssh -c`); and to take a client's order for a wish: OpenSSH's and libssh's
 * first choice is chacha20 on every processor. */
#include "transport/ssh/sshkexpeek.h"

#include <stdbool.h>
#include <string.h>

#include "transport/base/reader.h"

#define AES    "aes128-gcm@openssh.com"
#define CHACHA "chacha20-poly1305@openssh.com"

/* RFC 4253 4.2, with CR and LF. */
#define VERSION_MAX 255u

#define MSG_KEXINIT  20
#define COOKIE_BYTES 16
#define LEADING      5 /* a packet's length, and how much padding it has */

/* A name-list's bytes, RFC 4251 5. */
struct names {
    const char *text;
    size_t len;
};

/* The next of the names, which are cut off the list. */
static struct names
next_name(struct names *list)
{
    const char *comma = memchr(list->text, ',', list->len);
    struct names name = {
        .text = list->text,
        .len = comma ? (size_t)(comma - list->text) : list->len,
    };
    size_t used = name.len + (comma != NULL);

    list->text += used;
    list->len -= used;
    return name;
}

static bool
is_name(struct names name, const char *other)
{
    return name.len == strlen(other) && memcmp(name.text, other, name.len) == 0;
}

/* Clients that ask the processor have an order which is a wish. culvert is one,
 * and looks like any libssh but for what comes second. */
static bool
is_habit(struct names list, bool is_libssh)
{
    bool has_aes = false;

    if (!is_name(next_name(&list), CHACHA))
        return false;
    for (unsigned at = 1; list.len > 0; at++) {
        if (!is_name(next_name(&list), AES))
            continue;
        if (at == 1 && is_libssh)
            return false;
        has_aes = true;
    }
    return has_aes;
}

/* Reads a name-list. Returns false when some of it is not there yet. */
static bool
read_names(struct reader *r, struct names *list)
{
    list->len = reader_u32(r);
    list->text = (const char *)reader_bytes(r, list->len);
    return !r->failed;
}

/* Judges the packet behind the version line. */
static enum sshkexpeek
judge_packet(const uint8_t *bytes, size_t len, bool is_libssh)
{
    struct reader r = reader_over(bytes, len);
    uint32_t whole = reader_u32(&r);
    struct names list;
    bool is_complete;

    if (r.failed)
        return SSHKEXPEEK_MORE;
    if (whole > SSHKEXPEEK_BYTES_MAX - LEADING)
        return SSHKEXPEEK_ANY;
    is_complete = len - 4 >= whole;
    if (is_complete)
        r = reader_over(bytes + 4, whole);
    reader_u8(&r);
    if (reader_u8(&r) != MSG_KEXINIT && !r.failed)
        return SSHKEXPEEK_ANY;
    reader_bytes(&r, COOKIE_BYTES);
    read_names(&r, &list); /* key exchange */
    read_names(&r, &list); /* host keys */
    for (int direction = 0; direction < 2; direction++) {
        if (!read_names(&r, &list))
            return is_complete ? SSHKEXPEEK_ANY : SSHKEXPEEK_MORE;
        if (!is_habit(list, is_libssh))
            return SSHKEXPEEK_ANY;
    }
    return SSHKEXPEEK_GCM;
}

static bool
begins(const char *text, size_t len, const char *with)
{
    return len >= strlen(with) && memcmp(text, with, strlen(with)) == 0;
}

enum sshkexpeek
sshkexpeek_judge(const uint8_t *bytes, size_t len)
{
    const char *text = (const char *)bytes;
    size_t most = len < VERSION_MAX ? len : VERSION_MAX;
    const char *end = most > 0 ? memchr(text, '\n', most) : NULL;
    size_t line;
    bool is_libssh;

    if (!end)
        return len < VERSION_MAX ? SSHKEXPEEK_MORE : SSHKEXPEEK_ANY;
    line = (size_t)(end - text);
    is_libssh = begins(text, line, "SSH-2.0-libssh_");
    if (!is_libssh && !begins(text, line, "SSH-2.0-OpenSSH") &&
        !begins(text, line, "SSH-2.0-AsyncSSH"))
        return SSHKEXPEEK_ANY;
    return judge_packet(bytes + line + 1, len - line - 1, is_libssh);
}
