#include "auth/users.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/hashes.h"

static struct users *
parse(const char *text)
{
    struct users *users = NULL;
    char message[256] = "";

    cr_assert_eq(
        users_parse(text, strlen(text), "f", &users, message, sizeof(message)),
        ERR_OK, "%s", message);
    return users;
}

static void
expect_message_len(const char *text, size_t len, const char *expected)
{
    struct users *users = NULL;
    char message[256] = "";

    cr_expect_eq(users_parse(text, len, "f", &users, message, sizeof(message)),
                 ERR_MALFORMED, "%s", expected);
    cr_expect_null(users);
    cr_expect_eq(strncmp(message, expected, strlen(expected)), 0,
                 "\"%s\" is not \"%s\"", message, expected);
}

static void
expect_message(const char *text, const char *expected)
{
    expect_message_len(text, strlen(text), expected);
}

static bool
check(const struct users *users, const char *user, const char *password)
{
    return users_check(users, (const uint8_t *)user, strlen(user),
                       (const uint8_t *)password, strlen(password));
}

Test(users, known_user_is_let_in_with_the_right_password_alone)
{
    struct users *users =
        parse("alice:" OPENSSL_6 "\nbob:" MKPASSWD_BCRYPT "\n");

    cr_expect_eq(users_count(users), 2);
    cr_expect(check(users, "alice", "open sesame"));
    cr_expect(check(users, "bob", "open sesame"));
    cr_expect(!check(users, "alice", "open"));
    cr_expect(!check(users, "Alice", "open sesame"));
    cr_expect(!check(users, "alic", "open sesame"));
    cr_expect(!check(users, "alice2", "open sesame"));
    users_unref(users);
}

Test(users, unknown_user_is_never_let_in)
{
    struct users *users = parse("alice:" OPENSSL_6);

    /* Not even with the password of the hash it is checked against. */
    cr_expect(!check(users, "mallory", "open sesame"));
    cr_expect(!check(users, "", "open sesame"));
    cr_expect(!users_check(users, NULL, 0, NULL, 0));
    users_unref(users);
}

