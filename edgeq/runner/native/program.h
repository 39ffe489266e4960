// A program and one of its methods through ExecuTorch's lower-level API, which
// unlike `Module` gives the arenas and each step of loading apart.
#pragma once

#include "tensors.h"

#include <executorch/extension/data_loader/mmap_data_loader.h>
#include <executorch/extension/memory_allocator/malloc_memory_allocator.h>
#include <executorch/runtime/executor/memory_manager.h>
#include <executorch/runtime/executor/method.h>
#include <executorch/runtime/executor/program.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace edgeq {

// What a program says about a tensor; sizes are upper bounds when the shape is dynamic.
struct TensorMeta {
  executorch::aten::ScalarType type;
  Shape shape;
  std::vector<uint8_t> dim_order;
  size_t bytes;
  bool planned;  // it has a place in an arena
};

TensorMeta describe_tensor(const executorch::runtime::TensorInfo& info);

class LoadedProgram {
 public:
  // Maps the file and verifies its structure. Throws a Failure of the current stage, as all of this does.
  explicit LoadedProgram(const std::string& path);

  std::vector<std::string> methods() const;
  executorch::runtime::MethodMeta meta(const std::string& method) const;
  const executorch::runtime::Program& get() const { return *program_; }

 private:
  std::optional<executorch::extension::MmapDataLoader> loader_;
  std::optional<executorch::runtime::Program> program_;
};

// Bytes of each planned arena.
std::vector<int64_t> arena_sizes(const executorch::runtime::MethodMeta& meta);

class LoadedMethod {
 public:
  // Allocates the arenas and loads the method, delegates included. `tracer` may be nullptr.
  LoadedMethod(const LoadedProgram& program, const std::string& method, executorch::runtime::EventTracer* tracer);
  LoadedMethod(const LoadedMethod&) = delete;
  LoadedMethod& operator=(const LoadedMethod&) = delete;

  executorch::runtime::Method& get() { return *method_; }

 private:
  void place_outputs(const executorch::runtime::MethodMeta& meta);

  executorch::extension::MallocMemoryAllocator method_allocator_;
  executorch::extension::MallocMemoryAllocator temp_allocator_;
  std::vector<Buffer> buffers_;
  std::vector<executorch::runtime::Span<uint8_t>> arenas_;
  std::optional<executorch::runtime::HierarchicalAllocator> planned_;
  std::optional<executorch::runtime::MemoryManager> memory_;
  std::optional<executorch::runtime::Method> method_;
};

}  // namespace edgeq
