/* The bytes of one block to its scratch file and back. A file is a row of records, each at a
 * multiple of a page: store_record, then the block. What is written is on the disk before the
 * memory is freed, and neither is left in the page cache: a memory cgroup counts that too, and
 * dirty pages that pile up there stall everyone at once.
 *
 * Blocks that lie in pages of their own go past the page cache: half again as fast. In memory the
 * allocator has as many bytes before a block as a record has in the file, so that the pages of both
 * have the same shape. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/stage.h"
#include "base/system.h"
#include "base/text.h"
#include "engine/store_impl.h"

#define STEP_BYTES ((size_t)4 << 20)
#define PAGE_BYTES ((size_t)4096)

static int64_t record_bytes(size_t bytes)
{
    return (int64_t)((sizeof(store_record) + bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1));
}

/* "007-ratings-by-user.blocks" */
static void name_file(qn_store *store, int64_t number)
{
    char name[40];
    size_t n = 0;

    for (; store->name[n] && n < sizeof name - 1; n++) {
        const char c = store->name[n];
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '-' || c == '_';

        name[n] = is_plain ? c : '-';
    }
    name[n] = '\0';
    snprintf(store->file, sizeof store->file, "%03lld-%s.blocks", (long long)number, name);
}

/* Opens the store's file if this is its first block. */
static qn_status open_file(qn_store *store, qn_fault *fault)
{
    qn_stores *all = store->all;
    qn_status st = QN_OK;
    int fd;

    if (atomic_load(&store->fd) >= 0)
        return QN_OK;
    pthread_mutex_lock(&all->opening);
    if (atomic_load(&store->fd) < 0) {
        name_file(store, ++all->n_files);
        st = qn_scratch_open(all->ctx, &all->scratch, store->file, &fd, fault);
        if (st == QN_OK)
            store->direct = openat(all->scratch.folder, store->file, O_RDWR | O_DIRECT | O_CLOEXEC);
        atomic_store(&store->fd, fd);
    }
    pthread_mutex_unlock(&all->opening);
    return st;
}

