#include "transport/wire/wire.h"

#include <string.h>

void
wire_credentials_wipe(struct wire_credentials *credentials)
{
    explicit_bzero(credentials, sizeof(*credentials));
}
