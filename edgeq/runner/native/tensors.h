// Element types under their three names, and tensors in row-major order or in a
// program's own dimension order.
#pragma once

#include <executorch/runtime/core/exec_aten/exec_aten.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace edgeq {

struct DType {
  executorch::aten::ScalarType type;
  const char* torch;
  const char* safetensors;
  size_t bytes;
};

// The element types that a safetensors file and a program have in common; nullptr for any other.
const DType* find_dtype(executorch::aten::ScalarType type);
const DType* find_dtype(std::string_view safetensors);

// torch's name of the type, or "unknown (n)".
std::string dtype_name(executorch::aten::ScalarType type);

using Shape = std::vector<int32_t>;

// "[1, 3, 224, 224]"
std::string shape_text(const Shape& shape);

// Bytes of a tensor, or -1 when the product does not fit.
int64_t tensor_bytes(const Shape& shape, size_t element_bytes);

// Whether `dim_order` is 0, 1, 2, ...: row-major.
bool is_row_major(const std::vector<uint8_t>& dim_order);

// Strides in elements of a dense tensor whose dimensions lie in memory in `dim_order`, outermost first.
std::vector<int32_t> strides_of(const Shape& shape, const std::vector<uint8_t>& dim_order);

// Copies between row-major order and strided order (both dense, `shape` is never empty).
void scatter(const std::byte* row_major, std::byte* strided, const Shape& shape,
             const std::vector<int32_t>& strides, size_t element_bytes);
void gather(const std::byte* strided, std::byte* row_major, const Shape& shape,
            const std::vector<int32_t>& strides, size_t element_bytes);

struct FreeDeleter {
  void operator()(void* memory) const { std::free(memory); }
};
using Buffer = std::unique_ptr<std::byte, FreeDeleter>;

// Memory that is not touched yet, aligned to a cache line, with a line to spare: XNNPACK's kernels may
// read up to 16 bytes beyond a tensor (XNN_EXTRA_BYTES). Throws a Failure `MemoryAllocationFailed`.
Buffer allocate(size_t bytes);

}  // namespace edgeq
