#include "passes.h"

#include "guard.h"
#include "inputs.h"
#include "machine.h"
#include "measure.h"
#include "sampler.h"

#include <executorch/devtools/etdump/etdump_flatcc.h>

#include <algorithm>

namespace edgeq {
namespace {

using executorch::etdump::ETDumpGen;
using executorch::runtime::Error;
using executorch::runtime::Method;

// A method that is ready to run, and its samples.
class Bench {
 public:
  Bench(LoadedMethod& method, Samples& samples) : method_(method.get()), samples_(samples), slots_(samples) {
    slots_.try_shapes(method_);
  }

  struct Timing {
    int64_t start;
    int64_t duration;
  };

  // Runs inference `number` on the sample whose turn it is. Only `execute` is timed.
  Timing infer(const char* stage, size_t number) {
    enter_stage("input");
    slots_.set(method_, number % samples_.size());
    enter_stage(stage);
    const int64_t start = now();
    const auto error = method_.execute();
    const int64_t end = now();
    check(error, "inference " + std::to_string(number) + " failed");
    return {start, end - start};
  }

  // What is in each of the times besides the inference: the readings of the clock around a call that does nothing.
  static std::vector<int64_t> time_nothing() {
    constexpr size_t kTimes = 101;
    enter_stage("empty");
    Error (*volatile nothing)() = [] { return Error::Ok; };
    std::vector<int64_t> durations;
    durations.reserve(kTimes);
    while (durations.size() < kTimes) {
      const int64_t start = now();
      const auto error = nothing();
      const int64_t end = now();
      check(error, "nothing failed");
      durations.push_back(end - start);
    }
    return durations;
  }

  size_t samples() const { return samples_.size(); }
  Method& method() { return method_; }

 private:
  Method& method_;
  Samples& samples_;
  InputSlots slots_;
};

// An inference takes microseconds at least; a longer run than this grows its vectors between inferences.
constexpr size_t kMostReserved = 1'000'000;

// Samples from here to the end of its block, and puts what was sampled into the result however that is left.
class Observation {
 public:
  Observation(const Job& job, Result& result) : plan_(job.sampling), result_(result) {
    if (plan_) {
      result_.sampled.emplace();
      sampler_.emplace(*plan_, job.cpus);
    }
  }
  ~Observation() {
    if (sampler_) {
      sampler_->finish(*result_.sampled);
    }
  }
  Observation(const Observation&) = delete;
  Observation& operator=(const Observation&) = delete;

  // The device without work, for what it takes then.
  void rest_before() { rest(plan_ ? plan_->idle_before : 0); }
  void rest_after() { rest(plan_ ? plan_->idle_after : 0); }

 private:
  void rest(double seconds) {
    if (seconds > 0) {
      enter_stage("idle");
      const int64_t began = now();
      sleep_until(began + static_cast<int64_t>(seconds * 1e9));
      result_.sampled->idle.emplace_back(began, now());
    }
  }

  const std::optional<Sampling>& plan_;
  Result& result_;
  std::optional<Sampler> sampler_;
};

// Keeps the times so far where a run that is cut off finds them, and puts them into the result however it ends.
class Record {
 public:
  Record(Times& times, Result& result) : times_(times), result_(result) {
    progress_.load = times.load;
    progress_.init = times.init;
    progress_.first = times.first;
    register_progress(&progress_);
  }
  ~Record() {
    register_progress(nullptr);
    result_.times = std::move(times_);
  }
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;

  void add(int64_t start, int64_t duration) {
    if (times_.measured.size() == times_.measured.capacity()) {
      progress_.count.store(0);
    }
    times_.starts.push_back(start);
    times_.measured.push_back(duration);
    progress_.starts.store(times_.starts.data());
    progress_.measured.store(times_.measured.data());
    progress_.count.store(times_.measured.size(), std::memory_order_release);
  }

