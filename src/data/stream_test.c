/* Packed files, pipes and standard input. */
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "check.h"
#include "dump.h"
#include "quern/quern.h"

#define N_ROWS 50000

typedef struct fixture {
    qn_context *ctx;
    char dir[64];
    qn_string csv, rows; /* a file and what it holds */
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    const qn_context_options options = {.threads = 1, .memory = (size_t)1 << 28};

    *state = f;
    fresh_dir(f->dir);
    qn_string_add(&f->csv, "userId,movieId,rating\n");
    for (int i = 0; i < N_ROWS; i++) {
        qn_string_addf(&f->csv, "%d,%d,%d.5\n", i, i * 7919 % 10007, i % 5);
        qn_string_addf(&f->rows, "%d|%d.5\n", i, i % 5);
    }
    return qn_context_create(&options, &f->ctx) == QN_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    CHECK_EQ(qn_alloc_live(f->ctx), 0);
    qn_remove_tree(f->ctx, f->dir);
    qn_context_free(f->ctx);
    qn_string_release(&f->csv);
    qn_string_release(&f->rows);
    free(f);
    return 0;
}

/* Packs `members` copies of the text: filter 0 with a format, else raw. */
static void pack(const fixture *f, const char *path, int filter, bool zip, int members)
{
    struct archive *a = archive_write_new();

    if (filter)
        archive_write_add_filter(a, filter);
    if (zip)
        archive_write_set_format_zip(a);
    else
        archive_write_set_format_raw(a);
    CHECK_EQ(archive_write_open_filename(a, path), ARCHIVE_OK);
    for (int i = 0; i < members; i++) {
        struct archive_entry *entry = archive_entry_new();

        archive_entry_set_pathname(entry, i ? "b.csv" : "a.csv");
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_size(entry, (int64_t)f->csv.length);
        CHECK_EQ(archive_write_header(a, entry), ARCHIVE_OK);
        CHECK_EQ(archive_write_data(a, f->csv.text, f->csv.length), (int64_t)f->csv.length);
        archive_entry_free(entry);
    }
    CHECK_EQ(archive_write_free(a), ARCHIVE_OK);
}

static const struct {
    const char *name;
    int filter;
    bool zip;
} packings[] = {
    {"in.csv.gz", ARCHIVE_FILTER_GZIP, false},
    {"in.csv.zst", ARCHIVE_FILTER_ZSTD, false},
    {"in.csv.bz2", ARCHIVE_FILTER_BZIP2, false},
    {"in.csv.xz", ARCHIVE_FILTER_XZ, false},
    {"in.csv.zip", 0, true},
};
#define N_PACKINGS (sizeof packings / sizeof *packings)

static qn_status dump_path(fixture *f, const char *path, qn_string *out)
{
    const qn_source_options options = {.path = &path, .n_paths = 1, .header = -1};

    return dump_options(f->ctx, &options, "userId:int64 rating:float", out);
}

static void packed_files_hold_the_same_rows(void **state)
{
    fixture *f = *state;

    for (size_t i = 0; i < N_PACKINGS; i++) {
        char path[128];
        qn_string out = {0};

        snprintf(path, sizeof path, "%s/%s", f->dir, packings[i].name);
        pack(f, path, packings[i].filter, packings[i].zip, 1);
        CHECK_OK(f->ctx, dump_path(f, path, &out));
        CHECK(strcmp(qn_string_text(&out), f->rows.text) == 0);
        qn_string_release(&out);
    }
    CHECK(qn_context_peak(f->ctx) < (size_t)8 << 20);
}

static void a_cut_packed_file_is_an_error_that_names_it(void **state)
{
    fixture *f = *state;

    for (size_t i = 0; i < N_PACKINGS; i++) {
        char path[128];
        struct stat status;

        snprintf(path, sizeof path, "%s/%s", f->dir, packings[i].name);
        pack(f, path, packings[i].filter, packings[i].zip, 1);
        CHECK_EQ(stat(path, &status), 0);
        for (int part = 1; part < 10; part++) {
            qn_string out = {0};

            pack(f, path, packings[i].filter, packings[i].zip, 1);
            CHECK_EQ(truncate(path, status.st_size * part / 10), 0);
            CHECK_EQ(dump_path(f, path, &out), QN_EDATA);
            CHECK_ERROR(f->ctx, packings[i].name);
            CHECK_ERROR(f->ctx, "at byte");
            qn_string_release(&out);
        }
    }
}

static void a_zip_with_two_files_is_refused(void **state)
{
    fixture *f = *state;
    char path[128];
    qn_string out = {0};

    snprintf(path, sizeof path, "%s/two.zip", f->dir);
    pack(f, path, 0, true, 2);
    CHECK_EQ(dump_path(f, path, &out), QN_EDATA);
    CHECK_ERROR(f->ctx, "more than one file");
    qn_string_release(&out);
}

