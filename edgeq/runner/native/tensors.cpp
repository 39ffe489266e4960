#include "tensors.h"

#include "failure.h"

#include <cstring>

namespace edgeq {
namespace {

using executorch::aten::ScalarType;

constexpr DType kTypes[] = {
    {ScalarType::Float, "float32", "F32", 4},  {ScalarType::Half, "float16", "F16", 2},
    {ScalarType::BFloat16, "bfloat16", "BF16", 2}, {ScalarType::Double, "float64", "F64", 8},
    {ScalarType::Long, "int64", "I64", 8},     {ScalarType::Int, "int32", "I32", 4},
    {ScalarType::Short, "int16", "I16", 2},    {ScalarType::Char, "int8", "I8", 1},
    {ScalarType::Byte, "uint8", "U8", 1},      {ScalarType::Bool, "bool", "BOOL", 1},
};

constexpr size_t kCacheLine = 64;

// Calls `visit(row_major_element, strided_element)` for every element.
template <typename Visit>
void for_each_element(const Shape& shape, const std::vector<int32_t>& strides, Visit visit) {
  size_t count = 1;
  for (const int32_t size : shape) {
    count *= static_cast<size_t>(size);
  }
  std::vector<int32_t> index(shape.size(), 0);
  for (size_t element = 0; element < count; ++element) {
    size_t at = 0;
    for (size_t d = 0; d < shape.size(); ++d) {
      at += static_cast<size_t>(index[d]) * static_cast<size_t>(strides[d]);
    }
    visit(element, at);
    for (size_t d = shape.size(); d-- > 0 && ++index[d] == shape[d];) {
      index[d] = 0;
    }
  }
}

}  // namespace

const DType* find_dtype(ScalarType type) {
  for (const DType& dtype : kTypes) {
    if (dtype.type == type) {
      return &dtype;
    }
  }
  return nullptr;
}

const DType* find_dtype(std::string_view safetensors) {
  for (const DType& dtype : kTypes) {
    if (safetensors == dtype.safetensors) {
      return &dtype;
    }
  }
  return nullptr;
}

std::string dtype_name(ScalarType type) {
  const DType* known = find_dtype(type);
  return known ? known->torch : "unknown (" + std::to_string(static_cast<int>(type)) + ")";
}

std::string shape_text(const Shape& shape) {
  std::string text = "[";
  for (size_t d = 0; d < shape.size(); ++d) {
    text += (d ? ", " : "") + std::to_string(shape[d]);
  }
  return text + "]";
}

int64_t tensor_bytes(const Shape& shape, size_t element_bytes) {
  int64_t bytes = static_cast<int64_t>(element_bytes);
  for (const int32_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(bytes, static_cast<int64_t>(size), &bytes)) {
      return -1;
    }
  }
  return bytes;
}

bool is_row_major(const std::vector<uint8_t>& dim_order) {
  for (size_t d = 0; d < dim_order.size(); ++d) {
    if (dim_order[d] != d) {
      return false;
    }
  }
  return true;
}

std::vector<int32_t> strides_of(const Shape& shape, const std::vector<uint8_t>& dim_order) {
  std::vector<int32_t> strides(shape.size(), 0);
  int32_t stride = 1;
  for (size_t place = shape.size(); place-- > 0;) {
    if (place >= dim_order.size() || dim_order[place] >= shape.size()) {
      fail("InvalidProgram", "a tensor's dimension order does not fit its shape " + shape_text(shape));
    }
    strides[dim_order[place]] = stride;
    if (__builtin_mul_overflow(stride, shape[dim_order[place]], &stride)) {
      fail("InvalidProgram", "a tensor of shape " + shape_text(shape) + " is too large");
    }
  }
  return strides;
}

void scatter(const std::byte* row_major, std::byte* strided, const Shape& shape,
             const std::vector<int32_t>& strides, size_t element_bytes) {
  for_each_element(shape, strides, [&](size_t element, size_t at) {
    std::memcpy(strided + at * element_bytes, row_major + element * element_bytes, element_bytes);
  });
}

void gather(const std::byte* strided, std::byte* row_major, const Shape& shape,
            const std::vector<int32_t>& strides, size_t element_bytes) {
  for_each_element(shape, strides, [&](size_t element, size_t at) {
    std::memcpy(row_major + element * element_bytes, strided + at * element_bytes, element_bytes);
  });
}

Buffer allocate(size_t bytes) {
  void* memory = nullptr;
  if (bytes > SIZE_MAX / 2 || posix_memalign(&memory, kCacheLine, bytes + kCacheLine) != 0) {
    fail("MemoryAllocationFailed", "cannot allocate " + std::to_string(bytes) + " bytes");
  }
  return Buffer(static_cast<std::byte*>(memory));
}

}  // namespace edgeq
