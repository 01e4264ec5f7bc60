/* Password hashes for tests: some as the programs print them, others made. */
#ifndef CULVERT_TESTS_UNIT_HASHES_H
#define CULVERT_TESTS_UNIT_HASHES_H

#include <crypt.h>
#include <criterion/criterion.h>

/* What the programs printed for the password "open sesame". */
#define OPENSSL_6                                                    \
    "$6$saltSALT$tKcu1STRPVuFOkM7hPZzzF22/.wGa.btjaCKA99/Aok9ixpk1." \
    "0MoadVdnC0m5pJsl3Neb1TIBZjywKWYGWm0/"
#define OPENSSL_5    "$5$saltSALT$9cUwgwvHuTc2QlSZBiuepSMwuYb71Ra.FmMJZBFOxz/"
#define OPENSSL_1    "$1$saltSALT$UYOFtA7eBR26o969OWV6G/"
#define OPENSSL_APR1 "$apr1$saltSALT$QvIMw70iRswg4Z.57siJ21"
#define MKPASSWD_BCRYPT \
    "$2b$05$93Ee0HUHp8tT.e6bt3.k5epVPzCIn.1kCVB9JgAtZw19gcRkpbZ3."

/* A hash made here; cost as crypt_gensalt takes it. Lent until the next. */
static inline const char *
hash_of(const char *prefix, unsigned long cost, const char *password)
{
    static struct crypt_data scratch;
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    const char *hash;

    cr_assert(crypt_gensalt_rn(prefix, cost, NULL, 0, setting, sizeof(setting)),
              "%s", prefix);
    hash = crypt_r(password, setting, &scratch);
    cr_assert(hash && hash[0] != '*', "%s", prefix);
    return hash;
}

#endif
