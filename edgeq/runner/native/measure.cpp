#include "measure.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <limits>

namespace edgeq {
namespace {

int64_t nanoseconds(double seconds) {
  constexpr double kMost = 9e18;  // below the largest int64_t
  return static_cast<int64_t>(std::min(seconds * 1e9, kMost));
}

}  // namespace

int64_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

StopRule::StopRule(const Job& job)
    : least_iterations_(job.least_iterations),
      most_iterations_(job.most_iterations),
      least_elapsed_(nanoseconds(job.least_seconds)),
      most_elapsed_(nanoseconds(job.most_seconds)),
      agreement_(job.agreement) {}

std::optional<std::string> StopRule::decide(const std::vector<int64_t>& values, int64_t elapsed) {
  if (values.size() >= least_iterations_ && elapsed >= least_elapsed_ && agree(values)) {
    return "agreement";
  }
  if (values.size() >= most_iterations_) {
    return "iterations";
  }
  if (elapsed >= most_elapsed_) {
    return "seconds";
  }
  return std::nullopt;
}

bool StopRule::agree(const std::vector<int64_t>& values) {
  if (!agreement_ || values.size() < agreement_->window) {
    return false;
  }
  window_.assign(values.end() - static_cast<std::ptrdiff_t>(agreement_->window), values.end());
  std::sort(window_.begin(), window_.end());
  const size_t middle = window_.size() / 2;
  const double upper = static_cast<double>(window_[middle]);
  const double median = window_.size() % 2 ? upper : (static_cast<double>(window_[middle - 1]) + upper) / 2;
  return static_cast<double>(window_.back() - window_.front()) <= agreement_->spread * median;
}

}  // namespace edgeq
