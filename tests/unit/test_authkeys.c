#include "auth/authkeys.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/authkeys_help.h"

/* Whether a key is found at all. */
static bool
has(const struct authkeys *keys, const char *base64)
{
    struct grant *grant = NULL;
    const char *why = NULL;
    enum err err = find_key(keys, base64, "192.0.2.1", 1, &grant, &why);

    grant_unref(grant);
    cr_expect(err == ERR_OK || why);
    return err == ERR_OK;
}

Test(authkeys, every_type_of_key_is_known)
{
    struct authkeys *keys = authkeys_of(
        "ssh-ed25519 " PUBKEY_ED25519 "\n"
        "ecdsa-sha2-nistp256 " PUBKEY_P256 "\n"
        "ecdsa-sha2-nistp384 " PUBKEY_P384 "\n"
        "ecdsa-sha2-nistp521 " PUBKEY_P521 "\n"
        "ssh-rsa " PUBKEY_RSA "\n"
        "no-touch-required sk-ssh-ed25519@openssh.com " PUBKEY_SK_ED25519 "\n"
        "no-touch-required sk-ecdsa-sha2-nistp256@openssh.com " PUBKEY_SK_P256
        "\n");

    cr_expect_eq(authkeys_count(keys), 7);
    cr_expect(has(keys, PUBKEY_ED25519));
    cr_expect(has(keys, PUBKEY_P256));
    cr_expect(has(keys, PUBKEY_P384));
    cr_expect(has(keys, PUBKEY_P521));
    cr_expect(has(keys, PUBKEY_RSA));
    cr_expect(has(keys, PUBKEY_SK_ED25519));
    cr_expect(has(keys, PUBKEY_SK_P256));
    cr_expect(!has(keys, PUBKEY_OTHER));
    authkeys_unref(keys);
}

Test(authkeys, unknown_key_tells_why)
{
    struct authkeys *keys = authkeys_of(KEY);
    struct grant *grant = NULL;
    const char *why = NULL;
    union addr none = {.sa.sa_family = AF_UNSPEC};

    cr_expect_eq(find_key(keys, PUBKEY_OTHER, "::1", 1, &grant, &why),
                 ERR_AUTH_FAILED);
    cr_expect_str_eq(why, "the key is not known");
    cr_expect_eq(authkeys_find(keys, NULL, 0, &none, 1, &grant, &why),
                 ERR_AUTH_FAILED);
    cr_expect_null(grant);
    authkeys_unref(keys);
}

Test(authkeys, blank_lines_and_comments_are_passed_over)
{
    struct authkeys *keys =
        authkeys_of("# who may come in\n\n \t\n  # x\n" KEY "\n#" OTHER "\n");

    cr_expect_eq(authkeys_count(keys), 1);
    cr_expect(!has(keys, PUBKEY_OTHER));
    authkeys_unref(keys);
}

Test(authkeys, carriage_returns_and_byte_order_mark_are_tolerated)
{
    struct authkeys *keys =
        authkeys_of("\xef\xbb\xbf" KEY "\r\n\r\n" OTHER "\r");

    cr_expect_eq(authkeys_count(keys), 2);
    cr_expect(has(keys, PUBKEY_ED25519));
    cr_expect(has(keys, PUBKEY_OTHER));
    authkeys_unref(keys);
}

Test(authkeys, blanks_of_any_number_are_between_the_fields)
{
    struct authkeys *keys = authkeys_of(
        " \tssh-ed25519 \t " PUBKEY_ED25519 "\t me @ home, \"quoted\" \n"
        "\trestrict\t \tssh-ed25519\t" PUBKEY_OTHER " \t\n");

    cr_expect(has(keys, PUBKEY_ED25519));
    cr_expect(has(keys, PUBKEY_OTHER));
    authkeys_unref(keys);
}

/* The base64 of one of 500 keys; lent until the next. */
static const char *
one_of_many(int i)
{
    static char base64[] = PUBKEY_OTHER;

    base64[40] = (char)('A' + i * 7 % 26);
    base64[41] = (char)('A' + i / 26);
    return base64;
}

