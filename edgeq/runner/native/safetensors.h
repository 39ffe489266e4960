// The safetensors format: 8 bytes of header length (little-endian), a JSON header, the data.
// Both sides run on little-endian machines only, as ExecuTorch does.
#pragma once

#include "beside_file.h"
#include "tensors.h"

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace edgeq {

struct StoredTensor {
  const DType* dtype;
  Shape shape;
  size_t offset;  // of its data in the file
  size_t bytes;
};

// Reads tensors with pread: mapped pages would count as the runner's own memory.
class SafetensorsReader {
 public:
  // Reads and checks the whole header. Throws a Failure: a system error, or `MalformedSafetensors`.
  explicit SafetensorsReader(const std::string& path);
  ~SafetensorsReader();
  SafetensorsReader(const SafetensorsReader&) = delete;
  SafetensorsReader& operator=(const SafetensorsReader&) = delete;

  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  void read(const StoredTensor& tensor, std::byte* to) const;

 private:
  void read_at(size_t offset, std::byte* to, size_t bytes) const;

  std::string path_;
  int file_ = -1;
  std::map<std::string, StoredTensor> tensors_;
};

// Writes each tensor when it is given. Room for the header is kept at the front; what it does not need is
// filled with blanks, as the format allows.
class SafetensorsWriter {
 public:
  // `header_room`: the sum of `room_for` over all tensors that will come.
  SafetensorsWriter(const std::string& path, size_t header_room);

  // Upper bound of the header bytes of a tensor whose sizes are at most those of `shape`.
  static size_t room_for(const std::string& name, const Shape& shape);

  void add(const std::string& name, const DType& dtype, const Shape& shape, const void* data, size_t bytes);
  void commit();

 private:
  BesideFile file_;
  size_t header_bytes_;
  size_t data_bytes_ = 0;
  std::string header_ = "{";
};

}  // namespace edgeq
