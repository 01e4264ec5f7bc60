/* Lines of known_hosts and of a list of revoked keys: the input is a file, and
 * its first line a host's name as well. */
#include "tests/fuzz/fuzz.h"

#include "transport/ssh/sshknown.h"

static bool
is_inside(const struct sshknown_text *text, const char *line, size_t len)
{
    return text->len > 0 && text->at >= line &&
           text->at + text->len <= line + len;
}

static void
check_line(const char *text, size_t len, const char *name)
{
    struct sshknown_line line;

    if (sshknown_read(text, len, &line)) {
        FUZZ_CHECK(is_inside(&line.hosts, text, len));
        FUZZ_CHECK(is_inside(&line.type, text, len));
        FUZZ_CHECK(is_inside(&line.key, text, len));
        sshknown_matches(&line, name);
        sshknown_matches(&line, "gw.example");
        sshknown_matches(&line, "[127.0.0.1]:2222");
    }
    if (sshknown_read_key(text, len, &line)) {
        FUZZ_CHECK(line.mark == SSHKNOWN_REVOKED);
        FUZZ_CHECK(is_inside(&line.type, text, len));
        FUZZ_CHECK(is_inside(&line.key, text, len));
    }
}

/* A name that is written to a file is found in it. */
static void
check_name(const char *name)
{
    uint8_t salt[SSHKNOWN_SALT_BYTES] = {0};
    char hashed[SSHKNOWN_HASHED_MAX];
    struct sshknown_line line = {.mark = SSHKNOWN_PLAIN};

    salt[0] = (uint8_t)name[0];
    sshknown_hash(hashed, name, salt);
    FUZZ_CHECK(strlen(hashed) < sizeof(hashed));
    line.hosts = (struct sshknown_text){hashed, strlen(hashed)};
    FUZZ_CHECK(sshknown_matches(&line, name));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    const char *text = (const char *)bytes;
    const char *end = text + len;
    char host[SSHKNOWN_NAME_MAX] = "";
    char name[SSHKNOWN_NAME_MAX] = "";
    size_t first = strnlen(text, len < 256 ? len : 256);
    const char *line_end = memchr(text, '\n', first);

    memcpy(host, text, line_end ? (size_t)(line_end - text) : first);
    FUZZ_CHECK(sshknown_name(name, host, 22 + (unsigned)(len & 1)));
    check_name(name);
    while (text < end) {
        line_end = memchr(text, '\n', (size_t)(end - text));
        check_line(text, (size_t)((line_end ? line_end : end) - text), name);
        text = line_end ? line_end + 1 : end;
    }
    return 0;
}
