/* The book is a file of the scratch folder: a head, then what the data were described with. */
#include "engine/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "base/identity.h"
#include "base/stage.h"
#include "engine/comm.h"
#include "engine/store_impl.h"

#define BOOK         "kept"
#define BOOK_NEW     "kept.new"
#define BUFFER_BYTES ((size_t)64 << 10)
#define MAX_STORES   8

typedef struct kept_head {
    char magic[8];
    uint64_t program, boot, key;
    int32_t rank, size;
    int64_t bytes; /* behind the head */
    uint64_t checksum;
} kept_head;

#define KEPT_MAGIC "QNKEPT01"

struct qn_kept {
    qn_context *ctx;
    bool is_reading;
    int fd;
    kept_head head;
    char *buffer;        /* [BUFFER_BYTES], under one checksum each */
    size_t used, filled; /* bytes of the buffer that were put or taken; that were read */
    int64_t left;        /* reading: bytes of the book behind the buffer */
    qn_store *store[MAX_STORES];
    int n_stores;
};

static qn_scratch *scratch_of(const qn_kept *book)
{
    return &book->ctx->stores->scratch;
}

static void fill_head(const qn_context *ctx, uint64_t key, kept_head *head)
{
    char boot[64];

    qn_boot_id(boot, sizeof boot);
    memset(head, 0, sizeof *head);
    memcpy(head->magic, KEPT_MAGIC, sizeof head->magic);
    head->program = qn_program_hash();
    head->boot = XXH3_64bits(boot, strlen(boot));
    head->key = key;
    head->rank = qn_rank(ctx);
    head->size = qn_size(ctx);
}

static qn_status create(qn_context *ctx, uint64_t key, qn_kept **book)
{
    qn_status st = QN_OK;
    qn_kept *b = NULL;

    *book = NULL;
    QN_NEW0(ctx, b, 1, "book of kept data");
    b->ctx = ctx;
    b->fd = -1;
    fill_head(ctx, key, &b->head);
    QN_NEW(ctx, b->buffer, (int64_t)BUFFER_BYTES, "book of kept data");
    *book = b;
    b = NULL;
done:
    qn_kept_free(b);
    return st;
}

void qn_kept_free(qn_kept *book)
{
    if (!book)
        return;
    if (book->fd >= 0) {
        close(book->fd);
        if (!book->is_reading)
            qn_scratch_remove(scratch_of(book), BOOK_NEW);
    }
    qn_free(book->buffer);
    qn_free(book);
}

void qn_store_unkeep(qn_store *store)
{
    if (atomic_exchange(&store->is_kept, false))
        qn_scratch_remove(&store->all->scratch, BOOK);
}

/* The checksum of each buffer is the seed of the next. */
static void add_to_checksum(qn_kept *book, size_t bytes)
{
    book->head.checksum = XXH3_64bits_withSeed(book->buffer, bytes, book->head.checksum);
}

/* ---- writing ---- */

static qn_status put(qn_kept *book, const void *data, size_t bytes, int64_t offset)
{
    for (size_t done = 0; done < bytes;) {
        const int planned = qn_write_planned(book->ctx);
        const ssize_t n = planned ? -1
                                  : pwrite(book->fd, (const char *)data + done, bytes - done,
                                           (off_t)(offset + (int64_t)done));

        if (n < 0 && !planned && errno == EINTR)
            continue;
        if (n <= 0)
            return qn_fail_write(book->ctx,
                                 planned ? planned
                                 : n < 0 ? errno
                                         : EIO,
                                 scratch_of(book)->path, (double)offset);
        done += (size_t)n;
    }
    return QN_OK;
}

static qn_status flush(qn_kept *book)
{
    const size_t bytes = book->used;

    book->used = 0;
    add_to_checksum(book, bytes);
    book->head.bytes += (int64_t)bytes;
    return put(book, book->buffer, bytes,
               (int64_t)sizeof book->head + book->head.bytes - (int64_t)bytes);
}

qn_status qn_kept_begin(qn_context *ctx, uint64_t key, qn_kept **book)
{
    qn_fault fault;
    qn_status st = QN_OK;
    qn_kept *b = NULL;

    *book = NULL;
    QN_TRY(create(ctx, key, &b));
    qn_scratch_remove(&ctx->stores->scratch, BOOK);
    qn_scratch_remove(&ctx->stores->scratch, BOOK_NEW);
    if (qn_scratch_open(ctx, &ctx->stores->scratch, BOOK_NEW, &b->fd, &fault) != QN_OK)
        QN_TRY(qn_fail(ctx, fault.status, "%s", fault.text));
    *book = b;
    b = NULL;
done:
    qn_kept_free(b);
    return st;
}

