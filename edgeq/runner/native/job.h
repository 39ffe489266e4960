// The job document; edgeq/runner/job.py says what its fields mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace edgeq {

enum class Pass { latency, outputs, operators };

struct Agreement {
  size_t window;
  double spread;
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
  size_t least_iterations = 1;
  size_t most_iterations = 1;
  double least_seconds = 0;
  double most_seconds = 60;
  std::optional<Agreement> agreement;
  unsigned deadline = 600;
};

// A job file that cannot be read or breaks the schema; the message names the key. Exit code 2.
struct BadJob : std::runtime_error {
  using std::runtime_error::runtime_error;
};

Job read_job(const std::string& path);

}  // namespace edgeq
