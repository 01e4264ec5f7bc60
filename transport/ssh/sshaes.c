#include "transport/ssh/sshaes.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
bool
sshaes_is_fast(void)
{
    unsigned eax, ebx, ecx, edx;

    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_AES) &&
           (ecx & bit_PCLMUL);
}
#elif defined(__aarch64__)
#include <sys/auxv.h>
bool
sshaes_is_fast(void)
{
    return (getauxval(AT_HWCAP) & (1ul << 3)) != 0; /* HWCAP_AES */
}
#else
bool
sshaes_is_fast(void)
{
    return false;
}
#endif