static double
cpu_seconds(const struct users *users, const char *user, const uint8_t *text,
            size_t len)
{
    struct timespec from;
    struct timespec to;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    users_check(users, (const uint8_t *)user, strlen(user), text, len);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    return (double)(to.tv_sec - from.tv_sec) +
           (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

Test(users, unknown_user_and_nul_cost_as_much)
{
    char text[512];
    struct users *users;
    double known;
    double unknown;
    double nul;

    snprintf(text, sizeof(text), "alice:%s", hash_of("$6$", 50000, "pw"));
    users = parse(text);
    known = cpu_seconds(users, "alice", (const uint8_t *)"pwpw", 4);
    unknown = cpu_seconds(users, "mallory", (const uint8_t *)"pwpw", 4);
    nul = cpu_seconds(users, "alice", (const uint8_t *)"pw\0w", 4);
    /* Without a hash they would cost a thousandth. */
    cr_expect(unknown > known / 3 && unknown < known * 3, "%f %f", unknown,
              known);
    cr_expect(nul > known / 3 && nul < known * 3, "%f %f", nul, known);
    users_unref(users);
}

Test(users, blank_lines_and_comments_are_passed_over)
{
    struct users *users = parse("# who may come in\n\n  \t\nalice:" OPENSSL_5
                                "\n#bob:nonsense\n\n");

    cr_expect_eq(users_count(users), 1);
    cr_expect(check(users, "alice", "open sesame"));
    cr_expect(!check(users, "#bob", "nonsense"));
    users_unref(users);
}

Test(users, carriage_returns_and_byte_order_mark_are_tolerated)
{
    struct users *users =
        parse("\xef\xbb\xbf"
              "alice:" OPENSSL_5 "\r\n\r\nbob:" OPENSSL_1 "\r");

    cr_expect_eq(users_count(users), 2);
    cr_expect(check(users, "alice", "open sesame"));
    cr_expect(check(users, "bob", "open sesame"));
    users_unref(users);
}

Test(users, name_may_be_any_bytes_but_a_colon)
{
    struct users *users =
        parse("J\xc3\xbcrgen von X:" OPENSSL_5 "\n\x01\xff:" OPENSSL_1);

    cr_expect(check(users, "J\xc3\xbcrgen von X", "open sesame"));
    cr_expect(check(users, "\x01\xff", "open sesame"));
    users_unref(users);
}

Test(users, name_is_1_to_255_bytes)
{
    char text[600];
    char name[257];
    struct users *users;

    memset(name, 'n', sizeof(name));
    name[255] = 0;
    snprintf(text, sizeof(text), "%s:%s", name, OPENSSL_5);
    users = parse(text);
    cr_expect(check(users, name, "open sesame"));
    users_unref(users);
    name[255] = 'n';
    name[256] = 0;
    snprintf(text, sizeof(text), "\n%s:%s", name, OPENSSL_5);
    expect_message(text, "f:2: a user name longer than 255 bytes");
    expect_message(":" OPENSSL_5, "f:1: no user name");
}

Test(users, many_users_are_each_found)
{
    size_t size = 200000;
    char *text = malloc(size);
    size_t used = 0;
    struct users *users;

    for (int i = 0; i < 500; i++)
        used += (size_t)snprintf(text + used, size - used, "user%d:%s\n",
                                 i * 7919 % 500,
                                 i * 7919 % 500 == 321 ? OPENSSL_1 : OPENSSL_5);
    users = parse(text);
    free(text);
    cr_expect_eq(users_count(users), 500);
    for (int i = 0; i < 500; i += 45) {
        char name[16];

        snprintf(name, sizeof(name), "user%d", i);
        cr_expect(check(users, name, "open sesame"), "%s", name);
    }
    cr_expect(check(users, "user321", "open sesame"));
    cr_expect(!check(users, "user500", "open sesame"));
    users_unref(users);
}

Test(users, errors_tell_the_line)
{
    expect_message("", "f: no user in it");
    expect_message("# none\n", "f: no user in it");
    expect_message("\nalice\n", "f:2: no colon");
    expect_message("a:" OPENSSL_1 "\nb:hunter2\n", "f:2: not a hash");
    expect_message("a:" OPENSSL_1 "\r\nb:\r\n", "f:2: no password hash");
    expect_message("a:" OPENSSL_1 "\n#\n\nb:" OPENSSL_APR1, "f:4: $apr1$");
    expect_message_len("a:\0", 3, "f:1: a NUL byte");
    expect_message_len("a\0:" OPENSSL_1, 3 + strlen(OPENSSL_1),
                       "f:1: a NUL byte");
}

Test(users, user_named_twice_is_an_error)
{
    expect_message("a:" OPENSSL_1 "\nb:" OPENSSL_1 "\n\na:" OPENSSL_5 "\n",
                   "f:4: the same user as in line 1");
}

/* The agent of a user, or "-". */
static const char *
agent(const struct users *users, const char *user)
{
    const char *name = users_agent(users, (const uint8_t *)user, strlen(user));

    return name ? name : "-";
}

Test(users, third_field_names_an_agent)
{
    struct users *users =
        parse("alice:" OPENSSL_6 ":agent=home\nbob:" OPENSSL_1
              "\ncarol:" MKPASSWD_BCRYPT ":agent=Of-fice_2\r\n");

    cr_expect_str_eq(agent(users, "alice"), "home");
    cr_expect_str_eq(agent(users, "bob"), "-");
    cr_expect_str_eq(agent(users, "carol"), "Of-fice_2");
    cr_expect_str_eq(agent(users, "mallory"), "-");
    cr_expect_null(users_agent(users, NULL, 0));
    cr_expect(check(users, "alice", "open sesame"));
    cr_expect(check(users, "carol", "open sesame"));
    cr_expect(!check(users, "alice", "open sesame:agent=home"));
    /* The first hash is that of unknown users; it is whole. */
    cr_expect(!check(users, "mallory", "open sesame"));
    users_unref(users);
}

Test(users, agent_that_none_can_be_is_an_error)
{
    char text[1024];
    char name[65];
    struct users *users;

    memset(name, 'n', sizeof(name));
    name[64] = 0;
    snprintf(text, sizeof(text), "a:" OPENSSL_1 ":agent=%s", name);
    expect_message(text,
                   "f:1: agent= is not 1 to 63 of A-Z, a-z, 0-9, _ and -");
    name[63] = 0;
    snprintf(text, sizeof(text), "a:" OPENSSL_1 ":agent=%s", name);
    users = parse(text);
    cr_expect_str_eq(agent(users, "a"), name);
    users_unref(users);
    expect_message("#\na:" OPENSSL_1 ":agent=", "f:2: agent= is not 1 to 63");
    expect_message("a:" OPENSSL_1 ":agent=a b", "f:1: agent= is not 1 to 63");
    expect_message("a:" OPENSSL_1 ":agent=a:b", "f:1: agent= is not 1 to 63");
    expect_message("a:" OPENSSL_1 ":agent=\"a\"", "f:1: agent= is not 1 to");
}

Test(users, other_fields_behind_the_hash_are_errors)
{
    static const char colon[] = "f:1: a colon behind the hash: user:hash or "
                                "user:hash:agent=NAME is expected";

    expect_message("a:" OPENSSL_1 ":", colon);
    expect_message("a:" OPENSSL_1 ":home", colon);
    expect_message("a:" OPENSSL_1 ":19000:0:99999:7:::", colon);
    expect_message("a:" OPENSSL_1 "::agent=home", colon);
    expect_message("a:" OPENSSL_1 ":Agent=home", colon);
    expect_message("a::agent=home", "f:1: no password hash");
    expect_message("a:hunter2:agent=home", "f:1: not a hash");
}

Test(users, overlong_line_is_an_error)
{
    char text[USERS_LINE_MAX + 3];

    memset(text, '#', sizeof(text));
    text[USERS_LINE_MAX + 1] = 0;
    expect_message(text, "f:1: longer than 1024 bytes");
    text[USERS_LINE_MAX] = 0;
    expect_message(text, "f: no user in it");
}

Test(users, message_never_holds_a_hash)
{
    struct users *users = NULL;
    char message[256] = "";
    static const char text[] = "alice:secret-Plain-text";

    cr_assert_eq(users_parse(text, sizeof(text) - 1, "f", &users, message,
                             sizeof(message)),
                 ERR_MALFORMED);
    cr_expect_null(strstr(message, "secret"));
}

Test(users, message_is_cut_to_its_size)
{
    struct users *users = NULL;
    char message[12];

    memset(message, 'x', sizeof(message));
    cr_expect_eq(users_parse("a", 1, "f", &users, message, 8), ERR_MALFORMED);
    cr_expect_str_eq(message, "f:1: no");
    cr_expect_eq(message[8], 'x');
    cr_expect_eq(users_parse("a", 1, "long-name", &users, message, 8),
                 ERR_MALFORMED);
    cr_expect_str_eq(message, "long-na");
}

Test(users, references_keep_it)
{
    struct users *users = parse("alice:" OPENSSL_5);

    cr_expect_eq(users_ref(users), users);
    users_unref(users);
    cr_expect(check(users, "alice", "open sesame"));
    users_unref(users);
    users_unref(NULL);
}

/* Makes a file with that text and mode; path has room for 64. */
static void
make_file(char *path, const char *text, size_t len, mode_t mode)
{
    int fd;

    strcpy(path, "/tmp/culvert-users-XXXXXX");
    fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, len), (ssize_t)len);
    cr_assert_eq(fchmod(fd, mode), 0);
    close(fd);
}

