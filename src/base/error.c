/* The text of the last failure. Inside a parallel region each thread has its own; the pool keeps
 * the one of the lowest task that failed, so the message too is the same for any number of threads.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/context.h"

typedef struct error_place {
    qn_status *status;
    char *text;
} error_place;

/* Where this thread's failures go. The context's lock is held. */
static error_place error_find(qn_context *ctx)
{
    const pthread_t self = pthread_self();

    for (int32_t i = 0; i < ctx->n_error_slots; i++)
        if (pthread_equal(ctx->error_slot[i].owner, self))
            return (error_place){&ctx->error_slot[i].status, ctx->error_slot[i].text};
    return (error_place){&ctx->error_status, ctx->error};
}

static qn_status error_set(qn_context *ctx, qn_status status, const char *text)
{
    error_place place;

    pthread_mutex_lock(&ctx->lock);
    place = error_find(ctx);
    *place.status = status;
    snprintf(place.text, QN_ERROR_BYTES, "%s", text);
    pthread_mutex_unlock(&ctx->lock);
    return status;
}

const char *qn_context_error(const qn_context *ctx)
{
    /* The lock is part of the context; nothing that the caller sees changes. */
    qn_context *locked = (qn_context *)ctx;
    const char *text;

    if (!ctx)
        return "";
    pthread_mutex_lock(&locked->lock);
    text = error_find(locked).text;
    pthread_mutex_unlock(&locked->lock);
    return text;
}

qn_status qn_fail(qn_context *ctx, qn_status status, const char *format, ...)
{
    char text[QN_ERROR_BYTES]; /* apart, since an argument may be the old text */
    va_list arguments;

    if (!ctx)
        return status;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return error_set(ctx, status, text);
}

qn_status qn_fail_errno(qn_context *ctx, qn_status status, int error_number, const char *format,
                        ...)
{
    char text[QN_ERROR_BYTES], reason[128];
    const char *named = strerror_r(error_number, reason, sizeof reason);
    va_list arguments;
    int length;

    if (!ctx)
        return status;
    if (error_number == ENOSPC)
        named = "the disk is full";
    else if (error_number == EDQUOT)
        named = "the disk quota is used up";
    va_start(arguments, format);
    length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < sizeof text)
        snprintf(text + length, sizeof text - (size_t)length, ": %s", named);
    return error_set(ctx, status, text);
}

qn_status qn_fail_prefix(qn_context *ctx, qn_status status, const char *format, ...)
{
    char text[QN_ERROR_BYTES];
    va_list arguments;
    int length;

    if (!ctx)
        return status;
    va_start(arguments, format);
    length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < sizeof text)
        snprintf(text + length, sizeof text - (size_t)length, ": %s", qn_context_error(ctx));
    return error_set(ctx, status, text);
}

void qn_error_clear(qn_context *ctx)
{
    error_set(ctx, QN_OK, "");
}
