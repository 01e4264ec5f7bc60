/* An authorized_keys file, and what its grants say. */
#include "tests/fuzz/fuzz.h"

#include <nettle/base64.h>

#include "auth/authkeys.h"

static enum err
parse(const char *text, size_t len, size_t size, struct authkeys **keys,
      char *message)
{
    enum err err;

    memset(message, 0x5a, 256);
    err = authkeys_parse(text, len, "f", keys, message, size);
    FUZZ_CHECK(err == ERR_OK || err == ERR_MALFORMED);
    if (!err)
        return err;
    FUZZ_CHECK(memchr(message, 0, size));
    FUZZ_CHECK(size < 4 || strncmp(message, "f:", 2) == 0);
    FUZZ_CHECK(message[size] == 0x5a);
    /* It goes to a terminal. */
    for (size_t i = 0; message[i]; i++)
        FUZZ_CHECK(message[i] >= ' ' && message[i] < 0x7f);
    return err;
}

/* The line that a message names, or 0. */
static unsigned long
line_of(const char *message)
{
    return strtoul(message + 2, NULL, 10);
}

/* The same with CR LF for each LF says the same. */
static void
check_crlf(const char *text, size_t len, enum err expected, size_t count)
{
    char *other = malloc(2 * len + 1);
    size_t used = 0;
    struct authkeys *keys = NULL;
    char message[256];

    FUZZ_CHECK(other);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r'))
            other[used++] = '\r';
        other[used++] = text[i];
    }
    FUZZ_CHECK(parse(other, used, 255, &keys, message) == expected);
    FUZZ_CHECK(expected || authkeys_count(keys) == count);
    authkeys_unref(keys);
    free(other);
}

static void
check_grant(const struct grant *grant)
{
    static const char *const hosts[] = {"h", "127.0.0.1", "::1", "localhost"};
    const char *agent = grant_agent(grant);
    struct target target;

    FUZZ_CHECK(!agent || grant_agent_is_legal(agent));
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        FUZZ_CHECK(!target_set_host(&target, hosts[i], strlen(hosts[i]), 80));
        grant_may_open(grant, &target);
        /* Where the server picks a port, any could be asked for. */
        FUZZ_CHECK(!grant_may_listen(grant, hosts[i], 0) ||
                   grant_may_listen(grant, hosts[i], 8080));
    }
    FUZZ_CHECK(!grant_may_listen(grant, "", 0) ||
               grant_may_listen(grant, "", 1));
}

/* Looks a key up from here and there. Returns how often it was known. */
static size_t
look_up(const struct authkeys *keys, const uint8_t *blob, size_t len)
{
    static const char *const hosts[] = {"10.0.0.1", "::1", "::ffff:10.0.0.1"};
    size_t found = 0;

    for (size_t i = 0; i < 2 * sizeof(hosts) / sizeof(hosts[0]); i++) {
        const char *host = hosts[i / 2];
        struct grant *grant = NULL;
        const char *why = NULL;
        union addr addr;
        enum err err;

        FUZZ_CHECK(addr_parse(&addr, host, strlen(host), 1));
        err = authkeys_find(keys, blob, len, &addr, i % 2 ? 1 : 1735689600,
                            &grant, &why);
        FUZZ_CHECK(err == ERR_OK || (!grant && why && *why));
        FUZZ_CHECK(err == ERR_OK || err == ERR_DENIED ||
                   err == ERR_AUTH_FAILED);
        found += err != ERR_AUTH_FAILED;
        if (!err)
            check_grant(grant);
        grant_unref(grant);
    }
    return found;
}

/* Looks up each word that could be a key: some must be there. */
static void
look_up_words(const struct authkeys *keys, const char *text, size_t len)
{
    uint8_t *blob = malloc(BASE64_DECODE_LENGTH(len) + 1);
    size_t found = 0;
    size_t i = 0;

    FUZZ_CHECK(blob);
    while (i < len) {
        struct base64_decode_ctx ctx;
        size_t start = i;
        size_t got = BASE64_DECODE_LENGTH(len);

        while (i < len && !strchr(" \t\r\n", text[i]))
            i++;
        base64_decode_init(&ctx);
        if (i > start &&
            base64_decode_update(&ctx, &got, blob, i - start, text + start))
            found += look_up(keys, blob, got);
        i++;
    }
    FUZZ_CHECK(found > 0 || authkeys_count(keys) == 0);
    free(blob);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *text = malloc(len > 0 ? len : 1);
    struct authkeys *keys = NULL;
    size_t count = 0;
    size_t lines = 1;
    char message[256];
    enum err err;

    FUZZ_CHECK(text);
    if (len > 0)
        memcpy(text, bytes, len);
    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    err = parse(text, len, 255, &keys, message);
    if (!err) {
        count = authkeys_count(keys);
        FUZZ_CHECK(count <= lines);
        look_up_words(keys, text, len);
    } else {
        FUZZ_CHECK(!keys);
        FUZZ_CHECK(line_of(message) <= lines);
        FUZZ_CHECK(parse(text, len, 1, &keys, message) == err);
    }
    authkeys_unref(keys);
    check_crlf(text, len, err, count);
    free(text);
    return 0;
}
