/* Results of every call that can fail, and the exit codes that commands give for them. */
#ifndef QUERN_STATUS_H
#define QUERN_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define QN_API __attribute__((visibility("default")))
#else
#define QN_API
#endif

/* name, exit code, meaning. One list yields the enum, the exit codes and the texts. */
#define QN_STATUS_LIST(X)                                                                          \
    X(QN_OK, 0, "done")                                                                            \
    X(QN_ENOMEM, 1, "not enough memory")                                                           \
    X(QN_EIO, 1, "reading or writing failed")                                                      \
    X(QN_EUNAVAILABLE, 1, "an optional part is not installed")                                     \
    X(QN_EINTERNAL, 1, "a defect in Quern")                                                        \
    X(QN_EINVAL, 2, "an option does not fit")                                                      \
    X(QN_ENOTFOUND, 2, "no such path or column")                                                   \
    X(QN_EEXISTS, 2, "the output is there already")                                                \
    X(QN_EGATE, 3, "a gate said no")                                                               \
    X(QN_EDATA, 4, "bad data or model")                                                            \
    X(QN_EBUSY, 75, "a lock is held or workers are missing, try again")                            \
    X(QN_ECANCELLED, 130, "interrupted")

typedef enum qn_status {
#define QN_STATUS_ENUM(name, code, text) name,
    QN_STATUS_LIST(QN_STATUS_ENUM)
#undef QN_STATUS_ENUM
} qn_status;

/* Exit code of a command that ends with `status`: 130 for QN_ECANCELLED (SIGTERM makes it 143,
 * which only the caller that saw the signal knows). */
QN_API int qn_status_exit_code(qn_status status);

/* A few words; never NULL. The message that names file, value and limit is qn_context_error(). */
QN_API const char *qn_status_text(qn_status status);

#ifdef __cplusplus
}
#endif
#endif
