#include "machine.h"

#include "failure.h"

#include <sched.h>

#include <cstddef>
#include <string>

// The wheel's library exports these, but the wheel ships no header for them.
namespace executorch::extension::threadpool {
class ThreadPool {
 public:
  size_t get_thread_count() const;
  bool _unsafe_reset_threadpool(uint32_t new_thread_count);
};
ThreadPool* get_threadpool();
}  // namespace executorch::extension::threadpool

namespace edgeq {

void pin(const std::vector<int>& cpus) {
  if (cpus.empty()) {
    return;
  }
  cpu_set_t set;
  CPU_ZERO(&set);
  std::string names;
  for (const int cpu : cpus) {
    CPU_SET(static_cast<size_t>(cpu), &set);
    names += (names.empty() ? "" : ",") + std::to_string(cpu);
  }
  if (sched_setaffinity(0, sizeof set, &set) != 0) {
    fail_errno("cannot pin the process to cores " + names);
  }
  // The kernel leaves out cores that are not there; a part of the set is not what was asked for.
  cpu_set_t got;
  if (sched_getaffinity(0, sizeof got, &got) != 0 || !CPU_EQUAL(&set, &got)) {
    fail("EINVAL", "cannot pin the process to cores " + names + ": not all of them are there");
  }
}

uint32_t set_threads(uint32_t threads) {
  auto* pool = executorch::extension::threadpool::get_threadpool();
  if (!pool || !pool->_unsafe_reset_threadpool(threads) || pool->get_thread_count() != threads) {
    fail("InvalidState", "cannot size the thread pool to " + std::to_string(threads));
  }
  return threads;
}

}  // namespace edgeq
