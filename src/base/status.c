#include "quern/status.h"

#include <stddef.h>

int qn_status_exit_code(qn_status status)
{
    switch (status) {
#define STATUS_CODE(name, code, text)                                                              \
    case name:                                                                                     \
        return code;
        QN_STATUS_LIST(STATUS_CODE)
#undef STATUS_CODE
    }
    return 1;
}

const char *qn_status_text(qn_status status)
{
    switch (status) {
#define STATUS_TEXT(name, code, text)                                                              \
    case name:                                                                                     \
        return text;
        QN_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "an unknown status";
}
