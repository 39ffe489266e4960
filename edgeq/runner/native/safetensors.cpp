#include "safetensors.h"

#include "failure.h"

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>

static_assert(std::endian::native == std::endian::little);

namespace edgeq {
namespace {

using nlohmann::json;

constexpr size_t kLengthBytes = 8;
constexpr size_t kMostHeaderBytes = 100'000'000;  // the reference implementation's limit

[[noreturn]] void malformed(const std::string& path, const std::string& problem) {
  fail("MalformedSafetensors", path + ": " + problem);
}

bool is_count(const json& value, uint64_t most) {
  return value.is_number_unsigned() && value.get<uint64_t>() <= most;
}

// `data_bytes` bounds the offsets; the result's offset counts from the start of the data.
StoredTensor parse_tensor(const std::string& where, const std::string& name, const json& entry, size_t data_bytes) {
  const auto wrong = [&](const char* key) {
    malformed(where, "tensor '" + name + "': " + key + " is missing or wrong");
  };
  if (!entry.is_object()) {
    malformed(where, "tensor '" + name + "' is no object");
  }
  const json dtype = entry.value("dtype", json());
  const json shape = entry.value("shape", json());
  const json offsets = entry.value("data_offsets", json());
  StoredTensor tensor{};
  tensor.dtype = dtype.is_string() ? find_dtype(dtype.get_ref<const std::string&>()) : nullptr;
  if (!tensor.dtype) {
    wrong("dtype");
  }
  if (!shape.is_array()) {
    wrong("shape");
  }
  for (const json& size : shape) {
    if (!is_count(size, std::numeric_limits<int32_t>::max())) {
      wrong("shape");
    }
    tensor.shape.push_back(size.get<int32_t>());
  }
  if (!offsets.is_array() || offsets.size() != 2 || !is_count(offsets[1], data_bytes) ||
      !is_count(offsets[0], offsets[1].get<uint64_t>())) {
    wrong("data_offsets");
  }
  tensor.offset = offsets[0].get<size_t>();
  tensor.bytes = offsets[1].get<size_t>() - tensor.offset;
  if (tensor_bytes(tensor.shape, tensor.dtype->bytes) != static_cast<int64_t>(tensor.bytes)) {
    malformed(where, "tensor '" + name + "': its shape and its length do not agree");
  }
  return tensor;
}

}  // namespace

SafetensorsReader::SafetensorsReader(const std::string& path) : path_(path) {
  file_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const off_t end = file_ < 0 ? -1 : lseek(file_, 0, SEEK_END);
  if (end < 0) {
    fail_errno("cannot open " + path);
  }
  const auto size = static_cast<size_t>(end);
  uint64_t header_bytes = 0;
  if (size < kLengthBytes) {
    malformed(path, "shorter than a header");
  }
  read_at(0, reinterpret_cast<std::byte*>(&header_bytes), kLengthBytes);
  if (header_bytes > kMostHeaderBytes || header_bytes > size - kLengthBytes) {
    malformed(path, "the header is longer than the file");
  }
  std::string text(header_bytes, '\0');
  read_at(kLengthBytes, reinterpret_cast<std::byte*>(text.data()), text.size());
  const json header = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) {
    malformed(path, "the header is no JSON object");
  }
  const size_t data_start = kLengthBytes + header_bytes;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      continue;
    }
    StoredTensor tensor = parse_tensor(path, name, entry, size - data_start);
    tensor.offset += data_start;
    tensors_.emplace(name, std::move(tensor));
  }
}

SafetensorsReader::~SafetensorsReader() {
  if (file_ >= 0) {
    close(file_);
  }
}

void SafetensorsReader::read(const StoredTensor& tensor, std::byte* to) const {
  read_at(tensor.offset, to, tensor.bytes);
}

void SafetensorsReader::read_at(size_t offset, std::byte* to, size_t bytes) const {
  while (bytes > 0) {
    const ssize_t got = pread(file_, to, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      fail_errno("cannot read " + path_);
    }
    if (got == 0) {
      malformed(path_, "ended early");
    }
    to += got;
    offset += static_cast<size_t>(got);
    bytes -= static_cast<size_t>(got);
  }
}

SafetensorsWriter::SafetensorsWriter(const std::string& path, size_t header_room)
    // Braces, then up to a multiple of 8 so that the data is aligned.
    : file_(path), header_bytes_((header_room + 2 + 7) / 8 * 8) {
  if (header_bytes_ > kMostHeaderBytes) {
    fail("NotSupported", path + ": too many samples for one safetensors file");
  }
}

size_t SafetensorsWriter::room_for(const std::string& name, const Shape& shape) {
  constexpr size_t kFixed = sizeof R"(,"":{"dtype":"BF16","shape":[],"data_offsets":[,]})" + 2 * 20;
  return kFixed + name.size() + shape_text(shape).size();
}

void SafetensorsWriter::add(const std::string& name, const DType& dtype, const Shape& shape, const void* data,
                            size_t bytes) {
  std::string sizes;
  for (const int32_t size : shape) {
    sizes += (sizes.empty() ? "" : ",") + std::to_string(size);
  }
  header_ += (header_.size() > 1 ? "," : "") + ('"' + name) + R"(":{"dtype":")" + dtype.safetensors +
             R"(","shape":[)" + sizes + R"(],"data_offsets":[)" + std::to_string(data_bytes_) + "," +
             std::to_string(data_bytes_ + bytes) + "]}";
  file_.write_at(kLengthBytes + header_bytes_ + data_bytes_, data, bytes);
  data_bytes_ += bytes;
}

void SafetensorsWriter::commit() {
  header_ += "}";
  if (header_.size() > header_bytes_) {
    fail("Internal", "an output grew beyond the shape that the program states");
  }
  header_.resize(header_bytes_, ' ');
  const uint64_t length = header_.size();
  file_.write_at(0, &length, kLengthBytes);
  file_.write_at(kLengthBytes, header_.data(), header_.size());
  file_.commit();
}

}  // namespace edgeq
