// edgeq-runner: runs one job on one program and writes a result document.
//
// Exit codes: 0 done; 1 the runner failed (the result says where and why, and so does one line on stderr);
// 2 bad usage or a bad job file (one line on stderr, no result).
#include "describe.h"
#include "failure.h"
#include "guard.h"
#include "job.h"
#include "passes.h"
#include "result.h"

#include <executorch/runtime/platform/runtime.h>

#include <sys/prctl.h>

#include <cstdio>
#include <cstring>
#include <new>
#include <optional>

namespace {

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kBadUsage = 2;

constexpr const char* kUsage =
    "usage: edgeq-runner JOB.json RESULT.json\n"
    "       edgeq-runner --describe PROGRAM.pte\n"
    "       edgeq-runner --version\n";

void start_executorch() {
  edgeq::capture_log();
  executorch::runtime::runtime_init();
}

void print_failure(const edgeq::Failure& failure) {
  std::fprintf(stderr, "edgeq-runner: %s: %s: %s\n", failure.stage.c_str(), failure.name.c_str(), failure.what());
}

// Calls `work` and turns whatever it throws into a Failure.
template <typename Work>
std::optional<edgeq::Failure> attempt(Work work) {
  try {
    work();
    return std::nullopt;
  } catch (const edgeq::Failure& failure) {
    return failure;
  } catch (const std::bad_alloc&) {
    return edgeq::Failure(edgeq::current_stage(), "MemoryAllocationFailed", "out of memory");
  } catch (const std::exception& error) {
    return edgeq::Failure(edgeq::current_stage(), "Internal", error.what());
  }
}

int run(const char* job_path, const char* result_path) {
  edgeq::Job job;
  try {
    job = edgeq::read_job(job_path);
  } catch (const edgeq::BadJob& error) {
    std::fprintf(stderr, "edgeq-runner: %s\n", error.what());
    return kBadUsage;
  }
  edgeq::arm_guard(result_path, job.pass_name);
  edgeq::set_deadline(job.deadline);
  edgeq::Result result;
  const auto failure = attempt([&] {
    start_executorch();
    edgeq::run_pass(job, result);
  });
  if (failure) {
    print_failure(*failure);
  }
  const auto unwritten = attempt([&] {
    edgeq::enter_stage("result");
    edgeq::write_result(result_path, job, result, failure ? &*failure : nullptr);
  });
  if (unwritten) {
    print_failure(*unwritten);
  }
  return failure || unwritten ? kFailed : kDone;
}

int describe(const char* program_path) {
  edgeq::arm_guard();
  const auto failure = attempt([&] {
    start_executorch();
    std::puts(edgeq::describe_program(program_path).c_str());
  });
  if (failure) {
    print_failure(*failure);
  }
  return failure ? kFailed : kDone;
}

}  // namespace

int main(int count, char** arguments) {
  // Started by a loader that was called by its name, the process would bear the loader's.
  prctl(PR_SET_NAME, "edgeq-runner");
  if (count == 2 && std::strcmp(arguments[1], "--version") == 0) {
    std::printf("{\"executorch\": \"%s\", \"schema\": %d}\n", EDGEQ_EXECUTORCH_VERSION, edgeq::kResultSchema);
    return kDone;
  }
  if (count == 3 && std::strcmp(arguments[1], "--describe") == 0) {
    return describe(arguments[2]);
  }
  if (count == 3 && arguments[1][0] != '-') {
    return run(arguments[1], arguments[2]);
  }
  std::fputs(kUsage, stderr);
  return kBadUsage;
}
