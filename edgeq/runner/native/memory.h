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
};

MemoryStage take_memory(const std::string& stage);

}  // namespace edgeq
