// Readings of sensors as they come: a list of JSON arrays without its brackets, in memory that is mapped once.
//
// One thread appends; what was appended may be read at any time, also by a signal handler that writes the
// failed result of a run that was cut off.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace edgeq {

class SampleLog {
 public:
  // Throws a Failure of the current stage when there is no room.
  SampleLog();
  ~SampleLog();
  SampleLog(const SampleLog&) = delete;
  SampleLog& operator=(const SampleLog&) = delete;

  // `[sensor,start,end,"text"]`, or `[sensor,start,end,null,"error"]`. False when the log is full: then its
  // last entry says so.
  bool add(size_t sensor, int64_t start, int64_t end, std::string_view text);
  bool add_error(size_t sensor, int64_t start, int64_t end, std::string_view error);

  std::string_view text() const { return {data_, length_.load(std::memory_order_acquire)}; }
  const char* data() const { return data_; }
  const std::atomic<size_t>& length() const { return length_; }

 private:
  bool append(size_t sensor, int64_t start, int64_t end, const char* before, std::string_view text);

  char* data_;
  std::atomic<size_t> length_{0};
  bool full_ = false;
};

}  // namespace edgeq
