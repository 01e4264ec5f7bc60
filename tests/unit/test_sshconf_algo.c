#include "proxy/sshconf_algo.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void
resolves(enum sshconf_id id, const char *text, const char *wanted,
         size_t dropped_count)
{
    struct sshdest_list dropped = {.count = 0};
    char *list = NULL;
    const char *why = sshconf_algo_resolve(id, text, &list, &dropped);

    cr_assert_null(why, "%s: %s", text, why);
    cr_assert_str_eq(list, wanted, "%s", text);
    cr_assert_eq(dropped.count, dropped_count, "%s", text);
    sshdest_list_clear(&dropped);
    free(list);
}

#define USUAL_MACS                                                 \
    "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com," \
    "hmac-sha2-256,hmac-sha2-512"

Test(sshconf_algo, a_list_stands_for_itself)
{
    resolves(SSHCONF_CIPHERS, "aes256-ctr,aes128-ctr", "aes256-ctr,aes128-ctr",
             0);
    resolves(SSHCONF_CIPHERS, "aes256-ctr,rot13,aes256-ctr", "aes256-ctr", 1);
    resolves(SSHCONF_CIPHERS, ",aes256-ctr,,", "aes256-ctr", 0);
    resolves(SSHCONF_CIPHERS, "aes*-cbc", "aes128-cbc,aes192-cbc,aes256-cbc",
             0);
}

Test(sshconf_algo, prefixes)
{
    resolves(SSHCONF_MACS, "+", USUAL_MACS, 0);
    resolves(SSHCONF_MACS, "+hmac-sha1,hmac-sha2-256,x",
             USUAL_MACS ",hmac-sha1", 1);
    resolves(SSHCONF_MACS, "^hmac-sha1,hmac-sha2-512",
             "hmac-sha1,hmac-sha2-512,hmac-sha2-256-etm@openssh.com,"
             "hmac-sha2-512-etm@openssh.com,hmac-sha2-256",
             0);
    resolves(SSHCONF_MACS, "-*-etm*,hmac-sha2-512", "hmac-sha2-256", 0);
}

Test(sshconf_algo, host_certificates_are_left_out)
{
    resolves(SSHCONF_HOST_KEY_ALGORITHMS, "ssh-ed25519*", "ssh-ed25519", 0);
    resolves(SSHCONF_HOST_KEY_ALGORITHMS,
             "ssh-ed25519-cert-v01@openssh.com,ssh-rsa", "ssh-rsa", 1);
    resolves(SSHCONF_PUBKEY_ACCEPTED_ALGORITHMS, "ssh-ed25519*",
             "ssh-ed25519-cert-v01@openssh.com,ssh-ed25519", 0);
}

Test(sshconf_algo, nothing_left)
{
    static const char *const table[] = {"", "rot13", "-*", ",", "x*"};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct sshdest_list dropped = {.count = 0};
        char *list = NULL;

        cr_assert_not_null(
            sshconf_algo_resolve(SSHCONF_CIPHERS, table[i], &list, &dropped),
            "%s", table[i]);
        cr_assert_null(list);
        sshdest_list_clear(&dropped);
    }
}
