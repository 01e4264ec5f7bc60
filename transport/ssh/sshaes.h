/* Whether this processor has instructions for aes-gcm: with them it is twice as
 * fast end to end as chacha20, and without them it is the other way round. */
#ifndef CULVERT_TRANSPORT_SSH_SSHAES_H
#define CULVERT_TRANSPORT_SSH_SSHAES_H

#include <stdbool.h>

bool sshaes_is_fast(void);

#endif
