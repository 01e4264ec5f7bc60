#include "proxy/sshconf_token.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const struct sshconf_local local = {
    .user = (char[]){"me"},
    .home = (char[]){"/home/me"},
    .uid = "1000",
    .machine = "box.example",
    .label = "box",
};

static const struct sshconf_tokens tokens = {
    .local = &local,
    .given = "short",
    .host = "long.example",
    .user = "alice",
    .jump = "jump",
    .port = 2022,
};

#define EVERYTHING \
    (SSHCONF_EXPAND_TOKENS | SSHCONF_EXPAND_ENV | SSHCONF_EXPAND_TILDE)

static void
expands(const char *text, const char *wanted)
{
    const char *why = "";
    char *got =
        sshconf_expand(&tokens, text, SSHCONF_TOKENS_MOST, EVERYTHING, &why);

    cr_assert_not_null(got, "%s: %s", text, why);
    cr_assert_str_eq(got, wanted, "%s", text);
    free(got);
}

Test(sshconf_token, each)
{
    expands("", "");
    expands("100%%", "100%");
    expands("%d|%h|%i|%j|%k|%L|%l|%n|%p|%r|%u",
            "/home/me|long.example|1000|jump|short|box|box.example|short|2022|"
            "alice|me");
}

/* As `printf %s box.examplelong.example2022alicejump | sha1sum`. */
Test(sshconf_token, hash_of_a_connection)
{
    expands("%C", "759f7a4ae45af56461bf3fb0278b9ade64a6eef2");
}

Test(sshconf_token, home)
{
    expands("~", "/home/me");
    expands("~/x", "/home/me/x");
    expands("~root/x", "/root/x");
    expands("a~", "a~");
}

Test(sshconf_token, environment)
{
    setenv("CULVERT_TEST", "a%hb", 1);
    expands("x${CULVERT_TEST}y$z", "xa%hby$z");
    expands("$CULVERT_TEST", "$CULVERT_TEST");
}

Test(sshconf_token, what_has_no_value)
{
    static const char *const table[] = {"%z",
                                        "%",
                                        "%T",
                                        "a%",
                                        "${CULVERT_NOT_SET}",
                                        "${}",
                                        "${x",
                                        "~no-such-user/x"};

    unsetenv("CULVERT_NOT_SET");
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const char *why = NULL;

        cr_assert_null(sshconf_expand(&tokens, table[i], SSHCONF_TOKENS_MOST,
                                      EVERYTHING, &why),
                       "%s", table[i]);
        cr_assert_not_null(why);
    }
}

Test(sshconf_token, what_is_not_allowed_or_not_asked_for)
{
    const char *why = NULL;
    char *got;

    cr_assert_null(sshconf_expand(&tokens, "%p", SSHCONF_TOKENS_HOST,
                                  SSHCONF_EXPAND_TOKENS, &why));
    got = sshconf_expand(&tokens, "~/%p${x}", "", 0, &why);
    cr_assert_str_eq(got, "~/%p${x}");
    free(got);
    got = sshconf_expand_tilde(&local, "~/%p", &why);
    cr_assert_str_eq(got, "/home/me/%p");
    free(got);
}

Test(sshconf_token, too_long)
{
    char *text = malloc(100000);
    const char *why = NULL;

    memset(text, 'x', 99999);
    text[99999] = 0;
    cr_assert_null(
        sshconf_expand(&tokens, text, "", SSHCONF_EXPAND_TOKENS, &why));
    cr_assert_not_null(why);
    free(text);
}

Test(sshconf_token, this_user)
{
    struct sshconf_local me;
    const char *why = NULL;

    cr_assert(sshconf_local_read(&me, &why));
    cr_assert_eq(me.home[0], '/');
    cr_assert_neq(me.user[0], 0);
    cr_assert_null(strchr(me.label, '.'));
    sshconf_local_clear(&me);
    cr_assert_null(me.user);
}
