#include "auth/glob.h"

/* After a mismatch only the last '*' is tried again, one byte further: an
 * earlier one that takes more can not do better. */
bool
glob_matches(const char *glob, size_t glob_len, const char *name,
             size_t name_len)
{
    size_t g = 0;
    size_t n = 0;
    size_t star = glob_len; /* the last '*' seen, if any */
    size_t from = 0;        /* where what it takes ends */

    while (n < name_len) {
        if (g < glob_len && glob[g] == '*') {
            star = g++;
            from = n;
        } else if (g < glob_len && (glob[g] == '?' || glob[g] == name[n])) {
            g++;
            n++;
        } else if (star < glob_len) {
            g = star + 1;
            n = ++from;
        } else {
            return false;
        }
    }
    while (g < glob_len && glob[g] == '*')
        g++;
    return g == glob_len;
}

void
glob_copy_lower(char *to, const char *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] =
            from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] + 32) : from[i];
    to[len] = 0;
}
