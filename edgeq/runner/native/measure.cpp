#include "measure.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <ctime>
#include <limits>

namespace edgeq {
namespace {

int64_t nanoseconds(double seconds) {
  constexpr double kMost = 9e18;  // below the largest int64_t
  return static_cast<int64_t>(std::min(seconds * 1e9, kMost));
}

double median_of(std::vector<int64_t> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  const double upper = static_cast<double>(values[middle]);
  return values.size() % 2 ? upper : (static_cast<double>(values[middle - 1]) + upper) / 2;
}

}  // namespace

int64_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

void sleep_until(int64_t due) {
  const timespec time{due / 1'000'000'000, due % 1'000'000'000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) == EINTR) {
  }
}

StopRule::StopRule(const Job& job)
    : least_iterations_(job.least_iterations),
      most_iterations_(job.most_iterations),
      least_elapsed_(nanoseconds(job.least_seconds)),
      most_elapsed_(nanoseconds(job.most_seconds)),
      agreement_(job.agreement) {}

std::optional<std::string> StopRule::decide(const std::vector<int64_t>& values, int64_t elapsed) const {
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

bool StopRule::agree(const std::vector<int64_t>& values) const {
  if (!agreement_ || values.size() < agreement_->window) {
    return false;
  }
  const auto begin = values.end() - static_cast<std::ptrdiff_t>(agreement_->window);
  const auto [least, most] = std::minmax_element(begin, values.end());
  return static_cast<double>(*most - *least) <= agreement_->spread * median_of({begin, values.end()});
}

WarmupRule::WarmupRule(const Job& job)
    : least_iterations_(job.warmup),
      least_elapsed_(nanoseconds(job.least_warmup_seconds)),
      most_elapsed_(nanoseconds(job.most_warmup_seconds)),
      steady_(job.steady) {}

std::optional<std::string> WarmupRule::decide(const std::vector<int64_t>& values, int64_t elapsed) const {
  if (values.size() >= least_iterations_ && elapsed >= least_elapsed_ && is_steady(values)) {
    return steady_ ? "steady" : "count";
  }
  if (elapsed >= most_elapsed_) {
    return "seconds";
  }
  return std::nullopt;
}

bool WarmupRule::is_steady(const std::vector<int64_t>& values) const {
  if (!steady_) {
    return true;
  }
  if (values.size() < 2 * steady_->window) {
    return false;
  }
  const auto middle = values.end() - static_cast<std::ptrdiff_t>(steady_->window);
  const double before = median_of({middle - static_cast<std::ptrdiff_t>(steady_->window), middle});
  return std::abs(median_of({middle, values.end()}) - before) <= steady_->spread * before;
}

Pace::Pace(const Job& job)
    : interval_(job.rate > 0 ? nanoseconds(1 / job.rate) : 0), pause_(nanoseconds(job.pause)), began_(now()) {}

void Pace::await(size_t number) {
  if (number == 0 || (interval_ == 0 && pause_ == 0)) {
    return;
  }
  const int64_t due = interval_ ? began_ + static_cast<int64_t>(number) * interval_ : now() + pause_;
  sleep_until(due);
}

}  // namespace edgeq
