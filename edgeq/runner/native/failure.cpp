#include "failure.h"

#include "guard.h"

#include <executorch/runtime/platform/platform.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

namespace edgeq {
namespace {

// The first message names the cause, later ones the callers that passed the error on.
std::mutex log_mutex;
std::string first_error;

void keep_message(et_timestamp_t, et_pal_log_level_t level, const char*, const char*, size_t,
                  const char* message, size_t length) {
  if (level != kError && level != kFatal) {
    return;
  }
  std::lock_guard lock(log_mutex);
  if (first_error.empty()) {
    first_error.assign(message, length);
  }
  if (level == kFatal) {
    note_fatal(first_error.c_str());
  }
}

std::string take_log() {
  std::lock_guard lock(log_mutex);
  return printable(std::exchange(first_error, {}));
}

std::string errno_name(int number) {
  switch (number) {
    case EACCES: return "EACCES";
    case EDQUOT: return "EDQUOT";
    case EFBIG: return "EFBIG";
    case EINVAL: return "EINVAL";
    case EIO: return "EIO";
    case EISDIR: return "EISDIR";
    case EMFILE: return "EMFILE";
    case ENAMETOOLONG: return "ENAMETOOLONG";
    case ENOENT: return "ENOENT";
    case ENOMEM: return "ENOMEM";
    case ENOSPC: return "ENOSPC";
    case ENOTDIR: return "ENOTDIR";
    case EPERM: return "EPERM";
    case EROFS: return "EROFS";
    default: return "errno " + std::to_string(number);
  }
}

}  // namespace

std::string printable(std::string text) {
  for (char& letter : text) {
    if (letter < 0x20 || letter > 0x7e) {
      letter = '?';
    }
  }
  return text;
}

void fail(const std::string& name, const std::string& message) {
  throw Failure(current_stage(), name, message);
}

void fail_errno(const std::string& action) {
  const int number = errno;
  fail(errno_name(number), action + ": " + std::strerror(number));
}

void check(executorch::runtime::Error error, const std::string& action) {
  std::string logged = take_log();
  if (error == executorch::runtime::Error::Ok) {
    return;
  }
  const std::string name = executorch::runtime::to_string(error);  // "Error::InvalidProgram"
  const std::string message = logged.empty() ? action : action + ": " + logged;
  fail(name.substr(name.find_last_of(':') + 1), message);
}

void capture_log() {
  executorch::runtime::register_pal(executorch::runtime::PalImpl::create(keep_message, __FILE__));
}

}  // namespace edgeq
