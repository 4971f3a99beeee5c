#include "base/identity.h"

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

/* The object that holds these very bytes: the program or the library. */
typedef struct own_object {
    uintptr_t address;
    uint64_t hash;
} own_object;

static const char own_bytes[] = "quern";

static uint64_t note_hash(const char *note, size_t bytes)
{
    ElfW(Nhdr) head;

    while (bytes >= sizeof head) {
        size_t name, content;

        memcpy(&head, note, sizeof head);
        name = (head.n_namesz + 3u) & ~(size_t)3;
        content = (head.n_descsz + 3u) & ~(size_t)3;
        if (sizeof head + name + content > bytes)
            break;
        if (head.n_type == NT_GNU_BUILD_ID)
            return XXH3_64bits(note + sizeof head + name, head.n_descsz);
        note += sizeof head + name + content;
        bytes -= sizeof head + name + content;
    }
    return 0;
}

static int look_at_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    own_object *own = arg;
    bool is_own = false;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        const uintptr_t start = info->dlpi_addr + segment->p_vaddr;

        if (segment->p_type == PT_LOAD && own->address >= start &&
            own->address - start < segment->p_memsz)
            is_own = true;
    }
    for (int i = 0; is_own && i < info->dlpi_phnum && own->hash == 0; i++)
        if (info->dlpi_phdr[i].p_type == PT_NOTE) {
            const uintptr_t at = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

            own->hash = note_hash((const char *)at, info->dlpi_phdr[i].p_memsz);
        }
    return is_own;
}

uint64_t qn_program_hash(void)
{
    own_object own = {.address = (uintptr_t)own_bytes};

    dl_iterate_phdr(look_at_object, &own);
    return own.hash;
}

void qn_boot_id(char *out, size_t bytes)
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

    out[0] = '\0';
    if (!file)
        return;
    if (!fgets(out, (int)bytes, file))
        out[0] = '\0';
    fclose(file);
    out[strcspn(out, "\n")] = '\0';
}