static void lines_of_packed_files_are_counted(void **state)
{
    fixture *f = *state;
    char path_text[128];
    const char *path = path_text;
    const qn_source_options options = {.path = &path, .n_paths = 1, .header = -1};
    qn_source *source;

    snprintf(path_text, sizeof path_text, "%s/in.csv.gz", f->dir);
    pack(f, path, ARCHIVE_FILTER_GZIP, false, 1);
    CHECK_OK(f->ctx, qn_source_open(f->ctx, &options, &source));
    CHECK_EQ(qn_source_n_splits(source), 1);
    CHECK_EQ(qn_source_line_number(f->ctx, source, 0, 0), 1);
    CHECK_EQ(qn_source_line_number(f->ctx, source, 0, 22), 2);
    CHECK_EQ(qn_source_line_number(f->ctx, source, 0, (int64_t)f->csv.length), N_ROWS + 2);
    qn_source_free(source);
}

static void a_huge_line_in_a_packed_file_takes_little_memory(void **state)
{
    fixture *f = *state;
    char path_text[128];
    const char *path = path_text;
    const qn_source_options options = {
        .path = &path, .n_paths = 1, .header = -1, .max_line_bytes = 1 << 20};
    qn_string out = {0};
    char *block = malloc(1 << 16);

    memset(block, '7', 1 << 16);
    qn_string_clear(&f->csv);
    qn_string_add(&f->csv, "userId,rating\n1,2\n");
    for (int i = 0; i < 512; i++)
        qn_string_add_bytes(&f->csv, block, 1 << 16);
    qn_string_add(&f->csv, "\n3,4\n");
    snprintf(path_text, sizeof path_text, "%s/in.csv.zst", f->dir);
    pack(f, path, ARCHIVE_FILTER_ZSTD, false, 1);
    CHECK_OK(f->ctx, dump_options(f->ctx, &options, "userId:int64 rating:float", &out));
    CHECK(strncmp(qn_string_text(&out), "1|2\n3|4\n!tooLong -1 18 777", 26) == 0);
    CHECK(qn_context_peak(f->ctx) < (size_t)8 << 20);
    qn_string_release(&out);
    free(block);
}

static void reading_packed_survives_every_failed_allocation(void **state)
{
    fixture *f = *state;
    char path[128];
    qn_status st = QN_ENOMEM;

    snprintf(path, sizeof path, "%s/in.csv.gz", f->dir);
    pack(f, path, ARCHIVE_FILTER_GZIP, false, 1);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_string out = {0};

        qn_alloc_fail_after(f->ctx, allowed);
        st = dump_path(f, path, &out);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(f->ctx), 0);
        qn_string_release(&out);
    }
}

/* Makes a file standard input for the time of a test. */
static int take_stdin(const char *path)
{
    const int saved = dup(0);
    const int fd = open(path, O_RDONLY);

    CHECK(saved >= 0 && fd >= 0);
    dup2(fd, 0);
    close(fd);
    return saved;
}

static void give_stdin_back(int saved)
{
    dup2(saved, 0);
    close(saved);
}

static void standard_input_is_read_once(void **state)
{
    fixture *f = *state;
    char path_text[128];
    const char *path = "-";
    const qn_source_options options = {.path = &path, .n_paths = 1, .header = -1};
    const qn_column_request request = {0, QN_INT64, false};
    qn_source *source;
    qn_reader *reader;
    qn_string out = {0};

    for (int packed = 0; packed < 2; packed++) {
        snprintf(path_text, sizeof path_text, "%s/in", f->dir);
        if (packed)
            pack(f, path_text, ARCHIVE_FILTER_GZIP, false, 1);
        else
            write_file(path_text, f->csv.text, f->csv.length);
        const int saved = take_stdin(path_text);
        CHECK_OK(f->ctx, dump_path(f, "-", &out));
        give_stdin_back(saved);
        CHECK(strcmp(qn_string_text(&out), f->rows.text) == 0);
        qn_string_clear(&out);
    }
    const int saved = take_stdin(path_text);
    CHECK_OK(f->ctx, qn_source_open(f->ctx, &options, &source));
    CHECK_OK(f->ctx, qn_source_open_split(f->ctx, source, 0, &request, 1, &reader));
    qn_reader_close(reader);
    CHECK_EQ(qn_source_open_split(f->ctx, source, 0, &request, 1, &reader), QN_EINVAL);
    CHECK_ERROR(f->ctx, "only once");
    CHECK(reader == NULL);
    qn_source_free(source);
    give_stdin_back(saved);
    qn_string_release(&out);
}

static void a_named_pipe_is_read(void **state)
{
    fixture *f = *state;
    char path[128];
    qn_string out = {0};

    snprintf(path, sizeof path, "%s/pipe", f->dir);
    CHECK_EQ(mkfifo(path, 0600), 0);
    const pid_t child = fork();
    if (child == 0) {
        FILE *pipe = fopen(path, "wb");

        if (pipe) {
            fwrite(f->csv.text, 1, f->csv.length, pipe);
            fclose(pipe);
        }
        _exit(0);
    }
    CHECK_OK(f->ctx, dump_path(f, path, &out));
    waitpid(child, NULL, 0);
    CHECK(strcmp(qn_string_text(&out), f->rows.text) == 0);
    qn_string_release(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(packed_files_hold_the_same_rows),
        TEST(a_cut_packed_file_is_an_error_that_names_it),
        TEST(a_zip_with_two_files_is_refused),
        TEST(lines_of_packed_files_are_counted),
        TEST(a_huge_line_in_a_packed_file_takes_little_memory),
        TEST(reading_packed_survives_every_failed_allocation),
        TEST(standard_input_is_read_once),
        TEST(a_named_pipe_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
