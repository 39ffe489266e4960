// Cores and threads.
#pragma once

#include <cstdint>
#include <vector>

namespace edgeq {

// Pins the process to `cpus` (nothing when empty). Before `set_threads`: threads inherit it.
void pin(const std::vector<int>& cpus);

// Sizes ExecuTorch's thread pool and returns the size that it has then. With 1, everything runs on the
// calling thread.
uint32_t set_threads(uint32_t threads);

}  // namespace edgeq