static enum err
load(const char *text, size_t len, mode_t mode, struct users **users,
     char *message, size_t size)
{
    char path[64];
    char plain[256];
    enum err err;

    make_file(path, text, len, mode);
    err = users_load(path, users, plain, sizeof(plain));
    unlink(path);
    if (err) {
        /* Without the name that mkstemp made up. */
        cr_expect_eq(strncmp(plain, path, strlen(path)), 0, "%s", plain);
        strncpy(message, plain + strlen(path), size - 1);
        message[size - 1] = 0;
    }
    return err;
}

Test(users, file_is_read)
{
    static const char text[] = "alice:" OPENSSL_5 "\n";
    struct users *users;
    char message[128];

    cr_assert_eq(
        load(text, sizeof(text) - 1, 0640, &users, message, sizeof(message)),
        ERR_OK);
    cr_expect(check(users, "alice", "open sesame"));
    users_unref(users);
}

Test(users, large_file_is_read_whole)
{
    size_t len = 100000;
    char *text = malloc(len + 128);
    struct users *users;
    char message[128];

    for (size_t i = 0; i < len; i++)
        text[i] = i % 100 == 99 ? '\n' : '#';
    strcpy(text + len, "alice:" OPENSSL_5);
    cr_assert_eq(
        load(text, strlen(text), 0600, &users, message, sizeof(message)),
        ERR_OK);
    free(text);
    cr_expect(check(users, "alice", "open sesame"));
    users_unref(users);
}

Test(users, file_that_others_can_write_to_is_refused)
{
    static const char text[] = "alice:" OPENSSL_5 "\n";
    struct users *users = NULL;
    char message[128];

    cr_expect_eq(
        load(text, sizeof(text) - 1, 0602, &users, message, sizeof(message)),
        ERR_NOT_PERMITTED);
    cr_expect(strstr(message, ": others can write to it"), "%s", message);
    cr_expect_null(users);
}

Test(users, file_with_an_error_tells_file_and_line)
{
    struct users *users = NULL;
    char message[128];

    cr_expect_eq(load("#\nalice\n", 8, 0600, &users, message, sizeof(message)),
                 ERR_MALFORMED);
    cr_expect_str_eq(message, ":2: no colon: user:hash is expected");
    cr_expect_null(users);
}

Test(users, file_that_cannot_be_read_tells_why)
{
    struct users *users = NULL;
    char message[128];

    cr_expect_eq(
        users_load("/nonexistent/users", &users, message, sizeof(message)),
        ERR_NO_SUCH_PATH);
    cr_expect_str_eq(message, "/nonexistent/users: No such file or directory");
    cr_expect_eq(users_load("/proc/self", &users, message, sizeof(message)),
                 ERR_NOT_PERMITTED);
    cr_expect_str_eq(message, "/proc/self: not a regular file");
    cr_expect_null(users);
}

Test(users, endless_file_is_refused)
{
    struct users *users = NULL;
    char message[128];
    char path[64];
    int fd;

    make_file(path, "", 0, 0600);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    cr_assert_eq(ftruncate(fd, USERS_FILE_MAX + 1), 0);
    close(fd);
    cr_expect_eq(users_load(path, &users, message, sizeof(message)), ERR_LIMIT);
    unlink(path);
    cr_expect(strstr(message, "16777216 bytes or more"), "%s", message);
}
