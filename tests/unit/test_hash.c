#include "auth/hash.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/hashes.h"

static const char *const printed[] = {
    OPENSSL_6,
    OPENSSL_5,
    OPENSSL_1,
    MKPASSWD_BCRYPT,
    "$2a$05$zXR.I8FBh7xTRDJXcKcMpO4ZdPXvwoJij1Qn8.H2PP4n/uBdK8tNq",
    "$y$j9T$atDcVRwbW17zafjoV7K3v0$/gTXWqJCoARRZvSZjhpR0bskGbKXW15YY4QKknYca.0",
    "$gy$j9T$ZAu2xXqntUQXC7TSDLuxo0$hZ0A7vZ7W4c0QDPs622GJyUM3khZBrdw2hOIkZ5P4q"
    "7",
    "$7$CU..../....ZVclGU.hNKUW0HsePBYyc0$QMZuptVgZrzbz/"
    "znDgVX314rstkRUnk1D/qeHrqj5Q8",
    "$6$rounds=1000$KFWa60EBl6RLHHTd$YnATqTB19uj2lhHznXkLUARZu8R/"
    "XU3sbWfuAbrEmxhcGnM05/7D7Hl8RNOG8JyOGg96aGgilBBgCEOAD2i8P0",
    "$md5,rounds=34550$yNems1GM$$S/w.SH4HtUlPlVEYGkfpm/",
    "_J9..SfXpimuHnhP5kz2",
    "UXf4aRHtVh6nM",
    "$3$$eddcf896aaf1f0c3f83d4daa964f17bf",
};
#define PRINTED_COUNT (sizeof(printed) / sizeof(printed[0]))

static bool
matches(const char *hash, const char *password)
{
    return hash_matches(hash, (const uint8_t *)password, strlen(password));
}

Test(hash, what_openssl_and_mkpasswd_print_is_accepted)
{
    for (size_t i = 0; i < PRINTED_COUNT; i++) {
        const char *fault = hash_fault(printed[i]);

        cr_expect_null(fault, "%s: %s", printed[i], fault);
        cr_expect(matches(printed[i], "open sesame"), "%s", printed[i]);
        cr_expect(!matches(printed[i], "open Sesame"), "%s", printed[i]);
        cr_expect(!matches(printed[i], ""), "%s", printed[i]);
    }
}

Test(hash, each_method_of_libcrypt_works)
{
    static const struct {
        const char *prefix;
        unsigned long cost;
    } methods[] = {
        {"$y$", 1},     {"$gy$", 1},    {"$7$", 6},    {"$2b$", 4},
        {"$2y$", 4},    {"$2a$", 4},    {"$6$", 1000}, {"$5$", 1000},
        {"$sha1", 100}, {"$md5", 4096}, {"$1$", 0},    {"_", 1},
        {"", 0},        {"$3$", 0},
    };

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        const char *hash = hash_of(methods[i].prefix, methods[i].cost, "pw 1");

        cr_expect_null(hash_fault(hash), "%s", hash);
        cr_expect(matches(hash, "pw 1"), "%s", hash);
        cr_expect(!matches(hash, "pw 2"), "%s", hash);
    }
}

Test(hash, empty_password_is_a_password)
{
    const char *hash = hash_of("$6$", 1000, "");

    cr_expect(matches(hash, ""));
    cr_expect(!matches(hash, " "));
}

Test(hash, password_with_a_nul_never_matches)
{
    const char *hash = hash_of("$6$", 1000, "abc");

    cr_expect(matches(hash, "abc"));
    cr_expect(!hash_matches(hash, (const uint8_t *)"abc\0", 4));
    cr_expect(!hash_matches(hash, (const uint8_t *)"abc\0def", 7));
    cr_expect(!hash_matches(hash_of("$6$", 1000, ""), (const uint8_t *)"", 1));
    cr_expect(
        !hash_matches(hash_of("$6$", 1000, "a b"), (const uint8_t *)"a\0b", 3));
}

Test(hash, long_passwords_count_whole_or_not_at_all)
{
    char password[HASH_PASSWORD_MAX + 2];
    char hash[CRYPT_OUTPUT_SIZE];

    memset(password, 'x', sizeof(password));
    password[HASH_PASSWORD_MAX] = 0;
    strcpy(hash, hash_of("$6$", 1000, password));
    cr_expect(matches(hash, password));
    password[HASH_PASSWORD_MAX] = 'x';
    password[HASH_PASSWORD_MAX + 1] = 0;
    cr_expect(!matches(hash, password));
    password[255] = 0;
    cr_expect(!matches(hash, password));
    strcpy(hash, hash_of("$6$", 1000, password));
    cr_expect(matches(hash, password));
}

Test(hash, bytes_beyond_ascii_count)
{
    const char *hash = hash_of("$6$", 1000, "\xc3\xa4\xff");

    cr_expect(matches(hash, "\xc3\xa4\xff"));
    cr_expect(!matches(hash, "\xc3\xa4\xfe"));
}

Test(hash, setting_that_crypt_refuses_matches_nothing)
{
    /* Of the right form, with a cost out of range. */
    static const char bad[] =
        "$2b$99$93Ee0HUHp8tT.e6bt3.k5epVPzCIn.1kCVB9JgAtZw19gcRkpbZ3.";

    cr_expect(!matches(bad, "open sesame"));
    cr_expect(!matches("*0", "open sesame"));
    cr_expect(!matches("*1", "open sesame"));
}

Test(hash, what_is_none_is_refused_with_a_reason)
{
    static const struct {
        const char *hash;
        const char *reason;
    } cases[] = {
        {"", "no password hash"},
        {"*", "locked"},
        {"!", "locked"},
        {"!!", "locked"},
        {"!" OPENSSL_1, "locked"},
        {OPENSSL_APR1, "$apr1$"},
        {"$argon2id$v=19$m=4096$c2FsdA$aGFzaA", "Argon2"},
        {"{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "LDAP"},
        {OPENSSL_1 ":19000:0:99999:7:::", "colon"},
        {"hunter2", "plain password"},
        {"correct horse battery staple", "not a hash"},
        {"password12345678", "plain password"},
        {"$9$abc$def", "not a hash"},
        {OPENSSL_1 " ", "not a hash"},
        {"$6$", "cut short"},
        {"$6$saltSALT", "cut short"},
        {"$1$saltSALT$UYOFtA7eBR26o969OWV6G", "cut short"},
        {"$1$saltSALT$UYOFtA7eBR26o969OWV6G//", "too long"},
        {"_J9..SfXpimuHnhP5kz", "plain password"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *fault = hash_fault(cases[i].hash);

        cr_expect(fault && strstr(fault, cases[i].reason), "%s: %s",
                  cases[i].hash, fault);
    }
}