qn_status qn_kept_commit(qn_kept *book)
{
    const qn_scratch *scratch = scratch_of(book);
    qn_status st = QN_OK;
    int planned;

    QN_TRY(flush(book));
    QN_TRY(put(book, &book->head, sizeof book->head, 0));
    planned = qn_write_planned(book->ctx);
    if (planned || renameat(scratch->folder, BOOK_NEW, scratch->folder, BOOK) != 0)
        QN_TRY(qn_fail_write(book->ctx, planned ? planned : errno, scratch->path,
                             (double)book->head.bytes));
    for (int s = 0; s < book->n_stores; s++)
        atomic_store(&book->store[s]->is_kept, true);
done:
    return st;
}

/* ---- reading ---- */

static bool get(int fd, void *data, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        const ssize_t n = read(fd, (char *)data + done, bytes - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* Whether the book that lies in the folder is whole and of this head; then it stands behind it. */
static bool check(qn_kept *book)
{
    kept_head head;
    struct stat info;

    if (!get(book->fd, &head, sizeof head) || fstat(book->fd, &info) != 0 || head.bytes < 0 ||
        info.st_size != (off_t)sizeof head + head.bytes)
        return false;
    book->head.bytes = head.bytes;
    for (int64_t left = head.bytes; left > 0; left -= (int64_t)BUFFER_BYTES) {
        const size_t n = left < (int64_t)BUFFER_BYTES ? (size_t)left : BUFFER_BYTES;

        if (!get(book->fd, book->buffer, n))
            return false;
        add_to_checksum(book, n);
    }
    book->left = head.bytes;
    return memcmp(&head, &book->head, sizeof head) == 0 &&
           lseek(book->fd, (off_t)sizeof head, SEEK_SET) == (off_t)sizeof head;
}

qn_status qn_kept_find(qn_context *ctx, const char *run, uint64_t key, qn_kept **book)
{
    qn_scratch *scratch = &ctx->stores->scratch;
    qn_status st = QN_OK;
    qn_kept *b = NULL;

    *book = NULL;
    st = qn_scratch_set_run(ctx, run);
    if (st != QN_OK || !qn_scratch_adopt(ctx, BOOK))
        return st;
    QN_TRY(create(ctx, key, &b));
    b->is_reading = true;
    b->fd = openat(scratch->folder, BOOK, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (b->fd >= 0 && check(b)) {
        *book = b;
        b = NULL;
    }
done:
    if (!*book)
        qn_scratch_discard(scratch);
    qn_kept_free(b);
    return st;
}

void qn_kept_settle(qn_context *ctx, qn_kept *book, bool use)
{
    qn_scratch *scratch = &ctx->stores->scratch;
    const char *name[MAX_STORES + 1] = {BOOK};

    if (book && use) {
        for (int s = 0; s < book->n_stores; s++) {
            name[s + 1] = book->store[s]->file;
            atomic_store(&book->store[s]->is_kept, true);
        }
        qn_scratch_keep_only(scratch, name, book->n_stores + 1);
    } else if (book) {
        qn_scratch_discard(scratch);
    }
    if (ctx->scratch_dir)
        qn_scratch_sweep(ctx->scratch_dir, true, NULL);
}

/* ---- both ---- */

bool qn_kept_is_reading(const qn_kept *book)
{
    return book->is_reading;
}

static qn_status take(qn_kept *book, char *data, size_t bytes)
{
    while (bytes > 0) {
        const size_t left = book->filled - book->used, n = bytes < left ? bytes : left;
        const size_t next = book->left < (int64_t)BUFFER_BYTES ? (size_t)book->left : BUFFER_BYTES;

        memcpy(data, book->buffer + book->used, n);
        book->used += n;
        data += n;
        bytes -= n;
        if (bytes == 0)
            break;
        if (next == 0 || !get(book->fd, book->buffer, next))
            return qn_fail(book->ctx, QN_EDATA, "the book of kept data in %s is cut off",
                           scratch_of(book)->path);
        book->left -= (int64_t)next;
        book->filled = next;
        book->used = 0;
    }
    return QN_OK;
}

qn_status qn_kept_bytes(qn_kept *book, void *data, size_t bytes)
{
    const char *from = data;
    qn_status st = QN_OK;

    if (book->is_reading)
        return take(book, data, bytes);
    while (bytes > 0) {
        const size_t room = BUFFER_BYTES - book->used, n = bytes < room ? bytes : room;

        memcpy(book->buffer + book->used, from, n);
        book->used += n;
        from += n;
        bytes -= n;
        if (book->used == BUFFER_BYTES)
            QN_TRY(flush(book));
    }
done:
    return st;
}

/* Items of that size that the rest of the book can hold. */
static int64_t most_items(const qn_kept *book, size_t item_bytes)
{
    return (book->left + (int64_t)BUFFER_BYTES) / (int64_t)item_bytes;
}

qn_status qn_kept_array(qn_kept *book, void **array, int64_t n, size_t item_bytes, const char *what)
{
    qn_context *ctx = book->ctx;
    int64_t count = *array && !book->is_reading ? n : -1;
    qn_status st = QN_OK;

    if (book->is_reading)
        *array = NULL;
    QN_TRY(qn_kept_bytes(book, &count, sizeof count));
    if (count < 0)
        return QN_OK;
    if (book->is_reading) {
        if (count != n || n > most_items(book, item_bytes))
            QN_TRY(qn_fail(ctx, QN_EDATA, "the book of kept data in %s holds other %s",
                           scratch_of(book)->path, what));
        QN_TRY(qn_alloc_array(ctx, array, n, item_bytes, what));
    }
    QN_TRY(qn_kept_bytes(book, *array, (size_t)n * item_bytes));
done:
    return st;
}

qn_status qn_kept_items(qn_kept *book, void **array, int64_t n, size_t item_bytes, const char *what)
{
    qn_context *ctx = book->ctx;
    bool is_there = !book->is_reading && *array;
    qn_status st = QN_OK;

    if (book->is_reading)
        *array = NULL;
    QN_TRY(qn_kept_bytes(book, &is_there, sizeof is_there));
    if (!is_there || !book->is_reading)
        return QN_OK;
    if (n < 0 || n > most_items(book, 1))
        QN_TRY(qn_fail(ctx, QN_EDATA, "the book of kept data in %s holds other %s",
                       scratch_of(book)->path, what));
    QN_TRY(qn_calloc_array(ctx, array, n, item_bytes, what));
done:
    return st;
}

qn_status qn_kept_struct(qn_kept *book, void **data, size_t bytes, const char *what)
{
    void *all = *data;
    qn_status st = QN_OK;

    if (!book->is_reading)
        return qn_kept_bytes(book, all, bytes);
    *data = NULL;
    QN_TRY(qn_alloc_array(book->ctx, &all, 1, bytes, what));
    QN_TRY(qn_kept_bytes(book, all, bytes));
    *data = all;
    all = NULL;
done:
    qn_free(all);
    return st;
}

qn_status qn_kept_text(qn_kept *book, char **text)
{
    int64_t length = !book->is_reading && *text ? (int64_t)strlen(*text) : -1;
    qn_status st = QN_OK;

    if (book->is_reading)
        *text = NULL;
    QN_TRY(qn_kept_bytes(book, &length, sizeof length));
    if (length >= 0)
        QN_TRY(qn_kept_array(book, (void **)text, length + 1, 1, "texts"));
    if (book->is_reading && *text)
        (*text)[length] = '\0';
done:
    return st;
}

static store_place place_of(const qn_store *store, int64_t number)
{
    const store_block *b = qn_store_block_at(store, number);

    return (store_place){b->partition, (int64_t)b->bytes, b->offset, b->checksum};
}

/* What the book says of a store, before its places. */
typedef struct kept_store {
    char name[128], file[STORE_NAME_BYTES];
    int64_t n_blocks;
} kept_store;

static qn_status put_store(qn_kept *book, qn_store *store)
{
    kept_store head = {.n_blocks = qn_store_n_blocks(store)};
    qn_status st = QN_OK;

    QN_TRY(qn_store_write_through(book->ctx, store));
    snprintf(head.name, sizeof head.name, "%s", store->name);
    memcpy(head.file, store->file, sizeof head.file);
    QN_TRY(qn_kept_bytes(book, &head, sizeof head));
    for (int64_t b = 0; b < head.n_blocks; b++) {
        store_place place = place_of(store, b);

        QN_TRY(qn_kept_bytes(book, &place, sizeof place));
    }
done:
    return st;
}

static qn_status take_store(qn_kept *book, qn_store **store)
{
    qn_context *ctx = book->ctx;
    store_place *place = NULL;
    kept_store head;
    qn_status st = QN_OK;

    *store = NULL;
    QN_TRY(qn_kept_bytes(book, &head, sizeof head));
    if (head.n_blocks < 0 || head.n_blocks > most_items(book, sizeof *place) ||
        !memchr(head.file, '\0', sizeof head.file) || !memchr(head.name, '\0', sizeof head.name))
        QN_TRY(qn_fail(ctx, QN_EDATA, "the book of kept data in %s holds other blocks",
                       scratch_of(book)->path));
    QN_NEW(ctx, place, head.n_blocks, "places of blocks");
    QN_TRY(qn_kept_bytes(book, place, (size_t)head.n_blocks * sizeof *place));
    QN_TRY(qn_store_adopt(ctx, head.name, head.file, place, head.n_blocks, store));
done:
    qn_free(place);
    return st;
}

qn_status qn_kept_store(qn_kept *book, qn_store **store)
{
    qn_status st = QN_OK;

    if (book->n_stores == MAX_STORES)
        return qn_fail(book->ctx, QN_EINTERNAL, "a book holds %d stores at most", MAX_STORES);
    QN_TRY(book->is_reading ? take_store(book, store) : put_store(book, *store));
    book->store[book->n_stores++] = *store;
done:
    return st;
}
