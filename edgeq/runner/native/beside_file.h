// A file that appears under its name only when it is whole: written beside, then renamed.
#pragma once

#include <cstddef>
#include <string>

namespace edgeq {

class BesideFile {
 public:
  // Creates `path` + ".part". Throws a Failure of the current stage, as every method does.
  explicit BesideFile(std::string path);
  // Removes the part when `commit` was not reached.
  ~BesideFile();
  BesideFile(const BesideFile&) = delete;
  BesideFile& operator=(const BesideFile&) = delete;

  void write_at(size_t offset, const void* data, size_t bytes);
  void commit();

 private:
  std::string path_;
  std::string part_;
  int file_ = -1;
};

}  // namespace edgeq
