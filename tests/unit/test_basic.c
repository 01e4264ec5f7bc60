#include "transport/wire/basic.h"

#include <criterion/criterion.h>
#include <string.h>

static bool
decodes(const char *text)
{
    struct wire_credentials out;

    return basic_decode(text, strlen(text), &out);
}

Test(basic, decodes_user_and_password)
{
    struct wire_credentials out;

    cr_assert(basic_decode("dXNlcjpwYXNz", 12, &out));
    cr_assert_eq(out.user_len, 4);
    cr_assert_arr_eq(out.user, "user", 4);
    cr_assert_eq(out.password_len, 4);
    cr_assert_arr_eq(out.password, "pass", 4);
}

Test(basic, first_colon_ends_the_user_name)
{
    struct wire_credentials out;

    cr_assert(basic_decode("YTpiOmM=", 8, &out)); /* a:b:c */
    cr_assert_eq(out.user_len, 1);
    cr_assert_eq(out.password_len, 3);
    cr_assert_arr_eq(out.password, "b:c", 3);
}

Test(basic, either_side_may_be_empty)
{
    struct wire_credentials out;

    cr_assert(basic_decode("Og==", 4, &out)); /* : */
    cr_assert_eq(out.user_len, 0);
    cr_assert_eq(out.password_len, 0);
}

Test(basic, text_without_a_colon_is_refused)
{
    cr_assert_not(decodes("dXNlcg==")); /* user */
}

Test(basic, padding_must_be_exact)
{
    cr_assert(decodes("YTo="));
    cr_assert_not(decodes("YTo"));
    cr_assert_not(decodes("YTo=="));
    cr_assert_not(decodes("YTo=AAAA"));
    cr_assert_not(decodes("YTo====="));
    cr_assert_not(decodes("===="));
    cr_assert_not(decodes("O==="));
    cr_assert_not(decodes(""));
}

Test(basic, bits_left_over_must_be_zero)
{
    cr_assert(decodes("Og=="));
    for (const char *c = "hijklmnopqrstuv"; *c; c++) {
        char text[] = "Og==";

        text[1] = *c;
        cr_assert_not(decodes(text), "%s", text);
    }
    cr_assert_not(decodes("YTp="));
}

Test(basic, other_bytes_are_refused)
{
    for (unsigned c = 0; c < 256; c++) {
        char text[] = "YTpiYWI?";
        struct wire_credentials out;
        bool digit = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                     (c >= 'a' && c <= 'z') || c == '+' || c == '/';

        text[7] = (char)c;
        cr_assert_eq(basic_decode(text, 8, &out), digit || c == '=', "%u", c);
    }
}

Test(basic, refused_text_leaves_the_output_alone)
{
    struct wire_credentials out;
    struct wire_credentials before;

    memset(&out, 0xa5, sizeof(out));
    before = out;
    cr_assert_not(basic_decode("dXNlcg==", 8, &out));
    cr_assert_eq(memcmp(&out, &before, sizeof(out)), 0);
}

Test(basic, encoded_is_decoded_at_every_length)
{
    struct wire_credentials in;
    struct wire_credentials out;
    char text[BASIC_SIZE];

    for (unsigned user = 0; user < 256; user += 15) {
        for (unsigned password = 0; password < 256; password++) {
            size_t len;

            memset(&in, 0, sizeof(in));
            in.user_len = (uint8_t)user;
            in.password_len = (uint8_t)password;
            memset(in.user, 0xfe, user);
            for (unsigned i = 0; i < password; i++)
                in.password[i] = (uint8_t)(i + password);
            len = basic_encode(&in, text);
            cr_assert_eq(len, strlen(text));
            memset(&out, 0, sizeof(out));
            cr_assert(basic_decode(text, len, &out));
            cr_assert_eq(memcmp(&in, &out, sizeof(in)), 0);
        }
    }
}

Test(basic, 256_bytes_of_either_are_refused)
{
    char text[BASIC_SIZE + 8];

    /* "AAA..." are NUL bytes; OkFB is ":AA" with its colon first. */
    memset(text, 'A', sizeof(text));
    memcpy(text + 340, "OkFB", 4); /* 255 bytes, then the colon */
    text[360] = 0;
    cr_assert(decodes(text));
    memset(text, 'A', sizeof(text));
    memcpy(text + 340, "AEE6", 4); /* 257 bytes, then the colon */
    text[360] = 0;
    cr_assert_not(decodes(text));
    memset(text, 'A', sizeof(text));
    memcpy(text, "OkFB", 4); /* the colon, then 257 bytes */
    text[344] = 0;
    cr_assert_not(decodes(text));
    memset(text, 'A', sizeof(text));
    memcpy(text, "OkFB", 4); /* longer than both together */
    text[BASIC_SIZE - 1] = 0;
    cr_assert_not(decodes(text));
    text[BASIC_SIZE - 1] = 'A';
    text[BASIC_SIZE + 3] = 0;
    cr_assert_not(decodes(text));
}

Test(basic, user_with_a_colon_has_no_form)
{
    static const struct wire_credentials in = {3, 1, "a:b", "c"};
    char text[BASIC_SIZE];

    cr_assert_eq(basic_encode(&in, text), 0);
}
