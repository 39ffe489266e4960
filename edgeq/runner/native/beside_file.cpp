#include "beside_file.h"

#include "failure.h"
#include "guard.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace edgeq {

BesideFile::BesideFile(std::string path) : path_(std::move(path)), part_(path_ + ".part") {
  register_scratch(part_);  // first: a signal may come as soon as the file is there
  file_ = open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file_ < 0) {
    const int reason = errno;
    forget_scratch(part_);
    errno = reason;
    fail_errno("cannot create " + part_);
  }
}

BesideFile::~BesideFile() {
  if (file_ >= 0) {
    close(file_);
  }
  if (!part_.empty()) {
    unlink(part_.c_str());
    forget_scratch(part_);
  }
}

void BesideFile::write_at(size_t offset, const void* data, size_t bytes) {
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = pwrite(file_, from, bytes, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      fail_errno("cannot write " + part_);
    }
    from += written;
    offset += static_cast<size_t>(written);
    bytes -= static_cast<size_t>(written);
  }
}

void BesideFile::commit() {
  // Some file systems report a full disk only here.
  const int closed = close(file_);
  file_ = -1;
  if (closed != 0) {
    fail_errno("cannot write " + part_);
  }
  if (std::rename(part_.c_str(), path_.c_str()) != 0) {
    fail_errno("cannot rename " + part_ + " to " + path_);
  }
  forget_scratch(part_);
  part_.clear();
}

}  // namespace edgeq
