// The result document; edgeq/runner/job.py says what its fields mean.
#pragma once

#include "failure.h"
#include "job.h"
#include "memory.h"
#include "sampler.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace edgeq {

constexpr int kResultSchema = 1;

struct Times {
  int64_t load = 0;
  int64_t init = 0;
  int64_t first = 0;
  std::vector<int64_t> empty;
  std::vector<int64_t> warmup;
  std::vector<int64_t> measured;
  std::vector<int64_t> starts;
};

// Filled while the pass goes on: what a failed one has reached is reported too.
struct Result {
  uint32_t threads = 0;
  size_t samples = 0;
  std::vector<int64_t> arenas;
  std::optional<Times> times;
  std::optional<std::string> warmup_stopped_by;
  std::optional<std::string> stopped_by;
  std::vector<MemoryStage> memory;
  std::optional<double> cached;
  std::optional<Sampled> sampled;
};

// `failure` is nullptr when the pass is done. Throws a Failure when the file cannot be written.
void write_result(const std::string& path, const Job& job, const Result& result, const Failure* failure);

}  // namespace edgeq
