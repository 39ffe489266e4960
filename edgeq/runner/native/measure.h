// The clock, the rules that end warm-up and measurement, and the pace between inferences.
#pragma once

#include "job.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace edgeq {

// CLOCK_MONOTONIC in nanoseconds.
int64_t now();

// Sleeps until that time of `now`, or not at all.
void sleep_until(int64_t due);

class StopRule {
 public:
  explicit StopRule(const Job& job);

  // `values`: the times so far, at least one; `elapsed`: nanoseconds since the phase began. Returns
  // "agreement", "iterations" or "seconds", or nothing to go on. Agreement needs the least iterations and
  // seconds; the most seconds end the phase even before the least iterations.
  std::optional<std::string> decide(const std::vector<int64_t>& values, int64_t elapsed) const;

 private:
  bool agree(const std::vector<int64_t>& values) const;

  size_t least_iterations_;
  size_t most_iterations_;
  int64_t least_elapsed_;
  int64_t most_elapsed_;
  std::optional<Agreement> agreement_;
};

class WarmupRule {
 public:
  explicit WarmupRule(const Job& job);

  // As StopRule::decide, also before the first value: "steady" or, without that rule, "count" once there are
  // the least inferences and seconds; "seconds" when it became too long.
  std::optional<std::string> decide(const std::vector<int64_t>& values, int64_t elapsed) const;

 private:
  bool is_steady(const std::vector<int64_t>& values) const;

  size_t least_iterations_;
  int64_t least_elapsed_;
  int64_t most_elapsed_;
  std::optional<Steady> steady_;
};

// When the next inference may start.
class Pace {
 public:
  explicit Pace(const Job& job);

  // Sleeps until request `number` is due, on CLOCK_MONOTONIC; returns at once when it is late.
  void await(size_t number);

 private:
  int64_t interval_;
  int64_t pause_;
  int64_t began_;
};

}  // namespace edgeq
