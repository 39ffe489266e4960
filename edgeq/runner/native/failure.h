// What can go wrong, as one exception type. A Failure knows the stage in which
// it happened, the name of the error (ExecuTorch's or the system's) and a message.
#pragma once

#include <executorch/runtime/core/error.h>
#include <executorch/runtime/core/result.h>

#include <stdexcept>
#include <string>

namespace edgeq {

struct Failure : std::runtime_error {
  Failure(std::string stage, std::string name, const std::string& message)
      : std::runtime_error(message), stage(std::move(stage)), name(std::move(name)) {}
  // Copied only: runtime_error's move is newer than the libstdc++ of glibc 2.28's time.
  Failure(const Failure&) = default;
  Failure& operator=(const Failure&) = default;
  std::string stage;
  std::string name;
};

// Text out of a program, which may hold any bytes: everything but printable ASCII becomes '?'.
std::string printable(std::string text);

// Throws a Failure of the current stage.
[[noreturn]] void fail(const std::string& name, const std::string& message);

// The same with the name and the text of `errno`; `action` says what was tried, e.g. "cannot open x".
[[noreturn]] void fail_errno(const std::string& action);

// Throws unless `error` is Ok: ExecuTorch's name for it, `action`, and what ExecuTorch logged about it.
void check(executorch::runtime::Error error, const std::string& action);

template <typename T>
T unwrap(executorch::runtime::Result<T>&& result, const std::string& action) {
  check(result.error(), action);
  return std::move(result.get());
}

// Keeps ExecuTorch's error messages for `check` instead of printing them. Call before anything of ExecuTorch.
void capture_log();

}  // namespace edgeq
