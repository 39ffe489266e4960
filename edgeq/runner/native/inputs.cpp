#include "inputs.h"

#include "failure.h"

#include <algorithm>
#include <charconv>
#include <functional>

namespace edgeq {
namespace {

using executorch::runtime::MethodMeta;
using executorch::runtime::Tag;

// Parses "{sample}.{index}"; nothing but digits and one dot.
std::optional<std::pair<size_t, size_t>> parse_key(const std::string& key) {
  size_t sample = 0;
  size_t index = 0;
  const char* end = key.data() + key.size();
  const auto first = std::from_chars(key.data(), end, sample);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '.') {
    return std::nullopt;
  }
  const auto second = std::from_chars(first.ptr + 1, end, index);
  if (second.ec != std::errc() || second.ptr != end) {
    return std::nullopt;
  }
  return std::pair(sample, index);
}

std::string place(size_t sample, size_t index) {
  return "sample " + std::to_string(sample) + " input " + std::to_string(index);
}

std::string text(const TensorMeta& meta) { return dtype_name(meta.type) + " " + shape_text(meta.shape); }
std::string text(const StoredTensor& tensor) {
  return std::string(tensor.dtype->torch) + " " + shape_text(tensor.shape);
}

[[noreturn]] void mismatch(size_t sample, size_t index, const TensorMeta& expected, const StoredTensor& got) {
  fail("InvalidArgument", place(sample, index) + ": the method takes " + text(expected) + ", got " + text(got));
}

bool within(const Shape& shape, const Shape& bound) {
  return shape.size() == bound.size() && std::equal(shape.begin(), shape.end(), bound.begin(), std::less_equal());
}

}  // namespace

Samples::Samples(const std::string& path) : file_(path) {
  std::map<std::pair<size_t, size_t>, const StoredTensor*> ordered;
  for (const auto& [key, tensor] : file_.tensors()) {
    const auto at = parse_key(key);
    if (!at) {
      fail("InvalidArgument", path + ": tensor '" + key + "' is not named {sample}.{index}");
    }
    ordered.emplace(*at, &tensor);
  }
  for (const auto& [at, tensor] : ordered) {
    const auto [sample, index] = at;
    if (sample == rows_.size() && index == 0) {
      rows_.emplace_back();
    }
    if (sample + 1 != rows_.size() || index != rows_.back().size()) {
      fail("InvalidArgument", path + ": there is a gap before " + place(sample, index));
    }
    rows_.back().push_back(*tensor);
  }
}

void Samples::check_against(const MethodMeta& meta) {
  for (size_t index = 0; index < meta.num_inputs(); ++index) {
    const std::string name = "input " + std::to_string(index);
    if (unwrap(meta.input_tag(index), "cannot describe " + name) != Tag::Tensor) {
      fail("NotSupported", name + " of the method is no tensor");
    }
    inputs_.push_back(describe_tensor(unwrap(meta.input_tensor_meta(index), "cannot describe " + name)));
  }
  if (inputs_.empty() && rows_.empty()) {
    rows_.emplace_back();  // a method without inputs: one sample of nothing
  }
  if (rows_.empty()) {
    fail("InvalidArgument", "the inputs file holds no sample");
  }
  for (size_t sample = 0; sample < rows_.size(); ++sample) {
    const auto& row = rows_[sample];
    if (row.size() != inputs_.size()) {
      fail("InvalidArgument", "sample " + std::to_string(sample) + ": the method takes " +
                                  std::to_string(inputs_.size()) + " inputs, got " + std::to_string(row.size()));
    }
    for (size_t index = 0; index < row.size(); ++index) {
      if (row[index].dtype->type != inputs_[index].type || !within(row[index].shape, inputs_[index].shape)) {
        mismatch(sample, index, inputs_[index], row[index]);
      }
    }
  }
}

InputSlots::InputSlots(const Samples& samples) : samples_(samples), slots_(samples.inputs().size()) {
  size_t most_reordered = 0;
  for (size_t index = 0; index < slots_.size(); ++index) {
    // Every sample is within the program's bounds, so the program's size is enough for all.
    const TensorMeta& meta = samples.inputs()[index];
    slots_[index].data = allocate(meta.bytes);
    slots_[index].dim_order = meta.dim_order;
    if (!is_row_major(meta.dim_order)) {
      most_reordered = std::max(most_reordered, meta.bytes);
    }
  }
  row_major_ = allocate(most_reordered);
}

void InputSlots::load(size_t sample) {
  for (size_t index = 0; index < slots_.size(); ++index) {
    const StoredTensor& stored = samples_.row(sample)[index];
    Slot& slot = slots_[index];
    slot.shape = stored.shape;
    slot.strides = strides_of(slot.shape, slot.dim_order);
    if (is_row_major(slot.dim_order)) {
      samples_.read(stored, slot.data.get());
    } else {
      samples_.read(stored, row_major_.get());
      scatter(row_major_.get(), slot.data.get(), slot.shape, slot.strides, stored.dtype->bytes);
    }
    slot.tensor.emplace(stored.dtype->type, static_cast<ssize_t>(slot.shape.size()), slot.shape.data(),
                        slot.data.get(), slot.dim_order.data(), slot.strides.data());
  }
  loaded_ = sample;
}

void InputSlots::set(executorch::runtime::Method& method, size_t sample) {
  if (loaded_ != sample) {
    load(sample);
  }
  for (size_t index = 0; index < slots_.size(); ++index) {
    const executorch::aten::Tensor tensor(&*slots_[index].tensor);
    check(method.set_input(executorch::runtime::EValue(tensor), index),
          place(sample, index) + ": the method takes " + text(samples_.inputs()[index]) + ", got " +
              text(samples_.row(sample)[index]));
  }
}

void InputSlots::try_shapes(executorch::runtime::Method& method) {
  for (size_t sample = 0; sample < samples_.size(); ++sample) {
    const auto& row = samples_.row(sample);
    for (size_t index = 0; index < row.size(); ++index) {
      if (row[index].shape != samples_.inputs()[index].shape) {
        set(method, sample);
        break;
      }
    }
  }
}

}  // namespace edgeq
