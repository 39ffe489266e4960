// What the process holds at a moment, in bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace edgeq {

struct MemoryStage {
  std::string stage;
  std::optional<int64_t> rss;  // VmRSS and VmHWM, none when the kernel hides them
  std::optional<int64_t> hwm;
  int64_t heap;                // in use: small blocks and mapped ones
  std::optional<int64_t> pss;  // only when asked for: the kernel walks all pages for it
};

MemoryStage take_memory(const std::string& stage, bool with_pss = false);

// Share of a file's pages that lie in the page cache, 0 to 1; none when the kernel does not say.
std::optional<double> cached_share(const std::string& path);

// Asks the kernel to drop a file's pages from the page cache. It need not: `cached_share` tells.
void evict(const std::string& path);

}  // namespace edgeq
