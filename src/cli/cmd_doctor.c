/* quern doctor: what this machine grants, and which optional parts are there. */
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include "base/system.h"
#include "cli/commands.h"
#include "data/parquet.h"
#include "engine/comm_module.h"
#include "experiment/draw.h"
#include "kernels/kernels.h"

#define DOCTOR_PARTS 5

typedef struct doctor_part {
    const char *name;
    const char *used_for;
    char found[64]; /* version, or "" */
    const char *install;
} doctor_part;

typedef struct doctor_disk {
    const char *path;
    size_t free;
    char file_system[16];
} doctor_disk;

typedef struct doctor_report {
    qn_system system;
    const char *kernels[3];
    int32_t n_kernels;
    doctor_disk disk[2];
    int32_t n_disks;
    doctor_part part[DOCTOR_PARTS];
} doctor_report;

static void find_parquet(qn_context *ctx, doctor_part *part)
{
    const char *version = NULL;

    part->name = "Parquet module (DuckDB)";
    part->used_for = "Parquet in and out, Spark's model folders";
    part->install = "make build";
    if (qn_parquet_version(ctx, &version) == QN_OK && version)
        snprintf(part->found, sizeof part->found, "%s", version);
}

static void find_curl(doctor_part *part)
{
    /* Stays open: what it holds for good goes with the process. */
    void *library = dlopen("libcurl.so.4", RTLD_LAZY | RTLD_LOCAL);
    const char *(*version)(void) = NULL;

    part->name = "libcurl";
    part->used_for = "quern fetch";
    part->install = "apt-get install libcurl4";
    if (!library)
        return;
    *(void **)&version = dlsym(library, "curl_version");
    snprintf(part->found, sizeof part->found, "%s", version ? version() : "");
    part->found[strcspn(part->found, " ")] = '\0';
    if (strncmp(part->found, "libcurl/", 8) == 0)
        memmove(part->found, part->found + 8, strlen(part->found + 8) + 1);
}

static void find_gnuplot(qn_context *ctx, doctor_part *part)
{
    static char ask[] = "set print '-'; print GPVAL_VERSION\n";
    const qn_string script = {.text = ask, .length = sizeof ask - 1};
    qn_string version = {0};

    part->name = "gnuplot";
    part->used_for = "pictures as files";
    part->install = "apt-get install gnuplot-nox";
    if (qn_draw(ctx, NULL, &script, &version) == QN_OK)
        snprintf(part->found, sizeof part->found, "%.*s",
                 (int)strcspn(qn_string_text(&version), "\n"), qn_string_text(&version));
    qn_string_release(&version);
}

static void find_mpi(qn_context *ctx, const char *flavour, const char *name, const char *install,
                     doctor_part *part)
{
    const char *version = NULL;

    part->name = name;
    part->used_for = "several workers";
    part->install = install;
    if (qn_comm_version(ctx, flavour, &version) == QN_OK && version)
        snprintf(part->found, sizeof part->found, "%s", version);
}

static void add_disk(doctor_report *report, const char *path)
{
    doctor_disk *disk = &report->disk[report->n_disks++];

    disk->path = path;
    disk->free = qn_disk_free(path, disk->file_system);
}

static void examine(const qn_cli *cli, doctor_report *report)
{
    memset(report, 0, sizeof *report);
    qn_system_read(&report->system);
    report->n_kernels = qn_kernels_available(report->kernels);
    add_disk(report, ".");
    if (cli->globals->scratch)
        add_disk(report, cli->globals->scratch);
    find_parquet(cli->ctx, &report->part[0]);
    find_curl(&report->part[1]);
    find_gnuplot(cli->ctx, &report->part[2]);
    find_mpi(cli->ctx, "openmpi", "Open MPI",
             "apt-get install openmpi-bin libopenmpi-dev, make build", &report->part[3]);
    find_mpi(cli->ctx, "mpich", "MPICH", "apt-get install mpich libmpich-dev, make build",
             &report->part[4]);
}

static void print_memory(const qn_cli *cli, const qn_system *system)
{
    char total[32], available[32], limit[32], budget[32];

    qn_format_bytes((double)system->memory_total, total);
    qn_format_bytes((double)system->memory_available, available);
    qn_format_bytes((double)system->memory_limit, limit);
    qn_format_bytes((double)qn_context_memory(cli->ctx), budget);
    printf("memory   %s, %s available", total, available);
    if (system->memory_limit)
        printf(", limit %s (cgroup v%d)", limit, (int)system->cgroup_version);
    else
        printf(", no cgroup limit");
    printf("\nbudget   %s%s\n", budget, cli->globals->memory ? " (--memory)" : "");
}

