/* Host lists, and the command lines made of them. */
#include "check.h"

#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "engine/launch.h"

static int set_up(void **state)
{
    return qn_context_create(NULL, (qn_context **)state) != QN_OK;
}

static int tear_down(void **state)
{
    qn_context_free(*state);
    return 0;
}

/* "a:1 b:2" of what a list means. */
static void check_list(qn_context *ctx, const char *list, const char *meaning)
{
    qn_hosts hosts = {0};
    qn_string text = {0};

    CHECK_OK(ctx, qn_hosts_parse(ctx, list, &hosts));
    for (int32_t h = 0; h < hosts.n; h++)
        qn_string_addf(&text, "%s%s=%d", h > 0 ? " " : "", hosts.host[h].name,
                       (int)hosts.host[h].ranks);
    CHECK_TEXT(qn_string_text(&text), meaning);
    qn_string_release(&text);
    qn_hosts_release(&hosts);
}

static void a_list_of_hosts_says_how_many_workers_each_carries(void **state)
{
    check_list(*state, "a", "a=1");
    check_list(*state, "a,b:2,c", "a=1 b=2 c=1");
    check_list(*state, "10.0.0.1:12,node-7.example_x", "10.0.0.1=12 node-7.example_x=1");
    check_list(*state, "[::1]:3,[fe80::1],2001:db8::5", "::1=3 fe80::1=1 2001:db8::5=1");
}

static void a_wrong_list_of_hosts_is_named(void **state)
{
    static const struct {
        const char *list, *message;
    } wrong[] = {
        {"", "\"\" is not the name of a host"},
        {"a,,b", "\"\" is not the name of a host"},
        {"a,b,", "\"\" is not the name of a host"},
        {"a b", "\"a b\" is not the name of a host"},
        {"-oProxyCommand=x", "is not the name of a host"},
        {"a;reboot", "\"a;reboot\" is not the name of a host"},
        {"a,b,a", "\"a\" is there twice"},
        {"a:1,A:2", "\"A\" is there twice"},
        {"a:0", "\"a\" has no possible number of workers"},
        {"a:2000", "\"a\" has no possible number of workers"},
        {"a:-1", "\"a\" has no possible number of workers"},
        {"a:two", "\"a:two\" does not end in a number of workers"},
        {"a:", "\"a:\" does not end in a number of workers"},
        {"[::1", "\"[::1\" lacks its ]"},
        {"[::1]2", "is not HOST:WORKERS"},
        {":3", "\"\" is not the name of a host"},
    };
    qn_context *ctx = *state;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        qn_hosts hosts = {0};

        CHECK_EQ(qn_hosts_parse(ctx, wrong[i].list, &hosts), QN_EINVAL);
        CHECK_ERROR(ctx, wrong[i].message);
        assert_null(hosts.host);
        CHECK_EQ(hosts.n, 0);
    }
    CHECK_EQ(qn_alloc_live(ctx), 0);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void a_host_file_is_read_in_every_usual_form(void **state)
{
    qn_context *ctx = *state;
    qn_hosts hosts = {0};
    char dir[64], path[96];

    snprintf(path, sizeof path, "%s/hosts", fresh_dir(dir));
    write_text(path, "# the cluster\na\n\n  b:2  \nc slots=3 # big\nd\t4\r\n[::1]:5");
    CHECK_OK(ctx, qn_hosts_read(ctx, path, &hosts));
    CHECK_EQ(hosts.n, 5);
    CHECK_EQ(qn_hosts_ranks(&hosts), 15);
    CHECK_TEXT(hosts.host[2].name, "c");
    CHECK_EQ(hosts.host[2].ranks, 3);
    CHECK_TEXT(hosts.host[4].name, "::1");
    qn_hosts_release(&hosts);
    write_text(path, "a\nb slots=many\n");
    CHECK_EQ(qn_hosts_read(ctx, path, &hosts), QN_EINVAL);
    CHECK_ERROR(ctx, "hosts line 2: \"slots=many\" is not a number of workers");
    write_text(path, "# none\n");
    CHECK_EQ(qn_hosts_read(ctx, path, &hosts), QN_EINVAL);
    CHECK_ERROR(ctx, "names no host");
    CHECK_EQ(qn_hosts_read(ctx, "/nowhere/hosts", &hosts), QN_ENOTFOUND);
    CHECK_ERROR(ctx, "/nowhere/hosts");
    CHECK_OK(ctx, qn_remove_tree(ctx, dir));
    CHECK_EQ(qn_alloc_live(ctx), 0);
}

