#include "command.h"

#include <stdarg.h>
#include <stdio.h>

int command_fail(int code, const char *format, ...) {
    va_list arguments;
    fputs("failpoint: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return code;
}