bool qn_store_open_file(qn_store *store, const char *file)
{
    qn_stores *all = store->all;
    const long long number = strtoll(file, NULL, 10);
    struct stat info;
    int fd;

    if (strlen(file) >= sizeof store->file || strchr(file, '/'))
        return false;
    fd = openat(all->scratch.folder, file, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    store->file_end = record_bytes((size_t)info.st_size);
    memcpy(store->file, file, strlen(file) + 1);
    store->direct = openat(all->scratch.folder, file, O_RDWR | O_DIRECT | O_CLOEXEC);
    atomic_store(&store->fd, fd);
    pthread_mutex_lock(&all->opening);
    all->n_files = all->n_files > number ? all->n_files : number; /* the next get other names */
    pthread_mutex_unlock(&all->opening);
    return true;
}

bool qn_store_has_record(const qn_store *store, int64_t number)
{
    const store_block *b = qn_store_block_at(store, number);
    store_record record;
    struct stat info;

    if (b->offset % (int64_t)PAGE_BYTES != 0 || fstat(atomic_load(&store->fd), &info) != 0 ||
        b->offset > info.st_size - (int64_t)(sizeof record + b->bytes))
        return false;
    return pread(atomic_load(&store->fd), &record, sizeof record, b->offset) ==
               (ssize_t)sizeof record &&
           memcmp(record.magic, STORE_MAGIC, sizeof record.magic) == 0 && record.block == number &&
           record.partition == b->partition && record.bytes == (int64_t)b->bytes &&
           record.checksum == b->checksum;
}

/* What a write that ends in `error_number` says: the folder, what is there and what was needed. */
static qn_status fail_spill(const qn_store *store, int error_number, size_t bytes, qn_fault *fault)
{
    const char *folder = store->all->scratch.path;
    char need[32], left[32], fs[16], reason[128];

    qn_format_bytes((double)bytes, need);
    qn_format_bytes((double)qn_disk_free(folder, fs), left);
    return qn_fault_set(fault, QN_EIO,
                        "cannot spill %s of %s to %s/%s (%s free on its %s file system): %s: give "
                        "--scratch a folder with more room, or raise --memory",
                        need, store->name, folder, store->file, left, fs,
                        qn_fault_reason(error_number, reason));
}

/* Waits until the range is on the disk and lets go of its pages. Returns an errno. */
static int settle(qn_context *ctx, int fd, int64_t offset, size_t bytes)
{
    const int planned = qn_write_planned(ctx);

    if (planned)
        return planned;
    if (sync_file_range(fd, offset, (off_t)bytes,
                        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                            SYNC_FILE_RANGE_WAIT_AFTER) != 0) {
        if (errno != EINVAL && errno != ENOSYS && errno != ESPIPE)
            return errno;
        if (fdatasync(fd) != 0)
            return errno;
    }
    posix_fadvise(fd, offset, (off_t)bytes, POSIX_FADV_DONTNEED);
    return 0;
}

/* Writes record and data, step by step. Returns an errno. */
static int put(qn_context *ctx, int fd, int64_t offset, store_record *record, char *data,
               size_t bytes)
{
    const size_t total = sizeof *record + bytes;
    size_t done = 0;

    while (done < total) {
        const size_t start = done < sizeof *record ? 0 : done - sizeof *record;
        const size_t length = bytes - start < STEP_BYTES ? bytes - start : STEP_BYTES;
        struct iovec part[2] = {{.iov_base = (char *)record + done, .iov_len = 0},
                                {.iov_base = data + start, .iov_len = length}};
        const int planned = qn_write_planned(ctx);
        ssize_t n;
        int error_number;

        if (done < sizeof *record)
            part[0].iov_len = sizeof *record - done;
        else
            part[0].iov_base = record;
        if (planned)
            return planned;
        n = pwritev(fd, part, 2, offset + (int64_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        error_number = settle(ctx, fd, offset + (int64_t)done, (size_t)n);
        if (error_number)
            return error_number;
        done += (size_t)n;
    }
    return 0;
}

/* The pages of a block that can go by direct I/O, or NULL. */
static void *pages_of(const qn_store *store, void *data, size_t bytes)
{
    size_t held;
    void *pages = store->direct < 0 ? NULL : qn_alloc_pages(data, &held);

    return pages && held >= (size_t)record_bytes(bytes) ? pages : NULL;
}

/* Returns an errno; EINVAL: try the other way. */
static int put_direct(const qn_store *store, int64_t offset, const store_record *record, void *data,
                      size_t bytes)
{
    void *pages = pages_of(store, data, bytes);
    const int planned = pages ? qn_write_planned(store->all->ctx) : 0;
    char lead[sizeof *record];
    ssize_t n;
    int error_number;

    if (!pages || planned)
        return planned ? planned : EINVAL;
    memcpy(lead, pages, sizeof lead);
    memcpy(pages, record, sizeof *record);
    n = pwrite(store->direct, pages, (size_t)record_bytes(bytes), offset);
    error_number = n < 0 ? errno : n < record_bytes(bytes) ? EINVAL : 0;
    memcpy(pages, lead, sizeof lead);
    return error_number == EINTR ? EINVAL : error_number;
}

/* Whether all could be read. What cannot is read the other way, which tells why. */
static bool get_direct(const qn_store *store, int64_t offset, void *data, size_t bytes)
{
    void *pages = pages_of(store, data, bytes);
    char lead[sizeof(store_record)];
    ssize_t n;

    if (!pages)
        return false;
    memcpy(lead, pages, sizeof lead);
    n = pread(store->direct, pages, (size_t)record_bytes(bytes), offset);
    memcpy(pages, lead, sizeof lead);
    return n >= (ssize_t)(bytes + sizeof lead);
}

void qn_store_punch(qn_store *store, int64_t offset, size_t bytes)
{
    const int fd = atomic_load(&store->fd);

    /* Where holes do not exist the file keeps its size until the store goes. */
    if (fd >= 0 &&
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, record_bytes(bytes)) != 0)
        return;
}

qn_status qn_store_write_block(qn_store *store, int64_t number, int64_t *offset, qn_fault *fault)
{
    const store_block *b = qn_store_block_at(store, number);
    store_record record = {.magic = STORE_MAGIC,
                           .block = number,
                           .partition = b->partition,
                           .bytes = (int64_t)b->bytes,
                           .checksum = b->checksum};
    qn_fault opening;
    int error_number;

    if (open_file(store, &opening) != QN_OK) {
        char need[32];

        qn_format_bytes((double)b->bytes, need);
        return qn_fault_set(fault, opening.status, "cannot spill %s of %s: %s", need, store->name,
                            opening.text);
    }
    pthread_mutex_lock(&store->all->lock);
    *offset = store->file_end;
    store->file_end += record_bytes(b->bytes);
    pthread_mutex_unlock(&store->all->lock);
    error_number = put_direct(store, *offset, &record, b->data, b->bytes);
    if (error_number == EINVAL)
        error_number =
            put(store->all->ctx, atomic_load(&store->fd), *offset, &record, b->data, b->bytes);
    if (!error_number)
        return QN_OK;
    qn_store_punch(store, *offset, b->bytes);
    return fail_spill(store, error_number, b->bytes, fault);
}

qn_status qn_store_read_block(qn_store *store, int64_t number, void *data, qn_fault *fault)
{
    const store_block *b = qn_store_block_at(store, number);
    const int64_t from = b->offset + (int64_t)sizeof(store_record);
    const int fd = atomic_load(&store->fd);
    const bool is_direct = get_direct(store, b->offset, data, b->bytes);
    char reason[128];
    size_t done = is_direct ? b->bytes : 0;

    while (done < b->bytes) {
        const size_t left = b->bytes - done;
        const ssize_t n = pread(fd, (char *)data + done, left < STEP_BYTES ? left : STEP_BYTES,
                                from + (int64_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return qn_fault_set(fault, QN_EIO,
                                "cannot read scratch file %s/%s at offset %lld (block %lld of %s): "
                                "%s: run again with another --scratch",
                                store->all->scratch.path, store->file, (long long)from,
                                (long long)number, store->name, qn_fault_reason(errno, reason));
        if (n == 0)
            break;
        done += (size_t)n;
    }
    if (!is_direct)
        posix_fadvise(fd, b->offset, record_bytes(b->bytes), POSIX_FADV_DONTNEED);
    if (done == b->bytes && XXH3_64bits(data, b->bytes) == b->checksum)
        return QN_OK;
    qn_store_unkeep(store); /* who comes after shall not fall into the same hole */
    return qn_fault_set(
        fault, QN_EIO,
        "scratch file %s/%s is damaged at offset %lld: block %lld of %s %s: someone "
        "changed the file or the disk fails: run again with another --scratch",
        store->all->scratch.path, store->file, (long long)from, (long long)number, store->name,
        done < b->bytes ? "is cut off" : "does not have its checksum");
}

void qn_store_close_file(qn_store *store)
{
    const int fd = atomic_load(&store->fd);

    if (fd < 0)
        return;
    close(fd);
    if (store->direct >= 0)
        close(store->direct);
    qn_scratch_remove(&store->all->scratch, store->file);
}
