#include "program.h"

#include "failure.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace edgeq {

using executorch::extension::MmapDataLoader;
using executorch::runtime::MethodMeta;
using executorch::runtime::Program;
using executorch::runtime::Span;

TensorMeta describe_tensor(const executorch::runtime::TensorInfo& info) {
  const auto sizes = info.sizes();
  const auto order = info.dim_order();
  return {info.scalar_type(), Shape(sizes.begin(), sizes.end()), std::vector<uint8_t>(order.begin(), order.end()),
          info.nbytes(), info.is_memory_planned()};
}

LoadedProgram::LoadedProgram(const std::string& path) {
  // ExecuTorch says AccessFailed for every reason; the system knows which one it was.
  struct statx status {};
  if (statx(AT_FDCWD, path.c_str(), 0, STATX_TYPE, &status) != 0 || access(path.c_str(), R_OK) != 0) {
    fail_errno("cannot open " + path);
  }
  if (!S_ISREG(status.stx_mode)) {
    fail("AccessFailed", path + " is no regular file");
  }
  // Not locked in memory: pages that the program never reads shall not count, and an ordinary user may
  // lock only little (RLIMIT_MEMLOCK).
  loader_.emplace(unwrap(MmapDataLoader::from(path.c_str(), MmapDataLoader::MlockConfig::NoMlock),
                         "cannot map " + path));
  program_.emplace(unwrap(Program::load(&*loader_, Program::Verification::InternalConsistency),
                          path + " is no valid ExecuTorch program"));
}

std::vector<std::string> LoadedProgram::methods() const {
  std::vector<std::string> names;
  for (size_t index = 0; index < program_->num_methods(); ++index) {
    names.emplace_back(unwrap(program_->get_method_name(index), "cannot read the name of a method"));
  }
  return names;
}

MethodMeta LoadedProgram::meta(const std::string& method) const {
  auto meta = program_->method_meta(method.c_str());
  std::string action = "cannot describe method '" + method + "'";
  if (!meta.ok()) {
    action += "; the methods are";
    for (const std::string& name : methods()) {
      action += " " + printable(name);
    }
  }
  return unwrap(std::move(meta), action);
}

std::vector<int64_t> arena_sizes(const MethodMeta& meta) {
  std::vector<int64_t> sizes;
  for (size_t index = 0; index < meta.num_memory_planned_buffers(); ++index) {
    sizes.push_back(unwrap(meta.memory_planned_buffer_size(index), "cannot read the size of an arena"));
    if (sizes.back() < 0) {
      fail("InvalidProgram", "an arena has a negative size");
    }
  }
  return sizes;
}

LoadedMethod::LoadedMethod(const LoadedProgram& program, const std::string& method,
                           executorch::runtime::EventTracer* tracer) {
  const MethodMeta meta = program.meta(method);
  for (const int64_t bytes : arena_sizes(meta)) {
    buffers_.push_back(allocate(static_cast<size_t>(bytes)));
    arenas_.emplace_back(reinterpret_cast<uint8_t*>(buffers_.back().get()), static_cast<size_t>(bytes));
  }
  planned_.emplace(Span<Span<uint8_t>>(arenas_.data(), arenas_.size()));
  memory_.emplace(&method_allocator_, &*planned_, &temp_allocator_);
  method_.emplace(unwrap(program.get().load_method(method.c_str(), &*memory_, tracer),
                         "cannot load method '" + method + "'"));
  place_outputs(meta);
}

void LoadedMethod::place_outputs(const MethodMeta& meta) {
  for (size_t index = 0; index < meta.num_outputs(); ++index) {
    const std::string name = "output " + std::to_string(index);
    if (unwrap(meta.output_tag(index), "cannot describe " + name) != executorch::runtime::Tag::Tensor) {
      continue;
    }
    const TensorMeta tensor = describe_tensor(unwrap(meta.output_tensor_meta(index), "cannot describe " + name));
    if (!tensor.planned) {
      buffers_.push_back(allocate(tensor.bytes));
      check(method_->set_output_data_ptr(buffers_.back().get(), tensor.bytes, index), "cannot place " + name);
    }
  }
}

}  // namespace edgeq