Test(authkeys, many_keys_are_each_found)
{
    size_t size = 500 * 100;
    char *text = malloc(size);
    size_t used = 0;
    struct authkeys *keys;

    for (int i = 0; i < 500; i++)
        used += (size_t)snprintf(text + used, size - used, "ssh-ed25519 %s\n",
                                 one_of_many(i));
    keys = authkeys_of(text);
    free(text);
    cr_expect_eq(authkeys_count(keys), 500);
    for (int i = 0; i < 500; i += 33)
        cr_expect(has(keys, one_of_many(i)), "%d", i);
    cr_expect(!has(keys, PUBKEY_ED25519));
    authkeys_unref(keys);
}

/* The agent's name that a look-up leads to, or what it says why not. */
static void
expect_found(const struct authkeys *keys, const char *host, time_t now,
             const char *expected)
{
    struct grant *grant = NULL;
    const char *why = NULL;
    enum err err = find_key(keys, PUBKEY_ED25519, host, now, &grant, &why);

    cr_expect(err == ERR_OK || err == ERR_DENIED);
    cr_expect_str_eq(err ? why : grant_agent(grant), expected);
    grant_unref(grant);
}

Test(authkeys, first_line_that_holds_is_the_one)
{
    struct authkeys *keys =
        authkeys_of("agent=\"a\",from=\"10.0.0.1\" " KEY "\n"
                    "agent=\"b\",expiry-time=\"20200101Z\" " KEY "\n"
                    "agent=\"x\" " OTHER "\n"
                    "agent=\"c\",from=\"10.0.0.0/8\" " KEY "\n");

    cr_expect_eq(authkeys_count(keys), 4);
    expect_found(keys, "10.0.0.1", 1577836800, "a");
    expect_found(keys, "10.0.0.2", 1577836800, "b");
    expect_found(keys, "10.0.0.2", 1577836801, "c");
    expect_found(keys, "192.0.2.1", 1577836800, "b");
    expect_found(keys, "192.0.2.1", 1577836801,
                 "the key may not be used from there");
    authkeys_unref(keys);
}

Test(authkeys, equal_lines_are_no_error)
{
    struct authkeys *keys = authkeys_of("agent=\"a\" " KEY "\n"
                                        "agent=\"b\" " KEY "\n" KEY "\n");

    expect_found(keys, "::1", 1, "a");
    authkeys_unref(keys);
}

Test(authkeys, file_without_a_key_lets_nobody_in)
{
    const char *const texts[] = {"", "# none\n\n", "\xef\xbb\xbf"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct authkeys *keys = NULL;
        char message[100];

        cr_assert_eq(authkeys_parse(texts[i], strlen(texts[i]), "f", &keys,
                                    message, sizeof(message)),
                     ERR_OK);
        cr_expect_eq(authkeys_count(keys), 0);
        cr_expect_not(has(keys, PUBKEY_OTHER));
        cr_expect_not(authkeys_names_agent(keys, "home"));
        authkeys_unref(keys);
    }
}

Test(authkeys, touch_of_a_fido_key_cannot_be_asked_for)
{
    static const char touch[] =
        "f:1: whether a FIDO key was touched is not looked "
        "at: its options have to have "
        "no-touch-required";

    expect_fault("sk-ssh-ed25519@openssh.com " PUBKEY_SK_ED25519, touch);
    expect_fault("restrict sk-ecdsa-sha2-nistp256@openssh.com " PUBKEY_SK_P256,
                 touch);
}

Test(authkeys, broken_keys_are_errors)
{
    static const char base64[] = "f:1: the key is not base64, or cut short";
    static const char broken[] = "f:1: the key is broken or cut short";

    expect_fault("ssh-ed25519", base64);
    expect_fault("ssh-ed25519 ", base64);
    expect_fault("ssh-ed25519 AAA", base64);
    expect_fault("ssh-ed25519 AAAA-AAA", base64);
    expect_fault("ssh-ed25519 AAAA\vAAAA", base64);
    expect_fault("ssh-ed25519 AAAA=AAA", base64);
    expect_fault("ssh-ed25519 " PUBKEY_ED25519 "=", base64);
    expect_fault("ssh-ed25519 " PUBKEY_BAD_TYPE_ALONE, broken);
    expect_fault("ssh-ed25519 " PUBKEY_BAD_SHORT, broken);
    expect_fault("ssh-ed25519 " PUBKEY_BAD_TAIL, broken);
    expect_fault("ecdsa-sha2-nistp256 " PUBKEY_BAD_CURVE, broken);
    expect_fault("ecdsa-sha2-nistp256 " PUBKEY_BAD_POINT, broken);
    expect_fault("no-touch-required sk-ssh-ed25519@openssh.com " PUBKEY_BAD_SK,
                 broken);
    expect_fault("ssh-rsa " PUBKEY_BAD_RSA_NEGATIVE, broken);
}

