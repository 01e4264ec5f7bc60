#include "transport/wire/codes.h"

#include <criterion/criterion.h>

Test(codes, every_error_has_a_row_of_its_own)
{
    for (int e = 0; e < ERR_COUNT_; e++) {
        cr_assert_neq(codes_of((enum err)e)->http, 0);
        if (e != ERR_IO)
            cr_assert_neq(codes_of((enum err)e), codes_of(ERR_IO), "%s",
                          err_word((enum err)e));
    }
}

Test(codes, what_is_no_error_has_the_row_of_io)
{
    cr_assert_eq(codes_of(ERR_COUNT_), codes_of(ERR_IO));
    cr_assert_eq(codes_of((enum err) - 1), codes_of(ERR_IO));
}
