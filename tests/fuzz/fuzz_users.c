/* The users file. Hashes are never made: their cost is the file's to choose. */
#include "tests/fuzz/fuzz.h"

#include "auth/grant.h"
#include "auth/users.h"

static enum err
parse(const char *text, size_t len, size_t size, struct users **users,
      char *message)
{
    enum err err;

    memset(message, 0x5a, 256);
    err = users_parse(text, len, "f", users, message, size);
    FUZZ_CHECK(err == ERR_OK || err == ERR_MALFORMED);
    if (!err)
        return err;
    FUZZ_CHECK(memchr(message, 0, size));
    FUZZ_CHECK(size < 4 || strncmp(message, "f:", 2) == 0);
    FUZZ_CHECK(message[size] == 0x5a);
    return err;
}

/* Whatever is asked of it, an agent is a legal one. */
static void
check_agents(const struct users *users, const char *text, size_t len)
{
    size_t start = 0;

    for (size_t i = 0; i < len; i++) {
        const char *agent;

        if (text[i] == '\n')
            start = i + 1;
        if (text[i] != ':')
            continue;
        agent = users_agent(users, (const uint8_t *)text + start, i - start);
        FUZZ_CHECK(!agent || grant_agent_is_legal(agent));
    }
}

/* The line that a message names, or 0. */
static unsigned long
line_of(const char *message)
{
    return strtoul(message + 2, NULL, 10);
}

/* The same with CR LF for each LF says the same, but of lines too long. */
static void
check_crlf(const char *text, size_t len, enum err expected, size_t count)
{
    char *other = malloc(2 * len + 1);
    size_t used = 0;
    struct users *users = NULL;
    char message[256];

    FUZZ_CHECK(other);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r'))
            other[used++] = '\r';
        other[used++] = text[i];
    }
    FUZZ_CHECK(parse(other, used, 255, &users, message) == expected);
    FUZZ_CHECK(expected || users_count(users) == count);
    users_unref(users);
    free(other);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *text = malloc(len > 0 ? len : 1);
    struct users *users = NULL;
    size_t count = 0;
    size_t lines = 1;
    char message[256];
    enum err err;

    FUZZ_CHECK(text);
    if (len > 0)
        memcpy(text, bytes, len);
    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    err = parse(text, len, 255, &users, message);
    if (!err) {
        count = users_count(users);
        FUZZ_CHECK(count >= 1 && count <= lines);
        check_agents(users, text, len);
        FUZZ_CHECK(users_ref(users) == users);
        users_unref(users);
    } else {
        FUZZ_CHECK(!users);
        FUZZ_CHECK(line_of(message) <= lines);
        FUZZ_CHECK(parse(text, len, 1, &users, message) == err);
    }
    users_unref(users);
    check_crlf(text, len, err, count);
    free(text);
    return 0;
}