Test(authkeys, rsa_has_1024_bits_or_more)
{
    static const char few[] = "f:1: an RSA key of less than 1024 bits";
    struct authkeys *keys = authkeys_of("ssh-rsa " PUBKEY_RSA_1024);

    cr_expect(has(keys, PUBKEY_RSA_1024));
    authkeys_unref(keys);
    expect_fault("ssh-rsa " PUBKEY_BAD_RSA_1023, few);
    expect_fault("ssh-rsa " PUBKEY_BAD_RSA_760, few);
}

Test(authkeys, key_of_another_type_than_said_is_an_error)
{
    static const char other[] =
        "f:1: the key is of another type than the word before it";

    expect_fault("ssh-rsa " PUBKEY_ED25519, other);
    expect_fault("ecdsa-sha2-nistp384 " PUBKEY_P256, other);
    expect_fault("ssh-ed25519 " PUBKEY_SK_ED25519, other);
    expect_fault("ssh-ed25519 AAAA", other);
}

Test(authkeys, lines_of_other_kinds_are_errors)
{
    expect_fault(KEY "\nssh-dss AAAA me\n",
                 "f:2: ssh-dss: keys of this type are not supported");
    expect_fault("ssh-ed25519-cert-v01@openssh.com AAAA",
                 "f:1: ssh-ed25519-cert-v01@openssh.com: keys of this type are "
                 "not supported");
    expect_fault("-----BEGIN OPENSSH PRIVATE KEY-----\n",
                 "f:1: not a key as OpenSSH writes it: the line of a .pub file "
                 "is expected");
    expect_fault("---- BEGIN SSH2 PUBLIC KEY ----\n",
                 "f:1: not a key as OpenSSH writes it: the line of a .pub file "
                 "is expected");
    expect_fault("alice " KEY, "f:1: alice: an unknown option");
    expect_fault("SSH-ED25519 " PUBKEY_ED25519,
                 "f:1: SSH-ED25519: an unknown option");
    expect_fault("\x1b[2J " KEY, "f:1: neither an option nor a type of key");
    expect_fault("restrict", "f:1: no key behind the options");
    expect_fault("restrict \t", "f:1: no key behind the options");
    expect_fault("restrict ssh-dss AAAA",
                 "f:1: no type of key that is supported behind the options");
    expect_fault_len(KEY "\n#\0\n", strlen(KEY) + 4,
                     "f:2: a NUL byte: not a text file");
}

Test(authkeys, long_words_are_shown_in_part)
{
    char text[200];

    memset(text, 'w', sizeof(text));
    strcpy(text + 150, " x");
    expect_fault(text, "f:1: wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww: an "
                       "unknown option");
}

Test(authkeys, overlong_line_is_an_error)
{
    char *text = malloc(AUTHKEYS_LINE_MAX + 3);

    memset(text, '#', AUTHKEYS_LINE_MAX + 1);
    text[AUTHKEYS_LINE_MAX + 1] = 0;
    expect_fault(text, "f:1: longer than 16384 bytes");
    strcpy(text + AUTHKEYS_LINE_MAX - 1, "\na");
    expect_fault(text, "f:2: a: an unknown option");
    free(text);
}

Test(authkeys, message_is_cut_to_its_size)
{
    struct authkeys *keys = NULL;
    char message[12];

    memset(message, 'x', sizeof(message));
    cr_expect_eq(authkeys_parse("a", 1, "f", &keys, message, 8), ERR_MALFORMED);
    cr_expect_str_eq(message, "f:1: a:");
    cr_expect_eq(message[8], 'x');
    cr_expect_eq(authkeys_parse("a", 1, "long-name", &keys, message, 8),
                 ERR_MALFORMED);
    cr_expect_str_eq(message, "long-na");
}

