#include "memory.h"

#include <dlfcn.h>
#include <malloc.h>

#include <cstdio>
#include <cstring>

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

}  // namespace

MemoryStage take_memory(const std::string& stage) {
  MemoryStage memory{stage, std::nullopt, std::nullopt, heap_in_use()};
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
