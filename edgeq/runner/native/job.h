// The job document; edgeq/runner/job.py says what its fields mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace edgeq {

enum class Pass { latency, memory, outputs, operators };

struct Agreement {
  size_t window;
  double spread;
};

// Warm-up ends once the medians of the last two windows differ by at most `spread` of the earlier one.
struct Steady {
  size_t window;
  double spread;
};

// One sensor: files that are read together, or a command; the other one is empty.
struct Sensor {
  std::vector<std::string> files;
  std::vector<std::string> command;
  size_t room = 0;   // bytes to read of each file; 0: as many as there is room for
  int64_t every = 1;  // intervals from one reading to the next
};

struct Sampling {
  double interval = 0;  // seconds
  std::optional<int> cpu;
  double idle_before = 0;  // seconds
  double idle_after = 0;
  std::vector<Sensor> sensors;
};

struct Job {
  Pass pass;
  std::string pass_name;
  std::string program;
  std::string inputs;
  std::string method = "forward";
  std::string outputs;
  std::string etdump;
  uint32_t threads = 1;
  std::vector<int> cpus;
  size_t warmup = 2;
  double least_warmup_seconds = 0;
  double most_warmup_seconds = 60;
  std::optional<Steady> steady;
  size_t least_iterations = 1;
  size_t most_iterations = 1;
  double least_seconds = 0;
  double most_seconds = 60;
  std::optional<Agreement> agreement;
  double rate = 0;   // requests per second; 0: the next one at once
  double pause = 0;  // seconds between the end of one and the start of the next
  std::optional<Sampling> sampling;
  unsigned deadline = 600;
};

// A job file that cannot be read or breaks the schema; the message names the key. Exit code 2.
struct BadJob : std::runtime_error {
  using std::runtime_error::runtime_error;
};

Job read_job(const std::string& path);

}  // namespace edgeq
