/* Stands in for mscms.dll under Wine alone: never a part of what people install.

   Qt's windows plugin asks for a colour profile while it looks at the screens, by a function whose absence in Wine ends
   the process. Told that there is no profile, Qt takes sRGB. */

#define EXPORTED __declspec(dllexport)

EXPORTED void *OpenColorProfileW(void *profile, unsigned access, unsigned share, unsigned mode)
{
    (void)profile, (void)access, (void)share, (void)mode;
    return 0;
}

EXPORTED int CloseColorProfile(void *profile)
{
    (void)profile;
    return 1;
}

EXPORTED int GetColorProfileFromHandle(void *profile, unsigned char *content, unsigned *size)
{
    (void)profile, (void)content, (void)size;
    return 0;
}

EXPORTED void *WcsCreateIccProfile(void *profile, unsigned options)
{
    (void)profile, (void)options;
    return 0;
}
