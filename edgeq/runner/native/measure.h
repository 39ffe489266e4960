// The clock, and the rule that ends a measurement.
#pragma once

#include "job.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace edgeq {

// CLOCK_MONOTONIC in nanoseconds.
int64_t now();

class StopRule {
 public:
  explicit StopRule(const Job& job);

  // `values`: the times so far, at least one; `elapsed`: nanoseconds since the phase began. Returns
  // "agreement", "iterations" or "seconds", or nothing to go on. Agreement needs the least iterations and
  // seconds; the most seconds end the phase even before the least iterations.
  std::optional<std::string> decide(const std::vector<int64_t>& values, int64_t elapsed);

 private:
  bool agree(const std::vector<int64_t>& values);

  size_t least_iterations_;
  size_t most_iterations_;
  int64_t least_elapsed_;
  int64_t most_elapsed_;
  std::optional<Agreement> agreement_;
  std::vector<int64_t> window_;
};

}  // namespace edgeq
