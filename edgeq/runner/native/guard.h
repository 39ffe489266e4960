// The last line: the process ends with a result document whatever happens to it.
//
// ExecuTorch verifies the program's own structure, but not what lies inside a
// delegate's data, and XNNPACK's prebuilt library may crash on a damaged one.
// A fatal signal, the deadline and a lost client are therefore turned into a
// failed result with the stage and the signal's name, and exit code 1.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace edgeq {

// Says which stage (job, load, init, input, ...) runs now. `stage` must be a literal.
void enter_stage(const char* stage);
const char* current_stage();

// Installs the handlers. A fatal signal then writes a failed result of pass `pass` to `result_path`.
void arm_guard(const std::string& result_path, const std::string& pass);

// Installs the handlers without a result document: the report is a line on stderr only.
void arm_guard();

// Ends the process after `seconds`, counted by the system.
void set_deadline(unsigned seconds);

// Remembers why ExecuTorch is about to abort; `message` is copied.
void note_fatal(const char* message);

// Samples (as SampleLog keeps them) that a failed result shall hold; nullptr for none. `data` stays in place.
void register_samples(const char* data, const std::atomic<size_t>* length);

// Times of a latency pass that is going on, for the failed result of one that is cut off: the first `count` of
// both lists are whole. Zero it before the lists move.
struct Progress {
  int64_t load = 0;
  int64_t init = 0;
  int64_t first = 0;
  std::atomic<const int64_t*> measured{nullptr};
  std::atomic<const int64_t*> starts{nullptr};
  std::atomic<size_t> count{0};
};
void register_progress(const Progress* progress);

// Files to remove when a signal ends the process. At most four at a time.
void register_scratch(const std::string& path);
void forget_scratch(const std::string& path);

}  // namespace edgeq
