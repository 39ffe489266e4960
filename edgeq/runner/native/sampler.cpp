#include "sampler.h"

#include "failure.h"
#include "guard.h"
#include "measure.h"
#include "sensor.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>

namespace edgeq {
namespace {

// A sensor that fails this often in a row is not asked again.
constexpr int kMostFailures = 10;
// How long the end of the run waits for a sensor that is being read; a command is given 2 s.
constexpr int kPatienceMilliseconds = 5000;

// A pipe of which one side waits until the other one closes its end.
class Ending {
 public:
  Ending() {
    if (pipe2(ends_, O_CLOEXEC) != 0) {
      fail_errno("cannot make a pipe");
    }
  }
  ~Ending() {
    close(ends_[0]);
    declare();
  }
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;

  void declare() {
    if (const int end = std::exchange(ends_[1], -1); end >= 0) {
      close(end);
    }
  }

  // Waits until `declare` was called, at most `nanoseconds`; says whether it was.
  bool await(int64_t nanoseconds) const {
    const int64_t due = now() + nanoseconds;
    for (int64_t left = nanoseconds;; left = due - now()) {
      left = std::max<int64_t>(left, 0);
      const timespec time{left / 1'000'000'000, left % 1'000'000'000};
      pollfd waiting{ends_[0], 0, 0};
      const int count = ppoll(&waiting, 1, &time, nullptr);
      if (count >= 0) {
        return count > 0;
      }
    }
  }

 private:
  int ends_[2];
};

// A number in [0, 1) that looks drawn and is the same in every run (Steele, Lea, Flood: SplitMix64, 2014).
double draw(uint64_t index) {
  uint64_t mixed = (index + 1) * 0x9e3779b97f4a7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return static_cast<double>((mixed ^ (mixed >> 31)) >> 11) * 0x1p-53;
}

int64_t thread_cpu_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

// Of the calling thread. Returns 0 or errno.
int choose_core(const std::optional<int>& cpu, const std::vector<int>& inference_cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (cpu) {
    CPU_SET(static_cast<size_t>(*cpu), &set);
    return sched_setaffinity(0, sizeof set, &set) == 0 ? 0 : errno;
  }
  if (!inference_cpus.empty()) {
    // The kernel leaves out cores that are not there, and refuses a set of which none is left.
    for (int other = 0; other < CPU_SETSIZE; ++other) {
      if (std::find(inference_cpus.begin(), inference_cpus.end(), other) == inference_cpus.end()) {
        CPU_SET(static_cast<size_t>(other), &set);
      }
    }
    sched_setaffinity(0, sizeof set, &set);
  }
  return 0;
}

}  // namespace

struct Sampler::State {
  Sampling plan;
  std::vector<int> inference_cpus;
  SampleLog log{};
  Ending ready{};
  Ending stop{};
  Ending done{};
  std::vector<int> failures{};
  std::vector<int64_t> due{};  // the slot from which on each sensor is read again
  Reading reading{};
  int64_t children = 0;
  int pin_error = 0;
  int64_t began = 0;
  std::atomic<int64_t> cpu_time{0};
  std::atomic<int> current{-1};
};

Sampler::Sampler(const Sampling& plan, const std::vector<int>& inference_cpus)
    : state_(new State{.plan = plan, .inference_cpus = inference_cpus}) {
  state_->failures.assign(plan.sensors.size(), 0);
  state_->due.assign(plan.sensors.size(), 0);
  register_samples(state_->log.data(), &state_->log.length());
  // Signals go to the main thread: all are blocked while this one begins, and it inherits that.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread(run, state_);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  state_->ready.await(INT64_C(10'000'000'000));
  if (state_->pin_error != 0) {
    end_thread();
    errno = state_->pin_error;
    fail_errno("cannot pin the sampling thread to core " + std::to_string(plan.cpu.value_or(-1)));
  }
}

Sampler::~Sampler() { end_thread(); }

bool Sampler::end_thread() {
  if (!thread_.joinable()) {
    return true;
  }
  state_->stop.declare();
  const bool ended = state_->done.await(INT64_C(1'000'000) * kPatienceMilliseconds);
  if (ended) {
    thread_.join();
    register_samples(nullptr, nullptr);
  } else {
    thread_.detach();
  }
  return ended;
}

void Sampler::finish(Sampled& sampled) {
  const int64_t ended = now();
  sampled.unanswered = end_thread() ? -1 : state_->current.load();
  sampled.began = state_->began;
  sampled.ended = ended;
  sampled.cpu_time = state_->cpu_time.load();
  sampled.samples = state_->log.text();
}

void Sampler::run(const std::shared_ptr<State>& shared) {
  State& state = *shared;
  prctl(PR_SET_NAME, "edgeq-sampler");
  state.pin_error = choose_core(state.plan.cpu, state.inference_cpus);
  state.began = now();
  state.ready.declare();
  const auto interval = static_cast<int64_t>(state.plan.interval * 1e9);
  bool more = state.pin_error == 0 && !state.plan.sensors.empty();
  for (int64_t slot = 0; more; ++slot) {
    // Somewhere within each interval, so that nothing periodic is met at the same point each time. What is
    // past already is left out: two samples in a row would say the same.
    const auto offset = static_cast<int64_t>(draw(static_cast<uint64_t>(slot)) * static_cast<double>(interval));
    const int64_t wait = state.began + slot * interval + offset - now();
    if (wait > 0) {
      const bool stopped = state.stop.await(wait);
      // A run that is over before the first point is read once, right at its end.
      more = (!stopped || slot == 0) && sample_all(state, slot) && !stopped;
    } else {
      slot = std::max(slot, (now() - state.began) / interval - 1);
    }
  }
  state.done.declare();
}

// False when nothing is left to ask.
bool Sampler::sample_all(State& state, int64_t slot) {
  bool more = false;
  for (size_t index = 0; index < state.plan.sensors.size(); ++index) {
    int& failures = state.failures[index];
    if (failures >= kMostFailures) {
      continue;
    }
    if (slot < state.due[index]) {
      more = true;
      continue;
    }
    state.due[index] = slot + state.plan.sensors[index].every;
    state.current = static_cast<int>(index);
    const int64_t start = now();
    read_sensor(state.plan.sensors[index], state.reading, state.children);
    const int64_t end = now();
    const auto text = state.reading.view();
    failures = state.reading.good ? 0 : failures + 1;
    const bool room = state.reading.good ? state.log.add(index, start, end, text)
                                         : state.log.add_error(index, start, end, text);
    state.current = -1;
    if (!room) {
      return false;
    }
    more |= failures < kMostFailures;
  }
  state.cpu_time = thread_cpu_time() + state.children;
  return more;
}

}  // namespace edgeq
