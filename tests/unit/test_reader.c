#include "transport/base/reader.h"

#include <criterion/criterion.h>
#include <string.h>

Test(reader, reads_what_is_there)
{
    static const uint8_t bytes[] = {1, 2, 3, 'a', 'b'};
    struct reader r = reader_over(bytes, sizeof(bytes));

    cr_assert_eq(reader_u8(&r), 1);
    cr_assert_eq(reader_u16(&r), 0x0203);
    cr_assert_eq(reader_bytes(&r, 2), bytes + 3);
    cr_assert_not(r.failed);
    cr_assert_eq(r.at, r.end);
}

Test(reader, number_is_in_network_order)
{
    struct reader r = reader_over("\xff\xfe", 2);

    cr_assert_eq(reader_u16(&r), 0xfffe);
}

Test(reader, nothing_is_left_at_the_end)
{
    struct reader r = reader_over("x", 1);

    reader_u8(&r);
    cr_assert_not(r.failed);
    cr_assert_eq(reader_u8(&r), 0);
    cr_assert(r.failed);
}

Test(reader, half_a_number_is_missing)
{
    struct reader r = reader_over("x", 1);

    cr_assert_eq(reader_u16(&r), 0);
    cr_assert(r.failed);
}

Test(reader, more_bytes_than_there_are_lend_nothing)
{
    struct reader r = reader_over("abc", 3);

    cr_assert_null(reader_bytes(&r, 4));
    cr_assert(r.failed);
    r = reader_over("abc", 3);
    cr_assert_null(reader_bytes(&r, SIZE_MAX));
    cr_assert(r.failed);
}

Test(reader, failure_sticks)
{
    struct reader r = reader_over("abc", 3);

    reader_bytes(&r, 4);
    cr_assert_eq(reader_u8(&r), 0);
    cr_assert_eq(reader_u16(&r), 0);
    cr_assert_null(reader_bytes(&r, 0));
    cr_assert(r.failed);
}

Test(reader, no_bytes_are_always_there)
{
    struct reader r = reader_over("", 0);

    cr_assert_not_null(reader_bytes(&r, 0));
    cr_assert_not(r.failed);
}
