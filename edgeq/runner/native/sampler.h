// A thread that reads sensors on a schedule of its own while the main one runs inferences, on the same clock.
#pragma once

#include "job.h"
#include "sample_log.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace edgeq {

// What was sampled; edgeq/runner/job.py says what its fields mean.
struct Sampled {
  std::string samples;  // as SampleLog keeps them
  int64_t began = 0;
  int64_t ended = 0;
  int64_t cpu_time = 0;
  std::vector<std::pair<int64_t, int64_t>> idle;
  int unanswered = -1;  // sensor that was still being read at the end
};

class Sampler {
 public:
  // Starts the thread, on the core that the plan names, else on any that is not among `inference_cpus`; where
  // there is no other one, on those. Throws a Failure when the named core is not there.
  Sampler(const Sampling& plan, const std::vector<int>& inference_cpus);
  // Ends the thread. One that hangs in a read which the kernel does not end is left behind with what it holds.
  ~Sampler();
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  // Ends the thread and adds what it sampled to `sampled`.
  void finish(Sampled& sampled);

 private:
  struct State;
  static void run(const std::shared_ptr<State>& state);
  static bool sample_all(State& state, int64_t slot);
  bool end_thread();

  std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace edgeq
