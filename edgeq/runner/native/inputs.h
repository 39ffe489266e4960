// The samples that a job runs on: read from a safetensors file, checked against
// the method, and set one at a time outside of anything that is timed.
#pragma once

#include "program.h"
#include "safetensors.h"

#include <optional>
#include <string>
#include <vector>

namespace edgeq {

class Samples {
 public:
  // Reads the header only. Keys are "{sample}.{index}" without gaps.
  explicit Samples(const std::string& path);

  // Compares number, dtype and shape of every sample with the method; a size may be below the program's
  // upper bound. Throws a Failure that names sample and input.
  void check_against(const executorch::runtime::MethodMeta& meta);

  size_t size() const { return rows_.size(); }
  const std::vector<StoredTensor>& row(size_t sample) const { return rows_[sample]; }
  const std::vector<TensorMeta>& inputs() const { return inputs_; }
  void read(const StoredTensor& tensor, std::byte* to) const { file_.read(tensor, to); }

 private:
  SafetensorsReader file_;
  std::vector<std::vector<StoredTensor>> rows_;
  std::vector<TensorMeta> inputs_;
};

// One buffer for each input, reused by every sample: memory does not grow with the number of samples.
class InputSlots {
 public:
  explicit InputSlots(const Samples& samples);

  // Sets all inputs of `method` to `sample`. Needed before each inference: ExecuTorch copies a planned
  // input into an arena whose place a later tensor may take.
  void set(executorch::runtime::Method& method, size_t sample);

  // Sets every sample whose shape is not the program's own once, so that a refusal comes before any timing.
  void try_shapes(executorch::runtime::Method& method);

 private:
  struct Slot {
    Buffer data;
    Shape shape;
    std::vector<uint8_t> dim_order;
    std::vector<int32_t> strides;
    std::optional<executorch::aten::TensorImpl> tensor;
  };

  void load(size_t sample);

  const Samples& samples_;
  std::vector<Slot> slots_;
  Buffer row_major_;  // for inputs that the program wants in another order
  std::optional<size_t> loaded_;
};

}  // namespace edgeq