 private:
  Times& times_;
  Result& result_;
  Progress progress_;
};

// At the pace of the measured phase: a device that idles between requests warms up less.
void warm_up(const Job& job, Bench& bench, std::vector<int64_t>& durations, Result& result) {
  const WarmupRule rule(job);
  Pace pace(job);
  const int64_t began = now();
  while (!(result.warmup_stopped_by = rule.decide(durations, now() - began))) {
    pace.await(durations.size());
    durations.push_back(bench.infer("warmup", durations.size()).duration);
  }
}

void run_latency(const Job& job, Bench& bench, Times& times, Result& result) {
  times.warmup.reserve(std::min(job.warmup, kMostReserved));
  times.measured.reserve(std::min(job.most_iterations, kMostReserved));
  times.starts.reserve(std::min(job.most_iterations, kMostReserved));
  times.empty = Bench::time_nothing();
  times.first = bench.infer("first", 0).duration;
  result.memory.push_back(take_memory("first"));
  Record record(times, result);
  Observation observation(job, result);
  observation.rest_before();
  warm_up(job, bench, times.warmup, result);
  const StopRule rule(job);
  Pace pace(job);
  const int64_t began = now();
  while (!result.stopped_by) {
    pace.await(times.measured.size());
    const auto timing = bench.infer("measured", times.measured.size());
    record.add(timing.start, timing.duration);
    result.stopped_by = rule.decide(times.measured, now() - began);
  }
  observation.rest_after();
}

// Nothing but what a user's process would do: no sampling, and no room for the times of many inferences.
void run_memory(Bench& bench, Times& times, Result& result) {
  times.first = bench.infer("first", 0).duration;
  result.memory.push_back(take_memory("first", true));
  bench.infer("measured", 1);
  result.times = std::move(times);
}

std::string key_of(size_t sample, size_t index) { return std::to_string(sample) + "." + std::to_string(index); }

void write_output(SafetensorsWriter& writer, Method& method, size_t sample, size_t index) {
  const auto& value = method.get_output(index);
  if (!value.isTensor()) {
    fail("NotSupported", "output " + std::to_string(index) + " is no tensor");
  }
  const auto tensor = value.toTensor();
  const DType* dtype = find_dtype(tensor.scalar_type());
  if (!dtype) {
    fail("NotSupported", "output " + std::to_string(index) + " has dtype " + dtype_name(tensor.scalar_type()));
  }
  const Shape shape(tensor.sizes().begin(), tensor.sizes().end());
  const std::vector<uint8_t> order(tensor.dim_order().begin(), tensor.dim_order().end());
  const auto* data = static_cast<const std::byte*>(tensor.const_data_ptr());
  if (is_row_major(order)) {
    writer.add(key_of(sample, index), *dtype, shape, data, tensor.nbytes());
    return;
  }
  const Buffer row_major = allocate(tensor.nbytes());
  gather(data, row_major.get(), shape, strides_of(shape, order), dtype->bytes);
  writer.add(key_of(sample, index), *dtype, shape, row_major.get(), tensor.nbytes());
}

void run_outputs(const Job& job, Bench& bench, Result& result) {
  enter_stage("outputs");
  const auto meta = bench.method().method_meta();
  size_t room = 0;
  for (size_t sample = 0; sample < bench.samples(); ++sample) {
    for (size_t index = 0; index < meta.num_outputs(); ++index) {
      const auto info = unwrap(meta.output_tensor_meta(index), "output " + std::to_string(index) + " is no tensor");
      room += SafetensorsWriter::room_for(key_of(sample, index), describe_tensor(info).shape);
    }
  }
  SafetensorsWriter writer(job.outputs, room);
  for (size_t sample = 0; sample < bench.samples(); ++sample) {
    bench.infer(sample == 0 ? "first" : "outputs", sample);
    if (sample == 0) {
      result.memory.push_back(take_memory("first"));
    }
    enter_stage("outputs");
    for (size_t index = 0; index < meta.num_outputs(); ++index) {
      write_output(writer, bench.method(), sample, index);
    }
  }
  writer.commit();
}

// The dump holds exactly the traced inferences: what came before them is dropped from the tracer. Outputs, when
// they are asked for here too, are those of the inferences that come before.
void run_operators(const Job& job, Bench& bench, ETDumpGen& tracer, Result& result) {
  if (job.outputs.empty()) {
    bench.infer("first", 0);
    result.memory.push_back(take_memory("first"));
  } else {
    run_outputs(job, bench, result);
  }
  for (size_t number = 0; number < job.warmup; ++number) {
    bench.infer("warmup", number);
  }
  tracer.reset();
  for (size_t number = 0; number < job.least_iterations; ++number) {
    bench.infer("measured", number);
  }
  enter_stage("etdump");
  const auto dump = tracer.get_etdump_data();
  const std::unique_ptr<void, FreeDeleter> owned(dump.buf);
  if (!dump.buf || dump.size == 0) {
    fail("Internal", "the event tracer gave no dump");
  }
  BesideFile file(job.etdump);
  file.write_at(0, dump.buf, dump.size);
  file.commit();
}

}  // namespace

void run_pass(const Job& job, Result& result) {
  enter_stage("job");
  pin(job.cpus);
  result.threads = set_threads(job.threads);
  enter_stage("input");
  Samples samples(job.inputs);
  const bool with_pss = job.pass == Pass::memory;
  if (job.pass == Pass::memory) {
    evict(job.program);
  }
  result.cached = cached_share(job.program);
  result.memory.push_back(take_memory("start", with_pss));

  enter_stage("load");
  Times times;
  const int64_t start = now();
  const LoadedProgram program(job.program);
  times.load = now() - start;
  result.memory.push_back(take_memory("loaded", with_pss));

  const auto meta = program.meta(job.method);
  result.arenas = arena_sizes(meta);
  enter_stage("input");
  samples.check_against(meta);
  result.samples = samples.size();

  enter_stage("init");
  ETDumpGen tracer;
  const int64_t initialize = now();
  LoadedMethod method(program, job.method, job.pass == Pass::operators ? &tracer : nullptr);
  times.init = now() - initialize;
  result.memory.push_back(take_memory("initialized", with_pss));

  enter_stage("input");
  Bench bench(method, samples);
  switch (job.pass) {
    case Pass::latency: run_latency(job, bench, times, result); break;
    case Pass::memory: run_memory(bench, times, result); break;
    case Pass::outputs: run_outputs(job, bench, result); break;
    case Pass::operators: run_operators(job, bench, tracer, result); break;
  }
  result.memory.push_back(take_memory("done", with_pss));
}

}  // namespace edgeq
