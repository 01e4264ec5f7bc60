/* Public keys for tests, in base64: made for them, their private halves thrown
 * away. */
#ifndef CULVERT_TESTS_UNIT_PUBKEYS_H
#define CULVERT_TESTS_UNIT_PUBKEYS_H

#define PUBKEY_ED25519                                             \
    "AAAAC3NzaC1lZDI1NTE5AAAAIH+cBuybdpybHokurL8/QzpFaUPyV+XYuDxJ" \
    "T+aO1QS2"
#define PUBKEY_P256                                                \
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBDCO1r2/" \
    "OVSFctBHpHl1oo8gMgCHaYQTeuRtP6GSjAhZnKxYl5ChnM5yXY0fjVWrOfeX" \
    "k0NdbhCZL3yqPD5fNpA="
#define PUBKEY_P384                                                \
    "AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBNUPuIt6" \
    "2pP3NlnPLWYsO+4R6sGlVYVW5PD01U4cxwkNzk7HpUlFKTPfvBtM+jsNtNic" \
    "we6vUTY1pJ747gkdpT3Xzusn7aJSRBwzZHdFwK6SJHTnlTsGoVE6bx2P3OwU" \
    "Yg=="
#define PUBKEY_P521                                                \
    "AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAGafabU" \
    "YKa1+xptuvJ3bwloBHnVt3kr/95Ap/LjRTxOHGz9vylz2n6ocmhevrTjGIH3" \
    "Y1E+MVhcgc/B1OmhgsT1bAAPIW/qSvgfzjSM9jCXenmgdOSQjawMNp28oxmg" \
    "DCQ4vkrvutCfRjiaa2t7pozaTvS0iF76lsqDry7Fq3NkNyO91Q=="
#define PUBKEY_RSA                                                 \
    "AAAAB3NzaC1yc2EAAAADAQABAAABAQDQ4a3HTJHuVJwA3cBaereX2ppK22o+" \
    "lPx+ox0AOjIk45Y3Cb8IBjXLg4UzuaKCXNlxnpALewWR5zCY60jKZeDkL30o" \
    "FJSUovysAPdpz0y+Zq/+TKchwDslxH/SD1gY0eXu4tTvxt+lEYBtgtNMf/uF" \
    "J19PX4RenlgOLM/YuH3ZmX34F7mLnktwc64pyQtRT4JXTPMeqrQ+vVGmLR3C" \
    "+2nnkq4UUQUfbJk7T7bM1fkDkTXc9FfcrrVm5nXS1apRz8t0mxhmIoof2ucK" \
    "sfaowKx4QIRsHsTkuiCf4Ep4ALbT03gJEHtL8UAZ7ZJJ23win6BW6fYbCRLY" \
    "fFeKuj6STC2F"
#define PUBKEY_RSA_1024                                            \
    "AAAAB3NzaC1yc2EAAAADAQABAAAAgQCliMHR1Hip7AFXpKZ3o281N+l0VN+1" \
    "nIriAyTYdesbw/zmvNNs4J0iEbcTRZly6kYCjxxqgWlKvaH5oyw7fLCPtuGS" \
    "B0VHMqhL6BzHBTm+JuwVLCOeng4BsFlJIYAd1ZgKeqF8ez4s68UoHQY+wZI4" \
    "uwRRZQACTvq1sKpxHxyarw=="
#define PUBKEY_SK_ED25519                                          \
    "AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIH+cBuybdpybHoku" \
    "rL8/QzpFaUPyV+XYuDxJT+aO1QS2AAAABHNzaDo="
#define PUBKEY_SK_P256                                             \
    "AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAAIbmlz" \
    "dHAyNTYAAABBBDCO1r2/OVSFctBHpHl1oo8gMgCHaYQTeuRtP6GSjAhZnKxY" \
    "l5ChnM5yXY0fjVWrOfeXk0NdbhCZL3yqPD5fNpAAAAAEc3NoOg=="

/* A second one of the first type. */
#define PUBKEY_OTHER                                               \
    "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZ" \
    "GhscHR4f"

/* What no key may be. */
#define PUBKEY_BAD_RSA_760                                         \
    "AAAAB3NzaC1yc2EAAAADAQABAAAAYAClpaWlpaWlpaWlpaWlpaWlpaWlpaWl" \
    "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWl" \
    "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpQ=="
#define PUBKEY_BAD_RSA_1023                                        \
    "AAAAB3NzaC1yc2EAAAADAQABAAAAgH+lpaWlpaWlpaWlpaWlpaWlpaWlpaWl" \
    "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWl" \
    "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWl" \
    "paWlpaWlpaWlpaWlpaWl"
#define PUBKEY_BAD_RSA_NEGATIVE                                    \
    "AAAAB3NzaC1yc2EAAAADAQABAAAAgKWlpaWlpaWlpaWlpaWlpaWlpaWlpaWl" \
    "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWl" \
    "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWl" \
    "paWlpaWlpaWlpaWlpaWl"
#define PUBKEY_BAD_SHORT                                           \
    "AAAAC3NzaC1lZDI1NTE5AAAAIH+cBuybdpybHokurL8/QzpFaUPyV+XYuDxJ" \
    "T+aO1QQ="
#define PUBKEY_BAD_TAIL                                            \
    "AAAAC3NzaC1lZDI1NTE5AAAAIH+cBuybdpybHokurL8/QzpFaUPyV+XYuDxJ" \
    "T+aO1QS2AA=="
#define PUBKEY_BAD_TYPE_ALONE "AAAAC3NzaC1lZDI1NTE5"
#define PUBKEY_BAD_CURVE                                           \
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAzODQAAABBBDCO1r2/" \
    "OVSFctBHpHl1oo8gMgCHaYQTeuRtP6GSjAhZnKxYl5ChnM5yXY0fjVWrOfeX" \
    "k0NdbhCZL3yqPD5fNpA="
#define PUBKEY_BAD_POINT                                           \
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAAAhAjCO1r2/" \
    "OVSFctBHpHl1oo8gMgCHaYQTeuRtP6GSjAhZ"
#define PUBKEY_BAD_SK                                              \
    "AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIH+cBuybdpybHoku" \
    "rL8/QzpFaUPyV+XYuDxJT+aO1QS2"

#endif
