/* Stands in for Windows' icuuc.dll, which Wine lacks, under Wine alone: never a part of what people install.

   Qt asks it for the codecs of old encodings. ucnv_open fails with U_FILE_ACCESS_ERROR, so Qt says that there is no such
   codec; UTF-8, UTF-16, UTF-32 and Latin-1 it has itself. Of a function that is not called then, the type is no matter. */

#define EXPORTED __declspec(dllexport)
#define FILE_ACCESS_ERROR 4

EXPORTED void *ucnv_open(const char *name, int *error)
{
    (void)name;
    if (error)
        *error = FILE_ACCESS_ERROR;
    return 0;
}

EXPORTED signed char ucnv_getMaxCharSize(const void *converter)
{
    (void)converter;
    return 1;
}

#define NOTHING(name) \
    EXPORTED void *name(void) \
    { \
        return 0; \
    }

NOTHING(UCNV_FROM_U_CALLBACK_SUBSTITUTE)
NOTHING(UCNV_TO_U_CALLBACK_SUBSTITUTE)
NOTHING(ucnv_cbFromUWriteUChars)
NOTHING(ucnv_cbToUWriteUChars)
NOTHING(ucnv_close)
NOTHING(ucnv_countAvailable)
NOTHING(ucnv_fromUCountPending)
NOTHING(ucnv_fromUnicode)
NOTHING(ucnv_getAvailableName)
NOTHING(ucnv_getFromUCallBack)
NOTHING(ucnv_getName)
NOTHING(ucnv_getStandardName)
NOTHING(ucnv_getToUCallBack)
NOTHING(ucnv_reset)
NOTHING(ucnv_setFromUCallBack)
NOTHING(ucnv_setToUCallBack)
NOTHING(ucnv_toUCountPending)
NOTHING(ucnv_toUnicode)
