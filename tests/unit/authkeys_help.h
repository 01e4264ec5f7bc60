/* What tests of authorized_keys files share. */
#ifndef CULVERT_TESTS_UNIT_AUTHKEYS_HELP_H
#define CULVERT_TESTS_UNIT_AUTHKEYS_HELP_H

#include <criterion/criterion.h>
#include <nettle/base64.h>
#include <string.h>

#include "auth/authkeys.h"
#include "tests/unit/pubkeys.h"

#define KEY   "ssh-ed25519 " PUBKEY_ED25519
#define OTHER "ssh-ed25519 " PUBKEY_OTHER

static inline struct authkeys *
authkeys_of(const char *text)
{
    struct authkeys *keys = NULL;
    char message[256] = "";

    cr_assert_eq(authkeys_parse(text, strlen(text), "f", &keys, message,
                                sizeof(message)),
                 ERR_OK, "%s: %s", text, message);
    return keys;
}

static inline void
expect_fault_len(const char *text, size_t len, const char *expected)
{
    struct authkeys *keys = NULL;
    char message[256] = "";

    cr_expect_eq(
        authkeys_parse(text, len, "f", &keys, message, sizeof(message)),
        ERR_MALFORMED, "%s", expected);
    cr_expect_null(keys);
    cr_expect_str_eq(message, expected);
}

/* The whole message that a file leads to. */
static inline void
expect_fault(const char *text, const char *expected)
{
    expect_fault_len(text, strlen(text), expected);
}

/* Looks a key up by its base64, for one from host, then. */
static inline enum err
find_key(const struct authkeys *keys, const char *base64, const char *host,
         time_t now, struct grant **grant, const char **why)
{
    struct base64_decode_ctx ctx;
    uint8_t blob[1024];
    size_t len = sizeof(blob);
    union addr addr = {.sa.sa_family = AF_UNSPEC};

    base64_decode_init(&ctx);
    cr_assert(base64_decode_update(&ctx, &len, blob, strlen(base64), base64) &&
              base64_decode_final(&ctx));
    cr_assert(addr_parse(&addr, host, strlen(host), 4711));
    return authkeys_find(keys, blob, len, &addr, now, grant, why);
}

/* The grant of a file's only key, for one that comes from 192.0.2.1 long ago.
 */
static inline struct grant *
grant_of(const char *text)
{
    struct authkeys *keys = authkeys_of(text);
    struct grant *grant = NULL;
    const char *why = "";

    cr_assert_eq(find_key(keys, PUBKEY_ED25519, "192.0.2.1", 1, &grant, &why),
                 ERR_OK, "%s: %s", text, why);
    authkeys_unref(keys);
    return grant;
}

#endif