Test(authkeys, references_keep_it_and_its_grants)
{
    struct authkeys *keys = authkeys_of("agent=\"home\" " KEY);
    struct grant *grant = NULL;
    const char *why;

    cr_expect_eq(authkeys_ref(keys), keys);
    authkeys_unref(keys);
    cr_expect_eq(find_key(keys, PUBKEY_ED25519, "::1", 1, &grant, &why),
                 ERR_OK);
    authkeys_unref(keys);
    cr_expect_str_eq(grant_agent(grant), "home");
    grant_unref(grant);
    authkeys_unref(NULL);
}

/* Makes a file with that text and mode; path has room for 64. */
static void
make_file(char *path, const char *text, mode_t mode)
{
    int fd;

    strcpy(path, "/tmp/culvert-authkeys-XXXXXX");
    fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    cr_assert_eq(fchmod(fd, mode), 0);
    close(fd);
}

/* Loads such a file; a message without the name that mkstemp made up. */
static enum err
load(const char *text, mode_t mode, struct authkeys **keys, char *message,
     size_t size)
{
    char path[64];
    char plain[256] = "";
    enum err err;

    make_file(path, text, mode);
    err = authkeys_load(path, keys, plain, sizeof(plain));
    unlink(path);
    if (err) {
        cr_expect_eq(strncmp(plain, path, strlen(path)), 0, "%s", plain);
        snprintf(message, size, "%s", plain + strlen(path));
    }
    return err;
}

Test(authkeys, file_is_read)
{
    struct authkeys *keys = NULL;
    char message[128];

    cr_assert_eq(load(KEY "\n" OTHER, 0644, &keys, message, sizeof(message)),
                 ERR_OK);
    cr_expect_eq(authkeys_count(keys), 2);
    cr_expect(has(keys, PUBKEY_OTHER));
    authkeys_unref(keys);
}

Test(authkeys, file_that_others_can_write_to_is_refused)
{
    struct authkeys *keys = NULL;
    char message[128];
    cr_expect_eq(load(KEY, 0620, &keys, message, sizeof(message)),
                 ERR_NOT_PERMITTED);
    cr_expect_eq(load(KEY, 0602, &keys, message, sizeof(message)),
                 ERR_NOT_PERMITTED);
    cr_expect_str_eq(message,
                     ": others can write to it (chmod go-w makes it safe)");
    cr_expect_null(keys);
}

Test(authkeys, a_name_that_a_key_has_is_known_as_such)
{
    struct authkeys *keys = NULL;
    char message[128];
    const char text[] = "agent=\"home\" " KEY "\n" OTHER;

    cr_assert_eq(authkeys_parse(text, sizeof(text) - 1, "f", &keys, message,
                                sizeof(message)),
                 ERR_OK);
    cr_expect(authkeys_names_agent(keys, "Home"));
    cr_expect_not(authkeys_names_agent(keys, "hom"));
    authkeys_unref(keys);
}

Test(authkeys, file_with_an_error_tells_file_and_line)
{
    struct authkeys *keys = NULL;
    char message[128];

    cr_expect_eq(load("#\nalice\n", 0600, &keys, message, sizeof(message)),
                 ERR_MALFORMED);
    cr_expect_str_eq(message, ":2: alice: an unknown option");
    cr_expect_null(keys);
}

Test(authkeys, file_that_cannot_be_read_tells_why)
{
    struct authkeys *keys = NULL;
    char message[128];

    cr_expect_eq(
        authkeys_load("/nonexistent/keys", &keys, message, sizeof(message)),
        ERR_NO_SUCH_PATH);
    cr_expect_str_eq(message, "/nonexistent/keys: No such file or directory");
    cr_expect_eq(authkeys_load("/proc/self", &keys, message, sizeof(message)),
                 ERR_NOT_PERMITTED);
    cr_expect_str_eq(message, "/proc/self: not a regular file");
    cr_expect_null(keys);
}

Test(authkeys, endless_file_is_refused)
{
    struct authkeys *keys = NULL;
    char message[128];
    char path[64];

    make_file(path, "", 0600);
    cr_assert_eq(truncate(path, AUTHKEYS_FILE_MAX), 0);
    cr_expect_eq(authkeys_load(path, &keys, message, sizeof(message)),
                 ERR_LIMIT);
    unlink(path);
    cr_expect(strstr(message, ": 16777216 bytes or more"), "%s", message);
}
