#include "sample_log.h"

#include "failure.h"

#include <sys/mman.h>

#include <cstdio>

namespace edgeq {
namespace {

// Address space; memory is taken as it fills. A sample of a file needs 60 bytes, so that an hour at 100 a
// second fits.
constexpr size_t kRoom = 64 << 20;
// Beside the text: numbers, quotes and brackets. The last entry must always fit.
constexpr size_t kFrame = 160;

// Control characters but newline have no business in a number; bytes above ASCII may be no UTF-8.
char* escape(std::string_view text, char* to) {
  for (const char letter : text) {
    if (letter == '\n' || letter == '"' || letter == '\\') {
      *to++ = '\\';
      *to++ = letter == '\n' ? 'n' : letter;
    } else {
      *to++ = letter < 0x20 || letter > 0x7e ? ' ' : letter;
    }
  }
  return to;
}

}  // namespace

SampleLog::SampleLog() {
  void* room = mmap(nullptr, kRoom, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) {
    fail_errno("cannot make room for samples");
  }
  data_ = static_cast<char*>(room);
}

SampleLog::~SampleLog() { munmap(data_, kRoom); }

bool SampleLog::add(size_t sensor, int64_t start, int64_t end, std::string_view text) {
  return append(sensor, start, end, "\"", text);
}

bool SampleLog::add_error(size_t sensor, int64_t start, int64_t end, std::string_view error) {
  return append(sensor, start, end, "null,\"", error);
}

bool SampleLog::append(size_t sensor, int64_t start, int64_t end, const char* before, std::string_view text) {
  if (full_) {
    return false;
  }
  const size_t length = length_.load(std::memory_order_relaxed);
  if (length + 2 * text.size() + 2 * kFrame > kRoom) {
    full_ = true;
    before = "null,\"";
    text = "no room for more samples";
  }
  char* at = data_ + length;
  at += std::snprintf(at, kFrame, "%s[%zu,%lld,%lld,%s", length ? "," : "", sensor, static_cast<long long>(start),
                      static_cast<long long>(end), before);
  at = escape(text, at);
  *at++ = '"';
  *at++ = ']';
  length_.store(static_cast<size_t>(at - data_), std::memory_order_release);
  return !full_;
}

}  // namespace edgeq