static void print_cores(const qn_cli *cli, const qn_system *system)
{
    printf("machine  %s\n", system->cpu_model[0] ? system->cpu_model : "unknown processor");
    printf("cores    %d usable of %d", (int)system->cores_usable, (int)system->cores_online);
    if (system->cpu_quota > 0)
        printf(", quota %.3g", system->cpu_quota);
    printf("; %d threads\n", (int)qn_context_threads(cli->ctx));
}

static void print_report(const qn_cli *cli, const doctor_report *report)
{
    char free_bytes[32];

    printf("quern    %s\n", qn_version());
    print_cores(cli, &report->system);
    print_memory(cli, &report->system);
    printf("kernels  %s selected; available:", qn_context_kernels(cli->ctx));
    for (int32_t i = 0; i < report->n_kernels; i++)
        printf(" %s", report->kernels[i]);
    putchar('\n');
    for (int32_t i = 0; i < report->n_disks; i++) {
        qn_format_bytes((double)report->disk[i].free, free_bytes);
        printf("disk     %s free in %s (%s)\n", free_bytes, report->disk[i].path,
               report->disk[i].file_system);
    }
    if (!cli->globals->scratch)
        puts("scratch  none (--scratch)");
    for (int32_t i = 0; i < DOCTOR_PARTS; i++) {
        const doctor_part *part = &report->part[i];

        if (part->found[0])
            printf("found    %s %s\n", part->name, part->found);
        else
            printf("missing  %s, for %s\n         try: %s\n", part->name, part->used_for,
                   part->install);
    }
}

static void json_system(qn_json *j, const qn_cli *cli, const qn_system *system)
{
    qn_json_text(j, "cpu_model", system->cpu_model);
    qn_json_int(j, "cores_online", system->cores_online);
    qn_json_int(j, "cores_usable", system->cores_usable);
    qn_json_real(j, "cpu_quota", system->cpu_quota);
    qn_json_int(j, "threads", qn_context_threads(cli->ctx));
    qn_json_int(j, "memory_total", (int64_t)system->memory_total);
    qn_json_int(j, "memory_available", (int64_t)system->memory_available);
    qn_json_int(j, "memory_limit", (int64_t)system->memory_limit);
    qn_json_int(j, "cgroup_version", system->cgroup_version);
    qn_json_int(j, "memory_budget", (int64_t)qn_context_memory(cli->ctx));
}

static void print_json(const qn_cli *cli, const doctor_report *report)
{
    qn_json j = {0};

    qn_json_open(&j, NULL, '{');
    qn_json_text(&j, "version", qn_version());
    json_system(&j, cli, &report->system);
    qn_json_text(&j, "kernel_set", qn_context_kernels(cli->ctx));
    qn_json_open(&j, "kernel_sets", '[');
    for (int32_t i = 0; i < report->n_kernels; i++)
        qn_json_text(&j, NULL, report->kernels[i]);
    qn_json_close(&j, ']');
    qn_json_open(&j, "disks", '[');
    for (int32_t i = 0; i < report->n_disks; i++) {
        qn_json_open(&j, NULL, '{');
        qn_json_text(&j, "path", report->disk[i].path);
        qn_json_int(&j, "free", (int64_t)report->disk[i].free);
        qn_json_text(&j, "file_system", report->disk[i].file_system);
        qn_json_close(&j, '}');
    }
    qn_json_close(&j, ']');
    qn_json_open(&j, "parts", '[');
    for (int32_t i = 0; i < DOCTOR_PARTS; i++) {
        qn_json_open(&j, NULL, '{');
        qn_json_text(&j, "name", report->part[i].name);
        qn_json_bool(&j, "found", report->part[i].found[0] != '\0');
        qn_json_text(&j, "version", report->part[i].found[0] ? report->part[i].found : NULL);
        qn_json_text(&j, "install", report->part[i].install);
        qn_json_close(&j, '}');
    }
    qn_json_close(&j, ']');
    qn_json_close(&j, '}');
    puts(qn_string_text(&j.out));
    qn_json_release(&j);
}

static qn_status run_doctor(qn_cli *cli)
{
    doctor_report report;

    examine(cli, &report);
    if (cli->globals->json)
        print_json(cli, &report);
    else
        print_report(cli, &report);
    return QN_OK;
}

const qn_command qn_cmd_doctor = {
    .name = "doctor",
    .help = "Show cores, memory limit, kernel set, disk and optional parts found or missing",
    .run = run_doctor,
};
