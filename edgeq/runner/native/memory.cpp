#include "memory.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

namespace edgeq {
namespace {

// glibc has mallinfo2 since 2.33. Looked up when it runs, so that the runner loads on an older one, where
// only mallinfo is: its fields are 32 bits wide and wrap at 4 GiB.
struct WideMallinfo {
  size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};

int64_t heap_in_use() {
  using Mallinfo2 = WideMallinfo (*)();
  static const auto wide = reinterpret_cast<Mallinfo2>(dlsym(RTLD_DEFAULT, "mallinfo2"));
  if (wide) {
    const WideMallinfo info = wide();
    return static_cast<int64_t>(info.uordblks + info.hblkhd);
  }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  const struct mallinfo info = mallinfo();
#pragma GCC diagnostic pop
  return static_cast<int64_t>(static_cast<uint32_t>(info.uordblks)) +
         static_cast<int64_t>(static_cast<uint32_t>(info.hblkhd));
}

// A line such as "VmRSS:     13900 kB"; the kernel's kB are 1024 bytes.
void parse_line(const char* line, const char* key, std::optional<int64_t>& value) {
  long long kib = 0;
  const size_t length = std::strlen(key);
  if (std::strncmp(line, key, length) == 0 && std::sscanf(line + length, ": %lld kB", &kib) == 1) {
    value = kib * 1024;
  }
}

std::optional<int64_t> proportional_set() {
  std::optional<int64_t> pss;
  if (FILE* rollup = std::fopen("/proc/self/smaps_rollup", "re")) {
    char line[256];
    while (std::fgets(line, sizeof line, rollup)) {
      parse_line(line, "Pss", pss);
    }
    std::fclose(rollup);
  }
  return pss;
}

}  // namespace

std::optional<double> cached_share(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  // Not fstat(): glibc 2.33 gave it a symbol of its own, which older devices do not have.
  struct statx status {};
  std::optional<double> share;
  if (file >= 0 && statx(file, "", AT_EMPTY_PATH, STATX_SIZE, &status) == 0 && status.stx_size > 0) {
    const auto size = static_cast<size_t>(status.stx_size);
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    // Mapped and not touched: this makes no page resident.
    void* map = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
    if (map != MAP_FAILED) {
      std::vector<unsigned char> pages((size + page - 1) / page);
      if (mincore(map, size, pages.data()) == 0) {
        const auto there = std::count_if(pages.begin(), pages.end(), [](unsigned char each) { return each & 1; });
        share = static_cast<double>(there) / static_cast<double>(pages.size());
      }
      munmap(map, size);
    }
  }
  if (file >= 0) {
    close(file);
  }
  return share;
}

void evict(const std::string& path) {
  if (const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC); file >= 0) {
    fdatasync(file);  // pages that are still to be written stay
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    close(file);
  }
}

MemoryStage take_memory(const std::string& stage, bool with_pss) {
  MemoryStage memory{stage, std::nullopt, std::nullopt, heap_in_use(), std::nullopt};
  if (with_pss) {
    memory.pss = proportional_set();
  }
  if (FILE* status = std::fopen("/proc/self/status", "re")) {
    char line[256];
    while (std::fgets(line, sizeof line, status)) {
      parse_line(line, "VmRSS", memory.rss);
      parse_line(line, "VmHWM", memory.hwm);
    }
    std::fclose(status);
  }
  return memory;
}

}  // namespace edgeq