static void workers_and_hosts_must_agree(void **state)
{
    qn_context *ctx = *state;
    qn_hosts hosts = {0};
    int32_t workers = 0;

    CHECK_OK(ctx, qn_hosts_workers(ctx, &hosts, 0, &workers));
    CHECK_EQ(workers, 1);
    CHECK_OK(ctx, qn_hosts_workers(ctx, &hosts, 5, &workers));
    CHECK_EQ(workers, 5);
    CHECK_OK(ctx, qn_hosts_parse(ctx, "a,b:2", &hosts));
    CHECK_OK(ctx, qn_hosts_workers(ctx, &hosts, 0, &workers));
    CHECK_EQ(workers, 3);
    CHECK_OK(ctx, qn_hosts_workers(ctx, &hosts, 3, &workers));
    CHECK_EQ(qn_hosts_workers(ctx, &hosts, 4, &workers), QN_EINVAL);
    CHECK_TEXT(qn_hosts_of_rank(&hosts, 0), "a");
    CHECK_TEXT(qn_hosts_of_rank(&hosts, 1), "b");
    CHECK_TEXT(qn_hosts_of_rank(&hosts, 2), "b");
    CHECK(!qn_hosts_of_rank(&hosts, 3));
    CHECK(!qn_hosts_of_rank(&hosts, -1));
    CHECK_ERROR(ctx, "--workers 4, but the hosts are for 3");
    qn_hosts_release(&hosts);
}

static void this_machine_is_known(void **state)
{
    char own[QN_HOST_NAME] = "";

    (void)state;
    CHECK_EQ(gethostname(own, sizeof own - 1), 0);
    CHECK(qn_host_is_here(own));
    CHECK(qn_host_is_here("localhost"));
    CHECK(qn_host_is_here("127.0.0.1"));
    CHECK(!qn_host_is_here("10.255.255.1"));
}

static void join(const qn_launch_line *line, qn_string *out)
{
    qn_string_clear(out);
    for (int64_t i = 0; i < line->n; i++)
        qn_string_addf(out, "%s%s", i > 0 ? " " : "", line->word[i]);
}

static const char *const program[] = {"/opt/quern", "fit", "als", "--input", "a b.csv"};

static void open_mpi_is_told_what_it_needs(void **state)
{
    qn_context *ctx = *state;
    qn_launch_options options = {.mpirun = "mpirun.openmpi",
                                 .directory = "/data",
                                 .workers = 3,
                                 .word = program,
                                 .n_words = 5};
    qn_hosts hosts = {0};
    qn_launch_line line = {0};
    qn_string text = {0};

    CHECK_OK(ctx, qn_launch_make(ctx, &options, &line));
    join(&line, &text);
    CHECK_TEXT(qn_string_text(&text),
               "mpirun.openmpi --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 "
               "--mca odls_base_sigkill_timeout 0 -n 3 "
               "--wdir /data /opt/quern fit als --input a b.csv");
    assert_null(line.word[line.n]);
    CHECK_TEXT(line.word[line.n - 1], "a b.csv");
    CHECK_EQ(line.n_variables, geteuid() == 0 ? 2 : 0);
    qn_launch_release(&line);
    CHECK_OK(ctx, qn_hosts_parse(ctx, "a,b:2,[::1]", &hosts));
    options.hosts = &hosts;
    options.rsh_agent = "ssh -p 22";
    options.network = "10.0.0.0/24";
    CHECK_OK(ctx, qn_launch_make(ctx, &options, &line));
    join(&line, &text);
    assert_non_null(strstr(text.text, "--mca plm_rsh_agent ssh -p 22 "));
    assert_non_null(strstr(text.text, "--mca btl_tcp_if_include 10.0.0.0/24 "));
    assert_non_null(strstr(text.text, "--mca oob_tcp_if_include 10.0.0.0/24 "));
    assert_non_null(strstr(text.text, "--host a:1,b:2,[::1]:1 "));
    assert_non_null(strstr(text.text, "--mca oob_tcp_keepalive_time 3 "));
    qn_launch_release(&line);
    qn_hosts_release(&hosts);
    qn_string_release(&text);
}

static void mpich_is_told_what_it_needs(void **state)
{
    qn_context *ctx = *state;
    qn_hosts hosts = {0};
    const qn_launch_options options = {.mpi = QN_MPI_MPICH,
                                       .mpirun = "mpiexec.mpich",
                                       .rsh_agent = "/bin/agent",
                                       .network = "eth0",
                                       .directory = "/data",
                                       .hosts = &hosts,
                                       .workers = 3,
                                       .word = program,
                                       .n_words = 5};
    qn_launch_line line = {0};
    qn_string text = {0};

    CHECK_OK(ctx, qn_hosts_parse(ctx, "a,b:2", &hosts));
    CHECK_OK(ctx, qn_launch_make(ctx, &options, &line));
    join(&line, &text);
    CHECK_TEXT(qn_string_text(&text),
               "mpiexec.mpich -n 3 -wdir /data -launcher rsh -launcher-exec /bin/agent -iface eth0 "
               "-hosts a:1,b:2 /opt/quern fit als --input a b.csv");
    qn_launch_release(&line);
    qn_hosts_release(&hosts);
    qn_string_release(&text);
}

static void a_command_line_survives_every_failed_allocation(void **state)
{
    qn_context *ctx = *state;
    qn_status st = QN_ENOMEM;

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_hosts hosts = {0};
        qn_launch_line line = {0};

        qn_alloc_fail_after(ctx, allowed);
        st = qn_hosts_parse(ctx, "a,b:2", &hosts);
        if (st == QN_OK)
            st = qn_launch_make(ctx,
                                &(qn_launch_options){.mpirun = "mpirun",
                                                     .directory = "/",
                                                     .hosts = &hosts,
                                                     .workers = 3,
                                                     .word = program,
                                                     .n_words = 5},
                                &line);
        qn_alloc_fail_after(ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK((line.word != NULL) == (st == QN_OK));
        qn_launch_release(&line);
        qn_hosts_release(&hosts);
        CHECK_EQ(qn_alloc_live(ctx), 0);
    }
}

static void a_missing_launcher_names_its_package(void **state)
{
    qn_context *ctx = *state;
    char dir[64], path[128], found[4096];

    fresh_dir(dir);
    CHECK_EQ(qn_launch_find(ctx, QN_MPI_OPENMPI, dir, found), QN_EUNAVAILABLE);
    CHECK_ERROR(ctx, "apt install openmpi-bin");
    CHECK_EQ(qn_launch_find(ctx, QN_MPI_MPICH, "", found), QN_EUNAVAILABLE);
    CHECK_ERROR(ctx, "apt install mpich");
    snprintf(path, sizeof path, "%s/mpiexec.mpich", dir);
    write_text(path, "#!/bin/sh\n");
    CHECK_EQ(qn_launch_find(ctx, QN_MPI_MPICH, dir, found), QN_EUNAVAILABLE); /* not executable */
    CHECK_EQ(chmod(path, 0755), 0);
    CHECK_EQ(qn_launch_find(ctx, QN_MPI_OPENMPI, dir, found), QN_EUNAVAILABLE);
    CHECK_ERROR(ctx, "or --mpi mpich");
    snprintf(path, sizeof path, "/nowhere::%s", dir);
    CHECK_OK(ctx, qn_launch_find(ctx, QN_MPI_MPICH, path, found));
    snprintf(path, sizeof path, "%s/mpiexec.mpich", dir);
    CHECK_TEXT(found, path);
    CHECK_OK(ctx, qn_remove_tree(ctx, dir));
}

/* /bin/mpirun.openmpi refuses to work, where /bin is a link to /usr/bin. */
static void a_launcher_is_called_by_the_real_name_of_its_folder(void **state)
{
    qn_context *ctx = *state;
    char dir[64], real[96], link[96], path[128], found[4096];

    fresh_dir(dir);
    snprintf(real, sizeof real, "%s/usr-bin", dir);
    snprintf(link, sizeof link, "%s/bin", dir);
    CHECK_EQ(mkdir(real, 0777), 0);
    CHECK_EQ(symlink("usr-bin", link), 0);
    snprintf(path, sizeof path, "%s/mpirun.openmpi", real);
    write_text(path, "#!/bin/sh\n");
    CHECK_EQ(chmod(path, 0755), 0);
    CHECK_OK(ctx, qn_launch_find(ctx, QN_MPI_OPENMPI, link, found));
    CHECK_TEXT(found, path);
    CHECK_OK(ctx, qn_remove_tree(ctx, dir));
}

static void a_probe_starts_the_program_over_there(void **state)
{
    qn_context *ctx = *state;
    qn_launch_line line = {0};
    qn_string text = {0};

    CHECK_OK(ctx, qn_launch_make_probe(ctx, "b", NULL, "/opt/quern", &line));
    join(&line, &text);
    CHECK_TEXT(qn_string_text(&text),
               "ssh -o BatchMode=yes -o ConnectTimeout=4 b /opt/quern --version");
    qn_launch_release(&line);
    CHECK_OK(ctx, qn_launch_make_probe(ctx, "b", "rsh  -l me", "/opt/quern", &line));
    join(&line, &text);
    CHECK_TEXT(qn_string_text(&text), "rsh -l me b /opt/quern --version");
    qn_launch_release(&line);
    qn_string_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_of_hosts_says_how_many_workers_each_carries),
        cmocka_unit_test(a_wrong_list_of_hosts_is_named),
        cmocka_unit_test(a_host_file_is_read_in_every_usual_form),
        cmocka_unit_test(workers_and_hosts_must_agree),
        cmocka_unit_test(this_machine_is_known),
        cmocka_unit_test(open_mpi_is_told_what_it_needs),
        cmocka_unit_test(mpich_is_told_what_it_needs),
        cmocka_unit_test(a_command_line_survives_every_failed_allocation),
        cmocka_unit_test(a_launcher_is_called_by_the_real_name_of_its_folder),
        cmocka_unit_test(a_missing_launcher_names_its_package),
        cmocka_unit_test(a_probe_starts_the_program_over_there),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
